/* SPDX-License-Identifier: MIT */
/* ID registers: what this library looks at beyond the public header, and sizes that they tell. */
#ifndef IOD_SMMUV3_ID_H
#define IOD_SMMUV3_ID_H

#include <iodirty/smmuv3.h>

#include <stdbool.h>
#include <stddef.h>

/* 6.3.4: fields that only decide whether a structure is legal; none is modelled. */
#define IDR3_DPT  (1u << 15)
#define IDR3_S1PI (1u << 18) /* permission indirection, stages 1 and 2 */
#define IDR3_S2PI (1u << 19)
#define IDR3_S2PO (1u << 20) /* stage-2 permission overlay */

/* IDR0.TTF, STALL_MODEL, TTENDIAN */
#define TTF_LPAE32	   1u
#define TTF_LPAE64	   2u
#define STALL_MODEL_NEVER  1u
#define STALL_MODEL_FORCED 2u
#define TTENDIAN_LITTLE	   2u
#define TTENDIAN_BIG	   3u

/* What NULL means in the public functions: an SMMU that has everything. */
extern const struct iod_smmuv3_id iod_smmuv3_id_all;

static inline const struct iod_smmuv3_id *smmu_id_or_all(const struct iod_smmuv3_id *id)
{
	return id ? id : &iod_smmuv3_id_all;
}

static inline uint32_t smmu_httu(const struct iod_smmuv3_id *id)
{
	return iod_smmuv3_id_field(id->idr[0], IOD_SMMUV3_IDR0_HTTU);
}

static inline uint32_t smmu_ttf(const struct iod_smmuv3_id *id)
{
	return iod_smmuv3_id_field(id->idr[0], IOD_SMMUV3_IDR0_TTF);
}

static inline uint32_t smmu_stall_model(const struct iod_smmuv3_id *id)
{
	return iod_smmuv3_id_field(id->idr[0], IOD_SMMUV3_IDR0_STALL_MODEL);
}

static inline uint32_t smmu_ssidsize(const struct iod_smmuv3_id *id)
{
	return iod_smmuv3_id_field(id->idr[1], IOD_SMMUV3_IDR1_SSIDSIZE);
}

/* Whether tables of that endianness can be walked. */
static inline bool smmu_endian_ok(const struct iod_smmuv3_id *id, bool big)
{
	uint32_t ttendian = iod_smmuv3_id_field(id->idr[0], IOD_SMMUV3_IDR0_TTENDIAN);

	return ttendian != (big ? TTENDIAN_LITTLE : TTENDIAN_BIG);
}

/* Address bits of a code: IDR5.OAS, STE.S2PS, CD.IPS. */
static inline unsigned smmu_pa_bits(unsigned code)
{
	static const uint8_t bits[8] = { 32, 36, 40, 42, 44, 48, 52, 56 };

	return bits[code & 7];
}

static inline unsigned smmu_oas_code(const struct iod_smmuv3_id *id)
{
	return iod_smmuv3_id_field(id->idr[5], IOD_SMMUV3_IDR5_OAS);
}

static inline unsigned smmu_oas(const struct iod_smmuv3_id *id)
{
	return smmu_pa_bits(smmu_oas_code(id));
}

/* 3.4: what stage 2 can take. 32-bit LPAE always has 40 bits of it. */
static inline unsigned smmu_ias(const struct iod_smmuv3_id *id)
{
	unsigned oas = smmu_ttf(id) & TTF_LPAE64 ? smmu_oas(id) : 0;

	return smmu_ttf(id) & TTF_LPAE32 && oas < 40 ? 40 : oas;
}

#endif
