/* SPDX-License-Identifier: MIT */
/* STE and CD, raw and typed: both directions from the one list of fields. */
#include <iodirty/smmuv3_ste.h>

#include <errno.h>
#include <string.h>

#include "bits.h"
#include "smmuv3/ste_bits.h"

#define FIELD_MASK(lo, n) (low_mask(n) << (lo))

/* What a field adds to the words, to those that are known, and to what does not fit. */
#define KNOWN_F(field, w, lo, n)  known[w] |= FIELD_MASK(lo, n);
#define KNOWN_A(field, w, hi, lo) known[w] |= MASK64(hi, lo);
#define PUT_F(field, w, lo, n)                     \
	bad |= (uint64_t)in->field & ~low_mask(n); \
	word[w] |= (uint64_t)in->field << (lo);
#define PUT_A(field, w, hi, lo)             \
	bad |= in->field & ~MASK64(hi, lo); \
	word[w] |= in->field;
#define GET_F(field, w, lo, n)	out->field = word[w] >> (lo)&low_mask(n);
#define GET_A(field, w, hi, lo) out->field = word[w] & MASK64(hi, lo);

/* Words of no known field; @p unknown is little-endian. */
static void unknown_get(uint64_t *unknown, const uint64_t *word, const uint64_t *known)
{
	unsigned i;

	for (i = 0; i < STE_WORDS; i++)
		unknown[i] = iod_le64(word[i] & ~known[i]);
}

/* Completes the words. @return whether bits of known fields are among the unknown ones */
static uint64_t unknown_put(uint64_t *raw, const uint64_t *word, const uint64_t *unknown,
			    const uint64_t *known)
{
	uint64_t bad = 0;
	unsigned i;

	for (i = 0; i < STE_WORDS; i++) {
		bad |= iod_le64(unknown[i]) & known[i];
		raw[i] = iod_le64(word[i]) | unknown[i];
	}
	return bad;
}

static void words_in(uint64_t *word, const uint64_t *raw)
{
	unsigned i;

	for (i = 0; i < STE_WORDS; i++)
		word[i] = iod_le64(raw[i]);
}

int iod_smmuv3_ste_encode(struct iod_smmuv3_raw_ste *raw, const struct iod_smmuv3_ste *in)
{
	uint64_t word[STE_WORDS] = { 0 }, known[STE_WORDS] = { 0 }, bad = 0;
	struct iod_smmuv3_raw_ste made;

	if (!raw || !in)
		return -EINVAL;
	STE_FIELDS(PUT_F, PUT_A)
	STE_FIELDS(KNOWN_F, KNOWN_A)
	bad |= unknown_put(made.word, word, in->unknown.word, known);
	if (bad)
		return -EINVAL;
	*raw = made;
	return 0;
}

int iod_smmuv3_cd_encode(struct iod_smmuv3_raw_cd *raw, const struct iod_smmuv3_cd *in)
{
	uint64_t word[STE_WORDS] = { 0 }, known[STE_WORDS] = { 0 }, bad = 0;
	struct iod_smmuv3_raw_cd made;

	if (!raw || !in)
		return -EINVAL;
	CD_FIELDS(PUT_F, PUT_A)
	CD_FIELDS(KNOWN_F, KNOWN_A)
	bad |= unknown_put(made.word, word, in->unknown.word, known);
	if (bad)
		return -EINVAL;
	*raw = made;
	return 0;
}

int iod_smmuv3_ste_decode(struct iod_smmuv3_ste *out, const struct iod_smmuv3_raw_ste *raw)
{
	uint64_t word[STE_WORDS], known[STE_WORDS] = { 0 };

	if (!out || !raw)
		return -EINVAL;
	words_in(word, raw->word);
	memset(out, 0, sizeof(*out));
	STE_FIELDS(GET_F, GET_A)
	STE_FIELDS(KNOWN_F, KNOWN_A)
	unknown_get(out->unknown.word, word, known);
	return 0;
}

int iod_smmuv3_cd_decode(struct iod_smmuv3_cd *out, const struct iod_smmuv3_raw_cd *raw)
{
	uint64_t word[STE_WORDS], known[STE_WORDS] = { 0 };

	if (!out || !raw)
		return -EINVAL;
	words_in(word, raw->word);
	memset(out, 0, sizeof(*out));
	CD_FIELDS(GET_F, GET_A)
	CD_FIELDS(KNOWN_F, KNOWN_A)
	unknown_get(out->unknown.word, word, known);
	return 0;
}
