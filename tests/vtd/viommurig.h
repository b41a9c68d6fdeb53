/* SPDX-License-Identifier: MIT */
/*
 * A guest's VT-d under test: descriptors as words, written by hand from the specification, and a host that records what
 * reaches it and can be made to fail.
 */
#ifndef VTD_VIOMMURIG_H
#define VTD_VIOMMURIG_H

#include "iodtest.h"

#define DID(vdid) (0x100u + (vdid))
#define SID(vsid) (0x8000u + (vsid))
#define LOG	  20000u
#define K4	  UINT64_C(0x1000)

struct words {
	uint64_t w[2];
};

struct rig {
	struct iod_vtd_viommu *v;
	struct words host[LOG];
	size_t nr, at_sync, fail_at;
	unsigned int syncs, drains, waits, configs, strangers;
	int fail, fail_sync, config_answer;
	struct iod_vtd_desc last;
};

/* ---- words ---- */

struct words vg_p_iotlb(unsigned int did, uint64_t pasid, uint64_t addr, unsigned int am,
			unsigned int ih);
struct words vg_p_all(unsigned int did, uint64_t pasid);
struct words vg_iotlb_domain(unsigned int did);
struct words vg_iotlb_page(unsigned int did, uint64_t addr);
struct words vg_dev_tlb(uint64_t sid, uint64_t addr, unsigned int mip, uint64_t pfsid);
struct words vg_p_dev_tlb(uint64_t sid, uint64_t pasid, uint64_t addr, unsigned int mip,
			  uint64_t pfsid);
struct words vg_response(uint64_t rid, uint64_t pasid, unsigned int rc, uint64_t prgi);

static const struct words iotlb_global = { { 0x12, 0 } };
static const struct words wait_status = { { 0x25 | UINT64_C(0x1234) << 32, 0x5000 } };

/* ---- the host, the VMM ---- */

int vg_issue(void *cookie, const struct iod_vtd_raw_desc *descs, size_t nr, bool sync,
	     size_t *issued);
struct iod_vtd_viommu_cfg vg_rig_cfg(struct rig *r, const struct iod_vtd_sink *sink,
				     uint32_t flags);
void vg_rig_start(struct rig *r, const struct iod_vtd_viommu_cfg *cfg);
struct rig *vg_rig_open(uint32_t flags);
void vg_rig_close(struct rig *r);
int vg_run(struct rig *r, const struct words *w, size_t nr, struct iod_guest_result *res);
void vg_expect(struct rig *r, const struct words *want, size_t nr);
void vg_becomes(struct rig *r, const struct words *guest, size_t nr, const struct words *want,
		size_t nr_want);
void vg_refused(struct rig *r, struct words bad, int error, enum iod_cmd_reason reason,
		uint32_t sid);
int vg_stranger(void *cookie, const struct iod_vtd_desc *desc);

#endif
