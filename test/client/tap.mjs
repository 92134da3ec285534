// Tests of one client: client.t reads "ok NAME" or "not ok NAME", and what went wrong from standard error.
import pg from 'pg';

export const pool = new pg.Pool({ max: 4 });

export async function test(name, body) {
  try {
    await body();
    console.log(`ok ${name}`);
  } catch (error) {
    console.log(`not ok ${name}`);
    console.error(error);
  }
}

export async function signUp(name) {
  const { rows } = await pool.query('SELECT account.sign_up($1, $2, $3) AS id', [name, `${name}@client.test`, 'us']);
  return rows[0].id;
}

// A transaction on whichever connection is free, in which somebody acts.
export async function as(user, work) {
  const client = await pool.connect();
  try {
    await client.query('BEGIN');
    await client.query('SELECT account.act_as($1)', [user]);
    const result = await work(client);
    await client.query('COMMIT');
    return result;
  } catch (error) {
    await client.query('ROLLBACK');
    throw error;
  } finally {
    client.release();
  }
}
