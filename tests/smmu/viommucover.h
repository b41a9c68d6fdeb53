/* SPDX-License-Identifier: MIT */
/* What a list of host commands invalidates, so that lists can be compared that were joined differently. */
#ifndef VIOMMUCOVER_H
#define VIOMMUCOVER_H

#include "viommurig.h"

/*
 * Kinds of commands between which order matters. A list is compared stretch by stretch: in each, the
 * same addresses for the same ASIDs, levels and flags; everything of the VMID stands for all TLBIs.
 */
void cover_equal(const struct rig *rig, const struct rig_cmd *want, size_t nr_want,
		 const struct rig_cmd *got, size_t nr_got);

/* Whether the list covers the command, wherever in it. */
bool cover_has(const struct rig *rig, const struct rig_cmd *list, size_t nr,
	       const struct rig_cmd *cmd);

#endif
