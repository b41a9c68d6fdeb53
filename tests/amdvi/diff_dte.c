/* SPDX-License-Identifier: MIT */
/*
 * AMD-Vi structures: the library's fields of device table entries, its verdicts, the way that requests take, the page
 * tables and the entries of GCR3 tables that it finds, against the independent model. Uniform words, words a few bits
 * off legal ones, every bit of every golden entry.
 */
#include "amdvi/diff_amdvi.h"

#include <string.h>

#include <iodirty/amdvi_dte.h>
#include <iodirty/mem.h>
#include <iodirty/pgtable.h>

/* Libraries that are wrong on purpose. */
enum { TWIN_NONE, TWIN_GCR3, TWIN_HAD, TWIN_LAX, TWIN_ROUTE, TWIN_LAST };

struct both {
	struct iod_amdvi_dte l;
	struct mdl_dte m;
	uint64_t w[4];
};

#define NE(l, m)                                    \
	do {                                        \
		if ((uint64_t)(l) != (uint64_t)(m)) \
			return #l;                  \
	} while (0)

static const char *upper_differs(const struct iod_amdvi_dte *l, const struct mdl_dte *m)
{
	NE(l->iv, m->iv);
	NE(l->inttablen, m->inttablen);
	NE(l->ig, m->ig);
	NE(l->introot, m->introot);
	NE(l->guestpagingmode, m->guestpagingmode);
	NE(l->initpass, m->initpass);
	NE(l->eintpass, m->eintpass);
	NE(l->nmipass, m->nmipass);
	NE(l->intctl, m->intctl);
	NE(l->lint0pass, m->lint0);
	NE(l->lint1pass, m->lint1);
	NE(l->gdeviceid, m->gdeviceid);
	NE(l->guestid, m->guestid);
	NE(l->attrv, m->attrv);
	NE(l->mode0fc, m->mode0fc);
	NE(l->snoopattr, m->snoopattr);
	return NULL;
}

/* @return NULL, or the field that differs */
static const char *differs(const struct iod_amdvi_dte *l, const struct mdl_dte *m)
{
	NE(l->v, m->v);
	NE(l->tv, m->tv);
	NE(l->had, m->had);
	NE(l->mode, m->mode);
	NE(l->root, m->root);
	NE(l->ppr, m->ppr);
	NE(l->gprp, m->gprp);
	NE(l->giov, m->giov);
	NE(l->gv, m->gv);
	NE(l->glx, m->glx);
	NE(l->ir, m->ir);
	NE(l->iw, m->iw);
	NE(l->domain, m->domain);
	NE(l->gcr3, m->gcr3);
	NE(l->i, m->i);
	NE(l->se, m->se);
	NE(l->sa, m->sa);
	NE(l->ioctl, m->ioctl);
	NE(l->cache, m->cache);
	NE(l->sd, m->sd);
	NE(l->ex, m->ex);
	NE(l->sysmgt, m->sysmgt);
	NE(l->sats, m->sats);
	return upper_differs(l, m);
}

static void decode(struct diff *d, const uint64_t w[4], struct both *b)
{
	struct iod_amdvi_raw_dte raw, back;
	uint64_t unknown[4];
	const char *what;

	memcpy(b->w, w, sizeof(b->w));
	diff_to_le(raw.word, w, 4);
	memset(&b->l, 0xa5, sizeof(b->l));
	iodt_assert_ok(iod_amdvi_dte_decode(&b->l, &raw));
	mdl_dte_decode(w, &b->m);
	iodt_assert_ok(iod_amdvi_dte_encode(&back, &b->l));
	assert_memory_equal(&back, &raw, sizeof(raw));
	if (d->twin == TWIN_GCR3)
		b->l.gcr3 &= ~UINT64_C(0x8000000);
	what = differs(&b->l, &b->m);
	if (what)
		diff_mismatch(d, "%s", what);
	diff_from_le(unknown, b->l.unknown.word, 4);
	if (memcmp(unknown, b->m.res, sizeof(unknown)))
		diff_mismatch(d, "unknown bits");
}

static const char *words(const struct both *b)
{
	static char text[80];

	snprintf(text, sizeof(text), "%016llx %016llx %016llx %016llx", (unsigned long long)b->w[0],
		 (unsigned long long)b->w[1], (unsigned long long)b->w[2],
		 (unsigned long long)b->w[3]);
	return text;
}

static void same_table(struct diff *d, const struct both *b, const struct iod_pgtable_cfg *cfg,
		       uint64_t root, const struct mdl_table *t)
{
	uint32_t features = cfg->features ^ (d->twin == TWIN_HAD ? IOD_PT_HW_DIRTY : 0);

	if (root != t->root || cfg->levels != t->levels)
		diff_mismatch(d, "%s: root %#llx, %u levels", words(b), (unsigned long long)root,
			      cfg->levels);
	if (t->format == MDL_AMD_V1 && (!(features & IOD_PT_HW_ACCESS) == t->hw_access ||
					!(features & IOD_PT_HW_DIRTY) == t->hw_dirty))
		diff_mismatch(d, "%s: hardware update %#x", words(b), features);
	if (t->format == MDL_AMD_V2 && (features & (IOD_PT_HW_ACCESS | IOD_PT_HW_DIRTY)) !=
					       (IOD_PT_HW_ACCESS | IOD_PT_HW_DIRTY))
		diff_mismatch(d, "%s: guest tables are not marked", words(b));
}

static void tables(struct diff *d, const struct both *b)
{
	uint64_t root, gcr3 = diff_random(d) | 1;
	struct iod_amdvi_dte eff;
	struct iod_pgtable_cfg cfg;
	struct mdl_table t;
	int ret;

	iodt_assert_ok(iod_amdvi_dte_effective(&eff, &b->l, &d->id));
	memset(&cfg, 0, sizeof(cfg));
	ret = iod_amdvi_dte_get_host(&eff, &cfg, &root, NULL);
	assert_int_equal(ret, b->m.v && b->m.tv && b->m.mode ? 0 : -ENOENT);
	if (!ret) {
		mdl_dte_host(&b->m, &t);
		same_table(d, b, &cfg, root, &t);
		assert_int_equal(cfg.domain, b->m.domain);
	}
	ret = iod_amdvi_dte_get_guest(&eff, gcr3, &cfg, &root, NULL);
	assert_int_equal(ret, b->m.v && b->m.tv && b->m.gv ? 0 : -ENOENT);
	if (ret)
		return;
	mdl_dte_guest(&b->m, gcr3, &t);
	same_table(d, b, &cfg, root, &t);
}

/* Which way, as the model's own words have it: A3.6, and what is blocked where that is open. */
static int way(const struct mdl_dte *m, bool pasid)
{
	bool guest = m->gv && (pasid || m->giov);

	if (!m->v)
		return IOD_AMDVI_BYPASS;
	if (!m->tv || (pasid && !m->gv) || !(m->ir || m->iw))
		return IOD_AMDVI_BLOCKED;
	if (guest)
		return m->mode ? IOD_AMDVI_NESTED : IOD_AMDVI_GUEST;
	return m->mode ? IOD_AMDVI_HOST : IOD_AMDVI_BYPASS;
}

static void routes(struct diff *d, const struct both *b)
{
	uint32_t perm, want = (b->m.ir ? IOD_PERM_READ : 0) | (b->m.iw ? IOD_PERM_WRITE : 0);
	int pasid, ret;

	for (pasid = 0; pasid < 2; pasid++) {
		perm = 0xff;
		ret = iod_amdvi_dte_route(&b->l, pasid, &perm);
		if (d->twin == TWIN_ROUTE && ret == IOD_AMDVI_NESTED)
			ret = IOD_AMDVI_GUEST;
		if (ret != way(&b->m, pasid))
			diff_mismatch(d, "%s: pasid %d goes %d, not %d", words(b), pasid, ret,
				      way(&b->m, pasid));
		if (!b->m.v)
			want = IOD_PERM_READ | IOD_PERM_WRITE;
		if (ret == IOD_AMDVI_BLOCKED ? perm : perm != want)
			diff_mismatch(d, "%s: pasid %d may %#x", words(b), pasid, perm);
	}
}

struct counts {
	unsigned legal, illegal, doubt, refused;
};

static void verdict(struct diff *d, const struct both *b, struct counts *n)
{
	const char *why = NULL, *model = NULL;
	enum mdl_amdvi_verdict want = mdl_dte_verdict(&b->m, &d->mid, &model);
	int ret = iod_amdvi_dte_check(&b->l, &d->id, 0, &why);
	int strict = iod_amdvi_dte_check(&b->l, &d->id, IOD_AMDVI_CHECK_UNKNOWN, NULL);

	if (d->twin == TWIN_LAX && b->m.mode == 7)
		ret = 0;
	assert_true(ret == 0 || ret == IOD_AMDVI_ILLEGAL_DEV_TABLE_ENTRY);
	if (!d->twin)
		assert_int_equal(!ret, !why);
	if (want != MDL_AMD_EITHER && !ret != (want == MDL_AMD_OK))
		diff_mismatch(d, "%s: %s, the model says %s", words(b), why ? why : "legal",
			      model ? model : "legal");
	/* What one source says: refused, which is safe; but for SATS, and with TV = 0 where all is refused. */
	if (want == MDL_AMD_EITHER && !ret && !b->m.sats && b->m.tv)
		diff_mismatch(d, "%s: accepted, in spite of %s", words(b), model);
	if (!strict == (ret || (b->m.v && (b->m.res[2] || b->m.res[3]))))
		diff_mismatch(d, "%s: unknown bits: %d, strictly %d", words(b), ret, strict);
	n->legal += want == MDL_AMD_OK;
	n->illegal += want == MDL_AMD_ILLEGAL;
	n->doubt += want == MDL_AMD_EITHER;
	n->refused += want == MDL_AMD_EITHER && ret;
	if (want != MDL_AMD_OK || ret)
		return;
	tables(d, b);
	routes(d, b);
}

static void show(const struct counts *n)
{
	print_message("%u legal, %u illegal, %u in doubt, of which %u are refused\n", n->legal,
		      n->illegal, n->doubt, n->refused);
}

static void uniform(void **state)
{
	unsigned i, k, n = iodt_scale(100000);
	struct counts counts = { 0 };
	struct diff d;
	struct both b;
	uint64_t w[4];

	(void)state;
	diff_start(&d);
	for (i = 0; i < n; i++) {
		if (!(i % 16))
			diff_id_random(&d);
		for (k = 0; k < 4; k++)
			w[k] = diff_random(&d) & (i & 1 ? diff_random(&d) : UINT64_MAX);
		if (i & 2)
			w[0] &= ~(UINT64_C(0x1f) << 2) & ~(UINT64_C(1) << 63);
		decode(&d, w, &b);
		verdict(&d, &b, &counts);
	}
	show(&counts);
}

/* A legal one, mostly: fields of golden entries that mean something, made new. */
static void some_entry(struct diff *d, uint64_t w[4])
{
	const struct gold_dte *g = &gold_dtes[diff_below(d, GOLD_NR_DTES - 1)];
	static const unsigned had[] = { 0, 1, 3 };

	memcpy(w, g->word, sizeof(g->word));
	if (diff_chance(d, 2)) /* HAD and Mode */
		w[0] = (w[0] & ~UINT64_C(0xf80)) | had[diff_below(d, 3)] << 7 |
		       diff_below(d, 7) << 9;
	if (diff_chance(d, 2)) /* GIOV to GLX */
		w[0] ^= (diff_random(d) & 0xf) << 54;
	if (diff_chance(d, 3)) /* PPR, GPRP */
		w[0] ^= (diff_random(d) & 3) << 52;
	if (diff_chance(d, 3)) /* IR, IW */
		w[0] ^= (diff_random(d) & 3) << 61;
	if (diff_chance(d, 2)) /* roots, DomainID, GCR3 */
		w[0] ^= diff_random(d) & UINT64_C(0x1c0ffffffffff000);
	if (diff_chance(d, 2))
		w[1] ^= diff_random(d) & ~(UINT64_C(1) << 42);
	if (diff_chance(d, 3)) /* GuestPagingMode */
		w[2] ^= (diff_random(d) & 3) << 54;
	w[0] |= !diff_chance(d, 8);
	w[0] |= (uint64_t)!diff_chance(d, 8) << 1;
	diff_flip(d, w, 4);
}

static void run_near_legal(struct diff *d, unsigned n, struct counts *counts)
{
	struct both b;
	uint64_t w[4];
	unsigned i;

	for (i = 0; i < n; i++) {
		if (!(i % 16) && diff_chance(d, 3))
			diff_id_random(d);
		else if (!(i % 16))
			diff_id_full(d);
		some_entry(d, w);
		decode(d, w, &b);
		verdict(d, &b, counts);
	}
}

static void near_legal(void **state)
{
	unsigned n = iodt_scale(200000);
	struct counts counts = { 0 };
	struct diff d;

	(void)state;
	diff_start(&d);
	run_near_legal(&d, n, &counts);
	show(&counts);
	assert_true(counts.legal > n / 8 && counts.illegal > n / 16);
}

static void every_bit(void **state)
{
	struct counts counts = { 0 };
	unsigned i, bit;
	struct diff d;
	struct both b;
	uint64_t w[4];

	(void)state;
	diff_start(&d);
	for (i = 0; i < GOLD_NR_DTES; i++) {
		for (bit = 0; bit <= 256; bit++) {
			memcpy(w, gold_dtes[i].word, sizeof(w));
			if (bit < 256)
				w[bit / 64] ^= UINT64_C(1) << bit % 64;
			decode(&d, w, &b);
			verdict(&d, &b, &counts);
		}
	}
	show(&counts);
}

/* ---- GCR3 tables ---- */

#define GCR3_PA	   UINT64_C(0x10000000)
#define GCR3_PAGES 32u

struct gcr3 {
	uint64_t *word;
	struct iod_mem *mem;
	struct mdl_mem mdl;
};

static int gcr3_read(void *cookie, uint64_t pa, uint64_t *val)
{
	struct gcr3 *g = cookie;

	if (pa - GCR3_PA >= GCR3_PAGES * 4096)
		return -1;
	diff_from_le(val, &g->word[(pa - GCR3_PA) / 8], 1);
	return 0;
}

static void gcr3_fill(struct diff *d, struct gcr3 *g)
{
	uint64_t e;
	unsigned i;

	for (i = 0; i < GCR3_PAGES * 512; i++) {
		e = GCR3_PA + 4096 * diff_below(d, GCR3_PAGES);
		if (diff_chance(d, 30))
			e = diff_random(d) & UINT64_C(0x000ffffffffff000);
		e |= !diff_chance(d, 10);
		if (diff_chance(d, 8)) /* bits that are ignored */
			e |= diff_random(d) & UINT64_C(0xfff0000000000ffe);
		diff_to_le(&g->word[i], &e, 1);
	}
}

static void gcr3_one(struct diff *d, struct gcr3 *g, unsigned seen[3])
{
	struct iod_amdvi_dte dte = { .v = true, .tv = true, .gv = true, .ir = true, .iw = true };
	unsigned pasid = diff_below(d, 1u << (diff_below(d, 20) + 1)), bits;
	struct mdl_dte m = { .v = true, .tv = true, .gv = true };
	uint64_t entry = 0, pa = 0, want = 0, at = 0;
	enum iod_amdvi_event_type event = 0;
	int ret, model;

	dte.glx = (uint8_t)(m.glx = diff_below(d, 3));
	dte.gcr3 = m.gcr3 = GCR3_PA + 4096 * diff_below(d, GCR3_PAGES);
	ret = iod_amdvi_gcr3_lookup(&dte, &d->id, g->mem, pasid, NULL, NULL, &entry, &pa, &event);
	model = mdl_gcr3(&m, &g->mdl, pasid, &want, &at);
	bits = (unsigned)(d->mid.efr >> 32 & 0x1f) + 1;
	if (bits < 20 && pasid >> bits)
		model = 1;
	seen[model + 1]++;
	assert_int_equal(ret, model < 0 ? -EFAULT : model ? -ENOENT : 0);
	if (!model)
		assert_true(entry == want && pa == at && !event);
	else if (model < 0)
		assert_true(pa == at && event == IOD_AMDVI_PAGE_TAB_HARDWARE_ERROR);
	else
		assert_int_equal(event, IOD_AMDVI_IO_PAGE_FAULT);
}

static void gcr3(void **state)
{
	struct iod_mem_region region = { .pa = GCR3_PA, .len = GCR3_PAGES * 4096 };
	struct iod_mem_vm_cfg cfg = { .size = sizeof(cfg), .regions = &region, .nr_regions = 1 };
	unsigned i, seen[3] = { 0 };
	struct gcr3 g = { 0 };
	struct diff d;

	(void)state;
	diff_start(&d);
	g.word = calloc(GCR3_PAGES, 4096);
	assert_non_null(g.word);
	g.mdl = (struct mdl_mem){ &g, gcr3_read, NULL };
	region.host = g.word;
	iodt_assert_ok(iod_mem_create_vm(&g.mem, &cfg));
	for (i = 0; i < iodt_scale(60000); i++) {
		if (!(i % 1000)) {
			gcr3_fill(&d, &g);
			diff_id_random(&d);
		}
		gcr3_one(&d, &g, seen);
	}
	print_message("%u valid, %u not, %u unreadable\n", seen[1], seen[2], seen[0]);
	assert_true(seen[0] && seen[1] && seen[2]);
	iodt_assert_ok(iod_mem_destroy(g.mem));
	free(g.word);
}

static void twins(void **state)
{
	struct counts counts = { 0 };
	struct diff d;
	int twin;

	(void)state;
	for (twin = TWIN_GCR3; twin < TWIN_LAST; twin++) {
		diff_start(&d);
		d.twin = twin;
		run_near_legal(&d, 20000, &counts);
		print_message("twin %d: %u mismatches\n", twin, d.mismatches);
		assert_true(d.mismatches > 10);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(uniform),   cmocka_unit_test(near_legal),
		cmocka_unit_test(every_bit), cmocka_unit_test(gcr3),
		cmocka_unit_test(twins),
	};

	return cmocka_run_group_tests_name("AMD-Vi structures against the model", tests, NULL,
					   NULL);
}
