/* SPDX-License-Identifier: MIT */
/*
 * The object between a gather and an SMMU: which commands each kind of table takes, by hand from the
 * specification (Arm IHI 0070, 4.4); the cost model; errata; errors. R101, R103, R107, R110, R111, R122, R123.
 */
#include "invsink.h"

static struct sink sink;

struct setup {
	uint32_t stage, flags;
	uint16_t asid, vmid;
	bool addresses; /* no ranges */
	uint64_t domain, global, command, sync;
};

static struct iod_smmuv3_inv *open_inv(const struct setup *s)
{
	struct iod_smmuv3_id id = sink_id(!s->addresses);
	struct iod_inv_cost cost = { .size = sizeof(cost),
				     .domain = s->domain ? s->domain : IOD_INV_NEVER,
				     .global = s->global ? s->global : IOD_INV_NEVER,
				     .command = s->command,
				     .sync = s->sync };
	struct iod_smmuv3_inv_cfg cfg = { .size = sizeof(cfg),
					  .id = &id,
					  .sink = &sink.ops,
					  .stage = s->stage ? s->stage : 1,
					  .flags = s->flags,
					  .asid = s->asid,
					  .vmid = s->vmid,
					  .cost = &cost };
	struct iod_smmuv3_inv *inv = NULL;

	sink_init(&sink);
	iodt_assert_ok(iod_smmuv3_inv_create(&inv, &cfg));
	return inv;
}

static void close_inv(struct iod_smmuv3_inv *inv)
{
	iodt_assert_ok(iod_smmuv3_inv_destroy(inv));
}

static struct iod_inv range(uint64_t iova, uint64_t len, uint32_t flags, uint32_t leaves,
			    uint32_t tables)
{
	return (struct iod_inv){ .kind = IOD_INV_RANGE,
				 .flags = flags,
				 .iova = iova,
				 .last = iova + (len - 1),
				 .leaf_levels = leaves,
				 .table_levels = tables,
				 .granule_lg2 = 12 };
}

static struct iod_inv leaves(uint64_t iova, uint64_t len, uint32_t levels)
{
	return range(iova, len, IOD_INV_LEAF_ONLY, levels, 0);
}

static int invalidate(struct iod_smmuv3_inv *inv, const struct iod_inv *item, size_t nr)
{
	return iod_smmuv3_inv_ops()->invalidate(inv, item, nr);
}

static int sync_inv(struct iod_smmuv3_inv *inv)
{
	return iod_smmuv3_inv_ops()->sync(inv);
}

static void one(struct iod_smmuv3_inv *inv, struct iod_inv item)
{
	iodt_assert_ok(invalidate(inv, &item, 1));
	iodt_assert_ok(sync_inv(inv));
}

static void kind(struct iod_smmuv3_inv *inv, enum iod_inv_kind what)
{
	one(inv, (struct iod_inv){ .kind = what });
}

/* ---- which command ---- */

struct words {
	const char *name;
	struct setup setup;
	struct seen narrow, wide;
};

static const struct words words[] = {
	{ "stage 1",
	  { .asid = 5, .vmid = 3 },
	  { .op = 0x12, .asid = 5, .vmid = 3 },
	  { .op = 0x10, .vmid = 3 } },
	{ "stage 1 without global entries",
	  { .asid = 0xfffe, .vmid = 3, .flags = IOD_SMMUV3_INV_NO_GLOBAL },
	  { .op = 0x12, .asid = 0xfffe, .vmid = 3 },
	  { .op = 0x11, .asid = 0xfffe, .vmid = 3 } },
	{ "any ASID",
	  { .vmid = 3, .flags = IOD_SMMUV3_INV_ALL_ASIDS | IOD_SMMUV3_INV_NO_GLOBAL },
	  { .op = 0x13, .vmid = 3 },
	  { .op = 0x10, .vmid = 3 } },
	{ "EL2",
	  { .asid = 5, .flags = IOD_SMMUV3_INV_EL2 },
	  { .op = 0x22, .asid = 5 },
	  { .op = 0x20 } },
	{ "EL2 without global entries",
	  { .asid = 5, .flags = IOD_SMMUV3_INV_EL2 | IOD_SMMUV3_INV_NO_GLOBAL },
	  { .op = 0x22, .asid = 5 },
	  { .op = 0x21, .asid = 5 } },
	{ "EL2 without ASIDs",
	  { .flags = IOD_SMMUV3_INV_EL2 | IOD_SMMUV3_INV_NO_GLOBAL },
	  { .op = 0x22 },
	  { .op = 0x20 } },
	{ "EL2, any ASID",
	  { .flags = IOD_SMMUV3_INV_EL2 | IOD_SMMUV3_INV_ALL_ASIDS },
	  { .op = 0x23 },
	  { .op = 0x20 } },
	{ "stage 2",
	  { .stage = 2, .vmid = 0xfedc },
	  { .op = 0x2a, .vmid = 0xfedc },
	  { .op = 0x28, .vmid = 0xfedc } },
};

static void which_command(void **state)
{
	size_t i;

	for (i = 0; i < IODT_ARRAY_SIZE(words); i++) {
		const struct words *w = &words[i];
		struct iod_smmuv3_inv *inv = open_inv(&w->setup);
		struct seen page = w->narrow, run = w->narrow;

		/* one page, levels not known; for tables, too */
		page.addr = 0x12345000;
		one(inv, range(0x12345000, IODT_4K, 0, 0, 0));
		SINK_EXPECT(&sink, w->name, page, SEEN_SYNC);
		page.leaf = true;
		one(inv, leaves(0x12345000, IODT_4K, 0));
		SINK_EXPECT(&sink, w->name, page, SEEN_SYNC);
		/* its level known: a range of one, with the hint */
		page.tg = 1;
		page.ttl = 3;
		one(inv, leaves(0x12345000, IODT_4K, 1));
		SINK_EXPECT(&sink, w->name, page, SEEN_SYNC);
		/* 48 pages are 24 * 2 */
		run.addr = 0x40000000;
		run.tg = 1;
		run.num = 23;
		run.scale = 1;
		one(inv, range(0x40000000, 48 * IODT_4K, 0, 1, 2));
		SINK_EXPECT(&sink, w->name, run, SEEN_SYNC);
		kind(inv, IOD_INV_DOMAIN);
		SINK_EXPECT(&sink, w->name, w->wide, SEEN_SYNC);
		kind(inv, IOD_INV_ALL);
		SINK_EXPECT(&sink, w->name, { .op = 0x30 }, { .op = 0x20 }, SEEN_SYNC);
		close_inv(inv);
	}
}

/* Stage 2 below a stage 1: S2_IPA does not reach what both make together (4.4.3), and no translation may be made
 * of the old stage 2 any more when that goes: a SYNC in between. */
static void nested(void **state)
{
	const struct setup setup = { .stage = 2, .vmid = 7, .flags = IOD_SMMUV3_INV_NESTED };
	struct iod_smmuv3_inv *inv = open_inv(&setup);
	const struct seen page = {
		.op = 0x2a, .vmid = 7, .addr = 0x5000, .leaf = true, .tg = 1, .ttl = 3
	};
	const struct iod_inv item = leaves(0x5000, IODT_4K, 1), domain = { .kind = IOD_INV_DOMAIN };
	struct iod_smmuv3_raw_cmd raw[4];
	size_t n;

	one(inv, item);
	SINK_EXPECT(&sink, "narrow", page, SEEN_SYNC, { .op = 0x10, .vmid = 7 }, SEEN_SYNC);
	/* several batches: once */
	iodt_assert_ok(invalidate(inv, &item, 1));
	iodt_assert_ok(invalidate(inv, &item, 1));
	iodt_assert_ok(sync_inv(inv));
	SINK_EXPECT(&sink, "twice", page, page, SEEN_SYNC, { .op = 0x10, .vmid = 7 }, SEEN_SYNC);
	/* the wide one takes both along */
	kind(inv, IOD_INV_DOMAIN);
	SINK_EXPECT(&sink, "wide", { .op = 0x28, .vmid = 7 }, SEEN_SYNC);
	iodt_assert_ok(iod_smmuv3_inv_encode(inv, &item, 1, raw, 4, &n));
	assert_int_equal(n, 3);
	assert_int_equal(seen_decode(&raw[1]).op, 0x46);
	assert_int_equal(seen_decode(&raw[2]).op, 0x10);
	assert_int_equal(seen_decode(&raw[2]).vmid, 7);
	iodt_assert_ok(iod_smmuv3_inv_encode(inv, &domain, 1, raw, 4, &n));
	assert_int_equal(n, 1);
	close_inv(inv);
}

/* ---- ranges and hints, by hand ---- */

static void ranges_by_hand(void **state)
{
	const struct setup setup = { .asid = 1 };
	struct iod_smmuv3_inv *inv = open_inv(&setup);
	const struct iod_inv touching[] = { leaves(0x3000, IODT_4K, 1),
					    leaves(0x1000, IODT_BIT(13), 1) };
	const struct iod_inv levels[] = { leaves(IODT_2M, IODT_2M, 2),
					  leaves(2 * IODT_2M, IODT_4K, 1) };
	const struct iod_inv kinds[] = { leaves(0x1000, IODT_4K, 1),
					 range(0x2000, IODT_4K, 0, 1, 2),
					 leaves(0x3000, IODT_4K, 1) };
	const struct iod_inv within[] = { range(0, IODT_2M, 0, 1, 2), leaves(0x5000, IODT_4K, 1) };
	struct iod_inv item;

	/* out of order, touching: one command with the hint */
	iodt_assert_ok(invalidate(inv, touching, 2));
	SINK_EXPECT(&sink, "touching",
		    { .op = 0x12,
		      .asid = 1,
		      .addr = 0x1000,
		      .leaf = true,
		      .tg = 1,
		      .num = 2,
		      .ttl = 3 });
	/* a block and a page: no hint (R103) */
	iodt_assert_ok(invalidate(inv, levels, 2));
	SINK_EXPECT(&sink, "levels",
		    { .op = 0x12,
		      .asid = 1,
		      .addr = IODT_2M,
		      .leaf = true,
		      .tg = 1,
		      .scale = 5,
		      .num = 15 },
		    { .op = 0x12, .asid = 1, .addr = 2 * IODT_2M, .leaf = true });
	/* leaves on both sides of a table: the one for leaves reaches over it */
	iodt_assert_ok(invalidate(inv, kinds, 3));
	SINK_EXPECT(&sink, "kinds", { .op = 0x12, .asid = 1, .addr = 0x2000 },
		    { .op = 0x12,
		      .asid = 1,
		      .addr = 0x1000,
		      .leaf = true,
		      .tg = 1,
		      .num = 2,
		      .ttl = 3 });
	/* leaves inside of what is invalidated anyway */
	iodt_assert_ok(invalidate(inv, within, 2));
	SINK_EXPECT(&sink, "within",
		    { .op = 0x12, .asid = 1, .addr = 0, .tg = 1, .scale = 5, .num = 15 });
	/* hints: a block of 2 MiB is level 2, of 1 GiB level 1, above there is none */
	item = leaves(IODT_1G, IODT_2M, 2);
	iodt_assert_ok(invalidate(inv, &item, 1));
	item = leaves(IODT_1G, IODT_1G, 4);
	iodt_assert_ok(invalidate(inv, &item, 1));
	item = leaves(0, IODT_BIT(39), 8);
	iodt_assert_ok(invalidate(inv, &item, 1));
	SINK_EXPECT(&sink, "hints",
		    { .op = 0x12,
		      .asid = 1,
		      .addr = IODT_1G,
		      .leaf = true,
		      .tg = 1,
		      .scale = 5,
		      .num = 15,
		      .ttl = 2 },
		    { .op = 0x12,
		      .asid = 1,
		      .addr = IODT_1G,
		      .leaf = true,
		      .tg = 1,
		      .scale = 14,
		      .num = 15,
		      .ttl = 1 },
		    { .op = 0x12,
		      .asid = 1,
		      .addr = 0,
		      .leaf = true,
		      .tg = 1,
		      .scale = 23,
		      .num = 15 });
	close_inv(inv);
}

/* A hint is only for a start that is aligned to the level, for leaves alone, and never level 1 with 16 KiB. */
static void hints_left_out(void **state)
{
	const struct setup setup = { .asid = 1 };
	struct iod_smmuv3_inv *inv = open_inv(&setup);
	struct iod_inv item = leaves(IODT_2M + IODT_4K, IODT_2M, 2);

	iodt_assert_ok(invalidate(inv, &item, 1));
	/* tables changed, or it is not said that none did */
	item = range(IODT_2M, IODT_2M, 0, 2, 0);
	iodt_assert_ok(invalidate(inv, &item, 1));
	item = range(IODT_2M, IODT_2M, 0, 2, 4);
	iodt_assert_ok(invalidate(inv, &item, 1));
	item = leaves(IODT_1G, IODT_2M, 6);
	iodt_assert_ok(invalidate(inv, &item, 1));
	item = leaves(0, IODT_BIT(36), 4);
	item.granule_lg2 = 14;
	iodt_assert_ok(invalidate(inv, &item, 1));
	item = leaves(0, IODT_32M, 2);
	item.granule_lg2 = 14;
	iodt_assert_ok(invalidate(inv, &item, 1));
	item = leaves(0, IODT_512M, 2);
	item.granule_lg2 = 16;
	iodt_assert_ok(invalidate(inv, &item, 1));
	SINK_EXPECT(
		&sink, "hints",
		{ .op = 0x12,
		  .asid = 1,
		  .addr = IODT_2M + IODT_4K,
		  .leaf = true,
		  .tg = 1,
		  .scale = 5,
		  .num = 15 },
		{ .op = 0x12, .asid = 1, .addr = IODT_2M, .tg = 1, .scale = 5, .num = 15 },
		{ .op = 0x12, .asid = 1, .addr = IODT_2M, .tg = 1, .scale = 5, .num = 15 },
		{ .op = 0x12,
		  .asid = 1,
		  .addr = IODT_1G,
		  .leaf = true,
		  .tg = 1,
		  .scale = 5,
		  .num = 15 },
		{ .op = 0x12, .asid = 1, .addr = 0, .leaf = true, .tg = 2, .scale = 18, .num = 15 },
		{ .op = 0x12,
		  .asid = 1,
		  .addr = 0,
		  .leaf = true,
		  .tg = 2,
		  .scale = 7,
		  .num = 15,
		  .ttl = 2 },
		{ .op = 0x12,
		  .asid = 1,
		  .addr = 0,
		  .leaf = true,
		  .tg = 3,
		  .scale = 9,
		  .num = 15,
		  .ttl = 2 });
	close_inv(inv);
}

/* ---- what it costs ---- */

/* The wide command as soon as it is cheaper, not before. */
static void wide_by_cost(void **state)
{
	const struct setup s1 = {
		.asid = 1, .addresses = true, .command = 10, .global = 100, .domain = 1
	};
	const struct setup asid = { .asid = 1,
				    .addresses = true,
				    .command = 10,
				    .domain = 50,
				    .flags = IOD_SMMUV3_INV_NO_GLOBAL };
	const struct setup nested_s2 = { .stage = 2,
					 .addresses = true,
					 .command = 10,
					 .domain = 100,
					 .sync = 70,
					 .flags = IOD_SMMUV3_INV_NESTED };
	const struct setup twice = {
		.asid = 1, .command = 10, .global = 20, .flags = IOD_SMMUV3_INV_REPEAT
	};
	struct iod_smmuv3_inv *inv = open_inv(&s1);
	struct iod_inv item[3] = { leaves(0, 10 * IODT_4K, 1), leaves(IODT_1G, IODT_4K, 1),
				   leaves(IODT_2M, IODT_4K, 1) };

	iodt_assert_ok(invalidate(inv, item, 1));
	assert_int_equal(sink.nr, 10);
	sink_reset(&sink);
	iodt_assert_ok(invalidate(inv, item, 2));
	SINK_EXPECT(&sink, "11 are dearer", { .op = 0x10 });
	close_inv(inv);

	inv = open_inv(&asid);
	item[0].last = 5 * IODT_4K - 1;
	iodt_assert_ok(invalidate(inv, item, 1));
	assert_int_equal(sink.nr, 5);
	sink_reset(&sink);
	iodt_assert_ok(invalidate(inv, item, 2));
	SINK_EXPECT(&sink, "6 are dearer", { .op = 0x11, .asid = 1 });
	close_inv(inv);

	/* the sync in between counts: three are as cheap as the wide one */
	inv = open_inv(&nested_s2);
	item[0].last = 3 * IODT_4K - 1;
	iodt_assert_ok(invalidate(inv, item, 1));
	assert_int_equal(sink.nr, 3);
	sink_reset(&sink);
	iodt_assert_ok(invalidate(inv, item, 2));
	SINK_EXPECT(&sink, "4 are dearer", { .op = 0x28 });
	close_inv(inv);

	/* ranges count as well, and twice if they are issued twice */
	inv = open_inv(&twice);
	iodt_assert_ok(invalidate(inv, item, 1));
	assert_int_equal(sink.nr, 2);
	assert_int_equal(sink.cmd[0].op, 0x12);
	sink_reset(&sink);
	iodt_assert_ok(invalidate(inv, item, 2));
	SINK_EXPECT(&sink, "dearer", { .op = 0x10 }, { .op = 0x10 });
	close_inv(inv);
}

/* Even if they cost nothing, there is an end of single ones; and defaults are there. */
static void costs_of_nothing(void **state)
{
	const struct setup setup = { .asid = 1, .addresses = true };
	struct iod_smmuv3_inv *inv = open_inv(&setup);
	struct iod_inv item = leaves(0, IODT_BIT(47), 1);
	struct iod_inv_cost cost = { .size = sizeof(cost) };

	iodt_assert_ok(invalidate(inv, &item, 1));
	SINK_EXPECT(&sink, "endless", { .op = 0x10 });
	close_inv(inv);
	iodt_assert_ok(iod_inv_cost_default(&cost));
	assert_int_equal(cost.command, 100);
	assert_int_equal(cost.sync, 1000);
	assert_int_equal(cost.domain, 50000);
	assert_int_equal(cost.global, 200000);
	assert_int_equal(cost.device, 1000);
	assert_int_equal(cost.device_page, 50);
	assert_int_equal(cost.device_all, 50000);
	assert_int_equal(iod_inv_cost_default(NULL), -EINVAL);
	cost.size = 8;
	assert_int_equal(iod_inv_cost_default(&cost), -EINVAL);
}

/* ---- errata ---- */

static void no_ranges(void **state)
{
	const struct setup setup = { .asid = 1, .flags = IOD_SMMUV3_INV_NO_RANGES };
	struct iod_smmuv3_inv *inv = open_inv(&setup);

	one(inv, leaves(0x1000, IODT_BIT(13), 1));
	SINK_EXPECT(&sink, "no ranges", { .op = 0x12, .asid = 1, .addr = 0x1000, .leaf = true },
		    { .op = 0x12, .asid = 1, .addr = 0x2000, .leaf = true }, SEEN_SYNC);
	close_inv(inv);
}

/* More than go at once, each twice. */
static void repeated(void **state)
{
	const struct setup setup = { .asid = 1, .addresses = true, .flags = IOD_SMMUV3_INV_REPEAT };
	struct iod_smmuv3_inv *inv = open_inv(&setup);
	static struct iod_smmuv3_raw_cmd raw[400];
	struct iod_inv item = leaves(0, 150 * IODT_4K, 1);
	size_t i, n;

	iodt_assert_ok(invalidate(inv, &item, 1));
	assert_int_equal(sink.nr, 300);
	for (i = 0; i < 300; i++)
		assert_int_equal(sink.cmd[i].addr, i / 2 * IODT_4K);
	sink_reset(&sink);
	iodt_assert_ok(iod_smmuv3_inv_encode(inv, &item, 1, raw, 400, &n));
	assert_int_equal(n, 300);
	assert_int_equal(iod_smmuv3_inv_encode(inv, &item, 1, raw, 299, &n), -ENOSPC);
	assert_int_equal(n, 300);
	close_inv(inv);
}

struct quirk {
	unsigned int calls, error, drop, add, toomany;
	size_t most;
};

static int quirk(void *cookie, struct iod_smmuv3_raw_cmd *cmds, size_t *nr, size_t max)
{
	struct quirk *q = cookie;

	q->calls++;
	assert_true(*nr && max >= 2 * *nr);
	q->most = *nr > q->most ? *nr : q->most;
	if (q->drop)
		*nr = 0;
	if (q->add) /* and another one in its place */
		cmds[(*nr)++] = (struct iod_smmuv3_raw_cmd){ { cmds[0].word[0], cmds[0].word[1] } };
	if (q->toomany)
		*nr = max + 1;
	return q->error ? -EPERM : 0;
}

static void quirks(void **state)
{
	struct iod_smmuv3_id id = sink_id(false);
	struct quirk q = { 0 };
	struct iod_inv_cost cost = { .size = sizeof(cost), .global = IOD_INV_NEVER };
	struct iod_smmuv3_inv_cfg cfg = { .size = sizeof(cfg),
					  .id = &id,
					  .sink = &sink.ops,
					  .stage = 1,
					  .cost = &cost,
					  .quirk = quirk,
					  .quirk_cookie = &q };
	struct iod_inv item = leaves(0, IODT_4K, 1);
	struct iod_smmuv3_inv *inv = NULL;

	sink_init(&sink);
	iodt_assert_ok(iod_smmuv3_inv_create(&inv, &cfg));
	q.add = 1;
	one(inv, item);
	SINK_EXPECT(&sink, "add", { .op = 0x12, .leaf = true }, { .op = 0x12, .leaf = true },
		    SEEN_SYNC);
	q.add = 0;
	q.drop = 1;
	one(inv, item);
	SINK_EXPECT(&sink, "drop", SEEN_SYNC);
	q.drop = 0;
	q.error = 1;
	assert_int_equal(invalidate(inv, &item, 1), -EPERM);
	assert_int_equal(sink.calls, 0);
	q.error = 0;
	q.toomany = 1;
	assert_int_equal(invalidate(inv, &item, 1), -EINVAL);
	assert_int_equal(sink.calls, 0);
	q.toomany = 0;
	/* all of them come by */
	q.calls = 0;
	item.last = 1000 * IODT_4K - 1;
	iodt_assert_ok(invalidate(inv, &item, 1));
	assert_int_equal(sink.nr, 1000);
	assert_int_equal(q.calls, sink.calls);
	close_inv(inv);
}

/* ---- errors ---- */

static void failing_sink(void **state)
{
	const struct setup setup = { .asid = 1, .addresses = true };
	const struct setup under = { .stage = 2, .flags = IOD_SMMUV3_INV_NESTED };
	struct iod_smmuv3_inv *inv = open_inv(&setup);
	struct iod_inv item = leaves(0, 1000 * IODT_4K, 1);

	/* the first error ends it */
	sink.fail_at = 3;
	assert_int_equal(invalidate(inv, &item, 1), -EIO);
	assert_int_equal(sink.calls, 3);
	sink_reset(&sink);
	iodt_assert_ok(invalidate(inv, &item, 1));
	sink_reset(&sink);
	sink.fail_at = 1;
	assert_int_equal(sync_inv(inv), -EIO);
	iodt_assert_ok(sync_inv(inv));
	close_inv(inv);

	/* what comes after the sync is not forgotten, whichever fails */
	inv = open_inv(&under);
	item = leaves(0, IODT_4K, 0);
	iodt_assert_ok(invalidate(inv, &item, 1));
	sink_reset(&sink);
	sink.fail_at = 1;
	assert_int_equal(sync_inv(inv), -EIO);
	sink_reset(&sink);
	sink.fail_at = 2;
	assert_int_equal(sync_inv(inv), -EIO);
	sink_reset(&sink);
	iodt_assert_ok(sync_inv(inv));
	SINK_EXPECT(&sink, "again", SEEN_SYNC, { .op = 0x10 }, SEEN_SYNC);
	iodt_assert_ok(sync_inv(inv));
	SINK_EXPECT(&sink, "nothing is left", SEEN_SYNC);
	close_inv(inv);
}

static void figures(void **state)
{
	const struct setup setup = { .asid = 1 };
	struct iod_smmuv3_inv *inv = open_inv(&setup);
	struct iod_smmuv3_inv_stats stats = { .size = sizeof(stats) };
	const struct iod_inv item[2] = { leaves(0, IODT_4K, 1), leaves(IODT_1G, IODT_4K, 1) };

	iodt_assert_ok(invalidate(inv, item, 2));
	iodt_assert_ok(sync_inv(inv));
	kind(inv, IOD_INV_DOMAIN);
	iodt_assert_ok(iod_smmuv3_inv_get_stats(inv, &stats));
	assert_int_equal(stats.items, 3);
	assert_int_equal(stats.tlbi, 3);
	assert_int_equal(stats.wide, 1);
	assert_int_equal(stats.atc, 0);
	assert_int_equal(stats.syncs, 2);
	close_inv(inv);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(which_command),  cmocka_unit_test(nested),
		cmocka_unit_test(ranges_by_hand), cmocka_unit_test(hints_left_out),
		cmocka_unit_test(wide_by_cost),	  cmocka_unit_test(costs_of_nothing),
		cmocka_unit_test(no_ranges),	  cmocka_unit_test(repeated),
		cmocka_unit_test(quirks),	  cmocka_unit_test(failing_sink),
		cmocka_unit_test(figures),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
