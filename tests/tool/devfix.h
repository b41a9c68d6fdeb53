/* SPDX-License-Identifier: MIT */
/* A piece of guest memory that tests write device structures into, and what a visit finds there. */
#ifndef IODTEST_DEVFIX_H
#define IODTEST_DEVFIX_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <iodirty/devices.h>

#include <string.h>

#define FIX_BASE UINT64_C(0x100000)
#define FIX_LEN	 0x100000u
#define FIX_AWAY UINT64_C(0x700000) /* an address that is not in memory */
#define FIX_MAX	 1024u

struct devfix {
	struct iod_mem *mem;
	uint64_t *words;
	struct iod_device found[FIX_MAX];
	unsigned nr;
	unsigned stop_after; /* 0: never */
};

int devfix_setup(void **state);
int devfix_teardown(void **state);

/* Write words (host order) at a guest address. */
void devfix_put(struct devfix *fix, uint64_t pa, unsigned n, const uint64_t *words);
#define PUT(fix, pa, ...)                                                  \
	devfix_put(fix, pa, sizeof((const uint64_t[]){ __VA_ARGS__ }) / 8, \
		   (const uint64_t[]){ __VA_ARGS__ })

/* The callback: collects. Returns 42 to stop. */
int devfix_fn(void *cookie, const struct iod_device *device);

/* The only device found with that id and PASID (-1: its plain requests). */
const struct iod_device *devfix_get(const struct devfix *fix, uint32_t source_id, int64_t pasid);

/* Checks that a device is bad, why and where. */
void devfix_bad(const struct iod_device *device, const char *error, uint64_t pa);

#define BIT(n) (UINT64_C(1) << (n))

#endif
