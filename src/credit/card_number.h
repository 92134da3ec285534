/*
 * card_number.h
 *		Keeping card numbers out.
 */
#ifndef ACCOUNT_CARD_NUMBER_H
#define ACCOUNT_CARD_NUMBER_H

#include "postgres.h"

extern void CardNumberRefuse(const char *value, const char *what);

#endif /* ACCOUNT_CARD_NUMBER_H */
