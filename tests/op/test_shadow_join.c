/* SPDX-License-Identifier: MIT */
/*
 * A shadow that tells a join: a dirty log reports guest addresses, whatever the guest unmaps and maps anew in between,
 * and whichever of the two, a sweep or the shadow, comes upon a mark first.
 */
#include "shadowrig.h"

#define FRAMES UINT64_C(512) /* of the guest's memory, in smallest pages */

struct world {
	struct iodt *t;
	struct shr r;
	struct iod_gpa_join *join;
	struct iod_dirty_log *log;
	bool hit[FRAMES]; /* reported by the last sync */
	/* done once, between the marks' being taken and their invalidation */
	void (*during)(struct world *w);
	bool not_told; /* twin: the join is not told by the shadow */
};

static int on_invalidate(void *cookie, const struct iod_inv *inv, size_t nr)
{
	struct world *w = cookie;
	void (*during)(struct world *) = w->during;

	w->during = NULL;
	if (during)
		during(w);
	return 0;
}

static const struct iod_inv_ops ops = { sizeof(ops), on_invalidate, NULL };

static void world_open(struct world *w, struct iodt *t, uint32_t flags, bool not_told)
{
	struct iod_dirty_log_cfg cfg = { .size = sizeof(cfg),
					 .len = FRAMES * t->page,
					 .granule = t->page };
	struct iod_dirty_log_table win = { .size = sizeof(win),
					   .pt = t->pt,
					   .table_iova = t->v->first,
					   .len = WORLD * t->page,
					   .ops = &ops,
					   .cookie = w };

	memset(w, 0, sizeof(*w));
	w->t = t;
	w->not_told = not_told;
	iodt_assert_ok(iod_gpa_join_create(&w->join, NULL));
	iodt_assert_ok(iod_dirty_log_create(&w->log, &cfg));
	win.join = w->join;
	iodt_assert_ok(iod_dirty_log_add_table(w->log, &win));
	shr_open_joined(&w->r, t, flags, not_told ? NULL : w->join);
	shr_invalidate(&w->r, &shr_all, 1);
	iodt_assert_ok(iod_dirty_log_start(w->log, NULL));
}

static void world_close(struct world *w)
{
	iodt_assert_ok(iod_dirty_log_destroy(w->log));
	shr_close(&w->r);
	iodt_assert_ok(iod_gpa_join_destroy(w->join));
}

static int found(void *cookie, uint64_t gpa, uint64_t len)
{
	struct world *w = cookie;
	uint64_t i;

	for (i = gpa / w->t->page; i < (gpa + len) / w->t->page; i++)
		w->hit[i] = true;
	return 0;
}

static void sync_log(struct world *w)
{
	struct iod_dirty_log_sync s = {
		.size = sizeof(s), .len = FRAMES * w->t->page, .fn = found, .cookie = w
	};

	memset(w->hit, 0, sizeof(w->hit));
	iodt_assert_ok(iod_dirty_log_sync(w->log, &s));
}

/* The guest maps a page, and invalidates it. */
static void guest_maps(struct world *w, uint64_t page, uint64_t frame)
{
	struct iod_inv inv = shr_range(&w->r, page, 1);

	shr_guest_map(&w->r, page, frame, 1, IODT_RW);
	if (w->not_told)
		iodt_assert_ok(iod_gpa_join_map(w->join, shr_at(&w->r, page), w->t->page,
						frame * w->t->page));
	shr_invalidate(&w->r, &inv, 1);
}

/* Unmaps it; the invalidation is not sent yet. */
static void guest_unmaps(struct world *w, uint64_t page)
{
	shr_guest_unmap(&w->r, page, 1);
	if (w->not_told)
		iodt_assert_ok(iod_gpa_join_unmap(w->join, shr_at(&w->r, page), w->t->page, 0));
}

static void guest_invalidates(struct world *w, uint64_t page)
{
	struct iod_inv inv = shr_range(&w->r, page, 1);

	shr_invalidate(&w->r, &inv, 1);
}

static uint64_t hits(const struct world *w)
{
	uint64_t i, n = 0;

	for (i = 0; i < FRAMES; i++)
		n += w->hit[i];
	return n;
}

/* By a sweep, by an unmap, by both. */
static void reports_frames(struct iodt *t)
{
	struct world w;

	world_open(&w, t, IOD_SHADOW_TRACK, false);
	guest_maps(&w, 3, 40);
	guest_maps(&w, 4, 7);
	iodt_dma_write(t, shr_at(&w.r, 3));
	sync_log(&w);
	assert_true(w.hit[40]);
	assert_int_equal(hits(&w), 1);
	iodt_dma_write(t, shr_at(&w.r, 3));
	iodt_dma_write(t, shr_at(&w.r, 4));
	guest_unmaps(&w, 3);
	guest_invalidates(&w, 3);
	guest_maps(&w, 3, 41);
	iodt_dma_write(t, shr_at(&w.r, 3));
	sync_log(&w);
	assert_true(w.hit[40] && w.hit[41] && w.hit[7]);
	assert_int_equal(hits(&w), 3);
	sync_log(&w);
	assert_int_equal(hits(&w), 0);
	world_close(&w);
}

/* Marks are taken, and then the page leads elsewhere before they are looked up. */
static void moves_page_3(struct world *w)
{
	guest_unmaps(w, 3);
	guest_invalidates(w, 3);
	guest_maps(w, 3, 90);
}

static void moves_during_a_sync(struct iodt *t)
{
	struct world w;

	world_open(&w, t, IOD_SHADOW_TRACK, false);
	guest_maps(&w, 3, 40);
	iodt_dma_write(t, shr_at(&w.r, 3));
	w.during = moves_page_3;
	sync_log(&w);
	assert_true(w.hit[40]);
	world_close(&w);
}

/* A guest's table that leads elsewhere at once: one invalidation unmaps and maps. */
static void replaced_in_one(struct iodt *t)
{
	struct world w;

	world_open(&w, t, IOD_SHADOW_TRACK, false);
	guest_maps(&w, 5, 50);
	iodt_dma_write(t, shr_at(&w.r, 5));
	shr_guest_unmap(&w.r, 5, 1);
	shr_guest_map(&w.r, 5, 60, 1, IODT_RW);
	guest_invalidates(&w, 5);
	iodt_dma_write(t, shr_at(&w.r, 5));
	sync_log(&w);
	assert_true(w.hit[50] && w.hit[60]);
	assert_int_equal(hits(&w), 2);
	world_close(&w);
}

/* Memory gets another guest address, and stays where it is for the host: what is written then is reported there. */
static void memory_moves(struct iodt *t)
{
	struct world w;

	world_open(&w, t, IOD_SHADOW_TRACK, false);
	guest_maps(&w, 4, 50);
	guest_maps(&w, 5, 51);
	iodt_dma_write(t, shr_at(&w.r, 5));
	w.r.moved -= 2 * t->page;
	shr_guest_unmap(&w.r, 4, 2);
	shr_guest_map(&w.r, 4, 52, 2, IODT_RW);
	shr_invalidate(&w.r, &shr_all, 1);
	iodt_dma_write(t, shr_at(&w.r, 4));
	sync_log(&w);
	assert_true(w.hit[51] && w.hit[52] && !w.hit[50]);
	world_close(&w);
}

/* Who does not track reports too much, not too little. */
static void not_tracking_is_dirty(struct iodt *t)
{
	struct world w;

	world_open(&w, t, 0, false);
	guest_maps(&w, 5, 50);
	guest_maps(&w, 6, 51);
	iodt_dma_write(t, shr_at(&w.r, 5));
	guest_unmaps(&w, 5);
	guest_invalidates(&w, 5);
	sync_log(&w);
	assert_true(w.hit[50]);
	assert_int_equal(hits(&w), 1);
	world_close(&w);
}

/* What an emulated device wrote. */
static void marks_by_iova(struct iodt *t)
{
	struct world w;

	world_open(&w, t, IOD_SHADOW_TRACK, false);
	guest_maps(&w, 5, 50);
	assert_int_equal(iod_gpa_join_mark_dirty(NULL, 0, 1), -EINVAL);
	assert_int_equal(iod_gpa_join_mark_dirty(w.join, 0, 0), -EINVAL);
	assert_int_equal(iod_gpa_join_mark_dirty(w.join, UINT64_MAX, 2), -ERANGE);
	iodt_assert_ok(iod_gpa_join_mark_dirty(w.join, shr_at(&w.r, 5) + 8, 1));
	iodt_assert_ok(iod_gpa_join_mark_dirty(w.join, shr_at(&w.r, 9), 1)); /* nothing */
	sync_log(&w);
	assert_true(w.hit[50]);
	assert_int_equal(hits(&w), 1);
	world_close(&w);
}

/* The join is told by somebody who follows the guest's table, not what hardware has let go of. */
static void twin_told_by_the_guest(struct iodt *t)
{
	struct world w;

	world_open(&w, t, IOD_SHADOW_TRACK, true);
	guest_maps(&w, 3, 40);
	guest_unmaps(&w, 3);
	/* The invalidation is yet to come, so the device may still write. */
	iodt_dma_write(t, shr_at(&w.r, 3));
	sync_log(&w);
	assert_int_equal(hits(&w), 0);
	guest_invalidates(&w, 3);
	sync_log(&w);
	assert_false(w.hit[40]);
	world_close(&w);
}

#define ON (IODT_DIRTY | IODT_MIDDLING)

int main(int argc, char **argv)
{
	static const struct iodt_test tests[] = {
		{ "reports_frames", ON, 0, reports_frames },
		{ "moves_during_a_sync", ON, 0, moves_during_a_sync },
		{ "replaced_in_one", ON, 0, replaced_in_one },
		{ "memory_moves", ON, 0, memory_moves },
		{ "not_tracking_is_dirty", ON, 0, not_tracking_is_dirty },
		{ "marks_by_iova", ON, 0, marks_by_iova },
		{ "twin_told_by_the_guest", ON, 0, twin_told_by_the_guest },
	};

	return iodt_main(argc, argv, tests, IODT_ARRAY_SIZE(tests), NULL, 0);
}
