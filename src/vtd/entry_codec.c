/* SPDX-License-Identifier: MIT */
/* Root, context and PASID structures, raw and typed: both directions from the one list of fields of each. */
#include <iodirty/vtd_entry.h>

#include <errno.h>
#include <string.h>

#include "bits.h"
#include "vtd/entry_bits.h"

#define WORDS_MAX 8u

/* What a field adds to the words, to those that are known, and to what does not fit. */
#define KNOWN_F(field, w, lo, n)  known[w] |= low_mask(n) << (lo);
#define KNOWN_A(field, w, hi, lo) known[w] |= MASK64(hi, lo);
#define PUT_F(field, w, lo, n)                     \
	bad |= (uint64_t)in->field & ~low_mask(n); \
	word[w] |= (uint64_t)in->field << (lo);
#define PUT_A(field, w, hi, lo)             \
	bad |= in->field & ~MASK64(hi, lo); \
	word[w] |= in->field;
#define GET_F(field, w, lo, n)	out->field = word[w] >> (lo)&low_mask(n);
#define GET_A(field, w, hi, lo) out->field = word[w] & MASK64(hi, lo);

/* Completes the words, and checks that nothing known is among the unknown bits. @return what is wrong; 0: nothing */
static uint64_t unknown_put(uint64_t *word, const uint64_t *unknown, const uint64_t *known,
			    unsigned nr)
{
	uint64_t bad = 0;
	unsigned i;

	for (i = 0; i < nr; i++) {
		bad |= iod_le64(unknown[i]) & known[i];
		word[i] = iod_le64(word[i]) | unknown[i];
	}
	return bad;
}

static void unknown_get(uint64_t *unknown, const uint64_t *word, const uint64_t *known, unsigned nr)
{
	unsigned i;

	for (i = 0; i < nr; i++)
		unknown[i] = iod_le64(word[i] & ~known[i]);
}

static void words_in(uint64_t *word, const uint64_t *raw, unsigned nr)
{
	unsigned i;

	for (i = 0; i < nr; i++)
		word[i] = iod_le64(raw[i]);
}

#define NR_WORDS(raw) ((unsigned)(sizeof((raw)->word) / sizeof((raw)->word[0])))

/* Both directions of one structure. */
#define CODEC(name, FIELDS)                                                          \
	int iod_vtd_##name##_encode(struct iod_vtd_raw_##name *raw,                  \
				    const struct iod_vtd_##name *in)                 \
	{                                                                            \
		uint64_t word[WORDS_MAX] = { 0 }, known[WORDS_MAX] = { 0 }, bad = 0; \
                                                                                     \
		if (!raw || !in)                                                     \
			return -EINVAL;                                              \
		FIELDS(PUT_F, PUT_A)                                                 \
		FIELDS(KNOWN_F, KNOWN_A)                                             \
		bad |= unknown_put(word, in->unknown.word, known, NR_WORDS(raw));    \
		if (bad)                                                             \
			return -EINVAL;                                              \
		memcpy(raw->word, word, sizeof(raw->word));                          \
		return 0;                                                            \
	}                                                                            \
                                                                                     \
	int iod_vtd_##name##_decode(struct iod_vtd_##name *out,                      \
				    const struct iod_vtd_raw_##name *raw)            \
	{                                                                            \
		uint64_t word[WORDS_MAX], known[WORDS_MAX] = { 0 };                  \
                                                                                     \
		if (!out || !raw)                                                    \
			return -EINVAL;                                              \
		words_in(word, raw->word, NR_WORDS(raw));                            \
		memset(out, 0, sizeof(*out));                                        \
		FIELDS(GET_F, GET_A)                                                 \
		FIELDS(KNOWN_F, KNOWN_A)                                             \
		unknown_get(out->unknown.word, word, known, NR_WORDS(raw));          \
		return 0;                                                            \
	}

CODEC(root, ROOT_FIELDS)
CODEC(context, CONTEXT_FIELDS)
CODEC(sm_context, SM_CONTEXT_FIELDS)
CODEC(pasid_dir, PASID_DIR_FIELDS)
CODEC(pasid, PASID_FIELDS)
