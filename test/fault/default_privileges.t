# Whatever default privileges say when the extension is created, nobody but its owner has any right on it
# until a grant helper gives one.
use strict;
use warnings;

use AccountTest;
use Test::More;

my $node = new_node(create => 0);
sql($node, <<'SQL');
CREATE ROLE app; CREATE ROLE "Read Only";
ALTER DEFAULT PRIVILEGES GRANT ALL ON SCHEMAS TO app, PUBLIC;
ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO app;
ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO "Read Only", PUBLIC;
ALTER DEFAULT PRIVILEGES GRANT ALL ON SEQUENCES TO app;
ALTER DEFAULT PRIVILEGES GRANT ALL ON FUNCTIONS TO app, "Read Only";
ALTER DEFAULT PRIVILEGES GRANT ALL ON TYPES TO app;
CREATE EXTENSION account;
SQL
my $rights = <<'SQL';
SELECT what, grantee FROM (
    SELECT oid::regnamespace::text, nspacl, nspowner FROM pg_namespace WHERE nspname ^@ 'account'
    UNION ALL SELECT oid::regclass::text, relacl, relowner FROM pg_class WHERE relnamespace IN ('account'::regnamespace, 'account_data'::regnamespace)
    UNION ALL SELECT oid::regprocedure::text, proacl, proowner FROM pg_proc WHERE pronamespace IN ('account'::regnamespace, 'account_data'::regnamespace)
    UNION ALL SELECT oid::regtype::text, typacl, typowner FROM pg_type WHERE typnamespace = 'account'::regnamespace AND typrelid NOT IN (SELECT oid FROM pg_class WHERE relkind = 'v')
) object (what, acl, owner), aclexplode(acl) WHERE grantee <> owner
SQL
is(sql($node, $rights), '', 'default privileges give nobody anything');
sql($node, "SELECT account.grant_usage('app')");
like(error_of($node, 'SET ROLE app; SELECT account.act_as(gen_random_uuid())'), qr/^42501: permission denied for function act_as/, 'who has grant_usage has that alone');
like(error_of($node, 'SET ROLE app; SELECT FROM account_data.users'), qr/^42501: permission denied for schema account_data/, 'and no table');

done_testing();
