/* SPDX-License-Identifier: MIT */
/* The emulated SMMU: accesses that stall, translation requests and page requests of devices. */
#include "emurig.h"

#define R	IOD_ACCESS_READ
#define W	IOD_ACCESS_WRITE
#define DATA(n) (RIG_DATA + (uint64_t)(n)*4096)

/* Words of events */
#define E0(type, sid) ((uint64_t)(type) | (uint64_t)(sid) << 32)
#define IN	      ((uint64_t)2 << 40)
#define RNW	      ((uint64_t)1 << 35)
#define STALL	      ((uint64_t)1 << 31)

/* Commands, word 0 (C1.4) */
#define RESUME(sid)	(0x44 | (uint64_t)(sid) << 32)
#define RESUME_AC	((uint64_t)1 << 12)
#define RESUME_AB	((uint64_t)1 << 13)
#define STALL_TERM(sid) (0x45 | (uint64_t)(sid) << 32)

/* ---- stalls ---- */

static void stall_resume(void **state)
{
	struct emurig *r = *state;
	uint64_t root = rig_page(r);
	int token;

	rig_s1(r, 1, CD_GOOD | CD_S, root);
	r->cookie = &token;
	assert_int_equal(rig_access(r, 1, -1, 0x1008, W), -EAGAIN);
	assert_int_equal(r->res.outcome, IOD_EMU_STALLED);
	assert_int_equal(r->res.stag, 0);
	rig_expect_event(r, E0(0x10, 1), IN | STALL, 0x1008, 0);
	assert_int_equal(rig_access(r, 1, -1, 0x2008, R), -EAGAIN);
	rig_expect_event(r, E0(0x10, 1), IN | RNW | STALL | 1, 0x2008, 0);
	/* Of another stream, of no access: nothing, and no error. */
	rig_cmd(r, RESUME(2) | RESUME_AC, 0);
	rig_cmd(r, RESUME(1) | RESUME_AC, 7);
	rig_cmd(r, RESUME(1) | RESUME_AC, 0xffff);
	rig_sync(r);
	assert_int_equal(r->nr_resumed, 0);
	rig_map(r, root, 0x1000, DATA(1) | S1_RW_PAGE, 0);
	rig_cmd(r, RESUME(1) | RESUME_AC, 0);
	assert_int_equal(r->nr_resumed, 1);
	assert_ptr_equal(r->resumed[0].access, &token);
	assert_int_equal(r->resumed[0].how, IOD_EMU_DONE);
	rig_ok(r, 1, 0x1008, W, DATA(1) + 8);
	/* Terminated: with an abort, or not */
	rig_cmd(r, RESUME(1) | RESUME_AB, 1);
	assert_int_equal(r->resumed[1].how, IOD_EMU_ABORTED);
	assert_int_equal(r->resumed[1].stag, 1);
	assert_int_equal(rig_access(r, 1, -1, 0x3008, R), -EAGAIN);
	assert_int_equal(r->res.stag, 2); /* not one that was just answered */
	rig_cmd(r, RESUME(1), 2);
	assert_int_equal(r->resumed[2].how, IOD_EMU_RAZ_WI);
	/* Answered twice: nothing */
	rig_cmd(r, RESUME(1), 2);
	assert_int_equal(r->nr_resumed, 3);
}

static void stall_many(void **state)
{
	struct emurig *r = *state;
	struct iod_smmuv3_emu_stats stats = { .size = sizeof(stats) };
	uint64_t root = rig_page(r), raw[4];
	unsigned int i;

	rig_s1(r, 1, CD_GOOD | CD_S, root);
	rig_s1(r, 2, CD_GOOD | CD_S, root);
	/* STALL_MAX is 16. */
	for (i = 0; i < 16; i++)
		assert_int_equal(rig_access(r, 1 + (i & 1), -1, 0x1000, R), -EAGAIN);
	assert_int_equal(rig_access(r, 1, -1, 0x1000, R), -EBUSY);
	assert_int_equal(iod_smmuv3_emu_get_stats(r->emu, &stats), 0);
	assert_int_equal(stats.stalls_now, 16);
	for (i = 0; i < 16; i++)
		assert_true(rig_event(r, raw));
	rig_no_event(r);
	rig_cmd(r, STALL_TERM(2), 0);
	assert_int_equal(r->nr_resumed, 8);
	for (i = 0; i < 8; i++) {
		assert_int_equal(r->resumed[i].how, IOD_EMU_ABORTED);
		assert_int_equal(r->resumed[i].stag & 1, 1);
	}
	assert_int_equal(iod_smmuv3_emu_reset(r->emu), 0);
	assert_int_equal(r->nr_resumed, 16);
}

/* A stall's event is never dropped: it waits for room. */
static void stall_full_queue(void **state)
{
	struct emurig *r = *state;
	uint64_t root = rig_page(r), raw[4];
	unsigned int i, n = 1u << RIG_EVTQ_LG2;

	rig_s1(r, 1, CD_GOOD | CD_S, root);
	for (i = 0; i < n; i++)
		assert_int_equal(rig_access(r, 5, -1, 0x1000, R), -EFAULT);
	assert_int_equal(rig_access(r, 1, -1, 0x2000, R), -EAGAIN);
	assert_int_equal(rig_access(r, 1, -1, 0x3000, R), -EAGAIN);
	assert_int_equal(rig_get(r, 0x100a8), n); /* no overflow */
	for (i = 0; i < n; i++) {
		assert_true(rig_event(r, raw)); /* each makes room for one */
		assert_int_equal(EV(raw), 0x04);
	}
	rig_expect_event(r, E0(0x10, 1), IN | RNW | STALL, 0x2000, 0);
	rig_expect_event(r, E0(0x10, 1), IN | RNW | STALL | 1, 0x3000, 0);
	/* Resumed before it was recorded: gone. */
	for (i = 0; i < n; i++)
		rig_access(r, 5, -1, 0x1000, R);
	assert_int_equal(rig_access(r, 1, -1, 0x4000, R), -EAGAIN);
	rig_cmd(r, RESUME(1) | RESUME_AC, 2);
	for (i = 0; i < n; i++)
		assert_true(rig_event(r, raw));
	rig_no_event(r);
}

static void stall_stage2(void **state)
{
	struct emurig *r = *state;
	uint64_t root = rig_page(r);

	rig_ste(r, 4, STE_V | STE_CONFIG(6), 0, STE2_GOOD | STE2_S, root);
	assert_int_equal(rig_access(r, 4, -1, 0x5008, W), -EAGAIN);
	rig_expect_event(r, E0(0x10, 4), IN | STALL | (uint64_t)1 << 39, 0x5008, 0x5000);
	rig_cmd(r, RESUME(4) | RESUME_AC, 0);
	rig_map(r, root, 0x5000, DATA(1) | S2_RW_PAGE, 0);
	rig_ok(r, 4, 0x5008, W, DATA(1) + 8);
}

/* ---- ATS ---- */

static int treq(struct emurig *r, uint32_t sid, uint64_t iova, uint32_t access)
{
	return rig_req(r, sid, -1, iova, access, IOD_EMU_REQ_ATS);
}

static void ats_disabled(void **state)
{
	struct emurig *r = *state;
	uint64_t root = rig_page(r);

	rig_reg(r, 0x20, 0x1f); /* ATSCHK */
	rig_s1(r, 1, CD_GOOD, root);
	rig_map(r, root, 0x1000, DATA(1) | S1_RW_PAGE, 0);
	assert_int_equal(treq(r, 1, 0x1008, R), -EFAULT); /* EATS 0 */
	assert_int_equal(r->res.outcome, IOD_EMU_ATS_UR);
	rig_expect_event(r, E0(0x05, 1), RNW, 0x1008, 0);
	assert_int_equal(rig_req(r, 1, -1, 0x1008, W, IOD_EMU_REQ_TRANSLATED), -EFAULT);
	rig_expect_event(r, E0(0x07, 1), 0, 0x1008, 0);
	/* V = 0: CA; Config 0: UR; no such stream: UR; all without events */
	assert_int_equal(treq(r, 2, 0x1008, R), -EFAULT);
	assert_int_equal(r->res.outcome, IOD_EMU_ATS_CA);
	rig_ste(r, 3, STE_V | STE_CONFIG(0), 0, 0, 0);
	assert_int_equal(treq(r, 3, 0x1008, R), -EFAULT);
	assert_int_equal(r->res.outcome, IOD_EMU_ATS_UR);
	assert_int_equal(treq(r, 99, 0x1008, R), -EFAULT);
	assert_int_equal(r->res.outcome, IOD_EMU_ATS_UR);
	rig_no_event(r);
	/* Without ATSCHK translated requests are not looked at. */
	rig_reg(r, 0x20, 0x0f);
	assert_int_equal(rig_req(r, 1, -1, 0x1008, W, IOD_EMU_REQ_TRANSLATED), 0);
	assert_true(r->res.pa == 0x1008);
	/* SMMUEN = 0 */
	rig_reg(r, 0x20, 0x0e);
	assert_int_equal(treq(r, 1, 0x1008, R), -EFAULT);
	assert_int_equal(r->res.outcome, IOD_EMU_ATS_UR);
	rig_expect_event(r, E0(0x05, 1), RNW, 0x1008, 0);
}

static void ats_grants(void **state)
{
	struct emurig *r = *state;
	uint64_t root = rig_page(r), cd, leaf;

	cd = rig_s1(r, 1, CD_GOOD | CD_HA | CD_HD, root);
	rig_ste(r, 1, STE_V | STE_CONFIG(5) | cd, STE1_EATS(1), 0, 0);
	rig_map(r, root, 0x1000, DATA(1) | S1_CLEAN_PAGE, 0);
	rig_map(r, root, 0x2000, DATA(2) | S1_RW_PAGE | S1_RO, 0);
	leaf = rig_leaf(r, root, 0x1000, 0);
	/* NW = 1: read only, and nothing is marked (A1.11 rule 16). */
	assert_int_equal(treq(r, 1, 0x1000, R), 0);
	assert_true(r->res.pa == DATA(1) && r->res.len == 4096);
	assert_int_equal(r->res.prot & IODT_RW, IOD_PROT_READ);
	assert_true(rig_r64(r, leaf) == (DATA(1) | S1_CLEAN_PAGE));
	/* NW = 0: dirty before the answer */
	assert_int_equal(treq(r, 1, 0x1000, R | W), 0);
	assert_int_equal(r->res.prot & IODT_RW, IODT_RW);
	assert_true(rig_r64(r, leaf) == (DATA(1) | (S1_CLEAN_PAGE & ~S1_RO)));
	/* Stage 1 bypassed by S1DSS: the same address, both permissions. */
	rig_ste(r, 2, STE_V | STE_CONFIG(5) | STE_S1CDMAX(2) | cd, STE1_EATS(1) | STE1_S1DSS(1), 0,
		0);
	assert_int_equal(treq(r, 2, 0x123000, R), 0);
	assert_true(r->res.pa == 0x123000);
	assert_int_equal(r->res.prot & IODT_RW, IODT_RW);
	/* From now on a request for reading gets both. */
	assert_int_equal(treq(r, 1, 0x1000, R), 0);
	assert_int_equal(r->res.prot & IODT_RW, IODT_RW);
	/* Read-only: what there is. Not mapped: nothing, and no event. */
	assert_int_equal(treq(r, 1, 0x2000, R | W), 0);
	assert_int_equal(r->res.prot & IODT_RW, IOD_PROT_READ);
	assert_int_equal(treq(r, 1, 0x3000, R | W), 0);
	assert_int_equal(r->res.prot & IODT_RW, 0);
	rig_no_event(r);
	/* TLBI reaches what requests are answered from. */
	rig_w64(r, leaf, DATA(3) | S1_RW_PAGE);
	assert_int_equal(treq(r, 1, 0x1000, R), 0);
	assert_true(r->res.pa == DATA(1));
	rig_cmd(r, 0x12 | (uint64_t)5 << 48, 0x1000);
	assert_int_equal(treq(r, 1, 0x1000, R), 0);
	assert_true(r->res.pa == DATA(3));
	/* Translated: passed through */
	rig_reg(r, 0x20, 0x1f);
	assert_int_equal(rig_req(r, 1, -1, DATA(3), W, IOD_EMU_REQ_TRANSLATED), 0);
	assert_true(r->res.pa == DATA(3));
}

/* EATS 2: requests are answered with intermediate addresses, which come back. */
static void ats_split(void **state)
{
	struct emurig *r = *state;
	uint64_t root = rig_page(r), cd, ipa = DATA(1) + RIG_IPA_OFF;

	rig_reg(r, 0x20, 0x1f);
	rig_stage2(r, S2_RW_PAGE);
	cd = rig_nested(r, 4, STE2_GOOD, CD_GOOD, root);
	rig_ste(r, 4, STE_V | STE_CONFIG(7) | (cd + RIG_IPA_OFF), STE1_EATS(2), STE2_GOOD,
		r->s2_root);
	rig_map(r, root, 0x5000, ipa | S1_RW_PAGE, RIG_IPA_OFF);
	assert_int_equal(treq(r, 4, 0x5008, R | W), 0);
	assert_true(r->res.pa == ipa + 8);
	assert_int_equal(r->res.prot & IODT_RW, IODT_RW);
	assert_int_equal(rig_req(r, 4, -1, ipa + 8, W, IOD_EMU_REQ_TRANSLATED), 0);
	assert_true(r->res.pa == DATA(1) + 8);
	/* Stage 2 has no page: stage 1 answers, the translated request is refused by stage 2. */
	rig_map(r, root, 0x6000, (RIG_AWAY + 0x3000) | S1_RW_PAGE, RIG_IPA_OFF);
	assert_int_equal(treq(r, 4, 0x6008, R | W), 0);
	assert_true(r->res.pa == RIG_AWAY + 0x3008);
	assert_int_equal(r->res.prot & IODT_RW, IODT_RW);
	rig_no_event(r);
	assert_int_equal(rig_req(r, 4, -1, RIG_AWAY + 0x3008, W, IOD_EMU_REQ_TRANSLATED), -EFAULT);
	rig_expect_event(r, E0(0x10, 4), IN | (uint64_t)1 << 39, RIG_AWAY + 0x3008,
			 RIG_AWAY + 0x3000);
	/* Without ATSCHK intermediate addresses would come back unlooked at: refused. */
	rig_reg(r, 0x20, 0xf);
	assert_int_equal(treq(r, 4, 0x5008, R), -EFAULT);
	assert_int_equal(r->res.outcome, IOD_EMU_ATS_UR);
	rig_expect_event(r, E0(0x05, 4), RNW, 0x5008, 0);
}

/* ---- PRI ---- */

static struct iod_smmuv3_pri request(uint32_t sid, uint16_t prgi, bool last)
{
	return (struct iod_smmuv3_pri){
		.sid = sid,
		.ssid = 9,
		.ssv = true,
		.read = true,
		.write = true,
		.last = last,
		.prgi = prgi,
		.addr = 0x5000,
	};
}

static void pri(void **state)
{
	struct emurig *r = *state;
	struct iod_smmuv3_pri p = request(3, 5, true);

	rig_reg(r, 0x50, 7);
	assert_int_equal(iod_smmuv3_emu_page_request(r->emu, &p), 0);
	/* SID, SSID 9 at 32, read 60, write 61, last 62, SSV 63; PRGI, address */
	assert_true(rig_r64(r, RIG_PRIQ) == (3 | (uint64_t)9 << 32 | (uint64_t)0xf << 60));
	assert_true(rig_r64(r, RIG_PRIQ + 8) == (0x5000 | 5));
	assert_int_equal(rig_get(r, 0x100c8), 1);
	assert_int_equal(r->irqs[IOD_SMMUV3_IRQ_PRIQ], 1);
	assert_int_equal(r->nr_pri, 0);
	rig_reg(r, 0x100cc, 1);
	/* PRI_RESP: SSV, Success (2 at [77:76]), PRGI 5 */
	rig_cmd(r, 0x41 | 1u << 11 | 9u << 12 | (uint64_t)3 << 32, 5 | 2u << 12);
	assert_int_equal(r->nr_pri, 1);
	assert_int_equal(r->pri[0].sid, 3);
	assert_int_equal(r->pri[0].ssid, 9);
	assert_int_equal(r->pri[0].prgi, 5);
	assert_int_equal(r->pri[0].code, IOD_RESP_SUCCESS);
	assert_false(r->pri[0].automatic);
	/* Disabled: refused, without the PASID; only the last of a group is answered. */
	rig_reg(r, 0x20, 0xd);
	p.last = false;
	assert_int_equal(iod_smmuv3_emu_page_request(r->emu, &p), -ENOSPC);
	assert_int_equal(r->nr_pri, 1);
	p.last = true;
	assert_int_equal(iod_smmuv3_emu_page_request(r->emu, &p), -ENOSPC);
	assert_int_equal(r->nr_pri, 2);
	assert_true(r->pri[1].automatic && !r->pri[1].ssv);
	assert_int_equal(r->pri[1].code, IOD_RESP_FAILURE);
}

/* Row 117: a full queue answers by itself, and takes nothing until the overflow is acknowledged. */
static void pri_overflow(void **state)
{
	struct emurig *r = *state;
	struct iod_smmuv3_pri p = request(1, 0, true),
			      stop = { .sid = 1, .ssid = 9, .ssv = true, .last = true };
	uint64_t root = rig_page(r), cd;
	unsigned int i;

	cd = rig_s1(r, 1, CD_GOOD, root);
	rig_ste(r, 1, STE_V | STE_CONFIG(5) | cd, STE1_PPAR, 0, 0);
	rig_s1(r, 2, CD_GOOD, root);
	for (i = 0; i < 16; i++)
		assert_int_equal(iod_smmuv3_emu_page_request(r->emu, &p), 0);
	assert_int_equal(iod_smmuv3_emu_page_request(r->emu, &p), -ENOSPC);
	assert_int_equal(rig_get(r, 0x100c8), IODT_BIT(31) | 16);
	/* PPS = 0: the stream's PPAR says whether the PASID is named. */
	assert_int_equal(r->nr_pri, 1);
	assert_true(r->pri[0].automatic && r->pri[0].ssv && r->pri[0].ssid == 9);
	assert_int_equal(r->pri[0].code, IOD_RESP_SUCCESS);
	/* Room, not acknowledged: still nothing is taken. */
	rig_reg(r, 0x100cc, 8);
	p.sid = 2;
	assert_int_equal(iod_smmuv3_emu_page_request(r->emu, &p), -ENOSPC);
	assert_int_equal(r->nr_pri, 2);
	assert_false(r->pri[1].ssv);
	assert_int_equal(r->pri[1].code, IOD_RESP_SUCCESS);
	p.sid = 7; /* no stream */
	assert_int_equal(iod_smmuv3_emu_page_request(r->emu, &p), -ENOSPC);
	assert_int_equal(r->pri[2].code, IOD_RESP_FAILURE);
	assert_false(r->pri[2].ssv);
	/* Stop markers are never answered. */
	assert_int_equal(iod_smmuv3_emu_page_request(r->emu, &stop), -ENOSPC);
	assert_int_equal(r->nr_pri, 3);
	rig_reg(r, 0x100cc, IODT_BIT(31) | 8);
	assert_int_equal(iod_smmuv3_emu_page_request(r->emu, &p), 0);
	rig_no_event(r); /* none of this is an event */
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, rig_setup_enabled, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(stall_resume), TEST(stall_many),	TEST(stall_full_queue),
		TEST(stall_stage2), TEST(ats_disabled), TEST(ats_grants),
		TEST(ats_split),    TEST(pri),		TEST(pri_overflow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
