/* SPDX-License-Identifier: MIT */
/*
 * Device table entries: words worked out by hand, every bit of them flipped, what is legal, what comes of the rest, and
 * which way requests take.
 */
#include "iodtest.h"

#include "amdvi/amdrand.h"
#include "amdvi/golden_amdvi.h"

static struct iod_amdvi_raw_dte raw_of(const uint64_t word[4])
{
	struct iod_amdvi_raw_dte raw;

	for (unsigned i = 0; i < 4; i++)
		iodt_put_le64(&raw.word[i], word[i]);
	return raw;
}

/* How many members differ; unknown bits count as one. */
static unsigned differences(const struct iod_amdvi_dte *a, const struct iod_amdvi_dte *b)
{
	unsigned n = 0;

#define MEMBER(m) (n += a->m != b->m)
	MEMBER(v);
	MEMBER(tv);
	MEMBER(had);
	MEMBER(mode);
	MEMBER(root);
	MEMBER(ppr);
	MEMBER(gprp);
	MEMBER(giov);
	MEMBER(gv);
	MEMBER(glx);
	MEMBER(ir);
	MEMBER(iw);
	MEMBER(domain);
	MEMBER(gcr3);
	MEMBER(i);
	MEMBER(se);
	MEMBER(sa);
	MEMBER(ioctl);
	MEMBER(cache);
	MEMBER(sd);
	MEMBER(ex);
	MEMBER(sysmgt);
	MEMBER(sats);
	MEMBER(iv);
	MEMBER(inttablen);
	MEMBER(ig);
	MEMBER(introot);
	MEMBER(guestpagingmode);
	MEMBER(initpass);
	MEMBER(eintpass);
	MEMBER(nmipass);
	MEMBER(intctl);
	MEMBER(lint0pass);
	MEMBER(lint1pass);
	MEMBER(gdeviceid);
	MEMBER(guestid);
	MEMBER(attrv);
	MEMBER(mode0fc);
	MEMBER(snoopattr);
	return n + !!memcmp(&a->unknown, &b->unknown, sizeof(a->unknown));
}

static void assert_round(const struct iod_amdvi_dte *dte, const uint64_t word[4])
{
	struct iod_amdvi_raw_dte raw, want = raw_of(word);

	memset(&raw, 0xa5, sizeof(raw));
	iodt_assert_ok(iod_amdvi_dte_encode(&raw, dte));
	assert_memory_equal(&raw, &want, sizeof(raw));
}

static void test_golden(void **state)
{
	struct iod_amdvi_raw_dte raw;
	struct iod_amdvi_dte dte;

	for (size_t k = 0; k < GOLD_NR_DTES; k++) {
		const struct gold_dte *g = &gold_dtes[k];

		assert_round(&g->dte, g->word);
		raw = raw_of(g->word);
		memset(&dte, 0xa5, sizeof(dte));
		iodt_assert_ok(iod_amdvi_dte_decode(&dte, &raw));
		assert_int_equal(differences(&dte, &g->dte), 0);
	}
	assert_int_equal(iod_amdvi_dte_decode(NULL, &raw), -EINVAL);
	assert_int_equal(iod_amdvi_dte_decode(&dte, NULL), -EINVAL);
	assert_int_equal(iod_amdvi_dte_encode(NULL, &dte), -EINVAL);
	assert_int_equal(iod_amdvi_dte_encode(&raw, NULL), -EINVAL);
}

/* A flipped bit is another value of one field, or in `unknown`; and comes back. */
static void test_every_bit(void **state)
{
	struct iod_amdvi_raw_dte raw, unknown;
	struct iod_amdvi_dte dte;

	for (size_t k = 0; k < GOLD_NR_DTES; k++) {
		for (unsigned bit = 0; bit < 256; bit++) {
			uint64_t word[4], flip[4] = { 0 };

			flip[bit / 64] = IODT_BIT(bit % 64);
			for (unsigned i = 0; i < 4; i++)
				word[i] = gold_dtes[k].word[i] ^ flip[i];
			raw = raw_of(word);
			iodt_assert_ok(iod_amdvi_dte_decode(&dte, &raw));
			assert_int_equal(differences(&dte, &gold_dtes[k].dte), 1);
			for (unsigned i = 0; i < 4; i++)
				flip[i] &= gold_dte_unknown[i];
			unknown = raw_of(flip);
			assert_memory_equal(&dte.unknown, &unknown, sizeof(unknown));
			assert_round(&dte, word);
		}
	}
}

static void test_encode_refuses(void **state)
{
	static const struct iod_amdvi_dte bad[] = {
		{ .had = 4 },
		{ .mode = 8 },
		{ .root = 0x800 },
		{ .root = IODT_BIT(52) },
		{ .glx = 4 },
		{ .gcr3 = 0x800 },
		{ .gcr3 = IODT_BIT(52) },
		{ .ioctl = 4 },
		{ .sysmgt = 4 },
		{ .inttablen = 16 },
		{ .introot = 0x20 },
		{ .introot = IODT_BIT(52) },
		{ .guestpagingmode = 4 },
		{ .intctl = 4 },
	};
	struct iod_amdvi_raw_dte raw;
	struct iod_amdvi_dte dte = { 0 };

	for (size_t k = 0; k < IODT_ARRAY_SIZE(bad); k++)
		if (iod_amdvi_dte_encode(&raw, &bad[k]) != -EINVAL)
			fail_msg("row %zu", k);
	for (unsigned bit = 0; bit < 256; bit++) { /* bits of fields are not unknown */
		memset(&dte, 0, sizeof(dte));
		iodt_put_le64(&dte.unknown.word[bit / 64], IODT_BIT(bit % 64));
		assert_int_equal(iod_amdvi_dte_encode(&raw, &dte),
				 gold_dte_unknown[bit / 64] >> (bit % 64) & 1 ? 0 : -EINVAL);
	}
}

/* ---- what is legal ---- */

/* EFR: GTSup 4, HATS 11:10, GATS 13:12, GLXSup 15:14, GIoSup 48, HASup 49, EPHSup 50, HDSup 52 */
#define FULL  (IODT_BIT(4) | IODT_BIT(11) | IODT_BIT(12) | IODT_BIT(15) | UINT64_C(0x17) << 48)
#define GUEST .gv = true, .ir = true
#define VALID .v = true, .tv = true

static const struct {
	struct iod_amdvi_dte dte;
	uint64_t without; /* features */
	uint32_t flags;
	const char *rule; /* NULL: legal */
} legal_rows[] = {
	{ { VALID }, 0, 0, NULL },
	{ { VALID, .mode = 6, .had = 3 }, 0, 0, NULL },
	{ { VALID, .mode = 7 }, 0, 0, "Mode: reserved" },
	{ { .tv = true, .mode = 7, .had = 2, .gv = true, .glx = 3 }, 0, 0, NULL }, /* V=0 */
	{ { .v = true, .mode = 7, .had = 2 }, 0, 0, NULL },			   /* TV=0 */
	{ { VALID, .mode = 5 }, IODT_BIT(11), 0, "Mode: more levels" },
	{ { VALID, .mode = 4 }, IODT_BIT(11), 0, NULL },
	{ { VALID, .mode = 4, .had = 2 }, 0, 0, "HAD: reserved" },
	{ { VALID, .mode = 4, .had = 1 }, IODT_BIT(52), 0, NULL },
	{ { VALID, .mode = 4, .had = 3 }, IODT_BIT(52), 0, "HAD: no HDSup" },
	{ { VALID, .mode = 4, .had = 1 }, IODT_BIT(49), 0, "HAD: no HASup" },
	{ { VALID, .mode = 4, .had = 3 }, IODT_BIT(49), 0, "HAD: no HASup" },
	{ { VALID }, 0, IOD_AMDVI_CHECK_SNP, "Mode: 0 with SNP" },
	{ { VALID, GUEST }, 0, IOD_AMDVI_CHECK_SNP, NULL },
	{ { VALID, .mode = 3 }, 0, IOD_AMDVI_CHECK_SNP, NULL },
	{ { VALID, GUEST, .glx = 2, .guestpagingmode = 1, .giov = true }, 0, 0, NULL },
	{ { VALID, GUEST, .glx = 3 }, 0, 0, "GLX: reserved" },
	{ { VALID, .glx = 3 }, 0, 0, NULL }, /* without GV nobody looks */
	{ { VALID, GUEST, .glx = 2 }, IODT_BIT(15), 0, "GLX: more levels" },
	{ { VALID, GUEST, .guestpagingmode = 2 }, 0, 0, "GuestPagingMode: reserved" },
	{ { VALID, GUEST, .guestpagingmode = 3 }, 0, 0, "GuestPagingMode: reserved" },
	{ { VALID, GUEST, .guestpagingmode = 1 }, IODT_BIT(12), 0, "GuestPagingMode: more levels" },
	{ { VALID, GUEST }, IODT_BIT(4), 0, "no GTSup" },
	{ { VALID, .glx = 1 }, IODT_BIT(4), 0, "no GTSup" },
	{ { VALID, .gcr3 = 0x1000 }, IODT_BIT(4), 0, "no GTSup" },
	{ { VALID }, IODT_BIT(4), 0, NULL },
	{ { VALID, GUEST, .giov = true }, IODT_BIT(48), 0, "GIOV" },
	{ { VALID, .ppr = true }, IODT_BIT(50), 0, "PPR" },
	{ { VALID, .gprp = true }, IODT_BIT(50), 0, "PPR" },
	{ { VALID, .ppr = true, .gprp = true }, 0, 0, NULL },
	{ { VALID, .ioctl = 3 }, 0, 0, "IoCtl: reserved" },
	{ { VALID, .intctl = 3, .inttablen = 15, .sysmgt = 3, .sats = true }, 0, 0, NULL },
	{ { VALID }, 0, IOD_AMDVI_CHECK_UNKNOWN, NULL },
};

static void test_legal(void **state)
{
	struct iod_amdvi_id id;
	const char *why;
	int ret;

	for (size_t k = 0; k < IODT_ARRAY_SIZE(legal_rows); k++) {
		id = (struct iod_amdvi_id){ .efr = FULL & ~legal_rows[k].without };
		why = "nothing";
		ret = iod_amdvi_dte_check(&legal_rows[k].dte, &id, legal_rows[k].flags, &why);
		if (!legal_rows[k].rule) {
			if (ret || why)
				fail_msg("row %zu: %d %s", k, ret, why ? why : "");
			continue;
		}
		if (ret != IOD_AMDVI_ILLEGAL_DEV_TABLE_ENTRY || !strstr(why, legal_rows[k].rule))
			fail_msg("row %zu: %d %s", k, ret, why ? why : "");
		if (!legal_rows[k].without) /* everything is there without an id */
			assert_int_equal(iod_amdvi_dte_check(&legal_rows[k].dte, NULL,
							     legal_rows[k].flags, NULL),
					 ret);
	}
	assert_int_equal(iod_amdvi_dte_check(NULL, NULL, 0, NULL), -EINVAL);
	assert_int_equal(iod_amdvi_dte_check(&legal_rows[0].dte, NULL, 4, NULL), -EINVAL);
}

static void test_unknown_bits(void **state)
{
	for (unsigned bit = 0; bit < 256; bit++) {
		uint64_t word[4] = { 3, 0, 0, 0 };
		struct iod_amdvi_raw_dte raw;
		struct iod_amdvi_dte dte;
		bool low = bit < 128;

		if (!(gold_dte_unknown[bit / 64] >> (bit % 64) & 1))
			continue;
		word[bit / 64] |= IODT_BIT(bit % 64);
		raw = raw_of(word);
		iodt_assert_ok(iod_amdvi_dte_decode(&dte, &raw));
		assert_int_equal(iod_amdvi_dte_check(&dte, NULL, 0, NULL),
				 low ? IOD_AMDVI_ILLEGAL_DEV_TABLE_ENTRY : 0);
		assert_int_equal(iod_amdvi_dte_check(&dte, NULL, IOD_AMDVI_CHECK_UNKNOWN, NULL),
				 IOD_AMDVI_ILLEGAL_DEV_TABLE_ENTRY);
		dte.v = false;
		assert_int_equal(iod_amdvi_dte_check(&dte, NULL, IOD_AMDVI_CHECK_UNKNOWN, NULL), 0);
	}
}

/* ---- what comes of it ---- */

static void test_effective(void **state)
{
	struct iod_amdvi_dte full = gold_dtes[GOLD_NR_DTES - 1].dte, dte, out;
	const struct iod_amdvi_id no_features = { 0 };

	full.mode = 3;
	full.glx = 1;
	full.guestpagingmode = 1;
	iodt_assert_ok(iod_amdvi_dte_effective(&out, &full, NULL));
	assert_int_equal(differences(&out, &full), 0);
	memset(&full.unknown, 0xff, sizeof(full.unknown));
	iodt_assert_ok(iod_amdvi_dte_effective(&out, &full, NULL));
	assert_int_equal(differences(&out, &full), 1);
	full = out;

	dte = full;
	dte.gv = false; /* and GLX, GCR3, GIOV, GuestPagingMode */
	iodt_assert_ok(iod_amdvi_dte_effective(&dte, &dte, NULL));
	assert_int_equal(differences(&dte, &full), 5);
	assert_true(dte.mode == 3 && !dte.gcr3 && !dte.giov && !dte.glx && !dte.guestpagingmode);

	dte = full;
	dte.mode = 0; /* and the root, HAD */
	iodt_assert_ok(iod_amdvi_dte_effective(&dte, &dte, NULL));
	assert_int_equal(differences(&dte, &full), 3);
	assert_true(dte.gv && !dte.had && !dte.root);

	dte = full;
	dte.tv = false; /* and those 8, IR, IW */
	iodt_assert_ok(iod_amdvi_dte_effective(&dte, &dte, NULL));
	assert_int_equal(differences(&dte, &full), 1 + 3 + 5 + 2);

	dte = full;
	iodt_assert_ok(iod_amdvi_dte_effective(&dte, &dte, &no_features)); /* no HASup */
	assert_int_equal(differences(&dte, &full), 1);
	assert_int_equal(dte.had, 0);

	dte = full;
	dte.v = false; /* nothing is left but interrupts */
	iodt_assert_ok(iod_amdvi_dte_effective(&dte, &dte, NULL));
	out = (struct iod_amdvi_dte){ .iv = true,
				      .inttablen = 15,
				      .ig = true,
				      .introot = 0xfffffffffffc0,
				      .initpass = true,
				      .eintpass = true,
				      .nmipass = true,
				      .intctl = 3,
				      .lint0pass = true,
				      .lint1pass = true };
	assert_int_equal(differences(&dte, &out), 0);
	assert_int_equal(iod_amdvi_dte_effective(NULL, &dte, NULL), -EINVAL);
	assert_int_equal(iod_amdvi_dte_effective(&dte, NULL, NULL), -EINVAL);
}

#define R IOD_PERM_READ
#define W IOD_PERM_WRITE

static const struct {
	struct iod_amdvi_dte dte;
	int route[2]; /* without and with a PASID */
	uint32_t perm[2];
} route_rows[] = {
	{ { 0 }, { IOD_AMDVI_BYPASS, IOD_AMDVI_BYPASS }, { R | W, R | W } },
	{ { .tv = true, .mode = 3 }, { IOD_AMDVI_BYPASS, IOD_AMDVI_BYPASS }, { R | W, R | W } },
	{ { .v = true, .ir = true, .iw = true, .mode = 3 },
	  { IOD_AMDVI_BLOCKED, IOD_AMDVI_BLOCKED },
	  { 0, 0 } },
	{ { VALID }, { IOD_AMDVI_BLOCKED, IOD_AMDVI_BLOCKED }, { 0, 0 } },
	{ { VALID, .ir = true }, { IOD_AMDVI_BYPASS, IOD_AMDVI_BLOCKED }, { R, 0 } },
	{ { VALID, .iw = true, .mode = 1 }, { IOD_AMDVI_HOST, IOD_AMDVI_BLOCKED }, { W, 0 } },
	{ { VALID, .mode = 1 }, { IOD_AMDVI_BLOCKED, IOD_AMDVI_BLOCKED }, { 0, 0 } },
	{ { VALID, GUEST, .iw = true }, { IOD_AMDVI_BYPASS, IOD_AMDVI_GUEST }, { R | W, R | W } },
	{ { VALID, GUEST, .giov = true }, { IOD_AMDVI_GUEST, IOD_AMDVI_GUEST }, { R, R } },
	{ { VALID, GUEST, .mode = 4 }, { IOD_AMDVI_HOST, IOD_AMDVI_NESTED }, { R, R } },
	{ { VALID, GUEST, .mode = 4, .giov = true },
	  { IOD_AMDVI_NESTED, IOD_AMDVI_NESTED },
	  { R, R } },
	{ { VALID, .gv = true, .mode = 4 }, { IOD_AMDVI_BLOCKED, IOD_AMDVI_BLOCKED }, { 0, 0 } },
	{ { VALID, .giov = true, .ir = true, .mode = 4 },
	  { IOD_AMDVI_HOST, IOD_AMDVI_BLOCKED },
	  { R, 0 } },
};

static void test_route(void **state)
{
	uint32_t perm;

	for (size_t k = 0; k < IODT_ARRAY_SIZE(route_rows); k++)
		for (int pasid = 0; pasid < 2; pasid++) {
			int got = iod_amdvi_dte_route(&route_rows[k].dte, pasid, &perm);

			if (got != route_rows[k].route[pasid] || perm != route_rows[k].perm[pasid])
				fail_msg("row %zu pasid %d: %d %u", k, pasid, got, perm);
		}
	assert_int_equal(iod_amdvi_dte_route(NULL, false, NULL), -EINVAL);
}

static void test_random(void **state)
{
	struct amdrand r = amdrand_start();
	struct iod_amdvi_dte dte;
	uint64_t word[4];

	for (unsigned k = 0; k < 20000; k++) {
		struct iod_amdvi_raw_dte raw;

		for (unsigned i = 0; i < 4; i++)
			word[i] = amdrand(&r);
		raw = raw_of(word);
		iodt_assert_ok(iod_amdvi_dte_decode(&dte, &raw));
		assert_round(&dte, word);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden),	       cmocka_unit_test(test_every_bit),
		cmocka_unit_test(test_encode_refuses), cmocka_unit_test(test_legal),
		cmocka_unit_test(test_unknown_bits),   cmocka_unit_test(test_effective),
		cmocka_unit_test(test_route),	       cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
