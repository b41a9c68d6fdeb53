/* SPDX-License-Identifier: MIT */
/* Builds small ELF64 cores by hand, good ones and bad ones. */
#ifndef IODTEST_MKCORE_H
#define IODTEST_MKCORE_H

#include <stddef.h>
#include <stdint.h>

#define CORE_SEGS_MAX 16

struct core_seg_spec {
	uint64_t pa, memsz; /* memsz 0: len */
	const void *data;
	uint64_t len;
	unsigned shift; /* bytes by which it is misaligned in the file */
};

struct core_spec {
	struct core_seg_spec seg[CORE_SEGS_MAX];
	unsigned nr;
	unsigned machine; /* 0: x86-64 */
	int xnum;	  /* the number of segments stands in section header 0 */
};

void core_write(const struct core_spec *spec, const char *name);

/* The bytes of a file, malloced. */
unsigned char *file_read(const char *name, size_t *len);
void file_write(const char *name, const void *data, size_t len);

void put_le64(void *p, uint64_t v);
uint64_t get_le64(const void *p);

#endif
