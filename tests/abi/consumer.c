// SPDX-License-Identifier: MIT
/* A stranger's first program: a table in an arena, one mapping, one look-up. */
#include <inttypes.h>
#include <stdio.h>

#include <iodirty/iodirty.h>

static int use_table(struct iod_mem *mem, enum iod_format format)
{
	struct iod_pgtable_cfg cfg = { .size = sizeof(cfg), .format = format, .mem = mem };
	struct iod_pgtable *pt;
	uint64_t done = 0, pa = 0;
	int ret = iod_pgtable_create(&pt, &cfg);

	if (ret)
		return ret;
	ret = iod_map(pt, 0x200000, 0x40000000, 0x201000, IOD_PROT_READ | IOD_PROT_WRITE, NULL,
		      &done);
	if (!ret)
		ret = iod_iova_to_phys(pt, 0x400123, &pa);
	printf("%s: mapped 0x%" PRIx64 " bytes, 0x400123 is at 0x%" PRIx64 "\n",
	       iod_format_name(format), done, pa);
	if (!ret && (done != 0x201000 || pa != 0x40200123))
		ret = -1;
	return iod_pgtable_destroy(pt) ? -1 : ret;
}

int main(void)
{
	struct iod_mem *mem;
	int tables = 0, failed = 0;

	if (iod_mem_create_arena(&mem, NULL))
		return 1;
	for (int format = IOD_ARM_LPAE_S1; format <= IOD_AMD_V2; format++) {
		if (!iod_format_ops((enum iod_format)format))
			continue;
		tables++;
		failed += use_table(mem, (enum iod_format)format) != 0;
	}
	printf("iodirty %s: %d formats, %d failed\n", iod_version_string(), tables, failed);
	return iod_mem_destroy(mem) || failed || !tables;
}
