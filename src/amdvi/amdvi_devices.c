/* SPDX-License-Identifier: MIT */
/*
 * AMD-Vi: devices and their page tables from the device table: host tables (v1), guest tables (v2)
 * through the GCR3 table, and both nested.
 */
#include <iodirty/amdvi_dte.h>
#include <iodirty/devices.h>

#include "amdvi/dte_bits.h"
#include "amdvi/id.h"
#include "devscan.h"

#define ERR_NO_GCR3 "GCR3 table is not in memory"

/* The GCR3 table of one device. */
struct gcr3 {
	struct devscan *scan;
	const struct iod_device *proto; /* what its PASIDs have in common */
	const struct iod_amdvi_dte *dte;
	struct iod_pgtable *host; /* translates guest addresses; NULL: they are host addresses */
};

static bool gcr3_read(const struct gcr3 *gcr3, uint64_t addr, uint64_t *entry, uint64_t *pa)
{
	*pa = addr;
	if (gcr3->host && iod_iova_to_phys(gcr3->host, addr, pa))
		return false;
	return devscan_read(gcr3->scan, *pa, entry, 1);
}

/* A valid entry of the last level: one PASID. */
static int gcr3_leaf(struct gcr3 *gcr3, uint32_t pasid, uint64_t entry)
{
	struct iod_device dev = *gcr3->proto;
	const char *why;

	dev.pasid = pasid;
	dev.pasid_valid = pasid || !gcr3->dte->giov;
	if (iod_amdvi_dte_get_guest(gcr3->dte, entry, &dev.cfg, &dev.root, &why))
		return devscan_bad(gcr3->scan, &dev, why, dev.entry_pa);
	dev.stage = gcr3->host ? 3 : 1;
	return devscan_report(gcr3->scan, &dev, IOD_DEVICE_TRANSLATED,
			      gcr3->host ? "nested" : "v2");
}

static int gcr3_translate(void *cookie, uint64_t gpa, uint64_t *pa)
{
	return iod_iova_to_phys(cookie, gpa, pa);
}

/* Requests without a PASID, by PASID 0's entry: a device's own, so looked at when the budget is spent as well. */
static int plain_requests(struct gcr3 *gcr3)
{
	struct iod_device dev = *gcr3->proto;
	enum iod_amdvi_event_type event = (enum iod_amdvi_event_type)0;
	uint64_t entry = 0, pa = 0;
	int ret = iod_amdvi_gcr3_lookup(gcr3->dte, NULL, gcr3->scan->mem, -1,
					gcr3->host ? gcr3_translate : NULL, gcr3->host, &entry, &pa,
					&event);

	if (!ret)
		return gcr3_leaf(gcr3, 0, entry);
	if (event == IOD_AMDVI_IO_PAGE_FAULT)
		return devscan_report(gcr3->scan, &dev, IOD_DEVICE_BLOCKED, "blocked");
	return devscan_bad(gcr3->scan, &dev, ERR_NO_GCR3, pa);
}

/* @level counts down to 0; @pasid holds the index bits so far. With GIOV PASID 0 was reported before. */
static int gcr3_walk(struct gcr3 *gcr3, uint64_t table, unsigned level, uint32_t pasid)
{
	unsigned shift = level * GCR3_BITS, i;
	int ret = 0;

	for (i = 0; i < 1u << GCR3_BITS && !ret; i++) {
		uint64_t child = (uint64_t)pasid | (uint64_t)i << shift, entry, pa;
		struct iod_device dev = *gcr3->proto;

		if (child >> AMDVI_PASID_BITS || !devscan_spend(gcr3->scan))
			break;
		if (!gcr3_read(gcr3, table + i * 8, &entry, &pa)) {
			dev.pasid_valid = true;
			dev.pasid = (uint32_t)child;
			if (!child && gcr3->dte->giov)
				return 0;
			return devscan_bad(gcr3->scan, &dev, ERR_NO_GCR3, pa);
		}
		if (!(entry & IOD_AMDVI_GCR3_V) || (!child && !level && gcr3->dte->giov))
			continue;
		if (level)
			ret = gcr3_walk(gcr3, entry & IOD_AMDVI_GCR3_ADDR, level - 1,
					(uint32_t)child);
		else
			ret = gcr3_leaf(gcr3, (uint32_t)child, entry);
	}
	return ret;
}

/* Guest translation is on: PASIDs, and with GIOV plain requests, go through the GCR3 table. */
static int guest_tables(struct devscan *scan, struct iod_device *dev,
			const struct iod_amdvi_dte *dte)
{
	struct iod_device proto = *dev;
	struct gcr3 gcr3 = { .scan = scan, .proto = &proto, .dte = dte };
	const char *why;
	int ret;

	if (dte->glx > GLX_MAX)
		return devscan_bad(scan, &proto, "reserved number of GCR3 levels (GLX)",
				   proto.entry_pa);
	if (dte->mode) {
		ret = iod_amdvi_dte_get_host(dte, &proto.cfg2, &proto.root2, &why);
		if (ret)
			return devscan_bad(scan, &proto, why, proto.entry_pa);
		proto.cfg2.mem = scan->mem;
		ret = iod_pgtable_attach(&gcr3.host, &proto.cfg2, proto.root2);
		proto.cfg2.mem = NULL;
		if (ret)
			return devscan_bad(scan, &proto,
					   "host table below the GCR3 table is unusable",
					   proto.root2);
	}
	ret = dte->giov ? plain_requests(&gcr3) : 0;
	if (!ret)
		ret = gcr3_walk(&gcr3, dte->gcr3, dte->glx, 0);
	if (gcr3.host)
		iod_pgtable_destroy(gcr3.host);
	return ret;
}

/*
 * Requests that the host table translates, or nobody. UNCONFIRMED whether they pass with TV=0: some emulators let them,
 * and who asks which memory a device may write had better hear of it.
 */
static int host_table(struct devscan *scan, struct iod_device *dev, const struct iod_amdvi_dte *dte)
{
	bool table = dte->tv && dte->mode;
	const char *why;

	if (!table && !dte->ir && !dte->iw)
		return devscan_report(scan, dev, IOD_DEVICE_BLOCKED, "blocked");
	if (!table)
		return devscan_report(scan, dev, IOD_DEVICE_BYPASS, "pass-through");
	if (iod_amdvi_dte_get_host(dte, &dev->cfg, &dev->root, &why))
		return devscan_bad(scan, dev, why, dev->entry_pa);
	dev->stage = 2;
	return devscan_report(scan, dev, IOD_DEVICE_TRANSLATED, "v1");
}

static int device_entry(struct devscan *scan, uint32_t source_id, uint64_t pa)
{
	struct iod_device dev = devscan_device(source_id);
	struct iod_amdvi_raw_dte raw;
	struct iod_amdvi_dte dte;
	uint64_t word[DTE_WORDS];
	bool guest;
	unsigned i;
	int ret = 0;

	if (iod_amdvi_dte_read(&raw, scan->mem, pa) || iod_amdvi_dte_decode(&dte, &raw) || !dte.v)
		return 0;
	for (i = 0; i < DTE_WORDS; i++)
		word[i] = iod_le64(raw.word[i]);
	devscan_entry(&dev, pa, word, DTE_WORDS);
	dev.domain = dte.domain;
	guest = dte.tv && dte.gv && dte.mode <= MODE_MAX;
	if (!guest || !dte.giov) {
		struct iod_device plain = dev;

		ret = host_table(scan, &plain, &dte);
	}
	return !ret && guest ? guest_tables(scan, &dev, &dte) : ret;
}

int iod_amdvi_visit_devices(struct iod_mem *mem, uint64_t devtab, iod_device_fn fn, void *cookie)
{
	struct devscan scan = { .mem = mem, .fn = fn, .cookie = cookie, .budget = DEVSCAN_BUDGET };
	struct devscan_table table = {
		.base = DEVTAB_ADDR(devtab),
		.nr = DEVTAB_PAGES(devtab) << (12 - DTE_LG2),
		.len_lg2 = DTE_LG2,
		.root = true,
		.missing = "device table is not in memory",
		.each = device_entry,
	};

	if (!mem || !fn)
		return -EINVAL;
	return devscan_end(&scan, devscan_walk(&scan, &table));
}
