/* SPDX-License-Identifier: MIT */
/* Carries a plan out: words into memory, CFGI_STE or CFGI_CD and a SYNC after each step. */
#include <iodirty/smmuv3_ste.h>

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "atomic.h"
#include "pgtable/mem.h"
#include "smmuv3/ste_bits.h"

#define CHANGE_FLAGS	IOD_SMMUV3_CHANGE_HITLESS
#define CHANGE_SIZE_MIN sizeof(struct iod_smmuv3_change)
#define CFGI_BATCH	16u

/* A structure that is being changed. */
struct writer {
	struct iod_smmuv3_change *change; /* a copy of the caller's */
	enum iod_smmuv3_op cfgi;
	uint64_t *live;
};

static int issue(const struct iod_smmuv3_sink *sink, const struct iod_smmuv3_raw_cmd *cmds,
		 size_t nr, bool sync)
{
	size_t issued = 0;
	int ret = sink->issue(sink->cookie, cmds, nr, sync, &issued);

	return ret > 0 ? -EIO : ret;
}

static int encode_cfgi(const struct writer *w, uint32_t sid, struct iod_smmuv3_raw_cmd *raw)
{
	/* leaf: what leads to the structure is not touched (4.3.1, 4.3.3). */
	struct iod_smmuv3_cmd cmd = { .op = w->cfgi, .sid = sid, .leaf = true };

	if (w->cfgi == IOD_SMMUV3_CFGI_CD)
		cmd.ssid = w->change->ssid;
	return iod_smmuv3_cmd_encode(raw, &cmd, NULL, NULL);
}

/* Hardware forgets the structure, for each stream, and what it had begun with it is done. */
static int invalidate(const struct writer *w)
{
	const struct iod_smmuv3_change *change = w->change;
	struct iod_smmuv3_raw_cmd cmds[CFGI_BATCH];
	size_t nr = 0, i;
	int ret;

	if (!change->sink)
		return 0;
	ret = encode_cfgi(w, change->sid, &cmds[nr++]);
	for (i = 0; i < change->nr_sids && !ret; i++) {
		if (nr == CFGI_BATCH) {
			ret = issue(change->sink, cmds, nr, false);
			nr = 0;
		}
		if (!ret)
			ret = encode_cfgi(w, change->sids[i], &cmds[nr++]);
	}
	return ret ? ret : issue(change->sink, cmds, nr, true);
}

/* One step. Everything before it in memory (tables, CDs that an STE leads to) is seen before it. */
static int step(struct writer *w, const struct iod_smmuv3_raw_ste *value, unsigned mask)
{
	unsigned i;
	int ret;

	full_fence();
	for (i = 0; i < STE_WORDS; i++) {
		if (mask >> i & 1)
			item_store_relaxed(&w->live[i], iod_le64(value->word[i]));
	}
	full_fence();
	w->change->unsynced = 1;
	ret = invalidate(w);
	if (!ret)
		w->change->unsynced = 0;
	return ret;
}

static void read_live(const struct writer *w, uint64_t *word)
{
	unsigned i;

	for (i = 0; i < STE_WORDS; i++)
		word[i] = iod_le64(item_load(&w->live[i]));
}

static int plan(const struct writer *w, const uint64_t *to)
{
	struct iod_smmuv3_raw_ste ste[2];
	struct iod_smmuv3_raw_cd cd[2];

	if (w->cfgi == IOD_SMMUV3_CFGI_STE) {
		read_live(w, ste[0].word);
		memcpy(ste[1].word, to, sizeof(ste[1].word));
		return iod_smmuv3_ste_plan(&w->change->plan, &ste[0], &ste[1]);
	}
	read_live(w, cd[0].word);
	memcpy(cd[1].word, to, sizeof(cd[1].word));
	return iod_smmuv3_cd_plan(&w->change->plan, &cd[0], &cd[1]);
}

static int carry_out(struct writer *w, const uint64_t *to)
{
	struct iod_smmuv3_change *change = w->change;
	int ret = plan(w, to);

	if (ret)
		return ret;
	if (change->plan.breaks && (change->flags & IOD_SMMUV3_CHANGE_HITLESS))
		return -EBUSY;
	if (change->unsynced) {
		ret = invalidate(w);
		if (ret)
			return ret;
		change->unsynced = 0;
	}
	while (change->steps < change->plan.nr && !ret) {
		ret = step(w, &change->plan.step[change->steps].value,
			   change->plan.step[change->steps].mask);
		if (!ret)
			change->steps++;
	}
	return ret;
}

static int check(const struct iod_smmuv3_change *change, enum iod_smmuv3_op cfgi)
{
	if (!change->mem || change->flags & ~CHANGE_FLAGS || change->reserved ||
	    change->pa & low_mask(STE_LG2) || change->unsynced > 1)
		return -EINVAL;
	if (change->sink && !change->sink->issue)
		return -EINVAL;
	if (cfgi == IOD_SMMUV3_CFGI_STE)
		return change->nr_sids || change->ssid ? -EINVAL : 0;
	return (change->nr_sids && !change->sids) || change->ssid >> CDMAX_MAX ? -EINVAL : 0;
}

static int change_structure(struct iod_smmuv3_change *user, enum iod_smmuv3_op cfgi,
			    const uint64_t *to)
{
	struct iod_smmuv3_change change;
	struct writer w = { .change = &change, .cfgi = cfgi };
	bool tlbi, atc;
	void *host;
	int ret;

	ret = iod_struct_in(&change, sizeof(change), user, CHANGE_SIZE_MIN);
	if (!ret)
		ret = check(&change, cfgi);
	if (ret)
		return ret;
	/* What a call that failed had begun is not to be seen in memory any more. */
	tlbi = change.unsynced && change.plan.tlbi;
	atc = change.unsynced && change.plan.atc;
	memset(&change.plan, 0, sizeof(change.plan));
	change.steps = 0;
	if (iod_mem_host_ptr(change.mem, change.pa, BIT64(STE_LG2), true, &host)) {
		ret = -EFAULT;
	} else {
		w.live = host;
		ret = carry_out(&w, to);
	}
	change.plan.tlbi |= tlbi;
	change.plan.atc |= atc;
	iod_struct_out(user, &change, sizeof(change), CHANGE_SIZE_MIN);
	return ret;
}

int iod_smmuv3_ste_write(struct iod_smmuv3_change *change, const struct iod_smmuv3_raw_ste *to)
{
	if (!change || !to)
		return -EINVAL;
	return change_structure(change, IOD_SMMUV3_CFGI_STE, to->word);
}

int iod_smmuv3_cd_write(struct iod_smmuv3_change *change, const struct iod_smmuv3_raw_cd *to)
{
	if (!change || !to)
		return -EINVAL;
	return change_structure(change, IOD_SMMUV3_CFGI_CD, to->word);
}
