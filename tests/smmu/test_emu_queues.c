/* SPDX-License-Identifier: MIT */
/*
 * The emulated SMMU: registers, commands, interrupts, configuration caches, arguments, hostile guests.
 */
#include "emurig.h"

#define R	IOD_ACCESS_READ
#define W	IOD_ACCESS_WRITE
#define DATA(n) (RIG_DATA + (uint64_t)(n)*4096)

/* Commands, word 0 (C1.4) */
#define CFGI_STE(sid)	   (0x03 | (uint64_t)(sid) << 32)
#define CFGI_RANGE(sid)	   (0x04 | (uint64_t)(sid) << 32)
#define CFGI_CD(sid, ssid) (0x05 | (uint64_t)(ssid) << 12 | (uint64_t)(sid) << 32)
#define CFGI_CD_ALL(sid)   (0x06 | (uint64_t)(sid) << 32)

/* ---- registers ---- */

static void registers(void **state)
{
	struct emurig *r = *state;
	struct iod_smmuv3_regs *regs = iod_smmuv3_emu_regs(r->emu);
	uint64_t v = 0;

	assert_int_equal(rig_get(r, 0x00), rig_id.idr[0]);
	assert_int_equal(rig_get(r, 0x04), rig_id.idr[1]);
	/* HAD and XNX are not modelled, so not there. */
	assert_int_equal(rig_get(r, 0x0c), rig_id.idr[3] & ~(1u << 2 | 1u << 4));
	rig_reg(r, 0x00, 0);
	assert_int_equal(rig_get(r, 0x00), rig_id.idr[0]);
	/* Fixed while in use. */
	rig_reg(r, 0x88, 3);
	assert_int_equal(rig_get(r, 0x88), 6);
	rig_reg(r, 0x90, 0);
	assert_int_equal(rig_get(r, 0x90), (uint32_t)(RIG_CMDQ | RIG_CMDQ_LG2));
	/* 64 bits, in one and in two */
	v = UINT64_MAX;
	assert_int_equal(iod_smmuv3_emu_mmio(r->emu, 0xb0, 8, true, &v), 0);
	assert_true(regs->evtq_irq.cfg0 == UINT64_C(0x00fffffffffffffc));
	rig_reg(r, 0xb4, 0x12);
	assert_int_equal(iod_smmuv3_emu_mmio(r->emu, 0xb0, 8, false, &v), 0);
	assert_true(v == UINT64_C(0x00000012fffffffc));
	/* The queues' pointers are in both pages, others in page 0 alone. */
	rig_reg(r, 0x100ac, 5);
	assert_int_equal(rig_get(r, 0xac), 5);
	assert_int_equal(rig_get(r, 0x10020), 0);
	assert_int_equal(rig_get(r, 0x1fffc), 0);
	assert_int_equal(iod_smmuv3_emu_mmio(r->emu, 0x20000, 4, false, &v), -EINVAL);
	assert_int_equal(iod_smmuv3_emu_mmio(r->emu, 2, 4, false, &v), -EINVAL);
	assert_int_equal(iod_smmuv3_emu_mmio(r->emu, 4, 8, false, &v), -EINVAL);
	assert_int_equal(iod_smmuv3_emu_mmio(r->emu, 0, 2, false, &v), -EINVAL);
	assert_int_equal(iod_smmuv3_emu_mmio(r->emu, 0, 4, false, NULL), -EINVAL);
	/* By hand, and told. */
	regs->cr0 = 0;
	assert_int_equal(iod_smmuv3_emu_update(r->emu), 0);
	assert_int_equal(rig_get(r, 0x24), 0);
	assert_int_equal(iod_smmuv3_emu_reset(r->emu), 0);
	assert_int_equal(rig_get(r, 0xb0), 0);
}

/* ---- commands ---- */

static void illegal_command(void **state)
{
	struct emurig *r = *state;

	rig_reg(r, 0x50, 7);
	rig_cmd(r, 0xff, 0);
	assert_int_equal(rig_get(r, 0x9c), 1u << 24); /* CERROR_ILL, RD at it */
	assert_int_equal(rig_get(r, 0x60), 1);
	assert_int_equal(r->irqs[IOD_SMMUV3_IRQ_GERROR], 1);
	/* Nothing is consumed until it is acknowledged; the driver makes a SYNC of the command. */
	rig_cmd(r, 0x46, 0);
	assert_int_equal(rig_get(r, 0x9c) & 0xff, 0);
	rig_w64(r, RIG_CMDQ, 0x46);
	rig_reg(r, 0x64, 1);
	assert_int_equal(rig_get(r, 0x9c) & 0xfffff, 2);
}

/* 4.1.7: StreamIDs that are not there are no error. SIDSIZE 8. */
static void command_for_nobody(void **state)
{
	struct iod_smmuv3_id id = rig_id;
	struct iod_smmuv3_emu_cfg cfg = { .id = &id };
	struct emurig rig;

	(void)state;
	id.idr[1] = (id.idr[1] & ~0x3fu) | 8;
	rig_init(&rig, &cfg);
	rig_enable(&rig, 0);
	rig_cmd(&rig, CFGI_STE(0x100), 0);
	rig_sync(&rig);
	assert_int_equal(rig_get(&rig, 0x60), 0);
	rig_fini(&rig);
}

static void sync_msi(void **state)
{
	struct emurig *r = *state;

	/* CS 1, data 0x1234, to RIG_MSI + 4 */
	rig_cmd(r, 0x46 | 1u << 12 | (uint64_t)0x1234 << 32, RIG_MSI + 4);
	assert_int_equal(r->msis, 1);
	assert_true(r->msi_addr == RIG_MSI + 4);
	assert_int_equal(r->msi_data, 0x1234);
	rig_cmd(r, 0x46 | 1u << 12, 0);
	assert_int_equal(r->irqs[IOD_SMMUV3_IRQ_SYNC], 1);
	/* It is aborted: GERROR.MSI_CMDQ_ABT, and the SYNC is complete nevertheless. */
	r->msi_ret = -EFAULT;
	rig_cmd(r, 0x46 | 1u << 12, RIG_MSI);
	assert_int_equal(rig_get(r, 0x60), 1u << 4);
	assert_int_equal(rig_get(r, 0x9c), rig_get(r, 0x98));
}

/* Without a callback an MSI is a write to guest memory. */
static void msi_in_memory(void **state)
{
	struct iod_smmuv3_emu_ops ops = { .size = sizeof(ops) };
	struct iod_smmuv3_emu_cfg cfg = { .ops = &ops };
	struct emurig rig;
	uint64_t base = RIG_MSI + 8;

	(void)state;
	rig_init(&rig, &cfg);
	assert_int_equal(iod_smmuv3_emu_mmio(rig.emu, 0xb0, 8, true, &base), 0);
	rig_reg(&rig, 0xb8, 0xabcd);
	rig_reg(&rig, 0x50, 4);
	rig_enable(&rig, 0);
	rig_cmd(&rig, 0x46 | 1u << 12 | (uint64_t)0x1234 << 32, RIG_MSI + 4);
	assert_true(rig_r64(&rig, RIG_MSI) == (uint64_t)0x1234 << 32);
	rig_access(&rig, 5, -1, 0x1000, R); /* an event */
	assert_true(rig_r64(&rig, RIG_MSI + 8) == 0xabcd);
	rig_cmd(&rig, 0x46 | 1u << 12, RIG_AWAY);
	assert_int_equal(rig_get(&rig, 0x60), 1u << 4);
	rig_fini(&rig);
}

static void atc_inv(void **state)
{
	struct emurig *r = *state;

	/* SSV, SSID 9, SID 3; 2^2 pages at 0x7000: aligned down to 0x4000 */
	rig_cmd(r, 0x40 | 1u << 11 | 9u << 12 | (uint64_t)3 << 32, 0x7000 | 2);
	assert_int_equal(r->nr_atc, 1);
	assert_int_equal(r->atc[0].sid, 3);
	assert_true(r->atc[0].ssv && r->atc[0].ssid == 9 && !r->atc[0].global);
	assert_true(r->atc[0].first == 0x4000 && r->atc[0].last == 0x7fff);
	rig_sync(r);
	/* The device does not answer: the next SYNC says so, and is complete when it is tried again. */
	r->atc_ret = -ETIMEDOUT;
	rig_cmd(r, 0x40 | (uint64_t)3 << 32, 52);
	assert_true(r->atc[1].first == 0 && r->atc[1].last == UINT64_MAX);
	rig_cmd(r, 0x46, 0);
	assert_int_equal(rig_get(r, 0x9c), 3u << 24 | 3);
	assert_int_equal(rig_get(r, 0x60), 1);
	rig_reg(r, 0x64, 1);
	assert_int_equal(rig_get(r, 0x9c) & 0xfffff, 4);
}

/* ---- configurations are cached until CFGI names them ---- */

static void stale_ste(void **state)
{
	struct emurig *r = *state;
	uint64_t root = rig_page(r), other = rig_page(r);

	rig_map(r, root, 0x1000, DATA(1) | S1_RW_PAGE, 0);
	rig_map(r, other, 0x1000, DATA(2) | S1_RW_PAGE, 0);
	rig_ste(r, 1, STE_V | STE_CONFIG(4), 0, 0, 0);
	rig_ok(r, 1, 0x1000, R, 0x1000);
	/* Not told: the old one is in force. This is what a driver that forgets CFGI_STE meets. */
	rig_ste(r, 1, STE_V | STE_CONFIG(0), 0, 0, 0);
	rig_ok(r, 1, 0x1000, R, 0x1000);
	rig_cmd(r, CFGI_STE(2), 1);
	rig_ok(r, 1, 0x1000, R, 0x1000);
	rig_cmd(r, CFGI_CD_ALL(2), 0);
	rig_ok(r, 1, 0x1000, R, 0x1000);
	rig_cmd(r, 0x30, 0); /* no TLBI does */
	rig_ok(r, 1, 0x1000, R, 0x1000);
	rig_cmd(r, CFGI_STE(1), 1);
	assert_int_equal(rig_access(r, 1, -1, 0x1000, R), -EFAULT);
	/* An invalid one as well. */
	assert_int_equal(rig_access(r, 6, -1, 0x1000, R), -EFAULT);
	rig_ste(r, 6, STE_V | STE_CONFIG(4), 0, 0, 0);
	assert_int_equal(rig_access(r, 6, -1, 0x1000, R), -EFAULT);
	rig_cmd(r, CFGI_RANGE(4), 1); /* 2^2 of them: 4 to 7 */
	rig_ok(r, 6, 0x1000, R, 0x1000);
	rig_ste(r, 6, 0, 0, 0, 0);
	rig_ok(r, 6, 0x1000, R, 0x1000);
	rig_cmd(r, CFGI_RANGE(0), 31);
	assert_int_equal(rig_access(r, 6, -1, 0x1000, R), -EFAULT);
}

static void stale_cd(void **state)
{
	struct emurig *r = *state;
	uint64_t root = rig_page(r), other = rig_page(r), cd;

	rig_map(r, root, 0x1000, DATA(1) | S1_RW_PAGE, 0);
	rig_map(r, other, 0x1000, DATA(2) | S1_RW_PAGE, 0);
	cd = rig_s1(r, 1, CD_GOOD, root);
	rig_ok(r, 1, 0x1000, R, DATA(1));
	rig_cd(r, cd, (CD_GOOD & ~CD_ASID(0xffff)) | CD_ASID(6), other);
	rig_ok(r, 1, 0x1000, R, DATA(1));
	rig_cmd(r, CFGI_CD(1, 1), 1);
	rig_cmd(r, CFGI_CD_ALL(0), 0);
	rig_ok(r, 1, 0x1000, R, DATA(1));
	/* CFGI_CD with its SubstreamID 0; the ASID is another one, so no TLBI is needed. */
	rig_cmd(r, CFGI_CD(1, 0), 1);
	rig_ok(r, 1, 0x1000, R, DATA(2));
	/* Back, with the ASID of the first table: its translations are still cached under it. */
	rig_cd(r, cd, CD_GOOD, other);
	rig_cmd(r, CFGI_CD_ALL(1), 0);
	rig_ok(r, 1, 0x1000, R, DATA(1));
	rig_cmd(r, 0x11 | (uint64_t)5 << 48, 0);
	rig_ok(r, 1, 0x1000, R, DATA(2));
	/* CFGI_STE forgets CDs of the stream. */
	rig_cd(r, cd, CD_GOOD & ~CD_V, other);
	rig_ok(r, 1, 0x1000, R, DATA(2));
	rig_cmd(r, CFGI_STE(1), 1);
	assert_int_equal(rig_access(r, 1, -1, 0x1000, R), -EFAULT);
}

static void stale_translations(void **state)
{
	struct emurig *r = *state;
	uint64_t root = rig_page(r);

	rig_stage2(r, S2_RW_PAGE);
	rig_nested(r, 4, STE2_GOOD, CD_GOOD, root);
	rig_map(r, root, 0x5000, (DATA(1) + RIG_IPA_OFF) | S1_RW_PAGE, RIG_IPA_OFF);
	rig_ok(r, 4, 0x5000, W, DATA(1));
	/* The stage-2 page moves: S2_IPA alone leaves the combined translation (4.4.3). */
	rig_map(r, r->s2_root, DATA(1) + RIG_IPA_OFF, DATA(2) | S2_RW_PAGE, 0);
	rig_cmd(r, 0x2a | (uint64_t)7 << 32, DATA(1) + RIG_IPA_OFF);
	rig_sync(r);
	rig_ok(r, 4, 0x5000, W, DATA(1));
	rig_cmd(r, 0x10 | (uint64_t)7 << 32, 0); /* NH_ALL of the VMID */
	rig_sync(r);
	rig_ok(r, 4, 0x5000, W, DATA(2));
	/* NH_ALL of another VMID does nothing to it; S12_VMALL does both. */
	rig_map(r, r->s2_root, DATA(1) + RIG_IPA_OFF, DATA(3) | S2_RW_PAGE, 0);
	rig_cmd(r, 0x28 | (uint64_t)8 << 32, 0);
	rig_ok(r, 4, 0x5000, W, DATA(2));
	rig_cmd(r, 0x28 | (uint64_t)7 << 32, 0);
	rig_ok(r, 4, 0x5000, W, DATA(3));
}

/* EL2 without E2H: its entries have no ASID, so what a command names does not matter. */
static void stale_el2(void **state)
{
	struct emurig *r = *state;
	uint64_t root = rig_page(r), cd = rig_s1(r, 4, CD_GOOD, root);

	rig_ste(r, 4, STE_V | STE_CONFIG(5) | cd, (uint64_t)2 << 30, 0, 0); /* STRW */
	rig_map(r, root, 0x5000, DATA(1) | S1_RW_PAGE, 0);
	rig_ok(r, 4, 0x5000, W, DATA(1));
	rig_map(r, root, 0x5000, DATA(2) | S1_RW_PAGE, 0);
	rig_cmd(r, 0x12 | (uint64_t)5 << 48, 0x5000); /* NH_VA: not EL2's */
	rig_sync(r);
	rig_ok(r, 4, 0x5000, W, DATA(1));
	rig_cmd(r, 0x22 | (uint64_t)5 << 48, 0x5000);
	rig_sync(r);
	rig_ok(r, 4, 0x5000, W, DATA(2));
}

/* ---- arguments ---- */

static void arguments(void **state)
{
	struct emurig *r = *state;
	struct iod_smmuv3_emu_cfg cfg = { .size = sizeof(cfg), .mem = r->m };
	struct iod_emu_req req = { .size = sizeof(req), .access = R };
	struct iod_iotlb_cfg atc = { .size = sizeof(atc), .flags = IOD_IOTLB_ATC };
	struct iod_smmuv3_id none = { .idr = { 0 } };
	struct iod_smmuv3_emu *emu;

	assert_int_equal(iod_smmuv3_emu_create(NULL, &cfg), -EINVAL);
	assert_int_equal(iod_smmuv3_emu_create(&emu, NULL), -EINVAL);
	cfg.mem = NULL;
	assert_int_equal(iod_smmuv3_emu_create(&emu, &cfg), -EINVAL);
	cfg.mem = r->m;
	cfg.config_entries = 3;
	assert_int_equal(iod_smmuv3_emu_create(&emu, &cfg), -EINVAL);
	cfg.config_entries = 1;
	cfg.tlb_s2 = &atc;
	assert_int_equal(iod_smmuv3_emu_create(&emu, &cfg), -EINVAL);
	cfg.tlb_s2 = NULL;
	cfg.id = &none;
	assert_int_equal(iod_smmuv3_emu_create(&emu, &cfg), -EOPNOTSUPP);
	cfg.id = NULL;
	assert_int_equal(iod_smmuv3_emu_create(&emu, &cfg), 0);
	assert_non_null(iod_smmuv3_emu_iotlb(emu, 1));
	assert_non_null(iod_smmuv3_emu_iotlb(emu, 2));
	assert_null(iod_smmuv3_emu_iotlb(emu, 3));
	assert_int_equal(iod_smmuv3_emu_access(emu, &req, NULL, NULL), 0);
	req.flags = 4;
	assert_int_equal(iod_smmuv3_emu_access(emu, &req, NULL, NULL), -EINVAL);
	req.flags = 3;
	assert_int_equal(iod_smmuv3_emu_access(emu, &req, NULL, NULL), -EINVAL);
	req.flags = 0;
	req.access = IOD_ACCESS_PRIV;
	assert_int_equal(iod_smmuv3_emu_access(emu, &req, NULL, NULL), -EINVAL);
	assert_int_equal(iod_smmuv3_emu_access(emu, NULL, NULL, NULL), -EINVAL);
	req.access = R;
	req.pasid_valid = true;
	req.pasid = 1 << 20;
	assert_int_equal(iod_smmuv3_emu_access(emu, &req, NULL, NULL), -EINVAL);
	assert_int_equal(iod_mem_destroy(r->m), -EBUSY);
	assert_int_equal(iod_smmuv3_emu_destroy(emu), 0);
	assert_int_equal(iod_smmuv3_emu_destroy(NULL), -EINVAL);
}

struct disabler {
	struct iod_smmuv3_emu *emu;
	unsigned int calls;
	uint64_t ack;
};

/* Another vCPU disables the queue while commands are consumed. */
static int disable_cmdq(void *cookie, uint32_t sid, bool ssv, uint32_t ssid, bool global,
			uint64_t first, uint64_t last)
{
	struct disabler *d = cookie;
	uint64_t cr0 = 0;

	(void)sid;
	(void)ssv;
	(void)ssid;
	(void)global;
	(void)first;
	(void)last;
	d->calls++;
	assert_int_equal(iod_smmuv3_emu_mmio(d->emu, 0x20, 4, true, &cr0), 0);
	return iod_smmuv3_emu_mmio(d->emu, 0x24, 4, false, &d->ack);
}

/* CR0ACK says that CMDQEN is clear when nobody writes CONS any more. */
static void disable_while_consuming(void **state)
{
	const struct iod_smmuv3_emu_ops ops = { .size = sizeof(ops), .atc_inv = disable_cmdq };
	struct disabler d = { 0 };
	struct iod_smmuv3_emu_cfg cfg = { .size = sizeof(cfg), .ops = &ops, .cookie = &d };
	struct emurig r;
	unsigned int i;

	(void)state;
	rig_init(&r, &cfg);
	d.emu = r.emu;
	rig_enable(&r, 0);
	for (i = 0; i < 3; i++) {
		rig_w64(&r, RIG_CMDQ + 16 * i, 0x40 | UINT64_C(3) << 32);
		rig_w64(&r, RIG_CMDQ + 16 * i + 8, 52);
	}
	rig_reg(&r, 0x98, 3);
	assert_int_equal(d.calls, 1);
	assert_int_equal(d.ack, IOD_SMMUV3_CR0_CMDQEN);
	assert_int_equal(rig_get(&r, 0x24), 0);
	assert_int_equal(rig_get(&r, 0x9c), 1);
	rig_reg(&r, 0x98, 0);
	rig_reg(&r, 0x9c, 0);
	assert_int_equal(rig_get(&r, 0x9c), 0);
	rig_fini(&r);
}

/* Each allocation fails once. */
static void allocations(void **state)
{
	struct iod_smmuv3_emu_cfg cfg = { .size = sizeof(cfg) };
	struct emurig *r = *state;
	uint64_t root = rig_page(r), at, before;
	struct iod_smmuv3_emu *emu;
	int ret;

	cfg.mem = r->m;
	cfg.allocator = &r->alloc.ops;
	before = r->alloc.live;
	for (at = 1;; at++) {
		r->alloc.fail_at = r->alloc.calls + at;
		ret = iod_smmuv3_emu_create(&emu, &cfg);
		r->alloc.fail_at = 0;
		if (!ret)
			break;
		assert_int_equal(ret, -ENOMEM);
		assert_int_equal(r->alloc.live, before);
	}
	assert_true(at > 5);
	assert_int_equal(iod_smmuv3_emu_destroy(emu), 0);
	/* A context that cannot be made: the access is refused with -ENOMEM, and is fine the next time. */
	rig_stage2(r, S2_RW_PAGE);
	rig_nested(r, 4, STE2_GOOD, CD_GOOD, root);
	rig_map(r, root, 0x5000, (DATA(1) + RIG_IPA_OFF) | S1_RW_PAGE, RIG_IPA_OFF);
	before = r->alloc.live;
	for (at = 1;; at++) {
		r->alloc.fail_at = r->alloc.calls + at;
		ret = rig_access(r, 4, -1, 0x5000, R);
		r->alloc.fail_at = 0;
		if (!ret)
			break;
		assert_int_equal(ret, -ENOMEM);
		assert_int_equal(r->alloc.live, before);
	}
	assert_true(at > 3);
	rig_ok(r, 4, 0x5000, R, DATA(1));
	rig_no_event(r);
}

/* ---- hostile guests ---- */

/* Registers and structures of nonsense: no access leaves guest memory, nothing hangs or crashes. */
static void hostile(void **state)
{
	struct emurig *r = *state;
	uint64_t x = 88172645463325252u, v;
	unsigned int i;

	for (i = 0; i < 40000; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		v = x * UINT64_C(0x2545f4914f6cdd1d);
		if (i % 3 == 0)
			rig_w64(r, RIG_BASE + (v >> 8) % 0x200000 / 8 * 8, v);
		else if (i % 3 == 1)
			iod_smmuv3_emu_mmio(r->emu, (v >> 20) % 0x10100 / 8 * 8, 8, true, &v);
		else if (!rig_access(r, (uint32_t)(v >> 40) & 0xff,
				     v & 1 ? (int64_t)(v >> 8 & 15) : -1, v >> 16, v & 2 ? R : W))
			assert_true(r->res.pa < IODT_BIT(48));
		r->nr_resumed = r->nr_atc = r->nr_pri = 0;
		if (i % 1000 == 0)
			rig_reg(r, 0x20, 0xf);
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, rig_setup_enabled, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(registers),
		TEST(illegal_command),
		TEST(sync_msi),
		TEST(command_for_nobody),
		TEST(msi_in_memory),
		TEST(atc_inv),
		TEST(stale_ste),
		TEST(stale_cd),
		TEST(stale_translations),
		TEST(arguments),
		TEST(stale_el2),
		TEST(allocations),
		TEST(hostile),
		cmocka_unit_test(disable_while_consuming),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
