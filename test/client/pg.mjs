// node-postgres, as a backend uses it behind a pool: each transaction is somebody else's.
import assert from 'node:assert/strict';
import { as, pool, signUp, test } from './tap.mjs';

const maria = await signUp('maria');
const olga = await signUp('olga');
const insert = `INSERT INTO vision.projects (workspace_id, name) VALUES (account.current_workspace_id(), $1) RETURNING *`;
const fails = (code, promise) => assert.rejects(promise, (error) => error.code === code || assert.fail(`${error.code}, not ${code}: ${error.message}`));

await test('INSERT … RETURNING gives the row', async () => {
  const { rows, rowCount } = await as(maria, (client) => client.query(insert, ['signs']));
  assert.equal(rowCount, 1);
  assert.equal(rows[0].name, 'signs');
});

await test('a key proves itself, for its own transaction', async () => {
  const { rows: [{ key }] } = await as(maria, (client) => client.query(`SELECT key FROM account.create_api_key('node')`));
  const client = await pool.connect();
  await client.query('BEGIN');
  assert.equal((await client.query('SELECT role FROM account.authenticate($1)', [key])).rows[0].role, 'owner');
  assert.equal((await client.query('SELECT name FROM vision.projects')).rows[0].name, 'signs');
  await client.query('COMMIT');
  assert.equal((await client.query('SELECT account.current_user_id() AS who')).rows[0].who, null);
  assert.equal((await client.query('SELECT FROM vision.projects')).rowCount, 0);
  client.release();
});

await test('a prepared statement serves whoever acts', async () => {
  const list = { name: 'list-projects', text: 'SELECT name FROM vision.projects ORDER BY name' };
  await as(olga, (client) => client.query(insert, ['hers']));
  const client = await pool.connect();
  for (const [who, names] of [[maria, ['signs']], [olga, ['hers']], [maria, ['signs']]]) {
    await client.query('BEGIN');
    await client.query({ name: 'act', text: 'SELECT account.act_as($1)', values: [who] });
    assert.deepEqual((await client.query(list)).rows.map((row) => row.name), names);
    await client.query('COMMIT');
  }
  assert.equal((await client.query(list)).rowCount, 0);
  client.release();
});

await test('DELETE reports its rows, restore gives them back', async () => {
  const all = (client) => client.query('SELECT * FROM vision.models JOIN vision.epochs ON model_id = id ORDER BY name, epoch');
  await as(maria, async (client) => {
    const { rows: [project] } = await client.query('SELECT * FROM vision.projects');
    await client.query(`INSERT INTO vision.models (workspace_id, project_id, made_by, name, base, settings, bytes)
      SELECT $1, $2, account.current_user_id(), 'model ' || n, 'yolo11n.pt', $3, 5400000 FROM generate_series(1, 5) n`,
      [project.workspace_id, project.id, { imgsz: 640, augment: [0.5, null] }]);
    await client.query(`INSERT INTO vision.epochs SELECT workspace_id, id, n, 1.0 / n, 0.3, 42.5 FROM vision.models, generate_series(1, 3) n`);
  });
  const before = await as(maria, all);
  const deleted = await as(maria, (client) => client.query(`DELETE FROM vision.models WHERE name <> $1`, ['model 1']));
  assert.equal(deleted.rowCount, 4);
  const returned = await as(maria, (client) => client.query('DELETE FROM vision.projects RETURNING name'));
  assert.deepEqual(returned.rows, [{ name: 'signs' }]);
  assert.equal((await as(maria, all)).rowCount, 0);
  await as(maria, (client) => client.query('SELECT account.restore(id) FROM account.trash WHERE parent IS NULL ORDER BY kind DESC'));
  assert.deepEqual((await as(maria, all)).rows, before.rows);
  assert.equal(before.rowCount, 15);
});

await test('sizes are bigint: strings', async () => {
  const { rows } = await as(maria, (client) => client.query('SELECT used FROM account.storage'));
  assert.equal(rows[0].used, '27000000');
});

await test('the name of what was deleted is free at once', async () => {
  await as(maria, async (client) => {
    await client.query(insert, ['again']);
    await client.query('DELETE FROM vision.projects WHERE name = $1', ['again']);
    await client.query(insert, ['again']);
  });
});

await test('errors carry their SQLSTATE', async () => {
  const unknown = '00000000-0000-4000-8000-000000000000';
  const { rows: [{ key }] } = await as(maria, (client) => client.query(`SELECT key FROM account.create_api_key('weak')`));
  await fails('28000', pool.query('SELECT * FROM account.trash'));
  await fails('28000', pool.query('SELECT account.authenticate($1)', ['ul_nothing']));
  await fails('42501', as(olga, (client) => client.query('INSERT INTO vision.projects (workspace_id, name) VALUES ($1, $2)', [unknown, 'theirs'])));
  await fails('42501', pool.query(`SELECT account.create_api_key('more') FROM account.authenticate($1)`, [key]));
  await fails('P0002', as(maria, (client) => client.query('SELECT account.restore($1)', [unknown])));
  await fails('22P02', as(maria, (client) => client.query('SELECT account.restore($1)', ['x'])));
  await fails('22023', as(maria, (client) => client.query('SELECT * FROM account.activity_page(page_size => $1)', [1000])));
  await fails('23505', as(maria, (client) => client.query(insert, ['again'])));
  await fails('23505', as(maria, (client) => client.query(`SELECT account.restore(id) FROM account.trash WHERE name = 'again'`)));
  await fails('PT402', as(maria, (client) => client.query(`INSERT INTO vision.deployments (workspace_id, model_id, name)
    SELECT workspace_id, id, 'endpoint-' || right(name, 1) FROM vision.models`)));
});

await test('a transaction that fails leaves nothing, and nobody acting', async () => {
  await fails('22012', as(maria, async (client) => {
    await client.query('DELETE FROM vision.projects');
    await client.query('SELECT 1 / 0');
  }));
  assert.equal((await as(maria, (client) => client.query('SELECT FROM vision.projects'))).rowCount, 2);
  for (let n = 0; n < 4; n++)
    assert.equal((await pool.query('SELECT account.current_user_id() AS who')).rows[0].who, null);
});

await test('clients at once, each with a batch of its own', async () => {
  await as(olga, (client) => client.query(`INSERT INTO vision.datasets (workspace_id, name, task)
    SELECT account.current_workspace_id(), 'd' || n, 'detect' FROM generate_series(1, 20) n`));
  const counts = await Promise.all(Array.from({ length: 20 }, (_, n) =>
    as(olga, (client) => client.query('DELETE FROM vision.datasets WHERE name = $1', [`d${n + 1}`])).then((result) => result.rowCount)));
  assert.deepEqual(counts, Array(20).fill(1));
  const { rows } = await as(olga, (client) => client.query(`SELECT count(*)::int AS items FROM account.trash WHERE kind = 'dataset'`));
  assert.equal(rows[0].items, 20);
});

await pool.end();
