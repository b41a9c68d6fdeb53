/* SPDX-License-Identifier: MIT */
/* AMD-Vi event log and PPR log records (bits.md C3.2, C3.3). */
#include "mdl_amdvi_int.h"

enum { GN = 1, NX = 2, US = 4, I = 8, PR = 16, RW = 32, PE = 64, RZ = 128, TR = 256 };

/* The flags of a type, and what else it has. */
static const struct row {
	unsigned flags, type_hi; /* Type is [type_hi:25] of the second doubleword; 0: none */
	bool devid;
	uint64_t addr;
} rows[9] = {
	[1] = { GN | I | RW | RZ | TR, 0, true, ~(uint64_t)3 },
	[2] = { GN | NX | US | I | PR | RW | PE | RZ | TR, 0, true, ~(uint64_t)0 },
	[3] = { I | RW | TR, 26, true, 0xffffffffffff0 },
	[4] = { GN | I | RW | TR, 26, true, ~(uint64_t)0 },
	[5] = { 0, 0, false, ~(uint64_t)0 },
	[6] = { 0, 0, false, ~(uint64_t)0 },
	[7] = { 0, 0, true, ~(uint64_t)0 },
	[8] = { GN | US | TR, 27, true, ~(uint64_t)0 },
};

static bool flag(const struct row *row, unsigned which, uint64_t w, uint64_t *left, unsigned bit)
{
	return row->flags & which && amd_take(w, left, 32 + bit, 32 + bit);
}

/* The DomainID and the PASID share [15:0] of the second doubleword. */
static void tags(const struct row *row, uint64_t w, struct mdl_amdvi_event *e)
{
	if (!(row->flags & GN))
		return;
	if (!e->gn) {
		e->domain = (unsigned)amd_take(w, &e->res[0], 47, 32);
		return;
	}
	e->pasid = (unsigned)amd_take(w, &e->res[0], 47, 32);
	e->pasid |= (unsigned)amd_take(w, &e->res[0], 19, 16) << 16;
}

void mdl_amdvi_event(const uint64_t w[2], struct mdl_amdvi_event *e)
{
	uint64_t v = w[0], *left = &e->res[0];
	const struct row *row;

	*e = (struct mdl_amdvi_event){ .res = { w[0], w[1] } };
	e->type = (unsigned)amd_take(v, left, 63, 60);
	e->known = e->type >= 1 && e->type <= 8;
	if (!e->known) {
		e->devid = (unsigned)amd_take(v, left, 15, 0);
		return;
	}
	row = &rows[e->type];
	if (row->devid)
		e->devid = (unsigned)amd_take(v, left, 15, 0);
	e->gn = flag(row, GN, v, left, 16);
	e->nx = flag(row, NX, v, left, 17);
	e->us = flag(row, US, v, left, 18);
	e->irq = flag(row, I, v, left, 19);
	e->pr = flag(row, PR, v, left, 20);
	e->rw = flag(row, RW, v, left, 21);
	e->pe = flag(row, PE, v, left, 22);
	e->rz = flag(row, RZ, v, left, 23);
	e->tr = flag(row, TR, v, left, 24);
	if (row->type_hi)
		e->errtype = (unsigned)amd_take(v, left, 32 + row->type_hi, 32 + 25);
	tags(row, v, e);
	e->addr = w[1] & row->addr;
	e->res[1] &= ~row->addr;
}

void mdl_amdvi_ppr(const uint64_t w[2], struct mdl_amdvi_ppr *p)
{
	uint64_t *left = &p->res[0];

	*p = (struct mdl_amdvi_ppr){ .res = { w[0], w[1] } };
	p->devid = (unsigned)amd_take(w[0], left, 15, 0);
	p->pasid = (unsigned)amd_take(w[0], left, 31, 16);
	p->pasid |= (unsigned)amd_take(w[0], left, 45, 42) << 16;
	p->tag = (unsigned)amd_take(w[0], left, 40, 32);
	p->last = amd_take(w[0], left, 41, 41);
	p->exec = amd_take(w[0], left, 49, 49);
	p->read = amd_take(w[0], left, 50, 50);
	p->write = amd_take(w[0], left, 53, 53);
	p->user = amd_take(w[0], left, 54, 54);
	p->rvsd = amd_take(w[0], left, 55, 55);
	p->gn = amd_take(w[0], left, 56, 56);
	p->type = (unsigned)amd_take(w[0], left, 63, 60);
	p->addr = amd_take(w[1], &p->res[1], 63, 12) << 12;
}
