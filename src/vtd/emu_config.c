/* SPDX-License-Identifier: MIT */
/*
 * The emulated VT-d: what structures in memory make of an access, and the caches of that (6.2).
 *
 * The context cache: what the root and context entry of a source say, direct-mapped. The PASID cache: contexts
 * (a PASID entry, in legacy mode the context entry, and the page tables attached for it) by source and PASID. Neither
 * is made from the other again: a context entry that was changed and invalidated goes on with the old PASID entries
 * until the PASID cache is invalidated too.
 *
 * What is not present or illegal is cached with caching mode only (6.1); what could not be fetched is not at all.
 */
#include <errno.h>
#include <string.h>

#include "pgtable/pt_defs.h"
#include "vtd/emu.h"
#include "vtd/lookup.h"

static bool emu_caching_mode(const struct iod_vtd_emu *emu)
{
	return emu->id.cap & IOD_VTD_CAP_CM;
}

/* ---- forgetting ---- */

static bool emu_all_or_did(uint16_t did, bool known, const struct iod_vtd_desc *desc)
{
	return !known || did == desc->did;
}

/* FM: 1 to 3 leave bit 2, bits 2:1, bits 2:0 of the source-id out. */
static bool emu_same_source(uint32_t source, const struct iod_vtd_desc *desc)
{
	static const uint16_t ignored[] = { 0, 4, 6, 7 };
	uint16_t mask = (uint16_t)~ignored[desc->fm & 3];

	return ((source ^ desc->sid) & mask) == 0;
}

/*
 * Whether a context entry is meant. The domain id of one device's entry need not be looked at, and is not; entries of
 * scalable mode have none, and go whatever domain is named.
 */
static bool emu_context_named(const struct iod_vtd_desc *desc, uint32_t source, bool has_did,
			      uint16_t did)
{
	switch (desc->gran) {
	case IOD_VTD_CONTEXT_DEVICE:
		return emu_same_source(source, desc);
	case IOD_VTD_CONTEXT_DOMAIN:
		return emu_all_or_did(did, has_did, desc);
	default:
		return true;
	}
}

/* In legacy mode the page tables are the context entry's. */
static bool emu_match_legacy(const struct emu_node *node, const void *what)
{
	const struct emu_ctx *ctx = (const struct emu_ctx *)node;

	return node->pasid == EMU_LEGACY &&
	       emu_context_named(what, node->source, ctx->mode != EMU_BAD, ctx->did);
}

void iod_vemu_forget_contexts(struct iod_vtd_emu *emu, const struct iod_vtd_desc *desc)
{
	uint32_t i;

	for (i = 0; i < emu->config_entries; i++) {
		struct emu_context *c = &emu->contexts[i];
		bool has_did = !c->found.scalable && !c->found.reason;

		if (c->present &&
		    emu_context_named(desc, c->found.source_id, has_did, c->found.context.did))
			c->present = false;
	}
	iod_emu_cache_forget(&emu->ctxs, emu_match_legacy, desc);
}

static bool emu_match_pasid(const struct emu_node *node, const void *what)
{
	const struct emu_ctx *ctx = (const struct emu_ctx *)node;
	const struct iod_vtd_desc *desc = what;

	if (node->pasid == EMU_LEGACY)
		return false;
	if (desc->gran == IOD_VTD_PASID_CACHE_GLOBAL)
		return true;
	/* What is not present has no domain. */
	if (!emu_all_or_did(ctx->did, ctx->mode != EMU_BAD, desc))
		return false;
	return desc->gran == IOD_VTD_PASID_CACHE_DOMAIN || node->pasid == (int64_t)desc->pasid;
}

void iod_vemu_forget_pasids(struct iod_vtd_emu *emu, const struct iod_vtd_desc *desc)
{
	if (desc) {
		iod_emu_cache_forget(&emu->ctxs, emu_match_pasid, desc);
		return;
	}
	memset(emu->contexts, 0, emu->config_entries * sizeof(*emu->contexts));
	iod_emu_cache_forget(&emu->ctxs, NULL, NULL);
}

void iod_vemu_destroy_ctx(void *cookie, struct emu_node *node)
{
	struct emu_ctx *ctx = (struct emu_ctx *)node;
	struct iod_vtd_emu *emu = cookie;

	if (ctx->pt1)
		iod_pgtable_destroy(ctx->pt1);
	if (ctx->nested)
		iod_mem_destroy(ctx->nested);
	if (ctx->pt2)
		iod_pgtable_destroy(ctx->pt2);
	iod_zfree(&emu->allocator, ctx, sizeof(*ctx));
}

/* ---- contexts ---- */

/* The context entry of a source, from the cache or from memory. */
static const struct iod_vtd_lookup *emu_find_context(struct emu_op *op,
						     struct iod_vtd_lookup *local)
{
	struct iod_vtd_emu *emu = op->emu;
	struct emu_context *slot =
		&emu->contexts[emu_hash(op->req.source) & (emu->config_entries - 1)];
	int ret;

	if (slot->present && slot->found.source_id == op->req.source)
		return &slot->found;
	memset(local, 0, sizeof(*local));
	local->size = sizeof(*local);
	local->mem = emu->mem;
	local->id = &emu->id;
	local->rtaddr = emu->regs.rtaddr_now;
	local->source_id = (uint16_t)op->req.source;
	local->at = IOD_VTD_AT_UNTRANSLATED;
	local->pasid = -1;
	ret = iod_vtd_lookup_context(local);
	emu->stats.context_fetches++;
	if (ret && (ret != -ENOENT || !emu_caching_mode(emu)))
		return local;
	slot->found = *local;
	slot->present = true;
	return &slot->found;
}

static bool emu_legacy_mode(const struct emu_op *op)
{
	return (op->emu->regs.rtaddr_now & IOD_VTD_RTADDR_TTM) == IOD_VTD_RTADDR_LEGACY;
}

/* What the context entry forbids of this request (7.1.3). */
static enum iod_vtd_fault_reason emu_check_request(const struct emu_op *op,
						   const struct iod_vtd_lookup *context)
{
	struct vtd_request req = { .pasid = op->req.pasid_valid ? (int64_t)op->req.pasid : -1,
				   .at = IOD_VTD_AT_UNTRANSLATED,
				   .page_request = op->page_request };

	if (emu_is_ats(op))
		req.at = IOD_VTD_AT_TRANSLATION;
	else if (emu_is_translated(op))
		req.at = IOD_VTD_AT_TRANSLATED;
	return iod_vtd_check_request(context, &req, NULL);
}

/* ---- page tables ---- */

/* Whether the root is in memory is found by walks. Pages of sizes that CAP has not are reserved (9.7, 9.9). */
static int emu_attach(struct iod_pgtable **out, struct iod_pgtable_cfg *cfg, struct iod_mem *mem,
		      uint64_t domain, uint64_t root)
{
	int ret;

	cfg->mem = mem;
	cfg->domain = domain;
	cfg->flags |= IOD_ATTACH_ANY_ROOT;
	ret = iod_pgtable_attach(out, cfg, root);
	if (!ret)
		(*out)->only_sizes = true;
	return ret;
}

static int emu_attach_second(struct emu_op *op, struct emu_ctx *ctx,
			     const struct iod_vtd_lookup *found)
{
	struct iod_pgtable_cfg cfg;
	int ret;

	memset(&cfg, 0, sizeof(cfg));
	if (found->scalable)
		ret = iod_vtd_pasid_get_second(&found->pasid_entry, &op->emu->id, 0, &cfg,
					       &ctx->top2, NULL);
	else
		ret = iod_vtd_context_get_second(&found->context, &op->emu->id, 0, &cfg, &ctx->top2,
						 NULL);
	if (!ret)
		ret = emu_attach(&ctx->pt2, &cfg, op->emu->mem, IOD_VTD_TAG_S2(ctx->did),
				 ctx->top2);
	return ret;
}

static int emu_attach_first(struct emu_op *op, struct emu_ctx *ctx,
			    const struct iod_vtd_lookup *found)
{
	struct iod_mem_nested_cfg nested = {
		.size = sizeof(nested),
		.stage2 = ctx->pt2,
		.tlb = op->emu->tlbs.tlb[1],
		.allocator = &op->emu->allocator,
		/* A2.3 rule 9 */
		.flags = ctx->ssade ? IOD_MEM_NESTED_READ_WANTS_WRITE : 0,
	};
	struct iod_pgtable_cfg cfg;
	int ret = 0;

	memset(&cfg, 0, sizeof(cfg));
	if (ctx->pt2)
		ret = iod_mem_create_nested(&ctx->nested, &nested);
	if (!ret)
		ret = iod_vtd_pasid_get_first(&found->pasid_entry, &op->emu->id, &cfg, &ctx->top1,
					      NULL);
	if (!ret)
		ret = emu_attach(&ctx->pt1, &cfg, ctx->nested ? ctx->nested : op->emu->mem,
				 IOD_VTD_TAG_S1(ctx->did, ctx->node.pasid), ctx->top1);
	return ret;
}

/* ---- PASID entries ---- */

static int emu_build_legacy(struct emu_op *op, struct emu_ctx *ctx,
			    const struct iod_vtd_lookup *found)
{
	ctx->did = found->context.did;
	ctx->snooped = true;
	ctx->mode = EMU_PASS;
	if (found->context.tt == IOD_VTD_TT_PASS_THROUGH)
		return 0;
	ctx->mode = EMU_SECOND;
	return emu_attach_second(op, ctx, found);
}

static int emu_build_scalable(struct emu_op *op, struct emu_ctx *ctx,
			      const struct iod_vtd_lookup *found)
{
	const struct iod_vtd_pasid *pasid = &found->pasid_entry;
	int ret = 0;

	ctx->did = pasid->did;
	ctx->sre = pasid->sre;
	ctx->ssade = pasid->ssade && pasid->pgtt != IOD_VTD_PGTT_FIRST;
	ctx->snooped = pasid->pwsnp && (op->emu->id.ecap & IOD_VTD_ECAP_SMPWCS);
	ctx->mode = EMU_PASS;
	if (pasid->pgtt == IOD_VTD_PGTT_PASS_THROUGH)
		return 0;
	ctx->mode = EMU_SECOND;
	if (pasid->pgtt != IOD_VTD_PGTT_FIRST)
		ret = emu_attach_second(op, ctx, found);
	if (ret || pasid->pgtt == IOD_VTD_PGTT_SECOND)
		return ret;
	ctx->mode = EMU_FIRST;
	return emu_attach_first(op, ctx, found);
}

/* @return 0 with ctx->mode; -ENOMEM; -EFAULT, reason: not to be cached */
static int emu_build(struct emu_op *op, struct emu_ctx *ctx, struct iod_vtd_lookup *found)
{
	int ret;

	ctx->scalable = found->scalable;
	if (found->scalable) {
		ret = iod_vtd_lookup_pasid(found);
		op->emu->stats.pasid_fetches++;
		ctx->fpd = found->fpd;
		if (ret) {
			ctx->mode = EMU_BAD;
			ctx->reason = found->reason;
			return ret == -ENOENT ? 0 : -EFAULT;
		}
		ret = emu_build_scalable(op, ctx, found);
	} else {
		ctx->fpd = found->fpd;
		ret = emu_build_legacy(op, ctx, found);
	}
	if (!ret || ret == -ENOMEM)
		return ret;
	/* Legal, and nothing that the engine walks. */
	ctx->mode = EMU_BAD;
	ctx->reason = found->scalable ? IOD_VTD_F_PASID_INVALID : IOD_VTD_F_CONTEXT_INVALID;
	return 0;
}

static int emu_new_ctx(struct emu_op *op, const struct iod_vtd_lookup *context, int64_t key)
{
	struct emu_ctx *ctx = iod_zalloc(&op->emu->allocator, sizeof(*ctx));
	struct iod_vtd_lookup found = *context;
	bool kept;
	int ret;

	if (!ctx)
		return -ENOMEM;
	ctx->node.source = op->req.source;
	ctx->node.pasid = key;
	found.pasid = op->req.pasid_valid ? (int64_t)op->req.pasid : -1;
	ret = emu_build(op, ctx, &found);
	kept = !ret && (ctx->mode != EMU_BAD || emu_caching_mode(op->emu));
	if (kept) {
		iod_emu_cache_insert(&op->emu->ctxs, &ctx->node);
		ctx->node.refs++;
		op->ctx = ctx;
		return 0;
	}
	if (ret != -ENOMEM) {
		op->fpd |= ctx->fpd;
		ret = iod_vemu_refuse(op, ctx->reason, op->req.iova);
	}
	iod_vemu_destroy_ctx(op->emu, &ctx->node);
	return ret;
}

/* The context of op->req; a reference. */
static int emu_find_ctx(struct emu_op *op, const struct iod_vtd_lookup *context)
{
	int64_t key = context->scalable ? (int64_t)op->pasid : EMU_LEGACY;
	struct emu_node *node = iod_emu_cache_find(&op->emu->ctxs, op->req.source, key);
	int ret;

	if (node) {
		op->emu->stats.config_hits++;
		op->ctx = (struct emu_ctx *)node;
		node->refs++;
	} else {
		ret = emu_new_ctx(op, context, key);
		if (ret)
			return ret;
	}
	op->fpd |= op->ctx->fpd;
	if (op->ctx->mode == EMU_BAD)
		return iod_vemu_refuse(op, op->ctx->reason, op->req.iova);
	return 0;
}

/* Supervisor requests need SRE; there are no execute requests (7.1.3). */
static int emu_check_kind(struct emu_op *op)
{
	if (!op->ctx->scalable)
		return 0;
	if ((op->req.access & IOD_ACCESS_EXEC) && op->req.pasid_valid)
		return iod_vemu_refuse(op, IOD_VTD_F_PASID_ER, op->req.iova);
	if (op->priv && !op->ctx->sre && op->ctx->mode == EMU_FIRST)
		return iod_vemu_refuse(op, IOD_VTD_F_PASID_SRE, op->req.iova);
	return 0;
}

int iod_vemu_configure(struct emu_op *op)
{
	const struct iod_vtd_lookup *context;
	enum iod_vtd_fault_reason reason;
	struct iod_vtd_lookup local;
	int ret;

	if (emu_legacy_mode(op) && (op->req.pasid_valid || op->page_request))
		return iod_vemu_refuse(op, IOD_VTD_F_RTADDR_LEGACY, op->req.iova);
	context = emu_find_context(op, &local);
	op->fpd = context->fpd;
	reason = context->reason;
	if (!reason)
		reason = emu_check_request(op, context);
	if (reason)
		return iod_vemu_refuse(op, reason, op->req.iova);
	op->scalable = context->scalable;
	op->pasid = op->req.pasid_valid ? op->req.pasid : context->sm_context.rid_pasid;
	op->priv = op->req.pasid_valid ? (op->req.access & IOD_ACCESS_PRIV) != 0
				       : op->scalable && context->sm_context.rid_priv;
	if (emu_is_translated(op))
		return 0;
	ret = emu_find_ctx(op, context);
	return ret ? ret : emu_check_kind(op);
}
