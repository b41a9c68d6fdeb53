/* SPDX-License-Identifier: MIT */
/*
 * Descriptors: bytes worked out by hand from the figures of the specification (Intel VT-d, 6.5.2.1 to 6.5.2.9,
 * 7.6.1), and what each of their bits is.
 */
#include "descrows.h"

#define TYPE(name) .type = IOD_VTD_##name

#define G	   0x30
#define DID	   0xffff0000
#define SID_HIGH   0x0000ffff00000000
#define FM	   0x0003000000000000
#define PASID	   0x000fffff00000000
#define PFSID	   0xfff000000000f000
#define PAGE	   0xfffffffffffff000
#define AM_IH	   0x7f

const struct descrow descrows[] = {
	{ { TYPE(CONTEXT_INV), .gran = IOD_VTD_CONTEXT_GLOBAL },
	  { 0x11, 0 },
	  { G | DID | SID_HIGH | FM, 0 },
	  { 0x10, 0 },
	  { DID | SID_HIGH | FM, 0 } },
	{ { TYPE(CONTEXT_INV), .gran = IOD_VTD_CONTEXT_DOMAIN, .did = 0x1234 },
	  { 0x12340021, 0 },
	  { G | DID | SID_HIGH | FM, 0 },
	  { 0x20, 0 },
	  { SID_HIGH | FM, 0 } },
	{ { TYPE(CONTEXT_INV), .gran = IOD_VTD_CONTEXT_DEVICE, .did = 0x1234, .sid = 0xabcd,
	    .fm = 2 },
	  { 0x0002abcd12340031, 0 },
	  { G | DID | SID_HIGH | FM, 0 },
	  { 0 },
	  { 0 } },
	{ { TYPE(IOTLB_INV), .gran = IOD_VTD_IOTLB_GLOBAL, .dw = true, .dr = true },
	  { 0xd2, 0 },
	  { G | 0xc0 | DID, PAGE | AM_IH },
	  { 0x10, 0 },
	  { DID, PAGE | AM_IH } },
	{ { TYPE(IOTLB_INV), .gran = IOD_VTD_IOTLB_DOMAIN, .did = 0xffff },
	  { 0xffff0022, 0 },
	  { G | 0xc0 | DID, PAGE | AM_IH },
	  { 0x20, 0 },
	  { 0, PAGE | AM_IH } },
	{ { TYPE(IOTLB_INV), .gran = IOD_VTD_IOTLB_PAGE, .did = 5, .am = 9, .ih = true,
	    .addr = 0x40200000 },
	  { 0x00050032, 0x40200049 },
	  { G | 0xc0 | DID, PAGE | AM_IH },
	  { 0 },
	  { 0 } },
	/* One page: the least significant 0 bit of the address counts only with S. */
	{ { TYPE(DEV_TLB_INV), .sid = 0x0108, .pfsid = 0x0108, .mip = 0x10, .addr = 0xabf000 },
	  { 0x0100010800108003, 0xabf000 },
	  { PFSID | SID_HIGH | 0x1f0000, PAGE | 1 },
	  { 0 },
	  { 0 } },
	/* 2 MiB: ones in bits 19:12, the first 0 in bit 20. */
	{ { TYPE(DEV_TLB_INV), .sid = 0x10, .addr = 0x40200000, .span = 9 },
	  { 0x0000001000000003, 0x402ff001 },
	  { PFSID | SID_HIGH | 0x1f0000, PAGE | 1 },
	  { 0 },
	  { 0 } },
	/* Everything: ones in bits 62:12. */
	{ { TYPE(DEV_TLB_INV), .sid = 0xffff, .pfsid = 0xffff, .mip = 0x1f,
	    .span = IOD_VTD_DEV_TLB_ALL_SPAN },
	  { 0xfff0ffff001ff003, 0x7ffffffffffff001 },
	  { PFSID | SID_HIGH | 0x1f0000, PAGE | 1 },
	  { 0, IODT_BIT(63) },
	  { 0 } },
	{ { TYPE(IEC_INV), .gran = IOD_VTD_IEC_GLOBAL },
	  { 0x4, 0 },
	  { 0x10 | SID_HIGH | 0xf8000000, 0 },
	  { 0 },
	  { SID_HIGH | 0xf8000000, 0 } },
	{ { TYPE(IEC_INV), .gran = IOD_VTD_IEC_INDEX, .im = 3, .iidx = 0x1234 },
	  { 0x0000123418000014, 0 },
	  { 0x10 | SID_HIGH | 0xf8000000, 0 },
	  { 0 },
	  { 0 } },
	{ { TYPE(WAIT), .write = true, .fence = true, .data = 0xcafef00d, .addr = 0x1234567c },
	  { 0xcafef00d00000065, 0x1234567c },
	  { 0xf0 | 0xffffffff00000000, 0xfffffffffffffffc },
	  { 0 },
	  { 0 } },
	{ { TYPE(WAIT), .intr = true, .drain = true },
	  { 0x95, 0 },
	  { 0xf0 | 0xffffffff00000000, 0xfffffffffffffffc },
	  { 0 },
	  { 0xffffffff00000000, 0xfffffffffffffffc } },
	{ { TYPE(P_IOTLB_INV), .gran = IOD_VTD_P_IOTLB_PASID, .did = 7, .pasid = 0x54321 },
	  { 0x0005432100070026, 0 },
	  { G | DID | PASID, PAGE | AM_IH },
	  { 0x20, 0 },
	  { 0, PAGE | AM_IH } },
	{ { TYPE(P_IOTLB_INV), .gran = IOD_VTD_P_IOTLB_PAGE, .did = 7, .pasid = 0xfffff,
	    .addr = 0xfffffffffffff000 },
	  { 0x000fffff00070036, 0xfffffffffffff000 },
	  { G | DID | PASID, PAGE | AM_IH },
	  { 0x20, 0 },
	  { 0 } },
	{ { TYPE(PASID_CACHE_INV), .gran = IOD_VTD_PASID_CACHE_DOMAIN, .did = 0x10 },
	  { 0x00100007, 0 },
	  { G | DID | PASID, 0 },
	  { 0x20, 0 },
	  { PASID, 0 } },
	{ { TYPE(PASID_CACHE_INV), .gran = IOD_VTD_PASID_CACHE_PASID, .did = 0x10, .pasid = 1 },
	  { 0x0000000100100017, 0 },
	  { G | DID | PASID, 0 },
	  { 0 },
	  { 0 } },
	{ { TYPE(PASID_CACHE_INV), .gran = IOD_VTD_PASID_CACHE_GLOBAL },
	  { 0x37, 0 },
	  { G | DID | PASID, 0 },
	  { 0x10, 0 },
	  { DID | PASID, 0 } },
	{ { TYPE(P_DEV_TLB_INV), .sid = 0x0108, .pasid = 0xabcde, .pfsid = 0xfff8, .mip = 0x1f,
	    .addr = 0x7f0000004000, .span = 1 },
	  { 0xfffabcde010881f8, 0x7f0000004800 },
	  { PFSID | DID | PASID | 0x1f0, PAGE | 0x801 },
	  { 0 },
	  { 0 } },
	{ { TYPE(P_DEV_TLB_INV), .sid = 0x0108, .global = true, .span = IOD_VTD_DEV_TLB_ALL_SPAN },
	  { 0x0000000001080008, 0x7ffffffffffff801 },
	  { PFSID | DID | PASID | 0x1f0, PAGE | 0x801 },
	  { 0, IODT_BIT(63) },
	  { PASID, 0 } },
	{ { TYPE(PAGE_GROUP_RESP), .pasid_valid = true, .code = IOD_VTD_RESP_INVALID, .sid = 0x0108,
	    .pasid = 0x12345, .prgi = 0x1ff },
	  { 0x0001234501081019, 0xff8 },
	  { 0xf010 | DID | PASID, 0xfff },
	  { 0xe000, 0 },
	  { 0, 7 } },
	{ { TYPE(PAGE_GROUP_RESP), .code = IOD_VTD_RESP_FAILURE, .sid = 0x0108 },
	  { 0x000000000108f009, 0 },
	  { 0xf010 | DID | PASID, 0xfff },
	  { 0xf000, 0 },
	  { PASID, 7 } },
};

const size_t nr_descrows = IODT_ARRAY_SIZE(descrows);

bool descrow_same(const struct iod_vtd_desc *a, const struct iod_vtd_desc *b)
{
	/* By member, as structs have padding. */
	return a->type == b->type && a->pasid == b->pasid && a->gran == b->gran && a->am == b->am &&
	       a->span == b->span && a->fm == b->fm && a->mip == b->mip && a->im == b->im &&
	       a->code == b->code && a->ih == b->ih && a->dr == b->dr && a->dw == b->dw &&
	       a->global == b->global && a->pasid_valid == b->pasid_valid && a->intr == b->intr &&
	       a->write == b->write && a->fence == b->fence && a->drain == b->drain &&
	       a->did == b->did && a->sid == b->sid && a->pfsid == b->pfsid && a->iidx == b->iidx &&
	       a->prgi == b->prgi && a->data == b->data && a->addr == b->addr;
}

struct iod_vtd_raw_desc descrow_raw(const uint64_t word[2])
{
	struct iod_vtd_raw_desc raw = { { 0 } };

	iodt_put_le64(&raw.word[0], word[0]);
	iodt_put_le64(&raw.word[1], word[1]);
	return raw;
}
