/* SPDX-License-Identifier: MIT */
/*
 * How live entries are replaced: directly, by way of nT, or by break-before-make (Arm IHI 0070, 3.21.1; VT-d
 * 6.5.3.3 by IOD_RESIZE_BREAK). What hardware would find is looked at inside the gather's ops, each time
 * they are called.
 */
#include "resizerig.h"

#define NT     IODT_BIT(16)
#define BREAKS (IOD_RESIZE_ALLOW_FAULTS | IOD_RESIZE_BREAK)

/* What must be found at the places that are invalidated. */
enum look { LOOK_NOWHERE, LOOK_BROKEN, LOOK_NT, LOOK_MAPPED };

struct bbm {
	struct iodt *t;
	struct iod_gather *gather, *own; /* with these ops, and the test's */
	struct rsz r;
	enum look look;
	struct iod_inv last[64]; /* issued since the last sync */
	size_t nr_last;
	unsigned int invs, syncs, looked;
	unsigned int fail_inv, fail_sync; /* the call that fails; 0: none */
};

/* An access by hardware that remembers nothing. */
static enum iod_fault_reason cold_access(struct iodt *t, uint64_t iova,
					 struct iod_access_result *result)
{
	struct iod_iotlb_cfg cfg = { .size = sizeof(cfg), .entries = 1, .walk_entries = 1 };
	struct iod_fault fault = { 0 };
	struct iod_iotlb *tlb = NULL;

	iodt_assert_ok(iod_iotlb_create(&tlb, &cfg));
	iod_iotlb_access(tlb, t->pt, iova, IOD_ACCESS_READ, result, &fault);
	iodt_assert_ok(iod_iotlb_destroy(tlb));
	return fault.reason;
}

static void look_at(struct bbm *b, uint64_t iova)
{
	const struct iodt_seg *seg = iodt_expected(b->t, iova);
	struct iod_access_result res = { 0 };
	struct mdl_mem mem = iodt_mdl_mem(b->t);
	struct mdl_table table;
	struct mdl_leaf leaf;

	iodt_model(b->t, &table);
	b->looked++;
	if (b->look == LOOK_BROKEN) {
		assert_int_equal(mdl_walk(&table, &mem, iova, NULL), MDL_NOT_PRESENT);
		assert_int_equal(cold_access(b->t, iova, &res), IOD_FAULT_TRANSLATION);
		return;
	}
	assert_int_equal(cold_access(b->t, iova, &res), IOD_FAULT_NONE);
	assert_int_equal(mdl_walk(&table, &mem, iova, &leaf), MDL_OK);
	assert_non_null(seg);
	assert_int_equal(res.pa, seg->pa + (iova - seg->iova));
	if (b->look == LOOK_NT)
		assert_int_equal(leaf.pte & (NT | 3), NT | 1);
}

/* Here and there over each of the ranges. */
static void look_around(struct bbm *b)
{
	size_t i, k;

	for (i = 0; b->look != LOOK_NOWHERE && i < b->nr_last; i++) {
		uint64_t from = b->last[i].iova, len = b->last[i].last - from;

		assert_int_equal(b->last[i].kind, IOD_INV_RANGE);
		for (k = 0; k < 8; k++)
			look_at(b, from + len / 7 * k);
		look_at(b, b->last[i].last);
	}
}

static int bbm_invalidate(void *cookie, const struct iod_inv *inv, size_t nr)
{
	struct bbm *b = cookie;
	size_t i;

	if (++b->invs == b->fail_inv)
		return -EIO;
	for (i = 0; i < nr; i++)
		b->last[b->nr_last++ % IODT_ARRAY_SIZE(b->last)] = inv[i];
	look_around(b);
	return 0;
}

static int bbm_sync(void *cookie)
{
	struct bbm *b = cookie;

	if (++b->syncs == b->fail_sync)
		return -ETIMEDOUT;
	look_around(b);
	b->nr_last = 0;
	return 0;
}

static void bbm_open(struct bbm *b, struct iodt *t)
{
	struct iod_inv_ops ops = { .size = sizeof(ops),
				   .invalidate = bbm_invalidate,
				   .sync = bbm_sync };
	struct iod_gather_cfg cfg = {
		.size = sizeof(cfg), .ops = &ops, .cookie = b, .max_ranges = 4096
	};

	*b = (struct bbm){ .t = t, .own = t->gather };
	rsz_open(&b->r, t);
	iodt_assert_ok(iod_gather_create(&b->gather, t->pt, &cfg));
	t->gather = b->gather;
}

static void bbm_close(struct bbm *b)
{
	b->look = LOOK_NOWHERE;
	b->fail_inv = b->fail_sync = 0;
	iodt_sync(b->t);
	iodt_assert_ok(iod_gather_destroy(b->gather));
	b->t->gather = b->own;
	rsz_close(&b->r);
}

static bool room_for(const struct iodt *t, uint64_t size, uint64_t n)
{
	uint64_t low_last = t->v->hole_first ? t->v->hole_first - 1 : t->v->last;

	return n <= (low_last - t->v->first) / size;
}

/* The smallest page that is an item of level 1. */
static uint64_t block(const struct iodt *t)
{
	uint64_t size = iodt_table_span(t->v);

	return t->v->sizes & size && room_for(t, size, 4) ? size : 0;
}

static uint64_t run_size(const struct iodt *t)
{
	uint64_t runs = t->v->sizes & (iodt_table_span(t->v) - 1) & ~t->page;

	return runs && room_for(t, runs & -runs, 4) ? runs & -runs : 0;
}

static bool direct(const struct iodt *t)
{
	return t->caps & IODT_HITLESS && !(t->caps & IODT_NT);
}

/* ---- refused ---- */

/* BBM level 0, and faults not allowed: refused, and nothing was changed. */
static void refused(struct iodt *t)
{
	uint64_t size = iodt_best_size(t->v, 0, 0, 512 * t->page), iova = t->v->first;
	struct iodt_snapshot s;
	struct iod_resize z;
	uint64_t done = 0;

	if (size == t->page || !room_for(t, size, 4))
		return;
	iodt_map(t, iova, 0, size, IODT_RW);
	iodt_map(t, iova + size, size, size / 2, IODT_RW);
	iodt_map(t, iova + size + size / 2, size + size / 2, size / 2, IODT_RW);
	iodt_snapshot(t, &s);
	z = rsz_arg(t, iova, 2 * size, 0);
	z.flags = 0;
	assert_int_equal(iod_split_range(t->pt, &z), -EOPNOTSUPP);
	assert_int_equal(iod_merge_range(t->pt, &z), -EOPNOTSUPP);
	assert_int_equal(
		iod_unmap(t->pt, iova + t->page, t->page, IOD_UNMAP_SPLIT, t->gather, &done),
		-EOPNOTSUPP);
	assert_int_equal(done, 0);
	assert_int_equal(t->log.calls, 0);
	assert_int_equal(iodt_gather_info(t->gather).ranges, 0);
	iodt_unchanged(t, &s);
}

/* ---- break-before-make ---- */

static void resize(struct bbm *b, bool merge, uint64_t iova, uint64_t len, uint64_t page_size)
{
	struct iod_resize z = rsz_arg(b->t, iova, len, page_size);
	size_t i;

	z.flags |= b->look == LOOK_BROKEN ? BREAKS : 0;
	iodt_assert_ok(merge ? iod_merge_range(b->t->pt, &z) : iod_split_range(b->t->pt, &z));
	assert_int_equal(z.done, len);
	/* Accessed is set by looking */
	for (i = 0; i < b->r.now.nr; i++)
		b->r.now.p[i].a = -1;
	if (merge)
		rsz_want_merge(&b->r, iova, len, page_size);
	else
		rsz_want_split(&b->r, iova, len, page_size);
	rsz_check(&b->r);
}

/*
 * Whatever is invalidated while it goes on is not there, neither when hardware is told nor when it has
 * answered; so the old size and the new one of a place are never there with nothing between.
 */
static void broken_before_made(struct iodt *t)
{
	uint64_t size = iodt_best_size(t->v, 0, 0, 512 * 16 * t->page), iova = t->v->first;
	struct bbm b;

	if (size == t->page || !room_for(t, size, 4))
		return;
	bbm_open(&b, t);
	rsz_map(&b.r, iova, 0, size, IODT_RW);
	rsz_map(&b.r, iova + 2 * size, size, size, IOD_PROT_READ);
	rsz_load(&b.r);
	b.look = LOOK_BROKEN;
	resize(&b, false, iova, 3 * size, 0);
	assert_true(b.looked > 0 && b.syncs > 0);
	assert_int_equal(b.nr_last, 0);
	/* what comes now was broken before it was made: nothing is left to be told */
	assert_int_equal(iodt_gather_info(t->gather).ranges, 0);
	b.looked = 0;
	resize(&b, true, iova, 3 * size, 0);
	assert_true(b.looked > 0);
	assert_int_equal(b.r.now.nr, 2);
	b.look = LOOK_NOWHERE;
	bbm_close(&b);
}

/* The gather has these blocks, of level 1, and nothing else. */
static void blocks_are_told(struct iodt *t, uint64_t first, uint64_t last)
{
	struct iod_gather_info info = iodt_gather_info(t->gather);

	assert_int_equal(info.ranges, 1);
	assert_int_equal(info.first, first);
	assert_int_equal(info.last, last);
	assert_int_equal(info.leaf_levels, 2);
	assert_int_equal(info.table_levels, 0);
}

/* ---- nT ---- */

/* Level 1: blocks have nT when hardware is told, and still do when it has answered; afterwards tables. */
static void split_by_way_of_nt(struct iodt *t)
{
	uint64_t size = block(t), iova = t->v->first;
	struct bbm b;

	if (!size)
		return;
	bbm_open(&b, t);
	rsz_map(&b.r, iova, 0, size, IODT_RW);
	rsz_map(&b.r, iova + size, 4 * size, size, IODT_RW);
	rsz_load(&b.r);
	b.look = LOOK_NT;
	resize(&b, false, iova, 2 * size, 0);
	assert_true(b.looked > 0);
	assert_int_equal(b.syncs, 1);
	/* the blocks themselves are still to be invalidated */
	blocks_are_told(t, iova, iova + 2 * size - 1);
	b.look = LOOK_NOWHERE;
	bbm_close(&b);
}

/* The other way: blocks with nT come first, and lose it after hardware has let go of the tables. */
static void merge_by_way_of_nt(struct iodt *t)
{
	uint64_t size = block(t), iova = t->v->first;
	struct bbm b;

	if (!size)
		return;
	bbm_open(&b, t);
	rsz_map(&b.r, iova, 0, size, IODT_RW);
	rsz_map(&b.r, iova + size, 4 * size, size, IODT_RW);
	rsz_load(&b.r);
	resize(&b, false, iova, 2 * size, 0);
	iodt_sync(t);
	b.syncs = 0;
	b.looked = 0;
	b.look = LOOK_NT;
	resize(&b, true, iova, 2 * size, size);
	assert_true(b.looked > 0);
	assert_int_equal(b.syncs, 1);
	assert_int_equal(iodt_walk(t, iova).pte & NT, 0);
	assert_int_equal(iodt_walk(t, iova + size).pte & NT, 0);
	/* that nT is gone is to be told, too */
	blocks_are_told(t, iova, iova + 2 * size - 1);
	b.look = LOOK_NOWHERE;
	bbm_close(&b);
}

/* Level 1 lets the contiguous bit change directly, and so do all that are hitless. */
static void runs_directly(struct iodt *t)
{
	uint64_t size = run_size(t), iova = t->v->first;
	struct bbm b;

	if (!size)
		return;
	bbm_open(&b, t);
	rsz_map(&b.r, iova, 0, size, IODT_RW);
	rsz_load(&b.r);
	b.look = LOOK_MAPPED;
	resize(&b, false, iova, size, 0);
	assert_int_equal(b.syncs, 0);
	iodt_sync(t);
	resize(&b, true, iova, size, size);
	assert_int_equal(b.syncs, 1);
	b.look = LOOK_NOWHERE;
	bbm_close(&b);
}

/* ---- directly ---- */

/* Splits tell hardware nothing, merges once; and at no time is anything not there. */
static void directly(struct iodt *t)
{
	uint64_t size = iodt_best_size(t->v, 0, 0, 512 * 16 * t->page), iova = t->v->first;
	struct bbm b;

	if (size == t->page || !room_for(t, size, 4))
		return;
	bbm_open(&b, t);
	rsz_map(&b.r, iova, 0, 2 * size, IODT_RW);
	rsz_load(&b.r);
	iodt_sync(t);
	b.invs = b.syncs = 0;
	b.look = LOOK_MAPPED;
	resize(&b, false, iova, 2 * size, 0);
	assert_int_equal(b.invs, 0);
	assert_int_equal(b.syncs, 0);
	iodt_sync(t);
	b.syncs = 0;
	b.looked = 0;
	resize(&b, true, iova, 2 * size, size);
	if (block(t) && size >= block(t)) {
		assert_int_equal(b.syncs, 1);
		assert_true(b.looked > 0);
	}
	b.look = LOOK_NOWHERE;
	bbm_close(&b);
}

/* By way of nT nothing faults either. */
static void nothing_faults(struct iodt *t)
{
	uint64_t size = block(t), iova = t->v->first;
	struct bbm b;

	if (!size)
		return;
	bbm_open(&b, t);
	rsz_map(&b.r, iova, 0, 2 * size, IODT_RW);
	rsz_load(&b.r);
	b.look = LOOK_MAPPED;
	resize(&b, false, iova, 2 * size, 0);
	resize(&b, true, iova, 2 * size, size);
	assert_true(b.looked > 0);
	b.look = LOOK_NOWHERE;
	bbm_close(&b);
}

/* ---- many at a time ---- */

/* Hardware is told of many entries at once: the waits are few. */
static void waits_are_few(struct iodt *t, uint32_t flags)
{
	uint64_t size = block(t), iova = t->v->first, n = t->v->granule > 4096 ? 64 : 512, i;
	struct iod_resize z;
	struct bbm b;

	if (!size || !room_for(t, size, n + 1))
		return;
	bbm_open(&b, t);
	/* not contiguous: n blocks, and no larger pages */
	for (i = 0; i < n; i++)
		iodt_map(t, iova + i * size, iodt_pa(t->v, size, i ^ 1), size, IODT_RW);
	z = rsz_arg(t, iova, n * size, 0);
	z.flags |= flags;
	iodt_assert_ok(iod_split_range(t->pt, &z));
	assert_int_equal(z.done, z.len);
	assert_in_range(b.syncs, direct(t) && !flags ? 0 : 1, n / 16);
	iodt_verify(t);
	iodt_sync(t);
	b.syncs = 0;
	iodt_assert_ok(iod_merge_range(t->pt, &z));
	assert_int_equal(z.done, z.len);
	assert_in_range(b.syncs, 1, n / 16);
	iodt_verify(t);
	bbm_close(&b);
}

static void many_at_a_time(struct iodt *t)
{
	waits_are_few(t, 0);
}

static void many_broken_at_a_time(struct iodt *t)
{
	waits_are_few(t, BREAKS);
}

/* ---- failures ---- */

/* Every page leads where it led, and what was dirty is; sizes may differ. */
static void nothing_lost(struct bbm *b, const struct rsz_pages *before)
{
	struct mdl_leaf leaf;
	uint64_t at;
	size_t i;

	iodt_verify(b->t);
	for (i = 0; i < before->nr; i++) {
		const struct rsz_page *p = &before->p[i];

		for (at = 0; p->d == 1 && at < p->size; at += b->t->page)
			assert_int_equal(iodt_walk(b->t, p->iova + at).d, 1);
		leaf = iodt_walk(b->t, p->iova);
		assert_int_equal(leaf.pa + (p->iova - leaf.iova), p->pa);
	}
}

/* Hardware does not answer, at each of the times that it is asked; then the same call again works. */
static void fails_at(struct iodt *t, bool merge, bool sync, uint32_t flags)
{
	uint64_t size = block(t) ? block(t) : run_size(t), iova = t->v->first;
	unsigned int n;
	struct iod_resize z;
	struct bbm b;
	int ret = -1;

	for (n = 1; size && ret; n++) {
		assert_in_range(n, 1, 100);
		bbm_open(&b, t);
		rsz_map(&b.r, iova, 0, size, IODT_RW);
		rsz_map(&b.r, iova + size, 4 * size, size, IODT_RW);
		z = rsz_arg(t, iova, 2 * size, 0);
		z.flags |= flags;
		if (merge) {
			iodt_assert_ok(iod_split_range(t->pt, &z));
			iodt_sync(t);
		}
		if (t->caps & IODT_DIRTY)
			iodt_mark_item(t, iova + size, 0);
		rsz_load(&b.r);
		b.fail_inv = sync ? 0 : b.invs + n;
		b.fail_sync = sync ? b.syncs + n : 0;
		ret = merge ? iod_merge_range(t->pt, &z) : iod_split_range(t->pt, &z);
		if (ret) {
			assert_int_equal(ret, sync ? -ETIMEDOUT : -EIO);
			assert_true(z.done < z.len || merge);
		}
		b.fail_inv = b.fail_sync = 0;
		nothing_lost(&b, &b.r.now);
		iodt_assert_ok(merge ? iod_merge_range(t->pt, &z) : iod_split_range(t->pt, &z));
		nothing_lost(&b, &b.r.now);
		iodt_sync(t);
		nothing_lost(&b, &b.r.now);
		assert_int_equal(iodt_walk(t, iova).size, merge ? size : t->page);
		if (t->caps & IODT_NT && block(t))
			assert_int_equal(merge ? iodt_walk(t, iova).pte & NT : 0, 0);
		iodt_unmap(t, iova, 2 * size);
		bbm_close(&b);
	}
}

static void hardware_fails(struct iodt *t)
{
	unsigned int i;

	for (i = 0; i < 8; i++)
		if (i & 4 || !direct(t) || i & 1)
			fails_at(t, i & 1, i & 2, i & 4 ? BREAKS : 0);
}

#define NEED IODT_RESIZE

static const struct iodt_test tests[] = {
	{ "refused", NEED | IODT_ARM, IODT_HITLESS, refused },
	{ "broken_before_made", NEED, 0, broken_before_made },
	{ "split_by_way_of_nt", NEED | IODT_NT, 0, split_by_way_of_nt },
	{ "merge_by_way_of_nt", NEED | IODT_NT, 0, merge_by_way_of_nt },
	{ "runs_directly", NEED | IODT_HITLESS | IODT_RUNS, 0, runs_directly },
	{ "directly", NEED | IODT_HITLESS, IODT_NT, directly },
	{ "nothing_faults", NEED | IODT_HITLESS, 0, nothing_faults },
	{ "many_at_a_time", NEED | IODT_ARM | IODT_HUGE, 0, many_at_a_time },
	{ "many_broken_at_a_time", NEED | IODT_HUGE, 0, many_broken_at_a_time },
	{ "hardware_fails", NEED, 0, hardware_fails },
};

int main(int argc, char **argv)
{
	return iodt_main(argc, argv, tests, IODT_ARRAY_SIZE(tests), NULL, 0);
}
