/*
 * attach.h
 *		Triggers and policies on the tables of the application.
 */
#ifndef ACCOUNT_ATTACH_H
#define ACCOUNT_ATTACH_H

#include "postgres.h"

extern bool AttachCapture(Oid relid);
extern void AttachChanges(Oid relid);
extern void Detach(Oid relid);

extern void PoliciesMake(Oid relid, const char *workspace_column);
extern void PoliciesDrop(Oid relid, bool row_security);

#endif /* ACCOUNT_ATTACH_H */
