/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The daemon's places in the run directory. */
#include <dirent.h>
#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "../../../src/daemon/socket.h"
#include "cases.h"

static char folder[64], run_dir[128];
static struct pfw_error err;

static void begin(void)
{
	err = (struct pfw_error)PFW_ERROR_INIT;
	strcpy(folder, "/tmp/portfwd-socket-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(run_dir, sizeof(run_dir), "%s/a/run", folder);
	unsetenv("LISTEN_PID");
}

static const char *in_run(const char *name)
{
	static char path[200];

	snprintf(path, sizeof(path), "%s/%s", run_dir, name);
	return path;
}

static void end(void)
{
	unlink(in_run("portfwdd.lock"));
	ck_assert_int_eq(rmdir(run_dir), 0);
	snprintf(run_dir, sizeof(run_dir), "%s/a", folder);
	rmdir(run_dir);
	rmdir(folder);
}

START_TEST(test_lock)
{
	char words[300];
	int first = -1, second = -1;

	begin();
	ck_assert_int_eq(socket_lock(run_dir, &first, &err), 0);
	ck_assert_int_eq(socket_lock(run_dir, &second, &err), -EBUSY);
	snprintf(words, sizeof(words), "another portfwdd, process %ld, runs already with the run "
		 "directory %s", (long)getpid(), run_dir);
	ck_assert_str_eq(err.item[0].message, words);
	ck_assert_int_eq(second, -1);
	close(first);
	ck_assert_int_eq(socket_lock(run_dir, &second, &err), 0);
	close(second);
	end();
}
END_TEST

static int connect_to(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), ret;

	strcpy(address.sun_path, path);
	ret = connect(fd, (struct sockaddr *)&address, sizeof(address)) ? -errno : 0;
	close(fd);
	return ret;
}

/* If this fails, a killed daemon cannot be followed by another, or others may connect. */
START_TEST(test_replaced)
{
	int lock = -1, first = -1, second = -1;
	bool shared = true;
	struct stat st;
	char *path = NULL, *again = NULL;

	begin();
	ck_assert_int_eq(socket_lock(run_dir, &lock, &err), 0);
	ck_assert_int_eq(socket_open(run_dir, GROUP_NONE, &first, &path, &shared, &err), 0);
	ck_assert(!shared);
	ck_assert_str_eq(path, in_run("portfwd.sock"));
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	ck_assert_int_eq(connect_to(path), 0);
	close(first);
	ck_assert_int_eq(connect_to(path), -ECONNREFUSED);
	ck_assert_int_eq(socket_open(run_dir, getgid(), &second, &again, &shared, &err), 0);
	ck_assert(shared);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0660);
	ck_assert_int_eq(connect_to(path), 0);
	close(second);
	unlink(path);
	free(path);
	free(again);
	close(lock);
	end();
}
END_TEST

START_TEST(test_long_name)
{
	char longest[200];
	bool shared;
	char *path = NULL;
	int fd = -1;

	begin();
	memset(longest, 'a', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	ck_assert_int_eq(socket_open(longest, GROUP_NONE, &fd, &path, &shared, &err), -ENAMETOOLONG);
	ck_assert_int_eq(fd, -1);
	rmdir(folder);
}
END_TEST

static void pass(int fd, const char *n)
{
	char pid[24];

	snprintf(pid, sizeof(pid), "%ld", (long)getpid());
	ck_assert_int_eq(dup2(fd, 3), 3);
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", n, 1);
}

/* If this fails, systemd cannot make the socket. */
START_TEST(test_passed)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_STREAM, 0), fd = -1;
	char *path = NULL;
	bool shared;

	begin();
	ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, sizeof(sa_family_t)), 0);
	pass(listener, "1");
	ck_assert_int_eq(socket_open(run_dir, GROUP_NONE, &fd, &path, &shared, &err), -EINVAL);
	ck_assert_ptr_null(getenv("LISTEN_FDS"));
	ck_assert_int_eq(listen(listener, 1), 0);
	pass(listener, "2");
	ck_assert_int_eq(socket_open(run_dir, GROUP_NONE, &fd, &path, &shared, &err), -EINVAL);
	ck_assert_str_eq(err.item[0].message, "2 sockets were passed to portfwdd; it takes one");
	pass(listener, "1");
	ck_assert_int_eq(socket_open(run_dir, GROUP_NONE, &fd, &path, &shared, &err), 0);
	ck_assert_int_eq(fd, 3);
	ck_assert_ptr_null(path);
	ck_assert(shared);
	/* What was passed to somebody else is not for us. */
	pass(listener, "1");
	setenv("LISTEN_PID", "1", 1);
	ck_assert_int_eq(socket_open(run_dir, GROUP_NONE, &fd, &path, &shared, &err), -ENOENT);
	rmdir(folder);
}
END_TEST

START_TEST(test_group)
{
	gid_t group = GROUP_NONE;

	err = (struct pfw_error)PFW_ERROR_INIT;
	ck_assert_int_eq(socket_find_group("root", &group, &err), 0);
	ck_assert_uint_eq(group, 0);
	ck_assert_int_eq(socket_find_group("4242", &group, &err), 0);
	ck_assert_uint_eq(group, 4242);
	ck_assert_int_eq(socket_find_group("no-such-group", &group, &err), -ENOENT);
	ck_assert_uint_eq(err.count, 0);
	ck_assert_int_eq(socket_find_group("4242x", &group, &err), -EINVAL);
	ck_assert_int_eq(socket_find_group("4294967295", &group, &err), -EINVAL);
	ck_assert_uint_eq(group, 4242);
}
END_TEST

TCase *socket_case(void)
{
	TCase *tcase;

	UNIT_CASE(tcase, "socket", test_lock, test_replaced, test_long_name, test_passed, test_group);
	return tcase;
}
