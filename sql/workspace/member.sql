-- Exactly one owner: at most one by the unique index on members, at least one
-- by a constraint that is checked when a transaction commits, so that a
-- transfer may go through no owner on its way.

CREATE FUNCTION account_data.owner_check() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'account_owner_check';
COMMENT ON FUNCTION account_data.owner_check() IS 'Refuses a commit that would leave a workspace without an owner.';

CREATE CONSTRAINT TRIGGER owner_check AFTER DELETE OR UPDATE ON account_data.members
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (old.role = 'owner')
    EXECUTE FUNCTION account_data.owner_check();
COMMENT ON TRIGGER owner_check ON account_data.members IS 'A workspace always has an owner.';

CREATE FUNCTION account.set_member_role(user_id uuid, role account.role)
    RETURNS void LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_set_member_role';
COMMENT ON FUNCTION account.set_member_role(uuid, account.role)
    IS 'Changes a member''s role in the active team, for every session and key at commit. Needs admin; admins are the owner''s to make and unmake.';

CREATE FUNCTION account.remove_member(user_id uuid)
    RETURNS void LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_remove_member';
COMMENT ON FUNCTION account.remove_member(uuid)
    IS 'Takes a member out of the active team; their keys of it end at commit, what they made stays. Needs admin and a greater role than theirs.';

CREATE FUNCTION account.leave_team()
    RETURNS void LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_leave_team';
COMMENT ON FUNCTION account.leave_team() IS 'Leaves the active team; the owner transfers or deletes it instead.';

CREATE FUNCTION account.transfer_ownership(user_id uuid)
    RETURNS void LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_transfer_ownership';
COMMENT ON FUNCTION account.transfer_ownership(uuid)
    IS 'Makes a member the owner of the active team; the old owner stays as an admin. Needs owner.';
