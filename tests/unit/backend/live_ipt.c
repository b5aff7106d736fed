/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the tests of iptables against a kernel share. */
#include <sys/mman.h>
#include <unistd.h>

#include "live_ipt.h"

/* Without the lines that have the time in them. */
#define SAVE                                                                                      \
	"for f in ip ip6; do for t in raw filter nat; do "                                        \
	"grep -qx $t /proc/self/net/${f}_tables_names && "                                        \
	"${f}tables-legacy-save -c -t $t | grep -v '^#'; done; done; true"

static int try_out(void)
{
	struct pfw_error err = PFW_ERROR_INIT;
	struct pfw_backend_handle *handle = NULL;
	int ret = pfw_backend_iptables.open(false, &handle, &err);

	if (!ret)
		ret = pfw_backend_iptables.probe(handle, &err);
	pfw_backend_iptables.close(handle);
	return ret;
}

const char *live_ipt_missing(void)
{
	if (system("command -v iptables-legacy-save ip6tables-legacy-save >/dev/null"))
		return "iptables-legacy is not installed";
	return sandbox_refuses(try_out);
}

void live_ipt_enter(void)
{
	char path[64];
	int fd = memfd_create("xtables.lock", 0);

	ck_assert_int_ge(fd, 0);
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)getpid(), fd);
	ck_assert_int_eq(setenv("XTABLES_LOCKFILE", path, 1), 0);
	sandbox_enter();
}

void live_ipt_bring(const struct pfw_image *wanted, const char *what)
{
	struct pfw_backend_handle *handle = live_open();

	live_bring(handle, wanted, what);
	images_backend->close(handle);
}

void live_ipt_holds(const struct pfw_image *wanted, const char *what)
{
	struct pfw_backend_handle *handle = live_open();

	live_holds(handle, wanted, what);
	images_backend->close(handle);
}

void live_ipt_run(const char *command)
{
	int status = system(command);

	ck_assert_msg(!status, "%s: %d", command, status);
}

char *live_ipt_output(const char *command)
{
	FILE *pipe = popen(command, "r");
	char *text = NULL;
	size_t size = 0;
	ssize_t len;

	ck_assert_ptr_nonnull(pipe);
	len = getdelim(&text, &size, '\0', pipe);
	ck_assert_msg(!pclose(pipe), "%s", command);
	if (len >= 0)
		return text;
	free(text);
	text = strdup("");
	ck_assert_ptr_nonnull(text);
	return text;
}

char *live_ipt_saved(void)
{
	return live_ipt_output(SAVE);
}

char *live_ipt_foreign(void)
{
	return live_ipt_output("{ " SAVE "; } | grep -v PORTFWD");
}

void live_ipt_same(char *actual, char *wanted, const char *what)
{
	size_t at = 0;

	while (actual[at] && actual[at] == wanted[at])
		at++;
	ck_assert_msg(actual[at] == wanted[at], "%s: %.500s\nand not\n%.500s", what, actual + at,
		      wanted + at);
	free(actual);
	free(wanted);
}

void live_ipt_make_guarded(struct live *live, const struct sample *samples, size_t n)
{
	static struct pfw_link links[] = { { "lan0", 2, false }, { "vpn0", 4, true },
					   { "wan0", 3, false } };
	const struct pfw_links guarded = { links, COUNT(links) };
	const struct pfw_facts facts = {
		.now = SAMPLE_NOW,
		.routing_on = { true, true },
		.routing_held = { true, true },
		.guarded = { guarded, guarded },
	};
	struct pfw_error err = PFW_ERROR_INIT;

	sample_ruleset(&live->ruleset, samples, n);
	ck_assert_int_eq(pfw_plan_make(&live->ruleset, &facts, NULL, NULL, &live->plan, &err), 0);
	images_compile(&live->plan, NULL, &live->image);
}
