-- Tables of the application that are resources of workspaces.

CREATE TABLE account_data.resources (
    relation         regclass PRIMARY KEY,
    kind             text NOT NULL UNIQUE CHECK (kind ~ '^[a-z][a-z0-9_]{0,62}$'),
    category         text NOT NULL CHECK (length(category) BETWEEN 1 AND 63),
    workspace_column name NOT NULL,
    name_column      name,
    size_column      name,
    policies         boolean NOT NULL,
    row_security     boolean NOT NULL,
    limit_name       text NOT NULL COLLATE "C"
);
COMMENT ON TABLE account_data.resources IS 'Registered tables: their kind and the columns that say whose a row is, what it is called and how large.';
COMMENT ON COLUMN account_data.resources.row_security IS 'Whether row security was on before the registration; unregister_resource puts it back.';
COMMENT ON COLUMN account_data.resources.limit_name IS 'The limit its rows count for: that of the kind''s name or its plural.';

SELECT pg_catalog.pg_extension_config_dump('account_data.resources', '');

CREATE VIEW account.resources WITH (security_barrier) AS
    SELECT r.relation AS resource, r.kind, r.workspace_column, r.name_column, r.size_column, r.category, r.policies
      FROM account_data.resources r
      JOIN pg_catalog.pg_class c ON c.oid = r.relation
     WHERE account.require_principal();
COMMENT ON VIEW account.resources IS 'Tables registered with account.register_resource.';

CREATE FUNCTION account.register_resource(resource regclass, kind text, workspace_column name DEFAULT 'workspace_id',
    name_column name DEFAULT 'name', size_column name DEFAULT NULL, category text DEFAULT NULL, policies boolean DEFAULT true)
    RETURNS void LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_register_resource';
COMMENT ON FUNCTION account.register_resource(regclass, text, name, name, name, text, boolean)
    IS 'Makes a table a resource: deleted rows go to the trash, rows are counted and their changes recorded. For its owner or an operator; again when tables that hang on it were added.';

CREATE FUNCTION account.unregister_resource(resource regclass)
    RETURNS void LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_unregister_resource';
COMMENT ON FUNCTION account.unregister_resource(regclass)
    IS 'Makes a resource an ordinary table again, as it was before; what is in the trash stays there.';

CREATE FUNCTION account_data.resource_changed() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'account_resource_changed';
COMMENT ON FUNCTION account_data.resource_changed()
    IS 'On tables of resources: counts rows for limits and storage, and records what changed.';
