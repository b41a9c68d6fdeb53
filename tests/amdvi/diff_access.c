/* SPDX-License-Identifier: MIT */
/*
 * The emulated AMD IOMMU from the device table on, against the model of tests/model, which shares nothing with it: random
 * device table entries and GCR3 tables, legal but for a few bits, over random page tables, under random features. Each
 * access must end as the model says; what is in the event log, read by the model, must be an event that the model
 * allows; and when it is granted memory must be marked as the model marks it, and no more.
 */
#include <inttypes.h>

#include "emurig.h"
#include "mdl_amdvi.h"

#define NR_DEVS 16u
#define PAGES	24u
#define LEVELS	3u /* of GCR3 tables */
#define GPAGES	4u /* of each level */
#define DATAS	64u
#define SOUP	(RIG_BASE + 0x200000) /* host tables */
#define GSOUP	(SOUP + 0x100000)  /* guest tables whose addresses are the system's, and guests' */
#define GCR3	(SOUP + 0x300000)  /* alike */
#define STEP	UINT64_C(0x100000) /* from the former to the latter */
#define MARKS	128u

/* Libraries that are wrong on purpose. */
enum { TWIN_NONE, TWIN_IW, TWIN_HAD, TWIN_GIOV, TWIN_TV, TWIN_STALE, TWIN_LAST };

static uint64_t rng = 1;

static uint64_t rnd(void)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return rng * UINT64_C(0x2545f4914f6cdd1d);
}

static uint64_t below(uint64_t n)
{
	return (rnd() >> 16) % n;
}

static bool chance(unsigned int percent)
{
	return below(100) < percent;
}

/* ---- what the model sees, and does ---- */

struct world {
	struct amdrig r;
	struct mdl_amdvi m;
	struct mdl_mem mem;
	uint64_t host_root;
	struct {
		uint64_t pa, old, new;
	} mark[MARKS];
	unsigned int nr_marks;
	int twin;
	unsigned int mismatches;
	/* tally */
	unsigned int granted, nested, passed, beyond, suppressed, ats, marked, refused[16];
};

static int mem_read(void *cookie, uint64_t pa, uint64_t *val)
{
	struct world *w = cookie;

	if (pa - RIG_BASE >= RIG_BYTES)
		return -1;
	*val = rig_r64(&w->r, pa);
	return 0;
}

static int mem_cmpxchg(void *cookie, uint64_t pa, uint64_t old, uint64_t new, uint64_t *seen)
{
	struct world *w = cookie;

	if (mem_read(w, pa, seen))
		return -1;
	if (*seen != old || old == new)
		return 0;
	assert_true(w->nr_marks < MARKS);
	w->mark[w->nr_marks].pa = pa;
	w->mark[w->nr_marks].old = old;
	w->mark[w->nr_marks++].new = new;
	rig_w64(&w->r, pa, new);
	return 0;
}

/* ---- random memory ---- */

static uint64_t some_page(uint64_t soup, uint64_t off)
{
	if (chance(1))
		return RIG_AWAY;
	return (chance(80) ? soup + below(PAGES) * 4096 : RIG_DATA + below(DATAS) * 4096) + off;
}

static uint64_t host_entry(void)
{
	static const unsigned int next[] = { 0, 0, 0, 0, 1, 1, 1, 2, 2, 3, 4, 5, 7 };
	uint64_t e = some_page(SOUP, 0) | V1_NL(next[below(IODT_ARRAY_SIZE(next))]);

	e |= chance(92) ? V1_PR : 0;
	e |= chance(88) ? V1_IR : 0;
	e |= chance(88) ? V1_IW : 0;
	e |= rnd() & (V1_A | V1_D);
	e |= rnd() & (IODT_BIT(1) | IODT_BIT(4) | IODT_BIT(63)); /* ignored */
	if (chance(2))
		e |= IODT_BIT(52 + below(5)); /* 58:57 mean something in newer revisions */
	/* a size code is that of a run, and a run of one is none */
	return (e >> 9 & 7) == 7 ? e & ~V1_PR : e;
}

static uint64_t guest_entry(uint64_t soup, uint64_t off)
{
	uint64_t e = some_page(soup, off) | (rnd() & (V2_A | V2_D | V2_XD));

	e |= chance(94) ? V2_P : 0;
	e |= chance(88) ? V2_W : 0;
	e |= chance(93) ? V2_U : 0;
	if (chance(10))
		e = (e & ~UINT64_C(0x1ff000)) | V2_PS;
	return e;
}

/* A GCR3 table entry: the next table, or a root of guest tables. */
static uint64_t gcr3_entry(unsigned int level, unsigned int which)
{
	uint64_t off = which ? RIG_GPA : 0, e;

	if (level)
		e = GCR3 + which * STEP + ((level - 1) * GPAGES + below(GPAGES)) * 4096;
	else
		e = GSOUP + which * STEP + below(PAGES) * 4096;
	e += off;
	if (chance(2))
		e = RIG_AWAY;
	return e | chance(92);
}

/* A well-formed run of 2^lg2 entries in a table of 4 KiB pages. */
static void put_run(struct amdrig *r, uint64_t table)
{
	unsigned int lg2 = 1 + (unsigned int)below(8), i, nr = 1u << lg2;
	uint64_t at = table + below(512 >> lg2) * nr * 8;
	uint64_t code = ((UINT64_C(1) << (lg2 + 11)) - 1) & ~UINT64_C(0xfff);
	uint64_t e = RIG_DATA | code | V1_NL(7) | V1_PR | V1_IR | (chance(80) ? V1_IW : 0);

	for (i = 0; i < nr; i++)
		rig_w64(r, at + i * 8, e);
}

static void fill_tables(struct world *w)
{
	struct amdrig *r = &w->r;
	unsigned int page, i, which;

	for (page = 0; page < PAGES; page++) {
		for (i = 0; i < 512; i++) {
			rig_w64(r, SOUP + page * 4096 + i * 8, host_entry());
			for (which = 0; which < 2; which++)
				rig_w64(r, GSOUP + which * STEP + page * 4096 + i * 8,
					guest_entry(GSOUP + which * STEP, which ? RIG_GPA : 0));
		}
		if (chance(40))
			put_run(r, SOUP + page * 4096);
	}
	for (page = 0; page < LEVELS * GPAGES; page++) {
		for (i = 0; i < 512; i++)
			for (which = 0; which < 2; which++)
				rig_w64(r, GCR3 + which * STEP + page * 4096 + i * 8,
					gcr3_entry(page / GPAGES, which));
	}
}

/* The sane host table: page by page, some missing, read-only, marked or not. */
static void vary_host(struct world *w, uint64_t from, unsigned int pages)
{
	uint64_t pa, attr;

	for (pa = from; pa < from + pages * UINT64_C(4096); pa += 4096) {
		attr = V1_RW;
		if (chance(5))
			attr &= ~(chance(50) ? V1_IW : chance(50) ? V1_IR : V1_PR);
		attr |= rnd() & (V1_A | V1_D);
		if (chance(1))
			attr |= IODT_BIT(55);
		rig_w64(&w->r, rig_host_leaf(&w->r, w->host_root, pa + RIG_GPA), pa | attr);
	}
}

static void some_dte(struct world *w, uint32_t devid)
{
	static const unsigned int hads[] = { 0, 1, 3, 3 };
	unsigned int kind = (unsigned int)below(8), mode = 3, glx, spoilt;
	uint64_t word[4] = { 0 }, root = SOUP + below(PAGES) * 4096, gcr3;
	bool nested = kind >= 4, spas = !nested;

	if (chance(50))
		mode = 1 + (unsigned int)below(5);
	glx = (unsigned int)below(1 + (chance(95) ? w->m.id.efr >> 14 & 3 : 2));
	if (nested && chance(85)) {
		mode = 3;
		root = w->host_root;
	}
	gcr3 = GCR3 + (glx * GPAGES + below(GPAGES)) * 4096;
	gcr3 += spas ? 0 : STEP + RIG_GPA;
	word[0] = DTE_V | (chance(96) ? DTE_TV : 0) | DTE_HAD(hads[below(4)]);
	word[0] |= chance(90) ? DTE_IR : 0;
	word[0] |= chance(90) ? DTE_IW : 0;
	if (kind < 2 || nested)
		word[0] |= DTE_MODE(mode) | root;
	if (kind >= 2) {
		word[0] |= chance(95) ? DTE_GV : 0;
		word[0] |= (chance(40) ? DTE_GIOV : 0) | DTE_GLX(glx) | DTE0_GCR3(gcr3);
		word[1] |= DTE1_GCR3(gcr3);
	}
	word[1] |= DTE1_DOM(below(1000)) | (chance(60) ? DTE1_I : 0);
	word[1] |= (chance(10) ? DTE1_SE : 0) | (chance(10) ? DTE1_SA : 0);
	word[2] = DTE2_GPM(chance(w->m.id.efr >> 12 & 1 ? 20 : 1));
	/* not of the roots: tables of other structures may say what newer revisions alone know (58:57 of leaves) */
	spoilt = 256;
	if (chance(12))
		spoilt = (unsigned int)below(256);
	if (spoilt < 256 && (spoilt < 12 || spoilt > 51))
		word[spoilt / 64] ^= IODT_BIT(spoilt % 64);
	if (chance(2))
		word[0] = 0;
	rig_dte(&w->r, devid, word[0], word[1], word[2], word[3]);
}

static void fill_structures(struct world *w)
{
	uint32_t i;

	for (i = 0; i < NR_DEVS; i++)
		some_dte(w, i);
	vary_host(w, GSOUP + STEP, PAGES);
	vary_host(w, GCR3 + STEP, LEVELS * GPAGES);
	vary_host(w, RIG_DATA, DATAS);
}

/* ---- one access ---- */

static uint64_t some_iova(void)
{
	uint64_t iova = below(0x1000);
	unsigned int level, levels = chance(60) ? 3 : chance(75) ? 4 : 6;

	for (level = 0; level < levels; level++)
		if (chance(70))
			iova |= below(512) << (12 + 9 * level);
	if (chance(10))
		iova += RIG_GPA + RIG_DATA;
	if (chance(4))
		return rnd();
	return chance(20)   ? iova | ~UINT64_C(0) << 47
	       : chance(70) ? iova & ~(~UINT64_C(0) << 47)
			    : iova;
}

static struct mdl_amdvi_access some_access(struct world *w)
{
	struct mdl_amdvi_access a = {
		.devid = (unsigned)below(chance(98) ? NR_DEVS : 300),
		.iova = some_iova(),
		.write = chance(50),
		.ats = chance(8),
	};

	/* guest tables are asked with PASIDs, mostly */
	a.has_pasid =
		chance(rig_r64(&w->r, RIG_DEVTAB + a.devid % NR_DEVS * 32u) & DTE_GV ? 85 : 5);
	a.translated = !a.ats && chance(3);
	a.exec = !a.ats && !a.write && chance(20);
	if (a.has_pasid)
		a.pasid = (unsigned)below(UINT64_C(1) << (1 + below(chance(93) ? 9 : 20)));
	return a;
}

static bool same_event(const struct mdl_amdvi_answer *want, const struct mdl_amdvi_event *e)
{
	const struct mdl_amdvi_event *m = &want->event;

	if (m->type != e->type || m->devid != e->devid || e->irq || e->res[0] || e->res[1])
		return false;
	if ((want->sure.gn && (m->gn != e->gn || m->nx != e->nx)) ||
	    (want->sure.us && m->us != e->us) || (want->sure.pr && m->pr != e->pr) ||
	    (want->sure.rw && m->rw != e->rw) || (want->sure.pe && m->pe != e->pe) ||
	    (want->sure.rz && m->rz != e->rz) || (want->sure.addr && m->addr != e->addr))
		return false;
	return !want->sure.gn || (m->gn ? m->pasid == e->pasid : m->domain == e->domain);
}

/* Refused as one of the answers has it: that is in the log, or nothing is. */
static bool rightly_refused(struct world *w, const struct mdl_amdvi_result *want)
{
	struct mdl_amdvi_event e = { 0 };
	uint64_t raw[2];
	bool logged = rig_event(&w->r, raw);
	unsigned int i;

	if (logged)
		mdl_amdvi_event(raw, &e);
	for (i = 0; i < want->refused; i++) {
		const struct mdl_amdvi_answer *a = &want->why[i];

		if (a->event.type && a->logged ? logged && same_event(a, &e) : !logged)
			return !rig_event(&w->r, raw);
	}
	return false;
}

static uint64_t bits_set(struct world *w)
{
	struct iod_iotlb_stats stats = { .size = sizeof(stats) };
	uint64_t n = 0;
	unsigned int stage;

	for (stage = 1; stage <= 2; stage++) {
		iodt_assert_ok(iod_iotlb_get_stats(iod_amdvi_emu_iotlb(w->r.emu, stage), &stats));
		n += stats.set_access + stats.set_dirty;
	}
	return n;
}

/* All that the model marks is there, and nothing else. */
static bool rightly_marked(struct world *w, uint64_t set)
{
	unsigned int i, n = 0;

	for (i = 0; i < w->nr_marks; i++) {
		n += (unsigned int)__builtin_popcountll(w->mark[i].old ^ w->mark[i].new);
		if ((rig_r64(&w->r, w->mark[i].pa) & w->mark[i].new) != w->mark[i].new)
			return false;
	}
	w->marked += n;
	return set == n;
}

static bool agrees(struct world *w, const struct mdl_amdvi_access *a,
		   const struct mdl_amdvi_result *want, int ret, uint64_t set)
{
	uint32_t need = a->write ? IOD_PROT_WRITE : IOD_PROT_READ;
	uint64_t raw[2];

	if (a->ats && !ret) {
		w->ats++;
		if (rig_event(&w->r, raw))
			return false;
		if (want->refused)
			return !want->why[0].event.type && !(w->r.res.prot & need);
		return !(w->r.res.prot & need) ? a->write || !w->r.res.prot
					       : w->r.res.pa == want->pa;
	}
	if (want->refused)
		return ret == -EFAULT && rightly_refused(w, want);
	return !ret && w->r.res.pa == want->pa && !rig_event(&w->r, raw) && rightly_marked(w, set);
}

static void show(struct world *w, const struct mdl_amdvi_access *a,
		 const struct mdl_amdvi_result *want, int ret, uint64_t set)
{
	const struct mdl_amdvi_event *m;
	const struct iod_amdvi_event *e = &w->r.ev;
	unsigned int i;

	print_error(
		"EFR %" PRIx64 " control %" PRIx64 " device %u pasid %d iova %" PRIx64 "%s%s%s\n",
		w->m.id.efr, w->m.control, a->devid, a->has_pasid ? (int)a->pasid : -1, a->iova,
		a->write ? " write" : "", a->ats ? " ATS" : "", a->translated ? " translated" : "");
	for (i = 0; a->devid < 256 && i < 4; i++)
		print_error("  DTE word %u %" PRIx64 "\n", i,
			    rig_r64(&w->r, RIG_DEVTAB + a->devid * 32u + i * 8));
	for (i = 0; i < want->refused; i++) {
		m = &want->why[i].event;
		print_error("  model: type %u gn %d us %d pr %d rw %d pe %d rz %d dom %u pasid %u "
			    "addr %" PRIx64 " logged %d\n",
			    m->type, m->gn, m->us, m->pr, m->rw, m->pe, m->rz, m->domain, m->pasid,
			    m->addr, want->why[i].logged);
	}
	if (!want->refused)
		print_error("  model: granted %" PRIx64 "\n", want->pa);
	print_error(
		"  emulator: %d type %d gn %d us %d pr %d rw %d pe %d rz %d dom %u pasid %u addr "
		"%" PRIx64 " recorded %d; pa %" PRIx64 " prot %u, %" PRIu64 " marks\n",
		ret, (int)e->type, e->gn, e->us, e->pr, e->rw, e->pe, e->rz, e->domain, e->pasid,
		e->addr, w->r.res.recorded, w->r.res.pa, w->r.res.prot, set);
	for (i = 0; i < w->nr_marks; i++)
		print_error("  mark %" PRIx64 ": %" PRIx64 " to %" PRIx64 ", is %" PRIx64 "\n",
			    w->mark[i].pa, w->mark[i].old, w->mark[i].new,
			    rig_r64(&w->r, w->mark[i].pa));
}

/* The library sees another device table than the model. A second time undoes it. */
static void break_dte(struct world *w, uint32_t devid)
{
	static const uint64_t bits[] = {
		[TWIN_IW] = DTE_IW,
		[TWIN_HAD] = DTE_HAD(2),
		[TWIN_GIOV] = DTE_GIOV,
		[TWIN_TV] = DTE_TV,
	};
	uint64_t pa = RIG_DEVTAB + devid * 32u, bit = w->twin < TWIN_STALE ? bits[w->twin] : 0;

	if (!bit || devid >= NR_DEVS)
		return;
	rig_w64(&w->r, pa, rig_r64(&w->r, pa) ^ bit);
}

static void one(struct world *w)
{
	struct mdl_amdvi_access a = some_access(w);
	uint32_t access = a.write  ? IOD_ACCESS_WRITE
			  : a.exec ? IOD_ACCESS_READ | IOD_ACCESS_EXEC
				   : IOD_ACCESS_READ;
	uint32_t flags =
		(a.ats ? IOD_EMU_REQ_ATS : 0) | (a.translated ? IOD_EMU_REQ_TRANSLATED : 0);
	struct mdl_amdvi_result want;
	unsigned int i;
	uint64_t set;
	int ret;

	w->nr_marks = 0;
	mdl_amdvi_access(&w->m, &a, &want);
	for (i = w->nr_marks; i--;)
		rig_w64(&w->r, w->mark[i].pa, w->mark[i].old);
	if (want.beyond) {
		w->beyond++;
		return;
	}
	if (w->twin != TWIN_STALE) {
		iodt_assert_ok(iod_amdvi_emu_reset(w->r.emu));
		rig_enable(&w->r, w->m.control);
	}
	break_dte(w, a.devid);
	set = bits_set(w);
	ret = rig_req(&w->r, a.devid, a.has_pasid ? (int64_t)a.pasid : -1, a.iova, access, flags);
	set = bits_set(w) - set;
	break_dte(w, a.devid);
	if (!agrees(w, &a, &want, ret, set)) {
		w->mismatches++;
		if (!w->twin) {
			show(w, &a, &want, ret, set);
			fail_msg("disagreement");
		}
	}
	w->granted += !want.refused;
	w->nested += !want.refused && want.nested;
	w->passed += want.passes;
	if (want.refused)
		w->refused[want.why[0].event.type]++;
	w->suppressed += want.refused && want.why[0].event.type && !want.why[0].logged;
}

/* ---- worlds ---- */

static void some_id(struct iod_amdvi_id *id)
{
	iodt_assert_ok(iod_amdvi_id_full(id));
	if (chance(20))
		id->efr &= ~IOD_AMDVI_EFR_HATS;
	if (chance(20))
		id->efr &= ~IOD_AMDVI_EFR_GATS;
	if (chance(20))
		id->efr &= ~IOD_AMDVI_EFR_GLXSUP;
	if (chance(10))
		id->efr &= ~(IOD_AMDVI_EFR_HDSUP | (chance(50) ? IOD_AMDVI_EFR_HASUP : 0));
	if (chance(20))
		id->efr = (id->efr & ~IOD_AMDVI_EFR_PASMAX) | below(20) << 32;
	if (chance(10))
		id->efr &= ~IOD_AMDVI_EFR_GIOSUP;
}

static uint64_t some_control(void)
{
	uint64_t control = CTRL_ALL;

	control &= chance(10) ? ~CTRL_GT : UINT64_MAX;
	control &= chance(10) ? ~CTRL_TRP : UINT64_MAX;
	return chance(2) ? control & ~CTRL_IOMMU : control;
}

static void run_world(struct world *w, unsigned int accesses)
{
	struct iod_amdvi_emu_cfg cfg = { 0 };
	struct iod_amdvi_id id;
	unsigned int i;

	some_id(&id);
	cfg.id = &id;
	rig_init(&w->r, &cfg);
	id = iod_amdvi_emu_regs(w->r.emu)->id;
	w->mem = (struct mdl_mem){ w, mem_read, mem_cmpxchg };
	w->m = (struct mdl_amdvi){ .id = { id.efr, id.efr2 },
				   .devtab_base = RIG_DEVTAB | 1,
				   .control = CTRL_ALL,
				   .mem = &w->mem };
	w->host_root = rig_host(&w->r, V1_RW);
	fill_tables(w);
	for (i = 0; i < accesses; i++) {
		if (i % 100 == 0) {
			fill_structures(w);
			w->m.control = some_control();
			iodt_assert_ok(iod_amdvi_emu_reset(w->r.emu));
			rig_enable(&w->r, w->m.control);
		}
		if (w->twin == TWIN_STALE)
			some_dte(w, (uint32_t)below(NR_DEVS));
		one(w);
	}
	rig_fini(&w->r);
}

static void random_accesses(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	unsigned int world, i, rounds = iodt_scale(40);

	(void)state;
	assert_non_null(w);
	if (getenv("IOD_SEED"))
		rng = strtoull(getenv("IOD_SEED"), NULL, 0) | 1;
	for (world = 0; world < rounds; world++)
		run_world(w, 3000);
	print_message(
		"granted %u (nested %u, untranslated %u), %u bits marked, ATS %u, suppressed %u, "
		"beyond %u\n",
		w->granted, w->nested, w->passed, w->marked, w->ats, w->suppressed, w->beyond);
	for (i = 0; i < IODT_ARRAY_SIZE(w->refused); i++)
		if (w->refused[i])
			print_message("  refused with %u: %u\n", i, w->refused[i]);
	assert_true(w->granted > 100 * rounds && w->nested > 10 * rounds);
	assert_true(w->marked > 100 * rounds);
	free(w);
}

/* A library that reads the device table wrong, or goes on with what it had cached, is found out. */
static void twins(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	int twin;

	(void)state;
	assert_non_null(w);
	for (twin = TWIN_IW; twin < TWIN_LAST; twin++) {
		memset(w, 0, sizeof(*w));
		w->twin = twin;
		run_world(w, 5000);
		print_message("twin %d: %u mismatches\n", twin, w->mismatches);
		assert_true(w->mismatches > 10);
	}
	free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_accesses),
		cmocka_unit_test(twins),
	};

	return cmocka_run_group_tests_name("AMD IOMMU against the model", tests, NULL, NULL);
}
