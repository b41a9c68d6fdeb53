/* SPDX-License-Identifier: MIT */
/*
 * Real tables of every VT-d and AMD variant, changed in every way, with hardware that is told by commands and takes
 * them literally: whatever it held, it sees afterwards what is in memory, and writes are seen there. Twins that say
 * less lose: IH = 1 or PDE = 0 though a table changed, a size too small, a domain that is left out, no word to the
 * device. R58, R103, R105, R107.
 */
#include "cmd/steps.h"
#include "gchw.h"

#define NEED	IODT_TABLES
#define WITHOUT IODT_ARM

static void warm_up(struct gchw *hw, const struct step_region *r)
{
	struct iodt *t = hw->t;
	unsigned i;

	for (i = 0; i < 40; i++)
		gchw_warm(hw, step_address(t, r),
			  iodt_below(t, 2) ? IOD_ACCESS_WRITE : IOD_ACCESS_READ);
	for (i = 0; i < t->nr_segs && i < 40; i++)
		gchw_warm(hw, t->seg[i].iova, IOD_ACCESS_WRITE);
}

static unsigned look(struct gchw *hw, const struct step_region *r)
{
	struct iodt *t = hw->t;
	unsigned i, n = 0;

	for (i = 0; i < 20; i++) {
		uint64_t iova = step_address(t, r);

		n += gchw_stale(hw, iova);
		n += n ? 0 : gchw_unseen(hw, iova);
	}
	for (i = 0; i < t->nr_segs && i < 10; i++) {
		uint64_t iova = t->seg[iodt_below(t, t->nr_segs)].iova;

		n += gchw_stale(hw, iova);
		n += n ? 0 : gchw_unseen(hw, iova);
	}
	return n;
}

/* Steps until something is found. @return what */
static unsigned run(struct iodt *t, const struct gc_cfg *cfg, uint16_t obeyed, bool atc,
		    unsigned steps)
{
	struct step_region r;
	struct gchw *hw;
	unsigned i, found = 0;

	if (!step_region(t, &r))
		return UINT32_MAX;
	hw = gchw_open(t, cfg, obeyed, atc);
	for (i = 0; i < steps && !found; i++) {
		warm_up(hw, &r);
		step_change(t, &r);
		found = look(hw, &r);
		gc_reset(hw->gc);
	}
	step_unmap(t, r.base, r.len);
	gchw_close(hw);
	return found;
}

static void nothing_stale(struct iodt *t)
{
	unsigned round, found;
	uint32_t stage;

	gchw_vendor(t->v, &stage);
	for (round = 0; round < 8; round++) {
		struct gc_cfg cfg = { .domain = 7 };

		cfg.cost = round & 1 ? NULL : &gc_never;
		cfg.mamv = round & 2 ? 3 : 0;
		cfg.flags = round & 4 && stage == 2 ? GC_NESTED : 0;
		if (t->v->format == IOD_AMD_V1 && cfg.flags)
			cfg.pasids = round & 1;
		found = run(t, &cfg, round & 4 ? 8 : 7, true, iodt_scale(60));
		if (found && found != UINT32_MAX)
			fail_msg("round %u: stale", round);
	}
}

/* ---- twins ---- */

/* AMD's PDE is bit 1 of the second word, VT-d's IH bit 6. */
static bool leaves_only(struct gc *gc, const struct gc_cmd *cmd, uint64_t *raw)
{
	unsigned char *byte = (unsigned char *)&raw[1];

	if (cmd->kind != GC_PAGES)
		return true;
	if (gc->v == &gc_vendors[GC_VTD])
		byte[0] |= 0x40;
	else
		byte[0] &= (unsigned char)~2u;
	return true;
}

/* One page of those that are named: AM = 0, S = 0. */
static bool too_small(struct gc *gc, const struct gc_cmd *cmd, uint64_t *raw)
{
	unsigned char *byte = (unsigned char *)&raw[1];
	unsigned i;

	if (cmd->kind != GC_PAGES)
		return true;
	byte[0] &= gc->v == &gc_vendors[GC_VTD] ? 0xc0 : 0xfe;
	for (i = 1; i < 8; i++) /* the bits that say the size, too */
		byte[i] = (unsigned char)(cmd->first >> (8 * i)) | (i == 1 ? byte[i] & 0xf : 0);
	return true;
}

static bool no_device(struct gc *gc, const struct gc_cmd *cmd, uint64_t *raw)
{
	return cmd->kind != GC_DEV;
}

static bool no_second_domain(struct gc *gc, const struct gc_cmd *cmd, uint64_t *raw)
{
	return cmd->kind == GC_DEV || cmd->domain != 8;
}

static void twins(struct iodt *t)
{
	static const struct {
		const char *name;
		bool (*quirk)(struct gc *gc, const struct gc_cmd *cmd, uint64_t *raw);
		bool atc;
	} twin[] = {
		{ "leaves only", leaves_only, false },
		{ "too small", too_small, false },
		{ "no device", no_device, true },
		{ "no second domain", no_second_domain, false },
	};
	size_t i;

	for (i = 0; i < IODT_ARRAY_SIZE(twin); i++) {
		struct gc_cfg cfg = { .domain = 7, .cost = &gc_never, .quirk = twin[i].quirk };

		if (!run(t, &cfg, 8, twin[i].atc, 1000))
			fail_msg("%s: nothing is lost", twin[i].name);
	}
}

int main(int argc, char **argv)
{
	static const struct iodt_test tests[] = {
		{ "nothing_stale", NEED, WITHOUT, nothing_stale },
		{ "twins", NEED, WITHOUT, twins },
	};

	return iodt_main(argc, argv, tests, IODT_ARRAY_SIZE(tests), NULL, 0);
}
