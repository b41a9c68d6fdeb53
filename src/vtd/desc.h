/* SPDX-License-Identifier: MIT */
/*
 * Invalidation descriptors: where their fields lie (Intel VT-d specification, 6.5.2, 7.6.1). The one list that
 * encoder and decoder are made from.
 */
#ifndef IOD_VTD_DESC_CODEC_H
#define IOD_VTD_DESC_CODEC_H

#include <iodirty/vtd_desc.h>

#include "bits.h"

/* Types, one bit each, so far apart that compilers make no table of jumps of them: those are hard to predict. */
#define FORM(type)   (1u << 3 * (type))
#define FORM_CONTEXT FORM(1)
#define FORM_IOTLB   FORM(2)
#define FORM_DEV     FORM(3)
#define FORM_IEC     FORM(4)
#define FORM_WAIT    FORM(5)
#define FORM_P_IOTLB FORM(6)
#define FORM_PASID   FORM(7)
#define FORM_P_DEV   FORM(8)
#define FORM_RESP    FORM(9)

/*
 * X(member, lowest bit of its value, bits, word, lowest bit in the word, types that have it). Address and size of
 * device TLBs are not here: one encodes the other (dev_get, dev_put).
 */
#define DESC_FIELDS(X)                                                              \
	X(gran, 0, 2, 0, 4, FORM_CONTEXT | FORM_IOTLB | FORM_P_IOTLB | FORM_PASID)  \
	X(gran, 0, 1, 0, 4, FORM_IEC)                                               \
	X(dw, 0, 1, 0, 6, FORM_IOTLB)                                               \
	X(dr, 0, 1, 0, 7, FORM_IOTLB)                                               \
	X(did, 0, 16, 0, 16, FORM_CONTEXT | FORM_IOTLB | FORM_P_IOTLB | FORM_PASID) \
	X(sid, 0, 16, 0, 32, FORM_CONTEXT | FORM_DEV)                               \
	X(sid, 0, 16, 0, 16, FORM_P_DEV | FORM_RESP)                                \
	X(fm, 0, 2, 0, 48, FORM_CONTEXT)                                            \
	X(mip, 0, 5, 0, 16, FORM_DEV)                                               \
	X(mip, 0, 5, 0, 4, FORM_P_DEV)                                              \
	X(pfsid, 0, 4, 0, 12, FORM_DEV | FORM_P_DEV)                                \
	X(pfsid, 4, 12, 0, 52, FORM_DEV | FORM_P_DEV)                               \
	X(im, 0, 5, 0, 27, FORM_IEC)                                                \
	X(iidx, 0, 16, 0, 32, FORM_IEC)                                             \
	X(intr, 0, 1, 0, 4, FORM_WAIT)                                              \
	X(write, 0, 1, 0, 5, FORM_WAIT)                                             \
	X(fence, 0, 1, 0, 6, FORM_WAIT)                                             \
	X(drain, 0, 1, 0, 7, FORM_WAIT)                                             \
	X(data, 0, 32, 0, 32, FORM_WAIT)                                            \
	X(addr, 2, 62, 1, 2, FORM_WAIT)                                             \
	X(pasid, 0, 20, 0, 32, FORM_P_IOTLB | FORM_PASID | FORM_P_DEV | FORM_RESP)  \
	X(am, 0, 6, 1, 0, FORM_IOTLB | FORM_P_IOTLB)                                \
	X(ih, 0, 1, 1, 6, FORM_IOTLB | FORM_P_IOTLB)                                \
	X(addr, 12, 52, 1, 12, FORM_IOTLB | FORM_P_IOTLB)                           \
	X(global, 0, 1, 1, 0, FORM_P_DEV)                                           \
	X(pasid_valid, 0, 1, 0, 4, FORM_RESP)                                       \
	X(code, 0, 4, 0, 12, FORM_RESP)                                             \
	X(prgi, 0, 9, 1, 3, FORM_RESP)

#define DESC0_TYPE_LOW	MASK64(3, 0)
#define DESC0_TYPE_HIGH MASK64(11, 9)
#define DESC_TYPE(w0)	((uint32_t)((w0)&0xf) | (uint32_t)((w0) >> 5 & 0x70))
#define DESC0_DID	MASK64(31, 16)
#define DESC0_SID	MASK64(47, 32)
#define DESC0_FM	MASK64(49, 48)
#define DESC0_PASID	MASK64(51, 32)
#define DESC0_DATA	MASK64(63, 32)
#define DESC1_ADDR	MASK64(63, 12)
#define DESC1_AM	MASK64(5, 0)
#define DESC1_IH	BIT64(6)
#define DESC1_DEV_S	BIT64(0)
#define DESC1_P_DEV_S	BIT64(11)
#define DESC1_P_DEV_G	BIT64(0)

#endif
