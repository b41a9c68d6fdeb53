/* SPDX-License-Identifier: MIT */
/*
 * The judge: what is expected to be mapped, what the independent walker finds in memory, and what
 * the library says must be the same thing.
 */
#include "iodtest.h"

#include <endian.h>

#include "bits.h"

/* ---- memory as the walker sees it ---- */

static void tap(struct iodt_snapshot *s, uint64_t pa, uint64_t val)
{
	if (s->nr + 2 > s->cap) {
		s->cap = s->cap ? 2 * s->cap : 4096;
		s->word = realloc(s->word, s->cap * sizeof(*s->word));
		assert_non_null(s->word);
	}
	s->word[s->nr++] = pa;
	s->word[s->nr++] = val;
}

static int mdl_read64(void *cookie, uint64_t pa, uint64_t *val)
{
	struct iodt *t = cookie;
	void *p;

	if (iod_mem_host_ptr(t->mem, pa, 8, false, &p))
		return -1;
	*val = le64toh(__atomic_load_n((iod_word *)p, __ATOMIC_ACQUIRE));
	if (t->tap)
		tap(t->tap, pa, *val);
	return 0;
}

static int mdl_cmpxchg64(void *cookie, uint64_t pa, uint64_t old, uint64_t new_, uint64_t *seen)
{
	struct iodt *t = cookie;
	uint64_t expect = htole64(old);
	void *p;

	if (iod_mem_host_ptr(t->mem, pa, 8, true, &p))
		return -1;
	__atomic_compare_exchange_n((iod_word *)p, &expect, htole64(new_), false, __ATOMIC_ACQ_REL,
				    __ATOMIC_ACQUIRE);
	*seen = le64toh(expect);
	return 0;
}

struct mdl_mem iodt_mdl_mem(struct iodt *t)
{
	return (struct mdl_mem){ t, mdl_read64, mdl_cmpxchg64 };
}

/* ---- geometry: hw_info decoded as hardware would, and checked against the variant ---- */

static unsigned int tg_lg2(unsigned int tg, bool tg1)
{
	static const unsigned int tg0_lg2[] = { 12, 16, 14, 0 }, tg1_lg2[] = { 0, 14, 12, 16 };

	return tg1 ? tg1_lg2[tg & 3] : tg0_lg2[tg & 3];
}

static int s2_start_level(unsigned int granule_lg2, unsigned int sl0)
{
	static const int by_4k[] = { 2, 1, 0, 3 }, others[] = { 3, 2, 1, 0 };

	return granule_lg2 == 12 ? by_4k[sl0 & 3] : others[sl0 & 3];
}

/* bits.md A1.3 */
static int s1_start_level(unsigned int granule_lg2, unsigned int ias)
{
	unsigned int per_level = granule_lg2 - 3, bits = granule_lg2 + per_level;
	int level = 3;

	while (bits < ias) {
		bits += per_level;
		level--;
	}
	return level;
}

static void model_arm_s1(const struct iodt *t, const struct iod_hw_info *hw, struct mdl_table *m)
{
	m->format = MDL_ARM_S1;
	m->root = hw->u.arm_s1.ttb;
	m->lpae32 = !hw->u.arm_s1.aa64;
	m->upper = hw->u.arm_s1.upper;
	m->ias = (m->lpae32 ? 32 : 64) - hw->u.arm_s1.tsz;
	m->granule_lg2 = m->lpae32 ? 12 : tg_lg2(hw->u.arm_s1.tg, m->upper);
	m->start_level = s1_start_level(m->granule_lg2, m->ias);
	m->hw_access = hw->u.arm_s1.ha;
	m->hw_dirty = hw->u.arm_s1.hd;
	m->hw_table_access = hw->u.arm_s1.haft;
	assert_int_equal(m->upper, !!(t->v->features & IOD_PT_UPPER));
}

static void model_arm_s2(const struct iod_hw_info *hw, struct mdl_table *m)
{
	m->format = MDL_ARM_S2;
	m->root = hw->u.arm_s2.s2ttb;
	m->lpae32 = !hw->u.arm_s2.s2aa64;
	m->ias = (m->lpae32 ? 32 : 64) - hw->u.arm_s2.s2t0sz;
	m->granule_lg2 = m->lpae32 ? 12 : tg_lg2(hw->u.arm_s2.s2tg, false);
	m->start_level = s2_start_level(m->granule_lg2, hw->u.arm_s2.s2sl0);
	m->hw_access = hw->u.arm_s2.s2ha;
	m->hw_dirty = hw->u.arm_s2.s2hd;
	m->hw_table_access = hw->u.arm_s2.s2haft;
	m->s2fwb = hw->u.arm_s2.s2fwb;
}

static void model_arm_common(const struct iodt *t, struct mdl_table *m)
{
	m->oas = iodt_out_bits(t->v);
	m->lpa52 = m->granule_lg2 == 16 && m->oas == 52;
	assert_int_equal(m->ias, t->v->width);
	assert_int_equal(IODT_BIT(m->granule_lg2), t->v->granule ? t->v->granule : 4096);
	assert_int_equal(4 - m->start_level, t->v->walk_levels);
	assert_int_equal(m->lpae32, !!(t->v->features & IOD_PT_LPAE32));
}

void iodt_model(const struct iodt *t, struct mdl_table *m)
{
	struct iod_hw_info hw = { .size = sizeof(hw) };

	iodt_assert_ok(iod_pgtable_get_hw_info(t->pt, &hw));
	assert_int_equal(hw.format, t->v->format);
	*m = (struct mdl_table){ .granule_lg2 = 12, .oas = 52 };
	switch (hw.format) {
	case IOD_ARM_LPAE_S1:
		model_arm_s1(t, &hw, m);
		model_arm_common(t, m);
		break;
	case IOD_ARM_LPAE_S2:
		model_arm_s2(&hw, m);
		model_arm_common(t, m);
		break;
	case IOD_VTD_SS:
		m->format = MDL_VTD_SS;
		m->root = hw.u.vtd_ss.ssptptr;
		m->levels = hw.u.vtd_ss.aw + 2u;
		m->ias = t->v->ias;
		m->hw_access = m->hw_dirty = hw.u.vtd_ss.ssade;
		break;
	case IOD_VTD_FS:
		m->format = MDL_VTD_FS;
		m->root = hw.u.vtd_fs.fsptptr;
		m->levels = hw.u.vtd_fs.fspm + 4u;
		break;
	case IOD_AMD_V1:
		m->format = MDL_AMD_V1;
		m->root = hw.u.amd_v1.root;
		m->levels = hw.u.amd_v1.mode;
		m->hw_access = hw.u.amd_v1.had & 1;
		m->hw_dirty = hw.u.amd_v1.had == 3;
		break;
	case IOD_AMD_V2:
		m->format = MDL_AMD_V2;
		m->root = hw.u.amd_v2.gcr3;
		m->levels = hw.u.amd_v2.guest_paging_mode + 4u;
		break;
	}
	assert_int_equal(m->root, hw.root);
}

/* ---- leaves ---- */

static int add_leaf(void *cookie, const struct mdl_leaf *leaf)
{
	struct iodt_leaves *l = cookie;

	if (l->nr == l->cap) {
		l->cap = l->cap ? 2 * l->cap : 256;
		l->leaf = realloc(l->leaf, l->cap * sizeof(*l->leaf));
		assert_non_null(l->leaf);
	}
	l->leaf[l->nr++] = *leaf;
	return 0;
}

void iodt_leaves(struct iodt *t, struct iodt_leaves *out)
{
	struct mdl_mem mem = iodt_mdl_mem(t);
	struct mdl_table table;

	iodt_model(t, &table);
	*out = (struct iodt_leaves){ 0 };
	iodt_assert_ok(mdl_enumerate(&table, &mem, add_leaf, out, &out->tables));
}

void iodt_leaves_free(struct iodt_leaves *l)
{
	free(l->leaf);
	*l = (struct iodt_leaves){ 0 };
}

struct mdl_leaf iodt_walk(struct iodt *t, uint64_t iova)
{
	struct mdl_mem mem = iodt_mdl_mem(t);
	struct mdl_table table;
	struct mdl_leaf leaf;

	iodt_model(t, &table);
	assert_int_equal(mdl_walk(&table, &mem, iova, &leaf), MDL_OK);
	return leaf;
}

/* The items of a leaf lie side by side; a walk gives the one that serves its address. */
void iodt_mark_item(struct iodt *t, uint64_t iova, unsigned int item)
{
	struct mdl_leaf leaf = iodt_walk(t, iova);
	uint64_t item_size = leaf.size / leaf.items;
	uint64_t first = leaf.pte_pa - (iova - leaf.iova) / item_size * 8;

	assert_in_range(item, 0, leaf.items - 1);
	first += 8 * (uint64_t)item;
	iodt_write(t, first, iodt_pte_mark(t->v, iodt_read(t, first)));
}

void iodt_dma_write(struct iodt *t, uint64_t iova)
{
	struct mdl_mem mem = iodt_mdl_mem(t);
	struct mdl_table table;

	iodt_model(t, &table);
	assert_int_equal(mdl_access(&table, &mem, iova, true, NULL), MDL_OK);
}

/* ---- what is expected ---- */

static size_t seg_after(const struct iodt *t, uint64_t iova)
{
	size_t lo = 0, hi = t->nr_segs, mid;

	while (lo < hi) {
		mid = (lo + hi) / 2;
		if (t->seg[mid].last < iova)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

const struct iodt_seg *iodt_expected(const struct iodt *t, uint64_t iova)
{
	size_t i = seg_after(t, iova);

	return i < t->nr_segs && t->seg[i].iova <= iova ? &t->seg[i] : NULL;
}

bool iodt_expected_any(const struct iodt *t, uint64_t iova, uint64_t len)
{
	size_t i = seg_after(t, iova);

	return i < t->nr_segs && t->seg[i].iova <= iova + (len - 1);
}

static void seg_insert(struct iodt *t, size_t at, struct iodt_seg seg)
{
	if (t->nr_segs == t->cap_segs) {
		t->cap_segs = t->cap_segs ? 2 * t->cap_segs : 64;
		t->seg = realloc(t->seg, t->cap_segs * sizeof(*t->seg));
		assert_non_null(t->seg);
	}
	memmove(&t->seg[at + 1], &t->seg[at], (t->nr_segs - at) * sizeof(*t->seg));
	t->seg[at] = seg;
	t->nr_segs++;
}

static void seg_remove(struct iodt *t, size_t at)
{
	t->nr_segs--;
	memmove(&t->seg[at], &t->seg[at + 1], (t->nr_segs - at) * sizeof(*t->seg));
}

static bool continues(const struct iodt_seg *a, const struct iodt_seg *b)
{
	return a->last + 1 == b->iova && a->prot == b->prot && a->pa + (b->iova - a->iova) == b->pa;
}

void iodt_expect_map(struct iodt *t, uint64_t iova, uint64_t pa, uint64_t len, uint32_t prot)
{
	struct iodt_seg seg = { iova, iova + (len - 1), pa, prot & IODT_RW };
	size_t at = seg_after(t, iova);

	if (prot & IOD_PROT_WRITE && !(t->caps & IODT_WRITE_ONLY))
		seg.prot |= IOD_PROT_READ;
	assert_false(iodt_expected_any(t, iova, len));
	seg_insert(t, at, seg);
	if (at + 1 < t->nr_segs && continues(&t->seg[at], &t->seg[at + 1])) {
		t->seg[at].last = t->seg[at + 1].last;
		seg_remove(t, at + 1);
	}
	if (at && continues(&t->seg[at - 1], &t->seg[at])) {
		t->seg[at - 1].last = t->seg[at].last;
		seg_remove(t, at);
	}
}

void iodt_expect_unmap(struct iodt *t, uint64_t iova, uint64_t len)
{
	uint64_t last = iova + (len - 1);
	size_t i = seg_after(t, iova);
	struct iodt_seg s, tail;

	while (i < t->nr_segs && t->seg[i].iova <= last) {
		s = t->seg[i];
		seg_remove(t, i);
		if (s.iova < iova) {
			seg_insert(t, i++, (struct iodt_seg){ s.iova, iova - 1, s.pa, s.prot });
		}
		if (s.last > last) {
			tail = (struct iodt_seg){ last + 1, s.last, s.pa + (last + 1 - s.iova),
						  s.prot };
			seg_insert(t, i++, tail);
		}
	}
}

void iodt_map(struct iodt *t, uint64_t iova, uint64_t pa, uint64_t len, uint32_t prot)
{
	uint64_t done = 7;

	iodt_assert_ok(iod_map(t->pt, iova, pa, len, prot, t->gather, &done));
	assert_int_equal(done, len + 7);
	iodt_expect_map(t, iova, pa, len, prot);
}

static uint64_t expected_bytes(const struct iodt *t, uint64_t iova, uint64_t len)
{
	uint64_t last = iova + (len - 1), n = 0, a, b;
	size_t i;

	for (i = seg_after(t, iova); i < t->nr_segs && t->seg[i].iova <= last; i++) {
		a = t->seg[i].iova < iova ? iova : t->seg[i].iova;
		b = t->seg[i].last > last ? last : t->seg[i].last;
		n += b - a + 1;
	}
	return n;
}

void iodt_unmap(struct iodt *t, uint64_t iova, uint64_t len)
{
	uint64_t done = 5;

	iodt_assert_ok(iod_unmap(t->pt, iova, len, 0, t->gather, &done));
	assert_int_equal(done, expected_bytes(t, iova, len) + 5);
	iodt_expect_unmap(t, iova, len);
}

void iodt_sync(struct iodt *t)
{
	iodt_assert_ok(iod_gather_sync(t->gather));
}

/* ---- the comparison ---- */

static void check_leaf(const struct iodt *t, const struct mdl_leaf *leaf)
{
	assert_int_equal(leaf->size & t->v->sizes, leaf->size);
	assert_int_equal(leaf->iova & (leaf->size - 1), 0);
	assert_int_equal(leaf->pa & (leaf->size - 1), 0);
	assert_int_equal(leaf->items, leaf->size / iodt_item_size(t->v, leaf->size));
}

/* The leaves, joined, are the segments. */
static void check_segments(const struct iodt *t, const struct iodt_leaves *l)
{
	const struct iodt_seg *s;
	uint64_t at = 0;
	size_t i, k = 0;

	for (i = 0; i < l->nr; i++) {
		check_leaf(t, &l->leaf[i]);
		assert_true(k < t->nr_segs);
		s = &t->seg[k];
		if (!at)
			assert_int_equal(l->leaf[i].iova, s->iova);
		assert_int_equal(l->leaf[i].iova - s->iova, at);
		assert_int_equal(l->leaf[i].pa - s->pa, at);
		assert_int_equal(l->leaf[i].r, !!(s->prot & IOD_PROT_READ));
		assert_int_equal(l->leaf[i].w, !!(s->prot & IOD_PROT_WRITE));
		at += l->leaf[i].size;
		if (s->iova + (at - 1) == s->last) {
			at = 0;
			k++;
		}
	}
	assert_int_equal(at, 0);
	assert_int_equal(k, t->nr_segs);
}

struct visit_check {
	struct iodt *t;
	const struct iodt_leaves *l;
	size_t at;
};

static void check_mapping(const struct iodt *t, const struct iod_mapping *m,
			  const struct mdl_leaf *leaf)
{
	assert_int_equal(m->len, leaf->size);
	assert_int_equal(m->level, iodt_item_level(t->v, leaf->size));
	assert_int_equal(m->items, leaf->items);
	assert_int_equal(m->accessed, leaf->a);
	assert_int_equal(m->dirty, leaf->d < 0 ? (leaf->w ? IOD_DIRTY_UNTRACKED : IOD_CLEAN)
				   : leaf->d   ? IOD_DIRTY
					       : IOD_CLEAN);
	assert_int_equal(!!(m->prot & IOD_PROT_READ), leaf->r);
	assert_int_equal(!!(m->prot & IOD_PROT_WRITE), leaf->w);
}

static int visit_leaf(void *cookie, const struct iod_visit_event *ev)
{
	struct visit_check *c = cookie;
	const struct mdl_leaf *leaf;

	assert_int_equal(ev->kind, IOD_VISIT_MAPPING);
	assert_true(c->at < c->l->nr);
	leaf = &c->l->leaf[c->at++];
	assert_int_equal(ev->mapping.iova, leaf->iova);
	assert_int_equal(ev->mapping.pa, leaf->pa);
	assert_int_equal(ev->mapping.pte, leaf->pte);
	assert_int_equal(ev->mapping.pte_pa, leaf->pte_pa);
	check_mapping(c->t, &ev->mapping, leaf);
	return 0;
}

static void check_visit(struct iodt *t, const struct iodt_leaves *l)
{
	struct visit_check c = { t, l, 0 };
	struct iodt_part part[2];
	size_t i, n = iodt_parts(t->v, part);

	for (i = 0; i < n; i++) {
		struct iod_visit visit = {
			.size = sizeof(visit),
			.iova = part[i].iova,
			.len = part[i].len,
			.flags = IOD_VISIT_MAPPINGS_ONLY,
			.fn = visit_leaf,
			.cookie = &c,
		};

		/* what a root that has not grown yet cannot reach is holes */
		iodt_assert_ok(iod_visit(t->pt, &visit));
		assert_int_equal(visit.done, visit.len);
		assert_int_equal(visit.next_iova, part[i].iova + part[i].len);
	}
	assert_int_equal(c.at, l->nr);
}

void iodt_verify(struct iodt *t)
{
	uint32_t concat = t->v->tables ? t->v->tables : 1;
	struct iodt_leaves l;

	iodt_leaves(t, &l);
	check_segments(t, &l);
	check_visit(t, &l);
	/* detached tables count until they are freed */
	if (iodt_stats(t->mem).pending)
		assert_true(iodt_info(t->pt).tables > l.tables - concat);
	else
		assert_int_equal(iodt_info(t->pt).tables, l.tables - (concat - 1));
	iodt_leaves_free(&l);
}

void iodt_verify_at(struct iodt *t, uint64_t iova)
{
	const struct iodt_seg *s = iodt_expected(t, iova);
	struct mdl_mem mem = iodt_mdl_mem(t);
	struct iod_mapping m = { 0 };
	struct mdl_table table;
	struct mdl_leaf leaf;
	uint64_t pa = 0;

	iodt_model(t, &table);
	if (!s) {
		assert_int_equal(iod_translate(t->pt, iova, &m), -ENOENT);
		assert_int_equal(iod_iova_to_phys(t->pt, iova, &pa), -ENOENT);
		assert_int_not_equal(mdl_walk(&table, &mem, iova, NULL), MDL_OK);
		return;
	}
	assert_int_equal(mdl_walk(&table, &mem, iova, &leaf), MDL_OK);
	iodt_assert_ok(iod_translate(t->pt, iova, &m));
	iodt_assert_ok(iod_iova_to_phys(t->pt, iova, &pa));
	assert_int_equal(pa, s->pa + (iova - s->iova));
	assert_int_equal(m.pa + (iova - m.iova), pa);
	assert_int_equal(leaf.pa + (iova - leaf.iova), pa);
	assert_int_equal(m.iova, leaf.iova);
	check_mapping(t, &m, &leaf);
}

/* ---- snapshots ---- */

static int ignore_leaf(void *cookie, const struct mdl_leaf *leaf)
{
	return 0;
}

void iodt_snapshot(struct iodt *t, struct iodt_snapshot *s)
{
	struct mdl_mem mem = iodt_mdl_mem(t);
	struct mdl_table table;

	iodt_model(t, &table);
	*s = (struct iodt_snapshot){ 0 };
	t->tap = s;
	assert_int_equal(mdl_enumerate(&table, &mem, ignore_leaf, NULL, NULL), 0);
	t->tap = NULL;
}

void iodt_snapshot_free(struct iodt_snapshot *s)
{
	free(s->word);
	*s = (struct iodt_snapshot){ 0 };
}

void iodt_unchanged(struct iodt *t, struct iodt_snapshot *s)
{
	struct iodt_snapshot now;

	iodt_snapshot(t, &now);
	assert_int_equal(now.nr, s->nr);
	assert_memory_equal(now.word, s->word, s->nr * sizeof(*s->word));
	iodt_snapshot_free(&now);
	iodt_snapshot_free(s);
}
