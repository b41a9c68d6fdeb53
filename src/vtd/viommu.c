/* SPDX-License-Identifier: MIT */
/* The object behind a guest's VT-d: what it is shown, creation, devices, domain ids, PASIDs. */
#include "vtd/viommu.h"

#include <errno.h>
#include <string.h>

#include "bits.h"
#include "inv_cost.h"
#include "pgtable/mem.h"
#include "vtd/id.h"

#define KNOWN_FLAGS                                                                              \
	(IOD_VTD_VIOMMU_ALLOW_PRI | IOD_VTD_VIOMMU_ACCEPT_WAIT | IOD_VTD_VIOMMU_STRICT_DEV_TLB | \
	 IOD_VTD_VIOMMU_SYNC_EACH | IOD_VTD_VIOMMU_NO_SYNC | IOD_VTD_VIOMMU_REPEAT |             \
	 IOD_VTD_VIOMMU_LITERAL | IOD_VTD_VIOMMU_MAP_PASIDS)
#define DEFAULT_MAX_DEVICES 65536u
#define DEFAULT_MAX_DOMAINS 1024u
#define DEFAULT_MAX_PASIDS  65536u

/* What a guest may be shown as the host has it. */
#define SHOWN_CAP                                                                  \
	(IOD_VTD_CAP_ND | IOD_VTD_CAP_SAGAW | IOD_VTD_CAP_MGAW | IOD_VTD_CAP_FRO | \
	 IOD_VTD_CAP_PSI | IOD_VTD_CAP_NFR | IOD_VTD_CAP_MAMV | IOD_VTD_CAP_DWD |  \
	 IOD_VTD_CAP_DRD | IOD_VTD_CAP_FS1GP | IOD_VTD_CAP_FS5LP | IOD_VTD_CAP_ESRTPS)
#define SHOWN_ECAP                                                                                \
	(IOD_VTD_ECAP_C | IOD_VTD_ECAP_QI | IOD_VTD_ECAP_DT | IOD_VTD_ECAP_PT | IOD_VTD_ECAP_SC | \
	 IOD_VTD_ECAP_IRO | IOD_VTD_ECAP_SRS | IOD_VTD_ECAP_NWFS | IOD_VTD_ECAP_EAFS |            \
	 IOD_VTD_ECAP_PSS | IOD_VTD_ECAP_PASID | IOD_VTD_ECAP_SMTS | IOD_VTD_ECAP_FSTS |          \
	 IOD_VTD_ECAP_SMPWCS | IOD_VTD_ECAP_RPS | IOD_VTD_ECAP_RPRIVS)
#define SHOWN_PRI (IOD_VTD_ECAP_PRS | IOD_VTD_ECAP_PDS | IOD_VTD_ECAP_SMS)

/* What is never the guest's here: it takes a shadow, or reaches what is the host's. */
#define HOST_CAP  (IOD_VTD_CAP_CM)
#define HOST_ECAP (IOD_VTD_ECAP_NEST | IOD_VTD_ECAP_SSTS | IOD_VTD_ECAP_SSADS | IOD_VTD_ECAP_VCS)
/* What the guest may not have unless the host has it. */
#define SUBSET_CAP (IOD_VTD_CAP_FS1GP | IOD_VTD_CAP_FS5LP)
#define SUBSET_ECAP                                                                         \
	(IOD_VTD_ECAP_DT | IOD_VTD_ECAP_SRS | IOD_VTD_ECAP_NWFS | IOD_VTD_ECAP_EAFS |       \
	 IOD_VTD_ECAP_PASID | IOD_VTD_ECAP_SMTS | IOD_VTD_ECAP_FSTS | IOD_VTD_ECAP_SMPWCS | \
	 IOD_VTD_ECAP_PRS | IOD_VTD_ECAP_PDS | IOD_VTD_ECAP_ERS)

static bool nests(const struct iod_vtd_id *id)
{
	const uint64_t all = IOD_VTD_ECAP_QI | IOD_VTD_ECAP_SMTS | IOD_VTD_ECAP_FSTS |
			     IOD_VTD_ECAP_SSTS | IOD_VTD_ECAP_NEST;

	return (id->ecap & all) == all;
}

int iod_vtd_viommu_expose(struct iod_vtd_id *guest, const struct iod_vtd_id *host, uint32_t flags)
{
	struct iod_vtd_id id;

	if (!guest || !host || (flags & ~IOD_VTD_VIOMMU_ALLOW_PRI))
		return -EINVAL;
	if (!nests(host))
		return -EOPNOTSUPP;
	memset(&id, 0, sizeof(id));
	id.ver = host->ver;
	id.cap = host->cap & SHOWN_CAP;
	id.ecap = host->ecap & SHOWN_ECAP;
	if (flags & IOD_VTD_VIOMMU_ALLOW_PRI)
		id.ecap |= host->ecap & SHOWN_PRI;
	*guest = id;
	return 0;
}

static bool shows_more(const struct iod_vtd_id *guest, const struct iod_vtd_id *host)
{
	return (guest->cap & HOST_CAP) || (guest->ecap & HOST_ECAP) ||
	       (guest->cap & ~host->cap & SUBSET_CAP) ||
	       (guest->ecap & ~host->ecap & SUBSET_ECAP) ||
	       (guest->ecap & IOD_VTD_ECAP_PSS) > (host->ecap & IOD_VTD_ECAP_PSS);
}

static int cfg_check(const struct iod_vtd_viommu_cfg *cfg)
{
	const uint32_t both = IOD_VTD_VIOMMU_SYNC_EACH | IOD_VTD_VIOMMU_NO_SYNC;
	const uint64_t must = IOD_VTD_ECAP_QI | IOD_VTD_ECAP_SMTS | IOD_VTD_ECAP_FSTS;

	if ((cfg->flags & ~KNOWN_FLAGS) || (cfg->flags & both) == both || !cfg->sink)
		return -EINVAL;
	if (!nests(&cfg->host))
		return -EOPNOTSUPP;
	if ((cfg->guest.ecap & must) != must || shows_more(&cfg->guest, &cfg->host))
		return -EINVAL;
	if ((cfg->guest.ecap & IOD_VTD_ECAP_PDS) && !cfg->drain)
		return -EINVAL;
	return 0;
}

/* How descriptors are translated follows from the configuration. */
static void set_policy(struct iod_vtd_viommu *v, const struct iod_inv_cost *cost)
{
	const struct iod_vtd_viommu_cfg *cfg = &v->cfg;

	v->joins = !(cfg->flags & (IOD_VTD_VIOMMU_LITERAL | IOD_VTD_VIOMMU_SYNC_EACH));
	v->map_pasids = cfg->flags & IOD_VTD_VIOMMU_MAP_PASIDS;
	v->mamv = iod_vtd_id_field(cfg->host.cap, IOD_VTD_CAP_MAMV);
	v->pasid_bits = vtd_pasid_bits(&cfg->host);
	/* No page-selective invalidation: everything of the PASID is the only one there is. */
	v->expand =
		cfg->host.cap & IOD_VTD_CAP_PSI ? iod_inv_narrow_limit(cost, cost->domain, 0) : 0;
	if (v->expand > IOD_VTD_VIOMMU_MAX_EXPAND)
		v->expand = IOD_VTD_VIOMMU_MAX_EXPAND;
	v->vpasid_bits = cfg->guest.ecap & IOD_VTD_ECAP_PASID
				 ? iod_vtd_id_field(cfg->guest.ecap, IOD_VTD_ECAP_PSS) + 1
				 : 20;
	iod_vtd_probe(v);
}

static int take_in(struct iod_vtd_viommu *init, const struct iod_vtd_viommu_cfg *cfg)
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

static uint32_t or_default(uint32_t max, uint32_t value)
{
	return max ? max : value;
}

int iod_vtd_viommu_create(struct iod_vtd_viommu **out, const struct iod_vtd_viommu_cfg *cfg)
{
	struct iod_vtd_viommu init, *v;
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
	max[DEVICES] = or_default(v->cfg.max_devices, DEFAULT_MAX_DEVICES);
	max[DOMAINS] = or_default(v->cfg.max_domains, DEFAULT_MAX_DOMAINS);
	max[PASIDS] = or_default(v->cfg.max_pasids, DEFAULT_MAX_PASIDS);
	ret = iod_guest_core_init(&v->core, &iod_vtd_guest_ops, &v->allocator, max,
				  v->map_pasids ? 3 : 2);
	if (ret) {
		iod_zfree(&init.allocator, v, sizeof(*v));
		return ret;
	}
	*out = v;
	return 0;
}

int iod_vtd_viommu_destroy(struct iod_vtd_viommu *v)
{
	struct iod_allocator allocator;

	if (!v)
		return -EINVAL;
	allocator = v->allocator;
	iod_guest_core_fini(&v->core);
	iod_zfree(&allocator, v, sizeof(*v));
	return 0;
}

int iod_vtd_viommu_get_stats(struct iod_vtd_viommu *v, struct iod_viommu_stats *stats)
{
	return v ? iod_guest_core_stats(&v->core, stats) : -EINVAL;
}

/* ---- devices ---- */

static bool state_known(enum iod_vdev_state state)
{
	return (uint32_t)state <= IOD_VDEV_BLOCKED;
}

int iod_vtd_viommu_add(struct iod_vtd_viommu *v, const struct iod_vtd_vdev *user)
{
	struct iod_vtd_vdev dev;
	int ret = iod_struct_in(&dev, sizeof(dev), user, sizeof(dev));

	if (ret)
		return ret;
	if (!v || !state_known(dev.state) || dev.mip > 0x1f || dev.reserved)
		return -EINVAL;
	return iod_vdevs_add(&v->core.table[DEVICES], dev.vsid, dev.sid,
			     (uint32_t)dev.state | (uint32_t)dev.mip << VDEV_MIP_SHIFT |
				     (uint32_t)dev.pfsid << VDEV_PFSID_SHIFT);
}

int iod_vtd_viommu_remove(struct iod_vtd_viommu *v, uint16_t vsid)
{
	return v ? iod_guest_device_remove(&v->core, vsid) : -EINVAL;
}

int iod_vtd_viommu_set_state(struct iod_vtd_viommu *v, uint16_t vsid, enum iod_vdev_state state)
{
	if (!v || !state_known(state))
		return -EINVAL;
	return iod_guest_device_change(&v->core, vsid, VDEV_STATE, (uint32_t)state);
}

static int tell(struct iod_vtd_viommu *v, struct iod_vtd_vdev *user, uint32_t key,
		struct iod_vdev *(*find)(const struct iod_vdevs *vdevs, uint32_t key))
{
	struct iod_vtd_vdev dev;
	const struct iod_vdev *found;
	unsigned int ticket;

	if (!v)
		return -EINVAL;
	memset(&dev, 0, sizeof(dev));
	ticket = iod_vdevs_enter(&v->core.table[DEVICES]);
	found = find(&v->core.table[DEVICES], key);
	if (found) {
		uint32_t word = iod_vdev_word(found);

		dev.vsid = (uint16_t)found->vid;
		dev.sid = (uint16_t)found->id;
		dev.state = (enum iod_vdev_state)(word & VDEV_STATE);
		dev.mip = (uint8_t)((word & VDEV_MIP) >> VDEV_MIP_SHIFT);
		dev.pfsid = (uint16_t)((word & VDEV_PFSID) >> VDEV_PFSID_SHIFT);
	}
	iod_vdevs_leave(&v->core.table[DEVICES], ticket);
	if (!found)
		return -ENOENT;
	return iod_struct_out(user, &dev, sizeof(dev), sizeof(dev));
}

int iod_vtd_viommu_lookup(struct iod_vtd_viommu *v, uint16_t vsid, struct iod_vtd_vdev *dev)
{
	return tell(v, dev, vsid, iod_vdevs_find);
}

int iod_vtd_viommu_lookup_sid(struct iod_vtd_viommu *v, uint16_t sid, struct iod_vtd_vdev *dev)
{
	return tell(v, dev, sid, iod_vdevs_find_id);
}

int64_t iod_vtd_viommu_devices(struct iod_vtd_viommu *v)
{
	return v ? (int64_t)iod_vdevs_count(&v->core.table[DEVICES]) : -EINVAL;
}

/* ---- domain ids, PASIDs ---- */

static unsigned int did_bits(const struct iod_vtd_id *id)
{
	unsigned int nd = iod_vtd_id_field(id->cap, IOD_VTD_CAP_ND);

	return nd >= 6 ? 16 : 4 + 2 * nd;
}

int iod_vtd_viommu_map_domain(struct iod_vtd_viommu *v, uint16_t vdid, uint16_t did)
{
	if (!v)
		return -EINVAL;
	if (vdid >> did_bits(&v->cfg.guest) || did >> did_bits(&v->cfg.host))
		return -ERANGE;
	return iod_vdevs_add(&v->core.table[DOMAINS], vdid, did, 0);
}

int iod_vtd_viommu_unmap_domain(struct iod_vtd_viommu *v, uint16_t vdid)
{
	return v ? iod_vdevs_remove(&v->core.table[DOMAINS], vdid) : -EINVAL;
}

static int find(struct iod_vtd_viommu *v, enum vtd_table table, uint32_t key, bool host,
		uint32_t *out)
{
	struct iod_vdevs *vdevs = &v->core.table[table];
	unsigned int ticket = iod_vdevs_enter(vdevs);
	const struct iod_vdev *found =
		host ? iod_vdevs_find_id(vdevs, key) : iod_vdevs_find(vdevs, key);

	if (found)
		*out = host ? found->vid : found->id;
	iod_vdevs_leave(vdevs, ticket);
	return found ? 0 : -ENOENT;
}

static int find_domain(struct iod_vtd_viommu *v, uint16_t key, bool host, uint16_t *out)
{
	uint32_t id = 0;
	int ret;

	if (!v || !out)
		return -EINVAL;
	ret = find(v, DOMAINS, key, host, &id);
	if (!ret)
		*out = (uint16_t)id;
	return ret;
}

int iod_vtd_viommu_find_domain(struct iod_vtd_viommu *v, uint16_t vdid, uint16_t *did)
{
	return find_domain(v, vdid, false, did);
}

int iod_vtd_viommu_find_vdomain(struct iod_vtd_viommu *v, uint16_t did, uint16_t *vdid)
{
	return find_domain(v, did, true, vdid);
}

int iod_vtd_viommu_map_pasid(struct iod_vtd_viommu *v, uint32_t vpasid, uint32_t pasid)
{
	if (!v)
		return -EINVAL;
	if (!v->map_pasids)
		return -EOPNOTSUPP;
	if (vpasid >> v->vpasid_bits || pasid >> 20)
		return -ERANGE;
	return iod_vdevs_add(&v->core.table[PASIDS], vpasid, pasid, 0);
}

int iod_vtd_viommu_unmap_pasid(struct iod_vtd_viommu *v, uint32_t vpasid)
{
	if (!v)
		return -EINVAL;
	return v->map_pasids ? iod_vdevs_remove(&v->core.table[PASIDS], vpasid) : -EOPNOTSUPP;
}

static int find_pasid(struct iod_vtd_viommu *v, uint32_t key, bool host, uint32_t *out)
{
	if (!v || !out)
		return -EINVAL;
	if (v->map_pasids)
		return find(v, PASIDS, key, host, out);
	if (key >> v->vpasid_bits)
		return -ENOENT;
	*out = key;
	return 0;
}

int iod_vtd_viommu_find_pasid(struct iod_vtd_viommu *v, uint32_t vpasid, uint32_t *pasid)
{
	return find_pasid(v, vpasid, false, pasid);
}

int iod_vtd_viommu_find_vpasid(struct iod_vtd_viommu *v, uint32_t pasid, uint32_t *vpasid)
{
	return find_pasid(v, pasid, true, vpasid);
}
