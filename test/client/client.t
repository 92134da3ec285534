# Clients of node against the vision platform's tables: pg, kysely, and a payment processor's webhook.
# ./dev installs node and what package-lock.json names; examples/vision.sql runs as a plain role.
use strict;
use warnings;

use AccountTest;
use IPC::Run qw(run);
use Test::More;

my $node = new_node();
sql($node, <<'SQL');
CREATE ROLE vision_owner LOGIN;
CREATE ROLE app LOGIN;
SELECT account.grant_service('vision_owner'), account.grant_service('app');
GRANT CREATE ON DATABASE postgres TO vision_owner;
SQL
$ENV{PGHOST} = $node->host;
$ENV{PGPORT} = $node->port;
$ENV{PGDATABASE} = 'postgres';
{
	local $ENV{PGUSER} = 'vision_owner';
	my @psql = ('psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', 'examples/vision.sql', '-c', 'GRANT USAGE ON SCHEMA vision TO app',
		'-c', 'GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA vision TO app');
	my ($out, $err) = ('', '');
	ok(run(\@psql, '>', \$out, '2>', \$err), 'the example runs as a role with grant_service') or diag($err);
}

play($_) foreach qw(pg kysely webhook);
is(sql($node, 'SELECT * FROM account.verify_ledger() WHERE NOT ok'), '', 'every ledger is proven');
is(sql($node, 'SELECT v.problem FROM account_data.workspaces w, account.verify_activity(w.id) v WHERE NOT v.is_intact'), '', 'and every chain of events');

$node->stop;
done_testing();

# Each test that the script says it made is one here.
sub play
{
	my ($script) = @_;
	my ($out, $err) = ('', '');
	local $ENV{PGUSER} = 'app';
	ok(run([ 'node', "test/client/$script.mjs" ], '>', \$out, '2>', \$err, IPC::Run::timeout(120)), "$script ends well");
	my @results = $out =~ /^(ok|not ok) (.*)$/mg;
	cmp_ok(scalar @results, '>', 0, "$script has tests");
	while (my ($result, $name) = splice @results, 0, 2)
	{
		is($result, 'ok', "$script: $name");
	}
	diag($err) if $out eq '' || $out =~ /^not ok/m;
	return;
}
