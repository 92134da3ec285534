/*
 * insert.h
 *		Inserts rows into a table of account_data directly, without a plan.
 */
#ifndef ACCOUNT_INSERT_H
#define ACCOUNT_INSERT_H

#include "postgres.h"

extern void InsertRows(const char *table, const NullableDatum *rows, int nrows, int ncolumns);
extern void InsertRow(const char *table, const NullableDatum *row, int ncolumns);

#endif /* ACCOUNT_INSERT_H */
