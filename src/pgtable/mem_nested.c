/* SPDX-License-Identifier: MIT */
/*
 * Nested memory: its addresses are intermediate physical ones, which a stage-2 page table translates.
 *
 * Two ways through stage 2. The library's own lookups (nested_translate) follow it as it is in memory and
 * leave no trace. Hardware's (the functions of pt_defs.h) are accesses through an iotlb of stage 2, which
 * may answer from what it has cached, and sets Accessed and Dirty there.
 *
 * Hardware reads or changes a first-stage item while the iotlb holds the translation of its address. So an
 * invalidation of stage 2 finds every update that used the old one done, and none is done that stage 2 was
 * not told of before (docs/nested.md).
 */
#include <errno.h>

#include "pgtable/iotlb_stage2.h"
#include "pgtable/pt_defs.h"

struct mem_nested {
	struct iod_mem mem; /* first: the object is freed through it */
	struct iod_pgtable *stage2;
	struct iod_iotlb *tlb;
	struct iod_mem *memory; /* of stage 2's output addresses */
	uint32_t read_access;	/* what hardware asks stage 2 for, to read an entry */
};

/* ---- software's way ---- */

/* Host pointer of the part of [ipa, ipa + *len) that one stage-2 mapping holds, or NULL. */
static unsigned char *nested_piece(const struct mem_nested *n, uint64_t ipa, uint64_t *len,
				   bool write)
{
	uint32_t need = write ? PT_RW : IOD_PROT_READ;
	struct iod_mapping m;
	uint64_t off;

	if (iod_translate(n->stage2, ipa, &m) || (m.prot & need) != need)
		return NULL;
	off = ipa - m.iova;
	if (*len > m.len - off)
		*len = m.len - off;
	return iod_mem_ptr(n->memory, m.pa + off, *len, write);
}

static void *nested_translate(const struct iod_mem *mem, uint64_t ipa, uint64_t len, bool write)
{
	const struct mem_nested *n = (const struct mem_nested *)mem;
	unsigned char *host = NULL, *piece;
	uint64_t done, part;

	if (ipa % 8 || len - 1 > UINT64_MAX - ipa)
		return NULL;
	for (done = 0; done < len; done += part) {
		part = len - done;
		piece = nested_piece(n, ipa + done, &part, write);
		if (!piece || (done && piece != host + done))
			return NULL;
		if (!done)
			host = piece;
	}
	return host;
}

static int nested_alloc(struct iod_mem *mem, unsigned len_lg2, enum mem_class kind, uint64_t max_pa,
			bool zero, uint64_t *pa)
{
	return -EOPNOTSUPP;
}

static int nested_free(struct iod_mem *mem, uint64_t pa, unsigned len_lg2)
{
	return -EINVAL;
}

static void nested_destroy(struct iod_mem *mem)
{
	struct mem_nested *n = (struct mem_nested *)mem;

	iod_iotlb_stage2_put(n->tlb);
	iod_mem_put(n->memory);
	word_sub(&n->stage2->gathers, 1);
	iod_mem_fini(mem, sizeof(*n));
}

static const struct mem_backend nested_backend = {
	.translate = nested_translate,
	.alloc = nested_alloc,
	.free = nested_free,
	.destroy = nested_destroy,
};

/* ---- hardware's way ---- */

/* Stage 2 refused. */
static enum iod_fault_reason nested_refused(struct pt_hw_walk *w, const struct tlb_stage2 *s,
					    enum iod_fault_class cls)
{
	w->behind = s->fault;
	w->behind.stage = 2;
	w->behind.cls = cls;
	w->behind.ipa = s->ipa;
	w->behind.table_write = cls == IOD_FAULT_TABLE && s->set_dirty;
	return s->fault.reason;
}

/* An item of a first-stage table, under the lock of stage 2's iotlb. */
struct nested_item {
	const struct mem_nested *nested;
	uint64_t pa; /* where stage 2 says that it is */
	uint64_t old, pte;
	enum pt_hw_put put;
};

/* Stage 2 granted what is not there, or cannot be written. */
static enum iod_fault_reason nested_aborted(struct pt_hw_walk *w, const struct tlb_stage2 *s,
					    const struct nested_item *item)
{
	w->behind = (struct iod_fault){
		.reason = IOD_FAULT_WALK_ABORT,
		.stage = 1,
		.level = w->level,
		.pte_pa = item->pa,
		.cls = IOD_FAULT_TABLE,
		.ipa = s->ipa,
		.table_write = s->set_dirty,
	};
	return IOD_FAULT_WALK_ABORT;
}

static void nested_read_item(void *cookie, uint64_t pa)
{
	struct nested_item *item = cookie;
	const uint64_t *ptr = iod_mem_ptr(item->nested->memory, pa, sizeof(*ptr), false);

	item->pa = pa;
	item->put = ptr ? PT_HW_PUT : PT_HW_REFUSED;
	if (ptr)
		item->pte = item_load(ptr);
}

static void nested_write_item(void *cookie, uint64_t pa)
{
	struct nested_item *item = cookie;
	uint64_t *ptr = iod_mem_ptr(item->nested->memory, pa, sizeof(*ptr), true);

	item->pa = pa;
	if (!ptr)
		item->put = PT_HW_REFUSED;
	else
		item->put = item_cas(ptr, &item->old, item->pte) ? PT_HW_PUT : PT_HW_CHANGED;
}

enum iod_fault_reason iod_nested_load(const struct mem_nested *n, struct pt_hw_walk *w,
				      uint64_t ipa, uint64_t *pte)
{
	struct nested_item item = { .nested = n };
	struct tlb_stage2 s = {
		.ipa = ipa,
		.access = n->read_access,
		.use = nested_read_item,
		.cookie = &item,
	};

	if (iod_iotlb_stage2(n->tlb, n->stage2, &s))
		return nested_refused(w, &s, IOD_FAULT_TABLE);
	if (item.put == PT_HW_REFUSED)
		return nested_aborted(w, &s, &item);
	*pte = item.pte;
	return IOD_FAULT_NONE;
}

/* Stage 2 is marked first: then what changes under it is never unmarked (bits.md A1.11 rule 8). */
enum pt_hw_put iod_nested_put(const struct mem_nested *n, struct pt_hw_walk *w, uint64_t ipa,
			      uint64_t old, uint64_t pte)
{
	struct nested_item item = { .nested = n, .old = old, .pte = pte, .put = PT_HW_REFUSED };
	struct tlb_stage2 s = {
		.ipa = ipa,
		.access = IOD_ACCESS_WRITE,
		.set_dirty = true,
		.use = nested_write_item,
		.cookie = &item,
	};

	if (iod_iotlb_stage2(n->tlb, n->stage2, &s))
		nested_refused(w, &s, IOD_FAULT_TABLE);
	else if (item.put == PT_HW_REFUSED)
		nested_aborted(w, &s, &item);
	return item.put;
}

static enum iod_fault_reason nested_final(const struct mem_nested *n, struct pt_hw_walk *w,
					  bool set_dirty, struct tlb_stage2 *s)
{
	*s = (struct tlb_stage2){ .ipa = w->pa, .access = w->access, .set_dirty = set_dirty };
	if (iod_iotlb_stage2(n->tlb, n->stage2, s))
		return nested_refused(w, s, IOD_FAULT_INPUT);
	return IOD_FAULT_NONE;
}

enum iod_fault_reason iod_nested_check(const struct mem_nested *n, struct pt_hw_walk *w)
{
	struct tlb_stage2 s;

	return nested_final(n, w, false, &s);
}

enum iod_fault_reason iod_nested_output(const struct mem_nested *n, struct pt_hw_walk *w)
{
	enum iod_fault_reason reason;
	struct tlb_stage2 s;

	reason = nested_final(n, w, w->set_dirty, &s);
	if (reason != IOD_FAULT_NONE)
		return reason;
	w->pa = s.entry.pa + (w->pa - s.entry.iova);
	if (s.entry.lg2 < w->page_lg2)
		w->page_lg2 = s.entry.lg2;
	w->prot &= ~PT_RW | s.entry.prot;
	w->prot |= s.entry.prot & IOD_PROT_NOEXEC;
	/* A read-only page is not dirty here, nor need it be. */
	w->dirty = w->dirty && s.entry.dirty;
	return IOD_FAULT_NONE;
}

/* ---- creation ---- */

static int nested_check_cfg(struct iod_mem_nested_cfg *cfg)
{
	if (!cfg->stage2 || !cfg->tlb || cfg->stage2->mem->nested ||
	    (cfg->flags & ~IOD_MEM_NESTED_READ_WANTS_WRITE) || cfg->reserved)
		return -EINVAL;
	if (!cfg->memory)
		cfg->memory = cfg->stage2->mem;
	return cfg->memory->nested ? -EINVAL : 0;
}

int iod_mem_create_nested(struct iod_mem **out, const struct iod_mem_nested_cfg *user_cfg)
{
	struct iod_allocator allocator;
	struct iod_mem_nested_cfg cfg;
	struct mem_nested *n;
	int ret;

	if (!out)
		return -EINVAL;
	ret = iod_struct_in(&cfg, sizeof(cfg), user_cfg, sizeof(cfg));
	if (!ret)
		ret = nested_check_cfg(&cfg);
	if (!ret)
		ret = iod_allocator_init(&allocator, cfg.allocator);
	if (!ret)
		ret = iod_iotlb_stage2_get(cfg.tlb);
	if (ret)
		return ret;
	n = iod_zalloc(&allocator, sizeof(*n));
	if (!n) {
		iod_iotlb_stage2_put(cfg.tlb);
		return -ENOMEM;
	}
	n->mem.allocator = allocator;
	if (iod_mem_init(&n->mem, &nested_backend, UINT64_MAX)) {
		iod_zfree(&allocator, n, sizeof(*n));
		iod_iotlb_stage2_put(cfg.tlb);
		return -ENOMEM;
	}
	n->mem.nested = n;
	n->stage2 = cfg.stage2;
	n->tlb = cfg.tlb;
	n->memory = cfg.memory;
	n->read_access = IOD_ACCESS_READ;
	if (cfg.flags & IOD_MEM_NESTED_READ_WANTS_WRITE)
		n->read_access |= IOD_ACCESS_WRITE;
	iod_mem_get(cfg.memory);
	word_add(&cfg.stage2->gathers, 1);
	*out = &n->mem;
	return 0;
}
