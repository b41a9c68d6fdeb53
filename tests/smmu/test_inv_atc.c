/* SPDX-License-Identifier: MIT */
/*
 * What devices must forget (Arm IHI 0070, 4.5.1): after a SYNC of the TLBIs, each device by itself, in aligned
 * powers of two, again after an error. R8, R112, R113.
 */
#include "invsink.h"

static struct sink sink;

/* Leaves of n pages of 4 KiB. */
static struct iod_inv pages(uint64_t first, uint64_t n)
{
	return (struct iod_inv){ .kind = IOD_INV_RANGE,
				 .flags = IOD_INV_LEAF_ONLY,
				 .iova = first << 12,
				 .last = ((first + n) << 12) - 1,
				 .leaf_levels = 1,
				 .granule_lg2 = 12 };
}

struct costs {
	uint64_t device, page, all;
};

static struct iod_smmuv3_inv *open_inv(uint32_t stage, uint32_t flags, const struct costs *costs)
{
	struct iod_smmuv3_id id = sink_id(true);
	struct iod_inv_cost cost = { .size = sizeof(cost),
				     .device = costs ? costs->device : 0,
				     .device_page = costs ? costs->page : 0,
				     .device_all = costs ? costs->all : 0 };
	struct iod_smmuv3_inv_cfg cfg = { .size = sizeof(cfg),
					  .id = &id,
					  .sink = &sink.ops,
					  .stage = stage,
					  .flags = flags,
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

static void add(struct iod_smmuv3_inv *inv, uint32_t sid, int64_t ssid, uint8_t stu)
{
	struct iod_smmuv3_ats_device dev = { .size = sizeof(dev),
					     .sid = sid,
					     .ssid = ssid < 0 ? 0 : (uint32_t)ssid,
					     .ssv = ssid >= 0,
					     .stu = stu };

	iodt_assert_ok(iod_smmuv3_inv_add_device(inv, &dev));
}

static int invalidate(struct iod_smmuv3_inv *inv, const struct iod_inv *item, size_t nr)
{
	return iod_smmuv3_inv_ops()->invalidate(inv, item, nr);
}

static int sync_inv(struct iod_smmuv3_inv *inv)
{
	return iod_smmuv3_inv_ops()->sync(inv);
}

/* Adds a device and has it forget everything, as it does at first. */
static void settled(struct iod_smmuv3_inv *inv, uint32_t sid, int64_t ssid, uint8_t stu)
{
	add(inv, sid, ssid, stu);
	iodt_assert_ok(sync_inv(inv));
	sink_reset(&sink);
}

#define ATC(sid_, page_, span_)                                                         \
	{                                                                               \
		.op = 0x40, .sid = sid_, .addr = (uint64_t)(page_) << 12, .span = span_ \
	}
#define TLBI(page_)                                                                          \
	{                                                                                    \
		.op = 0x12, .addr = (uint64_t)(page_) << 12, .leaf = true, .tg = 1, .ttl = 3 \
	}

static void order(void **state)
{
	struct iod_smmuv3_inv *inv = open_inv(1, 0, NULL);
	struct iod_inv item = pages(5, 1);
	struct iod_smmuv3_inv_stats stats = { .size = sizeof(stats) };

	/* none: one sync */
	iodt_assert_ok(invalidate(inv, &item, 1));
	iodt_assert_ok(sync_inv(inv));
	SINK_EXPECT(&sink, "no device", TLBI(5), SEEN_SYNC);
	settled(inv, 0x100, -1, 0);
	/* nothing that an ATC holds before the TLBIs are complete */
	iodt_assert_ok(invalidate(inv, &item, 1));
	SINK_EXPECT(&sink, "not yet", TLBI(5));
	iodt_assert_ok(sync_inv(inv));
	SINK_EXPECT(&sink, "then", SEEN_SYNC, ATC(0x100, 5, 0), SEEN_SYNC);
	/* nothing is left but to sync: whoever issued what is refused by now is told */
	iodt_assert_ok(sync_inv(inv));
	SINK_EXPECT(&sink, "nothing is left", SEEN_SYNC);
	iodt_assert_ok(iod_smmuv3_inv_get_stats(inv, &stats));
	assert_int_equal(stats.atc, 2);
	close_inv(inv);
}

/* R112: each device once, with its own StreamID and SubstreamID, and nobody else. */
static void one_target(void **state)
{
	struct iod_smmuv3_inv *inv = open_inv(1, 0, NULL);
	struct iod_inv item = pages(0x200, 0x200), domain = { .kind = IOD_INV_DOMAIN };

	add(inv, 0x100, -1, 0);
	add(inv, 0x200, 0, 0);
	add(inv, 0x200, 0xfffff, 0);
	add(inv, 0xffffffff, 7, 0);
	iodt_assert_ok(sync_inv(inv));
	sink_reset(&sink);
	iodt_assert_ok(invalidate(inv, &item, 1));
	sink_reset(&sink);
	iodt_assert_ok(sync_inv(inv));
	SINK_EXPECT(&sink, "range", SEEN_SYNC, ATC(0x100, 0x200, 9),
		    { .op = 0x40, .sid = 0x200, .ssv = true, .addr = 0x200000, .span = 9 },
		    { .op = 0x40,
		      .sid = 0x200,
		      .ssv = true,
		      .ssid = 0xfffff,
		      .addr = 0x200000,
		      .span = 9 },
		    { .op = 0x40,
		      .sid = 0xffffffff,
		      .ssv = true,
		      .ssid = 7,
		      .addr = 0x200000,
		      .span = 9 },
		    SEEN_SYNC);
	iodt_assert_ok(iod_smmuv3_inv_remove_device(inv, 0x200, 0, true));
	iodt_assert_ok(iod_smmuv3_inv_remove_device(inv, 0x100, 0, false));
	iodt_assert_ok(invalidate(inv, &domain, 1));
	sink_reset(&sink);
	iodt_assert_ok(sync_inv(inv));
	/* the last one took the place of a removed one */
	assert_int_equal(sink.nr, 4);
	assert_true(sink.cmd[1].sid == 0xffffffff || sink.cmd[2].sid == 0xffffffff);
	assert_true(sink.cmd[1].ssid == 0xfffff || sink.cmd[2].ssid == 0xfffff);
	assert_true(sink.cmd[1].span == 52 && sink.cmd[2].span == 52);
	assert_true(sink.cmd[1].ssv && sink.cmd[2].ssv && !sink.cmd[1].global);
	close_inv(inv);
}

/* A device may have learnt, before it was added, what was invalidated then. */
static void new_devices_forget_everything(void **state)
{
	struct iod_smmuv3_inv *inv = open_inv(1, 0, NULL);
	struct iod_inv item = pages(5, 1);

	settled(inv, 1, -1, 0);
	iodt_assert_ok(invalidate(inv, &item, 1));
	add(inv, 2, -1, 0);
	sink_reset(&sink);
	sink.fail_at = 2;
	assert_int_equal(sync_inv(inv), -EIO);
	sink_reset(&sink);
	iodt_assert_ok(sync_inv(inv));
	SINK_EXPECT(&sink, "new", SEEN_SYNC, ATC(1, 5, 0), ATC(2, 0, 52), SEEN_SYNC);
	/* between TLBI and sync of one who saw no devices */
	iodt_assert_ok(iod_smmuv3_inv_remove_device(inv, 1, 0, false));
	iodt_assert_ok(iod_smmuv3_inv_remove_device(inv, 2, 0, false));
	iodt_assert_ok(invalidate(inv, &item, 1));
	add(inv, 3, -1, 0);
	iodt_assert_ok(sync_inv(inv));
	SINK_EXPECT(&sink, "meanwhile", TLBI(5), SEEN_SYNC, ATC(3, 0, 52), SEEN_SYNC);
	close_inv(inv);
}

/* One that covers a little more is cheaper than several, until it is not. */
static void spans_by_cost(void **state)
{
	const struct costs tight = { 10, 1000, 1000000 }, cheap = { 10, 1, 25 },
			   free_pages = { 10, 1, 1000000 };
	struct iod_inv item[2] = { pages(1, 3), pages(0x40, 1) };
	struct iod_smmuv3_inv *inv = open_inv(1, 0, &tight);

	settled(inv, 1, -1, 0);
	iodt_assert_ok(invalidate(inv, item, 2));
	sink_reset(&sink);
	iodt_assert_ok(sync_inv(inv));
	SINK_EXPECT(&sink, "exact", SEEN_SYNC, ATC(1, 1, 0), ATC(1, 2, 1), ATC(1, 0x40, 0),
		    SEEN_SYNC);
	close_inv(inv);

	inv = open_inv(1, 0, &free_pages);
	settled(inv, 1, -1, 0);
	iodt_assert_ok(invalidate(inv, item, 2));
	sink_reset(&sink);
	iodt_assert_ok(sync_inv(inv));
	/* 10 + 1 and 10 are less than 3 * 10, and less than 10 + 124 */
	SINK_EXPECT(&sink, "cover", SEEN_SYNC, ATC(1, 0, 2), ATC(1, 0x40, 0), SEEN_SYNC);
	close_inv(inv);

	/* 21 are less than 25; with another page they are not */
	inv = open_inv(1, 0, &cheap);
	settled(inv, 1, -1, 0);
	iodt_assert_ok(invalidate(inv, item, 2));
	sink_reset(&sink);
	iodt_assert_ok(sync_inv(inv));
	SINK_EXPECT(&sink, "two", SEEN_SYNC, ATC(1, 0, 2), ATC(1, 0x40, 0), SEEN_SYNC);
	iodt_assert_ok(invalidate(inv, item, 2));
	item[0] = pages(0x1000, 1);
	iodt_assert_ok(invalidate(inv, item, 1));
	sink_reset(&sink);
	iodt_assert_ok(sync_inv(inv));
	SINK_EXPECT(&sink, "all", SEEN_SYNC, ATC(1, 0, 52), SEEN_SYNC);
	close_inv(inv);
}

/* Never smaller than what the device translates at a time; two such that make a larger one are one. */
static void smallest_unit(void **state)
{
	const struct costs tight = { 10, 1000, IOD_INV_NEVER };
	struct iod_smmuv3_inv *inv = open_inv(1, 0, &tight);
	struct iod_inv item = pages(0x17, 2);

	settled(inv, 1, -1, 0);
	settled(inv, 2, -1, 3);
	settled(inv, 3, -1, 31);
	iodt_assert_ok(invalidate(inv, &item, 1));
	sink_reset(&sink);
	iodt_assert_ok(sync_inv(inv));
	SINK_EXPECT(&sink, "STU", SEEN_SYNC, ATC(1, 0x17, 0), ATC(1, 0x18, 0), ATC(2, 0x10, 4),
		    ATC(3, 0, 31), SEEN_SYNC);
	close_inv(inv);
}

/* Upper half, top of the space; what is more than one span can be. */
static void ends_of_the_space(void **state)
{
	struct iod_smmuv3_inv *inv = open_inv(1, 0, NULL);
	struct iod_inv top = pages((UINT64_C(1) << 52) - 1, 1),
		       half = { .kind = IOD_INV_RANGE, .granule_lg2 = 12 };

	settled(inv, 1, -1, 0);
	iodt_assert_ok(invalidate(inv, &top, 1));
	sink_reset(&sink);
	iodt_assert_ok(sync_inv(inv));
	SINK_EXPECT(&sink, "top", SEEN_SYNC, ATC(1, (UINT64_C(1) << 52) - 1, 0), SEEN_SYNC);
	half.iova = UINT64_C(0xffff000000000000);
	half.last = UINT64_MAX;
	iodt_assert_ok(invalidate(inv, &half, 1));
	sink_reset(&sink);
	iodt_assert_ok(sync_inv(inv));
	SINK_EXPECT(&sink, "half", SEEN_SYNC, ATC(1, half.iova >> 12, 36), SEEN_SYNC);
	half.iova = 0;
	iodt_assert_ok(invalidate(inv, &half, 1));
	sink_reset(&sink);
	iodt_assert_ok(sync_inv(inv));
	SINK_EXPECT(&sink, "everything", SEEN_SYNC, ATC(1, 0, 52), SEEN_SYNC);
	close_inv(inv);
}

/* Stage 2 does not know by which addresses devices asked. */
static void nested(void **state)
{
	struct iod_smmuv3_inv *inv = open_inv(2, IOD_SMMUV3_INV_NESTED, NULL);
	struct iod_inv item = pages(5, 1), domain = { .kind = IOD_INV_DOMAIN };
	struct iod_smmuv3_ats_device dev = {
		.size = sizeof(dev), .sid = 9, .ssid = 1, .ssv = true
	};

	assert_int_equal(iod_smmuv3_inv_add_device(inv, &dev), -EINVAL);
	add(inv, 1, -1, 0);
	settled(inv, 2, 0, 0);
	iodt_assert_ok(invalidate(inv, &item, 1));
	sink_reset(&sink);
	iodt_assert_ok(sync_inv(inv));
	SINK_EXPECT(&sink, "narrow", SEEN_SYNC, { .op = 0x10 }, SEEN_SYNC, ATC(1, 0, 52),
		    ATC(2, 0, 52),
		    { .op = 0x40, .sid = 2, .ssv = true, .global = true, .span = 52 }, SEEN_SYNC);
	iodt_assert_ok(invalidate(inv, &domain, 1));
	iodt_assert_ok(sync_inv(inv));
	SINK_EXPECT(&sink, "wide", { .op = 0x28 }, SEEN_SYNC, ATC(1, 0, 52), ATC(2, 0, 52),
		    { .op = 0x40, .sid = 2, .ssv = true, .global = true, .span = 52 }, SEEN_SYNC);
	close_inv(inv);
}

/* Whatever fails: once it works, everything was done that was asked for, in order. */
static void nothing_is_forgotten(void **state)
{
	struct iod_smmuv3_inv *inv = open_inv(1, 0, NULL);
	struct iod_inv item[2] = { pages(5, 1), pages(0x1000, 1) };
	size_t fail;

	settled(inv, 1, -1, 0);
	for (fail = 1; fail <= 2; fail++) {
		iodt_assert_ok(invalidate(inv, &item[0], 1));
		sink_reset(&sink);
		sink.fail_at = fail;
		assert_int_equal(sync_inv(inv), -EIO);
		/* more comes before it is tried again */
		iodt_assert_ok(invalidate(inv, &item[1], 1));
		sink_reset(&sink);
		iodt_assert_ok(sync_inv(inv));
		SINK_EXPECT(&sink, "again", SEEN_SYNC, ATC(1, 5, 0), ATC(1, 0x1000, 0), SEEN_SYNC);
	}
	/* TLBIs that were not issued leave nothing to do */
	sink.fail_at = 1;
	assert_int_equal(invalidate(inv, item, 1), -EIO);
	sink_reset(&sink);
	iodt_assert_ok(sync_inv(inv));
	SINK_EXPECT(&sink, "nothing was issued", SEEN_SYNC);
	close_inv(inv);
}

/* More places than are kept apart, over and over: all of them are covered. */
static void many_places(void **state)
{
	const struct costs never = { 1, 1, IOD_INV_NEVER };
	struct iod_smmuv3_inv *inv = open_inv(1, 0, &never);
	unsigned round, i, n = 5000, k;

	settled(inv, 1, -1, 0);
	for (round = 0; round < 3; round++) {
		for (i = 0; i < n; i++) {
			struct iod_inv item = pages(7 * ((i * 2731) % n), 1);

			iodt_assert_ok(invalidate(inv, &item, 1));
		}
		sink_reset(&sink);
		iodt_assert_ok(sync_inv(inv));
		for (i = 0; i < n; i++) {
			for (k = 0; k < sink.nr; k++)
				if (sink.cmd[k].op == 0x40 &&
				    7 * i >> sink.cmd[k].span ==
					    sink.cmd[k].addr >> 12 >> sink.cmd[k].span)
					break;
			assert_true(k < sink.nr);
		}
		assert_true(sink.nr < 140);
	}
	close_inv(inv);
}

/* More devices than commands go at once: each part with a SYNC, so that the error of a device that does not
 * answer is told to nobody else. */
static void many_devices(void **state)
{
	struct iod_smmuv3_inv *inv = open_inv(1, 0, NULL);
	struct iod_inv item = pages(5, 1);
	uint32_t sid, at = 0;
	size_t fail;

	for (sid = 0; sid < 200; sid++)
		add(inv, sid, -1, 0);
	iodt_assert_ok(sync_inv(inv));
	/* also after an error in the middle of them */
	for (fail = 0; fail < 5; fail++) {
		iodt_assert_ok(invalidate(inv, &item, 1));
		sink_reset(&sink);
		sink.fail_at = fail;
		if (fail)
			assert_int_equal(sync_inv(inv), -EIO);
		sink_reset(&sink);
		iodt_assert_ok(sync_inv(inv));
		assert_int_equal(sink.cmd[0].op, 0x46);
		for (sid = 0, at = 1; sid < 200; at++) {
			assert_true(at < sink.nr);
			if (sink.cmd[at].op == 0x46)
				continue;
			assert_int_equal(sink.cmd[at].op, 0x40);
			assert_int_equal(sink.cmd[at].sid, sid++);
			/* a SYNC after 64 */
			assert_true(at < 66 || sink.cmd[65].op == 0x46);
		}
		assert_int_equal(sink.nr, 205);
		assert_int_equal(sink.cmd[204].op, 0x46);
	}
	close_inv(inv);
}

/* For queues of others. */
static void encoded(void **state)
{
	struct iod_smmuv3_inv *inv = open_inv(1, 0, NULL), *under;
	struct iod_inv item[2] = { pages(4, 4), pages(8, 8) };
	struct iod_smmuv3_raw_cmd raw[4];
	struct seen c;
	size_t n;

	iodt_assert_ok(iod_smmuv3_inv_encode_atc(inv, item, 2, raw, 4, &n));
	assert_int_equal(n, 0);
	add(inv, 1, 3, 0); /* nothing ever syncs it */
	iodt_assert_ok(iod_smmuv3_inv_encode_atc(inv, item, 0, raw, 4, &n));
	assert_int_equal(n, 0);
	iodt_assert_ok(iod_smmuv3_inv_encode_atc(inv, item, 2, raw, 4, &n));
	assert_int_equal(n, 1);
	c = seen_decode(&raw[0]);
	assert_true(c.op == 0x40 && c.sid == 1 && c.ssv && c.ssid == 3 && !c.addr && c.span == 4);
	assert_int_equal(iod_smmuv3_inv_encode_atc(inv, item, 2, NULL, 0, &n), -ENOSPC);
	assert_int_equal(n, 1);
	assert_int_equal(sink.calls, 0);
	close_inv(inv);
	under = open_inv(2, IOD_SMMUV3_INV_NESTED, NULL);
	settled(under, 1, -1, 0);
	iodt_assert_ok(iod_smmuv3_inv_encode_atc(under, item, 1, raw, 4, &n));
	assert_int_equal(n, 1);
	assert_int_equal(seen_decode(&raw[0]).span, 52);
	close_inv(under);
}

static void bad_devices(void **state)
{
	struct iod_smmuv3_inv *inv = open_inv(1, 0, NULL);
	struct iod_smmuv3_id id = sink_id(true);
	struct iod_smmuv3_inv_cfg cfg = { .size = sizeof(cfg), .id = &id, .stage = 1 };
	struct iod_smmuv3_ats_device good = { .size = sizeof(good), .sid = 5 }, dev = good;

	iodt_assert_ok(iod_smmuv3_inv_add_device(inv, &good));
	assert_int_equal(iod_smmuv3_inv_add_device(inv, &good), -EEXIST);
	assert_int_equal(iod_smmuv3_inv_add_device(NULL, &good), -EINVAL);
	assert_int_equal(iod_smmuv3_inv_add_device(inv, NULL), -EINVAL);
	dev.sid = 6;
	dev.stu = 32;
	assert_int_equal(iod_smmuv3_inv_add_device(inv, &dev), -EINVAL);
	dev.stu = 0;
	dev.reserved = 1;
	assert_int_equal(iod_smmuv3_inv_add_device(inv, &dev), -EINVAL);
	dev.reserved = 0;
	dev.ssid = 1; /* without ssv */
	assert_int_equal(iod_smmuv3_inv_add_device(inv, &dev), -EINVAL);
	dev.ssv = true;
	dev.ssid = 1u << 20;
	assert_int_equal(iod_smmuv3_inv_add_device(inv, &dev), -EINVAL);
	dev.size = 4;
	assert_int_equal(iod_smmuv3_inv_add_device(inv, &dev), -EINVAL);
	assert_int_equal(iod_smmuv3_inv_remove_device(NULL, 5, 0, false), -EINVAL);
	assert_int_equal(iod_smmuv3_inv_remove_device(inv, 5, 0, true), -ENOENT);
	iodt_assert_ok(iod_smmuv3_inv_remove_device(inv, 5, 0, false));
	assert_int_equal(iod_smmuv3_inv_remove_device(inv, 5, 0, false), -ENOENT);
	close_inv(inv);

	id.idr[0] &= ~IOD_SMMUV3_IDR0_ATS;
	iodt_assert_ok(iod_smmuv3_inv_create(&inv, &cfg));
	assert_int_equal(iod_smmuv3_inv_add_device(inv, &good), -EOPNOTSUPP);
	close_inv(inv);
	id = sink_id(true);
	id.idr[1] = 8 | 4u << IOD_SMMUV3_IDR1_SSIDSIZE_SHIFT;
	iodt_assert_ok(iod_smmuv3_inv_create(&inv, &cfg));
	dev = good;
	dev.sid = 256;
	assert_int_equal(iod_smmuv3_inv_add_device(inv, &dev), -EINVAL);
	dev.sid = 255;
	dev.ssv = true;
	dev.ssid = 16;
	assert_int_equal(iod_smmuv3_inv_add_device(inv, &dev), -EINVAL);
	dev.ssid = 15;
	iodt_assert_ok(iod_smmuv3_inv_add_device(inv, &dev));
	close_inv(inv);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(order),
		cmocka_unit_test(one_target),
		cmocka_unit_test(new_devices_forget_everything),
		cmocka_unit_test(spans_by_cost),
		cmocka_unit_test(smallest_unit),
		cmocka_unit_test(ends_of_the_space),
		cmocka_unit_test(nested),
		cmocka_unit_test(nothing_is_forgotten),
		cmocka_unit_test(many_places),
		cmocka_unit_test(many_devices),
		cmocka_unit_test(encoded),
		cmocka_unit_test(bad_devices),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
