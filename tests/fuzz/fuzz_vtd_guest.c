/* SPDX-License-Identifier: MIT */
/*
 * Batches that a guest wrote for its VT-d, for a host that counts and may refuse. Whatever is in them: the host sees
 * nothing but this guest's domain ids and source-ids, what is handled is covered by what the host was given, and no batch
 * becomes too many. Words are looked at bit by bit, without the library.
 *
 * Input: flags (2), host's MAMV, number of the host descriptor that fails (255: none), descriptors of two words.
 */
#include <errno.h>
#include <string.h>

#include <iodirty/vtd_viommu.h>

#include "fuzz/fuzz.h"

#define NAMES	  4u
#define DID(n)	  (0x100u + (n))
#define SID(n)	  (0x8000u + (n))
#define VSID(n)	  (8u * (n))
#define MAX_GUEST 64u
#define LOG	  (IOD_VTD_VIOMMU_MAX_EXPAND + 2u * MAX_GUEST + NAMES)

struct word2 {
	uint64_t w[2];
};

static struct host {
	struct word2 desc[2 * LOG];
	size_t nr;
	unsigned int fail_at;
	uint32_t flags;
} host;

size_t fuzz_seed(unsigned n, uint8_t *buf, size_t max)
{
	static const uint64_t more[][2] = {
		{ UINT64_C(0x0000000700020036), 0x8040 },
		{ UINT64_C(0x0000000700020036), 0x9040 },
		{ UINT64_C(0x0000000700010036), 0x40000014 },
		{ UINT64_C(0x0000000700010026), 0 },
		{ 0x00020022, 0 },
		{ 0x12, 0 },
		{ UINT64_C(0x0000000800000003), 0x5000 },
		{ UINT64_C(0x0000000300080008), 0x5800 },
		{ UINT64_C(0x0000000300000017), 0 },
		{ UINT64_C(0x0000000300081019), 0x18 },
		{ UINT64_C(0x0000123400000025), 0x6000 },
	};
	const unsigned nr = sizeof(more) / sizeof(more[0]);
	uint8_t *at = buf;

	(void)max;
	if (n >= 2 * nr)
		return 0;
	at = fuzz_put(at, n & 1 ? IOD_VTD_VIOMMU_ALLOW_PRI | IOD_VTD_VIOMMU_ACCEPT_WAIT : 0, 2);
	at = fuzz_put(at, n % 3 ? 9 : 0x3f, 1);
	at = fuzz_put(at, 255, 1);
	for (unsigned i = 0; i < (n < nr ? 1 : nr); i++)
		for (unsigned k = 0; k < 2; k++)
			at = fuzz_put(at, more[(n + i) % nr][k], 8);
	return (size_t)(at - buf);
}

static uint64_t le(uint64_t word)
{
	const uint8_t *at = (const uint8_t *)&word;
	uint64_t v = 0;

	for (unsigned i = 0; i < 8; i++)
		v |= (uint64_t)at[i] << 8 * i;
	return v;
}

static unsigned int field(const struct word2 *d, unsigned int low, unsigned int bits)
{
	return (unsigned int)(d->w[0] >> low & ((UINT64_C(1) << bits) - 1));
}

/* Nothing but what is this guest's. */
static void may_be_seen(const struct word2 *d)
{
	unsigned int sid;

	switch (field(d, 0, 4)) {
	case 2: /* of a domain, not everything */
		FUZZ_CHECK(field(d, 4, 2) == 2 && field(d, 16, 16) - DID(0) < NAMES);
		return;
	case 6:
		FUZZ_CHECK(field(d, 4, 2) >= 2 && field(d, 16, 16) - DID(0) < NAMES);
		return;
	case 3:
		sid = field(d, 32, 16);
		break;
	case 9:
		FUZZ_CHECK(host.flags & IOD_VTD_VIOMMU_ALLOW_PRI);
		sid = field(d, 16, 16);
		break;
	default:
		FUZZ_CHECK(field(d, 0, 4) == 8);
		sid = field(d, 16, 16);
	}
	FUZZ_CHECK(sid - SID(0) < 2); /* the third's is off, the fourth is blocked */
}

static int issue(void *cookie, const struct iod_vtd_raw_desc *descs, size_t nr, bool sync,
		 size_t *issued)
{
	(void)cookie;
	(void)sync;
	for (size_t i = 0; i < nr; i++) {
		*issued = i;
		if (host.nr == host.fail_at)
			return -EIO;
		FUZZ_CHECK(host.nr < 2 * LOG);
		host.desc[host.nr] =
			(struct word2){ { le(descs[i].word[0]), le(descs[i].word[1]) } };
		may_be_seen(&host.desc[host.nr++]);
	}
	*issued = nr;
	return 0;
}

/* Whether the host was told about one address of the guest's PASID. */
static bool is_covered(unsigned int vdid, unsigned int pasid, uint64_t addr, bool tables)
{
	for (size_t i = 0; i < host.nr; i++) {
		const struct word2 *d = &host.desc[i];
		unsigned int am = (unsigned int)(d->w[1] & 0x3f);

		if (field(d, 16, 16) != DID(vdid))
			continue;
		if (field(d, 0, 4) == 2)
			return true;
		if (field(d, 0, 4) != 6 || field(d, 32, 20) != pasid)
			continue;
		if (field(d, 4, 2) == 2)
			return true;
		if (tables && (d->w[1] & 0x40))
			continue;
		if (am >= 52 || !((d->w[1] ^ addr) >> (12 + am)))
			return true;
	}
	return false;
}

static void check_handled(const struct word2 *d)
{
	unsigned int vdid = field(d, 16, 16), am = (unsigned int)(d->w[1] & 0x3f);
	bool tables = !(d->w[1] & 0x40);
	uint64_t mask = am >= 52 ? UINT64_MAX : (UINT64_C(1) << (12 + am)) - 1;

	if (field(d, 0, 4) == 2 && field(d, 4, 2) != 1) {
		FUZZ_CHECK(vdid < NAMES &&
			   is_covered(vdid, 1u << 19, UINT64_C(0x123456789000), true));
		return;
	}
	if (field(d, 0, 4) != 6)
		return;
	FUZZ_CHECK(vdid < NAMES);
	if (field(d, 4, 2) == 2) {
		mask = UINT64_MAX;
		tables = true;
	}
	FUZZ_CHECK(
		is_covered(vdid, field(d, 32, 20), (d->w[1] & ~mask) & ~UINT64_C(0xfff), tables));
	FUZZ_CHECK(is_covered(vdid, field(d, 32, 20), d->w[1] | mask, tables));
	FUZZ_CHECK(is_covered(vdid, field(d, 32, 20), (d->w[1] & ~mask) | (mask / 3), tables));
}

static int config(void *cookie, const struct iod_vtd_desc *desc)
{
	(void)cookie;
	return desc->did == 3 ? -EPERM : 0;
}

static int drain(void *cookie)
{
	(void)cookie;
	return 0;
}

static struct iod_vtd_viommu *make(struct fuzz_in *in)
{
	struct iod_vtd_sink sink = { .size = sizeof(sink), .issue = issue };
	struct iod_vtd_viommu_cfg cfg = {
		.size = sizeof(cfg), .sink = &sink, .config = config, .drain = drain
	};
	struct iod_vtd_vdev dev = { .size = sizeof(dev), .mip = 3, .pfsid = 0x8001 };
	struct iod_vtd_viommu *v;

	cfg.flags =
		(uint32_t)fuzz_take(in, 2) &
		(IOD_VTD_VIOMMU_ALLOW_PRI | IOD_VTD_VIOMMU_ACCEPT_WAIT |
		 IOD_VTD_VIOMMU_STRICT_DEV_TLB | IOD_VTD_VIOMMU_NO_SYNC | IOD_VTD_VIOMMU_LITERAL);
	host.flags = cfg.flags;
	FUZZ_CHECK(!iod_vtd_id_full(&cfg.host));
	FUZZ_CHECK(!iod_vtd_viommu_expose(&cfg.guest, &cfg.host,
					  cfg.flags & IOD_VTD_VIOMMU_ALLOW_PRI));
	cfg.host.cap &= ~IOD_VTD_CAP_MAMV;
	cfg.host.cap |= (fuzz_take(in, 1) & 0x3f) << 48;
	FUZZ_CHECK(!iod_vtd_viommu_create(&v, &cfg));
	for (unsigned i = 0; i < NAMES; i++) {
		FUZZ_CHECK(!iod_vtd_viommu_map_domain(v, (uint16_t)i, (uint16_t)DID(i)));
		dev.vsid = (uint16_t)VSID(i);
		dev.sid = (uint16_t)SID(i);
		dev.state = i < 2 ? IOD_VDEV_ON : i == 2 ? IOD_VDEV_ATS_OFF : IOD_VDEV_BLOCKED;
		FUZZ_CHECK(!iod_vtd_viommu_add(v, &dev));
	}
	return v;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = { data, size };
	struct iod_guest_result res = { .size = sizeof(res) };
	struct iod_vtd_raw_desc raw[MAX_GUEST];
	struct word2 guest[MAX_GUEST];
	struct iod_vtd_viommu *v;
	uint8_t word[8];
	size_t nr = 0;
	int ret;

	host.nr = 0;
	v = make(&in);
	host.fail_at = (unsigned int)fuzz_take(&in, 1);
	if (host.fail_at == 255)
		host.fail_at = UINT32_MAX;
	memset(raw, 0, sizeof(raw));
	for (; in.size && nr < MAX_GUEST; nr++) {
		for (unsigned k = 0; k < 2; k++) {
			guest[nr].w[k] = fuzz_take(&in, 8);
			fuzz_put(word, guest[nr].w[k], 8);
			memcpy(&raw[nr].word[k], word, 8);
		}
	}
	ret = iod_vtd_viommu_invalidate(v, raw, nr, &res);
	FUZZ_CHECK(res.handled <= nr && res.index == res.handled);
	FUZZ_CHECK(ret || res.handled == nr);
	FUZZ_CHECK(!ret || res.reason);
	FUZZ_CHECK(res.host_commands == host.nr);
	for (size_t i = 0; i < res.handled; i++)
		check_handled(&guest[i]);
	FUZZ_CHECK(!iod_vtd_viommu_destroy(v));
	return 0;
}
