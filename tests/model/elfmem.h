/* SPDX-License-Identifier: MIT */
/* Guest-physical memory from an ELF64 little-endian core: PT_LOAD p_paddr -> file bytes. */
#ifndef MDL_ELFMEM_H
#define MDL_ELFMEM_H

#include <stddef.h>
#include <stdint.h>

#include "model.h"

struct mdl_elf_seg {
	uint64_t pa, size;
	unsigned char *data;
};

struct mdl_elfmem {
	unsigned char *map; /* a private copy: changes do not reach the file */
	size_t len;
	struct mdl_elf_seg *seg; /* sorted by pa */
	size_t nseg;
};

/* -1: cannot be read or is not such a core. Nothing to close then. */
int mdl_elfmem_open(struct mdl_elfmem *e, const char *file);
void mdl_elfmem_close(struct mdl_elfmem *e);
/* @size bytes at @pa inside one segment, or NULL */
unsigned char *mdl_elfmem_at(const struct mdl_elfmem *e, uint64_t pa, uint64_t size);
/* Memory for the walkers; @e must outlive it. */
struct mdl_mem mdl_elfmem_mem(struct mdl_elfmem *e);

#endif
