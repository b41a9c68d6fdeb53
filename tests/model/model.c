/* SPDX-License-Identifier: MIT */
/* The walks, for all formats alike. */
#include "model_int.h"

#define PATH_MAX_LEN 6
#define ACCESS_TRIES (1 << 20)

struct perm {
	bool r, w, x;
};

struct step {
	uint64_t pa, pte;
};

/* One walk from the root: the entries read, the leaf last. */
struct path {
	struct step step[PATH_MAX_LEN];
	int n;
};

struct walk {
	const struct mdl_table *t;
	const struct mdl_mem *mem;
	const struct mdl_fmt *f;
};

static const struct mdl_fmt *fmt_of(const struct mdl_table *t)
{
	const struct mdl_fmt *f = NULL;

	switch (t->format) {
	case MDL_ARM_S1:
	case MDL_ARM_S2:
		f = &mdl_fmt_arm;
		break;
	case MDL_VTD_SS:
		f = &mdl_fmt_vtd_ss;
		break;
	case MDL_VTD_FS:
	case MDL_AMD_V2:
		f = &mdl_fmt_x86;
		break;
	case MDL_AMD_V1:
		f = &mdl_fmt_amd_v1;
		break;
	}
	return f && f->valid(t) ? f : NULL;
}

const char *mdl_fault_name(enum mdl_fault fault)
{
	static const char *const names[] = {
		"ok",	       "range",	       "not present", "permission",
		"access flag", "address size", "reserved",    "walk abort",
	};

	return (unsigned)fault < sizeof(names) / sizeof(names[0]) ? names[fault] : "?";
}

static bool read_entry(const struct walk *w, uint64_t pa, uint64_t *pte)
{
	return !w->mem->read64(w->mem->cookie, pa, pte);
}

static void decode(const struct walk *w, int level, uint64_t pte, struct mdl_ent *e)
{
	*e = (struct mdl_ent){ 0 };
	w->f->decode(w->t, level, pte, e);
}

static unsigned root_bits(const struct walk *w)
{
	return w->f->width(w->t) - w->f->shift(w->t, w->f->root_level(w->t));
}

/* A1.4: low bits of a base that is not aligned to the table's size count as 0 */
static uint64_t root_pa(const struct walk *w)
{
	uint64_t mask = mdl_low(root_bits(w) + 3);

	return w->t->root & ~(mask < 63 ? 63 : mask);
}

static void perm_and(struct perm *p, const struct mdl_ent *e)
{
	p->r = p->r && e->r;
	p->w = p->w && e->w;
	p->x = p->x && e->x;
}

/*
 * Reads a whole claimed run whose first entry is at @first. True if it is one:
 * addresses line up (ARM) or are the same (AMD) and attributes agree. ORs A and
 * D into @leaf and sets its pa. *abort if an entry cannot be read.
 */
static bool read_run(const struct walk *w, int level, uint64_t first, const struct mdl_ent *e,
		     struct mdl_leaf *leaf, bool *abort)
{
	unsigned i, shift = w->f->shift(w->t, level), n = 1u << (e->lg2 - shift);
	uint64_t pte, pte0 = 0, base = e->pa & ~mdl_low(e->lg2);
	struct mdl_ent m;

	for (i = 0; i < n; i++) {
		*abort = !read_entry(w, first + 8 * i, &pte);
		if (*abort)
			return false;
		decode(w, level, pte, &m);
		if (m.kind != MDL_K_LEAF || m.lg2 != e->lg2 || m.replica != e->replica)
			return false;
		if (m.pa != (e->replica ? base : base + ((uint64_t)i << shift)))
			return false;
		if (!i)
			pte0 = pte;
		if ((pte ^ pte0) & ~w->f->loose(w->t, level, pte0))
			return false;
		leaf->a = i ? leaf->a || m.a : m.a;
		leaf->d = i && leaf->d > m.d ? leaf->d : m.d;
	}
	leaf->pa = base;
	leaf->items = n;
	return true;
}

/*
 * Describes the leaf @pte read at @pte_pa for the input address @off (any in
 * it). @nents is the size of the table, a run cannot leave it.
 */
static bool make_leaf(const struct walk *w, int level, uint64_t off, const struct step *s,
		      const struct perm *p, unsigned index, uint64_t nents, struct mdl_leaf *leaf)
{
	unsigned n, lg2, shift = w->f->shift(w->t, level);
	bool abort = false, run = false;
	struct mdl_ent e;

	decode(w, level, s->pte, &e);
	n = 1u << (e.lg2 - shift);
	*leaf = (struct mdl_leaf){ 0 };
	if (n > 1 && n <= nents)
		run = read_run(w, level, s->pa - 8 * (index & (n - 1)), &e, leaf, &abort);
	if (abort)
		return false;
	lg2 = run ? e.lg2 : shift;
	if (!run) {
		leaf->pa = e.pa;
		if (e.replica)
			leaf->pa += (uint64_t)(index & (n - 1)) << shift;
		leaf->a = e.a;
		leaf->d = e.d;
		leaf->items = 1;
	}
	leaf->iova = w->f->to_iova(w->t, off & ~mdl_low(lg2));
	leaf->size = (uint64_t)1 << lg2;
	leaf->r = p->r;
	leaf->w = p->w;
	leaf->x = p->x;
	leaf->pte = s->pte;
	leaf->pte_pa = s->pa;
	leaf->level = level;
	return true;
}

/* A3.2: IOVA bits of the levels between @level and @next; none without skipping */
static bool skipped_bits_zero(const struct walk *w, int level, int next, uint64_t off)
{
	unsigned hi = w->f->shift(w->t, level);
	unsigned lo = w->f->shift(w->t, next) + w->f->bits(w->t);

	return hi <= lo || !(off & mdl_bits(hi - 1, lo));
}

static enum mdl_fault walk_once(const struct walk *w, uint64_t off, struct path *path,
				struct mdl_leaf *leaf)
{
	int level = w->f->root_level(w->t);
	unsigned bits = root_bits(w), index;
	uint64_t table = root_pa(w);
	struct perm p = { true, true, true };
	struct mdl_ent e;
	struct step *s;

	for (path->n = 0;;) {
		s = &path->step[path->n++];
		index = (unsigned)(off >> w->f->shift(w->t, level) & mdl_low(bits));
		s->pa = table + 8 * (uint64_t)index;
		if (!read_entry(w, s->pa, &s->pte))
			return MDL_WALK_ABORT;
		decode(w, level, s->pte, &e);
		if (e.kind == MDL_K_NONE)
			return MDL_NOT_PRESENT;
		if (e.kind == MDL_K_BAD)
			return e.fault;
		perm_and(&p, &e);
		if (e.kind == MDL_K_LEAF)
			break;
		if (!skipped_bits_zero(w, level, e.next_level, off))
			return MDL_NOT_PRESENT;
		table = e.pa;
		level = e.next_level;
		bits = w->f->bits(w->t);
	}
	if (!make_leaf(w, level, off, s, &p, index, (uint64_t)1 << bits, leaf))
		return MDL_WALK_ABORT;
	return e.af_fault ? MDL_ACCESS_FLAG : MDL_OK;
}

static enum mdl_fault start(struct walk *w, const struct mdl_table *t, const struct mdl_mem *mem,
			    uint64_t iova, uint64_t *off)
{
	*w = (struct walk){ .t = t, .mem = mem, .f = fmt_of(t) };
	if (!w->f)
		return MDL_WALK_ABORT;
	return w->f->to_off(t, iova, off) ? MDL_OK : MDL_RANGE;
}

enum mdl_fault mdl_walk(const struct mdl_table *t, const struct mdl_mem *mem, uint64_t iova,
			struct mdl_leaf *out)
{
	struct mdl_leaf leaf = { 0 };
	enum mdl_fault fault;
	struct path path;
	struct walk w;
	uint64_t off;

	fault = start(&w, t, mem, iova, &off);
	if (fault == MDL_OK)
		fault = walk_once(&w, off, &path, &leaf);
	if (out)
		*out = leaf;
	return fault;
}

/* 0 all updated, 1 an entry has changed meanwhile, -1 failed */
static int touch_path(const struct walk *w, struct path *path, bool write)
{
	uint64_t new_, seen;
	struct step *s;
	int i;

	for (i = 0; i < path->n; i++) {
		s = &path->step[i];
		new_ = w->f->touch(w->t, i == path->n - 1, write, s->pte);
		if (new_ == s->pte)
			continue;
		if (!w->mem->cmpxchg64 ||
		    w->mem->cmpxchg64(w->mem->cookie, s->pa, s->pte, new_, &seen))
			return -1;
		if (seen != s->pte)
			return 1;
		s->pte = new_;
	}
	return 0;
}

/* The leaf after the update; other members of a run as they were read. */
static void leaf_after(const struct walk *w, const struct path *path, struct mdl_leaf *leaf)
{
	struct mdl_ent e;

	leaf->pte = path->step[path->n - 1].pte;
	decode(w, leaf->level, leaf->pte, &e);
	leaf->a = leaf->a || e.a;
	leaf->d = leaf->d > e.d ? leaf->d : e.d;
}

enum mdl_fault mdl_access(const struct mdl_table *t, const struct mdl_mem *mem, uint64_t iova,
			  bool write, struct mdl_leaf *out)
{
	struct mdl_leaf leaf = { 0 };
	enum mdl_fault fault;
	int rc = 1, tries = 0;
	struct path path;
	struct walk w;
	uint64_t off;

	fault = start(&w, t, mem, iova, &off);
	while (fault == MDL_OK && rc > 0) {
		fault = walk_once(&w, off, &path, &leaf);
		if (fault == MDL_OK && !(write ? leaf.w : leaf.r))
			fault = MDL_PERMISSION;
		if (fault != MDL_OK)
			break;
		rc = touch_path(&w, &path, write);
		if (rc < 0 || ++tries == ACCESS_TRIES)
			fault = MDL_WALK_ABORT;
	}
	if (fault == MDL_OK)
		leaf_after(&w, &path, &leaf);
	if (out)
		*out = leaf;
	return fault;
}

struct visit {
	struct walk w;
	int (*fn)(void *cookie, const struct mdl_leaf *leaf);
	void *cookie;
	uint64_t tables;
};

static int enum_table(struct visit *v, int level, uint64_t table, uint64_t off, uint64_t nents,
		      const struct perm *up)
{
	unsigned index = 0, shift = v->w.f->shift(v->w.t, level);
	struct mdl_leaf leaf;
	struct mdl_ent e;
	struct step s;
	uint64_t at;
	int rc = 0;

	while (!rc && index < nents) {
		struct perm p = *up;

		s.pa = table + 8 * (uint64_t)index;
		at = off + ((uint64_t)index << shift);
		if (!read_entry(&v->w, s.pa, &s.pte))
			return -1;
		decode(&v->w, level, s.pte, &e);
		perm_and(&p, &e);
		leaf.items = 1;
		if (e.kind == MDL_K_LEAF) {
			if (!make_leaf(&v->w, level, at, &s, &p, index, nents, &leaf))
				return -1;
			rc = v->fn(v->cookie, &leaf);
		} else if (e.kind == MDL_K_TABLE) {
			v->tables++;
			rc = enum_table(v, e.next_level, e.pa, at,
					(uint64_t)1 << v->w.f->bits(v->w.t), &p);
		}
		index += leaf.items;
	}
	return rc;
}

int mdl_enumerate(const struct mdl_table *t, const struct mdl_mem *mem,
		  int (*fn)(void *cookie, const struct mdl_leaf *leaf), void *cookie,
		  uint64_t *tables)
{
	struct visit v = { .w = { .t = t, .mem = mem }, .fn = fn, .cookie = cookie };
	struct perm all = { true, true, true };
	unsigned bits;
	int rc;

	v.w.f = fmt_of(t);
	if (!v.w.f)
		return -1;
	bits = root_bits(&v.w);
	v.tables = bits > v.w.f->bits(t) ? (uint64_t)1 << (bits - v.w.f->bits(t)) : 1;
	rc = enum_table(&v, v.w.f->root_level(t), root_pa(&v.w), 0, (uint64_t)1 << bits, &all);
	if (tables)
		*tables = v.tables;
	return rc;
}
