/* SPDX-License-Identifier: MIT */
/*
 * From RTADDR_REG to the entry of a request: what is found or refused, and why, against an independent reading of the
 * specification (Intel VT-d, 7.1.3, 9); each refusal by hand, then everything at random.
 */
#include "iodtest.h"
#include "mdl_vtd.h"

#define BASE  UINT64_C(0x100000)
#define LEN   0x10000u
#define AWAY  UINT64_C(0x700000) /* not in memory */
#define ROOT  BASE
#define CTX   (BASE + 0x1000)
#define UPPER (BASE + 0x2000)
#define DIR   (BASE + 0x3000)
#define TABLE (BASE + 0x4000)
#define PT    UINT64_C(0x200000)
#define SM    (UINT64_C(1) << 10)

struct fix {
	struct iod_mem *mem;
	uint64_t *words;
	struct iod_vtd_id id;
	struct mdl_mem mdl;
	struct iodt *t; /* random numbers */
};

static int model_read(void *cookie, uint64_t pa, uint64_t *val)
{
	const struct fix *fix = cookie;

	if (pa < BASE || pa >= BASE + LEN || (pa & 7))
		return -1;
	iodt_put_le64(val, fix->words[(pa - BASE) / 8]);
	return 0;
}

static int setup(void **state)
{
	struct fix *fix = calloc(1, sizeof(*fix));
	struct iod_mem_region region = { .pa = BASE, .len = LEN };
	struct iod_mem_vm_cfg cfg = { .size = sizeof(cfg), .regions = &region, .nr_regions = 1 };

	assert_non_null(fix);
	fix->words = calloc(1, LEN);
	assert_non_null(fix->words);
	region.host = fix->words;
	iodt_assert_ok(iod_mem_create_vm(&fix->mem, &cfg));
	iodt_assert_ok(iod_vtd_id_full(&fix->id));
	fix->mdl = (struct mdl_mem){ .cookie = fix, .read64 = model_read };
	fix->t = iodt_open(NULL);
	assert_non_null(fix->t);
	*state = fix;
	return 0;
}

static int teardown(void **state)
{
	struct fix *fix = *state;

	iodt_assert_ok(iod_mem_destroy(fix->mem));
	iodt_assert_ok(iodt_close(fix->t));
	free(fix->words);
	free(fix);
	return 0;
}

static void put(struct fix *fix, uint64_t pa, uint64_t w0, uint64_t w1)
{
	iodt_put_le64(&fix->words[(pa - BASE) / 8], w0);
	iodt_put_le64(&fix->words[(pa - BASE) / 8 + 1], w1);
}

/* One word, as entries of the directory are. */
static void put1(struct fix *fix, uint64_t pa, uint64_t w)
{
	iodt_put_le64(&fix->words[(pa - BASE) / 8], w);
}

/* Legacy: 01:02.0 with tables; 01:03.0 passed through. */
static void legacy_tables(struct fix *fix)
{
	memset(fix->words, 0, LEN);
	put(fix, ROOT + 0x10, CTX | 1, 0);
	put(fix, CTX + 0x10 * 16, PT | 1, 2 | 0x55 << 8);
	put(fix, CTX + 0x18 * 16, 2 << 2 | 1, 2);
}

/* Scalable: 01:02.0 with RID_PASID 0 (second stage) and PASID 0x41 (first stage); 01:12.0 in the upper half. */
static void scalable_tables(struct fix *fix)
{
	memset(fix->words, 0, LEN);
	put(fix, ROOT + 0x10, CTX | 1, UPPER | 1);
	put(fix, CTX + 0x10 * 32, DIR | 0x1d, 0); /* DTE, PASIDE, PRE */
	put(fix, UPPER + 0x10 * 32, DIR | 1, 0x41);
	put(fix, DIR, TABLE | 1, (TABLE + 0x1000) | 1);
	put(fix, TABLE, PT | 1 | 2 << 2 | 2 << 6 | 1 << 9, 0x55 | 1 << 23);
	put(fix, TABLE + 0x1000 + 0x40, 1 | 1 << 6, 0x66);
	put(fix, TABLE + 0x1000 + 0x50, PT, 0);
}

static struct iod_vtd_lookup request(const struct fix *fix, uint64_t rtaddr, uint16_t sid,
				     int64_t pasid)
{
	return (struct iod_vtd_lookup){ .size = sizeof(struct iod_vtd_lookup),
					.mem = fix->mem,
					.id = &fix->id,
					.rtaddr = rtaddr,
					.source_id = sid,
					.pasid = pasid };
}

/* The lookup, and what the model says. */
static int look(struct fix *fix, struct iod_vtd_lookup *l)
{
	struct mdl_vtd_id id = { fix->id.cap, fix->id.ecap };
	struct mdl_vtd_request req = { .rtaddr = l->rtaddr,
				       .sid = l->source_id,
				       .has_pasid = l->pasid >= 0,
				       .pasid = (unsigned)l->pasid,
				       .priv = l->priv,
				       .page_request = l->page_request,
				       .at = l->at,
				       .old_fields = !(l->flags & IOD_VTD_CHECK_REV5) };
	struct mdl_vtd_result want;
	int ret = iod_vtd_lookup(l);

	mdl_vtd_find(&fix->mdl, &id, &req, &want);
	assert_int_equal(l->reason, want.reason);
	assert_int_equal(ret != 0, want.reason != 0);
	assert_int_equal(l->why != NULL, want.reason != 0);
	if (want.words)
		assert_int_equal(l->fpd, want.fpd);
	if (ret && want.words && want.reason != 0x44 && want.reason != 0x45 &&
	    want.reason != 0x46 && want.reason != 0x47 && want.reason != 0x48 &&
	    want.reason != 0x49 && want.reason != 0x89)
		assert_true(l->fetch_pa == want.at);
	if (!ret && l->scalable) {
		assert_true(l->pasid_pa == want.at);
		assert_int_equal(l->pasid_used, want.pasid);
		assert_int_equal(l->pasid_entry.did, want.word[1] & 0xffff);
	} else if (!ret) {
		assert_true(l->context_pa == want.at);
		assert_int_equal(l->context.did, want.word[1] >> 8 & 0xffff);
	}
	return ret;
}

static void test_legacy(void **state)
{
	struct fix *fix = *state;
	struct iod_vtd_lookup l = request(fix, ROOT, 0x110, -1);

	legacy_tables(fix);
	iodt_assert_ok(look(fix, &l));
	assert_false(l.scalable);
	assert_true(l.root_pa == ROOT + 0x10 && l.context_pa == CTX + 0x100);
	assert_int_equal(l.context.tt, IOD_VTD_TT_SECOND);
	assert_int_equal(l.context.did, 0x55);
	assert_true(l.context.ssptptr == PT && !l.fetch_pa && !l.pasid_pa);
	assert_false(iod_vtd_lookup_is_recorded(&l));
	l = request(fix, ROOT, 0x118, -1);
	iodt_assert_ok(look(fix, &l));
	assert_int_equal(l.context.tt, IOD_VTD_TT_PASS_THROUGH);
	l = request(fix, ROOT, 0x120, -1);
	assert_int_equal(look(fix, &l), -ENOENT);
	assert_int_equal(l.reason, IOD_VTD_F_CONTEXT_NOT_PRESENT);
	assert_true(iod_vtd_lookup_is_recorded(&l));
}

static void test_scalable(void **state)
{
	struct fix *fix = *state;
	struct iod_vtd_lookup l = request(fix, ROOT | SM, 0x110, -1);

	scalable_tables(fix);
	iodt_assert_ok(look(fix, &l));
	assert_true(l.scalable && l.pasid_dir_pa == DIR && l.pasid_pa == TABLE);
	assert_int_equal(l.pasid_used, 0);
	assert_int_equal(l.pasid_entry.pgtt, IOD_VTD_PGTT_SECOND);
	l = request(fix, ROOT | SM, 0x110, 0x41);
	iodt_assert_ok(look(fix, &l));
	assert_true(l.pasid_dir_pa == DIR + 8 && l.pasid_pa == TABLE + 0x1040);
	assert_int_equal(l.pasid_entry.pgtt, IOD_VTD_PGTT_FIRST);
	l = request(fix, ROOT | SM, 0x190, -1);
	iodt_assert_ok(look(fix, &l));
	assert_true(l.context_pa == UPPER + 0x200);
	assert_int_equal(l.pasid_used, 0x41);
}

/* The first half and the second find what both together find. */
static void test_halves(void **state)
{
	struct fix *fix = *state;
	struct iod_vtd_lookup l = request(fix, ROOT | SM, 0x110, 0x41), kept;

	scalable_tables(fix);
	iodt_assert_ok(iod_vtd_lookup_context(&l));
	assert_true(l.context_pa == CTX + 0x200 && !l.pasid_pa);
	kept = l;
	memset(fix->words, 0, 0x3000); /* root and context tables are gone */
	iodt_assert_ok(iod_vtd_lookup_pasid(&l));
	assert_true(l.pasid_pa == TABLE + 0x1040);
	assert_int_equal(l.pasid_entry.did, 0x66);
	kept.pasid = 0x42;
	assert_int_equal(iod_vtd_lookup_pasid(&kept), -ENOENT);
	assert_int_equal(kept.reason, IOD_VTD_F_PASID_NOT_PRESENT);
}

/* Each reason, by the smallest change that gives it. */
struct refusal {
	unsigned reason;
	uint64_t pa, xor0, xor1; /* of the tables */
	uint64_t rtaddr;	 /* xored */
	int64_t pasid;
	uint8_t at;
	bool page_request, priv;
	int ret;
};

static void refusals(struct fix *fix, uint64_t rtaddr, const struct refusal *t, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		struct iod_vtd_lookup l = request(fix, rtaddr ^ t[i].rtaddr, 0x110, t[i].pasid);
		uint64_t w0 = 0, w1 = 0;

		if (rtaddr & SM)
			scalable_tables(fix);
		else
			legacy_tables(fix);
		if (t[i].pa) {
			assert_int_equal(model_read(fix, t[i].pa, &w0), 0);
			assert_int_equal(model_read(fix, t[i].pa + 8, &w1), 0);
			put(fix, t[i].pa, w0 ^ t[i].xor0, w1 ^ t[i].xor1);
		}
		l.at = t[i].at;
		l.page_request = t[i].page_request;
		l.priv = t[i].priv;
		if (look(fix, &l) != (t[i].ret ? t[i].ret : -ENOENT) || l.reason != t[i].reason)
			fail_msg("row %zu: reason %#x", i, (unsigned)l.reason);
	}
}

static void test_legacy_refusals(void **state)
{
	static const struct refusal t[] = {
		{ 0x01, ROOT + 0x10, 1, 0, .pasid = -1 },
		{ 0x02, CTX + 0x100, 1, 0, .pasid = -1 },
		{ 0x03, CTX + 0x100, 0xc, 0, .pasid = -1 },
		{ 0x03, CTX + 0x100, 0, 6, .pasid = -1 }, /* AW = 4 */
		{ 0x03, CTX + 0x100, 0, 2, .pasid = -1 },
		{ 0x08, .rtaddr = ROOT ^ AWAY, .pasid = -1, .ret = -EFAULT },
		{ 0x09, ROOT + 0x10, CTX ^ AWAY, 0, .pasid = -1, .ret = -EFAULT },
		{ 0x0a, ROOT + 0x10, 2, 0, .pasid = -1 },
		{ 0x0a, ROOT + 0x10, 0, 1, .pasid = -1 },
		{ 0x0b, CTX + 0x100, 0x10, 0, .pasid = -1 },
		{ 0x0b, CTX + 0x100, 0, 0x80, .pasid = -1 },
		{ 0x0d, .pasid = -1, .at = 1 },
		{ 0x0d, .pasid = -1, .at = 2 },
		{ 0x30, .rtaddr = 1, .pasid = -1 },
		{ 0x30, .rtaddr = 0x80, .pasid = -1 },
		{ 0x31, .rtaddr = 2 << 10, .pasid = -1 },
		{ 0x31, .rtaddr = 3 << 10, .pasid = -1 },
		{ 0x32, .pasid = 5 },
		{ 0x32, .pasid = -1, .page_request = true },
	};

	refusals(*state, ROOT, t, IODT_ARRAY_SIZE(t));
}

static void test_scalable_refusals(void **state)
{
	static const struct refusal t[] = {
		{ 0x38, .rtaddr = ROOT ^ AWAY, .pasid = -1, .ret = -EFAULT },
		{ 0x39, ROOT + 0x10, 1, 0, .pasid = -1 },
		{ 0x3a, ROOT + 0x10, 0x800, 0, .pasid = -1 },
		{ 0x40, ROOT + 0x10, CTX ^ AWAY, 0, .pasid = -1, .ret = -EFAULT },
		{ 0x41, CTX + 0x200, 1, 0, .pasid = -1 },
		{ 0x42, CTX + 0x200, 0x80, 0, .pasid = -1 },
		{ 0x42, CTX + 0x200, 0x20, 0, .pasid = -1 }, /* HPTE */
		{ 0x42, CTX + 0x200, 0, 1 << 21, .pasid = -1 },
		{ 0x43, CTX + 0x200, 4, 0, .pasid = -1 },      /* PRE without DTE */
		{ 0x43, CTX + 0x200, 0x48, 0, .pasid = -1 },   /* EPTR without PASIDE */
		{ 0x43, CTX + 0x200, 0, 0x2000, .pasid = -1 }, /* RID_PASID */
		{ 0x44, CTX + 0x200, 0x14, 0, .pasid = -1, .at = 1 },
		{ 0x45, CTX + 0x200, 8, 0, .pasid = 0x41 },
		{ 0x46, .pasid = 0x2000 },
		{ 0x47, CTX + 0x200, 0x10, 0, .pasid = 0x41, .page_request = true },
		{ 0x48, .pasid = 0 },
		{ 0x49, .pasid = 0x41, .at = 2 },
		{ 0x50, CTX + 0x200, DIR ^ AWAY, 0, .pasid = -1, .ret = -EFAULT },
		{ 0x51, DIR, 1, 0, .pasid = -1 },
		{ 0x52, DIR, 4, 0, .pasid = -1 },
		{ 0x58, DIR, TABLE ^ AWAY, 0, .pasid = -1, .ret = -EFAULT },
		{ 0x59, TABLE, 1, 0, .pasid = -1 },
		{ 0x5a, TABLE, 0x400, 0, .pasid = -1 },
		{ 0x5b, TABLE, 5 << 6 ^ 2 << 6, 0, .pasid = -1 },   /* PGTT = 5 */
		{ 0x5b, TABLE, 2 << 6, 0, .pasid = -1 },	    /* PGTT = 0 */
		{ 0x5b, TABLE, 2 << 2, 0, .pasid = -1 },	    /* AW = 0 */
		{ 0x5b, TABLE + 0x1050, 2 << 2, 0, .pasid = 0x41 }, /* FSPM = 2 */
		{ 0x5d, .pasid = 0x41, .priv = true },
		{ 0x89, .pasid = 0x100000 },
	};

	refusals(*state, ROOT | SM, t, IODT_ARRAY_SIZE(t));
}

/* 11.4.3: a structure that asks for what the unit has not. */
static void test_capabilities(void **state)
{
	static const struct {
		uint64_t cap, ecap; /* taken away */
		unsigned reason;
		int64_t pasid;
		uint64_t pa, xor0, xor1;
	} t[] = {
		{ 0, IOD_VTD_ECAP_SMTS, 0x31, -1, 0, 0, 0 },
		{ 0, IOD_VTD_ECAP_DT, 0x42, -1, 0, 0, 0 },
		{ 0, IOD_VTD_ECAP_PASID, 0x42, -1, 0, 0, 0 },
		{ 0, IOD_VTD_ECAP_PRS, 0x42, -1, 0, 0, 0 },
		{ 0, IOD_VTD_ECAP_RPS, 0x42, -1, CTX + 0x200, 0, 1 },
		{ 0, 0, 0x42, -1, CTX + 0x200, 0, 1 << 20 }, /* RID_PRIV: not in the full ones */
		{ 0, IOD_VTD_ECAP_SSADS, 0x5a, -1, 0, 0, 0 },
		{ 0, IOD_VTD_ECAP_SMPWCS, 0x5a, -1, 0, 0, 0 },
		{ 0, IOD_VTD_ECAP_SC, 0x5a, -1, TABLE, 0, 1 << 24 },
		{ 0, IOD_VTD_ECAP_SRS, 0x5a, 0x41, TABLE + 0x1050, 1, 0 },
		{ 0, 0, 0x5a, 0x41, TABLE + 0x1050, 0x80, 0 }, /* EAFE: not in the full ones */
		{ 0, IOD_VTD_ECAP_SSTS, 0x5b, -1, 0, 0, 0 },
		{ 0, IOD_VTD_ECAP_FSTS, 0x5b, 0x41, 0, 0, 0 },
		{ 0, IOD_VTD_ECAP_NEST, 0x5b, -1, TABLE, 1 << 6, 0 },
		{ 0, IOD_VTD_ECAP_PT, 0x5b, -1, TABLE, 6 << 6 | 1 << 9, 0 },
		{ UINT64_C(4) << 8, 0, 0x5b, -1, 0, 0, 0 }, /* SAGAW */
		{ IOD_VTD_CAP_FS5LP, 0, 0x5b, 0x41, TABLE + 0x1050, 4, 0 },
	};
	struct fix *fix = *state;
	const struct iod_vtd_id full = fix->id;
	uint64_t w0, w1;

	for (size_t i = 0; i < IODT_ARRAY_SIZE(t); i++) {
		struct iod_vtd_lookup l = request(fix, ROOT | SM, 0x110, t[i].pasid);

		scalable_tables(fix);
		if (t[i].pa) {
			assert_int_equal(model_read(fix, t[i].pa, &w0), 0);
			assert_int_equal(model_read(fix, t[i].pa + 8, &w1), 0);
			put(fix, t[i].pa, w0 ^ t[i].xor0, w1 ^ t[i].xor1);
		}
		fix->id.cap &= ~t[i].cap;
		fix->id.ecap &= ~t[i].ecap;
		if (look(fix, &l) != -ENOENT || l.reason != t[i].reason)
			fail_msg("row %zu: reason %#x", i, (unsigned)l.reason);
		fix->id = full;
	}
}

/* FPD of context, directory and PASID entry, also of one that is not present; unqualified faults are recorded. */
static void test_fpd(void **state)
{
	static const uint64_t at[] = { CTX + 0x200, DIR, TABLE };
	struct fix *fix = *state;
	uint64_t w;

	for (size_t i = 0; i < IODT_ARRAY_SIZE(at); i++) {
		struct iod_vtd_lookup l = request(fix, ROOT | SM, 0x110, -1);

		scalable_tables(fix);
		assert_int_equal(model_read(fix, at[i], &w), 0);
		put1(fix, at[i], w ^ 3); /* P = 0, FPD = 1 */
		assert_int_equal(look(fix, &l), -ENOENT);
		assert_true(l.fpd && iod_vtd_fault_is_qualified(l.reason));
		assert_false(iod_vtd_lookup_is_recorded(&l));
	}
	scalable_tables(fix);
	put1(fix, CTX + 0x200, AWAY | 3);
	{
		struct iod_vtd_lookup l = request(fix, ROOT | SM, 0x110, -1);

		assert_int_equal(look(fix, &l), -EFAULT);
		assert_int_equal(l.reason, IOD_VTD_F_PASID_DIR_ACCESS);
		assert_true(l.fpd && iod_vtd_lookup_is_recorded(&l));
	}
}

/* Fields of older revisions. */
static void test_revisions(void **state)
{
	static const struct {
		uint64_t xor1, xor2;
	} t[] = { { 7 << 27, 0 }, { 1 << 30, 0 }, { UINT64_C(1) << 31, 0 },
		  { 0, 2 },	  { 0, 0x20 },	  { 0, 0x40 } };
	struct fix *fix = *state;

	for (size_t i = 0; i < IODT_ARRAY_SIZE(t); i++) {
		struct iod_vtd_lookup l = request(fix, ROOT | SM, 0x110, -1);

		scalable_tables(fix);
		put(fix, TABLE + 8, 0x55 | 1 << 23 | t[i].xor1, t[i].xor2);
		iodt_assert_ok(look(fix, &l));
		l.flags = IOD_VTD_CHECK_REV5;
		assert_int_equal(look(fix, &l), -ENOENT);
		assert_int_equal(l.reason, IOD_VTD_F_PASID_RESERVED);
		l.flags = IOD_VTD_CHECK_REV5 | IOD_VTD_CHECK_LENIENT;
		iodt_assert_ok(iod_vtd_lookup(&l));
	}
}

/* Structures with bits flipped, capabilities taken away, requests of all kinds. */
static void test_random(void **state)
{
	static const uint64_t at[] = { ROOT + 0x10,  CTX + 0x100,    CTX + 0x200,   UPPER + 0x200,
				       DIR,	     TABLE,	     TABLE + 0x10,  TABLE + 0x20,
				       TABLE + 0x30, TABLE + 0x1040, TABLE + 0x1050 };
	struct fix *fix = *state;
	const struct iod_vtd_id full = fix->id;

	for (unsigned n = 0; n < iodt_scale(100000); n++) {
		bool sm = iodt_below(fix->t, 4);
		struct iod_vtd_lookup l = request(fix, ROOT | (sm ? SM : 0),
						  iodt_below(fix->t, 3) ? 0x110 : 0x190, -1);

		if (sm)
			scalable_tables(fix);
		else
			legacy_tables(fix);
		for (uint64_t k = iodt_below(fix->t, 4); k; k--) {
			uint64_t pa = at[iodt_below(fix->t, IODT_ARRAY_SIZE(at))] +
				      8 * iodt_below(fix->t, 2);
			uint64_t w;

			assert_int_equal(model_read(fix, pa, &w), 0);
			put1(fix, pa,
			     w ^ IODT_BIT(iodt_below(fix->t, iodt_below(fix->t, 2) ? 13 : 64)));
		}
		if (!iodt_below(fix->t, 3))
			fix->id.ecap ^= IODT_BIT(iodt_below(fix->t, 64));
		if (!iodt_below(fix->t, 8))
			fix->id.cap ^= IODT_BIT(iodt_below(fix->t, 64));
		if (!iodt_below(fix->t, 8))
			l.rtaddr ^= IODT_BIT(iodt_below(fix->t, 20));
		if (!iodt_below(fix->t, 3))
			l.pasid = (int64_t)(iodt_below(fix->t, 2) ? 0x41
								  : iodt_random(fix->t) & 0x1fffff);
		l.at = (uint8_t)(iodt_below(fix->t, 4) ? 0 : iodt_below(fix->t, 3));
		l.page_request = !iodt_below(fix->t, 8);
		l.priv = !iodt_below(fix->t, 8);
		l.flags = iodt_below(fix->t, 2) ? IOD_VTD_CHECK_REV5 : 0;
		look(fix, &l);
		fix->id = full;
	}
}

static void test_misuse(void **state)
{
	struct fix *fix = *state;
	struct iod_vtd_lookup l = request(fix, ROOT, 0x110, -1);

	assert_int_equal(iod_vtd_lookup(NULL), -EINVAL);
	l.mem = NULL;
	assert_int_equal(iod_vtd_lookup(&l), -EINVAL);
	l = request(fix, ROOT, 0x110, -2);
	assert_int_equal(iod_vtd_lookup(&l), -EINVAL);
	l = request(fix, ROOT, 0x110, -1);
	l.at = 3;
	assert_int_equal(iod_vtd_lookup(&l), -EINVAL);
	l = request(fix, ROOT, 0x110, -1);
	l.flags = IOD_VTD_CHECK_SSIRWE;
	assert_int_equal(iod_vtd_lookup(&l), -EINVAL);
	l = request(fix, ROOT, 0x110, -1);
	l.size = 8;
	assert_int_equal(iod_vtd_lookup(&l), -EINVAL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_legacy),
		TEST(test_scalable),
		TEST(test_halves),
		TEST(test_legacy_refusals),
		TEST(test_scalable_refusals),
		TEST(test_capabilities),
		TEST(test_fpd),
		TEST(test_revisions),
		TEST(test_random),
		TEST(test_misuse),
	};

	return iodt_main(argc, argv, NULL, 0, tests, IODT_ARRAY_SIZE(tests));
}
