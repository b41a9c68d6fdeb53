/* SPDX-License-Identifier: MIT */
/*
 * A guest's stream table entries: what of them may reach the host's, and the host's entry that comes
 * of it. S1ContextPtr is an address of the guest: stage 2 translates it, so it may be anything.
 */
#include <iodirty/smmuv3_ste.h>

#include <errno.h>
#include <string.h>

#include "smmuv3/viommu.h"

static int refuse(const char **why, const char *text)
{
	if (why)
		*why = text;
	return -EINVAL;
}

/* What is the guest's of an entry, and nothing else. */
static struct iod_smmuv3_ste guest_part(const struct iod_smmuv3_ste *ste)
{
	struct iod_smmuv3_ste part;

	memset(&part, 0, sizeof(part));
	part.valid = ste->valid;
	part.config = ste->config;
	part.s1fmt = ste->s1fmt;
	part.s1cdmax = ste->s1cdmax;
	part.s1contextptr = ste->s1contextptr;
	part.s1dss = ste->s1dss;
	part.s1cir = ste->s1cir;
	part.s1cor = ste->s1cor;
	part.s1csh = ste->s1csh;
	part.s1stalld = ste->s1stalld;
	part.eats = ste->eats;
	return part;
}

static int read_vste(struct iod_smmuv3_ste *ste, const uint64_t words[2])
{
	struct iod_smmuv3_raw_ste raw;

	memset(&raw, 0, sizeof(raw));
	raw.word[0] = words[0];
	raw.word[1] = words[1];
	return iod_smmuv3_ste_decode(ste, &raw);
}

static int write_vste(struct iod_iommufd_hwpt_smmuv3 *vste, const struct iod_smmuv3_ste *ste)
{
	struct iod_smmuv3_raw_ste raw;
	int ret = iod_smmuv3_ste_encode(&raw, ste);

	if (ret)
		return ret;
	vste->ste[0] = raw.word[0];
	vste->ste[1] = raw.word[1];
	return 0;
}

/* Config 0 to 3 are one thing: abort. */
static bool aborts(const struct iod_smmuv3_ste *ste)
{
	return !ste->valid || ste->config < IOD_SMMUV3_BYPASS;
}

/* @ste is valid. */
static int check(const struct iod_smmuv3_viommu *v, const struct iod_smmuv3_ste *ste,
		 const char **why)
{
	const char *rule = NULL;

	if (!aborts(ste) && ste->config != IOD_SMMUV3_BYPASS && ste->config != IOD_SMMUV3_S1)
		return refuse(why, "Config: stage 2 is the host's");
	if (ste->eats > 1)
		return refuse(why, "EATS: stage 2 is the host's");
	if (ste->eats && !(v->cfg.guest.idr[0] & IOD_SMMUV3_IDR0_ATS))
		return refuse(why, "EATS: there is no ATS");
	if (iod_smmuv3_ste_check(ste, &v->cfg.guest, IOD_SMMUV3_CHECK_UNKNOWN, &rule))
		return refuse(why, rule ? rule : "illegal");
	return 0;
}

/*
 * The guest's CDs are read by the host's SMMU, which may obey CD.S though the guest was not shown that:
 * what stalls would wait for ever, and there are not many who can. S1STALLD makes such a CD illegal
 * for the host as it is for the guest. (Other stall models have no S1STALLD: it is illegal there.)
 */
static bool must_not_stall(const struct iod_smmuv3_viommu *v)
{
	return !(v->cfg.flags & IOD_SMMUV3_VIOMMU_ALLOW_RESUME) &&
	       !(v->cfg.host.idr[0] & IOD_SMMUV3_IDR0_STALL_MODEL);
}

/*
 * What the host's SMMU is to do other than the guest says. A device that is given no ATC_INV is to have nothing
 * in its cache.
 */
static int restrict_vste(struct iod_smmuv3_viommu *v, uint32_t vsid, struct iod_smmuv3_ste *part)
{
	struct iod_smmuv3_vdev dev = { .size = sizeof(dev) };
	int ret = iod_smmuv3_viommu_lookup(v, vsid, &dev);

	if (ret)
		return ret;
	if (dev.state != IOD_VDEV_ON)
		part->eats = 0;
	if (aborts(part))
		part->config = IOD_SMMUV3_ABORT;
	else if (part->config == IOD_SMMUV3_S1 && must_not_stall(v))
		part->s1stalld = true;
	return 0;
}

int iod_smmuv3_viommu_vste(struct iod_smmuv3_viommu *v, uint32_t vsid, const uint64_t guest[2],
			   struct iod_iommufd_hwpt_smmuv3 *vste, const char **why)
{
	struct iod_iommufd_hwpt_smmuv3 out;
	struct iod_smmuv3_ste ste, part;
	uint64_t words[2];
	int ret;

	if (why)
		*why = NULL;
	if (!v || !guest || !vste)
		return -EINVAL;
	words[0] = *(const volatile uint64_t *)&guest[0];
	words[1] = *(const volatile uint64_t *)&guest[1];
	ret = read_vste(&ste, words);
	if (ret)
		return ret;
	memset(&out, 0, sizeof(out));
	if (ste.valid) {
		part = guest_part(&ste);
		ret = write_vste(&out, &part);
		if (!ret && (out.ste[0] != words[0] || out.ste[1] != words[1]))
			ret = refuse(why, "a field that is the host's");
		if (!ret)
			ret = check(v, &part, why);
		if (!ret)
			ret = restrict_vste(v, vsid, &part);
		if (!ret)
			ret = write_vste(&out, &part);
		if (ret)
			return ret;
	}
	ret = iod_vdevs_change(viommu_vdevs(v), vsid, VDEV_LINEAR, 0, false);
	if (!ret)
		*vste = out;
	return ret;
}

/* Without a level 1: nothing that Leaf could leave behind. S1Fmt 3 behaves as 0. */
static bool is_linear(const struct iod_smmuv3_ste *ste)
{
	return ste->valid && ste->config == IOD_SMMUV3_S1 &&
	       (!ste->s1cdmax || ste->s1fmt == 0 || ste->s1fmt == 3);
}

int iod_smmuv3_viommu_vste_installed(struct iod_smmuv3_viommu *v, uint32_t vsid,
				     const struct iod_iommufd_hwpt_smmuv3 *vste)
{
	struct iod_smmuv3_ste ste;
	int ret;

	if (!v || !vste)
		return -EINVAL;
	ret = read_vste(&ste, vste->ste);
	if (ret)
		return ret;
	return iod_vdevs_change(viommu_vdevs(v), vsid, VDEV_LINEAR,
				is_linear(&ste) ? VDEV_LINEAR : 0, false);
}

int iod_smmuv3_viommu_host_ste(const struct iod_iommufd_hwpt_smmuv3 *vste, const uint64_t stage2[8],
			       uint64_t out[8])
{
	struct iod_smmuv3_ste guest, host;
	struct iod_smmuv3_raw_ste raw;
	int ret;

	if (!vste || !stage2 || !out)
		return -EINVAL;
	memcpy(raw.word, stage2, sizeof(raw.word));
	ret = iod_smmuv3_ste_decode(&host, &raw);
	if (!ret)
		ret = read_vste(&guest, vste->ste);
	if (ret)
		return ret;
	if (!host.valid || host.config != IOD_SMMUV3_S2)
		return -EINVAL;
	host.mev = true;
	host.eats = guest.eats;
	if (aborts(&guest)) {
		host.config = IOD_SMMUV3_ABORT;
		host.eats = 0;
	} else if (guest.config == IOD_SMMUV3_S1) {
		host.config = IOD_SMMUV3_NESTED;
		host.s1fmt = guest.s1fmt;
		host.s1cdmax = guest.s1cdmax;
		host.s1contextptr = guest.s1contextptr;
		host.s1dss = guest.s1dss;
		host.s1cir = guest.s1cir;
		host.s1cor = guest.s1cor;
		host.s1csh = guest.s1csh;
		host.s1stalld = guest.s1stalld;
	} else if (guest.config != IOD_SMMUV3_BYPASS) {
		return -EINVAL;
	}
	ret = iod_smmuv3_ste_encode(&raw, &host);
	if (!ret)
		memcpy(out, raw.word, sizeof(raw.word));
	return ret;
}
