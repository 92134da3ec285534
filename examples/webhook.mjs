// A payment processor's webhook on node and pg alone, for events as Stripe sends and signs them.
//
//     PGUSER=app WEBHOOK_SECRET=whsec_… node examples/webhook.mjs
//
// The processor sends an event until it hears 200: twice when an answer was lost, late after an outage,
// and not in the order in which things happened. None of that is this handler's business: a payment is
// credited once, and a failure that is reported after the money came changes nothing.
import { createHmac, timingSafeEqual } from 'node:crypto';
import { createServer } from 'node:http';
import { pathToFileURL } from 'node:url';
import pg from 'pg';

export async function settle(pool, { type, data: { object: charge } }) {
  const { payment_id } = charge.metadata;
  if (type === 'charge.succeeded')
    await pool.query('SELECT account.confirm_payment($1, $2, $3)', [payment_id, charge.id, charge.receipt_url]);
  if (type === 'charge.failed')
    await pool.query('SELECT account.fail_payment($1, $2)', [payment_id, charge.failure_message]);
}

// "t=…,v1=…": the HMAC of "t.body"; t is when it was sent, and five minutes bound a replay of it.
export function isSigned(body, header, secret, now = Date.now() / 1000) {
  const fields = (header ?? '').split(',').map((field) => field.split('='));
  const [, sent] = fields.find(([name]) => name === 't') ?? [];
  const expected = createHmac('sha256', secret).update(`${sent}.`).update(body).digest();
  return Math.abs(now - sent) <= 300 && fields.some(([name, value]) => {
    const given = Buffer.from(value ?? '', 'hex');
    return name === 'v1' && given.length === expected.length && timingSafeEqual(given, expected);
  });
}

export function webhook(pool, secret) {
  return createServer(async (request, response) => {
    try {
      const chunks = [];
      for await (const chunk of request) chunks.push(chunk);
      const body = Buffer.concat(chunks);
      if (!isSigned(body, request.headers['stripe-signature'], secret)) return response.writeHead(400).end();
      await settle(pool, JSON.parse(body));
      response.writeHead(200).end();
    } catch (error) {
      console.error(error.code, error.message);
      response.writeHead(500).end();
    }
  });
}

if (import.meta.url === pathToFileURL(process.argv[1]).href)
  webhook(new pg.Pool(), process.env.WEBHOOK_SECRET).listen(process.env.PORT ?? 8080, '127.0.0.1');
