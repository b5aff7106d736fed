/* SPDX-License-Identifier: GPL-2.0-or-later */
/* "reload", for good or until it is confirmed, and "confirm". */
#include "config.h"

#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "command.h"
#include "output.h"
#include "portfwd/base/buffer.h"

static int print_reloaded(struct pfw_cli *cli, const json_t *answer, struct pfw_error *err)
{
	json_int_t n = json_integer_value(json_object_get(answer, "forwards"));
	bool changed = json_is_true(json_object_get(answer, "changed"));
	const char *did = cli->args.dry_run ? "would reload" : "reloaded";
	struct pfw_buffer line = { 0 };
	int ret;

	pfw_buffer_printf(&line, "%s %" JSON_INTEGER_FORMAT " forward%s%s", did, n,
			  n == 1 ? "" : "s", changed ? "" : ", nothing changed");
	ret = pfw_output_say(cli, &line, err);
	return ret ? ret : pfw_output_changes(cli, answer, err);
}

/* A reload that waits, and what may end the waiting from outside. */
struct waiting {
	struct pfw_service *service;
	int signals;
	sigset_t before;
};

/*
 * Interrupted, what was before returns at once. A terminal that is gone is no reason to: that
 * may be what the reload has done, and whoever comes back in time may still confirm it.
 */
static int hold_signals(struct waiting *waiting, struct pfw_error *err)
{
	sigset_t held;

	sigemptyset(&held);
	sigaddset(&held, SIGINT);
	sigaddset(&held, SIGTERM);
	sigaddset(&held, SIGQUIT);
	sigprocmask(SIG_BLOCK, &held, &waiting->before);
	signal(SIGHUP, SIG_IGN);
	waiting->signals = signalfd(-1, &held, SFD_CLOEXEC | SFD_NONBLOCK);
	return waiting->signals < 0 ? pfw_fail_errno(err, -errno, "cannot wait for signals") : 0;
}

static void release_signals(struct waiting *waiting)
{
	struct signalfd_siginfo taken;

	if (waiting->signals >= 0) {
		while (read(waiting->signals, &taken, sizeof(taken)) > 0)
			;
		close(waiting->signals);
	}
	sigprocmask(SIG_SETMASK, &waiting->before, NULL);
	signal(SIGHUP, SIG_DFL);
}

static int say_waiting(struct pfw_cli *cli, const json_t *answer, struct pfw_error *err)
{
	json_int_t seconds = json_integer_value(json_object_get(json_object_get(answer, "confirm"),
								"seconds"));
	struct pfw_buffer line = { 0 };
	int ret;

	if (!seconds) {
		pfw_buffer_puts(&line, "the files say what was applied already: there is nothing to "
				"confirm");
		return pfw_output_say(cli, &line, err);
	}
	pfw_buffer_printf(&line, "what was before returns in %" JSON_INTEGER_FORMAT " second%s, unless "
			  "\"portfwd confirm\" comes first", seconds, seconds == 1 ? "" : "s");
	ret = pfw_output_say(cli, &line, err);
	/* Whoever reads a pipe should know now, not at the end. */
	fflush(cli->out);
	return ret;
}

/* Not in time, or not wanted: that is no success of the command. */
static int take_back(struct waiting *waiting, bool early, struct pfw_error *err)
{
	const struct pfw_request request = { .early = early };
	json_t *answer = NULL;
	int ret = pfw_service_call(waiting->service, PFW_VERB_REVERT, &request, &answer, err);

	json_decref(answer);
	if (ret)
		return ret;
	return pfw_fail(err, PFW_FAILED, early ? -ECANCELED : -ETIME, "the reload was %s: what was "
			"before has returned; a file that changed back has what it said beside it, as "
			"NAME.unconfirmed",
			early ? "interrupted before it was confirmed" : "not confirmed in time");
}

static int wait_for_it(struct pfw_cli *cli, struct waiting *waiting, struct pfw_error *err)
{
	struct pfw_buffer line = { 0 };
	enum pfw_wait end = PFW_WAIT_OVER;
	int ret = pfw_service_wait(waiting->service, waiting->signals, &end, err);

	if (ret)
		return ret;
	switch (end) {
	case PFW_WAIT_CONFIRMED:
		pfw_buffer_puts(&line, "confirmed");
		return cli->args.json ? 0 : pfw_output_say(cli, &line, err);
	case PFW_WAIT_ELSEWHERE:
		return 0;
	case PFW_WAIT_OVER:
	case PFW_WAIT_WOKEN:
		break;
	}
	return take_back(waiting, end == PFW_WAIT_WOKEN, err);
}

static int print_trial(struct pfw_cli *cli, const json_t *answer, struct pfw_error *err)
{
	int ret = print_reloaded(cli, answer, err);

	return ret || cli->args.dry_run ? ret : say_waiting(cli, answer, err);
}

/* Nothing may go between the reload and the waiting for it: an interrupt then would leave it standing. */
static int try_it(struct pfw_cli *cli, const struct pfw_request *request, struct pfw_error *err)
{
	struct waiting waiting = { .signals = -1 };
	json_t *answer = NULL;
	int ret = pfw_service_open(&cli->args.service, &waiting.service, err);

	if (ret)
		return ret;
	ret = hold_signals(&waiting, err);
	if (!ret)
		ret = pfw_service_call(waiting.service, PFW_VERB_RELOAD, request, &answer, err);
	if (!ret)
		ret = cli->args.json ? pfw_output_json(cli, answer, err) :
				       print_trial(cli, answer, err);
	if (!ret)
		ret = pfw_output_warning(cli, answer, err);
	if (!ret && json_is_object(json_object_get(answer, "confirm"))) {
		fflush(cli->out);
		ret = wait_for_it(cli, &waiting, err);
	}
	release_signals(&waiting);
	json_decref(answer);
	pfw_service_close(waiting.service);
	return ret;
}

int pfw_cmd_reload(struct pfw_cli *cli, struct pfw_error *err)
{
	const struct pfw_request request = {
		.drain = cli->args.drain,
		.dry_run = cli->args.dry_run,
		.confirm = cli->args.confirm,
	};

	if (cli->args.confirm)
		return try_it(cli, &request, err);
	return pfw_cli_answer(cli, PFW_VERB_RELOAD, &request, print_reloaded, err);
}

static int print_confirmed(struct pfw_cli *cli, const json_t *answer, struct pfw_error *err)
{
	struct pfw_buffer line = { 0 };

	(void)answer;
	pfw_buffer_puts(&line, "confirmed");
	return pfw_output_say(cli, &line, err);
}

int pfw_cmd_confirm(struct pfw_cli *cli, struct pfw_error *err)
{
	const struct pfw_request request = { 0 };

	return pfw_cli_answer(cli, PFW_VERB_CONFIRM, &request, print_confirmed, err);
}
