# Each example that expected/ has an output of prints exactly that: what a reader will see.
use strict;
use warnings;

use Cwd qw(getcwd);
use File::Basename qw(basename);
use File::Path qw(make_path);
use PgRegress;
use Test::More;

my @examples = chosen('regress', map { basename($_, '.out') } sort glob 'expected/*.out');
plan skip_all => 'no example' if !@examples;

# pg_regress looks for sql/ and expected/ side by side.
my $input = "$ENV{ACCOUNT_OUTPUT}/examples";
make_path($input);
symlink getcwd() . '/examples', "$input/sql";
symlink getcwd() . '/expected', "$input/expected";

regress_ok($ENV{PG_REGRESS}, 'regress', $_, $input) for @examples;
done_testing();
