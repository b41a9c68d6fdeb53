/* SPDX-License-Identifier: MIT */
/* What the differential tests of VT-d share. */
#include <stdlib.h>
#include <string.h>

#include "vtd/diff_vtd.h"

#define SEED UINT64_C(0x5654645f)

static void id_done(struct diff *d)
{
	d->mid.cap = d->id.cap;
	d->mid.ecap = d->id.ecap;
}

void diff_start(struct diff *d)
{
	const char *seed = getenv("IOD_SEED");

	*d = (struct diff){ .state = SEED };
	if (seed && *seed) {
		d->state = strtoull(seed, NULL, 0);
		print_message("seed %s\n", seed);
	}
	diff_id_full(d);
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
	print_error("CAP %016llx ECAP %016llx\n", (unsigned long long)d->id.cap,
		    (unsigned long long)d->id.ecap);
	fail_msg("%s", text);
}

/* ND 6, SAGAW 3 to 5 levels, MGAW 57, SSLPS, PSI, MAMV 52, drains, FS1GP, FS5LP; ECAP: PSS 19, not SSIRWS */
void diff_id_full(struct diff *d)
{
	d->id = (struct iod_vtd_id){
		.ver = 0x60,
		.cap = 6 | UINT64_C(7) << 9 | UINT64_C(56) << 16 | UINT64_C(3) << 34 |
		       UINT64_C(1) << 39 | UINT64_C(52) << 48 | UINT64_C(7) << 54 |
		       UINT64_C(1) << 60,
		.ecap = ~(UINT64_C(1) << 57 | UINT64_C(3) << 37),
	};
	id_done(d);
}

void diff_id_random(struct diff *d)
{
	static const uint8_t mamv[] = { 0, 6, 9, 18, 27, 48, 52, 63 };

	diff_id_full(d);
	d->id.ecap ^= diff_random(d) & diff_random(d) & diff_random(d);
	d->id.cap ^= diff_random(d) & diff_random(d) & diff_random(d) &
		     ~(UINT64_C(7) | UINT64_C(0x3f) << 48);
	d->id.cap &= ~(UINT64_C(7) | UINT64_C(0x3f) << 48);
	d->id.cap |= diff_chance(d, 3) ? diff_below(d, 7) : 6;
	d->id.cap |= (uint64_t)mamv[diff_below(d, sizeof(mamv))] << 48;
	if (diff_chance(d, 2))
		d->id.ecap |= UINT64_C(31) << 35;
	id_done(d);
}

void diff_flip(struct diff *d, uint64_t *w, unsigned n)
{
	unsigned k = diff_below(d, 4), bit;

	while (k--) {
		bit = diff_below(d, 64 * n);
		w[bit / 64] ^= UINT64_C(1) << bit % 64;
	}
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

	memset(w, 0, 8 * (size_t)n);
	for (i = 0; i < 8 * n; i++)
		w[i / 8] |= (uint64_t)at[i] << 8 * (i % 8);
}
