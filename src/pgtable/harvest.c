/* SPDX-License-Identifier: MIT */
/*
 * What hardware marked in tables after they were cut off. It may do so until it was told and has answered
 * (docs/dirty.md, "Tables that are cut off"); so the gather has them looked at then, before they are freed.
 */
#include "pgtable/gather.h"

void iod_gather_harvest(struct iod_gather *g)
{
	uint64_t i;

	for (i = 0; i < g->nr_subtrees; i++) {
		if (g->subtree[i].harvest == HARVEST_NONE)
			continue;
		g->pt->engine->harvest(g->pt, &g->subtree[i]);
		g->subtree[i].harvest = HARVEST_NONE;
	}
	g->harvests = 0;
}
