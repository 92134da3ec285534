/*
 * token.c
 *		Tokens that prove something to their holder: sessions, invites, resets.
 *
 * A token is stored as its SHA-256 only.  256 random bits cannot be guessed, so
 * a lookup by the digest needs no constant-time comparison beside it.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "utils/builtins.h"

#include "access/token.h"
#include "base/errors.h"

#define TOKEN_BYTES 32

static bytea *
Digest(const char *token)
{
	bytea *digest = palloc(VARHDRSZ + CRYPTO_SHA256_LEN);

	SET_VARSIZE(digest, VARHDRSZ + CRYPTO_SHA256_LEN);
	if (!CryptoSha256(token, TOKEN_LEN, (uint8 *) VARDATA(digest)))
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR),
						errmsg("could not compute a SHA-256 digest"), errhidestmt(true)));
	return digest;
}

/* A new token, for the caller to hand out and wipe, and what is stored of it. */
void
TokenMake(const char *prefix, char token[TOKEN_LEN + 1], bytea **digest)
{
	uint8 random[TOKEN_BYTES];

	Assert(strlen(prefix) == TOKEN_PREFIX_LEN);
	if (!CryptoRandom(random, sizeof(random)))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not generate random values")));
	strcpy(token, prefix);
	CryptoHex(random, sizeof(random), token + TOKEN_PREFIX_LEN);
	CryptoWipe(random, sizeof(random));
	*digest = Digest(token);
}

/* What is stored of a token that somebody shows; NULL when it is not shaped like one. */
bytea *
TokenDigest(const char *prefix, Datum token)
{
	text *value;

	if (toast_raw_datum_size(token) != VARHDRSZ + TOKEN_LEN)
		return NULL;
	value = DatumGetTextPP(token);
	if (memcmp(VARDATA_ANY(value), prefix, TOKEN_PREFIX_LEN) != 0)
		return NULL;
	return Digest(VARDATA_ANY(value));
}
