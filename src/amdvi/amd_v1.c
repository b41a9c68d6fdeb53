/* SPDX-License-Identifier: MIT */
/* The format amd_v1: AMD-Vi host tables. */
#define PT_FORMAT   IOD_AMD_V1
#define PT_NAME	    "amd_v1"
#define PT_ENGINE   iod_amd_v1_engine
#define PT_CAN_GROW 1
/* 256 TiB: Next Level 0 at level 5 is unconfirmed (bits.md F15), so never chosen unasked. */
#define PT_SIZES_OPT_IN BIT64(48)

#include "amdvi/amd_v1_fmt.h"

#include "format_tmpl.h"
