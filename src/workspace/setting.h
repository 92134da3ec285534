/*
 * setting.h
 *		Settings of a workspace.
 */
#ifndef ACCOUNT_SETTING_H
#define ACCOUNT_SETTING_H

#include "workspace/merge_patch.h"

extern const PatchTarget setting_target;

#endif /* ACCOUNT_SETTING_H */
