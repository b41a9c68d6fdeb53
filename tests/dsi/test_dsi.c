/* SPDX-License-Identifier: MIT */
/*
 * Guests that invalidate lazily and domain-selectively, while they are migrated: not a page is lost, at the
 * rates seen in the field, and the cost is that of what is mapped. With twins that lose pages.
 *
 * By hand: test-dsi --preset nvme-fio --seconds 10 [--variant vtd_ss-4] [--seed N] [--how plain]
 */
#include "dsi.h"

#define SEED UINT64_C(0xd51)

static uint64_t seed(void)
{
	const char *s = getenv("IOD_SEED");

	return s ? strtoull(s, NULL, 0) : SEED;
}

static struct dsi_result run(struct iodt *t, const char *preset, uint64_t ms, enum dsi_how how)
{
	struct dsi_cfg cfg = { .v = t->v,
			       .preset = dsi_preset(preset),
			       .time = ms * DSI_MS,
			       .seed = seed(),
			       .how = how };
	struct dsi_result res;

	dsi_run(&cfg, &res);
	return res;
}

/* R94, R95: what is walked and swept is what is mapped, not what could be. */
static void cost_is_what_is_mapped(const struct dsi_result *res)
{
	/* a table has 512 items; items of the root are looked at once per part of the space, and window; what does not
	 * fit into one look is looked at in pieces, with one item of each level above for each */
	assert_true(res->walked_most <= 512 * (res->tables_most + 1) * 5 / 4);
	assert_true(res->swept_most <= 512 * (res->shadow_tables_most + 1));
}

static void nothing_is_lost(const struct dsi_result *res)
{
	assert_int_equal(res->lost, 0);
	/* and all of it has happened */
	assert_true(res->flushes > 0 && res->unmapped > 0 && res->reported > 0);
	assert_true(res->swept > 0 && res->late > 0 && res->writes > 0);
	assert_int_equal(res->by_timer + res->by_full + 1, res->flushes);
	assert_true(res->syncs <= res->flushes);
	cost_is_what_is_mapped(res);
}

/* Flushes a second, within a fifth of what was seen. */
static void rate_is(const struct dsi_result *res, const char *preset, uint64_t ms)
{
	const struct dsi_preset *p = dsi_preset(preset);
	double want = (double)p->flushes * (double)ms / 1000 / p->seconds;

	assert_true((double)res->flushes > 0.8 * want - 2 && (double)res->flushes < 1.2 * want + 2);
}

static void nvme_fio(struct iodt *t)
{
	uint64_t ms = iodt_scale(3000);
	struct dsi_result res = run(t, "nvme-fio", ms, DSI_SHADOW);

	nothing_is_lost(&res);
	rate_is(&res, "nvme-fio", ms);
	assert_true(res.late_written > 0);
}

/* 55 simulated seconds; tables of the guest go as a whole. */
static void gpu(struct iodt *t)
{
	uint64_t ms = iodt_scale(100) >= 100 ? 55000 : 15000;
	struct dsi_result res = run(t, "gpu", ms, DSI_SHADOW);

	nothing_is_lost(&res);
	if (ms == 55000) {
		assert_in_range(res.flushes, 13, 33);
		assert_true(res.by_table > 10 && res.late_written > 0);
	}
}

static void burst(struct iodt *t)
{
	uint64_t ms = iodt_scale(300);
	struct dsi_result res = run(t, "burst", ms, DSI_SHADOW);

	nothing_is_lost(&res);
	rate_is(&res, "burst", ms);
	assert_true(res.by_full > res.by_timer);
}

/* Without the library's shadow: any shape of requests, in any order. */
static void by_hand_batches(struct iodt *t)
{
	struct dsi_result res = run(t, "nvme-fio", iodt_scale(1500), DSI_BATCH);

	nothing_is_lost(&res);
	assert_true(res.late_written > 0 && res.by_table > 0);
	res = run(t, "gpu", 15000, DSI_BATCH);
	assert_int_equal(res.lost, 0);
}

/* R95: a log in guest addresses, whose join follows what is mapped and unmapped. */
static void joined(struct iodt *t)
{
	struct dsi_result res = run(t, "nvme-fio", iodt_scale(1000), DSI_JOIN);

	assert_int_equal(res.lost, 0);
	assert_true(res.flushes > 0 && res.unmapped > 0 && res.reported > 0);
	assert_true(res.swept > 0 && res.late > 0 && res.writes > 0);
	res = run(t, "burst", iodt_scale(100), DSI_JOIN);
	assert_int_equal(res.lost, 0);
}

/* R97: equal seeds do equal things. */
static void is_deterministic(struct iodt *t)
{
	struct dsi_result a = run(t, "nvme-fio", 200, DSI_SHADOW);
	struct dsi_result b = run(t, "nvme-fio", 200, DSI_SHADOW);

	assert_memory_equal(&a, &b, sizeof(a));
}

/* R61: reading without cleaning, then a plain unmap, is enough where devices are quiet. */
static void read_then_unmap_when_quiet(struct iodt *t)
{
	struct dsi_result res = run(t, "nvme-fio", iodt_scale(500), DSI_READ_QUIET);

	assert_int_equal(res.lost, 0);
	assert_true(res.reported > 0);
}

/* ---- twins ---- */

static void loses(struct iodt *t, enum dsi_how how)
{
	struct dsi_result res = run(t, "nvme-fio", 500, how);

	print_message("%ju pages lost\n", (uintmax_t)res.lost);
	assert_true(res.lost > 0);
}

static void twin_read_while_devices_write(struct iodt *t)
{
	loses(t, DSI_READ_FIRST);
}

static void twin_plain_unmap(struct iodt *t)
{
	loses(t, DSI_PLAIN);
}

static void twin_copied_before_the_sync(struct iodt *t)
{
	loses(t, DSI_EARLY);
}

static void twin_not_looked_at_again(struct iodt *t)
{
	loses(t, DSI_NO_HARVEST);
}

static void twin_shadow_that_does_not_track(struct iodt *t)
{
	loses(t, DSI_SHADOW_PLAIN);
}

static void twin_shadow_not_looked_at_again(struct iodt *t)
{
	/* where whole tables go, which a shadow cuts off only when they are full */
	struct dsi_result res = run(t, "gpu", 55000, DSI_SHADOW_NO_HARVEST);

	print_message("%ju pages lost\n", (uintmax_t)res.lost);
	assert_true(res.lost > 0);
}

/* ---- R94: a few pages in all of the space ---- */

static int count_items(void *cookie, const struct iod_visit_event *e)
{
	*(uint64_t *)cookie += e->kind == IOD_VISIT_MAPPING;
	return 0;
}

static void sparse_space(struct iodt *t)
{
	uint64_t places[IODT_PLACES], found = 0, items = 0, swept = 0, tables, granule;
	size_t i, n = iodt_places(t->v, DSI_PAGE, places);
	struct iod_visit visit = { .size = sizeof(visit), .fn = count_items, .cookie = &found };
	struct iodt_part part[2];
	struct iod_sweep s;
	struct iodt_bits b;

	for (i = 0; i < n; i++)
		iodt_map(t, places[i], (2 * i + 1) * DSI_PAGE, DSI_PAGE, IODT_RW | IOD_PROT_DIRTY);
	tables = iodt_info(t->pt).tables;
	assert_in_range(tables, 2, 6 * n + 1);
	for (i = 0; i < iodt_parts(t->v, part); i++) {
		visit.iova = part[i].iova;
		visit.len = part[i].len;
		iodt_assert_ok(iod_visit(t->pt, &visit));
		items += visit.items;
		granule = part[i].len >> 20 > DSI_PAGE ? part[i].len >> 20 : DSI_PAGE;
		iodt_bits_init(&b, part[i].iova, part[i].len, granule);
		s = iodt_sweep_arg(t, IOD_SWEEP_READ, part[i].iova, part[i].len, &b);
		iodt_assert_ok(iod_sweep(t->pt, &s));
		assert_int_equal(s.done, part[i].len);
		swept += s.items;
		iodt_bits_free(&b);
	}
	assert_int_equal(found, n);
	/* concatenated roots are up to 16 tables */
	assert_true(items <= 512 * (tables + 17));
	assert_true(swept <= 512 * (tables + 17));
}

/* ---- by hand ---- */

static const struct {
	const char *name;
	enum dsi_how how;
} hows[] = {
	{ "shadow", DSI_SHADOW },
	{ "shadow-plain", DSI_SHADOW_PLAIN },
	{ "shadow-no-harvest", DSI_SHADOW_NO_HARVEST },
	{ "batch", DSI_BATCH },
	{ "join", DSI_JOIN },
	{ "read-quiet", DSI_READ_QUIET },
	{ "read-first", DSI_READ_FIRST },
	{ "plain", DSI_PLAIN },
	{ "early", DSI_EARLY },
	{ "no-harvest", DSI_NO_HARVEST },
};

static void row(const char *what, uint64_t n)
{
	printf("%-44s %12ju\n", what, (uintmax_t)n);
}

static void print_table(const struct dsi_cfg *cfg, const struct dsi_result *r)
{
	printf("%s on %s, %ju s, seed %#jx\n", cfg->preset->name, cfg->v->name,
	       (uintmax_t)(cfg->time / DSI_S), (uintmax_t)cfg->seed);
	row("buffers mapped", r->buffers);
	row("writes of devices", r->writes);
	row("domain-selective invalidations", r->flushes);
	row("  because of the timer", r->by_timer);
	row("  because the queue was full", r->by_full);
	row("ranges unmapped", r->requests);
	row("  2 MiB and more", r->by_table);
	row("  in the largest batch", r->largest_batch);
	row("pages unmapped", r->unmapped);
	row("  dirty, in the bitmaps of unmaps", r->reported);
	row("invalidations for them", r->invalidations);
	row("  syncs", r->syncs);
	row("writes tried after the guest had unmapped", r->late);
	row("  let through", r->late_written);
	row("rounds of pre-copy", r->rounds);
	row("  pages found dirty", r->swept);
	row("pages copied", r->copied);
	row("most pages mapped at a time", r->most_mapped);
	row("items of the guest's table, at most per flush", r->walked_most);
	row("  in so many tables", r->tables_most);
	row("pages lost", r->lost);
}

static void print_error_and_exit(const char *what)
{
	size_t i;

	fprintf(stderr, "unknown: %s\npresets:", what);
	for (i = 0; i < dsi_nr_presets; i++)
		fprintf(stderr, " %s", dsi_presets[i].name);
	fprintf(stderr, "\nhow:");
	for (i = 0; i < IODT_ARRAY_SIZE(hows); i++)
		fprintf(stderr, " %s", hows[i].name);
	fprintf(stderr, "\n");
	exit(2);
}

static struct dsi_cfg by_hand_cfg;

static void by_hand(void **state)
{
	struct dsi_result res;

	dsi_run(&by_hand_cfg, &res);
	print_table(&by_hand_cfg, &res);
}

static int run_by_hand(int argc, char **argv)
{
	const struct CMUnitTest one[] = { cmocka_unit_test(by_hand) };
	struct dsi_cfg *c = &by_hand_cfg;
	size_t k;
	int i;

	*c = (struct dsi_cfg){ iodt_variant("vtd_ss-4"), &dsi_presets[0], 10 * DSI_S, seed(),
			       DSI_SHADOW };
	for (i = 1; i + 1 < argc; i += 2) {
		if (!strcmp(argv[i], "--preset"))
			c->preset = dsi_preset(argv[i + 1]);
		else if (!strcmp(argv[i], "--seconds"))
			c->time = strtoull(argv[i + 1], NULL, 0) * DSI_S;
		else if (!strcmp(argv[i], "--seed"))
			c->seed = strtoull(argv[i + 1], NULL, 0);
		else if (!strcmp(argv[i], "--variant"))
			c->v = iodt_variant(argv[i + 1]);
		else if (strcmp(argv[i], "--how"))
			print_error_and_exit(argv[i]);
		for (k = 0; !strcmp(argv[i], "--how"); k++) {
			if (k == IODT_ARRAY_SIZE(hows))
				print_error_and_exit(argv[i + 1]);
			c->how = hows[k].how;
			if (!strcmp(argv[i + 1], hows[k].name))
				break;
		}
		if (!c->preset || !c->v)
			print_error_and_exit(argv[i + 1]);
	}
	return cmocka_run_group_tests(one, NULL, NULL);
}

#define ON (IODT_DIRTY | IODT_PLAIN | IODT_GRAN4K | IODT_ROOMY)

int main(int argc, char **argv)
{
	static const struct iodt_test tests[] = {
		{ "nvme_fio", ON, 0, nvme_fio },
		{ "gpu", ON, 0, gpu },
		{ "burst", ON, 0, burst },
		{ "by_hand_batches", ON, 0, by_hand_batches },
		{ "joined", ON, 0, joined },
		{ "is_deterministic", ON, 0, is_deterministic },
		{ "read_then_unmap_when_quiet", ON, 0, read_then_unmap_when_quiet },
		{ "twin_read_while_devices_write", ON, 0, twin_read_while_devices_write },
		{ "twin_plain_unmap", ON, 0, twin_plain_unmap },
		{ "twin_copied_before_the_sync", ON, 0, twin_copied_before_the_sync },
		{ "twin_not_looked_at_again", ON, 0, twin_not_looked_at_again },
		{ "twin_shadow_that_does_not_track", ON, 0, twin_shadow_that_does_not_track },
		{ "twin_shadow_not_looked_at_again", ON, IODT_REPLICAS,
		  twin_shadow_not_looked_at_again },
		{ "sparse_space", IODT_DIRTY | IODT_GRAN4K | IODT_TABLES | IODT_ROOMY, 0,
		  sparse_space },
	};

	if (argc > 1 && !strncmp(argv[1], "--", 2))
		return run_by_hand(argc, argv);
	return iodt_main(argc, argv, tests, IODT_ARRAY_SIZE(tests), NULL, 0);
}
