-- Events whose time is over are deleted, and the chain of what is left still verifies.
BEGIN;
SELECT no_plan();
\ir ../lib/old_events.psql

SELECT account.sign_up('keep-owner', 'owner@keep.test', 'us') AS owner \gset
SELECT personal_workspace_id AS workspace FROM account_data.users WHERE id = :'owner' \gset
-- workspaces that are gone: their events are kept all the same
\set plain f0000000-0000-4000-8000-000000000001
\set cut f0000000-0000-4000-8000-000000000002
\set large f0000000-0000-4000-8000-000000000003
CREATE FUNCTION kept(workspace uuid) RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM account_data.events WHERE workspace_id = workspace';
-- the last but one is a transaction that began thirty days ago and ended later
SELECT old_chain(:'plain', now() - interval '30 days 6 minutes 30 seconds', '{2,1,3,2,1}') AS ids \gset
SELECT results_eq(format('SELECT is_intact, links, events, problem, pruned_through FROM account.verify_activity(%L)', :'plain'),
    'VALUES (true, 5::bigint, 9::bigint, NULL::text, NULL::bigint)', 'a chain as it was written is intact');

SELECT is(account.purge_activity(), 0::bigint, 'events are kept for good');
SELECT is(kept(:'plain'), 9::bigint, 'unless an operator sets a retention');
SET LOCAL account.activity_retention = '60d';
SELECT is(account.purge_activity(), 0::bigint, 'what is younger stays');
SET LOCAL account.activity_retention = '30d';
SELECT throws_ok('SELECT account.purge_activity(0)', '22023', NULL, 'max_events is more than zero');
SELECT throws_ok('SELECT account.purge_activity(NULL)', '22023', NULL, 'and not null');

-- what is read, archived or undone of them goes too
INSERT INTO account_data.inboxes VALUES (:'workspace', :'owner');
SELECT (old_chain(:'workspace', now() - interval '90 days', '{1}'))[1] AS marked \gset
INSERT INTO account_data.event_marks VALUES (:'workspace', :'owner', :'marked', true), (:'workspace', :'owner', gen_random_uuid(), true);
INSERT INTO account_data.undone_events VALUES (:'workspace', :'marked'), (:'workspace', gen_random_uuid());

SELECT is(account.purge_activity(1), 1::bigint, 'max_events bounds a call');
SELECT is(account.purge_activity(), 6::bigint, 'the next goes on, until nothing is too old');
SELECT is(account.purge_activity(), 0::bigint, 'then there is nothing to do');
SELECT results_eq(format('SELECT is_intact, links, events, problem, pruned_through FROM account.verify_activity(%L)', :'plain'),
    'VALUES (true, 2::bigint, 3::bigint, NULL::text, 3::bigint)', 'what is left is intact, a transaction stays whole');
SELECT is((SELECT count(*) FROM account_data.event_links WHERE workspace_id = :'plain'), 3::bigint, 'of the links that went the last is kept');
SELECT is((SELECT count(*) FROM account_data.event_marks WHERE workspace_id = :'workspace'), 1::bigint, 'marks of events that are gone are gone');
SELECT is((SELECT count(*) FROM account_data.undone_events WHERE workspace_id = :'workspace'), 1::bigint, 'so is that they were undone');

SELECT throws_ok('SELECT account.verify_activity(gen_random_uuid())', 'P0002', NULL, 'a workspace that is none is not said to be intact');

-- nobody but the extension changes the past
SELECT throws_ok(statement, '55000', 'events cannot be changed or deleted', what) FROM (VALUES
    ('UPDATE account_data.events SET action = action', 'an event is not changed by hand'),
    ('DELETE FROM account_data.events', 'nor deleted'),
    ('TRUNCATE account_data.events', 'nor truncated'),
    ('UPDATE account_data.event_links SET seq = seq', 'neither is a link of the chain'),
    ('DELETE FROM account_data.event_links', 'nor that'),
    ('TRUNCATE account_data.event_links', 'nor that')) guarded (statement, what);

-- tampering is still found
CREATE FUNCTION problem(tampering text, workspace uuid) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    found text;
BEGIN
    SET LOCAL session_replication_role = replica;
    EXECUTE format(tampering, workspace);
    SELECT problem INTO found FROM account.verify_activity(workspace);
    RAISE EXCEPTION USING errcode = 'SWEEP', message = coalesce(found, 'none');
EXCEPTION WHEN SQLSTATE 'SWEEP' THEN
    RETURN sqlerrm;
END
$$;
SELECT is(problem('UPDATE account_data.events SET resource_id = NULL WHERE workspace_id = %L AND id = ' || quote_literal((:'ids'::uuid[])[8]), :'plain'),
    format('event %s is not what was written', (:'ids'::uuid[])[8]), 'after a purge verify_activity notices an event that was changed');
SELECT is(problem('DELETE FROM account_data.events WHERE workspace_id = %L AND id = ' || quote_literal((:'ids'::uuid[])[8]), :'plain'),
    'link 4 has 1 events, not 2', 'one that was taken away');
SELECT is(problem($$UPDATE account_data.event_links SET digest = sha256('x') WHERE workspace_id = %L AND seq = 3$$, :'plain'),
    'link 4 does not follow the one before', 'a change of the link that the chain now begins with');
SELECT is(problem('DELETE FROM account_data.event_links WHERE workspace_id = %L AND seq = 3', :'plain'), 'link 1 is missing', 'its absence');
SELECT is(problem('UPDATE account_data.event_links SET pruned_at = now() WHERE workspace_id = %L AND seq = 5', :'plain'),
    'link 5 was not pruned from the beginning', 'a link said to be pruned');
SELECT is(problem('UPDATE account_data.events SET link_id = (SELECT id FROM account_data.event_links WHERE workspace_id = %1$L AND seq = 3) WHERE workspace_id = %1$L AND id = '
    || quote_literal((:'ids'::uuid[])[9]), :'plain'), 'link 3 has 1 events, not 0', 'an event of a link that went');

-- a chain that does not hold is left as it is
SELECT old_chain(:'cut', now() - interval '90 days', '{1,2,1,1}') AS ids \gset
SET LOCAL session_replication_role = replica;
DELETE FROM account_data.events WHERE id = (:'ids'::uuid[])[3];
RESET session_replication_role;
SELECT is(account.purge_activity(), 1::bigint, 'a chain is purged as far as it holds');
SELECT is(kept(:'cut'), 3::bigint, 'and no further');
SELECT is((SELECT problem FROM account.verify_activity(:'cut')), 'link 2 has 1 events, not 2', 'so that what was done to it is still found');

-- a transaction of more events than a batch
SELECT cardinality(old_chain(:'large', now() - interval '90 days', '{2500,1}')) \g /dev/null
SELECT is(account.purge_activity(), 2501::bigint, 'a large transaction goes at once');
SELECT results_eq(format('SELECT is_intact, events, pruned_through, digest IS NOT NULL FROM account.verify_activity(%L)', :'large'),
    'VALUES (true, 0::bigint, 2::bigint, true)', 'and leaves the place where the chain goes on');

SELECT * FROM finish();
ROLLBACK;
