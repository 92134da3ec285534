/*
 * errors.c
 *		The errors that many doors raise, each with the words of the spec.
 */
#include "postgres.h"

#include "base/errors.h"
#include "base/uuid.h"

static void
HideStatement(void *arg)
{
	errhidestmt(true);
}

/*
 * For functions that take a secret: until ErrorShowStatement(), or the caller
 * pops error_context_stack, no error from anywhere writes the statement to the
 * server log.
 */
void
ErrorHideStatement(ErrorContextCallback *hide)
{
	hide->previous = error_context_stack;
	hide->callback = HideStatement;
	hide->arg = NULL;
	error_context_stack = hide;
}

void
ErrorShowStatement(const ErrorContextCallback *hide)
{
	error_context_stack = hide->previous;
}

/* Nobody is acting in this transaction. */
void
ErrorNotSignedIn(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_ACCOUNT_NOT_SIGNED_IN), errmsg("not signed in"),
			 errhint("Prove who is acting with account.authenticate, account.resume_session or "
					 "account.act_as first, in the same transaction.")));
}

/* The role, scope or proof is too weak; detail is a full sentence. */
void
ErrorDenied(const char *detail)
{
	ereport(ERROR, (errcode(ERRCODE_ACCOUNT_DENIED), errmsg("permission denied for this operation"),
					errdetail("%s", detail)));
}

/* No such thing, or not visible to who is acting: the two look the same. */
void
ErrorNotFound(const char *kind, const pg_uuid_t *id)
{
	ereport(ERROR, (errcode(ERRCODE_ACCOUNT_NOT_FOUND),
					errmsg("%s %s does not exist", kind, UuidText(id))));
}
