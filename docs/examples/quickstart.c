/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include <iodirty/iodirty.h>

int main(void)
{
	struct iod_mem *mem;	  /* where tables live */
	struct iod_pgtable *pt;	  /* a VT-d second-stage table whose hardware sets Dirty */
	struct iod_iotlb *device; /* the hardware: a device's DMA goes through it */
	struct iod_gather *gather;
	struct iod_inv_ops inv = { .size = sizeof(inv), .invalidate = iod_iotlb_invalidate };
	struct iod_pgtable_cfg cfg = { .size = sizeof(cfg),
				       .format = IOD_VTD_SS,
				       .features = IOD_PT_HW_DIRTY };
	struct iod_gather_cfg gcfg = { .size = sizeof(gcfg), .ops = &inv };
	struct iod_sweep sweep = {
		.size = sizeof(sweep), .mode = IOD_SWEEP_CLEAR, .iova = 0, .len = 1 << 30
	};
	static uint64_t words[(1 << 30) / 4096 / 64];
	struct iod_bitmap dirty;
	uint64_t iova = 0, len;

	if (iod_mem_create_arena(&mem, NULL) || iod_iotlb_create(&device, NULL))
		return 1;
	cfg.mem = mem;
	gcfg.cookie = device;
	if (iod_pgtable_create(&pt, &cfg) || iod_gather_create(&gather, pt, &gcfg))
		return 1;
	if (iod_map(pt, 0, 1ull << 32, 1 << 20, IOD_PROT_READ | IOD_PROT_WRITE, NULL, NULL))
		return 1;
	iod_iotlb_access(device, pt, 0x5000, IOD_ACCESS_WRITE, NULL, NULL); /* a DMA write */

	iod_bitmap_init(&dirty, 0, sweep.len, 4096, words, sizeof(words), 0);
	sweep.bitmap = &dirty;
	sweep.gather = gather;
	if (iod_sweep(pt, &sweep) || iod_gather_sync(gather)) /* clean, invalidate, wait ... */
		return 1;
	while (!iod_bitmap_next(&dirty, &iova, &len)) { /* ... and only now trust the bitmap */
		printf("dirty: 0x%llx + 0x%llx\n", (unsigned long long)iova,
		       (unsigned long long)len);
		iova += len; /* (a bitmap that ends at 2^64 ends when this is 0) */
	}
	iod_gather_destroy(gather);
	iod_pgtable_destroy(pt);
	iod_iotlb_destroy(device);
	return iod_mem_destroy(mem);
}
