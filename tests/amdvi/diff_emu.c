/* SPDX-License-Identifier: MIT */
/*
 * The emulated AMD IOMMU against the walkers of tests/model, which share nothing with it: random tables, host, guest
 * and nested; each access must end as the model says, with every field of its event, and leave in memory what the
 * model leaves, and no more.
 */
#include "emurig.h"
#include "model.h"

#define DEV   3u
#define DOM   9u
#define PASID 5u
#define SOUP  (RIG_BASE + 0x200000) /* tables, PAGES each: host's, guest's */
#define PAGES 24u
#define GSOUP (SOUP + 0x100000)
#define DATAS 64u /* pages of data that entries point to */
#define MARKS 64u

enum kind { HOST, GUEST, NESTED };

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

/* ---- what the model sees and does ---- */

struct mark {
	uint64_t pa, old, new;
};

struct model {
	struct amdrig *r;
	struct mdl_mem phys, guest; /* guest: through the host's table */
	struct mdl_table host, table;
	enum kind kind;
	/* what the host's table refused of the guest's tables */
	enum mdl_fault refused;
	uint64_t gpa;
	bool table_write;
	bool loose; /* what is marked is not told here */
	/* what was changed, to be undone */
	struct mark mark[MARKS];
	unsigned int nr_marks;
};

static int phys_read(void *cookie, uint64_t pa, uint64_t *val)
{
	struct model *m = cookie;

	if (pa - RIG_BASE >= RIG_BYTES)
		return -1;
	*val = rig_r64(m->r, pa);
	return 0;
}

static int phys_cmpxchg(void *cookie, uint64_t pa, uint64_t old, uint64_t new, uint64_t *seen)
{
	struct model *m = cookie;

	if (phys_read(m, pa, seen))
		return -1;
	if (*seen == old && old != new) {
		assert_true(m->nr_marks < MARKS);
		m->mark[m->nr_marks++] = (struct mark){ pa, old, new };
		rig_w64(m->r, pa, new);
	}
	return 0;
}

/* An item of a guest's table: hardware reads or writes it through the host's. */
static int guest_item(struct model *m, uint64_t gpa, bool write, uint64_t *pa)
{
	struct mdl_leaf leaf;
	enum mdl_fault fault = mdl_access(&m->host, &m->phys, gpa, write, &leaf);

	if (fault == MDL_OK) {
		*pa = leaf.pa + (gpa - leaf.iova);
		return 0;
	}
	m->refused = fault;
	m->gpa = gpa;
	m->table_write = write;
	return -1;
}

static int guest_read(void *cookie, uint64_t gpa, uint64_t *val)
{
	uint64_t pa;

	return guest_item(cookie, gpa, false, &pa) ? -1 : phys_read(cookie, pa, val);
}

static int guest_cmpxchg(void *cookie, uint64_t gpa, uint64_t old, uint64_t new, uint64_t *seen)
{
	uint64_t pa;

	return guest_item(cookie, gpa, true, &pa) ? -1 : phys_cmpxchg(cookie, pa, old, new, seen);
}

/* How it must end. */
struct verdict {
	enum mdl_fault fault;
	bool host; /* the host's table, under a guest's */
	bool table, table_write;
	uint64_t addr, pa;
};

static struct verdict simple(struct model *m, uint64_t iova, bool write)
{
	const struct mdl_table *t = m->kind == HOST ? &m->host : &m->table;
	struct verdict v = { .addr = iova };
	struct mdl_leaf leaf;

	v.fault = mdl_access(t, &m->phys, iova, write, &leaf);
	if (v.fault == MDL_OK)
		v.pa = leaf.pa + (iova - leaf.iova);
	return v;
}

static bool refused(struct model *m, struct verdict *v)
{
	if (m->refused == MDL_OK)
		return false;
	*v = (struct verdict){ .fault = m->refused, .host = true, .table = true, .addr = m->gpa };
	v->table_write = m->table_write;
	return true;
}

/* Both say yes before either is marked; then the guest's is, and the host's for the access. */
static struct verdict both(struct model *m, uint64_t iova, bool write)
{
	struct verdict v = { .addr = iova };
	struct mdl_leaf leaf, out;
	uint64_t gpa;

	v.fault = mdl_walk(&m->table, &m->guest, iova, &leaf);
	if (v.fault == MDL_OK && !(write ? leaf.w : leaf.r))
		v.fault = MDL_PERMISSION;
	if (refused(m, &v) || v.fault != MDL_OK)
		return v;
	gpa = leaf.pa + (iova - leaf.iova);
	v.fault = mdl_walk(&m->host, &m->phys, gpa, &out);
	if (v.fault == MDL_OK && !(write ? out.w : out.r))
		v.fault = MDL_PERMISSION;
	if (v.fault == MDL_OK) {
		v.fault = mdl_access(&m->table, &m->guest, iova, write, &leaf);
		if (refused(m, &v)) {
			/* The host's table was asked for the page: it may be marked accessed, and is. */
			m->loose = !out.r;
			if (out.r)
				mdl_access(&m->host, &m->phys, gpa, false, NULL);
			return v;
		}
		assert_int_equal(v.fault, MDL_OK);
		v.fault = mdl_access(&m->host, &m->phys, gpa, write, &out);
	}
	v.host = v.fault != MDL_OK;
	if (v.host)
		v.addr = gpa;
	else
		v.pa = out.pa + (gpa - out.iova);
	return v;
}

/* ---- random tables ---- */

static uint64_t some_page(uint64_t soup)
{
	if (chance(1))
		return RIG_AWAY;
	return chance(50) ? soup + below(PAGES) * 4096 : RIG_DATA + below(DATAS) * 4096;
}

static uint64_t host_entry(void)
{
	static const unsigned int next[] = { 0, 0, 0, 1, 1, 1, 2, 2, 3, 5 };
	uint64_t e = some_page(SOUP) | V1_NL(next[below(10)]);

	e |= chance(90) ? V1_PR : 0;
	e |= chance(85) ? V1_IR : 0;
	e |= chance(85) ? V1_IW : 0;
	e |= rnd() & (V1_A | V1_D);
	if (chance(2))
		e |= IODT_BIT(52 + below(5));
	return e;
}

static uint64_t guest_entry(uint64_t off)
{
	uint64_t e = (some_page(GSOUP) + off) | (rnd() & (V2_A | V2_D | V2_XD));

	e |= chance(92) ? V2_P : 0;
	e |= chance(85) ? V2_W : 0;
	e |= chance(90) ? V2_U : 0;
	if (chance(10))
		e = (e & ~UINT64_C(0x1ff000)) | V2_PS;
	return e;
}

/* A well-formed run of 2^lg2 entries. */
static void put_run(struct amdrig *r, uint64_t table)
{
	unsigned int lg2 = 1 + (unsigned int)below(8), i, nr = 1u << lg2;
	uint64_t at = table + below(512 >> lg2) * nr * 8;
	uint64_t code = ((UINT64_C(1) << (lg2 + 11)) - 1) & ~UINT64_C(0xfff);
	uint64_t e = RIG_DATA | code | V1_NL(7) | V1_PR | V1_IR | (chance(80) ? V1_IW : 0);

	for (i = 0; i < nr; i++)
		rig_w64(r, at + i * 8, e);
}

static void make_tables(struct amdrig *r, uint64_t off)
{
	unsigned int page, i;

	for (page = 0; page < PAGES; page++) {
		for (i = 0; i < 512; i++) {
			rig_w64(r, SOUP + page * 4096 + i * 8, host_entry());
			rig_w64(r, GSOUP + page * 4096 + i * 8, guest_entry(off));
		}
		if (chance(40))
			put_run(r, SOUP + page * 4096);
	}
}

/* The host's table of nested devices: guest memory page by page, some of it missing, read-only, marked or not. */
static void vary_host(struct amdrig *r, uint64_t from, unsigned int pages)
{
	uint64_t pa, attr;

	for (pa = from; pa < from + pages * UINT64_C(4096); pa += 4096) {
		attr = V1_RW;
		if (chance(6))
			attr &= ~(chance(50) ? V1_IW : chance(50) ? V1_IR : V1_PR);
		attr |= rnd() & (V1_A | V1_D);
		if (chance(1))
			attr |= IODT_BIT(55);
		rig_w64(r, rig_host_leaf(r, r->host_root, pa + RIG_GPA), pa | attr);
	}
}

/* ---- one world ---- */

static const unsigned int hads[] = { 0, 1, 3 };

static void make_world(struct model *m, struct amdrig *r, uint64_t gcr3)
{
	unsigned int had = hads[below(3)], mode = 2 + (unsigned int)below(3);
	uint64_t off, w0 = DTE_OK | DTE_HAD(had), w1 = DTE1_DOM(DOM), root;
	bool deep = chance(20);

	memset(m, 0, sizeof(*m));
	m->r = r;
	m->kind = (enum kind)below(3);
	m->phys = (struct mdl_mem){ m, phys_read, phys_cmpxchg };
	m->guest = (struct mdl_mem){ m, guest_read, guest_cmpxchg };
	off = m->kind == NESTED ? RIG_GPA : 0;
	make_tables(r, off);
	if (m->kind == NESTED) {
		vary_host(r, SOUP + 0x100000, PAGES);
		vary_host(r, RIG_DATA, DATAS);
	}
	root = m->kind == NESTED ? r->host_root : SOUP + below(PAGES) * 4096;
	m->host = (struct mdl_table){ .format = MDL_AMD_V1, .root = root, .granule_lg2 = 12 };
	m->host.levels = m->kind == NESTED ? 3 : mode;
	m->host.hw_access = had & 1;
	m->host.hw_dirty = had == 3;
	m->host.hw_table_access = had & 1;
	root = GSOUP + below(PAGES) * 4096 + off;
	m->table = (struct mdl_table){ .format = MDL_AMD_V2, .root = root, .granule_lg2 = 12 };
	m->table.levels = deep ? 5 : 4;
	if (m->kind != GUEST)
		w0 |= DTE_MODE(m->host.levels) | m->host.root;
	if (m->kind != HOST) {
		w0 |= DTE_GV | DTE0_GCR3(gcr3 + off);
		w1 |= DTE1_GCR3(gcr3 + off);
	}
	rig_w64(r, gcr3 + PASID * 8, m->table.root | 1);
	rig_dte(r, DEV, w0, w1, DTE2_GPM(deep), 0);
}

/* Few index bits, so that the way down is short of skipped levels' bits, too. */
static uint64_t some_iova(const struct model *m)
{
	unsigned int levels = m->kind == HOST ? m->host.levels : m->table.levels, level;
	uint64_t iova = below(0x1000);

	if (chance(5))
		levels++; /* out of range, as a rule */
	for (level = 0; level < levels && level < 5; level++) {
		if (chance(70))
			iova |= below(512) << (12 + 9 * level);
	}
	if (m->kind == HOST || !(iova >> (11 + 9 * m->table.levels) & 1))
		return iova;
	return chance(95) ? iova | ~UINT64_C(0) << (11 + 9 * m->table.levels) : iova;
}

static void check_event(const struct model *m, const struct verdict *v, bool write)
{
	const struct iod_amdvi_event *e = &m->r->ev;
	bool gn = m->kind != HOST && !v->host;
	bool pr = v->fault != MDL_NOT_PRESENT && v->fault != MDL_RANGE;

	assert_int_equal(e->devid, DEV);
	assert_int_equal(e->gn, gn);
	assert_int_equal(e->pasid, gn ? PASID : 0u);
	assert_int_equal(e->domain, gn ? 0u : DOM);
	assert_int_equal(e->rw, v->host && v->table ? v->table_write : write);
	if (v->fault == MDL_WALK_ABORT) {
		assert_int_equal(e->type, IOD_AMDVI_PAGE_TAB_HARDWARE_ERROR);
		return;
	}
	assert_int_equal(e->type, IOD_AMDVI_IO_PAGE_FAULT);
	assert_int_equal(e->us, gn);
	assert_int_equal(e->pr, pr);
	assert_int_equal(e->pe, v->fault == MDL_PERMISSION);
	assert_int_equal(e->rz, v->fault == MDL_RESERVED);
	assert_true(e->addr == v->addr);
}

static uint64_t marked(struct amdrig *r)
{
	struct iod_iotlb_stats stats = { .size = sizeof(stats) };
	uint64_t n = 0;
	unsigned int stage;

	for (stage = 1; stage <= 2; stage++) {
		assert_int_equal(iod_iotlb_get_stats(iod_amdvi_emu_iotlb(r->emu, stage), &stats),
				 0);
		n += stats.set_access + stats.set_dirty;
	}
	return n;
}

struct tally {
	uint64_t granted, faults[8], nested_faults, marks;
};

static void one_access(struct model *m, struct tally *tally)
{
	uint64_t iova = some_iova(m), before, bits = 0, raw[2];
	struct amdrig *r = m->r;
	bool write = chance(50);
	struct verdict v;
	unsigned int i;
	int ret;

	m->nr_marks = 0;
	m->refused = MDL_OK;
	m->loose = false;
	rig_cmd(r, CMD(8), 0);
	/* The GCR3 table entry is read through the host's table first. */
	if (m->kind == NESTED)
		assert_int_equal(mdl_access(&m->host, &m->phys, RIG_TABLES + PASID * 8 + RIG_GPA,
					    false, NULL),
				 MDL_OK);
	v = m->kind == NESTED ? both(m, iova, write) : simple(m, iova, write);
	for (i = m->nr_marks; i--;)
		rig_w64(r, m->mark[i].pa, m->mark[i].old);
	before = marked(r);
	ret = rig_access(r, DEV, m->kind == HOST ? -1 : (int64_t)PASID, iova,
			 write ? IOD_ACCESS_WRITE : IOD_ACCESS_READ);
	assert_int_equal(!ret, v.fault == MDL_OK);
	if (!ret)
		assert_true(r->res.pa == v.pa);
	else
		check_event(m, &v, write);
	while (rig_event(r, raw))
		;
	for (i = 0; i < m->nr_marks; i++)
		bits += (unsigned int)__builtin_popcountll(m->mark[i].old ^ m->mark[i].new);
	if (!m->loose)
		assert_int_equal(marked(r) - before, bits);
	/* The last change of each word is what is there. */
	for (i = m->nr_marks; i--;) {
		assert_true((rig_r64(r, m->mark[i].pa) & m->mark[i].new) == m->mark[i].new);
	}
	tally->granted += !ret;
	tally->faults[v.fault]++;
	tally->nested_faults += v.host;
	tally->marks += bits;
}

static void random_worlds(void **state)
{
	struct amdrig *r = *state;
	struct tally tally = { 0 };
	struct model m;
	unsigned int world, i, nr = iodt_scale(600);
	uint64_t gcr3 = rig_page(r);

	assert_int_equal(gcr3, RIG_TABLES);
	rig_host(r, V1_RW);
	for (world = 0; world < nr; world++) {
		make_world(&m, r, gcr3);
		for (i = 0; i < 40; i++)
			one_access(&m, &tally);
	}
	print_message(
		"%llu granted; range %llu, not present %llu, permission %llu, reserved %llu, abort %llu; "
		"%llu by the host's table under a guest's; %llu bits set\n",
		(unsigned long long)tally.granted, (unsigned long long)tally.faults[MDL_RANGE],
		(unsigned long long)tally.faults[MDL_NOT_PRESENT],
		(unsigned long long)tally.faults[MDL_PERMISSION],
		(unsigned long long)tally.faults[MDL_RESERVED],
		(unsigned long long)tally.faults[MDL_WALK_ABORT],
		(unsigned long long)tally.nested_faults, (unsigned long long)tally.marks);
	assert_true(tally.granted > nr);
	assert_true(tally.nested_faults > nr / 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(random_worlds, rig_setup_enabled, rig_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
