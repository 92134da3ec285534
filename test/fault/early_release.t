# A transaction with events lets go of its locks before the log is flushed; where more than the local disk is waited
# for it stands aside, and whatever was acknowledged is there after a crash.
use strict;
use warnings;

use AccountTest;
use LedgerLoad;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node(allows_streaming => 1, conf => "max_prepared_transactions = 5\n");
make_wallets($node);
my $act = 'SELECT FROM account.act_as((SELECT user_id FROM people WHERE n = 1), is_local => false);';

# What the commit says, and the session's setting after it. Meanwhile somebody else has what the statement
# needs, unless there is nothing to hold.
sub committed
{
	my ($settings, $statement, $held) = @_;
	my ($out, $said) = ('', '');
	my $file = PostgreSQL::Test::Utils::tempdir() . '/script.sql';
	append_to_file($file, "$act\n$settings\nBEGIN;\n$statement\nSET LOCAL client_min_messages = debug1;\nCOMMIT;\nSHOW synchronous_commit;\n");
	sql($node, "$act\nBEGIN;\n$held\nPREPARE TRANSACTION 'held';") if $held;
	my $session = IPC::Run::start(['psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres'),
		'-f', $file], '<', \undef, '>', \$out, '2>', \$said);
	if ($held)
	{
		$node->poll_query_until('postgres', q{SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock')})
		  or die 'nobody waits';
		sql($node, "COMMIT PREPARED 'held'");
	}
	$session->finish;
	return ($said =~ /locks are released before the log is flushed/ ? 'early' : 'late') . " $out";
}

my $charge = "SELECT FROM account.charge(1, 'x', gen_random_uuid()::text);";
my $event = "SELECT FROM account.log_event('training', 'started');";
is(committed('', $charge, $charge), "early on\n", 'a charge that had to wait for its wallet does not hold it through the flush');
is(committed('', $event, $event), "early on\n", 'nor any event the chain of its workspace');
is(committed('', $charge), "late on\n", 'a charge that nobody stood in the way of commits as everything does');
is(committed('', 'SELECT 1;'), "late 1\non\n", 'a transaction without events is left alone');
is(committed('SET account.early_lock_release = off;', $charge, $charge), "late on\n", 'who waited does too where the setting says so');
is(committed('SET synchronous_commit = off;', $charge, $charge), "late off\n", 'who waits for nothing goes on so');
is(committed('SET synchronous_commit = local;', $charge, $charge), "early local\n", 'each session has its own setting back');
is(committed('', "SAVEPOINT s;\n$charge\nROLLBACK TO s;", $charge), "late on\n", 'a charge that is undone leaves the commit as it was');

# Prepared transactions.
sql($node, "$act\nBEGIN;\nSELECT FROM account.charge(1, 'x', 'prepared');\nPREPARE TRANSACTION 'p';");
$node->stop('immediate');
$node->start;
sql($node, "COMMIT PREPARED 'p'");
$node->stop('immediate');
$node->start;
is(sql($node, q{SELECT count(*) FROM account_data.transactions WHERE idempotency_key = 'prepared'}), '1', 'a prepared charge outlives two crashes');

# A synchronous standby that is not there: the charge waits for it, and is not acknowledged before.
configure($node, 'synchronous_standby_names', 'nobody');
my $session = $node->background_psql('postgres');
$session->query($act);
my $pid = $session->query('SELECT pg_backend_pid()');
$session->{stdin} .= "SELECT 'told' FROM account.charge(1, 'x', 'replicated');\n";
$session->{run}->pump_nb;
ok($node->poll_query_until('postgres', "SELECT wait_event = 'SyncRep' FROM pg_stat_activity WHERE pid = $pid"),
	'with a synchronous standby the commit waits for it');
configure($node, 'synchronous_standby_names', '');
ok($node->poll_query_until('postgres', "SELECT state = 'idle' FROM pg_stat_activity WHERE pid = $pid"), 'and goes on when it need not');
$session->quit;
check_ledgers($node, 'at the end');
$node->stop;
done_testing();
