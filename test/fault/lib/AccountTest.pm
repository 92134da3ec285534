# Servers for fault tests: a node of PostgreSQL::Test::Cluster with the extension in database postgres.
package AccountTest;

use strict;
use warnings;

use Exporter 'import';
use PostgreSQL::Test::Cluster;

our @EXPORT = qw(new_node sql error_of);

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

1;
