/* SPDX-License-Identifier: MIT */
/* A guest under an emulated AMD IOMMU, made by hand. */
#include "emurig.h"

#include "bits.h"

static void rig_on_irq(void *cookie, enum iod_amdvi_irq what)
{
	struct amdrig *r = cookie;

	r->irqs[what]++;
}

static int rig_on_atc(void *cookie, uint32_t devid, bool pasid_valid, uint32_t pasid, bool global,
		      uint64_t first, uint64_t last)
{
	struct amdrig *r = cookie;

	assert_false(global);
	assert_true(r->nr_atc < IODT_ARRAY_SIZE(r->atc));
	r->atc[r->nr_atc++] = (struct rig_atc){ devid, pasid, pasid_valid, first, last };
	return r->atc_ret;
}

static void rig_on_pri(void *cookie, const struct iod_page_response *response, bool automatic)
{
	struct amdrig *r = cookie;

	assert_true(r->nr_pri < IODT_ARRAY_SIZE(r->pri));
	r->automatic[r->nr_pri] = automatic;
	r->pri[r->nr_pri++] = *response;
}

static const struct iod_amdvi_emu_ops rig_ops = {
	.size = sizeof(rig_ops),
	.irq = rig_on_irq,
	.atc_inv = rig_on_atc,
	.pri_response = rig_on_pri,
};

void rig_create(struct amdrig *r, const struct iod_amdvi_emu_cfg *user)
{
	struct iod_amdvi_emu_cfg cfg = { 0 };

	if (user)
		cfg = *user;
	cfg.size = sizeof(cfg);
	cfg.mem = r->m;
	cfg.ops = cfg.ops ? cfg.ops : &rig_ops;
	cfg.cookie = cfg.cookie ? cfg.cookie : r;
	cfg.allocator = &r->alloc.ops;
	assert_int_equal(iod_amdvi_emu_create(&r->emu, &cfg), 0);
}

void rig_init(struct amdrig *r, const struct iod_amdvi_emu_cfg *user)
{
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
	rig_create(r, user);
}

void rig_fini(struct amdrig *r)
{
	assert_int_equal(iod_amdvi_emu_destroy(r->emu), 0);
	assert_int_equal(iod_mem_destroy(r->m), 0);
	assert_int_equal(r->alloc.live, 0);
	assert_int_equal(r->alloc.bad, 0);
	free(r->mem);
}

int rig_setup(void **state)
{
	struct amdrig *r = malloc(sizeof(*r));

	assert_non_null(r);
	rig_init(r, NULL);
	*state = r;
	return 0;
}

int rig_setup_enabled(void **state)
{
	rig_setup(state);
	rig_enable(*state, CTRL_ALL);
	return 0;
}

int rig_teardown(void **state)
{
	struct amdrig *r = *state;

	rig_fini(r);
	free(r);
	return 0;
}

/* ---- memory ---- */

static unsigned char *rig_at(struct amdrig *r, uint64_t pa)
{
	assert_true(pa - RIG_BASE < RIG_BYTES && !(pa & 7));
	return r->mem + (pa - RIG_BASE);
}

void rig_w64(struct amdrig *r, uint64_t pa, uint64_t v)
{
	unsigned char *p = rig_at(r, pa), byte[8];
	unsigned int i;
	uint64_t le;

	for (i = 0; i < 8; i++)
		byte[i] = (unsigned char)(v >> i * 8);
	memcpy(&le, byte, 8);
	__atomic_store_n((iod_word *)(void *)p, le, __ATOMIC_RELEASE);
}

uint64_t rig_r64(struct amdrig *r, uint64_t pa)
{
	uint64_t le = __atomic_load_n((iod_word *)(void *)rig_at(r, pa), __ATOMIC_ACQUIRE), v = 0;
	unsigned char byte[8];
	unsigned int i;

	memcpy(byte, &le, 8);
	for (i = 0; i < 8; i++)
		v |= (uint64_t)byte[i] << i * 8;
	return v;
}

uint64_t rig_page(struct amdrig *r)
{
	uint64_t pa = r->next;

	r->next += 4096;
	assert_true(r->next <= RIG_DATA);
	return pa;
}

#define RIG_ADDR(pte) ((pte)&UINT64_C(0x000ffffffffff000))

uint64_t rig_host_leaf(struct amdrig *r, uint64_t root, uint64_t iova)
{
	uint64_t table = root;
	unsigned int shift;

	for (shift = 30; shift > 12; shift -= 9)
		table = RIG_ADDR(rig_r64(r, table + (iova >> shift & 511) * 8));
	return table + (iova >> 12 & 511) * 8;
}

uint64_t rig_guest_leaf(struct amdrig *r, uint64_t root, uint64_t va, uint64_t off)
{
	uint64_t table = root;
	unsigned int shift;

	for (shift = 39; shift > 12; shift -= 9)
		table = RIG_ADDR(rig_r64(r, table + (va >> shift & 511) * 8)) - off;
	return table + (va >> 12 & 511) * 8;
}

void rig_map_host(struct amdrig *r, uint64_t root, uint64_t iova, uint64_t pte)
{
	uint64_t table = root, item, next;
	unsigned int level;

	for (level = 3; level > 1; level--) {
		item = table + (iova >> (3 + 9 * level) & 511) * 8;
		next = rig_r64(r, item);
		if (!next) {
			next = rig_page(r) | V1_RW | V1_NL(level - 1);
			rig_w64(r, item, next);
		}
		table = RIG_ADDR(next);
	}
	rig_w64(r, table + (iova >> 12 & 511) * 8, pte);
}

void rig_map_guest(struct amdrig *r, uint64_t root, uint64_t va, uint64_t pte, uint64_t off)
{
	uint64_t table = root, item, next;
	unsigned int shift;

	for (shift = 39; shift > 12; shift -= 9) {
		item = table + (va >> shift & 511) * 8;
		next = rig_r64(r, item);
		if (!next) {
			next = (rig_page(r) + off) | V2_RW;
			rig_w64(r, item, next);
		}
		table = RIG_ADDR(next) - off;
	}
	rig_w64(r, table + (va >> 12 & 511) * 8, pte);
}

uint64_t rig_host(struct amdrig *r, uint64_t attr)
{
	uint64_t pa;

	r->host_root = rig_page(r);
	for (pa = RIG_BASE; pa < RIG_BASE + RIG_BYTES; pa += 4096)
		rig_map_host(r, r->host_root, pa + RIG_GPA, pa | attr);
	return r->host_root;
}

/* ---- structures ---- */

void rig_dte(struct amdrig *r, uint32_t devid, uint64_t w0, uint64_t w1, uint64_t w2, uint64_t w3)
{
	uint64_t pa = RIG_DEVTAB + devid * 32u;

	rig_w64(r, pa + 8, w1);
	rig_w64(r, pa + 16, w2);
	rig_w64(r, pa + 24, w3);
	rig_w64(r, pa, w0);
}

void rig_v1(struct amdrig *r, uint32_t devid, uint64_t w0, uint64_t domain, uint64_t root)
{
	rig_dte(r, devid, DTE_OK | DTE_MODE(3) | root | w0, DTE1_DOM(domain), 0, 0);
}

uint64_t rig_v2(struct amdrig *r, uint32_t devid, uint64_t w0, uint64_t domain, uint32_t pasid,
		uint64_t root)
{
	uint64_t gcr3 = rig_page(r);

	assert_true(pasid < 512);
	rig_w64(r, gcr3 + pasid * 8u, root | 1);
	rig_dte(r, devid, DTE_OK | DTE_GV | DTE0_GCR3(gcr3) | w0,
		DTE1_DOM(domain) | DTE1_GCR3(gcr3), 0, 0);
	return gcr3;
}

uint64_t rig_nested(struct amdrig *r, uint32_t devid, uint64_t w0, uint64_t domain, uint32_t pasid,
		    uint64_t root)
{
	uint64_t gcr3 = rig_page(r), at = gcr3 + RIG_GPA;

	assert_true(pasid < 512);
	rig_w64(r, gcr3 + pasid * 8u, (root + RIG_GPA) | 1);
	rig_dte(r, devid, DTE_OK | DTE_MODE(3) | r->host_root | DTE_GV | DTE0_GCR3(at) | w0,
		DTE1_DOM(domain) | DTE1_GCR3(at), 0, 0);
	return gcr3;
}

/* ---- registers and rings ---- */

void rig_reg(struct amdrig *r, uint64_t offset, uint64_t v)
{
	assert_int_equal(iod_amdvi_emu_mmio(r->emu, offset, 8, true, &v), 0);
}

uint64_t rig_get(struct amdrig *r, uint64_t offset)
{
	uint64_t value = UINT64_MAX;

	assert_int_equal(iod_amdvi_emu_mmio(r->emu, offset, 8, false, &value), 0);
	return value;
}

void rig_enable(struct amdrig *r, uint64_t control)
{
	rig_reg(r, R_DEVTAB, RIG_DEVTAB | 1);
	rig_reg(r, R_CMD, RIG_CMD | RIG_LENGTH);
	rig_reg(r, R_EVT, RIG_EVT | RIG_LENGTH);
	rig_reg(r, R_PPR, RIG_PPR | RIG_LENGTH);
	rig_reg(r, R_CONTROL, control);
	assert_int_equal(rig_get(r, R_CONTROL), control);
}

void rig_cmd(struct amdrig *r, uint64_t w0, uint64_t w1)
{
	uint64_t tail = rig_get(r, R_CMD_TAIL);

	rig_w64(r, RIG_CMD + tail, w0);
	rig_w64(r, RIG_CMD + tail + 8, w1);
	rig_reg(r, R_CMD_TAIL, (tail + 16) % RIG_RING);
}

void rig_wait(struct amdrig *r)
{
	uint64_t v = ++r->cookie;

	rig_cmd(r, CMD(1) | RIG_SEM | CMD_CW_S | CMD_CW_F, v);
	assert_int_equal(rig_r64(r, RIG_SEM), v);
	assert_int_equal(rig_get(r, R_CMD_HEAD), rig_get(r, R_CMD_TAIL));
}

bool rig_event(struct amdrig *r, uint64_t raw[2])
{
	uint64_t head = rig_get(r, R_EVT_HEAD);

	if (head == rig_get(r, R_EVT_TAIL))
		return false;
	raw[0] = rig_r64(r, RIG_EVT + head);
	raw[1] = rig_r64(r, RIG_EVT + head + 8);
	rig_reg(r, R_EVT_HEAD, (head + 16) % RIG_RING);
	return true;
}

void rig_expect_event(struct amdrig *r, uint64_t w0, uint64_t w1)
{
	uint64_t raw[2];

	assert_true(rig_event(r, raw));
	if (raw[0] != w0 || raw[1] != w1)
		print_message("event %016llx %016llx, wanted %016llx %016llx\n",
			      (unsigned long long)raw[0], (unsigned long long)raw[1],
			      (unsigned long long)w0, (unsigned long long)w1);
	assert_true(raw[0] == w0 && raw[1] == w1);
}

void rig_no_event(struct amdrig *r)
{
	uint64_t raw[2];

	assert_false(rig_event(r, raw));
}

/* ---- accesses ---- */

int rig_req(struct amdrig *r, uint32_t devid, int64_t pasid, uint64_t iova, uint32_t access,
	    uint32_t flags)
{
	struct iod_emu_req req = {
		.size = sizeof(req),
		.source = devid,
		.pasid = pasid < 0 ? 0 : (uint32_t)pasid,
		.pasid_valid = pasid >= 0,
		.access = access,
		.flags = flags,
		.iova = iova,
	};

	r->res = (struct iod_emu_result){ .size = sizeof(r->res) };
	return iod_amdvi_emu_access(r->emu, &req, &r->res, &r->ev);
}

int rig_access(struct amdrig *r, uint32_t devid, int64_t pasid, uint64_t iova, uint32_t access)
{
	return rig_req(r, devid, pasid, iova, access, 0);
}

void rig_ok(struct amdrig *r, uint32_t devid, int64_t pasid, uint64_t iova, uint32_t access,
	    uint64_t pa)
{
	assert_int_equal(rig_access(r, devid, pasid, iova, access), 0);
	assert_int_equal(r->res.outcome, IOD_EMU_DONE);
	assert_int_equal(r->ev.type, 0);
	assert_int_equal(r->res.pa, pa);
}

void rig_bad(struct amdrig *r, uint32_t devid, int64_t pasid, uint64_t iova, uint32_t access,
	     uint64_t w0, uint64_t w1)
{
	assert_int_equal(rig_access(r, devid, pasid, iova, access), -EFAULT);
	assert_int_equal(r->res.outcome, IOD_EMU_ABORTED);
	assert_true(r->res.recorded);
	rig_expect_event(r, w0, w1);
	rig_no_event(r);
}
