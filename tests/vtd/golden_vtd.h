/* SPDX-License-Identifier: MIT */
/*
 * Structures, fault records and page requests as words worked out by hand from the figures of the specification (Intel
 * VT-d, 9.1 to 9.6, 11.4.7.6, 7.4.1.1), in host byte order. Descriptors: descrows.h.
 */
#ifndef GOLDEN_VTD_H
#define GOLDEN_VTD_H

#include <iodirty/iodirty.h>

/* 9.1: legacy root: P, CTP. 9.2: scalable: LP, LCTP, UP, UCTP. */
#define GOLDEN_ROOT_WORDS             \
	{                             \
		0x0000123456789001, 0 \
	}
#define GOLDEN_ROOT                                \
	{                                          \
		.lp = true, .lctp = 0x123456789000 \
	}
#define GOLDEN_SM_ROOT_WORDS                           \
	{                                              \
		0x0000000000001001, 0xfffffffffffff001 \
	}
#define GOLDEN_SM_ROOT                                                             \
	{                                                                          \
		.lp = true, .lctp = 0x1000, .up = true, .uctp = 0xfffffffffffff000 \
	}

/* 9.3: P, FPD, TT = 1, SSPTPTR; AW = 2, AVAIL = 5, DID = 1234h */
#define GOLDEN_CONTEXT_WORDS                           \
	{                                              \
		0x0000000abcdef007, 0x000000000012342a \
	}
#define GOLDEN_CONTEXT                                                                             \
	{                                                                                          \
		.present = true, .fpd = true, .tt = IOD_VTD_TT_SECOND_ATS, .ssptptr = 0xabcdef000, \
		.aw = 2, .avail = 5, .did = 0x1234                                                 \
	}

/* 9.4: P, DTE, PASIDE, PRE, PDTS = 5, PASIDDIRPTR; RID_PASID, RID_PRIV */
#define GOLDEN_SM_CONTEXT_WORDS                              \
	{                                                    \
		0x0000000007fffa1d, 0x0000000000154321, 0, 0 \
	}
#define GOLDEN_SM_CONTEXT                                                             \
	{                                                                             \
		.present = true, .dte = true, .paside = true, .pre = true, .pdts = 5, \
		.pasiddirptr = 0x7fff000, .rid_pasid = 0x54321, .rid_priv = true      \
	}
/* P, FPD, HPTE, EPTR */
#define GOLDEN_SM_CONTEXT_2_WORDS \
	{                         \
		0x63, 0, 0, 0     \
	}
#define GOLDEN_SM_CONTEXT_2                                              \
	{                                                                \
		.present = true, .fpd = true, .hpte = true, .eptr = true \
	}

/* 9.5: P, FPD, SMPTBLPTR */
#define GOLDEN_PASID_DIR_WORDS     \
	{                          \
		0x00000000d0000003 \
	}
#define GOLDEN_PASID_DIR                                              \
	{                                                             \
		.present = true, .fpd = true, .smptblptr = 0xd0000000 \
	}

/* 9.6: nested: P, AW = 2, PGTT = 3, SSADE, SSPTPTR; DID, PWSNP, PGSNP; SRE, FSPM = 1, WPE, EAFE, FSPTPTR */
#define GOLDEN_PASID_NESTED_WORDS                                                         \
	{                                                                                 \
		0x00000012345672c9, 0x000000000180beef, 0xfedcba9876543095, 0, 0, 0, 0, 0 \
	}
#define GOLDEN_PASID_NESTED                                                                        \
	{                                                                                          \
		.present = true, .aw = 2, .pgtt = IOD_VTD_PGTT_NESTED, .ssade = true,              \
		.ssptptr = 0x1234567000, .did = 0xbeef, .pwsnp = true, .pgsnp = true, .sre = true, \
		.fspm = 1, .wpe = true, .eafe = true, .fsptptr = 0xfedcba9876543000                \
	}
/* The others: FPD, PGTT = 4; CD, EMTE, EMT = 5, PWT, PCD, PAT; ERE, NXE, SMEP; HPTSZ, HPTPFD, HPTPTR; HPTDID */
#define GOLDEN_PASID_OTHERS_WORDS                                                    \
	{                                                                            \
		0x103, 0x01020304ee000000, 0x62, 0, 0x0000000055555006, 0xcafe, 0, 0 \
	}
#define GOLDEN_PASID_OTHERS                                                                       \
	{                                                                                         \
		.present = true, .fpd = true, .pgtt = IOD_VTD_PGTT_PASS_THROUGH, .cd = true,      \
		.emte = true, .emt = 5, .pwt = true, .pcd = true, .pat = 0x01020304, .ere = true, \
		.nxe = true, .smep = true, .hptsz = 2, .hptpfd = true, .hptptr = 0x55555000,      \
		.hptdid = 0xcafe                                                                  \
	}

/* 11.4.7.6: FI; SID, T2 = 0, PRIV, EXE, PP, FR = 71h, PASID, AT = 1, T1 = 1 (read), F */
#define GOLDEN_FAULT_WORDS                             \
	{                                              \
		0x00007fffdeadb000, 0xd5432171e0000108 \
	}
#define GOLDEN_FAULT                                                                         \
	{                                                                                    \
		.reason = IOD_VTD_F_FS_NOT_PRESENT, .sid = 0x0108, .pasid = 0x54321,         \
		.pasid_valid = true, .exec = true, .priv = true, .type = IOD_VTD_FAULT_READ, \
		.at = IOD_VTD_AT_TRANSLATION, .fault = true, .addr = 0x7fffdeadb000          \
	}
/* T2 = 1, T1 = 0: a page request; no PASID */
#define GOLDEN_FAULT_2_WORDS                           \
	{                                              \
		0xfffffffffffff000, 0x000000471000ffff \
	}
#define GOLDEN_FAULT_2                                                                         \
	{                                                                                      \
		.reason = IOD_VTD_F_SM_PRE, .sid = 0xffff, .type = IOD_VTD_FAULT_PAGE_REQUEST, \
		.addr = 0xfffffffffffff000                                                     \
	}

/* 7.4.1.1: type 1, PP, RID, PASID, EXE, PRIV; RD, WR, LPIG, PRGI, address */
#define GOLDEN_PAGE_REQ_WORDS                                \
	{                                                    \
		0x0035432101080101, 0x00007fff00000fff, 0, 0 \
	}
#define GOLDEN_PAGE_REQ                                                                           \
	{                                                                                         \
		.sid = 0x0108, .pasid = 0x54321, .pasid_valid = true, .exec = true, .priv = true, \
		.read = true, .write = true, .last = true, .prgi = 0x1ff, .addr = 0x7fff00000000  \
	}
/* RD of PRG 1, no PASID, not the last */
#define GOLDEN_PAGE_REQ_2_WORDS                              \
	{                                                    \
		0x00000000ffff0001, 0x0000000000005009, 0, 0 \
	}
#define GOLDEN_PAGE_REQ_2                                              \
	{                                                              \
		.sid = 0xffff, .read = true, .prgi = 1, .addr = 0x5000 \
	}

#endif
