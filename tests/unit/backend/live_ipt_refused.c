/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What cannot be done leaves all as it was: refused commits, held locks, others who do not wait. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../../../src/backend/iptables/iptables.h"
#include "live_ipt.h"

static const struct sample before[] = { { .name = "web", .ports = "8080" },
					{ .name = "old", .ports = "81" } };
static const struct sample after[] = {
	{ .name = "web", .ports = "8080" },
	{ .name = "new", .ports = "82" },
	{ .name = "loopback", .ports = "86", .targets = "127.0.0.1@80" },
};

/* Makes a rule of the forward's something that the kernel refuses in its place. */
static void spoil(struct pfw_image *image, const char *owner)
{
	struct ipt_rule_value *value;
	uint32_t i;

	for (i = 0; i < image->n_items; i++) {
		if (image->items[i].kind != IPT_KIND_RULE || strcmp(image->items[i].owner, owner))
			continue;
		value = (struct ipt_rule_value *)(uintptr_t)pfw_item_value(&image->items[i]);
		value->rule.target = IPT_MASQUERADE;
		value->rule.has_address = 0;
		memset(&value->rule.to, 0, sizeof(value->rule.to));
		memset(value->rule.address, 0, sizeof(value->rule.address));
	}
}

/* If this fails, a change of which the kernel refuses the last part stays in part. */
START_TEST(test_second_refused)
{
	struct pfw_error err = PFW_ERROR_INIT;
	struct pfw_backend_handle *handle;
	struct live from, to;
	char *saved;

	live_ipt_enter();
	live_make(&from, before, COUNT(before));
	live_ipt_make_guarded(&to, after, COUNT(after));
	live_ipt_bring(&from.image, "at first");
	live_ipt_run("iptables-legacy -A FORWARD -p tcp -j ACCEPT &&"
		     " ip6tables-legacy -A FORWARD -p tcp -j ACCEPT &&"
		     " iptables-legacy -t raw -A PREROUTING -s 192.0.2.7 -j DROP");
	live_ipt_run("iptables-legacy-save -c -t nat | sed '/portfwd:web/s/^[^ ]*/[7:700]/' |"
		     " iptables-legacy-restore -c");
	saved = live_ipt_saved();
	spoil(&to.image, "new");
	handle = live_open();
	ck_assert_int_eq(live_apply(handle, &from.image, &to.image, false, &err), -EINVAL);
	images_backend->close(handle);
	ck_assert_uint_eq(err.count, 1);
	unit_has_error(&err, "cannot change the IPv4 table nat of iptables");
	live_ipt_same(live_ipt_saved(), saved, "after it was refused");
	live_free(&from);
	live_free(&to);
}
END_TEST

/* If this fails, a rule of somebody else's in a chain of ours comes back as another one. */
START_TEST(test_foreign_not_put_back)
{
	static const struct sample passed[] = {
		{ .name = "new", .ports = "82" },
		{ .name = "same", .ports = "87", .addresses = "10.0.0.2", .targets = "10.0.0.2@87" },
	};
	struct pfw_error err = PFW_ERROR_INIT;
	struct pfw_backend_handle *handle;
	struct pfw_image image = { 0 };
	struct live from, to;
	char *saved;

	live_ipt_enter();
	live_ipt_make_guarded(&from, before, COUNT(before));
	live_ipt_make_guarded(&to, passed, COUNT(passed));
	live_ipt_bring(&from.image, "at first");
	saved = live_ipt_saved();
	live_ipt_run("iptables-legacy -I PORTFWD-GUARDED -p icmp -j REJECT");
	spoil(&to.image, "new");
	handle = live_open();
	live_read(handle, &image);
	ck_assert_int_eq(live_apply(handle, &image, &to.image, false, &err), -EINVAL);
	ck_assert_uint_eq(err.count, 1);
	images_backend->close(handle);
	live_ipt_same(live_ipt_saved(), saved, "after it was refused");
	pfw_image_free(&image);
	live_free(&from);
	live_free(&to);
}
END_TEST

/* If this fails, portfwd waits for ever, or changes what another program is about to. */
START_TEST(test_lock_held)
{
	struct pfw_error err = PFW_ERROR_INIT;
	struct pfw_backend_handle *handle;
	struct timespec start, end;
	struct live from, to;
	char *saved;
	int fd;

	live_ipt_enter();
	live_make(&from, before, COUNT(before));
	live_make(&to, after, COUNT(after));
	live_ipt_bring(&from.image, "at first");
	saved = live_ipt_saved();
	fd = open(getenv("XTABLES_LOCKFILE"), O_RDONLY | O_CLOEXEC);
	ck_assert_int_eq(flock(fd, LOCK_EX), 0);
	handle = live_open();
	clock_gettime(CLOCK_MONOTONIC, &start);
	ck_assert_int_eq(live_apply(handle, &from.image, &to.image, false, &err), -ETIMEDOUT);
	clock_gettime(CLOCK_MONOTONIC, &end);
	ck_assert_int_ge(end.tv_sec - start.tv_sec, 9);
	ck_assert_int_le(end.tv_sec - start.tv_sec, 12);
	ck_assert_int_eq(err.kind, PFW_FAILED);
	unit_has_error(&err, getenv("XTABLES_LOCKFILE"));
	close(fd);
	live_ipt_same(live_ipt_saved(), saved, "while the lock was held");
	images_backend->close(handle);
	live_free(&from);
	live_free(&to);
}
END_TEST

/* Where nobody has to wait for us. */
START_TEST(test_lock_given_back)
{
	struct pfw_backend_handle *handle, *looker;
	struct pfw_error err = PFW_ERROR_INIT;
	struct pfw_image image = { 0 };
	struct live from, to;
	int fd;

	live_ipt_enter();
	live_make(&from, before, COUNT(before));
	live_make(&to, after, COUNT(after));
	live_ipt_bring(&from.image, "at first");
	fd = open(getenv("XTABLES_LOCKFILE"), O_RDONLY | O_CLOEXEC);
	ck_assert_int_eq(images_backend->open(false, &looker, &err), 0);
	live_read(looker, &image);
	ck_assert_int_eq(flock(fd, LOCK_EX | LOCK_NB), 0);
	ck_assert_int_eq(flock(fd, LOCK_UN), 0);
	images_backend->close(looker);
	pfw_image_free(&image);
	handle = live_open();
	live_read(handle, &image);
	ck_assert_int_eq(flock(fd, LOCK_EX | LOCK_NB), -1);
	ck_assert_int_eq(live_apply(handle, &image, &to.image, false, &err), 0);
	ck_assert_int_eq(flock(fd, LOCK_EX | LOCK_NB), 0);
	images_backend->close(handle);
	close(fd);
	pfw_image_free(&image);
	live_free(&from);
	live_free(&to);
}
END_TEST

#define WITHOUT_LOCK "XTABLES_LOCKFILE=/dev/null "

/* If this fails, what somebody changed between our read and our commit is lost. */
START_TEST(test_stale)
{
	static const char *const changes[] = {
		WITHOUT_LOCK "iptables-legacy -t nat -A POSTROUTING -s 192.0.2.7 -j ACCEPT",
		WITHOUT_LOCK "iptables-legacy -t nat -D POSTROUTING -s 192.0.2.7 -j ACCEPT",
		WITHOUT_LOCK "ip6tables-legacy -t nat -A POSTROUTING -s 2001:db8::7 -j ACCEPT",
	};
	struct pfw_error err = PFW_ERROR_INIT;
	struct pfw_backend_handle *handle;
	struct pfw_image image;
	struct live from, to;
	size_t i;

	live_ipt_enter();
	live_make(&from, before, COUNT(before));
	live_ipt_make_guarded(&to, after, COUNT(after));
	for (i = 0; i < COUNT(changes); i++) {
		live_ipt_bring(&from.image, "at first");
		image = (struct pfw_image){ 0 };
		handle = live_open();
		live_read(handle, &image);
		live_ipt_run(changes[i]);
		ck_assert_int_eq(live_apply(handle, &image, &to.image, false, &err), -ESTALE);
		ck_assert_uint_eq(err.count, 0);
		live_holds(handle, &from.image, "put back");
		images_backend->close(handle);
		pfw_image_free(&image);
	}
	/* Nor does it hold what somebody wrongly says. */
	handle = live_open();
	ck_assert_int_eq(live_apply(handle, &to.image, &from.image, false, &err), -ESTALE);
	images_backend->close(handle);
	live_free(&from);
	live_free(&to);
}
END_TEST

static void change_for_ever(const struct live *from, const struct live *to)
{
	struct pfw_error err = PFW_ERROR_INIT;
	struct pfw_backend_handle *handle;

	for (;;) {
		if (images_backend->open(true, &handle, &err))
			_exit(1);
		live_apply(handle, &from->image, &to->image, false, &err);
		live_apply(handle, &to->image, &from->image, false, &err);
		images_backend->close(handle);
	}
}

/* If this fails, whoever is killed while it changes the tables leaves what nothing mends. */
START_TEST(test_killed)
{
	struct sample_random random = { 4711 };
	struct timespec pause = { 0 };
	struct live from, to;
	unsigned int i;
	char *foreign;
	pid_t pid;

	live_ipt_enter();
	live_make(&from, before, COUNT(before));
	live_ipt_make_guarded(&to, after, COUNT(after));
	live_ipt_run("iptables-legacy -A FORWARD -p tcp -j ACCEPT &&"
		     " iptables-legacy -t nat -A PREROUTING -j ACCEPT");
	live_ipt_bring(&to.image, "at first");
	foreign = live_ipt_foreign();
	for (i = 0; i < 50; i++) {
		live_ipt_bring(&from.image, "before");
		pid = fork();
		ck_assert_int_ge(pid, 0);
		if (!pid)
			change_for_ever(&from, &to);
		pause.tv_nsec = 1000000 + sample_below(&random, 9000000);
		nanosleep(&pause, NULL);
		ck_assert_int_eq(kill(pid, SIGKILL), 0);
		ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
		live_ipt_bring(&to.image, "after it was killed");
		live_ipt_same(live_ipt_foreign(), strdup(foreign), "after it was killed");
	}
	free(foreign);
	live_free(&from);
	live_free(&to);
}
END_TEST

/* If this fails, an ordinary user gets no useful answer. */
START_TEST(test_not_permitted)
{
	struct pfw_error err = PFW_ERROR_INIT;
	struct pfw_backend_handle *handle;
	struct pfw_image image = { 0 };
	struct live live;

	live_ipt_enter();
	live_make(&live, before, COUNT(before));
	live_ipt_bring(&live.image, "at first");
	sandbox_drop_net_admin();
	ck_assert_int_eq(images_backend->open(false, &handle, &err), 0);
	ck_assert_int_eq(images_backend->read(handle, &image, &err), -EPERM);
	ck_assert_int_eq(err.kind, PFW_NOT_PERMITTED);
	unit_has_error(&err, "CAP_NET_ADMIN and CAP_NET_RAW");
	pfw_error_clear(&err);
	ck_assert_int_eq(images_backend->probe(handle, &err), -EPERM);
	ck_assert_int_eq(err.kind, PFW_NOT_PERMITTED);
	images_backend->close(handle);
	live_free(&live);
}
END_TEST

TCase *live_ipt_refused_case(void)
{
	TCase *tcase;

	UNIT_CASE(tcase, "refused", test_second_refused, test_foreign_not_put_back, test_lock_held,
		  test_lock_given_back, test_stale, test_killed, test_not_permitted);
	tcase_set_timeout(tcase, 120);
	return tcase;
}
