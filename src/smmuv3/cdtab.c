/* SPDX-License-Identifier: MIT */
/* CD tables of one and two levels (Arm IHI 0070, 5.2, 5.3), and which CD a transaction takes. */
#include <iodirty/smmuv3_ste.h>

#include <errno.h>

#include "atomic.h"
#include "smmuv3/id.h"
#include "smmuv3/tables.h"

/* A lookup under way. */
struct cd_walk {
	const struct iod_smmuv3_id *id;
	const struct iod_mem *mem;
	int (*translate)(void *cookie, uint64_t ipa, uint64_t *pa);
	void *cookie;
	bool nested;
	enum iod_smmuv3_event_type event;
};

static int refuse(struct cd_walk *walk, enum iod_smmuv3_event_type event)
{
	walk->event = event;
	return event == IOD_SMMUV3_F_CD_FETCH ? -EFAULT : -ENOENT;
}

/* 5.2, S1CDMax and S1DSS: which CD. @return 0; 1 stage 1 is bypassed; -ENOENT */
static int cd_index(struct cd_walk *walk, const struct iod_smmuv3_ste *ste, int64_t ssid,
		    uint32_t *index)
{
	*index = 0;
	if (ste->config < IOD_SMMUV3_BYPASS)
		return refuse(walk, (enum iod_smmuv3_event_type)0);
	if (!STE_CONFIG_S1(ste->config))
		return ssid < 0 ? 1 : refuse(walk, IOD_SMMUV3_C_BAD_SUBSTREAMID);
	if (!ste->s1cdmax)
		return ssid < 0 ? 0 : refuse(walk, IOD_SMMUV3_C_BAD_SUBSTREAMID);
	if (ssid < 0) {
		if (ste->s1dss == S1DSS_BYPASS)
			return 1;
		return ste->s1dss == S1DSS_CD0 ? 0 : refuse(walk, IOD_SMMUV3_F_STREAM_DISABLED);
	}
	if (ssid & ~low_mask(ste->s1cdmax))
		return refuse(walk, IOD_SMMUV3_C_BAD_SUBSTREAMID);
	if (!ssid && ste->s1dss == S1DSS_CD0)
		return refuse(walk, IOD_SMMUV3_F_STREAM_DISABLED);
	*index = (uint32_t)ssid;
	return 0;
}

/* Where @p len bytes at @p addr lie. *pa is @p addr when that cannot be told. */
static int locate(struct cd_walk *walk, uint64_t addr, uint64_t len, uint64_t *pa, void **host)
{
	uint64_t found = addr;
	int ret = 0;

	*pa = addr;
	if (walk->translate)
		ret = walk->translate(walk->cookie, addr, &found);
	if (ret)
		return ret;
	*pa = found;
	return iod_mem_host_ptr(walk->mem, found, len, false, host)
		       ? refuse(walk, IOD_SMMUV3_F_CD_FETCH)
		       : 0;
}

/* The level-2 table of a CD. */
static int level2(struct cd_walk *walk, const struct cdtab_geometry *g, uint32_t index,
		  uint64_t *table, uint64_t *pa)
{
	void *host;
	uint64_t raw;
	int ret = locate(walk, g->base + ((uint64_t)(index >> g->split) << 3), 8, pa, &host);

	if (ret)
		return ret;
	raw = item_load(host);
	if (!(raw & L1CD_V))
		return refuse(walk, IOD_SMMUV3_C_BAD_SUBSTREAMID);
	*table = l1cd_ptr(raw, g);
	/* 3.4.3: a physical address must be one. An intermediate one is for stage 2 to refuse. */
	if (!walk->nested && *table & ~low_mask(smmu_oas(walk->id)))
		return refuse(walk, IOD_SMMUV3_C_BAD_SUBSTREAMID);
	return 0;
}

static int cd_walk(struct cd_walk *walk, const struct iod_smmuv3_ste *ste, int64_t ssid,
		   uint64_t *pa)
{
	struct cdtab_geometry g = cdtab_geometry(ste);
	uint64_t table = g.base;
	uint32_t index;
	void *host;
	int ret = cd_index(walk, ste, ssid, &index);

	if (ret)
		return ret;
	if (g.two_level) {
		ret = level2(walk, &g, index, &table, pa);
		if (ret)
			return ret;
		index &= (uint32_t)low_mask(g.split);
	}
	return locate(walk, table + ((uint64_t)index << STE_LG2), BIT64(STE_LG2), pa, &host);
}

int iod_smmuv3_cd_lookup(const struct iod_smmuv3_ste *ste, const struct iod_smmuv3_id *id,
			 const struct iod_mem *mem, int64_t ssid,
			 int (*translate)(void *cookie, uint64_t ipa, uint64_t *pa), void *cookie,
			 uint64_t *pa, enum iod_smmuv3_event_type *event)
{
	struct cd_walk walk = {
		.id = smmu_id_or_all(id),
		.mem = mem,
		.translate = translate,
		.cookie = cookie,
	};
	int ret;

	if (!ste || !mem || !pa || ssid < -1 || !ste->valid)
		return -EINVAL;
	walk.nested = STE_CONFIG_S2(ste->config);
	ret = cd_walk(&walk, ste, ssid, pa);
	if (event)
		*event = walk.event;
	return ret;
}

uint64_t iod_smmuv3_cdtab_bytes(const struct iod_smmuv3_ste *ste)
{
	struct cdtab_geometry g;
	uint64_t bytes;

	if (!ste || !STE_CONFIG_S1(ste->config) || ste->s1cdmax > CDMAX_MAX)
		return 0;
	g = cdtab_geometry(ste);
	bytes = BIT64(g.l1_bits + (g.two_level ? 3 : STE_LG2));
	return bytes < BIT64(STE_LG2) ? BIT64(STE_LG2) : bytes;
}

int iod_smmuv3_l1cd_encode(uint64_t *raw, uint64_t l2ptr)
{
	if (!raw || l2ptr != L1CD_PTR(l2ptr))
		return -EINVAL;
	*raw = iod_le64(l2ptr | L1CD_V);
	return 0;
}

int iod_smmuv3_cdtab_install(const struct iod_smmuv3_ste *ste, struct iod_mem *mem, uint32_t ssid,
			     uint64_t leaf_pa)
{
	struct cdtab_geometry g;
	uint64_t made, old;
	void *desc, *leaf;

	if (!ste || !mem || !STE_CONFIG_S1(ste->config) || iod_smmuv3_l1cd_encode(&made, leaf_pa))
		return -EINVAL;
	g = cdtab_geometry(ste);
	if (!g.two_level)
		return -EOPNOTSUPP;
	if (!is_aligned(leaf_pa, g.split + STE_LG2))
		return -EINVAL;
	if (ssid & ~low_mask(g.bits))
		return -ERANGE;
	if (iod_mem_host_ptr(mem, g.base + ((uint64_t)(ssid >> g.split) << 3), 8, true, &desc) ||
	    iod_mem_host_ptr(mem, leaf_pa, BIT64(g.split + STE_LG2), false, &leaf))
		return -EFAULT;
	old = item_load(desc);
	do {
		if (old & L1CD_V)
			return -EEXIST;
	} while (!item_cas(desc, &old, iod_le64(made)));
	return 0;
}
