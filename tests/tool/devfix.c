/* SPDX-License-Identifier: MIT */
/* Guest memory for the tests of device discovery. */
#include "devfix.h"

#include <stdlib.h>

#include "mkcore.h"

int devfix_setup(void **state)
{
	struct devfix *fix = calloc(1, sizeof(*fix));
	struct iod_mem_region region = {
		.pa = FIX_BASE,
		.len = FIX_LEN,
		.flags = IOD_REGION_READONLY,
	};
	struct iod_mem_vm_cfg cfg = { .size = sizeof(cfg), .regions = &region, .nr_regions = 1 };

	assert_non_null(fix);
	fix->words = calloc(1, FIX_LEN);
	assert_non_null(fix->words);
	region.host = fix->words;
	assert_int_equal(iod_mem_create_vm(&fix->mem, &cfg), 0);
	*state = fix;
	return 0;
}

int devfix_teardown(void **state)
{
	struct devfix *fix = *state;

	assert_int_equal(iod_mem_destroy(fix->mem), 0); /* no user was left behind */
	free(fix->words);
	free(fix);
	return 0;
}

void devfix_put(struct devfix *fix, uint64_t pa, unsigned n, const uint64_t *words)
{
	unsigned i;

	assert_true(pa >= FIX_BASE && pa + n * 8 <= FIX_BASE + FIX_LEN);
	for (i = 0; i < n; i++)
		put_le64(&fix->words[(pa - FIX_BASE) / 8 + i], words[i]);
}

int devfix_fn(void *cookie, const struct iod_device *device)
{
	struct devfix *fix = cookie;

	assert_true(fix->nr < FIX_MAX);
	assert_non_null(device->translation);
	fix->found[fix->nr++] = *device;
	return fix->nr == fix->stop_after ? 42 : 0;
}

const struct iod_device *devfix_get(const struct devfix *fix, uint32_t source_id, int64_t pasid)
{
	const struct iod_device *found = NULL;
	unsigned i;

	for (i = 0; i < fix->nr; i++) {
		const struct iod_device *dev = &fix->found[i];

		if (dev->source_id != source_id || dev->pasid_valid != (pasid >= 0) ||
		    (pasid >= 0 && dev->pasid != pasid))
			continue;
		assert_null(found);
		found = dev;
	}
	assert_non_null(found);
	return found;
}

void devfix_bad(const struct iod_device *device, const char *error, uint64_t pa)
{
	assert_int_equal(device->kind, IOD_DEVICE_BAD);
	assert_string_equal(device->translation, "bad");
	assert_non_null(device->error);
	assert_non_null(strstr(device->error, error));
	assert_int_equal(device->error_pa, pa);
}
