# A charge lets go of its wallet before the log is flushed; where more than the local disk is waited
# for it stands aside, and whatever was acknowledged is there after a crash.
use strict;
use warnings;

use AccountTest;
use LedgerLoad;
use Test::More;

my $node = new_node(allows_streaming => 1, conf => "max_prepared_transactions = 5\n");
make_wallets($node);
my $act = 'SELECT FROM account.act_as((SELECT user_id FROM people WHERE n = 1), is_local => false);';

sub charged
{
	my ($settings) = @_;
	return sql($node, "$act\n$settings\nBEGIN;\nSELECT FROM account.charge(1, 'x', gen_random_uuid()::text);\n"
		. "SHOW synchronous_commit;\nCOMMIT;\nSHOW synchronous_commit;") =~ s/\n/ /gr;
}

is(charged(''), 'off on', 'a charge commits without holding the wallet through the flush');
is(charged('SET account.early_lock_release = off;'), 'on on', 'unless the setting says otherwise');
is(charged('SET synchronous_commit = off;'), 'off off', 'who waits for nothing goes on so');
is(charged('SET synchronous_commit = local;'), 'off local', 'each session has its own setting back');
is(sql($node, "$act\nBEGIN;\nSAVEPOINT s;\nSELECT FROM account.charge(1, 'x', 'undone');\nROLLBACK TO s;\nSHOW synchronous_commit;\nCOMMIT;"),
	'on', 'a charge that is undone leaves the commit as it was');

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
