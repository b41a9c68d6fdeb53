/* SPDX-License-Identifier: MIT */
/*
 * What the targets of VT-d's and AMD-Vi's queues share: a page of ring and a page of words, and a guest, or hardware, that
 * writes to the registers what the input says.
 */
#ifndef FUZZ_QUEUE_H
#define FUZZ_QUEUE_H

#include <errno.h>
#include <stdlib.h>

#include <iodirty/iodirty.h>

#include "fuzz/fuzz.h"

#define FQ_RING	 0x10000 /* one page; a ring may be longer than that */
#define FQ_WORDS 0x4000	 /* one page */
#define FQ_PAGE	 4096

/* One side of the world; the model has a copy of its own. */
struct fq_world {
	_Alignas(64) uint8_t ring[FQ_PAGE];
	_Alignas(64) uint8_t words[FQ_PAGE];
	_Alignas(8) uint64_t head, tail;
	uint32_t reg; /* FSTS, status */
};

static inline struct iod_mem *fq_mem(struct fq_world *world)
{
	struct iod_mem_region regions[2] = {
		{ .pa = FQ_WORDS, .len = FQ_PAGE, .host = world->words },
		{ .pa = FQ_RING, .len = FQ_PAGE, .host = world->ring },
	};
	struct iod_mem_vm_cfg cfg = { .size = sizeof(cfg), .regions = regions, .nr_regions = 2 };
	struct iod_mem *mem;

	FUZZ_CHECK(!iod_mem_create_vm(&mem, &cfg));
	return mem;
}

/* The model's memory: @len bytes, or NULL. */
static inline uint8_t *fq_at(struct fq_world *world, uint64_t pa, uint64_t len)
{
	if (pa >= FQ_RING && pa - FQ_RING <= FQ_PAGE - len)
		return world->ring + (pa - FQ_RING);
	if (pa >= FQ_WORDS && pa - FQ_WORDS <= FQ_PAGE - len)
		return world->words + (pa - FQ_WORDS);
	return NULL;
}

static inline uint64_t fq_word(const uint8_t *at)
{
	uint64_t v = 0;
	unsigned i;

	for (i = 0; i < 8; i++)
		v |= (uint64_t)at[i] << 8 * i;
	return v;
}

/* What the callbacks make of a command, by a byte of it. */
static inline int fq_verdict(uint8_t byte)
{
	switch (byte) {
	case 0x5a:
		return -EINVAL;
	case 0x5b:
		return -ETIMEDOUT;
	case 0x5c:
		return -EAGAIN;
	case 0x5d:
		return -EPERM;
	default:
		return 0;
	}
}

/* Hardware behind a driver's queue that does what the input says, until it has waited long enough. */
struct fq_driver {
	struct fuzz_in *in;
	struct fq_world *world;
	unsigned waits, entry;
	unsigned word_at; /* what syncs write */
	void (*turn)(struct fq_driver *driver);
};

static inline int fq_wait(void *cookie)
{
	struct fq_driver *d = cookie;

	if (!d->in->size || ++d->waits % 4 == 0)
		return -ETIME;
	switch (fuzz_take(d->in, 1) % 8) {
	case 0:
		d->world->head = fuzz_take(d->in, 4);
		break;
	case 1:
		d->world->head = fuzz_take(d->in, 1) * d->entry % FQ_PAGE;
		break;
	case 2:
		d->world->reg = (uint32_t)fuzz_take(d->in, 1);
		break;
	case 3:
		fuzz_put(d->world->words + d->word_at, fuzz_take(d->in, 8), 8);
		break;
	case 4: /* so many ahead */
		fuzz_put(d->world->words + d->word_at,
			 fq_word(d->world->words + d->word_at) + fuzz_take(d->in, 1), 8);
		break;
	case 5:
		d->world->head = d->world->tail;
		break;
	default:
		d->turn(d);
		break;
	}
	return 0;
}

static inline void fq_check_submitted(int ret, size_t issued, size_t nr, unsigned error)
{
	FUZZ_CHECK(ret == 0 || ret == -EIO || ret == -ETIME);
	FUZZ_CHECK(issued <= nr);
	FUZZ_CHECK(ret || !error);
	FUZZ_CHECK(ret || issued == nr);
	FUZZ_CHECK(ret != -EIO || error);
}

#endif
