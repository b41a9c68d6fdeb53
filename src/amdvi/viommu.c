/* SPDX-License-Identifier: MIT */
/* The object behind a guest's AMD-Vi: what it is shown, creation, devices, DomainIDs. */
#include "amdvi/viommu.h"

#include <errno.h>
#include <string.h>

#include "bits.h"
#include "inv_cost.h"
#include "pgtable/mem.h"

#define KNOWN_FLAGS                                                                              \
	(IOD_AMDVI_VIOMMU_ALLOW_PPR | IOD_AMDVI_VIOMMU_ACCEPT_WAIT |                             \
	 IOD_AMDVI_VIOMMU_STRICT_IOTLB | IOD_AMDVI_VIOMMU_SYNC_EACH | IOD_AMDVI_VIOMMU_NO_SYNC | \
	 IOD_AMDVI_VIOMMU_REPEAT | IOD_AMDVI_VIOMMU_LITERAL)
#define DEFAULT_MAX_DEVICES 65536u

/* What a guest may be shown as the host has it. */
#define SHOWN_EFR                                                                                \
	(IOD_AMDVI_EFR_XTSUP | IOD_AMDVI_EFR_NXSUP | IOD_AMDVI_EFR_GTSUP | IOD_AMDVI_EFR_IASUP | \
	 IOD_AMDVI_EFR_HATS | IOD_AMDVI_EFR_GATS | IOD_AMDVI_EFR_GLXSUP | IOD_AMDVI_EFR_PASMAX | \
	 IOD_AMDVI_EFR_USSUP | IOD_AMDVI_EFR_GIOSUP | IOD_AMDVI_EFR_INVIOTLBTYPESUP)
#define SHOWN_PPR                                                                     \
	(IOD_AMDVI_EFR_PPRSUP | IOD_AMDVI_EFR_EPHSUP | IOD_AMDVI_EFR_PPROVRFLWEARLY | \
	 IOD_AMDVI_EFR_BLKSTOPMRKSUP)
/* What the guest may not have unless the host has it. */
#define SUBSET_EFR                                                                     \
	(IOD_AMDVI_EFR_NXSUP | IOD_AMDVI_EFR_GTSUP | IOD_AMDVI_EFR_USSUP | SHOWN_PPR | \
	 IOD_AMDVI_EFR_GIOSUP | IOD_AMDVI_EFR_INVIOTLBTYPESUP)
/* What is never the guest's here. */
#define HOST_EFR (IOD_AMDVI_EFR_GAPPISUP | IOD_AMDVI_EFR_GASUP | IOD_AMDVI_EFR_SNPSUP)

/* GCR3 tables of a guest lie where the host's table says: only newer hardware looks for them there. */
static bool nests(const struct iod_amdvi_id *id)
{
	return (id->efr & IOD_AMDVI_EFR_GTSUP) && (id->efr2 & IOD_AMDVI_EFR2_GCR3TRPMODE);
}

int iod_amdvi_viommu_expose(struct iod_amdvi_id *guest, const struct iod_amdvi_id *host,
			    uint32_t flags)
{
	struct iod_amdvi_id id;

	if (!guest || !host || (flags & ~IOD_AMDVI_VIOMMU_ALLOW_PPR))
		return -EINVAL;
	if (!nests(host))
		return -EOPNOTSUPP;
	memset(&id, 0, sizeof(id));
	id.efr = host->efr & SHOWN_EFR;
	if (flags & IOD_AMDVI_VIOMMU_ALLOW_PPR)
		id.efr |= host->efr & SHOWN_PPR;
	*guest = id;
	return 0;
}

static bool field_more(uint64_t guest, uint64_t host, uint64_t mask)
{
	return (guest & mask) > (host & mask);
}

static bool shows_more(const struct iod_amdvi_id *guest, const struct iod_amdvi_id *host)
{
	return (guest->efr & HOST_EFR) || (guest->efr & ~host->efr & SUBSET_EFR) ||
	       field_more(guest->efr, host->efr, IOD_AMDVI_EFR_GATS) ||
	       field_more(guest->efr, host->efr, IOD_AMDVI_EFR_GLXSUP) ||
	       field_more(guest->efr, host->efr, IOD_AMDVI_EFR_PASMAX);
}

static int cfg_check(const struct iod_amdvi_viommu_cfg *cfg)
{
	const uint32_t both = IOD_AMDVI_VIOMMU_SYNC_EACH | IOD_AMDVI_VIOMMU_NO_SYNC;

	if ((cfg->flags & ~KNOWN_FLAGS) || (cfg->flags & both) == both || !cfg->sink ||
	    cfg->first_domain > cfg->last_domain || cfg->max_pasid > BIT64(20))
		return -EINVAL;
	if (!nests(&cfg->host))
		return -EOPNOTSUPP;
	if (!(cfg->guest.efr & IOD_AMDVI_EFR_GTSUP) || shows_more(&cfg->guest, &cfg->host))
		return -EINVAL;
	return 0;
}

/* How commands are translated follows from the configuration. */
static void set_policy(struct iod_amdvi_viommu *v, const struct iod_inv_cost *cost)
{
	const struct iod_amdvi_viommu_cfg *cfg = &v->cfg;
	unsigned int bits = iod_amdvi_id_field(cfg->guest.efr, IOD_AMDVI_EFR_PASMAX) + 1;

	v->joins = !(cfg->flags & (IOD_AMDVI_VIOMMU_LITERAL | IOD_AMDVI_VIOMMU_SYNC_EACH));
	v->expand = iod_inv_narrow_limit(cost, cost->domain, 0);
	if (v->expand > IOD_AMDVI_VIOMMU_MAX_EXPAND)
		v->expand = IOD_AMDVI_VIOMMU_MAX_EXPAND;
	v->pasids = (uint32_t)BIT64(bits < 20 ? bits : 20);
	if (cfg->max_pasid && cfg->max_pasid < v->pasids)
		v->pasids = cfg->max_pasid;
	v->next_domain = cfg->first_domain;
	iod_amdvi_probe(v);
}

static int take_in(struct iod_amdvi_viommu *init, const struct iod_amdvi_viommu_cfg *cfg)
{
	struct iod_inv_cost cost;
	int ret = iod_struct_in(&init->cfg, sizeof(init->cfg), cfg, sizeof(init->cfg));

	if (!ret)
		ret = cfg_check(&init->cfg);
	if (!ret)
		ret = iod_struct_in(&init->sink, sizeof(init->sink), init->cfg.sink,
				    sizeof(init->sink));
	if (!ret && !init->sink.issue)
		ret = -EINVAL;
	if (!ret)
		ret = iod_inv_cost_in(&cost, init->cfg.cost);
	if (!ret)
		ret = iod_allocator_init(&init->allocator, init->cfg.allocator);
	if (!ret)
		set_policy(init, &cost);
	return ret;
}

int iod_amdvi_viommu_create(struct iod_amdvi_viommu **out, const struct iod_amdvi_viommu_cfg *cfg)
{
	struct iod_amdvi_viommu init, *v;
	uint32_t max[GUEST_TABLES];
	int ret;

	memset(&init, 0, sizeof(init));
	if (!out)
		return -EINVAL;
	ret = take_in(&init, cfg);
	if (ret)
		return ret;
	v = iod_zalloc(&init.allocator, sizeof(*v));
	if (!v)
		return -ENOMEM;
	*v = init;
	v->cfg.sink = NULL; /* copied, and the caller's may be gone */
	v->cfg.cost = NULL;
	v->cfg.allocator = NULL;
	max[DEVICES] = v->cfg.max_devices ? v->cfg.max_devices : DEFAULT_MAX_DEVICES;
	max[DOMAINS] = (uint32_t)v->cfg.last_domain - v->cfg.first_domain + 1;
	ret = iod_guest_core_init(&v->core, &iod_amdvi_guest_ops, &v->allocator, max, 2);
	if (ret) {
		iod_zfree(&init.allocator, v, sizeof(*v));
		return ret;
	}
	*out = v;
	return 0;
}

int iod_amdvi_viommu_destroy(struct iod_amdvi_viommu *v)
{
	struct iod_allocator allocator;

	if (!v)
		return -EINVAL;
	allocator = v->allocator;
	iod_guest_core_fini(&v->core);
	iod_zfree(&allocator, v, sizeof(*v));
	return 0;
}

int iod_amdvi_viommu_get_stats(struct iod_amdvi_viommu *v, struct iod_viommu_stats *stats)
{
	return v ? iod_guest_core_stats(&v->core, stats) : -EINVAL;
}

/* ---- devices ---- */

static bool state_known(enum iod_vdev_state state)
{
	return (uint32_t)state <= IOD_VDEV_BLOCKED;
}

int iod_amdvi_viommu_add(struct iod_amdvi_viommu *v, const struct iod_amdvi_vdev *user)
{
	struct iod_amdvi_vdev dev;
	int ret = iod_struct_in(&dev, sizeof(dev), user, sizeof(dev));

	if (ret)
		return ret;
	if (!v || !state_known(dev.state) || dev.reserved[0] || dev.reserved[1] || dev.reserved[2])
		return -EINVAL;
	return iod_vdevs_add(&v->core.table[DEVICES], dev.vdevid, dev.devid,
			     (uint32_t)dev.state | (uint32_t)dev.maxpend << VDEV_MAXPEND_SHIFT);
}

int iod_amdvi_viommu_remove(struct iod_amdvi_viommu *v, uint16_t vdevid)
{
	return v ? iod_guest_device_remove(&v->core, vdevid) : -EINVAL;
}

int iod_amdvi_viommu_set_state(struct iod_amdvi_viommu *v, uint16_t vdevid,
			       enum iod_vdev_state state)
{
	if (!v || !state_known(state))
		return -EINVAL;
	return iod_guest_device_change(&v->core, vdevid, VDEV_STATE, (uint32_t)state);
}

static int tell(struct iod_amdvi_viommu *v, struct iod_amdvi_vdev *user, uint32_t key,
		struct iod_vdev *(*find)(const struct iod_vdevs *vdevs, uint32_t key))
{
	struct iod_amdvi_vdev dev;
	const struct iod_vdev *found;
	unsigned int ticket;

	if (!v)
		return -EINVAL;
	memset(&dev, 0, sizeof(dev));
	ticket = iod_vdevs_enter(&v->core.table[DEVICES]);
	found = find(&v->core.table[DEVICES], key);
	if (found) {
		uint32_t word = iod_vdev_word(found);

		dev.vdevid = (uint16_t)found->vid;
		dev.devid = (uint16_t)found->id;
		dev.state = (enum iod_vdev_state)(word & VDEV_STATE);
		dev.maxpend = (uint8_t)((word & VDEV_MAXPEND) >> VDEV_MAXPEND_SHIFT);
	}
	iod_vdevs_leave(&v->core.table[DEVICES], ticket);
	if (!found)
		return -ENOENT;
	return iod_struct_out(user, &dev, sizeof(dev), sizeof(dev));
}

int iod_amdvi_viommu_lookup(struct iod_amdvi_viommu *v, uint16_t vdevid, struct iod_amdvi_vdev *dev)
{
	return tell(v, dev, vdevid, iod_vdevs_find);
}

int iod_amdvi_viommu_lookup_devid(struct iod_amdvi_viommu *v, uint16_t devid,
				  struct iod_amdvi_vdev *dev)
{
	return tell(v, dev, devid, iod_vdevs_find_id);
}

int64_t iod_amdvi_viommu_devices(struct iod_amdvi_viommu *v)
{
	return v ? (int64_t)iod_vdevs_count(&v->core.table[DEVICES]) : -EINVAL;
}

/* ---- DomainIDs ---- */

static int find(struct iod_amdvi_viommu *v, uint16_t key, bool host, uint16_t *out)
{
	const struct iod_vdev *found;
	struct iod_vdevs *vdevs;
	unsigned int ticket;

	if (!v || !out)
		return -EINVAL;
	vdevs = &v->core.table[DOMAINS];
	ticket = iod_vdevs_enter(vdevs);
	found = host ? iod_vdevs_find_id(vdevs, key) : iod_vdevs_find(vdevs, key);
	if (found)
		*out = (uint16_t)(host ? found->vid : found->id);
	iod_vdevs_leave(vdevs, ticket);
	return found ? 0 : -ENOENT;
}

int iod_amdvi_viommu_find_domain(struct iod_amdvi_viommu *v, uint16_t vdomain, uint16_t *domain)
{
	return find(v, vdomain, false, domain);
}

int iod_amdvi_viommu_find_vdomain(struct iod_amdvi_viommu *v, uint16_t domain, uint16_t *vdomain)
{
	return find(v, domain, true, vdomain);
}

static uint16_t next_domain(struct iod_amdvi_viommu *v)
{
	uint32_t old = __atomic_load_n(&v->next_domain, __ATOMIC_RELAXED), next;

	do {
		next = old == v->cfg.last_domain ? v->cfg.first_domain : old + 1;
	} while (!__atomic_compare_exchange_n(&v->next_domain, &old, next, false, __ATOMIC_RELAXED,
					      __ATOMIC_RELAXED));
	return (uint16_t)old;
}

int iod_amdvi_viommu_map_domain(struct iod_amdvi_viommu *v, uint16_t vdomain, uint16_t *domain)
{
	uint32_t tries;
	uint16_t id;
	int ret;

	if (!v || !domain)
		return -EINVAL;
	tries = (uint32_t)v->cfg.last_domain - v->cfg.first_domain + 1;
	do {
		if (!find(v, vdomain, false, domain))
			return 0;
		id = next_domain(v);
		ret = iod_vdevs_add(&v->core.table[DOMAINS], vdomain, id, 0);
	} while (ret == -EEXIST && --tries);
	if (!ret)
		*domain = id;
	return ret == -EEXIST ? -ENOSPC : ret;
}

int iod_amdvi_viommu_unmap_domain(struct iod_amdvi_viommu *v, uint16_t vdomain)
{
	return v ? iod_vdevs_remove(&v->core.table[DOMAINS], vdomain) : -EINVAL;
}

struct list {
	uint16_t *out;
	size_t nr, max;
};

static int list_one(void *cookie, const struct iod_vdev *domain)
{
	struct list *list = cookie;

	if (list->nr < list->max)
		list->out[list->nr] = (uint16_t)domain->id;
	list->nr++;
	return 0;
}

int iod_amdvi_viommu_domains(struct iod_amdvi_viommu *v, uint16_t *domains, size_t *nr)
{
	struct list list = { .out = domains };
	unsigned int ticket;

	if (!v || !nr || (*nr && !domains))
		return -EINVAL;
	list.max = *nr;
	ticket = iod_vdevs_enter(&v->core.table[DOMAINS]);
	(void)iod_vdevs_each(&v->core.table[DOMAINS], list_one, &list);
	iod_vdevs_leave(&v->core.table[DOMAINS], ticket);
	*nr = list.nr;
	return list.nr > list.max ? -ENOSPC : 0;
}

/* ---- iommufd ---- */

int iod_amdvi_iommufd_hw_info(struct iod_iommufd_hw_info_amd *info, const struct iod_amdvi_id *id)
{
	if (!info || !id)
		return -EINVAL;
	info->efr = id->efr;
	info->efr2 = id->efr2;
	return 0;
}

int iod_amdvi_iommufd_id(struct iod_amdvi_id *id, const struct iod_iommufd_hw_info_amd *info)
{
	if (!info || !id)
		return -EINVAL;
	id->efr = info->efr;
	id->efr2 = info->efr2;
	return 0;
}
