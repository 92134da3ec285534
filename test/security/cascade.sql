-- An application's foreign key carries a delete of ours to its own rows. Whatever hangs there runs with
-- the application's rights or the caller's, never with those of the extension's owner.
BEGIN;
SELECT no_plan();
\ir ../lib/cast.psql
DELETE FROM account_data.members WHERE workspace_id = :'team' AND role <> 'owner';

CREATE ROLE cascade_backend;
CREATE ROLE cascade_user;
SELECT account.grant_service('cascade_backend'), account.grant_usage('cascade_user');
CREATE SCHEMA cascade_app AUTHORIZATION cascade_backend;
GRANT USAGE ON SCHEMA cascade_app TO cascade_user;
SET LOCAL ROLE cascade_backend;
CREATE TABLE cascade_app.ran (at text, as_role text, search_path text);
GRANT INSERT ON cascade_app.ran TO cascade_user;
CREATE FUNCTION cascade_app.note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO cascade_app.ran VALUES (concat_ws(' ', TG_WHEN, TG_LEVEL), current_user, current_setting('search_path'));
    RETURN old;
END
$$;
CREATE TABLE cascade_app.docs (workspace_id uuid REFERENCES account_data.workspaces (id) ON DELETE CASCADE);
CREATE TRIGGER before_row BEFORE DELETE ON cascade_app.docs FOR EACH ROW EXECUTE FUNCTION cascade_app.note();
CREATE TRIGGER after_row AFTER DELETE ON cascade_app.docs FOR EACH ROW EXECUTE FUNCTION cascade_app.note();
CREATE TRIGGER after_statement AFTER DELETE ON cascade_app.docs FOR EACH STATEMENT EXECUTE FUNCTION cascade_app.note();
INSERT INTO cascade_app.docs VALUES (:'team');
RESET ROLE;

SELECT account.act_as(:'ann', :'team');
SET LOCAL search_path = cascade_app, tap;
SELECT pg_temp.as_role('cascade_user', $$SELECT account.delete_team('DELETE')$$) \g /dev/null
SET LOCAL search_path = "$user", public, tap;

SELECT is_empty('SELECT * FROM cascade_app.docs', 'the delete reached the application''s rows');
SELECT set_eq('SELECT at FROM cascade_app.ran', $$VALUES ('BEFORE ROW'), ('AFTER ROW'), ('AFTER STATEMENT')$$, 'and fired its triggers');
SELECT is_empty($$SELECT * FROM cascade_app.ran WHERE as_role NOT IN ('cascade_user', 'cascade_backend')$$,
    'they ran as the caller, or as the owner of the table, never as the extension''s');
SELECT is((SELECT DISTINCT search_path FROM cascade_app.ran), 'cascade_app, tap', 'and on the caller''s search path');
SELECT is_empty(format('SELECT FROM account_data.members WHERE workspace_id = %L', :'team'), 'our own cascades and triggers ran all the same');

SELECT finish();
ROLLBACK;
