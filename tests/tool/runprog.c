/* SPDX-License-Identifier: MIT */
/* Runs a program, with a deadline, and takes in what it prints. */
#include "runprog.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct sink {
	int fd;
	char *data;
	size_t len, max;
};

/* @return 0 at the end of the stream */
static int take_in(struct sink *sink)
{
	ssize_t got;

	if (sink->max - sink->len < 4096) {
		sink->max = sink->max ? sink->max * 2 : 65536;
		sink->data = realloc(sink->data, sink->max);
		assert_non_null(sink->data);
	}
	got = read(sink->fd, sink->data + sink->len, sink->max - sink->len - 1);
	if (got <= 0)
		return 0;
	sink->len += (size_t)got;
	return 1;
}

static void drain(struct sink *sinks)
{
	int open_fds = 2, i;

	while (open_fds) {
		struct pollfd fds[2] = {
			{ .fd = sinks[0].fd, .events = POLLIN },
			{ .fd = sinks[1].fd, .events = POLLIN },
		};

		poll(fds, 2, -1);
		for (i = 0; i < 2; i++) {
			if (!(fds[i].revents & (POLLIN | POLLHUP | POLLERR)) || take_in(&sinks[i]))
				continue;
			close(sinks[i].fd);
			sinks[i].fd = -1;
			open_fds--;
		}
	}
	for (i = 0; i < 2; i++)
		sinks[i].data[sinks[i].len] = '\0';
}

/* A cross build's program runs in the emulator that Meson names. Returns only when it cannot. */
static void exec_prog(const char *const *argv)
{
	const char *wrapper = getenv("MESON_EXE_WRAPPER");
	char *words = strdup(wrapper ? wrapper : ""), *word;
	const char *args[64];
	size_t n = 0;

	if (!words)
		return;
	for (word = strtok(words, " "); word && n < 32; word = strtok(NULL, " "))
		args[n++] = word;
	for (; *argv && n < 63; argv++)
		args[n++] = *argv;
	args[n] = NULL;
	if (!*argv)
		execv(args[0], (char *const *)args);
}

void run_prog(struct run_result *result, const char *const *argv, unsigned seconds)
{
	struct sink sinks[2] = { { .fd = -1 }, { .fd = -1 } };
	int out[2], err[2], status = 0;
	pid_t pid;

	assert_int_equal(pipe(out), 0);
	assert_int_equal(pipe(err), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		dup2(out[1], STDOUT_FILENO);
		dup2(err[1], STDERR_FILENO);
		close(out[0]);
		close(out[1]);
		close(err[0]);
		close(err[1]);
		alarm(seconds); /* survives exec; SIGALRM kills */
		exec_prog(argv);
		_exit(126);
	}
	close(out[1]);
	close(err[1]);
	sinks[0].fd = out[0];
	sinks[1].fd = err[0];
	drain(sinks);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	result->status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	result->out = sinks[0].data;
	result->out_len = sinks[0].len;
	result->err = sinks[1].data;
	result->err_len = sinks[1].len;
	assert_int_not_equal(result->status, 126);
}

void run_free(struct run_result *result)
{
	free(result->out);
	free(result->err);
	memset(result, 0, sizeof(*result));
}

const char *test_data_dir(void)
{
	const char *dir = getenv("TEST_DATA_DIR");

	return dir ? dir : "tests/data";
}
