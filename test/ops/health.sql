-- health(): what an administrator is told, and when it is bad.
BEGIN;
SELECT no_plan();
\ir ../lib/cast.psql

CREATE FUNCTION pg_temp.bad() RETURNS text LANGUAGE sql AS
    'SELECT coalesce(string_agg(check_name, '' '' ORDER BY check_name), ''none'') FROM account.health() WHERE NOT ok';
SELECT set_eq('SELECT check_name FROM account.health()', '{version,master_key,statement_logging,outbox}'::text[], 'these are the checks');
SELECT is(pg_temp.bad(), 'none', 'all is well');
SELECT is(detail, format('library %s, script %1$s', extversion), 'version tells that of library and script')
  FROM account.health(), pg_extension WHERE check_name = 'version' AND extname = 'account';
SELECT matches(detail, '^[0-9]+ loaded from /.*/account.key, the newest is [0-9a-f]{16}$', 'master_key tells where the keys are')
  FROM account.health() WHERE check_name = 'master_key';

-- Logs that would take a secret

CREATE FUNCTION pg_temp.bad_with(name text, value text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    result text;
BEGIN
    PERFORM set_config(name, value, true);
    SELECT concat_ws(': ', CASE WHEN ok THEN 'ok' ELSE 'bad' END, substring(detail FROM name)) INTO result
      FROM account.health() WHERE check_name = 'statement_logging';
    PERFORM set_config(s.name, s.reset_val, true) FROM pg_settings s WHERE s.name = bad_with.name;
    RETURN result;
END
$$;
SELECT is(pg_temp.bad_with(setting, value), result, setting || ' = ' || value || ' is ' || result) FROM (VALUES
    ('log_statement', 'none', 'ok'), ('log_statement', 'ddl', 'ok'), ('log_statement', 'mod', 'bad: log_statement'), ('log_statement', 'all', 'bad: log_statement'),
    ('log_min_duration_statement', '0', 'bad: log_min_duration_statement'), ('log_min_duration_statement', '1000', 'bad: log_min_duration_statement'),
    ('log_min_duration_sample', '0', 'bad: log_min_duration_sample'), ('log_transaction_sample_rate', '0.1', 'bad: log_transaction_sample_rate'),
    ('log_parameter_max_length_on_error', '-1', 'bad: log_parameter_max_length_on_error'),
    ('log_parameter_max_length_on_error', '10', 'bad: log_parameter_max_length_on_error')) v (setting, value, result);
SELECT is(pg_temp.bad(), 'none', 'and put back, all is well');

-- Master keys

SELECT account.act_as(:'ann');
SELECT account.create_api_key('sealed');
SELECT is(pg_temp.bad(), 'none', 'a sealed secret whose master key is there');
SAVEPOINT a;
UPDATE account_data.master_keys SET fingerprint = sha256('another');
SELECT is(pg_temp.bad(), 'master_key', 'a master key of another fingerprint');
SELECT matches(detail, '^master key [0-9a-f]{16}, which seals the secrets of [0-9]+ workspaces, cannot be used: its fingerprint differs', 'is told with what depends on it')
  FROM account.health() WHERE check_name = 'master_key';
ROLLBACK TO a;
INSERT INTO account_data.master_keys (id, fingerprint) VALUES ('0123456789abcdef', sha256('lost'));
SELECT is(pg_temp.bad(), 'none', 'a master key that seals nothing may be missing');
UPDATE account_data.data_keys SET master_key_id = '0123456789abcdef' WHERE workspace_id = :'ann_home';
SELECT is(pg_temp.bad(), 'master_key', 'one that seals something may not');
SELECT alike(detail, 'master key 0123456789abcdef, which seals the secrets of 1 workspaces, cannot be used: it does not hold the key%', 'and says so')
  FROM account.health() WHERE check_name = 'master_key';
ROLLBACK TO a;

-- The script and the library of two versions

UPDATE pg_extension SET extversion = '0.9' WHERE extname = 'account';
SELECT is(pg_temp.bad(), 'version', 'another version of the script');
ROLLBACK TO a;

-- Messages that nobody takes

DELETE FROM account_data.messages;
SELECT results_eq($$SELECT ok, detail FROM account.health() WHERE check_name = 'outbox'$$, $$VALUES (true, 'no message waits to be taken')$$, 'an empty queue');
SELECT account.sign_up('unsent', 'unsent@example.test', 'us');
UPDATE account_data.messages SET created_at = '2020-02-02 12:00 UTC', due_at = statement_timestamp() - interval '10 minutes';
SELECT is(pg_temp.bad(), 'outbox', 'a message that nobody has taken for ten minutes');
SELECT alike(detail, 'the oldest unsent message, of 2020-02-02 %, has waited to be taken since 20%', 'is told with its age') FROM account.health() WHERE check_name = 'outbox';
UPDATE account_data.messages SET due_at = statement_timestamp() - interval '9 minutes';
SELECT is(pg_temp.bad(), 'none', 'one that waits for less is not late');
UPDATE account_data.messages SET due_at = statement_timestamp() - interval '1 hour';
SELECT count(*) FROM account.take_messages();
SELECT is(pg_temp.bad(), 'none', 'nor one in a lease');
SELECT account.mark_failed(id, 'no route') FROM account_data.messages;
SELECT is(pg_temp.bad(), 'none', 'nor one between its tries');
UPDATE account_data.messages SET due_at = NULL, dead_at = now(), sealed = NULL;
SELECT is(pg_temp.bad(), 'none', 'nor one that was given up');
ROLLBACK TO a;

-- It needs nobody, and serves where nothing may be written

SELECT account.reset_principal();
SET TRANSACTION READ ONLY;
SELECT is((SELECT count(*) FROM account.health() WHERE ok), 4::bigint, 'health serves in a read-only transaction, with nobody acting');

SELECT * FROM finish();
ROLLBACK;
