/* SPDX-License-Identifier: MIT */
/* iod_unmap_dirty_batch(): many ranges, checked before the first is unmapped, one sync for all. */
#include "unmaprig.h"

#define RANGES 1500

/* A request of a newer header. */
struct newer {
	struct iod_unmap_dirty u;
	uint64_t tomorrow[3];
};

static void **order(struct iodt *t, void **slot, size_t nr)
{
	size_t i, k;
	void *tmp;

	for (i = nr; i > 1; i--) {
		k = iodt_below(t, i);
		tmp = slot[i - 1];
		slot[i - 1] = slot[k];
		slot[k] = tmp;
	}
	return slot;
}

/*
 * RANGES ranges of one or two pages with gaps, every third page dirty, every tenth range a hole. In order of
 * address, or not; @stride is the size of a request.
 */
static void many(struct iodt *t, bool shuffle, size_t stride)
{
	uint64_t base = t->v->first, p = t->page, len = 4 * RANGES * p, unmapped = 0;
	unsigned char *mem = calloc(RANGES, stride);
	void *slot[RANGES];
	struct iod_unmap_dirty *u;
	struct iod_gather_info info;
	struct iodt_bits b, want;
	size_t i, done = 0;

	if (unm_room(t, len) < len) {
		free(mem);
		return;
	}
	assert_non_null(mem);
	iodt_bits_init(&b, base, len, p);
	iodt_bits_init(&want, base, len, p);
	for (i = 0; i < RANGES; i++)
		slot[i] = mem + i * stride;
	if (shuffle)
		order(t, slot, RANGES);
	for (i = 0; i < RANGES; i++) {
		uint64_t at = base + 4 * i * p, n = 1 + i % 2;

		u = slot[i];
		*u = unm_arg(t, at, n * p, 0, &b);
		u->size = stride;
		if (i % 10 == 9)
			continue;
		iodt_map(t, at, (8 * i + 1) * p, n * p, IODT_RW);
		unmapped += n * p;
		if (i % 3 == 0) {
			unm_mark(t, at, 0);
			iodt_bits_put(&want, at);
		}
	}
	info = iodt_gather_info(t->gather);
	iodt_assert_ok(iod_unmap_dirty_batch(t->pt, (void *)mem, RANGES, &done));
	assert_int_equal(done, RANGES);
	assert_int_equal(iodt_gather_info(t->gather).syncs, info.syncs);
	iodt_sync(t);
	assert_int_equal(iodt_gather_info(t->gather).syncs, info.syncs + 1);
	assert_memory_equal(b.mem, want.mem, b.bytes);
	for (i = 0; i < RANGES; i++) {
		u = (void *)(mem + i * stride);
		unmapped -= u->unmapped;
	}
	assert_int_equal(unmapped, 0);
	iodt_expect_unmap(t, base, len);
	iodt_verify(t);
	iodt_bits_free(&want);
	iodt_bits_free(&b);
	free(mem);
}

/* R83: more than a thousand, one sync. */
static void many_in_order(struct iodt *t)
{
	many(t, false, sizeof(struct iod_unmap_dirty));
}

static void many_in_any_order(struct iodt *t)
{
	many(t, true, sizeof(struct iod_unmap_dirty));
}

/* A newer struct is the distance from one to the next. */
static void larger_stride(struct iodt *t)
{
	many(t, true, sizeof(struct newer));
}

/* Ranges of different kinds: small, by table, whole; each with a bitmap of its own. R78, R84. */
static void ranges_of_all_kinds(struct iodt *t)
{
	uint64_t base = t->v->first, span = iodt_table_span(t->v), p = t->page, at;
	struct iodt_bits b[4], want[4];
	struct iod_unmap_dirty u[4];
	uint64_t lens[] = { 5 * p, span, span / 2, 2 * span };
	size_t i, k, done = 9;

	if (unm_room(t, 8 * span) < 8 * span)
		return;
	for (i = 0; i < 4; i++) {
		at = base + (i == 0 ? 0 : i == 1 ? span : i == 2 ? 2 * span + span / 4 : 4 * span);
		/* ragged: the first and the last pages are holes */
		unm_map_small(t, at + p, lens[i] - 2 * p);
		iodt_bits_init(&b[i], at, lens[i], p);
		iodt_bits_init(&want[i], at, lens[i], p);
		for (k = 1; k < lens[i] / p - 1; k += 1 + iodt_below(t, 9)) {
			unm_mark(t, at + k * p, 0);
			iodt_bits_put(&want[i], at + k * p);
		}
		u[i] = unm_arg(t, at, lens[i], 0, &b[i]);
	}
	iodt_assert_ok(iod_unmap_dirty_batch(t->pt, u, 4, &done));
	assert_int_equal(done, 4);
	iodt_sync(t);
	for (i = 0; i < 4; i++) {
		assert_int_equal(u[i].unmapped, lens[i] - 2 * p);
		assert_memory_equal(b[i].mem, want[i].mem, b[i].bytes);
		iodt_expect_unmap(t, u[i].iova, u[i].len);
		iodt_bits_free(&b[i]);
		iodt_bits_free(&want[i]);
	}
	iodt_verify(t);
}

/* ---- refusals ---- */

struct four {
	struct iod_unmap_dirty u[4];
	struct iodt_bits b;
};

static void four_init(struct four *f, struct iodt *t)
{
	uint64_t base = t->v->first, p = t->page, i;

	iodt_bits_init(&f->b, base, 16 * p, p);
	for (i = 0; i < 4; i++) {
		iodt_map(t, base + 4 * i * p, (8 * i + 1) * p, 2 * p, IODT_RW | IOD_PROT_DIRTY);
		f->u[i] = unm_arg(t, base + 4 * i * p, 2 * p, 0, &f->b);
	}
}

static void four_free(struct four *f, struct iodt *t)
{
	unm_check(t, t->v->first, 16 * t->page, 0, &f->b);
	iodt_bits_free(&f->b);
}

static void refused(struct iodt *t, struct four *f, size_t nr, int err)
{
	struct iod_gather_info before = iodt_gather_info(t->gather), after;
	uint32_t flags[4];
	struct iodt_snapshot s;
	size_t done = 9, i;

	for (i = 0; i < 4; i++)
		flags[i] = f->u[i].flags;
	iodt_snapshot(t, &s);
	assert_int_equal(iod_unmap_dirty_batch(t->pt, f->u, nr, &done), err);
	assert_int_equal(done, 0);
	assert_int_equal(iod_unmap_dirty_batch(t->pt, f->u, nr, NULL), err);
	after = iodt_gather_info(t->gather);
	assert_memory_equal(&after, &before, sizeof(after));
	assert_int_equal(iodt_bits_count(&f->b), 0);
	iodt_unchanged(t, &s);
	for (i = 0; i < 4; i++)
		assert_int_equal(f->u[i].flags, flags[i]);
}

/* R81, R86, R89: whatever is wrong with any of them, wherever it stands, nothing is unmapped. */
static void all_or_nothing(struct iodt *t)
{
	uint64_t p = t->page, base = t->v->first, last = t->v->last;
	struct four good, f;
	size_t i;

	if (unm_room(t, 20 * p) < 20 * p)
		return;
	four_init(&good, t);
#define BAD(change, err)                \
	do {                            \
		f = good;               \
		f.u[i].change;          \
		refused(t, &f, 4, err); \
	} while (0)
	for (i = 0; i < 4; i++) {
		BAD(len = 3 * p; f.u[i].flags = IOD_UNMAP_NO_HOLES, -ENOENT);
		BAD(len = 0, -EINVAL);
		BAD(iova += p / 2, -EINVAL);
		BAD(iova = base + 17 * p, -ERANGE); /* outside the bitmap */
		BAD(flags = 1u << 30, -EINVAL);
		BAD(gather = NULL, -EINVAL);
		BAD(bitmap = NULL, -EINVAL);
		if (last != UINT64_MAX)
			BAD(iova = last + 1, -ERANGE);
		if (i)
			BAD(size += 8, -EINVAL);
	}
	f = good;
	for (i = 0; i < 4; i++)
		f.u[i].size = 24;
	refused(t, &f, 4, -EINVAL);
	refused(t, &good, 0, -EINVAL);
	assert_int_equal(iod_unmap_dirty_batch(NULL, good.u, 4, NULL), -EINVAL);
	assert_int_equal(iod_unmap_dirty_batch(t->pt, NULL, 4, NULL), -EINVAL);
	four_free(&good, t);
}

/* R86: by a page, wholly, the same twice; neighbours are none. */
static void intersecting(struct iodt *t)
{
	uint64_t p = t->page, base = t->v->first;
	struct four good, f;
	size_t i, k, done = 0;

	if (unm_room(t, 20 * p) < 20 * p)
		return;
	four_init(&good, t);
	for (i = 0; i < 4; i++) {
		for (k = 0; k < 4; k++) {
			if (i == k)
				continue;
			f = good;
			f.u[i].iova = f.u[k].iova;
			refused(t, &f, 4, -EINVAL);
			f = good;
			f.u[i].iova = f.u[k].iova + p;
			f.u[i].len = 2 * p;
			refused(t, &f, 4, -EINVAL);
		}
	}
	f = good;
	f.u[2].iova = base;
	f.u[2].len = 16 * p;
	refused(t, &f, 4, -EINVAL);
	/* side by side, backwards */
	f = good;
	for (i = 0; i < 4; i++) {
		f.u[i].iova = base + (3 - i) * 4 * p;
		f.u[i].len = 4 * p;
	}
	iodt_assert_ok(iod_unmap_dirty_batch(t->pt, f.u, 4, &done));
	assert_int_equal(done, 4);
	iodt_sync(t);
	assert_int_equal(iodt_bits_count(&good.b), 8);
	iodt_expect_unmap(t, base, 16 * p);
	iodt_verify(t);
	iodt_bits_zero(&good.b);
	four_free(&good, t);
}

/* The topmost range of the space and others: no sum overflows. */
static void at_the_top(struct iodt *t)
{
	uint64_t p = t->page, top = 0 - 4 * p;
	struct iod_unmap_dirty u[2];
	struct iodt_bits b;
	size_t done = 0;

	iodt_map(t, top, 16 * p, 4 * p, IODT_RW | IOD_PROT_DIRTY);
	iodt_bits_init(&b, top, 4 * p, p);
	u[0] = unm_arg(t, top + 2 * p, 2 * p, IOD_UNMAP_SPLIT | IOD_UNMAP_ALLOW_FAULTS, &b);
	u[1] = unm_arg(t, top, 3 * p, IOD_UNMAP_SPLIT | IOD_UNMAP_ALLOW_FAULTS, &b);
	assert_int_equal(iod_unmap_dirty_batch(t->pt, u, 2, &done), -EINVAL);
	u[1].len = 2 * p;
	iodt_assert_ok(iod_unmap_dirty_batch(t->pt, u, 2, &done));
	iodt_sync(t);
	assert_int_equal(iodt_bits_count(&b), 4);
	iodt_expect_unmap(t, top, 4 * p);
	iodt_verify(t);
	iodt_bits_free(&b);
}

/* Neighbours that share a page which both cut: the first splits it, then the second can be checked again. */
static void share_a_page(struct iodt *t)
{
	uint64_t p = t->page, size = 0, base = t->v->first;
	struct iod_unmap_dirty u[2];
	struct iodt_bits b;
	unsigned int s;
	size_t done = 0;

	for (s = 13; s < 64 && !size; s++)
		if (t->v->sizes & IODT_BIT(s) && IODT_BIT(s) > p)
			size = IODT_BIT(s);
	if (!size)
		return;
	iodt_map(t, base, 0, size, IODT_RW | IOD_PROT_DIRTY);
	iodt_bits_init(&b, base, size, p);
	u[0] = unm_arg(t, base, size / 2, IOD_UNMAP_SPLIT | IOD_UNMAP_ALLOW_FAULTS, &b);
	u[1] = unm_arg(t, base + size / 2, size / 2, IOD_UNMAP_SPLIT | IOD_UNMAP_ALLOW_FAULTS, &b);
	iodt_assert_ok(iod_unmap_dirty_batch(t->pt, u, 2, &done));
	iodt_sync(t);
	assert_int_equal(iodt_bits_count(&b), size / p);
	assert_int_equal(u[0].unmapped + u[1].unmapped, size);
	iodt_expect_unmap(t, base, size);
	iodt_verify(t);
	iodt_bits_free(&b);
}

/* The list of ranges cannot be allocated: nothing is unmapped. */
static void no_memory_for_the_check(struct iodt *t)
{
	uint64_t n;
	struct four f;
	size_t done;
	int ret = -ENOMEM;

	if (unm_room(t, 20 * t->page) < 20 * t->page)
		return;
	four_init(&f, t);
	for (n = 1; ret; n++) {
		struct iodt_snapshot s;

		iodt_snapshot(t, &s);
		t->alloc.fail_at = t->alloc.calls + n;
		ret = iod_unmap_dirty_batch(t->pt, f.u, 4, &done);
		t->alloc.fail_at = 0;
		if (!ret) {
			iodt_snapshot_free(&s);
			break;
		}
		assert_int_equal(ret, -ENOMEM);
		assert_int_equal(done, 0);
		iodt_unchanged(t, &s);
	}
	assert_true(n > 1);
	iodt_sync(t);
	assert_int_equal(iodt_bits_count(&f.b), 8);
	iodt_expect_unmap(t, t->v->first, 16 * t->page);
	four_free(&f, t);
}

static const struct iodt_test tests[] = {
	{ "many_in_order", IODT_DIRTY, 0, many_in_order },
	{ "many_in_any_order", IODT_DIRTY, 0, many_in_any_order },
	{ "larger_stride", IODT_DIRTY, 0, larger_stride },
	{ "ranges_of_all_kinds", IODT_DIRTY | IODT_TABLES, 0, ranges_of_all_kinds },
	{ "all_or_nothing", IODT_DIRTY, 0, all_or_nothing },
	{ "intersecting", IODT_DIRTY, 0, intersecting },
	{ "at_the_top", IODT_DIRTY | IODT_TOP64, 0, at_the_top },
	{ "share_a_page", IODT_DIRTY, 0, share_a_page },
	{ "no_memory_for_the_check", IODT_DIRTY | IODT_PLAIN, 0, no_memory_for_the_check },
};

int main(int argc, char **argv)
{
	return iodt_main(argc, argv, tests, IODT_ARRAY_SIZE(tests), NULL, 0);
}
