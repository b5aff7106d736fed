/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Right values: what they become, and that each style parses to the same again. */
#include <sys/socket.h>

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
	/* ranges: kept, shifted, many to one, in a list */
	{ "{'listen':'8000-8100','target':'10.0.0.2'}",
	  "{'listen': '8000-8100', 'target': '10.0.0.2'}", "8000-8100/tcp", "10.0.0.2" },
	{ "{'listen':{'port':'8000-8100'},'target':{'address':'fd00::2','port':'80-180'}}",
	  "{'listen': '8000-8100', 'target': '[fd00::2]:80-180'}", "8000-8100/tcp",
	  "[fd00::2]:80-180" },
	{ "{'listen':'1-65535/udp','target':'self:53'}",
	  "{'listen': '1-65535/udp', 'target': 'self:53'}", "1-65535/udp", "self:53" },
	{ "{'listen':{'port':[22,'80-90,100-110']},'target':'10.0.0.2:80'}",
	  "{'listen': '22,80-90,100-110', 'target': '10.0.0.2:80'}", "22,80-90,100-110/tcp",
	  "10.0.0.2:80" },
	{ "{'listen':'8000-8100','target':['10.0.0.3:80-180','[fd00::4]:80']}",
	  "{'listen': '8000-8100', 'target': ['10.0.0.3:80-180', '[fd00::4]:80']}",
	  "8000-8100/tcp", "10.0.0.3:80-180,[fd00::4]:80" },
	/* several targets */
	{ "{'listen':'80','target':[{'address':'10.0.0.2','weight':3},"
	  "{'address':'10.0.0.3','weight':1},{'address':'fd00::2','weight':1000}],"
	  "'balance':'source'}",
	  "{'listen': '80', 'target': [{'address': '10.0.0.2', 'weight': 3}, '10.0.0.3', "
	  "{'address': 'fd00::2', 'weight': 1000}], 'balance': 'source'}", "80/tcp",
	  "10.0.0.2 weight 3,10.0.0.3,[fd00::2] weight 1000" },
	{ "{'listen':'80','target':['10.0.0.2:80','10.0.0.2:81'],'balance':'round-robin'}",
	  "{'listen': '80', 'target': ['10.0.0.2:80', '10.0.0.2:81'], 'balance': 'round-robin'}",
	  "80/tcp", "10.0.0.2:80,10.0.0.2:81" },
	{ "{'listen':'80','target':'10.0.0.2','balance':'random'}",
	  "{'listen': '80', 'target': '10.0.0.2'}", "80/tcp", "10.0.0.2" },
	/* source */
	{ "{'listen':'80','target':['10.0.0.2','fd00::2'],'source':['!203.0.113.7',"
	  "'203.0.113.0/24','2001:DB8:1::/48','!2001:db8:1:2::/64','203.0.113.0/25']}",
	  "{'listen': '80', 'target': ['10.0.0.2', '[fd00::2]'], 'source': ['203.0.113.0/24', "
	  "'2001:db8:1::/48', '203.0.113.0/25', '!203.0.113.7', '!2001:db8:1:2::/64']}", "80/tcp",
	  "10.0.0.2,[fd00::2]" },
	{ "{'listen':'80','target':'self','source':['0.0.0.0/0']}",
	  "{'listen': '80', 'target': 'self', 'source': '0.0.0.0/0'}", "80/tcp", "self" },
	{ "{'listen':'80','target':'self','source':'!10.0.0.1/32'}",
	  "{'listen': '80', 'target': 'self', 'source': '!10.0.0.1'}", "80/tcp", "self" },
	{ "{'listen':'80','target':'self','source':[]}", "{'listen': '80', 'target': 'self'}",
	  "80/tcp", "self" },
	/* snat to an address, log, limit, expires */
	{ "{'listen':'80','target':['10.0.0.2','10.0.0.3'],'snat':'198.51.100.1','log':true}",
	  "{'listen': '80', 'target': ['10.0.0.2', '10.0.0.3'], 'snat': '198.51.100.1', "
	  "'log': true}", "80/tcp", "10.0.0.2,10.0.0.3" },
	{ "{'listen':'80','target':'fd00::2','snat':'2001:DB8::1','log':false,'limit':null,"
	  "'expires':null}", "{'listen': '80', 'target': '[fd00::2]', 'snat': '2001:db8::1'}",
	  "80/tcp", "[fd00::2]" },
	{ "{'listen':'80','target':'self','limit':{'connections':20,'burst':10,'rate':'50/second'}}",
	  "{'listen': '80', 'target': 'self', 'limit': {'rate': '50/second', 'burst': 10, "
	  "'connections': 20}}", "80/tcp", "self" },
	{ "{'listen':'80','target':'self','limit':{'rate':'1000000000/minute','burst':null}}",
	  "{'listen': '80', 'target': 'self', 'limit': {'rate': '1000000000/minute'}}", "80/tcp",
	  "self" },
	{ "{'listen':'80','target':'self','limit':{'rate':null,'connections':4294967295}}",
	  "{'listen': '80', 'target': 'self', 'limit': {'connections': 4294967295}}", "80/tcp",
	  "self" },
	{ "{'listen':'80','target':'self','limit':{'rate':'3/day'},"
	  "'expires':'2027-01-31T14:00:00.5+02:00'}",
	  "{'listen': '80', 'target': 'self', 'limit': {'rate': '3/day'}, "
	  "'expires': '2027-01-31T12:00:00Z'}", "80/tcp", "self" },
	{ "{'listen':'80','target':'self','limit':{'rate':'7/hour'},'expires':'1999-12-31t23:59:59z'}",
	  "{'listen': '80', 'target': 'self', 'limit': {'rate': '7/hour'}, "
	  "'expires': '1999-12-31T23:59:59Z'}", "80/tcp", "self" },
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

/* The same sequence in each run; check(1) forks, so nothing else is disturbed. */
static unsigned int pick(unsigned int *seed, unsigned int n)
{
	*seed = *seed * 1103515245 + 12345;
	return (*seed >> 16) % n;
}

static struct pfw_prefix some_prefix(unsigned int *seed, unsigned int i)
{
	static const uint8_t lens[] = { 8, 16, 24, 32 };
	struct pfw_prefix prefix = { .addr = { .family = AF_INET, .bytes = { (uint8_t)(i + 1) } },
				     .len = lens[pick(seed, COUNT(lens))] };

	if (pick(seed, 2))
		prefix.addr.family = AF_INET6;
	return prefix;
}

/* What random options make of "80-90 -> some targets of both families". */
struct random {
	struct pfw_ports ports;
	struct pfw_target targets[4];
	struct pfw_prefix sources[3];
	struct pfw_prefix excluded[3];
	struct pfw_forward forward;
};

static void random_forward(unsigned int *seed, struct random *ret)
{
	static const uint32_t per[] = { 1, 60, 3600, 86400 };
	static const struct pfw_ports ports[] = { { 0, 0 }, { 80, 80 }, { 180, 190 } };
	struct pfw_forward *f = &ret->forward;
	unsigned int i;

	*ret = (struct random){ .ports = { 80, 90 } };
	*f = (struct pfw_forward){
		.listen = { .ports = &ret->ports, .n_ports = 1,
			    .protocols = (uint8_t)(1 + pick(seed, 7)) },
		.targets = ret->targets, .n_targets = (uint16_t)(2 + pick(seed, 3)),
		.sources = ret->sources, .n_sources = (uint16_t)pick(seed, 4),
		.excluded = ret->excluded, .n_excluded = (uint16_t)pick(seed, 4),
		.balance = (uint8_t)pick(seed, 3), .log = pick(seed, 2),
		.expires = pick(seed, 2) ? 1 + (int64_t)pick(seed, 65536) * 3866000 : 0,
		.snat = (uint8_t)pick(seed, 4), .hairpin = (uint8_t)pick(seed, 3),
		.local = (uint8_t)pick(seed, 3), .enabled = pick(seed, 2),
	};
	for (i = 0; i < COUNT(ret->targets); i++)
		ret->targets[i] = (struct pfw_target){
			.address = { i % 2 ? AF_INET6 : AF_INET, { 10, [3] = (uint8_t)i } },
			.port = ports[pick(seed, COUNT(ports))],
			.weight = (uint16_t)(1 + pick(seed, 2) * pick(seed, 1000)),
		};
	/* Targets of one family agree on the kind of their ports, and share no range. */
	for (i = 2; i < f->n_targets; i++) {
		if (ret->targets[i - 2].port.lo)
			ret->targets[i - 2].port = (struct pfw_ports){ 80, 80 };
		ret->targets[i].port = ret->targets[i - 2].port;
	}
	for (i = 0; i < COUNT(ret->sources); i++) {
		ret->sources[i] = some_prefix(seed, i);
		ret->excluded[i] = some_prefix(seed, i + 10);
	}
	if (pick(seed, 2))
		f->limit = (struct pfw_limit){ 1 + pick(seed, 60000), per[pick(seed, COUNT(per))],
					       pick(seed, 100), 0 };
	if (pick(seed, 2))
		f->limit.connections = 1 + pick(seed, 60000);
}

/* If this fails, some combination of options is saved as another forward. */
START_TEST(test_any_options_survive)
{
	static const enum pfw_json_style styles[] = { PFW_CONCISE, PFW_CANONICAL };
	struct pfw_arena arena = { 0 };
	struct pfw_forward again;
	struct random random;
	unsigned int seed = 1, i, j;
	char *text, *second;

	for (i = 0; i < 2000; i++) {
		random_forward(&seed, &random);
		for (j = 0; j < COUNT(styles); j++) {
			text = print(&random.forward, styles[j]);
			parse(text, &arena, &again);
			if (styles[j] == PFW_CONCISE)
				ck_assert_msg(pfw_forward_equal(&random.forward, &again), "%s", text);
			second = print(&again, styles[j]);
			ck_assert_str_eq(text, second);
			free(second);
			free(text);
		}
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
			 "'target': [{'address': '10.0.0.2', 'port': '80', 'weight': 1}], "
			 "'source': [], 'balance': 'random', 'snat': 'auto', 'hairpin': true, "
			 "'local': true, 'log': false, 'limit': null, 'expires': null}");
	free(text);
	parse("{'target':'10.0.0.2','listen':'1-9','source':'10.0.0.0/8','limit':{'connections':2},"
	      "'snat':'10.0.0.1','expires':'2027-01-31T12:00:00Z'}", &arena, &forward);
	text = print(&forward, PFW_CANONICAL);
	ck_assert_str_eq(text,
			 "{'comment': null, 'enabled': true, 'listen': {'address': [], "
			 "'interface': [], 'port': '1-9', 'protocol': ['tcp']}, "
			 "'target': [{'address': '10.0.0.2', 'port': null, 'weight': 1}], "
			 "'source': ['10.0.0.0/8'], 'balance': 'random', 'snat': '10.0.0.1', "
			 "'hairpin': true, 'local': true, 'log': false, "
			 "'limit': {'rate': null, 'burst': null, 'connections': 2}, "
			 "'expires': '2027-01-31T12:00:00Z'}");
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
	/* If this fails, what is exported cannot be loaded. */
	settings.snat = PFW_SNAT_MASQUERADE;
	parse("{'target':'self','listen':'53/udp'}", &arena, &forward);
	json = pfw_forward_json(&forward, &settings, PFW_CANONICAL);
	ck_assert_str_eq(json_string_value(json_object_get(json, "snat")), "auto");
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
			 "'own_table': false, 'hairpin': true, 'local': true, 'snat': 'auto'}");
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

	UNIT_CASE(tcase, "forward", test_round_trip, test_any_options_survive,
		  test_canonical_has_every_option, test_canonical_takes_the_settings, test_settings);
	return tcase;
}
