/* SPDX-License-Identifier: MIT */
/* A guest that maps and unmaps behind a virtual IOMMU while it is migrated; docs/join.md explains it. */
#include <stdio.h>

#include <iodirty/iodirty.h>

#define MEMORY ((uint64_t)64 << 20)
#define HOST   ((uint64_t)1 << 32) /* where guest memory lies */
#define PAGE   4096u

/* What a VMM has for one domain of the guest. */
struct domain {
	struct iod_pgtable *pt; /* the shadow: IOVA to host memory */
	struct iod_gpa_join *join;
	struct iod_dirty_log *log;
	struct iod_iotlb *device;
};

/* The guest mapped: first the join, then the table. */
static int guest_map(struct domain *d, uint64_t iova, uint64_t gpa, uint64_t len)
{
	int ret = iod_gpa_join_map(d->join, iova, len, gpa);

	return ret ? ret
		   : iod_map(d->pt, iova, HOST + gpa, len, IOD_PROT_READ | IOD_PROT_WRITE, NULL,
			     NULL);
}

/* The guest unmapped: first the table, with all that is dirty there, then the join. */
static int guest_unmap(struct domain *d, uint64_t iova, uint64_t len)
{
	struct iod_dirty_log_unmap unmap = { .size = sizeof(unmap),
					     .pt = d->pt,
					     .iova = iova,
					     .len = len,
					     .flags = IOD_UNMAP_SPLIT };
	int ret = iod_dirty_log_unmap(d->log, &unmap);

	return ret ? ret : iod_gpa_join_unmap(d->join, iova, len, 0);
}

static int device_writes(struct domain *d, uint64_t iova)
{
	return iod_iotlb_access(d->device, d->pt, iova, IOD_ACCESS_WRITE, NULL, NULL);
}

static int send_run(void *cookie, uint64_t gpa, uint64_t len)
{
	printf("send guest memory at %#llx, %u pages\n", (unsigned long long)gpa,
	       (unsigned)(len / PAGE));
	return 0;
}

static int migrate(struct domain *d)
{
	struct iod_dirty_log_sync sync = { .size = sizeof(sync), .len = MEMORY, .fn = send_run };
	int ret = iod_dirty_log_start(d->log, NULL);

	/* A buffer is written and unmapped; its IOVA becomes that of another. Both are sent. */
	if (!ret)
		ret = guest_map(d, 0xfffff000, 0x5000, PAGE);
	if (!ret)
		ret = device_writes(d, 0xfffff000);
	if (!ret)
		ret = guest_unmap(d, 0xfffff000, PAGE);
	if (!ret)
		ret = guest_map(d, 0xfffff000, 0x1234000, PAGE);
	if (!ret)
		ret = device_writes(d, 0xfffff123);
	if (!ret)
		ret = iod_dirty_log_sync(d->log, &sync);
	return ret ? ret : iod_dirty_log_stop(d->log, 0);
}

int main(void)
{
	struct iod_pgtable_cfg cfg = { .size = sizeof(cfg),
				       .format = IOD_VTD_SS,
				       .features = IOD_PT_HW_DIRTY };
	struct iod_dirty_log_cfg log_cfg = { .size = sizeof(log_cfg), .len = MEMORY };
	struct iod_inv_ops inv = { .size = sizeof(inv), .invalidate = iod_iotlb_invalidate };
	struct iod_dirty_log_table table = { .size = sizeof(table), .ops = &inv };
	struct domain d;

	if (iod_mem_create_arena(&cfg.mem, NULL) || iod_iotlb_create(&d.device, NULL) ||
	    iod_pgtable_create(&d.pt, &cfg) || iod_dirty_log_create(&d.log, &log_cfg) ||
	    iod_gpa_join_create(&d.join, NULL))
		return 1;
	table.pt = d.pt;
	table.join =
		d.join; /* the window is all of the table; the log's addresses are the guest's */
	table.cookie = d.device;
	if (iod_dirty_log_add_table(d.log, &table) || migrate(&d))
		return 1;
	if (iod_dirty_log_destroy(d.log) || iod_gpa_join_destroy(d.join) ||
	    iod_pgtable_destroy(d.pt) || iod_iotlb_destroy(d.device) || iod_mem_destroy(cfg.mem))
		return 1;
	return 0;
}
