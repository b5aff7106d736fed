/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A service that stays, beside others that come and go, as the command line does. */
#include "config.h"

#include <errno.h>
#include <ftw.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../sandbox.h"
#include "cases.h"
#include "portfwd/base/time.h"
#include "portfwd/engine/engine.h"
#include "portfwd/service/service.h"

static char folder[64], config[128], run_dir[128];

static int drop(const char *path, const struct stat *stat, int type, struct FTW *ftw)
{
	(void)stat;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void write_config(const char *text)
{
	FILE *file = fopen(config, "w");

	ck_assert_ptr_nonnull(file);
	ck_assert_int_ge(fputs(text, file), 0);
	ck_assert_int_eq(fclose(file), 0);
}

static void set_up(void)
{
	sandbox_enter();
	/* In memory where there is such a place: thousands of lines wait for no disk. */
	snprintf(folder, sizeof(folder), "%s/portfwd-service.XXXXXX",
		 access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(config, sizeof(config), "%s/p.json", folder);
	snprintf(run_dir, sizeof(run_dir), "%s/run", folder);
	write_config("{\"forwards\": []}\n");
}

static void tear_down(void)
{
	ck_assert_int_eq(nftw(folder, drop, 16, FTW_DEPTH | FTW_PHYS), 0);
}

static struct pfw_service *open_service(bool stays)
{
	const struct pfw_service_options options = {
		.config = config, .run_dir = run_dir, .keep = stays, .journal = stays,
	};
	struct pfw_error err = PFW_ERROR_INIT;
	struct pfw_service *service;

	ck_assert_int_eq(pfw_service_open(&options, &service, &err), 0);
	return service;
}

static json_t *ask(struct pfw_service *service, enum pfw_verb verb,
		   const struct pfw_request *request)
{
	struct pfw_error err = PFW_ERROR_INIT;
	json_t *answer = NULL;

	ck_assert_msg(!pfw_service_call(service, verb, request, &answer, &err), "verb %d: %s %s",
		      (int)verb, err.item[0].path, err.item[0].message);
	return answer;
}

static void must(struct pfw_service *service, enum pfw_verb verb)
{
	json_decref(ask(service, verb, &(struct pfw_request){ 0 }));
}

static int add(struct pfw_service *service, const char *name, int port, const char *expires,
	       bool runtime)
{
	json_t *forward = json_pack("{s:s, s:o, s:s, s:s*}", "name", name, "listen",
				    json_sprintf("%d", port), "target", "self:22", "expires", expires);
	const struct pfw_request request = { .forward = forward, .replace = true, .runtime = runtime };
	struct pfw_error err = PFW_ERROR_INIT;
	json_t *answer = NULL;
	int ret = pfw_service_call(service, PFW_VERB_ADD, &request, &answer, &err);

	json_decref(answer);
	json_decref(forward);
	return ret;
}

static int with_name(struct pfw_service *service, enum pfw_verb verb, const char *name)
{
	const struct pfw_request request = { .names = &name, .n_names = 1 };
	struct pfw_error err = PFW_ERROR_INIT;
	json_t *answer = NULL;
	int ret = pfw_service_call(service, verb, &request, &answer, &err);

	json_decref(answer);
	return ret;
}

/* All forwards with their states, and that the kernel has them. */
static json_t *everything(struct pfw_service *service)
{
	json_t *diff = ask(service, PFW_VERB_DIFF, &(struct pfw_request){ 0 }), *list;
	char *text = json_dumps(json_object_get(diff, "changes"), 0);

	ck_assert_msg(json_is_true(json_object_get(diff, "in_sync")), "%s", text);
	free(text);
	json_decref(diff);
	list = ask(service, PFW_VERB_LIST, &(struct pfw_request){ 0 });
	return list;
}

static json_int_t status_of(struct pfw_service *service, const char *key)
{
	json_t *answer = ask(service, PFW_VERB_STATUS, &(struct pfw_request){ 0 });
	json_int_t ret = json_integer_value(json_object_get(answer, key));

	json_decref(answer);
	return ret;
}

/* The one that stays and one that comes must see the same. */
static void agree(struct pfw_service *stays)
{
	struct pfw_service *comes = open_service(false);
	json_t *a = everything(stays), *b = everything(comes);
	char *x = json_dumps(a, JSON_SORT_KEYS), *y = json_dumps(b, JSON_SORT_KEYS);

	ck_assert_str_eq(x, y);
	free(x);
	free(y);
	json_decref(a);
	json_decref(b);
	pfw_service_close(comes);
}

START_TEST(test_others_see_the_journal)
{
	struct pfw_service *stays, *comes;
	struct stat st;

	set_up();
	stays = open_service(true);
	must(stays, PFW_VERB_RELOAD);
	ck_assert_int_eq(add(stays, "a", 1001, NULL, false), 0);
	ck_assert_int_eq(add(stays, "b", 1002, NULL, false), 0);
	ck_assert_int_eq(status_of(stays, "journal"), 2);
	comes = open_service(false);
	ck_assert_int_eq(status_of(comes, "journal"), 2);
	agree(stays);
	/* Looking changes nothing; changing puts it into the file. */
	ck_assert_int_eq(status_of(stays, "journal"), 2);
	ck_assert_int_eq(add(comes, "c", 1003, NULL, false), 0);
	ck_assert_int_eq(status_of(comes, "journal"), 0);
	agree(stays);
	ck_assert_int_eq(with_name(stays, PFW_VERB_REMOVE, "b"), 0);
	ck_assert_int_eq(with_name(stays, PFW_VERB_DISABLE, "c"), 0);
	ck_assert_int_eq(add(stays, "r", 1004, NULL, true), 0);
	agree(stays);
	pfw_service_close(comes);
	pfw_service_close(stays);
	ck_assert_int_lt(stat(strcat(config, ".journal"), &st), 0);
	tear_down();
}
END_TEST

/* If this fails, a slip in the file takes the forwards away, or keeps them from coming back. */
START_TEST(test_broken_file_stays_out)
{
	struct pfw_error err = PFW_ERROR_INIT;
	struct pfw_service *stays;
	json_t *answer = NULL;

	set_up();
	stays = open_service(true);
	must(stays, PFW_VERB_RELOAD);
	ck_assert_int_eq(add(stays, "a", 1001, NULL, false), 0);
	must(stays, PFW_VERB_SETTLE);
	write_config("{\"settings\": {\"backend\": \"nftables\"}, \"forwards\": [{\"listen\": 5}]}");
	ck_assert_int_lt(add(stays, "b", 1002, NULL, false), 0);
	ck_assert_int_lt(pfw_service_call(stays, PFW_VERB_RELOAD, &(struct pfw_request){ 0 }, &answer,
					  &err), 0);
	unit_has_error(&err, "forwards[0].listen");
	if (system("nft delete table inet portfwd"))
		ck_abort_msg("nft cannot disturb it");
	answer = ask(stays, PFW_VERB_REPAIR, &(struct pfw_request){ 0 });
	ck_assert(json_is_true(json_object_get(answer, "changed")));
	ck_assert_uint_gt(json_array_size(json_object_get(answer, "changes")), 0);
	json_decref(answer);
	answer = ask(stays, PFW_VERB_REPAIR, &(struct pfw_request){ 0 });
	ck_assert(json_is_false(json_object_get(answer, "changed")));
	json_decref(answer);
	write_config("{\"forwards\": [{\"name\": \"z\", \"listen\": \"1009\", \"target\": \"self:22\"}]}");
	must(stays, PFW_VERB_RELOAD);
	agree(stays);
	pfw_service_close(stays);
	tear_down();
}
END_TEST

/* What somebody flushed is not to be put back. */
START_TEST(test_flush_is_no_damage)
{
	struct pfw_service *stays, *comes;
	json_t *answer;

	set_up();
	stays = open_service(true);
	must(stays, PFW_VERB_RELOAD);
	ck_assert_int_eq(add(stays, "a", 1001, NULL, false), 0);
	ck_assert_int_eq(add(stays, "r", 1002, NULL, true), 0);
	comes = open_service(false);
	must(comes, PFW_VERB_FLUSH);
	answer = ask(stays, PFW_VERB_REPAIR, &(struct pfw_request){ 0 });
	ck_assert(json_is_false(json_object_get(answer, "changed")));
	json_decref(answer);
	must(stays, PFW_VERB_RELOAD);
	ck_assert_int_eq(with_name(stays, PFW_VERB_REMOVE, "r"), -ENOENT);
	agree(stays);
	must(stays, PFW_VERB_FLUSH);
	must(stays, PFW_VERB_RELOAD);
	agree(stays);
	pfw_service_close(comes);
	pfw_service_close(stays);
	tear_down();
}
END_TEST

/* A draft that is refused or only tried out is forgotten. */
START_TEST(test_drafts)
{
	static const char good[] = "{\"forwards\": [{\"name\": \"n\", \"listen\": \"1005\", "
				   "\"target\": \"self:22\"}]}";
	struct pfw_error err = PFW_ERROR_INIT;
	struct pfw_service_file file = { 0 };
	struct pfw_request request;
	struct pfw_service *stays;
	json_t *answer = NULL;

	set_up();
	stays = open_service(true);
	must(stays, PFW_VERB_RELOAD);
	ck_assert_int_eq(add(stays, "a", 1001, NULL, false), 0);
	/* The editor gets what the journal says, too. */
	ck_assert_int_eq(pfw_service_read(stays, false, &file, &err), 0);
	ck_assert_ptr_nonnull(strstr(file.text.data, "\"a\""));
	request = (struct pfw_request){
		.text = good, .text_len = strlen(good), .base = file.text.data,
		.base_len = file.text.len, .dry_run = true,
	};
	json_decref(ask(stays, PFW_VERB_WRITE, &request));
	agree(stays);
	ck_assert_int_eq(with_name(stays, PFW_VERB_DISABLE, "a"), 0);
	request.dry_run = false;
	ck_assert_int_eq(pfw_service_call(stays, PFW_VERB_WRITE, &request, &answer, &err), -ESTALE);
	agree(stays);
	pfw_service_file_free(&file);
	pfw_error_clear(&err);
	ck_assert_int_eq(pfw_service_read(stays, false, &file, &err), 0);
	request.base = file.text.data;
	request.base_len = file.text.len;
	json_decref(ask(stays, PFW_VERB_WRITE, &request));
	ck_assert_int_eq(with_name(stays, PFW_VERB_REMOVE, "a"), -ENOENT);
	ck_assert_int_eq(with_name(stays, PFW_VERB_DISABLE, "n"), 0);
	agree(stays);
	pfw_service_file_free(&file);
	pfw_service_close(stays);
	tear_down();
}
END_TEST

/* A key that the file and the journal both give away is the file's. */
START_TEST(test_key_taken_by_hand)
{
	struct pfw_service *stays, *comes;
	json_t *answer;

	set_up();
	stays = open_service(true);
	must(stays, PFW_VERB_RELOAD);
	ck_assert_int_eq(add(stays, "a", 1001, NULL, false), 0);
	write_config("{\"forwards\": [{\"name\": \"z\", \"listen\": \"1001\", \"target\": \"self:23\"}]}");
	comes = open_service(false);
	answer = ask(comes, PFW_VERB_RELOAD, &(struct pfw_request){ 0 });
	ck_assert_ptr_nonnull(strstr(json_string_value(json_object_get(answer, "warning")), "journal"));
	json_decref(answer);
	agree(stays);
	ck_assert_int_eq(with_name(stays, PFW_VERB_REMOVE, "a"), -ENOENT);
	ck_assert_int_eq(access(strcat(config, ".journal.rejected"), F_OK), 0);
	pfw_service_close(comes);
	pfw_service_close(stays);
	tear_down();
}
END_TEST

/* If this fails, what has expired is still counted upon. */
START_TEST(test_time_goes_on)
{
	char text[PFW_TIME_TEXT];
	struct pfw_service *stays;
	int64_t end;

	set_up();
	stays = open_service(true);
	must(stays, PFW_VERB_RELOAD);
	ck_assert_int_eq(add(stays, "a", 1001, NULL, false), 0);
	end = time(NULL) + 2;
	ck_assert_int_eq(add(stays, "e", 1002, pfw_time_print(end, text), false), 0);
	agree(stays);
	while (time(NULL) <= end)
		usleep(10000);
	agree(stays);
	ck_assert_int_eq(add(stays, "b", 1002, NULL, false), 0);
	agree(stays);
	/* It left the file with the next change. */
	ck_assert_int_eq(with_name(stays, PFW_VERB_REMOVE, "e"), -ENOENT);
	pfw_service_close(stays);
	tear_down();
}
END_TEST

/* So many changes, if in vain, that what was is cleared away, and the rest must be as before. */
START_TEST(test_many_changes)
{
	struct pfw_service *stays;
	int i;

	set_up();
	stays = open_service(true);
	must(stays, PFW_VERB_RELOAD);
	ck_assert_int_eq(add(stays, "first", 1000, NULL, false), 0);
	/* The key is taken. */
	for (i = 0; i < 5000; i++)
		ck_assert_int_lt(add(stays, "second", 1000, NULL, false), 0);
	ck_assert_int_eq(add(stays, "a", 1001, NULL, false), 0);
	agree(stays);
	ck_assert_int_eq(with_name(stays, PFW_VERB_REMOVE, "first"), 0);
	must(stays, PFW_VERB_SETTLE);
	ck_assert_int_eq(with_name(stays, PFW_VERB_DISABLE, "a"), 0);
	agree(stays);
	pfw_service_close(stays);
	tear_down();
}
END_TEST

/* ---- At random */

static uint64_t state = 1;

static unsigned int below(unsigned int bound)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (unsigned int)((state >> 32) % bound);
}

static void change_at_random(struct pfw_service *service)
{
	char name[8];

	snprintf(name, sizeof(name), "n%u", below(8));
	switch (below(5)) {
	case 0:
		with_name(service, PFW_VERB_REMOVE, name);
		break;
	case 1:
		with_name(service, below(2) ? PFW_VERB_DISABLE : PFW_VERB_ENABLE, name);
		break;
	default:
		/* Some claim a key that another has: they are refused. */
		add(service, name, 1000 + (int)below(12), NULL, below(6) == 0);
	}
}

static void write_at_random(void)
{
	char text[1024];
	size_t len = (size_t)snprintf(text, sizeof(text), "{\"forwards\": [");
	unsigned int i, n = 0;

	for (i = 0; i < 8; i++)
		if (below(2))
			len += (size_t)snprintf(text + len, sizeof(text) - len,
						"%s{\"name\": \"n%u\", \"listen\": \"%u\", "
						"\"target\": \"self:22\"}", n++ ? ", " : "", i, 1000 + i);
	snprintf(text + len, sizeof(text) - len, "]}");
	write_config(text);
}

static void settle_at_random(struct pfw_service *stays, struct pfw_settling **settling)
{
	struct pfw_error err = PFW_ERROR_INIT;
	int ret;

	if (*settling) {
		ret = pfw_service_settle_end(stays, *settling, &err);
		ck_assert_msg(!ret || ret == -ESTALE, "%s", err.item[0].message);
		*settling = NULL;
		return;
	}
	ck_assert_int_eq(pfw_service_settle_begin(stays, settling, &err), 0);
	if (*settling)
		ck_assert_int_eq(pfw_service_settle_prepare(*settling, &err), 0);
}

/* If this fails, memory, files and kernel come apart when several have a hand in them. */
START_TEST(test_at_random)
{
	struct pfw_settling *settling = NULL;
	struct pfw_service *stays, *comes;
	unsigned int i;

	set_up();
	stays = open_service(true);
	must(stays, PFW_VERB_RELOAD);
	for (i = 0; i < 600; i++) {
		switch (below(24)) {
		case 0:
			comes = open_service(false);
			change_at_random(comes);
			pfw_service_close(comes);
			break;
		case 1:
			write_at_random();
			/* What it says may not go with what is kept elsewhere. */
			if (with_name(stays, PFW_VERB_RELOAD, ""))
				write_config("{\"forwards\": []}");
			must(stays, PFW_VERB_RELOAD);
			break;
		case 2:
		case 3:
		case 4:
			settle_at_random(stays, &settling);
			break;
		default:
			change_at_random(stays);
		}
		if (i % 5 == 0)
			agree(stays);
	}
	pfw_service_settle_free(settling);
	pfw_service_close(stays);
	tear_down();
}
END_TEST

/* As the command line does it. */
static void by_another(void (*change)(struct pfw_service *service))
{
	struct pfw_service *service = open_service(false);

	change(service);
	pfw_service_close(service);
}

static void reload(struct pfw_service *service)
{
	json_decref(ask(service, PFW_VERB_RELOAD, &(struct pfw_request){ 0 }));
}

static void add_one(struct pfw_service *service)
{
	json_t *forward = json_pack("{s:s, s:s, s:s}", "name", "one", "listen", "9000", "target",
				    "192.0.2.1");

	json_decref(ask(service, PFW_VERB_ADD, &(struct pfw_request){ .forward = forward }));
	json_decref(forward);
}

/* Loads to look, and looks. Between the two, another one may add a forward. */
static int look(struct pfw_engine *engine, enum pfw_engine_locks locks, bool disturbed)
{
	const struct pfw_engine_load load = { .purpose = PFW_ENGINE_LOOK };
	struct pfw_error err = PFW_ERROR_INIT;
	struct pfw_report report = { 0 };
	struct pfw_view view = { 0 };
	int ret;

	pfw_engine_set_locks(engine, locks);
	ret = pfw_engine_load(engine, &load, &err);
	if (!ret && disturbed)
		by_another(add_one);
	if (!ret)
		ret = pfw_engine_look(engine, &view, &report, &err);
	pfw_view_free(&view);
	pfw_report_free(&report);
	pfw_engine_release(engine);
	return ret;
}

/* Whoever looks without a lock is told what is certain, or that it is not. */
START_TEST(test_locks)
{
	const struct pfw_engine_options options = { .config = config, .run_dir = run_dir };
	const struct pfw_engine_load load = { .purpose = PFW_ENGINE_WRITE };
	struct pfw_engine *engine = NULL, *other = NULL;
	struct pfw_error err = PFW_ERROR_INIT;

	set_up();
	by_another(reload);
	ck_assert_int_eq(pfw_engine_open(&options, &engine, &err), 0);
	ck_assert_int_eq(look(engine, PFW_ENGINE_TRY, false), 0);
	ck_assert_int_eq(look(engine, PFW_ENGINE_NO_LOCKS, false), 0);
	ck_assert_int_eq(pfw_engine_open(&options, &other, &err), 0);
	ck_assert_int_eq(pfw_engine_load(other, &load, &err), 0);
	ck_assert_int_eq(look(engine, PFW_ENGINE_TRY, false), -ETIMEDOUT);
	ck_assert_int_eq(look(engine, PFW_ENGINE_NO_LOCKS, false), 0);
	pfw_engine_close(other);
	/* What the other one adds is in the kernel, and not in what was loaded. */
	ck_assert_int_eq(look(engine, PFW_ENGINE_NO_LOCKS, true), -EAGAIN);
	ck_assert_int_eq(look(engine, PFW_ENGINE_NO_LOCKS, false), -EAGAIN);
	ck_assert_int_eq(look(engine, PFW_ENGINE_TRY, false), 0);
	pfw_engine_close(engine);
	tear_down();
}
END_TEST

TCase *stay_case(void)
{
	TCase *tcase;

	UNIT_CASE(tcase, "stay", test_others_see_the_journal, test_broken_file_stays_out,
		  test_flush_is_no_damage, test_drafts, test_key_taken_by_hand, test_time_goes_on,
		  test_many_changes, test_at_random, test_locks);
	return tcase;
}
