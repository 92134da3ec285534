# Random work on a few wallets by many clients at once, what was acknowledged of it, and the
# invariants that must hold after. Every script is made from a seed alone, so that a run can be had again.
package LedgerLoad;

use strict;
use warnings;

use AccountTest;
use Exporter 'import';
use Test::More;

our @EXPORT = qw(make_wallets start_clients wait_for_clients check_outputs check_ledgers);

# Fewer wallets than clients, so that they meet.
my $wallets = 4;

# What a client may be told: not enough, wrong state, another request under the key, gone, try again, failed before.
my %expected = map { $_ => 1 } qw(PT402 55000 22023 P0002 40001 40P01 25P02 3B001);

# Wallets with less than their threshold that have not asked for a top-up, or have asked twice.
my $unasked = q{SELECT 'bad top-up', w.workspace_id, top_up_below_micros, is_enabled, failures, pending
	FROM account_data.wallets w LEFT JOIN account_data.auto_top_ups a USING (workspace_id),
	LATERAL (SELECT count(*) AS pending FROM account_data.payments p
		WHERE p.workspace_id = w.workspace_id AND type = 'auto_top_up' AND status = 'pending') p
	WHERE pending > 1
		OR top_up_below_micros <> CASE WHEN is_enabled AND pending = 0 AND retry_at IS NULL THEN threshold_micros ELSE -9223372036854775808 END
		OR cash_micros + promotional_micros - debt_micros - reserved_micros < top_up_below_micros
		OR is_enabled AND (failures > 2 OR retry_at < next_due_at);};

sub make_wallets
{
	my ($node) = @_;
	sql($node, 'CREATE TABLE people (n integer PRIMARY KEY, user_id uuid, workspace_id uuid)');
	sql($node, <<"SQL") for 1 .. $wallets;
INSERT INTO people SELECT $_, account.sign_up('person-$_', 'p$_\@load.test', 'us');
UPDATE people p SET workspace_id = u.personal_workspace_id FROM account_data.users u WHERE u.id = p.user_id;
SQL
	return;
}

# One random call; those that are acknowledged print "ack KEY SEQ".
sub step
{
	my ($seed, $client, $number) = @_;
	my $amount = 1 + int rand 60;
	# now and then a key that others use too, with the same request or another
	my $key = rand() < .15 ? 'shared-' . int rand 40 : "$seed-$client-$number";
	$amount = 7 if $key =~ /^shared/ && rand() < .9;
	my $hold = q{(SELECT id FROM account.holds WHERE held_micros > 0 ORDER BY random() LIMIT 1)};
	my $ws = 'account.current_workspace_id()';
	my $soon = sprintf q{statement_timestamp() + interval '%d ms'}, 1 + int rand 120;
	my $ack = q{SELECT 'ack', idempotency_key, seq FROM};
	my $negative = rand() < .1 ? 'true' : 'false';
	my $reported = q{(SELECT id FROM account.payments WHERE type = 'auto_top_up' ORDER BY created_at DESC OFFSET } . int(rand 3) . ' LIMIT 1)';
	my @calls = (
		([ 26, "$ack account.charge($amount, 'work', '$key', allow_negative => $negative);" ]),
		([ 5, "$ack account.charge_many(ARRAY[" . join(',', map { "($amount, 'batch', '$key-$_', NULL, NULL, $negative)" } 1 .. 1 + int rand 5)
				. "]::account.charge_request[]);" ]),
		([ 12, "SELECT 'held', held_micros FROM account.hold($amount, 'run', '$key', '" . (1 + int rand 150) . " ms');" ]),
		([ 8, "$ack account.settle($hold, $amount, is_final => " . (rand() < .5 ? 'true' : 'false') . ", idempotency_key => '$key');" ]),
		([ 5, "SELECT account.release($hold);" ]),
		([ 8, "$ack account.refund((SELECT id FROM account.transactions WHERE type IN ('usage', 'settle') ORDER BY seq DESC OFFSET "
				. int(rand 12) . " LIMIT 1), " . (rand() < .5 ? 'NULL' : $amount) . ", 'sorry', '$key');" ]),
		([ 10, "$ack account.grant_credits($ws, $amount * 3, 'promo', '$key', $soon, " . int(rand 3) . ");" ]),
		([ 4, "$ack account.grant_credits($ws, $amount, 'monthly_grant', '$key');" ]),
		([ 5, "$ack account.grant_credits($ws, $amount * 2, 'purchase', '$key');" ]),
		([ 4, "$ack account.adjust_credits($ws, " . (rand() < .5 ? '-' : '') . "$amount, 'count', '$key');" ]),
		([ 3, 'SELECT account.expire_credits();' ]),
		([ 4, $unasked ]),
		([ 4, "$ack account.charge((SELECT greatest(available_micros - $amount, 1) FROM account.balance), 'nearly all', '$key-all');" ]),
		([ 4, 'SELECT account.set_auto_top_up(' . (rand() < .9 ? 'true' : 'false') . ", $amount * 2, 5000000);" ]),
		([ 4, "$ack account.confirm_payment($reported, 'pi');" ]),
		([ 4, "SELECT account.fail_payment($reported, 'declined');" ]),
		([ 2, "WITH w AS (UPDATE account_data.wallets SET next_due_at = '-infinity' WHERE workspace_id = $ws RETURNING workspace_id)"
				. ' UPDATE account_data.auto_top_ups a SET retry_at = now() FROM w WHERE a.workspace_id = w.workspace_id AND retry_at IS NOT NULL;' ]),
		([ 3, q{SELECT 'bad balance' FROM account.balance WHERE total_micros <> cash_micros + promotional_micros - debt_micros;} ]),
		([ 2, 'SELECT account.balance_at(account.current_workspace_id(), clock_timestamp());' ]),
		([ 3, "SELECT FROM account.act_as((SELECT user_id FROM people WHERE n = " . (1 + int rand $wallets) . "), is_local => false);" ]));
	my $total = 0;
	$total += $_->[0] for @calls;
	my $pick = rand $total;
	foreach my $call (@calls)
	{
		return $call->[1] if ($pick -= $call->[0]) < 0;
	}
	return $calls[0][1];
}

# A whole client: single calls and transactions of all levels, with savepoints and rollbacks.
sub script
{
	my ($seed, $client, $steps) = @_;
	srand $seed * 1000 + $client;
	my @levels = ('READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE');
	my @lines = ('\set VERBOSITY sqlstate',
		"SELECT FROM account.act_as((SELECT user_id FROM people WHERE n = " . (1 + $client % $wallets) . "), is_local => false);");
	my $number = 0;
	while ($number < $steps)
	{
		if (rand() < .75)
		{
			push @lines, step($seed, $client, $number++);
			next;
		}
		push @lines, '\echo begin', 'BEGIN ISOLATION LEVEL ' . $levels[ rand @levels ] . ';';
		for (1 .. 1 + int rand 3)
		{
			# each name is used once: a SAVEPOINT that failed must not lead back to an earlier one
			my $savepoint = rand() < .3 ? "s$number" : '';
			push @lines, '\echo savepoint', "SAVEPOINT $savepoint;" if $savepoint;
			push @lines, step($seed, $client, $number++);
			push @lines, "ROLLBACK TO $savepoint;", '\echo back' if $savepoint && rand() < .5;
		}
		push @lines, '\echo end', rand() < .85 ? 'COMMIT;' : 'ROLLBACK;', '\echo over';
	}
	return join "\n", @lines, '\echo done', '';
}

# Starts the clients; gives what wait_for_clients and check_outputs take.
sub start_clients
{
	my ($node, $seed, $clients, $steps) = @_;
	my $folder = PostgreSQL::Test::Utils::tempdir();
	my @running;
	foreach my $client (1 .. $clients)
	{
		my $path = "$folder/$client";
		open my $file, '>', "$path.sql" or die "$path.sql: $!";
		print {$file} script($seed, $client, $steps);
		close $file or die "$path.sql: $!";
		my $pid = fork() // die "cannot fork: $!";
		if ($pid == 0)
		{
			open STDOUT, '>', "$path.out" or POSIX::_exit(1);
			open STDERR, '>&', \*STDOUT or POSIX::_exit(1);
			exec 'psql', '-XAt', '-F', ' ', '-d', $node->connstr('postgres'), '-f', "$path.sql" or POSIX::_exit(1);
		}
		push @running, { pid => $pid, out => "$path.out" };
	}
	return @running;
}

sub wait_for_clients
{
	waitpid $_->{pid}, 0 for @_;
	return;
}

# The keys and seqs that a client knows to be committed.
sub acknowledged
{
	my ($path, $on_error) = @_;
	my (@known, @open, @saved, $in_transaction, $is_ending);
	open my $file, '<', $path or die "$path: $!";
	while (my $line = <$file>)
	{
		chomp $line;
		if ($line eq 'begin') { ($in_transaction, $is_ending, @open) = (1, 0) }
		elsif ($line eq 'savepoint') { @saved = @open }
		elsif ($line eq 'back') { @open = @saved }
		elsif ($line eq 'end') { $is_ending = 1 }
		elsif ($line eq 'over') { $in_transaction = 0 }
		elsif ($is_ending && $line eq 'COMMIT') { push @known, splice @open }
		elsif ($line =~ /^ack (\S+) (\d+)$/) { push @{ $in_transaction ? \@open : \@known }, [ $1, $2 ] }
		elsif ($line =~ /ERROR:\s+(\w{5})$/) { $on_error->($1) }
		elsif ($line =~ /^bad /) { $on_error->($line) }
	}
	return @known;
}

# Every acknowledged transaction is there, once, under the seq that was told.
sub check_outputs
{
	my ($node, $label, @clients) = @_;
	my (%surprise, @acks);
	push @acks, acknowledged($_->{out}, sub { $surprise{ $_[0] }++ if !$expected{ $_[0] } }) for @clients;
	is_deeply(\%surprise, {}, "$label: no client was told anything else than it may be");
	cmp_ok(scalar @acks, '>', @clients * 5, "$label: clients had their work acknowledged");
	my $folder = PostgreSQL::Test::Utils::tempdir();
	open my $file, '>', "$folder/acks" or die $!;
	print {$file} map { "$_->[0]\t$_->[1]\n" } @acks;
	close $file or die $!;
	is(sql($node, <<"SQL"), '', "$label: every acknowledged transaction is there");
CREATE TEMP TABLE acks (key text, seq bigint);
\\copy acks FROM '$folder/acks'
SELECT a.* FROM acks a WHERE NOT EXISTS (SELECT FROM account_data.transactions t
	WHERE t.idempotency_key = a.key AND t.seq = a.seq) LIMIT 5;
SQL
	return;
}

# The invariants, by the tables alone and by verify_ledger.
sub check_ledgers
{
	my ($node, $label) = @_;
	is(sql($node, 'SELECT * FROM account.verify_ledger() WHERE NOT ok'), '', "$label: every chain and sum is proven");
	is(sql($node, <<'SQL'), '', "$label: balances are the sums of transactions, grants, cash, debt and holds");
SELECT w.workspace_id, w.*, s.*, g.*, h.* FROM account_data.wallets w,
	LATERAL (SELECT coalesce(sum(amount_micros), 0) AS amounts, coalesce(sum(reserved_micros), 0) AS reserved,
		count(*) AS count, max(seq) AS last, count(DISTINCT idempotency_key) - count(idempotency_key) AS doubles
		FROM account_data.transactions t WHERE t.workspace_id = w.workspace_id) s,
	LATERAL (SELECT coalesce(sum(remaining_micros), 0) AS remaining, coalesce(sum(reserved_micros), 0) AS reserved
		FROM account_data.grants g WHERE g.workspace_id = w.workspace_id) g,
	LATERAL (SELECT coalesce(sum(held_micros), 0) AS held
		FROM account_data.holds h WHERE h.workspace_id = w.workspace_id AND status = 'open') h
	WHERE w.cash_micros + w.promotional_micros - w.debt_micros <> s.amounts
		OR s.amounts <> g.remaining + w.cash_micros - w.debt_micros
		OR w.reserved_micros <> h.held OR w.reserved_micros <> s.reserved
		OR s.count <> s.last OR s.doubles <> 0
SQL
	is(sql($node, <<'SQL'), '', "$label: refunds never exceed what was charged");
SELECT c.id FROM account_data.transactions c JOIN account_data.transactions r
	ON r.workspace_id = c.workspace_id AND r.reference_id = c.id AND r.type = 'refund'
	GROUP BY c.workspace_id, c.seq, c.id, c.amount_micros HAVING abs(sum(r.amount_micros)) > abs(c.amount_micros)
SQL
	is(sql($node, <<'SQL'), '', "$label: only a charge that allows it leaves less than nothing available");
SELECT * FROM (SELECT *, sum(reserved_micros) OVER (PARTITION BY workspace_id ORDER BY seq) AS reserved
	FROM account_data.transactions) t
	WHERE type IN ('usage', 'hold') AND request IS DISTINCT FROM 'allow_negative' AND balance_after_micros < reserved
SQL
	is(sql($node, $unasked), '', "$label: a top-up is asked for when less than the threshold is available, and one at a time");
	is(sql($node, <<'SQL'), '', "$label: a payment that is confirmed brought its cash, once; one that failed, none");
SELECT p.*, t.* FROM account_data.payments p,
	LATERAL (SELECT count(*) FILTER (WHERE type = p.type AND amount_micros = p.amount_micros) AS brought,
		count(*) FILTER (WHERE type = 'auto_top_up_failed' AND amount_micros = 0) AS failed
		FROM account_data.transactions t WHERE t.workspace_id = p.workspace_id AND t.reference_id = p.id AND type <> 'refund') t
	WHERE brought <> (status = 'confirmed')::int OR failed > 1 OR status = 'failed' AND failed = 0
SQL
	return;
}

1;
