/* SPDX-License-Identifier: MIT */
/* The emulated IOMMUs: what they share. See emu_core.h. */
#include "emu_core.h"

#include <errno.h>

#include "atomic.h"

#define EMU_ACCESS    (IOD_ACCESS_READ | IOD_ACCESS_WRITE | IOD_ACCESS_EXEC | IOD_ACCESS_PRIV)
#define EMU_FLAGS     (IOD_EMU_REQ_ATS | IOD_EMU_REQ_TRANSLATED)
#define EMU_PASID_MAX 0xfffffu

/* ---- translation caches ---- */

static int tlbs_new(const struct iod_allocator *allocator, const struct iod_iotlb_cfg *user,
		    uint32_t flags, struct iod_iotlb **out)
{
	struct iod_iotlb_cfg cfg = { 0 };
	int ret = 0;

	if (user)
		ret = iod_struct_in(&cfg, sizeof(cfg), user, sizeof(cfg));
	if (!ret && (cfg.flags & IOD_IOTLB_ATC))
		ret = -EINVAL;
	if (ret)
		return ret;
	cfg.size = sizeof(cfg);
	cfg.flags |= flags;
	if (!cfg.allocator)
		cfg.allocator = allocator;
	return iod_iotlb_create(out, &cfg);
}

int iod_emu_tlbs_init(struct emu_tlbs *tlbs, const struct iod_allocator *allocator,
		      const struct iod_iotlb_cfg *s1, const struct iod_iotlb_cfg *s2)
{
	const struct iod_iotlb_cfg *user[2] = { s1, s2 };
	unsigned int i;
	int ret = 0;

	for (i = 0; i < 2 && !ret; i++) {
		ret = tlbs_new(allocator, user[i], 0, &tlbs->tlb[i]);
		if (!ret)
			ret = tlbs_new(allocator, user[i], IOD_IOTLB_ATC, &tlbs->ats[i]);
	}
	return ret;
}

void iod_emu_tlbs_fini(struct emu_tlbs *tlbs)
{
	unsigned int i;

	for (i = 0; i < 2; i++) {
		if (tlbs->ats[i])
			iod_iotlb_destroy(tlbs->ats[i]);
		if (tlbs->tlb[i])
			iod_iotlb_destroy(tlbs->tlb[i]);
	}
}

/*
 * Stage 2 first: what a stage-1 walk that is under way reads from it afterwards is fresh, and what it read before
 * ends up in a stage-1 cache before that is invalidated.
 */
void iod_emu_tlbs_obey(struct emu_tlbs *tlbs, const struct iod_cmd_effect *effect)
{
	if (effect->nr_s2) {
		iod_iotlb_invalidate(tlbs->tlb[1], effect->s2, effect->nr_s2);
		iod_iotlb_invalidate(tlbs->ats[1], effect->s2, effect->nr_s2);
	}
	if (effect->nr_s1) {
		iod_iotlb_invalidate(tlbs->tlb[0], effect->s1, effect->nr_s1);
		iod_iotlb_invalidate(tlbs->ats[0], effect->s1, effect->nr_s1);
	}
}

void iod_emu_tlbs_drop(struct emu_tlbs *tlbs)
{
	const struct iod_cmd_effect all = {
		.nr_s1 = 1,
		.nr_s2 = 1,
		.s1 = { { .kind = IOD_INV_ALL } },
		.s2 = { { .kind = IOD_INV_ALL } },
	};

	iod_emu_tlbs_obey(tlbs, &all);
}

/* ---- one access ---- */

int iod_emu_req_in(struct iod_emu_req *req, const struct iod_emu_req *user)
{
	int ret = iod_struct_in(req, sizeof(*req), user, sizeof(*req));

	if (ret)
		return ret;
	if ((req->access & ~EMU_ACCESS) || (req->flags & ~EMU_FLAGS) || req->flags == EMU_FLAGS ||
	    (req->pasid_valid && req->pasid > EMU_PASID_MAX) ||
	    !(req->access & (IOD_ACCESS_READ | IOD_ACCESS_WRITE)))
		return -EINVAL;
	return 0;
}

int iod_emu_check_dma(const struct iod_emu_req *req, uint64_t len,
		      int (*move)(void *cookie, uint64_t pa, uint64_t len, uint64_t offset))
{
	if (!len || !move || (req->flags & IOD_EMU_REQ_ATS))
		return -EINVAL;
	return req->iova + (len - 1) < req->iova ? -ERANGE : 0;
}

int iod_emu_translate(struct emu_way *way, uint32_t access, struct iod_emu_result *result)
{
	struct iod_access_result got;
	int ret = iod_iotlb_access(way->tlb, way->pt, way->addr, access, &got, &way->fault);

	if (ret)
		return ret;
	result->pa = got.pa;
	result->len = got.len;
	result->prot = got.prot;
	return 0;
}

void iod_emu_untranslated(const struct emu_way *way, uint64_t last, struct iod_emu_result *result)
{
	result->pa = way->addr;
	result->len = last - way->addr + 1;
	result->prot = IOD_PROT_READ | IOD_PROT_WRITE;
}

int iod_emu_translate_ats(struct emu_way *way, uint32_t access, struct iod_emu_result *result)
{
	uint32_t priv = way->ask & IOD_ACCESS_PRIV;
	int ret = -EFAULT;

	way->fault.reason = IOD_FAULT_PERMISSION;
	if (access & IOD_ACCESS_WRITE)
		ret = iod_emu_translate(way, IOD_ACCESS_READ | IOD_ACCESS_WRITE | priv, result);
	if (ret == -EFAULT && way->fault.reason == IOD_FAULT_PERMISSION)
		ret = iod_emu_translate(way, IOD_ACCESS_READ | priv, result);
	if (ret == -EFAULT && way->fault.reason == IOD_FAULT_PERMISSION &&
	    (access & IOD_ACCESS_WRITE))
		ret = iod_emu_translate(way, IOD_ACCESS_WRITE | priv, result);
	return ret;
}

static int dma_move(void *cookie, uint64_t pa, uint64_t len, uint64_t offset)
{
	struct emu_dma *dma = cookie;

	dma->moved = dma->move(dma->cookie, pa, len, dma->base + offset);
	return dma->moved;
}

/* What need not be looked at piece by piece, in one go. */
static int dma_pieces(struct emu_dma *dma, uint64_t len)
{
	struct emu_way *way = dma->way;
	uint64_t done = 0;
	int ret;

	dma->base = dma->off;
	if (!way->pt) {
		ret = dma_move(dma, way->addr + dma->off, len, 0);
		done = ret ? 0 : len;
	} else {
		ret = iod_iotlb_dma(way->tlb, way->pt, way->addr + dma->off, len, way->ask,
				    dma_move, dma, &done, &way->fault);
	}
	dma->off += done;
	return ret;
}

int iod_emu_dma(struct emu_dma *dma)
{
	uint64_t len, page;
	int ret = 0;

	if (!dma->check)
		return dma_pieces(dma, dma->len);
	while (!ret && dma->off < dma->len) {
		ret = dma->check(dma->owner, dma->off);
		if (ret)
			return ret;
		len = dma->len - dma->off;
		page = 4096 - ((dma->way->addr + dma->off) & 4095);
		ret = dma_pieces(dma, len < page ? len : page);
	}
	return ret;
}

/* ---- memory ---- */

bool iod_emu_fetch(const struct iod_mem *mem, uint64_t pa, uint64_t *words, unsigned int nr)
{
	const uint64_t *from;
	unsigned int i;
	void *host;

	if (iod_mem_host_ptr(mem, pa, (uint64_t)nr * 8, false, &host))
		return false;
	from = host;
	for (i = 0; i < nr; i++)
		words[i] = word_load(&from[i]);
	return true;
}

int iod_emu_write32(const struct iod_mem *mem, uint64_t addr, uint32_t data)
{
	uint32_t le = (uint32_t)(iod_le64(data) >> (iod_le64(1) == 1 ? 0 : 32));
	void *host;

	if (!is_aligned(addr, 2) || iod_mem_host_ptr(mem, align_down(addr, 3), 8, true, &host))
		return -EFAULT;
	__atomic_store_n((uint32_t *)host + (addr >> 2 & 1), le, __ATOMIC_RELEASE);
	return 0;
}

/* ---- consuming ---- */

int iod_emu_run(struct emu_runner *runner, pthread_mutex_t *lock,
		int (*consume)(void *cookie, uint32_t budget), void *cookie, uint32_t budget)
{
	int ret = 0;

	runner->kicked = true;
	if (runner->running)
		return 0;
	runner->running = true;
	while (runner->kicked && !ret) {
		runner->kicked = false;
		pthread_mutex_unlock(lock);
		ret = consume(cookie, budget);
		pthread_mutex_lock(lock);
	}
	runner->running = false;
	return ret;
}

/* ---- registers ---- */

const struct emu_reg *iod_emu_reg_find(const struct emu_reg *regs, size_t nr, uint64_t offset)
{
	size_t i;

	for (i = 0; i < nr; i++) {
		if (offset >= regs[i].offset && offset - regs[i].offset < regs[i].bytes)
			return &regs[i];
	}
	return NULL;
}

uint32_t iod_emu_reg_read(const struct emu_reg *reg, const void *file, uint64_t offset)
{
	const void *field = (const char *)file + reg->field;

	if (reg->bytes == 4)
		return __atomic_load_n((const uint32_t *)field, __ATOMIC_ACQUIRE);
	return (uint32_t)(word_load(field) >> (offset & 4 ? 32 : 0));
}

void iod_emu_reg_write(const struct emu_reg *reg, void *file, uint64_t offset, uint32_t word,
		       uint64_t mask)
{
	unsigned int shift = reg->bytes == 8 && offset & 4 ? 32 : 0;
	uint64_t v = (uint64_t)word << shift, half = (uint64_t)UINT32_MAX << shift;
	uint64_t set = mask & half, clear = v & half & reg->w1c, old, new;
	void *field = (char *)file + reg->field;
	uint32_t was, is;

	if (reg->bytes == 4) {
		was = __atomic_load_n((uint32_t *)field, __ATOMIC_ACQUIRE);
		do {
			is = (uint32_t)(((was & ~set) | (v & set)) & ~clear);
		} while (!__atomic_compare_exchange_n((uint32_t *)field, &was, is, false,
						      __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE));
		return;
	}
	old = word_load(field);
	do {
		new = ((old & ~set) | (v & set)) & ~clear;
	} while (!word_cas(field, &old, new));
}
