/* SPDX-License-Identifier: MIT */
/*
 * Traces of DMA accesses and unmaps, one a line: time source iova length r|w|u. docs/replay.md specifies them.
 * A trace is read as it comes: nothing of it is kept but the line in hand.
 */
#ifndef IODIRTY_REPLAY_TRACE_H
#define IODIRTY_REPLAY_TRACE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define TRACE_LINE_MAX	 1023 /* bytes of a line, without its end */
#define TRACE_SOURCE_MAX 63   /* characters of a source's name */
#define TRACE_WHY_MAX	 160

struct trace_access {
	uint64_t time_ns;
	uint64_t iova;
	uint64_t len; /* at least 1; iova + len is at most 2^64 */
	bool write;
	bool unmap;	    /* no access: the driver takes the mapping away */
	const char *source; /* valid until the next line is read */
};

struct trace {
	FILE *file;
	const char *name;	 /* for messages */
	uint64_t line;		 /* the one in hand, from 1 */
	uint64_t last_ns;	 /* time of the last good access ... */
	uint64_t last_line;	 /* ... and its line; 0: none yet */
	char why[TRACE_WHY_MAX]; /* what is wrong with the line in hand */
	char text[TRACE_LINE_MAX + 1];
};

enum trace_got {
	TRACE_ACCESS,
	TRACE_END,
	TRACE_MALFORMED,  /* why[] says it; the next call goes on with the next line */
	TRACE_UNREADABLE, /* errno says it */
};

/* "-" is standard input. @return 0, or -1 with errno set */
int trace_open(struct trace *trace, const char *name);
void trace_close(struct trace *trace);
enum trace_got trace_next(struct trace *trace, struct trace_access *access);

#endif
