-- Addresses of a person: added, proven, made primary, removed.
BEGIN;
SELECT no_plan();

CREATE ROLE email_user;
SELECT account.grant_usage('email_user');
SELECT account.sign_up('email-ann', 'ann@gmail.com', 'us') AS ann \gset
SELECT account.sign_up('email-bob', 'bob@work.example', 'us') AS bob \gset

-- The code that now waits for an address, as a taker would read it.
CREATE FUNCTION pg_temp.code(address text) RETURNS text LANGUAGE sql AS $$
    UPDATE account_data.messages SET due_at = statement_timestamp(), attempts = 0 WHERE recipient = address;
    SELECT payload ->> 'code' FROM account.take_messages(10000) WHERE recipient = address ORDER BY id DESC LIMIT 1;
$$;
-- Another code than that.
CREATE FUNCTION pg_temp.wrong(code text) RETURNS text LANGUAGE sql AS
    $$SELECT lpad(((code::integer + 1) % 1000000)::text, 6, '0')$$;

-- Nobody, a key
SELECT throws_ok($$SELECT account.add_email('x@y.example')$$, '28000', 'not signed in', 'adding needs somebody acting');
SELECT throws_ok($$SELECT account.verify_email('x@y.example', '000000')$$, '28000', 'not signed in', 'verifying needs somebody acting');
SELECT throws_ok('SELECT * FROM account.emails', '28000', 'not signed in', 'the view needs somebody acting');
SELECT account.act_as(:'ann');
SELECT key FROM account.create_api_key('mine') \gset
SELECT account.authenticate(:'key');
SELECT throws_ok($$SELECT account.add_email('x@y.example')$$, '42501', NULL, 'a key cannot add an address');
SELECT throws_ok($$SELECT account.resend_email_code('ann@gmail.com')$$, '42501', NULL, 'a key cannot have a code sent');
SELECT throws_ok($$SELECT account.verify_email('ann@gmail.com', '000000')$$, '42501', NULL, 'a key cannot verify an address');
SELECT throws_ok($$SELECT account.set_primary_email('ann@gmail.com')$$, '42501', NULL, 'a key cannot choose the primary address');
SELECT throws_ok($$SELECT account.remove_email('ann@gmail.com')$$, '42501', NULL, 'a key cannot remove an address');
SELECT is_empty('SELECT FROM account.emails', 'a key sees no address');

-- Adding
SELECT account.act_as(:'ann');
SET LOCAL ROLE email_user;
SELECT lives_ok($$SELECT account.add_email('Ann@Work.Example')$$, 'an end user adds an address');
RESET ROLE;
SELECT results_eq('SELECT email, is_primary, is_verified, is_company FROM account.emails ORDER BY added_at, email',
    $$VALUES ('ann@gmail.com', true, false, false), ('ann@work.example', false, false, true)$$,
    'the view shows one''s own addresses, and which is a company''s');
SELECT throws_ok($$SELECT account.add_email('ANN@work.example')$$, '23505', 'email address "ann@work.example" already exists',
    'an address is added once, whatever its case');
SELECT throws_ok(format('SELECT account.add_email(%L)', bad), '22023', 'invalid email address', format('%L is no address', left(bad, 20)))
  FROM unnest(ARRAY['', 'ann', 'ann@', '@work.example', 'ann@work', 'a b@work.example', 'ann@work..example', 'аnn@work.example',
                    'ann@wörk.example', repeat('a', 65) || '@work.example', repeat('a.', 250) || '@work.example']) bad;
SELECT throws_ok('SELECT account.add_email(NULL)', '22023', 'invalid email: null', 'an address is required');
SELECT is((SELECT count(*) FROM account_data.messages WHERE recipient = 'ann@work.example'), 1::bigint, 'adding sends one code at once');
SELECT lives_ok($$SELECT account.add_email('bob@work.example')$$, 'an address that nobody verified is free to add');
SELECT lives_ok($$SELECT account.remove_email('bob@work.example')$$, 'an unverified address can be removed');
SELECT is((SELECT count(*) FROM account_data.messages WHERE recipient = 'bob@work.example'), 1::bigint,
    'removing an address withdraws its code, and nobody else''s');

-- Verifying
SELECT throws_ok($$SELECT account.set_primary_email('ann@work.example')$$, '55000', NULL, 'an unverified address cannot be primary');
SELECT throws_ok($$SELECT account.verify_email('nobody@work.example', '000000')$$, 'P0002',
    'email address "nobody@work.example" does not exist', 'only one''s own address can be verified');
SELECT throws_ok($$SELECT account.verify_email('bob@work.example', '000000')$$, 'P0002', NULL, 'another''s address looks like none');
SELECT pg_temp.code('ann@work.example') AS code \gset
SELECT throws_ok(format('SELECT account.verify_email(%L, %L)', 'ann@gmail.com', :'code'), '28000', 'invalid email code',
    'a code of another address is wrong');
SELECT lives_ok(format('SELECT account.verify_email(%L, %L)', 'ann@work.example', :'code'), 'the code verifies the address');
SELECT results_eq('SELECT is_verified, verified_at > added_at FROM account.emails WHERE NOT is_primary', 'VALUES (true, true)',
    'the view says so');
SELECT throws_ok(format('SELECT account.verify_email(%L, %L)', 'ann@work.example', :'code'), '55000', NULL, 'a code works once');
SELECT throws_ok($$SELECT account.resend_email_code('ann@work.example')$$, '55000', NULL, 'a verified address gets no code');
SELECT results_eq($$SELECT action, metadata FROM account_data.events WHERE resource_name = 'ann@work.example' ORDER BY id$$,
    $$VALUES ('created', NULL), ('verified', '{"is_company": true}'::jsonb)$$, 'what happened is recorded, without the code');

-- A code dies
SELECT throws_ok(format('SELECT account.verify_email(%L, %L)', 'ann@gmail.com', c), '28000', 'invalid email code',
    format('%L is no code', c)) FROM unnest(ARRAY['', '12345', '1234567']) c;
SELECT pg_temp.code('ann@gmail.com') AS code \gset
SELECT pg_temp.wrong(:'code') AS wrong \gset
SELECT throws_ok(format('SELECT account.verify_email(%L, %L)', 'ann@gmail.com', :'wrong'), '28000', 'invalid email code', 'a wrong code is wrong');
SELECT throws_ok(format('SELECT account.verify_email(%L, %L)', 'ann@gmail.com', :'code'), '28000', 'invalid email code',
    'after five wrong tries the right code is wrong too');
SELECT lives_ok($$SELECT account.resend_email_code('ann@gmail.com')$$, 'another code can be sent');
SELECT pg_temp.code('ann@gmail.com') AS again \gset
SELECT throws_ok(format('SELECT account.verify_email(%L, %L)', 'ann@gmail.com', pg_temp.wrong(:'again')), '28000', NULL, 'a new code has tries of its own');
UPDATE account_data.email_codes SET valid_until = statement_timestamp() WHERE email = 'ann@gmail.com';
SELECT throws_ok(format('SELECT account.verify_email(%L, %L)', 'ann@gmail.com', :'again'), '28000', 'invalid email code', 'an expired code is wrong');
SELECT account.resend_email_code('ann@gmail.com');
SELECT is((SELECT valid_until - statement_timestamp() <= '15 minutes' FROM account_data.email_codes WHERE email = 'ann@gmail.com'), true,
    'a code lives 15 minutes');
SELECT account.resend_email_code('ann@gmail.com');
SELECT is((SELECT count(*) FROM account_data.messages WHERE recipient = 'ann@gmail.com'), 1::bigint, 'a new code withdraws the one before');
SELECT account.resend_email_code('ann@gmail.com');
SELECT throws_ok($$SELECT account.resend_email_code('ann@gmail.com')$$, 'PT429', 'rate limit exceeded', 'a sixth code within an hour is not sent');
CREATE FUNCTION pg_temp.detail_after(passed interval) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    detail text;
BEGIN
    UPDATE account_data.email_code_sends SET sent_at[1] = statement_timestamp() - passed WHERE email = 'ann@gmail.com';
    PERFORM account.resend_email_code('ann@gmail.com');
EXCEPTION WHEN SQLSTATE 'PT429' THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
    RETURN detail;
END
$$;
SELECT is(pg_temp.detail_after('10 minutes'), 'At most 5 codes an hour are sent to one address; retry after 3000 seconds.', 'until the first of the five is an hour old, as the error says');
SELECT is(pg_temp.detail_after('59:59.5'), 'At most 5 codes an hour are sent to one address; retry after 1 seconds.', 'to the second');
SELECT account.act_as(:'bob');
SELECT throws_ok($$SELECT account.add_email('ann@gmail.com')$$, 'PT429', NULL, 'the limit is the address''s, whoever asks');
SELECT lives_ok($$SELECT account.sign_up('email-eve', 'ann@gmail.com', 'us')$$, 'it keeps nobody from signing up');
SELECT is((SELECT count(*) FROM account_data.messages WHERE recipient = 'ann@gmail.com'), 1::bigint, 'but sends no code more');
UPDATE account_data.email_code_sends SET sent_at[1] = sent_at[1] - interval '1 hour' WHERE email = 'ann@gmail.com';
SELECT account.act_as(:'ann');
SELECT lives_ok($$SELECT account.resend_email_code('ann@gmail.com')$$, 'an hour after the first of them one more may go');

UPDATE account_data.email_code_sends SET sent_at = ARRAY[statement_timestamp() - interval '61 minutes'] WHERE email = 'bob@work.example';
SELECT account.add_email('new@work.example');
SELECT is_empty($$SELECT FROM account_data.email_code_sends WHERE email = 'bob@work.example'$$, 'no address is remembered for longer than it counts');

-- What is stored of a code
SELECT pg_temp.code('ann@gmail.com') AS code \gset
SELECT is_empty(format($$SELECT FROM account_data.email_codes WHERE mac IN (sha256(%1$L), sha256(convert_to(%2$L || email, 'UTF8')))$$, :'code', :'code'),
    'a code is not stored as a plain hash');
UPDATE account_data.email_codes SET mac = (SELECT mac FROM account_data.email_codes WHERE email = 'ann@gmail.com')
 WHERE email = 'bob@work.example';
SELECT account.act_as(:'bob');
SELECT throws_ok(format('SELECT account.verify_email(%L, %L)', 'bob@work.example', :'code'), '28000', NULL,
    'what is stored of a code holds in its own row only');

-- One person's only
SELECT account.resend_email_code('bob@work.example');
SELECT pg_temp.code('bob@work.example') AS bobs \gset
SELECT account.act_as(:'ann');
SELECT account.add_email('bob@work.example');
SELECT pg_temp.code('bob@work.example') AS anns \gset
SELECT account.verify_email('bob@work.example', :'anns');
SELECT account.act_as(:'bob');
SELECT throws_ok(format('SELECT account.verify_email(%L, %L)', 'bob@work.example', :'bobs'), '23505',
    'email address "bob@work.example" already exists', 'an address that another has verified is taken');
SELECT throws_ok($$SELECT account.add_email('ann@work.example')$$, '23505', NULL, 'a verified address cannot be added by another');
SELECT throws_ok($$SELECT account.sign_up('email-eva', 'ann@work.example', 'us')$$, '23505', NULL, 'nor signed up with');

-- Primary
SELECT account.act_as(:'ann');
SELECT lives_ok($$SELECT account.set_primary_email('ann@work.example')$$, 'a verified address can be made primary');
SELECT lives_ok($$SELECT account.set_primary_email('ann@work.example')$$, 'making it so again changes nothing');
SELECT results_eq('SELECT email FROM account.emails WHERE is_primary', $$VALUES ('ann@work.example')$$, 'one address is primary');
SELECT throws_ok($$SELECT account.remove_email('ann@work.example')$$, '55000', 'the primary email address cannot be removed', 'the primary address stays');
SELECT throws_ok($$SELECT account.remove_email('nobody@work.example')$$, 'P0002', NULL, 'what is not there cannot be removed');
SELECT throws_ok($$SELECT account.set_primary_email('nobody@work.example')$$, 'P0002', NULL, 'nor made primary');
SELECT lives_ok($$SELECT account.remove_email('ann@gmail.com')$$, 'what was primary can be removed afterwards');
SELECT is_empty($$SELECT FROM account_data.email_codes WHERE email = 'ann@gmail.com'$$, 'with its code');
SELECT lives_ok($$SELECT account.remove_email('bob@work.example')$$, 'a verified address can be removed');
SELECT account.act_as(:'bob');
SELECT lives_ok(format('SELECT account.verify_email(%L, %L)', 'bob@work.example', pg_temp.code('bob@work.example')), 'and is free again');

-- Consumer domains
SELECT results_eq('SELECT is_company FROM account.emails', 'VALUES (true)', 'an unknown domain is a company''s');
SELECT account.add_consumer_domain('Work.Example');
SELECT results_eq('SELECT is_company FROM account.emails', 'VALUES (false)', 'an operator can call a domain a consumer''s');
SELECT account.add_email('bob@gmail.com');
SELECT account.remove_consumer_domain('gmail.com');
SELECT results_eq('SELECT email, is_company FROM account.emails ORDER BY email',
    $$VALUES ('bob@gmail.com', true), ('bob@work.example', false)$$, 'and a shipped one a company''s');
SELECT throws_ok($$SELECT account.remove_consumer_domain('gmail.com')$$, 'P0002', 'consumer domain "gmail.com" does not exist', 'once');
SELECT account.remove_consumer_domain('work.example'), account.add_consumer_domain('gmail.com'), account.add_consumer_domain('gmail.com');
SELECT results_eq('SELECT email, is_company FROM account.emails ORDER BY email',
    $$VALUES ('bob@gmail.com', false), ('bob@work.example', true)$$, 'and both can be put back');
SELECT throws_ok(format('SELECT account.%s(%L)', f, domain), '22023', CASE WHEN domain IS NULL THEN 'invalid domain: null' ELSE 'invalid domain' END,
    f || ' refuses ' || left(coalesce(domain, 'nothing'), 30))
  FROM unnest('{add_consumer_domain,remove_consumer_domain}'::text[]) f,
    unnest(ARRAY[NULL, '', 'localhost', 'a@b.example', '1.2.3.4', 'tëst.example', '-a.example', 'a-.example', 'a..example', repeat('x.', 500000) || 'example']) domain;
SELECT is_empty($$SELECT FROM account_data.consumer_domain_defaults WHERE domain <> lower(domain) OR domain !~ '^[a-z0-9.-]+$'$$,
    'the shipped domains are well formed');

-- A sign-up that the backend vouches for
SELECT account.sign_up('email-vera', 'vera@work.example', 'us', identity => ROW('google', '1', 'vera@work.example', true)) AS vera \gset
SELECT is_empty($$SELECT FROM account_data.messages WHERE recipient = 'vera@work.example'$$, 'a verified sign-up sends no code');

SELECT * FROM finish();
ROLLBACK;
