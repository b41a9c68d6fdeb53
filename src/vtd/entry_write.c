/* SPDX-License-Identifier: MIT */
/* Carries a plan out: words into memory, and after each step what must be forgotten of it. */
#include <iodirty/vtd_entry.h>
#include <iodirty/vtd_queue.h>

#include <errno.h>
#include <string.h>

#include "atomic.h"
#include "pgtable/mem.h"
#include "vtd/entry_bits.h"
#include "vtd/id.h"

#define CHANGE_SIZE_MIN sizeof(struct iod_vtd_change)
#define FLUSH_ALL                                                            \
	(IOD_VTD_FLUSH_CONTEXT | IOD_VTD_FLUSH_PASID | IOD_VTD_FLUSH_IOTLB | \
	 IOD_VTD_FLUSH_P_IOTLB | IOD_VTD_FLUSH_DEV_TLB)
#define BATCH 16u

/* A structure that is being changed. */
enum kind {
	PASID_ENTRY,
	CONTEXT_ENTRY,
	SM_CONTEXT_ENTRY,
};

struct writer {
	struct iod_vtd_change *change; /* a copy of the caller's */
	enum kind kind;
	unsigned nr_words;
	uint64_t *live;
	struct iod_vtd_raw_desc batch[BATCH];
	size_t nr;
};

static int issue(struct writer *w, bool sync)
{
	const struct iod_vtd_sink *sink = w->change->sink;
	size_t issued = 0, nr = w->nr;
	int ret = sink->issue(sink->cookie, w->batch, nr, sync, &issued);

	w->nr = 0;
	return ret > 0 ? -EIO : ret;
}

static int queue(struct writer *w, const struct iod_vtd_desc *desc)
{
	int ret = w->nr == BATCH ? issue(w, false) : 0;

	/* The unit's own limits are no matter here: nothing is page-selective. */
	return ret ? ret : iod_vtd_desc_encode(&w->batch[w->nr++], desc, NULL, 0, NULL);
}

/* In caching mode what was not present is cached too, under domain id 0 (6.1). */
static bool also_zero(const struct iod_vtd_change *change)
{
	return change->did && vtd_cap(change->id, IOD_VTD_CAP_CM);
}

static int flush_context(struct writer *w)
{
	const struct iod_vtd_change *change = w->change;
	size_t i;
	int ret = 0;

	for (i = 0; i < change->nr_sources && !ret; i++) {
		struct iod_vtd_desc desc = { .type = IOD_VTD_CONTEXT_INV,
					     .gran = IOD_VTD_CONTEXT_DEVICE,
					     .did = change->did,
					     .sid = change->sources[i].sid };

		ret = queue(w, &desc);
		desc.did = 0;
		if (!ret && also_zero(change))
			ret = queue(w, &desc);
	}
	return ret ? ret : issue(w, true);
}

static int flush_pasid(struct writer *w)
{
	struct iod_vtd_desc desc = { .type = IOD_VTD_PASID_CACHE_INV,
				     .gran = IOD_VTD_PASID_CACHE_GLOBAL };
	int ret;

	if (w->kind == PASID_ENTRY) {
		desc.gran = IOD_VTD_PASID_CACHE_PASID;
		desc.did = w->change->did;
		desc.pasid = w->change->pasid;
	}
	ret = queue(w, &desc);
	desc.did = 0;
	return !ret && also_zero(w->change) ? queue(w, &desc) : ret;
}

static int flush_iotlb(struct writer *w)
{
	struct iod_vtd_desc desc = {
		.type = IOD_VTD_IOTLB_INV, .gran = IOD_VTD_IOTLB_GLOBAL, .dr = true, .dw = true
	};

	if (w->kind != SM_CONTEXT_ENTRY) {
		desc.gran = IOD_VTD_IOTLB_DOMAIN;
		desc.did = w->change->did;
	}
	return queue(w, &desc);
}

static int flush_p_iotlb(struct writer *w)
{
	struct iod_vtd_desc desc = { .type = IOD_VTD_P_IOTLB_INV,
				     .gran = IOD_VTD_P_IOTLB_PASID,
				     .did = w->change->did,
				     .pasid = w->change->pasid };

	return queue(w, &desc);
}

/* Requests without a PASID, and with one: a device TLB tells them apart. */
static int flush_source(struct writer *w, const struct iod_vtd_source *source)
{
	struct iod_vtd_desc desc = { .sid = source->sid,
				     .pfsid = source->pfsid,
				     .mip = source->mip,
				     .span = IOD_VTD_DEV_TLB_ALL_SPAN };
	int ret = 0;

	if (w->kind != PASID_ENTRY || !source->pasid) {
		desc.type = IOD_VTD_DEV_TLB_INV;
		ret = queue(w, &desc);
	}
	if (!ret && source->pasid) {
		desc.type = IOD_VTD_P_DEV_TLB_INV;
		desc.global = w->kind != PASID_ENTRY;
		desc.pasid = w->kind == PASID_ENTRY ? w->change->pasid : 0;
		ret = queue(w, &desc);
	}
	return ret;
}

static int flush_dev_tlbs(struct writer *w)
{
	size_t i;
	int ret = 0;

	for (i = 0; i < w->change->nr_sources && !ret; i++) {
		if (w->change->sources[i].ats)
			ret = flush_source(w, &w->change->sources[i]);
	}
	return ret ? ret : issue(w, true);
}

/*
 * Each cache is filled from the one before it: so one after the other, waited for each time. What is complete is
 * taken off change->unsynced.
 */
static int flush(struct writer *w)
{
	uint32_t *left = &w->change->unsynced;
	int ret = 0;

	w->nr = 0;
	if (!w->change->sink) {
		*left = 0;
		return 0;
	}
	if (*left & IOD_VTD_FLUSH_CONTEXT)
		ret = flush_context(w);
	*left &= ret ? FLUSH_ALL : ~IOD_VTD_FLUSH_CONTEXT;
	if (!ret && *left & IOD_VTD_FLUSH_PASID) {
		ret = flush_pasid(w);
		ret = ret ? ret : issue(w, true);
		*left &= ret ? FLUSH_ALL : ~IOD_VTD_FLUSH_PASID;
	}
	if (!ret && *left & (IOD_VTD_FLUSH_IOTLB | IOD_VTD_FLUSH_P_IOTLB)) {
		if (*left & IOD_VTD_FLUSH_IOTLB)
			ret = flush_iotlb(w);
		if (!ret && *left & IOD_VTD_FLUSH_P_IOTLB)
			ret = flush_p_iotlb(w);
		ret = ret ? ret : issue(w, true);
		*left &= ret ? FLUSH_ALL : ~(IOD_VTD_FLUSH_IOTLB | IOD_VTD_FLUSH_P_IOTLB);
	}
	if (!ret && *left & IOD_VTD_FLUSH_DEV_TLB) {
		ret = flush_dev_tlbs(w);
		*left &= ret ? FLUSH_ALL : ~IOD_VTD_FLUSH_DEV_TLB;
	}
	return ret;
}

/* One step. Everything before it in memory (tables that the structure leads to) is seen before it. */
static int step(struct writer *w, unsigned nr)
{
	struct iod_vtd_change *change = w->change;
	unsigned i, mask = change->plan.step[nr].mask;

	full_fence();
	for (i = 0; i < w->nr_words; i++) {
		if (mask >> i & 1)
			item_store_relaxed(&w->live[i],
					   iod_le64(change->plan.step[nr].value.word[i]));
	}
	full_fence();
	change->unsynced = change->plan.step[nr].inv;
	change->did = change->plan.step[nr].did;
	return flush(w);
}

static void read_live(const struct writer *w, uint64_t *word)
{
	unsigned i;

	for (i = 0; i < w->nr_words; i++)
		word[i] = iod_le64(item_load(&w->live[i]));
}

static int plan(const struct writer *w, const uint64_t *to)
{
	struct iod_vtd_change *change = w->change;
	struct iod_vtd_raw_sm_context sm[2];
	struct iod_vtd_raw_context context[2];
	struct iod_vtd_raw_pasid pasid[2];

	switch (w->kind) {
	case PASID_ENTRY:
		read_live(w, pasid[0].word);
		memcpy(pasid[1].word, to, sizeof(pasid[1].word));
		return iod_vtd_pasid_plan(&change->plan, &pasid[0], &pasid[1], change->id);
	case CONTEXT_ENTRY:
		read_live(w, context[0].word);
		memcpy(context[1].word, to, sizeof(context[1].word));
		return iod_vtd_context_plan(&change->plan, &context[0], &context[1], change->id);
	default:
		read_live(w, sm[0].word);
		memcpy(sm[1].word, to, sizeof(sm[1].word));
		return iod_vtd_sm_context_plan(&change->plan, &sm[0], &sm[1], change->id);
	}
}

static int carry_out(struct writer *w, const uint64_t *to)
{
	struct iod_vtd_change *change = w->change;
	int ret = plan(w, to);

	if (ret)
		return ret;
	if (change->plan.breaks && (change->flags & IOD_VTD_CHANGE_HITLESS))
		return -EBUSY;
	if (change->unsynced) /* what a call that failed had begun */
		ret = flush(w);
	while (!ret && change->steps < change->plan.nr) {
		ret = step(w, change->steps);
		if (!ret)
			change->steps++;
	}
	return ret;
}

static int check(const struct iod_vtd_change *change, const struct writer *w)
{
	if (!change->mem || change->flags & ~IOD_VTD_CHANGE_HITLESS || change->reserved ||
	    change->reserved2 || change->unsynced & ~FLUSH_ALL ||
	    change->pa & (w->nr_words * 8 - 1) || (change->nr_sources && !change->sources))
		return -EINVAL;
	if (change->sink && !change->sink->issue)
		return -EINVAL;
	if (w->kind != PASID_ENTRY)
		return change->nr_sources != 1 || change->pasid ? -EINVAL : 0;
	return change->pasid >> PASID_BITS_MAX ? -EINVAL : 0;
}

static int change_structure(struct iod_vtd_change *user, enum kind kind, unsigned nr_words,
			    const uint64_t *to)
{
	struct iod_vtd_change change;
	struct writer w = { .change = &change, .kind = kind, .nr_words = nr_words };
	void *host;
	int ret;

	ret = iod_struct_in(&change, sizeof(change), user, CHANGE_SIZE_MIN);
	if (!ret)
		ret = check(&change, &w);
	if (ret)
		return ret;
	memset(&change.plan, 0, sizeof(change.plan));
	change.steps = 0;
	if (iod_mem_host_ptr(change.mem, change.pa, nr_words * 8, true, &host)) {
		ret = -EFAULT;
	} else {
		w.live = host;
		ret = carry_out(&w, to);
	}
	iod_struct_out(user, &change, sizeof(change), CHANGE_SIZE_MIN);
	return ret;
}

int iod_vtd_pasid_write(struct iod_vtd_change *change, const struct iod_vtd_raw_pasid *to)
{
	if (!change || !to)
		return -EINVAL;
	return change_structure(change, PASID_ENTRY, 8, to->word);
}

int iod_vtd_context_write(struct iod_vtd_change *change, const struct iod_vtd_raw_context *to)
{
	if (!change || !to)
		return -EINVAL;
	return change_structure(change, CONTEXT_ENTRY, 2, to->word);
}

int iod_vtd_sm_context_write(struct iod_vtd_change *change, const struct iod_vtd_raw_sm_context *to)
{
	if (!change || !to)
		return -EINVAL;
	return change_structure(change, SM_CONTEXT_ENTRY, 4, to->word);
}
