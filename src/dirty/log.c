/* SPDX-License-Identifier: MIT */
/* The log's life: creation, tables, start and stop, marks from outside, rollback. */
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

/* ---- tables ---- */

/* The gather's ops: pass on, unless the table was given up. */
static int table_invalidate(void *cookie, const struct iod_inv *inv, size_t nr)
{
	struct log_table *t = cookie;
	int ret = t->mute || !t->ops.invalidate ? 0 : t->ops.invalidate(t->cookie, inv, nr);

	t->op_failed = t->op_failed || ret;
	return ret;
}

static int table_sync(void *cookie)
{
	struct log_table *t = cookie;
	int ret = t->mute || !t->ops.sync ? 0 : t->ops.sync(t->cookie);

	t->op_failed = t->op_failed || ret;
	return ret;
}

static const struct iod_inv_ops table_ops = {
	.size = sizeof(table_ops),
	.invalidate = table_invalidate,
	.sync = table_sync,
};

/* As far as both go; also when that is more than a length can say. */
static int default_len(const struct iod_dirty_log *log, struct iod_dirty_log_table *arg)
{
	struct iod_pgtable_info info = { .size = sizeof(info) };
	uint64_t end = log->base + ((log->nbits << log->granule_lg2) - 1), stop;
	int ret = iod_pgtable_get_info(arg->pt, &info);

	if (ret)
		return ret;
	stop = info.last;
	if (info.hole_first && arg->table_iova < info.hole_first)
		stop = info.hole_first - 1;
	if (arg->iova < log->base || arg->iova > end || arg->table_iova > stop)
		return -ERANGE;
	arg->len =
		end - arg->iova < stop - arg->table_iova ? end - arg->iova : stop - arg->table_iova;
	/* A table may end within a granule. */
	arg->len = align_down(arg->len + 1, log->granule_lg2);
	return arg->len ? 0 : -ERANGE;
}

static int table_check(const struct iod_dirty_log *log, struct iod_dirty_log_table *arg)
{
	struct pt_range r;
	uint64_t mask;
	int ret = 0;

	if (!arg->pt || arg->flags || arg->reserved)
		return -EINVAL;
	if (!(arg->pt->features & IOD_PT_HW_DIRTY))
		return -EOPNOTSUPP;
	mask = low_mask(arg->pt->min_lg2) | low_mask(log->granule_lg2);
	if (arg->pt->min_lg2 > log->granule_lg2 + fls64(log->stage_words * 64))
		return -EOPNOTSUPP;
	if ((log->base | arg->iova | arg->table_iova | arg->len) & mask)
		return -EINVAL;
	if (!arg->len)
		ret = default_len(log, arg);
	arg->len &= ~low_mask(arg->pt->min_lg2);
	if (!ret)
		ret = arg->len ? iod_pt_range(arg->pt, arg->table_iova, arg->len, &r) : -ERANGE;
	return ret;
}

/* Two windows on one page: each would take dirty state from the other. */
static bool overlaps(const struct iod_dirty_log *log, const struct iod_dirty_log_table *arg)
{
	uint64_t first = arg->table_iova, last = first + (arg->len - 1), from, to;
	const struct log_table *t;

	for (t = log->tables; t; t = t->next) {
		from = log_table_iova(log, t);
		to = from + (log_table_len(log, t) - 1);
		if (t->pt == arg->pt && first <= to && last >= from)
			return true;
	}
	return false;
}

static int table_ops_in(struct log_table *t, const struct iod_inv_ops *ops)
{
	int ret = ops ? iod_struct_in(&t->ops, sizeof(t->ops), ops, sizeof(t->ops)) : 0;

	return ret ? ret : ops && !t->ops.invalidate ? -EINVAL : 0;
}

/* A page table's dirty state goes to one log. */
static bool log_claim(const struct iod_dirty_log *log, struct iod_pgtable *pt)
{
	const void *nobody = NULL;

	return __atomic_compare_exchange_n(&pt->log, &nobody, log, false, __ATOMIC_RELAXED,
					   __ATOMIC_RELAXED) ||
	       nobody == log;
}

static void log_disclaim(const struct iod_dirty_log *log, struct iod_pgtable *pt)
{
	const struct log_table *t;

	for (t = log->tables; t; t = t->next)
		if (t->pt == pt)
			return;
	__atomic_store_n(&pt->log, NULL, __ATOMIC_RELAXED);
}

static void table_release(struct iod_dirty_log *log, struct log_table *t)
{
	iod_log_policy_free(log, t);
	iod_log_unmap_fini(log, t);
	if (t->gather)
		iod_gather_destroy(t->gather);
	iod_zfree(&log->allocator, t, sizeof(*t));
}

/* What unmapping needs, and a policy that is in force. A table that it does not fit is tracked without. */
static int table_prepare(struct iod_dirty_log *log, struct log_table *t)
{
	int ret = iod_log_unmap_init(log, t);

	if (!ret && log->started) {
		ret = iod_log_policy_table(log, t);
		log->split_due = log->split_due || log->policy == IOD_SPLIT_EAGER;
	}
	return ret == -EOPNOTSUPP ? 0 : ret;
}

static int table_add(struct iod_dirty_log *log, const struct iod_dirty_log_table *arg)
{
	struct iod_gather_cfg gcfg = { .size = sizeof(gcfg), .ops = &table_ops };
	struct log_table *t = iod_zalloc(&log->allocator, sizeof(*t));
	int ret = t ? iod_log_bits(log, arg->iova, arg->len, &t->first, &t->last) : -ENOMEM;

	if (!ret)
		ret = overlaps(log, arg) ? -EEXIST : table_ops_in(t, arg->ops);
	if (!ret) {
		t->pt = arg->pt;
		t->cookie = arg->cookie;
		t->delta = arg->iova - arg->table_iova;
		gcfg.cookie = t;
		if (!arg->ops)
			gcfg.ops = NULL;
		ret = iod_gather_create(&t->gather, t->pt, &gcfg);
	}
	if (!ret)
		ret = table_prepare(log, t);
	if (ret) {
		if (t)
			table_release(log, t);
		return ret;
	}
	t->next = log->tables;
	log->tables = t;
	return 0;
}

int iod_dirty_log_add_table(struct iod_dirty_log *log, const struct iod_dirty_log_table *user)
{
	struct iod_dirty_log_table arg;
	int ret = !log || rcu_inside() ? -EINVAL : 0;

	if (!ret)
		ret = iod_struct_in(&arg, sizeof(arg), user, sizeof(arg));
	if (!ret)
		ret = table_check(log, &arg);
	if (ret)
		return ret;
	pthread_mutex_lock(&log->lock);
	ret = log_claim(log, arg.pt) ? table_add(log, &arg) : -EBUSY;
	if (ret && ret != -EBUSY)
		log_disclaim(log, arg.pt);
	pthread_mutex_unlock(&log->lock);
	return ret;
}

/* Its gather is empty. */
static void table_free(struct iod_dirty_log *log, struct log_table **at)
{
	struct log_table *t = *at;

	*at = t->next;
	log_disclaim(log, t->pt);
	table_release(log, t);
}

static int table_let_go(struct iod_dirty_log *log, struct log_table *t, bool discard)
{
	t->mute = discard;
	return discard ? iod_log_table_sync(log, t)
		       : iod_log_table_harvest(log, t, t->first, t->last, true);
}

/* All its windows, or none: after an error the table is in the log as it was. */
static int windows_let_go(struct iod_dirty_log *log, const struct iod_pgtable *pt, bool discard)
{
	struct log_table *t;
	int ret = -ENOENT;

	for (t = log->tables; t; t = t->next) {
		if (t->pt != pt)
			continue;
		ret = table_let_go(log, t, discard);
		if (ret)
			break;
	}
	for (t = log->tables; ret && t; t = t->next)
		t->mute = false;
	return ret;
}

int iod_dirty_log_remove_table(struct iod_dirty_log *log, struct iod_pgtable *pt, uint32_t flags)
{
	struct log_table **at;
	int ret;

	if (!log || !pt || flags & ~IOD_DIRTY_LOG_DISCARD || rcu_inside())
		return -EINVAL;
	pthread_mutex_lock(&log->lock);
	ret = windows_let_go(log, pt, flags & IOD_DIRTY_LOG_DISCARD);
	for (at = &log->tables; !ret && *at;) {
		if ((*at)->pt == pt)
			table_free(log, at);
		else
			at = &(*at)->next;
	}
	pthread_mutex_unlock(&log->lock);
	return ret;
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
		table_free(log, &log->tables);
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
		info.memory += t->own ? ((t->last - t->first) / 64 + 1) * 8 : 0;
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
