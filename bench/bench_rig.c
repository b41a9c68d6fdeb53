/* SPDX-License-Identifier: MIT */
/*
 * One format's page table: 4 KiB pages over a large range, the host addresses of its tables (found
 * with iod_visit()), and samples of what it must translate to.
 */
#include "bench.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define SAMPLES	 256u
#define PA_BASE	 (UINT64_C(1) << 40) /* below every format's smallest output size, 2^48 */
#define PA_LIMIT (UINT64_C(1) << 47)

int bench_rig_fail(struct bench_rig *rig, int err, const char *fmt, ...)
{
	int n;
	va_list ap;

	va_start(ap, fmt);
	n = vsnprintf(rig->error, sizeof(rig->error), fmt, ap);
	va_end(ap);
	if (err != -EIO && n > 0 && (size_t)n < sizeof(rig->error))
		snprintf(rig->error + n, sizeof(rig->error) - (size_t)n, ": %s", strerror(-err));
	return err;
}

/* An empty page table with a gather for it, which no hardware listens to. */
int bench_create_pt(struct bench_rig *rig, struct iod_mem *mem, struct iod_pgtable **pt,
		    struct iod_gather **gather)
{
	const struct iod_pgtable_cfg cfg = {
		.size = sizeof(cfg),
		.format = rig->format,
		.features = IOD_PT_HW_DIRTY,
		.mem = mem,
		.pgsize_bitmap = BENCH_PAGE,
	};
	const struct iod_gather_cfg gather_cfg = { .size = sizeof(gather_cfg) };
	int err = iod_pgtable_create(pt, &cfg);

	if (err)
		return bench_rig_fail(rig, err, "iod_pgtable_create");
	err = iod_gather_create(gather, *pt, &gather_cfg);
	if (err)
		return bench_rig_fail(rig, err, "iod_gather_create");
	return 0;
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

static int alloc_buffers(struct bench_rig *rig)
{
	rig->nr_leaf = (size_t)(rig->len / BENCH_LEAF_SPAN);
	rig->max_upper = rig->nr_leaf / BENCH_LEAF_ITEMS + 16;
	rig->bits_len = iod_bitmap_bytes(rig->len, BENCH_PAGE);
	rig->leaf = calloc(rig->nr_leaf, sizeof(*rig->leaf));
	rig->upper = calloc(rig->max_upper, sizeof(*rig->upper));
	rig->bits = malloc((size_t)rig->bits_len);
	rig->expect = malloc((size_t)rig->bits_len);
	if (!rig->leaf || !rig->upper || !rig->bits || !rig->expect)
		return bench_rig_fail(rig, -ENOMEM, "buffers");
	return iod_bitmap_init(&rig->bitmap, rig->iova, rig->len, BENCH_PAGE, rig->bits,
			       rig->bits_len, 0);
}

/* Everything but the mapping itself. -EOPNOTSUPP: the format is not compiled in. */
int bench_rig_init(struct bench_rig *rig, enum iod_format format, uint64_t memory)
{
	int err;

	memset(rig, 0, sizeof(*rig));
	rig->format = format;
	rig->raw = bench_raw_of(format);
	if (!rig->raw || !iod_format_ops(format))
		return bench_rig_fail(rig, -EOPNOTSUPP, "format");
	/* Aligned to its size, so that the tables are full; never address 0. */
	rig->iova = memory;
	rig->pa = PA_BASE;
	rig->len = memory;
	rig->dirty_state = -1;
	if (memory > PA_LIMIT - PA_BASE)
		return bench_rig_fail(rig, -ERANGE, "memory");
	err = iod_mem_create_arena(&rig->mem, NULL);
	if (err)
		return bench_rig_fail(rig, err, "iod_mem_create_arena");
	err = bench_create_pt(rig, rig->mem, &rig->pt, &rig->gather);
	return err ? err : alloc_buffers(rig);
}

void bench_rig_exit(struct bench_rig *rig)
{
	bench_destroy_pt(&rig->aux_pt, &rig->aux_gather);
	if (rig->aux_mem)
		iod_mem_destroy(rig->aux_mem);
	bench_destroy_pt(&rig->pt, &rig->gather);
	if (rig->mem)
		iod_mem_destroy(rig->mem);
	free(rig->leaf);
	free(rig->upper);
	free(rig->bits);
	free(rig->expect);
	memset(rig, 0, sizeof(*rig));
}

int bench_rig_map(struct bench_rig *rig)
{
	int err = iod_map(rig->pt, rig->iova, rig->pa, rig->len, IOD_PROT_READ | IOD_PROT_WRITE,
			  NULL, &rig->done);

	if (err)
		return bench_rig_fail(rig, err, "iod_map");
	rig->mapped = true;
	return 0;
}

int bench_rig_unmap(struct bench_rig *rig)
{
	int err = iod_unmap(rig->pt, rig->iova, rig->len, 0, rig->gather, &rig->done);

	if (!err)
		err = iod_gather_sync(rig->gather);
	if (err)
		return bench_rig_fail(rig, err, "iod_unmap");
	rig->mapped = false;
	rig->listed = false;
	rig->recycled = true;
	rig->dirty_state = -1;
	return 0;
}

/* What a visit of one leaf table's first page collects. */
struct collect {
	struct bench_rig *rig;
	size_t leaf;
	uint64_t *last[8]; /* the last table met at each level */
};

static int collect_table(void *cookie, const struct iod_visit_event *event)
{
	struct collect *collect = cookie;
	struct bench_rig *rig = collect->rig;
	void *host;

	if (event->kind != IOD_VISIT_TABLE)
		return event->kind == IOD_VISIT_MAPPING ? 0 : -EIO;
	if (iod_mem_host_ptr(rig->mem, event->table_pa, event->table_len, true, &host))
		return -EFAULT;
	if (event->level == 0) {
		rig->leaf[collect->leaf] = host;
		return 0;
	}
	if (!rig->raw->table_accessed || collect->last[event->level % 8] == host)
		return 0;
	if (rig->nr_upper == rig->max_upper)
		return -ENOSPC;
	collect->last[event->level % 8] = host;
	rig->upper[rig->nr_upper++] = host;
	return 0;
}

/* Find the tables. One page of each leaf table is visited, or there would be millions of events. */
static int list_tables(struct bench_rig *rig)
{
	struct collect collect = { .rig = rig };

	rig->nr_upper = 0;
	memset(rig->leaf, 0, rig->nr_leaf * sizeof(*rig->leaf));
	for (size_t i = 0; i < rig->nr_leaf; i++) {
		struct iod_visit visit = {
			.size = sizeof(visit),
			.iova = rig->iova + i * BENCH_LEAF_SPAN,
			.len = BENCH_PAGE,
			.fn = collect_table,
			.cookie = &collect,
		};
		int err;

		collect.leaf = i;
		err = iod_visit(rig->pt, &visit);
		if (err || !rig->leaf[i])
			return bench_rig_fail(rig, err ? err : -EIO,
					      "iod_visit found no leaf table");
	}
	rig->listed = true;
	return 0;
}

/* Mapped, verified, tables listed; with @recycled in tables that were freed before. */
int bench_rig_ready(struct bench_rig *rig, bool recycled)
{
	int err = 0;

	if (!rig->mapped)
		err = bench_rig_map(rig);
	if (!err && recycled && !rig->recycled) {
		err = bench_rig_unmap(rig);
		if (!err)
			err = bench_rig_map(rig);
	}
	if (!err && !rig->listed) {
		err = bench_check_mapped(rig, rig->pt, rig->len);
		if (!err)
			err = list_tables(rig);
	}
	return err;
}

/* The n-th sampled address: both ends of the range, and pseudo-random ones between. */
static uint64_t sample(const struct bench_rig *rig, uint64_t len, unsigned int n)
{
	if (n < 2)
		return rig->iova + (n ? len - 1 : 0);
	return rig->iova + (bench_random(n) & (len - 1));
}

int bench_check_mapped(struct bench_rig *rig, const struct iod_pgtable *pt, uint64_t len)
{
	for (unsigned int i = 0; i < SAMPLES; i++) {
		uint64_t iova = sample(rig, len, i), pa = 0;
		int err = iod_iova_to_phys(pt, iova, &pa);

		if (err)
			return bench_rig_fail(rig, err, "iod_iova_to_phys");
		if (pa != rig->pa + (iova - rig->iova))
			return bench_rig_fail(rig, -EIO, "wrong output address");
	}
	return 0;
}

int bench_check_unmapped(struct bench_rig *rig, const struct iod_pgtable *pt, uint64_t len)
{
	for (unsigned int i = 0; i < SAMPLES; i++) {
		uint64_t pa;

		if (iod_iova_to_phys(pt, sample(rig, len, i), &pa) != -ENOENT)
			return bench_rig_fail(rig, -EIO, "still mapped");
	}
	return 0;
}
