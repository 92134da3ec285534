-- What the planner makes of has_role in a policy: the index by itself, estimates of real memberships, right rows whatever the index.
BEGIN;
SELECT no_plan();
\ir ../lib/cast.psql
CREATE ROLE support_app;
SELECT account.grant_usage('support_app');

-- 10000 rows: 4000 are the team's, 100 of each home, the rest of a hundred strangers

CREATE VIEW public.rows_of_all AS
SELECT n AS id, CASE WHEN n % 10 < 4 THEN :'team'::uuid
                     WHEN n % 100 < 9 THEN (ARRAY[:'ann_home', :'ben_home', :'eva_home', :'vic_home', :'zoe_home']::uuid[])[n % 100 - 3]
                     ELSE md5((n / 100)::text)::uuid END AS workspace_id
  FROM generate_series(0, 9999) n;
CREATE DOMAIN public.workspace AS uuid;
CREATE TABLE public.things (id integer, workspace_id uuid);
CREATE TABLE public.bare (LIKE public.things);
CREATE TABLE public.hashed (LIKE public.things);
CREATE TABLE public.second (LIKE public.things);
CREATE TABLE public.domains (id integer, workspace_id public.workspace);
CREATE TABLE public.texts (id integer, workspace_id text);
CREATE TABLE public.casts (LIKE public.texts);
CREATE TABLE public.parts (LIKE public.things) PARTITION BY HASH (workspace_id);
CREATE TABLE public.parts_0 PARTITION OF public.parts FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE public.parts_1 PARTITION OF public.parts FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE INDEX ON public.things (workspace_id);
CREATE INDEX ON public.hashed USING hash (workspace_id);
CREATE INDEX ON public.second (id, workspace_id);
CREATE INDEX ON public.domains (workspace_id);
CREATE INDEX ON public.texts (workspace_id);
CREATE INDEX ON public.casts ((workspace_id::uuid));
CREATE INDEX ON public.parts (workspace_id);
CREATE TEMP TABLE tables AS SELECT unnest('{things,bare,hashed,second,domains,texts,casts,parts}'::text[]) AS name;
GRANT SELECT ON tables TO support_app;
DO $$
DECLARE
    t text;
BEGIN
    FOR t IN SELECT name FROM tables LOOP
        EXECUTE format('INSERT INTO public.%I SELECT * FROM public.rows_of_all', t);
        EXECUTE format('ALTER TABLE public.%I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY seen ON public.%I USING (account.has_role(workspace_id%s, ''viewer''))', t,
            CASE WHEN t IN ('texts', 'casts') THEN '::uuid' END);
        EXECUTE format('ANALYZE public.%I', t);
        EXECUTE format('GRANT SELECT ON public.%I TO support_app', t);
    END LOOP;
END
$$;

CREATE FUNCTION pg_temp.plan(query text) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    result jsonb;
BEGIN
    SET LOCAL ROLE support_app;
    EXECUTE 'EXPLAIN (FORMAT JSON) ' || query INTO result;
    RESET ROLE;
    RETURN result;
END
$$;
-- Every value of that name in a plan, '' when there is none
CREATE FUNCTION pg_temp.said(name text, plan jsonb) RETURNS text LANGUAGE sql
    AS $$ SELECT coalesce(string_agg(DISTINCT v #>> '{}', '; '), '') FROM jsonb_path_query(plan, format('strict $.**.%I', name)::jsonpath, '{}', true) v $$;
CREATE FUNCTION pg_temp.estimate(query text) RETURNS integer LANGUAGE sql AS $$ SELECT (pg_temp.plan(query) #>> '{0,Plan,Plan Rows}')::integer $$;
CREATE FUNCTION pg_temp.rows(t text) RETURNS text LANGUAGE sql
    AS $$ SELECT pg_temp.as_role('support_app', format('SELECT count(*) FROM public.%I', t)) $$;

-- The condition is there where an index can use it

SELECT account.act_as(:'eva');
SET LOCAL enable_seqscan = off;
SELECT matches(pg_temp.said('Index Cond', pg_temp.plan('SELECT * FROM public.' || name)),
        '^\(\(?workspace_id(\)::uuid)? = ANY \(account\.workspace_ids\(''viewer''::account\.role\)\)\)$', 'the index finds the workspaces: ' || name)
  FROM tables WHERE name IN ('things', 'domains', 'casts', 'parts');
SELECT is(pg_temp.said('Index Cond', pg_temp.plan('SELECT * FROM public.' || name)), '', 'no index could: ' || name)
  FROM tables WHERE name IN ('bare', 'hashed', 'texts');
SELECT matches(pg_temp.said('Filter', pg_temp.plan('SELECT * FROM public.' || name)), '^account\.has_role\(', 'has_role checks every row itself: ' || name)
  FROM tables;
SELECT matches(pg_temp.said('Index Cond', pg_temp.plan('SELECT * FROM public.second WHERE id = 5')), 'id = 5.* AND .*account\.workspace_ids',
    'a later column of an index serves as well');

-- And the rows are the same, with and without

SELECT is(pg_temp.rows(name), '4100', 'an editor by index: ' || name) FROM tables;
SET LOCAL enable_seqscan = on;
SET LOCAL enable_indexscan = off;
SET LOCAL enable_bitmapscan = off;
SET LOCAL enable_indexonlyscan = off;
SELECT is(pg_temp.rows(name), '4100', 'an editor by sequential scan: ' || name) FROM tables;
RESET enable_indexscan;
RESET enable_bitmapscan;
RESET enable_indexonlyscan;

-- The estimate is of the real workspaces, and decides

SELECT account.act_as(:'eva');
SELECT ok(pg_temp.estimate('SELECT * FROM public.' || name) BETWEEN 3900 AND 4300, 'the rows of a large team are expected: ' || name)
  FROM tables WHERE name <> 'texts' AND name <> 'casts';
SELECT account.act_as(:'zoe');
SELECT ok(pg_temp.estimate('SELECT * FROM public.' || name) BETWEEN 50 AND 150, 'few of a small one: ' || name)
  FROM tables WHERE name <> 'texts' AND name <> 'casts';
SELECT isnt(pg_temp.said('Index Cond', pg_temp.plan('SELECT * FROM public.things')), '', 'so little by the index, with nothing else said');
INSERT INTO account_data.workspaces (id, kind, slug, name, region)
SELECT md5(n::text)::uuid, 'team', 'many-' || n, 'Many', 'us' FROM generate_series(-50, 99) n;
INSERT INTO account_data.members (workspace_id, user_id, role)
SELECT md5(n::text)::uuid, x.id, x.role FROM generate_series(-50, 99) n, (VALUES (:'ann'::uuid, 'owner'::account.role), (:'vic', 'viewer')) x (id, role);
SELECT account.act_as(:'vic');
SELECT is(pg_temp.estimate('SELECT * FROM public.things'), 10000, 'very many workspaces are taken to be of average size');
SELECT is(pg_temp.said('Node Type', pg_temp.plan('SELECT * FROM public.things')), 'Seq Scan', 'so much is read in sequence');
SELECT is(pg_temp.rows(name), '9600', 'which gives what there is: ' || name) FROM tables;
DELETE FROM account_data.members WHERE user_id = :'vic' AND workspace_id <> :'team' AND role = 'viewer';
SELECT ok(pg_temp.estimate('SELECT * FROM public.things') BETWEEN 3900 AND 4300, 'the next plan knows of a change');
SELECT account.reset_principal();
SELECT is(pg_temp.estimate('SELECT * FROM public.things'), 1, 'nobody expects nothing');
SELECT is(pg_temp.rows(name), '0', 'and gets nothing: ' || name) FROM tables;

-- One generic plan for whoever acts, before and after a change

SET LOCAL plan_cache_mode = force_generic_plan;
SET LOCAL enable_seqscan = off;
CREATE FUNCTION pg_temp.mine(who uuid) RETURNS text LANGUAGE sql AS $$
    SELECT account.act_as(who);
    SELECT pg_temp.as_role('support_app', 'EXECUTE mine')
$$;
SET LOCAL ROLE support_app;
PREPARE mine AS SELECT count(*) FROM public.things;
RESET ROLE;
SELECT matches(pg_temp.said('Index Cond', pg_temp.plan('EXECUTE mine')), 'account\.workspace_ids', 'a generic plan asks when it runs');
SELECT is(pg_temp.mine(:'eva'), '4100', 'it gives eva the team and her home');
SELECT is(pg_temp.mine(:'zoe'), '100', 'zoe her home');
SELECT is(pg_temp.mine(:'eva'), '4100', 'and eva hers again');
SAVEPOINT before;
DELETE FROM account_data.members WHERE user_id = :'eva' AND workspace_id = :'team';
SELECT is(pg_temp.mine(:'eva'), '100', 'when she is no member any more, her home alone');
ROLLBACK TO before;
SELECT is(pg_temp.mine(:'eva'), '4100', 'and after a rollback both');
SELECT account.reset_principal();
SELECT is(pg_temp.as_role('support_app', 'EXECUTE mine'), '0', 'nobody has no row by it');

-- A role that is not known when planning

PREPARE with_role (account.role) AS SELECT count(*) FROM public.things WHERE account.has_role(workspace_id, $1);
PREPARE with_text (text) AS SELECT count(*) FROM public.things WHERE account.has_role(workspace_id, $1::account.role);
SELECT account.act_as(:'eva');
SELECT results_eq(format('EXECUTE %s(%L)', p, r), ARRAY[n], format('%s %s: %s', p, r, mode))
  FROM (VALUES ('viewer', 4100::bigint), ('editor', 4100), ('admin', 100), ('owner', 100), (NULL, 0)) x (r, n),
       unnest('{with_role,with_text}'::text[]) p,
       LATERAL (SELECT set_config('plan_cache_mode', m, true) FROM unnest('{force_generic_plan,force_custom_plan}'::text[]) m) y (mode);
SELECT results_eq($$SELECT count(*) FROM public.things WHERE account.has_role(workspace_id, (SELECT max(r) FROM unnest('{viewer,admin}'::account.role[]) r))$$,
    ARRAY[100::bigint], 'a role from a sub-select');
SELECT results_eq($$SELECT count(*) FROM public.things WHERE account.has_role(workspace_id, concat('adm', 'in')::account.role)$$,
    ARRAY[100::bigint], 'or from an expression');
SELECT results_eq($$SELECT count(*) FROM unnest('{admin,viewer}'::account.role[]) r, LATERAL (SELECT FROM public.things WHERE account.has_role(workspace_id, r)) t$$,
    ARRAY[4200::bigint], 'or from another table');
SELECT results_eq($$SELECT count(*) FROM public.things WHERE NOT account.has_role(workspace_id, 'viewer')$$, ARRAY[5900::bigint], 'a role one does not have');
SET LOCAL enable_hashjoin = off;
SET LOCAL enable_mergejoin = off;
SELECT results_eq($$SELECT count(*) FROM public.bare b JOIN public.things t ON t.id = b.id AND account.has_role(t.workspace_id, 'admin') WHERE b.id < 300$$,
    ARRAY[3::bigint], 'the inner side of a nested loop');
RESET enable_hashjoin;
RESET enable_mergejoin;

-- A key sees its own workspace only

SELECT account.act_as(:'ben', :'team');
SELECT key FROM account.create_api_key('support') \gset
SELECT is(pg_temp.rows('things'), '4100', 'a person sees all of theirs');
SELECT account.authenticate(:'key');
SELECT is(pg_temp.rows(name), '4000', 'their key its workspace only: ' || name) FROM tables;
SELECT ok(pg_temp.estimate('SELECT * FROM public.things') BETWEEN 3900 AND 4100, 'which is what is expected');
SELECT results_eq($$SELECT count(*) FROM public.things WHERE account.has_role(workspace_id, 'owner')$$, ARRAY[0::bigint], 'a role too great for it');

-- Access that ends by time ends without a change of anything

SELECT account.act_as(:'eva');
CREATE FUNCTION pg_temp.until_now() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    UPDATE account_data.workspaces SET members_until = clock_timestamp() WHERE slug = 'team-test';
    RETURN pg_temp.rows('things') || ' ' || cardinality(account.workspace_ids());
END
$$;
SELECT is(pg_temp.until_now(), '4100 2', 'in the statement that began before');
SELECT is(pg_temp.rows('things') || ' ' || cardinality(account.workspace_ids()), '100 1', 'but in none that begins later');
SELECT is(account.has_role(:'team', 'viewer'), false, 'for has_role as well');
UPDATE account_data.workspaces SET members_until = 'infinity' WHERE id = :'team';

-- Parallel plans

RESET enable_seqscan;
SET LOCAL parallel_setup_cost = 0;
SET LOCAL parallel_tuple_cost = 0;
SET LOCAL min_parallel_table_scan_size = 0;
SET LOCAL min_parallel_index_scan_size = 0;
SET LOCAL max_parallel_workers_per_gather = 2;
SELECT account.act_as(:'eva');
SELECT matches(pg_temp.said('Node Type', pg_temp.plan('SELECT count(*) FROM public.' || name)), 'Gather', 'workers share the scan: ' || name)
  FROM tables WHERE name IN ('things', 'bare', 'parts');
SELECT is(pg_temp.rows(name), '4100', 'and find the same: ' || name) FROM tables;
DELETE FROM account_data.members WHERE user_id = :'eva' AND workspace_id = :'team';
SELECT is(pg_temp.rows(name), '100', 'also after a change: ' || name) FROM tables;

SELECT * FROM finish();
ROLLBACK;
