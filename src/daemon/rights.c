/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a running daemon may still do. */
#include "config.h"

#include <cap-ng.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#ifdef HAVE_SECCOMP
#include <seccomp.h>
#endif

#include "rights.h"

/* Only what it has: as an ordinary user in a user namespace that may be nothing. */
static int drop_capabilities(void)
{
	static const unsigned int kept[] = { CAP_NET_ADMIN, CAP_NET_RAW };
	bool has[sizeof(kept) / sizeof(kept[0])], may_bound;
	size_t i;

	if (capng_get_caps_process())
		return -EPERM;
	may_bound = capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP);
	for (i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		has[i] = capng_have_capability(CAPNG_PERMITTED, kept[i]);
	capng_clear(CAPNG_SELECT_ALL);
	for (i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		if (has[i] && capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED |
					   CAPNG_BOUNDING_SET, kept[i]))
			return -EPERM;
	return capng_apply(may_bound ? CAPNG_SELECT_ALL : CAPNG_SELECT_CAPS) ? -EPERM : 0;
}

#ifdef HAVE_SECCOMP

/* By what they are for. What a C library may use in place of another stands beside it. */
static const int calls[] = {
	/* memory and threads */
	SCMP_SYS(brk), SCMP_SYS(mmap), SCMP_SYS(mmap2), SCMP_SYS(mprotect), SCMP_SYS(mremap),
	SCMP_SYS(munmap), SCMP_SYS(madvise), SCMP_SYS(clone), SCMP_SYS(clone3), SCMP_SYS(futex),
	SCMP_SYS(futex_time64), SCMP_SYS(set_robust_list), SCMP_SYS(rseq), SCMP_SYS(gettid),
	SCMP_SYS(sched_getaffinity), SCMP_SYS(sched_yield), SCMP_SYS(getcpu), SCMP_SYS(membarrier),
	SCMP_SYS(prctl),
	/* the loop */
	SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait),
	SCMP_SYS(epoll_pwait2), SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(ppoll_time64),
	SCMP_SYS(select), SCMP_SYS(pselect6), SCMP_SYS(eventfd2), SCMP_SYS(timerfd_create),
	SCMP_SYS(timerfd_settime), SCMP_SYS(timerfd_gettime), SCMP_SYS(inotify_init1),
	SCMP_SYS(inotify_add_watch), SCMP_SYS(inotify_rm_watch), SCMP_SYS(pipe2),
	/* time and signals */
	SCMP_SYS(clock_gettime), SCMP_SYS(clock_gettime64), SCMP_SYS(clock_getres),
	SCMP_SYS(clock_nanosleep), SCMP_SYS(clock_nanosleep_time64), SCMP_SYS(nanosleep),
	SCMP_SYS(gettimeofday), SCMP_SYS(time), SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn), SCMP_SYS(sigreturn), SCMP_SYS(sigaltstack),
	SCMP_SYS(restart_syscall), SCMP_SYS(tgkill), SCMP_SYS(exit), SCMP_SYS(exit_group),
	/* children */
	SCMP_SYS(fork), SCMP_SYS(kill), SCMP_SYS(wait4), SCMP_SYS(waitid),
	SCMP_SYS(waitpid), SCMP_SYS(memfd_create), SCMP_SYS(close_range),
	/* files */
	SCMP_SYS(open), SCMP_SYS(openat), SCMP_SYS(openat2), SCMP_SYS(close), SCMP_SYS(read),
	SCMP_SYS(readv), SCMP_SYS(pread64), SCMP_SYS(write), SCMP_SYS(writev), SCMP_SYS(pwrite64),
	SCMP_SYS(lseek), SCMP_SYS(_llseek), SCMP_SYS(fcntl), SCMP_SYS(fcntl64), SCMP_SYS(flock),
	SCMP_SYS(ioctl), SCMP_SYS(dup), SCMP_SYS(dup2), SCMP_SYS(dup3), SCMP_SYS(fsync),
	SCMP_SYS(fdatasync), SCMP_SYS(ftruncate), SCMP_SYS(ftruncate64), SCMP_SYS(fallocate),
	SCMP_SYS(copy_file_range), SCMP_SYS(sendfile), SCMP_SYS(fadvise64), SCMP_SYS(stat),
	SCMP_SYS(stat64), SCMP_SYS(lstat), SCMP_SYS(lstat64), SCMP_SYS(fstat), SCMP_SYS(fstat64),
	SCMP_SYS(newfstatat), SCMP_SYS(fstatat64), SCMP_SYS(statx), SCMP_SYS(statfs),
	SCMP_SYS(fstatfs), SCMP_SYS(access), SCMP_SYS(faccessat), SCMP_SYS(faccessat2),
	SCMP_SYS(getdents), SCMP_SYS(getdents64), SCMP_SYS(getcwd), SCMP_SYS(readlink),
	SCMP_SYS(readlinkat), SCMP_SYS(rename), SCMP_SYS(renameat), SCMP_SYS(renameat2),
	SCMP_SYS(link), SCMP_SYS(linkat), SCMP_SYS(unlink), SCMP_SYS(unlinkat), SCMP_SYS(mkdir),
	SCMP_SYS(mkdirat), SCMP_SYS(rmdir), SCMP_SYS(chmod), SCMP_SYS(fchmod), SCMP_SYS(fchmodat),
	SCMP_SYS(chown), SCMP_SYS(fchown), SCMP_SYS(fchownat), SCMP_SYS(umask),
	/* sockets */
	SCMP_SYS(socket), SCMP_SYS(socketpair), SCMP_SYS(bind), SCMP_SYS(listen),
	SCMP_SYS(accept), SCMP_SYS(accept4), SCMP_SYS(connect), SCMP_SYS(shutdown),
	SCMP_SYS(getsockname), SCMP_SYS(getpeername), SCMP_SYS(getsockopt), SCMP_SYS(setsockopt),
	SCMP_SYS(send), SCMP_SYS(sendto), SCMP_SYS(sendmsg), SCMP_SYS(sendmmsg), SCMP_SYS(recv),
	SCMP_SYS(recvfrom), SCMP_SYS(recvmsg), SCMP_SYS(recvmmsg),
	/* who and where we are */
	SCMP_SYS(getpid), SCMP_SYS(getppid), SCMP_SYS(getuid), SCMP_SYS(geteuid), SCMP_SYS(getgid),
	SCMP_SYS(getegid), SCMP_SYS(getuid32), SCMP_SYS(geteuid32), SCMP_SYS(getgid32),
	SCMP_SYS(getegid32), SCMP_SYS(getgroups), SCMP_SYS(getrandom), SCMP_SYS(uname),
	SCMP_SYS(sysinfo), SCMP_SYS(getrlimit), SCMP_SYS(prlimit64), SCMP_SYS(getrusage),
};

static int filter_calls(void)
{
	scmp_filter_ctx context = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	size_t i;
	int ret = context ? 0 : -ENOMEM;

	if (!ret)
		ret = seccomp_attr_set(context, SCMP_FLTATR_CTL_TSYNC, 1);
	/* Below zero are those that this machine does not have. */
	for (i = 0; !ret && i < sizeof(calls) / sizeof(calls[0]); i++)
		if (calls[i] >= 0)
			ret = seccomp_rule_add(context, SCMP_ACT_ALLOW, calls[i], 0);
	if (!ret)
		ret = seccomp_load(context);
	seccomp_release(context);
	return ret;
}

#else

static int filter_calls(void)
{
	return 0;
}

#endif

int rights_drop(const struct log *log, struct pfw_error *err)
{
	int ret = drop_capabilities();

	if (!ret && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		ret = -errno;
	if (ret)
		return pfw_fail_errno(err, ret, "cannot give up the rights that are not needed");
	ret = filter_calls();
	if (ret == -ENOMEM)
		return pfw_fail_memory(err);
	/* Some kernels have no filters; the rest holds without them. */
	if (ret)
		log_event(log, LOG_WARNING, "the kernel filters no system calls",
			  json_pack("{s:s}", "error", strerror(-ret)));
	return 0;
}
