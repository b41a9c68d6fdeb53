/* SPDX-License-Identifier: MIT */
/*
 * A guest's second-stage table of any bytes, invalidated in any way through a VT-d in caching mode. Whatever it says: the
 * shadow maps nothing but the guest's memory, and after an invalidation of everything what the library finds in both
 * tables is the same.
 *
 * Input: root (1), then turns of: descriptor (2 words), a word of the table (1 page, 2 index, 8 value).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <iodirty/iodirty.h>

#include "fuzz/fuzz.h"

#define PAGES  8u
#define MOVED  UINT64_C(0x40000000)
#define MEMORY (UINT64_C(16) << 20) /* what the guest has */
#define BUDGET UINT64_C(20000)

static _Alignas(4096) uint64_t table[PAGES * 512];

size_t fuzz_seed(unsigned n, uint8_t *buf, size_t max)
{
	uint8_t *at = buf;

	(void)max;
	if (n > 3)
		return 0;
	at = fuzz_put(at, 0, 1);
	for (unsigned level = 0; level < 4; level++) {
		at = fuzz_put(at, n & 1 ? 0x12 : 0x10022, 8);
		at = fuzz_put(at, 0, 8);
		at = fuzz_put(at, level, 1);
		at = fuzz_put(at, 3, 2);
		at = fuzz_put(at,
			      level == 3
				      ? 0x5003
				      : (level + 1) * 0x1000 | 3 | (n > 1 && level == 2 ? 0x80 : 0),
			      8);
	}
	return (size_t)(at - buf);
}

static int translate(void *cookie, uint64_t gpa, uint64_t *len, uint32_t *prot, uint64_t *pa)
{
	(void)cookie;
	(void)prot;
	if (gpa >= MEMORY)
		return -ENOENT;
	if (*len > MEMORY - gpa)
		*len = MEMORY - gpa;
	*pa = MOVED + gpa;
	return 0;
}

static int look(void *cookie, const struct iod_visit_event *e)
{
	uint64_t *n = cookie;

	FUZZ_CHECK(e->kind == IOD_VISIT_MAPPING);
	FUZZ_CHECK(e->mapping.pa >= MOVED && e->mapping.pa + e->mapping.len <= MOVED + MEMORY);
	*n += e->mapping.len;
	return 0;
}

static int compare(void *cookie, const struct iod_visit_event *e)
{
	struct iod_pgtable *shadow = cookie;
	struct iod_mapping m;
	int ret;

	if (e->kind != IOD_VISIT_MAPPING)
		return 0;
	ret = iod_translate(shadow, e->iova, &m);
	if (e->mapping.pa >= MEMORY || !(e->mapping.prot & 3)) {
		FUZZ_CHECK(ret == -ENOENT);
		return 0;
	}
	FUZZ_CHECK(!ret && m.pa + (e->iova - m.iova) == e->mapping.pa + MOVED);
	FUZZ_CHECK((m.prot & 3) == (e->mapping.prot & 3));
	return 0;
}

struct world {
	struct iod_mem *mem, *guest_mem;
	struct iod_pgtable *pt, *guest;
	struct iod_gather *gather;
	struct iod_shadow *shadow;
	struct iod_vtd_shadow *vs;
};

static void open_world(struct world *w, unsigned int root)
{
	struct iod_mem_region region = { .pa = 0, .len = sizeof(table), .host = table };
	struct iod_mem_vm_cfg vm = { .size = sizeof(vm), .regions = &region, .nr_regions = 1 };
	struct iod_mem_arena_cfg arena = { .size = sizeof(arena), .limit = UINT64_C(1) << 20 };
	struct iod_pgtable_cfg cfg = { .size = sizeof(cfg),
				       .format = IOD_VTD_SS,
				       .features = IOD_PT_HW_DIRTY };
	struct iod_shadow_ops ops = { .size = sizeof(ops), .translate = translate };
	struct iod_shadow_cfg scfg = { .size = sizeof(scfg),
				       .ops = &ops,
				       .flags = IOD_SHADOW_TRACK,
				       .batch = 64,
				       .domain = IOD_VTD_TAG_S2(1) };
	struct iod_vtd_shadow_cfg vcfg = { .size = sizeof(vcfg), .budget = BUDGET };

	FUZZ_CHECK(!iod_mem_create_arena(&w->mem, &arena));
	FUZZ_CHECK(!iod_mem_create_vm(&w->guest_mem, &vm));
	cfg.mem = w->mem;
	FUZZ_CHECK(!iod_pgtable_create(&w->pt, &cfg));
	cfg.mem = w->guest_mem;
	FUZZ_CHECK(!iod_pgtable_attach(&w->guest, &cfg, root * UINT64_C(4096)));
	FUZZ_CHECK(!iod_gather_create(&w->gather, w->pt, NULL));
	scfg.pt = w->pt;
	scfg.gather = w->gather;
	FUZZ_CHECK(!iod_shadow_create(&w->shadow, &scfg));
	FUZZ_CHECK(!iod_shadow_set_guest(w->shadow, w->guest, IOD_VTD_TAG_S2(1)));
	FUZZ_CHECK(!iod_vtd_id_full(&vcfg.guest));
	vcfg.guest.cap |= IOD_VTD_CAP_CM;
	FUZZ_CHECK(!iod_vtd_shadow_create(&w->vs, &vcfg));
	FUZZ_CHECK(!iod_vtd_shadow_add(w->vs, w->shadow));
}

static void close_world(struct world *w)
{
	FUZZ_CHECK(!iod_vtd_shadow_destroy(w->vs));
	FUZZ_CHECK(!iod_shadow_destroy(w->shadow));
	FUZZ_CHECK(!iod_gather_destroy(w->gather));
	FUZZ_CHECK(!iod_pgtable_destroy(w->pt));
	FUZZ_CHECK(!iod_pgtable_destroy(w->guest));
	FUZZ_CHECK(!iod_mem_destroy(w->mem));
	FUZZ_CHECK(!iod_mem_destroy(w->guest_mem));
}

static void check(struct world *w, bool everything)
{
	struct iod_shadow_stats stats = { .size = sizeof(stats) };
	uint64_t n = 0;
	struct iod_visit v = { .size = sizeof(v),
			       .len = UINT64_C(1) << 48,
			       .flags = IOD_VISIT_MAPPINGS_ONLY,
			       .fn = look,
			       .cookie = &n };

	FUZZ_CHECK(!iod_visit(w->pt, &v));
	FUZZ_CHECK(!iod_shadow_get_stats(w->shadow, &stats));
	FUZZ_CHECK(stats.present == n);
	if (!everything)
		return;
	v.fn = compare;
	v.cookie = w->pt;
	FUZZ_CHECK(!iod_visit(w->guest, &v));
}

/* As often as it takes, or until memory is at its end. @return whether all is done */
static bool settle(struct world *w)
{
	int ret = -EAGAIN;

	for (unsigned i = 0; i < 64 && ret == -EAGAIN; i++)
		ret = iod_vtd_shadow_sync(w->vs);
	FUZZ_CHECK(!ret || ret == -EAGAIN || ret == -ENOMEM);
	return !ret;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = { data, size };
	struct iod_vtd_raw_desc raw;
	struct world w;
	size_t handled;

	memset(table, 0, sizeof(table));
	open_world(&w, (unsigned int)fuzz_take(&in, 1) % PAGES);
	for (unsigned turn = 0; in.size && turn < 16; turn++) {
		unsigned int page, index;

		memset(&raw, 0, sizeof(raw));
		for (unsigned k = 0; k < 2; k++)
			fuzz_put((uint8_t *)&raw.word[k], fuzz_take(&in, 8), 8);
		page = (unsigned int)fuzz_take(&in, 1) % PAGES;
		index = (unsigned int)fuzz_take(&in, 2) % 512;
		fuzz_put((uint8_t *)&table[page * 512 + index], fuzz_take(&in, 8), 8);
		(void)iod_vtd_shadow_commands(w.vs, &raw, 1, &handled);
		(void)settle(&w);
		check(&w, false);
	}
	memset(&raw, 0, sizeof(raw));
	fuzz_put((uint8_t *)&raw.word[0], 0x12, 8);
	if (!iod_vtd_shadow_commands(w.vs, &raw, 1, &handled) && settle(&w))
		check(&w, true);
	close_world(&w);
	return 0;
}
