/*
 * change.h
 *		The triggers that count rows of resources and record their changes.
 */
#ifndef ACCOUNT_CHANGE_H
#define ACCOUNT_CHANGE_H

extern const char *ChangeInsertAction(const char *action);

#endif /* ACCOUNT_CHANGE_H */
