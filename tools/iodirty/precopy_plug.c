/* SPDX-License-Identifier: MIT */
/*
 * A guest driver that maps and unmaps its device's buffers while the VM is migrated, as drivers do behind
 * an emulated IOMMU: a buffer of 64 KiB is mapped at an IOVA of its own, the device writes into it, and
 * is still at it when the driver unmaps the buffer, to map another one elsewhere. What the device wrote
 * comes with iod_unmap_dirty(), by IOVA; the driver's VMM turns that into guest pages, which the
 * migration takes along with its next sweep.
 *
 * Every other buffer is unmapped as a whole region of 2 MiB, of which it is the only thing mapped, so that
 * a leaf table is cut off in which hardware may still mark pages.
 */
#include "precopy_model.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define BUFFER	    (1ull << 16)
#define SLOT	    (1ull << 21) /* IOVA between two buffers */
#define SLOTS	    64
#define TLB_ENTRIES 64
#define NAP_NS	    (20 * 1000u) /* of a device that has written for a while */
#define STEP_NS	    (200 * 1000u)
#define BURST	    16

struct precopy_plug {
	struct precopy_vm *vm;
	struct iod_iotlb *tlb;
	struct iod_gather *gather;
	pthread_t driver, device;
	bool driver_runs, device_runs;
	uint64_t base;		/* IOVA of the first slot */
	_Atomic uint32_t where; /* the buffer's slot + 1; 0: none is mapped */
	uint64_t driver_rng, device_rng;
	uint64_t *bits; /* of a slot */
	uint64_t bits_len;
	uint64_t unplugs, delivered, refused; /* refused: accesses that came too late */
	uint64_t writes;
	int error, device_error;
};

static uint64_t plug_random(uint64_t *rng)
{
	uint64_t z = *rng += 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

static bool stopped(const struct precopy_plug *plug)
{
	return atomic_load_explicit(&plug->vm->stop, memory_order_relaxed);
}

/* --- The device --------------------------------------------------------------------------------*/

/* Wherever the IOMMU leads: the buffer may be another one by now. */
static int device_data(void *cookie, uint64_t pa, uint64_t len, uint64_t offset)
{
	struct precopy_plug *plug = cookie;
	struct precopy_vm *vm = plug->vm;
	uint64_t page = pa >> PRECOPY_PAGE_LG2;

	if (page >= vm->writable)
		return -ERANGE;
	atomic_fetch_add_explicit(&vm->version[page], 1, memory_order_acq_rel);
	plug->writes++;
	return 0;
}

/* Writes on until it is told that the buffer is gone, and a little longer. */
static void *device_main(void *arg)
{
	struct precopy_plug *plug = arg;
	struct iod_fault fault;
	uint64_t buffer;
	uint32_t where;
	unsigned i;
	int ret;

	while (!stopped(plug) && !plug->device_error) {
		where = atomic_load_explicit(&plug->where, memory_order_acquire);
		buffer = plug->base + (where - UINT64_C(1)) * SLOT;
		for (i = 0; where && i < BURST && !plug->device_error; i++) {
			uint64_t page = plug_random(&plug->device_rng) % (BUFFER / PRECOPY_PAGE);

			ret = iod_iotlb_dma(plug->tlb, plug->vm->pt, buffer + page * PRECOPY_PAGE,
					    PRECOPY_PAGE, IOD_ACCESS_WRITE, device_data, plug, NULL,
					    &fault);
			if (ret == -EFAULT && fault.reason == IOD_FAULT_TRANSLATION)
				plug->refused++;
			else if (ret)
				plug->device_error = ret;
		}
		precopy_sleep(NAP_NS);
	}
	return NULL;
}

/* --- The driver and its VMM --------------------------------------------------------------------*/

/* Guest pages of what was delivered by IOVA: [first, first + len) is mapped to pa. */
static void deliver(struct precopy_plug *plug, struct iod_bitmap *bitmap, uint64_t first,
		    uint64_t pa)
{
	struct precopy_vm *vm = plug->vm;
	uint64_t iova = first, len;

	for (; !iod_bitmap_next(bitmap, &iova, &len); iova += len) {
		plug->delivered += len >> PRECOPY_PAGE_LG2;
		if (vm->opts->violation != PRECOPY_BREAK_FORGET_UNMAPPED)
			iod_bitmap_set(&vm->delivered, pa + (iova - first), len);
	}
}

/* In steps, so that the VM's stop is noticed. */
static void wait_for_device(const struct precopy_plug *plug, uint64_t ns)
{
	uint64_t step;

	for (; ns && !stopped(plug); ns -= step) {
		step = ns < STEP_NS ? ns : STEP_NS;
		precopy_sleep(step);
	}
}

/* A buffer's life. The bitmap is complete when the gather is synced, and not before. */
static int plug_cycle(struct precopy_plug *plug)
{
	struct precopy_vm *vm = plug->vm;
	uint64_t slot = plug->base + plug->unplugs % SLOTS * SLOT;
	uint64_t buffers = (vm->writable << PRECOPY_PAGE_LG2) / BUFFER;
	uint64_t pa = plug_random(&plug->driver_rng) % buffers * BUFFER;
	struct iod_bitmap bitmap;
	struct iod_unmap_dirty unmap = {
		.size = sizeof(unmap),
		.iova = slot,
		.len = plug->unplugs % 2 ? SLOT : BUFFER,
		.gather = plug->gather,
		.bitmap = &bitmap,
	};
	int ret = iod_map(vm->pt, slot, pa, BUFFER, IOD_PROT_READ | IOD_PROT_WRITE, plug->gather,
			  NULL);

	if (ret)
		return ret;
	atomic_store_explicit(&plug->where, (uint32_t)(plug->unplugs % SLOTS + 1),
			      memory_order_release);
	wait_for_device(plug, 1000000000u / vm->opts->unplug);
	memset(plug->bits, 0, (size_t)plug->bits_len);
	ret = iod_bitmap_init(&bitmap, slot, SLOT, PRECOPY_PAGE, plug->bits, plug->bits_len, 0);
	if (!ret)
		ret = iod_unmap_dirty(vm->pt, &unmap);
	if (!ret)
		ret = iod_gather_sync(plug->gather);
	atomic_store_explicit(&plug->where, 0, memory_order_release);
	if (ret)
		return ret;
	deliver(plug, &bitmap, slot, pa);
	plug->unplugs++;
	return unmap.unmapped == BUFFER ? 0 : -EIO;
}

static void *driver_main(void *arg)
{
	struct precopy_plug *plug = arg;

	while (!plug->error && !stopped(plug))
		plug->error = plug_cycle(plug);
	return NULL;
}

/* --- Life --------------------------------------------------------------------------------------*/

struct iod_iotlb *precopy_plug_atc(struct precopy_plug *plug)
{
	return plug ? plug->tlb : NULL;
}

int precopy_plug_create(struct precopy_vm *vm)
{
	struct iod_gather_cfg gather;
	const struct iod_iotlb_cfg tlb = {
		.size = sizeof(tlb),
		.entries = TLB_ENTRIES,
		.flags = IOD_IOTLB_ATC,
		.seed = vm->opts->seed,
	};
	struct precopy_plug *plug;
	int ret;

	if (!vm->opts->unplug)
		return 0;
	vm->what = "cannot create the device that is unplugged";
	plug = calloc(1, sizeof(*plug));
	if (!plug)
		return -ENOMEM;
	vm->plug = plug;
	plug->vm = vm;
	plug->driver_rng = vm->opts->seed;
	plug->device_rng = ~vm->opts->seed;
	/* Behind the memory, and a multiple of SLOT as that is. */
	plug->base = vm->pages << PRECOPY_PAGE_LG2;
	plug->bits_len = iod_bitmap_bytes(SLOT, PRECOPY_PAGE);
	plug->bits = malloc((size_t)plug->bits_len);
	if (!plug->bits)
		return -ENOMEM;
	precopy_vm_gather(vm, &gather);
	ret = iod_gather_create(&plug->gather, vm->pt, &gather);
	return ret ? ret : iod_iotlb_create(&plug->tlb, &tlb);
}

void precopy_plug_destroy(struct precopy_plug *plug)
{
	if (!plug)
		return;
	if (plug->gather) {
		iod_gather_sync(plug->gather);
		iod_gather_destroy(plug->gather);
	}
	if (plug->tlb)
		iod_iotlb_destroy(plug->tlb);
	free(plug->bits);
	free(plug);
}

int precopy_plug_start(struct precopy_plug *plug)
{
	int ret;

	if (!plug)
		return 0;
	ret = pthread_create(&plug->device, NULL, device_main, plug);
	if (ret)
		return -ret;
	plug->device_runs = true;
	ret = pthread_create(&plug->driver, NULL, driver_main, plug);
	if (ret)
		return -ret;
	plug->driver_runs = true;
	return 0;
}

/* The driver ends its cycle: nothing is left mapped, all is delivered. */
void precopy_plug_stop(struct precopy_plug *plug, struct precopy_activity *did)
{
	if (!plug)
		return;
	if (plug->driver_runs)
		pthread_join(plug->driver, NULL);
	if (plug->device_runs)
		pthread_join(plug->device, NULL);
	plug->driver_runs = false;
	plug->device_runs = false;
	did->writes += plug->writes;
	did->unplugs = plug->unplugs;
	did->delivered = plug->delivered;
	did->refused = plug->refused;
	if (!did->error)
		did->error = plug->error ? plug->error : plug->device_error;
}
