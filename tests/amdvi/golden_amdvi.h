/* SPDX-License-Identifier: MIT */
/*
 * AMD-Vi words worked out by hand from bits.md A3.6 and C3: every command, device table entries, every event, page
 * requests. Not produced by any program. A comment tells the arithmetic where it is not plain to see.
 */
#ifndef GOLDEN_AMDVI_H
#define GOLDEN_AMDVI_H

#include <iodirty/amdvi_cmd.h>
#include <iodirty/amdvi_dte.h>
#include <iodirty/amdvi_event.h>

#define GOLD_ADDR UINT64_C(0xfffffffffffff000)

struct gold_cmd {
	struct iod_amdvi_cmd cmd;
	uint64_t word[2];
	uint64_t field[2];   /* bits of fields: to flip one is another command */
	uint64_t ignored[2]; /* those of them that mean nothing in this command */
};

#define GOLD_OP(name) .op = IOD_AMDVI_##name

static const struct gold_cmd gold_cmds[] = {
	{ { GOLD_OP(COMPLETION_WAIT), .store = true, .irq = true, .flush = true,
	    .store_addr = 0xabcde12345678, .data = 0x1122334455667788 },
	  { 0x100abcde1234567f, 0x1122334455667788 },
	  { 0x000fffffffffffff, ~UINT64_C(0) },
	  { 0 } },
	{ { GOLD_OP(COMPLETION_WAIT), .irq = true },
	  { 0x1000000000000002, 0 },
	  { 0x000fffffffffffff, ~UINT64_C(0) },
	  { 0x000ffffffffffff8, ~UINT64_C(0) } },
	{ { GOLD_OP(INVALIDATE_DEVTAB_ENTRY), .devid = 0xbeef },
	  { 0x200000000000beef, 0 },
	  { 0xffff, 0 },
	  { 0 } },
	/* one page of the host's; a PASID means nothing without GN */
	{ { GOLD_OP(INVALIDATE_IOMMU_PAGES), .domain = 0x1234, .addr = 0x7fff12345000 },
	  { 0x3000123400000000, 0x00007fff12345000 },
	  { 0x0000ffff000fffff, GOLD_ADDR | 7 },
	  { 0xfffff, 0 } },
	/* 1 MiB: bits 18:12 set, bit 19 clear */
	{ { GOLD_OP(INVALIDATE_IOMMU_PAGES), .domain = 1, .pasid = 0xabcde, .gn = true, .pde = true,
	    .s = true, .addr = 0x4007f000 },
	  { 0x30000001000abcde, 0x4007f007 },
	  { 0x0000ffff000fffff, GOLD_ADDR | 7 },
	  { 0 } },
	{ { GOLD_OP(INVALIDATE_IOMMU_PAGES), .domain = 0xffff, .pde = true, .s = true,
	    .addr = IOD_AMDVI_ADDR_ALL },
	  { 0x3000ffff00000000, 0x7ffffffffffff003 },
	  { 0x0000ffff000fffff, GOLD_ADDR | 7 },
	  { 0xfffff, 0 } },
	/* PASID abcde: bc at 23:16, de at 55:48, a at 59:56; 2 MiB: bits 19:12 set; S 1, GN 4, Type 2 << 4 */
	{ { GOLD_OP(INVALIDATE_IOTLB_PAGES), .devid = 0x0102, .queueid = 0x0304, .maxpend = 0x20,
	    .pasid = 0xabcde, .gn = true, .type = 2, .s = true, .addr = 0x2ff000 },
	  { 0x4ade030420bc0102, 0x2ff025 },
	  { 0x0fffffffffffffff, GOLD_ADDR | 0x35 },
	  { 0 } },
	{ { GOLD_OP(INVALIDATE_IOTLB_PAGES), .devid = 0x10, .addr = 0x5000 },
	  { 0x4000000000000010, 0x5000 },
	  { 0x0fffffffffffffff, GOLD_ADDR | 0x35 },
	  { 0x0fff000000ff0000, 0 } },
	{ { GOLD_OP(INVALIDATE_INTERRUPT_TABLE), .devid = 8 },
	  { 0x5000000000000008, 0 },
	  { 0xffff, 0 },
	  { 0 } },
	{ { GOLD_OP(PREFETCH_IOMMU_PAGES), .devid = 0x10, .count = 5, .pasid = 3, .gn = true,
	    .inval = true, .addr = 0x9000 },
	  { 0x6000000305000010, 0x9014 },
	  { 0x000fffffff00ffff, GOLD_ADDR | 0x15 },
	  { 0 } },
	/* the tag's bits 11:9 are nobody's */
	{ { GOLD_OP(COMPLETE_PPR_REQUEST), .devid = 0x20, .pasid = 7, .gn = true, .tag = 0x1ff,
	    .status = IOD_AMDVI_PPR_FAILURE },
	  { 0x7000000700000020, 0x0000f1ff00000004 },
	  { 0x000fffff0000ffff, 0x0000ffff00000004 },
	  { 0, 0x00000e0000000000 } },
	{ { GOLD_OP(COMPLETE_PPR_REQUEST), .devid = 0x20, .tag = 1,
	    .status = IOD_AMDVI_PPR_INVALID },
	  { 0x7000000000000020, 0x0000100100000000 },
	  { 0x000fffff0000ffff, 0x0000ffff00000004 },
	  { 0x000fffff00000000, 0x00000e0000000000 } },
	{ { GOLD_OP(INVALIDATE_IOMMU_ALL) }, { 0x8000000000000000, 0 }, { 0 }, { 0 } },
};

struct gold_dte {
	struct iod_amdvi_dte dte;
	uint64_t word[4];
};

static const struct gold_dte gold_dtes[] = {
	/* HAD 3 << 7, Mode 4 << 9; IOTLB bit 32; IntTabLen 8 << 1, IG 20h, IntCtl 2 << 60 */
	{ { .v = true,
	    .tv = true,
	    .had = IOD_AMDVI_HAD_DIRTY,
	    .mode = 4,
	    .root = 0xabcdef0123000,
	    .ir = true,
	    .iw = true,
	    .domain = 0xbeef,
	    .i = true,
	    .iv = true,
	    .inttablen = 8,
	    .ig = true,
	    .introot = 0x123456789c0,
	    .nmipass = true,
	    .intctl = 2,
	    .lint1pass = true },
	  { 0x600abcdef0123983, 0x000000010000beef, 0xa4000123456789f1, 0 } },
	/* GCR3 table fedcba9876000: 14:12 is 6 (<< 58), 30:15 is 530eh (<< 16), 51:31 is 1fdb97h (<< 43);
	 * Mode 3 << 9, PPR to GV f << 52, GLX 2 << 56, IR; SA, IoCtl 1 << 35, Cache, EX, SysMgt 3 << 40 */
	{ { .v = true,
	    .tv = true,
	    .mode = 3,
	    .root = 0x1000,
	    .ppr = true,
	    .gprp = true,
	    .giov = true,
	    .gv = true,
	    .glx = 2,
	    .gcr3 = 0xfedcba9876000,
	    .ir = true,
	    .domain = 1,
	    .sa = true,
	    .ioctl = 1,
	    .cache = true,
	    .ex = true,
	    .sysmgt = 3,
	    .guestpagingmode = 1,
	    .gdeviceid = 0x1234,
	    .guestid = 0x5678,
	    .attrv = true,
	    .mode0fc = true,
	    .snoopattr = 0xa5 },
	  { 0x3af0000000001603, 0xfedcbbac530e0001, 0x0040000000000000, 0xa5c0567812340000 } },
	/* nothing passes; everything passes, translated by nobody; not valid */
	{ { .v = true, .tv = true }, { 3, 0, 0, 0 } },
	{ { .v = true, .tv = true, .ir = true, .iw = true }, { 0x6000000000000003, 0, 0, 0 } },
	{ { 0 }, { 0, 0, 0, 0 } },
	/* every field full; what is nobody's is 0 */
	{ { .v = true,
	    .tv = true,
	    .had = 3,
	    .mode = 7,
	    .root = 0xffffffffff000,
	    .ppr = true,
	    .gprp = true,
	    .giov = true,
	    .gv = true,
	    .glx = 3,
	    .ir = true,
	    .iw = true,
	    .domain = 0xffff,
	    .gcr3 = 0xffffffffff000,
	    .i = true,
	    .se = true,
	    .sa = true,
	    .ioctl = 3,
	    .cache = true,
	    .sd = true,
	    .ex = true,
	    .sysmgt = 3,
	    .sats = true,
	    .iv = true,
	    .inttablen = 15,
	    .ig = true,
	    .introot = 0xfffffffffffc0,
	    .guestpagingmode = 3,
	    .initpass = true,
	    .eintpass = true,
	    .nmipass = true,
	    .intctl = 3,
	    .lint0pass = true,
	    .lint1pass = true,
	    .gdeviceid = 0xffff,
	    .guestid = 0xffff,
	    .attrv = true,
	    .mode0fc = true,
	    .snoopattr = 0xff },
	  { 0x7fffffffffffff83, 0xffffffffffffffff, 0xf7cfffffffffffff, 0xffc0ffffffff0000 } },
};

/* Bits that belong to no field: 6:2 and 63; 53:52 and 59; 15:0 and 53:48. */
static const uint64_t gold_dte_unknown[4] = { 0x800000000000007c, 0, 0x0830000000000000,
					      0x003f00000000ffff };

struct gold_event {
	struct iod_amdvi_event event;
	uint64_t word[2];
	uint64_t field[2]; /* bits of fields of such a record, without the type */
};

#define GOLD_TYPE(name) .type = IOD_AMDVI_##name
#define GOLD_ALL	~UINT64_C(0)

static const struct gold_event gold_events[] = {
	/* PASID abcde: bcde at 47:32, a at 19:16; GN 48, RW 53, RZ 55; 10h << 27 */
	{ { GOLD_TYPE(ILLEGAL_DEV_TABLE_ENTRY), .devid = 0x1234, .gn = true, .pasid = 0xabcde,
	    .rw = true, .rz = true, .virt = 0x10, .addr = 0xfee00004 },
	  { 0x10a1bcde800a1234, 0xfee00004 },
	  { 0x01a9fffff80fffff, ~UINT64_C(3) } },
	/* PR 52, RW 53, PE 54 */
	{ { GOLD_TYPE(IO_PAGE_FAULT), .devid = 0x100, .domain = 0xbeef, .pr = true, .rw = true,
	    .pe = true, .addr = 0xdeadbeef123 },
	  { 0x2070beef00000100, 0xdeadbeef123 },
	  { 0x01fffffff800ffff, GOLD_ALL } },
	/* NX 49, US 50, TR 56 */
	{ { GOLD_TYPE(IO_PAGE_FAULT), .devid = 0x100, .gn = true, .pasid = 5, .nx = true,
	    .us = true, .tr = true, .addr = 0x1000 },
	  { 0x2107000500000100, 0x1000 },
	  { 0x01fffffff80fffff, GOLD_ALL } },
	/* Type 2 << 57 */
	{ { GOLD_TYPE(DEV_TAB_HARDWARE_ERROR), .devid = 0x1111, .rw = true, .errtype = 2,
	    .addr = 0x123456789ab0 },
	  { 0x3420000000001111, 0x123456789ab0 },
	  { 0x072800000000ffff, 0x000ffffffffffff0 } },
	/* I 51, Type 1 << 57 */
	{ { GOLD_TYPE(PAGE_TAB_HARDWARE_ERROR), .devid = 8, .domain = 2, .irq = true, .errtype = 1,
	    .addr = 0x7000 },
	  { 0x4208000200000008, 0x7000 },
	  { 0x0729ffff0000ffff, GOLD_ALL } },
	{ { GOLD_TYPE(ILLEGAL_COMMAND_ERROR), .addr = 0x4560 },
	  { 0x5000000000000000, 0x4560 },
	  { 0, GOLD_ALL } },
	{ { GOLD_TYPE(COMMAND_HARDWARE_ERROR), .addr = 0x4570 },
	  { 0x6000000000000000, 0x4570 },
	  { 0, GOLD_ALL } },
	{ { GOLD_TYPE(IOTLB_INV_TIMEOUT), .devid = 0x77, .addr = 0x4580 },
	  { 0x7000000000000077, 0x4580 },
	  { 0xffff, GOLD_ALL } },
	/* Type 5 << 57 */
	{ { GOLD_TYPE(INVALID_DEVICE_REQUEST), .devid = 0x42, .domain = 9, .us = true, .tr = true,
	    .errtype = 5, .addr = 0xfee01000 },
	  { 0x8b04000900000042, 0xfee01000 },
	  { 0x0f05ffff0000ffff, GOLD_ALL } },
	/* as a page request: bcde at 31:16, a at 45:42, tag at 41:32 */
	{ { GOLD_TYPE(INVALID_PPR_REQUEST), .devid = 0x10, .pasid = 0xabcde, .gn = true,
	    .tag = 0x155, .addr = 0xabc000 },
	  { 0x90012955bcde0010, 0xabc000 },
	  { 0x00013fffffffffff, GOLD_ALL } },
	{ { GOLD_TYPE(EVENT_COUNTER_ZERO) }, { 0xa000000000000000, 0 }, { 0 } },
	{ { GOLD_TYPE(GUEST_EVENT_FAULT) }, { 0xb000000000000000, 0 }, { 0 } },
	{ { GOLD_TYPE(VIOMMU_HARDWARE_ERROR) }, { 0xc000000000000000, 0 }, { 0 } },
	{ { GOLD_TYPE(RMP_PAGE_FAULT), .devid = 1, .domain = 2, .addr = 3 },
	  { 0xd000000200000001, 3 },
	  { 0x0000ffff0000ffff, GOLD_ALL } },
	{ { GOLD_TYPE(RMP_HARDWARE_ERROR), .devid = 1, .domain = 2, .addr = 3 },
	  { 0xe000000200000001, 3 },
	  { 0x0000ffff0000ffff, GOLD_ALL } },
};

struct gold_ppr {
	struct iod_amdvi_ppr ppr;
	uint64_t word[2];
	uint64_t field[2]; /* without the type */
};

static const struct gold_ppr gold_pprs[] = {
	/* bcde at 31:16; tag 1ff, last 1 << 41, a << 42; exec 49, read 50, write 53, user 54, GN 56 */
	{ { .devid = 0x1234,
	    .pasid = 0xabcde,
	    .gn = true,
	    .tag = 0x1ff,
	    .last = true,
	    .exec = true,
	    .read = true,
	    .write = true,
	    .user = true,
	    .type = 1,
	    .addr = 0xabc000 },
	  { 0x11662bffbcde1234, 0xabc000 },
	  { 0x01e63fffffffffff, GOLD_ADDR } },
	{ { .devid = 2, .tag = 3, .read = true, .last = true, .type = 1, .addr = 0x1000 },
	  { 0x1004020300000002, 0x1000 },
	  { 0x01e603ff0000ffff, GOLD_ADDR } },
};

#define GOLD_NR_EVENTS (sizeof(gold_events) / sizeof(gold_events[0]))
#define GOLD_NR_PPRS   (sizeof(gold_pprs) / sizeof(gold_pprs[0]))
#define GOLD_NR_DTES   (sizeof(gold_dtes) / sizeof(gold_dtes[0]))
#define GOLD_NR_CMDS   (sizeof(gold_cmds) / sizeof(gold_cmds[0]))

#endif
