-- Keys of tables: the rows of a workspace can live together on one node (docs: growing past one machine).
BEGIN;
SELECT no_plan();

CREATE TEMP VIEW tables AS SELECT oid, relname AS name FROM pg_class WHERE relnamespace = 'account_data'::regnamespace AND relkind IN ('r', 'p');
CREATE TEMP VIEW keys AS
SELECT t.name AS table_name, c.relname AS key, (SELECT array_agg(attname::text ORDER BY n) FROM unnest(i.indkey[0:indnkeyatts - 1]) WITH ORDINALITY k (attnum, n)
           JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.attnum) AS columns
  FROM tables t JOIN pg_index i ON i.indrelid = t.oid JOIN pg_class c ON c.oid = i.indexrelid WHERE indisunique;
CREATE TEMP VIEW foreign_keys AS
SELECT conname AS key, r.name AS table_name, f.name AS target, confdeltype AS on_delete,
       (SELECT array_agg(attname::text ORDER BY n) FROM unnest(conkey) WITH ORDINALITY k (attnum, n) JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum = k.attnum) AS columns,
       (SELECT array_agg(attname::text ORDER BY n) FROM unnest(confkey) WITH ORDINALITY k (attnum, n) JOIN pg_attribute a ON a.attrelid = f.oid AND a.attnum = k.attnum) AS target_columns
  FROM pg_constraint c JOIN tables r ON r.oid = conrelid JOIN tables f ON f.oid = confrelid WHERE contype = 'f';

-- A table is of a workspace, unless it stands here with the reason.
CREATE TEMP TABLE exceptions (kind text, reason text, names text[]);
INSERT INTO exceptions VALUES
    ('root', 'the workspace itself', '{workspaces}'),
    ('global', 'people: copied to every node', '{users, emails, passwords, identities, email_codes}'),
    ('global', 'one namespace of names', '{slugs, reserved_names, reserved_name_defaults}'),
    ('global', 'what operators set for all', '{consumer_domains, consumer_domain_defaults, use_cases, use_case_defaults, plans, plan_defaults, plan_limits, plan_limit_defaults, plan_features,
        plan_feature_defaults, master_keys, promo_codes}'),
    ('global', 'a person''s own code, found by itself', '{referral_codes}'),
    ('global', 'tables of the application, and the shapes they have had', '{resources, trash_layouts}'),
    ('directory', 'found by a digest or id alone, no foreign key', '{api_key_digests, credential_uses, messages, message_receipts, attempts, email_code_sends, invite_tokens}'),
    ('directory', 'found by the digest of a token; it hangs on a person', '{sessions}');
CREATE TEMP VIEW exempt AS SELECT kind, unnest(names) AS name FROM exceptions;
CREATE TEMP VIEW scoped AS SELECT * FROM tables t WHERE NOT EXISTS (SELECT FROM exempt e WHERE e.name = t.name);

SELECT is_empty('SELECT name FROM exempt EXCEPT SELECT name FROM tables', 'every exception is a table');
SELECT is_empty('SELECT name FROM exempt GROUP BY name HAVING count(*) > 1', 'and stands there once');
SELECT is_empty($$SELECT name FROM scoped t WHERE NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = t.oid AND attname = 'workspace_id' AND attnotnull)$$,
    'every other table has a workspace_id');
SELECT is_empty('SELECT name FROM tables t WHERE NOT EXISTS (SELECT FROM pg_index WHERE indrelid = t.oid AND indisprimary)', 'every table has a primary key');
SELECT is_empty($$SELECT k.* FROM keys k JOIN scoped ON name = table_name WHERE columns[1] IS DISTINCT FROM 'workspace_id'$$,
    'primary keys and unique ones of a workspace''s table begin with workspace_id');
SELECT is_empty($$SELECT f.* FROM foreign_keys f JOIN scoped r ON r.name = table_name JOIN scoped t ON t.name = target
    WHERE columns[1] IS DISTINCT FROM 'workspace_id' OR target_columns[1] IS DISTINCT FROM 'workspace_id'$$, 'so do foreign keys between such tables');
SELECT is_empty($$SELECT f.* FROM foreign_keys f JOIN scoped t ON t.name = target JOIN exempt r ON r.name = table_name$$,
    'no foreign key points from outside into a workspace');
SELECT is_empty($$SELECT f.* FROM foreign_keys f JOIN exempt e ON e.name = 'workspaces' AND target = 'workspaces' WHERE columns <> '{workspace_id}'$$,
    'what points at workspaces is called workspace_id');
SELECT is_empty($$SELECT f.* FROM foreign_keys f WHERE on_delete IN ('n', 'd') AND 'workspace_id' = ANY (columns)$$, 'none sets workspace_id to null when its target goes');
SELECT is_empty($$SELECT f.* FROM foreign_keys f WHERE table_name = 'workspaces'$$, 'a workspace points at nothing: a restore could not load it');
SELECT is_empty($$SELECT f.* FROM foreign_keys f JOIN exempt e ON e.kind = 'directory' AND e.name IN (table_name, target) WHERE table_name <> 'sessions'$$,
    'a directory has no foreign key');

-- A delete that cascades finds its rows by an index

SELECT is_empty($$SELECT f.table_name, f.key FROM foreign_keys f WHERE NOT EXISTS (
    SELECT FROM pg_index i JOIN tables t ON t.oid = i.indrelid JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = i.indkey[0]
     WHERE t.name = f.table_name AND a.attname::text = ANY (f.columns))$$, 'every foreign key has an index that begins with one of its columns');

SELECT * FROM finish();
ROLLBACK;
