/* SPDX-License-Identifier: MIT */
/* Nested memory as an object: what the library's own lookups see through it, who may go before whom. */
#include "nestedrig.h"

#define R    IOD_ACCESS_READ
#define W    IOD_ACCESS_WRITE
#define DATA NESTED_DATA

/* ---- host pointers ---- */

/* Each second stage, with the simplest first stage that there is. */
struct ground {
	struct iodt *t;
	struct iod_iotlb *tlb;
	struct iod_mem *mem;
	uint64_t page, pa[4]; /* neighbours in memory */
};

static void ground_open(struct ground *g, struct iodt *t)
{
	struct iod_mem_nested_cfg cfg = { .size = sizeof(cfg), .stage2 = t->pt };
	unsigned int i;

	*g = (struct ground){ .t = t, .page = t->page };
	iodt_assert_ok(iod_iotlb_create(&g->tlb, NULL));
	cfg.tlb = g->tlb;
	iodt_assert_ok(iod_mem_create_nested(&g->mem, &cfg));
	/* blocks of one size lie side by side in a fresh arena */
	iodt_assert_ok(iod_mem_alloc(t->mem, 4 * g->page, &g->pa[0]));
	for (i = 1; i < 4; i++)
		g->pa[i] = g->pa[i - 1] + g->page;
}

static void ground_close(struct ground *g)
{
	iodt_assert_ok(iod_mem_destroy(g->mem));
	iodt_assert_ok(iod_iotlb_destroy(g->tlb));
	iodt_assert_ok(iod_mem_free(g->t->mem, g->pa[0], 4 * g->page));
}

static void map2(struct ground *g, uint64_t page, uint64_t to, uint32_t prot)
{
	iodt_assert_ok(
		iod_map(g->t->pt, DATA + page * g->page, g->pa[to], g->page, prot, NULL, NULL));
}

static int ask(struct ground *g, uint64_t off, uint64_t len, bool write, uint64_t pa)
{
	void *got = NULL, *want;
	int ret = iod_mem_host_ptr(g->mem, DATA + off, len, write, &got);

	if (!ret) {
		iodt_assert_ok(iod_mem_host_ptr(g->t->mem, pa, len, write, &want));
		assert_ptr_equal(got, want);
	} else {
		assert_null(got);
	}
	return ret;
}

static void pointers(struct iodt *t)
{
	struct iodt_snapshot was;
	struct ground g;
	uint64_t p;

	ground_open(&g, t);
	p = g.page;
	/* 0 and 1 are neighbours in memory, 2 is not, 3 a hole, 4 read-only */
	map2(&g, 0, 0, IODT_RW);
	map2(&g, 1, 1, IODT_RW | IOD_PROT_DIRTY);
	map2(&g, 2, 3, IODT_RW);
	map2(&g, 4, 2, IOD_PROT_READ);
	iodt_snapshot(t, &was);
	assert_int_equal(ask(&g, 0, 8, false, g.pa[0]), 0);
	assert_int_equal(ask(&g, 0, p, true, g.pa[0]), 0);
	assert_int_equal(ask(&g, 0, 2 * p, true, g.pa[0]), 0);
	assert_int_equal(ask(&g, p - 8, 16, false, g.pa[0] + p - 8), 0);
	assert_int_equal(ask(&g, 0, 2 * p + 1, false, 0), -EFAULT);
	assert_int_equal(ask(&g, 2 * p - 8, 16, false, 0), -EFAULT);
	assert_int_equal(ask(&g, 2 * p, p, true, g.pa[3]), 0);
	assert_int_equal(ask(&g, 2 * p, p + 1, true, 0), -EFAULT);
	assert_int_equal(ask(&g, 3 * p, 8, false, 0), -EFAULT);
	assert_int_equal(ask(&g, 4 * p, p, false, g.pa[2]), 0);
	assert_int_equal(ask(&g, 4 * p, 8, true, 0), -EFAULT);
	assert_int_equal(ask(&g, 4, 8, false, 0), -EINVAL);
	assert_int_equal(ask(&g, 0, 0, false, 0), -EINVAL);
	assert_int_equal(ask(&g, 0, UINT64_MAX, false, 0), -EFAULT);
	assert_int_equal(ask(&g, UINT64_MAX - 7 - DATA, 8, false, 0), -EFAULT);
	assert_int_equal(ask(&g, UINT64_MAX - 7 - DATA, 16, false, 0), -EFAULT);
	/* no trace of any of it */
	iodt_unchanged(t, &was);
	ground_close(&g);
}

/* A page that can only be written is not read; for writing a pointer must do both. */
static void write_only(struct iodt *t)
{
	struct ground g;

	ground_open(&g, t);
	map2(&g, 0, 0, IOD_PROT_WRITE);
	assert_int_equal(ask(&g, 0, 8, false, 0), -EFAULT);
	assert_int_equal(ask(&g, 0, 8, true, 0), -EFAULT);
	ground_close(&g);
}

/* Stage 2 may lead to where there is no memory. */
static void nowhere(struct iodt *t)
{
	struct ground g;

	ground_open(&g, t);
	iodt_assert_ok(
		iod_map(t->pt, DATA, iodt_pa(t->v, g.page, 30000), g.page, IODT_RW, NULL, NULL));
	assert_int_equal(ask(&g, 0, 8, false, 0), -EFAULT);
	ground_close(&g);
}

/* Tables cannot be had in it; nor is there anything to give back. */
static void no_tables(struct iodt *t)
{
	struct iod_pgtable_cfg cfg = iodt_cfg(t->v, NULL);
	struct iod_pgtable *pt = NULL;
	struct ground g;
	uint64_t pa;

	ground_open(&g, t);
	cfg.mem = g.mem;
	map2(&g, 0, 0, IODT_RW);
	assert_int_equal(iod_mem_alloc(g.mem, 4096, &pa), -EOPNOTSUPP);
	assert_int_equal(iod_mem_free(g.mem, DATA, 4096), -EINVAL);
	assert_int_equal(iod_pgtable_create(&pt, &cfg), -ENOMEM);
	assert_null(pt);
	assert_int_equal(iodt_stats(g.mem).tables, 0);
	ground_close(&g);
}

/* ---- arguments, references ---- */

static void bad_input(struct iodt *t)
{
	struct iod_iotlb_cfg atc_cfg = { .size = sizeof(atc_cfg), .flags = IOD_IOTLB_ATC };
	struct iod_mem_nested_cfg good, cfg;
	struct iod_mem *mem = NULL;
	struct iod_iotlb *atc;
	struct {
		struct iod_mem_nested_cfg cfg;
		uint64_t tail;
	} newer = { .tail = 1 };
	struct ground g;

	ground_open(&g, t);
	iodt_assert_ok(iod_iotlb_create(&atc, &atc_cfg));
	good = (struct iod_mem_nested_cfg){ .size = sizeof(good), .stage2 = t->pt, .tlb = g.tlb };
	assert_int_equal(iod_mem_create_nested(NULL, &good), -EINVAL);
	assert_int_equal(iod_mem_create_nested(&mem, NULL), -EINVAL);
	cfg = good;
	cfg.size = sizeof(cfg) - 1;
	assert_int_equal(iod_mem_create_nested(&mem, &cfg), -EINVAL);
	newer.cfg = good;
	newer.cfg.size = sizeof(newer);
	assert_int_equal(iod_mem_create_nested(&mem, &newer.cfg), -E2BIG);
	cfg = good;
	cfg.stage2 = NULL;
	assert_int_equal(iod_mem_create_nested(&mem, &cfg), -EINVAL);
	cfg = good;
	cfg.tlb = NULL;
	assert_int_equal(iod_mem_create_nested(&mem, &cfg), -EINVAL);
	cfg.tlb = atc;
	assert_int_equal(iod_mem_create_nested(&mem, &cfg), -EINVAL);
	cfg = good;
	cfg.memory = g.mem;
	assert_int_equal(iod_mem_create_nested(&mem, &cfg), -EINVAL);
	assert_null(mem);
	iodt_assert_ok(iod_iotlb_destroy(atc));
	ground_close(&g);
}

static void allocations(struct iodt *t)
{
	struct iod_mem_nested_cfg cfg = {
		.size = sizeof(cfg),
		.stage2 = t->pt,
		.allocator = &t->alloc.ops,
	};
	struct iod_mem *mem = NULL;
	uint64_t live = t->alloc.live;
	unsigned int i;

	iodt_assert_ok(iod_iotlb_create(&cfg.tlb, NULL));
	for (i = 1; i < 100; i++) {
		t->alloc.fail_at = t->alloc.calls + i;
		if (!iod_mem_create_nested(&mem, &cfg))
			break;
		assert_null(mem);
		assert_int_equal(t->alloc.live, live);
	}
	t->alloc.fail_at = 0;
	assert_in_range(i, 2, 99);
	iodt_assert_ok(iod_mem_destroy(mem));
	assert_int_equal(t->alloc.live, live);
	/* what failed left no references */
	iodt_assert_ok(iod_iotlb_destroy(cfg.tlb));
}

/* ---- with a table in it ---- */

static struct nested *open_pair(const char *v1, const char *v2)
{
	struct nested *n = calloc(1, sizeof(*n));

	assert_non_null(n);
	n->v1 = iodt_variant(v1);
	n->v2 = iodt_variant(v2);
	if (!nested_fits(n->v1, n->v2)) {
		free(n);
		skip();
	}
	nested_open(n);
	return n;
}

static void close_pair(struct nested *n)
{
	nested_close(n);
	free(n);
}

static const char *const pairs[][2] = {
	{ "arm_lpae_s1-4k-ias48", "arm_lpae_s2-4k-ias40" },
	{ "vtd_fs-4", "vtd_ss-4" },
	{ "amd_v2-4", "amd_v1-mode4" },
};

static void each(void (*fn)(struct nested *n))
{
	unsigned int i, ran = 0;
	struct nested *n;

	for (i = 0; i < IODT_ARRAY_SIZE(pairs); i++) {
		if (!nested_fits(iodt_variant(pairs[i][0]), iodt_variant(pairs[i][1])))
			continue;
		n = open_pair(pairs[i][0], pairs[i][1]);
		fn(n);
		close_pair(n);
		ran++;
	}
	if (!ran)
		skip();
}

static int move_nothing(void *cookie, uint64_t pa, uint64_t len, uint64_t offset)
{
	return 0;
}

/* Who may not go yet; and which iotlb may not be asked. */
static void references_of(struct nested *n)
{
	uint64_t done = 0;

	nested_map1(n, 0x10000, IODT_4K, DATA, IODT_RW);
	iodt_assert_ok(nested_map2(n, DATA, IODT_4K, iodt_pa(n->v2, IODT_4K, 7), IODT_RW));
	assert_int_equal(iod_mem_destroy(n->mem), -EBUSY);
	assert_int_equal(iod_iotlb_destroy(n->tlb2), -EBUSY);
	assert_int_equal(iod_pgtable_destroy(n->t->pt), -EBUSY);
	assert_int_equal(iod_mem_destroy(n->t->mem), -EBUSY);
	/* stage 2's iotlb is not a first stage's */
	assert_int_equal(iod_iotlb_access(n->tlb2, n->pt, 0x10000, R, NULL, NULL), -EINVAL);
	assert_int_equal(
		iod_iotlb_dma(n->tlb2, n->pt, 0x10000, 8, R, move_nothing, NULL, &done, NULL),
		-EINVAL);
	assert_int_equal(done, 0);
	/* but may be asked for stage 2 itself */
	iodt_assert_ok(iod_iotlb_access(n->tlb2, n->t->pt, DATA, R, NULL, NULL));
	iodt_assert_ok(iod_iotlb_access(n->tlb, n->pt, 0x10000, R, NULL, NULL));
}

static void references(void **state)
{
	each(references_of);
}

static int count_mappings(void *cookie, const struct iod_visit_event *e)
{
	unsigned int *nr = cookie;

	nr[e->kind]++;
	return 0;
}

/* The library's own walks: of the first stage, by stage 2 as it is. */
static void walks_of(struct nested *n)
{
	struct iod_visit v = { .size = sizeof(v), .iova = 0, .len = IODT_1G, .fn = count_mappings };
	unsigned int seen[8] = { 0 };
	struct iodt_snapshot was;
	struct iod_mapping m;
	uint64_t pa, item;

	nested_map1(n, 0x10000, IODT_4K, DATA + 0x5000, IODT_RW);
	nested_map1(n, IODT_2M, IODT_2M, DATA, IOD_PROT_READ);
	iodt_snapshot(n->t, &was);
	iodt_assert_ok(iod_translate(n->pt, 0x10123, &m));
	assert_int_equal(m.pa, DATA + 0x5000);
	item = nested_item1(n, 0x10000, 0);
	assert_int_equal(m.pte_pa, item);
	assert_int_equal(m.pte, nested_read(n, item));
	iodt_assert_ok(iod_iova_to_phys(n->pt, IODT_2M + 0x1234, &pa));
	assert_int_equal(pa, DATA + 0x1234);
	v.cookie = seen;
	iodt_assert_ok(iod_visit(n->pt, &v));
	assert_int_equal(seen[IOD_VISIT_MAPPING], 2);
	assert_int_equal(seen[IOD_VISIT_BAD], 0);
	iodt_unchanged(n->t, &was);
	/* the page with the leaf table goes: unreadable, and told so */
	item &= ~(n->t->page - 1);
	iodt_assert_ok(iod_unmap(n->t->pt, item, n->t->page, 0, n->t->gather, NULL));
	iodt_assert_ok(iod_gather_sync(n->t->gather));
	assert_int_equal(iod_translate(n->pt, 0x10123, &m), -EFAULT);
	iodt_assert_ok(iod_translate(n->pt, IODT_2M, &m));
	iodt_assert_ok(iod_visit(n->pt, &v));
	assert_int_equal(seen[IOD_VISIT_MAPPING], 3);
	assert_int_equal(seen[IOD_VISIT_BAD], 1);
}

static void walks(void **state)
{
	each(walks_of);
}

/* A sweep of the first stage cleans it where it is, and marks nothing in stage 2. */
static void sweep_of(struct nested *n)
{
	struct iod_sweep s = {
		.size = sizeof(s), .mode = IOD_SWEEP_CLEAR, .iova = 0x10000, .len = IODT_4K * 2
	};
	struct iod_gather *gather;
	struct iodt_snapshot was;
	struct iodt_bits bits;
	uint64_t item;

	nested_map1(n, 0x10000, IODT_4K, DATA, IODT_RW);
	nested_map1(n, 0x11000, IODT_4K, DATA + IODT_4K, IODT_RW);
	iodt_assert_ok(nested_map2(n, DATA, IODT_4K, iodt_pa(n->v2, IODT_4K, 7), IODT_RW));
	iodt_assert_ok(iod_iotlb_access(n->tlb, n->pt, 0x10000, W, NULL, NULL));
	iodt_assert_ok(iod_gather_create(&gather, n->pt, NULL));
	iodt_bits_init(&bits, 0x10000, IODT_4K * 2, IODT_4K);
	s.bitmap = &bits.bm;
	s.gather = gather;
	item = nested_item1(n, 0x10000, 0);
	assert_true(nested_dirty2(n, item));
	nested_clean2(n, item);
	iodt_snapshot(n->t, &was);
	iodt_assert_ok(iod_sweep(n->pt, &s));
	assert_int_equal(iodt_bits_count(&bits), 1);
	assert_true(iodt_bits_get(&bits, 0x10000));
	assert_false(iodt_pte_dirty(n->v1, nested_read(n, item)));
	iodt_unchanged(n->t, &was);
	iodt_assert_ok(iod_gather_sync(gather));
	iodt_assert_ok(iod_gather_destroy(gather));
	iodt_bits_free(&bits);
}

static void sweep(void **state)
{
	each(sweep_of);
}

/* A root that is not there yet is no reason not to attach; hardware says what is missing. */
static void late_root_of(struct nested *n)
{
	struct iod_pgtable_cfg cfg = iodt_cfg(n->v1, n->mem);
	uint64_t root = n->root + IODT_BIT(28), pa;
	struct iod_pgtable *pt = NULL;
	struct iod_fault f = { 0 };

	cfg.flags = IOD_ATTACH_ADOPT;
	assert_int_equal(iod_pgtable_attach(&pt, &cfg, root), -EFAULT);
	cfg.flags = 0;
	cfg.domain = NESTED_DOMAIN1 + 1;
	assert_int_equal(iod_pgtable_attach(&pt, &cfg, root + 8), -EINVAL);
	iodt_assert_ok(iod_pgtable_attach(&pt, &cfg, root));
	assert_int_equal(iod_iotlb_access(n->tlb, pt, 0x10000, R, NULL, &f), -EFAULT);
	assert_int_equal(f.reason, IOD_FAULT_TRANSLATION);
	assert_int_equal(f.stage, 2);
	assert_int_equal(f.cls, IOD_FAULT_TABLE);
	assert_int_equal(f.ipa, root);
	assert_int_equal(f.domain, NESTED_DOMAIN1 + 1);
	assert_int_equal(iod_iova_to_phys(pt, 0x10000, &pa), -EFAULT);
	/* the guest's table as it is, seen at a second place */
	iodt_assert_ok(nested_map2(n, root, n->t->page, n->page[0].pa, IODT_RW));
	nested_map1(n, 0x10000, IODT_4K, DATA, IODT_RW);
	iodt_assert_ok(nested_map2(n, DATA, IODT_4K, iodt_pa(n->v2, IODT_4K, 7), IODT_RW));
	iodt_assert_ok(iod_iotlb_access(n->tlb, pt, 0x10000, R, NULL, &f));
	iodt_assert_ok(iod_iova_to_phys(pt, 0x10000, &pa));
	assert_int_equal(pa, DATA);
	iodt_assert_ok(iod_pgtable_destroy(pt));
}

static void late_root(void **state)
{
	each(late_root_of);
}

/* Tables of stage 2 in an arena, guest memory elsewhere: each table address finds its own. */
static void apart_of(struct nested *n)
{
	static _Alignas(4096) uint64_t ram[4][512]; /* guest memory at 4 GiB */
	struct iod_mem_region region = { .pa = IODT_BIT(32), .len = sizeof(ram), .host = ram };
	struct iod_mem_vm_cfg vm = { .size = sizeof(vm), .regions = &region, .nr_regions = 1 };
	struct iod_mem_nested_cfg cfg = { .size = sizeof(cfg), .stage2 = n->t->pt };
	struct iod_pgtable_cfg pt_cfg = iodt_cfg(n->v1, NULL);
	struct iod_access_result r = { 0 };
	uint64_t ipa = DATA + IODT_1M;
	struct iod_pgtable *pt;
	unsigned int i, level;
	void *host;

	memset(ram, 0, sizeof(ram));
	iodt_assert_ok(iod_mem_create_vm(&cfg.memory, &vm));
	iodt_assert_ok(iod_iotlb_create(&cfg.tlb, NULL));
	iodt_assert_ok(iod_mem_create_nested(&pt_cfg.mem, &cfg));
	/* the pages in disorder: 3 2 1 0 */
	for (i = 0; i < 4; i++)
		iodt_assert_ok(nested_map2(n, ipa + i * IODT_4K, IODT_4K,
					   IODT_BIT(32) + (3 - i) * IODT_4K, IODT_RW));
	iodt_assert_ok(nested_map2(n, DATA, IODT_4K, IODT_BIT(36), IODT_RW));
	/* four levels, item 0 of each but the last: page 0 is the root */
	for (i = 0; i < 3; i++) {
		level = 3 - i;
		iodt_put_le64(&ram[3 - i][0],
			      iodt_make_table(n->v1, level, ipa + (i + 1) * IODT_4K));
	}
	iodt_put_le64(&ram[0][5], iodt_make_leaf(n->v1, IODT_4K, DATA, IODT_RW));
	iodt_assert_ok(iod_pgtable_attach(&pt, &pt_cfg, ipa));
	iodt_assert_ok(iod_mem_host_ptr(pt_cfg.mem, ipa, 8, true, &host));
	assert_ptr_equal(host, ram[3]);
	iodt_assert_ok(iod_iotlb_access(n->tlb, pt, 5 * IODT_4K + 16, W, &r, NULL));
	assert_int_equal(r.pa, IODT_BIT(36) + 16);
	assert_true(nested_dirty2(n, DATA));
	assert_true(nested_dirty2(n, ipa + 3 * IODT_4K));
	assert_int_equal(iod_mem_destroy(cfg.memory), -EBUSY);
	iodt_assert_ok(iod_pgtable_destroy(pt));
	iodt_assert_ok(iod_mem_destroy(pt_cfg.mem));
	iodt_assert_ok(iod_mem_destroy(cfg.memory));
	iodt_assert_ok(iod_iotlb_destroy(cfg.tlb));
}

static void apart(void **state)
{
	each(apart_of);
}

/* Neither may a second stage lie behind another. */
static void no_third_of(struct nested *n)
{
	struct iod_mem_nested_cfg cfg = { .size = sizeof(cfg), .stage2 = n->pt, .tlb = n->tlb };
	struct iod_mem *mem = NULL;

	assert_int_equal(iod_mem_create_nested(&mem, &cfg), -EINVAL);
	cfg.memory = n->t->mem;
	assert_int_equal(iod_mem_create_nested(&mem, &cfg), -EINVAL);
	assert_null(mem);
}

static void no_third(void **state)
{
	each(no_third_of);
}

int main(int argc, char **argv)
{
	const uint32_t second = IODT_WRITE_ONLY | IODT_MIDDLING;
	const struct iodt_test tests[] = {
		{ "pointers", second, IODT_GROWS, pointers },
		{ "write_only", second, IODT_GROWS, write_only },
		{ "nowhere", second | IODT_PLAIN, IODT_GROWS, nowhere },
		{ "no_tables", second, IODT_GROWS, no_tables },
		{ "bad_input", second | IODT_PLAIN, IODT_GROWS, bad_input },
		{ "allocations", second | IODT_PLAIN, IODT_GROWS, allocations },
	};
	const struct CMUnitTest plain[] = {
		cmocka_unit_test(references), cmocka_unit_test(walks), cmocka_unit_test(sweep),
		cmocka_unit_test(late_root),  cmocka_unit_test(apart), cmocka_unit_test(no_third),
	};

	return iodt_main(argc, argv, tests, IODT_ARRAY_SIZE(tests), plain, IODT_ARRAY_SIZE(plain));
}
