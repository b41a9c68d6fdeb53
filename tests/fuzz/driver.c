/* SPDX-License-Identifier: MIT */
/*
 * Runs a fuzz target without a fuzzer: on files, if there are arguments; else
 * on the target's corpus and on inputs made from it at random. A fixed seed,
 * or IOD_SEED; IOD_TEST_SCALE in percent. What fails is told by its number,
 * and IOD_FUZZ_INPUT=number writes that input to standard output instead.
 */
#include <stdio.h>
#include <stdlib.h>

#include "fuzz/fuzz.h"

#define INPUTS 20000
#define SEEDS  256

static uint64_t state = UINT64_C(0x66757a7a);
static unsigned long long current, wanted = -1ull;

static uint64_t next(void)
{
	uint64_t z = state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static size_t below(size_t n)
{
	return n ? (size_t)(next() % n) : 0;
}

/* From memory of exactly that size, so that reading beyond it is seen. */
static void run(const uint8_t *data, size_t size)
{
	uint8_t *copy;

	if (wanted != -1ull) {
		if (current++ == wanted && fwrite(data, 1, size, stdout) != size)
			abort();
		return;
	}
	copy = malloc(size ? size : 1);
	if (!copy)
		abort();
	memcpy(copy, data, size);
	fuzz_input = current++;
	LLVMFuzzerTestOneInput(copy, size);
	free(copy);
}

/* One change: a bit, a byte, a word, a piece moved, the end cut off or grown. */
static size_t mutate(uint8_t *buf, size_t size)
{
	static const uint64_t words[] = { 0, 1, UINT64_MAX, UINT64_C(1) << 63, 0xfff, 0x1000 };
	size_t at = below(size), len;

	switch (below(8)) {
	case 0:
		if (size)
			buf[at] = (uint8_t)next();
		return size;
	case 1:
		if (size >= at + 8)
			fuzz_put(buf + at, words[below(sizeof(words) / sizeof(words[0]))], 8);
		return size;
	case 2:
		len = below(size - at + 1);
		memmove(buf + below(size - len + 1), buf + at, len);
		return size;
	case 3:
		return at;
	case 4:
		len = below(64);
		while (len-- && size < FUZZ_MAX)
			buf[size++] = (uint8_t)next();
		return size;
	default:
		if (size)
			buf[at] ^= (uint8_t)(1u << below(8));
		return size;
	}
}

static int run_file(const char *name)
{
	static uint8_t buf[1 << 20];
	FILE *f = fopen(name, "rb");
	size_t size;

	if (!f) {
		fprintf(stderr, "%s: cannot be read\n", name);
		return 1;
	}
	size = fread(buf, 1, sizeof(buf), f);
	fclose(f);
	run(buf, size);
	return 0;
}

static unsigned long inputs(void)
{
	const char *scale = getenv("IOD_TEST_SCALE"), *seed = getenv("IOD_SEED");
	const char *input = getenv("IOD_FUZZ_INPUT");

	if (input && *input)
		wanted = strtoull(input, NULL, 0);
	if (seed && *seed)
		state = strtoull(seed, NULL, 0);
	return scale && *scale ? INPUTS / 100 * strtoul(scale, NULL, 10) : INPUTS;
}

/* Noise alone, now and then. */
static size_t noise(uint8_t *buf)
{
	size_t i, size = below(FUZZ_MAX);

	for (i = 0; i < size; i++)
		buf[i] = (uint8_t)next();
	return size;
}

static void run_random(unsigned long n)
{
	static uint8_t buf[FUZZ_MAX];
	unsigned seeds = 0;
	size_t size, changes;

	while (seeds < SEEDS) {
		size = fuzz_seed(seeds, buf, sizeof(buf));
		if (!size)
			break;
		run(buf, size);
		seeds++;
	}
	while (n--) {
		changes = below(8);
		if (!seeds || !below(16))
			size = noise(buf);
		else
			size = fuzz_seed((unsigned)below(seeds), buf, sizeof(buf));
		while (changes--)
			size = mutate(buf, size);
		run(buf, size);
	}
}

int main(int argc, char **argv)
{
	int i, bad = 0;

	for (i = 1; i < argc; i++)
		bad |= run_file(argv[i]);
	if (argc == 1)
		run_random(inputs());
	return bad;
}
