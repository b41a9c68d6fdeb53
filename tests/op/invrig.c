/* SPDX-License-Identifier: MIT */
/* One operation between hardware that holds everything and hardware that holds nothing; see invrig.h. */
#include "invrig.h"

bool ix_deep(const struct ix *x, uint32_t level)
{
	uint64_t span = level == 1 ? x->s1 : x->s2;

	return x->t->v->walk_levels > level && x->t->v->last - x->t->v->first >= 4 * span - 1;
}

void ix_open(struct ix *x, struct iodt *t)
{
	uint64_t granule = t->v->granule ? t->v->granule : 4096;

	*x = (struct ix){ .t = t, .p = t->page, .s1 = iodt_table_span(t->v) };
	x->s2 = x->s1 * (granule / 8);
	x->base = t->v->first + (ix_deep(x, 2) ? 2 * x->s2 : 2 * x->s1);
}

static bool first_page(const struct ix *x, const struct iod_inv *inv, bool last, uint64_t *end)
{
	bool found = false;
	size_t i;

	for (i = 0; i < x->nr_probes; i++) {
		uint64_t from = x->probe[i] & -x->size[i], to = from + (x->size[i] - 1);

		if (from < inv->iova || to > inv->last)
			continue;
		if (!found || (last ? from > *end : to < *end))
			*end = last ? from : to;
		found = true;
	}
	return found;
}

/* Tells hardware less. False: nothing of this. */
static bool narrowed(const struct ix *x, struct iod_inv *inv)
{
	uint64_t end = 0;

	switch (x->narrow->kind) {
	case NO_LEAF_LEVEL:
		inv->leaf_levels &= ~(1u << x->narrow->level);
		/* a level that nothing is at: 0 would be any */
		inv->leaf_levels |= inv->leaf_levels ? 0 : 1u << 15;
		return true;
	case NO_TABLE_LEVEL:
		inv->table_levels &= ~(1u << x->narrow->level);
		inv->table_levels |= inv->table_levels ? 0 : 1u << 15;
		return true;
	case LEAF_ONLY:
		inv->flags = IOD_INV_LEAF_ONLY;
		return true;
	case NO_FIRST:
		if (!first_page(x, inv, false, &end) || end >= inv->last)
			return false;
		inv->iova = end + 1;
		return true;
	case NO_LAST:
		if (!first_page(x, inv, true, &end) || end <= inv->iova)
			return false;
		inv->last = end - 1;
		return true;
	default:
		return true;
	}
}

static void obey(struct iodt *t, const struct iod_inv *inv, size_t nr)
{
	struct ix *x = t->priv;
	struct iod_inv one;
	size_t i;

	for (i = 0; i < nr; i++) {
		one = inv[i];
		if (!x->narrow || narrowed(x, &one))
			iodt_assert_ok(iod_iotlb_invalidate(x->warm, &one, 1));
	}
}

struct iod_iotlb *ix_iotlb(void)
{
	struct iod_iotlb_cfg cfg = { .size = sizeof(cfg),
				     .entries = 64,
				     .ways = 64,
				     .walk_entries = 256,
				     .flags = IOD_IOTLB_EXACT_LEVELS };
	struct iod_iotlb *tlb = NULL;

	iodt_assert_ok(iod_iotlb_create(&tlb, &cfg));
	return tlb;
}

void ix_obey(struct ix *x)
{
	x->t->log.hook = obey;
	x->t->priv = x;
}

/* Whether hardware that held everything sees the page otherwise than hardware that holds nothing. */
static bool reads_otherwise(struct ix *x, uint64_t iova)
{
	struct iod_access_result warm = { 0 }, cold = { 0 };
	struct iod_iotlb *tlb = ix_iotlb();
	int ret[2];

	ret[0] = iod_iotlb_access(x->warm, x->t->pt, iova, IOD_ACCESS_READ, &warm, NULL);
	ret[1] = iod_iotlb_access(tlb, x->t->pt, iova, IOD_ACCESS_READ, &cold, NULL);
	iodt_assert_ok(iod_iotlb_destroy(tlb));
	return ret[0] != ret[1] || warm.pa != cold.pa || warm.len != cold.len ||
	       warm.prot != cold.prot;
}

/* Whether a write of it is not seen in the tables. */
static bool writes_unseen(struct ix *x, uint64_t iova)
{
	uint64_t entry = iodt_table_entry(x->t->pt, x->t->v, iova);
	uint64_t used = iodt_accessed_bit(x->t->v);

	iodt_assert_ok(iod_iotlb_access(x->warm, x->t->pt, iova, IOD_ACCESS_WRITE, NULL, NULL));
	if (iodt_walk(x->t, iova).d != 1)
		return true;
	return x->t->caps & IODT_PRUNE && entry && !(iodt_read(x->t, entry) & used);
}

static size_t stale(struct ix *x)
{
	size_t i, n = 0;

	for (i = 0; i < x->nr_probes; i++)
		n += x->writes ? writes_unseen(x, x->probe[i]) : reads_otherwise(x, x->probe[i]);
	return n;
}

static void check_log(const struct ix *x, const struct ix_case *c)
{
	const struct iodt_inv_log *log = &x->t->log;
	size_t i;

	if (log->nr != x->nr_want || log->syncs != x->syncs)
		fail_msg("%s: %zu invalidations and %u syncs, not %zu and %u", c->name, log->nr,
			 log->syncs, x->nr_want, x->syncs);
	for (i = 0; i < log->nr; i++) {
		const struct want *w = &x->want[i];
		const struct iod_inv *inv = &log->inv[i];

		if (inv->kind != IOD_INV_RANGE || inv->iova != w->iova || inv->last != w->last ||
		    inv->flags != w->flags || inv->leaf_levels != w->leaf_levels ||
		    inv->table_levels != w->table_levels)
			fail_msg("%s: kind %d %#jx-%#jx flags %x leaves %x tables %x, not "
				 "%#jx-%#jx %x %x %x",
				 c->name, inv->kind, (uintmax_t)inv->iova, (uintmax_t)inv->last,
				 inv->flags, inv->leaf_levels, inv->table_levels,
				 (uintmax_t)w->iova, (uintmax_t)w->last, w->flags, w->leaf_levels,
				 w->table_levels);
		assert_int_equal(inv->domain, DOMAIN);
		assert_int_equal(IODT_BIT(inv->granule_lg2), x->p);
	}
	assert_int_equal(log->unsynced, 0);
}

void ix_clean_up(struct ix *x)
{
	struct iodt *t = x->t;

	x->narrow = NULL;
	while (t->nr_segs)
		iodt_unmap(t, t->seg[0].iova, t->seg[0].last - t->seg[0].iova + 1);
	iodt_sync(t);
	iodt_assert_ok(iod_iotlb_destroy(x->warm));
	t->log.hook = NULL;
}

int ix_run(struct ix *x, const struct ix_case *c, const struct narrow *narrow)
{
	size_t i;
	int n = -1;

	x->nr_probes = x->nr_want = 0;
	x->syncs = 0;
	x->not_held = 0;
	x->writes = false;
	x->warm = ix_iotlb();
	ix_obey(x);
	if (c->setup(x)) {
		for (i = 0; i < x->nr_probes; i++)
			iod_iotlb_access(x->warm, x->t->pt, x->probe[i],
					 x->writes ? IOD_ACCESS_WRITE : IOD_ACCESS_READ, NULL,
					 NULL);
		iodt_log_reset(x->t);
		x->narrow = narrow;
		c->op(x);
		iodt_assert_ok(iod_gather_flush(x->t->gather));
		if (!narrow)
			check_log(x, c);
		n = (int)stale(x);
	}
	ix_clean_up(x);
	return n;
}
