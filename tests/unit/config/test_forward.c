/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Right values: what they become, and that each style parses to the same again. */
#include "cases.h"
#include "portfwd/config/config.h"

static const struct {
	const char *forward, *concise, *listen, *target;
} right[] = {
	{ "{'listen':'8080','target':'10.0.0.2:80'}",
	  "{'listen': '8080', 'target': '10.0.0.2:80'}", "8080/tcp", "10.0.0.2:80" },
	{ "{'name':'web','listen':'80,443','target':'self'}",
	  "{'name': 'web', 'listen': '80,443', 'target': 'self'}", "80,443/tcp", "self" },
	{ "{'listen':'53/udp+tcp','target':['10.0.0.53','fd00::53']}",
	  "{'listen': '53/tcp+udp', 'target': ['10.0.0.53', '[fd00::53]']}", "53/tcp+udp",
	  "10.0.0.53,[fd00::53]" },
	{ "{'listen':'*:80','target':'self:8080'}", "{'listen': '80', 'target': 'self:8080'}",
	  "80/tcp", "self:8080" },
	{ "{'listen':'0.0.0.0:80','target':'10.0.0.2'}",
	  "{'listen': '0.0.0.0:80', 'target': '10.0.0.2'}", "0.0.0.0:80/tcp", "10.0.0.2" },
	{ "{'listen':'[::]:80/sctp','target':'[fd00::2]:81'}",
	  "{'listen': '[::]:80/sctp', 'target': '[fd00::2]:81'}", "[::]:80/sctp", "[fd00::2]:81" },
	{ "{'listen':'[2001:DB8::1]:443/udp','target':'2001:db8:0:0:0:0:0:3'}",
	  "{'listen': '[2001:db8::1]:443/udp', 'target': '[2001:db8::3]'}",
	  "[2001:db8::1]:443/udp", "[2001:db8::3]" },
	{ "{'listen':{'port':[80,'81,82'],'interface':'wan0'},'target':{'address':'self','port':80}}",
	  "{'listen': {'interface': 'wan0', 'port': '80,81,82'}, 'target': 'self:80'}",
	  "80,81,82/tcp on wan0", "self:80" },
	{ "{'listen':{'port':'80','address':['10.0.0.1','fd00::1'],'interface':[],"
	  "'protocol':['udp','sctp']},'target':[{'address':'10.0.0.2','port':null},'fd00::2']}",
	  "{'listen': {'address': ['10.0.0.1', 'fd00::1'], 'port': '80', "
	  "'protocol': ['udp', 'sctp']}, 'target': ['10.0.0.2', '[fd00::2]']}",
	  "10.0.0.1,[fd00::1]:80/udp+sctp", "10.0.0.2,[fd00::2]" },
	{ "{'listen':{'port':80,'address':['*']},'target':'fd00::80'}",
	  "{'listen': '80', 'target': '[fd00::80]'}", "80/tcp", "[fd00::80]" },
	{ "{'listen':'127.0.0.1:80','target':'self:8080','enabled':false,'snat':'none',"
	  "'hairpin':false,'local':true,'comment':'caf\xc3\xa9'}",
	  "{'comment': 'caf\xc3\xa9', 'enabled': false, 'listen': '127.0.0.1:80', "
	  "'target': 'self:8080', 'snat': 'none', 'hairpin': false, 'local': true}",
	  "127.0.0.1:80/tcp", "self:8080" },
	{ "{'listen':'169.254.169.254:80','target':'10.0.0.2','snat':'masquerade','comment':null}",
	  "{'listen': '169.254.169.254:80', 'target': '10.0.0.2', 'snat': 'masquerade'}",
	  "169.254.169.254:80/tcp", "10.0.0.2" },
};

static void turn(char *text, char from, char to)
{
	for (; *text; text++)
		if (*text == from)
			*text = to;
}

static void parse(const char *text, struct pfw_arena *arena, struct pfw_forward *ret)
{
	struct pfw_error err = PFW_ERROR_INIT;
	char buf[1024];
	json_t *json;

	snprintf(buf, sizeof(buf), "%s", text);
	turn(buf, '\'', '"');
	json = json_loads(buf, JSON_REJECT_DUPLICATES, NULL);
	ck_assert_msg(json != NULL, "%s", buf);
	ck_assert_msg(pfw_forward_parse(json, arena, ret, &err) == 0, "%s: %s: %s", buf,
		      err.item[0].path, err.item[0].message);
	json_decref(json);
}

static char *print(const struct pfw_forward *forward, enum pfw_json_style style)
{
	json_t *json = pfw_forward_json(forward, &pfw_settings_default, style);
	char *text = json_dumps(json, 0);

	ck_assert_ptr_nonnull(text);
	json_decref(json);
	turn(text, '"', '\'');
	return text;
}

START_TEST(test_round_trip)
{
	struct pfw_arena arena = { 0 };
	struct pfw_forward forward, again;
	struct pfw_buffer listen, target;
	char *text, *second;
	size_t i;

	for (i = 0; i < COUNT(right); i++) {
		parse(right[i].forward, &arena, &forward);
		text = print(&forward, PFW_CONCISE);
		ck_assert_str_eq(text, right[i].concise);
		parse(text, &arena, &again);
		ck_assert(pfw_forward_equal(&forward, &again));
		free(text);
		/* Canonical text has no unset option, so it is compared as text. */
		text = print(&forward, PFW_CANONICAL);
		parse(text, &arena, &again);
		second = print(&again, PFW_CANONICAL);
		ck_assert_str_eq(text, second);
		ck_assert(pfw_listen_equal(&forward.listen, &again.listen));
		free(second);
		free(text);
		listen = target = (struct pfw_buffer){ 0 };
		pfw_listen_print(&forward.listen, &listen);
		pfw_target_print(&forward, &target);
		ck_assert_str_eq(listen.data, right[i].listen);
		ck_assert_str_eq(target.data, right[i].target);
		pfw_buffer_free(&listen);
		pfw_buffer_free(&target);
	}
	pfw_arena_free(&arena);
}
END_TEST

START_TEST(test_canonical_has_every_option)
{
	struct pfw_arena arena = { 0 };
	struct pfw_forward forward;
	char *text;

	parse("{'target':'10.0.0.2:80','listen':'53/udp','name':'dns'}", &arena, &forward);
	text = print(&forward, PFW_CANONICAL);
	ck_assert_str_eq(text,
			 "{'name': 'dns', 'comment': null, 'enabled': true, 'listen': "
			 "{'address': [], 'interface': [], 'port': '53', 'protocol': ['udp']}, "
			 "'target': [{'address': '10.0.0.2', 'port': '80'}], 'snat': 'auto', "
			 "'hairpin': true, 'local': true}");
	free(text);
	pfw_arena_free(&arena);
}
END_TEST

START_TEST(test_canonical_takes_the_settings)
{
	struct pfw_settings settings = pfw_settings_default;
	struct pfw_arena arena = { 0 };
	struct pfw_forward forward;
	json_t *json;

	settings.snat = PFW_SNAT_NONE;
	settings.hairpin = false;
	parse("{'target':'10.0.0.2:80','listen':'53/udp','hairpin':true}", &arena, &forward);
	json = pfw_forward_json(&forward, &settings, PFW_CANONICAL);
	ck_assert_str_eq(json_string_value(json_object_get(json, "snat")), "none");
	ck_assert(json_is_true(json_object_get(json, "hairpin")));
	ck_assert_ptr_null(json_object_get(json, "name"));
	json_decref(json);
	pfw_arena_free(&arena);
}
END_TEST

START_TEST(test_settings)
{
	struct pfw_settings settings = pfw_settings_default;
	json_t *json = pfw_settings_json(&settings, PFW_CANONICAL);
	char *text = json_dumps(json, 0);

	turn(text, '"', '\'');
	ck_assert_str_eq(text, "{'backend': 'auto', 'ip_forward': true, 'guard': true, 'counters': true, "
			 "'hairpin': true, 'local': true, 'snat': 'auto'}");
	free(text);
	json_decref(json);
	settings.counters = false;
	json = pfw_settings_json(&settings, PFW_CONCISE);
	text = json_dumps(json, 0);
	ck_assert_str_eq(text, "{\"counters\": false}");
	free(text);
	json_decref(json);
}
END_TEST

TCase *forward_case(void)
{
	TCase *tcase;

	UNIT_CASE(tcase, "forward", test_round_trip, test_canonical_has_every_option,
		  test_canonical_takes_the_settings, test_settings);
	return tcase;
}
