/* SPDX-License-Identifier: MIT */
/* Messages and names. */
#include "text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const format_names[] = {
	[IOD_ARM_LPAE_S1] = "arm-lpae-s1", [IOD_ARM_LPAE_S2] = "arm-lpae-s2",
	[IOD_VTD_SS] = "vtd-second-stage", [IOD_VTD_FS] = "vtd-first-stage",
	[IOD_AMD_V1] = "amd-v1",	   [IOD_AMD_V2] = "amd-v2",
};

#define NR_FORMATS (sizeof(format_names) / sizeof(format_names[0]))

void complain(const char *fmt, ...)
{
	va_list args;

	fputs("iodirty: ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
}

const char *format_text(enum iod_format format)
{
	size_t i = (size_t)format;

	return i < NR_FORMATS && format_names[i] ? format_names[i] : "?";
}

int format_parse(const char *name, enum iod_format *format)
{
	size_t i;

	for (i = 1; i < NR_FORMATS; i++) {
		if (strcmp(name, format_names[i]) == 0) {
			*format = (enum iod_format)i;
			return 0;
		}
	}
	return iod_format_by_name(name, format) ? -1 : 0;
}

int arch_level(enum iod_format format, uint32_t level)
{
	if (format == IOD_ARM_LPAE_S1 || format == IOD_ARM_LPAE_S2)
		return 3 - (int)level;
	return (int)level + 1;
}

const char *perm_text(uint32_t prot)
{
	static const char *const text[4] = { "--", "r-", "-w", "rw" };

	return text[(prot & IOD_PROT_READ ? 1 : 0) | (prot & IOD_PROT_WRITE ? 2 : 0)];
}

int dirty_value(enum iod_format format, const struct iod_mapping *map)
{
	bool arm = format == IOD_ARM_LPAE_S1 || format == IOD_ARM_LPAE_S2;

	/* A read-only Arm leaf without DBM (bit 51) is as untracked as a writable one. */
	if (map->dirty == IOD_DIRTY_UNTRACKED || (arm && !(map->pte >> 51 & 1)))
		return -1;
	return map->dirty == IOD_DIRTY;
}

const char *size_text(uint64_t len, char buf[TEXT_LEN])
{
	static const char units[] = "BKMGTPE";
	unsigned unit = 0;

	while (unit < 6 && len && !(len & 1023)) {
		len >>= 10;
		unit++;
	}
	snprintf(buf, TEXT_LEN, "%" PRIu64 "%c", len, units[unit]);
	return buf;
}

const char *source_text(uint32_t source_id, char buf[TEXT_LEN])
{
	if (source_id >> 16)
		snprintf(buf, TEXT_LEN, "0x%" PRIx32, source_id);
	else
		snprintf(buf, TEXT_LEN, "%02x:%02x.%x", (unsigned)source_id >> 8,
			 (unsigned)source_id >> 3 & 0x1f, (unsigned)source_id & 7);
	return buf;
}
