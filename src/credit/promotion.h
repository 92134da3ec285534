/*
 * promotion.h
 *		Credit that other domains bring about.
 */
#ifndef ACCOUNT_PROMOTION_H
#define ACCOUNT_PROMOTION_H

#include "postgres.h"

#include "utils/timestamp.h"
#include "utils/uuid.h"

extern void PromotionSignup(const pg_uuid_t *workspace_id);
extern void PromotionCompany(const pg_uuid_t *workspace_id);
extern void PromotionMonthly(const pg_uuid_t *workspace_id, int seats, TimestampTz began_at);
extern void PromotionRedeem(const pg_uuid_t *workspace_id, const char *code);
extern void ReferralFollow(const pg_uuid_t *workspace_id, const char *code);

#endif /* ACCOUNT_PROMOTION_H */
