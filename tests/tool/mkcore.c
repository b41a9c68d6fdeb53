/* SPDX-License-Identifier: MIT */
/* Builds small ELF64 cores by hand. */
#include "mkcore.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void put_le(unsigned char *p, uint64_t v, unsigned bytes)
{
	while (bytes--) {
		*p++ = (unsigned char)v;
		v >>= 8;
	}
}

void put_le64(void *p, uint64_t v)
{
	put_le(p, v, 8);
}

uint64_t get_le64(const void *p)
{
	const unsigned char *bytes = p;
	uint64_t v = 0;
	int i;

	for (i = 7; i >= 0; i--)
		v = v << 8 | bytes[i];
	return v;
}

static void put_phdr(unsigned char *ph, const struct core_seg_spec *seg, uint64_t off)
{
	put_le(ph, 1, 4); /* PT_LOAD */
	put_le(ph + 4, 4, 4);
	put_le(ph + 8, off, 8);
	put_le(ph + 24, seg->pa, 8);
	put_le(ph + 32, seg->len, 8);
	put_le(ph + 40, seg->memsz ? seg->memsz : seg->len, 8);
}

void core_write(const struct core_spec *spec, const char *name)
{
	unsigned char head[4096] = { 0x7f, 'E', 'L', 'F', 2, 1, 1 };
	uint64_t off = sizeof(head);
	FILE *f = fopen(name, "wb");
	unsigned i;

	assert_non_null(f);
	put_le(head + 16, 4, 2); /* ET_CORE */
	put_le(head + 18, spec->machine ? spec->machine : 62, 2);
	put_le(head + 20, 1, 4);
	put_le(head + 32, 64, 8); /* e_phoff */
	put_le(head + 52, 64, 2);
	put_le(head + 54, 56, 2);
	put_le(head + 56, spec->xnum ? 0xffff : spec->nr, 2);
	if (spec->xnum) {
		put_le(head + 40, 4032, 8); /* e_shoff */
		put_le(head + 4032 + 44, spec->nr, 4);
	}
	for (i = 0; i < spec->nr; i++) {
		put_phdr(head + 64 + i * 56, &spec->seg[i], off + spec->seg[i].shift);
		off += (spec->seg[i].shift + spec->seg[i].len + 7) & ~UINT64_C(7);
	}
	assert_int_equal(fwrite(head, 1, sizeof(head), f), sizeof(head));
	for (i = 0; i < spec->nr; i++) {
		static const char zero[16];
		const struct core_seg_spec *seg = &spec->seg[i];
		size_t pad = (size_t)(-(seg->shift + seg->len) & 7);

		assert_int_equal(fwrite(zero, 1, seg->shift, f), seg->shift);
		assert_int_equal(fwrite(seg->data, 1, seg->len, f), seg->len);
		assert_int_equal(fwrite(zero, 1, pad, f), pad);
	}
	assert_int_equal(fclose(f), 0);
}

unsigned char *file_read(const char *name, size_t *len)
{
	FILE *f = fopen(name, "rb");
	unsigned char *data;
	long size;

	assert_non_null(f);
	fseek(f, 0, SEEK_END);
	size = ftell(f);
	rewind(f);
	assert_true(size > 0);
	data = malloc((size_t)size);
	assert_non_null(data);
	assert_int_equal(fread(data, 1, (size_t)size, f), size);
	fclose(f);
	*len = (size_t)size;
	return data;
}

void file_write(const char *name, const void *data, size_t len)
{
	FILE *f = fopen(name, "wb");

	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}
