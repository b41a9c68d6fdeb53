/* SPDX-License-Identifier: MIT */
/*
 * Commands of each vendor, encoded and decoded one by one with the capabilities of an IOMMU that has everything. The
 * limit is a copy of as many.
 */
#include "bench.h"

#include <errno.h>
#include <string.h>

#include <iodirty/amdvi_cmd.h>
#include <iodirty/smmuv3_cmd.h>
#include <iodirty/vtd_desc.h>

/* Few enough to stay in the L2 cache, too many for a branch predictor to learn. */
#define CMDS	   4096u
#define MOST_WORDS 4u
#define ADDR	   UINT64_C(0xfffffffff000)

static uint64_t copy[CMDS * MOST_WORDS];
static volatile uint64_t sum; /* so that nothing is left out */

/* ---- SMMUv3 ---- */

static struct iod_smmuv3_id smmu_id;

/* TLBIs of pages and of ranges. */
static struct iod_smmuv3_cmd smmu_pages(uint64_t r)
{
	struct iod_smmuv3_cmd cmd = { .op = IOD_SMMUV3_TLBI_NH_VA };

	cmd.vmid = (uint16_t)(r >> 8);
	cmd.asid = (uint16_t)(r >> 24);
	cmd.leaf = r >> 40 & 1;
	cmd.addr = r & ADDR;
	if (r & 1) {
		cmd.tg = IOD_SMMUV3_TG_4K;
		cmd.num = r >> 41 & 31;
		cmd.scale = r >> 46 & 15;
		cmd.ttl = 3;
	}
	return cmd;
}

/* What a guest sends in a busy minute: half of it TLBIs. */
static struct iod_smmuv3_cmd smmu_mixed(uint64_t r)
{
	struct iod_smmuv3_cmd cmd = { .sid = (uint32_t)(r >> 16) & 0xff };

	switch (r >> 56 & 7) {
	case 0:
		cmd.op = IOD_SMMUV3_CFGI_CD;
		cmd.ssid = r >> 24 & 0xff;
		return cmd;
	case 1:
		cmd.op = IOD_SMMUV3_ATC_INV;
		cmd.addr = r & ADDR;
		cmd.span = r & 15;
		return cmd;
	case 2:
		cmd.op = IOD_SMMUV3_RESUME;
		cmd.stag = (uint16_t)r;
		cmd.retry = true;
		return cmd;
	case 3:
		return (struct iod_smmuv3_cmd){ .op = IOD_SMMUV3_SYNC };
	default:
		return smmu_pages(r);
	}
}

#define SMMU_ID()	    iod_smmuv3_id_full(&smmu_id)
#define SMMU_PUT(raw, from) iod_smmuv3_cmd_encode(raw, from, &smmu_id, NULL)
#define SMMU_GET(to, raw)   iod_smmuv3_cmd_decode(to, raw, &smmu_id, NULL)

/* ---- VT-d ---- */

static struct iod_vtd_id vtd_id;

/* Pages and blocks of a PASID. */
static struct iod_vtd_desc vtd_pages(uint64_t r)
{
	return (struct iod_vtd_desc){ .type = IOD_VTD_P_IOTLB_INV,
				      .gran = IOD_VTD_P_IOTLB_PAGE,
				      .did = (uint16_t)(r >> 8),
				      .pasid = (uint32_t)(r >> 24) & 0xfffff,
				      .ih = r >> 60 & 1,
				      .am = r & 1 ? r >> 44 & 15 : 0,
				      .addr = r & ADDR };
}

static struct iod_vtd_desc vtd_mixed(uint64_t r)
{
	struct iod_vtd_desc desc = { .did = (uint16_t)(r >> 8) };

	switch (r >> 56 & 7) {
	case 0:
		desc.type = IOD_VTD_PASID_CACHE_INV;
		desc.gran = IOD_VTD_PASID_CACHE_PASID;
		desc.pasid = r >> 24 & 0xff;
		return desc;
	case 1:
		return (struct iod_vtd_desc){ .type = IOD_VTD_P_DEV_TLB_INV,
					      .sid = (uint16_t)(r >> 16) & 0xff,
					      .pasid = r >> 24 & 0xff,
					      .span = r & 15,
					      .addr = (r & ADDR) >> 27 << 27 };
	case 2:
		return (struct iod_vtd_desc){ .type = IOD_VTD_PAGE_GROUP_RESP,
					      .sid = (uint16_t)(r >> 16) & 0xff,
					      .prgi = r & 0x1ff };
	case 3:
		return (struct iod_vtd_desc){
			.type = IOD_VTD_WAIT, .write = true, .data = 1, .addr = r & ADDR
		};
	case 4:
		desc.type = IOD_VTD_IOTLB_INV;
		desc.gran = IOD_VTD_IOTLB_DOMAIN;
		return desc;
	default:
		return vtd_pages(r);
	}
}

#define VTD_ID()	   iod_vtd_id_full(&vtd_id)
#define VTD_PUT(raw, from) iod_vtd_desc_encode(raw, from, &vtd_id, 0, NULL)
#define VTD_GET(to, raw)   iod_vtd_desc_decode(to, raw, &vtd_id, 0, NULL)

/* ---- AMD-Vi ---- */

static struct iod_amdvi_id amdvi_id;

/* Pages and blocks, half of them of a PASID. */
static struct iod_amdvi_cmd amdvi_pages(uint64_t r)
{
	struct iod_amdvi_cmd cmd = { .op = IOD_AMDVI_INVALIDATE_IOMMU_PAGES };

	cmd.domain = (uint16_t)(r >> 8);
	cmd.gn = r >> 60 & 1;
	cmd.pasid = cmd.gn ? (uint32_t)(r >> 24) & 0xfffff : 0;
	cmd.pde = r >> 61 & 1;
	cmd.s = r & 1;
	cmd.addr = r & ADDR;
	return cmd;
}

static struct iod_amdvi_cmd amdvi_mixed(uint64_t r)
{
	struct iod_amdvi_cmd cmd = { .devid = (uint16_t)(r >> 16) & 0xff };

	switch (r >> 56 & 7) {
	case 0:
		cmd.op = IOD_AMDVI_INVALIDATE_DEVTAB_ENTRY;
		return cmd;
	case 1:
		cmd.op = IOD_AMDVI_INVALIDATE_IOTLB_PAGES;
		cmd.gn = true;
		cmd.pasid = r >> 24 & 0xff;
		cmd.queueid = cmd.devid;
		cmd.addr = r & ADDR;
		return cmd;
	case 2:
		cmd.op = IOD_AMDVI_COMPLETE_PPR_REQUEST;
		cmd.tag = r & 0x1ff;
		return cmd;
	case 3:
		return (struct iod_amdvi_cmd){ .op = IOD_AMDVI_COMPLETION_WAIT,
					       .store = true,
					       .store_addr = r & ADDR,
					       .data = r };
	default:
		return amdvi_pages(r);
	}
}

#define AMDVI_ID()	     iod_amdvi_id_full(&amdvi_id)
#define AMDVI_PUT(raw, from) iod_amdvi_cmd_encode(raw, from, &amdvi_id, NULL)
#define AMDVI_GET(to, raw)   iod_amdvi_cmd_decode(to, raw, &amdvi_id, NULL)

/* ---- all of them ---- */

/* The same loops for each: calls through pointers would be part of what is measured. */
#define CODEC(v, V, cmd)                                                       \
	static struct {                                                        \
		struct iod_##cmd typed[CMDS], typed_out[CMDS];                 \
		struct RAW_##v raw[CMDS], raw_out[CMDS];                       \
	} v;                                                                   \
	static int v##_prepare(bool mixed)                                     \
	{                                                                      \
		int err = V##_ID();                                            \
                                                                               \
		memset(&v, 0, sizeof(v));                                      \
		for (unsigned int i = 0; i < CMDS && !err; i++) {              \
			uint64_t r = bench_random(i);                          \
                                                                               \
			v.typed[i] = mixed ? v##_mixed(r) : v##_pages(r);      \
			err = V##_PUT(&v.raw[i], &v.typed[i]);                 \
		}                                                              \
		return err;                                                    \
	}                                                                      \
	static int v##_encode(void)                                            \
	{                                                                      \
		int err = 0;                                                   \
                                                                               \
		for (unsigned int i = 0; i < CMDS; i++)                        \
			err |= V##_PUT(&v.raw_out[i], &v.typed[i]);            \
		return err;                                                    \
	}                                                                      \
	static int v##_decode(void)                                            \
	{                                                                      \
		int err = 0;                                                   \
                                                                               \
		for (unsigned int i = 0; i < CMDS; i++)                        \
			err |= V##_GET(&v.typed_out[i], &v.raw[i]);            \
		return err;                                                    \
	}                                                                      \
	/* What was decoded encodes to what was there. */                      \
	static int v##_back(void)                                              \
	{                                                                      \
		int err = 0;                                                   \
                                                                               \
		for (unsigned int i = 0; i < CMDS; i++)                        \
			err |= V##_PUT(&v.raw_out[i], &v.typed_out[i]);        \
		return err;                                                    \
	}                                                                      \
	static const struct vendor v##_vendor = { #v "_cmd",                   \
						  v##_prepare,                 \
						  v##_encode,                  \
						  v##_decode,                  \
						  v##_back,                    \
						  (const uint64_t *)v.raw,     \
						  (const uint64_t *)v.raw_out, \
						  sizeof(v.raw) }

#define RAW_smmu  iod_smmuv3_raw_cmd
#define RAW_vtd	  iod_vtd_raw_desc
#define RAW_amdvi iod_amdvi_raw_cmd

struct vendor {
	const char *bench;
	int (*prepare)(bool mixed);
	int (*encode)(void), (*decode)(void), (*back)(void); /* all CMDS; nonzero: some failed */
	const uint64_t *raw, *raw_out;
	size_t bytes; /* of each */
};

CODEC(smmu, SMMU, smmuv3_cmd);
CODEC(vtd, VTD, vtd_desc);
CODEC(amdvi, AMDVI, amdvi_cmd);

static const struct vendor *vendor_of(const struct bench_case *c)
{
	if (!strcmp(c->bench, smmu_vendor.bench))
		return &smmu_vendor;
	return !strcmp(c->bench, vtd_vendor.bench) ? &vtd_vendor : &amdvi_vendor;
}

static int cmd_prepare(struct bench_rig *rig, const struct bench_case *c)
{
	int err = vendor_of(c)->prepare(!strcmp(c->state, "mixed"));

	return err ? bench_fail(err, "encode") : 0;
}

static int encode_work(struct bench_rig *rig, const struct bench_case *c)
{
	const struct vendor *v = vendor_of(c);
	int err = 0;

	for (uint64_t done = 0; done < c->items; done += CMDS)
		err |= v->encode();
	return err ? bench_fail(-EIO, "encode") : 0;
}

static int decode_work(struct bench_rig *rig, const struct bench_case *c)
{
	const struct vendor *v = vendor_of(c);
	int err = 0;

	for (uint64_t done = 0; done < c->items; done += CMDS)
		err |= v->decode();
	return err ? bench_fail(-EIO, "decode") : 0;
}

static int encode_check(struct bench_rig *rig, const struct bench_case *c)
{
	const struct vendor *v = vendor_of(c);

	return memcmp(v->raw, v->raw_out, v->bytes) ? bench_fail(-EIO, "encoded wrongly") : 0;
}

static int decode_check(struct bench_rig *rig, const struct bench_case *c)
{
	const struct vendor *v = vendor_of(c);

	if (v->back() || memcmp(v->raw, v->raw_out, v->bytes))
		return bench_fail(-EIO, "decoded wrongly");
	return 0;
}

static double copy_measure(struct bench_rig *rig, const struct bench_case *c)
{
	const struct vendor *v = vendor_of(c);
	const size_t words = v->bytes / sizeof(*v->raw);
	struct bench_watch watch = bench_start();
	uint64_t done;

	for (done = 0; done < c->items; done += CMDS) {
		for (size_t i = 0; i < words; i++)
			copy[i] = v->raw[i] ^ done;
		sum += copy[done / CMDS % words];
	}
	return bench_stop(&watch) / (double)done;
}

const struct bench_ops bench_encode_ops = {
	.prepare = cmd_prepare,
	.work = encode_work,
	.check = encode_check,
};
const struct bench_ops bench_decode_ops = {
	.prepare = cmd_prepare,
	.work = decode_work,
	.check = decode_check,
};
const struct bench_limit bench_limit_copy_cmds = { "copy", copy_measure, true };
