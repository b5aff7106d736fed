/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One run of portfwd(1): arguments, command, errors, exit code. */
#include <errno.h>
#include <string.h>

#include "cli.h"
#include "command.h"
#include "help.h"
#include "output.h"

int pfw_cli_ask(struct pfw_cli *cli, enum pfw_verb verb, const struct pfw_request *request,
		json_t **ret_answer, struct pfw_error *err)
{
	struct pfw_service *service = NULL;
	int ret;

	ret = pfw_service_open(&cli->args.service, &service, err);
	if (ret)
		return ret;
	ret = pfw_service_call(service, verb, request, ret_answer, err);
	pfw_service_close(service);
	return ret;
}

int pfw_cli_answer(struct pfw_cli *cli, enum pfw_verb verb, const struct pfw_request *request,
		   pfw_printer *print, struct pfw_error *err)
{
	json_t *answer = NULL;
	int ret;

	ret = pfw_cli_ask(cli, verb, request, &answer, err);
	if (!ret)
		ret = cli->args.json ? pfw_output_json(cli, answer, err)
				     : print(cli, answer, err);
	if (!ret)
		ret = pfw_output_warning(cli, answer, err);
	json_decref(answer);
	return ret;
}

static int run(struct pfw_cli *cli, struct pfw_error *err)
{
	const struct pfw_command *command = cli->args.command;

	if (cli->args.help)
		return pfw_help_print(cli->out, command);
	if (cli->args.version)
		return pfw_cmd_version(cli, err);
	if (!command)
		return pfw_fail(err, PFW_USAGE, -EINVAL,
				"a command is missing; \"portfwd help\" lists them");
	return command->run(cli, err);
}

/* What was printed counts as done only once the system has taken it. */
static int finish(struct pfw_cli *cli, int code)
{
	struct pfw_error err = PFW_ERROR_INIT;
	int ret;

	errno = 0;
	if (!fflush(cli->out) && !ferror(cli->out))
		return code;
	ret = errno ? pfw_fail_errno(&err, -errno, "cannot write to standard output")
		    : pfw_fail(&err, PFW_FAILED, -EIO, "cannot write to standard output");
	pfw_output_error_lines(cli->err, &err, ret);
	return PFW_FAILED;
}

int pfw_cli_main(struct pfw_cli *cli, int argc, char **argv)
{
	struct pfw_error err = PFW_ERROR_INIT;
	int ret;

	ret = pfw_arguments_parse(&cli->args, argc, argv, &err);
	if (!ret)
		ret = run(cli, &err);
	if (ret < 0)
		ret = pfw_output_error(cli, &err, ret);
	pfw_arguments_free(&cli->args);
	return finish(cli, ret);
}
