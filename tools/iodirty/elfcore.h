/* SPDX-License-Identifier: MIT */
/* Guest memory from ELF64 cores: one or several files that together form one physical memory. */
#ifndef IODIRTY_ELFCORE_H
#define IODIRTY_ELFCORE_H

#include <iodirty/mem.h>

#include <stdbool.h>

struct core_file;
struct core_seg;

struct core {
	struct iod_mem *mem; /* read-only regions */
	uint64_t bytes;	     /* of memory held */
	uint64_t last_pa;    /* highest address of memory that the core knows of */
	unsigned machine;    /* e_machine of all files */

	struct core_file *files;
	int nr_files;
	struct core_seg *segs;
	size_t nr_segs, max_segs;
	uint64_t copied; /* bytes of segments that had to be copied */
};

/* Says on stderr what is wrong. @return 0, -1 (nothing to close) */
int core_open(struct core *core, char *const *names, int nr);
void core_close(struct core *core);

/* Whether 8 bytes at @pa are in the core. */
bool core_has(const struct core *core, uint64_t pa);

/* Whether @pa can be an address of that machine's memory, be it in the core or not. */
bool core_plausible(const struct core *core, uint64_t pa);

#endif
