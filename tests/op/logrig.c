/* SPDX-License-Identifier: MIT */
/* Devices, callbacks and a log for the tests of iod_dirty_log. */
#include "logrig.h"

/* ---- callbacks ---- */

static int on_invalidate(void *cookie, const struct iod_inv *inv, size_t nr)
{
	struct logrig *r = cookie;

	r->invalidates++;
	if (r->before)
		r->before(r);
	if (r->fail_invalidate) {
		r->fail_invalidate--;
		return -EIO;
	}
	if (!r->is_late)
		return iod_iotlb_invalidate(r->tlb, inv, nr);
	assert_true(r->nr_late + nr <= IODT_ARRAY_SIZE(r->late));
	memcpy(&r->late[r->nr_late], inv, nr * sizeof(*inv));
	r->nr_late += nr;
	return 0;
}

static int on_sync(void *cookie)
{
	struct logrig *r = cookie;
	size_t nr = r->nr_late;

	r->syncs++;
	if (r->during)
		r->during(r);
	if (r->fail_sync) {
		r->fail_sync--;
		return -ETIMEDOUT;
	}
	if (r->forgets_sync)
		return 0;
	r->nr_late = 0;
	return nr ? iod_iotlb_invalidate(r->tlb, r->late, nr) : 0;
}

/* ---- the rig ---- */

void logrig_open(struct logrig *r, struct iodt *t, uint64_t pages, uint64_t pa, uint64_t granule,
		 uint64_t staging, uint64_t base, uint64_t off)
{
	struct iod_iotlb_cfg tcfg = { .size = sizeof(tcfg), .seed = 1 };
	struct iod_dirty_log_cfg cfg = { .size = sizeof(cfg),
					 .iova = base,
					 .granule = granule,
					 .staging = staging,
					 .allocator = &t->alloc.ops };
	struct iod_dirty_log_table win = { .size = sizeof(win), .pt = t->pt, .cookie = r };
	uint64_t have = t->v->hole_first ? t->v->hole_first - 1 : t->v->last;
	uint64_t unit = granule > t->page ? granule : t->page;

	memset(r, 0, sizeof(*r));
	r->t = t;
	r->iova = t->v->first;
	r->len = pages * t->page;
	if (r->len - 1 > have - r->iova)
		r->len = have - r->iova + 1;
	r->len &= -unit;
	assert_true(r->len && r->len / t->page <= LOGRIG_FRAMES);
	r->pa = pa;
	r->granule = granule;
	r->base = base;
	r->at = base + off;
	r->size = off + r->len;
	r->ops = (struct iod_inv_ops){ sizeof(r->ops), on_invalidate, on_sync };
	iodt_map(t, r->iova, pa, r->len, IODT_RW);
	iodt_assert_ok(iod_iotlb_create(&r->tlb, &tcfg));
	cfg.len = r->size;
	iodt_assert_ok(iod_dirty_log_create(&r->log, &cfg));
	win.iova = r->at;
	win.table_iova = r->iova;
	win.len = r->len;
	win.ops = &r->ops;
	iodt_assert_ok(iod_dirty_log_add_table(r->log, &win));
}

void logrig_close(struct logrig *r)
{
	r->before = r->during = NULL;
	r->fail_invalidate = r->fail_sync = 0;
	iodt_assert_ok(iod_dirty_log_destroy(r->log));
	iodt_assert_ok(iod_iotlb_destroy(r->tlb));
}

void logrig_start(struct logrig *r, uint32_t flags)
{
	struct iod_dirty_log_start arg = { .size = sizeof(arg), .flags = flags };

	iodt_assert_ok(iod_dirty_log_start(r->log, &arg));
}

/* ---- writes and copies ---- */

static int move(void *cookie, uint64_t pa, uint64_t len, uint64_t offset)
{
	struct logrig *r = cookie;

	r->version[(pa - r->pa) / r->t->page]++;
	return 0;
}

void logrig_dma(struct logrig *r, uint64_t off)
{
	iodt_assert_ok(iod_iotlb_dma(r->tlb, r->t->pt, r->iova + off, 1, IOD_ACCESS_WRITE, move, r,
				     NULL, NULL));
}

void logrig_cpu(struct logrig *r, uint64_t off)
{
	r->version[off / r->t->page]++;
	iodt_assert_ok(iod_dirty_log_mark_dirty(r->log, r->at + off, 1));
}

void logrig_copy(struct logrig *r, const struct iodt_bits *b)
{
	uint64_t i;

	for (i = 0; i < r->len; i += r->granule < r->t->page ? r->granule : r->t->page)
		if (iodt_bits_get(b, r->at + i))
			r->copy[i / r->t->page] = r->version[i / r->t->page];
}

unsigned int logrig_stale(const struct logrig *r)
{
	unsigned int i, n = 0;

	for (i = 0; i < LOGRIG_FRAMES; i++)
		n += r->copy[i] != r->version[i];
	return n;
}

/* ---- syncs ---- */

int logrig_sync(struct logrig *r, uint64_t iova, uint64_t len, uint32_t flags, struct iodt_bits *b,
		uint64_t *done)
{
	struct iod_dirty_log_sync s = {
		.size = sizeof(s), .iova = iova, .len = len, .flags = flags, .bitmap = &b->bm
	};
	int ret = iod_dirty_log_sync(r->log, &s);

	assert_int_equal(s.next_iova, iova + s.done);
	assert_true(ret ? s.done < len || !len : s.done == len);
	if (done)
		*done = s.done;
	return ret;
}

uint64_t logrig_sync_all(struct logrig *r, uint32_t flags, struct iodt_bits *b)
{
	iodt_bits_zero(b);
	iodt_assert_ok(logrig_sync(r, r->base, r->size, flags, b, NULL));
	return iodt_bits_count(b);
}

struct iod_dirty_log_info logrig_info(const struct logrig *r)
{
	struct iod_dirty_log_info info = { .size = sizeof(info) };

	iodt_assert_ok(iod_dirty_log_get_info(r->log, &info));
	return info;
}
