/* SPDX-License-Identifier: MIT */
/* Large pages under a dirty log: split where a device writes, merged again; docs/dirty-log.md explains. */
#include <stdio.h>

#include <iodirty/iodirty.h>

#define MEMORY ((uint64_t)1 << 30)
#define PAGE   4096

/* One write per round, always to the same place; how many pages are dirty for it? */
static int rounds(struct iod_dirty_log *log, struct iod_iotlb *device, struct iod_pgtable *pt)
{
	static uint64_t bits[MEMORY / PAGE / 64];
	struct iod_dirty_log_sync sync = { .size = sizeof(sync), .len = MEMORY };
	struct iod_bitmap bitmap;
	int round, ret;

	ret = iod_bitmap_init(&bitmap, 0, MEMORY, PAGE, bits, sizeof(bits), 0);
	sync.bitmap = &bitmap;
	for (round = 0; round < 3 && !ret; round++) {
		ret = iod_iotlb_access(device, pt, 5 * PAGE, IOD_ACCESS_WRITE, NULL, NULL);
		if (!ret)
			ret = iod_dirty_log_sync(log, &sync);
		printf("round %d: %u pages\n", round, (unsigned)sync.dirty);
	}
	return ret;
}

/* Device memory goes away while the guest runs: its dirty pages come along. */
static int unplug(struct iod_dirty_log *log, struct iod_iotlb *device, struct iod_pgtable *pt)
{
	uint64_t bits[8] = { 0 };
	struct iod_bitmap bitmap;
	struct iod_dirty_log_unmap unmap = { .size = sizeof(unmap),
					     .pt = pt,
					     .len = 512 * PAGE,
					     .flags = IOD_UNMAP_SPLIT,
					     .bitmap = &bitmap };
	int ret;

	ret = iod_bitmap_init(&bitmap, 0, unmap.len, PAGE, bits, sizeof(bits), 0);
	if (!ret)
		ret = iod_iotlb_access(device, pt, 7 * PAGE, IOD_ACCESS_WRITE, NULL, NULL);
	if (!ret)
		ret = iod_dirty_log_unmap(log, &unmap);
	printf("unmapped %u pages, %u dirty\n", (unsigned)(unmap.unmapped / PAGE),
	       (unsigned)unmap.dirty);
	return ret;
}

static int migrate(struct iod_dirty_log *log, struct iod_iotlb *device, struct iod_pgtable *pt)
{
	struct iod_dirty_log_start start = { .size = sizeof(start), .policy = IOD_SPLIT_ON_DIRTY };
	struct iod_dirty_log_info info = { .size = sizeof(info) };
	int ret = iod_dirty_log_start(log, &start);

	if (!ret)
		ret = rounds(log, device, pt);
	if (!ret)
		ret = unplug(log, device, pt);
	/* The migration is over, or failed: pages become what they were. */
	if (!ret)
		ret = iod_dirty_log_stop(log, IOD_DIRTY_LOG_MERGE);
	if (!ret)
		ret = iod_dirty_log_get_info(log, &info);
	printf("%u entries split, %u came of merging\n", (unsigned)info.splits,
	       (unsigned)info.merges);
	return ret;
}

int main(void)
{
	struct iod_pgtable_cfg cfg = { .size = sizeof(cfg),
				       .format = IOD_VTD_SS,
				       .features = IOD_PT_HW_DIRTY };
	struct iod_dirty_log_cfg log_cfg = { .size = sizeof(log_cfg), .len = MEMORY };
	struct iod_inv_ops inv = { .size = sizeof(inv), .invalidate = iod_iotlb_invalidate };
	struct iod_dirty_log_table table = { .size = sizeof(table), .ops = &inv };
	struct iod_dirty_log *log;
	struct iod_iotlb *device;

	if (iod_mem_create_arena(&cfg.mem, NULL) || iod_iotlb_create(&device, NULL) ||
	    iod_pgtable_create(&table.pt, &cfg) || iod_dirty_log_create(&log, &log_cfg))
		return 1;
	if (iod_map(table.pt, 0, MEMORY, MEMORY, IOD_PROT_READ | IOD_PROT_WRITE, NULL, NULL))
		return 1;
	table.cookie = device;
	if (iod_dirty_log_add_table(log, &table) || migrate(log, device, table.pt))
		return 1;
	if (iod_dirty_log_destroy(log) || iod_pgtable_destroy(table.pt) ||
	    iod_iotlb_destroy(device) || iod_mem_destroy(cfg.mem))
		return 1;
	return 0;
}
