/* SPDX-License-Identifier: MIT */
/* A request through an AMD IOMMU: device table, GCR3 table, page tables (bits.md A3, C3.2). */
#include <stddef.h>

#include "mdl_amdvi_int.h"

#define CTRL_IOMMUEN	 (UINT64_C(1) << 0)
#define CTRL_GTEN	 (UINT64_C(1) << 16)
#define CTRL_GCR3TRPMODE (UINT64_C(1) << 58)

struct xlate {
	const struct mdl_amdvi *m;
	const struct mdl_amdvi_access *a;
	struct mdl_amdvi_result *r;
	struct mdl_table host, guest;
	struct mdl_mem phys, mem; /* mem: what a guest's tables lie in */
	uint64_t lost;		  /* what could not be read */
	/* what the host's table refused of a guest's tables */
	enum mdl_fault item_fault;
	uint64_t item;
	bool item_write;
};

static struct mdl_amdvi_answer *add(struct xlate *x, enum mdl_amdvi_event_type type)
{
	struct mdl_amdvi_answer *w = &x->r->why[x->r->refused++];

	*w = (struct mdl_amdvi_answer){ .logged = true };
	w->event.type = type;
	w->event.devid = x->a->devid;
	w->event.addr = x->a->iova;
	w->event.rw = x->a->write;
	w->event.tr = x->a->ats;
	return w;
}

/* A page fault, not suppressed. Before a guest's table is known to be meant GN is open. */
static struct mdl_amdvi_answer *page_fault(struct xlate *x, bool present)
{
	struct mdl_amdvi_answer *w = add(x, MDL_AMD_IO_PAGE_FAULT);

	w->logged = !x->r->dte.sa;
	w->event.domain = x->r->dte.domain;
	w->event.pr = present;
	w->sure.pr = w->sure.addr = true;
	w->sure.rw = present; /* RW means something with PR only */
	return w;
}

/* ---- memory ---- */

static int phys_read(void *cookie, uint64_t pa, uint64_t *val)
{
	struct xlate *x = cookie;

	if (!x->m->mem->read64(x->m->mem->cookie, pa, val))
		return 0;
	x->lost = pa;
	return -1;
}

static int phys_cmpxchg(void *cookie, uint64_t pa, uint64_t old, uint64_t new_, uint64_t *seen)
{
	struct xlate *x = cookie;

	return x->m->mem->cmpxchg64(x->m->mem->cookie, pa, old, new_, seen);
}

/* Where an item of a guest's tables is, for a read or a write of the IOMMU. */
static int item(struct xlate *x, uint64_t gpa, bool write, uint64_t *pa)
{
	struct mdl_leaf leaf;
	enum mdl_fault fault = mdl_access(&x->host, &x->phys, gpa, write, &leaf);

	if (fault == MDL_OK) {
		*pa = leaf.pa + (gpa - leaf.iova);
		return 0;
	}
	x->item_fault = fault;
	x->item = gpa;
	x->item_write = write;
	return -1;
}

static int guest_read(void *cookie, uint64_t gpa, uint64_t *val)
{
	uint64_t pa;

	return item(cookie, gpa, false, &pa) ? -1 : phys_read(cookie, pa, val);
}

static int guest_cmpxchg(void *cookie, uint64_t gpa, uint64_t old, uint64_t new_, uint64_t *seen)
{
	uint64_t pa;

	return item(cookie, gpa, true, &pa) ? -1 : phys_cmpxchg(cookie, pa, old, new_, seen);
}

/* ---- refusals ---- */

static void table_error(struct xlate *x, bool gn, bool sure)
{
	struct mdl_amdvi_answer *w = add(x, MDL_AMD_PAGE_TAB_HARDWARE_ERROR);

	w->event.gn = gn;
	w->event.domain = x->r->dte.domain;
	w->event.pasid = x->a->has_pasid ? x->a->pasid : 0;
	w->event.addr = x->lost;
	w->sure.gn = w->sure.addr = sure;
}

static void refuse(struct xlate *x, enum mdl_fault fault, bool gn, uint64_t addr, bool write)
{
	struct mdl_amdvi_answer *w;

	if (fault == MDL_WALK_ABORT) {
		table_error(x, gn, !x->r->nested);
		return;
	}
	w = page_fault(x, fault != MDL_NOT_PRESENT && fault != MDL_RANGE);
	w->event.gn = gn;
	w->event.us = gn;
	w->event.nx = gn && x->a->exec;
	w->event.pasid = x->a->has_pasid ? x->a->pasid : 0;
	w->event.addr = addr;
	w->event.rw = write;
	w->event.pe = fault == MDL_PERMISSION;
	w->event.rz = fault == MDL_RESERVED;
	w->sure.gn = w->sure.us = w->sure.pe = w->sure.rz = true;
}

/* The host's table refused an item of a guest's tables. @return whether */
static bool item_refused(struct xlate *x)
{
	if (x->item_fault == MDL_OK)
		return false;
	refuse(x, x->item_fault, false, x->item, x->item_write);
	return true;
}

/* ---- walks ---- */

/* Reading instructions wants both. */
static enum mdl_fault permitted(const struct xlate *x, const struct mdl_table *t,
				const struct mdl_mem *mem, uint64_t addr, struct mdl_leaf *leaf)
{
	enum mdl_fault fault = mdl_walk(t, mem, addr, leaf);
	bool may = x->a->write ? leaf->w : leaf->r && (leaf->x || !x->a->exec);

	return fault == MDL_OK && !may ? MDL_PERMISSION : fault;
}

static void one_table(struct xlate *x, const struct mdl_table *t, bool gn)
{
	struct mdl_leaf leaf;
	enum mdl_fault fault = permitted(x, t, &x->phys, x->a->iova, &leaf);

	if (fault == MDL_OK)
		fault = mdl_access(t, &x->phys, x->a->iova, x->a->write, &leaf);
	if (fault != MDL_OK)
		refuse(x, fault, gn, x->a->iova, x->a->write);
	else
		x->r->pa = leaf.pa + (x->a->iova - leaf.iova);
}

/*
 * The guest's walk must go through; then the marks in it, and the host's table for the access, in an order that is
 * open where both refuse.
 */
static void both_tables(struct xlate *x)
{
	struct mdl_leaf leaf, out;
	enum mdl_fault fault, last;
	uint64_t gpa;

	fault = permitted(x, &x->guest, &x->mem, x->a->iova, &leaf);
	if (item_refused(x))
		return;
	if (fault != MDL_OK) {
		refuse(x, fault, true, x->a->iova, x->a->write);
		return;
	}
	gpa = leaf.pa + (x->a->iova - leaf.iova);
	mdl_access(&x->guest, &x->mem, x->a->iova, x->a->write, &leaf);
	item_refused(x);
	last = mdl_access(&x->host, &x->phys, gpa, x->a->write, &out);
	if (last != MDL_OK)
		refuse(x, last, false, gpa, x->a->write);
	else
		x->r->pa = out.pa + (gpa - out.iova);
}

static void guest_tables(struct xlate *x)
{
	const struct mdl_dte *d = &x->r->dte;
	unsigned pasid = x->a->has_pasid ? x->a->pasid : 0;
	bool gpas = d->mode && (x->m->control & CTRL_GCR3TRPMODE);
	uint64_t entry, at;
	int ret;

	x->r->nested = d->mode;
	x->mem = x->phys;
	if (d->mode)
		x->mem = (struct mdl_mem){ x, guest_read, guest_cmpxchg };
	ret = 1;
	if (amd_pasid_fits(&x->m->id, pasid))
		ret = mdl_gcr3(d, gpas ? &x->mem : &x->phys, pasid, &entry, &at);
	if (item_refused(x))
		return;
	if (ret < 0) {
		table_error(x, true, false);
		return;
	}
	if (ret) {
		struct mdl_amdvi_answer *w = page_fault(x, false);

		w->event.gn = true;
		w->event.nx = x->a->exec;
		w->event.pasid = pasid;
		w->sure.gn = true;
		return;
	}
	mdl_dte_guest(d, entry, &x->guest);
	if (d->mode)
		both_tables(x);
	else
		one_table(x, &x->guest, true);
}

/* ---- the way there ---- */

/* @return whether there is a legal entry */
static bool fetch(struct xlate *x)
{
	uint64_t bytes = ((x->m->devtab_base & 0x1ff) + 1) * 4096, w[4];
	uint64_t pa = (x->m->devtab_base & mdl_bits(51, 12)) + 32 * (uint64_t)x->a->devid;
	enum mdl_amdvi_verdict verdict;
	struct mdl_amdvi_answer *e;
	const char *why;
	unsigned i;

	if (32 * (uint64_t)x->a->devid + 32 > bytes) { /* sources disagree on which */
		add(x, MDL_AMD_ILLEGAL_DEV_TABLE_ENTRY);
		add(x, MDL_AMD_IO_PAGE_FAULT);
		return false;
	}
	for (i = 0; i < 4; i++) {
		if (phys_read(x, pa + 8 * i, &w[i])) {
			e = add(x, MDL_AMD_DEV_TAB_HARDWARE_ERROR);
			e->event.addr = pa;
			e->sure.addr = e->sure.rw = true;
			return false;
		}
	}
	mdl_dte_decode(w, &x->r->dte);
	verdict = mdl_dte_verdict(&x->r->dte, &x->m->id, &why);
	x->r->beyond = verdict == MDL_AMD_EITHER;
	if (verdict == MDL_AMD_ILLEGAL) {
		e = add(x, MDL_AMD_ILLEGAL_DEV_TABLE_ENTRY);
		e->event.addr &= ~(uint64_t)3; /* reserved there */
		e->sure.addr = e->sure.rw = true;
		if (!x->r->dte.res[0] && !x->r->dte.res[1])
			add(x, MDL_AMD_IO_PAGE_FAULT); /* Mode, GLX: or so */
	}
	return !x->r->beyond && verdict == MDL_AMD_OK;
}

/* What the entry says before any table is looked at. @return whether it goes on */
static bool admitted(struct xlate *x)
{
	const struct mdl_dte *d = &x->r->dte;
	const struct mdl_amdvi_access *a = x->a;
	struct mdl_amdvi_answer *w;

	if ((a->ats || a->translated) && !d->i) {
		w = add(x, MDL_AMD_INVALID_DEVICE_REQUEST);
		w->sure.addr = true;
		return false;
	}
	if (a->translated)
		return true;
	if (!d->tv) {
		page_fault(x, false);
		return false;
	}
	/* Either that is said, or what the tables say. */
	if (!(a->write ? d->iw : d->ir)) {
		w = page_fault(x, true);
		w->event.pe = w->sure.pe = true;
	}
	if (!a->has_pasid || (d->gv && (x->m->control & CTRL_GTEN)))
		return true;
	page_fault(x, false);
	return false;
}

static void passes(struct xlate *x)
{
	x->r->passes = true;
	x->r->pa = x->a->iova;
	x->r->beyond = x->a->iova >> 52; /* nothing there */
}

static void route(struct xlate *x)
{
	const struct mdl_dte *d = &x->r->dte;
	const struct mdl_amdvi_access *a = x->a;
	bool guest = d->gv && (a->has_pasid || d->giov);

	if (!d->v) {
		passes(x);
		x->r->beyond |= a->ats || a->translated;
		return;
	}
	if (!admitted(x))
		return;
	if (a->translated || (!guest && !d->mode)) {
		passes(x);
		return;
	}
	mdl_dte_host(d, &x->host);
	if (!guest)
		one_table(x, &x->host, false);
	else if (x->m->control & CTRL_GTEN)
		guest_tables(x);
	else
		x->r->beyond = true;
}

void mdl_amdvi_access(const struct mdl_amdvi *m, const struct mdl_amdvi_access *a,
		      struct mdl_amdvi_result *r)
{
	struct xlate x = { .m = m, .a = a, .r = r };
	unsigned i;

	*r = (struct mdl_amdvi_result){ 0 };
	x.phys = (struct mdl_mem){ &x, phys_read, phys_cmpxchg };
	if (!(m->control & CTRL_IOMMUEN)) {
		passes(&x);
		r->beyond |= a->ats || a->translated;
		return;
	}
	if (fetch(&x))
		route(&x);
	/* Page faults of translation requests are an answer, no event. */
	for (i = 0; a->ats && i < r->refused; i++) {
		if (r->why[i].event.type == MDL_AMD_IO_PAGE_FAULT)
			r->why[i] = (struct mdl_amdvi_answer){ 0 };
	}
}
