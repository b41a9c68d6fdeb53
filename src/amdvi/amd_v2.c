/* SPDX-License-Identifier: MIT */
/* The format amd_v2: AMD-Vi guest tables (bits.md A3.5), x86-64 entries. */
#define PT_FORMAT		 IOD_AMD_V2
#define PT_NAME			 "amd_v2"
#define PT_ENGINE		 iod_amd_v2_engine
#define PT_STAGE		 1
#define PT_X86_TABLE_ACCESS_OPEN 1 /* bits.md F4: unconfirmed */

#include "pgtable/pt_defs.h"

static inline void x86_hw_info(struct pt_top top, struct iod_hw_info *info)
{
	info->u.amd_v2.gcr3 = top.pa;
	info->u.amd_v2.guest_paging_mode = top.level == 4; /* 1: 5 levels */
}

#include "pgtable/x86_64_fmt.h"

#include "format_tmpl.h"
