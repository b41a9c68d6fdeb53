/* SPDX-License-Identifier: MIT */
/*
 * A guest under an emulated VT-d, made by hand: memory, root, context and PASID structures, page tables and queues
 * are written as raw words, with the bit numbers of bits.md C2 and A2, and by nothing of the library.
 */
#ifndef VTD_EMURIG_H
#define VTD_EMURIG_H

#include <iodirty/vtd_emu.h>

#include "iodtest.h"

#define RIG_BASE  UINT64_C(0x80000000) /* guest memory: 16 MiB from here */
#define RIG_BYTES UINT64_C(0x1000000)
#define RIG_ROOT  RIG_BASE
#define RIG_CTX     \
	(RIG_BASE + \
	 0x2000) /* context table of bus 0; scalable mode: and 0x3000 for devices 16 to 31 */
#define RIG_IQ	   (RIG_BASE + 0x10000) /* one page */
#define RIG_PRQ	   (RIG_BASE + 0x20000) /* one page */
#define RIG_STATUS (RIG_BASE + 0x30000)
#define RIG_MSI	   (RIG_BASE + 0x40000) /* FEADDR; IEADDR 0x100, PEADDR 0x200 behind it */
#define RIG_TABLES (RIG_BASE + 0x100000)
#define RIG_DATA   (RIG_BASE + 0x800000)
#define RIG_RO	   (RIG_BASE + 0xf00000) /* the last MiB: hardware cannot write there */
#define RIG_AWAY   UINT64_C(0x40000000)	 /* no memory */
/* Where nested PASIDs see memory: IPA = PA + this, under the tables of rig_second_stage(). */
#define RIG_IPA_OFF UINT64_C(0x100000000)

/* Registers (C2.1) */
#define R_GCMD	 0x18
#define R_GSTS	 0x1c
#define R_RTADDR 0x20
#define R_FSTS	 0x34
#define R_FECTL	 0x38
#define R_IQH	 0x80
#define R_IQT	 0x88
#define R_IQA	 0x90
#define R_ICS	 0x9c
#define R_IECTL	 0xa0
#define R_IQERCD 0xb0
#define R_PQH	 0xc0
#define R_PQT	 0xc8
#define R_PQA	 0xd0
#define R_PRS	 0xdc
#define R_PECTL	 0xe0
#define R_FAULT	 0x400 /* CAP.FRO of iod_vtd_id_full() */
#define TE	 (1u << 31)
#define SRTP	 (1u << 30)
#define QIE	 (1u << 26)

/* Legacy context (C2.2) */
#define CTX_P	    IODT_BIT(0)
#define CTX_FPD	    IODT_BIT(1)
#define CTX_TT(t)   ((uint64_t)(t) << 2)
#define CTX1_AW(n)  ((uint64_t)(n))
#define CTX1_DID(n) ((uint64_t)(n) << 8)
/* Scalable-mode context */
#define SM_DTE	   IODT_BIT(2)
#define SM_PASIDE  IODT_BIT(3)
#define SM_PRE	   IODT_BIT(4)
#define SM_EPTR	   IODT_BIT(6)
#define SM_PDTS(n) ((uint64_t)(n) << 9)
/* PASID entry (C2.3) */
#define PE_P	    IODT_BIT(0)
#define PE_FPD	    IODT_BIT(1)
#define PE_AW(n)    ((uint64_t)(n) << 2)
#define PE_PGTT(n)  ((uint64_t)(n) << 6)
#define PE_SSADE    IODT_BIT(9)
#define PE1_DID(n)  ((uint64_t)(n))
#define PE1_PWSNP   IODT_BIT(87 - 64)
#define PE2_SRE	    IODT_BIT(128 - 128)
#define PE2_FSPM(n) ((uint64_t)(n) << 2)
#define PGTT_FS	    1
#define PGTT_SS	    2
#define PGTT_NESTED 3
#define PGTT_PT	    4

/* Entries (A2.1, A2.2) */
#define SS_R	IODT_BIT(0)
#define SS_W	IODT_BIT(1)
#define SS_RW	(SS_R | SS_W)
#define SS_PS	IODT_BIT(7)
#define SS_A	IODT_BIT(8)
#define SS_D	IODT_BIT(9)
#define FS_P	IODT_BIT(0)
#define FS_RW	IODT_BIT(1)
#define FS_US	IODT_BIT(2)
#define FS_A	IODT_BIT(5)
#define FS_D	IODT_BIT(6)
#define FS_PS	IODT_BIT(7)
#define FS_USER (FS_P | FS_RW | FS_US)

/* Descriptors (C2.4), word 0 */
#define D_CONTEXT(g) (UINT64_C(1) | (uint64_t)(g) << 4)
#define D_IOTLB(g)   (UINT64_C(2) | (uint64_t)(g) << 4)
#define D_DEV_TLB    UINT64_C(3)
#define D_WAIT	     UINT64_C(5)
#define D_P_IOTLB(g) (UINT64_C(6) | (uint64_t)(g) << 4)
#define D_PASID(g)   (UINT64_C(7) | (uint64_t)(g) << 4)
#define D_P_DEV_TLB  UINT64_C(8)
#define D_PAGE_RESP  UINT64_C(9)
#define D_DID(n)     ((uint64_t)(n) << 16)
#define D_SID(n)     ((uint64_t)(n) << 32)
#define D_PASIDN(n)  ((uint64_t)(n) << 32)
#define D_IF	     IODT_BIT(4)
#define D_SW	     IODT_BIT(5)
#define D_FN	     IODT_BIT(6)

struct rig_atc {
	uint32_t source, pasid;
	bool pasid_valid, global;
	uint64_t first, last;
};

struct rig_pri {
	struct iod_page_response r;
	bool automatic;
};

struct emurig {
	unsigned char *mem;
	uint64_t next; /* table pages given out */
	uint64_t dir;  /* PASID directory */
	uint64_t ss_root;
	bool scalable;
	uint32_t seq; /* of waits */
	struct iod_mem *m;
	struct iod_vtd_emu *emu;
	struct iodt_alloc alloc;
	/* what came of callbacks */
	unsigned int msis;
	uint64_t msi_addr[64];
	uint32_t msi_data;
	unsigned int kicks;
	int atc_ret;
	struct rig_atc atc[16];
	unsigned int nr_atc;
	struct rig_pri pri[16];
	unsigned int nr_pri;
	/* of the last access */
	struct iod_emu_result res;
	struct iod_vtd_fault fault;
};

/* @cfg: what is not the default, or NULL; mem, ops, cookie and allocator are filled in where they are 0 */
void rig_init(struct emurig *r, const struct iod_vtd_emu_cfg *cfg);
void rig_fini(struct emurig *r);
/* Root table, queues and interrupts; translation on. */
void rig_enable(struct emurig *r, bool scalable);
/* For CMocka. */
int rig_setup(void **state);
int rig_setup_legacy(void **state);
int rig_setup_scalable(void **state);
int rig_teardown(void **state);

void rig_w64(struct emurig *r, uint64_t pa, uint64_t v);
uint64_t rig_r64(struct emurig *r, uint64_t pa);
uint64_t rig_page(struct emurig *r); /* a zeroed 4 KiB page */
/* Map in a table of 512 entries a level: @leaf is written at @level, @table joins the addresses of tables above, off
 * is added to them. */
void rig_map(struct emurig *r, uint64_t root, unsigned int levels, uint64_t va, unsigned int level,
	     uint64_t leaf, uint64_t table, uint64_t off);
/* Where the entry of va lies at a level. */
uint64_t rig_entry(struct emurig *r, uint64_t root, unsigned int levels, uint64_t va,
		   unsigned int level, uint64_t off);
/* Second-stage tables (4 levels) that map all guest memory at RIG_IPA_OFF, page by page, with @attr. */
uint64_t rig_second_stage(struct emurig *r, uint64_t attr);

/* Entries of bus 0. */
void rig_context(struct emurig *r, unsigned int devfn, uint64_t w0, uint64_t w1);
void rig_sm_context(struct emurig *r, unsigned int devfn, uint64_t w0, uint64_t w1);
void rig_pasid(struct emurig *r, uint32_t pasid, uint64_t w0, uint64_t w1, uint64_t w2);
uint64_t rig_pasid_at(struct emurig *r, uint32_t pasid);
/* Whole ones: legacy second stage of 4 levels; scalable: PASID 0 is RID_PASID, of one kind. They return the root that
 * rig_map() is to be called with (nested: of the first stage, with RIG_IPA_OFF). */
uint64_t rig_legacy(struct emurig *r, unsigned int devfn, uint16_t did, unsigned int tt);
uint64_t rig_scalable(struct emurig *r, unsigned int devfn, uint32_t pasid, unsigned int pgtt,
		      uint16_t did, uint64_t ssade);

void rig_reg(struct emurig *r, uint64_t offset, uint32_t v);
void rig_reg64(struct emurig *r, uint64_t offset, uint64_t v);
uint32_t rig_get(struct emurig *r, uint64_t offset);
uint64_t rig_get64(struct emurig *r, uint64_t offset);
/* Push a descriptor and write IQT. */
void rig_desc(struct emurig *r, uint64_t w0, uint64_t w1);
/* A wait that writes a status; it must come. */
void rig_wait(struct emurig *r);
/* Take the first fault record out. @return whether there was one */
bool rig_take(struct emurig *r, uint64_t *lo, uint64_t *hi);
/* There is one, of that. @pasid -1: none */
void rig_expect(struct emurig *r, unsigned int reason, uint16_t sid, int64_t pasid, uint64_t addr,
		bool read);
void rig_no_fault(struct emurig *r);

/* @pasid: -1 none */
int rig_access(struct emurig *r, uint16_t sid, int64_t pasid, uint64_t iova, uint32_t access);
int rig_req(struct emurig *r, uint16_t sid, int64_t pasid, uint64_t iova, uint32_t access,
	    uint32_t flags);
/* Granted, at that address. */
void rig_ok(struct emurig *r, uint16_t sid, int64_t pasid, uint64_t iova, uint32_t access,
	    uint64_t pa);
/* Refused, and recorded. */
void rig_refused(struct emurig *r, uint16_t sid, int64_t pasid, uint64_t iova, uint32_t access,
		 unsigned int reason);

#endif
