/* SPDX-License-Identifier: MIT */
/* Check of tables that are to be adopted: readable, writable, no table reached twice. */
#ifndef IOD_PT_ADOPT_H
#define IOD_PT_ADOPT_H

#include "pgtable/pt_walk.h"

/* Addresses of tables met: open addressing, 0 = free (no table lies at 0 that is not seen as met). */
struct pt_seen {
	struct iod_mem *mem;
	uint64_t *slot;
	uint64_t slots_lg2, used;
};

static uint64_t *pt_seen_slot(uint64_t *slot, uint64_t slots_lg2, uint64_t key)
{
	uint64_t h = key * UINT64_C(0x9e3779b97f4a7c15) >> (64 - slots_lg2);

	while (slot[h] && slot[h] != key)
		h = (h + 1) & low_mask((unsigned)slots_lg2);
	return &slot[h];
}

static int pt_seen_grow(struct pt_seen *s)
{
	uint64_t lg2 = s->slot ? s->slots_lg2 + 1 : 6, i;
	uint64_t *slot;

	if (lg2 > 32)
		return -ENOMEM;
	slot = iod_mem_zalloc(s->mem, sizeof(*slot) << lg2);
	if (!slot)
		return -ENOMEM;
	for (i = 0; s->slot && !(i >> s->slots_lg2); i++)
		if (s->slot[i])
			*pt_seen_slot(slot, lg2, s->slot[i]) = s->slot[i];
	if (s->slot)
		iod_mem_zfree(s->mem, s->slot, sizeof(*slot) << s->slots_lg2);
	s->slot = slot;
	s->slots_lg2 = lg2;
	return 0;
}

/* 0, -EFAULT when it was met before, -ENOMEM. */
static int pt_seen_add(struct pt_seen *s, uint64_t pa)
{
	uint64_t key = pa | 1, *slot; /* tables are aligned: | 1 keeps address 0 apart from free */

	if (!s->slot || s->used * 2 >= BIT64(s->slots_lg2)) {
		int ret = pt_seen_grow(s);

		if (ret)
			return ret;
	}
	slot = pt_seen_slot(s->slot, s->slots_lg2, key);
	if (*slot)
		return -EFAULT;
	*slot = key;
	s->used++;
	return 0;
}

static int pt_adopt_table(struct iod_pgtable *pt, const struct pt_table *t, struct pt_seen *s)
{
	struct pt_table child;
	uint64_t pte;
	unsigned i;
	int ret = pt_seen_add(s, t->pa);

	if (ret)
		return ret;
	word_add(&pt->tables, 1);
	word_add(&pt->table_bytes, UINT64_C(8) << t->bits);
	for (i = 0; !ret && !(i >> t->bits); i++) {
		pte = item_load(&t->items[i]);
		switch (pt_item_type(pt, t->level, pte)) {
		case PT_NONE:
			break;
		case PT_LEAF:
			ret = pt_item_reserved(pt, t->level, pte) ? -EFAULT : 0;
			break;
		case PT_TABLE:
			if (pt_item_reserved(pt, t->level, pte) ||
			    !pt_open_child(pt, t, i, pte, true, &child))
				return -EFAULT;
			ret = pt_adopt_table(pt, &child, s);
			break;
		case PT_BAD:
			ret = -EFAULT;
		}
	}
	return ret;
}

static int pt_adopt(struct iod_pgtable *pt)
{
	struct pt_seen seen = { .mem = pt->mem };
	struct pt_table root;
	int ret = -EFAULT;

	if (pt_open_top(pt, pt_get_top(pt), true, &root))
		ret = pt_adopt_table(pt, &root, &seen);
	if (seen.slot)
		iod_mem_zfree(pt->mem, seen.slot, sizeof(*seen.slot) << seen.slots_lg2);
	return ret;
}

#endif
