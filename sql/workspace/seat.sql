-- Seats: members, and pending invites that have not expired, unless they are to
-- an address a member has verified: a person never counts twice.

CREATE VIEW account_data.seats_used WITH (security_barrier) AS
    SELECT w.id AS workspace_id,
           (SELECT count(*) FROM account_data.members m WHERE m.workspace_id = w.id)
           + (SELECT count(*) FROM account_data.invites i
               WHERE i.workspace_id = w.id AND i.accepted_at IS NULL AND i.cancelled_at IS NULL
                 AND i.expires_at > statement_timestamp()
                 AND NOT EXISTS (SELECT FROM account_data.emails e
                                   JOIN account_data.members m ON m.workspace_id = i.workspace_id AND m.user_id = e.user_id
                                  WHERE e.email = i.email AND e.verified_at IS NOT NULL)) AS seats
      FROM account_data.workspaces w;
COMMENT ON VIEW account_data.seats_used IS 'Seats taken or reserved in each workspace.';
