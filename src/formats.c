/* SPDX-License-Identifier: MIT */
/* The table of compiled-in formats. */
#include <errno.h>
#include <string.h>

#include "pgtable/pt_defs.h"

extern const struct pt_engine iod_arm_lpae_s1_engine, iod_arm_lpae_s2_engine, iod_vtd_ss_engine,
	iod_vtd_fs_engine, iod_amd_v1_engine, iod_amd_v2_engine;

static const struct {
	const char *name;
	const struct pt_engine *engine; /* NULL: not compiled in */
} formats[] = {
	[IOD_ARM_LPAE_S1] = { "arm_lpae_s1",
#if IOD_HAVE_ARM_LPAE_S1
			      &iod_arm_lpae_s1_engine
#endif
	},
	[IOD_ARM_LPAE_S2] = { "arm_lpae_s2",
#if IOD_HAVE_ARM_LPAE_S2
			      &iod_arm_lpae_s2_engine
#endif
	},
	[IOD_VTD_SS] = { "vtd_ss",
#if IOD_HAVE_VTD_SS
			 &iod_vtd_ss_engine
#endif
	},
	[IOD_VTD_FS] = { "vtd_fs",
#if IOD_HAVE_VTD_FS
			 &iod_vtd_fs_engine
#endif
	},
	[IOD_AMD_V1] = { "amd_v1",
#if IOD_HAVE_AMD_V1
			 &iod_amd_v1_engine
#endif
	},
	[IOD_AMD_V2] = { "amd_v2",
#if IOD_HAVE_AMD_V2
			 &iod_amd_v2_engine
#endif
	},
};

#define NR_FORMATS (sizeof(formats) / sizeof(formats[0]))

const struct pt_engine *iod_pt_engine(enum iod_format format)
{
	return (unsigned)format < NR_FORMATS ? formats[format].engine : NULL;
}

const struct iod_pgtable_ops *iod_format_ops(enum iod_format format)
{
	const struct pt_engine *engine = iod_pt_engine(format);

	return engine ? engine->ops : NULL;
}

const char *iod_format_name(enum iod_format format)
{
	return (unsigned)format < NR_FORMATS ? formats[format].name : NULL;
}

int iod_format_by_name(const char *name, enum iod_format *format)
{
	unsigned i;

	if (!name || !format)
		return -EINVAL;
	for (i = 0; i < NR_FORMATS; i++) {
		if (formats[i].name && !strcmp(formats[i].name, name)) {
			*format = (enum iod_format)i;
			return 0;
		}
	}
	return -ENOENT;
}
