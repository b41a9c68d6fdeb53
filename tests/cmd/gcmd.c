/* SPDX-License-Identifier: MIT */
/* See gcmd.h. */
#include "gcmd.h"

const struct iod_inv_cost gc_never = { .size = sizeof(gc_never),
				       .domain = IOD_INV_NEVER,
				       .global = IOD_INV_NEVER,
				       .device_page = 100000,
				       .device_all = IOD_INV_NEVER,
				       .page = IOD_INV_NEVER };

struct iod_inv gc_leaves(uint64_t first, uint64_t n)
{
	return (struct iod_inv){ .kind = IOD_INV_RANGE,
				 .flags = IOD_INV_LEAF_ONLY,
				 .iova = first << 12,
				 .last = ((first + n) << 12) - 1,
				 .leaf_levels = 1,
				 .granule_lg2 = 12 };
}

struct iod_inv gc_tables(uint64_t first, uint64_t n)
{
	struct iod_inv inv = gc_leaves(first, n);

	inv.flags = 0;
	inv.table_levels = 2;
	return inv;
}

static void words_of(const uint64_t *raw, size_t words, uint64_t *out)
{
	size_t w;
	unsigned i;

	for (w = 0; w < words; w++) {
		unsigned char byte[8];

		memcpy(byte, &raw[w], 8);
		for (out[w] = 0, i = 8; i--;)
			out[w] = out[w] << 8 | byte[i];
	}
}

struct gc_cmd gc_decode(const struct gc *gc, const uint64_t *raw)
{
	uint64_t words[GC_WORDS];

	words_of(raw, gc->v->words, words);
	return gc->v->decode(words);
}

int gc_issue(struct gc *gc, const uint64_t *raw, size_t nr, bool sync, size_t *issued)
{
	size_t i;

	*issued = gc->issue ? nr : 0;
	if (gc->issue)
		return gc->issue(gc, raw, nr, sync);
	if (++gc->calls == gc->fail_at)
		return gc->error;
	assert_true(gc->nr + nr < GC_MAX);
	for (i = 0; i < nr; i++) {
		gc->cmd[gc->nr] = gc_decode(gc, &raw[i * gc->v->words]);
		assert_int_not_equal(gc->cmd[gc->nr].kind, GC_SYNC);
		gc->nr++;
		if (gc->each)
			gc->each(gc, &raw[i * gc->v->words]);
	}
	if (sync)
		gc->cmd[gc->nr++] = (struct gc_cmd){ .kind = GC_SYNC };
	*issued = nr;
	return 0;
}

int gc_quirk(struct gc *gc, uint64_t *raw, size_t *nr, size_t max)
{
	size_t words = gc->v->words, i, n = 0;

	assert_true(*nr && max >= 2 * *nr);
	for (i = 0; i < *nr; i++) {
		struct gc_cmd cmd = gc_decode(gc, &raw[i * words]);

		assert_int_not_equal(cmd.kind, GC_SYNC);
		if (!gc->quirk_fn(gc, &cmd, &raw[i * words]))
			continue;
		memmove(&raw[n++ * words], &raw[i * words], words * 8);
	}
	*nr = n;
	return 0;
}

int gc_try(const struct gc_vendor *v, const struct gc_cfg *cfg, struct gc **out)
{
	struct gc *gc = calloc(1, sizeof(*gc));
	int ret;

	assert_non_null(gc);
	gc->v = v;
	gc->error = -EIO;
	gc->quirk_fn = cfg->quirk;
	ret = v->create(gc, cfg);
	if (ret)
		free(gc);
	else
		*out = gc;
	return ret;
}

struct gc *gc_open(const struct gc_vendor *v, const struct gc_cfg *cfg)
{
	struct gc *gc = NULL;

	iodt_assert_ok(gc_try(v, cfg, &gc));
	return gc;
}

void gc_close(struct gc *gc)
{
	iodt_assert_ok(gc->v->destroy(gc->inv));
	free(gc);
}

void gc_reset(struct gc *gc)
{
	gc->nr = 0;
	gc->calls = 0;
	gc->fail_at = 0;
}

int gc_invalidate(struct gc *gc, const struct iod_inv *items, size_t nr)
{
	return gc->v->ops()->invalidate(gc->inv, items, nr);
}

int gc_sync(struct gc *gc)
{
	return gc->v->ops()->sync(gc->inv);
}

static void print_cmd(const char *which, const struct gc_cmd *c)
{
	print_message("%s kind %d domain %x pasid %d/%x leaf %d global %d dev %x/%x/%u %#jx-%#jx\n",
		      which, c->kind, c->domain, c->by_pasid, c->pasid, c->leaf, c->global, c->dev,
		      c->limits, c->pending, (uintmax_t)c->first, (uintmax_t)c->last);
}

static bool equal(const struct gc_cmd *a, const struct gc_cmd *b)
{
	return a->kind == b->kind && a->domain == b->domain && a->pasid == b->pasid &&
	       a->by_pasid == b->by_pasid && a->leaf == b->leaf && a->global == b->global &&
	       a->dev == b->dev && a->limits == b->limits && a->pending == b->pending &&
	       a->first == b->first && a->last == b->last;
}

void gc_expect(struct gc *gc, const struct gc_cmd *want, size_t nr, const char *what)
{
	bool same = gc->nr == nr;
	size_t i;

	for (i = 0; same && i < nr; i++)
		same = equal(&gc->cmd[i], &want[i]);
	if (!same) {
		for (i = 0; i < nr && i < 64; i++)
			print_cmd("want", &want[i]);
		for (i = 0; i < gc->nr && i < 64; i++)
			print_cmd("seen", &gc->cmd[i]);
		fail_msg("%s, %s: %zu commands, not %zu", gc->v->name, what, gc->nr, nr);
	}
	gc_reset(gc);
}
