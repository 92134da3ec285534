-- Limits: asking about them, overrides, and what the clock does to them.
BEGIN;
SELECT no_plan();
\ir ../lib/cast.psql
\ir ../lib/parallel.psql
SELECT account.act_as(:'ann');
INSERT INTO account_data.usage_counts VALUES (:'ann_home', 'models', 99), (:'ann_home', 'storage_bytes', pg_size_bytes('99 GB'));

-- The view

SELECT results_eq('SELECT name, max_value, used, percent FROM account.limits', $$VALUES
    ('concurrent_trainings', 3::bigint, 0::bigint, 0.0), ('dataset_upload_bytes', pg_size_bytes('10 GB'), NULL, NULL), ('deployments', 3, 0, 0.0),
    ('image_upload_bytes', pg_size_bytes('50 MB'), NULL, NULL), ('members', 0, 1, 100.0), ('model_upload_bytes', pg_size_bytes('1 GB'), NULL, NULL),
    ('models', 100, 99, 99.0), ('owned_teams', 5, 1, 20.0), ('storage_bytes', pg_size_bytes('100 GB'), pg_size_bytes('99 GB'), 99.0),
    ('video_upload_bytes', pg_size_bytes('1 GB'), NULL, NULL)$$, 'the limits of the active workspace and what is used of them');
SELECT account.act_as(:'vic', :'team');
SELECT results_eq($$SELECT max_value, used, percent FROM account.limits WHERE name IN ('members', 'models') ORDER BY name$$,
    $$VALUES (0::bigint, 4::bigint, 400.0), (100, 0, 0.0)$$, 'a viewer reads those of their team');

-- Room for more

SELECT account.act_as(:'ann');
SELECT lives_ok($$SELECT account.require_limit('models')$$, 'the last one fits');
SELECT ok(account.within_limit('models'), 'within_limit says so');
SELECT throws_ok($$SELECT account.require_limit('models', 2)$$, 'PT402', 'plan limit reached: models', 'one above it does not');
SELECT ok(NOT account.within_limit('models', 2), 'within_limit says so too');
SELECT throws_ok($$SELECT account.require_limit('models', 9223372036854775807)$$, 'PT402', NULL, 'a sum beyond bigint is above any limit');
SELECT ok(NOT account.within_limit('models', 9223372036854775807), 'within_limit does not overflow');
SELECT throws_ok($$SELECT account.require_limit('members')$$, 'PT402', NULL, 'members are counted from the members there are');
SELECT lives_ok($$SELECT account.require_limit('owned_teams', 4)$$, 'a team owned is one of the owned teams');
SELECT throws_ok($$SELECT account.require_limit('owned_teams', 5)$$, 'PT402', NULL, 'the sixth is too many');

-- DETAIL and HINT: what is allowed, and what would lift it
CREATE FUNCTION pg_temp.hint(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    detail text;
    hint text;
BEGIN
    EXECUTE query;
    RETURN 'no error';
EXCEPTION WHEN SQLSTATE 'PT402' THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RETURN detail || ' ' || hint;
END
$$;
SELECT is(pg_temp.hint($$SELECT account.require_limit('models', 2)$$),
    'The limit is 100; 99 are used and 2 would be added. The plan pro allows 500.', 'the hint names the next plan that allows it');
SELECT is(pg_temp.hint($$SELECT account.require_limit('models', 500)$$),
    'The limit is 100; 99 are used and 500 would be added. The plan enterprise allows any number.', 'or the first that allows so much');
SELECT is(pg_temp.hint($$SELECT account.require_limit('video_upload_bytes', 1073741825)$$),
    'The limit is 1073741824; 0 are used and 1073741825 would be added. No plan allows more; an operator can, with account.override_limit.',
    'or the operator, when no plan does');
SAVEPOINT a;
SELECT account.override_limit(:'ann_home', 'owned_teams', 1);
SELECT is(pg_temp.hint($$SELECT account.require_limit('owned_teams')$$),
    'The limit is 1; 1 are used and 1 would be added. The limit is this workspace''s own, whatever its plan; an operator can change it, with account.override_limit.',
    'no plan lifts an override');
ROLLBACK TO a;

-- Uploads: the size of one file, and the room that is left

SELECT ok(account.upload_allowed('image', pg_size_bytes('50 MB')), 'a file as large as may be');
SELECT ok(NOT account.upload_allowed('image', pg_size_bytes('50 MB') + 1), 'a byte more');
SELECT ok(account.upload_allowed('dataset', pg_size_bytes('1 GB')), 'a file that fills the storage');
SELECT ok(NOT account.upload_allowed('dataset', pg_size_bytes('1 GB') + 1), 'a byte more than there is room for');
SELECT ok(account.upload_allowed('model', 0), 'an empty file');
SELECT throws_ok($$SELECT account.upload_allowed('sound', 1)$$, 'P0002', 'limit "sound_upload_bytes" does not exist', 'a kind without a limit');
SELECT account.set_plan_limit('free', 'sound_upload_bytes', 10);
SELECT is(ARRAY[account.upload_allowed('sound', 10), account.upload_allowed('sound', 11)], '{t,f}', 'a kind the application adds');

-- Overrides

SELECT account.override_limit(:'ann_home', 'models', 101);
SELECT lives_ok($$SELECT account.require_limit('models', 2)$$, 'an override raises a limit');
SELECT is((SELECT max_value FROM account.limits WHERE name = 'models'), 101::bigint, 'and is what the view shows');
SELECT account.override_limit(:'ann_home', 'models', NULL, statement_timestamp() + interval '1 day');
SELECT ok(account.within_limit('models', 1000000), 'a null override is no limit');
SELECT is((SELECT max_value FROM account.limits WHERE name = 'models'), NULL, 'null in the view too');
UPDATE account_data.limit_overrides SET ends_at = statement_timestamp();
SELECT is((SELECT max_value FROM account.limits WHERE name = 'models'), 100::bigint, 'an override ends by the clock');
SELECT ok(NOT account.within_limit('models', 2), 'for the guard as for the view');
SELECT account.override_limit(:'ann_home', 'models', 50);
SELECT throws_ok($$SELECT account.require_limit('models')$$, 'PT402', NULL, 'an override lowers a limit');
SELECT is((SELECT percent FROM account.limits WHERE name = 'models'), 198.0, 'what is above it stays');
SELECT account.end_limit_override(:'ann_home', 'models');
SELECT lives_ok($$SELECT account.require_limit('models')$$, 'without the override the plan rules again');
SELECT results_eq($$SELECT action, resource_name, metadata FROM account_data.events WHERE resource_type = 'limit' ORDER BY id$$,
    $$VALUES ('updated', 'models', '{"max_value": 101}'::jsonb), ('updated', 'models', '{"max_value": null}'), ('updated', 'models', '{"max_value": 50}'),
             ('reset', 'models', NULL)$$, 'each is an event of the workspace');

-- The view and the guard agree, on every plan and after it

CREATE FUNCTION pg_temp.disagree() RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    l record;
BEGIN
    FOR l IN SELECT name, max_value, coalesce(used, 0) AS used FROM account.limits LOOP
        IF (CASE WHEN l.max_value IS NULL THEN NOT account.within_limit(l.name, 1000000000000)
                WHEN l.max_value > l.used AND NOT account.within_limit(l.name, l.max_value - l.used) THEN true
                ELSE account.within_limit(l.name, greatest(l.max_value - l.used, 0) + 1) END) THEN
            RETURN NEXT l.name;
        END IF;
    END LOOP;
END
$$;
SELECT is_empty('SELECT pg_temp.disagree()', 'on free');
SELECT account.start_subscription(:'ann_home', 'pro', 'monthly', 'e1');
SELECT is((SELECT max_value FROM account.limits WHERE name = 'models'), 500::bigint, 'a subscription lifts the limits');
SELECT is_empty('SELECT pg_temp.disagree()', 'on pro');
UPDATE account_data.subscriptions SET period_started_at = period_started_at - interval '2 months', period_ends_at = statement_timestamp();
SELECT is((SELECT max_value FROM account.limits WHERE name = 'models'), 100::bigint, 'they fall when its time is over, with no job run');
SELECT is_empty('SELECT pg_temp.disagree()', 'on pro that has ended');
SELECT account.provision_enterprise(:'ann_home', statement_timestamp() + interval '1 year');
SELECT is((SELECT max_value FROM account.limits WHERE name = 'models'), NULL, 'enterprise has no limit of models');
SELECT is(ARRAY[account.has_feature('sso'), account.has_feature('nonsense')], '{t,f}', 'and its features');
SELECT is_empty('SELECT pg_temp.disagree()', 'on enterprise');
UPDATE account_data.subscriptions SET period_started_at = period_started_at - interval '2 years', period_ends_at = statement_timestamp();
SELECT is((SELECT array_agg(DISTINCT max_value) FROM account.limits), '{0}', 'under a lapsed licence nothing new can be made');
SELECT is_empty('SELECT pg_temp.disagree()', 'on a lapsed licence');
SELECT is(pg_temp.hint($$SELECT account.require_limit('models')$$), 'The limit is 0; 99 are used and 1 would be added. The licence has ended; renew it.',
    'the hint of a lapsed licence');
SELECT ok(NOT account.has_feature('best_gpus'), 'nor has it features');
SELECT ok(EXISTS (SELECT FROM account.limits), 'all can still be read');

-- The questions in a parallel worker

SET LOCAL :force_parallel = on;
SELECT account.within_limit('models') AS fits, account.has_feature('sso') AS feature, account.upload_allowed('image', 1) AS upload \gset p_
SELECT account.reset_principal(), account.act_as(:'zoe');
SELECT account.within_limit('models') AS fits, account.has_feature('sso') AS feature, account.upload_allowed('image', 1) AS upload \gset q_
SELECT account.act_as(:'ann');
SET LOCAL :force_parallel = off;
SELECT is(ARRAY[:'p_fits', :'p_feature', :'p_upload', :'q_fits', :'q_feature', :'q_upload'], '{f,f,f,t,f,t}', 'are answered as in the leader');

-- Bad input, and nothing is written

CREATE TEMP TABLE written AS SELECT (SELECT count(*) FROM account_data.limit_overrides) AS overrides, (SELECT count(*) FROM account_data.events) AS events;
SELECT throws_ok(format('SELECT account.' || call, :'ann_home'), state, NULL, 'refused: ' || call) FROM (VALUES
    ('require_limit(NULL)', '22023'), ('require_limit('''')', '22023'), ('require_limit(repeat(''x'', 500))', '22023'),
    ('require_limit(''modles'')', 'P0002'), ('require_limit(''models'', 0)', '22023'), ('require_limit(''models'', -1)', '22023'),
    ('require_limit(''models'', NULL)', '22023'), ('within_limit(''modles'')', 'P0002'), ('within_limit(''models'', -9223372036854775808)', '22023'),
    ('upload_allowed(NULL, 1)', '22023'), ('upload_allowed(''image'', NULL)', '22023'), ('upload_allowed(''image'', -1)', '22023'),
    ('override_limit(NULL, ''models'', 1)', '22023'), ('override_limit(%L, ''modles'', 1)', 'P0002'), ('override_limit(%L, NULL, 1)', '22023'),
    ('override_limit(%L, ''models'', -1)', '22023'), ('override_limit(%L, ''models'', 1, statement_timestamp())', '22023'),
    ('override_limit(%L, ''models'', 1, ''-infinity'')', '22023'), ('override_limit(''00000000-0000-0000-0000-000000000000'', ''models'', 1)', 'P0002'),
    ('end_limit_override(%L, ''models'')', 'P0002'), ('end_limit_override(NULL, ''models'')', '22023'),
    ('end_limit_override(''00000000-0000-0000-0000-000000000000'', ''models'')', 'P0002')) bad (call, state);
SELECT results_eq('TABLE written', 'SELECT (SELECT count(*) FROM account_data.limit_overrides), (SELECT count(*) FROM account_data.events)',
    'after all of these nothing is written');

-- Who may

SELECT account.act_as(:'eva', :'team');
SELECT key FROM account.create_api_key('limits') \gset
SELECT account.authenticate(:'key');
SELECT ok(account.within_limit('models'), 'a key asks about its workspace');
SELECT account.reset_principal();
SELECT throws_ok(query, '28000', 'not signed in', 'nobody acts: ' || query)
  FROM unnest('{SELECT * FROM account.limits,SELECT account.require_limit(''models''),SELECT account.within_limit(''models''),"SELECT account.upload_allowed(''image'', 1)"}'::text[]) query;
SELECT is(account.has_feature('sso'), false, 'nobody has a feature');

SELECT * FROM finish();
ROLLBACK;
