/* SPDX-License-Identifier: MIT */
/*
 * One sequence. Each operation takes its chances from the seed and its own number, so that leaving
 * one out leaves the others as they are: that is what shrinking a failure needs.
 */
#include "prop.h"

#define POPULATE     40 /* operations of a twin that map */
#define VERIFY_EVERY 512
#define EPOCH	     1024 /* with or without lag */
#define FEW_LEAVES   60
#define MANY_LEAVES  450

static uint64_t mix(uint64_t z)
{
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u; /* splitmix64 */
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

uint64_t prop_random(struct prop *p)
{
	return mix(p->rng += 0x9e3779b97f4a7c15u);
}

uint64_t prop_below(struct prop *p, uint64_t n)
{
	return prop_random(p) % n;
}

bool prop_chance(struct prop *p, unsigned int percent)
{
	return prop_below(p, 100) < percent;
}

/* ---- findings ---- */

/* A twin has filled its table: from here on the model's flags mean nothing, only losses count. */
static bool lenient(const struct prop *p)
{
	return p->cfg.twin > PROP_CONTROL && p->cfg.twin != PROP_RESIZED &&
	       p->cfg.twin != PROP_PRUNED && p->res->op >= POPULATE;
}

void prop_fail(struct prop *p, const char *fmt, ...)
{
	va_list ap;

	if (p->res->failed || lenient(p))
		return;
	va_start(ap, fmt);
	vsnprintf(p->res->what, sizeof(p->res->what), fmt, ap);
	va_end(ap);
	p->res->failed = true;
}

void prop_loss(struct prop *p, uint64_t iova, uint64_t frame, const char *when)
{
	if (p->res->failed)
		return;
	snprintf(p->res->what, sizeof(p->res->what),
		 "LOST %s: written through iova %#jx, pa %#jx, neither reported nor dirty", when,
		 (uintmax_t)iova, (uintmax_t)frame << 12);
	p->res->failed = true;
	p->res->loss = true;
}

void prop_note(struct prop *p, const char *fmt, ...)
{
	char line[200];
	va_list ap;

	if (!p->cfg.trace)
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	print_message("  %6u  %s\n", p->res->op, line);
}

/* ---- operations ---- */

static void map_or_unmap(struct prop *p)
{
	unsigned int percent = p->leaves.nr < FEW_LEAVES    ? 80
			       : p->leaves.nr > MANY_LEAVES ? 10
							    : 55;

	if (prop_chance(p, percent))
		prop_gen_map(p);
	else
		prop_gen_unmap(p);
}

/* In every other stretch of operations everything is synced at once: then all is exact. */
static bool lag_allowed(const struct prop *p)
{
	return mix(p->cfg.seed + p->res->op / EPOCH) & 1;
}

static void some_operation(struct prop *p)
{
	uint64_t dice = prop_below(p, 100);
	bool settle;

	if (p->res->op % VERIFY_EVERY == VERIFY_EVERY - 1)
		prop_verify(p);
	else if (dice < 56)
		prop_dma(p);
	else if (dice < 60)
		prop_gen_unmap_dirty(p);
	else if (dice < 66)
		prop_gen_resize(p);
	else if (dice < 76)
		map_or_unmap(p);
	else if (dice < 84)
		prop_gen_sweep(p);
	else if (dice < 89)
		prop_sync(p, prop_chance(p, 30));
	else
		prop_translate(p, p->leaves.nr && prop_chance(p, 70)
					  ? p->leaves.leaf[prop_below(p, p->leaves.nr)].last
					  : prop_gen_iova(p));
	settle = dice >= 56 && dice < 84 && !lag_allowed(p);
	if (settle && !p->res->failed)
		prop_sync(p, prop_chance(p, 30));
}

static void twin_operation(struct prop *p)
{
	uint64_t dice = prop_below(p, 100);

	if (p->res->op < POPULATE)
		prop_gen_map(p);
	else if (p->cfg.twin >= PROP_RESIZED && p->cfg.twin <= PROP_UNMAP_EARLY && dice < 20)
		dice % 2 || !p->leaves.nr ? prop_gen_map(p) : prop_twin_resize(p);
	else if (p->cfg.twin >= PROP_RESIZED && p->cfg.twin <= PROP_UNMAP_EARLY && dice < 30)
		prop_twin_unmap(p);
	else if (dice < 65)
		prop_dma(p);
	else if (dice < 80)
		prop_gen_sweep(p);
	else if (dice < 92)
		prop_sync(p, prop_chance(p, 30));
	else if (p->cfg.twin == PROP_PLAIN_CLEAR)
		prop_plain_clear(p);
	else if (p->cfg.twin == PROP_PARTIAL)
		prop_partial_clear(p);
	else if (p->cfg.twin == PROP_PLAIN_TAKE)
		prop_plain_take(p);
}

/* ---- the end: quiesce, sync, sweep, sync, copy ---- */

static void finish(struct prop *p)
{
	uint64_t bytes = 0;
	size_t i;

	p->rng = mix(p->cfg.seed + 1);
	p->quiet = true;
	prop_note(p, "the end");
	prop_sync(p, false);
	if (!p->res->failed)
		prop_verify(p);
	if (p->dirty && !p->res->failed)
		prop_sweep_all(p);
	if (!p->res->failed)
		prop_sync(p, false);
	if (!p->res->failed && p->nr_behind)
		prop_loss(p, p->behind[0].iova, p->behind[0].frame, "at the end");
	if (p->res->failed)
		return;
	for (i = 0; i < p->leaves.nr; i++)
		bytes += p->leaves.leaf[i].last - p->leaves.leaf[i].iova + 1;
	PROP_CHECK(p, prop_unmap_all(p) == bytes, "unmap of everything is not %#jx bytes",
		   (uintmax_t)bytes);
	PROP_CHECK(p, !iod_gather_sync(p->gather), "sync at the end");
	PROP_CHECK(p, iodt_info(p->pt).tables == 1 && iodt_stats(p->t->mem).tables == 1,
		   "%ju tables are left", (uintmax_t)iodt_info(p->pt).tables);
}

/* ---- a sequence ---- */

static bool open_all(struct prop *p)
{
	iodt_kernels = iodt_kernels_nth(prop_random(p));
	p->skip_untracked = prop_chance(p, 30);
	prop_note(p, "kernels %s", iodt_kernels);
	p->t = iodt_open(p->v);
	iodt_kernels = NULL;
	if (!p->t)
		return false;
	p->pt = p->t->pt;
	p->dirty = p->t->caps & IODT_DIRTY;
	p->bits = calloc(PROP_BITS / 64 + 2, 8);
	p->lo = calloc(PROP_BITS / 64 + 2, 8);
	p->hi = calloc(PROP_BITS / 64 + 2, 8);
	if (!p->bits || !p->lo || !p->hi || !prop_hw_open(p))
		return false;
	prop_gen_init(p);
	return true;
}

static void close_all(struct prop *p)
{
	prop_hw_close(p);
	prop_reports_free(p);
	if (p->t && iodt_close(p->t))
		prop_fail(p, "something is left over");
	free(p->bits);
	free(p->lo);
	free(p->hi);
	free(p->leaves.leaf);
	free(p->fresh.leaf);
	free(p->old.leaf);
	free(p->plan.leaf);
	free(p->marks.leaf);
	free(p->stale.ext);
	free(p->pending.ext);
	free(p->behind);
}

void prop_run(const struct prop_cfg *cfg, struct prop_result *res)
{
	struct prop p = { .cfg = *cfg, .res = res, .v = cfg->v };
	unsigned int op;

	*res = (struct prop_result){ 0 };
	p.rng = mix(cfg->seed);
	if (!open_all(&p))
		prop_fail(&p, "cannot be created");
	for (op = 0; op < cfg->ops && !res->failed; op++) {
		if (cfg->skip && cfg->skip[op])
			continue;
		res->op = op;
		p.rng = mix(cfg->seed + 0x9e3779b97f4a7c15u * (op + 1));
		if (cfg->twin)
			twin_operation(&p);
		else
			some_operation(&p);
		res->done++;
	}
	if (!res->failed)
		finish(&p);
	close_all(&p);
}
