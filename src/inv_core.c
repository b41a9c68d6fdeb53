/* SPDX-License-Identifier: MIT */
/* A gather's way to an IOMMU: the object, its devices and its domains. */
#include "inv_core.h"

#include <errno.h>

#include "inv_cost.h"
#include "pgtable/mem.h"

/* ---- creation ---- */

int iod_inv_core_config(struct inv_core *inv, const struct iod_inv_cost *cost,
			const struct iod_allocator *allocator)
{
	int ret = iod_inv_cost_in(&inv->cost, cost);

	return ret ? ret : iod_allocator_init(&inv->allocator, allocator);
}

static int set_init(struct inv_core *inv, struct span_set *set)
{
	set->span = iod_zalloc(&inv->allocator, INV_MAX_SPANS * sizeof(struct span));
	set->max = set->span ? INV_MAX_SPANS : 0;
	return set->span ? 0 : -ENOMEM;
}

int iod_inv_core_init(struct inv_core *inv)
{
	if (set_init(inv, &inv->pending) || set_init(inv, &inv->taken))
		return -ENOMEM;
	if (pthread_mutex_init(&inv->lock, NULL))
		return -ENOMEM;
	if (pthread_cond_init(&inv->done, NULL)) {
		pthread_mutex_destroy(&inv->lock);
		return -ENOMEM;
	}
	return 0;
}

void iod_inv_core_fini(struct inv_core *inv)
{
	pthread_cond_destroy(&inv->done);
	pthread_mutex_destroy(&inv->lock);
}

void iod_inv_core_free(struct inv_core *inv)
{
	iod_zfree(&inv->allocator, inv->pending.span, inv->pending.max * sizeof(struct span));
	iod_zfree(&inv->allocator, inv->taken.span, inv->taken.max * sizeof(struct span));
	iod_zfree(&inv->allocator, inv->device, inv->max_devices * sizeof(*inv->device));
	iod_zfree(&inv->allocator, inv->domains, inv->domains ? sizeof(*inv->domains) : 0);
}

/* ---- devices ---- */

/* Takes the lock; nobody uses the array of devices then. */
static void lock_devices(struct inv_core *inv)
{
	pthread_mutex_lock(&inv->lock);
	while (inv->flushing)
		pthread_cond_wait(&inv->done, &inv->lock);
}

static struct inv_device *find_device(struct inv_core *inv, uint32_t id, uint32_t pasid,
				      bool has_pasid)
{
	uint64_t i;

	for (i = 0; i < inv->nr_devices; i++) {
		struct inv_device *dev = &inv->device[i];

		if (dev->id == id && dev->has_pasid == has_pasid &&
		    (!has_pasid || dev->pasid == pasid))
			return dev;
	}
	return NULL;
}

/* Room for one more. */
static int grow(struct inv_core *inv)
{
	size_t max = inv->max_devices ? 2 * inv->max_devices : 8;
	struct inv_device *bigger;
	uint64_t i;

	if (inv->nr_devices < inv->max_devices)
		return 0;
	bigger = iod_zalloc(&inv->allocator, max * sizeof(*bigger));
	if (!bigger)
		return -ENOMEM;
	for (i = 0; i < inv->nr_devices; i++)
		bigger[i] = inv->device[i];
	iod_zfree(&inv->allocator, inv->device, inv->max_devices * sizeof(*bigger));
	inv->device = bigger;
	inv->max_devices = max;
	return 0;
}

int iod_inv_core_add_device(struct inv_core *inv, const struct inv_device *dev)
{
	int ret;

	lock_devices(inv);
	ret = find_device(inv, dev->id, dev->pasid, dev->has_pasid) ? -EEXIST : grow(inv);
	if (!ret) {
		inv->device[inv->nr_devices] = *dev;
		/* What was invalidated before it was here was not recorded for it. */
		inv->device[inv->nr_devices].fresh = true;
		inv->recorded++;
		word_add(&inv->nr_devices, 1);
	}
	pthread_mutex_unlock(&inv->lock);
	return ret;
}

int iod_inv_core_remove_device(struct inv_core *inv, uint32_t id, uint32_t pasid, bool has_pasid)
{
	struct inv_device *dev;

	lock_devices(inv);
	dev = find_device(inv, id, pasid, has_pasid);
	if (dev) {
		*dev = inv->device[inv->nr_devices - 1];
		word_sub(&inv->nr_devices, 1);
	}
	pthread_mutex_unlock(&inv->lock);
	return dev ? 0 : -ENOENT;
}

/* ---- domains ---- */

/*
 * Whoever invalidates looks at the bitmap without a lock. One that misses a domain which is being added looked
 * before it was; the tables that it invalidates had changed before it looked, and nobody walks them for the new
 * domain until the call that adds it has returned.
 */

static bool domain_is_set(const struct inv_domains *set, uint16_t domain)
{
	return set && (word_load(&set->word[domain / 64]) >> domain % 64 & 1);
}

int iod_inv_core_add_domain(struct inv_core *inv, uint16_t domain)
{
	struct inv_domains *set;
	int ret = 0;

	if (domain == inv->domain)
		return -EEXIST;
	pthread_mutex_lock(&inv->lock);
	set = inv->domains;
	if (domain_is_set(set, domain))
		ret = -EEXIST;
	else if (!set && !(set = iod_zalloc(&inv->allocator, sizeof(*set))))
		ret = -ENOMEM;
	if (!ret) {
		word_add(&set->word[domain / 64], BIT64(domain % 64));
		if (!(set->used[domain / 4096] >> domain / 64 % 64 & 1))
			word_add(&set->used[domain / 4096], BIT64(domain / 64 % 64));
		__atomic_store_n(&inv->domains, set, __ATOMIC_RELEASE);
		word_add(&inv->nr_domains, 1);
	}
	pthread_mutex_unlock(&inv->lock);
	return ret;
}

int iod_inv_core_remove_domain(struct inv_core *inv, uint16_t domain)
{
	int ret = 0;

	pthread_mutex_lock(&inv->lock);
	if (domain_is_set(inv->domains, domain)) {
		word_sub(&inv->domains->word[domain / 64], BIT64(domain % 64));
		word_sub(&inv->nr_domains, 1);
	} else {
		ret = -ENOENT;
	}
	pthread_mutex_unlock(&inv->lock);
	return ret;
}

bool iod_inv_core_next_domain(const struct inv_core *inv, uint32_t *pos, uint16_t *domain)
{
	const struct inv_domains *set = __atomic_load_n(&inv->domains, __ATOMIC_ACQUIRE);
	uint32_t at = *pos - 1;
	uint64_t used, word;

	while (set && at <= UINT16_MAX) {
		used = word_load(&set->used[at / 4096]) >> at / 64 % 64;
		if (!used) {
			at = (at / 4096 + 1) * 4096;
			continue;
		}
		if (ctz64(used))
			at = (at / 64 + ctz64(used)) * 64;
		word = word_load(&set->word[at / 64]) >> at % 64;
		if (word) {
			at += ctz64(word);
			*domain = (uint16_t)at;
			*pos = at + 2;
			return true;
		}
		at = (at / 64 + 1) * 64;
	}
	return false;
}

/* ---- figures ---- */

int iod_inv_core_get_stats(const struct inv_core *inv, void *stats)
{
	struct inv_stats now = { 0 };

	now.items = word_load(&inv->items);
	now.tlbi = word_load(&inv->tlbi);
	now.wide = word_load(&inv->wides);
	now.atc = word_load(&inv->atc);
	now.syncs = word_load(&inv->syncs);
	return iod_struct_out(stats, &now, sizeof(now), sizeof(now));
}
