/* SPDX-License-Identifier: MIT */
/*
 * Invalidations as an IOMMU gets them: in half of the worlds what a gather asks for becomes commands by the library's
 * encoder, goes through a queue in memory, and reaches the caches as the commands that are taken out again, decoded,
 * say. These caches take levels literally. Every actor has a queue of its own, so that one that is paused in the
 * middle of a command holds up nobody.
 */
#include "adv_iommu.h"

static const struct adv_vendor *vendor_of(const struct adv_world *w)
{
	static const struct adv_vendor *const vendors[] = { &adv_vendor_smmu, &adv_vendor_vtd,
							    &adv_vendor_amdvi };
	size_t i;

	for (i = 0; i < IODT_ARRAY_SIZE(vendors); i++)
		if (vendors[i]->formats & ADV_F(w->cfg.v->format))
			return vendors[i];
	return NULL;
}

bool adv_iommu_wanted(const struct adv_world *w, uint64_t *rng)
{
	return vendor_of(w) && (w->cfg.twin == ADV_LEAF_LEVEL || adv_chance(rng, 50));
}

bool adv_iommu_breaks(const struct adv_iommu *u)
{
	return u->w->cfg.broken && u->w->cfg.twin == ADV_LEAF_LEVEL;
}

struct iod_inv_cost adv_iommu_cost(const struct adv_iommu *u, uint64_t *rng)
{
	struct iod_inv_cost cost = { .size = sizeof(cost), .command = 1, .sync = 1 };

	/* What is wide now and then hides what the narrow ones forget. */
	cost.domain = cost.global =
		adv_chance(rng, 20) && u->w->cfg.twin != ADV_LEAF_LEVEL ? 8 : 60;
	cost.device = 1 + adv_below(rng, 20);
	cost.device_page = 1 + adv_below(rng, 3);
	cost.device_all = 50;
	return cost;
}

/* ---- the consumer's side ---- */

void adv_iommu_obey(struct adv_iommu *u, struct iod_inv *inv, uint32_t nr)
{
	uint32_t i;

	for (i = 0; i < nr; i++) {
		inv[i].domain = inv[i].kind == IOD_INV_ALL ? 0 : u->domain;
		inv[i].domain_ignore = 0;
	}
	for (i = 0; i < ADV_AGENTS && nr; i++)
		if (!(u->w->agent[i].flags & IOD_IOTLB_ATC))
			u->obey(u->w, &u->w->agent[i], inv, nr);
	u->tlbi += nr;
}

void adv_iommu_obey_device(struct adv_iommu *u, uint32_t device, uint64_t first, uint64_t last)
{
	struct iod_inv inv = {
		.kind = IOD_INV_RANGE, .domain = u->domain, .iova = first, .last = last
	};

	if (u->w->cfg.broken && u->w->cfg.twin == ADV_NO_ATC)
		return;
	if (device >= ADV_AGENTS)
		adv_fail(u->w, false, "an invalidation for device %u, which is not there", device);
	else
		u->obey(u->w, &u->w->agent[device], &inv, 1);
}

void adv_iommu_obey_wait(struct adv_iommu *u)
{
	if (u->w->point)
		u->w->point(u->w, "between invalidations");
}

bool adv_iommu_next_device(const struct adv_iommu *u, unsigned int *device)
{
	while (*device < ADV_AGENTS && !(u->w->agent[*device].flags & IOD_IOTLB_ATC))
		++*device;
	return *device < ADV_AGENTS;
}

/* ---- life, and batches ---- */

static struct adv_iommu *iommu_open(struct adv_queue *q, adv_obey_fn obey)
{
	/* Every actor has one: address space for all of them is not there on 32-bit hosts. */
	struct iod_mem_arena_cfg arena = { .size = sizeof(arena), .window = UINT64_C(2) << 20 };
	uint64_t rng = adv_mix(q->w->seed + 3); /* all of a world are alike */
	struct adv_iommu *u = calloc(1, sizeof(*u));
	int ret = u ? 0 : -ENOMEM;

	if (!ret) {
		u->w = q->w;
		u->obey = obey;
		u->vendor = vendor_of(q->w);
		q->iommu = u;
		ret = iod_mem_create_arena(&u->mem, &arena);
	}
	if (!ret)
		ret = iod_mem_alloc(u->mem, 2 * ADV_RING_LEN, &u->ring);
	if (!ret)
		ret = u->vendor->open(u, &rng);
	if (ret) {
		adv_fail(q->w, false, "no IOMMU: %d", ret);
		adv_iommu_close(q);
	}
	return ret ? NULL : u;
}

void adv_iommu_close(struct adv_queue *q)
{
	struct adv_iommu *u = q->iommu;

	if (!u)
		return;
	u->vendor->close(u);
	if (u->ring)
		iod_mem_free(u->mem, u->ring, 2 * ADV_RING_LEN);
	if (u->mem)
		iod_mem_destroy(u->mem);
	free(u);
	q->iommu = NULL;
}

void adv_iommu_deliver(struct adv_queue *q, const struct iod_inv *inv, size_t nr, adv_obey_fn obey)
{
	struct adv_iommu *u = q->iommu ? q->iommu : iommu_open(q, obey);
	uint64_t before;
	int ret;

	if (!u)
		return;
	before = u->tlbi;
	u->domain = inv[0].domain;
	ret = u->ops->invalidate(u->inv, inv, nr);
	if (!ret)
		ret = u->ops->sync(u->inv);
	if (ret)
		adv_fail(q->w, false, "%zu invalidations are no commands: %d", nr, ret);
	else if (u->tlbi == before)
		adv_fail(q->w, false, "%zu invalidations invalidate nothing", nr);
}
