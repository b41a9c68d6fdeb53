/* SPDX-License-Identifier: MIT */
/*
 * Several threads with one object: each that syncs finds everything of its own complete, for every domain that was
 * in use all the while, in the IOMMU and in the device's cache, in that order, while other devices and domains come
 * and go and while some syncs fail. Twins that leave something out are seen to miss it. R113.
 */
#include "gcmd.h"

#include <pthread.h>
#include <sched.h>

#define THREADS 4
#define DEVICES 8
#define STAYS	1u /* the device that is always there */
#define DOMAINS 4  /* 0 is always there */

/* What hardware did of each thread's page, by the number of its change. */
struct page {
	uint64_t issued[DOMAINS], done[DOMAINS];
	uint64_t atc_issued, atc_done; /* after domain 0's */
};

struct world {
	struct gc *gc;
	pthread_mutex_t lock; /* what hardware did, and what is there */
	struct page page[THREADS];
	unsigned change[THREADS]; /* atomic */
	bool there[DEVICES];
	uint64_t in_use[DOMAINS]; /* counts up; odd: it is */
	uint64_t calls, misses, wrong_target;
	unsigned fail_every;
	int drop; /* enum gc_kind that does not reach hardware; -1: those for domains but the first */
	bool stop;
	unsigned rounds;
};

static uint16_t domain_id(unsigned d)
{
	return (uint16_t)(d * 0x5432);
}

/* The pages of the threads are 1 GiB apart, so that each command is one thread's. */
static void obey(struct world *w, const struct gc_cmd *c)
{
	unsigned t, d;

	for (t = 0; t < THREADS; t++) {
		struct page *p = &w->page[t];
		uint64_t at = (uint64_t)(t + 1) << 30;

		if (c->first > at || c->last < at)
			continue;
		for (d = 0; c->kind == GC_PAGES && d < DOMAINS; d++)
			if (c->domain == domain_id(d))
				p->issued[d] = __atomic_load_n(&w->change[t], __ATOMIC_ACQUIRE);
		if (c->kind == GC_DEV && c->dev == STAYS)
			p->atc_issued = p->done[0];
	}
	if (c->kind == GC_DEV && !w->there[c->dev])
		w->wrong_target++;
}

static bool is_dropped(const struct world *w, const struct gc_cmd *c)
{
	if (w->drop < 0)
		return c->kind == GC_PAGES && c->domain != domain_id(0);
	return w->drop == (int)c->kind;
}

static int issue(struct gc *gc, const uint64_t *raw, size_t nr, bool sync)
{
	struct world *w = gc->priv;
	unsigned t, d;
	int ret = 0;
	size_t i;

	pthread_mutex_lock(&w->lock);
	w->calls++;
	if (w->fail_every && !(w->calls % w->fail_every))
		ret = -EIO;
	for (i = 0; !ret && i < nr; i++) {
		struct gc_cmd c = gc_decode(gc, &raw[i * gc->v->words]);

		if (!is_dropped(w, &c))
			obey(w, &c);
	}
	for (t = 0; !ret && sync && t < THREADS; t++) {
		for (d = 0; d < DOMAINS; d++)
			w->page[t].done[d] = w->page[t].issued[d];
		w->page[t].atc_done = w->page[t].atc_issued;
	}
	pthread_mutex_unlock(&w->lock);
	if (sync)
		sched_yield();
	return ret;
}

struct mutator {
	struct world *w;
	unsigned id;
};

static void *mutate(void *arg)
{
	struct mutator *m = arg;
	struct world *w = m->w;
	struct iod_inv item = gc_leaves((uint64_t)(m->id + 1) << 18, 1);
	uint64_t in_use[DOMAINS];
	unsigned i, d;

	for (i = 1; i <= w->rounds; i++) {
		pthread_mutex_lock(&w->lock);
		memcpy(in_use, w->in_use, sizeof(in_use));
		pthread_mutex_unlock(&w->lock);
		__atomic_store_n(&w->change[m->id], i, __ATOMIC_RELEASE);
		/* as a gather does: all again when something failed */
		while (gc_invalidate(w->gc, &item, 1) || gc_sync(w->gc))
			;
		pthread_mutex_lock(&w->lock);
		for (d = 0; d < DOMAINS; d++)
			w->misses += in_use[d] % 2 && in_use[d] == w->in_use[d] &&
				     w->page[m->id].done[d] < i;
		w->misses += w->page[m->id].atc_done < i;
		pthread_mutex_unlock(&w->lock);
	}
	return NULL;
}

static void set_there(struct world *w, unsigned dev, bool there, unsigned domain)
{
	pthread_mutex_lock(&w->lock);
	w->there[dev] = there;
	w->in_use[domain] += domain ? 1 : 0;
	pthread_mutex_unlock(&w->lock);
}

/* No command reaches a device before it is added or after it is removed; domains are used while they are added. */
static void *plug(void *arg)
{
	struct world *w = arg;
	const struct gc_vendor *v = w->gc->v;
	unsigned n;

	for (n = 0; !__atomic_load_n(&w->stop, __ATOMIC_ACQUIRE); n++) {
		struct gc_dev dev = { .id = 2 + n % (DEVICES - 2) };
		unsigned domain = 1 + n % (DOMAINS - 1);

		set_there(w, dev.id, true, 0);
		if (v->add_device(w->gc->inv, &dev) || v->add_domain(w->gc->inv, domain_id(domain)))
			break;
		set_there(w, dev.id, true, domain);
		for (unsigned k = 0; k < 20; k++)
			sched_yield();
		set_there(w, dev.id, true, domain);
		if (v->remove_domain(w->gc->inv, domain_id(domain)) ||
		    v->remove_device(w->gc->inv, &dev))
			break;
		set_there(w, dev.id, false, 0);
	}
	return NULL;
}

static void run(struct world *w, unsigned vendor, unsigned rounds)
{
	struct gc_cfg cfg = { .cost = &gc_never };
	struct gc_dev dev = { .id = STAYS };
	struct mutator m[THREADS];
	pthread_t thread[THREADS + 1];
	unsigned i;

	pthread_mutex_init(&w->lock, NULL);
	w->rounds = rounds;
	w->there[STAYS] = true;
	w->in_use[0] = 1;
	w->gc = gc_open(&gc_vendors[vendor], &cfg);
	w->gc->issue = issue;
	w->gc->priv = w;
	iodt_assert_ok(w->gc->v->add_device(w->gc->inv, &dev));
	for (i = 0; i < THREADS; i++) {
		m[i] = (struct mutator){ w, i };
		assert_int_equal(pthread_create(&thread[i], NULL, mutate, &m[i]), 0);
	}
	assert_int_equal(pthread_create(&thread[THREADS], NULL, plug, w), 0);
	for (i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	__atomic_store_n(&w->stop, true, __ATOMIC_RELEASE);
	pthread_join(thread[THREADS], NULL);
	gc_close(w->gc);
	pthread_mutex_destroy(&w->lock);
	assert_int_equal(w->wrong_target, 0);
}

static void complete_when_synced(void **state)
{
	unsigned v;

	for (v = 0; v < GC_VENDORS; v++) {
		struct world w = { 0 };

		run(&w, v, iodt_scale(2000));
		assert_int_equal(w.misses, 0);
	}
}

static void complete_in_spite_of_errors(void **state)
{
	unsigned v;

	for (v = 0; v < GC_VENDORS; v++) {
		struct world w = { .fail_every = 7 };

		run(&w, v, iodt_scale(1000));
		assert_int_equal(w.misses, 0);
	}
}

static void twins(void **state)
{
	static const int drops[] = { GC_PAGES, GC_DEV, -1 };
	unsigned v;
	size_t i;

	for (v = 0; v < GC_VENDORS; v++)
		for (i = 0; i < IODT_ARRAY_SIZE(drops); i++) {
			struct world w = { .drop = drops[i] };

			run(&w, v, 1000);
			assert_int_not_equal(w.misses, 0);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(complete_when_synced),
		cmocka_unit_test(complete_in_spite_of_errors),
		cmocka_unit_test(twins),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
