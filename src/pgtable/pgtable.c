/* SPDX-License-Identifier: MIT */
/* iod_pgtable: creation, attaching, destruction, addresses, and the way into the vtable. */
#include <errno.h>

#include "kernels.h"

#include "pgtable/pt_defs.h"

#define PT_KNOWN_FEATURES                                                             \
	(IOD_PT_HW_ACCESS | IOD_PT_HW_DIRTY | IOD_PT_HW_TABLE_ACCESS | IOD_PT_UPPER | \
	 IOD_PT_LPAE32 | IOD_PT_SMALL | IOD_PT_S2FWB | IOD_PT_BBM_1 | IOD_PT_BBM_2 |  \
	 IOD_PT_NO_ACCESS_FAULT)

/* ---- addresses ---- */

uint64_t iod_pt_offset(const struct iod_pgtable *pt, uint64_t x)
{
	uint64_t above = low_mask(pt->space_lg2) & ~pt->x_mask;

	if (pt->half == PT_LOWER || (pt->half == PT_CANONICAL && !(x >> (pt->ias - 1))))
		return 0;
	return above;
}

int iod_pt_range(const struct iod_pgtable *pt, uint64_t iova, uint64_t len, struct pt_range *r)
{
	uint64_t last = iova + (len - 1);

	if (!len)
		return iod_refuse(pt->mem, -EINVAL, "len: 0");
	if (!is_aligned(iova, pt->min_lg2))
		return iod_refuse(pt->mem, -EINVAL, "iova: not a multiple of the smallest page");
	if (!is_aligned(len, pt->min_lg2))
		return iod_refuse(pt->mem, -EINVAL, "len: not a multiple of the smallest page");
	if (last < iova)
		return iod_refuse(pt->mem, -ERANGE, "len: the range exceeds 2^64");
	if (iod_pt_address(pt, iova, &r->first))
		return iod_refuse(pt->mem, -ERANGE, "iova: outside the input range");
	if (iod_pt_address(pt, last, &r->last) || r->last - r->first != len - 1)
		return iod_refuse(pt->mem, -ERANGE, "len: the range ends outside the input range");
	r->off = iova - r->first;
	return 0;
}

/* ---- creation ---- */

static int pt_config(struct iod_pgtable_cfg *cfg, const struct iod_pgtable_cfg *user,
		     uint32_t known_flags, const struct pt_engine **engine)
{
	int ret =
		iod_struct_in(cfg, sizeof(*cfg), user, offsetof(struct iod_pgtable_cfg, reserved));

	if (ret)
		return ret;
	if (!cfg->mem)
		return -EINVAL;
	if (cfg->features & ~PT_KNOWN_FEATURES)
		return iod_refuse(cfg->mem, -EINVAL, "features: unknown bit");
	if (cfg->flags & ~known_flags)
		return iod_refuse(cfg->mem, -EINVAL, "flags: unknown bit");
	if (!iod_format_name(cfg->format))
		return iod_refuse(cfg->mem, -EINVAL, "format: unknown");
	if (cfg->kernels && !iod_kernels_by_name(cfg->kernels))
		return iod_refuse(cfg->mem, -EOPNOTSUPP, "kernels: not on this CPU");
	*engine = iod_pt_engine(cfg->format, cfg->granule);
	return *engine ? 0 : iod_refuse(cfg->mem, -EOPNOTSUPP, "format: not compiled in");
}

/* Sizes of leaves that take one item, at whatever level: every table of a format indexes alike. */
static uint64_t pt_item_sizes(const struct iod_pgtable *pt)
{
	unsigned shift = pt->granule_lg2;
	uint64_t sizes = 0;

	for (; shift < 64; shift += pt->granule_lg2 - 3u)
		sizes |= BIT64(shift);
	return sizes;
}

/* A page table without tables yet. */
static int pt_new(struct iod_pgtable **out, const struct iod_pgtable_cfg *cfg,
		  const struct pt_engine *engine, unsigned *top_level)
{
	struct iod_pgtable *pt = iod_mem_zalloc(cfg->mem, sizeof(*pt));
	int ret;

	if (!pt)
		return -ENOMEM;
	pt->ops = engine->ops;
	pt->engine = engine;
	pt->mem = cfg->mem;
	pt->kernels = cfg->kernels ? iod_kernels_by_name(cfg->kernels) : iod_kernels_best();
	pt->domain = cfg->domain;
	pt->features = cfg->features;
	if (pt->features & IOD_PT_HW_DIRTY)
		pt->features |= IOD_PT_HW_ACCESS;
	ret = engine->init(pt, cfg, top_level);
	if (ret)
		iod_refuse(
			pt->mem, ret,
			"features, mair, granule, ias, oas, levels: not of this format, or not together");
	if (!ret) {
		pt->x_mask = low_mask(pt->ias);
		pt->slot_lg2 = (uint8_t)(2 * pt->granule_lg2 - 3);
		pt->sign_mask = ~(pt->half == PT_CANONICAL ? pt->x_mask >> 1 : pt->x_mask);
		pt->sign = pt->half == PT_UPPER ? low_mask(pt->space_lg2) & ~pt->x_mask : 0;
		pt->max_pa = low_mask(pt->oas);
		pt->pgsize_bitmap = engine->page_sizes(pt, *top_level, cfg->pgsize_bitmap);
		if (!pt->pgsize_bitmap)
			ret = iod_refuse(pt->mem, -EINVAL, "pgsize_bitmap: no size of the format");
	}
	if (ret) {
		iod_mem_zfree(cfg->mem, pt, sizeof(*pt));
		return ret;
	}
	pt->min_lg2 = (uint8_t)ctz64(pt->pgsize_bitmap);
	pt->sizes_mixed = !is_pow2(pt->pgsize_bitmap);
	pt->has_runs = pt->pgsize_bitmap & ~pt_item_sizes(pt);
	*out = pt;
	return 0;
}

#define LEAF_SLOTS_MAX (UINT64_C(1) << 24) /* 32 TiB in 4 KiB pages */

/* All tables are ours and in an arena: they can be reached without checks, and leaf tables be indexed. */
static void pt_make_direct(struct iod_pgtable *pt)
{
	uint64_t slots = (pt->x_mask >> pt->slot_lg2) + 1;

	pt->direct = (uintptr_t)pt->mem->window - (uintptr_t)pt->mem->base_pa;
	/* The root may be a leaf table. */
	if (pt->mem->notes)
		*iod_mem_note(pt->mem, pt_get_top(pt).pa) = (struct mem_leaf_note){ 0 };
	if (sizeof(void *) < 8 || !pt->mem->notes)
		return;
	if (slots > LEAF_SLOTS_MAX)
		slots = LEAF_SLOTS_MAX;
	pt->leaf_index = iod_mem_reserve(slots * sizeof(uint64_t));
	if (pt->leaf_index)
		pt->leaf_slots = slots;
	if (pt->leaf_slots && pt->min_lg2 == pt->granule_lg2)
		pt->one_page = BIT64(pt->min_lg2);
}

int iod_pgtable_create(struct iod_pgtable **out, const struct iod_pgtable_cfg *user)
{
	const struct pt_engine *engine;
	struct iod_pgtable_cfg cfg;
	struct iod_pgtable *pt;
	unsigned top_level, lg2;
	uint64_t root;
	int ret;

	if (!out)
		return -EINVAL;
	ret = pt_config(&cfg, user, 0, &engine);
	if (!ret)
		ret = pt_new(&pt, &cfg, engine, &top_level);
	if (ret)
		return ret;
	lg2 = engine->table_lg2(pt, top_level, top_level);
	ret = iod_mem_table_alloc(pt->mem, lg2, MEM_UPPER, pt->max_pa, true, &root);
	if (ret) {
		iod_mem_zfree(pt->mem, pt, sizeof(*pt));
		return -ENOMEM;
	}
	pt->owned = true;
	pt->top = root | top_level;
	if (pt->mem->window)
		pt_make_direct(pt);
	pt->tables = 1;
	pt->table_bytes = BIT64(lg2);
	iod_mem_get(pt->mem);
	*out = pt;
	return 0;
}

static int pt_attach_root(struct iod_pgtable *pt, uint64_t root, unsigned top_level, uint32_t flags)
{
	unsigned lg2 = pt->engine->table_lg2(pt, top_level, top_level), align = lg2;
	bool adopt = flags & IOD_ATTACH_ADOPT;
	/* Nested memory may get there later: it is hardware that finds out. */
	bool any_root = !adopt && (pt->mem->nested || (flags & IOD_ATTACH_ANY_ROOT));

	if (align < pt->engine->root_align_lg2)
		align = pt->engine->root_align_lg2;
	if (!is_aligned(root, align))
		return iod_refuse(pt->mem, -EINVAL, "root: misaligned");
	if (root > pt->max_pa)
		return iod_refuse(pt->mem, -ERANGE, "root: outside the output range");
	if (!any_root && !iod_mem_ptr(pt->mem, root, BIT64(lg2), adopt))
		return iod_refuse(pt->mem, -EFAULT, "root: unreadable");
	pt->top = root | top_level;
	pt->attached = true;
	pt->sizes_mixed = true;
	pt->has_runs = true;
	if (!adopt)
		return 0;
	pt->owned = true;
	return pt->engine->adopt(pt);
}

int iod_pgtable_attach(struct iod_pgtable **out, const struct iod_pgtable_cfg *user, uint64_t root)
{
	const struct pt_engine *engine;
	struct iod_pgtable_cfg cfg;
	struct iod_pgtable *pt;
	unsigned top_level;
	int ret;

	if (!out)
		return -EINVAL;
	ret = pt_config(&cfg, user, IOD_ATTACH_ADOPT | IOD_ATTACH_ANY_ROOT, &engine);
	if (!ret && engine->grows && !cfg.levels)
		ret = iod_refuse(cfg.mem, -EINVAL, "levels: must be given to attach this format");
	if (!ret && !(~cfg.flags & (IOD_ATTACH_ADOPT | IOD_ATTACH_ANY_ROOT)))
		ret = iod_refuse(cfg.mem, -EINVAL, "flags: what is adopted must be there");
	if (!ret)
		ret = pt_new(&pt, &cfg, engine, &top_level);
	if (ret)
		return ret;
	ret = pt_attach_root(pt, root, top_level, cfg.flags);
	if (ret) {
		iod_mem_zfree(pt->mem, pt, sizeof(*pt));
		return ret;
	}
	iod_mem_get(pt->mem);
	*out = pt;
	return 0;
}

int iod_pgtable_destroy(struct iod_pgtable *pt)
{
	struct iod_mem *mem;
	struct pt_top top;

	if (!pt)
		return -EINVAL;
	if (word_load(&pt->gathers))
		return -EBUSY;
	mem = pt->mem;
	top = pt_get_top(pt);
	if (pt->owned)
		pt->engine->free_subtree(pt, top.pa, top.level, top.level);
	iod_mem_unreserve(pt->leaf_index, pt->leaf_slots * sizeof(uint64_t));
	iod_mem_zfree(mem, pt, sizeof(*pt));
	iod_mem_put(mem);
	return 0;
}

/* ---- getters ---- */

int iod_pgtable_get_info(const struct iod_pgtable *pt, struct iod_pgtable_info *user)
{
	struct iod_pgtable_info info = { 0 };

	if (!pt || !user)
		return -EINVAL;
	info.format = pt->ops->format;
	info.features = pt->features;
	info.pgsize_bitmap = pt->pgsize_bitmap;
	info.domain = pt->domain;
	info.first = pt->half == PT_UPPER ? iod_pt_offset(pt, 0) : 0;
	info.last = pt->x_mask + iod_pt_offset(pt, pt->x_mask);
	if (pt->half == PT_CANONICAL) {
		info.hole_first = BIT64(pt->ias - 1);
		info.hole_last = ~low_mask(pt->ias - 1u) - 1;
	}
	info.ias = pt->ias;
	info.oas = pt->oas;
	info.levels = pt_get_top(pt).level + 1;
	info.granule_lg2 = pt->granule_lg2;
	info.tables = word_load(&pt->tables);
	info.table_bytes = word_load(&pt->table_bytes);
	return iod_struct_out(user, &info, sizeof(info), sizeof(info));
}

const struct iod_pgtable_ops *iod_pgtable_get_ops(const struct iod_pgtable *pt)
{
	return pt ? pt->ops : NULL;
}

/* ---- into the vtable: every format fills every slot, and the slots check their arguments ---- */

int iod_map(struct iod_pgtable *pt, uint64_t iova, uint64_t pa, uint64_t len, uint32_t prot,
	    struct iod_gather *gather, uint64_t *done)
{
	if (!pt)
		return -EINVAL;
	return pt->ops->map(pt, iova, pa, len, prot, gather, done);
}

int iod_unmap(struct iod_pgtable *pt, uint64_t iova, uint64_t len, uint32_t flags,
	      struct iod_gather *gather, uint64_t *done)
{
	if (!pt)
		return -EINVAL;
	return pt->ops->unmap(pt, iova, len, flags, gather, done);
}

int iod_unmap_dirty(struct iod_pgtable *pt, struct iod_unmap_dirty *unmap)
{
	if (!pt)
		return -EINVAL;
	return pt->ops->unmap_dirty ? pt->ops->unmap_dirty(pt, unmap) : -EOPNOTSUPP;
}

int iod_split_range(struct iod_pgtable *pt, struct iod_resize *split)
{
	if (!pt)
		return -EINVAL;
	return pt->ops->split_range ? pt->ops->split_range(pt, split) : -EOPNOTSUPP;
}

int iod_merge_range(struct iod_pgtable *pt, struct iod_resize *merge)
{
	if (!pt)
		return -EINVAL;
	return pt->ops->merge_range ? pt->ops->merge_range(pt, merge) : -EOPNOTSUPP;
}

int iod_translate(const struct iod_pgtable *pt, uint64_t iova, struct iod_mapping *out)
{
	if (!pt)
		return -EINVAL;
	return pt->ops->translate(pt, iova, out);
}

int iod_iova_to_phys(const struct iod_pgtable *pt, uint64_t iova, uint64_t *pa)
{
	if (!pt)
		return -EINVAL;
	return pt->ops->iova_to_phys(pt, iova, pa);
}

int iod_visit(const struct iod_pgtable *pt, struct iod_visit *visit)
{
	if (!pt)
		return -EINVAL;
	return pt->ops->visit(pt, visit);
}

int iod_pgtable_get_hw_info(const struct iod_pgtable *pt, struct iod_hw_info *info)
{
	if (!pt)
		return -EINVAL;
	return pt->ops->hw_info(pt, info);
}
