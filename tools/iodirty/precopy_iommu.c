/* SPDX-License-Identifier: MIT */
/* What the IOMMUs of all vendors share in `iodirty precopy`. */
#include "precopy_iommu.h"

#include <errno.h>
#include <stdlib.h>

static const struct precopy_vendor *vendor_of(enum iod_format format)
{
	static const struct precopy_vendor *const vendors[] = { &precopy_vendor_smmu,
								&precopy_vendor_vtd,
								&precopy_vendor_amdvi };
	unsigned i = 0;

	while (!(vendors[i]->formats & PRECOPY_F(format)))
		i++;
	return vendors[i];
}

static unsigned stage_of(const struct precopy_vendor *vendor, enum iod_format format)
{
	return format == vendor->first_stage ? 1 : 2;
}

uint64_t precopy_iommu_tag(enum iod_format format)
{
	const struct precopy_vendor *vendor = vendor_of(format);

	return vendor->tag(stage_of(vendor, format));
}

const struct precopy_words *precopy_iommu_words(enum iod_format format)
{
	return &vendor_of(format)->words;
}

/* --- Obeying -----------------------------------------------------------------------------------*/

int precopy_iommu_obey(struct precopy_iommu *u, const struct iod_cmd_effect *effect, bool is_range)
{
	u->did.tlbi++;
	u->did.ranges += is_range;
	if (u->stage == 2)
		return precopy_vm_obey(u->vm, effect->s2, effect->nr_s2);
	return precopy_vm_obey(u->vm, effect->s1, effect->nr_s1);
}

int precopy_iommu_obey_device(struct precopy_iommu *u, uint32_t device, uint64_t first,
			      uint64_t last)
{
	struct iod_inv inv = {
		.kind = IOD_INV_RANGE, .domain = u->tag, .iova = first, .last = last
	};
	struct iod_iotlb *atc = precopy_vm_atc(u->vm, device);

	if (!atc)
		return -EINVAL;
	u->did.atc++;
	return iod_iotlb_invalidate(atc, &inv, 1);
}

bool precopy_iommu_leaves_out(const struct precopy_iommu *u, bool to_device)
{
	enum precopy_break violation = u->vm->opts->violation;

	return violation == PRECOPY_BREAK_SKIP_INVALIDATE ||
	       (to_device && violation == PRECOPY_BREAK_SKIP_ATC);
}

/* --- Life --------------------------------------------------------------------------------------*/

/* Each device with a cache of its own is known by its number. */
static int add_devices(struct precopy_iommu *u)
{
	uint32_t device = 0;
	int ret = 0;

	for (; !ret && device < PRECOPY_MAX_AGENTS; device++)
		if (precopy_vm_atc(u->vm, device))
			ret = u->vendor->add_device(u, device);
	if (!ret && u->vm->opts->unplug) /* it is not there yet */
		ret = u->vendor->add_device(u, device);
	return ret;
}

int precopy_iommu_create(struct precopy_vm *vm, enum iod_format format)
{
	struct precopy_iommu *u = calloc(1, sizeof(*u));
	int ret;

	vm->what = "cannot create the IOMMU's command queue";
	if (!u)
		return -ENOMEM;
	vm->iommu = u;
	u->vm = vm;
	u->vendor = vendor_of(format);
	u->stage = stage_of(u->vendor, format);
	u->tag = u->vendor->tag(u->stage);
	pthread_mutex_init(&u->turn, NULL);
	ret = iod_mem_alloc(vm->mem, 2 * PRECOPY_RING_LEN, &u->ring);
	if (!ret)
		ret = u->vendor->create(u);
	return ret ? ret : add_devices(u);
}

void precopy_iommu_gather(const struct precopy_iommu *u, struct iod_gather_cfg *cfg)
{
	cfg->ops = u->ops;
	cfg->cookie = u->inv;
}

void precopy_iommu_did(const struct precopy_iommu *u, struct precopy_commands *did)
{
	if (u)
		*did = u->did;
}

void precopy_iommu_destroy(struct precopy_iommu *u)
{
	if (!u)
		return;
	u->vendor->destroy(u);
	if (u->ring)
		iod_mem_free(u->vm->mem, u->ring, 2 * PRECOPY_RING_LEN);
	pthread_mutex_destroy(&u->turn);
	free(u);
}
