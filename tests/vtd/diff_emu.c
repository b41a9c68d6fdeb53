/* SPDX-License-Identifier: MIT */
/*
 * The emulated VT-d in random worlds, against the model (tests/model/model.h): one PASID of each kind over tables at
 * random, many accesses at random. Each must end as the model says, and at last every entry of every table must be
 * what the model made of it: no Accessed or Dirty too many, none too few, in either stage.
 */
#include <errno.h>

#include "emurig.h"
#include "model.h"

#define SID	 0x08
#define PASID	 3
#define NR_PAGES 40
#define CLUSTERS 4

struct model {
	unsigned char *mem;
	struct mdl_mem plain, behind; /* memory; and the same through the second stage */
	struct mdl_table fs, ss;
};

static uint64_t state_rng;

static uint64_t rnd(void)
{
	state_rng = state_rng * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return state_rng >> 33;
}

static uint64_t below(uint64_t n)
{
	return rnd() % n;
}

static bool chance(unsigned int percent)
{
	return below(100) < percent;
}

/* ---- the model's side ---- */

static int plain_read(void *cookie, uint64_t pa, uint64_t *val)
{
	const struct model *m = cookie;
	unsigned int i;

	if (pa - RIG_BASE >= RIG_BYTES)
		return -1;
	*val = 0;
	for (i = 0; i < 8; i++)
		*val |= (uint64_t)m->mem[pa - RIG_BASE + i] << 8 * i;
	return 0;
}

static int plain_cas(void *cookie, uint64_t pa, uint64_t old, uint64_t new_, uint64_t *seen)
{
	struct model *m = cookie;
	unsigned int i;

	if (plain_read(cookie, pa, seen))
		return -1;
	for (i = 0; i < 8 && *seen == old; i++)
		m->mem[pa - RIG_BASE + i] = (unsigned char)(new_ >> 8 * i);
	return 0;
}

/* First-stage entries: fetched by reads of the second stage, updated by writes. */
static int behind_read(void *cookie, uint64_t ipa, uint64_t *val)
{
	struct model *m = cookie;
	struct mdl_leaf leaf;

	if (mdl_access(&m->ss, &m->plain, ipa, false, &leaf) != MDL_OK)
		return -1;
	return plain_read(m, leaf.pa + (ipa - leaf.iova), val);
}

static int behind_cas(void *cookie, uint64_t ipa, uint64_t old, uint64_t new_, uint64_t *seen)
{
	struct model *m = cookie;
	struct mdl_leaf leaf;

	if (mdl_access(&m->ss, &m->plain, ipa, true, &leaf) != MDL_OK)
		return -1;
	return plain_cas(m, leaf.pa + (ipa - leaf.iova), old, new_, seen);
}

static bool may(const struct mdl_leaf *leaf, bool write)
{
	return write ? leaf->w : leaf->r;
}

/* Nothing of the first stage is marked for what the second refuses (3.8.1). @return whether it is granted */
static bool model_nested(struct model *m, uint64_t iova, bool write, uint64_t *pa)
{
	struct mdl_leaf leaf;
	uint64_t ipa;

	if (mdl_walk(&m->fs, &m->behind, iova, &leaf) != MDL_OK || !may(&leaf, write))
		return false;
	ipa = leaf.pa + (iova - leaf.iova);
	if (mdl_walk(&m->ss, &m->plain, ipa, &leaf) != MDL_OK || !may(&leaf, write))
		return false;
	assert_int_equal(mdl_access(&m->fs, &m->behind, iova, write, NULL), MDL_OK);
	assert_int_equal(mdl_access(&m->ss, &m->plain, ipa, write, &leaf), MDL_OK);
	*pa = leaf.pa + (ipa - leaf.iova);
	return true;
}

static bool model_access(struct model *m, unsigned int pgtt, uint64_t iova, bool write,
			 uint64_t *pa)
{
	const struct mdl_table *t = pgtt == PGTT_FS ? &m->fs : &m->ss;
	struct mdl_leaf leaf;

	if (pgtt == PGTT_NESTED)
		return model_nested(m, iova, write, pa);
	if (mdl_access(t, &m->plain, iova, write, &leaf) != MDL_OK)
		return false;
	*pa = leaf.pa + (iova - leaf.iova);
	return true;
}

/* ---- a world ---- */

static uint64_t random_va(const uint64_t cluster[CLUSTERS])
{
	return cluster[below(CLUSTERS)] + below(24) * 4096 + (chance(30) ? IODT_2M : 0);
}

static uint64_t fs_bits(void)
{
	return FS_P | (chance(80) ? FS_RW : 0) | (chance(95) ? FS_US : 0) |
	       (chance(40) ? FS_A : 0) | (chance(20) ? FS_D : 0);
}

static uint64_t ss_bits(void)
{
	return SS_R | (chance(80) ? SS_W : 0) | (chance(40) ? SS_A : 0) | (chance(20) ? SS_D : 0);
}

static void fill(struct emurig *r, uint64_t root, unsigned int pgtt,
		 const uint64_t cluster[CLUSTERS])
{
	bool ss = pgtt == PGTT_SS;
	uint64_t off = pgtt == PGTT_NESTED ? RIG_IPA_OFF : 0, to, va;
	unsigned int i;

	for (i = 0; i < NR_PAGES; i++) {
		va = random_va(cluster);
		to = RIG_DATA + below(512) * 4096;
		if (chance(5))
			to = RIG_AWAY; /* nested: the second stage has no such page */
		rig_map(r, root, 4, va, 0, (to + off) | (ss ? ss_bits() : fs_bits()),
			ss ? SS_RW : FS_USER, off);
	}
	/* a large one; and one that is malformed */
	va = cluster[0] + 4 * IODT_2M;
	rig_map(r, root, 4, va, 1, (RIG_DATA + off) | (ss ? ss_bits() : fs_bits()) | SS_PS,
		ss ? SS_RW : FS_USER, off);
	rig_map(r, root, 4, va + IODT_2M, 1, (RIG_DATA + 4096) | FS_USER | SS_PS,
		ss ? SS_RW : FS_USER, off);
}

static void open_model(struct model *m, struct emurig *r, unsigned int pgtt, uint64_t root)
{
	memset(m, 0, sizeof(*m));
	m->mem = malloc(RIG_BYTES);
	assert_non_null(m->mem);
	memcpy(m->mem, r->mem, RIG_BYTES);
	m->plain = (struct mdl_mem){ m, plain_read, plain_cas };
	m->behind = (struct mdl_mem){ m, behind_read, behind_cas };
	m->fs = (struct mdl_table){ .format = MDL_VTD_FS, .granule_lg2 = 12, .levels = 4 };
	m->ss = (struct mdl_table){ .format = MDL_VTD_SS, .granule_lg2 = 12, .levels = 4 };
	m->ss.hw_access = true;
	m->ss.hw_dirty = true;
	m->fs.root = pgtt == PGTT_NESTED ? root + RIG_IPA_OFF : root;
	m->ss.root = pgtt == PGTT_NESTED ? r->ss_root : root;
}

/* Every word of every table. */
static void same_tables(struct emurig *r, const struct model *m)
{
	uint64_t pa, val = 0;

	for (pa = RIG_TABLES; pa < r->next; pa += 8) {
		plain_read((void *)(uintptr_t)m, pa, &val);
		if (rig_r64(r, pa) != val)
			fail_msg("%llx: %llx, the model has %llx", (unsigned long long)pa,
				 (unsigned long long)rig_r64(r, pa), (unsigned long long)val);
	}
}

/* @return accesses granted */
static unsigned int one_world(unsigned int pgtt, unsigned int accesses)
{
	struct iod_iotlb_cfg tlb = { .size = sizeof(tlb), .entries = 16, .walk_entries = 4 };
	struct iod_vtd_emu_cfg cfg = { .size = sizeof(cfg), .tlb_s1 = &tlb, .tlb_s2 = &tlb };
	uint64_t root, cluster[CLUSTERS], va, pa = 0;
	unsigned int i, granted = 0;
	struct model m;
	struct emurig r;
	bool write, want;

	rig_init(&r, &cfg);
	rig_enable(&r, true);
	if (pgtt == PGTT_NESTED)
		rig_second_stage(&r, SS_RW);
	root = rig_scalable(&r, SID, PASID, pgtt, 5, PE_SSADE);
	if (pgtt == PGTT_FS)
		rig_w64(&r, rig_pasid_at(&r, PASID), PE_P | PE_PGTT(PGTT_FS));
	for (i = 0; i < CLUSTERS; i++)
		cluster[i] = below(64) << 30 | below(8) << 21;
	fill(&r, root, pgtt, cluster);
	open_model(&m, &r, pgtt, root);
	for (i = 0; i < accesses; i++) {
		va = random_va(cluster) + below(512) * 8;
		if (chance(10))
			va = cluster[0] + (4 + below(2)) * IODT_2M + below(512) * 4096;
		write = chance(40);
		want = model_access(&m, pgtt, va, write, &pa);
		assert_int_equal(
			rig_access(&r, SID, PASID, va, write ? IOD_ACCESS_WRITE : IOD_ACCESS_READ),
			want ? 0 : -EFAULT);
		assert_true(!want || r.res.pa == pa);
		granted += want;
	}
	same_tables(&r, &m);
	free(m.mem);
	rig_fini(&r);
	return granted;
}

static void worlds(void **state)
{
	static const unsigned int kinds[] = { PGTT_FS, PGTT_SS, PGTT_NESTED };
	unsigned int k, n, granted, accesses = 400, nr = (unsigned int)iodt_scale(40);

	(void)state;
	state_rng = 1;
	for (k = 0; k < IODT_ARRAY_SIZE(kinds); k++) {
		granted = 0;
		for (n = 0; n < nr; n++)
			granted += one_world(kinds[k], accesses);
		print_message("kind %u: %u of %u granted\n", kinds[k], granted, nr * accesses);
		assert_true(granted > nr * accesses / 10 && granted < nr * accesses);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(worlds) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
