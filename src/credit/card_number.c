/*
 * card_number.c
 *		Keeping card numbers out.
 *
 * A card number is 13 to 19 digits (ISO/IEC 7812-1) of which the last is the check
 * digit of the others by Luhn's formula (its annex B).  People write them in
 * groups, with something in between and more digits before or after: so it is
 * looked for in every sequence of whole groups that stand next to each other, and
 * the digits of every script count.
 */
#include "postgres.h"

#include <ctype.h>

#include "mb/pg_wchar.h"

#include "base/errors.h"
#include "credit/card_number.h"

#define MIN_DIGITS 13
#define MAX_DIGITS 19

/* The zeros of the scripts in Unicode's basic plane (its category Nd); the other nine follow each. */
static const pg_wchar zeros[] = {
	0x0660, 0x06F0, 0x07C0, 0x0966, 0x09E6, 0x0A66, 0x0AE6, 0x0B66, 0x0BE6, 0x0C66, 0x0CE6, 0x0D66,
	0x0DE6, 0x0E50, 0x0ED0, 0x0F20, 0x1040, 0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80, 0x1A90,
	0x1B50, 0x1BB0, 0x1C40, 0x1C50, 0xA620, 0xA8D0, 0xA900, 0xA9D0, 0xA9F0, 0xAA50, 0xABF0, 0xFF10,
};

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

/* The digit that a character is, in ASCII; '\0' when it is none. */
static char
DigitOf(pg_wchar c)
{
	for (size_t i = 0; i < lengthof(zeros); i++)
		if (c >= zeros[i] && c <= zeros[i] + 9)
			return (char) ('0' + (c - zeros[i]));
	return '\0';
}

/* The text with the digits of all scripts in ASCII. */
static char *
WithAsciiDigits(const char *value)
{
	char *result = palloc(strlen(value) + 1);
	char *to = result;
	int len;

	if (GetDatabaseEncoding() != PG_UTF8)
		return strcpy(result, value);
	for (const char *from = value; *from != '\0'; from += len)
	{
		char digit = IS_HIGHBIT_SET(*from) ? DigitOf(utf8_to_unicode((const unsigned char *) from))
										   : '\0';

		len = pg_mblen(from);
		if (digit != '\0')
			*to++ = digit;
		else
		{
			memcpy(to, from, len);
			to += len;
		}
	}
	*to = '\0';
	return result;
}

/* 22023 when the text, which what names, holds a card number; never says which. */
void
CardNumberRefuse(const char *value, const char *what)
{
	const char *text = WithAsciiDigits(value);

	for (const char *s = text; *s != '\0'; s++)
		if (IsDigit(*s) && (s == text || !IsDigit(s[-1])) && IsCardNumber(s))
			ereport(ERROR, (errcode(ERRCODE_ACCOUNT_INVALID),
							errmsg("invalid %s: it contains a card number", what),
							errhint("Give what the payment processor calls the card; its number "
									"must not be kept here.")));
}
