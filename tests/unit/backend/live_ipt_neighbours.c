/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Other people's rules, and what others do to ours. */
#include <errno.h>

#include "live_ipt.h"

static const struct sample one[] = { { .name = "web", .ports = "8080", .targets = "10.0.0.2" } };
static const struct sample some[] = {
	{ .name = "web", .ports = "8080", .targets = "10.0.0.3", .snat = PFW_SNAT_MASQUERADE },
	{ .name = "some", .ports = "81", .sources = "203.0.113.0/24 2001:db8:1::/48" },
	{ .name = "loopback", .ports = "86", .targets = "127.0.0.1@80" },
	{ .name = "unchanged", .ports = "87", .addresses = "10.0.0.2", .targets = "10.0.0.2@87" },
};

/* Chains, policies, counts, comments that look like ours, and every table that we open. */
static const char *const foreign[] = {
	"iptables-legacy-restore -c <<'EOF'\n"
	"*raw\n:PREROUTING ACCEPT [5:500]\n:OUTPUT ACCEPT [6:600]\n"
	"[1:10] -A PREROUTING -s 192.0.2.99/32 -j DROP\nCOMMIT\n"
	"*filter\n:INPUT DROP [1:100]\n:FORWARD DROP [2:200]\n:OUTPUT ACCEPT [3:300]\n"
	":DOCKER - [0:0]\n:DOCKER-USER - [0:0]\n:ufw-before-forward - [0:0]\n"
	"[7:700] -A INPUT -i lo -j ACCEPT\n"
	"[8:800] -A FORWARD -j DOCKER-USER\n"
	"[9:900] -A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n"
	"[10:1000] -A FORWARD -j ufw-before-forward\n"
	"[11:1100] -A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 "
	"-j ACCEPT\n"
	"[12:1200] -A DOCKER-USER -j RETURN\n"
	"[13:1300] -A ufw-before-forward -p icmp -m icmp --icmp-type 8 -m limit --limit 3/min "
	"--limit-burst 10 -j LOG --log-prefix \"[UFW BLOCK] \"\nCOMMIT\n"
	"*nat\n:PREROUTING ACCEPT [21:2100]\n:INPUT ACCEPT [22:2200]\n:OUTPUT ACCEPT [23:2300]\n"
	":POSTROUTING ACCEPT [24:2400]\n:DOCKER - [0:0]\n"
	"[31:3100] -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER\n"
	"[32:3200] -A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER\n"
	"[33:3300] -A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE\n"
	"[34:3400] -A POSTROUTING -s 192.168.122.0/24 ! -d 192.168.122.0/24 -p tcp -j MASQUERADE "
	"--to-ports 1024-65535\n"
	"[35:3500] -A DOCKER -i docker0 -j RETURN\n"
	"[36:3600] -A DOCKER ! -i docker0 -p tcp -m tcp --dport 8081 -m comment "
	"--comment portfwded -j DNAT --to-destination 172.17.0.2:80\nCOMMIT\nEOF",
	"ip6tables-legacy-restore -c <<'EOF'\n"
	"*filter\n:INPUT ACCEPT [0:0]\n:FORWARD DROP [4:400]\n:OUTPUT ACCEPT [0:0]\n"
	"[41:4100] -A INPUT -p ipv6-icmp -j ACCEPT\n"
	"[42:4200] -A FORWARD -s fd00::/8 -m comment --comment \"my own\" -j ACCEPT\nCOMMIT\n"
	"*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"
	":POSTROUTING ACCEPT [0:0]\n[43:4300] -A POSTROUTING -s fd00::/8 -j MASQUERADE\n"
	"COMMIT\nEOF",
};

static void load_foreign(void)
{
	size_t i;

	for (i = 0; i < COUNT(foreign); i++)
		live_ipt_run(foreign[i]);
}

/* If this fails, portfwd changes somebody else's firewall. */
START_TEST(test_foreign)
{
	struct live first, more, many, none;
	char *before;

	live_ipt_enter();
	load_foreign();
	before = live_ipt_saved();
	live_make(&first, one, COUNT(one));
	live_ipt_make_guarded(&more, some, COUNT(some));
	live_make_many(&many, 300);
	live_make(&none, NULL, 0);
	live_ipt_bring(&first.image, "first");
	live_ipt_same(live_ipt_foreign(), strdup(before), "with one");
	live_ipt_bring(&more.image, "more");
	live_ipt_same(live_ipt_foreign(), strdup(before), "with more");
	live_ipt_bring(&many.image, "many");
	live_ipt_same(live_ipt_foreign(), strdup(before), "with many");
	live_ipt_bring(&more.image, "more again");
	live_ipt_bring(&none.image, "none");
	live_ipt_same(live_ipt_saved(), before, "after all went");
	live_free(&first);
	live_free(&more);
	live_free(&many);
	live_free(&none);
}
END_TEST

static const char *const strangers[] = {
	"iptables-legacy -t nat -F PORTFWD-DNAT",
	"iptables-legacy -t nat -F PREROUTING",
	"iptables-legacy -t nat -F",
	"iptables-legacy -F && iptables-legacy -X",
	"iptables-legacy -t nat -F && iptables-legacy -t nat -X",
	"ip6tables-legacy -t nat -D PORTFWD-DNAT 1",
	/* A rule that stands twice, and jumps that do. */
	"iptables-legacy-save -t nat | grep -- '-A PORTFWD-DNAT.*web' |"
	" sed 's/^/iptables-legacy -t nat /' | sh",
	"iptables-legacy -t nat -A PREROUTING -m comment --comment portfwd -j PORTFWD-DNAT",
	/* Rules of others in our chains, before and behind ours. */
	"iptables-legacy -t nat -I PORTFWD-DNAT -p tcp --dport 8080 -j ACCEPT",
	"iptables-legacy -t nat -A PORTFWD-to-some -j RETURN",
	"iptables-legacy -I PORTFWD-GUARD -s 10.0.0.0/8 -j RETURN",
	"iptables-legacy -t nat -N PORTFWD-strange",
	"iptables-legacy -t nat -N PORTFWD-strange && "
	"iptables-legacy -t nat -A PORTFWD-strange -j ACCEPT && "
	"iptables-legacy -t nat -A PORTFWD-DNAT -j PORTFWD-strange",
	/* The order of precedence: the last rule becomes the first. */
	"r=$(iptables-legacy-save -t nat | grep -- '-A PORTFWD-DNAT' | tail -1 |"
	" cut -d' ' -f3-) && "
	"eval \"iptables-legacy -t nat -D PORTFWD-DNAT $r\" && "
	"eval \"iptables-legacy -t nat -I PORTFWD-DNAT $r\"",
};

/* If this fails, others change our chains, and neither diff nor reload notices. */
START_TEST(test_strangers)
{
	struct pfw_difference difference = { 0 };
	struct pfw_error err = PFW_ERROR_INIT;
	struct pfw_backend_handle *handle;
	struct pfw_image image;
	struct live live;
	size_t i;

	live_ipt_enter();
	live_ipt_make_guarded(&live, some, COUNT(some));
	for (i = 0; i < COUNT(strangers); i++) {
		live_ipt_bring(&live.image, "at first");
		live_ipt_run(strangers[i]);
		image = (struct pfw_image){ 0 };
		handle = live_open();
		live_read(handle, &image);
		images_backend->close(handle);
		ck_assert_int_eq(pfw_difference_make(&image, &live.image, &difference, &err), 0);
		ck_assert_msg(difference.n_steps, "unnoticed: %s", strangers[i]);
		pfw_difference_free(&difference);
		pfw_image_free(&image);
		live_ipt_bring(&live.image, strangers[i]);
	}
	live_ipt_run("! iptables-legacy-save | grep strange");
	live_free(&live);
}
END_TEST

/*
 * If this fails, a rule of others before ours in a built-in chain is a difference for ever, or
 * one that has our words beside it is taken for ours.
 */
START_TEST(test_before_jump)
{
	struct live live;

	live_ipt_enter();
	live_make(&live, one, COUNT(one));
	live_ipt_bring(&live.image, "at first");
	live_ipt_run("iptables-legacy -t nat -I PREROUTING -s 192.0.2.7 -j ACCEPT");
	live_ipt_holds(&live.image, "with a rule before the jump");
	live_ipt_run("iptables-legacy -I FORWARD -p udp -m comment --comment portfwd -j ACCEPT");
	live_ipt_run("iptables-legacy -t nat -A POSTROUTING -m comment --comment portfwd:web"
		     " -j MASQUERADE");
	live_ipt_holds(&live.image, "with rules of others that name us");
	live_free(&live);
}
END_TEST

/*
 * If this fails, a rule of somebody else that leads to a chain of ours stops every change, or
 * is a difference that nothing mends.
 */
START_TEST(test_led_to)
{
	struct live live, none;
	char *before;

	live_ipt_enter();
	live_make(&live, one, COUNT(one));
	live_make(&none, NULL, 0);
	live_ipt_bring(&live.image, "at first");
	live_ipt_run("iptables-legacy -t nat -A OUTPUT -d 192.0.2.7 -j PORTFWD-DNAT");
	live_ipt_holds(&live.image, "with a rule of others that leads to it");
	live_ipt_bring(&none.image, "flushed");
	before = live_ipt_saved();
	ck_assert_ptr_nonnull(strstr(before, ":PORTFWD-DNAT - [0:0]"));
	ck_assert_ptr_nonnull(strstr(before, "-A OUTPUT -d 192.0.2.7/32 -j PORTFWD-DNAT"));
	ck_assert_ptr_null(strstr(before, "-A PORTFWD"));
	free(before);
	live_ipt_bring(&live.image, "again");
	live_ipt_bring(&none.image, "flushed again");
	live_ipt_run("iptables-legacy -t nat -D OUTPUT -d 192.0.2.7 -j PORTFWD-DNAT");
	live_ipt_bring(&none.image, "when nobody leads to it any more");
	live_ipt_run("! iptables-legacy-save | grep PORTFWD");
	live_free(&live);
	live_free(&none);
}
END_TEST

TCase *live_ipt_neighbours_case(void)
{
	TCase *tcase;

	UNIT_CASE(tcase, "neighbours", test_foreign, test_strangers, test_before_jump, test_led_to);
	tcase_set_timeout(tcase, 120);
	return tcase;
}
