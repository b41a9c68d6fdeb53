/* SPDX-License-Identifier: MIT */
/*
 * A guest's VT-d in caching mode: what its descriptors say is noted, and done at its next wait, for all shadows with one
 * sync each. Until then it may rely on nothing.
 */
#include <iodirty/vtd_shadow.h>

#include <errno.h>
#include <string.h>

#include "bits.h"
#include "pgtable/mem.h"

#define MAX_NOTES 256u

/* A shadow, and how far it is with what was noted. */
struct vs_shadow {
	struct vs_shadow *next;
	struct iod_shadow *shadow;
	struct iod_shadow_work work;
	bool due;
};

struct iod_vtd_shadow {
	struct iod_vtd_shadow_cfg cfg; /* allocator: the copy below */
	struct iod_allocator allocator;
	struct vs_shadow *shadows;
	struct iod_inv note[MAX_NOTES];
	size_t nr;
	bool open; /* some shadow is in the middle of them */
	struct iod_shadow_work sum;
	int failed; /* what a turn is to return */
};

int iod_vtd_shadow_create(struct iod_vtd_shadow **out, const struct iod_vtd_shadow_cfg *cfg)
{
	struct iod_vtd_shadow_cfg in;
	struct iod_allocator allocator;
	struct iod_vtd_shadow *vs;
	int ret;

	if (!out)
		return -EINVAL;
	ret = iod_struct_in(&in, sizeof(in), cfg, sizeof(in));
	if (!ret && !(in.guest.cap & IOD_VTD_CAP_CM))
		ret = -EINVAL;
	if (!ret)
		ret = iod_allocator_init(&allocator, in.allocator);
	if (ret)
		return ret;
	vs = iod_zalloc(&allocator, sizeof(*vs));
	if (!vs)
		return -ENOMEM;
	vs->cfg = in;
	vs->cfg.allocator = NULL;
	vs->allocator = allocator;
	*out = vs;
	return 0;
}

int iod_vtd_shadow_destroy(struct iod_vtd_shadow *vs)
{
	struct iod_allocator allocator;
	struct vs_shadow *s;

	if (!vs)
		return -EINVAL;
	allocator = vs->allocator;
	while ((s = vs->shadows)) {
		vs->shadows = s->next;
		iod_zfree(&allocator, s, sizeof(*s));
	}
	iod_zfree(&allocator, vs, sizeof(*vs));
	return 0;
}

static struct vs_shadow **find(struct iod_vtd_shadow *vs, const struct iod_shadow *shadow)
{
	struct vs_shadow **link = &vs->shadows;

	while (*link && (*link)->shadow != shadow)
		link = &(*link)->next;
	return link;
}

int iod_vtd_shadow_add(struct iod_vtd_shadow *vs, struct iod_shadow *shadow)
{
	struct vs_shadow *s;

	if (!vs || !shadow)
		return -EINVAL;
	if (*find(vs, shadow))
		return -EEXIST;
	s = iod_zalloc(&vs->allocator, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->shadow = shadow;
	s->work.size = sizeof(s->work);
	s->due = vs->open;
	s->next = vs->shadows;
	vs->shadows = s;
	return 0;
}

int iod_vtd_shadow_remove(struct iod_vtd_shadow *vs, struct iod_shadow *shadow)
{
	struct vs_shadow **link, *s;

	if (!vs || !shadow)
		return -EINVAL;
	link = find(vs, shadow);
	s = *link;
	if (!s)
		return -ENOENT;
	*link = s->next;
	iod_zfree(&vs->allocator, s, sizeof(*s));
	return 0;
}

/* ---- doing it ---- */

static void add_up(struct iod_shadow_work *sum, const struct iod_shadow_work *w)
{
	sum->unmapped += w->unmapped;
	sum->mapped += w->mapped;
	sum->kept += w->kept;
	sum->dirty += w->dirty;
	sum->missing += w->missing;
	sum->bad += w->bad;
	sum->items += w->items;
	sum->ranges += w->ranges;
	sum->syncs += w->syncs;
}

static int sync_one(struct iod_vtd_shadow *vs, struct vs_shadow *s)
{
	int ret;

	s->work.budget = vs->cfg.budget;
	ret = iod_shadow_invalidate(s->shadow, vs->note, vs->nr, &s->work);
	if (ret)
		return ret;
	if (!s->work.complete)
		return -EAGAIN;
	add_up(&vs->sum, &s->work);
	memset(&s->work, 0, sizeof(s->work));
	s->work.size = sizeof(s->work);
	s->due = false;
	return 0;
}

int iod_vtd_shadow_sync(struct iod_vtd_shadow *vs)
{
	struct vs_shadow *s;
	int ret = 0, first = 0;

	if (!vs)
		return -EINVAL;
	for (s = vs->shadows; s && !vs->open; s = s->next)
		s->due = true;
	vs->open = true;
	/* One that fails does not keep the others from being done. */
	for (s = vs->shadows; s; s = s->next) {
		ret = s->due ? sync_one(vs, s) : 0;
		if (ret && (!first || first == -EAGAIN))
			first = ret;
	}
	if (first)
		return first;
	vs->open = false;
	vs->nr = 0;
	return 0;
}

int iod_vtd_shadow_get_work(const struct iod_vtd_shadow *vs, struct iod_shadow_work *work)
{
	return vs ? iod_struct_out(work, &vs->sum, sizeof(vs->sum), sizeof(vs->sum)) : -EINVAL;
}

/* ---- descriptors ---- */

static void note(struct iod_vtd_shadow *vs, const struct iod_inv *inv)
{
	if (vs->nr == MAX_NOTES) {
		vs->nr = 1;
		vs->note[0] = (struct iod_inv){ .kind = IOD_INV_ALL };
	}
	if (vs->nr != 1 || vs->note[0].kind != IOD_INV_ALL)
		vs->note[vs->nr++] = *inv;
}

/* A sync among descriptors: what it says is the host's trouble. */
static int sync_first(struct iod_vtd_shadow *vs)
{
	vs->failed = iod_vtd_shadow_sync(vs);
	return vs->failed;
}

static int config(struct iod_vtd_shadow *vs, const struct iod_vtd_desc *desc)
{
	int ret;

	if (!vs->cfg.config)
		return -EOPNOTSUPP;
	ret = vs->nr ? sync_first(vs) : 0;
	return ret ? ret : vs->cfg.config(vs->cfg.cookie, desc);
}

static int one(struct iod_vtd_shadow *vs, const struct iod_vtd_raw_desc *raw)
{
	struct iod_cmd_effect effect;
	struct iod_vtd_desc desc;
	int ret = iod_vtd_desc_decode(&desc, raw, &vs->cfg.guest, 0, NULL);

	if (ret)
		return ret;
	switch (desc.type) {
	case IOD_VTD_IOTLB_INV:
		ret = iod_vtd_desc_effect(&effect, &desc);
		for (uint32_t i = 0; !ret && i < effect.nr_s2; i++)
			note(vs, &effect.s2[i]);
		return ret;
	case IOD_VTD_DEV_TLB_INV:
	case IOD_VTD_P_DEV_TLB_INV:
		return 0;
	case IOD_VTD_CONTEXT_INV:
	case IOD_VTD_PASID_CACHE_INV:
	case IOD_VTD_IEC_INV:
		return config(vs, &desc);
	default: /* first-stage tables are nobody's to shadow */
		return -EOPNOTSUPP;
	}
}

int iod_vtd_shadow_commands(struct iod_vtd_shadow *vs, const struct iod_vtd_raw_desc *descs,
			    size_t nr, size_t *handled)
{
	struct iod_vtd_raw_desc raw;
	size_t i;
	int ret = 0;

	if (!vs || !handled || (nr && !descs))
		return -EINVAL;
	*handled = 0;
	vs->failed = 0;
	/* What is in the middle of a wait is to be done with first: its notes may not grow. */
	if (vs->open)
		ret = sync_first(vs);
	for (i = 0; i < nr && !ret; i++) {
		for (unsigned int k = 0; k < 4; k++)
			raw.word[k] = *(const volatile uint64_t *)&descs[i].word[k];
		ret = one(vs, &raw);
		*handled += !ret;
	}
	return ret;
}

/* The host's trouble is none of the guest's: its queue waits. */
static int turn_commands(void *cookie, const struct iod_vtd_raw_desc *descs, size_t nr,
			 size_t *handled)
{
	struct iod_vtd_shadow *vs = cookie;
	int ret = iod_vtd_shadow_commands(vs, descs, nr, handled);

	return vs->failed ? -EAGAIN : ret;
}

static int turn_wait(void *cookie, const struct iod_vtd_desc *wait)
{
	struct iod_vtd_shadow *vs = cookie;

	vs->failed = iod_vtd_shadow_sync(vs);
	return vs->failed ? -EAGAIN : 0;
}

static void turn_waited(void *cookie, const struct iod_vtd_desc *wait)
{
	struct iod_vtd_shadow *vs = cookie;

	if (vs->cfg.waited)
		vs->cfg.waited(vs->cfg.cookie, wait);
}

int iod_vtd_shadow_consume(struct iod_vtd_shadow *vs, struct iod_vtd_consume *consume)
{
	static const struct iod_vtd_consumer_ops ops = {
		.size = sizeof(ops),
		.commands = turn_commands,
		.sync = turn_wait,
		.written = turn_waited,
	};
	struct iod_vtd_consume c;
	int ret;

	if (!vs)
		return -EINVAL;
	ret = iod_struct_in(&c, sizeof(c), consume, sizeof(c));
	if (ret)
		return ret;
	c.id = &vs->cfg.guest;
	c.ops = &ops;
	c.cookie = vs;
	vs->failed = 0;
	ret = iod_vtd_iq_consume(&c);
	consume->consumed = c.consumed;
	consume->error = c.error;
	consume->iqei = c.iqei;
	consume->reason = c.reason;
	return ret == -EAGAIN && vs->failed ? vs->failed : ret;
}
