/*
 * event_chain.h
 *		The hash chain of each workspace's events.
 */
#ifndef ACCOUNT_EVENT_CHAIN_H
#define ACCOUNT_EVENT_CHAIN_H

#include "postgres.h"

#include "utils/uuid.h"

#include "base/crypto.h"

extern void EventChainInit(void);
extern const pg_uuid_t *EventChainLink(const pg_uuid_t *workspace_id);
extern void EventChainAdd(const pg_uuid_t *workspace_id, const uint8 digest[CRYPTO_SHA256_LEN]);
extern bool EventChainIsOpen(const pg_uuid_t *link_id);

#endif /* ACCOUNT_EVENT_CHAIN_H */
