/*
 * attach.h
 *		The triggers of resources and of what hangs on them.
 */
#ifndef ACCOUNT_ATTACH_H
#define ACCOUNT_ATTACH_H

#include "postgres.h"

extern bool AttachCapture(Oid relid);
extern void DetachCapture(Oid relid);
extern void AttachChanges(Oid relid);
extern void DetachChanges(Oid relid);
extern Oid AttachOwner(Oid relid);

#endif /* ACCOUNT_ATTACH_H */
