/* SPDX-License-Identifier: MIT */
/*
 * AMD-Vi event log records and page requests, typed and raw (bits.md C3.2, C3.3; AMD 48882, 2.5 and 2.6). One table says
 * which fields a type has, one list where they lie.
 *
 * A decoder of what hardware wrote may not stumble over bits that it does not know: they are handed out beside.
 */
#include <iodirty/amdvi_event.h>

#include <errno.h>
#include <string.h>

#include "bits.h"

/* Fields of types. */
#define HAS_DEV	   (1u << 0)
#define HAS_DOMAIN (1u << 1) /* without GN */
#define HAS_PASID  (1u << 2) /* with GN */
#define HAS_PPR	   (1u << 3) /* PASID and tag as in the PPR log */
#define HAS_GN	   (1u << 4)
#define HAS_NX	   (1u << 5)
#define HAS_US	   (1u << 6)
#define HAS_I	   (1u << 7)
#define HAS_PR	   (1u << 8)
#define HAS_RW	   (1u << 9)
#define HAS_PE	   (1u << 10)
#define HAS_RZ	   (1u << 11)
#define HAS_TR	   (1u << 12)
#define HAS_TYPE2  (1u << 13)
#define HAS_TYPE3  (1u << 14)
#define HAS_VIRT   (1u << 15)
#define HAS_ADDR   (1u << 16) /* all bits */
#define HAS_ADDR2  (1u << 17) /* a multiple of 4 */
#define HAS_ADDR4  (1u << 18) /* of 16, below 2^52 */

/* X(member, word, highest bit, lowest bit, lowest bit of the member's value, HAS_*) */
#define EVENT_FIELDS(X)                     \
	X(devid, 0, 15, 0, 0, HAS_DEV)      \
	X(domain, 0, 47, 32, 0, HAS_DOMAIN) \
	X(pasid, 0, 47, 32, 0, HAS_PASID)   \
	X(pasid, 0, 19, 16, 16, HAS_PASID)  \
	X(pasid, 0, 31, 16, 0, HAS_PPR)     \
	X(pasid, 0, 45, 42, 16, HAS_PPR)    \
	X(tag, 0, 41, 32, 0, HAS_PPR)       \
	X(virt, 0, 31, 27, 0, HAS_VIRT)     \
	X(gn, 0, 48, 48, 0, HAS_GN)         \
	X(nx, 0, 49, 49, 0, HAS_NX)         \
	X(us, 0, 50, 50, 0, HAS_US)         \
	X(irq, 0, 51, 51, 0, HAS_I)         \
	X(pr, 0, 52, 52, 0, HAS_PR)         \
	X(rw, 0, 53, 53, 0, HAS_RW)         \
	X(pe, 0, 54, 54, 0, HAS_PE)         \
	X(rz, 0, 55, 55, 0, HAS_RZ)         \
	X(tr, 0, 56, 56, 0, HAS_TR)         \
	X(errtype, 0, 58, 57, 0, HAS_TYPE2) \
	X(errtype, 0, 59, 57, 0, HAS_TYPE3) \
	X(addr, 1, 63, 0, 0, HAS_ADDR)      \
	X(addr, 1, 63, 2, 2, HAS_ADDR2)     \
	X(addr, 1, 51, 4, 4, HAS_ADDR4)

#define EVENT0_TYPE_SHIFT 60
#define EVENT0_TYPE	  MASK64(63, 60)

/* A DomainID, or with GN a PASID. */
#define ID (HAS_GN | HAS_DOMAIN | HAS_PASID)

static const struct event_desc {
	const char *name;
	uint32_t has;
} descs[] = {
	[IOD_AMDVI_ILLEGAL_DEV_TABLE_ENTRY] = { "ILLEGAL_DEV_TABLE_ENTRY",
						HAS_DEV | ID | HAS_I | HAS_RW | HAS_RZ | HAS_TR |
							HAS_VIRT | HAS_ADDR2 },
	[IOD_AMDVI_IO_PAGE_FAULT] = { "IO_PAGE_FAULT", HAS_DEV | ID | HAS_NX | HAS_US | HAS_I |
							       HAS_PR | HAS_RW | HAS_PE | HAS_RZ |
							       HAS_TR | HAS_VIRT | HAS_ADDR },
	[IOD_AMDVI_DEV_TAB_HARDWARE_ERROR] = { "DEV_TAB_HARDWARE_ERROR",
					       HAS_DEV | HAS_I | HAS_RW | HAS_TR | HAS_TYPE2 |
						       HAS_ADDR4 },
	[IOD_AMDVI_PAGE_TAB_HARDWARE_ERROR] = { "PAGE_TAB_HARDWARE_ERROR",
						HAS_DEV | ID | HAS_I | HAS_RW | HAS_TR | HAS_TYPE2 |
							HAS_ADDR },
	[IOD_AMDVI_ILLEGAL_COMMAND_ERROR] = { "ILLEGAL_COMMAND_ERROR", HAS_ADDR },
	[IOD_AMDVI_COMMAND_HARDWARE_ERROR] = { "COMMAND_HARDWARE_ERROR", HAS_ADDR },
	[IOD_AMDVI_IOTLB_INV_TIMEOUT] = { "IOTLB_INV_TIMEOUT", HAS_DEV | HAS_ADDR },
	[IOD_AMDVI_INVALID_DEVICE_REQUEST] = { "INVALID_DEVICE_REQUEST",
					       HAS_DEV | ID | HAS_US | HAS_TR | HAS_TYPE3 |
						       HAS_ADDR },
	[IOD_AMDVI_INVALID_PPR_REQUEST] = { "INVALID_PPR_REQUEST",
					    HAS_DEV | HAS_PPR | HAS_GN | HAS_ADDR },
	[IOD_AMDVI_EVENT_COUNTER_ZERO] = { "EVENT_COUNTER_ZERO", 0 },
	[IOD_AMDVI_GUEST_EVENT_FAULT] = { "GUEST_EVENT_FAULT", 0 },
	[IOD_AMDVI_VIOMMU_HARDWARE_ERROR] = { "VIOMMU_HARDWARE_ERROR", 0 },
	[IOD_AMDVI_RMP_PAGE_FAULT] = { "RMP_PAGE_FAULT", HAS_DEV | HAS_DOMAIN | HAS_ADDR },
	[IOD_AMDVI_RMP_HARDWARE_ERROR] = { "RMP_HARDWARE_ERROR", HAS_DEV | HAS_DOMAIN | HAS_ADDR },
};

static const struct event_desc *find_desc(uint32_t type)
{
	return type < sizeof(descs) / sizeof(descs[0]) && descs[type].name ? &descs[type] : NULL;
}

const char *iod_amdvi_event_name(enum iod_amdvi_event_type type)
{
	const struct event_desc *desc = find_desc((uint32_t)type);

	return desc ? desc->name : NULL;
}

/* What a record of the type has, given its GN. */
static uint32_t fields_of(const struct event_desc *desc, bool gn)
{
	if (!(desc->has & HAS_GN))
		return desc->has;
	return desc->has & (gn ? ~HAS_DOMAIN : ~HAS_PASID);
}

static void get_fields(struct iod_amdvi_event *event, const uint64_t *w, uint32_t has)
{
#define GET(member, word, hi, lo, vlo, flag)                        \
	if (has & (flag))                                           \
		event->member =                                     \
			(__typeof__(event->member))(event->member | \
						    (w[word] & MASK64(hi, lo)) >> (lo) << (vlo));
	EVENT_FIELDS(GET)
#undef GET
}

int iod_amdvi_event_encode(struct iod_amdvi_raw_event *raw, const struct iod_amdvi_event *event)
{
	const struct event_desc *desc = event ? find_desc((uint32_t)event->type) : NULL;
	struct iod_amdvi_event back = { 0 };
	uint64_t w[2] = { 0 }, bad = 0;
	uint32_t has;

	if (!raw || !desc)
		return -EINVAL;
	has = fields_of(desc, event->gn);
#define PUT(member, word, hi, lo, vlo, flag) \
	if (has & (flag))                    \
		w[word] |= (uint64_t)event->member >> (vlo) << (lo)&MASK64(hi, lo);
	EVENT_FIELDS(PUT)
#undef PUT
	get_fields(&back, w, has); /* what did not fit, or is not the type's, did not come back */
#define DIFFER(member, word, hi, lo, vlo, flag) \
	bad |= (uint64_t)event->member ^ (uint64_t)back.member;
	EVENT_FIELDS(DIFFER)
#undef DIFFER
	if (bad)
		return -EINVAL;
	raw->word[0] = iod_le64(w[0] | (uint64_t)event->type << EVENT0_TYPE_SHIFT);
	raw->word[1] = iod_le64(w[1]);
	return 0;
}

int iod_amdvi_event_decode(struct iod_amdvi_event *event, const struct iod_amdvi_raw_event *raw,
			   struct iod_amdvi_raw_event *unknown)
{
	uint64_t w[2], known[2] = { EVENT0_TYPE, 0 };
	const struct event_desc *desc;
	uint32_t has;

	if (!event || !raw)
		return -EINVAL;
	w[0] = iod_le64(raw->word[0]);
	w[1] = iod_le64(raw->word[1]);
	memset(event, 0, sizeof(*event));
	event->type = (enum iod_amdvi_event_type)(w[0] >> EVENT0_TYPE_SHIFT);
	if (!(w[0] >> EVENT0_TYPE_SHIFT))
		return -EAGAIN;
	desc = find_desc((uint32_t)(w[0] >> EVENT0_TYPE_SHIFT));
	if (!desc)
		return -EOPNOTSUPP;
	get_fields(event, w, desc->has & HAS_GN);
	has = fields_of(desc, event->gn);
	get_fields(event, w, has);
#define KNOW(member, at, hi, lo, vlo, flag) \
	if (has & (flag))                   \
		known[at] |= MASK64(hi, lo);
	EVENT_FIELDS(KNOW)
#undef KNOW
	if (unknown) {
		unknown->word[0] = iod_le64(w[0] & ~known[0]);
		unknown->word[1] = iod_le64(w[1] & ~known[1]);
	}
	return 0;
}

/* ---- page requests ---- */

/* X(member, word, highest bit, lowest bit, lowest bit of the member's value) */
#define PPR_PASID(X)           \
	X(pasid, 0, 31, 16, 0) \
	X(pasid, 0, 45, 42, 16)
#define PPR_FIELDS(X)          \
	X(devid, 0, 15, 0, 0)  \
	X(tag, 0, 40, 32, 0)   \
	X(last, 0, 41, 41, 0)  \
	X(exec, 0, 49, 49, 0)  \
	X(read, 0, 50, 50, 0)  \
	X(write, 0, 53, 53, 0) \
	X(user, 0, 54, 54, 0)  \
	X(rvsd, 0, 55, 55, 0)  \
	X(gn, 0, 56, 56, 0)    \
	X(type, 0, 63, 60, 0)  \
	X(addr, 1, 63, 12, 12)

#define PPR_GET(member, word, hi, lo, vlo)                    \
	ppr->member = (__typeof__(ppr->member))(ppr->member | \
						(w[word] & MASK64(hi, lo)) >> (lo) << (vlo));
#define PPR_PUT(member, word, hi, lo, vlo) \
	w[word] |= (uint64_t)in->member >> (vlo) << (lo)&MASK64(hi, lo);
#define PPR_DIFFER(member, word, hi, lo, vlo) bad |= (uint64_t)in->member ^ (uint64_t)back.member;
#define PPR_KNOW(member, word, hi, lo, vlo)   known[word] |= MASK64(hi, lo);

static void get_ppr(struct iod_amdvi_ppr *ppr, const uint64_t *w)
{
	memset(ppr, 0, sizeof(*ppr));
	PPR_FIELDS(PPR_GET)
	if (ppr->gn) {
		PPR_PASID(PPR_GET)
	}
}

int iod_amdvi_ppr_encode(struct iod_amdvi_raw_ppr *raw, const struct iod_amdvi_ppr *in)
{
	uint64_t w[2] = { 0 }, bad = 0;
	struct iod_amdvi_ppr back;

	if (!raw || !in || !in->type)
		return -EINVAL;
	PPR_FIELDS(PPR_PUT)
	PPR_PASID(PPR_PUT)
	get_ppr(&back, w);
	PPR_FIELDS(PPR_DIFFER)
	PPR_PASID(PPR_DIFFER)
	if (bad)
		return -EINVAL;
	raw->word[0] = iod_le64(w[0]);
	raw->word[1] = iod_le64(w[1]);
	return 0;
}

int iod_amdvi_ppr_decode(struct iod_amdvi_ppr *ppr, const struct iod_amdvi_raw_ppr *raw,
			 struct iod_amdvi_raw_ppr *unknown)
{
	uint64_t w[2], known[2] = { 0 };

	if (!ppr || !raw)
		return -EINVAL;
	w[0] = iod_le64(raw->word[0]);
	w[1] = iod_le64(raw->word[1]);
	get_ppr(ppr, w);
	if (!ppr->type)
		return -EAGAIN;
	PPR_FIELDS(PPR_KNOW)
	if (ppr->gn) {
		PPR_PASID(PPR_KNOW)
	}
	if (unknown) {
		unknown->word[0] = iod_le64(w[0] & ~known[0]);
		unknown->word[1] = iod_le64(w[1] & ~known[1]);
	}
	return 0;
}
