/* SPDX-License-Identifier: MIT */
/* The emulated VT-d: registers, the invalidation queue and its errors, device TLBs, page requests. */
#include "emurig.h"

#define R   IOD_ACCESS_READ
#define W   IOD_ACCESS_WRITE
#define SID 0x08
#define VA  UINT64_C(0x123456000)
#define PG  RIG_DATA
#define IQE (1u << 4)
#define ICE (1u << 5)
#define ITE (1u << 6)

/* ---- registers ---- */

static void registers(void **state)
{
	struct emurig *r = *state;
	struct iod_vtd_id id;
	uint64_t v = 0;

	assert_int_equal(iod_vtd_id_full(&id), 0);
	assert_int_equal(rig_get(r, 0), id.ver);
	assert_true(rig_get64(r, 8) == iod_vtd_emu_regs(r->emu)->id.cap);
	assert_int_equal(rig_get(r, 0xc), (uint32_t)(iod_vtd_emu_regs(r->emu)->id.cap >> 32));
	rig_reg64(r, 8, 0); /* read only */
	assert_true(rig_get64(r, 8) == iod_vtd_emu_regs(r->emu)->id.cap);
	assert_int_equal(rig_get(r, R_FECTL), 1u << 31);
	/* not offered: reads as zero */
	rig_reg64(r, 0x28, UINT64_MAX); /* CCMD */
	assert_int_equal(rig_get64(r, 0x28), 0);
	rig_reg64(r, 0xb8, UINT64_MAX); /* IRTA */
	assert_int_equal(rig_get64(r, 0xb8), 0);
	rig_reg(r, R_GCMD, 1u << 25 | 1u << 23);
	assert_int_equal(rig_get(r, R_GSTS), 0);
	/* halves */
	rig_reg(r, R_IQA + 4, 0x12);
	rig_reg(r, R_IQA, 0x34567802);
	assert_true(rig_get64(r, R_IQA) == UINT64_C(0x1234567802));
	rig_reg64(r, R_IQT, UINT64_MAX);
	assert_int_equal(rig_get64(r, R_IQT), 0x7fff0);
	rig_reg64(r, R_IQH, 0x40);
	assert_int_equal(rig_get64(r, R_IQH), 0);
	rig_reg64(r, R_RTADDR, UINT64_MAX);
	assert_true(rig_get64(r, R_RTADDR) == (UINT64_MAX & ~UINT64_C(0x3ff)));
	assert_int_equal(iod_vtd_emu_mmio(r->emu, IOD_VTD_MMIO_BYTES, 4, false, &v), -EINVAL);
	assert_int_equal(iod_vtd_emu_mmio(r->emu, 2, 4, false, &v), -EINVAL);
	assert_int_equal(iod_vtd_emu_mmio(r->emu, 0, 2, false, &v), -EINVAL);
	assert_int_equal(iod_vtd_emu_mmio(r->emu, 0, 4, false, NULL), -EINVAL);
	for (v = 0; v < IOD_VTD_MMIO_BYTES; v += 4)
		rig_get(r, v);
}

/* ---- the invalidation queue ---- */

static void waits(void **state)
{
	struct emurig *r = *state;
	unsigned int i;

	for (i = 0; i < 300; i++) /* around the ring */
		rig_wait(r);
	rig_desc(r, D_WAIT | D_IF, 0);
	assert_int_equal(r->msis, 1);
	assert_int_equal(r->msi_addr[0], RIG_MSI + 0x100);
	assert_int_equal(r->msi_data, 2);
	assert_int_equal(rig_get(r, R_ICS), 1);
	rig_desc(r, D_WAIT | D_IF, 0); /* told already */
	assert_int_equal(r->msis, 1);
	rig_reg(r, R_ICS, 1);
	assert_int_equal(rig_get(r, R_ICS), 0);
	rig_desc(r, D_WAIT | D_IF, 0);
	assert_int_equal(r->msis, 2);
	/* IQA does not change while the queue is enabled */
	rig_reg64(r, R_IQA, 0);
	assert_true(rig_get64(r, R_IQA) == (RIG_IQ | IODT_BIT(11)));
	rig_reg(r, R_GCMD, TE);
	assert_int_equal(rig_get(r, R_GSTS) & QIE, 0);
	assert_int_equal(rig_get64(r, R_IQH), 0);
}

static void narrow(void **state)
{
	struct emurig *r = *state;

	rig_reg(r, R_GCMD, TE);
	rig_reg64(r, R_IQA, RIG_IQ);
	rig_reg64(r, R_IQT, 0);
	rig_reg(r, R_GCMD, TE | QIE);
	rig_w64(r, RIG_IQ, D_CONTEXT(1));
	rig_w64(r, RIG_IQ + 8, 0);
	rig_w64(r, RIG_IQ + 16, D_WAIT | D_SW | UINT64_C(77) << 32);
	rig_w64(r, RIG_IQ + 24, RIG_STATUS);
	rig_reg64(r, R_IQT, 32);
	assert_int_equal(rig_r64(r, RIG_STATUS), 77);
	assert_int_equal(rig_get64(r, R_IQH), 32);
	/* a page group response has 256 bits */
	rig_w64(r, RIG_IQ + 32, D_PAGE_RESP);
	rig_w64(r, RIG_IQ + 40, 0);
	rig_reg64(r, R_IQT, 48);
	assert_int_equal(rig_get(r, R_FSTS), IQE);
}

/* The head stays at what is not a descriptor; nothing goes on before IQE is cleared. */
static void errors(void **state)
{
	const uint64_t bad[][2] = {
		{ 0xf, 0 },			 /* no such type */
		{ D_CONTEXT(0), 0 },		 /* reserved granularity */
		{ D_IOTLB(3) | IODT_BIT(8), 0 }, /* reserved bits */
		{ D_PASID(2), 0 },
	};
	struct emurig *r = *state;
	uint64_t at;
	unsigned int i;

	for (i = 0; i < IODT_ARRAY_SIZE(bad); i++) {
		rig_wait(r);
		at = rig_get64(r, R_IQH);
		rig_desc(r, bad[i][0], bad[i][1]);
		assert_int_equal(rig_get(r, R_FSTS), IQE);
		assert_int_equal(rig_get64(r, R_IQH), at);
		assert_int_equal(r->msis, i + 1);
		rig_desc(r, D_WAIT | D_SW | UINT64_C(0x55) << 32, RIG_STATUS + 8);
		assert_int_equal(rig_get64(r, R_IQH), at);
		assert_int_equal(rig_r64(r, RIG_STATUS + 8), 0);
		/* replaced, and cleared: it goes on */
		rig_w64(r, RIG_IQ + at, D_CONTEXT(1));
		rig_w64(r, RIG_IQ + at + 8, 0);
		rig_reg(r, R_FSTS, IQE);
		assert_int_equal(rig_get(r, R_FSTS), 0);
		assert_int_equal(rig_r64(r, RIG_STATUS + 8), 0x55);
		rig_w64(r, RIG_STATUS + 8, 0);
	}
}

static void device_tlbs(void **state)
{
	struct emurig *r = *state;

	rig_desc(r, D_DEV_TLB | D_SID(SID), VA);
	rig_desc(r, D_P_DEV_TLB | (uint64_t)SID << 16 | D_PASIDN(9),
		 (VA & ~UINT64_C(0x3fff)) | IODT_BIT(11) | 0x1000);
	rig_desc(r, D_P_DEV_TLB | (uint64_t)SID << 16,
		 (UINT64_C(0x7ffffffffffff) << 12) | IODT_BIT(11) | 1);
	rig_wait(r);
	assert_int_equal(r->nr_atc, 3);
	assert_true(r->atc[0].first == VA && r->atc[0].last == VA + 4095);
	assert_true(r->atc[0].source == SID && !r->atc[0].pasid_valid);
	assert_true(r->atc[1].pasid_valid && r->atc[1].pasid == 9);
	assert_true(r->atc[1].first == (VA & ~UINT64_C(0x3fff)) && r->atc[1].last == (VA | 0x3fff));
	assert_true(r->atc[2].global && r->atc[2].first == 0 && r->atc[2].last == UINT64_MAX);
	/* not answered: ITE, told at the wait */
	r->atc_ret = -ETIMEDOUT;
	rig_desc(r, D_DEV_TLB | D_SID(SID), VA);
	assert_int_equal(rig_get(r, R_FSTS), 0);
	rig_desc(r, D_WAIT | D_SW | UINT64_C(99) << 32, RIG_STATUS);
	assert_int_equal(rig_get(r, R_FSTS), ITE);
	assert_int_equal(rig_get64(r, R_IQERCD) >> 32 & 0xffff, SID);
	assert_int_not_equal(rig_r64(r, RIG_STATUS), 99);
	assert_int_equal(r->msis, 1);
	assert_int_equal(rig_get64(r, R_IQH), rig_get64(r, R_IQT));
	r->atc_ret = 0;
	rig_reg(r, R_FSTS, ITE); /* the wait was aborted: nobody is told that all is well */
	assert_int_not_equal(rig_r64(r, RIG_STATUS) & UINT32_MAX, 99);
	rig_wait(r);
	/* answered wrongly: ICE */
	r->atc_ret = -EIO;
	rig_desc(r, D_DEV_TLB | D_SID(SID + 1), VA);
	rig_desc(r, D_WAIT | D_SW | UINT64_C(98) << 32, RIG_STATUS);
	assert_int_equal(rig_get(r, R_FSTS), ICE);
	assert_int_equal(rig_get64(r, R_IQERCD) >> 48, SID + 1);
	assert_int_equal(r->msis, 2);
	r->atc_ret = 0;
	rig_reg(r, R_FSTS, ICE);
	assert_int_equal(rig_r64(r, RIG_STATUS) & UINT32_MAX, 98);
}

static void on_kick(void *cookie)
{
	((struct emurig *)cookie)->kicks++;
}

/* Somebody else consumes: with a budget. */
static void kicked(void **state)
{
	struct iod_vtd_emu_ops ops = { .size = sizeof(ops), .kick = on_kick };
	struct iod_vtd_emu_cfg cfg = { .size = sizeof(cfg), .ops = &ops };
	struct iod_vtd_emu_stats stats = { .size = sizeof(stats) };
	struct emurig r;
	unsigned int i;

	(void)state;
	rig_init(&r, &cfg);
	rig_enable(&r, true);
	for (i = 0; i < 5; i++)
		rig_desc(&r, D_IOTLB(1), 0);
	assert_int_equal(r.kicks, 5);
	assert_int_equal(rig_get64(&r, R_IQH), 0);
	assert_int_equal(iod_vtd_emu_run(r.emu, 2), -EAGAIN);
	assert_int_equal(rig_get64(&r, R_IQH), 64);
	assert_int_equal(iod_vtd_emu_run(r.emu, 0), 0);
	assert_int_equal(rig_get64(&r, R_IQH), 160);
	assert_int_equal(iod_vtd_emu_run(NULL, 0), -EINVAL);
	assert_int_equal(iod_vtd_emu_get_stats(r.emu, &stats), 0);
	assert_int_equal(stats.descriptors, 5);
	rig_fini(&r);
}

/* The MSI is a write to memory when nobody takes it. */
static void msi_memory(void **state)
{
	struct iod_vtd_emu_ops ops = { .size = sizeof(ops) };
	struct iod_vtd_emu_cfg cfg = { .size = sizeof(cfg), .ops = &ops };
	struct emurig r;

	(void)state;
	rig_init(&r, &cfg);
	rig_enable(&r, true);
	rig_desc(&r, D_WAIT | D_IF, 0);
	assert_int_equal(rig_r64(&r, RIG_MSI + 0x100), 2);
	rig_fini(&r);
}

/* ---- page requests ---- */

static struct iod_vtd_page_req request(uint16_t prgi, bool last)
{
	return (struct iod_vtd_page_req){
		.sid = SID,
		.pasid = 9,
		.pasid_valid = true,
		.read = true,
		.write = true,
		.last = last,
		.prgi = prgi,
		.addr = VA,
	};
}

static void page_requests(void **state)
{
	struct emurig *r = *state;
	uint64_t root = rig_scalable(r, SID, 9, PGTT_FS, 5, 0);
	struct iod_vtd_page_req q = request(5, true);

	assert_int_equal(iod_vtd_emu_page_request(r->emu, &q), 0);
	assert_int_equal(rig_get64(r, R_PQT), 32);
	assert_int_equal(rig_get(r, R_PRS), 1);
	assert_int_equal(r->msis, 1);
	assert_int_equal(r->msi_addr[0], RIG_MSI + 0x200);
	assert_true(rig_r64(r, RIG_PRQ) == (1 | IODT_BIT(8) | SID << 16 | UINT64_C(9) << 32));
	assert_true(rig_r64(r, RIG_PRQ + 8) == (VA | 7 | 5 << 3));
	assert_int_equal(iod_vtd_emu_page_request(r->emu, &q), 0);
	assert_int_equal(r->msis, 1); /* PPR is still set */
	rig_reg(r, R_PRS, 1);
	assert_int_equal(rig_get(r, R_PRS), 0);
	/* the guest maps and answers */
	rig_map(r, root, 4, VA, 0, PG | FS_USER, FS_USER, 0);
	rig_desc(r, D_PAGE_RESP | IODT_BIT(4) | (uint64_t)SID << 16 | D_PASIDN(9), 5 << 3);
	rig_wait(r);
	assert_int_equal(r->nr_pri, 1);
	assert_true(r->pri[0].r.source == SID && r->pri[0].r.pasid == 9 && r->pri[0].r.grpid == 5 &&
		    r->pri[0].r.code == IOD_RESP_SUCCESS && !r->pri[0].automatic);
	rig_ok(r, SID, 9, VA, W, PG);
	assert_int_equal(iod_vtd_emu_page_request(r->emu, NULL), -EINVAL);
	q.addr = 1;
	assert_int_equal(iod_vtd_emu_page_request(r->emu, &q), -EINVAL);
}

/* What is queued is forgotten first (6.5.3.1): the answer needs no invalidation. */
static void request_invalidates(void **state)
{
	struct emurig *r = *state;
	uint64_t root = rig_scalable(r, SID, 9, PGTT_FS, 5, 0);
	struct iod_vtd_page_req q = request(5, true);

	rig_map(r, root, 4, VA, 0, PG | FS_USER, FS_USER, 0);
	rig_ok(r, SID, 9, VA, R, PG);
	rig_w64(r, rig_entry(r, root, 4, VA, 0, 0), (PG + 4096) | FS_USER);
	rig_ok(r, SID, 9, VA, R, PG);
	assert_int_equal(iod_vtd_emu_page_request(r->emu, &q), 0);
	rig_ok(r, SID, 9, VA, R, PG + 4096);
}

/* Full: Success to the last of a group, silence to others; so until PRO is cleared. */
static void request_overflow(void **state)
{
	struct iod_vtd_emu_stats stats = { .size = sizeof(stats) };
	struct emurig *r = *state;
	struct iod_vtd_page_req q = request(1, false), stop = request(0, true);
	unsigned int i;

	rig_scalable(r, SID, 9, PGTT_FS, 5, 0);
	stop.read = false;
	stop.write = false;
	for (i = 0; i < 127; i++)
		assert_int_equal(iod_vtd_emu_page_request(r->emu, &q), 0);
	assert_int_equal(iod_vtd_emu_page_request(r->emu, &q), -ENOSPC);
	assert_int_equal(rig_get(r, R_PRS) & 2, 2);
	assert_int_equal(rig_get(r, R_FSTS), 1u << 7);
	assert_int_equal(r->nr_pri, 0);
	q.last = true;
	assert_int_equal(iod_vtd_emu_page_request(r->emu, &q), -ENOSPC);
	assert_int_equal(r->nr_pri, 1);
	assert_true(r->pri[0].automatic && r->pri[0].r.code == IOD_RESP_SUCCESS &&
		    r->pri[0].r.pasid == 9);
	assert_int_equal(iod_vtd_emu_page_request(r->emu, &stop), -ENOSPC);
	assert_int_equal(r->nr_pri, 1);
	rig_reg64(r, R_PQH, rig_get64(r, R_PQT));
	assert_int_equal(iod_vtd_emu_page_request(r->emu, &q), -ENOSPC); /* PRO is still set */
	rig_reg(r, R_PRS, 2);
	assert_int_equal(iod_vtd_emu_page_request(r->emu, &q), 0);
	assert_int_equal(iod_vtd_emu_get_stats(r->emu, &stats), 0);
	assert_int_equal(stats.requests, 128);
	assert_int_equal(stats.automatic, 2);
}

/* What the structures do not allow: Invalid Request to the last of a group, and a fault record. */
static void request_refused(void **state)
{
	struct emurig *r = *state;
	struct iod_vtd_page_req q = request(1, false);

	rig_scalable(r, SID, 9, PGTT_FS, 5, 0);
	rig_sm_context(r, SID, r->dir | CTX_P | SM_DTE | SM_PASIDE, 0);
	assert_int_equal(iod_vtd_emu_page_request(r->emu, &q), -ENOSPC);
	assert_int_equal(r->nr_pri, 0);
	rig_expect(r, 0x47, SID, 9, VA, false);
	q.last = true;
	assert_int_equal(iod_vtd_emu_page_request(r->emu, &q), -ENOSPC);
	assert_int_equal(r->nr_pri, 1);
	assert_true(r->pri[0].automatic && r->pri[0].r.code == IOD_RESP_INVALID);
	rig_expect(r, 0x47, SID, 9, VA, false);
	/* legacy mode has none */
	rig_reg64(r, R_RTADDR, RIG_ROOT);
	rig_reg(r, R_GCMD, TE | QIE | SRTP);
	assert_int_equal(iod_vtd_emu_page_request(r->emu, &q), -ENOSPC);
	rig_expect(r, 0x32, SID, 9, VA, false);
	assert_int_equal(rig_get64(r, R_PQT), 0);
}

/* ---- DMA ---- */

struct moved {
	uint64_t pa[8], len[8];
	unsigned int nr;
	int ret;
};

static int move(void *cookie, uint64_t pa, uint64_t len, uint64_t offset)
{
	struct moved *m = cookie;

	(void)offset;
	assert_true(m->nr < 8);
	m->pa[m->nr] = pa;
	m->len[m->nr++] = len;
	return m->ret;
}

static void dma(void **state)
{
	struct emurig *r = *state;
	uint64_t root = rig_scalable(r, SID, 0, PGTT_SS, 5, 0), done = 0;
	struct iod_emu_req req = { .size = sizeof(req), .source = SID, .access = W };
	struct iod_vtd_fault fault;
	struct moved m = { .nr = 0 };

	rig_map(r, root, 4, VA, 0, PG | SS_RW, SS_RW, 0);
	rig_map(r, root, 4, VA + 4096, 0, (PG + 8192) | SS_RW, SS_RW, 0);
	req.iova = VA + 4000;
	assert_int_equal(iod_vtd_emu_dma(r->emu, &req, 200, move, &m, &done, NULL, &fault), 0);
	assert_int_equal(done, 200);
	assert_int_equal(m.nr, 2);
	assert_true(m.pa[0] == PG + 4000 && m.len[0] == 96 && m.pa[1] == PG + 8192 &&
		    m.len[1] == 104);
	/* runs into what is not mapped */
	req.iova = VA + 8000;
	done = 0;
	assert_int_equal(iod_vtd_emu_dma(r->emu, &req, 400, move, &m, &done, NULL, &fault),
			 -EFAULT);
	assert_int_equal(done, 192);
	rig_expect(r, 0x79, SID, -1, VA + 8192, false);
	/* the caller's own failure is no fault */
	m.ret = -EIO;
	req.iova = VA;
	assert_int_equal(iod_vtd_emu_dma(r->emu, &req, 8, move, &m, NULL, NULL, &fault), -EIO);
	m.ret = -EFAULT;
	assert_int_equal(iod_vtd_emu_dma(r->emu, &req, 8, move, &m, NULL, NULL, &fault), -EFAULT);
	rig_no_fault(r);
	m.ret = 0;
	/* to where interrupts are */
	rig_map(r, root, 4, VA + 8192, 0, 0xfee00000 | SS_RW, SS_RW, 0);
	req.iova = VA + 8192;
	assert_int_equal(iod_vtd_emu_dma(r->emu, &req, 8, move, &m, NULL, NULL, &fault), -EFAULT);
	rig_expect(r, 0x87, SID, -1, VA + 8192, false);
	assert_int_equal(iod_vtd_emu_dma(r->emu, &req, 0, move, &m, NULL, NULL, &fault), -EINVAL);
	req.iova = UINT64_MAX;
	assert_int_equal(iod_vtd_emu_dma(r->emu, &req, 2, move, &m, NULL, NULL, &fault), -ERANGE);
	/* an interrupt */
	req.iova = 0xfee00000;
	m.nr = 0;
	assert_int_equal(iod_vtd_emu_dma(r->emu, &req, 4, move, &m, NULL, NULL, &fault), 0);
	assert_true(m.pa[0] == 0xfee00000);
	/* neither one nor the other */
	req.iova = 0xfedffffc;
	assert_int_equal(iod_vtd_emu_dma(r->emu, &req, 8, move, &m, NULL, NULL, &fault), -EFAULT);
	req.iova = 0xfeeffffc;
	assert_int_equal(iod_vtd_emu_dma(r->emu, &req, 8, move, &m, NULL, NULL, &fault), -EFAULT);
	assert_int_equal(m.nr, 1);
	rig_no_fault(r);
}

#define BARE(f)	    cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
#define LEGACY(f)   cmocka_unit_test_setup_teardown(f, rig_setup_legacy, rig_teardown)
#define SCALABLE(f) cmocka_unit_test_setup_teardown(f, rig_setup_scalable, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BARE(registers),
		SCALABLE(waits),
		LEGACY(narrow),
		SCALABLE(errors),
		SCALABLE(device_tlbs),
		cmocka_unit_test(kicked),
		cmocka_unit_test(msi_memory),
		SCALABLE(page_requests),
		SCALABLE(request_invalidates),
		SCALABLE(request_overflow),
		SCALABLE(request_refused),
		SCALABLE(dma),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
