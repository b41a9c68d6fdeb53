/* SPDX-License-Identifier: MIT */
/*
 * The run of `iodirty replay`: accesses go through a translation cache onto the table; at the end of
 * an interval the mapped extents are swept and the caches invalidated (docs/dirty.md, "The order"), and
 * what the sweep reports is held against the program's own record of what was written.
 */
#include "figures.h"
#include "replay.h"
#include "replay_heat.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define SOURCE_SLOTS (REPLAY_SOURCES * 4)

void replay_complain(const struct replay *replay, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "iodirty replay: %s:%" PRIu64 ": ", replay->trace.name, replay->trace.line);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

static int cannot(const char *what, int error)
{
	fprintf(stderr, "iodirty replay: %s: %s\n", what, strerror(-error));
	return EXIT_CANNOT;
}

/* --- Devices -----------------------------------------------------------------------------------*/

/* Signature of iod_inv_ops.invalidate: every cache obeys. */
static int invalidate(void *cookie, const struct iod_inv *inv, size_t nr)
{
	struct replay *replay = cookie;
	unsigned i;
	int ret = 0;

	if (replay->opts->skip_invalidate)
		return 0;
	if (replay->iotlb)
		ret = iod_iotlb_invalidate(replay->iotlb, inv, nr);
	for (i = 0; !ret && i < replay->nr_sources; i++)
		if (replay->sources[i].atc)
			ret = iod_iotlb_invalidate(replay->sources[i].atc, inv, nr);
	return ret;
}

static int create_cache(const struct replay *replay, struct iod_iotlb **cache)
{
	const struct replay_opts *opts = replay->opts;
	struct iod_iotlb_cfg cfg = {
		.size = sizeof(cfg),
		.entries = opts->iotlb,
		.flags = opts->ats ? IOD_IOTLB_ATC : 0,
		.seed = opts->seed + replay->nr_sources,
	};

	return iod_iotlb_create(cache, &cfg);
}

/* FNV-1a */
static unsigned name_slot(const char *name)
{
	uint32_t hash = 2166136261u;

	for (; *name; name++)
		hash = (hash ^ (unsigned char)*name) * 16777619u;
	return hash % SOURCE_SLOTS;
}

static int add_source(struct replay *replay, const char *name, unsigned slot)
{
	struct replay_source *source = &replay->sources[replay->nr_sources];
	int ret;

	if (replay->nr_sources == REPLAY_SOURCES) {
		replay_complain(replay, "more than %d sources", REPLAY_SOURCES);
		return EXIT_CANNOT;
	}
	strcpy(source->name, name);
	ret = replay->opts->ats ? create_cache(replay, &source->atc) : 0;
	if (ret)
		return cannot("cannot create an ATC", ret);
	replay->source = replay->nr_sources++;
	replay->source_slots[slot] = replay->nr_sources;
	return 0;
}

/* Sets replay->source, mostly the same as before. */
static int find_source(struct replay *replay, const char *name)
{
	unsigned slot;

	if (replay->nr_sources && !strcmp(replay->sources[replay->source].name, name))
		return 0;
	for (slot = name_slot(name); replay->source_slots[slot]; slot = (slot + 1) % SOURCE_SLOTS) {
		replay->source = replay->source_slots[slot] - 1;
		if (!strcmp(replay->sources[replay->source].name, name))
			return 0;
	}
	return add_source(replay, name, slot);
}

/* --- Accesses ----------------------------------------------------------------------------------*/

/* One piece of an access, as it was translated: all of it must lie where its region was mapped to. */
static int move(void *cookie, uint64_t pa, uint64_t len, uint64_t offset)
{
	struct replay *replay = cookie;
	uint64_t iova = replay->access.iova + offset, inside = iova & (REPLAY_REGION - 1);
	struct replay_region *region = replay_space_find(&replay->space, iova >> REPLAY_REGION_LG2);

	if (!region || !replay_region_lies(region, inside, len, pa)) {
		replay->totals.misplaced++;
		return 0;
	}
	replay_record(region->touched, inside, len);
	if (replay->access.write)
		replay_record(region->written, inside, len);
	region->sources |= 1ull << replay->source % 64;
	return 0;
}

static void count_access(struct replay *replay)
{
	struct replay_source *source = &replay->sources[replay->source];
	uint64_t len = replay->access.len;

	if (replay->access.write) {
		source->writes++;
		source->bytes_written += len;
		replay->now.writes++;
		replay->now.bytes_written += len;
	} else {
		source->reads++;
		source->bytes_read += len;
		replay->now.reads++;
		replay->now.bytes_read += len;
	}
}

static int map_access(struct replay *replay)
{
	const struct trace_access *access = &replay->access;
	int ret = replay_space_map(&replay->space, access->iova, access->len);
	char limit[FIGURE_LEN];

	if (ret == -E2BIG) {
		replay_complain(replay,
				"the trace touches more than %s, in pieces of 2 MiB; see --limit",
				figure_bytes(limit, replay->opts->limit));
		return EXIT_CANNOT;
	}
	if (ret)
		replay_complain(replay, "%s: %s", replay->space.what, strerror(-ret));
	return ret ? EXIT_CANNOT : 0;
}

static int do_access(struct replay *replay)
{
	const struct trace_access *access = &replay->access;
	struct iod_fault fault = { 0 };
	struct iod_iotlb *cache;
	int ret = find_source(replay, access->source);

	if (!ret)
		ret = map_access(replay);
	if (ret)
		return ret;
	cache = replay->opts->ats ? replay->sources[replay->source].atc : replay->iotlb;
	ret = iod_iotlb_dma(cache, replay->space.pt, access->iova, access->len,
			    access->write ? IOD_ACCESS_WRITE : IOD_ACCESS_READ, move, replay, NULL,
			    &fault);
	if (ret && !replay->totals.faults++) {
		replay->totals.fault = fault;
		replay->totals.fault_line = replay->trace.line;
	}
	count_access(replay);
	return 0;
}

/* The driver unmaps what its device may have written; all that follows is mapped elsewhere. */
static int do_unmap(struct replay *replay)
{
	uint64_t before = replay->space.unmapped;
	int ret = find_source(replay, replay->access.source);

	if (ret)
		return ret;
	ret = replay_space_unmap(&replay->space, replay->access.iova, replay->access.len);
	if (ret) {
		replay_complain(replay, "%s: %s", replay->space.what, strerror(-ret));
		return EXIT_CANNOT;
	}
	replay->now.unmaps++;
	replay->now.unmapped += replay->space.unmapped - before;
	return 0;
}

/* --- The end of an interval --------------------------------------------------------------------*/

static int sweep(struct replay *replay)
{
	struct replay_space *space = &replay->space;
	struct replay_interval *now = &replay->now;
	uint64_t began = figure_now();
	size_t i;

	for (i = 0; i < space->nr_extents; i++) {
		struct replay_extent *extent = &space->extents[i];
		struct iod_sweep sweep = {
			.size = sizeof(sweep),
			.mode = replay->opts->read ? IOD_SWEEP_READ : IOD_SWEEP_CLEAR,
			.flags = replay->opts->prune ? IOD_SWEEP_PRUNE : 0,
			.iova = extent->bitmap.base_iova,
			.len = (uint64_t)extent->nr << REPLAY_REGION_LG2,
			.bitmap = &extent->bitmap,
			.gather = replay->opts->read ? NULL : replay->gather,
		};
		int ret = iod_sweep(space->pt, &sweep);

		if (!ret && sweep.bad)
			ret = -EFAULT;
		if (ret)
			return cannot("cannot sweep", ret);
		now->items += sweep.items;
		now->cleaned += sweep.cleaned;
		now->pruned += sweep.pruned;
	}
	now->sweep_ns = figure_now() - began;
	return 0;
}

static int sync_caches(struct replay *replay)
{
	struct iod_gather_info before = { .size = sizeof(before) };
	struct iod_gather_info after = { .size = sizeof(after) };
	uint64_t began = figure_now();
	int ret;

	iod_gather_get_info(replay->gather, &before);
	ret = replay_space_sync(&replay->space);
	iod_gather_get_info(replay->gather, &after);
	replay->now.sync_ns = figure_now() - began;
	replay->now.invalidations = after.invalidations - before.invalidations;
	return ret ? cannot("cannot invalidate", ret) : 0;
}

static void report_lost(struct replay *replay, const struct replay_region *region,
			const uint64_t lost[REPLAY_WORDS])
{
	const unsigned char *bytes = (const unsigned char *)lost;
	unsigned page;

	for (page = 0; page < REPLAY_REGION_PAGES; page++) {
		if (!(bytes[page / 8] & 1u << page % 8))
			continue;
		if (replay->totals.sum.lost + replay->now.lost++ < REPLAY_SHOWN)
			replay_report_lost(replay->report, replay,
					   (region->index << REPLAY_REGION_LG2) +
						   page * REPLAY_PAGE);
	}
}

/* The sweep's word against the program's own. */
static void check_region(struct replay *replay, const struct replay_extent *extent,
			 struct replay_region *region)
{
	struct replay_interval *now = &replay->now;
	uint64_t reported[REPLAY_WORDS], lost[REPLAY_WORDS], needless[REPLAY_WORDS];
	uint64_t delivered[REPLAY_WORDS] = { 0 }, written[REPLAY_WORDS];
	bool any_lost = false, any = false;
	unsigned i;

	replay_space_reported(&replay->space, &extent->bitmap, region, reported);
	if (region->delivery.words && !replay->opts->forget_unmapped)
		replay_space_reported(&replay->space, &region->delivery, region, delivered);
	for (i = 0; i < REPLAY_WORDS; i++) {
		lost[i] = (region->written[i] & ~reported[i]) |
			  (region->written_gone[i] & ~delivered[i]);
		now->delivered += (unsigned)__builtin_popcountll(delivered[i]);
		now->past += (unsigned)__builtin_popcountll(delivered[i] & ~reported[i]);
		reported[i] |= delivered[i];
		written[i] = region->written[i] | region->written_gone[i];
		needless[i] = reported[i] & ~written[i];
		any_lost |= lost[i] != 0;
		any |= reported[i] != 0;
	}
	if (any_lost)
		report_lost(replay, region, lost);
	region->clean = any ? 0 : region->clean + now->nr;
	now->working_set += replay_count(region->touched);
	now->written += replay_count(written);
	now->dirty += replay_count(reported);
	now->needless += replay_count(needless);
	if (replay->heat)
		replay_heat_add(replay->heat, now->index, region, reported);
	memset(region->touched, 0, sizeof(region->touched));
	memset(region->written_gone, 0, sizeof(region->written_gone));
	memset(region->delivered, 0, sizeof(region->delivered));
	if (!replay->opts->read)
		memset(region->written, 0, sizeof(region->written));
}

static void check(struct replay *replay)
{
	struct replay_space *space = &replay->space;
	size_t i, j;

	for (i = 0; i < space->nr_extents; i++) {
		const struct replay_extent *extent = &space->extents[i];

		for (j = 0; j < extent->nr; j++)
			check_region(replay, extent, space->sorted[extent->first + j]);
	}
}

static void count_cache(struct replay *replay)
{
	uint64_t hits = 0, misses = 0;
	unsigned i;

	for (i = 0; i <= replay->nr_sources; i++) {
		struct iod_iotlb *cache =
			i < replay->nr_sources ? replay->sources[i].atc : replay->iotlb;
		struct iod_iotlb_stats stats = { .size = sizeof(stats) };

		if (!cache || iod_iotlb_get_stats(cache, &stats))
			continue;
		hits += stats.hits;
		misses += stats.misses;
	}
	replay->now.hits = hits - replay->seen_hits;
	replay->now.misses = misses - replay->seen_misses;
	replay->seen_hits = hits;
	replay->seen_misses = misses;
}

static void add_to_totals(struct replay *replay)
{
	const struct replay_interval *now = &replay->now;
	struct replay_totals *totals = &replay->totals;
	struct replay_interval *sum = &totals->sum;

	sum->nr += now->nr;
	sum->reads += now->reads;
	sum->writes += now->writes;
	sum->bytes_read += now->bytes_read;
	sum->bytes_written += now->bytes_written;
	sum->working_set += now->working_set;
	sum->written = replay->opts->read ? now->written : sum->written + now->written;
	sum->dirty += now->dirty;
	sum->fresh += now->fresh;
	sum->needless += now->needless;
	sum->lost += now->lost;
	sum->unmaps += now->unmaps;
	sum->unmapped += now->unmapped;
	sum->delivered += now->delivered;
	sum->splits += now->splits;
	sum->merges += now->merges;
	sum->hits += now->hits;
	sum->misses += now->misses;
	sum->items += now->items;
	sum->cleaned += now->cleaned;
	sum->pruned += now->pruned;
	sum->sweep_ns += now->sweep_ns;
	sum->sync_ns += now->sync_ns;
	sum->invalidations += now->invalidations;
	totals->sweeps++;
	if (now->working_set > totals->most_touched)
		totals->most_touched = now->working_set;
	if (!now->reads && !now->writes)
		totals->idle += now->nr;
	replay_hist_add(&totals->dirty_pages, now->fresh, now->nr);
	replay_hist_add(&totals->sweep_ns, now->sweep_ns, 1);
}

/* Splits what the sweep found dirty, or merges what was clean for long. */
static int change_sizes(struct replay *replay, bool merge)
{
	struct replay_space *space = &replay->space;
	size_t i, j;
	int ret = 0;

	if (merge ? !replay->opts->merge_after : replay->opts->policy != REPLAY_ON_DIRTY)
		return 0;
	for (i = 0; i < space->nr_extents && !ret; i++) {
		const struct replay_extent *extent = &space->extents[i];

		for (j = 0; j < extent->nr && !ret; j++) {
			struct replay_region *region = space->sorted[extent->first + j];

			ret = merge ? replay_space_merge_clean(space, region)
				    : replay_space_split_dirty(space, extent, region);
		}
	}
	return ret ? cannot(space->what, ret) : 0;
}

/* Sweep, sync, and only then look at the bitmap. */
static int end_interval(struct replay *replay, uint64_t *dirty_before)
{
	struct replay_interval *now = &replay->now;
	int ret = replay_space_lay_out(&replay->space);

	if (ret)
		return cannot(replay->space.what, ret);
	count_cache(replay);
	ret = sweep(replay);
	if (!ret)
		ret = change_sizes(replay, false);
	if (!ret)
		ret = sync_caches(replay);
	if (ret)
		return ret;
	check(replay);
	ret = change_sizes(replay, true);
	if (ret)
		return ret;
	now->splits = replay->space.splits - replay->seen_splits;
	now->merges = replay->space.merges - replay->seen_merges;
	replay->seen_splits = replay->space.splits;
	replay->seen_merges = replay->space.merges;
	/* What is never cleaned is reported every time, until it is unmapped. */
	now->fresh = now->dirty;
	if (replay->opts->read)
		now->fresh -= *dirty_before < now->dirty ? *dirty_before : now->dirty;
	*dirty_before = now->dirty - now->past;
	add_to_totals(replay);
	if (replay->heat)
		replay_heat_column(replay->heat, now);
	replay_report_interval(replay->report, replay);
	return 0;
}

static int next_interval(struct replay *replay, uint64_t index, uint64_t nr, uint64_t *dirty_before)
{
	int ret = end_interval(replay, dirty_before);

	memset(&replay->now, 0, sizeof(replay->now));
	replay->now.index = index;
	replay->now.nr = nr;
	return ret;
}

/* Intervals in which nothing happens are all alike: the first is swept, for the others. */
static int advance(struct replay *replay, uint64_t *dirty_before)
{
	uint64_t index = (replay->access.time_ns - replay->first_ns) / replay->opts->interval_ns;
	uint64_t idle = index - replay->now.index;
	int ret = 0;

	if (idle > 1)
		ret = next_interval(replay, replay->now.index + 1, idle - 1, dirty_before);
	if (!ret && idle)
		ret = next_interval(replay, index, 1, dirty_before);
	return ret;
}

/* --- The run -----------------------------------------------------------------------------------*/

/* A line that cannot be used. @return 0 to go on */
static int bad_line(struct replay *replay, const char *why)
{
	if (!replay->opts->skip_bad) {
		replay_complain(replay, "%s", why);
		return EXIT_BAD;
	}
	if (replay->totals.bad++ < REPLAY_SHOWN)
		replay_complain(replay, "skipped: %s", why);
	return 0;
}

static int take_access(struct replay *replay, uint64_t *dirty_before)
{
	const struct trace_access *access = &replay->access;
	char text[REPLAY_REFUSAL];
	int ret;

	if (!replay_space_has(&replay->space, access->iova, access->len)) {
		replay_space_refusal(&replay->space, access->iova, access->len, text);
		return bad_line(replay, text);
	}
	if (!replay->now.nr) {
		replay->first_ns = access->time_ns;
		replay->now.nr = 1;
	}
	ret = advance(replay, dirty_before);
	if (ret)
		return ret;
	return access->unmap ? do_unmap(replay) : do_access(replay);
}

static int take_line(struct replay *replay, enum trace_got got, uint64_t *dirty_before)
{
	switch (got) {
	case TRACE_ACCESS:
		return take_access(replay, dirty_before);
	case TRACE_MALFORMED:
		return bad_line(replay, replay->trace.why);
	case TRACE_UNREADABLE:
		fprintf(stderr, "iodirty replay: %s: %s\n", replay->trace.name, strerror(errno));
		return EXIT_BAD;
	case TRACE_END:
		break;
	}
	return 0;
}

bool replay_passed(const struct replay_totals *totals)
{
	return !totals->sum.lost && !totals->faults && !totals->misplaced;
}

int replay_run(struct replay *replay)
{
	uint64_t dirty_before = 0;
	enum trace_got got;
	int ret;

	do {
		got = trace_next(&replay->trace, &replay->access);
		ret = take_line(replay, got, &dirty_before);
	} while (!ret && got != TRACE_END);
	if (!ret && !replay->now.nr) {
		fprintf(stderr, "iodirty replay: %s: no accesses in it\n", replay->trace.name);
		ret = EXIT_BAD;
	}
	if (!ret)
		ret = end_interval(replay, &dirty_before);
	replay->stopped = ret != 0;
	return ret;
}

int replay_create(struct replay *replay, const struct replay_opts *opts)
{
	static const struct iod_inv_ops ops = { .size = sizeof(ops), .invalidate = invalidate };
	struct iod_gather_cfg cfg = { .size = sizeof(cfg), .ops = &ops, .cookie = replay };
	int ret;

	replay->opts = opts;
	ret = replay_space_create(&replay->space, opts);
	if (ret)
		return cannot(replay->space.what, ret);
	replay->sources = calloc(REPLAY_SOURCES, sizeof(*replay->sources));
	replay->source_slots = calloc(SOURCE_SLOTS, sizeof(*replay->source_slots));
	if (!replay->sources || !replay->source_slots ||
	    replay_hist_create(&replay->totals.dirty_pages) ||
	    replay_hist_create(&replay->totals.sweep_ns))
		return cannot("replay", -ENOMEM);
	ret = iod_gather_create(&replay->gather, replay->space.pt, &cfg);
	if (!ret && !opts->ats)
		ret = create_cache(replay, &replay->iotlb);
	if (ret)
		return cannot("cannot create an IOTLB", ret);
	replay->space.gather = replay->gather;
	ret = replay_space_map_first(&replay->space);
	return ret ? cannot(replay->space.what, ret) : 0;
}

void replay_destroy(struct replay *replay)
{
	unsigned i;

	for (i = 0; i < replay->nr_sources; i++)
		if (replay->sources[i].atc)
			iod_iotlb_destroy(replay->sources[i].atc);
	if (replay->iotlb)
		iod_iotlb_destroy(replay->iotlb);
	if (replay->gather) {
		iod_gather_sync(replay->gather);
		iod_gather_destroy(replay->gather);
	}
	replay_space_destroy(&replay->space);
	free(replay->sources);
	free(replay->source_slots);
	free(replay->totals.dirty_pages.counts);
	free(replay->totals.sweep_ns.counts);
}
