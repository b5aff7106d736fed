/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a process costs that stays: time of one request in it, and memory between requests.
 *
 * usage: stay CONFIG RUN_DIR TIMES
 *
 * In a network namespace of its own. Prints "name value" lines: milliseconds at the median and the
 * worst, and KiB.
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "portfwd/service/service.h"

static double now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void print_memory(const char *when)
{
	FILE *file = fopen("/proc/self/status", "r");
	char line[256];

	while (file && fgets(line, sizeof(line), file))
		if (!strncmp(line, "VmRSS:", 6) || !strncmp(line, "VmHWM:", 6))
			printf("%s_%.5s %ld\n", when, line, atol(line + 6));
	if (file)
		fclose(file);
}

static void must(int code, const char *what, const struct pfw_error *err)
{
	if (!code)
		return;
	fprintf(stderr, "stay: %s: %s: %s\n", what, err->item[0].path, err->item[0].message);
	exit(1);
}

static double ask(struct pfw_service *service, enum pfw_verb verb, const struct pfw_request *request,
		  const char *what)
{
	struct pfw_error err = PFW_ERROR_INIT;
	json_t *answer = NULL;
	double begin = now_ms();

	must(pfw_service_call(service, verb, request, &answer, &err), what, &err);
	json_decref(answer);
	return now_ms() - begin;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void print_times(const char *what, double *times, size_t n)
{
	qsort(times, n, sizeof(*times), compare);
	printf("%s_p50 %.3f\n%s_p99 %.3f\n%s_max %.3f\n", what, times[n / 2], what,
	       times[n * 99 / 100], what, times[n - 1]);
}

/* Names that nothing else in the file has, at an address of their own. */
static json_t *forward_of(size_t i)
{
	return json_pack("{s:o, s:o, s:s}", "name", json_sprintf("stay-%zu", i), "listen",
			 json_sprintf("203.0.113.%zu:%zu", i / 60000 + 1, i % 60000 + 1), "target",
			 "10.9.9.9:80");
}

static void add_and_remove(struct pfw_service *service, size_t n, double *times)
{
	const char *name;
	json_t *forward;
	size_t i;

	for (i = 0; i < n; i++) {
		forward = forward_of(i);
		times[i] = ask(service, PFW_VERB_ADD, &(struct pfw_request){ .forward = forward }, "add");
		json_decref(forward);
	}
	print_times("add", times, n);
	print_memory("added");
	printf("settle %.3f\n", ask(service, PFW_VERB_SETTLE, &(struct pfw_request){ 0 }, "settle"));
	print_memory("settled");
	for (i = 0; i < n; i++) {
		forward = forward_of(i);
		name = json_string_value(json_object_get(forward, "name"));
		times[i] = ask(service, PFW_VERB_REMOVE,
			       &(struct pfw_request){ .names = &name, .n_names = 1 }, "remove");
		json_decref(forward);
	}
	print_times("remove", times, n);
}

int main(int argc, char **argv)
{
	const struct pfw_service_options options = {
		.config = argc > 1 ? argv[1] : "", .run_dir = argc > 2 ? argv[2] : "", .journal = true,
	};
	size_t n = argc > 3 ? (size_t)atol(argv[3]) : 0;
	struct pfw_error err = PFW_ERROR_INIT;
	struct pfw_service *service;
	double *times;

	if (argc != 4 || !n) {
		fprintf(stderr, "usage: stay CONFIG RUN_DIR TIMES\n");
		return 2;
	}
	times = calloc(n, sizeof(*times));
	must(pfw_service_open(&options, &service, &err), "open", &err);
	printf("first %.3f\n", ask(service, PFW_VERB_RELOAD, &(struct pfw_request){ 0 }, "reload"));
	print_memory("loaded");
	printf("reload %.3f\n", ask(service, PFW_VERB_RELOAD, &(struct pfw_request){ 0 }, "reload"));
	print_memory("reloaded");
	printf("repair %.3f\n", ask(service, PFW_VERB_REPAIR, &(struct pfw_request){ 0 }, "repair"));
	add_and_remove(service, n, times);
	print_memory("end");
	pfw_service_close(service);
	free(times);
	return 0;
}
