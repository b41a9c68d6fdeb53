/* SPDX-License-Identifier: MIT */
/*
 * A whole emulated VT-d under a guest that writes any register, any memory and any descriptor, and devices that
 * access. Whatever was done: what is returned fits together; and at last, after a reset, one access ends as the
 * model says.
 *
 * Input: operations, a byte and its arguments each; the last access made is the one that is compared.
 */
#include <errno.h>
#include <stdlib.h>

#include <iodirty/vtd_emu.h>

#include "fuzz/fuzz.h"
#include "mdl_vtd.h"

#define WORDS	8192u /* 64 KiB at address 0 */
#define MAX_OPS 200
#define IQ	0xd000u /* where the corpus has its rings, of a page */
#define PRQ	0xe000u
#define TE	(1u << 31)
#define SRTP	(1u << 30)
#define QIE	(1u << 26)

enum { OP_WORD, OP_REG32, OP_REG64, OP_READ, OP_ACCESS, OP_RUN, OP_PAGE, OP_DESC, OP_DMA, OPS };
enum { ACC_WRITE = 1, ACC_PASID = 2, ACC_PRIV = 4, ACC_ATS = 8, ACC_TRANSLATED = 16 };

struct request {
	uint16_t sid;
	bool pasid_valid, write, priv;
	uint32_t pasid, flags;
	uint64_t iova;
};

struct world {
	uint64_t word[WORDS];
	struct iod_mem *mem;
	struct iod_vtd_emu *emu;
	struct request last;
	bool any;
	struct mdl_mem mdl, behind; /* memory; and the same through the second stage */
	struct mdl_table ss;
	bool ss_writes;
};

static const uint32_t registers[] = {
	0x00, 0x08, 0x10, 0x18, 0x1c, 0x20, 0x28, 0x34, 0x38, 0x3c, 0x40, 0x44, 0x80,
	0x88, 0x90, 0x9c, 0xa0, 0xa8, 0xb0, 0xc0, 0xc8, 0xd0, 0xdc, 0xe0, 0xe8, 0x40c,
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

static uint8_t *put_access(uint8_t *at, unsigned sid, unsigned flags, unsigned pasid, uint64_t iova)
{
	at = fuzz_put(at, OP_ACCESS, 1);
	at = fuzz_put(fuzz_put(at, sid, 1), flags, 1);
	return fuzz_put(fuzz_put(at, pasid, 1), iova, 8);
}

static uint8_t *put_desc(uint8_t *at, uint64_t w0, uint64_t w1)
{
	at = fuzz_put(at, OP_DESC, 1);
	return fuzz_put(fuzz_put(at, w0, 8), w1, 8);
}

/* Second stage: 64 KiB to themselves; first stage: one page. Device 1: legacy, or PASIDs 1 to 4 of all kinds. */
static uint8_t *put_tables(uint8_t *at, bool scalable)
{
	unsigned i;

	at = put_word(at, 0x1000, 0x2001);
	at = put_word(at, 0x6000, 0x7003);
	at = put_word(at, 0x7000, 0x8003);
	at = put_word(at, 0x8000, 0x9003);
	for (i = 0; i < 16; i++)
		at = put_word(at, 0x9000 + 8 * i, i << 12 | 3);
	at = put_word(at, 0xa000, 0xb007);
	at = put_word(at, 0xb000, 0xc007);
	at = put_word(at, 0xc000, 0x5007); /* the fourth level is among the PASID entries' page */
	at = put_word(at, 0x5018, 0xf007);
	if (!scalable) {
		at = put_word(at, 0x2010, 0x6001);
		return put_word(at, 0x2018, 2 | 7 << 8);
	}
	at = put_word(at, 0x2020, 0x300d); /* DTE, PASIDE */
	at = put_word(at, 0x3000, 0x4001);
	for (i = 1; i <= 4; i++) {
		at = put_word(at, 0x4000 + 64 * i, 0x6201 | 2 << 2 | (uint64_t)i << 6);
		at = put_word(at, 0x4008 + 64 * i, 7 | 1 << 23);
		at = put_word(at, 0x4010 + 64 * i, 0xa000);
	}
	return at;
}

size_t fuzz_seed(unsigned n, uint8_t *buf, size_t max)
{
	uint8_t *at = buf;
	unsigned flags = (n ? ACC_PASID : 0) | (n & 4 ? ACC_WRITE : 0), pasid = n ? 1 + n % 4 : 0;

	(void)max;
	if (n > 8)
		return 0;
	at = put_tables(at, n);
	at = put_reg(at, 0x20, 8, 0x1000 | (n ? 0x400 : 0));
	at = put_reg(at, 0x90, 8, IQ | 0x800);
	at = put_reg(at, 0xd0, 8, PRQ);
	at = put_reg(at, 0x18, 4, SRTP);
	at = put_reg(at, 0x18, 4, TE | QIE);
	at = put_access(at, 1, flags, pasid, 0x3456);
	at = put_desc(at, 0x71, 0);
	at = put_desc(at, 0x12, 0);
	at = put_desc(at, UINT64_C(0x1200000035), 0xf800);
	at = put_access(at, 1, flags | ACC_WRITE, pasid, 0x3456);
	return (size_t)(at - buf);
}

/* ---- operations ---- */

static void put_le(struct world *w, unsigned at, uint64_t v)
{
	fuzz_put((uint8_t *)&w->word[at % WORDS], v, 8);
}

static uint64_t mmio(struct world *w, uint64_t offset, unsigned len, bool write, uint64_t v)
{
	FUZZ_CHECK(!iod_vtd_emu_mmio(w->emu, offset, len, write, &v));
	return v;
}

/* What comes back fits together. */
static void fits(int ret, const struct iod_emu_result *res, const struct iod_vtd_fault *f)
{
	struct iod_vtd_raw_fault raw;

	FUZZ_CHECK(ret == 0 || ret == -EFAULT);
	FUZZ_CHECK(ret == 0 ? res->outcome == IOD_EMU_DONE : res->outcome != IOD_EMU_DONE);
	FUZZ_CHECK(res->outcome != IOD_EMU_STALLED && res->outcome != IOD_EMU_RAZ_WI);
	if (f->reason)
		FUZZ_CHECK(iod_vtd_fault_reason_name(f->reason) && !iod_vtd_fault_encode(&raw, f));
	FUZZ_CHECK(!res->recorded || f->reason);
}

static struct iod_emu_req emu_req(const struct request *q)
{
	return (struct iod_emu_req){
		.size = sizeof(struct iod_emu_req),
		.source = q->sid,
		.pasid = q->pasid,
		.pasid_valid = q->pasid_valid,
		.access = (q->write ? IOD_ACCESS_WRITE : IOD_ACCESS_READ) |
			  (q->priv ? IOD_ACCESS_PRIV : 0),
		.flags = q->flags,
		.iova = q->iova,
	};
}

static int access(struct world *w, const struct request *q, struct iod_emu_result *res,
		  struct iod_vtd_fault *f)
{
	struct iod_emu_req req = emu_req(q);
	int ret;

	*res = (struct iod_emu_result){ .size = sizeof(*res) };
	ret = iod_vtd_emu_access(w->emu, &req, res, f);
	fits(ret, res, f);
	return ret;
}

static struct request take_request(struct world *w, struct fuzz_in *in)
{
	unsigned sid = (unsigned)fuzz_take(in, 1), bits = (unsigned)fuzz_take(in, 1);
	struct request q = { .sid = (uint16_t)sid };

	q.pasid = (uint32_t)fuzz_take(in, 1);
	q.iova = fuzz_take(in, 8);
	q.write = bits & ACC_WRITE;
	q.priv = bits & ACC_PRIV;
	q.pasid_valid = bits & ACC_PASID;
	if (!q.pasid_valid)
		q.pasid = 0;
	if (bits & ACC_ATS)
		q.flags = IOD_EMU_REQ_ATS;
	else if (bits & ACC_TRANSLATED)
		q.flags = IOD_EMU_REQ_TRANSLATED;
	w->last = q;
	w->any = true;
	return q;
}

static void op_access(struct world *w, struct fuzz_in *in)
{
	struct request q = take_request(w, in);
	struct iod_emu_result res;
	struct iod_vtd_fault f;

	access(w, &q, &res, &f);
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
	uint64_t moved = 0, done = 0, len = fuzz_take(in, 2);
	struct request q = take_request(w, in);
	struct iod_emu_req req;
	int ret;

	q.flags = 0;
	req = emu_req(&q);
	ret = iod_vtd_emu_dma(w->emu, &req, len, move, &moved, &done, NULL, NULL);
	FUZZ_CHECK(done == moved && done <= len);
	FUZZ_CHECK(ret || done == len);
}

static void op_page(struct world *w, struct fuzz_in *in)
{
	struct iod_vtd_raw_page_req raw;
	struct iod_vtd_page_req q;
	unsigned i;
	int ret;

	for (i = 0; i < 4; i++)
		fuzz_put((uint8_t *)&raw.word[i], i < 2 ? fuzz_take(in, 8) : 0, 8);
	fuzz_put((uint8_t *)&raw.word[0], 1, 1);
	if (iod_vtd_page_req_decode(&q, &raw, NULL))
		return;
	ret = iod_vtd_emu_page_request(w->emu, &q);
	FUZZ_CHECK(ret == 0 || ret == -ENOSPC || ret == -EINVAL);
}

/* Into the ring of the corpus, and the tail. */
static void op_desc(struct world *w, struct fuzz_in *in)
{
	uint64_t tail = mmio(w, 0x88, 8, false, 0);
	unsigned at = (unsigned)(IQ + (tail & 0xfe0)) / 8;

	put_le(w, at, fuzz_take(in, 8));
	put_le(w, at + 1, fuzz_take(in, 8));
	put_le(w, at + 2, 0);
	put_le(w, at + 3, 0);
	mmio(w, 0x88, 8, true, (tail + 32) & 0xfe0);
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
		ret = iod_vtd_emu_run(w->emu, (uint32_t)fuzz_take(in, 1));
		FUZZ_CHECK(ret == 0 || ret == -EAGAIN);
		break;
	case OP_PAGE:
		op_page(w, in);
		break;
	case OP_DESC:
		op_desc(w, in);
		break;
	case OP_DMA:
		op_dma(w, in);
		break;
	default:
		op_register(w, in, op);
		break;
	}
}

/* ---- the last access, on a unit that has cached nothing, against the model ---- */

static int model_read(void *cookie, uint64_t pa, uint64_t *val)
{
	const struct world *w = cookie;

	return fuzz_word(w->word, WORDS, pa, val);
}

/* Entries of the first stage lie behind the second. */
static int behind_read(void *cookie, uint64_t ipa, uint64_t *val)
{
	struct world *w = cookie;
	struct mdl_leaf leaf;

	if (mdl_walk(&w->ss, &w->mdl, ipa, &leaf) != MDL_OK || !leaf.r || (w->ss_writes && !leaf.w))
		return -1;
	return model_read(w, leaf.pa + (ipa - leaf.iova), val);
}

#define DEEP 0x1000 /* a reason that is not compared: only that it is refused */

/* What a walk comes to. @return 0, *pa; or the reason. */
static unsigned walk(const struct world *w, const struct mdl_table *t, const struct mdl_mem *mem,
		     const unsigned reason[5], uint64_t *pa)
{
	const struct request *q = &w->last;
	struct mdl_leaf leaf;

	switch (mdl_walk(t, mem, q->iova, &leaf)) {
	case MDL_OK:
		*pa = leaf.pa + (q->iova - leaf.iova);
		if (q->write ? leaf.w : leaf.r)
			return 0;
		/* A first stage without read permission is the supervisor's. */
		return reason[q->write && (leaf.r || reason[3] != DEEP) ? 2 : 3];
	case MDL_RANGE:
		return reason[0];
	case MDL_NOT_PRESENT:
		return reason[1] ? reason[1] : reason[q->write ? 2 : 3];
	default:
		return reason[4];
	}
}

/* @return 0, *pa; the reason; or DEEP */
static unsigned model(struct world *w, const struct mdl_vtd_result *found, bool scalable,
		      uint64_t *pa)
{
	static const unsigned legacy[] = { 0x04, 0, 0x05, 0x06, DEEP };
	static const unsigned second[] = { 0x84, 0x79, 0x85, 0x86, DEEP };
	static const unsigned first[] = { 0x80, 0x71, 0x85, DEEP, DEEP };
	const uint64_t *e = found->word;
	struct mdl_table fs = { .format = MDL_VTD_FS, .granule_lg2 = 12 };
	unsigned kind = scalable ? e[0] >> 6 & 7 : 2, reason;
	uint64_t ipa;

	w->ss = (struct mdl_table){ .format = MDL_VTD_SS, .granule_lg2 = 12 };
	w->ss.root = e[0] & ~UINT64_C(4095);
	w->ss.levels = 2 + (scalable ? e[0] >> 2 & 7 : e[1] & 7);
	w->ss_writes = e[0] >> 9 & 1;
	fs.root = e[2] & ~UINT64_C(4095);
	fs.levels = 4 + (e[2] >> 2 & 3);
	*pa = w->last.iova;
	if (kind == 4 || (!scalable && (e[0] >> 2 & 3) == 2))
		return *pa >> 52 ? (scalable ? 0x83 : 0x04) : 0;
	if (kind == 2)
		return walk(w, &w->ss, &w->mdl, scalable ? second : legacy, pa);
	if (kind == 1)
		return walk(w, &fs, &w->mdl, first, pa);
	reason = walk(w, &fs, &w->behind, first, &ipa);
	if (reason)
		return reason == 0x80 ? reason : DEEP;
	w->last.iova = ipa;
	return walk(w, &w->ss, &w->mdl, second, pa) ? DEEP : 0;
}

/* What the emulator looks at beside, or the model does not. */
static bool left_out(const struct world *w, unsigned got)
{
	if (w->last.priv && w->last.pasid_valid)
		return true;
	/* walks that are not snooped; updates that the second stage refuses; interrupts */
	return got == 0x90 || got == 0x7c || got == 0x77 || got == 0x87 || got == 0x0e;
}

static void compare(struct world *w)
{
	const struct iod_vtd_regs *regs = iod_vtd_emu_regs(w->emu);
	const struct mdl_vtd_id id = { regs->id.cap, regs->id.ecap };
	struct mdl_vtd_request request = { .rtaddr = regs->rtaddr, .old_fields = true };
	bool scalable = (regs->rtaddr >> 10 & 3) == 1;
	struct mdl_vtd_result found = { 0 };
	uint64_t pa, iova = w->last.iova;
	struct iod_emu_result res;
	struct iod_vtd_fault f;
	unsigned want;
	int ret;

	w->last.flags = 0;
	if (!w->last.pasid_valid && iova >= 0xfee00000 && iova <= 0xfeefffff)
		return;
	FUZZ_CHECK(!iod_vtd_emu_reset(w->emu));
	mmio(w, 0x20, 8, true, request.rtaddr);
	mmio(w, 0x18, 4, true, SRTP | TE);
	request.sid = w->last.sid;
	request.has_pasid = w->last.pasid_valid;
	request.pasid = w->last.pasid;
	request.priv = w->last.priv && w->last.pasid_valid;
	mdl_vtd_find(&w->mdl, &id, &request, &found);
	want = found.reason ? found.reason : model(w, &found, scalable, &pa);
	w->last.iova = iova;
	ret = access(w, &w->last, &res, &f);
	if (left_out(w, f.reason))
		return;
	if (!want)
		FUZZ_CHECK(!ret && res.pa == pa);
	else
		FUZZ_CHECK(ret == -EFAULT && (want == DEEP || f.reason == want));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct iod_mem_region region = { .pa = 0, .len = 8 * WORDS };
	struct iod_mem_vm_cfg mem_cfg = { .size = sizeof(mem_cfg),
					  .regions = &region,
					  .nr_regions = 1 };
	struct iod_vtd_emu_cfg cfg = { .size = sizeof(cfg) };
	struct world *w = calloc(1, sizeof(*w));
	struct fuzz_in in = { data, size };
	unsigned n;

	if (!w)
		return 0;
	region.host = w->word;
	w->mdl = (struct mdl_mem){ .cookie = w, .read64 = model_read };
	w->behind = (struct mdl_mem){ .cookie = w, .read64 = behind_read };
	FUZZ_CHECK(!iod_mem_create_vm(&w->mem, &mem_cfg));
	cfg.mem = w->mem;
	FUZZ_CHECK(!iod_vtd_emu_create(&w->emu, &cfg));
	for (n = 0; n < MAX_OPS && in.size; n++)
		one_op(w, &in);
	if (w->any)
		compare(w);
	FUZZ_CHECK(!iod_vtd_emu_destroy(w->emu));
	FUZZ_CHECK(!iod_mem_destroy(w->mem));
	free(w);
	return 0;
}
