/* SPDX-License-Identifier: MIT */
/*
 * The CPU that we stay on, and a helper thread on another one. The helper waits by spinning, so that
 * its start costs nothing that is measured; it exists only where it is needed, because a spinning
 * neighbour may slow a CPU down.
 */
#include "bench.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#define MAX_SPINS (1u << 20) /* some milliseconds */

enum order { WAIT, GO, DONE, QUIT };

static struct {
	pthread_t thread;
	int cpu; /* of the helper; negative: there is no second one */
	int order;
	bool running, preempted; /* preempted: during the last task */
	double cpu_ns;		 /* that the last task took of its CPU */
	void (*fn)(void *arg);
	void *arg;
} helper = { .cpu = -1 };

static void stay_on(int cpu)
{
#if defined(__linux__)
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
#endif
}

/* Stay on the CPU where we are, and find another one; go on without where that is not permitted. */
void bench_pin(void)
{
#if defined(__linux__)
	int cpu = sched_getcpu();
	cpu_set_t set;

	if (cpu < 0 || sched_getaffinity(0, sizeof(set), &set))
		return;
	for (int i = 0; i < CPU_SETSIZE && helper.cpu < 0; i++)
		if (i != cpu && CPU_ISSET(i, &set))
			helper.cpu = i;
	stay_on(cpu);
#endif
}

bool bench_has_helper(void)
{
	return helper.cpu >= 0;
}

/* Spin; on a machine that has something else to do, not for ever. */
static void relax(unsigned int *spins)
{
	if (++*spins > MAX_SPINS)
		sched_yield();
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#endif
}

/*
 * A helper that is not running when its task comes makes the task last as long as one that is preempted
 * in it: what counts is whether it kept its CPU since the task before.
 */
static void *helper_main(void *unused)
{
	unsigned int spins = 0;
	long preempted;

	stay_on(helper.cpu);
	preempted = bench_preemptions();
	for (;;) {
		int order = __atomic_load_n(&helper.order, __ATOMIC_ACQUIRE);

		if (order == QUIT)
			return NULL;
		if (order == GO) {
			double started = bench_cpu_now();

			helper.fn(helper.arg);
			helper.cpu_ns = bench_cpu_now() - started;
			helper.preempted = bench_preemptions() != preempted;
			preempted = bench_preemptions();
			spins = 0;
			__atomic_store_n(&helper.order, DONE, __ATOMIC_RELEASE);
		}
		relax(&spins);
	}
}

static void helper_go(void (*fn)(void *arg), void *arg)
{
	helper.fn = fn;
	helper.arg = arg;
	__atomic_store_n(&helper.order, GO, __ATOMIC_RELEASE);
}

static void helper_wait(void)
{
	unsigned int spins = 0;

	while (__atomic_load_n(&helper.order, __ATOMIC_ACQUIRE) != DONE)
		relax(&spins);
}

static void nothing(void *unused)
{
}

/* Returns when the helper is there and waits. */
int bench_helper_start(void)
{
	int err;

	if (helper.running)
		return 0;
	helper.order = WAIT;
	err = pthread_create(&helper.thread, NULL, helper_main, NULL);
	if (err)
		return bench_fail(-err, "pthread_create");
	helper.running = true;
	helper_go(nothing, NULL);
	helper_wait();
	return 0;
}

void bench_helper_stop(void)
{
	if (!helper.running)
		return;
	__atomic_store_n(&helper.order, QUIT, __ATOMIC_RELEASE);
	pthread_join(helper.thread, NULL);
	helper.running = false;
}

static bool noise_begun, noise_over;

/* Called by the helper's noise, again and again: whether it is to go on. */
bool bench_noise_goes_on(void)
{
	__atomic_store_n(&noise_begun, true, __ATOMIC_RELEASE);
	return !__atomic_load_n(&noise_over, __ATOMIC_ACQUIRE);
}

/*
 * Run work(arg) here while the helper makes noise, which it began before and ends after. @return
 * nanoseconds that the work took
 */
double bench_beside(void (*work)(void *arg), void *arg, void (*noise)(void *arg), void *noise_arg)
{
	struct bench_watch watch;
	unsigned int spins = 0;
	double ns;

	noise_begun = false;
	noise_over = false;
	helper_go(noise, noise_arg);
	while (!__atomic_load_n(&noise_begun, __ATOMIC_ACQUIRE))
		relax(&spins);
	watch = bench_start();
	work(arg);
	ns = bench_stop(&watch);
	__atomic_store_n(&noise_over, true, __ATOMIC_RELEASE);
	helper_wait();
	if (helper.preempted)
		bench_note_preemption();
	return ns;
}

/*
 * Run fn(here) in this thread and fn(there) in the helper at the same time. @return nanoseconds until
 * both were done; when either was preempted, those that the busier of the two ran
 */
double bench_both(void (*fn)(void *arg), void *here, void *there)
{
	struct bench_watch watch = bench_start();
	double wall, cpu_ns;
	bool preempted;

	helper_go(fn, there);
	fn(here);
	cpu_ns = bench_cpu_now() - watch.cpu;
	preempted = bench_preemptions() != watch.preempted;
	helper_wait();
	wall = bench_now() - watch.wall;
	if (!preempted && !helper.preempted)
		return wall;
	bench_note_preemption();
	return cpu_ns > helper.cpu_ns ? cpu_ns : helper.cpu_ns;
}
