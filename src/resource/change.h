/*
 * change.h
 *		The triggers that count rows of resources and record their changes.
 */
#ifndef ACCOUNT_CHANGE_H
#define ACCOUNT_CHANGE_H

#include "postgres.h"

#include "executor/tuptable.h"

#include "resource/shape.h"

extern const char *ChangeInsertAction(const char *action);
extern void ChangeMoved(MemoryContext query, const Shape *shape, TupleTableSlot *row);

#endif /* ACCOUNT_CHANGE_H */
