/* SPDX-License-Identifier: MIT */
/*
 * Guests' batches take frequent commands without decoding them. So: whatever bits a guest sets, a batch takes exactly
 * what the decoder takes. One bit set, two bits set, and at random, for every vendor and for guests that are shown all
 * that there is, and little.
 */
#include "iodtest.h"

#include <iodirty/amdvi_viommu.h>
#include <iodirty/smmuv3_viommu.h>
#include <iodirty/vtd_viommu.h>

#define WORDS 4u
#define ROUND 20000u

static uint64_t issued; /* commands that reached the host */

static int smmu_issue(void *cookie, const struct iod_smmuv3_raw_cmd *raw, size_t nr, bool sync,
		      size_t *taken)
{
	issued += nr;
	*taken = nr;
	return 0;
}

static int vtd_issue(void *cookie, const struct iod_vtd_raw_desc *raw, size_t nr, bool sync,
		     size_t *taken)
{
	issued += nr;
	*taken = nr;
	return 0;
}

static int amdvi_issue(void *cookie, const struct iod_amdvi_raw_cmd *raw, size_t nr, bool sync,
		       size_t *taken)
{
	issued += nr;
	*taken = nr;
	return 0;
}

static uint64_t le(uint64_t v)
{
	uint8_t byte[8];
	uint64_t out;

	for (unsigned int i = 0; i < 8; i++)
		byte[i] = (uint8_t)(v >> 8 * i);
	memcpy(&out, byte, sizeof(out));
	return out;
}

static struct iod_smmuv3_viommu *smmu;
static struct iod_smmuv3_id smmu_guest;
static struct iod_vtd_viommu *vtd;
static struct iod_vtd_id vtd_guest;
static struct iod_amdvi_viommu *amdvi;
static struct iod_amdvi_id amdvi_guest;

static void smmu_open(bool little)
{
	struct iod_smmuv3_sink sink = { .size = sizeof(sink), .issue = smmu_issue };
	struct iod_smmuv3_viommu_cfg cfg = { .size = sizeof(cfg), .sink = &sink, .vmid = 5 };

	assert_int_equal(iod_smmuv3_id_full(&cfg.host), 0);
	assert_int_equal(iod_smmuv3_viommu_expose(&cfg.guest, &cfg.host, 0), 0);
	if (little) {
		cfg.guest.idr[3] &= ~IOD_SMMUV3_IDR3_RIL;
		cfg.guest.idr[0] &= ~IOD_SMMUV3_IDR0_ASID16;
	}
	smmu_guest = cfg.guest;
	assert_int_equal(iod_smmuv3_viommu_create(&smmu, &cfg), 0);
}

static void vtd_open(bool little)
{
	struct iod_vtd_sink sink = { .size = sizeof(sink), .issue = vtd_issue };
	struct iod_vtd_viommu_cfg cfg = { .size = sizeof(cfg), .sink = &sink };

	assert_int_equal(iod_vtd_id_full(&cfg.host), 0);
	assert_int_equal(iod_vtd_viommu_expose(&cfg.guest, &cfg.host, 0), 0);
	if (little) {
		cfg.guest.cap = (cfg.guest.cap & ~(IOD_VTD_CAP_ND | IOD_VTD_CAP_MAMV)) |
				UINT64_C(9) << 48 | 2;
		cfg.guest.ecap = (cfg.guest.ecap & ~IOD_VTD_ECAP_PSS) | UINT64_C(7) << 35;
	}
	vtd_guest = cfg.guest;
	assert_int_equal(iod_vtd_viommu_create(&vtd, &cfg), 0);
}

static void amdvi_open(bool little)
{
	struct iod_amdvi_sink sink = { .size = sizeof(sink), .issue = amdvi_issue };
	struct iod_amdvi_viommu_cfg cfg = { .size = sizeof(cfg), .sink = &sink, .last_domain = 9 };

	assert_int_equal(iod_amdvi_id_full(&cfg.host), 0);
	cfg.host.efr2 |= IOD_AMDVI_EFR2_GCR3TRPMODE;
	assert_int_equal(iod_amdvi_viommu_expose(&cfg.guest, &cfg.host, 0), 0);
	if (little) {
		cfg.guest.efr &= ~(IOD_AMDVI_EFR_INVIOTLBTYPESUP | IOD_AMDVI_EFR_PASMAX);
		cfg.guest.efr |= UINT64_C(7) << IOD_AMDVI_EFR_PASMAX_SHIFT;
	}
	amdvi_guest = cfg.guest;
	assert_int_equal(iod_amdvi_viommu_create(&amdvi, &cfg), 0);
}

/* What the decoder says; and what the batch does. */
struct verdict {
	int decoded, batch;
	enum iod_cmd_reason why, reason;
};

static struct verdict smmu_try(const uint64_t *w)
{
	struct iod_guest_result res = { .size = sizeof(res) };
	struct iod_smmuv3_raw_cmd raw = { { le(w[0]), le(w[1]) } };
	struct iod_smmuv3_cmd cmd;
	struct verdict v;

	v.decoded = iod_smmuv3_cmd_decode(&cmd, &raw, &smmu_guest, &v.why);
	v.batch = iod_smmuv3_viommu_invalidate(smmu, &raw, 1, &res);
	v.reason = res.reason;
	return v;
}

static struct verdict vtd_try(const uint64_t *w)
{
	struct iod_guest_result res = { .size = sizeof(res) };
	struct iod_vtd_raw_desc raw = { { le(w[0]), le(w[1]), le(w[2]), le(w[3]) } };
	struct iod_vtd_desc desc;
	struct verdict v;

	v.decoded = iod_vtd_desc_decode(&desc, &raw, &vtd_guest, 0, &v.why);
	v.batch = iod_vtd_viommu_invalidate(vtd, &raw, 1, &res);
	v.reason = res.reason;
	return v;
}

static struct verdict amdvi_try(const uint64_t *w)
{
	struct iod_guest_result res = { .size = sizeof(res) };
	struct iod_amdvi_raw_cmd raw = { { le(w[0]), le(w[1]) } };
	struct iod_amdvi_cmd cmd;
	struct verdict v;

	v.decoded = iod_amdvi_cmd_decode(&cmd, &raw, &amdvi_guest, &v.why);
	v.batch = iod_amdvi_viommu_invalidate(amdvi, &raw, 1, &res);
	v.reason = res.reason;
	return v;
}

static void close_all(void)
{
	iod_smmuv3_viommu_destroy(smmu);
	iod_vtd_viommu_destroy(vtd);
	iod_amdvi_viommu_destroy(amdvi);
}

static const struct vendor {
	const char *name;
	unsigned int words;
	struct verdict (*try)(const uint64_t *w);
	uint64_t base[8][2]; /* frequent commands, as the specifications have them */
	unsigned int nr;
} vendors[] = {
	/* TLBI_NH_VA, the same with TG, CFGI_CD, ATC_INV, the same with SSV */
	{ "smmu", 2, smmu_try, { { 0x12 }, { 0x1012, 0x400 }, { 0x05 }, { 0x40 }, { 0x840 } }, 5 },
	/* p_iotlb by page and by PASID, dev-TLB, dev-TLB by PASID, the same with S; of all */
	{ "vtd",
	  4,
	  vtd_try,
	  { { 0x36 },
	    { 0x26 },
	    { 0x03 },
	    { 0x08 },
	    { 0x08, 0x800 },
	    { 0x03, UINT64_C(0xfffffffffffff000) },
	    { 0x08, UINT64_C(0xfffffffffffff000) },
	    { 0x36, 0x34 } },
	  8 },
	/* INVALIDATE_IOMMU_PAGES, INVALIDATE_IOTLB_PAGES, without and with GN */
	{ "amdvi",
	  2,
	  amdvi_try,
	  { { UINT64_C(3) << 60 },
	    { UINT64_C(3) << 60, 4 },
	    { UINT64_C(4) << 60 },
	    { UINT64_C(4) << 60, 4 } },
	  4 },
};

/* What a batch says where the decoder says nothing: names that nobody has. And of VMIDs, that they are not the guest's. */
static bool same(const struct verdict *v)
{
	if (!v->decoded)
		return !v->batch || v->reason == IOD_CMD_BAD_SOURCE ||
		       v->reason == IOD_CMD_BAD_DOMAIN || v->reason == IOD_CMD_BAD_PASID ||
		       v->reason == IOD_CMD_BAD_POLICY || v->reason == IOD_CMD_BAD_RANGE;
	return v->batch == v->decoded && (v->reason == v->why || v->reason == IOD_CMD_BAD_DOMAIN);
}

static void check(const struct vendor *vendor, const uint64_t *w, unsigned int *refused)
{
	struct verdict v = vendor->try(w);

	*refused += v.decoded != 0;
	if (!same(&v))
		fail_msg("%s %016llx %016llx: decoder %d (%s), batch %d (%s)", vendor->name,
			 (unsigned long long)w[0], (unsigned long long)w[1], v.decoded,
			 iod_cmd_reason_name(v.why), v.batch, iod_cmd_reason_name(v.reason));
}

static void flip(uint64_t *w, unsigned int bit)
{
	w[bit / 64] ^= UINT64_C(1) << bit % 64;
}

static void all_bits(const struct vendor *vendor, const uint64_t *base)
{
	unsigned int bits = vendor->words * 64, refused = 0, i, j;
	uint64_t seed = base[0] ^ base[1] ^ 1;

	for (i = 0; i < bits; i++) {
		for (j = i; j < bits; j++) {
			uint64_t w[WORDS] = { base[0], base[1] };

			flip(w, i);
			if (i != j)
				flip(w, j);
			check(vendor, w, &refused);
		}
	}
	for (i = 0; i < ROUND; i++) {
		uint64_t w[WORDS] = { base[0], base[1] };

		for (j = 0; j < 12; j++) {
			seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
			flip(w, (unsigned int)(seed >> 33) % 128);
		}
		check(vendor, w, &refused);
	}
	assert_true(refused > 0); /* else nothing was asked */
}

static void try_guests(bool little)
{
	smmu_open(little);
	vtd_open(little);
	amdvi_open(little);
	issued = 0;
	for (size_t v = 0; v < sizeof(vendors) / sizeof(vendors[0]); v++)
		for (unsigned int i = 0; i < vendors[v].nr; i++)
			all_bits(&vendors[v], vendors[v].base[i]);
	assert_true(issued > 0);
	close_all();
}

static void test_full(void **state)
{
	try_guests(false);
}

static void test_little(void **state)
{
	try_guests(true);
}

/* The twin: what a batch says of a command is not what the decoder says of the same with a reserved bit more. */
static void test_twin(void **state)
{
	static const uint64_t right[WORDS] = { UINT64_C(3) << 60 },
			      wrong[WORDS] = { UINT64_C(3) << 60 | UINT64_C(1) << 59 };
	struct verdict v, other;

	amdvi_open(false);
	v = amdvi_try(right);
	other = amdvi_try(wrong);
	assert_true(same(&v) && same(&other));
	v.decoded = other.decoded;
	v.why = other.why;
	assert_false(same(&v));
	iod_amdvi_viommu_destroy(amdvi);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_little),
		cmocka_unit_test(test_twin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
