/* SPDX-License-Identifier: MIT */
/*
 * The emulated SMMU against the model of tests/model, which shares nothing with it: random structures, legal but for
 * a few bits, over a soup of random descriptors; each access must end as the model says, and each event be one that
 * the model allows, with every field.
 */
#include "emurig.h"
#include "mdl_smmu.h"

#define SOUP	   RIG_DATA
#define SOUP_BYTES UINT64_C(0x400000)
#define CDS	   (RIG_BASE + 0x80000) /* 64 KiB: 1024 CDs */
#define SANE_S2	   (RIG_BASE + 0x60000) /* roots whose IPAs are PAs: four pages, by attributes */
#define NR_SIDS	   16u

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

static int read64(void *cookie, uint64_t pa, uint64_t *val)
{
	if (pa - RIG_BASE >= RIG_BYTES)
		return -1;
	*val = rig_r64(cookie, pa);
	return 0;
}

/* ---- random memory ---- */

static uint64_t random_descriptor(void)
{
	uint64_t addr = SOUP + (below(SOUP_BYTES) & ~UINT64_C(0xfff)), d;

	if (chance(2))
		addr = RIG_AWAY + (addr & 0xffff000);
	if (chance(1))
		addr |= IODT_BIT(41);
	d = addr | (rnd() & (IODT_BIT(6) | IODT_BIT(7) | IODT_BIT(11) | PTE_DBM)) | 3;
	d |= chance(60) ? IODT_BIT(6) : 0;
	d |= chance(80) ? PTE_AF : 0;
	d |= (uint64_t)0xf << 2;
	if (chance(8))
		d &= ~UINT64_C(2);
	if (chance(2))
		d &= ~UINT64_C(1);
	if (chance(3))
		d |= (rnd() & 3) << 61; /* APTable */
	return d; /* no contiguous bits: a mixed group may be read either way */
}

static void fill_soup(struct emurig *r)
{
	uint64_t pa;

	for (pa = SOUP; pa < SOUP + SOUP_BYTES; pa += 8)
		rig_w64(r, pa, random_descriptor());
}

/* 1 GiB blocks: writable; writable-clean; read-only; of AF 0. */
static void fill_sane(struct emurig *r)
{
	static const uint64_t attr[] = {
		S2_RW_PAGE & ~UINT64_C(2),
		S2_CLEAN_PAGE & ~UINT64_C(2),
		S2_RW_PAGE & ~UINT64_C(2) & ~S2_W,
		S2_RW_PAGE & ~UINT64_C(2) & ~PTE_AF,
	};
	uint64_t i, n;

	for (n = 0; n < 4; n++) {
		for (i = 0; i < 512; i++)
			rig_w64(r, SANE_S2 + n * 4096 + i * 8, i << 30 | attr[n]);
	}
}

/* Words with some bits changed. */
static void spoil(uint64_t *w, unsigned int n, unsigned int percent)
{
	if (chance(percent))
		w[below(n)] ^= IODT_BIT(below(64));
	if (chance(percent / 4))
		w[below(n)] = rnd();
}

static void random_cd(struct emurig *r, uint64_t pa)
{
	static const unsigned int tg1[] = { 2, 3, 1 };
	unsigned int tg0 = (unsigned int)below(3), tg = (unsigned int)below(3), i;
	uint64_t w[8] = { 0 };

	w[0] = CD_T0SZ(16 + below(24)) | (uint64_t)tg0 << 6 | CD_T1SZ(16 + below(24)) |
	       (uint64_t)tg1[tg] << 22 | CD_V | CD_IPS(chance(80) ? 5 : below(8)) |
	       CD_ASID(below(4));
	w[0] |= chance(85) ? CD_AA64 : 0;
	w[0] |= chance(20) ? CD_EPD0 : 0;
	w[0] |= chance(60) ? CD_EPD1 : 0;
	w[0] |= chance(50) ? CD_HA : 0;
	w[0] |= chance(50) ? CD_HD : 0;
	w[0] |= chance(80) ? CD_R : 0;
	w[0] |= chance(50) ? CD_A : 0;
	w[0] |= chance(20) ? CD_S : 0;
	w[0] |= chance(20) ? CD_AFFD : 0;
	w[0] |= chance(20) ? CD_TBI0 | IODT_BIT(39) : 0;
	w[0] |= chance(10) ? IODT_BIT(40) /* PAN */ : 0;
	w[0] |= chance(10) ? CD_WXN : 0;
	w[1] = SOUP + (below(SOUP_BYTES) & ~UINT64_C(0xffff));
	w[1] |= chance(30) ? IODT_BIT(3) : 0; /* HAFT */
	w[1] |= chance(10) ? IODT_BIT(2) : 0; /* E0PD0 */
	w[2] = SOUP + (below(SOUP_BYTES) & ~UINT64_C(0xffff));
	w[3] = 0xff;
	spoil(w, 4, 20);
	for (i = 0; i < 8; i++)
		rig_w64(r, pa + i * 8, w[i]);
}

static void random_ste(struct emurig *r, uint32_t sid)
{
	static const unsigned int config[] = { 0, 4, 5, 5, 5, 6, 6, 7, 7, 7, 7, 7 };
	static const unsigned int sl0_start[4] = { 30, 21, 12, 48 }; /* S2T0SZ from, 4 KiB */
	uint64_t w[8] = { 0 };
	unsigned int sl0 = (unsigned int)below(3), i;
	bool sane = chance(70);

	w[0] = STE_V | STE_CONFIG(config[below(IODT_ARRAY_SIZE(config))]) | STE_S1FMT(below(3)) |
	       STE_S1CDMAX(chance(50) ? 0 : below(12)) | (CDS + (below(16) << 12));
	w[1] = STE1_S1DSS(below(4)) | (chance(25) ? (uint64_t)below(4) << 48 : 0); /* PRIVCFG */
	w[1] |= chance(10) ? (uint64_t)2 << 30 : 0;				   /* STRW: EL2 */
	w[2] = STE2_VMID(below(4)) | STE2_PS(chance(80) ? 5 : below(8)) | STE2_AA64;
	if (sane)
		w[2] |= STE2_T0SZ(25) | STE2_SL0(1);
	else
		w[2] |= STE2_SL0(sl0) | STE2_T0SZ(sl0_start[sl0] + below(16)) |
			(uint64_t)below(3) << 46;
	w[2] |= chance(50) ? STE2_HA : 0;
	w[2] |= chance(50) ? STE2_HD : 0;
	w[2] |= chance(80) ? STE2_R : 0;
	w[2] |= chance(15) ? STE2_S : 0;
	w[2] |= chance(15) ? STE2_AFFD : 0;
	w[2] |= chance(15) ? IODT_BIT(59) : 0; /* S2HAFT */
	w[3] = sane ? SANE_S2 + below(4) * 4096 : SOUP + (below(SOUP_BYTES) & ~UINT64_C(0xffff));
	spoil(w, 4, 15);
	w[1] &= ~((uint64_t)3 << 50); /* INSTCFG: the emulator has no execute-only pages */
	w[2] &= ~IODT_BIT(54);	      /* S2PTW is not modelled by the emulator */
	for (i = 0; i < 8; i++)
		rig_w64(r, RIG_STRTAB + sid * 64 + i * 8, w[i]);
}

static void random_structures(struct emurig *r)
{
	uint64_t i;

	for (i = 0; i < NR_SIDS; i++)
		random_ste(r, (uint32_t)i);
	for (i = 0; i < 1024; i++) {
		if (chance(20)) /* level-1 descriptors lie here too */
			rig_w64(r, CDS + i * 64, CDS | chance(95));
		else
			random_cd(r, CDS + i * 64);
	}
}

/* ---- Accessed and Dirty of one stage: what the model would write, and is not let ---- */

struct marks {
	struct emurig *r;
	unsigned int nr;
	uint64_t pa[8], old[8], val[8];
};

static int mark_read(void *cookie, uint64_t pa, uint64_t *val)
{
	return read64(((struct marks *)cookie)->r, pa, val);
}

static int mark_write(void *cookie, uint64_t pa, uint64_t old, uint64_t new_, uint64_t *seen)
{
	struct marks *m = cookie;

	if (read64(m->r, pa, seen))
		return -1;
	assert_true(*seen == old && m->nr < IODT_ARRAY_SIZE(m->pa));
	m->pa[m->nr] = pa;
	m->old[m->nr] = old;
	m->val[m->nr++] = new_;
	return 0;
}

/* Streams with one stage, without privileges: what mdl_access() knows of. */
static void expect_marks(const struct mdl_smmu *smmu, const struct mdl_smmu_access *a,
			 const struct mdl_smmu_result *want, struct marks *marks)
{
	const struct mdl_mem mem = { marks, mark_read, mark_write };
	struct mdl_table t;

	if (want->ste.config == 6)
		mdl_ste_table(&want->ste, &smmu->id, &t);
	else
		mdl_cd_table(&want->cd, &smmu->id, a->iova >> 55 & 1, &t);
	mdl_access(&t, &mem, a->iova, a->write, NULL);
}

static unsigned int bits_of(uint64_t v)
{
	unsigned int n = 0;

	for (; v; v &= v - 1)
		n++;
	return n;
}

static uint64_t bits_set(struct emurig *r)
{
	struct iod_iotlb_stats s[2] = { { .size = sizeof(s[0]) }, { .size = sizeof(s[0]) } };

	assert_int_equal(iod_iotlb_get_stats(iod_smmuv3_emu_iotlb(r->emu, 1), &s[0]), 0);
	assert_int_equal(iod_iotlb_get_stats(iod_smmuv3_emu_iotlb(r->emu, 2), &s[1]), 0);
	return s[0].set_access + s[0].set_dirty + s[1].set_access + s[1].set_dirty;
}

/* All of these were written, and nothing else. */
static void check_marks(struct emurig *r, const struct marks *marks, uint64_t set)
{
	unsigned int i, n = 0;

	for (i = 0; i < marks->nr; i++) {
		assert_true(rig_r64(r, marks->pa[i]) == marks->val[i]);
		n += bits_of(marks->old[i] ^ marks->val[i]);
	}
	assert_int_equal(set, n);
}

/* ---- comparison ---- */

static bool same_event(const struct mdl_smmu_refusal *why, const struct emurig *r)
{
	const struct iod_smmuv3_event *e = &r->ev;
	const struct mdl_smmu_event *m = &why->event;

	if (!m->type)
		return !e->type && r->res.outcome == IOD_EMU_ABORTED;
	return m->type == (unsigned int)e->type && m->sid == e->sid &&
	       (m->ssv == e->ssv || m->type == 8) && /* that record has no SSV */
	       m->ssid == e->ssid && m->stall == e->stall && m->pnu == e->pnu && m->ind == e->ind &&
	       m->rnw == e->rnw && m->cls == e->cls && m->s2 == e->s2 && m->ttrnw == e->ttrnw &&
	       m->addr == e->addr && (m->ipa & UINT64_C(0xfffffffffff000)) == e->ipa &&
	       (m->fetch & UINT64_C(0xfffffffffffff8)) == e->fetch &&
	       why->record == r->res.recorded &&
	       (r->res.outcome == IOD_EMU_STALLED
			? m->stall
			: why->abort == (r->res.outcome == IOD_EMU_ABORTED));
}

static void show_cd(const struct mdl_smmu *smmu, const struct mdl_smmu_result *m)
{
	const char *why = m->have_cd ? mdl_cd_illegal(&m->ste, &m->cd, &smmu->id, false) : NULL;

	if (m->have_cd)
		print_error(
			"  cd v %d aa64 %d t0sz %u tg0 %u epd0 %d t1sz %u tg1 %u epd1 %d ips %u ha %d hd %d "
			"s %d r %d a %d affd %d ttb0 %#llx ttb1 %#llx: %s\n",
			m->cd.v, m->cd.aa64, m->cd.t0sz, m->cd.tg0, m->cd.epd0, m->cd.t1sz,
			m->cd.tg1, m->cd.epd1, m->cd.ips, m->cd.ha, m->cd.hd, m->cd.s, m->cd.r,
			m->cd.a, m->cd.affd, (unsigned long long)m->cd.ttb0,
			(unsigned long long)m->cd.ttb1, why ? why : "legal");
}

static void show(const struct mdl_smmu_access *a, const struct mdl_smmu_result *m,
		 const struct emurig *r, int ret)
{
	unsigned int i;

	print_error("sid %u ssid %d iova %#llx %s%s%s\n", a->sid, a->ssv ? (int)a->ssid : -1,
		    (unsigned long long)a->iova, a->write ? "write" : "read",
		    a->priv ? " priv" : "", a->inst ? " inst" : "");
	for (i = 0; a->sid < NR_SIDS && i < 4; i++)
		print_error("  ste word %u %#llx\n", i,
			    (unsigned long long)rig_r64((struct emurig *)(uintptr_t)r,
							RIG_STRTAB + a->sid * 64u + i * 8));
	for (i = 0; i < m->refused; i++)
		print_error(
			"  model: type %#x cls %u s2 %d rnw %d pnu %d ttrnw %d stall %d addr %#llx "
			"ipa %#llx fetch %#llx record %d abort %d ssv %d\n",
			m->why[i].event.type, m->why[i].event.cls, m->why[i].event.s2,
			m->why[i].event.rnw, m->why[i].event.pnu, m->why[i].event.ttrnw,
			m->why[i].event.stall, (unsigned long long)m->why[i].event.addr,
			(unsigned long long)m->why[i].event.ipa,
			(unsigned long long)m->why[i].event.fetch, m->why[i].record,
			m->why[i].abort, m->why[i].event.ssv);
	if (!m->refused)
		print_error("  model: granted %#llx\n", (unsigned long long)m->pa);
	print_error(
		"  emu: ret %d pa %#llx type %#x cls %u s2 %d rnw %d pnu %d ttrnw %d stall %d addr "
		"%#llx ipa %#llx fetch %#llx record %d outcome %d ssv %d\n",
		ret, (unsigned long long)r->res.pa, (unsigned int)r->ev.type, r->ev.cls, r->ev.s2,
		r->ev.rnw, r->ev.pnu, r->ev.ttrnw, r->ev.stall, (unsigned long long)r->ev.addr,
		(unsigned long long)r->ev.ipa, (unsigned long long)r->ev.fetch, r->res.recorded,
		(int)r->res.outcome, r->ev.ssv);
}

static bool agree(const struct mdl_smmu_result *m, const struct emurig *r, int ret)
{
	unsigned int i;

	if (!m->refused)
		return ret == 0 && r->res.pa == m->pa;
	if (ret != -EFAULT && ret != -EAGAIN)
		return false;
	for (i = 0; i < m->refused; i++) {
		if (same_event(&m->why[i], r))
			return true;
	}
	return false;
}

struct tally {
	unsigned int granted, refused[256], beyond, nested, marked;
};

/* Not modelled by the emulator, which refuses: 32-bit LPAE with an upper half of T1SZ = 0, and stage 2 of it with
 * more than 32 bits. */
static bool not_walked(const struct mdl_smmu_result *m, uint64_t iova)
{
	unsigned int t0 = m->cd.t0sz & 7;

	if (m->have_ste && m->ste.config >= 6 && !m->ste.s2aa64 && (m->ste.s2t0sz & 8))
		return true;
	return m->have_cd && !m->cd.aa64 && t0 && !(m->cd.t1sz & 7) && iova >> (32 - t0);
}

/* In doubt. mdl_access() is for the unprivileged, and knows of no top bytes, AFFD or EL2. */
static bool access_is_priv(const struct mdl_smmu_result *m, uint32_t access)
{
	return (access & IOD_ACCESS_PRIV) || m->ste.privcfg || m->ste.strw || m->cd.tbi0 ||
	       m->cd.tbi1 || m->cd.affd || m->ste.s2affd || !(m->have_cd ? m->cd.aa64 : true);
}

static void one(struct emurig *r, struct mdl_smmu *m, struct tally *tally)
{
	struct mdl_smmu_access a = {
		.sid = (uint32_t)below(NR_SIDS + (chance(2) ? 100 : 0)),
		.ssv = chance(40),
		.iova = rnd() & (chance(90) ? (IODT_BIT(25 + below(15)) - 1) : UINT64_MAX),
		.write = chance(40),
		.priv = chance(40),
	};
	uint32_t access = a.write ? IOD_ACCESS_WRITE : IOD_ACCESS_READ;
	struct marks marks = { .r = r };
	struct mdl_smmu_result want;
	bool one_stage;
	uint64_t set;
	int ret;

	a.ssid = a.ssv ? (uint32_t)below(chance(90) ? 16 : 1 << 20) : 0;
	if (chance(10))
		a.iova |= (uint64_t)0xffff << 48;
	if (chance(5))
		a.iova |= (rnd() & 0xff) << 56;
	access |= a.priv ? IOD_ACCESS_PRIV : 0;
	mdl_smmu_access(m, &a, &want);
	if (want.beyond || not_walked(&want, a.iova)) {
		tally->beyond++;
		return;
	}
	one_stage = !want.refused &&
		    (want.ste.config == 6 || (want.ste.config == 5 && want.have_cd)) &&
		    !access_is_priv(&want, access) && want.have_cd == (want.ste.config == 5);
	if (one_stage)
		expect_marks(m, &a, &want, &marks);
	set = bits_set(r);
	ret = rig_access(r, a.sid, a.ssv ? (int64_t)a.ssid : -1, a.iova, access);
	if (!agree(&want, r, ret)) {
		show_cd(m, &want);
		show(&a, &want, r, ret);
		fail_msg("disagreement");
	}
	if (one_stage) {
		check_marks(r, &marks, bits_set(r) - set);
		tally->marked += marks.nr > 0;
	}
	tally->granted += !want.refused;
	tally->nested += !want.refused && want.ste.config == 7;
	if (want.refused)
		tally->refused[want.why[0].event.type]++;
}

/* As after reset, with the tables as they are: no cache keeps what the model does not know of. */
static void afresh(struct emurig *r, bool e2h)
{
	assert_int_equal(iod_smmuv3_emu_reset(r->emu), 0);
	rig_enable(r, 0);
	iod_smmuv3_emu_regs(r->emu)->cr2 |= e2h;
}

static void random_accesses(void **state)
{
	static const uint32_t httu[] = { 3, 3, 3, 2, 1, 0 };
	struct iod_smmuv3_emu_cfg cfg = { 0 };
	struct iod_smmuv3_id id = rig_id;
	struct tally tally = { 0 };
	struct mdl_smmu m = { .strtab_base = RIG_STRTAB, .strtab_cfg = 6, .recinvsid = true };
	unsigned int world, i, rounds = iodt_scale(24);
	struct mdl_mem mem = { .read64 = read64 };
	struct emurig rig;

	(void)state;
	if (getenv("IOD_SEED"))
		rng = strtoull(getenv("IOD_SEED"), NULL, 0) | 1;
	for (world = 0; world < rounds; world++) {
		id = rig_id;
		id.idr[0] = (id.idr[0] & ~(3u << 6)) | httu[world % IODT_ARRAY_SIZE(httu)] << 6;
		id.idr[0] |= chance(20) ? IOD_SMMUV3_IDR0_TERM_MODEL : 0;
		id.idr[1] |= chance(50) ? 1u << 26 : 0;
		cfg.id = &id;
		m.e2h = chance(30);
		rig_init(&rig, &cfg);
		fill_soup(&rig);
		fill_sane(&rig);
		mem.cookie = &rig;
		m.mem = &mem;
		memcpy(m.id.idr, iod_smmuv3_emu_regs(rig.emu)->id.idr, sizeof(m.id.idr));
		for (i = 0; i < 3000; i++) {
			if (i % 100 == 0)
				random_structures(&rig);
			afresh(&rig, m.e2h);
			rig.nr_resumed = 0;
			one(&rig, &m, &tally);
		}
		rig_fini(&rig);
	}
	print_message("granted %u (nested %u), marked %u, beyond %u\n", tally.granted, tally.nested,
		      tally.marked, tally.beyond);
	for (i = 0; i < 256; i++) {
		if (tally.refused[i])
			print_message("  event %#x: %u\n", i, tally.refused[i]);
	}
	assert_true(tally.granted > 100 * rounds);
	assert_true(tally.nested > 20 * rounds);
	assert_true(tally.marked > 2 * rounds);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_accesses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
