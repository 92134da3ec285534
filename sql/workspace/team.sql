CREATE FUNCTION account.create_team(slug text, name text)
    RETURNS uuid LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_create_team';
COMMENT ON FUNCTION account.create_team(text, text) IS 'Makes a team that the acting person owns; gives its id.';

CREATE FUNCTION account.delete_team(confirmation text)
    RETURNS void LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_delete_team';
COMMENT ON FUNCTION account.delete_team(text)
    IS 'Deletes the active team for good, once no other member is left; the confirmation is the word DELETE. Needs owner.';

CREATE FUNCTION account.joinable_teams(OUT id uuid, OUT slug text, OUT name text, OUT members bigint)
    RETURNS SETOF record LANGUAGE c STABLE PARALLEL RESTRICTED ROWS 10 AS 'MODULE_PATHNAME', 'account_joinable_teams';
COMMENT ON FUNCTION account.joinable_teams()
    IS 'Teams that recommend themselves to the domain of a company address the acting person has verified.';

CREATE FUNCTION account.join_team(id uuid)
    RETURNS void LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_join_team';
COMMENT ON FUNCTION account.join_team(uuid) IS 'Joins one of the joinable teams, as a viewer; takes a seat.';
