/* SPDX-License-Identifier: MIT */
/* Devices with caches of their own, and the way of an invalidation to all of them: IOTLBs, then ATCs. */
#include "adv.h"

#define DMA_RECORDS 32

/* One piece of a page that was written. */
struct wrote {
	uint64_t page; /* IOVA / page */
	uint64_t off;  /* into the DMA */
	uint32_t frame, version;
};

struct dma {
	struct adv_world *w;
	uint64_t iova;
	bool pauses;
	struct wrote wrote[DMA_RECORDS];
	unsigned int nr;
};

/* ---- writes ---- */

static void write_frame(struct dma *d, uint64_t frame, uint64_t off)
{
	struct adv_world *w = d->w;
	struct wrote *r = &d->wrote[d->nr];

	if (frame >= w->frames || !__atomic_load_n(&w->writers[frame], __ATOMIC_ACQUIRE)) {
		adv_fail(w, false,
			 "STRAY write through iova %#jx to pa %#jx, where nothing is mapped",
			 (uintmax_t)(d->iova + off), (uintmax_t)(w->pa + frame * w->page));
		return;
	}
	r->version = __atomic_add_fetch(&w->version[frame], 1, __ATOMIC_ACQ_REL);
	r->frame = (uint32_t)frame;
	r->page = (d->iova + off - w->iova) / w->page;
	r->off = off;
	if (d->nr < DMA_RECORDS - 1)
		d->nr++;
	adv_count(&w->res->writes, 1);
}

static int move(void *cookie, uint64_t pa, uint64_t len, uint64_t off)
{
	struct dma *d = cookie;
	struct adv_world *w = d->w;
	uint64_t at = pa - w->pa, end = at + len, next;

	if (d->pauses)
		w->point(w, "before data moves");
	for (; at < end; at = next) {
		next = (at / w->page + 1) * w->page;
		write_frame(d, at / w->page, off + (at + len - end));
	}
	if (d->pauses)
		w->point(w, "after data moved");
	return 0;
}

static int read_all(void *cookie, uint64_t pa, uint64_t len, uint64_t off)
{
	(void)cookie;
	(void)pa;
	(void)len;
	(void)off;
	return 0;
}

/*
 * What was not refused must not be lost. What was, may be: the device saw it aborted, though its data
 * may have moved (a walk later, its page was gone). Where data moved twice, only the later one counts.
 */
static void settle(struct dma *d, uint64_t done)
{
	struct adv_world *w = d->w;
	unsigned int i, j;
	uint32_t old;

	for (i = 0; i < d->nr; i++) {
		const struct wrote *r = &d->wrote[i];

		for (j = i + 1; j < d->nr && d->wrote[j].page != r->page; j++)
			;
		if (j < d->nr || r->off >= done)
			continue;
		old = __atomic_load_n(&w->good[r->frame], __ATOMIC_RELAXED);
		while (old < r->version &&
		       !__atomic_compare_exchange_n(&w->good[r->frame], &old, r->version, false,
						    __ATOMIC_RELAXED, __ATOMIC_RELAXED))
			;
	}
}

/* ---- one DMA ---- */

/* Often where others are at work as well, and for a while; then elsewhere. */
static uint32_t choose_page(struct adv_world *w, struct adv_agent *agent)
{
	uint64_t epoch = __atomic_fetch_add(&w->dmas, 1, __ATOMIC_RELAXED) / 48;
	uint64_t focus = __atomic_load_n(&w->focus, __ATOMIC_RELAXED);
	uint64_t hot = adv_below(&agent->rng, 5), dice = adv_below(&agent->rng, 100);

	if (dice < 25)
		return (uint32_t)adv_below(&agent->rng, w->pages);
	if (dice < 55 && (uint32_t)focus)
		return (uint32_t)(focus >> 32) + (uint32_t)adv_below(&agent->rng, (uint32_t)focus);
	hot = adv_mix(w->seed + 977 * hot + adv_mix(epoch >> (hot & 1)));
	/* neighbours: the same large page, another small one */
	return (uint32_t)((hot + adv_below(&agent->rng, 3)) % w->pages);
}

static bool spared(struct adv_world *w, uint32_t page)
{
	uint64_t focus = __atomic_load_n(&w->focus, __ATOMIC_RELAXED);

	return __atomic_load_n(&w->spare, __ATOMIC_RELAXED) &&
	       page - (uint32_t)(focus >> 32) < (uint32_t)focus;
}

static int visited(void *cookie, const struct iod_visit_event *event)
{
	struct adv_world *w = cookie;

	if (event->kind == IOD_VISIT_BAD)
		adv_fail(w, false, "a bad entry at iova %#jx: %#jx", (uintmax_t)event->iova,
			 (uintmax_t)event->pte);
	return 0;
}

/* Reads the table as software does: what is mapped is found, whatever happens beside it. */
static void look(struct adv_world *w, uint32_t page, uint64_t *rng)
{
	struct iod_visit visit = { .size = sizeof(visit), .fn = visited, .cookie = w };
	uint64_t before = __atomic_load_n(&w->pg[page].state, __ATOMIC_ACQUIRE), pa;
	int ret;

	if (adv_chance(rng, 20)) {
		visit.iova = adv_iova(w, page);
		visit.len = (1 + adv_below(rng, w->pages - page)) * w->page;
		visit.budget = 200;
		ret = iod_visit(w->pt, &visit);
		if (ret)
			adv_fail(w, false, "visit: %d", ret);
		return;
	}
	ret = iod_iova_to_phys(w->pt, adv_iova(w, page), &pa);
	if (__atomic_load_n(&w->pg[page].state, __ATOMIC_ACQUIRE) != before || !(before & 1))
		return;
	if (ret && !w->resize_flags)
		adv_fail(w, false, "iova %#jx is mapped, but not found: %d",
			 (uintmax_t)adv_iova(w, page), ret);
}

/* A page that was mapped before and after, and not touched meanwhile, must not fault. */
static void refused(struct adv_world *w, const struct iod_fault *fault, uint32_t page,
		    const uint64_t *states)
{
	uint32_t at = (uint32_t)((fault->iova - w->iova) / w->page);
	uint64_t now = __atomic_load_n(&w->pg[at].state, __ATOMIC_ACQUIRE);

	adv_count(&w->res->faults, 1);
	if (w->resize_flags || now != states[at - page] || !(now & 1))
		return;
	if (fault->reason != IOD_FAULT_PERMISSION)
		adv_fail(w, false, "iova %#jx is mapped, but faults: reason %d",
			 (uintmax_t)fault->iova, fault->reason);
}

/* From somewhere in that page on. */
static void access_page(struct adv_world *w, struct adv_agent *agent, uint32_t page, bool reads,
			bool pauses)
{
	struct dma d = { .w = w, .pauses = pauses };
	uint64_t len, done = 0, off = adv_below(&agent->rng, w->page), states[4];
	struct iod_fault fault = { 0 };
	uint32_t i;
	int ret;

	len = 1 + adv_below(&agent->rng, adv_chance(&agent->rng, 25) ? 2 * w->page : 64);
	d.iova = adv_iova(w, page) + off;
	if (len > w->pages * w->page - (d.iova - w->iova))
		len = w->pages * w->page - (d.iova - w->iova);
	for (i = 0; i < 4 && page + i < w->pages; i++)
		states[i] = __atomic_load_n(&w->pg[page + i].state, __ATOMIC_ACQUIRE);
	if (reads) {
		ret = iod_iotlb_dma(agent->tlb, w->pt, d.iova, len, IOD_ACCESS_READ, read_all, NULL,
				    &done, &fault);
	} else {
		ret = iod_iotlb_dma(agent->tlb, w->pt, d.iova, len, IOD_ACCESS_WRITE, move, &d,
				    &done, &fault);
		settle(&d, done);
	}
	adv_note(w, "  agent %d %s iova %#jx len %#jx: %d, %u pieces", (int)(agent - w->agent),
		 reads ? "reads" : "writes", (uintmax_t)d.iova, (uintmax_t)len, ret, d.nr);
	if (ret == -EFAULT)
		refused(w, &fault, page, states);
	else if (ret)
		adv_fail(w, false, "DMA: %d", ret);
}

void adv_dma(struct adv_world *w, struct adv_agent *agent, bool pauses)
{
	uint32_t page = choose_page(w, agent);
	uint64_t dice = adv_below(&agent->rng, 100);

	if (dice < 5)
		look(w, page, &agent->rng);
	else
		access_page(w, agent, page, dice < 20 || spared(w, page), pauses);
}

void adv_witness(struct adv_world *w, struct adv_witness *witness, bool reads)
{
	struct adv_agent *agent = &w->agent[witness->agent];

	if (!w->cfg.steps || !witness->there || agent->busy || adv_stopped(w))
		return;
	access_page(w, agent, witness->page, reads, false);
}

/* By whoever is not paused in a DMA of its own. */
void adv_burst(struct adv_world *w, uint64_t *rng)
{
	uint64_t n = 1 + adv_below(rng, 3);
	struct adv_agent *agent;

	if (w->in_burst || adv_stopped(w) || w->res->steps > w->silent)
		return;
	w->in_burst = true;
	for (; n; n--) {
		agent = &w->agent[adv_below(rng, ADV_AGENTS)];
		if (!agent->busy)
			adv_dma(w, agent, false);
	}
	w->in_burst = false;
}

/* ---- invalidations ---- */

static bool agent_idle(void *arg)
{
	return !((struct adv_agent *)arg)->busy;
}

/* Hardware that is in a DMA waits for it before it says that it has obeyed. */
static void obey(struct adv_world *w, struct adv_agent *agent, const struct iod_inv *inv, size_t nr)
{
	if (w->wait)
		w->wait(w, agent_idle, agent);
	if (iod_iotlb_invalidate(agent->tlb, inv, nr))
		adv_fail(w, false, "an invalidation is refused");
}

static void deliver(struct adv_queue *q, const struct iod_inv *inv, size_t nr)
{
	bool broken = q->w->cfg.broken;
	struct adv_world *w = q->w;
	struct iod_inv local[64];
	unsigned int i, atc;
	size_t k;

	for (k = 0; k < nr && k < IODT_ARRAY_SIZE(local); k++) {
		local[k] = inv[k];
		adv_note(w, "  invalidate %#jx-%#jx leaves %#x tables %#x%s",
			 (uintmax_t)inv[k].iova, (uintmax_t)inv[k].last, inv[k].leaf_levels,
			 inv[k].table_levels, inv[k].flags & IOD_INV_LEAF_ONLY ? " leaf only" : "");
		if (broken && w->cfg.twin == ADV_LEAF_ONLY && q->merge)
			local[k].flags |= IOD_INV_LEAF_ONLY;
	}
	if (w->commands) {
		adv_iommu_deliver(q, local, nr, obey);
		return;
	}
	for (atc = 0; atc < 2; atc++) {
		if (atc && broken && w->cfg.twin == ADV_NO_ATC)
			continue;
		for (i = 0; i < ADV_AGENTS; i++) {
			if (!(w->agent[i].flags & IOD_IOTLB_ATC) == !atc)
				obey(w, &w->agent[i], local, nr);
		}
		if (w->point)
			w->point(w, "between invalidations");
	}
}

static bool fails_now(struct adv_queue *q)
{
	return q->w->flaky && q->actor && adv_chance(&q->actor->rng, 4);
}

static int inv_issue(void *cookie, const struct iod_inv *inv, size_t nr)
{
	struct adv_queue *q = cookie;
	size_t i;

	if (q->w->point)
		q->w->point(q->w, "before an invalidation");
	if (fails_now(q))
		return -EIO;
	if (q->actor)
		adv_harvest_early(q->actor->gather, q->merge);
	if (q->actor && q->merge)
		adv_witness(q->w, &q->actor->u.resizing.witness, false);
	if (!q->lazy || q->nr + nr > IODT_ARRAY_SIZE(q->inv)) {
		deliver(q, inv, nr);
		return 0;
	}
	for (i = 0; i < nr; i++)
		q->inv[q->nr++] = inv[i];
	return 0;
}

static int inv_wait(void *cookie)
{
	struct adv_queue *q = cookie;

	if (q->w->point)
		q->w->point(q->w, "before the sync");
	if (fails_now(q))
		return -EIO;
	if (q->nr)
		deliver(q, q->inv, q->nr);
	q->nr = 0;
	return 0;
}

struct iod_gather *adv_gather(struct adv_world *w, struct adv_queue *q, uint64_t *rng)
{
	static const uint32_t ranges[] = { 2, 3, 8, 0 };
	static const uint64_t pending[] = { 0, 0, 4096, 65536 };
	struct iod_inv_ops ops = { .size = sizeof(ops), .invalidate = inv_issue, .sync = inv_wait };
	struct iod_gather_cfg cfg = {
		.size = sizeof(cfg),
		.ops = &ops,
		.cookie = q,
		.max_ranges = ranges[adv_below(rng, IODT_ARRAY_SIZE(ranges))],
		.max_pending = pending[adv_below(rng, IODT_ARRAY_SIZE(pending))],
	};
	struct iod_gather *gather = NULL;

	if (iod_gather_create(&gather, w->pt, &cfg))
		adv_fail(w, false, "no gather");
	return gather;
}

bool adv_excused(const struct adv_world *w, int ret)
{
	return (ret == -EIO && w->flaky) || (ret == -ENOMEM && w->scarce);
}

void adv_settle(struct adv_actor *a, bool flush)
{
	struct iod_gather *gather = a->gather;
	struct adv_world *w = a->w;
	int ret = 0;

	if (adv_chance(&a->rng, 15)) {
		ret = iod_gather_merge(a->other, a->gather);
		gather = a->other;
	}
	while (!ret || adv_excused(w, ret)) {
		ret = flush ? iod_gather_flush(gather) : iod_gather_sync(gather);
		if (!ret)
			break;
	}
	adv_note(w, "%s%s: %d", flush ? "flush" : "sync", gather == a->other ? " elsewhere" : "",
		 ret);
	if (ret)
		adv_fail(w, false, "sync: %d", ret);
}

/* ---- objects ---- */

bool adv_hw_open(struct adv_world *w)
{
	static const uint32_t flags[ADV_AGENTS] = {
		0,
		IOD_IOTLB_LATE_DIRTY | IOD_IOTLB_SPECULATE,
		IOD_IOTLB_ATC,
		IOD_IOTLB_ATC | IOD_IOTLB_SPECULATE,
	};
	uint64_t rng = adv_mix(w->seed + 2), commands_rng = adv_mix(w->seed + 4);
	unsigned int i;

	for (i = 0; i < ADV_AGENTS; i++)
		w->agent[i].flags = flags[i];
	w->commands = adv_iommu_wanted(w, &commands_rng);
	for (i = 0; i < ADV_AGENTS; i++) {
		struct adv_agent *a = &w->agent[i];
		struct iod_iotlb_cfg cfg = {
			.size = sizeof(cfg),
			.entries = 4u << adv_below(&rng, 6),
			.ways = 1u << adv_below(&rng, 3),
			.walk_entries = 2u << adv_below(&rng, 5),
			.seed = adv_random(&rng),
		};

		a->rng = adv_random(&rng);
		cfg.flags = a->flags =
			flags[i] | (adv_chance(&rng, 30) ? IOD_IOTLB_NO_TABLE_ACCESS : 0);
		cfg.flags |= w->commands ? IOD_IOTLB_EXACT_LEVELS : 0;
		if (iod_iotlb_create(&a->tlb, &cfg))
			return false;
	}
	return true;
}

void adv_hw_close(struct adv_world *w)
{
	unsigned int i;

	for (i = 0; i < ADV_AGENTS; i++)
		if (w->agent[i].tlb)
			iod_iotlb_destroy(w->agent[i].tlb);
}
