/* SPDX-License-Identifier: MIT */
/* A guest's device table entry becomes the host's: its guest tables over the host's table, its DomainID a host's. */
#include "amdvi/viommu.h"

#include <errno.h>
#include <string.h>

static int vdte_refuse(const char **why, const char *what, int ret)
{
	if (why)
		*why = what;
	return ret;
}

/* What is not the guest's to say, with V and TV. */
static const char *not_the_guests(const struct iod_amdvi_viommu *v, const struct iod_amdvi_dte *d)
{
	const uint64_t *unknown = d->unknown.word;

	if (unknown[0] | unknown[1] | unknown[2] | unknown[3])
		return "reserved bits";
	if (d->mode || d->root || d->had)
		return "Mode, root, HAD: a host table, which is the host's";
	if (d->ioctl || d->cache || d->sd || d->ex || d->sysmgt || d->sats)
		return "IoCtl, Cache, SD, EX, SysMgt, SATS: the host's";
	if (d->gdeviceid || d->guestid || d->attrv || d->mode0fc || d->snoopattr)
		return "GDeviceID, GuestID, attributes: the host's";
	if ((d->ppr || d->gprp) && !(v->cfg.flags & IOD_AMDVI_VIOMMU_ALLOW_PPR))
		return "PPR, GPRP: not enabled for this guest";
	return NULL;
}

static const char *check(const struct iod_amdvi_viommu *v, const struct iod_amdvi_dte *d)
{
	const char *what = not_the_guests(v, d);

	if (what)
		return what;
	if (iod_amdvi_dte_check(d, &v->cfg.guest, 0, &what))
		return what ? what : "illegal";
	return NULL;
}

/* What is the kernel's to take: the guest's tables, nothing else. */
static int say_hwpt(struct iod_iommufd_hwpt_amd *hwpt, const struct iod_amdvi_dte *d)
{
	struct iod_amdvi_dte only = { .v = d->v,
				      .tv = d->tv,
				      .gv = d->gv,
				      .glx = d->glx,
				      .gcr3 = d->gcr3,
				      .giov = d->giov,
				      .guestpagingmode = d->guestpagingmode,
				      .ppr = d->ppr,
				      .gprp = d->gprp,
				      .ir = d->ir,
				      .iw = d->iw,
				      .domain = d->domain };
	struct iod_amdvi_raw_dte raw;
	int ret = iod_amdvi_dte_encode(&raw, &only);

	if (!ret)
		memcpy(hwpt->dte, raw.word, sizeof(hwpt->dte));
	return ret;
}

static int with_guest(struct iod_amdvi_viommu *v, struct iod_amdvi_dte *out,
		      const struct iod_amdvi_dte *d, const char **why)
{
	uint16_t domain;
	int ret;

	out->ir = out->ir && d->ir;
	out->iw = out->iw && d->iw;
	if (!d->tv) {
		out->ir = out->iw = false;
		return 0;
	}
	if (!d->gv)
		return 0;
	ret = iod_amdvi_viommu_map_domain(v, d->domain, &domain);
	if (ret)
		return vdte_refuse(why, "DomainID: none is left", ret);
	ret = iod_amdvi_dte_set_nested(out, d, domain);
	return ret ? vdte_refuse(why, "the guest's tables cannot be nested", ret) : 0;
}

int iod_amdvi_viommu_vdte(struct iod_amdvi_viommu *v, uint16_t vdevid,
			  const struct iod_amdvi_raw_dte *guest,
			  const struct iod_amdvi_raw_dte *host, struct iod_amdvi_raw_dte *raw,
			  struct iod_iommufd_hwpt_amd *hwpt, const char **why)
{
	struct iod_amdvi_vdev dev = { .size = sizeof(dev) };
	struct iod_amdvi_dte d, out;
	const char *what;
	int ret;

	if (why)
		*why = NULL;
	if (!v || !guest || !host || !raw)
		return -EINVAL;
	ret = iod_amdvi_viommu_lookup(v, vdevid, &dev);
	if (ret)
		return vdte_refuse(why, "no such device", ret);
	ret = iod_amdvi_dte_decode(&d, guest);
	if (!ret)
		ret = iod_amdvi_dte_decode(&out, host);
	if (ret)
		return ret;
	if (!out.v || !out.tv || !out.mode || out.gv)
		return vdte_refuse(why, "host: not an entry with a host table alone", -EINVAL);
	if (d.v) {
		what = check(v, &d);
		if (what)
			return vdte_refuse(why, what, -EINVAL);
		ret = with_guest(v, &out, &d, why);
		if (ret)
			return ret;
		out.se = d.se;
		out.sa = d.sa;
	} else {
		memset(&d, 0, sizeof(d)); /* untranslated: by the host's table alone */
	}
	out.i = out.i && d.i && dev.state == IOD_VDEV_ON;
	ret = iod_amdvi_dte_encode(raw, &out);
	if (!ret && hwpt)
		ret = say_hwpt(hwpt, &d);
	return ret;
}
