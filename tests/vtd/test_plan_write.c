/* SPDX-License-Identifier: MIT */
/*
 * Carrying plans out (Intel VT-d, 6.5.3.3): which descriptors, in which order, with what in memory meanwhile; when the
 * sink fails; and dirty tracking switched on under a device that writes.
 */
#include <iodirty/vtd_queue.h>

#include "planfix.h"

#define CALLS 64

struct hw {
	struct iod_mem *mem;
	uint64_t pa, *live;
	unsigned calls, fail_at, nr, syncs;
	uint64_t desc[CALLS][2];
	uint64_t w0[CALLS]; /* word 0 in memory when the descriptor came */
	struct iod_vtd_sink sink;
	struct iod_iotlb *tlb; /* obeys descriptors; may be NULL */
	uint32_t deaf;	       /* types that it does not hear, one bit each */
};

static int hw_issue(void *cookie, const struct iod_vtd_raw_desc *descs, size_t nr, bool sync,
		    size_t *issued)
{
	struct hw *hw = cookie;
	struct iod_cmd_effect effect;
	struct iod_vtd_desc desc;

	*issued = 0;
	if (++hw->calls == hw->fail_at)
		return -EIO;
	for (size_t i = 0; i < nr; i++) {
		assert_true(hw->nr < CALLS);
		iodt_put_le64(&hw->desc[hw->nr][0], descs[i].word[0]);
		iodt_put_le64(&hw->desc[hw->nr][1], descs[i].word[1]);
		iodt_put_le64(&hw->w0[hw->nr++], hw->live[0]);
		iodt_assert_ok(iod_vtd_desc_decode(&desc, &descs[i], NULL, 0, NULL));
		if (!hw->tlb || hw->deaf >> desc.type & 1)
			continue;
		iodt_assert_ok(iod_vtd_desc_effect(&effect, &desc));
		iodt_assert_ok(iod_iotlb_invalidate(hw->tlb, effect.s2, effect.nr_s2));
	}
	*issued = nr;
	hw->syncs += sync;
	return 0;
}

static void hw_begin(struct hw *hw, const uint64_t *w)
{
	void *host;

	memset(hw, 0, sizeof(*hw));
	iodt_assert_ok(iod_mem_create_arena(&hw->mem, NULL));
	iodt_assert_ok(iod_mem_alloc(hw->mem, 4096, &hw->pa));
	hw->pa += 0x140;
	iodt_assert_ok(iod_mem_host_ptr(hw->mem, hw->pa, 64, true, &host));
	hw->live = host;
	for (unsigned i = 0; i < WORDS; i++)
		iodt_put_le64(&hw->live[i], w[i]);
	hw->sink =
		(struct iod_vtd_sink){ .size = sizeof(hw->sink), .issue = hw_issue, .cookie = hw };
}

static void hw_end(struct hw *hw)
{
	iodt_assert_ok(iod_mem_free(hw->mem, hw->pa - 0x140, 4096));
	iodt_assert_ok(iod_mem_destroy(hw->mem));
}

static const struct iod_vtd_source sources[] = {
	{ .sid = 0x110, .pfsid = 0x110, .mip = 16, .ats = true },
	{ .sid = 0x118, .ats = true, .pasid = true },
	{ .sid = 0x120 },
};

static struct iod_vtd_change change_of(struct hw *hw, const struct iod_vtd_id *id)
{
	return (struct iod_vtd_change){ .size = sizeof(struct iod_vtd_change),
					.mem = hw->mem,
					.id = id,
					.pa = hw->pa,
					.pasid = 5,
					.sink = &hw->sink,
					.sources = sources,
					.nr_sources = IODT_ARRAY_SIZE(sources) };
}

static void assert_live(const struct hw *hw, const uint64_t *w)
{
	for (unsigned i = 0; i < WORDS; i++) {
		uint64_t v;

		iodt_put_le64(&v, hw->live[i]);
		assert_true(v == w[i]);
	}
}

/* SSADE: PASID cache, then IOTLB of the domain, then device TLBs; each waited for. Descriptors by hand. */
static void test_write_ssade(void **state)
{
	static const uint64_t want[][2] = {
		{ 0x0000000500070017, 0 },
		{ 0x00000000000700e2, 0 },
		{ 0x0110011000100003, 0x7ffffffffffff001 },
		{ 0x0000000501180008, 0x7ffffffffffff800 },
	};
	uint64_t from[WORDS], to[WORDS];
	struct iod_vtd_change change;
	struct iod_vtd_raw_pasid raw;
	struct iod_vtd_id id;
	struct hw hw;

	iodt_assert_ok(iod_vtd_id_full(&id));
	second(from, 0x1234000, 7, false);
	second(to, 0x1234000, 7, true);
	hw_begin(&hw, from);
	change = change_of(&hw, &id);
	change.flags = IOD_VTD_CHANGE_HITLESS;
	raw = raw_of(to);
	iodt_assert_ok(iod_vtd_pasid_write(&change, &raw));
	assert_int_equal(change.steps, 1);
	assert_int_equal(change.unsynced, 0);
	assert_live(&hw, to);
	assert_int_equal(hw.nr, IODT_ARRAY_SIZE(want));
	assert_int_equal(hw.syncs, 3);
	for (unsigned i = 0; i < hw.nr; i++) {
		assert_true(hw.desc[i][0] == want[i][0] && hw.desc[i][1] == want[i][1]);
		assert_true(hw.w0[i] == to[0]);
	}
	hw_end(&hw);
}

/* Through P = 0: while the old is forgotten memory says not present; then all of the new but P; then P. */
static void test_write_breaks(void **state)
{
	uint64_t from[WORDS], to[WORDS];
	struct iod_vtd_change change;
	struct iod_vtd_raw_pasid raw;
	struct iod_vtd_id id;
	struct hw hw;

	iodt_assert_ok(iod_vtd_id_full(&id));
	second(from, 0x1000, 7, false);
	first(to, 0x3000, 9);
	hw_begin(&hw, from);
	change = change_of(&hw, &id);
	raw = raw_of(to);
	change.flags = IOD_VTD_CHANGE_HITLESS;
	assert_int_equal(iod_vtd_pasid_write(&change, &raw), -EBUSY);
	assert_live(&hw, from);
	assert_int_equal(hw.calls, 0);
	change.flags = 0;
	iodt_assert_ok(iod_vtd_pasid_write(&change, &raw));
	assert_int_equal(change.steps, 3);
	assert_live(&hw, to);
	assert_int_equal(hw.nr, 4);
	for (unsigned i = 0; i < hw.nr; i++)
		assert_true(hw.w0[i] == (from[0] & ~P));
	hw_end(&hw);
}

/* The sink fails at each call: calling again makes good for all of it. */
static void test_write_fails(void **state)
{
	uint64_t from[WORDS], to[WORDS];
	struct iod_vtd_raw_pasid raw;
	struct hw hw;

	second(from, 0x1000, 7, false);
	second(to, 0x2000, 8, true);
	raw = raw_of(to);
	for (unsigned fail_at = 1;; fail_at++) {
		struct iod_vtd_change change;
		uint32_t seen = 0;
		int ret;

		hw_begin(&hw, from);
		hw.fail_at = fail_at;
		change = change_of(&hw, NULL);
		ret = iod_vtd_pasid_write(&change, &raw);
		if (!ret) {
			hw_end(&hw);
			assert_true(fail_at > 4);
			break;
		}
		assert_int_equal(ret, -EIO);
		assert_true(change.unsynced);
		iodt_assert_ok(iod_vtd_pasid_write(&change, &raw));
		assert_int_equal(change.unsynced, 0);
		assert_live(&hw, to);
		/* of the old domain, while it was not present */
		for (unsigned i = 0; i < hw.nr; i++) {
			unsigned type = hw.desc[i][0] & 0xf, did = hw.desc[i][0] >> 16 & 0xffff;

			if (!(hw.w0[i] & P) && (type == 3 || type == 8 || did == 7))
				seen |= 1u << type;
		}
		assert_int_equal(seen, 1u << 2 | 1u << 3 | 1u << 7 | 1u << 8);
		hw_end(&hw);
	}
}

/* In caching mode what was not present is forgotten too, also under domain id 0. */
static void test_write_caching(void **state)
{
	static const uint64_t want[] = { 0x0000000500070017, 0x0000000500000017,
					 0x00000000000700e2 };
	uint64_t from[WORDS] = { 0 }, to[WORDS];
	struct iod_vtd_change change;
	struct iod_vtd_raw_pasid raw;
	struct hw hw;

	second(to, 0x2000, 7, false);
	raw = raw_of(to);
	hw_begin(&hw, from);
	change = change_of(&hw, NULL);
	iodt_assert_ok(iod_vtd_pasid_write(&change, &raw));
	assert_int_equal(hw.nr, 3);
	for (unsigned i = 0; i < 3; i++)
		assert_true(hw.desc[i][0] == want[i] && hw.w0[i] == to[0]);
	hw_end(&hw);
}

static void test_write_contexts(void **state)
{
	static const uint64_t want[] = { 0x0000011000070031, 0x00000000000700e2,
					 0x0110011000100003 };
	static const uint64_t want_sm[] = { 0x0000011000000031, 0x37, 0xd2, 0x0110011000100003 };
	uint64_t from[WORDS] = { 0x1000 | P, 2 | 7 << 8 }, to[WORDS] = { 0 };
	struct iod_vtd_raw_sm_context sm = { { 0 } };
	struct iod_vtd_raw_context raw = { { 0 } };
	struct iod_vtd_change change;
	struct iod_vtd_id id;
	struct hw hw;

	iodt_assert_ok(iod_vtd_id_full(&id));
	hw_begin(&hw, from);
	change = change_of(&hw, &id);
	change.pasid = 0;
	change.nr_sources = 1;
	iodt_assert_ok(iod_vtd_context_write(&change, &raw));
	assert_live(&hw, to);
	assert_int_equal(hw.nr, 3);
	for (unsigned i = 0; i < 3; i++)
		assert_true(hw.desc[i][0] == want[i]);
	hw_end(&hw);

	from[1] = 5;
	hw_begin(&hw, from);
	change = change_of(&hw, &id);
	change.pasid = 0;
	change.nr_sources = 1;
	iodt_assert_ok(iod_vtd_sm_context_write(&change, &sm));
	assert_live(&hw, to);
	assert_int_equal(hw.nr, 4);
	for (unsigned i = 0; i < 4; i++)
		assert_true(hw.desc[i][0] == want_sm[i]);
	hw_end(&hw);
}

static void test_misuse(void **state)
{
	uint64_t none[WORDS] = { 0 };
	struct iod_vtd_raw_pasid raw = raw_of(none);
	struct iod_vtd_change good, change;
	struct iod_vtd_plan plan;
	struct hw hw;

	hw_begin(&hw, none);
	good = change_of(&hw, NULL);
	assert_int_equal(iod_vtd_pasid_write(NULL, &raw), -EINVAL);
	assert_int_equal(iod_vtd_pasid_write(&good, NULL), -EINVAL);
#define REFUSED(what, error)                                                 \
	do {                                                                 \
		change = good;                                               \
		what;                                                        \
		assert_int_equal(iod_vtd_pasid_write(&change, &raw), error); \
	} while (0)
	REFUSED(change.mem = NULL, -EINVAL);
	REFUSED(change.pa += 8, -EINVAL);
	REFUSED(change.flags = 2, -EINVAL);
	REFUSED(change.unsynced = 0x20, -EINVAL);
	REFUSED(change.pasid = 0x100000, -EINVAL);
	REFUSED(change.sources = NULL, -EINVAL);
	REFUSED(change.reserved = 1, -EINVAL);
	REFUSED(change.pa = 0, -EFAULT);
#undef REFUSED
	assert_int_equal(iod_vtd_pasid_plan(NULL, &raw, &raw, NULL), -EINVAL);
	assert_int_equal(iod_vtd_pasid_plan(&plan, NULL, &raw, NULL), -EINVAL);
	assert_int_equal(iod_vtd_pasid_plan(&plan, &raw, NULL, NULL), -EINVAL);
	assert_int_equal(hw.calls, 0);
	hw_end(&hw);
}

/*
 * Dirty tracking switched on under a device that writes: what was translated before is forgotten, so the next write
 * marks the page. The twin does not hear the IOTLB's invalidation: the write is not seen.
 */
static void track(bool twin)
{
	struct iod_pgtable_cfg cfg = { .size = sizeof(cfg),
				       .format = IOD_VTD_SS,
				       .features = IOD_PT_HW_DIRTY,
				       .domain = IOD_VTD_TAG_S2(7) };
	struct iod_hw_info info = { .size = sizeof(info) };
	struct iod_pgtable *owner, *now;
	struct iod_vtd_change change;
	struct iod_vtd_raw_pasid raw;
	struct iod_vtd_pasid pasid;
	struct iod_mapping map;
	struct iod_vtd_id id;
	uint64_t w[WORDS] = { 0 }, root;
	struct hw hw;

	iodt_assert_ok(iod_vtd_id_full(&id));
	hw_begin(&hw, w);
	iodt_assert_ok(iod_iotlb_create(&hw.tlb, NULL));
	hw.deaf = twin ? 1u << IOD_VTD_IOTLB_INV : 0;
	cfg.mem = hw.mem;
	iodt_assert_ok(iod_pgtable_create(&owner, &cfg));
	iodt_assert_ok(iod_map(owner, 0x5000, 0x100000, 4096, IODT_RW, NULL, NULL));
	iodt_assert_ok(iod_pgtable_get_hw_info(owner, &info));
	memset(&pasid, 0, sizeof(pasid));
	iodt_assert_ok(iod_vtd_pasid_set_second(&pasid, &info, 7, &id));
	for (int on = 0; on < 2; on++) {
		pasid.ssade = on;
		iodt_assert_ok(iod_vtd_pasid_encode(&raw, &pasid));
		change = change_of(&hw, &id);
		iodt_assert_ok(iod_vtd_pasid_write(&change, &raw));
		/* What hardware makes of the entry in memory. */
		for (unsigned i = 0; i < WORDS; i++)
			raw.word[i] = hw.live[i];
		iodt_assert_ok(iod_vtd_pasid_decode(&pasid, &raw));
		assert_int_equal(iod_vtd_pasid_check(&pasid, &id, 0, NULL), 0);
		iodt_assert_ok(iod_vtd_pasid_get_second(&pasid, &id, 0, &cfg, &root, NULL));
		cfg.mem = hw.mem;
		cfg.domain = IOD_VTD_TAG_S2(7);
		iodt_assert_ok(iod_pgtable_attach(&now, &cfg, root));
		iodt_assert_ok(iod_iotlb_access(hw.tlb, now, 0x5000, IOD_ACCESS_WRITE, NULL, NULL));
		iodt_assert_ok(iod_pgtable_destroy(now));
		iodt_assert_ok(iod_translate(owner, 0x5000, &map));
		assert_int_equal(map.dirty, on && !twin ? IOD_DIRTY : IOD_CLEAN);
	}
	iodt_assert_ok(iod_iotlb_destroy(hw.tlb));
	iodt_assert_ok(iod_pgtable_destroy(owner));
	hw_end(&hw);
}

static void test_tracking_on(void **state)
{
	track(false);
}

static void test_tracking_on_twin(void **state)
{
	track(true);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_write_ssade),    cmocka_unit_test(test_write_breaks),
		cmocka_unit_test(test_write_fails),    cmocka_unit_test(test_write_caching),
		cmocka_unit_test(test_write_contexts), cmocka_unit_test(test_misuse),
		cmocka_unit_test(test_tracking_on),    cmocka_unit_test(test_tracking_on_twin),
	};

	return iodt_main(argc, argv, NULL, 0, tests, IODT_ARRAY_SIZE(tests));
}
