/*
 * retention.h
 *		Deleting events whose time is over.
 */
#ifndef ACCOUNT_RETENTION_H
#define ACCOUNT_RETENTION_H

extern void RetentionInit(void);

#endif /* ACCOUNT_RETENTION_H */
