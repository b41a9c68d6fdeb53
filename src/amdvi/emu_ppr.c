/* SPDX-License-Identifier: MIT */
/*
 * The emulated AMD IOMMU: page requests of devices, and the answers they get when nobody is there (AMD 48882, 2.6).
 *
 * A device that may not ask is refused, and the guest told so. What comes while the log does not run is lost to the
 * guest: after an overflow the device is told that all is well, and asks again; where nobody logs it is told to
 * stop. Which answer such requests get is UNCONFIRMED; that they get one is for the device, which waits.
 */
#include <errno.h>

#include "amdvi/emu.h"

#define EMU_PPR_ON (IOD_AMDVI_CONTROL_IOMMUEN | IOD_AMDVI_CONTROL_PPREN)

/* Whether the device may ask. The lock is held. */
static bool emu_may_ask(struct iod_amdvi_emu *emu, const struct iod_amdvi_ppr *ppr)
{
	enum iod_amdvi_event_type type;
	struct emu_dte *dte;
	uint64_t fetch;

	if (iod_amd_emu_dte(emu, ppr->devid, &dte, &type, &fetch) || dte->bad)
		return false;
	if (!dte->dte.v || !dte->dte.ppr)
		return false;
	return !ppr->gn || (dte->dte.gv && emu_enabled(emu, IOD_AMDVI_CONTROL_GTEN));
}

static void emu_log_invalid(struct iod_amdvi_emu *emu, const struct iod_amdvi_ppr *ppr,
			    uint32_t *irqs)
{
	const struct iod_amdvi_event event = {
		.type = IOD_AMDVI_INVALID_PPR_REQUEST,
		.devid = ppr->devid,
		.pasid = ppr->gn ? ppr->pasid : 0,
		.gn = ppr->gn,
		.tag = ppr->tag,
		.addr = ppr->addr,
	};

	iod_amd_emu_log(emu, &event, irqs);
}

/* The lock is held. @return 0 logged; -ENOSPC and how the last of a group is answered */
static int emu_ppr_put(struct iod_amdvi_emu *emu, const struct iod_amdvi_ppr *ppr,
		       const struct iod_amdvi_raw_ppr *raw, enum iod_response_code *code,
		       uint32_t *irqs)
{
	*code = IOD_RESP_FAILURE;
	if (!emu_enabled(emu, EMU_PPR_ON))
		return -ENOSPC;
	if (!emu_may_ask(emu, ppr)) {
		*code = IOD_RESP_INVALID;
		emu_log_invalid(emu, ppr, irqs);
		return -ENOSPC;
	}
	if (iod_amd_emu_put(emu, IOD_AMDVI_PPRLOG, raw, irqs)) {
		emu->stats.requests++;
		return 0;
	}
	if (emu_load(&emu->regs.status) & IOD_AMDVI_STATUS_PPROVERFLOW)
		*code = IOD_RESP_SUCCESS;
	return -ENOSPC;
}

int iod_amdvi_emu_page_request(struct iod_amdvi_emu *emu, const struct iod_amdvi_ppr *request)
{
	struct iod_page_response answer = { .model = IOD_REQUEST_PRI };
	struct iod_amdvi_raw_ppr raw;
	uint32_t irqs = 0;
	bool respond;
	int ret;

	if (!emu || !request || !(emu->id.efr & IOD_AMDVI_EFR_PPRSUP) ||
	    request->type != IOD_AMDVI_PPR_PAGE)
		return -EINVAL;
	ret = iod_amdvi_ppr_encode(&raw, request);
	if (ret)
		return ret;
	answer.source = request->devid;
	answer.flags = request->gn ? IOD_REQ_PASID_VALID : 0;
	answer.pasid = request->pasid;
	answer.grpid = request->tag;
	pthread_mutex_lock(&emu->lock);
	ret = emu_ppr_put(emu, request, &raw, &answer.code, &irqs);
	respond = ret && request->last && !iod_amdvi_ppr_is_stop(request);
	emu->stats.automatic += respond;
	pthread_mutex_unlock(&emu->lock);
	iod_amd_emu_interrupt(emu, irqs);
	if (respond && emu->ops.pri_response)
		emu->ops.pri_response(emu->cookie, &answer, true);
	return ret;
}
