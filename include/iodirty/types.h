/* SPDX-License-Identifier: MIT */
/**
 * @file types.h
 * What every other header shares: formats, permissions, the allocator, and the rules below.
 *
 * Conventions of the whole library
 *
 * - Addresses and lengths are in bytes, ranges are [iova, iova + len). A range may end at 2^64
 *   (iova + len wraps to 0); len is never 0.
 * - Functions return 0 or a negative errno; each code has one meaning everywhere:
 *   -EINVAL misuse (NULL, zero size, misaligned, unknown flag, wrong struct size, bisected page),
 *   -ERANGE outside the input or output address size, -EEXIST / -ENOENT there already / not there,
 *   -ENOMEM, -EOPNOTSUPP this format or configuration cannot, -EAGAIN lost a race,
 *   -EFAULT a table is unreadable or malformed, or an access refused, -ENOSPC full, -EBUSY in use,
 *   -EIO hardware refused a command, -ETIMEDOUT a device did not answer one,
 *   -E2BIG a struct from a newer header sets something that this library does not know.
 *   What a callback of the caller returns is passed on unchanged.
 * - A refused call changes nothing. A range operation that fails midway has added the bytes that it
 *   did complete to *done and leaves the table valid.
 * - Structs that may grow begin with `size`: set it to sizeof(the struct) and zero the rest.
 * - Nothing is printed, no signal is touched, no thread is started.
 */
#ifndef IODIRTY_TYPES_H
#define IODIRTY_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define IOD_API __attribute__((visibility("default")))
#else
#define IOD_API
#endif

/** The page-table formats. */
enum iod_format {
	IOD_ARM_LPAE_S1 = 1, /**< VMSAv8-64 (and 32-bit LPAE) stage 1: CD.TTB0 / CD.TTB1 */
	IOD_ARM_LPAE_S2 = 2, /**< VMSAv8-64 (and 32-bit LPAE) stage 2: STE.S2TTB */
	IOD_VTD_SS = 3,	     /**< VT-d second stage: legacy context or PASID SSPTPTR */
	IOD_VTD_FS = 4,	     /**< VT-d first stage: PASID FSPTPTR */
	IOD_AMD_V1 = 5,	     /**< AMD host table: DTE root and Mode */
	IOD_AMD_V2 = 6,	     /**< AMD guest table: GCR3 */
};

/**
 * @name Permissions and attributes of a mapping
 * READ or WRITE must be set. Formats without write-only leaves (ARM stage 1, VT-d first stage,
 * AMD v2) grant the read with the write. A flag that the format cannot express is -EOPNOTSUPP.
 * @{
 */
#define IOD_PROT_READ	   (1u << 0)
#define IOD_PROT_WRITE	   (1u << 1)
#define IOD_PROT_NOEXEC	   (1u << 2) /**< ARM UXN+PXN / XN, x86 XD */
#define IOD_PROT_PRIV	   (1u << 3) /**< privileged only: ARM S1 AP[1]=0, x86 U/S=0 */
#define IOD_PROT_GLOBAL	   (1u << 4) /**< ARM S1 nG=0, x86 G=1 */
#define IOD_PROT_SNOOP	   (1u << 5) /**< force coherent: VT-d SNP, AMD FC */
#define IOD_PROT_DIRTY	   (1u << 6) /**< the leaf is born dirty (and accessed) instead of clean */
#define IOD_PROT_UNTRACKED (1u << 7) /**< ARM: writable without DBM, never cleaned by a sweep */
/** Memory attribute @p n: ARM S1 AttrIndx (0-7), ARM S2 MemAttr (0-15), VT-d SS EMT | IPAT << 3
 *  (0-15), x86 PWT | PCD << 1 | PAT << 2 (0-7). AMD v1 has none. Default: write-back. */
#define IOD_PROT_MEMATTR(n) ((1u << 8) | (((uint32_t)(n)&0xffu) << 16))
/** ARM shareability @p n: 0 non, 2 outer, 3 inner (the default). */
#define IOD_PROT_SH(n) ((1u << 9) | (((uint32_t)(n)&3u) << 24))
/** @} */

/**
 * Where the library gets memory for its objects (not for tables: see mem.h).
 * Both functions may be called from any thread that calls into the library.
 */
struct iod_allocator {
	size_t size; /**< sizeof(struct iod_allocator) */
	/** Returns @p len bytes aligned as malloc() does, or NULL. */
	void *(*alloc)(void *cookie, size_t len);
	/** Frees what alloc returned; @p ptr is never NULL. */
	void (*free)(void *cookie, void *ptr, size_t len);
	void *cookie; /**< handed to both */
};

struct iod_mem;
struct iod_pgtable;
struct iod_gather;
struct iod_iotlb;

#endif
