/* SPDX-License-Identifier: MIT */
/* VT-d formats: invalidations by way of a remapping unit's invalidation queue. */
#include "adv_iommu.h"

struct vtd {
	struct iod_vtd_id id;
	uint64_t head, tail;
	uint32_t fsts;
	bool narrow; /* descriptors of 128 bits */
	struct iod_vtd_iq *iq;
	struct iod_vtd_consume consume;
};

static bool is_device(const struct iod_vtd_desc *desc)
{
	return desc->type == IOD_VTD_DEV_TLB_INV || desc->type == IOD_VTD_P_DEV_TLB_INV;
}

static int obey(struct adv_iommu *u, struct iod_vtd_desc *desc)
{
	struct iod_cmd_effect effect;
	uint64_t first, last;
	int ret;

	if (is_device(desc)) {
		ret = iod_vtd_desc_dev_range(desc, &first, &last);
		if (!ret)
			adv_iommu_obey_device(u, desc->sid, first, last);
		return ret;
	}
	/* The hint that only leaves changed, where a table did. */
	if (adv_iommu_breaks(u) && desc->gran == IOD_VTD_IOTLB_PAGE)
		desc->ih = true;
	ret = iod_vtd_desc_effect(&effect, desc);
	if (!ret && u->w->cfg.v->format == IOD_VTD_FS)
		adv_iommu_obey(u, effect.s1, effect.nr_s1);
	else if (!ret)
		adv_iommu_obey(u, effect.s2, effect.nr_s2);
	return ret;
}

static int consume(void *cookie, const struct iod_vtd_raw_desc *descs, size_t nr, size_t *handled)
{
	struct adv_iommu *u = cookie;
	const struct vtd *v = u->own;
	struct iod_vtd_desc desc;
	int ret = 0;

	for (*handled = 0; *handled < nr; ++*handled) {
		ret = iod_vtd_desc_decode(&desc, &descs[*handled], &v->id,
					  v->narrow ? IOD_VTD_DESC_128 : 0, NULL);
		if (!ret)
			ret = obey(u, &desc);
		if (ret)
			break;
	}
	return ret;
}

static int consume_wait(void *cookie, const struct iod_vtd_desc *wait)
{
	(void)wait;
	adv_iommu_obey_wait(cookie);
	return 0;
}

static void doorbell(void *cookie)
{
	struct adv_iommu *u = cookie;
	struct vtd *v = u->own;

	iod_vtd_iq_consume(&v->consume); /* an error is in the registers */
}

static int open_queue(struct adv_iommu *u, struct vtd *v)
{
	static const struct iod_vtd_consumer_ops ops = { .size = sizeof(ops),
							 .commands = consume,
							 .sync = consume_wait };
	struct iod_vtd_iq_cfg cfg = {
		.size = sizeof(cfg),
		.mem = u->mem,
		.base = u->ring | (v->narrow ? 0 : IOD_VTD_IQA_DW),
		.head = &v->head,
		.tail = &v->tail,
		.fsts = &v->fsts,
		.status = u->ring + ADV_RING_LEN,
		.doorbell = doorbell,
		.cookie = u,
	};

	v->consume = (struct iod_vtd_consume){
		.size = sizeof(v->consume),
		.queue = { .size = sizeof(v->consume.queue),
			   .kind = IOD_VTD_IQ,
			   .mem = cfg.mem,
			   .base = cfg.base,
			   .head = cfg.head,
			   .tail = cfg.tail },
		.fsts = cfg.fsts,
		.id = &v->id,
		.ops = &ops,
		.cookie = u,
	};
	return iod_vtd_iq_create(&v->iq, &cfg);
}

static int open_inv(struct adv_iommu *u, struct vtd *v, uint64_t *rng)
{
	bool stage1 = u->w->cfg.v->format == IOD_VTD_FS;
	struct iod_inv_cost cost = adv_iommu_cost(u, rng);
	struct iod_vtd_sink sink = { .size = sizeof(sink) };
	struct iod_vtd_inv_cfg cfg = {
		.size = sizeof(cfg),
		.id = &v->id,
		.sink = &sink,
		.stage = stage1 ? 1 : 2,
		.did = 5,
		.cost = &cost,
	};
	struct iod_vtd_inv *inv = NULL;
	int ret = iod_vtd_iq_sink(v->iq, &sink);

	if (adv_chance(rng, 15))
		cfg.flags |= IOD_VTD_INV_REPEAT;
	if (adv_chance(rng, 10))
		cfg.flags |= IOD_VTD_INV_NO_RANGES;
	if (!ret)
		ret = iod_vtd_inv_create(&inv, &cfg);
	u->inv = inv;
	u->ops = iod_vtd_inv_ops();
	return ret;
}

static int open_vtd(struct adv_iommu *u, uint64_t *rng)
{
	struct iod_vtd_ats_device dev = { .size = sizeof(dev) };
	struct vtd *v = calloc(1, sizeof(*v));
	unsigned int i;
	int ret = v ? 0 : -ENOMEM;

	u->own = v;
	if (!ret)
		ret = iod_vtd_id_full(&v->id);
	if (!ret) {
		v->narrow = adv_chance(rng, 50);
		if (adv_chance(rng, 30)) {
			v->id.cap &= ~IOD_VTD_CAP_MAMV;
			v->id.cap |= IOD_VTD_CAP_MAMV & -IOD_VTD_CAP_MAMV * adv_below(rng, 10);
		}
		ret = open_queue(u, v);
	}
	if (!ret)
		ret = open_inv(u, v, rng);
	for (i = 0; !ret && adv_iommu_next_device(u, &i); i++) {
		dev.sid = dev.pfsid = (uint16_t)i;
		ret = iod_vtd_inv_add_device(u->inv, &dev);
	}
	return ret;
}

static void close_vtd(struct adv_iommu *u)
{
	struct vtd *v = u->own;

	if (u->inv)
		iod_vtd_inv_destroy(u->inv);
	if (v && v->iq)
		iod_vtd_iq_destroy(v->iq);
	free(v);
}

const struct adv_vendor adv_vendor_vtd = {
	.formats = ADV_F(IOD_VTD_SS) | ADV_F(IOD_VTD_FS),
	.open = open_vtd,
	.close = close_vtd,
};
