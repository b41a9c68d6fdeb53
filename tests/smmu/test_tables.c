/* SPDX-License-Identifier: MIT */
/* Stream tables and CD tables of one and two levels: who finds what, and which event tells that there is nothing. */
#include "stefix.h"
#include "golden_smmu.h"

#define BASE UINT64_C(0x100000)
#define LEN  0x200000u
#define AWAY UINT64_C(0x700000) /* not in memory */

/* STRTAB_BASE_CFG */
#define LINEAR(bits)	    ((uint32_t)(bits))
#define TWO_LEVEL(bits, sp) ((uint32_t)(bits) | (uint32_t)(sp) << 6 | 1u << 16)

struct fix {
	struct iod_mem *mem, *readonly;
	uint64_t *words;
};

static int setup(void **state)
{
	struct fix *fix = calloc(1, sizeof(*fix));
	struct iod_mem_region region = { .pa = BASE, .len = LEN };
	struct iod_mem_vm_cfg cfg = { .size = sizeof(cfg), .regions = &region, .nr_regions = 1 };

	assert_non_null(fix);
	fix->words = calloc(1, LEN);
	assert_non_null(fix->words);
	region.host = fix->words;
	iodt_assert_ok(iod_mem_create_vm(&fix->mem, &cfg));
	region.flags = IOD_REGION_READONLY;
	iodt_assert_ok(iod_mem_create_vm(&fix->readonly, &cfg));
	*state = fix;
	return 0;
}

static int teardown(void **state)
{
	struct fix *fix = *state;

	iodt_assert_ok(iod_mem_destroy(fix->mem));
	iodt_assert_ok(iod_mem_destroy(fix->readonly));
	free(fix->words);
	free(fix);
	return 0;
}

static void put(struct fix *fix, uint64_t pa, uint64_t v)
{
	assert_true(pa >= BASE && pa < BASE + LEN && !(pa & 7));
	fix->words[(pa - BASE) / 8] = stefix_le(v);
}

static uint64_t get(const struct fix *fix, uint64_t pa)
{
	return stefix_le(fix->words[(pa - BASE) / 8]);
}

/* What a lookup finds: 0, the address, or the event and what could not be read. */
static int look(struct fix *fix, uint64_t base, uint32_t cfg, uint32_t sid, uint64_t *pa,
		unsigned *event)
{
	const struct iod_smmuv3_strtab tab = { .base = base, .cfg = cfg };
	enum iod_smmuv3_event_type e = (enum iod_smmuv3_event_type)0xff;
	uint64_t other;
	int ret = iod_smmuv3_strtab_lookup(&tab, fix->mem, sid, pa, &e);

	assert_int_equal(iod_smmuv3_strtab_lookup(&tab, fix->mem, sid, &other, NULL), ret);
	*event = e;
	return ret;
}

#define FOUND(base, cfg, sid, at)                                       \
	do {                                                            \
		iodt_assert_ok(look(fix, base, cfg, sid, &pa, &event)); \
		assert_int_equal(pa, at);                               \
		assert_int_equal(event, 0);                             \
	} while (0)
#define NONE(base, cfg, sid)                                                       \
	do {                                                                       \
		assert_int_equal(look(fix, base, cfg, sid, &pa, &event), -ENOENT); \
		assert_int_equal(event, IOD_SMMUV3_C_BAD_STREAMID);                \
	} while (0)
#define UNREADABLE(base, cfg, sid, at)                                             \
	do {                                                                       \
		assert_int_equal(look(fix, base, cfg, sid, &pa, &event), -EFAULT); \
		assert_int_equal(event, IOD_SMMUV3_F_STE_FETCH);                   \
		assert_int_equal(pa, at);                                          \
	} while (0)

static void linear_streams(void **state)
{
	struct fix *fix = *state;
	unsigned event;
	uint64_t pa;

	FOUND(BASE, LINEAR(8), 0, BASE);
	FOUND(BASE | IODT_BIT(62), LINEAR(8), 255, BASE + 255 * 64);
	NONE(BASE, LINEAR(8), 256);
	NONE(BASE, LINEAR(8), 0xffffffff);
	FOUND(BASE, LINEAR(0), 0, BASE);
	NONE(BASE, LINEAR(0), 1);
	/* 6.3.24: hardware aligns the base to the size, 16 KiB. */
	FOUND(BASE + 0x1040, LINEAR(8), 1, BASE + 64);
	UNREADABLE(AWAY, LINEAR(8), 3, AWAY + 3 * 64);
	/* More than there is memory for. 2^16 entries are aligned to 4 MiB: base 0. */
	UNREADABLE(BASE, LINEAR(16), 0, 0);
	FOUND(BASE, LINEAR(16), 0x100000 / 64, 0x100000);
	/* LOG2SIZE above 32 has no more than all StreamIDs. */
	UNREADABLE(0, LINEAR(63), 0xffffffff, UINT64_C(0xffffffff) * 64);
	/* FMT 2 and 3 are linear. */
	FOUND(BASE, LINEAR(8) | 2u << 16, 7, BASE + 7 * 64);
	FOUND(BASE, LINEAR(8) | 3u << 16, 7, BASE + 7 * 64);
}

static void two_level_streams(void **state)
{
	struct fix *fix = *state;
	const uint64_t leaf = BASE + 0x10000;
	unsigned event;
	uint64_t pa;

	put(fix, BASE, leaf | 9);	      /* 2^8 */
	put(fix, BASE + 8, leaf | 1);	      /* 1 */
	put(fix, BASE + 16, leaf);	      /* Span 0 */
	put(fix, BASE + 24, leaf | 12);	      /* reserved */
	put(fix, BASE + 32, leaf | 31);	      /* reserved */
	put(fix, BASE + 40, leaf | 10);	      /* more than SPLIT */
	put(fix, BASE + 48, AWAY | 3);	      /* 4, away */
	put(fix, BASE + 56, (leaf + 64) | 9); /* aligned by hardware */
	put(fix, BASE + 64, leaf | 9 | UINT64_C(0xff) << 56);
	FOUND(BASE, TWO_LEVEL(12, 8), 0, leaf);
	FOUND(BASE, TWO_LEVEL(12, 8), 255, leaf + 255 * 64);
	FOUND(BASE, TWO_LEVEL(12, 8), 256, leaf);
	NONE(BASE, TWO_LEVEL(12, 8), 257);
	NONE(BASE, TWO_LEVEL(12, 8), 512);
	NONE(BASE, TWO_LEVEL(12, 8), 768);
	NONE(BASE, TWO_LEVEL(12, 8), 1024);
	NONE(BASE, TWO_LEVEL(12, 8), 1280);
	UNREADABLE(BASE, TWO_LEVEL(12, 8), 6 * 256 + 3, AWAY + 3 * 64);
	NONE(BASE, TWO_LEVEL(12, 8), 6 * 256 + 4);
	FOUND(BASE, TWO_LEVEL(12, 8), 7 * 256 + 1, leaf + 64);
	FOUND(BASE, TWO_LEVEL(12, 8), 8 * 256, leaf);
	NONE(BASE, TWO_LEVEL(12, 8), 9 * 256); /* zero */
	NONE(BASE, TWO_LEVEL(12, 8), 4096);
	UNREADABLE(AWAY, TWO_LEVEL(12, 8), 256, AWAY + 8);
	/* SPLIT 10: the same descriptor is fine. SPLIT 7 is 6: 2^8 is more than that, 1 is not. */
	FOUND(BASE, TWO_LEVEL(14, 10), 5 * 1024 + 511, leaf + 511 * 64);
	NONE(BASE, TWO_LEVEL(14, 10), 5 * 1024 + 512);
	NONE(BASE, TWO_LEVEL(12, 7), 0);
	FOUND(BASE, TWO_LEVEL(12, 7), 64, leaf);
	/* Fewer StreamIDs than SPLIT: one descriptor. */
	FOUND(BASE, TWO_LEVEL(4, 8), 15, leaf + 15 * 64);
	NONE(BASE, TWO_LEVEL(4, 8), 16);
	/* 16 descriptors are 128 bytes, to which the base is aligned; 8 are 64, 4 are less than that. */
	FOUND(BASE + 64, TWO_LEVEL(12, 8), 0, leaf);
	FOUND(BASE + 64, TWO_LEVEL(11, 8), 0, leaf);
	put(fix, BASE + 64, leaf | 1);
	NONE(BASE + 64, TWO_LEVEL(11, 8), 1);
}

static void golden_descriptors(void **state)
{
	for (size_t i = 0; i < IODT_ARRAY_SIZE(gold_l1stds); i++) {
		struct mdl_l1std d;
		uint64_t raw;

		mdl_l1std_decode(gold_l1stds[i].w[0], &d);
		if (d.lg2 < 0 || d.res)
			continue;
		iodt_assert_ok(iod_smmuv3_l1std_encode(&raw, d.ptr, (unsigned)d.lg2));
		assert_int_equal(stefix_le(raw), gold_l1stds[i].w[0]);
	}
	for (size_t i = 0; i < IODT_ARRAY_SIZE(gold_l1cds); i++) {
		struct mdl_l1cd d;
		uint64_t raw;

		mdl_l1cd_decode(gold_l1cds[i].w[0], &d);
		if (!d.v || d.res)
			continue;
		iodt_assert_ok(iod_smmuv3_l1cd_encode(&raw, d.ptr));
		assert_int_equal(stefix_le(raw), gold_l1cds[i].w[0]);
	}
}

static void descriptors(void **state)
{
	uint64_t raw;

	/* 5.1: Span is lg2 + 1. */
	for (unsigned lg2 = 0; lg2 <= 10; lg2++) {
		iodt_assert_ok(iod_smmuv3_l1std_encode(&raw, UINT64_C(0x80000000000000), lg2));
		assert_int_equal(stefix_le(raw), UINT64_C(0x80000000000000) | (lg2 + 1));
		assert_int_equal(iod_smmuv3_l1std_encode(&raw, UINT64_C(32) << lg2, lg2), -EINVAL);
		iodt_assert_ok(iod_smmuv3_l1std_encode(&raw, UINT64_C(64) << lg2, lg2));
	}
	assert_int_equal(iod_smmuv3_l1std_encode(&raw, 0, 11), -EINVAL);
	assert_int_equal(iod_smmuv3_l1std_encode(&raw, IODT_BIT(56), 0), -EINVAL);
	assert_int_equal(iod_smmuv3_l1std_encode(NULL, 0, 0), -EINVAL);
	iodt_assert_ok(iod_smmuv3_l1cd_encode(&raw, 0x12345000));
	assert_int_equal(stefix_le(raw), 0x12345001);
	assert_int_equal(iod_smmuv3_l1cd_encode(&raw, 0x12345800), -EINVAL);
	assert_int_equal(iod_smmuv3_l1cd_encode(&raw, IODT_BIT(56)), -EINVAL);
	assert_int_equal(iod_smmuv3_l1cd_encode(NULL, 0), -EINVAL);
}

static void making_stream_tables(void **state)
{
	struct fix *fix = *state;
	struct iod_smmuv3_strtab tab;
	enum iod_smmuv3_event_type event;
	const uint64_t leaf = BASE + 0x10000;
	uint64_t pa;

	iodt_assert_ok(iod_smmuv3_strtab_init(&tab, BASE, 8, 0));
	assert_true(tab.base == BASE && tab.cfg == LINEAR(8));
	assert_int_equal(iod_smmuv3_strtab_bytes(&tab), 256 * 64);
	assert_int_equal(iod_smmuv3_strtab_install(&tab, fix->mem, 0, leaf, 8), -EOPNOTSUPP);
	iodt_assert_ok(iod_smmuv3_strtab_init(&tab, 0, 32, 0));
	assert_int_equal(iod_smmuv3_strtab_bytes(&tab), IODT_BIT(38));
	iodt_assert_ok(iod_smmuv3_strtab_init(&tab, BASE, 9, 8));
	assert_int_equal(iod_smmuv3_strtab_bytes(&tab), 64);
	iodt_assert_ok(iod_smmuv3_strtab_init(&tab, BASE, 16, 8));
	assert_int_equal(tab.cfg, TWO_LEVEL(16, 8));
	assert_int_equal(iod_smmuv3_strtab_bytes(&tab), 256 * 8);

	assert_int_equal(iod_smmuv3_strtab_lookup(&tab, fix->mem, 0x1234, &pa, &event), -ENOENT);
	iodt_assert_ok(iod_smmuv3_strtab_install(&tab, fix->mem, 0x1234, leaf, 8));
	iodt_assert_ok(iod_smmuv3_strtab_lookup(&tab, fix->mem, 0x1234, &pa, &event));
	assert_int_equal(pa, leaf + 0x34 * 64);
	assert_int_equal(get(fix, BASE + 0x12 * 8), leaf | 9);
	assert_int_equal(iod_smmuv3_strtab_install(&tab, fix->mem, 0x12ff, leaf, 8), -EEXIST);
	/* A short leaf, and StreamIDs it does not hold. A descriptor that is not valid is overwritten. */
	put(fix, BASE + 0x13 * 8, leaf | 12);
	assert_int_equal(iod_smmuv3_strtab_install(&tab, fix->mem, 0x1304, leaf, 2), -ERANGE);
	iodt_assert_ok(iod_smmuv3_strtab_install(&tab, fix->mem, 0x1303, leaf, 2));
	assert_int_equal(get(fix, BASE + 0x13 * 8), leaf | 3);

	assert_int_equal(iod_smmuv3_strtab_install(&tab, fix->mem, 0x10000, leaf, 8), -ERANGE);
	assert_int_equal(iod_smmuv3_strtab_install(&tab, fix->mem, 0x1400, leaf, 9), -EINVAL);
	assert_int_equal(iod_smmuv3_strtab_install(&tab, fix->mem, 0x1400, leaf + 64, 8), -EINVAL);
	assert_int_equal(iod_smmuv3_strtab_install(&tab, fix->mem, 0x1400, AWAY, 6), -EFAULT);
	assert_int_equal(iod_smmuv3_strtab_install(&tab, fix->readonly, 0x1400, leaf, 8), -EFAULT);
	assert_int_equal(iod_smmuv3_strtab_install(NULL, fix->mem, 0, leaf, 8), -EINVAL);
	assert_int_equal(iod_smmuv3_strtab_install(&tab, NULL, 0, leaf, 8), -EINVAL);
	assert_int_equal(get(fix, BASE + 0x14 * 8), 0);

	assert_int_equal(iod_smmuv3_strtab_init(NULL, BASE, 8, 0), -EINVAL);
	assert_int_equal(iod_smmuv3_strtab_init(&tab, BASE, 33, 0), -EINVAL);
	assert_int_equal(iod_smmuv3_strtab_init(&tab, BASE, 8, 7), -EINVAL);
	assert_int_equal(iod_smmuv3_strtab_init(&tab, BASE + 0x1000, 8, 0), -EINVAL);
	assert_int_equal(iod_smmuv3_strtab_init(&tab, BASE + 32, 8, 8), -EINVAL);
	assert_int_equal(iod_smmuv3_strtab_init(&tab, IODT_BIT(56), 8, 0), -EINVAL);
	assert_int_equal(iod_smmuv3_strtab_bytes(NULL), 0);
	tab.cfg = LINEAR(33);
	assert_int_equal(iod_smmuv3_strtab_bytes(&tab), 0);
	tab.cfg = LINEAR(4);
	assert_int_equal(iod_smmuv3_strtab_lookup(NULL, fix->mem, 0, &pa, &event), -EINVAL);
	assert_int_equal(iod_smmuv3_strtab_lookup(&tab, NULL, 0, &pa, &event), -EINVAL);
	assert_int_equal(iod_smmuv3_strtab_lookup(&tab, fix->mem, 0, NULL, &event), -EINVAL);
}

static struct iod_smmuv3_ste stream(unsigned config, uint64_t ptr, unsigned cdmax, unsigned fmt,
				    unsigned dss)
{
	return (struct iod_smmuv3_ste){
		.valid = true,
		.config = (uint8_t)config,
		.s1contextptr = ptr,
		.s1cdmax = (uint8_t)cdmax,
		.s1fmt = (uint8_t)fmt,
		.s1dss = (uint8_t)dss,
		.s2aa64 = true,
	};
}

/* Stage 2 as tables of this test see it: IPA + 0x80000000 is the address; nothing below that. */
#define IPA UINT64_C(0x80000000)

struct stage2 {
	uint64_t refuse; /* an IPA */
	unsigned calls;
};

static int translate(void *cookie, uint64_t ipa, uint64_t *pa)
{
	struct stage2 *s2 = cookie;

	s2->calls++;
	if (ipa < IPA || ipa == s2->refuse)
		return -EPERM;
	*pa = ipa - IPA;
	return 0;
}

struct found {
	int ret;
	unsigned event;
	uint64_t pa;
};

static struct found cd_of(struct fix *fix, struct iod_smmuv3_ste ste, int64_t ssid)
{
	struct found f = { .pa = 1 };
	enum iod_smmuv3_event_type event = (enum iod_smmuv3_event_type)0xff;
	uint64_t other;

	f.ret = iod_smmuv3_cd_lookup(&ste, &stefix_id_all, fix->mem, ssid, NULL, NULL, &f.pa,
				     &event);
	assert_int_equal(iod_smmuv3_cd_lookup(&ste, NULL, fix->mem, ssid, NULL, NULL, &other, NULL),
			 f.ret);
	f.event = event;
	return f;
}

#define CD_AT(ste, ssid, at)                            \
	do {                                            \
		struct found f = cd_of(fix, ste, ssid); \
		iodt_assert_ok(f.ret);                  \
		assert_int_equal(f.pa, at);             \
		assert_int_equal(f.event, 0);           \
	} while (0)
#define NO_CD(ste, ssid, error, what)                   \
	do {                                            \
		struct found f = cd_of(fix, ste, ssid); \
		assert_int_equal(f.ret, error);         \
		assert_int_equal(f.event, what);        \
	} while (0)

static void one_cd(void **state)
{
	struct fix *fix = *state;
	const struct iod_smmuv3_ste s1 = stream(5, BASE + 0x40, 0, 0, 0);

	CD_AT(s1, -1, BASE + 0x40);
	NO_CD(s1, 0, -ENOENT, IOD_SMMUV3_C_BAD_SUBSTREAMID);
	NO_CD(s1, 5, -ENOENT, IOD_SMMUV3_C_BAD_SUBSTREAMID);
	NO_CD(stream(5, AWAY, 0, 0, 0), -1, -EFAULT, IOD_SMMUV3_F_CD_FETCH);
	assert_int_equal(cd_of(fix, stream(5, AWAY, 0, 0, 0), -1).pa, AWAY);
	/* No stage 1: nothing to look up, and nothing to name a substream of. */
	NO_CD(stream(4, BASE, 0, 0, 0), -1, 1, 0);
	NO_CD(stream(6, BASE, 0, 0, 0), -1, 1, 0);
	NO_CD(stream(4, BASE, 0, 0, 0), 0, -ENOENT, IOD_SMMUV3_C_BAD_SUBSTREAMID);
	NO_CD(stream(6, BASE, 0, 0, 0), 7, -ENOENT, IOD_SMMUV3_C_BAD_SUBSTREAMID);
	/* Config 0: an abort that nobody hears of. */
	NO_CD(stream(0, BASE, 0, 0, 0), -1, -ENOENT, 0);
	NO_CD(stream(0, BASE, 0, 0, 0), 3, -ENOENT, 0);
}

static void linear_cds(void **state)
{
	struct fix *fix = *state;

	/* S1DSS 0 terminate, 1 bypass, 2 CD 0. */
	for (unsigned dss = 0; dss < 3; dss++) {
		const struct iod_smmuv3_ste ste = stream(5, BASE, 4, 0, dss);

		for (unsigned ssid = 1; ssid < 16; ssid++)
			CD_AT(ste, ssid, BASE + ssid * 64);
		NO_CD(ste, 16, -ENOENT, IOD_SMMUV3_C_BAD_SUBSTREAMID);
		NO_CD(ste, 0xfffff, -ENOENT, IOD_SMMUV3_C_BAD_SUBSTREAMID);
	}
	CD_AT(stream(5, BASE, 4, 0, 0), 0, BASE);
	CD_AT(stream(5, BASE, 4, 0, 1), 0, BASE);
	NO_CD(stream(5, BASE, 4, 0, 2), 0, -ENOENT, IOD_SMMUV3_F_STREAM_DISABLED);
	NO_CD(stream(5, BASE, 4, 0, 0), -1, -ENOENT, IOD_SMMUV3_F_STREAM_DISABLED);
	NO_CD(stream(5, BASE, 4, 0, 1), -1, 1, 0);
	CD_AT(stream(5, BASE, 4, 0, 2), -1, BASE);
	/* The table is aligned to its size: 1 KiB. */
	CD_AT(stream(5, BASE + 0x1c0, 4, 0, 2), 3, BASE + 3 * 64);
	NO_CD(stream(5, AWAY, 4, 0, 2), 3, -EFAULT, IOD_SMMUV3_F_CD_FETCH);
	assert_int_equal(cd_of(fix, stream(5, AWAY, 4, 0, 2), 3).pa, AWAY + 3 * 64);
}

static void two_level_cds(void **state)
{
	struct fix *fix = *state;
	const uint64_t leaf = BASE + 0x10000;
	struct iod_smmuv3_ste ste = stream(5, BASE, 9, 1, 2);

	put(fix, BASE, leaf | 1);
	put(fix, BASE + 8, (leaf + 0x1000) | 1);
	put(fix, BASE + 16, leaf); /* V=0 */
	put(fix, BASE + 24, AWAY | 1);
	put(fix, BASE + 32, IODT_BIT(48) | 1); /* beyond OAS */
	put(fix, BASE + 40, leaf | 0xfff);     /* reserved bits */
	put(fix, BASE + 56, (leaf + 0x2000) | 1);
	CD_AT(ste, -1, leaf);
	CD_AT(ste, 63, leaf + 63 * 64);
	CD_AT(ste, 64, leaf + 0x1000);
	CD_AT(ste, 127, leaf + 0x1000 + 63 * 64);
	/* 5.3.1 */
	NO_CD(ste, 128, -ENOENT, IOD_SMMUV3_C_BAD_SUBSTREAMID);
	NO_CD(ste, 193, -EFAULT, IOD_SMMUV3_F_CD_FETCH);
	assert_int_equal(cd_of(fix, ste, 193).pa, AWAY + 64);
	CD_AT(ste, 321, leaf + 64);
	CD_AT(ste, 511, leaf + 0x2000 + 63 * 64);
	NO_CD(ste, 512, -ENOENT, IOD_SMMUV3_C_BAD_SUBSTREAMID);
	/* 64 bytes of level-1 descriptors: that is what the base is aligned to. */
	ste.s1contextptr = BASE + 0x40;
	NO_CD(ste, 1, -ENOENT, IOD_SMMUV3_C_BAD_SUBSTREAMID);
	ste.s1cdmax = 10;
	CD_AT(ste, 64, leaf + 0x1000);
	/* Fewer CDs than a leaf has: one descriptor. */
	CD_AT(stream(5, BASE, 3, 1, 0), 7, leaf + 7 * 64);
	NO_CD(stream(5, BASE, 3, 1, 0), 8, -ENOENT, IOD_SMMUV3_C_BAD_SUBSTREAMID);
	/* Leaves of 1024, which take 64 KiB: L2Ptr[15:12] are RES0. */
	CD_AT(stream(5, BASE, 13, 2, 0), 1024 + 5, leaf + 5 * 64);
	CD_AT(stream(5, BASE, 13, 2, 0), 1023, leaf + 1023 * 64);
	NO_CD(stream(5, BASE, 13, 2, 0), 2048, -ENOENT, IOD_SMMUV3_C_BAD_SUBSTREAMID);
	NO_CD(stream(5, AWAY, 13, 2, 0), 2048, -EFAULT, IOD_SMMUV3_F_CD_FETCH);
	assert_int_equal(cd_of(fix, stream(5, AWAY, 13, 2, 0), 2048).pa, AWAY + 16);
}

/* 3.4.3: a level-2 table beyond OAS. Not so when that is an IPA: stage 2 will see. */
static void beyond_the_address_size(void **state)
{
	struct fix *fix = *state;
	struct iod_smmuv3_ste ste = stream(5, BASE, 9, 1, 2);
	enum iod_smmuv3_event_type event;
	struct stage2 s2 = { 0 };
	uint64_t pa;

	put(fix, BASE, IODT_BIT(48) | 1);
	assert_int_equal(
		iod_smmuv3_cd_lookup(&ste, &stefix_id_all, fix->mem, 1, NULL, NULL, &pa, &event),
		-ENOENT);
	assert_int_equal(event, IOD_SMMUV3_C_BAD_SUBSTREAMID);
	put(fix, BASE, IODT_BIT(47) | 1);
	assert_int_equal(
		iod_smmuv3_cd_lookup(&ste, &stefix_id_all, fix->mem, 1, NULL, NULL, &pa, &event),
		-EFAULT);
	assert_int_equal(event, IOD_SMMUV3_F_CD_FETCH);
	assert_int_equal(pa, IODT_BIT(47) + 64);
	put(fix, BASE, IODT_BIT(48) | 1);
	ste = stream(7, IPA + BASE, 9, 1, 2);
	s2.refuse = IODT_BIT(48) + 64;
	assert_int_equal(iod_smmuv3_cd_lookup(&ste, &stefix_id_all, fix->mem, 1, translate, &s2,
					      &pa, &event),
			 -EPERM);
	assert_int_equal(event, 0);
	assert_int_equal(pa, IODT_BIT(48) + 64);
}

static void nested_cds(void **state)
{
	struct fix *fix = *state;
	struct iod_smmuv3_ste ste = stream(7, IPA + BASE, 9, 1, 2);
	const uint64_t leaf = BASE + 0x10000;
	enum iod_smmuv3_event_type event = IOD_SMMUV3_C_BAD_CD;
	struct stage2 s2 = { 0 };
	uint64_t pa;

	put(fix, BASE + 8, (IPA + leaf) | 1);
	iodt_assert_ok(iod_smmuv3_cd_lookup(&ste, NULL, fix->mem, 65, translate, &s2, &pa, &event));
	assert_int_equal(pa, leaf + 64);
	assert_int_equal(event, 0);
	assert_int_equal(s2.calls, 2);
	/* Stage 2 refuses the CD, or the descriptor before it. */
	s2.refuse = IPA + leaf + 64;
	assert_int_equal(
		iod_smmuv3_cd_lookup(&ste, NULL, fix->mem, 65, translate, &s2, &pa, &event),
		-EPERM);
	assert_int_equal(pa, IPA + leaf + 64);
	assert_int_equal(event, 0);
	s2.refuse = IPA + BASE + 8;
	assert_int_equal(
		iod_smmuv3_cd_lookup(&ste, NULL, fix->mem, 65, translate, &s2, &pa, &event),
		-EPERM);
	assert_int_equal(pa, IPA + BASE + 8);
	/* It translates, but there is nothing. */
	s2.refuse = 0;
	put(fix, BASE + 8, (IPA + AWAY) | 1);
	assert_int_equal(
		iod_smmuv3_cd_lookup(&ste, NULL, fix->mem, 65, translate, &s2, &pa, &event),
		-EFAULT);
	assert_int_equal(event, IOD_SMMUV3_F_CD_FETCH);
	assert_int_equal(pa, AWAY + 64);
}

static void making_cd_tables(void **state)
{
	struct fix *fix = *state;
	struct iod_smmuv3_ste ste = stream(5, BASE, 9, 1, 2), wide = stream(5, BASE, 20, 2, 2);
	const uint64_t leaf = BASE + 0x10000;
	enum iod_smmuv3_event_type event;
	uint64_t pa;

	ste = stream(5, BASE, 0, 0, 0);
	assert_int_equal(iod_smmuv3_cdtab_bytes(&ste), 64);
	ste = stream(5, BASE, 8, 0, 0);
	assert_int_equal(iod_smmuv3_cdtab_bytes(&ste), 256 * 64);
	assert_int_equal(iod_smmuv3_cdtab_install(&ste, fix->mem, 1, leaf), -EOPNOTSUPP);
	ste = stream(5, BASE, 9, 1, 0);
	assert_int_equal(iod_smmuv3_cdtab_bytes(&ste), 64);
	ste = stream(5, BASE, 20, 1, 0);
	assert_int_equal(iod_smmuv3_cdtab_bytes(&ste), 16384 * 8);
	assert_int_equal(iod_smmuv3_cdtab_bytes(&wide), 1024 * 8);
	ste = stream(5, BASE, 135, 0, 0); /* no S1CDMax has so many bits */
	assert_int_equal(iod_smmuv3_cdtab_bytes(&ste), 0);
	ste = stream(6, BASE, 20, 1, 0);
	assert_int_equal(iod_smmuv3_cdtab_bytes(&ste), 0);
	assert_int_equal(iod_smmuv3_cdtab_bytes(NULL), 0);

	iodt_assert_ok(iod_smmuv3_cdtab_install(&wide, fix->mem, 0xabcde, leaf));
	assert_int_equal(get(fix, BASE + (0xabcde >> 10) * 8), leaf | 1);
	iodt_assert_ok(
		iod_smmuv3_cd_lookup(&wide, NULL, fix->mem, 0xabcde, NULL, NULL, &pa, &event));
	assert_int_equal(pa, leaf + (0xabcde & 0x3ff) * 64);
	assert_int_equal(iod_smmuv3_cdtab_install(&wide, fix->mem, 0xabcdf, leaf), -EEXIST);
	assert_int_equal(iod_smmuv3_cdtab_install(&wide, fix->mem, 0x100000, leaf), -ERANGE);
	assert_int_equal(iod_smmuv3_cdtab_install(&wide, fix->mem, 5, leaf + 0x1000), -EINVAL);
	assert_int_equal(iod_smmuv3_cdtab_install(&wide, fix->mem, 5, AWAY), -EFAULT);
	assert_int_equal(iod_smmuv3_cdtab_install(&wide, fix->readonly, 5, leaf), -EFAULT);
	assert_int_equal(iod_smmuv3_cdtab_install(NULL, fix->mem, 5, leaf), -EINVAL);
	assert_int_equal(iod_smmuv3_cdtab_install(&wide, NULL, 5, leaf), -EINVAL);
	assert_int_equal(iod_smmuv3_cdtab_install(&ste, fix->mem, 5, leaf), -EINVAL);
	ste = stream(5, BASE + 0x4000, 9, 1, 0);
	iodt_assert_ok(iod_smmuv3_cdtab_install(&ste, fix->mem, 64, leaf + 0x1000));
	assert_int_equal(get(fix, BASE + 0x4008), (leaf + 0x1000) | 1);

	assert_int_equal(iod_smmuv3_cd_lookup(NULL, NULL, fix->mem, 0, NULL, NULL, &pa, &event),
			 -EINVAL);
	assert_int_equal(iod_smmuv3_cd_lookup(&ste, NULL, NULL, 0, NULL, NULL, &pa, &event),
			 -EINVAL);
	assert_int_equal(iod_smmuv3_cd_lookup(&ste, NULL, fix->mem, 0, NULL, NULL, NULL, &event),
			 -EINVAL);
	assert_int_equal(iod_smmuv3_cd_lookup(&ste, NULL, fix->mem, -2, NULL, NULL, &pa, &event),
			 -EINVAL);
	ste.valid = false;
	assert_int_equal(iod_smmuv3_cd_lookup(&ste, NULL, fix->mem, 0, NULL, NULL, &pa, &event),
			 -EINVAL);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(linear_streams), TEST(two_level_streams),	  TEST(golden_descriptors),
		TEST(descriptors),    TEST(making_stream_tables), TEST(one_cd),
		TEST(linear_cds),     TEST(two_level_cds),	  TEST(beyond_the_address_size),
		TEST(nested_cds),     TEST(making_cd_tables),
	};

	return cmocka_run_group_tests_name("smmu_tables", tests, NULL, NULL);
}
