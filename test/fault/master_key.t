# Every way a master key can be missing or wrong: keys go on being verified, nothing is sealed or
# opened with the wrong one, health() names the trouble, and the right key brings all of it back.
use strict;
use warnings;

use AccountTest;
use File::Copy qw(copy move);
use PostgreSQL::Test::Utils qw(append_to_file slurp_file);
use Test::More;

my $node = new_node(create => 0, conf => 'max_connections = 20');
my $file = $node->data_dir . '/account.key';
my $line = qr/[0-9a-f]{64}\n/;

sub mode_of { return sprintf '%04o', (stat shift)[2] & oct 7777; }

sub write_file
{
	my ($text, $mode) = @_;
	unlink $file;
	append_to_file($file, $text);
	chmod $mode // oct 600, $file;
	return;
}

# How many rows there are of everything a new key writes.
sub rows
{
	my @tables = qw(api_keys api_key_secrets api_key_digests credential_uses events data_keys master_keys);
	return sql($node, join ' UNION ALL ', map { "SELECT count(*) FROM account_data.$_" } @tables);
}

# CREATE EXTENSION

ok(!-e $file, 'a server has no master key before the first CREATE EXTENSION');
sql($node, "CREATE DATABASE $_") foreach qw(one two);
my $one = $node->background_psql('one');
my $two = $node->background_psql('two', on_error_stop => 0);
like(answer($one, 'BEGIN; CREATE EXTENSION account'),
	qr/NOTICE: .*made the master key file .*HINT: .*Back it up/s,
	'CREATE EXTENSION says that it made the file');
$two->query_until(qr/started/, "\\echo started\nCREATE EXTENSION account;\n");
$node->poll_query_until('postgres',
	"SELECT count(*) = 1 FROM pg_stat_activity WHERE datname = 'two' AND wait_event_type = 'Lock'");
my $made = slurp_file($file);
$one->query_safe('COMMIT');
is($two->query('SELECT count(*) FROM account_data.master_keys'),
	0, 'CREATE EXTENSION in another database at the same time waits and succeeds');
$_->quit foreach $one, $two;
like($made, qr/\A$line\z/, 'the file holds one key');
is(slurp_file($file), $made, 'and is made once for both databases');
is(mode_of($file), '0600', 'with mode 0600');

my $other = $node->data_dir . '/other.key';
configure($node, 'account.master_key_file', "other.key");
$node->safe_psql('postgres', 'BEGIN; CREATE EXTENSION account; ROLLBACK');
like(slurp_file($other), qr/\A$line\z/, 'the file may have another name');
configure($node, 'account.master_key_file', "account.key");

# Faults, seen by a session that has the key and by new ones

sql($node, 'CREATE EXTENSION account');
person($node, $_) foreach qw(maria olga pete);
my ($id, $key) = new_key($node, 'maria');
sql($node, as_person('pete', q(SELECT account.update_team_settings('{"api_key_reveal": false}'))));
my $reveal = as_person('maria', "SELECT account.reveal_api_key('$id')");
my $create = as_person('maria', "SELECT account.create_api_key('again')");
my $first = as_person('olga', "SELECT account.create_api_key('first')");
like(health($node, 'master_key'), qr/^t\|1 loaded from .*account\.key/, 'health() finds the key');
is(sql($node, $reveal), $key, 'a key is shown again');

my $right = slurp_file($file);
my $wrong = ('0' x 64) . "\n";
my $session = $node->background_psql('postgres', on_error_stop => 0);
$session->query_safe($reveal);
my %fault = (
	'is missing' => [ sub { unlink $file }, qr/there is no such file/ ],
	'is empty' => [ sub { write_file('') }, qr/holds no master key/ ],
	'is cut off' => [ sub { write_file(substr $right, 0, 40) }, qr/not 64 hexadecimal/ ],
	'has garbage' => [ sub { write_file($right . "not a key\n") }, qr/not 64 hexadecimal/ ],
	'has a long line' => [ sub { write_file('0' x 5000) }, qr/not 64 hexadecimal/ ],
	'is binary' => [ sub { write_file("\1\2\0" x 100) }, qr/not 64 hexadecimal/ ],
	'has too many keys' => [ sub { write_file($wrong x 65) }, qr/more than 64/ ],
	'is a folder' => [ sub { unlink $file; mkdir $file }, qr/not a regular file/ ],
	'may be read by all' => [ sub { write_file($right, oct 644) }, qr/must be 0600 or less/ ],
	'may be read by the group' => [ sub { write_file($right, oct 640) }, qr/must be 0600 or less/ ],
	'cannot be read' => [ sub { write_file($right, 0) }, qr/could not be opened/ ],
	'has another key' => [ sub { write_file($wrong) }, qr/does not hold the key/ ]);
foreach my $name (sort keys %fault)
{
	my ($break, $detail) = @{ $fault{$name} };
	my $before = rows();
	$break->();
	is(holds($node, $key), 'owner', "a file that $name: keys are verified");
	like(health($node, 'master_key'), qr/^f\|.*$detail/, "a file that $name: health() says so");
	my $error = error_of($node, $reveal);
	like($error, qr/^55000: .*$detail/s, "a file that $name: nothing is shown");
	unlike($error, qr/account\.key/, "a file that $name: nor where it is");
	like(error_of($node, $create), qr/^55000: .*$detail/s, "a file that $name: nothing is sealed");
	like(error_of($node, $first), qr/^55000: .*$detail/s, "a file that $name: no data key is made")
	  unless $name eq 'has another key';
	is(rows(), $before, "a file that $name: nothing is written");
	like(answer($session, $reveal), qr/not available/, "a file that $name: an open session notices");
	answer($session, 'ROLLBACK');
	ok(scalar new_key($node, 'pete'), "a file that $name: keys that are shown once are made");
	if ($name ne 'has another key')
	{
		like(error_of($node, 'SELECT account.rotate_master_key()'),
			qr/^55000/, "a file that $name: no master key is added");
	}
	rmdir $file if -d $file;
	write_file($right);
	is($session->query_safe($reveal), $key, "a file that $name: put right, an open session has the key");
}
$session->quit;

write_file("# where this came from: " . ('long ' x 200) . "\n\n$right# end");
is(sql($node, $reveal), $key, 'comments of any length and blank lines are passed over');
write_file(uc $right =~ s/\n/\r\n/r);
is(sql($node, $reveal), $key, 'so are carriage returns; capitals are read');
$node->restart;
is(sql($node, $reveal), $key, 'a restart changes nothing');

# Another master key

write_file($right =~ s/\n//r);
new_key($node, $_) foreach qw(olga maria);
like(sql($node, 'SELECT resealed, remaining FROM account.rotate_master_key(1)'),
	qr/^1\|1$/, 'a rotation stops where it is told to');
my $both = slurp_file($file);
like($both, qr/\A\Q$right\E$line\z/, 'the new key is at the end of the file');
is(mode_of($file), '0600', 'whose mode stays 0600');
my ($newest) = $both =~ /($line)\z/;
is(sql($node, $reveal), $key, 'what the old key seals opens');
write_file($newest);
like(health($node, 'master_key'), qr/^f\|.*1 workspaces.*does not hold the key/, 'the old key is still needed');
write_file($both);
like(sql($node, 'SELECT resealed, remaining FROM account.rotate_master_key(1)'),
	qr/^1\|0$/, 'the rotation goes on');
is(slurp_file($file), $both, 'without another key');
write_file($newest);
like(health($node, 'master_key'), qr/^t\|1 loaded/, 'then the old key may go');
is(sql($node, $reveal), $key, 'and all is shown without it');
$node->restart;
is(sql($node, $reveal), $key, 'after a restart too');

my $folder = $node->basedir . '/keys';
mkdir $folder;
copy($file, "$folder/key");
chmod oct 600, "$folder/key";
chmod oct 500, $folder;
configure($node, 'account.master_key_file', "$folder/key");
like(error_of($node, 'SELECT account.rotate_master_key()'),
	qr/^55000: .*could not be written/s, 'a folder that cannot be written gets no new key');
is(sql($node, $reveal), $key, 'and the old one serves on');
chmod oct 700, $folder;

# A command

my $printed = "$folder/printed";
move("$folder/key", $printed);
configure($node, 'account.master_key_command', "cat $printed");
like(health($node, 'master_key'), qr/^t\|1 loaded from account\.master_key_command/, 'a command gives the keys');
is(sql($node, $reveal), $key, 'and opens what they sealed');
like(error_of($node, 'SELECT account.rotate_master_key()'),
	qr/^55000: .*no newer master key.*HINT/s, 'its next key is somebody else\'s to make');
$session = $node->background_psql('postgres');
$session->query_safe($reveal);
append_to_file($printed, $right);
like(sql($node, 'SELECT resealed, remaining FROM account.rotate_master_key()'),
	qr/^2\|0$/, 'once it prints one, all is sealed by it');
is($session->query_safe($reveal), $key, 'and an open session finds it');
$session->quit;
foreach my $command ('exit 3', "cat $printed; exit 3", "cat $printed.none", 'echo garbage', 'true')
{
	configure($node, 'account.master_key_command', "$command");
	like(health($node, 'master_key'), qr/^f\|.*account\.master_key_command/, "health() shows that $command fails");
	like(error_of($node, $create), qr/^55000/, "nothing is sealed when $command fails");
	is(holds($node, $key), 'owner', "keys are verified when $command fails");
}

done_testing();
