/* SPDX-License-Identifier: MIT */
/*
 * A guest's TLB invalidations: neighbours become ranges where the host has them, ranges become single
 * addresses where it has not, and what is covered already is dropped.
 *
 * All commands of a batch were written before the first of them is issued, and so were the changes of
 * tables that they are for. So one invalidation does for all that it covers, as long as nothing
 * between them lets a cache be filled from another stale one: kinds of commands are not crossed.
 */
#include "smmuv3/viommu.h"

#include <errno.h>

#include "spans.h"

/* Larger ones act alike (4.4.1). */
#define SCALE_MAX 39u
/* A range need not reach from one half of the address space into the other: what picks the half. */
#define HALF_BIT 55u

struct tlbi_span {
	unsigned int tg, lg2; /* granule */
	uint64_t first, last;
};

/* What one entry at the level of TTL maps; unknown level: the granule. */
static unsigned int ttl_lg2(unsigned int lg2, unsigned int ttl)
{
	return ttl ? lg2 + (3 - ttl) * (lg2 - 3) : lg2;
}

#define TTL(w) ((unsigned int)CMD_GET(CMD1_TTL, (w)[1]))
#define TG(w)  ((unsigned int)CMD_GET(CMD1_TG, (w)[1]))

/* Where a range does not begin on its granule, all that it could mean is taken. */
static struct tlbi_span span_of(const uint64_t w[2], unsigned int tg)
{
	uint64_t addr = w[1] & CMD1_ADDR, len;
	struct tlbi_span s = { .tg = tg, .lg2 = cmd_tg_lg2(tg) };
	unsigned int scale;

	s.first = align_down(addr, s.lg2);
	s.last = s.first | low_mask(s.lg2);
	if (!TG(w))
		return s;
	scale = (unsigned int)CMD_GET(CMD0_SCALE, w[0]);
	len = (CMD_GET(CMD0_NUM, w[0]) + 1) << (scale < SCALE_MAX ? scale : SCALE_MAX) << s.lg2;
	if (__builtin_add_overflow(addr, len - 1, &s.last))
		s.last = UINT64_MAX;
	s.last |= low_mask(s.lg2);
	return s;
}

static uint64_t granules(const struct tlbi_span *s)
{
	return ((s->last - s->first) >> s->lg2) + 1;
}

static int emit(struct batch *b, uint64_t w0, uint64_t w1, uint32_t after)
{
	struct iod_smmuv3_raw_cmd raw = iod_viommu_raw(w0, w1);

	return iod_viommu_emit(b, &raw, b->g.seen, after, b->g.now, 0);
}

/* Behind what was joined. */
static int emit_alone(struct batch *b, const uint64_t w[2])
{
	int ret = iod_viommu_run_end(b);

	return ret ? ret : emit(b, w[0], w[1], b->g.seen + 1);
}

/* By address includes global entries, which no ASID names: it takes all of the VMID to cover them. */
static int emit_everything(struct batch *b, const uint64_t w[2])
{
	const uint64_t all[2] = { IOD_SMMUV3_TLBI_NH_ALL | (w[0] & CMD0_VMID), 0 };

	b->g.all = b->v->joins;
	return emit_alone(b, all);
}

/*
 * What a range tells of levels: where the hint fits both ends, the size of an entry there. Where it does not,
 * hardware may take what it likes (4.4.1); nothing is concluded from such a hint.
 */
static unsigned int hint_lg2(const uint64_t w[2], const struct tlbi_span *s)
{
	unsigned int lg2 = ttl_lg2(s->lg2, TTL(w));

	return is_aligned(w[1] & CMD1_ADDR, lg2) && is_aligned(s->last + 1, lg2) ? lg2 : s->lg2;
}

/*
 * A range for a host that has none. With a level hint entries of that level and tables above it are
 * meant: one address in each does. What a batch may cost beyond its own commands is bounded as a whole: the
 * host's queue is not this guest's alone.
 */
static int expand(struct batch *b, const uint64_t w[2])
{
	const struct tlbi_span s = span_of(w, TG(w));
	unsigned int lg2 = hint_lg2(w, &s);
	uint64_t n = (s.last >> lg2) - (s.first >> lg2) + 1, i;
	uint64_t w0 = w[0] & ~(CMD0_NUM | CMD0_SCALE);
	uint64_t w1 = s.first | (w[1] & CMD1_LEAF);
	int ret;

	if (n > b->v->expand || n - 1 > IOD_SMMUV3_VIOMMU_MAX_EXPAND - b->g.expanded)
		return emit_everything(b, w);
	b->g.expanded += n - 1;
	ret = iod_viommu_run_end(b);
	for (i = 0; i < n && !ret; i++, w1 += BIT64(lg2))
		ret = emit(b, w0, w1, b->g.seen + (i + 1 == n));
	return ret;
}

/* Whether the span may become part of another command. */
static bool may_join(const uint64_t w[2], const struct tlbi_span *s)
{
	unsigned int lg2 = ttl_lg2(s->lg2, TTL(w));

	if ((s->first ^ s->last) >> HALF_BIT)
		return false;
	if (!TG(w))
		return true;
	/* Where hints do not fit the range, what goes is not said: not for us to change. */
	return is_aligned(w[1] & CMD1_ADDR, lg2) && is_aligned(s->last + 1, lg2);
}

/* Joins the span to the run. @return whether they fit */
static bool run_take(struct batch_run *run, const uint64_t key[2], const struct tlbi_span *s)
{
	struct tlbi_span u = *s;

	if ((key[0] ^ run->key[0]) | (key[1] ^ run->key[1]) | (s->tg ^ run->tg) |
	    (s->first ^ run->first) >> HALF_BIT)
		return false;
	/* No span ends at the end of everything and touches the beginning: halves differ. */
	if (s->first > run->last ? s->first - run->last > 1 : run->first > s->last + 1 && ~s->last)
		return false;
	if (run->first < u.first)
		u.first = run->first;
	if (run->last > u.last)
		u.last = run->last;
	if (granules(&u) >= SPAN_SCALED_MAX)
		return false;
	run->first = u.first;
	run->last = u.last;
	return true;
}

static int by_address(struct batch *b, const uint64_t w[2])
{
	const struct iod_smmuv3_viommu *v = b->v;
	unsigned int tg = TG(w) ? TG(w) : v->single_tg;
	uint64_t key[2];
	struct tlbi_span s;
	int ret;

	if (TG(w) && !v->ranges)
		return expand(b, w);
	if (!v->ranges || !v->joins || !tg)
		return emit_alone(b, w);
	s = span_of(w, tg);
	if (!may_join(w, &s))
		return emit_alone(b, w);
	key[0] = w[0] & ~(CMD0_NUM | CMD0_SCALE);
	key[1] = w[1] & (CMD1_LEAF | CMD1_TTL);
	if (b->g.run_nr && run_take(&b->run, key, &s)) {
		b->g.run_nr++;
		return 0;
	}
	ret = iod_viommu_run_end(b);
	if (ret)
		return ret;
	b->g.run_nr = 1;
	b->run = (struct batch_run){
		.start = b->g.seen,
		.tg = tg,
		.key = { key[0], key[1] },
		.one = iod_viommu_raw(w[0], w[1]),
		.first = s.first,
		.last = s.last,
	};
	return 0;
}

/* @n granules from @first: a length that a range can have. */
static int emit_range(struct batch *b, uint64_t first, uint64_t n, uint32_t after)
{
	const struct batch_run *run = &b->run;
	unsigned int scale = span_scale(n);
	struct iod_smmuv3_raw_cmd raw = iod_viommu_raw(
		run->key[0] | CMD_PUT(CMD0_NUM, (n >> scale) - 1) | CMD_PUT(CMD0_SCALE, scale),
		run->key[1] | CMD_PUT(CMD1_TG, run->tg) | first);

	return iod_viommu_emit(b, &raw, run->start, after, (uint32_t)(run->key[0] & CMD0_OP), 0);
}

/* One range, or two that overlap: then they end where the run does, and no hint fails to fit. */
static int emit_run(struct batch *b)
{
	const struct batch_run *run = &b->run;
	unsigned int lg2 = cmd_tg_lg2(run->tg);
	uint64_t n = ((run->last - run->first) >> lg2) + 1, most = span_scaled_floor(n);
	int ret;

	if (b->g.run_nr == 1 || n == 1)
		return iod_viommu_emit(b, &run->one, run->start, b->g.seen,
				       (uint32_t)(run->key[0] & CMD0_OP), 0);
	ret = emit_range(b, run->first, most, most == n ? b->g.seen : run->start);
	if (ret || most == n)
		return ret;
	return emit_range(b, run->last + 1 - (most << lg2), most, b->g.seen);
}

int iod_viommu_run_end(struct batch *b)
{
	int ret;

	if (!b->g.run_nr)
		return 0;
	ret = emit_run(b);
	b->g.run_nr = 0;
	return ret;
}

int iod_viommu_tlbi(struct batch *b, const uint64_t w[2])
{
	if (b->g.all) {
		guest_nothing(&b->g);
		return 0;
	}
	switch (w[0] & CMD0_OP) {
	case IOD_SMMUV3_TLBI_NSNH_ALL: /* everything that the guest can mean */
	case IOD_SMMUV3_TLBI_NH_ALL:
		return emit_everything(b, w);
	case IOD_SMMUV3_TLBI_NH_ASID:
		return emit_alone(b, w);
	default:
		return by_address(b, w);
	}
}
