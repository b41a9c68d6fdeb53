/* SPDX-License-Identifier: MIT */
/* See nestedrig.h. */
#include "nestedrig.h"

#include <endian.h>

#include "bits.h"

/* ---- geometry: tables of 8-byte items as large as the granule ---- */

static unsigned int granule_lg2(const struct iodt_variant *v)
{
	return v->granule == 65536 ? 16 : v->granule == 16384 ? 14 : 12;
}

unsigned int nested_shift(const struct iodt_variant *v, unsigned int level)
{
	unsigned int g = granule_lg2(v);

	return g + level * (g - 3);
}

static uint64_t low(unsigned int bits)
{
	return bits >= 64 ? UINT64_MAX : IODT_BIT(bits) - 1;
}

/* The root of fewer or more than a granule's items. */
static uint64_t table_bytes(const struct iodt_variant *v, unsigned int level)
{
	if (level + 1 < v->walk_levels)
		return IODT_BIT(granule_lg2(v));
	return UINT64_C(8) << (v->width - nested_shift(v, level));
}

bool nested_fits(const struct iodt_variant *v1, const struct iodt_variant *v2)
{
	bool first = v1->format == IOD_ARM_LPAE_S1 || v1->format == IOD_VTD_FS ||
		     v1->format == IOD_AMD_V2;
	bool second = v2->format == IOD_ARM_LPAE_S2 || v2->format == IOD_VTD_SS ||
		      v2->format == IOD_AMD_V1;

	/* one that grows is no other table for hardware */
	return first && second && v2->last >= NESTED_END - 1 && !v2->max_levels &&
	       iod_format_ops(v1->format) && iod_format_ops(v2->format);
}

/* ---- guest memory ---- */

uint64_t nested_random(struct nested *n)
{
	n->rng = n->rng * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return n->rng >> 16 ^ n->rng << 40;
}

uint64_t nested_below(struct nested *n, uint64_t nr)
{
	return nested_random(n) % nr;
}

int nested_map2(struct nested *n, uint64_t ipa, uint64_t size, uint64_t pa, uint32_t prot)
{
	return iod_map(n->t->pt, ipa, pa, size, prot, NULL, NULL);
}

static struct nested_page *page_of(struct nested *n, uint64_t ipa)
{
	unsigned int i;

	for (i = 0; i < n->nr_pages; i++)
		if (ipa - n->page[i].ipa < n->t->page)
			return &n->page[i];
	return NULL;
}

static void add_page(struct nested *n, uint64_t ipa)
{
	struct nested_page *p = &n->page[n->nr_pages];
	void *host;

	assert_true(n->nr_pages < NESTED_PAGES);
	iodt_assert_ok(iod_mem_alloc(n->t->mem, n->t->page, &n->hole[n->nr_pages]));
	iodt_assert_ok(iod_mem_alloc(n->t->mem, n->t->page, &p->pa));
	iodt_assert_ok(iod_mem_host_ptr(n->t->mem, p->pa, n->t->page, true, &host));
	p->ipa = ipa;
	p->host = host;
	p->prot = n->table_prot;
	n->nr_pages++;
	iodt_assert_ok(nested_map2(n, ipa, n->t->page, p->pa, p->prot));
}

static uint64_t new_table(struct nested *n, unsigned int level)
{
	uint64_t bytes = table_bytes(n->v1, level), ipa, at;

	if (bytes < 4096)
		bytes = 4096;
	ipa = (n->next + bytes - 1) & ~(bytes - 1);
	n->next = ipa + bytes;
	assert_true(n->next <= NESTED_DATA);
	for (at = ipa & ~(n->t->page - 1); at < ipa + bytes; at += n->t->page)
		if (!page_of(n, at))
			add_page(n, at);
	return ipa;
}

static uint64_t *word(struct nested *n, uint64_t ipa)
{
	struct nested_page *p = page_of(n, ipa);

	assert_non_null(p);
	return &p->host[(ipa - p->ipa) / 8];
}

uint64_t nested_read(struct nested *n, uint64_t ipa)
{
	return le64toh(__atomic_load_n((iod_word *)word(n, ipa), __ATOMIC_ACQUIRE));
}

void nested_write(struct nested *n, uint64_t ipa, uint64_t val)
{
	__atomic_store_n((iod_word *)word(n, ipa), htole64(val), __ATOMIC_RELEASE);
}

/* ---- objects ---- */

static struct iod_iotlb *new_tlb(uint32_t flags)
{
	struct iod_iotlb_cfg cfg = { .size = sizeof(cfg), .flags = flags };
	struct iod_iotlb *tlb = NULL;

	iodt_assert_ok(iod_iotlb_create(&tlb, &cfg));
	return tlb;
}

void nested_open(struct nested *n)
{
	struct iod_mem_nested_cfg cfg = { .size = sizeof(cfg) };
	struct iod_pgtable_cfg pt;

	n->t = iodt_open(n->v2);
	assert_non_null(n->t);
	n->rng = n->t->rng;
	n->next = NESTED_TABLES;
	n->nr_pages = 0;
	if (!n->table_prot)
		n->table_prot = IODT_RW;
	n->tlb = new_tlb(n->flags);
	n->tlb2 = new_tlb(n->flags2);
	cfg.stage2 = n->t->pt;
	cfg.tlb = n->tlb2;
	cfg.flags = n->mem_flags;
	cfg.allocator = &n->t->alloc.ops;
	iodt_assert_ok(iod_mem_create_nested(&n->mem, &cfg));
	n->root = new_table(n, n->v1->walk_levels - 1);
	pt = iodt_cfg(n->v1, n->mem);
	pt.domain = NESTED_DOMAIN1;
	iodt_assert_ok(iod_pgtable_attach(&n->pt, &pt, n->root));
}

void nested_close(struct nested *n)
{
	unsigned int i;

	iodt_assert_ok(iod_pgtable_destroy(n->pt));
	iodt_assert_ok(iod_mem_destroy(n->mem));
	iodt_assert_ok(iod_iotlb_destroy(n->tlb));
	iodt_assert_ok(iod_iotlb_destroy(n->tlb2));
	for (i = 0; i < n->nr_pages; i++) {
		iodt_assert_ok(iod_mem_free(n->t->mem, n->page[i].pa, n->t->page));
		iodt_assert_ok(iod_mem_free(n->t->mem, n->hole[i], n->t->page));
	}
	iodt_assert_ok(iodt_close(n->t));
}

/* ---- stage 1 ---- */

static uint64_t item_at(struct nested *n, uint64_t table, uint64_t iova, unsigned int level)
{
	uint64_t items = table_bytes(n->v1, level) / 8;
	uint64_t x = iova & low(n->v1->width);

	return table + (x >> nested_shift(n->v1, level) & (items - 1)) * 8;
}

static uint64_t target(const struct iodt_variant *v, uint64_t pte)
{
	uint64_t pa = pte & (IODT_BIT(48) - 1) & ~low(12);

	/* 64 KiB granules and 52 bits: the low ones are the highest of the address, and 0 here */
	return v->oas == 52 && v->granule == 65536 ? pa & ~low(16) : pa;
}

/* The item at @level for iova; what is missing on the way is made. */
static uint64_t walk1(struct nested *n, uint64_t iova, unsigned int level, bool make)
{
	unsigned int l = n->v1->walk_levels - 1;
	uint64_t table = n->root, item, pte;

	while (l > level) {
		item = item_at(n, table, iova, l);
		pte = nested_read(n, item);
		if (!pte) {
			if (!make)
				return item;
			table = new_table(n, l - 1);
			nested_write(n, item, iodt_make_table(n->v1, l, table));
		} else {
			table = target(n->v1, pte);
		}
		l--;
	}
	return item_at(n, table, iova, l);
}

uint64_t nested_item1(struct nested *n, uint64_t iova, unsigned int level)
{
	return walk1(n, iova, level, false);
}

void nested_map1(struct nested *n, uint64_t iova, uint64_t size, uint64_t ipa, uint32_t prot)
{
	uint64_t step = iodt_item_size(n->v1, size), off;

	for (off = 0; off < size; off += step)
		nested_write(n, walk1(n, iova + off, iodt_item_level(n->v1, size), true),
			     iodt_make_leaf(n->v1, size, ipa + off, prot));
}

/* ---- stage 2 ---- */

struct mdl_leaf nested_leaf2(struct nested *n, uint64_t ipa)
{
	struct mdl_mem mem = iodt_mdl_mem(n->t);
	struct mdl_table table;
	struct mdl_leaf leaf;
	enum mdl_fault fault;

	iodt_model(n->t, &table);
	fault = mdl_walk(&table, &mem, ipa, &leaf);
	assert_true(fault == MDL_OK || fault == MDL_ACCESS_FLAG);
	return leaf;
}

bool nested_dirty2(struct nested *n, uint64_t ipa)
{
	return nested_leaf2(n, ipa).d == 1;
}

bool nested_accessed2(struct nested *n, uint64_t ipa)
{
	return nested_leaf2(n, ipa).a;
}

void nested_clean2(struct nested *n, uint64_t ipa)
{
	struct mdl_leaf leaf = nested_leaf2(n, ipa);

	iodt_write(n->t, leaf.pte_pa, iodt_pte_clean(n->v2, leaf.pte));
}

void nested_inv(struct iod_iotlb *tlb, enum iod_inv_kind kind, uint64_t domain, uint64_t iova,
		uint64_t last)
{
	struct iod_inv inv = { .kind = kind, .domain = domain, .iova = iova, .last = last };

	iodt_assert_ok(iod_iotlb_invalidate(tlb, &inv, 1));
}

void nested_inv_all(struct nested *n)
{
	nested_inv(n->tlb2, IOD_INV_ALL, 0, 0, 0);
	nested_inv(n->tlb, IOD_INV_ALL, 0, 0, 0);
}

/* ---- the model ---- */

static enum iod_fault_reason reason_of(const struct iodt_variant *v, enum mdl_fault fault)
{
	static const enum iod_fault_reason reasons[] = {
		[MDL_OK] = IOD_FAULT_NONE,
		[MDL_RANGE] = IOD_FAULT_RANGE,
		[MDL_NOT_PRESENT] = IOD_FAULT_TRANSLATION,
		[MDL_PERMISSION] = IOD_FAULT_PERMISSION,
		[MDL_ACCESS_FLAG] = IOD_FAULT_ACCESS_FLAG,
		[MDL_ADDR_SIZE] = IOD_FAULT_ADDRESS_SIZE,
		[MDL_RESERVED] = IOD_FAULT_RESERVED,
		[MDL_WALK_ABORT] = IOD_FAULT_WALK_ABORT,
	};

	if (fault == MDL_RESERVED && (iodt_caps(v) & IODT_ARM))
		return IOD_FAULT_TRANSLATION;
	return reasons[fault];
}

/* A stage-2 access that the first stage's table makes. */
static int table_access(struct nested_model *m, uint64_t ipa, bool write, uint64_t *pa)
{
	struct mdl_leaf leaf;
	enum mdl_fault fault = mdl_access(&m->table2, &m->mem2, ipa, write, &leaf);

	*pa = leaf.pa + (ipa - leaf.iova);
	if (fault == MDL_OK)
		return 0;
	if (m->r->reason == IOD_FAULT_NONE)
		*m->r = (struct nested_result){
			.reason = reason_of(m->n->v2, fault),
			.stage = 2,
			.cls = IOD_FAULT_TABLE,
			.table_write = write,
			.ipa = ipa,
		};
	return -1;
}

/* Stage 2 granted what is not there. */
static int aborted(struct nested_model *m, uint64_t ipa, bool write)
{
	if (m->r->reason == IOD_FAULT_NONE)
		*m->r = (struct nested_result){
			.reason = IOD_FAULT_WALK_ABORT,
			.stage = 1,
			.cls = IOD_FAULT_TABLE,
			.table_write = write,
			.ipa = ipa,
		};
	return -1;
}

static int model_read64(void *cookie, uint64_t ipa, uint64_t *val)
{
	struct nested_model *m = cookie;
	uint64_t pa;

	if (table_access(m, ipa, false, &pa))
		return -1;
	return m->mem2.read64(m->mem2.cookie, pa, val) ? aborted(m, ipa, false) : 0;
}

static int model_cmpxchg64(void *cookie, uint64_t ipa, uint64_t old, uint64_t new_, uint64_t *seen)
{
	struct nested_model *m = cookie;
	uint64_t pa;

	if (table_access(m, ipa, true, &pa))
		return -1;
	if (m->mem2.cmpxchg64(m->mem2.cookie, pa, old, new_, seen))
		return aborted(m, ipa, true);
	return 0;
}

void nested_model(struct nested *n, struct nested_model *m)
{
	/* the geometry of stage 1 is asked of its page table, and checked against the variant */
	struct iodt first = { .v = n->v1, .pt = n->pt };

	*m = (struct nested_model){ .n = n };
	iodt_model(&first, &m->table1);
	iodt_model(n->t, &m->table2);
	/* open in the manual; an iotlb without flags does it */
	if (n->v2->format == IOD_AMD_V1)
		m->table2.hw_table_access = true;
	m->mem1 = (struct mdl_mem){ m, model_read64, model_cmpxchg64 };
	m->mem2 = iodt_mdl_mem(n->t);
}

static void refuse(struct nested_model *m, uint32_t stage, enum mdl_fault fault, uint64_t ipa)
{
	const struct iodt_variant *v = stage == 1 ? m->n->v1 : m->n->v2;

	/* unless it is known already that stage 2 refused a table */
	if (m->r->reason == IOD_FAULT_NONE)
		*m->r = (struct nested_result){
			.reason = reason_of(v, fault),
			.stage = stage,
			.ipa = ipa,
		};
}

/* bits.md A1.11: first what stage 1 says, then whether stage 2 would, then the marks of both. */
void nested_model_access(struct nested_model *m, uint64_t iova, bool write, struct nested_result *r)
{
	struct mdl_leaf leaf1, leaf2;
	enum mdl_fault fault;
	uint64_t ipa;

	*r = (struct nested_result){ 0 };
	m->r = r;
	fault = mdl_walk(&m->table1, &m->mem1, iova, &leaf1);
	if (fault == MDL_OK && !(write ? leaf1.w : leaf1.r))
		fault = MDL_PERMISSION;
	if (fault != MDL_OK) {
		refuse(m, 1, fault, 0);
		return;
	}
	ipa = leaf1.pa + (iova - leaf1.iova);
	fault = mdl_walk(&m->table2, &m->mem2, ipa, &leaf2);
	if (fault == MDL_OK && !(write ? leaf2.w : leaf2.r))
		fault = MDL_PERMISSION;
	if (fault != MDL_OK) {
		refuse(m, 2, fault, ipa);
		return;
	}
	fault = mdl_access(&m->table1, &m->mem1, iova, write, &r->leaf1);
	if (fault != MDL_OK) {
		/* it was looked at, which hardware may mark as accessed */
		mdl_access(&m->table2, &m->mem2, ipa, false, NULL);
		refuse(m, 1, fault, 0);
		return;
	}
	leaf1 = r->leaf1;
	assert_int_equal(mdl_access(&m->table2, &m->mem2, ipa, write, &leaf2), MDL_OK);
	r->leaf1 = leaf1;
	r->leaf2 = leaf2;
}

static bool is_same(const struct nested_result *r, const struct iod_fault *f)
{
	return r->reason == f->reason &&
	       (!r->reason || (r->stage == f->stage && r->cls == f->cls && r->ipa == f->ipa &&
			       r->table_write == f->table_write));
}

static void count(struct nested_tally *tally, const struct nested_result *r)
{
	if (!r->reason)
		tally->granted++;
	else if (r->stage == 1)
		tally->stage1++;
	else if (r->cls == IOD_FAULT_INPUT)
		tally->output++;
	else if (r->table_write)
		tally->update++;
	else
		tally->fetch++;
}

void nested_compare(struct nested *a, struct nested_model *b, uint64_t iova, bool write,
		    struct nested_tally *tally)
{
	uint32_t access = write ? IOD_ACCESS_WRITE : IOD_ACCESS_READ;
	struct iod_access_result got = { 0 };
	struct iod_fault f = { 0 };
	struct nested_result r;
	uint64_t ipa, off1, off2, len;

	nested_model_access(b, iova, write, &r);
	count(tally, &r);
	iod_iotlb_access(a->tlb, a->pt, iova, access, &got, &f);
	if (!is_same(&r, &f))
		fail_msg("%s over %s, %s of %jx: reason %d stage %u class %d ipa %jx write %d, not "
			 "%d %u %d %jx %d",
			 a->v1->name, a->v2->name, write ? "write" : "read", (uintmax_t)iova,
			 f.reason, f.stage, f.cls, (uintmax_t)f.ipa, f.table_write, r.reason,
			 r.stage, r.cls, (uintmax_t)r.ipa, r.table_write);
	if (r.reason) {
		assert_int_equal(f.iova, iova);
		assert_int_equal(f.access, access);
		assert_int_equal(f.domain, NESTED_DOMAIN1);
		return;
	}
	off1 = iova - r.leaf1.iova;
	ipa = r.leaf1.pa + off1;
	off2 = ipa - r.leaf2.iova;
	len = r.leaf1.size < r.leaf2.size ? r.leaf1.size - off1 : r.leaf2.size - off2;
	assert_int_equal(got.pa, r.leaf2.pa + off2);
	assert_int_equal(got.len, len);
	assert_int_equal(!!(got.prot & IOD_PROT_READ), r.leaf1.r && r.leaf2.r);
	assert_int_equal(!!(got.prot & IOD_PROT_WRITE), r.leaf1.w && r.leaf2.w);
}

/* ---- comparing two guests ---- */

static int raw_read64(void *cookie, uint64_t ipa, uint64_t *val)
{
	*val = nested_read(cookie, ipa);
	return 0;
}

static int keep_leaf(void *cookie, const struct mdl_leaf *leaf)
{
	struct iodt_leaves *l = cookie;

	l->leaf = realloc(l->leaf, (l->nr + 1) * sizeof(*l->leaf));
	assert_non_null(l->leaf);
	l->leaf[l->nr++] = *leaf;
	return 0;
}

static void leaves_of(struct nested *n, unsigned int stage, struct iodt_leaves *l)
{
	struct iodt first = { .v = n->v1, .pt = n->pt };
	struct mdl_mem mem = { n, raw_read64, NULL };
	struct mdl_table table;

	*l = (struct iodt_leaves){ 0 };
	if (stage == 2) {
		iodt_leaves(n->t, l);
		return;
	}
	iodt_model(&first, &table);
	assert_int_equal(mdl_enumerate(&table, &mem, keep_leaf, l, NULL), 0);
}

/* Of runs any item may be marked: alike are their leaves. */
static void same_leaves(struct nested *a, struct nested *b, unsigned int stage)
{
	struct iodt_leaves x, y;
	size_t i;

	leaves_of(a, stage, &x);
	leaves_of(b, stage, &y);
	assert_int_equal(x.nr, y.nr);
	for (i = 0; i < x.nr; i++)
		if (x.leaf[i].iova != y.leaf[i].iova || x.leaf[i].size != y.leaf[i].size ||
		    x.leaf[i].pa != y.leaf[i].pa || x.leaf[i].a != y.leaf[i].a ||
		    x.leaf[i].d != y.leaf[i].d)
			fail_msg("%s over %s: stage %u at %jx: a%d d%d, not a%d d%d", a->v1->name,
				 a->v2->name, stage, (uintmax_t)x.leaf[i].iova, x.leaf[i].a,
				 x.leaf[i].d, y.leaf[i].a, y.leaf[i].d);
	iodt_leaves_free(&x);
	iodt_leaves_free(&y);
}

static void same_words(struct nested *a, struct nested *b)
{
	struct iodt_snapshot x, y;
	size_t i;

	iodt_snapshot(a->t, &x);
	iodt_snapshot(b->t, &y);
	assert_int_equal(x.nr, y.nr);
	for (i = 0; i < x.nr; i++)
		if (x.word[i] != y.word[i])
			fail_msg("%s over %s: stage 2 at %jx: %jx, not %jx", a->v1->name,
				 a->v2->name, (uintmax_t)x.word[i & ~(size_t)1],
				 (uintmax_t)x.word[i], (uintmax_t)y.word[i]);
	iodt_snapshot_free(&x);
	iodt_snapshot_free(&y);
}

void nested_same(struct nested *a, struct nested *b)
{
	unsigned int i;

	same_leaves(a, b, 1);
	same_leaves(a, b, 2);
	if (!(iodt_caps(a->v2) & IODT_RUNS))
		same_words(a, b);
	assert_int_equal(a->nr_pages, b->nr_pages);
	for (i = 0; i < a->nr_pages && !(iodt_caps(a->v1) & IODT_RUNS); i++)
		assert_memory_equal(a->page[i].host, b->page[i].host, a->t->page);
}
