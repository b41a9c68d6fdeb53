/* SPDX-License-Identifier: MIT */
/* See steps.h. */
#include "steps.h"

bool step_region(struct iodt *t, struct step_region *r)
{
	uint64_t granule = t->v->granule ? t->v->granule : 4096;

	r->page = t->page;
	r->s1 = iodt_table_span(t->v);
	r->s2 = r->s1 * (granule / 8);
	r->deep = t->v->walk_levels > 2 && t->v->last - t->v->first >= 4 * r->s2 - 1;
	if (t->v->last - t->v->first < 8 * r->s1 - 1)
		return false;
	r->base = t->v->first + (r->deep ? 2 * r->s2 : 4 * r->s1);
	r->len = 4 * r->s1;
	return true;
}

static void map_something(struct iodt *t, const struct step_region *r)
{
	uint64_t size, iova;

	do
		size = IODT_BIT(iodt_below(t, 40));
	while (!(t->v->sizes & size) || size > r->len / 2);
	iova = r->base + iodt_below(t, r->len / size) * size;
	if (!iodt_expected_any(t, iova, size))
		iodt_map(t, iova, iodt_pa(t->v, size, iodt_below(t, 16)), size, IODT_RW);
}

void step_unmap(struct iodt *t, uint64_t iova, uint64_t len)
{
	int ret = iod_unmap(t->pt, iova, len, 0, t->gather, NULL);

	if (ret == -EINVAL)
		return;
	assert_int_equal(ret, iodt_expected_any(t, iova, len) ? 0 : -ENOENT);
	iodt_expect_unmap(t, iova, len);
}

/* What is mapped in whole tables, or one thing that is mapped. */
static void unmap_something(struct iodt *t, const struct step_region *r)
{
	uint64_t n = iodt_below(t, 8), i;

	if (n < 2) {
		step_unmap(t, r->base + n * (r->len / 2), r->len / 2);
	} else if (n == 2) {
		step_unmap(t, r->base, r->len);
	} else if (t->nr_segs) {
		i = iodt_below(t, t->nr_segs);
		step_unmap(t, t->seg[i].iova, t->seg[i].last - t->seg[i].iova + 1);
	}
}

static void sweep_something(struct iodt *t, const struct step_region *r)
{
	struct iodt_bits b;
	struct iod_sweep s;

	iodt_bits_init(&b, r->base, r->len, t->page);
	s = iodt_sweep_arg(t, IOD_SWEEP_CLEAR, r->base, r->len, &b);
	iodt_assert_ok(iod_sweep(t->pt, &s));
	iodt_bits_free(&b);
}

static void resize_something(struct iodt *t, const struct step_region *r)
{
	struct iod_resize z = {
		.size = sizeof(z), .iova = r->base, .len = r->len, .gather = t->gather
	};

	if (!(t->caps & IODT_HITLESS))
		z.flags = IOD_RESIZE_ALLOW_FAULTS;

	if (iodt_below(t, 2))
		iodt_assert_ok(iod_split_range(t->pt, &z));
	else
		iodt_assert_ok(iod_merge_range(t->pt, &z));
}

void step_change(struct iodt *t, const struct step_region *r)
{
	switch (iodt_below(t, 6)) {
	case 0:
		unmap_something(t, r);
		break;
	case 1:
		if (t->caps & IODT_DIRTY)
			sweep_something(t, r);
		break;
	case 2:
		resize_something(t, r);
		break;
	default:
		map_something(t, r);
		break;
	}
	if (iodt_below(t, 2))
		iodt_sync(t);
	else
		iodt_assert_ok(iod_gather_flush(t->gather));
}

uint64_t step_address(struct iodt *t, const struct step_region *r)
{
	return r->base + iodt_below(t, r->len / t->page) * t->page;
}
