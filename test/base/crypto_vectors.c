/*
 * crypto_vectors.c
 *		Published vectors against src/base/crypto.c, which it is linked with alone.
 *
 * Prints TAP.  Sources: SHA-256 FIPS 180-4 examples and NIST CAVP SHA256ShortMsg;
 * HMAC-SHA-256 RFC 4231; AES-256-GCM the GCM specification's test cases 13 to 16
 * and NIST CAVP gcmEncryptExtIV256; scrypt RFC 7914 section 12.
 */
#include "c.h"

#include <sys/wait.h>
#include <unistd.h>

#include "base/crypto.h"

/* The server's own needs the server. */
#undef printf

#define MAX_BYTES 2048

static int tests = 0;
static int failed = 0;

static void
Ok(bool ok, const char *kind, const char *what)
{
	tests++;
	failed += !ok;
	printf("%sok %d - %s: %s\n", ok ? "" : "not ", tests, kind, what);
}

static size_t
FromHex(const char *hex, uint8 *out)
{
	size_t len = strlen(hex) / 2;

	for (size_t i = 0; i < len; i++)
	{
		unsigned int byte;

		if (sscanf(hex + 2 * i, "%2x", &byte) != 1)
			abort();
		out[i] = (uint8) byte;
	}
	return len;
}

static bool
IsHex(const uint8 *bytes, size_t len, const char *hex)
{
	char text[2 * MAX_BYTES + 1];

	CryptoHex(bytes, len, text);
	return strcmp(text, hex) == 0;
}

/* Whether all bytes are zero. */
static bool
IsWiped(const uint8 *bytes, size_t len)
{
	uint8 any = 0;

	for (size_t i = 0; i < len; i++)
		any |= bytes[i];
	return any == 0;
}

static void
Sha256(const char *what, const void *data, size_t len, const char *digest)
{
	uint8 out[CRYPTO_SHA256_LEN];

	Ok(CryptoSha256(data, len, out) && IsHex(out, sizeof(out), digest), "SHA-256", what);
}

static void
Sha256Vectors(void)
{
	static char million[1000000];

	memset(million, 'a', sizeof(million));
	Sha256("the empty message", "", 0,
		   "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	Sha256("FIPS 180-4, one block", "abc", 3,
		   "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	Sha256("FIPS 180-4, two blocks", "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56,
		   "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
	Sha256("a million times a", million, sizeof(million),
		   "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
	Sha256("CAVP, 8 bits", "\xd3", 1,
		   "28969cdfa74a12c82f3bad960b0b000aca2ac329deea5c2328ebc6f2ba9802c1");
	Sha256("CAVP, 16 bits", "\x11\xaf", 2,
		   "5ca7133fa735326081558ac312c620eeca9970d1e70a4b95533d956f072d1f98");
}

static void
Hmac(const char *what, const void *key, size_t key_len, const void *data, size_t len,
	 const char *mac)
{
	uint8 out[CRYPTO_SHA256_LEN];

	Ok(CryptoHmacSha256(key, key_len, data, len, out) && IsHex(out, sizeof(out), mac),
	   "HMAC-SHA-256", what);
}

static void
HmacVectors(void)
{
	static const char large[] = "Test Using Larger Than Block-Size Key - Hash Key First";
	static const char larger[] =
		"This is a test using a larger than block-size key and a larger than block-size data. The "
		"key needs to be hashed before being used by the HMAC algorithm.";
	uint8 key[131];
	uint8 data[50];

	memset(key, 0x0b, 20);
	Hmac("RFC 4231 case 1", key, 20, "Hi There", 8,
		 "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
	Hmac("RFC 4231 case 2", "Jefe", 4, "what do ya want for nothing?", 28,
		 "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
	memset(key, 0xaa, sizeof(key));
	memset(data, 0xdd, sizeof(data));
	Hmac("RFC 4231 case 3", key, 20, data, sizeof(data),
		 "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");
	Hmac("RFC 4231 case 6", key, sizeof(key), large, sizeof(large) - 1,
		 "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
	Hmac("RFC 4231 case 7", key, sizeof(key), larger, sizeof(larger) - 1,
		 "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2");
	for (int i = 0; i < 25; i++)
		key[i] = (uint8) (i + 1);
	memset(data, 0xcd, sizeof(data));
	Hmac("RFC 4231 case 4", key, 25, data, sizeof(data),
		 "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b");
}

typedef struct GcmVector
{
	const char *what;
	const char *key;
	const char *nonce;
	const char *plain;
	const char *aad;
	const char *sealed; /* ciphertext and tag */
} GcmVector;

#define ZERO_KEY "0000000000000000000000000000000000000000000000000000000000000000"
#define SPEC_KEY "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308"
#define SPEC_PLAIN                                                                                 \
	"d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"                             \
	"1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
#define SPEC_CIPHER                                                                                \
	"522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"                             \
	"8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"

static const GcmVector gcm_vectors[] = {
	{"specification case 13", ZERO_KEY, "000000000000000000000000", "", "",
	 "530f8afbc74536b9a963b4f1c4cb738b"},
	{"specification case 14", ZERO_KEY, "000000000000000000000000",
	 "00000000000000000000000000000000", "",
	 "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919"},
	{"specification case 15", SPEC_KEY, "cafebabefacedbaddecaf888", SPEC_PLAIN "1aafd255", "",
	 SPEC_CIPHER "898015adb094dac5d93471bdec1a502270e3cc6c"},
	{"specification case 16", SPEC_KEY, "cafebabefacedbaddecaf888", SPEC_PLAIN,
	 "feedfacedeadbeeffeedfacedeadbeefabaddad2", SPEC_CIPHER "76fc6ece0f4e1768cddf8853bb2d551b"},
	{"CAVP, nothing", "b52c505a37d78eda5dd34f20c22540ea1b58963cf8e5bf8ffa85f9f2492505b4",
	 "516c33929df5a3284ff463d7", "", "", "bdc1ac884d332457a1d2664f168c76f0"},
	{"CAVP, plaintext", "31bdadd96698c204aa9ce1448ea94ae1fb4a9a0b3c9d773b51bb1822666b8f22",
	 "0d18e06c7c725ac9e362e1ce", "2db5168e932556f8089a0622981d017d", "",
	 "fa4362189661d163fcd6a56d8bf0405ad636ac1bbedd5cc3ee727dc2ab4a9489"},
	{"CAVP, plaintext and associated data",
	 "92e11dcdaa866f5ce790fd24501f92509aacf4cb8b1339d50c9c1240935dd08b", "ac93a1a6145299bde902f21a",
	 "2d71bcfa914e4ac045b2aa60955fad24", "1e0889016f67601c8ebea4943bc23ad6",
	 "8995ae2e6df3dbf96fac7b7137bae67feca5aa77d51d4a0a14d9c51e1da474ab"},
};

/* Nothing opens with any bit changed, and what was decrypted of it is wiped. */
static bool
TamperingFails(const uint8 *key, const uint8 *aad, size_t aad_len, uint8 *sealed, size_t sealed_len)
{
	uint8 plain[MAX_BYTES];
	uint8 other[MAX_BYTES];
	bool ok = true;

	for (size_t bit = 0; bit < sealed_len * 8; bit++)
	{
		memset(plain, 0xff, sizeof(plain));
		sealed[bit / 8] ^= 1 << (bit % 8);
		ok &= !CryptoOpen(key, aad, aad_len, sealed, sealed_len, plain) &&
			  IsWiped(plain, sealed_len - CRYPTO_SEAL_OVERHEAD);
		sealed[bit / 8] ^= 1 << (bit % 8);
	}
	for (size_t len = 0; len < sealed_len; len++)
		ok &= !CryptoOpen(key, aad, aad_len, sealed, len, plain);
	memcpy(other, aad, aad_len);
	other[aad_len] = 0;
	ok &= !CryptoOpen(key, other, aad_len + 1, sealed, sealed_len, plain);
	ok &= aad_len == 0 || !CryptoOpen(key, aad, aad_len - 1, sealed, sealed_len, plain);
	memcpy(other, key, CRYPTO_KEY_LEN);
	other[31] ^= 1;
	ok &= !CryptoOpen(other, aad, aad_len, sealed, sealed_len, plain);
	return ok && CryptoOpen(key, aad, aad_len, sealed, sealed_len, plain);
}

static void
Gcm(const GcmVector *v)
{
	uint8 key[CRYPTO_KEY_LEN];
	uint8 nonce[CRYPTO_NONCE_LEN];
	uint8 plain[MAX_BYTES];
	uint8 aad[MAX_BYTES];
	uint8 sealed[MAX_BYTES];
	uint8 opened[MAX_BYTES];
	size_t len = FromHex(v->plain, plain);
	size_t aad_len = FromHex(v->aad, aad);
	size_t sealed_len = len + CRYPTO_SEAL_OVERHEAD;

	FromHex(v->key, key);
	FromHex(v->nonce, nonce);
	Ok(CryptoSealWithNonce(key, nonce, aad, aad_len, plain, len, sealed) &&
		   memcmp(sealed, nonce, sizeof(nonce)) == 0 &&
		   IsHex(sealed + CRYPTO_NONCE_LEN, sealed_len - CRYPTO_NONCE_LEN, v->sealed),
	   "AES-256-GCM seals", v->what);
	Ok(CryptoOpen(key, aad, aad_len, sealed, sealed_len, opened) && memcmp(opened, plain, len) == 0,
	   "AES-256-GCM opens", v->what);
	Ok(TamperingFails(key, aad, aad_len, sealed, sealed_len), "AES-256-GCM refuses any change",
	   v->what);
}

static void
GcmNonces(void)
{
	uint8 key[CRYPTO_KEY_LEN] = {0};
	uint8 a[8 + CRYPTO_SEAL_OVERHEAD];
	uint8 b[8 + CRYPTO_SEAL_OVERHEAD];
	uint8 plain[8];

	Ok(CryptoSeal(key, "x", 1, "12345678", 8, a) && CryptoSeal(key, "x", 1, "12345678", 8, b) &&
		   memcmp(a, b, CRYPTO_NONCE_LEN) != 0 && memcmp(a, b, sizeof(a)) != 0,
	   "AES-256-GCM", "two seals of the same differ");
	Ok(CryptoOpen(key, "x", 1, b, sizeof(b), plain) && memcmp(plain, "12345678", 8) == 0,
	   "AES-256-GCM", "and open");
}

static void
Scrypt(const char *what, const char *password, const char *salt, int log2_n, int r, int p,
	   const char *hash)
{
	uint8 out[64];

	Ok(CryptoScrypt(password, strlen(password), (const uint8 *) salt, strlen(salt), log2_n, r, p,
					out, sizeof(out)) &&
		   IsHex(out, sizeof(out), hash),
	   "scrypt", what);
}

static void
ScryptVectors(void)
{
	Scrypt("RFC 7914, N=16 r=1 p=1", "", "", 4, 1, 1,
		   "77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442"
		   "fcd0069ded0948f8326a753a0fc81f17e8d3e0fb2e0d3628cf35e20c38d18906");
	Scrypt("RFC 7914, N=1024 r=8 p=16", "password", "NaCl", 10, 8, 16,
		   "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162"
		   "2eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640");
	Scrypt("RFC 7914, N=16384 r=8 p=1", "pleaseletmein", "SodiumChloride", 14, 8, 1,
		   "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2"
		   "d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887");
}

#define DRAW 32

/* What a child draws that is forked with the pool as it is now. */
static bool
DrawInChild(uint8 *out)
{
	int ends[2];
	int status;
	pid_t child;
	bool ok;

	fflush(stdout);
	if (pipe(ends) != 0 || (child = fork()) < 0)
		return false;
	if (child == 0)
	{
		uint8 drawn[DRAW];

		_exit(CryptoRandom(drawn, DRAW) && write(ends[1], drawn, DRAW) == DRAW ? 0 : 1);
	}
	close(ends[1]);
	ok = read(ends[0], out, DRAW) == DRAW;
	close(ends[0]);
	return waitpid(child, &status, 0) == child && status == 0 && ok;
}

static void
Random(void)
{
	uint8 first[DRAW];
	uint8 children[2][DRAW];
	uint8 parent[DRAW];
	static uint8 large[3 * 4096];
	static uint8 odd[4096];
	bool ok;

	ok = CryptoRandom(first, DRAW) && DrawInChild(children[0]) && DrawInChild(children[1]) &&
		 CryptoRandom(parent, DRAW);
	Ok(ok && memcmp(parent, children[0], DRAW) != 0 && memcmp(parent, children[1], DRAW) != 0,
	   "random bytes", "a forked child draws others than its parent");
	Ok(ok && memcmp(children[0], children[1], DRAW) != 0, "random bytes",
	   "two children of one moment draw different ones");
	Ok(memcmp(first, parent, DRAW) != 0, "random bytes", "two draws differ");
	Ok(CryptoRandom(large, sizeof(large)) && memcmp(large, large + 4096, 4096) != 0 &&
		   !IsWiped(large + sizeof(large) - 16, 16),
	   "random bytes", "more than the pool holds");
	ok = true;
	for (size_t len = 1; len <= sizeof(odd); len += 613)
	{
		memset(odd, 0, sizeof(odd));
		ok &= CryptoRandom(odd, len) && (len < 16 || !IsWiped(odd + len - 16, 16)) &&
			  IsWiped(odd + len, sizeof(odd) - len);
	}
	Ok(ok, "random bytes", "as many as were asked for, over the ends of the pool");
}

static void
Helpers(void)
{
	uint8 secret[40];
	char hex[9];

	memset(secret, 0x5a, sizeof(secret));
	CryptoWipe(secret, sizeof(secret));
	Ok(IsWiped(secret, sizeof(secret)), "wipe", "overwrites everything");
	Ok(CryptoEqual("same", "same", 4) && !CryptoEqual("same", "sama", 4) &&
		   !CryptoEqual("same", "tame", 4) && CryptoEqual("a", "b", 0),
	   "compare", "tells equal from different");
	CryptoHex((const uint8 *) "\x00\x7f\x80\xff", 4, hex);
	Ok(strcmp(hex, "007f80ff") == 0, "hexadecimal", "is lower case and ends with a zero");
}

int
main(void)
{
	Sha256Vectors();
	HmacVectors();
	for (size_t i = 0; i < lengthof(gcm_vectors); i++)
		Gcm(&gcm_vectors[i]);
	GcmNonces();
	ScryptVectors();
	Random();
	Helpers();
	Sha256("again, after everything else", "abc", 3,
		   "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	printf("1..%d\n", tests);
	return failed != 0;
}
