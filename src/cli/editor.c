/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The user's editor. */
#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "editor.h"

/* Debian's name for the editor that the administrator chose, and POSIX's. */
#define FALLBACK "$(command -v editor || echo vi)"

static const char *chosen(void)
{
	static const char *const variables[] = { "VISUAL", "EDITOR" };
	const char *value;
	size_t i;

	for (i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) {
		value = getenv(variables[i]);
		if (value && *value)
			return value;
	}
	return FALLBACK;
}

/* A child's part: never returns. */
static void become(const char *script, const char *path, bool aside, const struct sigaction *interrupt,
		   const struct sigaction *quit)
{
	sigaction(SIGINT, interrupt, NULL);
	sigaction(SIGQUIT, quit, NULL);
	if (!aside || dup2(STDERR_FILENO, STDOUT_FILENO) >= 0)
		execl("/bin/sh", "sh", "-c", script, "sh", path, (char *)NULL);
	_exit(127);
}

/* What is typed to interrupt the editor must not end us, as with system(3). */
static int run(const char *script, const char *path, bool aside, int *ret_status)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN }, interrupt, quit;
	int ret = 0;
	pid_t pid;

	sigemptyset(&ignore.sa_mask);
	sigaction(SIGINT, &ignore, &interrupt);
	sigaction(SIGQUIT, &ignore, &quit);
	pid = fork();
	if (!pid)
		become(script, path, aside, &interrupt, &quit);
	if (pid < 0)
		ret = -errno;
	while (!ret && waitpid(pid, ret_status, 0) < 0)
		if (errno != EINTR)
			ret = -errno;
	sigaction(SIGINT, &interrupt, NULL);
	sigaction(SIGQUIT, &quit, NULL);
	return ret;
}

int pfw_editor_run(const char *path, bool aside, struct pfw_error *err)
{
	const char *editor = chosen(), *name = strcmp(editor, FALLBACK) ? editor : "editor or vi";
	int status = 0, ret;
	char *script;

	if (asprintf(&script, "%s \"$@\"", editor) < 0)
		return pfw_fail_memory(err);
	ret = run(script, path, aside, &status);
	free(script);
	if (ret)
		return pfw_fail_errno(err, ret, "cannot run the editor (%.60s)", name);
	if (WIFSIGNALED(status))
		return pfw_fail(err, PFW_FAILED, -ECANCELED, "the editor (%.60s) was killed by signal %d; "
				"nothing was changed", name, WTERMSIG(status));
	if (WEXITSTATUS(status) == 127)
		return pfw_fail(err, PFW_FAILED, -ENOENT, "the editor (%.60s) cannot be run; set VISUAL "
				"or EDITOR to one that is there", name);
	if (WEXITSTATUS(status))
		return pfw_fail(err, PFW_FAILED, -ECANCELED, "the editor (%.60s) failed with exit code "
				"%d; nothing was changed", name, WEXITSTATUS(status));
	return 0;
}
