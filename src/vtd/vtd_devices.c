/* SPDX-License-Identifier: MIT */
/*
 * Intel VT-d: devices and their page tables from the root table, in legacy mode (root and context
 * entries) and scalable mode (PASID directory and PASID tables as well).
 */
#include <iodirty/devices.h>

#include "devscan.h"

#define RTADDR_SSIRWE BIT64(7)
#define RTADDR_TTM(v) ((v) >> 10 & 3)
#define TTM_LEGACY    0
#define TTM_SCALABLE  1
#define TTM_ABORT     3
#define TABLE_PTR(w)  (MASK64(63, 12) & (w))
#define PRESENT	      BIT64(0)

/* Legacy context entry */
#define CE_TT(w0)      ((w0) >> 2 & 3)
#define CE_TT_PT       2
#define CE_TT_RESERVED 3
#define CE_AW(w1)      (7 & (w1))
#define CE_DID(w1)     ((w1) >> 8 & 0xffff)

/* Scalable-mode context entry */
#define SMCE_PDTS(w0)	   ((w0) >> 9 & 7)
#define SMCE_RID_PASID(w1) (0xfffff & (uint32_t)(w1))

/* PASID table entry */
#define PE_AW(w0)      ((w0) >> 2 & 7)
#define PE_PGTT(w0)    ((w0) >> 6 & 7)
#define PE_SSADE       BIT64(9)
#define PE_DID(w1)     (0xffff & (w1))
#define PE_FSPM(w2)    ((w2) >> 2 & 3)
#define PGTT_FS	       1
#define PGTT_SS	       2
#define PGTT_NESTED    3
#define PGTT_PT	       4

#define ROOT_ENTRIES   256u
#define PASIDS_LG2     6u /* PASID entries per table */
#define PASIDS	       (1u << PASIDS_LG2)

#define ERR_NO_CONTEXT "context table is not in memory"
#define ERR_NO_DIR     "PASID directory is not in memory"
#define ERR_NO_PASIDS  "PASID table is not in memory"
#define ERR_AW	       "reserved address width (AW)"
#define ERR_SSIRWE     "second-stage permissions in bits 62:61 (SSIRWE) are not supported"

struct vtd_scan {
	struct devscan common;
	bool ssirwe;
};

/* A device's PASID directory. */
struct pasid_dir {
	uint64_t base;
	uint32_t nr;	    /* its entries */
	uint32_t rid_pasid; /* the PASID of plain requests */
};

static struct iod_pgtable_cfg table_cfg(enum iod_format format, uint32_t levels, uint64_t did)
{
	return (struct iod_pgtable_cfg){
		.size = sizeof(struct iod_pgtable_cfg),
		.format = format,
		.levels = levels,
		.oas = 52,
		.domain = did,
	};
}

/* @return NULL, or what is wrong */
static const char *second_stage(const struct vtd_scan *scan, uint64_t aw, bool ad, uint64_t did,
				struct iod_pgtable_cfg *cfg)
{
	if (aw < 1 || aw > 3)
		return ERR_AW;
	if (scan->ssirwe)
		return ERR_SSIRWE;
	*cfg = table_cfg(IOD_VTD_SS, (uint32_t)aw + 2, did);
	if (ad)
		cfg->features = IOD_PT_HW_ACCESS | IOD_PT_HW_DIRTY;
	return NULL;
}

static const char *first_stage(const uint64_t *entry, struct iod_pgtable_cfg *cfg)
{
	uint64_t fspm = PE_FSPM(entry[2]);

	if (fspm > 1)
		return "reserved first-stage paging mode (FSPM)";
	*cfg = table_cfg(IOD_VTD_FS, (uint32_t)fspm + 4, PE_DID(entry[1]));
	cfg->features = IOD_PT_HW_ACCESS | IOD_PT_HW_DIRTY;
	return NULL;
}

static int legacy_entry(struct vtd_scan *scan, uint32_t source_id, uint64_t pa)
{
	struct iod_device dev = devscan_device(source_id);
	const char *error;
	uint64_t ce[2];

	if (!devscan_read(&scan->common, pa, ce, 2))
		return devscan_bad(&scan->common, &dev, ERR_NO_CONTEXT, pa);
	if (!(ce[0] & PRESENT))
		return 0;
	devscan_entry(&dev, pa, ce, 2);
	dev.domain = CE_DID(ce[1]);
	if (CE_TT(ce[0]) == CE_TT_PT)
		return devscan_report(&scan->common, &dev, IOD_DEVICE_BYPASS, "pass-through");
	if (CE_TT(ce[0]) == CE_TT_RESERVED)
		return devscan_bad(&scan->common, &dev, "reserved translation type (TT)", pa);
	error = second_stage(scan, CE_AW(ce[1]), false, dev.domain, &dev.cfg);
	if (error)
		return devscan_bad(&scan->common, &dev, error, pa);
	dev.stage = 2;
	dev.root = TABLE_PTR(ce[0]);
	return devscan_report(&scan->common, &dev, IOD_DEVICE_TRANSLATED, "second-stage");
}

/* A present PASID entry. */
static int pasid_entry(struct vtd_scan *scan, struct iod_device *dev)
{
	const uint64_t *pe = dev->entry;
	struct iod_pgtable_cfg first = { 0 }, second = { 0 };
	const char *error = NULL, *name = "nested";
	uint64_t pgtt = PE_PGTT(pe[0]);

	dev->domain = PE_DID(pe[1]);
	if (pgtt == PGTT_PT)
		return devscan_report(&scan->common, dev, IOD_DEVICE_BYPASS, "pass-through");
	if (pgtt < PGTT_FS || pgtt > PGTT_PT)
		error = "reserved PASID translation type (PGTT)";
	if (!error && pgtt != PGTT_FS)
		error = second_stage(scan, PE_AW(pe[0]), pe[0] & PE_SSADE, dev->domain, &second);
	if (!error && pgtt != PGTT_SS)
		error = first_stage(pe, &first);
	if (error)
		return devscan_bad(&scan->common, dev, error, dev->entry_pa);

	dev->stage = (uint32_t)pgtt; /* 1, 2, 3: as iod_device.stage counts */
	dev->cfg = first;
	dev->root = TABLE_PTR(pe[2]);
	if (pgtt == PGTT_SS) {
		dev->cfg = second;
		dev->root = TABLE_PTR(pe[0]);
		name = "second-stage";
	} else if (pgtt == PGTT_NESTED) {
		dev->cfg2 = second;
		dev->root2 = TABLE_PTR(pe[0]);
	} else {
		name = "first-stage";
	}
	return devscan_report(&scan->common, dev, IOD_DEVICE_TRANSLATED, name);
}

/* What happens to requests without a PASID. */
static int plain_requests(struct vtd_scan *scan, struct iod_device dev, const struct pasid_dir *dir)
{
	uint64_t pa = dir->base + (uint64_t)(dir->rid_pasid >> PASIDS_LG2) * 8;
	uint64_t entry, words[8];

	dev.pasid = dir->rid_pasid;
	if (dir->rid_pasid >> PASIDS_LG2 >= dir->nr)
		return devscan_bad(&scan->common, &dev, "RID_PASID is beyond the PASID directory",
				   dev.entry_pa);
	if (!devscan_read(&scan->common, pa, &entry, 1))
		return devscan_bad(&scan->common, &dev, ERR_NO_DIR, pa);
	if (!(entry & PRESENT))
		return devscan_report(&scan->common, &dev, IOD_DEVICE_BLOCKED, "blocked");
	pa = TABLE_PTR(entry) + (dir->rid_pasid & (PASIDS - 1)) * 64;
	if (!devscan_read(&scan->common, pa, words, 8))
		return devscan_bad(&scan->common, &dev, ERR_NO_PASIDS, pa);
	devscan_entry(&dev, pa, words, 8);
	if (!(words[0] & PRESENT))
		return devscan_report(&scan->common, &dev, IOD_DEVICE_BLOCKED, "blocked");
	return pasid_entry(scan, &dev);
}

/* The other PASIDs of one table. */
static int pasid_table(struct vtd_scan *scan, struct iod_device dev, const struct pasid_dir *dir,
		       uint64_t table)
{
	uint32_t first = dev.pasid, i;
	int ret = 0;

	if (!devscan_ptr(&scan->common, table, PASIDS * 64)) {
		if (first >> PASIDS_LG2 == dir->rid_pasid >> PASIDS_LG2)
			return 0; /* reported with the plain requests */
		return devscan_bad(&scan->common, &dev, ERR_NO_PASIDS, table);
	}
	for (i = 0; i < PASIDS && !ret && devscan_spend(&scan->common); i++) {
		uint64_t pa = table + i * 64, words[8];

		dev.pasid = first + i;
		if (dev.pasid == dir->rid_pasid)
			continue;
		if (!devscan_read(&scan->common, pa, words, 8))
			return devscan_bad(&scan->common, &dev, ERR_NO_PASIDS, pa);
		devscan_entry(&dev, pa, words, 8);
		if (words[0] & PRESENT)
			ret = pasid_entry(scan, &dev);
	}
	return ret;
}

static int pasid_requests(struct vtd_scan *scan, struct iod_device dev, const struct pasid_dir *dir)
{
	uint32_t i;
	int ret = 0;

	dev.pasid_valid = true;
	for (i = 0; i < dir->nr && !ret && devscan_spend(&scan->common); i++) {
		struct iod_device pasid = dev;
		uint64_t entry, pa = dir->base + (uint64_t)i * 8;

		pasid.pasid = i << PASIDS_LG2;
		if (!devscan_read(&scan->common, pa, &entry, 1))
			return devscan_bad(&scan->common, &pasid, ERR_NO_DIR, pa);
		if (entry & PRESENT)
			ret = pasid_table(scan, pasid, dir, TABLE_PTR(entry));
	}
	return ret;
}

static int scalable_entry(struct vtd_scan *scan, uint32_t source_id, uint64_t pa)
{
	struct iod_device dev = devscan_device(source_id);
	struct pasid_dir dir;
	uint64_t ce[4];
	int ret;

	if (!devscan_read(&scan->common, pa, ce, 4))
		return devscan_bad(&scan->common, &dev, ERR_NO_CONTEXT, pa);
	if (!(ce[0] & PRESENT))
		return 0;
	devscan_entry(&dev, pa, ce, 4);
	dir.base = TABLE_PTR(ce[0]);
	dir.nr = 1u << (SMCE_PDTS(ce[0]) + 7);
	dir.rid_pasid = SMCE_RID_PASID(ce[1]);
	ret = plain_requests(scan, dev, &dir);
	/* An unreadable directory was reported with the plain requests. */
	if (ret || !devscan_ptr(&scan->common, dir.base, 8))
		return ret;
	return pasid_requests(scan, dev, &dir);
}

/* One page of context entries: 256 of 16 bytes, or 128 of 32. */
static int context_table(struct vtd_scan *scan, uint32_t source_id, uint64_t table, bool scalable)
{
	unsigned i, len = scalable ? 32 : 16;
	int ret = 0;

	if (!devscan_ptr(&scan->common, table, 4096))
		return devscan_bad_id(&scan->common, source_id, ERR_NO_CONTEXT, table);
	for (i = 0; i < 4096 / len && !ret; i++)
		ret = scalable ? scalable_entry(scan, source_id + i, table + i * len)
			       : legacy_entry(scan, source_id + i, table + i * len);
	return ret;
}

static int root_entry(struct vtd_scan *scan, uint32_t bus, uint64_t pa, bool scalable)
{
	uint64_t root[2];
	int ret = 0;

	if (!devscan_read(&scan->common, pa, root, 2))
		return -EFAULT;
	if (root[0] & PRESENT)
		ret = context_table(scan, bus << 8, TABLE_PTR(root[0]), scalable);
	if (!ret && scalable && (root[1] & PRESENT))
		ret = context_table(scan, bus << 8 | 0x80, TABLE_PTR(root[1]), true);
	return ret;
}

int iod_vtd_visit_devices(struct iod_mem *mem, uint64_t rtaddr, iod_device_fn fn, void *cookie)
{
	struct vtd_scan scan = {
		.common = { .mem = mem, .fn = fn, .cookie = cookie, .budget = DEVSCAN_BUDGET },
	};
	uint64_t ttm = RTADDR_TTM(rtaddr), base = TABLE_PTR(rtaddr);
	uint32_t bus;
	int ret = 0;

	if (!mem || !fn || (ttm != TTM_LEGACY && ttm != TTM_SCALABLE && ttm != TTM_ABORT))
		return -EINVAL;
	if (ttm == TTM_ABORT) /* every request is refused, whatever the tables say */
		return 0;
	if (!devscan_ptr(&scan.common, base, ROOT_ENTRIES * 16))
		return -EFAULT;
	scan.ssirwe = ttm == TTM_SCALABLE && (rtaddr & RTADDR_SSIRWE);
	for (bus = 0; bus < ROOT_ENTRIES && !ret; bus++)
		ret = root_entry(&scan, bus, base + bus * 16, ttm == TTM_SCALABLE);
	return devscan_end(&scan.common, ret);
}
