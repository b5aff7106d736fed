/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Wrong values, and the words and paths that each one gets. */
#include "cases.h"
#include "portfwd/config/config.h"

static const struct {
	const char *forward, *error;
} wrong[] = {
	{ "1", "1 is not a forward" },
	{ "[]", "a list is not a forward" },
	{ "{}", "\"listen\" is missing" },
	{ "{'listen':'80'}", "\"target\" is missing" },
	{ "{'listen':'80','target':'self','lisen':1}", "lisen: unknown key; did you mean \"listen\"?" },
	{ "{'listen':'80','target':'self','zzz':1}", "zzz: unknown key; known are name, comment," },
	/* name, comment, options */
	{ "{'listen':'80','target':'self','name':null}", "name: null is not a name" },
	{ "{'listen':'80','target':'self','name':''}", "name: \"\" is not a name" },
	{ "{'listen':'80','target':'self','name':'-a'}", "name: -a is not a name" },
	{ "{'listen':'80','target':'self','name':'a b'}", "name: \"a b\" is not a name" },
	{ "{'listen':'80','target':'self','name':7}", "name: 7 is not a name" },
	{ "{'listen':'80','target':'self','comment':7}", "comment: 7 is not a text" },
	{ "{'listen':'80','target':'self','comment':'a\\nb'}", "comment: has a control or" },
	{ "{'listen':'80','target':'self','comment':'a\\u202eb'}", "comment: has a control or" },
	{ "{'listen':'80','target':'self','comment':'a\\u061cb'}", "comment: has a control or" },
	{ "{'listen':'80','target':'self','enabled':'yes'}", "enabled: yes is not true or false" },
	{ "{'listen':'80','target':'self','enabled':1}", "enabled: 1 is not true or false" },
	{ "{'listen':'80','target':'self','hairpin':null}", "hairpin: null is not true or false" },
	{ "{'listen':'80','target':'self','local':[]}", "local: a list is not true or false" },
	{ "{'listen':'80','target':'self','snat':'Auto'}", "snat: Auto is not auto, masquerade, none or" },
	{ "{'listen':'80','target':'self','snat':true}", "snat: true is not auto, masquerade, none or" },
	{ "{'listen':'80','target':'self','snat':'masquerade'}", "snat: \"masquerade\" does not go" },
	/* listen: the short form */
	{ "{'listen':80,'target':'self'}", "listen: 80 is not \"[ADDR:]PORTS[/PROTO]\" or an object" },
	{ "{'listen':'','target':'self'}", "listen: \"\" is not a port (1-65535)" },
	{ "{'listen':'0','target':'self'}", "listen: 0 is not a port (1-65535)" },
	{ "{'listen':'65536','target':'self'}", "listen: 65536 is not a port (1-65535)" },
	{ "{'listen':'-1','target':'self'}", "listen: -1 is not a port (1-65535)" },
	{ "{'listen':'+80','target':'self'}", "listen: +80 is not a port (1-65535)" },
	{ "{'listen':'080','target':'self'}", "listen: 080 is not a port (1-65535)" },
	{ "{'listen':'1e3','target':'self'}", "listen: 1e3 is not a port (1-65535)" },
	{ "{'listen':'80 ','target':'self'}", "listen: \"80 \" is not a port (1-65535)" },
	{ "{'listen':'80,','target':'self'}", "listen: \"\" is not a port (1-65535)" },
	{ "{'listen':'80,80','target':'self'}", "listen: port 80 stands twice" },
	{ "{'listen':'8000-8100,8100','target':'self'}", "listen: port 8100 stands twice" },
	{ "{'listen':'8050,8000-8100','target':'self'}", "listen: port 8050 stands twice" },
	{ "{'listen':'8000-8100,8100-8200','target':'self'}", "listen: port 8100 stands twice" },
	{ "{'listen':{'port':['1-9','3-4']},'target':'self'}", "listen.port: port 3 stands twice" },
	{ "{'listen':'80-80','target':'self'}", "80-80 is not a range" },
	{ "{'listen':'80-','target':'self'}", "listen: \"\" is not a port" },
	{ "{'listen':'0-80','target':'self'}", "listen: 0 is not a port" },
	{ "{'listen':'65000-65536','target':'self'}", "listen: 65536 is not a port" },
	{ "{'listen':'8100-8000','target':'self'}", "8100-8000 is not a range" },
	{ "{'listen':'80/','target':'self'}", "listen: \"\" is not a protocol (tcp, udp or sctp)" },
	{ "{'listen':'80/icmp','target':'self'}", "listen: icmp is not a protocol" },
	{ "{'listen':'80/tcp+tcp','target':'self'}", "listen: tcp stands twice" },
	{ "{'listen':'80/TCP','target':'self'}", "listen: TCP is not a protocol" },
	{ "{'listen':'198.51.100.1','target':'self'}", "a port is needed behind the address" },
	{ "{'listen':'[2001:db8::1]','target':'self'}", "a port is needed behind the address" },
	{ "{'listen':'2001:db8::1:443','target':'self'}", "an IPv6 address stands in brackets" },
	{ "{'listen':'[10.0.0.1]:80','target':'self'}", "brackets hold an IPv6 address" },
	{ "{'listen':'[2001:db8::1:443','target':'self'}", "brackets hold an IPv6 address" },
	{ "{'listen':':80','target':'self'}", "the address before ':' is missing" },
	{ "{'listen':'host:80','target':'self'}", "listen: host is not an IP address" },
	{ "{'listen':'10.0.0.0/8:80','target':'self'}", "listen: 10.0.0.0/8 is a prefix" },
	{ "{'listen':'[fe80::1%eth0]:80','target':'self'}", "fe80::1%eth0 has a zone" },
	{ "{'listen':'224.0.0.1:80','target':'self'}", "224.0.0.1 is a multicast address" },
	{ "{'listen':'255.255.255.255:80','target':'self'}", "is the broadcast address" },
	{ "{'listen':'[ff02::1]:80','target':'self'}", "ff02::1 is a multicast address" },
	{ "{'listen':'[::ffff:10.0.0.1]:80','target':'self'}", "is an IPv4-mapped address" },
	{ "{'listen':'127.0.0.1:80','target':'10.0.0.2'}", "listen: 127.0.0.1 is a loopback address" },
	{ "{'listen':'[::1]:80','target':'fd00::2'}", "listen: ::1 is a loopback address" },
	/* listen: the object */
	{ "{'listen':{},'target':'self'}", "listen: \"port\" is missing" },
	{ "{'listen':{'port':80,'prot':'tcp'},'target':'self'}", "listen.prot: unknown key; did you mean" },
	{ "{'listen':{'port':70000},'target':'self'}", "listen.port: 70000 is not a port (1-65535)" },
	{ "{'listen':{'port':0},'target':'self'}", "listen.port: 0 is not a port (1-65535)" },
	{ "{'listen':{'port':-1},'target':'self'}", "listen.port: -1 is not a port (1-65535)" },
	{ "{'listen':{'port':80.0},'target':'self'}", "listen.port: 80.0 is not a port (1-65535)" },
	{ "{'listen':{'port':1e3},'target':'self'}", "listen.port: 1000.0 is not a port (1-65535)" },
	{ "{'listen':{'port':true},'target':'self'}", "listen.port: true is not a port (1-65535)" },
	{ "{'listen':{'port':[]},'target':'self'}", "listen.port: an empty list: give a port" },
	{ "{'listen':{'port':[80,[81]]},'target':'self'}", "listen.port[1]: a list is not a port" },
	{ "{'listen':{'port':[80,'81,80']},'target':'self'}", "listen.port: port 80 stands twice" },
	{ "{'listen':{'port':80,'protocol':[]},'target':'self'}", "listen.protocol: an empty list: give tcp" },
	{ "{'listen':{'port':80,'protocol':['tcp','tcp']},'target':'self'}", "listen.protocol[1]: tcp stands twice" },
	{ "{'listen':{'port':80,'protocol':6},'target':'self'}", "listen.protocol: 6 is not a protocol" },
	{ "{'listen':{'port':80,'address':['2001:db8::1','2001:DB8:0::1']},'target':'self'}",
	  "listen.address[1]: 2001:db8::1 stands twice" },
	{ "{'listen':{'port':80,'address':['*','10.0.0.1']},'target':'self'}", "listen.address[0]: \"*\" means every" },
	{ "{'listen':{'port':80,'address':'[::1]'},'target':'self'}", "listen.address: [::1]: an address alone" },
	{ "{'listen':{'port':80,'address':'10.0.0.0/8'},'target':'self'}", "listen.address: 10.0.0.0/8 is a prefix" },
	{ "{'listen':{'port':80,'address':7},'target':'self'}", "listen.address: 7 is not an address" },
	{ "{'listen':{'port':80,'interface':'eth*'},'target':'self'}", "listen.interface: eth* is not the name" },
	{ "{'listen':{'port':80,'interface':['a','a']},'target':'self'}", "listen.interface[1]: a stands twice" },
	{ "{'listen':{'port':80,'interface':'0123456789abcdef'},'target':'self'}", "is not the name of an interface" },
	/* target */
	{ "{'listen':'80','target':7}", "target: 7 is not a target" },
	{ "{'listen':'80','target':[]}", "target: an empty list" },
	{ "{'listen':'80','target':''}", "target: \"\" is not an IP address" },
	{ "{'listen':'80','target':'example.com:80'}", "target: example.com is not an IP address" },
	{ "{'listen':'80','target':'10.0.0.2:'}", "target: \"\" is not a port" },
	{ "{'listen':'80','target':'10.0.0.2:0'}", "target: 0 is not a port" },
	{ "{'listen':'80','target':'10.0.0.2:80,81'}", "a target has one port" },
	{ "{'listen':'80','target':'10.0.0.2:80-90'}",
	  "target: the range 80-90 has 11 ports, but 80 to listen on is 1" },
	{ "{'listen':'8000-8100','target':'10.0.0.2:80-179'}",
	  "target: the range 80-179 has 100 ports, but 8000-8100 to listen on has 101" },
	{ "{'listen':'80-90,100-110','target':'self:80-90'}",
	  "target: the range 80-90 needs one range of the same length to listen on, not a list" },
	{ "{'listen':'80,81','target':['fd00::2','10.0.0.2:80-81']}", "target[1]: the range 80-81 needs" },
	{ "{'listen':'80','target':'10.0.0.2:90-80'}", "target: 90-80 is not a range" },
	{ "{'listen':'80-90','target':'fd00::3:80-90'}", "with a port stands in brackets" },
	{ "{'listen':'80','target':'fd00::3:80'}", "may be an address, or an address and a port" },
	{ "{'listen':'80','target':'1:2:3:4:5:6:7:8:80'}", "with a port stands in brackets" },
	{ "{'listen':'80','target':'[fd00::3]80'}", "only \":PORT\" stands behind the brackets" },
	{ "{'listen':'80','target':'[fd00::3'}", "brackets hold an IPv6 address" },
	{ "{'listen':'80','target':'10.0.0.0/8'}", "target: 10.0.0.0/8 is a prefix" },
	{ "{'listen':'80','target':'0.0.0.0'}", "0.0.0.0 is the unspecified address" },
	{ "{'listen':'80','target':'[::]:80'}", ":: is the unspecified address" },
	{ "{'listen':'80','target':'224.0.0.1'}", "224.0.0.1 is a multicast address" },
	{ "{'listen':'80','target':'255.255.255.255'}", "is the broadcast address" },
	{ "{'listen':'80','target':'127.255.255.255'}", "is a broadcast address" },
	{ "{'listen':'80','target':'169.254.0.1'}", "is a link-local address" },
	{ "{'listen':'80','target':'fe80::1'}", "is a link-local address" },
	{ "{'listen':'80','target':'::1'}", "::1 cannot be reached from outside: write \"self\" instead, and let the service listen on "
	  "an address of this machine" },
	{ "{'listen':'80','target':'[::1]:80'}", "::1 cannot be reached from outside: write \"self\"" },
	{ "{'listen':'80','target':['10.0.0.2','10.0.0.2']}", "target[1]: the same target stands twice" },
	{ "{'listen':'80','target':['self','10.0.0.2']}", "target: \"self\" serves both families" },
	{ "{'listen':'80','target':{'port':80}}", "target: \"address\" is missing" },
	{ "{'listen':'80','target':{'address':'10.0.0.2','weight':0}}", "target.weight: 0 is not a weight (1-1000)" },
	{ "{'listen':'80','target':{'address':'10.0.0.2','weight':1001}}", "target.weight: 1001 is not a weight" },
	{ "{'listen':'80','target':{'address':'10.0.0.2','weight':'2'}}", "target.weight: \"2\" is a text; write the number without quotes: a weight (1-1000)" },
	{ "{'listen':'80','target':['10.0.0.2',{'address':'10.0.0.2','weight':2}]}",
	  "target[1]: the same target stands twice" },
	{ "{'listen':'80','target':[{'address':'10.0.0.2','port':[]}]}", "target[0].port: a list is not a port" },
	{ "{'listen':'198.51.100.1:80','target':'fd00::2'}", "listen: has an IPv4 address, but no target is IPv4" },
	{ "{'listen':'198.51.100.1:80','target':'fd00::2'}", "target: has an IPv6 address, but no listen" },
	{ "{'listen':'0.0.0.0:80','target':['10.0.0.2','fd00::2']}", "target: has an IPv6 address, but no" },
	/* source, balance, log, limit, expires */
	{ "{'listen':'80','target':'10.0.0.2','source':7}",
	  "source: 7 is not an address or prefix in quotes" },
	{ "{'listen':'80','target':'10.0.0.2','source':['10.0.0.1',null]}",
	  "source[1]: null is not an address" },
	{ "{'listen':'80','target':'10.0.0.2','source':''}",
	  "source: \"\" is not an IP address" },
	{ "{'listen':'80','target':'10.0.0.2','source':'!'}",
	  "source: \"\" is not an IP address" },
	{ "{'listen':'80','target':'10.0.0.2','source':'*'}",
	  "is not an IP address" },
	{ "{'listen':'80','target':'10.0.0.2','source':'10.0.0.0/33'}",
	  "10.0.0.0/33: the length of an IPv4 prefix is 0 to 32" },
	{ "{'listen':'80','target':'10.0.0.2','source':'10.0.0.1/8'}",
	  "10.0.0.1/8 has bits behind its prefix; write 10.0.0.0/8" },
	{ "{'listen':'80','target':'10.0.0.2','source':'[fd00::1]'}",
	  "an address alone is written without brackets" },
	{ "{'listen':'80','target':'10.0.0.2','source':['10.0.0.0/8','10.0.0.0/8']}",
	  "source[1]: 10.0.0.0/8 stands twice" },
	{ "{'listen':'80','target':'10.0.0.2','source':['10.0.0.1','10.0.0.1/32']}",
	  "source[1]: 10.0.0.1 stands twice" },
	{ "{'listen':'80','target':'10.0.0.2','source':['!10.0.0.0/8','!10.0.0.0/8']}",
	  "source[1]: !10.0.0.0/8 stands twice" },
	{ "{'listen':'80','target':'10.0.0.2','source':['10.0.0.0/8','!10.0.0.0/8']}",
	  "10.0.0.0/8 is both admitted and excluded" },
	{ "{'listen':'80','target':'10.0.0.2','source':'fd00::/8'}",
	  "source: fd00::/8 is IPv6, but the forward takes no IPv6 connections" },
	{ "{'listen':'80','target':'10.0.0.2','source':'!fd00::/8'}",
	  "source: fd00::/8 is IPv6, but the forward takes no IPv6 connections" },
	{ "{'listen':'198.51.100.1:80','target':'self','source':'fd00::/8'}",
	  "source: fd00::/8 is IPv6" },
	{ "{'listen':'80','target':'10.0.0.2','balance':'least'}",
	  "balance: least is not random, round-robin or source" },
	{ "{'listen':'80','target':'10.0.0.2','balance':null}",
	  "balance: null is not random" },
	{ "{'listen':'80','target':'10.0.0.2','log':'yes'}",
	  "log: yes is not true or false" },
	{ "{'listen':'80','target':'10.0.0.2','snat':'198.51.100.1/24'}",
	  "snat: 198.51.100.1/24 is a prefix" },
	{ "{'listen':'80','target':'10.0.0.2','snat':'198.51.100'}",
	  "snat: 198.51.100 is not an IP address" },
	{ "{'listen':'80','target':'10.0.0.2','snat':'2001:db8::1'}",
	  "snat: 2001:db8::1 is IPv6, but a target is IPv4" },
	{ "{'listen':'80','target':['10.0.0.2','fd00::2'],'snat':'198.51.100.1'}",
	  "snat: 198.51.100.1 is IPv4, but a target is IPv6" },
	{ "{'listen':'80','target':'10.0.0.2','snat':'0.0.0.0'}",
	  "snat: 0.0.0.0 is the unspecified address" },
	{ "{'listen':'80','target':'10.0.0.2','snat':'224.0.0.1'}",
	  "snat: 224.0.0.1 is a multicast address" },
	{ "{'listen':'80','target':'10.0.0.2','snat':'127.0.0.1'}",
	  "snat: 127.0.0.1 is a loopback address" },
	{ "{'listen':'80','target':'self','snat':'198.51.100.1'}",
	  "snat: an address does not go with the target \"self\"" },
	{ "{'listen':'80','target':'10.0.0.2','limit':'50/second'}",
	  "limit: 50/second is not an object with rate, burst and connections" },
	{ "{'listen':'80','target':'10.0.0.2','limit':{}}",
	  "limit: limits nothing" },
	{ "{'listen':'80','target':'10.0.0.2','limit':{'rate':null}}",
	  "limit: limits nothing" },
	{ "{'listen':'80','target':'10.0.0.2','limit':{'rat':'1/day'}}",
	  "limit.rat: unknown key; did you mean \"rate\"?" },
	{ "{'listen':'80','target':'10.0.0.2','limit':{'rate':50}}",
	  "limit.rate: 50 is not a rate such as \"50/second\"" },
	{ "{'listen':'80','target':'10.0.0.2','limit':{'rate':'50'}}",
	  "limit.rate: 50 is not a rate" },
	{ "{'listen':'80','target':'10.0.0.2','limit':{'rate':'0/second'}}",
	  "limit.rate: 0/second is not a rate" },
	{ "{'listen':'80','target':'10.0.0.2','limit':{'rate':'-1/second'}}",
	  "limit.rate: -1/second is not a rate" },
	{ "{'listen':'80','target':'10.0.0.2','limit':{'rate':'1/week'}}",
	  "limit.rate: 1/week is not a rate" },
	{ "{'listen':'80','target':'10.0.0.2','limit':{'rate':'1/'}}",
	  "limit.rate: 1/ is not a rate" },
	{ "{'listen':'80','target':'10.0.0.2','limit':{'rate':'1000000001/second'}}",
	  "limit.rate: 1000000001/second is not a rate" },
	{ "{'listen':'80','target':'10.0.0.2','limit':{'rate':'99999999999999999999/second'}}",
	  "is not a rate" },
	{ "{'listen':'80','target':'10.0.0.2','limit':{'burst':5}}",
	  "limit: \"burst\" goes with a \"rate\"" },
	{ "{'listen':'80','target':'10.0.0.2','limit':{'rate':'1/day','burst':4294967295}}",
	  "limit: a burst of 4294967295 is too large" },
	{ "{'listen':'80','target':'10.0.0.2','limit':{'rate':'1/second','burst':0}}",
	  "limit.burst: 0 is not a number of connections" },
	{ "{'listen':'80','target':'10.0.0.2','limit':{'connections':0}}",
	  "limit.connections: 0 is not a number of connections" },
	{ "{'listen':'80','target':'10.0.0.2','limit':{'connections':'9'}}",
	  "limit.connections: \"9\" is a text; write the number without quotes: a number of connections (1-4294967295)" },
	{ "{'listen':'80','target':'10.0.0.2','limit':{'connections':4294967296}}",
	  "4294967296 is not a number of connections" },
	{ "{'listen':'80','target':'10.0.0.2','expires':''}",
	  "expires: \"\" is not a time such as 2027-01-31T12:00:00Z" },
	{ "{'listen':'80','target':'10.0.0.2','expires':'2h'}",
	  "expires: 2h is not a time" },
	{ "{'listen':'80','target':'10.0.0.2','expires':1800000000}",
	  "expires: 1800000000 is not a time in quotes" },
	{ "{'listen':'80','target':'10.0.0.2','expires':'2027-02-29T00:00:00Z'}",
	  "expires: 2027-02-29T00:00:00Z is not a time" },
};

/* JSON with ' for ", so that C stays readable. */
static json_t *json_of(const char *text)
{
	char buf[1024];
	size_t i;

	ck_assert_uint_lt(strlen(text), sizeof(buf));
	for (i = 0; text[i]; i++)
		buf[i] = text[i] == '\'' ? '"' : text[i];
	return json_loadb(buf, i, JSON_DECODE_ANY, NULL);
}

START_TEST(test_wrong_values)
{
	struct pfw_error err = PFW_ERROR_INIT;
	struct pfw_forward forward = { .name = "untouched" };
	struct pfw_arena arena = { 0 };
	json_t *json;
	size_t i;

	for (i = 0; i < COUNT(wrong); i++) {
		json = json_of(wrong[i].forward);
		ck_assert_msg(json != NULL, "%s", wrong[i].forward);
		pfw_error_clear(&err);
		ck_assert_msg(pfw_forward_parse(json, &arena, &forward, &err) < 0, "%s",
			      wrong[i].forward);
		unit_has_error(&err, wrong[i].error);
		ck_assert_str_eq(err.where, "");
		ck_assert_str_eq(forward.name, "untouched");
		json_decref(json);
	}
	pfw_arena_free(&arena);
}
END_TEST

START_TEST(test_lengths)
{
	struct pfw_error err = PFW_ERROR_INIT;
	struct pfw_forward forward;
	struct pfw_arena arena = { 0 };
	char comment[PFW_COMMENT_MAX + 2];
	json_t *json, *list = json_array();
	int i;

	memset(comment, 'c', sizeof(comment));
	comment[PFW_COMMENT_MAX + 1] = '\0';
	json = json_pack("{s:s, s:s, s:s}", "listen", "80", "target", "self", "comment", comment);
	ck_assert_int_lt(pfw_forward_parse(json, &arena, &forward, &err), 0);
	unit_has_error(&err, "comment: is 129 bytes long; at most 128 work");
	json_object_set_new(json, "comment", json_string(comment + 1));
	ck_assert_int_eq(pfw_forward_parse(json, &arena, &forward, &err), 0);
	for (i = 0; i < 70000; i++)
		json_array_append_new(list, json_integer(80));
	json_object_set_new(json, "listen", json_pack("{s:O}", "port", list));
	pfw_error_clear(&err);
	ck_assert_int_lt(pfw_forward_parse(json, &arena, &forward, &err), 0);
	unit_has_error(&err, "listen.port: has 70000 ports; there are only 65535");
	json_object_set_new(json, "listen", json_pack("{s:i, s:O}", "port", 80, "address", list));
	pfw_error_clear(&err);
	ck_assert_int_lt(pfw_forward_parse(json, &arena, &forward, &err), 0);
	unit_has_error(&err, "listen.address: has 70000 values; at most 1024 work");
	json_decref(list);
	json_decref(json);
	pfw_arena_free(&arena);
}
END_TEST

START_TEST(test_all_ports_of_a_list)
{
	struct pfw_error err = PFW_ERROR_INIT;
	struct pfw_buffer text = { 0 };
	struct pfw_arena arena = { 0 };
	struct pfw_listen listen;
	unsigned int port;

	for (port = 1; port <= 65535; port++)
		pfw_buffer_printf(&text, "%s%u", port > 1 ? "," : "", port);
	ck_assert_int_eq(pfw_listen_parse(text.data, text.len, &arena, &listen, &err), 0);
	ck_assert_uint_eq(listen.n_ports, 65535);
	text.data[text.len - 1] = '4';
	ck_assert_int_lt(pfw_listen_parse(text.data, text.len, &arena, &listen, &err), 0);
	unit_has_error(&err, "port 65534 stands twice");
	text.len = 0;
	for (port = 1; port <= 2000; port += 2)
		pfw_buffer_printf(&text, "%u-%u,", port, port + 1);
	pfw_buffer_puts(&text, "3000-4000,3500");
	pfw_error_clear(&err);
	ck_assert_int_lt(pfw_listen_parse(text.data, text.len, &arena, &listen, &err), 0);
	unit_has_error(&err, "port 3500 stands twice");
	pfw_buffer_free(&text);
	pfw_arena_free(&arena);
}
END_TEST

TCase *fields_case(void)
{
	TCase *tcase;

	UNIT_CASE(tcase, "fields", test_wrong_values, test_lengths, test_all_ports_of_a_list);
	return tcase;
}
