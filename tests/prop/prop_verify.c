/* SPDX-License-Identifier: MIT */
/* The table as the independent walker and as the library see it, against the flat model. */
#include "prop.h"

/* ---- one address ---- */

static enum iod_dirty state_of(const struct prop *p, const struct prop_leaf *leaf)
{
	if (prop_untracked(p, leaf))
		return IOD_DIRTY_UNTRACKED;
	return leaf->must ? IOD_DIRTY : IOD_CLEAN;
}

static void check_found(struct prop *p, const struct iod_mapping *m, const struct prop_leaf *leaf)
{
	uint32_t keep = IOD_PROT_NOEXEC | IOD_PROT_SNOOP;
	uint64_t size = leaf->last - leaf->iova + 1;

	PROP_CHECK(p, m->iova == leaf->iova && m->len == size, "%#jx: found %#jx len %#jx",
		   (uintmax_t)leaf->iova, (uintmax_t)m->iova, (uintmax_t)m->len);
	PROP_CHECK(p, m->prot == (prop_granted(p, leaf->prot) | (leaf->prot & keep)),
		   "%#jx: prot %#x, was mapped with %#x", (uintmax_t)leaf->iova, m->prot,
		   leaf->prot);
	PROP_CHECK(p,
		   !(leaf->prot & IOD_PROT_MEMATTR(0)) || m->memattr == (leaf->prot >> 16 & 0xff),
		   "%#jx: memattr %u", (uintmax_t)leaf->iova, m->memattr);
	PROP_CHECK(p, m->level == iodt_item_level(p->v, size), "%#jx: level %u",
		   (uintmax_t)leaf->iova, m->level);
	PROP_CHECK(p, m->items == size / iodt_item_size(p->v, size), "%#jx: items %u",
		   (uintmax_t)leaf->iova, m->items);
	if (p->dirty && leaf->must == leaf->may)
		PROP_CHECK(p, m->dirty == state_of(p, leaf), "%#jx: dirty state %d, not %d",
			   (uintmax_t)leaf->iova, m->dirty, state_of(p, leaf));
}

void prop_translate(struct prop *p, uint64_t iova)
{
	const struct prop_leaf *leaf = prop_lookup(p, iova);
	struct iod_mapping m = { 0 };
	uint64_t pa = 0;
	int ret, want = !prop_valid(p, iova, iova) ? -ERANGE : leaf ? 0 : -ENOENT;

	prop_note(p, "translate %#jx", (uintmax_t)iova);
	ret = iod_translate(p->pt, iova, &m);
	PROP_CHECK(p, ret == want, "translate %#jx: %d, not %d", (uintmax_t)iova, ret, want);
	PROP_CHECK(p, iod_iova_to_phys(p->pt, iova, &pa) == want, "iova_to_phys %#jx, not %d",
		   (uintmax_t)iova, want);
	if (ret)
		return;
	PROP_CHECK(p, pa == leaf->pa + (iova - leaf->iova), "%#jx translates to %#jx",
		   (uintmax_t)iova, (uintmax_t)pa);
	PROP_CHECK(p, m.pa == leaf->pa, "%#jx: pa %#jx, not %#jx", (uintmax_t)iova, (uintmax_t)m.pa,
		   (uintmax_t)leaf->pa);
	check_found(p, &m, leaf);
}

/* ---- everything, by the walker ---- */

struct scan {
	struct prop *p;
	size_t at;
};

static int by_model(void *cookie, const struct mdl_leaf *leaf)
{
	struct scan *s = cookie;
	struct prop *p = s->p;
	const struct prop_leaf *want = &p->leaves.leaf[s->at];
	uint32_t granted;

	if (s->at == p->leaves.nr || leaf->iova != want->iova ||
	    leaf->size - 1 != want->last - want->iova || leaf->pa != want->pa) {
		prop_fail(p, "the model finds %#jx size %#jx pa %#jx", (uintmax_t)leaf->iova,
			  (uintmax_t)leaf->size, (uintmax_t)leaf->pa);
		return 1;
	}
	granted = prop_granted(p, want->prot);
	if (leaf->r != !!(granted & IOD_PROT_READ) || leaf->w != !!(granted & IOD_PROT_WRITE))
		prop_fail(p, "%#jx: the model finds r %d w %d", (uintmax_t)leaf->iova, leaf->r,
			  leaf->w);
	if (prop_tracked(p, want) && ((want->must && leaf->d != 1) || (!want->may && leaf->d != 0)))
		prop_fail(p, "%#jx: the model finds dirty %d, not %d to %d", (uintmax_t)leaf->iova,
			  leaf->d, want->must, want->may);
	if (p->dirty && prop_untracked(p, want) && leaf->d != -1)
		prop_fail(p, "%#jx is tracked", (uintmax_t)leaf->iova);
	s->at++;
	return p->res->failed;
}

/* ---- everything, by the library: mappings and holes tile the range ---- */

struct tiling {
	struct prop *p;
	uint64_t next; /* first byte not heard of */
	size_t at;
	bool hole;
};

static int by_visit(void *cookie, const struct iod_visit_event *ev)
{
	struct tiling *s = cookie;
	struct prop *p = s->p;

	if (ev->kind == IOD_VISIT_TABLE)
		return 0;
	if (ev->kind == IOD_VISIT_BAD || ev->iova != s->next ||
	    (s->hole && ev->kind == IOD_VISIT_HOLE)) {
		prop_fail(p, "visit: kind %d at %#jx, not at %#jx", ev->kind, (uintmax_t)ev->iova,
			  (uintmax_t)s->next);
		return 1;
	}
	s->next = ev->last + 1;
	s->hole = ev->kind == IOD_VISIT_HOLE;
	if (s->hole)
		return 0;
	if (s->at == p->leaves.nr || ev->mapping.iova != p->leaves.leaf[s->at].iova ||
	    ev->mapping.pa != p->leaves.leaf[s->at].pa) {
		prop_fail(p, "visit: mapping at %#jx", (uintmax_t)ev->mapping.iova);
		return 1;
	}
	check_found(p, &ev->mapping, &p->leaves.leaf[s->at++]);
	return p->res->failed;
}

static void visit_all(struct prop *p)
{
	struct tiling s = { .p = p };
	uint64_t budget = prop_chance(p, 50) ? 0 : 1 + prop_below(p, 3000);
	struct iodt_part part[2];
	size_t i, n = iodt_parts(p->v, part);
	int ret;

	for (i = 0; i < n && !p->res->failed; i++) {
		struct iod_visit visit = {
			.size = sizeof(visit),
			.iova = part[i].iova,
			.len = part[i].len,
			.budget = budget,
			.fn = by_visit,
			.cookie = &s,
		};

		s.next = part[i].iova;
		do {
			s.hole = false; /* may be cut where a visit stops */
			ret = iod_visit(p->pt, &visit);
			PROP_CHECK(p, !ret && visit.done && (budget || visit.done == visit.len),
				   "visit: %d, done %#jx", ret, (uintmax_t)visit.done);
			visit.iova = visit.next_iova;
			visit.len -= visit.done;
		} while (visit.len && !p->res->failed);
		PROP_CHECK(p, s.next == part[i].iova + part[i].len, "visit ends at %#jx",
			   (uintmax_t)s.next);
	}
	PROP_CHECK(p, s.at == p->leaves.nr, "visit: %zu mappings, not %zu", s.at, p->leaves.nr);
}

void prop_verify(struct prop *p)
{
	uint32_t concat = p->v->tables ? p->v->tables : 1;
	struct scan s = { p, 0 };
	uint64_t tables = 0;
	int ret;

	prop_note(p, "verify");
	ret = mdl_enumerate(&p->table, &p->mem, by_model, &s, &tables);
	PROP_CHECK(p, !ret && s.at == p->leaves.nr, "the model finds %zu leaves, not %zu (%d)",
		   s.at, p->leaves.nr, ret);
	visit_all(p);
	/* those that are cut off and wait for a sync are counted until then */
	if (!iodt_gather_info(p->gather).subtrees)
		PROP_CHECK(p, iodt_info(p->pt).tables == tables - (concat - 1),
			   "%ju tables, the model finds %ju", (uintmax_t)iodt_info(p->pt).tables,
			   (uintmax_t)tables - (concat - 1));
}
