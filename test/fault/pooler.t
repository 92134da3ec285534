# Transaction pooling: one connection serves transactions of many clients in turn. However one ends,
# the next client acts as nobody until it proves who it is, and sees only what is its own.
use strict;
use warnings;

use AccountTest;
use Test::More;

my $node = new_node(conf => 'log_statement = none');
my @names = qw(maria olga pete);
my %key;
person($node, $_) foreach @names;
$key{$_} = (new_key($node, $_))[1] foreach @names;
sql($node, <<'SQL');
CREATE ROLE front;
SELECT account.grant_usage('front');
CREATE TABLE notes AS SELECT w.id AS workspace_id, slug AS note FROM account_data.workspaces w;
ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
CREATE POLICY mine ON notes USING (account.has_role(workspace_id, 'viewer'));
GRANT SELECT ON notes TO front;
SQL

# The connection that the pooler keeps; its clients' prepared statements are shared.
my $server = $node->background_psql('postgres', on_error_stop => 0);
answer($server, 'PREPARE keys AS SELECT name FROM account.api_keys');
answer($server, 'PREPARE notes AS SELECT note FROM notes');
answer($server, 'PREPARE auth (text) AS SELECT role FROM account.authenticate($1)');
answer($server, 'SET ROLE front');

my %end = (
	commit => 'COMMIT',
	rollback => 'ROLLBACK',
	'an error' => "SELECT 1 / 0;\nROLLBACK",
	'an error at commit' => "SELECT 1 / 0;\nCOMMIT",
	'a savepoint released' => "SAVEPOINT a; EXECUTE auth ('$key{pete}'); RELEASE a; COMMIT",
	'a savepoint rolled back' => "SAVEPOINT a; EXECUTE auth ('$key{pete}'); ROLLBACK TO a; COMMIT",
	'a bad key in a savepoint' => "SAVEPOINT a;\nEXECUTE auth ('none');\nROLLBACK TO a; COMMIT",
	'a role set' => 'SET LOCAL ROLE postgres; COMMIT',
	'reset_principal' => 'SELECT account.reset_principal(); COMMIT',
	'commit and chain' => "COMMIT AND CHAIN; COMMIT",
	'a cursor that is held' => 'DECLARE c CURSOR WITH HOLD FOR SELECT * FROM notes; COMMIT; CLOSE c',
	'DISCARD ALL' => "COMMIT;\nDISCARD ALL;\n"
	  . "PREPARE keys AS SELECT name FROM account.api_keys; PREPARE notes AS SELECT note FROM notes;\n"
	  . 'PREPARE auth (text) AS SELECT role FROM account.authenticate($1); SET ROLE front');
foreach my $how (sort keys %end)
{
	foreach my $name (@names)
	{
		answer($server, 'BEGIN');
		is(answer($server, "EXECUTE auth ('$key{$name}')"), 'owner', "$how: $name acts");
		is(answer($server, 'EXECUTE keys'), "key of $name", "$how: $name sees a key");
		is(answer($server, 'EXECUTE notes'), $name, "$how: $name sees a note");
		answer($server, $end{$how});

		# the next client, before and without a proof
		is(answer($server, 'SELECT p IS NULL FROM account.current_principal() p'), 't', "after $how of $name: nobody acts");
		like(answer($server, 'EXECUTE keys'), qr/not signed in/, "after $how of $name: nobody sees a key");
		is(answer($server, 'EXECUTE notes'), '', "after $how of $name: nobody sees a note");
	}
}

# Outside a transaction block a proof is good for its own statement only.
is(answer($server, "EXECUTE auth ('$key{maria}')"), 'owner', 'without a transaction block: a key proves itself');
like(answer($server, 'EXECUTE keys'), qr/not signed in/, 'without a transaction block: to no other statement');
$server->quit;

done_testing();
