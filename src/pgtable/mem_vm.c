/* SPDX-License-Identifier: MIT */
/*
 * VM memory: regions that the host has mapped, and callbacks. Addresses come from a guest and may be
 * anything; what the callbacks return is checked too, before anything is written there.
 */
#include "bits.h"
#include "pgtable/mem.h"

#include <errno.h>
#include <string.h>

struct vm_table {
	uint64_t pa;
	unsigned len_lg2; /* 0: an empty slot */
};

struct mem_vm {
	struct iod_mem mem;		/* first: the object is freed through it */
	struct iod_mem_region *regions; /* sorted, disjoint; never changes */
	size_t nr_regions;
	size_t regions_len; /* bytes of the array */
	struct iod_mem_vm_ops ops;
	void *cookie;

	/* Tables allocated, by address: open addressing, at most half full. */
	struct vm_table *tables;
	size_t nr_slots; /* a power of two, or 0 */
	size_t nr_tables;
};

static struct mem_vm *to_vm(struct iod_mem *mem)
{
	return (struct mem_vm *)mem;
}

/* The region that holds an address, or NULL. */
static const struct iod_mem_region *region_of(const struct mem_vm *vm, uint64_t pa)
{
	size_t low = 0, high = vm->nr_regions;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (vm->regions[mid].pa <= pa)
			low = mid + 1;
		else
			high = mid;
	}
	if (!low || pa - vm->regions[low - 1].pa >= vm->regions[low - 1].len)
		return NULL;
	return &vm->regions[low - 1];
}

static void *ask_translate(const struct mem_vm *vm, uint64_t pa, uint64_t len, bool write)
{
	void *host;

	if (!vm->ops.translate || len > SIZE_MAX)
		return NULL;
	host = vm->ops.translate(vm->cookie, pa, len, write);
	if ((uintptr_t)host % 8 || len - 1 > UINTPTR_MAX - (uintptr_t)host)
		return NULL;
	return host;
}

/* A region has the last word on what lies wholly in it. */
static void *vm_translate(const struct iod_mem *mem, uint64_t pa, uint64_t len, bool write)
{
	const struct mem_vm *vm = (const struct mem_vm *)mem;
	const struct iod_mem_region *region;

	if (pa % 8 || len - 1 > UINT64_MAX - pa)
		return NULL;
	region = region_of(vm, pa);
	if (!region || len > region->len - (pa - region->pa))
		return ask_translate(vm, pa, len, write);
	if (write && region->flags & IOD_REGION_READONLY)
		return NULL;
	return (unsigned char *)region->host + (pa - region->pa);
}

static size_t home_slot(const struct mem_vm *vm, uint64_t pa)
{
	uint64_t hash = (pa >> MEM_TABLE_LG2_MIN) * UINT64_C(0x9e3779b97f4a7c15);

	return (size_t)(hash >> 32) & (vm->nr_slots - 1);
}

/* The slot that holds an address, or the empty one where it belongs. */
static struct vm_table *find_slot(const struct mem_vm *vm, uint64_t pa)
{
	size_t i = home_slot(vm, pa);

	while (vm->tables[i].len_lg2 && vm->tables[i].pa != pa)
		i = (i + 1) & (vm->nr_slots - 1);
	return &vm->tables[i];
}

static int grow_slots(struct mem_vm *vm)
{
	struct vm_table *old = vm->tables;
	size_t i, nr_old = vm->nr_slots;
	size_t nr = nr_old ? nr_old * 2 : 64;
	struct vm_table *tables;

	if (vm->nr_tables < nr_old / 2)
		return 0;
	tables = iod_mem_zalloc(&vm->mem, nr * sizeof(*tables));
	if (!tables)
		return -ENOMEM;
	vm->tables = tables;
	vm->nr_slots = nr;
	for (i = 0; i < nr_old; i++)
		if (old[i].len_lg2)
			*find_slot(vm, old[i].pa) = old[i];
	iod_mem_zfree(&vm->mem, old, nr_old * sizeof(*old));
	return 0;
}

/* Empty a slot and close the gap in every chain that ran over it. */
static void clear_slot(struct mem_vm *vm, struct vm_table *slot)
{
	size_t mask = vm->nr_slots - 1;
	size_t gap = (size_t)(slot - vm->tables);
	size_t i;

	for (i = (gap + 1) & mask; vm->tables[i].len_lg2; i = (i + 1) & mask) {
		size_t home = home_slot(vm, vm->tables[i].pa);

		if (((i - home) & mask) >= ((i - gap) & mask)) {
			vm->tables[gap] = vm->tables[i];
			gap = i;
		}
	}
	vm->tables[gap].len_lg2 = 0;
	vm->nr_tables--;
}

static void give_back(const struct mem_vm *vm, uint64_t pa, unsigned len_lg2)
{
	if (vm->ops.free_table)
		vm->ops.free_table(vm->cookie, pa, BIT64(len_lg2));
}

/* Whether a callback's table is one: aligned, low enough, there, writable. @return its host pointer */
static void *check_table(const struct mem_vm *vm, uint64_t pa, uint64_t len, uint64_t max_pa)
{
	if (pa & (len - 1) || max_pa < len - 1 || pa > max_pa - (len - 1))
		return NULL;
	return vm_translate(&vm->mem, pa, len, true);
}

/* Remember a table. *live: it cannot be, for that address is in use already. */
static int record_table(struct mem_vm *vm, uint64_t pa, unsigned len_lg2, bool *live)
{
	struct iod_mem *mem = &vm->mem;
	struct vm_table *slot;
	int ret = -ENOMEM;

	pthread_mutex_lock(&mem->lock);
	if (iod_mem_has_room(mem, BIT64(len_lg2)) && !grow_slots(vm)) {
		slot = find_slot(vm, pa);
		*live = slot->len_lg2 != 0;
		if (!*live) {
			slot->pa = pa;
			slot->len_lg2 = len_lg2;
			vm->nr_tables++;
			iod_mem_charge(mem, BIT64(len_lg2));
			ret = 0;
		}
	}
	pthread_mutex_unlock(&mem->lock);
	return ret;
}

/* Callbacks run without the lock, so that they may call into the library. */
static int vm_alloc(struct iod_mem *mem, unsigned len_lg2, enum mem_class kind, uint64_t max_pa,
		    bool zero, uint64_t *pa)
{
	struct mem_vm *vm = to_vm(mem);
	uint64_t len = BIT64(len_lg2), table = UINT64_MAX;
	bool room, live = false;
	void *host;

	if (!vm->ops.alloc_table)
		return -EOPNOTSUPP;
	pthread_mutex_lock(&mem->lock);
	room = iod_mem_has_room(mem, len);
	pthread_mutex_unlock(&mem->lock);
	if (!room || vm->ops.alloc_table(vm->cookie, len, &table))
		return -ENOMEM;
	host = check_table(vm, table, len, max_pa);
	if (!host || record_table(vm, table, len_lg2, &live)) {
		if (!live)
			give_back(vm, table, len_lg2);
		return -ENOMEM;
	}
	if (zero) /* the callback promised it; a stale entry would be too dear */
		memset(host, 0, (size_t)len);
	*pa = table;
	return 0;
}

static int vm_free(struct iod_mem *mem, uint64_t pa, unsigned len_lg2)
{
	struct mem_vm *vm = to_vm(mem);
	struct vm_table *slot;
	int ret = -EINVAL;

	pthread_mutex_lock(&mem->lock);
	slot = vm->nr_slots ? find_slot(vm, pa) : NULL;
	if (slot && slot->len_lg2 == len_lg2) {
		clear_slot(vm, slot);
		iod_mem_uncharge(mem, BIT64(len_lg2));
		ret = 0;
	}
	pthread_mutex_unlock(&mem->lock);
	if (!ret)
		give_back(vm, pa, len_lg2);
	return ret;
}

static void vm_destroy(struct iod_mem *mem)
{
	struct mem_vm *vm = to_vm(mem);
	size_t i;

	for (i = 0; i < vm->nr_slots; i++)
		if (vm->tables[i].len_lg2)
			give_back(vm, vm->tables[i].pa, vm->tables[i].len_lg2);
	iod_mem_zfree(mem, vm->tables, vm->nr_slots * sizeof(*vm->tables));
	iod_mem_zfree(mem, vm->regions, vm->regions_len);
	iod_mem_fini(mem, sizeof(*vm));
}

static const struct mem_backend vm_backend = {
	.translate = vm_translate,
	.alloc = vm_alloc,
	.free = vm_free,
	.destroy = vm_destroy,
};

static bool region_ok(const struct iod_mem_region *region)
{
	uintptr_t host = (uintptr_t)region->host;

	return region->len && !(region->len % 8) && !(region->pa % 8) && host && !(host % 8) &&
	       !(region->flags & ~IOD_REGION_READONLY) && !region->reserved &&
	       region->len - 1 <= UINT64_MAX - region->pa && region->len - 1 <= UINTPTR_MAX - host;
}

/* Shell sort by address: qsort() may allocate behind the allocator's back. */
static void sort_regions(struct iod_mem_region *regions, size_t nr)
{
	size_t gap, i, j;

	for (gap = nr / 2; gap; gap /= 2) {
		for (i = gap; i < nr; i++) {
			struct iod_mem_region region = regions[i];

			for (j = i; j >= gap && regions[j - gap].pa > region.pa; j -= gap)
				regions[j] = regions[j - gap];
			regions[j] = region;
		}
	}
}

/* Make one of neighbours that continue each other, so that a range may lie across them. */
static int merge_regions(struct mem_vm *vm)
{
	struct iod_mem_region *last = &vm->regions[0];
	size_t i;

	for (i = 1; i < vm->nr_regions; i++) {
		const struct iod_mem_region *next = &vm->regions[i];

		if (next->pa - last->pa < last->len)
			return -EINVAL;
		if (next->pa - last->pa == last->len && next->flags == last->flags &&
		    (uintptr_t)next->host - (uintptr_t)last->host == last->len)
			last->len += next->len;
		else
			*++last = *next;
	}
	vm->nr_regions = (size_t)(last - vm->regions) + 1;
	return 0;
}

static int copy_regions(struct mem_vm *vm, const struct iod_mem_vm_cfg *cfg)
{
	size_t i, nr = cfg->nr_regions;

	for (i = 0; i < nr; i++)
		if (!region_ok(&cfg->regions[i]))
			return -EINVAL;
	if (!nr)
		return 0;
	vm->regions = iod_mem_zalloc(&vm->mem, nr * sizeof(*vm->regions));
	if (!vm->regions)
		return -ENOMEM;
	vm->regions_len = nr * sizeof(*vm->regions);
	memcpy(vm->regions, cfg->regions, vm->regions_len);
	vm->nr_regions = nr;
	sort_regions(vm->regions, nr);
	return merge_regions(vm);
}

static int check_cfg(const struct iod_mem_vm_cfg *cfg, struct iod_mem_vm_ops *ops)
{
	int ret = 0;

	if (cfg->ops)
		ret = iod_struct_in(ops, sizeof(*ops), cfg->ops, sizeof(*ops));
	if (ret)
		return ret;
	if (cfg->nr_regions ? !cfg->regions : !ops->translate)
		return -EINVAL;
	return cfg->nr_regions > SIZE_MAX / sizeof(*cfg->regions) ? -EINVAL : 0;
}

int iod_mem_create_vm(struct iod_mem **out, const struct iod_mem_vm_cfg *user_cfg)
{
	struct iod_mem_vm_ops ops = { .size = sizeof(ops) };
	struct iod_allocator allocator;
	struct iod_mem_vm_cfg cfg;
	struct mem_vm *vm;
	int ret;

	if (!out)
		return -EINVAL;
	ret = iod_struct_in(&cfg, sizeof(cfg), user_cfg, sizeof(cfg));
	if (!ret)
		ret = check_cfg(&cfg, &ops);
	if (!ret)
		ret = iod_allocator_init(&allocator, cfg.allocator);
	if (ret)
		return ret;
	vm = iod_zalloc(&allocator, sizeof(*vm));
	if (!vm)
		return -ENOMEM;
	vm->mem.allocator = allocator;
	if (iod_mem_init(&vm->mem, &vm_backend, UINT64_MAX)) {
		iod_zfree(&allocator, vm, sizeof(*vm));
		return -ENOMEM;
	}
	vm->ops = ops;
	vm->cookie = cfg.cookie;
	ret = copy_regions(vm, &cfg);
	if (ret) {
		vm_destroy(&vm->mem);
		return ret;
	}
	*out = &vm->mem;
	return 0;
}
