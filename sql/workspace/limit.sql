-- Limits of workspaces: their plan's, unless overridden, and how much is used.

CREATE TABLE account_data.limit_overrides (
    workspace_id uuid REFERENCES account_data.workspaces (id) ON DELETE CASCADE,
    name         text,
    max_value    bigint CHECK (max_value >= 0),
    ends_at      timestamptz,
    changed_by   name NOT NULL DEFAULT session_user,
    changed_at   timestamptz NOT NULL DEFAULT statement_timestamp(),
    PRIMARY KEY (workspace_id, name)
);
COMMENT ON TABLE account_data.limit_overrides IS 'Limits that a workspace has instead of its plan''s until ends_at, written by account.override_limit. Null means no limit, and no end.';

CREATE TABLE account_data.usage_counts (
    workspace_id uuid REFERENCES account_data.workspaces (id) ON DELETE CASCADE,
    name         text,
    used         bigint NOT NULL CHECK (used >= 0),
    PRIMARY KEY (workspace_id, name)
) WITH (fillfactor = 70);
COMMENT ON TABLE account_data.usage_counts IS 'How much a workspace uses of what its limits count: the only place of these numbers, kept by the triggers of resources.';
COMMENT ON COLUMN account_data.usage_counts.name IS 'The name of the limit: a kind of resource, or storage_bytes.';

SELECT pg_catalog.pg_extension_config_dump('account_data.limit_overrides', '');
SELECT pg_catalog.pg_extension_config_dump('account_data.usage_counts', '');

CREATE FUNCTION account.override_limit(workspace_id uuid, name text, max_value bigint, until timestamptz DEFAULT NULL)
    RETURNS void LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_override_limit';
COMMENT ON FUNCTION account.override_limit(uuid, text, bigint, timestamptz)
    IS 'Gives a workspace a limit of its own, null for none, until a time or for good.';

CREATE FUNCTION account.end_limit_override(workspace_id uuid, name text)
    RETURNS void LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_end_limit_override';
COMMENT ON FUNCTION account.end_limit_override(uuid, text) IS 'Puts a workspace back under the limit of its plan.';

CREATE FUNCTION account.require_limit(name text, adding bigint DEFAULT 1)
    RETURNS void LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'account_require_limit';
COMMENT ON FUNCTION account.require_limit(text, bigint)
    IS 'Raises PT402 when that much more would be above a limit of the active workspace. It takes no lock: what must hold under concurrency is a registered resource.';

CREATE FUNCTION account.within_limit(name text, adding bigint DEFAULT 1)
    RETURNS boolean LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'account_within_limit';
COMMENT ON FUNCTION account.within_limit(text, bigint) IS 'Whether that much more stays within a limit of the active workspace.';

CREATE FUNCTION account.upload_allowed(kind text, bytes bigint)
    RETURNS boolean LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'account_upload_allowed';
COMMENT ON FUNCTION account.upload_allowed(text, bigint)
    IS 'Whether a file of that size fits: within the limit kind_upload_bytes and the storage that is left.';

CREATE FUNCTION account.has_feature(name text)
    RETURNS boolean LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'account_has_feature';
COMMENT ON FUNCTION account.has_feature(text) IS 'Whether the plan of the active workspace has a feature; false when nobody is acting.';

CREATE VIEW account.limits WITH (security_barrier) AS
    SELECT l.name, l.max_value, l.used, round(100.0 * l.used / greatest(l.max_value, 1), 1) AS percent
      FROM account.acting() p
      JOIN account_data.workspace_plans w ON w.workspace_id = p.workspace_id
     CROSS JOIN (SELECT DISTINCT name FROM account_data.plan_limits_in_force) n
      LEFT JOIN account_data.plan_limits_in_force x ON x.plan = w.plan AND x.name = n.name
      LEFT JOIN account_data.limit_overrides o
        ON o.workspace_id = p.workspace_id AND o.name = n.name
       AND coalesce(o.ends_at, 'infinity') > statement_timestamp()
      LEFT JOIN account_data.usage_counts c ON c.workspace_id = p.workspace_id AND c.name = n.name
     CROSS JOIN LATERAL (SELECT n.name,
           CASE WHEN o.name IS NOT NULL THEN o.max_value WHEN w.is_lapsed THEN 0 ELSE x.max_value END AS max_value,
           CASE WHEN n.name = 'members' THEN
                     (SELECT s.seats FROM account_data.seats_used s WHERE s.workspace_id = p.workspace_id)
                WHEN n.name = 'owned_teams' THEN
                     (SELECT count(*)
                        FROM account_data.members o
                        JOIN account_data.members t ON t.user_id = o.user_id AND t.role = 'owner'
                        JOIN account_data.workspaces k ON k.id = t.workspace_id AND k.kind = 'team'
                       WHERE o.workspace_id = p.workspace_id AND o.role = 'owner')
                WHEN n.name NOT LIKE '%\_upload\_bytes' THEN coalesce(c.used, 0) END AS used
           OFFSET 0) l
     WHERE account.require_principal()
     ORDER BY l.name;
COMMENT ON VIEW account.limits IS 'The limits of the active workspace and how much of each is used.';
COMMENT ON COLUMN account.limits.max_value IS 'Null means no limit.';
COMMENT ON COLUMN account.limits.used IS 'Null for a limit on a single file, which nothing uses up.';
COMMENT ON COLUMN account.limits.percent IS 'Above 100 after a downgrade: nothing is deleted, only new things are refused.';

CREATE VIEW account.plans WITH (security_barrier) AS
    SELECT x.plan, x.plan = w.plan AS is_current,
           x.monthly_price_micros, x.yearly_price_micros, x.monthly_credit_micros,
           x.signup_credit_micros, x.company_credit_micros,
           l.models, l.concurrent_trainings, l.storage_bytes, l.dataset_upload_bytes,
           l.image_upload_bytes, l.video_upload_bytes, l.model_upload_bytes,
           l.deployments, l.members, l.owned_teams, l.other_limits, f.features
      FROM account.acting() p
      JOIN account_data.workspace_plans w ON w.workspace_id = p.workspace_id
     CROSS JOIN account_data.plans_in_force x
     CROSS JOIN LATERAL (
           SELECT max(max_value) FILTER (WHERE name = 'models') AS models,
                  max(max_value) FILTER (WHERE name = 'concurrent_trainings') AS concurrent_trainings,
                  max(max_value) FILTER (WHERE name = 'storage_bytes') AS storage_bytes,
                  max(max_value) FILTER (WHERE name = 'dataset_upload_bytes') AS dataset_upload_bytes,
                  max(max_value) FILTER (WHERE name = 'image_upload_bytes') AS image_upload_bytes,
                  max(max_value) FILTER (WHERE name = 'video_upload_bytes') AS video_upload_bytes,
                  max(max_value) FILTER (WHERE name = 'model_upload_bytes') AS model_upload_bytes,
                  max(max_value) FILTER (WHERE name = 'deployments') AS deployments,
                  max(max_value) FILTER (WHERE name = 'members') AS members,
                  max(max_value) FILTER (WHERE name = 'owned_teams') AS owned_teams,
                  coalesce(jsonb_object_agg(name, max_value) FILTER (WHERE name NOT IN (
                      'models', 'concurrent_trainings', 'storage_bytes', 'dataset_upload_bytes',
                      'image_upload_bytes', 'video_upload_bytes', 'model_upload_bytes',
                      'deployments', 'members', 'owned_teams')), '{}') AS other_limits
             FROM account_data.plan_limits_in_force WHERE plan = x.plan) l
     CROSS JOIN LATERAL (
           SELECT coalesce(array_agg(feature ORDER BY feature), '{}') AS features
             FROM account_data.plan_features_in_force WHERE plan = x.plan) f
     WHERE account.require_principal()
     ORDER BY x.rank, x.plan;
COMMENT ON VIEW account.plans IS 'The plans side by side: what a seat costs, what each allows and has. Null means no limit, or a price by agreement.';
COMMENT ON COLUMN account.plans.members IS '0 means that the plan has no teams.';
COMMENT ON COLUMN account.plans.other_limits IS 'Limits that the application added.';
