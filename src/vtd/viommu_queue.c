/* SPDX-License-Identifier: MIT */
/* A guest's own queues: its descriptors on their way to the host, the host's faults and page requests on theirs to it. */
#include "vtd/viommu.h"

#include <errno.h>
#include <string.h>

#include "pgtable/mem.h"

struct turn {
	struct iod_vtd_viommu *v;
	enum iod_cmd_reason reason;
	bool open; /* descriptors without a wait behind them */
};

/* -EIO would be an answer that was wrong (ICE): nobody said so. */
static int turn_error(int ret)
{
	return ret == -ETIMEDOUT || ret == -EAGAIN ? ret : -EFAULT;
}

/* Consumed is not complete: a wait follows, for all. */
static int turn_commands(void *cookie, const struct iod_vtd_raw_desc *descs, size_t nr,
			 size_t *handled)
{
	struct turn *turn = cookie;
	struct iod_guest_result res;
	struct vtd_batch b;
	int ret;

	iod_vtd_batch_begin(&b, turn->v, turn->v->cfg.flags | GUEST_NO_SYNC);
	ret = iod_guest_end(&b.g, iod_vtd_feed(&b, descs, nr), &res);
	*handled = res.handled;
	turn->reason = res.reason;
	turn->open = true;
	if (ret && res.reason == IOD_CMD_BAD_ISSUE)
		return turn_error(ret);
	return iod_guest_consumer_error(ret, false);
}

static int turn_wait(void *cookie, const struct iod_vtd_desc *wait)
{
	struct turn *turn = cookie;
	struct iod_vtd_viommu *v = turn->v;
	int ret = wait->drain ? v->cfg.drain(v->cfg.cookie) : 0;

	if (!ret) {
		ret = iod_guest_queue_sync(&v->core);
		turn->open = false;
	}
	if (!ret)
		return 0;
	turn->reason = IOD_CMD_BAD_ISSUE;
	return turn_error(ret);
}

static void turn_waited(void *cookie, const struct iod_vtd_desc *wait)
{
	struct turn *turn = cookie;
	const struct iod_vtd_viommu_cfg *cfg = &turn->v->cfg;

	if (cfg->waited)
		cfg->waited(cfg->cookie, wait);
}

int iod_vtd_viommu_consume(struct iod_vtd_viommu *v, struct iod_vtd_consume *consume)
{
	static const struct iod_vtd_consumer_ops ops = {
		.size = sizeof(ops),
		.commands = turn_commands,
		.sync = turn_wait,
		.written = turn_waited,
	};
	struct turn turn = { .v = v };
	struct iod_vtd_consume c;
	int ret;

	if (!v)
		return -EINVAL;
	ret = iod_struct_in(&c, sizeof(c), consume, sizeof(c));
	if (ret)
		return ret;
	c.id = &v->cfg.guest;
	c.ops = &ops;
	c.cookie = &turn;
	ret = iod_vtd_iq_consume(&c);
	if (turn.open)
		iod_guest_queue_pause(&v->core);
	consume->consumed = c.consumed;
	consume->error = c.error;
	consume->iqei = c.iqei;
	consume->reason = c.reason ? c.reason : turn.reason;
	return ret;
}

/* ---- to the guest ---- */

/* What the guest's own tables and structures cause; the rest is between us and the host. */
static bool concerns_guest(enum iod_vtd_fault_reason reason)
{
	switch ((unsigned int)reason) {
	case 0x51: /* PASID directory entry, PASID entry: not present, invalid, SRE */
	case 0x59:
	case 0x5b:
	case 0x5d:
	case 0x70: /* first stage */
	case 0x71:
	case 0x72:
	case 0x73:
	case 0x74:
	case 0x80:
	case 0x81:
	case 0x82:
	case 0x85:
	case 0x86:
	case 0x89:
	case 0x90:
	case 0x91:
		return true;
	default:
		return false;
	}
}

static int guest_names(struct iod_vtd_viommu *v, uint16_t *sid, bool pasid_valid, uint32_t *pasid)
{
	struct iod_vtd_vdev dev = { .size = sizeof(dev) };
	int ret = iod_vtd_viommu_lookup_sid(v, *sid, &dev);

	if (!ret && pasid_valid)
		ret = iod_vtd_viommu_find_vpasid(v, *pasid, pasid);
	if (!ret)
		*sid = dev.vsid;
	return ret;
}

int iod_vtd_viommu_fault(struct iod_vtd_viommu *v, const struct iod_vtd_raw_fault *host,
			 struct iod_vtd_raw_fault *guest)
{
	struct iod_vtd_fault fault;
	int ret;

	if (!v || !host || !guest)
		return -EINVAL;
	ret = iod_vtd_fault_decode(&fault, host, NULL);
	if (ret)
		return ret;
	if (!concerns_guest(fault.reason))
		return -EOPNOTSUPP;
	ret = guest_names(v, &fault.sid, fault.pasid_valid, &fault.pasid);
	return ret ? ret : iod_vtd_fault_encode(guest, &fault);
}

int iod_vtd_viommu_page_req(struct iod_vtd_viommu *v, const struct iod_vtd_raw_page_req *host,
			    struct iod_vtd_raw_page_req *guest)
{
	struct iod_vtd_page_req req;
	int ret;

	if (!v || !host || !guest)
		return -EINVAL;
	if (!(v->cfg.flags & IOD_VTD_VIOMMU_ALLOW_PRI))
		return -EOPNOTSUPP;
	ret = iod_vtd_page_req_decode(&req, host, NULL);
	if (!ret)
		ret = guest_names(v, &req.sid, req.pasid_valid, &req.pasid);
	return ret ? ret : iod_vtd_page_req_encode(guest, &req);
}

/* ---- PASID entries ---- */

static int vpasid_refuse(const char **why, const char *what, int ret)
{
	if (why)
		*why = what;
	return ret;
}

static const char *vpasid_check(const struct iod_vtd_pasid *p, const struct iod_vtd_id *id)
{
	const uint64_t *unknown = p->unknown.word;

	for (unsigned int i = 0; i < 8; i++)
		if (unknown[i])
			return "reserved bits";
	if (p->ssptptr || p->ssade)
		return "SSPTPTR, SSADE: there is no second stage";
	if (p->cd || p->emte || p->emt || p->pwt || p->pcd || p->ere || p->nxe || p->smep)
		return "CD, EMTE, EMT, PWT, PCD, ERE, NXE, SMEP: the host's";
	if (p->hptsz || p->hptpfd || p->hptptr || p->hptdid)
		return "HPT: not shown";
	if (p->fspm > 1 || (p->fspm && !(id->cap & IOD_VTD_CAP_FS5LP)))
		return "FSPM: levels that are not there";
	if (p->sre && !(id->ecap & IOD_VTD_ECAP_SRS))
		return "SRE: no supervisor requests";
	if (p->wpe && !p->sre)
		return "WPE: without SRE";
	if (p->eafe && !(id->ecap & IOD_VTD_ECAP_EAFS))
		return "EAFE: not shown";
	return NULL;
}

int iod_vtd_viommu_vpasid(struct iod_vtd_viommu *v, const struct iod_vtd_raw_pasid *guest,
			  struct iod_iommufd_hwpt_vtd_s1 *hwpt, uint16_t *did, const char **why)
{
	struct iod_vtd_pasid p;
	const char *what;
	uint16_t host;
	int ret;

	if (why)
		*why = NULL;
	if (!v || !guest || !hwpt)
		return -EINVAL;
	ret = iod_vtd_pasid_decode(&p, guest);
	if (ret)
		return ret;
	if (!p.present)
		return vpasid_refuse(why, "P: not present", -ENOENT);
	if (p.pgtt != IOD_VTD_PGTT_FIRST)
		return vpasid_refuse(why, "PGTT: not first-stage", -EOPNOTSUPP);
	what = vpasid_check(&p, &v->cfg.guest);
	if (what)
		return vpasid_refuse(why, what, -EINVAL);
	ret = iod_vtd_viommu_find_domain(v, p.did, &host);
	if (ret)
		return vpasid_refuse(why, "DID: not known", ret);
	memset(hwpt, 0, sizeof(*hwpt));
	hwpt->flags = (p.sre ? IOD_IOMMUFD_VTD_S1_SRE : 0) |
		      (p.eafe ? IOD_IOMMUFD_VTD_S1_EAFE : 0) | (p.wpe ? IOD_IOMMUFD_VTD_S1_WPE : 0);
	hwpt->pgtbl_addr = p.fsptptr;
	hwpt->addr_width = p.fspm ? 57 : 48;
	if (did)
		*did = host;
	return 0;
}
