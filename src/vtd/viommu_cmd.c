/* SPDX-License-Identifier: MIT */
/* What becomes of each descriptor of a guest. */
#include "vtd/viommu.h"

#include <errno.h>
#include <string.h>

#include "pgtable/mem.h"
#include "vtd/id.h"

/* The source-id, as the guest wrote it, of whatever it is. */
static uint32_t sid_of(const struct iod_vtd_raw_desc *raw)
{
	uint64_t w = iod_le64(raw->word[0]);

	switch (w & 0xf) {
	case IOD_VTD_DEV_TLB_INV:
	case IOD_VTD_CONTEXT_INV:
		return (uint32_t)(w >> 32 & 0xffff);
	case IOD_VTD_P_DEV_TLB_INV:
	case IOD_VTD_PAGE_GROUP_RESP:
		return (uint32_t)(w >> 16 & 0xffff);
	default:
		return 0;
	}
}

static int refuse(struct vtd_batch *b, const struct iod_vtd_desc *desc, enum iod_cmd_reason reason,
		  int ret)
{
	return guest_refuse(&b->g, desc->sid, reason, ret);
}

/* ---- names ---- */

/* Descriptors with a domain id have no source-id. */
static int host_did(struct vtd_batch *b, uint16_t vdid, uint16_t *did)
{
	const struct iod_vdev *found = iod_vdevs_find(&b->v->core.table[DOMAINS], vdid);

	if (!found)
		return guest_refuse(&b->g, 0, IOD_CMD_BAD_DOMAIN, -ENOENT);
	*did = (uint16_t)found->id;
	return 0;
}

static int host_pasid(struct vtd_batch *b, uint32_t vpasid, uint32_t sid, uint32_t *pasid)
{
	const struct iod_vdev *found;

	*pasid = vpasid;
	if (!b->v->map_pasids)
		return vpasid >> b->v->vpasid_bits
			       ? guest_refuse(&b->g, sid, IOD_CMD_BAD_PASID, -ENOENT)
			       : 0;
	found = iod_vdevs_find(&b->v->core.table[PASIDS], vpasid);
	if (!found)
		return guest_refuse(&b->g, sid, IOD_CMD_BAD_PASID, -ENOENT);
	*pasid = found->id;
	return 0;
}

/* ---- the IOTLB ---- */

/* By domain: what the guest's tables of that domain gave, in all PASIDs. What it says of second-stage addresses cannot be
 * meant: it has none. */
static struct iod_vtd_raw_desc by_domain(const struct iod_vtd_desc *desc, uint16_t did)
{
	return vtd_raw(IOD_VTD_IOTLB_INV | (uint64_t)IOD_VTD_IOTLB_DOMAIN << 4 |
			       (uint64_t)desc->dw << 6 | (uint64_t)desc->dr << 7 |
			       (uint64_t)did << 16,
		       0);
}

struct each {
	struct vtd_batch *b;
	const struct iod_vtd_desc *desc;
	uint64_t nr;
};

static int each_domain(void *cookie, const struct iod_vdev *domain)
{
	struct each *each = cookie;
	struct guest_batch *g = &each->b->g;
	struct iod_vtd_raw_desc raw = by_domain(each->desc, (uint16_t)domain->id);

	each->nr++;
	return iod_vtd_emit(each->b, &raw, g->seen, g->seen, g->now, 0);
}

/* Everything of the guest: each of its domains. So that no batch becomes too many, it ends before a second time. */
static int everything(struct vtd_batch *b, const struct iod_vtd_desc *desc)
{
	struct each each = { .b = b, .desc = desc };
	const struct iod_vdevs *domains = &b->v->core.table[DOMAINS];
	int ret;

	if (b->g.expanded && b->g.expanded + iod_vdevs_about(domains) > IOD_VTD_VIOMMU_MAX_EXPAND)
		return refuse(b, desc, IOD_CMD_BAD_ISSUE, -EAGAIN);
	ret = iod_vtd_guest_ops.run_end(&b->g);
	if (!ret)
		ret = iod_vdevs_each(domains, each_domain, &each);
	if (ret)
		return ret;
	guest_expand(&b->g, each.nr, IOD_VTD_VIOMMU_MAX_EXPAND);
	b->g.all = b->v->joins;
	guest_nothing(&b->g);
	return 0;
}

static int iotlb(struct vtd_batch *b, const struct iod_vtd_desc *desc)
{
	struct iod_vtd_raw_desc raw;
	uint16_t did;
	int ret;

	if (desc->gran == IOD_VTD_IOTLB_GLOBAL) {
		if (!b->g.all)
			return everything(b, desc);
		guest_nothing(&b->g);
		return 0;
	}
	ret = host_did(b, desc->did, &did);
	if (ret)
		return ret;
	if (b->g.all) {
		guest_nothing(&b->g);
		return 0;
	}
	raw = by_domain(desc, did);
	return iod_vtd_emit_alone(b, &raw, 0);
}

/* @w: as the decoder would take them, with nothing that it ignores */
static int p_iotlb(struct vtd_batch *b, const uint64_t w[2])
{
	unsigned int lg2 = PAGE_LG2 + (unsigned int)(w[1] & DESC1_AM);
	uint64_t first = align_down(w[1] & DESC1_ADDR, lg2);
	uint32_t pasid;
	uint16_t did;
	int ret = host_did(b, (uint16_t)((w[0] & DESC0_DID) >> 16), &did);

	if (!ret)
		ret = host_pasid(b, (uint32_t)((w[0] & DESC0_PASID) >> 32), 0, &pasid);
	if (ret)
		return ret;
	if (b->g.all) {
		guest_nothing(&b->g);
		return 0;
	}
	/* More than there are addresses: an AM of a host that has no such MAMV. */
	if ((w[0] >> 4 & 3) == IOD_VTD_P_IOTLB_PASID || lg2 >= 64)
		return iod_vtd_pasid_all(b, did, pasid);
	return iod_vtd_pages(b, did, pasid, first, first | low_mask(lg2), w[1] & DESC1_IH);
}

/* ---- devices ---- */

static int step_in(struct vtd_batch *b, const struct iod_vtd_desc *desc, enum iod_cmd_reason reason,
		   int answer)
{
	iod_guest_step_in(&b->g);
	if (answer)
		return refuse(b, desc, reason, answer);
	guest_nothing(&b->g);
	return 0;
}

/* None of the devices: one that the VMM emulates behind the same unit, or nobody. */
static int to_stranger(struct vtd_batch *b, const struct iod_vtd_desc *desc)
{
	const struct iod_vtd_viommu_cfg *cfg = &b->v->cfg;
	int ret;

	if (!cfg->stranger)
		return refuse(b, desc, IOD_CMD_BAD_SOURCE, -ENOENT);
	ret = iod_guest_step_out(&b->g);
	if (ret)
		return ret;
	return step_in(b, desc, IOD_CMD_BAD_SOURCE, cfg->stranger(cfg->cookie, desc));
}

/* @w: as of p_iotlb() */
static int to_device(struct vtd_batch *b, const uint64_t w[2])
{
	bool by_pasid = (w[0] & 0xf) == IOD_VTD_P_DEV_TLB_INV;
	uint32_t vsid = (uint16_t)(w[0] >> (by_pasid ? 16 : 32)), pasid;
	const struct iod_vdev *dev = iod_vdevs_find(&b->v->core.table[DEVICES], vsid);
	uint64_t host[2] = { w[0], w[1] };
	int ret;

	if (!dev) {
		struct iod_vtd_raw_desc raw = vtd_raw(w[0], w[1]);
		struct iod_vtd_desc desc;

		(void)iod_vtd_desc_decode(&desc, &raw, &b->v->cfg.guest, 0, NULL);
		return to_stranger(b, &desc);
	}
	if ((iod_vdev_word(dev) & VDEV_STATE) != IOD_VDEV_ON) {
		if (b->g.flags & IOD_VTD_VIOMMU_STRICT_DEV_TLB)
			return guest_refuse(&b->g, vsid, IOD_CMD_BAD_STATE, -EOPNOTSUPP);
		guest_nothing(&b->g);
		return 0;
	}
	if (by_pasid && !(w[1] & DESC1_P_DEV_G)) {
		ret = host_pasid(b, (uint32_t)((w[0] & DESC0_PASID) >> 32), vsid, &pasid);
		if (ret)
			return ret;
		if (pasid >> b->v->pasid_bits) /* a name that the host cannot have */
			return guest_refuse(&b->g, vsid, IOD_CMD_BAD_PASID, -EINVAL);
		host[0] = (w[0] & ~DESC0_PASID) | (uint64_t)pasid << 32;
	}
	return iod_vtd_dev_tlb(b, dev, host, true);
}

static int response(struct vtd_batch *b, const struct iod_vtd_desc *guest)
{
	const struct iod_vdev *dev = iod_vdevs_find(&b->v->core.table[DEVICES], guest->sid);
	struct iod_vtd_desc desc = *guest;
	struct iod_vtd_raw_desc raw;
	enum iod_cmd_reason reason;
	int ret;

	if (!dev)
		return to_stranger(b, guest);
	if ((iod_vdev_word(dev) & VDEV_STATE) != IOD_VDEV_ON) {
		guest_nothing(&b->g); /* whoever waited for it is gone */
		return 0;
	}
	if (desc.pasid_valid) {
		ret = host_pasid(b, desc.pasid, guest->sid, &desc.pasid);
		if (ret)
			return ret;
	}
	desc.sid = (uint16_t)dev->id;
	ret = iod_vtd_desc_encode(&raw, &desc, &b->v->cfg.host, 0, &reason);
	if (ret)
		return refuse(b, guest, reason, ret);
	return iod_vtd_emit_alone(b, &raw, guest->sid);
}

/* ---- the rest ---- */

/* The VMM's structures are the ones that count. */
static int config(struct vtd_batch *b, const struct iod_vtd_desc *desc)
{
	const struct iod_vtd_viommu_cfg *cfg = &b->v->cfg;
	int ret = iod_guest_step_out(&b->g);

	if (ret)
		return ret;
	return step_in(b, desc, IOD_CMD_BAD_POLICY, cfg->config(cfg->cookie, desc));
}

static int wait_in_batch(struct vtd_batch *b, const struct iod_vtd_desc *desc)
{
	const struct iod_vtd_viommu_cfg *cfg = &b->v->cfg;
	int ret = iod_guest_flush(&b->g, false);

	if (!ret && desc->drain) {
		ret = cfg->drain(cfg->cookie);
		if (ret)
			return refuse(b, desc, IOD_CMD_BAD_ISSUE, ret);
	}
	if (!ret)
		ret = iod_guest_sync(&b->g);
	if (ret)
		return ret;
	if (cfg->waited)
		cfg->waited(cfg->cookie, desc);
	guest_nothing(&b->g);
	return 0;
}

/* Whether it is enabled for guests; what their unit has is another question. */
static bool allowed(const struct iod_vtd_viommu *v, enum iod_vtd_desc_type type)
{
	switch (type) {
	case IOD_VTD_IOTLB_INV:
	case IOD_VTD_P_IOTLB_INV:
	case IOD_VTD_DEV_TLB_INV:
	case IOD_VTD_P_DEV_TLB_INV:
		return true;
	case IOD_VTD_CONTEXT_INV:
	case IOD_VTD_PASID_CACHE_INV:
	case IOD_VTD_IEC_INV:
		return v->cfg.config;
	case IOD_VTD_PAGE_GROUP_RESP:
		return v->cfg.flags & IOD_VTD_VIOMMU_ALLOW_PRI;
	case IOD_VTD_WAIT:
		return v->cfg.flags & IOD_VTD_VIOMMU_ACCEPT_WAIT;
	default:
		return false;
	}
}

bool iod_vtd_viommu_takes(const struct iod_vtd_viommu *v, enum iod_vtd_desc_type type)
{
	return v && allowed(v, type) && iod_vtd_desc_permitted(&v->cfg.guest, type);
}

static enum vtd_kind kind_of(enum iod_vtd_desc_type type)
{
	switch (type) {
	case IOD_VTD_IOTLB_INV:
	case IOD_VTD_P_IOTLB_INV:
		return KIND_IOTLB;
	case IOD_VTD_DEV_TLB_INV:
	case IOD_VTD_P_DEV_TLB_INV:
		return KIND_DEV_TLB;
	default:
		return KIND_OTHER;
	}
}

/* Of a kind that caches are emptied by. @w: as of p_iotlb(); @desc: NULL: is not IOTLB_INV */
static int common(struct vtd_batch *b, const struct iod_vtd_raw_desc *raw, const uint64_t w[2],
		  const struct iod_vtd_desc *desc)
{
	enum iod_vtd_desc_type type = (enum iod_vtd_desc_type)(w[0] & 0xf);

	guest_set_kind(&b->g, kind_of(type));
	if (b->v->joins && guest_is_known(&b->g, raw->word)) {
		guest_nothing(&b->g);
		return 0;
	}
	if (type == IOD_VTD_P_IOTLB_INV)
		return p_iotlb(b, w);
	return type == IOD_VTD_IOTLB_INV ? iotlb(b, desc) : to_device(b, w);
}

/* Every descriptor can go this way. */
static int decoded(struct vtd_batch *b, const struct iod_vtd_raw_desc *raw)
{
	struct iod_vtd_desc desc;
	enum iod_cmd_reason reason;
	int ret = iod_vtd_desc_decode(&desc, raw, &b->v->cfg.guest, 0, &reason);

	b->g.now = (uint32_t)desc.type;
	if (ret)
		return guest_refuse(&b->g, sid_of(raw), reason, ret);
	if (!allowed(b->v, desc.type))
		return refuse(b, &desc, IOD_CMD_BAD_POLICY, -EOPNOTSUPP);
	if (kind_of(desc.type) != KIND_OTHER) { /* words again, without what is ignored */
		struct iod_vtd_raw_desc clean;

		ret = iod_vtd_desc_encode(&clean, &desc, &b->v->cfg.guest, 0, &reason);
		if (ret)
			return refuse(b, &desc, reason, ret);
		return common(b, raw,
			      (uint64_t[]){ iod_le64(clean.word[0]), iod_le64(clean.word[1]) },
			      &desc);
	}
	guest_set_kind(&b->g, KIND_OTHER);
	switch (desc.type) {
	case IOD_VTD_PAGE_GROUP_RESP:
		return response(b, &desc);
	case IOD_VTD_WAIT:
		return wait_in_batch(b, &desc);
	default:
		return config(b, &desc);
	}
}

/* Whether the decoder would find nothing to say, and nothing to ignore. */
static bool is_plain(const struct iod_vtd_viommu *v, const uint64_t w[2])
{
	unsigned int type = (unsigned int)(w[0] & 0xf);

	if (type >= NR_PLAIN || !guest_is_plain(&v->plain[type], w))
		return false;
	switch (type) {
	case IOD_VTD_P_IOTLB_INV:
		return (w[1] & DESC1_AM) <= AM_MAX;
	case IOD_VTD_DEV_TLB_INV: /* a size that is none */
		return ~w[1] & (DESC1_ADDR | DESC1_DEV_S);
	default:
		return ~w[1] & (DESC1_ADDR | DESC1_P_DEV_S);
	}
}

static int one(struct vtd_batch *b, const struct iod_vtd_raw_desc *raw)
{
	const uint64_t w[2] = { iod_le64(raw->word[0]), iod_le64(raw->word[1]) };

	if ((raw->word[2] | raw->word[3]) || !is_plain(b->v, w))
		return decoded(b, raw);
	b->g.now = (uint32_t)(w[0] & 0xf);
	return common(b, raw, w, NULL);
}

/* How large AM may be, and that a size must be one: for is_plain() to ask. */
static bool takes(const void *id, const uint64_t w[2])
{
	struct iod_vtd_raw_desc raw = vtd_raw(w[0], w[1]);
	enum iod_cmd_reason reason;
	struct iod_vtd_desc desc;

	return !iod_vtd_desc_decode(&desc, &raw, id, 0, &reason) || reason == IOD_CMD_BAD_RANGE;
}

void iod_vtd_probe(struct iod_vtd_viommu *v)
{
	const uint64_t page = (uint64_t)IOD_VTD_P_IOTLB_PAGE << 4;
	unsigned int type;

	for (type = 0; type < NR_PLAIN; type++) {
		struct guest_probe probe = { .base = { type }, .ok = takes, .id = &v->cfg.guest };

		if (type == IOD_VTD_P_IOTLB_INV)
			probe.base[0] |= page;
		if (type == IOD_VTD_P_IOTLB_INV || kind_of(type) == KIND_DEV_TLB) {
			probe.among[0] = ~(DESC0_TYPE_LOW | DESC0_TYPE_HIGH);
			probe.among[1] = ~UINT64_C(0);
		} else {
			probe.base[0] = 0; /* no descriptor */
		}
		if (type == IOD_VTD_P_IOTLB_INV)
			probe.among[0] &= ~page;
		if (type == IOD_VTD_P_DEV_TLB_INV) /* with it the PASID is ignored */
			probe.among[1] &= ~DESC1_P_DEV_G;
		iod_guest_probe(&v->plain[type], &probe);
	}
}

/* Each word once: the guest may write there meanwhile. */
static struct iod_vtd_raw_desc read_once(const struct iod_vtd_raw_desc *desc)
{
	struct iod_vtd_raw_desc raw;

	for (unsigned int i = 0; i < 4; i++)
		raw.word[i] = *(const volatile uint64_t *)&desc->word[i];
	return raw;
}

int iod_vtd_feed(struct vtd_batch *b, const struct iod_vtd_raw_desc *descs, size_t nr)
{
	size_t i;
	int ret;

	for (i = 0; i < nr; i++) {
		const struct iod_vtd_raw_desc raw = read_once(&descs[i]);

		if (b->g.nr > GUEST_ISSUE - GUEST_MARGIN) {
			ret = iod_guest_make_room(&b->g);
			if (ret)
				return ret;
		}
		ret = one(b, &raw);
		if (ret)
			return ret;
		b->g.seen++;
		if (b->g.flags & GUEST_SYNC_EACH) {
			ret = iod_guest_flush(&b->g, true);
			if (ret)
				return ret;
		}
	}
	return 0;
}

int iod_vtd_viommu_invalidate(struct iod_vtd_viommu *v, const struct iod_vtd_raw_desc *descs,
			      size_t nr, struct iod_guest_result *res)
{
	struct iod_guest_result result;
	struct vtd_batch b;
	int ret;

	memset(&result, 0, sizeof(result));
	ret = res ? iod_guest_result_out(res, &result) : 0;
	if (ret)
		return ret;
	if (!v || (nr && !descs) || nr > IOD_VTD_VIOMMU_MAX_BATCH)
		return -EINVAL;
	iod_vtd_batch_begin(&b, v, v->cfg.flags);
	ret = iod_guest_end(&b.g, iod_vtd_feed(&b, descs, nr), &result);
	if (res)
		(void)iod_guest_result_out(res, &result);
	return ret;
}
