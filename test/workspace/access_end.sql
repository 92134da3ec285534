-- A team whose plan no longer covers members: all but the owner are locked out, nothing is deleted,
-- and when the plan is back so are they.
BEGIN;
SELECT no_plan();
\ir ../lib/cast.psql

CREATE FUNCTION pg_temp.members_until() RETURNS timestamptz LANGUAGE sql AS
    $$SELECT members_until FROM account_data.workspaces WHERE id = '7ea00000-0000-7000-8000-000000000001'$$;
CREATE FUNCTION pg_temp.wrong() RETURNS SETOF record LANGUAGE sql AS $$
    SELECT (secret_id, valid_until, role) FROM account_data.api_key_digests
    EXCEPT SELECT (secret_id, valid_until, role) FROM account_data.api_key_answers $$;

-- Each change of the plan moves the end of access

SELECT is(pg_temp.members_until(), 'infinity', 'at first there is no end');
SELECT account.start_subscription(:'team', 'pro', 'monthly', 'one', seats => 4) AS period_end \gset
SELECT is(pg_temp.members_until(), :'period_end', 'members have access to the end of the period that is paid');
SELECT account.act_as(:'ben', :'team', false);
SELECT id, key FROM account.create_api_key('of ben') \gset
SELECT is((SELECT valid_until FROM account_data.api_key_digests), :'period_end', 'and so have their keys');
SELECT account.renew_subscription(:'team', 'two') AS period_end \gset
SELECT is(pg_temp.members_until(), :'period_end', 'a renewal moves it');
SELECT is((SELECT valid_until FROM account_data.api_key_digests), :'period_end', 'for keys too');
SELECT is((account.current_principal()).role, 'admin', 'who acts goes on acting');
SELECT account.override_limit(:'team', 'members', 9, '2100-01-01');
SELECT is(pg_temp.members_until(), '2100-01-01', 'an override of members may last longer');
SELECT account.override_limit(:'team', 'members', 0);
SELECT is(pg_temp.members_until(), '-infinity', 'and may end it');
SELECT account.end_limit_override(:'team', 'members');
SELECT is(pg_temp.members_until(), :'period_end', 'without it the plan counts again');
SELECT is((SELECT seats_max FROM account.workspaces WHERE id = :'team'), 5::bigint, 'and is what their workspaces show');
SELECT account.override_limit(:'team', 'members', 0, statement_timestamp() + interval '1 day');
SELECT is(pg_temp.members_until(), :'period_end', 'one of none for a time shuts nobody out: when it is over nothing would let them in');
SELECT is((SELECT seats_max FROM account.workspaces WHERE id = :'team'), 0::bigint, 'but is the limit while it lasts');
SELECT account.end_limit_override(:'team', 'members');
SELECT account.set_plan_limit('free', 'members', 3);
SELECT is(pg_temp.members_until(), 'infinity', 'where free has members nobody loses access when the period ends');
SELECT account.set_plan_limit('free', 'members', 0);
SELECT is(pg_temp.members_until(), :'period_end', 'where it has none they do');
SELECT account.set_plan_limit('pro', 'members', 0);
SELECT is(pg_temp.members_until(), '-infinity', 'a plan that no longer has members ends it');
SELECT account.set_plan_limit('pro', 'members', 5);
SELECT is(pg_temp.members_until(), :'period_end', 'and gives it back');
SELECT is_empty('SELECT pg_temp.wrong()', 'all the time the directory of keys says what the rule says');

-- Locked out

SELECT account.act_as(:'vic', :'team');
SELECT is(account.has_role('viewer'), true, 'before the end a viewer reads');
UPDATE account_data.workspaces SET members_until = statement_timestamp() WHERE id = :'team';
SELECT is(account.current_user_id(), NULL, 'at the end who acted there acts no more');
SELECT is(account.verify_api_key(:'key'), NULL, 'keys of members do not hold');
SELECT throws_ok(format('SELECT account.act_as(%L, %L)', :'vic', :'team'), 'PT402', NULL, 'a member does not come in, and is told why');
SELECT account.act_as(:'vic');
SELECT throws_ok(format('SELECT account.switch_workspace(%L)', :'team'), 'PT402', NULL, 'by no way');
SELECT is(account.has_role(:'team', 'viewer'), false, 'policies see no role');
SELECT is(account.workspace_ids(), ARRAY[:'vic_home'::uuid], 'nor the team');
SELECT results_eq(format('SELECT role, has_access FROM account.workspaces WHERE id = %L', :'team'),
    $$VALUES ('viewer'::account.role, false)$$, 'but they still belong to it');
SELECT is((account.act_as(:'ann', :'team')).role, 'owner', 'the owner has access');
SELECT is((SELECT count(*) FROM account.members), 4::bigint, 'nobody was removed');
SELECT is((SELECT status FROM account.api_keys WHERE id = :'id'), 'active', 'nor a key revoked');

-- Back again

SELECT account.renew_subscription(:'team', 'three');
SELECT is((account.verify_api_key(:'key')).role, 'admin', 'when the plan is back the keys hold');
SELECT is((account.act_as(:'vic', :'team')).role, 'viewer', 'and members come in');
SELECT is_empty('SELECT pg_temp.wrong()', 'and the directory says what the rule says');

-- A licence that lapses leaves no plan, whatever free has

SELECT account.set_plan_limit('free', 'members', 3);
SELECT is(pg_temp.members_until(), 'infinity', 'after a subscription free goes on');
SELECT account.provision_enterprise(:'team', '2100-01-01');
SELECT is(pg_temp.members_until(), '2100-01-01', 'after a licence nothing does');

SELECT finish();
ROLLBACK;
