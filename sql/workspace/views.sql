CREATE VIEW account.members WITH (security_barrier) AS
    SELECT m.user_id, u.username, w.name, e.email, m.role, m.joined_at, 'active' AS status
      FROM account.acting() p
      JOIN account_data.members m ON m.workspace_id = p.workspace_id
      JOIN account_data.users u ON u.id = m.user_id
      JOIN account_data.workspaces w ON w.id = u.personal_workspace_id
      LEFT JOIN account_data.emails e ON e.user_id = m.user_id AND e.is_primary
     WHERE account.require_principal()
    UNION ALL
    SELECT NULL, NULL, NULL, i.email, i.role, NULL,
           CASE WHEN i.expires_at > statement_timestamp() THEN 'invited' ELSE 'invite expired' END
      FROM account.acting() p
      JOIN account_data.invites i ON i.workspace_id = p.workspace_id
     WHERE account.require_principal() AND i.accepted_at IS NULL AND i.cancelled_at IS NULL;
COMMENT ON VIEW account.members IS 'Who belongs to the active workspace, and who has been invited to it.';
COMMENT ON COLUMN account.members.status IS 'active, invited or invite expired.';

CREATE VIEW account.invites WITH (security_barrier) AS
    SELECT i.id, i.email, i.role, u.username AS invited_by, i.created_at, i.expires_at,
           CASE WHEN i.accepted_at IS NOT NULL THEN 'accepted'
                WHEN i.cancelled_at IS NOT NULL THEN 'cancelled'
                WHEN i.expires_at <= statement_timestamp() THEN 'expired'
                ELSE 'pending' END AS status,
           NULL::integer AS uses, NULL::integer AS max_uses, NULL AS allowed_domain
      FROM account.acting() p
      JOIN account_data.invites i ON i.workspace_id = p.workspace_id
      LEFT JOIN account_data.users u ON u.id = i.invited_by
     WHERE account.require_principal()
       AND p.proof <> 'api_key' AND (p.role >= 'admin' OR i.invited_by = p.user_id)
    UNION ALL
    SELECT l.id, NULL, l.role, u.username, l.created_at, l.expires_at,
           CASE WHEN l.cancelled_at IS NOT NULL THEN 'cancelled'
                WHEN l.expires_at <= statement_timestamp() THEN 'expired'
                WHEN l.uses = l.max_uses THEN 'used up'
                ELSE 'pending' END,
           l.uses, l.max_uses, l.allowed_domain
      FROM account.acting() p
      JOIN account_data.invite_links l ON l.workspace_id = p.workspace_id
      LEFT JOIN account_data.users u ON u.id = l.created_by
     WHERE account.require_principal()
       AND p.proof <> 'api_key' AND (p.role >= 'admin' OR l.created_by = p.user_id);
COMMENT ON VIEW account.invites IS 'Invites and links of the active team: for admins all, for others their own.';
COMMENT ON COLUMN account.invites.email IS 'Whom the invite is for; null for a link.';

CREATE VIEW account_data.joinable_teams WITH (security_barrier) AS
    SELECT DISTINCT e.user_id, w.id, w.slug, w.name,
           (SELECT count(*) FROM account_data.members m WHERE m.workspace_id = w.id) AS members
      FROM (SELECT DISTINCT e.user_id, split_part(e.email, '@', 2) AS domain
              FROM account_data.emails e
             WHERE e.verified_at IS NOT NULL
               AND NOT EXISTS (SELECT FROM account_data.consumer_domains_in_force d
                                WHERE d.domain = split_part(e.email, '@', 2))) e
      JOIN account_data.emails f ON split_part(f.email, '@', 2) = e.domain AND f.verified_at IS NOT NULL
      JOIN account_data.members a ON a.user_id = f.user_id AND a.role >= 'admin'
      JOIN account_data.workspaces w ON w.id = a.workspace_id
     WHERE w.recommend_to_domain
       AND NOT EXISTS (SELECT FROM account_data.members m
                        WHERE m.workspace_id = w.id AND m.user_id = e.user_id);
COMMENT ON VIEW account_data.joinable_teams IS 'Teams that recommend themselves to a domain of which the person and an admin of the team have verified an address, and that the person is not in.';

CREATE VIEW account.workspaces WITH (security_barrier) AS
    SELECT w.id, w.kind, w.slug, w.name, m.role, x.plan, s.seats AS seats_used,
           CASE WHEN w.kind = 'personal' THEN NULL
                WHEN o.name IS NOT NULL THEN o.max_value
                WHEN x.is_lapsed THEN 0
                ELSE l.max_value END AS seats_max,
           m.joined_at, m.role = 'owner' OR w.members_until > statement_timestamp() AS has_access,
           w.id = p.workspace_id AS is_active
      FROM account.acting() p
     CROSS JOIN LATERAL (
           SELECT b.workspace_id, b.role, b.joined_at FROM account_data.members b WHERE b.user_id = p.user_id
           UNION ALL
           SELECT a.workspace_id, a.role, a.created_at FROM account_data.service_accounts a
            WHERE a.workspace_id = p.workspace_id AND a.id = p.service_account_id) m
      JOIN account_data.workspaces w ON w.id = m.workspace_id
      JOIN account_data.workspace_plans x ON x.workspace_id = w.id
      JOIN account_data.seats_used s ON s.workspace_id = w.id
      LEFT JOIN account_data.plan_limits_in_force l ON l.plan = x.plan AND l.name = 'members'
      LEFT JOIN account_data.limit_overrides o
        ON o.workspace_id = w.id AND o.name = 'members' AND coalesce(o.ends_at, 'infinity') > statement_timestamp()
     WHERE account.require_principal() AND (p.proof <> 'api_key' OR w.id = p.workspace_id);
COMMENT ON VIEW account.workspaces IS 'Every workspace of the acting person, with their role there; for a key, also a service account''s, its own.';
COMMENT ON COLUMN account.workspaces.seats_used IS 'Members, and pending invites that hold a seat.';
COMMENT ON COLUMN account.workspaces.seats_max IS 'The limit of members; null: none, or a personal workspace, which has no seats.';
COMMENT ON COLUMN account.workspaces.has_access IS 'Whether the plan still covers members; the owner always has access.';

CREATE VIEW account.team_settings WITH (security_barrier) AS
    SELECT w.api_key_min_role, w.api_key_creation, w.api_key_reveal, w.api_key_max_age, w.code_saving,
           t.api_key_personal, t.members_can_invite, t.hidden, t.public_sharing, t.recommend_to_domain
      FROM account_data.workspaces w
      LEFT JOIN account_data.workspaces t ON t.id = w.id AND t.kind = 'team'
     WHERE account.require_principal() AND w.id = (SELECT p.workspace_id FROM account.acting() p);
COMMENT ON VIEW account.team_settings IS 'The settings of the active workspace, one row; account.update_team_settings changes them.';
COMMENT ON COLUMN account.team_settings.api_key_personal IS 'As what follows, of teams only: null for a personal workspace.';
