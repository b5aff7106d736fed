/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rules of the iptables backend beside iptables' own tools: what we print is what they read,
 * what we encode is what they write, byte for byte.
 */
#include <errno.h>

#include "../../../src/backend/iptables/iptables.h"
#include "../../../src/backend/iptables/library.h"
#include "ipt_rules.h"
#include "live_ipt.h"

#define HERE "PORTFWD-here"
static const char chain_here[IPT_CHAIN_SIZE] = HERE;
static const char chain_there[IPT_CHAIN_SIZE] = IPT_RULES_CHAIN;

static struct ipt_rule rules[IPT_RULES_MAX];
static size_t n_rules;

/* One of iptables-legacy-save, ip6tables-legacy-restore ... */
static FILE *tool(const struct ipt_library *library, const char *what, const char *table,
		  const char *mode)
{
	char command[64];
	FILE *pipe;

	snprintf(command, sizeof(command), "%s-legacy-%s %s %s", library->tool, what,
		 *mode == 'r' ? "-t" : "-T", table);
	pipe = popen(command, mode);
	ck_assert_ptr_nonnull(pipe);
	return pipe;
}

static void words_of(const struct ipt_rule *rule, uint8_t family, struct pfw_buffer *ret)
{
	ret->len = 0;
	ipt_rule_print(rule, family, ret);
	ck_assert(!ret->failed);
}

/* The printed rules, read by iptables-restore. */
static void restore(const struct ipt_library *library, const char *table)
{
	FILE *to = tool(library, "restore", table, "w");
	struct pfw_buffer words = { 0 };
	size_t i;

	fprintf(to, "*%s\n:%s - [0:0]\n:%s - [0:0]\n", table, chain_here, chain_there);
	for (i = 0; i < n_rules; i++) {
		words_of(&rules[i], library->family, &words);
		fprintf(to, "-A %s %s\n", chain_here, words.data);
	}
	fprintf(to, "COMMIT\n");
	ck_assert_msg(!pclose(to), "%s-restore refuses the rules", library->tool);
	pfw_buffer_free(&words);
}

static struct xtc_handle *take(const struct ipt_library *library, const char *table)
{
	struct xtc_handle *handle = library->init(table);

	ck_assert_msg(handle != NULL, "%s: %s", table, strerror(errno));
	return handle;
}

/* The encoded rules, in place of what stands. */
static void append(const struct ipt_library *library, const char *table)
{
	struct xtc_handle *handle = take(library, table);
	struct pfw_buffer entry = { 0 };
	size_t i;

	ck_assert(library->flush_chain(chain_here, handle));
	for (i = 0; i < n_rules; i++) {
		entry.len = 0;
		ipt_rule_encode(&rules[i], library->family, &entry);
		ck_assert(!entry.failed);
		ck_assert(library->append_rule(chain_here, entry.data, handle));
	}
	ck_assert_msg(library->commit(handle), "%s: %s", table, strerror(errno));
	library->free(handle);
	pfw_buffer_free(&entry);
}

/* What iptables-save says is what we print. */
static void says(const struct ipt_library *library, const char *table, const char *how)
{
	FILE *from = tool(library, "save", table, "r");
	struct pfw_buffer words = { 0 };
	char line[4096];
	size_t n = 0;

	while (fgets(line, sizeof(line), from)) {
		ck_assert_msg(!strstr(line, "[unsupported"), "%s", line);
		if (strncmp(line, "-A " HERE " ", strlen("-A " HERE " ")))
			continue;
		line[strcspn(line, "\n")] = '\0';
		ck_assert_uint_lt(n, n_rules);
		words_of(&rules[n++], library->family, &words);
		ck_assert_msg(!strcmp(line + strlen("-A " HERE " "), words.data),
			      "%s: save says\n%s\nand we\n%s", how, line + strlen("-A " HERE " "),
			      words.data);
	}
	ck_assert(!pclose(from));
	ck_assert_uint_eq(n, n_rules);
	pfw_buffer_free(&words);
}

/* What the kernel holds is read as the rules that were meant, so it is the same bytes. */
static void holds(const struct ipt_library *library, const char *table, const char *how)
{
	struct xtc_handle *handle = take(library, table);
	const void *entry = library->first_rule(chain_here, handle);
	struct pfw_buffer words = { 0 };
	struct ipt_rule back;
	size_t i;

	for (i = 0; i < n_rules; i++, entry = library->next_rule(entry, handle)) {
		ck_assert_ptr_nonnull(entry);
		ipt_rule_decode(entry, library->target(entry, handle), library->family, &back);
		words_of(&rules[i], library->family, &words);
		ck_assert_msg(!memcmp(&back, &rules[i], sizeof(back)),
			      "%s: foreign, or another: %s", how, words.data);
	}
	ck_assert_ptr_null(entry);
	library->free(handle);
	pfw_buffer_free(&words);
}

static void round_trip(const struct ipt_library *library, bool nat)
{
	const char *table = nat ? "nat" : "filter";

	n_rules = ipt_rules_make(library->family, nat, rules);
	restore(library, table);
	holds(library, table, "restored");
	says(library, table, "restored");
	append(library, table);
	holds(library, table, "encoded");
	says(library, table, "encoded");
}

START_TEST(iptables_reads_and_writes_the_same)
{
	size_t i;

	live_ipt_enter();
	/* Each word of time must mean UTC wherever we are. */
	setenv("TZ", "Pacific/Auckland", true);
	for (i = 0; i < COUNT(ipt_libraries); i++)
		round_trip(&ipt_libraries[i], _i);
}
END_TEST

/* ---- What others have */

/* As ours, but for one thing; and what is quite another. In both families. */
static const char *const foreign[] = {
	"-j RETURN",
	"-j ACCEPT",
	"-j OTHER",
	"-g OTHER",
	"-j PORTFWD-there",
	"-m comment --comment other -j RETURN",
	"-m comment --comment portfwd: -j RETURN",
	"-m comment --comment \"portfwd:a b\" -j RETURN",
	"-m comment --comment portfwdx -j RETURN",
	"-m comment --comment portfwd -j OTHER",
	"-m comment --comment portfwd -g OTHER",
	"-m comment --comment portfwd -m comment --comment portfwd:web -j RETURN",
	"-m comment --comment portfwd -p tcp -m tcp --dport 80 -j RETURN",
	"-p tcp -m tcp ! --dport 80 -m comment --comment portfwd -j RETURN",
	"-p tcp -m tcp --sport 80 -m comment --comment portfwd -j RETURN",
	"-p tcp -m tcp --dport 80 --syn -m comment --comment portfwd -j RETURN",
	"-p udp -m udp --sport 80 --dport 80 -m comment --comment portfwd -j RETURN",
	"-p sctp -m sctp --sport 80 -m comment --comment portfwd -j RETURN",
	"-p sctp -m sctp --dport 80 --chunk-types any INIT -m comment --comment portfwd -j RETURN",
	"! -p tcp -m comment --comment portfwd -j RETURN",
	"-p 99 -m comment --comment portfwd -j OTHER",
	"! -o lo -m comment --comment portfwd -j RETURN",
	"-i eth+ -m comment --comment portfwd -j RETURN",
	"-m addrtype --src-type LOCAL -m comment --comment portfwd -j RETURN",
	"-m addrtype ! --dst-type LOCAL -m comment --comment portfwd -j RETURN",
	"-m addrtype --dst-type UNICAST -m comment --comment portfwd -j RETURN",
	"-m conntrack --ctstate SNAT -m comment --comment portfwd -j RETURN",
	"-m conntrack ! --ctstate DNAT -m comment --comment portfwd -j RETURN",
	"-m conntrack --ctstate ESTABLISHED -m comment --comment portfwd -j RETURN",
	"-m conntrack --ctproto 6 -m comment --comment portfwd -j RETURN",
	"-m conntrack --ctdir REPLY -m comment --comment portfwd -j RETURN",
	"-m state --state ESTABLISHED -m comment --comment portfwd -j RETURN",
	"-m statistic --mode random ! --probability 0.5 -m comment --comment portfwd -j RETURN",
	"-m statistic --mode nth --every 3 --packet 1 -m comment --comment portfwd -j RETURN",
	"-m cluster --cluster-total-nodes 2 --cluster-local-node 1 --cluster-hash-seed 7 "
	"-m comment --comment portfwd -j RETURN",
	"-m hashlimit --hashlimit-upto 5/sec --hashlimit-mode srcip --hashlimit-name x "
	"-m comment --comment portfwd:x -j RETURN",
	"-m hashlimit --hashlimit-above 5/sec --hashlimit-name portfwd-x:5:1:0 "
	"-m comment --comment portfwd:x -j RETURN",
	"-m hashlimit --hashlimit-upto 6/sec --hashlimit-name portfwd-x:5:1:0 "
	"-m comment --comment portfwd:x -j RETURN",
	"-m connlimit --connlimit-above 5 -m comment --comment portfwd -j RETURN",
	"-m connlimit --connlimit-upto 5 --connlimit-daddr -m comment --comment portfwd -j RETURN",
	"-m connlimit --connlimit-upto 5 --connlimit-mask 8 -m comment --comment portfwd -j RETURN",
	"-m limit --limit 9/sec -m comment --comment portfwd -j RETURN",
	"-m limit --limit 10/sec --limit-burst 6 -m comment --comment portfwd -j RETURN",
	"-m time --timestart 10:00 --datestop 2030-01-01 -m comment --comment portfwd -j RETURN",
	"-m time --datestop 2030-01-01 --kerneltz -m comment --comment portfwd -j RETURN",
	"-m mark --mark 7 -m comment --comment portfwd -j RETURN",
	"-p tcp -m multiport --dports 80,443 -m comment --comment portfwd -j RETURN",
	"-m pkttype --pkt-type multicast -m comment --comment portfwd -j RETURN",
	"-j LOG --log-prefix \"portfwd web: \"",
	"-m comment --comment portfwd:web -j LOG --log-prefix \"portfwd other: \"",
	"-m comment --comment portfwd:web -j LOG --log-prefix \"portfwd web: \" --log-level 7",
	"-m comment --comment portfwd:web -j LOG --log-prefix \"portfwd web: \" --log-uid",
	"-m comment --comment portfwd -j NFLOG --nflog-group 3",
	"-m comment --comment portfwd -j NFLOG --nflog-group 4",
	"-p tcp -m comment --comment portfwd -j REDIRECT --to-ports 80-90",
	"-p tcp -m comment --comment portfwd -j REDIRECT --random",
	"-p tcp -m comment --comment portfwd -j MASQUERADE --to-ports 80-90",
	"-p tcp -m comment --comment portfwd -j MASQUERADE --random",
	"-p tcp -m comment --comment portfwd -j DNAT --to-destination :80 --random",
	"-p tcp -m comment --comment portfwd -j DNAT --to-destination :80 --persistent",
};

static void load_foreign(const struct ipt_library *library)
{
	FILE *to = tool(library, "restore", "nat", "w");
	size_t i;

	fprintf(to, "*nat\n:OTHER - [0:0]\n:%s - [0:0]\n:%s - [0:0]\n", chain_here, chain_there);
	for (i = 0; i < COUNT(foreign); i++)
		fprintf(to, "-A %s %s\n", chain_here, foreign[i]);
	fprintf(to, "COMMIT\n");
	ck_assert(!pclose(to));
}

/* More rules before them: verdicts of the kernel's are offsets, and all of those change. */
static void push_back(const struct ipt_library *library)
{
	FILE *to = tool(library, "restore --noflush", "nat", "w");

	fprintf(to, "*nat\n-I PREROUTING -j RETURN\n-I OTHER -j RETURN\nCOMMIT\n");
	ck_assert(!pclose(to));
}

static void read_foreign(const struct ipt_library *library, struct ipt_rule ret[COUNT(foreign)])
{
	struct xtc_handle *handle = take(library, "nat");
	const void *entry = library->first_rule(chain_here, handle);
	size_t i;

	for (i = 0; i < COUNT(foreign); i++, entry = library->next_rule(entry, handle)) {
		ck_assert_ptr_nonnull(entry);
		ipt_rule_decode(entry, library->target(entry, handle), library->family, &ret[i]);
		ck_assert_msg(ret[i].target == IPT_FOREIGN, "taken for ours: %s", foreign[i]);
	}
	ck_assert_ptr_null(entry);
	library->free(handle);
}

START_TEST(what_others_have_is_foreign)
{
	const struct ipt_library *library = &ipt_libraries[_i];
	static struct ipt_rule before[COUNT(foreign)], after[COUNT(foreign)];
	size_t i, k;

	live_ipt_enter();
	load_foreign(library);
	read_foreign(library, before);
	push_back(library);
	read_foreign(library, after);
	for (i = 0; i < COUNT(foreign); i++) {
		ck_assert_msg(!memcmp(&before[i], &after[i], sizeof(before[i])),
			      "another each time: %s", foreign[i]);
		for (k = 0; k < i; k++)
			ck_assert_msg(before[i].digest != before[k].digest, "the same: %s\n%s",
				      foreign[i], foreign[k]);
	}
}
END_TEST

TCase *live_ipt_rule_case(void)
{
	TCase *tcase = tcase_create("iptables: rules beside its own tools");

	/* Table filter, table nat. */
	tcase_add_loop_test(tcase, iptables_reads_and_writes_the_same, 0, 2);
	/* IPv4, IPv6. */
	tcase_add_loop_test(tcase, what_others_have_is_foreign, 0, COUNT(ipt_libraries));
	return tcase;
}
