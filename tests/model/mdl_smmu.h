/* SPDX-License-Identifier: MIT */
/*
 * Independent oracle: an SMMUv3 (Non-secure side) as the specification describes it.
 *
 * Nothing here may include a header of the library. Section numbers in the code
 * are those of IHI0070, "A1.x" those of bits.md. SMMUv3.1 and later is meant:
 * where v3.0 may differ, the later rule holds.
 *
 * Left out, and said so by `beyond`: 52-bit 4K/16K descriptors (DS), 128-bit
 * descriptors, permission indirection and overlays, big-endian tables.
 */
#ifndef MDL_SMMU_H
#define MDL_SMMU_H

#include "model.h"

/* Identification registers as read: SMMU_IDR0..IDR5. IDR2 and IDR4 are not looked at. */
struct mdl_smmu_id {
	uint32_t idr[6];
};

/* ---- Commands (chapter 4) ---- */

enum mdl_smmu_op {
	MDL_OP_PREFETCH_CONFIG = 0x01,
	MDL_OP_PREFETCH_ADDR = 0x02,
	MDL_OP_CFGI_STE = 0x03,
	MDL_OP_CFGI_STE_RANGE = 0x04,
	MDL_OP_CFGI_CD = 0x05,
	MDL_OP_CFGI_CD_ALL = 0x06,
	MDL_OP_CFGI_VMS_PIDM = 0x07,
	MDL_OP_TLBI_NH_ALL = 0x10,
	MDL_OP_TLBI_NH_ASID = 0x11,
	MDL_OP_TLBI_NH_VA = 0x12,
	MDL_OP_TLBI_NH_VAA = 0x13,
	MDL_OP_TLBI_EL2_ALL = 0x20,
	MDL_OP_TLBI_EL2_ASID = 0x21,
	MDL_OP_TLBI_EL2_VA = 0x22,
	MDL_OP_TLBI_EL2_VAA = 0x23,
	MDL_OP_TLBI_S12_VMALL = 0x28,
	MDL_OP_TLBI_S2_IPA = 0x2a,
	MDL_OP_TLBI_NSNH_ALL = 0x30,
	MDL_OP_ATC_INV = 0x40,
	MDL_OP_PRI_RESP = 0x41,
	MDL_OP_RESUME = 0x44,
	MDL_OP_STALL_TERM = 0x45,
	MDL_OP_SYNC = 0x46,
};

enum mdl_smmu_verdict {
	MDL_CMD_OK,
	MDL_CMD_ILL, /* CERROR_ILL */
	/*
	 * The specification leaves it open: CERROR_ILL, or the offending part has
	 * no effect. Reserved bits set (4.1.5), ATC_INV with size > 52 (4.5.1),
	 * an implementation-defined opcode.
	 */
	MDL_CMD_EITHER,
};

/* Fields that a command does not have are 0. */
struct mdl_smmu_cmd {
	enum mdl_smmu_verdict verdict;
	unsigned op;
	uint64_t res[2]; /* bits set that are no field of this command on this SMMU */
	/* a StreamID or SubstreamID beyond what the SMMU has: no effect, or on another one (4.1.7) */
	bool beyond_id;
	bool ssec, ssv, global, leaf, ttl128, ac, ab;
	uint32_t ssid, sid, msi_data;
	uint16_t vmid, asid, stag, prgi;
	unsigned num, scale, ttl, tg;
	unsigned range;	 /* CFGI_STE_RANGE */
	unsigned size;	 /* ATC_INV, PREFETCH_* */
	unsigned stride; /* PREFETCH_ADDR */
	unsigned resp, cs, msh, msi_attr;
	uint64_t addr, msi_addr;
};

void mdl_smmu_cmd(const uint8_t raw[16], const struct mdl_smmu_id *id, struct mdl_smmu_cmd *c);

/* Makes fields 0 that are IGNORED given the others, so that commands that do the same are equal. */
void mdl_smmu_cmd_ignore(struct mdl_smmu_cmd *c, const struct mdl_smmu_id *id);

/*
 * The least that a command must remove. Only for commands that are not ILL;
 * with reserved fields taken as 0.
 */
struct mdl_smmu_cover {
	/* configuration: STEs, CDs and the level-1 descriptors that lead to either */
	bool ste, l1std, cd, l1cd;
	uint32_t sid_first, sid_last;
	bool any_ssid;
	uint32_t ssid;
	/* translations: s1 includes entries of both stages combined */
	bool s1, s2, el2;
	bool any_vmid, any_asid;
	bool globals; /* global entries too, whatever their ASID */
	uint16_t vmid, asid;
	uint64_t first, last;  /* an entry goes if it covers any address of these */
	unsigned granule_lg2;  /* entries of this granule only; 0: of any */
	unsigned leaf_levels;  /* bit n: leaf entries of level n, 0..3 */
	unsigned table_levels; /* bit n: table entries of level n */
	bool unpredictable;    /* start not aligned to the entries of TTL (4.4.1.1) */
	/* a device's own cache: first, last and */
	bool atc, atc_ssv, atc_global;
};

void mdl_smmu_cover(const struct mdl_smmu_cmd *c, const struct mdl_smmu_id *id,
		    struct mdl_smmu_cover *cover);

/* Something that a TLB holds: a leaf, or a table entry. */
struct mdl_smmu_cached {
	bool s2, el2; /* neither: stage 1 of EL1, combined ones too */
	bool global, table;
	uint16_t vmid, asid;
	unsigned granule_lg2, lg2, level; /* level as Arm counts, 0..3 */
	uint64_t first;			  /* a multiple of 2^lg2 */
};

/* Whether the command removes it for certain. */
bool mdl_smmu_must_go(const struct mdl_smmu_cached *e, const struct mdl_smmu_cover *cover);

/* ---- Structures (chapter 5) ---- */

enum mdl_ste_config {
	MDL_STE_ABORT = 0, /* 0..3 */
	MDL_STE_BYPASS = 4,
	MDL_STE_S1 = 5,
	MDL_STE_S2 = 6,
	MDL_STE_NESTED = 7,
};

struct mdl_ste {
	bool v;
	unsigned config, s1fmt, s1cdmax, s1dss, s1cir, s1cor, s1csh;
	uint64_t s1ctxptr;
	unsigned s2hwu, cont;
	bool dre, dcp, ppar, mev, s1pie, s2fwb, s1mpam, s1stalld, mtcfg;
	unsigned sw, eats, strw, memattr, alloccfg, shcfg, nscfg, privcfg, instcfg;
	uint16_t s2vmid;
	unsigned s2t0sz, s2sl0, s2ir0, s2or0, s2sh0, s2tg, s2ps, dpt_vmatch;
	bool s2aa64, s2endi, s2affd, s2ptw, s2hd, s2ha, s2s, s2r, s2haft, s2pie, s2poe;
	bool s2sl0_2, s2ds;
	uint64_t s2ttb;
	uint16_t partid;
	uint8_t pmg;
	uint64_t vmsptr;
	uint64_t res[8]; /* bits set in none of the above: Secure and Realm fields, overlays */
};

struct mdl_cd {
	bool v;
	unsigned t0sz, tg0, ir0, or0, sh0, t1sz, tg1, ir1, or1, sh1, ips;
	bool epd0, epd1, endi, affd, wxn, uwxn, tbi0, tbi1, pan, aa64, hd, ha, s, r, a, aset;
	uint16_t asid;
	bool nscfg0, had0, e0pd0, haft, nscfg1, had1, e0pd1, aie, ds, pie, pnch, epan;
	unsigned hwu0, hwu1;
	uint64_t ttb0, ttb1, mair, amair;
	uint16_t partid;
	uint8_t pmg;
	uint64_t res[8]; /* bits set in none of the above: permission indirection */
};

/* Raw words in host order. */
void mdl_ste_decode(const uint64_t w[8], struct mdl_ste *ste);
void mdl_cd_decode(const uint64_t w[8], struct mdl_cd *cd);

/* 5.2.2 and 5.4.2 for a Non-secure stream. NULL if legal, otherwise what is wrong. */
const char *mdl_ste_illegal(const struct mdl_ste *ste, const struct mdl_smmu_id *id);
const char *mdl_cd_illegal(const struct mdl_ste *ste, const struct mdl_cd *cd,
			   const struct mdl_smmu_id *id, bool e2h);

/* True where this model stops: a legal structure that uses what is left out. */
bool mdl_ste_beyond(const struct mdl_ste *ste, const struct mdl_smmu_id *id);
bool mdl_cd_beyond(const struct mdl_ste *ste, const struct mdl_cd *cd,
		   const struct mdl_smmu_id *id);

/* Page tables of a legal STE (stage 2) and CD (half 0 or 1). */
void mdl_ste_table(const struct mdl_ste *ste, const struct mdl_smmu_id *id, struct mdl_table *t);
void mdl_cd_table(const struct mdl_cd *cd, const struct mdl_smmu_id *id, int half,
		  struct mdl_table *t);

/* Level-1 descriptors (5.1, 5.3). lg2 = -1: invalid. */
struct mdl_l1std {
	int lg2; /* log2 of the STEs in the second level */
	uint64_t ptr, res;
};

struct mdl_l1cd {
	bool v;
	uint64_t ptr, res;
};

void mdl_l1std_decode(uint64_t w, struct mdl_l1std *d);
void mdl_l1cd_decode(uint64_t w, struct mdl_l1cd *d);

/* ---- Events and page requests (chapters 7 and 8) ---- */

enum mdl_smmu_event_type {
	MDL_EV_NONE = 0,
	MDL_EV_F_UUT = 0x01,
	MDL_EV_C_BAD_STREAMID = 0x02,
	MDL_EV_F_STE_FETCH = 0x03,
	MDL_EV_C_BAD_STE = 0x04,
	MDL_EV_F_BAD_ATS_TREQ = 0x05,
	MDL_EV_F_STREAM_DISABLED = 0x06,
	MDL_EV_F_TRANSL_FORBIDDEN = 0x07,
	MDL_EV_C_BAD_SUBSTREAMID = 0x08,
	MDL_EV_F_CD_FETCH = 0x09,
	MDL_EV_C_BAD_CD = 0x0a,
	MDL_EV_F_WALK_EABT = 0x0b,
	MDL_EV_F_TRANSLATION = 0x10,
	MDL_EV_F_ADDR_SIZE = 0x11,
	MDL_EV_F_ACCESS = 0x12,
	MDL_EV_F_PERMISSION = 0x13,
	MDL_EV_F_TLB_CONFLICT = 0x20,
	MDL_EV_F_CFG_CONFLICT = 0x21,
	MDL_EV_E_PAGE_REQUEST = 0x24,
	MDL_EV_F_VMS_FETCH = 0x25,
};

enum mdl_smmu_class { MDL_CLASS_CD = 0, MDL_CLASS_TT = 1, MDL_CLASS_IN = 2 };

/* Fields that an event does not have are 0. */
struct mdl_smmu_event {
	unsigned type;
	bool known; /* a type of the list above */
	bool ssv, stall, gpcf, pnu, ind, rnw, nsipa, s2, ttrnw;
	bool px, pw, pr, ux, uw, ur;
	uint32_t ssid, sid;
	uint16_t stag, reason;
	unsigned cls, span;
	uint64_t addr;	/* InputAddr */
	uint64_t ipa;	/* bits 55:12 */
	uint64_t fetch; /* FetchAddr, bits 55:3 */
	uint64_t res[4];
};

void mdl_smmu_event(const uint64_t w[4], struct mdl_smmu_event *e);

/* Makes fields 0 that are UNKNOWN given the others (7.3): ssid, stag, ipa. */
void mdl_smmu_event_ignore(struct mdl_smmu_event *e);

struct mdl_smmu_ppr {
	uint32_t sid, ssid;
	bool priv, exec, read, write, last, ssv;
	unsigned prgi;
	uint64_t addr; /* bits 63:12 */
	bool stop;     /* a Stop PASID marker, which gets no response */
	uint64_t res[2];
};

void mdl_smmu_ppr(const uint64_t w[2], struct mdl_smmu_ppr *p);

/* ---- Queue indices (3.5) ---- */

/* @lg2 entries, 0..19. Registers as read: wrap bit at @lg2, overflow flags in bit 31. */
bool mdl_queue_empty(unsigned lg2, uint32_t prod, uint32_t cons);
bool mdl_queue_full(unsigned lg2, uint32_t prod, uint32_t cons);
uint32_t mdl_queue_used(unsigned lg2, uint32_t prod, uint32_t cons);
uint32_t mdl_queue_index(unsigned lg2, uint32_t ptr);
/* The next position: index and wrap bit; what is above them stays. */
uint32_t mdl_queue_next(unsigned lg2, uint32_t ptr);
/* PROD after an event was dropped for want of space (7.4) */
uint32_t mdl_queue_overflow(uint32_t prod, uint32_t cons);
bool mdl_queue_overflown(uint32_t prod, uint32_t cons);

/* ---- A transaction from end to end ---- */

struct mdl_smmu {
	struct mdl_smmu_id id;
	uint64_t strtab_base;
	uint32_t strtab_cfg;
	bool recinvsid, e2h;	   /* CR2 */
	const struct mdl_mem *mem; /* physical memory */
};

struct mdl_smmu_access {
	uint32_t sid, ssid;
	bool ssv;
	uint64_t iova;
	bool write, inst, priv;
};

/*
 * A refusal. event.type MDL_EV_NONE: silent. event.res is 0, event.stag is not
 * known, event.ipa and event.fetch have all their bits.
 */
struct mdl_smmu_refusal {
	struct mdl_smmu_event event;
	bool record; /* written to the event queue */
	bool abort;  /* the device sees an abort; otherwise RAZ/WI, or it stalls */
};

/* What became of it. Nothing is written: no Accessed or dirty update takes place. */
struct mdl_smmu_result {
	bool beyond;	  /* not modelled; nothing else is valid */
	unsigned refused; /* 0: granted, at @pa. 1 or 2: refused, any of why[] is right */
	uint64_t pa;
	struct mdl_smmu_refusal why[2];
	/* the structures met on the way */
	struct mdl_ste ste;
	struct mdl_cd cd;
	bool have_ste, have_cd;
};

void mdl_smmu_access(const struct mdl_smmu *m, const struct mdl_smmu_access *a,
		     struct mdl_smmu_result *r);

#endif
