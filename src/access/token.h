/*
 * token.h
 *		Tokens that prove something to their holder: sessions, invites, resets.
 */
#ifndef ACCOUNT_TOKEN_H
#define ACCOUNT_TOKEN_H

#include "postgres.h"

#include "base/crypto.h"

/* A prefix of three characters that says what for, and 256 random bits. */
#define TOKEN_PREFIX_LEN 3
#define TOKEN_LEN (TOKEN_PREFIX_LEN + 2 * 32)

extern void TokenMake(const char *prefix, char token[TOKEN_LEN + 1], bytea **digest);
extern bytea *TokenDigest(const char *prefix, Datum token);

#endif /* ACCOUNT_TOKEN_H */
