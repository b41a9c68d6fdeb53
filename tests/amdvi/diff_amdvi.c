/* SPDX-License-Identifier: MIT */
/* What the differential tests share. */
#include <stdarg.h>
#include <stdio.h>

#include "amdvi/diff_amdvi.h"

#define FEATURES                                                                                   \
	(IOD_AMDVI_EFR_PREFSUP | IOD_AMDVI_EFR_PPRSUP | IOD_AMDVI_EFR_GTSUP |                      \
	 IOD_AMDVI_EFR_IASUP | IOD_AMDVI_EFR_GIOSUP | IOD_AMDVI_EFR_HASUP | IOD_AMDVI_EFR_EPHSUP | \
	 IOD_AMDVI_EFR_HDSUP | IOD_AMDVI_EFR_INVIOTLBTYPESUP)

void diff_start(struct diff *d)
{
	*d = (struct diff){ .rand = amdrand_start() };
	diff_id_full(d);
}

uint64_t diff_random(struct diff *d)
{
	return amdrand(&d->rand);
}

unsigned diff_below(struct diff *d, unsigned n)
{
	return (unsigned)(diff_random(d) % n);
}

bool diff_chance(struct diff *d, unsigned one_in)
{
	return !diff_below(d, one_in);
}

static void id_done(struct diff *d)
{
	d->mid = (struct mdl_amdvi_id){ .efr = d->id.efr, .efr2 = d->id.efr2 };
}

void diff_id_full(struct diff *d)
{
	iodt_assert_ok(iod_amdvi_id_full(&d->id));
	id_done(d);
}

static void id_field(struct diff *d, uint64_t mask, uint64_t value)
{
	d->id.efr = (d->id.efr & ~mask) | value * (mask & -mask);
}

void diff_id_random(struct diff *d)
{
	diff_id_full(d);
	d->id.efr ^= FEATURES & diff_random(d) & diff_random(d);
	id_field(d, IOD_AMDVI_EFR_HATS, diff_below(d, 3));
	id_field(d, IOD_AMDVI_EFR_GATS, diff_below(d, 2));
	id_field(d, IOD_AMDVI_EFR_GLXSUP, diff_below(d, 3));
	id_field(d, IOD_AMDVI_EFR_PASMAX,
		 diff_chance(d, 8) ? diff_below(d, 32) : diff_below(d, 20));
	id_done(d);
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
	print_error("EFR %016llx\n", (unsigned long long)d->id.efr);
	fail_msg("%s", text);
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
