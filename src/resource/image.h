/*
 * image.h
 *		Rows as bytes, exactly, and back into a table that may have changed.
 */
#ifndef ACCOUNT_IMAGE_H
#define ACCOUNT_IMAGE_H

#include "postgres.h"

#include "access/tupdesc.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "utils/uuid.h"

typedef struct LayoutColumn
{
	AttrNumber number;
	bool is_raw; /* stored bytes; else the text of its output function */
	Oid type;	 /* of raw bytes, always built in */
	int32 typmod;
	int16 len;
	bool byval;
	char *name;
	char *declared; /* the type as declared, for telling that it changed */
} LayoutColumn;

/* The columns of stored rows; written once for all rows that share it. */
typedef struct Layout
{
	pg_uuid_t id; /* derived from bytes */
	Oid relid;
	bytea *bytes;
	int ncolumns;
	LayoutColumn *columns;
	bool has_text;	/* some values are kept as, or turn into, text that settings change */
	bool is_steady; /* no setting changes the text of any value */
	FmgrInfo *out;
	const char *reading; /* the column that ImageRead() is at */
} Layout;

/* A stored column and where it goes. */
typedef struct ImageTarget
{
	AttrNumber number; /* in the table as it is; 0: the column is gone */
	bool is_skipped;   /* generated: the table computes it */
	bool is_converted; /* its type changed: through text */
	FmgrInfo out;
	FmgrInfo in;
	Oid in_param;
	Oid in_type;
	int32 in_typmod;
} ImageTarget;

/* Whether what was stored becomes a value of the row. */
static inline bool
ImageIsKept(const ImageTarget *target)
{
	return target->number != 0 && !target->is_skipped;
}

extern Layout *LayoutMake(Oid relid, TupleDesc desc);
extern char *LayoutDeclared(Form_pg_attribute att);
extern Layout *LayoutRead(const bytea *bytes);
extern ImageTarget *LayoutMatch(Layout *layout, Oid relid, TupleDesc desc);
extern TupleDesc LayoutDesc(const Layout *layout, const ImageTarget *targets, TupleDesc table);

extern int ImagePin(bool is_needed);
extern void ImageUnpin(int level);
extern void ImageWrite(StringInfo to, Layout *layout, TupleTableSlot *slot);
extern void ImageRead(StringInfo from, Layout *layout, ImageTarget *targets, Datum *values,
					  bool *nulls);

#endif /* ACCOUNT_IMAGE_H */
