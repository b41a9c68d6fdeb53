/* SPDX-License-Identifier: MIT */
/*
 * Intel VT-d: devices and their page tables from the root table, in legacy mode (root and context
 * entries) and scalable mode (PASID directory and PASID tables as well).
 */
#include <iodirty/devices.h>
#include <iodirty/vtd_entry.h>

#include "devscan.h"
#include "vtd/entry_bits.h"

#define ROOT_ENTRIES   256u
#define PASIDS	       (1u << PASIDS_LG2)

#define ERR_NO_CONTEXT "context table is not in memory"
#define ERR_NO_DIR     "PASID directory is not in memory"
#define ERR_NO_PASIDS  "PASID table is not in memory"

/* What newer revisions may have given a meaning is no reason to hide a device. */
#define CHECK IOD_VTD_CHECK_LENIENT

struct vtd_scan {
	struct devscan common;
	uint32_t flags; /* IOD_VTD_CHECK_SSIRWE, or 0 */
};

/* A device's PASID directory. */
struct pasid_dir {
	uint64_t base;
	uint32_t nr;	    /* its entries */
	uint32_t rid_pasid; /* the PASID of plain requests */
	const char *error;  /* what is wrong with the context entry; NULL: nothing */
};

/* Copies the words of an entry to the device, and little-endian to @raw. @return false: not in memory */
static bool read_entry(struct vtd_scan *scan, struct iod_device *dev, uint64_t pa, uint64_t *raw,
		       unsigned n)
{
	uint64_t words[8];
	unsigned i;

	if (!devscan_read(&scan->common, pa, words, n))
		return false;
	devscan_entry(dev, pa, words, n);
	for (i = 0; i < n; i++)
		raw[i] = iod_le64(words[i]);
	return true;
}

/* The same for an entry of the PASID directory, which is not the one that decides. */
static bool read_dir_entry(struct vtd_scan *scan, uint64_t pa, struct iod_vtd_pasid_dir *dir)
{
	struct iod_vtd_raw_pasid_dir raw;
	uint64_t word;

	if (!devscan_read(&scan->common, pa, &word, 1))
		return false;
	raw.word[0] = iod_le64(word);
	iod_vtd_pasid_dir_decode(dir, &raw);
	return true;
}

static int legacy_entry(struct vtd_scan *scan, uint32_t source_id, uint64_t pa)
{
	struct iod_device dev = devscan_device(source_id);
	struct iod_vtd_raw_context raw;
	struct iod_vtd_context ce;
	const char *error = NULL;

	if (!read_entry(scan, &dev, pa, raw.word, 2))
		return devscan_bad(&scan->common, &dev, ERR_NO_CONTEXT, pa);
	iod_vtd_context_decode(&ce, &raw);
	if (!ce.present)
		return 0;
	dev.domain = ce.did;
	if (!iod_vtd_context_check(&ce, NULL, CHECK, &error) && ce.tt == IOD_VTD_TT_PASS_THROUGH)
		return devscan_report(&scan->common, &dev, IOD_DEVICE_BYPASS, "pass-through");
	if (!error)
		iod_vtd_context_get_second(&ce, NULL, scan->flags, &dev.cfg, &dev.root, &error);
	if (error)
		return devscan_bad(&scan->common, &dev, error, pa);
	dev.stage = 2;
	return devscan_report(&scan->common, &dev, IOD_DEVICE_TRANSLATED, "second-stage");
}

/* The tables of a present PASID entry that translates. @return NULL, or what is wrong */
static const char *pasid_tables(const struct vtd_scan *scan, const struct iod_vtd_pasid *pe,
				struct iod_device *dev)
{
	bool nested = pe->pgtt == IOD_VTD_PGTT_NESTED;
	const char *error = NULL;

	if (nested)
		iod_vtd_pasid_get_second(pe, NULL, scan->flags, &dev->cfg2, &dev->root2, &error);
	if (error)
		return error;
	if (pe->pgtt == IOD_VTD_PGTT_SECOND)
		iod_vtd_pasid_get_second(pe, NULL, scan->flags, &dev->cfg, &dev->root, &error);
	else
		iod_vtd_pasid_get_first(pe, NULL, &dev->cfg, &dev->root, &error);
	return error;
}

/* A present PASID entry. */
static int pasid_entry(struct vtd_scan *scan, struct iod_device *dev,
		       const struct iod_vtd_pasid *pe)
{
	static const char *const names[] = {
		[IOD_VTD_PGTT_FIRST] = "first-stage",
		[IOD_VTD_PGTT_SECOND] = "second-stage",
		[IOD_VTD_PGTT_NESTED] = "nested",
	};
	const char *error = NULL;

	dev->domain = pe->did;
	if (iod_vtd_pasid_check(pe, NULL, CHECK, &error))
		return devscan_bad(&scan->common, dev, error, dev->entry_pa);
	if (pe->pgtt == IOD_VTD_PGTT_PASS_THROUGH)
		return devscan_report(&scan->common, dev, IOD_DEVICE_BYPASS, "pass-through");
	error = pasid_tables(scan, pe, dev);
	if (error)
		return devscan_bad(&scan->common, dev, error, dev->entry_pa);
	dev->stage = pe->pgtt; /* 1, 2, 3: as iod_device.stage counts */
	return devscan_report(&scan->common, dev, IOD_DEVICE_TRANSLATED, names[pe->pgtt]);
}

/* What happens to requests without a PASID. */
static int plain_requests(struct vtd_scan *scan, struct iod_device dev, const struct pasid_dir *dir)
{
	uint64_t pa = dir->base + (uint64_t)(dir->rid_pasid >> PASIDS_LG2) * 8;
	struct iod_vtd_raw_pasid raw;
	struct iod_vtd_pasid_dir entry;
	struct iod_vtd_pasid pe;

	dev.pasid = dir->rid_pasid;
	if (dir->error)
		return devscan_bad(&scan->common, &dev, dir->error, dev.entry_pa);
	if (!read_dir_entry(scan, pa, &entry))
		return devscan_bad(&scan->common, &dev, ERR_NO_DIR, pa);
	if (!entry.present)
		return devscan_report(&scan->common, &dev, IOD_DEVICE_BLOCKED, "blocked");
	pa = entry.smptblptr + (dir->rid_pasid & (PASIDS - 1)) * sizeof(raw);
	if (!read_entry(scan, &dev, pa, raw.word, 8))
		return devscan_bad(&scan->common, &dev, ERR_NO_PASIDS, pa);
	iod_vtd_pasid_decode(&pe, &raw);
	if (!pe.present)
		return devscan_report(&scan->common, &dev, IOD_DEVICE_BLOCKED, "blocked");
	return pasid_entry(scan, &dev, &pe);
}

/* The other PASIDs of one table. */
static int pasid_table(struct vtd_scan *scan, struct iod_device dev, const struct pasid_dir *dir,
		       uint64_t table)
{
	uint32_t first = dev.pasid, i;
	struct iod_vtd_raw_pasid raw;
	struct iod_vtd_pasid pe;
	int ret = 0;

	if (!devscan_ptr(&scan->common, table, PASIDS * sizeof(raw))) {
		if (first >> PASIDS_LG2 == dir->rid_pasid >> PASIDS_LG2)
			return 0; /* reported with the plain requests */
		return devscan_bad(&scan->common, &dev, ERR_NO_PASIDS, table);
	}
	for (i = 0; i < PASIDS && !ret && devscan_spend(&scan->common); i++) {
		struct iod_device one = dev;
		uint64_t pa = table + i * sizeof(raw);

		one.pasid = first + i;
		if (one.pasid == dir->rid_pasid)
			continue;
		if (!read_entry(scan, &one, pa, raw.word, 8))
			return devscan_bad(&scan->common, &one, ERR_NO_PASIDS, pa);
		iod_vtd_pasid_decode(&pe, &raw);
		if (pe.present)
			ret = pasid_entry(scan, &one, &pe);
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
		struct iod_vtd_pasid_dir entry;
		uint64_t pa = dir->base + (uint64_t)i * 8;

		pasid.pasid = i << PASIDS_LG2;
		if (!read_dir_entry(scan, pa, &entry))
			return devscan_bad(&scan->common, &pasid, ERR_NO_DIR, pa);
		if (entry.present)
			ret = pasid_table(scan, pasid, dir, entry.smptblptr);
	}
	return ret;
}

static int scalable_entry(struct vtd_scan *scan, uint32_t source_id, uint64_t pa)
{
	struct iod_device dev = devscan_device(source_id);
	struct iod_vtd_raw_sm_context raw;
	struct iod_vtd_sm_context ce;
	struct pasid_dir dir;
	int ret;

	if (!read_entry(scan, &dev, pa, raw.word, 4))
		return devscan_bad(&scan->common, &dev, ERR_NO_CONTEXT, pa);
	iod_vtd_sm_context_decode(&ce, &raw);
	if (!ce.present)
		return 0;
	iod_vtd_sm_context_check(&ce, NULL, CHECK, &dir.error);
	dir.base = ce.pasiddirptr;
	dir.nr = 1u << (ce.pdts + PASID_DIR_LG2);
	dir.rid_pasid = ce.rid_pasid;
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
	struct iod_vtd_raw_root raw;
	struct iod_vtd_root root;
	uint64_t words[2];
	int ret = 0;

	if (!devscan_read(&scan->common, pa, words, 2))
		return -EFAULT;
	raw.word[0] = iod_le64(words[0]);
	raw.word[1] = iod_le64(words[1]);
	iod_vtd_root_decode(&root, &raw);
	if (root.lp)
		ret = context_table(scan, bus << 8, root.lctp, scalable);
	if (!ret && scalable && root.up)
		ret = context_table(scan, bus << 8 | 0x80, root.uctp, true);
	return ret;
}

int iod_vtd_visit_devices(struct iod_mem *mem, uint64_t rtaddr, iod_device_fn fn, void *cookie)
{
	struct vtd_scan scan = {
		.common = { .mem = mem, .fn = fn, .cookie = cookie, .budget = DEVSCAN_BUDGET },
	};
	uint64_t ttm = rtaddr & IOD_VTD_RTADDR_TTM, base = rtaddr & IOD_VTD_RTADDR_RTA;
	uint32_t bus;
	int ret = 0;

	if (!mem || !fn ||
	    (ttm != IOD_VTD_RTADDR_LEGACY && ttm != IOD_VTD_RTADDR_SCALABLE &&
	     ttm != IOD_VTD_RTADDR_ABORT))
		return -EINVAL;
	if (ttm == IOD_VTD_RTADDR_ABORT) /* every request is refused, whatever the tables say */
		return 0;
	if (!devscan_ptr(&scan.common, base, ROOT_ENTRIES * 16))
		return -EFAULT;
	if (ttm == IOD_VTD_RTADDR_SCALABLE && (rtaddr & IOD_VTD_RTADDR_SSIRWE))
		scan.flags = IOD_VTD_CHECK_SSIRWE;
	for (bus = 0; bus < ROOT_ENTRIES && !ret; bus++)
		ret = root_entry(&scan, bus, base + bus * 16, ttm == IOD_VTD_RTADDR_SCALABLE);
	return devscan_end(&scan.common, ret);
}
