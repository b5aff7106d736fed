/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A network of its own for a test that needs the kernel. */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "portfwd/kernel/netlink.h"
#include "sandbox.h"
#include "unit.h"

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), code = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		code = -errno;
	close(fd);
	return code;
}

/* Maps our user to root of the new user namespace (user_namespaces(7)). */
static int become_root(uid_t uid, gid_t gid)
{
	char map[64];
	int code;

	snprintf(map, sizeof(map), "0 %u 1", uid);
	code = write_file("/proc/self/uid_map", map);
	if (code)
		return code;
	code = write_file("/proc/self/setgroups", "deny");
	if (code)
		return code;
	snprintf(map, sizeof(map), "0 %u 1", gid);
	return write_file("/proc/self/gid_map", map);
}

static int enter(void)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();

	if (!unshare(CLONE_NEWNET))
		return 0;
	if (errno != EPERM)
		return -errno;
	if (unshare(CLONE_NEWUSER | CLONE_NEWNET))
		return -errno;
	return become_root(uid, gid);
}

const char *sandbox_refuses(int (*step)(void))
{
	int status, code;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (!pid) {
		code = enter();
		_exit(-(code ? code : step()));
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0 || !WIFEXITED(status))
		return "cannot try it out";
	return WEXITSTATUS(status) ? strerror(WEXITSTATUS(status)) : NULL;
}

/* Whether nf_tables answers. */
static int try_out(void)
{
	struct pfw_error err = PFW_ERROR_INIT;
	struct pfw_netlink *nl;
	uint32_t generation;
	int code = pfw_netlink_open(&nl, &err);

	return code ? code : pfw_netlink_generation(nl, &generation, &err);
}

const char *sandbox_missing(void)
{
	return sandbox_refuses(try_out);
}

void sandbox_enter(void)
{
	int code = enter();

	ck_assert_msg(!code, "no network namespace: %s", strerror(-code));
}

void sandbox_drop_net_admin(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	ck_assert_int_eq(syscall(SYS_capget, &header, data), 0);
	data[0].effective &= ~(1u << CAP_NET_ADMIN);
	data[0].permitted &= ~(1u << CAP_NET_ADMIN);
	ck_assert_int_eq(syscall(SYS_capset, &header, data), 0);
}

void sandbox_sysctl(const char *key, const char *value)
{
	char path[256];

	snprintf(path, sizeof(path), "/proc/sys/%s", key);
	ck_assert_int_eq(write_file(path, value), 0);
}

static void help(int told, int answer, int (*step)(void *ctx), void *ctx)
{
	unsigned char steps;
	char word;
	int code;

	while (read(told, &steps, 1) == 1) {
		word = 'b';
		if (write(answer, &word, 1) != 1)
			return;
		for (code = 0; !code && steps; steps--)
			code = step(ctx);
		word = code ? 'f' : 'd';
		if (write(answer, &word, 1) != 1)
			return;
	}
}

void sandbox_helper_begin(struct sandbox_helper *helper, int (*step)(void *ctx), void *ctx)
{
	int tell[2], answer[2];

	ck_assert_int_eq(pipe2(tell, O_CLOEXEC), 0);
	ck_assert_int_eq(pipe2(answer, O_CLOEXEC), 0);
	helper->pid = fork();
	ck_assert_int_ge(helper->pid, 0);
	if (!helper->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(tell[1]);
		close(answer[0]);
		help(tell[0], answer[1], step, ctx);
		_exit(0);
	}
	close(tell[0]);
	close(answer[1]);
	helper->tell = tell[1];
	helper->answer = answer[0];
}

static void expect(const struct sandbox_helper *helper, char wanted)
{
	char word = 0;

	ck_assert_int_eq(read(helper->answer, &word, 1), 1);
	ck_assert_msg(word == wanted, "the helper says '%c', not '%c'", word, wanted);
}

void sandbox_helper_tell(const struct sandbox_helper *helper, unsigned char steps)
{
	ck_assert_int_eq(write(helper->tell, &steps, 1), 1);
	expect(helper, 'b');
}

void sandbox_helper_wait(const struct sandbox_helper *helper)
{
	expect(helper, 'd');
}

void sandbox_helper_end(struct sandbox_helper *helper)
{
	close(helper->tell);
	ck_assert_int_eq(waitpid(helper->pid, NULL, 0), helper->pid);
	close(helper->answer);
}
