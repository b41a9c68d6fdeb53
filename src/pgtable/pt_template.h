/* SPDX-License-Identifier: MIT */
/* The engine, compiled once per format by format_tmpl.h, after the format's header. */
#ifndef IOD_PT_TEMPLATE_H
#define IOD_PT_TEMPLATE_H

#include <errno.h>
#include <string.h>

#include "rcu.h"

#include "pgtable/pt_fmt_api.h"
#include "pgtable/pt_walk.h"

#include "pgtable/pt_adopt.h"
#include "pgtable/pt_harvest.h"
#include "pgtable/pt_hw.h"
#include "pgtable/pt_map.h"
#include "pgtable/pt_merge.h"
#include "pgtable/pt_read.h"
#include "pgtable/pt_split.h"
#include "pgtable/pt_unmap.h"

/* Sizes that are used only when the caller names them. */
#ifndef PT_SIZES_OPT_IN
#define PT_SIZES_OPT_IN 0
#endif

/* Least alignment of a root. */
#ifndef PT_ROOT_ALIGN_LG2
#define PT_ROOT_ALIGN_LG2 12
#endif

static int pt_hw_info(const struct iod_pgtable *pt, struct iod_hw_info *user)
{
	struct iod_hw_info info = { .format = PT_FORMAT };
	struct pt_top top;

	if (!pt || !user)
		return -EINVAL;
	top = pt_get_top(pt);
	info.levels = top.level + 1;
	info.root = top.pa;
	info.root_len = UINT64_C(8) << pt_items_lg2(pt, top.level, top.level);
	pt_fmt_hw_info(pt, top, &info);
	return iod_struct_out(user, &info, sizeof(info), sizeof(info));
}

static uint64_t pt_page_sizes(const struct iod_pgtable *pt, unsigned top_level, uint64_t wanted)
{
	uint64_t sizes = 0;
	unsigned level;

	/* A root that grows does so until it reaches the input size. */
	for (level = 0; PT_CAN_GROW || level <= top_level; level++) {
		sizes |= pt_leaf_sizes(pt, level);
		if (PT_CAN_GROW && pt_shift(pt, level) + pt_items_lg2(pt, level, level) >= pt->ias)
			break;
	}
	return wanted ? sizes & wanted : sizes & ~PT_SIZES_OPT_IN;
}

static unsigned pt_table_lg2(const struct iod_pgtable *pt, unsigned level, unsigned top_level)
{
	return pt_items_lg2(pt, level, top_level) + 3;
}

static int pt_init(struct iod_pgtable *pt, const struct iod_pgtable_cfg *cfg, unsigned *top_level)
{
	int ret = pt_fmt_init(pt, cfg, top_level);
	uint32_t prot;

	for (prot = 1; !ret && prot <= PT_RW; prot++)
		if (pt_encode_prot(pt, prot, &pt->plain_attr[prot]))
			pt->plain_attr[prot] = 0;
	return ret;
}

#endif
