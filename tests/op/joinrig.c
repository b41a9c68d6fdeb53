/* SPDX-License-Identifier: MIT */
/* Guest, devices and log for the tests of iod_gpa_join. */
#include "joinrig.h"

/* ---- callbacks ---- */

static int on_invalidate(void *cookie, const struct iod_inv *inv, size_t nr)
{
	struct joinrig *r = cookie;

	return iod_iotlb_invalidate(r->tlb, inv, nr);
}

static int on_sync(void *cookie)
{
	struct joinrig *r = cookie;

	if (r->during)
		r->during(r);
	if (r->fail) {
		r->fail--;
		return -ETIMEDOUT;
	}
	return 0;
}

static int own_invalidate(void *cookie, const struct iod_inv *inv, size_t nr)
{
	struct joinrig *r = cookie;

	return iod_iotlb_invalidate(r->tlb, inv, nr);
}

static const struct iod_inv_ops own_ops = { sizeof(own_ops), own_invalidate, NULL };

/* ---- the rig ---- */

static void open_log(struct joinrig *r, const struct joinrig_cfg *cfg)
{
	struct iod_dirty_log_cfg lcfg = { .size = sizeof(lcfg),
					  .iova = r->base,
					  .len = r->len,
					  .granule = cfg->granule,
					  .staging = cfg->staging,
					  .allocator = &r->t->alloc.ops };
	struct iod_gpa_join_cfg jcfg = { .size = sizeof(jcfg),
					 .max_ranges = cfg->max_ranges,
					 .allocator = &r->t->alloc.ops };
	struct iod_dirty_log_table win = { .size = sizeof(win), .pt = r->t->pt, .cookie = r };

	iodt_assert_ok(iod_gpa_join_create(&r->join, &jcfg));
	iodt_assert_ok(iod_dirty_log_create(&r->log, &lcfg));
	win.table_iova = r->t->v->first;
	win.len = r->cluster[1] + JOINRIG_SLOTS / 2 * r->t->page - win.table_iova;
	win.ops = &r->ops;
	win.join = r->join;
	iodt_assert_ok(iod_dirty_log_add_table(r->log, &win));
}

void joinrig_open(struct joinrig *r, struct iodt *t, const struct joinrig_cfg *cfg)
{
	struct iod_iotlb_cfg tcfg = { .size = sizeof(tcfg), .seed = 1 };
	unsigned int i;

	memset(r, 0, sizeof(*r));
	r->t = t;
	r->bounded = cfg->max_ranges;
	r->granule = cfg->granule ? cfg->granule : IODT_4K;
	r->pa = iodt_pa(t->v, IODT_2M, 0) & -(JOINRIG_FRAMES * t->page);
	r->base = 64 * t->page;
	r->len = JOINRIG_FRAMES * t->page;
	r->cluster[0] = t->v->first;
	r->cluster[1] = t->v->first + ((t->caps & IODT_ROOMY) ? 12 * IODT_1G : IODT_1M * 32);
	for (i = 0; i < JOINRIG_SLOTS; i++)
		r->frame[i] = JOINRIG_NONE;
	r->ops = (struct iod_inv_ops){ sizeof(r->ops), on_invalidate, on_sync };
	iodt_assert_ok(iod_iotlb_create(&r->tlb, &tcfg));
	iodt_bits_init(&r->bits, r->base, r->len, r->granule);
	open_log(r, cfg);
}

void joinrig_close(struct joinrig *r)
{
	r->during = NULL;
	r->fail = 0;
	iodt_bits_free(&r->bits);
	assert_int_equal(iod_gpa_join_destroy(r->join), -EBUSY);
	iodt_assert_ok(iod_dirty_log_destroy(r->log));
	iodt_assert_ok(iod_gpa_join_destroy(r->join));
	iodt_assert_ok(iod_iotlb_destroy(r->tlb));
}

void joinrig_start(struct joinrig *r)
{
	iodt_assert_ok(iod_dirty_log_start(r->log, NULL));
}

uint64_t joinrig_iova(const struct joinrig *r, unsigned int slot)
{
	unsigned int half = JOINRIG_SLOTS / 2;

	return r->cluster[slot / half] + slot % half * r->t->page;
}

void joinrig_map(struct joinrig *r, unsigned int slot, unsigned int n, unsigned int f)
{
	uint64_t iova = joinrig_iova(r, slot), len = n * r->t->page;
	int ret = iod_gpa_join_map(r->join, iova, len, r->base + f * r->t->page);
	unsigned int i;

	if (ret == -ENOSPC && r->bounded)
		return;
	iodt_assert_ok(ret);
	for (i = 0; i < (r->small ? n : 1); i++)
		iodt_assert_ok(iod_map(r->t->pt, iova + i * r->t->page,
				       r->pa + (f + i) * r->t->page, r->small ? r->t->page : len,
				       IODT_RW, NULL, NULL));
	for (i = 0; i < n; i++) {
		assert_int_equal(r->frame[slot + i], JOINRIG_NONE);
		r->frame[slot + i] = f + i;
	}
}

static void set_slots(struct joinrig *r, unsigned int slot, unsigned int n, uint32_t frame)
{
	while (n--)
		r->frame[slot + n] = frame;
}

int joinrig_unmap(struct joinrig *r, unsigned int slot, unsigned int n, bool with_bits)
{
	struct iod_dirty_log_unmap u = { .size = sizeof(u),
					 .pt = r->t->pt,
					 .iova = joinrig_iova(r, slot),
					 .len = n * r->t->page,
					 .flags = IOD_UNMAP_SPLIT | IOD_UNMAP_ALLOW_FAULTS,
					 .bitmap = with_bits ? &r->bits.bm : NULL };
	int ret;

	iodt_bits_zero(&r->bits);
	set_slots(r, slot, n, JOINRIG_BUSY);
	if (r->reversed)
		iodt_assert_ok(iod_gpa_join_unmap(r->join, u.iova, u.len, 0));
	/* What came before may have to be invalidated first, and fail. */
	do
		ret = iod_dirty_log_unmap(r->log, &u);
	while (ret && !u.unmapped);
	if (!r->reversed)
		iodt_assert_ok(iod_gpa_join_unmap(r->join, u.iova, u.len, 0));
	set_slots(r, slot, n, JOINRIG_NONE);
	if (!ret && with_bits)
		joinrig_copy(r);
	return ret;
}

void joinrig_unmap_own(struct joinrig *r, unsigned int slot, unsigned int n)
{
	uint64_t iova = joinrig_iova(r, slot), len = n * r->t->page;
	struct iod_gather_cfg gcfg = { .size = sizeof(gcfg), .ops = &own_ops, .cookie = r };
	struct iodt_bits from, to;
	struct iod_unmap_dirty u = { .size = sizeof(u),
				     .iova = iova,
				     .len = len,
				     .flags = IOD_UNMAP_SPLIT | IOD_UNMAP_ALLOW_FAULTS,
				     .bitmap = &from.bm };

	iodt_bits_init(&from, iova, len, IODT_4K);
	iodt_bits_init(&to, r->base, r->len, r->granule);
	iodt_assert_ok(iod_gather_create(&u.gather, r->t->pt, &gcfg));
	iodt_assert_ok(iod_unmap_dirty(r->t->pt, &u));
	iodt_assert_ok(iod_gather_sync(u.gather));
	iodt_assert_ok(iod_gather_destroy(u.gather));
	iodt_assert_ok(iod_gpa_join_translate(r->join, &from.bm, &to.bm));
	iodt_assert_ok(iod_dirty_log_rollback(r->log, &to.bm));
	iodt_assert_ok(iod_gpa_join_unmap(r->join, iova, len, 0));
	set_slots(r, slot, n, JOINRIG_NONE);
	iodt_bits_free(&from);
	iodt_bits_free(&to);
}

/* ---- writes and copies ---- */

static int move(void *cookie, uint64_t pa, uint64_t len, uint64_t offset)
{
	struct joinrig *r = cookie;

	r->version[(pa - r->pa) / r->t->page]++;
	return 0;
}

void joinrig_dma(struct joinrig *r, unsigned int slot)
{
	iodt_assert_ok(iod_iotlb_dma(r->tlb, r->t->pt, joinrig_iova(r, slot), 1, IOD_ACCESS_WRITE,
				     move, r, NULL, NULL));
}

/* Frames [f, f + n). */
static void copy_frames(struct joinrig *r, unsigned int f, unsigned int n)
{
	uint64_t i, step = r->granule < r->t->page ? r->granule : r->t->page;

	for (i = f * r->t->page; i < (f + n) * r->t->page; i += step)
		if (iodt_bits_get(&r->bits, r->base + i))
			r->copy[i / r->t->page] = r->version[i / r->t->page];
}

void joinrig_copy(struct joinrig *r)
{
	copy_frames(r, 0, JOINRIG_FRAMES);
}

unsigned int joinrig_stale(const struct joinrig *r)
{
	unsigned int i, n = 0;

	for (i = 0; i < JOINRIG_FRAMES; i++)
		n += r->copy[i] != r->version[i];
	return n;
}

/* ---- syncs ---- */

static int collect(void *cookie, uint64_t iova, uint64_t len)
{
	struct joinrig *r = cookie;

	return iod_bitmap_set(&r->bits.bm, iova, len);
}

int joinrig_sync(struct joinrig *r, unsigned int f, unsigned int n, uint32_t flags)
{
	struct iod_dirty_log_sync s = { .size = sizeof(s),
					.iova = r->base + f * r->t->page,
					.len = n * r->t->page,
					.flags = flags };
	int ret;

	if (iodt_below(r->t, 2)) {
		s.bitmap = &r->bits.bm;
	} else {
		s.fn = collect;
		s.cookie = r;
	}
	iodt_bits_zero(&r->bits);
	ret = iod_dirty_log_sync(r->log, &s);
	if (!(flags & IOD_DIRTY_SYNC_NO_REARM))
		joinrig_copy(r); /* what came before an error is good */
	return ret;
}

int joinrig_clear(struct joinrig *r, unsigned int f, unsigned int n)
{
	uint64_t done = 0, len = n * r->t->page;
	int ret;

	ret = iod_dirty_log_clear(r->log, r->base + f * r->t->page, len, &r->bits.bm, &done);
	assert_true(ret ? done < len : done == len);
	if (!ret)
		copy_frames(r, f, n);
	return ret;
}

int joinrig_two_phases(struct joinrig *r, unsigned int f, unsigned int n)
{
	int ret = joinrig_sync(r, f, n, IOD_DIRTY_SYNC_NO_REARM);

	return ret ? ret : joinrig_clear(r, f, n);
}

struct iod_gpa_join_info joinrig_info(const struct joinrig *r)
{
	struct iod_gpa_join_info info = { .size = sizeof(info) };

	iodt_assert_ok(iod_gpa_join_get_info(r->join, &info));
	return info;
}

/* ---- what is reported ---- */

/* Exactly these frames, in all of the log. */
void joinrig_assert_frames(struct joinrig *r, const unsigned int *frame, size_t n)
{
	uint64_t want = 0, per = r->t->page / r->granule;
	size_t i;

	for (i = 0; i < n; i++) {
		assert_true(iodt_bits_get(&r->bits, r->base + frame[i] * r->t->page));
		want += per;
	}
	assert_int_equal(iodt_bits_count(&r->bits), want);
}

void joinrig_assert_synced(struct joinrig *r, const unsigned int *frame, size_t n)
{
	iodt_assert_ok(joinrig_sync(r, 0, JOINRIG_FRAMES, 0));
	joinrig_assert_frames(r, frame, n);
}

void joinrig_open_started(struct joinrig *r, struct iodt *t)
{
	static const struct joinrig_cfg cfg = { 0 };

	joinrig_open(r, t, &cfg);
	joinrig_start(r);
	r->small = true;
}
