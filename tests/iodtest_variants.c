/* SPDX-License-Identifier: MIT */
/*
 * The formats and configurations that tests run on. Every fact here was written down from the
 * architecture documents (page sizes, start levels, field codes), none was read from the library.
 */
#include "iodtest.h"

#define ARM_4K_ALL  (IODT_4K | IODT_64K | IODT_2M | IODT_32M | IODT_1G | IODT_16G)
#define ARM_16K_ALL (IODT_BIT(14) | IODT_2M | IODT_32M | IODT_1G)
#define ARM_64K_ALL (IODT_64K | IODT_2M | IODT_512M | IODT_16G)
#define X86_ALL	    (IODT_4K | IODT_2M | IODT_1G)
#define UP_TO(n)    (UINT64_MAX >> (63 - (n)))
/* every power of two from 4 KiB, without 512 GiB and 256 TiB */
#define AMD_UP_TO(n) (UP_TO(n) & ~UP_TO(11) & ~IODT_BIT(39) & ~IODT_BIT(48))

#define HD	     IOD_PT_HW_DIRTY
#define HA	     IOD_PT_HW_ACCESS
#define HAFT	     IOD_PT_HW_TABLE_ACCESS
#define BBM1	     IOD_PT_BBM_1
#define BBM2	     IOD_PT_BBM_2

/*
 * The last arguments of each: page sizes, and more initializers.
 *
 * Stage 1: T0SZ = 64 - ias; start level by ias. TG0: 0 4K, 1 64K, 2 16K.
 */
#define S1(n, f, g, tg_, i, l, ...)                                                               \
	{                                                                                         \
		.name = "arm_lpae_s1-" n, .format = IOD_ARM_LPAE_S1, .features = f, .granule = g, \
		.ias = i, .first = 0, .last = IODT_BIT(i) - 1, .walk_levels = l, .width = i,      \
		.tg = tg_, .sizes = __VA_ARGS__                                                   \
	}

/* The same behind TTB1. TG1: 1 16K, 2 4K, 3 64K. */
#define S1U(n, f, g, tg_, i, l, ...)                                                              \
	{                                                                                         \
		.name = "arm_lpae_s1-" n "-upper", .format = IOD_ARM_LPAE_S1,                     \
		.features = (f) | IOD_PT_UPPER, .granule = g, .ias = i, .first = 0 - IODT_BIT(i), \
		.last = UINT64_MAX, .walk_levels = l, .width = i, .tg = tg_, .sizes = __VA_ARGS__ \
	}

/* Stage 2: the fewest levels, by @c concatenated tables. S2TG as TG0. */
#define S2(n, f, g, tg_, i, l, sl, c, ...)                                                        \
	{                                                                                         \
		.name = "arm_lpae_s2-" n, .format = IOD_ARM_LPAE_S2, .features = f, .granule = g, \
		.ias = i, .first = 0, .last = IODT_BIT(i) - 1, .walk_levels = l, .width = i,      \
		.tables = c, .tg = tg_, .sl0 = sl, .sizes = __VA_ARGS__                           \
	}

/* AW: 1 three levels, 2 four, 3 five. */
#define SS(n, f, l, ...)                                                                           \
	{                                                                                          \
		.name = "vtd_ss-" n, .format = IOD_VTD_SS, .features = f, .levels = l, .first = 0, \
		.last = IODT_BIT(12 + 9 * (l)) - 1, .walk_levels = l, .width = 12 + 9 * (l),       \
		.mode = (l)-2, .sizes = __VA_ARGS__                                                \
	}

/* x86-64: canonical addresses; FSPM or guest paging mode 0 for four levels, 1 for five. */
#define X86(n, fmt, l, ...)                                                            \
	{                                                                              \
		.name = n, .format = fmt, .levels = l, .first = 0, .last = UINT64_MAX, \
		.hole_first = IODT_BIT(11 + 9 * (l)),                                  \
		.hole_last = UINT64_MAX - IODT_BIT(11 + 9 * (l)), .walk_levels = l,    \
		.width = 12 + 9 * (l), .mode = (l)-4, .sizes = __VA_ARGS__             \
	}

/* Starts in mode @m, ends where ias says. */
#define V1(n, f, m, i, ...)                                                                      \
	{                                                                                        \
		.name = "amd_v1-" n, .format = IOD_AMD_V1, .features = f, .levels = m, .ias = i, \
		.first = 0, .last = UP_TO((i)-1), .walk_levels = m, .width = i, .mode = m,       \
		.sizes = __VA_ARGS__                                                             \
	}

const struct iodt_variant iodt_variants[] = {
	/* A1.3, 4K: L0 16-24, L1 25-33, L2 34-39 (40-42 small), L3 43-48 (small) */
	S1("4k-ias48", HD, 4096, 0, 48, 4, ARM_4K_ALL, .plain = true),
	S1("4k-ias48-nohttu", 0, 4096, 0, 48, 4, ARM_4K_ALL),
	S1("4k-ias48-ha", HA, 4096, 0, 48, 4, ARM_4K_ALL),
	S1("4k-ias48-haft", HD | HAFT, 4096, 0, 48, 4, ARM_4K_ALL),
	S1("4k-ias30-haft", HD | HAFT, 4096, 0, 30, 2, IODT_4K | IODT_64K | IODT_2M | IODT_32M),
	S1("4k-ias21-haft", HD | HAFT | IOD_PT_SMALL, 4096, 0, 21, 1, IODT_4K | IODT_64K),
	S1("4k-ias40", HD, 4096, 0, 40, 4, ARM_4K_ALL),
	S1("4k-ias39", HD, 4096, 0, 39, 3, ARM_4K_ALL),
	S1("4k-ias34", HD, 4096, 0, 34, 3, ARM_4K_ALL),
	S1("4k-ias32", HD, 4096, 0, 32, 3, ARM_4K_ALL & ~IODT_16G),
	S1("4k-ias31", HD, 4096, 0, 31, 3, ARM_4K_ALL & ~IODT_16G),
	S1("4k-ias30", HD, 4096, 0, 30, 2, IODT_4K | IODT_64K | IODT_2M | IODT_32M),
	S1("4k-ias25", HD, 4096, 0, 25, 2, IODT_4K | IODT_64K | IODT_2M | IODT_32M),
	S1("4k-ias24-small", HD | IOD_PT_SMALL, 4096, 0, 24, 2, IODT_4K | IODT_64K | IODT_2M),
	S1("4k-ias21-small", HD | IOD_PT_SMALL, 4096, 0, 21, 1, IODT_4K | IODT_64K),
	S1("4k-ias16-small", HD | IOD_PT_SMALL, 4096, 0, 16, 1, IODT_4K | IODT_64K),
	S1("4k-oas32", HD, 4096, 0, 48, 4, ARM_4K_ALL & ~IODT_16G, .oas = 32),
	S1("4k-norun", HD, 4096, 0, 48, 4, X86_ALL, .pgsizes = X86_ALL),
	S1("4k-only4k", HD, 4096, 0, 39, 3, IODT_4K, .pgsizes = IODT_4K),
	S1U("4k-ias48", HD, 4096, 2, 48, 4, ARM_4K_ALL, .plain = true),
	S1U("4k-ias39", HD | HAFT, 4096, 2, 39, 3, ARM_4K_ALL),
	S1U("4k-ias25", HD, 4096, 2, 25, 2, IODT_4K | IODT_64K | IODT_2M | IODT_32M),
	/* 16K: L0 16, L1 17-27, L2 28-38, L3 39 (40-48 small) */
	S1("16k-ias48", HD, 16384, 2, 48, 4, ARM_16K_ALL),
	S1("16k-ias47", HD, 16384, 2, 47, 3, ARM_16K_ALL, .plain = true),
	S1("16k-ias47-haft", HD | HAFT, 16384, 2, 47, 3, ARM_16K_ALL),
	S1("16k-ias37", HD, 16384, 2, 37, 3, ARM_16K_ALL),
	S1("16k-ias36", HD, 16384, 2, 36, 2, ARM_16K_ALL),
	S1("16k-ias26", HD, 16384, 2, 26, 2, ARM_16K_ALL & ~IODT_1G),
	S1("16k-ias25", HD, 16384, 2, 25, 1, IODT_BIT(14) | IODT_2M),
	S1("16k-ias16-small", HD | IOD_PT_SMALL, 16384, 2, 16, 1, IODT_BIT(14)),
	S1U("16k-ias47", HD, 16384, 1, 47, 3, ARM_16K_ALL),
	/* 64K: L1 16-21 (12-15 with 52 bits), L2 22-34, L3 35-39 (40-47 small) */
	S1("64k-ias48", HD, 65536, 1, 48, 3, ARM_64K_ALL),
	S1("64k-ias43", HD, 65536, 1, 43, 3, ARM_64K_ALL),
	S1("64k-ias42", HD, 65536, 1, 42, 2, ARM_64K_ALL),
	S1("64k-ias30", HD, 65536, 1, 30, 2, ARM_64K_ALL & ~IODT_16G),
	S1("64k-ias29", HD, 65536, 1, 29, 1, IODT_64K | IODT_2M),
	S1("64k-ias25", HD, 65536, 1, 25, 1, IODT_64K | IODT_2M),
	S1("64k-ias17-small", HD | IOD_PT_SMALL, 65536, 1, 17, 1, IODT_64K),
	S1("64k-ias48-oas52", HD, 65536, 1, 48, 3, ARM_64K_ALL | IODT_BIT(42), .oas = 52),
	S1("64k-ias52-oas52", HD, 65536, 1, 52, 3, ARM_64K_ALL | IODT_BIT(42), .oas = 52),
	S1U("64k-ias42", HD, 65536, 3, 42, 2, ARM_64K_ALL),
	/* break-before-make levels 1 and 2 (SMMU_IDR3.BBML) */
	S1("4k-ias48-bbm1", HD | BBM1, 4096, 0, 48, 4, ARM_4K_ALL, .resize = true),
	S1("4k-ias48-bbm2", HD | BBM2, 4096, 0, 48, 4, ARM_4K_ALL, .plain = true, .resize = true),
	S1("4k-ias39-bbm1-haft", HD | HAFT | BBM1, 4096, 0, 39, 3, ARM_4K_ALL, .resize = true),
	S1("4k-ias40-bbm2-haft", HD | HAFT | BBM1 | BBM2, 4096, 0, 40, 4, ARM_4K_ALL,
	   .resize = true),
	S1("4k-ias48-bbm2-nohttu", BBM2, 4096, 0, 48, 4, ARM_4K_ALL, .resize = true),
	S1("4k-4k1g-bbm1", HD | BBM1, 4096, 0, 39, 3, IODT_4K | IODT_1G,
	   .pgsizes = IODT_4K | IODT_1G, .resize = true),
	S1("16k-ias47-bbm1-haft", HD | HAFT | BBM1, 16384, 2, 47, 3, ARM_16K_ALL, .resize = true),
	S1("16k-ias37-bbm2", HD | BBM2, 16384, 2, 37, 3, ARM_16K_ALL),
	S1("64k-ias48-bbm1", HD | BBM1, 65536, 1, 48, 3, ARM_64K_ALL, .resize = true),
	S1("64k-ias48-oas52-bbm2-haft", HD | HAFT | BBM2, 65536, 1, 48, 3,
	   ARM_64K_ALL | IODT_BIT(42), .oas = 52, .resize = true),
	S1U("4k-ias39-bbm2", HD | BBM2, 4096, 2, 39, 3, ARM_4K_ALL, .resize = true),
	/* 32-bit LPAE: T0SZ = 32 - ias in three bits */
	S1("lpae32-ias32", IOD_PT_LPAE32, 0, 0, 32, 3, ARM_4K_ALL & ~IODT_16G),
	/* A1.4, 4K. S2SL0: 0 L2, 1 L1, 2 L0, 3 L3 (small) */
	S2("4k-ias48", HD, 4096, 0, 48, 4, 2, 1, ARM_4K_ALL, .plain = true),
	S2("4k-ias48-nohttu", 0, 4096, 0, 48, 4, 2, 1, ARM_4K_ALL),
	S2("4k-ias48-haft", HD | HAFT, 4096, 0, 48, 4, 2, 1, ARM_4K_ALL),
	S2("4k-ias48-fwb", HD | IOD_PT_S2FWB, 4096, 0, 48, 4, 2, 1, ARM_4K_ALL),
	S2("4k-ias44", HD, 4096, 0, 44, 4, 2, 1, ARM_4K_ALL),
	S2("4k-ias43", HD, 4096, 0, 43, 3, 1, 16, ARM_4K_ALL),
	S2("4k-ias40", HD, 4096, 0, 40, 3, 1, 2, ARM_4K_ALL, .plain = true),
	S2("4k-ias34-haft", HD | HAFT, 4096, 0, 34, 2, 0, 16,
	   IODT_4K | IODT_64K | IODT_2M | IODT_32M),
	S2("4k-ias40-l0", HD, 4096, 0, 40, 4, 2, 1, ARM_4K_ALL, .levels = 4),
	S2("4k-ias39", HA, 4096, 0, 39, 3, 1, 1, ARM_4K_ALL),
	S2("4k-ias34", HD, 4096, 0, 34, 2, 0, 16, IODT_4K | IODT_64K | IODT_2M | IODT_32M),
	S2("4k-ias31", HD, 4096, 0, 31, 2, 0, 2, IODT_4K | IODT_64K | IODT_2M | IODT_32M),
	S2("4k-ias30", HD, 4096, 0, 30, 2, 0, 1, IODT_4K | IODT_64K | IODT_2M | IODT_32M),
	S2("4k-ias25-small", HD | IOD_PT_SMALL, 4096, 0, 25, 1, 3, 16, IODT_4K | IODT_64K),
	S2("4k-only4k", HD, 4096, 0, 40, 3, 1, 2, IODT_4K, .pgsizes = IODT_4K),
	/* 16K. S2SL0: 0 L3, 1 L2, 2 L1 */
	S2("16k-ias48", HD, 16384, 2, 48, 3, 2, 2, ARM_16K_ALL),
	S2("16k-ias47", HD, 16384, 2, 47, 3, 2, 1, ARM_16K_ALL),
	S2("16k-ias40", HD, 16384, 2, 40, 2, 1, 16, ARM_16K_ALL),
	S2("16k-ias36", HD, 16384, 2, 36, 2, 1, 1, ARM_16K_ALL),
	S2("16k-ias29", HD, 16384, 2, 29, 1, 0, 16, IODT_BIT(14) | IODT_2M),
	S2("16k-ias26", HD, 16384, 2, 26, 1, 0, 2, IODT_BIT(14) | IODT_2M),
	/* 64K. S2SL0: 0 L3, 1 L2, 2 L1 */
	S2("64k-ias48", HD, 65536, 1, 48, 3, 2, 1, ARM_64K_ALL),
	S2("64k-ias46", HD, 65536, 1, 46, 2, 1, 16, ARM_64K_ALL),
	S2("64k-ias42", HD, 65536, 1, 42, 2, 1, 1, ARM_64K_ALL),
	S2("64k-ias33", HD, 65536, 1, 33, 1, 0, 16, IODT_64K | IODT_2M),
	S2("64k-ias29", HD, 65536, 1, 29, 1, 0, 1, IODT_64K | IODT_2M),
	S2("4k-ias40-bbm1", HD | BBM1, 4096, 0, 40, 3, 1, 2, ARM_4K_ALL, .plain = true,
	   .resize = true),
	S2("4k-ias48-bbm2", HD | BBM2, 4096, 0, 48, 4, 2, 1, ARM_4K_ALL, .resize = true),
	S2("4k-ias48-bbm1-haft", HD | HAFT | BBM1, 4096, 0, 48, 4, 2, 1, ARM_4K_ALL,
	   .resize = true),
	S2("4k-ias34-bbm2-haft", HD | HAFT | BBM2, 4096, 0, 34, 2, 0, 16,
	   IODT_4K | IODT_64K | IODT_2M | IODT_32M),
	S2("16k-ias40-bbm1", HD | BBM1, 16384, 2, 40, 2, 1, 16, ARM_16K_ALL, .resize = true),
	S2("16k-ias47-bbm2-haft", HD | HAFT | BBM2, 16384, 2, 47, 3, 2, 1, ARM_16K_ALL,
	   .resize = true),
	S2("64k-ias48-oas52-bbm1-haft", HD | HAFT | BBM1, 65536, 1, 48, 3, 2, 1,
	   ARM_64K_ALL | IODT_BIT(42), .oas = 52, .resize = true),
	S2("64k-ias42-bbm2", HD | BBM2, 65536, 1, 42, 2, 1, 1, ARM_64K_ALL, .resize = true),
	S2("64k-ias48-oas52", HD | HAFT, 65536, 1, 48, 3, 2, 1, ARM_64K_ALL | IODT_BIT(42),
	   .oas = 52),
	/* VMSAv8-32: four level-2 tables side by side */
	S2("lpae32-ias32", IOD_PT_LPAE32, 0, 0, 32, 2, 0, 4,
	   IODT_4K | IODT_64K | IODT_2M | IODT_32M),

	SS("3", HD, 3, X86_ALL),
	SS("4", HD, 4, X86_ALL, .plain = true),
	SS("5", HD, 5, X86_ALL),
	SS("3-ta", HD | HAFT, 3, X86_ALL),
	SS("4-ta", HD | HAFT, 4, X86_ALL),
	SS("3-noad", 0, 3, X86_ALL),
	SS("4-noad", 0, 4, X86_ALL),
	SS("5-noad", 0, 5, X86_ALL),
	SS("4-only4k", HD, 4, IODT_4K, .pgsizes = IODT_4K),
	SS("4-4k1g", HD, 4, IODT_4K | IODT_1G, .pgsizes = IODT_4K | IODT_1G),
	{
		.name = "vtd_ss-4-mgaw39",
		.format = IOD_VTD_SS,
		.features = HD,
		.levels = 4,
		.ias = 39, /* as client parts: 4 levels, of which the root has one entry in use */
		.first = 0,
		.last = IODT_BIT(39) - 1,
		.walk_levels = 4,
		.width = 39,
		.mode = 2,
		.sizes = X86_ALL,
	},
	X86("vtd_fs-4", IOD_VTD_FS, 4, X86_ALL, .plain = true),
	X86("vtd_fs-4-ta", IOD_VTD_FS, 4, X86_ALL, .features = HAFT),
	X86("vtd_fs-5", IOD_VTD_FS, 5, X86_ALL),
	X86("vtd_fs-4-only4k", IOD_VTD_FS, 4, IODT_4K, .pgsizes = IODT_4K),
	X86("amd_v2-4", IOD_AMD_V2, 4, X86_ALL, .plain = true),
	X86("amd_v2-5", IOD_AMD_V2, 5, X86_ALL),

	V1("mode1", HD, 1, 21, AMD_UP_TO(20)),
	V1("mode2", HD, 2, 30, AMD_UP_TO(29)),
	V1("mode3", HD, 3, 39, AMD_UP_TO(38)),
	V1("mode4", HD, 4, 48, AMD_UP_TO(47), .plain = true),
	V1("mode5", HD, 5, 57, AMD_UP_TO(51)),
	V1("mode6", HD, 6, 64, AMD_UP_TO(51)),
	V1("mode4-a", HA, 4, 48, AMD_UP_TO(47)),
	V1("mode4-noad", 0, 4, 48, AMD_UP_TO(47)),
	V1("grow1", HD, 1, 64, AMD_UP_TO(51), .max_levels = 6, .plain = true),
	V1("grow3", HD, 3, 64, AMD_UP_TO(51), .max_levels = 6),
	V1("grow2-ias48", HD, 2, 48, AMD_UP_TO(47), .max_levels = 4),
	V1("norun", HD, 4, 48, X86_ALL, .pgsizes = X86_ALL),
	V1("4k64k2m", HD, 4, 48, IODT_4K | IODT_64K | IODT_2M,
	   .pgsizes = IODT_4K | IODT_64K | IODT_2M),
};

const size_t iodt_nr_variants = IODT_ARRAY_SIZE(iodt_variants);

const struct iodt_variant *iodt_variant(const char *name)
{
	size_t i;

	for (i = 0; i < iodt_nr_variants; i++)
		if (!strcmp(iodt_variants[i].name, name))
			return &iodt_variants[i];
	return NULL;
}

uint32_t iodt_out_bits(const struct iodt_variant *v)
{
	if (v->oas)
		return v->oas;
	if (v->format != IOD_ARM_LPAE_S1 && v->format != IOD_ARM_LPAE_S2)
		return 52;
	return v->features & IOD_PT_LPAE32 ? 40 : 48;
}

/* log2 of what one item of each level maps, from the level above the leaf table down */
static const unsigned int *item_shifts(const struct iodt_variant *v)
{
	static const unsigned int by_4k[] = { 48, 39, 30, 21, 12, 0 };
	static const unsigned int by_16k[] = { 47, 36, 25, 14, 0 };
	static const unsigned int by_64k[] = { 42, 29, 16, 0 };

	return v->granule == 16384 ? by_16k : v->granule == 65536 ? by_64k : by_4k;
}

uint64_t iodt_item_size(const struct iodt_variant *v, uint64_t size)
{
	const unsigned int *s = item_shifts(v);

	while (IODT_BIT(*s) > size)
		s++;
	return IODT_BIT(*s);
}

uint32_t iodt_item_level(const struct iodt_variant *v, uint64_t size)
{
	const unsigned int *s = item_shifts(v);
	uint32_t level = 0;

	while (IODT_BIT(*s) > size)
		s++;
	while (*++s)
		level++;
	return level;
}

static uint32_t size_caps(const struct iodt_variant *v)
{
	uint32_t caps = 0;
	unsigned int s;

	for (s = 12; s < 64; s++) {
		if (!(v->sizes & IODT_BIT(s)))
			continue;
		if (iodt_item_size(v, IODT_BIT(s)) != IODT_BIT(s))
			caps |= IODT_RUNS;
		if (iodt_item_level(v, IODT_BIT(s)) > 0)
			caps |= IODT_HUGE;
	}
	if (v->sizes == X86_ALL)
		caps |= IODT_X86_SIZES;
	if (v->sizes & IODT_4K)
		caps |= IODT_GRAN4K;
	return caps;
}

uint32_t iodt_caps(const struct iodt_variant *v)
{
	bool arm = v->format == IOD_ARM_LPAE_S1 || v->format == IOD_ARM_LPAE_S2;
	uint64_t span = v->last - v->first;
	uint32_t caps = size_caps(v) | IODT_RESIZE;

	if (v->features & HD || v->format == IOD_VTD_FS || v->format == IOD_AMD_V2)
		caps |= IODT_DIRTY;
	if (v->format == IOD_ARM_LPAE_S2 || v->format == IOD_VTD_SS || v->format == IOD_AMD_V1)
		caps |= IODT_WRITE_ONLY;
	if (v->last == UINT64_MAX)
		caps |= IODT_TOP64;
	if (v->hole_first)
		caps |= IODT_CANONICAL;
	if (v->max_levels)
		caps |= IODT_GROWS;
	if (arm)
		caps |= IODT_ARM;
	if (v->format == IOD_AMD_V1)
		caps |= IODT_REPLICAS;
	if (v->walk_levels > 1 || v->max_levels > 1)
		caps |= IODT_TABLES;
	if (span >= IODT_16G - 1)
		caps |= IODT_ROOMY;
	if (span >= IODT_1G - 1)
		caps |= IODT_MIDDLING;
	if (v->features & IOD_PT_UPPER)
		caps |= IODT_UPPER;
	if (v->features & HAFT)
		caps |= IODT_PRUNE;
	if (!arm || v->features & (BBM1 | BBM2))
		caps |= IODT_HITLESS;
	if (arm && (v->features & (BBM1 | BBM2)) == BBM1)
		caps |= IODT_NT;
	if (v->plain)
		caps |= IODT_PLAIN;
	return caps;
}
