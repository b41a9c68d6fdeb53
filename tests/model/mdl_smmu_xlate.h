/* SPDX-License-Identifier: MIT */
/* Between mdl_smmu_xlate.c (both stages) and mdl_smmu_fetch.c (stream table, contexts). */
#ifndef MDL_SMMU_XLATE_H
#define MDL_SMMU_XLATE_H

#include "mdl_smmu_int.h"

#define MAX_READS 8

/* One transaction on its way. */
struct xlate {
	const struct mdl_smmu *m;
	const struct mdl_smmu_id *id;
	const struct mdl_smmu_access *a;
	struct mdl_smmu_result *r;
	bool priv, inst; /* after the overrides of the STE */
	bool nested;	 /* what stage 1 and the CD refer to is translated by stage 2 */
	struct mdl_table s2;
	/* stage-1 descriptors read on the way to the leaf, in order */
	uint64_t read_at[MAX_READS + 1], read[MAX_READS + 1];
	unsigned reads;
};

/* What a stage-2 translation is for. */
struct s2_use {
	enum mdl_smmu_class cls;
	bool write, inst, priv;
};

struct mdl_smmu_refusal *mdl_x_refuse(struct xlate *x, enum mdl_smmu_event_type type);
/* False: refused. */
bool mdl_x_stage2(struct xlate *x, uint64_t ipa, const struct s2_use *use, uint64_t *pa);
bool mdl_x_fetch_ste(struct xlate *x);
bool mdl_x_fetch_cd(struct xlate *x, uint32_t ssid);
bool mdl_x_bad_substreamid(struct xlate *x, uint32_t ssid);

#endif
