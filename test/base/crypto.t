# The published vectors of every algorithm in src/base/crypto.c, which needs nothing of the server to run.
use strict;
use warnings;

use File::Temp qw(tempdir);

chomp(my $include = qx(pg_config --includedir-server));
die 'pg_config failed' if $? != 0;

my $folder = tempdir(CLEANUP => 1);
my @compile = (
	$ENV{CC} // 'cc', qw(-std=gnu11 -D_GNU_SOURCE -O1 -Wall -Wextra -Wno-unused-parameter -Wno-declaration-after-statement -Werror), '-Isrc',
	"-I$include", '-o', "$folder/crypto_vectors", 'test/base/crypto_vectors.c', 'src/base/crypto.c', '-lcrypto');
system(@compile) == 0 or die "@compile failed";

# It speaks TAP itself.
exit(system("$folder/crypto_vectors") == 0 ? 0 : 1);
