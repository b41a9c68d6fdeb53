/* SPDX-License-Identifier: MIT */
/*
 * iod_iotlb: what hardware keeps of the tables, and what it does with it.
 *
 * Two caches: translations, and the tables met on walks (paging-structure or walk cache).
 * Entries are tagged with the page table's domain and with nothing else of it, as in hardware: two page
 * tables with one domain tag share their entries. No page table is referred to between calls.
 *
 * - A cached translation is used as it is, whatever memory says by now. In particular a write
 *   through one that was dirty when it was cached, or whose leaf is not tracked, touches no
 *   table: clearing the leaf's dirty bit has no effect on it before the invalidation.
 * - A write through one that was clean walks again and marks (bits.md A1.11 rule 11). So
 *   does an access that it does not permit: permission may be raised without an invalidation.
 * - Refused accesses leave nothing in the caches.
 * - With IOD_IOTLB_EXACT_LEVELS each entry is known by the level that an invalidation names it by.
 *
 * One lock is held over every access and over the data that iod_iotlb_dma() moves with it. So
 * an invalidation, which takes it too, returns when everything that used the old entries is
 * complete, the marking of the tables included.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>

#include "atomic.h"
#include "bits.h"
#include "pgtable/iotlb_cache.h"
#include "pgtable/iotlb_stage2.h"
#include "pgtable/mem.h"
#include "pgtable/pt_defs.h"

#define TLB_FLAGS                                                                                 \
	(IOD_IOTLB_ATC | IOD_IOTLB_LATE_DIRTY | IOD_IOTLB_SPECULATE | IOD_IOTLB_NO_TABLE_ACCESS | \
	 IOD_IOTLB_NEVER_TABLE_ACCESS | IOD_IOTLB_EXACT_LEVELS)
#define TLB_GLOBAL_FLAGS (IOD_INV_NO_GLOBAL | IOD_INV_ONLY_GLOBAL)
#define TLB_ACCESS	 (IOD_ACCESS_READ | IOD_ACCESS_WRITE | IOD_ACCESS_EXEC | IOD_ACCESS_PRIV)

/* One walk in this many is followed by a speculative one; a power of two. */
#define TLB_SPECULATE_EVERY 8

struct iod_iotlb {
	struct iod_allocator allocator;
	uint32_t flags;
	_Alignas(8) uint64_t waiting; /* invalidations that want the lock; atomic */
	_Alignas(8) uint64_t stage2;  /* nested memories that translate through it; atomic */
	pthread_mutex_t lock;	      /* what follows */
	uint64_t rng;
	struct tlb_cache leaves, tables;
	struct iod_iotlb_stats stats;
};

/* Times that an access steps back for invalidations that wait. */
#define TLB_POLITE 64u

/*
 * For accesses: an invalidation that waits goes first, or agents flat out would keep it waiting. Not for ever, or
 * threads that invalidate flat out would keep the access waiting, and all that wait for a lock that it holds.
 */
static void tlb_lock(struct iod_iotlb *tlb)
{
	unsigned i;

	for (i = 0; i < TLB_POLITE && word_load(&tlb->waiting); i++)
		sched_yield();
	pthread_mutex_lock(&tlb->lock);
}

/* One access on its way. */
struct tlb_req {
	struct iod_iotlb *tlb;
	struct iod_pgtable *pt;
	uint64_t iova;
	uint32_t access;
	bool keep_clean; /* a write does not mark */
	struct iod_access_result *result;
	struct iod_fault *fault;
	struct tlb_entry *entry; /* what answered; may be NULL */
};

static int tlb_check_cfg(struct iod_iotlb_cfg *cfg)
{
	if (!cfg->entries)
		cfg->entries = 256;
	if (!cfg->ways)
		cfg->ways = cfg->entries < 4 ? cfg->entries : 4;
	if (!cfg->walk_entries)
		cfg->walk_entries = 32;
	if (!is_pow2(cfg->entries) || !is_pow2(cfg->ways) || !is_pow2(cfg->walk_entries))
		return -EINVAL;
	if (cfg->ways > cfg->entries || (cfg->flags & ~TLB_FLAGS))
		return -EINVAL;
	return 0;
}

static int tlb_init(struct iod_iotlb *tlb, const struct iod_iotlb_cfg *cfg)
{
	uint32_t walk_ways = cfg->walk_entries < 4 ? cfg->walk_entries : 4;
	int ret;

	tlb->flags = cfg->flags;
	tlb->rng = cfg->seed;
	ret = iod_tlb_init(&tlb->leaves, &tlb->allocator, cfg->entries, cfg->ways);
	if (ret)
		return ret;
	ret = iod_tlb_init(&tlb->tables, &tlb->allocator, cfg->walk_entries, walk_ways);
	if (ret)
		goto err_leaves;
	if (pthread_mutex_init(&tlb->lock, NULL)) {
		ret = -ENOMEM;
		goto err_tables;
	}
	return 0;

err_tables:
	iod_tlb_fini(&tlb->tables, &tlb->allocator);
err_leaves:
	iod_tlb_fini(&tlb->leaves, &tlb->allocator);
	return ret;
}

int iod_iotlb_create(struct iod_iotlb **out, const struct iod_iotlb_cfg *user)
{
	struct iod_allocator allocator;
	struct iod_iotlb_cfg cfg = { 0 };
	struct iod_iotlb *tlb;
	int ret = 0;

	if (!out)
		return -EINVAL;
	if (user)
		ret = iod_struct_in(&cfg, sizeof(cfg), user, sizeof(cfg));
	if (!ret)
		ret = tlb_check_cfg(&cfg);
	if (!ret)
		ret = iod_allocator_init(&allocator, cfg.allocator);
	if (ret)
		return ret;
	tlb = iod_zalloc(&allocator, sizeof(*tlb));
	if (!tlb)
		return -ENOMEM;
	tlb->allocator = allocator;
	ret = tlb_init(tlb, &cfg);
	if (ret) {
		iod_zfree(&allocator, tlb, sizeof(*tlb));
		return ret;
	}
	*out = tlb;
	return 0;
}

int iod_iotlb_destroy(struct iod_iotlb *tlb)
{
	struct iod_allocator allocator;

	if (!tlb)
		return -EINVAL;
	if (word_load(&tlb->stage2))
		return -EBUSY;
	allocator = tlb->allocator;
	pthread_mutex_destroy(&tlb->lock);
	iod_tlb_fini(&tlb->tables, &allocator);
	iod_tlb_fini(&tlb->leaves, &allocator);
	iod_zfree(&allocator, tlb, sizeof(*tlb));
	return 0;
}

/* ---- walks ---- */

/* Level of the entry by way of which the table at a level was met; of the one that the walk began at, that
 * is remembered with it. */
static unsigned tlb_met_from(const struct pt_hw_walk *w, unsigned level, unsigned start_from)
{
	while (++level <= w->top.level)
		if (w->table_pa[level])
			return level;
	return start_from;
}

static void tlb_cache_tables(struct iod_iotlb *tlb, const struct iod_pgtable *pt,
			     const struct pt_hw_walk *w, unsigned start_from)
{
	struct tlb_entry entry = { .domain = pt->domain };
	unsigned level;

	/* The root is no entry's target. */
	for (level = 0; level < w->top.level; level++) {
		if (!w->table_pa[level])
			continue;
		entry.lg2 = w->table_lg2[level];
		entry.page_lg2 = entry.lg2;
		entry.iova = align_down(w->iova, entry.lg2);
		entry.pa = w->table_pa[level];
		entry.prot = w->table_deny[level];
		entry.level = (uint8_t)level;
		entry.hint = (uint8_t)tlb_met_from(w, level, start_from);
		iod_tlb_insert(&tlb->tables, &entry, &tlb->rng);
	}
}

/*
 * Walk memory, from the lowest table remembered. Tables are remembered after a walk that was
 * granted, when their entries' Accessed bits are set (bits.md A1.13 rule 3, A2.3 rule 7).
 */
static int tlb_walk(struct iod_iotlb *tlb, struct iod_pgtable *pt, struct pt_hw_walk *w,
		    struct iod_fault *fault)
{
	const struct tlb_entry *table = iod_tlb_lookup(&tlb->tables, pt->domain, w->iova);
	unsigned start_from = 0;
	int ret;

	w->table_access = !(tlb->flags & IOD_IOTLB_NO_TABLE_ACCESS);
	w->never_table_access = tlb->flags & IOD_IOTLB_NEVER_TABLE_ACCESS;
	w->start_pa = 0;
	/* What another table of the same domain left may not fit this one. */
	if (table && table->level < pt_get_top(pt).level) {
		w->start_pa = table->pa;
		w->start_level = table->level;
		w->start_deny = table->prot;
		start_from = table->hint;
		tlb->stats.walk_hits++;
	}
	ret = pt->engine->hw_walk(pt, w, fault);
	tlb->stats.set_access += w->set_access;
	tlb->stats.set_dirty += w->set_dirty_bits;
	if (!ret)
		tlb_cache_tables(tlb, pt, w, start_from);
	return ret;
}

/*
 * Remember a translation. An ATC is only told that it may write when that needs no dirty update any
 * more (bits.md A1.11 rule 16: NW=1 was asked for, or the leaf is marked).
 */
static void tlb_cache_leaf(struct iod_iotlb *tlb, const struct iod_pgtable *pt,
			   const struct pt_hw_walk *w, struct tlb_entry *entry)
{
	*entry = (struct tlb_entry){
		.domain = pt->domain,
		.iova = align_down(w->iova, w->page_lg2),
		.pa = w->pa - (w->iova & low_mask(w->page_lg2)),
		.prot = w->prot,
		.lg2 = (uint8_t)w->page_lg2,
		.page_lg2 = (uint8_t)w->leaf_lg2,
		.hint = (uint8_t)w->level,
		.dirty = w->dirty,
	};
	if ((tlb->flags & IOD_IOTLB_ATC) && !w->dirty)
		entry->prot &= ~IOD_PROT_WRITE;
	iod_tlb_insert(&tlb->leaves, entry, &tlb->rng);
}

/* Now and then, the page behind the one walked: a read, which never marks dirty. */
static void tlb_speculate(const struct tlb_req *req, const struct tlb_entry *entry)
{
	struct iod_iotlb *tlb = req->tlb;
	struct pt_hw_walk w = {
		.iova = (entry->iova | low_mask(entry->lg2)) + 1,
		.access = IOD_ACCESS_READ | (req->access & IOD_ACCESS_PRIV),
	};
	struct tlb_entry next;
	struct iod_fault fault;

	if (!(tlb->flags & IOD_IOTLB_SPECULATE) ||
	    (iod_tlb_random(&tlb->rng) & (TLB_SPECULATE_EVERY - 1)) || !w.iova)
		return;
	if (iod_tlb_lookup(&tlb->leaves, entry->domain, w.iova))
		return;
	tlb->stats.speculated++;
	if (!tlb_walk(tlb, req->pt, &w, &fault))
		tlb_cache_leaf(tlb, req->pt, &w, &next);
}

/* ---- accesses; the lock is held ---- */

static bool tlb_grants(const struct tlb_entry *entry, uint32_t access)
{
	if ((access & IOD_ACCESS_READ) && !(entry->prot & IOD_PROT_READ))
		return false;
	if ((access & IOD_ACCESS_WRITE) && !((entry->prot & IOD_PROT_WRITE) && entry->dirty))
		return false;
	if ((access & IOD_ACCESS_EXEC) && (entry->prot & IOD_PROT_NOEXEC))
		return false;
	return (access & IOD_ACCESS_PRIV) || !(entry->prot & IOD_PROT_PRIV);
}

static void tlb_answer(const struct tlb_req *req, const struct tlb_entry *entry, bool hit)
{
	uint64_t off = req->iova - entry->iova;

	*req->result = (struct iod_access_result){
		.pa = entry->pa + off,
		.len = BIT64(entry->lg2) - off,
		.prot = entry->prot & (PT_RW | IOD_PROT_NOEXEC),
		.hit = hit,
	};
	if (req->entry)
		*req->entry = *entry;
}

/*
 * Answer from the cache, if it can. An address that the page table does not have is not looked
 * up.
 */
static bool tlb_hit(const struct tlb_req *req)
{
	struct iod_iotlb *tlb = req->tlb;
	const struct tlb_entry *entry;
	uint64_t x;

	if (iod_pt_address(req->pt, req->iova, &x))
		return false;
	entry = iod_tlb_lookup(&tlb->leaves, req->pt->domain, req->iova);
	if (!entry || !tlb_grants(entry, req->access))
		return false;
	tlb->stats.hits++;
	tlb_answer(req, entry, true);
	return true;
}

/* Walk, mark and remember; what was remembered of the page before is replaced. */
static int tlb_miss(const struct tlb_req *req)
{
	struct iod_iotlb *tlb = req->tlb;
	struct pt_hw_walk w = {
		.iova = req->iova,
		.access = req->access,
		.set_dirty = !req->keep_clean,
	};
	struct tlb_entry entry, *old;
	int ret;

	ret = tlb_walk(tlb, req->pt, &w, req->fault);
	if (ret) {
		tlb->stats.faults++;
		return ret;
	}
	old = iod_tlb_lookup(&tlb->leaves, req->pt->domain, req->iova);
	if (old)
		iod_tlb_drop(&tlb->leaves, old);
	tlb_cache_leaf(tlb, req->pt, &w, &entry);
	tlb_answer(req, &entry, false);
	tlb_speculate(req, &entry);
	return 0;
}

static bool tlb_access_valid(const struct iod_iotlb *tlb, const struct iod_pgtable *pt,
			     uint32_t access)
{
	/* A first stage's lock is taken before a second stage's, never after one. */
	return tlb && pt && !(access & ~TLB_ACCESS) &&
	       (access & (IOD_ACCESS_READ | IOD_ACCESS_WRITE)) &&
	       !(pt->mem->nested && word_load(&tlb->stage2));
}

/* Answer from the cache or from memory. */
static int tlb_ask(const struct tlb_req *req)
{
	if (tlb_hit(req))
		return 0;
	req->tlb->stats.misses++;
	return tlb_miss(req);
}

int iod_iotlb_access(struct iod_iotlb *tlb, struct iod_pgtable *pt, uint64_t iova, uint32_t access,
		     struct iod_access_result *result, struct iod_fault *fault)
{
	struct iod_access_result local_result = { 0 };
	struct iod_fault local_fault = { 0 };
	struct tlb_req req = {
		.tlb = tlb,
		.pt = pt,
		.iova = iova,
		.access = access,
		.result = &local_result,
		.fault = &local_fault,
	};
	int ret;

	if (!tlb_access_valid(tlb, pt, access))
		return -EINVAL;
	tlb_lock(tlb);
	ret = tlb_ask(&req);
	pthread_mutex_unlock(&tlb->lock);
	if (result && !ret)
		*result = local_result;
	if (fault)
		*fault = local_fault;
	return ret;
}

/* ---- as the second stage of nested memory ---- */

int iod_iotlb_stage2_get(struct iod_iotlb *tlb)
{
	if (tlb->flags & IOD_IOTLB_ATC)
		return -EINVAL;
	word_add(&tlb->stage2, 1);
	return 0;
}

void iod_iotlb_stage2_put(struct iod_iotlb *tlb)
{
	word_sub(&tlb->stage2, 1);
}

int iod_iotlb_stage2(struct iod_iotlb *tlb, struct iod_pgtable *stage2, struct tlb_stage2 *s)
{
	struct iod_access_result result;
	struct tlb_req req = {
		.tlb = tlb,
		.pt = stage2,
		.iova = s->ipa,
		.access = s->access,
		.keep_clean = !s->set_dirty,
		.result = &result,
		.fault = &s->fault,
		.entry = &s->entry,
	};
	int ret;

	tlb_lock(tlb);
	ret = tlb_ask(&req);
	if (!ret && s->use)
		s->use(s->cookie, result.pa);
	pthread_mutex_unlock(&tlb->lock);
	return ret;
}

/* ---- DMA ---- */

/* One DMA on its way. */
struct tlb_dma {
	struct tlb_req req;
	struct iod_access_result result; /* of the piece */
	struct iod_fault fault;
	uint64_t len, off; /* bytes in all, and done with */
	int (*move)(void *cookie, uint64_t pa, uint64_t len, uint64_t offset);
	void *cookie;
};

/* Move up to the end of the translation. @return what move returned; *len what was to be moved */
static int tlb_move(struct tlb_dma *dma, uint64_t *len)
{
	uint64_t left = dma->len - dma->off;

	*len = left < dma->result.len ? left : dma->result.len;
	return dma->move(dma->cookie, dma->result.pa, *len, dma->off);
}

/*
 * A write whose data moves first: the walk grants it without marking, the data moves, the table
 * is marked. The invalidation that covers the leaf finds both done (bits.md A1.11 rules 12,
 * 13).
 *
 * The leaf may change between the two walks, without waiting for us, as it may under a real
 * write that is in flight. Refused by then: the DMA is refused, though what it wrote is there,
 * as of a write that the device saw aborted. Another page by then: the piece moves there as
 * well. A smaller page by then: only that much was marked, the rest moves again.
 */
static int tlb_piece_late(struct tlb_dma *dma)
{
	struct iod_iotlb *tlb = dma->req.tlb;
	struct pt_hw_walk w = { .iova = dma->req.iova, .access = dma->req.access };
	int ret, moved;
	uint64_t len;

	tlb->stats.misses++;
	ret = tlb_walk(tlb, dma->req.pt, &w, &dma->fault);
	if (ret) {
		tlb->stats.faults++;
		return ret;
	}
	dma->result.pa = w.pa;
	dma->result.len = BIT64(w.page_lg2) - (w.iova & low_mask(w.page_lg2));
	moved = tlb_move(dma, &len);
	/* Some of it may have moved even if that failed: marked in any case. */
	ret = tlb_miss(&dma->req);
	if (ret || moved)
		return ret ? ret : moved;
	if (dma->result.pa != w.pa)
		ret = tlb_move(dma, &len);
	else if (len > dma->result.len)
		len = dma->result.len;
	if (!ret)
		dma->off += len;
	return ret;
}

/* What one translation gives. */
static int tlb_piece(struct tlb_dma *dma)
{
	uint32_t flags = dma->req.tlb->flags;
	uint64_t len;
	int ret = 0;

	if (!tlb_hit(&dma->req)) {
		if ((flags & IOD_IOTLB_LATE_DIRTY) && !(flags & IOD_IOTLB_ATC) &&
		    (dma->req.access & IOD_ACCESS_WRITE))
			return tlb_piece_late(dma);
		dma->req.tlb->stats.misses++;
		ret = tlb_miss(&dma->req);
	}
	if (!ret)
		ret = tlb_move(dma, &len);
	if (!ret)
		dma->off += len;
	return ret;
}

int iod_iotlb_dma(struct iod_iotlb *tlb, struct iod_pgtable *pt, uint64_t iova, uint64_t len,
		  uint32_t access,
		  int (*move)(void *cookie, uint64_t pa, uint64_t len, uint64_t offset),
		  void *cookie, uint64_t *done, struct iod_fault *fault)
{
	struct tlb_dma dma = { .len = len, .move = move, .cookie = cookie };
	int ret = 0;

	if (!tlb_access_valid(tlb, pt, access) || !move || !len)
		return -EINVAL;
	if (iova + (len - 1) < iova)
		return -ERANGE;
	dma.req = (struct tlb_req){
		.tlb = tlb,
		.pt = pt,
		.access = access,
		.result = &dma.result,
		.fault = &dma.fault,
	};
	/* The lock is for a piece, not for the DMA: invalidations need not wait for all of it. */
	while (!ret && dma.off < len) {
		dma.req.iova = iova + dma.off;
		tlb_lock(tlb);
		ret = tlb_piece(&dma);
		pthread_mutex_unlock(&tlb->lock);
	}
	if (done)
		*done += dma.off;
	if (fault)
		*fault = dma.fault;
	return ret;
}

/* ---- invalidation ---- */

static bool tlb_inv_valid(const struct iod_inv *inv)
{
	if (inv->flags & ~(IOD_INV_LEAF_ONLY | IOD_INV_NO_LEAVES | TLB_GLOBAL_FLAGS))
		return false;
	if ((inv->flags & IOD_INV_NO_LEAVES) &&
	    ((inv->flags & IOD_INV_LEAF_ONLY) || inv->leaf_levels))
		return false;
	if ((inv->flags & TLB_GLOBAL_FLAGS) == TLB_GLOBAL_FLAGS)
		return false;
	if (inv->kind == IOD_INV_RANGE)
		return inv->iova <= inv->last;
	return inv->kind == IOD_INV_ALL || inv->kind == IOD_INV_DOMAIN;
}

/* The lock is held. */
static void tlb_invalidate_one(struct iod_iotlb *tlb, const struct iod_inv *inv)
{
	bool exact = (tlb->flags & IOD_IOTLB_EXACT_LEVELS) && inv->kind == IOD_INV_RANGE;
	bool leaves = exact && !(tlb->flags & IOD_IOTLB_ATC);

	if (!exact || !(inv->flags & IOD_INV_NO_LEAVES))
		iod_tlb_invalidate(&tlb->leaves, inv, leaves ? inv->leaf_levels : 0);
	if (!(inv->flags & IOD_INV_LEAF_ONLY))
		iod_tlb_invalidate(&tlb->tables, inv, exact ? inv->table_levels : 0);
}

int iod_iotlb_invalidate(void *cookie, const struct iod_inv *inv, size_t nr)
{
	struct iod_iotlb *tlb = cookie;
	size_t i;

	if (!tlb || (nr && !inv))
		return -EINVAL;
	for (i = 0; i < nr; i++) {
		if (!tlb_inv_valid(&inv[i]))
			return -EINVAL;
	}
	word_add(&tlb->waiting, 1);
	pthread_mutex_lock(&tlb->lock);
	word_sub(&tlb->waiting, 1);
	for (i = 0; i < nr; i++)
		tlb_invalidate_one(tlb, &inv[i]);
	tlb->stats.invalidations += nr;
	pthread_mutex_unlock(&tlb->lock);
	return 0;
}

int iod_iotlb_get_stats(const struct iod_iotlb *tlb, struct iod_iotlb_stats *stats)
{
	/* The lock is the object's business, not its user's. */
	struct iod_iotlb *mut = (struct iod_iotlb *)(uintptr_t)tlb;
	struct iod_iotlb_stats now;

	if (!tlb || !stats)
		return -EINVAL;
	pthread_mutex_lock(&mut->lock);
	now = mut->stats;
	pthread_mutex_unlock(&mut->lock);
	return iod_struct_out(stats, &now, sizeof(now), sizeof(now));
}
