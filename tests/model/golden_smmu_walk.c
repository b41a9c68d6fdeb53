/* SPDX-License-Identifier: MIT */
/*
 * Transactions through the SMMUv3 model: small stream tables, contexts and page
 * tables by hand, and what the specification says comes of each access.
 *
 * Physical memory: stream table 0x10000, CD 0x20000, stage-1 tables 0x30000 to
 * 0x32000, stage-2 tables 0x40000 to 0x42000. Stage 2 maps IPA 0x20000 to
 * 0x120000 and so on, so that a nested stream finds copies there.
 */
#include <stdio.h>
#include <string.h>

#include "fakemem.h"
#include "mdl_smmu.h"
#include "smmu/golden_smmu.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define STE(sid) (0x10000 + 64 * (uint64_t)(sid))
#define ALIAS	 0x100000

/*
 * CD: T0SZ 25 (39 bits, from level 1), 4K, EPD1 1<<30, V 1<<31, IPS 5, AA64 0x200,
 * R 0x2000, A 0x4000, ASID 7.
 * STE word 2: VMID 1, T0SZ 25 and SL0 1<<6: 0x59; IR/OR/SH 0x35; PS 5 and AA64 8:
 * 0x0d; S2R 1<<2 above bit 56.
 */
#define CD0 UINT64_C(0x00076205c0000019)
#define ST2 UINT64_C(0x040d355900000001)

enum { SID_ABORT = 0, SID_S1 = 1, SID_S2 = 2, SID_NESTED = 3, SID_BYPASS = 4, SID_INVALID = 5 };

struct world {
	struct fakemem *mem;
	struct mdl_smmu smmu;
};

/* S1: 0x1000 rw, 0x2000 ro, 0x3000 AF clear, 0x5000 privileged, 0x6000 PXN, 0x7000 UXN, 0x8000 DBM ro */
static void stage1_tables(struct fakemem *m, uint64_t at)
{
	fm_set(m, at + 0x20000, CD0);
	fm_set(m, at + 0x20008, 0x30000);
	fm_set(m, at + 0x30000, 0x31003);
	fm_set(m, at + 0x31000, 0x32003);
	fm_set(m, at + 0x32008, 0x50f47);
	fm_set(m, at + 0x32010, 0x51fc7);
	fm_set(m, at + 0x32018, 0x52b47);
	fm_set(m, at + 0x32028, 0x54f07);
	fm_set(m, at + 0x32030, UINT64_C(0x0020000000055f47));
	fm_set(m, at + 0x32038, UINT64_C(0x0040000000056f47));
	fm_set(m, at + 0x32040, UINT64_C(0x0008000000057fc7));
}

static void stage2_map(struct world *w, uint64_t ipa, uint64_t bits)
{
	fm_set(w->mem, 0x42000 + (ipa >> 12) * 8, bits ? (ipa + ALIAS) | bits : 0);
}

static struct world make(void)
{
	struct world w = { .mem = fm_new() };
	uint64_t ipa;

	memcpy(w.smmu.id.idr, gold_idr, sizeof(w.smmu.id.idr));
	w.smmu.strtab_base = 0x10000;
	w.smmu.strtab_cfg = 4; /* linear, 16 entries */
	w.smmu.recinvsid = true;
	w.smmu.mem = &w.mem->mem;
	fm_add(w.mem, 0x10000, 0x40000);
	fm_add(w.mem, ALIAS + 0x20000, 0x20000);
	stage1_tables(w.mem, 0);
	stage1_tables(w.mem, ALIAS);
	fm_set(w.mem, 0x40000, 0x41003);
	fm_set(w.mem, 0x41000, 0x42003);
	for (ipa = 0x20000; ipa < 0x60000; ipa += 0x1000)
		stage2_map(&w, ipa, 0x7ff);
	fm_set(w.mem, STE(SID_ABORT), 0x1);
	fm_set(w.mem, STE(SID_S1), 0x2000b);
	fm_set(w.mem, STE(SID_S2), 0xd);
	fm_set(w.mem, STE(SID_S2) + 16, ST2);
	fm_set(w.mem, STE(SID_S2) + 24, 0x40000);
	fm_set(w.mem, STE(SID_NESTED), 0x2000f);
	fm_set(w.mem, STE(SID_NESTED) + 16, ST2);
	fm_set(w.mem, STE(SID_NESTED) + 24, 0x40000);
	fm_set(w.mem, STE(SID_BYPASS), 0x9);
	return w;
}

static void refusal_text(const struct mdl_smmu_refusal *why, char *buf, size_t size)
{
	static const char *const cls[] = { "CD", "TT", "IN", "?" };
	const struct mdl_smmu_event *e = &why->event;
	char ssid[24] = "", where[40] = "", ipa[32] = "", fetch[32] = "";

	if (e->ssv)
		snprintf(ssid, sizeof(ssid), ".%x", e->ssid);
	if (e->type >= MDL_EV_F_WALK_EABT || e->type == MDL_EV_F_ADDR_SIZE)
		snprintf(where, sizeof(where), " %c%s%s S%d %s%s %llx", e->rnw ? 'r' : 'w',
			 e->pnu ? "p" : "", e->ind ? "i" : "", e->s2 ? 2 : 1, cls[e->cls & 3],
			 e->ttrnw ? "(r)" : "", (unsigned long long)e->addr);
	if (e->ipa)
		snprintf(ipa, sizeof(ipa), " ipa %llx", (unsigned long long)e->ipa);
	if (e->fetch)
		snprintf(fetch, sizeof(fetch), " at %llx", (unsigned long long)e->fetch);
	snprintf(buf, size, "%02x sid %x%s%s%s%s%s%s%s", e->type, e->sid, ssid, where, ipa, fetch,
		 why->record ? "" : " unrecorded", e->stall ? " stall" : "",
		 why->abort || e->stall ? "" : " RAZ/WI");
}

/* "OK PA", or the event; several are separated by " | " */
static void is(const struct world *w, const struct mdl_smmu_access *a, const char *want)
{
	struct mdl_smmu_result r;
	char text[256], more[128];

	mdl_smmu_access(&w->smmu, a, &r);
	assert_false(r.beyond);
	if (!r.refused)
		snprintf(text, sizeof(text), "OK %llx", (unsigned long long)r.pa);
	else
		refusal_text(&r.why[0], text, sizeof(text));
	if (r.refused == 2) {
		refusal_text(&r.why[1], more, sizeof(more));
		strcat(text, " | ");
		strcat(text, more);
	}
	assert_string_equal(text, want);
}

static void rd(const struct world *w, uint32_t sid, uint64_t iova, const char *want)
{
	const struct mdl_smmu_access a = { .sid = sid, .iova = iova };

	is(w, &a, want);
}

static void wr(const struct world *w, uint32_t sid, uint64_t iova, const char *want)
{
	const struct mdl_smmu_access a = { .sid = sid, .iova = iova, .write = true };

	is(w, &a, want);
}

static void sub(const struct world *w, uint32_t sid, uint32_t ssid, const char *want)
{
	const struct mdl_smmu_access a = { .sid = sid, .ssv = true, .ssid = ssid, .iova = 0x1000 };

	is(w, &a, want);
}

/* 5.2 Config, 3.4 */
static void configs(void **state)
{
	struct world w = make();

	(void)state;
	rd(&w, SID_ABORT, 0x1000, "00 sid 0 unrecorded");
	rd(&w, SID_INVALID, 0x1000, "04 sid 5");
	rd(&w, SID_BYPASS, UINT64_C(0xfffffffff123), "OK fffffffff123");
	rd(&w, SID_BYPASS, UINT64_C(0x1000000000000), "11 sid 4 r S1 IN 1000000000000");
	sub(&w, SID_BYPASS, 3, "08 sid 4.3");
	sub(&w, SID_S2, 0, "08 sid 2.0");
	sub(&w, SID_S1, 0, "08 sid 1.0");
	fm_free(w.mem);
}

static void stage1(void **state)
{
	struct world w = make();
	struct mdl_smmu_access a = { .sid = SID_S1, .iova = 0x6000, .inst = true, .priv = true };

	(void)state;
	rd(&w, SID_S1, 0x1234, "OK 50234");
	wr(&w, SID_S1, 0x1fff, "OK 50fff");
	rd(&w, SID_S1, 0x2000, "OK 51000");
	wr(&w, SID_S1, 0x2008, "13 sid 1 w S1 IN 2008");
	rd(&w, SID_S1, 0x3000, "12 sid 1 r S1 IN 3000");
	rd(&w, SID_S1, 0x4000, "10 sid 1 r S1 IN 4000");
	rd(&w, SID_S1, UINT64_C(1) << 39, "10 sid 1 r S1 IN 8000000000");
	/* EPD1 */
	rd(&w, SID_S1, UINT64_C(0xffffff8000001000), "10 sid 1 r S1 IN ffffff8000001000");
	/* AP[1] = 0: privileged only; PXN; UXN */
	rd(&w, SID_S1, 0x5000, "13 sid 1 r S1 IN 5000");
	is(&w, &a, "13 sid 1 rpi S1 IN 6000");
	a.iova = 0x5000;
	a.inst = false;
	is(&w, &a, "OK 54000");
	/* writable by the unprivileged: never executed by the privileged */
	a.iova = 0x7000;
	a.inst = true;
	is(&w, &a, "13 sid 1 rpi S1 IN 7000");
	a.priv = false;
	is(&w, &a, "13 sid 1 ri S1 IN 7000");
	a.iova = 0x6000;
	is(&w, &a, "OK 55000");
	/* DBM without HD is read-only, with HD writable */
	wr(&w, SID_S1, 0x8000, "13 sid 1 w S1 IN 8000");
	fm_set(w.mem, 0x20000, CD0 | UINT64_C(0xc00) << 32);
	wr(&w, SID_S1, 0x8000, "OK 57000");
	rd(&w, SID_S1, 0x3000, "OK 52000");
	/* AFFD; then A = 0, R = 0, and S */
	fm_set(w.mem, 0x20000, CD0 | UINT64_C(8) << 32);
	rd(&w, SID_S1, 0x3000, "OK 52000");
	fm_set(w.mem, 0x20000, CD0 & ~(UINT64_C(0x4000) << 32));
	rd(&w, SID_S1, 0x4000, "10 sid 1 r S1 IN 4000 RAZ/WI");
	fm_set(w.mem, 0x20000, CD0 & ~(UINT64_C(0x2000) << 32));
	rd(&w, SID_S1, 0x4000, "10 sid 1 r S1 IN 4000 unrecorded");
	fm_set(w.mem, 0x20000, (CD0 & ~(UINT64_C(0x2000) << 32)) | UINT64_C(0x1000) << 32);
	rd(&w, SID_S1, 0x4000, "10 sid 1 r S1 IN 4000 stall");
	/* a table that is not there: always stage 1, CLASS TT */
	fm_set(w.mem, 0x20000, CD0);
	fm_set(w.mem, 0x31000, 0x900003);
	rd(&w, SID_S1, 0x1000, "0b sid 1 r S1 TT 1000 at 900008");
	/* beyond IPS (32 bits) */
	fm_set(w.mem, 0x20000, CD0 & ~(UINT64_C(7) << 32));
	fm_set(w.mem, 0x31000, UINT64_C(0x100000003));
	rd(&w, SID_S1, 0x1000, "11 sid 1 r S1 IN 1000");
	fm_set(w.mem, 0x20000, 0);
	rd(&w, SID_S1, 0x1000, "0a sid 1");
	fm_set(w.mem, STE(SID_S1), 0x90000b);
	rd(&w, SID_S1, 0x1000, "09 sid 1 at 900000");
	fm_free(w.mem);
}

/* 3.4.1: the upper half, and ignored top bytes */
static void halves(void **state)
{
	struct world w = make();
	/* T1SZ 25<<16, TG1 2<<22 (4K), no EPD1, TBI0 1<<38, TBI1 1<<39 */
	const uint64_t both = (CD0 & ~(UINT64_C(1) << 30)) | 0x990000;
	const uint64_t tbi = both | UINT64_C(0xc0) << 32;

	(void)state;
	fm_set(w.mem, 0x20000, both);
	fm_set(w.mem, 0x20010, 0x30000);
	rd(&w, SID_S1, UINT64_C(0xffffff8000001234), "OK 50234");
	rd(&w, SID_S1, 0x1234, "OK 50234");
	rd(&w, SID_S1, UINT64_C(0xffffff0000001234), "10 sid 1 r S1 IN ffffff0000001234");
	rd(&w, SID_S1, UINT64_C(0xab00000000001234), "10 sid 1 r S1 IN ab00000000001234");
	fm_set(w.mem, 0x20000, tbi);
	rd(&w, SID_S1, UINT64_C(0xab00000000001234), "OK 50234");
	rd(&w, SID_S1, UINT64_C(0xabffff8000001234), "OK 50234");
	/* EL2 has one half: STRW 2<<30; there all is privileged and AP[1] does not count */
	fm_set(w.mem, STE(SID_S1) + 8, 0x80000000);
	fm_set(w.mem, 0x20000, both);
	rd(&w, SID_S1, UINT64_C(0xffffff8000001234), "10 sid 1 r S1 IN ffffff8000001234");
	rd(&w, SID_S1, 0x5000, "OK 54000");
	fm_free(w.mem);
}

/* 32-bit LPAE: T0SZ 1 (2 GiB from level 1), T1SZ 1; IDR0.TTF 3 */
static void lpae32(void **state)
{
	struct world w = make();

	(void)state;
	w.smmu.id.idr[0] |= 1 << 2;
	fm_set(w.mem, 0x20000, UINT64_C(0x0007600080010001));
	fm_set(w.mem, 0x20010, 0x30000);
	rd(&w, SID_S1, 0x1234, "OK 50234");
	rd(&w, SID_S1, 0x80001234, "OK 50234");
	rd(&w, SID_S1, UINT64_C(0x100001234), "10 sid 1 r S1 IN 100001234");
	/* T0SZ 2, T1SZ 2: 1 GiB each (level 2), a hole between */
	fm_set(w.mem, 0x20000, UINT64_C(0x0007600080020002));
	fm_set(w.mem, 0x20008, 0x31000);
	fm_set(w.mem, 0x20010, 0x31000);
	rd(&w, SID_S1, 0x1234, "OK 50234");
	rd(&w, SID_S1, 0xc0001234, "OK 50234");
	rd(&w, SID_S1, 0x40001234, "10 sid 1 r S1 IN 40001234");
	/* AFFD counts there too, HA and HD do not */
	fm_set(w.mem, 0x20000, UINT64_C(0x00076c0080020002));
	rd(&w, SID_S1, 0x3000, "12 sid 1 r S1 IN 3000");
	fm_set(w.mem, 0x20000, UINT64_C(0x0007600880020002));
	rd(&w, SID_S1, 0x3000, "OK 52000");
	fm_free(w.mem);
}

static void stage2(void **state)
{
	struct world w = make();

	(void)state;
	rd(&w, SID_S2, 0x50123, "OK 150123");
	rd(&w, SID_S2, 0x70000, "10 sid 2 r S2 IN 70000 ipa 70000");
	rd(&w, SID_S2, UINT64_C(1) << 39, "10 sid 2 r S2 IN 8000000000 ipa 8000000000");
	/* beyond IAS: a fault of stage 1, which is bypassed */
	rd(&w, SID_S2, UINT64_C(1) << 48, "11 sid 2 r S1 IN 1000000000000");
	stage2_map(&w, 0x50000, 0x77f); /* S2AP 01 */
	wr(&w, SID_S2, 0x50008, "13 sid 2 w S2 IN 50008 ipa 50008");
	stage2_map(&w, 0x50000, 0x3ff); /* AF clear */
	rd(&w, SID_S2, 0x50000, "12 sid 2 r S2 IN 50000 ipa 50000");
	/* S2AFFD 1<<53; S2HA 1<<56; S2R off; S2S 1<<57 */
	fm_set(w.mem, STE(SID_S2) + 16, ST2 | UINT64_C(1) << 53);
	rd(&w, SID_S2, 0x50000, "OK 150000");
	fm_set(w.mem, STE(SID_S2) + 16, ST2 | UINT64_C(1) << 56);
	rd(&w, SID_S2, 0x50000, "OK 150000");
	fm_set(w.mem, STE(SID_S2) + 16, ST2 & ~(UINT64_C(1) << 58));
	rd(&w, SID_S2, 0x50000, "12 sid 2 r S2 IN 50000 ipa 50000 unrecorded");
	fm_set(w.mem, STE(SID_S2) + 16, ST2 | UINT64_C(1) << 57);
	rd(&w, SID_S2, 0x50000, "12 sid 2 r S2 IN 50000 ipa 50000 stall");
	fm_set(w.mem, STE(SID_S2) + 16, ST2);
	fm_set(w.mem, 0x41000, 0x900003);
	rd(&w, SID_S2, 0x50000, "0b sid 2 r S2 IN 50000 at 900280");
	fm_free(w.mem);
}

/* A1.11 rule 8, 7.3.13, 7.3.16, 7.3.22 */
static void nested(void **state)
{
	struct world w = make();
	const uint64_t ha = CD0 | UINT64_C(0x800) << 32, hd = CD0 | UINT64_C(0xc00) << 32;

	(void)state;
	rd(&w, SID_NESTED, 0x1234, "OK 150234");
	wr(&w, SID_NESTED, 0x2000, "13 sid 3 w S1 IN 2000");
	stage2_map(&w, 0x50000, 0x77f);
	wr(&w, SID_NESTED, 0x1234, "13 sid 3 w S2 IN 1234 ipa 50234");
	stage2_map(&w, 0x50000, 0);
	rd(&w, SID_NESTED, 0x1234, "10 sid 3 r S2 IN 1234 ipa 50234");
	stage2_map(&w, 0x32000, 0);
	rd(&w, SID_NESTED, 0x1234, "10 sid 3 r S2 TT 1234 ipa 32008");
	stage2_map(&w, 0x32000, 0x7bf); /* S2AP 10: no reads */
	rd(&w, SID_NESTED, 0x1234, "13 sid 3 r S2 TT(r) 1234 ipa 32008");
	stage2_map(&w, 0x20000, 0);
	wr(&w, SID_NESTED, 0x1234, "10 sid 3 w S2 CD 1234 ipa 20000");
	stage2_map(&w, 0x20000, 0x7ff);
	stage2_map(&w, 0x50000, 0x7ff);
	/* the copy of a table in physical memory that is not there */
	fm_set(w.mem, 0x42000 + 0x32 * 8, 0x9007ff);
	rd(&w, SID_NESTED, 0x1234, "0b sid 3 r S1 TT 1234 at 900008");
	/* Accessed and dirty updates where stage 2 does not let tables be written */
	stage2_map(&w, 0x32000, 0x77f);
	rd(&w, SID_NESTED, 0x1000, "OK 150000");
	fm_set(w.mem, ALIAS + 0x20000, ha);
	rd(&w, SID_NESTED, 0x1000, "OK 150000");
	rd(&w, SID_NESTED, 0x3000, "13 sid 3 r S2 TT 3000 ipa 32018");
	fm_set(w.mem, ALIAS + 0x20000, hd);
	wr(&w, SID_NESTED, 0x8000, "13 sid 3 w S2 TT 8000 ipa 32040");
	/* either of two: the update, or the page itself */
	stage2_map(&w, 0x52000, 0);
	rd(&w, SID_NESTED, 0x3000,
	   "13 sid 3 r S2 TT 3000 ipa 32018 | 10 sid 3 r S2 IN 3000 ipa 52000");
	/* S2PTW: tables in device memory (MemAttr 0) */
	fm_set(w.mem, ALIAS + 0x20000, CD0);
	stage2_map(&w, 0x32000, 0x7c3);
	rd(&w, SID_NESTED, 0x1000, "OK 150000");
	fm_set(w.mem, STE(SID_NESTED) + 16, ST2 | UINT64_C(1) << 54);
	rd(&w, SID_NESTED, 0x1000, "13 sid 3 r S2 TT(r) 1000 ipa 32008");
	fm_free(w.mem);
}

/* 5.1, 6.3.25: SPLIT 6<<6, FMT 1<<16, LOG2SIZE 8: four descriptors */
static void stream_tables(void **state)
{
	struct world w = make();
	struct mdl_smmu_access a = { .sid = 0x41, .iova = 0x1234 };

	(void)state;
	rd(&w, 16, 0, "02 sid 10");
	w.smmu.recinvsid = false;
	rd(&w, 16, 0, "02 sid 10 unrecorded");
	w.smmu.recinvsid = true;
	fm_add(w.mem, 0x80000, 0x1000);
	w.smmu.strtab_base = 0x80000;
	w.smmu.strtab_cfg = 0x10188;
	fm_set(w.mem, 0x80008, 0x10005); /* span 5: 16 entries */
	is(&w, &a, "OK 50234");
	a.sid = 0x50;
	is(&w, &a, "02 sid 50");
	a.sid = 0x80;
	is(&w, &a, "02 sid 80");
	a.sid = 0x100;
	is(&w, &a, "02 sid 100");
	fm_set(w.mem, 0x80010, 0x10007); /* span 7: 64 entries */
	a.sid = 0x81;
	is(&w, &a, "OK 50234");
	fm_set(w.mem, 0x80010, 0x10008); /* more than the split */
	is(&w, &a, "02 sid 81");
	fm_set(w.mem, 0x80010, 0x1000c);
	is(&w, &a, "02 sid 81");
	fm_set(w.mem, 0x80010, 0x900007);
	is(&w, &a, "03 sid 81 at 900040");
	w.smmu.strtab_base = 0x900000;
	is(&w, &a, "03 sid 81 at 900010");
	/* SPLIT 7 is reserved and acts as 6; FMT 2 as linear */
	w.smmu.strtab_base = 0x80000;
	w.smmu.strtab_cfg = 0x101c8;
	fm_set(w.mem, 0x80010, 0x10007);
	is(&w, &a, "OK 50234");
	w.smmu.strtab_base = 0x10000;
	w.smmu.strtab_cfg = 0x20184;
	a.sid = 1;
	is(&w, &a, "OK 50234");
	/* LOG2SIZE is capped by SIDSIZE for the range, not for the alignment of the base */
	w.smmu.id.idr[1] &= ~UINT32_C(0x3f);
	w.smmu.strtab_cfg = 4;
	is(&w, &a, "02 sid 1");
	fm_free(w.mem);
}

/* 5.2 S1Fmt, S1CDMax, S1DSS; 5.3 */
static void contexts(void **state)
{
	struct world w = make();
	const uint64_t lin = UINT64_C(0x100000000002000b); /* S1CDMax 2 */
	const uint64_t two = UINT64_C(0x400000000008001b); /* S1Fmt 1, S1CDMax 8 */
	const uint64_t ste = STE(SID_S1);

	(void)state;
	fm_set(w.mem, ste, lin);
	fm_set(w.mem, 0x200c0, CD0); /* substream 3 */
	fm_set(w.mem, 0x200c8, 0x30000);
	sub(&w, SID_S1, 3, "OK 50000");
	sub(&w, SID_S1, 0, "OK 50000");
	sub(&w, SID_S1, 1, "0a sid 1.1");
	sub(&w, SID_S1, 4, "08 sid 1.4");
	rd(&w, SID_S1, 0x1000, "06 sid 1");
	fm_set(w.mem, ste + 8, 1);
	rd(&w, SID_S1, 0x1000, "OK 1000");
	rd(&w, SID_S1, UINT64_C(1) << 48, "11 sid 1 r S1 IN 1000000000000");
	fm_set(w.mem, ste + 8, 2);
	rd(&w, SID_S1, 0x1000, "OK 50000");
	sub(&w, SID_S1, 0, "06 sid 1.0");
	sub(&w, SID_S1, 3, "OK 50000");
	fm_set(w.mem, ste + 8, 3);
	rd(&w, SID_S1, 0x1000, "06 sid 1");
	/* two levels: L1 at 0x80000, one of four leaves, 4 KiB, at 0x20000 */
	fm_add(w.mem, 0x80000, 0x1000);
	fm_set(w.mem, ste, two);
	fm_set(w.mem, 0x80008, 0x20001);
	sub(&w, SID_S1, 0x43, "OK 50000");
	sub(&w, SID_S1, 0x03, "08 sid 1.3"); /* L1CD.V = 0 */
	sub(&w, SID_S1, 0x100, "08 sid 1.100");
	fm_set(w.mem, 0x80008, UINT64_C(0x0001000000000001));
	sub(&w, SID_S1, 0x43, "08 sid 1.43"); /* beyond OAS */
	fm_set(w.mem, 0x80008, 0x900001);
	sub(&w, SID_S1, 0x43, "09 sid 1.43 at 9000c0");
	/* leaves of 64 KiB, 1024 each: S1Fmt 2, S1CDMax 11 */
	fm_set(w.mem, ste, UINT64_C(0x580000000008002b));
	fm_set(w.mem, 0x80008, 0x20001);
	sub(&w, SID_S1, 0x403, "OK 50000");
	/* substreams that the SMMU has not: S1CDMax does not count */
	w.smmu.id.idr[1] &= ~(UINT32_C(0x1f) << 6);
	fm_set(w.mem, ste, lin);
	rd(&w, SID_S1, 0x1000, "OK 50000");
	sub(&w, SID_S1, 0, "08 sid 1.0");
	fm_free(w.mem);
}

/* 3.4.3: pointers beyond the sizes, nested: one of two events */
static void far_pointers(void **state)
{
	struct world w = make();
	const uint64_t far = UINT64_C(0x0001000000000000);

	(void)state;
	fm_set(w.mem, STE(SID_S1), far | 0xb);
	rd(&w, SID_S1, 0x1000, "04 sid 1");
	fm_set(w.mem, STE(SID_NESTED), far | 0xf);
	rd(&w, SID_NESTED, 0x1000, "04 sid 3 | 10 sid 3 r S2 CD 1000 ipa 1000000000000");
	/* L1CD at IPA 0x20000 */
	fm_set(w.mem, STE(SID_NESTED), UINT64_C(0x400000000002001f));
	fm_set(w.mem, ALIAS + 0x20000, far | 1);
	sub(&w, SID_NESTED, 1, "08 sid 3.1 | 10 sid 3.1 r S2 CD 1000 ipa 1000000000040");
	fm_free(w.mem);
}

int mdl_test_smmu_walk(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(configs),	 cmocka_unit_test(stage1),
		cmocka_unit_test(halves),	 cmocka_unit_test(lpae32),
		cmocka_unit_test(stage2),	 cmocka_unit_test(nested),
		cmocka_unit_test(stream_tables), cmocka_unit_test(contexts),
		cmocka_unit_test(far_pointers),
	};

	return cmocka_run_group_tests_name("SMMUv3 transactions by hand", tests, NULL, NULL);
}
