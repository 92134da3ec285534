# What the library exports, and the floors of the source: an include or a call never goes up.
use strict;
use warnings;

use Test::More;

my %floor = (
	base => 0,
	access => 1,
	people => 2,
	workspace => 2,
	credit => 2,
	resource => 2,
	privacy => 3,
	ops => 4);

# One file alone may say these.
my @owned = (
	[ 'src/base/crypto.c', 'includes OpenSSL', qr{#\s*include\s*<openssl/} ],
	[
		'src/base/compat.h', 'says PG_VERSION_NUM, or a name that not every version has',
		qr{\b(?:PG_VERSION_NUM|pg_attribute_noreturn|pg_class_ownercheck|Abs)\b}
	],
	[ 'src/base/query.c', 'calls SPI', qr{\bSPI_\w+\s*\(} ],
	[
		'src/base/shmem.c', 'asks for shared memory',
		qr{\b(?:RequestAddinShmemSpace|ShmemInitStruct|ShmemInitHash|GetNamedDSMSegment)\s*\(}
	]);

sub slurp
{
	my ($path) = @_;
	local $/ = undef;
	open my $file, '<', $path or die "$path: $!";
	return scalar <$file>;
}

sub without_comments
{
	my ($text) = @_;
	$text =~ s{/\*.*?\*/}{}gs;
	return $text;
}

sub foreign_symbols
{
	my @lines = split /\n/, qx(nm --dynamic --defined-only --format=posix account.so);
	die 'nm account.so failed' if $? != 0 || !@lines;
	my @names = map { (split)[0] =~ s/@.*//r } @lines;
	return grep { !/^(?:account|_PG_init$|Pg_magic_func$|pg_finfo_account_)/ } @names;
}

sub includes_upward
{
	my ($path, $text) = @_;
	my ($area) = $path =~ m{^src/(\w+)/} or return ();
	my @headers = grep { -e "src/$_" } $text =~ m{^\s*#\s*include\s*"(\w+/\w+\.h)"}mg;
	return map { "$path includes $_" } grep { $floor{ s{/.*}{}r } > $floor{$area} } @headers;
}

my %source = map { $_ => without_comments(slurp($_)) } glob 'src/*.[ch] src/*/*.[ch]';

is_deeply([ foreign_symbols() ], [], 'every exported symbol starts with account');

my @unknown = grep { m{^src/(\w+)/} && !exists $floor{$1} } sort keys %source;
is_deeply(\@unknown, [], 'every area has its floor');

is_deeply([ map { includes_upward($_, $source{$_}) } sort keys %source ],
	[], 'no include goes up the floors');

foreach my $rule (@owned)
{
	my ($owner, $what, $pattern) = @$rule;
	my @others = grep { $_ ne $owner && $source{$_} =~ $pattern } sort keys %source;
	is_deeply(\@others, [], "only $owner $what");
}

done_testing();
