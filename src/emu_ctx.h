/* SPDX-License-Identifier: MIT */
/*
 * The emulated IOMMUs: a cache of what structures in memory make of accesses of one source and PASID.
 *
 * A vendor's context begins with a struct emu_node. The cache is direct-mapped and bounded; a context that leaves
 * it, forgotten by a command or displaced, lives on until the last access that found it is through. A command
 * that promises so waits for those: iod_emu_cache_wait().
 *
 * The emulator's lock is held around every call.
 */
#ifndef IOD_EMU_CTX_H
#define IOD_EMU_CTX_H

#include <iodirty/types.h>

#include <pthread.h>

/* The first member of a context. */
struct emu_node {
	uint32_t source;
	int64_t pasid; /* negative: of none, as the vendor numbers them */
	unsigned int refs;
	uint64_t seq; /* out of the cache: in which order */
	struct emu_node *prev, *next;
};

struct emu_cache {
	const struct iod_allocator *allocator;
	uint32_t entries; /* a power of two */
	struct emu_node **slots;
	struct emu_node *gone_first, *gone_last; /* out of the cache, in use */
	uint64_t gone_seq;
	pthread_cond_t released;
	void (*destroy)(void *cookie, struct emu_node *node);
	void *cookie;
};

/* @param allocator must outlive it @return 0, -ENOMEM */
int iod_emu_cache_init(struct emu_cache *cache, const struct iod_allocator *allocator,
		       uint32_t entries, void (*destroy)(void *cookie, struct emu_node *node),
		       void *cookie);
/* Forgets all; no access is under way. Also for one that was never initialized, but zeroed. */
void iod_emu_cache_fini(struct emu_cache *cache);

/* The context of a source and PASID, or NULL. Takes no reference: refs is the caller's to increase. */
struct emu_node *iod_emu_cache_find(const struct emu_cache *cache, uint32_t source, int64_t pasid);
/* Put a new one in, whose only reference is the cache's then; what was in its place leaves. */
void iod_emu_cache_insert(struct emu_cache *cache, struct emu_node *node);
/* Give a reference back. */
void iod_emu_cache_put(struct emu_cache *cache, struct emu_node *node);
/* Forget those that @match names; NULL: all. */
void iod_emu_cache_forget(struct emu_cache *cache,
			  bool (*match)(const struct emu_node *node, const void *what),
			  const void *what);
/* Wait until accesses with contexts that were forgotten before are through; @lock is the emulator's. */
void iod_emu_cache_wait(struct emu_cache *cache, pthread_mutex_t *lock);

/* A direct-mapped cache's place for a key. */
static inline uint32_t emu_hash(uint64_t key)
{
	return (uint32_t)(key * UINT64_C(0x9e3779b97f4a7c15) >> 32);
}

#endif
