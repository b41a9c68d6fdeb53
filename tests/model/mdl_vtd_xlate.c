/* SPDX-License-Identifier: MIT */
/* VT-d: a request from end to end. */
#include "mdl_vtd_xlate.h"

#include <string.h>

#include "model_int.h"

#define ADDR mdl_bits(51, 12)

/* Bits of both kinds of entries that hardware sets. */
#define SS_A ((uint64_t)1 << 8)
#define SS_D ((uint64_t)1 << 9)
#define FS_A ((uint64_t)1 << 5)
#define FS_D ((uint64_t)1 << 6)

struct walk {
	const struct mdl_vtd_unit *u;
	const struct mdl_vtd_access *a;
	struct mdl_vtd_outcome *o;
	bool legacy, nested, ssade, snoop, priv;
	uint64_t ss_root, fs_root;
	unsigned ss_levels, fs_levels;
	/* an update that is needed and not possible has one of these */
	unsigned late[MDL_VTD_WHYS], nr_late;
};

static void add(unsigned *list, unsigned *nr, unsigned reason)
{
	unsigned i;

	for (i = 0; i < *nr; i++)
		if (list[i] == reason)
			return;
	if (*nr < MDL_VTD_WHYS)
		list[(*nr)++] = reason;
}

static void why(struct walk *k, unsigned reason)
{
	add(k->o->why, &k->o->nr_why, reason);
}

static void late(struct walk *k, unsigned reason)
{
	add(k->late, &k->nr_late, reason);
}

static void mark(struct walk *k, uint64_t pa, uint64_t must, uint64_t may)
{
	struct mdl_vtd_outcome *o = k->o;
	unsigned i;

	for (i = 0; i < o->nr_marks && o->mark[i].pa != pa; i++)
		;
	if (i == MDL_VTD_MARKS) {
		o->beyond = true;
		return;
	}
	if (i == o->nr_marks)
		o->mark[o->nr_marks++] = (struct mdl_vtd_mark){ .pa = pa };
	o->mark[i].must |= must;
	o->mark[i].may |= may;
}

static bool readable(struct walk *k, uint64_t pa, uint64_t *val)
{
	const struct mdl_mem *m = k->u->mem;

	return !m->read64(m->cookie, pa, val);
}

static bool writable(struct walk *k, uint64_t pa)
{
	const struct mdl_mem *m = k->u->mem;
	uint64_t val, seen;

	return readable(k, pa, &val) && !m->cmpxchg64(m->cookie, pa, val, val, &seen);
}

static uint64_t entry_at(uint64_t table, uint64_t addr, unsigned level)
{
	return table + (addr >> (3 + 9 * level) & 0x1ff) * 8;
}

/* ---- second stage ---- */

struct ss {
	uint64_t pa;
	bool r, w;
};

/* 9.10; bit 11 is SNP in leaves, where there is snoop control. Large pages: CAP.SSLPS. */
static bool ss_reserved(struct walk *k, uint64_t e, unsigned level, bool leaf)
{
	uint64_t mask = (uint64_t)1 << 62;

	if (!leaf)
		mask |= 1 << 11;
	else if (mdl_bit(e, 11) && !mdl_bit(k->u->id.ecap, 7))
		k->o->beyond = true;
	if (level > 3)
		mask |= 1 << 7;
	if (leaf && level > 1) {
		mask |= mdl_bits(3 + 9 * level - 1, 12);
		if (!mdl_bit(k->u->id.cap, 32 + level))
			return true;
	}
	return e & mask;
}

static unsigned denied(const struct walk *k, bool write)
{
	if (k->legacy)
		return write ? 5 : 6;
	return write ? 0x85 : 0x86;
}

/* Needed updates. dirty: 0 none, 1 for certain, 2 maybe (table pages of a first stage that is read). */
static void ss_update(struct walk *k, uint64_t at, uint64_t e, bool leaf, unsigned dirty)
{
	uint64_t must = SS_A | (leaf && dirty == 1 ? SS_D : 0);

	if (!k->ssade)
		return;
	mark(k, at, must, leaf && dirty == 2 ? SS_D : 0);
	if (!(must & ~e))
		return;
	if (!k->snoop)
		late(k, 0x7c);
	if (!writable(k, at))
		late(k, 0x7d);
}

/* Below the highest address? */
static bool ss_fits(struct walk *k, uint64_t addr)
{
	unsigned mgaw = (unsigned)(k->u->id.cap >> 16 & 0x3f) + 1, width = 12 + 9 * k->ss_levels;

	if (addr > mdl_low(width) || addr <= mdl_low(mgaw))
		return addr <= mdl_low(width);
	/* Between the two. Who takes what a table of more levels maps there marks more, not less. */
	k->o->beyond |= k->nested || mgaw + 9 <= width;
	return false;
}

/* Whether there is a translation; permissions are the caller's to look at. @write: of the request, for reasons. */
static bool ss_walk(struct walk *k, uint64_t addr, bool write, unsigned dirty, struct ss *s)
{
	uint64_t table = k->ss_root, at, e;
	unsigned level;
	bool leaf;

	if (!ss_fits(k, addr)) {
		why(k, k->legacy ? 4 : k->nested ? 0x74 : 0x84);
		return false;
	}
	s->r = s->w = true;
	for (level = k->ss_levels;; level--) {
		at = entry_at(table, addr, level);
		if (!readable(k, at, &e)) {
			why(k, k->legacy ? 7 : level == k->ss_levels ? 0x7b : 0x78);
			return false;
		}
		if (!(e & 3)) {
			why(k, k->legacy ? denied(k, write) : 0x79);
			return false;
		}
		leaf = level == 1 || (level <= 3 && mdl_bit(e, 7));
		if (ss_reserved(k, e, level, leaf)) {
			why(k, k->legacy ? 0xc : 0x7a);
			return false;
		}
		s->r &= mdl_bit(e, 0);
		s->w &= mdl_bit(e, 1);
		ss_update(k, at, e, leaf, dirty);
		if (leaf)
			break;
		table = e & ADDR;
	}
	s->pa = (e & ADDR & ~mdl_low(3 + 9 * level)) | (addr & mdl_low(3 + 9 * level));
	return true;
}

static bool in_interrupts(uint64_t pa)
{
	return pa >> 20 == 0xfee;
}

/* The last step: through the second stage. */
static bool ss_final(struct walk *k, uint64_t addr)
{
	struct ss s;

	if (k->nested && in_interrupts(addr))
		k->o->beyond = true;
	if (!ss_walk(k, addr, k->a->write, k->a->write, &s))
		return false;
	k->o->pa = s.pa;
	if (!(k->a->write ? s.w : s.r)) {
		why(k, denied(k, k->a->write));
		if (!k->legacy)
			why(k, 0x79); /* "or no permission" */
		return false;
	}
	return true;
}

/* ---- first stage ---- */

static bool fs_reserved(struct walk *k, uint64_t e, unsigned level, bool leaf)
{
	if (level > 3)
		return mdl_bit(e, 7);
	if (!leaf || level == 1)
		return false;
	if (level == 3 && !mdl_bit(k->u->id.cap, 56))
		return true;
	return e & mdl_bits(3 + 9 * level - 1, 13); /* bit 12 is PAT */
}

/* Where an entry lies: nested, the second stage says. */
static bool fs_locate(struct walk *k, uint64_t at, bool root, struct ss *s)
{
	*s = (struct ss){ at, true, true };
	if (!k->nested)
		return true;
	if (!ss_walk(k, at, false, 2, s)) {
		why(k, root ? 0x75 : 0x76);
		return false;
	}
	/* 3.8.1: with SSADE even a read wants write permission */
	if (!s->r || (k->ssade && !s->w)) {
		why(k, root ? 0x75 : 0x76);
		why(k, 0x79);
		return false;
	}
	return true;
}

static void fs_update(struct walk *k, const struct ss *s, uint64_t at, uint64_t e, uint64_t must)
{
	struct ss again;

	mark(k, s->pa, must, 0);
	if (!(must & ~e))
		return;
	if (k->nested && !s->w)
		late(k, 0x77);
	if (!k->snoop)
		late(k, 0x90);
	if (!writable(k, s->pa))
		late(k, 0x91);
	if (k->nested) /* a write to the page of the table */
		ss_walk(k, at, true, 1, &again);
}

static bool canonical(uint64_t addr, unsigned levels)
{
	uint64_t high = addr >> (11 + 9 * levels);

	return !high || high == mdl_low(64 - (11 + 9 * levels));
}

struct fs {
	struct ss last;
	uint64_t at, e, out;
	bool w, us;
};

static bool fs_walk(struct walk *k, struct fs *f)
{
	uint64_t table = k->fs_root;
	unsigned level;
	bool leaf, root;

	if (!canonical(k->a->iova, k->fs_levels)) {
		why(k, 0x80);
		return false;
	}
	f->w = f->us = true;
	for (level = k->fs_levels;; level--) {
		root = level == k->fs_levels;
		f->at = entry_at(table, k->a->iova, level);
		if (!fs_locate(k, f->at, root, &f->last))
			return false;
		if (!readable(k, f->last.pa, &f->e)) {
			why(k, root ? 0x73 : 0x70);
			return false;
		}
		if (!mdl_bit(f->e, 0)) {
			why(k, 0x71);
			return false;
		}
		leaf = level == 1 || (level <= 3 && mdl_bit(f->e, 7));
		if (fs_reserved(k, f->e, level, leaf)) {
			why(k, 0x72);
			return false;
		}
		f->w &= mdl_bit(f->e, 1);
		f->us &= mdl_bit(f->e, 2);
		fs_update(k, &f->last, f->at, f->e, FS_A);
		if (leaf)
			break;
		table = f->e & ADDR;
	}
	f->out = f->e & ADDR & ~mdl_low(3 + 9 * level);
	f->out |= k->a->iova & mdl_low(3 + 9 * level);
	return true;
}

static bool first_stage(struct walk *k, bool wpe)
{
	struct fs f;

	if (!fs_walk(k, &f))
		return false;
	if (!k->priv && !f.us)
		why(k, 0x81);
	if (k->a->write && !f.w) {
		if (k->priv && !wpe)
			k->o->beyond = true;
		why(k, 0x85);
	}
	if (k->o->nr_why)
		return false;
	if (k->nested && !ss_final(k, f.out))
		return false;
	if (!k->nested)
		k->o->pa = f.out;
	if (k->a->write)
		fs_update(k, &f.last, f.at, f.e, FS_A | FS_D);
	return true;
}

/* ---- whole ---- */

/*
 * Refused: Accessed may have been set on the way, Dirty only in pages that hold first-stage tables; or everywhere, if
 * the tables permit the write and something behind them does not.
 */
static void refused(struct mdl_vtd_outcome *o, const struct walk *k, bool permitted)
{
	uint64_t may = permitted ? ~UINT64_C(0) : k->fs_levels ? FS_A | SS_A : SS_A;
	unsigned i;

	o->granted = false;
	for (i = 0; i < k->nr_late; i++)
		add(o->why, &o->nr_why, k->late[i]);
	for (i = 0; i < o->nr_marks; i++) {
		struct mdl_vtd_mark *m = &o->mark[i];

		m->may |= m->must & may;
		m->must = 0;
	}
}

/* HAW is 52 here. Which other bound a pass-through request has in scalable mode (AW, MGAW) is not certain. */
static bool pass(struct walk *k)
{
	if (k->a->iova <= mdl_low(52)) {
		k->o->beyond |= !k->legacy && !ss_fits(k, k->a->iova);
		return true;
	}
	why(k, k->legacy ? 4 : 0x83);
	if (!k->legacy)
		why(k, 0x84);
	return false;
}

static bool translate(struct walk *k, const struct mdl_vtd_result *res)
{
	const uint64_t *w = res->word;
	unsigned pgtt = (unsigned)(w[0] >> 6 & 7);

	k->o->pa = k->a->iova;
	if (k->legacy) {
		k->ss_root = w[0] & ADDR;
		k->ss_levels = (unsigned)(w[1] & 7) + 2;
		return (w[0] >> 2 & 3) == 2 ? pass(k) : ss_final(k, k->a->iova);
	}
	k->snoop = mdl_bit(k->u->id.ecap, 48) && mdl_bit(w[1], 23);
	k->ssade = mdl_bit(w[0], 9);
	k->nested = pgtt == 3;
	k->priv = res->priv;
	k->ss_root = w[0] & ADDR;
	k->ss_levels = (unsigned)(w[0] >> 2 & 7) + 2;
	if (pgtt == 4)
		return pass(k);
	if (pgtt == 2)
		return ss_final(k, k->a->iova);
	k->fs_root = w[2] & ADDR;
	k->fs_levels = 4 + (w[2] >> 2 & 3);
	if ((k->nested && !k->snoop) || mdl_bit(w[2], 7))
		k->o->beyond = true;
	return first_stage(k, mdl_bit(w[2], 4));
}

void mdl_vtd_access(const struct mdl_vtd_unit *u, const struct mdl_vtd_access *a,
		    struct mdl_vtd_outcome *o)
{
	struct walk k = { .u = u, .a = a, .o = o };
	struct mdl_vtd_request req = { .rtaddr = u->rtaddr,
				       .sid = a->sid,
				       .has_pasid = a->has_pasid,
				       .priv = a->priv,
				       .pasid = a->pasid,
				       .old_fields = u->old_fields };
	struct mdl_vtd_result res;
	bool permitted;

	memset(o, 0, sizeof(*o));
	o->beyond = mdl_bit(u->rtaddr, 7);
	o->pa = a->iova;
	if (!a->has_pasid && in_interrupts(a->iova)) {
		o->granted = a->write;
		o->beyond |= !a->write;
		return;
	}
	mdl_vtd_find(u->mem, &u->id, &req, &res);
	o->fpd = res.fpd;
	if (res.reason) {
		why(&k, res.reason);
		o->is_structure = true;
		return;
	}
	k.legacy = !(u->rtaddr >> 10 & 3);
	permitted = translate(&k, &res);
	if (permitted && in_interrupts(o->pa))
		why(&k, k.legacy ? 0xe : 0x87);
	if (!permitted || k.nr_late || o->nr_why)
		refused(o, &k, permitted);
	else
		o->granted = true;
}
