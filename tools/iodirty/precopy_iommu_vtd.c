/* SPDX-License-Identifier: MIT */
/* The VT-d formats of `iodirty precopy`: a remapping unit's invalidation queue; source-ids are devices' numbers. */
#include "precopy_iommu.h"

#include <errno.h>
#include <stdlib.h>

struct vtd {
	struct iod_vtd_id id;
	uint64_t head, tail;
	uint32_t fsts;
	struct iod_vtd_iq *iq;
	struct iod_vtd_consume consume;
};

static bool is_device(const struct iod_vtd_desc *desc)
{
	return desc->type == IOD_VTD_DEV_TLB_INV || desc->type == IOD_VTD_P_DEV_TLB_INV;
}

/* --- The unit's side ---------------------------------------------------------------------------*/

static int obey_one(struct precopy_iommu *u, const struct iod_vtd_desc *desc)
{
	struct iod_cmd_effect effect;
	uint64_t first, last;
	int ret;

	if (is_device(desc)) {
		ret = iod_vtd_desc_dev_range(desc, &first, &last);
		return ret ? ret : precopy_iommu_obey_device(u, desc->sid, first, last);
	}
	ret = iod_vtd_desc_effect(&effect, desc);
	return ret ? ret : precopy_iommu_obey(u, &effect, desc->am > 0);
}

static int obey(void *cookie, const struct iod_vtd_raw_desc *descs, size_t nr, size_t *handled)
{
	struct precopy_iommu *u = cookie;
	const struct vtd *v = u->own;
	struct iod_vtd_desc desc;
	int ret = 0;

	for (*handled = 0; *handled < nr && !ret; *handled += !ret) {
		ret = iod_vtd_desc_decode(&desc, &descs[*handled], &v->id, IOD_VTD_DESC_128, NULL);
		if (!ret)
			ret = obey_one(u, &desc);
	}
	return ret;
}

/* What it obeyed is complete when iod_iotlb_invalidate() returned. */
static int obey_wait(void *cookie, const struct iod_vtd_desc *wait)
{
	struct precopy_iommu *u = cookie;

	(void)wait;
	u->did.syncs++;
	return 0;
}

static void doorbell(void *cookie)
{
	struct precopy_iommu *u = cookie;
	struct vtd *v = u->own;

	pthread_mutex_lock(&u->turn);
	iod_vtd_iq_consume(&v->consume); /* an error is in the registers */
	pthread_mutex_unlock(&u->turn);
}

/* --- The driver's side -------------------------------------------------------------------------*/

/* Descriptors that --break leaves out. */
static int leave_out(void *cookie, struct iod_vtd_raw_desc *descs, size_t *nr, size_t max)
{
	const struct precopy_iommu *u = cookie;
	const struct vtd *v = u->own;
	struct iod_vtd_desc desc;
	size_t i, kept = 0;

	(void)max;
	for (i = 0; i < *nr; i++) {
		iod_vtd_desc_decode(&desc, &descs[i], &v->id, IOD_VTD_DESC_128, NULL);
		if (!precopy_iommu_leaves_out(u, is_device(&desc)))
			descs[kept++] = descs[i];
	}
	*nr = kept;
	return 0;
}

/* The ring has descriptors of 128 bits; the status of waits lies behind it. */
static int create_queue(struct precopy_iommu *u, struct vtd *v)
{
	static const struct iod_vtd_consumer_ops ops = { .size = sizeof(ops),
							 .commands = obey,
							 .sync = obey_wait };
	struct iod_vtd_iq_cfg cfg = {
		.size = sizeof(cfg),
		.mem = u->vm->mem,
		.base = u->ring,
		.head = &v->head,
		.tail = &v->tail,
		.fsts = &v->fsts,
		.status = u->ring + PRECOPY_RING_LEN,
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

static int create_inv(struct precopy_iommu *u, struct vtd *v)
{
	struct iod_vtd_sink sink = { .size = sizeof(sink) };
	struct iod_vtd_inv_cfg cfg = {
		.size = sizeof(cfg),
		.id = &v->id,
		.sink = &sink,
		.stage = u->stage,
		.did = PRECOPY_ID,
		.quirk = u->vm->opts->violation ? leave_out : NULL,
		.quirk_cookie = u,
	};
	struct iod_vtd_inv *inv = NULL;
	int ret = iod_vtd_iq_sink(v->iq, &sink);

	if (!ret)
		ret = iod_vtd_inv_create(&inv, &cfg);
	u->inv = inv;
	u->ops = iod_vtd_inv_ops();
	return ret;
}

static uint64_t vtd_tag(unsigned stage)
{
	return stage == 2 ? IOD_VTD_TAG_S2(PRECOPY_ID) : IOD_VTD_TAG_S1(PRECOPY_ID, 0);
}

static int vtd_create(struct precopy_iommu *u)
{
	struct vtd *v = calloc(1, sizeof(*v));
	int ret;

	u->own = v;
	if (!v)
		return -ENOMEM;
	ret = iod_vtd_id_full(&v->id);
	if (!ret)
		ret = create_queue(u, v);
	return ret ? ret : create_inv(u, v);
}

static int vtd_add_device(struct precopy_iommu *u, uint32_t device)
{
	struct iod_vtd_ats_device dev = { .size = sizeof(dev),
					  .sid = (uint16_t)device,
					  .pfsid = (uint16_t)device };

	return iod_vtd_inv_add_device(u->inv, &dev);
}

static void vtd_destroy(struct precopy_iommu *u)
{
	struct vtd *v = u->own;

	if (u->inv)
		iod_vtd_inv_destroy(u->inv);
	if (v && v->iq)
		iod_vtd_iq_destroy(v->iq);
	free(v);
}

const struct precopy_vendor precopy_vendor_vtd = {
	.formats = PRECOPY_F(IOD_VTD_SS) | PRECOPY_F(IOD_VTD_FS),
	.first_stage = IOD_VTD_FS,
	.words = { "remapping unit", "IOTLB invalidations", "device-TLB invalidations", "waits" },
	.tag = vtd_tag,
	.create = vtd_create,
	.add_device = vtd_add_device,
	.destroy = vtd_destroy,
};
