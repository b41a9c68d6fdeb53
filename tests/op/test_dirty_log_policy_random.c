/* SPDX-License-Identifier: MIT */
/*
 * The dirty log's policies under random operations, against a model that looks at the table itself before
 * each sync, and with devices that write through their caches whenever the log calls out.
 *
 * The twin's devices never hear of an invalidation, and must lose a frame.
 */
#include "policyrig.h"

#define OPS    200
#define ROUNDS 20

/* ---- random operations ---- */

struct flat {
	struct logrig *r;
	bool owed[LOGRIG_FRAMES]; /* written since it was last taken */
	bool held[LOGRIG_FRAMES]; /* by the log: marks, rollbacks */
	struct iodt_bits got, want, taken;
	uint32_t resize_flags;
};

/* What a sync must report: dirty pages as the independent walker finds them, and what the log holds. */
static void flat_want(struct flat *f, uint64_t from, uint64_t to)
{
	struct logrig *r = f->r;
	struct iodt_leaves l = { 0 };
	uint64_t i, g = r->granule, at, end;

	iodt_bits_zero(&f->want);
	iodt_leaves(r->t, &l);
	for (i = 0; i < l.nr; i++) {
		at = l.leaf[i].iova - r->iova + r->at;
		end = at + l.leaf[i].size;
		for (; l.leaf[i].d && at < end; at += g)
			if (at >= from && at < to)
				iodt_bits_put(&f->want, at);
	}
	for (at = from; at < to; at += g)
		if (f->held[(at - r->base) / g])
			iodt_bits_put(&f->want, at);
	iodt_leaves_free(&l);
}

static void flat_check(struct flat *f, uint64_t from, uint64_t to)
{
	struct logrig *r = f->r;
	uint64_t at;

	assert_memory_equal(f->got.mem, f->want.mem, f->want.bytes);
	for (at = from; at < to; at += r->granule)
		if (f->owed[(at - r->base) / r->granule])
			assert_true(iodt_bits_get(&f->got, at));
}

static void flat_taken(struct flat *f, uint64_t from, uint64_t to, const struct iodt_bits *by)
{
	struct logrig *r = f->r;
	uint64_t at;

	for (at = from; at < to; at += r->granule) {
		if (by && !iodt_bits_get(by, at))
			continue;
		f->owed[(at - r->base) / r->granule] = false;
		f->held[(at - r->base) / r->granule] = false;
	}
}

static void flat_sync(struct flat *f, uint64_t from, uint64_t to)
{
	static const uint32_t flags[] = { IOD_DIRTY_SYNC_NO_REARM, IOD_DIRTY_SYNC_FINAL, 0,
					  IOD_DIRTY_SYNC_PRUNE };
	uint32_t flag = flags[iodt_below(f->r->t, IODT_ARRAY_SIZE(flags))];

	flat_want(f, from, to);
	iodt_assert_ok(logrig_sync(f->r, from, to - from, flag, &f->got, NULL));
	flat_check(f, from, to);
	if (!(flag & IOD_DIRTY_SYNC_NO_REARM))
		flat_taken(f, from, to, NULL);
}

/* All or part of what was written is cleared; a page only partly named stays, in parts or whole. */
static void flat_clear(struct flat *f, uint64_t from, uint64_t to)
{
	struct logrig *r = f->r;
	uint64_t at;
	bool take = true;

	for (at = from; at < to; at += r->granule) {
		if (!iodt_below(r->t, 100))
			take = iodt_below(r->t, 4);
		if (take)
			iodt_bits_put(&f->taken, at);
	}
	iodt_assert_ok(iod_dirty_log_clear(r->log, from, to - from, &f->taken.bm, NULL));
	flat_taken(f, from, to, &f->taken);
}

static void flat_write(struct flat *f)
{
	struct logrig *r = f->r;
	uint64_t n = 1 + iodt_below(r->t, 6), off;

	while (n--) {
		off = iodt_below(r->t, iodt_below(r->t, 3) ? r->len : r->len / 16) & -r->granule;
		if (iodt_below(r->t, 4)) {
			logrig_dma(r, off);
		} else {
			logrig_cpu(r, off);
			f->held[(r->at + off - r->base) / r->granule] = true;
		}
		f->owed[(r->at + off - r->base) / r->granule] = true;
	}
}

static void flat_resize(struct flat *f)
{
	struct iod_dirty_log_resize rs = { .size = sizeof(rs), .budget = iodt_below(f->r->t, 50) };

	iodt_assert_ok(iod_dirty_log_resize(f->r->log, &rs));
}

static void flat_start(struct flat *f, uint32_t flags)
{
	struct iod_dirty_log_start arg =
		policyrig_arg((enum iod_split_policy)iodt_below(f->r->t, 3), f->resize_flags);

	arg.flags = flags;
	if (arg.policy) {
		arg.merge_after = (uint32_t)iodt_below(f->r->t, 4);
		arg.page_size = f->r->t->page << iodt_below(f->r->t, 6);
		arg.budget = iodt_below(f->r->t, 2) * iodt_below(f->r->t, 100);
	} else {
		arg.resize_flags = 0;
	}
	policyrig_start(f->r, arg);
}

static void flat_restart(struct flat *f)
{
	struct logrig *r = f->r;
	struct iodt_leaves l = { 0 };
	uint64_t i, at;
	bool merge = iodt_below(r->t, 2);

	/* merging takes along what is dirty where something was split; no need to know where */
	flat_want(f, r->base, r->base + r->size);
	iodt_assert_ok(iod_dirty_log_stop(r->log, merge ? IOD_DIRTY_LOG_MERGE : 0));
	flat_start(f, IOD_DIRTY_LOG_RESUME);
	iodt_assert_ok(logrig_sync(r, r->base, r->size, IOD_DIRTY_SYNC_NO_REARM, &f->got, NULL));
	flat_check(f, r->base, r->base + r->size);
	iodt_leaves(r->t, &l);
	for (at = r->base; at < r->base + r->size; at += r->granule)
		f->held[(at - r->base) / r->granule] = iodt_bits_get(&f->got, at);
	for (i = 0; i < l.nr; i++)
		for (at = 0; l.leaf[i].d && at < l.leaf[i].size; at += r->granule)
			f->held[(l.leaf[i].iova - r->iova + r->at - r->base + at) / r->granule] =
				false;
	iodt_leaves_free(&l);
	/* what was marked and is in a dirty page may be held or not: taken now */
	iodt_bits_zero(&f->got);
	iodt_assert_ok(logrig_sync(r, r->base, r->size, 0, &f->got, NULL));
	flat_check(f, r->base, r->base + r->size);
	flat_taken(f, r->base, r->base + r->size, NULL);
}

static void flat_op(struct flat *f)
{
	struct logrig *r = f->r;
	uint64_t units = r->size / r->granule, a = iodt_below(r->t, units), b;

	b = a + 1 + iodt_below(r->t, units - a);
	if (iodt_below(r->t, 3)) {
		a = 0;
		b = units;
	}
	iodt_bits_zero(&f->got);
	iodt_bits_zero(&f->taken);
	a = r->base + a * r->granule;
	b = r->base + b * r->granule;
	switch (iodt_below(r->t, 10)) {
	case 0:
	case 1:
	case 2:
		flat_sync(f, a, b);
		break;
	case 3:
		flat_clear(f, a, b);
		break;
	case 4:
		flat_resize(f);
		break;
	case 5:
		if (!iodt_below(r->t, 3))
			flat_restart(f);
		break;
	default:
		flat_write(f);
	}
}

static void random_with(struct iodt *t, uint32_t resize_flags, uint64_t staging, unsigned int odd)
{
	struct flat *f = calloc(1, sizeof(*f));
	unsigned int i, n = iodt_scale(OPS);
	struct logrig r;

	assert_non_null(f);
	logrig_open(&r, t, LOGRIG_FRAMES - 128, 0, t->page, staging, 5 * t->page, odd * t->page);
	f->r = &r;
	f->resize_flags = resize_flags;
	iodt_bits_init(&f->got, r.base, r.size, t->page);
	iodt_bits_init(&f->want, r.base, r.size, t->page);
	iodt_bits_init(&f->taken, r.base, r.size, t->page);
	flat_start(f, 0);
	for (i = 0; i < n; i++)
		flat_op(f);
	iodt_bits_zero(&f->got);
	flat_sync(f, r.base, r.base + r.size);
	iodt_bits_free(&f->got);
	iodt_bits_free(&f->want);
	iodt_bits_free(&f->taken);
	logrig_close(&r);
	free(f);
	iodt_assert_ok(iod_unmap(t->pt, r.iova, r.len, 0, t->gather, NULL));
	iodt_expect_unmap(t, r.iova, r.len);
	iodt_sync(t);
}

static void random_bearing(struct iodt *t, uint32_t resize_flags)
{
	random_with(t, resize_flags, 8, 0);
	random_with(t, resize_flags, 64, 63);
	random_with(t, resize_flags, 0, 7);
}

static void random_policies(struct iodt *t)
{
	policyrig_each(t, random_bearing);
}

/* ---- devices with caches ---- */

static void write_some(struct logrig *r)
{
	unsigned int i;

	for (i = 0; i < 3; i++)
		logrig_dma(r, iodt_below(r->t, r->len / 32));
	logrig_dma(r, iodt_below(r->t, r->len));
}

static unsigned int migrate(struct logrig *r, struct iod_dirty_log_start arg, unsigned int rounds)
{
	struct iodt_bits b;
	unsigned int i, lost;
	uint64_t at, len;

	iodt_bits_init(&b, r->base, r->size, r->granule);
	policyrig_start(r, arg);
	memcpy(r->copy, r->version, sizeof(r->copy));
	for (i = 0; i < rounds; i++) {
		write_some(r);
		if (i % 4 == 3) { /* quiet rounds, in which regions ripen */
			void (*busy)(struct logrig *) = r->before;

			r->before = r->during = NULL;
			logrig_sync_all(r, 0, &b);
			logrig_copy(r, &b);
			logrig_sync_all(r, 0, &b);
			r->before = r->during = busy;
		}
		logrig_sync_all(r, i % 2 ? 0 : IOD_DIRTY_SYNC_NO_REARM, &b);
		for (at = 0; !(i % 2) && at < r->size; at += len) {
			len = r->size - at < 64 * r->granule ? r->size - at : 64 * r->granule;
			iodt_assert_ok(iod_dirty_log_clear(r->log, r->base + at, len, &b.bm, NULL));
		}
		logrig_copy(r, &b);
	}
	r->before = r->during = NULL;
	logrig_sync_all(r, IOD_DIRTY_SYNC_FINAL, &b);
	logrig_copy(r, &b);
	lost = logrig_stale(r);
	iodt_bits_free(&b);
	return lost;
}

static unsigned int migrate_once(struct iodt *t, enum bear how, struct iod_dirty_log_start arg,
				 bool late, void (*break_it)(struct logrig *), unsigned int rounds)
{
	struct iodt_variant v;
	struct iodt *own = policyrig_open(t, how, &v);
	unsigned int lost;
	struct logrig r;

	if (!own)
		return 0;
	logrig_open(&r, own, LOGRIG_FRAMES - 3, 0, own->page, 8, 0, 3 * own->page);
	r.before = r.during = write_some;
	r.is_late = late;
	if (break_it)
		break_it(&r);
	lost = migrate(&r, arg, rounds);
	r.forgets_sync = false;
	logrig_close(&r);
	assert_int_equal(iodt_close(own), 0);
	return lost;
}

static void nothing_lost(struct iodt *t)
{
	static const enum iod_split_policy how[] = { IOD_SPLIT_EAGER, IOD_SPLIT_ON_DIRTY };
	struct iod_dirty_log_start arg;
	unsigned int i;

	/* a device would fault where hardware breaks before it makes */
	for (i = 0; i < 16; i++) {
		arg = policyrig_arg(how[i % 2], 0);
		arg.merge_after = i / 2 % 2;
		arg.budget = i / 4 % 2 ? 100 : 0;
		assert_int_equal(migrate_once(t, i / 8 ? BEAR_NT : BEAR_ALL, arg, i / 4 % 2, NULL,
					      iodt_scale(ROUNDS)),
				 0);
	}
}

static void no_wait(struct logrig *r)
{
	r->is_late = true;
	r->forgets_sync = true;
}

/* Hardware is never told of what was split and cleaned. */
static void twin_no_invalidation(struct iodt *t)
{
	assert_true(migrate_once(t, BEAR_ALL, policyrig_arg(IOD_SPLIT_EAGER, 0), true, no_wait,
				 ROUNDS / 4) > 0);
	assert_true(migrate_once(t, BEAR_ALL, policyrig_arg(IOD_SPLIT_ON_DIRTY, 0), true, no_wait,
				 ROUNDS / 4) > 0);
}

int main(int argc, char **argv)
{
	static const struct iodt_test tests[] = {
		{ "random_policies", IODT_DIRTY, 0, random_policies },
		{ "nothing_lost", IODT_DIRTY, 0, nothing_lost },
		{ "twin_no_invalidation", IODT_DIRTY | IODT_PLAIN, 0, twin_no_invalidation },
	};

	return iodt_main(argc, argv, tests, IODT_ARRAY_SIZE(tests), NULL, 0);
}
