/* SPDX-License-Identifier: MIT */
/* The tables of a log: they come, are checked, and go. */
#include "dirty/log.h"

#include <errno.h>

/* ---- what reaches their devices ---- */

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
	if (arg->join) {
		arg->iova = 0;
		end = UINT64_MAX;
	} else if (arg->iova < log->base || arg->iova > end) {
		return -ERANGE;
	}
	if (arg->table_iova > stop)
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
	if (((arg->join ? 0 : log->base | arg->iova) | arg->table_iova | arg->len) & mask)
		return -EINVAL;
	if (arg->join && arg->iova)
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
	if (t->join)
		iod_join_detach(t->join, &t->user);
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

/* Which bits the window is. */
static int table_bits(const struct iod_dirty_log *log, struct log_table *t,
		      const struct iod_dirty_log_table *arg)
{
	if (!arg->join) {
		t->delta = arg->iova - arg->table_iova;
		return iod_log_bits(log, arg->iova, arg->len, &t->first, &t->last);
	}
	t->delta = log->base; /* bit 0 is the table's address 0 */
	t->first = arg->table_iova >> log->granule_lg2;
	t->last = (arg->table_iova + (arg->len - 1)) >> log->granule_lg2;
	return 0;
}

static int table_add(struct iod_dirty_log *log, const struct iod_dirty_log_table *arg)
{
	struct iod_gather_cfg gcfg = { .size = sizeof(gcfg), .ops = &table_ops };
	struct log_table *t = iod_zalloc(&log->allocator, sizeof(*t));
	int ret = t ? table_bits(log, t, arg) : -ENOMEM;

	if (!ret)
		ret = overlaps(log, arg) ? -EEXIST : table_ops_in(t, arg->ops);
	if (!ret) {
		t->pt = arg->pt;
		t->log = log;
		t->cookie = arg->cookie;
		gcfg.cookie = t;
		if (!arg->ops)
			gcfg.ops = NULL;
		ret = iod_gather_create(&t->gather, t->pt, &gcfg);
	}
	if (!ret && arg->join)
		ret = iod_log_join_attach(log, t, arg->join);
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
	bool claimed;

	if (!ret)
		ret = iod_struct_in(&arg, sizeof(arg), user,
				    offsetof(struct iod_dirty_log_table, reserved) +
					    sizeof(arg.reserved));
	if (!ret)
		ret = table_check(log, &arg);
	if (ret)
		return ret;
	pthread_mutex_lock(&log->lock);
	claimed = log_claim(log, arg.pt);
	ret = claimed ? table_add(log, &arg) : -EBUSY;
	if (ret && claimed)
		log_disclaim(log, arg.pt);
	pthread_mutex_unlock(&log->lock);
	return ret;
}

void iod_log_table_free(struct iod_dirty_log *log, struct log_table **at)
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
			iod_log_table_free(log, at);
		else
			at = &(*at)->next;
	}
	pthread_mutex_unlock(&log->lock);
	return ret;
}
