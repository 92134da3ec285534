-- The profile of a person or team: who changes it, what each field may be, who sees it.
BEGIN;
SELECT no_plan();
\ir ../lib/cast.psql

CREATE FUNCTION pg_temp.profile() RETURNS jsonb LANGUAGE sql AS 'SELECT to_jsonb(p) FROM account.profile p';
CREATE FUNCTION pg_temp.events(workspace uuid) RETURNS bigint LANGUAGE sql AS $$
    SELECT count(*) FROM account_data.events WHERE workspace_id = workspace AND resource_type = 'profile' $$;
CREATE FUNCTION pg_temp.last_change(workspace uuid) RETURNS jsonb LANGUAGE sql AS $$
    SELECT metadata FROM account_data.events WHERE workspace_id = workspace AND resource_type = 'profile' ORDER BY id DESC LIMIT 1 $$;

-- Who

SELECT throws_ok('SELECT account.update_profile(''{}'')', '28000', 'not signed in', 'nobody changes a profile');
SELECT throws_ok(format('SELECT account.act_as(%L, %L); SELECT account.update_profile(''{"company": "Acme"}'')', who, :'team'), '42501',
    'permission denied for this operation', 'nor ' || about || ' that of a team') FROM (VALUES (:'vic', 'a viewer'), (:'eva', 'an editor')) v (who, about);
SELECT lives_ok(format('SELECT account.act_as(%L, %L); SELECT account.update_profile(''{"company": "%s"}'')', who, :'team', who), about || ' does')
  FROM (VALUES (:'ben', 'an admin'), (:'ann', 'the owner')) v (who, about);
SELECT is((SELECT company FROM account.profile), :'ann', 'it is the team''s');
SELECT key AS team_key FROM account.create_api_key('k') \gset
SELECT key AS robot_key FROM account.create_api_key('k', service_account_id => account.create_service_account('robot', 'admin')) \gset
SELECT account.act_as(:'ann');
SELECT key FROM account.create_api_key('k') \gset
SELECT throws_ok(format('SELECT account.authenticate(%L); SELECT account.update_profile(''{"company": "Acme"}'')', k), '42501', 'permission denied for this operation', 'refused: ' || about)
  FROM (VALUES (:'key', 'a key of a person'), (:'team_key', 'a key of an admin in a team'), (:'robot_key', 'a service account')) v (k, about);
SELECT account.authenticate(:'robot_key');
SELECT is((SELECT company FROM account.profile), :'ann', 'but a key reads the profile of its workspace');

-- A person's own: it is there before anything was said

SELECT account.act_as(:'ann');
SELECT is(pg_temp.profile(), '{"username": "ann-test", "display_name": "Ann", "company": null, "location": null, "use_case": null, "bio": null, "intro": null, "icon": {}, "links": {},
    "hide_teams": false}', 'who has said nothing has a profile with a name');
SELECT is_empty(format('SELECT FROM account_data.profiles WHERE workspace_id = %L', :'ann_home'), 'and no row');

-- Every field: a value, what is kept of it, its event, and null

CREATE TEMP TABLE patches (patch jsonb, kept jsonb, change jsonb);
INSERT INTO patches VALUES
    ('{"display_name": "Ann A."}', NULL, '{"display_name": ["Ann", "Ann A."]}'), ('{"company": "Acme"}', NULL, '{"company": [null, "Acme"]}'),
    ('{"location": "Zürich"}', NULL, '{"location": [null, "Zürich"]}'), ('{"use_case": "research"}', NULL, '{"use_case": [null, "research"]}'),
    ('{"bio": "Sees things."}', NULL, '{"bio": [null, "Sees things."]}'), ('{"intro": "# Hi\n\n* one\t1\r\n"}', NULL, '{"intro": [null, "# Hi\n\n* one\t1\r\n"]}'),
    ('{"icon": {"colour": "#1A2B3c"}}', '{"icon": {"colour": "#1a2b3c"}}', '{"icon_colour": [null, "#1a2b3c"]}'),
    ('{"icon": {"initials": "AÄ"}}', '{"icon": {"colour": "#1a2b3c", "initials": "AÄ"}}', '{"icon_initials": [null, "AÄ"]}'),
    ('{"icon": {"image": "https://Cdn.Example.com/A.png?v=1", "colour": null}}', '{"icon": {"initials": "AÄ", "image": "https://cdn.example.com/A.png?v=1"}}',
        '{"icon_image": [null, "https://cdn.example.com/A.png?v=1"], "icon_colour": ["#1a2b3c", null]}'),
    ('{"icon": {"image": "avatars/ann_1.png"}}', '{"icon": {"initials": "AÄ", "image": "avatars/ann_1.png"}}', '{"icon_image": ["https://cdn.example.com/A.png?v=1", "avatars/ann_1.png"]}'),
    ('{"links": {"github": "ann-a"}}', NULL, '{"links_github": [null, "ann-a"]}'),
    ('{"links": {"x": "@ann_a"}}', '{"links": {"github": "ann-a", "x": "ann_a"}}', '{"links_x": [null, "ann_a"]}'),
    ('{"links": {"github": null, "website": "https://ann.test"}}', '{"links": {"x": "ann_a", "website": "https://ann.test"}}', '{"links_github": ["ann-a", null], "links_website": [null, "https://ann.test"]}'),
    ('{"hide_teams": true}', NULL, '{"hide_teams": [false, true]}');
CREATE TEMP TABLE results AS SELECT p.*, to_jsonb(account.update_profile(patch)) AS result, pg_temp.last_change(:'ann_home') AS event FROM patches p;
SELECT is(result -> key, coalesce(kept, patch) -> key, 'it gives the profile with the change: ' || patch::text) FROM results, jsonb_object_keys(coalesce(kept, patch)) key;
SELECT is(event, change, 'its event has old and new: ' || patch::text) FROM results;
SELECT is(pg_temp.events(:'ann_home'), (SELECT count(*) FROM patches), 'one each');
SELECT is(pg_temp.profile(), (SELECT result FROM results ORDER BY event -> 'hide_teams' NULLS LAST LIMIT 1), 'account.profile shows the last');
SELECT is((SELECT name FROM account_data.workspaces WHERE id = :'ann_home'), 'Ann A.', 'the name is that of the workspace, for all that show it');
SELECT results_eq(format('SELECT resource_id, action, actor_id FROM account_data.events WHERE workspace_id = %L AND resource_type = ''profile'' LIMIT 1', :'ann_home'),
    format('VALUES (%L, ''updated'', %L::uuid)', :'ann_home', :'ann'), 'the event says whose profile and who');
SELECT pg_temp.profile() AS full, pg_temp.events(:'ann_home') AS events \gset
SELECT lives_ok(format('SELECT account.update_profile(%L)', patch), 'no change: ' || patch::text) FROM (SELECT :'full'::jsonb - 'username' UNION ALL
    SELECT unnest('{"{}","{\"links\": {}}","{\"icon\": {}, \"company\": \"Acme\"}","{\"links\": {\"x\": \"https://twitter.com/ann_a\", \"github\": null}}"}'::jsonb[])) v (patch);
SELECT is(ARRAY[to_jsonb(pg_temp.profile()), to_jsonb(pg_temp.events(:'ann_home'))], ARRAY[:'full'::jsonb, to_jsonb(:events)], 'the same again is no event, nor is an empty patch');
SELECT is(to_jsonb(account.update_profile('{"company": null, "location": "", "use_case": null, "bio": "", "intro": "", "icon": null, "links": {"x": "", "website": null}, "hide_teams": null}')),
    '{"username": "ann-test", "display_name": "Ann A.", "company": null, "location": null, "use_case": null, "bio": null, "intro": null, "icon": {}, "links": {}, "hide_teams": false}',
    'null or an empty string removes, null also a whole object');
SELECT is(pg_temp.events(:'ann_home'), :events::bigint + 1, 'in one event');

-- The ends of the rules

SELECT lives_ok(format('SELECT account.update_profile(%L)', jsonb_build_object(field, value)), 'taken: ' || about) FROM (VALUES
    ('display_name', 'é', '1 character'), ('display_name', repeat('é', 100), '100 characters'), ('company', repeat('€', 100), 'a company of 100'),
    ('bio', repeat('ß', 10), 'a bio of 10'), ('bio', repeat('ß', 500), 'of 500'), ('bio', E'two\nlines of it', 'in lines'), ('intro', repeat('é', 32768), 'an intro of 64 kB')) v (field, value, about);
SELECT is((SELECT octet_length(intro) FROM account.profile), 65536, 'and it is kept whole');
SELECT pg_temp.profile() AS full, pg_temp.events(:'ann_home') AS events \gset
SELECT throws_ok(format('SELECT account.update_profile(%L)', patch), '22023', message, 'refused: ' || coalesce(left(patch, 60), 'null')) FROM (VALUES
    (NULL, 'invalid patch: null'), ('null', 'invalid patch: not an object'), ('[]', 'invalid patch: not an object'), ('"x"', 'invalid patch: not an object'), ('1', 'invalid patch: not an object'),
    ('[{"bio": "long enough"}]', 'invalid patch: not an object'), ('{"name": "x"}', 'invalid profile: unknown field "name"'), ('{"username": "x"}', 'invalid profile: unknown field "username"'),
    ('{"workspace_id": null}', 'invalid profile: unknown field "workspace_id"'), ('{"kind": "team"}', 'invalid profile: unknown field "kind"'), ('{"Bio": null}', 'invalid profile: unknown field "Bio"'),
    ('{"": null}', 'invalid profile: unknown field ""'), ('{"links_x": "ann"}', 'invalid profile: unknown field "links_x"'), ('{"links.x": "ann"}', 'invalid profile: unknown field "links.x"'),
    ('{"links": {"myspace": "ann"}}', 'invalid profile: unknown field "links.myspace"'), ('{"links": {"colour": null}}', 'invalid profile: unknown field "links.colour"'),
    ('{"links": {"bio": null}}', 'invalid profile: unknown field "links.bio"'), ('{"links": {"": "x"}}', 'invalid profile: unknown field "links."'),
    ('{"links": {"links": {"x": "ann"}}}', 'invalid profile: unknown field "links.links"'), ('{"icon": {"x": "ann"}}', 'invalid profile: unknown field "icon.x"'),
    ('{"display_name": null}', 'invalid display_name: it cannot be removed'), ('{"display_name": ""}', 'invalid display_name: empty'), ('{"display_name": " "}', 'invalid display_name: empty'),
    ('{"display_name": 7}', 'invalid display_name: it must be a string'), ('{"display_name": "a\nb"}', 'invalid display_name: it contains a control character'),
    ('{"company": true}', 'invalid company: it must be a string'), ('{"company": {"name": "Acme"}}', 'invalid company: it must be a string'), ('{"company": ["Acme"]}', 'invalid company: it must be a string'),
    ('{"company": "A\u0007"}', 'invalid company: it contains a control character'), ('{"location": "\t"}', 'invalid location: empty'), ('{"use_case": "world domination"}', 'invalid use_case: it is not offered'),
    ('{"use_case": "Research"}', 'invalid use_case: it is not offered'), ('{"bio": "nine char"}', 'invalid bio: too short'), ('{"bio": "bell \u0007\u0007\u0007\u0007\u0007"}', 'invalid bio: it contains a control character'),
    ('{"intro": "\u001b[31m"}', 'invalid intro: it contains a control character'), ('{"intro": {}}', 'invalid intro: it must be a string'), ('{"hide_teams": "yes"}', 'invalid hide_teams: it must be a boolean'),
    ('{"hide_teams": 1}', 'invalid hide_teams: it must be a boolean'), ('{"links": "x"}', 'invalid links: it must be an object'), ('{"links": []}', 'invalid links: it must be an object'),
    ('{"links": [{"x": "ann"}]}', 'invalid links: it must be an object'), ('{"links": ""}', 'invalid links: it must be an object'), ('{"icon": false}', 'invalid icon: it must be an object'),
    ('{"links": {"x": {"name": null}}}', 'invalid links.x: it must be a string'), ('{"links": {"x": ["ann"]}}', 'invalid links.x: it must be a string'), ('{"links": {"x": {}}}', 'invalid links.x: it must be a string'),
    ('{"icon": {"colour": "red"}}', 'invalid icon.colour: it must be like "#1a2b3c"'), ('{"icon": {"colour": "#12345g"}}', 'invalid icon.colour: it must be like "#1a2b3c"'),
    ('{"icon": {"colour": "#1234567"}}', 'invalid icon.colour: it must be like "#1a2b3c"'), ('{"icon": {"colour": 255}}', 'invalid icon.colour: it must be a string'),
    ('{"icon": {"initials": "ANNA"}}', 'invalid icon.initials: too long'), ('{"icon": {"initials": "\n"}}', 'invalid icon.initials: empty'),
    ('{"company": "Good", "bio": "long enough", "links": {"x": "ann", "github": "-"}}', 'invalid links.github'), ('{"company": "Good", "zzz": 1}', 'invalid profile: unknown field "zzz"')
    ) bad (patch, message);
SELECT throws_ok(format('SELECT account.update_profile(%L)', jsonb_build_object(field, repeat(filler, times))), '22023', format('invalid %s: too long', field), format('refused: %s of %s', field, times))
  FROM (VALUES ('display_name', 'é', 101), ('display_name', 'é', 1000000), ('company', 'x', 101), ('location', 'x', 101), ('bio', 'x', 501), ('bio', 'x', 1000000), ('intro', 'x', 65537),
    ('intro', 'é', 32769), ('intro', 'x', 10000000)) v (field, filler, times);
SELECT throws_ok(format('SELECT account.update_profile((%L || repeat(''[1,'', 5000) || ''1'' || repeat('']'', 5000) || ''}'')::jsonb)', '{"company": '), '22023', 'invalid company: it must be a string', 'refused: a deep patch');
SELECT is(to_jsonb(account.update_profile('{"company": "first", "company": "Acme", "links": {"x": "ann"}, "links": {"github": "ann"}}')) - '{bio,intro,display_name}'::text[],
    '{"username": "ann-test", "company": "Acme", "location": null, "use_case": null, "icon": {}, "links": {"github": "ann"}, "hide_teams": false}', 'of a key that stands twice the last counts');
SELECT account.update_profile('{"company": null, "links": null}');
SELECT is(ARRAY[pg_temp.profile(), to_jsonb(pg_temp.events(:'ann_home'))], ARRAY[:'full'::jsonb || '{"company": null, "links": {}}', to_jsonb(:events::int + 2)], 'after all of these nothing else is written');

-- Links: a name or the address of its page, kept as the name

CREATE FUNCTION pg_temp.link(link text, value text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RETURN (account.update_profile(jsonb_build_object('links', jsonb_build_object(link, value)))).links ->> link;
EXCEPTION WHEN invalid_parameter_value THEN
    RETURN SQLERRM;
END
$$;
SELECT is(pg_temp.link(link, value), kept, format('%s: %s', link, value)) FROM (VALUES
    ('github', 'octo-Cat', 'octo-Cat'), ('github', '@octocat', 'octocat'), ('github', 'https://github.com/octocat', 'octocat'), ('github', 'HTTP://WWW.GitHub.com/octocat/', 'octocat'),
    ('github', 'github.com/octocat?tab=repositories', 'octocat'), ('github', repeat('x', 39), repeat('x', 39)),
    ('linkedin', 'ann-archer-1a2b', 'ann-archer-1a2b'), ('linkedin', 'https://www.linkedin.com/in/ann-archer/', 'ann-archer'), ('linkedin', 'https://ch.linkedin.com/in/z%C3%BCrich?trk=%00', 'invalid links.linkedin'), ('linkedin', 'https://ch.linkedin.com/in/z%C3%BCrich?trk=%26x', 'zürich'),
    ('linkedin', 'https://www.linkedin.com/in/zoë-möller', 'zoë-möller'), ('x', 'ann_a', 'ann_a'), ('x', 'https://x.com/ann_a', 'ann_a'), ('x', 'https://twitter.com/ann_a?s=20', 'ann_a'),
    ('youtube', '@ann.a', 'ann.a'), ('youtube', 'https://www.youtube.com/@アン先生', 'アン先生'), ('youtube', 'youtube.com/%40%E3%82%A2%E3%83%B3%E5%85%88', 'アン先'), ('youtube', 'https://m.youtube.com/@ann/videos', 'invalid links.youtube'),
    ('scholar', 'qc6CJjYAAAAJ', 'qc6CJjYAAAAJ'), ('scholar', 'https://scholar.google.com/citations?user=qc6CJjYAAAAJ&hl=en', 'qc6CJjYAAAAJ'),
    ('scholar', 'https://scholar.google.co.uk/citations?hl=en&user=qc6CJjYAAAAJ', 'qc6CJjYAAAAJ'), ('discord', 'ann.a_1', 'ann.a_1'),
    ('website', 'https://Ann.Example.com/', 'https://ann.example.com'), ('website', 'HTTPS://ann.example.com/A/~b?c=d&e=(f)#g', 'https://ann.example.com/A/~b?c=d&e=(f)#g'),
    ('website', 'https://xn--zrich-kva.example', 'https://xn--zrich-kva.example'), ('website', 'https://a.test/' || repeat('x', 1009), 'https://a.test/' || repeat('x', 1009))) good (link, value, kept);
SELECT is(pg_temp.link(link, value), 'invalid links.' || link, format('refused for %s: %s', link, to_json(left(value, 60)))) FROM (VALUES
    ('github', '-octocat'), ('github', 'octocat-'), ('github', 'octo--cat'), ('github', repeat('x', 40)), ('github', 'octo cat'), ('github', E'octocat\n'), ('github', 'https://github.com/'),
    ('github', 'https://github.com/octocat/hello'), ('github', 'https://gitlab.com/octocat'), ('github', 'https://github.com.evil.test/octocat'), ('github', 'https://github.com@evil.test/octocat'),
    ('github', 'https://evil.test/github.com/octocat'), ('github', 'https://evil.test/?https://github.com/octocat'), ('github', 'javascript:alert(1)'), ('github', 'ftp://github.com/octocat'),
    ('github', 'öctocat'), ('github', '@@octocat'), ('github', '@'), ('github', repeat('x', 1000000)), ('linkedin', 'ab'), ('linkedin', 'https://www.linkedin.com/company/acme'), ('linkedin', 'ann%2'), ('linkedin', 'ann%FFa'), ('linkedin', 'ann%E2%80%8Ea'), ('github', 'ann%2Fa'), ('linkedin', 'zzz%'),
    ('linkedin', U&'ann\202Earcher'), ('x', 'ann-a'), ('x', repeat('x', 16)), ('x', 'https://notx.com/ann'), ('youtube', 'an'), ('youtube', U&'ann\200Ba'), ('youtube', 'ann a'),
    ('youtube', 'https://www.youtube.com/watch'), ('scholar', 'qc6CJjYAAAA'), ('scholar', 'https://scholar.google.com/citations?view=user'), ('scholar', 'https://scholar.google.com.evil.test/citations?user=qc6CJjYAAAAJ'),
    ('discord', 'a'), ('discord', 'ann..a'), ('discord', 'https://discord.gg/abc'), ('discord', repeat('a', 33)), ('website', 'http://ann.test'), ('website', 'ann.test'), ('website', 'https://'),
    ('website', 'https://localhost'), ('website', 'https://10.0.0.1'), ('website', 'https://[::1]/'), ('website', 'https://ann:pw@ann.test'), ('website', 'https://ann.test:8443'), ('website', 'https://ann..test'),
    ('website', 'https://ann.test/"onclick='), ('website', 'https://ann.test/<b>'), ('website', 'https://ann.test/?''onclick='), ('website', 'https://ann.test/a b'), ('website', E'https://ann.test/\u0085'), ('website', 'https://zürich.test'),
    ('website', 'https://ann.test\@evil.test'), ('website', 'https://a.test/' || repeat('x', 1010))) bad (link, value);
SELECT throws_ok(format('SELECT account.update_profile(%L)', jsonb_build_object('icon', jsonb_build_object('image', image))), '22023', 'invalid icon.image', 'refused as an image: ' || left(image, 40))
  FROM unnest(ARRAY['javascript:alert(1)', 'data:image/png;base64,AA', 'http://a.test/x.png', '//a.test/x.png', '/etc/passwd', '../../etc/passwd', 'a/../../b', 'a b.png', 'https://a.test/"x', repeat('x', 1025)]) image;

-- A team

SELECT account.act_as(:'ben', :'team');
SELECT throws_ok('SELECT account.update_profile(''{"hide_teams": true}'')', '22023', 'invalid profile: "hide_teams" is for people', 'a team hides no teams');
SELECT is(to_jsonb(account.update_profile('{"display_name": "The best team", "company": null, "bio": "We see things."}')),
    '{"username": "team-test", "display_name": "The best team", "company": null, "location": null, "use_case": null, "bio": "We see things.", "intro": null, "icon": {}, "links": {}, "hide_teams": null}', 'a team has the other fields');
SELECT is((SELECT name FROM account.workspaces WHERE is_active), 'The best team', 'its name is the workspace''s');

-- Use cases are the operator's to extend

SELECT account.add_use_case('space'), account.remove_use_case('retail');
SELECT is((account.update_profile('{"use_case": "space"}')).use_case, 'space', 'an operator adds one');
SELECT throws_ok('SELECT account.update_profile(''{"use_case": "retail"}'')', '22023', 'invalid use_case: it is not offered', 'or takes one out, also of those shipped');
SELECT set_eq('SELECT name FROM account.use_cases', '{manufacturing,security,healthcare,automotive,agriculture,research,personal,space}'::text[], 'account.use_cases has those that are offered');
SELECT account.remove_use_case('space'), account.add_use_case('retail');
SELECT is((account.update_profile('{"location": "Mars"}')).use_case, 'space', 'who has one that is offered no more keeps it');
SELECT lives_ok('SELECT account.update_profile(''{"use_case": "retail"}'')', 'one that was taken out comes back');
SELECT throws_ok(format('SELECT account.%s(%L)', f, name), code, NULL, f || ' refuses: ' || coalesce(left(name, 20), 'null')) FROM (VALUES ('remove_use_case', 'flying', 'P0002'), ('remove_use_case', 'space', 'P0002'),
    ('add_use_case', NULL, '22023'), ('add_use_case', '', '22023'), ('add_use_case', 'Two Words', '22023'), ('add_use_case', repeat('x', 64), '22023'), ('remove_use_case', NULL, '22023')) v (f, name, code);

-- Public profiles

CREATE FUNCTION pg_temp.public(name text) RETURNS jsonb LANGUAGE sql AS 'SELECT to_jsonb(p) FROM account.public_profiles p WHERE username = name';
SELECT account.act_as(:'ann');
SELECT account.update_profile('{"display_name": "Ann", "company": "Acme", "bio": null, "intro": "# Hi", "use_case": "research", "links": null, "icon": {"initials": "A"}}');
SELECT account.act_as(:'zoe');
SELECT is(pg_temp.public('ann-test'), '{"username": "ann-test", "kind": "personal", "display_name": "Ann", "company": "Acme", "location": null, "bio": null, "intro": "# Hi", "icon": {"initials": "A"},
    "links": {}, "teams": ["team-test"]}', 'everybody who is signed in sees what is public of a person, and their teams');
SELECT is(pg_temp.public('zoe-test') -> 'teams', '[]', 'or that they have none');
SELECT is(pg_temp.public('team-test') - '{icon,links}'::text[], '{"username": "team-test", "kind": "team", "display_name": "The best team", "company": null, "location": "Mars", "bio": "We see things.", "intro": null, "teams": null}',
    'and what is public of a team');
SELECT account.act_as(:'ann');
SELECT account.update_profile('{"hide_teams": true}');
SELECT is(pg_temp.public('ann-test') -> 'teams', 'null', 'who hides their teams shows none');
SELECT account.update_profile('{"hide_teams": false}');
SELECT account.switch_workspace(:'team');
SELECT account.update_team_settings('{"hidden": true}');
SELECT account.act_as(:'zoe');
SELECT is(pg_temp.public('team-test'), NULL, 'a hidden team has no public profile');
SELECT is(pg_temp.public('ann-test') -> 'teams', '[]', 'nor do its members show it');
DELETE FROM account_data.members WHERE user_id = :'vic';
DELETE FROM account_data.users WHERE id = :'vic';
SELECT is(pg_temp.public('vic-test'), NULL, 'who is gone is left out');
SELECT is_empty('SELECT FROM account.public_profiles WHERE username IS NULL OR username = ''''', 'nobody is without a name');

SELECT account.act_as(:'ann', :'team');
DELETE FROM account_data.members WHERE workspace_id = :'team' AND role <> 'owner';
SELECT account.delete_team('DELETE');
SELECT is_empty(format('SELECT FROM account_data.profiles WHERE workspace_id = %L', :'team'), 'the profile of a team goes with it');

SELECT * FROM finish();
ROLLBACK;
