/* SPDX-License-Identifier: MIT */
/*
 * A VT-d for a guest in a few calls. The guest's part (its driver) is played here, by trapped register writes
 * and structures in its memory, as a VMM would see it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <iodirty/iodirty.h>

#define GUEST_PA  0x80000000u /* 1 MiB of guest memory */
#define GUEST_LEN 0x100000u
#define ROOT	  GUEST_PA
#define CONTEXTS  (GUEST_PA + 0x1000)
#define DIR	  (GUEST_PA + 0x2000)
#define PASIDS	  (GUEST_PA + 0x3000)
#define IQ	  (GUEST_PA + 0x4000)
#define NIC	  0x08u /* 00:01.0 */

static unsigned char *guest;

static void msi(void *cookie, uint64_t addr, uint32_t data)
{
	(void)cookie;
	printf("interrupt: %u to 0x%llx\n", (unsigned int)data, (unsigned long long)addr);
}

/* Data of a device's DMA: pa is where it goes in guest memory. */
static int move(void *cookie, uint64_t pa, uint64_t len, uint64_t offset)
{
	memcpy(guest + (pa - GUEST_PA), (const char *)cookie + offset, len);
	return 0;
}

/* What the VMM's trap handler does with a guest's write to the registers. */
static void trap(struct iod_vtd_emu *vtd, uint64_t offset, unsigned int len, uint64_t value)
{
	iod_vtd_emu_mmio(vtd, offset, len, true, &value);
}

/* The guest's allocator of tables: page by page from the middle of its memory. */
static int guest_table(void *cookie, uint64_t len, uint64_t *pa)
{
	static uint64_t next = GUEST_PA + GUEST_LEN / 2;

	(void)cookie;
	if (next + len > GUEST_PA + GUEST_LEN)
		return -1;
	*pa = next;
	next += len;
	return 0;
}

static void put(uint64_t pa, const void *what, size_t len)
{
	memcpy(guest + (pa - GUEST_PA), what, len);
}

/* The guest's driver: a first-stage table as PASID 0, which is that of requests without one. */
static int guest_setup(struct iod_pgtable *pt)
{
	struct iod_hw_info info = { .size = sizeof(info) };
	struct iod_vtd_root root = { .lp = true, .lctp = CONTEXTS };
	struct iod_vtd_sm_context context = { .present = true, .pasiddirptr = DIR };
	struct iod_vtd_pasid_dir dir = { .present = true, .smptblptr = PASIDS };
	struct iod_vtd_pasid pasid = { .present = true };
	struct iod_vtd_raw_sm_context raw_context;
	struct iod_vtd_raw_pasid_dir raw_dir;
	struct iod_vtd_raw_pasid raw_pasid;
	struct iod_vtd_raw_root raw_root;

	if (iod_pgtable_get_hw_info(pt, &info) || iod_vtd_pasid_set_first(&pasid, &info, 1, NULL) ||
	    iod_vtd_pasid_encode(&raw_pasid, &pasid) || iod_vtd_pasid_dir_encode(&raw_dir, &dir) ||
	    iod_vtd_sm_context_encode(&raw_context, &context) ||
	    iod_vtd_root_encode(&raw_root, &root))
		return -1;
	put(ROOT, &raw_root, sizeof(raw_root));
	put(CONTEXTS + NIC * sizeof(raw_context), &raw_context, sizeof(raw_context));
	put(DIR, &raw_dir, sizeof(raw_dir));
	put(PASIDS, &raw_pasid, sizeof(raw_pasid));
	return 0;
}

static void guest_enable(struct iod_vtd_emu *vtd)
{
	trap(vtd, 0x20, 8, ROOT | IOD_VTD_RTADDR_SCALABLE);
	trap(vtd, 0x18, 4, IOD_VTD_GSTS_RTP);
	trap(vtd, 0x90, 8, IQ | IOD_VTD_IQA_DW);
	trap(vtd, 0x3c, 4, 0x41);	/* FEDATA */
	trap(vtd, 0x40, 4, 0xfee00000); /* FEADDR */
	trap(vtd, 0x38, 4, 0);		/* FECTL: not masked */
	trap(vtd, 0x18, 4, IOD_VTD_GSTS_TE | IOD_VTD_GSTS_QIE);
}

int main(void)
{
	struct iod_mem_region ram = { .pa = GUEST_PA, .len = GUEST_LEN };
	struct iod_mem_vm_ops alloc = { .size = sizeof(alloc), .alloc_table = guest_table };
	struct iod_mem_vm_cfg vm = {
		.size = sizeof(vm), .regions = &ram, .nr_regions = 1, .ops = &alloc
	};
	struct iod_vtd_emu_ops ops = { .size = sizeof(ops), .msi = msi };
	struct iod_vtd_emu_cfg cfg = { .size = sizeof(cfg), .ops = &ops };
	struct iod_pgtable_cfg pcfg = { .size = sizeof(pcfg), .format = IOD_VTD_FS };
	struct iod_emu_req req = { .size = sizeof(req), .source = NIC };
	static const char packet[] = "hello";
	struct iod_vtd_fault fault;
	struct iod_vtd_emu *vtd;
	struct iod_pgtable *pt;
	struct iod_mapping map;
	struct iod_mem *mem;
	int ret;

	guest = calloc(1, GUEST_LEN);
	ram.host = guest;
	if (!guest || iod_mem_create_vm(&mem, &vm))
		return 1;
	pcfg.mem = mem;
	pcfg.features = IOD_PT_HW_ACCESS | IOD_PT_HW_DIRTY;
	if (iod_pgtable_create(&pt, &pcfg) || iod_map(pt, 0x10000, GUEST_PA + 0x8000, 4096,
						      IOD_PROT_READ | IOD_PROT_WRITE, NULL, NULL))
		return 1;
	cfg.mem = mem;
	if (iod_vtd_emu_create(&vtd, &cfg) || guest_setup(pt))
		return 1;
	guest_enable(vtd);

	req.access = IOD_ACCESS_WRITE;
	req.iova = 0x10100;
	ret = iod_vtd_emu_dma(vtd, &req, sizeof(packet), move, (void *)packet, NULL, NULL, NULL);
	printf("write to 0x10100: %d, memory says \"%s\"\n", ret, (char *)guest + 0x8100);
	if (!iod_translate(pt, 0x10100, &map))
		printf("the page is %s\n", map.dirty == IOD_DIRTY ? "dirty" : "clean");
	req.iova = 0x20000;
	ret = iod_vtd_emu_dma(vtd, &req, sizeof(packet), move, (void *)packet, NULL, NULL, &fault);
	printf("write to 0x20000: %d, %s at 0x%llx\n", ret, iod_vtd_fault_reason_name(fault.reason),
	       (unsigned long long)fault.addr);

	iod_vtd_emu_destroy(vtd);
	iod_pgtable_destroy(pt);
	iod_mem_destroy(mem);
	free(guest);
	return 0;
}
