/* SPDX-License-Identifier: MIT */
/*
 * Structures that a guest wrote: stream table, STE, CD and page tables in a
 * small memory, and one access. Whatever lies there, the lookups stay inside
 * and end; and what they find is what the model finds.
 *
 * Input: IDR0, 1, 3, 5; STRTAB_BASE, _CFG; StreamID, SubstreamID, flags, IOVA;
 * then words of memory, each with its number before it.
 */
#include <errno.h>
#include <stdlib.h>

#include <iodirty/mem.h>
#include <iodirty/pgtable.h>
#include <iodirty/smmuv3_ste.h>

#include "fuzz/fuzz.h"
#include "mdl_smmu.h"
#include "smmu/golden_smmu.h"

#define WORDS	   8192u /* 64 KiB at address 0 */
#define FLAG_SSV   1u
#define FLAG_WRITE 2u

struct world {
	uint64_t word[WORDS];
	struct iod_smmuv3_id id;
	struct iod_smmuv3_strtab strtab;
	struct iod_mem *mem;
	struct mdl_mem mdl_mem;
	struct mdl_smmu smmu;
	struct mdl_smmu_access access;
	struct mdl_smmu_result want;
};

/* ---- corpus ---- */

struct image {
	uint8_t *at;
};

static void put_word(struct image *img, unsigned pa, uint64_t v)
{
	img->at = fuzz_put(fuzz_put(img->at, pa / 8, 2), v, 8);
}

static void put_header(struct image *img, uint32_t strtab_cfg, unsigned sid, unsigned flags)
{
	img->at = fuzz_put(img->at, gold_idr[0], 4);
	img->at = fuzz_put(img->at, gold_idr[1] | 0x20, 4);
	img->at = fuzz_put(img->at, gold_idr[3], 4);
	img->at = fuzz_put(img->at, gold_idr[5], 4);
	img->at = fuzz_put(img->at, 0x1000, 8);
	img->at = fuzz_put(img->at, strtab_cfg, 4);
	img->at = fuzz_put(img->at, sid, 4);
	img->at = fuzz_put(img->at, 3, 4);
	img->at = fuzz_put(img->at, flags, 1);
	img->at = fuzz_put(img->at, 0x3456, 8);
}

static void put_ste(struct image *img, unsigned pa, uint64_t w0, uint64_t w2, uint64_t w3)
{
	put_word(img, pa, w0);
	put_word(img, pa + 16, w2);
	put_word(img, pa + 24, w3);
}

/* T0SZ 25, EPD1, V, IPS 5, AA64, R, A; S2T0SZ 25, SL0 1, PS 5, AA64, S2R */
static void put_tables(struct image *img)
{
	unsigned i;

	put_word(img, 0x20c0, UINT64_C(0x00076205c0000019));
	put_word(img, 0x20c8, 0x3000);
	put_word(img, 0x2000, UINT64_C(0x00076205c0000019));
	put_word(img, 0x2008, 0x3000);
	put_word(img, 0x3000, 0x4003);
	put_word(img, 0x4000, 0x5003);
	put_word(img, 0x5018, 0x6f47);
	put_word(img, 0x8000, 0x9003);
	put_word(img, 0x9000, 0xa003);
	for (i = 0; i < 8; i++)
		put_word(img, 0xa000 + 8 * i, i << 12 | 0x7ff);
}

size_t fuzz_seed(unsigned n, uint8_t *buf, size_t max)
{
	const uint64_t st2 = UINT64_C(0x040d355900000001);
	struct image img = { buf };

	(void)max;
	if (n > 6)
		return 0;
	/* 0 S1, 1 S2, 2 nested, 3 and 4 substreams in one and two levels, 5 two-level stream table, 6 64 KiB leaves */
	put_header(&img, n == 5 ? 0x10188 : 4, n == 5 ? 0x41 : 1,
		   n == 3 || n == 4 || n == 6 ? FLAG_SSV : 0);
	put_tables(&img);
	if (n == 1)
		put_ste(&img, 0x1040, 0xd, st2, 0x8000);
	else if (n == 2)
		put_ste(&img, 0x1040, 0x200f, st2, 0x8000);
	else if (n == 3)
		put_ste(&img, 0x1040, UINT64_C(0x100000000000200b), 0, 0);
	else if (n == 4)
		put_ste(&img, 0x1040, UINT64_C(0x400000000000701b), 0, 0);
	else if (n == 6)
		put_ste(&img, 0x1040, UINT64_C(0x400000000000702b), 0, 0);
	else
		put_ste(&img, 0x1040, 0x200b, 0, 0);
	if (n == 4 || n == 6)
		put_word(&img, 0x7000, 0x2001);
	if (n == 6) { /* bits 15:12 of a leaf's address do not count */
		put_word(&img, 0xc0, UINT64_C(0x00076205c0000019));
		put_word(&img, 0xc8, 0x3000);
	}
	if (n == 5) {
		put_word(&img, 0x1008, 0x1805);
		put_word(&img, 0x1840, 0x200b);
	}
	return (size_t)(img.at - buf);
}

/* ---- the world ---- */

static int model_read(void *cookie, uint64_t pa, uint64_t *val)
{
	const struct world *w = cookie;

	return fuzz_word(w->word, WORDS, pa, val);
}

/* Only what both sides can be told: SIDSIZE 32, and registers as an SMMU keeps them. */
static void take_header(struct world *w, struct fuzz_in *in)
{
	uint32_t cfg, flags;

	w->id.idr[0] = (uint32_t)fuzz_take(in, 4) | 1u << 27; /* ST_LEVEL */
	w->id.idr[1] = ((uint32_t)fuzz_take(in, 4) & ~UINT32_C(0x7ff)) | 0x20 | 20 << 6;
	w->id.idr[3] = (uint32_t)fuzz_take(in, 4);
	/* neither 128-bit descriptors nor addresses of 56 bits */
	w->id.idr[5] = (uint32_t)fuzz_take(in, 4) & ~UINT32_C(0x900);
	if ((w->id.idr[5] & 7) == 7)
		w->id.idr[5]--;
	w->strtab.base = fuzz_take(in, 8) & UINT64_C(0x00ffffffffffffc0);
	cfg = (uint32_t)fuzz_take(in, 4) & 0x307ff;
	if ((cfg & 0x3f) > 32)
		cfg &= ~UINT32_C(0x20);
	w->strtab.cfg = cfg;
	w->access.sid = (uint32_t)fuzz_take(in, 4);
	w->access.ssid = (uint32_t)fuzz_take(in, 4) & 0xfffff;
	flags = (uint32_t)fuzz_take(in, 1);
	w->access.ssv = flags & FLAG_SSV;
	w->access.write = flags & FLAG_WRITE;
	w->access.iova = fuzz_take(in, 8);
}

static void take_memory(struct world *w, struct fuzz_in *in)
{
	unsigned at;

	while (in->size) {
		at = (unsigned)fuzz_take(in, 2) % WORDS;
		fuzz_put((uint8_t *)&w->word[at], fuzz_take(in, 8), 8);
	}
}

/* The event that both say, for structures; true if it is one. */
static bool same_event(const struct world *w, int event)
{
	const struct mdl_smmu_result *r = &w->want;

	FUZZ_CHECK(r->refused && (unsigned)event == r->why[0].event.type);
	return true;
}

/* What a look-up without side effects finds, against a whole access. */
static void same_mapping(const struct world *w, struct iod_pgtable_cfg *cfg, uint64_t root,
			 uint64_t iova)
{
	const struct mdl_smmu_result *r = &w->want;
	struct iod_mapping map;
	struct iod_pgtable *pt;
	uint64_t pa;
	int ret;

	cfg->mem = w->mem;
	ret = iod_pgtable_attach(&pt, cfg, root);
	if (ret) {
		/* a root that is not all there */
		FUZZ_CHECK(r->refused || ret == -EFAULT);
		return;
	}
	ret = iod_translate(pt, iova, &map);
	FUZZ_CHECK(ret == 0 || ret == -ENOENT || ret == -ERANGE || ret == -EFAULT);
	if (!ret && !r->refused) {
		pa = map.pa + (iova - map.iova);
		/* of a contiguous group that is none, any entry may be right (A1.9) */
		FUZZ_CHECK(pa == r->pa || map.pte >> 52 & 1);
		/* INSTCFG can make it an instruction, which needs no read permission */
		FUZZ_CHECK(w->access.write || (map.prot & IOD_PROT_READ) || r->ste.instcfg & 2);
	} else if (!r->refused) {
		FUZZ_CHECK(!"translated by the model alone");
	} else if (!ret && r->why[0].event.type != MDL_EV_F_ACCESS) {
		FUZZ_CHECK(r->why[0].event.type == MDL_EV_F_PERMISSION ||
			   r->why[0].event.type == MDL_EV_F_TRANSLATION ||
			   r->why[0].event.type == MDL_EV_F_ADDR_SIZE);
	}
	iod_pgtable_destroy(pt);
}

static int outside(void *cookie, uint64_t ipa, uint64_t *pa)
{
	(void)cookie;
	*pa = ipa; /* good enough to look where it leads */
	return 0;
}

static void stage1(struct world *w, const struct iod_smmuv3_ste *ste)
{
	int64_t ssid = w->access.ssv ? (int64_t)w->access.ssid : -1;
	bool nested = ste->config == IOD_SMMUV3_NESTED, upper;
	enum iod_smmuv3_event_type event;
	struct iod_pgtable_cfg cfg;
	struct iod_smmuv3_cd cd;
	uint64_t pa, root, iova = w->access.iova;
	const char *why;
	void *raw;
	int ret;

	ret = iod_smmuv3_cd_lookup(ste, &w->id, w->mem, ssid, nested ? outside : NULL, NULL, &pa,
				   &event);
	if (ret == 1 || nested)
		return;
	if (ret) {
		same_event(w, (int)event);
		return;
	}
	if (iod_mem_host_ptr(w->mem, pa, 64, false, &raw)) {
		same_event(w, IOD_SMMUV3_F_CD_FETCH);
		return;
	}
	FUZZ_CHECK(!iod_smmuv3_cd_decode(&cd, raw));
	ret = iod_smmuv3_cd_check(&cd, ste, &w->id, 0, &why);
	if (ret) {
		same_event(w, ret);
		return;
	}
	FUZZ_CHECK(!iod_smmuv3_cd_effective(&cd, &cd, ste, &w->id, 0));
	upper = cd.aa64 && iova >> 55 & 1 && !cd.epd1;
	if (upper ? cd.tbi1 : cd.tbi0)
		iova = upper ? iova | UINT64_C(0xff) << 56 : iova & ~(UINT64_C(0xff) << 56);
	/* 32-bit halves are chosen in another way */
	if (cd.aa64 && !iod_smmuv3_cd_get_stage1(&cd, upper, &cfg, &root, &why) && !w->want.beyond)
		same_mapping(w, &cfg, root, iova);
}

static void walk(struct world *w)
{
	enum iod_smmuv3_event_type event;
	struct iod_pgtable_cfg cfg;
	struct iod_smmuv3_ste ste;
	uint64_t pa, root;
	const char *why;
	void *raw;
	int ret;

	ret = iod_smmuv3_strtab_lookup(&w->strtab, w->mem, w->access.sid, &pa, &event);
	if (ret) {
		same_event(w, (int)event);
		return;
	}
	if (iod_mem_host_ptr(w->mem, pa, 64, false, &raw)) {
		same_event(w, IOD_SMMUV3_F_STE_FETCH);
		return;
	}
	FUZZ_CHECK(!iod_smmuv3_ste_decode(&ste, raw));
	ret = iod_smmuv3_ste_check(&ste, &w->id, 0, &why);
	if (ret) {
		same_event(w, ret);
		return;
	}
	FUZZ_CHECK(!iod_smmuv3_ste_effective(&ste, &ste, &w->id, 0));
	if (ste.config == IOD_SMMUV3_S1 || ste.config == IOD_SMMUV3_NESTED)
		stage1(w, &ste);
	if (ste.config == IOD_SMMUV3_S2 && !w->want.beyond &&
	    !(w->access.ssv || w->access.iova >> 48) &&
	    !iod_smmuv3_ste_get_stage2(&ste, &cfg, &root, &why))
		same_mapping(w, &cfg, root, w->access.iova);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = { data, size };
	struct iod_mem_region region = { .pa = 0, .len = 8 * WORDS };
	struct iod_mem_vm_cfg cfg = { .size = sizeof(cfg), .regions = &region, .nr_regions = 1 };
	struct world *w = calloc(1, sizeof(*w));

	if (!w)
		return 0;
	take_header(w, &in);
	take_memory(w, &in);
	region.host = w->word;
	FUZZ_CHECK(!iod_mem_create_vm(&w->mem, &cfg));
	w->mdl_mem = (struct mdl_mem){ .cookie = w, .read64 = model_read };
	memcpy(w->smmu.id.idr, w->id.idr, sizeof(w->id.idr));
	w->smmu.strtab_base = w->strtab.base;
	w->smmu.strtab_cfg = w->strtab.cfg;
	w->smmu.recinvsid = true;
	w->smmu.mem = &w->mdl_mem;
	mdl_smmu_access(&w->smmu, &w->access, &w->want);
	walk(w);
	FUZZ_CHECK(!iod_mem_destroy(w->mem));
	free(w);
	return 0;
}
