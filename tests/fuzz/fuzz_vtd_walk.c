/* SPDX-License-Identifier: MIT */
/*
 * Structures that a guest wrote: root, context and PASID tables and page tables in a small memory, and one request.
 * Whatever lies there, the lookups stay inside and end; what they find is what the model finds; and the tables that
 * they lead to can be walked.
 *
 * Input: CAP, ECAP, RTADDR; source-id, PASID, flags, IOVA; then words of memory, each with its number before it.
 */
#include <errno.h>
#include <stdlib.h>

#include <iodirty/devices.h>
#include <iodirty/mem.h>
#include <iodirty/pgtable.h>
#include <iodirty/vtd_entry.h>

#include "fuzz/fuzz.h"
#include "mdl_vtd.h"

#define WORDS	   8192u /* 64 KiB at address 0 */
#define FLAG_PASID 1u
#define FLAG_PRIV  2u
#define FLAG_PAGE  4u
#define FLAG_REV5  8u
#define FLAG_AT(f) ((f) >> 4 & 3)

struct world {
	uint64_t word[WORDS];
	struct iod_mem *mem;
	struct mdl_mem mdl;
	struct iod_vtd_id id;
	struct iod_vtd_lookup l;
	struct mdl_vtd_result want;
	uint64_t iova;
};

/* ---- corpus ---- */

static uint8_t *put_word(uint8_t *at, unsigned pa, uint64_t v)
{
	return fuzz_put(fuzz_put(at, pa / 8, 2), v, 8);
}

static uint8_t *put_header(uint8_t *at, uint64_t rtaddr, unsigned pasid, unsigned flags)
{
	at = fuzz_put(at, UINT64_MAX, 8);
	at = fuzz_put(at, UINT64_MAX, 8);
	at = fuzz_put(at, rtaddr, 8);
	at = fuzz_put(at, 0x110, 2);
	at = fuzz_put(at, pasid, 4);
	at = fuzz_put(at, flags, 1);
	return fuzz_put(at, 0x3000, 8);
}

/* Four levels to one page, second stage and first stage. */
static uint8_t *put_tables(uint8_t *at)
{
	at = put_word(at, 0x8000, 0x9007);
	at = put_word(at, 0x9000, 0xa007);
	at = put_word(at, 0xa000, 0xb007);
	return put_word(at, 0xb018, 0xc007);
}

size_t fuzz_seed(unsigned n, uint8_t *buf, size_t max)
{
	static const uint64_t pgtt[] = { 1, 2, 3, 4 };
	uint8_t *at = buf;

	(void)max;
	if (n > 4)
		return 0;
	at = put_header(at, n ? 0x1400 : 0x1000, n == 4 ? 0 : 5, n && n != 4 ? FLAG_PASID : 0);
	at = put_word(at, 0x1010, 0x2001);
	if (!n) { /* legacy */
		at = put_word(at, 0x2100, 0x8001);
		at = put_word(at, 0x2108, 2 | 5 << 8);
		return (size_t)(put_tables(at) - buf);
	}
	at = put_word(at, 0x2200, 0x3009);
	at = put_word(at, 0x3000, 0x4001);
	at = put_word(at, 0x4000 + (n == 4 ? 0 : 5 * 64),
		      0x8001 | 2 << 2 | pgtt[n - 1] << 6 | (n == 4 ? 0 : 1 << 9));
	at = put_word(at, 0x4008 + (n == 4 ? 0 : 5 * 64), 7);
	at = put_word(at, 0x4010 + (n == 4 ? 0 : 5 * 64), 0x8000);
	return (size_t)(put_tables(at) - buf);
}

/* ---- the world ---- */

static int model_read(void *cookie, uint64_t pa, uint64_t *val)
{
	const struct world *w = cookie;

	return fuzz_word(w->word, WORDS, pa, val);
}

static void take(struct world *w, struct fuzz_in *in)
{
	unsigned flags, at;

	w->id.cap = fuzz_take(in, 8);
	w->id.ecap = fuzz_take(in, 8);
	w->l.size = sizeof(w->l);
	w->l.mem = w->mem;
	w->l.id = &w->id;
	w->l.rtaddr = fuzz_take(in, 8);
	w->l.source_id = (uint16_t)fuzz_take(in, 2);
	w->l.pasid = (int64_t)fuzz_take(in, 4) & 0x1fffff;
	flags = (unsigned)fuzz_take(in, 1);
	if (!(flags & FLAG_PASID))
		w->l.pasid = -1;
	w->l.priv = flags & FLAG_PRIV;
	w->l.page_request = flags & FLAG_PAGE;
	w->l.flags = flags & FLAG_REV5 ? IOD_VTD_CHECK_REV5 : 0;
	w->l.at = FLAG_AT(flags) == 3 ? 0 : (uint8_t)FLAG_AT(flags);
	w->iova = fuzz_take(in, 8);
	while (in->size) {
		at = (unsigned)fuzz_take(in, 2) % WORDS;
		fuzz_put((uint8_t *)&w->word[at], fuzz_take(in, 8), 8);
	}
}

static void walk(struct world *w, struct iod_pgtable_cfg *cfg, uint64_t root)
{
	struct iod_pgtable *pt;
	struct iod_mapping map;
	int ret;

	cfg->mem = w->mem;
	ret = iod_pgtable_attach(&pt, cfg, root);
	/* what an entry says is a table, or its root is not in memory */
	FUZZ_CHECK(ret == 0 || ret == -EFAULT);
	if (ret)
		return;
	ret = iod_translate(pt, w->iova, &map);
	FUZZ_CHECK(ret == 0 || ret == -ENOENT || ret == -ERANGE || ret == -EFAULT);
	FUZZ_CHECK(!iod_pgtable_destroy(pt));
}

static void tables(struct world *w)
{
	const struct iod_vtd_pasid *pe = &w->l.pasid_entry;
	uint32_t ssirwe =
		w->l.scalable && w->l.rtaddr & IOD_VTD_RTADDR_SSIRWE ? IOD_VTD_CHECK_SSIRWE : 0;
	struct iod_pgtable_cfg cfg;
	const char *why = NULL;
	uint64_t root;
	int ret;

	if (!w->l.scalable)
		ret = iod_vtd_context_get_second(&w->l.context, &w->id, 0, &cfg, &root, &why);
	else
		ret = iod_vtd_pasid_get_second(pe, &w->id, ssirwe, &cfg, &root, &why);
	FUZZ_CHECK(!ret == !why);
	if (!ret)
		walk(w, &cfg, root);
	if (w->l.scalable && !iod_vtd_pasid_get_first(pe, &w->id, &cfg, &root, &why))
		walk(w, &cfg, root);
}

static int count(void *cookie, const struct iod_device *device)
{
	(void)device;
	return ++*(unsigned *)cookie > 100;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = { data, size };
	struct world *w = calloc(1, sizeof(*w));
	struct iod_mem_region region = { .len = WORDS * 8 };
	struct iod_mem_vm_cfg cfg = { .size = sizeof(cfg), .regions = &region, .nr_regions = 1 };
	struct mdl_vtd_request req;
	struct mdl_vtd_id mid;
	unsigned nr = 0;
	int ret;

	FUZZ_CHECK(w);
	region.host = w->word;
	FUZZ_CHECK(!iod_mem_create_vm(&w->mem, &cfg));
	w->mdl = (struct mdl_mem){ .cookie = w, .read64 = model_read };
	take(w, &in);
	mid = (struct mdl_vtd_id){ w->id.cap, w->id.ecap };
	req = (struct mdl_vtd_request){ .rtaddr = w->l.rtaddr,
					.sid = w->l.source_id,
					.has_pasid = w->l.pasid >= 0,
					.pasid = (unsigned)w->l.pasid,
					.priv = w->l.priv,
					.page_request = w->l.page_request,
					.at = w->l.at,
					.old_fields = !w->l.flags };
	mdl_vtd_find(&w->mdl, &mid, &req, &w->want);
	ret = iod_vtd_lookup(&w->l);
	FUZZ_CHECK(ret == 0 || ret == -ENOENT || ret == -EFAULT);
	FUZZ_CHECK((unsigned)w->l.reason == w->want.reason && !ret == !w->l.reason);
	FUZZ_CHECK(!w->l.reason || iod_vtd_fault_reason_name(w->l.reason));
	if (!ret)
		tables(w);
	ret = iod_vtd_visit_devices(w->mem, w->l.rtaddr, count, &nr);
	FUZZ_CHECK(ret == 0 || ret == 1 || ret == -EFAULT || ret == -EINVAL);
	FUZZ_CHECK(!iod_mem_destroy(w->mem));
	free(w);
	return 0;
}
