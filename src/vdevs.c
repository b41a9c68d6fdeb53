/* SPDX-License-Identifier: MIT */
/*
 * Devices of a virtual IOMMU. Chains are read without a lock: a device is complete before it is
 * linked, and freed when nobody is inside who could have seen it. A table that has grown too small
 * gets a successor, whose links the readers of the old one do not use.
 */
#include "vdevs.h"

#include <errno.h>

#include "pgtable/mem.h"

#define FIRST_LG2 6u

static size_t table_bytes(unsigned int lg2)
{
	return sizeof(struct iod_vdev_table) + (sizeof(struct iod_vdev *) << (lg2 + 1));
}

static struct iod_vdev_table *table_create(const struct iod_allocator *allocator, unsigned int lg2,
					   unsigned int set)
{
	struct iod_vdev_table *table = iod_zalloc(allocator, table_bytes(lg2));

	if (table) {
		table->lg2 = lg2;
		table->set = set;
	}
	return table;
}

static void table_free(const struct iod_allocator *allocator, struct iod_vdev_table *table)
{
	iod_zfree(allocator, table, table_bytes(table->lg2));
}

/* Multiplicative, so that StreamIDs side by side spread. */
static size_t chain_of(const struct iod_vdev_table *table, uint32_t key)
{
	return (uint32_t)(key * UINT32_C(0x9e3779b1)) >> (32 - table->lg2);
}

static struct iod_vdev **vid_chain(struct iod_vdev_table *table, uint32_t vid)
{
	return &table->chain[chain_of(table, vid)];
}

static struct iod_vdev **id_chain(struct iod_vdev_table *table, uint32_t id)
{
	return &table->chain[((size_t)1 << table->lg2) + chain_of(table, id)];
}

static struct iod_vdev *follow(struct iod_vdev *const *link)
{
	return __atomic_load_n(link, __ATOMIC_ACQUIRE);
}

static void set_link(struct iod_vdev **link, struct iod_vdev *dev)
{
	__atomic_store_n(link, dev, __ATOMIC_RELEASE);
}

int iod_vdevs_init(struct iod_vdevs *vdevs, const struct iod_allocator *allocator, uint32_t max)
{
	vdevs->allocator = *allocator;
	vdevs->max = max;
	vdevs->table = table_create(allocator, FIRST_LG2, 0);
	if (!vdevs->table)
		return -ENOMEM;
	if (pthread_mutex_init(&vdevs->writers, NULL))
		goto no_writers;
	if (pthread_mutex_init(&vdevs->lock, NULL))
		goto no_lock;
	if (pthread_cond_init(&vdevs->empty, NULL))
		goto no_cond;
	return 0;
no_cond:
	pthread_mutex_destroy(&vdevs->lock);
no_lock:
	pthread_mutex_destroy(&vdevs->writers);
no_writers:
	table_free(allocator, vdevs->table);
	return -ENOMEM;
}

void iod_vdevs_fini(struct iod_vdevs *vdevs)
{
	struct iod_vdev_table *table = vdevs->table;
	size_t i;

	for (i = 0; i < (size_t)1 << table->lg2; i++) {
		struct iod_vdev *dev = table->chain[i], *next;

		for (; dev; dev = next) {
			next = dev->by_vid[table->set];
			iod_zfree(&vdevs->allocator, dev, sizeof(*dev));
		}
	}
	table_free(&vdevs->allocator, table);
	pthread_cond_destroy(&vdevs->empty);
	pthread_mutex_destroy(&vdevs->lock);
	pthread_mutex_destroy(&vdevs->writers);
}

unsigned int iod_vdevs_enter(struct iod_vdevs *vdevs)
{
	unsigned int ticket;

	pthread_mutex_lock(&vdevs->lock);
	ticket = vdevs->epoch & 1;
	vdevs->inside[ticket]++;
	pthread_mutex_unlock(&vdevs->lock);
	return ticket;
}

void iod_vdevs_leave(struct iod_vdevs *vdevs, unsigned int ticket)
{
	pthread_mutex_lock(&vdevs->lock);
	if (!--vdevs->inside[ticket] && vdevs->waiting)
		pthread_cond_signal(&vdevs->empty);
	pthread_mutex_unlock(&vdevs->lock);
}

/*
 * Waits until those have left who are inside now. Who enters meanwhile is counted apart, so that a
 * guest that never pauses holds nobody up. The other count is 0: the wait before this one saw to that.
 */
static void wait_for_readers(struct iod_vdevs *vdevs)
{
	unsigned int old;

	pthread_mutex_lock(&vdevs->lock);
	old = vdevs->epoch++ & 1;
	vdevs->waiting = true;
	while (vdevs->inside[old])
		pthread_cond_wait(&vdevs->empty, &vdevs->lock);
	vdevs->waiting = false;
	pthread_mutex_unlock(&vdevs->lock);
}

static struct iod_vdev_table *current_table(const struct iod_vdevs *vdevs)
{
	return __atomic_load_n(&vdevs->table, __ATOMIC_ACQUIRE);
}

struct iod_vdev *iod_vdevs_find(const struct iod_vdevs *vdevs, uint32_t vid)
{
	struct iod_vdev_table *table = current_table(vdevs);
	struct iod_vdev *dev = follow(vid_chain(table, vid));

	while (dev && dev->vid != vid)
		dev = follow(&dev->by_vid[table->set]);
	return dev;
}

struct iod_vdev *iod_vdevs_find_id(const struct iod_vdevs *vdevs, uint32_t id)
{
	struct iod_vdev_table *table = current_table(vdevs);
	struct iod_vdev *dev = follow(id_chain(table, id));

	while (dev && dev->id != id)
		dev = follow(&dev->by_id[table->set]);
	return dev;
}

static void link_in(struct iod_vdev_table *table, struct iod_vdev *dev)
{
	struct iod_vdev **vid = vid_chain(table, dev->vid), **id = id_chain(table, dev->id);

	set_link(&dev->by_vid[table->set], *vid);
	set_link(&dev->by_id[table->set], *id);
	set_link(vid, dev);
	set_link(id, dev);
}

/* As many chains as devices. */
static int grow(struct iod_vdevs *vdevs)
{
	struct iod_vdev_table *old = vdevs->table, *table;
	size_t i;

	if (vdevs->nr < (uint32_t)1 << old->lg2 || old->lg2 >= 31)
		return 0;
	table = table_create(&vdevs->allocator, old->lg2 + 1, !old->set);
	if (!table)
		return -ENOMEM;
	for (i = 0; i < (size_t)1 << old->lg2; i++) {
		struct iod_vdev *dev;

		for (dev = old->chain[i]; dev; dev = dev->by_vid[old->set])
			link_in(table, dev);
	}
	__atomic_store_n(&vdevs->table, table, __ATOMIC_RELEASE);
	wait_for_readers(vdevs);
	table_free(&vdevs->allocator, old);
	return 0;
}

static int add_locked(struct iod_vdevs *vdevs, uint32_t vid, uint32_t id, uint32_t word)
{
	struct iod_vdev *dev;
	int ret;

	if (iod_vdevs_find(vdevs, vid) || iod_vdevs_find_id(vdevs, id))
		return -EEXIST;
	if (vdevs->nr >= vdevs->max)
		return -ENOSPC;
	ret = grow(vdevs);
	if (ret)
		return ret;
	dev = iod_zalloc(&vdevs->allocator, sizeof(*dev));
	if (!dev)
		return -ENOMEM;
	dev->vid = vid;
	dev->id = id;
	dev->word = word;
	link_in(vdevs->table, dev);
	__atomic_store_n(&vdevs->nr, vdevs->nr + 1, __ATOMIC_RELAXED);
	return 0;
}

int iod_vdevs_add(struct iod_vdevs *vdevs, uint32_t vid, uint32_t id, uint32_t word)
{
	int ret;

	pthread_mutex_lock(&vdevs->writers);
	ret = add_locked(vdevs, vid, id, word);
	pthread_mutex_unlock(&vdevs->writers);
	return ret;
}

static void link_out(struct iod_vdev_table *table, struct iod_vdev *dev)
{
	struct iod_vdev **vid = vid_chain(table, dev->vid), **id = id_chain(table, dev->id);

	while (*vid != dev)
		vid = &(*vid)->by_vid[table->set];
	while (*id != dev)
		id = &(*id)->by_id[table->set];
	set_link(vid, dev->by_vid[table->set]);
	set_link(id, dev->by_id[table->set]);
}

int iod_vdevs_remove(struct iod_vdevs *vdevs, uint32_t vid)
{
	struct iod_vdev *dev;

	pthread_mutex_lock(&vdevs->writers);
	dev = iod_vdevs_find(vdevs, vid);
	if (dev) {
		link_out(vdevs->table, dev);
		__atomic_store_n(&vdevs->nr, vdevs->nr - 1, __ATOMIC_RELAXED);
		wait_for_readers(vdevs);
		iod_zfree(&vdevs->allocator, dev, sizeof(*dev));
	}
	pthread_mutex_unlock(&vdevs->writers);
	return dev ? 0 : -ENOENT;
}

int iod_vdevs_change(struct iod_vdevs *vdevs, uint32_t vid, uint32_t clear, uint32_t set, bool wait)
{
	struct iod_vdev *dev;

	pthread_mutex_lock(&vdevs->writers);
	dev = iod_vdevs_find(vdevs, vid);
	if (dev) {
		__atomic_store_n(&dev->word, (dev->word & ~clear) | set, __ATOMIC_RELEASE);
		if (wait)
			wait_for_readers(vdevs);
	}
	pthread_mutex_unlock(&vdevs->writers);
	return dev ? 0 : -ENOENT;
}

uint32_t iod_vdevs_count(struct iod_vdevs *vdevs)
{
	uint32_t nr;

	pthread_mutex_lock(&vdevs->writers);
	nr = vdevs->nr;
	pthread_mutex_unlock(&vdevs->writers);
	return nr;
}

int iod_vdevs_each(const struct iod_vdevs *vdevs,
		   int (*fn)(void *cookie, const struct iod_vdev *dev), void *cookie)
{
	struct iod_vdev_table *table = current_table(vdevs);
	size_t i;
	int ret;

	for (i = 0; i < (size_t)1 << table->lg2; i++) {
		const struct iod_vdev *dev = follow(&table->chain[i]);

		for (; dev; dev = follow(&dev->by_vid[table->set])) {
			ret = fn(cookie, dev);
			if (ret)
				return ret;
		}
	}
	return 0;
}
