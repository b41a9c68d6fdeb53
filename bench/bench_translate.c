/* SPDX-License-Identifier: MIT */
/*
 * iod_iova_to_phys() at random addresses that do not depend on each other's result. The limit is one
 * load from the leaf table per address.
 */
#include "bench.h"

#include <errno.h>

static int translate_prepare(struct bench_rig *rig, const struct bench_case *c)
{
	rig->sum = 0;
	return bench_tables_ready(rig->t, c->recycled);
}

static int translate_work(struct bench_rig *rig, const struct bench_case *c)
{
	const struct bench_tables *t = rig->t;
	uint64_t mask = bench_span(c, t->len) - 1;
	uint64_t sum = 0;

	for (uint64_t i = 0; i < c->items; i++) {
		uint64_t iova = t->iova + (bench_random(i) & mask);
		uint64_t pa;
		int err = iod_iova_to_phys(t->pt, iova, &pa);

		if (err)
			return bench_fail(err, "iod_iova_to_phys");
		sum += pa - iova;
	}
	rig->sum = sum;
	return 0;
}

static int translate_check(struct bench_rig *rig, const struct bench_case *c)
{
	if (rig->sum != (rig->t->pa - rig->t->iova) * c->items)
		return bench_fail(-EIO, "wrong output addresses");
	return 0;
}

const struct bench_ops bench_translate_ops = {
	.prepare = translate_prepare,
	.work = translate_work,
	.check = translate_check,
};
