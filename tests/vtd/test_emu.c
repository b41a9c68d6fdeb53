/* SPDX-License-Identifier: MIT */
/*
 * The emulated VT-d, by hand: life, every way to translate, Accessed and Dirty at every level of both stages, and
 * what is cached until it is invalidated.
 */
#include <errno.h>
#include <pthread.h>
#include <unistd.h>

#include "emurig.h"

#define R   IOD_ACCESS_READ
#define W   IOD_ACCESS_WRITE
#define SID 0x08 /* 00:01.0 */
#define HI  0x98 /* 00:13.0: the upper half of the bus */
#define VA  UINT64_C(0x123456000)
#define PG  RIG_DATA

static bool a_ss(struct emurig *r, uint64_t root, uint64_t va, unsigned int level)
{
	return rig_r64(r, rig_entry(r, root, 4, va, level, 0)) & SS_A;
}

/* ---- life ---- */

static void life(void **state)
{
	struct iod_vtd_emu_stats stats = { .size = sizeof(stats) };
	struct iod_vtd_emu_cfg cfg = { .size = sizeof(cfg) };
	struct emurig *r = *state;
	struct iod_vtd_emu *emu;
	struct iod_vtd_id id;

	assert_int_equal(iod_vtd_emu_create(NULL, &cfg), -EINVAL);
	assert_int_equal(iod_vtd_emu_create(&emu, NULL), -EINVAL);
	assert_int_equal(iod_vtd_emu_create(&emu, &cfg), -EINVAL); /* no memory */
	cfg.mem = r->m;
	cfg.config_entries = 3;
	assert_int_equal(iod_vtd_emu_create(&emu, &cfg), -EINVAL);
	cfg.config_entries = 0;
	assert_int_equal(iod_vtd_id_full(&id), 0);
	id.ecap &= ~IOD_VTD_ECAP_QI;
	cfg.id = &id;
	assert_int_equal(iod_vtd_emu_create(&emu, &cfg), -EOPNOTSUPP);
	assert_int_equal(iod_vtd_id_full(&id), 0);
	id.cap = (id.cap & ~IOD_VTD_CAP_FRO) | UINT64_C(1) << 24; /* over other registers */
	assert_int_equal(iod_vtd_emu_create(&emu, &cfg), -EOPNOTSUPP);
	/* nobody is promised what is not modelled */
	id.cap = UINT64_MAX & ~(IOD_VTD_CAP_FRO | IOD_VTD_CAP_NFR);
	id.cap |= UINT64_C(0x40) << 24;
	id.ecap = UINT64_MAX;
	assert_int_equal(iod_vtd_emu_create(&emu, &cfg), 0);
	id = iod_vtd_emu_regs(emu)->id;
	assert_false(id.cap & (IOD_VTD_CAP_PI | IOD_VTD_CAP_RWBF | IOD_VTD_CAP_ECMDS));
	assert_false(id.ecap & (IOD_VTD_ECAP_IR | IOD_VTD_ECAP_EAFS | IOD_VTD_ECAP_SSIRWS |
				IOD_VTD_ECAP_ERS | IOD_VTD_ECAP_VCS));
	assert_int_equal(iod_vtd_emu_destroy(emu), 0);
	assert_int_equal(iod_vtd_emu_destroy(NULL), -EINVAL);
	assert_int_equal(iod_vtd_emu_get_stats(r->emu, &stats), 0);
	assert_int_equal(stats.accesses, 0);
}

/* Every allocation fails once. */
static void no_memory(void **state)
{
	struct emurig *r = *state;
	struct iod_vtd_emu_cfg cfg = { .size = sizeof(cfg), .mem = r->m };
	struct iod_vtd_emu *emu;
	uint64_t n;
	int ret;

	cfg.allocator = &r->alloc.ops;
	for (n = 1;; n++) {
		r->alloc.fail_at = r->alloc.calls + n;
		ret = iod_vtd_emu_create(&emu, &cfg);
		if (!ret)
			break;
		assert_int_equal(ret, -ENOMEM);
	}
	assert_true(n > 4);
	assert_int_equal(iod_vtd_emu_destroy(emu), 0);
	r->alloc.fail_at = 0;
}

/* ... and in the first access of each kind, which is made again then. */
static void no_memory_later(void **state)
{
	struct emurig *r = *state;
	uint64_t ss = rig_second_stage(r, SS_RW), root, n;
	int ret;

	root = rig_scalable(r, SID, 1, PGTT_NESTED, 5, PE_SSADE);
	rig_map(r, root, 4, VA, 0, (PG + RIG_IPA_OFF) | FS_USER, FS_USER, RIG_IPA_OFF);
	for (n = 1;; n++) {
		r->alloc.fail_at = r->alloc.calls + n;
		ret = rig_access(r, SID, 1, VA, W);
		if (!ret)
			break;
		assert_int_equal(ret, -ENOMEM);
		rig_no_fault(r);
	}
	r->alloc.fail_at = 0;
	assert_true(n > 3 && ss);
	assert_true(r->res.pa == PG);
}

static void disabled(void **state)
{
	struct emurig *r = *state;

	rig_ok(r, SID, -1, 0x1234, W, 0x1234);
	assert_int_equal(rig_req(r, SID, -1, 0x1000, R, IOD_EMU_REQ_ATS), -EFAULT);
	assert_int_equal(r->res.outcome, IOD_EMU_ATS_UR);
	assert_int_equal(rig_access(r, SID, -1, IODT_BIT(60), R), -EFAULT);
	rig_no_fault(r);
	assert_int_equal(rig_access(r, SID, 1 << 20, 0, R), -EINVAL);
	assert_int_equal(rig_access(r, SID, -1, 0, 0), -EINVAL);
}

/* ---- ways to translate ---- */

static void legacy(void **state)
{
	struct emurig *r = *state;
	uint64_t root = rig_legacy(r, SID, 5, 0), pte;

	rig_map(r, root, 4, VA, 0, PG | SS_RW, SS_RW, 0);
	rig_map(r, root, 4, VA + IODT_1G, 1, IODT_BIT(32) | SS_R | SS_PS, SS_RW, 0);
	rig_ok(r, SID, -1, VA + 8, W, PG + 8);
	rig_ok(r, SID, -1, (VA + IODT_1G) & ~(IODT_2M - 1), R, IODT_BIT(32));
	/* no Accessed, no Dirty */
	pte = rig_r64(r, rig_entry(r, root, 4, VA, 0, 0));
	assert_int_equal(pte, PG | SS_RW);
	assert_false(a_ss(r, root, VA, 3));
	rig_context(r, SID + 1, CTX_P | CTX_TT(2), CTX1_AW(2));
	rig_ok(r, SID + 1, -1, 0x5678, W, 0x5678);
}

static void first_stage(void **state)
{
	struct emurig *r = *state;
	uint64_t root = rig_scalable(r, SID, 0, PGTT_FS, 5, 0), at;
	unsigned int l;

	rig_map(r, root, 4, VA, 0, PG | FS_USER, FS_USER, 0);
	at = rig_entry(r, root, 4, VA, 0, 0);
	rig_ok(r, SID, -1, VA, R, PG);
	for (l = 1; l < 4; l++)
		assert_true(rig_r64(r, rig_entry(r, root, 4, VA, l, 0)) & FS_A);
	assert_int_equal(rig_r64(r, at), PG | FS_USER | FS_A);
	rig_ok(r, SID, -1, VA + 16, W, PG + 16);
	assert_int_equal(rig_r64(r, at), PG | FS_USER | FS_A | FS_D);
	/* the upper half of the address space */
	rig_map(r, root, 4, UINT64_C(0xffffffffffff0000), 0, (PG + 4096) | FS_USER, FS_USER, 0);
	rig_ok(r, SID, -1, UINT64_C(0xffffffffffff0010), W, PG + 4096 + 16);
}

static void second_stage(void **state)
{
	struct emurig *r = *state;
	uint64_t root = rig_scalable(r, HI, 0, PGTT_SS, 5, PE_SSADE), at;
	unsigned int l;

	rig_map(r, root, 4, VA, 0, PG | SS_RW, SS_RW, 0);
	at = rig_entry(r, root, 4, VA, 0, 0);
	rig_ok(r, HI, -1, VA, R, PG);
	for (l = 1; l < 4; l++)
		assert_true(a_ss(r, root, VA, l));
	assert_int_equal(rig_r64(r, at), PG | SS_RW | SS_A);
	rig_ok(r, HI, -1, VA, W, PG);
	assert_int_equal(rig_r64(r, at), PG | SS_RW | SS_A | SS_D);
}

/* SSADE = 0: no bit is written. */
static void no_ssade(void **state)
{
	struct emurig *r = *state;
	uint64_t root = rig_scalable(r, SID, 0, PGTT_SS, 5, 0);

	rig_map(r, root, 4, VA, 0, PG | SS_RW, SS_RW, 0);
	rig_ok(r, SID, -1, VA, W, PG);
	assert_int_equal(rig_r64(r, rig_entry(r, root, 4, VA, 0, 0)), PG | SS_RW);
	assert_false(a_ss(r, root, VA, 3));
}

/* Both stages; the tables' own pages are marked in the second, as written where the first was marked. */
static void nested(void **state)
{
	struct emurig *r = *state;
	uint64_t ss = rig_second_stage(r, SS_RW), root, at, table, ipa = RIG_IPA_OFF;
	unsigned int l;

	root = rig_scalable(r, SID, 0, PGTT_NESTED, 5, PE_SSADE);
	rig_map(r, root, 4, VA, 0, (PG + ipa) | FS_USER, FS_USER, ipa);
	at = rig_entry(r, root, 4, VA, 0, ipa);
	rig_ok(r, SID, -1, VA, R, PG);
	assert_int_equal(rig_r64(r, at), (PG + ipa) | FS_USER | FS_A);
	for (l = 0; l < 4; l++) {
		table = rig_entry(r, root, 4, VA, l, ipa) & ~UINT64_C(4095);
		assert_true(rig_r64(r, rig_entry(r, ss, 4, table + ipa, 0, 0)) & SS_D);
		assert_true(rig_r64(r, rig_entry(r, root, 4, VA, l, ipa)) & FS_A);
	}
	assert_int_equal(rig_r64(r, rig_entry(r, ss, 4, PG + ipa, 0, 0)), PG | SS_RW | SS_A);
	rig_ok(r, SID, -1, VA, W, PG);
	assert_int_equal(rig_r64(r, at), (PG + ipa) | FS_USER | FS_A | FS_D);
	assert_int_equal(rig_r64(r, rig_entry(r, ss, 4, PG + ipa, 0, 0)), PG | SS_RW | SS_A | SS_D);
}

static void pasids(void **state)
{
	struct emurig *r = *state;
	uint64_t a = rig_scalable(r, SID, 0, PGTT_FS, 5, 0), b;

	b = rig_scalable(r, SID, 70, PGTT_FS, 5, 0);
	rig_map(r, a, 4, VA, 0, PG | FS_USER, FS_USER, 0);
	rig_map(r, b, 4, VA, 0, (PG + 4096) | FS_USER, FS_USER, 0);
	rig_ok(r, SID, -1, VA, R, PG);
	rig_ok(r, SID, 70, VA, R, PG + 4096);
	rig_pasid(r, 71, PE_P | PE_PGTT(PGTT_PT) | PE_AW(2), PE1_DID(9), 0);
	rig_ok(r, SID, 71, 0x4000, W, 0x4000);
	/* RID_PASID names another */
	rig_sm_context(r, HI, r->dir | CTX_P | SM_PASIDE, 70);
	rig_ok(r, HI, -1, VA, R, PG + 4096);
}

/* Supervisor requests see supervisor pages, users do not. */
static void supervisor(void **state)
{
	struct emurig *r = *state;
	uint64_t root = rig_scalable(r, SID, 3, PGTT_FS, 5, 0);

	rig_map(r, root, 4, VA, 0, PG | FS_P | FS_RW, FS_USER, 0);
	rig_refused(r, SID, 3, VA, R, 0x81);
	rig_refused(r, SID, 3, VA, R | IOD_ACCESS_PRIV, 0x5d); /* SRE = 0 */
	rig_w64(r, rig_pasid_at(r, 3) + 16, root | PE2_SRE);
	rig_desc(r, D_PASID(3), 0);
	rig_wait(r);
	rig_ok(r, SID, 3, VA, R | IOD_ACCESS_PRIV, PG);
	rig_refused(r, SID, 3, VA, R | IOD_ACCESS_EXEC, 0x5c);
}

static void interrupts(void **state)
{
	struct emurig *r = *state;
	uint64_t root = rig_scalable(r, SID, 0, PGTT_SS, 5, 0);

	rig_ok(r, SID, -1, 0xfee00010, W, 0xfee00010);
	assert_int_equal(rig_access(r, SID, -1, 0xfee00010, R), -EFAULT);
	rig_no_fault(r);
	rig_map(r, root, 4, VA, 0, 0xfee01000 | SS_RW, SS_RW, 0);
	rig_refused(r, SID, -1, VA, W, 0x87);
}

/* ---- caches: until they are invalidated (and a driver that forgets it) ---- */

static void context_cache(void **state)
{
	struct emurig *r = *state;
	uint64_t a = rig_legacy(r, SID, 5, 0), b;

	rig_map(r, a, 4, VA, 0, PG | SS_RW, SS_RW, 0);
	rig_ok(r, SID, -1, VA, R, PG);
	b = rig_legacy(r, SID, 6, 0);
	rig_map(r, b, 4, VA, 0, (PG + 4096) | SS_RW, SS_RW, 0);
	rig_ok(r, SID, -1, VA, R, PG);
	rig_desc(r, D_CONTEXT(2) | D_DID(77), 0); /* another domain */
	rig_desc(r, D_CONTEXT(3) | D_DID(5) | D_SID(SID + 1), 0);
	rig_desc(r, D_IOTLB(1), 0);
	rig_wait(r);
	rig_ok(r, SID, -1, VA, R, PG);
	rig_desc(r, D_CONTEXT(3) | D_DID(5) | D_SID(SID), 0);
	rig_wait(r);
	rig_ok(r, SID, -1, VA, R, PG + 4096);
	/* by domain, and all */
	rig_context(r, SID, 0, 0);
	rig_ok(r, SID, -1, VA, R, PG + 4096);
	rig_desc(r, D_CONTEXT(2) | D_DID(6), 0);
	rig_wait(r);
	rig_refused(r, SID, -1, VA, R, 2);
	/* not present is not remembered */
	rig_context(r, SID, b | CTX_P, CTX1_AW(2) | CTX1_DID(6));
	rig_ok(r, SID, -1, VA, R, PG + 4096);
}

static void pasid_cache(void **state)
{
	struct emurig *r = *state;
	uint64_t a = rig_scalable(r, SID, 9, PGTT_FS, 5, 0), b = rig_page(r);

	rig_map(r, a, 4, VA, 0, PG | FS_USER, FS_USER, 0);
	rig_map(r, b, 4, VA, 0, (PG + 4096) | FS_USER, FS_USER, 0);
	rig_ok(r, SID, 9, VA, R, PG);
	rig_w64(r, rig_pasid_at(r, 9) + 16, b);
	rig_ok(r, SID, 9, VA, R, PG);
	rig_desc(r, D_CONTEXT(1), 0); /* the PASID cache is another one */
	rig_desc(r, D_IOTLB(1), 0);
	rig_desc(r, D_PASID(1) | D_DID(5) | D_PASIDN(8), 0);
	rig_desc(r, D_PASID(0) | D_DID(6), 0);
	rig_wait(r);
	rig_ok(r, SID, 9, VA, R, PG);
	rig_desc(r, D_PASID(1) | D_DID(5) | D_PASIDN(9), 0);
	rig_wait(r);
	/* ... and the IOTLB still another */
	rig_ok(r, SID, 9, VA, R, PG);
	rig_desc(r, D_P_IOTLB(2) | D_DID(5) | D_PASIDN(9), 0);
	rig_wait(r);
	rig_ok(r, SID, 9, VA, R, PG + 4096);
	rig_w64(r, rig_pasid_at(r, 9) + 16, a);
	rig_desc(r, D_PASID(0) | D_DID(5), 0);
	rig_desc(r, D_P_IOTLB(2) | D_DID(5) | D_PASIDN(9), 0);
	rig_wait(r);
	rig_ok(r, SID, 9, VA, R, PG);
}

static void iotlb(void **state)
{
	struct emurig *r = *state;
	uint64_t root = rig_scalable(r, SID, 0, PGTT_SS, 5, PE_SSADE), at;

	rig_map(r, root, 4, VA, 0, PG | SS_RW, SS_RW, 0);
	at = rig_entry(r, root, 4, VA, 0, 0);
	rig_ok(r, SID, -1, VA, W, PG);
	/* cleaned, and not invalidated: the next write is not seen */
	rig_w64(r, at, PG | SS_RW | SS_A);
	rig_ok(r, SID, -1, VA, W, PG);
	assert_false(rig_r64(r, at) & SS_D);
	rig_desc(r, D_IOTLB(3) | D_DID(6), VA);
	rig_desc(r, D_IOTLB(3) | D_DID(5), VA + 4096);
	rig_desc(r, D_P_IOTLB(2) | D_DID(5), 0); /* no first stage */
	rig_wait(r);
	rig_ok(r, SID, -1, VA, W, PG);
	assert_false(rig_r64(r, at) & SS_D);
	rig_desc(r, D_IOTLB(3) | D_DID(5), VA);
	rig_wait(r);
	rig_ok(r, SID, -1, VA, W, PG);
	assert_true(rig_r64(r, at) & SS_D);
	/* a block of pages: AM */
	rig_w64(r, at, (PG + 4096) | SS_RW);
	rig_desc(r, D_IOTLB(3) | D_DID(5), (VA & ~UINT64_C(0xffff)) | 4);
	rig_wait(r);
	rig_ok(r, SID, -1, VA, R, PG + 4096);
	/* by domain */
	rig_w64(r, at, 0);
	rig_ok(r, SID, -1, VA, R, PG + 4096);
	rig_desc(r, D_IOTLB(2) | D_DID(5), 0);
	rig_wait(r);
	rig_refused(r, SID, -1, VA, R, 0x79);
}

/* Caching mode: what is not present may be remembered, and is. */
static void caching_mode(void **state)
{
	struct iod_vtd_emu_cfg cfg = { .size = sizeof(cfg) };
	struct iod_vtd_id id;
	struct emurig r;
	uint64_t root;

	(void)state;
	assert_int_equal(iod_vtd_id_full(&id), 0);
	id.cap |= IOD_VTD_CAP_CM;
	cfg.id = &id;
	rig_init(&r, &cfg);
	rig_enable(&r, false);
	rig_refused(&r, SID, -1, VA, R, 2);
	root = rig_legacy(&r, SID, 5, 0);
	rig_map(&r, root, 4, VA, 0, PG | SS_RW, SS_RW, 0);
	rig_refused(&r, SID, -1, VA, R, 2);
	rig_desc(&r, D_CONTEXT(3) | D_SID(SID), 0);
	rig_wait(&r);
	rig_ok(&r, SID, -1, VA, R, PG);
	rig_fini(&r);
}

/* RTADDR is taken by SRTP; what was cached stays, unless ESRTPS says otherwise. */
static void root_table(void **state)
{
	struct emurig *r = *state;
	uint64_t root = rig_legacy(r, SID, 5, 0);

	rig_map(r, root, 4, VA, 0, PG | SS_RW, SS_RW, 0);
	rig_ok(r, SID, -1, VA, R, PG);
	rig_reg64(r, R_RTADDR, rig_page(r));
	rig_reg(r, R_GCMD, TE | QIE | SRTP);
	rig_ok(r, SID, -1, VA, R, PG);
	rig_desc(r, D_CONTEXT(1), 0);
	rig_desc(r, D_IOTLB(1), 0);
	rig_wait(r);
	rig_refused(r, SID, -1, VA, R, 1);
}

static void root_table_drops(void **state)
{
	struct iod_vtd_emu_cfg cfg = { .size = sizeof(cfg) };
	struct iod_vtd_id id;
	struct emurig r;
	uint64_t root;

	(void)state;
	assert_int_equal(iod_vtd_id_full(&id), 0);
	id.cap |= IOD_VTD_CAP_ESRTPS;
	cfg.id = &id;
	rig_init(&r, &cfg);
	rig_enable(&r, false);
	root = rig_legacy(&r, SID, 5, 0);
	rig_map(&r, root, 4, VA, 0, PG | SS_RW, SS_RW, 0);
	rig_ok(&r, SID, -1, VA, R, PG);
	rig_map(&r, root, 4, VA, 0, (PG + 4096) | SS_RW, SS_RW, 0);
	rig_reg(&r, R_GCMD, TE | QIE | SRTP);
	rig_ok(&r, SID, -1, VA, R, PG + 4096);
	rig_fini(&r);
}

static unsigned int moved; /* pages; atomic */

static int slow_move(void *cookie, uint64_t pa, uint64_t len, uint64_t offset)
{
	(void)cookie;
	(void)pa;
	(void)len;
	if (offset)
		usleep(20000);
	__atomic_fetch_add(&moved, 1, __ATOMIC_ACQ_REL);
	if (!offset)
		usleep(20000);
	return 0;
}

static void *two_pages(void *cookie)
{
	struct iod_emu_req req = { .size = sizeof(req), .source = SID, .access = W, .iova = VA };
	struct emurig *r = cookie;

	assert_int_equal(iod_vtd_emu_dma(r->emu, &req, 8192, slow_move, NULL, NULL, NULL, NULL), 0);
	return NULL;
}

/* A DMA that found the old tables is through first: it would put what they say back. */
static void root_table_waits(void **state)
{
	struct iod_vtd_emu_cfg cfg = { .size = sizeof(cfg) };
	struct iod_vtd_id id;
	pthread_t thread;
	struct emurig r;
	uint64_t root;

	(void)state;
	assert_int_equal(iod_vtd_id_full(&id), 0);
	id.cap |= IOD_VTD_CAP_ESRTPS;
	cfg.id = &id;
	rig_init(&r, &cfg);
	rig_enable(&r, false);
	root = rig_legacy(&r, SID, 5, 0);
	rig_map(&r, root, 4, VA, 0, PG | SS_RW, SS_RW, 0);
	rig_map(&r, root, 4, VA + 4096, 0, (PG + 4096) | SS_RW, SS_RW, 0);
	assert_int_equal(pthread_create(&thread, NULL, two_pages, &r), 0);
	while (!__atomic_load_n(&moved, __ATOMIC_ACQUIRE))
		usleep(100);
	root = rig_legacy(&r, SID, 5, 0); /* other tables, of the same domain */
	rig_map(&r, root, 4, VA + 4096, 0, (PG + 8192) | SS_RW, SS_RW, 0);
	rig_reg(&r, R_GCMD, TE | QIE | SRTP);
	assert_int_equal(__atomic_load_n(&moved, __ATOMIC_ACQUIRE), 2);
	assert_int_equal(pthread_join(thread, NULL), 0);
	rig_ok(&r, SID, -1, VA + 4096, W, PG + 8192);
	rig_fini(&r);
}

/* Entries of scalable mode have no domain: any takes them. PASID entries stay. */
static void sm_contexts(void **state)
{
	struct emurig *r = *state;
	uint64_t root = rig_scalable(r, SID, 9, PGTT_FS, 5, 0);

	rig_map(r, root, 4, VA, 0, PG | FS_USER, FS_USER, 0);
	rig_ok(r, SID, 9, VA, R, PG);
	rig_sm_context(r, SID, 0, 0);
	rig_ok(r, SID, 9, VA, R, PG);
	rig_desc(r, D_CONTEXT(3) | D_SID(SID + 4), 0);
	rig_wait(r);
	rig_ok(r, SID, 9, VA, R, PG);
	rig_desc(r, D_CONTEXT(3) | D_SID(SID + 4) | (uint64_t)1 << 48, 0); /* FM: bit 2 */
	rig_wait(r);
	rig_refused(r, SID, 9, VA, R, 0x41);
	rig_sm_context(r, SID, r->dir | CTX_P | SM_PASIDE, 0);
	rig_w64(r, rig_pasid_at(r, 9), 0);
	rig_ok(r, SID, 9, VA, R, PG);
	rig_sm_context(r, SID, 0, 0);
	rig_desc(r, D_CONTEXT(2) | D_DID(77), 0);
	rig_wait(r);
	rig_refused(r, SID, 9, VA, R, 0x41);
}

static void reset(void **state)
{
	struct emurig *r = *state;
	uint64_t root = rig_legacy(r, SID, 5, 0);

	rig_map(r, root, 4, VA, 0, PG | SS_RW, SS_RW, 0);
	rig_ok(r, SID, -1, VA, R, PG);
	rig_refused(r, SID, -1, 0x1000, R, 6);
	assert_int_equal(iod_vtd_emu_reset(r->emu), 0);
	assert_int_equal(rig_get(r, R_GSTS), 0);
	assert_int_equal(rig_get(r, R_FECTL), 1u << 31);
	assert_int_equal(rig_get64(r, R_IQT), 0);
	rig_ok(r, SID, -1, VA, R, VA);
	rig_w64(r, rig_entry(r, root, 4, VA, 0, 0), (PG + 4096) | SS_RW);
	rig_enable(r, false);
	rig_ok(r, SID, -1, VA, R, PG + 4096);
}

/* Bounded caches: more sources and PASIDs than places. */
static void many(void **state)
{
	struct iod_vtd_emu_cfg cfg = { .size = sizeof(cfg), .config_entries = 2 };
	struct iod_vtd_emu_stats stats = { .size = sizeof(stats) };
	struct emurig r;
	uint64_t root;
	uint32_t i;

	(void)state;
	rig_init(&r, &cfg);
	rig_enable(&r, true);
	for (i = 0; i < 64; i++) {
		root = rig_scalable(&r, SID, i + 1, PGTT_FS, (uint16_t)(i + 1), 0);
		rig_map(&r, root, 4, VA, 0, (PG + i * UINT64_C(4096)) | FS_USER, FS_USER, 0);
	}
	for (i = 0; i < 256; i++)
		rig_ok(&r, SID, i % 64 + 1, VA, W, PG + i % 64 * UINT64_C(4096));
	assert_int_equal(iod_vtd_emu_get_stats(r.emu, &stats), 0);
	assert_true(stats.pasid_fetches > 64);
	assert_int_equal(stats.accesses, 256);
	rig_fini(&r);
}

#define BARE(f)	    cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
#define LEGACY(f)   cmocka_unit_test_setup_teardown(f, rig_setup_legacy, rig_teardown)
#define SCALABLE(f) cmocka_unit_test_setup_teardown(f, rig_setup_scalable, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BARE(life),
		BARE(no_memory),
		SCALABLE(no_memory_later),
		BARE(disabled),
		LEGACY(legacy),
		SCALABLE(first_stage),
		SCALABLE(second_stage),
		SCALABLE(no_ssade),
		SCALABLE(nested),
		SCALABLE(pasids),
		SCALABLE(supervisor),
		SCALABLE(interrupts),
		LEGACY(context_cache),
		SCALABLE(pasid_cache),
		SCALABLE(iotlb),
		cmocka_unit_test(caching_mode),
		LEGACY(root_table),
		cmocka_unit_test(root_table_drops),
		cmocka_unit_test(root_table_waits),
		SCALABLE(sm_contexts),
		LEGACY(reset),
		cmocka_unit_test(many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
