-- A table of :rows rows scattered over a thousand teams, the people few, in ten of them, and many, in
-- all, and a role for each way to write the policy. Every role reads the same pages.

SET client_min_messages = warning;
SET synchronous_commit = off;
SET maintenance_work_mem = '256MB';
CREATE EXTENSION account;

-- Stands for a UUIDv7: ascends with n, the rest is scattered.
CREATE FUNCTION team_of(n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE
    AS $$ SELECT (lpad(to_hex(1700000000000 + n), 12, '0') || '7' || substr(md5('team' || n), 1, 3)
                  || '8' || substr(md5('team' || n), 4, 15))::uuid $$;

CREATE TABLE people AS
SELECT name, account.sign_up('person-' || name, name || '@person.example', 'us') AS id
  FROM unnest('{owner,few,many}'::text[]) name;
INSERT INTO account_data.workspaces (id, kind, slug, name, region)
SELECT team_of(n), 'team', 'team-' || n, 'Team ' || n, 'us' FROM generate_series(1, 1000) n;
INSERT INTO account_data.members (workspace_id, user_id, role)
SELECT team_of(n), id, CASE name WHEN 'owner' THEN 'owner' ELSE 'editor' END::account.role
  FROM people, generate_series(1, 1000) n
 WHERE name <> 'few' OR n % 100 = 0;

SELECT setseed(.5) \g /dev/null
CREATE TABLE things (id integer NOT NULL, amount integer NOT NULL, workspace_id uuid NOT NULL);
-- Every hundredth row is one of few's teams.
INSERT INTO things
SELECT n, n % 1000, team_of(100 * (1 + floor(random() * 10)::integer)
                            - CASE n % 100 WHEN 0 THEN 0 ELSE 1 + floor(random() * 99)::integer END)
  FROM generate_series(1, :rows) n;
ALTER TABLE things ADD PRIMARY KEY (id);
CREATE INDEX ON things (workspace_id);

-- What people keep and let every user read.
CREATE TABLE memberships (user_id uuid, workspace_id uuid, role text NOT NULL, PRIMARY KEY (user_id, workspace_id));
INSERT INTO memberships SELECT user_id, workspace_id, role::text FROM account_data.members;

ALTER TABLE things ENABLE ROW LEVEL SECURITY;
CREATE POLICY has_role ON things TO bench_has_role USING (account.has_role(workspace_id, 'viewer'));
CREATE POLICY any_ids ON things TO bench_any
    USING (workspace_id = ANY ((SELECT account.workspace_ids())::uuid[]));
CREATE POLICY in_members ON things TO bench_in
    USING (workspace_id IN (SELECT m.workspace_id FROM memberships m WHERE m.user_id = account.current_user_id()));
CREATE POLICY exists_member ON things TO bench_exists
    USING (EXISTS (SELECT FROM memberships m
                    WHERE m.workspace_id = things.workspace_id AND m.user_id = account.current_user_id()));

-- The same rows in a table that is a resource, under the same name for who reads that.
CREATE SCHEMA registered;
CREATE TABLE registered.things (LIKE things INCLUDING ALL);
INSERT INTO registered.things SELECT * FROM things;
SELECT account.register_resource('registered.things', 'thing', name_column => NULL) \g /dev/null
GRANT USAGE ON SCHEMA registered TO PUBLIC;
GRANT SELECT ON registered.things TO PUBLIC;
ALTER ROLE bench_registered SET search_path = registered, public;

SELECT account.grant_service(oid)
  FROM pg_roles WHERE rolname ~ '^bench_(has_role|registered|any|in|exists|none)$' \g /dev/null
GRANT SELECT ON things, people, memberships TO PUBLIC;

-- Pages that running a query touches.
CREATE FUNCTION pages(query text) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    plan json;
BEGIN
    EXECUTE 'EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) ' || query INTO plan;
    RETURN (plan #>> '{0,Plan,Shared Hit Blocks}')::integer + (plan #>> '{0,Plan,Shared Read Blocks}')::integer;
END $$;

VACUUM (FREEZE, ANALYZE);
