/* SPDX-License-Identifier: MIT */
/*
 * Nested translation under threads: devices behind two iotlbs of one first stage, and one of the second,
 * beside sweeps of stage 2 (no page that was written may be lost, pages with first-stage tables among
 * them) and beside unmapping in stage 2 (no DMA may use what is gone). The guest cleans its own leaves
 * meanwhile. Twins tell one of the two kinds of iotlb nothing.
 */
#include <sched.h>

#include "dmapool.h"
#include "nestedrig.h"

#define PAGES  DMA_PAGES
#define IOVA   UINT64_C(0x100000)
#define DATA   NESTED_DATA
#define MEMORY IODT_BIT(32) /* final address of the first page; every other one is used */
#define WORDS  512

/* Who is told of a change of stage 2. */
#define TELL_SECOND 1u
#define TELL_FIRST  2u
#define TELL_BOTH   3u

struct world {
	struct nested *n;
	struct iod_gather *gather;
	struct dma_pool dma;
	unsigned int tell;
	iod_word data[PAGES];		     /* writes that reached it */
	uint64_t copy[PAGES];		     /* what was last copied */
	uint64_t item[PAGES];		     /* IPA of its first-stage leaf */
	uint64_t table[NESTED_PAGES][WORDS]; /* copies of the pages with tables */
	bool by_cpu[NESTED_PAGES]; /* written by the guest itself: dirty for that reason */
};

/* ---- the hypervisor ---- */

/* Stage 2's iotlb first, then all of the first stage: what is combined has no addresses of stage 2. */
static int tell(void *cookie, const struct iod_inv *inv, size_t nr)
{
	struct iod_inv domain = { .kind = IOD_INV_DOMAIN, .domain = NESTED_DOMAIN1 };
	struct world *w = cookie;
	unsigned int i;
	int ret = 0;

	if (w->tell & TELL_SECOND)
		ret = iod_iotlb_invalidate(w->n->tlb2, inv, nr);
	for (i = 0; i < DMA_TLBS && !ret && w->tell & TELL_FIRST; i++)
		ret = iod_iotlb_invalidate(w->dma.tlb[i], &domain, 1);
	return ret;
}

static void world_open(struct world *w, const char *v1, const char *v2, unsigned int whom,
		       uint32_t flags)
{
	struct iod_inv_ops ops = { .size = sizeof(ops), .invalidate = tell };
	struct iod_gather_cfg gather = { .size = sizeof(gather), .ops = &ops, .cookie = w };
	unsigned int i;

	w->n = calloc(1, sizeof(*w->n));
	assert_non_null(w->n);
	w->n->v1 = iodt_variant(v1);
	w->n->v2 = iodt_variant(v2);
	w->n->flags2 = flags;
	w->tell = whom;
	nested_open(w->n);
	for (i = 0; i < PAGES; i++) {
		nested_map1(w->n, IOVA + i * IODT_4K, IODT_4K, DATA + i * IODT_4K, IODT_RW);
		w->item[i] = nested_item1(w->n, IOVA + i * IODT_4K, 0);
	}
	w->dma.pt = w->n->pt;
	dma_open(&w->dma, flags);
	iodt_assert_ok(iod_gather_create(&w->gather, w->n->t->pt, &gather));
}

static void world_close(struct world *w)
{
	dma_close(&w->dma);
	iodt_assert_ok(iod_gather_destroy(w->gather));
	nested_close(w->n);
	free(w->n);
	free(w);
}

static struct world *new_world(void)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->dma.first = IOVA;
	w->dma.page = IODT_4K;
	w->dma.active = PAGES;
	w->dma.cookie = w;
	return w;
}

/* ---- sweeps ---- */

static int write_page(void *cookie, uint64_t pa, uint64_t len, uint64_t off)
{
	struct world *w = cookie;

	dma_add(&w->data[(pa - MEMORY) / (2 * IODT_4K)]);
	return 0;
}

/* One word of a page of tables: devices change it too. */
static uint64_t table_word(struct world *w, unsigned int page, unsigned int word)
{
	return __atomic_load_n((iod_word *)&w->n->page[page].host[word], __ATOMIC_ACQUIRE);
}

static void copy_dirty(struct world *w, const struct iodt_bits *bits)
{
	unsigned int i, j;

	for (i = 0; i < PAGES; i++)
		if (iodt_bits_get(bits, DATA + i * IODT_4K))
			w->copy[i] = dma_load(&w->data[i]);
	for (i = 0; i < w->n->nr_pages; i++) {
		if (!w->by_cpu[i] && !iodt_bits_get(bits, w->n->page[i].ipa))
			continue;
		w->by_cpu[i] = false;
		for (j = 0; j < WORDS; j++)
			w->table[i][j] = table_word(w, i, j);
	}
}

/* Clean, invalidate, copy. */
static void sweep_once(struct world *w, struct iodt_bits *bits)
{
	struct iod_sweep s = {
		.size = sizeof(s),
		.mode = IOD_SWEEP_CLEAR,
		.len = IODT_1G,
		.bitmap = &bits->bm,
		.gather = w->gather,
	};

	iodt_bits_zero(bits);
	iodt_assert_ok(iod_sweep(w->n->t->pt, &s));
	assert_int_equal(s.done, s.len);
	iodt_assert_ok(iod_gather_sync(w->gather));
	copy_dirty(w, bits);
}

/* The guest cleans a leaf of its own and says so; its own write is reported by other means. */
static void guest_cleans(struct world *w, unsigned int i)
{
	struct iod_inv inv = { .kind = IOD_INV_RANGE, .domain = NESTED_DOMAIN1 };
	uint64_t ipa = w->item[i], old, pte, *host;
	unsigned int page = 0, tlb;

	while (ipa - w->n->page[page].ipa >= IODT_4K)
		page++;
	host = &w->n->page[page].host[(ipa - w->n->page[page].ipa) / 8];
	old = __atomic_load_n((iod_word *)host, __ATOMIC_ACQUIRE);
	do
		iodt_put_le64(&pte, iodt_pte_clean(w->n->v1, nested_read(w->n, ipa)));
	while (!__atomic_compare_exchange_n((iod_word *)host, &old, pte, false, __ATOMIC_ACQ_REL,
					    __ATOMIC_ACQUIRE));
	w->by_cpu[page] = true;
	inv.iova = IOVA + i * IODT_4K;
	inv.last = inv.iova + IODT_4K - 1;
	for (tlb = 0; tlb < DMA_TLBS; tlb++)
		iodt_assert_ok(iod_iotlb_invalidate(w->dma.tlb[tlb], &inv, 1));
}

struct lost {
	unsigned int data, tables;
};

static struct lost run_sweeps(const char *v1, const char *v2, unsigned int whom, uint32_t flags)
{
	struct world *w = new_world();
	unsigned int i, j, rounds = iodt_scale(30);
	struct lost lost = { 0 };
	struct iodt_bits bits;

	w->dma.move = write_page;
	w->dma.active = PAGES / 2;
	world_open(w, v1, v2, whom, flags);
	for (i = 0; i < PAGES; i++)
		iodt_assert_ok(nested_map2(w->n, DATA + i * IODT_4K, IODT_4K,
					   MEMORY + 2 * i * IODT_4K, IODT_RW));
	iodt_bits_init(&bits, 0, IODT_1G, IODT_4K);
	for (i = 0; i < w->n->nr_pages; i++)
		w->by_cpu[i] = true; /* the guest has just written it */
	dma_start(&w->dma);
	dma_let_run(&w->dma);
	for (i = 0; i < rounds; i++) {
		sweep_once(w, &bits);
		for (j = 0; j < 4; j++)
			guest_cleans(w, (i * 4 + j) % (PAGES / 2));
		sched_yield();
	}
	/* for the twins: every cache is full of what this sweep cleans */
	dma_let_run(&w->dma);
	sweep_once(w, &bits);
	/* leaves that nobody used: from now on only devices write to the tables */
	__atomic_store_n(&w->dma.active, PAGES, __ATOMIC_RELEASE);
	dma_let_run(&w->dma);
	dma_stop(&w->dma);
	/* the final pass: quiesced; invalidate, then scan */
	w->tell = TELL_BOTH;
	sweep_once(w, &bits);
	assert_int_equal(w->dma.refused, 0);
	for (i = 0; i < PAGES; i++)
		lost.data += w->copy[i] != w->data[i];
	for (i = 0; i < w->n->nr_pages; i++)
		for (j = 0; j < WORDS; j++)
			lost.tables += w->table[i][j] != table_word(w, i, j);
	iodt_bits_free(&bits);
	world_close(w);
	return lost;
}

/* ---- unmapping: generation g of page i is at MEMORY + (g * PAGES + i) * 4 KiB ---- */

static int check_generation(void *cookie, uint64_t pa, uint64_t len, uint64_t off)
{
	struct world *w = cookie;

	dma_check_generation(&w->dma, (pa - MEMORY) / (PAGES * IODT_4K));
	return 0;
}

static uint64_t run_unmaps(const char *v1, const char *v2, unsigned int whom, uint32_t flags)
{
	uint64_t g, i, rounds = iodt_scale(25), bad;
	struct world *w = new_world();

	w->dma.move = check_generation;
	world_open(w, v1, v2, whom, flags);
	dma_start(&w->dma);
	for (g = 0; g < rounds; g++) {
		for (i = 0; i < PAGES; i++)
			iodt_assert_ok(nested_map2(w->n, DATA + i * IODT_4K, IODT_4K,
						   MEMORY + (g * PAGES + i) * IODT_4K, IODT_RW));
		if (g % 8 == 0)
			dma_let_run(&w->dma);
		iodt_assert_ok(iod_unmap(w->n->t->pt, DATA, PAGES * IODT_4K, 0, w->gather, NULL));
		iodt_assert_ok(iod_gather_sync(w->gather));
		__atomic_store_n(&w->dma.retired, g + 1, __ATOMIC_RELEASE);
	}
	/* whoever was told nothing goes on */
	for (i = 0; i < 1000; i++)
		sched_yield();
	dma_stop(&w->dma);
	bad = w->dma.bad;
	world_close(w);
	return bad;
}

/* ---- tests: pairs of each vendor, and one of two ---- */

static const char *const pairs[][2] = {
	{ "arm_lpae_s1-4k-ias48", "arm_lpae_s2-4k-ias40" },
	{ "vtd_fs-4", "vtd_ss-4" },
	{ "amd_v2-4", "amd_v1-mode4" },
	{ "arm_lpae_s1-4k-ias48-haft", "vtd_ss-4-ta" },
};

/* The next pair whose formats are compiled in. */
static bool next(unsigned int *i)
{
	for (; *i < IODT_ARRAY_SIZE(pairs); (*i)++) {
		assert_non_null(iodt_variant(pairs[*i][0]));
		assert_non_null(iodt_variant(pairs[*i][1]));
		if (nested_fits(iodt_variant(pairs[*i][0]), iodt_variant(pairs[*i][1])))
			return true;
	}
	return false;
}

#define EACH_PAIR(i) for ((i) = 0; next(&(i)); (i)++)

static void none_means_skip(void)
{
	unsigned int i = 0;

	if (!next(&i))
		skip();
}

static void nothing_lost(void **state)
{
	static const uint32_t flags[] = { 0, IOD_IOTLB_LATE_DIRTY | IOD_IOTLB_SPECULATE };
	struct lost lost;
	unsigned int i, f;

	none_means_skip();
	for (f = 0; f < IODT_ARRAY_SIZE(flags); f++) {
		EACH_PAIR(i)
		{
			lost = run_sweeps(pairs[i][0], pairs[i][1], TELL_BOTH, flags[f]);
			assert_int_equal(lost.data, 0);
			assert_int_equal(lost.tables, 0);
		}
	}
}

/* Twin: combined translations stay, so writes through them leave no trace. */
static void lost_behind_first(void **state)
{
	unsigned int i;

	none_means_skip();
	EACH_PAIR(i)
	assert_int_not_equal(run_sweeps(pairs[i][0], pairs[i][1], TELL_SECOND, 0).data, 0);
}

/* Twin: stage 2's own stay: what is combined anew is dirty already, and updates of tables go unseen. */
static void lost_behind_second(void **state)
{
	struct lost lost;
	unsigned int i;

	none_means_skip();
	EACH_PAIR(i)
	{
		lost = run_sweeps(pairs[i][0], pairs[i][1], TELL_FIRST, 0);
		assert_int_not_equal(lost.data, 0);
		assert_int_not_equal(lost.tables, 0);
	}
}

static void unmapped_is_gone(void **state)
{
	unsigned int i;

	none_means_skip();
	EACH_PAIR(i)
	assert_int_equal(run_unmaps(pairs[i][0], pairs[i][1], TELL_BOTH, IOD_IOTLB_SPECULATE), 0);
}

/* Twins of that. */
static void unmapped_is_used(void **state)
{
	unsigned int i;

	none_means_skip();
	EACH_PAIR(i)
	{
		assert_int_not_equal(run_unmaps(pairs[i][0], pairs[i][1], TELL_SECOND, 0), 0);
		assert_int_not_equal(run_unmaps(pairs[i][0], pairs[i][1], TELL_FIRST, 0), 0);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest plain[] = {
		cmocka_unit_test(nothing_lost),	      cmocka_unit_test(lost_behind_first),
		cmocka_unit_test(lost_behind_second), cmocka_unit_test(unmapped_is_gone),
		cmocka_unit_test(unmapped_is_used),
	};

	return iodt_main(argc, argv, NULL, 0, plain, IODT_ARRAY_SIZE(plain));
}
