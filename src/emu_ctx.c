/* SPDX-License-Identifier: MIT */
/* The emulated IOMMUs: contexts, their cache, and who still uses one that left it. */
#include "emu_ctx.h"

#include <errno.h>

#include "pgtable/mem.h"

int iod_emu_cache_init(struct emu_cache *cache, const struct iod_allocator *allocator,
		       uint32_t entries, void (*destroy)(void *cookie, struct emu_node *node),
		       void *cookie)
{
	*cache = (struct emu_cache){
		.allocator = allocator,
		.entries = entries,
		.destroy = destroy,
		.cookie = cookie,
	};
	cache->slots = iod_zalloc(allocator, entries * sizeof(*cache->slots));
	if (!cache->slots)
		return -ENOMEM;
	if (pthread_cond_init(&cache->released, NULL)) {
		iod_zfree(allocator, cache->slots, entries * sizeof(*cache->slots));
		cache->slots = NULL;
		return -ENOMEM;
	}
	return 0;
}

void iod_emu_cache_fini(struct emu_cache *cache)
{
	if (!cache->slots)
		return;
	iod_emu_cache_forget(cache, NULL, NULL);
	pthread_cond_destroy(&cache->released);
	iod_zfree(cache->allocator, cache->slots, cache->entries * sizeof(*cache->slots));
	cache->slots = NULL;
}

static struct emu_node **cache_slot(const struct emu_cache *cache, uint32_t source, int64_t pasid)
{
	uint64_t key = (uint64_t)source << 21 ^ (uint64_t)(pasid + 2);

	return &cache->slots[emu_hash(key) & (cache->entries - 1)];
}

struct emu_node *iod_emu_cache_find(const struct emu_cache *cache, uint32_t source, int64_t pasid)
{
	struct emu_node *node = *cache_slot(cache, source, pasid);

	return node && node->source == source && node->pasid == pasid ? node : NULL;
}

void iod_emu_cache_put(struct emu_cache *cache, struct emu_node *node)
{
	if (--node->refs)
		return;
	/* Only what is not in the cache loses its last reference. */
	if (node->prev)
		node->prev->next = node->next;
	else
		cache->gone_first = node->next;
	if (node->next)
		node->next->prev = node->prev;
	else
		cache->gone_last = node->prev;
	cache->destroy(cache->cookie, node);
	pthread_cond_broadcast(&cache->released);
}

/* Out of the cache: in the order of leaving, so that who waits knows whom for. */
static void cache_remove(struct emu_cache *cache, struct emu_node **slot)
{
	struct emu_node *node = *slot;

	*slot = NULL;
	if (!node)
		return;
	node->seq = ++cache->gone_seq;
	node->prev = cache->gone_last;
	node->next = NULL;
	if (cache->gone_last)
		cache->gone_last->next = node;
	else
		cache->gone_first = node;
	cache->gone_last = node;
	iod_emu_cache_put(cache, node);
}

void iod_emu_cache_insert(struct emu_cache *cache, struct emu_node *node)
{
	struct emu_node **slot = cache_slot(cache, node->source, node->pasid);

	cache_remove(cache, slot);
	node->refs = 1;
	*slot = node;
}

void iod_emu_cache_forget(struct emu_cache *cache,
			  bool (*match)(const struct emu_node *node, const void *what),
			  const void *what)
{
	uint32_t i;

	for (i = 0; i < cache->entries; i++) {
		if (cache->slots[i] && (!match || match(cache->slots[i], what)))
			cache_remove(cache, &cache->slots[i]);
	}
}

void iod_emu_cache_wait(struct emu_cache *cache, pthread_mutex_t *lock)
{
	uint64_t seq = cache->gone_seq;

	while (cache->gone_first && cache->gone_first->seq <= seq)
		pthread_cond_wait(&cache->released, lock);
}
