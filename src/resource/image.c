/*
 * image.c
 *		Rows as bytes, exactly, and back into a table that may have changed.
 *
 * A layout says which columns a stored row has.  Values of scalar built-in
 * types are kept as the bytes PostgreSQL itself stores, the format that
 * pg_upgrade relies on.  Types whose stored bytes hold object ids (enums,
 * arrays, composites, ranges) are kept as text, written and read under the
 * settings that make text exact, so that rows survive a dump and restore.
 *
 * A row is a bitmap of its nulls and then its values; lengths are in seven
 * bits a byte, lowest first.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "base/crypto.h"
#include "base/errors.h"
#include "resource/image.h"

#define LAYOUT_VERSION 1
#ifdef WORDS_BIGENDIAN
#define LAYOUT_BYTE_ORDER 'B'
#else
#define LAYOUT_BYTE_ORDER 'L'
#endif

/* Types of which stored bytes hold no object id and mean the same everywhere, */
static const Oid raw_types[] = {
	FLOAT4OID, FLOAT8OID,	DATEOID,	TIMEOID,  TIMESTAMPOID, TIMESTAMPTZOID,
	TIMETZOID, INTERVALOID, CASHOID,	BYTEAOID, POINTOID,		LSEGOID,
	PATHOID,   BOXOID,		POLYGONOID, LINEOID,  CIRCLEOID,
};

/* and those of them of which text also is the same under all settings. */
static const Oid steady_types[] = {
	BOOLOID,   CHAROID, INT2OID,	INT4OID,	 INT8OID,	  UUIDOID,	  TEXTOID,	 VARCHAROID,
	BPCHAROID, NAMEOID, JSONOID,	XMLOID,		 NUMERICOID,  JSONBOID,	  BITOID,	 VARBITOID,
	INETOID,   CIDROID, MACADDROID, MACADDR8OID, TSVECTOROID, TSQUERYOID, PG_LSNOID,
};

/* What text output and input depend on. */
static const char *const pinned[][2] = {
	{"datestyle", "ISO, YMD"},
	{"intervalstyle", "postgres"},
	{"extra_float_digits", "3"},
	{"bytea_output", "hex"},
	{"xmloption", "content"},
	{"lc_monetary", "C"},
	{"array_nulls", "on"},
	{"timezone", "UTC"},
	{"search_path", "pg_catalog, pg_temp"},
};

#define UNPINNED 0 /* in place of a level of settings */

/* Until ImageUnpin(), text is the same whatever the session's settings. */
int
ImagePin(bool is_needed)
{
	int level = is_needed ? NewGUCNestLevel() : UNPINNED;

	for (size_t i = 0; is_needed && i < lengthof(pinned); i++)
		if (strcmp(GetConfigOption(pinned[i][0], false, false), pinned[i][1]) != 0)
			(void) set_config_option(pinned[i][0], pinned[i][1], PGC_USERSET, PGC_S_SESSION,
									 GUC_ACTION_SAVE, true, 0, false);
	return level;
}

void
ImageUnpin(int level)
{
	if (level != UNPINNED)
		AtEOXact_GUC(true, level);
}

static bool
IsAmong(Oid type, const Oid *types, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (types[i] == type)
			return true;
	return false;
}

static bool
IsSteady(Oid type)
{
	return IsAmong(type, steady_types, lengthof(steady_types)) || type_is_enum(type);
}

static void
WriteLength(StringInfo to, uint32 length)
{
	for (; length >= 0x80; length >>= 7)
		appendStringInfoCharMacro(to, (char) (length | 0x80));
	appendStringInfoCharMacro(to, (char) length);
}

/* appendBinaryStringInfo() that has no call for the few bytes that fit. */
static inline void
Append(StringInfo to, const void *bytes, int length)
{
	if (length >= to->maxlen - to->len)
		enlargeStringInfo(to, length);
	memcpy(to->data + to->len, bytes, length);
	to->len += length;
}

static void
WriteBytes(StringInfo to, const void *bytes, uint32 length)
{
	WriteLength(to, length);
	Append(to, bytes, (int) length);
}

static void
Damaged(void)
{
	ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED), errmsg("stored row is damaged")));
}

static const char *
Take(StringInfo from, uint32 length)
{
	const char *bytes = from->data + from->cursor;

	if (length > (uint32) (from->len - from->cursor))
		Damaged();
	from->cursor += (int) length;
	return bytes;
}

static uint32
ReadLength(StringInfo from)
{
	uint32 length = 0;

	for (int shift = 0; shift < 32; shift += 7)
	{
		uint8 byte = (uint8) *Take(from, 1);

		length |= (uint32) (byte & 0x7f) << shift;
		if (byte < 0x80)
			return length;
	}
	Damaged();
	return 0;
}

static char *
ReadString(StringInfo from)
{
	uint32 length = ReadLength(from);

	return pnstrdup(Take(from, length), length);
}

/* The base type and, for a domain, its modifier. */
static void
StoredType(LayoutColumn *column)
{
	column->type = getBaseTypeAndTypmod(column->type, &column->typmod);
	column->is_raw = IsAmong(column->type, steady_types, lengthof(steady_types)) ||
					 IsAmong(column->type, raw_types, lengthof(raw_types));
	get_typlenbyval(column->type, &column->len, &column->byval);
}

static bytea *
LayoutBytes(const Layout *layout)
{
	StringInfoData to;
	bytea *bytes;

	initStringInfo(&to);
	appendStringInfoChar(&to, LAYOUT_VERSION);
	appendStringInfoChar(&to, LAYOUT_BYTE_ORDER);
	WriteLength(&to, (uint32) GetDatabaseEncoding());
	WriteLength(&to, layout->relid);
	WriteLength(&to, (uint32) layout->ncolumns);
	for (int i = 0; i < layout->ncolumns; i++)
	{
		const LayoutColumn *column = &layout->columns[i];

		WriteLength(&to, (uint32) column->number);
		WriteLength(&to, column->is_raw ? column->type : InvalidOid);
		WriteLength(&to, (uint32) column->typmod);
		WriteBytes(&to, column->name, (uint32) strlen(column->name));
		WriteBytes(&to, column->declared, (uint32) strlen(column->declared));
	}
	bytes = palloc(VARHDRSZ + to.len);
	SET_VARSIZE(bytes, VARHDRSZ + to.len);
	memcpy(VARDATA(bytes), to.data, to.len);
	return bytes;
}

/* The type of a column as it is declared. */
char *
LayoutDeclared(Form_pg_attribute att)
{
	return format_type_extended(att->atttypid, att->atttypmod,
								FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY);
}

/* The layout of a table's rows as they are now. */
Layout *
LayoutMake(Oid relid, TupleDesc desc)
{
	Layout *layout = palloc0(sizeof(Layout));
	uint8 digest[CRYPTO_SHA256_LEN];

	layout->relid = relid;
	layout->is_steady = true;
	layout->columns = palloc0(sizeof(LayoutColumn) * Max(desc->natts, 1));
	layout->out = palloc0(sizeof(FmgrInfo) * Max(desc->natts, 1));
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);
		LayoutColumn *column = &layout->columns[layout->ncolumns];
		Oid out;
		bool is_varlena;

		if (att->attisdropped)
			continue;
		column->number = att->attnum;
		column->type = att->atttypid;
		column->typmod = att->atttypmod;
		column->name = pstrdup(NameStr(att->attname));
		column->declared = LayoutDeclared(att);
		StoredType(column);
		layout->is_steady = layout->is_steady && IsSteady(column->type);
		if (!column->is_raw)
		{
			layout->has_text = layout->has_text || !IsSteady(column->type);
			getTypeOutputInfo(att->atttypid, &out, &is_varlena);
			fmgr_info_cxt(out, &layout->out[layout->ncolumns], CurrentMemoryContext);
		}
		layout->ncolumns++;
	}
	layout->bytes = LayoutBytes(layout);
	if (!CryptoSha256(VARDATA(layout->bytes), VARSIZE(layout->bytes) - VARHDRSZ, digest))
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not compute a digest")));
	memcpy(layout->id.data, digest, UUID_LEN);
	return layout;
}

/* A layout as it was stored; refuses bytes of a machine that stores otherwise. */
Layout *
LayoutRead(const bytea *bytes)
{
	Layout *layout = palloc0(sizeof(Layout));
	StringInfoData from = {
		.data = (char *) VARDATA_ANY(bytes), .len = (int) VARSIZE_ANY_EXHDR(bytes), .maxlen = -1};

	if (*Take(&from, 1) != LAYOUT_VERSION || *Take(&from, 1) != LAYOUT_BYTE_ORDER ||
		ReadLength(&from) != (uint32) GetDatabaseEncoding())
		ereport(ERROR, (errcode(ERRCODE_ACCOUNT_WRONG_STATE),
						errmsg("stored rows were written by another kind of machine or encoding")));
	layout->relid = ReadLength(&from);
	layout->ncolumns = (int) ReadLength(&from);
	layout->columns = palloc0(sizeof(LayoutColumn) * Max(layout->ncolumns, 1));
	for (int i = 0; i < layout->ncolumns; i++)
	{
		LayoutColumn *column = &layout->columns[i];

		column->number = (AttrNumber) ReadLength(&from);
		column->type = ReadLength(&from);
		column->typmod = (int32) ReadLength(&from);
		column->name = ReadString(&from);
		column->declared = ReadString(&from);
		column->is_raw = OidIsValid(column->type);
		if (column->is_raw)
			get_typlenbyval(column->type, &column->len, &column->byval);
	}
	return layout;
}

static bool
HasColumnNamed(const Layout *layout, const char *name)
{
	for (int i = 0; i < layout->ncolumns; i++)
		if (strcmp(layout->columns[i].name, name) == 0)
			return true;
	return false;
}

/*
 * Where a stored column is in the table now: by its name, or, in the very table
 * it was stored from, at its number under a new name.
 */
static Form_pg_attribute
FindColumn(const Layout *layout, const LayoutColumn *column, Oid relid, TupleDesc desc)
{
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (!att->attisdropped && strcmp(NameStr(att->attname), column->name) == 0)
			return att;
	}
	if (layout->relid == relid && column->number <= desc->natts)
	{
		Form_pg_attribute att = TupleDescAttr(desc, column->number - 1);

		if (!att->attisdropped && !HasColumnNamed(layout, NameStr(att->attname)))
			return att;
	}
	return NULL;
}

static void
MatchColumn(Layout *layout, const LayoutColumn *column, Form_pg_attribute att, ImageTarget *target)
{
	int32 typmod = att->atttypmod;
	Oid base = getBaseTypeAndTypmod(att->atttypid, &typmod);
	Oid function;
	bool is_varlena;

	target->number = att->attnum;
	target->is_skipped = att->attgenerated != '\0';
	if (column->is_raw && base == column->type)
		return;
	target->is_converted = true;
	if (!IsSteady(base) || (column->is_raw && !IsSteady(column->type)))
		layout->has_text = true;
	target->in_type = att->atttypid;
	target->in_typmod = att->atttypmod;
	getTypeInputInfo(att->atttypid, &function, &target->in_param);
	fmgr_info(function, &target->in);
	if (column->is_raw)
	{
		getTypeOutputInfo(column->type, &function, &is_varlena);
		fmgr_info(function, &target->out);
	}
}

/* For each stored column, its place in the table as it is now. */
ImageTarget *
LayoutMatch(Layout *layout, Oid relid, TupleDesc desc)
{
	ImageTarget *targets = palloc0(sizeof(ImageTarget) * Max(layout->ncolumns, 1));

	for (int i = 0; i < layout->ncolumns; i++)
	{
		Form_pg_attribute att = FindColumn(layout, &layout->columns[i], relid, desc);

		if (att != NULL)
			MatchColumn(layout, &layout->columns[i], att, &targets[i]);
	}
	return targets;
}

/* The columns ImageRead() gives, in its order, under their present names. */
TupleDesc
LayoutDesc(const Layout *layout, const ImageTarget *targets, TupleDesc table)
{
	TupleDesc desc;
	int n = 0;

	for (int i = 0; i < layout->ncolumns; i++)
		n += ImageIsKept(&targets[i]);
	desc = CreateTemplateTupleDesc(n);
	n = 0;
	for (int i = 0; i < layout->ncolumns; i++)
	{
		const ImageTarget *target = &targets[i];
		const LayoutColumn *column = &layout->columns[i];

		if (!ImageIsKept(target))
			continue;
		TupleDescInitEntry(desc, (AttrNumber) ++n,
						   NameStr(TupleDescAttr(table, target->number - 1)->attname),
						   target->is_converted ? target->in_type : column->type,
						   target->is_converted ? target->in_typmod : column->typmod, 0);
		TupleDescInitEntryCollation(desc, (AttrNumber) n,
									TupleDescAttr(table, target->number - 1)->attcollation);
	}
	return desc;
}

static void
WriteRaw(StringInfo to, const LayoutColumn *column, Datum value)
{
	if (column->len == -1)
	{
		struct varlena *bytes = PG_DETOAST_DATUM_PACKED(value);

		WriteBytes(to, VARDATA_ANY(bytes), (uint32) VARSIZE_ANY_EXHDR(bytes));
		if ((Pointer) bytes != DatumGetPointer(value))
			pfree(bytes);
	}
	else if (column->byval)
	{
		char bytes[sizeof(Datum)];

		store_att_byval(bytes, value, column->len);
		Append(to, bytes, column->len);
	}
	else
		Append(to, DatumGetPointer(value), column->len);
}

/* Appends the row in slot.  With has_text the caller has pinned the settings. */
void
ImageWrite(StringInfo to, Layout *layout, TupleTableSlot *slot)
{
	int bitmap = to->len;

	slot_getallattrs(slot);
	appendStringInfoSpaces(to, (layout->ncolumns + 7) / 8);
	memset(to->data + bitmap, 0, (layout->ncolumns + 7) / 8);
	for (int i = 0; i < layout->ncolumns; i++)
	{
		const LayoutColumn *column = &layout->columns[i];
		Datum value = slot->tts_values[column->number - 1];

		if (slot->tts_isnull[column->number - 1])
			to->data[bitmap + i / 8] |= (char) (1 << (i % 8));
		else if (column->is_raw)
			WriteRaw(to, column, value);
		else
		{
			char *text = OutputFunctionCall(&layout->out[i], value);

			WriteBytes(to, text, (uint32) strlen(text));
			pfree(text);
		}
	}
}

static Datum
ReadRaw(StringInfo from, const LayoutColumn *column)
{
	uint32 length = column->len == -1 ? ReadLength(from) : (uint32) column->len;
	const char *bytes = Take(from, length);
	char *copy;

	if (column->len == -1)
	{
		copy = palloc(VARHDRSZ + length);
		SET_VARSIZE(copy, VARHDRSZ + length);
		memcpy(VARDATA(copy), bytes, length);
		return PointerGetDatum(copy);
	}
	copy = palloc(Max(length, sizeof(Datum)));
	memcpy(copy, bytes, length);
	return column->byval ? fetch_att(copy, true, column->len) : PointerGetDatum(copy);
}

static Datum
ReadValue(StringInfo from, const LayoutColumn *column, ImageTarget *target)
{
	Datum value = (Datum) 0;
	char *text;

	if (column->is_raw)
		value = ReadRaw(from, column);
	if (column->is_raw && (target->number == 0 || !target->is_converted))
		return value;
	text = column->is_raw ? OutputFunctionCall(&target->out, value) : ReadString(from);
	if (!ImageIsKept(target))
		return (Datum) 0;
	return InputFunctionCall(&target->in, text, target->in_param, target->in_typmod);
}

/*
 * The next row, in the columns of LayoutDesc().  Input functions of domains run
 * checks of the application: the caller has become the table's owner.
 */
void
ImageRead(StringInfo from, Layout *layout, ImageTarget *targets, Datum *values, bool *nulls)
{
	const char *bitmap = Take(from, (uint32) (layout->ncolumns + 7) / 8);
	int n = 0;

	for (int i = 0; i < layout->ncolumns; i++)
	{
		bool isnull = (bitmap[i / 8] & (1 << (i % 8))) != 0;
		Datum value;

		layout->reading = layout->columns[i].name;
		value = isnull ? (Datum) 0 : ReadValue(from, &layout->columns[i], &targets[i]);
		if (!ImageIsKept(&targets[i]))
			continue;
		values[n] = value;
		nulls[n] = isnull;
		n++;
	}
}
