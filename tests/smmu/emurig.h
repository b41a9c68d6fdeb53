/* SPDX-License-Identifier: MIT */
/*
 * A guest under an emulated SMMU, made by hand: memory, stream table, tables and queues are written as raw words,
 * with the bit numbers of bits.md C1 and A1, and by nothing of the library.
 */
#ifndef EMURIG_H
#define EMURIG_H

#include <iodirty/smmuv3_emu.h>

#include "iodtest.h"

#define RIG_BASE   UINT64_C(0x80000000) /* guest memory: 16 MiB from here */
#define RIG_BYTES  UINT64_C(0x1000000)
#define RIG_STRTAB RIG_BASE /* linear, 64 STEs */
#define RIG_CMDQ   (RIG_BASE + 0x10000)
#define RIG_EVTQ   (RIG_BASE + 0x20000)
#define RIG_PRIQ   (RIG_BASE + 0x30000)
#define RIG_MSI	   (RIG_BASE + 0x40000)
#define RIG_TABLES (RIG_BASE + 0x100000)
#define RIG_DATA   (RIG_BASE + 0x800000)
#define RIG_AWAY   UINT64_C(0x40000000) /* no memory */
/* Where nested streams see memory: IPA = PA + this, under the stage-2 tables of rig_stage2(). */
#define RIG_IPA_OFF  UINT64_C(0x100000000)

#define RIG_CMDQ_LG2 8u
#define RIG_EVTQ_LG2 6u
#define RIG_PRIQ_LG2 4u

/* STE word 0 to 3, CD word 0: fields as C1.2 and C1.3 number them */
#define STE_V	       IODT_BIT(0)
#define STE_CONFIG(c)  ((uint64_t)(c) << 1)
#define STE_S1FMT(f)   ((uint64_t)(f) << 4)
#define STE_S1CDMAX(n) ((uint64_t)(n) << 59)
#define STE1_S1DSS(n)  ((uint64_t)(n))
#define STE1_PPAR      IODT_BIT(82 - 64)
#define STE1_S1STALLD  IODT_BIT(91 - 64)
#define STE1_EATS(n)   ((uint64_t)(n) << (92 - 64))
#define STE2_VMID(n)   ((uint64_t)(n))
#define STE2_T0SZ(n)   ((uint64_t)(n) << 32)
#define STE2_SL0(n)    ((uint64_t)(n) << 38)
#define STE2_PS(n)     ((uint64_t)(n) << 48)
#define STE2_AA64      IODT_BIT(51)
#define STE2_AFFD      IODT_BIT(53)
#define STE2_HD	       IODT_BIT(55)
#define STE2_HA	       IODT_BIT(56)
#define STE2_S	       IODT_BIT(57)
#define STE2_R	       IODT_BIT(58)
#define CD_T0SZ(n)     ((uint64_t)(n))
#define CD_EPD0	       IODT_BIT(14)
#define CD_T1SZ(n)     ((uint64_t)(n) << 16)
#define CD_TG1_4K      ((uint64_t)2 << 22)
#define CD_EPD1	       IODT_BIT(30)
#define CD_V	       IODT_BIT(31)
#define CD_IPS(n)      ((uint64_t)(n) << 32)
#define CD_AFFD	       IODT_BIT(35)
#define CD_WXN	       IODT_BIT(36)
#define CD_TBI0	       IODT_BIT(38)
#define CD_AA64	       IODT_BIT(41)
#define CD_HD	       IODT_BIT(42)
#define CD_HA	       IODT_BIT(43)
#define CD_S	       IODT_BIT(44)
#define CD_R	       IODT_BIT(45)
#define CD_A	       IODT_BIT(46)
#define CD_ASID(n)     ((uint64_t)(n) << 48)
/* 39-bit tables of 4 KiB granule, 48-bit outputs */
#define CD_GOOD	  (CD_T0SZ(25) | CD_EPD1 | CD_V | CD_IPS(5) | CD_AA64 | CD_R | CD_A | CD_ASID(5))
#define STE2_GOOD (STE2_VMID(7) | STE2_T0SZ(25) | STE2_SL0(1) | STE2_PS(5) | STE2_AA64 | STE2_R)

/* Descriptors (A1.6, A1.7) */
#define PTE_PAGE      UINT64_C(3)
#define PTE_AF	      IODT_BIT(10)
#define PTE_DBM	      IODT_BIT(51)
#define S1_UNPRIV     IODT_BIT(6)
#define S1_RO	      IODT_BIT(7)
#define S1_NG	      IODT_BIT(11)
#define S1_UXN	      IODT_BIT(54)
#define S1_RW_PAGE    (PTE_PAGE | PTE_AF | S1_UNPRIV | S1_NG)
#define S1_CLEAN_PAGE (S1_RW_PAGE | S1_RO | PTE_DBM) /* writable-clean */
#define S2_R	      IODT_BIT(6)
#define S2_W	      IODT_BIT(7)
#define S2_WB	      ((uint64_t)0xf << 2)
#define S2_RW_PAGE    (PTE_PAGE | PTE_AF | S2_WB | S2_R | S2_W)
#define S2_CLEAN_PAGE (PTE_PAGE | PTE_AF | S2_WB | S2_R | PTE_DBM)

/* Event types */
#define EV(raw) ((unsigned)((raw)[0] & 0xff))

struct rig_resumed {
	void *access;
	uint16_t stag;
	enum iod_emu_outcome how;
};

struct rig_atc {
	uint32_t sid, ssid;
	bool ssv, global;
	uint64_t first, last;
};

struct rig_pri {
	uint32_t sid, ssid;
	bool ssv, automatic;
	uint32_t prgi;
	enum iod_response_code code;
};

struct emurig {
	unsigned char *mem;
	uint64_t next; /* table pages given out */
	uint64_t s2_root;
	struct iod_mem *m;
	struct iod_smmuv3_id id;
	struct iod_smmuv3_emu *emu;
	struct iodt_alloc alloc;
	/* what came of callbacks */
	unsigned int msis, irqs[4], kicks;
	uint64_t msi_addr;
	uint32_t msi_data;
	int msi_ret, atc_ret;
	struct rig_resumed resumed[64];
	unsigned int nr_resumed;
	struct rig_atc atc[16];
	unsigned int nr_atc;
	struct rig_pri pri[16];
	unsigned int nr_pri;
	/* of the last access */
	struct iod_emu_result res;
	struct iod_smmuv3_event ev;
	void *cookie;
};

/* Everything the library models but 52-bit addresses: written out bit by bit. */
extern const struct iod_smmuv3_id rig_id;

/* @cfg: what is not the default, or NULL; mem, id, ops, cookie and allocator are filled in where they are 0 */
void rig_init(struct emurig *r, const struct iod_smmuv3_emu_cfg *cfg);
void rig_fini(struct emurig *r);
/* Queues, stream table, and the enables: CR0 = 0xf, and whatever is in @cr0 besides. */
void rig_enable(struct emurig *r, uint32_t cr0);
/* For CMocka: a rig as its state; with rig_enable(), too. */
int rig_setup(void **state);
int rig_setup_enabled(void **state);
int rig_teardown(void **state);

void rig_w64(struct emurig *r, uint64_t pa, uint64_t v);
uint64_t rig_r64(struct emurig *r, uint64_t pa);
uint64_t rig_page(struct emurig *r); /* a zeroed 4 KiB page */
/* Map a page in a 39-bit table; off is added to the addresses of tables in entries. */
void rig_map(struct emurig *r, uint64_t root, uint64_t va, uint64_t desc, uint64_t off);
/* Where the leaf entry of va lies; 0: no table. */
uint64_t rig_leaf(struct emurig *r, uint64_t root, uint64_t va, uint64_t off);
/* Stage-2 tables that map all guest memory at RIG_IPA_OFF, page by page, with @attr. */
uint64_t rig_stage2(struct emurig *r, uint64_t attr);

void rig_ste(struct emurig *r, uint32_t sid, uint64_t w0, uint64_t w1, uint64_t w2, uint64_t w3);
void rig_cd(struct emurig *r, uint64_t pa, uint64_t w0, uint64_t ttb0);
/* A stage-1 stream with one CD; returns the CD. */
uint64_t rig_s1(struct emurig *r, uint32_t sid, uint64_t cd0, uint64_t root);
/* A nested one; rig_stage2() before. S1 tables: rig_map() with RIG_IPA_OFF. */
uint64_t rig_nested(struct emurig *r, uint32_t sid, uint64_t ste2, uint64_t cd0, uint64_t root);

void rig_reg(struct emurig *r, uint64_t offset, uint32_t v);
uint32_t rig_get(struct emurig *r, uint64_t offset);
/* Push a command and write PROD. */
void rig_cmd(struct emurig *r, uint64_t w0, uint64_t w1);
void rig_sync(struct emurig *r);
/* Take an event out. @return whether there was one */
bool rig_event(struct emurig *r, uint64_t raw[4]);
void rig_expect_event(struct emurig *r, uint64_t w0, uint64_t w1, uint64_t w2, uint64_t w3);
void rig_no_event(struct emurig *r);

/* @ssid: -1 none */
int rig_access(struct emurig *r, uint32_t sid, int64_t ssid, uint64_t iova, uint32_t access);
int rig_req(struct emurig *r, uint32_t sid, int64_t ssid, uint64_t iova, uint32_t access,
	    uint32_t flags);
/* Granted, at that address. */
void rig_ok(struct emurig *r, uint32_t sid, uint64_t iova, uint32_t access, uint64_t pa);

#endif
