-- Invites by email, and the seats they take.
BEGIN;
SELECT no_plan();
\ir ../lib/cast.psql
\ir ../lib/inbox.psql
SELECT account.sign_up('new-one', 'new@cast.test', 'us') AS new, account.sign_up('two-new', 'two@cast.test', 'us') AS two \gset

-- Without a plan for teams

SELECT throws_ok('SELECT account.invite_member(''new@cast.test'', ''viewer'')', '28000', 'not signed in', 'nobody invites nobody');
SELECT account.act_as(:'ann', :'team');
SELECT throws_ok('SELECT account.invite_member(''new@cast.test'', ''viewer'')', 'PT402', NULL, 'a free team has no seats to give');
SELECT is_empty('TABLE account_data.invites', 'and nothing is written');
SELECT is(pg_temp.token_for('new@cast.test'), NULL, 'nor a message queued');
SELECT account.start_subscription(:'team', 'pro', 'monthly', 'invite-test', seats => 5);

-- Who may invite whom

SELECT throws_ok('SELECT account.invite_member(' || args || ')', state, NULL, 'refused: ' || about) FROM (VALUES
    ('NULL, ''viewer''', '22023', 'nobody'), ('''new@cast.test'', NULL', '22023', 'no role'), ('''nobody'', ''viewer''', '22023', 'no address'),
    ('''nеw@cast.test'', ''viewer''', '22023', 'a look-alike address'), ('repeat(''x'', 500) || ''@cast.test'', ''viewer''', '22023', 'an address of 500 characters'),
    ('''new@cast.test'', ''owner''', '22023', 'an owner'), ('''new@cast.test'', ''boss''', '22P02', 'a role that is none')) bad (args, state, about);
UPDATE account_data.emails SET verified_at = now() WHERE email IN ('ann@cast.test', 'ben@cast.test');
SELECT throws_ok('SELECT account.invite_member(''Ann@cast.test'', ''viewer'')', '23505', NULL, 'nobody invites themselves');
SELECT throws_ok('SELECT account.invite_member(''ben@cast.test'', ''viewer'')', '23505', NULL, 'nor a member');
SELECT account.act_as(:'eva', :'team');
SELECT throws_ok('SELECT account.invite_member(''new@cast.test'', ''viewer'')', '42501', NULL, 'an editor invites nobody');
SELECT throws_ok('SELECT account.create_invite_link(''viewer'', 1)', '42501', NULL, 'nor makes a link');
SELECT account.act_as(:'ben', :'team');
SELECT throws_ok('SELECT account.invite_member(''new@cast.test'', ''admin'')', '42501', NULL, 'an admin invites no admin');
SELECT account.act_as(:'ben');
SELECT throws_ok('SELECT account.invite_member(''new@cast.test'', ''viewer'')', '42501', NULL, 'nobody is invited to a personal workspace');
SELECT is_empty('TABLE account_data.invites', 'after all of these nothing is written');
SELECT is(pg_temp.token_for('new@cast.test'), NULL, 'nor queued');

-- An invite takes a seat, and accepting it the same one

SELECT account.act_as(:'ben', :'team');
SELECT invite_id AS invite, expires_at = statement_timestamp() + interval '14 days' AS lasts
  FROM account.invite_member('New@Cast.test', 'editor') \gset
SELECT ok(:'lasts', 'an invite lasts 14 days');
SELECT pg_temp.token_for('new@cast.test') AS token \gset
SELECT is((SELECT seats FROM account_data.seats_used WHERE workspace_id = :'team'), 5::bigint, 'an invite reserves a seat');
SELECT throws_ok('SELECT account.invite_member(''new@cast.test'', ''viewer'')', '23505', NULL, 'an address is invited once');
SELECT throws_ok('SELECT account.invite_member(''two@cast.test'', ''viewer'')', 'PT402', NULL, 'no seat is left for a sixth');
SELECT results_eq('SELECT email, role, status FROM account.members WHERE status <> ''active''',
    $$VALUES ('new@cast.test', 'editor'::account.role, 'invited')$$, 'who is invited is listed with the members');
SELECT is_empty(format('SELECT FROM account_data.invite_tokens t WHERE strpos(t::text, %L) > 0', substr(:'token', 4)), 'the token is stored as a hash');
SELECT account.reset_principal();
SELECT results_eq(format('SELECT team, role, inviter FROM account.invite_info(%L)', :'token'),
    $$VALUES ('The team', 'editor'::account.role, 'Ben')$$, 'who holds the token sees what it is for');
SELECT throws_ok(format('SELECT account.accept_invite(%L)', :'token'), '28000', 'not signed in', 'to accept one signs in');
SELECT account.act_as(:'two');
UPDATE account_data.emails SET verified_at = now() WHERE user_id = :'two';
SELECT throws_ok(format('SELECT account.accept_invite(%L)', :'token'), '42501', NULL, 'an invite is for the invited address');
SELECT account.act_as(:'new');
SELECT throws_ok(format('SELECT account.accept_invite(%L)', :'token'), '42501', NULL, 'which must be verified');
UPDATE account_data.emails SET verified_at = now() WHERE user_id = :'new';
SELECT throws_ok('SELECT account.accept_invite(' || token || ')', 'P0002', 'invite does not exist', 'unknown: ' || token)
  FROM unnest(ARRAY['NULL', '''''', '''ui_''', '''ui_'' || repeat(''0'', 64)', 'repeat(''x'', 1000000)']) token;
SELECT is(account.accept_invite(:'token'), :'team', 'accepting gives the team');
SELECT is((account.switch_workspace(:'team')).role, 'editor', 'and the role of the invite');
SELECT is((SELECT seats FROM account_data.seats_used WHERE workspace_id = :'team'), 5::bigint, 'a person never counts twice');
SELECT throws_ok(format('SELECT account.accept_invite(%L)', :'token'), '55000', 'invite has been used already', 'an invite is used once');
SELECT throws_ok(format('SELECT account.invite_info(%L)', :'token'), '55000', NULL, 'and says so');
SELECT account.act_as(:'ben', :'team');
SELECT throws_ok(format('SELECT account.cancel_invite(%L)', :'invite'), '55000', NULL, 'an accepted invite is not cancelled');
SELECT throws_ok(format('SELECT account.resend_invite(%L)', :'invite'), '55000', NULL, 'nor sent again');
SELECT account.remove_member(:'new');

-- Sending again and cancelling

SELECT invite_id AS invite FROM account.invite_member('new@cast.test', 'viewer') \gset
SELECT pg_temp.token_for('new@cast.test') AS old_token \gset
SELECT account.resend_invite(:'invite');
SELECT pg_temp.token_for('new@cast.test') AS token \gset
SELECT isnt(:'token'::text, :'old_token'::text, 'a resent invite has a new token');
SELECT throws_ok(format('SELECT account.invite_info(%L)', :'old_token'), 'P0002', NULL, 'and the old one is dead');
UPDATE account_data.invites SET expires_at = now() WHERE id = :'invite';
SELECT throws_ok(format('SELECT account.invite_info(%L)', :'token'), '55000', 'invite is expired', 'an invite expires');
SELECT is((SELECT seats FROM account_data.seats_used WHERE workspace_id = :'team'), 4::bigint, 'and frees its seat');
SELECT account.act_as(:'new');
SELECT throws_ok(format('SELECT account.accept_invite(%L)', :'token'), '55000', 'invite is expired', 'too late to accept it');
SELECT account.act_as(:'ben', :'team');
SELECT lives_ok($$SELECT account.invite_member('two@cast.test', 'viewer')$$, 'another takes the seat');
SELECT pg_temp.token_for('two@cast.test') AS cancelled \gset
SELECT throws_ok(format('SELECT account.resend_invite(%L)', :'invite'), 'PT402', NULL, 'then the expired one has none to come back to');
SELECT account.cancel_invite((SELECT id FROM account.invites WHERE email = 'two@cast.test'));
SELECT throws_ok(format('SELECT account.invite_info(%L)', :'cancelled'), 'P0002', NULL, 'a cancelled token is unknown');
SELECT lives_ok(format('SELECT account.resend_invite(%L)', :'invite'), 'when the seat is free again it comes back');
SELECT lives_ok(format('SELECT account.cancel_invite(%L)', :'invite'), 'an admin takes an invite back');
SELECT lives_ok(format('SELECT account.cancel_invite(%L)', :'invite'), 'twice is no harm');
SELECT throws_ok(format('SELECT account.resend_invite(%L)', :'invite'), 'P0002', NULL, 'a cancelled invite is not sent again');
SELECT throws_ok(format('SELECT account.cancel_invite(%L)', :'zoe'), 'P0002', NULL, 'there is no such invite');
CREATE VIEW pg_temp.queued AS
    SELECT count(*) FROM account_data.messages WHERE recipient = 'late@cast.test' AND attempts = 0 AND due_at IS NOT NULL;
SELECT invite_id AS invite FROM account.invite_member('late@cast.test', 'viewer') \gset
SELECT account.resend_invite(:'invite');
SELECT results_eq('TABLE pg_temp.queued', 'VALUES (1::bigint)', 'a message that has not been taken goes when its token is replaced');
SELECT account.cancel_invite(:'invite');
SELECT results_eq('TABLE pg_temp.queued', 'VALUES (0::bigint)', 'and when the invite is cancelled');
SELECT invite_id AS invite FROM account.invite_member('late@cast.test', 'viewer') \gset
SELECT is((SELECT valid_until FROM account_data.messages WHERE recipient = 'late@cast.test'),
    (SELECT expires_at FROM account_data.invites WHERE id = :'invite'), 'it is not delivered after the invite has expired');
UPDATE account_data.invites SET expires_at = now() WHERE id = :'invite';
SELECT account.invite_member('late@cast.test', 'viewer');
SELECT results_eq('TABLE pg_temp.queued', 'VALUES (1::bigint)', 'an expired invite goes with its message when there is a new one');
DELETE FROM account_data.invites WHERE email = 'late@cast.test';
SELECT results_eq('TABLE pg_temp.queued', 'VALUES (0::bigint)', 'and so does one whose row is gone');
SELECT account.act_as(:'zoe');
SELECT throws_ok(format('SELECT account.cancel_invite(%L)', :'invite'), '42501', NULL, 'who is outside does nothing to it');

-- The inviter's right is checked again

SELECT account.act_as(:'ben', :'team');
SELECT account.invite_member('new@cast.test', 'viewer');
SELECT pg_temp.token_for('new@cast.test') AS token \gset
UPDATE account_data.members SET role = 'editor' WHERE user_id = :'ben' AND workspace_id = :'team';
SELECT account.act_as(:'new');
SELECT throws_ok(format('SELECT account.accept_invite(%L)', :'token'), '55000', 'invite is no longer valid', 'who invited must still be allowed to');
SELECT account.act_as(:'ann', :'team');
SELECT account.resend_invite(id) FROM account.invites WHERE status = 'pending';
SELECT pg_temp.token_for('new@cast.test') AS token \gset
SELECT results_eq(format('SELECT inviter FROM account.invite_info(%L)', :'token'), $$VALUES ('Ann')$$, 'who sends it again is who invites');
SELECT account.act_as(:'new');
SELECT lives_ok(format('SELECT account.accept_invite(%L)', :'token'), 'and then it is their right that counts');
UPDATE account_data.members SET role = 'admin' WHERE user_id = :'ben' AND workspace_id = :'team';
SELECT account.act_as(:'ben', :'team');
SELECT account.remove_member(:'new');

-- Members may invite where the team lets them

SELECT account.update_team_settings('{"members_can_invite": true}');
SELECT account.act_as(:'vic', :'team');
SELECT throws_ok('SELECT account.invite_member(''new@cast.test'', ''viewer'')', '42501', NULL, 'a viewer still invites nobody');
SELECT account.act_as(:'eva', :'team');
SELECT throws_ok('SELECT account.invite_member(''new@cast.test'', ''admin'')', '42501', NULL, 'an editor invites to no more than editor');
SELECT lives_ok('SELECT account.invite_member(''new@cast.test'', ''editor'')', 'but to that');

-- Two addresses of one person reserve one seat

SELECT account.act_as(:'ann', :'team');
DELETE FROM account_data.invites WHERE workspace_id = :'team';
SELECT seats AS before FROM account_data.seats_used WHERE workspace_id = :'team' \gset
INSERT INTO account_data.emails (user_id, email, verified_at) VALUES (:'zoe', 'zoe@work.test', now()), (:'zoe', 'zoe@other.test', now());
SELECT account.override_limit(:'team', 'members', :before + 1);
SELECT account.invite_member('zoe@work.test', 'viewer');
SELECT lives_ok($$SELECT account.invite_member('zoe@other.test', 'viewer')$$, 'a second address of theirs needs no second seat');
SELECT is((SELECT seats FROM account_data.seats_used WHERE workspace_id = :'team'), :before + 1::bigint, 'they count once');
SELECT throws_ok($$SELECT account.invite_member('nobody@other.test', 'viewer')$$, 'PT402', NULL, 'somebody else would be one too many');

SELECT finish();
ROLLBACK;
