/*
 * password.c
 *		Hashes of passwords: scrypt (RFC 7914) as a PHC string,
 *		$scrypt$ln=17,r=8,p=1$salt$hash, both in base64 without padding.
 */
#include "postgres.h"

#include "common/base64.h"
#include "utils/guc.h"

#include "access/password.h"
#include "base/crypto.h"
#include "base/errors.h"

#define MIN_LEN 8
#define MAX_LEN 1024
#define SALT_LEN 16
#define HASH_LEN 32
#define BLOCK_SIZE 8  /* r */
#define PARALLELISM 1 /* p */

static int account_password_cost;

void
PasswordInit(void)
{
	DefineCustomIntVariable("account.password_cost",
							"Binary logarithm of scrypt's cost for new password hashes.",
							"Each step doubles time and memory; 17 takes 128 MB.",
							&account_password_cost, 17, 10, 20, PGC_SUSET, 0, NULL, NULL, NULL);
}

static char *
Base64(const uint8 *data, int len)
{
	int size = pg_b64_enc_len(len);
	char *text = palloc(size + 1);
	int n = pg_b64_encode((const void *) data, len, text, size);

	while (n > 0 && text[n - 1] == '=')
		n--;
	text[n] = '\0';
	return text;
}

/* The PHC string of a new password; 22023 when it is too short or too long. */
char *
PasswordHash(const text *password)
{
	size_t len = VARSIZE_ANY_EXHDR(password);
	uint8 salt[SALT_LEN];
	uint8 hash[HASH_LEN];

	if (len < MIN_LEN || len > MAX_LEN)
		ereport(ERROR,
				(errcode(ERRCODE_ACCOUNT_INVALID), errmsg("invalid password"),
				 errdetail("A password has %d to %d bytes.", MIN_LEN, MAX_LEN), errhidestmt(true)));
	if (!CryptoRandom(salt, sizeof(salt)) ||
		!CryptoScrypt(VARDATA_ANY(password), len, salt, sizeof(salt), account_password_cost,
					  BLOCK_SIZE, PARALLELISM, hash, sizeof(hash)))
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("could not hash a password"),
						errhidestmt(true)));
	return psprintf("$scrypt$ln=%d,r=%d,p=%d$%s$%s", account_password_cost, BLOCK_SIZE, PARALLELISM,
					Base64(salt, sizeof(salt)), Base64(hash, sizeof(hash)));
}
