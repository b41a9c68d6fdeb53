/* SPDX-License-Identifier: MIT */
/*
 * Two guests with stage 1 of their own behind one SMMU, which caches whatever hardware may: each
 * change that a guest makes is seen when the guest's own commands went through its virtual SMMU, not
 * before, and not by the other. The SMMU is the emulated one; all structures and tables are words
 * written by hand.
 */
#include "emurig.h"

#define GUEST_SIDS 0x10u /* guest StreamID of a host's: that and 0x10 */
#define DATA(n)	   (RIG_DATA + (uint64_t)(n)*4096)
#define VA	   UINT64_C(0x7000)
#define R	   IOD_ACCESS_READ

struct guest {
	struct iod_smmuv3_viommu *v;
	uint32_t sid, vsid;
	uint64_t root, cd;
};

struct system {
	struct emurig host;
	struct guest guest[2];
	bool deaf;	       /* the twin: the host is told nothing */
	uint64_t guest_ste[2]; /* of the first guest's device, where its VMM reads it */
	unsigned int ste_calls;
};

static struct system sys;

static int to_host(void *cookie, const struct iod_smmuv3_raw_cmd *cmds, size_t nr, bool sync,
		   size_t *issued)
{
	struct system *s = cookie;

	for (*issued = 0; *issued < nr; ++*issued) {
		uint64_t w[2];

		iodt_put_le64(&w[0], cmds[*issued].word[0]);
		iodt_put_le64(&w[1], cmds[*issued].word[1]);
		if (!s->deaf)
			rig_cmd(&s->host, w[0], w[1]);
	}
	if (sync)
		rig_sync(&s->host);
	return 0;
}

/* As a VMM does it: check the guest's entry, put it over stage 2, invalidate, say so. */
static int on_cfgi_ste(void *cookie, uint32_t first, uint32_t last, bool leaf)
{
	struct system *s = cookie;
	struct guest *g = &s->guest[0];
	uint64_t stage2[8] = { 0 }, out[8], w[8];
	struct iod_iommufd_hwpt_smmuv3 vste;
	int i;

	s->ste_calls++;
	if (g->vsid < first || g->vsid > last)
		return 0;
	iodt_assert_ok(iod_smmuv3_viommu_vste(g->v, g->vsid, s->guest_ste, &vste, NULL));
	iodt_put_le64(&stage2[0], STE_V | STE_CONFIG(6));
	iodt_put_le64(&stage2[2], (STE2_GOOD & ~STE2_VMID(0xffff)) | STE2_VMID(7));
	iodt_put_le64(&stage2[3], s->host.s2_root);
	iodt_assert_ok(iod_smmuv3_viommu_host_ste(&vste, stage2, out));
	for (i = 0; i < 8; i++)
		iodt_put_le64(&w[i], out[i]);
	rig_ste(&s->host, g->sid, w[0], w[1], w[2], w[3]);
	rig_cmd(&s->host, 0x03 | (uint64_t)g->sid << 32, 0);
	rig_sync(&s->host);
	return iod_smmuv3_viommu_vste_installed(g->v, g->vsid, &vste);
}

static void guest_open(struct system *s, unsigned int n)
{
	struct iod_smmuv3_sink sink = { .size = sizeof(sink), .issue = to_host, .cookie = s };
	struct iod_smmuv3_viommu_cfg cfg = { .size = sizeof(cfg), .host = rig_id, .sink = &sink };
	struct guest *g = &s->guest[n];
	uint64_t ste2 = (STE2_GOOD & ~STE2_VMID(0xffff)) | STE2_VMID(7 + n);

	cfg.vmid = (uint16_t)(7 + n);
	cfg.cfgi_ste = n ? NULL : on_cfgi_ste;
	cfg.cookie = s;
	iodt_assert_ok(iod_smmuv3_viommu_expose(&cfg.guest, &cfg.host, 0));
	iodt_assert_ok(iod_smmuv3_viommu_create(&g->v, &cfg));
	g->sid = 4 + n;
	g->vsid = GUEST_SIDS + g->sid;
	iodt_assert_ok(iod_smmuv3_viommu_add(g->v, g->vsid, g->sid, IOD_VDEV_ON));
	g->root = rig_page(&s->host);
	g->cd = rig_nested(&s->host, g->sid, ste2, CD_GOOD, g->root);
	rig_ste(&s->host, g->sid, STE_V | STE_CONFIG(7) | (g->cd + RIG_IPA_OFF), STE1_EATS(1), ste2,
		s->host.s2_root);
}

static int setup(void **state)
{
	memset(&sys, 0, sizeof(sys));
	rig_init(&sys.host, NULL);
	rig_enable(&sys.host, 0);
	rig_stage2(&sys.host, S2_RW_PAGE);
	guest_open(&sys, 0);
	guest_open(&sys, 1);
	return 0;
}

static int teardown(void **state)
{
	unsigned int n;

	for (n = 0; n < 2; n++)
		iodt_assert_ok(iod_smmuv3_viommu_destroy(sys.guest[n].v));
	rig_fini(&sys.host);
	return 0;
}

static void map(unsigned int n, uint64_t va, unsigned int data)
{
	rig_map(&sys.host, sys.guest[n].root, va, (DATA(data) + RIG_IPA_OFF) | S1_RW_PAGE,
		RIG_IPA_OFF);
}

/* Where a guest's device reads. */
static void sees(unsigned int n, uint64_t va, unsigned int data)
{
	rig_ok(&sys.host, sys.guest[n].sid, va, R, DATA(data));
}

static void batch(unsigned int n, uint64_t w0, uint64_t w1)
{
	struct iod_guest_result res = { .size = sizeof(res) };
	struct iod_smmuv3_raw_cmd raw;

	iodt_put_le64(&raw.word[0], w0);
	iodt_put_le64(&raw.word[1], w1);
	iodt_assert_ok(iod_smmuv3_viommu_invalidate(sys.guest[n].v, &raw, 1, &res));
	assert_int_equal(res.handled, 1);
	assert_true(res.synced);
}

static void remapped(void **state)
{
	static const uint64_t cmds[][2] = {
		{ 0x12 | UINT64_C(5) << 48, VA | 1 },
		{ 0x12 | UINT64_C(5) << 48, VA },
		{ 0x13, VA },
		{ 0x11 | UINT64_C(5) << 48, 0 },
		{ 0x10, 0 },
		{ 0x30, 0 },
		{ 0x12 | UINT64_C(5) << 48 | 1u << 12,
		  (VA & ~UINT64_C(0xfff)) | 1u << 10 | 3u << 8 },
	};
	unsigned int i;

	for (i = 0; i < IODT_ARRAY_SIZE(cmds); i++) {
		map(0, VA, 1);
		map(1, VA, 2);
		batch(0, 0x30, 0);
		batch(1, 0x30, 0);
		sees(0, VA, 1);
		sees(1, VA, 2);
		map(0, VA, 3);
		map(1, VA, 4);
		sees(0, VA, 1); /* cached: whoever forgets to invalidate goes on there */
		batch(0, cmds[i][0], cmds[i][1]);
		sees(0, VA, 3);
		sees(1, VA, 2); /* the other's ASID 5 is another */
	}
}

static void twin_deaf(void **state)
{
	map(0, VA, 1);
	sees(0, VA, 1);
	map(0, VA, 3);
	sys.deaf = true;
	batch(0, 0x30, 0);
	sees(0, VA, 1); /* stale */
	sys.deaf = false;
	batch(0, 0x30, 0);
	sees(0, VA, 3);
}

/* A context descriptor is cached as well; that is another command's. */
static void descriptor_changed(void **state)
{
	static const uint8_t ops[] = { 0x05, 0x06 };
	struct guest *g = &sys.guest[0];
	unsigned int i;

	for (i = 0; i < 2; i++) {
		uint64_t other = rig_page(&sys.host);

		map(0, VA, 1);
		rig_cd(&sys.host, g->cd, CD_GOOD, g->root + RIG_IPA_OFF);
		batch(0, 0x06 | (uint64_t)g->vsid << 32, 0);
		batch(0, 0x30, 0);
		sees(0, VA, 1);
		rig_map(&sys.host, other, VA, (DATA(3) + RIG_IPA_OFF) | S1_RW_PAGE, RIG_IPA_OFF);
		rig_cd(&sys.host, g->cd, CD_GOOD, other + RIG_IPA_OFF);
		batch(0, 0x30, 0);
		sees(0, VA, 1);
		batch(0, ops[i] | (uint64_t)g->vsid << 32, i ? 0 : 1);
		batch(0, 0x30, 0);
		sees(0, VA, 3);
	}
}

static void device_forgets(void **state)
{
	batch(1, 0x40 | (uint64_t)sys.guest[1].vsid << 32, 0x8000 | 2);
	assert_int_equal(sys.host.nr_atc, 1);
	assert_int_equal(sys.host.atc[0].sid, sys.guest[1].sid);
	assert_true(sys.host.atc[0].first == 0x8000 && sys.host.atc[0].last == 0xbfff);
	iodt_assert_ok(
		iod_smmuv3_viommu_set_state(sys.guest[1].v, sys.guest[1].vsid, IOD_VDEV_BLOCKED));
	batch(1, 0x40 | (uint64_t)sys.guest[1].vsid << 32, 0x8000 | 2);
	assert_int_equal(sys.host.nr_atc, 1);
}

/* The guest writes its stream table, says so, and the host's follows. */
static void stream_changed(void **state)
{
	struct guest *g = &sys.guest[0];

	map(0, VA, 1);
	sees(0, VA, 1);
	iodt_put_le64(&sys.guest_ste[0],
		      STE_V | STE_CONFIG(4)); /* bypass: addresses are the guest's */
	batch(0, 0x03 | (uint64_t)g->vsid << 32, 1);
	assert_int_equal(sys.ste_calls, 1);
	rig_ok(&sys.host, g->sid, DATA(9) + RIG_IPA_OFF, R, DATA(9));
	iodt_put_le64(&sys.guest_ste[0], STE_V | STE_CONFIG(5) | (g->cd + RIG_IPA_OFF));
	batch(0, 0x04, 31);
	batch(0, 0x30, 0);
	sees(0, VA, 1);
	iodt_put_le64(&sys.guest_ste[0], 0);
	batch(0, 0x04 | (uint64_t)g->vsid << 32, 3);
	assert_int_equal(sys.ste_calls, 3);
	(void)rig_access(&sys.host, g->sid, -1, VA, R);
	assert_int_equal(sys.host.res.outcome, IOD_EMU_ABORTED);
}

/* What the guest's own tables cause comes back under the guest's number. */
static void fault_comes_back(void **state)
{
	struct iod_smmuv3_raw_event host, guest;
	uint64_t w[4], w0;
	unsigned int i;

	map(0, VA, 1); /* so that there are tables */
	assert_int_equal(rig_access(&sys.host, sys.guest[0].sid, -1, 0x9000, R), -EFAULT);
	assert_true(rig_event(&sys.host, w));
	assert_int_equal(w[0] & 0xff, 0x10);
	for (i = 0; i < 4; i++)
		iodt_put_le64(&host.word[i], w[i]);
	iodt_assert_ok(iod_smmuv3_viommu_event(sys.guest[0].v, &host, &guest));
	iodt_put_le64(&w0, guest.word[0]);
	assert_int_equal(w0 >> 32, sys.guest[0].vsid);
	assert_true(guest.word[2] == host.word[2]);
	assert_int_equal(iod_smmuv3_viommu_event(sys.guest[1].v, &host, &guest), -ENOENT);
	rig_map(&sys.host, sys.guest[0].root, 0x9000, RIG_AWAY | S1_RW_PAGE, RIG_IPA_OFF);
	assert_int_equal(rig_access(&sys.host, sys.guest[0].sid, -1, 0x9000, R), -EFAULT);
	assert_true(rig_event(&sys.host, w)); /* of stage 2: the host's */
	for (i = 0; i < 4; i++)
		iodt_put_le64(&host.word[i], w[i]);
	assert_int_equal(iod_smmuv3_viommu_event(sys.guest[0].v, &host, &guest), -EOPNOTSUPP);
}

static void ring_doorbell(void *cookie)
{
	struct system *s = cookie;

	(void)iod_smmuv3_emu_run(s->host.emu, 0);
}

/* A driver's queue in front of the host's SMMU, the guest's in front of that. */
struct two_queues {
	struct iod_smmuv3_cmdq *q;
	struct iod_smmuv3_viommu *v;
	struct iod_mem *mem;
	_Alignas(8) uint64_t ring[2 << 4];
	uint32_t prod, cons, gerror, gerrorn;
	struct iod_smmuv3_consume turn;
};

static void open_queues(struct two_queues *t)
{
	struct iod_smmuv3_regs *regs = iod_smmuv3_emu_regs(sys.host.emu);
	struct iod_smmuv3_cmdq_cfg qcfg = { .size = sizeof(qcfg),
					    .mem = sys.host.m,
					    .base = RIG_CMDQ | RIG_CMDQ_LG2,
					    .prod = &regs->cmdq_prod,
					    .cons = &regs->cmdq_cons,
					    .gerror = &regs->gerror,
					    .gerrorn = &regs->gerrorn,
					    .doorbell = ring_doorbell,
					    .cookie = &sys };
	struct iod_mem_region region = { .pa = 0x1000, .len = sizeof(t->ring), .host = t->ring };
	struct iod_mem_vm_cfg mcfg = { .size = sizeof(mcfg), .regions = &region, .nr_regions = 1 };
	struct iod_smmuv3_sink sink = { .size = sizeof(sink) };
	struct iod_smmuv3_viommu_cfg cfg = { .size = sizeof(cfg), .host = rig_id, .sink = &sink };

	memset(t, 0, sizeof(*t));
	iodt_assert_ok(iod_smmuv3_cmdq_create(&t->q, &qcfg));
	iodt_assert_ok(iod_smmuv3_cmdq_sink(t->q, &sink));
	iodt_assert_ok(iod_smmuv3_viommu_expose(&cfg.guest, &cfg.host, 0));
	cfg.vmid = 7;
	iodt_assert_ok(iod_smmuv3_viommu_create(&t->v, &cfg));
	iodt_assert_ok(iod_smmuv3_viommu_add(t->v, 0x20, sys.guest[0].sid, IOD_VDEV_ON));
	iodt_assert_ok(iod_mem_create_vm(&t->mem, &mcfg));
	t->turn.size = sizeof(t->turn);
	t->turn.queue = (struct iod_smmuv3_queue){ .size = sizeof(t->turn.queue),
						   .kind = IOD_SMMUV3_CMDQ,
						   .mem = t->mem,
						   .base = 0x1000 | 4,
						   .prod = &t->prod,
						   .cons = &t->cons };
	t->turn.gerror = &t->gerror;
	t->turn.gerrorn = &t->gerrorn;
}

static void close_queues(struct two_queues *t)
{
	iodt_assert_ok(iod_mem_destroy(t->mem));
	iodt_assert_ok(iod_smmuv3_viommu_destroy(t->v));
	iodt_assert_ok(iod_smmuv3_cmdq_destroy(t->q));
}

static void write_and_consume(struct two_queues *t, uint64_t w0, uint64_t w1)
{
	const uint64_t w[4] = { w0, w1, 0x46, 0 };
	uint64_t raw[4];
	int i;

	for (i = 0; i < 4; i++)
		iodt_put_le64(&raw[i], w[i]);
	iodt_assert_ok(iod_smmuv3_queue_push(&t->turn.queue, raw, 2));
	iodt_assert_ok(iod_smmuv3_viommu_consume(t->v, &t->turn));
}

static void queue_to_queue(void **state)
{
	struct two_queues t;
	unsigned int i;

	open_queues(&t);
	map(0, VA, 1);
	sees(0, VA, 1);
	map(0, VA, 3);
	sees(0, VA, 1);
	write_and_consume(&t, 0x12 | UINT64_C(5) << 48, VA);
	assert_int_equal(t.turn.cerror, 0);
	assert_int_equal(t.cons, 2);
	sees(0, VA, 3);
	/* The device does not answer: the guest's SYNC says so, and stays where it is. */
	sys.host.atc_ret = -ETIMEDOUT;
	write_and_consume(&t, 0x40 | UINT64_C(0x20) << 32, 0);
	assert_int_equal(t.turn.cerror, IOD_SMMUV3_CERROR_ATC_INV_SYNC);
	assert_int_equal(t.cons, 3 | IOD_SMMUV3_CERROR_ATC_INV_SYNC << 24);
	/* It answers, the driver acknowledges, and the guest's SYNC is tried again: the host's queue tells of
	 * an error once or twice. */
	sys.host.atc_ret = 0;
	for (i = 0; i < 2 && t.turn.cerror; i++) {
		t.gerrorn = t.gerror;
		iodt_assert_ok(iod_smmuv3_viommu_consume(t.v, &t.turn));
	}
	assert_int_equal(t.turn.cerror, 0);
	assert_int_equal(t.cons, 4);
	close_queues(&t);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(remapped, setup, teardown),
		cmocka_unit_test_setup_teardown(twin_deaf, setup, teardown),
		cmocka_unit_test_setup_teardown(descriptor_changed, setup, teardown),
		cmocka_unit_test_setup_teardown(device_forgets, setup, teardown),
		cmocka_unit_test_setup_teardown(stream_changed, setup, teardown),
		cmocka_unit_test_setup_teardown(fault_comes_back, setup, teardown),
		cmocka_unit_test_setup_teardown(queue_to_queue, setup, teardown),
	};

	return iodt_main(argc, argv, NULL, 0, tests, IODT_ARRAY_SIZE(tests));
}
