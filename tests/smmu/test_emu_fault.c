/* SPDX-License-Identifier: MIT */
/*
 * The emulated SMMU: every event that it raises, as the 32 bytes that a guest reads (bits.md C1.7), and what it
 * does to tables: Accessed and Dirty in both stages.
 */
#include "emurig.h"

#define R	IOD_ACCESS_READ
#define W	IOD_ACCESS_WRITE
#define P	IOD_ACCESS_PRIV
#define DATA(n) (RIG_DATA + (uint64_t)(n)*4096)

/* Words of events */
#define E0(type, sid)	     ((uint64_t)(type) | (uint64_t)(sid) << 32)
#define E0S(type, sid, ssid) (E0(type, sid) | 1u << 11 | (uint64_t)(ssid) << 12)
#define PNU		     ((uint64_t)1 << 33)
#define RNW		     ((uint64_t)1 << 35)
#define S2		     ((uint64_t)1 << 39)
#define CLASS(c)	     ((uint64_t)(c) << 40)
#define CD		     CLASS(0)
#define TT		     CLASS(1)
#define IN		     CLASS(2)
#define TTRNW		     ((uint64_t)1 << 44)

static void refused(struct emurig *r, uint32_t sid, int64_t ssid, uint64_t iova, uint32_t access)
{
	assert_int_equal(rig_access(r, sid, ssid, iova, access), -EFAULT);
	assert_int_equal(r->res.outcome, IOD_EMU_ABORTED);
}

/* ---- structures ---- */

static void bad_streamid(void **state)
{
	struct emurig *r = *state;

	refused(r, 64, 3, 0x1000, R); /* the table has 64 */
	rig_expect_event(r, E0S(0x02, 64, 3), 0, 0, 0);
	/* Only with CR2.RECINVSID, which is fixed while SMMUEN is set. */
	rig_reg(r, 0x20, 0xe);
	rig_reg(r, 0x2c, 0);
	rig_reg(r, 0x20, 0xf);
	refused(r, 64, -1, 0x1000, R);
	assert_int_equal(r->ev.type, 0x02);
	assert_false(r->res.recorded);
	rig_no_event(r);
}

static void ste_fetch(void **state)
{
	struct emurig *r = *state;
	uint64_t strtab = RIG_AWAY;

	rig_reg(r, 0x20, 0xe);
	assert_int_equal(iod_smmuv3_emu_mmio(r->emu, 0x80, 8, true, &strtab), 0);
	rig_reg(r, 0x20, 0xf);
	refused(r, 5, -1, 0x1000, R);
	rig_expect_event(r, E0(0x03, 5), 0, 0, RIG_AWAY + 5 * 64);
}

static void bad_ste(void **state)
{
	struct emurig *r = *state;

	refused(r, 5, 9, 0x1000, R); /* V = 0 */
	rig_expect_event(r, E0S(0x04, 5, 9), 0, 0, 0);
	rig_ste(r, 6, STE_V | STE_CONFIG(6), 0, STE2_GOOD & ~STE2_T0SZ(25), RIG_TABLES);
	refused(r, 6, -1, 0x1000, R); /* S2T0SZ 0 */
	rig_expect_event(r, E0(0x04, 6), 0, 0, 0);
}

static void substreams(void **state)
{
	struct emurig *r = *state;
	uint64_t root = rig_page(r), l1 = rig_page(r), leaf = rig_page(r), cds = rig_page(r);

	rig_map(r, root, 0x1000, DATA(1) | S1_RW_PAGE, 0);
	/* Linear, 16 CDs: CD 0 for plain requests (S1DSS 2); CD 3 is there. */
	rig_cd(r, cds, CD_GOOD, root);
	rig_cd(r, cds + 3 * 64, CD_GOOD, root);
	rig_ste(r, 1, STE_V | STE_CONFIG(5) | STE_S1CDMAX(4) | cds, STE1_S1DSS(2), 0, 0);
	rig_ok(r, 1, 0x1000, R, DATA(1));
	assert_int_equal(rig_access(r, 1, 3, 0x1000, W), 0);
	refused(r, 1, 0, 0x1000, R); /* CD 0 is not a substream's then */
	rig_expect_event(r, E0S(0x06, 1, 0), 0, 0, 0);
	refused(r, 1, 16, 0x1000, R);
	rig_expect_event(r, E0(0x08, 1) | 16u << 12, 0, 0, 0);
	refused(r, 1, 4, 0x1000, R); /* V = 0 */
	rig_expect_event(r, E0S(0x0a, 1, 4), 0, 0, 0);
	/* S1DSS 0: plain requests are terminated; 1: they bypass stage 1. */
	rig_ste(r, 2, STE_V | STE_CONFIG(5) | STE_S1CDMAX(4) | cds, STE1_S1DSS(0), 0, 0);
	refused(r, 2, -1, 0x1000, R);
	rig_expect_event(r, E0(0x06, 2), 0, 0, 0);
	rig_ste(r, 3, STE_V | STE_CONFIG(5) | STE_S1CDMAX(4) | cds, STE1_S1DSS(1), 0, 0);
	rig_ok(r, 3, 0x1234000, W, 0x1234000);
	assert_int_equal(rig_access(r, 3, 0, 0x1000, R), 0);
	/* Two levels: 2^7 CDs in leaves of 64; the second leaf is not there. */
	rig_w64(r, l1, leaf | 1);
	rig_cd(r, leaf + 63 * 64, CD_GOOD, root);
	rig_ste(r, 4, STE_V | STE_CONFIG(5) | STE_S1FMT(1) | STE_S1CDMAX(7) | l1, STE1_S1DSS(0), 0,
		0);
	assert_int_equal(rig_access(r, 4, 63, 0x1000, R), 0);
	refused(r, 4, 64, 0x1000, R);
	rig_expect_event(r, E0(0x08, 4) | 64u << 12, 0, 0, 0);
	/* ... of 1024 */
	rig_ste(r, 5, STE_V | STE_CONFIG(5) | STE_S1FMT(2) | STE_S1CDMAX(11) | l1, STE1_S1DSS(0), 0,
		0);
	rig_w64(r, l1, (RIG_DATA + 0x100000) | 1);
	rig_cd(r, RIG_DATA + 0x100000 + 1023 * 64, CD_GOOD, root);
	assert_int_equal(rig_access(r, 5, 1023, 0x1000, R), 0);
}

static void cd_fetch(void **state)
{
	struct emurig *r = *state;

	rig_ste(r, 1, STE_V | STE_CONFIG(5) | RIG_AWAY, 0, 0, 0);
	refused(r, 1, -1, 0x1000, R);
	rig_expect_event(r, E0(0x09, 1), 0, 0, RIG_AWAY);
	/* A level-1 descriptor that cannot be read. */
	rig_ste(r, 2, STE_V | STE_CONFIG(5) | STE_S1FMT(1) | STE_S1CDMAX(8) | RIG_AWAY, 0, 0, 0);
	refused(r, 2, 130, 0x1000, R);
	rig_expect_event(r, E0S(0x09, 2, 130), 0, 0, RIG_AWAY + 2 * 8);
}

/* ---- stage 1 ---- */

static void walk_abort(void **state)
{
	struct emurig *r = *state;
	uint64_t root = rig_page(r), iova = UINT64_C(0x140201000); /* indices 5, 1, 1 */

	rig_s1(r, 1, CD_GOOD, root);
	rig_w64(r, root + 5 * 8, RIG_AWAY | 3);
	refused(r, 1, -1, iova, W | P);
	rig_expect_event(r, E0(0x0b, 1), TT | PNU, iova, RIG_AWAY + 8);
	/* The root itself. */
	rig_s1(r, 2, CD_GOOD, RIG_AWAY);
	refused(r, 2, -1, iova, R);
	rig_expect_event(r, E0(0x0b, 2), TT | RNW, iova, RIG_AWAY + 5 * 8);
}

static void stage1_faults(void **state)
{
	struct emurig *r = *state;
	uint64_t root = rig_page(r), cd;

	/* IPS 1: 36 bits; no HA */
	cd = rig_s1(r, 1, (CD_GOOD & ~CD_IPS(7)) | CD_IPS(1), root);
	rig_map(r, root, 0x1000, IODT_BIT(36) | S1_RW_PAGE, 0);
	rig_map(r, root, 0x2000, DATA(1) | (S1_RW_PAGE & ~PTE_AF), 0);
	rig_map(r, root, 0x3000, DATA(1) | (S1_RW_PAGE & ~S1_UNPRIV), 0);
	refused(r, 1, -1, 0x1008, R);
	rig_expect_event(r, E0(0x11, 1), IN | RNW, 0x1008, 0);
	refused(r, 1, -1, 0x2008, W);
	rig_expect_event(r, E0(0x12, 1), IN, 0x2008, 0);
	refused(r, 1, -1, 0x3008, R);
	rig_expect_event(r, E0(0x13, 1), IN | RNW, 0x3008, 0);
	rig_ok(r, 1, 0x3008, R | P, DATA(1) + 8);
	refused(r, 1, -1, 0x4008, R | IOD_ACCESS_EXEC | P); /* InD: bit 98 */
	rig_expect_event(r, E0(0x10, 1), IN | RNW | PNU | (uint64_t)1 << 34, 0x4008, 0);
	/* AFFD: no access flag fault, and nothing is set; R = 0: not recorded; A = 0: RAZ/WI */
	rig_w64(r, cd, ((CD_GOOD & ~(CD_R | CD_A)) | CD_AFFD));
	rig_cmd(r, 0x05 | (uint64_t)1 << 32, 1);
	rig_ok(r, 1, 0x2008, W, DATA(1) + 8);
	assert_true(rig_r64(r, rig_leaf(r, root, 0x2000, 0)) == (DATA(1) | (S1_RW_PAGE & ~PTE_AF)));
	assert_int_equal(rig_access(r, 1, -1, 0x4000, W), -EFAULT);
	assert_int_equal(r->res.outcome, IOD_EMU_RAZ_WI);
	assert_int_equal(r->ev.type, 0x10);
	assert_false(r->res.recorded);
	rig_no_event(r);
}

static void top_byte(void **state)
{
	struct emurig *r = *state;
	uint64_t root = rig_page(r), tagged = UINT64_C(0xa500000000001008);

	rig_map(r, root, 0x1000, DATA(1) | S1_RW_PAGE, 0);
	rig_s1(r, 1, CD_GOOD, root);
	rig_s1(r, 2, CD_GOOD | CD_TBI0, root);
	refused(r, 1, -1, tagged, R);
	rig_expect_event(r, E0(0x10, 1), IN | RNW, tagged, 0);
	rig_ok(r, 2, tagged, R, DATA(1) + 8);
	/* The event has the address as it came. */
	refused(r, 2, -1, tagged + 0x1000, R);
	rig_expect_event(r, E0(0x10, 2), IN | RNW, tagged + 0x1000, 0);
}

static void upper_half(void **state)
{
	struct emurig *r = *state;
	uint64_t low = rig_page(r), high = rig_page(r), cd, iova = UINT64_C(0xffffff8000001000);

	cd = rig_s1(r, 1, (CD_GOOD & ~CD_EPD1) | CD_T1SZ(25) | CD_TG1_4K, low);
	rig_w64(r, cd + 16, high);
	rig_map(r, low, 0x1000, DATA(1) | S1_RW_PAGE, 0);
	rig_map(r, high, 0x1000, DATA(2) | S1_RW_PAGE, 0);
	rig_ok(r, 1, 0x1000, R, DATA(1));
	rig_ok(r, 1, iova, R, DATA(2));
	/* EPD0: the lower half is off. */
	rig_w64(r, cd, rig_r64(r, cd) | CD_EPD0);
	rig_cmd(r, 0x05 | (uint64_t)1 << 32, 1);
	refused(r, 1, -1, 0x1000, R);
	rig_expect_event(r, E0(0x10, 1), IN | RNW, 0x1000, 0);
	rig_ok(r, 1, iova, W, DATA(2));
}

static void write_never(void **state)
{
	struct emurig *r = *state;
	uint64_t root = rig_page(r);

	/* WXN; PAN (CD bit 40) */
	rig_s1(r, 1, CD_GOOD | CD_WXN | IODT_BIT(40), root);
	rig_map(r, root, 0x1000, DATA(1) | S1_RW_PAGE, 0);
	rig_map(r, root, 0x2000, DATA(1) | S1_RW_PAGE | S1_RO, 0);
	rig_map(r, root, 0x3000, DATA(1) | (S1_RW_PAGE & ~S1_UNPRIV), 0);
	refused(r, 1, -1, 0x1000, R | IOD_ACCESS_EXEC);
	rig_expect_event(r, E0(0x13, 1), IN | RNW | (uint64_t)1 << 34, 0x1000, 0);
	rig_ok(r, 1, 0x2000, R | IOD_ACCESS_EXEC, DATA(1));
	refused(r, 1, -1, 0x1000, R | P);
	rig_expect_event(r, E0(0x13, 1), IN | RNW | PNU, 0x1000, 0);
	rig_ok(r, 1, 0x3000, W | P, DATA(1));
}

/* ---- both stages ---- */

/* Stage-2 pages of a nested stream's CD, of its stage-1 tables and of its data, found by what stage 1 uses. */
static uint64_t s2_entry(struct emurig *r, uint64_t pa)
{
	return rig_leaf(r, r->s2_root, pa + RIG_IPA_OFF, 0);
}

static void nested_cd_faults(void **state)
{
	struct emurig *r = *state;
	uint64_t root = rig_page(r), cd, entry, old;

	rig_stage2(r, S2_RW_PAGE);
	cd = rig_nested(r, 4, STE2_GOOD, CD_GOOD, root);
	entry = s2_entry(r, cd);
	old = rig_r64(r, entry);
	rig_w64(r, entry, 0);
	refused(r, 4, -1, 0x5123, W | P);
	rig_expect_event(r, E0(0x10, 4), CD | S2 | PNU, 0x5123, cd + RIG_IPA_OFF);
	rig_w64(r, entry, old & ~S2_R);
	refused(r, 4, -1, 0x5123, R);
	rig_expect_event(r, E0(0x13, 4), CD | S2 | RNW, 0x5123, cd + RIG_IPA_OFF);
	rig_w64(r, entry, old & ~PTE_AF);
	refused(r, 4, -1, 0x5123, R);
	rig_expect_event(r, E0(0x12, 4), CD | S2 | RNW, 0x5123, cd + RIG_IPA_OFF);
	rig_w64(r, entry, (old & 0xfff) | RIG_AWAY);
	refused(r, 4, -1, 0x5123, R);
	rig_expect_event(r, E0(0x09, 4), 0, 0, RIG_AWAY);
	rig_no_event(r);
}

static void nested_table_faults(void **state)
{
	struct emurig *r = *state;
	uint64_t root = rig_page(r), leaf, entry, old;

	rig_stage2(r, S2_RW_PAGE);
	rig_nested(r, 4, STE2_GOOD, CD_GOOD | CD_HA | CD_HD, root);
	rig_map(r, root, 0x5000, (DATA(1) + RIG_IPA_OFF) | S1_CLEAN_PAGE, RIG_IPA_OFF);
	leaf = rig_leaf(r, root, 0x5000, RIG_IPA_OFF);
	entry = s2_entry(r, leaf);
	old = rig_r64(r, entry);
	/* The table is not there. */
	rig_w64(r, entry, 0);
	refused(r, 4, -1, 0x5008, W);
	rig_expect_event(r, E0(0x10, 4), TT | S2, 0x5008, (leaf + RIG_IPA_OFF) & ~UINT64_C(0xfff));
	/* It may not be read: TTRnW says a read. */
	rig_w64(r, entry, old & ~S2_R);
	refused(r, 4, -1, 0x5008, W);
	rig_expect_event(r, E0(0x13, 4), TT | S2 | TTRNW, 0x5008,
			 (leaf + RIG_IPA_OFF) & ~UINT64_C(0xfff));
	/* It may be read, but not be updated: reads of the page are fine, a write is refused as a write there. */
	rig_w64(r, entry, old & ~S2_W);
	rig_ok(r, 4, 0x5008, R, DATA(1) + 8);
	refused(r, 4, -1, 0x5008, W);
	rig_expect_event(r, E0(0x13, 4), TT | S2, 0x5008, (leaf + RIG_IPA_OFF) & ~UINT64_C(0xfff));
	assert_true(rig_r64(r, leaf) == ((DATA(1) + RIG_IPA_OFF) | S1_CLEAN_PAGE));
	/* Behind stage 2 there is nothing: F_WALK_EABT of class TT, the address is the physical one. */
	rig_w64(r, entry, (old & 0xfff) | RIG_AWAY);
	rig_cmd(r, 0x2a | (uint64_t)7 << 32, (leaf + RIG_IPA_OFF) & ~UINT64_C(0xfff));
	rig_cmd(r, 0x10 | (uint64_t)7 << 32, 0);
	refused(r, 4, -1, 0x5008, W);
	rig_expect_event(r, E0(0x0b, 4), TT, 0x5008, RIG_AWAY + (leaf & 0xfff));
	/* A stage-2 table that is not there, for the data's address. */
	rig_w64(r, entry, old);
	rig_map(r, root, 0x6000, (UINT64_C(0x3000000000) + RIG_IPA_OFF) | S1_RW_PAGE, RIG_IPA_OFF);
	rig_w64(r, r->s2_root + ((UINT64_C(0x3000000000) + RIG_IPA_OFF) >> 30) * 8, RIG_AWAY | 3);
	rig_cmd(r, 0x28 | (uint64_t)7 << 32, 0);
	refused(r, 4, -1, 0x6008, W);
	rig_expect_event(r, E0(0x0b, 4), IN | S2, 0x6008, RIG_AWAY);
	rig_no_event(r);
}

/* ---- Accessed and Dirty ---- */

static void stage1_marks(void **state)
{
	struct emurig *r = *state;
	uint64_t root = rig_page(r), leaf;

	rig_s1(r, 1, CD_GOOD | CD_HA | CD_HD, root);
	rig_map(r, root, 0x5000, DATA(1) | (S1_CLEAN_PAGE & ~PTE_AF), 0);
	leaf = rig_leaf(r, root, 0x5000, 0);
	rig_ok(r, 1, 0x5000, R, DATA(1));
	assert_true(rig_r64(r, leaf) == (DATA(1) | S1_CLEAN_PAGE));
	rig_ok(r, 1, 0x5000, W, DATA(1));
	assert_true(rig_r64(r, leaf) == (DATA(1) | (S1_CLEAN_PAGE & ~S1_RO)));
	/* Cleaned without an invalidation: the write goes through what is cached, and marks nothing. */
	rig_w64(r, leaf, DATA(1) | S1_CLEAN_PAGE);
	rig_ok(r, 1, 0x5000, W, DATA(1));
	assert_true(rig_r64(r, leaf) == (DATA(1) | S1_CLEAN_PAGE));
	/* TLBI_NH_VA of ASID 5: now it is marked. */
	rig_cmd(r, 0x12 | (uint64_t)5 << 48, 0x5000 | 1);
	rig_sync(r);
	rig_ok(r, 1, 0x5000, W, DATA(1));
	assert_true(rig_r64(r, leaf) == (DATA(1) | (S1_CLEAN_PAGE & ~S1_RO)));
}

/* A1.11 rules 7, 8, 9: a stage-1 update is a stage-2 write; a CD's fetch is not; a refused write marks nothing. */
static void nested_marks(void **state)
{
	struct emurig *r = *state;
	uint64_t root = rig_page(r), cd, leaf, s2leaf, s2table, s2cd;

	rig_stage2(r, S2_CLEAN_PAGE);
	cd = rig_nested(r, 4, STE2_GOOD | STE2_HA | STE2_HD, CD_GOOD | CD_HA | CD_HD, root);
	rig_map(r, root, 0x5000, (DATA(1) + RIG_IPA_OFF) | S1_CLEAN_PAGE, RIG_IPA_OFF);
	rig_map(r, root, 0x6000, (DATA(2) + RIG_IPA_OFF) | S1_RW_PAGE | S1_RO, RIG_IPA_OFF);
	leaf = rig_leaf(r, root, 0x5000, RIG_IPA_OFF);
	s2leaf = s2_entry(r, DATA(1));
	s2table = s2_entry(r, leaf);
	s2cd = s2_entry(r, cd);
	rig_ok(r, 4, 0x5000, R, DATA(1));
	assert_true(rig_r64(r, s2leaf) == (DATA(1) | S2_CLEAN_PAGE));
	assert_true(rig_r64(r, s2table) == ((leaf & ~UINT64_C(0xfff)) | S2_CLEAN_PAGE));
	rig_ok(r, 4, 0x5000, W, DATA(1));
	assert_true(rig_r64(r, leaf) == ((DATA(1) + RIG_IPA_OFF) | (S1_CLEAN_PAGE & ~S1_RO)));
	assert_true(rig_r64(r, s2leaf) == (DATA(1) | S2_CLEAN_PAGE | S2_W));
	assert_true(rig_r64(r, s2table) == ((leaf & ~UINT64_C(0xfff)) | S2_CLEAN_PAGE | S2_W));
	assert_true(rig_r64(r, s2cd) == ((cd & ~UINT64_C(0xfff)) | S2_CLEAN_PAGE));
	refused(r, 4, -1, 0x6000, W);
	rig_expect_event(r, E0(0x13, 4), IN, 0x6000, 0);
	assert_true(rig_r64(r, s2_entry(r, DATA(2))) == (DATA(2) | S2_CLEAN_PAGE));
}

/* One DMA over pages of different kinds: how far it comes, and where the event says it ended. */
static int note_move(void *cookie, uint64_t pa, uint64_t len, uint64_t offset)
{
	uint64_t *seen = cookie;

	(void)offset;
	seen[0] += len;
	seen[1] = pa;
	return seen[0] > 0x10000 ? -EFAULT : 0;
}

static void dma(void **state)
{
	struct emurig *r = *state;
	struct iod_emu_req req = { .size = sizeof(req), .source = 1, .access = W, .iova = 0x1800 };
	struct iod_emu_result res = { .size = sizeof(res) };
	uint64_t root = rig_page(r), seen[2] = { 0 }, done = 0;
	struct iod_smmuv3_event ev;

	rig_s1(r, 1, CD_GOOD, root);
	rig_map(r, root, 0x1000, DATA(1) | S1_RW_PAGE, 0);
	rig_map(r, root, 0x2000, DATA(7) | S1_RW_PAGE, 0);
	assert_int_equal(
		iod_smmuv3_emu_dma(r->emu, &req, 0x1900, note_move, seen, &done, &res, &ev),
		-EFAULT);
	assert_int_equal(done, 0x1800);
	assert_int_equal(seen[0], 0x1800);
	assert_true(seen[1] == DATA(7));
	rig_expect_event(r, E0(0x10, 1), IN, 0x3000, 0);
	/* A bypassed stream: in one piece. */
	rig_ste(r, 2, STE_V | STE_CONFIG(4), 0, 0, 0);
	req.source = 2;
	seen[0] = done = 0;
	assert_int_equal(
		iod_smmuv3_emu_dma(r->emu, &req, 0x1900, note_move, seen, &done, &res, &ev), 0);
	assert_int_equal(done, 0x1900);
	assert_true(seen[1] == 0x1800);
	/* What move returns is passed on, and is no event even if it looks like a refusal. */
	seen[0] = 0x10000;
	req.source = 1;
	done = 0;
	assert_int_equal(iod_smmuv3_emu_dma(r->emu, &req, 0x100, note_move, seen, &done, &res, &ev),
			 -EFAULT);
	assert_int_equal(ev.type, 0);
	assert_int_equal(done, 0);
	rig_no_event(r);
	assert_int_equal(iod_smmuv3_emu_dma(r->emu, &req, 0, note_move, seen, NULL, NULL, NULL),
			 -EINVAL);
	req.iova = UINT64_MAX;
	assert_int_equal(iod_smmuv3_emu_dma(r->emu, &req, 2, note_move, seen, NULL, NULL, NULL),
			 -ERANGE);
}

/* The event queue is full: events are dropped and OVFLG toggles once; its memory is away: GERROR. */
static void overflow(void **state)
{
	struct emurig *r = *state;
	uint64_t base = RIG_AWAY | RIG_EVTQ_LG2, raw[4];
	unsigned int i;

	for (i = 0; i < (1u << RIG_EVTQ_LG2) + 3; i++)
		refused(r, 5, -1, 0x1000, R);
	assert_int_equal(rig_get(r, 0x100a8), IODT_BIT(31) | 1u << RIG_EVTQ_LG2);
	assert_false(r->res.recorded);
	assert_true(rig_event(r, raw));
	refused(r, 5, -1, 0x1000, R); /* room again: recorded, though not acknowledged */
	assert_true(r->res.recorded);
	assert_true(rig_event(r, raw));
	rig_reg(r, 0x20, 0xb);
	assert_int_equal(iod_smmuv3_emu_mmio(r->emu, 0xa0, 8, true, &base), 0);
	rig_reg(r, 0x50, 7);
	rig_reg(r, 0x20, 0xf);
	refused(r, 5, -1, 0x1000, R);
	assert_int_equal(rig_get(r, 0x60), 1u << 2);
	assert_int_equal(r->irqs[IOD_SMMUV3_IRQ_GERROR], 1);
	refused(r, 5, -1, 0x1000, R); /* active already */
	assert_int_equal(r->irqs[IOD_SMMUV3_IRQ_GERROR], 1);
	rig_reg(r, 0x64, 1u << 2);
	refused(r, 5, -1, 0x1000, R);
	assert_int_equal(rig_get(r, 0x60), 0);
	assert_int_equal(r->irqs[IOD_SMMUV3_IRQ_GERROR], 2);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, rig_setup_enabled, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(bad_streamid),  TEST(ste_fetch),	     TEST(bad_ste),
		TEST(substreams),    TEST(cd_fetch),	     TEST(walk_abort),
		TEST(stage1_faults), TEST(top_byte),	     TEST(upper_half),
		TEST(write_never),   TEST(nested_cd_faults), TEST(nested_table_faults),
		TEST(stage1_marks),  TEST(nested_marks),     TEST(dma),
		TEST(overflow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
