/* SPDX-License-Identifier: MIT */
/*
 * The emulated VT-d: each reason (bits.md C2.6) by tables made by hand, FPD, the fault recording registers and
 * their interrupt, what an ATS request is answered.
 */
#include "emurig.h"

#define R   IOD_ACCESS_READ
#define W   IOD_ACCESS_WRITE
#define SID 0x08
#define VA  UINT64_C(0x123456000)
#define PG  RIG_DATA

static void root_and_mode(void **state)
{
	struct emurig *r = *state;

	rig_refused(r, 0x0108, -1, VA, R, 0x01); /* bus 1 has no root entry */
	rig_w64(r, RIG_ROOT + 2 * 16, RIG_CTX | 1 | 2);
	rig_refused(r, 0x0208, -1, VA, W, 0x0a);
	rig_w64(r, RIG_ROOT + 3 * 16, RIG_AWAY | 1);
	rig_refused(r, 0x0308, -1, VA, R, 0x09);
	rig_refused(r, SID, 5, VA, R, 0x32); /* a PASID */
	rig_reg64(r, R_RTADDR, RIG_AWAY);
	rig_reg(r, R_GCMD, TE | QIE | SRTP);
	rig_refused(r, 0x0408, -1, VA, R, 0x08);
	rig_reg64(r, R_RTADDR, RIG_ROOT | UINT64_C(3) << 10);
	rig_reg(r, R_GCMD, TE | QIE | SRTP);
	rig_refused(r, SID, -1, VA, R, 0x31); /* abort mode */
}

static void contexts(void **state)
{
	struct emurig *r = *state;

	rig_refused(r, SID, -1, VA, R, 0x02);
	rig_context(r, SID, CTX_P | CTX_TT(3), CTX1_AW(2));
	rig_refused(r, SID, -1, VA, R, 0x03);
	rig_context(r, SID, CTX_P, CTX1_AW(5));
	rig_refused(r, SID, -1, VA, R, 0x03);
	rig_context(r, SID, CTX_P | IODT_BIT(5), CTX1_AW(2));
	rig_refused(r, SID, -1, VA, R, 0x0b);
	/* TT without ATS */
	rig_legacy(r, SID, 5, 0);
	assert_int_equal(rig_req(r, SID, -1, VA, R, IOD_EMU_REQ_ATS), -EFAULT);
	assert_int_equal(r->res.outcome, IOD_EMU_ATS_UR);
	rig_expect(r, 0x0d, SID, -1, VA, true);
	assert_int_equal(rig_req(r, SID, -1, VA, W, IOD_EMU_REQ_TRANSLATED), -EFAULT);
	rig_expect(r, 0x0d, SID, -1, VA, false);
}

static void legacy_tables(void **state)
{
	struct emurig *r = *state;
	uint64_t root = rig_legacy(r, SID, 5, 0);

	rig_refused(r, SID, -1, IODT_BIT(50), R, 0x04);
	rig_refused(r, SID, -1, VA, R, 0x06);
	rig_refused(r, SID, -1, VA, W, 0x05);
	rig_map(r, root, 4, VA, 0, PG | SS_R, SS_RW, 0);
	rig_refused(r, SID, -1, VA + 8, W, 0x05);
	rig_map(r, root, 4, VA + IODT_2M, 1, (PG + 4096) | SS_RW | SS_PS, SS_RW, 0);
	rig_refused(r, SID, -1, VA + IODT_2M, R, 0x0c);
	rig_map(r, root, 4, VA + IODT_1G, 2, RIG_AWAY | SS_RW, SS_RW, 0);
	rig_refused(r, SID, -1, VA + IODT_1G, R, 0x07);
	rig_map(r, root, 4, 0, 0, 0xfee01000 | SS_RW, SS_RW, 0);
	rig_refused(r, SID, -1, 0, R, 0x0e);
	rig_context(r, SID + 1, CTX_P | CTX_TT(2), CTX1_AW(2));
	rig_refused(r, SID + 1, -1, IODT_BIT(55), R, 0x04);
}

/* ---- scalable mode ---- */

static void sm_structures(void **state)
{
	struct emurig *r = *state;
	uint64_t w0;

	rig_refused(r, 0x0108, -1, VA, R, 0x39);
	rig_w64(r, RIG_ROOT + 2 * 16, RIG_CTX | 1 | 2);
	rig_refused(r, 0x0208, -1, VA, R, 0x3a);
	rig_w64(r, RIG_ROOT + 3 * 16, RIG_AWAY | 1);
	rig_refused(r, 0x0308, -1, VA, R, 0x40);
	rig_refused(r, 0x0388, -1, VA, R, 0x39); /* its upper half */
	rig_refused(r, SID, -1, VA, R, 0x41);
	rig_scalable(r, SID, 0, PGTT_FS, 5, 0);
	w0 = r->dir | CTX_P;
	rig_sm_context(r, SID, w0 | IODT_BIT(7), 0);
	rig_refused(r, SID, -1, VA, R, 0x42);
	rig_sm_context(r, SID, w0 | SM_PRE, 0); /* without DTE */
	rig_refused(r, SID, -1, VA, R, 0x43);
	rig_sm_context(r, SID, w0, 1 << 13); /* RID_PASID beyond */
	rig_refused(r, SID, -1, VA, R, 0x43);
	rig_sm_context(r, SID, w0, 0);
	rig_refused(r, SID, 5, VA, R, 0x45);
	assert_int_equal(rig_req(r, SID, -1, VA, R, IOD_EMU_REQ_ATS), -EFAULT);
	rig_expect(r, 0x44, SID, -1, VA, true);
	rig_sm_context(r, SID + 1, w0 | SM_PASIDE | SM_DTE, 0);
	rig_refused(r, SID + 1, 1 << 13, VA, R, 0x46);
	rig_refused(r, SID + 1, 0, VA, R, 0x48);
	assert_int_equal(rig_req(r, SID + 1, 5, VA, R, IOD_EMU_REQ_TRANSLATED), -EFAULT);
	rig_expect(r, 0x49, SID + 1, 5, VA, true);
	rig_reg64(r, R_RTADDR, RIG_AWAY | IODT_BIT(10));
	rig_reg(r, R_GCMD, TE | QIE | SRTP);
	rig_refused(r, 0x0408, -1, VA, R, 0x38);
}

static void pasid_structures(void **state)
{
	struct emurig *r = *state;

	rig_scalable(r, SID, 1, PGTT_FS, 5, 0);
	rig_refused(r, SID, 64, VA, R, 0x51);
	rig_w64(r, r->dir + 2 * 8, rig_page(r) | 1 | 4);
	rig_refused(r, SID, 128, VA, R, 0x52);
	rig_w64(r, r->dir + 3 * 8, RIG_AWAY | 1);
	rig_refused(r, SID, 192, VA, R, 0x58);
	rig_refused(r, SID, 2, VA, R, 0x59);
	rig_pasid(r, 2, PE_P | PE_PGTT(PGTT_FS) | IODT_BIT(10), 0, 0);
	rig_refused(r, SID, 2, VA, R, 0x5a);
	rig_pasid(r, 2, PE_P | PE_PGTT(5), 0, 0);
	rig_refused(r, SID, 2, VA, R, 0x5b);
	rig_pasid(r, 2, PE_P | PE_PGTT(PGTT_SS) | PE_AW(4), 0, 0);
	rig_refused(r, SID, 2, VA, R, 0x5b);
	rig_sm_context(r, SID + 1, RIG_AWAY | CTX_P, 0);
	rig_refused(r, SID + 1, -1, VA, R, 0x50);
}

static void pss(void **state)
{
	struct iod_vtd_emu_cfg cfg = { .size = sizeof(cfg) };
	struct iod_vtd_id id;
	struct emurig r;

	(void)state;
	assert_int_equal(iod_vtd_id_full(&id), 0);
	id.ecap = (id.ecap & ~IOD_VTD_ECAP_PSS) | UINT64_C(7) << 35; /* 8 bits */
	cfg.id = &id;
	rig_init(&r, &cfg);
	rig_enable(&r, true);
	rig_scalable(&r, SID, 1, PGTT_FS, 5, 0);
	rig_refused(&r, SID, 256, VA, R, 0x89);
	rig_fini(&r);
}

static void first_stage(void **state)
{
	struct emurig *r = *state;
	uint64_t root = rig_scalable(r, SID, 0, PGTT_FS, 5, 0);

	rig_refused(r, SID, -1, IODT_BIT(50), R, 0x80);
	rig_refused(r, SID, -1, VA, R, 0x71);
	rig_map(r, root, 4, VA, 0, PG | FS_P | FS_US, FS_USER, 0);
	rig_refused(r, SID, -1, VA, W, 0x85);
	rig_map(r, root, 4, VA + 4096, 0, PG | FS_P | FS_RW, FS_USER, 0);
	rig_refused(r, SID, -1, VA + 4096, R, 0x81);
	rig_map(r, root, 4, VA + IODT_2M, 1, (PG + 0x4000) | FS_USER | FS_PS, FS_USER, 0);
	rig_refused(r, SID, -1, VA + IODT_2M, R, 0x72);
	rig_map(r, root, 4, VA + IODT_1G, 2, RIG_AWAY | FS_USER, FS_USER, 0);
	rig_refused(r, SID, -1, VA + IODT_1G, R, 0x70);
	rig_w64(r, rig_pasid_at(r, 0) + 16, RIG_AWAY);
	rig_desc(r, D_PASID(3), 0);
	rig_desc(r, D_IOTLB(1), 0);
	rig_wait(r);
	rig_refused(r, SID, -1, VA, R, 0x73);
}

static void second_stage(void **state)
{
	struct emurig *r = *state;
	uint64_t root = rig_scalable(r, SID, 0, PGTT_SS, 5, PE_SSADE);

	rig_refused(r, SID, -1, IODT_BIT(50), R, 0x84);
	rig_refused(r, SID, -1, VA, R, 0x79);
	rig_map(r, root, 4, VA, 0, PG | SS_R, SS_RW, 0);
	rig_refused(r, SID, -1, VA, W, 0x85);
	rig_map(r, root, 4, VA + 4096, 0, PG | SS_W, SS_RW, 0);
	rig_refused(r, SID, -1, VA + 4096, R, 0x86);
	rig_map(r, root, 4, VA + IODT_2M, 1, (PG + 4096) | SS_RW | SS_PS, SS_RW, 0);
	rig_refused(r, SID, -1, VA + IODT_2M, R, 0x7a);
	rig_map(r, root, 4, VA + IODT_1G, 2, RIG_AWAY | SS_RW, SS_RW, 0);
	rig_refused(r, SID, -1, VA + IODT_1G, R, 0x78);
	rig_w64(r, rig_pasid_at(r, 0), RIG_AWAY | PE_P | PE_PGTT(PGTT_SS) | PE_AW(2));
	rig_desc(r, D_PASID(3), 0);
	rig_desc(r, D_IOTLB(1), 0);
	rig_wait(r);
	rig_refused(r, SID, -1, VA, R, 0x7b);
	rig_pasid(r, 1, PE_P | PE_PGTT(PGTT_PT) | PE_AW(2), 5, 0);
	rig_refused(r, SID, 1, IODT_BIT(55), R, 0x83);
	rig_refused(r, SID, 1, 0xfee00000, W, 0x87);
}

/* What the second stage refuses of a nested PASID: the data, the tables' fetches, their updates. */
static void nested(void **state)
{
	struct emurig *r = *state;
	uint64_t ss = rig_second_stage(r, SS_RW), off = RIG_IPA_OFF, root, leaf, at;

	root = rig_scalable(r, SID, 0, PGTT_NESTED, 5, PE_SSADE);
	rig_map(r, root, 4, VA, 0, (PG + off) | FS_USER | FS_A | FS_D, FS_USER | FS_A, off);
	rig_map(r, root, 4, VA + 4096, 0, IODT_BIT(50) | FS_USER, FS_USER | FS_A, off);
	rig_map(r, root, 4, VA + 8192, 0, (RIG_AWAY + off) | FS_USER, FS_USER | FS_A, off);
	rig_refused(r, SID, -1, VA + 4096, R, 0x74);
	rig_refused(r, SID, -1, VA + 8192, R, 0x79);
	at = rig_entry(r, ss, 4, PG + off, 0, 0);
	rig_w64(r, at, PG | SS_R);
	rig_refused(r, SID, -1, VA, W, 0x85);
	rig_w64(r, at, PG | SS_RW);
	rig_w64(r, rig_entry(r, root, 4, VA, 0, off), (PG + off) | FS_USER | FS_A);
	/* the leaf table's page, read-only: with SSADE not even read */
	leaf = rig_entry(r, root, 4, VA, 0, off) & ~UINT64_C(4095);
	at = rig_entry(r, ss, 4, leaf + off, 0, 0);
	rig_w64(r, at, leaf | SS_R);
	rig_desc(r, D_IOTLB(1), 0);
	rig_wait(r);
	rig_refused(r, SID, -1, VA, W, 0x76);
	rig_refused(r, SID, -1, VA, R, 0x76);
	rig_w64(r, at, 0);
	rig_desc(r, D_IOTLB(1), 0);
	rig_wait(r);
	rig_refused(r, SID, -1, VA, R, 0x76);
	/* the root's */
	rig_w64(r, rig_entry(r, ss, 4, root + off, 0, 0), 0);
	rig_desc(r, D_IOTLB(1), 0);
	rig_wait(r);
	rig_refused(r, SID, -1, VA, R, 0x75);
}

/* Without SSADE a table may be read through a read-only page, and is not updated there. */
static void nested_update(void **state)
{
	struct emurig *r = *state;
	uint64_t ss = rig_second_stage(r, SS_RW), off = RIG_IPA_OFF, root, leaf, at;

	root = rig_scalable(r, SID, 0, PGTT_NESTED, 5, 0);
	rig_map(r, root, 4, VA, 0, (PG + off) | FS_USER | FS_A, FS_USER | FS_A, off);
	leaf = rig_entry(r, root, 4, VA, 0, off) & ~UINT64_C(4095);
	at = rig_entry(r, ss, 4, leaf + off, 0, 0);
	rig_w64(r, at, leaf | SS_R);
	rig_ok(r, SID, -1, VA, R, PG);
	rig_refused(r, SID, -1, VA, W, 0x77);
	rig_w64(r, at, leaf | SS_RW);
	rig_desc(r, D_IOTLB(1), 0);
	rig_wait(r);
	rig_ok(r, SID, -1, VA, W, PG);
	/* what the second stage has is not there */
	rig_w64(r, at, RIG_AWAY | SS_RW);
	rig_desc(r, D_IOTLB(1), 0);
	rig_wait(r);
	rig_refused(r, SID, -1, VA, R, 0x70);
}

/* Tables that can be read and not be marked (rule 11). */
static void unwritable(void **state)
{
	struct emurig *r = *state;
	uint64_t root = rig_scalable(r, SID, 0, PGTT_FS, 5, 0), at;

	at = RIG_RO + (VA >> 12 & 511) * 8;
	rig_map(r, root, 4, VA, 1, RIG_RO | FS_USER, FS_USER, 0);
	rig_w64(r, at, PG | FS_USER);
	rig_refused(r, SID, -1, VA, R, 0x91);
	rig_w64(r, at, PG | FS_USER | FS_A);
	rig_ok(r, SID, -1, VA, R, PG);
	rig_refused(r, SID, -1, VA, W, 0x91);

	root = rig_scalable(r, SID, 1, PGTT_SS, 6, PE_SSADE);
	rig_map(r, root, 4, VA, 1, (RIG_RO + 4096) | SS_RW, SS_RW, 0);
	rig_w64(r, at + 4096, PG | SS_RW);
	rig_refused(r, SID, 1, VA, R, 0x7d);
	rig_w64(r, at + 4096, PG | SS_RW | SS_A);
	rig_ok(r, SID, 1, VA, R, PG);
	rig_refused(r, SID, 1, VA, W, 0x7d);
	/* without SSADE nothing is marked */
	root = rig_scalable(r, SID, 2, PGTT_SS, 7, 0);
	rig_map(r, root, 4, VA, 1, (RIG_RO + 4096) | SS_RW, SS_RW, 0);
	rig_ok(r, SID, 2, VA, W, PG);
}

/* A2.3 rule 10: PWSNP = 0. */
static void unsnooped(void **state)
{
	struct emurig *r = *state;
	uint64_t root = rig_scalable(r, SID, 0, PGTT_FS, 5, 0);
	unsigned int l;

	rig_w64(r, rig_pasid_at(r, 0) + 8, PE1_DID(5));
	rig_map(r, root, 4, VA, 0, PG | FS_USER, FS_USER, 0);
	rig_refused(r, SID, -1, VA, R, 0x90);
	for (l = 0; l < 4; l++)
		rig_w64(r, rig_entry(r, root, 4, VA, l, 0),
			rig_r64(r, rig_entry(r, root, 4, VA, l, 0)) | FS_A);
	rig_ok(r, SID, -1, VA, R, PG);
	rig_refused(r, SID, -1, VA, W, 0x90);
	rig_w64(r, rig_entry(r, root, 4, VA, 0, 0), PG | FS_USER | FS_A | FS_D);
	rig_desc(r, D_IOTLB(1), 0);
	rig_wait(r);
	rig_ok(r, SID, -1, VA, W, PG);

	root = rig_scalable(r, SID, 1, PGTT_SS, 6, PE_SSADE);
	rig_w64(r, rig_pasid_at(r, 1) + 8, PE1_DID(6));
	rig_map(r, root, 4, VA, 0, PG | SS_RW, SS_RW | SS_A, 0);
	rig_refused(r, SID, 1, VA, R, 0x7c);
	rig_w64(r, rig_entry(r, root, 4, VA, 0, 0), PG | SS_RW | SS_A);
	rig_ok(r, SID, 1, VA, R, PG);
	rig_refused(r, SID, 1, VA, W, 0x7c);
}

/* ---- records ---- */

static void fpd(void **state)
{
	struct emurig *r = *state;
	uint64_t root = rig_scalable(r, SID, 0, PGTT_FS, 5, 0);

	rig_w64(r, rig_pasid_at(r, 0), PE_P | PE_FPD | PE_PGTT(PGTT_FS));
	assert_int_equal(rig_access(r, SID, -1, VA, R), -EFAULT);
	assert_int_equal(r->fault.reason, 0x71);
	assert_false(r->res.recorded);
	rig_no_fault(r);
	rig_sm_context(r, SID + 1, CTX_FPD, 0);
	assert_int_equal(rig_access(r, SID + 1, -1, VA, R), -EFAULT);
	assert_int_equal(r->fault.reason, 0x41);
	rig_no_fault(r);
	/* unqualified: in any case */
	rig_refused(r, 0x0108, -1, VA, R, 0x39);
	assert_true(root);
}

/* 8 of them; then PFO, and nothing more until it is cleared. */
static void overflow(void **state)
{
	struct iod_vtd_emu_stats stats = { .size = sizeof(stats) };
	struct emurig *r = *state;
	uint64_t lo, hi;
	unsigned int i;

	for (i = 0; i < 8; i++)
		assert_int_equal(rig_access(r, (uint16_t)(0x100 + i), -1, VA, R), -EFAULT);
	assert_int_equal(rig_get(r, R_FSTS) & 0xff, 2);
	assert_int_equal(rig_access(r, 0x200, -1, VA, R), -EFAULT);
	assert_false(r->res.recorded);
	assert_int_equal(rig_get(r, R_FSTS) & 0xff, 3);
	assert_int_equal(r->msis, 1);
	for (i = 0; i < 8; i++) {
		assert_true(rig_take(r, &lo, &hi));
		assert_int_equal(hi & 0xffff, 0x100 + i);
	}
	assert_int_equal(rig_get(r, R_FSTS) & 0xff, 1);
	assert_int_equal(rig_access(r, 0x201, -1, VA, R), -EFAULT);
	assert_false(r->res.recorded);
	rig_reg(r, R_FSTS, 1);
	rig_refused(r, 0x201, -1, VA, R, 1);
	assert_int_equal(r->msis, 2);
	assert_int_equal(iod_vtd_emu_get_stats(r->emu, &stats), 0);
	assert_int_equal(stats.faults, 9);
	assert_int_equal(stats.dropped, 2);
	assert_int_equal(stats.terminated, 11);
}

/* Masked: pending, and sent when the mask goes; not when what it was about is served. */
static void interrupt(void **state)
{
	struct emurig *r = *state;

	rig_reg(r, R_FECTL, 1u << 31);
	assert_int_equal(rig_access(r, 0x100, -1, VA, R), -EFAULT);
	assert_int_equal(r->msis, 0);
	assert_int_equal(rig_get(r, R_FECTL), 3u << 30);
	rig_reg(r, R_FECTL, 0);
	assert_int_equal(r->msis, 1);
	assert_int_equal(r->msi_addr[0], RIG_MSI);
	assert_int_equal(r->msi_data, 1);
	assert_int_equal(rig_get(r, R_FECTL), 0);
	rig_expect(r, 1, 0x100, -1, VA, true);
	rig_reg(r, R_FECTL, 1u << 31);
	assert_int_equal(rig_access(r, 0x100, -1, VA, R), -EFAULT);
	rig_expect(r, 1, 0x100, -1, VA, true);
	assert_int_equal(rig_get(r, R_FECTL), 1u << 31);
	rig_reg(r, R_FECTL, 0);
	assert_int_equal(r->msis, 1);
}

/* Who consumes sets an error first and tells of it then: a fault in between is not told by anybody else. */
static void interrupt_between(void **state)
{
	struct emurig *r = *state;

	__atomic_fetch_or(&iod_vtd_emu_regs(r->emu)->fsts, 1u << 4, __ATOMIC_ACQ_REL);
	rig_access(r, SID, -1, VA, R);
	assert_int_equal(rig_get(r, R_FSTS) & 0xff, 0x12);
	assert_int_equal(r->msis, 1);
	rig_access(r, SID, -1, VA + 4096, R);
	assert_int_equal(r->msis, 1);
}

/* ---- translation requests ---- */

static void ats(void **state)
{
	struct emurig *r = *state;
	uint64_t root = rig_scalable(r, SID, 0, PGTT_SS, 5, PE_SSADE), at;

	rig_map(r, root, 4, VA, 0, PG | SS_RW, SS_RW, 0);
	at = rig_entry(r, root, 4, VA, 0, 0);
	/* no ECAP.NWFS: a request is one for writing; marked now */
	assert_int_equal(rig_req(r, SID, -1, VA, R, IOD_EMU_REQ_ATS), 0);
	assert_int_equal(r->res.prot & IODT_RW, IODT_RW);
	assert_true(r->res.pa == PG);
	assert_int_equal(rig_r64(r, at), PG | SS_RW | SS_A | SS_D);
	/* nothing there: no permissions, and no record */
	assert_int_equal(rig_req(r, SID, -1, VA + 4096, R, IOD_EMU_REQ_ATS), 0);
	assert_int_equal(r->res.prot, 0);
	rig_no_fault(r);
	/* read-only */
	rig_map(r, root, 4, VA + 8192, 0, PG | SS_R, SS_RW, 0);
	assert_int_equal(rig_req(r, SID, -1, VA + 8192, R | W, IOD_EMU_REQ_ATS), 0);
	assert_int_equal(r->res.prot & IODT_RW, IOD_PROT_READ);
	/* malformed tables are no page fault */
	rig_map(r, root, 4, VA + IODT_2M, 1, (PG + 4096) | SS_RW | SS_PS, SS_RW, 0);
	assert_int_equal(rig_req(r, SID, -1, VA + IODT_2M, R, IOD_EMU_REQ_ATS), -EFAULT);
	assert_int_equal(r->res.outcome, IOD_EMU_ATS_CA);
	rig_expect(r, 0x7a, SID, -1, VA + IODT_2M, true);
	/* what it gave */
	assert_int_equal(rig_req(r, SID, -1, PG + 64, W, IOD_EMU_REQ_TRANSLATED), 0);
	assert_true(r->res.pa == PG + 64);
}

/* With ECAP.NWFS a request for reading marks no page dirty, and may not write. */
static void ats_nw(void **state)
{
	struct iod_vtd_emu_cfg cfg = { .size = sizeof(cfg) };
	struct iod_vtd_id id;
	struct emurig r;
	uint64_t root, at;

	(void)state;
	assert_int_equal(iod_vtd_id_full(&id), 0);
	id.ecap |= IOD_VTD_ECAP_NWFS;
	cfg.id = &id;
	rig_init(&r, &cfg);
	rig_enable(&r, true);
	root = rig_scalable(&r, SID, 0, PGTT_FS, 5, 0);
	rig_map(&r, root, 4, VA, 0, PG | FS_USER, FS_USER, 0);
	at = rig_entry(&r, root, 4, VA, 0, 0);
	assert_int_equal(rig_req(&r, SID, -1, VA, R, IOD_EMU_REQ_ATS), 0);
	assert_int_equal(r.res.prot & IODT_RW, IOD_PROT_READ);
	assert_int_equal(rig_r64(&r, at), PG | FS_USER | FS_A);
	assert_int_equal(rig_req(&r, SID, -1, VA, R | W, IOD_EMU_REQ_ATS), 0);
	assert_int_equal(r.res.prot & IODT_RW, IODT_RW);
	assert_int_equal(rig_r64(&r, at), PG | FS_USER | FS_A | FS_D);
	rig_fini(&r);
}

/* CAP says which sizes of pages there are: others are reserved. */
static void sizes(void **state)
{
	struct iod_vtd_emu_cfg cfg = { .size = sizeof(cfg) };
	struct iod_vtd_id id;
	struct emurig r;
	uint64_t root;

	(void)state;
	assert_int_equal(iod_vtd_id_full(&id), 0);
	id.cap &= ~(IOD_VTD_CAP_FS1GP | UINT64_C(2) << 34); /* no 1 GiB in either stage */
	cfg.id = &id;
	rig_init(&r, &cfg);
	rig_enable(&r, true);
	root = rig_scalable(&r, SID, 0, PGTT_FS, 5, 0);
	rig_map(&r, root, 4, VA, 2, RIG_BASE | FS_USER | FS_PS, FS_USER, 0);
	rig_refused(&r, SID, -1, VA, R, 0x72);
	root = rig_scalable(&r, SID, 1, PGTT_SS, 6, 0);
	rig_map(&r, root, 4, VA, 2, RIG_BASE | SS_RW | SS_PS, SS_RW, 0);
	rig_refused(&r, SID, 1, VA, R, 0x7a);
	rig_map(&r, root, 4, VA + IODT_1G, 1, RIG_BASE | SS_RW | SS_PS, SS_RW, 0);
	rig_ok(&r, SID, 1, VA + IODT_1G, R, RIG_BASE + (VA & (IODT_2M - 1)));
	rig_fini(&r);
}

/* Input addresses end at MGAW, however many levels there are; those of a second stage behind a first one, too. */
static void mgaw(void **state)
{
	struct iod_vtd_emu_cfg cfg = { .size = sizeof(cfg) };
	const uint64_t va = IODT_BIT(39);
	struct iod_vtd_id id;
	struct emurig r;
	uint64_t root;

	(void)state;
	assert_int_equal(iod_vtd_id_full(&id), 0);
	id.cap = (id.cap & ~IOD_VTD_CAP_MGAW) | UINT64_C(38) << 16;
	cfg.id = &id;
	rig_init(&r, &cfg);
	rig_enable(&r, true);
	root = rig_scalable(&r, SID, 0, PGTT_SS, 5, 0);
	rig_map(&r, root, 4, va, 0, PG | SS_RW, SS_RW, 0);
	rig_map(&r, root, 4, va - 4096, 0, PG | SS_RW, SS_RW, 0);
	rig_refused(&r, SID, -1, va, R, 0x84);
	rig_ok(&r, SID, -1, va - 4096, R, PG);
	rig_second_stage(&r, SS_RW);
	rig_map(&r, r.ss_root, 4, va, 0, PG | SS_RW, SS_RW, 0);
	root = rig_scalable(&r, SID, 1, PGTT_NESTED, 6, 0);
	rig_map(&r, root, 4, VA, 0, va | FS_USER, FS_USER, RIG_IPA_OFF);
	rig_refused(&r, SID, 1, VA, R, 0x74);
	rig_fini(&r);
}

#define LEGACY(f)   cmocka_unit_test_setup_teardown(f, rig_setup_legacy, rig_teardown)
#define SCALABLE(f) cmocka_unit_test_setup_teardown(f, rig_setup_scalable, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEGACY(root_and_mode),	 LEGACY(contexts),	     LEGACY(legacy_tables),
		SCALABLE(sm_structures), SCALABLE(pasid_structures), cmocka_unit_test(pss),
		SCALABLE(first_stage),	 SCALABLE(second_stage),     SCALABLE(nested),
		SCALABLE(nested_update), SCALABLE(unwritable),	     SCALABLE(unsnooped),
		SCALABLE(fpd),		 LEGACY(overflow),	     LEGACY(interrupt),
		SCALABLE(ats),		 cmocka_unit_test(ats_nw),   LEGACY(interrupt_between),
		cmocka_unit_test(sizes), cmocka_unit_test(mgaw),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
