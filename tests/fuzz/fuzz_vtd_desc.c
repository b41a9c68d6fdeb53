/* SPDX-License-Identifier: MIT */
/*
 * Invalidation descriptors that a guest wrote: capability registers, then any number of descriptors. The verdict is
 * the model's, and what is accepted can be said again.
 */
#include <errno.h>

#include <iodirty/vtd_desc.h>

#include "fuzz/fuzz.h"
#include "mdl_vtd.h"

/* Worked out by hand (tests/vtd/descrows.c). */
static const uint64_t seeds[][2] = {
	{ 0x0002abcd12340031, 0 },
	{ 0xd2, 0 },
	{ 0x00050032, 0x40200049 },
	{ 0xfff0ffff001ff003, 0x7ffffffffffff001 },
	{ 0x0000123418000014, 0 },
	{ 0xcafef00d00000065, 0x1234567c },
	{ 0x000fffff00070036, 0xfffffffffffff000 },
	{ 0x0000000100100017, 0 },
	{ 0xfffabcde010881f8, 0x7f0000004800 },
	{ 0x0001234501081019, 0xff8 },
};

size_t fuzz_seed(unsigned n, uint8_t *buf, size_t max)
{
	uint8_t *at = buf;

	(void)max;
	if (n >= sizeof(seeds) / sizeof(seeds[0]))
		return 0;
	at = fuzz_put(at, UINT64_MAX, 8);
	at = fuzz_put(at, UINT64_MAX, 8);
	at = fuzz_put(at, 0, 1);
	at = fuzz_put(at, seeds[n][0], 8);
	at = fuzz_put(at, seeds[n][1], 8);
	return (size_t)(at - buf);
}

/* The model's classes of reasons. */
static enum mdl_vtd_verdict verdict_of(enum iod_cmd_reason why)
{
	switch (why) {
	case IOD_CMD_OK:
		return MDL_DESC_OK;
	case IOD_CMD_BAD_OPCODE:
	case IOD_CMD_BAD_PERMISSION:
		return MDL_DESC_TYPE;
	case IOD_CMD_BAD_RESERVED:
		return MDL_DESC_RESERVED;
	default:
		return MDL_DESC_VALUE;
	}
}

static void one(const struct iod_vtd_id *id, const uint64_t w[4], uint32_t flags)
{
	const struct mdl_vtd_id mid = { id->cap, id->ecap };
	enum iod_cmd_reason why = IOD_CMD_OK;
	struct iod_vtd_raw_desc in, out;
	struct iod_cmd_effect effect;
	struct iod_vtd_desc desc, desc2;
	uint64_t first, last;
	unsigned i;
	int ret;

	for (i = 0; i < 4; i++)
		fuzz_put((uint8_t *)&in.word[i], w[i], 8);
	ret = iod_vtd_desc_decode(&desc, &in, id, flags, &why);
	FUZZ_CHECK(ret == 0 || ret == -EINVAL || ret == -EOPNOTSUPP);
	FUZZ_CHECK(!ret == !why);
	FUZZ_CHECK(verdict_of(why) == mdl_vtd_desc(w, &mid, flags & IOD_VTD_DESC_128));
	if (ret)
		return;
	FUZZ_CHECK(iod_vtd_desc_name(desc.type) && iod_vtd_desc_permitted(id, desc.type));
	FUZZ_CHECK(!iod_vtd_desc_encode(&out, &desc, id, flags, NULL));
	FUZZ_CHECK(!iod_vtd_desc_decode(&desc2, &out, id, flags, NULL));
	FUZZ_CHECK(!memcmp(&desc, &desc2, sizeof(desc)));
	FUZZ_CHECK(!iod_vtd_desc_effect(&effect, &desc));
	FUZZ_CHECK(effect.nr_s1 <= 1 && effect.nr_s2 <= 1);
	ret = iod_vtd_desc_dev_range(&desc, &first, &last);
	FUZZ_CHECK(!ret ==
		   (desc.type == IOD_VTD_DEV_TLB_INV || desc.type == IOD_VTD_P_DEV_TLB_INV));
	FUZZ_CHECK(ret || first <= last);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = { data, size };
	struct iod_vtd_id id = { 0 };
	uint32_t flags;
	uint64_t w[4];

	id.cap = fuzz_take(&in, 8);
	id.ecap = fuzz_take(&in, 8);
	flags = fuzz_take(&in, 1) & 1 ? IOD_VTD_DESC_128 : 0;
	while (in.size) {
		w[0] = fuzz_take(&in, 8);
		w[1] = fuzz_take(&in, 8);
		/* now and then something above */
		w[2] = w[1] % 7 == 6 ? fuzz_take(&in, 8) : 0;
		w[3] = w[1] % 11 == 10 ? fuzz_take(&in, 8) : 0;
		one(&id, w, flags);
	}
	return 0;
}
