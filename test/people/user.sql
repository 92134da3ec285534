-- Signing up: what one transaction makes, and what it refuses.
BEGIN;
SELECT no_plan();
\ir ../lib/cast.psql

SELECT account.sign_up('new-person', 'New.Person@Example.TEST', 'us', 'New Person', 'correct horse') AS id \gset
SELECT personal_workspace_id AS home FROM account_data.users WHERE id = :'id' \gset
SELECT is((SELECT (username, region)::text FROM account_data.users WHERE id = :'id'), '(new-person,us)', 'a user');
SELECT results_eq(format('SELECT email, is_primary, verified_at FROM account_data.emails WHERE user_id = %L', :'id'),
    $$VALUES ('new.person@example.test', true, NULL::timestamptz)$$, 'their primary address, in lower case, unverified');
SELECT results_eq(format('SELECT kind, slug, name, region FROM account_data.workspaces WHERE id = %L', :'home'),
    $$VALUES ('personal'::account.workspace_kind, 'new-person', 'New Person', 'us'::account.region)$$, 'their personal workspace of the same name');
SELECT results_eq(format('SELECT user_id, role FROM account_data.members WHERE workspace_id = %L', :'home'),
    format('VALUES (%L::uuid, ''owner''::account.role)', :'id'), 'which they own');
SELECT matches((SELECT hash FROM account_data.passwords WHERE user_id = :'id'), '^\$scrypt\$ln=10,r=8,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$',
    'their password as a PHC string with the cost that is set');
SELECT is((SELECT region FROM account_data.slugs WHERE slug = 'new-person'), 'us', 'the name is taken');
SELECT results_eq(format('SELECT resource_type, action, actor_kind, actor_id FROM account_data.events WHERE workspace_id = %L ORDER BY id LIMIT 1', :'home'),
    format('VALUES (''onboarding'', ''started'', ''user'', %L::uuid)', :'id'), 'and the event');
SELECT is(substr(:'id', 15, 1), '7', 'ids are UUIDs version 7');
SELECT is((account.act_as(:'id')).workspace_id, :'home', 'they can act');
SELECT account.reset_principal();
SELECT account.sign_up('plain-person', 'plain@example.test', 'us') AS plain \gset
SELECT is((SELECT name FROM account_data.workspaces WHERE slug = 'plain-person'), 'plain-person', 'without a display name the username is shown');
SELECT is_empty(format('SELECT FROM account_data.passwords WHERE user_id = %L', :'plain'), 'without a password there is none');

-- Refused, and nothing is written

CREATE TEMP TABLE written AS SELECT (SELECT count(*) FROM account_data.users), (SELECT count(*) FROM account_data.slugs) AS slugs,
    (SELECT count(*) FROM account_data.workspaces) AS workspaces, (SELECT count(*) FROM account_data.events) AS events;
SELECT throws_ok('SELECT account.sign_up(' || args || ')', code, message, 'refused: ' || about) FROM (VALUES
    ('NULL, ''a@b.test'', ''us''', '22023', 'invalid username: null', 'no username'),
    ('''some-name'', NULL, ''us''', '22023', 'invalid email: null', 'no email'),
    ('''some-name'', ''a@b.test'', NULL', '22023', 'invalid region: null', 'no region'),
    ('''some-name'', ''a@b.test'', ''mars''', '22P02', NULL, 'a region that does not exist'),
    ('''some-name'', ''a@b.test'', ''eu''', '55000', 'region eu is not served by this database', 'a region of another database'),
    ('''Some-Name'', ''a@b.test'', ''us''', '22023', NULL, 'a malformed username'),
    ('''settings'', ''a@b.test'', ''us''', '22023', 'invalid username: it is reserved', 'a reserved username'),
    ('''ann-test'', ''a@b.test'', ''us''', '23505', 'username "ann-test" already exists', 'a username that is taken'),
    ('''team-test'', ''a@b.test'', ''us''', '23505', 'username "team-test" already exists', 'the slug of a team'),
    ('''some-name'', ''a'', ''us''', '22023', 'invalid email address', 'a malformed address'),
    ('''some-name'', ''a@b.test'', ''us'', ''''', '22023', 'invalid display_name: empty', 'an empty display name'),
    ('''some-name'', ''a@b.test'', ''us'', repeat(''x'', 101)', '22023', 'invalid display_name: too long', 'a display name of 101 characters'),
    ('''some-name'', ''a@b.test'', ''us'', NULL, ''1234567''', '22023', 'invalid password', 'a password of 7 bytes'),
    ('''some-name'', ''a@b.test'', ''us'', NULL, repeat(''x'', 1025)', '22023', 'invalid password', 'a password of 1025 bytes'),
    ('''some-name'', ''a@b.test'', ''us'', NULL, repeat(''x'', 1000000)', '22023', 'invalid password', 'a password of a megabyte'),
    ('''some-name'', ''a@b.test'', ''us'', referral_code => ''X''', 'P0002', NULL, 'a referral code nobody has'),
    ('''some-name'', ''a@b.test'', ''us'', promo_code => ''X''', 'P0002', NULL, 'a promo code that does not exist'),
    ('''some-name'', ''a@b.test'', ''us'', identity => ROW(NULL, ''1'', NULL, NULL)', '22023', NULL, 'an identity without provider'),
    ('''some-name'', ''a@b.test'', ''us'', identity => ROW(''x'', '''', NULL, NULL)', '22023', NULL, 'an identity without subject'),
    ('''some-name'', ''a@b.test'', ''us'', identity => ROW(repeat(''x'', 51), ''1'', NULL, NULL)', '22023', NULL, 'a provider of 51 characters'),
    ('''some-name'', ''a@b.test'', ''us'', identity => ROW(''x'', repeat(''1'', 256), NULL, NULL)', '22023', NULL, 'a subject of 256 characters'),
    ('''some-name'', ''a@b.test'', ''us'', identity => ROW(''x'', ''1'', ''no address'', true)', '22023', NULL, 'an identity with a malformed address')
    ) bad (args, code, message, about);
SELECT results_eq('TABLE written', 'SELECT (SELECT count(*) FROM account_data.users), (SELECT count(*) FROM account_data.slugs),
    (SELECT count(*) FROM account_data.workspaces), (SELECT count(*) FROM account_data.events)', 'after all of these nothing is written');
SELECT lives_ok(format('SELECT account.sign_up(%L, %L, ''us'', %L, %L)', 'max-' || repeat('x', 28), 'max@b.test', repeat('é', 100), repeat('x', 1024)),
    'the largest of each is taken');
SELECT lives_ok($$SELECT account.sign_up('min1', 'min@b.test', 'us', 'm', 'éééé')$$, 'and the smallest: a password is counted in bytes');

-- Addresses: an unverified one blocks nobody, a verified one is one person's

SELECT lives_ok($$SELECT account.sign_up('second', 'new.person@example.test', 'us')$$, 'an unverified address blocks nobody');
UPDATE account_data.emails SET verified_at = now() WHERE email = 'new.person@example.test' AND user_id = :'id';
SELECT throws_ok($$SELECT account.sign_up('third', 'NEW.PERSON@example.test', 'us')$$, '23505', 'email address "new.person@example.test" already exists',
    'a verified one is taken, whatever its case');
SELECT throws_ok($$UPDATE account_data.emails SET verified_at = now() WHERE email = 'new.person@example.test'$$, '23505', NULL,
    'the table itself verifies it for one person only');

-- Identities: the address is verified when provider and person name the same

SELECT account.sign_up('with-google', 'g@example.test', 'us', identity => ROW('google', '1', 'G@Example.test', true)) AS g,
       account.sign_up('with-github', 'h@example.test', 'us', identity => ROW('github', '1', 'other@example.test', true)) AS h,
       account.sign_up('with-apple', 'i@example.test', 'us', identity => ROW('apple', '1', 'i@example.test', false)) AS i,
       account.sign_up('with-oidc', 'j@example.test', 'us', identity => ROW('oidc', '1', NULL, true)) AS j \gset
SELECT results_eq('SELECT email, verified_at IS NOT NULL FROM account_data.emails WHERE email ~ ''^[ghij]@example.test$'' ORDER BY 1',
    $$VALUES ('g@example.test', true), ('h@example.test', false), ('i@example.test', false), ('j@example.test', false)$$,
    'an address is verified when the provider verified that very one');
SELECT results_eq('SELECT provider, subject, user_id FROM account_data.identities WHERE provider = ''google''',
    format('VALUES (''google'', ''1'', %L::uuid)', :'g'), 'the identity is kept');
SELECT throws_ok($$SELECT account.sign_up('again', 'k@example.test', 'us', identity => ROW('google', '1', NULL, NULL))$$, '23505',
    'identity of provider "google" already exists', 'an identity is one person''s');

-- A username and a region never change

SELECT throws_ok(format('UPDATE account_data.users SET %s WHERE id = %L', change, :'id'), '55000', 'username and region of a user cannot be changed', 'refused: ' || change)
  FROM unnest(ARRAY['username = ''new-name''', 'region = ''eu''', 'id = gen_random_uuid()']) change;
SELECT lives_ok(format('UPDATE account_data.users SET username = username, region = region WHERE id = %L', :'id'), 'an update to the same is none');
SELECT throws_ok(format('UPDATE account_data.workspaces SET %s WHERE id = (SELECT personal_workspace_id FROM account_data.users WHERE id = %L)', change, :'id'), '55000',
    'slug, kind and region of a workspace cannot be changed', 'refused where profiles show it: ' || change) FROM unnest(ARRAY['slug = ''other-name''', 'region = ''eu''', 'kind = ''team''', 'id = gen_random_uuid()']) change;
SELECT lives_ok(format('UPDATE account_data.workspaces SET slug = slug, region = region, name = ''Another'' WHERE id = (SELECT personal_workspace_id FROM account_data.users WHERE id = %L)', :'id'), 'other columns change');
DELETE FROM account_data.users WHERE id = :'id';
SELECT throws_ok($$SELECT account.sign_up('new-person', 'x@example.test', 'us')$$, '23505', NULL, 'the name of a person who is gone stays taken');

SELECT * FROM finish();
ROLLBACK;
