/* SPDX-License-Identifier: MIT */
/* Runs a program, with a deadline, and takes in what it prints. */
#ifndef IODTEST_RUNPROG_H
#define IODTEST_RUNPROG_H

#include <stddef.h>

#define RUN_ARGS_MAX 24

struct run_result {
	int status;	 /* exit code; -1: killed by a signal, the deadline among them */
	char *out, *err; /* zero-terminated */
	size_t out_len, err_len;
};

/* Runs argv[0] with at most @seconds. Fails the test when it cannot be started. */
void run_prog(struct run_result *result, const char *const *argv, unsigned seconds);
void run_free(struct run_result *result);

/* The folder of the sample cores: $TEST_DATA_DIR, or tests/data. */
const char *test_data_dir(void);

#endif
