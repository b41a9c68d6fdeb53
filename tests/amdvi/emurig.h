/* SPDX-License-Identifier: MIT */
/*
 * A guest under an emulated AMD IOMMU, made by hand: memory, device table, tables and rings are written as raw words,
 * with the bit numbers of bits.md A3 and C3, and by nothing of the library.
 */
#ifndef AMDEMURIG_H
#define AMDEMURIG_H

#include <iodirty/amdvi_emu.h>

#include "iodtest.h"

#define RIG_BASE   UINT64_C(0x80000000) /* guest memory: 16 MiB from here */
#define RIG_BYTES  UINT64_C(0x1000000)
#define RIG_DEVTAB RIG_BASE /* 2 pages: 256 DTEs */
#define RIG_CMD	   (RIG_BASE + 0x10000)
#define RIG_EVT	   (RIG_BASE + 0x20000)
#define RIG_PPR	   (RIG_BASE + 0x30000)
#define RIG_SEM	   (RIG_BASE + 0x40000)
#define RIG_TABLES (RIG_BASE + 0x100000)
#define RIG_DATA   (RIG_BASE + 0x800000)
#define RIG_AWAY   UINT64_C(0x40000000) /* no memory */
/* Where guest addresses are, under the host table of rig_host(): GPA = PA + this. */
#define RIG_GPA	   UINT64_C(0x100000000)
#define RIG_LENGTH (UINT64_C(8) << 56) /* 256 entries */
#define RIG_RING   4096u

/* Registers */
#define R_DEVTAB   0x0
#define R_CMD	   0x8
#define R_EVT	   0x10
#define R_CONTROL  0x18
#define R_EFR	   0x30
#define R_PPR	   0x38
#define R_CMD_HEAD 0x2000
#define R_CMD_TAIL 0x2008
#define R_EVT_HEAD 0x2010
#define R_EVT_TAIL 0x2018
#define R_STATUS   0x2020
#define R_PPR_HEAD 0x2030
#define R_PPR_TAIL 0x2038

/* IommuEn, EventLogEn, EventIntEn, ComWaitIntEn, CmdBufEn, PprLogEn, PprIntEn, PprEn, GTEn, GCR3TRPMode */
#define CTRL_IOMMU IODT_BIT(0)
#define CTRL_EVT   IODT_BIT(2)
#define CTRL_EVTI  IODT_BIT(3)
#define CTRL_CWI   IODT_BIT(4)
#define CTRL_CMD   IODT_BIT(12)
#define CTRL_PPRL  IODT_BIT(13)
#define CTRL_PPRI  IODT_BIT(14)
#define CTRL_PPR   IODT_BIT(15)
#define CTRL_GT	   IODT_BIT(16)
#define CTRL_TRP   IODT_BIT(58)
#define CTRL_ALL                                                                           \
	(CTRL_IOMMU | CTRL_EVT | CTRL_EVTI | CTRL_CWI | CTRL_CMD | CTRL_PPRL | CTRL_PPRI | \
	 CTRL_PPR | CTRL_GT | CTRL_TRP)

/* Status */
#define ST_EVTOVF 0x1u
#define ST_EVTINT 0x2u
#define ST_CWI	  0x4u
#define ST_EVTRUN 0x8u
#define ST_CMDRUN 0x10u
#define ST_PPROVF 0x20u
#define ST_PPRINT 0x40u
#define ST_PPRRUN 0x80u

/* DTE words 0 to 2 (A3.6) */
#define DTE_V	     IODT_BIT(0)
#define DTE_TV	     IODT_BIT(1)
#define DTE_HAD(n)   ((uint64_t)(n) << 7)
#define DTE_MODE(n)  ((uint64_t)(n) << 9)
#define DTE_PPR	     IODT_BIT(52)
#define DTE_GIOV     IODT_BIT(54)
#define DTE_GV	     IODT_BIT(55)
#define DTE_GLX(n)   ((uint64_t)(n) << 56)
#define DTE_IR	     IODT_BIT(61)
#define DTE_IW	     IODT_BIT(62)
#define DTE_RW	     (DTE_IR | DTE_IW)
#define DTE_OK	     (DTE_V | DTE_TV | DTE_RW)
#define DTE1_DOM(n)  ((uint64_t)(n))
#define DTE1_I	     IODT_BIT(32)
#define DTE1_SE	     IODT_BIT(33)
#define DTE1_SA	     IODT_BIT(34)
#define DTE0_GCR3(a) (((a) >> 12 & 7) << 58)
#define DTE1_GCR3(a) (((a) >> 15 & 0xffff) << 16 | ((a) >> 31) << 43)
#define DTE2_GPM(n)  ((uint64_t)(n) << 54)

/* Host entries (A3.1) */
#define V1_PR	 IODT_BIT(0)
#define V1_A	 IODT_BIT(5)
#define V1_D	 IODT_BIT(6)
#define V1_NL(n) ((uint64_t)(n) << 9)
#define V1_IR	 IODT_BIT(61)
#define V1_IW	 IODT_BIT(62)
#define V1_RW	 (V1_PR | V1_IR | V1_IW)
/* Guest entries (A3.5) */
#define V2_P  IODT_BIT(0)
#define V2_W  IODT_BIT(1)
#define V2_U  IODT_BIT(2)
#define V2_A  IODT_BIT(5)
#define V2_D  IODT_BIT(6)
#define V2_PS IODT_BIT(7)
#define V2_XD IODT_BIT(63)
#define V2_RW (V2_P | V2_W | V2_U)

/* Events, word 0 (C3.2) */
#define EV(code, devid) ((uint64_t)(code) << 60 | (uint64_t)(devid))
#define EV_DOM(n)	((uint64_t)(n) << 32)
#define EV_PASID(n)	(((uint64_t)(n)&0xffff) << 32 | ((uint64_t)(n) >> 16) << 16)
#define EV_GN		IODT_BIT(48)
#define EV_NX		IODT_BIT(49)
#define EV_US		IODT_BIT(50)
#define EV_PR		IODT_BIT(52)
#define EV_RW		IODT_BIT(53)
#define EV_PE		IODT_BIT(54)
#define EV_RZ		IODT_BIT(55)
#define EV_TR		IODT_BIT(56)
#define EV_TYPE(n)	((uint64_t)(n) << 57)
#define EV_CODE(w0)	((unsigned)((w0) >> 60))

/* Commands, word 0 and 1 (C3.1) */
#define CMD(op)	   ((uint64_t)(op) << 60)
#define CMD_DOM(n) ((uint64_t)(n) << 32)
#define CMD1_S	   IODT_BIT(0)
#define CMD1_PDE   IODT_BIT(1)
#define CMD1_GN	   IODT_BIT(2)
#define CMD1_ALL   (UINT64_C(0x7ffffffffffff000) | CMD1_S)
#define CMD_CW_S   IODT_BIT(0)
#define CMD_CW_I   IODT_BIT(1)
#define CMD_CW_F   IODT_BIT(2)

struct rig_atc {
	uint32_t devid, pasid;
	bool pasid_valid;
	uint64_t first, last;
};

struct amdrig {
	unsigned char *mem;
	uint64_t next; /* table pages given out */
	uint64_t host_root;
	struct iod_mem *m;
	struct iod_amdvi_emu *emu;
	struct iodt_alloc alloc;
	uint64_t cookie; /* of semaphores */
	/* what came of callbacks */
	unsigned int irqs[3], kicks;
	int atc_ret;
	struct rig_atc atc[16];
	unsigned int nr_atc;
	struct iod_page_response pri[16];
	bool automatic[16];
	unsigned int nr_pri;
	/* of the last access */
	struct iod_emu_result res;
	struct iod_amdvi_event ev;
};

/* @cfg: what is not the default, or NULL; mem, ops, cookie and allocator are filled in where they are 0 */
void rig_init(struct amdrig *r, const struct iod_amdvi_emu_cfg *cfg);
/* Of that, the emulated IOMMU alone, over r->m. */
void rig_create(struct amdrig *r, const struct iod_amdvi_emu_cfg *cfg);
void rig_fini(struct amdrig *r);
/* Bases, and Control. */
void rig_enable(struct amdrig *r, uint64_t control);
/* For CMocka: a rig as its state; with rig_enable(CTRL_ALL), too. */
int rig_setup(void **state);
int rig_setup_enabled(void **state);
int rig_teardown(void **state);

void rig_w64(struct amdrig *r, uint64_t pa, uint64_t v);
uint64_t rig_r64(struct amdrig *r, uint64_t pa);
uint64_t rig_page(struct amdrig *r); /* a zeroed 4 KiB page */
/* Map a page in a 3-level host table. */
void rig_map_host(struct amdrig *r, uint64_t root, uint64_t iova, uint64_t pte);
/* Map a page in a 4-level guest table; off is added to the addresses of tables in entries. */
void rig_map_guest(struct amdrig *r, uint64_t root, uint64_t va, uint64_t pte, uint64_t off);
/* Where the leaf entry lies; levels as above. */
uint64_t rig_host_leaf(struct amdrig *r, uint64_t root, uint64_t iova);
uint64_t rig_guest_leaf(struct amdrig *r, uint64_t root, uint64_t va, uint64_t off);
/* A host table that maps all guest memory at RIG_GPA, page by page, with @attr. */
uint64_t rig_host(struct amdrig *r, uint64_t attr);

void rig_dte(struct amdrig *r, uint32_t devid, uint64_t w0, uint64_t w1, uint64_t w2, uint64_t w3);
/* Devices: with a host table; with one GCR3 table (returned) and a guest table for @pasid; nested in rig_host(). */
void rig_v1(struct amdrig *r, uint32_t devid, uint64_t w0, uint64_t domain, uint64_t root);
uint64_t rig_v2(struct amdrig *r, uint32_t devid, uint64_t w0, uint64_t domain, uint32_t pasid,
		uint64_t root);
uint64_t rig_nested(struct amdrig *r, uint32_t devid, uint64_t w0, uint64_t domain, uint32_t pasid,
		    uint64_t root);

void rig_reg(struct amdrig *r, uint64_t offset, uint64_t v);
uint64_t rig_get(struct amdrig *r, uint64_t offset);
/* Push a command and write the tail. */
void rig_cmd(struct amdrig *r, uint64_t w0, uint64_t w1);
/* COMPLETION_WAIT that must store. */
void rig_wait(struct amdrig *r);
/* Take an event out. @return whether there was one */
bool rig_event(struct amdrig *r, uint64_t raw[2]);
void rig_expect_event(struct amdrig *r, uint64_t w0, uint64_t w1);
void rig_no_event(struct amdrig *r);

/* @pasid: -1 none */
int rig_access(struct amdrig *r, uint32_t devid, int64_t pasid, uint64_t iova, uint32_t access);
int rig_req(struct amdrig *r, uint32_t devid, int64_t pasid, uint64_t iova, uint32_t access,
	    uint32_t flags);
/* Granted, at that address. */
void rig_ok(struct amdrig *r, uint32_t devid, int64_t pasid, uint64_t iova, uint32_t access,
	    uint64_t pa);
/* Refused, by exactly that event. */
void rig_bad(struct amdrig *r, uint32_t devid, int64_t pasid, uint64_t iova, uint32_t access,
	     uint64_t w0, uint64_t w1);

#endif
