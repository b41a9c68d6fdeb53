/* SPDX-License-Identifier: MIT */
/* What a context entry allows: for lookups, and for emulators that keep context entries. */
#ifndef IOD_VTD_LOOKUP_H
#define IOD_VTD_LOOKUP_H

#include <iodirty/vtd_entry.h>

/* What a request is, as far as context entries care. */
struct vtd_request {
	int64_t pasid;	   /* -1: without one */
	uint8_t at;	   /* enum iod_vtd_at */
	bool page_request; /* a page request */
};

/*
 * Whether the context entry that a lookup found (scalable; context or sm_context) allows the request.
 * @param why receives a constant string, or NULL; may be NULL
 */
enum iod_vtd_fault_reason iod_vtd_check_request(const struct iod_vtd_lookup *found,
						const struct vtd_request *req, const char **why);

#endif
