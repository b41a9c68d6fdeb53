/* SPDX-License-Identifier: MIT */
/*
 * A shadow follows a guest's table, on every format. Nothing that was dirty is forgotten, whatever fails on the way.
 */
#include "shadowrig.h"

/* What becomes present is mapped, what goes is unmapped; of a page written between the two its bytes are told. */
static void follows(struct iodt *t)
{
	struct shr r;
	struct iod_inv inv;
	struct iod_shadow_work w;

	shr_open(&r, t, IOD_SHADOW_TRACK);
	shr_invalidate(&r, &shr_all, 1);
	shr_guest_map(&r, 3, 100, 2, IODT_RW);
	inv = shr_range(&r, 3, 2);
	w = shr_invalidate(&r, &inv, 1);
	assert_int_equal(w.mapped, 2 * t->page);
	assert_int_equal(w.syncs, 0);
	assert_int_equal(r.mapped, 2 * t->page);
	shr_same(&r, 0, 31);
	iodt_dma_write(t, shr_at(&r, 4));
	shr_guest_unmap(&r, 3, 2);
	w = shr_invalidate(&r, &inv, 1);
	assert_int_equal(w.unmapped, 2 * t->page);
	assert_int_equal(w.syncs, 1);
	assert_int_equal(r.announced, 2 * t->page);
	shr_told_is(&r, w.dirty, t->page);
	assert_true(r.told[4]);
	assert_int_equal(r.told_pa[4], 101 * t->page + r.moved);
	shr_same(&r, 0, 31);
	shr_close(&r);
}

/* Another address, other permissions: unmapped with its dirty state, then mapped. */
static void leads_elsewhere(struct iodt *t)
{
	struct shr r;
	struct iod_inv inv;
	struct iod_shadow_work w;

	shr_open(&r, t, IOD_SHADOW_TRACK);
	shr_guest_map(&r, 0, 200, 4, IODT_RW);
	shr_invalidate(&r, &shr_all, 1);
	iodt_dma_write(t, shr_at(&r, 1));
	shr_guest_unmap(&r, 1, 2);
	shr_guest_map(&r, 1, 300, 1, IODT_RW);
	shr_guest_map(&r, 2, 202, 1, IOD_PROT_READ);
	inv = shr_range(&r, 0, 4);
	w = shr_invalidate(&r, &inv, 1);
	assert_int_equal(w.unmapped, 2 * t->page);
	assert_int_equal(w.mapped, 2 * t->page);
	assert_int_equal(w.kept, 2 * t->page);
	assert_true(r.told[1] && r.told_pa[1] == 201 * t->page + r.moved);
	shr_told_is(&r, r.told_bytes, t->page);
	shr_same(&r, 0, 31);
	/* again: nothing to do */
	w = shr_invalidate(&r, &inv, 1);
	assert_int_equal(w.unmapped + w.mapped + w.syncs, 0);
	shr_close(&r);
}

/* Whether the smallest large page is one table of small ones. */
static bool has_large(struct iodt *t, uint64_t n)
{
	struct iod_pgtable_info info = { .size = sizeof(info) };

	iodt_assert_ok(iod_pgtable_get_info(t->pt, &info));
	return info.pgsize_bitmap & (n * t->page);
}

/* R84: the guest removes a large page, and names one small page of it; or its upper entry, over small pages. */
static void large_pages(struct iodt *t)
{
	uint64_t n = iodt_table_span(t->v) / t->page;
	struct shr r;
	struct iod_inv inv;
	uint64_t items;

	if (3 * n > WORLD || !has_large(t, n))
		return;
	shr_open(&r, t, IOD_SHADOW_TRACK);
	shr_invalidate(&r, &shr_all, 1);
	shr_guest_map(&r, n, 4 * n, n, IODT_RW);
	inv = shr_range(&r, n + 5, 1);
	shr_invalidate(&r, &inv, 1);
	/* The first time the guest's large page is met in the middle. */
	shr_invalidate(&r, &inv, 1);
	shr_same(&r, 0, 3 * n - 1);
	iodt_dma_write(t, shr_at(&r, n + 7));
	shr_guest_unmap(&r, n, n);
	inv = shr_range(&r, n + 9, 1);
	shr_invalidate(&r, &inv, 1);
	shr_same(&r, 0, 3 * n - 1);
	assert_true(r.told[n + 7]);
	/* small pages; the upper entry goes, the invalidation is of what it mapped */
	for (items = 0; items < n; items++)
		shr_guest_map(&r, n + items, 9 * n + 2 * items, 1, IODT_RW);
	inv = shr_range(&r, n, n);
	shr_invalidate(&r, &inv, 1);
	iodt_dma_write(t, shr_at(&r, n + 1));
	iodt_dma_write(t, shr_at(&r, 2 * n - 1));
	shr_guest_unmap(&r, n, n);
	memset(r.told, 0, sizeof(r.told));
	r.told_bytes = 0;
	assert_in_range(shr_invalidate(&r, &inv, 1).syncs, 1, n / 128); /* as batches allow */
	assert_true(r.told[n + 1] && r.told[2 * n - 1]);
	shr_told_is(&r, r.told_bytes, 2 * t->page);
	shr_same(&r, 0, 3 * n - 1);
	shr_close(&r);
}

/* R85, R94: of one's domain, of another's; the whole space; one sync; empty tables go. */
static void domains(struct iodt *t)
{
	const struct iod_inv other = { .kind = IOD_INV_DOMAIN, .domain = DOMAIN + 1 };
	uint64_t tables = iodt_info(t->pt).tables, places[IODT_PLACES], i;
	uint64_t n = iodt_places(t->v, t->page, places), root;
	struct iod_shadow_work w;
	struct shr r;

	shr_open(&r, t, IOD_SHADOW_TRACK);
	shr_invalidate(&r, &shr_mine, 1);
	for (i = 0; i < n; i++)
		iodt_assert_ok(iod_map(r.g->pt, places[i], (2 * i + 1) * t->page, t->page, IODT_RW,
				       r.g->gather, NULL));
	w = shr_invalidate(&r, &other, 1);
	assert_int_equal(w.mapped, 0);
	w = shr_invalidate(&r, &shr_mine, 1);
	assert_int_equal(w.mapped, n * t->page);
	for (i = 0; i < n; i++)
		iodt_dma_write(t, places[i]);
	assert_int_equal(shr_invalidate(&r, &shr_mine, 1).kept, n * t->page);
	/* Sparse cost: 512 items for each table, concatenated roots, some twice. */
	root = iodt_info(t->pt).tables;
	w = shr_invalidate(&r, &shr_mine, 1);
	assert_true(w.items <= 2 * 2 * 16 * 8192 + 2 * 8192 * root);
	iodt_assert_ok(iod_shadow_set_guest(r.s, NULL, DOMAIN));
	w = shr_invalidate(&r, &other, 1); /* everything is due */
	assert_int_equal(w.unmapped, n * t->page);
	assert_int_equal(w.dirty, n * t->page);
	assert_int_equal(w.syncs, 1);
	if (!(t->caps & IODT_GROWS))
		assert_int_equal(iodt_info(t->pt).tables, tables);
	shr_close(&r);
}

/* The tables of the shadow do not pile up behind a guest that goes through all addresses page by page. */
static void tables_go(struct iodt *t)
{
	uint64_t n = iodt_table_span(t->v) / t->page, i, tables;
	struct shr r;
	struct iod_inv inv;

	if (8 * n > WORLD)
		return;
	shr_open(&r, t, 0);
	shr_invalidate(&r, &shr_all, 1);
	shr_guest_map(&r, 0, 1, 1, IODT_RW);
	shr_guest_map(&r, 8 * n - 1, 1, 1, IODT_RW); /* as many levels as it takes */
	shr_invalidate(&r, &shr_all, 1);
	shr_guest_unmap(&r, 8 * n - 1, 1);
	shr_invalidate(&r, &shr_all, 1);
	tables = iodt_info(t->pt).tables;
	for (i = 1; i < 8 * n; i += n / 4) {
		shr_guest_map(&r, i, 2 * i + 1, 1, IODT_RW);
		inv = shr_range(&r, i, 1);
		shr_invalidate(&r, &inv, 1);
		shr_guest_unmap(&r, i, 1);
		shr_invalidate(&r, &inv, 1);
		assert_true(iodt_info(t->pt).tables <= tables);
	}
	shr_close(&r);
}

/* Write without read becomes read and write where the format has nothing else, and stays as it is. */
static void write_only(struct iodt *t)
{
	struct shr r;

	shr_open(&r, t, IOD_SHADOW_TRACK);
	shr_guest_map(&r, 3, 100, 2, IOD_PROT_WRITE);
	assert_int_equal(shr_invalidate(&r, &shr_all, 1).mapped, 2 * t->page);
	assert_int_equal(shr_invalidate(&r, &shr_all, 1).unmapped, 0);
	shr_same(&r, 0, 31);
	shr_close(&r);
}

/* Holes in memory are left out and counted; what may only be read is only read. */
static void memory(struct iodt *t)
{
	struct iod_shadow_work w;
	struct shr r;

	shr_open(&r, t, IOD_SHADOW_TRACK);
	r.hole_gpa = 2 * iodt_table_span(t->v);
	r.rom_gpa = 10 * t->page;
	shr_guest_map(&r, 1, r.hole_gpa / t->page - 2, 4, IODT_RW);
	shr_guest_map(&r, 8, 9, 3, IODT_RW);
	w = shr_invalidate(&r, &shr_all, 1);
	assert_int_equal(w.missing, 2 * t->page);
	assert_int_equal(w.mapped, 5 * t->page);
	shr_same(&r, 0, 31);
	r.fail_translate = true;
	assert_int_equal(iod_shadow_refresh(r.s, &w), -EIO);
	assert_false(w.complete);
	r.fail_translate = false;
	shr_same(&r, 0, 31);
	shr_close(&r);
}

/* A budget: many calls, the same result. */
static void budget(struct iodt *t)
{
	struct iod_shadow_work w = { .size = sizeof(w), .budget = 1 };
	unsigned int calls = 0;
	struct shr r;
	uint64_t i;

	shr_open(&r, t, IOD_SHADOW_TRACK);
	for (i = 0; i < WORLD / 2; i += 2)
		shr_guest_map(&r, i, 4 * i, 1, IODT_RW);
	do {
		uint64_t before = w.next_iova;

		iodt_assert_ok(iod_shadow_refresh(r.s, &w));
		assert_true(w.complete || w.next_iova >= before);
		assert_true(++calls < 1000000);
	} while (!w.complete);
	assert_int_equal(w.mapped, WORLD / 4 * t->page);
	assert_true(calls > 1);
	shr_same(&r, 0, WORLD - 1);
	shr_close(&r);
}

/* Steps smaller than the work: several syncs, nothing lost. The smallest batch is 64. */
static void many_steps(struct iodt *t)
{
	struct iod_shadow_work w;
	struct shr r;
	uint64_t i;

	shr_open(&r, t, IOD_SHADOW_TRACK);
	for (i = 0; i < WORLD; i++)
		shr_guest_map(&r, i, 2 * i + 1, 1, IODT_RW);
	shr_invalidate(&r, &shr_all, 1);
	shr_same(&r, 0, WORLD - 1);
	for (i = 0; i < WORLD; i += 3)
		iodt_dma_write(t, shr_at(&r, i));
	/* every other page: no two in one range */
	for (i = 0; i < WORLD; i += 2)
		shr_guest_unmap(&r, i, 1);
	w = shr_invalidate(&r, &shr_mine, 1);
	assert_int_equal(w.unmapped, WORLD / 2 * t->page);
	assert_int_equal(w.syncs, WORLD / 2 / 64);
	for (i = 0; i < WORLD; i++)
		assert_int_equal(r.told[i], i % 2 == 0 && i % 3 == 0);
	shr_same(&r, 0, WORLD - 1);
	shr_close(&r);
}

/* Another table while everything is compared: what was done for the old one is not done. */
static void other_table_meanwhile(struct iodt *t)
{
	struct iod_shadow_work w = { .size = sizeof(w), .budget = 1 };
	struct shr r;

	shr_open(&r, t, 0);
	shr_guest_map(&r, 0, 50, WORLD, IODT_RW);
	shr_invalidate(&r, &shr_all, 1);
	iodt_assert_ok(iod_shadow_invalidate(r.s, &shr_mine, 1, &w));
	iodt_assert_ok(iod_shadow_set_guest(r.s, NULL, DOMAIN));
	w.budget = 0;
	iodt_assert_ok(iod_shadow_invalidate(r.s, &shr_mine, 1, &w));
	assert_true(w.complete);
	assert_int_equal(w.unmapped, WORLD * t->page);
	shr_close(&r);
}

/* Two that compare everything: large pages that the first saw before the second began are not forgotten. */
static void everything_twice(struct iodt *t)
{
	struct iod_shadow_work a = { .size = sizeof(a), .budget = 1 }, b = a;
	struct iod_shadow_stats was = { .size = sizeof(was) }, now = was;
	uint64_t n = iodt_table_span(t->v) / t->page;
	struct shr r;

	if (3 * n > WORLD || !has_large(t, n))
		return;
	shr_open(&r, t, 0);
	shr_guest_map(&r, n, 4 * n, n, IODT_RW);
	shr_guest_map(&r, 3 * n - 1, 50, 1, IODT_RW);
	shr_invalidate(&r, &shr_all, 1);
	iodt_assert_ok(iod_shadow_get_stats(r.s, &was));
	while (!a.complete && a.next_iova < shr_at(&r, 2 * n))
		iodt_assert_ok(iod_shadow_refresh(r.s, &a));
	iodt_assert_ok(iod_shadow_refresh(r.s, &b));
	while (!a.complete)
		iodt_assert_ok(iod_shadow_refresh(r.s, &a));
	iodt_assert_ok(iod_shadow_get_stats(r.s, &now));
	assert_int_equal(now.widen_lg2, was.widen_lg2);
	shr_close(&r);
}

/* The host's queue fails: nothing is told, and nothing lost; the next call goes on. */
static void sync_fails(struct iodt *t)
{
	struct iod_shadow_work w = { .size = sizeof(w) };
	struct shr r;

	shr_open(&r, t, IOD_SHADOW_TRACK);
	shr_guest_map(&r, 0, 50, 8, IODT_RW);
	shr_invalidate(&r, &shr_all, 1);
	iodt_dma_write(t, shr_at(&r, 2));
	shr_guest_unmap(&r, 0, 4);
	shr_guest_map(&r, 0, 70, 1, IODT_RW);
	t->log.fail_sync = -ETIMEDOUT;
	assert_int_equal(iod_shadow_invalidate(r.s, &shr_mine, 1, &w), -ETIMEDOUT);
	assert_false(w.complete);
	assert_int_equal(r.told_bytes, 0);
	t->log.fail_invalidate = -EIO;
	assert_int_equal(iod_shadow_invalidate(r.s, &shr_mine, 1, &w), -EIO);
	assert_int_equal(r.told_bytes, 0);
	iodt_assert_ok(iod_shadow_invalidate(r.s, &shr_mine, 1, &w));
	assert_true(w.complete && r.told[2]);
	assert_true(r.told_bytes >= t->page && r.told_pa[2] == 52 * t->page + r.moved);
	shr_same(&r, 0, 31);
	shr_close(&r);
}

/* No memory for tables: what is below next_iova is done; with memory the rest is. */
static void no_memory(struct iodt *t)
{
	struct iod_shadow_work w = { .size = sizeof(w) };
	uint64_t places[IODT_PLACES], i, n = iodt_places(t->v, t->page, places);
	struct shr r;

	shr_open(&r, t, IOD_SHADOW_TRACK);
	for (i = 0; i < n; i++)
		iodt_assert_ok(iod_map(r.g->pt, places[i], (2 * i + 1) * t->page, t->page, IODT_RW,
				       r.g->gather, NULL));
	iodt_assert_ok(iod_mem_set_limit(t->mem, iodt_stats(t->mem).bytes + 1));
	assert_int_equal(iod_shadow_refresh(r.s, &w), -ENOMEM);
	assert_false(w.complete);
	iodt_assert_ok(iod_mem_set_limit(t->mem, 0));
	iodt_assert_ok(iod_shadow_refresh(r.s, &w));
	assert_true(w.complete);
	assert_int_equal(w.mapped, n * t->page);
	iodt_assert_ok(iod_shadow_set_guest(r.s, NULL, DOMAIN));
	assert_int_equal(shr_invalidate(&r, &shr_all, 1).unmapped, n * t->page);
	shr_close(&r);
}

/* Without tracking nothing is told; marks from before do not come later. */
static void not_tracked(struct iodt *t)
{
	struct iod_inv inv;
	struct shr r;

	shr_open(&r, t, 0);
	shr_guest_map(&r, 0, 50, 4, IODT_RW);
	shr_invalidate(&r, &shr_all, 1);
	iodt_dma_write(t, shr_at(&r, 1));
	shr_guest_unmap(&r, 0, 2);
	inv = shr_range(&r, 0, 2);
	assert_int_equal(shr_invalidate(&r, &inv, 1).unmapped, 2 * t->page);
	assert_int_equal(r.told_bytes, 0);
	iodt_assert_ok(iod_shadow_track(r.s, true));
	iodt_dma_write(t, shr_at(&r, 3));
	shr_guest_unmap(&r, 2, 2);
	inv = shr_range(&r, 2, 2);
	shr_invalidate(&r, &inv, 1);
	assert_true(r.told[3]);
	shr_told_is(&r, r.told_bytes, t->page);
	shr_close(&r);
}

/* ---- at random ---- */

static void random_change(struct shr *r)
{
	struct iodt *t = r->t;
	uint64_t span = iodt_table_span(t->v) / t->page;
	uint64_t n = 1 + iodt_below(t, iodt_below(t, 4) ? 8 : 2 * span);
	uint64_t page = iodt_below(t, WORLD - 1), to = iodt_below(t, 4 * WORLD);

	if (n > WORLD - page)
		n = WORLD - page;
	if (!iodt_below(t, 3)) /* so that large pages fit */
		to = to / span * span + page % span;
	shr_guest_unmap(r, page, n);
	if (iodt_below(t, 3))
		(void)iod_map(r->g->pt, shr_at(r, page), to * t->page, n * t->page,
			      iodt_below(t, 3) ? IODT_RW : IOD_PROT_READ, r->g->gather, NULL);
}

/* After each invalidation of everything the two agree, and what was dirty and went was told, no more. */
static void random_changes(struct iodt *t)
{
	unsigned int turn, turns = iodt_scale(60), k;
	struct shr r;

	shr_open(&r, t, IOD_SHADOW_TRACK);
	r.hole_gpa = 2 * iodt_table_span(t->v);
	for (turn = 0; turn < turns; turn++) {
		struct view before, after;
		uint64_t i;

		for (k = 0; k < 6; k++)
			random_change(&r);
		before = shr_view(t);
		for (k = 0; k < 12; k++) {
			i = iodt_below(t, WORLD);
			if (before.there[i] && before.write[i])
				iodt_dma_write(t, shr_at(&r, i));
		}
		before = shr_view(t);
		memset(r.told, 0, sizeof(r.told));
		shr_invalidate(&r, iodt_below(t, 2) ? &shr_mine : &shr_all, 1);
		shr_same(&r, 0, WORLD - 1);
		after = shr_view(t);
		for (i = 0; i < WORLD; i++) {
			bool gone = before.there[i] &&
				    (!after.there[i] || after.pa[i] != before.pa[i] ||
				     after.write[i] != before.write[i]);

			assert_int_equal(r.told[i], gone && before.dirty[i]);
			assert_true(!r.told[i] || r.told_pa[i] == before.pa[i]);
		}
	}
	shr_close(&r);
}

/* ---- refused ---- */

static void bad_arguments(struct iodt *t)
{
	struct iod_shadow_work w = { .size = sizeof(w) };
	struct iod_inv nonsense = { .kind = (enum iod_inv_kind)9 };
	struct iod_shadow_ops ops = { .size = sizeof(ops) };
	struct iod_shadow_cfg cfg = {
		.size = sizeof(cfg), .pt = t->pt, .gather = t->gather, .ops = &ops
	};
	struct iod_shadow *s;
	struct shr r;

	assert_int_equal(iod_shadow_create(&s, &cfg), -EINVAL); /* no translate */
	ops.translate = shr_translate;
	cfg.prot = IOD_PROT_WRITE;
	assert_int_equal(iod_shadow_create(&s, &cfg), -EINVAL);
	cfg.prot = 0;
	cfg.flags = 1u << 31;
	assert_int_equal(iod_shadow_create(&s, &cfg), -EINVAL);
	cfg.flags = 0;
	cfg.batch = 63;
	assert_int_equal(iod_shadow_create(&s, &cfg), -EINVAL);
	assert_int_equal(iod_shadow_create(NULL, &cfg), -EINVAL);
	assert_int_equal(iod_shadow_destroy(NULL), -EINVAL);
	shr_open(&r, t, 0);
	assert_int_equal(iod_shadow_set_guest(r.s, t->pt, 0), -EINVAL);
	assert_int_equal(iod_shadow_invalidate(r.s, NULL, 1, &w), -EINVAL);
	assert_int_equal(iod_shadow_invalidate(r.s, &nonsense, 1, &w), -EINVAL);
	assert_int_equal(iod_shadow_invalidate(r.s, &shr_all, 1, NULL), -EINVAL);
	w.size--;
	assert_int_equal(iod_shadow_refresh(r.s, &w), -EINVAL);
	shr_close(&r);
}

/* Each allocation of create fails once. */
static void memory_fails(struct iodt *t)
{
	const struct iod_shadow_ops ops = { .size = sizeof(ops), .translate = shr_translate };
	struct iodt_alloc alloc;
	struct iod_shadow_cfg cfg = { .size = sizeof(cfg),
				      .pt = t->pt,
				      .gather = t->gather,
				      .ops = &ops,
				      .allocator = &alloc.ops };
	struct iod_shadow *s = NULL;
	int ret = -ENOMEM;
	uint64_t n;

	iodt_alloc_init(&alloc);
	for (n = 1; ret == -ENOMEM; n++) {
		alloc.calls = 0;
		alloc.fail_at = n;
		ret = iod_shadow_create(&s, &cfg);
		assert_true(ret == 0 || (ret == -ENOMEM && !alloc.live));
	}
	assert_true(n > 5);
	iodt_assert_ok(iod_shadow_destroy(s));
	assert_int_equal(alloc.live, 0);
	assert_int_equal(alloc.bad, 0);
}

#define ON (IODT_DIRTY | IODT_MIDDLING)

int main(int argc, char **argv)
{
	static const struct iodt_test tests[] = {
		{ "follows", ON, 0, follows },
		{ "leads_elsewhere", ON, 0, leads_elsewhere },
		{ "large_pages", ON, 0, large_pages },
		{ "domains", ON, 0, domains },
		{ "tables_go", ON | IODT_TABLES, 0, tables_go },
		{ "write_only", ON, 0, write_only },
		{ "memory", ON, 0, memory },
		{ "budget", ON, 0, budget },
		{ "many_steps", ON, 0, many_steps },
		{ "other_table_meanwhile", ON, 0, other_table_meanwhile },
		{ "everything_twice", ON, 0, everything_twice },
		{ "sync_fails", ON, 0, sync_fails },
		{ "no_memory", ON | IODT_TABLES, 0, no_memory },
		{ "not_tracked", ON, 0, not_tracked },
		{ "random_changes", ON, 0, random_changes },
		{ "bad_arguments", ON, 0, bad_arguments },
		{ "memory_fails", ON | IODT_PLAIN, 0, memory_fails },
	};

	return iodt_main(argc, argv, tests, IODT_ARRAY_SIZE(tests), NULL, 0);
}
