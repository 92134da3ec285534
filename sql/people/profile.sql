-- The profile of a person or team: that of their workspace. Its display name is
-- the workspace's name. Who never wrote one has no row.

CREATE TABLE account_data.use_case_defaults (
    name text PRIMARY KEY
);
COMMENT ON TABLE account_data.use_case_defaults IS 'What a profile may name as its use case, as shipped; use_cases overrides them.';

CREATE TABLE account_data.use_cases (
    name       text PRIMARY KEY,
    is_offered boolean NOT NULL DEFAULT true,
    changed_by name NOT NULL DEFAULT session_user,
    changed_at timestamptz NOT NULL DEFAULT statement_timestamp()
);
COMMENT ON TABLE account_data.use_cases IS 'Use cases an operator added, or with is_offered = false took out, on top of the ones shipped; written by account.add_use_case and remove_use_case.';

CREATE VIEW account_data.use_cases_in_force WITH (security_barrier) AS
    SELECT name FROM account_data.use_case_defaults d
     WHERE NOT EXISTS (SELECT FROM account_data.use_cases c WHERE c.name = d.name)
    UNION ALL
    SELECT name FROM account_data.use_cases WHERE is_offered;
COMMENT ON VIEW account_data.use_cases_in_force IS 'What a profile may name as its use case: those shipped and those of the operator.';

INSERT INTO account_data.use_case_defaults (name)
SELECT unnest(ARRAY['manufacturing', 'retail', 'security', 'healthcare', 'automotive', 'agriculture', 'research', 'personal']);

CREATE TABLE account_data.profiles (
    workspace_id   uuid PRIMARY KEY REFERENCES account_data.workspaces (id) ON DELETE CASCADE,
    company        text CHECK (length(company) BETWEEN 1 AND 100),
    location       text CHECK (length(location) BETWEEN 1 AND 100),
    use_case       text,
    bio            text CHECK (length(bio) BETWEEN 10 AND 500),
    intro          text CHECK (octet_length(intro) BETWEEN 1 AND 65536),
    icon_colour    text CHECK (icon_colour ~ '^#[0-9a-f]{6}$'),
    icon_initials  text CHECK (length(icon_initials) BETWEEN 1 AND 3),
    icon_image     text,
    links_github   text,
    links_linkedin text,
    links_x        text,
    links_youtube  text,
    links_scholar  text,
    links_discord  text,
    links_website  text,
    hide_teams     boolean NOT NULL DEFAULT false
);
COMMENT ON TABLE account_data.profiles IS 'What people and teams say of themselves; account.update_profile changes it. A person''s is that of the personal workspace.';
COMMENT ON COLUMN account_data.profiles.links_github IS 'As the other links, the name there, without its address; a website alone is an address.';

SELECT pg_catalog.pg_extension_config_dump('account_data.use_cases', '');
SELECT pg_catalog.pg_extension_config_dump('account_data.profiles', '');

-- A field of an object has the object's name before its own, as the columns of the table.
CREATE VIEW account_data.profile_fields WITH (security_barrier) AS
    SELECT w.id AS workspace_id, w.kind, w.slug AS username, w.hidden, w.name AS display_name,
           p.company, p.location, p.use_case, p.bio, p.intro, p.icon_colour, p.icon_initials, p.icon_image,
           p.links_github, p.links_linkedin, p.links_x, p.links_youtube, p.links_scholar, p.links_discord, p.links_website,
           coalesce(p.hide_teams, false) AS hide_teams,
           jsonb_strip_nulls(jsonb_build_object('colour', p.icon_colour, 'initials', p.icon_initials,
               'image', p.icon_image)) AS icon,
           jsonb_strip_nulls(jsonb_build_object('github', p.links_github, 'linkedin', p.links_linkedin, 'x', p.links_x,
               'youtube', p.links_youtube, 'scholar', p.links_scholar, 'discord', p.links_discord,
               'website', p.links_website)) AS links
      FROM account_data.workspaces w
      LEFT JOIN account_data.profiles p ON p.workspace_id = w.id;
COMMENT ON VIEW account_data.profile_fields IS 'The profile of every workspace, field by field, and its objects.';

CREATE VIEW account.profile WITH (security_barrier) AS
    SELECT f.username, f.display_name, f.company, f.location, f.use_case, f.bio, f.intro, f.icon, f.links,
           CASE f.kind WHEN 'personal' THEN f.hide_teams END AS hide_teams
      FROM account_data.profile_fields f
     WHERE account.require_principal() AND f.workspace_id = (SELECT p.workspace_id FROM account.acting() p);
COMMENT ON VIEW account.profile IS 'The profile that account.update_profile changes: the acting person''s, or in a team the team''s.';
COMMENT ON COLUMN account.profile.username IS 'The person''s username or the team''s slug; it never changes.';
COMMENT ON COLUMN account.profile.use_case IS 'One of account.use_cases; not public.';
COMMENT ON COLUMN account.profile.intro IS 'Markdown, as it was written: whoever renders it must make it safe.';
COMMENT ON COLUMN account.profile.icon IS 'An object of those that are set: colour "#rrggbb", initials, and image, an https address or a name in the application''s own store.';
COMMENT ON COLUMN account.profile.links IS 'An object of those that are set: the name at github, linkedin (.../in/name), x, youtube (.../@name), scholar (user=...) and discord; the address of a website.';
COMMENT ON COLUMN account.profile.hide_teams IS 'Whether the public profile leaves the person''s teams out; null for a team.';

CREATE VIEW account.public_profiles WITH (security_barrier) AS
    SELECT f.username, f.kind, f.display_name, f.company, f.location, f.bio, f.intro, f.icon, f.links,
           CASE WHEN f.kind = 'personal' AND NOT f.hide_teams THEN ARRAY(
               SELECT t.slug FROM account_data.members m JOIN account_data.workspaces t ON t.id = m.workspace_id
                WHERE m.user_id = u.id AND t.kind = 'team' AND NOT t.hidden ORDER BY t.slug) END AS teams
      FROM account_data.profile_fields f
      LEFT JOIN account_data.users u ON u.personal_workspace_id = f.workspace_id
     WHERE account.require_principal() AND CASE f.kind WHEN 'personal' THEN u.id IS NOT NULL ELSE NOT f.hidden END;
COMMENT ON VIEW account.public_profiles IS 'What everybody who is signed in may see of people, and of teams that are not hidden; look one up by its username.';
COMMENT ON COLUMN account.public_profiles.username IS 'The person''s username or the team''s slug.';
COMMENT ON COLUMN account.public_profiles.teams IS 'Slugs of the person''s teams that are not hidden; null for a team and where the person hides them.';

CREATE VIEW account.use_cases WITH (security_barrier) AS
    SELECT u.name FROM account_data.use_cases_in_force u WHERE account.require_principal();
COMMENT ON VIEW account.use_cases IS 'What a profile may name as its use case.';

CREATE FUNCTION account.update_profile(patch jsonb) RETURNS account.profile
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_update_profile';
COMMENT ON FUNCTION account.update_profile(jsonb)
    IS 'Changes fields of account.profile by a merge patch, also inside icon and links; null or an empty string removes one. A link is given as a name or the address of its page. In a team it needs admin. One event, which account.undo takes for an hour.';

CREATE FUNCTION account.add_use_case(name text)
    RETURNS void LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_add_use_case';
COMMENT ON FUNCTION account.add_use_case(text) IS 'Offers a use case for profiles to name.';

CREATE FUNCTION account.remove_use_case(name text)
    RETURNS void LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_remove_use_case';
COMMENT ON FUNCTION account.remove_use_case(text) IS 'Offers a use case no more, also one of those shipped; profiles that name it keep it.';
