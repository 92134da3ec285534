-- Plans: the defaults of the product, what operators change, and who may.
BEGIN;
SELECT no_plan();
\ir ../lib/cast.psql
SELECT account.act_as(:'ann');

-- The plans as shipped

SELECT results_eq('SELECT plan, is_current, monthly_price_micros, yearly_price_micros, monthly_credit_micros, signup_credit_micros, company_credit_micros FROM account.plans',
    $$VALUES ('free', true, 0::bigint, 0::bigint, 0::bigint, 5000000::bigint, 25000000::bigint),
             ('pro', false, 29000000, 290000000, 30000000, 0, 0), ('enterprise', false, NULL, NULL, NULL, 0, 0)$$,
    'free, pro and enterprise, with their prices and credits');
SELECT results_eq('SELECT plan, models, concurrent_trainings, deployments, members, owned_teams FROM account.plans',
    $$VALUES ('free', 100::bigint, 3::bigint, 3::bigint, 0::bigint, 5::bigint), ('pro', 500, 10, 10, 5, 5), ('enterprise', NULL, NULL, NULL, 50, NULL)$$,
    'how many of what each plan allows');
SELECT results_eq('SELECT plan, pg_size_pretty(storage_bytes), pg_size_pretty(dataset_upload_bytes), pg_size_pretty(image_upload_bytes),
        pg_size_pretty(video_upload_bytes), pg_size_pretty(model_upload_bytes) FROM account.plans',
    $$VALUES ('free', '100 GB', '10 GB', '50 MB', '1024 MB', '1024 MB'), ('pro', '500 GB', '20 GB', '50 MB', '1024 MB', '1024 MB'),
             ('enterprise', NULL, '50 GB', '50 MB', '1024 MB', '1024 MB')$$, 'how many bytes each plan allows');
SELECT results_eq('SELECT plan, features FROM account.plans',
    $$VALUES ('free', '{}'::text[]), ('pro', '{best_gpus,cloud_storage}'), ('enterprise', '{best_gpus,cloud_storage,license,on_premise,sso}')$$,
    'the features of each plan');

-- An operator's rows win over those shipped, one by one

SELECT account.set_plan('pro', 39000000, 390000000, 40000000);
SELECT results_eq($$SELECT monthly_price_micros, yearly_price_micros, monthly_credit_micros, members FROM account.plans WHERE plan = 'pro'$$,
    'VALUES (39000000::bigint, 390000000::bigint, 40000000::bigint, 5::bigint)', 'set_plan changes prices and leaves limits');
SELECT results_eq('SELECT plan FROM account.plans', $$VALUES ('free'), ('pro'), ('enterprise')$$, 'a plan keeps its place');
SELECT account.set_plan('starter', 9000000, NULL, rank => 50);
SELECT account.set_plan('galaxy', NULL, NULL, NULL);
SELECT results_eq('SELECT plan FROM account.plans', $$VALUES ('free'), ('starter'), ('pro'), ('enterprise'), ('galaxy')$$,
    'a new plan stands where it is put, or last');
SELECT is((SELECT models FROM account.plans WHERE plan = 'starter'), NULL, 'a plan without a row for a limit has no such limit');
SELECT account.set_plan_limit('free', 'models', 7), account.set_plan_limit('free', 'models', 8);
SELECT is((SELECT array_agg(models ORDER BY plan) FROM account.plans WHERE plan IN ('free', 'pro')), '{8,500}', 'set_plan_limit changes one limit of one plan');
SELECT account.set_plan_limit('free', 'models', NULL);
SELECT is((SELECT models FROM account.plans WHERE plan = 'free'), NULL, 'a null limit is none');
SELECT account.set_plan_limit('free', 'gpu_hours', 20), account.set_plan_limit('pro', 'gpu_hours', NULL);
SELECT is((SELECT array_agg(other_limits ORDER BY plan) FROM account.plans WHERE plan IN ('free', 'pro')),
    '{"{\"gpu_hours\": 20}","{\"gpu_hours\": null}"}'::jsonb[], 'a limit of the application''s own is listed');
SELECT account.set_plan_feature('pro', 'sso', true), account.set_plan_feature('pro', 'best_gpus', false), account.set_plan_feature('free', 'dark_mode', true);
SELECT is((SELECT features FROM account.plans WHERE plan = 'pro'), '{cloud_storage,sso}', 'a feature is given and taken');
SELECT is((SELECT features FROM account.plans WHERE plan = 'free'), '{dark_mode}', 'a feature of the application''s own');
SELECT ok(account.has_feature('dark_mode'), 'and it holds at once');
SELECT account.set_plan_feature('free', 'dark_mode', false);
SELECT ok(NOT account.has_feature('dark_mode'), 'until it is taken away');
SELECT results_eq($$SELECT changed_by::text, changed_at <= statement_timestamp() FROM account_data.plan_limits WHERE plan = 'free' AND name = 'models'$$,
    'VALUES (session_user::text, true)', 'who changed a row is kept with it');

-- A dump takes the operator's rows and leaves those shipped

SELECT is((SELECT array_agg(c.relname ORDER BY c.relname)::text FROM pg_extension e, unnest(e.extconfig) t JOIN pg_class c ON c.oid = t
    WHERE e.extname = 'account' AND c.relname LIKE 'plan%'), '{plan_features,plan_limits,plans}', 'defaults are not in a dump, changes are');

-- Bad input, and nothing is written

CREATE TEMP TABLE written AS SELECT (SELECT count(*) FROM account_data.plans) AS plans, (SELECT count(*) FROM account_data.plan_limits) AS limits,
    (SELECT count(*) FROM account_data.plan_features) AS features;
SELECT throws_ok('SELECT account.' || call, state, NULL, 'refused: ' || call) FROM (VALUES
    ('set_plan(NULL, 0, 0)', '22023'), ('set_plan('''', 0, 0)', '22023'), ('set_plan(''Gold'', 0, 0)', '22023'), ('set_plan(''1st'', 0, 0)', '22023'),
    ('set_plan(''a b'', 0, 0)', '22023'), ('set_plan(''größe'', 0, 0)', '22023'), ('set_plan(repeat(''x'', 64), 0, 0)', '22023'),
    ('set_plan(''gold'', -1, 0)', '22023'), ('set_plan(''gold'', 1000000000001, 0)', '22023'), ('set_plan(''gold'', 1, -1)', '22023'),
    ('set_plan(''gold'', 1, 1, -1)', '22023'), ('set_plan(''gold'', 1, 1, 0, NULL)', '22023'), ('set_plan(''gold'', 1, 1, 0, 0, -1)', '22023'),
    ('set_plan(''gold'', 1, 1, rank => 1000001)', '22023'), ('set_plan(''gold'', 1, 1, rank => -1000001)', '22023'),
    ('set_plan(''free'', 1, 0)', '22023'), ('set_plan(''free'', 0, NULL)', '22023'),
    ('set_plan_limit(''gold'', ''models'', 1)', 'P0002'), ('set_plan_limit(NULL, ''models'', 1)', '22023'), ('set_plan_limit(''pro'', NULL, 1)', '22023'),
    ('set_plan_limit(''pro'', ''Models'', 1)', '22023'), ('set_plan_limit(''pro'', ''models'', -1)', '22023'),
    ('set_plan_limit(''pro'', ''x; DROP TABLE y'', 1)', '22023'),
    ('set_plan_feature(''gold'', ''sso'', true)', 'P0002'), ('set_plan_feature(''pro'', ''SSO'', true)', '22023'),
    ('set_plan_feature(''pro'', ''sso'', NULL)', '22023'), ('set_plan_feature(''pro'', '''', true)', '22023')) bad (call, state);
SELECT results_eq('TABLE written', 'SELECT (SELECT count(*) FROM account_data.plans), (SELECT count(*) FROM account_data.plan_limits),
    (SELECT count(*) FROM account_data.plan_features)', 'after all of these nothing is written');

-- Who may

CREATE ROLE plan_user;
CREATE ROLE plan_service;
CREATE ROLE plan_operator;
SELECT account.grant_usage('plan_user'), account.grant_service('plan_service'), account.grant_operator('plan_operator');
SELECT ok(has_function_privilege('plan_operator', f, 'EXECUTE') AND NOT has_function_privilege('plan_user', f, 'EXECUTE')
    AND NOT has_function_privilege('plan_service', f, 'EXECUTE'), f || ' is the operator''s')
  FROM unnest('{account.set_plan(text\,bigint\,bigint\,bigint\,bigint\,bigint\,integer),account.set_plan_limit(text\,text\,bigint),account.set_plan_feature(text\,text\,boolean)}'::text[]) f;
SELECT throws_ok('INSERT INTO account_data.plans VALUES (''x'', 1, 0, 0, 0, 0, 0)', '42501', NULL, 'not even an operator writes the tables')
  FROM set_config('role', 'plan_operator', true);
RESET ROLE;
SELECT account.reset_principal();
SELECT throws_ok('SELECT * FROM account.plans', '28000', 'not signed in', 'the view needs somebody to act');

SELECT * FROM finish();
ROLLBACK;
