/*
 * profile.h
 *		The profile of a person or team.
 */
#ifndef ACCOUNT_PROFILE_H
#define ACCOUNT_PROFILE_H

#include "workspace/merge_patch.h"

extern const PatchTarget profile_target;

extern void ProfileCheckLink(const PatchField *field, JsonbValue *value);
extern void ProfileCheckWebsite(const PatchField *field, JsonbValue *value);
extern void ProfileCheckImage(const PatchField *field, JsonbValue *value);
extern void ProfileCheckUseCase(const PatchField *field, JsonbValue *value);

#endif /* ACCOUNT_PROFILE_H */
