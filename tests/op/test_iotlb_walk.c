/* SPDX-License-Identifier: MIT */
/*
 * Walks of hand-written tables: where a fault lies, runs, large pages, skipped levels, memory that
 * cannot be written, cycles; and what a walk cache keeps.
 */
#include "iotlb_hand.h"

#define DBM  UINT64_C(0x0008000000000000)
#define CONT UINT64_C(0x0010000000000000)
#define IR   IODT_BIT(61) /* AMD v1 */
#define IW   IODT_BIT(62)
#define RW   (IR | IW | 1)

/* The fault says where: level and item. */
static void fault_fields(void **state)
{
	static const struct hand_cfg c = {
		.format = IOD_VTD_SS,
		.features = IOD_PT_HW_DIRTY,
		.levels = 3,
		.depth = 3,
		.table = 3,
	};
	static const struct hand_cfg c1 = {
		.format = IOD_VTD_FS,
		.levels = 4,
		.depth = 4,
		.table = 7,
	};
	struct iod_fault fault;
	struct hand h;

	hand_open(&h, &c);
	hand_reset(&h, 3 | PAGE);
	iodt_write(h.t, h.table[1] + 8 * 5, 0);
	assert_int_equal(iod_iotlb_access(h.tlb, h.t->pt, 5 << 21, W, NULL, &fault), -EFAULT);
	assert_int_equal(fault.reason, NOT_THERE);
	assert_int_equal(fault.level, 1);
	assert_int_equal(fault.stage, 2);
	assert_int_equal(fault.pte_pa, h.table[1] + 40);
	iodt_assert_ok(iod_iotlb_access(h.tlb, h.t->pt, IOVA, W, NULL, NULL));
	assert_int_equal(iod_iotlb_access(h.tlb, h.t->pt, 5 << 21, W, NULL, NULL), -EFAULT);
	/* 39 bits */
	assert_int_equal(iod_iotlb_access(h.tlb, h.t->pt, IODT_BIT(39), R, NULL, &fault), -EFAULT);
	assert_int_equal(fault.reason, RANGE);
	assert_int_equal(fault.pte_pa, 0);
	hand_close(&h);

	hand_open(&h, &c1);
	assert_int_equal(hand_access(&h, IODT_BIT(47), R, NULL), RANGE);
	assert_int_equal(iod_iotlb_access(h.tlb, h.t->pt, UINT64_MAX << 47, R, NULL, &fault),
			 -EFAULT);
	assert_int_equal(fault.reason, NOT_THERE);
	assert_int_equal(fault.level, 3);
	assert_int_equal(fault.stage, 1);
	assert_int_equal(fault.pte_pa, h.table[3] + 8 * 256);
	hand_close(&h);
}

/*
 * Level-3 items 16 .. 31 are one contiguous run: the item walked is marked, the run is
 * translated.
 */
static void arm_run(void **state)
{
	static const struct hand_cfg c = {
		.format = IOD_ARM_LPAE_S1,
		.features = IOD_PT_HW_DIRTY,
		.ias = 39,
		.depth = 3,
		.table = 3,
	};
	const uint64_t leaf = DBM | CONT | 0xbc3;
	struct iod_access_result r;
	struct hand h;
	uint64_t i;

	hand_open(&h, &c);
	hand_reset(&h, 0);
	for (i = 0; i < 16; i++)
		iodt_write(h.t, h.table[0] + 8 * (16 + i), leaf | 0x40000 | i << 12);
	assert_int_equal(hand_access(&h, 0x13010, W, &r), OK);
	assert_int_equal(r.pa, 0x43010);
	assert_int_equal(r.len, 0xd000 - 0x10);
	/* the whole run is cached: the rest of it is not touched */
	assert_int_equal(hand_access(&h, 0x1f000, W, &r), OK);
	assert_true(r.hit);
	assert_int_equal(r.pa, 0x4f000);
	for (i = 0; i < 16; i++)
		assert_int_equal(iodt_read(h.t, h.table[0] + 8 * (16 + i)),
				 (i == 3 ? DBM | CONT | 0xf43 : leaf) | 0x40000 | i << 12);
	hand_close(&h);
}

/* A claimed run that its table cannot hold is a page. */
static void arm_run_in_root(void **state)
{
	/* 8 items of 2 MiB in the root: no 32 MiB run */
	static const struct hand_cfg c = {
		.format = IOD_ARM_LPAE_S1,
		.ias = 24,
		.features = IOD_PT_SMALL,
		.depth = 2,
		.table = 3,
	};
	struct iod_access_result r;
	struct hand h;

	hand_open(&h, &c);
	hand_reset(&h, 0);
	/* f41: a block */
	iodt_write(h.t, h.table[1] + 8, CONT | 0x600000 | 0xf41);
	assert_int_equal(hand_access(&h, 0x212345, R, &r), OK);
	assert_int_equal(r.pa, 0x612345);
	assert_int_equal(r.len, 0x200000 - 0x12345);
	hand_close(&h);
}

/* Items 4..7 of level 1 are 16 KiB: code 1000, Next Level 7. */
static void amd_v1_run(void **state)
{
	static const struct hand_cfg c = {
		.format = IOD_AMD_V1,
		.features = IOD_PT_HW_DIRTY,
		.levels = 3,
		.depth = 3,
		.table = RW,
		.level_in_item = true,
	};
	const uint64_t leaf = RW | 0x84000 | 0x1e00;
	struct iod_access_result r;
	struct hand h;
	uint64_t i;

	hand_open(&h, &c);
	hand_reset(&h, 0);
	for (i = 4; i < 8; i++)
		iodt_write(h.t, h.table[0] + 8 * i, leaf);
	assert_int_equal(hand_access(&h, 0x5678, W, &r), OK);
	assert_int_equal(r.pa, 0x85678);
	assert_int_equal(r.len, 0x4000 - 0x1678);
	for (i = 4; i < 8; i++)
		assert_int_equal(iodt_read(h.t, h.table[0] + 8 * i), i == 5 ? leaf | 0x60 : leaf);
	hand_close(&h);
}

/* The root's item 0 points to a level-1 table: bits [29:21] must be 0. */
static void amd_v1_skip(void **state)
{
	static const struct hand_cfg c = {
		.format = IOD_AMD_V1,
		.features = IOD_PT_HW_DIRTY,
		.levels = 3,
		.depth = 3,
		.table = RW,
		.level_in_item = true,
	};
	struct iod_access_result r;
	struct iod_iotlb_stats s = { .size = sizeof(s) };
	struct hand h;

	hand_open(&h, &c);
	hand_reset(&h, RW | PAGE);
	iodt_write(h.t, h.table[2], RW | 1 << 9 | h.table[0]);
	assert_int_equal(hand_access(&h, IOVA, W, &r), OK);
	assert_int_equal(r.pa, PAGE + 0x234);
	assert_int_equal(hand_access(&h, IOVA | 1 << 21, W, &r), NOT_THERE);
	assert_int_equal(hand_access(&h, IOVA | 1 << 29, W, &r), NOT_THERE);
	assert_int_equal(iodt_read(h.t, h.table[1]), hand_item(&h, 1));
	/* the table below is remembered for its 2 MiB only */
	iodt_write(h.t, h.table[0] + 16, RW | 0x9000);
	assert_int_equal(hand_access(&h, 0x2000, R, &r), OK);
	iodt_assert_ok(iod_iotlb_get_stats(h.tlb, &s));
	assert_int_equal(s.walk_hits, 1);
	/* beyond the 39 bits of Mode 3 */
	assert_int_equal(hand_access(&h, IODT_BIT(39), R, &r), RANGE);
	hand_close(&h);
}

/* Large pages: VT-d 2 MiB and 1 GiB. */
static void vtd_ss_large(void **state)
{
	static const struct hand_cfg c = {
		.format = IOD_VTD_SS,
		.features = IOD_PT_HW_DIRTY,
		.levels = 3,
		.depth = 3,
		.table = 3,
	};
	struct iod_access_result r;
	struct hand h;

	hand_open(&h, &c);
	hand_reset(&h, 3 | PAGE);
	iodt_write(h.t, h.table[1] + 8, 0x40000083);
	iodt_write(h.t, h.table[2] + 8, 0x80000083);
	iodt_write(h.t, h.table[1] + 16, 0x40001083);
	assert_int_equal(hand_access(&h, 0x212345, W, &r), OK);
	assert_int_equal(r.pa, 0x40012345);
	assert_int_equal(r.len, 0x200000 - 0x12345);
	assert_int_equal(iodt_read(h.t, h.table[1] + 8), 0x40000383);
	assert_int_equal(hand_access(&h, 0x41234567, R, &r), OK);
	assert_int_equal(r.pa, 0x81234567);
	assert_int_equal(r.len, 0x40000000 - 0x1234567);
	assert_int_equal(iodt_read(h.t, h.table[2] + 8), 0x80000183);
	assert_int_equal(hand_access(&h, 0x400000, R, &r), RESERVED);
	hand_close(&h);
}

/* Where tables cannot be written, what needs an update is aborted, and nothing else. */
static void read_only_memory(void **state)
{
	static _Alignas(4096) uint64_t words[3][512];
	const struct iod_mem_region regions[] = {
		{ .pa = 0x1000, .len = 0x2000, .host = words[0] },
		{ .pa = 0x3000, .len = 0x1000, .host = words[2], .flags = IOD_REGION_READONLY },
	};
	struct iod_mem_vm_cfg mcfg = { .size = sizeof(mcfg), .regions = regions, .nr_regions = 2 };
	struct iod_pgtable_cfg cfg = {
		.size = sizeof(cfg),
		.format = IOD_VTD_SS,
		.features = IOD_PT_HW_DIRTY,
		.levels = 3,
	};
	struct iod_iotlb *tlb;
	struct iod_fault fault;
	struct iodt vm = { 0 };

	if (!iod_format_ops(IOD_VTD_SS))
		skip();
	tlb = hand_tlb(0);
	iodt_assert_ok(iod_mem_create_vm(&vm.mem, &mcfg));
	words[0][0] = words[1][0] = 0; /* iodt_write() wants writable memory */
	iodt_write(&vm, 0x1000, 0x2003);
	iodt_write(&vm, 0x2000, 0x3003);
	memset(words[2], 0, sizeof(words[2]));
	((unsigned char *)words[2])[0] = 3; /* page 0: 5003 */
	((unsigned char *)words[2])[1] = 0x50;
	((unsigned char *)words[2])[8] = 3; /* page 1: 5103, accessed */
	((unsigned char *)words[2])[9] = 0x51;
	((unsigned char *)words[2])[16] = 3; /* page 2: 5303, dirty */
	((unsigned char *)words[2])[17] = 0x53;
	cfg.mem = vm.mem;
	iodt_assert_ok(iod_pgtable_attach(&vm.pt, &cfg, 0x1000));
	assert_int_equal(iod_iotlb_access(tlb, vm.pt, 0, R, NULL, &fault), -EFAULT);
	assert_int_equal(fault.reason, ABORT);
	assert_int_equal(fault.level, 0);
	assert_int_equal(fault.pte_pa, 0x3000);
	iodt_assert_ok(iod_iotlb_access(tlb, vm.pt, 0x1000, R, NULL, &fault));
	assert_int_equal(iod_iotlb_access(tlb, vm.pt, 0x1000, W, NULL, &fault), -EFAULT);
	assert_int_equal(fault.reason, ABORT);
	iodt_assert_ok(iod_iotlb_access(tlb, vm.pt, 0x2000, W, NULL, &fault));
	/* a table outside of all memory */
	iodt_write(&vm, 0x2008, 0x7003);
	assert_int_equal(iod_iotlb_access(tlb, vm.pt, 0x200000, R, NULL, &fault), -EFAULT);
	assert_int_equal(fault.reason, ABORT);
	assert_int_equal(fault.pte_pa, 0x7000);
	iodt_assert_ok(iod_pgtable_destroy(vm.pt));
	iodt_assert_ok(iod_mem_destroy(vm.mem));
	iodt_assert_ok(iod_iotlb_destroy(tlb));
}

/* A table that points to itself is walked as deep as there are levels, no deeper. */
static void cycle(void **state)
{
	static const struct hand_cfg c = {
		.format = IOD_VTD_SS,
		.features = IOD_PT_HW_DIRTY,
		.levels = 5,
		.depth = 5,
		.table = 3,
	};
	struct iod_access_result r;
	struct hand h;

	hand_open(&h, &c);
	hand_reset(&h, 3 | PAGE);
	iodt_write(h.t, h.table[4], 3 | h.table[4]);
	assert_int_equal(hand_access(&h, 0x10, W, &r), OK);
	assert_int_equal(r.pa, h.table[4] + 0x10);
	/* it is table item and leaf in one */
	assert_int_equal(iodt_read(h.t, h.table[4]), 0x303 | h.table[4]);
	hand_close(&h);
}

/* ---- walk caches ---- */

#define SPAN UINT64_C(0x200000) /* of the lowest table */

static const struct hand_cfg walk_cfg = {
	.format = IOD_VTD_SS,
	.features = IOD_PT_HW_DIRTY,
	.levels = 3,
	.depth = 3,
	.table = 3,
};

/* table[3] can take the place of the lowest table; there pages 1 and 2 lead elsewhere. */
static void swap_open(struct hand *h)
{
	hand_open(h, &walk_cfg);
	iodt_assert_ok(iod_mem_alloc(h->t->mem, 4096, &h->table[3]));
	hand_reset(h, PAGE | 3);
	iodt_write(h->t, h->table[0] + 16, 0x6003);
	iodt_write(h->t, h->table[3] + 8, 0x8003);
	iodt_write(h->t, h->table[3] + 16, 0x9003);
}

static void swap_close(struct hand *h)
{
	iodt_assert_ok(iod_mem_free(h->t->mem, h->table[3], 4096));
	hand_close(h);
}

static void hand_inv(struct hand *h, enum iod_inv_kind kind, uint32_t flags, uint64_t domain,
		     uint64_t iova, uint64_t last)
{
	struct iod_inv inv = {
		.kind = kind, .flags = flags, .domain = domain, .iova = iova, .last = last
	};

	iodt_assert_ok(iod_iotlb_invalidate(h->tlb, &inv, 1));
}

/* Pages are walked to find out which table is in use: translations are dropped before. */
static uint64_t page_of(struct hand *h, uint64_t iova)
{
	struct iod_access_result r = { 0 };

	hand_inv(h, IOD_INV_ALL, IOD_INV_LEAF_ONLY, 0, 0, 0);
	assert_int_equal(hand_access(h, iova, R, &r), OK);
	assert_false(r.hit);
	return r.pa;
}

struct inv_case {
	enum iod_inv_kind kind;
	uint32_t flags;
	uint64_t domain, iova, last;
	bool drops; /* the cached table */
};

static const struct inv_case inv_cases[] = {
	{ IOD_INV_ALL, 0, 0, 0, 0, true },
	{ IOD_INV_ALL, IOD_INV_LEAF_ONLY, 0, 0, 0, false },
	{ IOD_INV_DOMAIN, 0, 7, 0, 0, true },
	{ IOD_INV_DOMAIN, 0, 8, 0, 0, false },
	{ IOD_INV_DOMAIN, IOD_INV_LEAF_ONLY, 7, 0, 0, false },
	{ IOD_INV_RANGE, 0, 7, 0, UINT64_MAX, true },
	{ IOD_INV_RANGE, IOD_INV_LEAF_ONLY, 7, 0, UINT64_MAX, false },
	{ IOD_INV_RANGE, 0, 8, 0, UINT64_MAX, false },
	/* any page below the table's entry */
	{ IOD_INV_RANGE, 0, 7, 0, 0xfff, true },
	{ IOD_INV_RANGE, 0, 7, SPAN - 0x1000, SPAN - 1, true },
	{ IOD_INV_RANGE, 0, 7, SPAN, UINT64_MAX, false },
	{ IOD_INV_RANGE, 0, 7, SPAN - 1, SPAN, true },
};

static void walk_cache_inv(void **state)
{
	const struct inv_case *c;
	struct hand h;
	size_t i;

	swap_open(&h);
	for (i = 0; i < IODT_ARRAY_SIZE(inv_cases); i++) {
		c = &inv_cases[i];
		hand_reset(&h, PAGE | 3);
		assert_int_equal(page_of(&h, 0x1000), 0x5000);
		iodt_write(h.t, h.table[1], h.table[3] | 3);
		assert_int_equal(page_of(&h, 0x2000), 0x6000);
		hand_inv(&h, c->kind, c->flags, c->domain, c->iova, c->last);
		assert_int_equal(page_of(&h, 0x2000), c->drops ? 0x9000 : 0x6000);
		assert_int_equal(page_of(&h, 0x1000), c->drops ? 0x8000 : 0x5000);
	}
	swap_close(&h);
}

/* A walk from a cached table does not touch the entries above it (bits.md A1.13 rule 5, B1). */
static void walk_cache_skips_table_access(void **state)
{
	struct hand h;

	swap_open(&h);
	assert_int_equal(page_of(&h, 0x1000), 0x5000);
	assert_int_equal(iodt_read(h.t, h.table[1]), h.table[0] | 0x103);
	iodt_write(h.t, h.table[1], h.table[0] | 3);
	iodt_write(h.t, h.table[2], h.table[1] | 3);
	assert_int_equal(page_of(&h, 0x2000), 0x6000);
	assert_int_equal(iodt_read(h.t, h.table[1]), h.table[0] | 3);
	assert_int_equal(iodt_read(h.t, h.table[2]), h.table[1] | 3);
	assert_int_equal(hand_stats(h.tlb).walk_hits, 1);
	hand_inv(&h, IOD_INV_RANGE, 0, 7, 0, 0xfff);
	assert_int_equal(page_of(&h, 0x2000), 0x6000);
	assert_int_equal(iodt_read(h.t, h.table[1]), h.table[0] | 0x103);
	assert_int_equal(iodt_read(h.t, h.table[2]), h.table[1] | 0x103);
	/* 2 tables and a page; a page; 2 tables */
	assert_int_equal(hand_stats(h.tlb).set_access, 6);
	assert_int_equal(hand_stats(h.tlb).set_dirty, 0);
	swap_close(&h);
}

/* What the entries above a cached table deny is kept with it. */
static void walk_cache_keeps_permissions(void **state)
{
	struct hand h;

	swap_open(&h);
	iodt_write(h.t, h.table[2], h.table[1] | 1);
	assert_int_equal(page_of(&h, 0x1000), 0x5000);
	assert_int_equal(hand_access(&h, 0x2000, W, NULL), PERMISSION);
	iodt_write(h.t, h.table[2], h.table[1] | 3);
	assert_int_equal(hand_access(&h, 0x2000, W, NULL), PERMISSION);
	hand_inv(&h, IOD_INV_DOMAIN, 0, 7, 0, 0);
	assert_int_equal(hand_access(&h, 0x2000, W, NULL), OK);
	swap_close(&h);
}

/* Neither translation nor table is remembered of an access that is refused. */
static void refused_is_not_cached(void **state)
{
	struct hand h;

	swap_open(&h);
	iodt_write(h.t, h.table[0] + 8, 0);
	assert_int_equal(hand_access(&h, 0x1000, R, NULL), NOT_THERE);
	iodt_write(h.t, h.table[0] + 8, 1);
	assert_int_equal(hand_access(&h, 0x1000, W, NULL), PERMISSION);
	iodt_write(h.t, h.table[1], h.table[3] | 3);
	assert_int_equal(hand_access(&h, 0x1000, W, NULL), OK);
	assert_int_equal(hand_stats(h.tlb).walk_hits, 0);
	assert_int_equal(hand_stats(h.tlb).faults, 2);
	assert_int_equal(iodt_read(h.t, h.table[3] + 8), 0x8303);
	swap_close(&h);
}

/*
 * An item that changed under the walk: everything is read again, from the root. Item 1 of
 * table[1] is its own child here, table item and leaf in one, so that marking the one changes
 * the other.
 */
static void changed_item_restarts_at_root(void **state)
{
	struct iod_access_result r;
	struct hand h;

	swap_open(&h);
	iodt_write(h.t, h.table[1] + 8, h.table[1] | 3);
	assert_int_equal(page_of(&h, 0x1000), 0x5000);
	/* meanwhile the root has table[3] there, with 2 MiB pages */
	iodt_write(h.t, h.table[2], h.table[3] | 3);
	iodt_write(h.t, h.table[3] + 8, 0x40000083);
	iodt_write(h.t, h.table[3] + 16, 0x50000083);
	assert_int_equal(hand_access(&h, SPAN + 0x1000, R, &r), OK);
	assert_int_equal(hand_stats(h.tlb).walk_hits, 1);
	assert_int_equal(r.pa, 0x40001000);
	/* and that is what is remembered */
	assert_int_equal(hand_access(&h, 2 * SPAN, R, &r), OK);
	assert_int_equal(hand_stats(h.tlb).walk_hits, 2);
	assert_int_equal(r.pa, 0x50000000);
	swap_close(&h);
}

/* A cached translation permits what it permitted when it was cached: execution, privilege. */
static void cached_permissions(void **state)
{
	static const struct hand_cfg c = {
		.format = IOD_VTD_FS,
		.levels = 4,
		.depth = 4,
		.table = 7,
	};
	struct iod_access_result r;
	struct hand h;

	hand_open(&h, &c);
	hand_reset(&h, PAGE | IODT_BIT(63) | 7);
	assert_int_equal(hand_access(&h, IOVA, W, &r), OK);
	assert_int_equal(r.prot, IODT_RW | IOD_PROT_NOEXEC);
	assert_int_equal(hand_access(&h, IOVA, R | X, &r), PERMISSION);
	assert_int_equal(hand_access(&h, IOVA, R | W | P, &r), OK);
	assert_true(r.hit);
	hand_reset(&h, PAGE | 3);
	assert_int_equal(hand_access(&h, IOVA, W | P, &r), OK);
	assert_int_equal(hand_access(&h, IOVA, W, &r), PERMISSION);
	assert_int_equal(hand_access(&h, IOVA, R | X | P, &r), OK);
	assert_true(r.hit);
	hand_close(&h);
}

/*
 * What a walk finds takes the place of what was cached of the page, though it be of another
 * size.
 */
static void other_size_replaces(void **state)
{
	struct iod_access_result r;
	struct hand h;

	swap_open(&h);
	assert_int_equal(hand_access(&h, 0x1000, R, &r), OK);
	iodt_write(h.t, h.table[1], 0x40000083);
	/* drops the cached table, not the page */
	hand_inv(&h, IOD_INV_RANGE, 0, 7, 0x2000, 0x2fff);
	assert_int_equal(hand_access(&h, 0x1000, R, &r), OK);
	assert_true(r.hit);
	assert_int_equal(r.pa, 0x5000);
	assert_int_equal(hand_access(&h, 0x1000, W, &r), OK);
	assert_false(r.hit);
	assert_int_equal(r.pa, 0x40001000);
	assert_int_equal(hand_access(&h, 0x1000, W, &r), OK);
	assert_true(r.hit);
	assert_int_equal(r.pa, 0x40001000);
	swap_close(&h);
}

/*
 * Page tables of unequal height in one domain: a table that is none of the lower one is not
 * used.
 */
static void shared_domain_unequal_height(void **state)
{
	static const struct hand_cfg five = {
		.format = IOD_VTD_SS,
		.features = IOD_PT_HW_DIRTY,
		.levels = 5,
		.depth = 5,
		.table = 3,
	};
	struct iod_pgtable_cfg cfg = {
		.size = sizeof(cfg),
		.format = IOD_VTD_SS,
		.features = IOD_PT_HW_DIRTY,
		.domain = 7,
		.levels = 3,
	};
	struct iod_access_result r;
	struct iod_fault fault;
	struct iod_pgtable *low;
	struct hand h;
	uint64_t root;

	hand_open(&h, &five);
	cfg.mem = h.t->mem;
	iodt_assert_ok(iod_mem_alloc(h.t->mem, 4096, &root));
	iodt_write(h.t, root + 8, 0x80000083); /* 1 GiB */
	iodt_assert_ok(iod_pgtable_attach(&low, &cfg, root));
	hand_reset(&h, PAGE | 3);
	assert_int_equal(hand_access(&h, IOVA, R, &r), OK);
	/* the 512 GiB around it belong to a table of level 2, where `low` has its root */
	iodt_assert_ok(iod_iotlb_access(h.tlb, low, IODT_1G, R, &r, NULL));
	assert_int_equal(r.pa, 0x80000000);
	assert_int_equal(hand_stats(h.tlb).walk_hits, 0);
	/* nor a translation of an address that it does not have */
	iodt_write(h.t, h.table[3] + 8 * 2, h.table[2] | 3);
	assert_int_equal(hand_access(&h, IODT_BIT(40) | IOVA, R, &r), OK);
	assert_int_equal(iod_iotlb_access(h.tlb, low, IODT_BIT(40) | IOVA, R, NULL, &fault),
			 -EFAULT);
	assert_int_equal(fault.reason, RANGE);
	iodt_assert_ok(iod_pgtable_destroy(low));
	iodt_assert_ok(iod_mem_free(h.t->mem, root, 4096));
	hand_close(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fault_fields),
		cmocka_unit_test(arm_run),
		cmocka_unit_test(arm_run_in_root),
		cmocka_unit_test(amd_v1_run),
		cmocka_unit_test(amd_v1_skip),
		cmocka_unit_test(vtd_ss_large),
		cmocka_unit_test(read_only_memory),
		cmocka_unit_test(cycle),
		cmocka_unit_test(walk_cache_inv),
		cmocka_unit_test(walk_cache_skips_table_access),
		cmocka_unit_test(walk_cache_keeps_permissions),
		cmocka_unit_test(refused_is_not_cached),
		cmocka_unit_test(changed_item_restarts_at_root),
		cmocka_unit_test(cached_permissions),
		cmocka_unit_test(other_size_replaces),
		cmocka_unit_test(shared_domain_unequal_height),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
