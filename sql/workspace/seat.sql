-- Seats: members, and those who have a pending invite that has not expired. A
-- person never counts twice: invites to addresses that a member has verified take
-- no seat, invites to two of one person's take one.

CREATE VIEW account_data.seats_used WITH (security_barrier) AS
    SELECT w.id AS workspace_id,
           (SELECT count(*) FROM account_data.members m WHERE m.workspace_id = w.id)
           + (SELECT count(DISTINCT coalesce(e.user_id::text, i.email)) FROM account_data.invites i
                LEFT JOIN account_data.emails e ON e.email = i.email AND e.verified_at IS NOT NULL
               WHERE i.workspace_id = w.id AND i.accepted_at IS NULL AND i.cancelled_at IS NULL
                 AND i.expires_at > statement_timestamp()
                 AND NOT EXISTS (SELECT FROM account_data.members m
                                  WHERE m.workspace_id = i.workspace_id AND m.user_id = e.user_id)) AS seats
      FROM account_data.workspaces w;
COMMENT ON VIEW account_data.seats_used IS 'Seats taken or reserved in each workspace.';
