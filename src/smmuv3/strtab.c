/* SPDX-License-Identifier: MIT */
/* Stream tables of one and two levels (Arm IHI 0070, 5.1, 6.3.24, 6.3.25). */
#include <iodirty/smmuv3_ste.h>

#include <errno.h>

#include "atomic.h"
#include "smmuv3/tables.h"

#define L1STD_LG2_MAX 10u

int iod_smmuv3_strtab_init(struct iod_smmuv3_strtab *strtab, uint64_t pa, unsigned log2size,
			   unsigned split)
{
	struct iod_smmuv3_strtab made = { .base = pa };

	if (!strtab || log2size > SID_BITS_MAX ||
	    (split && split != 6 && split != 8 && split != 10))
		return -EINVAL;
	made.cfg = log2size;
	if (split)
		made.cfg |= split << 6 | STRTAB_FMT_2LEVEL << 16;
	if (strtab_geometry(pa, made.cfg).base != pa)
		return -EINVAL;
	*strtab = made;
	return 0;
}

uint64_t iod_smmuv3_strtab_bytes(const struct iod_smmuv3_strtab *strtab)
{
	struct strtab_geometry g;
	uint64_t bytes;

	if (!strtab || STRTAB_LOG2SIZE(strtab->cfg) > SID_BITS_MAX)
		return 0;
	g = strtab_geometry(strtab->base, strtab->cfg);
	bytes = BIT64(g.l1_bits + (g.two_level ? 3 : STE_LG2));
	return bytes < BIT64(STE_LG2) ? BIT64(STE_LG2) : bytes;
}

static int missing(enum iod_smmuv3_event_type *event, enum iod_smmuv3_event_type type)
{
	if (event)
		*event = type;
	return type == IOD_SMMUV3_F_STE_FETCH ? -EFAULT : -ENOENT;
}

/* A level-1 descriptor, or NULL when it is not in memory. */
static uint64_t *l1std(const struct strtab_geometry *g, const struct iod_mem *mem, uint32_t sid,
		       bool write, uint64_t *pa)
{
	void *host;

	*pa = g->base + ((uint64_t)(sid >> g->split) << 3);
	return iod_mem_host_ptr(mem, *pa, 8, write, &host) ? NULL : host;
}

int iod_smmuv3_strtab_lookup(const struct iod_smmuv3_strtab *strtab, const struct iod_mem *mem,
			     uint32_t sid, uint64_t *pa, enum iod_smmuv3_event_type *event)
{
	struct strtab_geometry g;
	uint64_t table, index = sid, raw;
	const uint64_t *desc;
	void *host;

	if (!strtab || !mem || !pa)
		return -EINVAL;
	g = strtab_geometry(strtab->base, strtab->cfg);
	table = g.base;
	if (sid & ~low_mask(g.bits))
		return missing(event, IOD_SMMUV3_C_BAD_STREAMID);
	if (g.two_level) {
		desc = l1std(&g, mem, sid, false, pa);
		if (!desc)
			return missing(event, IOD_SMMUV3_F_STE_FETCH);
		raw = item_load(desc);
		index = sid & low_mask(g.split);
		if (l1std_lg2(raw) < 0 || l1std_lg2(raw) > (int)g.split || index >> l1std_lg2(raw))
			return missing(event, IOD_SMMUV3_C_BAD_STREAMID);
		table = l1std_ptr(raw);
	}
	*pa = table + (index << STE_LG2);
	if (iod_mem_host_ptr(mem, *pa, BIT64(STE_LG2), false, &host))
		return missing(event, IOD_SMMUV3_F_STE_FETCH);
	if (event)
		*event = (enum iod_smmuv3_event_type)0;
	return 0;
}

int iod_smmuv3_l1std_encode(uint64_t *raw, uint64_t l2ptr, unsigned lg2)
{
	if (!raw || lg2 > L1STD_LG2_MAX || l2ptr != align_down(L1STD_PTR(l2ptr), lg2 + STE_LG2))
		return -EINVAL;
	*raw = iod_le64(l2ptr | (lg2 + 1));
	return 0;
}

int iod_smmuv3_strtab_install(const struct iod_smmuv3_strtab *strtab, struct iod_mem *mem,
			      uint32_t sid, uint64_t leaf_pa, unsigned lg2)
{
	struct strtab_geometry g;
	uint64_t made, old, pa, *desc;
	void *host;

	if (!strtab || !mem || iod_smmuv3_l1std_encode(&made, leaf_pa, lg2))
		return -EINVAL;
	g = strtab_geometry(strtab->base, strtab->cfg);
	if (!g.two_level)
		return -EOPNOTSUPP;
	if (lg2 > g.split)
		return -EINVAL;
	if (sid & ~low_mask(g.bits) || (sid & low_mask(g.split)) >> lg2)
		return -ERANGE;
	desc = l1std(&g, mem, sid, true, &pa);
	if (!desc || iod_mem_host_ptr(mem, leaf_pa, BIT64(lg2 + STE_LG2), false, &host))
		return -EFAULT;
	old = item_load(desc);
	do {
		if (l1std_lg2(old) >= 0)
			return -EEXIST;
	} while (!item_cas(desc, &old, iod_le64(made)));
	return 0;
}
