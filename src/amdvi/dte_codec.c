/* SPDX-License-Identifier: MIT */
/* Device table entries, raw and typed: both directions from the one list of fields. */
#include <iodirty/amdvi_dte.h>

#include <errno.h>
#include <string.h>

#include "amdvi/dte_bits.h"

#define KNOWN(field, w, hi, lo, vlo) known[w] |= MASK64(hi, lo);
#define PUT(field, w, hi, lo, vlo)   word[w] |= (uint64_t)in->field >> (vlo) << (lo)&MASK64(hi, lo);
#define GET(field, w, hi, lo, vlo)                         \
	out->field = (__typeof__(out->field))(out->field | \
					      (word[w] & MASK64(hi, lo)) >> (lo) << (vlo));
#define DIFFER(field, w, hi, lo, vlo) bad |= (uint64_t)in->field ^ (uint64_t)back.field;

static void get_fields(struct iod_amdvi_dte *out, const uint64_t *word)
{
	memset(out, 0, sizeof(*out));
	DTE_FIELDS(GET)
}

int iod_amdvi_dte_encode(struct iod_amdvi_raw_dte *raw, const struct iod_amdvi_dte *in)
{
	uint64_t word[DTE_WORDS] = { 0 }, known[DTE_WORDS] = { 0 }, bad = 0;
	struct iod_amdvi_dte back;
	unsigned i;

	if (!raw || !in)
		return -EINVAL;
	DTE_FIELDS(PUT)
	DTE_FIELDS(KNOWN)
	get_fields(&back, word);
	DTE_FIELDS(DIFFER) /* what did not fit */
	for (i = 0; i < DTE_WORDS; i++)
		bad |= iod_le64(in->unknown.word[i]) & known[i];
	if (bad)
		return -EINVAL;
	for (i = 0; i < DTE_WORDS; i++)
		raw->word[i] = iod_le64(word[i]) | in->unknown.word[i];
	return 0;
}

int iod_amdvi_dte_decode(struct iod_amdvi_dte *out, const struct iod_amdvi_raw_dte *raw)
{
	uint64_t word[DTE_WORDS], known[DTE_WORDS] = { 0 };
	unsigned i;

	if (!out || !raw)
		return -EINVAL;
	for (i = 0; i < DTE_WORDS; i++)
		word[i] = iod_le64(raw->word[i]);
	get_fields(out, word);
	DTE_FIELDS(KNOWN)
	for (i = 0; i < DTE_WORDS; i++)
		out->unknown.word[i] = iod_le64(word[i] & ~known[i]);
	return 0;
}
