/* SPDX-License-Identifier: MIT */
/*
 * Changing live structures (Intel VT-d, 6.5.3.3). The hardware here fetches a structure word by word, the one with P
 * first, the others whenever it likes until the flush that follows is complete. What it reads must be the old
 * structure, the new one, or one that is not present. Where the bits are is written here once more.
 */
#include <iodirty/vtd_queue.h>

#include "golden_vtd.h"
#include "iodtest.h"

#define WORDS 8
#define P     UINT64_C(1)
#define SSADE (UINT64_C(1) << 9)

/* A PASID entry of the second stage, 4 levels. */
static void second(uint64_t w[WORDS], uint64_t ptr, unsigned did, bool ssade)
{
	memset(w, 0, WORDS * 8);
	w[0] = ptr | P | 2 << 2 | 2 << 6 | (ssade ? SSADE : 0);
	w[1] = did | 1 << 23;
}

static void first(uint64_t w[WORDS], uint64_t ptr, unsigned did)
{
	memset(w, 0, WORDS * 8);
	w[0] = P | 1 << 6;
	w[1] = did | 1 << 23;
	w[2] = ptr;
}

static struct iod_vtd_raw_pasid raw_of(const uint64_t w[WORDS])
{
	struct iod_vtd_raw_pasid raw;

	for (unsigned i = 0; i < WORDS; i++)
		iodt_put_le64(&raw.word[i], w[i]);
	return raw;
}

static void words_of(uint64_t w[WORDS], const struct iod_vtd_raw_pasid *raw)
{
	for (unsigned i = 0; i < WORDS; i++)
		iodt_put_le64(&w[i], raw->word[i]);
}

/* ---- what hardware may read ---- */

struct reader {
	const struct iod_vtd_plan *plan;
	const uint64_t *from, *to;
	uint64_t version[IOD_VTD_MAX_STEPS + 1][WORDS]; /* after so many steps */
	unsigned first, last;				/* versions between two flushes */
	unsigned mixed;
};

static void judge(struct reader *r, const uint64_t w[WORDS])
{
	if (w[0] & P)
		r->mixed += memcmp(w, r->from, WORDS * 8) && memcmp(w, r->to, WORDS * 8);
}

/* Word 0 as it was after @v steps; the others of any step that can be under way when they are read. */
static void read_others(struct reader *r, unsigned v, uint64_t w[WORDS], unsigned word)
{
	unsigned lo = v;

	if (word == WORDS) {
		judge(r, w);
		return;
	}
	/* A step's own words are written in any order. */
	if (v > r->first && r->plan->step[v - 1].mask & 1)
		lo = v - 1;
	for (unsigned k = lo; k <= r->last; k++) {
		if (k > lo && r->version[k][word] == r->version[k - 1][word])
			continue;
		w[word] = r->version[k][word];
		read_others(r, v, w, word + 1);
	}
}

/* Structures that mean neither the old nor the new: 0 when the plan keeps its promise. */
static unsigned count_mixed(const struct iod_vtd_plan *plan, const uint64_t *from,
			    const uint64_t *to)
{
	struct reader r = { .plan = plan, .from = from, .to = to };
	uint64_t w[WORDS];
	unsigned i, k;

	memcpy(r.version[0], from, sizeof(r.version[0]));
	for (i = 0; i < plan->nr; i++) {
		memcpy(r.version[i + 1], r.version[i], sizeof(r.version[i]));
		words_of(w, &plan->step[i].value);
		for (k = 0; k < WORDS; k++)
			if (plan->step[i].mask >> k & 1)
				r.version[i + 1][k] = w[k];
	}
	for (i = 0; i < plan->nr; i++) {
		r.last = i + 1;
		if (!plan->step[i].inv && i + 1 < plan->nr)
			continue;
		for (k = r.first; k <= r.last; k++) {
			w[0] = r.version[k][0];
			read_others(&r, k, w, 1);
		}
		r.first = r.last;
	}
	return r.mixed;
}

static struct iod_vtd_plan plan_of(const uint64_t *from, const uint64_t *to,
				   const struct iod_vtd_id *id)
{
	struct iod_vtd_raw_pasid a = raw_of(from), b = raw_of(to);
	struct iod_vtd_plan plan;
	uint64_t w[WORDS];

	memset(&plan, 0xa5, sizeof(plan));
	iodt_assert_ok(iod_vtd_pasid_plan(&plan, &a, &b, id));
	assert_true(plan.nr <= IOD_VTD_MAX_STEPS);
	if (plan.nr) {
		words_of(w, &plan.step[plan.nr - 1].value);
		assert_memory_equal(w, to, sizeof(w));
	} else {
		assert_memory_equal(from, to, sizeof(w));
	}
	return plan;
}

/* The case that live migration needs: one word, nothing breaks, and all caches of it (Table 28). */
static void test_ssade(void **state)
{
	uint64_t from[WORDS], to[WORDS];
	struct iod_vtd_plan plan;
	struct iod_vtd_id id;

	iodt_assert_ok(iod_vtd_id_full(&id));
	for (int on = 0; on < 2; on++) {
		second(from, 0x1234000, 7, !on);
		second(to, 0x1234000, 7, on);
		plan = plan_of(from, to, &id);
		assert_int_equal(plan.nr, 1);
		assert_false(plan.breaks);
		assert_int_equal(plan.step[0].mask, 1);
		assert_int_equal(plan.step[0].did, 7);
		assert_int_equal(plan.step[0].inv,
				 IOD_VTD_FLUSH_PASID | IOD_VTD_FLUSH_IOTLB | IOD_VTD_FLUSH_DEV_TLB);
		assert_int_equal(count_mixed(&plan, from, to), 0);
		from[0] |= 3 << 6; /* nested: the same */
		to[0] |= 3 << 6;
		assert_int_equal(plan_of(from, to, &id).step[0].inv, plan.step[0].inv);
	}
}

static void test_kinds_of_change(void **state)
{
	uint64_t none[WORDS] = { 0 }, a[WORDS], b[WORDS], c[WORDS];
	struct iod_vtd_plan plan;
	struct iod_vtd_id id;

	iodt_assert_ok(iod_vtd_id_full(&id));
	second(a, 0x1000, 7, false);
	second(b, 0x2000, 8, false);
	first(c, 0x3000, 9);

	assert_int_equal(plan_of(a, a, &id).nr, 0);
	plan = plan_of(none, a, &id); /* no flush without caching mode, P last */
	assert_int_equal(plan.nr, 2);
	assert_int_equal(plan.step[0].mask, 2);
	assert_int_equal(plan.step[1].mask, 1);
	assert_int_equal(plan.step[0].inv | plan.step[1].inv, 0);
	plan = plan_of(none, a, NULL);
	assert_int_equal(plan.step[1].inv, IOD_VTD_FLUSH_PASID | IOD_VTD_FLUSH_IOTLB);
	assert_int_equal(plan.step[1].did, 7);

	plan = plan_of(a, none, &id); /* P first, the others when nobody looks */
	assert_int_equal(plan.nr, 2);
	assert_false(plan.breaks);
	assert_int_equal(plan.step[0].mask, 1);
	assert_int_equal(plan.step[0].inv,
			 IOD_VTD_FLUSH_PASID | IOD_VTD_FLUSH_IOTLB | IOD_VTD_FLUSH_DEV_TLB);
	assert_int_equal(plan.step[0].did, 7);

	plan = plan_of(a, b, &id); /* two words: through P = 0 */
	assert_true(plan.breaks);
	assert_int_equal(plan.nr, 3);
	assert_int_equal(plan.step[0].did, 7);
	assert_int_equal(plan.step[2].mask, 1);

	plan = plan_of(c, none, &id); /* first stage: by PASID */
	assert_int_equal(plan.step[0].inv,
			 IOD_VTD_FLUSH_PASID | IOD_VTD_FLUSH_P_IOTLB | IOD_VTD_FLUSH_DEV_TLB);

	memcpy(b, a, sizeof(b));
	b[0] |= 2; /* FPD */
	plan = plan_of(a, b, &id);
	assert_int_equal(plan.nr, 1);
	assert_int_equal(plan.step[0].inv, IOD_VTD_FLUSH_PASID);
}

/* Random pairs: whatever hardware reads is old, new or not present; and it breaks only where it must. */
static void test_random(void **state)
{
	struct iodt *t = iodt_open(NULL);
	struct iod_vtd_plan plan;
	uint64_t a[WORDS], b[WORDS];
	unsigned differ, broken = 0, direct = 0;

	for (unsigned n = 0; n < iodt_scale(3000); n++) {
		for (unsigned i = 0; i < WORDS; i++)
			a[i] = iodt_below(t, 3) ? iodt_random(t) : 0;
		memcpy(b, a, sizeof(b));
		for (uint64_t k = iodt_below(t, 4); k; k--)
			b[iodt_below(t, WORDS)] ^= IODT_BIT(iodt_below(t, 64));
		if (!iodt_below(t, 3))
			b[0] ^= P;
		plan = plan_of(a, b, NULL);
		assert_int_equal(count_mixed(&plan, a, b), 0);
		differ = 0;
		for (unsigned i = 0; i < WORDS; i++)
			differ += a[i] != b[i];
		assert_int_equal(plan.breaks, (a[0] & b[0] & P) && differ > 1);
		broken += plan.breaks;
		direct += plan.nr == 1;
		/* What was present is flushed before any other step, and for its own domain. */
		if (plan.nr && (a[0] & P)) {
			assert_true(plan.step[0].inv & IOD_VTD_FLUSH_PASID);
			assert_int_equal(plan.step[0].did, a[1] & 0xffff);
		}
	}
	assert_true(broken > 100 && direct > 100);
	iodt_assert_ok(iodt_close(t));
}

/* The twins: P together with the rest, P first, no flush after P = 0. */
static void test_twins(void **state)
{
	uint64_t none[WORDS] = { 0 }, a[WORDS], b[WORDS];
	struct iod_vtd_plan plan;

	second(a, 0x1000, 7, false);
	second(b, 0x2000, 8, false);
	plan = plan_of(none, a, NULL);
	plan.step[1].mask = 3;
	plan.step[0] = plan.step[1];
	plan.nr = 1;
	assert_true(count_mixed(&plan, none, a) > 0);
	plan = plan_of(a, b, NULL);
	assert_int_equal(count_mixed(&plan, a, b), 0);
	plan.step[0].inv = 0;
	assert_true(count_mixed(&plan, a, b) > 0);
	plan = plan_of(a, b, NULL);
	plan.step[0] = plan.step[2];
	plan.nr = 2;
	assert_true(count_mixed(&plan, a, b) > 0);
}

static void test_contexts(void **state)
{
	struct iod_vtd_raw_sm_context sm = { { 0 } }, sm2 = { { 0 } };
	struct iod_vtd_raw_context from = { { 0 } }, to = { { 0 } };
	struct iod_vtd_plan plan;
	struct iod_vtd_id id;

	iodt_assert_ok(iod_vtd_id_full(&id));
	iodt_put_le64(&from.word[0], 0x1000 | P);
	iodt_put_le64(&from.word[1], 2 | 7 << 8);
	iodt_put_le64(&to.word[0], 0x2000 | P);
	to.word[1] = from.word[1];
	iodt_assert_ok(iod_vtd_context_plan(&plan, &from, &to, &id));
	assert_int_equal(plan.nr, 1);
	assert_int_equal(plan.step[0].did, 7);
	assert_int_equal(plan.step[0].inv,
			 IOD_VTD_FLUSH_CONTEXT | IOD_VTD_FLUSH_IOTLB | IOD_VTD_FLUSH_DEV_TLB);
	iodt_put_le64(&to.word[1], 2 | 8 << 8);
	iodt_assert_ok(iod_vtd_context_plan(&plan, &from, &to, &id));
	assert_true(plan.breaks && plan.nr == 3);

	iodt_put_le64(&sm2.word[0], 0x2000 | P);
	iodt_put_le64(&sm2.word[1], 5);
	iodt_assert_ok(iod_vtd_sm_context_plan(&plan, &sm, &sm2, &id));
	assert_int_equal(plan.nr, 2);
	assert_int_equal(plan.step[0].mask, 2);
	iodt_assert_ok(iod_vtd_sm_context_plan(&plan, &sm2, &sm, &id));
	assert_int_equal(plan.step[0].inv, IOD_VTD_FLUSH_CONTEXT | IOD_VTD_FLUSH_PASID |
						   IOD_VTD_FLUSH_IOTLB | IOD_VTD_FLUSH_DEV_TLB);
}

/* ---- carried out ---- */

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
		cmocka_unit_test(test_ssade),
		cmocka_unit_test(test_kinds_of_change),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_twins),
		cmocka_unit_test(test_contexts),
		cmocka_unit_test(test_write_ssade),
		cmocka_unit_test(test_write_breaks),
		cmocka_unit_test(test_write_fails),
		cmocka_unit_test(test_write_caching),
		cmocka_unit_test(test_write_contexts),
		cmocka_unit_test(test_misuse),
		cmocka_unit_test(test_tracking_on),
		cmocka_unit_test(test_tracking_on_twin),
	};

	return iodt_main(argc, argv, NULL, 0, tests, IODT_ARRAY_SIZE(tests));
}
