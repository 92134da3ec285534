/*
 * card_number.c
 *		Keeping card numbers out.
 *
 * A card number is 13 to 19 digits (ISO/IEC 7812-1) of which the last is the check
 * digit of the others by Luhn's formula (its annex B).  People write them in
 * groups, with something in between and more digits before or after: so it is
 * looked for in every sequence of whole groups that stand next to each other.
 */
#include "postgres.h"

#include <ctype.h>

#include "base/errors.h"
#include "credit/card_number.h"

#define MIN_DIGITS 13
#define MAX_DIGITS 19

static bool
IsDigit(char c)
{
	return c >= '0' && c <= '9';
}

/* What may stand between groups: all but letters and digits. */
static bool
IsBetween(char c)
{
	return IS_HIGHBIT_SET(c) || !isalnum((unsigned char) c);
}

/* Every second digit from the right is doubled, the digits of all are added up. */
static bool
IsLuhn(const uint8 *digits, int count)
{
	int sum = 0;

	for (int i = 0; i < count; i++)
	{
		int digit = digits[count - 1 - i];

		if (i % 2 == 1)
			digit = digit * 2 > 9 ? digit * 2 - 9 : digit * 2;
		sum += digit;
	}
	return sum % 10 == 0;
}

/* Whether a card number begins here, where a group of digits does. */
static bool
IsCardNumber(const char *s)
{
	uint8 digits[MAX_DIGITS];
	int count = 0;

	for (; IsDigit(*s) || (*s != '\0' && IsBetween(*s)); s++)
	{
		if (!IsDigit(*s))
			continue;
		if (count == MAX_DIGITS)
			return false;
		digits[count++] = (uint8) (*s - '0');
		if (!IsDigit(s[1]) && count >= MIN_DIGITS && IsLuhn(digits, count))
			return true;
	}
	return false;
}

/* 22023 when the text, which what names, holds a card number; never says which. */
void
CardNumberRefuse(const char *value, const char *what)
{
	for (const char *s = value; *s != '\0'; s++)
		if (IsDigit(*s) && (s == value || !IsDigit(s[-1])) && IsCardNumber(s))
			ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID),
							errmsg("invalid %s: it contains a card number", what),
							errhint("Give what the payment processor calls the card; its number "
									"must not be kept here.")));
}
