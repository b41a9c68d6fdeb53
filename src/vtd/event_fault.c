/* SPDX-License-Identifier: MIT */
/*
 * VT-d's fault reasons (Intel VT-d specification, 7.1.3), and its faults, page requests and their answers as neutral
 * records, and back.
 */
#include <iodirty/vtd_event.h>

#include <errno.h>
#include <string.h>

#include "bits.h"

#define PASID_BITS 20u
#define PRGI_BITS  9u
#define SID_BITS   16u

/* What a reason means. */
struct reason_row {
	uint8_t code;
	bool qualified;
	uint8_t stage; /* which refused; 0: none, or either */
	enum iod_unrecov_reason reason;
	enum iod_fault_class cls;
	const char *name;
};

#define ROW(code, qualified, stage, reason, cls, name)                                          \
	{                                                                                       \
		IOD_VTD_F_##code, qualified, stage, IOD_UNRECOV_##reason, IOD_FAULT_##cls, name \
	}

/* By code. */
static const struct reason_row rows[] = {
	ROW(ROOT_NOT_PRESENT, 0, 0, BAD_SOURCE, CONTEXT, "root entry is not present"),
	ROW(CONTEXT_NOT_PRESENT, 1, 0, BAD_SOURCE, CONTEXT, "context entry is not present"),
	ROW(CONTEXT_INVALID, 1, 0, BAD_CONTEXT, CONTEXT, "context entry is invalid"),
	ROW(ADDR_BEYOND_MGAW, 1, 2, ADDRESS_SIZE, INPUT, "address is beyond MGAW or AW"),
	ROW(WRITE, 1, 2, PERMISSION, INPUT, "no write permission"),
	ROW(READ, 1, 2, PERMISSION, INPUT, "no read permission"),
	ROW(TABLE_ACCESS, 1, 2, WALK, INPUT, "second-stage table is not accessible"),
	ROW(ROOT_ACCESS, 0, 0, FETCH, CONTEXT, "root table is not accessible"),
	ROW(CONTEXT_ACCESS, 0, 0, FETCH, CONTEXT, "context table is not accessible"),
	ROW(ROOT_RESERVED, 0, 0, BAD_CONTEXT, CONTEXT, "reserved bits in a root entry"),
	ROW(CONTEXT_RESERVED, 1, 0, BAD_CONTEXT, CONTEXT, "reserved bits in a context entry"),
	ROW(ENTRY_RESERVED, 1, 2, UNKNOWN, INPUT, "reserved bits in a second-stage entry"),
	ROW(TT_BLOCKED, 1, 0, BAD_REQUEST, INPUT, "TT does not allow the request"),
	ROW(INTERRUPT_RANGE, 1, 2, BAD_REQUEST, INPUT, "address is of the interrupt range"),
	ROW(IR_RESERVED, 0, 0, UNKNOWN, INPUT, "reserved bits in an interrupt request"),
	ROW(IR_INDEX, 0, 0, UNKNOWN, INPUT, "interrupt index is beyond the table"),
	ROW(IR_NOT_PRESENT, 1, 0, UNKNOWN, INPUT, "interrupt remapping entry is not present"),
	ROW(IR_ACCESS, 0, 0, UNKNOWN, INPUT, "interrupt remapping table is not accessible"),
	ROW(IR_ENTRY_RESERVED, 1, 0, UNKNOWN, INPUT,
	    "reserved bits in an interrupt remapping entry"),
	ROW(IR_COMPATIBILITY, 0, 0, UNKNOWN, INPUT, "compatibility format interrupt is blocked"),
	ROW(IR_SOURCE, 1, 0, UNKNOWN, INPUT, "source of an interrupt does not match"),
	ROW(RTADDR_RESERVED, 0, 0, BAD_CONTEXT, CONTEXT, "reserved bits in RTADDR_REG"),
	ROW(RTADDR_TTM, 0, 0, BLOCKED, CONTEXT, "translation table mode refuses the request"),
	ROW(RTADDR_LEGACY, 0, 0, BAD_REQUEST, INPUT, "legacy mode does not have the request"),
	ROW(RTADDR_33, 0, 0, UNKNOWN, CONTEXT, "root table address or mode (33h)"),
	ROW(RTADDR_34, 0, 0, UNKNOWN, CONTEXT, "root table address or mode (34h)"),
	ROW(SM_ROOT_ACCESS, 0, 0, FETCH, CONTEXT, "scalable-mode root table is not accessible"),
	ROW(SM_ROOT_NOT_PRESENT, 0, 0, BAD_SOURCE, CONTEXT,
	    "scalable-mode root entry is not present"),
	ROW(SM_ROOT_RESERVED, 0, 0, BAD_CONTEXT, CONTEXT,
	    "reserved bits in a scalable-mode root entry"),
	ROW(SM_CONTEXT_ACCESS, 0, 0, FETCH, CONTEXT,
	    "scalable-mode context table is not accessible"),
	ROW(SM_CONTEXT_NOT_PRESENT, 1, 0, BAD_SOURCE, CONTEXT,
	    "scalable-mode context entry is not present"),
	ROW(SM_CONTEXT_RESERVED, 1, 0, BAD_CONTEXT, CONTEXT,
	    "reserved bits in a scalable-mode context entry"),
	ROW(SM_CONTEXT_INVALID, 1, 0, BAD_CONTEXT, CONTEXT,
	    "scalable-mode context entry is invalid"),
	ROW(SM_DTE, 1, 0, BAD_REQUEST, INPUT, "device TLB is not enabled"),
	ROW(SM_PASIDE, 1, 0, BAD_PASID, INPUT, "PASIDs are not enabled"),
	ROW(SM_PDTS, 1, 0, BAD_PASID, INPUT, "PASID is beyond the PASID directory"),
	ROW(SM_PRE, 1, 0, BAD_REQUEST, INPUT, "page requests are not enabled"),
	ROW(SM_RID_PASID, 1, 0, BAD_PASID, INPUT, "PASID is RID_PASID"),
	ROW(SM_EPTR, 1, 0, BAD_REQUEST, INPUT, "translated requests with PASID are not enabled"),
	ROW(PASID_DIR_ACCESS, 0, 0, FETCH, CONTEXT, "PASID directory is not accessible"),
	ROW(PASID_DIR_NOT_PRESENT, 1, 0, BAD_PASID, CONTEXT,
	    "PASID directory entry is not present"),
	ROW(PASID_DIR_RESERVED, 1, 0, BAD_CONTEXT, CONTEXT,
	    "reserved bits in a PASID directory entry"),
	ROW(PASID_ACCESS, 0, 0, FETCH, CONTEXT, "PASID table is not accessible"),
	ROW(PASID_NOT_PRESENT, 1, 0, BAD_PASID, CONTEXT, "PASID entry is not present"),
	ROW(PASID_RESERVED, 1, 0, BAD_CONTEXT, CONTEXT, "reserved bits in a PASID entry"),
	ROW(PASID_INVALID, 1, 0, BAD_CONTEXT, CONTEXT, "PASID entry is invalid"),
	ROW(PASID_ER, 1, 0, BAD_REQUEST, INPUT, "execute requests are not enabled"),
	ROW(PASID_SRE, 1, 0, BAD_REQUEST, INPUT, "supervisor requests are not enabled"),
	ROW(HPT_SIZE, 1, 0, BAD_CONTEXT, CONTEXT, "size of a hardware protection table"),
	ROW(FS_ACCESS, 1, 1, WALK, TABLE, "first-stage table is not accessible"),
	ROW(FS_NOT_PRESENT, 1, 1, TRANSLATION, INPUT, "first-stage entry is not present"),
	ROW(FS_RESERVED, 1, 1, UNKNOWN, INPUT, "reserved bits in a first-stage entry"),
	ROW(FS_ROOT_ACCESS, 1, 1, WALK, TABLE, "first-stage root is not accessible"),
	ROW(FS_NESTED_BEYOND_AW, 1, 2, ADDRESS_SIZE, INPUT,
	    "address that first stage gave is beyond AW"),
	ROW(FS_ROOT_SS, 1, 2, PERMISSION, TABLE, "second stage refused a first-stage root"),
	ROW(FS_ENTRY_SS, 1, 2, PERMISSION, TABLE, "second stage refused a first-stage entry"),
	ROW(FS_UPDATE_SS, 1, 2, PERMISSION, TABLE,
	    "second stage refused an update of a first-stage entry"),
	ROW(SS_ACCESS, 1, 2, WALK, INPUT, "scalable-mode second-stage table is not accessible"),
	ROW(SS_NOT_PRESENT, 1, 2, TRANSLATION, INPUT,
	    "second-stage entry is not present, or has no permission"),
	ROW(SS_RESERVED, 1, 2, UNKNOWN, INPUT,
	    "reserved bits in a scalable-mode second-stage entry"),
	ROW(SS_ROOT_ACCESS, 1, 2, WALK, INPUT, "second-stage root is not accessible"),
	ROW(SS_UPDATE_SNOOP, 1, 2, WALK, INPUT,
	    "second-stage Accessed or Dirty needs coherent walks"),
	ROW(SS_UPDATE, 1, 2, WALK, INPUT, "second-stage Accessed or Dirty could not be set"),
	ROW(NOT_CANONICAL, 1, 1, ADDRESS_SIZE, INPUT, "address is not canonical"),
	ROW(USER, 1, 1, PERMISSION, INPUT, "user request to a supervisor page"),
	ROW(EXECUTE, 1, 1, PERMISSION, INPUT, "no execute permission"),
	ROW(BEYOND_HAW, 1, 0, ADDRESS_SIZE, INPUT, "address is beyond HAW"),
	ROW(BEYOND_AW, 1, 2, ADDRESS_SIZE, INPUT, "address is beyond AW"),
	ROW(SM_WRITE, 1, 0, PERMISSION, INPUT, "no write permission in scalable mode"),
	ROW(SM_READ, 1, 0, PERMISSION, INPUT, "no read permission in scalable mode"),
	ROW(SM_INTERRUPT_RANGE, 1, 0, BAD_REQUEST, INPUT,
	    "address is of the interrupt range in scalable mode"),
	ROW(PASID_PSS, 1, 0, BAD_PASID, INPUT, "PASID is beyond ECAP.PSS"),
	ROW(FS_UPDATE_SNOOP, 1, 1, WALK, TABLE,
	    "first-stage Accessed or Dirty needs coherent walks"),
	ROW(FS_UPDATE, 1, 1, WALK, TABLE, "first-stage Accessed or Dirty could not be set"),
};

/* NULL: no known reason. */
static const struct reason_row *find(uint32_t code)
{
	size_t first = 0, nr = sizeof(rows) / sizeof(rows[0]);

	while (nr) {
		size_t half = nr / 2;

		if (rows[first + half].code == code)
			return &rows[first + half];
		if (rows[first + half].code < code) {
			first += half + 1;
			nr -= half + 1;
		} else {
			nr = half;
		}
	}
	return NULL;
}

const char *iod_vtd_fault_reason_name(enum iod_vtd_fault_reason reason)
{
	const struct reason_row *row = find((uint32_t)reason);

	return row ? row->name : NULL;
}

bool iod_vtd_fault_is_qualified(enum iod_vtd_fault_reason reason)
{
	const struct reason_row *row = find((uint32_t)reason);

	return row && row->qualified;
}

/* ---- faults ---- */

static uint32_t perm_of(const struct iod_vtd_fault *fault)
{
	static const uint32_t perms[] = {
		[IOD_VTD_FAULT_WRITE] = IOD_PERM_WRITE,
		[IOD_VTD_FAULT_READ] = IOD_PERM_READ,
		[IOD_VTD_FAULT_PAGE_REQUEST] = 0,
		[IOD_VTD_FAULT_ATOMIC] = IOD_PERM_READ | IOD_PERM_WRITE,
	};

	return perms[fault->type] | (fault->exec ? IOD_PERM_EXEC : 0) |
	       (fault->priv ? IOD_PERM_PRIV : 0);
}

int iod_vtd_fault_to_unrecov(struct iod_unrecov_fault *out, const struct iod_vtd_fault *fault)
{
	const struct reason_row *row;

	if (!out || !fault || fault->type > IOD_VTD_FAULT_ATOMIC)
		return -EINVAL;
	row = find((uint32_t)fault->reason);
	memset(out, 0, sizeof(*out));
	out->source = fault->sid;
	out->vendor_code = (uint32_t)fault->reason;
	out->flags = IOD_REQ_IOVA_VALID;
	out->iova = fault->addr;
	out->perm = perm_of(fault);
	if (fault->pasid_valid) {
		out->flags |= IOD_REQ_PASID_VALID;
		out->pasid = fault->pasid;
	}
	if (row) {
		out->reason = row->reason;
		out->stage = row->stage;
		out->cls = row->cls;
	}
	return 0;
}

/* The reason of scalable mode that says it; 0: none does. */
static enum iod_vtd_fault_reason default_reason(const struct iod_unrecov_fault *in)
{
	bool first = in->stage == 1, write = in->perm & IOD_PERM_WRITE;
	bool table = in->cls == IOD_FAULT_TABLE && in->stage == 2;

	switch (in->reason) {
	case IOD_UNRECOV_BAD_SOURCE:
		return IOD_VTD_F_SM_CONTEXT_NOT_PRESENT;
	case IOD_UNRECOV_BAD_CONTEXT:
		return IOD_VTD_F_SM_CONTEXT_INVALID;
	case IOD_UNRECOV_FETCH:
		return IOD_VTD_F_SM_CONTEXT_ACCESS;
	case IOD_UNRECOV_BAD_PASID:
		return IOD_VTD_F_PASID_NOT_PRESENT;
	case IOD_UNRECOV_BLOCKED:
		return IOD_VTD_F_RTADDR_TTM;
	case IOD_UNRECOV_BAD_REQUEST:
		return IOD_VTD_F_SM_DTE;
	case IOD_UNRECOV_WALK:
		return first ? IOD_VTD_F_FS_ACCESS : IOD_VTD_F_SS_ACCESS;
	case IOD_UNRECOV_TRANSLATION:
		if (table)
			return IOD_VTD_F_FS_ENTRY_SS;
		return first ? IOD_VTD_F_FS_NOT_PRESENT : IOD_VTD_F_SS_NOT_PRESENT;
	case IOD_UNRECOV_ADDRESS_SIZE:
		return first ? IOD_VTD_F_NOT_CANONICAL : IOD_VTD_F_BEYOND_AW;
	case IOD_UNRECOV_PERMISSION:
		if (table)
			return IOD_VTD_F_FS_ENTRY_SS;
		return write ? IOD_VTD_F_SM_WRITE : IOD_VTD_F_SM_READ;
	default:
		return IOD_VTD_F_NONE;
	}
}

static uint8_t type_of(uint32_t perm)
{
	if ((perm & IOD_PERM_READ) && (perm & IOD_PERM_WRITE))
		return IOD_VTD_FAULT_ATOMIC;
	return perm & IOD_PERM_WRITE ? IOD_VTD_FAULT_WRITE : IOD_VTD_FAULT_READ;
}

int iod_vtd_fault_from_unrecov(struct iod_vtd_fault *out, const struct iod_unrecov_fault *in)
{
	struct iod_vtd_fault fault = { .fault = true };
	const struct reason_row *row;

	if (!out || !in || in->source >> SID_BITS)
		return -EINVAL;
	row = find(in->vendor_code);
	fault.reason = row && row->reason == in->reason ? (enum iod_vtd_fault_reason)row->code
							: default_reason(in);
	if (!fault.reason)
		return -EOPNOTSUPP;
	fault.sid = (uint16_t)in->source;
	fault.type = type_of(in->perm);
	if (in->flags & IOD_REQ_IOVA_VALID)
		fault.addr = align_down(in->iova, 12);
	if (in->flags & IOD_REQ_PASID_VALID) {
		if (in->pasid >> PASID_BITS)
			return -EINVAL;
		fault.pasid_valid = true;
		fault.pasid = in->pasid;
		fault.exec = in->perm & IOD_PERM_EXEC;
		fault.priv = in->perm & IOD_PERM_PRIV;
	}
	*out = fault;
	return 0;
}

/* ---- page requests ---- */

/*
 * Whether a response carries the PASID is the device's to say (PRG Response PASID Required); it is asked for
 * wherever there is one, and whoever knows the device may clear the flag.
 */
int iod_vtd_page_req_to_request(struct iod_page_request *request,
				const struct iod_vtd_page_req *req)
{
	if (!request || !req || iod_vtd_page_req_is_stop(req))
		return -EINVAL;
	memset(request, 0, sizeof(*request));
	request->source = req->sid;
	request->flags = IOD_REQ_IOVA_VALID | (req->last ? IOD_REQ_LAST : 0);
	if (req->pasid_valid) {
		request->flags |= IOD_REQ_PASID_VALID | IOD_REQ_NEEDS_PASID;
		request->pasid = req->pasid;
	}
	request->grpid = req->prgi;
	request->perm = (req->read ? IOD_PERM_READ : 0) | (req->write ? IOD_PERM_WRITE : 0) |
			(req->exec ? IOD_PERM_EXEC : 0) | (req->priv ? IOD_PERM_PRIV : 0);
	request->stage = 1;
	request->model = IOD_REQUEST_PRI;
	request->iova = req->addr;
	return 0;
}

int iod_vtd_page_req_from_request(struct iod_vtd_page_req *out,
				  const struct iod_page_request *request)
{
	struct iod_vtd_page_req req = { 0 };

	if (!out || !request || request->model != IOD_REQUEST_PRI || request->source >> SID_BITS ||
	    request->grpid >> PRGI_BITS || !is_aligned(request->iova, 12))
		return -EINVAL;
	req.sid = (uint16_t)request->source;
	req.pasid_valid = request->flags & IOD_REQ_PASID_VALID;
	req.last = request->flags & IOD_REQ_LAST;
	req.read = request->perm & IOD_PERM_READ;
	req.write = request->perm & IOD_PERM_WRITE;
	req.exec = request->perm & IOD_PERM_EXEC;
	req.priv = request->perm & IOD_PERM_PRIV;
	req.prgi = (uint16_t)request->grpid;
	req.addr = request->iova;
	if (req.pasid_valid) {
		if (request->pasid >> PASID_BITS)
			return -EINVAL;
		req.pasid = request->pasid;
	} else if (req.exec || req.priv) {
		return -EINVAL;
	}
	if (iod_vtd_page_req_is_stop(&req)) /* it would say something else */
		return -EINVAL;
	*out = req;
	return 0;
}

/* ---- answers ---- */

int iod_vtd_response_to_desc(struct iod_vtd_desc *out, const struct iod_page_response *response)
{
	static const uint8_t codes[] = {
		[IOD_RESP_SUCCESS] = IOD_VTD_RESP_SUCCESS,
		[IOD_RESP_INVALID] = IOD_VTD_RESP_INVALID,
		[IOD_RESP_FAILURE] = IOD_VTD_RESP_FAILURE,
	};
	struct iod_vtd_desc desc = { .type = IOD_VTD_PAGE_GROUP_RESP };

	if (!out || !response || response->model != IOD_REQUEST_PRI ||
	    response->source >> SID_BITS || response->grpid >> PRGI_BITS ||
	    (uint32_t)response->code > IOD_RESP_FAILURE)
		return -EINVAL;
	desc.sid = (uint16_t)response->source;
	desc.prgi = (uint16_t)response->grpid;
	desc.code = codes[response->code];
	if (response->flags & IOD_REQ_PASID_VALID) {
		if (response->pasid >> PASID_BITS)
			return -EINVAL;
		desc.pasid_valid = true;
		desc.pasid = response->pasid;
	}
	*out = desc;
	return 0;
}

int iod_vtd_response_from_desc(struct iod_page_response *out, const struct iod_vtd_desc *desc)
{
	struct iod_page_response response = { .model = IOD_REQUEST_PRI };

	if (!out || !desc || desc->type != IOD_VTD_PAGE_GROUP_RESP)
		return -EINVAL;
	switch (desc->code) {
	case IOD_VTD_RESP_SUCCESS:
		response.code = IOD_RESP_SUCCESS;
		break;
	case IOD_VTD_RESP_INVALID:
		response.code = IOD_RESP_INVALID;
		break;
	case IOD_VTD_RESP_FAILURE:
		response.code = IOD_RESP_FAILURE;
		break;
	default:
		return -EINVAL;
	}
	response.source = desc->sid;
	response.grpid = desc->prgi;
	if (desc->pasid_valid) {
		response.flags = IOD_REQ_PASID_VALID;
		response.pasid = desc->pasid;
	}
	*out = response;
	return 0;
}
