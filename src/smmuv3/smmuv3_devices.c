/* SPDX-License-Identifier: MIT */
/*
 * SMMUv3: devices and their page tables from the stream table (linear or 2-level) and the context
 * descriptors of each stream. A stage-1 stream with two halves (TTB0 and TTB1) is reported once per
 * half. In a nested stream the context descriptors lie at guest addresses that stage 2 translates.
 */
#include <iodirty/devices.h>

#include "devscan.h"

/* STRTAB_BASE and STRTAB_BASE_CFG */
#define STRTAB_ADDR(v)	   (MASK64(55, 6) & (v))
#define STRTAB_LOG2SIZE(c) (0x3f & (c))
#define STRTAB_SPLIT(c)	   ((c) >> 6 & 0x1f)
#define STRTAB_FMT(c)	   ((c) >> 16 & 3)
#define STE_LG2		   6u
#define SID_BITS_MAX	   32u

/* Level-1 stream table descriptor */
#define L1STD_SPAN(d)  (0x1f & (unsigned)(d))
#define L1STD_SPAN_MAX 11u
#define L1STD_PTR(d)   (MASK64(55, 6) & (d))

/* Stream table entry; the number after STE is the word */
#define STE0_V		BIT64(0)
#define STE0_CONFIG(w)	((w) >> 1 & 7)
#define CONFIG_BYPASS	4
#define CONFIG_S1	5
#define CONFIG_S2	6
#define CONFIG_NESTED	7
#define STE0_S1FMT(w)	((w) >> 4 & 3)
#define STE0_S1CTX(w)	(MASK64(55, 6) & (w))
#define STE0_S1CDMAX(w) ((unsigned)((w) >> 59))
#define STE1_S1DSS(w)	(3 & (w))
#define S1DSS_BYPASS	1
#define S1DSS_CD0	2
#define STE1_S2FWB	BIT64(25)
#define STE1_STRW(w)	((w) >> 30 & 3)
#define STRW_NSEL1	0
#define STE2_VMID(w)	(0xffff & (w))
#define STE2_T0SZ(w)	((unsigned)((w) >> 32) & 0x3f)
#define STE2_SL0(w)	((unsigned)((w) >> 38) & 3)
#define STE2_TG(w)	((unsigned)((w) >> 46) & 3)
#define STE2_PS(w)	((unsigned)((w) >> 48) & 7)
#define STE2_AA64	BIT64(51)
#define STE2_ENDI	BIT64(52)
#define STE2_HD		BIT64(55)
#define STE2_HA		BIT64(56)
#define STE2_HAFT	BIT64(59)
#define STE3_DS		BIT64(3)
#define STE3_TTB(w)	(MASK64(55, 4) & (w))

/* Context descriptor */
#define CD0_TSZ0(w) (0x3f & (unsigned)(w))
#define CD0_TG0(w)  ((unsigned)((w) >> 6) & 3)
#define CD0_EPD0    BIT64(14)
#define CD0_ENDI    BIT64(15)
#define CD0_TSZ1(w) ((unsigned)((w) >> 16) & 0x3f)
#define CD0_TG1(w)  ((unsigned)((w) >> 22) & 3)
#define CD0_EPD1    BIT64(30)
#define CD0_V	    BIT64(31)
#define CD0_IPS(w)  ((unsigned)((w) >> 32) & 7)
#define CD0_AA64    BIT64(41)
#define CD0_HD	    BIT64(42)
#define CD0_HA	    BIT64(43)
#define CD0_ASID(w) ((w) >> 48)
#define CD1_HAFT    BIT64(3)
#define CD_TTB(w)   (MASK64(55, 4) & (w))
#define CD2_DS	    BIT64(58)
#define CD_LG2	    6u
#define CDMAX_MAX   20u
#define L1CD_V	    BIT64(0)
#define L1CD_PTR(d) (MASK64(55, 12) & (d))

#define GRANULE_4K  4096u
#define GRANULE_16K 16384u
#define GRANULE_64K 65536u

#define ERR_NO_CD   "context descriptor is not in memory"
#define ERR_NO_L1CD "level-1 context descriptor table is not in memory"
#define ERR_ENDI    "big-endian tables are not supported"
#define ERR_DS	    "52-bit descriptors (DS) are not supported"

struct smmu_scan {
	struct devscan common; /* first: callbacks cast back */
	unsigned bits, split;
};

/* The context descriptors of one stream. */
struct cd_scan {
	struct devscan *scan;
	const struct iod_device *proto; /* what all have in common */
	struct iod_pgtable *stage2;	/* translates their addresses; NULL: physical */
	uint64_t base;
	unsigned cdmax, leaf_lg2; /* log2 of all descriptors, and of those in a level-2 table */
	bool two_level, upper;	  /* upper: TTB1 exists in this translation regime */
};

static uint32_t output_bits(unsigned code, uint32_t granule)
{
	static const uint8_t bits[8] = { 32, 36, 40, 42, 44, 48, 52, 52 };

	return granule != GRANULE_64K && bits[code] > 48 ? 48 : bits[code];
}

/* TG0 and S2TG share one code, TG1 has its own. 0: reserved */
static uint32_t granule_tg0(unsigned tg)
{
	static const uint32_t granule[4] = { GRANULE_4K, GRANULE_64K, GRANULE_16K, 0 };

	return granule[tg];
}

static uint32_t granule_tg1(unsigned tg)
{
	static const uint32_t granule[4] = { 0, GRANULE_16K, GRANULE_4K, GRANULE_64K };

	return granule[tg];
}

/* Largest TnSZ, with small translation tables. */
static unsigned tsz_max(uint32_t granule)
{
	return granule == GRANULE_64K ? 47 : 48;
}

static unsigned tsz_min(uint32_t granule)
{
	return granule == GRANULE_64K ? 12 : 16;
}

static uint32_t httu_features(bool ha, bool hd, bool haft)
{
	if (!ha)
		return 0;
	return IOD_PT_HW_ACCESS | (hd ? IOD_PT_HW_DIRTY : 0) | (haft ? IOD_PT_HW_TABLE_ACCESS : 0);
}

/* VMSAv8-32 LPAE stage 2: S2T0SZ is a signed 4-bit size, two start levels exist. */
static const char *stage2_lpae32(const uint64_t *ste, struct iod_pgtable_cfg *cfg)
{
	unsigned t0sz = STE2_T0SZ(ste[2]) & 0xf, sl0 = STE2_SL0(ste[2]);

	if (sl0 > 1)
		return "S2SL0 is reserved";
	if (ste[2] & (STE2_HA | STE2_HD))
		return "S2HA or S2HD with 32-bit tables";
	cfg->features |= IOD_PT_LPAE32;
	cfg->granule = GRANULE_4K;
	cfg->ias = t0sz < 8 ? 32 - t0sz : 48 - t0sz;
	cfg->oas = 40;
	cfg->levels = 2 + sl0;
	return NULL;
}

/* The start level must reach the input size with at most 16 concatenated tables, and not more. */
static bool stage2_levels_fit(unsigned granule_lg2, unsigned levels, unsigned ias)
{
	unsigned bits = granule_lg2 - 3;

	return ias <= granule_lg2 + levels * bits + 4 && ias > granule_lg2 + (levels - 1) * bits;
}

/* @return NULL, or what is wrong */
static const char *stage2_cfg(const uint64_t *ste, struct iod_pgtable_cfg *cfg)
{
	static const uint8_t levels_4k[4] = { 2, 3, 4, 1 }, levels_other[4] = { 1, 2, 3, 0 };
	unsigned t0sz = STE2_T0SZ(ste[2]);

	*cfg = (struct iod_pgtable_cfg){
		.size = sizeof(*cfg),
		.format = IOD_ARM_LPAE_S2,
		.features = ste[1] & STE1_S2FWB ? IOD_PT_S2FWB : 0,
		.domain = STE2_VMID(ste[2]),
		.granule = granule_tg0(STE2_TG(ste[2])),
	};
	if (ste[2] & STE2_ENDI)
		return ERR_ENDI;
	if (!(ste[2] & STE2_AA64))
		return stage2_lpae32(ste, cfg);
	if (!cfg->granule)
		return "S2TG is reserved";
	if ((ste[3] & STE3_DS) && cfg->granule != GRANULE_64K)
		return ERR_DS;
	if (t0sz < tsz_min(cfg->granule) || t0sz > tsz_max(cfg->granule))
		return "S2T0SZ is out of range";
	cfg->ias = 64 - t0sz;
	cfg->levels = (cfg->granule == GRANULE_4K ? levels_4k : levels_other)[STE2_SL0(ste[2])];
	if (!cfg->levels || !stage2_levels_fit(fls64(cfg->granule), cfg->levels, cfg->ias))
		return "S2T0SZ, S2SL0 and S2TG do not fit each other";
	cfg->oas = output_bits(STE2_PS(ste[2]), cfg->granule);
	cfg->features |= httu_features(ste[2] & STE2_HA, ste[2] & STE2_HD, ste[2] & STE2_HAFT);
	if (t0sz > 39)
		cfg->features |= IOD_PT_SMALL;
	return NULL;
}

/* One half of a context descriptor. @return NULL, or what is wrong */
static const char *stage1_cfg(const uint64_t *cd, bool upper, struct iod_pgtable_cfg *cfg)
{
	unsigned tsz = upper ? CD0_TSZ1(cd[0]) : CD0_TSZ0(cd[0]);

	*cfg = (struct iod_pgtable_cfg){
		.size = sizeof(*cfg),
		.format = IOD_ARM_LPAE_S1,
		.features = upper ? IOD_PT_UPPER : 0,
		.domain = CD0_ASID(cd[0]),
		.mair = cd[3],
	};
	if (cd[0] & CD0_ENDI)
		return ERR_ENDI;
	if (!(cd[0] & CD0_AA64)) {
		cfg->features |= IOD_PT_LPAE32;
		cfg->granule = GRANULE_4K;
		cfg->ias = 32 - (tsz & 7);
		cfg->oas = 40;
		return NULL;
	}
	cfg->granule = upper ? granule_tg1(CD0_TG1(cd[0])) : granule_tg0(CD0_TG0(cd[0]));
	if (!cfg->granule)
		return upper ? "TG1 is reserved" : "TG0 is reserved";
	if ((cd[2] & CD2_DS) && cfg->granule != GRANULE_64K)
		return ERR_DS;
	if (tsz < tsz_min(cfg->granule) || tsz > tsz_max(cfg->granule))
		return upper ? "T1SZ is out of range" : "T0SZ is out of range";
	cfg->ias = 64 - tsz;
	cfg->oas = output_bits(CD0_IPS(cd[0]), cfg->granule);
	cfg->features |= httu_features(cd[0] & CD0_HA, cd[0] & CD0_HD, cd[1] & CD1_HAFT);
	if (tsz > 39)
		cfg->features |= IOD_PT_SMALL;
	return NULL;
}

static int stage1_half(struct devscan *scan, struct iod_device dev, const uint64_t *cd, bool upper)
{
	const char *error = stage1_cfg(cd, upper, &dev.cfg);

	if (error)
		return devscan_bad(scan, &dev, error, dev.entry_pa);
	dev.root = CD_TTB(cd[upper ? 2 : 1]);
	return devscan_report(scan, &dev, IOD_DEVICE_TRANSLATED,
			      dev.stage == 3 ? "nested" : "stage1");
}

/* The CD in dev->entry decides. Missing descriptors of substreams are not reported. */
static int report_cd(const struct cd_scan *cds, struct iod_device *dev)
{
	const uint64_t *cd = dev->entry;
	bool lower = !(cd[0] & CD0_EPD0), upper = cds->upper && !(cd[0] & CD0_EPD1);
	int ret = 0;

	if (!(cd[0] & CD0_V)) {
		if (dev->pasid_valid)
			return 0;
		return devscan_bad(cds->scan, dev, "context descriptor is not valid (V=0)",
				   dev->entry_pa);
	}
	dev->domain = CD0_ASID(cd[0]);
	if (!lower && !upper)
		return devscan_report(cds->scan, dev, IOD_DEVICE_BLOCKED, "blocked");
	if (lower)
		ret = stage1_half(cds->scan, *dev, cd, false);
	if (!ret && upper)
		ret = stage1_half(cds->scan, *dev, cd, true);
	return ret;
}

/* Reads at an address that stage 2 translates, if there is one. */
static bool cd_read(const struct cd_scan *cds, uint64_t addr, uint64_t *out, unsigned n,
		    uint64_t *pa)
{
	*pa = addr;
	if (cds->stage2 && iod_iova_to_phys(cds->stage2, addr, pa))
		return false;
	return devscan_read(cds->scan, *pa, out, n);
}

static int visit_cd(const struct cd_scan *cds, uint64_t table, uint32_t index,
		    struct iod_device dev)
{
	uint64_t cd[8], pa;

	if (!cd_read(cds, table + ((uint64_t)index << CD_LG2), cd, 8, &pa))
		return devscan_bad(cds->scan, &dev, ERR_NO_CD, pa);
	devscan_entry(&dev, pa, cd, 8);
	return report_cd(cds, &dev);
}

/* Where the level-2 table of @index is; *table stays 0 when there is none. */
static bool cd_table(const struct cd_scan *cds, uint32_t index, uint64_t *table, uint64_t *pa)
{
	uint64_t l1;

	*table = cds->base;
	if (!cds->two_level)
		return true;
	if (!cd_read(cds, cds->base + (uint64_t)index * 8, &l1, 1, pa))
		return false;
	*table = l1 & L1CD_V ? L1CD_PTR(l1) : 0;
	return true;
}

/* The descriptors of one leaf table as substreams; the one of plain requests was reported. */
static int substreams(const struct cd_scan *cds, uint32_t index, bool plain_is_cd0)
{
	uint32_t n = 1u << cds->leaf_lg2, i;
	struct iod_device dev = *cds->proto;
	uint64_t table, pa = 0, word;
	int ret = 0;

	dev.pasid_valid = true;
	dev.pasid = index << cds->leaf_lg2;
	if (!cd_table(cds, index, &table, &pa))
		return devscan_bad(cds->scan, &dev, ERR_NO_L1CD, pa);
	if (!table && cds->two_level)
		return 0;
	for (i = 0; i < n && !ret && devscan_spend(cds->scan); i++) {
		dev.pasid = index << cds->leaf_lg2 | i;
		if (dev.pasid == 0 && plain_is_cd0)
			continue;
		/* A missing page is one bad device, not 64. */
		if (!(i & 63) && !cd_read(cds, table + ((uint64_t)i << CD_LG2), &word, 1, &pa)) {
			ret = devscan_bad(cds->scan, &dev, ERR_NO_CD, pa);
			i += 63;
			continue;
		}
		ret = visit_cd(cds, table, i, dev);
	}
	return ret;
}

/* CD 0 for requests without a substream. */
static int plain_cd0(const struct cd_scan *cds)
{
	struct iod_device dev = *cds->proto;
	uint64_t table, pa = 0;

	if (!cd_table(cds, 0, &table, &pa))
		return devscan_bad(cds->scan, &dev, ERR_NO_L1CD, pa);
	if (!table && cds->two_level)
		return devscan_bad(cds->scan, &dev, "level-1 context descriptor is not valid (V=0)",
				   pa);
	return visit_cd(cds, table, 0, dev);
}

/* Requests without a substream when stage 1 is not for them. */
static int plain_without_cd(const struct cd_scan *cds, bool bypass)
{
	struct iod_device dev = *cds->proto;

	if (!bypass) {
		dev.stage = 0;
		return devscan_report(cds->scan, &dev, IOD_DEVICE_BLOCKED, "blocked");
	}
	if (!cds->stage2) {
		dev.stage = 0;
		return devscan_report(cds->scan, &dev, IOD_DEVICE_BYPASS, "bypass");
	}
	dev.stage = 2;
	dev.domain = dev.cfg2.domain;
	dev.cfg = dev.cfg2;
	dev.root = dev.root2;
	memset(&dev.cfg2, 0, sizeof(dev.cfg2));
	dev.root2 = 0;
	return devscan_report(cds->scan, &dev, IOD_DEVICE_TRANSLATED, "stage2");
}

static int context_descriptors(const struct cd_scan *cds, uint64_t s1dss)
{
	bool cd0 = !cds->cdmax || s1dss == S1DSS_CD0;
	uint32_t i;
	int ret;

	ret = cd0 ? plain_cd0(cds) : plain_without_cd(cds, s1dss == S1DSS_BYPASS);
	for (i = 0; cds->cdmax && i < 1u << (cds->cdmax - cds->leaf_lg2) && !ret; i++) {
		if (cds->two_level && !devscan_spend(cds->scan))
			break;
		ret = substreams(cds, i, cd0);
	}
	return ret;
}

/* Config 5 and 7. proto->cfg2 is ready when nested. */
static int stage1_stream(struct devscan *scan, struct iod_device *proto)
{
	const uint64_t *ste = proto->entry;
	struct cd_scan cds = {
		.scan = scan,
		.proto = proto,
		.base = STE0_S1CTX(ste[0]),
		.cdmax = STE0_S1CDMAX(ste[0]),
		.upper = STE1_STRW(ste[1]) == STRW_NSEL1,
	};
	uint64_t fmt = STE0_S1FMT(ste[0]);
	int ret;

	if (cds.cdmax > CDMAX_MAX)
		return devscan_bad(scan, proto, "S1CDMax is out of range", proto->entry_pa);
	cds.leaf_lg2 = fmt == 1 ? 6 : 10;
	cds.two_level = cds.cdmax && (fmt == 1 || fmt == 2);
	if (!cds.two_level || cds.leaf_lg2 > cds.cdmax)
		cds.leaf_lg2 = cds.cdmax;
	if (proto->stage == 3) {
		proto->cfg2.mem = scan->mem;
		ret = iod_pgtable_attach(&cds.stage2, &proto->cfg2, proto->root2);
		proto->cfg2.mem = NULL;
		if (ret)
			return devscan_bad(scan, proto, "stage-2 table is unusable", proto->root2);
	}
	ret = context_descriptors(&cds, STE1_S1DSS(ste[1]));
	if (cds.stage2)
		iod_pgtable_destroy(cds.stage2);
	return ret;
}

static int translated_stream(struct devscan *scan, struct iod_device *dev, uint64_t config)
{
	const uint64_t *ste = dev->entry;
	struct iod_pgtable_cfg s2 = { 0 };
	const char *error = config == CONFIG_S1 ? NULL : stage2_cfg(ste, &s2);

	if (error)
		return devscan_bad(scan, dev, error, dev->entry_pa);
	if (config == CONFIG_S2) {
		dev->stage = 2;
		dev->domain = s2.domain;
		dev->cfg = s2;
		dev->root = STE3_TTB(ste[3]);
		return devscan_report(scan, dev, IOD_DEVICE_TRANSLATED, "stage2");
	}
	dev->stage = 1;
	if (config == CONFIG_NESTED) {
		dev->stage = 3;
		dev->cfg2 = s2;
		dev->root2 = STE3_TTB(ste[3]);
	}
	return stage1_stream(scan, dev);
}

static int stream_entry(struct devscan *scan, uint32_t source_id, uint64_t pa)
{
	struct iod_device dev = devscan_device(source_id);
	uint64_t ste[8], config;

	if (!devscan_read(scan, pa, ste, 8) || !(ste[0] & STE0_V))
		return 0;
	devscan_entry(&dev, pa, ste, 8);
	config = STE0_CONFIG(ste[0]);
	if (config < CONFIG_BYPASS)
		return devscan_report(scan, &dev, IOD_DEVICE_BLOCKED, "blocked");
	if (config == CONFIG_BYPASS)
		return devscan_report(scan, &dev, IOD_DEVICE_BYPASS, "bypass");
	return translated_stream(scan, &dev, config);
}

/* A leaf stream table is paid for from the budget: many descriptors may name the same one. */
static int stream_entry_shared(struct devscan *scan, uint32_t source_id, uint64_t pa)
{
	return devscan_spend(scan) ? stream_entry(scan, source_id, pa) : 0;
}

static int level1_entry(struct devscan *common, uint32_t source_id, uint64_t pa)
{
	struct smmu_scan *scan = (struct smmu_scan *)common;
	struct devscan_table leaf = {
		.len_lg2 = STE_LG2,
		.missing = "level-2 stream table is not in memory",
		.each = stream_entry_shared,
	};
	unsigned span;
	uint64_t l1;

	if (!devscan_read(common, pa, &l1, 1))
		return 0;
	span = L1STD_SPAN(l1);
	if (!span || span > L1STD_SPAN_MAX)
		return 0;
	if (span > scan->split + 1)
		return devscan_bad_id(common, source_id,
				      "Span of a level-1 descriptor exceeds SPLIT", pa);
	leaf.nr = BIT64(span - 1 < scan->bits ? span - 1 : scan->bits);
	leaf.base = align_down(L1STD_PTR(l1), span - 1 + STE_LG2);
	leaf.first_id = source_id;
	return devscan_walk(common, &leaf);
}

static int linear_table(struct smmu_scan *scan, uint64_t addr)
{
	struct devscan_table table = {
		.base = align_down(addr, scan->bits + STE_LG2),
		.nr = BIT64(scan->bits),
		.len_lg2 = STE_LG2,
		.root = true,
		.missing = "stream table is not in memory",
		.each = stream_entry,
	};

	return devscan_walk(&scan->common, &table);
}

static int two_level_table(struct smmu_scan *scan, uint64_t addr)
{
	unsigned l1_bits = scan->bits > scan->split ? scan->bits - scan->split : 0;
	struct devscan_table table = {
		.base = align_down(addr, l1_bits + 3),
		.nr = BIT64(l1_bits),
		.len_lg2 = 3,
		.ids_lg2 = scan->split,
		.root = true,
		.missing = "level-1 stream table is not in memory",
		.each = level1_entry,
	};

	return devscan_walk(&scan->common, &table);
}

int iod_smmuv3_visit_devices(struct iod_mem *mem, uint64_t strtab_base, uint32_t strtab_cfg,
			     iod_device_fn fn, void *cookie)
{
	struct smmu_scan scan = {
		.common = { .mem = mem, .fn = fn, .cookie = cookie, .budget = DEVSCAN_BUDGET },
		.bits = STRTAB_LOG2SIZE(strtab_cfg),
		.split = STRTAB_SPLIT(strtab_cfg),
	};
	unsigned fmt = STRTAB_FMT(strtab_cfg);
	int ret;

	if (!mem || !fn || fmt > 1)
		return -EINVAL;
	if (scan.bits > SID_BITS_MAX)
		scan.bits = SID_BITS_MAX;
	if (scan.split != 8 && scan.split != 10)
		scan.split = 6; /* also what the reserved values mean */
	if (fmt)
		ret = two_level_table(&scan, STRTAB_ADDR(strtab_base));
	else
		ret = linear_table(&scan, STRTAB_ADDR(strtab_base));
	return devscan_end(&scan.common, ret);
}
