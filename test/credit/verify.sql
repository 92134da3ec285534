-- An edit under the extension's back is found, with the first transaction that is wrong.
BEGIN;
SELECT no_plan();
\ir setup.psql
SELECT pg_temp.enter('ada');
SELECT account.adjust_credits(:'ada', 1000, 'gift', 'cash');
SELECT account.grant_credits(:'ada', 100, 'promo', 'a', '2100-01-01');
SELECT account.charge(10, 'secret words', 'c1', details => '{"who": "me"}');
SELECT account.charge(10, 'w', 'c2');
SELECT id AS hold FROM account.hold(200, 't', 'h') \gset
SELECT seq AS c1 FROM account.transactions WHERE idempotency_key = 'c1' \gset
SELECT pg_temp.proven(:'ada', 'an honest ledger is proven');
SELECT is((SELECT transactions FROM account.verify_ledger(:'ada')), (SELECT max(seq) FROM account.transactions), 'all of it');
SELECT is((SELECT bool_and(ok) FROM account.verify_ledger()), true, 'all ledgers at once');
SELECT account.create_team('new-credit', 'New') AS new \gset
SELECT results_eq(format('SELECT seq, hash FROM account.ledger_checkpoint(%L)', :'new'), $$VALUES (0::bigint, decode(repeat('00', 32), 'hex'))$$, 'that of a ledger with nothing on it is zeros');
SELECT throws_ok(format('SELECT account.ledger_checkpoint(%L)', gen_random_uuid()), 'P0002', NULL, 'a workspace that is none has none');
SELECT throws_ok(format('SELECT account.verify_ledger(%L)', gen_random_uuid()), 'P0002', NULL, 'a workspace that is none is not proven');
SELECT results_eq(format('SELECT seq, hash FROM account.ledger_checkpoint(%L)', :'ada'),
    'SELECT seq, hash FROM account.transactions ORDER BY seq DESC LIMIT 1', 'a checkpoint is the end of the chain');

-- The chain by hand, from what entry.c promises.
CREATE FUNCTION pg_temp.field(value bytea) RETURNS bytea LANGUAGE sql AS
    $$SELECT coalesce(int4send(length(value)) || value, '\xffffffff')$$;
SELECT is(t.hash, sha256(p.hash || pg_temp.field(uuid_send(t.workspace_id)) || pg_temp.field(int8send(t.seq))
     || pg_temp.field(uuid_send(t.id)) || pg_temp.field(t.type::text::bytea) || pg_temp.field(int8send(t.amount_micros))
     || pg_temp.field(int8send(t.balance_after_micros)) || pg_temp.field(int8send(t.cash_micros))
     || pg_temp.field(int8send(t.debt_micros)) || pg_temp.field(int8send(t.reserved_micros))
     || pg_temp.field(timestamptz_send(t.created_at)) || pg_temp.field(t.actor_kind::bytea)
     || pg_temp.field(uuid_send(t.actor_id)) || pg_temp.field(uuid_send(t.api_key_id)) || pg_temp.field(uuid_send(t.reference_id))
     || pg_temp.field((SELECT string_agg(uuid_send(i), '' ORDER BY n) FROM unnest(t.grant_ids) WITH ORDINALITY x (i, n)))
     || pg_temp.field((SELECT string_agg(int8send(m), '' ORDER BY n) FROM unnest(t.grant_micros) WITH ORDINALITY x (m, n)))
     || pg_temp.field(convert_to(t.idempotency_key, 'utf8')) || pg_temp.field(convert_to(t.request, 'utf8'))
     || pg_temp.field(convert_to(t.category, 'utf8')) || pg_temp.field(t.text_digest)), 'a hash can be computed by anybody: ' || t.type)
  FROM account_data.transactions t JOIN account_data.transactions p ON p.workspace_id = t.workspace_id AND p.seq = t.seq - 1
 WHERE t.workspace_id = :'ada';
SELECT is(text_digest, sha256(pg_temp.field(salt) || pg_temp.field('secret words') || pg_temp.field('{"who": "me"}')),
    'and the digest of its text') FROM account_data.transactions WHERE idempotency_key = 'c1';

-- Each edit is tried alone.
ALTER TABLE account_data.transactions DISABLE TRIGGER transaction_guard;
CREATE FUNCTION pg_temp.tamper(workspace_id uuid, statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE found text;
BEGIN
    EXECUTE statement;
    SELECT concat_ws(' ', v.first_bad_seq, v.problem) INTO found FROM account.verify_ledger(tamper.workspace_id) v;
    RAISE EXCEPTION USING errcode = 'P0001', message = found;
EXCEPTION WHEN raise_exception THEN RETURN sqlerrm;
END $$;
SELECT matches(pg_temp.tamper(:'ada', format('UPDATE account_data.transactions SET %s WHERE workspace_id = %L AND seq = %s', edit, :'ada', :c1)),
    '^' || :c1 || ' ', 'found: ' || edit)
  FROM unnest(ARRAY['amount_micros = amount_micros - 1', 'balance_after_micros = 0', 'cash_micros = cash_micros + 1, grant_micros = NULL, grant_ids = NULL',
    'debt_micros = 5', 'reserved_micros = 5', $$created_at = created_at - interval '1 day'$$, 'actor_id = NULL', 'api_key_id = id', 'reference_id = id',
    $$type = 'settle'$$, 'id = gen_random_uuid()', 'idempotency_key = NULL', $$request = 'x'$$, $$category = 'x'$$, $$description = 'other words'$$,
    $$details = '{}'$$, 'salt = NULL', $$text_digest = sha256('')$$, $$hash = sha256('')$$, $$actor_kind = 'operator'$$, $$grant_ids = '{}'$$, 'grant_ids = grant_ids || id', 'grant_micros = NULL', 'grant_micros = ARRAY[grant_micros]',
    $$grant_micros = '[0:0]={-10}'$$]) edit;
SELECT matches(pg_temp.tamper(:'ada', format('UPDATE account_data.transactions SET %s WHERE workspace_id = %L AND seq = %s', edit, :'ada', seq)),
    '^' || seq || ' ', 'found where no grant has a part: ' || edit)
  FROM account.transactions, unnest(ARRAY[$$grant_ids = '{}'$$, 'grant_ids = ARRAY[id]', 'grant_micros = ARRAY[1]', $$grant_ids = '{}', grant_micros = '{}'$$]) edit WHERE idempotency_key = 'cash';
SELECT matches(pg_temp.tamper(:'ada', format($$UPDATE account_data.transactions SET salt = '\x00', description = NULL, details = '{}' WHERE workspace_id = %L AND seq = %s$$, :'ada', :c1)),
    '^' || :c1 || ' ', 'found: a salt of another length');
SELECT matches(pg_temp.tamper(:'ada', format('DELETE FROM account_data.transactions WHERE workspace_id = %L AND seq = %s', :'ada', :c1)), '^' || :c1 || ' ', 'found: a missing transaction');
SELECT matches(pg_temp.tamper(:'ada', format('DELETE FROM account_data.transactions WHERE workspace_id = %L AND seq > %s', :'ada', :c1)), 'end with', 'found: the end cut off');
SELECT isnt(pg_temp.tamper(:'ada', format('UPDATE account_data.%s WHERE workspace_id = %L', edit, :'ada')), '', 'found: ' || edit)
  FROM unnest(ARRAY['wallets SET cash_micros = cash_micros + 1', 'wallets SET last_seq = last_seq + 1', $$wallets SET head = sha256('')$$,
    'wallets SET reserved_micros = reserved_micros - 1', 'wallets SET top_up_below_micros = 9223372036854775807', 'grants SET remaining_micros = remaining_micros - 1, reserved_micros = reserved_micros - 1',
    'grants SET reserved_micros = reserved_micros - 1', 'holds SET held_micros = held_micros - 1', 'holds SET grant_micros[1] = 1']) edit;

-- So is one of what the ledger granted, of when something is due, and of what is owed.
SELECT account.act_as(user_id) FROM who WHERE name = 'bob';
SELECT account.grant_credits(:'bob', 100, 'promo', 'spent', '2100-01-01', 7);
SELECT id AS charge FROM account.charge(150, 'w', 'owes', allow_negative => true) \gset
SELECT account.charge(50, 'w', 'owes too', allow_negative => true);
SELECT account.adjust_credits(:'bob', 60, 'gift', 'pays');
SELECT account.refund(:'charge', 40, idempotency_key => 'pays too');
SELECT account.adjust_credits(:'bob', 1000, 'gift', 'more');
SELECT account.charge(10, 'w', 'owed by nobody');
SELECT account.grant_credits(:'bob', 100, 'promo', 'unspent');
SELECT account.grant_credits(:'bob', 100, 'promo', 'held', '2101-01-01');
SELECT account.hold(150, 't', 'holds', '50 years');
SELECT account.grant_credits(:'bob', 1, 'promo', 'at the end of time', '294276-12-31 23:59:59.999999+00', -2147483648);
SELECT account.grant_credits(:'bob', 1, 'promo', 'long since', statement_timestamp() + '1 us', 2147483647);
SELECT account.set_auto_top_up(true, 200);
SELECT pg_temp.proven(:'bob', 'an honest ledger with debts is proven');
SELECT isnt(pg_temp.tamper(:'bob', format('UPDATE account_data.%s', edit)), '', 'found: ' || edit)
  FROM unnest(ARRAY['wallets SET last_at = last_at + interval $$1 us$$', 'wallets SET next_due_at = $$infinity$$', 'wallets SET top_up_below_micros = top_up_below_micros - 1',
    'wallets SET top_up_below_micros = -9223372036854775808']) set_to, format('%s WHERE workspace_id = %L', set_to, :'bob') edit
UNION ALL
SELECT isnt(pg_temp.tamper(:'bob', format('UPDATE account_data.grants g SET %s FROM account_data.transactions t WHERE t.reference_id = g.id AND t.idempotency_key = %L', edit, key)), '', format('found in a grant that is %s: %s', key, edit))
  FROM unnest('{spent,unspent,held}'::text[]) key, unnest(ARRAY['is_spent = NOT is_spent', 'remaining_micros = g.remaining_micros - 1', 'reserved_micros = g.reserved_micros - 1', 'amount_micros = g.amount_micros + 1',
    'priority = priority - 1', 'type = $$signup$$', 'seq = g.seq - 1', 'expires_at = g.expires_at + interval $$1 us$$', 'id = t.id']) edit
 WHERE (key, edit) NOT IN (VALUES ('unspent', 'expires_at = g.expires_at + interval $$1 us$$'))
UNION ALL
SELECT isnt(pg_temp.tamper(:'bob', format('UPDATE account_data.%s AND seq = (SELECT min(seq) FROM account_data.debts WHERE workspace_id = %L)', edit, :'bob')), '', 'found: ' || edit)
  FROM unnest(ARRAY['debts SET amount_micros = amount_micros + 1', 'debts SET owed_micros = owed_micros + 1', 'debts SET payments = payments + 1',
    'debt_payments SET amount_micros = amount_micros + 1', 'debt_payments SET paid_by_seq = paid_by_seq + 1', 'debt_payments SET number = number + 1']) set_to,
    format('%s WHERE workspace_id = %L', set_to, :'bob') edit;
SELECT account.act_as(user_id) FROM who WHERE name = 'ada';

-- Erasing what people wrote leaves the chain whole.
UPDATE account_data.transactions SET salt = NULL, description = NULL, details = '{}' WHERE workspace_id = :'ada';
SELECT pg_temp.proven(:'ada', 'the ledger is proven after its text is gone');
SELECT * FROM finish();
ROLLBACK;
