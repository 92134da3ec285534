# kill -9 of backends and of the postmaster in the middle of the load, again and again: after each
# recovery every invariant holds and every acknowledged transaction is there.
use strict;
use warnings;

use AccountTest;
use LedgerLoad;
use Test::More;
use Time::HiRes qw(usleep);

my $seed = $ENV{ACCOUNT_MODEL_SEED} // int rand 1_000_000;
my $rounds = $ENV{ACCOUNT_CRASH_ROUNDS} // 4;
note "ACCOUNT_MODEL_SEED=$seed";

my $node = new_node(conf => <<'CONF');
deadlock_timeout = 50ms
fsync = on
log_statement = none
restart_after_crash = on
CONF
make_wallets($node);

# Waits until the load has done that much, so that it is killed at work.
sub wait_for_work
{
	my ($more) = @_;
	my $now = sql($node, 'SELECT sum(last_seq) FROM account_data.wallets');
	$node->poll_query_until('postgres', "SELECT sum(last_seq) > $now + $more FROM account_data.wallets")
	  or die 'the load does not go on';
	return;
}

sub kill_backend
{
	my $pid = sql($node, q{SELECT pid FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid()
		AND backend_type = 'client backend' LIMIT 1});
	kill 'KILL', $pid if $pid ne '';
	return $pid ne '';
}

# Whether a process has ended, also where nobody has taken note of it yet.
sub is_over
{
	my ($pid) = @_;
	open my $stat, '<', "/proc/$pid/stat" or return 1;
	my $line = <$stat> // return 1;
	return $line =~ /\) [ZX] /;
}

# Kills the postmaster; returns when none of its processes is left, so that another may start.
sub kill_postmaster
{
	my $folder = $node->data_dir;
	my @pids = split /\n/, sql($node, 'SELECT pid FROM pg_stat_activity');
	open my $file, '<', "$folder/postmaster.pid" or die "postmaster.pid: $!";
	push @pids, <$file> =~ s/\s//gr;
	$node->kill9;
	foreach my $pid (@pids)
	{
		usleep(5000) until is_over($pid);
	}
	unlink "$folder/postmaster.pid", $node->host . '/.s.PGSQL.' . $node->port . '.lock';
	return;
}

foreach my $round (1 .. $rounds)
{
	my $label = "seed $seed, round $round";
	my @running = start_clients($node, "$seed$round", 6, 20000);
	wait_for_work(300 + int rand 500);
	if ($round % 2)
	{
		my $tries = 0;
		usleep(1000) until kill_backend() || ++$tries > 1000;
		wait_for_clients(@running);
		await_server($node);
	}
	else
	{
		kill_postmaster();
		wait_for_clients(@running);
		$node->start;
	}
	check_outputs($node, $label, @running);
	check_ledgers($node, $label);
}
$node->stop;
done_testing();
