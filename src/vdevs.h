/* SPDX-License-Identifier: MIT */
/*
 * The devices of a virtual IOMMU: pairs of an id that a guest uses and one that hardware knows, found
 * by either in constant time while others are added and removed.
 *
 * Who looks one up enters first and leaves when nothing that came of it is under way any more;
 * removing one, or telling it something new, waits for those who entered before. It is not liburcu
 * that they wait for: they are inside while hardware is waited for, which would keep every grace
 * period of the process waiting.
 */
#ifndef IOD_VDEVS_H
#define IOD_VDEVS_H

#include <pthread.h>
#include <stddef.h>

#include <iodirty/types.h>

/* One device, in two chains. There are two links of each kind: one set for a table, one for its successor. */
struct iod_vdev {
	uint32_t vid, id;
	uint32_t word; /* what its user knows of it; atomic */
	struct iod_vdev *by_vid[2], *by_id[2];
};

/* 2^lg2 chains by vid, then as many by id. */
struct iod_vdev_table {
	unsigned int lg2, set; /* set: which links are its own */
	struct iod_vdev *chain[];
};

struct iod_vdevs {
	struct iod_allocator allocator;
	pthread_mutex_t writers; /* one at a time */
	struct iod_vdev_table *table;
	uint32_t nr, max; /* nr: read by others, atomic */

	pthread_mutex_t lock; /* the rest */
	pthread_cond_t empty;
	unsigned int epoch; /* bit 0: where who enters is counted */
	bool waiting;
	uint64_t inside[2];
};

/* @allocator is copied. @return 0, -ENOMEM */
int iod_vdevs_init(struct iod_vdevs *vdevs, const struct iod_allocator *allocator, uint32_t max);
/* Nobody is inside. */
void iod_vdevs_fini(struct iod_vdevs *vdevs);

/* @return what to leave with */
unsigned int iod_vdevs_enter(struct iod_vdevs *vdevs);
void iod_vdevs_leave(struct iod_vdevs *vdevs, unsigned int ticket);

/* NULL: none. Between enter and leave, which is how long the result may be used. */
struct iod_vdev *iod_vdevs_find(const struct iod_vdevs *vdevs, uint32_t vid);
struct iod_vdev *iod_vdevs_find_id(const struct iod_vdevs *vdevs, uint32_t id);

/* All of them, in any order; nonzero from @fn ends it and is returned. Between enter and leave. */
int iod_vdevs_each(const struct iod_vdevs *vdevs,
		   int (*fn)(void *cookie, const struct iod_vdev *dev), void *cookie);
/* Adding and removing may run at the same time: more or less than it says. */
static inline uint32_t iod_vdevs_about(const struct iod_vdevs *vdevs)
{
	return __atomic_load_n(&vdevs->nr, __ATOMIC_RELAXED);
}

/* @return 0; -EEXIST either is taken; -ENOSPC; -ENOMEM */
int iod_vdevs_add(struct iod_vdevs *vdevs, uint32_t vid, uint32_t id, uint32_t word);
/* Waits. @return 0, -ENOENT */
int iod_vdevs_remove(struct iod_vdevs *vdevs, uint32_t vid);
/* Bits of its word: (word & ~clear) | set. Waits when @wait. @return 0, -ENOENT */
int iod_vdevs_change(struct iod_vdevs *vdevs, uint32_t vid, uint32_t clear, uint32_t set,
		     bool wait);
uint32_t iod_vdevs_count(struct iod_vdevs *vdevs);

static inline uint32_t iod_vdev_word(const struct iod_vdev *dev)
{
	return __atomic_load_n(&dev->word, __ATOMIC_ACQUIRE);
}

#endif
