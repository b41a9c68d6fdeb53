/* SPDX-License-Identifier: MIT */
/* The table of compiled-in formats. */
#include <errno.h>
#include <string.h>

#include "pgtable/pt_defs.h"

extern const struct pt_engine iod_arm_lpae_s1_4k_engine, iod_arm_lpae_s1_16k_engine,
	iod_arm_lpae_s1_64k_engine, iod_arm_lpae_s2_4k_engine, iod_arm_lpae_s2_16k_engine,
	iod_arm_lpae_s2_64k_engine, iod_vtd_ss_engine, iod_vtd_fs_engine, iod_amd_v1_engine,
	iod_amd_v2_engine;

/* By granule. Only ARM has others than 4 KiB; they are compiled apart, so that each is a constant. */
enum { GRANULE_4K, GRANULE_16K, GRANULE_64K, NR_GRANULES };

static const struct {
	const char *name;
	const struct pt_engine *engine[NR_GRANULES]; /* NULL: not compiled in, or no such granule */
} formats[] = {
	[IOD_ARM_LPAE_S1] = { .name = "arm_lpae_s1",
#if IOD_HAVE_ARM_LPAE_S1
			.engine = { &iod_arm_lpae_s1_4k_engine, &iod_arm_lpae_s1_16k_engine, &iod_arm_lpae_s1_64k_engine },
#endif
	},
	[IOD_ARM_LPAE_S2] = { .name = "arm_lpae_s2",
#if IOD_HAVE_ARM_LPAE_S2
			.engine = { &iod_arm_lpae_s2_4k_engine, &iod_arm_lpae_s2_16k_engine, &iod_arm_lpae_s2_64k_engine },
#endif
	},
	[IOD_VTD_SS] = { .name = "vtd_ss",
#if IOD_HAVE_VTD_SS
			.engine = { &iod_vtd_ss_engine },
#endif
	},
	[IOD_VTD_FS] = { .name = "vtd_fs",
#if IOD_HAVE_VTD_FS
			.engine = { &iod_vtd_fs_engine },
#endif
	},
	[IOD_AMD_V1] = { .name = "amd_v1",
#if IOD_HAVE_AMD_V1
			.engine = { &iod_amd_v1_engine },
#endif
	},
	[IOD_AMD_V2] = { .name = "amd_v2",
#if IOD_HAVE_AMD_V2
			.engine = { &iod_amd_v2_engine },
#endif
	},
};

#define NR_FORMATS (sizeof(formats) / sizeof(formats[0]))

const struct pt_engine *iod_pt_engine(enum iod_format format, uint32_t granule)
{
	const struct pt_engine *const *engine;

	if ((unsigned)format >= NR_FORMATS)
		return NULL;
	engine = formats[format].engine;
	if (granule == 16384 && engine[GRANULE_16K])
		return engine[GRANULE_16K];
	if (granule == 65536 && engine[GRANULE_64K])
		return engine[GRANULE_64K];
	return engine[GRANULE_4K];
}

const struct iod_pgtable_ops *iod_format_ops(enum iod_format format)
{
	const struct pt_engine *engine = iod_pt_engine(format, 0);

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
