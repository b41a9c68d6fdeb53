/* SPDX-License-Identifier: MIT */
/* The format arm_lpae_s1, granules of 4 KiB. */
#define ARM_STAGE	1
#define ARM_GRANULE_LG2 12
#define PT_ENGINE	iod_arm_lpae_s1_4k_engine

#include "smmuv3/arm_lpae_fmt.h"

#include "format_tmpl.h"
