/* SPDX-License-Identifier: MIT */
/*
 * Batches that a guest wrote for its AMD-Vi, and a device table entry. Whatever is in them: the host sees nothing but this
 * guest's DomainIDs and DeviceIDs, what is handled is covered by what the host was given, no batch becomes too many, and
 * what becomes of an entry has the host's table. Words are looked at bit by bit, without the library.
 *
 * Input: flags (2), number of the host command that fails (255: none), four words of an entry, commands.
 */
#include <errno.h>
#include <string.h>

#include <iodirty/amdvi_viommu.h>

#include "fuzz/fuzz.h"

#define NAMES	  4u
#define FIRST	  0x40u
#define LAST	  0x4fu
#define DEVID(n)  (0x8000u + (n))
#define VDEVID(n) (8u * (n))
#define MAX_GUEST 64u
#define LOG	  (2u * IOD_AMDVI_VIOMMU_MAX_EXPAND + 4u * MAX_GUEST)

struct word2 {
	uint64_t w[2];
};

static struct host {
	struct word2 cmd[LOG];
	size_t nr;
	unsigned int fail_at;
	uint32_t flags;
	uint16_t domain[NAMES];
} host;

size_t fuzz_seed(unsigned n, uint8_t *buf, size_t max)
{
	static const uint64_t more[][2] = {
		{ UINT64_C(0x3000000100000007), 0x8004 },
		{ UINT64_C(0x3000000100000007), 0x9004 },
		{ UINT64_C(0x3000000200000000), UINT64_C(0x7ffffffffffff003) },
		{ UINT64_C(0x3000000300000000), 0x1f007 },
		{ UINT64_C(0x4000000000000008), 0x5000 },
		{ UINT64_C(0x2000000000000010), 0 },
		{ UINT64_C(0x8000000000000000), 0 },
		{ UINT64_C(0x7000000300000008), UINT64_C(0x0000100500000004) },
		{ UINT64_C(0x1000000000005001), 0x77 },
	};
	static const uint64_t dte[4] = { UINT64_C(0x6b80000000000003) | UINT64_C(1) << 55, 2, 1,
					 0 };
	const unsigned nr = sizeof(more) / sizeof(more[0]);
	uint8_t *at = buf;

	(void)max;
	if (n >= 2 * nr)
		return 0;
	at = fuzz_put(at, n & 1 ? IOD_AMDVI_VIOMMU_ALLOW_PPR | IOD_AMDVI_VIOMMU_ACCEPT_WAIT : 0, 2);
	at = fuzz_put(at, 255, 1);
	for (unsigned i = 0; i < 4; i++)
		at = fuzz_put(at, dte[i], 8);
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

static void may_be_seen(const struct word2 *c)
{
	switch (field(c, 60, 4)) {
	case 3:
		FUZZ_CHECK(field(c, 32, 16) >= FIRST && field(c, 32, 16) <= LAST);
		return;
	case 7:
		FUZZ_CHECK(host.flags & IOD_AMDVI_VIOMMU_ALLOW_PPR);
		break;
	default:
		FUZZ_CHECK(field(c, 60, 4) == 4);
		FUZZ_CHECK(field(c, 32, 16) == field(c, 0, 16)); /* the device's queue */
	}
	FUZZ_CHECK(field(c, 0, 16) - DEVID(0) < 2); /* the third's is off, the fourth is blocked */
}

static int issue(void *cookie, const struct iod_amdvi_raw_cmd *cmds, size_t nr, bool sync,
		 size_t *issued)
{
	(void)cookie;
	(void)sync;
	for (size_t i = 0; i < nr; i++) {
		*issued = i;
		if (host.nr == host.fail_at)
			return -EIO;
		FUZZ_CHECK(host.nr < LOG);
		host.cmd[host.nr] = (struct word2){ { le(cmds[i].word[0]), le(cmds[i].word[1]) } };
		may_be_seen(&host.cmd[host.nr++]);
	}
	*issued = nr;
	return 0;
}

/* Address bits that a command leaves open: without S 4 KiB, with it up to the first 0 from bit 12 up. */
static uint64_t open_bits(uint64_t w1)
{
	uint64_t size = 0xfff;
	unsigned int bit = 12;

	if (!(w1 & 1))
		return size;
	while (bit < 63 && (w1 >> bit & 1))
		bit++;
	return bit >= 51 ? UINT64_MAX : (UINT64_C(2) << bit) - 1;
}

static bool is_covered(unsigned int domain, unsigned int pasid, unsigned int flags, uint64_t addr)
{
	for (size_t i = 0; i < host.nr; i++) {
		const struct word2 *c = &host.cmd[i];

		if (field(c, 60, 4) == 8)
			return true;
		if (field(c, 60, 4) != 3 || field(c, 32, 16) != domain ||
		    (c->w[1] & 4) != (flags & 4))
			continue;
		if ((flags & 4) && field(c, 0, 20) != pasid)
			continue;
		if ((flags & 2) && !(c->w[1] & 2))
			continue;
		if (!((c->w[1] ^ addr) & ~open_bits(c->w[1])))
			return true;
	}
	return false;
}

static void check_handled(const struct word2 *c)
{
	unsigned int vdomain = field(c, 32, 16), flags = (unsigned int)c->w[1] & 6;
	uint64_t mask = open_bits(c->w[1]);

	if (field(c, 60, 4) != 3 || vdomain >= NAMES)
		return;
	FUZZ_CHECK(is_covered(host.domain[vdomain], field(c, 0, 20), flags, (c->w[1] & ~mask)));
	FUZZ_CHECK(is_covered(host.domain[vdomain], field(c, 0, 20), flags, c->w[1] | mask));
	FUZZ_CHECK(is_covered(host.domain[vdomain], field(c, 0, 20), flags,
			      (c->w[1] & ~mask) | mask / 3));
}

static int told(void *cookie, uint16_t first, uint16_t last)
{
	(void)cookie;
	return first == 0x18 && last == 0x18 ? -EPERM : 0;
}

static int told_interrupts(void *cookie, uint16_t vdevid)
{
	(void)cookie;
	(void)vdevid;
	return 0;
}

static struct iod_amdvi_viommu *make(struct fuzz_in *in)
{
	struct iod_amdvi_sink sink = { .size = sizeof(sink), .issue = issue };
	struct iod_amdvi_viommu_cfg cfg = { .size = sizeof(cfg),
					    .sink = &sink,
					    .first_domain = FIRST,
					    .last_domain = LAST,
					    .max_pasid = 16,
					    .devtab = told,
					    .interrupts = told_interrupts };
	struct iod_amdvi_vdev dev = { .size = sizeof(dev) };
	struct iod_amdvi_viommu *v;

	cfg.flags = (uint32_t)fuzz_take(in, 2) &
		    (IOD_AMDVI_VIOMMU_ALLOW_PPR | IOD_AMDVI_VIOMMU_ACCEPT_WAIT |
		     IOD_AMDVI_VIOMMU_STRICT_IOTLB | IOD_AMDVI_VIOMMU_NO_SYNC |
		     IOD_AMDVI_VIOMMU_LITERAL);
	host.flags = cfg.flags;
	FUZZ_CHECK(!iod_amdvi_id_full(&cfg.host));
	cfg.host.efr2 |= IOD_AMDVI_EFR2_GCR3TRPMODE;
	FUZZ_CHECK(!iod_amdvi_viommu_expose(&cfg.guest, &cfg.host,
					    cfg.flags & IOD_AMDVI_VIOMMU_ALLOW_PPR));
	FUZZ_CHECK(!iod_amdvi_viommu_create(&v, &cfg));
	for (unsigned i = 0; i < NAMES; i++) {
		FUZZ_CHECK(!iod_amdvi_viommu_map_domain(v, (uint16_t)i, &host.domain[i]));
		dev.vdevid = (uint16_t)VDEVID(i);
		dev.devid = (uint16_t)DEVID(i);
		dev.state = i < 2 ? IOD_VDEV_ON : i == 2 ? IOD_VDEV_ATS_OFF : IOD_VDEV_BLOCKED;
		FUZZ_CHECK(!iod_amdvi_viommu_add(v, &dev));
	}
	return v;
}

/* V, TV, Mode 4, a root, IR, IW: the host's part must come out as it went in. */
static void entry(struct iod_amdvi_viommu *v, const struct iod_amdvi_raw_dte *guest)
{
	const struct iod_amdvi_dte mine = { .v = true,
					    .tv = true,
					    .mode = 4,
					    .root = 0x888000,
					    .had = 3,
					    .ir = true,
					    .iw = true,
					    .domain = 0x30 };
	struct iod_amdvi_raw_dte host_dte, out;
	struct iod_amdvi_dte o;
	const char *why;
	int ret;

	FUZZ_CHECK(!iod_amdvi_dte_encode(&host_dte, &mine));
	ret = iod_amdvi_viommu_vdte(v, 0, guest, &host_dte, &out, NULL, &why);
	FUZZ_CHECK(ret ? why != NULL : !why);
	if (ret)
		return;
	FUZZ_CHECK(!iod_amdvi_dte_decode(&o, &out));
	FUZZ_CHECK(o.v && o.tv && o.mode == 4 && o.root == 0x888000 && o.had == 3 && !o.i && !o.iv);
	FUZZ_CHECK(o.gv ? o.domain >= FIRST && o.domain <= LAST : o.domain == 0x30);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = { data, size };
	struct iod_guest_result res = { .size = sizeof(res) };
	struct iod_amdvi_raw_cmd raw[MAX_GUEST];
	struct iod_amdvi_raw_dte dte;
	struct word2 guest[MAX_GUEST];
	struct iod_amdvi_viommu *v;
	size_t nr = 0;
	int ret;

	host.nr = 0;
	v = make(&in);
	host.fail_at = (unsigned int)fuzz_take(&in, 1);
	if (host.fail_at == 255)
		host.fail_at = UINT32_MAX;
	for (unsigned i = 0; i < 4; i++)
		fuzz_put((uint8_t *)&dte.word[i], fuzz_take(&in, 8), 8);
	entry(v, &dte);
	for (; in.size && nr < MAX_GUEST; nr++) {
		for (unsigned k = 0; k < 2; k++) {
			guest[nr].w[k] = fuzz_take(&in, 8);
			fuzz_put((uint8_t *)&raw[nr].word[k], guest[nr].w[k], 8);
		}
	}
	ret = iod_amdvi_viommu_invalidate(v, raw, nr, &res);
	FUZZ_CHECK(res.handled <= nr && res.index == res.handled);
	FUZZ_CHECK(ret || res.handled == nr);
	FUZZ_CHECK(!ret || res.reason);
	FUZZ_CHECK(res.host_commands == host.nr);
	for (size_t i = 0; i < res.handled; i++)
		check_handled(&guest[i]);
	FUZZ_CHECK(!iod_amdvi_viommu_destroy(v));
	return 0;
}
