-- The feed of a workspace, as each person has seen and archived it. What is older
-- than the person's two marks is seen, or archived; exceptions are rows.

CREATE TABLE account_data.inboxes (
    workspace_id     uuid NOT NULL REFERENCES account_data.workspaces (id) ON DELETE CASCADE,
    user_id          uuid NOT NULL REFERENCES account_data.users (id) ON DELETE CASCADE,
    seen_through     uuid,
    archived_through uuid,
    PRIMARY KEY (workspace_id, user_id)
);
CREATE INDEX inboxes_user_idx ON account_data.inboxes (user_id);
COMMENT ON TABLE account_data.inboxes IS 'Up to which event a person has seen and archived a workspace''s feed.';

CREATE TABLE account_data.event_marks (
    workspace_id uuid NOT NULL,
    user_id      uuid NOT NULL,
    event_id     uuid NOT NULL,
    is_seen      boolean,
    is_archived  boolean,
    PRIMARY KEY (workspace_id, user_id, event_id),
    FOREIGN KEY (workspace_id, user_id) REFERENCES account_data.inboxes (workspace_id, user_id) ON DELETE CASCADE
);
COMMENT ON TABLE account_data.event_marks IS 'Events a person saw, archived or took out of the archive one by one.';

CREATE TABLE account_data.undone_events (
    workspace_id uuid NOT NULL,
    event_id     uuid NOT NULL,
    undone_at    timestamptz NOT NULL DEFAULT statement_timestamp(),
    PRIMARY KEY (workspace_id, event_id)
);
COMMENT ON TABLE account_data.undone_events IS 'Events that account.undo has undone.';

SELECT pg_catalog.pg_extension_config_dump('account_data.inboxes', '');
SELECT pg_catalog.pg_extension_config_dump('account_data.event_marks', '');
SELECT pg_catalog.pg_extension_config_dump('account_data.undone_events', '');

CREATE VIEW account.activity WITH (security_barrier) AS
    SELECT e.id, e.at, e.actor_kind, e.actor_id, coalesce(u.username, s.name, e.database_role) AS actor, e.via,
           e.credential_id, e.resource_type, e.resource_id, e.resource_name, e.action, e.description, e.metadata,
           e.client_addr,
           coalesce(m.is_seen, e.id <= i.seen_through, false) AS seen,
           coalesce(m.is_archived, e.id <= i.archived_through, false) AS archived,
           CASE WHEN e.action = 'updated' AND e.at > statement_timestamp() - interval '1 hour' AND x.event_id IS NULL
                 AND e.image_of IS NOT NULL AND NOT e.metadata @? 'strict $.* ? (@ == null)'
                THEN e.at + interval '1 hour' END AS undoable_until
      FROM account_data.events e
      LEFT JOIN account_data.users u ON u.id = e.actor_id AND e.actor_kind = 'user'
      LEFT JOIN account_data.service_accounts s ON s.workspace_id = e.workspace_id AND s.id = e.actor_id
      LEFT JOIN account_data.inboxes i
        ON i.workspace_id = e.workspace_id AND i.user_id = (SELECT p.user_id FROM account.acting() p)
      LEFT JOIN account_data.event_marks m
        ON m.workspace_id = e.workspace_id AND m.user_id = (SELECT p.user_id FROM account.acting() p) AND m.event_id = e.id
      LEFT JOIN account_data.undone_events x ON x.workspace_id = e.workspace_id AND x.event_id = e.id
     WHERE account.require_principal()
       AND e.workspace_id = (SELECT p.workspace_id FROM account.acting() p WHERE p.proof <> 'api_key')
     ORDER BY e.id DESC;
COMMENT ON VIEW account.activity IS 'What happened in the active workspace, newest first, as the acting person has seen and archived it; keys see none. Page with account.activity_page.';
COMMENT ON COLUMN account.activity.undoable_until IS 'Until when account.undo takes it; null when it does not: a value over 4000 bytes is not recorded.';

CREATE VIEW account.audit_log WITH (security_barrier) AS
    SELECT e.workspace_id, l.seq, e.id, e.at, e.actor_kind, e.actor_id, e.database_role, e.via, e.credential_id,
           e.resource_type, e.resource_id, e.resource_name, e.action, e.description, e.metadata, e.client_addr,
           e.redacted_at, e.digest, l.digest AS chain_digest
      FROM account_data.events e
      LEFT JOIN account_data.event_links l ON l.workspace_id = e.workspace_id AND l.id = e.link_id;
COMMENT ON VIEW account.audit_log IS 'Every event of every workspace with its place in the chain; for operators.';

CREATE FUNCTION account.activity_page(search text DEFAULT NULL, from_at timestamptz DEFAULT NULL,
    to_at timestamptz DEFAULT NULL, archived boolean DEFAULT false, resource_type text DEFAULT NULL,
    action text DEFAULT NULL, after_id uuid DEFAULT NULL, page_size integer DEFAULT 20)
    RETURNS SETOF account.activity LANGUAGE c STABLE PARALLEL RESTRICTED ROWS 20 AS 'MODULE_PATHNAME', 'account_activity_page';
COMMENT ON FUNCTION account.activity_page(text, timestamptz, timestamptz, boolean, text, text, uuid, integer)
    IS 'A page of the feed, newest first, of the last 30 days unless from_at says otherwise; the last id of a page is after_id of the next.';

CREATE FUNCTION account.mark_seen(ids uuid[] DEFAULT NULL)
    RETURNS void LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_mark_seen';
COMMENT ON FUNCTION account.mark_seen(uuid[]) IS 'Notes that the acting person has seen these events, or all.';

CREATE FUNCTION account.archive_events(ids uuid[] DEFAULT NULL)
    RETURNS void LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_archive_events';
COMMENT ON FUNCTION account.archive_events(uuid[]) IS 'Puts these events, or all, in the acting person''s archive.';

CREATE FUNCTION account.unarchive_events(ids uuid[])
    RETURNS void LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_unarchive_events';
COMMENT ON FUNCTION account.unarchive_events(uuid[]) IS 'Takes these events out of the acting person''s archive.';

CREATE FUNCTION account.unseen_count()
    RETURNS integer LANGUAGE c STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'account_unseen_count';
COMMENT ON FUNCTION account.unseen_count() IS 'How many events the acting person has not seen, 1000 when there are more.';

CREATE FUNCTION account.log_event(resource_type text, action text, resource_id text DEFAULT NULL,
    resource_name text DEFAULT NULL, description text DEFAULT NULL, metadata jsonb DEFAULT NULL)
    RETURNS void LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_log_event';
COMMENT ON FUNCTION account.log_event(text, text, text, text, text, jsonb)
    IS 'Adds an event of the application to the active workspace''s feed; updates of settings, profiles and resources write their own. Needs editor.';

CREATE FUNCTION account.undo(event_id uuid)
    RETURNS void LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_undo';
COMMENT ON FUNCTION account.undo(uuid)
    IS 'Puts back what an update of settings, a profile or a resource changed, within an hour and unless it was changed again. Needs editor; settings and profiles need admin.';

CREATE FUNCTION account.verify_activity(workspace_id uuid, OUT is_intact boolean, OUT links bigint, OUT events bigint,
    OUT digest bytea, OUT problem text, OUT pruned_through bigint)
    LANGUAGE c STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'account_verify_activity';
COMMENT ON FUNCTION account.verify_activity(uuid)
    IS 'Whether a workspace''s events are what was written, and the first thing that is not; keep the digest elsewhere to notice a chain cut short. Links up to pruned_through went with account.activity_retention.';

CREATE FUNCTION account.purge_activity(max_events bigint DEFAULT 100000)
    RETURNS bigint LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_purge_activity';
COMMENT ON FUNCTION account.purge_activity(bigint)
    IS 'Deletes events older than account.activity_retention of all workspaces, about max_events a call; gives their number. Chains go on verifying. Two calls share the work.';

CREATE VIEW account.storage WITH (security_barrier) AS
    SELECT t.used, l.max_value, round(100.0 * t.used / greatest(l.max_value, 1), 1) AS percent,
           CASE WHEN 100.0 * t.used >= 90.0 * l.max_value THEN 'critical'
                WHEN 100.0 * t.used >= 70.0 * l.max_value THEN 'warning' ELSE 'ok' END AS status,
           c.categories, d.trash_items, d.trash_bytes
      FROM account.acting() p
     CROSS JOIN LATERAL (SELECT coalesce((SELECT used FROM account_data.usage_counts u
            WHERE u.workspace_id = p.workspace_id AND u.name = 'storage_bytes'), 0) AS used) t
      LEFT JOIN account.limits l ON l.name = 'storage_bytes'
     CROSS JOIN LATERAL (
           SELECT coalesce(jsonb_object_agg(category, jsonb_build_object('bytes', bytes, 'count', live)), '{}') AS categories
             FROM (SELECT r.category, max(coalesce(b.used, 0)) AS bytes, sum(coalesce(n.used, 0)) AS live
                     FROM account_data.resources r
                     LEFT JOIN account_data.usage_counts b
                       ON b.workspace_id = p.workspace_id AND b.name = 'storage_bytes:' || r.category
                     LEFT JOIN account_data.usage_counts n ON n.workspace_id = p.workspace_id AND n.name = r.limit_name
                    GROUP BY r.category) per) c
     CROSS JOIN LATERAL (
           SELECT coalesce(sum(1 + i.children), 0)::bigint AS trash_items, coalesce(sum(i.size_bytes + i.child_bytes), 0)::bigint AS trash_bytes
             FROM account_data.trash_items i WHERE i.workspace_id = p.workspace_id AND i.parent_id IS NULL) d
     WHERE account.require_principal();
COMMENT ON VIEW account.storage IS 'What the active workspace stores, trash included: one row; no table of the application is read.';
COMMENT ON COLUMN account.storage.categories IS '{"category": {"bytes": ..., "count": live rows}, ...}';
COMMENT ON COLUMN account.storage.trash_items IS 'Rows in the trash, of any table.';

CREATE FUNCTION account.largest_items(n integer DEFAULT 10, OUT resource regclass, OUT kind text, OUT resource_id text,
    OUT name text, OUT size bigint, OUT in_trash boolean)
    RETURNS SETOF record LANGUAGE c STABLE PARALLEL UNSAFE ROWS 10 AS 'MODULE_PATHNAME', 'account_largest_items';
COMMENT ON FUNCTION account.largest_items(integer) IS 'The largest rows of resources of the active workspace, at most 100, those in the trash too.';
