/* SPDX-License-Identifier: MIT */
/*
 * Invalidation descriptors, typed and raw. The list of fields in desc.h makes both directions; the encoder asks the
 * decoder what became of its words, so it refuses what that refuses or ignores.
 */
#include "vtd/desc.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "vtd/id.h"

#define PAGE_LG2 12u
#define INLINE	 inline __attribute__((always_inline))

/* X(type, what it needs of ECAP_REG beside QI, bits of word 1 that are in no list) */
#define DESC_TYPES(X)                                                              \
	X(CONTEXT_INV, 0, 0)                                                       \
	X(IOTLB_INV, 0, 0)                                                         \
	X(DEV_TLB_INV, IOD_VTD_ECAP_DT, DESC1_ADDR | DESC1_DEV_S)                  \
	X(IEC_INV, IOD_VTD_ECAP_IR, 0)                                             \
	X(WAIT, 0, 0)                                                              \
	X(P_IOTLB_INV, IOD_VTD_ECAP_SMTS, 0)                                       \
	X(PASID_CACHE_INV, IOD_VTD_ECAP_SMTS, 0)                                   \
	X(P_DEV_TLB_INV, IOD_VTD_ECAP_SMTS | IOD_VTD_ECAP_DT | IOD_VTD_ECAP_PASID, \
	  DESC1_ADDR | DESC1_P_DEV_S)                                              \
	X(PAGE_GROUP_RESP, IOD_VTD_ECAP_PRS, MASK64(2, 0))

#define NAME_ROW(type, need, more) [IOD_VTD_##type] = #type,
#define NEED_ROW(type, need, more) [IOD_VTD_##type] = IOD_VTD_ECAP_QI | (need),
static const char *const names[] = { DESC_TYPES(NAME_ROW) };
static const uint64_t needs[] = { DESC_TYPES(NEED_ROW) };

/* NULL: no such descriptor. */
static const char *name_of(uint32_t type)
{
	return type < sizeof(names) / sizeof(names[0]) ? names[type] : NULL;
}

const char *iod_vtd_desc_name(enum iod_vtd_desc_type type)
{
	return name_of((uint32_t)type);
}

bool iod_vtd_desc_permitted(const struct iod_vtd_id *id, enum iod_vtd_desc_type type)
{
	return name_of((uint32_t)type) && vtd_ecap(id, needs[type]);
}

/*
 * What is INLINE from here on is compiled once per type, where @type is a constant: what a type has not falls away,
 * and which it is has been asked once.
 */

/* Types that have the member at @offset of the descriptor. */
static INLINE uint32_t forms_with(size_t offset)
{
	uint32_t with = 0;

#define WITH(member, vlo, bits, word, lo, forms)             \
	if (offset == offsetof(struct iod_vtd_desc, member)) \
		with |= (forms);
	DESC_FIELDS(WITH)
#undef WITH
	return with;
}

#define HAS(type, member) (forms_with(offsetof(struct iod_vtd_desc, member)) & FORM(type))

static INLINE uint64_t reserved_bits(const uint64_t w[2], uint32_t type, uint64_t more1)
{
	uint64_t known[2] = { DESC0_TYPE_LOW | DESC0_TYPE_HIGH, more1 };

#define KNOW(member, vlo, bits, word, lo, forms) \
	if ((forms)&FORM(type))                  \
		known[word] |= low_mask(bits) << (lo);
	DESC_FIELDS(KNOW)
#undef KNOW
	return (w[0] & ~known[0]) | (w[1] & ~known[1]);
}

static INLINE void get_fields(struct iod_vtd_desc *desc, const uint64_t w[2], uint32_t type)
{
#define GET(member, vlo, bits, word, lo, forms)                                                    \
	if ((forms)&FORM(type))                                                                    \
		desc->member =                                                                     \
			(__typeof__(desc->member))(desc->member | (w[word] >> (lo)&low_mask(bits)) \
									  << (vlo));
	DESC_FIELDS(GET)
#undef GET
}

static INLINE void put_fields(uint64_t w[2], const struct iod_vtd_desc *desc, uint32_t type)
{
#define PUT(member, vlo, bits, word, lo, forms) \
	if ((forms)&FORM(type))                 \
		w[word] |= ((uint64_t)desc->member >> (vlo)&low_mask(bits)) << (lo);
	DESC_FIELDS(PUT)
#undef PUT
}

/*
 * Addresses of device TLBs: the first 0 above bit 11 says how large it is. Ones only are no size that PCIe
 * defines; what devices make of it is not certain.
 */
static INLINE enum iod_cmd_reason dev_get(struct iod_vtd_desc *desc, uint64_t w1, uint64_t s)
{
	uint64_t addr = w1 & DESC1_ADDR;

	if (w1 & s) {
		if (addr == DESC1_ADDR)
			return IOD_CMD_BAD_RANGE;
		desc->span = (uint8_t)(ctz64(~addr >> PAGE_LG2) + 1);
		addr = align_down(addr, PAGE_LG2 + desc->span);
	}
	desc->addr = addr;
	return IOD_CMD_OK;
}

static INLINE uint64_t dev_put(const struct iod_vtd_desc *desc, uint64_t s)
{
	uint64_t size = 0;

	if (desc->span)
		size = (low_mask(PAGE_LG2 + desc->span - 1u) & DESC1_ADDR) | s;
	return (desc->addr & DESC1_ADDR) | size;
}

/* Clear what hardware does not look at, given the rest. */
static INLINE void ignore(uint64_t w[2], uint32_t type)
{
	unsigned gran = (unsigned)(w[0] >> 4) & 3;

	switch (type) {
	case IOD_VTD_CONTEXT_INV:
		if (gran == IOD_VTD_CONTEXT_GLOBAL)
			w[0] &= ~DESC0_DID;
		if (gran != IOD_VTD_CONTEXT_DEVICE)
			w[0] &= ~(DESC0_SID | DESC0_FM);
		break;
	case IOD_VTD_IOTLB_INV:
		if (gran == IOD_VTD_IOTLB_GLOBAL)
			w[0] &= ~DESC0_DID;
		if (gran != IOD_VTD_IOTLB_PAGE)
			w[1] = 0;
		break;
	case IOD_VTD_IEC_INV:
		if (!(gran & IOD_VTD_IEC_INDEX))
			w[0] &= DESC0_TYPE_LOW | DESC0_TYPE_HIGH;
		break;
	case IOD_VTD_WAIT:
		if (w[0] & BIT64(5)) /* SW */
			break;
		w[0] &= ~DESC0_DATA;
		w[1] = 0;
		break;
	case IOD_VTD_P_IOTLB_INV:
		if (gran != IOD_VTD_P_IOTLB_PAGE)
			w[1] = 0;
		break;
	case IOD_VTD_PASID_CACHE_INV:
		if (gran == IOD_VTD_PASID_CACHE_GLOBAL)
			w[0] &= ~(DESC0_DID | DESC0_PASID);
		else if (gran == IOD_VTD_PASID_CACHE_DOMAIN)
			w[0] &= ~DESC0_PASID;
		break;
	case IOD_VTD_P_DEV_TLB_INV:
		if (w[1] & BIT64(0)) /* Global */
			w[0] &= ~DESC0_PASID;
		break;
	case IOD_VTD_PAGE_GROUP_RESP:
		w[1] &= ~MASK64(2, 0);
		if (!(w[0] & BIT64(4))) /* PASID present */
			w[0] &= ~DESC0_PASID;
		break;
	}
}

/* Granularities and codes that are reserved. */
static INLINE bool is_reserved_value(const struct iod_vtd_desc *desc, uint32_t type)
{
	switch (type) {
	case IOD_VTD_CONTEXT_INV:
	case IOD_VTD_IOTLB_INV:
		return !desc->gran;
	case IOD_VTD_P_IOTLB_INV:
		return desc->gran < IOD_VTD_P_IOTLB_PASID;
	case IOD_VTD_PASID_CACHE_INV:
		return desc->gran == 2;
	case IOD_VTD_PAGE_GROUP_RESP:
		return desc->code != IOD_VTD_RESP_SUCCESS && desc->code != IOD_VTD_RESP_INVALID &&
		       desc->code != IOD_VTD_RESP_FAILURE;
	default:
		return false;
	}
}

/* What the capabilities say of the fields. */
static INLINE enum iod_cmd_reason check_values(const struct iod_vtd_desc *desc,
					       const struct iod_vtd_id *id, uint32_t type)
{
	if (is_reserved_value(desc, type))
		return IOD_CMD_BAD_FIELD;
	if (type == IOD_VTD_IOTLB_INV && desc->gran == IOD_VTD_IOTLB_PAGE &&
	    !vtd_cap(id, IOD_VTD_CAP_PSI))
		return IOD_CMD_BAD_PERMISSION;
	if (HAS(type, drain) && desc->drain && !vtd_ecap(id, IOD_VTD_ECAP_PDS))
		return IOD_CMD_BAD_PERMISSION;
	/* CAP.MAMV is about the second stage: not about invalidations by PASID. */
	if (HAS(type, am) && desc->am > (type == IOD_VTD_IOTLB_INV ? vtd_mamv(id) : AM_MAX))
		return IOD_CMD_BAD_RANGE;
	if (HAS(type, im) && id && desc->im > iod_vtd_id_field(id->ecap, IOD_VTD_ECAP_MHMV))
		return IOD_CMD_BAD_RANGE;
	if (HAS(type, did) && (uint32_t)desc->did >> vtd_did_bits(id))
		return IOD_CMD_BAD_DOMAIN;
	if (HAS(type, pasid) && desc->pasid >> vtd_pasid_bits(id))
		return IOD_CMD_BAD_PASID;
	return IOD_CMD_OK;
}

/* Changes the words. What *desc is when refused, is not said. */
static INLINE enum iod_cmd_reason parse(struct iod_vtd_desc *desc, uint64_t w[2],
					const struct iod_vtd_id *id, uint32_t type, uint64_t more1)
{
	enum iod_cmd_reason reason = IOD_CMD_OK;

	if (reserved_bits(w, type, more1))
		return IOD_CMD_BAD_RESERVED;
	ignore(w, type);
	memset(desc, 0, sizeof(*desc));
	desc->type = (enum iod_vtd_desc_type)type;
	get_fields(desc, w, type);
	if (type == IOD_VTD_DEV_TLB_INV)
		reason = dev_get(desc, w[1], DESC1_DEV_S);
	else if (type == IOD_VTD_P_DEV_TLB_INV)
		reason = dev_get(desc, w[1], DESC1_P_DEV_S);
	return reason ? reason : check_values(desc, id, type);
}

/* Whether all fields are the same; 0: yes. */
static INLINE uint64_t differ(const struct iod_vtd_desc *a, const struct iod_vtd_desc *b)
{
	uint64_t bits = (uint64_t)(a->span ^ b->span) | (a->addr ^ b->addr);

#define DIFFER(member, vlo, nr, word, lo, forms) bits |= (uint64_t)(a->member ^ b->member);
	DESC_FIELDS(DIFFER)
#undef DIFFER
	return bits;
}

/* The words, and what the decoder says to them. */
static INLINE enum iod_cmd_reason unparse(uint64_t w[2], const struct iod_vtd_desc *desc,
					  const struct iod_vtd_id *id, uint32_t type,
					  uint64_t more1)
{
	enum iod_cmd_reason reason;
	struct iod_vtd_desc back;
	uint64_t seen[2];

	w[0] = type; /* none has bits above 3:0 */
	w[1] = 0;
	put_fields(w, desc, type);
	if (type == IOD_VTD_DEV_TLB_INV)
		w[1] |= dev_put(desc, DESC1_DEV_S);
	else if (type == IOD_VTD_P_DEV_TLB_INV)
		w[1] |= dev_put(desc, DESC1_P_DEV_S);
	seen[0] = w[0];
	seen[1] = w[1];
	reason = parse(&back, seen, id, type, more1);
	if (reason)
		return reason;
	/* It would not mean what the caller thinks. */
	return differ(desc, &back) ? IOD_CMD_BAD_FIELD : IOD_CMD_OK;
}

/* One function for each type and direction: in one for all, compilers run out of registers. */
#define TYPE_CODEC(type, need, more)                                                         \
	static __attribute__((noinline)) enum iod_cmd_reason get_##type(                     \
		struct iod_vtd_desc *desc, uint64_t w[2], const struct iod_vtd_id *id)       \
	{                                                                                    \
		return parse(desc, w, id, IOD_VTD_##type, more);                             \
	}                                                                                    \
	static __attribute__((noinline)) enum iod_cmd_reason put_##type(                     \
		uint64_t w[2], const struct iod_vtd_desc *desc, const struct iod_vtd_id *id) \
	{                                                                                    \
		return unparse(w, desc, id, IOD_VTD_##type, more);                           \
	}
DESC_TYPES(TYPE_CODEC)
#undef TYPE_CODEC

static enum iod_cmd_reason get_type(struct iod_vtd_desc *desc, uint64_t w[2],
				    const struct iod_vtd_id *id, uint32_t type)
{
	switch (FORM(type)) {
#define GET_TYPE(type, need, more) \
	case FORM(IOD_VTD_##type): \
		return get_##type(desc, w, id);
		DESC_TYPES(GET_TYPE)
#undef GET_TYPE
	}
	return IOD_CMD_BAD_OPCODE;
}

static enum iod_cmd_reason put_type(uint64_t w[2], const struct iod_vtd_desc *desc,
				    const struct iod_vtd_id *id)
{
	switch (FORM(desc->type)) {
#define PUT_TYPE(type, need, more) \
	case FORM(IOD_VTD_##type): \
		return put_##type(w, desc, id);
		DESC_TYPES(PUT_TYPE)
#undef PUT_TYPE
	}
	return IOD_CMD_BAD_OPCODE;
}

/* Whether the unit, and a ring of this width, has a type that is known. @upper: words 2 and 3 */
static inline enum iod_cmd_reason check_type(uint32_t type, uint64_t upper,
					     const struct iod_vtd_id *id, uint32_t flags)
{
	if (!vtd_ecap(id, needs[type]))
		return IOD_CMD_BAD_PERMISSION;
	if (!(flags & IOD_VTD_DESC_128))
		return upper ? IOD_CMD_BAD_RESERVED : IOD_CMD_OK;
	return type == IOD_VTD_PAGE_GROUP_RESP ? IOD_CMD_BAD_STATE : IOD_CMD_OK;
}

static int refuse(enum iod_cmd_reason reason, enum iod_cmd_reason *why)
{
	if (why)
		*why = reason;
	return reason == IOD_CMD_BAD_OPCODE || reason == IOD_CMD_BAD_PERMISSION ? -EOPNOTSUPP
										: -EINVAL;
}

static enum iod_cmd_reason encode(uint64_t w[2], const struct iod_vtd_desc *desc,
				  const struct iod_vtd_id *id, uint32_t flags)
{
	enum iod_cmd_reason reason;

	if (!name_of((uint32_t)desc->type))
		return IOD_CMD_BAD_OPCODE;
	if (desc->span > IOD_VTD_DEV_TLB_ALL_SPAN)
		return IOD_CMD_BAD_RANGE;
	reason = check_type((uint32_t)desc->type, 0, id, flags);
	return reason ? reason : put_type(w, desc, id);
}

int iod_vtd_desc_encode(struct iod_vtd_raw_desc *raw, const struct iod_vtd_desc *desc,
			const struct iod_vtd_id *id, uint32_t flags, enum iod_cmd_reason *why)
{
	enum iod_cmd_reason reason;
	uint64_t w[2];

	if (!raw || !desc || flags & ~IOD_VTD_DESC_128)
		return refuse(IOD_CMD_BAD_FIELD, why);
	reason = encode(w, desc, id, flags);
	if (reason)
		return refuse(reason, why);
	raw->word[0] = iod_le64(w[0]);
	raw->word[1] = iod_le64(w[1]);
	raw->word[2] = 0;
	raw->word[3] = 0;
	if (why)
		*why = IOD_CMD_OK;
	return 0;
}

int iod_vtd_desc_decode(struct iod_vtd_desc *desc, const struct iod_vtd_raw_desc *raw,
			const struct iod_vtd_id *id, uint32_t flags, enum iod_cmd_reason *why)
{
	enum iod_cmd_reason reason;
	uint64_t w[2];
	uint32_t type;

	if (!desc || !raw || flags & ~IOD_VTD_DESC_128)
		return refuse(IOD_CMD_BAD_FIELD, why);
	w[0] = iod_le64(raw->word[0]);
	w[1] = iod_le64(raw->word[1]);
	type = DESC_TYPE(w[0]);
	reason = IOD_CMD_BAD_OPCODE;
	if (name_of(type))
		reason = check_type(type, raw->word[2] | raw->word[3], id, flags);
	if (!reason)
		reason = get_type(desc, w, id, type);
	if (reason) {
		memset(desc, 0, sizeof(*desc));
		desc->type = (enum iod_vtd_desc_type)type;
		return refuse(reason, why);
	}
	if (why)
		*why = IOD_CMD_OK;
	return 0;
}
