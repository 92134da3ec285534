# Every interleaving of specs/ gives the outcome in expected/.
use strict;
use warnings;

use File::Basename qw(basename);
use PgRegress;
use Test::More;

my @specs = chosen('race', map { basename($_, '.spec') } sort glob 'test/race/specs/*.spec');
plan skip_all => 'no spec' if !@specs;

regress_ok($ENV{PG_ISOLATION_REGRESS}, 'race', $_, 'test/race', '--load-extension=account') for @specs;
done_testing();
