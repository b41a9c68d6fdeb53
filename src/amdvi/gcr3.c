/* SPDX-License-Identifier: MIT */
/* GCR3 tables: a root of a guest table for each PASID (bits.md A3.5). Each word is read once. */
#include <iodirty/amdvi_dte.h>

#include <errno.h>

#include "amdvi/dte_bits.h"
#include "amdvi/id.h"
#include "atomic.h"

/* One look-up. */
struct walk {
	const struct iod_mem *mem;
	int (*translate)(void *cookie, uint64_t gpa, uint64_t *pa);
	void *cookie;
	uint64_t pa; /* of the entry looked at */
	uint64_t entry;
	enum iod_amdvi_event_type event;
};

static int end(struct walk *w, int ret, unsigned event)
{
	w->event = (enum iod_amdvi_event_type)event;
	return ret;
}

static int read_entry(struct walk *w, uint64_t addr)
{
	void *host;
	int ret;

	w->pa = addr;
	ret = w->translate ? w->translate(w->cookie, addr, &w->pa) : 0;
	if (ret)
		return end(w, ret, 0);
	if (iod_mem_host_ptr(w->mem, w->pa, 8, false, &host))
		return end(w, -EFAULT, IOD_AMDVI_PAGE_TAB_HARDWARE_ERROR);
	w->entry = item_load(host);
	if (!(w->entry & IOD_AMDVI_GCR3_V))
		return end(w, -ENOENT, IOD_AMDVI_IO_PAGE_FAULT);
	return end(w, 0, 0);
}

/* Where the entry of a PASID lies in a table of a level. */
static uint64_t entry_addr(uint64_t table, uint32_t pasid, unsigned level)
{
	return (table & IOD_AMDVI_GCR3_ADDR) +
	       8 * (pasid >> level * GCR3_BITS & low_mask(GCR3_BITS));
}

static bool pasid_fits(const struct iod_amdvi_dte *dte, uint32_t pasid)
{
	unsigned bits = (dte->glx + 1u) * GCR3_BITS;

	return !(pasid >> (bits < AMDVI_PASID_BITS ? bits : AMDVI_PASID_BITS));
}

/* Down to the entry at @last. */
static int walk(struct walk *w, const struct iod_amdvi_dte *dte, uint32_t pasid, unsigned last)
{
	uint64_t table = dte->gcr3;
	unsigned level;
	int ret;

	for (level = dte->glx;; level--) {
		ret = read_entry(w, entry_addr(table, pasid, level));
		if (ret || level == last)
			return ret;
		table = w->entry;
	}
}

static int lookup(struct walk *w, const struct iod_amdvi_dte *dte, const struct iod_amdvi_id *id,
		  int64_t pasid)
{
	if (!dte->v || !dte->tv || !dte->gv || (pasid < 0 && !dte->giov))
		return end(w, 1, 0);
	if (pasid < 0)
		pasid = 0;
	if ((uint64_t)pasid >> amdvi_pasid_bits(id) || !pasid_fits(dte, (uint32_t)pasid))
		return end(w, -ENOENT, IOD_AMDVI_IO_PAGE_FAULT);
	return walk(w, dte, (uint32_t)pasid, 0);
}

int iod_amdvi_gcr3_lookup(const struct iod_amdvi_dte *dte, const struct iod_amdvi_id *id,
			  const struct iod_mem *mem, int64_t pasid,
			  int (*translate)(void *cookie, uint64_t gpa, uint64_t *pa), void *cookie,
			  uint64_t *entry, uint64_t *pa, enum iod_amdvi_event_type *event)
{
	struct walk w = { .mem = mem, .translate = translate, .cookie = cookie };
	int ret;

	if (!dte || !mem || !entry || !pa || pasid < -1 || dte->glx > GLX_MAX)
		return -EINVAL;
	ret = lookup(&w, dte, id, pasid);
	*entry = ret ? 0 : w.entry;
	*pa = w.pa;
	if (event)
		*event = w.event;
	return ret;
}

/* The entry of a PASID at a level, to be written. */
static int writable_entry(const struct iod_amdvi_dte *dte, struct iod_mem *mem, uint32_t pasid,
			  unsigned level, uint64_t **item, unsigned *missing)
{
	struct walk w = { .mem = mem };
	uint64_t table = dte->gcr3;
	unsigned at;
	void *host;
	int ret;

	for (at = dte->glx; at > level; at--) {
		ret = read_entry(&w, entry_addr(table, pasid, at));
		*missing = at - 1;
		if (ret)
			return ret;
		table = w.entry;
	}
	if (iod_mem_host_ptr(mem, entry_addr(table, pasid, level), 8, true, &host))
		return -EFAULT;
	*item = host;
	return 0;
}

static int check_write(const struct iod_amdvi_dte *dte, const struct iod_mem *mem, uint32_t pasid,
		       uint64_t addr)
{
	if (!dte || !mem || addr & ~IOD_AMDVI_GCR3_ADDR || dte->glx > GLX_MAX)
		return -EINVAL;
	return pasid_fits(dte, pasid) ? 0 : -ERANGE;
}

int iod_amdvi_gcr3_write(const struct iod_amdvi_dte *dte, struct iod_mem *mem, uint32_t pasid,
			 uint64_t root, unsigned int *level)
{
	unsigned missing = 0;
	uint64_t *item;
	int ret;

	ret = check_write(dte, mem, pasid, root);
	if (!ret)
		ret = writable_entry(dte, mem, pasid, 0, &item, &missing);
	if (ret == -ENOENT && level)
		*level = missing;
	if (ret)
		return ret;
	full_fence(); /* the guest table is seen before its root */
	item_store_relaxed(item, root ? root | IOD_AMDVI_GCR3_V : 0);
	full_fence();
	return 0;
}

int iod_amdvi_gcr3_install(const struct iod_amdvi_dte *dte, struct iod_mem *mem, uint32_t pasid,
			   unsigned int level, uint64_t table)
{
	unsigned missing = 0;
	uint64_t *item, old;
	int ret;

	ret = check_write(dte, mem, pasid, table);
	if (ret)
		return ret;
	if (level >= dte->glx)
		return -EINVAL;
	ret = writable_entry(dte, mem, pasid, level + 1, &item, &missing);
	if (ret)
		return ret;
	old = item_load(item);
	do {
		if (old & IOD_AMDVI_GCR3_V)
			return -EEXIST;
	} while (!item_cas(item, &old, table | IOD_AMDVI_GCR3_V));
	return 0;
}
