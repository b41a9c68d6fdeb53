/* SPDX-License-Identifier: MIT */
/*
 * The emulated SMMU: what structures in memory make of an access, and the cache of that.
 *
 * Two caches: STEs by stream, contexts (a CD, and the page tables attached for it) by stream and substream. A context keeps its own copy of the STE, so CFGI_CD makes it anew from the STE that is
 * cached. Level-1 descriptors are read each time: hardware may cache them, and need not.
 * Illegal structures are cached as legal ones are; what could not be fetched is not.
 */
#include <errno.h>
#include <string.h>

#include "smmuv3/emu.h"
#include "smmuv3/ste_bits.h"

#define EMU_IDR1_ATTR_PERMS_OVR (1u << 26)

/* Contexts that are of no substream. */
#define EMU_SSID_NONE	    (-1)
#define EMU_SSID_TRANSLATED (-2)

/* Translated requests are not stage 1's any more: they have a context without a CD. */
static int64_t emu_op_ssid(const struct emu_op *op)
{
	if (op->req.flags & IOD_EMU_REQ_TRANSLATED)
		return EMU_SSID_TRANSLATED;
	return op->req.pasid_valid ? (int64_t)op->req.pasid : EMU_SSID_NONE;
}

static uint32_t emu_check_flags(const struct iod_smmuv3_emu *emu)
{
	return emu->regs.cr2 & EMU_CR2_E2H ? IOD_SMMUV3_CHECK_E2H : 0;
}

/* ---- the caches ---- */

static struct emu_ste *emu_ste_slot(struct iod_smmuv3_emu *emu, uint32_t sid)
{
	return &emu->stes[emu_hash(sid) & (emu->config_entries - 1)];
}

void iod_smmu_emu_destroy_ctx(void *cookie, struct emu_node *node)
{
	struct emu_ctx *ctx = (struct emu_ctx *)node;
	struct iod_smmuv3_emu *emu = cookie;
	unsigned int i;

	for (i = 0; i < 2; i++) {
		if (ctx->half[i])
			iod_pgtable_destroy(ctx->half[i]);
	}
	if (ctx->nested)
		iod_mem_destroy(ctx->nested);
	if (ctx->pt2)
		iod_pgtable_destroy(ctx->pt2);
	iod_zfree(&emu->allocator, ctx, sizeof(*ctx));
}

/* Streams of a range; a CD's of one stream. */
struct emu_what {
	uint32_t first, last;
	int64_t ssid; /* negative: any */
};

static bool emu_match_stream(const struct emu_node *node, const void *what)
{
	const struct emu_what *w = what;

	return node->source >= w->first && node->source <= w->last;
}

static bool emu_match_cd(const struct emu_node *node, const void *what)
{
	int64_t ssid = ((const struct emu_what *)what)->ssid;

	return emu_match_stream(node, what) &&
	       (ssid < 0 || node->pasid == ssid || (ssid == 0 && node->pasid < 0));
}

void iod_smmu_emu_forget_stes(struct iod_smmuv3_emu *emu, uint32_t first, uint32_t last)
{
	const struct emu_what what = { .first = first, .last = last };
	uint32_t i;

	for (i = 0; i < emu->config_entries; i++) {
		struct emu_ste *ste = &emu->stes[i];

		if (ste->present && ste->sid >= first && ste->sid <= last)
			ste->present = false;
	}
	iod_emu_cache_forget(&emu->ctxs, emu_match_stream, &what);
}

void iod_smmu_emu_forget_cds(struct iod_smmuv3_emu *emu, uint32_t sid, int64_t ssid)
{
	const struct emu_what what = { .first = sid, .last = sid, .ssid = ssid };

	iod_emu_cache_forget(&emu->ctxs, emu_match_cd, &what);
}

/* ---- STEs ---- */

static struct iod_smmuv3_strtab emu_strtab(const struct iod_smmuv3_emu *emu)
{
	struct iod_smmuv3_strtab strtab = {
		.base = emu->regs.strtab_base,
		.cfg = emu->regs.strtab_base_cfg,
	};

	if (!(emu->id.idr[0] & IOD_SMMUV3_IDR0_ST_LEVEL))
		strtab.cfg &= 0x3f;
	return strtab;
}

/* There are no more streams than SIDSIZE says, whatever LOG2SIZE does (which the base is aligned by, 6.3.24). */
static bool emu_sid_exists(const struct iod_smmuv3_emu *emu, uint32_t sid)
{
	return !(sid & ~low_mask(emu->id.idr[1] & IOD_SMMUV3_IDR1_SIDSIZE));
}

static int emu_read_ste(struct iod_smmuv3_emu *emu, uint32_t sid, struct emu_ste *out,
			struct iod_smmuv3_event *event)
{
	struct iod_smmuv3_strtab strtab = emu_strtab(emu);
	struct iod_smmuv3_raw_ste raw;
	struct iod_smmuv3_ste ste;
	uint64_t pa = 0;
	int ret = -EINVAL;

	if (emu_sid_exists(emu, sid))
		ret = iod_smmuv3_strtab_lookup(&strtab, emu->mem, sid, &pa, &event->type);
	if (ret == -EINVAL) /* a table of nonsense reaches nowhere, either */
		event->type = IOD_SMMUV3_C_BAD_STREAMID;
	if (!ret && !iod_emu_fetch(emu->mem, pa, raw.word, 8)) {
		event->type = IOD_SMMUV3_F_STE_FETCH;
		ret = -EFAULT;
	}
	if (ret) {
		if (event->type == IOD_SMMUV3_F_STE_FETCH)
			event->fetch = pa & MASK64(55, 3);
		return -EFAULT;
	}
	emu->stats.ste_fetches++;
	iod_smmuv3_ste_decode(&ste, &raw);
	*out = (struct emu_ste){ .present = true, .sid = sid };
	if (iod_smmuv3_ste_check(&ste, &emu->id, emu_check_flags(emu), NULL))
		out->bad = IOD_SMMUV3_C_BAD_STE;
	else
		iod_smmuv3_ste_effective(&out->ste, &ste, &emu->id, emu_check_flags(emu));
	return 0;
}

int iod_smmu_emu_ste(struct iod_smmuv3_emu *emu, uint32_t sid, const struct emu_ste **out,
		     struct iod_smmuv3_event *event)
{
	struct emu_ste *slot = emu_ste_slot(emu, sid);
	int ret = 0;

	event->type = (enum iod_smmuv3_event_type)0;
	if (!slot->present || slot->sid != sid) {
		struct emu_ste fresh;

		ret = emu_read_ste(emu, sid, &fresh, event);
		if (ret)
			return ret;
		*slot = fresh;
	}
	*out = slot;
	return 0;
}

/* ---- contexts ---- */

/* Whether the root is in memory is found by walks. */
static int emu_attach(struct iod_pgtable **out, struct iod_pgtable_cfg *cfg, uint64_t root)
{
	cfg->flags |= IOD_ATTACH_ANY_ROOT;
	return iod_pgtable_attach(out, cfg, root);
}

/* @return 0; -ENOENT ctx->bad; -ENOMEM */
static int emu_attach_stage2(struct emu_op *op, struct emu_ctx *ctx)
{
	struct iod_smmuv3_emu *emu = op->emu;
	struct iod_pgtable_cfg cfg;
	uint64_t root = 0;
	int ret;

	memset(&cfg, 0, sizeof(cfg));
	ret = iod_smmuv3_ste_get_stage2(&ctx->ste, &cfg, &root, NULL);
	if (!ret) {
		cfg.mem = emu->mem;
		cfg.domain = IOD_SMMUV3_TAG_S2(ctx->ste.s2vmid);
		ret = emu_attach(&ctx->pt2, &cfg, root);
	}
	if (!ret || ret == -ENOMEM)
		return ret;
	ctx->bad = IOD_SMMUV3_C_BAD_STE;
	return -ENOENT;
}

/* IPA of a CD: read only, so that stage 2 is never made dirty by it (A1.11 rule 9). */
static int emu_translate_cd(void *cookie, uint64_t ipa, uint64_t *pa)
{
	struct emu_op *op = cookie;
	struct iod_access_result result;
	int ret;

	ret = iod_iotlb_access(op->emu->tlbs.tlb[1], op->ctx->pt2, ipa,
			       IOD_ACCESS_READ | IOD_ACCESS_PRIV, &result, &op->way.fault);
	if (ret) {
		op->context = true;
		return ret;
	}
	*pa = result.pa;
	return 0;
}

/* Find and read the CD. @return 0; 1 stage 1 is bypassed; -EFAULT op->event */
static int emu_find_cd(struct emu_op *op, const struct emu_ctx *ctx, struct iod_smmuv3_raw_cd *raw)
{
	bool nested = STE_CONFIG_S2(ctx->ste.config);
	enum iod_smmuv3_event_type type = (enum iod_smmuv3_event_type)0;
	struct iod_smmuv3_emu *emu = op->emu;
	uint64_t pa = 0;
	int ret;

	ret = iod_smmuv3_cd_lookup(&ctx->ste, &emu->id, emu->mem, ctx->node.pasid,
				   nested ? emu_translate_cd : NULL, op, &pa, &type);
	if (ret == 1)
		return 1;
	if (op->context) {
		iod_smmu_emu_fault(op);
		return -EFAULT;
	}
	if (!ret && !iod_emu_fetch(emu->mem, pa, raw->word, 8)) {
		type = IOD_SMMUV3_F_CD_FETCH;
		ret = -EFAULT;
	}
	if (ret) {
		iod_smmu_emu_event(op, type ? type : IOD_SMMUV3_C_BAD_CD);
		if (type == IOD_SMMUV3_F_CD_FETCH)
			op->event.fetch = pa & MASK64(55, 3);
		return -EFAULT;
	}
	emu->stats.cd_fetches++;
	return 0;
}

/* What is in force of the CD. @return as above; -ENOENT ctx->bad */
static int emu_read_cd(struct emu_op *op, struct emu_ctx *ctx)
{
	struct iod_smmuv3_emu *emu = op->emu;
	uint32_t flags = emu_check_flags(emu);
	struct iod_smmuv3_raw_cd raw;
	struct iod_smmuv3_cd cd;
	int ret = emu_find_cd(op, ctx, &raw);

	if (ret)
		return ret;
	iod_smmuv3_cd_decode(&cd, &raw);
	if (iod_smmuv3_cd_check(&cd, &ctx->ste, &emu->id, flags, NULL)) {
		ctx->bad = IOD_SMMUV3_C_BAD_CD;
		return -ENOENT;
	}
	iod_smmuv3_cd_effective(&ctx->cd, &cd, &ctx->ste, &emu->id, flags);
	/* 32-bit LPAE: a disabled half still has its addresses. */
	if (!cd.aa64) {
		ctx->cd.t0sz = cd.t0sz & 7u;
		ctx->cd.t1sz = cd.t1sz & 7u;
	}
	return 0;
}

/* Tags are of the stream's world: EL2 has ASIDs only with E2H. */
static uint64_t emu_tag_s1(const struct iod_smmuv3_emu *emu, const struct emu_ctx *ctx)
{
	bool e2h = emu->regs.cr2 & EMU_CR2_E2H;
	uint16_t vmid = emu->id.idr[0] & IOD_SMMUV3_IDR0_S2P ? ctx->ste.s2vmid : 0;

	if (ctx->ste.strw)
		return IOD_SMMUV3_TAG_EL2(e2h ? ctx->cd.asid : 0);
	return IOD_SMMUV3_TAG_S1(vmid, ctx->cd.asid);
}

static int emu_attach_half(struct emu_op *op, struct emu_ctx *ctx, bool upper)
{
	struct iod_smmuv3_emu *emu = op->emu;
	struct iod_pgtable_cfg cfg;
	uint64_t root = 0;
	int ret;

	memset(&cfg, 0, sizeof(cfg));
	ret = iod_smmuv3_cd_get_stage1(&ctx->cd, upper, &cfg, &root, NULL);
	/* 32-bit LPAE, T1SZ = 0: the engine has no such half. What is in it is not translated. */
	if (ret == -EOPNOTSUPP && upper && !ctx->cd.aa64)
		ret = -ENOENT;
	if (ret == -ENOENT)
		return 0;
	if (!ret) {
		cfg.mem = ctx->nested ? ctx->nested : emu->mem;
		cfg.domain = emu_tag_s1(emu, ctx);
		ret = emu_attach(&ctx->half[upper], &cfg, root);
	}
	if (!ret || ret == -ENOMEM)
		return ret;
	ctx->bad = IOD_SMMUV3_C_BAD_CD;
	return -ENOENT;
}

static int emu_attach_stage1(struct emu_op *op, struct emu_ctx *ctx)
{
	struct iod_mem_nested_cfg nested = {
		.size = sizeof(nested),
		.stage2 = ctx->pt2,
		.tlb = op->emu->tlbs.tlb[1],
		.allocator = &op->emu->allocator,
	};
	int ret = 0;

	if (ctx->pt2)
		ret = iod_mem_create_nested(&ctx->nested, &nested);
	if (!ret)
		ret = emu_attach_half(op, ctx, false);
	if (!ret)
		ret = emu_attach_half(op, ctx, true);
	return ret;
}

static enum emu_mode emu_stream_mode(const struct emu_ctx *ctx)
{
	if (ctx->ste.config < IOD_SMMUV3_BYPASS)
		return EMU_ABORT;
	return STE_CONFIG_S2(ctx->ste.config) ? EMU_S2 : EMU_BYPASS;
}

/* @return 0 with ctx->mode; -EFAULT op->event; -ENOMEM */
static int emu_build(struct emu_op *op, struct emu_ctx *ctx)
{
	int ret = 0;

	ctx->mode = emu_stream_mode(ctx);
	if (ctx->mode == EMU_ABORT)
		return 0;
	if (ctx->mode == EMU_S2)
		ret = emu_attach_stage2(op, ctx);
	if (!ret && ctx->node.pasid == EMU_SSID_TRANSLATED)
		return 0;
	if (!ret)
		ret = emu_read_cd(op, ctx);
	if (ret == 1)
		return 0;
	if (!ret) {
		ctx->mode = EMU_S1;
		ret = emu_attach_stage1(op, ctx);
	}
	if (ret == -ENOENT) {
		ctx->mode = EMU_BAD;
		ret = 0;
	}
	return ret;
}

static int emu_new_ctx(struct emu_op *op, const struct iod_smmuv3_ste *ste)
{
	struct iod_smmuv3_emu *emu = op->emu;
	struct emu_ctx *ctx = iod_zalloc(&emu->allocator, sizeof(*ctx));
	int ret;

	if (!ctx)
		return -ENOMEM;
	ctx->node.source = op->req.source;
	ctx->node.pasid = emu_op_ssid(op);
	ctx->ste = *ste;
	op->ctx = ctx;
	ret = emu_build(op, ctx);
	if (ret) {
		op->ctx = NULL;
		iod_smmu_emu_destroy_ctx(emu, &ctx->node);
		return ret;
	}
	iod_emu_cache_insert(&emu->ctxs, &ctx->node);
	return 0;
}

/* What of the access the STE overrides. PRIVCFG, INSTCFG: 2 and 3 do; writes are never of instructions. */
static void emu_override(struct emu_op *op, const struct iod_smmuv3_ste *ste)
{
	bool can = op->emu->id.idr[1] & EMU_IDR1_ATTR_PERMS_OVR;

	op->s2r = ste->s2r;
	op->s2s = ste->s2s;
	if (can && ste->privcfg >= 2)
		op->access =
			(op->access & ~IOD_ACCESS_PRIV) | (ste->privcfg == 3 ? IOD_ACCESS_PRIV : 0);
	if (can && ste->instcfg >= 2)
		op->access =
			(op->access & ~IOD_ACCESS_EXEC) | (ste->instcfg == 3 ? IOD_ACCESS_EXEC : 0);
	if (op->access & IOD_ACCESS_WRITE)
		op->access &= ~IOD_ACCESS_EXEC;
}

int iod_smmu_emu_configure(struct emu_op *op)
{
	struct iod_smmuv3_emu *emu = op->emu;
	int64_t ssid = emu_op_ssid(op);
	struct emu_node *node = iod_emu_cache_find(&emu->ctxs, op->req.source, ssid);
	struct iod_smmuv3_event event = { 0 };
	const struct emu_ste *ste;
	int ret;

	if (node) {
		emu->stats.config_hits++;
		op->ctx = (struct emu_ctx *)node;
		emu_override(op, &op->ctx->ste);
	} else {
		ret = iod_smmu_emu_ste(emu, op->req.source, &ste, &event);
		if (!ret && ste->bad) {
			event.type = ste->bad;
			ret = -EFAULT;
		}
		if (ret) {
			iod_smmu_emu_event(op, event.type);
			op->event.fetch = event.fetch;
			return ret;
		}
		emu_override(op, &ste->ste);
		ret = emu_new_ctx(op, &ste->ste);
		if (ret)
			return ret;
	}
	op->ctx->node.refs++;
	if (op->ctx->mode != EMU_BAD)
		return 0;
	iod_smmu_emu_event(op, op->ctx->bad);
	return -EFAULT;
}
