/* SPDX-License-Identifier: MIT */
/* The format arm_lpae_s2: ARM VMSAv8-64 and 32-bit LPAE, stage 2. */
#define ARM_STAGE	  2
#define PT_FORMAT	  IOD_ARM_LPAE_S2
#define PT_NAME		  "arm_lpae_s2"
#define PT_ENGINE	  iod_arm_lpae_s2_engine
#define PT_ROOT_ALIGN_LG2 6 /* TTB [51:4], and never less than 64 bytes */

#include "smmuv3/arm_lpae_fmt.h"

#include "format_tmpl.h"
