/* SPDX-License-Identifier: MIT */
/*
 * SMMUv3 events, page requests and their answers as neutral records, and back.
 *
 * A stage-2 fault says both addresses: the IOVA that the device used and the IPA that stage 2 refused.
 */
#include <iodirty/smmuv3_event.h>

#include <errno.h>
#include <string.h>

#include "smmuv3/event.h"

#define SSID_BITS 20u
#define PRGI_BITS 9u
#define STAG_BITS 16u

/* Why, for each type that nobody can answer; and the type to tell it by. */
static const struct fault_row {
	enum iod_smmuv3_event_type type;
	enum iod_unrecov_reason reason;
	enum iod_fault_class cls; /* of types without CLASS */
} fault_rows[] = {
	/* Of several types with one reason the first is taken when nothing says which. */
	{ IOD_SMMUV3_F_UUT, IOD_UNRECOV_BAD_REQUEST, IOD_FAULT_INPUT },
	{ IOD_SMMUV3_C_BAD_STREAMID, IOD_UNRECOV_BAD_SOURCE, IOD_FAULT_INPUT },
	{ IOD_SMMUV3_F_STE_FETCH, IOD_UNRECOV_FETCH, IOD_FAULT_CONTEXT },
	{ IOD_SMMUV3_C_BAD_STE, IOD_UNRECOV_BAD_CONTEXT, IOD_FAULT_CONTEXT },
	{ IOD_SMMUV3_F_BAD_ATS_TREQ, IOD_UNRECOV_BAD_REQUEST, IOD_FAULT_INPUT },
	{ IOD_SMMUV3_F_STREAM_DISABLED, IOD_UNRECOV_BLOCKED, IOD_FAULT_INPUT },
	{ IOD_SMMUV3_F_TRANSL_FORBIDDEN, IOD_UNRECOV_BAD_REQUEST, IOD_FAULT_INPUT },
	{ IOD_SMMUV3_C_BAD_SUBSTREAMID, IOD_UNRECOV_BAD_PASID, IOD_FAULT_INPUT },
	{ IOD_SMMUV3_F_CD_FETCH, IOD_UNRECOV_FETCH, IOD_FAULT_CONTEXT },
	{ IOD_SMMUV3_C_BAD_CD, IOD_UNRECOV_BAD_CONTEXT, IOD_FAULT_CONTEXT },
	{ IOD_SMMUV3_F_WALK_EABT, IOD_UNRECOV_WALK, IOD_FAULT_INPUT },
	{ IOD_SMMUV3_F_TRANSLATION, IOD_UNRECOV_TRANSLATION, IOD_FAULT_INPUT },
	{ IOD_SMMUV3_F_ADDR_SIZE, IOD_UNRECOV_ADDRESS_SIZE, IOD_FAULT_INPUT },
	{ IOD_SMMUV3_F_ACCESS, IOD_UNRECOV_ACCESS, IOD_FAULT_INPUT },
	{ IOD_SMMUV3_F_PERMISSION, IOD_UNRECOV_PERMISSION, IOD_FAULT_INPUT },
	{ IOD_SMMUV3_F_TLB_CONFLICT, IOD_UNRECOV_CONFLICT, IOD_FAULT_INPUT },
	{ IOD_SMMUV3_F_CFG_CONFLICT, IOD_UNRECOV_CONFLICT, IOD_FAULT_CONTEXT },
	{ IOD_SMMUV3_F_VMS_FETCH, IOD_UNRECOV_FETCH, IOD_FAULT_CONTEXT },
};

#define NR_FAULT_ROWS (sizeof(fault_rows) / sizeof(fault_rows[0]))

static const struct fault_row *row_of_type(enum iod_smmuv3_event_type type)
{
	size_t i;

	for (i = 0; i < NR_FAULT_ROWS; i++)
		if (fault_rows[i].type == type)
			return &fault_rows[i];
	return NULL;
}

/* The type that was recorded, when the fault is an SMMU's; else the first with that reason. */
static const struct fault_row *row_of_fault(const struct iod_unrecov_fault *fault)
{
	const struct fault_row *row = row_of_type((enum iod_smmuv3_event_type)fault->vendor_code);
	size_t i;

	if (row && row->reason == fault->reason)
		return row;
	for (i = 0; i < NR_FAULT_ROWS; i++)
		if (fault_rows[i].reason == fault->reason)
			return &fault_rows[i];
	return NULL;
}

/* The reserved class is taken for the access itself: a stalled access must be answered in any case. */
static enum iod_fault_class class_of(const struct iod_smmuv3_event *event)
{
	switch (event->cls) {
	case IOD_SMMUV3_CLASS_CD:
		return IOD_FAULT_CONTEXT;
	case IOD_SMMUV3_CLASS_TT:
		return IOD_FAULT_TABLE;
	default:
		return IOD_FAULT_INPUT;
	}
}

static uint8_t event_class(enum iod_fault_class cls)
{
	switch (cls) {
	case IOD_FAULT_CONTEXT:
		return IOD_SMMUV3_CLASS_CD;
	case IOD_FAULT_TABLE:
		return IOD_SMMUV3_CLASS_TT;
	default:
		return IOD_SMMUV3_CLASS_IN;
	}
}

static uint32_t perm_of(const struct iod_smmuv3_event *event)
{
	uint32_t perm = event->rnw ? IOD_PERM_READ : IOD_PERM_WRITE;

	return perm | (event->ind ? IOD_PERM_EXEC : 0) | (event->pnu ? IOD_PERM_PRIV : 0);
}

/* An access that does both counts as a write; a write fetches no instructions. */
static void set_access(struct iod_smmuv3_event *event, uint32_t perm)
{
	event->rnw = !(perm & IOD_PERM_WRITE);
	event->ind = (perm & IOD_PERM_EXEC) && event->rnw;
	event->pnu = perm & IOD_PERM_PRIV;
}

static void to_hint(struct iod_page_request *request, const struct iod_smmuv3_event *event)
{
	unsigned hints = event->hints, any = hints | hints >> 3;

	request->flags |= IOD_REQ_IOVA_VALID | IOD_REQ_LAST;
	request->stage = 1;
	request->iova = event->addr;
	request->perm = (any & IOD_SMMUV3_HINT_UR ? IOD_PERM_READ : 0) |
			(any & IOD_SMMUV3_HINT_UW ? IOD_PERM_WRITE : 0) |
			(any & IOD_SMMUV3_HINT_UX ? IOD_PERM_EXEC : 0) |
			(hints >> 3 ? IOD_PERM_PRIV : 0);
}

static void to_stall(struct iod_page_request *request, const struct iod_smmuv3_event *event)
{
	request->flags |= IOD_REQ_IOVA_VALID | IOD_REQ_LAST | (event->s2 ? IOD_REQ_IPA_VALID : 0);
	request->grpid = event->stag;
	request->perm = perm_of(event);
	request->stage = event->s2 ? 2 : 1;
	request->cls = class_of(event);
	request->model = IOD_REQUEST_STALL;
	request->iova = event->addr;
	request->ipa = event->s2 ? event->ipa : 0;
}

static void to_unrecov(struct iod_unrecov_fault *fault, const struct iod_smmuv3_event *event,
		       const struct fault_row *row)
{
	uint32_t has = iod_smmuv3_event_valid(event->type);

	memset(fault, 0, sizeof(*fault));
	fault->source = event->sid;
	fault->reason = row->reason;
	fault->vendor_code = (uint32_t)event->type;
	fault->cls = row->cls;
	if (event->ssv || event->type == IOD_SMMUV3_C_BAD_SUBSTREAMID) {
		fault->flags |= IOD_REQ_PASID_VALID;
		fault->pasid = event->ssid;
	}
	if (has & EVENT_HAS_ADDR) {
		fault->flags |= IOD_REQ_IOVA_VALID;
		fault->iova = event->addr;
	}
	if ((has & EVENT_HAS_IPA) && event->s2) {
		fault->flags |= IOD_REQ_IPA_VALID;
		fault->ipa = event->ipa;
	}
	if (has & EVENT_HAS_FETCH) {
		fault->flags |= IOD_REQ_FETCH_VALID;
		fault->fetch_pa = event->fetch;
	}
	if (has & EVENT_HAS_RNW)
		fault->perm = perm_of(event);
	if (has & EVENT_HAS_STAGE) {
		fault->stage = event->s2 ? 2 : 1;
		fault->cls = class_of(event);
	}
}

int iod_smmuv3_event_to_fault(const struct iod_smmuv3_event *event,
			      struct iod_page_request *request, struct iod_unrecov_fault *fault)
{
	const struct fault_row *row;
	bool hint, stall;

	if (!event || !request || !fault)
		return -EINVAL;
	hint = event->type == IOD_SMMUV3_E_PAGE_REQUEST;
	stall = event->stall && (iod_smmuv3_event_valid(event->type) & EVENT_HAS_STALL);
	if (!hint && !stall) {
		row = row_of_type(event->type);
		if (!row || event->stall)
			return -EINVAL;
		to_unrecov(fault, event, row);
		return IOD_SMMUV3_EVENT_FAULT;
	}
	memset(request, 0, sizeof(*request));
	request->source = event->sid;
	if (event->ssv) {
		request->flags = IOD_REQ_PASID_VALID;
		request->pasid = event->ssid;
	}
	if (hint)
		to_hint(request, event);
	else
		to_stall(request, event);
	return hint ? IOD_SMMUV3_EVENT_HINT : IOD_SMMUV3_EVENT_REQUEST;
}

/* StreamID and SubstreamID. @return 0, -EINVAL what does not fit */
static int set_source(struct iod_smmuv3_event *event, uint64_t source, uint32_t flags,
		      uint32_t pasid)
{
	if (source >> 32)
		return -EINVAL;
	event->sid = (uint32_t)source;
	if (!(flags & IOD_REQ_PASID_VALID))
		return 0;
	if (pasid >> SSID_BITS)
		return -EINVAL;
	event->ssv = true;
	event->ssid = pasid;
	return 0;
}

/* Stage 2 says the page that it refused. @return 0, -EINVAL */
static int set_ipa(struct iod_smmuv3_event *event, uint32_t stage, uint32_t flags, uint64_t ipa)
{
	if (stage != 2)
		return 0;
	event->s2 = true;
	if (!(flags & IOD_REQ_IPA_VALID))
		return -EINVAL;
	event->ipa = align_down(ipa, 12);
	return ipa >> 56 ? -EINVAL : 0;
}

int iod_smmuv3_event_from_request(struct iod_smmuv3_event *out,
				  const struct iod_page_request *request)
{
	struct iod_smmuv3_event event = { .type = IOD_SMMUV3_F_TRANSLATION };

	if (!out || !request || request->model != IOD_REQUEST_STALL ||
	    !(request->flags & IOD_REQ_IOVA_VALID) || request->grpid >> STAG_BITS)
		return -EINVAL;
	if (request->stage != 1 && request->stage != 2)
		return -EINVAL;
	if (set_source(&event, request->source, request->flags, request->pasid) ||
	    set_ipa(&event, request->stage, request->flags, request->ipa))
		return -EINVAL;
	event.stall = true;
	event.stag = (uint16_t)request->grpid;
	event.addr = request->iova;
	event.cls = event_class(request->cls);
	set_access(&event, request->perm);
	*out = event;
	return 0;
}

/* What the type has, from the fault. @return 0, -EINVAL the fault does not say it */
static int from_unrecov(struct iod_smmuv3_event *event, const struct iod_unrecov_fault *fault)
{
	uint32_t has = iod_smmuv3_event_valid(event->type);

	if (set_source(event, fault->source, fault->flags, fault->pasid))
		return -EINVAL;
	if (event->type == IOD_SMMUV3_C_BAD_SUBSTREAMID) {
		if (!event->ssv)
			return -EINVAL;
		event->ssv = false;
	}
	if (has & EVENT_HAS_ADDR) {
		if (!(fault->flags & IOD_REQ_IOVA_VALID))
			return -EINVAL;
		event->addr = fault->iova;
	}
	if ((has & EVENT_HAS_FETCH) && (fault->flags & IOD_REQ_FETCH_VALID))
		event->fetch = fault->fetch_pa & MASK64(55, 3);
	if (has & EVENT_HAS_RNW)
		set_access(event, fault->perm);
	if (!(has & EVENT_HAS_ACCESS)) {
		event->pnu = false;
		event->ind = false;
	}
	if (!(has & EVENT_HAS_STAGE))
		return 0;
	event->cls = event_class(fault->cls);
	if (has & EVENT_HAS_IPA)
		return set_ipa(event, fault->stage, fault->flags, fault->ipa);
	event->s2 = fault->stage == 2;
	return 0;
}

int iod_smmuv3_event_from_fault(struct iod_smmuv3_event *out, const struct iod_unrecov_fault *fault)
{
	struct iod_smmuv3_event event = { 0 };
	const struct fault_row *row;

	if (!out || !fault)
		return -EINVAL;
	row = row_of_fault(fault);
	if (!row)
		return -EOPNOTSUPP;
	event.type = row->type;
	if (from_unrecov(&event, fault))
		return -EINVAL;
	*out = event;
	return 0;
}

/* ---- page requests of devices ---- */

/*
 * Whether a response carries the PASID is the device's to say (PRG Response PASID Required); it is asked for
 * wherever there is one, and whoever knows the device may clear the flag.
 */
int iod_smmuv3_pri_to_request(struct iod_page_request *request, const struct iod_smmuv3_pri *pri)
{
	if (!request || !pri || iod_smmuv3_pri_is_stop(pri))
		return -EINVAL;
	memset(request, 0, sizeof(*request));
	request->source = pri->sid;
	request->flags = IOD_REQ_IOVA_VALID | (pri->last ? IOD_REQ_LAST : 0);
	if (pri->ssv) {
		request->flags |= IOD_REQ_PASID_VALID | IOD_REQ_NEEDS_PASID;
		request->pasid = pri->ssid;
	}
	request->grpid = pri->prgi;
	request->perm = (pri->read ? IOD_PERM_READ : 0) | (pri->write ? IOD_PERM_WRITE : 0) |
			(pri->exec ? IOD_PERM_EXEC : 0) | (pri->priv ? IOD_PERM_PRIV : 0);
	request->stage = 1;
	request->model = IOD_REQUEST_PRI;
	request->iova = pri->addr;
	return 0;
}

int iod_smmuv3_pri_from_request(struct iod_smmuv3_pri *out, const struct iod_page_request *request)
{
	struct iod_smmuv3_pri pri = { 0 };

	if (!out || !request || request->model != IOD_REQUEST_PRI || request->source >> 32 ||
	    request->grpid >> PRGI_BITS || !is_aligned(request->iova, 12))
		return -EINVAL;
	pri.sid = (uint32_t)request->source;
	pri.ssv = request->flags & IOD_REQ_PASID_VALID;
	pri.last = request->flags & IOD_REQ_LAST;
	pri.read = request->perm & IOD_PERM_READ;
	pri.write = request->perm & IOD_PERM_WRITE;
	pri.exec = request->perm & IOD_PERM_EXEC;
	pri.priv = request->perm & IOD_PERM_PRIV;
	pri.prgi = (uint16_t)request->grpid;
	pri.addr = request->iova;
	if (pri.ssv) {
		if (request->pasid >> SSID_BITS)
			return -EINVAL;
		pri.ssid = request->pasid;
	} else if (pri.exec || pri.priv) {
		return -EINVAL;
	}
	if (iod_smmuv3_pri_is_stop(&pri)) /* it would say something else */
		return -EINVAL;
	*out = pri;
	return 0;
}

/* ---- answers ---- */

static int to_pri_resp(struct iod_smmuv3_cmd *cmd, const struct iod_page_response *response)
{
	static const uint8_t codes[] = {
		[IOD_RESP_SUCCESS] = IOD_SMMUV3_PRI_SUCCESS,
		[IOD_RESP_INVALID] = IOD_SMMUV3_PRI_INVALID,
		[IOD_RESP_FAILURE] = IOD_SMMUV3_PRI_FAILURE,
	};

	if (response->grpid >> PRGI_BITS)
		return -EINVAL;
	cmd->op = IOD_SMMUV3_PRI_RESP;
	cmd->prgi = (uint16_t)response->grpid;
	cmd->resp = codes[response->code];
	if (!(response->flags & IOD_REQ_PASID_VALID))
		return 0;
	cmd->ssv = true;
	cmd->ssid = response->pasid;
	return response->pasid >> SSID_BITS ? -EINVAL : 0;
}

static int to_resume(struct iod_smmuv3_cmd *cmd, const struct iod_page_response *response)
{
	if (response->grpid >> STAG_BITS)
		return -EINVAL;
	cmd->op = IOD_SMMUV3_RESUME;
	cmd->stag = (uint16_t)response->grpid;
	cmd->retry = response->code == IOD_RESP_SUCCESS;
	cmd->abort = !cmd->retry;
	return 0;
}

int iod_smmuv3_response_to_cmd(struct iod_smmuv3_cmd *out, const struct iod_page_response *response)
{
	struct iod_smmuv3_cmd cmd = { .op = IOD_SMMUV3_RESUME };
	int ret;

	if (!out || !response || response->source >> 32 ||
	    (uint32_t)response->code > IOD_RESP_FAILURE)
		return -EINVAL;
	cmd.sid = (uint32_t)response->source;
	switch (response->model) {
	case IOD_REQUEST_STALL:
		ret = to_resume(&cmd, response);
		break;
	case IOD_REQUEST_PRI:
		ret = to_pri_resp(&cmd, response);
		break;
	default:
		ret = -EINVAL;
	}
	if (!ret)
		*out = cmd;
	return ret;
}

int iod_smmuv3_response_from_cmd(struct iod_page_response *out, const struct iod_smmuv3_cmd *cmd)
{
	static const enum iod_response_code codes[] = {
		[IOD_SMMUV3_PRI_FAILURE] = IOD_RESP_FAILURE,
		[IOD_SMMUV3_PRI_INVALID] = IOD_RESP_INVALID,
		[IOD_SMMUV3_PRI_SUCCESS] = IOD_RESP_SUCCESS,
	};
	struct iod_page_response response = { 0 };

	if (!out || !cmd)
		return -EINVAL;
	response.source = cmd->sid;
	switch (cmd->op) {
	case IOD_SMMUV3_RESUME:
		response.model = IOD_REQUEST_STALL;
		response.grpid = cmd->stag;
		response.code = cmd->retry ? IOD_RESP_SUCCESS : IOD_RESP_INVALID;
		break;
	case IOD_SMMUV3_PRI_RESP:
		if (cmd->resp > IOD_SMMUV3_PRI_SUCCESS)
			return -EINVAL;
		response.model = IOD_REQUEST_PRI;
		response.grpid = cmd->prgi;
		response.code = codes[cmd->resp];
		if (cmd->ssv) {
			response.flags = IOD_REQ_PASID_VALID;
			response.pasid = cmd->ssid;
		}
		break;
	default:
		return -EINVAL;
	}
	*out = response;
	return 0;
}
