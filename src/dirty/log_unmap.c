/* SPDX-License-Identifier: MIT */
/*
 * Unmapping pages that are tracked. iod_unmap_dirty() and the gather, when it is synced, record straight
 * into pending; so whatever goes wrong in between is no loss, and nothing is handed out before the wait.
 *
 * The words of pending as the table is to see them begin up to 63 granules before the window. A window
 * that begins below that address of its table gets words of its own.
 */
#include "dirty/log.h"

#include <errno.h>

#define UNMAP_FLAGS                                                                   \
	(IOD_UNMAP_NO_HOLES | IOD_UNMAP_SPLIT | IOD_UNMAP_ALLOW_FAULTS |              \
	 IOD_UNMAP_SKIP_UNTRACKED | IOD_UNMAP_DRY_RUN | IOD_DIRTY_LOG_UNMAP_STOPPED | \
	 IOD_DIRTY_LOG_UNMAP_OUTSIDE)
#define ENGINE_FLAGS (UNMAP_FLAGS & ~(IOD_DIRTY_LOG_UNMAP_STOPPED | IOD_DIRTY_LOG_UNMAP_OUTSIDE))
#define PLAIN_FLAGS  (IOD_UNMAP_NO_HOLES | IOD_UNMAP_SPLIT | IOD_UNMAP_ALLOW_FAULTS)

/* ---- where it is recorded ---- */

int iod_log_unmap_init(struct iod_dirty_log *log, struct log_table *t)
{
	uint64_t iova = log_table_iova(log, t), skew = t->first % 64;

	if (t->join || skew > iova >> log->granule_lg2) {
		t->own_words = t->join ? log->stage_words : (t->last - t->first) / 64 + 1;
		if (t->own_words > SIZE_MAX / 8)
			return -ENOMEM;
		t->own = iod_zalloc(&log->allocator, (size_t)t->own_words * 8);
		if (!t->own)
			return -ENOMEM;
		skew = 0;
	}
	if (t->join) /* iod_log_join_record() */
		return 0;
	t->unmap_bm = (struct iod_bitmap){
		.base_iova = iova - (skew << log->granule_lg2),
		.nbits = skew + (t->last - t->first + 1),
		.words = t->own ? t->own : &log->pending[t->first / 64],
		.granule_lg2 = log->granule_lg2,
		.flags = IOD_BITMAP_ATOMIC, /* anybody marks */
	};
	return 0;
}

void iod_log_unmap_fini(struct iod_dirty_log *log, struct log_table *t)
{
	iod_zfree(&log->allocator, t->own, (size_t)t->own_words * 8);
}

/* Bits of the log [first, last] are about to be recorded into. */
static void recording(struct log_table *t, uint64_t first, uint64_t last)
{
	t->um_first = t->um_open && t->um_first < first ? t->um_first : first;
	t->um_last = t->um_open && t->um_last > last ? t->um_last : last;
	t->um_open = true;
}

void iod_log_unmap_collect(struct iod_dirty_log *log, struct log_table *t)
{
	uint64_t j, end, at, word;

	if (!t->um_open)
		return;
	t->um_open = false;
	if (t->join) {
		iod_log_join_collect(t);
		return;
	}
	iod_log_pending_hint(log, t->um_first, t->um_last);
	if (!t->own)
		return;
	end = (t->um_last - t->first) / 64;
	for (j = (t->um_first - t->first) / 64; j <= end; j++) {
		word = iod_le64(t->own[j]);
		t->own[j] = 0;
		at = t->first + j * 64;
		if (word << at % 64)
			iod_log_pending_or(log, at / 64, word << at % 64);
		if (at % 64 && word >> (64 - at % 64))
			iod_log_pending_or(log, at / 64 + 1, word >> (64 - at % 64));
	}
}

/* ---- a range in parts ---- */

/* A part of the range that lies in one window, or in none. */
struct unmap_part {
	struct log_table *t; /* NULL: in none */
	uint64_t iova, last;
	uint64_t first_bit, last_bit;
};

/* The part that begins at iova. */
static struct unmap_part part_at(const struct iod_dirty_log *log, const struct iod_pgtable *pt,
				 uint64_t iova, uint64_t last)
{
	struct unmap_part part = { .iova = iova, .last = last };
	struct log_table *t;
	uint64_t from, to;

	for (t = log->tables; t; t = t->next) {
		if (t->pt != pt)
			continue;
		from = log_table_iova(log, t);
		to = from + (log_table_len(log, t) - 1);
		if (iova >= from && iova <= to) {
			part.t = t;
			part.last = to < last ? to : last;
			part.first_bit = t->first + ((iova - from) >> log->granule_lg2);
			part.last_bit = t->first + ((part.last - from) >> log->granule_lg2);
			return part;
		}
		if (from > iova && from - 1 < part.last)
			part.last = from - 1;
	}
	return part;
}

static struct log_table *any_window(const struct iod_dirty_log *log, const struct iod_pgtable *pt)
{
	struct log_table *t;

	for (t = log->tables; t && t->pt != pt; t = t->next)
		;
	return t;
}

/* Unmaps a part, or only asks. */
static int unmap_part(struct iod_dirty_log *log, struct iod_dirty_log_unmap *arg,
		      const struct unmap_part *part, uint32_t more_flags)
{
	struct log_table *t = part->t ? part->t : any_window(log, arg->pt);
	struct iod_unmap_dirty u = {
		.size = sizeof(u),
		.iova = part->iova,
		.len = part->last - part->iova + 1,
		.flags = (arg->flags & ENGINE_FLAGS) | more_flags,
		.gather = t->gather,
		.bitmap = part->t ? &t->unmap_bm : &log->nowhere_bm,
	};
	int ret;

	if (!(u.flags & IOD_UNMAP_DRY_RUN)) {
		log_unsettle(log, t, true);
		if (part->t)
			recording(t, part->first_bit, part->last_bit);
		if (part->t && t->join)
			iod_log_join_record(t, part->iova, part->last);
	} else if (t->join) {
		u.bitmap = &log->nowhere_bm; /* its own may still be that of another range */
	}
	ret = iod_unmap_dirty(arg->pt, &u);
	if (ret || u.flags & IOD_UNMAP_DRY_RUN)
		return ret;
	if (part->t)
		iod_log_forget(t, part->iova, part->last);
	arg->unmapped += u.unmapped;
	return 0;
}

/* ---- checks ---- */

static bool bitmap_covers(const struct iod_dirty_log *log, const struct iod_bitmap *bm,
			  const struct unmap_part *part)
{
	if (part->t->join)
		return iod_log_join_covers(part->t, part->iova, part->last, bm);
	return iod_bitmap_covers(bm, log_addr(log, part->first_bit),
				 log_addr(log, part->last_bit) + low_mask(log->granule_lg2));
}

/* All parts, before the first of them is touched. */
static int check_parts(struct iod_dirty_log *log, struct iod_dirty_log_unmap *arg)
{
	uint64_t last = arg->iova + (arg->len - 1), at = arg->iova;
	struct unmap_part part;
	int ret = 0;

	for (;; at = part.last + 1) {
		part = part_at(log, arg->pt, at, last);
		if (!part.t && !(arg->flags & IOD_DIRTY_LOG_UNMAP_OUTSIDE))
			return -ERANGE;
		if (part.t && arg->bitmap && !bitmap_covers(log, arg->bitmap, &part))
			return -ERANGE;
		/* One part alone is checked when it is unmapped. */
		if (part.iova != arg->iova || part.last != last || arg->flags & IOD_UNMAP_DRY_RUN ||
		    arg->notify)
			ret = unmap_part(log, arg, &part, IOD_UNMAP_DRY_RUN);
		if (ret || part.last == last)
			return ret;
	}
}

static int unmap_check(struct iod_dirty_log *log, struct iod_dirty_log_unmap *arg)
{
	struct unmap_part whole = { .iova = arg->iova, .last = arg->iova + (arg->len - 1) };
	struct pt_range r;
	int ret;

	if (!any_window(log, arg->pt))
		return -ENOENT;
	if (!log->started && !(arg->flags & IOD_DIRTY_LOG_UNMAP_STOPPED))
		return -EINVAL;
	ret = iod_pt_range(arg->pt, arg->iova, arg->len, &r);
	if (ret)
		return ret;
	return log->started ? check_parts(log, arg)
			    : unmap_part(log, arg, &whole, IOD_UNMAP_DRY_RUN);
}

static int unmap_notify(const struct iod_dirty_log_unmap *arg)
{
	unsigned int attempt = 0;
	int ret;

	do
		ret = arg->notify(arg->cookie, arg->iova, arg->len, attempt);
	while (ret == -EAGAIN && attempt++ < arg->retries);
	return ret == -EAGAIN ? -EBUSY : ret;
}

/* ---- the work ---- */

/* Nobody tracks: dirty state is dropped. */
static int unmap_stopped(struct iod_dirty_log *log, struct iod_dirty_log_unmap *arg)
{
	struct log_table *t = any_window(log, arg->pt), *w;
	int ret = iod_log_settle(log, arg->pt);

	if (ret)
		return ret;
	ret = iod_unmap(arg->pt, arg->iova, arg->len, arg->flags & PLAIN_FLAGS, t->gather,
			&arg->unmapped);
	if (ret == -ENOENT && !(arg->flags & IOD_UNMAP_NO_HOLES))
		ret = 0;
	if (ret)
		return ret;
	arg->next_iova = arg->iova + arg->len;
	log_unsettle(log, t, true);
	for (w = log->tables; w; w = w->next)
		if (w->pt == arg->pt)
			iod_log_forget(w, arg->iova, arg->iova + (arg->len - 1));
	return iod_log_table_sync(log, t);
}

/*
 * Bits of a part may be kept from a failed pass over any table: all that meet it are waited for. A window with
 * a join meets everything.
 */
static int sync_part(struct iod_dirty_log *log, const struct unmap_part *part)
{
	struct log_table *t;
	int ret = 0;

	for (t = log->tables; t && !ret; t = t->next)
		if (t == part->t ||
		    (part->t && (t->join || part->t->join ||
				 (t->first <= part->last_bit && t->last >= part->first_bit))))
			ret = iod_log_table_sync(log, t);
	return ret;
}

/* Parts up to last are unmapped: waits for all of them, then hands them out. */
static int unmap_finish(struct iod_dirty_log *log, struct iod_dirty_log_unmap *arg, uint64_t last)
{
	int ret = iod_log_table_sync(log, any_window(log, arg->pt));
	struct unmap_part part;
	uint64_t at;

	for (at = arg->iova; !ret; at = part.last + 1) {
		part = part_at(log, arg->pt, at, last);
		ret = sync_part(log, &part);
		if (part.last == last)
			break;
	}
	for (at = arg->iova; !ret && arg->bitmap; at = part.last + 1) {
		part = part_at(log, arg->pt, at, last);
		if (part.t && part.t->join)
			arg->dirty +=
				iod_log_join_hand_out(part.t, part.iova, part.last, arg->bitmap);
		else if (part.t)
			arg->dirty +=
				iod_log_hand_out(log, part.first_bit, part.last_bit, arg->bitmap);
		if (part.last == last)
			break;
	}
	return ret;
}

static int ask_provider(struct iod_dirty_log *log, const struct iod_dirty_log_unmap *arg,
			uint64_t last)
{
	struct unmap_part part;
	uint64_t at;
	int ret = 0;

	for (at = arg->iova; !ret; at = part.last + 1) {
		part = part_at(log, arg->pt, at, last);
		if (part.t && part.t->join) /* it may be anywhere */
			ret = iod_log_ask_provider(log, log->base, log->nbits << log->granule_lg2);
		else if (part.t)
			ret = iod_log_ask_provider(log, log_addr(log, part.first_bit),
						   (part.last_bit - part.first_bit + 1)
							   << log->granule_lg2);
		if (part.last == last)
			break;
	}
	return ret;
}

static int unmap_started(struct iod_dirty_log *log, struct iod_dirty_log_unmap *arg)
{
	uint64_t last = arg->iova + (arg->len - 1);
	struct unmap_part part;
	int ret = ask_provider(log, arg, last), finish;

	/* Marks that are due to what is about to go must be there first. */
	if (!ret)
		ret = iod_log_settle(log, arg->pt);
	if (ret)
		return ret;
	while (!ret) {
		part = part_at(log, arg->pt, arg->next_iova, last);
		/* More than can be recorded exactly: only what devices write meanwhile is then not. */
		if (part.t && part.t->join &&
		    part.last_bit - part.first_bit >= part.t->own_words * 64)
			ret = iod_log_table_harvest(log, part.t, part.first_bit, part.last_bit,
						    false);
		if (!ret)
			ret = unmap_part(log, arg, &part, 0);
		if (!ret)
			arg->next_iova = part.last + 1;
		if (part.last == last)
			break;
	}
	if (arg->next_iova == arg->iova)
		return ret;
	finish = unmap_finish(log, arg, arg->next_iova - 1);
	return ret ? ret : finish;
}

static int unmap_locked(struct iod_dirty_log *log, struct iod_dirty_log_unmap *arg)
{
	int ret = unmap_check(log, arg);

	if (ret || arg->flags & IOD_UNMAP_DRY_RUN)
		return ret;
	return log->started ? unmap_started(log, arg) : unmap_stopped(log, arg);
}

/* What must be pinned no more is let go without the lock: whoever does it may use the log. */
static int unmap_let_go(struct iod_dirty_log *log, struct iod_dirty_log_unmap *arg)
{
	int ret;

	if (!arg->notify || arg->flags & IOD_UNMAP_DRY_RUN)
		return 0;
	pthread_mutex_lock(&log->lock);
	ret = unmap_check(log, arg);
	pthread_mutex_unlock(&log->lock);
	return ret ? ret : unmap_notify(arg);
}

int iod_dirty_log_unmap(struct iod_dirty_log *log, struct iod_dirty_log_unmap *user)
{
	struct iod_dirty_log_unmap arg;
	int ret = !log || rcu_inside() ? -EINVAL : 0, out;

	if (!ret)
		ret = iod_struct_in(&arg, sizeof(arg), user, sizeof(arg));
	if (!ret && (!arg.pt || arg.flags & ~UNMAP_FLAGS ||
		     (arg.bitmap && !iod_bitmap_is_sane(arg.bitmap))))
		ret = -EINVAL;
	if (ret)
		return ret;
	arg.unmapped = arg.dirty = 0;
	arg.next_iova = arg.iova;
	ret = unmap_let_go(log, &arg);
	if (!ret) {
		pthread_mutex_lock(&log->lock);
		ret = unmap_locked(log, &arg);
		pthread_mutex_unlock(&log->lock);
	}
	out = iod_struct_out(user, &arg, sizeof(arg), sizeof(arg));
	return ret ? ret : out;
}
