/* SPDX-License-Identifier: MIT */
/*
 * Several threads with one object: each that syncs finds everything of its own complete, in the TLBs and in the
 * device's cache, in that order, while other devices come and go and while some syncs fail. Twins that leave
 * something out are seen to miss it.
 */
#include "iodtest.h"

#include <pthread.h>
#include <sched.h>

#include <iodirty/smmuv3_inv.h>

#define THREADS 4
#define STAYS	1u /* the device that is always there */

/* What hardware did of each thread's page, by the number of its change. */
struct page {
	uint64_t issued, done;	       /* TLBI */
	uint64_t atc_issued, atc_done; /* ATC_INV that came after */
};

struct world {
	struct iod_smmuv3_inv *inv;
	pthread_mutex_t lock; /* what hardware did */
	struct page page[THREADS];
	unsigned change[THREADS]; /* atomic */
	bool there[8];		  /* devices that may be told */
	uint64_t calls, misses, wrong_target;
	unsigned fail_every;
	bool drop_atc, drop_tlbi, stop;
	unsigned rounds;
};

static uint64_t word_of(const struct iod_smmuv3_raw_cmd *raw, unsigned n)
{
	unsigned char byte[8];
	uint64_t word = 0;
	unsigned i;

	memcpy(byte, &raw->word[n], 8);
	for (i = 8; i--;)
		word = word << 8 | byte[i];
	return word;
}

/* The pages of the threads are 1 GiB apart, so that each TLBI is one thread's. */
static void obey(struct world *w, const struct iod_smmuv3_raw_cmd *raw)
{
	uint64_t w0 = word_of(raw, 0), w1 = word_of(raw, 1);
	unsigned span = w1 & 0x3f, t;

	for (t = 0; t < THREADS; t++) {
		struct page *p = &w->page[t];

		if ((w0 & 0xff) == 0x12 && w1 >> 30 == t + 1)
			p->issued = __atomic_load_n(&w->change[t], __ATOMIC_ACQUIRE);
		if ((w0 & 0xff) == 0x40 && w0 >> 32 == STAYS &&
		    (span == 52 || w1 >> 12 >> span == (uint64_t)(t + 1) << 18 >> span))
			p->atc_issued = p->done;
	}
	if ((w0 & 0xff) == 0x40 && !w->there[w0 >> 32])
		w->wrong_target++;
}

static int issue(void *cookie, const struct iod_smmuv3_raw_cmd *cmds, size_t nr, bool sync,
		 size_t *issued)
{
	struct world *w = cookie;
	int ret = 0;
	size_t i;

	pthread_mutex_lock(&w->lock);
	w->calls++;
	if (w->fail_every && !(w->calls % w->fail_every))
		ret = -EIO;
	for (i = 0; !ret && i < nr; i++)
		obey(w, &cmds[i]);
	for (i = 0; !ret && sync && i < THREADS; i++) {
		w->page[i].done = w->page[i].issued;
		w->page[i].atc_done = w->page[i].atc_issued;
	}
	pthread_mutex_unlock(&w->lock);
	*issued = ret ? 0 : nr;
	if (sync)
		sched_yield();
	return ret;
}

static int leave_out(void *cookie, struct iod_smmuv3_raw_cmd *cmds, size_t *nr, size_t max)
{
	struct world *w = cookie;
	uint64_t op = word_of(&cmds[0], 0) & 0xff;

	if (op == 0x40) /* whoever would take the device away gets the time to */
		sched_yield();
	if ((w->drop_atc && op == 0x40) || (w->drop_tlbi && op == 0x12))
		*nr = 0;
	return 0;
}

struct mutator {
	struct world *w;
	unsigned id;
};

static void *mutate(void *arg)
{
	struct mutator *m = arg;
	struct world *w = m->w;
	const struct iod_inv_ops *ops = iod_smmuv3_inv_ops();
	struct iod_inv item = { .kind = IOD_INV_RANGE,
				.flags = IOD_INV_LEAF_ONLY,
				.iova = (uint64_t)(m->id + 1) << 30,
				.leaf_levels = 1,
				.granule_lg2 = 12 };
	unsigned i;

	item.last = item.iova + 4095;
	for (i = 1; i <= w->rounds; i++) {
		__atomic_store_n(&w->change[m->id], i, __ATOMIC_RELEASE);
		/* as a gather does: all again when something failed */
		while (ops->invalidate(w->inv, &item, 1) || ops->sync(w->inv))
			;
		pthread_mutex_lock(&w->lock);
		w->misses += w->page[m->id].done < i || w->page[m->id].atc_done < i;
		pthread_mutex_unlock(&w->lock);
	}
	return NULL;
}

static void set_there(struct world *w, uint32_t sid, bool there)
{
	pthread_mutex_lock(&w->lock);
	w->there[sid] = there;
	pthread_mutex_unlock(&w->lock);
}

/* R113: no command reaches a device before it is added or after it is removed. */
static void *plug(void *arg)
{
	struct world *w = arg;
	uint32_t sid = 2;

	while (!__atomic_load_n(&w->stop, __ATOMIC_ACQUIRE)) {
		struct iod_smmuv3_ats_device dev = { .size = sizeof(dev), .sid = sid };

		set_there(w, sid, true);
		if (iod_smmuv3_inv_add_device(w->inv, &dev))
			break;
		sched_yield();
		if (iod_smmuv3_inv_remove_device(w->inv, sid, 0, false))
			break;
		set_there(w, sid, false);
		sid = sid == 7 ? 2 : sid + 1;
	}
	return NULL;
}

static void run(struct world *w, unsigned rounds)
{
	struct iod_smmuv3_sink sink = { .size = sizeof(sink), .issue = issue, .cookie = w };
	struct iod_smmuv3_inv_cfg cfg = { .size = sizeof(cfg),
					  .sink = &sink,
					  .stage = 1,
					  .quirk = leave_out,
					  .quirk_cookie = w };
	struct iod_smmuv3_ats_device dev = { .size = sizeof(dev), .sid = STAYS };
	struct mutator m[THREADS];
	pthread_t thread[THREADS + 1];
	unsigned i;

	pthread_mutex_init(&w->lock, NULL);
	w->rounds = rounds;
	w->there[STAYS] = true;
	iodt_assert_ok(iod_smmuv3_inv_create(&w->inv, &cfg));
	iodt_assert_ok(iod_smmuv3_inv_add_device(w->inv, &dev));
	for (i = 0; i < THREADS; i++) {
		m[i] = (struct mutator){ w, i };
		assert_int_equal(pthread_create(&thread[i], NULL, mutate, &m[i]), 0);
	}
	assert_int_equal(pthread_create(&thread[THREADS], NULL, plug, w), 0);
	for (i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	__atomic_store_n(&w->stop, true, __ATOMIC_RELEASE);
	pthread_join(thread[THREADS], NULL);
	iodt_assert_ok(iod_smmuv3_inv_destroy(w->inv));
	pthread_mutex_destroy(&w->lock);
	assert_int_equal(w->wrong_target, 0);
}

static void complete_when_synced(void **state)
{
	struct world w = { 0 };
	unsigned rounds = iodt_scale(4000);

	run(&w, rounds);
	assert_int_equal(w.misses, 0);
	/* TLBI, SYNC, ATC_INVs with SYNC: no more than that for each, and less where syncs are shared */
	assert_true(w.calls <= (uint64_t)rounds * THREADS * 3);
}

static void complete_in_spite_of_errors(void **state)
{
	struct world w = { .fail_every = 7 };

	run(&w, iodt_scale(2000));
	assert_int_equal(w.misses, 0);
}

static void twin_without_atc_inv(void **state)
{
	struct world w = { .drop_atc = true };

	run(&w, 50);
	assert_int_not_equal(w.misses, 0);
}

static void twin_without_tlbi(void **state)
{
	struct world w = { .drop_tlbi = true };

	run(&w, 50);
	assert_int_not_equal(w.misses, 0);
}

/* A queue refuses a thread's TLBI: the next sync of any thread is told, and the thread's own. */
struct refusing {
	struct iod_smmuv3_inv *inv;
	pthread_t victim;
	bool loose, own;
};

static int issue_refusing(void *cookie, const struct iod_smmuv3_raw_cmd *cmds, size_t nr, bool sync,
			  size_t *issued)
{
	struct refusing *r = cookie;
	bool told = r->loose, mine = pthread_equal(r->victim, pthread_self());

	*issued = nr;
	if (!sync)
		return 0;
	told |= mine && r->own;
	r->loose = false;
	r->own &= !mine;
	return told ? -EIO : 0;
}

static void *sync_twice(void *arg)
{
	struct refusing *r = arg;
	const struct iod_inv_ops *ops = iod_smmuv3_inv_ops();
	struct iod_inv item = { .kind = IOD_INV_ALL };

	assert_int_equal(ops->invalidate(r->inv, &item, 1), 0);
	assert_int_equal(ops->sync(r->inv), -EIO);
	assert_int_equal(ops->invalidate(r->inv, &item, 1), 0);
	assert_int_equal(ops->sync(r->inv), 0);
	return NULL;
}

/* That another has synced for us, and was told, and tried again, does not hide it from us. */
static void refused_and_shared(void **state)
{
	struct refusing r = { .victim = pthread_self(), .loose = true, .own = true };
	struct iod_smmuv3_sink sink = { sizeof(sink), issue_refusing, &r };
	struct iod_smmuv3_inv_cfg cfg = { .size = sizeof(cfg), .sink = &sink, .stage = 1 };
	struct iod_smmuv3_ats_device dev = { .size = sizeof(dev), .sid = STAYS };
	const struct iod_inv_ops *ops = iod_smmuv3_inv_ops();
	struct iod_inv item = { .kind = IOD_INV_ALL };
	pthread_t other;

	iodt_assert_ok(iod_smmuv3_inv_create(&r.inv, &cfg));
	iodt_assert_ok(iod_smmuv3_inv_add_device(r.inv, &dev));
	iodt_assert_ok(ops->invalidate(r.inv, &item, 1));
	iodt_assert_ok(pthread_create(&other, NULL, sync_twice, &r));
	iodt_assert_ok(pthread_join(other, NULL));
	assert_int_equal(ops->sync(r.inv), -EIO);
	iodt_assert_ok(ops->invalidate(r.inv, &item, 1));
	iodt_assert_ok(ops->sync(r.inv));
	iodt_assert_ok(iod_smmuv3_inv_destroy(r.inv));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(complete_when_synced),
		cmocka_unit_test(complete_in_spite_of_errors),
		cmocka_unit_test(twin_without_atc_inv),
		cmocka_unit_test(twin_without_tlbi),
		cmocka_unit_test(refused_and_shared),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
