// kysely, a typed query builder: plain tables, transactions and the counts it reads from command tags.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { Kysely, PostgresDialect, sql } from 'kysely';
import { pool, signUp, test } from './tap.mjs';

const db = new Kysely({ dialect: new PostgresDialect({ pool }) }).withSchema('vision');
const pete = await signUp('pete');

const as = (user, work) => db.transaction().execute(async (trx) => {
  await sql`SELECT account.act_as(${user})`.execute(trx);
  return work(trx);
});
const mine = sql`account.current_workspace_id()`;

await test('insertInto … returningAll', async () => {
  const row = await as(pete, (trx) => trx.insertInto('projects').values({ workspace_id: mine, name: 'signs', description: 'of streets' })
    .returningAll().executeTakeFirstOrThrow());
  assert.equal(row.name, 'signs');
  assert.ok(row.created_at instanceof Date);
});

await test('insertInto reports numInsertedOrUpdatedRows, onConflict updates', async () => {
  const result = await as(pete, (trx) => trx.insertInto('projects')
    .values([{ workspace_id: mine, name: 'signs', description: 'changed' }, { workspace_id: mine, name: 'cars' }])
    .onConflict((conflict) => conflict.columns(['workspace_id', 'name']).doUpdateSet({ description: (eb) => eb.ref('excluded.description') }))
    .executeTakeFirstOrThrow());
  assert.equal(result.numInsertedOrUpdatedRows, 2n);
});

await test('updateTable reports numUpdatedRows', async () => {
  const result = await as(pete, (trx) => trx.updateTable('projects').set({ description: 'both' }).executeTakeFirstOrThrow());
  assert.equal(result.numUpdatedRows, 2n);
});

await test('deleteFrom reports numDeletedRows, the row is in the trash', async () => {
  const before = await as(pete, (trx) => trx.selectFrom('projects').selectAll().where('name', '=', 'signs').executeTakeFirstOrThrow());
  const result = await as(pete, (trx) => trx.deleteFrom('projects').where('name', '=', 'signs').executeTakeFirstOrThrow());
  assert.equal(result.numDeletedRows, 1n);
  const item = await as(pete, (trx) => trx.withSchema('account').selectFrom('trash').select(['id', 'kind', 'name', 'size', 'resource_id']).executeTakeFirstOrThrow());
  assert.deepEqual({ ...item, id: undefined }, { id: undefined, kind: 'project', name: 'signs', size: '0', resource_id: before.id });
  assert.equal((await as(pete, (trx) => trx.deleteFrom('projects').where('name', '=', 'signs').executeTakeFirstOrThrow())).numDeletedRows, 0n);
  await as(pete, (trx) => sql`SELECT account.restore(${item.id})`.execute(trx));
  assert.deepEqual(await as(pete, (trx) => trx.selectFrom('projects').selectAll().where('name', '=', 'signs').executeTakeFirstOrThrow()), before);
});

await test('deleteFrom … returning, and the name again in one transaction', async () => {
  const gone = await as(pete, async (trx) => {
    const rows = await trx.deleteFrom('projects').where('name', '=', 'cars').returning(['name', 'description']).execute();
    await trx.insertInto('projects').values({ workspace_id: mine, name: 'cars' }).execute();
    return rows;
  });
  assert.deepEqual(gone, [{ name: 'cars', description: 'both' }]);
});

await test('a join under row security', async () => {
  await as(pete, (trx) => trx.insertInto('models').columns(['workspace_id', 'project_id', 'name', 'base'])
    .expression((eb) => eb.selectFrom('projects').select(['workspace_id', 'id', 'name', eb.val('yolo11n.pt').as('base')])).execute());
  const query = (trx) => trx.selectFrom('models as m').innerJoin('projects as p', 'p.id', 'm.project_id').select(['p.name as project', 'm.base']).orderBy('p.name').execute();
  assert.deepEqual(await as(pete, query), [{ project: 'cars', base: 'yolo11n.pt' }, { project: 'signs', base: 'yolo11n.pt' }]);
  assert.deepEqual(await query(db), []);
});

await test('errors carry their SQLSTATE and roll back', async () => {
  await assert.rejects(as(pete, async (trx) => {
    await trx.deleteFrom('projects').execute();
    await sql`SELECT account.restore(id, 'cars') FROM account.trash WHERE name = 'signs'`.execute(trx);
    await trx.insertInto('projects').values({ workspace_id: mine, name: 'cars' }).execute();
  }), { code: '23505' });
  assert.equal((await as(pete, (trx) => trx.selectFrom('projects').select('id').execute())).length, 2);
  await assert.rejects(as(pete, (trx) => trx.insertInto('projects').values({ workspace_id: randomUUID(), name: 'theirs' }).execute()), { code: '42501' });
});

await db.destroy();
