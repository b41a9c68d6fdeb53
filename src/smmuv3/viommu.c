/* SPDX-License-Identifier: MIT */
/* The object behind a guest's SMMU: what it is shown, creation, devices, figures. */
#include "smmuv3/viommu.h"

#include <errno.h>
#include <string.h>

#include "atomic.h"
#include "inv_cost.h"
#include "pgtable/mem.h"
#include "smmuv3/id.h"

#define KNOWN_FLAGS	    (IOD_SMMUV3_VIOMMU_SHOW_RIL * 2 - 1)
#define DEFAULT_MAX_DEVICES 65536u

/* What a guest may be shown as the host has it. */
#define SHOWN_IDR0                                                                             \
	(IOD_SMMUV3_IDR0_S1P | IOD_SMMUV3_IDR0_TTF | IOD_SMMUV3_IDR0_COHACC |                  \
	 IOD_SMMUV3_IDR0_HTTU | IOD_SMMUV3_IDR0_ATS | IOD_SMMUV3_IDR0_NS1ATS |                 \
	 IOD_SMMUV3_IDR0_ASID16 | IOD_SMMUV3_IDR0_MSI | IOD_SMMUV3_IDR0_CD2L |                 \
	 IOD_SMMUV3_IDR0_TTENDIAN | IOD_SMMUV3_IDR0_STALL_MODEL | IOD_SMMUV3_IDR0_TERM_MODEL | \
	 IOD_SMMUV3_IDR0_ST_LEVEL)
#define SHOWN_IDR1                                                                    \
	(IOD_SMMUV3_IDR1_SIDSIZE | IOD_SMMUV3_IDR1_SSIDSIZE | IOD_SMMUV3_IDR1_EVTQS | \
	 IOD_SMMUV3_IDR1_CMDQS)
#define SHOWN_IDR3                                                                                \
	(IOD_SMMUV3_IDR3_HAD | IOD_SMMUV3_IDR3_STT | IOD_SMMUV3_IDR3_RIL | IOD_SMMUV3_IDR3_BBML | \
	 IOD_SMMUV3_IDR3_E0PD)
#define GRANULES   (IOD_SMMUV3_IDR5_GRAN4K | IOD_SMMUV3_IDR5_GRAN16K | IOD_SMMUV3_IDR5_GRAN64K)
#define SHOWN_IDR5 (IOD_SMMUV3_IDR5_OAS | GRANULES | IOD_SMMUV3_IDR5_DS | IOD_SMMUV3_IDR5_VAX)

/* What is never the guest's. */
#define HOST_IDR0 \
	(IOD_SMMUV3_IDR0_S2P | IOD_SMMUV3_IDR0_HYP | IOD_SMMUV3_IDR0_VMID16 | IOD_SMMUV3_IDR0_BTM)
/* What the guest may not have unless the host has it. */
#define SUBSET_IDR0                                                           \
	(IOD_SMMUV3_IDR0_S1P | IOD_SMMUV3_IDR0_TTF | IOD_SMMUV3_IDR0_COHACC | \
	 IOD_SMMUV3_IDR0_ATS | IOD_SMMUV3_IDR0_ASID16 | IOD_SMMUV3_IDR0_PRI | \
	 IOD_SMMUV3_IDR0_CD2L)
#define SUBSET_IDR3 \
	(IOD_SMMUV3_IDR3_HAD | IOD_SMMUV3_IDR3_STT | IOD_SMMUV3_IDR3_E0PD | IOD_SMMUV3_IDR3_PPS)
#define SUBSET_IDR5 (GRANULES | IOD_SMMUV3_IDR5_DS)

static bool has_both_stages(const struct iod_smmuv3_id *id)
{
	return (id->idr[0] & IOD_SMMUV3_IDR0_S1P) && (id->idr[0] & IOD_SMMUV3_IDR0_S2P);
}

int iod_smmuv3_viommu_expose(struct iod_smmuv3_id *guest, const struct iod_smmuv3_id *host,
			     uint32_t flags)
{
	struct iod_smmuv3_id id;

	if (!guest || !host ||
	    (flags & ~(IOD_SMMUV3_VIOMMU_ALLOW_PRI | IOD_SMMUV3_VIOMMU_ALLOW_RESUME |
		       IOD_SMMUV3_VIOMMU_SHOW_RIL)))
		return -EINVAL;
	if (!has_both_stages(host))
		return -EOPNOTSUPP;
	memset(&id, 0, sizeof(id));
	id.iidr = host->iidr;
	id.aidr = host->aidr;
	id.idr[0] = host->idr[0] & SHOWN_IDR0;
	id.idr[1] = host->idr[1] & SHOWN_IDR1;
	id.idr[3] = host->idr[3] & SHOWN_IDR3;
	id.idr[5] = host->idr[5] & SHOWN_IDR5;
	if (flags & IOD_SMMUV3_VIOMMU_SHOW_RIL)
		id.idr[3] |= IOD_SMMUV3_IDR3_RIL;
	if (flags & IOD_SMMUV3_VIOMMU_ALLOW_PRI) {
		id.idr[0] |= host->idr[0] & IOD_SMMUV3_IDR0_PRI;
		id.idr[1] |= host->idr[1] & IOD_SMMUV3_IDR1_PRIQS;
		id.idr[3] |= host->idr[3] & IOD_SMMUV3_IDR3_PPS;
	}
	if (flags & IOD_SMMUV3_VIOMMU_ALLOW_RESUME) {
		id.idr[5] |= host->idr[5] & ~(BIT64(IOD_SMMUV3_IDR5_STALL_MAX_SHIFT) - 1);
	} else {
		if (smmu_stall_model(host) == STALL_MODEL_FORCED)
			return -EOPNOTSUPP;
		id.idr[0] &= ~IOD_SMMUV3_IDR0_STALL_MODEL;
		id.idr[0] |= STALL_MODEL_NEVER << IOD_SMMUV3_IDR0_STALL_MODEL_SHIFT;
	}
	*guest = id;
	return 0;
}

static bool field_more(uint32_t guest, uint32_t host, uint32_t mask)
{
	return (guest & mask) > (host & mask);
}

/* Structures of the guest reach the host's hardware: what is legal for one is to be legal for the other. */
static bool shows_more(const struct iod_smmuv3_id *guest, const struct iod_smmuv3_id *host)
{
	const uint32_t *g = guest->idr, *h = host->idr;
	uint32_t endian = h[0] & IOD_SMMUV3_IDR0_TTENDIAN;

	if ((g[0] & HOST_IDR0) || (g[0] & ~h[0] & SUBSET_IDR0) || (g[3] & ~h[3] & SUBSET_IDR3) ||
	    (g[5] & ~h[5] & SUBSET_IDR5))
		return true;
	if (endian && (g[0] & IOD_SMMUV3_IDR0_TTENDIAN) != endian)
		return true;
	/* Stalls and terminations: one side allows two things where the other has one. */
	if (smmu_stall_model(host) && smmu_stall_model(guest) != smmu_stall_model(host))
		return true;
	if (h[0] & ~g[0] & IOD_SMMUV3_IDR0_TERM_MODEL)
		return true;
	return field_more(g[0], h[0], IOD_SMMUV3_IDR0_HTTU) ||
	       field_more(g[1], h[1], IOD_SMMUV3_IDR1_SSIDSIZE) ||
	       field_more(g[3], h[3], IOD_SMMUV3_IDR3_BBML) ||
	       field_more(g[5], h[5], IOD_SMMUV3_IDR5_OAS) ||
	       field_more(g[5], h[5], IOD_SMMUV3_IDR5_VAX);
}

static int cfg_check(const struct iod_smmuv3_viommu_cfg *cfg)
{
	const uint32_t both = IOD_SMMUV3_VIOMMU_SYNC_EACH | IOD_SMMUV3_VIOMMU_NO_SYNC;

	if ((cfg->flags & ~KNOWN_FLAGS) || (cfg->flags & both) == both || cfg->reserved[0] ||
	    cfg->reserved[1] || cfg->reserved[2] || !cfg->sink)
		return -EINVAL;
	if (!has_both_stages(&cfg->host))
		return -EOPNOTSUPP;
	if (!(cfg->host.idr[0] & IOD_SMMUV3_IDR0_VMID16) && cfg->vmid > 0xff)
		return -EINVAL;
	if (!(cfg->guest.idr[0] & IOD_SMMUV3_IDR0_S1P) || shows_more(&cfg->guest, &cfg->host))
		return -EINVAL;
	return 0;
}

/* Bit TG of each granule that the guest may use. */
static unsigned int granules_of(const struct iod_smmuv3_id *id)
{
	unsigned int set = 0;

	if (id->idr[5] & IOD_SMMUV3_IDR5_GRAN4K)
		set |= 1u << IOD_SMMUV3_TG_4K;
	if (id->idr[5] & IOD_SMMUV3_IDR5_GRAN16K)
		set |= 1u << IOD_SMMUV3_TG_16K;
	if (id->idr[5] & IOD_SMMUV3_IDR5_GRAN64K)
		set |= 1u << IOD_SMMUV3_TG_64K;
	return set;
}

/* How commands are translated follows from the configuration. */
static void set_policy(struct iod_smmuv3_viommu *v, const struct iod_inv_cost *cost)
{
	const struct iod_smmuv3_viommu_cfg *cfg = &v->cfg;
	unsigned int set = granules_of(&cfg->guest);

	v->ranges = (cfg->host.idr[3] & IOD_SMMUV3_IDR3_RIL) &&
		    !(cfg->flags & IOD_SMMUV3_VIOMMU_NO_RANGES);
	v->joins = !(cfg->flags & (IOD_SMMUV3_VIOMMU_LITERAL | IOD_SMMUV3_VIOMMU_SYNC_EACH));
	v->granules = (uint8_t)set;
	/* A range of one granule's command could miss entries of another one's tables. */
	v->single_tg = is_pow2(set) ? (uint8_t)ctz64(set) : 0;
	v->expand = iod_inv_narrow_limit(cost, cost->global, 0);
	if (v->expand > IOD_SMMUV3_VIOMMU_MAX_EXPAND)
		v->expand = IOD_SMMUV3_VIOMMU_MAX_EXPAND;
}

static int sink_check(struct iod_smmuv3_sink *sink, const struct iod_smmuv3_sink *user)
{
	int ret = iod_struct_in(sink, sizeof(*sink), user, sizeof(*sink));

	return ret || sink->issue ? ret : -EINVAL;
}

int iod_smmuv3_viommu_create(struct iod_smmuv3_viommu **out,
			     const struct iod_smmuv3_viommu_cfg *cfg)
{
	struct iod_smmuv3_viommu init, *v;
	struct iod_inv_cost cost;
	uint32_t max;
	int ret;

	memset(&init, 0, sizeof(init));
	if (!out)
		return -EINVAL;
	ret = iod_struct_in(&init.cfg, sizeof(init.cfg), cfg, sizeof(init.cfg));
	if (!ret)
		ret = cfg_check(&init.cfg);
	if (!ret)
		ret = sink_check(&init.sink, init.cfg.sink);
	if (!ret)
		ret = iod_inv_cost_in(&cost, init.cfg.cost);
	if (!ret)
		ret = iod_allocator_init(&init.allocator, init.cfg.allocator);
	if (ret)
		return ret;
	set_policy(&init, &cost);
	iod_viommu_probe(&init);
	v = iod_zalloc(&init.allocator, sizeof(*v));
	if (!v)
		return -ENOMEM;
	*v = init;
	v->cfg.sink = NULL; /* copied, and the caller's may be gone */
	v->cfg.cost = NULL;
	v->cfg.allocator = NULL;
	max = v->cfg.max_devices ? v->cfg.max_devices : DEFAULT_MAX_DEVICES;
	ret = iod_guest_core_init(&v->core, &iod_smmuv3_guest_ops, &v->allocator, &max, 1);
	if (ret) {
		iod_zfree(&init.allocator, v, sizeof(*v));
		return ret;
	}
	*out = v;
	return 0;
}

int iod_smmuv3_viommu_destroy(struct iod_smmuv3_viommu *v)
{
	struct iod_allocator allocator;

	if (!v)
		return -EINVAL;
	allocator = v->allocator;
	iod_guest_core_fini(&v->core);
	iod_zfree(&allocator, v, sizeof(*v));
	return 0;
}

static bool fits(uint32_t sid, const struct iod_smmuv3_id *id)
{
	return !((uint64_t)sid >> iod_smmuv3_id_field(id->idr[1], IOD_SMMUV3_IDR1_SIDSIZE));
}

static bool state_known(enum iod_vdev_state state)
{
	return (uint32_t)state <= IOD_VDEV_BLOCKED;
}

int iod_smmuv3_viommu_add(struct iod_smmuv3_viommu *v, uint32_t vsid, uint32_t sid,
			  enum iod_vdev_state state)
{
	if (!v || !state_known(state))
		return -EINVAL;
	if (!fits(vsid, &v->cfg.guest) || !fits(sid, &v->cfg.host))
		return -ERANGE;
	return iod_vdevs_add(viommu_vdevs(v), vsid, sid, (uint32_t)state);
}

int iod_smmuv3_viommu_remove(struct iod_smmuv3_viommu *v, uint32_t vsid)
{
	return v ? iod_guest_device_remove(&v->core, vsid) : -EINVAL;
}

int iod_smmuv3_viommu_set_state(struct iod_smmuv3_viommu *v, uint32_t vsid,
				enum iod_vdev_state state)
{
	if (!v || !state_known(state))
		return -EINVAL;
	return iod_guest_device_change(&v->core, vsid, VDEV_STATE, (uint32_t)state);
}

static int tell(struct iod_smmuv3_viommu *v, struct iod_smmuv3_vdev *user, uint32_t key,
		struct iod_vdev *(*find)(const struct iod_vdevs *vdevs, uint32_t key))
{
	struct iod_smmuv3_vdev dev;
	const struct iod_vdev *found;
	unsigned int ticket;

	if (!v)
		return -EINVAL;
	memset(&dev, 0, sizeof(dev));
	ticket = iod_vdevs_enter(viommu_vdevs(v));
	found = find(viommu_vdevs(v), key);
	if (found) {
		uint32_t word = iod_vdev_word(found);

		dev.vsid = found->vid;
		dev.sid = found->id;
		dev.state = (enum iod_vdev_state)(word & VDEV_STATE);
		dev.linear = word & VDEV_LINEAR;
	}
	iod_vdevs_leave(viommu_vdevs(v), ticket);
	if (!found)
		return -ENOENT;
	return iod_struct_out(user, &dev, sizeof(dev), sizeof(dev));
}

int iod_smmuv3_viommu_lookup(struct iod_smmuv3_viommu *v, uint32_t vsid,
			     struct iod_smmuv3_vdev *dev)
{
	return tell(v, dev, vsid, iod_vdevs_find);
}

int iod_smmuv3_viommu_lookup_sid(struct iod_smmuv3_viommu *v, uint32_t sid,
				 struct iod_smmuv3_vdev *dev)
{
	return tell(v, dev, sid, iod_vdevs_find_id);
}

int64_t iod_smmuv3_viommu_devices(struct iod_smmuv3_viommu *v)
{
	return v ? (int64_t)iod_vdevs_count(viommu_vdevs(v)) : -EINVAL;
}

int iod_smmuv3_viommu_get_stats(struct iod_smmuv3_viommu *v, struct iod_viommu_stats *stats)
{
	return v ? iod_guest_core_stats(&v->core, stats) : -EINVAL;
}
