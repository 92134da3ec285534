-- One namespace for usernames and workspace slugs. A row is never removed: a
-- name stays taken when its person or team is gone. The table is keyed by the
-- name alone and points nowhere, so that it can be copied to other regions.

CREATE TABLE account_data.slugs (
    slug       text PRIMARY KEY CHECK (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$' AND length(slug) BETWEEN 4 AND 32),
    region     account.region NOT NULL,
    created_at timestamptz NOT NULL DEFAULT statement_timestamp()
);
COMMENT ON TABLE account_data.slugs IS 'Every username and workspace slug that is or was in use, and the region it lives in.';

CREATE TABLE account_data.reserved_name_defaults (
    name text PRIMARY KEY
);
COMMENT ON TABLE account_data.reserved_name_defaults IS 'Names nobody may take, as shipped; reserved_names overrides them.';

CREATE TABLE account_data.reserved_names (
    name        text PRIMARY KEY,
    is_reserved boolean NOT NULL DEFAULT true,
    changed_by  name NOT NULL DEFAULT session_user,
    changed_at  timestamptz NOT NULL DEFAULT statement_timestamp()
);
COMMENT ON TABLE account_data.reserved_names IS 'Names an operator reserved, or with is_reserved = false freed, on top of the ones shipped; written by account.add_reserved_name and remove_reserved_name.';

CREATE VIEW account_data.reserved_names_in_force WITH (security_barrier) AS
    SELECT name FROM account_data.reserved_name_defaults d
     WHERE NOT EXISTS (SELECT FROM account_data.reserved_names r WHERE r.name = d.name)
    UNION ALL
    SELECT name FROM account_data.reserved_names WHERE is_reserved;
COMMENT ON VIEW account_data.reserved_names_in_force IS 'Names nobody may take: those shipped and those of the operator.';

INSERT INTO account_data.reserved_name_defaults (name)
SELECT unnest(ARRAY[
    'about', 'abuse', 'account', 'accounts', 'activity', 'admin', 'administrator', 'alerts', 'analytics',
    'anonymous', 'apis', 'assets', 'auth', 'authorize', 'billing', 'blog', 'callback', 'careers', 'changelog',
    'charts', 'checkout', 'community', 'compare', 'console', 'contact', 'contribute', 'cookies', 'copyright',
    'credits', 'dashboard', 'data', 'dataset', 'datasets', 'deleted', 'deleted-user', 'delete', 'demo',
    'deploy', 'deployment', 'deployments', 'developer', 'developers', 'discover', 'docs', 'documentation',
    'download', 'downloads', 'edit', 'email', 'enterprise', 'error', 'errors', 'events', 'example', 'examples',
    'experiments', 'explore', 'export', 'faqs', 'favicon', 'features', 'feed', 'feedback', 'files', 'forgot',
    'forum', 'graphql', 'guest', 'guide', 'guides', 'health', 'help', 'home', 'hooks', 'host', 'hostmaster',
    'images', 'import', 'index', 'info', 'integrations', 'internal', 'invite', 'invites', 'invitations',
    'invoice', 'invoices', 'issues', 'jobs', 'join', 'keys', 'learn', 'legal', 'library', 'license', 'links',
    'login', 'logout', 'mail', 'mailer-daemon', 'maintenance', 'marketplace', 'media', 'member', 'members',
    'messages', 'metrics', 'mobile', 'model', 'models', 'moderator', 'news', 'newsletter', 'nobody',
    'notifications', 'null', 'oauth', 'official', 'onboarding', 'operator', 'organization', 'organizations',
    'owner', 'pages', 'password', 'payment', 'payments', 'personal', 'plan', 'plans', 'platform', 'policy',
    'postmaster', 'predict', 'press', 'preview', 'pricing', 'privacy', 'product', 'products', 'profile',
    'project', 'projects', 'public', 'referral', 'register', 'report', 'reports', 'reset', 'resources',
    'robots', 'root', 'sales', 'search', 'security', 'server', 'service', 'services', 'session', 'sessions',
    'settings', 'setup', 'share', 'shared', 'shop', 'signin', 'signout', 'signup', 'sign-in', 'sign-out',
    'sign-up', 'site', 'sitemap', 'static', 'stats', 'status', 'store', 'storage', 'subscribe', 'subscription',
    'support', 'sweeps', 'system', 'team', 'teams', 'template', 'templates', 'terms', 'test', 'tools',
    'training', 'trash', 'tutorial', 'tutorials', 'undefined', 'unsubscribe', 'update', 'upgrade', 'upload',
    'uploads', 'usage', 'user', 'username', 'users', 'verify', 'version', 'webhook', 'webhooks', 'webmaster',
    'welcome', 'wiki', 'workspace', 'workspaces',
    -- too short for a username, but kept so that a lower limit would not free them
    'api', 'app', 'cdn', 'dev', 'ftp', 'img', 'new', 'www'
]);

SELECT pg_catalog.pg_extension_config_dump('account_data.slugs', '');
SELECT pg_catalog.pg_extension_config_dump('account_data.reserved_names', '');

CREATE FUNCTION account.check_username(name text, suggest boolean DEFAULT false,
    OUT available boolean, OUT reason text, OUT suggestion text)
    LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'account_check_username';
COMMENT ON FUNCTION account.check_username(text, boolean) IS 'Whether a name is free for a user or team, why not, and on request one that is.';

CREATE FUNCTION account.add_reserved_name(name text)
    RETURNS void LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_add_reserved_name';
COMMENT ON FUNCTION account.add_reserved_name(text) IS 'Reserves a name, so that no new user or team takes it; who has it keeps it.';

CREATE FUNCTION account.remove_reserved_name(name text)
    RETURNS void LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'account_remove_reserved_name';
COMMENT ON FUNCTION account.remove_reserved_name(text) IS 'Lets a reserved name be taken, also one of those shipped.';
