/* SPDX-License-Identifier: MIT */
/*
 * The gather: ranges to invalidate, subtrees to free afterwards.
 *
 * Ranges are kept in the order they come. When there is no room, they are sorted and neighbours are
 * joined two by two, and from then on a range this close behind the last one is joined to it at once,
 * each time twice as close: over-invalidation is allowed, forgetting is not.
 */
#include "pgtable/gather.h"

#include <errno.h>
#include <stdlib.h>

#include "rcu.h"

#define GATHER_DEFAULT_RANGES 256u
#define GATHER_MAX_RANGES     (1u << 20)
#define GATHER_BATCH	      64u /* invalidations handed over at a time */

static int gather_config(struct iod_gather_cfg *cfg, const struct iod_gather_cfg *user,
			 struct iod_inv_ops *ops)
{
	int ret;

	if (user) {
		ret = iod_struct_in(cfg, sizeof(*cfg), user,
				    offsetof(struct iod_gather_cfg, max_pending));
		if (ret)
			return ret;
	}
	if (cfg->reserved || cfg->max_ranges > GATHER_MAX_RANGES || cfg->max_ranges == 1)
		return -EINVAL;
	if (!cfg->ops)
		return 0;
	ret = iod_struct_in(ops, sizeof(*ops), cfg->ops, sizeof(*ops));
	if (ret)
		return ret;
	return ops->invalidate ? 0 : -EINVAL;
}

int iod_gather_create(struct iod_gather **out, struct iod_pgtable *pt,
		      const struct iod_gather_cfg *user)
{
	struct iod_gather_cfg cfg = { 0 };
	struct iod_inv_ops ops = { 0 };
	struct iod_gather *g;
	int ret;

	if (!out || !pt)
		return -EINVAL;
	ret = gather_config(&cfg, user, &ops);
	if (ret)
		return ret;
	g = iod_mem_zalloc(pt->mem, sizeof(*g));
	if (!g)
		return -ENOMEM;
	g->pt = pt;
	g->ops = ops;
	g->cookie = cfg.cookie;
	g->max_ranges = cfg.max_ranges ? cfg.max_ranges : GATHER_DEFAULT_RANGES;
	g->max_pending = cfg.max_pending;
	g->range = iod_mem_zalloc(pt->mem, g->max_ranges * sizeof(*g->range));
	if (!g->range) {
		iod_mem_zfree(pt->mem, g, sizeof(*g));
		return -ENOMEM;
	}
	iod_mem_get(pt->mem);
	word_add(&pt->gathers, 1);
	*out = g;
	return 0;
}

int iod_gather_destroy(struct iod_gather *g)
{
	struct iod_mem *mem;

	if (!g)
		return -EINVAL;
	if (g->nr_ranges || g->nr_subtrees)
		return -EBUSY;
	mem = g->pt->mem;
	word_sub(&g->pt->gathers, 1);
	iod_mem_zfree(mem, g->subtree, g->max_subtrees * sizeof(*g->subtree));
	iod_mem_zfree(mem, g->range, g->max_ranges * sizeof(*g->range));
	iod_mem_zfree(mem, g, sizeof(*g));
	iod_mem_put(mem);
	return 0;
}

/* ---- ranges ---- */

static int range_order(const void *a, const void *b)
{
	const struct gather_range *x = a, *y = b;

	return x->first < y->first ? -1 : x->first > y->first;
}

static void range_join(struct gather_range *to, const struct gather_range *from)
{
	if (from->first < to->first)
		to->first = from->first;
	if (from->last > to->last)
		to->last = from->last;
	to->leaf_levels |= from->leaf_levels;
	to->table_levels |= from->table_levels;
}

static bool gather_in_order(const struct iod_gather *g)
{
	uint32_t i;

	for (i = 1; i < g->nr_ranges; i++)
		if (g->range[i].first < g->range[i - 1].first)
			return false;
	return true;
}

/* Half as many ranges, each covering two neighbours. */
static void gather_compact(struct iod_gather *g)
{
	uint32_t i, n = 0;

	if (!gather_in_order(g)) /* sweeps go upwards */
		qsort(g->range, g->nr_ranges, sizeof(*g->range), range_order);
	for (i = 0; i < g->nr_ranges; i += 2, n++) {
		g->range[n] = g->range[i];
		if (i + 1 < g->nr_ranges)
			range_join(&g->range[n], &g->range[i + 1]);
	}
	g->nr_ranges = n;
	g->slack = g->slack ? g->slack << 1 : BIT64(g->pt->granule_lg2);
	if (!g->slack)
		g->slack = UINT64_MAX >> 1;
}

void iod_gather_add_slow(struct iod_gather *g, uint64_t first, uint64_t last, uint32_t leaf_levels,
			 uint32_t table_levels)
{
	struct gather_range r = { first, last, leaf_levels, table_levels };
	struct gather_range *prev = g->nr_ranges ? &g->range[g->nr_ranges - 1] : NULL;

	/* Touching, or close enough by now. Leaves and table entries stay apart while there is room. */
	if (prev && last >= prev->first && !prev->table_levels == !table_levels &&
	    (first <= prev->last || first - prev->last - 1 <= g->slack)) {
		range_join(prev, &r);
		return;
	}
	if (g->nr_ranges == g->max_ranges)
		gather_compact(g);
	g->range[g->nr_ranges++] = r;
}

/* ---- subtrees ---- */

int iod_gather_reserve(struct iod_gather *g, uint64_t n)
{
	uint64_t max = g->max_subtrees ? g->max_subtrees : 64, i;
	struct gather_subtree *bigger;

	if (n <= g->max_subtrees - g->nr_subtrees)
		return 0;
	while (n > max - g->nr_subtrees || max == g->max_subtrees)
		max *= 2;
	bigger = iod_mem_zalloc(g->pt->mem, max * sizeof(*bigger));
	if (!bigger)
		return -ENOMEM;
	for (i = 0; i < g->nr_subtrees; i++)
		bigger[i] = g->subtree[i];
	iod_mem_zfree(g->pt->mem, g->subtree, g->max_subtrees * sizeof(*g->subtree));
	g->subtree = bigger;
	g->max_subtrees = max;
	return 0;
}

void iod_gather_subtree(struct iod_gather *g, const struct gather_subtree *s)
{
	g->subtree[g->nr_subtrees++] = *s;
	g->harvests += s->harvest != HARVEST_NONE;
	g->pending += s->tables;
	iod_mem_pending(g->pt->mem, (int64_t)s->tables);
}

void iod_gather_resized(struct iod_gather *g)
{
	if (g->resized)
		return;
	g->resized = true;
	word_add(&g->pt->resizes, 1);
}

static void gather_sizes_settled(struct iod_gather *g)
{
	if (g->resized)
		word_sub(&g->pt->resizes, 1);
	g->resized = false;
}

static uint64_t gather_pending_bytes(const struct iod_gather *g)
{
	return g->pending << g->pt->granule_lg2;
}

void iod_gather_bound(struct iod_gather *g)
{
	if (g->max_pending && gather_pending_bytes(g) > g->max_pending && !rcu_inside())
		iod_gather_sync(g); /* an error comes again with the next */
}

bool iod_gather_has_tables(const struct iod_gather *g, uint64_t first, uint64_t last)
{
	uint32_t i;

	for (i = 0; i < g->nr_ranges; i++)
		if (g->range[i].table_levels && g->range[i].first <= last &&
		    g->range[i].last >= first)
			return true;
	return false;
}

/* ---- sync ---- */

/* Somebody else changed page sizes: leaves of every level may be held. */
static bool gather_levels_unknown(const struct iod_gather *g)
{
	return word_load(&g->pt->resizes) > g->resized;
}

/* Which of leaves and table entries changed. */
static uint32_t gather_flags(const struct iod_gather *g, const struct gather_range *r)
{
	if (!r->table_levels)
		return IOD_INV_LEAF_ONLY;
	return r->leaf_levels || gather_levels_unknown(g) ? 0 : IOD_INV_NO_LEAVES;
}

/* Each end on its own: a range joined over the canonical hole covers the hole as well. */
static struct iod_inv gather_inv(const struct iod_gather *g, const struct gather_range *r)
{
	return (struct iod_inv){
		.kind = IOD_INV_RANGE,
		.flags = gather_flags(g, r),
		.domain = g->pt->domain,
		.iova = r->first + iod_pt_offset(g->pt, r->first),
		.last = r->last + iod_pt_offset(g->pt, r->last),
		.leaf_levels = r->leaf_levels && gather_levels_unknown(g) ? low_mask(PT_MAX_LEVELS)
									  : r->leaf_levels,
		.table_levels = r->table_levels,
		.granule_lg2 = g->pt->granule_lg2,
	};
}

static int gather_issue(struct iod_gather *g, const struct iod_inv *inv, uint32_t n)
{
	int ret;

	if (!g->ops.invalidate)
		return 0;
	/* Hardware must not read the old items again once it has been told. */
	full_fence();
	ret = g->ops.invalidate(g->cookie, inv, n);
	g->invalidations += ret ? 0 : n;
	return ret;
}

/* Waits for what was issued, if that went well; then everything that was gathered is done with. */
static int gather_wait(struct iod_gather *g, int ret)
{
	if (!ret && g->ops.sync) {
		ret = g->ops.sync(g->cookie);
		g->syncs += ret ? 0 : 1;
	}
	/* What hardware wrote until now is seen by what is read from now on. */
	full_fence();
	if (ret)
		return ret;
	g->nr_ranges = 0;
	g->slack = 0;
	gather_sizes_settled(g);
	if (g->harvests)
		iod_gather_harvest(g);
	return 0;
}

int iod_gather_flush(struct iod_gather *g)
{
	struct iod_inv inv[GATHER_BATCH];
	uint32_t done = 0, n;
	int ret = 0;

	if (!g)
		return -EINVAL;
	if (!g->nr_ranges)
		return 0;
	while (!ret && done < g->nr_ranges) {
		for (n = 0; n < GATHER_BATCH && done + n < g->nr_ranges; n++)
			inv[n] = gather_inv(g, &g->range[done + n]);
		ret = gather_issue(g, inv, n);
		done += n;
	}
	return gather_wait(g, ret);
}

int iod_gather_flush_domain(struct iod_gather *g)
{
	struct iod_inv inv = {
		.kind = IOD_INV_DOMAIN,
		.domain = g->pt->domain,
		.granule_lg2 = g->pt->granule_lg2,
	};

	return gather_wait(g, gather_issue(g, &inv, 1));
}

int iod_gather_sync(struct iod_gather *g)
{
	int ret;

	if (!g || rcu_inside())
		return -EINVAL;
	ret = iod_gather_flush(g);
	if (ret || !g->nr_subtrees)
		return ret;
	iod_rcu_wait();
	while (g->nr_subtrees) {
		const struct gather_subtree *s = &g->subtree[--g->nr_subtrees];

		g->pt->engine->free_subtree(g->pt, s->pa, s->level, PT_MAX_LEVELS);
		g->pending -= s->tables;
		iod_mem_pending(g->pt->mem, -(int64_t)s->tables);
	}
	return 0;
}

int iod_gather_merge(struct iod_gather *to, struct iod_gather *from)
{
	uint64_t i;
	int ret;

	if (!to || !from || to == from || to->pt != from->pt)
		return -EINVAL;
	ret = iod_gather_reserve(to, from->nr_subtrees);
	if (ret)
		return ret;
	for (i = 0; i < from->nr_ranges; i++)
		iod_gather_add(to, from->range[i].first, from->range[i].last,
			       from->range[i].leaf_levels, from->range[i].table_levels);
	for (i = 0; i < from->nr_subtrees; i++)
		to->subtree[to->nr_subtrees++] = from->subtree[i];
	to->harvests += from->harvests;
	to->pending += from->pending;
	if (from->resized && to->resized)
		word_sub(&to->pt->resizes, 1);
	to->resized |= from->resized;
	from->nr_ranges = 0;
	from->slack = 0;
	from->nr_subtrees = 0;
	from->harvests = 0;
	from->pending = 0;
	from->resized = false;
	return 0;
}

int iod_gather_get_info(const struct iod_gather *g, struct iod_gather_info *user)
{
	struct iod_gather_info info = { .first = UINT64_MAX };
	uint32_t i;

	if (!g || !user)
		return -EINVAL;
	for (i = 0; i < g->nr_ranges; i++) {
		struct iod_inv inv = gather_inv(g, &g->range[i]);

		info.first = inv.iova < info.first ? inv.iova : info.first;
		info.last = inv.last > info.last ? inv.last : info.last;
		info.leaf_levels |= inv.leaf_levels;
		info.table_levels |= inv.table_levels;
	}
	if (!g->nr_ranges)
		info.first = 0;
	info.ranges = g->nr_ranges;
	info.subtrees = g->nr_subtrees;
	info.invalidations = g->invalidations;
	info.syncs = g->syncs;
	info.pending = gather_pending_bytes(g);
	return iod_struct_out(user, &info, sizeof(info), offsetof(struct iod_gather_info, pending));
}
