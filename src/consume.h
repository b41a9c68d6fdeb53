/* SPDX-License-Identifier: MIT */
/*
 * Taking commands out of a queue as an IOMMU does, whichever: in batches up to each sync, the register written after
 * what it says was done; at an error it stays at the command. A vendor brings its registers and its errors.
 */
#ifndef IOD_CONSUME_H
#define IOD_CONSUME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <iodirty/types.h>

/* Commands fetched at a time. */
#define CONSUME_BATCH	  64u
#define CONSUME_RAW_WORDS 4u /* of the longest */

struct consumer;

struct consumer_hw {
	size_t raw_size; /* bytes of a command as it is handed over */
	/* No error stands. */
	bool (*runs)(struct consumer *c);
	/* Commands that wait. 0 also after it has raised an error itself. */
	uint32_t (*waiting)(struct consumer *c);
	/* Fetch at most @nr; fewer: unreadable. */
	size_t (*fetch)(struct consumer *c, void *raw, size_t nr);
	bool (*is_sync)(const uint64_t *raw);
	int (*commands)(struct consumer *c, const void *raw, size_t nr, size_t *handled);
	/* Obey a sync, and move on behind it (consume_done()) if that went well. */
	int (*sync)(struct consumer *c, const void *raw);
	/* The next @n are done. */
	void (*advance)(struct consumer *c, uint32_t n);
	/* Stop at the next command, for errno @err of @raw (NULL: it is unreadable); sets c->stopped. */
	void (*raise)(struct consumer *c, int err, const void *raw);
};

struct consumer {
	const struct consumer_hw *hw;
	uint32_t budget; /* 0: none */
	uint32_t consumed;
	bool stopped;
};

/* Say that the next @n commands are consumed. What they do was done, and is seen by who sees this. */
void iod_consume_done(struct consumer *c, uint32_t n);

/* One turn. @return 0 (c->stopped); -EAGAIN from the vendor's functions */
int iod_consume(struct consumer *c);

#endif
