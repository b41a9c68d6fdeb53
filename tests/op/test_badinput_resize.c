/* SPDX-License-Identifier: MIT */
/* Misuse of split and merge: the errno that the header promises, and nothing changed. */
#include "iodtest.h"

static struct iod_resize good_arg(struct iodt *t)
{
	return (struct iod_resize){
		.size = sizeof(struct iod_resize),
		.iova = t->v->first,
		.len = t->page,
		.flags = t->caps & IODT_HITLESS ? 0 : IOD_RESIZE_ALLOW_FAULTS,
		.gather = t->gather,
	};
}

/* `good` with one field changed, and the answer. */
#define EXPECT(change, err)                             \
	do {                                            \
		z = good;                               \
		z.change;                               \
		assert_int_equal(fn(t->pt, &z), (err)); \
		assert_int_equal(z.done, 0x77);         \
	} while (0)

static void each_field(struct iodt *t, int (*fn)(struct iod_pgtable *, struct iod_resize *))
{
	struct iod_resize z, good = good_arg(t);
	struct iod_gather *other;
	struct iod_pgtable_cfg cfg = iodt_cfg(t->v, t->mem);
	struct iod_pgtable *pt = NULL;

	good.done = 0x77; /* a refused call fills nothing in */
	iodt_assert_ok(iod_pgtable_create(&pt, &cfg));
	iodt_assert_ok(iod_gather_create(&other, pt, NULL));
	EXPECT(size = 0, -EINVAL);
	EXPECT(size = 8, -EINVAL);
	EXPECT(size = offsetof(struct iod_resize, gather), -EINVAL);
	EXPECT(len = 0, -EINVAL);
	EXPECT(len = t->page / 2, -EINVAL);
	EXPECT(len = t->page + 1, -EINVAL);
	EXPECT(iova += t->page / 2, -EINVAL);
	EXPECT(iova += 1, -EINVAL);
	EXPECT(flags |= 1u << 2, -EINVAL);
	EXPECT(flags |= 1u << 31, -EINVAL);
	EXPECT(flags = IOD_RESIZE_BREAK, -EINVAL);
	EXPECT(reserved = 1, -EINVAL);
	EXPECT(page_size = 3, -EINVAL);
	EXPECT(page_size = t->page + t->page / 2, -EINVAL);
	EXPECT(page_size = UINT64_MAX, -EINVAL);
	EXPECT(gather = NULL, -EINVAL);
	EXPECT(gather = other, -EINVAL);
	if (t->v->last != UINT64_MAX) {
		EXPECT(iova = t->v->last + 1, -ERANGE);
		EXPECT(iova = -t->page, -ERANGE);
	}
	if (t->v->first)
		EXPECT(iova = t->v->first - t->page, -ERANGE);
	if (t->v->hole_first) {
		EXPECT(iova = t->v->hole_first, -ERANGE);
		EXPECT(iova = t->v->hole_last + 1 - t->page, -ERANGE);
	}
	iodt_assert_ok(iod_gather_destroy(other));
	iodt_assert_ok(iod_pgtable_destroy(pt));
}

/* Structs of other versions. */
static void other_sizes(struct iodt *t, int (*fn)(struct iod_pgtable *, struct iod_resize *))
{
	struct {
		struct iod_resize z;
		uint64_t tail;
	} big = { .z = good_arg(t) };

	big.z.size = sizeof(big);
	iodt_assert_ok(fn(t->pt, &big.z));
	assert_int_equal(big.z.done, t->page);
	big.tail = 1;
	assert_int_equal(fn(t->pt, &big.z), -E2BIG);
	assert_int_equal(fn(t->pt, NULL), -EINVAL);
	big.tail = 0;
	assert_int_equal(fn(NULL, &big.z), -EINVAL);
}

/* Nothing in use is as small: splits are refused; merges up to less than a page do nothing. */
static void sizes_too_small(struct iodt *t)
{
	struct iod_resize z = good_arg(t);

	z.page_size = t->page / 2;
	assert_int_equal(iod_split_range(t->pt, &z), -EOPNOTSUPP);
	z = good_arg(t);
	z.page_size = 1;
	assert_int_equal(iod_split_range(t->pt, &z), -EOPNOTSUPP);
	z = good_arg(t);
	z.page_size = IODT_BIT(63);
	iodt_assert_ok(iod_split_range(t->pt, &z));
	assert_int_equal(z.done, z.len);
	assert_int_equal(z.entries, 0);
}

static int inside(void *cookie, const struct iod_visit_event *ev)
{
	struct iodt *t = cookie;
	struct iod_resize z = good_arg(t);

	assert_int_equal(iod_split_range(t->pt, &z), -EINVAL);
	assert_int_equal(iod_merge_range(t->pt, &z), -EINVAL);
	return 1;
}

static void inside_a_visit(struct iodt *t)
{
	struct iod_visit visit = { .size = sizeof(visit),
				   .iova = t->v->first,
				   .len = t->page,
				   .fn = inside,
				   .cookie = t };

	assert_int_equal(iod_visit(t->pt, &visit), 1);
}

/* Tables of somebody else's are not ours to change. */
static void attached(struct iodt *t)
{
	struct iod_pgtable_cfg cfg = iodt_cfg(t->v, t->mem);
	struct iod_hw_info hw = { .size = sizeof(hw) };
	struct iod_pgtable *pt = NULL;
	struct iod_gather *gather;
	struct iod_resize z;

	iodt_assert_ok(iod_pgtable_get_hw_info(t->pt, &hw));
	cfg.levels = hw.levels;
	iodt_assert_ok(iod_pgtable_attach(&pt, &cfg, hw.root));
	iodt_assert_ok(iod_gather_create(&gather, pt, NULL));
	z = good_arg(t);
	z.gather = gather;
	assert_int_equal(iod_split_range(pt, &z), -EOPNOTSUPP);
	assert_int_equal(iod_merge_range(pt, &z), -EOPNOTSUPP);
	iodt_assert_ok(iod_gather_destroy(gather));
	iodt_assert_ok(iod_pgtable_destroy(pt));
}

static void misuse(struct iodt *t)
{
	struct iodt_snapshot s;

	iodt_map(t, t->v->first, 0, t->page, IODT_RW);
	iodt_snapshot(t, &s);
	iodt_log_reset(t);
	each_field(t, iod_split_range);
	each_field(t, iod_merge_range);
	other_sizes(t, iod_split_range);
	other_sizes(t, iod_merge_range);
	sizes_too_small(t);
	inside_a_visit(t);
	attached(t);
	assert_int_equal(t->log.calls, 0);
	assert_int_equal(iodt_gather_info(t->gather).ranges, 0);
	iodt_unchanged(t, &s);
}

/* What was declared of hardware that the format does not have, or cannot. */
static void features(void **state)
{
	static const enum iod_format others[] = { IOD_VTD_SS, IOD_VTD_FS, IOD_AMD_V1, IOD_AMD_V2 };
	struct iodt *t = iodt_open(NULL);
	struct iod_pgtable_cfg cfg = { .size = sizeof(cfg) };
	struct iod_pgtable *pt = NULL;
	uint32_t bbm;
	size_t i;

	assert_non_null(t);
	cfg.mem = t->mem;
	for (bbm = IOD_PT_BBM_1; bbm <= IOD_PT_BBM_2; bbm <<= 1) {
		for (i = 0; i < IODT_ARRAY_SIZE(others); i++) {
			cfg.format = others[i];
			cfg.levels = others[i] == IOD_AMD_V1 ? 4 : 0;
			cfg.features = bbm;
			assert_int_equal(iod_pgtable_create(&pt, &cfg), -EOPNOTSUPP);
		}
		cfg.levels = 0;
		for (i = 0; i < 2; i++) {
			cfg.format = i ? IOD_ARM_LPAE_S1 : IOD_ARM_LPAE_S2;
			cfg.features = bbm | IOD_PT_LPAE32;
			assert_int_equal(iod_pgtable_create(&pt, &cfg), -EOPNOTSUPP);
		}
	}
	iodt_assert_ok(iodt_close(t));
}

static const struct iodt_test tests[] = {
	{ "misuse", IODT_RESIZE, 0, misuse },
};

int main(int argc, char **argv)
{
	const struct CMUnitTest plain[] = { cmocka_unit_test(features) };

	return iodt_main(argc, argv, tests, IODT_ARRAY_SIZE(tests), plain, 1);
}
