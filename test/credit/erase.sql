-- Erasing what a person wrote on a ledger that stays: the text goes, the proof holds, nothing else may change.
BEGIN;
SELECT no_plan();
\ir setup.psql
SELECT user_id AS ada_id FROM who WHERE name = 'ada' \gset
SELECT user_id AS bob_id FROM who WHERE name = 'bob' \gset
INSERT INTO account_data.members (workspace_id, user_id, role) VALUES (:'ada', :'bob_id', 'editor');
SELECT account.adjust_credits(:'ada', 1000, 'by an operator', 'gift');
SELECT account.act_as(:'bob_id', :'ada');
SELECT account.charge(10, 'secret of bob', 'b1', details => '{"model": "secret of bob"}');
SELECT id AS hold FROM account.hold(50, 'secret of bob', 'b2') \gset
SELECT id AS open FROM account.hold(50, 'secret of bob', 'b3') \gset
SELECT pg_temp.enter('ada');
SELECT account.charge(20, 'of ada', 'a1', details => '{"model": "of ada"}');
SELECT account.settle(:'hold', 50);
CREATE FUNCTION pg_temp.ledger() RETURNS SETOF text LANGUAGE sql AS
    $$SELECT (to_jsonb(t) - '{description,details,salt}'::text[])::text FROM account_data.transactions t ORDER BY workspace_id, seq$$;
CREATE TEMP TABLE before AS SELECT * FROM pg_temp.ledger();

SELECT throws_ok('SELECT account.erase_transaction_text(' || args || ')', '22023', NULL, 'refused: ' || args)
  FROM unnest(ARRAY[format('NULL, %L', :'bob_id'), format('%L, NULL', :'ada')]) args;
SELECT throws_ok(format('SELECT account.erase_transaction_text(gen_random_uuid(), %L)', :'bob_id'), 'P0002', NULL, 'a workspace that is none');
SELECT is(account.erase_transaction_text(:'ada', gen_random_uuid()), 0::bigint, 'a person who is not there wrote nothing');
SELECT is(account.erase_transaction_text(:'ada', :'bob_id'), 4::bigint, 'what a person charged and held is erased, and where others settled that');
SELECT is(account.erase_transaction_text(:'ada', :'bob_id'), 0::bigint, 'twice is once');
SELECT results_eq('SELECT description, details FROM account_data.transactions WHERE actor_id = ' || quote_literal(:'bob_id'),
    $$VALUES (NULL::text, '{}'::jsonb), (NULL, '{}'), (NULL, '{}')$$, 'no text is left, nor details');
SELECT is((SELECT count(*)::int FROM account_data.transactions WHERE actor_id = :'bob_id' AND salt IS NOT NULL), 0, 'nor the salt that its digest could be guessed with');
SELECT is((SELECT count(*)::int FROM account_data.holds WHERE description IS NOT NULL), 0, 'a hold''s own row has none either');
SELECT is((SELECT count(*)::int FROM (TABLE account_data.transactions) t WHERE t::text LIKE '%secret of bob%'), 0, 'no column holds it');
SELECT results_eq($$SELECT description FROM account_data.transactions WHERE idempotency_key IN ('gift', 'a1') ORDER BY seq$$, $$VALUES ('by an operator'), ('of ada')$$, 'what others wrote stays');
SELECT results_eq('SELECT pg_temp.ledger()', 'TABLE before', 'and so does every other column, hash and digest');
SELECT pg_temp.proven(:'ada', 'the ledger is proven without the text');

-- It goes on being a ledger.
SELECT is((account.charge(20, 'of ada', 'a1', details => '{"model": "of ada"}')).amount_micros, -20::bigint, 'a request of another person is replayed as before');
SELECT account.act_as(:'bob_id', :'ada');
SELECT is((account.charge(10, 'secret of bob', 'b1', details => '{"model": "secret of bob"}')).amount_micros, -10::bigint, 'a request whose text was erased is replayed by its amount');
SELECT throws_ok($$SELECT account.charge(11, 'secret of bob', 'b1')$$, '22023', NULL, 'and refused for another');
SELECT account.settle(:'open', 30);
SELECT account.refund(id, 5) FROM account_data.transactions WHERE idempotency_key = 'b1';
SELECT pg_temp.proven(:'ada', 'the ledger is proven after more work');

-- The guard lets nothing else through.
SELECT throws_ok(statement, '55000', 'transactions cannot be changed or deleted', statement)
  FROM unnest(ARRAY['UPDATE account_data.transactions SET description = NULL, details = $${}$$, salt = NULL', 'UPDATE account_data.transactions SET salt = NULL WHERE false',
    'UPDATE account_data.transactions SET amount_micros = 0', 'DELETE FROM account_data.transactions WHERE false', 'TRUNCATE account_data.transactions',
    'INSERT INTO account_data.transactions SELECT * FROM account_data.transactions ON CONFLICT (workspace_id, seq) DO UPDATE SET amount_micros = 0']) statement;

-- While text is erased, a trigger of somebody's may not change the rest.
CREATE FUNCTION pg_temp.meddle() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF pg_trigger_depth() = 1 THEN EXECUTE TG_ARGV[0]; END IF;
    RETURN NULL;
END
$$;
SELECT account.charge(10, 'more of bob', 'b4');
CREATE TRIGGER meddle AFTER UPDATE ON account_data.transactions FOR EACH STATEMENT
    EXECUTE FUNCTION pg_temp.meddle('UPDATE account_data.transactions SET amount_micros = 0');
SELECT throws_ok(format('SELECT account.erase_transaction_text(%L, %L)', :'ada', :'bob_id'), '55000', 'transactions cannot be changed or deleted', 'an update of other columns while text is erased');
DROP TRIGGER meddle ON account_data.transactions;
CREATE TRIGGER meddle AFTER UPDATE ON account_data.transactions FOR EACH STATEMENT
    EXECUTE FUNCTION pg_temp.meddle('DELETE FROM account_data.transactions');
SELECT throws_ok(format('SELECT account.erase_transaction_text(%L, %L)', :'ada', :'bob_id'), '55000', 'transactions cannot be changed or deleted', 'a delete while text is erased');
DROP TRIGGER meddle ON account_data.transactions;
SELECT throws_ok('UPDATE account_data.transactions SET salt = NULL', '55000', NULL, 'an erasure that failed leaves no door open');
SELECT is(account.erase_transaction_text(:'ada', :'bob_id'), 2::bigint, 'it can be done again');
SELECT pg_temp.proven(:'ada', 'the ledger is proven at the end');
SELECT * FROM finish();
ROLLBACK;
