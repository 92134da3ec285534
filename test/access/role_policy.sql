-- has_role as a row-security policy: right with every plan the planner may choose.
BEGIN;
SELECT no_plan();
\ir ../lib/cast.psql
CREATE ROLE policy_app;
SELECT account.grant_usage('policy_app');
CREATE TABLE public.things (id integer PRIMARY KEY, workspace_id uuid NOT NULL, least account.role NOT NULL DEFAULT 'viewer');
INSERT INTO public.things
SELECT n, CASE WHEN n % 100 = 0 THEN :'team'::uuid WHEN n % 100 = 1 THEN :'eva_home'::uuid ELSE gen_random_uuid() END,
       CASE n % 1000 WHEN 0 THEN 'admin' ELSE 'viewer' END::account.role
  FROM generate_series(1, 10000) n;
CREATE INDEX things_workspace_idx ON public.things (workspace_id, id);
ANALYZE public.things;
ALTER TABLE public.things ENABLE ROW LEVEL SECURITY;
CREATE POLICY seen ON public.things FOR SELECT USING (account.has_role(workspace_id, 'viewer'));
CREATE POLICY made ON public.things FOR INSERT WITH CHECK (account.has_role(workspace_id, 'editor'));
GRANT SELECT, INSERT ON public.things TO policy_app;

-- The rows that a scan with these settings gives
CREATE FUNCTION pg_temp.seen(how text, condition text DEFAULT 'true', who text DEFAULT 'policy_app') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    plan text;
    line text;
    rows text;
BEGIN
    PERFORM set_config('enable_' || s, CASE WHEN s = how OR (s, how) = ('indexscan', 'indexonlyscan') THEN 'on' ELSE 'off' END, true)
       FROM unnest('{seqscan,indexscan,indexonlyscan,bitmapscan}'::text[]) s;
    PERFORM set_config('role', who, true);
    FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) SELECT id FROM public.things WHERE ' || condition LOOP
        plan := concat(plan, line);
    END LOOP;
    EXECUTE 'SELECT count(id)::text FROM public.things WHERE ' || condition INTO rows;
    RESET ROLE;
    RETURN concat_ws(' ', substring(plan FROM 'Seq Scan|Index Only Scan|Index Scan|Bitmap Heap Scan'),
        CASE WHEN plan LIKE '%Index Cond%' THEN 'by workspace' END, rows);
END
$$;
SELECT account.act_as(:'eva');
SELECT is(pg_temp.seen('seqscan'), 'Seq Scan 200', 'a sequential scan gives the rows of one''s workspaces');
SELECT is(pg_temp.seen('indexscan'), 'Index Scan by workspace 200', 'so does an index scan');
SELECT is(pg_temp.seen('indexonlyscan'), 'Index Only Scan by workspace 200', 'an index-only scan');
SELECT is(pg_temp.seen('bitmapscan'), 'Bitmap Heap Scan by workspace 200', 'and a bitmap scan');
SELECT is(pg_temp.seen('bitmapscan', 'account.has_role(workspace_id, ''owner'')', 'postgres'), 'Bitmap Heap Scan by workspace 100', 'a greater role narrows it');
SELECT matches(pg_temp.seen(how, 'account.has_role(workspace_id, least)', 'postgres'), '^[A-Za-z ]+ Scan 190$', 'a role from the row itself is no index condition: ' || how)
  FROM unnest('{seqscan,indexscan,indexonlyscan,bitmapscan}'::text[]) how;
SELECT is(pg_temp.seen(how, 'account.has_role(workspace_id, NULL)', 'postgres'), '0', 'no role has no rows: ' || how) FROM unnest('{seqscan,indexscan}'::text[]) how;
SET LOCAL plan_cache_mode = force_generic_plan;
PREPARE by_role (account.role) AS SELECT count(*) FROM public.things WHERE account.has_role(workspace_id, $1);
SELECT results_eq('EXECUTE by_role(''owner'')', 'VALUES (100::bigint)', 'a role as a parameter');
SELECT results_eq('EXECUTE by_role(NULL)', 'VALUES (0::bigint)', 'which may be null');

-- One prepared plan serves whoever acts

PREPARE mine AS SELECT count(*) FROM public.things WHERE account.has_role(workspace_id, 'viewer');
SELECT results_eq('EXECUTE mine', 'VALUES (200::bigint)', 'eva sees hers and the team''s');
SELECT account.act_as(:'vic');
SELECT results_eq('EXECUTE mine', 'VALUES (100::bigint)', 'vic, by the same plan, the team''s');
SELECT account.act_as(:'zoe');
SELECT results_eq('EXECUTE mine', 'VALUES (0::bigint)', 'zoe none');
SELECT account.act_as(:'vic');
DELETE FROM account_data.members WHERE user_id = :'vic' AND workspace_id = :'team';
SELECT results_eq('EXECUTE mine', 'VALUES (0::bigint)', 'nor vic when no member any more');
SELECT account.reset_principal();
SELECT results_eq('EXECUTE mine', 'VALUES (0::bigint)', 'nor nobody');
SELECT is(pg_temp.seen('seqscan'), 'Seq Scan 0', 'with a policy nobody sees no row');
SELECT is(pg_temp.seen('indexscan'), 'Index Scan by workspace 0', 'by an index either');

-- Writing

SELECT account.act_as(:'eva');
SELECT lives_ok(format('SELECT pg_temp.as_role(''policy_app'', %L)', format('INSERT INTO public.things VALUES (20000, %L) RETURNING 1', :'team')),
    'an editor writes a row of the team');
UPDATE account_data.members SET role = 'viewer' WHERE user_id = :'eva' AND workspace_id = :'team';
SELECT throws_ok(format('SELECT pg_temp.as_role(''policy_app'', %L)', format('INSERT INTO public.things VALUES (20001, %L) RETURNING 1', :'team')),
    '42501', NULL, 'a viewer does not');
SELECT throws_ok(format('SELECT pg_temp.as_role(''policy_app'', %L)', format('INSERT INTO public.things VALUES (20002, %L) RETURNING 1', :'zoe_home')),
    '42501', NULL, 'nor anybody a row of a workspace of others');

SELECT * FROM finish();
ROLLBACK;
