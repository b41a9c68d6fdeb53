/* SPDX-License-Identifier: MIT */
/*
 * AMD-Vi: devices and their page tables from the device table: host tables (v1), guest tables (v2)
 * through the GCR3 table, and both nested.
 */
#include <iodirty/devices.h>

#include "devscan.h"

/* Device table base register */
#define DEVTAB_BASE(v)	 (MASK64(51, 12) & (v))
#define DEVTAB_PAGES(v)	 ((0x1ff & (v)) + 1)
#define DTE_LG2		 5u

#define DTE_V		 BIT64(0) /* word 0 */
#define DTE_TV		 BIT64(1)
#define DTE_HAD(w0)	 ((w0) >> 7 & 3)
#define DTE_MODE(w0)	 ((w0) >> 9 & 7)
#define DTE_ROOT(w0)	 (MASK64(51, 12) & (w0))
#define DTE_GIOV	 BIT64(54)
#define DTE_GV		 BIT64(55)
#define DTE_GLX(w0)	 ((w0) >> 56 & 3)
#define DTE_IR_IW	 (BIT64(61) | BIT64(62))
#define DTE_DOMAIN(w1)	 (0xffff & (w1))
#define DTE_GPM(w2)	 ((w2) >> 54 & 3) /* guest paging mode */
#define GCR3_VALID	 BIT64(0)
#define GCR3_PTR(e)	 (MASK64(51, 12) & (e))

#define HAD_ACCESS	 1
#define HAD_ACCESS_DIRTY 3
#define GLX_BITS	 9u
#define PASID_BITS	 20u

#define ERR_NO_GCR3	 "GCR3 table is not in memory"

/* The GCR3 table of one device. */
struct gcr3 {
	struct devscan *scan;
	const struct iod_device *proto; /* what its PASIDs have in common */
	struct iod_pgtable *host; /* translates guest addresses; NULL: they are host addresses */
	bool giov;		  /* PASID 0 also serves requests without a PASID */
	bool plain;		  /* those were reported */
};

/* The three fragments of the GCR3 table pointer: [14:12], [30:15], [51:31]. */
static uint64_t dte_gcr3(const uint64_t *dte)
{
	return (dte[0] >> 58 & 7) << 12 | (dte[1] >> 16 & 0xffff) << 15 | (dte[1] >> 43) << 31;
}

static struct iod_pgtable_cfg table_cfg(enum iod_format format, uint64_t levels, uint64_t domain)
{
	return (struct iod_pgtable_cfg){
		.size = sizeof(struct iod_pgtable_cfg),
		.format = format,
		.levels = (uint32_t)levels,
		.oas = 52,
		.domain = domain,
	};
}

static struct iod_pgtable_cfg v1_cfg(const uint64_t *dte)
{
	struct iod_pgtable_cfg cfg = table_cfg(IOD_AMD_V1, DTE_MODE(dte[0]), DTE_DOMAIN(dte[1]));

	if (DTE_HAD(dte[0]) == HAD_ACCESS)
		cfg.features = IOD_PT_HW_ACCESS;
	if (DTE_HAD(dte[0]) == HAD_ACCESS_DIRTY)
		cfg.features = IOD_PT_HW_ACCESS | IOD_PT_HW_DIRTY;
	return cfg;
}

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
	uint64_t gpm = DTE_GPM(dev.entry[2]);

	dev.pasid = pasid;
	dev.pasid_valid = pasid || !gcr3->giov;
	gcr3->plain |= !pasid;
	if (gpm > 1)
		return devscan_bad(gcr3->scan, &dev, "reserved guest paging mode", dev.entry_pa);
	dev.cfg = table_cfg(IOD_AMD_V2, 4 + gpm, dev.domain);
	dev.cfg.features = IOD_PT_HW_ACCESS | IOD_PT_HW_DIRTY;
	dev.root = GCR3_PTR(entry);
	dev.stage = gcr3->host ? 3 : 1;
	return devscan_report(gcr3->scan, &dev, IOD_DEVICE_TRANSLATED,
			      gcr3->host ? "nested" : "v2");
}

/* @level counts down to 0; @pasid holds the index bits so far. */
static int gcr3_walk(struct gcr3 *gcr3, uint64_t table, unsigned level, uint32_t pasid)
{
	unsigned shift = level * GLX_BITS, i;
	int ret = 0;

	for (i = 0; i < 1u << GLX_BITS && !ret; i++) {
		uint64_t child = (uint64_t)pasid | (uint64_t)i << shift, entry, pa;
		struct iod_device dev = *gcr3->proto;

		if (child >> PASID_BITS || !devscan_spend(gcr3->scan))
			break;
		if (!gcr3_read(gcr3, table + i * 8, &entry, &pa)) {
			dev.pasid_valid = child || !gcr3->giov;
			dev.pasid = (uint32_t)child;
			gcr3->plain |= !child;
			return devscan_bad(gcr3->scan, &dev, ERR_NO_GCR3, pa);
		}
		if (!(entry & GCR3_VALID))
			continue;
		if (level)
			ret = gcr3_walk(gcr3, GCR3_PTR(entry), level - 1, (uint32_t)child);
		else
			ret = gcr3_leaf(gcr3, (uint32_t)child, entry);
	}
	return ret;
}

/* Guest translation is on: PASIDs, and with GIOV plain requests, go through the GCR3 table. */
static int guest_tables(struct devscan *scan, struct iod_device *dev)
{
	struct iod_device proto = *dev;
	const uint64_t *dte = proto.entry;
	struct gcr3 gcr3 = {
		.scan = scan,
		.proto = &proto,
		.giov = dte[0] & DTE_GIOV,
	};
	int ret;

	if (DTE_GLX(dte[0]) == 3)
		return devscan_bad(scan, &proto, "reserved number of GCR3 levels (GLX)",
				   proto.entry_pa);
	if (DTE_MODE(dte[0])) {
		proto.cfg2 = v1_cfg(dte);
		proto.cfg2.mem = scan->mem;
		proto.root2 = DTE_ROOT(dte[0]);
		ret = iod_pgtable_attach(&gcr3.host, &proto.cfg2, proto.root2);
		proto.cfg2.mem = NULL;
		if (ret)
			return devscan_bad(scan, &proto,
					   "host table below the GCR3 table is unusable",
					   proto.root2);
	}
	ret = gcr3_walk(&gcr3, dte_gcr3(dte), (unsigned)DTE_GLX(dte[0]), 0);
	if (!ret && gcr3.giov && !gcr3.plain) /* PASID 0 has no table */
		ret = devscan_report(scan, dev, IOD_DEVICE_BLOCKED, "blocked");
	if (gcr3.host)
		iod_pgtable_destroy(gcr3.host);
	return ret;
}

/* Requests that the host table translates. */
static int host_table(struct devscan *scan, struct iod_device *dev)
{
	const uint64_t *dte = dev->entry;
	uint64_t mode = DTE_MODE(dte[0]);

	if (!(dte[0] & DTE_TV))
		return devscan_report(scan, dev, IOD_DEVICE_BLOCKED, "blocked");
	if (mode == 7)
		return devscan_bad(scan, dev, "reserved paging mode 7", dev->entry_pa);
	if (!mode && !(dte[0] & DTE_IR_IW))
		return devscan_report(scan, dev, IOD_DEVICE_BLOCKED, "blocked");
	if (!mode)
		return devscan_report(scan, dev, IOD_DEVICE_BYPASS, "pass-through");
	dev->stage = 2;
	dev->cfg = v1_cfg(dte);
	dev->root = DTE_ROOT(dte[0]);
	return devscan_report(scan, dev, IOD_DEVICE_TRANSLATED, "v1");
}

static int device_entry(struct devscan *scan, uint32_t source_id, uint64_t pa)
{
	struct iod_device dev = devscan_device(source_id);
	uint64_t dte[4];
	bool guest;
	int ret = 0;

	if (!devscan_read(scan, pa, dte, 4) || !(dte[0] & DTE_V))
		return 0;
	devscan_entry(&dev, pa, dte, 4);
	dev.domain = DTE_DOMAIN(dte[1]);
	guest = (dte[0] & (DTE_TV | DTE_GV)) == (DTE_TV | DTE_GV) && DTE_MODE(dte[0]) != 7;
	if (!guest || !(dte[0] & DTE_GIOV))
		ret = host_table(scan, &dev);
	if (!ret && guest) {
		dev = devscan_device(source_id);
		devscan_entry(&dev, pa, dte, 4);
		dev.domain = DTE_DOMAIN(dte[1]);
		ret = guest_tables(scan, &dev);
	}
	return ret;
}

int iod_amdvi_visit_devices(struct iod_mem *mem, uint64_t devtab, iod_device_fn fn, void *cookie)
{
	struct devscan scan = { .mem = mem, .fn = fn, .cookie = cookie, .budget = DEVSCAN_BUDGET };
	struct devscan_table table = {
		.base = DEVTAB_BASE(devtab),
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
