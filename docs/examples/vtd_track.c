/* SPDX-License-Identifier: MIT */
/* Dirty tracking is switched on for a device that is in use; docs/vtd-structures.md explains it. */
#include <stdio.h>
#include <string.h>

#include <iodirty/iodirty.h>

#define SID 0x0110u /* 01:02.0 */
#define DID 7u

static unsigned descriptors, syncs;

/* The way to the unit. Here it obeys at once; iod_vtd_iq_sink() is the one to an invalidation queue. */
static int issue(void *cookie, const struct iod_vtd_raw_desc *descs, size_t nr, bool sync,
		 size_t *issued)
{
	descriptors += (unsigned)nr;
	syncs += sync;
	*issued = nr;
	return 0;
}

/* Root table, context table, PASID directory and table: all zero, and each entry leads to the next. */
static int build(struct iod_mem *mem, uint64_t table[4])
{
	struct iod_vtd_root root = { .lp = true };
	struct iod_vtd_sm_context context = { .present = true };
	struct iod_vtd_pasid_dir dir = { .present = true };
	struct iod_vtd_raw_sm_context raw_context;
	struct iod_vtd_raw_pasid_dir raw_dir;
	struct iod_vtd_raw_root raw_root;
	void *host[3];
	int i;

	for (i = 0; i < 4; i++)
		if (iod_mem_alloc(mem, 4096, &table[i]))
			return 1;
	root.lctp = table[1];
	context.pasiddirptr = table[2];
	dir.smptblptr = table[3];
	if (iod_vtd_root_encode(&raw_root, &root) ||
	    iod_vtd_sm_context_encode(&raw_context, &context) ||
	    iod_vtd_pasid_dir_encode(&raw_dir, &dir) ||
	    iod_mem_host_ptr(mem, table[0] + (SID >> 8) * sizeof(raw_root), sizeof(raw_root), true,
			     &host[0]) ||
	    iod_mem_host_ptr(mem, table[1] + (SID & 0x7f) * sizeof(raw_context),
			     sizeof(raw_context), true, &host[1]) ||
	    iod_mem_host_ptr(mem, table[2], sizeof(raw_dir), true, &host[2]))
		return 1;
	memcpy(host[0], &raw_root, sizeof(raw_root));
	memcpy(host[1], &raw_context, sizeof(raw_context));
	memcpy(host[2], &raw_dir, sizeof(raw_dir));
	return 0;
}

static int set_tracking(struct iod_vtd_change *change, struct iod_vtd_pasid *pasid, bool on)
{
	struct iod_vtd_raw_pasid raw;
	int ret;

	pasid->ssade = on;
	ret = iod_vtd_pasid_encode(&raw, pasid);
	return ret ? ret : iod_vtd_pasid_write(change, &raw);
}

static int track(struct iod_mem *mem, struct iod_pgtable *pt, const struct iod_vtd_id *id)
{
	const struct iod_vtd_source device = { .sid = SID, .pfsid = SID, .ats = true };
	struct iod_vtd_sink sink = { .size = sizeof(sink), .issue = issue };
	struct iod_hw_info info = { .size = sizeof(info) };
	struct iod_vtd_lookup found = {
		.size = sizeof(found), .mem = mem, .id = id, .pasid = -1, .source_id = SID
	};
	struct iod_vtd_change change = {
		.size = sizeof(change), .mem = mem, .id = id, .sources = &device, .nr_sources = 1
	};
	struct iod_vtd_pasid pasid = { 0 };
	uint64_t table[4];
	int i, ret;

	/* 1. The entry of requests without PASID (RID_PASID 0); nothing reads it yet, so there is no sink. */
	if (build(mem, table) || iod_pgtable_get_hw_info(pt, &info) ||
	    iod_vtd_pasid_set_second(&pasid, &info, DID, id))
		return 1;
	change.pa = table[3];
	ret = set_tracking(&change, &pasid, false);

	/* 2. The device runs. Migration begins: without letting it stumble. */
	change.sink = &sink;
	change.flags = IOD_VTD_CHANGE_HITLESS;
	if (!ret)
		ret = set_tracking(&change, &pasid, true);
	printf("on: %u step, %u descriptors, %u waits\n", change.steps, descriptors, syncs);

	/* 3. Whoever follows the structures finds it. From now on each write leaves a mark; sweep. */
	found.rtaddr = table[0] | IOD_VTD_RTADDR_SCALABLE;
	if (!ret)
		ret = iod_vtd_lookup(&found);
	for (i = 0; i < 4; i++)
		ret |= iod_mem_free(mem, table[i], 4096);
	return ret || !found.pasid_entry.ssade || change.steps != 1 || descriptors != 3;
}

int main(void)
{
	struct iod_pgtable_cfg cfg = { .size = sizeof(cfg),
				       .format = IOD_VTD_SS,
				       .features = IOD_PT_HW_DIRTY };
	struct iod_pgtable *pt;
	struct iod_vtd_id id;

	if (iod_vtd_id_full(&id) || iod_mem_create_arena(&cfg.mem, NULL) ||
	    iod_pgtable_create(&pt, &cfg))
		return 1;
	if (iod_map(pt, 0, 1ull << 32, 64 << 20, IOD_PROT_READ | IOD_PROT_WRITE, NULL, NULL) ||
	    track(cfg.mem, pt, &id))
		return 1;
	return iod_pgtable_destroy(pt) || iod_mem_destroy(cfg.mem);
}
