/* SPDX-License-Identifier: MIT */
/*
 * A guest that maps, unmaps and remaps at random while its devices write and the log is asked in every way. The
 * oracle is the data: versions of frames against the versions that were copied.
 */
#include "joinrig.h"

static unsigned int below(struct joinrig *r, unsigned int n)
{
	return (unsigned int)iodt_below(r->t, n);
}

/* A run of slots of one cluster, all of them mapped or none; its length, or 0. */
static unsigned int run(struct joinrig *r, unsigned int *slot, bool mapped)
{
	unsigned int n = 0, max = 1 + below(r, 12), end;

	*slot = below(r, JOINRIG_SLOTS);
	end = *slot < JOINRIG_SLOTS / 2 ? JOINRIG_SLOTS / 2 : JOINRIG_SLOTS;
	while (n < max && *slot + n < end && r->frame[*slot + n] != JOINRIG_BUSY &&
	       (r->frame[*slot + n] != JOINRIG_NONE) == mapped)
		n++;
	return n;
}

static void map_some(struct joinrig *r)
{
	unsigned int slot, n = run(r, &slot, false);

	if (n)
		joinrig_map(r, slot, n, below(r, JOINRIG_FRAMES - n + 1));
}

static void write_some(struct joinrig *r)
{
	unsigned int k = 1 + below(r, 6), slot, n, i;

	while (k--) {
		n = run(r, &slot, true);
		for (i = 0; i < n; i++)
			if (below(r, 2))
				joinrig_dma(r, slot + i);
	}
}

/* While hardware is waited for: what was mapped stands for something else when it answers. */
static void remap_during(struct joinrig *r)
{
	unsigned int slot, n = run(r, &slot, true);

	if (below(r, 2) || !n)
		return;
	r->during = NULL;
	write_some(r);
	joinrig_unmap_own(r, slot, n);
	if (below(r, 2))
		joinrig_map(r, slot, n, below(r, JOINRIG_FRAMES - n + 1));
	map_some(r);
	write_some(r);
	r->during = remap_during;
}

static void sync_some(struct joinrig *r)
{
	unsigned int unit = r->granule > r->t->page ? (unsigned int)(r->granule / r->t->page) : 1;
	unsigned int all = JOINRIG_FRAMES / unit, f = below(r, all), n = 1 + below(r, all - f);

	f *= unit;
	n *= unit;
	switch (below(r, 5)) {
	case 4: /* cleared by what an earlier round handed out */
		iodt_assert_ok(joinrig_sync(r, 0, JOINRIG_FRAMES, 0));
		write_some(r);
		r->fail = below(r, 3);
		joinrig_clear(r, f, n);
		r->fail = 0;
		break;
	case 0:
		r->fail = 1 + below(r, 2);
		joinrig_sync(r, f, n, 0);
		r->fail = 0;
		break;
	case 1:
		r->fail = below(r, 2);
		joinrig_two_phases(r, f, n);
		r->fail = 0;
		break;
	default:
		iodt_assert_ok(joinrig_sync(r, f, n, 0));
	}
}

static void unmap_some(struct joinrig *r)
{
	unsigned int slot, n = run(r, &slot, true);

	if (!n)
		return;
	switch (below(r, 4)) {
	case 0:
		joinrig_unmap_own(r, slot, n);
		break;
	case 1: /* it stands for something else before the first unmap is complete */
		r->fail = below(r, 2);
		joinrig_unmap(r, slot, n, below(r, 2));
		r->fail = 0;
		joinrig_map(r, slot, n, below(r, JOINRIG_FRAMES - n + 1));
		break;
	default:
		iodt_assert_ok(joinrig_unmap(r, slot, n, below(r, 2)));
	}
}

static void settle(struct joinrig *r)
{
	unsigned int k;

	r->during = NULL;
	if (below(r, 2)) {
		/* Beside large pages it may take a round that reports them whole. */
		for (k = 0; k < 2 && (!k || joinrig_stale(r)); k++)
			iodt_assert_ok(joinrig_two_phases(r, 0, JOINRIG_FRAMES));
	} else {
		iodt_assert_ok(joinrig_sync(r, 0, JOINRIG_FRAMES, 0));
	}
	assert_int_equal(joinrig_stale(r), 0);
}

static void rounds(struct joinrig *r, unsigned int n, bool hooks)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		r->during = hooks ? remap_during : NULL;
		switch (below(r, 8)) {
		case 0:
		case 1:
			map_some(r);
			break;
		case 2:
			unmap_some(r);
			break;
		case 3:
			sync_some(r);
			break;
		case 4:
			settle(r);
			break;
		default:
			write_some(r);
		}
	}
	settle(r);
}

static void random_with(struct iodt *t, struct joinrig_cfg cfg, bool hooks)
{
	struct joinrig r;

	joinrig_open(&r, t, &cfg);
	joinrig_start(&r);
	rounds(&r, iodt_scale(3000), hooks);
	joinrig_close(&r);
}

static void test_random(struct iodt *t)
{
	random_with(t, (struct joinrig_cfg){ 0 }, false);
}

static void test_random_remapped(struct iodt *t)
{
	random_with(t, (struct joinrig_cfg){ 0 }, true);
}

/* Chunks of 64 granules, which pages and ranges reach over. */
static void test_random_chunks(struct iodt *t)
{
	random_with(t, (struct joinrig_cfg){ .staging = 8 * t->page / IODT_4K }, true);
}

/* Granules of several pages. */
static void test_random_granule(struct iodt *t)
{
	random_with(t, (struct joinrig_cfg){ .granule = 4 * t->page }, true);
}

/* So few ranges that the journal gives way and holes cannot be noted. */
static void test_random_bound(struct iodt *t)
{
	struct joinrig_cfg cfg = { .max_ranges = 24 };

	random_with(t, cfg, true);
}

int main(int argc, char **argv)
{
	static const struct iodt_test tests[] = {
		{ "random", IODT_DIRTY | IODT_MIDDLING, 0, test_random },
		{ "random_remapped", IODT_DIRTY | IODT_MIDDLING, 0, test_random_remapped },
		{ "random_chunks", IODT_DIRTY | IODT_MIDDLING, 0, test_random_chunks },
		{ "random_granule", IODT_DIRTY | IODT_MIDDLING, 0, test_random_granule },
		{ "random_bound", IODT_DIRTY | IODT_MIDDLING, 0, test_random_bound },
	};

	return iodt_main(argc, argv, tests, IODT_ARRAY_SIZE(tests), NULL, 0);
}
