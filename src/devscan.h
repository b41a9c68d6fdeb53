/* SPDX-License-Identifier: MIT */
/*
 * What the scanners of the three vendors' device structures share. The structures are a guest's:
 * every address is checked, every word is read once, and structures that many devices can be made
 * to share (tables of PASIDs, context descriptors and leaf stream tables) are paid for from one
 * budget.
 */
#ifndef IOD_DEVSCAN_H
#define IOD_DEVSCAN_H

#include <iodirty/devices.h>

#include <errno.h>
#include <string.h>

#include "atomic.h"
#include "bits.h"

/* Entries of shared structures that one visit looks at. */
#define DEVSCAN_BUDGET (UINT64_C(1) << 24)
#define DEVSCAN_CHUNK  4096u

struct devscan {
	struct iod_mem *mem;
	iod_device_fn fn;
	void *cookie;
	uint64_t budget;
	bool spent; /* something was left out for want of budget */
};

static inline const uint64_t *devscan_ptr(const struct devscan *scan, uint64_t pa, uint64_t len)
{
	void *host;

	if (iod_mem_host_ptr(scan->mem, pa, len, false, &host))
		return NULL;
	return host;
}

/* Copies @n words. @return false: they are not (all) in memory */
static inline bool devscan_read(const struct devscan *scan, uint64_t pa, uint64_t *out, unsigned n)
{
	const uint64_t *words = devscan_ptr(scan, pa, n * 8);
	unsigned i;

	for (i = 0; words && i < n; i++)
		out[i] = item_load(&words[i]);
	return words != NULL;
}

/* Take one entry of a shared structure from the budget. */
static inline bool devscan_spend(struct devscan *scan)
{
	if (!scan->budget) {
		scan->spent = true;
		return false;
	}
	scan->budget--;
	return true;
}

static inline struct iod_device devscan_device(uint32_t source_id)
{
	return (struct iod_device){ .source_id = source_id };
}

static inline void devscan_entry(struct iod_device *device, uint64_t pa, const uint64_t *words,
				 unsigned n)
{
	device->entry_pa = pa;
	memset(device->entry, 0, sizeof(device->entry));
	memcpy(device->entry, words, n * sizeof(*words));
}

static inline int devscan_report(struct devscan *scan, struct iod_device *device,
				 enum iod_device_kind kind, const char *translation)
{
	device->kind = kind;
	device->translation = translation;
	return scan->fn(scan->cookie, device);
}

static inline int devscan_bad(struct devscan *scan, struct iod_device *device, const char *error,
			      uint64_t pa)
{
	device->error = error;
	device->error_pa = pa;
	return devscan_report(scan, device, IOD_DEVICE_BAD, "bad");
}

/* A bad device of which nothing but the id is known. */
static inline int devscan_bad_id(struct devscan *scan, uint32_t source_id, const char *error,
				 uint64_t pa)
{
	struct iod_device device = devscan_device(source_id);

	return devscan_bad(scan, &device, error, pa);
}

/* Ends a visit: says that something was left out, if so. */
static inline int devscan_end(struct devscan *scan, int ret)
{
	if (ret || !scan->spent)
		return ret;
	return devscan_bad_id(scan, 0, "more entries than are followed in one visit", 0);
}

/* A table of devices: 2^len_lg2 bytes per entry, which stands for 2^ids_lg2 devices. */
struct devscan_table {
	uint64_t base, nr;
	unsigned len_lg2, ids_lg2;
	uint32_t first_id;
	bool root;	     /* when nothing of it is in memory the visit fails */
	const char *missing; /* what to call a part that is not in memory */
	int (*each)(struct devscan *scan, uint32_t source_id, uint64_t pa);
};

static inline uint32_t devscan_id(const struct devscan_table *table, uint64_t index)
{
	return table->first_id + (uint32_t)(index << table->ids_lg2);
}

static inline int devscan_missing(struct devscan *scan, const struct devscan_table *table,
				  uint64_t index)
{
	return devscan_bad_id(scan, devscan_id(table, index), table->missing,
			      table->base + (index << table->len_lg2));
}

static inline int devscan_chunk(struct devscan *scan, const struct devscan_table *table,
				uint64_t first, uint64_t nr)
{
	uint64_t i;
	int ret = 0;

	for (i = first; i < first + nr && !ret; i++)
		ret = table->each(scan, devscan_id(table, i), table->base + (i << table->len_lg2));
	return ret;
}

/*
 * Visits what memory holds of a table. Each run of missing pages is one bad device, the first.
 * @return 0; what a callback returned; -EFAULT nothing of a root is in memory
 */
static inline int devscan_walk(struct devscan *scan, const struct devscan_table *table)
{
	uint64_t step = DEVSCAN_CHUNK >> table->len_lg2;
	uint64_t gap = UINT64_MAX, first, nr;
	bool any = false;
	int ret = 0;

	for (first = 0; first < table->nr && !ret; first += nr) {
		uint64_t pa = table->base + (first << table->len_lg2);

		nr = table->nr - first < step ? table->nr - first : step;
		if (devscan_ptr(scan, pa, nr << table->len_lg2)) {
			if (gap != UINT64_MAX)
				ret = devscan_missing(scan, table, gap);
			gap = UINT64_MAX;
			any = true;
			ret = ret ? ret : devscan_chunk(scan, table, first, nr);
		} else if (gap == UINT64_MAX) {
			gap = first;
		}
	}
	if (ret || gap == UINT64_MAX)
		return ret;
	if (!any && table->root)
		return -EFAULT;
	return devscan_missing(scan, table, gap);
}

#endif
