/* SPDX-License-Identifier: MIT */
/*
 * The migration of `iodirty precopy`, by the protocol of docs/dirty.md:
 *
 *   start   sweep (clean everything), sync, copy everything
 *   round   sweep (clean, into the bitmap), split large pages that were dirty (if that is the
 *           policy), sync: the caches have let go of what was cleaned and split, and only now copy
 *           what the bitmap says
 *   final   stop the agents, invalidate everything, then sweep, sync, copy
 *
 * The link is modelled by waiting, so that the agents dirty memory while pages are on their way.
 */
#include "precopy_model.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SWEEP_BUDGET   (1u << 20) /* items between looks at the terminal */
#define COPY_CHUNK     256	  /* pages between looks at the clock */
#define LINK_SLACK_NS  200000u	  /* a shorter wait is not worth a sleep */
#define WARM_UP_NS     (50 * 1000000ull)
#define STALLED_ROUNDS 3

struct migration {
	const struct precopy_opts *opts;
	struct precopy_report *rep;
	struct precopy_result *res;
	struct precopy_vm vm;
	struct iod_gather *gather;
	struct iod_bitmap bitmap;
	uint64_t *bits;
	uint64_t bits_len;
	uint64_t began_ns;
	uint64_t link_free_ns; /* when the link has sent all that it was given */
	uint64_t chunk;	       /* pages not yet given to the link */
	uint64_t copied;       /* pages of this round */
	uint64_t to_copy;
	uint64_t large; /* large pages that the sweep found dirty */
	unsigned round;
	bool everything; /* copied regardless of the bitmap */
};

static int migration_fail(struct migration *m, const char *what, int ret)
{
	if (ret && !m->res->error) {
		m->res->error = ret;
		m->res->what = what;
	}
	return ret;
}

/* --- Copy --------------------------------------------------------------------------------------*/

static void link_wait(struct migration *m, uint64_t slack_ns)
{
	uint64_t now = figure_now();

	if (m->link_free_ns > now + slack_ns)
		precopy_sleep(m->link_free_ns - now);
}

/* Within a round the link never idles: who slept too long finds that it has sent meanwhile. */
static void link_send(struct migration *m)
{
	m->link_free_ns += m->chunk * PRECOPY_PAGE * 1000000000u / m->opts->bandwidth;
	m->chunk = 0;
	link_wait(m, LINK_SLACK_NS);
	precopy_report_progress(m->rep, m->round, "copy", m->copied, m->to_copy);
}

static void copy_page(struct migration *m, uint64_t page)
{
	struct precopy_vm *vm = &m->vm;
	uint32_t version = atomic_load_explicit(&vm->version[page], memory_order_acquire);

	m->res->rounds[m->round].changed += version != vm->dest[page];
	vm->dest[page] = version;
	if (page >= vm->writable && !m->everything)
		m->res->read_dirtied++;
	m->copied++;
	if (++m->chunk == COPY_CHUNK)
		link_send(m);
}

static void copy_run(struct migration *m, uint64_t iova, uint64_t len)
{
	uint64_t page = iova >> PRECOPY_PAGE_LG2;
	uint64_t end = page + (len >> PRECOPY_PAGE_LG2);

	for (; page < end; page++)
		copy_page(m, page);
}

static void copy(struct migration *m)
{
	struct precopy_round *round = &m->res->rounds[m->round];
	uint64_t began = figure_now(), iova = 0, len;

	m->link_free_ns = began;
	m->copied = 0;
	m->to_copy = round->dirty;
	if (m->everything) {
		copy_run(m, 0, m->opts->memory);
	} else {
		for (; !iod_bitmap_next(&m->bitmap, &iova, &len); iova += len)
			copy_run(m, iova, len);
	}
	if (m->chunk)
		link_send(m);
	link_wait(m, 0);
	round->copy_ns = figure_now() - began;
}

/* --- Sweep and sync ----------------------------------------------------------------------------*/

/* The last pass begins with an invalidation of everything: what was still under way becomes visible. */
static int sweep(struct migration *m, bool final)
{
	struct precopy_round *round = &m->res->rounds[m->round];
	struct iod_sweep sweep = {
		.size = sizeof(sweep),
		.mode = IOD_SWEEP_CLEAR,
		.bitmap = &m->bitmap,
		.gather = m->gather,
		.budget = SWEEP_BUDGET,
		.flags = final ? IOD_SWEEP_FINAL : 0,
	};
	uint64_t began;
	int ret;

	m->large = 0;
	memset(m->bits, 0, (size_t)m->bits_len);
	while (sweep.iova < m->opts->memory) {
		sweep.len = m->opts->memory - sweep.iova;
		began = figure_now();
		ret = iod_sweep(m->vm.pt, &sweep);
		round->sweep_ns += figure_now() - began;
		round->items += sweep.items;
		m->large += sweep.large;
		if (!ret && (sweep.bad || !sweep.done))
			ret = -EFAULT;
		if (ret)
			return migration_fail(m, "cannot sweep", ret);
		sweep.iova = sweep.next_iova;
		sweep.flags = 0;
		precopy_report_progress(m->rep, m->round, "sweep", sweep.iova, m->opts->memory);
	}
	precopy_vm_take_delivered(&m->vm, &m->bitmap);
	round->dirty = m->everything ? m->vm.pages : iod_bitmap_count(&m->bitmap);
	return 0;
}

static int sync_caches(struct migration *m)
{
	struct precopy_round *round = &m->res->rounds[m->round];
	struct iod_gather_info before = { .size = sizeof(before) };
	struct iod_gather_info after = { .size = sizeof(after) };
	uint64_t began = figure_now();
	int ret;

	iod_gather_get_info(m->gather, &before);
	ret = iod_gather_sync(m->gather);
	iod_gather_get_info(m->gather, &after);
	round->sync_ns = figure_now() - began;
	round->invalidations += after.invalidations - before.invalidations;
	return migration_fail(m, "cannot invalidate", ret);
}

/* --- Split -------------------------------------------------------------------------------------*/

/* What is mapped in the range becomes pages of 4 KiB, while the agents write. */
static int split(struct migration *m, uint64_t iova, uint64_t len, uint64_t *pages)
{
	struct iod_resize resize = {
		.size = sizeof(resize),
		.page_size = PRECOPY_PAGE,
		.gather = m->gather,
		.budget = SWEEP_BUDGET,
	};
	uint64_t end = iova + len;
	int ret;

	while (iova < end) {
		resize.iova = iova;
		resize.len = end - iova;
		ret = iod_split_range(m->vm.pt, &resize);
		if (!ret && !resize.done)
			ret = -EFAULT;
		if (ret)
			return migration_fail(m, "cannot split", ret);
		*pages += resize.entries;
		iova = resize.next_iova;
	}
	return 0;
}

static int split_everything(struct migration *m)
{
	uint64_t began = figure_now();
	int ret = split(m, 0, m->opts->memory, &m->res->eager_split);

	if (!ret)
		ret = migration_fail(m, "cannot invalidate", iod_gather_sync(m->gather));
	m->res->eager_ns = figure_now() - began;
	return ret;
}

/* A dirty page sets a bit for each of its 4 KiB pieces, so large ones are in long runs only. */
static int split_dirty(struct migration *m)
{
	struct precopy_round *round = &m->res->rounds[m->round];
	uint64_t iova = 0, len, large = precopy_vm_large(&m->vm), began = figure_now();
	int ret = 0;

	if (m->res->policy != PRECOPY_ON_DIRTY || !m->large)
		return 0;
	for (; !ret && !iod_bitmap_next(&m->bitmap, &iova, &len); iova += len)
		if (len >= large)
			ret = split(m, iova, len, &round->split);
	round->split_ns = figure_now() - began;
	return ret;
}

/* The order is the point of it all: nothing is copied before the caches have let go. */
static int sweep_sync_copy(struct migration *m)
{
	int ret = sweep(m, false);

	/* One invalidation for what was cleaned and what was split. */
	if (!ret)
		ret = split_dirty(m);
	if (ret)
		return ret;
	if (m->opts->violation == PRECOPY_BREAK_COPY_BEFORE_SYNC) {
		copy(m);
		return sync_caches(m);
	}
	ret = sync_caches(m);
	if (!ret)
		copy(m);
	return ret;
}

/* --- Rounds ------------------------------------------------------------------------------------*/

static void round_begin(struct migration *m)
{
	struct precopy_round *round = &m->res->rounds[m->round];

	memset(round, 0, sizeof(*round));
	round->start_ns = figure_now() - m->began_ns;
}

static void round_end(struct migration *m, bool final)
{
	struct precopy_result *res = m->res;
	struct precopy_round *round = &res->rounds[m->round];

	res->sent += round->dirty;
	if (!m->everything) {
		res->reported += round->dirty;
		res->changed += round->changed;
	}
	res->nr_rounds = ++m->round;
	precopy_report_round(m->rep, res, round, final);
}

uint64_t precopy_threshold(const struct precopy_opts *opts)
{
	return opts->bandwidth / 1000 * (opts->downtime_ns / 1000) / 1000;
}

/* Whether to stop the VM after the round just done. */
static bool pre_copy_over(struct migration *m, uint64_t *least, unsigned *idle)
{
	uint64_t dirty = m->res->rounds[m->round - 1].dirty;

	if (dirty * PRECOPY_PAGE <= precopy_threshold(m->opts)) {
		m->res->end = PRECOPY_CONVERGED;
		return true;
	}
	*idle = dirty < *least - *least / 20 ? 0 : *idle + 1;
	if (dirty < *least)
		*least = dirty;
	if (*idle == STALLED_ROUNDS) {
		m->res->end = PRECOPY_STALLED;
		return true;
	}
	m->res->end = PRECOPY_ROUNDS;
	return m->round >= m->opts->max_rounds;
}

static int live_rounds(struct migration *m)
{
	uint64_t least = UINT64_MAX;
	unsigned idle = 0;
	int ret;

	m->everything = true;
	do {
		round_begin(m);
		ret = sweep_sync_copy(m);
		if (ret)
			return ret;
		round_end(m, false);
		m->everything = false;
	} while (!pre_copy_over(m, &least, &idle));
	return 0;
}

static int final_pass(struct migration *m)
{
	uint64_t began;
	int ret;

	round_begin(m);
	began = figure_now();
	precopy_vm_stop(&m->vm, &m->res->did);
	ret = sweep(m, true);
	if (!ret)
		ret = sync_caches(m);
	if (ret)
		return ret;
	copy(m);
	m->res->downtime_ns = figure_now() - began;
	round_end(m, true);
	return 0;
}

/* --- Checks ------------------------------------------------------------------------------------*/

static void verify(struct migration *m)
{
	struct precopy_result *res = m->res;
	struct precopy_vm *vm = &m->vm;
	uint64_t page;

	for (page = 0; page < vm->pages; page++) {
		uint32_t version = atomic_load_explicit(&vm->version[page], memory_order_relaxed);

		res->version_sum += version - 1;
		if (version == vm->dest[page])
			continue;
		if (res->lost < PRECOPY_LOST_SHOWN)
			res->lost_shown[res->lost] =
				(struct precopy_lost){ page, version, vm->dest[page] };
		res->lost++;
	}
}

bool precopy_passed(const struct precopy_result *res)
{
	return !res->error && !res->did.error && !res->lost && !res->read_dirtied &&
	       !res->did.misplaced && res->version_sum == res->did.writes;
}

static int migration_create(struct migration *m, enum iod_format format)
{
	struct iod_gather_cfg cfg;
	struct iod_pgtable_info info = { .size = sizeof(info) };
	int ret;

	ret = precopy_vm_create(&m->vm, m->opts, format, m->res->policy);
	if (ret)
		return migration_fail(m, m->vm.what, ret);
	m->res->map_ns = m->vm.map_ns;
	m->bits_len = iod_bitmap_bytes(m->opts->memory, PRECOPY_PAGE);
	m->bits = calloc(1, (size_t)m->bits_len);
	if (!m->bits)
		return migration_fail(m, "cannot allocate the bitmap", -ENOMEM);
	ret = iod_bitmap_init(&m->bitmap, 0, m->opts->memory, PRECOPY_PAGE, m->bits, m->bits_len,
			      0);
	precopy_vm_gather(&m->vm, &cfg);
	if (!ret)
		ret = iod_gather_create(&m->gather, m->vm.pt, &cfg);
	if (!ret)
		ret = iod_pgtable_get_info(m->vm.pt, &info);
	m->res->pages = m->vm.pages;
	m->res->read_only = m->vm.pages - m->vm.writable;
	m->res->table_bytes = info.table_bytes;
	return migration_fail(m, "cannot create the gather", ret);
}

static int migration_run(struct migration *m)
{
	int ret;

	precopy_report_head(m->rep, m->res);
	ret = precopy_vm_start(&m->vm);
	if (ret)
		return migration_fail(m, m->vm.what, ret);
	precopy_sleep(WARM_UP_NS);
	m->began_ns = figure_now();
	ret = m->res->policy == PRECOPY_EAGER ? split_everything(m) : 0;
	if (!ret)
		ret = live_rounds(m);
	if (!ret)
		ret = final_pass(m);
	m->res->total_ns = figure_now() - m->began_ns;
	if (!ret)
		verify(m);
	return ret;
}

enum precopy_exit precopy_migrate(const struct precopy_opts *opts, enum iod_format format,
				  enum precopy_policy policy, struct precopy_report *rep,
				  struct precopy_result *res)
{
	struct migration m = { .opts = opts, .rep = rep, .res = res };
	int ret;

	memset(res, 0, sizeof(*res));
	res->format = format;
	res->policy = policy;
	res->name = iod_format_name(format);
	precopy_report_begin(rep, res);
	ret = migration_create(&m, format);
	if (!ret)
		ret = migration_run(&m);
	if (m.vm.running)
		precopy_vm_stop(&m.vm, &res->did);
	if (m.gather) {
		/* After an error something may still wait; only the tables' end matters now. */
		iod_gather_sync(m.gather);
		iod_gather_destroy(m.gather);
	}
	precopy_iommu_did(m.vm.iommu, &res->did.commands);
	precopy_vm_destroy(&m.vm);
	free(m.bits);
	precopy_report_end(rep, res);
	if (ret)
		return PRECOPY_CANNOT;
	return precopy_passed(res) ? PRECOPY_OK : PRECOPY_LOST;
}
