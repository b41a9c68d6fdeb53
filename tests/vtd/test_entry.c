/* SPDX-License-Identifier: MIT */
/*
 * Root, context and PASID structures: golden words, and every bit of each: it is one field and no other, or kept as
 * unknown. Where fields lie is written here once more, from the figures of the specification (Intel VT-d, 9.1 to 9.6).
 */
#include <stddef.h>

#include "golden_vtd.h"
#include "iodtest.h"

#define WORDS_MAX 8

enum kind { ROOT, CONTEXT, SM_CONTEXT, PASID_DIR, PASID, KINDS };

/* Any typed structure, and any raw one. */
union typed {
	struct iod_vtd_root root;
	struct iod_vtd_context context;
	struct iod_vtd_sm_context sm_context;
	struct iod_vtd_pasid_dir pasid_dir;
	struct iod_vtd_pasid pasid;
};

union raw {
	uint64_t word[WORDS_MAX];
	struct iod_vtd_raw_root root;
	struct iod_vtd_raw_context context;
	struct iod_vtd_raw_sm_context sm_context;
	struct iod_vtd_raw_pasid_dir pasid_dir;
	struct iod_vtd_raw_pasid pasid;
};

static const struct {
	unsigned words;
	size_t size, unknown;
} kinds[KINDS] = {
	[ROOT] = { 2, sizeof(struct iod_vtd_root), offsetof(struct iod_vtd_root, unknown) },
	[CONTEXT] = { 2, sizeof(struct iod_vtd_context),
		      offsetof(struct iod_vtd_context, unknown) },
	[SM_CONTEXT] = { 4, sizeof(struct iod_vtd_sm_context),
			 offsetof(struct iod_vtd_sm_context, unknown) },
	[PASID_DIR] = { 1, sizeof(struct iod_vtd_pasid_dir),
			offsetof(struct iod_vtd_pasid_dir, unknown) },
	[PASID] = { 8, sizeof(struct iod_vtd_pasid), offsetof(struct iod_vtd_pasid, unknown) },
};

static int encode(enum kind kind, union raw *raw, const union typed *in)
{
	switch (kind) {
	case ROOT:
		return iod_vtd_root_encode(&raw->root, &in->root);
	case CONTEXT:
		return iod_vtd_context_encode(&raw->context, &in->context);
	case SM_CONTEXT:
		return iod_vtd_sm_context_encode(&raw->sm_context, &in->sm_context);
	case PASID_DIR:
		return iod_vtd_pasid_dir_encode(&raw->pasid_dir, &in->pasid_dir);
	default:
		return iod_vtd_pasid_encode(&raw->pasid, &in->pasid);
	}
}

static int decode(enum kind kind, union typed *out, const union raw *raw)
{
	switch (kind) {
	case ROOT:
		return iod_vtd_root_decode(&out->root, &raw->root);
	case CONTEXT:
		return iod_vtd_context_decode(&out->context, &raw->context);
	case SM_CONTEXT:
		return iod_vtd_sm_context_decode(&out->sm_context, &raw->sm_context);
	case PASID_DIR:
		return iod_vtd_pasid_dir_decode(&out->pasid_dir, &raw->pasid_dir);
	default:
		return iod_vtd_pasid_decode(&out->pasid, &raw->pasid);
	}
}

struct field {
	enum kind kind;
	const char *name;
	size_t offset, size;
	unsigned word, lo, bits;
	bool in_place; /* an address */
};

#define F(kind, type, member, word, lo, bits)                                               \
	{                                                                                   \
		kind, #member, offsetof(struct iod_vtd_##type, member),                     \
			sizeof(((struct iod_vtd_##type *)0)->member), word, lo, bits, false \
	}
#define A(kind, type, member, word)                                                      \
	{                                                                                \
		kind, #member, offsetof(struct iod_vtd_##type, member),                  \
			sizeof(((struct iod_vtd_##type *)0)->member), word, 12, 52, true \
	}

static const struct field fields[] = {
	F(ROOT, root, lp, 0, 0, 1),
	A(ROOT, root, lctp, 0),
	F(ROOT, root, up, 1, 0, 1),
	A(ROOT, root, uctp, 1),
	F(CONTEXT, context, present, 0, 0, 1),
	F(CONTEXT, context, fpd, 0, 1, 1),
	F(CONTEXT, context, tt, 0, 2, 2),
	A(CONTEXT, context, ssptptr, 0),
	F(CONTEXT, context, aw, 1, 0, 3),
	F(CONTEXT, context, avail, 1, 3, 4),
	F(CONTEXT, context, did, 1, 8, 16),
	F(SM_CONTEXT, sm_context, present, 0, 0, 1),
	F(SM_CONTEXT, sm_context, fpd, 0, 1, 1),
	F(SM_CONTEXT, sm_context, dte, 0, 2, 1),
	F(SM_CONTEXT, sm_context, paside, 0, 3, 1),
	F(SM_CONTEXT, sm_context, pre, 0, 4, 1),
	F(SM_CONTEXT, sm_context, hpte, 0, 5, 1),
	F(SM_CONTEXT, sm_context, eptr, 0, 6, 1),
	F(SM_CONTEXT, sm_context, pdts, 0, 9, 3),
	A(SM_CONTEXT, sm_context, pasiddirptr, 0),
	F(SM_CONTEXT, sm_context, rid_pasid, 1, 0, 20),
	F(SM_CONTEXT, sm_context, rid_priv, 1, 20, 1),
	F(PASID_DIR, pasid_dir, present, 0, 0, 1),
	F(PASID_DIR, pasid_dir, fpd, 0, 1, 1),
	A(PASID_DIR, pasid_dir, smptblptr, 0),
	F(PASID, pasid, present, 0, 0, 1),
	F(PASID, pasid, fpd, 0, 1, 1),
	F(PASID, pasid, aw, 0, 2, 3),
	F(PASID, pasid, pgtt, 0, 6, 3),
	F(PASID, pasid, ssade, 0, 9, 1),
	A(PASID, pasid, ssptptr, 0),
	F(PASID, pasid, did, 1, 0, 16),
	F(PASID, pasid, pwsnp, 1, 87 - 64, 1),
	F(PASID, pasid, pgsnp, 1, 88 - 64, 1),
	F(PASID, pasid, cd, 1, 89 - 64, 1),
	F(PASID, pasid, emte, 1, 90 - 64, 1),
	F(PASID, pasid, emt, 1, 91 - 64, 3),
	F(PASID, pasid, pwt, 1, 94 - 64, 1),
	F(PASID, pasid, pcd, 1, 95 - 64, 1),
	F(PASID, pasid, pat, 1, 96 - 64, 32),
	F(PASID, pasid, sre, 2, 128 - 128, 1),
	F(PASID, pasid, ere, 2, 129 - 128, 1),
	F(PASID, pasid, fspm, 2, 130 - 128, 2),
	F(PASID, pasid, wpe, 2, 132 - 128, 1),
	F(PASID, pasid, nxe, 2, 133 - 128, 1),
	F(PASID, pasid, smep, 2, 134 - 128, 1),
	F(PASID, pasid, eafe, 2, 135 - 128, 1),
	A(PASID, pasid, fsptptr, 2),
	F(PASID, pasid, hptsz, 4, 256 - 256, 2),
	F(PASID, pasid, hptpfd, 4, 258 - 256, 1),
	A(PASID, pasid, hptptr, 4),
	F(PASID, pasid, hptdid, 5, 320 - 320, 16),
};

static uint64_t field_mask(const struct field *f)
{
	return (f->bits == 64 ? UINT64_MAX : IODT_BIT(f->bits) - 1) << f->lo;
}

static uint64_t get(const union typed *typed, const struct field *f)
{
	const char *at = (const char *)typed + f->offset;
	uint64_t wide;
	uint32_t word;
	uint16_t half;

	switch (f->size) {
	case 1:
		return *(const uint8_t *)at;
	case 2:
		memcpy(&half, at, sizeof(half));
		return half;
	case 4:
		memcpy(&word, at, sizeof(word));
		return word;
	default:
		memcpy(&wide, at, sizeof(wide));
		return wide;
	}
}

static void set(union typed *typed, const struct field *f, uint64_t v)
{
	char *at = (char *)typed + f->offset;
	uint32_t word = (uint32_t)v;
	uint16_t half = (uint16_t)v;

	switch (f->size) {
	case 1:
		*(uint8_t *)at = (uint8_t)v;
		break;
	case 2:
		memcpy(at, &half, sizeof(half));
		break;
	case 4:
		memcpy(at, &word, sizeof(word));
		break;
	default:
		memcpy(at, &v, sizeof(v));
	}
}

static uint64_t unknown_word(enum kind kind, const union typed *typed, unsigned i)
{
	uint64_t le, v;

	memcpy(&le, (const char *)typed + kinds[kind].unknown + i * 8, 8);
	iodt_put_le64(&v, le);
	return v;
}

/* All that a structure must be: its fields and its unknown bits, of these words. */
static void assert_words(enum kind kind, const union typed *typed, const uint64_t *word)
{
	uint64_t known[WORDS_MAX] = { 0 };

	for (size_t i = 0; i < IODT_ARRAY_SIZE(fields); i++) {
		const struct field *f = &fields[i];
		uint64_t v;

		if (f->kind != kind)
			continue;
		known[f->word] |= field_mask(f);
		v = word[f->word] & field_mask(f);
		v = f->in_place ? v : v >> f->lo;
		if (get(typed, f) != v)
			fail_msg("%s", f->name);
	}
	for (unsigned i = 0; i < kinds[kind].words; i++)
		assert_true(unknown_word(kind, typed, i) == (word[i] & ~known[i]));
}

static void check_words(enum kind kind, const uint64_t *word)
{
	union raw raw, again;
	union typed typed;

	memset(&raw, 0, sizeof(raw));
	for (unsigned i = 0; i < kinds[kind].words; i++)
		iodt_put_le64(&raw.word[i], word[i]);
	memset(&typed, 0xa5, sizeof(typed));
	iodt_assert_ok(decode(kind, &typed, &raw));
	assert_words(kind, &typed, word);
	memset(&again, 0, sizeof(again));
	iodt_assert_ok(encode(kind, &again, &typed));
	assert_memory_equal(&again, &raw, sizeof(raw));
}

struct golden {
	enum kind kind;
	uint64_t word[WORDS_MAX];
	union typed typed;
};

static const struct golden goldens[] = {
	{ ROOT, GOLDEN_ROOT_WORDS, { .root = GOLDEN_ROOT } },
	{ ROOT, GOLDEN_SM_ROOT_WORDS, { .root = GOLDEN_SM_ROOT } },
	{ CONTEXT, GOLDEN_CONTEXT_WORDS, { .context = GOLDEN_CONTEXT } },
	{ SM_CONTEXT, GOLDEN_SM_CONTEXT_WORDS, { .sm_context = GOLDEN_SM_CONTEXT } },
	{ SM_CONTEXT, GOLDEN_SM_CONTEXT_2_WORDS, { .sm_context = GOLDEN_SM_CONTEXT_2 } },
	{ PASID_DIR, GOLDEN_PASID_DIR_WORDS, { .pasid_dir = GOLDEN_PASID_DIR } },
	{ PASID, GOLDEN_PASID_NESTED_WORDS, { .pasid = GOLDEN_PASID_NESTED } },
	{ PASID, GOLDEN_PASID_OTHERS_WORDS, { .pasid = GOLDEN_PASID_OTHERS } },
};

static void test_golden(void **state)
{
	union raw raw;

	for (size_t i = 0; i < IODT_ARRAY_SIZE(goldens); i++) {
		const struct golden *g = &goldens[i];

		memset(&raw, 0, sizeof(raw));
		iodt_assert_ok(encode(g->kind, &raw, &g->typed));
		for (unsigned k = 0; k < WORDS_MAX; k++) {
			uint64_t v;

			iodt_put_le64(&v, raw.word[k]);
			assert_true(v == g->word[k]);
		}
		check_words(g->kind, g->word);
	}
}

/* One bit set in nothing, and one bit flipped in each golden structure. */
static void test_every_bit(void **state)
{
	for (size_t i = 0; i < IODT_ARRAY_SIZE(goldens); i++) {
		enum kind kind = goldens[i].kind;

		for (unsigned bit = 0; bit < kinds[kind].words * 64; bit++) {
			uint64_t word[WORDS_MAX] = { 0 };

			word[bit / 64] = IODT_BIT(bit % 64);
			check_words(kind, word);
			memcpy(word, goldens[i].word, sizeof(word));
			word[bit / 64] ^= IODT_BIT(bit % 64);
			check_words(kind, word);
		}
	}
}

static void test_random(void **state)
{
	struct iodt *t = iodt_open(NULL);

	for (unsigned n = 0; n < iodt_scale(2000); n++) {
		uint64_t word[WORDS_MAX];

		for (unsigned i = 0; i < WORDS_MAX; i++)
			word[i] = iodt_random(t);
		for (unsigned kind = 0; kind < KINDS; kind++)
			check_words((enum kind)kind, word);
	}
	iodt_assert_ok(iodt_close(t));
}

/* What does not fit its field is refused, and so is a field's bit among the unknown ones. */
static void test_encode_refuses(void **state)
{
	for (size_t i = 0; i < IODT_ARRAY_SIZE(fields); i++) {
		const struct field *f = &fields[i];
		union typed typed;
		union raw raw;
		uint64_t bad = f->in_place ? 0x800 : IODT_BIT(f->bits), le;

		memset(&typed, 0, sizeof(typed));
		if (f->bits < 8 * f->size && !(f->size == 1 && f->bits == 1)) {
			set(&typed, f, bad);
			assert_int_equal(encode(f->kind, &raw, &typed), -EINVAL);
			set(&typed, f, 0);
		}
		iodt_put_le64(&le, IODT_BIT(f->lo));
		memcpy((char *)&typed + kinds[f->kind].unknown + f->word * 8, &le, 8);
		assert_int_equal(encode(f->kind, &raw, &typed), -EINVAL);
	}
}

static void test_misuse(void **state)
{
	union typed typed;
	union raw raw;

	memset(&typed, 0, sizeof(typed));
	memset(&raw, 0, sizeof(raw));
	assert_int_equal(iod_vtd_root_encode(NULL, &typed.root), -EINVAL);
	assert_int_equal(iod_vtd_root_encode(&raw.root, NULL), -EINVAL);
	assert_int_equal(iod_vtd_root_decode(NULL, &raw.root), -EINVAL);
	assert_int_equal(iod_vtd_root_decode(&typed.root, NULL), -EINVAL);
	assert_int_equal(iod_vtd_pasid_encode(NULL, &typed.pasid), -EINVAL);
	assert_int_equal(iod_vtd_pasid_decode(&typed.pasid, NULL), -EINVAL);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden), cmocka_unit_test(test_every_bit),
		cmocka_unit_test(test_random), cmocka_unit_test(test_encode_refuses),
		cmocka_unit_test(test_misuse),
	};

	return iodt_main(argc, argv, NULL, 0, tests, IODT_ARRAY_SIZE(tests));
}
