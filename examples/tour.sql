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
-- A profile, changed by a merge patch; what is wrong is named, and nothing of it is written
--
BEGIN;
SELECT role FROM account.act_as(:'alice');
SELECT display_name, company, icon, links FROM account.update_profile('{"company": "Acme", "icon": {"colour": "#1A7F37"},
    "links": {"github": "https://github.com/alice-a", "x": "@alice"}}');
SELECT links FROM account.update_profile('{"links": {"x": null}, "bio": "I look at pictures."}');
SAVEPOINT before_trying;
SELECT links FROM account.update_profile('{"bio": null, "links": {"website": "javascript:alert(1)"}}');
ROLLBACK TO before_trying;
SELECT id AS changed FROM account.activity WHERE resource_type = 'profile' ORDER BY id DESC LIMIT 1 \gset
SELECT account.undo(:'changed');
SELECT username, display_name, bio, links, teams FROM account.public_profiles WHERE username = 'alice';
COMMIT;

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
-- The application's own tables, registered as resources: projects, datasets, models and what hangs
-- on them. Row security, trash, counts and the feed come with that.
--
RESET ROLE;
\set ECHO none
\o /dev/null
\i examples/vision.sql
\o
\set ECHO all
GRANT USAGE ON SCHEMA vision TO tour_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA vision TO tour_app;
SET ROLE tour_app;
SET search_path = vision;

-- Bob's job makes a project with a dataset and two trained models.
BEGIN;
SELECT role, account.current_workspace_id() AS workspace_id FROM account.authenticate(:'team_key') \gset
INSERT INTO projects (workspace_id, name) VALUES (:'workspace_id', 'Street signs') RETURNING id AS project_id \gset
INSERT INTO datasets (workspace_id, project_id, name, task, classes)
    VALUES (:'workspace_id', :'project_id', 'signs-2026', 'detect', '{stop,yield,limit}') RETURNING id AS dataset_id \gset
INSERT INTO images (workspace_id, dataset_id, split, file_name, sha256, width, height, bytes)
    SELECT :'workspace_id', :'dataset_id', CASE WHEN n % 5 = 0 THEN 'val' ELSE 'train' END, format('%s.jpg', n),
           sha256(n::text::bytea), 1280, 720, 200000
      FROM generate_series(1, 50) n;
INSERT INTO annotations (workspace_id, image_id, class, bounds)
    SELECT workspace_id, id, id % 3, box(point(10, 20), point(110, 90)) FROM images;
UPDATE datasets SET bytes = (SELECT sum(bytes) FROM images WHERE dataset_id = datasets.id) WHERE id = :'dataset_id';
INSERT INTO models (workspace_id, project_id, trained_on, made_by, name, base, bytes)
    SELECT :'workspace_id', :'project_id', :'dataset_id', account.current_user_id(), name, base, bytes
      FROM (VALUES ('baseline', 'yolo11n.pt', 5400000), ('large', 'yolo11x.pt', 114000000)) m (name, base, bytes);
INSERT INTO epochs (workspace_id, model_id, epoch, box_loss, map50, seconds)
    SELECT m.workspace_id, m.id, n, 2.0 / n, 1 - 0.6 / n, 42 FROM models m, generate_series(1, 100) n;
SELECT account.log_event('training', 'completed', resource_name => 'large', description => '100 epochs');
COMMIT;

-- What the workspace stores is known without reading a table of the application.
BEGIN;
SELECT role FROM account.act_as(:'alice', :'team');
SELECT kind, name, pg_size_pretty(size) AS size, in_trash FROM account.largest_items();
SELECT pg_size_pretty(used) AS used, pg_size_pretty(max_value) AS allowed, status, categories FROM account.storage \gx
COMMIT;

--
-- A plain DELETE is the trash, and all of it comes back
--
BEGIN;
SELECT role FROM account.act_as(:'alice', :'team');
DELETE FROM projects WHERE name = 'Street signs' RETURNING name;
SELECT (SELECT count(*) FROM images) AS images, (SELECT count(*) FROM models) AS models, (SELECT count(*) FROM epochs) AS epochs;
SELECT t.kind, t.name, t.children, pg_size_pretty(t.size) AS size, p.name AS went_with, t.expires_at - t.deleted_at AS kept_for
  FROM account.trash t LEFT JOIN account.trash p ON p.id = t.parent ORDER BY t.kind DESC, t.name;
-- the name is free at once
INSERT INTO projects (workspace_id, name) VALUES (:'team', 'Street signs');
COMMIT;

-- One model alone: its project is gone, so it stands on its own. Its history comes with it.
BEGIN;
SELECT role FROM account.act_as(:'alice', :'team');
SELECT id AS large FROM account.trash WHERE kind = 'model' AND name = 'large' \gset
SELECT * FROM account.restore_plan(:'large');
SELECT account.restore(:'large');
SELECT name, project_id IS NULL AS alone, (SELECT count(*) FROM epochs e WHERE e.model_id = m.id) AS epochs FROM models m;

-- Then the project with the rest; its name is taken, so it gets another.
SELECT id AS project FROM account.trash WHERE kind = 'project' \gset
SAVEPOINT before_trying;
SELECT account.restore(:'project');
ROLLBACK TO before_trying;
SELECT account.restore(:'project', 'Street signs, again');
SELECT p.name, d.name AS dataset, d.classes, m.name AS model, m.trained_on = d.id AS trained_on_it,
       (SELECT count(*) FROM images i WHERE i.dataset_id = d.id) AS images
  FROM projects p JOIN datasets d ON d.project_id = p.id JOIN models m ON m.project_id = p.id;
SELECT count(*) AS left_in_the_trash FROM account.trash;
COMMIT;

--
-- The feed, and undoing an update
--
BEGIN;
SELECT role FROM account.act_as(:'alice', :'team');
UPDATE models SET name = 'extra large', settings = '{"imgsz": 1280}' WHERE name = 'large';
SELECT id AS renamed, metadata FROM account.activity_page(resource_type => 'model', action => 'updated', page_size => 1) \gset
SELECT jsonb_pretty(:'metadata') AS changed;
SELECT account.undo(:'renamed');
SELECT name, settings FROM models WHERE project_id IS NULL;
SAVEPOINT before_trying;
SELECT account.undo(:'renamed');
ROLLBACK TO before_trying;
SELECT actor, via, resource_type, action, resource_name FROM account.activity_page(page_size => 12);
SELECT resource_type, resource_name, description FROM account.activity_page(search => 'LARGE', resource_type => 'training');
COMMIT;

-- Alice makes Bob a viewer: his key follows at commit, nothing is cached for a minute.
BEGIN;
SELECT role FROM account.act_as(:'alice', :'team');
SELECT account.set_member_role(:'bob', 'viewer');
COMMIT;
BEGIN;
SELECT role FROM account.authenticate(:'team_key');
SELECT name FROM datasets;
INSERT INTO projects (workspace_id, name) VALUES (account.current_workspace_id(), 'More signs');
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
