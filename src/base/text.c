/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Text from outside, made fit for messages. */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "portfwd/base/text.h"

/* Characters of two and three bytes that deceive, as ranges of their last byte. */
static const struct {
	const char *lead;
	unsigned char first, last;
} hazards[] = {
	{ "\xc2", 0x80, 0x9f },		/* C1 controls */
	{ "\xd8", 0x9c, 0x9c },		/* U+061C, Arabic letter mark */
	{ "\xe2\x80", 0x8e, 0x8f },	/* U+200E, U+200F: marks */
	{ "\xe2\x80", 0xa8, 0xae },	/* U+2028, U+2029: line breaks; U+202A-202E: overrides */
	{ "\xe2\x81", 0xa6, 0xa9 },	/* U+2066-2069: isolates */
};

size_t pfw_text_hazard(const char *text, size_t len)
{
	unsigned char byte;
	size_t i, lead;

	if (!len)
		return 0;
	byte = (unsigned char)*text;
	if (byte < ' ' || byte == 0x7f)
		return 1;
	if (byte < 0x80)
		return 0;
	for (i = 0; i < sizeof(hazards) / sizeof(hazards[0]); i++) {
		lead = strlen(hazards[i].lead);
		if (len <= lead || memcmp(text, hazards[i].lead, lead) != 0)
			continue;
		byte = (unsigned char)text[lead];
		if (byte >= hazards[i].first && byte <= hazards[i].last)
			return lead + 1;
	}
	return 0;
}

/* The length of the valid UTF-8 character at text, or 0 (RFC 3629). */
static size_t utf8_len(const unsigned char *text)
{
	static const struct {
		unsigned char mask, lead;
		uint32_t lowest;
	} forms[] = { { 0x80, 0, 0 }, { 0xe0, 0xc0, 0x80 }, { 0xf0, 0xe0, 0x800 },
		      { 0xf8, 0xf0, 0x10000 } };
	uint32_t value;
	size_t len, i;

	for (len = 1; len <= 4; len++) {
		if ((text[0] & forms[len - 1].mask) != forms[len - 1].lead)
			continue;
		value = text[0] & (unsigned char)~forms[len - 1].mask;
		for (i = 1; i < len; i++) {
			if ((text[i] & 0xc0) != 0x80)
				return 0;
			value = value << 6 | (text[i] & 0x3f);
		}
		if (value < forms[len - 1].lowest || value > 0x10ffff ||
		    (value >= 0xd800 && value <= 0xdfff))
			return 0;
		return len;
	}
	return 0;
}

void pfw_text_clean(char *text)
{
	size_t left = strlen(text), hazard, len;
	char *to = text;

	for (; left; text += len, left -= len) {
		hazard = pfw_text_hazard(text, left);
		len = hazard ? hazard : utf8_len((const unsigned char *)text);
		if (!hazard && len) {
			memmove(to, text, len);
			to += len;
			continue;
		}
		*to++ = '?';
		if (!len)
			len = 1;
	}
	*to = '\0';
}

static bool is_plain(const char *text, size_t len)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789._:%/@+*[]-";
	size_t i;

	for (i = 0; i < len; i++)
		if (!text[i] || !strchr(plain, text[i]))
			return false;
	return len > 0;
}

const char *pfw_text_quote(const char *text, size_t len, char buf[PFW_QUOTE_SIZE])
{
	/* Room for two quotes, three dots and the end. */
	const size_t room = PFW_QUOTE_SIZE - 6;
	const char *quote = is_plain(text, len) ? "" : "\"";
	size_t i, hazard, at = 0, shown = len < room ? len : room;

	/* Never half a character at the cut. */
	while (shown < len && shown && ((unsigned char)text[shown] & 0xc0) == 0x80)
		shown--;
	if (*quote)
		buf[at++] = '"';
	for (i = 0; i < shown; i += hazard ? hazard : 1) {
		hazard = pfw_text_hazard(text + i, shown - i);
		buf[at++] = hazard ? '?' : text[i];
	}
	if (shown < len) {
		memcpy(buf + at, "...", 3);
		at += 3;
	}
	if (*quote)
		buf[at++] = '"';
	buf[at] = '\0';
	return buf;
}
