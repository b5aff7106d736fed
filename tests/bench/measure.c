/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs one command and appends what it took to a file: wall time from before fork()
 * until it is reaped, peak memory, and processor time, its own and the kernel's for it; in
 * nanoseconds and KiB. What it prints is dropped; its exit code is kept.
 *
 * usage: measure FILE COMMAND [ARGUMENT …]
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static uint64_t now(void)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	return (uint64_t)at.tv_sec * 1000000000u + (uint64_t)at.tv_nsec;
}

static uint64_t processor_time(const struct rusage *usage)
{
	return ((uint64_t)usage->ru_utime.tv_sec + (uint64_t)usage->ru_stime.tv_sec) * 1000000000u +
	       ((uint64_t)usage->ru_utime.tv_usec + (uint64_t)usage->ru_stime.tv_usec) * 1000u;
}

static void become(char **command)
{
	int nowhere = open("/dev/null", O_RDWR);

	if (nowhere >= 0 && dup2(nowhere, STDIN_FILENO) >= 0 && dup2(nowhere, STDOUT_FILENO) >= 0)
		execvp(*command, command);
	perror(*command);
	_exit(127);
}

int main(int argc, char **argv)
{
	struct rusage usage;
	uint64_t begin, end;
	int status = 0;
	FILE *file;
	pid_t pid;

	if (argc < 3) {
		fprintf(stderr, "usage: measure FILE COMMAND [ARGUMENT ...]\n");
		return 2;
	}
	begin = now();
	pid = fork();
	if (!pid)
		become(argv + 2);
	if (pid < 0 || wait4(pid, &status, 0, &usage) != pid) {
		perror("measure");
		return 1;
	}
	end = now();
	file = fopen(argv[1], "ae");
	if (!file ||
	    fprintf(file, "%ju %ld %ju\n", (uintmax_t)(end - begin), usage.ru_maxrss,
		    (uintmax_t)processor_time(&usage)) < 0 ||
	    fclose(file)) {
		perror(argv[1]);
		return 1;
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
