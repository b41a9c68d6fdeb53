/* SPDX-License-Identifier: MIT */
/* One world from a seed: its geometry, its findings, and the last pass with what must come of it. */
#include "adv.h"

#include "bits.h"

#define GROUP_PAGES_MAX	   8192u   /* 32 MiB of 4 KiB, 512 MiB of 64 KiB */
#define GROUP_PAGES_HUGE   262144u /* 1 GiB of 4 KiB; seldom, and with threads only */
#define GROUPS_MAX	   128u
#define GROUPS_MIN	   3u
#define PAGES_ONE_BY_ONE   1536u
#define PAGES_BY_THREADS   12288u
#define ARM_BREAK_FEATURES (IOD_PT_BBM_1 | IOD_PT_BBM_2)

_Thread_local struct adv_actor *adv_self;
struct adv_world *adv_now;

/* ---- chances ---- */

uint64_t adv_mix(uint64_t z)
{
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u; /* splitmix64 */
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

uint64_t adv_random(uint64_t *rng)
{
	return adv_mix(*rng += 0x9e3779b97f4a7c15u);
}

uint64_t adv_below(uint64_t *rng, uint64_t n)
{
	return adv_random(rng) % n;
}

bool adv_chance(uint64_t *rng, unsigned int percent)
{
	return adv_below(rng, 100) < percent;
}

/* ---- findings ---- */

bool adv_stopped(const struct adv_world *w)
{
	return __atomic_load_n(&w->stop, __ATOMIC_ACQUIRE);
}

void adv_stop(struct adv_world *w)
{
	__atomic_store_n(&w->stop, 1, __ATOMIC_RELEASE);
}

void adv_fail(struct adv_world *w, bool loss, const char *fmt, ...)
{
	va_list ap;

	if (!loss && w->cfg.only_losses) {
		adv_count(&w->res->others, 1);
		return;
	}
	pthread_mutex_lock(&w->lock);
	if (!w->res->failed) {
		va_start(ap, fmt);
		vsnprintf(w->res->what, sizeof(w->res->what), fmt, ap);
		va_end(ap);
		w->res->loss = loss;
		w->res->failed = true;
	}
	pthread_mutex_unlock(&w->lock);
	adv_stop(w);
}

void adv_note(struct adv_world *w, const char *fmt, ...)
{
	char line[200];
	va_list ap;

	if (!w->cfg.trace)
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	print_message("%8ju  %-10s %s\n", (uintmax_t)w->res->points, adv_self ? adv_self->name : "",
		      line);
}

void adv_count(uint64_t *counter, uint64_t n)
{
	__atomic_fetch_add((iod_word *)counter, n, __ATOMIC_RELAXED);
}

uint64_t adv_serial(struct adv_world *w)
{
	return __atomic_load_n(&w->serial, __ATOMIC_ACQUIRE);
}

uint64_t adv_next_serial(struct adv_world *w)
{
	return __atomic_add_fetch(&w->serial, 1, __ATOMIC_ACQ_REL);
}

uint64_t adv_iova(const struct adv_world *w, uint32_t page)
{
	return w->iova + page * w->page;
}

void adv_set_focus(struct adv_world *w, struct adv_range r, bool spare)
{
	__atomic_store_n(&w->spare, spare, __ATOMIC_RELAXED);
	__atomic_store_n(&w->focus, (uint64_t)r.page << 32 | r.nr, __ATOMIC_RELAXED);
}

/* ---- geometry ---- */

/* The smallest page, and of the larger ones some. */
static uint64_t choose_sizes(struct adv_world *w, uint64_t *rng)
{
	uint64_t all = w->cfg.v->sizes, smallest = all & -all, sizes = smallest, left, size, max;
	bool huge = !w->cfg.steps && adv_chance(rng, 6);
	uint64_t fit[64];
	unsigned int n = 0;

	max = smallest * (huge ? GROUP_PAGES_HUGE : GROUP_PAGES_MAX);
	for (left = all & ~smallest; left; left &= left - 1) {
		size = left & -left;
		if (size > max || size > (w->cfg.v->last - w->cfg.v->first) / GROUPS_MIN)
			break;
		fit[n++] = size;
		if (adv_chance(rng, n > 4 ? 25 : 60))
			sizes |= size;
	}
	if (sizes == smallest && n)
		sizes |= fit[adv_below(rng, n)];
	return sizes;
}

/* What hardware was declared to bear when page sizes change; ARM says so by a feature. */
static uint32_t choose_break(struct adv_world *w, uint64_t *rng)
{
	static const uint32_t level[3] = { IOD_PT_BBM_2, IOD_PT_BBM_1, 0 };
	enum iod_format f = w->cfg.v->format;
	uint32_t feature;

	if (f != IOD_ARM_LPAE_S1 && f != IOD_ARM_LPAE_S2) {
		if (adv_chance(rng, 8))
			w->resize_flags = IOD_RESIZE_ALLOW_FAULTS | IOD_RESIZE_BREAK;
		return 0;
	}
	feature = level[adv_below(rng, 3)];
	if (!feature)
		w->resize_flags = IOD_RESIZE_ALLOW_FAULTS;
	return feature;
}

static bool open_table(struct adv_world *w, uint64_t *rng)
{
	struct iod_mem_arena_cfg arena = { .size = sizeof(arena),
					   .window = IODT_32M,
					   .flags = IOD_ARENA_NO_HUGEPAGES };
	struct iod_pgtable_info info = { .size = sizeof(info) };
	struct iod_pgtable_cfg cfg;
	uint64_t left;

	if (iod_mem_create_arena(&w->mem, &arena))
		return false;
	cfg = iodt_cfg(w->cfg.v, w->mem);
	cfg.pgsize_bitmap = choose_sizes(w, rng);
	cfg.features |= choose_break(w, rng);
	cfg.kernels = iodt_kernels_nth(adv_random(rng));
	if (iod_pgtable_create(&w->pt, &cfg) || iod_pgtable_get_info(w->pt, &info))
		return false;
	w->sizes = left = info.pgsize_bitmap;
	w->page = left & -left;
	while (left & (left - 1))
		left &= left - 1;
	w->large = left;
	w->prune = info.features & IOD_PT_HW_TABLE_ACCESS && adv_chance(rng, 60);
	return true;
}

static void choose_places(struct adv_world *w, uint64_t *rng)
{
	const struct iodt_variant *v = w->cfg.v;
	uint64_t room = (v->last - v->first) / w->large;
	uint32_t pages = w->cfg.steps ? PAGES_ONE_BY_ONE : PAGES_BY_THREADS;

	w->group_pages = (uint32_t)(w->large / w->page);
	w->groups = pages / w->group_pages;
	if (w->groups < GROUPS_MIN)
		w->groups = GROUPS_MIN;
	if (w->groups > GROUPS_MAX)
		w->groups = GROUPS_MAX;
	w->iova = v->first;
	if (room > 8 * w->groups)
		w->iova += adv_below(rng, 3 * w->groups) * w->large;
	w->pages = w->groups * w->group_pages;
	w->frames = 2 * w->pages;
	w->pa = w->large * (1 + adv_below(rng, 3));
}

static bool open_pages(struct adv_world *w)
{
	uint32_t g;

	w->pg = calloc(w->pages, sizeof(*w->pg));
	w->group = calloc(w->groups, sizeof(*w->group));
	w->version = calloc(w->frames, sizeof(*w->version));
	w->good = calloc(w->frames, sizeof(*w->good));
	w->copy = calloc(w->frames, sizeof(*w->copy));
	w->writers = calloc(w->frames, sizeof(*w->writers));
	if (!w->pg || !w->group || !w->version || !w->good || !w->copy || !w->writers)
		return false;
	for (g = 0; g < w->groups; g++) {
		pthread_mutex_init(&w->group[g].lock, NULL);
		w->group[g].was = calloc(4, sizeof(*w->group[g].was));
		if (!w->group[g].was)
			return false;
		w->group[g].cap_was = 4;
		w->group[g].nr_was = 1;
		w->group[g].was[0] = (struct adv_was){ .since = 0, .pair = g };
	}
	for (g = 0; g < w->pages; g++)
		w->pg[g].frame = ADV_NOWHERE;
	return true;
}

/* Nearly everything is mapped; actors fill the holes later, and make new ones. */
static void populate(struct adv_world *w, uint64_t *rng)
{
	struct adv_range r = { 0, 0 };

	while (r.page < w->pages && !w->res->failed) {
		r.nr = adv_chance(rng, 70) ? w->group_pages
					   : 1 + (uint32_t)adv_below(rng, w->group_pages);
		if (r.nr > w->pages - r.page)
			r.nr = w->pages - r.page;
		adv_map_range(w, r, rng, NULL);
		r.page += r.nr;
	}
}

/* Some more tables are to be had, and then no more. */
static void grow_scarce(struct adv_world *w, uint64_t *rng)
{
	struct iod_mem_stats stats = { .size = sizeof(stats) };

	if (iod_mem_get_stats(w->mem, &stats) ||
	    iod_mem_set_limit(w->mem, stats.bytes + (1 + adv_below(rng, 6)) * 8192))
		adv_fail(w, false, "memory cannot be limited");
	w->scarce = true;
}

bool adv_open(struct adv_world *w, const struct adv_cfg *cfg, struct adv_result *res)
{
	const char *name = cfg->v->name;
	uint64_t rng;

	*w = (struct adv_world){ .cfg = *cfg, .res = res, .lock = PTHREAD_MUTEX_INITIALIZER };
	for (w->seed = cfg->seed; *name; name++)
		w->seed = adv_mix(w->seed + (unsigned char)*name);
	rng = w->seed;
	*res = (struct adv_result){ 0 };
	adv_now = w;
	if (!open_table(w, &rng))
		goto fail;
	choose_places(w, &rng);
	w->untracked = iodt_caps(cfg->v) & IODT_ARM && adv_chance(&rng, 15);
	if (!open_pages(w) || !adv_hw_open(w))
		goto fail;
	populate(w, &rng);
	w->flaky = adv_chance(&rng, 25);
	w->silent = UINT64_MAX;
	if (cfg->steps && adv_chance(&rng, 60))
		w->silent = cfg->steps / 4 + adv_below(&rng, cfg->steps);
	if (adv_chance(&rng, 15))
		grow_scarce(w, &rng);
	if (!adv_actors_open(w))
		goto fail;
	adv_note(w, "%s: pages %#jx, %u groups of %u, iova %#jx, resize flags %u%s%s%s%s",
		 cfg->v->name, (uintmax_t)w->sizes, w->groups, w->group_pages, (uintmax_t)w->iova,
		 w->resize_flags, w->prune ? ", prune" : "", w->untracked ? ", untracked" : "",
		 w->flaky ? ", flaky" : "", w->scarce ? ", scarce" : "");
	return !res->failed;
fail:
	adv_fail(w, false, "the world cannot be created");
	return false;
}

/* ---- the end ---- */

static void compare(struct adv_world *w)
{
	uint64_t at, pa;
	uint32_t f, p, lost = 0, which = 0;

	for (f = 0; f < w->frames; f++) {
		if (w->copy[f] < w->good[f]) {
			which = lost++ ? which : f;
		}
	}
	if (lost)
		adv_fail(w, true, "LOST %u pages; pa %#jx is at version %u, its copy at %u", lost,
			 (uintmax_t)(w->pa + which * w->page), w->good[which], w->copy[which]);
	for (p = 0; p < w->pages && !w->res->failed; p++) {
		at = adv_iova(w, p);
		if (iod_iova_to_phys(w->pt, at, &pa))
			pa = UINT64_MAX;
		if (pa != (w->pg[p].mapped ? w->pa + w->pg[p].frame * w->page : UINT64_MAX))
			adv_fail(w, false, "iova %#jx leads to %#jx", (uintmax_t)at, (uintmax_t)pa);
	}
}

void adv_last_pass(struct adv_world *w)
{
	struct adv_queue q = { .w = w };
	struct iod_sweep s = { .size = sizeof(s), .mode = IOD_SWEEP_CLEAR };
	uint64_t rng = adv_mix(w->seed + 1), since = adv_serial(w);
	struct iodt_bits bits;
	int ret;

	adv_note(w, "the last pass");
	w->flaky = false;
	iodt_bits_init(&bits, w->iova, w->pages * w->page, w->page);
	s.flags = IOD_SWEEP_FINAL;
	if (w->prune && adv_chance(&rng, 50))
		s.flags |= IOD_SWEEP_PRUNE;
	s.iova = w->iova;
	s.len = w->pages * w->page;
	s.bitmap = &bits.bm;
	s.gather = adv_gather(w, &q, &rng);
	ret = iod_sweep(w->pt, &s);
	if (!ret)
		ret = iod_gather_sync(s.gather);
	if (ret)
		adv_fail(w, false, "the last pass: %d", ret);
	adv_copy_bits(w, &bits, since);
	iodt_bits_free(&bits);
	if (iod_gather_destroy(s.gather))
		adv_fail(w, false, "the last gather is not empty");
	adv_iommu_close(&q);
	if (!w->res->failed)
		compare(w);
}

/* Nothing may be left over, but for what a broken world leaves. */
static void close_table(struct adv_world *w)
{
	struct iod_mem_stats stats = { .size = sizeof(stats) };
	struct iod_gather *gather = NULL;
	int ret = 0;

	if (w->pt && !iod_gather_create(&gather, w->pt, NULL)) {
		ret = iod_unmap(w->pt, w->iova, w->pages * w->page, 0, gather, NULL);
		if (ret == -ENOENT)
			ret = 0;
		if (!ret)
			ret = iod_gather_sync(gather);
		if (!ret)
			ret = iod_gather_destroy(gather);
	}
	if (!ret && w->pt)
		ret = iod_pgtable_destroy(w->pt);
	if (!ret && w->mem)
		ret = iod_mem_get_stats(w->mem, &stats);
	if (ret || stats.tables || stats.bytes || stats.pending)
		adv_fail(w, false, "left over (%d): %ju tables, %ju bytes, %ju pending", ret,
			 (uintmax_t)stats.tables, (uintmax_t)stats.bytes, (uintmax_t)stats.pending);
	if (w->mem && iod_mem_destroy(w->mem))
		adv_fail(w, false, "the memory is in use");
}

void adv_close(struct adv_world *w)
{
	uint32_t g;

	adv_actors_close(w);
	adv_hw_close(w);
	adv_now = NULL;
	close_table(w);
	for (g = 0; w->group && g < w->groups; g++) {
		pthread_mutex_destroy(&w->group[g].lock);
		free(w->group[g].was);
	}
	free(w->pg);
	free(w->group);
	free(w->version);
	free(w->good);
	free(w->copy);
	free(w->writers);
	pthread_mutex_destroy(&w->lock);
}
