/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the fuzzers share. Built with -fsanitize=fuzzer -DFUZZER, a file that includes this is a
 * libFuzzer target; else it replays the files of its command line.
 */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "not so: %s\n", what);
	abort();
}

#ifndef FUZZER
int main(int argc, char **argv)
{
	const size_t room = 16 << 20;
	uint8_t *data = malloc(room);
	size_t len;
	FILE *file;
	int i;

	demand(data != NULL, "there is memory");
	for (i = 1; i < argc; i++) {
		file = fopen(argv[i], "rb");
		demand(file != NULL, argv[i]);
		len = fread(data, 1, room, file);
		fclose(file);
		LLVMFuzzerTestOneInput(data, len);
	}
	free(data);
	return 0;
}
#endif

#endif
