/* SPDX-License-Identifier: MIT */
/*
 * An AMD IOMMU for a guest in a few calls, with dirty tracking. The guest's part (its driver) is played here, by
 * trapped register writes and words in its memory, as a VMM would see it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <iodirty/iodirty.h>

#define GUEST_PA  0x80000000u /* 1 MiB of guest memory */
#define GUEST_LEN 0x100000u
#define DEVTAB	  GUEST_PA
#define CMDBUF	  (GUEST_PA + 0x1000)
#define EVTLOG	  (GUEST_PA + 0x2000)
#define LENGTH	  (UINT64_C(8) << 56) /* 256 entries */
#define NIC	  5u
#define DOMAIN	  1u

static unsigned char *guest;

static void irq(void *cookie, enum iod_amdvi_irq what)
{
	(void)cookie;
	printf("interrupt: %d\n", (int)what);
}

/* Data of a device's DMA: pa is where it goes in guest memory. */
static int move(void *cookie, uint64_t pa, uint64_t len, uint64_t offset)
{
	memcpy(guest + (pa - GUEST_PA), (const char *)cookie + offset, len);
	return 0;
}

/* What the VMM's trap handler does with a guest's write to the registers. */
static void trap(struct iod_amdvi_emu *iommu, uint64_t offset, uint64_t value)
{
	iod_amdvi_emu_mmio(iommu, offset, 8, true, &value);
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

/* The guest's driver: a host table, and its device table entry. */
static int guest_setup(struct iod_pgtable *pt)
{
	struct iod_hw_info info = { .size = sizeof(info) };
	struct iod_amdvi_dte dte = { .v = true };
	struct iod_amdvi_raw_dte raw;

	if (iod_pgtable_get_hw_info(pt, &info) || iod_amdvi_dte_set_host(&dte, &info, DOMAIN) ||
	    iod_amdvi_dte_encode(&raw, &dte))
		return -1;
	memcpy(guest + (DEVTAB - GUEST_PA) + NIC * sizeof(raw), &raw, sizeof(raw));
	return 0;
}

static void guest_enable(struct iod_amdvi_emu *iommu)
{
	trap(iommu, 0x0, DEVTAB); /* one page: 128 devices */
	trap(iommu, 0x8, CMDBUF | LENGTH);
	trap(iommu, 0x10, EVTLOG | LENGTH);
	trap(iommu, 0x18,
	     IOD_AMDVI_CONTROL_IOMMUEN | IOD_AMDVI_CONTROL_CMDBUFEN | IOD_AMDVI_CONTROL_EVENTLOGEN |
		     IOD_AMDVI_CONTROL_EVENTINTEN);
}

int main(void)
{
	struct iod_mem_region ram = { .pa = GUEST_PA, .len = GUEST_LEN };
	struct iod_mem_vm_ops alloc = { .size = sizeof(alloc), .alloc_table = guest_table };
	struct iod_mem_vm_cfg vm = {
		.size = sizeof(vm), .regions = &ram, .nr_regions = 1, .ops = &alloc
	};
	struct iod_amdvi_emu_ops ops = { .size = sizeof(ops), .irq = irq };
	struct iod_amdvi_emu_cfg cfg = { .size = sizeof(cfg), .ops = &ops };
	struct iod_pgtable_cfg pcfg = { .size = sizeof(pcfg), .format = IOD_AMD_V1 };
	struct iod_emu_req req = { .size = sizeof(req), .source = NIC };
	static const char packet[] = "hello";
	struct iod_mapping page;
	struct iod_amdvi_event event;
	struct iod_amdvi_emu *iommu;
	struct iod_pgtable *pt;
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
	if (iod_amdvi_emu_create(&iommu, &cfg) || guest_setup(pt))
		return 1;
	guest_enable(iommu);

	req.access = IOD_ACCESS_WRITE;
	req.iova = 0x10100;
	ret = iod_amdvi_emu_dma(iommu, &req, sizeof(packet), move, (void *)packet, NULL, NULL,
				NULL);
	printf("write to 0x10100: %d, memory says \"%s\"\n", ret, (char *)guest + 0x8100);
	if (iod_translate(pt, req.iova, &page))
		return 1;
	printf("the page is %s\n", page.dirty == IOD_DIRTY ? "dirty" : "clean");
	req.iova = 0x20000;
	ret = iod_amdvi_emu_dma(iommu, &req, sizeof(packet), move, (void *)packet, NULL, NULL,
				&event);
	printf("write to 0x20000: %d, %s at 0x%llx\n", ret, iod_amdvi_event_name(event.type),
	       (unsigned long long)event.addr);

	iod_amdvi_emu_destroy(iommu);
	iod_pgtable_destroy(pt);
	iod_mem_destroy(mem);
	free(guest);
	return 0;
}
