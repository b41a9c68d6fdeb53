/* SPDX-License-Identifier: MIT */
/*
 * What a guest asked to be forgotten is forgotten by a host's translation cache that does no more than
 * it is told, however its commands were joined or taken apart; and nothing of other guests is.
 */
#include "viommurig.h"

#define NR_TABLES 4u
#define NR_PAGES  16u
#define NR_BLOCKS 4u

/* Two address spaces of the guest, and of one whose VMID is next to it. */
static const uint16_t vmids[NR_TABLES] = { RIG_VMID, RIG_VMID, RIG_VMID + 1, RIG_VMID ^ 0x100 };
static const uint16_t asids[NR_TABLES] = { 1, 2, 1, 2 };

enum breakage {
	SOUND,
	LOSE_ONE,   /* one command of the host's is lost */
	OTHER_VMID, /* one is for somebody else */
};

struct world {
	struct rig *rig;
	struct iod_mem *mem;
	struct iod_pgtable *pt[NR_TABLES];
	struct iod_iotlb *host, *book;
	enum breakage breakage;
	size_t victim;
	unsigned int stale, lost; /* kept though the guest asked; lost by those who did not */
};

static uint64_t place(unsigned int i)
{
	return i < NR_PAGES ? (uint64_t)i << 12 : (uint64_t)(i - NR_PAGES + 1) * IODT_2M;
}

static void open_table(struct world *w, unsigned int n)
{
	struct iod_pgtable_cfg cfg = {
		.size = sizeof(cfg),
		.format = IOD_ARM_LPAE_S1,
		.mem = w->mem,
		.domain = IOD_SMMUV3_TAG_S1(vmids[n], asids[n]),
		.granule = 4096,
		.ias = 48,
		.oas = 48,
	};
	unsigned int i;

	iodt_assert_ok(iod_pgtable_create(&w->pt[n], &cfg));
	for (i = 0; i < NR_PAGES + NR_BLOCKS; i++) {
		uint64_t len = i < NR_PAGES ? 4096 : IODT_2M, done = 0;
		uint32_t prot = IODT_RW | (i % 3 ? 0 : IOD_PROT_GLOBAL);

		iodt_assert_ok(
			iod_map(w->pt[n], place(i), IODT_1G + place(i), len, prot, NULL, &done));
	}
}

static void apply(struct iod_iotlb *tlb, const struct rig_cmd *c, const uint16_t *vmid)
{
	struct iod_smmuv3_raw_cmd raw = rig_raw(c->w[0], c->w[1]);
	struct iod_cmd_effect effect;
	struct iod_smmuv3_cmd cmd;

	iodt_assert_ok(iod_smmuv3_cmd_decode(&cmd, &raw, NULL, NULL));
	if (vmid) {
		cmd.vmid = *vmid;
		if (cmd.op == IOD_SMMUV3_TLBI_NSNH_ALL)
			cmd.op = IOD_SMMUV3_TLBI_NH_ALL;
	}
	iodt_assert_ok(iod_smmuv3_cmd_effect(&effect, &cmd));
	iodt_assert_ok(iod_iotlb_invalidate(tlb, effect.s1, effect.nr_s1));
}

static bool is_tlbi(const struct rig_cmd *c)
{
	unsigned int op = c->w[0] & 0xff;

	return op == 0x30 || (op >= 0x10 && op <= 0x13);
}

static void obey(struct rig_host *host, const struct rig_cmd *cmd)
{
	struct world *w = host->priv;
	const uint16_t other = RIG_VMID + 1;
	bool victim = host->nr == w->victim;

	if (!is_tlbi(cmd) || (victim && w->breakage == LOSE_ONE))
		return;
	apply(w->host, cmd, victim && w->breakage == OTHER_VMID ? &other : NULL);
}

static bool access_hits(struct iod_iotlb *tlb, struct iod_pgtable *pt, uint64_t iova,
			bool *walk_hit)
{
	struct iod_iotlb_stats before = { .size = sizeof(before) }, after = before;
	struct iod_access_result r = { 0 };

	iodt_assert_ok(iod_iotlb_get_stats(tlb, &before));
	iodt_assert_ok(iod_iotlb_access(tlb, pt, iova, IOD_ACCESS_READ, &r, NULL));
	iodt_assert_ok(iod_iotlb_get_stats(tlb, &after));
	*walk_hit = after.walk_hits != before.walk_hits;
	return r.hit;
}

static void fill(struct world *w, struct iod_iotlb **tlb)
{
	struct iod_iotlb_cfg cfg = { .size = sizeof(cfg),
				     .entries = 1024,
				     .ways = 16,
				     .walk_entries = 256,
				     .flags = IOD_IOTLB_EXACT_LEVELS };
	unsigned int n, i;
	bool walk;

	iodt_assert_ok(iod_iotlb_create(tlb, &cfg));
	for (n = 0; n < NR_TABLES; n++) {
		for (i = 0; i < NR_PAGES + NR_BLOCKS; i++)
			access_hits(*tlb, w->pt[n], place(i), &walk);
		for (i = 0; i < NR_PAGES + NR_BLOCKS; i++)
			assert_true(access_hits(*tlb, w->pt[n], place(i), &walk));
	}
}

/* A walk fills caches again: what they remembered of tables is comparable at the first of each table. */
static void judge(struct world *w)
{
	unsigned int n, i;

	for (n = 0; n < NR_TABLES; n++) {
		bool untouched = true;

		for (i = 0; i < NR_PAGES + NR_BLOCKS; i++) {
			bool walk_host, walk_book;
			bool host = access_hits(w->host, w->pt[n], place(i), &walk_host);
			bool book = access_hits(w->book, w->pt[n], place(i), &walk_book);

			if (host && !book)
				w->stale++;
			if (untouched && !host && !book && walk_host && !walk_book)
				w->stale++;
			untouched = untouched && host && book;
			if (!host && vmids[n] != RIG_VMID)
				w->lost++;
		}
	}
}

static void round_of(struct world *w, const struct rig_cmd *cmds, size_t nr)
{
	const uint16_t mine = RIG_VMID;
	struct iod_guest_result res;
	size_t i;

	fill(w, &w->host);
	fill(w, &w->book);
	rig_forget(w->rig);
	iodt_assert_ok(rig_run(w->rig, cmds, nr, &res));
	for (i = 0; i < nr; i++)
		if (is_tlbi(&cmds[i]))
			apply(w->book, &cmds[i], &mine);
	judge(w);
	iod_iotlb_destroy(w->host);
	iod_iotlb_destroy(w->book);
}

static void open_world(struct world *w, uint32_t flags, bool host_ril)
{
	struct rig_opts o = rig_defaults();
	unsigned int n;

	memset(w, 0, sizeof(*w));
	o.host_ril = host_ril;
	o.flags = flags;
	w->rig = rig_open(&o);
	w->rig->host.hook = obey;
	w->rig->host.priv = w;
	w->mem = iodt_mem_create(NULL);
	assert_non_null(w->mem);
	for (n = 0; n < NR_TABLES; n++)
		open_table(w, n);
}

static void close_world(struct world *w)
{
	unsigned int n;

	for (n = 0; n < NR_TABLES; n++)
		iod_pgtable_destroy(w->pt[n]);
	iodt_assert_ok(iod_mem_destroy(w->mem));
	rig_close(w->rig);
}

static struct rig_cmd by_address(struct rig *rig)
{
	struct rig_cmd g = rig_generate(rig, false);

	while (!is_tlbi(&g) || rig_judge(rig, &g).error)
		g = rig_generate(rig, false);
	if ((g.w[0] & 0xff) == 0x10 || (g.w[0] & 0xff) == 0x30 || rig_below(rig, 3))
		return g;
	if ((g.w[0] & 0xff) == 0x11)
		return g;
	/* blocks: with the hint, and at an address that is nothing but inside */
	g.w[0] &= ~UINT64_C(0x3f1f000);
	g.w[1] = (1 + rig_below(rig, NR_BLOCKS)) * IODT_2M | (g.w[1] & 1);
	if (rig_below(rig, 2)) {
		g.w[0] |= (1 + rig_below(rig, 2)) << 12 | UINT64_C(9) << 20;
		g.w[1] |= 1u << 10 | 2u << 8;
	} else {
		g.w[1] += rig_below(rig, 512) << 12;
	}
	return g;
}

static void run_rounds(struct world *w, unsigned int rounds)
{
	struct rig_cmd cmds[12];
	size_t nr, i;

	while (rounds--) {
		nr = 1 + rig_below(w->rig, IODT_ARRAY_SIZE(cmds));
		for (i = 0; i < nr; i++)
			cmds[i] = by_address(w->rig);
		w->victim = rig_below(w->rig, 3);
		round_of(w, cmds, nr);
	}
}

static void forgotten(void **state)
{
	static const uint32_t flags[] = { 0, IOD_SMMUV3_VIOMMU_LITERAL,
					  IOD_SMMUV3_VIOMMU_NO_RANGES };
	struct world w;
	unsigned int i;

	for (i = 0; i < 6; i++) {
		open_world(&w, flags[i / 2], i & 1);
		run_rounds(&w, iodt_scale(150));
		assert_int_equal(w.stale, 0);
		assert_int_equal(w.lost, 0);
		close_world(&w);
	}
}

/* 4 KiB after 4 KiB, as a guest without ranges writes them: one range, and nothing else goes. */
static void joined_exactly(void **state)
{
	struct rig_cmd cmds[8];
	struct world w;
	unsigned int i;
	bool walk;

	open_world(&w, 0, true);
	fill(&w, &w.host);
	for (i = 0; i < 8; i++)
		cmds[i] = (struct rig_cmd){ { 0x12 | UINT64_C(1) << 48,
					      (uint64_t)(4 + i) << 12 | 1 } };
	w.victim = SIZE_MAX;
	{
		struct iod_guest_result res;

		iodt_assert_ok(rig_run(w.rig, cmds, 8, &res));
	}
	assert_int_equal(w.rig->host.nr, 1);
	for (i = 0; i < NR_PAGES + NR_BLOCKS; i++)
		assert_int_equal(access_hits(w.host, w.pt[0], place(i), &walk), i < 4 || i >= 12);
	iod_iotlb_destroy(w.host);
	close_world(&w);
}

static void twin_one_lost(void **state)
{
	struct world w;

	open_world(&w, 0, true);
	w.breakage = LOSE_ONE;
	run_rounds(&w, iodt_scale(150));
	assert_true(w.stale > 0);
	close_world(&w);
}

static void twin_other_vmid(void **state)
{
	struct world w;

	open_world(&w, 0, true);
	w.breakage = OTHER_VMID;
	run_rounds(&w, iodt_scale(150));
	assert_true(w.stale > 0 && w.lost > 0);
	close_world(&w);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(forgotten),
		cmocka_unit_test(joined_exactly),
		cmocka_unit_test(twin_one_lost),
		cmocka_unit_test(twin_other_vmid),
	};

	return iodt_main(argc, argv, NULL, 0, tests, IODT_ARRAY_SIZE(tests));
}
