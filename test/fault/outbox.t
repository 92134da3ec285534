# The outbox and email codes when things die: nothing is lost, nothing goes twice within a lease, no
# wrong try is forgotten, and a code that has been sent is nowhere any more.
use strict;
use warnings;

use AccountTest;
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node(conf => <<'CONF');
max_worker_processes = 4
restart_after_crash = on
log_statement = none
CONF

my $SIGN_UP = q{SELECT count(account.sign_up('%s-' || n, '%s' || n || '@fault.example', 'us'))
	FROM generate_series(1, %d) n};
my $TAKE = q{SELECT id || ' ' || (payload ->> 'code') FROM account.take_messages(%d, '1 hour')};

sub sign_up
{
	my ($name, $count) = @_;
	sql($node, sprintf $SIGN_UP, $name, $name, $count);
	return;
}

# What the first of them does to verify the address.
sub verify
{
	my ($name, $code) = @_;
	return "BEGIN; SELECT account.act_as(id) FROM account_data.users WHERE username = '$name-1';"
	  . "SELECT account.verify_email('${name}1\@fault.example', '$code'); COMMIT";
}

# Messages by the state they are in.
sub waiting { return sql($node, 'SELECT count(*) FROM account_data.messages WHERE due_at <= now()'); }

sub expire_leases
{
	sql($node, 'UPDATE account_data.messages SET due_at = now() WHERE is_taken');
	return;
}

# A psql with an open transaction that has run the query.
sub open_transaction
{
	my ($query) = @_;
	my $session = $node->background_psql('postgres', on_error_stop => 0);
	$session->query_safe('BEGIN');
	my $result = $session->query($query);
	return ($session, $result);
}

subtest 'a taker killed before it commits has taken nothing' => sub {
	sign_up('killed', 20);
	my ($session) = open_transaction(sprintf $TAKE, 10);
	my $pid = $session->query_safe('SELECT pg_backend_pid()');
	is(waiting(), 20, 'what it took is not committed');
	kill9_backend($node, $pid);
	$session->{run}->finish;
	is(waiting(), 20, 'after the crash all of it waits again');
};

subtest 'a taker killed after it commits holds its lease, and no longer' => sub {
	my @taken = split /\n/, sql($node, sprintf $TAKE, 10);
	is(scalar @taken, 10, 'ten are taken');
	$node->stop('immediate');
	$node->start;
	my @others = split /\n/, sql($node, sprintf $TAKE, 100);
	is(scalar @others, 10, 'others get the rest only, while the lease lasts');
	my %seen;
	$seen{ (split ' ')[0] }++ for @taken, @others;
	is(scalar(grep { $_ > 1 } values %seen), 0, 'none of them twice');
	expire_leases();
	my @again = split /\n/, sql($node, sprintf $TAKE, 100);
	is(scalar @again, 20, 'when the leases have ended all are due: nothing is lost');
	is_deeply([ sort @again ], [ sort @taken, @others ], 'with the codes they had');
	sql($node, 'SELECT count(account.mark_sent(id)) FROM account_data.messages');
};

subtest 'takers at once, some of them rolled back, deliver everything' => sub {
	sign_up('crowd', 200);
	my $script = $node->basedir . '/crowd.sql';
	append_to_file($script, <<'SQL');
BEGIN;
CREATE TEMP TABLE IF NOT EXISTS mine (id uuid) ON COMMIT DELETE ROWS;
WITH taken AS (SELECT id FROM account.take_messages(7, '1 hour'))
INSERT INTO delivered SELECT id FROM taken;
\set luck random(1, 4)
\if :luck = 1
ROLLBACK;
\else
COMMIT;
\endif
SQL
	sql($node, 'CREATE TABLE delivered (id uuid)');
	$node->command_ok(
		[ 'pgbench', '-n', '-c', '8', '-j', '2', '-t', '20', '-f', $script, 'postgres' ],
		'eight takers run');
	sql($node, "INSERT INTO delivered SELECT id FROM account.take_messages(1000, '1 hour')");
	is(sql($node, 'SELECT count(*), count(DISTINCT id) FROM delivered'), '200|200',
		'each message went to exactly one of them');
	sql($node, 'SELECT count(account.mark_sent(id)) FROM delivered');
	is(sql($node, 'SELECT count(*) FROM account_data.messages'), 0, 'and the queue is empty');
};

subtest 'a worker that listens is woken at commit' => sub {
	my $session = $node->background_psql('postgres');
	$session->query_safe('LISTEN account_outbox');
	sign_up('woken', 1);
	like($session->query('SELECT 1'), qr/"account_outbox"/, 'by a new message');
	sql($node, "BEGIN; SET LOCAL account.outbox_notify = off;" . sprintf($SIGN_UP, 'quiet', 'quiet', 1) . '; COMMIT');
	unlike($session->query('SELECT 1'), qr/"account_outbox"/, 'but not with account.outbox_notify off');
	$session->quit;
	is(sql($node, "SELECT count(*) FROM account.take_messages()"), 2, 'both messages are there');
	sql($node, 'SELECT count(account.mark_sent(id)) FROM account_data.messages');
};

subtest 'wrong tries survive the rollback of whoever tried' => sub {
	sign_up('guess', 1);
	my ($id, $code) = split ' ', sql($node, sprintf $TAKE, 1);
	my $wrong = sprintf '%06d', ($code + 1) % 1_000_000;
	for my $n (1 .. 4)
	{
		like(error_of($node, verify('guess', $wrong)), qr/^28000: .*invalid email code/, "wrong try $n");
	}
	is(sql($node, "SELECT count FROM account_data.attempts WHERE kind = 'email_code'"), 4, 'four are counted');
	my @command = ('psql', '-XqAt', '-d', $node->connstr('postgres'), '-c', verify('guess', $wrong));
	my @at_once = map { IPC::Run::start(\@command, '>', '/dev/null', '2>', '/dev/null') } 1 .. 6;
	$_->finish for @at_once;
	cmp_ok(sql($node, "SELECT count FROM account_data.attempts WHERE kind = 'email_code'"), '>=', 5,
		'tries of many sessions at once too');
	like(error_of($node, verify('guess', $code)), qr/^28000: .*invalid email code/, 'and the right code is dead');
	$node->stop('fast');
	$node->start;
	like(error_of($node, verify('guess', $code)), qr/^28000: .*invalid email code/, 'a restart does not revive it');
	sql($node, 'SELECT count(account.mark_sent(id)) FROM account_data.messages');
};

subtest 'a try that cannot be counted is refused' => sub {
	sign_up('starve', 1);
	my ($id, $code) = split ' ', sql($node, sprintf $TAKE, 1);
	$node->append_conf('postgresql.conf', 'max_worker_processes = 1');
	$node->restart;
	like(error_of($node, verify('starve', $code)), qr/^PT429: .*rate limit exceeded/, 'without a free worker, even the right one');
	$node->append_conf('postgresql.conf', 'max_worker_processes = 4');
	$node->restart;
	sql($node, verify('starve', $code));
	is(sql($node, q{SELECT verified_at IS NOT NULL FROM account_data.emails WHERE email ^@ 'starve'}), 't',
		'and with one, it counts');
};

# Every file of the data directory that could hold one of the words, and the server's log.
sub files_with
{
	my (@words) = @_;
	my $pattern = join '|', map { quotemeta } @words;
	my @found;
	for my $file (split /\n/, qx(find ${\$node->data_dir} ${\$node->logfile} -type f))
	{
		open my $handle, '<:raw', $file or next;
		local $/ = undef;
		push @found, $file if <$handle> =~ /$pattern/;
	}
	return @found;
}

# Six digits turn up anywhere, so a code is looked for where a payload, binary or not, or a literal has it.
sub traces { return map { ("valid_until$_", qq{"code": "$_"}, "'$_'") } @_; }

subtest 'a code in the clear is never on disk' => sub {
	sign_up('secret', 40);
	my @codes = map { (split ' ')[1] } split /\n/, sql($node, sprintf $TAKE, 100);
	is(scalar @codes, 40, 'forty codes are taken');
	like(error_of($node, verify('secret', $codes[1])), qr/^28000/, 'one is tried in the wrong place');
	sql($node, q{SELECT count(account.mark_failed(id, 'no route')) FROM account_data.messages WHERE recipient ~ '[02468]@'});
	sql($node, q{SELECT count(account.mark_sent(id)) FROM account_data.messages WHERE recipient !~ '[02468]@'});
	sql($node, q{CREATE TABLE marker AS SELECT '{"code": "marker", "username": "a", "valid_until": "b"}'::jsonb});
	sql($node, 'CHECKPOINT');
	cmp_ok(scalar files_with(traces('marker')), '>=', 2, 'the search finds what is in heap and WAL');
	is_deeply([ files_with(traces(@codes)) ], [], 'no code is in heap, WAL or log');
};

subtest 'the ciphertext of what was given up is wiped' => sub {
	sql($node, q{UPDATE account_data.messages SET attempts = 10, is_taken = true});
	sql($node, q{SELECT count(account.mark_failed(id, 'no route')) FROM account_data.messages});
	is(sql($node, 'SELECT count(*) > 0, count(sealed) FROM account_data.messages WHERE dead_at IS NOT NULL'), 't|0',
		'no dead letter holds one');
};

done_testing();
