/* SPDX-License-Identifier: MIT */
/*
 * Split of the whole range into 4 KiB pages, and the merge back, in one call each, with the sync that
 * frees what was replaced. An item is one of the 4 KiB pages. Memory for the tables was used before.
 *
 * Dirty states are those of 2 MiB regions: every tenth is mapped dirty (split), or has one dirty page
 * (merge). Afterwards all 512 pages of it must be dirty, and no other.
 */
#include "bench.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define REGION	     (UINT64_C(1) << BENCH_BLOCK_LG2)
#define GIB	     (UINT64_C(1) << 30)
#define REGION_BYTES (BENCH_LEAF_ITEMS / 8) /* of the bitmap */
#define TENTH	     10u
#define SAMPLES	     256u

static struct iod_resize resize; /* of the last repetition */

static bool region_dirty(const struct bench_case *c, size_t n)
{
	return c->pattern == BENCH_DIRTY_10 && bench_random(n) % TENTH == 0;
}

static uint64_t large_page(const struct bench_tables *t)
{
	return t->layout == BENCH_RESIZE_1G ? GIB : REGION;
}

static int map_regions(struct bench_tables *t, const struct bench_case *c)
{
	const uint32_t prot = IOD_PROT_READ | IOD_PROT_WRITE;
	uint64_t at, len = t->len;
	int err = 0;

	/* Clean pages are mapped in one call, as large as they can be. */
	if (c->pattern != BENCH_CLEAN)
		len = REGION;
	for (at = 0; at < t->len && !err; at += len)
		err = iod_map(t->pt, t->iova + at, t->pa + at, len,
			      region_dirty(c, (size_t)(at / REGION)) ? prot | IOD_PROT_DIRTY : prot,
			      NULL, NULL);
	t->mapped = !err;
	return err ? bench_fail(err, "iod_map") : 0;
}

static int resize_all(struct bench_tables *t, bool merge)
{
	int err;

	resize = (struct iod_resize){
		.size = sizeof(resize),
		.iova = t->iova,
		.len = t->len,
		.flags = t->layout == BENCH_BREAK ? IOD_RESIZE_ALLOW_FAULTS : 0,
		.page_size = merge ? large_page(t) : BENCH_PAGE,
		.gather = t->gather,
	};
	err = merge ? iod_merge_range(t->pt, &resize) : iod_split_range(t->pt, &resize);
	if (err)
		return bench_fail(err, merge ? "iod_merge_range" : "iod_split_range");
	err = iod_gather_sync(t->gather);
	return err ? bench_fail(err, "iod_gather_sync") : 0;
}

static int split_all(struct bench_tables *t)
{
	return resize_all(t, false);
}

static int merge_all(struct bench_tables *t)
{
	return resize_all(t, true);
}

/* Nothing mapped, and what the tables need was used before. */
static int begin(struct bench_rig *rig, const struct bench_case *c)
{
	struct bench_tables *t = rig->t;
	int err = bench_tables_ready(&rig->plain, false);

	if (!err && !t->recycled) {
		err = map_regions(t, c);
		if (!err)
			err = split_all(t);
	}
	if (!err && t->mapped)
		err = bench_tables_unmap(t, NULL);
	return err ? err : map_regions(t, c);
}

static int split_work(struct bench_rig *rig, const struct bench_case *c)
{
	return split_all(rig->t);
}

/* Hardware marks one page of a dirty region. */
static int merge_prepare(struct bench_rig *rig, const struct bench_case *c)
{
	struct bench_tables *t = rig->t;
	const struct bench_case clean = { .pattern = BENCH_CLEAN };
	uint64_t flip = bench_le64(t->raw->dirty_mask);
	int err = begin(rig, &clean);

	if (!err)
		err = split_all(t);
	if (!err)
		err = bench_tables_list(t);
	for (size_t n = 0; n < t->nr_leaf && !err; n++)
		if (region_dirty(c, n))
			t->leaf[n][bench_random(n) / TENTH % BENCH_LEAF_ITEMS] ^= flip;
	bench_tables_changed(t);
	t->mapped = true;
	return err;
}

static int merge_work(struct bench_rig *rig, const struct bench_case *c)
{
	return merge_all(rig->t);
}

static int check_sizes(const struct bench_tables *t, uint64_t page)
{
	for (unsigned int i = 0; i < SAMPLES; i++) {
		uint64_t iova = t->iova + (bench_random(i) & (t->len - 1));
		struct iod_mapping m;
		int err = iod_translate(t->pt, iova, &m);

		if (err)
			return bench_fail(err, "iod_translate");
		if (m.len != page || m.pa - t->pa != m.iova - t->iova)
			return bench_fail(-EIO, "a page of %" PRIu64 " bytes, or another's address",
					  m.len);
	}
	return 0;
}

/* What a sweep finds is what was dirty before. */
static int check_dirty(struct bench_tables *t, const struct bench_case *c)
{
	struct iod_sweep sweep;
	int err;

	bench_sweep_begin(t, &sweep, IOD_SWEEP_READ);
	err = iod_sweep(t->pt, &sweep);
	if (err || sweep.bad || sweep.done != t->len)
		return bench_fail(err ? err : -EIO, "iod_sweep");
	for (size_t n = 0; n < t->nr_leaf; n++)
		memset(t->expect + n * REGION_BYTES, region_dirty(c, n) ? 0xff : 0, REGION_BYTES);
	t->patterned = false;
	if (memcmp(t->bits, t->expect, (size_t)t->bits_len))
		return bench_fail(-EIO, "not the dirty pages of before");
	return 0;
}

static int check(struct bench_rig *rig, const struct bench_case *c, uint64_t page)
{
	struct bench_tables *t = rig->t;
	uint64_t entries = t->len / large_page(t);
	int err;

	if (resize.done != t->len || resize.entries < entries)
		return bench_fail(-EIO, "%" PRIu64 " bytes, %" PRIu64 " entries", resize.done,
				  resize.entries);
	err = check_sizes(t, page);
	return err ? err : check_dirty(t, c);
}

static int split_check(struct bench_rig *rig, const struct bench_case *c)
{
	return check(rig, c, BENCH_PAGE);
}

static int merge_check(struct bench_rig *rig, const struct bench_case *c)
{
	return check(rig, c, large_page(rig->t));
}

const struct bench_ops bench_split_ops = {
	.prepare = begin,
	.work = split_work,
	.check = split_check,
};
const struct bench_ops bench_merge_ops = {
	.prepare = merge_prepare,
	.work = merge_work,
	.check = merge_check,
};
