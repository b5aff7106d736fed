/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What was typed as JSON texts. */
#include "config.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "portfwd/base/time.h"
#include "words.h"

static bool is_ascii(const char *text, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if ((unsigned char)text[i] > 0x7f)
			return false;
	return true;
}

int pfw_words_text(const char *path, const char *text, size_t len, json_t **ret,
		   struct pfw_error *err)
{
	json_t *json = json_stringn(text, len);
	size_t mark;

	if (json) {
		*ret = json;
		return 0;
	}
	/* jansson says no more than NULL. */
	if (is_ascii(text, len))
		return pfw_fail_memory(err);
	mark = pfw_error_enter(err, ".%s", path);
	pfw_error_add(err, PFW_FAILED, "this is not UTF-8 text");
	pfw_error_leave(err, mark);
	return -EINVAL;
}

int pfw_words_split(const char *path, const char *text, size_t len, char separator,
		    json_t **ret, struct pfw_error *err)
{
	const char *end = text + len, *part = text, *to;
	json_t *list = json_array(), *word;
	int res = 0;

	while (!res) {
		to = memchr(part, separator, (size_t)(end - part));
		if (!to)
			to = end;
		res = pfw_words_text(path, part, (size_t)(to - part), &word, err);
		if (!res && json_array_append_new(list, word))
			res = pfw_fail_memory(err);
		if (to == end)
			break;
		part = to + 1;
	}
	if (res)
		json_decref(list);
	else
		*ret = list;
	return res;
}

int pfw_words_join(const char *path, const char *text, size_t len, char separator,
		   json_t **ret, struct pfw_error *err)
{
	if (memchr(text, separator, len))
		return pfw_words_split(path, text, len, separator, ret, err);
	return pfw_words_text(path, text, len, ret, err);
}

static const char *last_char(const char *text, const char *end, char c)
{
	return memrchr(text, c, (size_t)(end - text));
}

/*
 * The address in "ADDR:PORTS", without brackets. Returns where the ports begin, or
 * text itself if there is no address, or what stands there could be read two ways.
 */
static const char *cut_address(const char *text, const char *end, const char **ret_address,
			       size_t *ret_len)
{
	const char *colon = last_char(text, end, ':');

	if (!colon)
		return text;
	if (*text == '[' && colon[-1] == ']') {
		*ret_address = text + 1;
		*ret_len = (size_t)(colon - 1 - *ret_address);
	} else if (memchr(text, ':', (size_t)(end - text)) == colon) {
		*ret_address = text;
		*ret_len = (size_t)(colon - text);
	} else {
		return text;
	}
	return colon + 1;
}

static int set_word(json_t *object, const char *key, const char *text, size_t len, char separator,
		    struct pfw_error *err)
{
	char path[32];
	json_t *word;
	int ret;

	snprintf(path, sizeof(path), "listen.%s", key);
	ret = pfw_words_join(path, text, len, separator, &word, err);
	if (ret)
		return ret;
	return json_object_set_new(object, key, word) ? pfw_fail_memory(err) : 0;
}

/* The last '/', unless it belongs to an address with a prefix, which the service refuses. */
static const char *protocol_slash(const char *text, const char *end)
{
	const char *slash = last_char(text, end, '/');

	return slash && !strpbrk(slash, ":]") ? slash : NULL;
}

int pfw_words_listen(const char *text, json_t **ret, struct pfw_error *err)
{
	const char *end = text + strlen(text), *slash = protocol_slash(text, end);
	const char *ports, *address = NULL, *stop = slash ? slash : end;
	json_t *object = json_object();
	size_t len = 0;
	int res = 0;

	ports = cut_address(text, stop, &address, &len);
	if (address)
		res = set_word(object, "address", address, len, '\0', err);
	if (!res)
		res = set_word(object, "port", ports, (size_t)(stop - ports), ',', err);
	if (!res && slash)
		res = set_word(object, "protocol", slash + 1, (size_t)(end - slash - 1), '+', err);
	if (res)
		json_decref(object);
	else
		*ret = object;
	return res;
}

#define INTEGER_DIGITS 18	/* that always fit */

/* A whole number as such, and everything else as text. */
static int limit_value(const char *key, const char *text, size_t len, json_t **ret,
		       struct pfw_error *err)
{
	char path[32];

	snprintf(path, sizeof(path), "limit.%.20s", key);
	if (!len || len > INTEGER_DIGITS || strspn(text, "0123456789") < len)
		return pfw_words_text(path, text, len, ret, err);
	*ret = json_integer(strtoll(text, NULL, 10));
	return *ret ? 0 : pfw_fail_memory(err);
}

/* One "KEY=VALUE". */
static int set_limit(json_t *object, const char *part, size_t len, struct pfw_error *err)
{
	const char *equals = memchr(part, '=', len);
	size_t key_len = equals ? (size_t)(equals - part) : 0;
	json_t *value;
	char key[32];
	int ret;

	if (!key_len || key_len >= sizeof(key))
		return pfw_fail(err, PFW_USAGE, -EINVAL, "--limit takes KEY=VALUE[,KEY=VALUE...] "
				"with the keys rate, burst and connections, not \"%.*s\"",
				(int)(len < 60 ? len : 60), part);
	snprintf(key, sizeof(key), "%.*s", (int)key_len, part);
	if (json_object_get(object, key))
		return pfw_fail(err, PFW_USAGE, -EINVAL, "--limit has \"%s\" twice", key);
	ret = limit_value(key, equals + 1, len - key_len - 1, &value, err);
	if (!ret && json_object_set_new(object, key, value))
		ret = pfw_fail(err, PFW_USAGE, -EINVAL, "--limit: the keys are rate, burst and "
			       "connections");
	return ret;
}

int pfw_words_limit(const char *text, json_t **ret, struct pfw_error *err)
{
	json_t *object = json_object();
	size_t len;
	int res = object ? 0 : pfw_fail_memory(err);

	for (; !res; text += len + 1) {
		len = strcspn(text, ",");
		res = set_limit(object, text, len, err);
		if (!text[len])
			break;
	}
	if (res)
		json_decref(object);
	else
		*ret = object;
	return res;
}

/* Every time has these, and no duration has. */
static bool is_time(const char *text)
{
	return strpbrk(text, "-:Tt") != NULL;
}

int pfw_words_expires(const char *text, int64_t now, json_t **ret, struct pfw_error *err)
{
	char buf[PFW_TIME_TEXT];
	int64_t duration;
	size_t mark;
	int res;

	if (is_time(text))
		return pfw_words_text("expires", text, strlen(text), ret, err);
	mark = pfw_error_enter_key(err, "expires");
	res = pfw_duration_parse(text, strlen(text), &duration, err);
	if (!res && duration > PFW_TIME_MAX - now)
		res = pfw_error_add(err, PFW_FAILED, "%s is too long a duration", text);
	pfw_error_leave(err, mark);
	if (res)
		return res;
	pfw_time_print(now + duration, buf);
	return pfw_words_text("expires", buf, strlen(buf), ret, err);
}
