/* SPDX-License-Identifier: MIT */
/*
 * A whole emulated AMD IOMMU under a guest that writes any register, any memory and any command, and devices that
 * access. Whatever was done: what is returned fits together; and at last, after a reset, one access ends as the
 * model says (mdl_amd_access() below, on the walkers of the model).
 *
 * Input: operations, a byte and its arguments each; the last access made is the one that is compared.
 */
#include <errno.h>
#include <stdlib.h>

#include <iodirty/amdvi_emu.h>

#include "fuzz/fuzz.h"
#include "model.h"

#define WORDS	 8192u /* 64 KiB at address 0 */
#define MAX_OPS	 200
#define DEVTAB	 0x1000u /* one page: 128 DTEs */
#define CMD	 0xb000u /* where the corpus has its rings, of 256 entries */
#define EVT	 0xc000u
#define PPR	 0xd000u
#define RING	 0x1000u
#define LENGTH	 (UINT64_C(8) << 56)

#define CONTROL	 0x18u
#define CMD_TAIL 0x2008u
#define CTRL_ON                                                                     \
	(UINT64_C(1) | UINT64_C(1) << 2 | UINT64_C(1) << 12 | UINT64_C(0xf) << 13 | \
	 UINT64_C(1) << 58)

enum { OP_WORD, OP_REG32, OP_REG64, OP_READ, OP_ACCESS, OP_RUN, OP_PAGE, OP_CMD, OP_DMA, OPS };
enum { ACC_WRITE = 1, ACC_PASID = 2, ACC_PRIV = 4, ACC_ATS = 8, ACC_TRANSLATED = 16 };

struct access {
	uint32_t devid, pasid;
	uint64_t iova;
	bool write, pasid_valid;
};

struct world {
	uint64_t word[WORDS];
	struct iod_mem *mem;
	struct iod_amdvi_emu *emu;
	struct access last;
	bool any;
};

static const uint32_t registers[] = {
	0x0,	0x8,	0x10,	0x18,	0x30,	0x38,	0x1a0,
	0x2000, 0x2008, 0x2010, 0x2018, 0x2020, 0x2030, 0x2038,
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

static uint8_t *put_reg(uint8_t *at, uint32_t offset, uint64_t v)
{
	at = fuzz_put(at, OP_REG64, 1);
	return fuzz_put(fuzz_put(at, reg_index(offset), 1), v, 8);
}

static uint8_t *put_access(uint8_t *at, unsigned devid, unsigned flags, uint64_t iova)
{
	at = fuzz_put(at, OP_ACCESS, 1);
	at = fuzz_put(fuzz_put(at, devid, 1), flags, 1);
	return fuzz_put(fuzz_put(at, 3, 1), iova, 8);
}

static uint8_t *put_cmd(uint8_t *at, uint64_t w0, uint64_t w1)
{
	at = fuzz_put(at, OP_CMD, 1);
	return fuzz_put(fuzz_put(at, w0, 8), w1, 8);
}

/* Devices 1 host table, 2 guest table, 3 nested, 4 GIOV; PASID 3. The host table is the identity of 64 KiB. */
static uint8_t *put_tables(uint8_t *at)
{
	const uint64_t rw = UINT64_C(0x6000000000000001), ok = UINT64_C(0x6000000000000003);
	unsigned i;

	at = put_word(at, 0x2000, 0x3000 | rw | 2u << 9);
	at = put_word(at, 0x3000, 0x4000 | rw | 1u << 9);
	for (i = 0; i < 16; i++)
		at = put_word(at, 0x4000 + 8 * i, (uint64_t)i << 12 | rw);
	at = put_word(at, 0x5000 + 3 * 8, 0x6001);
	at = put_word(at, 0x5000, 0x6001);
	at = put_word(at, 0x6000, 0x7007);
	at = put_word(at, 0x7000, 0x8007);
	at = put_word(at, 0x8000, 0x9007);
	for (i = 0; i < 4; i++)
		at = put_word(at, 0x9000 + 8 * i, (uint64_t)(12 + i) << 12 | 7);
	at = put_word(at, DEVTAB + 32, 0x2000 | ok | 3u << 9 | 3u << 7);
	at = put_word(at, DEVTAB + 40, UINT64_C(0x100000000) | 7);
	/* GCR3 table at 0x5000: bits 14:12 = 5 */
	at = put_word(at, DEVTAB + 64, ok | UINT64_C(1) << 55 | UINT64_C(5) << 58);
	at = put_word(at, DEVTAB + 96,
		      0x2000 | ok | 3u << 9 | 3u << 7 | UINT64_C(1) << 55 | UINT64_C(5) << 58);
	at = put_word(at, DEVTAB + 104, UINT64_C(0x100000000) | 8);
	return put_word(at, DEVTAB + 128, ok | UINT64_C(3) << 54 | UINT64_C(5) << 58);
}

size_t fuzz_seed(unsigned n, uint8_t *buf, size_t max)
{
	uint8_t *at = buf;

	(void)max;
	if (n > 7)
		return 0;
	at = put_tables(at);
	at = put_reg(at, 0x0, DEVTAB);
	at = put_reg(at, 0x8, CMD | LENGTH);
	at = put_reg(at, 0x10, EVT | LENGTH);
	at = put_reg(at, 0x38, PPR | LENGTH);
	at = put_reg(at, CONTROL, CTRL_ON);
	at = put_access(at, 1 + n % 4, (n & 4 ? ACC_WRITE : 0) | ACC_PASID, 0x1456);
	at = put_access(at, 1 + n % 4, 0, 0x1456);
	at = put_cmd(at, UINT64_C(2) << 60 | 1, 0);
	at = put_cmd(at, UINT64_C(3) << 60 | UINT64_C(8) << 32 | 3, UINT64_C(0x7ffffffffffff007));
	at = put_cmd(at, UINT64_C(1) << 60 | 0xe001, 5);
	at = put_access(at, 1 + n % 4, ACC_WRITE | (n & 1 ? ACC_PASID : 0),
			n & 2 ? 0x3456 : 0x4456);
	return (size_t)(at - buf);
}

/* ---- operations ---- */

static void put_le(struct world *w, unsigned at, uint64_t v)
{
	fuzz_put((uint8_t *)&w->word[at % WORDS], v, 8);
}

static uint64_t mmio(struct world *w, uint64_t offset, unsigned len, bool write, uint64_t v)
{
	FUZZ_CHECK(!iod_amdvi_emu_mmio(w->emu, offset, len, write, &v));
	return v;
}

/* What comes back fits together. */
static void fits(int ret, const struct iod_emu_result *res, const struct iod_amdvi_event *e)
{
	struct iod_amdvi_raw_event raw;

	FUZZ_CHECK(ret == 0 || ret == -EFAULT);
	if (!ret)
		FUZZ_CHECK(res->outcome == IOD_EMU_DONE);
	else
		FUZZ_CHECK(res->outcome == IOD_EMU_ABORTED || res->outcome == IOD_EMU_ATS_UR ||
			   res->outcome == IOD_EMU_ATS_CA);
	if (e->type)
		FUZZ_CHECK(iod_amdvi_event_name(e->type) && !iod_amdvi_event_encode(&raw, e));
	FUZZ_CHECK(!res->recorded || e->type);
}

static int access(struct world *w, const struct access *a, unsigned flags, uint32_t priv,
		  struct iod_emu_result *res, struct iod_amdvi_event *e)
{
	struct iod_emu_req req = {
		.size = sizeof(req),
		.source = a->devid,
		.pasid = a->pasid,
		.pasid_valid = a->pasid_valid,
		.access = (a->write ? IOD_ACCESS_WRITE : IOD_ACCESS_READ) | priv,
		.flags = flags,
		.iova = a->iova,
	};
	int ret;

	*res = (struct iod_emu_result){ .size = sizeof(*res) };
	ret = iod_amdvi_emu_access(w->emu, &req, res, e);
	fits(ret, res, e);
	return ret;
}

static struct access take_access(struct world *w, struct fuzz_in *in, unsigned *flags,
				 uint32_t *priv)
{
	struct access a = { .devid = (uint32_t)fuzz_take(in, 1) };
	unsigned bits = (unsigned)fuzz_take(in, 1);

	a.pasid = (uint32_t)fuzz_take(in, 1);
	a.iova = fuzz_take(in, 8);
	a.write = bits & ACC_WRITE;
	a.pasid_valid = bits & ACC_PASID;
	*priv = bits & ACC_PRIV ? IOD_ACCESS_PRIV : 0;
	*flags = (bits & ACC_ATS ? IOD_EMU_REQ_ATS : 0) |
		 (bits & ACC_TRANSLATED && !(bits & ACC_ATS) ? IOD_EMU_REQ_TRANSLATED : 0);
	w->last = a;
	w->any = true;
	return a;
}

static void op_access(struct world *w, struct fuzz_in *in)
{
	struct iod_emu_result res;
	struct iod_amdvi_event e;
	struct access a;
	unsigned flags;
	uint32_t priv;

	a = take_access(w, in, &flags, &priv);
	access(w, &a, flags, priv, &res, &e);
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
	struct iod_emu_req req = { .size = sizeof(req) };
	struct access a;
	unsigned flags;
	uint32_t priv;
	int ret;

	a = take_access(w, in, &flags, &priv);
	req.source = a.devid;
	req.pasid = a.pasid;
	req.pasid_valid = a.pasid_valid;
	req.access = a.write ? IOD_ACCESS_WRITE : IOD_ACCESS_READ;
	req.iova = a.iova;
	ret = iod_amdvi_emu_dma(w->emu, &req, len, move, &moved, &done, NULL, NULL);
	FUZZ_CHECK(done == moved && done <= len);
	FUZZ_CHECK(ret || done == len);
}

static void op_page(struct world *w, struct fuzz_in *in)
{
	struct iod_amdvi_raw_ppr raw;
	struct iod_amdvi_ppr ppr;
	unsigned i;
	int ret;

	for (i = 0; i < 2; i++)
		fuzz_put((uint8_t *)&raw.word[i], fuzz_take(in, 8), 8);
	if (iod_amdvi_ppr_decode(&ppr, &raw, NULL))
		return;
	ret = iod_amdvi_emu_page_request(w->emu, &ppr);
	FUZZ_CHECK(ret == 0 || ret == -ENOSPC || ret == -EINVAL);
}

/* Into the ring of the corpus, and the tail. */
static void op_cmd(struct world *w, struct fuzz_in *in)
{
	uint64_t tail = mmio(w, CMD_TAIL, 8, false, 0) % RING;
	unsigned at = (CMD + (unsigned)tail) / 8;

	put_le(w, at, fuzz_take(in, 8));
	put_le(w, at + 1, fuzz_take(in, 8));
	mmio(w, CMD_TAIL, 8, true, (tail + 16) % RING);
}

static void op_register(struct world *w, struct fuzz_in *in, unsigned op)
{
	uint32_t offset = registers[(unsigned)fuzz_take(in, 1) % NR_REGISTERS];

	if (op == OP_READ)
		mmio(w, offset, 8, false, 0);
	else if (op == OP_REG32)
		mmio(w, offset + (fuzz_take(in, 1) & 4), 4, true, fuzz_take(in, 4));
	else
		mmio(w, offset, 8, true, fuzz_take(in, 8));
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
		ret = iod_amdvi_emu_run(w->emu, (uint32_t)fuzz_take(in, 1));
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

/* ---- the last access, on an IOMMU that has cached nothing, against the model ---- */

static int model_read(void *cookie, uint64_t pa, uint64_t *val)
{
	const struct world *w = cookie;

	return fuzz_word(w->word, WORDS, pa, val);
}

struct verdict {
	bool known; /* false: not decided here */
	bool granted;
	uint64_t pa;
};

/* A DTE of host translation, by bits.md A3.6: its DTE's own permissions, then the table. */
static struct verdict model_access(struct world *w, const struct access *a)
{
	struct mdl_mem mem = { .cookie = w, .read64 = model_read };
	struct mdl_table t = { .format = MDL_AMD_V1, .granule_lg2 = 12 };
	struct verdict v = { .known = true };
	struct mdl_leaf leaf;
	uint64_t w0, w1;

	if (a->devid >= 128)
		return v;
	fuzz_word(w->word, WORDS, DEVTAB + 32 * a->devid, &w0);
	fuzz_word(w->word, WORDS, DEVTAB + 32 * a->devid + 8, &w1);
	v.pa = a->iova;
	v.granted = a->iova < UINT64_C(1) << 52;
	if (!(w0 & 1))
		return v;
	/* Guest tables, and fields that are reserved, are not judged here. */
	v.known = !(w0 >> 55 & 1) && !(w0 & UINT64_C(0x807000000000007c)) &&
		  !(w1 & UINT64_C(0x00000400ffff0000)) && (w0 >> 9 & 7) != 7 &&
		  (w0 >> 7 & 3) != 2 && (w1 >> 35 & 3) != 3 && !(w0 >> 53 & 3) && !(w1 >> 43);
	v.granted =
		v.granted && !a->pasid_valid && (w0 >> 1 & 1) && (w0 >> (a->write ? 62 : 61) & 1);
	t.levels = w0 >> 9 & 7;
	if (!v.known || !v.granted || !t.levels) {
		v.known = v.known && !(a->pasid_valid && !t.levels);
		return v;
	}
	t.root = w0 & UINT64_C(0x000ffffffffff000);
	v.granted = mdl_walk(&t, &mem, a->iova, &leaf) == MDL_OK && (a->write ? leaf.w : leaf.r);
	v.pa = leaf.pa + (a->iova - leaf.iova);
	return v;
}

static void compare(struct world *w)
{
	struct iod_emu_result res;
	struct iod_amdvi_event e;
	struct verdict want;
	unsigned i;
	int ret;

	/* bits 58:57 of leaves are reserved, or (newer) are not */
	for (i = 0; i < WORDS; i++)
		((uint8_t *)&w->word[i])[7] &= 0xf9;
	FUZZ_CHECK(!iod_amdvi_emu_reset(w->emu));
	mmio(w, 0x0, 8, true, DEVTAB);
	mmio(w, CONTROL, 8, true, 1);
	want = model_access(w, &w->last);
	ret = access(w, &w->last, 0, 0, &res, &e);
	if (!want.known)
		return;
	FUZZ_CHECK(!ret == want.granted);
	if (!ret)
		FUZZ_CHECK(res.pa == want.pa);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct iod_mem_region region = { .pa = 0, .len = 8 * WORDS };
	struct iod_mem_vm_cfg mem_cfg = { .size = sizeof(mem_cfg),
					  .regions = &region,
					  .nr_regions = 1 };
	struct iod_amdvi_emu_cfg cfg = { .size = sizeof(cfg) };
	struct world *w = calloc(1, sizeof(*w));
	struct fuzz_in in = { data, size };
	unsigned n;

	if (!w)
		return 0;
	region.host = w->word;
	FUZZ_CHECK(!iod_mem_create_vm(&w->mem, &mem_cfg));
	cfg.mem = w->mem;
	FUZZ_CHECK(!iod_amdvi_emu_create(&w->emu, &cfg));
	for (n = 0; n < MAX_OPS && in.size; n++)
		one_op(w, &in);
	if (w->any)
		compare(w);
	FUZZ_CHECK(!iod_amdvi_emu_destroy(w->emu));
	FUZZ_CHECK(!iod_mem_destroy(w->mem));
	free(w);
	return 0;
}
