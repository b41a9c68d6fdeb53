/* SPDX-License-Identifier: MIT */
/*
 * Where the fields of root, context and PASID structures lie (Intel VT-d specification, 9.1 to 9.6): the only place
 * that says so.
 *
 * F(field, word, lowest bit, bits): a number. A(field, word, highest bit, lowest bit): an address, kept in place.
 * Names are those of the typed structs. What is missing here is in `unknown`.
 */
#ifndef IOD_VTD_ENTRY_BITS_H
#define IOD_VTD_ENTRY_BITS_H

#define ROOT_FIELDS(F, A)  \
	F(lp, 0, 0, 1)     \
	A(lctp, 0, 63, 12) \
	F(up, 1, 0, 1)     \
	A(uctp, 1, 63, 12)

#define CONTEXT_FIELDS(F, A)  \
	F(present, 0, 0, 1)   \
	F(fpd, 0, 1, 1)       \
	F(tt, 0, 2, 2)        \
	A(ssptptr, 0, 63, 12) \
	F(aw, 1, 0, 3)        \
	F(avail, 1, 3, 4)     \
	F(did, 1, 8, 16)

#define SM_CONTEXT_FIELDS(F, A)   \
	F(present, 0, 0, 1)       \
	F(fpd, 0, 1, 1)           \
	F(dte, 0, 2, 1)           \
	F(paside, 0, 3, 1)        \
	F(pre, 0, 4, 1)           \
	F(hpte, 0, 5, 1)          \
	F(eptr, 0, 6, 1)          \
	F(pdts, 0, 9, 3)          \
	A(pasiddirptr, 0, 63, 12) \
	F(rid_pasid, 1, 0, 20)    \
	F(rid_priv, 1, 20, 1)

#define PASID_DIR_FIELDS(F, A) \
	F(present, 0, 0, 1)    \
	F(fpd, 0, 1, 1)        \
	A(smptblptr, 0, 63, 12)

#define PASID_FIELDS(F, A)    \
	F(present, 0, 0, 1)   \
	F(fpd, 0, 1, 1)       \
	F(aw, 0, 2, 3)        \
	F(pgtt, 0, 6, 3)      \
	F(ssade, 0, 9, 1)     \
	A(ssptptr, 0, 63, 12) \
	F(did, 1, 0, 16)      \
	F(pwsnp, 1, 23, 1)    \
	F(pgsnp, 1, 24, 1)    \
	F(cd, 1, 25, 1)       \
	F(emte, 1, 26, 1)     \
	F(emt, 1, 27, 3)      \
	F(pwt, 1, 30, 1)      \
	F(pcd, 1, 31, 1)      \
	F(pat, 1, 32, 32)     \
	F(sre, 2, 0, 1)       \
	F(ere, 2, 1, 1)       \
	F(fspm, 2, 2, 2)      \
	F(wpe, 2, 4, 1)       \
	F(nxe, 2, 5, 1)       \
	F(smep, 2, 6, 1)      \
	F(eafe, 2, 7, 1)      \
	A(fsptptr, 2, 63, 12) \
	F(hptsz, 4, 0, 2)     \
	F(hptpfd, 4, 2, 1)    \
	A(hptptr, 4, 63, 12)  \
	F(hptdid, 5, 0, 16)

#define ENTRY_P	       BIT64(0)
#define ENTRY_FPD      BIT64(1)

#define ROOTS_LG2      8u /* entries of a root table: buses */
#define PASIDS_LG2     6u /* PASIDs of a table, and log2 of the bytes of an entry */
#define PASID_DIR_LG2  7u /* log2 of the entries of a directory with PDTS = 0 */
#define PAGE_TABLE_LG2 12u

/* AW: levels, less 2. */
#define AW_3_LEVELS    1u
#define AW_5_LEVELS    3u
#define AW_LEVELS(aw)  ((uint32_t)(aw) + 2)
#define FSPM_4_LEVELS  0u
#define FSPM_5_LEVELS  1u
#define FSPM_LEVELS(m) ((uint32_t)(m) + 4)

#endif
