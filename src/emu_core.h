/* SPDX-License-Identifier: MIT */
/*
 * The emulated IOMMUs: what they share beside the cache of contexts (emu_ctx.h).
 *
 * - Translation caches: two for what the IOMMU itself translates, of stage 1 (guests' tables, alone or nested) and of
 *   stage 2, and two alike that answer translation requests of devices.
 * - One access: checked, translated, its data moved piece by piece.
 * - Registers as tables of what can be written; one thread at a time that consumes commands.
 *
 * Locks are taken in this order: emulator, stage-1 iotlb, stage-2 iotlb.
 */
#ifndef IOD_EMU_CORE_H
#define IOD_EMU_CORE_H

#include <iodirty/command.h>
#include <iodirty/emu.h>

#include <pthread.h>

#include "bits.h"
#include "pgtable/mem.h"

/* ---- translation caches ---- */

struct emu_tlbs {
	struct iod_iotlb *tlb[2]; /* of stage 1, of stage 2 */
	/* Answers to translation requests, alike: they never promise a write that would have to be marked. */
	struct iod_iotlb *ats[2];
};

/* @param s1, s2 of the caller, or NULL @return 0; what iod_iotlb_create() returns; -EINVAL an ATC */
int iod_emu_tlbs_init(struct emu_tlbs *tlbs, const struct iod_allocator *allocator,
		      const struct iod_iotlb_cfg *s1, const struct iod_iotlb_cfg *s2);
/* Whatever init left, or of zeroes. The page tables in nested memory are gone by now. */
void iod_emu_tlbs_fini(struct emu_tlbs *tlbs);
void iod_emu_tlbs_drop(struct emu_tlbs *tlbs);
/* What a command does to translations; stage 2 goes first. */
void iod_emu_tlbs_obey(struct emu_tlbs *tlbs, const struct iod_cmd_effect *effect);

/* ---- one access ---- */

/* Where it goes. */
struct emu_way {
	struct iod_pgtable *pt; /* NULL: addr is the output address */
	struct iod_iotlb *tlb;
	uint64_t addr;		/* what pt is asked for */
	uint32_t ask;		/* what for: IOD_ACCESS_* */
	struct iod_fault fault; /* when it was refused */
};

/* Take a request in. @return 0, -EINVAL, -E2BIG */
int iod_emu_req_in(struct iod_emu_req *req, const struct iod_emu_req *user);
/* What a DMA may not be, beside that. @return 0, -EINVAL, -ERANGE */
int iod_emu_check_dma(const struct iod_emu_req *req, uint64_t len,
		      int (*move)(void *cookie, uint64_t pa, uint64_t len, uint64_t offset));

/* Translate way->addr for @access. @return 0, result; -EFAULT way->fault; -EINVAL */
int iod_emu_translate(struct emu_way *way, uint32_t access, struct iod_emu_result *result);
/* The result of an access that is not translated: everything up to @last. */
void iod_emu_untranslated(const struct emu_way *way, uint64_t last, struct iod_emu_result *result);
/*
 * A translation request: as much as there is of what was asked for, so that a page that cannot be written is
 * answered for reading. way->tlb is one of emu_tlbs.ats. Whether it may be executed is in the answer, not
 * asked for. @return as above
 */
int iod_emu_translate_ats(struct emu_way *way, uint32_t access, struct iod_emu_result *result);

/* A DMA on its way. */
struct emu_dma {
	struct emu_way *way;
	uint64_t len;
	int (*move)(void *cookie, uint64_t pa, uint64_t len, uint64_t offset);
	void *cookie;
	/* Asked before each page, where it is not NULL: off bytes into the DMA. Nonzero ends it. */
	int (*check)(void *owner, uint64_t off);
	void *owner;
	uint64_t off; /* bytes done with */
	int moved;    /* what move returned, when that was not 0 */
	/* internal */
	uint64_t base; /* offset of the piece that the iotlb is asked for */
};

/* @return 0; -EFAULT refused (way->fault, unless check said so) or what move or check returned */
int iod_emu_dma(struct emu_dma *dma);

/* ---- memory ---- */

/* @nr words of a structure, each read once, as they are in memory. */
bool iod_emu_fetch(const struct iod_mem *mem, uint64_t pa, uint64_t *words, unsigned int nr);
/* 4 bytes, little-endian, one store. @return 0, -EFAULT */
int iod_emu_write32(const struct iod_mem *mem, uint64_t addr, uint32_t data);

/* ---- consuming ---- */

/* Who comes while another thread consumes leaves what is new to that one. */
struct emu_runner {
	bool running, kicked;
};

/*
 * @lock is held, and held again at the end; not while @consume is called.
 * @return what consume returned
 */
int iod_emu_run(struct emu_runner *runner, pthread_mutex_t *lock,
		int (*consume)(void *cookie, uint32_t budget), void *cookie, uint32_t budget);

/* ---- registers ---- */

/* A register of 4 or 8 bytes, and where it is kept. */
struct emu_reg {
	uint16_t offset;
	uint8_t bytes;
	uint8_t act;	    /* of the vendor: what a write does beside storing */
	uint8_t flags;	    /* of the vendor */
	size_t field;	    /* in the struct of registers */
	uint64_t mask;	    /* bits that can be written */
	uint64_t w1c;	    /* bits that are cleared by writing 1 */
	uint32_t frozen[2]; /* of the vendor: when it cannot be written */
};

/* The register that has the 4 bytes at @offset, or NULL. */
const struct emu_reg *iod_emu_reg_find(const struct emu_reg *regs, size_t nr, uint64_t offset);
/* The 4 bytes at @offset of it. @file is the struct of registers. */
uint32_t iod_emu_reg_read(const struct emu_reg *reg, const void *file, uint64_t offset);
/* Store what @mask (of the whole register) allows, and clear what is w1c. Others may write other bits meanwhile. */
void iod_emu_reg_write(const struct emu_reg *reg, void *file, uint64_t offset, uint32_t word,
		       uint64_t mask);

#endif
