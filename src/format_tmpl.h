/* SPDX-License-Identifier: MIT */
/*
 * One format, whole: engine and sweep around the format's header. The including file is a vendor's and
 * has defined PT_FORMAT, PT_NAME and PT_ENGINE (and what differs from the defaults: PT_CAN_GROW,
 * PT_SIZES_OPT_IN, PT_ROOT_ALIGN_LG2), then included the format's header. Emits one const struct
 * iod_pgtable_ops, reached through its struct pt_engine.
 */
#include "pgtable/pt_template.h"

#include "dirty/sweep_tmpl.h"
#include "dirty/unmap_tmpl.h"

static const struct iod_pgtable_ops pt_ops = {
	.size = sizeof(struct iod_pgtable_ops),
	.format = PT_FORMAT,
	.name = PT_NAME,
	.map = pt_map,
	.unmap = pt_unmap,
	.translate = pt_translate,
	.visit = pt_visit,
	.hw_info = pt_hw_info,
	.sweep = pt_sweep,
	.iova_to_phys = pt_iova_to_phys,
	.split_range = pt_split_range,
	.merge_range = pt_merge_range,
	.unmap_dirty = pt_unmap_dirty,
};

extern const struct pt_engine PT_ENGINE;

const struct pt_engine PT_ENGINE = {
	.ops = &pt_ops,
	.root_align_lg2 = PT_ROOT_ALIGN_LG2,
	.grows = PT_CAN_GROW,
	.init = pt_init,
	.page_sizes = pt_page_sizes,
	.table_lg2 = pt_table_lg2,
	.free_subtree = pt_free_subtree,
	.harvest = pt_harvest,
	.adopt = pt_adopt,
	.hw_walk = pt_hw_walk,
};
