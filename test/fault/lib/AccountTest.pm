# Servers for fault tests: a node of PostgreSQL::Test::Cluster with the extension in database postgres.
package AccountTest;

use strict;
use warnings;

use Exporter 'import';
use PostgreSQL::Test::Cluster;

our @EXPORT = qw(new_node kill9_backend sql error_of person as_person new_key holds health answer configure);

# Options: name, preload (the library in every backend from the start), conf (more settings),
# allows_streaming (may have standbys), create (0 leaves the extension out).
sub new_node
{
	my %option = (name => 'main', preload => 0, conf => '', allows_streaming => 0, create => 1, @_);

	my $node = PostgreSQL::Test::Cluster->new($option{name});
	$node->init(allows_streaming => $option{allows_streaming});
	$node->append_conf('postgresql.conf', "shared_preload_libraries = 'account'")
	  if $option{preload};
	$node->append_conf('postgresql.conf', $option{conf}) if $option{conf};
	$node->start;
	sql($node, 'CREATE EXTENSION account') if $option{create};
	return $node;
}

# Kills a backend; returns when the server has noticed, ended all others and come back. A killed
# process lets go of its client before the server is told, so that a new connection proves nothing.
sub kill9_backend
{
	my ($node, $pid) = @_;
	my $seen = -s $node->logfile;
	kill KILL => $pid or die "cannot kill backend $pid: $!";
	$node->wait_for_log(qr/all server processes terminated; reinitializing/, $seen);
	$node->poll_query_until('postgres', 'SELECT true') or die 'the server does not come back';
	return;
}

# Sets a setting in the file and returns when new sessions have it.
sub configure
{
	my ($node, $name, $value) = @_;
	my $quoted = $value =~ s/'/''/gr;
	$node->append_conf('postgresql.conf', "$name = '$quoted'");
	$node->reload;
	$node->poll_query_until('postgres', "SELECT current_setting('$name', true) = '$quoted'")
	  or die "no session has $name = $value";
	return;
}

# The query's result as psql prints it unaligned; the test dies if it fails.
sub sql
{
	my ($node, $query, $database) = @_;
	return $node->safe_psql($database // 'postgres', $query);
}

# What psql says of a query that must fail, SQLSTATE first; empty if it did not fail.
sub error_of
{
	my ($node, $query, $database) = @_;
	my ($status, undef, $error) =
	  $node->psql($database // 'postgres', "\\set VERBOSITY verbose\n$query", on_error_stop => 1);
	return '' if $status == 0;
	return $error =~ s/^.*?(?:ERROR|FATAL):\s+//sr;
}

# Signs somebody up, with an address made of their name.
sub person
{
	my ($node, $name, $database) = @_;
	return sql($node, "SELECT account.sign_up('$name', '$name\@example.com', 'us', "
		  . "identity => ROW('test', '$name', '$name\@example.com', true))", $database);
}

# The query as somebody runs it in a transaction of their own, in their personal workspace.
sub as_person
{
	my ($name, $query) = @_;
	my $user = "(SELECT id FROM account_data.users WHERE username = '$name')";
	return "BEGIN;\nSELECT account.act_as($user) \\g /dev/null\n$query;\nCOMMIT;\n";
}

# (id, key) of a new key of somebody's.
sub new_key
{
	my ($node, $name, $database) = @_;
	my $query = as_person($name, "SELECT id, key FROM account.create_api_key('key of $name')");
	return split /\|/, sql($node, $query, $database);
}

# The role a key proves; empty when it does not hold.
sub holds
{
	my ($node, $key, $database) = @_;
	return sql($node, "SELECT role FROM account.verify_api_key('$key')", $database);
}

# One check of account.health(): "t|detail" or "f|detail".
sub health
{
	my ($node, $check, $database) = @_;
	return sql($node, "SELECT ok, detail FROM account.health() WHERE check_name = '$check'", $database);
}

# What a background session answers: the result, or whatever it says on standard error.
sub answer
{
	my ($session, $query) = @_;
	my $result = $session->query($query);
	my $said = $session->{stderr};
	$session->{stderr} = '';
	return $said eq '' ? $result : $said;
}

1;
