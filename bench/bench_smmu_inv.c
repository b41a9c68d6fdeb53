/* SPDX-License-Identifier: MIT */
/*
 * A gather becomes SMMUv3 commands. An item is a command; beside the time stands how many commands a batch
 * took. Nothing is issued but in the rows that go through the ops. The limit is copying as many commands.
 *
 * What must come of a batch is worked out here once more: without tables, ranges that touch are one, and one
 * takes one command if its length can be said, else two. More than that is an error.
 */
#include "bench.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <iodirty/smmuv3_inv.h>

#define BATCHES	   256u
#define BATCH	   32u /* as a gather hands over at a time */
#define MOST	   8192u
#define PAGE_BYTES UINT64_C(4096)
#define UNMAP_LEN  (UINT64_C(32) << 20)
#define UNMAP_MOST 4u

static struct iod_inv items[BATCHES][BATCH];
static struct iod_smmuv3_raw_cmd cmds[MOST], copy[MOST];
static size_t used;	      /* items of a batch */
static uint64_t least;	      /* commands that all batches need */
static uint64_t sunk;	      /* commands that reached the sink */
static volatile uint64_t sum; /* so that nothing is left out */

static bool is(const struct bench_case *c, const char *state)
{
	return !strcmp(c->state, state);
}

static bool ranged(const struct bench_case *c)
{
	return !strcmp(c->mode, "ranges");
}

/* ---- what is asked for ---- */

static struct iod_inv pages(uint64_t first, uint64_t n, bool tables)
{
	return (struct iod_inv){ .kind = IOD_INV_RANGE,
				 .flags = tables ? 0 : IOD_INV_LEAF_ONLY,
				 .iova = first * PAGE_BYTES,
				 .last = (first + n) * PAGE_BYTES - 1,
				 .leaf_levels = 1,
				 .table_levels = tables ? 2 : 0,
				 .granule_lg2 = BENCH_PAGE_LG2 };
}

/* Batches of: a sweep's pages; ranges in no order, that touch and overlap; an unmap. */
static void make_items(const struct bench_case *c)
{
	uint64_t at = 0;

	used = is(c, "unmap32M") ? 1 : BATCH;
	for (unsigned int b = 0; b < BATCHES; b++) {
		uint64_t base = (uint64_t)(b + 1) << 20;

		for (unsigned int i = 0; i < used; i++) {
			uint64_t r = bench_random((uint64_t)b * BATCH + i);

			if (is(c, "unmap32M")) {
				items[b][i] = pages(base, UNMAP_LEN / PAGE_BYTES, true);
			} else if (is(c, "random")) {
				items[b][i] = pages(base + r % 4096, 1 + (r >> 32) % 200, false);
			} else {
				at += 2 + r % 50;
				items[b][i] = pages(at, 1, false);
			}
		}
	}
}

/* (num + 1) * 2^scale, num below 32. */
static bool can_be_said(uint64_t n)
{
	while (n > 32 && !(n & 1))
		n >>= 1;
	return n <= 32;
}

static int by_iova(const void *a, const void *b)
{
	const struct iod_inv *x = a, *y = b;

	return x->iova < y->iova ? -1 : x->iova > y->iova;
}

/* Fewest commands with ranges; pages, without. */
static uint64_t needed(const struct iod_inv *batch, bool ranges)
{
	struct iod_inv sorted[BATCH];
	uint64_t n = 0, first, last;

	memcpy(sorted, batch, used * sizeof(*batch));
	qsort(sorted, used, sizeof(*sorted), by_iova);
	for (size_t i = 0; i < used;) {
		first = sorted[i].iova;
		last = sorted[i].last;
		for (i++; i < used && sorted[i].iova <= last + 1; i++)
			last = sorted[i].last > last ? sorted[i].last : last;
		if (ranges)
			n += can_be_said((last - first + 1) / PAGE_BYTES) ? 1 : 2;
		else
			n += (last - first + 1) / PAGE_BYTES;
	}
	return n;
}

/* ---- what comes of it ---- */

static int sink(void *cookie, const struct iod_smmuv3_raw_cmd *raw, size_t nr, bool sync,
		size_t *issued)
{
	for (size_t i = 0; i < nr; i++)
		copy[i] = raw[i];
	sunk += nr;
	*issued = nr;
	return 0;
}

static int open_inv(const struct bench_case *c, struct iod_smmuv3_inv **inv)
{
	const struct iod_smmuv3_sink to = { .size = sizeof(to), .issue = sink };
	const struct iod_inv_cost cost = { .size = sizeof(cost),
					   .domain = IOD_INV_NEVER,
					   .global = IOD_INV_NEVER };
	const struct iod_smmuv3_inv_cfg cfg = { .size = sizeof(cfg),
						.sink = &to,
						.stage = 2,
						.vmid = 1,
						.flags = ranged(c) ? 0 : IOD_SMMUV3_INV_NO_RANGES,
						.cost = &cost };
	int err = iod_smmuv3_inv_create(inv, &cfg);

	return err ? bench_fail(err, "iod_smmuv3_inv_create") : 0;
}

static int inv_prepare(struct bench_rig *rig, const struct bench_case *c)
{
	make_items(c);
	least = 0;
	for (unsigned int b = 0; b < BATCHES; b++)
		least += needed(items[b], ranged(c));
	return 0;
}

static int encode_batch(const struct iod_smmuv3_inv *inv, unsigned int b, uint64_t *total)
{
	size_t n;
	int err = iod_smmuv3_inv_encode(inv, items[b], used, cmds, MOST, &n);

	*total += n;
	return err ? bench_fail(err, "iod_smmuv3_inv_encode") : 0;
}

static int issue_batch(struct iod_smmuv3_inv *inv, unsigned int b, uint64_t *total)
{
	int err = iod_smmuv3_inv_ops()->invalidate(inv, items[b], used);

	*total = sunk;
	return err ? bench_fail(err, "invalidate") : 0;
}

static int inv_work(struct bench_rig *rig, const struct bench_case *c)
{
	bool issue = is(c, "issued");
	struct iod_smmuv3_inv *inv = NULL;
	struct bench_watch watch;
	uint64_t total = 0, batches = 0;
	int err = open_inv(c, &inv);

	if (err)
		return err;
	sunk = 0;
	watch = bench_start();
	while (!err && total < c->items) {
		for (unsigned int b = 0; b < BATCHES && !err; b++)
			err = issue ? issue_batch(inv, b, &total) : encode_batch(inv, b, &total);
		batches += BATCHES;
	}
	rig->work_ns = bench_stop(&watch) * (double)c->items / (double)total;
	rig->commands = (double)total / (double)batches;
	rig->excess = (double)total / (double)batches - (double)least / BATCHES;
	iod_smmuv3_inv_destroy(inv);
	return err;
}

static int inv_check(struct bench_rig *rig, const struct bench_case *c)
{
	if (rig->excess > 0 || rig->excess < 0)
		return bench_fail(-EIO, "not the fewest commands");
	if (is(c, "unmap32M") && ranged(c) && rig->commands > UNMAP_MOST)
		return bench_fail(-EIO, "too many commands for an unmap");
	return 0;
}

static double copy_measure(struct bench_rig *rig, const struct bench_case *c)
{
	struct bench_watch watch = bench_start();
	uint64_t done;

	for (done = 0; done < c->items; done += MOST) {
		for (unsigned int i = 0; i < MOST; i++)
			copy[i] = (struct iod_smmuv3_raw_cmd){ { cmds[i].word[0],
								 cmds[i].word[1] ^ done } };
		sum += copy[done % MOST].word[1];
	}
	return bench_stop(&watch) / (double)done;
}

const struct bench_ops bench_smmu_inv_ops = {
	.prepare = inv_prepare,
	.work = inv_work,
	.check = inv_check,
};
const struct bench_limit bench_limit_copy = { "copy", copy_measure, true };
