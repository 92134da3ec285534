--
-- A tour of account, as an application sees it. Errors in it are meant: they
-- show what is refused.
--
\set ON_ERROR_STOP off
CREATE EXTENSION account;

-- The backend's role: it may say who is acting.
SET client_min_messages = warning;
DROP ROLE IF EXISTS tour_app;
RESET client_min_messages;
CREATE ROLE tour_app;
SELECT account.grant_service('tour_app');
SET ROLE tour_app;

--
-- People
--
SELECT * FROM account.check_username('admin');
SELECT * FROM account.check_username('Alice!');
SELECT account.sign_up('alice', 'alice@acme.com', 'us', 'Alice Archer') AS alice \gset
SELECT account.sign_up('bobby', 'bob@acme.com', 'us', 'Bob Barker') AS bob \gset
SELECT account.sign_up('alice', 'someone@example.com', 'us');

-- Nobody acts yet, so there is nothing to see.
SELECT name FROM account.api_keys;

--
-- An API key: make it, prove it, act with it
--
BEGIN;
SELECT role, proof FROM account.act_as(:'alice');
SELECT id, key, key_id FROM account.create_api_key('laptop', scopes => '{datasets:*,predict}') \gset
SELECT :'key' ~ '^ul_[0-9a-f]{40}$' AS well_formed, left(:'key', 11) = :'key_id' AS shows_its_beginning;
SELECT name, kind, owner, scopes, status, last_used_at FROM account.api_keys \gx
COMMIT;

-- The principal ended with the transaction: a pooled connection cannot leak it.
SELECT account.current_user_id() IS NULL AS nobody;

-- What a gateway asks, for one key or for many.
SELECT user_id = :'alice' AS is_alice, role, proof, scopes FROM account.verify_api_key(:'key');
SELECT allowed, code FROM account.admit(:'key', scope => 'datasets:read');
SELECT allowed, code FROM account.admit(:'key', scope => 'billing');
SELECT allowed, code FROM account.admit('ul_0000000000000000000000000000000000000000');

-- What a request does: one call proves the key and lets its owner act.
BEGIN;
SELECT role, proof FROM account.authenticate(:'key');
SELECT account.has_role('editor') AS may_write, account.has_scope('predict') AS may_predict;
SAVEPOINT before_trying;
SELECT * FROM account.create_api_key('from a key');
ROLLBACK TO before_trying;
COMMIT;

--
-- Rotate it with an hour of grace, show it again, revoke it
--
BEGIN;
SELECT role FROM account.act_as(:'alice');
SELECT key AS new_key FROM account.rotate_api_key(:'id', grace => '1 hour') \gset
SELECT account.reveal_api_key(:'id') = :'new_key' AS shown_again;
COMMIT;
SELECT :'key' <> :'new_key' AS changed,
       (account.verify_api_key(:'key')).credential_id = :'id' AS old_one_holds,
       (account.verify_api_key(:'new_key')).credential_id = :'id' AS new_one_holds;

BEGIN;
SELECT role FROM account.act_as(:'alice');
SELECT account.revoke_api_key(:'id');
COMMIT;
SELECT account.verify_api_key(:'key') IS NULL AND account.verify_api_key(:'new_key') IS NULL AS both_dead;
SELECT account.authenticate(:'new_key');

--
-- A team: seats come with a plan
--
BEGIN;
SELECT role FROM account.act_as(:'alice');
SELECT account.create_team('acme-labs', 'Acme Labs') AS team \gset
SELECT role FROM account.switch_workspace(:'team');
SAVEPOINT before_trying;
SELECT * FROM account.invite_member('bob@acme.com', 'editor');
ROLLBACK TO before_trying;
COMMIT;

-- The payment processor says so; saying it twice changes nothing.
SELECT account.start_subscription(:'team', 'pro', 'monthly', 'evt_1', seats => 2) AS paid_until \gset
SELECT account.start_subscription(:'team', 'pro', 'monthly', 'evt_1', seats => 2) = :'paid_until' AS same_answer;

BEGIN;
SELECT role FROM account.act_as(:'alice', :'team');
SELECT expires_at > now() + interval '13 days' AS two_weeks FROM account.invite_member('bob@acme.com', 'editor');
SELECT username, email, role, status FROM account.members ORDER BY status;
SELECT kind, slug, role, plan, seats_used, seats_max FROM account.workspaces ORDER BY kind;
COMMIT;

-- What the application's mailer does: take messages, deliver them, say so.
CREATE TEMP TABLE outbox AS SELECT * FROM account.take_messages();
SELECT kind, channel, recipient, payload ? 'code' AS has_code, payload ? 'token' AS has_token FROM outbox ORDER BY kind, recipient;
SELECT account.mark_sent(id) FROM outbox;
SELECT payload ->> 'token' AS token FROM outbox WHERE kind = 'invite' \gset
SELECT payload ->> 'code' AS code FROM outbox WHERE recipient = 'bob@acme.com' AND kind = 'email_code' \gset

-- Bob opens the link of his invite, shows that the address is his, and joins.
SELECT team, role, inviter FROM account.invite_info(:'token');
BEGIN;
SELECT role FROM account.act_as(:'bob');
SAVEPOINT before_trying;
SELECT account.accept_invite(:'token');
ROLLBACK TO before_trying;
SELECT account.verify_email('bob@acme.com', :'code');
SELECT account.accept_invite(:'token') = :'team' AS joined;
SELECT role FROM account.switch_workspace(:'team');
SELECT key AS team_key FROM account.create_api_key('ci') \gset
COMMIT;

--
-- Roles and row security: the application's own table under a policy
--
RESET ROLE;
CREATE TABLE datasets (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    workspace_id uuid NOT NULL REFERENCES account_data.workspaces (id) ON DELETE CASCADE,
    name         text NOT NULL
);
CREATE INDEX ON datasets (workspace_id);
ALTER TABLE datasets ENABLE ROW LEVEL SECURITY;
CREATE POLICY readers ON datasets FOR SELECT USING (account.has_role(workspace_id, 'viewer'));
CREATE POLICY writers ON datasets FOR ALL USING (account.has_role(workspace_id, 'editor'));
GRANT ALL ON datasets TO tour_app;
SET ROLE tour_app;

BEGIN;
SELECT role FROM account.authenticate(:'team_key');
INSERT INTO datasets (workspace_id, name) VALUES (account.current_workspace_id(), 'street signs');
COMMIT;

-- Alice makes Bob a viewer: his key follows at commit, nothing is cached for a minute.
BEGIN;
SELECT role FROM account.act_as(:'alice', :'team');
SELECT account.set_member_role(:'bob', 'viewer');
COMMIT;
BEGIN;
SELECT role FROM account.authenticate(:'team_key');
SELECT name FROM datasets;
INSERT INTO datasets (workspace_id, name) VALUES (account.current_workspace_id(), 'more signs');
ROLLBACK;

-- He leaves; the key is dead, what was made stays with the team.
BEGIN;
SELECT role FROM account.act_as(:'bob', :'team');
SELECT account.leave_team();
COMMIT;
SELECT account.verify_api_key(:'team_key') IS NULL AS dead;
BEGIN;
SELECT role FROM account.act_as(:'alice', :'team');
SELECT name FROM datasets;
SELECT name, owner, status FROM account.api_keys;
COMMIT;

--
-- What an administrator looks at
--
RESET ROLE;
SELECT check_name, ok FROM account.health() WHERE check_name IN ('version', 'master_key');
SELECT resource_type, action, resource_name, metadata FROM account_data.events WHERE workspace_id = :'team' ORDER BY id;
SELECT resealed, remaining FROM account.rotate_master_key();
