/*
 * ledger.h
 *		The wallet of a workspace under its lock, and what is posted to it.
 *
 *		Book *book = LedgerOpen(&workspace_id);
 *		Entry *entry = LedgerEntry(TRANSACTION_USAGE, -amount);
 *		... fill in, move credit ...
 *		LedgerPost(book, entry);
 *		LedgerClose(book);
 */
#ifndef ACCOUNT_LEDGER_H
#define ACCOUNT_LEDGER_H

#include "postgres.h"

#include "storage/itemptr.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "base/crypto.h"
#include "credit/entry.h"

/* No balance is below this: nothing is topped up. */
#define TOP_UP_NEVER PG_INT64_MIN

/* When the next thing of workspace $1 is due; NULL: nothing is. */
#define LEDGER_NEXT_DUE                                                                            \
	"least("                                                                                       \
	" (SELECT min(expires_at) FROM account_data.grants"                                            \
	"   WHERE workspace_id = $1 AND NOT is_spent AND remaining_micros > reserved_micros),"         \
	" (SELECT min(expires_at) FROM account_data.holds"                                             \
	"   WHERE workspace_id = $1 AND status = 'open'),"                                             \
	" (SELECT retry_at FROM account_data.auto_top_ups WHERE workspace_id = $1))"

/* Micro-dollars, all of them. */
typedef struct Wallet
{
	int64 cash;
	int64 promotional;
	int64 debt;
	int64 reserved;
	int64 reserved_cash; /* the part of reserved that is cash */
	int64 last_seq;
	TimestampTz last_at;
	TimestampTz next_due_at; /* nothing is due before */
	int64 top_up_below;		 /* with less than this available, a top-up is asked for */
	uint8 head[CRYPTO_SHA256_LEN];
} Wallet;

typedef struct Grant
{
	pg_uuid_t id;
	TransactionType type;
	int64 amount;
	int64 remaining;
	int64 reserved; /* of the remaining, by holds */
	int32 priority;
	TimestampTz expires_at; /* DT_NOEND: never */
	int64 seq;
	ItemPointerData tid; /* of the row's newest version */
	bool is_new;
	bool is_changed;
} Grant;

/* A wallet whose row is locked (or, for a peek, only read), as it stands now. */
typedef struct Book
{
	pg_uuid_t workspace_id;
	TimestampTz now; /* the statement's, but never before the last transaction */
	bool is_peek;	 /* nothing is written */
	bool is_due_stale;
	Wallet wallet;
	ItemPointerData wallet_tid; /* of the row's newest version */
	List *grants;				/* of Grant *, those looked at so far */
	List *burning;				/* the same in burn-down order, as far as it was read */
	bool is_burning_all;
	int next_burning; /* the first of burning that may have something free */
	List *entries;	  /* of Entry *, posted and not yet written */
} Book;

static inline int64
WalletTotal(const Wallet *wallet)
{
	return wallet->cash + wallet->promotional - wallet->debt;
}

static inline int64
WalletAvailable(const Wallet *wallet)
{
	return WalletTotal(wallet) - wallet->reserved;
}

static inline int64
GrantFree(const Grant *grant)
{
	return grant->remaining - grant->reserved;
}

/* ledger.c */
extern Book *LedgerOpen(const pg_uuid_t *workspace_id);
extern Book *LedgerPeek(const pg_uuid_t *workspace_id, TimestampTz at);
extern Entry *LedgerEntry(TransactionType type, int64 amount);
extern void LedgerActor(Entry *entry);
extern Entry *LedgerFind(const Book *book, const text *key);
extern Entry *LedgerReplay(const Book *book, const Entry *asked);
extern Entry *LedgerPost(Book *book, Entry *entry);
extern void LedgerPostAt(Book *book, Entry *entry, TimestampTz at);
extern void LedgerDueAt(Book *book, TimestampTz at);
extern void LedgerClose(Book *book);
extern int LedgerExpireDue(int max);

/* wallet.c */
extern bool WalletRead(const pg_uuid_t *workspace_id, Wallet *wallet);
extern bool WalletLock(Book *book);
extern void WalletWrite(Book *book);

/* parcel.c */
extern int64 MicrosAdd(int64 a, int64 b);
extern void MoveCash(Book *book, Entry *entry, int64 micros);
extern void MoveGrant(Book *book, Entry *entry, Grant *grant, int64 micros);
extern void MoveDebt(Book *book, Entry *entry, int64 micros);
extern void ReserveCash(Book *book, Entry *entry, int64 micros);
extern void ReserveGrant(Book *book, Entry *entry, Grant *grant, int64 micros);
extern Grant *GrantMake(Book *book, TransactionType type, int64 amount, int32 priority,
						TimestampTz expires_at);
extern Grant *GrantFind(Book *book, const pg_uuid_t *id);
extern void GrantsReadDue(Book *book);
extern void GrantsExpire(Book *book, TimestampTz at);
extern Grant *BurnNext(Book *book);
extern void Burn(Book *book, Entry *entry, int64 micros);
extern void GrantsWrite(Book *book);
extern void GrantsRemember(const Book *book);

/* debt.c */
extern void DebtIncur(Book *book, Entry *entry, int64 micros);
extern void DebtPay(Book *book, Entry *entry, Grant *grant);
extern int64 DebtOwed(const Book *book, int64 seq);
extern void DebtForgive(Book *book, Entry *entry, int64 seq, int64 micros);

/* hold.c */
extern void HoldsExpire(Book *book);

/* payment.c */
extern bool PaymentHasKey(const Book *book, const text *key);

/* auto_top_up.c */
extern void AutoTopUpRequest(Book *book);
extern void AutoTopUpDue(Book *book);

/* erase.c */
extern void LedgerErase(const pg_uuid_t *workspace_id);
extern int64 LedgerEraseText(const pg_uuid_t *workspace_id, const pg_uuid_t *user_id);

#endif /* ACCOUNT_LEDGER_H */
