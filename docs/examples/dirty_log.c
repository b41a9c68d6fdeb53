/* SPDX-License-Identifier: MIT */
/* Live migration of one device's memory with a dirty log; docs/dirty-log.md explains it. */
#include <stdio.h>

#include <iodirty/iodirty.h>

#define MEMORY ((uint64_t)64 << 20)
#define PAGE   4096

static uint64_t sent;

/* Called for each run of dirty pages, when no device can write to them unseen any more. */
static int send_run(void *cookie, uint64_t iova, uint64_t len)
{
	sent += len / PAGE; /* copy the pages here; a nonzero return would give them back */
	return 0;
}

static int write_page(struct iod_iotlb *device, struct iod_pgtable *pt, uint64_t page)
{
	return iod_iotlb_access(device, pt, page * PAGE, IOD_ACCESS_WRITE, NULL, NULL);
}

static int migrate(struct iod_dirty_log *log, struct iod_iotlb *device, struct iod_pgtable *pt)
{
	struct iod_dirty_log_sync sync = {
		.size = sizeof(sync), .iova = 0, .len = MEMORY, .fn = send_run
	};
	int round, ret;

	/* 1. Track; then send everything once, as if this were it. */
	ret = iod_dirty_log_start(log, NULL);

	/* 2. Rounds, while the guest runs. */
	for (round = 0; round < 3 && !ret; round++) {
		ret = write_page(device, pt, 5) || write_page(device, pt, 6) ||
		      write_page(device, pt, 1000 + (uint64_t)round);
		if (!ret) /* the VMM's own writes */
			ret = iod_dirty_log_mark_dirty(log, 42 * PAGE, 1);
		sent = 0;
		if (!ret)
			ret = iod_dirty_log_sync(log, &sync);
		printf("round %d: %u pages\n", round, (unsigned)sent);
	}

	/* 3. The guest is stopped, its devices are quiet: what is left. */
	sync.flags = IOD_DIRTY_SYNC_FINAL;
	if (!ret)
		ret = iod_dirty_log_sync(log, &sync);
	return ret ? ret : iod_dirty_log_stop(log, 0);
}

int main(void)
{
	struct iod_pgtable_cfg cfg = { .size = sizeof(cfg),
				       .format = IOD_VTD_SS,
				       .features = IOD_PT_HW_DIRTY,
				       .pgsize_bitmap = PAGE };
	struct iod_dirty_log_cfg log_cfg = { .size = sizeof(log_cfg), .len = MEMORY };
	struct iod_inv_ops inv = { .size = sizeof(inv), .invalidate = iod_iotlb_invalidate };
	struct iod_dirty_log_table table = { .size = sizeof(table), .ops = &inv };
	struct iod_dirty_log *log;
	struct iod_iotlb *device;

	if (iod_mem_create_arena(&cfg.mem, NULL) || iod_iotlb_create(&device, NULL) ||
	    iod_pgtable_create(&table.pt, &cfg) || iod_dirty_log_create(&log, &log_cfg))
		return 1;
	if (iod_map(table.pt, 0, 1ull << 32, MEMORY, IOD_PROT_READ | IOD_PROT_WRITE, NULL, NULL))
		return 1;
	table.cookie = device;
	if (iod_dirty_log_add_table(log, &table) || migrate(log, device, table.pt))
		return 1;
	if (iod_dirty_log_destroy(log) || iod_pgtable_destroy(table.pt) ||
	    iod_iotlb_destroy(device) || iod_mem_destroy(cfg.mem))
		return 1;
	return 0;
}
