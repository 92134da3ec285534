-- account.stats where nothing is preloaded; test/fault/counters.t has the rest.
BEGIN;
SELECT no_plan();

SELECT columns_are('account', 'stats', '{subject,outcome,count,since}'::text[], 'a counter is a row');
SELECT set_eq('SELECT subject, outcome FROM account.stats', $$VALUES ('api_key', 'valid'), ('api_key', 'not_found'), ('api_key', 'disabled'),
    ('api_key', 'expired'), ('api_key', 'insufficient_scope'), ('api_key', 'ip_not_allowed'), ('session', 'valid'), ('session', 'invalid'),
    ('email_code', 'valid'), ('email_code', 'invalid'), ('invite', 'not_found')$$, 'these are counted');
SELECT throws_ok($$SELECT account.authenticate('ul_0000000000000000000000000000000000000000')$$, '28000', 'invalid API key', 'a key is refused');
SELECT is_empty('SELECT FROM account.stats WHERE count IS NOT NULL OR since IS NOT NULL', 'which is counted nowhere: the server has not preloaded the library');
SELECT * FROM finish();
ROLLBACK;
