/* SPDX-License-Identifier: MIT */
/*
 * The emulated AMD IOMMU: what structures in memory make of an access, and the cache of that.
 *
 * Two caches: DTEs by device; contexts (a GCR3 table entry, and the page tables attached for it) by device and PASID. A
 * context keeps its own copy of the DTE, so what makes it anew goes by the DTE that is cached.
 * Illegal DTEs are cached as legal ones are, those with V=0 too. What could not be fetched is not, nor are GCR3
 * table entries that are not valid: that they may be cached is not confirmed, and who puts one in need not reckon
 * with it.
 */
#include <errno.h>
#include <string.h>

#include "amdvi/emu.h"

/* Contexts that are of no PASID. */
#define EMU_PASID_NONE	     (-1)
#define EMU_PASID_TRANSLATED (-2)

/* Translated requests are no table's any more. */
static int64_t emu_op_pasid(const struct emu_op *op)
{
	if (op->req.flags & IOD_EMU_REQ_TRANSLATED)
		return EMU_PASID_TRANSLATED;
	return op->req.pasid_valid ? (int64_t)op->req.pasid : EMU_PASID_NONE;
}

/* ---- the caches ---- */

static struct emu_dte *emu_dte_slot(struct iod_amdvi_emu *emu, uint16_t devid)
{
	return &emu->dtes[emu_hash(devid) & (emu->config_entries - 1)];
}

void iod_amd_emu_destroy_ctx(void *cookie, struct emu_node *node)
{
	struct emu_ctx *ctx = (struct emu_ctx *)node;
	struct iod_amdvi_emu *emu = cookie;

	if (ctx->pt1)
		iod_pgtable_destroy(ctx->pt1);
	if (ctx->nested)
		iod_mem_destroy(ctx->nested);
	if (ctx->pt2)
		iod_pgtable_destroy(ctx->pt2);
	iod_zfree(&emu->allocator, ctx, sizeof(*ctx));
}

static bool emu_match_device(const struct emu_node *node, const void *what)
{
	int64_t devid = *(const int64_t *)what;

	return devid < 0 || node->source == (uint64_t)devid;
}

void iod_amd_emu_forget_dte(struct iod_amdvi_emu *emu, int64_t devid)
{
	uint32_t i;

	for (i = 0; i < emu->config_entries; i++) {
		if (emu->dtes[i].present && (devid < 0 || emu->dtes[i].devid == (uint64_t)devid))
			emu->dtes[i].present = false;
	}
	iod_emu_cache_forget(&emu->ctxs, emu_match_device, &devid);
}

/* A GCR3 table entry, of every device in the domain. */
struct emu_what {
	uint16_t domain;
	int64_t pasid;
};

static bool emu_match_gcr3(const struct emu_node *node, const void *what)
{
	const struct emu_ctx *ctx = (const struct emu_ctx *)node;
	const struct emu_what *w = what;
	int64_t pasid = node->pasid == EMU_PASID_NONE ? 0 : node->pasid; /* GIOV */

	return ctx->pt1 && ctx->dte.domain == w->domain && pasid == w->pasid;
}

void iod_amd_emu_forget_gcr3(struct iod_amdvi_emu *emu, uint16_t domain, uint32_t pasid)
{
	const struct emu_what what = { .domain = domain, .pasid = (int64_t)pasid };

	iod_emu_cache_forget(&emu->ctxs, emu_match_gcr3, &what);
}

/* ---- DTEs ---- */

static int emu_read_dte(struct iod_amdvi_emu *emu, uint16_t devid, struct emu_dte *out,
			enum iod_amdvi_event_type *event, uint64_t *fetch)
{
	struct iod_amdvi_devtab devtab = { .base = emu->regs.devtab_base };
	struct iod_amdvi_raw_dte raw;
	struct iod_amdvi_dte dte;
	int ret;

	*fetch = 0;
	ret = iod_amdvi_devtab_lookup(&devtab, emu->mem, devid, fetch, event);
	if (!ret && iod_amdvi_dte_read(&raw, emu->mem, *fetch)) {
		*event = IOD_AMDVI_DEV_TAB_HARDWARE_ERROR;
		ret = -EFAULT;
	}
	if (ret)
		return -EFAULT;
	emu->stats.dte_fetches++;
	iod_amdvi_dte_decode(&dte, &raw);
	*out = (struct emu_dte){ .present = true, .devid = devid };
	if (iod_amdvi_dte_check(&dte, &emu->id, 0, NULL))
		out->bad = true;
	else
		iod_amdvi_dte_effective(&out->dte, &dte, &emu->id);
	return 0;
}

int iod_amd_emu_dte(struct iod_amdvi_emu *emu, uint16_t devid, struct emu_dte **out,
		    enum iod_amdvi_event_type *event, uint64_t *fetch)
{
	struct emu_dte *slot = emu_dte_slot(emu, devid), fresh;

	if (!slot->present || slot->devid != devid) {
		if (emu_read_dte(emu, devid, &fresh, event, fetch))
			return -EFAULT;
		*slot = fresh;
	}
	*out = slot;
	return 0;
}

/* ---- contexts ---- */

/* Whether the root is in memory is found by walks. @return 0; -ENOENT the DTE is not usable; -ENOMEM */
static int emu_attach(struct iod_pgtable **out, struct iod_pgtable_cfg *cfg, uint64_t root)
{
	int ret;

	cfg->flags |= IOD_ATTACH_ANY_ROOT;
	ret = iod_pgtable_attach(out, cfg, root);
	return ret && ret != -ENOMEM ? -ENOENT : ret;
}

static int emu_attach_host(struct iod_amdvi_emu *emu, struct emu_ctx *ctx)
{
	struct iod_pgtable_cfg cfg;
	uint64_t root = 0;

	memset(&cfg, 0, sizeof(cfg));
	if (iod_amdvi_dte_get_host(&ctx->dte, &cfg, &root, NULL))
		return -ENOENT;
	cfg.mem = emu->mem;
	cfg.domain = IOD_AMDVI_TAG_S2(ctx->dte.domain);
	return emu_attach(&ctx->pt2, &cfg, root);
}

/* Guest address of a GCR3 table entry: read only, so that nothing is ever made dirty by it. */
static int emu_translate_gcr3(void *cookie, uint64_t gpa, uint64_t *pa)
{
	struct emu_op *op = cookie;
	struct iod_access_result result;
	int ret;

	ret = iod_iotlb_access(op->emu->tlbs.tlb[1], op->ctx->pt2, gpa, IOD_ACCESS_READ, &result,
			       &op->way.fault);
	if (ret) {
		op->context = true;
		return ret;
	}
	*pa = result.pa;
	return 0;
}

/*
 * The root of the PASID's guest table. Control.GCR3TRPMode says whose addresses the GCR3 table has; that it
 * says so of all its levels is UNCONFIRMED. @return 0; -EFAULT op->event; -ENOMEM
 */
static int emu_read_gcr3(struct emu_op *op, const struct emu_ctx *ctx, uint64_t *entry)
{
	bool guest_address = emu_enabled(op->emu, IOD_AMDVI_CONTROL_GCR3TRPMODE);
	bool translate = ctx->route == IOD_AMDVI_NESTED && guest_address;
	enum iod_amdvi_event_type type = (enum iod_amdvi_event_type)0;
	uint64_t pa = 0;
	int ret;

	ret = iod_amdvi_gcr3_lookup(&ctx->dte, &op->emu->id, op->emu->mem, ctx->node.pasid,
				    translate ? emu_translate_gcr3 : NULL, op, entry, &pa, &type);
	if (!ret) {
		op->emu->stats.gcr3_fetches++;
		return 0;
	}
	if (op->context)
		iod_amd_emu_fault(op);
	else if (type == IOD_AMDVI_PAGE_TAB_HARDWARE_ERROR)
		iod_amd_emu_event(op, type, pa);
	else
		iod_amd_emu_page_fault(op, false, false);
	return -EFAULT;
}

static int emu_attach_guest(struct emu_op *op, struct emu_ctx *ctx)
{
	struct iod_amdvi_emu *emu = op->emu;
	struct iod_mem_nested_cfg nested = {
		.size = sizeof(nested),
		.stage2 = ctx->pt2,
		.tlb = emu->tlbs.tlb[1],
		.allocator = &emu->allocator,
	};
	uint32_t pasid = op->req.pasid_valid ? op->req.pasid : 0;
	struct iod_pgtable_cfg cfg;
	uint64_t entry = 0, root = 0;
	int ret;

	op->gn = true;
	ret = emu_read_gcr3(op, ctx, &entry);
	if (ret)
		return ret;
	memset(&cfg, 0, sizeof(cfg));
	if (iod_amdvi_dte_get_guest(&ctx->dte, entry, &cfg, &root, NULL))
		return -ENOENT;
	if (ctx->pt2) {
		ret = iod_mem_create_nested(&ctx->nested, &nested);
		if (ret)
			return ret;
	}
	cfg.mem = ctx->nested ? ctx->nested : emu->mem;
	cfg.domain = IOD_AMDVI_TAG_S1(ctx->dte.domain, pasid);
	return emu_attach(&ctx->pt1, &cfg, root);
}

/* @return 0; -EFAULT op->event; -ENOMEM */
static int emu_build(struct emu_op *op, struct emu_ctx *ctx)
{
	bool guest, host;
	int ret = 0;

	if (ctx->node.pasid == EMU_PASID_TRANSLATED)
		return 0;
	ctx->route = (enum iod_amdvi_route)iod_amdvi_dte_route(&ctx->dte, op->req.pasid_valid,
							       &ctx->perm);
	guest = ctx->route == IOD_AMDVI_GUEST || ctx->route == IOD_AMDVI_NESTED;
	host = ctx->route == IOD_AMDVI_HOST || ctx->route == IOD_AMDVI_NESTED;
	if (host)
		ret = emu_attach_host(op->emu, ctx);
	if (!ret && guest)
		ret = emu_attach_guest(op, ctx);
	if (ret == -ENOENT) {
		iod_amd_emu_event(op, IOD_AMDVI_ILLEGAL_DEV_TABLE_ENTRY, op->req.iova);
		ret = -EFAULT;
	}
	return ret;
}

static int emu_new_ctx(struct emu_op *op, const struct iod_amdvi_dte *dte)
{
	struct iod_amdvi_emu *emu = op->emu;
	struct emu_ctx *ctx = iod_zalloc(&emu->allocator, sizeof(*ctx));
	int ret;

	if (!ctx)
		return -ENOMEM;
	ctx->node.source = op->req.source;
	ctx->node.pasid = emu_op_pasid(op);
	ctx->dte = *dte;
	op->ctx = ctx;
	ret = emu_build(op, ctx);
	if (ret) {
		op->ctx = NULL;
		iod_amd_emu_destroy_ctx(emu, &ctx->node);
		return ret;
	}
	iod_emu_cache_insert(&emu->ctxs, &ctx->node);
	return 0;
}

/* @return 0; -EFAULT op->event */
static int emu_find_dte(struct emu_op *op, struct emu_dte **dte)
{
	enum iod_amdvi_event_type type = (enum iod_amdvi_event_type)0;
	uint64_t fetch = 0;
	int ret = iod_amd_emu_dte(op->emu, (uint16_t)op->req.source, dte, &type, &fetch);

	if (!ret && !(*dte)->bad)
		return 0;
	if (type == IOD_AMDVI_DEV_TAB_HARDWARE_ERROR) {
		iod_amd_emu_event(op, type, fetch);
		return -EFAULT;
	}
	iod_amd_emu_event(op, ret ? type : IOD_AMDVI_ILLEGAL_DEV_TABLE_ENTRY, op->req.iova);
	/* A device outside the table has no reserved bits. */
	op->event.rz = !ret;
	return -EFAULT;
}

int iod_amd_emu_configure(struct emu_op *op)
{
	struct iod_amdvi_emu *emu = op->emu;
	struct emu_node *node;
	struct emu_dte *dte;
	int ret;

	node = iod_emu_cache_find(&emu->ctxs, op->req.source, emu_op_pasid(op));
	if (node) {
		emu->stats.config_hits++;
		op->ctx = (struct emu_ctx *)node;
		ret = iod_amd_emu_admit(op, &op->ctx->dte);
		if (ret) {
			op->ctx = NULL;
			return ret;
		}
	} else {
		ret = emu_find_dte(op, &dte);
		if (!ret) /* before anything else is fetched for it */
			ret = iod_amd_emu_admit(op, &dte->dte);
		if (!ret)
			ret = emu_new_ctx(op, &dte->dte);
		if (ret)
			return ret;
	}
	op->ctx->node.refs++;
	op->perm = op->ctx->perm;
	op->gn = op->ctx->pt1;
	return 0;
}
