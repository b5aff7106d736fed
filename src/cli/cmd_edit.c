/* SPDX-License-Identifier: GPL-2.0-or-later */
/* "edit": the configuration in an editor; what comes out lands whole, or not at all. */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "copy.h"
#include "editor.h"
#include "output.h"

/* Where there is no file yet. */
#define SKELETON "{\n  \"forwards\": [\n  ]\n}\n"

/* One edit: what the file says, the copy, and what became of it. */
struct edit {
	struct pfw_service_file file;
	struct pfw_copy copy;
	struct pfw_buffer text;		/* what the copy said last */
	json_t *answer;			/* of the service, once it has landed */
	bool changed;			/* the copy differs from the file */
	bool discarded;			/* by the user's own word */
};

static int begin(struct pfw_cli *cli, struct edit *edit, struct pfw_error *err)
{
	struct pfw_service *service = NULL;
	int ret = pfw_service_open(&cli->args.service, &service, err);

	if (!ret)
		ret = pfw_service_read(service, cli->args.dry_run, &edit->file, err);
	pfw_service_close(service);
	if (ret)
		return ret;
	if (!edit->file.exists)
		pfw_buffer_puts(&edit->file.text, SKELETON);
	if (edit->file.text.failed)
		return pfw_fail_memory(err);
	return pfw_copy_make(&edit->copy, edit->file.path, &edit->file.text, err);
}

static int take_text(struct edit *edit, struct pfw_error *err)
{
	const struct pfw_buffer *was = &edit->file.text;
	struct pfw_buffer text = { 0 };
	int ret = pfw_copy_read(&edit->copy, &text, err);

	if (ret)
		return ret;
	pfw_buffer_free(&edit->text);
	edit->text = text;
	edit->changed = text.len != was->len || (text.len && memcmp(text.data, was->data, text.len));
	return 0;
}

/* One round: the editor, and what it left lands; nothing, where that is what stands. */
static int round_trip(struct pfw_cli *cli, struct edit *edit, struct pfw_error *err)
{
	struct pfw_request request = {
		.drain = cli->args.drain,
		.dry_run = cli->args.dry_run,
	};
	int ret = pfw_editor_run(edit->copy.path, cli->args.json, err), looked;
	struct pfw_error ignored = PFW_ERROR_INIT;

	/* Whatever the editor says of itself: what it wrote is the user's. */
	looked = take_text(edit, ret ? &ignored : err);
	ret = ret ? ret : looked;
	if (ret || !edit->changed)
		return ret;
	request.text = edit->text.data;
	request.text_len = edit->text.len;
	if (edit->file.exists) {
		request.base = edit->file.text.data;
		request.base_len = edit->file.text.len;
	}
	return pfw_cli_ask(cli, PFW_VERB_WRITE, &request, &edit->answer, err);
}

/* Tells what is wrong and asks what to do about it; true: edit again. */
static bool ask_again(struct pfw_cli *cli, struct edit *edit, struct pfw_error *err, int code)
{
	char line[80];

	pfw_output_error_lines(cli->err, err, code);
	do {
		fputs("What now? (e)dit again, e(x)it and discard the changes: ", cli->err);
		fflush(cli->err);
		if (!fgets(line, sizeof(line), cli->in))
			return false;
		if (!strcmp(line, "e\n"))
			return true;
	} while (strcmp(line, "x\n"));
	edit->discarded = true;
	return false;
}

static int work(struct pfw_cli *cli, struct edit *edit, struct pfw_error *err)
{
	int ret = round_trip(cli, edit, err);

	/* A text that is based on another file is no better for being edited again. */
	while (ret && ret != -ESTALE && edit->changed && cli->interactive) {
		if (!ask_again(cli, edit, err, ret)) {
			pfw_fail(err, err->kind, ret, "%s is as it was", edit->file.path);
			break;
		}
		pfw_error_clear(err);
		ret = round_trip(cli, edit, err);
	}
	return ret;
}

static int print_edited(struct pfw_cli *cli, const json_t *answer, struct pfw_error *err)
{
	const char *file = json_string_value(json_object_get(answer, "file"));
	const char *kept = json_string_value(json_object_get(answer, "kept"));
	json_int_t n = json_integer_value(json_object_get(answer, "forwards"));
	struct pfw_buffer line = { 0 };
	int ret;

	if (!json_is_true(json_object_get(answer, "changed")))
		pfw_buffer_printf(&line, "%s is unchanged", file ? file : "");
	else
		pfw_buffer_printf(&line, "%s %s and %s %" JSON_INTEGER_FORMAT " forward%s",
				  cli->args.dry_run ? "would save" : "saved", file ? file : "",
				  cli->args.dry_run ? "reload" : "reloaded", n, n == 1 ? "" : "s");
	ret = pfw_output_say(cli, &line, err);
	if (!ret)
		ret = pfw_output_objects(cli, answer, err);
	if (ret || !kept)
		return ret;
	pfw_buffer_printf(&line, "your text is kept in %s", kept);
	return pfw_output_say(cli, &line, err);
}

static json_t *unchanged(const struct edit *edit)
{
	return json_pack("{s:b, s:n, s:s, s:i, s:n, s:n}", "changed", 0, "forwards", "file",
			 edit->file.path, "objects", 0, "warning", "changes");
}

static int tell(struct pfw_cli *cli, struct edit *edit, struct pfw_error *err)
{
	bool kept = edit->answer && cli->args.dry_run;
	json_t *answer = edit->answer ? json_incref(edit->answer) : unchanged(edit);
	int ret;

	if (!answer || json_object_set_new(answer, "kept",
					   kept ? json_string(edit->copy.path) : json_null()))
		ret = pfw_fail_memory(err);
	else
		ret = cli->args.json ? pfw_output_json(cli, answer, err) :
				       print_edited(cli, answer, err);
	if (!ret)
		ret = pfw_output_warning(cli, answer, err);
	json_decref(answer);
	return ret;
}

/* What the user wrote and what did not land is not thrown away, but for the user's word. */
int pfw_cmd_edit(struct pfw_cli *cli, struct pfw_error *err)
{
	struct edit edit = { 0 };
	bool kept;
	int ret = begin(cli, &edit, err);

	if (!ret) {
		ret = work(cli, &edit, err);
		kept = edit.changed && !edit.discarded && (ret || cli->args.dry_run);
		if (ret && kept)
			pfw_error_add_advice(err, PFW_FAILED, "your text is kept in %s",
					     edit.copy.path);
		if (!ret)
			ret = tell(cli, &edit, err);
		if (!kept)
			pfw_copy_remove(&edit.copy);
	}
	json_decref(edit.answer);
	pfw_buffer_free(&edit.text);
	pfw_copy_free(&edit.copy);
	pfw_service_file_free(&edit.file);
	return ret;
}
