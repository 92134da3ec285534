# A member whose row was loaded behind the doors' back (INSERT, COPY, a restore) tells no session; one
# that knows them as no member finds them by itself, without an end of the session or of the proof.
use strict;
use warnings;

use AccountTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $node = new_node();
person($node, $_) foreach qw(maria olga);
my ($team, $olga) = split /\|/, sql($node, as_person('maria', "SELECT account.create_team('acme', 'Acme'), id
	FROM account_data.users WHERE username = 'olga'"));

my $session = $node->background_psql('postgres');
$session->query_safe("SELECT account.act_as('$olga', is_local => false)");
my %asked = (
	has_role => "SELECT account.has_role('$team', 'viewer')",
	workspace_ids => "SELECT '$team' = ANY (account.workspace_ids())");
is($session->query_safe($asked{$_}), 'f', "$_: no member") foreach sort keys %asked;

sql($node, "INSERT INTO account_data.members (workspace_id, user_id, role) VALUES ('$team', '$olga', 'editor')");
foreach my $name (sort keys %asked)
{
	my $tries = 10 * $PostgreSQL::Test::Utils::timeout_default;
	my $answer;
	usleep(100_000) until ($answer = $session->query_safe($asked{$name})) eq 't' || $tries-- == 0;
	is($answer, 't', "$name: sees the row");
}

sql($node, "DELETE FROM account_data.members WHERE user_id = '$olga' AND workspace_id = '$team'");
is($session->query_safe($asked{$_}), 'f', "$_: sees at once that it is gone") foreach sort keys %asked;
$session->quit;

done_testing();
