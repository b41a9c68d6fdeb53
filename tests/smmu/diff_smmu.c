/* SPDX-License-Identifier: MIT */
/* What the differential tests share. */
#include <stdlib.h>
#include <string.h>

#include "smmu/diff_smmu.h"

#define SEED UINT64_C(0x534d4d5533)

void diff_start(struct diff *d)
{
	const char *seed = getenv("IOD_SEED");

	*d = (struct diff){ .state = SEED };
	if (seed && *seed) {
		d->state = strtoull(seed, NULL, 0);
		print_message("seed %s\n", seed);
	}
	diff_id_gold(d);
}

/* splitmix64: any seed will do */
uint64_t diff_random(struct diff *d)
{
	uint64_t z = d->state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

unsigned diff_below(struct diff *d, unsigned n)
{
	return (unsigned)(diff_random(d) % n);
}

bool diff_chance(struct diff *d, unsigned one_in)
{
	return !diff_below(d, one_in);
}

void diff_mismatch(struct diff *d, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	d->mismatches++;
	if (d->twin)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	print_error("IDR %08x %08x %08x %08x\n", d->id.idr[0], d->id.idr[1], d->id.idr[3],
		    d->id.idr[5]);
	fail_msg("%s", text);
}

static void id_done(struct diff *d)
{
	memcpy(d->mid.idr, d->id.idr, sizeof(d->mid.idr));
}

void diff_id_gold(struct diff *d)
{
	memset(&d->id, 0, sizeof(d->id));
	memcpy(d->id.idr, gold_idr, sizeof(gold_idr));
	id_done(d);
}

static void id_field(struct diff *d, unsigned idr, unsigned hi, unsigned lo, unsigned value)
{
	uint32_t mask = (uint32_t)((UINT64_C(1) << (hi + 1)) - (UINT64_C(1) << lo));

	d->id.idr[idr] = (d->id.idr[idr] & ~mask) | (value << lo & mask);
}

void diff_id_random(struct diff *d)
{
	/* bits of IDR0, IDR1, IDR3, IDR5 that are features of their own */
	static const uint32_t loose[6] = { 0x000d7e03, 0x04000000, 0, 0x0000a71c, 0, 0x00000070 };
	static const uint8_t endian[3] = { 0, 2, 3 };
	unsigned i;

	diff_id_gold(d);
	for (i = 0; i < 6; i++)
		d->id.idr[i] ^= loose[i] & (uint32_t)diff_random(d) & (uint32_t)diff_random(d);
	id_field(d, 0, 3, 2, 1 + diff_below(d, 3));	  /* TTF */
	id_field(d, 0, 7, 6, diff_below(d, 4));		  /* HTTU */
	id_field(d, 0, 22, 21, endian[diff_below(d, 3)]); /* TTENDIAN */
	id_field(d, 0, 25, 24, diff_below(d, 3));	  /* STALL_MODEL */
	id_field(d, 0, 26, 26, diff_chance(d, 4));	  /* TERM_MODEL */
	id_field(d, 0, 28, 27, diff_below(d, 2));	  /* ST_LEVEL */
	id_field(d, 1, 5, 0, diff_below(d, 33));	  /* SIDSIZE */
	id_field(d, 1, 10, 6, diff_below(d, 21));	  /* SSIDSIZE */
	id_field(d, 5, 2, 0, diff_below(d, 7));		  /* OAS */
	id_field(d, 5, 7, 7, diff_chance(d, 4));	  /* DS */
	id_field(d, 5, 11, 10, diff_below(d, 2));	  /* VAX */
	if (!(d->id.idr[5] & 0x70))
		d->id.idr[5] |= 0x10;
	if (!(d->id.idr[0] & 3))
		d->id.idr[0] |= 1;
	id_done(d);
}

void diff_to_le(uint64_t *mem, const uint64_t *w, unsigned n)
{
	unsigned char *at = (unsigned char *)mem;
	unsigned i;

	for (i = 0; i < 8 * n; i++)
		at[i] = (unsigned char)(w[i / 8] >> 8 * (i % 8));
}

void diff_from_le(uint64_t *w, const uint64_t *mem, unsigned n)
{
	const unsigned char *at = (const unsigned char *)mem;
	unsigned i;

	for (i = 0; i < n; i++)
		w[i] = 0;
	for (i = 0; i < 8 * n; i++)
		w[i / 8] |= (uint64_t)at[i] << 8 * (i % 8);
}

void diff_flip(struct diff *d, uint64_t *w, unsigned n)
{
	unsigned flips = diff_below(d, 4), bit;

	while (flips--) {
		bit = diff_below(d, 64 * n);
		w[bit / 64] ^= UINT64_C(1) << bit % 64;
	}
}
