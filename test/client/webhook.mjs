// examples/webhook.mjs over HTTP: events that come twice, at once, late and out of order credit once.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { webhook } from '../../examples/webhook.mjs';
import { as, pool, signUp, test } from './tap.mjs';

const secret = 'whsec_test';
const server = webhook(pool, secret).listen(0, '127.0.0.1');
await once(server, 'listening');
const url = `http://127.0.0.1:${server.address().port}/`;
const rosa = await signUp('rosa');

const sign = (body, sent) => `t=${sent},v1=${createHmac('sha256', secret).update(`${sent}.${body}`).digest('hex')}`;
async function send(event, { sent = Math.floor(Date.now() / 1000), signature } = {}) {
  const body = JSON.stringify(event);
  return (await fetch(url, { method: 'POST', body, headers: { 'Stripe-Signature': signature ?? sign(body, sent) } })).status;
}
const topUp = (micros) => as(rosa, (client) => client.query('SELECT account.start_top_up($1) AS id', [micros])).then(({ rows }) => rows[0].id);
const succeeded = (payment_id, id) => ({ type: 'charge.succeeded', data: { object: { id, metadata: { payment_id }, receipt_url: `https://receipt.test/${id}` } } });
const failed = (payment_id, id) => ({ type: 'charge.failed', data: { object: { id, metadata: { payment_id }, failure_message: 'card declined' } } });
const cash = () => as(rosa, (client) => client.query('SELECT cash_micros FROM account.balance')).then(({ rows }) => rows[0].cash_micros);
const purchases = () => as(rosa, (client) => client.query(`SELECT count(*)::int AS n FROM account.transactions WHERE type = 'purchase'`)).then(({ rows }) => rows[0].n);

await test('an event credits the payment', async () => {
  const payment = await topUp(10_000_000);
  assert.equal(await send(succeeded(payment, 'ch_1')), 200);
  assert.equal(await cash(), '10000000');
  await test('again it changes nothing', async () => {
    assert.equal(await send(succeeded(payment, 'ch_1')), 200);
    assert.equal(await cash(), '10000000');
  });
});

await test('twenty at once credit one', async () => {
  const payment = await topUp(20_000_000);
  assert.deepEqual(await Promise.all(Array.from({ length: 20 }, () => send(succeeded(payment, 'ch_2')))), Array(20).fill(200));
  assert.equal(await cash(), '30000000');
});

await test('in any order: a failure, then the money; or the failure last', async () => {
  const first = await topUp(50_000_000);
  assert.equal(await send(failed(first, 'ch_3')), 200);
  assert.equal(await send(succeeded(first, 'ch_4')), 200);
  assert.equal(await send(failed(first, 'ch_3')), 200);
  const second = await topUp(100_000_000);
  assert.equal(await send(succeeded(second, 'ch_5')), 200);
  assert.equal(await send(failed(second, 'ch_6')), 200);
  assert.equal(await cash(), '180000000');
});

await test('late: the processor sends it anew, another came between', async () => {
  const late = await topUp(5_000_000);
  const other = await topUp(500_000_000);
  assert.equal(await send(succeeded(other, 'ch_7')), 200);
  assert.equal(await send(succeeded(late, 'ch_8'), { sent: Math.floor(Date.now() / 1000) - 200 }), 200);
  assert.equal(await cash(), '685000000');
});

await test('a mixture of all of it, at once', async () => {
  const payments = await Promise.all(Array.from({ length: 8 }, () => topUp(5_000_000)));
  const events = payments.flatMap((payment, n) => [failed(payment, `ch_x${n}`), succeeded(payment, `ch_y${n}`), succeeded(payment, `ch_y${n}`), failed(payment, `ch_x${n}`)]);
  const shuffled = events.map((event, n) => [(n * 7919) % events.length, event]).sort(([a], [b]) => a - b).map(([, event]) => event);
  assert.deepEqual([...new Set(await Promise.all(shuffled.map((event) => send(event))))], [200]);
  assert.equal(await cash(), '725000000');
});

await test('there is one transaction for each payment, and the ledger is proven', async () => {
  assert.equal(await purchases(), 14);
  const { rows } = await as(rosa, (client) => client.query(`SELECT status, count(*)::int AS n FROM account.payments GROUP BY status`));
  assert.deepEqual(rows, [{ status: 'confirmed', n: 14 }]);
});

await test('what is not signed, or signed too long ago, credits nothing', async () => {
  const payment = await topUp(5_000_000);
  const event = succeeded(payment, 'ch_9');
  const old = Math.floor(Date.now() / 1000) - 3600;
  for (const signature of ['', 't=1', `t=${old},v1=00`, sign('{}', Math.floor(Date.now() / 1000)), 'v1=zz,t='])
    assert.equal(await send(event, { signature }), 400, signature);
  assert.equal(await send(event, { sent: old }), 400);
  assert.equal(await cash(), '725000000');
});

await test('what cannot be settled is asked for again: 500', async () => {
  assert.equal(await send(succeeded('00000000-0000-4000-8000-000000000000', 'ch_10')), 500);
  assert.equal(await send({ type: 'customer.created', data: { object: { metadata: {} } } }), 200);
});

server.close();
await pool.end();
