/* SPDX-License-Identifier: MIT */
/*
 * A VM with several IOMMUs of different vendors: one log, tables of every format that is compiled in, smallest
 * pages of 4, 16 and 64 KiB, each with hardware of its own; every third behind a virtual IOMMU, whose guest has
 * shuffled its memory. The oracle is the data: versions of frames against
 * the versions that were copied.
 */
#include "iodtest.h"

#define MEMORY	 (8 * IODT_1M)
#define FRAME	 IODT_4K
#define FRAMES	 (MEMORY / FRAME)
#define VENDORS	 12
#define ALIGN	 IODT_64K /* a multiple of all smallest pages */
#define AWAY	 IODT_64K /* some tables' addresses are the guest's plus this */
#define PAGES_PA IODT_BIT(31)

struct vm;

/* One IOMMU: a table of all memory, and what caches it. */
struct unit {
	struct vm *vm;
	struct iodt *t;
	struct iod_iotlb *tlb;
	uint64_t at;		   /* the table's address of guest address 0 */
	struct iod_gpa_join *join; /* or NULL */
	unsigned int fail, syncs;
};

struct vm {
	struct unit unit[VENDORS];
	size_t n;
	struct iod_dirty_log *log;
	uint32_t version[FRAMES], copy[FRAMES];
	struct iodt_bits bits;
	uint64_t rng;
};

static uint64_t below(struct vm *vm, uint64_t n)
{
	return iodt_below(vm->unit[0].t, n);
}

/* One variant of each format and each smallest page, as large as the memory. */
static size_t pick(const struct iodt_variant *v[VENDORS], uint32_t need)
{
	size_t i, k, n = 0;

	for (i = 0; i < iodt_nr_variants && n < VENDORS; i++) {
		const struct iodt_variant *x = &iodt_variants[i];

		need |= IODT_DIRTY | IODT_MIDDLING | IODT_HUGE;
		if ((iodt_caps(x) & need) != need || x->first || x->resize ||
		    !iod_format_ops(x->format))
			continue;
		for (k = 0; k < n; k++)
			if (v[k]->format == x->format &&
			    (v[k]->sizes & -v[k]->sizes) == (x->sizes & -x->sizes))
				break;
		if (k == n)
			v[n++] = x;
	}
	return n;
}

/* What a device of that unit says for a guest address. */
static uint64_t iova_of(const struct unit *u, uint64_t gpa)
{
	return u->at + (u->join ? gpa ^ 5 * ALIGN : gpa);
}

/* ---- hardware ---- */

static int on_invalidate(void *cookie, const struct iod_inv *inv, size_t nr)
{
	struct unit *u = cookie;

	return iod_iotlb_invalidate(u->tlb, inv, nr);
}

static int on_sync(void *cookie)
{
	struct unit *u = cookie;

	u->syncs++;
	if (!u->fail)
		return 0;
	u->fail--;
	return -EIO;
}

static int move(void *cookie, uint64_t pa, uint64_t len, uint64_t offset)
{
	struct vm *vm = cookie;

	vm->version[(pa - PAGES_PA) / FRAME]++;
	return 0;
}

static void dma(struct vm *vm, size_t i, uint64_t gpa)
{
	struct unit *u = &vm->unit[i];

	iodt_assert_ok(iod_iotlb_dma(u->tlb, u->t->pt, iova_of(u, gpa), 1, IOD_ACCESS_WRITE, move,
				     vm, NULL, NULL));
}

static void dma_some(struct vm *vm, unsigned int n)
{
	while (n--)
		dma(vm, (size_t)below(vm, vm->n), below(vm, MEMORY));
}

/* ---- the VM ---- */

static int plug(struct vm *vm, size_t i)
{
	struct iod_inv_ops ops = { sizeof(ops), on_invalidate, on_sync };
	struct iod_dirty_log_table win = { .size = sizeof(win),
					   .pt = vm->unit[i].t->pt,
					   .table_iova = vm->unit[i].at,
					   .len = MEMORY,
					   .join = vm->unit[i].join,
					   .ops = &ops,
					   .cookie = &vm->unit[i] };

	return iod_dirty_log_add_table(vm->log, &win);
}

/* The guest's own order of its memory, in blocks. */
static void unit_shuffle(struct unit *u)
{
	uint64_t gpa, at;

	iodt_assert_ok(iod_gpa_join_create(&u->join, NULL));
	for (gpa = 0; gpa < MEMORY; gpa += ALIGN) {
		iodt_assert_ok(iod_gpa_join_map(u->join, iova_of(u, gpa), ALIGN, gpa));
		for (at = gpa; at < gpa + ALIGN; at += u->t->page)
			iodt_assert_ok(iod_map(u->t->pt, iova_of(u, at), PAGES_PA + at, u->t->page,
					       IODT_RW, NULL, NULL));
	}
}

static void unit_open(struct vm *vm, size_t i, const struct iodt_variant *v)
{
	struct iod_iotlb_cfg cfg = { .size = sizeof(cfg), .seed = i + 1 };
	struct unit *u = &vm->unit[i];

	u->vm = vm;
	u->t = iodt_open(v);
	assert_non_null(u->t);
	u->at = i % 2 ? AWAY : 0;
	iodt_assert_ok(iod_iotlb_create(&u->tlb, &cfg));
	if (i % 3 == 2) {
		unit_shuffle(u);
		return;
	}
	/* Half in large pages, where the output address allows, half in the smallest ones. */
	iodt_assert_ok(iod_map(u->t->pt, u->at, PAGES_PA, MEMORY / 2, IODT_RW, NULL, NULL));
	for (uint64_t at = MEMORY / 2; at < MEMORY; at += u->t->page)
		iodt_assert_ok(iod_map(u->t->pt, u->at + at, PAGES_PA + at, u->t->page, IODT_RW,
				       NULL, NULL));
}

static void vm_open(struct vm *vm, uint64_t staging, uint32_t need)
{
	struct iod_dirty_log_cfg cfg = { .size = sizeof(cfg), .len = MEMORY, .staging = staging };
	const struct iodt_variant *v[VENDORS];
	size_t i;

	memset(vm, 0, sizeof(*vm));
	vm->n = pick(v, need);
	iodt_assert_ok(iod_dirty_log_create(&vm->log, &cfg));
	for (i = 0; i < vm->n; i++) {
		unit_open(vm, i, v[i]);
		iodt_assert_ok(plug(vm, i));
	}
	iodt_bits_init(&vm->bits, 0, MEMORY, IODT_4K);
}

static void vm_close(struct vm *vm)
{
	size_t i;

	iodt_assert_ok(iod_dirty_log_destroy(vm->log));
	for (i = 0; i < vm->n; i++) {
		if (vm->unit[i].join)
			iodt_assert_ok(iod_gpa_join_destroy(vm->unit[i].join));
		iodt_assert_ok(iod_iotlb_destroy(vm->unit[i].tlb));
		assert_int_equal(iodt_close(vm->unit[i].t), 0);
	}
	iodt_bits_free(&vm->bits);
}

static void start(struct vm *vm)
{
	iodt_assert_ok(iod_dirty_log_start(vm->log, NULL));
}

static void copy(struct vm *vm)
{
	size_t i;

	for (i = 0; i < FRAMES; i++)
		if (iodt_bits_get(&vm->bits, i * FRAME))
			vm->copy[i] = vm->version[i];
}

static unsigned int stale(const struct vm *vm)
{
	unsigned int n = 0;
	size_t i;

	for (i = 0; i < FRAMES; i++)
		n += vm->copy[i] != vm->version[i];
	return n;
}

static int sync_part(struct vm *vm, uint64_t iova, uint64_t len, uint32_t flags)
{
	struct iod_dirty_log_sync s = {
		.size = sizeof(s), .iova = iova, .len = len, .flags = flags, .bitmap = &vm->bits.bm
	};
	int ret;

	iodt_bits_zero(&vm->bits);
	ret = iod_dirty_log_sync(vm->log, &s);
	if (!(flags & IOD_DIRTY_SYNC_NO_REARM))
		copy(vm);
	return ret;
}

static int sync_all(struct vm *vm, uint32_t flags)
{
	return sync_part(vm, 0, MEMORY, flags);
}

/* ---- the tests ---- */

static void random_rounds(struct vm *vm, uint32_t flags)
{
	unsigned int i, rounds = iodt_scale(200);
	uint64_t from, len;

	for (i = 0; i < rounds; i++) {
		from = below(vm, MEMORY / ALIGN) * ALIGN;
		len = (1 + below(vm, (MEMORY - from) / ALIGN)) * ALIGN;
		dma_some(vm, 20);
		switch (below(vm, 4)) {
		case 0:
			iodt_assert_ok(sync_part(vm, from, len, flags));
			break;
		case 1:
			iodt_assert_ok(sync_part(vm, from, len, IOD_DIRTY_SYNC_NO_REARM));
			iodt_assert_ok(iod_dirty_log_clear(vm->log, from, len, &vm->bits.bm, NULL));
			copy(vm);
			break;
		default:
			iodt_assert_ok(sync_all(vm, flags));
			assert_int_equal(stale(vm), 0);
		}
	}
	iodt_assert_ok(sync_all(vm, IOD_DIRTY_SYNC_FINAL));
	assert_int_equal(stale(vm), 0);
	iodt_assert_ok(sync_all(vm, 0));
	assert_int_equal(iodt_bits_count(&vm->bits), 0);
}

static void mixed(void **state)
{
	static const uint64_t staging[] = { 0, 64, 8192 };
	struct vm *vm = malloc(sizeof(*vm));
	size_t i;

	assert_non_null(vm);
	for (i = 0; i < IODT_ARRAY_SIZE(staging); i++) {
		vm_open(vm, staging[i], 0);
		if (vm->n) {
			start(vm);
			random_rounds(vm, 0);
		}
		vm_close(vm);
	}
	free(vm);
}

/* Each page is reported once whichever IOMMU's devices wrote it, and with the size of that one's page. */
static void sizes(void **state)
{
	struct vm *vm = malloc(sizeof(*vm));
	size_t i;

	assert_non_null(vm);
	vm_open(vm, 0, 0);
	if (vm->n)
		start(vm);
	for (i = 0; i < vm->n; i++) {
		dma(vm, i, MEMORY - 5);
		iodt_assert_ok(sync_all(vm, 0));
		assert_int_equal(iodt_bits_count(&vm->bits), vm->unit[i].t->page / FRAME);
		assert_true(iodt_bits_get(&vm->bits, MEMORY - vm->unit[i].t->page));
	}
	vm_close(vm);
	free(vm);
}

/* One of them does not answer. What only others wrote waits as well: they share the memory. */
static void one_fails(void **state)
{
	struct vm *vm = malloc(sizeof(*vm));
	size_t i;

	assert_non_null(vm);
	vm_open(vm, 0, 0);
	if (vm->n)
		start(vm);
	for (i = 0; i < vm->n; i++) {
		dma_some(vm, 50);
		dma(vm, i, 12345);
		vm->unit[i].fail = 1;
		assert_int_equal(sync_all(vm, 0), -EIO);
		assert_int_equal(iodt_bits_count(&vm->bits), 0);
		vm->unit[i].fail = 1;
		assert_int_equal(sync_part(vm, 0, ALIGN, 0), -EIO);
		assert_int_equal(iodt_bits_count(&vm->bits), 0);
		iodt_assert_ok(sync_all(vm, 0));
		assert_int_equal(stale(vm), 0);
	}
	vm_close(vm);
	free(vm);
}

static void plugged(void **state)
{
	struct vm *vm = malloc(sizeof(*vm));
	unsigned int i;
	size_t k;

	assert_non_null(vm);
	vm_open(vm, 0, 0);
	if (vm->n)
		start(vm);
	for (i = 0; vm->n && i < iodt_scale(60); i++) {
		k = (size_t)below(vm, vm->n);
		dma_some(vm, 20);
		dma(vm, k, below(vm, MEMORY));
		vm->unit[k].fail = (unsigned int)below(vm, 2);
		if (vm->unit[k].fail)
			assert_int_equal(iod_dirty_log_remove_table(vm->log, vm->unit[k].t->pt, 0),
					 -EIO);
		iodt_assert_ok(iod_dirty_log_remove_table(vm->log, vm->unit[k].t->pt, 0));
		iodt_assert_ok(plug(vm, k));
		dma(vm, k, below(vm, MEMORY));
		iodt_assert_ok(sync_all(vm, 0));
		assert_int_equal(stale(vm), 0);
	}
	vm_close(vm);
	free(vm);
}

/* Where table entries say who was there, they are asked; the others are swept in full. */
static void pruned(void **state)
{
	struct vm *vm = malloc(sizeof(*vm));

	assert_non_null(vm);
	vm_open(vm, 0, 0);
	if (vm->n) {
		start(vm);
		random_rounds(vm, IOD_DIRTY_SYNC_PRUNE | IOD_DIRTY_SYNC_SKIP_UNTRACKED);
	}
	vm_close(vm);
	free(vm);
}

static void split_with(struct vm *vm, uint32_t policy)
{
	struct iod_dirty_log_start arg = { .size = sizeof(arg),
					   .policy = policy,
					   .merge_after = 2,
					   .resize_flags =
						   IOD_RESIZE_ALLOW_FAULTS | IOD_RESIZE_BREAK };
	struct iod_dirty_log_info info = { .size = sizeof(info) };
	size_t i;

	iodt_assert_ok(iod_dirty_log_start(vm->log, &arg));
	random_rounds(vm, 0);
	/* After a round that reports pages whole they are as small as each format has them. */
	for (i = 0; i < vm->n; i++) {
		dma(vm, i, 3 * IODT_1M);
		iodt_assert_ok(sync_all(vm, 0));
		dma(vm, i, 3 * IODT_1M);
		iodt_assert_ok(sync_all(vm, 0));
		assert_int_equal(iodt_bits_count(&vm->bits), vm->unit[i].t->page / FRAME);
	}
	iodt_assert_ok(iod_dirty_log_get_info(vm->log, &info));
	assert_true(info.splits);
	dma_some(vm, 30);
	iodt_assert_ok(iod_dirty_log_stop(vm->log, IOD_DIRTY_LOG_MERGE));
	arg.flags = IOD_DIRTY_LOG_RESUME;
	iodt_assert_ok(iod_dirty_log_start(vm->log, &arg));
	iodt_assert_ok(sync_all(vm, 0));
	assert_int_equal(stale(vm), 0);
	iodt_assert_ok(iod_dirty_log_stop(vm->log, 0));
}

static void policies(void **state)
{
	struct vm *vm = malloc(sizeof(*vm));
	uint32_t policy;

	assert_non_null(vm);
	for (policy = IOD_SPLIT_EAGER; policy <= IOD_SPLIT_ON_DIRTY; policy++) {
		vm_open(vm, 0, 0);
		if (vm->n)
			split_with(vm, policy);
		vm_close(vm);
	}
	free(vm);
}

/* Page sizes of one table cannot be changed: a start with a policy says so, a plug goes without. */
static void one_cannot_split(void **state)
{
	struct iod_dirty_log_start arg = { .size = sizeof(arg), .policy = IOD_SPLIT_ON_DIRTY };
	struct iod_dirty_log_info info = { .size = sizeof(info) };
	struct vm *vm = malloc(sizeof(*vm));
	size_t i, hard = SIZE_MAX, easy = SIZE_MAX;

	assert_non_null(vm);
	vm_open(vm, 0, 0);
	for (i = 0; i < vm->n; i++) {
		if (vm->unit[i].t->caps & IODT_HITLESS)
			easy = i;
		else
			hard = i;
	}
	if (hard != SIZE_MAX && easy != SIZE_MAX) {
		assert_int_equal(iod_dirty_log_start(vm->log, &arg), -EOPNOTSUPP);
		for (i = 0; i < vm->n; i++)
			if (!(vm->unit[i].t->caps & IODT_HITLESS))
				iodt_assert_ok(iod_dirty_log_remove_table(
					vm->log, vm->unit[i].t->pt, IOD_DIRTY_LOG_DISCARD));
		iodt_assert_ok(iod_dirty_log_start(vm->log, &arg));
		for (i = 0; i < vm->n; i++)
			if (!(vm->unit[i].t->caps & IODT_HITLESS))
				iodt_assert_ok(plug(vm, i));
		random_rounds(vm, 0);
		iodt_assert_ok(iod_dirty_log_get_info(vm->log, &info));
		assert_true(info.splits);
	}
	vm_close(vm);
	free(vm);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(mixed),
		cmocka_unit_test(sizes),
		cmocka_unit_test(one_fails),
		cmocka_unit_test(plugged),
		cmocka_unit_test(pruned),
		cmocka_unit_test(policies),
		cmocka_unit_test(one_cannot_split),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
