/* SPDX-License-Identifier: MIT */
/*
 * The emulated VT-d against the model of tests/model, from RTADDR to the address: random structures of both modes,
 * legal but for a few bits, over a soup of random entries that are first-stage and second-stage entries at once. Each
 * access must end as the model says, for a reason that it allows, recorded or not; and no Accessed or Dirty bit of any
 * entry may come too early, be missing, or be one that hardware has no reason to set.
 */
#include "vtd/diff_vtd.h"

#include <errno.h>
#include <string.h>

#include "mdl_vtd_xlate.h"
#include "vtd/emurig.h"

#define SOUP	   RIG_TABLES
#define SOUP_PAGES 64u
#define SANE	   (SOUP + SOUP_PAGES * 4096) /* second-stage roots whose addresses are those of memory */
#define SANE_ROOTS 4u
#define ENDS	   (SANE + SANE_ROOTS * 4096)
#define DIR	   (RIG_BASE + 0x60000)
#define PASIDS	   (RIG_BASE + 0x61000) /* 128 */
#define NR_DEVS	   8u
#define NR_PASIDS  12u
#define ACCESSES   250u

enum {
	TWIN_NONE,
	TWIN_PA,      /* large pages forget their offset's upper bits */
	TWIN_DIRTY,   /* Dirty is lost now and then */
	TWIN_EARLY,   /* refused writes make dirty */
	TWIN_GRANTS,  /* writes are taken for reads */
	TWIN_REASON,  /* one reason for another */
	TWIN_RECORDS, /* FPD is not looked at */
	TWIN_TABLES,  /* Accessed of a table entry is lost now and then */
	TWIN_LAST,
};

struct world {
	struct diff d;
	struct emurig r;
	struct mdl_mem mem;
	struct mdl_vtd_unit unit;
	bool scalable;
	unsigned char *was; /* the tables before an access */
	unsigned granted, refused, beyond, marked;
	unsigned reasons[256];
};

static bool chance(struct world *w, unsigned percent)
{
	return diff_below(&w->d, 100) < percent;
}

static int model_read(void *cookie, uint64_t pa, uint64_t *val)
{
	struct world *w = cookie;

	if (pa - RIG_BASE >= RIG_BYTES)
		return -1;
	*val = rig_r64(&w->r, pa);
	return 0;
}

/* Never writes: asks whether one could. */
static int model_cas(void *cookie, uint64_t pa, uint64_t old, uint64_t new_, uint64_t *seen)
{
	(void)old;
	(void)new_;
	return model_read(cookie, pa, seen) || pa >= RIG_RO;
}

/* ---- random memory ---- */

/* Somewhere in the soup; some of it lies where hardware cannot write. */
static uint64_t soup_page(struct world *w)
{
	uint64_t at = diff_below(&w->d, SOUP_PAGES) * UINT64_C(4096);

	return chance(w, 2) ? RIG_RO + at : SOUP + at;
}

/* R and P, W and RW are the same bits, and so are both kinds of PS. */
static uint64_t random_entry(struct world *w)
{
	uint64_t e = soup_page(w) | SS_R;

	e |= chance(w, 94) ? SS_W : 0;
	e |= chance(w, 97) ? FS_US : 0;
	e |= chance(w, 50) ? SS_A : 0;
	e |= chance(w, 50) ? SS_D : 0;
	e |= chance(w, 50) ? FS_A : 0;
	e |= chance(w, 50) ? FS_D : 0;
	e |= chance(w, 3) ? IODT_BIT(diff_below(&w->d, 64)) : 0;
	if (chance(w, 3)) /* a large page */
		e = (e & 0xfff) | SS_PS | (RIG_BASE & ~(IODT_1G - 1));
	if (chance(w, 1))
		e &= ~UINT64_C(1);
	if (chance(w, 1))
		e &= ~UINT64_C(3);
	if (chance(w, 1))
		e = (e & 0xfff) | RIG_AWAY;
	if (chance(w, 1))
		e = (e & 0x77f) | UINT64_C(0xfee00000);
	return e;
}

static void fill_tables(struct world *w)
{
	static const uint64_t attr[SANE_ROOTS] = { SS_RW, SS_RW | SS_A | SS_D, SS_R, SS_RW | SS_A };
	uint64_t pa, i, n;

	for (pa = SOUP; pa < SANE; pa += 8) {
		rig_w64(&w->r, pa, random_entry(w));
		rig_w64(&w->r, RIG_RO + (pa - SOUP), random_entry(w));
	}
	/* PDPTs of three levels with pages of 1 GiB */
	for (n = 0; n < SANE_ROOTS; n++)
		for (i = 0; i < 512; i++)
			rig_w64(&w->r, SANE + n * 4096 + i * 8, i << 30 | attr[n] | SS_PS);
}

static void spoil(struct world *w, uint64_t *v, unsigned n, unsigned percent)
{
	if (chance(w, percent))
		v[diff_below(&w->d, n)] ^= IODT_BIT(diff_below(&w->d, 64));
}

static unsigned some_aw(struct world *w)
{
	return chance(w, 90) ? 1 + diff_below(&w->d, 3) : diff_below(&w->d, 8);
}

/* All tables of a domain must be the same (9.6). One bit off is none that another has. */
static uint64_t some_did(unsigned n)
{
	return n << 1 | (unsigned)__builtin_parity(n);
}

static void random_legacy(struct world *w, unsigned devfn)
{
	uint64_t v[2] = { CTX_P | soup_page(w), CTX1_DID(some_did(devfn)) };
	unsigned tt = diff_below(&w->d, 3);

	v[0] |= CTX_TT(tt) | (chance(w, 30) ? CTX_FPD : 0);
	v[1] |= some_aw(w);
	spoil(w, v, 2, 15);
	rig_context(&w->r, devfn, v[0], v[1]);
}

static void random_sm_context(struct world *w, unsigned devfn)
{
	uint64_t v[2] = { CTX_P | DIR, diff_below(&w->d, NR_PASIDS) }, pa = RIG_CTX + devfn * 32;

	v[0] |= chance(w, 20) ? CTX_FPD : 0;
	v[0] |= chance(w, 80) ? SM_DTE : 0;
	v[0] |= chance(w, 90) ? SM_PASIDE : 0;
	v[1] |= chance(w, 20) ? IODT_BIT(20) : 0; /* RID_PRIV */
	spoil(w, v, 2, 10);
	rig_w64(&w->r, pa, v[0]);
	rig_w64(&w->r, pa + 8, v[1]);
	rig_w64(&w->r, pa + 16, chance(w, 3) ? diff_random(&w->d) : 0);
	rig_w64(&w->r, pa + 24, 0);
}

static void random_pasid(struct world *w, unsigned pasid)
{
	uint64_t v[8] = { PE_P }, pa = PASIDS + pasid * 64;
	unsigned pgtt = chance(w, 95) ? 1 + diff_below(&w->d, 4) : diff_below(&w->d, 8), i;

	v[0] |= PE_PGTT(pgtt) | (chance(w, 20) ? PE_FPD : 0) | (chance(w, 60) ? PE_SSADE : 0);
	v[1] = PE1_DID(some_did(pasid)) | (chance(w, 90) ? PE1_PWSNP : 0);
	v[2] = soup_page(w) | (chance(w, 60) ? PE2_SRE : 0) | (chance(w, 80) ? 0x10 : 0);
	v[2] |= PE2_FSPM(chance(w, 80) ? 0 : diff_below(&w->d, 3));
	if (pgtt == PGTT_NESTED && chance(w, 75))
		v[0] |= PE_AW(1) | (SANE + diff_below(&w->d, SANE_ROOTS) * 4096);
	else
		v[0] |= PE_AW(some_aw(w)) | soup_page(w);
	spoil(w, v, 8, 8);
	for (i = 0; i < 8; i++)
		rig_w64(&w->r, pa + i * 8, v[i]);
}

static void random_structures(struct world *w)
{
	unsigned i;

	for (i = 0; i < NR_DEVS; i++) {
		if (w->scalable)
			random_sm_context(w, i);
		else
			random_legacy(w, i);
	}
	for (i = 0; i < 128; i++)
		random_pasid(w, i);
	rig_w64(&w->r, DIR, PASIDS | 1 | (chance(w, 10) ? 2 : 0));
	rig_w64(&w->r, DIR + 8, (PASIDS + 4096) | (chance(w, 70) ? 1 : 0) | (chance(w, 5) ? 4 : 0));
}

/* Everything that is cached goes. */
static void flush(struct world *w)
{
	rig_desc(&w->r, D_CONTEXT(1), 0);
	if (w->scalable)
		rig_desc(&w->r, 7 | 3 << 4, 0);
	rig_desc(&w->r, 2 | 1 << 4, 0);
	rig_wait(&w->r);
}

/* ---- accesses ---- */

static void random_access(struct world *w, struct mdl_vtd_access *a)
{
	struct diff *d = &w->d;

	memset(a, 0, sizeof(*a));
	a->sid = diff_below(d, chance(w, 97) ? NR_DEVS : 256);
	if (chance(w, 1))
		a->sid |= 0x100;
	a->has_pasid = w->scalable ? chance(w, 75) : chance(w, 2);
	if (a->has_pasid) {
		a->pasid = diff_below(d, chance(w, 90) ? NR_PASIDS : 130);
		a->priv = chance(w, 20);
		if (chance(w, 2))
			a->pasid = diff_below(d, 1 << 20);
	}
	a->write = chance(w, 50);
	a->iova = diff_random(d) >> (chance(w, 90) ? 25 : 7);
	if (chance(w, 5))
		a->iova |= ~UINT64_C(0) << 47;
	if (chance(w, 3))
		a->iova = diff_random(d);
	if (chance(w, 2))
		a->iova = 0xfee00000 | diff_below(d, 1 << 20);
	if (chance(w, 20)) /* again, so that it is cached */
		a->iova = UINT64_C(0x12345) << 12 | diff_below(d, 16) << 30;
}

static bool allowed(const struct mdl_vtd_outcome *o, unsigned reason)
{
	unsigned i;

	for (i = 0; i < o->nr_why; i++)
		if (o->why[i] == reason)
			return true;
	return false;
}

static void wrong(struct world *w, const struct mdl_vtd_access *a, const char *what, uint64_t got,
		  uint64_t want)
{
	diff_mismatch(&w->d,
		      "%s: sid %x, PASID %x%s, %llx (fault %x) %s%s: %llx, the model says %llx",
		      w->scalable ? "scalable" : "legacy", a->sid, a->pasid,
		      a->has_pasid ? "" : " (none)", (unsigned long long)a->iova,
		      (unsigned)w->r.fault.reason, a->write ? "write" : "read", what,
		      (unsigned long long)got, (unsigned long long)want);
}

/* Is there a record, and is it this one? */
static void same_record(struct world *w, const struct mdl_vtd_access *a,
			const struct mdl_vtd_outcome *o)
{
	bool want = !o->fpd || !mdl_vtd_qualified(w->r.fault.reason), got;
	uint64_t v[2] = { 0 };
	struct mdl_vtd_fault f;

	got = rig_take(&w->r, &v[0], &v[1]);
	if (w->d.twin == TWIN_RECORDS)
		want = true;
	if (got != want) {
		wrong(w, a, ", recorded", got, want);
		return;
	}
	if (!got)
		return;
	mdl_vtd_fault(v, &f);
	if (!allowed(o, f.reason) || f.sid != a->sid || f.pp != a->has_pasid ||
	    f.addr != (a->iova & ~UINT64_C(4095)) || f.type != !a->write || f.at || !f.f)
		wrong(w, a, ", record", v[1], f.reason);
	if (f.pp && (f.pasid != a->pasid || f.priv != a->priv || f.exe))
		wrong(w, a, ", record", v[1], f.reason);
	if (f.res[0] | f.res[1])
		wrong(w, a, ", reserved bits of a record", v[1], 0);
}

static const struct mdl_vtd_mark *mark_of(const struct mdl_vtd_outcome *o, uint64_t pa)
{
	unsigned i;

	for (i = 0; i < o->nr_marks; i++)
		if (o->mark[i].pa == pa)
			return &o->mark[i];
	return NULL;
}

/* Twins: what a library that is wrong would have left behind. */
static void break_marks(struct world *w, const struct mdl_vtd_outcome *o, bool write)
{
	const struct mdl_vtd_mark *m = &o->mark[o->nr_marks - 1];
	uint64_t v = rig_r64(&w->r, m->pa);

	if (w->d.twin == TWIN_DIRTY && o->granted && write)
		v &= ~(m->must & (SS_D | FS_D));
	if (w->d.twin == TWIN_TABLES && o->granted && o->nr_marks > 1) {
		m = &o->mark[0];
		v = rig_r64(&w->r, m->pa) & ~(m->must & (SS_A | FS_A));
	}
	if (w->d.twin == TWIN_EARLY && !o->granted && write)
		v |= SS_D | FS_D;
	rig_w64(&w->r, m->pa, v);
}

static unsigned char *then(struct world *w, uint64_t pa)
{
	return w->was + (pa - SOUP);
}

/* Words of a table that changed, and what should have. */
static void same_page(struct world *w, const struct mdl_vtd_access *a,
		      const struct mdl_vtd_outcome *o, uint64_t page)
{
	const struct mdl_vtd_mark *m;
	uint64_t pa, now, was, le;

	for (pa = page; pa < page + 4096; pa += 8) {
		memcpy(&le, then(w, pa), 8);
		diff_from_le(&was, &le, 1);
		now = rig_r64(&w->r, pa);
		if (was == now)
			continue;
		m = mark_of(o, pa);
		if ((was & ~now) || !m || (now & ~was & ~(m->must | m->may)))
			wrong(w, a, ", set", now ^ was, m ? m->must | m->may : 0);
	}
	memcpy(then(w, page), w->r.mem + (page - RIG_BASE), 4096);
}

/* Every table. */
static void same_marks(struct world *w, const struct mdl_vtd_access *a,
		       const struct mdl_vtd_outcome *o)
{
	uint64_t pa, now;
	unsigned i;

	if (w->d.twin && o->nr_marks)
		break_marks(w, o, a->write);
	for (i = 0; i < o->nr_marks; i++) {
		now = rig_r64(&w->r, o->mark[i].pa);
		w->marked++;
		if (o->mark[i].must & ~now)
			wrong(w, a, ", not set", now, o->mark[i].must);
	}
	for (pa = SOUP; pa < ENDS; pa += 4096)
		if (memcmp(then(w, pa), w->r.mem + (pa - RIG_BASE), 4096))
			same_page(w, a, o, pa);
}

static int lib_access(struct world *w, const struct mdl_vtd_access *a)
{
	uint32_t access = a->write && w->d.twin != TWIN_GRANTS ? IOD_ACCESS_WRITE : IOD_ACCESS_READ;
	int ret;

	if (a->priv)
		access |= IOD_ACCESS_PRIV;
	ret = rig_access(&w->r, (uint16_t)a->sid, a->has_pasid ? (int64_t)a->pasid : -1, a->iova,
			 access);
	if (w->d.twin == TWIN_PA && w->r.res.len > 4096)
		w->r.res.pa &= ~UINT64_C(0x1ff000);
	if (w->d.twin == TWIN_REASON && ret == -EFAULT)
		w->r.fault.reason ^= 8;
	return ret;
}

/* What the twins did, and what the model cannot say, is forgotten. */
static void resync(struct world *w)
{
	uint64_t lo, hi;

	memcpy(w->was, w->r.mem + (SOUP - RIG_BASE), ENDS - SOUP);
	while (rig_take(&w->r, &lo, &hi))
		;
}

/* A damaged pointer can make tables of the structures themselves, where marks would change what is cached. */
static bool is_stray(const struct mdl_vtd_mark *m)
{
	return m->pa < SOUP || (m->pa >= ENDS && m->pa < RIG_RO);
}

static void save_strays(struct world *w, struct mdl_vtd_outcome *o, uint64_t *was)
{
	unsigned i;

	for (i = 0; i < o->nr_marks; i++) {
		was[i] = rig_r64(&w->r, o->mark[i].pa);
		o->beyond |= is_stray(&o->mark[i]);
	}
}

static void restore_strays(struct world *w, const struct mdl_vtd_outcome *o, const uint64_t *was)
{
	unsigned i;

	for (i = 0; i < o->nr_marks; i++)
		if (is_stray(&o->mark[i]))
			rig_w64(&w->r, o->mark[i].pa, was[i]);
}

static void one_access(struct world *w)
{
	uint64_t was[MDL_VTD_MARKS];
	struct mdl_vtd_outcome o;
	struct mdl_vtd_access a;
	int ret;

	w->r.msis = 0;
	random_access(w, &a);
	mdl_vtd_access(&w->unit, &a, &o);
	save_strays(w, &o, was);
	ret = lib_access(w, &a);
	if (o.beyond) {
		w->beyond++;
		restore_strays(w, &o, was);
		assert_true(ret == 0 || ret == -EFAULT);
		resync(w);
		return;
	}
	if ((ret == 0) != o.granted) {
		wrong(w, &a, ret ? ", refused" : ", granted", ret ? w->r.fault.reason : w->r.res.pa,
		      o.granted ? o.pa : o.why[0]);
		resync(w);
		return;
	}
	if (o.granted) {
		w->granted++;
		if (w->r.res.pa != o.pa)
			wrong(w, &a, ", address", w->r.res.pa, o.pa);
	} else {
		w->refused++;
		w->reasons[o.why[0] & 0xff]++;
		if (!allowed(&o, (unsigned)w->r.fault.reason))
			wrong(w, &a, ", reason", w->r.fault.reason, o.why[0]);
		same_record(w, &a, &o);
	}
	same_marks(w, &a, &o);
	if (w->d.twin)
		resync(w);
}

/* ---- worlds ---- */

/* Some capabilities less. */
static void random_id(struct world *w, struct iod_vtd_id *id)
{
	static const uint64_t ecap[] = {
		IOD_VTD_ECAP_SRS,  IOD_VTD_ECAP_SSADS, IOD_VTD_ECAP_NEST,  IOD_VTD_ECAP_SMPWCS,
		IOD_VTD_ECAP_SC,   IOD_VTD_ECAP_PT,    IOD_VTD_ECAP_PASID, IOD_VTD_ECAP_DT,
		IOD_VTD_ECAP_SSTS, IOD_VTD_ECAP_FSTS,
	};
	static const uint64_t cap[] = { IOD_VTD_CAP_FS1GP, IOD_VTD_CAP_FS5LP, UINT64_C(1) << 34,
					UINT64_C(1) << 35, UINT64_C(1) << 9,  UINT64_C(1) << 11,
					IOD_VTD_CAP_CM };

	assert_int_equal(iod_vtd_id_full(id), 0);
	if (chance(w, 30))
		id->ecap &= ~ecap[diff_below(&w->d, DIFF_COUNT(ecap))];
	if (chance(w, 50))
		id->cap ^= cap[diff_below(&w->d, DIFF_COUNT(cap))];
	if (chance(w, 25))
		id->cap = (id->cap & ~IOD_VTD_CAP_MGAW) | (uint64_t)(35 + diff_below(&w->d, 22))
								  << 16;
}

static void open_world(struct world *w)
{
	struct iod_iotlb_cfg tlb = { .size = sizeof(tlb), .entries = 64, .walk_entries = 8 };
	struct iod_vtd_emu_cfg cfg = { .size = sizeof(cfg), .tlb_s1 = &tlb, .tlb_s2 = &tlb };
	const struct iod_vtd_regs *regs;
	struct iod_vtd_id id;

	random_id(w, &id);
	cfg.id = &id;
	rig_init(&w->r, &cfg);
	w->scalable = id.ecap & IOD_VTD_ECAP_SMTS && chance(w, 70);
	rig_enable(&w->r, w->scalable);
	regs = iod_vtd_emu_regs(w->r.emu);
	w->mem = (struct mdl_mem){ w, model_read, model_cas };
	w->unit = (struct mdl_vtd_unit){ .id = { regs->id.cap, regs->id.ecap },
					 .rtaddr = RIG_ROOT | (w->scalable ? 1 << 10 : 0),
					 .old_fields = true,
					 .mem = &w->mem };
	w->d.id = regs->id;
	fill_tables(w);
	random_structures(w);
	resync(w);
}

static void run(struct world *w, unsigned worlds)
{
	unsigned i, k;

	w->was = malloc(ENDS - SOUP);
	assert_non_null(w->was);
	while (worlds--) {
		open_world(w);
		for (k = 0; k < 2; k++) {
			for (i = 0; i < ACCESSES; i++)
				one_access(w);
			random_structures(w);
			flush(w);
			resync(w);
		}
		rig_fini(&w->r);
	}
	free(w->was);
}

static void requests(void **state)
{
	unsigned i, kinds = 0, n = (unsigned)iodt_scale(120);
	struct world *w = calloc(1, sizeof(*w));

	(void)state;
	assert_non_null(w);
	diff_start(&w->d);
	run(w, n);
	for (i = 0; i < 256; i++)
		kinds += w->reasons[i] > 0;
	print_message("%u granted, %u refused for %u reasons, %u beyond the model, %u marks\n",
		      w->granted, w->refused, kinds, w->beyond, w->marked);
	for (i = 0; i < 256; i++)
		if (w->reasons[i])
			print_message(" %02x: %u", i, w->reasons[i]);
	print_message("\n");
	assert_true(w->granted > n * ACCESSES / 4 && w->refused > n * ACCESSES / 4);
	assert_true(kinds > 25 && w->beyond < n * ACCESSES / 8);
	free(w);
}

static void twins(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	int twin;

	(void)state;
	assert_non_null(w);
	for (twin = TWIN_NONE + 1; twin < TWIN_LAST; twin++) {
		diff_start(&w->d);
		w->d.twin = twin;
		run(w, 6);
		if (w->d.mismatches <= 5)
			fail_msg("twin %d: %u", twin, w->d.mismatches);
	}
	free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(requests), cmocka_unit_test(twins) };

	return cmocka_run_group_tests_name("requests through VT-d, against the model", tests, NULL,
					   NULL);
}
