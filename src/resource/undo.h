/*
 * undo.h
 *		Putting back what an update changed.
 */
#ifndef ACCOUNT_UNDO_H
#define ACCOUNT_UNDO_H

#include "postgres.h"

extern bool UndoOwnsType(const char *resource_type);

#endif /* ACCOUNT_UNDO_H */
