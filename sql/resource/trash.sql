-- Deleted rows of resources. An item is a row of a resource; the rows of other
-- tables that went with it are chunks of that item. Ids ascend in the order in
-- which rows were deleted, parents first, and restoring follows it.

CREATE TABLE account_data.trash_layouts (
    id     uuid PRIMARY KEY,
    layout bytea NOT NULL
);
COMMENT ON TABLE account_data.trash_layouts IS 'Columns of stored rows, one row for each shape a table has had.';

CREATE TABLE account_data.trash_items (
    workspace_id uuid NOT NULL,
    id           uuid NOT NULL,
    root_id      uuid NOT NULL,
    parent_id    uuid,
    relation     regclass NOT NULL,
    kind         text NOT NULL,
    category     text NOT NULL,
    resource_id  text NOT NULL,
    name         text,
    size_bytes   bigint NOT NULL,
    deleted_at   timestamptz NOT NULL,
    deleted_by   uuid,
    expires_at   timestamptz NOT NULL,
    children     bigint NOT NULL DEFAULT 0,
    child_bytes  bigint NOT NULL DEFAULT 0,
    layout_id    uuid NOT NULL,
    data         bytea NOT NULL,
    PRIMARY KEY (workspace_id, id)
) WITH (fillfactor = 90, toast_tuple_target = 8160);
ALTER TABLE account_data.trash_items ALTER COLUMN data SET STORAGE EXTERNAL;
CREATE INDEX trash_items_root_idx ON account_data.trash_items (workspace_id, root_id, parent_id);
CREATE INDEX trash_items_expires_idx ON account_data.trash_items (expires_at) WHERE parent_id IS NULL;
COMMENT ON TABLE account_data.trash_items IS 'Deleted rows of resources; account.trash shows them.';
COMMENT ON COLUMN account_data.trash_items.root_id IS 'The item whose deletion took this one along; its own id when it was deleted itself.';
COMMENT ON COLUMN account_data.trash_items.parent_id IS 'The item this one hung on.';
COMMENT ON COLUMN account_data.trash_items.children IS 'Rows that went with it, of any table.';
COMMENT ON COLUMN account_data.trash_items.child_bytes IS 'The sizes of the items below it, as their size columns said.';
COMMENT ON COLUMN account_data.trash_items.data IS 'The row, in the columns of its layout.';

CREATE TABLE account_data.trash_chunks (
    workspace_id uuid NOT NULL,
    item_id      uuid NOT NULL,
    id           uuid NOT NULL,
    relation     regclass NOT NULL,
    layout_id    uuid NOT NULL,
    row_count    integer NOT NULL CHECK (row_count > 0),
    data         bytea NOT NULL,
    PRIMARY KEY (workspace_id, item_id, id)
) WITH (toast_tuple_target = 8160);
ALTER TABLE account_data.trash_chunks ALTER COLUMN data SET STORAGE EXTERNAL;
COMMENT ON TABLE account_data.trash_chunks IS 'Rows of tables that are no resources and went with an item.';

SELECT pg_catalog.pg_extension_config_dump('account_data.trash_layouts', '');
SELECT pg_catalog.pg_extension_config_dump('account_data.trash_items', '');
SELECT pg_catalog.pg_extension_config_dump('account_data.trash_chunks', '');

CREATE FUNCTION account_data.trash_capture() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'account_trash_capture';
COMMENT ON FUNCTION account_data.trash_capture()
    IS 'On tables of resources and what hangs on them: keeps the rows that were deleted.';

CREATE FUNCTION account_data.resource_truncated() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'account_resource_truncated';
COMMENT ON FUNCTION account_data.resource_truncated() IS 'On tables of resources: refuses TRUNCATE, which would pass by the trash.';

CREATE FUNCTION account_data.workspace_emptied() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'account_workspace_emptied';
COMMENT ON FUNCTION account_data.workspace_emptied() IS 'Empties the trash of a workspace that is gone.';

CREATE TRIGGER workspace_emptied AFTER DELETE ON account_data.workspaces
    FOR EACH ROW EXECUTE FUNCTION account_data.workspace_emptied();
COMMENT ON TRIGGER workspace_emptied ON account_data.workspaces IS 'The trash of a workspace goes with it.';

CREATE VIEW account.trash WITH (security_barrier) AS
    SELECT t.id, t.kind, t.name, t.size_bytes + t.child_bytes AS size, t.deleted_at, t.deleted_by, t.expires_at,
           t.children, t.parent_id AS parent, t.resource_id
      FROM account.acting() p
      JOIN account_data.trash_items t ON t.workspace_id = p.workspace_id
     WHERE account.require_principal() AND t.expires_at > statement_timestamp();
COMMENT ON VIEW account.trash IS 'The trash of the active workspace; account.restore and account.purge take its ids.';
COMMENT ON COLUMN account.trash.size IS 'Bytes, of the item and those below it.';
COMMENT ON COLUMN account.trash.children IS 'How many rows went with it, of any table.';
COMMENT ON COLUMN account.trash.parent IS 'The item it went with; null when it was deleted itself.';
COMMENT ON COLUMN account.trash.resource_id IS 'The primary key the row had; of several columns parted by commas, with a backslash before a comma or backslash of their own.';

CREATE FUNCTION account.restore(trash_id uuid, new_name text DEFAULT NULL)
    RETURNS void LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_restore';
COMMENT ON FUNCTION account.restore(uuid, text)
    IS 'Puts an item and all that went with it back in its place, under another name if one is given. Needs editor.';

CREATE FUNCTION account.restore_plan(trash_id uuid, OUT action text, OUT kind text, OUT name text, OUT conflict text)
    RETURNS SETOF record LANGUAGE c VOLATILE PARALLEL UNSAFE ROWS 10 AS 'MODULE_PATHNAME', 'account_restore_plan';
COMMENT ON FUNCTION account.restore_plan(uuid)
    IS 'What account.restore would do: tables it writes, columns that are gone or changed, a missing parent, a taken name. Needs editor.';

CREATE FUNCTION account.purge(trash_id uuid)
    RETURNS void LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_purge';
COMMENT ON FUNCTION account.purge(uuid) IS 'Deletes an item and all that went with it for good. Needs editor.';

CREATE FUNCTION account.empty_trash()
    RETURNS bigint LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_empty_trash';
COMMENT ON FUNCTION account.empty_trash()
    IS 'Deletes the whole trash of the active workspace for good; gives the number of items. Needs admin and no API key.';

CREATE FUNCTION account.purge_expired(max_rows bigint DEFAULT 100000)
    RETURNS bigint LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_purge_expired';
COMMENT ON FUNCTION account.purge_expired(bigint)
    IS 'Deletes expired items of all workspaces for good, oldest first, about max_rows stored rows a call; gives the number of items. Two calls share the work.';
