# Runs one test of PostgreSQL's pg_regress or pg_isolation_regress and reports it as one TAP test.
package PgRegress;

use strict;
use warnings;

use Exporter 'import';
use File::Path qw(make_path);
use Test::More;

our @EXPORT = qw(regress_ok chosen);

# The tests to run: all that exist, or those of them that ./dev test was asked for.
sub chosen
{
	my ($kind, @names) = @_;
	my %only = map { $_ => 1 } split ' ', $ENV{ACCOUNT_ONLY} // '';
	my @asked = grep { $only{"${kind}_$_"} } @names;
	return @asked ? @asked : @names;
}

# Each test has a database and an output folder of its own; what differs from the expected is shown.
sub regress_ok
{
	my ($program, $kind, $name, $input, @options) = @_;
	my $out = "$ENV{ACCOUNT_OUTPUT}/$kind/$name";
	make_path($out);

	my @command = (
		$program, @options,
		"--inputdir=$input", "--outputdir=$out", "--dbname=${kind}_$name",
		"--host=$ENV{PGHOST}", "--port=$ENV{PGPORT}", "--user=$ENV{PGUSER}", $name);
	my $status = run_logged("$out/run.log", @command);
	ok($status == 0, $name) or show("$out/regression.diffs", "$out/run.log");
	return;
}

sub run_logged
{
	my ($log, @command) = @_;
	my $pid = fork() // die "cannot fork: $!";
	if ($pid == 0)
	{
		open STDOUT, '>', $log or die "$log: $!";
		open STDERR, '>&', \*STDOUT or die "$log: $!";
		exec @command or die "$command[0]: $!";
	}
	waitpid $pid, 0;
	return $?;
}

# The first of the files that has anything in it.
sub show
{
	my ($path) = grep { -s } @_;
	return if !defined $path;
	open my $file, '<', $path or die "$path: $!";
	diag("$path:");
	diag($_) while <$file>;
	return;
}

1;
