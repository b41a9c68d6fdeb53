/* SPDX-License-Identifier: MIT */
/*
 * Where the fields of STE (Arm IHI 0070, 5.2) and CD (5.4) lie: the only place that says so.
 *
 * F(field, word, lowest bit, bits): a number. A(field, word, highest bit, lowest bit): an address, kept in
 * place. Names are those of the typed structs. What is missing here is in `unknown`: implementation defined
 * bits, fields of Secure and Realm streams, MECID, overlays (S2POI), permission indirection (PIIU, PIIP), D128.
 */
#ifndef IOD_SMMUV3_STE_BITS_H
#define IOD_SMMUV3_STE_BITS_H

#define STE_FIELDS(F, A)          \
	F(valid, 0, 0, 1)         \
	F(config, 0, 1, 3)        \
	F(s1fmt, 0, 4, 2)         \
	A(s1contextptr, 0, 55, 6) \
	F(s1cdmax, 0, 59, 5)      \
	F(s1dss, 1, 0, 2)         \
	F(s1cir, 1, 2, 2)         \
	F(s1cor, 1, 4, 2)         \
	F(s1csh, 1, 6, 2)         \
	F(s2hwu, 1, 8, 4)         \
	F(dre, 1, 12, 1)          \
	F(cont, 1, 13, 4)         \
	F(dcp, 1, 17, 1)          \
	F(ppar, 1, 18, 1)         \
	F(mev, 1, 19, 1)          \
	F(sw, 1, 20, 4)           \
	F(s1pie, 1, 24, 1)        \
	F(s2fwb, 1, 25, 1)        \
	F(s1mpam, 1, 26, 1)       \
	F(s1stalld, 1, 27, 1)     \
	F(eats, 1, 28, 2)         \
	F(strw, 1, 30, 2)         \
	F(memattr, 1, 32, 4)      \
	F(mtcfg, 1, 36, 1)        \
	F(alloccfg, 1, 37, 4)     \
	F(shcfg, 1, 44, 2)        \
	F(nscfg, 1, 46, 2)        \
	F(privcfg, 1, 48, 2)      \
	F(instcfg, 1, 50, 2)      \
	F(s2vmid, 2, 0, 16)       \
	F(s2t0sz, 2, 32, 6)       \
	F(s2sl0, 2, 38, 2)        \
	F(s2ir0, 2, 40, 2)        \
	F(s2or0, 2, 42, 2)        \
	F(s2sh0, 2, 44, 2)        \
	F(s2tg, 2, 46, 2)         \
	F(s2ps, 2, 48, 3)         \
	F(s2aa64, 2, 51, 1)       \
	F(s2endi, 2, 52, 1)       \
	F(s2affd, 2, 53, 1)       \
	F(s2ptw, 2, 54, 1)        \
	F(s2hd, 2, 55, 1)         \
	F(s2ha, 2, 56, 1)         \
	F(s2s, 2, 57, 1)          \
	F(s2r, 2, 58, 1)          \
	F(s2haft, 2, 59, 1)       \
	F(s2pie, 2, 60, 1)        \
	F(s2poe, 2, 61, 1)        \
	F(dpt_vmatch, 2, 62, 2)   \
	F(s2sl0_2, 3, 2, 1)       \
	F(s2ds, 3, 3, 1)          \
	A(s2ttb, 3, 55, 4)        \
	F(partid, 4, 16, 16)      \
	F(pmg, 5, 0, 8)           \
	A(vmsptr, 5, 55, 12)

#define CD_FIELDS(F, A)      \
	F(t0sz, 0, 0, 6)     \
	F(tg0, 0, 6, 2)      \
	F(ir0, 0, 8, 2)      \
	F(or0, 0, 10, 2)     \
	F(sh0, 0, 12, 2)     \
	F(epd0, 0, 14, 1)    \
	F(endi, 0, 15, 1)    \
	F(t1sz, 0, 16, 6)    \
	F(tg1, 0, 22, 2)     \
	F(ir1, 0, 24, 2)     \
	F(or1, 0, 26, 2)     \
	F(sh1, 0, 28, 2)     \
	F(epd1, 0, 30, 1)    \
	F(valid, 0, 31, 1)   \
	F(ips, 0, 32, 3)     \
	F(affd, 0, 35, 1)    \
	F(wxn, 0, 36, 1)     \
	F(uwxn, 0, 37, 1)    \
	F(tbi0, 0, 38, 1)    \
	F(tbi1, 0, 39, 1)    \
	F(pan, 0, 40, 1)     \
	F(aa64, 0, 41, 1)    \
	F(hd, 0, 42, 1)      \
	F(ha, 0, 43, 1)      \
	F(s, 0, 44, 1)       \
	F(r, 0, 45, 1)       \
	F(a, 0, 46, 1)       \
	F(aset, 0, 47, 1)    \
	F(asid, 0, 48, 16)   \
	F(nscfg0, 1, 0, 1)   \
	F(had0, 1, 1, 1)     \
	F(e0pd0, 1, 2, 1)    \
	F(haft, 1, 3, 1)     \
	A(ttb0, 1, 55, 4)    \
	F(pnch, 1, 58, 1)    \
	F(epan, 1, 59, 1)    \
	F(hwu0, 1, 60, 4)    \
	F(nscfg1, 2, 0, 1)   \
	F(had1, 2, 1, 1)     \
	F(e0pd1, 2, 2, 1)    \
	F(aie, 2, 3, 1)      \
	A(ttb1, 2, 55, 4)    \
	F(ds, 2, 58, 1)      \
	F(pie, 2, 59, 1)     \
	F(hwu1, 2, 60, 4)    \
	A(mair, 3, 63, 0)    \
	A(amair, 4, 63, 0)   \
	F(partid, 5, 32, 16) \
	F(pmg, 5, 48, 8)

/* STE.Config */
#define STE_CONFIG_S1(config) (((config)&5) == 5)
#define STE_CONFIG_S2(config) (((config)&6) == 6)

/* STE.S1Fmt, S1DSS, EATS, STRW */
#define S1FMT_LINEAR	0u
#define S1FMT_4K	1u
#define S1FMT_64K	2u
#define S1DSS_TERMINATE 0u
#define S1DSS_BYPASS	1u
#define S1DSS_CD0	2u
#define EATS_NONE	0u
#define EATS_FULL	1u
#define EATS_SPLIT	2u
#define EATS_DPT	3u
#define STRW_EL1	0u
#define STRW_EL2	2u

#define STE_WORDS	8u
#define STE_LG2		6u /* bytes of an STE, and of a CD */
#define CDMAX_MAX	20u
#define L2_CDS_LG2(fmt) ((fmt) == S1FMT_4K ? 6u : 10u)

/* Level-1 stream table descriptor (5.1) */
#define L1STD_SPAN(d)  (0x1f & (unsigned)(d))
#define L1STD_SPAN_MAX 11u
#define L1STD_PTR(d)   (MASK64(55, 6) & (d))

/* Level-1 context descriptor (5.3) */
#define L1CD_V	    BIT64(0)
#define L1CD_PTR(d) (MASK64(55, 12) & (d))

/* STRTAB_BASE (6.3.24) and STRTAB_BASE_CFG (6.3.25) */
#define STRTAB_ADDR(v)	   (MASK64(55, 6) & (v))
#define STRTAB_LOG2SIZE(c) (0x3f & (c))
#define STRTAB_SPLIT(c)	   ((c) >> 6 & 0x1f)
#define STRTAB_FMT(c)	   ((c) >> 16 & 3)
#define STRTAB_FMT_2LEVEL  1u
#define SID_BITS_MAX	   32u
#define SPLIT_DEFAULT	   6u /* what reserved values behave as */

#endif
