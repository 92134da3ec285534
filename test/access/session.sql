-- Sessions: tokens, how long they hold, and what ends them.
BEGIN;
SELECT no_plan();
\ir ../lib/cast.psql

SELECT token AS token, session_id AS id, expires_at = statement_timestamp() + interval '30 days' AS month
  FROM account.open_session(:'ann', '192.0.2.7', 'Mozilla/5.0') \gset
SELECT matches(:'token'::text, '^us_[0-9a-f]{64}$', 'a token is us_ and 256 bits in hexadecimal');
SELECT is(:'month'::text, 't', 'a session lasts 30 days at most');
SELECT results_eq(format('SELECT user_id, digest, ip, user_agent FROM account_data.sessions WHERE id = %L', :'id'),
    format('VALUES (%L::uuid, sha256(%L), ''192.0.2.7''::inet, ''Mozilla/5.0'')', :'ann', :'token'), 'the token is stored as its SHA-256');
SELECT is_empty(format('SELECT FROM account_data.sessions s WHERE strpos(s::text, %L) > 0', substr(:'token', 4)), 'and not in the clear');
SELECT results_eq(format('SELECT actor_kind, actor_id, action, workspace_id FROM account_data.events WHERE resource_id = %L', :'id'),
    format('VALUES (''user'', %L::uuid, ''created'', %L::uuid)', :'ann', :'ann_home'), 'opening one is an event');
SELECT is((SELECT count(DISTINCT (account.open_session(:'ann')).token) FROM generate_series(1, 20)), 20::bigint, 'no two tokens are alike');
SELECT is((account.resume_session(:'token')).credential_id, :'id', 'resume_session lets its person act');
SELECT throws_ok('SELECT account.open_session(NULL)', '22023', 'invalid user_id: null', 'a session needs a person');
SELECT throws_ok(format('SELECT account.open_session(%L)', :'team'), 'P0002', format('user %s does not exist', :'team'), 'who exists');
SELECT throws_ok(format('SELECT account.open_session(%L, NULL, repeat(''x'', 513))', :'ann'), '22023', 'invalid user_agent: too long', 'a user agent has 512 bytes');
SELECT lives_ok(format('SELECT account.open_session(%L, NULL, repeat(''é'', 256))', :'ann'), 'bytes, not characters');

-- Bad input

CREATE TEMP TABLE bad AS SELECT * FROM (VALUES ('nothing', ''), ('null', NULL), ('a token cut short', left(:'token', 66)),
    ('a token and one character more', :'token' || '0'), ('a trailing newline', :'token' || E'\n'),
    ('a newline in place of the last character', left(:'token', 66) || E'\n'), ('upper case', upper(:'token')),
    ('upper case hexadecimal', 'us_' || upper(substr(:'token', 4))), ('another prefix', 'ul_' || substr(:'token', 4)),
    ('another token', 'us_' || repeat('0', 64)), ('the id of the session', :'id'), ('a megabyte', repeat('x', 1000000)),
    ('the digest', encode(sha256(:'token'), 'hex')), ('SQL', $$' OR true; --$$)) v (about, token);
SELECT throws_ok(format('SELECT account.resume_session(%L)', token), '28000', 'invalid session', 'resume_session refuses ' || about) FROM bad;

-- The end of a session

SAVEPOINT a;
UPDATE account_data.sessions SET expires_at = statement_timestamp() WHERE id = :'id';
SELECT throws_ok(format('SELECT account.resume_session(%L)', :'token'), '28000', 'invalid session', 'an expired session is refused with the same words');
ROLLBACK TO a;
UPDATE account_data.credential_uses SET last_used_at = statement_timestamp() - interval '7 days' WHERE credential_id = :'id';
SELECT throws_ok(format('SELECT account.resume_session(%L)', :'token'), '28000', 'invalid session', 'so is one that was idle for 7 days');
UPDATE account_data.credential_uses SET last_used_at = statement_timestamp() - interval '6 days 23:59' WHERE credential_id = :'id';
SELECT lives_ok(format('SELECT account.resume_session(%L)', :'token'), 'one that was idle for less is not');
ROLLBACK TO a;
UPDATE account_data.sessions SET created_at = statement_timestamp() - interval '7 days' WHERE id = :'id';
UPDATE account_data.credential_uses SET last_used_at = NULL WHERE credential_id = :'id';
SELECT throws_ok(format('SELECT account.resume_session(%L)', :'token'), '28000', 'invalid session', 'one that was never used is idle since it was opened');
SET LOCAL account.session_idle_timeout = '8d';
SELECT lives_ok(format('SELECT account.resume_session(%L)', :'token'), 'account.session_idle_timeout says how long');
ROLLBACK TO a;
SELECT token AS short, session_id AS short_id FROM account.open_session(:'ann') \gset
SET LOCAL account.session_idle_timeout = '1min';
UPDATE account_data.credential_uses SET last_used_at = statement_timestamp() - interval '30 s' WHERE credential_id = :'short_id';
SELECT is((account.resume_session(:'short')).credential_id, :'short_id', 'with an idle timeout of a minute');
SELECT ok(last_used_at > statement_timestamp() - interval '30 s', 'a use half a minute after the last is written, so that a session in use does not end')
  FROM account_data.credential_uses WHERE credential_id = :'short_id';
ROLLBACK TO a;
SET LOCAL account.session_lifetime = '1h';
SELECT is((account.open_session(:'ann')).expires_at, statement_timestamp() + interval '1 hour', 'account.session_lifetime is that of new sessions');
SELECT throws_ok('SET LOCAL ' || s, '22023', NULL, 'refused: ' || s)
  FROM unnest('{account.session_lifetime = 0,account.session_idle_timeout = -1,account.session_lifetime = 59}'::text[]) s;
CREATE ROLE session_user_role;
SELECT throws_ok('SELECT pg_temp.as_role(''session_user_role'', ''SET account.session_lifetime = 100; SELECT 1'')', '42501', NULL,
    'an ordinary role does not change them');
ROLLBACK TO a;

SELECT is((account.resume_session(:'token')).proof, 'session', 'a session that acts');
DELETE FROM account_data.sessions WHERE id = :'id';
SELECT is(account.current_principal(), NULL, 'acts no more when it is deleted');
SELECT is_empty(format('SELECT FROM account_data.credential_uses WHERE credential_id = %L', :'id'), 'and its use is forgotten');
SELECT throws_ok(format('SELECT account.resume_session(%L)', :'token'), '28000', 'invalid session', 'nor can it be resumed');
ROLLBACK TO a;
SELECT is((account.resume_session(:'token')).user_id, :'ann', 'a rollback brings it back');
DELETE FROM account_data.users WHERE id = :'ann';
SELECT throws_ok(format('SELECT account.resume_session(%L)', :'token'), '28000', 'invalid session', 'a person who is gone has no session');
ROLLBACK TO a;

-- Used

SELECT is((SELECT last_used_at FROM account_data.credential_uses WHERE credential_id = :'id') > now() - interval '1 minute', true, 'resume_session notes the use');

SELECT * FROM finish();
ROLLBACK;
