/* SPDX-License-Identifier: MIT */
/*
 * The arena: one reserved window of address space, committed from its start in chunks of 2 MiB.
 *
 * A chunk serves tables of one size and class at a time. The lowest free slot of the lowest chunk with
 * room is always taken, so tables allocated one after the other lie side by side, in fresh memory and
 * in recycled memory alike. All bookkeeping lies outside the window: a sweep reads tables only.
 */
#include "bits.h"
#include "pgtable/mem.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#ifndef MAP_NORESERVE
#define MAP_NORESERVE 0
#endif

#define CHUNK_LG2      21u
#define CHUNK_LEN      BIT64(CHUNK_LG2)
#define WINDOW_DEFAULT (UINT64_C(64) << 30)
#define WINDOW_LEAST   (UINT64_C(512) << 20)
#define CHUNK_WORDS    (CHUNK_LEN >> MEM_TABLE_LG2_MIN >> 6)
#define NR_SIZES       (MEM_TABLE_LG2_MAX - MEM_TABLE_LG2_MIN + 1)
#define SET_LEVELS     8 /* 64^8 chunks are more than an address space has */
#define NO_CHUNK       UINT64_MAX

_Static_assert(MEM_TABLE_LG2_MAX == CHUNK_LG2, "the largest table takes a chunk");

struct mem_chunk {
	uint64_t free[CHUNK_WORDS]; /* a set bit is a free slot */
	uint32_t used;		    /* bytes from its start that were ever handed out */
	uint16_t nr_free;
	uint8_t len_lg2; /* of its slots; 0: spare */
	uint8_t kind;
};

struct mem_arena {
	struct iod_mem mem; /* first: the object is freed through it */
	struct mem_chunk *chunks;
	uint64_t nr_chunks; /* committed */
	uint64_t max_chunks;
	size_t chunks_len; /* bytes of the array */

	/* Sets of chunk numbers. Level 0 has a bit per chunk; a bit of the next level says that a
	 * word of this one is not 0. All sets have the same shape. */
	uint64_t set_words;
	uint64_t set_level[SET_LEVELS]; /* its first word */
	unsigned set_levels;
	uint64_t *spare;			       /* chunks that serve nothing */
	uint64_t *with_room[MEM_NR_CLASSES][NR_SIZES]; /* made when first needed */
};

static struct mem_arena *to_arena(struct iod_mem *mem)
{
	return (struct mem_arena *)mem;
}

static void set_shape(struct mem_arena *arena)
{
	uint64_t n = arena->max_chunks;

	do {
		n = (n + 63) / 64;
		arena->set_level[arena->set_levels++] = arena->set_words;
		arena->set_words += n;
	} while (n > 1);
}

static uint64_t *set_create(struct mem_arena *arena)
{
	return iod_mem_zalloc(&arena->mem, (size_t)arena->set_words * sizeof(uint64_t));
}

static void set_destroy(struct mem_arena *arena, uint64_t *set)
{
	iod_mem_zfree(&arena->mem, set, (size_t)arena->set_words * sizeof(uint64_t));
}

static void set_add(const struct mem_arena *arena, uint64_t *set, uint64_t n)
{
	unsigned level;

	for (level = 0; level < arena->set_levels; level++, n /= 64) {
		uint64_t *word = &set[arena->set_level[level] + n / 64];
		uint64_t old = *word;

		*word |= BIT64(n % 64);
		if (old)
			return;
	}
}

static void set_del(const struct mem_arena *arena, uint64_t *set, uint64_t n)
{
	unsigned level;

	for (level = 0; level < arena->set_levels; level++, n /= 64) {
		uint64_t *word = &set[arena->set_level[level] + n / 64];

		*word &= ~BIT64(n % 64);
		if (*word)
			return;
	}
}

static uint64_t set_lowest(const struct mem_arena *arena, const uint64_t *set)
{
	unsigned level = arena->set_levels;
	uint64_t n = 0;

	while (level--) {
		uint64_t word = set[arena->set_level[level] + n];

		if (!word)
			return NO_CHUNK;
		n = n * 64 + ctz64(word);
	}
	return n;
}

/* Room for the description of one more chunk. */
static int grow_chunks(struct mem_arena *arena)
{
	size_t len = arena->chunks_len ? arena->chunks_len * 2 : 16 * sizeof(*arena->chunks);
	struct mem_chunk *chunks;

	if (arena->nr_chunks < arena->chunks_len / sizeof(*chunks))
		return 0;
	chunks = iod_mem_zalloc(&arena->mem, len);
	if (!chunks)
		return -ENOMEM;
	if (arena->chunks)
		memcpy(chunks, arena->chunks, arena->chunks_len);
	iod_mem_zfree(&arena->mem, arena->chunks, arena->chunks_len);
	arena->chunks = chunks;
	arena->chunks_len = len;
	return 0;
}

/* Make the next chunk of the window usable; it becomes a spare one. */
static int commit_chunk(struct mem_arena *arena)
{
	struct iod_mem *mem = &arena->mem;
	uint64_t n = arena->nr_chunks;

	if (n == arena->max_chunks || grow_chunks(arena))
		return -ENOMEM;
	if (mprotect(mem->window + n * CHUNK_LEN, CHUNK_LEN, PROT_READ | PROT_WRITE))
		return -ENOMEM;
	memset(&arena->chunks[n], 0, sizeof(arena->chunks[n]));
	set_add(arena, arena->spare, n);
	arena->nr_chunks = n + 1;
	__atomic_store_n(&mem->committed, (n + 1) * CHUNK_LEN, __ATOMIC_RELEASE);
	return 0;
}

/* A spare chunk begins to serve a class and size. */
static void assign_chunk(struct mem_arena *arena, uint64_t n, unsigned len_lg2, enum mem_class kind)
{
	struct mem_chunk *chunk = &arena->chunks[n];
	unsigned slots = 1u << (CHUNK_LG2 - len_lg2);
	unsigned i;

	memset(chunk->free, 0, sizeof(chunk->free));
	for (i = 0; i < slots; i += 64)
		chunk->free[i / 64] = low_mask(slots - i);
	chunk->nr_free = (uint16_t)slots;
	chunk->len_lg2 = (uint8_t)len_lg2;
	chunk->kind = (uint8_t)kind;
	set_del(arena, arena->spare, n);
	set_add(arena, arena->with_room[kind][len_lg2 - MEM_TABLE_LG2_MIN], n);
}

static unsigned first_free(const struct mem_chunk *chunk)
{
	unsigned i = 0;

	while (!chunk->free[i])
		i++;
	return i * 64 + ctz64(chunk->free[i]);
}

/* Whether 2^len_lg2 bytes at an offset of the window lie at or below max_pa. */
static bool below(const struct mem_arena *arena, uint64_t off, unsigned len_lg2, uint64_t max_pa)
{
	return arena->mem.base_pa + off + low_mask(len_lg2) <= max_pa;
}

/*
 * The chunk to take a table from: one with room, else a spare one, else a new one. In each group the
 * lowest is looked at only, for if that lies too high, so do all.
 */
static uint64_t find_chunk(struct mem_arena *arena, unsigned len_lg2, enum mem_class kind,
			   uint64_t max_pa)
{
	uint64_t **set = &arena->with_room[kind][len_lg2 - MEM_TABLE_LG2_MIN];
	uint64_t n, off;

	if (!*set)
		*set = set_create(arena);
	if (!*set)
		return NO_CHUNK;
	n = set_lowest(arena, *set);
	if (n != NO_CHUNK) {
		off = n * CHUNK_LEN + ((uint64_t)first_free(&arena->chunks[n]) << len_lg2);
		if (below(arena, off, len_lg2, max_pa))
			return n;
	}
	n = set_lowest(arena, arena->spare);
	if (n == NO_CHUNK)
		n = arena->nr_chunks;
	if (n == arena->max_chunks || !below(arena, n * CHUNK_LEN, len_lg2, max_pa))
		return NO_CHUNK;
	if (n == arena->nr_chunks && commit_chunk(arena))
		return NO_CHUNK;
	assign_chunk(arena, n, len_lg2, kind);
	return n;
}

/* Take the lowest free slot of a chunk. @return its offset in the window; *fresh: never used before */
static uint64_t take_slot(struct mem_arena *arena, uint64_t n, bool *fresh)
{
	struct mem_chunk *chunk = &arena->chunks[n];
	unsigned slot = first_free(chunk);
	uint32_t off = (uint32_t)slot << chunk->len_lg2;
	uint32_t end = off + (UINT32_C(1) << chunk->len_lg2);

	chunk->free[slot / 64] &= ~BIT64(slot % 64);
	if (!--chunk->nr_free)
		set_del(arena, arena->with_room[chunk->kind][chunk->len_lg2 - MEM_TABLE_LG2_MIN],
			n);
	*fresh = off >= chunk->used;
	if (end > chunk->used)
		chunk->used = end;
	return n * CHUNK_LEN + off;
}

static int arena_alloc(struct iod_mem *mem, unsigned len_lg2, enum mem_class kind, uint64_t max_pa,
		       bool zero, uint64_t *pa)
{
	struct mem_arena *arena = to_arena(mem);
	uint64_t len = BIT64(len_lg2);
	uint64_t n = NO_CHUNK, off = 0;
	bool fresh = false;

	pthread_mutex_lock(&mem->lock);
	if (iod_mem_has_room(mem, len))
		n = find_chunk(arena, len_lg2, kind, max_pa);
	if (n != NO_CHUNK) {
		off = take_slot(arena, n, &fresh);
		iod_mem_charge(mem, len);
	}
	pthread_mutex_unlock(&mem->lock);
	if (n == NO_CHUNK)
		return -ENOMEM;
	if (zero && !fresh) /* pages that were never touched are zero */
		memset(mem->window + off, 0, (size_t)len);
	*pa = mem->base_pa + off;
	return 0;
}

/* As many as the lowest chunk with room has, and so on. Contents are whatever was there. */
static unsigned arena_alloc_many(struct iod_mem *mem, unsigned len_lg2, enum mem_class kind,
				 uint64_t max_pa, unsigned n, uint64_t *pa, bool *fresh)
{
	struct mem_arena *arena = to_arena(mem);
	unsigned got = 0;
	uint64_t chunk;
	bool new;

	*fresh = false;
	pthread_mutex_lock(&mem->lock);
	while (got < n && iod_mem_has_room(mem, BIT64(len_lg2))) {
		chunk = find_chunk(arena, len_lg2, kind, max_pa);
		if (chunk == NO_CHUNK)
			break;
		do {
			pa[got++] = mem->base_pa + take_slot(arena, chunk, &new);
			*fresh |= new;
			iod_mem_charge(mem, BIT64(len_lg2));
		} while (got < n && arena->chunks[chunk].nr_free &&
			 iod_mem_has_room(mem, BIT64(len_lg2)) &&
			 below(arena, chunk * CHUNK_LEN, CHUNK_LG2, max_pa));
	}
	pthread_mutex_unlock(&mem->lock);
	return got;
}

/* The chunk of an allocated table, or NULL. */
static struct mem_chunk *chunk_of(struct mem_arena *arena, uint64_t off, unsigned len_lg2)
{
	struct mem_chunk *chunk;
	unsigned slot;

	if (off / CHUNK_LEN >= arena->nr_chunks || !is_aligned(off, len_lg2))
		return NULL;
	chunk = &arena->chunks[off / CHUNK_LEN];
	if (chunk->len_lg2 != len_lg2)
		return NULL;
	slot = (unsigned)((off & (CHUNK_LEN - 1)) >> len_lg2);
	return chunk->free[slot / 64] >> (slot % 64) & 1 ? NULL : chunk;
}

static void put_slot(struct mem_arena *arena, struct mem_chunk *chunk, uint64_t off)
{
	uint64_t *set = arena->with_room[chunk->kind][chunk->len_lg2 - MEM_TABLE_LG2_MIN];
	unsigned slot = (unsigned)((off & (CHUNK_LEN - 1)) >> chunk->len_lg2);
	uint64_t n = off / CHUNK_LEN;

	chunk->free[slot / 64] |= BIT64(slot % 64);
	if (++chunk->nr_free < 1u << (CHUNK_LG2 - chunk->len_lg2)) {
		set_add(arena, set, n);
		return;
	}
	chunk->len_lg2 = 0;
	set_del(arena, set, n);
	set_add(arena, arena->spare, n);
}

static int arena_free(struct iod_mem *mem, uint64_t pa, unsigned len_lg2)
{
	struct mem_arena *arena = to_arena(mem);
	uint64_t off = pa - mem->base_pa;
	struct mem_chunk *chunk;

	pthread_mutex_lock(&mem->lock);
	chunk = chunk_of(arena, off, len_lg2);
	if (chunk) {
		put_slot(arena, chunk, off);
		iod_mem_uncharge(mem, BIT64(len_lg2));
	}
	pthread_mutex_unlock(&mem->lock);
	return chunk ? 0 : -EINVAL;
}

static void arena_free_many(struct iod_mem *mem, const uint64_t *pa, unsigned n, unsigned len_lg2)
{
	struct mem_arena *arena = to_arena(mem);
	struct mem_chunk *chunk;
	unsigned i;

	pthread_mutex_lock(&mem->lock);
	for (i = 0; i < n; i++) {
		chunk = chunk_of(arena, pa[i] - mem->base_pa, len_lg2);
		if (!chunk)
			continue;
		put_slot(arena, chunk, pa[i] - mem->base_pa);
		iod_mem_uncharge(mem, BIT64(len_lg2));
	}
	pthread_mutex_unlock(&mem->lock);
}

/* What is not in the committed part of the window is nowhere. */
static void *arena_translate(const struct iod_mem *mem, uint64_t pa, uint64_t len, bool write)
{
	return NULL;
}

void *iod_mem_reserve(uint64_t len)
{
	void *map;

	if (len > SIZE_MAX)
		return NULL;
	map = mmap(NULL, (size_t)len, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANON | MAP_NORESERVE, -1, 0);
	return map == MAP_FAILED ? NULL : map;
}

void iod_mem_unreserve(void *ptr, uint64_t len)
{
	if (ptr)
		munmap(ptr, (size_t)len);
}

static uint64_t notes_len(const struct iod_mem *mem)
{
	return (mem->window_len >> MEM_TABLE_LG2_MIN) * sizeof(struct mem_leaf_note);
}

static void arena_destroy(struct iod_mem *mem)
{
	struct mem_arena *arena = to_arena(mem);
	unsigned kind, size;

	iod_mem_unreserve(mem->notes, notes_len(mem));
	if (mem->window)
		munmap(mem->window, (size_t)mem->window_len);
	for (kind = 0; kind < MEM_NR_CLASSES; kind++)
		for (size = 0; size < NR_SIZES; size++)
			set_destroy(arena, arena->with_room[kind][size]);
	set_destroy(arena, arena->spare);
	iod_mem_zfree(mem, arena->chunks, arena->chunks_len);
	iod_mem_fini(mem, sizeof(*arena));
}

static const struct mem_backend arena_backend = {
	.translate = arena_translate,
	.alloc = arena_alloc,
	.free = arena_free,
	.alloc_many = arena_alloc_many,
	.free_many = arena_free_many,
	.destroy = arena_destroy,
};

/* Address space aligned to a chunk, inaccessible for now, or NULL. */
static unsigned char *reserve(uint64_t len, bool huge)
{
	unsigned char *map;
	size_t lead;

	if (len > SIZE_MAX - CHUNK_LEN)
		return NULL;
	map = mmap(NULL, (size_t)(len + CHUNK_LEN), PROT_NONE,
		   MAP_PRIVATE | MAP_ANON | MAP_NORESERVE, -1, 0);
	if (map == MAP_FAILED)
		return NULL;
	lead = -(uintptr_t)map & (CHUNK_LEN - 1);
	if (lead)
		munmap(map, lead);
	map += lead;
	munmap(map + len, (size_t)(CHUNK_LEN - lead));
#ifdef MADV_HUGEPAGE
	if (huge) /* advice: whether it is heeded changes nothing here */
		(void)madvise(map, (size_t)len, MADV_HUGEPAGE);
#endif
	return map;
}

/* Fill in the defaults and check. */
static int check_cfg(struct iod_mem_arena_cfg *cfg)
{
	if (cfg->flags & ~IOD_ARENA_NO_HUGEPAGES || cfg->reserved)
		return -EINVAL;
	if (!cfg->base_pa)
		cfg->base_pa = CHUNK_LEN;
	if (!cfg->window)
		cfg->window = sizeof(void *) > 4 ? WINDOW_DEFAULT : WINDOW_LEAST;
	if (!cfg->limit || cfg->limit > cfg->window)
		cfg->limit = cfg->window;
	if (cfg->base_pa % CHUNK_LEN || cfg->window % CHUNK_LEN)
		return -EINVAL;
	return cfg->window - 1 > UINT64_MAX - cfg->base_pa ? -EINVAL : 0;
}

/*
 * The window comes first: what does not fit into the address space need not be described either. A
 * default window makes do with less where address space is scarce (valgrind, ulimit -v).
 */
static int init_arena(struct mem_arena *arena, const struct iod_mem_arena_cfg *cfg, uint64_t least)
{
	struct iod_mem *mem = &arena->mem;
	bool huge = !(cfg->flags & IOD_ARENA_NO_HUGEPAGES);
	uint64_t len = cfg->window;

	while (!(mem->window = reserve(len, huge))) {
		len /= 2;
		if (len < least)
			return -ENOMEM;
	}
	mem->base_pa = cfg->base_pa;
	mem->window_len = len;
	mem->notes = iod_mem_reserve(notes_len(mem)); /* without them things are slower */
	if (mem->limit > len)
		mem->limit = len;
	arena->max_chunks = len / CHUNK_LEN;
	set_shape(arena);
	arena->spare = set_create(arena);
	return arena->spare ? 0 : -ENOMEM;
}

int iod_mem_create_arena(struct iod_mem **out, const struct iod_mem_arena_cfg *user_cfg)
{
	struct iod_mem_arena_cfg cfg = { .size = sizeof(cfg) };
	struct iod_allocator allocator;
	struct mem_arena *arena;
	uint64_t least;
	int ret = 0;

	if (!out)
		return -EINVAL;
	if (user_cfg)
		ret = iod_struct_in(&cfg, sizeof(cfg), user_cfg, sizeof(cfg));
	least = cfg.window ? cfg.window : WINDOW_LEAST;
	if (!ret)
		ret = check_cfg(&cfg);
	if (!ret)
		ret = iod_allocator_init(&allocator, cfg.allocator);
	if (ret)
		return ret;
	arena = iod_zalloc(&allocator, sizeof(*arena));
	if (!arena)
		return -ENOMEM;
	arena->mem.allocator = allocator;
	if (iod_mem_init(&arena->mem, &arena_backend, cfg.limit)) {
		iod_zfree(&allocator, arena, sizeof(*arena));
		return -ENOMEM;
	}
	if (init_arena(arena, &cfg, least)) {
		arena_destroy(&arena->mem);
		return -ENOMEM;
	}
	*out = &arena->mem;
	return 0;
}
