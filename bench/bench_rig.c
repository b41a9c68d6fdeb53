/* SPDX-License-Identifier: MIT */
/*
 * The page tables of one format: the plain ones, those of another layout as long as cases need it, and
 * the plain ones seen through a page table that does not own them.
 */
#include "bench.h"

#include <string.h>

/* Format 0: a rig for cases that need none. */
int bench_rig_init(struct bench_rig *rig, enum iod_format format, uint64_t memory, uint64_t wide)
{
	memset(rig, 0, sizeof(*rig));
	rig->format = format;
	rig->memory = memory;
	rig->wide = wide;
	rig->bitmap_range = memory < BENCH_WIDE_RANGE / 16 ? memory * 16 : BENCH_WIDE_RANGE;
	rig->t = &rig->plain;
	return format ? bench_tables_init(&rig->plain, format, BENCH_PLAIN, memory) : 0;
}

void bench_rig_exit(struct bench_rig *rig)
{
	bench_beside_end();
	bench_pause_end();
	bench_join_end();
	bench_shares_end();
	bench_destroy_pt(&rig->aux_pt, &rig->aux_gather);
	if (rig->aux_mem)
		iod_mem_destroy(rig->aux_mem);
	bench_detach(rig);
	bench_tables_exit(&rig->special);
	bench_tables_exit(&rig->plain);
	bench_bitmaps_free(rig);
	memset(rig, 0, sizeof(*rig));
}

/* Let rig->t be the tables that the case wants, not mapped yet if they are new. */
int bench_rig_use(struct bench_rig *rig, const struct bench_case *c)
{
	if (c->layout == BENCH_PLAIN) {
		rig->t = &rig->plain;
		return 0;
	}
	rig->t = &rig->special;
	if (rig->special.pt && rig->special.layout == c->layout)
		return 0;
	bench_tables_exit(&rig->special);
	return bench_tables_init(&rig->special, rig->format, c->layout,
				 c->layout == BENCH_WIDE ? rig->wide : rig->memory);
}

/* A second page table over the tables of rig->t, as over those that a guest built. */
int bench_attach(struct bench_rig *rig)
{
	struct iod_hw_info info = { .size = sizeof(info) };
	struct iod_pgtable_cfg cfg = {
		.size = sizeof(cfg),
		.format = rig->format,
		.features = IOD_PT_HW_DIRTY,
		.mem = rig->t->mem,
	};
	const struct iod_gather_cfg gather_cfg = { .size = sizeof(gather_cfg) };
	int err = iod_pgtable_get_hw_info(rig->t->pt, &info);

	bench_detach(rig);
	cfg.levels = info.levels;
	if (!err)
		err = iod_pgtable_attach(&rig->attached, &cfg, info.root);
	if (err)
		return bench_fail(err, "iod_pgtable_attach");
	err = iod_gather_create(&rig->attached_gather, rig->attached, &gather_cfg);
	return err ? bench_fail(err, "iod_gather_create") : 0;
}

void bench_detach(struct bench_rig *rig)
{
	bench_destroy_pt(&rig->attached, &rig->attached_gather);
}
