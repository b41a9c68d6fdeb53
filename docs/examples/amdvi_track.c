/* SPDX-License-Identifier: MIT */
/* Dirty tracking is switched on for an AMD device that is in use; docs/amdvi-structures.md explains it. */
#include <stdio.h>

#include <iodirty/iodirty.h>

#define DEVID  0x0208u
#define DOMAIN 7u

static unsigned commands;

/* The way to the IOMMU. Here it obeys at once; iod_amdvi_cmdq_sink() is the one to a command buffer. */
static int issue(void *cookie, const struct iod_amdvi_raw_cmd *cmds, size_t nr, bool sync,
		 size_t *issued)
{
	commands += (unsigned)nr;
	*issued = nr;
	return 0;
}

static int set_tracking(struct iod_amdvi_change *change, struct iod_amdvi_dte *dte, bool on)
{
	struct iod_amdvi_raw_dte raw;
	int ret;

	dte->had = on ? IOD_AMDVI_HAD_DIRTY : IOD_AMDVI_HAD_OFF;
	ret = iod_amdvi_dte_encode(&raw, dte);
	return ret ? ret : iod_amdvi_dte_write(change, &raw);
}

/* Everything of the domain, directories too: what was cached before knows nothing of HAD. */
static int invalidate(struct iod_amdvi_sink *sink)
{
	struct iod_amdvi_cmd cmd = { .op = IOD_AMDVI_INVALIDATE_IOMMU_PAGES,
				     .domain = DOMAIN,
				     .pde = true,
				     .s = true,
				     .addr = IOD_AMDVI_ADDR_ALL };
	struct iod_amdvi_raw_cmd raw;
	size_t issued;
	int ret = iod_amdvi_cmd_encode(&raw, &cmd, NULL, NULL);

	return ret ? ret : sink->issue(sink->cookie, &raw, 1, true, &issued);
}

static int track(struct iod_mem *mem, struct iod_pgtable *pt)
{
	struct iod_amdvi_change change = { .size = sizeof(change), .mem = mem, .devid = DEVID };
	struct iod_amdvi_sink sink = { .size = sizeof(sink), .issue = issue };
	struct iod_hw_info info = { .size = sizeof(info) };
	struct iod_amdvi_dte dte = { .v = true };
	struct iod_amdvi_devtab devtab;
	uint64_t table;
	int ret;

	/* 1. A device table for bus 0 to 2 (768 entries); nothing reads it yet, so there is no sink. */
	if (iod_mem_alloc(mem, 32768, &table) || iod_amdvi_devtab_init(&devtab, table, 8) ||
	    iod_amdvi_devtab_lookup(&devtab, mem, DEVID, &change.pa, NULL) ||
	    iod_pgtable_get_hw_info(pt, &info) || iod_amdvi_dte_set_host(&dte, &info, DOMAIN))
		return 1;
	ret = set_tracking(&change, &dte, false);

	/* 2. The device runs. Migration begins: in one store, without letting it stumble. */
	change.sink = &sink;
	change.flags = IOD_AMDVI_CHANGE_HITLESS;
	if (!ret)
		ret = set_tracking(&change, &dte, true);
	printf("on: %u step, %u INVALIDATE_DEVTAB_ENTRY, invalidate %d\n", change.steps, commands,
	       change.plan.tlbi);

	/* 3. plan.tlbi; plan.atc would ask for INVALIDATE_IOTLB_PAGES. Then each write leaves a mark. */
	if (!ret && change.plan.tlbi)
		ret = invalidate(&sink);
	return ret || change.steps != 1 || commands != 2 || iod_mem_free(mem, table, 32768);
}

int main(void)
{
	struct iod_pgtable_cfg cfg = { .size = sizeof(cfg),
				       .format = IOD_AMD_V1,
				       .features = IOD_PT_HW_DIRTY };
	struct iod_pgtable *pt;

	if (iod_mem_create_arena(&cfg.mem, NULL) || iod_pgtable_create(&pt, &cfg))
		return 1;
	if (iod_map(pt, 0, 1ull << 32, 64 << 20, IOD_PROT_READ | IOD_PROT_WRITE, NULL, NULL) ||
	    track(cfg.mem, pt))
		return 1;
	return iod_pgtable_destroy(pt) || iod_mem_destroy(cfg.mem);
}
