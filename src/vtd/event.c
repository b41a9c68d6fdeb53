/* SPDX-License-Identifier: MIT */
/*
 * Fault records (Intel VT-d specification, 11.4.7.6) and page requests (7.4.1.1), typed and raw: both directions from
 * one list of fields each.
 */
#include <iodirty/vtd_event.h>

#include <errno.h>
#include <string.h>

#include "bits.h"

/* F(field, word, lowest bit, bits): a number. A(field, word, highest bit, lowest bit): an address. */
#define FAULT_FIELDS(F, A)       \
	A(addr, 0, 63, 12)       \
	F(sid, 1, 0, 16)         \
	F(type_high, 1, 28, 1)   \
	F(priv, 1, 29, 1)        \
	F(exec, 1, 30, 1)        \
	F(pasid_valid, 1, 31, 1) \
	F(reason, 1, 32, 8)      \
	F(pasid, 1, 40, 20)      \
	F(at, 1, 60, 2)          \
	F(type_low, 1, 62, 1)    \
	F(fault, 1, 63, 1)

#define PAGE_REQ_FIELDS(F, A)   \
	F(dsc_type, 0, 0, 8)    \
	F(pasid_valid, 0, 8, 1) \
	F(sid, 0, 16, 16)       \
	F(pasid, 0, 32, 20)     \
	F(exec, 0, 52, 1)       \
	F(priv, 0, 53, 1)       \
	F(read, 1, 0, 1)        \
	F(write, 1, 1, 1)       \
	F(last, 1, 2, 1)        \
	F(prgi, 1, 3, 9)        \
	A(addr, 1, 63, 12)

#define DSC_PAGE_REQ 1u

/* The fields as they lie there: T1 and T2 apart, the type of the descriptor with the others. */
struct fault_fields {
	uint64_t addr, sid, type_high, priv, exec, pasid_valid, reason, pasid, at, type_low, fault;
};

struct page_req_fields {
	uint64_t dsc_type, pasid_valid, sid, pasid, exec, priv, read, write, last, prgi, addr;
};

#define PUT_F(field, w, lo, n)          \
	bad |= in.field & ~low_mask(n); \
	word[w] |= in.field << (lo);
#define PUT_A(field, w, hi, lo)            \
	bad |= in.field & ~MASK64(hi, lo); \
	word[w] |= in.field;
#define GET_F(field, w, lo, n)	   out.field = word[w] >> (lo)&low_mask(n);
#define GET_A(field, w, hi, lo)	   out.field = word[w] & MASK64(hi, lo);
#define FORGET_F(field, w, lo, n)  word[w] &= ~(out.field << (lo));
#define FORGET_A(field, w, hi, lo) word[w] &= ~out.field;

int iod_vtd_fault_encode(struct iod_vtd_raw_fault *raw, const struct iod_vtd_fault *fault)
{
	uint64_t word[2] = { 0 }, bad = 0;
	struct fault_fields in;

	if (!raw || !fault || fault->type > IOD_VTD_FAULT_ATOMIC)
		return -EINVAL;
	if (!fault->pasid_valid && (fault->pasid || fault->exec || fault->priv))
		return -EINVAL;
	in = (struct fault_fields){
		.addr = fault->addr,
		.sid = fault->sid,
		.type_high = fault->type >> 1,
		.priv = fault->priv,
		.exec = fault->exec,
		.pasid_valid = fault->pasid_valid,
		.reason = (uint64_t)fault->reason,
		.pasid = fault->pasid,
		.at = fault->at,
		.type_low = fault->type & 1,
		.fault = fault->fault,
	};
	FAULT_FIELDS(PUT_F, PUT_A)
	if (bad)
		return -EINVAL;
	raw->word[0] = iod_le64(word[0]);
	raw->word[1] = iod_le64(word[1]);
	return 0;
}

int iod_vtd_fault_decode(struct iod_vtd_fault *fault, const struct iod_vtd_raw_fault *raw,
			 struct iod_vtd_raw_fault *unknown)
{
	struct fault_fields out;
	uint64_t word[2];

	if (!fault || !raw)
		return -EINVAL;
	word[0] = iod_le64(raw->word[0]);
	word[1] = iod_le64(raw->word[1]);
	FAULT_FIELDS(GET_F, GET_A)
	if (!out.pasid_valid) {
		out.pasid = 0;
		out.exec = 0;
		out.priv = 0;
	}
	FAULT_FIELDS(FORGET_F, FORGET_A)
	memset(fault, 0, sizeof(*fault));
	fault->reason = (enum iod_vtd_fault_reason)out.reason;
	fault->sid = (uint16_t)out.sid;
	fault->pasid = (uint32_t)out.pasid;
	fault->pasid_valid = out.pasid_valid;
	fault->exec = out.exec;
	fault->priv = out.priv;
	fault->type = (uint8_t)(out.type_high << 1 | out.type_low);
	fault->at = (uint8_t)out.at;
	fault->fault = out.fault;
	fault->addr = out.addr;
	if (unknown) {
		unknown->word[0] = iod_le64(word[0]);
		unknown->word[1] = iod_le64(word[1]);
	}
	return 0;
}

int iod_vtd_page_req_encode(struct iod_vtd_raw_page_req *raw, const struct iod_vtd_page_req *req)
{
	uint64_t word[2] = { 0 }, bad = 0;
	struct page_req_fields in;

	if (!raw || !req || (!req->pasid_valid && (req->pasid || req->exec || req->priv)))
		return -EINVAL;
	in = (struct page_req_fields){
		.dsc_type = DSC_PAGE_REQ,
		.pasid_valid = req->pasid_valid,
		.sid = req->sid,
		.pasid = req->pasid,
		.exec = req->exec,
		.priv = req->priv,
		.read = req->read,
		.write = req->write,
		.last = req->last,
		.prgi = req->prgi,
		.addr = req->addr,
	};
	PAGE_REQ_FIELDS(PUT_F, PUT_A)
	if (bad)
		return -EINVAL;
	*raw = (struct iod_vtd_raw_page_req){ { iod_le64(word[0]), iod_le64(word[1]) } };
	return 0;
}

int iod_vtd_page_req_decode(struct iod_vtd_page_req *req, const struct iod_vtd_raw_page_req *raw,
			    struct iod_vtd_raw_page_req *unknown)
{
	struct page_req_fields out;
	uint64_t word[2];

	if (!req || !raw)
		return -EINVAL;
	word[0] = iod_le64(raw->word[0]);
	word[1] = iod_le64(raw->word[1]);
	PAGE_REQ_FIELDS(GET_F, GET_A)
	memset(req, 0, sizeof(*req));
	if (out.dsc_type != DSC_PAGE_REQ)
		return -EOPNOTSUPP;
	if (!out.pasid_valid) {
		out.pasid = 0;
		out.exec = 0;
		out.priv = 0;
	}
	PAGE_REQ_FIELDS(FORGET_F, FORGET_A)
	req->sid = (uint16_t)out.sid;
	req->pasid = (uint32_t)out.pasid;
	req->pasid_valid = out.pasid_valid;
	req->exec = out.exec;
	req->priv = out.priv;
	req->read = out.read;
	req->write = out.write;
	req->last = out.last;
	req->prgi = (uint16_t)out.prgi;
	req->addr = out.addr;
	if (unknown)
		*unknown = (struct iod_vtd_raw_page_req){ { iod_le64(word[0]), iod_le64(word[1]),
							    raw->word[2], raw->word[3] } };
	return 0;
}
