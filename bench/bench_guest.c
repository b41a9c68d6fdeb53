/* SPDX-License-Identifier: MIT */
/*
 * A guest's commands become the host's, for each vendor, in batches that a busy guest makes. An item is a guest
 * command. The host's end counts and keeps the last ones; nothing is waited for. The limit is a copy
 * of as many.
 */
#include "bench.h"

#include <errno.h>
#include <string.h>

#include <iodirty/amdvi_viommu.h>
#include <iodirty/smmuv3_viommu.h>
#include <iodirty/vtd_viommu.h>

#define BATCH	   256u
#define CMDS	   4096u /* too many for a branch predictor to learn */
#define DEVICES	   64u
#define DOMAINS	   8u
#define PASIDS	   8u
#define VMID	   5u
#define HOST_ID	   0x1000u /* the first of the host's names for devices and domains */
#define MOST_WORDS 4u

static uint64_t cmds[CMDS * MOST_WORDS], copy[CMDS * MOST_WORDS], kept[CMDS * MOST_WORDS];
static uint64_t issued, syncs;
static volatile uint64_t sum; /* so that nothing is left out */

static int keep(const void *host, size_t nr, size_t bytes, bool sync, size_t *taken)
{
	uint64_t at = issued % CMDS & ~(uint64_t)(BATCH - 1);

	if (nr)
		memcpy((char *)kept + at * bytes, host, nr * bytes);
	issued += nr;
	syncs += sync;
	*taken = nr;
	return 0;
}

static bool is(const struct bench_case *c, const char *state)
{
	return !strcmp(c->state, state);
}

/* Ranges or blocks: neighbours become one. Else single pages, for a host without ranges. */
static bool joins(const struct bench_case *c)
{
	return strcmp(c->mode, "single");
}

/* A guest that tears a buffer down page by page; one here and one there. */
static uint64_t page_of(const struct bench_case *c, unsigned int i)
{
	if (is(c, "pages"))
		return ((uint64_t)(i / BATCH) << 32) + ((uint64_t)i << BENCH_PAGE_LG2);
	return (bench_random(i) & UINT64_C(0xffffff)) << (BENCH_PAGE_LG2 + 1);
}

/* 16 kinds of commands, evenly: with ATS and what else there is in between, of mixed ones. 0 to 7: pages. */
static unsigned int kind_of(const struct bench_case *c, unsigned int i)
{
	return is(c, "mixed") ? (unsigned int)(bench_random(i) >> 60) : 0;
}

static uint16_t device_of(unsigned int i)
{
	return (uint16_t)((uint32_t)(bench_random(i) >> 24) % DEVICES * 8);
}

/* One of 8: ASIDs, PASIDs or domains. */
static uint16_t one_of_8(const struct bench_case *c, unsigned int i)
{
	return is(c, "pages") ? 3 : (uint16_t)(bench_random(i) >> 32 & 7);
}

static uint64_t ats_page(unsigned int i)
{
	return (bench_random(i) & UINT64_C(0xffffff)) << BENCH_PAGE_LG2;
}

/* ---- SMMUv3 ---- */

static struct iod_smmuv3_viommu *smmu;

static int smmu_issue(void *cookie, const struct iod_smmuv3_raw_cmd *host, size_t nr, bool sync,
		      size_t *taken)
{
	return keep(host, nr, sizeof(*host), sync, taken);
}

static int smmu_make(const struct bench_case *c, unsigned int i, uint64_t *out)
{
	unsigned int kind = kind_of(c, i);
	struct iod_smmuv3_cmd cmd = { .op = IOD_SMMUV3_TLBI_NH_VA,
				      .asid = one_of_8(c, i),
				      .leaf = true,
				      .addr = page_of(c, i) };

	if (kind >= 8)
		cmd = (struct iod_smmuv3_cmd){ .op = IOD_SMMUV3_ATC_INV,
					       .sid = device_of(i),
					       .addr = ats_page(i) };
	if (kind == 15) {
		cmd.op = IOD_SMMUV3_CFGI_CD;
		cmd.addr = 0;
	}
	return iod_smmuv3_cmd_encode((struct iod_smmuv3_raw_cmd *)out, &cmd, NULL, NULL);
}

static int smmu_create(const struct bench_case *c)
{
	struct iod_smmuv3_sink sink = { .size = sizeof(sink), .issue = smmu_issue };
	struct iod_smmuv3_viommu_cfg cfg = { .size = sizeof(cfg), .sink = &sink, .vmid = VMID };
	int err = iod_smmuv3_id_full(&cfg.host);

	if (!joins(c))
		cfg.host.idr[3] &= ~IOD_SMMUV3_IDR3_RIL;
	if (!err)
		err = iod_smmuv3_viommu_expose(&cfg.guest, &cfg.host, 0);
	cfg.guest.idr[5] &= ~(IOD_SMMUV3_IDR5_GRAN16K | IOD_SMMUV3_IDR5_GRAN64K);
	if (!err)
		err = iod_smmuv3_viommu_create(&smmu, &cfg);
	for (uint32_t i = 0; i < DEVICES && !err; i++)
		err = iod_smmuv3_viommu_add(smmu, i * 8, HOST_ID + i, IOD_VDEV_ON);
	return err;
}

static int smmu_invalidate(const uint64_t *batch, struct iod_guest_result *res)
{
	return iod_smmuv3_viommu_invalidate(smmu, (const struct iod_smmuv3_raw_cmd *)batch, BATCH,
					    res);
}

static void smmu_destroy(void)
{
	iod_smmuv3_viommu_destroy(smmu);
	smmu = NULL;
}

/* The host's StreamID or the VMID in what was kept. */
static bool smmu_right(const uint64_t *word)
{
	struct iod_smmuv3_cmd cmd;

	if (iod_smmuv3_cmd_decode(&cmd, (const struct iod_smmuv3_raw_cmd *)word, NULL, NULL))
		return false;
	return cmd.op == IOD_SMMUV3_TLBI_NH_VA ? cmd.vmid == VMID : cmd.sid - HOST_ID < DEVICES;
}

/* ---- VT-d ---- */

static struct iod_vtd_viommu *vtd;

static int vtd_issue(void *cookie, const struct iod_vtd_raw_desc *host, size_t nr, bool sync,
		     size_t *taken)
{
	return keep(host, nr, sizeof(*host), sync, taken);
}

static int vtd_make(const struct bench_case *c, unsigned int i, uint64_t *out)
{
	unsigned int kind = kind_of(c, i);
	struct iod_vtd_desc desc = { .type = IOD_VTD_P_IOTLB_INV,
				     .gran = IOD_VTD_P_IOTLB_PAGE,
				     .did = one_of_8(c, i),
				     .pasid = (uint32_t)(bench_random(i) >> 40) % PASIDS,
				     .ih = true,
				     .addr = page_of(c, i) };

	if (is(c, "pages"))
		desc.pasid = 3;
	if (kind >= 8)
		desc = (struct iod_vtd_desc){ .type = IOD_VTD_DEV_TLB_INV,
					      .sid = device_of(i),
					      .addr = ats_page(i) };
	if (kind == 15) {
		desc.type = IOD_VTD_P_DEV_TLB_INV;
		desc.pasid = 3;
	}
	return iod_vtd_desc_encode((struct iod_vtd_raw_desc *)out, &desc, NULL, 0, NULL);
}

static int vtd_create(const struct bench_case *c)
{
	struct iod_vtd_sink sink = { .size = sizeof(sink), .issue = vtd_issue };
	struct iod_vtd_viommu_cfg cfg = { .size = sizeof(cfg), .sink = &sink };
	int err = iod_vtd_id_full(&cfg.host);

	if (!err)
		err = iod_vtd_viommu_expose(&cfg.guest, &cfg.host, 0);
	if (!err)
		err = iod_vtd_viommu_create(&vtd, &cfg);
	for (uint16_t i = 0; i < DEVICES && !err; i++) {
		const struct iod_vtd_vdev dev = { .size = sizeof(dev),
						  .vsid = (uint16_t)(i * 8),
						  .sid = (uint16_t)(HOST_ID + i),
						  .state = IOD_VDEV_ON };

		err = iod_vtd_viommu_add(vtd, &dev);
	}
	for (uint16_t i = 0; i < DOMAINS && !err; i++)
		err = iod_vtd_viommu_map_domain(vtd, i, (uint16_t)(HOST_ID + i));
	return err;
}

static int vtd_invalidate(const uint64_t *batch, struct iod_guest_result *res)
{
	return iod_vtd_viommu_invalidate(vtd, (const struct iod_vtd_raw_desc *)batch, BATCH, res);
}

static void vtd_destroy(void)
{
	iod_vtd_viommu_destroy(vtd);
	vtd = NULL;
}

static bool vtd_right(const uint64_t *word)
{
	struct iod_vtd_desc desc;

	if (iod_vtd_desc_decode(&desc, (const struct iod_vtd_raw_desc *)word, NULL, 0, NULL))
		return false;
	return desc.type == IOD_VTD_P_IOTLB_INV ? desc.did - HOST_ID < DOMAINS
						: desc.sid - HOST_ID < DEVICES;
}

/* ---- AMD-Vi ---- */

static struct iod_amdvi_viommu *amdvi;

static int amdvi_issue(void *cookie, const struct iod_amdvi_raw_cmd *host, size_t nr, bool sync,
		       size_t *taken)
{
	return keep(host, nr, sizeof(*host), sync, taken);
}

static int amdvi_make(const struct bench_case *c, unsigned int i, uint64_t *out)
{
	unsigned int kind = kind_of(c, i);
	struct iod_amdvi_cmd cmd = { .op = IOD_AMDVI_INVALIDATE_IOMMU_PAGES,
				     .domain = one_of_8(c, i),
				     .gn = true,
				     .pasid = (uint32_t)(bench_random(i) >> 40) % PASIDS,
				     .addr = page_of(c, i) };

	if (is(c, "pages"))
		cmd.pasid = 3;
	if (kind >= 8)
		cmd = (struct iod_amdvi_cmd){ .op = IOD_AMDVI_INVALIDATE_IOTLB_PAGES,
					      .devid = device_of(i),
					      .addr = ats_page(i) };
	if (kind == 15) {
		cmd.gn = true;
		cmd.pasid = 3;
	}
	return iod_amdvi_cmd_encode((struct iod_amdvi_raw_cmd *)out, &cmd, NULL, NULL);
}

static int amdvi_create(const struct bench_case *c)
{
	struct iod_amdvi_sink sink = { .size = sizeof(sink), .issue = amdvi_issue };
	struct iod_amdvi_viommu_cfg cfg = { .size = sizeof(cfg),
					    .sink = &sink,
					    .first_domain = HOST_ID,
					    .last_domain = HOST_ID + DOMAINS - 1 };
	int err = iod_amdvi_id_full(&cfg.host);
	uint16_t domain;

	cfg.host.efr2 |= IOD_AMDVI_EFR2_GCR3TRPMODE;
	if (!err)
		err = iod_amdvi_viommu_expose(&cfg.guest, &cfg.host, 0);
	if (!err)
		err = iod_amdvi_viommu_create(&amdvi, &cfg);
	for (uint16_t i = 0; i < DEVICES && !err; i++) {
		const struct iod_amdvi_vdev dev = { .size = sizeof(dev),
						    .vdevid = (uint16_t)(i * 8),
						    .devid = (uint16_t)(HOST_ID + i),
						    .state = IOD_VDEV_ON };

		err = iod_amdvi_viommu_add(amdvi, &dev);
	}
	for (uint16_t i = 0; i < DOMAINS && !err; i++)
		err = iod_amdvi_viommu_map_domain(amdvi, i, &domain);
	return err;
}

static int amdvi_invalidate(const uint64_t *batch, struct iod_guest_result *res)
{
	return iod_amdvi_viommu_invalidate(amdvi, (const struct iod_amdvi_raw_cmd *)batch, BATCH,
					   res);
}

static void amdvi_destroy(void)
{
	iod_amdvi_viommu_destroy(amdvi);
	amdvi = NULL;
}

static bool amdvi_right(const uint64_t *word)
{
	struct iod_amdvi_cmd cmd;

	if (iod_amdvi_cmd_decode(&cmd, (const struct iod_amdvi_raw_cmd *)word, NULL, NULL))
		return false;
	return cmd.op == IOD_AMDVI_INVALIDATE_IOMMU_PAGES ? cmd.domain - HOST_ID < DOMAINS
							  : cmd.devid - HOST_ID < DEVICES;
}

/* ---- all of them ---- */

struct vendor {
	const char *bench;
	unsigned int words; /* of a command */
	int (*create)(const struct bench_case *c);
	void (*destroy)(void);
	int (*make)(const struct bench_case *c, unsigned int i, uint64_t *out);
	int (*invalidate)(const uint64_t *batch, struct iod_guest_result *res);
	bool (*right)(const uint64_t *word); /* a command of the host */
};

static const struct vendor vendors[] = {
	{ "smmu_guest", 2, smmu_create, smmu_destroy, smmu_make, smmu_invalidate, smmu_right },
	{ "vtd_guest", 4, vtd_create, vtd_destroy, vtd_make, vtd_invalidate, vtd_right },
	{ "amdvi_guest", 2, amdvi_create, amdvi_destroy, amdvi_make, amdvi_invalidate,
	  amdvi_right },
};

static const struct vendor *vendor_of(const struct bench_case *c)
{
	const struct vendor *v = vendors;

	while (strcmp(v->bench, c->bench))
		v++;
	return v;
}

static int guest_prepare(struct bench_rig *rig, const struct bench_case *c)
{
	const struct vendor *v = vendor_of(c);
	int err = v->create(c);

	for (unsigned int i = 0; i < CMDS && !err; i++)
		err = v->make(c, i, &cmds[i * v->words]);
	memset(kept, 0, sizeof(kept));
	issued = syncs = 0;
	return err ? bench_fail(err, "a guest's IOMMU") : 0;
}

static int guest_work(struct bench_rig *rig, const struct bench_case *c)
{
	struct iod_guest_result res = { .size = sizeof(res) };
	const struct vendor *v = vendor_of(c);

	for (uint64_t done = 0; done < c->items; done += BATCH) {
		int err = v->invalidate(&cmds[done % CMDS * v->words], &res);

		if (err)
			return bench_fail(err, "a guest's batch");
	}
	return 0;
}

static int kept_check(const struct vendor *v)
{
	for (unsigned int i = 0; i < CMDS && i < issued; i++) {
		const uint64_t *word = &kept[i * v->words];

		if (!word[0]) /* behind a batch that was joined */
			continue;
		if (!v->right(word))
			return bench_fail(-EIO, "not a command for the host");
	}
	return 0;
}

static int guest_check(struct bench_rig *rig, const struct bench_case *c)
{
	bool joined = is(c, "pages") && joins(c);
	int err = kept_check(vendor_of(c));

	vendor_of(c)->destroy();
	if (err)
		return err;
	if (joined && issued != c->items / BATCH)
		return bench_fail(-EIO, "a batch of pages is not one command");
	if (!joined && (issued > c->items || issued < c->items * 9 / 10))
		return bench_fail(-EIO, "wrong number of commands");
	return syncs < c->items / BATCH ? bench_fail(-EIO, "too few syncs") : 0;
}

static double copy_measure(struct bench_rig *rig, const struct bench_case *c)
{
	const size_t words = (size_t)CMDS * vendor_of(c)->words;
	struct bench_watch watch = bench_start();
	uint64_t done;

	for (done = 0; done < c->items; done += CMDS) {
		for (size_t i = 0; i < words; i++)
			copy[i] = cmds[i] ^ done;
		sum += copy[done / CMDS % words];
	}
	return bench_stop(&watch) / (double)done;
}

const struct bench_ops bench_guest_ops = {
	.prepare = guest_prepare,
	.work = guest_work,
	.check = guest_check,
};
const struct bench_limit bench_limit_copy_guest = { "copy", copy_measure, true };
