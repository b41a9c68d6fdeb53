/* SPDX-License-Identifier: MIT */
/*
 * SMMUv3: devices and their page tables from the stream table (linear or 2-level) and the context
 * descriptors of each stream. A stage-1 stream with two halves (TTB0 and TTB1) is reported once per
 * half. In a nested stream the context descriptors lie at guest addresses that stage 2 translates.
 */
#include <iodirty/devices.h>

#include <iodirty/smmuv3_ste.h>

#include "devscan.h"
#include "smmuv3/tables.h"

#define ERR_NO_CD   "context descriptor is not in memory"
#define ERR_NO_L1CD "level-1 context descriptor table is not in memory"

#define NO_TABLE    UINT64_MAX

struct smmu_scan {
	struct devscan common; /* first: callbacks cast back */
	struct strtab_geometry table;
};

/* The context descriptors of one stream. */
struct cd_scan {
	struct devscan *scan;
	const struct iod_device *proto; /* what all have in common */
	const struct iod_smmuv3_ste *ste;
	struct iod_pgtable *stage2; /* translates their addresses; NULL: physical */
	struct cdtab_geometry table;
	unsigned leaf_lg2; /* log2 of the descriptors in a level-2 table, or of all */
};

/* What was read goes into the report in host order, and stays as it lies in memory for the decoders. */
static void entry_words(struct iod_device *dev, uint64_t pa, uint64_t *word)
{
	unsigned i;

	devscan_entry(dev, pa, word, STE_WORDS);
	for (i = 0; i < STE_WORDS; i++)
		word[i] = iod_le64(word[i]);
}

static int stage1_half(struct devscan *scan, struct iod_device dev, const struct iod_smmuv3_cd *cd,
		       bool upper)
{
	const char *why;

	if (iod_smmuv3_cd_get_stage1(cd, upper, &dev.cfg, &dev.root, &why))
		return devscan_bad(scan, &dev, why, dev.entry_pa);
	return devscan_report(scan, &dev, IOD_DEVICE_TRANSLATED,
			      dev.stage == 3 ? "nested" : "stage1");
}

/* The CD in dev->entry decides. Missing descriptors of substreams are not reported. */
static int report_cd(const struct cd_scan *cds, struct iod_device *dev,
		     const struct iod_smmuv3_raw_cd *raw)
{
	struct iod_smmuv3_cd cd;
	const char *why;
	int ret = 0;

	iod_smmuv3_cd_decode(&cd, raw);
	if (!cd.valid) {
		if (dev->pasid_valid)
			return 0;
		return devscan_bad(cds->scan, dev, "context descriptor is not valid (V=0)",
				   dev->entry_pa);
	}
	dev->domain = cd.asid;
	if (iod_smmuv3_cd_check(&cd, cds->ste, NULL, 0, &why))
		return devscan_bad(cds->scan, dev, why, dev->entry_pa);
	iod_smmuv3_cd_effective(&cd, &cd, cds->ste, NULL, 0);
	if (cd.epd0 && cd.epd1)
		return devscan_report(cds->scan, dev, IOD_DEVICE_BLOCKED, "blocked");
	if (!cd.epd0)
		ret = stage1_half(cds->scan, *dev, &cd, false);
	if (!ret && !cd.epd1)
		ret = stage1_half(cds->scan, *dev, &cd, true);
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
	struct iod_smmuv3_raw_cd raw;
	uint64_t pa;

	if (!cd_read(cds, table + ((uint64_t)index << STE_LG2), raw.word, STE_WORDS, &pa))
		return devscan_bad(cds->scan, &dev, ERR_NO_CD, pa);
	entry_words(&dev, pa, raw.word);
	return report_cd(cds, &dev, &raw);
}

/* Where the level-2 table of @index is; *table is NO_TABLE when there is none. */
static bool cd_table(const struct cd_scan *cds, uint32_t index, uint64_t *table, uint64_t *pa)
{
	uint64_t l1;

	*table = cds->table.base;
	if (!cds->table.two_level)
		return true;
	if (!cd_read(cds, cds->table.base + (uint64_t)index * 8, &l1, 1, pa))
		return false;
	*table = l1 & L1CD_V ? l1cd_ptr(l1, &cds->table) : NO_TABLE;
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
	if (table == NO_TABLE)
		return 0;
	for (i = 0; i < n && !ret && devscan_spend(cds->scan); i++) {
		dev.pasid = index << cds->leaf_lg2 | i;
		if (dev.pasid == 0 && plain_is_cd0)
			continue;
		/* A missing page is one bad device, not 64. */
		if (!(i & 63) && !cd_read(cds, table + ((uint64_t)i << STE_LG2), &word, 1, &pa)) {
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
	if (table == NO_TABLE)
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

static int context_descriptors(const struct cd_scan *cds)
{
	unsigned cdmax = cds->table.bits;
	bool cd0 = !cdmax || cds->ste->s1dss == S1DSS_CD0;
	uint32_t i;
	int ret;

	ret = cd0 ? plain_cd0(cds) : plain_without_cd(cds, cds->ste->s1dss == S1DSS_BYPASS);
	for (i = 0; cdmax && i < 1u << (cdmax - cds->leaf_lg2) && !ret; i++) {
		if (cds->table.two_level && !devscan_spend(cds->scan))
			break;
		ret = substreams(cds, i, cd0);
	}
	return ret;
}

/* Config 5 and 7. proto->cfg2 is ready when nested. */
static int stage1_stream(struct devscan *scan, struct iod_device *proto,
			 const struct iod_smmuv3_ste *ste)
{
	struct cd_scan cds = {
		.scan = scan,
		.proto = proto,
		.ste = ste,
		.table = cdtab_geometry(ste),
	};
	int ret;

	cds.leaf_lg2 = cds.table.bits - (cds.table.two_level ? cds.table.l1_bits : 0);
	if (proto->stage == 3) {
		proto->cfg2.mem = scan->mem;
		ret = iod_pgtable_attach(&cds.stage2, &proto->cfg2, proto->root2);
		proto->cfg2.mem = NULL;
		if (ret)
			return devscan_bad(scan, proto, "stage-2 table is unusable", proto->root2);
	}
	ret = context_descriptors(&cds);
	if (cds.stage2)
		iod_pgtable_destroy(cds.stage2);
	return ret;
}

static int translated_stream(struct devscan *scan, struct iod_device *dev,
			     const struct iod_smmuv3_ste *ste)
{
	struct iod_pgtable_cfg cfg;
	const char *why;
	uint64_t root;

	dev->stage = 1;
	if (!STE_CONFIG_S2(ste->config))
		return stage1_stream(scan, dev, ste);
	if (iod_smmuv3_ste_get_stage2(ste, &cfg, &root, &why)) {
		dev->stage = 0;
		return devscan_bad(scan, dev, why, dev->entry_pa);
	}
	if (ste->config == IOD_SMMUV3_S2) {
		dev->stage = 2;
		dev->domain = cfg.domain;
		dev->cfg = cfg;
		dev->root = root;
		return devscan_report(scan, dev, IOD_DEVICE_TRANSLATED, "stage2");
	}
	dev->stage = 3;
	dev->cfg2 = cfg;
	dev->root2 = root;
	return stage1_stream(scan, dev, ste);
}

static int stream_entry(struct devscan *scan, uint32_t source_id, uint64_t pa)
{
	struct iod_device dev = devscan_device(source_id);
	struct iod_smmuv3_raw_ste raw;
	struct iod_smmuv3_ste ste;
	const char *why;

	if (!devscan_read(scan, pa, raw.word, STE_WORDS))
		return 0;
	entry_words(&dev, pa, raw.word);
	iod_smmuv3_ste_decode(&ste, &raw);
	if (!ste.valid)
		return 0;
	if (iod_smmuv3_ste_check(&ste, NULL, 0, &why))
		return devscan_bad(scan, &dev, why, pa);
	iod_smmuv3_ste_effective(&ste, &ste, NULL, 0);
	if (ste.config < IOD_SMMUV3_BYPASS)
		return devscan_report(scan, &dev, IOD_DEVICE_BLOCKED, "blocked");
	if (ste.config == IOD_SMMUV3_BYPASS)
		return devscan_report(scan, &dev, IOD_DEVICE_BYPASS, "bypass");
	return translated_stream(scan, &dev, &ste);
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
	uint64_t l1;
	int lg2;

	if (!devscan_read(common, pa, &l1, 1))
		return 0;
	lg2 = l1std_lg2(l1);
	if (lg2 < 0)
		return 0;
	if ((unsigned)lg2 > scan->table.split)
		return devscan_bad_id(common, source_id,
				      "Span of a level-1 descriptor exceeds SPLIT", pa);
	leaf.nr = BIT64((unsigned)lg2 < scan->table.bits ? (unsigned)lg2 : scan->table.bits);
	leaf.base = l1std_ptr(l1);
	leaf.first_id = source_id;
	return devscan_walk(common, &leaf);
}

static int linear_table(struct smmu_scan *scan)
{
	struct devscan_table table = {
		.base = scan->table.base,
		.nr = BIT64(scan->table.bits),
		.len_lg2 = STE_LG2,
		.root = true,
		.missing = "stream table is not in memory",
		.each = stream_entry,
	};

	return devscan_walk(&scan->common, &table);
}

static int two_level_table(struct smmu_scan *scan)
{
	struct devscan_table table = {
		.base = scan->table.base,
		.nr = BIT64(scan->table.l1_bits),
		.len_lg2 = 3,
		.ids_lg2 = scan->table.split,
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
		.table = strtab_geometry(strtab_base, strtab_cfg),
	};
	int ret;

	if (!mem || !fn || STRTAB_FMT(strtab_cfg) > STRTAB_FMT_2LEVEL)
		return -EINVAL;
	ret = scan.table.two_level ? two_level_table(&scan) : linear_table(&scan);
	return devscan_end(&scan.common, ret);
}
