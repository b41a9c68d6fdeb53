/* SPDX-License-Identifier: MIT */
/*
 * Structures that a guest wrote: device table, DTE, GCR3 and page tables in a small memory, and one access. Whatever
 * lies there, the lookups stay inside and end; and what they find is what a reading of its own finds, by the rules
 * of bits.md A3 and the model's page tables.
 *
 * Input: EFR; device table base; DeviceID, PASID, flags, IOVA; then words of memory, each with its number before it.
 */
#include <errno.h>
#include <stdlib.h>

#include <iodirty/amdvi_dte.h>
#include <iodirty/mem.h>
#include <iodirty/pgtable.h>

#include "amdvi/golden_amdvi.h"
#include "fuzz/fuzz.h"
#include "model.h"

#define WORDS		8192u /* 64 KiB at address 0 */
#define FLAG_PASID	1u
#define BITS(w, hi, lo) ((w) >> (lo) & ((UINT64_C(2) << ((hi) - (lo))) - 1))

struct world {
	uint64_t word[WORDS];
	struct iod_amdvi_id id;
	struct iod_amdvi_devtab tab;
	struct iod_mem *mem;
	struct iod_pgtable *host;
	struct mdl_mem mdl_mem;
	struct mdl_table mdl_host;
	uint16_t devid;
	uint32_t pasid;
	bool pasid_valid;
	uint64_t iova;
	uint64_t dte[4]; /* as this reads it */
};

/* ---- corpus ---- */

static uint8_t *put_word(uint8_t *at, unsigned pa, uint64_t v)
{
	return fuzz_put(fuzz_put(at, pa / 8, 2), v, 8);
}

#define RW  (UINT64_C(3) << 61)
#define GV  (UINT64_C(1) << 55)
#define V12 UINT64_C(3)

/* Host tables from 4000h: IOVA 0 to 2 MiB is memory from 0, page by page where there is some; guest ones from 8000h. */
static uint8_t *put_tables(uint8_t *at)
{
	unsigned i;

	at = put_word(at, 0x4000, 0x5000 | RW | 2 << 9 | 1);
	at = put_word(at, 0x5000, 0x6000 | RW | 1 << 9 | 1);
	for (i = 0; i < 16; i++)
		at = put_word(at, 0x6000 + 8 * i, i << 12 | RW | 1);
	at = put_word(at, 0x8000, 0x9007);
	at = put_word(at, 0x9000, 0xa007);
	at = put_word(at, 0xa000, 0xb007);
	for (i = 0; i < 8; i++)
		at = put_word(at, 0xb000 + 8 * i, i << 12 | 0x67);
	/* GCR3 tables: one level at 2000h, two from 3000h */
	at = put_word(at, 0x2000, 0x8001);
	at = put_word(at, 0x2018, 0x8001);
	return put_word(at, 0x3000, 0x2001);
}

size_t fuzz_seed(unsigned n, uint8_t *buf, size_t max)
{
	/* GCR3 at 2000h, 3000h: bits 14:12 at 60:58 */
	const uint64_t one = UINT64_C(2) << 58, two = UINT64_C(3) << 58 | UINT64_C(1) << 56;
	const uint64_t host = 0x4000 | 3 << 9, giov = UINT64_C(1) << 54;
	const uint64_t dtes[] = {
		V12 | RW | host,
		V12 | RW | host | 3 << 7,
		V12 | RW | GV | one,
		V12 | RW | GV | two,
		V12 | RW | GV | giov | one,
		V12 | RW | GV | one | host,
		V12 | RW | GV | giov | two | host,
		V12 | RW,
		V12,
		0,
	};
	uint8_t *at = buf;

	(void)max;
	if (n >= 2 * sizeof(dtes) / sizeof(dtes[0]))
		return 0;
	at = fuzz_put(at, ~UINT64_C(0), 8);
	at = fuzz_put(at, 0x1000, 8);
	at = fuzz_put(at, 1, 2);
	at = fuzz_put(at, 3, 4);
	at = fuzz_put(at, n & 1 ? FLAG_PASID : 0, 1);
	at = fuzz_put(at, 0x3456, 8);
	at = put_word(at, 0x1020, dtes[n / 2]);
	at = put_word(at, 0x1028, 7);
	return (size_t)(put_tables(at) - buf);
}

/* ---- the world, and this file's own reading of it ---- */

static int model_read(void *cookie, uint64_t pa, uint64_t *val)
{
	const struct world *w = cookie;

	return fuzz_word(w->word, WORDS, pa, val);
}

static unsigned host_levels(uint64_t efr)
{
	return BITS(efr, 11, 10) < 2 ? 4 + (unsigned)BITS(efr, 11, 10) : 6;
}

/* The rules of A3.2, A3.4, A3.6. */
static bool legal(uint64_t efr, const uint64_t *d)
{
	bool tv = d[0] & 2, gv = BITS(d[0], 55, 55), gt = efr & 0x10;
	uint64_t mode = BITS(d[0], 11, 9), had = BITS(d[0], 8, 7), glx = BITS(d[0], 57, 56);
	uint64_t gpm = BITS(d[2], 55, 54), sup = BITS(efr, 15, 14);
	bool gcr3 = BITS(d[0], 60, 58) || BITS(d[1], 31, 16) || BITS(d[1], 63, 43);

	if (!(d[0] & 1))
		return true;
	if (BITS(d[0], 6, 2) || d[0] >> 63 || BITS(d[1], 36, 35) == 3)
		return false;
	if (tv && (mode == 7 || mode > host_levels(efr) || had == 2))
		return false;
	if (tv && ((had && !BITS(efr, 49, 49)) || (had == 3 && !BITS(efr, 52, 52))))
		return false;
	if (!gt && (gv || glx || gcr3 || gpm))
		return false;
	if ((BITS(d[0], 54, 54) && !BITS(efr, 48, 48)) ||
	    (BITS(d[0], 53, 52) && !BITS(efr, 50, 50)))
		return false;
	return !gv || (glx < 3 && glx <= sup && gpm < 2 && (!gpm || BITS(efr, 13, 12)));
}

/* Bits that only the model's legal() was asked about are equal; now the way. */
static int own_route(const uint64_t *d, bool pasid)
{
	bool tv = d[0] & 2, guest = BITS(d[0], 55, 55) && (pasid || BITS(d[0], 54, 54));
	bool mode = BITS(d[0], 11, 9);

	if (!(d[0] & 1))
		return IOD_AMDVI_BYPASS;
	if (!tv || !BITS(d[0], 62, 61) || (pasid && !guest))
		return IOD_AMDVI_BLOCKED;
	if (guest)
		return mode ? IOD_AMDVI_NESTED : IOD_AMDVI_GUEST;
	return mode ? IOD_AMDVI_HOST : IOD_AMDVI_BYPASS;
}

/* One word at an address that the host table translates, or none does. @return 0; -1; 1 bits that older hardware
 * reserves (58:57 of leaves), which the library lets pass */
static int own_read(struct world *w, bool nested, uint64_t addr, uint64_t *val)
{
	struct mdl_leaf leaf;

	if (nested) {
		enum mdl_fault fault = mdl_walk(&w->mdl_host, &w->mdl_mem, addr, &leaf);

		if (fault != MDL_OK)
			return fault == MDL_RESERVED ? 1 : -1;
		addr = leaf.pa + (addr - leaf.iova);
	}
	return model_read(w, addr, val);
}

/* @return 0 and a valid entry; -1 none; 1 as own_read() */
static int own_gcr3(struct world *w, bool nested, uint64_t *entry)
{
	const uint64_t *d = w->dte;
	uint64_t table =
		BITS(d[0], 60, 58) << 12 | BITS(d[1], 31, 16) << 15 | BITS(d[1], 63, 43) << 31;
	unsigned glx = (unsigned)BITS(d[0], 57, 56), bits = (unsigned)BITS(w->id.efr, 36, 32) + 1;
	uint32_t pasid = w->pasid_valid ? w->pasid : 0;
	int ret;

	if (pasid >> (bits < 20 ? bits : 20) || pasid >> 9 * (glx + 1))
		return -1;
	*entry = table | 1;
	for (int level = (int)glx; level >= 0; level--) {
		table = *entry & UINT64_C(0x000ffffffffff000);
		ret = own_read(w, nested, table + 8 * (pasid >> 9 * level & 511), entry);
		if (ret || !(*entry & 1))
			return ret ? ret : -1;
	}
	return 0;
}

/* ---- the library's ---- */

static void same_page(struct world *w, struct iod_pgtable_cfg *cfg, uint64_t root,
		      struct mdl_table *table)
{
	struct iod_pgtable *pt;
	struct iod_mapping map;
	struct mdl_leaf leaf;
	enum mdl_fault fault;
	int ret;

	cfg->mem = w->mem;
	cfg->flags = IOD_ATTACH_ANY_ROOT;
	fault = mdl_walk(table, &w->mdl_mem, w->iova, &leaf);
	if (iod_pgtable_attach(&pt, cfg, root)) {
		FUZZ_CHECK(fault != MDL_OK);
		return;
	}
	ret = iod_translate(pt, w->iova, &map);
	FUZZ_CHECK(ret == 0 || ret == -ENOENT || ret == -ERANGE || ret == -EFAULT);
	/* bits 58:57 of a leaf mean something to newer hardware, and the model knows the older */
	if (!ret && fault == MDL_RESERVED && (map.pte >> 57 & 3))
		fault = MDL_OK;
	else
		FUZZ_CHECK(!ret == (fault == MDL_OK));
	if (!ret && !(map.pte >> 57 & 3))
		FUZZ_CHECK(map.pa + (w->iova - map.iova) == leaf.pa + (w->iova - leaf.iova));
	iod_pgtable_destroy(pt);
}

static int host_translate(void *cookie, uint64_t gpa, uint64_t *pa)
{
	struct world *w = cookie;

	return iod_iova_to_phys(w->host, gpa, pa) ? 1000 : 0;
}

static void guest(struct world *w, const struct iod_amdvi_dte *dte, bool nested)
{
	struct mdl_table table = { .format = MDL_AMD_V2,
				   .granule_lg2 = 12,
				   .levels = 4 + dte->guestpagingmode,
				   .ias = 48,
				   .oas = 52 };
	uint64_t entry, pa, own = 0, root;
	struct iod_pgtable_cfg cfg;
	enum iod_amdvi_event_type event;
	int ret, own_ret = own_gcr3(w, nested, &own);

	ret = iod_amdvi_gcr3_lookup(dte, &w->id, w->mem, w->pasid_valid ? (int64_t)w->pasid : -1,
				    nested ? host_translate : NULL, w, &entry, &pa, &event);
	FUZZ_CHECK(ret == 0 || ret == 1000 || ret == -ENOENT || ret == -EFAULT);
	if (own_ret == 1)
		return;
	FUZZ_CHECK(!ret == !own_ret);
	FUZZ_CHECK(ret == 0 || ret == 1000 || event);
	if (ret)
		return;
	FUZZ_CHECK(entry == own);
	FUZZ_CHECK(!iod_amdvi_dte_get_guest(dte, entry, &cfg, &root, NULL));
	table.root = root;
	table.ias = dte->guestpagingmode ? 57 : 48;
	if (!nested)
		same_page(w, &cfg, root, &table);
}

static void walk(struct world *w, const struct iod_amdvi_dte *dte, int route)
{
	struct iod_pgtable_cfg cfg;
	uint64_t root;

	if (route == IOD_AMDVI_GUEST) {
		guest(w, dte, false);
		return;
	}
	if (route != IOD_AMDVI_HOST && route != IOD_AMDVI_NESTED)
		return;
	FUZZ_CHECK(!iod_amdvi_dte_get_host(dte, &cfg, &root, NULL));
	w->mdl_host = (struct mdl_table){ .format = MDL_AMD_V1,
					  .root = root,
					  .granule_lg2 = 12,
					  .levels = dte->mode,
					  .ias = 64,
					  .oas = 52 };
	if (route == IOD_AMDVI_HOST) {
		same_page(w, &cfg, root, &w->mdl_host);
		return;
	}
	cfg.mem = w->mem;
	cfg.flags = IOD_ATTACH_ANY_ROOT;
	if (iod_pgtable_attach(&w->host, &cfg, root))
		return;
	guest(w, dte, true);
	iod_pgtable_destroy(w->host);
}

static void access_memory(struct world *w)
{
	enum iod_amdvi_event_type event;
	struct iod_amdvi_raw_dte raw;
	struct iod_amdvi_dte dte;
	uint64_t pa, own = (w->tab.base & UINT64_C(0x000ffffffffff000)) + 32 * w->devid;
	bool inside = 32 * (uint64_t)w->devid < ((w->tab.base & 0x1ff) + 1) * 4096;
	int ret, route;

	ret = iod_amdvi_devtab_lookup(&w->tab, w->mem, w->devid, &pa, &event);
	FUZZ_CHECK(pa == own);
	FUZZ_CHECK(!ret == (inside && own + 32 <= 8 * WORDS));
	FUZZ_CHECK(!ret || (ret == -ENOENT && !inside) || (ret == -EFAULT && inside));
	if (ret)
		return;
	FUZZ_CHECK(!iod_amdvi_dte_read(&raw, w->mem, pa));
	FUZZ_CHECK(!iod_amdvi_dte_decode(&dte, &raw));
	for (unsigned i = 0; i < 4; i++)
		FUZZ_CHECK(!model_read(w, own + 8 * i, &w->dte[i]));
	ret = iod_amdvi_dte_check(&dte, &w->id, 0, NULL);
	FUZZ_CHECK(!ret == legal(w->id.efr, w->dte));
	if (ret)
		return;
	FUZZ_CHECK(!iod_amdvi_dte_effective(&dte, &dte, &w->id));
	route = iod_amdvi_dte_route(&dte, w->pasid_valid, NULL);
	FUZZ_CHECK(route == own_route(w->dte, w->pasid_valid));
	walk(w, &dte, route);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = { data, size };
	struct iod_mem_region region = { .pa = 0, .len = 8 * WORDS };
	struct iod_mem_vm_cfg cfg = { .size = sizeof(cfg), .regions = &region, .nr_regions = 1 };
	struct world *w = calloc(1, sizeof(*w));

	if (!w)
		return 0;
	w->id.efr = fuzz_take(&in, 8);
	w->tab.base = fuzz_take(&in, 8);
	w->devid = (uint16_t)fuzz_take(&in, 2);
	w->pasid = (uint32_t)fuzz_take(&in, 4) & 0xfffff;
	w->pasid_valid = fuzz_take(&in, 1) & FLAG_PASID;
	w->iova = fuzz_take(&in, 8);
	while (in.size) {
		unsigned at = (unsigned)fuzz_take(&in, 2) % WORDS;

		fuzz_put((uint8_t *)&w->word[at], fuzz_take(&in, 8), 8);
	}
	region.host = w->word;
	FUZZ_CHECK(!iod_mem_create_vm(&w->mem, &cfg));
	w->mdl_mem = (struct mdl_mem){ .cookie = w, .read64 = model_read };
	access_memory(w);
	FUZZ_CHECK(!iod_mem_destroy(w->mem));
	free(w);
	return 0;
}
