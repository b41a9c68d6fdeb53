/* SPDX-License-Identifier: MIT */
/*
 * AMD-Vi events, page requests and their answers as neutral records, and back.
 *
 * Nothing is decided by flags whose meaning is UNCONFIRMED: a page request is converted whatever RVSD says, as somebody
 * waits for the answer.
 */
#include <iodirty/amdvi_event.h>

#include <errno.h>
#include <string.h>

#include "bits.h"

#define PASID_BITS 20u
#define TAG_BITS   9u

/* Why, for each event that is about an access; and the event to tell it by. Of several with one reason the first
 * is taken when nothing says which. */
#define ROW(type, reason, cls)                                                        \
	{                                                                             \
		IOD_AMDVI_##type, IOD_UNRECOV_##reason, IOD_FAULT_##cls, false, false \
	}
#define PAGE_FAULT(reason, pr, pe)                                                     \
	{                                                                              \
		IOD_AMDVI_IO_PAGE_FAULT, IOD_UNRECOV_##reason, IOD_FAULT_INPUT, pr, pe \
	}

static const struct fault_row {
	enum iod_amdvi_event_type type;
	enum iod_unrecov_reason reason;
	enum iod_fault_class cls;
	bool pr, pe; /* IO_PAGE_FAULT */
} fault_rows[] = {
	PAGE_FAULT(TRANSLATION, false, false),
	PAGE_FAULT(PERMISSION, true, true),
	PAGE_FAULT(UNKNOWN, true, false),
	ROW(ILLEGAL_DEV_TABLE_ENTRY, BAD_CONTEXT, CONTEXT),
	ROW(DEV_TAB_HARDWARE_ERROR, FETCH, CONTEXT),
	ROW(PAGE_TAB_HARDWARE_ERROR, WALK, INPUT),
	ROW(INVALID_DEVICE_REQUEST, BAD_REQUEST, INPUT),
	ROW(INVALID_PPR_REQUEST, BAD_REQUEST, INPUT),
	/* what there is no event of its own for */
	ROW(ILLEGAL_DEV_TABLE_ENTRY, BAD_SOURCE, CONTEXT),
	PAGE_FAULT(ADDRESS_SIZE, false, false),
	PAGE_FAULT(BAD_PASID, false, false),
	PAGE_FAULT(ACCESS, true, true),
	PAGE_FAULT(BLOCKED, true, true),
};

#define NR_FAULT_ROWS (sizeof(fault_rows) / sizeof(fault_rows[0]))

/* PR=0: no entry; RZ: one with reserved bits, which is as good as none. An interrupt's are others. */
static const struct fault_row *row_of_event(const struct iod_amdvi_event *event)
{
	bool pr = (event->pr && !event->rz) || event->irq, pe = event->pe && !event->irq;
	size_t i;

	for (i = 0; i < NR_FAULT_ROWS; i++) {
		if (fault_rows[i].type != event->type)
			continue;
		if (event->type != IOD_AMDVI_IO_PAGE_FAULT ||
		    (fault_rows[i].pr == pr && (!pr || fault_rows[i].pe == pe)))
			return &fault_rows[i];
	}
	return NULL;
}

static const struct fault_row *row_of_fault(const struct iod_unrecov_fault *fault)
{
	const struct fault_row *first = NULL;
	size_t i;

	for (i = 0; i < NR_FAULT_ROWS; i++) {
		if (fault_rows[i].reason != fault->reason)
			continue;
		if ((uint32_t)fault_rows[i].type == fault->vendor_code)
			return &fault_rows[i];
		first = first ? first : &fault_rows[i];
	}
	/* What nobody knows is not to be told as something else. */
	return fault->reason == IOD_UNRECOV_UNKNOWN ? NULL : first;
}

static bool has_fetch(enum iod_amdvi_event_type type)
{
	return type == IOD_AMDVI_DEV_TAB_HARDWARE_ERROR ||
	       type == IOD_AMDVI_PAGE_TAB_HARDWARE_ERROR;
}

/* RW says something of a present entry, and of no translation request. */
static uint32_t perm_of(const struct iod_amdvi_event *event)
{
	uint32_t perm;

	if (event->type != IOD_AMDVI_IO_PAGE_FAULT || !event->pr || event->tr || event->irq)
		return 0;
	perm = event->rw ? IOD_PERM_WRITE : IOD_PERM_READ;
	if (!event->gn)
		return perm;
	return perm | (event->nx ? IOD_PERM_EXEC : 0) | (event->us ? 0 : IOD_PERM_PRIV);
}

int iod_amdvi_event_to_fault(struct iod_unrecov_fault *fault, const struct iod_amdvi_event *event)
{
	const struct fault_row *row;

	if (!fault || !event || !iod_amdvi_event_name(event->type))
		return -EINVAL;
	row = row_of_event(event);
	if (!row)
		return -EOPNOTSUPP;
	memset(fault, 0, sizeof(*fault));
	fault->source = event->devid;
	fault->reason = row->reason;
	fault->vendor_code = (uint32_t)event->type;
	fault->cls = row->cls;
	fault->perm = perm_of(event);
	if (event->gn) {
		fault->flags |= IOD_REQ_PASID_VALID;
		fault->pasid = event->pasid;
	}
	if (has_fetch(event->type)) {
		fault->flags |= IOD_REQ_FETCH_VALID;
		fault->fetch_pa = event->addr;
	} else {
		fault->flags |= IOD_REQ_IOVA_VALID;
		fault->iova = event->addr;
	}
	if (event->type == IOD_AMDVI_IO_PAGE_FAULT && !event->irq)
		fault->stage = event->gn ? 1 : 2;
	return 0;
}

static void set_access(struct iod_amdvi_event *event, uint32_t perm)
{
	event->rw = event->pr && (perm & IOD_PERM_WRITE);
	event->nx = event->gn && (perm & IOD_PERM_EXEC) && !(perm & IOD_PERM_WRITE);
	event->us = event->gn && !(perm & IOD_PERM_PRIV);
}

int iod_amdvi_event_from_fault(struct iod_amdvi_event *out, const struct iod_unrecov_fault *fault,
			       uint16_t domain)
{
	struct iod_amdvi_event event = { 0 };
	const struct fault_row *row;

	if (!out || !fault)
		return -EINVAL;
	row = row_of_fault(fault);
	if (!row)
		return -EOPNOTSUPP;
	if (fault->source >> 16 || fault->pasid >> PASID_BITS)
		return -EINVAL;
	event.type = row->type;
	event.devid = (uint16_t)fault->source;
	event.pr = row->pr;
	event.pe = row->pe;
	if (event.type == IOD_AMDVI_DEV_TAB_HARDWARE_ERROR) {
		/* says nothing more of the request */
	} else if (fault->flags & IOD_REQ_PASID_VALID) {
		event.gn = true;
		event.pasid = fault->pasid;
	} else if (event.type != IOD_AMDVI_INVALID_PPR_REQUEST) {
		event.domain = domain;
	}
	if (event.type == IOD_AMDVI_IO_PAGE_FAULT)
		set_access(&event, fault->perm);
	if (has_fetch(event.type))
		event.addr =
			fault->flags & IOD_REQ_FETCH_VALID ? fault->fetch_pa & MASK64(51, 4) : 0;
	else if (fault->flags & IOD_REQ_IOVA_VALID)
		event.addr = fault->iova;
	else if (event.type != IOD_AMDVI_ILLEGAL_DEV_TABLE_ENTRY)
		return -EINVAL;
	if (event.type == IOD_AMDVI_ILLEGAL_DEV_TABLE_ENTRY)
		event.addr = align_down(event.addr, 2);
	*out = event;
	return 0;
}

/* ---- page requests of devices ---- */

int iod_amdvi_ppr_to_request(struct iod_page_request *request, const struct iod_amdvi_ppr *ppr)
{
	if (!request || !ppr || ppr->type != IOD_AMDVI_PPR_PAGE || iod_amdvi_ppr_is_stop(ppr))
		return -EINVAL;
	memset(request, 0, sizeof(*request));
	request->source = ppr->devid;
	request->flags = IOD_REQ_IOVA_VALID | (ppr->last ? IOD_REQ_LAST : 0);
	request->perm = (ppr->read ? IOD_PERM_READ : 0) | (ppr->write ? IOD_PERM_WRITE : 0);
	if (ppr->gn) {
		request->flags |= IOD_REQ_PASID_VALID | IOD_REQ_NEEDS_PASID;
		request->pasid = ppr->pasid;
		request->perm |= (ppr->exec ? IOD_PERM_EXEC : 0) | (ppr->user ? 0 : IOD_PERM_PRIV);
	}
	request->grpid = ppr->tag;
	request->stage = 1;
	request->model = IOD_REQUEST_PRI;
	request->iova = ppr->addr;
	return 0;
}

int iod_amdvi_ppr_from_request(struct iod_amdvi_ppr *out, const struct iod_page_request *request)
{
	struct iod_amdvi_ppr ppr = { .type = IOD_AMDVI_PPR_PAGE };

	if (!out || !request || request->model != IOD_REQUEST_PRI || request->source >> 16 ||
	    request->grpid >> TAG_BITS || !is_aligned(request->iova, 12))
		return -EINVAL;
	ppr.devid = (uint16_t)request->source;
	ppr.gn = request->flags & IOD_REQ_PASID_VALID;
	ppr.last = request->flags & IOD_REQ_LAST;
	ppr.read = request->perm & IOD_PERM_READ;
	ppr.write = request->perm & IOD_PERM_WRITE;
	ppr.exec = request->perm & IOD_PERM_EXEC;
	ppr.tag = (uint16_t)request->grpid;
	ppr.addr = request->iova;
	if (ppr.gn) {
		if (request->pasid >> PASID_BITS)
			return -EINVAL;
		ppr.pasid = request->pasid;
		ppr.user = !(request->perm & IOD_PERM_PRIV);
	} else if (request->perm & (IOD_PERM_EXEC | IOD_PERM_PRIV)) {
		return -EINVAL;
	}
	if (iod_amdvi_ppr_is_stop(&ppr)) /* it would say something else */
		return -EINVAL;
	*out = ppr;
	return 0;
}

/* ---- answers ---- */

int iod_amdvi_response_to_cmd(struct iod_amdvi_cmd *out, const struct iod_page_response *response)
{
	static const uint8_t codes[] = {
		[IOD_RESP_SUCCESS] = IOD_AMDVI_PPR_SUCCESS,
		[IOD_RESP_INVALID] = IOD_AMDVI_PPR_INVALID,
		[IOD_RESP_FAILURE] = IOD_AMDVI_PPR_FAILURE,
	};
	struct iod_amdvi_cmd cmd = { .op = IOD_AMDVI_COMPLETE_PPR_REQUEST };

	if (!out || !response || response->model != IOD_REQUEST_PRI || response->source >> 16 ||
	    response->grpid >> TAG_BITS || (uint32_t)response->code > IOD_RESP_FAILURE)
		return -EINVAL;
	cmd.devid = (uint16_t)response->source;
	cmd.tag = (uint16_t)response->grpid;
	cmd.status = codes[response->code];
	if (response->flags & IOD_REQ_PASID_VALID) {
		if (response->pasid >> PASID_BITS)
			return -EINVAL;
		cmd.gn = true;
		cmd.pasid = response->pasid;
	}
	*out = cmd;
	return 0;
}

int iod_amdvi_response_from_cmd(struct iod_page_response *out, const struct iod_amdvi_cmd *cmd)
{
	struct iod_page_response response = { .model = IOD_REQUEST_PRI };

	if (!out || !cmd || cmd->op != IOD_AMDVI_COMPLETE_PPR_REQUEST)
		return -EINVAL;
	response.source = cmd->devid;
	response.grpid = cmd->tag;
	switch (cmd->status) {
	case IOD_AMDVI_PPR_SUCCESS:
		response.code = IOD_RESP_SUCCESS;
		break;
	case IOD_AMDVI_PPR_INVALID:
		response.code = IOD_RESP_INVALID;
		break;
	default: /* also what PCIe has no name for */
		response.code = IOD_RESP_FAILURE;
		break;
	}
	if (cmd->gn) {
		response.flags = IOD_REQ_PASID_VALID;
		response.pasid = cmd->pasid;
	}
	*out = response;
	return 0;
}
