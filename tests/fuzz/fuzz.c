/* SPDX-License-Identifier: MIT */
/* What fuzz targets share. */
#include <stdio.h>
#include <stdlib.h>

#include "fuzz/fuzz.h"

unsigned long long fuzz_input;

void fuzz_failed(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: input %llu: not so: %s\n", file, line, fuzz_input, what);
	abort();
}
