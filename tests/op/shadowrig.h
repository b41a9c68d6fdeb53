/* SPDX-License-Identifier: MIT */
/*
 * A shadow under test, beside the guest's table that it follows; what both say is asked of the model.
 */
#ifndef SHADOWRIG_H
#define SHADOWRIG_H

#include "iodtest.h"

#define DOMAIN	    UINT64_C(77)
#define WORLD	    UINT64_C(4096) /* smallest pages that the tests use, from the first address on */
#define SLOT_GPA(t) (UINT64_C(4096) * (t)->page)

/* Pages of the world, by number: where they lead, and whether they are dirty. */
struct view {
	uint64_t pa[WORLD];
	bool there[WORLD], dirty[WORLD], write[WORLD];
};

struct shr {
	struct iodt *t; /* the shadow */
	struct iodt *g; /* the guest */
	struct iod_shadow *s;
	uint64_t moved;	   /* output = guest address + that */
	uint64_t hole_gpa; /* one table's span of no memory there; 0: none */
	uint64_t rom_gpa;  /* may be read only */
	bool fail_translate;
	bool told[WORLD];
	uint64_t told_pa[WORLD], told_bytes, announced, mapped;
};

uint64_t shr_at(const struct shr *r, uint64_t page);
void shr_open(struct shr *r, struct iodt *t, uint32_t flags);
/* With a join, that a log may have (tests that need none: NULL). */
void shr_open_joined(struct shr *r, struct iodt *t, uint32_t flags, struct iod_gpa_join *join);
void shr_close(struct shr *r);
struct view shr_view(struct iodt *t);
void shr_same(struct shr *r, uint64_t first, uint64_t last);
struct iod_inv shr_range(const struct shr *r, uint64_t page, uint64_t n);
struct iod_shadow_work shr_invalidate(struct shr *r, const struct iod_inv *inv, size_t nr);
void shr_guest_map(struct shr *r, uint64_t page, uint64_t gpa_page, uint64_t n, uint32_t prot);
void shr_guest_unmap(struct shr *r, uint64_t page, uint64_t n);
void shr_told_is(const struct shr *r, uint64_t told, uint64_t bytes);
int shr_translate(void *cookie, uint64_t gpa, uint64_t *len, uint32_t *prot, uint64_t *pa);

static const struct iod_inv shr_all = { .kind = IOD_INV_ALL };
static const struct iod_inv shr_mine = { .kind = IOD_INV_DOMAIN, .domain = DOMAIN };

#endif
