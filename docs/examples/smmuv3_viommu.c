/* SPDX-License-Identifier: MIT */
/*
 * A guest's command queue in front of a host's SMMU: the guest invalidates eight pages and a device,
 * and waits. Here the host's queue only prints; a VMM has an iod_smmuv3_cmdq there, or its own.
 */
#include <stdio.h>

#include <iodirty/iodirty.h>

#define GUEST_SID 0x08
#define HOST_SID  0x1234
#define QUEUE	  0x40000000

/* The guest's memory, as far as it matters: a queue of 16 commands. */
static _Alignas(8) struct iod_smmuv3_raw_cmd ring[16];

static int to_host(void *cookie, const struct iod_smmuv3_raw_cmd *cmds, size_t nr, bool sync,
		   size_t *issued)
{
	struct iod_smmuv3_cmd cmd;

	for (*issued = 0; *issued < nr; ++*issued) {
		if (iod_smmuv3_cmd_decode(&cmd, &cmds[*issued], NULL, NULL))
			return -1;
		printf("host: %s vmid %u sid 0x%x addr 0x%llx, %u pages\n",
		       iod_smmuv3_op_name(cmd.op), cmd.vmid, (unsigned)cmd.sid,
		       (unsigned long long)cmd.addr, (cmd.num + 1u) << cmd.scale);
	}
	if (sync)
		printf("host: SYNC\n");
	return 0;
}

static int tell_guest(void *cookie, const struct iod_smmuv3_cmd *sync)
{
	printf("guest: complete\n"); /* a VMM writes sync->msi_data to sync->msi_addr */
	return 0;
}

/* What a driver without range invalidation writes: one command a page. */
static int guest_writes(const struct iod_smmuv3_queue *queue)
{
	struct iod_smmuv3_raw_cmd raw;
	struct iod_smmuv3_cmd cmd = { .op = IOD_SMMUV3_TLBI_NH_VA, .asid = 1, .leaf = true };
	struct iod_smmuv3_cmd atc = { .op = IOD_SMMUV3_ATC_INV, .sid = GUEST_SID, .span = 3 };
	struct iod_smmuv3_cmd sync = { .op = IOD_SMMUV3_SYNC };

	for (int i = 0; i < 8; i++, cmd.addr += 4096)
		if (iod_smmuv3_cmd_encode(&raw, &cmd, NULL, NULL) ||
		    iod_smmuv3_queue_push(queue, &raw, 1))
			return -1;
	if (iod_smmuv3_cmd_encode(&raw, &sync, NULL, NULL) || iod_smmuv3_queue_push(queue, &raw, 1))
		return -1;
	if (iod_smmuv3_cmd_encode(&raw, &atc, NULL, NULL) || iod_smmuv3_queue_push(queue, &raw, 1))
		return -1;
	return iod_smmuv3_cmd_encode(&raw, &sync, NULL, NULL) ||
	       iod_smmuv3_queue_push(queue, &raw, 1);
}

int main(void)
{
	struct iod_mem_region region = { .pa = QUEUE, .len = sizeof(ring), .host = ring };
	struct iod_mem_vm_cfg memory = { .size = sizeof(memory),
					 .regions = &region,
					 .nr_regions = 1 };
	struct iod_smmuv3_sink sink = { .size = sizeof(sink), .issue = to_host };
	struct iod_smmuv3_viommu_cfg cfg = {
		.size = sizeof(cfg), .sink = &sink, .vmid = 5, .synced = tell_guest
	};
	struct iod_smmuv3_consume turn = { .size = sizeof(turn) };
	uint32_t prod = 0, cons = 0, gerror = 0, gerrorn = 0; /* registers that the VMM traps */
	struct iod_smmuv3_viommu *v;
	struct iod_mem *mem;

	iod_smmuv3_id_full(&cfg.host); /* from the hardware, or iod_smmuv3_iommufd_id() */
	if (iod_smmuv3_viommu_expose(&cfg.guest, &cfg.host, 0))
		return 1;
	/* This guest's pages are of 4 KiB: then single addresses can become ranges. */
	cfg.guest.idr[5] &= ~(IOD_SMMUV3_IDR5_GRAN16K | IOD_SMMUV3_IDR5_GRAN64K);
	if (iod_mem_create_vm(&mem, &memory) || iod_smmuv3_viommu_create(&v, &cfg) ||
	    iod_smmuv3_viommu_add(v, GUEST_SID, HOST_SID, IOD_VDEV_ON))
		return 1;
	turn.queue = (struct iod_smmuv3_queue){ .size = sizeof(turn.queue),
						.kind = IOD_SMMUV3_CMDQ,
						.mem = mem,
						.base = QUEUE | 4,
						.prod = &prod,
						.cons = &cons };
	turn.gerror = &gerror;
	turn.gerrorn = &gerrorn;
	if (guest_writes(&turn.queue) || iod_smmuv3_viommu_consume(v, &turn) || turn.cerror)
		return 1;
	printf("guest: %u commands consumed, CONS %u\n", (unsigned)turn.consumed, (unsigned)cons);
	iod_smmuv3_viommu_destroy(v);
	return iod_mem_destroy(mem);
}
