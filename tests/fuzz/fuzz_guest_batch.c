/* SPDX-License-Identifier: MIT */
/*
 * Batches that a guest wrote, for a host that counts and may refuse. Whatever
 * is in them: the host sees nothing but this guest's VMID and devices, what is
 * handled is covered by what the host was given (says the model), and nothing
 * behind a failed command was looked at.
 *
 * Input: flags; host features; states of the devices; number of the host
 * command that fails (255: none); commands.
 */
#include <errno.h>
#include <stdlib.h>

#include <iodirty/smmuv3_viommu.h>

#include "fuzz/fuzz.h"
#include "mdl_smmu.h"
#include "smmu/golden_smmu.h"

#define VMID	  0x2a
#define DEVICES	  4u
#define SID(n)	  (0x1000 + (n))
#define VSID(n)	  (8 * (n))
#define LOG	  20000u
#define FAIL_NONE 255u
#define HOST_RIL  1u /* bits of the features */
#define GUEST_RIL 2u
#define MAX_GUEST 64u /* commands of a batch */

/* What the host was given. */
struct host {
	struct mdl_smmu_id id;
	struct mdl_smmu_cmd cmd[LOG];
	struct mdl_smmu_cover cover[LOG];
	struct iod_smmuv3_raw_cmd raw[LOG];
	size_t nr, synced; /* commands, and how many when it last synced */
	unsigned fail_at;
};

struct world {
	struct iod_smmuv3_viommu_cfg cfg;
	struct iod_smmuv3_sink sink;
	struct mdl_smmu_id guest;
	uint8_t state[DEVICES];
	struct iod_smmuv3_raw_cmd batch[MAX_GUEST];
	size_t nr;
	unsigned fail_at;
};

size_t fuzz_seed(unsigned n, uint8_t *buf, size_t max)
{
	static const uint64_t more[][2] = {
		{ 0x12, 0x40001001 },
		{ UINT64_C(0x0007000000000012), 0x40002001 },
		{ UINT64_C(0x0007000000500012), 0x40000700 },
		{ UINT64_C(0x00000008000f0840), 0x200009 },
		{ UINT64_C(0x0000001000001005), 1 },
		{ UINT64_C(0x0000001000000006), 0 },
		{ UINT64_C(0x0000000800000003), 1 },
		{ 0x30, 0 },
		{ UINT64_C(0x0009000000000011), 0 },
		{ 0x46, 0 },
	};
	const unsigned nr = sizeof(more) / sizeof(more[0]);
	uint8_t *at = buf;
	unsigned i, k;

	(void)max;
	if (n >= 2 * nr)
		return 0;
	at = fuzz_put(at, 0, 2);
	at = fuzz_put(at, n & 3, 1);
	at = fuzz_put(at, 0, DEVICES);
	at = fuzz_put(at, FAIL_NONE, 1);
	/* one alone, and all in turn */
	for (i = 0; i < (n < nr ? 1 : nr); i++)
		for (k = 0; k < 2; k++)
			at = fuzz_put(at, more[(n + i) % nr][k], 8);
	return (size_t)(at - buf);
}

static bool is_tlbi(unsigned op)
{
	return op >= MDL_OP_TLBI_NH_ALL && op <= MDL_OP_TLBI_NH_VAA;
}

/* Nothing but what is this guest's. */
static void may_be_seen(const struct world *w, const struct mdl_smmu_cmd *m)
{
	unsigned n = m->sid - SID(0);

	FUZZ_CHECK(m->verdict == MDL_CMD_OK);
	if (is_tlbi(m->op)) {
		FUZZ_CHECK(m->vmid == VMID);
		return;
	}
	FUZZ_CHECK(m->op == MDL_OP_CFGI_CD || m->op == MDL_OP_CFGI_CD_ALL ||
		   m->op == MDL_OP_ATC_INV || m->op == MDL_OP_PRI_RESP || m->op == MDL_OP_RESUME ||
		   m->op == MDL_OP_STALL_TERM);
	FUZZ_CHECK(n < DEVICES);
	if (m->op == MDL_OP_ATC_INV || m->op == MDL_OP_PRI_RESP)
		FUZZ_CHECK(w->state[n] == IOD_VDEV_ON);
	if (m->op == MDL_OP_PRI_RESP)
		FUZZ_CHECK(w->cfg.flags & IOD_SMMUV3_VIOMMU_ALLOW_PRI);
	if (m->op == MDL_OP_RESUME || m->op == MDL_OP_STALL_TERM)
		FUZZ_CHECK(w->cfg.flags & IOD_SMMUV3_VIOMMU_ALLOW_RESUME);
}

static int issue(void *cookie, const struct iod_smmuv3_raw_cmd *cmds, size_t nr, bool sync,
		 size_t *issued)
{
	struct host *h = cookie;
	size_t i;

	for (i = 0; i < nr; i++) {
		*issued = i;
		if (h->fail_at != FAIL_NONE && h->nr == h->fail_at)
			return -EIO;
		FUZZ_CHECK(h->nr < LOG);
		h->raw[h->nr] = cmds[i];
		mdl_smmu_cmd((const uint8_t *)&cmds[i], &h->id, &h->cmd[h->nr]);
		mdl_smmu_cover(&h->cmd[h->nr], &h->id, &h->cover[h->nr]);
		h->nr++;
	}
	*issued = nr;
	if (sync)
		h->synced = h->nr;
	return 0;
}

static bool host_drops(const struct host *h, const struct mdl_smmu_cached *e)
{
	size_t i;

	for (i = 0; i < h->nr; i++)
		if (mdl_smmu_must_go(e, &h->cover[i]))
			return true;
	return false;
}

/* Entries of the guest at the ends of what it named, and in between. */
static void tlbi_is_covered(const struct host *h, const struct mdl_smmu_cmd *m,
			    const struct mdl_smmu_cover *v)
{
	uint64_t at[3] = { v->first, v->last, v->first + (v->last - v->first) / 2 };
	struct mdl_smmu_cached e = { .vmid = VMID, .asid = m->asid };
	unsigned granule, level, k;

	for (granule = 12; granule <= 16; granule += 2) {
		for (level = granule == 16; level < 4; level++) {
			e.granule_lg2 = granule;
			e.level = level;
			e.lg2 = granule + (3 - level) * (granule - 3);
			for (k = 0; k < 12; k++) {
				e.first = at[k % 3] & ~((UINT64_C(1) << e.lg2) - 1);
				e.table = k / 3 & 1;
				e.global = k / 6 && !e.table;
				FUZZ_CHECK(!mdl_smmu_must_go(&e, v) || host_drops(h, &e));
			}
		}
	}
}

static bool host_atc(const struct host *h, uint32_t sid, const struct mdl_smmu_cover *v)
{
	size_t i;

	for (i = 0; i < h->nr; i++)
		if (h->cover[i].atc && h->cmd[i].sid == sid && h->cover[i].atc_ssv == v->atc_ssv &&
		    (!v->atc_ssv || h->cover[i].ssid == v->ssid) &&
		    h->cover[i].atc_global >= v->atc_global && h->cover[i].first <= v->first &&
		    h->cover[i].last >= v->last)
			return true;
	return false;
}

/* @l1: the level-1 descriptor too */
static bool host_cd(const struct host *h, uint32_t sid, const struct mdl_smmu_cover *v)
{
	size_t i;

	for (i = 0; i < h->nr; i++)
		if (h->cover[i].cd && h->cover[i].sid_first <= sid && sid <= h->cover[i].sid_last &&
		    (h->cover[i].any_ssid || (!v->any_ssid && h->cover[i].ssid == v->ssid)) &&
		    h->cover[i].l1cd >= v->l1cd)
			return true;
	return false;
}

/* What the guest was told is handled must have been done. */
static void is_done(const struct world *w, const struct host *h,
		    const struct iod_smmuv3_raw_cmd *raw)
{
	struct mdl_smmu_cover v;
	struct mdl_smmu_cmd m;
	unsigned n;

	mdl_smmu_cmd((const uint8_t *)raw, &w->guest, &m);
	FUZZ_CHECK(m.verdict != MDL_CMD_ILL);
	mdl_smmu_cmd_ignore(&m, &w->guest);
	mdl_smmu_cover(&m, &w->guest, &v);
	if (is_tlbi(m.op) || m.op == MDL_OP_TLBI_NSNH_ALL) {
		tlbi_is_covered(h, &m, &v);
		return;
	}
	if (m.op != MDL_OP_ATC_INV && m.op != MDL_OP_CFGI_CD && m.op != MDL_OP_CFGI_CD_ALL)
		return;
	FUZZ_CHECK(m.sid % 8 == 0 && m.sid / 8 < DEVICES);
	n = m.sid / 8;
	if (m.op == MDL_OP_ATC_INV)
		FUZZ_CHECK(w->state[n] != IOD_VDEV_ON || host_atc(h, SID(n), &v));
	else
		FUZZ_CHECK(host_cd(h, SID(n), &v));
}

/* One batch on a virtual SMMU of its own. */
static int run(struct world *w, struct host *h, size_t nr, struct iod_guest_result *res)
{
	struct iod_smmuv3_viommu *v;
	unsigned i;
	int ret;

	w->sink.cookie = h;
	memcpy(h->id.idr, w->cfg.host.idr, sizeof(h->id.idr));
	FUZZ_CHECK(!iod_smmuv3_viommu_create(&v, &w->cfg));
	for (i = 0; i < DEVICES; i++)
		FUZZ_CHECK(!iod_smmuv3_viommu_add(v, VSID(i), SID(i),
						  (enum iod_vdev_state)w->state[i]));
	*res = (struct iod_guest_result){ .size = sizeof(*res) };
	ret = iod_smmuv3_viommu_invalidate(v, w->batch, nr, res);
	FUZZ_CHECK(!iod_smmuv3_viommu_destroy(v));
	for (i = 0; i < h->nr; i++)
		may_be_seen(w, &h->cmd[i]);
	return ret;
}

static void check(struct world *w, struct host *h, struct host *again)
{
	struct iod_guest_result res, res2;
	struct mdl_smmu_cmd m;
	uint32_t i;
	int ret;

	h->fail_at = w->fail_at;
	ret = run(w, h, w->nr, &res);
	FUZZ_CHECK(res.handled <= w->nr && res.index >= res.handled && res.index <= w->nr);
	FUZZ_CHECK(ret ? res.index < w->nr : res.handled == w->nr);
	FUZZ_CHECK(!ret == !res.reason);
	for (i = 0; i < res.handled; i++)
		is_done(w, h, &w->batch[i]);
	if (!ret && !(w->cfg.flags & IOD_SMMUV3_VIOMMU_NO_SYNC))
		FUZZ_CHECK(res.synced && h->synced == h->nr);
	if (!ret)
		return;
	mdl_smmu_cmd((const uint8_t *)&w->batch[res.index], &w->guest, &m);
	FUZZ_CHECK(res.op == m.op);
	FUZZ_CHECK(!res.sid || res.sid == m.sid || m.verdict != MDL_CMD_OK);
	if (w->fail_at != FAIL_NONE)
		return;
	/* without what is behind the one that failed: the same */
	again->fail_at = FAIL_NONE;
	FUZZ_CHECK(!run(w, again, res.index, &res2));
	FUZZ_CHECK(res2.handled == res.index && res.handled == res.index);
	FUZZ_CHECK(again->nr == h->nr && !memcmp(again->raw, h->raw, h->nr * sizeof(h->raw[0])));
}

static void take(struct world *w, struct fuzz_in *in)
{
	uint32_t flags = (uint32_t)fuzz_take(in, 2) & 0x1ff, features = (uint32_t)fuzz_take(in, 1);
	uint32_t show;
	unsigned i;

	if (flags & IOD_SMMUV3_VIOMMU_SYNC_EACH)
		flags &= ~IOD_SMMUV3_VIOMMU_NO_SYNC;
	memcpy(w->cfg.host.idr, gold_idr, sizeof(gold_idr));
	w->cfg.host.idr[1] |= 0x20;
	if (!(features & HOST_RIL))
		w->cfg.host.idr[3] &= ~(1u << 10);
	show = flags & (IOD_SMMUV3_VIOMMU_ALLOW_PRI | IOD_SMMUV3_VIOMMU_ALLOW_RESUME);
	if (features & GUEST_RIL)
		show |= IOD_SMMUV3_VIOMMU_SHOW_RIL;
	FUZZ_CHECK(!iod_smmuv3_viommu_expose(&w->cfg.guest, &w->cfg.host, show));
	memcpy(w->guest.idr, w->cfg.guest.idr, sizeof(w->guest.idr));
	w->cfg.size = sizeof(w->cfg);
	w->cfg.sink = &w->sink;
	w->cfg.flags = flags;
	w->cfg.vmid = VMID;
	w->sink.size = sizeof(w->sink);
	w->sink.issue = issue;
	for (i = 0; i < DEVICES; i++)
		w->state[i] = (uint8_t)(fuzz_take(in, 1) % 3);
	w->fail_at = (unsigned)fuzz_take(in, 1);
	for (w->nr = 0; in->size && w->nr < MAX_GUEST; w->nr++)
		for (i = 0; i < 2; i++)
			fuzz_put((uint8_t *)&w->batch[w->nr].word[i], fuzz_take(in, 8), 8);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct host h, again; /* large; nothing of them is kept */
	struct fuzz_in in = { data, size };
	struct world w = { .nr = 0 };

	h.nr = h.synced = again.nr = again.synced = 0;
	take(&w, &in);
	check(&w, &h, &again);
	return 0;
}
