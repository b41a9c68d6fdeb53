/* SPDX-License-Identifier: MIT */
/* The log's life: creation, start and stop, marks from outside, rollback. */
#include "dirty/log.h"

#include <errno.h>

#define DEFAULT_GRANULE 4096u
#define DEFAULT_STAGING (256u << 10)

int iod_log_bits(const struct iod_dirty_log *log, uint64_t iova, uint64_t len, uint64_t *first,
		 uint64_t *last)
{
	uint64_t off = iova - log->base;

	if (!len)
		return -EINVAL;
	if (iova < log->base || off >> log->granule_lg2 >= log->nbits || len - 1 > UINT64_MAX - off)
		return -ERANGE;
	*first = off >> log->granule_lg2;
	*last = (off + (len - 1)) >> log->granule_lg2;
	return *last < log->nbits ? 0 : -ERANGE;
}

/* ---- creation ---- */

static int log_config(struct iod_dirty_log_cfg *cfg, const struct iod_dirty_log_cfg *user)
{
	int ret = iod_struct_in(cfg, sizeof(*cfg), user, sizeof(*cfg));

	if (ret)
		return ret;
	if (!cfg->granule)
		cfg->granule = DEFAULT_GRANULE;
	if (!cfg->staging)
		cfg->staging = DEFAULT_STAGING;
	if (cfg->flags || cfg->reserved || !iod_bitmap_bytes(cfg->len, cfg->granule) ||
	    cfg->iova & (cfg->granule - 1) || !is_pow2(cfg->staging) || cfg->staging < 8)
		return -EINVAL;
	return cfg->len - 1 > UINT64_MAX - cfg->iova ? -ERANGE : 0;
}

static uint64_t *words_alloc(const struct iod_dirty_log *log, uint64_t n)
{
	return n > SIZE_MAX / 8 ? NULL : iod_zalloc(&log->allocator, (size_t)n * 8);
}

static void words_free(struct iod_dirty_log *log, uint64_t *words, uint64_t n)
{
	iod_zfree(&log->allocator, words, (size_t)n * 8);
}

static void log_free(struct iod_dirty_log *log)
{
	words_free(log, log->pending, log->nr_words);
	words_free(log, log->hint, log->nr_hints);
	words_free(log, log->stage, log->stage_words);
	words_free(log, log->odd, log->stage_words);
	iod_zfree(&log->allocator, log, sizeof(*log));
}

static int log_alloc(struct iod_dirty_log *log, uint64_t staging)
{
	log->nr_words = log->nbits / 64 + (log->nbits % 64 != 0);
	log->nr_hints = (log->nbits - 1) / LOG_BLOCK_BITS / 64 + 1;
	log->stage_words = staging / 8;
	/* No larger than the log, but a power of two. */
	while (log->stage_words > 1 && log->stage_words / 2 >= log->nr_words)
		log->stage_words /= 2;
	log->pending = words_alloc(log, log->nr_words);
	log->hint = log->pending ? words_alloc(log, log->nr_hints) : NULL;
	log->stage = log->hint ? words_alloc(log, log->stage_words) : NULL;
	log->odd = log->stage ? words_alloc(log, log->stage_words) : NULL;
	return log->odd ? 0 : -ENOMEM;
}

int iod_dirty_log_create(struct iod_dirty_log **out, const struct iod_dirty_log_cfg *user)
{
	struct iod_allocator allocator;
	struct iod_dirty_log_cfg cfg;
	struct iod_dirty_log *log;
	int ret = out ? log_config(&cfg, user) : -EINVAL;

	if (!ret)
		ret = iod_allocator_init(&allocator, cfg.allocator);
	if (ret)
		return ret;
	log = iod_zalloc(&allocator, sizeof(*log));
	if (!log)
		return -ENOMEM;
	log->allocator = allocator;
	log->kernels = iod_kernels_best();
	log->base = cfg.iova;
	log->granule_lg2 = ctz64(cfg.granule);
	log->nbits = cfg.len >> log->granule_lg2;
	/* Two granules are the whole space. */
	log->nowhere_bm = (struct iod_bitmap){ 0, 2, &log->nowhere, 63, 0 };
	ret = log_alloc(log, cfg.staging);
	if (!ret)
		ret = pthread_mutex_init(&log->lock, NULL) ? -ENOMEM : 0;
	if (ret) {
		log_free(log);
		return ret;
	}
	*out = log;
	return 0;
}

int iod_dirty_log_destroy(struct iod_dirty_log *log)
{
	struct log_table *t;
	int ret = 0;

	if (!log || rcu_inside())
		return -EINVAL;
	pthread_mutex_lock(&log->lock);
	for (t = log->tables; t && !ret; t = t->next)
		ret = iod_log_table_sync(log, t);
	while (!ret && log->tables)
		iod_log_table_free(log, &log->tables);
	pthread_mutex_unlock(&log->lock);
	if (ret)
		return ret;
	pthread_mutex_destroy(&log->lock);
	log_free(log);
	return 0;
}

/* ---- start, stop ---- */

static int start_check(const struct iod_dirty_log_start *arg)
{
	const uint32_t both = IOD_DIRTY_LOG_INITIALLY_DIRTY | IOD_DIRTY_LOG_RESUME;

	if (arg->flags & ~both || arg->flags == both || arg->policy > IOD_SPLIT_ON_DIRTY ||
	    arg->resize_flags & ~(IOD_RESIZE_ALLOW_FAULTS | IOD_RESIZE_BREAK) ||
	    arg->merge_after > IOD_DIRTY_LOG_MERGE_AFTER_MAX ||
	    (arg->page_size && !is_pow2(arg->page_size)))
		return -EINVAL;
	/* What goes with a policy means nothing without one. */
	if (!arg->policy && (arg->page_size | arg->merge_after | arg->resize_flags | arg->budget))
		return -EINVAL;
	return 0;
}

/* Takes the policy to all tables, or to none. */
static int start_policy(struct iod_dirty_log *log, const struct iod_dirty_log_start *arg)
{
	struct log_table *t;
	int ret = 0;

	for (t = arg->policy ? log->tables : NULL; t && !ret; t = t->next)
		ret = iod_log_policy_check(log, t, arg->page_size, arg->resize_flags);
	if (ret)
		return ret;
	log->policy = arg->policy;
	log->page_size = arg->page_size;
	log->merge_after = arg->merge_after;
	log->budget = arg->budget;
	log->split_due = arg->policy == IOD_SPLIT_EAGER;
	log->merge_due = log->mature = false;
	/* Without a policy those of the last one stay, for merging what it split. */
	if (arg->policy)
		log->resize_flags = arg->resize_flags;
	for (t = log->tables; t && !ret; t = t->next)
		ret = iod_log_policy_table(log, t);
	return ret;
}

/* Everything is clean, or dirty, or as it was; pages are split as far as the budget goes. */
static int start_tables(struct iod_dirty_log *log, const struct iod_dirty_log_start *arg)
{
	struct log_table *t;
	uint64_t items = 0;
	int ret = 0;

	for (t = log->tables; t; t = t->next)
		t->op_failed = false; /* long ago */
	for (t = log->tables; t && !ret; t = t->next)
		ret = t->unsettled ? iod_log_table_sync(log, t) : 0;
	if (!ret && !(arg->flags & IOD_DIRTY_LOG_RESUME))
		iod_log_pending_reset(log, arg->flags & IOD_DIRTY_LOG_INITIALLY_DIRTY);
	if (!ret && log->split_due)
		ret = iod_log_split_due(log, arg->budget, &items);
	if (ret == -ENOMEM && !iod_log_op_failed(log)) {
		log->resize_errors++; /* it can be tried again */
		ret = 0;
	}
	for (t = arg->flags ? NULL : log->tables; t && !ret; t = t->next)
		ret = iod_log_table_discard(log, t);
	return ret;
}

static int log_start(struct iod_dirty_log *log, const struct iod_dirty_log_start *arg)
{
	int ret;

	if (log->started)
		return -EBUSY;
	ret = start_policy(log, arg);
	if (!ret)
		ret = start_tables(log, arg);
	if (ret) {
		log->policy = IOD_SPLIT_NONE;
		log->split_due = false;
	}
	__atomic_store_n(&log->started, !ret, __ATOMIC_RELAXED);
	return ret;
}

int iod_dirty_log_start(struct iod_dirty_log *log, const struct iod_dirty_log_start *user)
{
	struct iod_dirty_log_start arg = { 0 };
	int ret = !log || rcu_inside() ? -EINVAL : 0;

	if (!ret && user)
		ret = iod_struct_in(&arg, sizeof(arg), user,
				    offsetof(struct iod_dirty_log_start, policy) +
					    sizeof(arg.policy));
	if (!ret)
		ret = start_check(&arg);
	if (ret)
		return ret;
	pthread_mutex_lock(&log->lock);
	ret = log_start(log, &arg);
	pthread_mutex_unlock(&log->lock);
	return ret;
}

static int log_stop(struct iod_dirty_log *log, bool merge)
{
	uint64_t items = 0;

	if (!log->started)
		return -EINVAL;
	__atomic_store_n(&log->started, false, __ATOMIC_RELAXED);
	log->policy = IOD_SPLIT_NONE;
	log->split_due = log->mature = false;
	log->merge_due = merge;
	return merge ? iod_log_merge_due(log, 0, &items) : 0;
}

int iod_dirty_log_stop(struct iod_dirty_log *log, uint32_t flags)
{
	int ret;

	if (!log || flags & ~IOD_DIRTY_LOG_MERGE || rcu_inside())
		return -EINVAL;
	pthread_mutex_lock(&log->lock);
	ret = log_stop(log, flags & IOD_DIRTY_LOG_MERGE);
	pthread_mutex_unlock(&log->lock);
	return ret;
}

bool iod_log_started(struct iod_dirty_log *log)
{
	return __atomic_load_n(&log->started, __ATOMIC_RELAXED);
}

/* ---- from outside ---- */

int iod_dirty_log_mark_dirty(struct iod_dirty_log *log, uint64_t iova, uint64_t len)
{
	uint64_t first, last;
	int ret = log ? iod_log_bits(log, iova, len, &first, &last) : -EINVAL;

	if (!ret)
		iod_log_pending_set(log, first, last);
	return ret;
}

int iod_dirty_log_rollback(struct iod_dirty_log *log, const struct iod_bitmap *bm)
{
	uint64_t iova, len, last, end;

	if (!log || !iod_bitmap_is_sane(bm))
		return -EINVAL;
	iova = log->base;
	end = log->base + ((log->nbits << log->granule_lg2) - 1);
	while (!iod_bitmap_next(bm, &iova, &len) && iova <= end) {
		last = iova + (len - 1);
		if (last > end)
			last = end;
		if (last >= log->base)
			iod_log_pending_set(
				log, (iova > log->base ? iova - log->base : 0) >> log->granule_lg2,
				(last - log->base) >> log->granule_lg2);
		iova = last + 1;
		if (!iova)
			break;
	}
	return 0;
}

int iod_dirty_log_set_provider(struct iod_dirty_log *log, iod_dirty_provider_fn fn, void *cookie)
{
	if (!log || rcu_inside())
		return -EINVAL;
	pthread_mutex_lock(&log->lock);
	log->provider = fn;
	log->provider_cookie = cookie;
	pthread_mutex_unlock(&log->lock);
	return 0;
}

int iod_dirty_log_get_info(struct iod_dirty_log *log, struct iod_dirty_log_info *user)
{
	struct iod_dirty_log_info info = { .size = sizeof(info) };
	const struct log_table *t;

	if (!log || !user || rcu_inside())
		return -EINVAL;
	info.iova = log->base;
	info.len = log->nbits << log->granule_lg2;
	info.granule = BIT64(log->granule_lg2);
	info.memory = (log->nr_words + log->nr_hints + 2 * log->stage_words) * 8;
	pthread_mutex_lock(&log->lock);
	info.held = iod_log_pending_count(log);
	for (t = log->tables; t; t = t->next) {
		info.windows++;
		info.memory += t->own_words * 8;
		info.memory += t->rs.nr_regions * sizeof(*t->rs.region);
	}
	info.started = log->started;
	info.policy = log->policy;
	info.splits = log->splits;
	info.merges = log->merges;
	info.resize_errors = log->resize_errors;
	info.resize_left = iod_log_resize_left(log);
	pthread_mutex_unlock(&log->lock);
	return iod_struct_out(user, &info, sizeof(info),
			      offsetof(struct iod_dirty_log_info, policy) + sizeof(info.policy));
}
