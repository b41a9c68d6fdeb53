/* SPDX-License-Identifier: MIT */
/*
 * Devices come, go and change while batches run: no command reaches a device that was removed, or
 * whose state forbids it, once the call that said so has returned. The twin says so a moment too early.
 */
#include <pthread.h>
#include <sched.h>
#include <time.h>

#include "viommurig.h"

#define NR_GUESTS  3u /* threads with batches */
#define NR_DEVICES 64u
#define ROUNDS	   400u

/* Of each host StreamID: may it be sent an ATC_INV? Written before it may, and after it may no more. */
struct world {
	struct iod_smmuv3_viommu *v;
	uint32_t gone[2 * NR_DEVICES]; /* atomic */
	unsigned int wrong;	       /* atomic: commands for those */
	bool stop;
	bool early;	   /* the twin */
	unsigned int slow; /* every so many calls the host takes its time */
	unsigned int calls;
};

static int issue(void *cookie, const struct iod_smmuv3_raw_cmd *cmds, size_t nr, bool sync,
		 size_t *issued)
{
	struct world *w = cookie;
	unsigned int n = __atomic_add_fetch(&w->calls, 1, __ATOMIC_RELAXED);
	size_t i;

	if (w->slow && n % w->slow == 0)
		sched_yield();
	for (i = 0; i < nr; i++) {
		uint64_t w0;

		iodt_put_le64(&w0, cmds[i].word[0]);
		if ((w0 & 0xff) == 0x40 && __atomic_load_n(&w->gone[w0 >> 32], __ATOMIC_ACQUIRE))
			__atomic_add_fetch(&w->wrong, 1, __ATOMIC_RELAXED);
	}
	*issued = nr;
	return 0;
}

static void *guest(void *arg)
{
	struct world *w = arg;
	struct iod_guest_result res = { .size = sizeof(res) };
	struct iod_smmuv3_raw_cmd cmds[16];
	unsigned int n = 0, i;

	while (!__atomic_load_n(&w->stop, __ATOMIC_ACQUIRE)) {
		for (i = 0; i < 16; i++, n++)
			cmds[i] = i % 4 ? rig_raw(0x40 | (uint64_t)(n * 7 % NR_DEVICES) << 32, 0)
					: rig_raw(0x12, (uint64_t)n << 12);
		(void)iod_smmuv3_viommu_invalidate(w->v, cmds, 16, &res);
		if (n % 512 == 0)
			sched_yield();
	}
	return NULL;
}

static void *watcher(void *arg)
{
	struct world *w = arg;
	struct iod_smmuv3_vdev dev = { .size = sizeof(dev) };
	unsigned int i;

	while (!__atomic_load_n(&w->stop, __ATOMIC_ACQUIRE)) {
		for (i = 0; i < NR_DEVICES; i++) {
			if (iod_smmuv3_viommu_lookup(w->v, i, &dev))
				continue;
			/* one or the other host StreamID, never half of each */
			assert_true(dev.vsid == i && dev.sid % NR_DEVICES == i);
			(void)iod_smmuv3_viommu_lookup_sid(w->v, dev.sid, &dev);
		}
		sched_yield();
	}
	return NULL;
}

static void may(struct world *w, uint32_t sid, bool yes)
{
	__atomic_store_n(&w->gone[sid], !yes, __ATOMIC_RELEASE);
}

/* Its host StreamID alternates between n and n + NR_DEVICES. */
static void replug(struct world *w, uint32_t n, uint32_t old, uint32_t fresh)
{
	if (w->early)
		may(w, old, false);
	iodt_assert_ok(iod_smmuv3_viommu_remove(w->v, n));
	may(w, old, false);
	may(w, fresh, true);
	iodt_assert_ok(iod_smmuv3_viommu_add(w->v, n, fresh, IOD_VDEV_ON));
}

static void toggle(struct world *w, uint32_t n, uint32_t sid)
{
	if (w->early)
		may(w, sid, false);
	iodt_assert_ok(iod_smmuv3_viommu_set_state(w->v, n, IOD_VDEV_ATS_OFF));
	may(w, sid, false);
	may(w, sid, true);
	iodt_assert_ok(iod_smmuv3_viommu_set_state(w->v, n, IOD_VDEV_ON));
}

static void open_world(struct world *w)
{
	struct iod_smmuv3_sink sink = { .size = sizeof(sink), .issue = issue, .cookie = w };
	struct iod_smmuv3_viommu_cfg cfg = { .size = sizeof(cfg), .sink = &sink, .vmid = 3 };
	uint32_t i;

	iodt_assert_ok(iod_smmuv3_id_full(&cfg.host));
	iodt_assert_ok(iod_smmuv3_viommu_expose(&cfg.guest, &cfg.host, 0));
	iodt_assert_ok(iod_smmuv3_viommu_create(&w->v, &cfg));
	for (i = 0; i < NR_DEVICES; i++) {
		w->gone[i + NR_DEVICES] = 1;
		iodt_assert_ok(iod_smmuv3_viommu_add(w->v, i, i, IOD_VDEV_ON));
	}
}

/* Until @rounds are over or, for the twin, it was caught. */
static void run(struct world *w, unsigned int rounds)
{
	pthread_t threads[NR_GUESTS + 1];
	uint32_t sid[NR_DEVICES];
	unsigned int i, k;

	open_world(w);
	for (i = 0; i < NR_DEVICES; i++)
		sid[i] = i;
	for (i = 0; i < NR_GUESTS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, guest, w), 0);
	assert_int_equal(pthread_create(&threads[NR_GUESTS], NULL, watcher, w), 0);
	for (k = 0; k < rounds; k++) {
		uint32_t n = k * 13 % NR_DEVICES;

		if (k % 2) {
			uint32_t fresh = (sid[n] + NR_DEVICES) % (2 * NR_DEVICES);

			replug(w, n, sid[n], fresh);
			sid[n] = fresh;
		} else {
			toggle(w, n, sid[n]);
		}
		if (w->early && __atomic_load_n(&w->wrong, __ATOMIC_RELAXED))
			break;
	}
	__atomic_store_n(&w->stop, true, __ATOMIC_RELEASE);
	for (i = 0; i <= NR_GUESTS; i++)
		pthread_join(threads[i], NULL);
	iodt_assert_ok(iod_smmuv3_viommu_destroy(w->v));
}

static void nothing_for_the_removed(void **state)
{
	struct world w = { .slow = 3 };

	run(&w, iodt_scale(ROUNDS));
	assert_int_equal(w.wrong, 0);
}

static void twin_too_early(void **state)
{
	struct world w = { .slow = 3, .early = true };

	run(&w, 1000000);
	assert_true(w.wrong > 0);
}

/* A host that takes its time over one batch, and what others did meanwhile. */
struct slow_host {
	struct iod_smmuv3_viommu *v;
	bool inside, other_done, changed; /* atomic */
	bool changed_early;
	int (*change)(struct iod_smmuv3_viommu *v);
};

static void nap(void)
{
	const struct timespec ms = { .tv_nsec = 1000000 };

	nanosleep(&ms, NULL);
}

/* Waits until another batch came through, and then some; by then whoever must wait is waiting. */
static int slow_issue(void *cookie, const struct iod_smmuv3_raw_cmd *cmds, size_t nr, bool sync,
		      size_t *issued)
{
	struct slow_host *s = cookie;
	unsigned int i;

	*issued = nr;
	if (__atomic_exchange_n(&s->inside, true, __ATOMIC_ACQ_REL)) {
		__atomic_store_n(&s->other_done, true, __ATOMIC_RELEASE);
		return 0;
	}
	while (!__atomic_load_n(&s->other_done, __ATOMIC_ACQUIRE))
		nap();
	for (i = 0; i < 30; i++)
		nap();
	s->changed_early = __atomic_load_n(&s->changed, __ATOMIC_ACQUIRE);
	return 0;
}

static void *one_batch(void *arg)
{
	struct slow_host *s = arg;
	struct iod_smmuv3_raw_cmd cmd = rig_raw(0x40 | UINT64_C(8) << 32, 0);

	assert_int_equal(iod_smmuv3_viommu_invalidate(s->v, &cmd, 1, NULL), 0);
	return NULL;
}

static void *one_change(void *arg)
{
	struct slow_host *s = arg;

	assert_int_equal(s->change(s->v), 0);
	__atomic_store_n(&s->changed, true, __ATOMIC_RELEASE);
	return NULL;
}

static int change_remove(struct iod_smmuv3_viommu *v)
{
	return iod_smmuv3_viommu_remove(v, 8);
}

static int change_state(struct iod_smmuv3_viommu *v)
{
	return iod_smmuv3_viommu_set_state(v, 8, IOD_VDEV_BLOCKED);
}

static void waits_for(int (*change)(struct iod_smmuv3_viommu *v))
{
	struct slow_host s = { .change = change };
	struct iod_smmuv3_sink sink = { .size = sizeof(sink), .issue = slow_issue, .cookie = &s };
	struct iod_smmuv3_viommu_cfg cfg = { .size = sizeof(cfg), .sink = &sink, .vmid = 3 };
	struct iod_smmuv3_raw_cmd tlbi = rig_raw(0x30, 0);
	pthread_t batch, changer;
	unsigned int i;

	iodt_assert_ok(iod_smmuv3_id_full(&cfg.host));
	iodt_assert_ok(iod_smmuv3_viommu_expose(&cfg.guest, &cfg.host, 0));
	iodt_assert_ok(iod_smmuv3_viommu_create(&s.v, &cfg));
	iodt_assert_ok(iod_smmuv3_viommu_add(s.v, 8, 8, IOD_VDEV_ON));
	assert_int_equal(pthread_create(&batch, NULL, one_batch, &s), 0);
	while (!__atomic_load_n(&s.inside, __ATOMIC_ACQUIRE))
		nap();
	assert_int_equal(pthread_create(&changer, NULL, one_change, &s), 0);
	for (i = 0; i < 10; i++)
		nap();
	/* Others are not held up by who waits, nor hold him up. */
	iodt_assert_ok(iod_smmuv3_viommu_invalidate(s.v, &tlbi, 1, NULL));
	pthread_join(batch, NULL);
	pthread_join(changer, NULL);
	assert_false(s.changed_early);
	iodt_assert_ok(iod_smmuv3_viommu_destroy(s.v));
}

static void waits_for_batches(void **state)
{
	waits_for(change_remove);
	waits_for(change_state);
}

/* Many more devices than the first table has room for, while they are looked up. */
static void table_grows(void **state)
{
	struct world w = { 0 };
	pthread_t threads[2];
	uint32_t i;

	open_world(&w);
	assert_int_equal(pthread_create(&threads[0], NULL, guest, &w), 0);
	assert_int_equal(pthread_create(&threads[1], NULL, watcher, &w), 0);
	for (i = NR_DEVICES; i < 5000; i++)
		iodt_assert_ok(iod_smmuv3_viommu_add(w.v, i, i + NR_DEVICES, IOD_VDEV_ON));
	for (i = NR_DEVICES; i < 5000; i += 17)
		iodt_assert_ok(iod_smmuv3_viommu_remove(w.v, i));
	__atomic_store_n(&w.stop, true, __ATOMIC_RELEASE);
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	assert_int_equal(w.wrong, 0);
	iodt_assert_ok(iod_smmuv3_viommu_destroy(w.v));
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_for_the_removed),
		cmocka_unit_test(twin_too_early),
		cmocka_unit_test(waits_for_batches),
		cmocka_unit_test(table_grows),
	};

	return iodt_main(argc, argv, NULL, 0, tests, IODT_ARRAY_SIZE(tests));
}
