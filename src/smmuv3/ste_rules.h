/* SPDX-License-Identifier: MIT */
/* What the rules for STEs and for CDs share: granules, sizes, translation regimes (Arm IHI 0070, 5.2, 5.4). */
#ifndef IOD_SMMUV3_STE_RULES_H
#define IOD_SMMUV3_STE_RULES_H

#include <iodirty/smmuv3_ste.h>

#include "bits.h"
#include "smmuv3/id.h"
#include "smmuv3/ste_bits.h"

/* A structure is not what it should be: say why and leave. */
#define RULE(broken, text)           \
	do {                         \
		if (broken)          \
			return text; \
	} while (0)

/* TG0 and S2TG share one code, TG1 has its own. log2 of the granule; 0: reserved */
static inline unsigned smmu_tg0_lg2(unsigned tg)
{
	static const uint8_t lg2[4] = { 12, 16, 14, 0 };

	return lg2[tg & 3];
}

static inline unsigned smmu_tg1_lg2(unsigned tg)
{
	static const uint8_t lg2[4] = { 0, 14, 12, 16 };

	return lg2[tg & 3];
}

static inline bool smmu_granule_ok(const struct iod_smmuv3_id *id, unsigned lg2)
{
	switch (lg2) {
	case 12:
		return id->idr[5] & IOD_SMMUV3_IDR5_GRAN4K;
	case 14:
		return id->idr[5] & IOD_SMMUV3_IDR5_GRAN16K;
	case 16:
		return id->idr[5] & IOD_SMMUV3_IDR5_GRAN64K;
	default:
		return false;
	}
}

/* Largest TnSZ: more than 39 only with small translation tables. */
static inline unsigned smmu_tsz_max(const struct iod_smmuv3_id *id, unsigned granule_lg2)
{
	if (!(id->idr[3] & IOD_SMMUV3_IDR3_STT))
		return 39;
	return granule_lg2 == 16 ? 47 : 48;
}

/* 52-bit descriptors of small granules: only where the SMMU has them. */
static inline bool smmu_ds(const struct iod_smmuv3_id *id, bool ds, unsigned granule_lg2)
{
	return ds && granule_lg2 != 16 && id->idr[5] & IOD_SMMUV3_IDR5_DS;
}

/* Output bits of 64-bit tables: a code, at most OAS, and what the descriptors hold. */
static inline unsigned smmu_output_bits(const struct iod_smmuv3_id *id, unsigned code,
					unsigned granule_lg2, bool ds)
{
	unsigned bits = smmu_pa_bits(code) < smmu_oas(id) ? smmu_pa_bits(code) : smmu_oas(id);
	unsigned max = granule_lg2 == 16 || ds ? 52 : 48;

	return bits < max ? bits : max;
}

/* 5.2.2: STRW says something: stage 1 alone, on an SMMU with EL2. */
static inline bool smmu_strw_used(const struct iod_smmuv3_ste *ste, const struct iod_smmuv3_id *id)
{
	return ste->config == IOD_SMMUV3_S1 && id->idr[0] & IOD_SMMUV3_IDR0_S1P &&
	       id->idr[0] & IOD_SMMUV3_IDR0_HYP;
}

/* Any bit of no known field. */
static inline bool smmu_any_unknown(const uint64_t *word)
{
	uint64_t any = 0;
	unsigned i;

	for (i = 0; i < STE_WORDS; i++)
		any |= word[i];
	return any;
}

/*
 * A1.4: whether a stage-2 walk that starts at a level (as Arm counts, 3: leaves; -1 to 3) can have that input
 * size: with no more than 16 tables side by side, and not with a level less. What the 48-bit formats forbid is
 * in the limits of S2T0SZ.
 */
static inline bool smmu_stage2_fits(unsigned granule_lg2, int start, unsigned ias)
{
	unsigned levels = (unsigned)(4 - start), bits = granule_lg2 - 3;

	return ias <= granule_lg2 + levels * bits + 4 && ias > granule_lg2 + (levels - 1) * bits;
}

#define SMMU_NO_LEVEL 4

/* A1.4: start level of S2SL0 and S2SL0_2; SMMU_NO_LEVEL: reserved. */
static inline int smmu_start_level(unsigned granule_lg2, unsigned sl0, bool sl0_2, bool ds,
				   bool stt)
{
	if (granule_lg2 != 12)
		return sl0 < 3 ? 3 - (int)sl0 : granule_lg2 == 14 && ds ? 0 : SMMU_NO_LEVEL;
	if (ds && sl0_2)
		return sl0 ? SMMU_NO_LEVEL : -1;
	if (sl0 == 3)
		return stt ? 3 : SMMU_NO_LEVEL;
	return 2 - (int)sl0;
}

#endif
