/* SPDX-License-Identifier: MIT */
/* Splits and merges as they should be; see resizerig.h. */
#include "resizerig.h"

void rsz_open(struct rsz *r, struct iodt *t)
{
	*r = (struct rsz){ .t = t };
}

void rsz_close(struct rsz *r)
{
	free(r->now.p);
	r->now = (struct rsz_pages){ 0 };
}

void rsz_map(struct rsz *r, uint64_t iova, uint64_t pa, uint64_t len, uint32_t prot)
{
	assert_true(r->nr_areas < IODT_ARRAY_SIZE(r->area));
	r->area[r->nr_areas++] =
		(struct rsz_area){ iova, iova + (len - 1), prot & ~IOD_PROT_DIRTY };
	iodt_map(r->t, iova, pa, len, prot);
}

bool rsz_try_map(struct rsz *r, uint64_t iova, uint64_t pa, uint64_t len, uint32_t prot)
{
	int ret = iod_map(r->t->pt, iova, pa, len, prot, r->t->gather, NULL);

	if (ret == -EOPNOTSUPP)
		return false;
	iodt_assert_ok(ret);
	assert_true(r->nr_areas < IODT_ARRAY_SIZE(r->area));
	r->area[r->nr_areas++] =
		(struct rsz_area){ iova, iova + (len - 1), prot & ~IOD_PROT_DIRTY };
	iodt_expect_map(r->t, iova, pa, len, prot);
	return true;
}

/* ---- adopted tables ---- */

uint64_t rsz_sw_bit(const struct iodt_variant *v)
{
	switch (v->format) {
	case IOD_ARM_LPAE_S1:
	case IOD_ARM_LPAE_S2:
		return IODT_BIT(56);
	case IOD_VTD_SS:
		return IODT_BIT(53);
	case IOD_AMD_V1:
		return IODT_BIT(2);
	default:
		return IODT_BIT(10);
	}
}

static void adopt_tables(struct rsz *r, uint64_t root)
{
	struct iod_pgtable_cfg cfg = iodt_cfg(r->t->v, r->t->mem);
	struct iod_gather_cfg gcfg = { .size = sizeof(gcfg) };

	cfg.flags = IOD_ATTACH_ADOPT;
	cfg.levels = r->t->v->walk_levels;
	r->own_pt = r->t->pt;
	r->own_gather = r->t->gather;
	r->t->pt = NULL;
	iodt_assert_ok(iod_pgtable_attach(&r->t->pt, &cfg, root));
	r->t->gather = NULL;
	iodt_assert_ok(iod_gather_create(&r->t->gather, r->t->pt, &gcfg));
}

uint64_t rsz_adopt(struct rsz *r, unsigned int n, uint32_t prot, uint64_t sw)
{
	const struct iodt_variant *v = r->t->v;
	uint64_t size = iodt_table_span(v), granule = v->granule ? v->granule : 4096;
	struct iod_hw_info hw = { .size = sizeof(hw) };
	uint64_t table, above, i;
	uint32_t level;

	iodt_assert_ok(iod_pgtable_get_hw_info(r->t->pt, &hw));
	/* the root is as long as the others */
	if (!(v->sizes & size) || v->walk_levels < 2 || hw.root_len != granule ||
	    n * size - 1 > v->last - v->first)
		return 0;
	iodt_assert_ok(iod_mem_alloc(r->t->mem, granule, &table));
	for (i = 0; i < n; i++)
		iodt_write(r->t, table + 8 * i, iodt_make_leaf(v, size, i * size, prot) | sw);
	for (level = 2; level < v->walk_levels; level++) {
		iodt_assert_ok(iod_mem_alloc(r->t->mem, granule, &above));
		iodt_write(r->t, above, iodt_make_table(v, level, table) | sw);
		table = above;
	}
	adopt_tables(r, table);
	r->sw = sw;
	r->area[r->nr_areas++] =
		(struct rsz_area){ v->first, v->first + (n * size - 1), prot & ~IOD_PROT_DIRTY };
	iodt_expect_map(r->t, v->first, 0, n * size, prot);
	return size;
}

void rsz_disown(struct rsz *r)
{
	iodt_sync(r->t);
	iodt_assert_ok(iod_gather_destroy(r->t->gather));
	iodt_assert_ok(iod_pgtable_destroy(r->t->pt));
	r->t->pt = r->own_pt;
	r->t->gather = r->own_gather;
	r->t->nr_segs = 0;
}

/* ---- pages ---- */

static void push(struct rsz_pages *l, const struct rsz_page *p)
{
	if (l->nr == l->cap) {
		l->cap = l->cap ? 2 * l->cap : 1024;
		l->p = realloc(l->p, l->cap * sizeof(*l->p));
		assert_non_null(l->p);
	}
	l->p[l->nr++] = *p;
}

static uint64_t page_last(const struct rsz_page *p)
{
	return p->iova + (p->size - 1);
}

static uint32_t prot_at(const struct rsz *r, uint64_t iova)
{
	size_t i;

	for (i = 0; i < r->nr_areas; i++)
		if (iova >= r->area[i].iova && iova <= r->area[i].last)
			return r->area[i].prot;
	fail_msg("nothing was mapped at %#jx", (uintmax_t)iova);
	return 0;
}

void rsz_load(struct rsz *r)
{
	struct iodt_leaves l;
	size_t i;

	iodt_leaves(r->t, &l);
	r->now.nr = 0;
	for (i = 0; i < l.nr; i++) {
		struct rsz_page p = {
			.iova = l.leaf[i].iova,
			.size = l.leaf[i].size,
			.pa = l.leaf[i].pa,
			.prot = prot_at(r, l.leaf[i].iova),
			.a = l.leaf[i].a,
			.d = l.leaf[i].d,
		};

		push(&r->now, &p);
	}
	iodt_leaves_free(&l);
	rsz_check(r);
}

/* Bits that hardware changes, or might have: the state is compared as the walker gives it. */
static uint64_t state_bits(const struct iodt_variant *v, uint64_t pte)
{
	return iodt_accessed_bit(v) | (iodt_pte_mark(v, pte) ^ iodt_pte_clean(v, pte));
}

static void check_page(const struct rsz *r, const struct rsz_page *p, const struct mdl_leaf *l)
{
	const struct iodt_variant *v = r->t->v;
	uint64_t want = iodt_make_leaf(v, p->size, p->pa, p->prot) | r->sw;
	uint64_t bits = state_bits(v, want);

	/* only of a leaf with DBM is the write permission state */
	if (r->t->caps & IODT_ARM && !(want & IODT_BIT(51)))
		bits = iodt_accessed_bit(v);
	if (p->iova != l->iova || p->size != l->size)
		fail_msg("%#jx + %#jx expected, %#jx + %#jx found", (uintmax_t)p->iova,
			 (uintmax_t)p->size, (uintmax_t)l->iova, (uintmax_t)l->size);
	assert_int_equal(l->pa, p->pa);
	assert_int_equal(l->items, p->size / iodt_item_size(v, p->size));
	assert_int_equal(l->pte & ~bits, want & ~bits);
	if ((p->a >= 0 && p->a != l->a) || p->d != l->d)
		fail_msg("%#jx: accessed %d dirty %d expected, %d and %d found", (uintmax_t)p->iova,
			 p->a, p->d, l->a, l->d);
}

/* What iodt_verify() expects of permissions is what an unprivileged access has. */
static void verify(const struct rsz *r)
{
	size_t i;

	for (i = 0; i < r->nr_areas; i++)
		if (r->area[i].prot & IOD_PROT_PRIV)
			return;
	iodt_verify(r->t);
}

void rsz_check(struct rsz *r)
{
	struct iodt_leaves l;
	size_t i;

	iodt_leaves(r->t, &l);
	for (i = 0; i < l.nr && i < r->now.nr; i++)
		check_page(r, &r->now.p[i], &l.leaf[i]);
	assert_int_equal(l.nr, r->now.nr);
	iodt_leaves_free(&l);
	verify(r);
}

static struct rsz_page *rsz_page_at(const struct rsz *r, uint64_t iova)
{
	size_t lo = 0, hi = r->now.nr, mid;

	while (lo < hi) {
		mid = (lo + hi) / 2;
		if (page_last(&r->now.p[mid]) < iova)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < r->now.nr && r->now.p[lo].iova <= iova ? &r->now.p[lo] : NULL;
}

struct rsz_page *rsz_at(struct rsz *r, uint64_t iova)
{
	return rsz_page_at(r, iova);
}

size_t rsz_sizes(const struct iodt_variant *v, uint64_t sizes[64])
{
	size_t nr = 0;
	unsigned int s;

	for (s = 0; s < 64; s++)
		if (v->sizes & IODT_BIT(s))
			sizes[nr++] = IODT_BIT(s);
	return nr;
}

/* ---- split ---- */

/* The largest size in use up to a limit; 0: none. */
static uint64_t size_upto(const struct iodt_variant *v, uint64_t limit)
{
	uint64_t fit = v->sizes & (limit | (limit - 1));

	return fit ? iodt_pow2_floor(fit) : 0;
}

/* A page that the range touches comes apart, into the next smaller size, as long as it is too large; what
 * comes to lie outside stays as large as it is then. */
static void split_page(const struct rsz *r, struct rsz_pages *out, const struct rsz_page *p,
		       uint64_t iova, uint64_t last, uint64_t limit)
{
	uint64_t smaller, at;
	struct rsz_page part = *p;

	if (p->size <= limit || p->iova > last || page_last(p) < iova) {
		push(out, p);
		return;
	}
	smaller = size_upto(r->t->v, p->size >> 1);
	/* all of it inside: no need to go step by step */
	if (p->iova >= iova && page_last(p) <= last)
		smaller = limit;
	part.size = smaller;
	/* hardware sets Accessed in one item of a run: which part has it is not said */
	if (p->a == 1 && p->d != 1 && iodt_item_size(r->t->v, p->size) != p->size &&
	    r->t->v->features & (IOD_PT_HW_ACCESS | IOD_PT_HW_DIRTY))
		part.a = -1;
	for (at = 0; at < p->size; at += smaller) {
		part.iova = p->iova + at;
		part.pa = p->pa + at;
		split_page(r, out, &part, iova, last, limit);
	}
}

uint64_t rsz_want_split(struct rsz *r, uint64_t iova, uint64_t len, uint64_t page_size)
{
	uint64_t limit = page_size ? size_upto(r->t->v, page_size) : r->t->page;
	uint64_t last = iova + (len - 1), n = 0;
	struct rsz_pages out = { 0 };
	size_t i;

	assert_true(limit);
	for (i = 0; i < r->now.nr; i++) {
		const struct rsz_page *p = &r->now.p[i];

		n += p->size > limit && p->iova <= last && page_last(p) >= iova;
		split_page(r, &out, p, iova, last, limit);
	}
	free(r->now.p);
	r->now = out;
	return n;
}

/* ---- merge ---- */

/* How many pages from i on make one of that size, wholly inside the range; 0: none. */
static size_t merges_to(const struct rsz *r, size_t i, uint64_t size, uint64_t iova, uint64_t last)
{
	const struct rsz_page *first = &r->now.p[i], *p;
	uint64_t at = 0;
	size_t k;

	if (first->size >= size || first->iova & (size - 1) || first->pa & (size - 1) ||
	    first->iova < iova || first->iova > last || last - first->iova < size - 1)
		return 0;
	for (k = i; k < r->now.nr && at < size; k++, at += p->size) {
		p = &r->now.p[k];
		if (p->iova - first->iova != at || p->pa - first->pa != at ||
		    p->prot != first->prot)
			return 0;
	}
	return at == size ? k - i : 0;
}

static uint64_t merge_size(struct rsz *r, uint64_t iova, uint64_t last, uint64_t size)
{
	struct rsz_pages out = { 0 };
	struct rsz_page whole;
	uint64_t made = 0;
	size_t i, k, n;

	for (i = 0; i < r->now.nr; i += n) {
		whole = r->now.p[i];
		n = merges_to(r, i, size, iova, last);
		if (!n) {
			push(&out, &whole);
			n = 1;
			continue;
		}
		whole.size = size;
		for (k = i; k < i + n; k++) {
			whole.a = whole.a == 1 || r->now.p[k].a == 1 ? 1 : whole.a | r->now.p[k].a;
			whole.d = r->now.p[k].d > whole.d ? r->now.p[k].d : whole.d;
		}
		push(&out, &whole);
		made++;
	}
	free(r->now.p);
	r->now = out;
	return made;
}

uint64_t rsz_want_merge(struct rsz *r, uint64_t iova, uint64_t len, uint64_t page_size)
{
	uint64_t size = page_size ? size_upto(r->t->v, page_size) : iodt_largest(r->t->v), n = 0;

	assert_true(size);
	for (; size > r->t->page; size = size_upto(r->t->v, size >> 1))
		n += merge_size(r, iova, iova + (len - 1), size);
	return n;
}

/* ---- and as they are ---- */

struct iod_resize rsz_arg(struct iodt *t, uint64_t iova, uint64_t len, uint64_t page_size)
{
	return (struct iod_resize){
		.size = sizeof(struct iod_resize),
		.iova = iova,
		.len = len,
		.flags = t->caps & IODT_HITLESS ? 0 : IOD_RESIZE_ALLOW_FAULTS,
		.page_size = page_size,
		.gather = t->gather,
	};
}

static void copy_pages(struct rsz_pages *to, const struct rsz_pages *from)
{
	size_t i;

	*to = (struct rsz_pages){ 0 };
	for (i = 0; i < from->nr; i++)
		push(to, &from->p[i]);
}

/* Results as they must be after each call. */
static void check_results(const struct iod_resize *z)
{
	assert_int_equal(z->done, z->next_iova - z->iova);
	assert_true(z->done && z->done <= z->len);
}

/* When a split has come to `next`: what lies before is done, of what lies behind any part may be. */
static void split_upto(const struct rsz *before, const struct rsz *whole, uint64_t iova,
		       uint64_t next, uint64_t page_size, struct rsz *out)
{
	struct iodt_leaves l;
	size_t i, k = 0;

	out->now = (struct rsz_pages){ 0 };
	iodt_leaves(out->t, &l);
	for (i = 0; i < whole->now.nr; i++) {
		const struct rsz_page *p = &whole->now.p[i];

		if (p->iova >= iova && p->iova - iova >= next - iova)
			break;
		push(&out->now, p);
	}
	while (k < l.nr && i && l.leaf[k].iova <= page_last(&whole->now.p[i - 1]))
		k++;
	for (; k < l.nr; k++) {
		struct rsz_page p = *rsz_page_at(before, l.leaf[k].iova);

		p.pa += l.leaf[k].iova - p.iova;
		p.iova = l.leaf[k].iova;
		p.size = l.leaf[k].size;
		p.a = -1;
		push(&out->now, &p);
	}
	iodt_leaves_free(&l);
}

/* Of a merge: of what it makes, that before `next`; the rest as it was. */
static void merge_upto(const struct rsz *before, const struct rsz *whole, uint64_t iova,
		       uint64_t next, uint64_t page_size, struct rsz *out)
{
	const struct rsz_pages *w = &whole->now, *b = &before->now;
	size_t i, k = 0;

	out->now = (struct rsz_pages){ 0 };
	for (i = 0; i < w->nr && (w->p[i].iova < iova || w->p[i].iova - iova < next - iova); i++)
		push(&out->now, &w->p[i]);
	while (k < b->nr && i && b->p[k].iova <= page_last(&w->p[i - 1]))
		k++;
	for (; k < b->nr; k++)
		push(&out->now, &b->p[k]);
}

struct way {
	int (*op)(struct iod_pgtable *pt, struct iod_resize *z);
	uint64_t (*want)(struct rsz *r, uint64_t iova, uint64_t len, uint64_t page_size);
	void (*upto)(const struct rsz *before, const struct rsz *whole, uint64_t iova,
		     uint64_t next, uint64_t page_size, struct rsz *out);
};

/* After each call exactly the first part is done: compared while there are few calls. */
static uint64_t run(struct rsz *r, const struct way *way, const struct iod_resize *arg)
{
	struct rsz whole = *r, part = *r;
	uint64_t calls = 0, entries = 0, want;
	struct iod_resize z = *arg;

	copy_pages(&whole.now, &r->now);
	want = way->want(&whole, z.iova, z.len, z.page_size);
	do {
		z.iova = calls ? z.next_iova : arg->iova;
		z.len = arg->len - (z.iova - arg->iova);
		iodt_assert_ok(way->op(r->t->pt, &z));
		check_results(&z);
		entries += z.entries;
		if (calls++ < 4 && z.done != z.len) {
			way->upto(r, &whole, arg->iova, z.next_iova, z.page_size, &part);
			rsz_check(&part);
			rsz_close(&part);
		}
	} while (z.done != z.len);
	if (!z.budget)
		assert_int_equal(calls, 1);
	assert_true(entries >= want && !entries == !want);
	rsz_close(r);
	r->now = whole.now;
	rsz_check(r);
	iodt_sync(r->t);
	verify(r);
	return calls;
}

uint64_t rsz_split(struct rsz *r, uint64_t iova, uint64_t len, uint64_t page_size, uint64_t budget)
{
	static const struct way way = { iod_split_range, rsz_want_split, split_upto };
	struct iod_resize arg = rsz_arg(r->t, iova, len, page_size);

	arg.budget = budget;
	return run(r, &way, &arg);
}

uint64_t rsz_merge(struct rsz *r, uint64_t iova, uint64_t len, uint64_t page_size, uint64_t budget)
{
	static const struct way way = { iod_merge_range, rsz_want_merge, merge_upto };
	struct iod_resize arg = rsz_arg(r->t, iova, len, page_size);

	arg.budget = budget;
	return run(r, &way, &arg);
}
