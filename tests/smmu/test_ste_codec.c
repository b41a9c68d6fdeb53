/* SPDX-License-Identifier: MIT */
/* STE and CD between words and fields: every bit is a field's or an unknown one, and comes back. */
#include "stefix.h"
#include "golden_smmu.h"

/*
 * Bits that are no field of a Non-secure stream, by hand from the figures' bit ranges (5.2): [58:56]; [107:105] and
 * implementation defined [127:116]; [159:144]; S2NSW, S2NSA, [255:248]; all but PARTID [287:272]; all but PMG
 * [327:320] and VMSPtr [375:332]; all; all.
 */
static const uint64_t ste_unknown[8] = {
	UINT64_C(0x0700000000000000),
	UINT64_C(0xfff00e0000000000),
	UINT64_C(0x00000000ffff0000),
	UINT64_C(0xff00000000000003),
	UINT64_C(0xffffffff0000ffff),
	UINT64_C(0xff00000000000f00),
	~UINT64_C(0),
	~UINT64_C(0),
};

/* 5.4: [121:120]; [185:184]; implementation defined [351:320], [383:376]; PIIU; PIIP. */
static const uint64_t cd_unknown[8] = {
	0,
	UINT64_C(0x0300000000000000),
	UINT64_C(0x0300000000000000),
	0,
	0,
	UINT64_C(0xff000000ffffffff),
	~UINT64_C(0),
	~UINT64_C(0),
};

static struct stefix_words random_words(struct iodt *t)
{
	struct stefix_words words;

	for (unsigned i = 0; i < 8; i++)
		words.w[i] = iodt_random(t);
	return words;
}

static void check_ste(const struct stefix_words *words)
{
	struct iod_smmuv3_raw_ste raw = stefix_ste(words), back;
	struct iod_smmuv3_ste ste;
	struct stefix_words unknown;

	assert_int_equal(iod_smmuv3_ste_decode(&ste, &raw), 0);
	assert_int_equal(iod_smmuv3_ste_encode(&back, &ste), 0);
	assert_memory_equal(&raw, &back, sizeof(raw));
	unknown = stefix_words(ste.unknown.word);
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(unknown.w[i], words->w[i] & ste_unknown[i]);
}

static void check_cd(const struct stefix_words *words)
{
	struct iod_smmuv3_raw_cd raw = stefix_cd(words), back;
	struct iod_smmuv3_cd cd;
	struct stefix_words unknown;

	assert_int_equal(iod_smmuv3_cd_decode(&cd, &raw), 0);
	assert_int_equal(iod_smmuv3_cd_encode(&back, &cd), 0);
	assert_memory_equal(&raw, &back, sizeof(raw));
	unknown = stefix_words(cd.unknown.word);
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(unknown.w[i], words->w[i] & cd_unknown[i]);
}

static void round_trip(void **state)
{
	struct iodt t = { .rng = 20 };
	struct stefix_words zero = { { 0 } }, ones;

	memset(&ones, 0xff, sizeof(ones));
	check_ste(&zero);
	check_cd(&zero);
	check_ste(&ones);
	check_cd(&ones);
	for (unsigned i = 0; i < 20000; i++) {
		struct stefix_words words = random_words(&t);

		check_ste(&words);
		check_cd(&words);
	}
}

/* One bit of a structure changes: exactly one field has another value, or exactly that bit is unknown. */
static void one_bit_ste(const struct stefix_words *base, unsigned bit)
{
	struct stefix_words words = *base, field;
	struct iod_smmuv3_raw_ste raw = stefix_ste(base), flipped, alone;
	struct iod_smmuv3_ste was, is;

	words.w[bit / 64] ^= IODT_BIT(bit % 64);
	flipped = stefix_ste(&words);
	assert_int_equal(iod_smmuv3_ste_decode(&was, &raw), 0);
	assert_int_equal(iod_smmuv3_ste_decode(&is, &flipped), 0);
	assert_memory_not_equal(&was, &is, sizeof(was));
	/* And legal users of unknown bits are refused where those matter. */
	if (ste_unknown[bit / 64] >> bit % 64 & 1)
		assert_int_equal(iod_smmuv3_ste_check(&is, NULL, IOD_SMMUV3_CHECK_UNKNOWN, NULL),
				 words.w[bit / 64] >> bit % 64 & 1 ? IOD_SMMUV3_C_BAD_STE : 0);
	check_ste(&words);
	/* Alone, it is in no more than one place. */
	memset(&field, 0, sizeof(field));
	field.w[bit / 64] = IODT_BIT(bit % 64);
	alone = stefix_ste(&field);
	assert_int_equal(iod_smmuv3_ste_decode(&is, &alone), 0);
	check_ste(&field);
}

static void one_bit_cd(const struct stefix_words *base, unsigned bit)
{
	struct stefix_words words = *base;
	struct iod_smmuv3_raw_cd raw = stefix_cd(base), flipped;
	struct iod_smmuv3_cd was, is;

	words.w[bit / 64] ^= IODT_BIT(bit % 64);
	flipped = stefix_cd(&words);
	assert_int_equal(iod_smmuv3_cd_decode(&was, &raw), 0);
	assert_int_equal(iod_smmuv3_cd_decode(&is, &flipped), 0);
	assert_memory_not_equal(&was, &is, sizeof(was));
	if (cd_unknown[bit / 64] >> bit % 64 & 1)
		assert_int_equal(
			iod_smmuv3_cd_check(&is, NULL, NULL, IOD_SMMUV3_CHECK_UNKNOWN, NULL),
			words.w[bit / 64] >> bit % 64 & 1 ? IOD_SMMUV3_C_BAD_CD : 0);
	check_cd(&words);
}

static void no_bit_is_silent(void **state)
{
	const struct stefix_words *stes[] = { &stefix_abort, &stefix_bypass, &stefix_s1, &stefix_s2,
					      &stefix_nested };
	const struct stefix_words *cds[] = { &stefix_lower, &stefix_both };

	for (unsigned bit = 0; bit < 512; bit++) {
		for (size_t i = 0; i < IODT_ARRAY_SIZE(stes); i++)
			one_bit_ste(stes[i], bit);
		for (size_t i = 0; i < IODT_ARRAY_SIZE(cds); i++)
			one_bit_cd(cds[i], bit);
	}
}

/* The typed value of a field by its golden name. */
#define GOLD(s, field)                               \
	do {                                         \
		if (!strcmp(name, #field))           \
			return (uint64_t)(s)->field; \
	} while (0)

static uint64_t ste_value(const struct iod_smmuv3_ste *ste, const char *name)
{
	if (!strcmp(name, "v"))
		return ste->valid;
	if (!strcmp(name, "s1ctxptr"))
		return ste->s1contextptr;
	GOLD(ste, config);
	GOLD(ste, s1fmt);
	GOLD(ste, s1cdmax);
	GOLD(ste, s1contextptr);
	GOLD(ste, s1dss);
	GOLD(ste, s1cir);
	GOLD(ste, s1cor);
	GOLD(ste, s1csh);
	GOLD(ste, s2hwu);
	GOLD(ste, dre);
	GOLD(ste, cont);
	GOLD(ste, dcp);
	GOLD(ste, ppar);
	GOLD(ste, mev);
	GOLD(ste, sw);
	GOLD(ste, s1pie);
	GOLD(ste, s2fwb);
	GOLD(ste, s1mpam);
	GOLD(ste, s1stalld);
	GOLD(ste, eats);
	GOLD(ste, strw);
	GOLD(ste, memattr);
	GOLD(ste, mtcfg);
	GOLD(ste, alloccfg);
	GOLD(ste, shcfg);
	GOLD(ste, nscfg);
	GOLD(ste, privcfg);
	GOLD(ste, instcfg);
	GOLD(ste, s2vmid);
	GOLD(ste, s2t0sz);
	GOLD(ste, s2sl0);
	GOLD(ste, s2ir0);
	GOLD(ste, s2or0);
	GOLD(ste, s2sh0);
	GOLD(ste, s2tg);
	GOLD(ste, s2ps);
	GOLD(ste, s2aa64);
	GOLD(ste, s2endi);
	GOLD(ste, s2affd);
	GOLD(ste, s2ptw);
	GOLD(ste, s2hd);
	GOLD(ste, s2ha);
	GOLD(ste, s2s);
	GOLD(ste, s2r);
	GOLD(ste, s2haft);
	GOLD(ste, s2pie);
	GOLD(ste, s2poe);
	GOLD(ste, s2sl0_2);
	GOLD(ste, s2ds);
	GOLD(ste, s2ttb);
	GOLD(ste, dpt_vmatch);
	GOLD(ste, partid);
	GOLD(ste, pmg);
	GOLD(ste, vmsptr);
	fail_msg("STE has no %s", name);
	return 0;
}

static uint64_t cd_value(const struct iod_smmuv3_cd *cd, const char *name)
{
	if (!strcmp(name, "v"))
		return cd->valid;
	GOLD(cd, t0sz);
	GOLD(cd, tg0);
	GOLD(cd, ir0);
	GOLD(cd, or0);
	GOLD(cd, sh0);
	GOLD(cd, epd0);
	GOLD(cd, endi);
	GOLD(cd, t1sz);
	GOLD(cd, tg1);
	GOLD(cd, ir1);
	GOLD(cd, or1);
	GOLD(cd, sh1);
	GOLD(cd, epd1);
	GOLD(cd, ips);
	GOLD(cd, affd);
	GOLD(cd, wxn);
	GOLD(cd, uwxn);
	GOLD(cd, tbi0);
	GOLD(cd, tbi1);
	GOLD(cd, pan);
	GOLD(cd, aa64);
	GOLD(cd, hd);
	GOLD(cd, ha);
	GOLD(cd, s);
	GOLD(cd, r);
	GOLD(cd, a);
	GOLD(cd, aset);
	GOLD(cd, asid);
	GOLD(cd, nscfg0);
	GOLD(cd, had0);
	GOLD(cd, e0pd0);
	GOLD(cd, haft);
	GOLD(cd, ttb0);
	GOLD(cd, pnch);
	GOLD(cd, epan);
	GOLD(cd, hwu0);
	GOLD(cd, nscfg1);
	GOLD(cd, had1);
	GOLD(cd, e0pd1);
	GOLD(cd, aie);
	GOLD(cd, ttb1);
	GOLD(cd, ds);
	GOLD(cd, pie);
	GOLD(cd, hwu1);
	GOLD(cd, mair);
	GOLD(cd, amair);
	GOLD(cd, partid);
	GOLD(cd, pmg);
	fail_msg("CD has no %s", name);
	return 0;
}

static void golden(void **state)
{
	struct iod_smmuv3_id id = { .aidr = 2 };
	struct mdl_smmu_id mdl_id;
	struct mdl_ste mdl;

	memcpy(id.idr, gold_idr, sizeof(id.idr));
	mdl_id = stefix_mdl_id(&id);
	for (size_t i = 0; i < IODT_ARRAY_SIZE(gold_stes); i++) {
		const struct gold *g = &gold_stes[i];
		struct stefix_words words;
		struct iod_smmuv3_raw_ste raw;
		struct iod_smmuv3_ste ste;

		memcpy(words.w, g->w, sizeof(words.w));
		raw = stefix_ste(&words);
		assert_int_equal(iod_smmuv3_ste_decode(&ste, &raw), 0);
		for (const struct gold_field *f = g->f; f->name; f++)
			assert_int_equal(ste_value(&ste, f->name), f->value);
		check_ste(&words);
		mdl_ste_decode(words.w, &mdl);
		assert_int_equal(iod_smmuv3_ste_check(&ste, &id, 0, NULL),
				 mdl_ste_illegal(&mdl, &mdl_id) ? IOD_SMMUV3_C_BAD_STE : 0);
	}
	for (size_t i = 0; i < IODT_ARRAY_SIZE(gold_cds); i++) {
		const struct gold *g = &gold_cds[i];
		struct stefix_words words;
		struct iod_smmuv3_raw_cd raw;
		struct iod_smmuv3_cd cd;

		memcpy(words.w, g->w, sizeof(words.w));
		raw = stefix_cd(&words);
		assert_int_equal(iod_smmuv3_cd_decode(&cd, &raw), 0);
		for (const struct gold_field *f = g->f; f->name; f++)
			assert_int_equal(cd_value(&cd, f->name), f->value);
		check_cd(&words);
	}
}

/* Every field: its highest value fits, one more does not. */
#define TOO_LARGE(s, encode, raw, field, bits)              \
	do {                                                \
		(s)->field = (uint8_t)(IODT_BIT(bits) - 1); \
		assert_int_equal(encode(raw, s), 0);        \
		(s)->field = (uint8_t)IODT_BIT(bits);       \
		assert_int_equal(encode(raw, s), -EINVAL);  \
		(s)->field = 0;                             \
	} while (0)
#define BAD_ADDRESS(s, encode, raw, field, hi, lo)         \
	do {                                               \
		(s)->field = IODT_BIT(hi) | IODT_BIT(lo);  \
		assert_int_equal(encode(raw, s), 0);       \
		(s)->field = IODT_BIT((lo)-1);             \
		assert_int_equal(encode(raw, s), -EINVAL); \
		(s)->field = IODT_BIT((hi) + 1);           \
		assert_int_equal(encode(raw, s), -EINVAL); \
		(s)->field = 0;                            \
	} while (0)

static void what_does_not_fit(void **state)
{
	struct iod_smmuv3_raw_ste raw, before;
	struct iod_smmuv3_raw_cd raw_cd;
	struct iod_smmuv3_ste ste = { 0 };
	struct iod_smmuv3_cd cd = { 0 };

	TOO_LARGE(&ste, iod_smmuv3_ste_encode, &raw, config, 3);
	TOO_LARGE(&ste, iod_smmuv3_ste_encode, &raw, s1fmt, 2);
	TOO_LARGE(&ste, iod_smmuv3_ste_encode, &raw, s1cdmax, 5);
	TOO_LARGE(&ste, iod_smmuv3_ste_encode, &raw, s1dss, 2);
	TOO_LARGE(&ste, iod_smmuv3_ste_encode, &raw, cont, 4);
	TOO_LARGE(&ste, iod_smmuv3_ste_encode, &raw, eats, 2);
	TOO_LARGE(&ste, iod_smmuv3_ste_encode, &raw, alloccfg, 4);
	TOO_LARGE(&ste, iod_smmuv3_ste_encode, &raw, s2t0sz, 6);
	TOO_LARGE(&ste, iod_smmuv3_ste_encode, &raw, s2ps, 3);
	BAD_ADDRESS(&ste, iod_smmuv3_ste_encode, &raw, s1contextptr, 55, 6);
	BAD_ADDRESS(&ste, iod_smmuv3_ste_encode, &raw, s2ttb, 55, 4);
	BAD_ADDRESS(&ste, iod_smmuv3_ste_encode, &raw, vmsptr, 55, 12);
	TOO_LARGE(&cd, iod_smmuv3_cd_encode, &raw_cd, t0sz, 6);
	TOO_LARGE(&cd, iod_smmuv3_cd_encode, &raw_cd, tg1, 2);
	TOO_LARGE(&cd, iod_smmuv3_cd_encode, &raw_cd, ips, 3);
	TOO_LARGE(&cd, iod_smmuv3_cd_encode, &raw_cd, hwu1, 4);
	BAD_ADDRESS(&cd, iod_smmuv3_cd_encode, &raw_cd, ttb0, 55, 4);
	BAD_ADDRESS(&cd, iod_smmuv3_cd_encode, &raw_cd, ttb1, 55, 4);

	/* Bits of a known field are not unknown; nothing is written then. */
	memset(&raw, 0x5a, sizeof(raw));
	before = raw;
	ste.unknown.word[2] = stefix_le(1);
	assert_int_equal(iod_smmuv3_ste_encode(&raw, &ste), -EINVAL);
	assert_memory_equal(&raw, &before, sizeof(raw));
	cd.unknown.word[0] = stefix_le(1);
	assert_int_equal(iod_smmuv3_cd_encode(&raw_cd, &cd), -EINVAL);

	assert_int_equal(iod_smmuv3_ste_encode(NULL, &ste), -EINVAL);
	assert_int_equal(iod_smmuv3_ste_encode(&raw, NULL), -EINVAL);
	assert_int_equal(iod_smmuv3_ste_decode(NULL, &raw), -EINVAL);
	assert_int_equal(iod_smmuv3_ste_decode(&ste, NULL), -EINVAL);
	assert_int_equal(iod_smmuv3_cd_encode(NULL, &cd), -EINVAL);
	assert_int_equal(iod_smmuv3_cd_encode(&raw_cd, NULL), -EINVAL);
	assert_int_equal(iod_smmuv3_cd_decode(NULL, &raw_cd), -EINVAL);
	assert_int_equal(iod_smmuv3_cd_decode(&cd, NULL), -EINVAL);
}

/* The independent decoder agrees on every field of random words. */
#define SAME(a, b) assert_int_equal((uint64_t)(a), (uint64_t)(b))

static void same_ste(const struct stefix_words *words)
{
	struct iod_smmuv3_raw_ste raw = stefix_ste(words);
	struct iod_smmuv3_ste a;
	struct mdl_ste b;

	assert_int_equal(iod_smmuv3_ste_decode(&a, &raw), 0);
	mdl_ste_decode(words->w, &b);
	SAME(a.valid, b.v);
	SAME(a.config, b.config);
	SAME(a.s1fmt, b.s1fmt);
	SAME(a.s1contextptr, b.s1ctxptr);
	SAME(a.s1cdmax, b.s1cdmax);
	SAME(a.s1dss | a.s1cir << 2 | a.s1cor << 4 | a.s1csh << 6,
	     b.s1dss | b.s1cir << 2 | b.s1cor << 4 | b.s1csh << 6);
	SAME(a.s2hwu | a.dre << 4 | a.cont << 5 | a.dcp << 9 | a.ppar << 10 | a.mev << 11 |
		     a.sw << 12,
	     b.s2hwu | b.dre << 4 | b.cont << 5 | b.dcp << 9 | b.ppar << 10 | b.mev << 11 |
		     b.sw << 12);
	SAME(a.s1pie | a.s2fwb << 1 | a.s1mpam << 2 | a.s1stalld << 3 | a.eats << 4 | a.strw << 6,
	     b.s1pie | b.s2fwb << 1 | b.s1mpam << 2 | b.s1stalld << 3 | b.eats << 4 | b.strw << 6);
	SAME(a.memattr | a.mtcfg << 4 | a.alloccfg << 5 | a.shcfg << 9 | a.nscfg << 11 |
		     a.privcfg << 13 | a.instcfg << 15,
	     b.memattr | b.mtcfg << 4 | b.alloccfg << 5 | b.shcfg << 9 | b.nscfg << 11 |
		     b.privcfg << 13 | b.instcfg << 15);
	SAME(a.s2vmid, b.s2vmid);
	SAME(a.s2t0sz | a.s2sl0 << 6 | a.s2ir0 << 8 | a.s2or0 << 10 | a.s2sh0 << 12 | a.s2tg << 14 |
		     a.s2ps << 16,
	     b.s2t0sz | b.s2sl0 << 6 | b.s2ir0 << 8 | b.s2or0 << 10 | b.s2sh0 << 12 | b.s2tg << 14 |
		     b.s2ps << 16);
	SAME(a.s2aa64 | a.s2endi << 1 | a.s2affd << 2 | a.s2ptw << 3 | a.s2hd << 4 | a.s2ha << 5 |
		     a.s2s << 6 | a.s2r << 7 | a.s2haft << 8 | a.s2pie << 9 | a.s2poe << 10 |
		     a.s2sl0_2 << 11 | a.s2ds << 12 | a.dpt_vmatch << 13,
	     b.s2aa64 | b.s2endi << 1 | b.s2affd << 2 | b.s2ptw << 3 | b.s2hd << 4 | b.s2ha << 5 |
		     b.s2s << 6 | b.s2r << 7 | b.s2haft << 8 | b.s2pie << 9 | b.s2poe << 10 |
		     b.s2sl0_2 << 11 | b.s2ds << 12 | b.dpt_vmatch << 13);
	SAME(a.s2ttb, b.s2ttb);
}

static void same_cd(const struct stefix_words *words)
{
	struct iod_smmuv3_raw_cd raw = stefix_cd(words);
	struct iod_smmuv3_cd a;
	struct mdl_cd b;

	assert_int_equal(iod_smmuv3_cd_decode(&a, &raw), 0);
	mdl_cd_decode(words->w, &b);
	SAME(a.t0sz | a.tg0 << 6 | a.ir0 << 8 | a.or0 << 10 | a.sh0 << 12 | a.epd0 << 14 |
		     a.endi << 15,
	     b.t0sz | b.tg0 << 6 | b.ir0 << 8 | b.or0 << 10 | b.sh0 << 12 | b.epd0 << 14 |
		     b.endi << 15);
	SAME(a.t1sz | a.tg1 << 6 | a.ir1 << 8 | a.or1 << 10 | a.sh1 << 12 | a.epd1 << 14 |
		     a.valid << 15,
	     b.t1sz | b.tg1 << 6 | b.ir1 << 8 | b.or1 << 10 | b.sh1 << 12 | b.epd1 << 14 |
		     b.v << 15);
	SAME(a.ips | a.affd << 3 | a.wxn << 4 | a.uwxn << 5 | a.tbi0 << 6 | a.tbi1 << 7 |
		     a.pan << 8 | a.aa64 << 9 | a.hd << 10 | a.ha << 11 | a.s << 12 | a.r << 13 |
		     a.a << 14 | a.aset << 15,
	     b.ips | b.affd << 3 | b.wxn << 4 | b.uwxn << 5 | b.tbi0 << 6 | b.tbi1 << 7 |
		     b.pan << 8 | b.aa64 << 9 | b.hd << 10 | b.ha << 11 | b.s << 12 | b.r << 13 |
		     b.a << 14 | b.aset << 15);
	SAME(a.asid, b.asid);
	SAME(a.nscfg0 | a.had0 << 1 | a.e0pd0 << 2 | a.haft << 3 | a.pnch << 4 | a.epan << 5 |
		     a.hwu0 << 6,
	     b.nscfg0 | b.had0 << 1 | b.e0pd0 << 2 | b.haft << 3 | b.pnch << 4 | b.epan << 5 |
		     b.hwu0 << 6);
	SAME(a.nscfg1 | a.had1 << 1 | a.e0pd1 << 2 | a.aie << 3 | a.ds << 4 | a.pie << 5 |
		     a.hwu1 << 6,
	     b.nscfg1 | b.had1 << 1 | b.e0pd1 << 2 | b.aie << 3 | b.ds << 4 | b.pie << 5 |
		     b.hwu1 << 6);
	SAME(a.ttb0, b.ttb0);
	SAME(a.ttb1, b.ttb1);
	SAME(a.mair, b.mair);
	SAME(a.amair, b.amair);
}

static void model_agrees(void **state)
{
	struct iodt t = { .rng = 21 };

	for (unsigned i = 0; i < 20000; i++) {
		struct stefix_words words = random_words(&t);

		same_ste(&words);
		same_cd(&words);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip),	cmocka_unit_test(no_bit_is_silent),
		cmocka_unit_test(golden),	cmocka_unit_test(what_does_not_fit),
		cmocka_unit_test(model_agrees),
	};

	return cmocka_run_group_tests_name("smmu_ste_codec", tests, NULL, NULL);
}
