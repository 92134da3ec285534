# Every secret made in this run is looked for, as text and as the raw bytes of its hexadecimal part, in
# the heap, the WAL, the server log, dumps and pg_stat_statements; a marker shows that the search finds.
use strict;
use warnings;

use AccountTest;
use File::Find qw(find);
use PostgreSQL::Test::Utils qw(append_to_file run_log slurp_file);
use Test::More;

my $node = new_node(conf => <<'CONF');
shared_preload_libraries = 'pg_stat_statements'
pg_stat_statements.track = all
wal_level = logical
log_statement = none
log_min_messages = debug1
log_error_verbosity = verbose
account.password_cost = 12
CONF
sql($node, 'CREATE EXTENSION pg_stat_statements');
my %secret;

# Runs the script with its variables bound as parameters; true when no statement of it failed.
sub bound
{
	my ($script, %value) = @_;
	my $path = $node->basedir . '/bound.sql';
	unlink $path;
	append_to_file($path, $script);
	return run_log(
		[
			'pgbench', '-h', $node->host, '-p', $node->port, '-n', '-t', 1, '-M', 'prepared', '-f', $path,
			(map { ('-D', "$_=$value{$_}") } sort keys %value), 'postgres'
		]);
}

# Making them: results only

my %password = (maria => 'correct horse battery', olga => 'staple of olga 4711', short => 'sh0rt$');
foreach my $name (qw(maria olga))
{
	ok( bound(
			"SELECT account.sign_up('$name', '$name\@example.com', 'us', password => :password);",
			password => $password{$name}),
		"$name signs up");
}
my (%key, %id);
foreach my $name (qw(current grace ended revoked disabled deleted))
{
	($id{$name}, $key{$name}) = new_key($node, 'maria');
	$secret{"key $name"} = $key{$name};
}
sub as_maria { return sql($node, as_person('maria', shift)); }
$secret{"key $_"} = $key{"$_ new"} =
  as_maria("SELECT key FROM account.rotate_api_key('$id{$_}', '1 day')") foreach qw(grace ended);
as_maria("SELECT account.revoke_api_key('$id{revoked}'); SELECT account.disable_api_key('$id{disabled}')");
is(as_maria("SELECT account.reveal_api_key('$id{current}')"), $key{current}, 'a key is shown again');
my $once = "SELECT account.update_team_settings('{\"api_key_reveal\": false}')";
sql($node, as_person('olga', $once));
$secret{'key shown once'} = (new_key($node, 'olga'))[1];
my $account = as_maria("SELECT account.create_service_account('ci', 'editor')");
$secret{'key of a service account'} =
  as_maria("SELECT key FROM account.create_api_key('ci', service_account_id => '$account')");
sql($node, "DELETE FROM account_data.api_keys WHERE id = '$id{deleted}'; VACUUM account_data.api_keys");
my $token = sql($node, "SELECT token FROM account_data.users u, account.open_session(u.id) WHERE username = 'maria'");
$secret{'session token'} = $token;
sql($node, 'SELECT account.rotate_master_key()');
$secret{"master key $_"} = (split /\n/, slurp_file($node->data_dir . '/account.key'))[$_] foreach 0, 1;
$secret{"password $_"} = $password{$_} foreach keys %password;
($secret{'mistyped key'} = $key{current}) =~ tr/0-7/1-70/;
($secret{'unknown token'} = $token) =~ tr/0-7/1-70/;
($secret{'invite token'} = $secret{'unknown token'}) =~ s/^us_/ui_/;
$secret{'key that is too long'} = $key{current} . 'feed';
$secret{'card number'} = '6011000990139424';
$secret{'card number in groups'} = '6011 0009 9013 9424';

# Using them: as parameters, errors included

foreach my $name ('current', 'grace', 'grace new')
{
	ok(bound(<<'SQL', key => $key{$name}), "the key $name proves itself");
SELECT account.verify_api_key(:key);
SELECT account.locate_api_key(:key);
SELECT account.admit(:key, 'default', 'read', '10.0.0.1');
BEGIN;
SELECT account.authenticate(:key);
SELECT * FROM account.api_keys;
SELECT account.current_principal();
END;
SQL
}
ok(bound('BEGIN; SELECT account.resume_session(:token); SELECT * FROM account.api_keys; END;', token => $token),
	'the token proves itself');
foreach my $bad ($secret{'mistyped key'}, $key{revoked}, $key{disabled}, $secret{'key that is too long'}, $token)
{
	ok(!bound('SELECT account.authenticate(:key);', key => $bad), 'a bad key fails');
}
ok(!bound('SELECT account.resume_session(:token);', token => $_), 'a bad token fails')
  foreach $secret{'unknown token'}, $key{current};
ok(!bound('SELECT account.admit(:key, cost => -1);', key => $key{current}), 'a bad cost fails');
ok(!bound('SELECT account.verify_api_key(:key), 1 / (random() * 0);', key => $key{current}),
	'a statement fails that verifies too');
foreach my $argument ("'abcd', 'x', 'us'", "'ab', 'x\@example.com', 'us'", "'maria', 'x\@example.com', 'us'",
	"'abcd', 'x\@example.com', 'eu'", "'abcd', 'x\@example.com', 'us', promo_code => 'x'")
{
	ok(!bound("SELECT account.sign_up($argument, password => :password);", password => $password{olga}),
		"sign_up($argument) fails");
}
ok(!bound("SELECT account.sign_up('abcd', 'x\@example.com', 'us', password => :p);", p => $password{short}),
	'a short password fails');

foreach my $number ('card number', 'card number in groups')
{
	ok(!bound("SELECT account.$_;", n => $secret{$number}), "$_ fails with a $number")
	  foreach "add_payment_method('stripe', :n, 'visa', '4242', 1, 2030)", "set_billing_address(jsonb_build_object('name', (:n)::text))";
}

# Given as literals they stand in statements; what refuses them keeps the statement out of the log.
foreach my $call (
	"authenticate('$secret{'mistyped key'}')", "authenticate('$key{revoked}')",
	"admit('$key{current}', NULL)", "admit('$key{current}', cost => NULL)",
	"admit('$key{current}', cost => -1)", "admit('$key{current}', scope => 'A B')",
	"resume_session('$secret{'unknown token'}')", "accept_invite('$secret{'invite token'}')",
	"sign_up('abcd', 'x', 'us', password => '$password{olga}')",
	"sign_up('maria', 'x\@example.com', 'us', password => '$password{olga}')",
	"sign_up('abcd', 'x\@example.com', 'us', password => '$password{short}')",
	"add_payment_method('stripe', '$secret{'card number'}', 'visa', '4242', 1, 2030)",
	"add_payment_method('stripe', 'pm_1', 'visa', '$secret{'card number in groups'}', 1, 2030)",
	"set_billing_address('{\"name\": \"$secret{'card number'}\"}')",
	"set_billing_address('{\"$secret{'card number in groups'}\": \"x\"}')")
{
	my $error = error_of($node, "SELECT account.$call");
	like($error, qr/^(?:28000|22023|23505)/, 'a call with a literal is refused: ' . $error =~ s/\n.*//sr);
}

# Those that answer without raising keep it out too when they are interrupted.
my $holder = $node->background_psql('postgres');
$holder->query('BEGIN; LOCK TABLE account_data.api_key_digests, account_data.invite_tokens');
foreach my $call ("verify_api_key('$key{current}')", "locate_api_key('$key{current}')", "invite_info('$secret{'invite token'}')")
{
	my $error = error_of($node, "SET lock_timeout = '10ms'; SELECT account.$call");
	like($error, qr/^55P03/, 'a call with a literal is interrupted: ' . $error =~ s/\n.*//sr);
}
$holder->quit;

# The search

sql($node, <<'SQL');
CREATE TABLE marker (shown text, raw bytea);
INSERT INTO marker VALUES ('marked_' || repeat('5eedface', 5), decode(repeat('5eedface', 5), 'hex'));
DO $$ BEGIN RAISE LOG '%', 'marked_' || repeat('5eedface', 5); END $$;
SELECT 1 AS marked_5eedface5eedface5eedface5eedface5eedface;
SQL
$secret{marker} = 'marked_' . '5eedface' x 5;
sql($node, 'CHECKPOINT');
append_to_file($node->basedir . '/statements', sql($node, 'SELECT query FROM pg_stat_statements'));
foreach my $format (qw(plain custom))
{
	$node->command_ok([ 'pg_dump', '-F', $format, '-Z', 0, '-f', $node->basedir . "/dump.$format", 'postgres' ],
		"pg_dump in format $format");
}
$node->stop;

# Pattern to what it is: the whole, its hexadecimal part, and the bytes of that.
my %what;
foreach my $name (keys %secret)
{
	my ($hex) = $secret{$name} =~ /([0-9a-f]{40,})/;
	$what{ $secret{$name} } = "$name as text";
	next if !defined $hex;
	$what{$hex} //= "$name as text";
	$what{ pack 'H*', $hex } = "$name as bytes";
}
my $pattern = join '|', map { quotemeta } sort { length $b <=> length $a } keys %what;
$pattern = qr/($pattern)/;

# What is found in these files, by name.
sub found
{
	my (%found, $bytes);
	foreach my $file (@_)
	{
		my $text = slurp_file($file);
		$bytes += length $text;
		$found{ $what{$1} } = 1 while $text =~ /$pattern/g;
	}
	note "$bytes bytes in " . @_ . ' files';
	return join ', ', sort keys %found;
}

my (@wal, @data);
find(
	sub {
		return if !-f || $_ eq 'account.key';
		push @{ $File::Find::name =~ m{/pg_wal/} ? \@wal : \@data }, $File::Find::name;
	},
	$node->data_dir);
my $both = 'marker as bytes, marker as text';
is(found(@data), $both, 'heap files and the rest of the data directory hold no secret');
is(found(@wal), $both, 'the WAL holds no secret');
is(found($node->logfile), 'marker as text', 'the server log holds no secret');
is(found($node->basedir . '/statements'), 'marker as text', 'pg_stat_statements holds no secret');
is(found($node->basedir . "/dump.$_"), 'marker as text', "pg_dump -F $_ holds no secret") foreach qw(plain custom);
like(found($node->data_dir . '/account.key'), qr/^master key 0 as text, master key 1 as text$/,
	'the master key file holds the master keys');
like(slurp_file($node->logfile), qr/STATEMENT:  SELECT account\.verify_api_key\(\$1\)/,
	'the log has statements of failures, with parameters');

done_testing();
