/* SPDX-License-Identifier: MIT */
/*
 * A guest behind a virtual IOMMU among threads: it maps, unmaps and remaps while its devices write and a migration
 * syncs in every way. Every frame has a version; at the end all copies must be of the last one.
 *
 * The twin's guest keeps the order of unmapping the wrong way around, and must lose a frame.
 */
#include "conc.h"

#define FRAMES	   256
#define SLOTS	   48 /* of each of the two who map */
#define MAPPERS	   2
#define TWIN_TRIES 40

struct joined {
	struct conc c;
	struct iod_dirty_log *log;
	struct iod_gpa_join *join;
	uint64_t iova, pa;
	bool reversed;
	bool is_mapped[MAPPERS][SLOTS]; /* the mapper's own */
	struct iodt_bits bits;
	uint32_t version[FRAMES], copy[FRAMES]; /* version: atomic */
};

static uint64_t slot_iova(const struct joined *j, unsigned int mapper, uint64_t slot)
{
	return j->iova + (mapper * SLOTS + slot) * j->c.page;
}

/* ---- devices ---- */

static int move(void *cookie, uint64_t pa, uint64_t len, uint64_t offset)
{
	struct joined *j = cookie;

	__atomic_fetch_add(&j->version[(pa - j->pa) / j->c.page], 1, __ATOMIC_RELAXED);
	return 0;
}

static void device(struct conc_thread *self)
{
	struct joined *j = self->arg;
	uint64_t at = slot_iova(j, 0, conc_below(self, MAPPERS * SLOTS));
	/* Not the one that marks late: what it moved to a page that is gone by then is refused, and nobody's. */
	int ret = iod_iotlb_dma(j->c.agent[self->id % 2 * 2], j->c.t->pt, at, 1, IOD_ACCESS_WRITE,
				move, j, NULL, NULL);

	if (ret && ret != -EFAULT) /* the guest did not map that */
		conc_fail(&j->c, "write at %#jx: %d", (uintmax_t)at, ret);
}

/* ---- the guest, and the VMM that follows it ---- */

static int map_slots(struct joined *j, uint64_t iova, uint64_t len, uint64_t frame)
{
	int ret = iod_gpa_join_map(j->join, iova, len, frame * j->c.page);

	return ret ? ret
		   : iod_map(j->c.t->pt, iova, j->pa + frame * j->c.page, len, IODT_RW, NULL, NULL);
}

static int unmap_by_log(struct joined *j, uint64_t iova, uint64_t len)
{
	struct iod_dirty_log_unmap u = { .size = sizeof(u),
					 .pt = j->c.t->pt,
					 .iova = iova,
					 .len = len,
					 .flags = IOD_UNMAP_SPLIT | IOD_UNMAP_ALLOW_FAULTS };
	int ret = 0;

	if (j->reversed)
		ret = iod_gpa_join_unmap(j->join, iova, len, 0);
	if (!ret)
		ret = iod_dirty_log_unmap(j->log, &u);
	return ret || j->reversed ? ret : iod_gpa_join_unmap(j->join, iova, len, 0);
}

/* Without waiting for a sync that is under way. */
static int unmap_by_hand(struct conc_thread *self, uint64_t iova, uint64_t len)
{
	struct joined *j = self->arg;
	struct iodt_bits from, to;
	struct iod_unmap_dirty u = { .size = sizeof(u),
				     .iova = iova,
				     .len = len,
				     .flags = IOD_UNMAP_SPLIT | IOD_UNMAP_ALLOW_FAULTS,
				     .gather = self->gather,
				     .bitmap = &from.bm };
	int ret;

	iodt_bits_init(&from, iova, len, j->c.page);
	iodt_bits_init(&to, 0, FRAMES * j->c.page, j->c.page);
	ret = iod_unmap_dirty(j->c.t->pt, &u);
	if (!ret)
		ret = iod_gather_sync(self->gather);
	if (!ret)
		ret = iod_gpa_join_translate(j->join, &from.bm, &to.bm);
	if (!ret)
		ret = iod_dirty_log_rollback(j->log, &to.bm);
	if (!ret)
		ret = iod_gpa_join_unmap(j->join, iova, len, 0);
	iodt_bits_free(&from);
	iodt_bits_free(&to);
	return ret;
}

static void mapper(struct conc_thread *self, unsigned int which)
{
	struct joined *j = self->arg;
	uint64_t slot = conc_below(self, SLOTS), max = 1 + conc_below(self, 8), n = 0, i;
	bool was = j->is_mapped[which][slot];
	uint64_t iova = slot_iova(j, which, slot), len;
	int ret;

	while (n < max && slot + n < SLOTS && j->is_mapped[which][slot + n] == was)
		n++;
	len = n * j->c.page;
	if (!was)
		ret = map_slots(j, iova, len, conc_below(self, FRAMES - n));
	else if (conc_below(self, 2) || j->reversed)
		ret = unmap_by_log(j, iova, len);
	else
		ret = unmap_by_hand(self, iova, len);
	if (ret)
		conc_fail(&j->c, "%s: %d", was ? "unmap" : "map", ret);
	for (i = 0; i < n; i++)
		j->is_mapped[which][slot + i] = !was;
}

static void mapper_0(struct conc_thread *self)
{
	mapper(self, 0);
}

static void mapper_1(struct conc_thread *self)
{
	mapper(self, 1);
}

/* ---- migration ---- */

static int sync_range(struct joined *j, uint64_t first, uint64_t n, uint32_t flags)
{
	struct iod_dirty_log_sync s = { .size = sizeof(s),
					.iova = first * j->c.page,
					.len = n * j->c.page,
					.flags = flags,
					.bitmap = &j->bits.bm };

	iodt_bits_zero(&j->bits);
	return iod_dirty_log_sync(j->log, &s);
}

static void copy_reported(struct joined *j)
{
	uint64_t i;

	for (i = 0; i < FRAMES; i++)
		if (iodt_bits_get(&j->bits, i * j->c.page))
			j->copy[i] = __atomic_load_n(&j->version[i], __ATOMIC_RELAXED);
}

static void migration(struct conc_thread *self)
{
	struct joined *j = self->arg;
	uint64_t first = conc_below(self, FRAMES), n = 1 + conc_below(self, FRAMES - first);
	unsigned int way = (unsigned int)conc_below(self, 3);
	int ret;

	if (!conc_below(self, 3)) {
		first = 0;
		n = FRAMES;
	}
	ret = sync_range(j, first, n, way == 1 ? IOD_DIRTY_SYNC_NO_REARM : 0);
	if (!ret && way == 1)
		ret = iod_dirty_log_clear(j->log, first * j->c.page, n * j->c.page, &j->bits.bm,
					  NULL);
	if (!ret && way == 2) /* nothing was sent */
		ret = iod_dirty_log_rollback(j->log, &j->bits.bm);
	else if (!ret)
		copy_reported(j);
	if (ret)
		conc_fail(&j->c, "way %u: %d", way, ret);
}

/* ---- the test ---- */

static int to_agents(void *cookie, const struct iod_inv *inv, size_t nr)
{
	struct joined *j = cookie;
	unsigned int i;
	int ret = 0;

	for (i = 0; i < CONC_AGENTS && !ret; i++)
		ret = iod_iotlb_invalidate(j->c.agent[i], inv, nr);
	return ret;
}

static void joined_open(struct joined *j, const struct iodt *t, uint64_t max_ranges, bool reversed)
{
	struct iod_inv_ops ops = { .size = sizeof(ops), .invalidate = to_agents };
	struct iod_dirty_log_cfg cfg = { .size = sizeof(cfg), .staging = 8 };
	struct iod_gpa_join_cfg jcfg = { .size = sizeof(jcfg), .max_ranges = max_ranges };
	struct iod_dirty_log_table win = { .size = sizeof(win), .ops = &ops, .cookie = j };

	memset(j, 0, sizeof(*j));
	conc_open(&j->c, t);
	j->reversed = reversed;
	j->iova = t->v->first;
	j->pa = j->c.base_pa;
	cfg.granule = j->c.page;
	cfg.len = FRAMES * j->c.page;
	iodt_bits_init(&j->bits, 0, cfg.len, j->c.page);
	iodt_assert_ok(iod_gpa_join_create(&j->join, &jcfg));
	iodt_assert_ok(iod_dirty_log_create(&j->log, &cfg));
	win.pt = j->c.t->pt;
	win.table_iova = j->iova;
	win.len = 2 * MAPPERS * SLOTS * j->c.page;
	win.join = j->join;
	iodt_assert_ok(iod_dirty_log_add_table(j->log, &win));
	iodt_assert_ok(iod_dirty_log_start(j->log, NULL));
}

static unsigned int joined_close(struct joined *j)
{
	struct iod_gpa_join_info info = { .size = sizeof(info) };
	unsigned int lost = 0;
	uint64_t i;

	iodt_assert_ok(sync_range(j, 0, FRAMES, IOD_DIRTY_SYNC_FINAL));
	copy_reported(j);
	for (i = 0; i < FRAMES; i++)
		lost += j->copy[i] != j->version[i];
	iodt_assert_ok(iod_gpa_join_get_info(j->join, &info));
	assert_int_equal(info.journal, 0);
	assert_true(j->reversed || !info.unknown);
	iodt_assert_ok(iod_dirty_log_destroy(j->log));
	iodt_assert_ok(iod_gpa_join_destroy(j->join));
	iodt_bits_free(&j->bits);
	conc_close(&j->c);
	return lost;
}

static unsigned int run_once(const struct iodt *t, uint64_t max_ranges, bool reversed,
			     double seconds)
{
	static struct joined j;
	struct conc_thread threads[] = {
		{ .fn = device },   { .fn = device },	{ .fn = migration },
		{ .fn = mapper_0 }, { .fn = mapper_1 },
	};
	unsigned int i;

	joined_open(&j, t, max_ranges, reversed);
	for (i = 0; i < IODT_ARRAY_SIZE(threads); i++)
		threads[i].arg = &j;
	conc_run(&j.c, threads, IODT_ARRAY_SIZE(threads), seconds);
	for (i = 0; i < IODT_ARRAY_SIZE(threads); i++)
		assert_true(threads[i].ops > 0);
	return joined_close(&j);
}

static void nothing_lost(struct iodt *t)
{
	assert_int_equal(run_once(t, 0, false, conc_seconds()), 0);
	/* So few that the journal gives way; each slot may be a range. */
	assert_int_equal(run_once(t, MAPPERS * SLOTS, false, conc_seconds()), 0);
}

static void twin_reversed(struct iodt *t)
{
	unsigned int i, lost = 0;

	for (i = 0; i < TWIN_TRIES && !lost; i++)
		lost = run_once(t, 0, true, 0.05);
	assert_true(lost > 0);
}

int main(int argc, char **argv)
{
	static const struct iodt_test tests[] = {
		{ "nothing_lost", IODT_DIRTY | IODT_PLAIN | IODT_MIDDLING, 0, nothing_lost },
		{ "twin_reversed", IODT_DIRTY | IODT_PLAIN | IODT_MIDDLING, 0, twin_reversed },
	};

	return iodt_main(argc, argv, tests, IODT_ARRAY_SIZE(tests), NULL, 0);
}
