/* SPDX-License-Identifier: MIT */
/*
 * Fuzz targets: one input, no state kept between two. Built twice: with
 * driver.c as a test that replays a corpus and random inputs, and with
 * libFuzzer (-Dfuzz=true).
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The target's own corpus: writes input @n, returns its length, 0 when there is none. */
size_t fuzz_seed(unsigned n, uint8_t *buf, size_t max);

#define FUZZ_MAX 4096 /* bytes of the driver's inputs */

/* Number of the input, where a driver counts them. */
extern unsigned long long fuzz_input;

/* What must hold; aborts. */
void fuzz_failed(const char *file, int line, const char *what) __attribute__((noreturn));

#define FUZZ_CHECK(cond)                                        \
	do {                                                    \
		if (!(cond))                                    \
			fuzz_failed(__FILE__, __LINE__, #cond); \
	} while (0)

/* The input as a stream of values, little-endian; 0 beyond its end. */
struct fuzz_in {
	const uint8_t *data;
	size_t size;
};

static inline uint64_t fuzz_take(struct fuzz_in *in, unsigned bytes)
{
	uint64_t v = 0;
	unsigned i;

	for (i = 0; i < bytes && in->size; i++, in->data++, in->size--)
		v |= (uint64_t)*in->data << 8 * i;
	return v;
}

static inline uint8_t *fuzz_put(uint8_t *at, uint64_t v, unsigned bytes)
{
	unsigned i;

	for (i = 0; i < bytes; i++)
		*at++ = (uint8_t)(v >> 8 * i);
	return at;
}

/* A word of a small memory at address 0, little-endian, as a model reads it. @return -1 beyond it */
static inline int fuzz_word(const uint64_t *word, uint64_t nr, uint64_t pa, uint64_t *val)
{
	const uint8_t *at;
	unsigned i;

	if (pa / 8 >= nr)
		return -1;
	at = (const uint8_t *)&word[pa / 8];
	*val = 0;
	for (i = 0; i < 8; i++)
		*val |= (uint64_t)at[i] << 8 * i;
	return 0;
}

#endif
