/* SPDX-License-Identifier: MIT */
/*
 * A guest with a VT-d in caching mode: it maps a page, tells so, a device writes there; it unmaps the page and invalidates
 * its domain. The VMM's shadow follows, and says which page is to be copied.
 */
#include <stdio.h>
#include <string.h>

#include <iodirty/iodirty.h>

#define DID    1
#define MEMORY UINT64_C(0x100000000) /* where the guest's memory begins for the host */

static int where(void *cookie, uint64_t gpa, uint64_t *len, uint32_t *prot, uint64_t *pa)
{
	*pa = MEMORY + gpa; /* a VMM looks at its memory slots, and shortens *len */
	return 0;
}

static void dirty(void *cookie, uint64_t iova, uint64_t pa, uint64_t len)
{
	printf("copy %llu bytes at guest address 0x%llx\n", (unsigned long long)len,
	       (unsigned long long)(pa - MEMORY));
}

/* What a guest's queue holds; a VMM calls iod_vtd_shadow_consume() instead. */
static int guest_says(struct iod_vtd_shadow *vs, const struct iod_vtd_desc *desc)
{
	struct iod_vtd_raw_desc raw;
	size_t handled;

	if (iod_vtd_desc_encode(&raw, desc, NULL, 0, NULL) ||
	    iod_vtd_shadow_commands(vs, &raw, 1, &handled))
		return -1;
	return iod_vtd_shadow_sync(vs); /* its wait */
}

int main(void)
{
	struct iod_pgtable_cfg cfg = { .size = sizeof(cfg),
				       .format = IOD_VTD_SS,
				       .features = IOD_PT_HW_DIRTY };
	struct iod_shadow_ops ops = { .size = sizeof(ops), .translate = where, .dirty = dirty };
	struct iod_shadow_cfg scfg = { .size = sizeof(scfg),
				       .ops = &ops,
				       .domain = IOD_VTD_TAG_S2(DID),
				       .flags = IOD_SHADOW_TRACK };
	struct iod_vtd_shadow_cfg vcfg = { .size = sizeof(vcfg) };
	struct iod_iotlb_cfg tcfg = { .size = sizeof(tcfg) };
	struct iod_vtd_desc page = {
		.type = IOD_VTD_IOTLB_INV, .gran = IOD_VTD_IOTLB_PAGE, .did = DID, .addr = 0x10000
	};
	struct iod_vtd_desc domain = { .type = IOD_VTD_IOTLB_INV,
				       .gran = IOD_VTD_IOTLB_DOMAIN,
				       .did = DID };
	struct iod_mem *mem;
	struct iod_pgtable *guest, *pt;
	struct iod_gather *gather, *guests;
	struct iod_shadow *shadow;
	struct iod_vtd_shadow *vs;
	struct iod_iotlb *device;

	if (iod_mem_create_arena(&mem, NULL))
		return 1;
	cfg.mem = mem;
	/* A VMM attaches to the guest's table: iod_vtd_context_get_second() says how. Here we are the guest, too. */
	if (iod_pgtable_create(&guest, &cfg) || iod_pgtable_create(&pt, &cfg) ||
	    iod_gather_create(&gather, pt, NULL) || iod_gather_create(&guests, guest, NULL))
		return 1;
	scfg.pt = pt;
	scfg.gather = gather;
	iod_vtd_id_full(&vcfg.guest);
	vcfg.guest.cap |= IOD_VTD_CAP_CM;
	if (iod_shadow_create(&shadow, &scfg) ||
	    iod_shadow_set_guest(shadow, guest, IOD_VTD_TAG_S2(DID)) ||
	    iod_vtd_shadow_create(&vs, &vcfg) || iod_vtd_shadow_add(vs, shadow) ||
	    iod_iotlb_create(&device, &tcfg))
		return 1;

	iod_map(guest, 0x10000, 0x5000, 4096, IOD_PROT_READ | IOD_PROT_WRITE, NULL, NULL);
	if (guest_says(vs, &page))
		return 1;
	if (iod_iotlb_access(device, pt, 0x10000, IOD_ACCESS_WRITE, NULL, NULL))
		return 1;
	iod_unmap(guest, 0x10000, 4096, 0, guests, NULL);
	iod_gather_sync(guests);
	if (guest_says(vs, &domain))
		return 1;

	iod_iotlb_destroy(device);
	iod_vtd_shadow_destroy(vs);
	iod_shadow_destroy(shadow);
	iod_gather_destroy(guests);
	iod_gather_destroy(gather);
	iod_pgtable_destroy(pt);
	iod_pgtable_destroy(guest);
	return iod_mem_destroy(mem) ? 1 : 0;
}
