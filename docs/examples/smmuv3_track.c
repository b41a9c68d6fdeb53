/* SPDX-License-Identifier: MIT */
/* Dirty tracking is switched on for a stream that is in use; docs/smmuv3-structures.md explains it. */
#include <stdio.h>

#include <iodirty/iodirty.h>

#define SID  5u
#define VMID 7u

static unsigned commands;

/* The way to the SMMU. Here it obeys at once; iod_smmuv3_cmdq_sink() is the one to a command queue. */
static int issue(void *cookie, const struct iod_smmuv3_raw_cmd *cmds, size_t nr, bool sync,
		 size_t *issued)
{
	commands += (unsigned)nr;
	*issued = nr;
	return 0;
}

static int set_tracking(struct iod_smmuv3_change *change, struct iod_smmuv3_ste *ste, bool on)
{
	struct iod_smmuv3_raw_ste raw;
	int ret;

	ste->s2ha = on;
	ste->s2hd = on;
	ret = iod_smmuv3_ste_encode(&raw, ste);
	return ret ? ret : iod_smmuv3_ste_write(change, &raw);
}

static int track(struct iod_mem *mem, struct iod_pgtable *pt)
{
	struct iod_smmuv3_ste ste = { .valid = true, .config = IOD_SMMUV3_S2, .s2r = true };
	struct iod_smmuv3_change change = { .size = sizeof(change), .mem = mem, .sid = SID };
	struct iod_smmuv3_sink sink = { .size = sizeof(sink), .issue = issue };
	struct iod_hw_info info = { .size = sizeof(info) };
	struct iod_smmuv3_strtab strtab;
	uint64_t table;
	int ret;

	/* 1. A stream table of 64 entries; nothing reads it yet, so there is no sink. */
	if (iod_mem_alloc(mem, 4096, &table) || iod_smmuv3_strtab_init(&strtab, table, 6, 0) ||
	    iod_smmuv3_strtab_lookup(&strtab, mem, SID, &change.pa, NULL) ||
	    iod_pgtable_get_hw_info(pt, &info) || iod_smmuv3_ste_set_stage2(&ste, &info, VMID))
		return 1;
	ret = set_tracking(&change, &ste, false);

	/* 2. The device runs. Migration begins: without letting it stumble. */
	change.sink = &sink;
	change.flags = IOD_SMMUV3_CHANGE_HITLESS;
	if (!ret)
		ret = set_tracking(&change, &ste, true);
	printf("on: %u step, %u CFGI_STE, invalidate %d\n", change.steps, commands,
	       change.plan.tlbi);

	/*
	 * 3. plan.tlbi: TLBI_S12_VMALL of the VMID. From then on each write to a clean page leaves a mark; sweep.
	 *    It stays on while there are clean pages: without it they are read-only.
	 */
	return ret || change.steps != 1 || commands != 1 || iod_mem_free(mem, table, 4096);
}

int main(void)
{
	struct iod_pgtable_cfg cfg = { .size = sizeof(cfg),
				       .format = IOD_ARM_LPAE_S2,
				       .features = IOD_PT_HW_DIRTY };
	struct iod_pgtable *pt;

	if (iod_mem_create_arena(&cfg.mem, NULL) || iod_pgtable_create(&pt, &cfg))
		return 1;
	/* Pages are born dirty: while hardware does not track, clean ones would be read-only. */
	if (iod_map(pt, 0, 1ull << 32, 64 << 20, IOD_PROT_READ | IOD_PROT_WRITE | IOD_PROT_DIRTY,
		    NULL, NULL) ||
	    track(cfg.mem, pt))
		return 1;
	return iod_pgtable_destroy(pt) || iod_mem_destroy(cfg.mem);
}
