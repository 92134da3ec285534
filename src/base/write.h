/*
 * write.h
 *		Writes rows of account_data directly, without a plan.
 */
#ifndef ACCOUNT_WRITE_H
#define ACCOUNT_WRITE_H

#include "postgres.h"

#include "storage/itemptr.h"

extern void InsertRows(const char *table, const NullableDatum *rows, int nrows, int ncolumns);
extern ItemPointerData InsertRow(const char *table, const NullableDatum *row, int ncolumns);
extern void UpdateRow(const char *table, ItemPointer tid, const NullableDatum *row, int ncolumns);

#endif /* ACCOUNT_WRITE_H */
