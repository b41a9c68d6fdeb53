/* SPDX-License-Identifier: MIT */
/*
 * A whole emulated SMMU under a guest that writes any register, any memory and
 * any command, and devices that access. Whatever was done: what is returned fits
 * together; and at last, after a reset, one access ends as the model says.
 *
 * Input: operations, a byte and its arguments each; the last access made is the
 * one that is compared.
 */
#include <errno.h>
#include <stdlib.h>

#include <iodirty/smmuv3_emu.h>

#include "fuzz/fuzz.h"
#include "mdl_smmu.h"

#define WORDS	 8192u /* 64 KiB at address 0 */
#define MAX_OPS	 200
#define CMDQ	 0xb000u /* where the corpus has its rings, of 16 entries */
#define EVTQ	 0xc000u
#define PRIQ	 0xd000u
#define RING_LG2 4u

enum { OP_WORD, OP_REG32, OP_REG64, OP_READ, OP_ACCESS, OP_RUN, OP_PAGE, OP_CMD, OP_DMA, OPS };
enum { ACC_WRITE = 1, ACC_SSV = 2, ACC_PRIV = 4, ACC_ATS = 8, ACC_TRANSLATED = 16 };

struct world {
	uint64_t word[WORDS];
	struct iod_mem *mem;
	struct iod_smmuv3_emu *emu;
	struct mdl_smmu_access last;
	bool any;
};

static const uint32_t registers[] = {
	0x00, 0x04, 0x0c, 0x14, 0x20,	 0x24,	  0x28,	   0x2c,    0x44, 0x50,
	0x60, 0x64, 0x68, 0x70, 0x74,	 0x80,	  0x88,	   0x90,    0x98, 0x9c,
	0xa0, 0xb0, 0xc0, 0xd0, 0x100a8, 0x100ac, 0x100c8, 0x100cc,
};
#define NR_REGISTERS (sizeof(registers) / sizeof(registers[0]))

/* ---- corpus ---- */

static unsigned reg_index(uint32_t offset)
{
	unsigned i = 0;

	while (registers[i] != offset)
		i++;
	return i;
}

static uint8_t *put_word(uint8_t *at, unsigned pa, uint64_t v)
{
	at = fuzz_put(at, OP_WORD, 1);
	return fuzz_put(fuzz_put(at, pa / 8, 2), v, 8);
}

static uint8_t *put_reg(uint8_t *at, uint32_t offset, unsigned bytes, uint64_t v)
{
	at = fuzz_put(at, bytes == 4 ? OP_REG32 : OP_REG64, 1);
	return fuzz_put(fuzz_put(at, reg_index(offset), 1), v, bytes);
}

static uint8_t *put_access(uint8_t *at, unsigned sid, unsigned flags, uint64_t iova)
{
	at = fuzz_put(at, OP_ACCESS, 1);
	at = fuzz_put(fuzz_put(at, sid, 1), flags, 1);
	return fuzz_put(fuzz_put(at, 3, 1), iova, 8);
}

static uint8_t *put_cmd(uint8_t *at, uint64_t w0, uint64_t w1)
{
	at = fuzz_put(at, OP_CMD, 1);
	return fuzz_put(fuzz_put(at, w0, 8), w1, 8);
}

/* As in fuzz_ste_walk.c: streams 1 S1, 2 S2, 3 nested, 4 with substreams */
static uint8_t *put_tables(uint8_t *at)
{
	const uint64_t st2 = UINT64_C(0x058d355900000001), cd = UINT64_C(0x00076e05c0000019);
	unsigned i;

	at = put_word(at, 0x20c0, cd);
	at = put_word(at, 0x20c8, 0x3000);
	at = put_word(at, 0x2000, cd);
	at = put_word(at, 0x2008, 0x3000);
	at = put_word(at, 0x3000, 0x4003);
	at = put_word(at, 0x4000, 0x5003);
	at = put_word(at, 0x5018, UINT64_C(0x0008000000006fc7)); /* writable-clean */
	at = put_word(at, 0x5020, 0x6fc7);
	at = put_word(at, 0x8000, 0x9003);
	at = put_word(at, 0x9000, 0xa003);
	for (i = 0; i < 8; i++)
		at = put_word(at, 0xa000 + 8 * i, i << 12 | UINT64_C(0x000800000000077f));
	at = put_word(at, 0x1040, 0x200b);
	at = put_word(at, 0x1080, 0xd);
	at = put_word(at, 0x10c0, 0x200f);
	at = put_word(at, 0x1100, UINT64_C(0x100000000000200b));
	for (i = 2; i < 4; i++) {
		at = put_word(at, 0x1000 + 64 * i + 16, st2);
		at = put_word(at, 0x1000 + 64 * i + 24, 0x8000);
	}
	return at;
}

size_t fuzz_seed(unsigned n, uint8_t *buf, size_t max)
{
	uint8_t *at = buf;

	(void)max;
	if (n > 7)
		return 0;
	at = put_tables(at);
	at = put_reg(at, 0x80, 8, 0x1000);
	at = put_reg(at, 0x88, 4, 4);
	at = put_reg(at, 0x90, 8, CMDQ | RING_LG2);
	at = put_reg(at, 0xa0, 8, EVTQ | RING_LG2);
	at = put_reg(at, 0xc0, 8, PRIQ | RING_LG2);
	at = put_reg(at, 0x2c, 4, 2);
	at = put_reg(at, 0x20, 4, 0xf);
	at = put_access(at, 1 + n % 4, n & 4 ? ACC_WRITE : 0, 0x3456);
	if (n == 3)
		at = put_access(at, 4, ACC_SSV, 0x3456);
	at = put_cmd(at, UINT64_C(0x0000000100000003), 1);
	at = put_cmd(at, 0x30, 0);
	at = put_cmd(at, 0x46, 0);
	at = put_access(at, 1 + n % 4, ACC_WRITE, n & 1 ? 0x3456 : 0x4456);
	return (size_t)(at - buf);
}

/* ---- operations ---- */

static void put_le(struct world *w, unsigned at, uint64_t v)
{
	fuzz_put((uint8_t *)&w->word[at % WORDS], v, 8);
}

static uint64_t mmio(struct world *w, uint64_t offset, unsigned len, bool write, uint64_t v)
{
	FUZZ_CHECK(!iod_smmuv3_emu_mmio(w->emu, offset, len, write, &v));
	return v;
}

/* What comes back fits together. */
static void fits(int ret, const struct iod_emu_result *res, const struct iod_smmuv3_event *e)
{
	struct iod_smmuv3_raw_event raw;

	FUZZ_CHECK(ret == 0 || ret == -EFAULT || ret == -EAGAIN || ret == -EBUSY);
	if (!ret)
		FUZZ_CHECK(res->outcome == IOD_EMU_DONE);
	if (ret == -EAGAIN)
		FUZZ_CHECK(res->outcome == IOD_EMU_STALLED && e->stall);
	if (ret == -EFAULT)
		FUZZ_CHECK(res->outcome != IOD_EMU_DONE && res->outcome != IOD_EMU_STALLED);
	if (e->type)
		FUZZ_CHECK(iod_smmuv3_event_name(e->type) && !iod_smmuv3_event_encode(&raw, e));
	FUZZ_CHECK(!res->recorded || e->type);
}

static int access(struct world *w, const struct mdl_smmu_access *a, unsigned flags,
		  struct iod_emu_result *res, struct iod_smmuv3_event *e)
{
	struct iod_emu_req req = {
		.size = sizeof(req),
		.source = a->sid,
		.pasid = a->ssid,
		.pasid_valid = a->ssv,
		.access = (a->write ? IOD_ACCESS_WRITE : IOD_ACCESS_READ) |
			  (a->priv ? IOD_ACCESS_PRIV : 0),
		.flags = flags,
		.iova = a->iova,
	};
	int ret;

	*res = (struct iod_emu_result){ .size = sizeof(*res) };
	ret = iod_smmuv3_emu_access(w->emu, &req, res, e);
	fits(ret, res, e);
	return ret;
}

static struct mdl_smmu_access take_access(struct world *w, struct fuzz_in *in, unsigned *flags)
{
	unsigned sid = (unsigned)fuzz_take(in, 1), bits = (unsigned)fuzz_take(in, 1);
	struct mdl_smmu_access a = { .sid = sid };

	a.ssid = (uint32_t)fuzz_take(in, 1);
	a.iova = fuzz_take(in, 8);
	a.write = bits & ACC_WRITE;
	a.ssv = bits & ACC_SSV;
	a.priv = bits & ACC_PRIV;
	if (!a.ssv)
		a.ssid = 0;
	*flags = (bits & ACC_ATS ? IOD_EMU_REQ_ATS : 0) |
		 (bits & ACC_TRANSLATED && !(bits & ACC_ATS) ? IOD_EMU_REQ_TRANSLATED : 0);
	w->last = a;
	w->any = true;
	return a;
}

static void op_access(struct world *w, struct fuzz_in *in)
{
	struct iod_smmuv3_event e;
	struct iod_emu_result res;
	struct mdl_smmu_access a;
	unsigned flags;

	a = take_access(w, in, &flags);
	access(w, &a, flags, &res, &e);
}

static int move(void *cookie, uint64_t pa, uint64_t len, uint64_t offset)
{
	uint64_t *moved = cookie;

	(void)pa;
	FUZZ_CHECK(offset == *moved && len);
	*moved += len;
	return 0;
}

static void op_dma(struct world *w, struct fuzz_in *in)
{
	struct iod_emu_result res = { .size = sizeof(res) };
	uint64_t moved = 0, done = 0, len = fuzz_take(in, 2);
	struct iod_emu_req req = { .size = sizeof(req) };
	struct iod_smmuv3_event e;
	struct mdl_smmu_access a;
	unsigned flags;
	int ret;

	a = take_access(w, in, &flags);
	req.source = a.sid;
	req.pasid = a.ssid;
	req.pasid_valid = a.ssv;
	req.access = a.write ? IOD_ACCESS_WRITE : IOD_ACCESS_READ;
	req.iova = a.iova;
	ret = iod_smmuv3_emu_dma(w->emu, &req, len, move, &moved, &done, &res, &e);
	FUZZ_CHECK(done == moved && done <= len);
	FUZZ_CHECK(ret || done == len);
}

static void op_page(struct world *w, struct fuzz_in *in)
{
	struct iod_smmuv3_raw_pri raw;
	struct iod_smmuv3_pri pri;
	unsigned i;
	int ret;

	for (i = 0; i < 2; i++)
		fuzz_put((uint8_t *)&raw.word[i], fuzz_take(in, 8), 8);
	FUZZ_CHECK(!iod_smmuv3_pri_decode(&pri, &raw, NULL));
	ret = iod_smmuv3_emu_page_request(w->emu, &pri);
	FUZZ_CHECK(ret == 0 || ret == -ENOSPC || ret == -EINVAL);
}

/* Into the ring of the corpus, and PROD. */
static void op_cmd(struct world *w, struct fuzz_in *in)
{
	uint32_t prod = (uint32_t)mmio(w, 0x98, 4, false, 0), mask = (2u << RING_LG2) - 1;
	unsigned at = CMDQ / 8 + 2 * (prod & (mask >> 1));

	put_le(w, at, fuzz_take(in, 8));
	put_le(w, at + 1, fuzz_take(in, 8));
	mmio(w, 0x98, 4, true, (prod + 1) & mask);
}

static void op_register(struct world *w, struct fuzz_in *in, unsigned op)
{
	uint32_t offset = registers[(unsigned)fuzz_take(in, 1) % NR_REGISTERS];

	if (op == OP_READ)
		mmio(w, offset, 4, false, 0);
	else if (op == OP_REG32)
		mmio(w, offset, 4, true, fuzz_take(in, 4));
	else
		mmio(w, offset & ~7u, 8, true, fuzz_take(in, 8));
}

static void one_op(struct world *w, struct fuzz_in *in)
{
	unsigned op = (unsigned)fuzz_take(in, 1) % OPS, at;
	int ret;

	switch (op) {
	case OP_WORD:
		at = (unsigned)fuzz_take(in, 2);
		put_le(w, at, fuzz_take(in, 8));
		break;
	case OP_ACCESS:
		op_access(w, in);
		break;
	case OP_RUN:
		ret = iod_smmuv3_emu_run(w->emu, (uint32_t)fuzz_take(in, 1));
		FUZZ_CHECK(ret == 0 || ret == -EAGAIN);
		break;
	case OP_PAGE:
		op_page(w, in);
		break;
	case OP_CMD:
		op_cmd(w, in);
		break;
	case OP_DMA:
		op_dma(w, in);
		break;
	default:
		op_register(w, in, op);
		break;
	}
}

/* ---- the last access, on an SMMU that has cached nothing, against the model ---- */

static int model_read(void *cookie, uint64_t pa, uint64_t *val)
{
	const struct world *w = cookie;

	return fuzz_word(w->word, WORDS, pa, val);
}

/* What the emulator does in one of several ways, or leaves out and says so. */
static bool left_out(const struct mdl_smmu_result *r, const struct mdl_smmu_id *id, uint64_t iova)
{
	unsigned t0 = r->cd.t0sz & 7;

	if (r->beyond)
		return true;
	if (!r->have_ste)
		return false;
	if (r->ste.s2ptw || (r->ste.instcfg & 2))
		return true;
	if (r->ste.config >= MDL_STE_S2 && !r->ste.s2aa64 && (r->ste.s2t0sz & 8))
		return true;
	return r->have_cd && !r->cd.aa64 && t0 && !(r->cd.t1sz & 7) && iova >> (32 - t0);
}

static bool same(const struct mdl_smmu_refusal *why, const struct iod_emu_result *res,
		 const struct iod_smmuv3_event *e)
{
	const struct mdl_smmu_event *m = &why->event;

	if (!m->type)
		return !e->type && res->outcome == IOD_EMU_ABORTED;
	return m->type == (unsigned)e->type && m->sid == e->sid && m->ssid == e->ssid &&
	       m->stall == e->stall && m->pnu == e->pnu && m->rnw == e->rnw && m->s2 == e->s2 &&
	       m->cls == e->cls && m->ttrnw == e->ttrnw && m->addr == e->addr &&
	       (m->ipa & UINT64_C(0xfffffffffff000)) == e->ipa &&
	       (m->fetch & UINT64_C(0xfffffffffffff8)) == e->fetch;
}

static void compare(struct world *w)
{
	struct mdl_mem mem = { .cookie = w, .read64 = model_read };
	struct mdl_smmu smmu = { .mem = &mem };
	const struct iod_smmuv3_regs *regs = iod_smmuv3_emu_regs(w->emu);
	struct iod_smmuv3_event e;
	struct iod_emu_result res;
	struct mdl_smmu_result want;
	unsigned i;
	int ret;

	/* a group with contiguous bits that is none may be read in several ways */
	for (i = 0; i < WORDS; i++)
		((uint8_t *)&w->word[i])[6] &= 0xef;
	smmu.strtab_base = regs->strtab_base;
	smmu.strtab_cfg = regs->strtab_base_cfg;
	if ((smmu.strtab_cfg & 0x3f) >
	    32) /* more than StreamIDs have: what that aligns is no matter */
		smmu.strtab_cfg &= ~UINT32_C(0x20);
	smmu.recinvsid = regs->cr2 & IOD_SMMUV3_CR2_RECINVSID;
	smmu.e2h = regs->cr2 & 1;
	memcpy(smmu.id.idr, regs->id.idr, sizeof(smmu.id.idr));
	FUZZ_CHECK(!iod_smmuv3_emu_reset(w->emu));
	mmio(w, 0x80, 8, true, smmu.strtab_base);
	mmio(w, 0x88, 4, true, smmu.strtab_cfg);
	mmio(w, 0x2c, 4, true, (smmu.recinvsid ? IOD_SMMUV3_CR2_RECINVSID : 0) | smmu.e2h);
	mmio(w, 0x20, 4, true, IOD_SMMUV3_CR0_SMMUEN);
	mdl_smmu_access(&smmu, &w->last, &want);
	ret = access(w, &w->last, 0, &res, &e);
	if (left_out(&want, &smmu.id, w->last.iova))
		return;
	if (!want.refused) {
		FUZZ_CHECK(!ret && res.pa == want.pa);
		return;
	}
	FUZZ_CHECK(ret == -EFAULT || ret == -EAGAIN);
	for (i = 0; i < want.refused && !same(&want.why[i], &res, &e); i++)
		;
	FUZZ_CHECK(i < want.refused);
}

static void resumed(void *cookie, void *req, uint16_t stag, enum iod_emu_outcome how)
{
	(void)cookie;
	(void)req;
	(void)stag;
	FUZZ_CHECK(how == IOD_EMU_DONE || how == IOD_EMU_ABORTED || how == IOD_EMU_RAZ_WI);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct iod_smmuv3_emu_ops ops = { .size = sizeof(ops), .resumed = resumed };
	struct iod_mem_region region = { .pa = 0, .len = 8 * WORDS };
	struct iod_mem_vm_cfg mem_cfg = { .size = sizeof(mem_cfg),
					  .regions = &region,
					  .nr_regions = 1 };
	struct iod_smmuv3_emu_cfg cfg = { .size = sizeof(cfg), .ops = &ops };
	struct world *w = calloc(1, sizeof(*w));
	struct fuzz_in in = { data, size };
	unsigned n;

	if (!w)
		return 0;
	region.host = w->word;
	FUZZ_CHECK(!iod_mem_create_vm(&w->mem, &mem_cfg));
	cfg.mem = w->mem;
	FUZZ_CHECK(!iod_smmuv3_emu_create(&w->emu, &cfg));
	for (n = 0; n < MAX_OPS && in.size; n++)
		one_op(w, &in);
	if (w->any)
		compare(w);
	FUZZ_CHECK(!iod_smmuv3_emu_destroy(w->emu));
	FUZZ_CHECK(!iod_mem_destroy(w->mem));
	free(w);
	return 0;
}
