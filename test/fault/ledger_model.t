# Random work by many clients at all isolation levels keeps every invariant of the ledger.
# ACCOUNT_MODEL_STEPS=300000 makes it long; ACCOUNT_MODEL_SEED has a run again.
use strict;
use warnings;

use AccountTest;
use LedgerLoad;
use Test::More;

my $seed = $ENV{ACCOUNT_MODEL_SEED} // int rand 1_000_000;
my $steps = $ENV{ACCOUNT_MODEL_STEPS} // 4000;
my $clients = $ENV{ACCOUNT_MODEL_CLIENTS} // 8;
note "ACCOUNT_MODEL_SEED=$seed";

my $node = new_node(conf => "deadlock_timeout = 50ms\nfsync = off\nlog_statement = none\n");
make_wallets($node);
my @running = start_clients($node, $seed, $clients, int($steps / $clients));
wait_for_clients(@running);
check_outputs($node, "seed $seed", @running);
check_ledgers($node, "seed $seed");

note sql($node, 'SELECT type, count(*) FROM account_data.transactions GROUP BY 1 ORDER BY 1');
is(sql($node, "SELECT array_agg(DISTINCT type) @> '{usage,refund,expiry,hold,settle,release,promo,purchase,adjustment,auto_top_up,auto_top_up_failed}' FROM account_data.transactions"),
	't', "seed $seed: all there is to do was done");

# Once all is over and posted, nothing is reserved by what has expired.
sql($node, 'UPDATE account_data.holds SET expires_at = now() - interval \'1 s\' WHERE status = \'open\';'
	. ' UPDATE account_data.wallets SET next_due_at = \'-infinity\'');
sql($node, 'SELECT account.expire_credits()');
is(sql($node, 'SELECT sum(reserved_micros) FROM account_data.wallets'), '0', "seed $seed: nothing stays reserved");
check_ledgers($node, "seed $seed, at the end");
diag "a failed run can be had again with ACCOUNT_MODEL_SEED=$seed" if !Test::More->builder->is_passing;
$node->stop;
done_testing();
