/* SPDX-License-Identifier: MIT */
/* A guest under an emulated SMMU, made by hand. */
#include "emurig.h"

#include "bits.h"

const struct iod_smmuv3_id rig_id = {
	.idr = {
		/* S2P S1P, TTF both, COHACC, HTTU 3, Hyp, ATS, ASID16, MSI, PRI, VMID16, CD2L, little-endian, TERM_MODEL
		 * 0, STALL_MODEL 0, ST_LEVEL 1 */
		[0] = 3u | 3u << 2 | 1u << 4 | 3u << 6 | 1u << 9 | 1u << 10 | 1u << 12 | 1u << 13 |
		      1u << 16 | 1u << 18 | 1u << 19 | 2u << 21 | 1u << 27,
		/* SIDSIZE 32, SSIDSIZE 20, PRIQS 16, EVTQS 16, CMDQS 16 */
		[1] = 32u | 20u << 6 | 16u << 11 | 16u << 16 | 16u << 21,
		/* HAD, XNX, FWB, STT, RIL, BBML 2, E0PD */
		[3] = 1u << 2 | 1u << 4 | 1u << 8 | 1u << 9 | 1u << 10 | 2u << 11 | 1u << 13,
		/* OAS 48, all granules, STALL_MAX 16 */
		[5] = 5u | 7u << 4 | 16u << 16,
	},
};

static int rig_on_msi(void *cookie, uint64_t addr, uint32_t data)
{
	struct emurig *r = cookie;

	r->msis++;
	r->msi_addr = addr;
	r->msi_data = data;
	return r->msi_ret;
}

static void rig_on_irq(void *cookie, enum iod_smmuv3_irq line)
{
	struct emurig *r = cookie;

	r->irqs[line]++;
}

static void rig_on_resumed(void *cookie, void *access, uint16_t stag, enum iod_emu_outcome how)
{
	struct emurig *r = cookie;

	assert_true(r->nr_resumed < IODT_ARRAY_SIZE(r->resumed));
	r->resumed[r->nr_resumed++] = (struct rig_resumed){ access, stag, how };
}

static int rig_on_atc(void *cookie, uint32_t sid, bool ssv, uint32_t ssid, bool global,
		      uint64_t first, uint64_t last)
{
	struct emurig *r = cookie;

	assert_true(r->nr_atc < IODT_ARRAY_SIZE(r->atc));
	r->atc[r->nr_atc++] = (struct rig_atc){ sid, ssid, ssv, global, first, last };
	return r->atc_ret;
}

static void rig_on_pri(void *cookie, const struct iod_page_response *response, bool automatic)
{
	struct emurig *r = cookie;

	assert_true(r->nr_pri < IODT_ARRAY_SIZE(r->pri));
	assert_int_equal(response->model, IOD_REQUEST_PRI);
	r->pri[r->nr_pri++] = (struct rig_pri){
		.sid = (uint32_t)response->source,
		.ssid = response->pasid,
		.ssv = response->flags & IOD_REQ_PASID_VALID,
		.automatic = automatic,
		.prgi = response->grpid,
		.code = response->code,
	};
}

static const struct iod_smmuv3_emu_ops rig_ops = {
	.size = sizeof(rig_ops),
	.msi = rig_on_msi,
	.irq = rig_on_irq,
	.resumed = rig_on_resumed,
	.atc_inv = rig_on_atc,
	.pri_response = rig_on_pri,
};

void rig_init(struct emurig *r, const struct iod_smmuv3_emu_cfg *user)
{
	struct iod_smmuv3_emu_cfg cfg = { 0 };
	struct iod_mem_region region = { .pa = RIG_BASE, .len = RIG_BYTES };
	struct iod_mem_vm_cfg vm = { .size = sizeof(vm), .regions = &region, .nr_regions = 1 };

	memset(r, 0, sizeof(*r));
	r->mem = calloc(1, RIG_BYTES);
	assert_non_null(r->mem);
	r->next = RIG_TABLES;
	region.host = r->mem;
	iodt_alloc_init(&r->alloc);
	vm.allocator = &r->alloc.ops;
	assert_int_equal(iod_mem_create_vm(&r->m, &vm), 0);
	if (user)
		cfg = *user;
	cfg.size = sizeof(cfg);
	cfg.mem = r->m;
	cfg.id = cfg.id ? cfg.id : &rig_id;
	cfg.ops = cfg.ops ? cfg.ops : &rig_ops;
	cfg.cookie = cfg.cookie ? cfg.cookie : r;
	cfg.allocator = &r->alloc.ops;
	r->id = *cfg.id;
	assert_int_equal(iod_smmuv3_emu_create(&r->emu, &cfg), 0);
}

void rig_fini(struct emurig *r)
{
	assert_int_equal(iod_smmuv3_emu_destroy(r->emu), 0);
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

int rig_setup_enabled(void **state)
{
	rig_setup(state);
	rig_enable(*state, 0);
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

#define RIG_ADDR(desc) ((desc)&UINT64_C(0x0000fffffffff000))

uint64_t rig_leaf(struct emurig *r, uint64_t root, uint64_t va, uint64_t off)
{
	uint64_t table = root, desc;
	unsigned int shift;

	for (shift = 30; shift > 12; shift -= 9) {
		desc = rig_r64(r, table + (va >> shift & 511) * 8);
		if ((desc & 3) != 3)
			return 0;
		table = RIG_ADDR(desc) - off;
	}
	return table + (va >> 12 & 511) * 8;
}

void rig_map(struct emurig *r, uint64_t root, uint64_t va, uint64_t desc, uint64_t off)
{
	uint64_t table = root, item, next;
	unsigned int shift;

	for (shift = 30; shift > 12; shift -= 9) {
		item = table + (va >> shift & 511) * 8;
		next = rig_r64(r, item);
		if (!next) {
			next = (rig_page(r) + off) | 3;
			rig_w64(r, item, next);
		}
		table = RIG_ADDR(next) - off;
	}
	rig_w64(r, table + (va >> 12 & 511) * 8, desc);
}

uint64_t rig_stage2(struct emurig *r, uint64_t attr)
{
	uint64_t pa;

	r->s2_root = rig_page(r);
	for (pa = RIG_BASE; pa < RIG_BASE + RIG_BYTES; pa += 4096)
		rig_map(r, r->s2_root, pa + RIG_IPA_OFF, pa | attr, 0);
	return r->s2_root;
}

/* ---- structures ---- */

void rig_ste(struct emurig *r, uint32_t sid, uint64_t w0, uint64_t w1, uint64_t w2, uint64_t w3)
{
	uint64_t pa = RIG_STRTAB + sid * 64u;

	rig_w64(r, pa + 8, w1);
	rig_w64(r, pa + 16, w2);
	rig_w64(r, pa + 24, w3);
	rig_w64(r, pa, w0);
}

void rig_cd(struct emurig *r, uint64_t pa, uint64_t w0, uint64_t ttb0)
{
	rig_w64(r, pa + 8, ttb0);
	rig_w64(r, pa + 24, UINT64_C(0xff));
	rig_w64(r, pa, w0);
}

uint64_t rig_s1(struct emurig *r, uint32_t sid, uint64_t cd0, uint64_t root)
{
	uint64_t cd = rig_page(r);

	rig_cd(r, cd, cd0, root);
	rig_ste(r, sid, STE_V | STE_CONFIG(5) | cd, 0, 0, 0);
	return cd;
}

uint64_t rig_nested(struct emurig *r, uint32_t sid, uint64_t ste2, uint64_t cd0, uint64_t root)
{
	uint64_t cd = rig_page(r);

	rig_cd(r, cd, cd0, root + RIG_IPA_OFF);
	rig_ste(r, sid, STE_V | STE_CONFIG(7) | (cd + RIG_IPA_OFF), 0, ste2, r->s2_root);
	return cd;
}

/* ---- registers and queues ---- */

void rig_reg(struct emurig *r, uint64_t offset, uint32_t v)
{
	uint64_t value = v;

	assert_int_equal(iod_smmuv3_emu_mmio(r->emu, offset, 4, true, &value), 0);
}

uint32_t rig_get(struct emurig *r, uint64_t offset)
{
	uint64_t value = UINT64_MAX;

	assert_int_equal(iod_smmuv3_emu_mmio(r->emu, offset, 4, false, &value), 0);
	assert_true(value <= UINT32_MAX);
	return (uint32_t)value;
}

static void rig_reg64(struct emurig *r, uint64_t offset, uint64_t v)
{
	assert_int_equal(iod_smmuv3_emu_mmio(r->emu, offset, 8, true, &v), 0);
}

void rig_enable(struct emurig *r, uint32_t cr0)
{
	rig_reg64(r, 0x80, RIG_STRTAB);
	rig_reg(r, 0x88, 6);
	rig_reg64(r, 0x90, RIG_CMDQ | RIG_CMDQ_LG2);
	rig_reg64(r, 0xa0, RIG_EVTQ | RIG_EVTQ_LG2);
	rig_reg64(r, 0xc0, RIG_PRIQ | RIG_PRIQ_LG2);
	rig_reg(r, 0x2c, IOD_SMMUV3_CR2_RECINVSID);
	rig_reg(r, 0x20, 0xf | cr0);
	assert_int_equal(rig_get(r, 0x24), 0xf | cr0);
}

void rig_cmd(struct emurig *r, uint64_t w0, uint64_t w1)
{
	uint32_t prod = rig_get(r, 0x98), mask = (2u << RIG_CMDQ_LG2) - 1;
	uint64_t at = RIG_CMDQ + (prod & (mask >> 1)) * 16;

	rig_w64(r, at, w0);
	rig_w64(r, at + 8, w1);
	rig_reg(r, 0x98, (prod + 1) & mask);
}

void rig_sync(struct emurig *r)
{
	rig_cmd(r, 0x46, 0);
	assert_int_equal(rig_get(r, 0x9c), rig_get(r, 0x98));
}

bool rig_event(struct emurig *r, uint64_t raw[4])
{
	uint32_t prod = rig_get(r, 0x100a8), cons = rig_get(r, 0x100ac);
	uint32_t mask = (2u << RIG_EVTQ_LG2) - 1;
	unsigned int i;

	if (!((prod ^ cons) & mask))
		return false;
	for (i = 0; i < 4; i++)
		raw[i] = rig_r64(r, RIG_EVTQ + (cons & (mask >> 1)) * 32 + i * 8);
	rig_reg(r, 0x100ac, (cons & IODT_BIT(31)) | ((cons + 1) & mask));
	return true;
}

void rig_expect_event(struct emurig *r, uint64_t w0, uint64_t w1, uint64_t w2, uint64_t w3)
{
	const uint64_t want[4] = { w0, w1, w2, w3 };
	uint64_t raw[4];
	unsigned int i;

	assert_true(rig_event(r, raw));
	for (i = 0; i < 4; i++) {
		if (raw[i] != want[i])
			print_error("event word %u: %#llx, not %#llx\n", i,
				    (unsigned long long)raw[i], (unsigned long long)want[i]);
		assert_true(raw[i] == want[i]);
	}
}

void rig_no_event(struct emurig *r)
{
	uint64_t raw[4];

	assert_false(rig_event(r, raw));
}

/* ---- accesses ---- */

int rig_req(struct emurig *r, uint32_t sid, int64_t ssid, uint64_t iova, uint32_t access,
	    uint32_t flags)
{
	struct iod_emu_req req = {
		.size = sizeof(req),
		.source = sid,
		.pasid_valid = ssid >= 0,
		.pasid = ssid >= 0 ? (uint32_t)ssid : 0,
		.access = access,
		.flags = flags,
		.iova = iova,
		.cookie = r->cookie,
	};

	memset(&r->res, 0, sizeof(r->res));
	r->res.size = sizeof(r->res);
	return iod_smmuv3_emu_access(r->emu, &req, &r->res, &r->ev);
}

int rig_access(struct emurig *r, uint32_t sid, int64_t ssid, uint64_t iova, uint32_t access)
{
	return rig_req(r, sid, ssid, iova, access, 0);
}

void rig_ok(struct emurig *r, uint32_t sid, uint64_t iova, uint32_t access, uint64_t pa)
{
	int ret = rig_access(r, sid, -1, iova, access);

	if (ret)
		print_error("refused: %d, event %#x\n", ret, (unsigned int)r->ev.type);
	assert_int_equal(ret, 0);
	assert_int_equal(r->res.outcome, IOD_EMU_DONE);
	assert_true(r->res.pa == pa);
	assert_int_equal(r->ev.type, 0);
}
