/* SPDX-License-Identifier: MIT */
/* The emulated AMD IOMMU: registers, command buffer, event and PPR logs, interrupts, page requests. */
#include "emurig.h"

#define R    IOD_ACCESS_READ
#define DOM  9u
#define DEV  3u
#define GONE (EV(2, DEV) | EV_DOM(DOM))

static void registers(void **state)
{
	struct amdrig *r = *state;
	uint64_t v;

	assert_int_equal(rig_get(r, R_STATUS), 0);
	assert_int_equal(iod_amdvi_emu_mmio(r->emu, 0, 2, false, &v), -EINVAL);
	assert_int_equal(iod_amdvi_emu_mmio(r->emu, 4, 8, false, &v), -EINVAL);
	assert_int_equal(iod_amdvi_emu_mmio(r->emu, IOD_AMDVI_MMIO_BYTES, 4, false, &v), -EINVAL);
	assert_int_equal(iod_amdvi_emu_mmio(NULL, 0, 4, false, &v), -EINVAL);
	rig_reg(r, R_EFR, 0);
	assert_true(rig_get(r, R_EFR) != 0);
	/* halves */
	v = 0x12345678;
	assert_int_equal(iod_amdvi_emu_mmio(r->emu, R_DEVTAB + 4, 4, true, &v), 0);
	v = 0x90abcdef;
	assert_int_equal(iod_amdvi_emu_mmio(r->emu, R_DEVTAB, 4, true, &v), 0);
	assert_true(rig_get(r, R_DEVTAB) == UINT64_C(0x0004567890abc1ef));
	/* a base resets its ring; lengths below 8 are reserved; nothing changes while it runs */
	rig_reg(r, R_EVT_TAIL, UINT64_MAX);
	assert_int_equal(rig_get(r, R_EVT_TAIL), 0x7fff0);
	rig_reg(r, R_EVT, RIG_EVT | RIG_LENGTH);
	assert_int_equal(rig_get(r, R_EVT_TAIL), 0);
	rig_reg(r, R_EVT, RIG_EVT | UINT64_C(7) << 56);
	assert_true(rig_get(r, R_EVT) >> 56 == 8);
	rig_enable(r, CTRL_ALL);
	assert_int_equal(rig_get(r, R_STATUS), ST_EVTRUN | ST_CMDRUN | ST_PPRRUN);
	rig_reg(r, R_CMD, RIG_EVT | RIG_LENGTH);
	assert_true(rig_get(r, R_CMD) == (RIG_CMD | RIG_LENGTH));
	rig_reg(r, R_CMD_HEAD, 0x10);
	assert_int_equal(rig_get(r, R_CMD_HEAD), 0);
	rig_reg(r, R_CONTROL, CTRL_ALL & ~CTRL_IOMMU);
	assert_int_equal(rig_get(r, R_STATUS), 0);
	rig_reg(r, R_CMD_HEAD, 0x10);
	assert_int_equal(rig_get(r, R_CMD_HEAD), 0x10);
	/* nothing that is not modelled can be switched on */
	rig_reg(r, R_CONTROL, UINT64_MAX & ~CTRL_IOMMU);
	assert_true(!(rig_get(r, R_CONTROL) & (IODT_BIT(17) | UINT64_C(7) << 34 | IODT_BIT(48) |
					       IODT_BIT(50) | IODT_BIT(54))));
	assert_int_equal(rig_get(r, 0x40), 0);
	rig_reg(r, 0x40, 1);
	assert_int_equal(rig_get(r, 0x40), 0);
}

/* Stores, interrupts: when the status bit becomes set. */
static void completion_wait(void **state)
{
	struct amdrig *r = *state;

	rig_wait(r);
	assert_int_equal(r->irqs[IOD_AMDVI_IRQ_COMWAIT], 0);
	rig_cmd(r, CMD(1) | RIG_SEM | CMD_CW_S | CMD_CW_I, 77);
	assert_int_equal(rig_r64(r, RIG_SEM), 77);
	assert_int_equal(r->irqs[IOD_AMDVI_IRQ_COMWAIT], 1);
	assert_int_equal(rig_get(r, R_STATUS) & ST_CWI, ST_CWI);
	rig_cmd(r, CMD(1) | CMD_CW_I, 0);
	assert_int_equal(r->irqs[IOD_AMDVI_IRQ_COMWAIT], 1);
	rig_reg(r, R_STATUS, ST_CWI);
	assert_int_equal(rig_get(r, R_STATUS) & ST_CWI, 0);
	rig_cmd(r, CMD(1) | CMD_CW_I, 0);
	assert_int_equal(r->irqs[IOD_AMDVI_IRQ_COMWAIT], 2);
	/* disabled: told when it is enabled */
	rig_reg(r, R_STATUS, ST_CWI);
	rig_reg(r, R_CONTROL, CTRL_ALL & ~CTRL_CWI);
	rig_cmd(r, CMD(1) | CMD_CW_I, 0);
	assert_int_equal(r->irqs[IOD_AMDVI_IRQ_COMWAIT], 2);
	rig_reg(r, R_CONTROL, CTRL_ALL);
	assert_int_equal(r->irqs[IOD_AMDVI_IRQ_COMWAIT], 3);
}

/* An illegal command stops the buffer; enabling it anew goes on. */
static void illegal_command(void **state)
{
	struct amdrig *r = *state;
	static const struct {
		uint64_t w0, w1;
	} rows[] = {
		{ 0, 0 }, /* opcode 0 */
		{ CMD(15), 0 }, { CMD(2) | DEV | 1u << 20, 0 }, { CMD(2) | DEV, 1 }, { CMD(8), 1 },
	};
	unsigned int i;
	uint64_t at;

	for (i = 0; i < IODT_ARRAY_SIZE(rows); i++) {
		rig_wait(r);
		at = rig_get(r, R_CMD_TAIL);
		rig_cmd(r, rows[i].w0, rows[i].w1);
		rig_cmd(r, CMD(1) | RIG_SEM | CMD_CW_S, 1000 + i);
		rig_expect_event(r, EV(5, 0), RIG_CMD + at);
		assert_int_equal(rig_get(r, R_STATUS) & ST_CMDRUN, 0);
		assert_int_not_equal(rig_r64(r, RIG_SEM), 1000 + i);
		assert_int_equal(rig_get(r, R_CMD_HEAD), at);
		/* replaced by a wait that does nothing */
		rig_w64(r, RIG_CMD + at, CMD(1));
		rig_w64(r, RIG_CMD + at + 8, 0);
		rig_reg(r, R_CONTROL, CTRL_ALL & ~CTRL_CMD);
		rig_reg(r, R_CONTROL, CTRL_ALL);
		assert_int_equal(rig_get(r, R_STATUS) & ST_CMDRUN, ST_CMDRUN);
		assert_int_equal(rig_r64(r, RIG_SEM), 1000 + i);
		rig_no_event(r);
	}
}

/* The buffer is not there; what a COMPLETION_WAIT is to write is not: lost, as on a bus. */
static void command_hardware(void **state)
{
	struct amdrig *r = *state;
	uint64_t raw[2];

	rig_cmd(r, CMD(1) | RIG_AWAY | CMD_CW_S, 1);
	rig_no_event(r);
	rig_wait(r);
	rig_reg(r, R_CONTROL, CTRL_ALL & ~CTRL_CMD);
	rig_reg(r, R_CMD, RIG_AWAY | RIG_LENGTH);
	rig_reg(r, R_CONTROL, CTRL_ALL);
	rig_reg(r, R_CMD_TAIL, 0x10);
	assert_true(rig_event(r, raw));
	assert_int_equal(EV_CODE(raw[0]), 6);
	assert_true(raw[1] == RIG_AWAY);
	assert_int_equal(rig_get(r, R_STATUS) & ST_CMDRUN, 0);
}

static void on_kick(void *cookie)
{
	((struct amdrig *)cookie)->kicks++;
}

/* With a kick, commands wait for somebody's run, in portions. */
static void kicked(void **state)
{
	struct iod_amdvi_emu_ops ops = { .size = sizeof(ops), .kick = on_kick };
	struct iod_amdvi_emu_cfg cfg = { .ops = &ops };
	struct iod_amdvi_emu_stats stats = { .size = sizeof(stats) };
	struct amdrig r;
	unsigned int i;

	(void)state;
	rig_init(&r, &cfg);
	rig_enable(&r, CTRL_ALL);
	for (i = 0; i < 5; i++)
		rig_cmd(&r, CMD(2) | i, 0);
	assert_int_equal(r.kicks, 5);
	assert_int_equal(rig_get(&r, R_CMD_HEAD), 0);
	assert_int_equal(iod_amdvi_emu_run(r.emu, 2), -EAGAIN);
	assert_int_equal(rig_get(&r, R_CMD_HEAD), 32);
	assert_int_equal(iod_amdvi_emu_run(r.emu, 3), 0);
	assert_int_equal(rig_get(&r, R_CMD_HEAD), 80);
	assert_int_equal(iod_amdvi_emu_run(r.emu, 0), 0);
	assert_int_equal(iod_amdvi_emu_run(NULL, 0), -EINVAL);
	assert_int_equal(iod_amdvi_emu_get_stats(r.emu, &stats), 0);
	assert_int_equal(stats.commands, 5);
	rig_fini(&r);
}

/* A device that is asked to forget, in the middle of commands, and what the guest does meanwhile. */
struct disabler {
	struct amdrig *r;
	unsigned int calls;
	uint64_t status, head;
	bool again;
};

static int disable_there(void *cookie, uint32_t devid, bool pasid_valid, uint32_t pasid,
			 bool global, uint64_t first, uint64_t last)
{
	struct disabler *d = cookie;

	(void)devid;
	(void)pasid_valid;
	(void)pasid;
	(void)global;
	(void)first;
	(void)last;
	d->calls++;
	rig_reg(d->r, R_CONTROL, CTRL_ALL & ~CTRL_CMD);
	d->status = rig_get(d->r, R_STATUS);
	if (d->again)
		rig_reg(d->r, R_CONTROL, CTRL_ALL);
	return 0;
}

/* Disabled while a thread consumes: that one stops behind the command that it is at, and CmdRun says so. */
static void disabled_inside(void **state)
{
	struct iod_amdvi_emu_ops ops = { .size = sizeof(ops), .atc_inv = disable_there };
	struct disabler d = { .calls = 0 };
	struct iod_amdvi_emu_cfg cfg = { .ops = &ops, .cookie = &d };
	struct amdrig r;
	unsigned int i;

	(void)state;
	rig_init(&r, &cfg);
	d.r = &r;
	for (d.again = false;; d.again = true) {
		d.calls = 0;
		rig_enable(&r, CTRL_ALL & ~CTRL_CMD);
		for (i = 0; i < 3; i++) {
			rig_w64(&r, RIG_CMD + i * 16, CMD(4) | DEV);
			rig_w64(&r, RIG_CMD + i * 16 + 8, 0x1000);
		}
		rig_reg(&r, R_CMD_TAIL, 48);
		rig_reg(&r, R_CONTROL, CTRL_ALL);
		assert_int_equal(d.status & ST_CMDRUN, ST_CMDRUN);
		if (d.again)
			break;
		assert_int_equal(d.calls, 1);
		assert_int_equal(rig_get(&r, R_STATUS) & ST_CMDRUN, 0);
		assert_int_equal(rig_get(&r, R_CMD_HEAD), 16);
	}
	/* enabled again at once: nothing was lost */
	assert_int_equal(d.calls, 3);
	assert_int_equal(rig_get(&r, R_CMD_HEAD), 48);
	assert_int_equal(rig_get(&r, R_STATUS) & ST_CMDRUN, ST_CMDRUN);
	rig_fini(&r);
}

/* ---- the event log ---- */

/* Interrupts come when the bit becomes set; a full log stops, the accesses are as ever. */
static void overflow(void **state)
{
	struct amdrig *r = *state;
	struct iod_amdvi_emu_stats stats = { .size = sizeof(stats) };
	unsigned int i;
	uint64_t raw[2];

	rig_v1(r, DEV, 0, DOM, rig_page(r));
	for (i = 0; i < 255; i++) {
		assert_int_equal(rig_access(r, DEV, -1, 0x1000 * i, R), -EFAULT);
		assert_true(r->res.recorded);
	}
	assert_int_equal(r->irqs[IOD_AMDVI_IRQ_EVT], 1);
	assert_int_equal(rig_get(r, R_STATUS) & (ST_EVTOVF | ST_EVTINT | ST_EVTRUN),
			 ST_EVTINT | ST_EVTRUN);
	assert_int_equal(rig_access(r, DEV, -1, 0x5000, R), -EFAULT);
	assert_int_equal(r->ev.type, IOD_AMDVI_IO_PAGE_FAULT);
	assert_false(r->res.recorded);
	assert_int_equal(r->irqs[IOD_AMDVI_IRQ_EVT], 2);
	assert_int_equal(rig_get(r, R_STATUS) & (ST_EVTOVF | ST_EVTRUN), ST_EVTOVF);
	/* room alone does not start it again */
	for (i = 0; i < 255; i++)
		rig_expect_event(r, GONE, 0x1000 * i);
	assert_int_equal(rig_access(r, DEV, -1, 0x6000, R), -EFAULT);
	rig_no_event(r);
	/* as Linux restarts it */
	rig_reg(r, R_CONTROL, CTRL_ALL & ~(CTRL_EVT | CTRL_EVTI));
	rig_reg(r, R_STATUS, ST_EVTOVF | ST_EVTINT);
	rig_reg(r, R_CONTROL, CTRL_ALL);
	assert_int_equal(rig_get(r, R_STATUS) & (ST_EVTOVF | ST_EVTINT | ST_EVTRUN), ST_EVTRUN);
	rig_bad(r, DEV, -1, 0x7000, R, GONE, 0x7000);
	assert_int_equal(r->irqs[IOD_AMDVI_IRQ_EVT], 3);
	assert_int_equal(iod_amdvi_emu_get_stats(r->emu, &stats), 0);
	assert_int_equal(stats.events, 256);
	assert_int_equal(stats.dropped, 2);
	assert_false(rig_event(r, raw));
}

/* The guest's driver, while an entry is on its way into the log: the bit is clear, the log not empty yet. */
static void *clear_there(void *cookie, uint64_t pa, uint64_t len, bool write)
{
	struct amdrig *r = cookie;

	if (write && pa - RIG_EVT < RIG_RING)
		__atomic_fetch_and(&iod_amdvi_emu_regs(r->emu)->status, ~ST_EVTINT,
				   __ATOMIC_ACQ_REL);
	return pa - RIG_BASE < RIG_BYTES && len <= RIG_BYTES - (pa - RIG_BASE)
		       ? r->mem + (pa - RIG_BASE)
		       : NULL;
}

/* Status may be written at any time: what becomes set anew is told of. */
static void cleared_inside(void **state)
{
	struct iod_mem_vm_ops ops = { .size = sizeof(ops), .translate = clear_there };
	struct iod_mem_vm_cfg vm = { .size = sizeof(vm), .ops = &ops };
	struct amdrig r;
	unsigned int i;

	(void)state;
	rig_init(&r, NULL);
	assert_int_equal(iod_amdvi_emu_destroy(r.emu), 0);
	assert_int_equal(iod_mem_destroy(r.m), 0);
	vm.cookie = &r;
	vm.allocator = &r.alloc.ops;
	assert_int_equal(iod_mem_create_vm(&r.m, &vm), 0);
	rig_create(&r, NULL);
	rig_enable(&r, CTRL_ALL);
	rig_v1(&r, DEV, 0, DOM, rig_page(&r));
	for (i = 1; i < 4; i++) {
		assert_int_equal(rig_access(&r, DEV, -1, 0x1000, R), -EFAULT);
		assert_int_equal(r.irqs[IOD_AMDVI_IRQ_EVT], i);
	}
	rig_fini(&r);
}

/* A log that is not in memory; one that is off. */
static void no_log(void **state)
{
	struct amdrig *r = *state;

	rig_v1(r, DEV, 0, DOM, rig_page(r));
	rig_reg(r, R_CONTROL, CTRL_ALL & ~CTRL_EVT);
	assert_int_equal(rig_access(r, DEV, -1, 0x1000, R), -EFAULT);
	assert_false(r->res.recorded);
	rig_reg(r, R_EVT, RIG_AWAY | RIG_LENGTH);
	rig_reg(r, R_CONTROL, CTRL_ALL);
	assert_int_equal(rig_access(r, DEV, -1, 0x1000, R), -EFAULT);
	assert_false(r->res.recorded);
	assert_int_equal(rig_get(r, R_STATUS) & (ST_EVTOVF | ST_EVTRUN), ST_EVTOVF);
}

/* ---- devices' caches ---- */

static void atc(void **state)
{
	struct amdrig *r = *state;

	/* 64 KiB at 0x10000 (code 0x7000) of PASID 0x12345: its pieces lie in dw1[27:24], dw0[23:16], dw1[23:16] */
	rig_cmd(r, CMD(4) | UINT64_C(1) << 56 | UINT64_C(0x45) << 48 | UINT64_C(0x23) << 16 | DEV,
		0x17000 | CMD1_S | CMD1_GN);
	assert_int_equal(r->nr_atc, 1);
	assert_int_equal(r->atc[0].devid, DEV);
	assert_true(r->atc[0].pasid_valid);
	assert_int_equal(r->atc[0].pasid, 0x12345);
	assert_int_equal(r->atc[0].first, 0x10000);
	assert_int_equal(r->atc[0].last, 0x1ffff);
	rig_cmd(r, CMD(4) | DEV, CMD1_ALL);
	assert_false(r->atc[1].pasid_valid);
	assert_int_equal(r->atc[1].first, 0);
	assert_true(r->atc[1].last == UINT64_MAX);
	/* no answer: an event, and commands go on */
	r->atc_ret = -ETIMEDOUT;
	rig_cmd(r, CMD(4) | DEV, 0x1000);
	rig_expect_event(r, EV(7, DEV), 0);
	rig_wait(r);
}

/* ---- page requests ---- */

static struct iod_amdvi_ppr request(uint32_t devid, uint16_t tag)
{
	return (struct iod_amdvi_ppr){
		.devid = (uint16_t)devid,
		.tag = tag,
		.last = true,
		.read = true,
		.type = IOD_AMDVI_PPR_PAGE,
		.addr = 0x5000,
	};
}

static void ppr(void **state)
{
	struct amdrig *r = *state;
	struct iod_amdvi_ppr p = request(DEV, 0x1ab);

	p.gn = true;
	p.pasid = 0x12345;
	p.user = true;
	rig_v2(r, DEV, DTE_PPR, DOM, 5, rig_page(r));
	assert_int_equal(iod_amdvi_emu_page_request(r->emu, &p), 0);
	/* type 1, GN, US, READ; PASID[19:16], last, tag, PASID[15:0], device */
	assert_true(rig_r64(r, RIG_PPR) ==
		    (UINT64_C(1) << 60 | UINT64_C(0x144) << 48 | UINT64_C(1) << 42 | IODT_BIT(41) |
		     UINT64_C(0x1ab) << 32 | UINT64_C(0x2345) << 16 | DEV));
	assert_int_equal(rig_r64(r, RIG_PPR + 8), 0x5000);
	assert_int_equal(rig_get(r, R_PPR_TAIL), 16);
	assert_int_equal(r->irqs[IOD_AMDVI_IRQ_PPR], 1);
	assert_int_equal(rig_get(r, R_STATUS) & ST_PPRINT, ST_PPRINT);
	/* COMPLETE_PPR_REQUEST: status 1 */
	rig_cmd(r, CMD(7) | UINT64_C(0x12345) << 32 | DEV,
		UINT64_C(1) << 44 | UINT64_C(0x1ab) << 32 | CMD1_GN);
	assert_int_equal(r->nr_pri, 1);
	assert_int_equal(r->pri[0].source, DEV);
	assert_true((r->pri[0].flags & IOD_REQ_PASID_VALID) && !r->automatic[0]);
	assert_int_equal(r->pri[0].pasid, 0x12345);
	assert_int_equal(r->pri[0].grpid, 0x1ab);
	assert_int_equal(r->pri[0].code, IOD_RESP_INVALID);
}

/* Devices that may not; logs that are off or full. */
static void ppr_refused(void **state)
{
	struct amdrig *r = *state;
	struct iod_amdvi_ppr p = request(DEV, 1);
	uint64_t raw[2];
	unsigned int i;

	rig_v1(r, DEV, 0, DOM, rig_page(r));
	assert_int_equal(iod_amdvi_emu_page_request(r->emu, &p), -ENOSPC);
	assert_true(rig_event(r, raw));
	assert_int_equal(EV_CODE(raw[0]), 9);
	assert_int_equal(raw[0] & 0xffff, DEV);
	assert_true(r->nr_pri == 1 && r->automatic[0]);
	assert_int_equal(r->pri[0].code, IOD_RESP_INVALID);
	/* the last of a group is answered, no other */
	p.last = false;
	assert_int_equal(iod_amdvi_emu_page_request(r->emu, &p), -ENOSPC);
	assert_int_equal(r->nr_pri, 1);
	p = request(4, 1);
	rig_v1(r, 4, DTE_PPR, DOM, rig_page(r));
	for (i = 0; i < 255; i++)
		assert_int_equal(iod_amdvi_emu_page_request(r->emu, &p), 0);
	assert_int_equal(iod_amdvi_emu_page_request(r->emu, &p), -ENOSPC);
	assert_int_equal(r->pri[1].code, IOD_RESP_SUCCESS);
	assert_int_equal(rig_get(r, R_STATUS) & (ST_PPROVF | ST_PPRRUN), ST_PPROVF);
	assert_int_equal(r->irqs[IOD_AMDVI_IRQ_PPR], 2);
	rig_reg(r, R_PPR_HEAD, rig_get(r, R_PPR_TAIL));
	assert_int_equal(iod_amdvi_emu_page_request(r->emu, &p), -ENOSPC);
	rig_reg(r, R_CONTROL, CTRL_ALL & ~CTRL_PPRL);
	rig_reg(r, R_STATUS, ST_PPROVF | ST_PPRINT);
	rig_reg(r, R_CONTROL, CTRL_ALL);
	assert_int_equal(iod_amdvi_emu_page_request(r->emu, &p), 0);
	rig_reg(r, R_CONTROL, CTRL_ALL & ~CTRL_PPR);
	assert_int_equal(iod_amdvi_emu_page_request(r->emu, &p), -ENOSPC);
	assert_int_equal(r->pri[3].code, IOD_RESP_FAILURE);
	p.type = 2;
	assert_int_equal(iod_amdvi_emu_page_request(r->emu, &p), -EINVAL);
}

/* ---- allocations ---- */

/* Each fails once. */
static void allocations(void **state)
{
	struct amdrig *r = *state;
	struct iod_amdvi_emu_cfg cfg = { .size = sizeof(cfg), .mem = r->m };
	uint64_t root = rig_page(r), at, before = r->alloc.live;
	struct iod_amdvi_emu *emu;
	int ret;

	cfg.allocator = &r->alloc.ops;
	for (at = 1;; at++) {
		r->alloc.fail_at = r->alloc.calls + at;
		ret = iod_amdvi_emu_create(&emu, &cfg);
		r->alloc.fail_at = 0;
		if (!ret)
			break;
		assert_int_equal(ret, -ENOMEM);
		assert_int_equal(r->alloc.live, before);
	}
	assert_true(at > 5);
	assert_int_equal(iod_amdvi_emu_destroy(emu), 0);
	/* A context that cannot be made: the access is -ENOMEM, no event, and fine the next time. */
	rig_host(r, V1_RW);
	rig_map_guest(r, root, 0x5000, (RIG_DATA + RIG_GPA) | V2_RW, RIG_GPA);
	rig_nested(r, 4, 0, DOM, 5, root);
	before = r->alloc.live;
	for (at = 1;; at++) {
		r->alloc.fail_at = r->alloc.calls + at;
		ret = rig_access(r, 4, 5, 0x5000, R);
		r->alloc.fail_at = 0;
		if (!ret)
			break;
		assert_int_equal(ret, -ENOMEM);
		assert_int_equal(r->alloc.live, before);
	}
	assert_true(at > 3);
	rig_ok(r, 4, 5, 0x5000, R, RIG_DATA);
	rig_no_event(r);
}

/* ---- reset ---- */

static void reset(void **state)
{
	struct amdrig *r = *state;
	uint64_t root = rig_page(r);

	rig_map_host(r, root, 0x1000, RIG_DATA | V1_RW);
	rig_v1(r, DEV, 0, DOM, root);
	rig_ok(r, DEV, -1, 0x1000, R, RIG_DATA);
	assert_int_equal(iod_amdvi_emu_reset(r->emu), 0);
	assert_int_equal(rig_get(r, R_CONTROL), 0);
	assert_int_equal(rig_get(r, R_STATUS), 0);
	rig_ok(r, DEV, -1, 0x1000, R, 0x1000);
	rig_map_host(r, root, 0x1000, (RIG_DATA + 0x1000) | V1_RW);
	rig_enable(r, CTRL_ALL);
	rig_ok(r, DEV, -1, 0x1000, R, RIG_DATA + 0x1000);
	assert_int_equal(iod_amdvi_emu_reset(NULL), -EINVAL);
	/* registers written by the VMM itself (migration) */
	iod_amdvi_emu_regs(r->emu)->control = CTRL_IOMMU;
	assert_int_equal(iod_amdvi_emu_update(r->emu), 0);
	assert_int_equal(rig_get(r, R_STATUS), 0);
	assert_null(iod_amdvi_emu_iotlb(r->emu, 3));
	assert_non_null(iod_amdvi_emu_iotlb(r->emu, 1));
}

/* Registers saved and restored: a log that is full and a buffer that stopped are no other afterwards. */
static void restored(void **state)
{
	struct amdrig *r = *state;
	struct iod_amdvi_regs saved;

	rig_v1(r, DEV, 0, DOM, rig_page(r));
	while (!(rig_get(r, R_STATUS) & ST_EVTOVF))
		assert_int_equal(rig_access(r, DEV, -1, 0x1000, R), -EFAULT);
	rig_reg(r, R_EVT_HEAD, rig_get(r, R_EVT_TAIL)); /* there would be room */
	rig_cmd(r, CMD(15), 0);
	saved = *iod_amdvi_emu_regs(r->emu);
	assert_int_equal(saved.status & (ST_EVTRUN | ST_CMDRUN | ST_PPRRUN), ST_PPRRUN);
	assert_int_equal(iod_amdvi_emu_reset(r->emu), 0);
	*iod_amdvi_emu_regs(r->emu) = saved;
	assert_int_equal(iod_amdvi_emu_update(r->emu), 0);
	assert_int_equal(rig_get(r, R_STATUS), saved.status);
	assert_int_equal(rig_get(r, R_EVT_TAIL), saved.evt_tail);
	/* as the guest goes on */
	rig_w64(r, RIG_CMD + saved.cmd_head, CMD(1));
	rig_reg(r, R_CONTROL, CTRL_ALL & ~(CTRL_CMD | CTRL_EVT));
	rig_reg(r, R_CONTROL, CTRL_ALL);
	assert_int_equal(rig_get(r, R_STATUS) & (ST_EVTRUN | ST_CMDRUN), ST_EVTRUN | ST_CMDRUN);
	rig_wait(r);
}

#define TEST(f)	    cmocka_unit_test_setup_teardown(f, rig_setup_enabled, rig_teardown)
#define TEST_OFF(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_OFF(registers),
		TEST(completion_wait),
		TEST(illegal_command),
		TEST(command_hardware),
		cmocka_unit_test(kicked),
		TEST(overflow),
		cmocka_unit_test(cleared_inside),
		TEST(no_log),
		TEST(atc),
		TEST(ppr),
		TEST(ppr_refused),
		TEST(allocations),
		cmocka_unit_test(disabled_inside),
		TEST(reset),
		TEST(restored),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
