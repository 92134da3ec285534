-- Settings of a workspace: who changes them, what they may be, what they do.
BEGIN;
SELECT no_plan();
\ir ../lib/cast.psql

CREATE FUNCTION pg_temp.settings(workspace uuid) RETURNS jsonb LANGUAGE sql AS $$
    SELECT to_jsonb(w) - '{id,kind,slug,name,region,created_at,members_until}'::text[] FROM account_data.workspaces w WHERE id = workspace $$;
SELECT pg_temp.settings(:'team') AS defaults \gset

-- Who

SELECT throws_ok('SELECT account.update_team_settings(''{}'')', '28000', 'not signed in', 'nobody changes a setting');
SELECT throws_ok(format('SELECT account.act_as(%L, %L); SELECT account.update_team_settings(''{"hidden": true}'')', who, :'team'), '42501',
    'permission denied for this operation', 'nor ' || about) FROM (VALUES (:'vic', 'a viewer'), (:'eva', 'an editor')) v (who, about);
SELECT lives_ok(format('SELECT account.act_as(%L, %L); SELECT account.update_team_settings(''{"hidden": true}'')', who, :'team'), about || ' does')
  FROM (VALUES (:'ben', 'an admin'), (:'ann', 'the owner')) v (who, about);
SELECT account.act_as(:'ben', :'team');
SELECT account.update_team_settings('{"hidden": null}');

-- Every setting: a value, its event, and null for the default

CREATE TEMP TABLE settings (name text, value jsonb, is_team_only boolean);
INSERT INTO settings VALUES ('api_key_min_role', '"admin"', false), ('api_key_creation', 'false', false), ('api_key_personal', 'false', true),
    ('api_key_reveal', 'false', false), ('api_key_max_age', '"90 days"', false), ('members_can_invite', 'true', true), ('hidden', 'true', true),
    ('public_sharing', 'false', true), ('recommend_to_domain', 'true', true), ('code_saving', 'true', false);
SELECT set_eq('SELECT name FROM settings', format('SELECT jsonb_object_keys(%L::jsonb)', :'defaults'), 'these are all settings');
SELECT lives_ok(format('SELECT account.update_team_settings(%L)', jsonb_build_object(name, value)), 'set ' || name) FROM settings;
SELECT is(pg_temp.settings(:'team') -> name, value, 'it is set: ' || name) FROM settings;
SELECT account.act_as(:'vic', :'team');
SELECT is((SELECT to_jsonb(s) FROM account.team_settings s), pg_temp.settings(:'team'), 'whoever is in the team reads all of them');
SELECT account.act_as(:'vic');
SELECT results_eq('SELECT key FROM account.team_settings s, jsonb_each(to_jsonb(s)) WHERE value = ''null'' ORDER BY 1',
    'SELECT name FROM settings WHERE is_team_only UNION SELECT ''api_key_max_age'' ORDER BY 1', 'for oneself alone those of teams are null');
SELECT account.act_as(:'ben', :'team');
SELECT results_eq(format('SELECT metadata FROM account_data.events WHERE workspace_id = %L AND resource_type = ''settings'' ORDER BY id DESC LIMIT 1', :'team'),
    $$VALUES ('{"code_saving": [false, true]}'::jsonb)$$, 'the event tells the old value and the new');
SELECT count(*) AS events FROM account_data.events WHERE workspace_id = :'team' \gset
SELECT account.update_team_settings((SELECT jsonb_object_agg(name, value) FROM settings));
SELECT is((SELECT count(*) FROM account_data.events WHERE workspace_id = :'team'), :events::bigint, 'the same values again are no event');
SELECT account.update_team_settings((SELECT jsonb_object_agg(name, null) FROM settings));
SELECT is(pg_temp.settings(:'team'), :'defaults', 'null puts each default back');
SELECT is((SELECT count(*) FROM account_data.events WHERE workspace_id = :'team'), :events::bigint + 1, 'in one event');
SELECT lives_ok('SELECT account.update_team_settings(''{}'')', 'an empty patch changes nothing');
SELECT is(pg_temp.settings(:'team'), :'defaults', 'indeed');

-- Bad input

SELECT throws_ok(format('SELECT account.update_team_settings(%L)', patch), '22023', message, 'refused: ' || coalesce(left(patch, 60), 'null')) FROM (VALUES
    (NULL, 'invalid patch: null'), ('null', 'invalid patch: not an object'), ('[]', 'invalid patch: not an object'), ('"x"', 'invalid patch: not an object'),
    ('[{"hidden": true}]', 'invalid patch: not an object'), ('{"colour": "red"}', 'invalid setting: unknown field "colour"'),
    ('{"id": "x"}', 'invalid setting: unknown field "id"'), ('{"members_until": null}', 'invalid setting: unknown field "members_until"'),
    ('{"slug": "mine"}', 'invalid setting: unknown field "slug"'), ('{"Hidden": true}', 'invalid setting: unknown field "Hidden"'),
    ('{"": true}', 'invalid setting: unknown field ""'), ('{"hidden": "true"}', 'invalid hidden: it must be a boolean'),
    ('{"hidden": 1}', 'invalid hidden: it must be a boolean'), ('{"hidden": {}}', 'invalid hidden: it must be a boolean'),
    ('{"hidden": [true]}', 'invalid hidden: it must be a boolean'), ('{"hidden": {"x": {"y": null}}}', 'invalid hidden: it must be a boolean'),
    ('{"api_key_min_role": true}', 'invalid api_key_min_role: it must be a string'), ('{"api_key_min_role": ["admin"]}', 'invalid api_key_min_role: it must be a string'),
    ('{"api_key_min_role": "viewer"}', 'invalid api_key_min_role: it must be editor, admin or owner'),
    ('{"api_key_min_role": "boss"}', 'invalid api_key_min_role: it must be editor, admin or owner'),
    ('{"api_key_max_age": 90}', 'invalid api_key_max_age: it must be a string'), ('{"api_key_max_age": "0"}', 'invalid api_key_max_age: it must be longer than zero'),
    ('{"api_key_max_age": "-1 day"}', 'invalid api_key_max_age: it must be longer than zero'),
    ('{"api_key_max_age": "101 years"}', 'invalid api_key_max_age: it must be at most 100 years'),
    ('{"api_key_max_age": "178000000 years"}', 'invalid api_key_max_age: it must be at most 100 years'),
    ('{"hidden": true, "colour": "red"}', 'invalid setting: unknown field "colour"'), ('{"hidden": true, "public_sharing": 7}', 'invalid public_sharing: it must be a boolean')
    ) bad (patch, message);
SELECT throws_ok(format('SELECT account.update_team_settings(''{"api_key_max_age": "%s"}'')', age), '22023', 'invalid api_key_max_age: it must be an interval',
    'a malformed interval is refused: ' || left(age, 30))
  FROM unnest(ARRAY['soon', '', 'infinity days', 'infinity', '1 day 2 days 3', 'P1Q', '999999999999 years', '178956971 years', repeat('1 day ', 1000)]) age;
SELECT lives_ok(format('SELECT account.update_team_settings(''{"api_key_max_age": "%s"}'')', age), 'an interval is written in any of its forms: ' || age)
  FROM unnest(ARRAY['90 days', 'P90D', '1-2', '1:30', '1 year 2 mons']) age;
SELECT account.update_team_settings('{"api_key_max_age": null}');
SELECT throws_ok(format('SELECT account.update_team_settings(%L)', jsonb_build_object(repeat('é', 100000), true)), '22023', NULL, 'a name of a megabyte is refused');
SELECT throws_ok(format('SELECT account.update_team_settings(%L)', jsonb_build_object('x' || repeat('é', 100), true)), '22023', format('invalid setting: unknown field "x%s"', repeat('é', 49)),
    'what is shown of it ends with a character');
SELECT is(pg_temp.settings(:'team'), :'defaults', 'after all of these nothing is changed');

-- What is for teams

SELECT account.act_as(:'ben');
SELECT throws_ok(format('SELECT account.update_team_settings(%L)', jsonb_build_object(name, value)), '22023',
    format('invalid setting: "%s" is for teams', name), 'not in a personal workspace: ' || name) FROM settings WHERE is_team_only;
SELECT lives_ok(format('SELECT account.update_team_settings(%L)', jsonb_build_object(name, value)), 'in a personal workspace: ' || name) FROM settings WHERE NOT is_team_only;

-- What they do to keys

CREATE FUNCTION pg_temp.may(who uuid, workspace uuid, args text DEFAULT '''k''') RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM account.act_as(who, workspace);
    EXECUTE format('SELECT account.create_api_key(%s)', args);
    RETURN 'made';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE;
END
$$;
SELECT is(pg_temp.may(:'ben', :'ben_home'), '42501', 'api_key_creation off: nobody makes a key, not even the owner');
SELECT account.act_as(:'ann', :'team');
SELECT account.create_service_account('robot') AS robot, account.update_team_settings('{"api_key_min_role": "owner"}') \gset
SELECT is(ARRAY[pg_temp.may(:'ann', :'team'), pg_temp.may(:'ben', :'team'), pg_temp.may(:'eva', :'team')], '{made,42501,42501}',
    'api_key_min_role: who is below it makes no key');
SELECT is(pg_temp.may(:'ben', :'team', format('''k'', NULL, NULL, NULL, %L', :'robot')), '42501', 'nor one for a service account');
SELECT account.act_as(:'ann', :'team');
SELECT account.update_team_settings('{"api_key_min_role": null}');
SELECT key AS robot_key FROM account.create_api_key('k', service_account_id => :'robot') \gset
SELECT account.act_as(:'eva', :'team');
SELECT id AS eva_id, key AS eva_key FROM account.create_api_key('k') \gset
SELECT account.act_as(:'ann', :'team');
SELECT account.update_team_settings('{"api_key_personal": false}');
SELECT is(ARRAY[account.verify_api_key(:'eva_key') IS NULL, account.verify_api_key(:'robot_key') IS NULL], '{true,false}', 'api_key_personal off: keys of people hold no more, those of service accounts do');
SELECT throws_ok(format('SELECT account.authenticate(%L)', :'eva_key'), '28000', 'invalid API key', 'nobody acts by one');
SELECT is((SELECT status FROM account.api_keys WHERE id = :'eva_id'), 'refused', 'and it is seen to be refused');
SELECT is_empty('SELECT workspace_id, secret_id, valid_until FROM account_data.api_key_digests EXCEPT SELECT workspace_id, secret_id, valid_until FROM account_data.api_key_answers', 'the directory says what the rule says');
SELECT account.act_as(:'eva', :'team');
SELECT key AS eva_key FROM account.rotate_api_key(:'eva_id') \gset
SELECT is(account.verify_api_key(:'eva_key'), NULL, 'a new secret does not bring one back');
SELECT account.act_as(:'ann', :'team');
SELECT account.update_team_settings('{"api_key_personal": true}');
SELECT isnt(account.verify_api_key(:'eva_key'), NULL, 'api_key_personal on: they hold again');
SELECT account.update_team_settings('{"api_key_personal": false}');
SELECT is(ARRAY[pg_temp.may(:'ann', :'team'), pg_temp.may(:'eva', :'team')], '{42501,42501}', 'api_key_personal off: nobody makes one for themselves');
SELECT is(pg_temp.may(:'ben', :'team', format('''k'', NULL, NULL, NULL, %L', :'robot')), 'made', 'but for a service account');
SELECT account.act_as(:'ann', :'team');
SELECT account.update_team_settings('{"api_key_personal": true, "api_key_max_age": "30 days"}');
SELECT is((account.create_api_key('k')).expires_at, statement_timestamp() + interval '30 days', 'api_key_max_age: the end that is not given');
SELECT is((account.create_api_key('k', 'infinity')).expires_at, statement_timestamp() + interval '30 days', 'or never');
SELECT is((account.create_api_key('k', '2000-01-01'::timestamptz + (statement_timestamp() - '2000-01-01'::timestamptz) + '29 days')).expires_at,
    statement_timestamp() + interval '29 days', 'an earlier end is kept');
SELECT is(pg_temp.may(:'ann', :'team', '''k'', now() + interval ''31 days'''), '22023', 'a later end is refused');

SELECT * FROM finish();
ROLLBACK;
