/*
 * auto_top_up.h
 *		What other domains need to know of automatic top-ups.
 */
#ifndef ACCOUNT_AUTO_TOP_UP_H
#define ACCOUNT_AUTO_TOP_UP_H

#include "postgres.h"

#include "utils/uuid.h"

extern void AutoTopUpStop(const pg_uuid_t *workspace_id);

#endif /* ACCOUNT_AUTO_TOP_UP_H */
