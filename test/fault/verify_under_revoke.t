# 200 connections verify and act while keys are revoked. Each revocation is recorded in the transaction
# that makes it, so a snapshot that has the record has the revocation: the two must agree exactly.
use strict;
use warnings;

use AccountTest;
use PostgreSQL::Test::Utils qw(append_to_file);
use Test::More;

my $keys = 300;
my $clients = 200;
my $each = 60;

my $node = new_node(conf => <<'CONF');
max_connections = 220
shared_buffers = 64MB
synchronous_commit = off
log_statement = none
log_min_messages = panic
CONF
person($node, 'maria');
sql($node, <<"SQL");
CREATE TABLE keys (no integer PRIMARY KEY, id uuid, key text);
CREATE TABLE revoked (no integer PRIMARY KEY);
CREATE TABLE seen (how text, before boolean, holds boolean, after boolean);
BEGIN;
SELECT FROM account.act_as((SELECT id FROM account_data.users));
INSERT INTO keys SELECT no, k.id, k.key
	FROM generate_series(1, $keys) no, LATERAL account.create_api_key('key ' || no) k;
COMMIT;

CREATE FUNCTION is_revoked(key integer) RETURNS boolean VOLATILE LANGUAGE plpgsql
	AS \$\$ BEGIN RETURN EXISTS (SELECT FROM revoked WHERE no = key); END \$\$;

-- each statement has a snapshot of its own
CREATE FUNCTION act(number integer) RETURNS void LANGUAGE plpgsql AS \$\$
DECLARE
	was boolean := is_revoked(number);
	ok boolean := true;
BEGIN
	BEGIN
		PERFORM account.authenticate(key) FROM keys WHERE no = number;
	EXCEPTION WHEN invalid_authorization_specification THEN
		ok := false;
	END;
	INSERT INTO seen VALUES ('authenticate', was, ok, is_revoked(number));
END \$\$;

CREATE FUNCTION revoke_one() RETURNS void LANGUAGE plpgsql AS \$\$
DECLARE
	k keys;
BEGIN
	SELECT * INTO k FROM keys WHERE NOT is_revoked(no) ORDER BY no LIMIT 1 FOR UPDATE SKIP LOCKED;
	IF FOUND AND NOT is_revoked(k.no) THEN
		PERFORM account.act_as((SELECT id FROM account_data.users));
		PERFORM account.revoke_api_key(k.id);
		INSERT INTO revoked VALUES (k.no);
	END IF;
END \$\$;
SQL

my %script = (
	verify => <<"SQL",
\\set no random(1, $keys)
INSERT INTO seen SELECT 'verify', r.no IS NOT NULL, v.role IS NOT NULL, r.no IS NOT NULL
	FROM keys k LEFT JOIN revoked r USING (no) LEFT JOIN LATERAL account.verify_api_key(k.key) v ON true
	WHERE k.no = :no;
SQL
	repeatable => <<"SQL",
\\set no random(1, $keys)
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT EXISTS (SELECT FROM revoked WHERE no = :no)::int AS before \\gset
SELECT EXISTS (SELECT FROM keys, account.verify_api_key(key) v WHERE no = :no AND v.role IS NOT NULL)::int AS holds \\gset
INSERT INTO seen VALUES ('repeatable', :before = 1, :holds = 1, :before = 1);
END;
SQL
	act => "\\set no random(1, $keys)\nSELECT act(:no);\n",
	revoke => "SELECT revoke_one();\n");
my %weight = (verify => 10, repeatable => 5, act => 5, revoke => 1);
foreach my $name (keys %script)
{
	append_to_file($node->basedir . "/$name.sql", $script{$name});
}
$node->command_ok(
	[
		'pgbench', '-n', '-c', $clients, '-j', 2, '-t', $each, '-M', 'prepared', '--max-tries=1',
		(map { ('-f', $node->basedir . "/$_.sql\@$weight{$_}") } sort keys %script), 'postgres'
	],
	"$clients connections verify and act while keys are revoked");

is(sql($node, "SELECT count(*) FROM revoked"), $keys, 'all keys are revoked in the end');
foreach my $how (qw(verify repeatable authenticate))
{
	my $of = "FROM seen WHERE how = '$how'";
	cmp_ok(sql($node, "SELECT count(*) $of AND holds"), '>', 0, "$how: keys held before");
	cmp_ok(sql($node, "SELECT count(*) $of AND before"), '>', 0, "$how: and were asked for afterwards");
	is(sql($node, "SELECT count(*) $of AND before AND holds"),
		0, "$how: none held in what began after its revocation was committed");
	is(sql($node, "SELECT count(*) $of AND NOT after AND NOT holds"),
		0, "$how: and none failed before");
}
is(sql($node, "SELECT count(*) FROM keys k, account.verify_api_key(k.key) v WHERE v.role IS NOT NULL"),
	0, 'no key holds when all is done');

done_testing();
