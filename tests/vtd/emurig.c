/* SPDX-License-Identifier: MIT */
/* A guest under an emulated VT-d, made by hand. */
#include "emurig.h"

#include "bits.h"

static void rig_on_msi(void *cookie, uint64_t addr, uint32_t data)
{
	struct emurig *r = cookie;

	assert_true(r->msis < IODT_ARRAY_SIZE(r->msi_addr));
	r->msi_addr[r->msis++] = addr;
	r->msi_data = data;
}

static int rig_on_atc(void *cookie, uint32_t source, bool pasid_valid, uint32_t pasid, bool global,
		      uint64_t first, uint64_t last)
{
	struct emurig *r = cookie;

	assert_true(r->nr_atc < IODT_ARRAY_SIZE(r->atc));
	r->atc[r->nr_atc++] = (struct rig_atc){ source, pasid, pasid_valid, global, first, last };
	return r->atc_ret;
}

static void rig_on_pri(void *cookie, const struct iod_page_response *response, bool automatic)
{
	struct emurig *r = cookie;

	assert_true(r->nr_pri < IODT_ARRAY_SIZE(r->pri));
	assert_int_equal(response->model, IOD_REQUEST_PRI);
	r->pri[r->nr_pri++] = (struct rig_pri){ *response, automatic };
}

static const struct iod_vtd_emu_ops rig_ops = {
	.size = sizeof(rig_ops),
	.msi = rig_on_msi,
	.atc_inv = rig_on_atc,
	.pri_response = rig_on_pri,
};

void rig_init(struct emurig *r, const struct iod_vtd_emu_cfg *user)
{
	struct iod_vtd_emu_cfg cfg = { 0 };
	struct iod_mem_region region[] = {
		{ .pa = RIG_BASE, .len = RIG_RO - RIG_BASE },
		{ .pa = RIG_RO,
		  .len = RIG_BASE + RIG_BYTES - RIG_RO,
		  .flags = IOD_REGION_READONLY },
	};
	struct iod_mem_vm_cfg vm = { .size = sizeof(vm), .regions = region, .nr_regions = 2 };

	memset(r, 0, sizeof(*r));
	r->mem = calloc(1, RIG_BYTES);
	assert_non_null(r->mem);
	r->next = RIG_TABLES;
	region[0].host = r->mem;
	region[1].host = r->mem + (RIG_RO - RIG_BASE);
	iodt_alloc_init(&r->alloc);
	vm.allocator = &r->alloc.ops;
	assert_int_equal(iod_mem_create_vm(&r->m, &vm), 0);
	if (user)
		cfg = *user;
	cfg.size = sizeof(cfg);
	cfg.mem = r->m;
	cfg.ops = cfg.ops ? cfg.ops : &rig_ops;
	cfg.cookie = cfg.cookie ? cfg.cookie : r;
	cfg.allocator = &r->alloc.ops;
	assert_int_equal(iod_vtd_emu_create(&r->emu, &cfg), 0);
}

void rig_fini(struct emurig *r)
{
	assert_int_equal(iod_vtd_emu_destroy(r->emu), 0);
	assert_int_equal(iod_mem_destroy(r->m), 0);
	assert_int_equal(r->alloc.live, 0);
	assert_int_equal(r->alloc.bad, 0);
	free(r->mem);
}

int rig_setup(void **state)
{
	struct emurig *r = malloc(sizeof(*r));

	assert_non_null(r);
	rig_init(r, NULL);
	*state = r;
	return 0;
}

int rig_setup_legacy(void **state)
{
	rig_setup(state);
	rig_enable(*state, false);
	return 0;
}

int rig_setup_scalable(void **state)
{
	rig_setup(state);
	rig_enable(*state, true);
	return 0;
}

int rig_teardown(void **state)
{
	struct emurig *r = *state;

	rig_fini(r);
	free(r);
	return 0;
}

/* ---- memory ---- */

static unsigned char *rig_at(struct emurig *r, uint64_t pa)
{
	assert_true(pa - RIG_BASE < RIG_BYTES && !(pa & 7));
	return r->mem + (pa - RIG_BASE);
}

void rig_w64(struct emurig *r, uint64_t pa, uint64_t v)
{
	unsigned char *p = rig_at(r, pa), byte[8];
	unsigned int i;
	uint64_t le;

	for (i = 0; i < 8; i++)
		byte[i] = (unsigned char)(v >> i * 8);
	memcpy(&le, byte, 8);
	__atomic_store_n((iod_word *)(void *)p, le, __ATOMIC_RELEASE);
}

uint64_t rig_r64(struct emurig *r, uint64_t pa)
{
	uint64_t le = __atomic_load_n((iod_word *)(void *)rig_at(r, pa), __ATOMIC_ACQUIRE), v = 0;
	unsigned char byte[8];
	unsigned int i;

	memcpy(byte, &le, 8);
	for (i = 0; i < 8; i++)
		v |= (uint64_t)byte[i] << i * 8;
	return v;
}

uint64_t rig_page(struct emurig *r)
{
	uint64_t pa = r->next;

	r->next += 4096;
	assert_true(r->next <= RIG_DATA);
	return pa;
}

#define ADDR (IODT_BIT(52) - 4096)

uint64_t rig_entry(struct emurig *r, uint64_t root, unsigned int levels, uint64_t va,
		   unsigned int level, uint64_t off)
{
	uint64_t table = root, at;
	unsigned int l = levels;

	for (;;) {
		l--;
		at = table + (va >> (12 + 9 * l) & 511) * 8;
		if (l == level)
			return at;
		table = (rig_r64(r, at) & ADDR) - off;
	}
}

void rig_map(struct emurig *r, uint64_t root, unsigned int levels, uint64_t va, unsigned int level,
	     uint64_t leaf, uint64_t table, uint64_t off)
{
	unsigned int l;
	uint64_t at;

	for (l = levels - 1; l > level; l--) {
		at = rig_entry(r, root, levels, va, l, off);
		if (!(rig_r64(r, at) & ADDR))
			rig_w64(r, at, (rig_page(r) + off) | table);
	}
	rig_w64(r, rig_entry(r, root, levels, va, level, off), leaf);
}

uint64_t rig_second_stage(struct emurig *r, uint64_t attr)
{
	uint64_t at;

	r->ss_root = rig_page(r);
	for (at = 0; at < RIG_BYTES; at += 4096)
		rig_map(r, r->ss_root, 4, RIG_IPA_OFF + RIG_BASE + at, 0, (RIG_BASE + at) | attr,
			SS_RW, 0);
	return r->ss_root;
}

/* ---- structures ---- */

void rig_context(struct emurig *r, unsigned int devfn, uint64_t w0, uint64_t w1)
{
	rig_w64(r, RIG_CTX + devfn * 16, w0);
	rig_w64(r, RIG_CTX + devfn * 16 + 8, w1);
}

void rig_sm_context(struct emurig *r, unsigned int devfn, uint64_t w0, uint64_t w1)
{
	/* The two halves of the bus lie behind each other. */
	rig_w64(r, RIG_CTX + devfn * 32, w0);
	rig_w64(r, RIG_CTX + devfn * 32 + 8, w1);
}

uint64_t rig_pasid_at(struct emurig *r, uint32_t pasid)
{
	uint64_t dir;

	if (!r->dir)
		r->dir = rig_page(r);
	dir = r->dir + (pasid >> 6) * 8;
	if (!rig_r64(r, dir))
		rig_w64(r, dir, rig_page(r) | 1);
	return (rig_r64(r, dir) & ADDR) + (pasid & 63) * 64;
}

void rig_pasid(struct emurig *r, uint32_t pasid, uint64_t w0, uint64_t w1, uint64_t w2)
{
	uint64_t at = rig_pasid_at(r, pasid);

	rig_w64(r, at, w0);
	rig_w64(r, at + 8, w1);
	rig_w64(r, at + 16, w2);
}

uint64_t rig_legacy(struct emurig *r, unsigned int devfn, uint16_t did, unsigned int tt)
{
	uint64_t root = rig_page(r);

	rig_context(r, devfn, root | CTX_P | CTX_TT(tt), CTX1_AW(2) | CTX1_DID(did));
	return root;
}

uint64_t rig_scalable(struct emurig *r, unsigned int devfn, uint32_t pasid, unsigned int pgtt,
		      uint16_t did, uint64_t ssade)
{
	uint64_t root = rig_page(r), w0 = PE_P | PE_PGTT(pgtt) | ssade, w2 = 0;

	rig_pasid_at(r, pasid);
	rig_sm_context(r, devfn, r->dir | CTX_P | SM_DTE | SM_PASIDE | SM_PRE, 0);
	if (pgtt == PGTT_SS)
		w0 |= PE_AW(2) | root;
	if (pgtt == PGTT_NESTED)
		w0 |= PE_AW(2) | r->ss_root;
	if (pgtt == PGTT_FS)
		w2 = root;
	if (pgtt == PGTT_NESTED)
		w2 = root + RIG_IPA_OFF;
	rig_pasid(r, pasid, w0, PE1_DID(did) | PE1_PWSNP, 0);
	rig_w64(r, rig_pasid_at(r, pasid) + 16, w2 ? w2 : 0);
	return root;
}

/* ---- registers ---- */

void rig_reg(struct emurig *r, uint64_t offset, uint32_t v)
{
	uint64_t value = v;

	assert_int_equal(iod_vtd_emu_mmio(r->emu, offset, 4, true, &value), 0);
}

void rig_reg64(struct emurig *r, uint64_t offset, uint64_t v)
{
	assert_int_equal(iod_vtd_emu_mmio(r->emu, offset, 8, true, &v), 0);
}

uint64_t rig_get64(struct emurig *r, uint64_t offset)
{
	uint64_t v;

	assert_int_equal(iod_vtd_emu_mmio(r->emu, offset, 8, false, &v), 0);
	return v;
}

uint32_t rig_get(struct emurig *r, uint64_t offset)
{
	uint64_t v;

	assert_int_equal(iod_vtd_emu_mmio(r->emu, offset, 4, false, &v), 0);
	return (uint32_t)v;
}

static void rig_irq(struct emurig *r, uint64_t ctl, uint64_t addr, uint32_t data)
{
	rig_reg(r, ctl + 4, data);
	rig_reg(r, ctl + 8, (uint32_t)addr);
	rig_reg(r, ctl + 12, (uint32_t)(addr >> 32));
	rig_reg(r, ctl, 0);
}

void rig_enable(struct emurig *r, bool scalable)
{
	r->scalable = scalable;
	rig_w64(r, RIG_ROOT, RIG_CTX | 1);
	if (scalable)
		rig_w64(r, RIG_ROOT + 8, (RIG_CTX + 0x1000) | 1);
	rig_reg64(r, R_RTADDR, RIG_ROOT | (scalable ? IODT_BIT(10) : 0));
	rig_reg(r, R_GCMD, SRTP);
	rig_reg64(r, R_IQA, RIG_IQ | IODT_BIT(11));
	rig_reg64(r, R_PQA, RIG_PRQ);
	rig_irq(r, R_FECTL, RIG_MSI, 1);
	rig_irq(r, R_IECTL, RIG_MSI + 0x100, 2);
	rig_irq(r, R_PECTL, RIG_MSI + 0x200, 3);
	rig_reg(r, R_GCMD, TE | QIE);
	assert_int_equal(rig_get(r, R_GSTS), TE | SRTP | QIE);
}

void rig_desc(struct emurig *r, uint64_t w0, uint64_t w1)
{
	uint64_t tail = rig_get64(r, R_IQT), at = RIG_IQ + tail;

	rig_w64(r, at, w0);
	rig_w64(r, at + 8, w1);
	rig_w64(r, at + 16, 0);
	rig_w64(r, at + 24, 0);
	rig_reg64(r, R_IQT, (tail + 32) & 4095);
}

void rig_wait(struct emurig *r)
{
	r->seq++;
	rig_desc(r, D_WAIT | D_SW | D_FN | (uint64_t)r->seq << 32, RIG_STATUS);
	assert_int_equal(rig_r64(r, RIG_STATUS) & UINT32_MAX, r->seq);
	assert_int_equal(rig_get64(r, R_IQH), rig_get64(r, R_IQT));
}

bool rig_take(struct emurig *r, uint64_t *lo, uint64_t *hi)
{
	uint32_t fsts = rig_get(r, R_FSTS);
	uint64_t at = R_FAULT + (fsts >> 8 & 0xff) * 16;

	if (!(fsts & 2))
		return false;
	*lo = rig_get64(r, at);
	*hi = rig_get64(r, at + 8);
	assert_true(*hi >> 63);
	rig_reg(r, at + 12, 1u << 31);
	return true;
}

/* C2.6 */
void rig_expect(struct emurig *r, unsigned int reason, uint16_t sid, int64_t pasid, uint64_t addr,
		bool read)
{
	uint64_t lo = 0, hi = 0, want;

	if (!rig_take(r, &lo, &hi))
		fail_msg("no fault; wanted %x", reason);
	want = sid | (uint64_t)reason << 32 | IODT_BIT(63) | (read ? IODT_BIT(62) : 0);
	if (pasid >= 0)
		want |= IODT_BIT(31) | (uint64_t)pasid << 40;
	if ((hi & ~(UINT64_C(3) << 60 | UINT64_C(3) << 29 | IODT_BIT(28))) != want)
		fail_msg("fault %llx, wanted %llx", (unsigned long long)hi,
			 (unsigned long long)want);
	assert_int_equal(lo, addr & ~UINT64_C(4095));
}

void rig_no_fault(struct emurig *r)
{
	assert_int_equal(rig_get(r, R_FSTS) & 0xff, 0);
}

/* ---- accesses ---- */

int rig_req(struct emurig *r, uint16_t sid, int64_t pasid, uint64_t iova, uint32_t access,
	    uint32_t flags)
{
	struct iod_emu_req req = {
		.size = sizeof(req),
		.source = sid,
		.pasid_valid = pasid >= 0,
		.pasid = pasid >= 0 ? (uint32_t)pasid : 0,
		.access = access,
		.flags = flags,
		.iova = iova,
	};

	memset(&r->res, 0, sizeof(r->res));
	r->res.size = sizeof(r->res);
	return iod_vtd_emu_access(r->emu, &req, &r->res, &r->fault);
}

int rig_access(struct emurig *r, uint16_t sid, int64_t pasid, uint64_t iova, uint32_t access)
{
	return rig_req(r, sid, pasid, iova, access, 0);
}

void rig_ok(struct emurig *r, uint16_t sid, int64_t pasid, uint64_t iova, uint32_t access,
	    uint64_t pa)
{
	if (rig_access(r, sid, pasid, iova, access))
		fail_msg("refused: %x", r->fault.reason);
	assert_int_equal(r->res.outcome, IOD_EMU_DONE);
	assert_true(r->res.pa == pa);
	assert_int_equal(r->fault.reason, 0);
}

void rig_refused(struct emurig *r, uint16_t sid, int64_t pasid, uint64_t iova, uint32_t access,
		 unsigned int reason)
{
	assert_int_equal(rig_access(r, sid, pasid, iova, access), -EFAULT);
	if (r->fault.reason != reason)
		fail_msg("fault %x, wanted %x", r->fault.reason, reason);
	assert_int_equal(r->res.outcome, IOD_EMU_ABORTED);
	rig_expect(r, reason, sid, pasid, iova, !(access & IOD_ACCESS_WRITE));
	rig_no_fault(r);
}
