/* SPDX-License-Identifier: MIT */
/* Each format bit for bit: entries that the library wrote against entries composed by hand. */
#include "iodtest.h"

/* All items of the leaf at @iova are what the specification says, but for @ignore. */
static void check_items(struct iodt *t, uint64_t iova, uint64_t size, uint64_t pa, uint32_t prot)
{
	uint64_t item = iodt_item_size(t->v, size), n, want, got, ignore;
	struct iod_mapping m;

	if (prot & IOD_PROT_WRITE && !(t->caps & IODT_WRITE_ONLY))
		prot |= IOD_PROT_READ;
	ignore = iodt_leaf_free_bits(t->v, prot);
	iodt_assert_ok(iod_translate(t->pt, iova, &m));
	assert_int_equal(m.items, size / item);
	for (n = 0; n < size / item; n++) {
		want = iodt_make_leaf(t->v, size, pa + n * item, prot);
		got = iodt_read(t, m.pte_pa + 8 * n);
		if ((want ^ got) & ~ignore)
			print_error("want %016jx, got %016jx\n", (uintmax_t)want, (uintmax_t)got);
		assert_int_equal((want ^ got) & ~ignore, 0);
	}
}

/* Every leaf and run size at every level, every output address bit. */
static void leaves_of_every_size(struct iodt *t)
{
	uint64_t size, pa, out = IODT_BIT(iodt_out_bits(t->v));
	unsigned int s, bit;

	for (s = 12; s < 64; s++) {
		size = IODT_BIT(s);
		if (!(t->v->sizes & size))
			continue;
		for (bit = s; bit < 53; bit++) {
			pa = bit == 52 ? out - size : IODT_BIT(bit);
			if (pa >= out)
				continue;
			iodt_map(t, t->v->first, pa, size, IODT_RW);
			check_items(t, t->v->first, size, pa, IODT_RW);
			iodt_unmap(t, t->v->first, size);
			iodt_sync(t);
		}
	}
}

/* Attributes round-trip bit for bit, or are refused where the format has no such bit. */
static void attributes_bit_for_bit(struct iodt *t)
{
	static const uint32_t flag[] = { IOD_PROT_READ, IOD_PROT_WRITE,	 IOD_PROT_NOEXEC,
					 IOD_PROT_PRIV, IOD_PROT_GLOBAL, IOD_PROT_SNOOP,
					 IOD_PROT_DIRTY };
	uint64_t size, iova = t->v->first;
	uint32_t set, prot, i;
	unsigned int s;
	int ret;

	for (set = 0; set < 128; set++) {
		for (prot = 0, i = 0; i < 7; i++)
			prot |= set >> i & 1 ? flag[i] : 0;
		if (!(prot & IODT_RW) || (prot & IOD_PROT_DIRTY && !(prot & IOD_PROT_WRITE)))
			continue;
		if (prot & IOD_PROT_DIRTY && !(t->caps & IODT_DIRTY))
			continue;
		for (s = 12; s < 35; s++) {
			size = IODT_BIT(s);
			if (!(t->v->sizes & size))
				continue;
			ret = iod_map(t->pt, iova, 0, size, prot, t->gather, NULL);
			if (ret) {
				assert_int_equal(ret, -EOPNOTSUPP);
				break;
			}
			check_items(t, iova, size, 0, prot);
			iodt_assert_ok(iod_unmap(t->pt, iova, size, 0, t->gather, NULL));
		}
		iodt_sync(t);
	}
}

/* Which flags each format has: bits.md A1.6, A1.7, A2.1, A2.2, A3.1, A3.5. */
static void flags_that_a_format_lacks(struct iodt *t)
{
	static const struct {
		enum iod_format format;
		uint32_t has;
	} table[] = {
		{ IOD_ARM_LPAE_S1, IOD_PROT_NOEXEC | IOD_PROT_PRIV | IOD_PROT_GLOBAL },
		{ IOD_ARM_LPAE_S2, IOD_PROT_NOEXEC },
		{ IOD_VTD_SS, IOD_PROT_SNOOP },
		{ IOD_VTD_FS, IOD_PROT_NOEXEC | IOD_PROT_PRIV | IOD_PROT_GLOBAL },
		{ IOD_AMD_V1, IOD_PROT_SNOOP },
		{ IOD_AMD_V2, IOD_PROT_NOEXEC | IOD_PROT_PRIV | IOD_PROT_GLOBAL },
	};
	static const uint32_t flags[] = { IOD_PROT_NOEXEC, IOD_PROT_PRIV, IOD_PROT_GLOBAL,
					  IOD_PROT_SNOOP };
	uint32_t has = 0;
	size_t i;

	for (i = 0; i < IODT_ARRAY_SIZE(table); i++)
		if (table[i].format == t->v->format)
			has = table[i].has;
	for (i = 0; i < IODT_ARRAY_SIZE(flags); i++) {
		assert_int_equal(iod_map(t->pt, t->v->first, 0, t->page, IODT_RW | flags[i],
					 t->gather, NULL),
				 has & flags[i] ? 0 : -EOPNOTSUPP);
		if (has & flags[i])
			iodt_assert_ok(iod_unmap(t->pt, t->v->first, t->page, 0, t->gather, NULL));
	}
	iodt_verify(t);
}

/* Memory attributes: how many there are, and where their bits go. */
static void memory_attributes(struct iodt *t)
{
	uint32_t n, nr = t->v->format == IOD_AMD_V1					 ? 0
			 : t->v->format == IOD_ARM_LPAE_S2 || t->v->format == IOD_VTD_SS ? 16
											 : 8;
	uint64_t size, iova = t->v->first;
	struct iod_mapping m;
	unsigned int s;

	if (t->v->features & IOD_PT_S2FWB)
		nr = 8; /* bit 5 is reserved */
	for (n = 0; n < nr; n++) {
		for (s = 12; s < 35; s++) {
			size = IODT_BIT(s);
			if (!(t->v->sizes & size))
				continue;
			iodt_map(t, iova, 0, size, IODT_RW | IOD_PROT_MEMATTR(n));
			check_items(t, iova, size, 0, IODT_RW | IOD_PROT_MEMATTR(n));
			iodt_assert_ok(iod_translate(t->pt, iova, &m));
			assert_int_equal(m.memattr, n);
			iodt_unmap(t, iova, size);
			iodt_sync(t);
		}
	}
	for (n = nr ? nr * 2 : 0; n < 256; n = n * 2 + 1)
		assert_int_not_equal(
			iod_map(t->pt, iova, 0, t->page, IODT_RW | IOD_PROT_MEMATTR(n), NULL, NULL),
			0);
	iodt_verify(t);
}

/* Stage 1 and 2 shareability: 0 non, 2 outer, 3 inner; 1 is reserved. */
static void shareability(struct iodt *t)
{
	static const uint32_t sh[] = { 0, 2, 3 };
	struct iod_mapping m;
	size_t i;

	for (i = 0; i < 3; i++) {
		iodt_map(t, t->v->first, 0, t->page, IODT_RW | IOD_PROT_SH(sh[i]));
		iodt_assert_ok(iod_translate(t->pt, t->v->first, &m));
		assert_int_equal(m.pte >> 8 & 3, sh[i]);
		iodt_unmap(t, t->v->first, t->page);
		iodt_sync(t);
	}
	assert_int_equal(
		iod_map(t->pt, t->v->first, 0, t->page, IODT_RW | IOD_PROT_SH(1), NULL, NULL),
		-EINVAL);
}

/* DBM = 0 with the leaf writable: "no DBM" is asked for by name. */
static void untracked_bit_for_bit(struct iodt *t)
{
	uint32_t prot = IODT_RW | IOD_PROT_UNTRACKED;

	iodt_map(t, t->v->first, 0, t->page, prot);
	check_items(t, t->v->first, t->page, 0, prot);
}

struct tables {
	struct iodt *t;
	uint64_t pa[8];
	uint32_t level[8];
	size_t nr;
};

static int collect_tables(void *cookie, const struct iod_visit_event *ev)
{
	struct tables *tab = cookie;

	if (ev->kind == IOD_VISIT_TABLE) {
		assert_in_range(tab->nr, 0, 7);
		tab->pa[tab->nr] = ev->table_pa;
		tab->level[tab->nr++] = ev->level;
	}
	return 0;
}

/* Table pointers at every level, and the index by which each level is reached. */
static void table_pointers(struct iodt *t)
{
	uint64_t item, want, got, off,
		bits = t->v->granule > 4096 ? (t->v->granule == 16384 ? 11 : 13) : 9;
	uint64_t iova = t->v->first;
	struct tables tab = { .t = t };
	struct iod_visit visit = { .size = sizeof(visit), .fn = collect_tables, .cookie = &tab };
	size_t i;

	iodt_map(t, iova, 0, t->page, IODT_RW);
	visit.iova = iova;
	visit.len = t->page;
	iodt_assert_ok(iod_visit(t->pt, &visit));
	assert_int_equal(tab.nr, iodt_info(t->pt).levels);
	for (i = 0; i + 1 < tab.nr; i++) {
		assert_int_equal(tab.level[i], tab.nr - 1 - i);
		want = iodt_make_table(t->v, tab.level[i], tab.pa[i + 1]);
		got = iodt_read(t, tab.pa[i]);
		assert_int_equal((want ^ got) & ~iodt_accessed_bit(t->v), 0);
	}
	/* each input bit picks one item of one level */
	for (off = t->page;
	     off && off - 1 < (t->v->hole_first ? t->v->hole_first - 1 : t->v->last - t->v->first);
	     off <<= 1) {
		iodt_map(t, iova + off, 0, t->page, IODT_RW);
		for (item = t->page, i = 0; off / item >= IODT_BIT(bits); i++)
			item <<= bits;
		if (i >= tab.nr || t->v->max_levels) /* a concatenated or grown root */
			continue;
		assert_int_not_equal(iodt_read(t, tab.pa[tab.nr - 1 - i] + off / item * 8), 0);
	}
	iodt_verify(t);
}

/* Bits that hardware ignores disturb nothing: reading, sweeping, unmapping. */
static void software_bits_disturb_nothing(struct iodt *t)
{
	uint64_t soft, iova = t->v->first, size = iodt_largest(t->v);
	struct iodt_bits b;
	struct mdl_leaf leaf;

	/* ARM 58:55; VT-d SS 60:52 and 63; x86 58:52 and 11:9; AMD 63, 8:7 and 4:1 */
	soft = t->caps & IODT_ARM	    ? IODT_BIT(55) | IODT_BIT(58)
	       : t->v->format == IOD_VTD_SS ? IODT_BIT(52) | IODT_BIT(60) | IODT_BIT(63)
	       : t->v->format == IOD_AMD_V1 ? IODT_BIT(63) | IODT_BIT(7) | IODT_BIT(3)
					    : IODT_BIT(9) | IODT_BIT(52) | IODT_BIT(58);
	while (size > IODT_1G)
		size >>= 1;
	while (!(t->v->sizes & size))
		size >>= 1;
	iodt_map(t, iova, 0, size, IODT_RW);
	leaf = iodt_walk(t, iova);
	iodt_write(t, leaf.pte_pa, leaf.pte | soft);
	iodt_mark_item(t, iova, 0);
	iodt_bits_init(&b, iova, size, t->page);
	iodt_sweep(t, IOD_SWEEP_CLEAR, 0, iova, size, 0, &b);
	assert_int_equal(iodt_bits_count(&b), size / t->page);
	assert_int_equal(iodt_read(t, leaf.pte_pa) & soft, soft);
	iodt_bits_free(&b);
	iodt_unmap(t, iova, size);
	iodt_verify(t);
}

/* The size codes worked out in bits.md A3.3, output address 0. */
static void amd_size_codes(void **state)
{
	static const struct {
		uint64_t size, code;
	} table[] = {
		{ IODT_BIT(13), 0xe00 },  { IODT_BIT(14), 0x1e00 },
		{ IODT_BIT(15), 0x3e00 }, { IODT_BIT(16), 0x7e00 },
		{ IODT_1M, 0x7fe00 },	  { IODT_BIT(22), 0x1ffe00 },
		{ IODT_512M, 0xffffe00 }, { IODT_BIT(31), 0x3ffffe00 },
		{ IODT_4K, 0 },		  { IODT_2M, 0 },
		{ IODT_1G, 0 },
	};
	struct iodt *t;
	struct iod_mapping m;
	size_t i;

	if (!iod_format_ops(IOD_AMD_V1))
		skip();
	t = iodt_open(iodt_variant("amd_v1-mode4"));
	assert_non_null(t);
	for (i = 0; i < IODT_ARRAY_SIZE(table); i++) {
		iodt_map(t, 0, 0, table[i].size, IODT_RW);
		iodt_assert_ok(iod_translate(t->pt, table[i].size - 1, &m));
		assert_int_equal(m.pte & 0xffffffffffe00u, table[i].code);
		assert_int_equal(iodt_read(t, m.pte_pa + 8 * (m.items - 1)), m.pte);
		iodt_unmap(t, 0, table[i].size);
		iodt_sync(t);
	}
	iodt_assert_ok(iodt_close(t));
}

static const struct iodt_test tests[] = {
	{ "leaves_of_every_size", 0, 0, leaves_of_every_size },
	{ "attributes_bit_for_bit", 0, 0, attributes_bit_for_bit },
	{ "flags_that_a_format_lacks", 0, 0, flags_that_a_format_lacks },
	{ "memory_attributes", 0, 0, memory_attributes },
	{ "shareability", IODT_ARM, 0, shareability },
	{ "untracked_bit_for_bit", IODT_ARM, 0, untracked_bit_for_bit },
	{ "table_pointers", 0, 0, table_pointers },
	{ "software_bits_disturb_nothing", IODT_DIRTY, 0, software_bits_disturb_nothing },
};

static const struct CMUnitTest plain[] = {
	cmocka_unit_test(amd_size_codes),
};

int main(int argc, char **argv)
{
	return iodt_main(argc, argv, tests, IODT_ARRAY_SIZE(tests), plain, IODT_ARRAY_SIZE(plain));
}
