/* SPDX-License-Identifier: MIT */
/*
 * A gather becomes commands of each vendor. An item is a command; beside the time stands how many commands a batch
 * took. Nothing is issued but in the rows that go through the ops. The limit is copying as many commands.
 *
 * What must come of a batch is worked out here once more: without tables, ranges that touch are one. An SMMU's takes
 * one command if its length can be said, else two; the others' as many as there are aligned powers of two in it. More
 * than that is an error. In the rows by cost there are fewer, that cover more.
 */
#include "bench.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <iodirty/amdvi_inv.h>
#include <iodirty/smmuv3_inv.h>
#include <iodirty/vtd_inv.h>

#define BATCHES	   256u
#define BATCH	   32u /* as a gather hands over at a time */
#define MOST	   8192u
#define MOST_WORDS 4u
#define PAGE_BYTES UINT64_C(4096)
#define UNMAP_LEN  (UINT64_C(32) << 20)
#define UNMAP_MOST 4u

static struct iod_inv items[BATCHES][BATCH];
static uint64_t cmds[MOST * MOST_WORDS], copy[MOST * MOST_WORDS];
static size_t used;	      /* items of a batch */
static uint64_t least;	      /* commands that all batches need */
static uint64_t sunk;	      /* commands that reached the sink */
static volatile uint64_t sum; /* so that nothing is left out */

static bool is(const struct bench_case *c, const char *state)
{
	return !strcmp(c->state, state);
}

/* Single pages, for an SMMU without ranges; else ranges or blocks. */
static bool single(const struct bench_case *c)
{
	return !strcmp(c->mode, "single");
}

/* Nothing needlessly: what else there may be is a matter of cost. */
static bool exact(const struct bench_case *c)
{
	return strcmp(c->mode, "cost");
}

/* ---- the vendors ---- */

struct vendor {
	const char *bench;
	unsigned int words;				/* of a command */
	uint64_t (*needed)(uint64_t first, uint64_t n); /* commands for n pages */
	int (*create)(void **inv, const struct iod_inv_cost *cost, bool single);
	int (*destroy)(void *inv);
	int (*encode)(const void *inv, const struct iod_inv *items, size_t nr, uint64_t *out,
		      size_t *n);
	const struct iod_inv_ops *(*ops)(void);
};

/* (num + 1) * 2^scale, num below 32. */
static uint64_t needed_ranges(uint64_t first, uint64_t n)
{
	while (n > 32 && !(n & 1))
		n >>= 1;
	return n <= 32 ? 1 : 2;
}

/* Aligned powers of two, from the smallest on, and then down again. */
static uint64_t needed_blocks(uint64_t first, uint64_t n)
{
	uint64_t count = 0, end = first + n;

	for (unsigned int lg2 = 0; first < end; lg2++) {
		if (first >> lg2 & 1) {
			first += UINT64_C(1) << lg2;
			count++;
		}
		if (end >> lg2 & 1) {
			end -= UINT64_C(1) << lg2;
			count++;
		}
	}
	return count;
}

static void sink_copy(const uint64_t *words, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		copy[i] = words[i];
}

static int smmu_sink(void *cookie, const struct iod_smmuv3_raw_cmd *raw, size_t nr, bool sync,
		     size_t *issued)
{
	sink_copy((const uint64_t *)raw, nr * 2);
	sunk += nr;
	*issued = nr;
	return 0;
}

static int smmu_create(void **inv, const struct iod_inv_cost *cost, bool pages)
{
	const struct iod_smmuv3_sink to = { .size = sizeof(to), .issue = smmu_sink };
	const struct iod_smmuv3_inv_cfg cfg = { .size = sizeof(cfg),
						.sink = &to,
						.stage = 2,
						.vmid = 1,
						.flags = pages ? IOD_SMMUV3_INV_NO_RANGES : 0,
						.cost = cost };
	struct iod_smmuv3_inv *out = NULL;
	int err = iod_smmuv3_inv_create(&out, &cfg);

	*inv = out;
	return err;
}

static int smmu_destroy(void *inv)
{
	return iod_smmuv3_inv_destroy(inv);
}

static int smmu_encode(const void *inv, const struct iod_inv *batch, size_t nr, uint64_t *out,
		       size_t *n)
{
	return iod_smmuv3_inv_encode(inv, batch, nr, (struct iod_smmuv3_raw_cmd *)out, MOST, n);
}

static int vtd_sink(void *cookie, const struct iod_vtd_raw_desc *raw, size_t nr, bool sync,
		    size_t *issued)
{
	sink_copy((const uint64_t *)raw, nr * 4);
	sunk += nr;
	*issued = nr;
	return 0;
}

static int vtd_create(void **inv, const struct iod_inv_cost *cost, bool pages)
{
	const struct iod_vtd_sink to = { .size = sizeof(to), .issue = vtd_sink };
	const struct iod_vtd_inv_cfg cfg = {
		.size = sizeof(cfg), .sink = &to, .stage = 2, .did = 1, .cost = cost
	};
	struct iod_vtd_inv *out = NULL;
	int err = iod_vtd_inv_create(&out, &cfg);

	*inv = out;
	return err;
}

static int vtd_destroy(void *inv)
{
	return iod_vtd_inv_destroy(inv);
}

static int vtd_encode(const void *inv, const struct iod_inv *batch, size_t nr, uint64_t *out,
		      size_t *n)
{
	return iod_vtd_inv_encode(inv, batch, nr, (struct iod_vtd_raw_desc *)out, MOST, n);
}

static int amdvi_sink(void *cookie, const struct iod_amdvi_raw_cmd *raw, size_t nr, bool sync,
		      size_t *issued)
{
	sink_copy((const uint64_t *)raw, nr * 2);
	sunk += nr;
	*issued = nr;
	return 0;
}

static int amdvi_create(void **inv, const struct iod_inv_cost *cost, bool pages)
{
	const struct iod_amdvi_sink to = { .size = sizeof(to), .issue = amdvi_sink };
	const struct iod_amdvi_inv_cfg cfg = {
		.size = sizeof(cfg), .sink = &to, .stage = 2, .domain = 1, .cost = cost
	};
	struct iod_amdvi_inv *out = NULL;
	int err = iod_amdvi_inv_create(&out, &cfg);

	*inv = out;
	return err;
}

static int amdvi_destroy(void *inv)
{
	return iod_amdvi_inv_destroy(inv);
}

static int amdvi_encode(const void *inv, const struct iod_inv *batch, size_t nr, uint64_t *out,
			size_t *n)
{
	return iod_amdvi_inv_encode(inv, batch, nr, (struct iod_amdvi_raw_cmd *)out, MOST, n);
}

static const struct vendor vendors[] = {
	{ "smmu_inv", 2, needed_ranges, smmu_create, smmu_destroy, smmu_encode,
	  iod_smmuv3_inv_ops },
	{ "vtd_inv", 4, needed_blocks, vtd_create, vtd_destroy, vtd_encode, iod_vtd_inv_ops },
	{ "amdvi_inv", 2, needed_blocks, amdvi_create, amdvi_destroy, amdvi_encode,
	  iod_amdvi_inv_ops },
};

static const struct vendor *vendor_of(const struct bench_case *c)
{
	const struct vendor *v = vendors;

	while (strcmp(v->bench, c->bench))
		v++;
	return v;
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

static int by_iova(const void *a, const void *b)
{
	const struct iod_inv *x = a, *y = b;

	return x->iova < y->iova ? -1 : x->iova > y->iova;
}

/* Fewest commands; pages, one by one. */
static uint64_t needed(const struct iod_inv *batch, const struct vendor *v, bool pages)
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
		if (pages)
			n += (last - first + 1) / PAGE_BYTES;
		else
			n += v->needed(first / PAGE_BYTES, (last - first + 1) / PAGE_BYTES);
	}
	return n;
}

/* ---- what comes of it ---- */

static int open_inv(const struct bench_case *c, void **inv)
{
	const struct iod_inv_cost never = { .size = sizeof(never),
					    .domain = IOD_INV_NEVER,
					    .global = IOD_INV_NEVER,
					    .page = IOD_INV_NEVER };
	int err = vendor_of(c)->create(inv, exact(c) ? &never : NULL, single(c));

	return err ? bench_fail(err, "creating it") : 0;
}

static int inv_prepare(struct bench_rig *rig, const struct bench_case *c)
{
	make_items(c);
	least = 0;
	for (unsigned int b = 0; b < BATCHES; b++)
		least += needed(items[b], vendor_of(c), single(c));
	return 0;
}

static int encode_batch(const struct vendor *v, const void *inv, unsigned int b, uint64_t *total)
{
	size_t n;
	int err = v->encode(inv, items[b], used, cmds, &n);

	*total += n;
	return err ? bench_fail(err, "encode") : 0;
}

static int issue_batch(const struct vendor *v, void *inv, unsigned int b, uint64_t *total)
{
	int err = v->ops()->invalidate(inv, items[b], used);

	*total = sunk;
	return err ? bench_fail(err, "invalidate") : 0;
}

static int inv_work(struct bench_rig *rig, const struct bench_case *c)
{
	const struct vendor *v = vendor_of(c);
	bool issue = is(c, "issued");
	struct bench_watch watch;
	uint64_t total = 0, batches = 0;
	void *inv = NULL;
	int err = open_inv(c, &inv);

	if (err)
		return err;
	sunk = 0;
	watch = bench_start();
	while (!err && total < c->items) {
		for (unsigned int b = 0; b < BATCHES && !err; b++)
			err = issue ? issue_batch(v, inv, b, &total)
				    : encode_batch(v, inv, b, &total);
		batches += BATCHES;
	}
	rig->work_ns = bench_stop(&watch) * (double)c->items / (double)total;
	rig->commands = (double)total / (double)batches;
	rig->excess = (double)total / (double)batches - (double)least / BATCHES;
	v->destroy(inv);
	return err;
}

static int inv_check(struct bench_rig *rig, const struct bench_case *c)
{
	if (rig->excess > 0 || (exact(c) && rig->excess < 0))
		return bench_fail(-EIO, "not the fewest commands");
	if (is(c, "unmap32M") && !single(c) && rig->commands > UNMAP_MOST)
		return bench_fail(-EIO, "too many commands for an unmap");
	return 0;
}

static double copy_measure(struct bench_rig *rig, const struct bench_case *c)
{
	size_t words = MOST * vendor_of(c)->words;
	struct bench_watch watch = bench_start();
	uint64_t done;

	for (done = 0; done < c->items; done += MOST) {
		for (size_t i = 0; i < words; i++)
			copy[i] = cmds[i] ^ done;
		sum += copy[done % words];
	}
	return bench_stop(&watch) / (double)done;
}

const struct bench_ops bench_inv_ops = {
	.prepare = inv_prepare,
	.work = inv_work,
	.check = inv_check,
};
const struct bench_limit bench_limit_copy = { "copy", copy_measure, true };
