/* SPDX-License-Identifier: MIT */
/*
 * The objects between a gather and VT-d or an AMD IOMMU: which commands each kind of table takes, and how many;
 * domains; devices, and the order of it all; errata. What costs decide is in test_inv_cost.c. R8, R101, R103, R107, R111 to R113, R122.
 */
#include "gcmd.h"

#define TIB (UINT64_C(1) << 28) /* in pages */

static void kind(struct gc *gc, enum iod_inv_kind what)
{
	gc_one(gc, (struct iod_inv){ .kind = what });
}

/* ---- which command ---- */

struct words {
	const char *name;
	unsigned vendor;
	struct gc_cfg cfg;
	struct gc_cmd narrow, wide;
};

static const struct words words[] = {
	{ "second stage",
	  GC_VTD,
	  { .domain = 0xfedc },
	  { .domain = 0xfedc },
	  { .kind = GC_TABLE, .domain = 0xfedc } },
	{ "first stage",
	  GC_VTD,
	  { .stage = 1, .domain = 3, .pasid = 0xfffff },
	  { .domain = 3, .pasid = 0xfffff, .by_pasid = true },
	  { .kind = GC_TABLE, .domain = 3, .pasid = 0xfffff, .by_pasid = true } },
	{ "host table",
	  GC_AMD,
	  { .domain = 0xfedc },
	  { .domain = 0xfedc },
	  { .kind = GC_TABLE, .domain = 0xfedc } },
	{ "guest table",
	  GC_AMD,
	  { .stage = 1, .domain = 3, .pasid = 0xfffff },
	  { .domain = 3, .pasid = 0xfffff, .by_pasid = true },
	  { .kind = GC_TABLE, .domain = 3, .pasid = 0xfffff, .by_pasid = true } },
};

static void which_command(void **state)
{
	size_t i;

	for (i = 0; i < IODT_ARRAY_SIZE(words); i++) {
		const struct words *w = &words[i];
		struct gc_cfg cfg = w->cfg;
		struct gc_cmd c = w->narrow;
		struct gc *gc;

		cfg.cost = &gc_never;
		gc = gc_open(&gc_vendors[w->vendor], &cfg);
		c.kind = GC_PAGES;
		c.first = GC_PAGE(0x12345);
		c.last = c.first + 0xfff;
		gc_one(gc, gc_tables(0x12345, 1));
		GC_EXPECT(gc, w->name, c, gc_sync_cmd);
		c.leaf = true;
		gc_one(gc, gc_leaves(0x12345, 1));
		GC_EXPECT(gc, w->name, c, gc_sync_cmd);
		c.first = GC_PAGE(0x200);
		c.last = GC_PAGE(0x400) - 1;
		gc_one(gc, gc_leaves(0x200, 0x200));
		GC_EXPECT(gc, w->name, c, gc_sync_cmd);
		kind(gc, IOD_INV_DOMAIN);
		GC_EXPECT(gc, w->name, w->wide, gc_sync_cmd);
		kind(gc, IOD_INV_ALL);
		GC_EXPECT(gc, w->name, { .kind = GC_ALL }, gc_sync_cmd);
		gc_close(gc);
	}
}

/* R107: what an unmap or the end of a domain takes does not grow with it. */
static void large_ones(void **state)
{
	unsigned v, dear, stage;

	for (v = 0; v < GC_VENDORS; v++)
		for (dear = 0; dear < 2; dear++)
			for (stage = 1; stage <= 2; stage++) {
				struct gc_cfg cfg = { .stage = stage,
						      .domain = 1,
						      .cost = dear ? &gc_never : NULL };
				struct gc *gc = gc_open(&gc_vendors[v], &cfg);
				struct iod_inv all = { .kind = IOD_INV_RANGE,
						       .last = UINT64_MAX,
						       .granule_lg2 = 12 };

				/* 32 MiB, 1 TiB, and unaligned */
				gc_one(gc, gc_tables(1u << 20, 1u << 13));
				assert_int_equal(gc->nr, 2);
				gc_reset(gc);
				gc_one(gc, gc_tables(TIB, TIB));
				assert_int_equal(gc->nr, 2);
				gc_reset(gc);
				gc_one(gc, gc_tables(TIB + 1, TIB));
				assert_true(gc->nr <= 2 * 28 + 1);
				gc_reset(gc);
				gc_one(gc, all);
				assert_int_equal(gc->nr, 2);
				assert_int_equal(gc->cmd[0].kind, GC_TABLE);
				gc_close(gc);
			}
}

/* VT-d's AM has a largest value: 1 TiB in blocks of 1 GiB is dearer than everything, 1 GiB in those of 2 MiB not. */
static void small_blocks(void **state)
{
	struct gc_cfg cfg = { .domain = 1, .mamv = 18 + 1 };
	struct gc *gc = gc_open(&gc_vendors[GC_VTD], &cfg);
	size_t i;

	gc_one(gc, gc_tables(TIB, TIB));
	GC_EXPECT(gc, "1 TiB", { .kind = GC_TABLE, .domain = 1 }, gc_sync_cmd);
	gc_close(gc);
	cfg.mamv = 9 + 1;
	cfg.cost = &gc_never;
	gc = gc_open(&gc_vendors[GC_VTD], &cfg);
	gc_one(gc, gc_leaves(1u << 18, 1u << 18));
	assert_int_equal(gc->nr, 513);
	for (i = 0; i < 512; i++)
		assert_int_equal(gc->cmd[i].first, (UINT64_C(1) << 30) + (i << 21));
	gc_reset(gc);
	gc_close(gc);
	/* without page-selective invalidation */
	cfg.no_psi = true;
	gc = gc_open(&gc_vendors[GC_VTD], &cfg);
	gc_one(gc, gc_leaves(5, 1));
	GC_EXPECT(gc, "no PSI", { .kind = GC_TABLE, .domain = 1 }, gc_sync_cmd);
	gc_close(gc);
}

/* ---- several domains ---- */

static void domains(void **state)
{
	unsigned v;

	for (v = 0; v < GC_VENDORS; v++) {
		struct gc_cfg cfg = { .domain = 7 };
		struct gc *gc = gc_open(&gc_vendors[v], &cfg);
		const struct gc_vendor *d = gc->v;
		uint64_t f[5];
		unsigned i;

		iodt_assert_ok(d->add_domain(gc->inv, 0xffff));
		iodt_assert_ok(d->add_domain(gc->inv, 0));
		iodt_assert_ok(d->add_domain(gc->inv, 64));
		assert_int_equal(d->add_domain(gc->inv, 7), -EEXIST);
		assert_int_equal(d->add_domain(gc->inv, 64), -EEXIST);
		assert_int_equal(d->remove_domain(gc->inv, 63), -ENOENT);
		assert_int_equal(d->remove_domain(gc->inv, 7), -ENOENT);
		gc_one(gc, gc_leaves(5, 1));
		GC_EXPECT(gc, "four", gc_pages(7, 5, 1, true), gc_pages(0, 5, 1, true),
			  gc_pages(64, 5, 1, true), gc_pages(0xffff, 5, 1, true), gc_sync_cmd);
		iodt_assert_ok(d->remove_domain(gc->inv, 0));
		assert_int_equal(d->remove_domain(gc->inv, 0), -ENOENT);
		kind(gc, IOD_INV_DOMAIN);
		GC_EXPECT(gc, "three", { .kind = GC_TABLE, .domain = 7 },
			  { .kind = GC_TABLE, .domain = 64 },
			  { .kind = GC_TABLE, .domain = 0xffff }, gc_sync_cmd);
		iodt_assert_ok(d->stats(gc->inv, f));
		assert_int_equal(f[2], 3);
		/* all there are */
		for (i = 0; i < 0x10000; i++)
			d->add_domain(gc->inv, (uint16_t)i);
		iodt_assert_ok(gc_invalidate(gc, &(struct iod_inv){ .kind = IOD_INV_DOMAIN }, 1));
		assert_int_equal(gc->nr, 0x10000);
		assert_int_equal(gc->cmd[0].domain, 7);
		for (i = 1; i < 0x10000; i++)
			assert_int_equal(gc->cmd[i].domain, i <= 7 ? i - 1 : i);
		gc_close(gc);
	}
}

/* ---- guests' tables on it ---- */

/* VT-d: an invalidation by domain id takes nested ones along; first-stage tables in walk caches for IH = 0 only. */
static void nested_vtd(void **state)
{
	struct gc_cfg cfg = { .domain = 7, .flags = GC_NESTED };
	const struct iod_inv both[] = { gc_leaves(0, 512), gc_tables(16, 1) };
	struct gc *gc = gc_open(&gc_vendors[GC_VTD], &cfg);

	iodt_assert_ok(gc->v->add_domain(gc->inv, 8));
	gc_one(gc, gc_leaves(5, 1));
	GC_EXPECT(gc, "narrow", gc_pages(7, 5, 1, false), gc_pages(8, 5, 1, false), gc_sync_cmd);
	iodt_assert_ok(gc_invalidate(gc, both, 2));
	GC_EXPECT(gc, "both", gc_pages(7, 0, 512, false), gc_pages(8, 0, 512, false));
	gc_close(gc);
}

#define GUEST(domain_, pasid_)                                                         \
	{                                                                              \
		.kind = GC_TABLE, .domain = domain_, .pasid = pasid_, .by_pasid = true \
	}

/* AMD: combined translations have to go by themselves, after the host's. */
static void nested_amd(void **state)
{
	const struct gc_vendor *v = &gc_vendors[GC_AMD];
	struct gc_cfg cfg = { .domain = 7, .flags = GC_NESTED, .pasids = 2 };
	struct gc *gc = gc_open(v, &cfg);
	struct iod_inv item = gc_leaves(5, 1);
	uint64_t raw[2 * 16];
	size_t n;

	iodt_assert_ok(v->add_domain(gc->inv, 8));
	gc_one(gc, item);
	GC_EXPECT(gc, "narrow", gc_pages(7, 5, 1, true), gc_pages(8, 5, 1, true), gc_sync_cmd,
		  GUEST(7, 0), GUEST(7, 1), GUEST(8, 0), GUEST(8, 1), gc_sync_cmd);
	kind(gc, IOD_INV_DOMAIN);
	GC_EXPECT(gc, "wide", { .kind = GC_TABLE, .domain = 7 }, { .kind = GC_TABLE, .domain = 8 },
		  gc_sync_cmd, GUEST(7, 0), GUEST(7, 1), GUEST(8, 0), GUEST(8, 1), gc_sync_cmd);
	iodt_assert_ok(v->encode(gc->inv, false, &item, 1, raw, 16, &n));
	assert_int_equal(n, 2 + 1 + 4);
	assert_int_equal(gc_decode(gc, &raw[2 * 2]).kind, GC_SYNC);
	gc_close(gc);
	/* PASIDs are not known: everything, at once */
	cfg.pasids = 0;
	gc = gc_open(v, &cfg);
	gc_one(gc, item);
	GC_EXPECT(gc, "not known", { .kind = GC_ALL }, gc_sync_cmd);
	gc_close(gc);
	/* or too many to be worth it: 256 * 8 commands are more than 200000 */
	cfg.pasids = 256;
	gc = gc_open(v, &cfg);
	gc_one(gc, item);
	assert_int_equal(gc->nr, 1 + 1 + 256 + 1);
	gc_reset(gc);
	for (n = 1; n < 8; n++)
		iodt_assert_ok(v->add_domain(gc->inv, (uint16_t)n + 100));
	gc_one(gc, item);
	GC_EXPECT(gc, "too many", { .kind = GC_ALL }, gc_sync_cmd);
	gc_close(gc);
	/* the caller knows better */
	cfg.flags |= GC_NO_COMBINED;
	gc = gc_open(v, &cfg);
	gc_one(gc, item);
	GC_EXPECT(gc, "enough", gc_pages(7, 5, 1, true), gc_sync_cmd);
	gc_close(gc);
	/* nothing takes what nobody can name */
	cfg = (struct gc_cfg){ .flags = GC_NESTED, .no_ia = true };
	assert_int_equal(gc_try(v, &cfg, &gc), -EOPNOTSUPP);
	cfg.flags |= GC_NO_COMBINED;
	gc = gc_open(v, &cfg);
	assert_int_equal(gc_invalidate(gc, &(struct iod_inv){ .kind = IOD_INV_ALL }, 1),
			 -EOPNOTSUPP);
	gc_close(gc);
}

/* ---- devices ---- */

static struct gc_cmd dev_cmd(uint32_t id, uint64_t first, uint64_t n)
{
	return (struct gc_cmd){
		.kind = GC_DEV, .dev = id, .first = GC_PAGE(first), .last = GC_PAGE(first + n) - 1
	};
}

static struct gc_cmd dev_all(uint32_t id)
{
	return (struct gc_cmd){ .kind = GC_DEV, .dev = id, .last = UINT64_MAX };
}

static void settled(struct gc *gc, const struct gc_dev *dev)
{
	iodt_assert_ok(gc->v->add_device(gc->inv, dev));
	iodt_assert_ok(gc_sync(gc));
	gc_reset(gc);
}

static void order(void **state)
{
	unsigned v;

	for (v = 0; v < GC_VENDORS; v++) {
		struct gc_cfg cfg = { .domain = 1 };
		struct gc *gc = gc_open(&gc_vendors[v], &cfg);
		const struct gc_dev dev = { .id = 0x100 };
		struct iod_inv item = gc_leaves(5, 1), table = gc_tables(512, 512);

		gc_one(gc, item);
		GC_EXPECT(gc, "no device", gc_pages(1, 5, 1, true), gc_sync_cmd);
		iodt_assert_ok(gc->v->add_device(gc->inv, &dev));
		gc_one(gc, item);
		GC_EXPECT(gc, "new", gc_pages(1, 5, 1, true), gc_sync_cmd, dev_all(0x100),
			  gc_sync_cmd);
		/* nothing that a device holds before the IOMMU has forgotten it */
		iodt_assert_ok(gc_invalidate(gc, &item, 1));
		GC_EXPECT(gc, "not yet", gc_pages(1, 5, 1, true));
		iodt_assert_ok(gc_sync(gc));
		GC_EXPECT(gc, "then", gc_sync_cmd, dev_cmd(0x100, 5, 1), gc_sync_cmd);
		iodt_assert_ok(gc_sync(gc));
		GC_EXPECT(gc, "nothing is left", gc_sync_cmd);
		/* devices know nothing of tables */
		table.flags = IOD_INV_NO_LEAVES;
		table.leaf_levels = 0;
		gc_one(gc, table);
		GC_EXPECT(gc, "an empty table", gc_pages(1, 512, 512, false), gc_sync_cmd);
		gc_close(gc);
	}
}

/* R112: each device once, with its own ids and limits. */
static void one_target(void **state)
{
	static const struct gc_dev devs[] = {
		{ .id = 0xffff, .limits = 0xabcd, .pending = 31 },
		{ .id = 0x12, .limits = 0x12, .pasid = 0xabcde, .has_pasid = true, .pending = 5 },
		{ .id = 0x12, .limits = 0x12, .has_pasid = true, .stu = 3 },
	};
	unsigned v, i;

	for (v = 0; v < GC_VENDORS; v++) {
		struct gc_cfg cfg = { .domain = 1, .cost = &gc_never };
		struct gc *gc = gc_open(&gc_vendors[v], &cfg);
		struct gc_cmd want[3];

		for (i = 0; i < 3; i++)
			settled(gc, &devs[i]);
		assert_int_equal(gc->v->add_device(gc->inv, &devs[1]), -EEXIST);
		for (i = 0; i < 3; i++) {
			want[i] = dev_cmd(devs[i].id, i < 2 ? 0x205 : 0x200, i < 2 ? 1 : 8);
			want[i].limits = devs[i].limits;
			want[i].pending = devs[i].pending;
			want[i].pasid = devs[i].pasid;
			want[i].by_pasid = devs[i].has_pasid;
		}
		gc_one(gc, gc_leaves(0x205, 1));
		GC_EXPECT(gc, "three", gc_pages(1, 0x205, 1, true), gc_sync_cmd, want[0], want[1],
			  want[2], gc_sync_cmd);
		iodt_assert_ok(gc->v->remove_device(gc->inv, &devs[0]));
		assert_int_equal(gc->v->remove_device(gc->inv, &devs[0]), -ENOENT);
		kind(gc, IOD_INV_DOMAIN);
		assert_int_equal(gc->nr, 5);
		for (i = 2; i < 4; i++)
			assert_true(gc->cmd[i].dev == 0x12 && gc->cmd[i].last == UINT64_MAX);
		gc_close(gc);
	}
}

/* Devices ask by addresses of a guest. */
static void nested_devices(void **state)
{
	const struct gc_dev plain = { .id = 1 }, pasids = { .id = 2, .has_pasid = true },
			    wrong = { .id = 3, .has_pasid = true, .pasid = 1 };
	struct gc_cfg cfg = { .domain = 7, .flags = GC_NESTED };
	struct gc_cmd guest = dev_all(2), guest1 = dev_all(2), every = dev_all(2);
	struct gc *gc = gc_open(&gc_vendors[GC_VTD], &cfg);

	guest.by_pasid = guest1.by_pasid = every.by_pasid = every.global = true;
	guest1.pasid = 1;
	assert_int_equal(gc->v->add_device(gc->inv, &wrong), -EINVAL);
	settled(gc, &plain);
	settled(gc, &pasids);
	gc_one(gc, gc_leaves(5, 1));
	GC_EXPECT(gc, "VT-d", gc_pages(7, 5, 1, false), gc_sync_cmd, dev_all(1), dev_all(2), every,
		  gc_sync_cmd);
	gc_close(gc);
	gc = gc_open(&gc_vendors[GC_AMD], &cfg);
	assert_int_equal(gc->v->add_device(gc->inv, &pasids), -EINVAL);
	gc_close(gc);
	cfg.pasids = 2;
	cfg.flags |= GC_NO_COMBINED;
	gc = gc_open(&gc_vendors[GC_AMD], &cfg);
	assert_int_equal(gc->v->add_device(gc->inv, &wrong), -EINVAL);
	settled(gc, &plain);
	settled(gc, &pasids);
	gc_one(gc, gc_leaves(5, 1));
	GC_EXPECT(gc, "AMD", gc_pages(7, 5, 1, true), gc_sync_cmd, dev_all(1), dev_all(2), guest,
		  guest1, gc_sync_cmd);
	gc_close(gc);
}

/* Whatever fails: once it works, everything was done that was asked for, in order. */
static void nothing_is_forgotten(void **state)
{
	unsigned v;
	size_t fail;

	for (v = 0; v < GC_VENDORS; v++) {
		struct gc_cfg cfg = { .domain = 1 };
		struct gc *gc = gc_open(&gc_vendors[v], &cfg);
		struct iod_inv item[2] = { gc_leaves(5, 1), gc_leaves(0x1000, 1) };
		const struct gc_dev dev = { .id = 1 };

		settled(gc, &dev);
		for (fail = 1; fail <= 2; fail++) {
			iodt_assert_ok(gc_invalidate(gc, &item[0], 1));
			gc_reset(gc);
			gc->fail_at = fail;
			assert_int_equal(gc_sync(gc), -EIO);
			iodt_assert_ok(gc_invalidate(gc, &item[1], 1));
			gc_reset(gc);
			iodt_assert_ok(gc_sync(gc));
			GC_EXPECT(gc, "again", gc_sync_cmd, dev_cmd(1, 5, 1), dev_cmd(1, 0x1000, 1),
				  gc_sync_cmd);
		}
		gc->fail_at = 1;
		assert_int_equal(gc_invalidate(gc, item, 1), -EIO);
		gc_close(gc);
	}
}

/* ---- errata, figures ---- */

static bool seen_by_quirk(struct gc *gc, const struct gc_cmd *cmd, uint64_t *raw)
{
	return cmd->first != GC_PAGE(9);
}

static void errata(void **state)
{
	unsigned v;
	size_t i;

	for (v = 0; v < GC_VENDORS; v++) {
		struct gc_cfg cfg = { .domain = 1, .cost = &gc_never, .flags = GC_REPEAT };
		struct gc *gc = gc_open(&gc_vendors[v], &cfg);
		const struct gc_dev dev = { .id = 1 };
		uint64_t f[5];

		settled(gc, &dev);
		gc_one(gc, gc_leaves(5, 1));
		GC_EXPECT(gc, "repeat", gc_pages(1, 5, 1, true), gc_pages(1, 5, 1, true),
			  gc_sync_cmd, dev_cmd(1, 5, 1), gc_sync_cmd);
		iodt_assert_ok(gc->v->stats(gc->inv, f));
		assert_true(f[0] == 1 && f[1] == 2 && !f[2] && f[3] == 2 && f[4] == 4);
		gc_close(gc);
		cfg.flags = GC_NO_RANGES;
		gc = gc_open(&gc_vendors[v], &cfg);
		gc_one(gc, gc_leaves(0x100, 200));
		assert_int_equal(gc->nr, 201);
		for (i = 0; i < 200; i++)
			assert_true(gc->cmd[i].first == GC_PAGE(0x100 + i) &&
				    gc->cmd[i].last == GC_PAGE(0x101 + i) - 1);
		gc_close(gc);
		cfg.flags = 0;
		cfg.quirk = seen_by_quirk;
		gc = gc_open(&gc_vendors[v], &cfg);
		gc_one(gc, gc_leaves(9, 3));
		GC_EXPECT(gc, "quirk", gc_pages(1, 10, 2, true), gc_sync_cmd);
		gc_close(gc);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(which_command),  cmocka_unit_test(large_ones),
		cmocka_unit_test(small_blocks),	  cmocka_unit_test(domains),
		cmocka_unit_test(nested_vtd),	  cmocka_unit_test(nested_amd),
		cmocka_unit_test(order),	  cmocka_unit_test(one_target),
		cmocka_unit_test(nested_devices), cmocka_unit_test(nothing_is_forgotten),
		cmocka_unit_test(errata),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
