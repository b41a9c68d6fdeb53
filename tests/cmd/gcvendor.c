/* SPDX-License-Identifier: MIT */
/* The two vendors of gcmd.h: their objects, and what their commands say. */
#include "gcmd.h"

static uint64_t bits(uint64_t word, unsigned hi, unsigned lo)
{
	return word >> lo & (UINT64_MAX >> (63 - (hi - lo)));
}

/* The size in an address: the first 0 bit from bit 12 up is bit s - 1 of 2^s bytes. */
static void sized(uint64_t addr, uint64_t *first, uint64_t *last)
{
	unsigned bit = 12;

	while (bit < 63 && addr >> bit & 1)
		bit++;
	assert_int_equal(addr >> bit & 1, 0);
	*first = bit == 63 ? 0 : addr >> (bit + 1) << (bit + 1);
	*last = *first + (UINT64_MAX >> (63 - bit));
}

/* ---- VT-d ---- */

static uint64_t vtd_tag(uint32_t stage, uint32_t domain, uint32_t pasid)
{
	return stage == 1 ? IOD_VTD_TAG_S1(domain, pasid) : IOD_VTD_TAG_S2(domain);
}

static int vtd_sink(void *cookie, const struct iod_vtd_raw_desc *descs, size_t nr, bool sync,
		    size_t *issued)
{
	return gc_issue(cookie, (const uint64_t *)descs, nr, sync, issued);
}

static int vtd_hook(void *cookie, struct iod_vtd_raw_desc *descs, size_t *nr, size_t max)
{
	return gc_quirk(cookie, (uint64_t *)descs, nr, max);
}

static int vtd_create(struct gc *gc, const struct gc_cfg *cfg)
{
	struct iod_vtd_sink sink = { .size = sizeof(sink), .issue = vtd_sink, .cookie = gc };
	struct iod_vtd_inv_cfg icfg = { .size = sizeof(icfg),
					.sink = cfg->no_sink ? NULL : &sink,
					.stage = cfg->stage ? cfg->stage : 2,
					.flags = cfg->flags,
					.did = cfg->domain,
					.pasid = cfg->pasid,
					.cost = cfg->cost,
					.quirk = cfg->quirk ? vtd_hook : NULL,
					.quirk_cookie = gc,
					.allocator = cfg->allocator };
	struct iod_vtd_inv *inv = NULL;
	struct iod_vtd_id id;
	int ret;

	iodt_assert_ok(iod_vtd_id_full(&id));
	if (cfg->mamv) {
		id.cap &= ~IOD_VTD_CAP_MAMV;
		id.cap |= (uint64_t)(cfg->mamv - 1) << 48;
	}
	if (cfg->no_psi)
		id.cap &= ~IOD_VTD_CAP_PSI;
	icfg.id = &id;
	ret = iod_vtd_inv_create(&inv, &icfg);
	gc->inv = inv;
	return ret;
}

static int vtd_destroy(void *inv)
{
	return iod_vtd_inv_destroy(inv);
}

static int vtd_encode(const void *inv, bool atc, const struct iod_inv *items, size_t nr,
		      uint64_t *out, size_t max, size_t *n)
{
	return (atc ? iod_vtd_inv_encode_atc
		    : iod_vtd_inv_encode)(inv, items, nr, (struct iod_vtd_raw_desc *)out, max, n);
}

static int vtd_add_domain(void *inv, uint16_t domain)
{
	return iod_vtd_inv_add_domain(inv, domain);
}

static int vtd_remove_domain(void *inv, uint16_t domain)
{
	return iod_vtd_inv_remove_domain(inv, domain);
}

static int vtd_add_device(void *inv, const struct gc_dev *dev)
{
	struct iod_vtd_ats_device d = { .size = sizeof(d),
					.sid = (uint16_t)dev->id,
					.pfsid = (uint16_t)dev->limits,
					.pasid = dev->pasid,
					.pasid_valid = dev->has_pasid,
					.max_pending = dev->pending,
					.stu = dev->stu };

	return iod_vtd_inv_add_device(inv, &d);
}

static int vtd_remove_device(void *inv, const struct gc_dev *dev)
{
	return iod_vtd_inv_remove_device(inv, (uint16_t)dev->id, dev->pasid, dev->has_pasid);
}

static int vtd_stats(const void *inv, uint64_t f[5])
{
	struct iod_vtd_inv_stats s = { .size = sizeof(s) };
	int ret = iod_vtd_inv_get_stats(inv, &s);

	f[0] = s.items;
	f[1] = s.tlbi;
	f[2] = s.wide;
	f[3] = s.atc;
	f[4] = s.syncs;
	return ret;
}

/* By address, at granularity 3; nothing there otherwise. */
static void vtd_address(struct gc_cmd *c, uint64_t w1)
{
	unsigned am = (unsigned)bits(w1, 5, 0);

	if (c->kind != GC_PAGES) {
		assert_int_equal(w1, 0);
		return;
	}
	assert_int_equal(bits(w1, 11, 7), 0);
	assert_true(am <= 52);
	c->leaf = bits(w1, 6, 6);
	c->first = w1 & ~UINT64_C(0xfff);
	c->last = c->first + ((UINT64_C(4096) << am) - 1);
	/* bits below the block are not looked at; the library leaves them 0 */
	assert_int_equal(c->first & ((UINT64_C(4096) << am) - 1), 0);
}

static void vtd_device(struct gc_cmd *c, uint64_t w0, uint64_t w1)
{
	bool s;

	c->kind = GC_DEV;
	c->limits = (uint32_t)(bits(w0, 15, 12) | bits(w0, 63, 52) << 4);
	if (!c->by_pasid) {
		assert_int_equal(bits(w0, 11, 4) | bits(w0, 31, 21) | bits(w0, 51, 48), 0);
		c->pending = (uint32_t)bits(w0, 20, 16);
		c->dev = (uint32_t)bits(w0, 47, 32);
		assert_int_equal(bits(w1, 11, 1), 0);
		s = w1 & 1;
	} else {
		assert_int_equal(bits(w0, 11, 9), 0);
		c->pending = (uint32_t)bits(w0, 8, 4);
		c->dev = (uint32_t)bits(w0, 31, 16);
		c->pasid = (uint32_t)bits(w0, 51, 32);
		c->global = w1 & 1;
		assert_int_equal(bits(w1, 10, 1), 0);
		s = bits(w1, 11, 11);
	}
	c->first = w1 & ~UINT64_C(0xfff);
	c->last = c->first + 0xfff;
	if (s)
		sized(w1, &c->first, &c->last);
}

static struct gc_cmd vtd_decode(const uint64_t *w)
{
	struct gc_cmd c = { 0 };
	unsigned type = (unsigned)(bits(w[0], 3, 0)), gran = (unsigned)bits(w[0], 5, 4);

	assert_int_equal(w[2] | w[3], 0);
	switch (type) {
	case 2: /* every drain there is */
		assert_int_equal(bits(w[0], 15, 6) | bits(w[0], 63, 32), 3);
		c.domain = (uint32_t)bits(w[0], 31, 16);
		c.kind = gran == 3 ? GC_PAGES : gran == 2 ? GC_TABLE : GC_ALL;
		assert_true(gran && (gran != 1 || !c.domain));
		vtd_address(&c, w[1]);
		break;
	case 6:
		assert_int_equal(bits(w[0], 15, 6) | bits(w[0], 63, 52), 0);
		c.by_pasid = true;
		c.domain = (uint32_t)bits(w[0], 31, 16);
		c.pasid = (uint32_t)bits(w[0], 51, 32);
		c.kind = gran == 3 ? GC_PAGES : GC_TABLE;
		assert_true(gran >= 2);
		vtd_address(&c, w[1]);
		break;
	case 3:
	case 8:
		c.by_pasid = type == 8;
		vtd_device(&c, w[0], w[1]);
		break;
	default:
		assert_int_equal(type, 5);
		c.kind = GC_SYNC;
	}
	return c;
}

static void vtd_effect(const uint64_t *raw, struct iod_cmd_effect *effect, struct iod_inv *dev)
{
	const struct iod_vtd_raw_desc *d = (const struct iod_vtd_raw_desc *)raw;
	struct iod_vtd_desc desc;
	struct iod_vtd_id id;

	iodt_assert_ok(iod_vtd_id_full(&id));
	iodt_assert_ok(iod_vtd_desc_decode(&desc, d, &id, 0, NULL));
	if (desc.type == IOD_VTD_DEV_TLB_INV || desc.type == IOD_VTD_P_DEV_TLB_INV) {
		dev->kind = IOD_INV_RANGE;
		iodt_assert_ok(iod_vtd_desc_dev_range(&desc, &dev->iova, &dev->last));
	}
	iodt_assert_ok(iod_vtd_desc_effect(effect, &desc));
}

/* ---- AMD-Vi ---- */

static uint64_t amd_tag(uint32_t stage, uint32_t domain, uint32_t pasid)
{
	return stage == 1 ? IOD_AMDVI_TAG_S1(domain, pasid) : IOD_AMDVI_TAG_S2(domain);
}

static int amd_sink(void *cookie, const struct iod_amdvi_raw_cmd *cmds, size_t nr, bool sync,
		    size_t *issued)
{
	return gc_issue(cookie, (const uint64_t *)cmds, nr, sync, issued);
}

static int amd_hook(void *cookie, struct iod_amdvi_raw_cmd *cmds, size_t *nr, size_t max)
{
	return gc_quirk(cookie, (uint64_t *)cmds, nr, max);
}

static int amd_create(struct gc *gc, const struct gc_cfg *cfg)
{
	struct iod_amdvi_sink sink = { .size = sizeof(sink), .issue = amd_sink, .cookie = gc };
	struct iod_amdvi_inv_cfg icfg = { .size = sizeof(icfg),
					  .sink = cfg->no_sink ? NULL : &sink,
					  .stage = cfg->stage ? cfg->stage : 2,
					  .flags = cfg->flags,
					  .domain = cfg->domain,
					  .pasid = cfg->pasid,
					  .pasids = cfg->pasids,
					  .cost = cfg->cost,
					  .quirk = cfg->quirk ? amd_hook : NULL,
					  .quirk_cookie = gc,
					  .allocator = cfg->allocator };
	struct iod_amdvi_inv *inv = NULL;
	struct iod_amdvi_id id;
	int ret;

	iodt_assert_ok(iod_amdvi_id_full(&id));
	if (cfg->no_ia)
		id.efr &= ~IOD_AMDVI_EFR_IASUP;
	icfg.id = &id;
	ret = iod_amdvi_inv_create(&inv, &icfg);
	gc->inv = inv;
	return ret;
}

static int amd_destroy(void *inv)
{
	return iod_amdvi_inv_destroy(inv);
}

static int amd_encode(const void *inv, bool atc, const struct iod_inv *items, size_t nr,
		      uint64_t *out, size_t max, size_t *n)
{
	return (atc ? iod_amdvi_inv_encode_atc : iod_amdvi_inv_encode)(
		inv, items, nr, (struct iod_amdvi_raw_cmd *)out, max, n);
}

static int amd_add_domain(void *inv, uint16_t domain)
{
	return iod_amdvi_inv_add_domain(inv, domain);
}

static int amd_remove_domain(void *inv, uint16_t domain)
{
	return iod_amdvi_inv_remove_domain(inv, domain);
}

static int amd_add_device(void *inv, const struct gc_dev *dev)
{
	struct iod_amdvi_ats_device d = { .size = sizeof(d),
					  .devid = (uint16_t)dev->id,
					  .queue = (uint16_t)dev->limits,
					  .pasid = dev->pasid,
					  .pasid_valid = dev->has_pasid,
					  .max_pending = dev->pending,
					  .stu = dev->stu };

	return iod_amdvi_inv_add_device(inv, &d);
}

static int amd_remove_device(void *inv, const struct gc_dev *dev)
{
	return iod_amdvi_inv_remove_device(inv, (uint16_t)dev->id, dev->pasid, dev->has_pasid);
}

static int amd_stats(const void *inv, uint64_t f[5])
{
	struct iod_amdvi_inv_stats s = { .size = sizeof(s) };
	int ret = iod_amdvi_inv_get_stats(inv, &s);

	f[0] = s.items;
	f[1] = s.tlbi;
	f[2] = s.wide;
	f[3] = s.atc;
	f[4] = s.syncs;
	return ret;
}

static void amd_address(struct gc_cmd *c, uint64_t w1)
{
	c->by_pasid = bits(w1, 2, 2);
	c->first = w1 & ~UINT64_C(0xfff);
	c->last = c->first + 0xfff;
	if (w1 & 1)
		sized(w1, &c->first, &c->last);
}

static struct gc_cmd amd_decode(const uint64_t *w)
{
	struct gc_cmd c = { 0 };

	switch (bits(w[0], 63, 60)) {
	case 1:
		/* f, without which it need not wait for what is before (bits.md C3.1); no store, no interrupt */
		assert_int_equal(bits(w[0], 59, 0), 4);
		assert_int_equal(w[1], 0);
		c.kind = GC_SYNC;
		break;
	case 3:
		assert_int_equal(bits(w[0], 31, 20) | bits(w[0], 59, 48) | bits(w[1], 11, 3), 0);
		c.pasid = (uint32_t)bits(w[0], 19, 0);
		c.domain = (uint32_t)bits(w[0], 47, 32);
		amd_address(&c, w[1]);
		c.leaf = !bits(w[1], 1, 1);
		c.kind = c.last == UINT64_MAX && !c.first ? GC_TABLE : GC_PAGES;
		assert_true(c.by_pasid || !c.pasid);
		break;
	case 4:
		assert_int_equal(bits(w[1], 1, 1) | bits(w[1], 11, 3), 0);
		c.kind = GC_DEV;
		c.dev = (uint32_t)bits(w[0], 15, 0);
		c.pending = (uint32_t)bits(w[0], 31, 24);
		c.limits = (uint32_t)bits(w[0], 47, 32);
		c.pasid = (uint32_t)(bits(w[0], 55, 48) | bits(w[0], 23, 16) << 8 |
				     bits(w[0], 59, 56) << 16);
		amd_address(&c, w[1]);
		assert_true(c.by_pasid || !c.pasid);
		break;
	default:
		assert_int_equal(w[0] >> 60, 8);
		assert_int_equal(bits(w[0], 59, 0) | w[1], 0);
		c.kind = GC_ALL;
	}
	if (c.kind == GC_TABLE)
		c.first = c.last = 0;
	return c;
}

static void amd_effect(const uint64_t *raw, struct iod_cmd_effect *effect, struct iod_inv *dev)
{
	const struct iod_amdvi_raw_cmd *r = (const struct iod_amdvi_raw_cmd *)raw;
	struct iod_amdvi_cmd cmd;
	struct iod_amdvi_id id;

	iodt_assert_ok(iod_amdvi_id_full(&id));
	iodt_assert_ok(iod_amdvi_cmd_decode(&cmd, r, &id, NULL));
	if (cmd.op == IOD_AMDVI_INVALIDATE_IOTLB_PAGES) {
		dev->kind = IOD_INV_RANGE;
		iodt_assert_ok(iod_amdvi_cmd_range(&cmd, &dev->iova, &dev->last));
	}
	iodt_assert_ok(iod_amdvi_cmd_effect(effect, &cmd));
}

const struct gc_vendor gc_vendors[GC_VENDORS] = {
	{ "vtd", 4, 52, vtd_tag, vtd_create, vtd_destroy, iod_vtd_inv_ops, vtd_encode,
	  vtd_add_domain, vtd_remove_domain, vtd_add_device, vtd_remove_device, vtd_stats,
	  vtd_decode, vtd_effect },
	{ "amdvi", 2, 40, amd_tag, amd_create, amd_destroy, iod_amdvi_inv_ops, amd_encode,
	  amd_add_domain, amd_remove_domain, amd_add_device, amd_remove_device, amd_stats,
	  amd_decode, amd_effect },
};
