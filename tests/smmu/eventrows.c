/* SPDX-License-Identifier: MIT */
/* Event records and page requests by hand: see the header. */
#include "eventrows.h"

#define TYPE(name) .type = IOD_SMMUV3_##name

#define SUB	   0xfffffffffffff800			    /* StreamID, SubstreamID, SSV */
#define SSID	   0x00000000fffff000			    /* where SSV is 0 */
#define ACCESS	   (0x3ull << 40 | 1ull << 39 | 7ull << 33) /* CLASS, S2, RnW, InD, PnU */
#define STALL	   0x8000ffffull			    /* Stall, STAG */
#define NSIPA	   (1ull << 36)
#define RNW	   (1ull << 35)
#define IPA	   0x00fffffffffff000
#define FETCH	   0x00fffffffffffff8
#define ALL	   0xffffffffffffffff

const struct event_row event_rows[NR_EVENT_ROWS] = {
	{ { TYPE(F_UUT), .sid = 3, .reason = 0x8001, .addr = 0xfedcba9876543210, .rnw = true,
	    .pnu = true },
	  { 0x0000000300000001, 0x0000000a00008001, 0xfedcba9876543210, 0 },
	  { SUB, 0xffff | 7ull << 33, ALL, 0 },
	  { SSID } },
	{ { TYPE(C_BAD_STREAMID), .sid = 0xffffffff, .ssv = true, .ssid = 0xfffff },
	  { 0xfffffffffffff802, 0, 0, 0 },
	  { SUB, 0, 0, 0 },
	  { 0 } },
	{ { TYPE(F_STE_FETCH), .sid = 1, .reason = 0x1234, .gpcf = true, .fetch = FETCH },
	  { 0x0000000100000003, 0x11234, 0, FETCH },
	  { SUB, 0x1ffff, 0, FETCH },
	  { SSID } },
	{ { TYPE(C_BAD_STE), .sid = 0x80000000 },
	  { 0x8000000000000004, 0, 0, 0 },
	  { SUB, 0, 0, 0 },
	  { SSID } },
	{ { TYPE(F_BAD_ATS_TREQ), .sid = 1, .addr = 0x5000, .rnw = true },
	  { 0x0000000100000005, RNW, 0x5000, 0 },
	  { SUB, RNW, ALL, 0 },
	  { SSID } },
	{ { TYPE(F_STREAM_DISABLED), .sid = 1 },
	  { 0x0000000100000006, 0, 0, 0 },
	  { SUB, 0, 0, 0 },
	  { SSID } },
	{ { TYPE(F_TRANSL_FORBIDDEN), .sid = 1, .addr = 0x5001 },
	  { 0x0000000100000007, 0, 0x5001, 0 },
	  { SUB, RNW, ALL, 0 },
	  { SSID } },
	/* 7.3.9: the SubstreamID is always valid. */
	{ { TYPE(C_BAD_SUBSTREAMID), .sid = 1, .ssid = 9 },
	  { 0x0000000100009008, 0, 0, 0 },
	  { 0xfffffffffffff000, 0, 0, 0 },
	  { 0 } },
	{ { TYPE(F_CD_FETCH), .sid = 1, .ssv = true, .ssid = 2, .fetch = 0x40 },
	  { 0x0000000100002809, 0, 0, 0x40 },
	  { SUB, 0x1ffff, 0, FETCH },
	  { 0 } },
	{ { TYPE(C_BAD_CD), .sid = 1, .ssv = true },
	  { 0x000000010000080a, 0, 0, 0 },
	  { SUB, 0, 0, 0 },
	  { 0 } },
	{ { TYPE(F_WALK_EABT), .sid = 1, .rnw = true, .cls = IOD_SMMUV3_CLASS_TT, .addr = 0x1000,
	    .fetch = 0x2008 },
	  { 0x000000010000000b, 0x0000010800000000, 0x1000, 0x2008 },
	  { SUB, ACCESS | 0x1ffff, ALL, FETCH },
	  { SSID } },
	{ { TYPE(F_TRANSLATION), .sid = 0x1234, .ssv = true, .ssid = 5, .stall = true,
	    .stag = 0xbeef, .rnw = true, .cls = IOD_SMMUV3_CLASS_IN, .addr = 0xdeadbeef123 },
	  { 0x0000123400005810, 0x000002088000beef, 0xdeadbeef123, 0 },
	  { SUB, ACCESS | NSIPA | STALL, ALL, IPA },
	  { 0, NSIPA, 0, IPA } },
	{ { TYPE(F_ADDR_SIZE), .sid = 1, .cls = IOD_SMMUV3_CLASS_IN, .addr = ALL },
	  { 0x0000000100000011, 0x0000020000000000, ALL, 0 },
	  { SUB, ACCESS | NSIPA | STALL, ALL, IPA },
	  { SSID, 0xffff | NSIPA, 0, IPA } },
	{ { TYPE(F_ACCESS), .sid = 1, .s2 = true, .cls = IOD_SMMUV3_CLASS_CD, .ipa = IPA,
	    .pnu = true },
	  { 0x0000000100000012, 0x0000008200000000, 0, IPA },
	  { SUB, ACCESS | NSIPA | STALL, ALL, IPA },
	  { SSID, 0xffff, 0, 0 } },
	{ { TYPE(F_PERMISSION), .sid = 7, .pnu = true, .ind = true, .rnw = true, .nsipa = true,
	    .s2 = true, .cls = IOD_SMMUV3_CLASS_TT, .ttrnw = true, .ipa = 0xabcdef000 },
	  { 0x0000000700000013, 0x0000119e00000000, 0, 0xabcdef000 },
	  { SUB, ACCESS | NSIPA | STALL | 1ull << 44, ALL, IPA },
	  { SSID, 0xffff, 0, 0 } },
	{ { TYPE(F_TLB_CONFLICT), .sid = 1, .reason = 2, .cls = IOD_SMMUV3_CLASS_IN, .addr = 0x1000,
	    .s2 = true, .ipa = 0x2000 },
	  { 0x0000000100000020, 0x0000028000000002, 0x1000, 0x2000 },
	  { SUB, ACCESS | NSIPA | 0xffff, ALL, IPA },
	  { SSID, 0, 0, 0 } },
	{ { TYPE(F_CFG_CONFLICT), .sid = 1, .reason = 0xffff },
	  { 0x0000000100000021, 0xffff, 0, 0 },
	  { SUB, 0xffff, 0, 0 },
	  { SSID } },
	/* 7.3.19: unprivileged write and read, privileged write; 12 KiB. */
	{ { TYPE(E_PAGE_REQUEST), .sid = 1, .span = 3, .addr = 0x7000,
	    .hints = IOD_SMMUV3_HINT_UR | IOD_SMMUV3_HINT_UW | IOD_SMMUV3_HINT_PW },
	  { 0x0000000100000024, 0x0000304c00000000, 0x7000, 0 },
	  { SUB, 0xffull << 44 | 7ull << 37 | 7ull << 33, 0xfffffffffffff000, 0 },
	  { SSID } },
	{ { TYPE(F_VMS_FETCH), .sid = 1, .fetch = 0x1000 },
	  { 0x0000000100000025, 0, 0, 0x1000 },
	  { SUB, 0x1ffff, 0, FETCH },
	  { SSID } },
};

const struct pri_row pri_rows[NR_PRI_ROWS] = {
	{ { .sid = 0x1234,
	    .ssv = true,
	    .ssid = 0xabcde,
	    .priv = true,
	    .exec = true,
	    .read = true,
	    .last = true,
	    .prgi = 0x1ff,
	    .addr = 0xfffffffffffff000 },
	  { 0xdc0abcde00001234, 0xfffffffffffff1ff } },
	{ { .sid = 0xffffffff, .write = true, .prgi = 1, .addr = 0x1000 },
	  { 0x20000000ffffffff, 0x1001 } },
	{ { .sid = 1, .ssv = true, .ssid = 2, .last = true }, { 0xc000000200000001, 0 } },
};

void assert_same_event(const struct iod_smmuv3_event *a, const struct iod_smmuv3_event *b)
{
#define SAME(member) assert_true(a->member == b->member)
	SAME(type);
	SAME(sid);
	SAME(ssid);
	SAME(ssv);
	SAME(stall);
	SAME(pnu);
	SAME(ind);
	SAME(rnw);
	SAME(s2);
	SAME(ttrnw);
	SAME(nsipa);
	SAME(gpcf);
	SAME(cls);
	SAME(span);
	SAME(hints);
	SAME(stag);
	SAME(reason);
	SAME(addr);
	SAME(ipa);
	SAME(fetch);
}

void assert_same_pri(const struct iod_smmuv3_pri *a, const struct iod_smmuv3_pri *b)
{
	SAME(sid);
	SAME(ssid);
	SAME(ssv);
	SAME(priv);
	SAME(exec);
	SAME(read);
	SAME(write);
	SAME(last);
	SAME(prgi);
	SAME(addr);
}
