/* SPDX-License-Identifier: MIT */
/*
 * One page table over a large range: built in the layout that a case asks for, with the host addresses
 * of its tables (found with iod_visit()), and samples of what it must translate to.
 */
#include "bench_tables.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SAMPLES	 256u
#define PA_BASE	 (UINT64_C(1) << 40) /* below every format's smallest output size, 2^48 */
#define PA_LIMIT (UINT64_C(1) << 47)
#define GIB	 (UINT64_C(1) << 30)

static char error_text[192];

int bench_fail(int err, const char *fmt, ...)
{
	int n;
	va_list ap;

	va_start(ap, fmt);
	n = vsnprintf(error_text, sizeof(error_text), fmt, ap);
	va_end(ap);
	if (err != -EIO && n > 0 && (size_t)n < sizeof(error_text))
		snprintf(error_text + n, sizeof(error_text) - (size_t)n, ": %s", strerror(-err));
	return err;
}

const char *bench_error(void)
{
	return error_text;
}

/* Nobody listens, but pruned sweeps may not do without, and changes of sizes are not to find that. */
static int ignore_invalidation(void *cookie, const struct iod_inv *inv, size_t nr)
{
	return 0;
}

/* An empty page table with a gather for it. */
int bench_create_pt(enum iod_format format, uint32_t features, uint64_t pages, struct iod_mem *mem,
		    struct iod_pgtable **pt, struct iod_gather **gather)
{
	static const struct iod_inv_ops ops = { .size = sizeof(ops),
						.invalidate = ignore_invalidation };
	const struct iod_pgtable_cfg cfg = {
		.size = sizeof(cfg),
		.format = format,
		.features = features,
		.mem = mem,
		.pgsize_bitmap = pages,
	};
	const struct iod_gather_cfg gather_cfg = {
		.size = sizeof(gather_cfg),
		.ops = features & IOD_PT_HW_TABLE_ACCESS || pages & (pages - 1) ? &ops : NULL,
	};
	int err = iod_pgtable_create(pt, &cfg);

	if (err)
		return bench_fail(err, "iod_pgtable_create");
	err = iod_gather_create(gather, *pt, &gather_cfg);
	return err ? bench_fail(err, "iod_gather_create") : 0;
}

void bench_destroy_pt(struct iod_pgtable **pt, struct iod_gather **gather)
{
	if (*gather) {
		iod_gather_sync(*gather);
		iod_gather_destroy(*gather);
	}
	if (*pt)
		iod_pgtable_destroy(*pt);
	*gather = NULL;
	*pt = NULL;
}

static unsigned int leaf_level(const struct bench_tables *t)
{
	return t->layout == BENCH_BLOCKS ? 1 : 0;
}

/* log2 of the IOVA that one table at this level covers; 64 and more: everything. */
static unsigned int table_span_lg2(unsigned int level)
{
	return BENCH_PAGE_LG2 + BENCH_TABLE_LG2 * (level + 1);
}

/* Index in upper[level] of the table that covers this address. */
size_t bench_upper_index(const struct bench_tables *t, unsigned int level, uint64_t iova)
{
	unsigned int lg2 = table_span_lg2(level);

	return lg2 < 64 ? (size_t)((iova >> lg2) - (t->iova >> lg2)) : 0;
}

static int alloc_buffers(struct bench_tables *t)
{
	t->nr_leaf = (size_t)(t->len >> t->item_lg2) / BENCH_LEAF_ITEMS;
	t->bits_len = iod_bitmap_bytes(t->len, BENCH_PAGE);
	t->leaf = calloc(t->nr_leaf, sizeof(*t->leaf));
	t->bits = malloc((size_t)t->bits_len);
	t->expect = malloc((size_t)t->bits_len);
	t->marks = malloc(t->nr_leaf * BENCH_LEAF_ITEMS / 8);
	if (!t->leaf || !t->bits || !t->expect || !t->marks)
		return bench_fail(-ENOMEM, "buffers");
	for (unsigned int level = leaf_level(t) + 1; level < BENCH_LEVELS; level++) {
		t->nr_upper[level] = bench_upper_index(t, level, t->iova + (t->len - 1)) + 1;
		t->upper[level] = calloc(t->nr_upper[level], sizeof(*t->upper[level]));
		if (!t->upper[level])
			return bench_fail(-ENOMEM, "buffers");
	}
	return iod_bitmap_init(&t->bitmap, t->iova, t->len, BENCH_PAGE, t->bits, t->bits_len, 0);
}

bool bench_resizes(enum bench_layout layout)
{
	return layout == BENCH_RESIZE_2M || layout == BENCH_RESIZE_1G || layout == BENCH_BREAK;
}

static uint32_t features_of(enum iod_format format, enum bench_layout layout)
{
	bool arm = format == IOD_ARM_LPAE_S1 || format == IOD_ARM_LPAE_S2;
	uint32_t features = IOD_PT_HW_DIRTY;

	if (layout == BENCH_WIDE || layout == BENCH_MARKED)
		features |= IOD_PT_HW_TABLE_ACCESS;
	if (arm && (bench_resizes(layout) || layout == BENCH_BESIDE) && layout != BENCH_BREAK)
		features |= IOD_PT_BBM_2;
	return features;
}

/* Everything but the mapping itself. -EOPNOTSUPP: the format is not compiled in. */
int bench_tables_init(struct bench_tables *t, enum iod_format format, enum bench_layout layout,
		      uint64_t len)
{
	const uint64_t mib2 = UINT64_C(1) << BENCH_BLOCK_LG2;
	const uint64_t pages[] = {
		[BENCH_PLAIN] = BENCH_PAGE,
		[BENCH_SCATTERED] = BENCH_PAGE,
		[BENCH_RUNS] = BENCH_PAGE * BENCH_RUN_ITEMS,
		[BENCH_BLOCKS] = mib2,
		[BENCH_WIDE] = BENCH_PAGE,
		[BENCH_MARKED] = BENCH_PAGE,
		[BENCH_RESIZE_2M] = BENCH_PAGE | mib2,
		[BENCH_RESIZE_1G] = BENCH_PAGE | mib2 | GIB,
		[BENCH_BREAK] = BENCH_PAGE | mib2,
		[BENCH_BESIDE] = BENCH_PAGE | mib2,
	};
	int err;

	memset(t, 0, sizeof(*t));
	t->format = format;
	t->layout = layout;
	t->raw = bench_raw_of(format);
	if (!t->raw || !iod_format_ops(format))
		return bench_fail(-EOPNOTSUPP, "format");
	t->item_lg2 = layout == BENCH_BLOCKS ? BENCH_BLOCK_LG2 : BENCH_PAGE_LG2;
	if ((layout == BENCH_BLOCKS || layout == BENCH_RESIZE_1G) && len < GIB)
		len = GIB; /* one table full */
	t->marks_tables = !t->raw->table_optional || layout == BENCH_WIDE || layout == BENCH_MARKED;
	/* Aligned to its size, so that the tables are full; never address 0. */
	t->iova = len;
	/* What is not aligned to 2 MiB is mapped in 4 KiB pages. */
	t->pa = layout == BENCH_BESIDE ? PA_BASE + BENCH_PAGE : PA_BASE;
	t->len = len;
	if (len > PA_LIMIT - PA_BASE)
		return bench_fail(-ERANGE, "memory");
	err = iod_mem_create_arena(&t->mem, NULL);
	if (err)
		return bench_fail(err, "iod_mem_create_arena");
	err = bench_create_pt(format, features_of(format, layout), pages[layout], t->mem, &t->pt,
			      &t->gather);
	return err ? err : alloc_buffers(t);
}

void bench_tables_exit(struct bench_tables *t)
{
	bench_destroy_pt(&t->pt, &t->gather);
	if (t->mem)
		iod_mem_destroy(t->mem);
	free(t->leaf);
	free(t->bits);
	free(t->expect);
	free(t->marks);
	for (unsigned int level = 0; level < BENCH_LEVELS; level++)
		free(t->upper[level]);
	memset(t, 0, sizeof(*t));
}

/* Tables come from the arena in the order in which they are needed: ask in a shuffled one. */
static int map_scattered(struct bench_tables *t, uint64_t *done)
{
	const uint64_t span = BENCH_PAGE * BENCH_LEAF_ITEMS;
	size_t *order = malloc(t->nr_leaf * sizeof(*order));
	int err = 0;

	if (!order)
		return -ENOMEM;
	for (size_t i = 0; i < t->nr_leaf; i++) {
		size_t k = (size_t)(bench_random(i) % (i + 1));

		order[i] = order[k];
		order[k] = i;
	}
	for (size_t i = 0; i < t->nr_leaf && !err; i++)
		err = iod_map(t->pt, t->iova + order[i] * span, t->pa + order[i] * span, span,
			      IOD_PROT_READ | IOD_PROT_WRITE, NULL, done);
	free(order);
	return err;
}

/* What it adds to *done is bytes. */
int bench_tables_map(struct bench_tables *t, uint64_t *done)
{
	int err;

	if (t->layout == BENCH_SCATTERED)
		err = map_scattered(t, done);
	else
		err = iod_map(t->pt, t->iova, t->pa, t->len, IOD_PROT_READ | IOD_PROT_WRITE, NULL,
			      done);
	if (err)
		return bench_fail(err, "iod_map");
	t->mapped = true;
	return 0;
}

/* Forget what was known of the entries and where they lie. */
void bench_tables_changed(struct bench_tables *t)
{
	t->mapped = false;
	t->listed = false;
	t->state = BENCH_STATE_UNKNOWN;
}

int bench_tables_unmap(struct bench_tables *t, uint64_t *done)
{
	int err = iod_unmap(t->pt, t->iova, t->len, 0, t->gather, done);

	if (!err)
		err = iod_gather_sync(t->gather);
	if (err)
		return bench_fail(err, "iod_unmap");
	bench_tables_changed(t);
	t->recycled = true;
	return 0;
}

/* What a visit of one leaf table's first page collects. */
struct collect {
	struct bench_tables *t;
	size_t leaf;
	uint64_t iova;
};

static int collect_table(void *cookie, const struct iod_visit_event *event)
{
	struct collect *collect = cookie;
	struct bench_tables *t = collect->t;
	void *host;

	if (event->kind != IOD_VISIT_TABLE)
		return event->kind == IOD_VISIT_MAPPING ? 0 : -EIO;
	if (event->level >= BENCH_LEVELS)
		return -ERANGE;
	if (iod_mem_host_ptr(t->mem, event->table_pa, event->table_len, true, &host))
		return -EFAULT;
	if (event->level == leaf_level(t))
		t->leaf[collect->leaf] = host;
	else
		t->upper[event->level][bench_upper_index(t, event->level, collect->iova)] = host;
	return 0;
}

/* Find the tables. One page of each leaf table is visited, or there would be millions of events. */
int bench_tables_list(struct bench_tables *t)
{
	struct collect collect = { .t = t };
	uint64_t span = (uint64_t)BENCH_LEAF_ITEMS << t->item_lg2;

	memset(t->leaf, 0, t->nr_leaf * sizeof(*t->leaf));
	for (unsigned int level = leaf_level(t) + 1; level < BENCH_LEVELS; level++)
		memset(t->upper[level], 0, t->nr_upper[level] * sizeof(*t->upper[level]));
	for (size_t i = 0; i < t->nr_leaf; i++) {
		struct iod_visit visit = {
			.size = sizeof(visit),
			.iova = t->iova + i * span,
			.len = t->layout == BENCH_RUNS ? BENCH_PAGE * BENCH_RUN_ITEMS
						       : UINT64_C(1) << t->item_lg2,
			.fn = collect_table,
			.cookie = &collect,
		};
		int err;

		collect.leaf = i;
		collect.iova = visit.iova;
		err = iod_visit(t->pt, &visit);
		if (err || !t->leaf[i])
			return bench_fail(err ? err : -EIO, "iod_visit found no leaf table");
	}
	t->listed = true;
	return 0;
}

/* Mapped, verified, tables listed; with @p recycled in tables that were freed before. */
int bench_tables_ready(struct bench_tables *t, bool recycled)
{
	int err = 0;

	if (!t->mapped)
		err = bench_tables_map(t, NULL);
	if (!err && recycled && !t->recycled) {
		err = bench_tables_unmap(t, NULL);
		if (!err)
			err = bench_tables_map(t, NULL);
	}
	if (!err && !t->listed) {
		err = bench_check_mapped(t, t->pt, t->len);
		if (!err)
			err = bench_tables_list(t);
	}
	return err;
}

/* The n-th sampled address: both ends of the range, and pseudo-random ones between. */
static uint64_t sample(const struct bench_tables *t, uint64_t len, unsigned int n)
{
	if (n < 2)
		return t->iova + (n ? len - 1 : 0);
	return t->iova + (bench_random(n) & (len - 1));
}

int bench_check_mapped(const struct bench_tables *t, const struct iod_pgtable *pt, uint64_t len)
{
	for (unsigned int i = 0; i < SAMPLES; i++) {
		uint64_t iova = sample(t, len, i), pa = 0;
		int err = iod_iova_to_phys(pt, iova, &pa);

		if (err)
			return bench_fail(err, "iod_iova_to_phys");
		if (pa != t->pa + (iova - t->iova))
			return bench_fail(-EIO, "wrong output address");
	}
	return 0;
}

int bench_check_unmapped(const struct bench_tables *t, const struct iod_pgtable *pt, uint64_t len)
{
	for (unsigned int i = 0; i < SAMPLES; i++) {
		uint64_t pa;

		if (iod_iova_to_phys(pt, sample(t, len, i), &pa) != -ENOENT)
			return bench_fail(-EIO, "still mapped");
	}
	return 0;
}
