/*
 * credit.h
 *		What the doors of the ledger share: arguments, refusals, events, results.
 */
#ifndef ACCOUNT_CREDIT_H
#define ACCOUNT_CREDIT_H

#include "postgres.h"

#include "fmgr.h"

#include "credit/ledger.h"

/* The largest amount of one request: a billion dollars. */
#define CREDIT_MAX_MICROS INT64CONST(1000000000000000)
#define CREDIT_DEFAULT_PRIORITY 50

/* Idempotency keys that begin so are the extension's own. */
#define CREDIT_OWN_KEYS "account:"

extern int64 CreditAmount(int64 micros, const char *what);
extern int64 ArgMicros(FunctionCallInfo fcinfo, int n, const char *what);
extern const text *CreditKey(const text *key);
extern const text *ArgKey(FunctionCallInfo fcinfo, int n, bool is_required);
extern const text *CreditText(const text *value, const char *what, int max_chars);
extern const text *ArgDescription(FunctionCallInfo fcinfo, int n, const char *what);
extern const Jsonb *CreditDetails(const Jsonb *details);
extern const Jsonb *ArgDetails(FunctionCallInfo fcinfo, int n);
extern void CreditRequire(const Book *book, int64 amount);
extern void CreditEvent(const Book *book, const Entry *entry, const char *action);
extern Datum CreditResult(FunctionCallInfo fcinfo, const Entry *entry);

/* grant.c */
extern Entry *GrantEntry(TransactionType type, int64 amount, int32 priority, TimestampTz expires_at,
						 const text *key);
extern void GrantPost(Book *book, Entry *entry, int32 priority, TimestampTz expires_at);
extern void CashPost(Book *book, Entry *entry);

/* payment.c */
extern int64 ArgTopUp(FunctionCallInfo fcinfo, int n);
extern void PaymentInsert(const Book *book, const pg_uuid_t *id, TransactionType type, int64 amount,
						  const pg_uuid_t *created_by, const text *key);

/* auto_top_up.c */
extern void AutoTopUpConfirmed(Book *book, const pg_uuid_t *id);
extern void AutoTopUpFailed(Book *book, const pg_uuid_t *id, const text *reason);

/* promotion.c, referral.c */
extern void PromotionGrant(const pg_uuid_t *workspace_id, TransactionType type, int64 amount,
						   const char *key, TimestampTz expires_at);
extern void PromotionCashIn(const Book *book);

#endif /* ACCOUNT_CREDIT_H */
