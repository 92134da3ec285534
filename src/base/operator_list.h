/*
 * operator_list.h
 *		Lists that are shipped and that operators change.
 *
 * What is shipped stands in a table of …_defaults; the operator's own table has
 * the entries that were added or, where the flag is false, taken out; the view
 * …_in_force has what counts.
 */
#ifndef ACCOUNT_OPERATOR_LIST_H
#define ACCOUNT_OPERATOR_LIST_H

#include "postgres.h"

#include "base/query.h"

typedef struct OperatorList
{
	const char *what; /* an entry, in errors */
	Statement has;
	Statement add;
	Statement remove;
} OperatorList;

#define OPERATOR_LIST(entry, table, key, flag)                                                     \
	{                                                                                              \
		.what = entry,                                                                             \
		.has =                                                                                     \
			{                                                                                      \
				.types = "text",                                                                   \
				.mode = QUERY_READ,                                                                \
				.sql = "SELECT true FROM account_data." table "_in_force WHERE " key " = $1",      \
			},                                                                                     \
		.add =                                                                                     \
			{                                                                                      \
				.types = "text",                                                                   \
				.sql = "INSERT INTO account_data." table " (" key ") VALUES ($1)"                  \
					   " ON CONFLICT (" key ") DO UPDATE SET (" flag ", changed_by, changed_at)"   \
					   " = (true, session_user, statement_timestamp())",                           \
			},                                                                                     \
		.remove = {                                                                                \
			.types = "text",                                                                       \
			.sql = "INSERT INTO account_data." table " (" key ", " flag ")"                        \
				   " SELECT " key ", false FROM account_data." table "_in_force WHERE " key        \
				   " = $1 ON CONFLICT (" key ") DO UPDATE SET (" flag ", changed_by, changed_at)"  \
				   " = (false, session_user, statement_timestamp())",                              \
		},                                                                                         \
	}

extern bool OperatorListHas(OperatorList *list, const char *entry);
extern void OperatorListAdd(OperatorList *list, const char *entry);
extern void OperatorListRemove(OperatorList *list, const char *entry);

#endif /* ACCOUNT_OPERATOR_LIST_H */
