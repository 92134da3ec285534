-- Parallel workers know who is acting, and what they may do.
BEGIN;
SELECT no_plan();
\ir ../lib/cast.psql
\ir ../lib/parallel.psql
SELECT account.act_as(:'eva', :'team');
SELECT id AS key_id, key FROM account.create_api_key('parallel', NULL, '{read}') \gset
SELECT token FROM account.open_session(:'eva') \gset

-- The pid of the process that runs it; says it is safe so that a worker may.
CREATE FUNCTION public.worker_pid() RETURNS integer LANGUAGE plpgsql PARALLEL SAFE AS 'BEGIN RETURN pg_backend_pid(); END';
SELECT pg_backend_pid() AS leader \gset

SET LOCAL :force_parallel = on;
SET LOCAL parallel_setup_cost = 0;
SET LOCAL parallel_tuple_cost = 0;
SET LOCAL min_parallel_table_scan_size = 0;
SET LOCAL max_parallel_workers_per_gather = 2;

SELECT account.act_as(:'eva', :'team');
SELECT worker_pid() <> :leader AS in_worker, account.current_user_id() AS user_id, account.current_workspace_id() AS workspace_id,
       account.has_role('editor') AS editor, account.has_role('admin') AS admin,
       account.has_role(:'team', 'editor') AS team_editor, account.has_role(:'ann_home', 'viewer') AS stranger,
       account.has_role(:'eva_home', 'owner') AS home_owner, account.workspace_ids() AS ids, account.has_scope('x') AS scope,
       (account.current_principal()).proof AS proof, account.require_role('editor')::text AS required \gset a_
SELECT ok(:'a_in_worker', 'the readers run in a worker');
SELECT is(:'a_user_id'::text, :'eva', 'current_user_id in a worker');
SELECT is(:'a_workspace_id'::text, :'team', 'current_workspace_id in a worker');
SELECT is(ARRAY[:'a_editor', :'a_admin'], '{t,f}', 'has_role in a worker');
SELECT is(ARRAY[:'a_team_editor', :'a_stranger', :'a_home_owner'], '{t,f,t}', 'has_role of a workspace in a worker');
SELECT is(cardinality(:'a_ids'::uuid[]), 2, 'workspace_ids in a worker');
SELECT is(:'a_scope'::text, 't', 'has_scope in a worker');
SELECT is(:'a_proof'::text, 'trusted', 'current_principal in a worker');

SELECT account.authenticate(:'key');
SELECT worker_pid() <> :leader AS in_worker, account.has_scope('read') AS read, account.has_scope('write') AS write,
       p.credential_id AS acting, v.credential_id AS verified, account.locate_api_key(:'key') AS region
  FROM account.acting() p, account.verify_api_key(:'key') v \gset b_
SELECT is(ARRAY[:'b_in_worker', :'b_read', :'b_write'], '{t,t,f}', 'the scopes of a key reach a worker');
SELECT is(ARRAY[:'b_acting', :'b_verified'], ARRAY[:'key_id', :'key_id'], 'a key acts and is verified in a worker');
SELECT is(:'b_region'::text, 'us', 'locate_api_key in a worker');

SELECT account.resume_session(:'token');
SELECT worker_pid() <> :leader AS in_worker, account.current_user_id() AS user_id,
       (account.check_username('free-name')).available AS free, (account.check_username('eva-test', true)).suggestion AS other \gset c_
SELECT is(ARRAY[:'c_in_worker', :'c_user_id'], ARRAY['t', :'eva'], 'a session acts in a worker');
SELECT is(ARRAY[:'c_free', :'c_other'], '{t,eva-test-2}', 'check_username in a worker');

-- A policy's scan by leader and workers together

CREATE TABLE public.things (id integer, workspace_id uuid) WITH (parallel_workers = 2);
INSERT INTO public.things SELECT n, CASE n % 2 WHEN 0 THEN :'team' ELSE :'zoe_home' END::uuid FROM generate_series(1, 20000) n;
ANALYZE public.things;
SELECT count(*) AS seen, count(DISTINCT worker_pid()) > 0 AS counted FROM public.things
 WHERE account.has_role(workspace_id, 'viewer') \gset d_
SELECT is(:'d_seen'::text, '10000', 'workers see the rows that who acts may see');
SELECT count(*) AS seen FROM account.api_keys k \gset e_
SELECT is(:'e_seen'::text, '0', 'a view in a worker: nothing in the personal workspace');

-- Nobody, in a worker

SELECT account.reset_principal();
SELECT worker_pid() <> :leader AS in_worker, account.current_user_id() IS NULL AS nobody, account.has_role('viewer') AS role \gset f_
SELECT is(ARRAY[:'f_in_worker', :'f_nobody', :'f_role'], '{t,t,f}', 'nobody acts in a worker when nobody does');
SELECT throws_ok('SELECT * FROM account.api_keys', '28000', 'not signed in', 'a view raises in a worker');

-- A role that ended, uncommitted, is seen by a worker too

SELECT account.act_as(:'vic', :'team');
DELETE FROM account_data.members WHERE user_id = :'vic' AND workspace_id = :'team';
SELECT worker_pid() <> :leader AS in_worker, account.current_user_id() IS NULL AS nobody \gset g_
SELECT is(ARRAY[:'g_in_worker', :'g_nobody'], '{t,t}', 'a membership that has just ended has ended in a worker');

SELECT * FROM finish();
ROLLBACK;
