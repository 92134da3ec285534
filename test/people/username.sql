-- Usernames and slugs: their shape, the names nobody may have, and suggestions.
BEGIN;
SELECT no_plan();
\ir ../lib/cast.psql

CREATE FUNCTION pg_temp.verdict(name text) RETURNS text LANGUAGE sql AS
    'SELECT concat_ws('': '', CASE WHEN available THEN ''free'' ELSE ''not free'' END, reason) FROM account.check_username(name)';
SELECT is(pg_temp.verdict(name), verdict, 'check_username of ' || left(to_json(name)::text, 40)) FROM (VALUES
    ('free-name', 'free'), ('abcd', 'free'), ('1234', 'free'), ('a-b-c-d', 'free'), (repeat('a', 32), 'free'),
    ('', 'not free: it is shorter than 4 characters'), ('abc', 'not free: it is shorter than 4 characters'),
    (repeat('a', 33), 'not free: it is longer than 32 characters'), (repeat('a', 1000000), 'not free: it is longer than 32 characters'),
    ('Abcd', 'not free: it has other than lower-case letters, digits and hyphens'),
    ('ab_cd', 'not free: it has other than lower-case letters, digits and hyphens'),
    ('ab cd', 'not free: it has other than lower-case letters, digits and hyphens'),
    (E'abcd\n', 'not free: it has other than lower-case letters, digits and hyphens'),
    ('abcd''; DROP TABLE x', 'not free: it has other than lower-case letters, digits and hyphens'),
    ('ébène', 'not free: it has other than lower-case letters, digits and hyphens'),
    ('аdmin', 'not free: it has other than lower-case letters, digits and hyphens'),
    ('-abc', 'not free: it begins or ends with a hyphen'), ('abc-', 'not free: it begins or ends with a hyphen'),
    ('a--b', 'not free: it has two hyphens in a row'), ('----', 'not free: it begins or ends with a hyphen'),
    ('admin', 'not free: it is reserved'), ('settings', 'not free: it is reserved'), ('explore', 'not free: it is reserved'),
    ('docs', 'not free: it is reserved'), ('api', 'not free: it is shorter than 4 characters'),
    ('ann-test', 'not free: it already exists'), ('team-test', 'not free: it already exists')) v (name, verdict);
SELECT throws_ok('SELECT account.check_username(NULL)', '22023', 'invalid name: null', 'a name is needed');

-- Every name that check_username refuses is refused at sign-up, and the other way round

SELECT throws_ok(format('SELECT account.sign_up(%L, ''x@names.test'', ''us'')', name), code, NULL, 'sign_up refuses ' || to_json(name)::text) FROM (VALUES
    ('abc', '22023'), (repeat('a', 33), '22023'), ('Abcd', '22023'), ('-abc', '22023'), ('abc-', '22023'), ('a--b', '22023'), ('ab_cd', '22023'),
    (E'abcd\n', '22023'), ('ébène', '22023'), ('admin', '22023'), ('ann-test', '23505'), ('team-test', '23505')) v (name, code);
SELECT lives_ok(format('SELECT account.sign_up(%L, ''x@names.test'', ''us'')', name), 'sign_up takes ' || name)
  FROM unnest(ARRAY['free-name', 'abcd', '1234', repeat('a', 32)]) name;
SELECT throws_ok(format('INSERT INTO account_data.slugs (slug, region) VALUES (%L, ''us'')', name), '23514', NULL, 'the table itself refuses ' || to_json(name)::text)
  FROM unnest(ARRAY['abc', repeat('a', 33), 'Abcd', '-abc', 'abc-', 'a--b', 'ab_cd', E'abcd\n']) name;

-- Suggestions

SELECT is((account.check_username('ann-test', true)).suggestion, 'ann-test-2', 'a name that is taken gets a number');
SELECT is((account.check_username('ann-test')).suggestion, NULL, 'only when asked');
SELECT is((account.check_username('other-name', true)).suggestion, NULL, 'a free name needs none');
SELECT is((account.check_username('No Name', true)).suggestion, NULL, 'a malformed one gets none');
SELECT account.sign_up('ann-test-2', 'two@names.test', 'us');
SELECT is((account.check_username('ann-test', true)).suggestion, 'ann-test-3', 'the first number that is free');
SELECT is((account.check_username('settings', true)).suggestion, 'settings-2', 'a reserved name too');
SELECT is((account.check_username(repeat('a', 32), true)).suggestion, repeat('a', 30) || '-2', 'cut so that it fits');
SELECT account.sign_up(repeat('b', 29) || '-bb', 'b@names.test', 'us');
SELECT is((account.check_username(s.suggestion)).available, true, 'and is well formed where it is cut: ' || s.suggestion)
  FROM account.check_username(repeat('b', 29) || '-bb', true) s;

-- It answers by the snapshot of its statement, like any other that only reads

DECLARE asked CURSOR FOR SELECT (account.check_username('late-name')).available;
SELECT account.sign_up('late-name', 'late@names.test', 'us');
FETCH asked \gset
SELECT is(:'available'::text, 't', 'a statement sees no name that was taken after it began');
SELECT is(pg_temp.verdict('late-name'), 'not free: it already exists', 'the next one does');

-- Names that operators reserve and free

SELECT lives_ok($$SELECT account.add_reserved_name('our-brand')$$, 'a name is reserved');
SELECT lives_ok($$SELECT account.remove_reserved_name('sweeps')$$, 'and one that was shipped is freed');
SELECT is(pg_temp.verdict('our-brand'), 'not free: it is reserved', 'an operator reserves a name');
SELECT is(pg_temp.verdict('sweeps'), 'free', 'and frees one');
SELECT is((account.check_username('ann-test', true)).suggestion, 'ann-test-3', 'suggestions follow');
SELECT account.add_reserved_name('ann-test-3');
SELECT is((account.check_username('ann-test', true)).suggestion, 'ann-test-4', 'them');
SELECT lives_ok($$SELECT account.sign_up('sweeps', 'sweeps@names.test', 'us')$$, 'a name that was freed can be taken');
SELECT throws_ok($$SELECT account.sign_up('our-brand', 'brand@names.test', 'us')$$, '22023', 'invalid username: it is reserved', 'one that was reserved cannot');

SELECT lives_ok($$SELECT account.add_reserved_name('our-brand')$$, 'reserving twice is no harm');
SELECT account.remove_reserved_name('our-brand');
SELECT is(pg_temp.verdict('our-brand'), 'free', 'what was reserved is freed');
SELECT throws_ok($$SELECT account.remove_reserved_name('our-brand')$$, 'P0002', 'reserved name "our-brand" does not exist', 'once');
SELECT throws_ok($$SELECT account.remove_reserved_name('never-was')$$, 'P0002', NULL, 'what is not reserved is not freed');
SELECT account.add_reserved_name('sweeps');
SELECT lives_ok($$SELECT account.act_as(id) FROM account_data.users WHERE username = 'sweeps'$$, 'who has a name that is reserved later keeps it');
SELECT lives_ok($$SELECT account.add_reserved_name('x')$$, 'a name that is too short to be taken can be reserved');
SELECT throws_ok(format('SELECT account.%s(%L)', f, name), '22023', message, f || ' refuses ' || about)
  FROM unnest('{add_reserved_name,remove_reserved_name}'::text[]) f, (VALUES
    ('nothing', NULL, 'invalid name: null'), ('upper case', 'Our-Brand', 'invalid name: it has other than lower-case letters, digits and hyphens'),
    ('a doubled hyphen', 'a--b', 'invalid name: it has two hyphens in a row'), ('an empty name', '', NULL), ('a name of 33', repeat('x', 33), NULL),
    ('a megabyte', repeat('x', 1000000), NULL)) bad (about, name, message);
SELECT results_eq('SELECT name, is_reserved, changed_by FROM account_data.reserved_names ORDER BY name COLLATE "C"',
    $$VALUES ('ann-test-3', true, session_user), ('our-brand', false, session_user), ('sweeps', true, session_user), ('x', true, session_user)$$,
    'who changed what is on record');

SELECT * FROM finish();
ROLLBACK;
