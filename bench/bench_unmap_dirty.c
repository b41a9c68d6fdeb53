/* SPDX-License-Identifier: MIT */
/*
 * Unmap that delivers what was dirty, sync included, against unmaps of the same tables in the same state
 * that do not: the whole range in one call, all of every leaf table but its last page, one call a page.
 *
 * Who delivers must look. A plain unmap of the whole range reads no leaf table, and neither does this
 * one where Accessed bits in table entries tell that nobody used them ("untouched"); otherwise reading
 * all leaf tables is what it cannot do without. A single page is taken by an exchange, which hardware that marks
 * it meanwhile cannot slip past: a locked operation each, where a plain unmap stores.
 */
#include "bench.h"

#include "bench_map.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define LEAF_SPAN (BENCH_PAGE * BENCH_LEAF_ITEMS)

/* Tables in the state that the case wants, and an empty bitmap. */
static int ready(struct bench_rig *rig, const struct bench_case *c)
{
	struct bench_tables *t = rig->t;
	int err = 0;

	/* Untouched tables are as iod_map() left them. */
	if (c->layout == BENCH_MARKED && t->mapped)
		err = bench_tables_unmap(t, NULL);
	if (!err)
		err = bench_tables_ready(t, !t->recycled);
	if (err)
		return err;
	if (t->layout != BENCH_MARKED && t->layout != BENCH_BLOCKS)
		bench_dirty_set(t, c->pattern);
	memset(t->bits, 0, (size_t)t->bits_len);
	rig->done = 0;
	return 0;
}

/* Unmap [iova, iova + len) of the rig's tables. */
static int unmap_dirty(struct bench_rig *rig, struct iod_pgtable *pt, struct iod_gather *gather,
		       uint64_t iova, uint64_t len)
{
	struct iod_unmap_dirty unmap = {
		.size = sizeof(unmap),
		.iova = iova,
		.len = len,
		/* ARM leaves without DBM are in tables that nobody used, too, if there are any. */
		.flags = rig->t->layout == BENCH_MARKED ? IOD_UNMAP_SKIP_UNTRACKED : 0,
		.gather = gather,
		.bitmap = &rig->t->bitmap,
	};
	int err = iod_unmap_dirty(pt, &unmap);

	rig->done += unmap.unmapped;
	return err;
}

static int check_bits(const struct bench_tables *t, const struct bench_case *c)
{
	if (c->pattern == BENCH_CLEAN) {
		if (iod_bitmap_count(&t->bitmap))
			return bench_fail(-EIO, "clean pages are delivered as dirty");
		return 0;
	}
	if (memcmp(t->bits, t->expect, (size_t)t->bits_len))
		return bench_fail(-EIO, "what is delivered is not what was dirty");
	return 0;
}

/* --- The whole range ---------------------------------------------------------------------------*/

static int range_work(struct bench_rig *rig, const struct bench_case *c)
{
	struct bench_tables *t = rig->t;
	int err = unmap_dirty(rig, t->pt, t->gather, t->iova, t->len);

	if (!err)
		err = iod_gather_sync(t->gather);
	bench_tables_changed(t);
	return err ? bench_fail(err, "iod_unmap_dirty") : 0;
}

static int range_check(struct bench_rig *rig, const struct bench_case *c)
{
	int err = bench_check_done(rig, "iod_unmap_dirty", rig->t->len);

	if (!err)
		err = bench_check_unmapped(rig->t, rig->t->pt, rig->t->len);
	return err ? err : check_bits(rig->t, c);
}

/* Plain; then the tables are made anew for the work. */
static double range_measure(struct bench_rig *rig, const struct bench_case *c)
{
	struct bench_tables *t = rig->t;
	struct bench_watch watch = bench_start();
	int err = bench_tables_unmap(t, NULL);
	double ns = bench_stop(&watch) / (double)(t->len >> t->item_lg2);

	if (!err)
		err = ready(rig, c);
	return err ? err : ns;
}

/* --- All but the last page of each leaf table --------------------------------------------------*/

static int partial_work(struct bench_rig *rig, const struct bench_case *c)
{
	struct bench_tables *t = rig->t;
	int err = 0;

	for (uint64_t at = 0; at < t->len && !err; at += LEAF_SPAN)
		err = unmap_dirty(rig, t->pt, t->gather, t->iova + at, LEAF_SPAN - BENCH_PAGE);
	if (!err)
		err = iod_gather_sync(t->gather);
	return err ? bench_fail(err, "iod_unmap_dirty") : 0;
}

/* Leaves everything unmapped. */
static int partial_check(struct bench_rig *rig, const struct bench_case *c)
{
	struct bench_tables *t = rig->t;
	int err = bench_check_done(rig, "iod_unmap_dirty", t->len - t->len / BENCH_LEAF_ITEMS);

	for (uint64_t at = 0; at < t->len && !err; at += LEAF_SPAN) {
		uint64_t other = t->iova + at + bench_random(at) % (LEAF_SPAN - BENCH_PAGE), pa;

		if (iod_iova_to_phys(t->pt, other, &pa) != -ENOENT)
			err = bench_fail(-EIO, "still mapped");
	}
	if (!err)
		err = check_bits(t, c);
	return err ? err : bench_tables_unmap(t, NULL);
}

/* --- One call a page ---------------------------------------------------------------------------*/

static int call_prepare(struct bench_rig *rig, const struct bench_case *c)
{
	int err = bench_aux_create(rig);

	if (!err)
		err = bench_aux_map(rig, c);
	rig->done = 0;
	memset(rig->t->bits, 0, (size_t)rig->t->bits_len);
	return err;
}

static int call_work(struct bench_rig *rig, const struct bench_case *c)
{
	const struct bench_tables *t = rig->t;
	uint64_t span = bench_span(c, t->len);

	for (uint64_t at = 0; at < span; at += BENCH_PAGE) {
		int err = unmap_dirty(rig, rig->aux_pt, rig->aux_gather, t->iova + at, BENCH_PAGE);

		if (err)
			return bench_fail(err, "iod_unmap_dirty");
	}
	return 0;
}

static int call_check(struct bench_rig *rig, const struct bench_case *c)
{
	uint64_t span = bench_span(c, rig->t->len);
	int err = bench_check_done(rig, "iod_unmap_dirty", span);

	if (iod_gather_sync(rig->aux_gather) && !err)
		err = bench_fail(-EIO, "iod_gather_sync");
	if (!err)
		err = bench_check_unmapped(rig->t, rig->aux_pt, span);
	return err ? err : check_bits(rig->t, c);
}

static double call_measure(struct bench_rig *rig, const struct bench_case *c)
{
	const struct bench_tables *t = rig->t;
	uint64_t span = bench_span(c, t->len);
	struct bench_watch watch = bench_start();
	int err = 0;
	double ns;

	for (uint64_t at = 0; at < span && !err; at += BENCH_PAGE)
		err = iod_unmap(rig->aux_pt, t->iova + at, BENCH_PAGE, 0, rig->aux_gather, NULL);
	ns = bench_stop(&watch) / (double)(span >> BENCH_PAGE_LG2);
	if (err)
		return bench_fail(err, "iod_unmap");
	if (iod_gather_sync(rig->aux_gather))
		return bench_fail(-EIO, "iod_gather_sync");
	err = bench_aux_map(rig, c);
	rig->done = 0;
	return err ? err : ns;
}

const struct bench_ops bench_unmap_dirty_ops = {
	.prepare = ready,
	.work = range_work,
	.check = range_check,
};
const struct bench_ops bench_unmap_dirty_partial_ops = {
	.prepare = ready,
	.work = partial_work,
	.check = partial_check,
};
const struct bench_ops bench_unmap_dirty_call_ops = {
	.prepare = call_prepare,
	.work = call_work,
	.check = call_check,
};
/* Not twice: the work needs what they take away. */
const struct bench_limit bench_limit_unmap = { "unmap", range_measure, false };
const struct bench_limit bench_limit_unmap_call = { "unmap", call_measure, false };
