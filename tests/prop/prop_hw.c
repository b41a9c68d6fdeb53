/* SPDX-License-Identifier: MIT */
/* Hardware: agents with caches of their own, a walker without, and the way of an invalidation. */
#include "prop.h"

/* ---- invalidations ---- */

static bool is_atc(unsigned int agent)
{
	return agent >= 2;
}

static void deliver(struct prop *p, const struct iod_inv *inv, size_t nr)
{
	enum prop_twin twin = p->cfg.twin;
	unsigned int i;

	if (twin == PROP_NO_INV)
		return;
	for (i = 0; i < PROP_AGENTS; i++) {
		if (twin == PROP_NO_ATC && is_atc(i))
			continue;
		if (iod_iotlb_invalidate(p->agent[i], inv, nr))
			prop_fail(p, "agent %u refuses an invalidation", i);
	}
}

/* One as it reaches hardware. Those of table entries, in a pruned sweep, are the second step. */
static void deliver_one(struct prop *p, const struct iod_inv *inv)
{
	bool step2 = p->pruning && inv->table_levels;
	bool merge = p->cfg.twin == PROP_MERGE_LEAF_ONLY && p->merging && inv->table_levels;
	struct iod_inv leaf_only = *inv;
	unsigned int i;

	if (step2 && p->cfg.twin == PROP_NO_STEP2)
		return;
	if ((step2 && p->cfg.twin == PROP_LEAF_ONLY) || merge) {
		leaf_only.flags |= IOD_INV_LEAF_ONLY;
		leaf_only.table_levels = 0;
		inv = &leaf_only;
	}
	if (!step2 || p->cfg.twin != PROP_PRUNE_NO_ATC) {
		deliver(p, inv, 1);
		return;
	}
	for (i = 0; i < PROP_AGENTS; i++)
		if (!is_atc(i) && iod_iotlb_invalidate(p->agent[i], inv, 1))
			prop_fail(p, "agent %u refuses an invalidation", i);
}

static void deliver_queue(struct prop *p)
{
	size_t i;

	for (i = 0; i < p->nr_inv; i++)
		deliver_one(p, &p->inv[i]);
	p->nr_inv = 0;
}

/* Queued: hardware obeys when the sync waits for it, and works on until then. */
static int queue_inv(void *cookie, const struct iod_inv *inv, size_t nr)
{
	struct prop *p = cookie;
	size_t i;

	prop_burst(p);
	for (i = 0; i < nr && p->nr_inv < p->cap_inv; i++)
		p->inv[p->nr_inv++] = inv[i];
	if (i < nr) {
		deliver_queue(p);
		return queue_inv(cookie, inv + i, nr - i);
	}
	return 0;
}

static int wait_inv(void *cookie)
{
	struct prop *p = cookie;
	int ret = p->fail_next;

	p->fail_next = 0;
	if (ret)
		return ret;
	prop_burst(p);
	deliver_queue(p);
	prop_burst(p);
	return 0;
}

/* At once, and complete on return. */
static int obey_inv(void *cookie, const struct iod_inv *inv, size_t nr)
{
	struct prop *p = cookie;
	int ret = p->fail_next;
	size_t i;

	p->fail_next = 0;
	if (ret)
		return ret;
	prop_burst(p);
	for (i = 0; i < nr; i++)
		deliver_one(p, &inv[i]);
	prop_burst(p);
	return 0;
}

void prop_invalidate(struct prop *p, uint64_t iova, uint64_t last)
{
	struct iod_inv inv = {
		.kind = IOD_INV_RANGE, .domain = 0x1234, .iova = iova, .last = last
	};

	deliver(p, &inv, 1);
}

/* ---- objects ---- */

struct iod_gather *prop_hw_gather(struct prop *p)
{
	static const uint32_t ranges[] = { 2, 3, 8, 0 };
	static const uint64_t pending[] = { 0, 0, 1, 20000, 300000 };
	struct iod_inv_ops ops = {
		.size = sizeof(ops),
		.invalidate = p->queued ? queue_inv : obey_inv,
		.sync = p->queued ? wait_inv : NULL,
	};
	struct iod_gather_cfg cfg = { .size = sizeof(cfg), .ops = &ops, .cookie = p };
	struct iod_gather *gather = NULL;

	cfg.max_ranges = ranges[prop_below(p, IODT_ARRAY_SIZE(ranges))];
	if (!p->cfg.twin)
		cfg.max_pending = pending[prop_below(p, IODT_ARRAY_SIZE(pending))];
	if (iod_gather_create(&gather, p->pt, &cfg))
		prop_fail(p, "no gather");
	return gather;
}

bool prop_hw_open(struct prop *p)
{
	static const uint32_t flags[PROP_AGENTS] = {
		0,
		IOD_IOTLB_LATE_DIRTY | IOD_IOTLB_SPECULATE,
		IOD_IOTLB_ATC,
		IOD_IOTLB_ATC | IOD_IOTLB_SPECULATE | IOD_IOTLB_NO_TABLE_ACCESS,
	};
	static const uint32_t entries[PROP_AGENTS] = { 16, 64, 256, 32 };
	unsigned int i;

	p->queued = prop_chance(p, 60);
	p->gather = prop_hw_gather(p);
	p->cap_inv = 64;
	p->inv = calloc(p->cap_inv, sizeof(*p->inv));
	for (i = 0; i < PROP_AGENTS; i++) {
		struct iod_iotlb_cfg cfg = {
			.size = sizeof(cfg),
			.entries = entries[i],
			.ways = 2u << (i & 1),
			.walk_entries = 4u << i,
			.flags = flags[i],
			.seed = p->cfg.seed + i,
		};

		if (p->cfg.twin == PROP_NO_AGENT && i == 0)
			cfg.flags |= IOD_IOTLB_NEVER_TABLE_ACCESS;

		if (iod_iotlb_create(&p->agent[i], &cfg))
			return false;
	}
	iodt_model(p->t, &p->table);
	p->mem = iodt_mdl_mem(p->t);
	return p->inv && p->gather;
}

void prop_hw_close(struct prop *p)
{
	unsigned int i;

	p->quiet = true;
	p->fail_next = 0;
	if (p->gather && (iod_gather_sync(p->gather) || iod_gather_destroy(p->gather)))
		prop_fail(p, "the gather cannot be destroyed");
	for (i = 0; i < PROP_AGENTS; i++)
		if (p->agent[i])
			iod_iotlb_destroy(p->agent[i]);
	free(p->inv);
}

/* ---- one access ---- */

#define MAX_PIECES 16

struct piece {
	uint64_t iova, pa, len;
};

struct dma {
	struct prop *p;
	uint64_t iova, len;
	uint32_t access;
	struct piece piece[MAX_PIECES];
	unsigned int nr;
};

static bool permits(const struct prop *p, uint32_t prot, uint32_t access)
{
	uint32_t granted = prop_granted(p, prot);

	if (access & IOD_ACCESS_READ && !(granted & IOD_PROT_READ))
		return false;
	if (access & IOD_ACCESS_WRITE && !(granted & IOD_PROT_WRITE))
		return false;
	return !(access & IOD_ACCESS_EXEC && prot & IOD_PROT_NOEXEC);
}

static bool served_by(const struct prop *p, uint64_t iova, uint64_t last, uint64_t pa,
		      uint32_t prot, const struct piece *piece, uint32_t access)
{
	return piece->iova >= iova && piece->iova + (piece->len - 1) <= last &&
	       pa + (piece->iova - iova) == piece->pa && permits(p, prot, access);
}

/* What was unmapped may be used until the invalidation; everything else is what the model says. */
static bool served_stale(const struct prop *p, const struct piece *piece, uint32_t access)
{
	const struct prop_extent *e;
	size_t i;

	for (i = 0; i < p->stale.nr; i++) {
		e = &p->stale.ext[i];
		if (served_by(p, e->iova, e->last, e->pa, e->prot, piece, access))
			return true;
	}
	return false;
}

/* Inside a call that maps, unmaps, or breaks before it makes: it may have come so far, or not. */
static bool unsure(const struct prop *p, uint64_t iova)
{
	return p->unsure && iova >= p->window.iova && iova <= p->window.last;
}

static bool served_new(const struct prop *p, const struct piece *piece, uint32_t access)
{
	const struct prop_extent *w = &p->window;

	return p->opening && served_by(p, w->iova, w->last, w->pa, w->prot, piece, access);
}

/* @walked: the table was walked for it, or a fresh walk's answer was cached since the last sync. */
static void granted_part(struct prop *p, const struct piece *piece, uint32_t access, bool walked)
{
	struct prop_leaf *leaf = prop_lookup(p, piece->iova);
	bool current =
		leaf && served_by(p, leaf->iova, leaf->last, leaf->pa, leaf->prot, piece, access);
	bool sure;

	PROP_CHECK(p, current || served_stale(p, piece, access) || served_new(p, piece, access),
		   "iova %#jx len %#jx access %u goes to %#jx", (uintmax_t)piece->iova,
		   (uintmax_t)piece->len, access, (uintmax_t)piece->pa);
	if (!(access & IOD_ACCESS_WRITE))
		return;
	sure = current && (!leaf->lag || (walked && !p->stale.nr));
	prop_wrote(p, piece->iova, piece->pa, piece->len);
	prop_reports_wrote(p, piece->iova, piece->len);
	if (p->resizing)
		prop_leaf_push(&p->marks, &(struct prop_leaf){
						  .iova = piece->iova,
						  .last = piece->iova + (piece->len - 1),
						  .must = sure,
					  });
	if (current)
		prop_mark(p, leaf, sure);
}

/* Page by page: a page that was split may be used as a whole until the sync. */
static void granted(struct prop *p, const struct piece *piece, uint32_t access, bool walked)
{
	uint64_t off, len;
	struct piece part;

	for (off = 0; off < piece->len && !p->res->failed; off += len) {
		len = p->t->page - ((piece->iova + off) & (p->t->page - 1));
		len = len > piece->len - off ? piece->len - off : len;
		part = (struct piece){ piece->iova + off, piece->pa + off, len };
		granted_part(p, &part, access, walked);
	}
}

static void refused(struct prop *p, uint64_t iova, uint32_t access, enum iod_fault_reason reason)
{
	const struct prop_leaf *leaf = prop_lookup(p, iova);

	if (p->stale.nr || unsure(p, iova))
		return;
	PROP_CHECK(p, !leaf || !permits(p, leaf->prot, access),
		   "iova %#jx access %u refused for reason %d", (uintmax_t)iova, access, reason);
	if (leaf)
		PROP_CHECK(p, reason == IOD_FAULT_PERMISSION, "iova %#jx: reason %d",
			   (uintmax_t)iova, reason);
	else
		PROP_CHECK(p, reason == IOD_FAULT_TRANSLATION || reason == IOD_FAULT_RANGE,
			   "iova %#jx: reason %d", (uintmax_t)iova, reason);
}

/* Hardware without caches: the model's own walker. */
static void by_walker(struct prop *p, struct dma *d)
{
	bool write = d->access & IOD_ACCESS_WRITE;
	struct mdl_leaf leaf;
	enum mdl_fault fault = mdl_access(&p->table, &p->mem, d->iova, write, &leaf);
	struct piece piece = { d->iova, leaf.pa + (d->iova - leaf.iova), 1 };
	const struct prop_leaf *want = prop_lookup(p, d->iova);
	bool may = want && permits(p, want->prot, d->access);

	if (unsure(p, d->iova)) {
		if (fault == MDL_OK)
			granted(p, &piece, d->access, true);
		return;
	}
	PROP_CHECK(p, (fault == MDL_OK) == may, "the model at %#jx write %d: %s",
		   (uintmax_t)d->iova, write, mdl_fault_name(fault));
	if (fault != MDL_OK)
		return;
	PROP_CHECK(p, want->pa + (d->iova - want->iova) == piece.pa, "the model takes %#jx to %#jx",
		   (uintmax_t)d->iova, (uintmax_t)piece.pa);
	if (!write)
		return;
	granted(p, &piece, d->access, true);
	prop_mark(p, prop_lookup(p, d->iova), true);
}

static void by_access(struct prop *p, struct dma *d, unsigned int agent)
{
	struct iod_access_result result;
	struct iod_fault fault = { 0 };
	struct piece piece = { d->iova, 0, 1 };

	if (iod_iotlb_access(p->agent[agent], p->pt, d->iova, d->access, &result, &fault)) {
		refused(p, d->iova, d->access, fault.reason);
		return;
	}
	piece.pa = result.pa;
	granted(p, &piece, d->access, !result.hit);
}

/* Inside the iotlb's lock: only remembered. */
static int move(void *cookie, uint64_t pa, uint64_t len, uint64_t offset)
{
	struct dma *d = cookie;

	if (d->nr == MAX_PIECES)
		return -ENOSPC;
	d->piece[d->nr++] = (struct piece){ d->iova + offset, pa, len };
	return 0;
}

static void by_dma(struct prop *p, struct dma *d, unsigned int agent)
{
	struct iod_fault fault = { 0 };
	uint64_t done = 0;
	unsigned int i;
	int ret = iod_iotlb_dma(p->agent[agent], p->pt, d->iova, d->len, d->access, move, d, &done,
				&fault);

	for (i = 0; i < d->nr; i++)
		granted(p, &d->piece[i], d->access, false);
	PROP_CHECK(p, ret == 0 || ret == -EFAULT || ret == -ENOSPC, "dma at %#jx: %d",
		   (uintmax_t)d->iova, ret);
	if (ret == -EFAULT)
		refused(p, d->iova + done, d->access, fault.reason);
}

void prop_dma_at(struct prop *p, uint64_t iova, bool write)
{
	uint64_t room = 0 - iova; /* to the end of the 64-bit space */
	unsigned int agent = (unsigned int)prop_below(p, PROP_AGENTS + 1);
	struct dma d = { .p = p, .iova = iova };

	d.access = write ? IOD_ACCESS_WRITE : IOD_ACCESS_READ;
	if (!write && prop_chance(p, 5))
		d.access |= IOD_ACCESS_EXEC;
	d.len = 1 + prop_below(p, prop_chance(p, 20) ? 3 * p->t->page : 64);
	if (room && d.len > room)
		d.len = room;
	prop_note(p, "%s agent %u %#jx len %#jx", write ? "write" : "read", agent, (uintmax_t)iova,
		  (uintmax_t)d.len);
	if (agent == PROP_AGENTS && !(d.access & IOD_ACCESS_EXEC))
		by_walker(p, &d);
	else if (prop_chance(p, 60))
		by_access(p, &d, agent % PROP_AGENTS);
	else
		by_dma(p, &d, agent % PROP_AGENTS);
}

/* Mostly where something is mapped, often where it was before. */
void prop_dma(struct prop *p)
{
	uint64_t *hot = &p->hot[prop_below(p, PROP_HOT)], size;
	const struct prop_leaf *leaf;

	if (!prop_chance(p, 60)) {
		if (p->leaves.nr && !prop_chance(p, 8)) {
			leaf = &p->leaves.leaf[prop_below(p, p->leaves.nr)];
			size = leaf->last - leaf->iova;
			*hot = leaf->iova + (prop_random(p) & size);
		} else {
			*hot = prop_gen_iova(p);
		}
	}
	prop_dma_at(p, *hot + prop_below(p, 16), prop_chance(p, 60));
}

void prop_burst(struct prop *p)
{
	unsigned int n;

	if (p->quiet || !prop_chance(p, 50))
		return;
	for (n = (unsigned int)prop_below(p, p->resizing ? 8 : 4); n; n--)
		prop_dma(p);
}
