/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The daemon's places in the run directory. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "portfwd/base/file.h"
#include "portfwd/base/lock.h"
#include "socket.h"

#define LOCK_FILE "portfwdd.lock"
#define SOCKET_FILE "portfwd.sock"
#define SOCKET_TEMP ".portfwd.sock"
#define LOCK_SECONDS 1
#define BACKLOG 128
#define LISTEN_FDS_START 3

/* The directory with what is above it, 0755 whatever the umask. */
static int make_folder(const char *path, struct pfw_error *err)
{
	char *copy = strdup(path), *slash = copy;
	int ret = 0;

	if (!copy)
		return pfw_fail_memory(err);
	while (!ret && slash) {
		slash = strchr(slash + 1, '/');
		if (slash)
			*slash = '\0';
		if (mkdir(copy, 0755) ? errno != EEXIST : chmod(copy, 0755) < 0)
			ret = pfw_fail_errno(err, -errno, "cannot make %s", copy);
		if (slash)
			*slash = '/';
	}
	free(copy);
	return ret;
}

/* Who holds the lock has written its number there; 0: not known. */
static long read_holder(int fd)
{
	char text[24] = "";

	return pread(fd, text, sizeof(text) - 1, 0) > 0 ? strtol(text, NULL, 10) : 0;
}

static int refuse_second(int fd, const char *run_dir, struct pfw_error *err)
{
	long holder = read_holder(fd);

	if (!holder)
		return pfw_fail(err, PFW_FAILED, -EBUSY, "another portfwdd runs already with the "
				"run directory %s", run_dir);
	return pfw_fail(err, PFW_FAILED, -EBUSY, "another portfwdd, process %ld, runs already "
			"with the run directory %s", holder, run_dir);
}

/* Who was killed or told to end a moment ago may not have let go of it yet. */
static int hold_lock(int fd, const char *path, const char *run_dir, struct pfw_error *err)
{
	char text[24];
	int len, ret = pfw_lock_wait(fd, LOCK_EX, pfw_lock_deadline(LOCK_SECONDS));

	if (ret)
		return ret == -ETIMEDOUT ? refuse_second(fd, run_dir, err) :
					   pfw_fail_errno(err, ret, "cannot lock %s", path);
	len = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
	if (ftruncate(fd, 0) < 0 || pfw_file_write(fd, text, (size_t)len) < 0)
		return pfw_fail_errno(err, -errno, "cannot write %s", path);
	return 0;
}

int socket_lock(const char *run_dir, int *ret_fd, struct pfw_error *err)
{
	char *path;
	int fd, ret = make_folder(run_dir, err);

	if (ret)
		return ret;
	if (asprintf(&path, "%s/" LOCK_FILE, run_dir) < 0)
		return pfw_fail_memory(err);
	fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0600);
	ret = fd < 0 ? pfw_fail_errno(err, -errno, "cannot open %s", path) :
		       hold_lock(fd, path, run_dir, err);
	free(path);
	if (!ret)
		*ret_fd = fd;
	else if (fd >= 0)
		close(fd);
	return ret;
}

bool socket_is_locked(const char *run_dir, int fd)
{
	char *path;
	bool ret;

	/* Without memory nothing can be done about it now. */
	if (asprintf(&path, "%s/" LOCK_FILE, run_dir) < 0)
		return true;
	ret = pfw_lock_is_current(fd, path);
	free(path);
	return ret;
}

int socket_find_group(const char *name, gid_t *ret, struct pfw_error *err)
{
	const struct group *group;
	unsigned long number;
	char *end;

	errno = 0;
	group = getgrnam(name);
	if (group) {
		*ret = group->gr_gid;
		return 0;
	}
	if (*name < '0' || *name > '9')
		return -ENOENT;
	errno = 0;
	number = strtoul(name, &end, 10);
	if (errno || *end || number >= GROUP_NONE)
		return pfw_fail(err, PFW_USAGE, -EINVAL, "\"%.60s\" is no group", name);
	*ret = (gid_t)number;
	return 0;
}

static bool is_listening(int fd)
{
	int type = 0, listens = 0, domain = 0;
	socklen_t len = sizeof(int);

	return !getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) && type == SOCK_STREAM &&
	       !getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) && domain == AF_UNIX &&
	       !getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) && listens;
}

/* *ret -1: systemd passed none. */
static int take_passed(int *ret, struct pfw_error *err)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
	bool ours = pid && fds && strtol(pid, NULL, 10) == (long)getpid();
	long n = ours ? strtol(fds, NULL, 10) : 0;

	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	*ret = -1;
	if (n <= 0)
		return 0;
	if (n > 1)
		return pfw_fail(err, PFW_FAILED, -EINVAL,
				"%ld sockets were passed to portfwdd; it takes one", n);
	if (!is_listening(LISTEN_FDS_START))
		return pfw_fail(err, PFW_FAILED, -EINVAL, "what was passed to portfwdd is no "
				"listening stream socket of the unix domain");
	if (fcntl(LISTEN_FDS_START, F_SETFD, FD_CLOEXEC) < 0 ||
	    fcntl(LISTEN_FDS_START, F_SETFL, O_NONBLOCK) < 0)
		return pfw_fail_errno(err, -errno, "cannot use the socket that was passed");
	*ret = LISTEN_FDS_START;
	return 0;
}

static int fill_address(struct sockaddr_un *address, const char *run_dir, struct pfw_error *err)
{
	address->sun_family = AF_UNIX;
	if (snprintf(address->sun_path, sizeof(address->sun_path), "%s/" SOCKET_TEMP, run_dir) >=
	    (int)sizeof(address->sun_path))
		return pfw_fail(err, PFW_FAILED, -ENAMETOOLONG, "the run directory %s is too long "
				"for the name of a socket; use another --run-dir", run_dir);
	return 0;
}

/* Nobody may connect before it has its rights. */
static int bind_closed(int fd, const struct sockaddr_un *address, struct pfw_error *err)
{
	mode_t mask = umask(0777);
	int ret;

	unlink(address->sun_path);
	ret = bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? -errno : 0;
	umask(mask);
	return ret ? pfw_fail_errno(err, ret, "cannot make the socket %s", address->sun_path) : 0;
}

/* Who is not root may have no right to give it to the group: then it is the owner's alone. */
static int give_rights(const char *path, gid_t group, bool *ret_shared, struct pfw_error *err)
{
	bool shared = group != GROUP_NONE && !chown(path, (uid_t)-1, group);

	if (chmod(path, shared ? 0660 : 0600) < 0)
		return pfw_fail_errno(err, -errno, "cannot change the rights of %s", path);
	*ret_shared = shared;
	return 0;
}

/* It takes its name once all is done, so that whoever looks finds the old one or the new one. */
static int make_socket(int fd, const char *run_dir, gid_t group, const char *path, bool *ret_shared,
		       struct pfw_error *err)
{
	struct sockaddr_un address = { 0 };
	int ret = fill_address(&address, run_dir, err);

	if (!ret)
		ret = bind_closed(fd, &address, err);
	if (!ret)
		ret = give_rights(address.sun_path, group, ret_shared, err);
	if (!ret && listen(fd, BACKLOG) < 0)
		ret = pfw_fail_errno(err, -errno, "cannot listen at %s", path);
	if (!ret && rename(address.sun_path, path) < 0)
		ret = pfw_fail_errno(err, -errno, "cannot make the socket %s", path);
	return ret;
}

int socket_open(const char *run_dir, gid_t group, int *ret_fd, char **ret_path, bool *ret_shared,
		struct pfw_error *err)
{
	char *path = NULL;
	int fd, ret = take_passed(&fd, err);

	if (ret)
		return ret;
	if (fd >= 0) {
		/* Whoever made it has said who may connect. */
		*ret_shared = true;
		goto done;
	}
	if (asprintf(&path, "%s/" SOCKET_FILE, run_dir) < 0)
		return pfw_fail_memory(err);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	ret = fd < 0 ? pfw_fail_errno(err, -errno, "cannot make a socket") :
		       make_socket(fd, run_dir, group, path, ret_shared, err);
	if (ret) {
		if (fd >= 0)
			close(fd);
		free(path);
		return ret;
	}
done:
	*ret_fd = fd;
	*ret_path = path;
	return 0;
}
