-- Links that let people join a team.
BEGIN;
SELECT no_plan();
\ir ../lib/cast.psql
SELECT account.sign_up('new-one', 'new@cast.test', 'us') AS new, account.sign_up('two-new', 'two@cast.test', 'us') AS two \gset
UPDATE account_data.emails SET verified_at = now() WHERE user_id IN (:'new', :'two', :'vic');
SELECT account.start_subscription(:'team', 'pro', 'monthly', 'link-test', seats => 5);

SELECT account.act_as(:'ben', :'team');
SELECT throws_ok('SELECT account.create_invite_link(' || args || ')', '22023', NULL, 'refused: ' || args) FROM unnest(ARRAY[
    '''admin'', 1', '''owner'', 1', 'NULL, 1', '''viewer'', 0', '''viewer'', -1', '''viewer'', NULL', '''viewer'', 10001',
    '''viewer'', 1, ''not a domain''', '''viewer'', 1, ''''', '''viewer'', 1, NULL, ''-1 day''', '''viewer'', 1, NULL, ''0''', '''viewer'', 1, NULL, ''290000 years''', '''viewer'', 1, NULL, NULL']) args;
SELECT is_empty('TABLE account_data.invite_links', 'and nothing is written');
SELECT account.create_invite_link('editor', 2, 'Cast.Test') AS link \gset
SELECT is((SELECT seats FROM account_data.seats_used WHERE workspace_id = :'team'), 4::bigint, 'a link reserves no seat');
SELECT results_eq('SELECT email, role, uses, max_uses, allowed_domain, status FROM account.invites',
    $$VALUES (NULL, 'editor'::account.role, 0, 2, 'cast.test', 'pending')$$, 'it is listed');
SELECT account.act_as(:'zoe');
SELECT throws_ok(format('SELECT account.accept_invite(%L)', :'link'), '42501', NULL, 'a link for a domain needs a verified address of it');
SELECT account.act_as(:'new');
SELECT is(account.accept_invite(:'link'), :'team', 'with one it is accepted');
SELECT throws_ok(format('SELECT account.accept_invite(%L)', :'link'), '23505', NULL, 'a member does not join again');
SELECT account.act_as(:'two');
SELECT throws_ok(format('SELECT account.accept_invite(%L)', :'link'), 'PT402', NULL, 'each use takes a seat');
SELECT account.act_as(:'ben', :'team');
SELECT account.remove_member(:'vic');
SELECT account.act_as(:'two');
SELECT lives_ok(format('SELECT account.accept_invite(%L)', :'link'), 'another takes the seat that is free again');
SELECT account.act_as(:'vic');
SELECT throws_ok(format('SELECT account.accept_invite(%L)', :'link'), '55000', 'invite has been used already', 'a link is used up');

SELECT account.act_as(:'ben', :'team');
SELECT account.create_invite_link('viewer', 1, expires_in => '1 hour') AS link \gset
SELECT id AS link_id FROM account.invites WHERE status = 'pending' \gset
UPDATE account_data.invite_links SET expires_at = now() WHERE id = :'link_id';
SELECT throws_ok(format('SELECT account.invite_info(%L)', :'link'), '55000', 'invite is expired', 'a link expires');
SELECT account.cancel_invite(:'link_id');
SELECT throws_ok(format('SELECT account.invite_info(%L)', :'link'), 'P0002', NULL, 'a cancelled link is unknown');
SELECT account.create_invite_link('viewer', 1) AS link \gset
UPDATE account_data.members SET role = 'editor' WHERE user_id = :'ben' AND workspace_id = :'team';
SELECT account.act_as(:'vic');
SELECT throws_ok(format('SELECT account.accept_invite(%L)', :'link'), '55000', 'invite is no longer valid', 'who made a link must still be an admin');

-- Cancelling a link again changes nothing

SELECT account.act_as(:'ann', :'team');
SELECT account.create_invite_link('viewer', 1) AS gone \gset
SELECT id AS gone_id FROM account.invites ORDER BY created_at DESC, id DESC LIMIT 1 \gset
SELECT account.cancel_invite(:'gone_id');
SELECT lives_ok(format('SELECT account.cancel_invite(%L)', :'gone_id'), 'a link may be cancelled twice');
SELECT is((SELECT count(*) FROM account_data.events WHERE action = 'cancelled' AND resource_id = :'gone_id'), 1::bigint, 'it was cancelled once');
SELECT throws_ok(format('SELECT account.accept_invite(%L)', :'gone'), 'P0002', 'invite does not exist', 'and is dead');

-- Who was invited by email and comes by a link, takes one seat

UPDATE account_data.members SET role = 'admin' WHERE user_id = :'ben' AND workspace_id = :'team';
SELECT account.act_as(:'ben', :'team');
SELECT account.remove_member(:'two');
SELECT account.invite_member('vic@cast.test', 'editor');
SELECT account.act_as(:'vic');
SELECT is((SELECT seats FROM account_data.seats_used WHERE workspace_id = :'team'), 5::bigint, 'the last seat is reserved for them');
SELECT lives_ok(format('SELECT account.accept_invite(%L)', :'link'), 'and theirs by the link too');
SELECT is((SELECT seats FROM account_data.seats_used WHERE workspace_id = :'team'), 5::bigint, 'they count once');
SELECT is_empty('SELECT FROM account_data.invites WHERE accepted_at IS NULL AND cancelled_at IS NULL', 'for the invite is answered by that');

SELECT finish();
ROLLBACK;
