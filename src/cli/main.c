/* SPDX-License-Identifier: GPL-2.0-or-later */
/* portfwd(1): the process around the command line. */
#include <fcntl.h>
#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

/*
 * A file or socket that is opened later must not become standard output. The
 * wrong mode is on purpose: writing to what the caller closed stays an error.
 */
static void hold_descriptors(void)
{
	int fd;

	for (fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			(void)!open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

/* Only the widths of characters: messages stay in one language for scripts. */
static void set_locale(void)
{
	if (!setlocale(LC_CTYPE, "") || strcmp(nl_langinfo(CODESET), "UTF-8"))
		(void)setlocale(LC_CTYPE, "C.UTF-8");
}

static bool wants_color(void)
{
	const char *no_color = getenv("NO_COLOR");
	const char *term = getenv("TERM");

	return !(no_color && *no_color) && term && strcmp(term, "dumb");
}

int main(int argc, char **argv)
{
	struct pfw_cli cli = { .out = stdout, .err = stderr, .in = stdin };

	hold_descriptors();
	set_locale();
	cli.terminal = isatty(STDOUT_FILENO);
	cli.interactive = isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
	cli.color = cli.terminal && wants_color();
	return pfw_cli_main(&cli, argc, argv);
}
