/* SPDX-License-Identifier: MIT */
/*
 * A sweep while a second thread maps and unmaps, or splits and merges, in the same page table: 1 GiB
 * behind the mapped range, which is swept with it. What such a thread takes of the memory bus is not the
 * library's to give back: the limit is the same sweep beside a thread that makes the same traffic by
 * plain stores and loads, at the rate that the mutator had.
 */
#include "bench.h"

#include "bench_loops.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define WINDOW	     (UINT64_C(1) << 30)
#define REGION	     (UINT64_C(1) << BENCH_BLOCK_LG2)
#define WINDOW_ITEMS ((size_t)(WINDOW / BENCH_PAGE))
#define SLICE	     BENCH_LEAF_ITEMS /* pages between looks at the clock */

/* The second thread, the sweep that runs beside it, and its bitmap. */
static struct {
	const struct bench_case *c;
	struct bench_tables *t;
	struct iod_gather *gather; /* the mutator's own */
	uint64_t iova, pa;	   /* the mutator's GiB */
	uint64_t slices;	   /* that the mutator did: one is SLICE pages, there and back */
	uint64_t *traffic;	   /* what the plain thread reads and writes */
	uint64_t *bits;
	uint64_t bits_len;
	struct iod_bitmap bitmap;
	struct iod_sweep sweep;
	int err, sweep_err;
} beside;
/* What a slice took the mutator, in the last repetition of this case. */
static double slice_ns;
static const struct bench_case *slice_of;
static volatile uint64_t sink;

/* After a failure, too. */
void bench_beside_end(void)
{
	bench_helper_stop();
	if (beside.gather) {
		iod_gather_sync(beside.gather);
		iod_gather_destroy(beside.gather);
	}
	free(beside.traffic);
	free(beside.bits);
	memset(&beside, 0, sizeof(beside));
}

/* --- The mutator -------------------------------------------------------------------------------*/

static int mutate_pages(uint64_t at)
{
	struct iod_pgtable *pt = beside.t->pt;
	int err = 0;

	for (uint64_t end = at + SLICE * BENCH_PAGE; at < end && !err; at += BENCH_PAGE) {
		err = iod_map(pt, beside.iova + at, beside.pa + at, BENCH_PAGE,
			      IOD_PROT_READ | IOD_PROT_WRITE, NULL, NULL);
		if (!err)
			err = iod_unmap(pt, beside.iova + at, BENCH_PAGE, 0, beside.gather, NULL);
	}
	return err;
}

/* Pages of 4 KiB, whatever is in use: their addresses have no larger alignment. */
static int mutate_range(void)
{
	struct iod_pgtable *pt = beside.t->pt;
	int err = iod_map(pt, beside.iova, beside.pa + BENCH_PAGE, WINDOW,
			  IOD_PROT_READ | IOD_PROT_WRITE, NULL, NULL);

	if (!err)
		err = iod_unmap(pt, beside.iova, WINDOW, 0, beside.gather, NULL);
	return err ? err : iod_gather_sync(beside.gather);
}

static int mutate_sizes(void)
{
	struct iod_resize resize = {
		.size = sizeof(resize),
		.iova = beside.iova,
		.len = WINDOW,
		.page_size = BENCH_PAGE,
		.gather = beside.gather,
	};
	int err = iod_split_range(beside.t->pt, &resize);

	if (err)
		return err;
	resize.page_size = REGION;
	err = iod_merge_range(beside.t->pt, &resize);
	return err ? err : iod_gather_sync(beside.gather);
}

/* A round is one GiB, there and back. */
static void mutate(void *unused)
{
	double began = bench_now();

	beside.err = 0;
	beside.slices = 0;
	while (bench_noise_goes_on() && !beside.err) {
		if (beside.c->noise == BENCH_NOISE_PAGES) {
			beside.err = mutate_pages(beside.slices % (WINDOW_ITEMS / SLICE) * SLICE *
						  BENCH_PAGE);
			beside.slices++;
			continue;
		}
		beside.err =
			beside.c->noise == BENCH_NOISE_RANGES ? mutate_range() : mutate_sizes();
		beside.slices += WINDOW_ITEMS / SLICE;
	}
	if (beside.slices) {
		slice_ns = (bench_now() - began) / (double)beside.slices;
		slice_of = beside.c;
	}
}

/* --- The plain thread --------------------------------------------------------------------------*/

/* What the mutator writes and reads of SLICE items at the least. */
static void traffic_slice(uint64_t *p)
{
	switch (beside.c->noise) {
	case BENCH_NOISE_PAGES: /* mapped, and cleared while in the cache */
		bench_store(p, SLICE, 1);
		bench_store(p, SLICE, 0);
		break;
	case BENCH_NOISE_RANGES: /* mapped; nobody reads or clears a table that is cut off */
		bench_write(p, SLICE, 1);
		break;
	case BENCH_NOISE_RESIZE: /* split, merged, looked at again after the invalidation */
		bench_write(p, SLICE, 1);
		sink = bench_read(p, SLICE) | bench_read(p, SLICE);
		break;
	}
}

static void traffic(void *unused)
{
	double due = bench_now();
	size_t at = 0;

	while (bench_noise_goes_on()) {
		traffic_slice(beside.traffic + at);
		at = (at + SLICE) % WINDOW_ITEMS;
		due += slice_ns;
		while (bench_now() < due && bench_noise_goes_on())
			;
	}
}

/* --- The sweep ---------------------------------------------------------------------------------*/

static void begin_sweep(struct bench_tables *t, const struct bench_case *c)
{
	bench_dirty_set(t, c->pattern);
	memset(beside.bits, 0, (size_t)beside.bits_len);
	beside.sweep = (struct iod_sweep){
		.size = sizeof(beside.sweep),
		.mode = c->sweep,
		.iova = t->iova,
		.len = t->len + WINDOW,
		.bitmap = &beside.bitmap,
		.gather = c->sweep == IOD_SWEEP_READ ? NULL : t->gather,
	};
}

static void sweep(void *unused)
{
	beside.sweep_err = iod_sweep(beside.t->pt, &beside.sweep);
}

/* The mutator's pages are clean, whatever of them a sweep meets. */
static int verify(struct bench_tables *t, const struct bench_case *c)
{
	const struct iod_sweep *s = &beside.sweep;
	uint64_t cleaned = c->sweep == IOD_SWEEP_READ ? 0 : t->nr_items;
	const unsigned char *bits = (const unsigned char *)beside.bits;

	if (beside.sweep_err || beside.err)
		return bench_fail(beside.sweep_err ? beside.sweep_err : beside.err,
				  beside.sweep_err ? "iod_sweep" : "the second thread");
	if (s->done != t->len + WINDOW || s->bad || s->dirty != t->nr_entries ||
	    s->cleaned != cleaned)
		return bench_fail(-EIO,
				  "swept %" PRIu64 " bytes, %" PRIu64 " dirty, %" PRIu64 " cleaned",
				  s->done, s->dirty, s->cleaned);
	if (memcmp(bits, t->expect, (size_t)t->bits_len))
		return bench_fail(-EIO, "the bitmap is not that of the dirty entries");
	for (uint64_t i = t->bits_len; i < beside.bits_len; i++)
		if (bits[i])
			return bench_fail(-EIO, "a clean page is reported");
	if (c->sweep != IOD_SWEEP_READ) {
		t->state = BENCH_STATE_CLEANED;
		if (bench_dirty_count(t) || iod_gather_sync(t->gather))
			return bench_fail(-EIO, "not cleaned");
	}
	return 0;
}

/* What both need; and, the first time, the mutator's rate. */
static int set_up(struct bench_rig *rig, const struct bench_case *c)
{
	static const struct iod_gather_cfg cfg = { .size = sizeof(cfg) };
	struct bench_tables *t = rig->t;
	int err;

	bench_beside_end();
	beside.c = c;
	beside.t = t;
	beside.iova = t->iova + t->len;
	beside.pa = (t->pa + t->len) & ~(REGION - 1);
	beside.bits_len = iod_bitmap_bytes(t->len + WINDOW, BENCH_PAGE);
	beside.bits = malloc((size_t)beside.bits_len);
	beside.traffic = aligned_alloc(BENCH_PAGE, WINDOW_ITEMS * sizeof(uint64_t));
	if (!beside.bits || !beside.traffic)
		return bench_fail(-ENOMEM, "buffers");
	memset(beside.traffic, 1, WINDOW_ITEMS * sizeof(uint64_t));
	err = iod_bitmap_init(&beside.bitmap, t->iova, t->len + WINDOW, BENCH_PAGE, beside.bits,
			      beside.bits_len, 0);
	if (!err)
		err = iod_gather_create(&beside.gather, t->pt, &cfg);
	if (!err && c->noise == BENCH_NOISE_RESIZE)
		err = iod_map(t->pt, beside.iova, beside.pa, WINDOW, IOD_PROT_READ | IOD_PROT_WRITE,
			      NULL, NULL);
	if (err)
		return bench_fail(err, "the second thread's part");
	err = bench_helper_start();
	if (err || slice_of == c)
		return err;
	begin_sweep(t, c);
	bench_beside(sweep, NULL, mutate, NULL);
	return verify(t, c);
}

/* What the mutator leaves behind. */
static int tear_down(struct bench_rig *rig)
{
	int err = 0;

	if (beside.c->noise == BENCH_NOISE_RESIZE)
		err = iod_unmap(beside.t->pt, beside.iova, WINDOW, 0, beside.gather, NULL);
	bench_beside_end();
	return err ? bench_fail(err, "iod_unmap") : 0;
}

static int beside_prepare(struct bench_rig *rig, const struct bench_case *c)
{
	int err = bench_tables_ready(rig->t, false);

	return err ? err : set_up(rig, c);
}

static double traffic_measure(struct bench_rig *rig, const struct bench_case *c)
{
	struct bench_tables *t = rig->t;
	double ns;
	int err;

	begin_sweep(t, c);
	bench_evict();
	ns = bench_beside(sweep, NULL, traffic, NULL) / (double)(t->len >> t->item_lg2);
	err = verify(t, c);
	if (err)
		return err;
	begin_sweep(t, c);
	return ns;
}

static int beside_work(struct bench_rig *rig, const struct bench_case *c)
{
	rig->work_ns = bench_beside(sweep, NULL, mutate, NULL);
	return 0;
}

static int beside_check(struct bench_rig *rig, const struct bench_case *c)
{
	int err = verify(rig->t, c);

	return err ? err : tear_down(rig);
}

const struct bench_ops bench_beside_ops = {
	.prepare = beside_prepare,
	.work = beside_work,
	.check = beside_check,
};
/* Not twice: both clean what the other must find. */
const struct bench_limit bench_limit_traffic = { "traffic", traffic_measure, false };
