/* SPDX-License-Identifier: MIT */
/*
 * A dirty log among threads: DMA from several agents, threads that write and mark by hand, a migration
 * that syncs in every way there is, and somebody who plugs a second window in and out. Every frame has a
 * version; at the end all copies must be of the last one.
 *
 * With policies, too: pages are split and merged under all of them, while somebody maps other pages, has
 * them written, and unmaps them through the log, which must say that they were.
 *
 * The twin's agents never hear of an invalidation, and must lose a frame. They may be led by tables that were
 * freed and have become others: then they fault, or write somewhere else.
 */
#include "conc.h"

#define FRAMES	   512
#define HOT	   24
#define TWIN_TRIES 20
#define CHURN	   8 /* pages of a window that come and go */

struct logged {
	struct conc c;
	struct iod_dirty_log *log;
	uint64_t iova, pa, frames;
	uint64_t churn; /* the table's address of that window; the log's is behind all frames */
	bool policy, churns;
	struct iodt_bits bits;
	uint32_t version[FRAMES], copy[FRAMES]; /* version: atomic */
};

/* ---- writers ---- */

/* Even frames are the devices', odd ones the markers': a mark must not save what a device lost. */
static uint64_t some_frame(struct conc_thread *self, unsigned int odd)
{
	const struct logged *l = self->arg;

	return (conc_below(self, conc_below(self, 10) ? HOT : l->frames) & ~UINT64_C(1)) | odd;
}

static int move(void *cookie, uint64_t pa, uint64_t len, uint64_t offset)
{
	struct logged *l = cookie;
	uint64_t frame = (pa - l->pa) / l->c.page;

	if (frame < l->frames)
		__atomic_fetch_add(&l->version[frame], 1, __ATOMIC_RELAXED);
	else if (!l->c.deaf)
		conc_fail(&l->c, "write to %#jx", (uintmax_t)pa);
	return 0;
}

static void device(struct conc_thread *self)
{
	struct logged *l = self->arg;
	uint64_t at = l->iova + some_frame(self, 0) * l->c.page;
	int ret = iod_iotlb_dma(l->c.agent[self->id % CONC_AGENTS], l->c.t->pt, at, 1,
				IOD_ACCESS_WRITE, move, l, NULL, NULL);

	if (ret && !(ret == -EFAULT && l->c.deaf))
		conc_fail(&l->c, "write at %#jx: %d", (uintmax_t)at, ret);
}

static void marker(struct conc_thread *self)
{
	struct logged *l = self->arg;
	uint64_t frame = some_frame(self, 1);
	int ret;

	__atomic_fetch_add(&l->version[frame], 1, __ATOMIC_RELAXED);
	ret = iod_dirty_log_mark_dirty(l->log, frame * l->c.page, l->c.page);
	if (ret)
		conc_fail(&l->c, "mark: %d", ret);
}

/* ---- migration ---- */

static void copy_frame(struct logged *l, uint64_t frame)
{
	l->copy[frame] = __atomic_load_n(&l->version[frame], __ATOMIC_RELAXED);
}

static int copy_run(void *cookie, uint64_t iova, uint64_t len)
{
	struct logged *l = cookie;
	uint64_t at;

	for (at = iova; at < iova + len; at += l->c.page)
		copy_frame(l, at / l->c.page);
	return 0;
}

static int sync_range(struct logged *l, uint64_t first, uint64_t n, uint32_t flags, bool runs)
{
	struct iod_dirty_log_sync s = {
		.size = sizeof(s), .iova = first * l->c.page, .len = n * l->c.page, .flags = flags
	};

	if (runs) {
		s.fn = copy_run;
		s.cookie = l;
	} else {
		s.bitmap = &l->bits.bm;
	}
	return iod_dirty_log_sync(l->log, &s);
}

static void copy_reported(struct logged *l)
{
	uint64_t i;

	for (i = 0; i < l->frames; i++)
		if (iodt_bits_get(&l->bits, i * l->c.page))
			copy_frame(l, i);
}

/* Stops, with everything merged, and goes on with another policy. */
static void restart(struct conc_thread *self)
{
	struct logged *l = self->arg;
	struct iod_dirty_log_start arg = { .size = sizeof(arg), .flags = IOD_DIRTY_LOG_RESUME };
	int ret = iod_dirty_log_stop(l->log, IOD_DIRTY_LOG_MERGE);

	arg.policy = 1 + (uint32_t)conc_below(self, 2);
	arg.merge_after = (uint32_t)conc_below(self, 3);
	arg.budget = conc_below(self, 2) * 100;
	if (!ret)
		ret = iod_dirty_log_start(l->log, &arg);
	if (ret)
		conc_fail(&l->c, "restart: %d", ret);
}

static void migration(struct conc_thread *self)
{
	struct logged *l = self->arg;
	uint64_t first = conc_below(self, l->frames), n = 1 + conc_below(self, l->frames - first);
	unsigned int way = (unsigned int)conc_below(self, l->policy ? 5 : 4);
	int ret;

	if (way == 4) {
		restart(self);
		return;
	}

	if (!conc_below(self, 3)) {
		first = 0;
		n = l->frames;
	}
	iodt_bits_zero(&l->bits);
	ret = sync_range(l, first, n, way == 1 ? IOD_DIRTY_SYNC_NO_REARM : 0, way == 0);
	if (!ret && way == 1)
		ret = iod_dirty_log_clear(l->log, first * l->c.page, n * l->c.page, &l->bits.bm,
					  NULL);
	if (!ret && way == 2) /* nothing was sent */
		ret = iod_dirty_log_rollback(l->log, &l->bits.bm);
	else if (!ret)
		copy_reported(l);
	if (ret)
		conc_fail(&l->c, "way %u: %d", way, ret);
}

/* A device with a table of its own comes and goes. */
static void plugger(struct conc_thread *self)
{
	struct logged *l = self->arg;
	struct iod_dirty_log_table win = { .size = sizeof(win), .len = l->frames * l->c.page };
	struct iod_pgtable_cfg cfg = iodt_cfg(l->c.t->v, l->c.t->mem);
	int ret;

	cfg.domain = 77;
	ret = iod_pgtable_create(&win.pt, &cfg);
	win.table_iova = l->iova;
	if (!ret)
		ret = iod_map(win.pt, l->iova, 0, l->c.page, IODT_RW | IOD_PROT_DIRTY, NULL, NULL);
	if (!ret)
		ret = iod_dirty_log_add_table(l->log, &win);
	if (!ret)
		ret = iod_dirty_log_remove_table(l->log, win.pt, 0);
	if (!ret)
		ret = iod_pgtable_destroy(win.pt);
	if (ret)
		conc_fail(&l->c, "plug: %d", ret);
}

static int no_data(void *cookie, uint64_t pa, uint64_t len, uint64_t offset)
{
	return 0;
}

/* Pages come, are written, and go; the log says which were written. */
static void churner(struct conc_thread *self)
{
	struct logged *l = self->arg;
	struct iod_dirty_log_unmap u = { .size = sizeof(u), .pt = l->c.t->pt };
	uint64_t page = l->c.page, i, wrote = 0;
	struct iodt_bits b;
	int ret;

	if (!l->churns || l->c.deaf) /* a device of the twin writes nowhere, then */
		return;
	iodt_bits_init(&b, l->frames * page, CHURN * page, page);
	u.iova = l->churn;
	u.len = CHURN * page;
	u.bitmap = &b.bm;
	ret = iod_map(u.pt, l->churn, l->pa + 2 * FRAMES * page, u.len, IODT_RW, self->gather,
		      NULL);
	for (i = 0; i < CHURN && !ret; i++) {
		if (conc_below(self, 2))
			continue;
		wrote |= IODT_BIT(i);
		ret = iod_iotlb_dma(l->c.agent[self->id % CONC_AGENTS], u.pt, l->churn + i * page,
				    1, IOD_ACCESS_WRITE, no_data, NULL, NULL, NULL);
	}
	if (!ret)
		do /* the log may just be stopped */
			ret = iod_dirty_log_unmap(l->log, &u);
		while (ret == -EINVAL && !conc_stopped(&l->c));
	for (i = 0; i < CHURN && !ret; i++)
		if ((wrote >> i & 1) && !iodt_bits_get(&b, (l->frames + i) * page))
			conc_fail(&l->c, "written page was unmapped as clean");
	if (!ret && u.unmapped != u.len)
		conc_fail(&l->c, "unmapped %#jx", (uintmax_t)u.unmapped);
	if (ret && !conc_stopped(&l->c))
		conc_fail(&l->c, "churn: %d", ret);
	iodt_bits_free(&b);
}

/* ---- the test ---- */

static int to_agents(void *cookie, const struct iod_inv *inv, size_t nr)
{
	struct logged *l = cookie;
	unsigned int i;
	int ret = 0;

	for (i = 0; i < CONC_AGENTS && !ret && !l->c.deaf; i++)
		ret = iod_iotlb_invalidate(l->c.agent[i], inv, nr);
	return ret;
}

/* A second window, if there is room behind the frames. */
static void add_churn(struct logged *l, struct iod_dirty_log_table *win, uint64_t have)
{
	l->churn = l->iova + (l->frames + FRAMES) * l->c.page;
	if (have < l->churn || have - l->churn < CHURN * l->c.page)
		return;
	l->churns = true;
	win->iova = l->frames * l->c.page;
	win->table_iova = l->churn;
	win->len = CHURN * l->c.page;
	iodt_assert_ok(iod_dirty_log_add_table(l->log, win));
}

/* @large: leaves as large as they come, or only the smallest. */
static void logged_open(struct logged *l, const struct iodt *t, bool deaf, bool large, bool policy)
{
	struct iod_dirty_log_start start = { .size = sizeof(start), .policy = IOD_SPLIT_ON_DIRTY };

	struct iod_inv_ops ops = { .size = sizeof(ops), .invalidate = to_agents };
	struct iod_dirty_log_cfg cfg = { .size = sizeof(cfg), .staging = 8 };
	struct iod_dirty_log_table win = { .size = sizeof(win), .ops = &ops, .cookie = l };
	uint64_t have = t->v->hole_first ? t->v->hole_first - 1 : t->v->last;

	memset(l, 0, sizeof(*l));
	conc_open(&l->c, t);
	l->c.deaf = deaf;
	l->iova = t->v->first;
	l->pa = l->c.base_pa + (large ? 0 : l->c.page);
	l->frames = (have - l->iova) / l->c.page + 1;
	if (l->frames > FRAMES || !l->frames)
		l->frames = FRAMES;
	cfg.granule = l->c.page;
	cfg.len = (l->frames + CHURN) * l->c.page;
	win.pt = l->c.t->pt;
	win.table_iova = l->iova;
	win.len = l->frames * l->c.page;
	iodt_bits_init(&l->bits, 0, win.len, l->c.page);
	iodt_assert_ok(iod_map(win.pt, l->iova, l->pa, win.len, IODT_RW, NULL, NULL));
	iodt_assert_ok(iod_dirty_log_create(&l->log, &cfg));
	iodt_assert_ok(iod_dirty_log_add_table(l->log, &win));
	add_churn(l, &win, have);
	l->policy = policy;
	iodt_assert_ok(iod_dirty_log_start(l->log, policy ? &start : NULL));
}

static unsigned int logged_close(struct logged *l)
{
	struct iod_dirty_log_info info = { .size = sizeof(info) };
	unsigned int lost = 0;
	uint64_t i;

	iodt_bits_zero(&l->bits);
	iodt_assert_ok(sync_range(l, 0, l->frames, IOD_DIRTY_SYNC_FINAL, false));
	copy_reported(l);
	for (i = 0; i < l->frames; i++)
		lost += l->copy[i] != l->version[i];
	iodt_assert_ok(iod_dirty_log_stop(l->log, IOD_DIRTY_LOG_MERGE));
	iodt_assert_ok(iod_dirty_log_get_info(l->log, &info));
	assert_true(info.merges || !info.splits);
	iodt_assert_ok(iod_dirty_log_destroy(l->log));
	iodt_bits_free(&l->bits);
	conc_close(&l->c);
	return lost;
}

static unsigned int run_once(const struct iodt *t, bool deaf, bool large, bool policy,
			     double seconds)
{
	static struct logged l;
	struct conc_thread threads[] = {
		{ .fn = device },    { .fn = device },	{ .fn = marker },  { .fn = marker },
		{ .fn = migration }, { .fn = plugger }, { .fn = churner },
	};
	unsigned int i;

	logged_open(&l, t, deaf, large, policy);
	for (i = 0; i < IODT_ARRAY_SIZE(threads); i++)
		threads[i].arg = &l;
	conc_run(&l.c, threads, IODT_ARRAY_SIZE(threads), seconds);
	for (i = 0; i < IODT_ARRAY_SIZE(threads); i++)
		assert_true(threads[i].ops > 0);
	return logged_close(&l);
}

static void nothing_lost(struct iodt *t)
{
	assert_int_equal(run_once(t, false, false, false, conc_seconds()), 0);
	assert_int_equal(run_once(t, false, true, false, conc_seconds()), 0);
}

/* ARM, as hardware that bears everything. */
static struct iodt bearing_all(const struct iodt *t, struct iodt_variant *v)
{
	struct iodt like = *t;

	*v = *t->v;
	if (t->caps & IODT_ARM)
		v->features |= IOD_PT_BBM_2;
	like.v = v;
	return like;
}

static void policies_lose_nothing(struct iodt *t)
{
	struct iodt_variant v;
	struct iodt like = bearing_all(t, &v);

	assert_int_equal(run_once(&like, false, true, true, conc_seconds()), 0);
}

static void twin_deaf_devices(struct iodt *t)
{
	unsigned int i, lost = 0;

	for (i = 0; i < TWIN_TRIES && !lost; i++)
		lost = run_once(t, true, false, false, 0.05);
	assert_true(lost > 0);
}

static void twin_deaf_to_policies(struct iodt *t)
{
	struct iodt_variant v;
	struct iodt like = bearing_all(t, &v);
	unsigned int i, lost = 0;

	for (i = 0; i < TWIN_TRIES && !lost; i++)
		lost = run_once(&like, true, true, true, 0.05);
	assert_true(lost > 0);
}

int main(int argc, char **argv)
{
	static const struct iodt_test tests[] = {
		{ "nothing_lost", IODT_DIRTY | IODT_PLAIN, 0, nothing_lost },
		{ "policies_lose_nothing", IODT_DIRTY | IODT_PLAIN, 0, policies_lose_nothing },
		{ "twin_deaf_to_policies", IODT_DIRTY | IODT_PLAIN, 0, twin_deaf_to_policies },
		{ "twin_deaf_devices", IODT_DIRTY | IODT_PLAIN, 0, twin_deaf_devices },
	};

	return iodt_main(argc, argv, tests, IODT_ARRAY_SIZE(tests), NULL, 0);
}
