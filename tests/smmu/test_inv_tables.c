/* SPDX-License-Identifier: MIT */
/*
 * Real tables of every variant, changed in every way, with hardware that is told by commands and takes them
 * literally: whatever it held, it sees afterwards what is in memory, and writes are seen there. Twins that say
 * less lose. R103, R105, R107, R110.
 */
#include "cmd/steps.h"
#include "invhw.h"

#define NEED (IODT_ARM | IODT_TABLES)

static bool has(const struct iodt *t, uint64_t size)
{
	return t->v->sizes & size && size <= IODT_1G;
}

static void warm_up(struct invhw *hw, const struct step_region *r)
{
	struct iodt *t = hw->t;
	unsigned i;

	for (i = 0; i < 40; i++)
		invhw_warm(hw, step_address(t, r),
			   iodt_below(t, 2) ? IOD_ACCESS_WRITE : IOD_ACCESS_READ);
	for (i = 0; i < t->nr_segs && i < 40; i++)
		invhw_warm(hw, t->seg[i].iova, IOD_ACCESS_WRITE);
}

static unsigned look(struct invhw *hw, const struct step_region *r)
{
	struct iodt *t = hw->t;
	unsigned i, n = 0;

	for (i = 0; i < 20; i++) {
		uint64_t iova = step_address(t, r);

		n += invhw_stale(hw, iova) + invhw_unseen(hw, iova);
	}
	for (i = 0; i < t->nr_segs && i < 10; i++) {
		uint64_t iova = t->seg[iodt_below(t, t->nr_segs)].iova;

		n += invhw_stale(hw, iova) + invhw_unseen(hw, iova);
	}
	return n;
}

static void finish(struct invhw *hw, const struct step_region *r)
{
	step_unmap(hw->t, r->base, r->len);
	invhw_close(hw);
}

static const struct iod_inv_cost never = { .size = sizeof(never),
					   .domain = IOD_INV_NEVER,
					   .global = IOD_INV_NEVER,
					   .device_all = IOD_INV_NEVER };

static void configure(struct iodt *t, struct invhw_cfg *cfg, unsigned round)
{
	cfg->addresses = round & 1;
	cfg->cost = round & 2 ? NULL : &never;
	if (t->v->format == IOD_ARM_LPAE_S1)
		cfg->flags = round & 4 ? IOD_SMMUV3_INV_NO_GLOBAL : 0;
}

static void nothing_stale(struct iodt *t)
{
	unsigned round, i;
	struct step_region r;

	if (!step_region(t, &r))
		return;
	for (round = 0; round < 8; round++) {
		struct invhw_cfg cfg = { 0 };
		struct invhw *hw;

		configure(t, &cfg, round);
		hw = invhw_open(t, &cfg);
		for (i = 0; i < iodt_scale(60); i++) {
			warm_up(hw, &r);
			step_change(t, &r);
			if (look(hw, &r))
				fail_msg("round %u step %u: stale", round, i);
			sink_reset(&hw->sink);
		}
		finish(hw, &r);
	}
}

/* ---- twins: one command in so many is left out ---- */

struct leave_out {
	uint32_t op;
	unsigned n;
};

static int leave_out(void *cookie, struct iod_smmuv3_raw_cmd *cmds, size_t *nr, size_t max)
{
	struct leave_out *l = cookie;
	size_t i, n = 0;

	for (i = 0; i < *nr; i++)
		if (seen_decode(&cmds[i]).op != l->op || l->n++ % 2)
			cmds[n++] = cmds[i];
	*nr = n;
	return 0;
}

static void twins(struct iodt *t)
{
	struct leave_out tlbi = { .op = t->v->format == IOD_ARM_LPAE_S1 ? 0x12 : 0x2a };
	struct leave_out atc = { .op = 0x40 };
	struct leave_out *which[2] = { &tlbi, &atc };
	unsigned i, k, found;
	struct step_region r;

	if (!step_region(t, &r))
		return;
	for (i = 0; i < 2; i++) {
		struct invhw_cfg cfg = { .cost = &never,
					 .quirk = leave_out,
					 .quirk_cookie = which[i] };
		struct invhw *hw = invhw_open(t, &cfg);

		for (found = k = 0; k < 300 && !found; k++) {
			warm_up(hw, &r);
			step_change(t, &r);
			found = look(hw, &r);
			sink_reset(&hw->sink);
		}
		assert_int_not_equal(found, 0);
		finish(hw, &r);
	}
}

/* ---- R103, R105: a level-1 table goes, a block takes its place ---- */

/* What lost translations in the field: the hint of the leaf table for everything below. */
static int leaf_table_hint(void *cookie, struct iod_smmuv3_raw_cmd *cmds, size_t *nr, size_t max)
{
	size_t i;

	for (i = 0; i < *nr; i++) {
		/* TTL is in the second byte of the second word */
		unsigned char *byte = (unsigned char *)&cmds[i].word[1];

		if (seen_decode(&cmds[i]).tg)
			byte[1] |= 3;
	}
	return 0;
}

/* Pages and blocks under one level-1 table (Arm's count), all held; then a block over it all. */
static unsigned replace_a_table(struct iodt *t, const struct step_region *r,
				const struct invhw_cfg *cfg)
{
	const uint64_t probe[] = { r->base, r->base + r->s1, r->base + r->s2 - r->page };
	struct invhw *hw = invhw_open(t, cfg);
	unsigned i, n = 0;

	iodt_map(t, r->base, iodt_pa(t->v, r->page, 1), r->page, IODT_RW);
	iodt_map(t, r->base + r->s1, iodt_pa(t->v, r->s1, 2), r->s1, IODT_RW);
	iodt_map(t, r->base + r->s2 - r->page, iodt_pa(t->v, r->page, 3), r->page, IODT_RW);
	for (i = 0; i < 3; i++)
		invhw_warm(hw, probe[i], IOD_ACCESS_WRITE);
	iodt_unmap(t, r->base, r->s2);
	iodt_sync(t);
	for (i = 0; i < 3; i++)
		n += invhw_stale(hw, probe[i]);
	iodt_map(t, r->base, iodt_pa(t->v, r->s2, 4), r->s2, IODT_RW);
	iodt_sync(t);
	for (i = 0; i < 3; i++)
		n += invhw_stale(hw, probe[i]);
	iodt_unmap(t, r->base, r->s2);
	invhw_close(hw);
	return n;
}

static void removed_table_then_block(struct iodt *t)
{
	struct invhw_cfg cfg = { .no_atc = true, .cost = &never }, twin = cfg;
	struct step_region r;

	if (!step_region(t, &r) || !r.deep || !has(t, r.s1) || !has(t, r.s2))
		return;
	assert_int_equal(replace_a_table(t, &r, &cfg), 0);
	cfg.cost = NULL;
	cfg.addresses = true;
	assert_int_equal(replace_a_table(t, &r, &cfg), 0);
	twin.quirk = leaf_table_hint;
	assert_int_not_equal(replace_a_table(t, &r, &twin), 0);
}

int main(int argc, char **argv)
{
	static const struct iodt_test tests[] = {
		{ "nothing_stale", NEED, 0, nothing_stale },
		{ "twins", NEED | IODT_DIRTY, 0, twins },
		{ "removed_table_then_block", NEED | IODT_HUGE, 0, removed_table_then_block },
	};

	return iodt_main(argc, argv, tests, IODT_ARRAY_SIZE(tests), NULL, 0);
}
