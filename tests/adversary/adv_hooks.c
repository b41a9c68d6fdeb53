/* SPDX-License-Identifier: MIT */
/*
 * Steps into the library, by linker wraps: a point is where other actors get their turn, in the middle
 * of a call. Kernels are between the steps of a sweep; tables that are freed are checked against what the
 * paused actors are reading; three of the twins break something here.
 */
#include "adv.h"

#include "atomic.h"
#include "dirty/sweep.h"
#include "kernels.h"
#include "pgtable/gather.h"
#include "rcu.h"

static void point(const char *where)
{
	if (adv_now && adv_self && adv_now->point)
		adv_now->point(adv_now, where);
}

static bool broken(enum adv_twin twin)
{
	return adv_now && adv_now->cfg.broken && adv_now->cfg.twin == twin;
}

/* ---- kernels ---- */

static const struct iod_kernels *real; /* of the world that runs */
static struct iod_kernels with;

static void enter(const uint64_t *items, unsigned int n, const char *where)
{
	if (!adv_self)
		return;
	adv_self->items = items;
	adv_self->nr_items = n;
	point(where);
}

static void leave(const char *where)
{
	if (!adv_self)
		return;
	point(where);
	adv_self->items = NULL;
}

static unsigned hook_scan(const uint64_t *items, unsigned n, uint64_t mask, uint64_t match,
			  uint64_t *words, const uint64_t *ahead)
{
	unsigned ret;

	enter(items, n, "before a scan");
	ret = real->scan(items, n, mask, match, words, ahead);
	leave("after a scan");
	return ret;
}

/* A twin, eight items at a time, as vectors would: what hardware marks beside them meanwhile is lost. */
static unsigned plain_clean(uint64_t *items, unsigned n, const struct iod_clean_spec *spec,
			    uint64_t *words)
{
	unsigned i, k, done = 0;
	uint64_t line[8], bit;

	for (i = 0; i + 8 <= n; i += 8) {
		if (!(words[i / 64] >> i % 64 & 0xff))
			continue;
		for (k = 0; k < 8; k++)
			line[k] = word_load(&items[i + k]);
		point("between loads and stores");
		if (adv_self)
			adv_burst(adv_now, &adv_self->rng);
		for (k = 0; k < 8; k++) {
			bit = UINT64_C(1) << (i + k) % 64;
			if (words[i / 64] & bit && (line[k] & spec->mask) == spec->match) {
				line[k] = (line[k] & ~spec->clear) | spec->set;
				done++;
			} else {
				words[i / 64] &= ~bit;
			}
			__atomic_store_n((iod_word *)&items[i + k], line[k], __ATOMIC_RELEASE);
		}
	}
	return done;
}

static unsigned hook_clean(uint64_t *items, unsigned n, const struct iod_clean_spec *spec,
			   uint64_t *words)
{
	unsigned ret;

	enter(items, n, "before a clean");
	if (broken(ADV_PLAIN_STORE))
		ret = plain_clean(items, n, spec, words);
	else
		ret = real->clean(items, n, spec, words);
	leave("after a clean");
	return ret;
}

/* As the kernel in C does, with a point between one of its loads and the store. */
static unsigned paused_stores(uint64_t *items, unsigned n, const struct iod_clean_spec *spec,
			      uint64_t *words)
{
	unsigned i, done = 0, when = (unsigned)adv_below(&adv_self->rng, 24);
	uint64_t v;

	for (i = 0; i < n; i++) {
		if (!(words[i / 64] >> i % 64 & 1))
			continue;
		v = word_load(&items[i]);
		if ((v & spec->mask) != spec->match) {
			words[i / 64] &= ~(UINT64_C(1) << i % 64);
			continue;
		}
		if (done++ == when)
			point("between a load and a store");
		__atomic_store_n((iod_word *)&items[i], (v & ~spec->clear) | spec->set,
				 __ATOMIC_RELAXED);
	}
	return done;
}

static unsigned hook_clean_stores(uint64_t *items, unsigned n, const struct iod_clean_spec *spec,
				  uint64_t *words)
{
	unsigned ret;

	enter(items, n, "before a dense clean");
	if (adv_self && adv_now->cfg.steps)
		ret = paused_stores(items, n, spec, words);
	else
		ret = real->clean_stores(items, n, spec, words);
	leave("after a dense clean");
	return ret;
}

/* In two steps, so that there is one place to step in. */
static struct iod_scan_result hook_scan_stores(uint64_t *items, unsigned n, uint64_t mask,
					       uint64_t match, const struct iod_clean_spec *spec,
					       uint64_t *found, uint64_t *cleaned,
					       const uint64_t *ahead)
{
	struct iod_scan_result r = { 0, 0 };
	unsigned w;

	r.found = hook_scan(items, n, mask, match, found, ahead);
	for (w = 0; w * 64 < n; w++)
		cleaned[w] = found[w];
	if (r.found)
		r.cleaned = hook_clean_stores(items, n, spec, cleaned);
	return r;
}

static void hook_zero(uint64_t *items, unsigned n)
{
	enter(items, n, "before items are cleared");
	real->zero(items, n);
	leave("after items were cleared");
}

const struct iod_kernels *__real_iod_kernels_by_name(const char *name);
const struct iod_kernels *__wrap_iod_kernels_by_name(const char *name);

/* One page table is created at a time, before its actors begin. */
const struct iod_kernels *__wrap_iod_kernels_by_name(const char *name)
{
	const struct iod_kernels *kernels = __real_iod_kernels_by_name(name);

	if (!kernels)
		return NULL;
	real = kernels;
	with = *kernels;
	with.scan = hook_scan;
	with.clean = hook_clean;
	with.clean_stores = hook_clean_stores;
	with.scan_stores = hook_scan_stores;
	with.zero = hook_zero;
	return &with;
}

/* ---- between the steps of sweeps and mutations ---- */

void __real_iod_sweep_record(struct iod_bitmap *bm, uint64_t first, uint64_t last);
void __wrap_iod_sweep_record(struct iod_bitmap *bm, uint64_t first, uint64_t last);
void __real_iod_sweep_record_words(struct iod_bitmap *bm, uint64_t iova, unsigned shift,
				   const uint64_t *words, unsigned n);
void __wrap_iod_sweep_record_words(struct iod_bitmap *bm, uint64_t iova, unsigned shift,
				   const uint64_t *words, unsigned n);
void __real_iod_gather_add_slow(struct iod_gather *gather, uint64_t first, uint64_t last,
				uint32_t leaf_levels, uint32_t table_levels);
void __wrap_iod_gather_add_slow(struct iod_gather *gather, uint64_t first, uint64_t last,
				uint32_t leaf_levels, uint32_t table_levels);

void __wrap_iod_sweep_record(struct iod_bitmap *bm, uint64_t first, uint64_t last)
{
	point("before a page is recorded");
	__real_iod_sweep_record(bm, first, last);
	point("after a page was recorded");
}

void __wrap_iod_sweep_record_words(struct iod_bitmap *bm, uint64_t iova, unsigned shift,
				   const uint64_t *words, unsigned n)
{
	point("before words are recorded");
	__real_iod_sweep_record_words(bm, iova, shift, words, n);
}

void __wrap_iod_gather_add_slow(struct iod_gather *gather, uint64_t first, uint64_t last,
				uint32_t leaf_levels, uint32_t table_levels)
{
	point("before a range is gathered");
	__real_iod_gather_add_slow(gather, first, last, leaf_levels, table_levels);
}

int __real_iod_gather_reserve(struct iod_gather *gather, uint64_t n);
int __wrap_iod_gather_reserve(struct iod_gather *gather, uint64_t n);
void __real_iod_gather_subtree(struct iod_gather *gather, const struct gather_subtree *subtree);
void __wrap_iod_gather_subtree(struct iod_gather *gather, const struct gather_subtree *subtree);

int __wrap_iod_gather_reserve(struct iod_gather *gather, uint64_t n)
{
	point("before room is made for tables");
	return __real_iod_gather_reserve(gather, n);
}

void __wrap_iod_gather_subtree(struct iod_gather *gather, const struct gather_subtree *subtree)
{
	point("after a table was cut off");
	__real_iod_gather_subtree(gather, subtree);
	point("after it was remembered");
}

/* ---- tables ---- */

int __real_iod_mem_table_alloc(struct iod_mem *mem, unsigned len_lg2, enum mem_class kind,
			       uint64_t max_pa, bool zero, uint64_t *pa);
int __wrap_iod_mem_table_alloc(struct iod_mem *mem, unsigned len_lg2, enum mem_class kind,
			       uint64_t max_pa, bool zero, uint64_t *pa);
void __real_iod_mem_table_free(struct iod_mem *mem, uint64_t pa, unsigned len_lg2);
void __wrap_iod_mem_table_free(struct iod_mem *mem, uint64_t pa, unsigned len_lg2);
void __real_iod_mem_tables_free(struct iod_mem *mem, const uint64_t *pa, unsigned n,
				unsigned len_lg2);
void __wrap_iod_mem_tables_free(struct iod_mem *mem, const uint64_t *pa, unsigned n,
				unsigned len_lg2);

int __wrap_iod_mem_table_alloc(struct iod_mem *mem, unsigned len_lg2, enum mem_class kind,
			       uint64_t max_pa, bool zero, uint64_t *pa)
{
	int ret;

	point("before a table is allocated");
	ret = __real_iod_mem_table_alloc(mem, len_lg2, kind, max_pa, zero, pa);
	point("after a table was allocated");
	return ret;
}

/* Whether somebody who is paused is reading there. Then it is not freed: the finding is enough. */
static bool read_by_others(const struct iod_mem *mem, uint64_t pa, unsigned len_lg2)
{
	uint64_t words = UINT64_C(1) << (len_lg2 - 3);
	struct adv_world *w = adv_now;
	const uint64_t *table;
	unsigned int i;

	if (!w || !w->cfg.steps || !adv_self)
		return false;
	table = iod_mem_ptr(mem, pa, words * 8, false);
	for (i = 0; table && i < w->nr_actors; i++) {
		const struct adv_actor *a = &w->actor[i];

		if (a == adv_self || !a->items)
			continue;
		if (a->items < table + words && table < a->items + a->nr_items) {
			adv_fail(w, false, "FREED a table that %s is reading", a->name);
			return true;
		}
	}
	return false;
}

void __wrap_iod_mem_table_free(struct iod_mem *mem, uint64_t pa, unsigned len_lg2)
{
	if (!read_by_others(mem, pa, len_lg2))
		__real_iod_mem_table_free(mem, pa, len_lg2);
}

void __wrap_iod_mem_tables_free(struct iod_mem *mem, const uint64_t *pa, unsigned n,
				unsigned len_lg2)
{
	unsigned i;

	for (i = 0; i < n; i++)
		if (read_by_others(mem, pa[i], len_lg2))
			return;
	__real_iod_mem_tables_free(mem, pa, n, len_lg2);
}

/* ---- waiting ---- */

void __real_iod_rcu_wait(void);
void __wrap_iod_rcu_wait(void);
void __real_iod_pt_lock_shared(struct pt_table_lock *lock);
void __wrap_iod_pt_lock_shared(struct pt_table_lock *lock);

/* Who was in a reader section when the grace period began, and was not seen outside since. */
struct grace {
	struct adv_world *w;
	bool was_in[ADV_ACTORS];
};

static bool grace_over(void *arg)
{
	struct grace *g = arg;
	bool over = true;
	unsigned int i;

	for (i = 0; i < g->w->nr_actors; i++) {
		g->was_in[i] = g->was_in[i] && g->w->actor[i].reading;
		over = over && !g->was_in[i];
	}
	return over;
}

void __wrap_iod_rcu_wait(void)
{
	struct grace g = { .w = adv_now };
	unsigned int i;

	if (adv_now && adv_self && adv_now->wait) {
		if (broken(ADV_NO_GRACE) && adv_self->role != ADV_MIGRATOR) {
			adv_note(adv_now, "BROKEN: no grace period");
			return;
		}
		for (i = 0; i < g.w->nr_actors; i++)
			g.was_in[i] = &g.w->actor[i] != adv_self && !g.w->actor[i].done;
		adv_now->wait(adv_now, grace_over, &g);
		/* The real one would also wait for sections that began later, of actors that are paused. */
		return;
	}
	__real_iod_rcu_wait();
}

static bool not_alone(void *arg)
{
	return !__atomic_load_n(&((struct pt_table_lock *)arg)->alone, __ATOMIC_SEQ_CST);
}

void __wrap_iod_pt_lock_shared(struct pt_table_lock *lock)
{
	point("before a table is locked");
	if (adv_now && adv_self && adv_now->wait)
		adv_now->wait(adv_now, not_alone, lock);
	__real_iod_pt_lock_shared(lock);
}

/* ---- detached tables ---- */

/*
 * A twin: what is marked in a detached table is taken over before the invalidation, when hardware may
 * still mark there, and not again after it.
 */
void adv_harvest_early(struct iod_gather *gather, bool merge)
{
	if (!broken(merge ? ADV_NO_HARVEST_LIVE : ADV_NO_HARVEST) || !gather->harvests)
		return;
	adv_note(adv_now, "BROKEN: harvests before the invalidation, for good");
	iod_gather_harvest(gather);
}
