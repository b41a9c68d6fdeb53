/* SPDX-License-Identifier: MIT */
/* Hardware of the tests of splits and merges: an iotlb that obeys the test's gather, and levels to the letter. */
#ifndef RESIZEHW_H
#define RESIZEHW_H

#include "resizerig.h"

/* Hardware that obeys what the test's gather asks for, and may do something before it does. */
struct hw {
	struct iod_iotlb *tlb;
	uint64_t write_at; /* written to before the next invalidation is obeyed */
	bool write, wrote;
};

static inline int hw_access(struct iodt *t, uint64_t iova, uint32_t access)
{
	struct hw *hw = t->priv;

	return iod_iotlb_access(hw->tlb, t->pt, iova, access, NULL, NULL);
}

static inline void hw_obey(struct iodt *t, const struct iod_inv *inv, size_t nr)
{
	struct hw *hw = t->priv;

	if (hw->write) {
		hw->write = false;
		hw->wrote = !hw_access(t, hw->write_at, IOD_ACCESS_WRITE);
	}
	iodt_assert_ok(iod_iotlb_invalidate(hw->tlb, inv, nr));
}

static inline void hw_open(struct hw *hw, struct iodt *t)
{
	struct iod_iotlb_cfg cfg = { .size = sizeof(cfg), .flags = IOD_IOTLB_EXACT_LEVELS };

	*hw = (struct hw){ 0 };
	iodt_assert_ok(iod_iotlb_create(&hw->tlb, &cfg));
	t->priv = hw;
	t->log.hook = hw_obey;
}

static inline void hw_close(struct hw *hw, struct iodt *t)
{
	iodt_sync(t);
	t->log.hook = NULL;
	iodt_assert_ok(iod_iotlb_destroy(hw->tlb));
}

/* The smallest page that stands for whole tables, if small enough. */
static inline uint64_t hw_table_size(const struct iodt *t)
{
	uint64_t sizes[64];
	size_t k, nr = rsz_sizes(t->v, sizes);

	for (k = 0; k < nr && sizes[k] <= IODT_1G; k++)
		if (iodt_item_level(t->v, sizes[k]) && sizes[k] < t->v->last - t->v->first)
			return sizes[k];
	return 0;
}

static inline void hw_split(struct iodt *t, uint64_t iova, uint64_t len, uint64_t page_size)
{
	struct iod_resize z = rsz_arg(t, iova, len, page_size);

	iodt_assert_ok(iod_split_range(t->pt, &z));
	assert_int_equal(z.done, len);
}

/* Whether a sweep that cleans reports exactly the given page, or (all) every one of the range. */
static inline void hw_sweep_finds(struct iodt *t, uint32_t flags, uint64_t iova, uint64_t len,
				  uint64_t at, bool all)
{
	struct iod_sweep s;
	struct iodt_bits b;

	iodt_bits_init(&b, iova, len, t->page);
	s = iodt_sweep_arg(t, IOD_SWEEP_CLEAR, iova, len, &b);
	s.flags = flags;
	iodt_assert_ok(iod_sweep(t->pt, &s));
	assert_int_equal(s.done, len);
	assert_int_equal(iodt_bits_count(&b), all ? len / t->page : 1);
	assert_true(iodt_bits_get(&b, at));
	iodt_bits_free(&b);
	iodt_sync(t);
}

#endif
