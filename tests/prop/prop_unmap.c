/* SPDX-License-Identifier: MIT */
/*
 * Unmap with dirty, one by one and in batches: what is in the bitmap when the gather is synced must lie
 * between what was dirty for certain and what was dirty perhaps, and pages are copied by it alone.
 */
#include "prop.h"

/* ---- what is reported ---- */

void prop_reports_wrote(struct prop *p, uint64_t iova, uint64_t len)
{
	uint64_t last = iova + (len - 1);
	struct prop_leaf *leaf;
	unsigned int i;
	size_t k;

	for (i = 0; i < p->nr_reports; i++) {
		for (k = 0; k < p->report[i]->leaves.nr; k++) {
			leaf = &p->report[i]->leaves.leaf[k];
			if (leaf->iova <= last && leaf->last >= iova && prop_tracked(p, leaf))
				leaf->may = true;
		}
	}
}

bool prop_reports_have(const struct prop *p, const struct prop_write *w)
{
	const struct prop_leaf *leaf;
	unsigned int i;
	size_t k;

	for (i = 0; i < p->nr_reports; i++) {
		for (k = 0; k < p->report[i]->leaves.nr; k++) {
			leaf = &p->report[i]->leaves.leaf[k];
			if (leaf->iova <= w->iova && w->iova <= leaf->last &&
			    (leaf->pa + (w->iova - leaf->iova)) >> 12 == w->frame)
				return true;
		}
	}
	return false;
}

static void report_free(struct prop_report *rep)
{
	if (!rep)
		return;
	free(rep->leaves.leaf);
	free(rep->bits);
	free(rep->before);
	free(rep);
}

void prop_reports_free(struct prop *p)
{
	while (p->nr_reports)
		report_free(p->report[--p->nr_reports]);
}

/* The caller's bitmap. */
static struct prop_report *report_new(struct prop *p, struct prop_range r, unsigned int lg2)
{
	struct prop_report *rep = calloc(1, sizeof(*rep));
	uint64_t last = r.iova + (r.len - 1), mask = IODT_BIT(lg2) - 1, base, extra, i;

	while ((last - r.iova) >> lg2 >= PROP_BITS - 64)
		mask = IODT_BIT(++lg2) - 1;
	base = r.iova & ~mask;
	extra = prop_below(p, 20) << lg2;
	if (extra >> lg2 <= 20 && base >= extra)
		base -= extra;
	if (!rep)
		abort();
	rep->bm.nbits = (((last | mask) - base) >> lg2) + 1;
	rep->words = (rep->bm.nbits + 63) / 64;
	rep->bits = calloc(rep->words + 1, 8);
	rep->before = calloc(rep->words + 1, 8);
	if (!rep->bits || !rep->before)
		abort();
	for (i = prop_below(p, 40); prop_chance(p, 20) && i < rep->bm.nbits; i += 40)
		prop_set_bits(rep->bits, i, i);
	memcpy(rep->before, rep->bits, rep->words * 8);
	if (iod_bitmap_init(&rep->bm, base, rep->bm.nbits << lg2, IODT_BIT(lg2), rep->bits,
			    rep->words * 8, prop_chance(p, 50) ? IOD_BITMAP_ATOMIC : 0))
		prop_fail(p, "no bitmap at %#jx len %#jx", (uintmax_t)r.iova, (uintmax_t)r.len);
	return rep;
}

/* Bits between bounds; @complete: and not less than the lower. */
static void report_check(struct prop *p, struct prop_report *rep, bool complete)
{
	const struct prop_leaf *leaf;
	uint64_t from, to, i;
	bool untracked;
	size_t k;

	memcpy(p->lo, rep->before, (rep->words + 1) * 8);
	memcpy(p->hi, rep->before, (rep->words + 1) * 8);
	for (k = 0; k < rep->leaves.nr; k++) {
		leaf = &rep->leaves.leaf[k];
		from = prop_bit_of(&rep->bm, leaf->iova);
		to = prop_bit_of(&rep->bm, leaf->last);
		untracked = rep->untracked && prop_untracked(p, leaf);
		/* those in tables that were not used since a pruned sweep need not be */
		if (leaf->must || (untracked && !(p->t->caps & IODT_PRUNE)))
			prop_set_bits(p->lo, from, to);
		if (leaf->may || untracked)
			prop_set_bits(p->hi, from, to);
	}
	for (i = 0; i <= rep->words; i++) {
		if (!(complete && p->lo[i] & ~rep->bits[i]) && !(rep->bits[i] & ~p->hi[i]))
			continue;
		prop_fail(
			p,
			"unmap of %#jx, granule 2^%u, base %#jx: word %ju is %#jx, not %#jx to %#jx",
			(uintmax_t)(rep->leaves.nr ? rep->leaves.leaf[0].iova : 0),
			rep->bm.granule_lg2, (uintmax_t)rep->bm.base_iova, (uintmax_t)i,
			(uintmax_t)rep->bits[i], (uintmax_t)p->lo[i], (uintmax_t)p->hi[i]);
		return;
	}
}

/* What the bitmap says is to be copied; what was not asked for is the caller's to know. */
static void report_copy(struct prop *p, const struct prop_report *rep)
{
	const struct prop_leaf *leaf;
	size_t k;

	for (k = 0; k < rep->leaves.nr; k++) {
		leaf = &rep->leaves.leaf[k];
		if (!rep->untracked && prop_untracked(p, leaf))
			prop_extent_push(&p->pending, &(struct prop_extent){ leaf->iova, leaf->last,
									     leaf->pa, 0 });
		else
			prop_report_leaf(p, &rep->bm, rep->bits, leaf, leaf->iova, leaf->last);
	}
}

void prop_reports_settle(struct prop *p)
{
	struct prop_report *rep;

	while (p->nr_reports && !p->res->failed) {
		rep = p->report[--p->nr_reports];
		report_check(p, rep, true);
		if (!rep->told)
			report_copy(p, rep);
		report_free(rep);
	}
}

/* ---- the call ---- */

struct job {
	struct prop_range r;
	struct iod_unmap_dirty arg;
	struct prop_report *rep;
	struct prop_wants want;
	size_t from, to;
	uint64_t bytes;
};

static void job_init(struct prop *p, struct job *j, struct prop_range r, uint32_t flags,
		     unsigned int lg2)
{
	uint64_t last = r.iova + (r.len - 1);

	*j = (struct job){ .r = r, .from = prop_at(p, r.iova) };
	j->to = prop_end_at(p, last);
	if (j->to < j->from || !r.len || !prop_valid(p, r.iova, last))
		j->to = j->from;
	j->bytes = prop_bytes_in(p, r, j->from, j->to);
	j->want = prop_unmap_wants(p, r, flags, j->bytes);
	if (!p->dirty)
		prop_want(&j->want, -EOPNOTSUPP);
	j->rep = report_new(p, r, lg2);
	j->rep->untracked = !(flags & IOD_UNMAP_SKIP_UNTRACKED);
	j->arg = (struct iod_unmap_dirty){
		.size = sizeof(j->arg),
		.iova = r.iova,
		.len = r.len,
		.flags = flags,
		.gather = p->gather,
		.bitmap = &j->rep->bm,
		.unmapped = 7,
		.dirty = 7,
	};
}

/* The leaves as they are now, cut to the range. */
static void job_leaves(struct prop *p, struct job *j)
{
	uint64_t last = j->r.iova + (j->r.len - 1);
	struct prop_leaf leaf;
	size_t i;

	for (i = j->from; i < j->to; i++) {
		leaf = p->leaves.leaf[i];
		if (leaf.iova < j->r.iova) {
			leaf.must = leaf.before; /* only a part was written, maybe */
			leaf.pa += j->r.iova - leaf.iova;
			leaf.iova = j->r.iova;
		}
		if (leaf.last > last) {
			leaf.must = leaf.before;
			leaf.last = last;
		}
		prop_leaf_push(&j->rep->leaves, &leaf);
	}
}

static uint64_t dirty_most(const struct prop *p, const struct prop_report *rep)
{
	uint64_t n = 0;
	size_t k;

	for (k = 0; k < rep->leaves.nr; k++)
		if (rep->leaves.leaf[k].may ||
		    (rep->untracked && prop_untracked(p, &rep->leaves.leaf[k])))
			n += rep->leaves.leaf[k].last - rep->leaves.leaf[k].iova + 1;
	return n;
}

/* It went well. */
static void job_done(struct prop *p, struct job *j)
{
	struct prop_report *rep = j->rep;

	job_leaves(p, j);
	PROP_CHECK(p, j->arg.unmapped == j->bytes, "unmap %#jx len %#jx: unmapped %#jx, not %#jx",
		   (uintmax_t)j->r.iova, (uintmax_t)j->r.len, (uintmax_t)j->arg.unmapped,
		   (uintmax_t)j->bytes);
	PROP_CHECK(p, j->arg.dirty <= dirty_most(p, rep), "unmap %#jx len %#jx: dirty %#jx",
		   (uintmax_t)j->r.iova, (uintmax_t)j->r.len, (uintmax_t)j->arg.dirty);
	report_check(p, rep, false);
	prop_unmapped(p, j->r, j->from, j->to);
	p->report[p->nr_reports++] = rep;
	j->rep = NULL;
	if (p->cfg.twin == PROP_UNMAP_EARLY) {
		report_copy(p, rep);
		prop_copy(p);
		rep->told = true;
	}
}

/* Pages at the edges may have been split, that is all; and not even that in a dry run. */
static void job_refused(struct prop *p, struct job *j)
{
	bool dry = j->arg.flags & IOD_UNMAP_DRY_RUN;
	size_t old = j->to - j->from;

	if (j->from == j->to)
		return;
	p->fresh.nr = 0;
	prop_keep_old(p, j->from, j->to);
	prop_find(p, p->old.leaf[0].iova, p->old.leaf[p->old.nr - 1].last);
	PROP_CHECK(p, !dry || p->fresh.nr == old, "a dry run changes something");
	prop_remove(p, j->from, j->to);
	prop_insert(p, &p->fresh);
}

static void note(struct prop *p, const struct job *j, const char *what)
{
	prop_note(p, "%s %#jx len %#jx flags %u granule 2^%u base %#jx: %d", what,
		  (uintmax_t)j->r.iova, (uintmax_t)j->r.len, j->arg.flags, j->rep->bm.granule_lg2,
		  (uintmax_t)j->rep->bm.base_iova, j->want.nr ? j->want.ret[0] : 0);
}

static void call(struct prop *p, struct job *j)
{
	bool dry = j->arg.flags & IOD_UNMAP_DRY_RUN;
	int ret;

	note(p, j, "unmap_dirty");
	if (j->from < j->to)
		prop_begin(p, p->leaves.leaf[j->from].iova, p->leaves.leaf[j->to - 1].last, true);
	ret = iod_unmap_dirty(p->pt, &j->arg);
	prop_end(p);
	PROP_CHECK(p, prop_wanted(&j->want, ret), "unmap_dirty %#jx len %#jx flags %u: %d, not %d",
		   (uintmax_t)j->r.iova, (uintmax_t)j->r.len, j->arg.flags, ret,
		   j->want.nr ? j->want.ret[0] : 0);
	if (!ret && !dry) {
		job_done(p, j);
		prop_synced(p);
		return;
	}
	PROP_CHECK(p, !memcmp(j->rep->bits, j->rep->before, j->rep->words * 8),
		   "unmap_dirty %#jx len %#jx: reports, and unmaps nothing", (uintmax_t)j->r.iova,
		   (uintmax_t)j->r.len);
	job_refused(p, j);
}

void prop_unmap_dirty(struct prop *p, struct prop_range r, uint32_t flags, unsigned int lg2)
{
	struct job j;

	if (!r.len)
		return;
	if (p->nr_reports == PROP_REPORTS)
		prop_sync(p, false);
	if (p->res->failed)
		return;
	job_init(p, &j, r, flags, lg2);
	call(p, &j);
	/* hardware's bits may come until the sync; the library knows no bitmap that it refused */
	report_free(j.rep);
}

/* ---- batches ---- */

#define BATCH 6

/* Edges of two in one page: what is left of it would be found too late. */
static bool share_a_page(const struct prop *p, const struct job *a, const struct job *b)
{
	uint64_t a_first, a_last, b_first, b_last;

	if (a->from == a->to || b->from == b->to)
		return false;
	a_first = p->leaves.leaf[a->from].iova;
	a_last = p->leaves.leaf[a->to - 1].last;
	b_first = p->leaves.leaf[b->from].iova;
	b_last = p->leaves.leaf[b->to - 1].last;
	return a_first <= b_last && b_first <= a_last;
}

static bool intersect(const struct job *a, const struct job *b)
{
	return a->r.iova <= b->r.iova + (b->r.len - 1) && b->r.iova <= a->r.iova + (a->r.len - 1);
}

/* Checked in order, then for intersection; the first that is refused refuses all. */
static void batch_wants(struct prop *p, struct job *j, unsigned int n, struct prop_wants *want)
{
	unsigned int a, b;

	for (a = 0; a < n && !want->nr; a++)
		*want = j[a].want;
	for (a = 0; a < n && !want->nr; a++)
		for (b = 0; b < a && !want->nr; b++)
			if (intersect(&j[a], &j[b]))
				prop_want(want, -EINVAL);
}

static void batch_call(struct prop *p, struct job *j, unsigned int n)
{
	struct iod_unmap_dirty args[BATCH];
	struct prop_wants want = { .nr = 0 };
	size_t done = 99;
	unsigned int i;
	int ret;

	batch_wants(p, j, n, &want);
	for (i = 0; i < n; i++) {
		note(p, &j[i], "batch");
		args[i] = j[i].arg;
	}
	prop_begin(p, 0, UINT64_MAX, true);
	ret = iod_unmap_dirty_batch(p->pt, args, n, &done);
	prop_end(p);
	PROP_CHECK(p, prop_wanted(&want, ret) && done == (ret ? 0 : n),
		   "unmap_dirty_batch: %d, not %d, done %zu of %u", ret, want.nr ? want.ret[0] : 0,
		   done, n);
	for (i = 0; i < n && !ret && !p->res->failed; i++) {
		j[i].arg = args[i];
		/* those before it are gone */
		j[i].from = prop_at(p, j[i].r.iova);
		j[i].to = prop_end_at(p, j[i].r.iova + (j[i].r.len - 1));
		job_done(p, &j[i]);
	}
	prop_synced(p);
}

static void gen_batch(struct prop *p, uint32_t flags)
{
	unsigned int n = 2 + (unsigned int)prop_below(p, BATCH - 1), i, k;
	struct job j[BATCH];
	bool shared = false;

	if (p->nr_reports + n > PROP_REPORTS)
		prop_sync(p, false);
	if (p->res->failed)
		return;
	flags &= ~IOD_UNMAP_DRY_RUN;
	for (i = 0; i < n; i++) {
		struct prop_range r = prop_gen_unmap_range(p);

		if (!r.len)
			r.len = p->t->page;
		job_init(p, &j[i], r, flags, 12 + (unsigned int)prop_below(p, 12));
		for (k = 0; k < i; k++)
			if (intersect(&j[i], &j[k]) && !prop_chance(p, 3))
				break;
		if (k < i) { /* seldom asked for */
			report_free(j[i].rep);
			n = i;
			break;
		}
		shared |= !prop_gen_may_cut(p, r);
		for (k = 0; k < i; k++)
			shared |= share_a_page(p, &j[i], &j[k]);
	}
	if (!shared || !(flags & IOD_UNMAP_SPLIT))
		batch_call(p, j, n);
	for (i = 0; i < n; i++)
		report_free(j[i].rep);
}

/* ---- where ---- */

void prop_gen_unmap_dirty(struct prop *p)
{
	unsigned int lg2 = 12 + (unsigned int)prop_below(p, prop_chance(p, 50) ? 5 : 19);
	struct prop_range r = prop_gen_unmap_range(p);
	uint32_t flags = 0;

	if (prop_chance(p, 15))
		flags |= IOD_UNMAP_NO_HOLES;
	if (prop_chance(p, 50))
		flags |= IOD_UNMAP_SPLIT;
	if (prop_chance(p, 60))
		flags |= IOD_UNMAP_ALLOW_FAULTS;
	/* as pruned sweeps: they take what says that a table was used */
	if (p->t->caps & IODT_PRUNE ? p->skip_untracked : prop_chance(p, 20))
		flags |= IOD_UNMAP_SKIP_UNTRACKED;
	if (prop_chance(p, 10))
		flags |= IOD_UNMAP_DRY_RUN;
	if (!prop_gen_may_cut(p, r))
		flags &= ~IOD_UNMAP_SPLIT;
	if (prop_chance(p, 50))
		prop_gen_heat(p, r);
	if (!iod_format_ops(p->v->format)->unmap_dirty)
		return;
	if (prop_chance(p, 25))
		gen_batch(p, flags);
	else
		prop_unmap_dirty(p, r, flags, lg2);
}

/* Whole tables, used just before and just after. */
void prop_twin_unmap(struct prop *p)
{
	struct prop_range r = prop_gen_unmap_range(p);
	unsigned int n;

	if (!r.len || !prop_valid(p, r.iova, r.iova + (r.len - 1)))
		return;
	prop_sync(p, false);
	for (n = 0; n < 8; n++)
		prop_dma_at(p, r.iova + prop_below(p, r.len), prop_chance(p, 50));
	prop_unmap_dirty(p, r, IOD_UNMAP_SPLIT | IOD_UNMAP_ALLOW_FAULTS, 12);
	for (n = 0; n < 8; n++)
		prop_dma_at(p, r.iova + prop_below(p, r.len), prop_chance(p, 60));
	prop_sync(p, false);
}
