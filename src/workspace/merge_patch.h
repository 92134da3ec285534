/*
 * merge_patch.h
 *		Merge patches (RFC 7396) on what a workspace has: settings, a profile.
 */
#ifndef ACCOUNT_MERGE_PATCH_H
#define ACCOUNT_MERGE_PATCH_H

#include "postgres.h"

#include "utils/jsonb.h"

#include "base/query.h"
#include "workspace/workspace.h"

typedef enum
{
	PATCH_ALL,
	PATCH_TEAMS,
	PATCH_PEOPLE,
} PatchAudience;

/* A field that a patch may hold; a column has its name. */
typedef struct PatchField
{
	const char *name;
	enum jbvType type;	  /* jbvBool or jbvString */
	const char *reset_to; /* JSON, put by null; NULL: null is refused */
	/* raises with the field's rule, or puts the value as it is kept; NULL: any of the type will do */
	void (*check)(const struct PatchField *field, JsonbValue *value);
	int max; /* for that */
	PatchAudience whose;
	const char *group; /* the object it is a member of: "links" of "links_x"; NULL: none */
} PatchField;

typedef struct PatchTarget
{
	const char *resource_type; /* of the events */
	const char *what;		   /* in errors */
	const PatchField *fields;
	int nfields;
	/* an empty string is as null where that may be */
	bool is_empty_null;
	/* (workspace, {"field": value, …}) → all fields as they are, and as they would be with these */
	Statement *preview;
	Statement *write;
	/* what else a change does; NULL: nothing */
	void (*after)(const Workspace *workspace);
} PatchTarget;

extern const char *PatchPath(const PatchField *field);
extern char *PatchString(const JsonbValue *value);
extern Jsonb *PatchRead(const PatchTarget *target, const Workspace *workspace, Jsonb *patch);
extern Jsonb *PatchFields(const PatchTarget *target, const Workspace *workspace);
extern void PatchApply(const PatchTarget *target, const Workspace *workspace, Jsonb *values);

#endif /* ACCOUNT_MERGE_PATCH_H */
