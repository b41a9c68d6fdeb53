/* SPDX-License-Identifier: MIT */
/*
 * An SMMU for a guest in a few calls. The guest's part (its driver) is played here, by trapped register
 * writes and words in its memory, as a VMM would see it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <iodirty/iodirty.h>

#define GUEST_PA  0x80000000u /* 1 MiB of guest memory */
#define GUEST_LEN 0x100000u
#define STRTAB	  GUEST_PA
#define CMDQ	  (GUEST_PA + 0x1000)
#define EVTQ	  (GUEST_PA + 0x2000)
#define CD	  (GUEST_PA + 0x3000)
#define NIC	  5u

static unsigned char *guest;

static void irq(void *cookie, enum iod_smmuv3_irq line)
{
	(void)cookie;
	printf("interrupt: line %d\n", (int)line);
}

/* Data of a device's DMA: pa is where it goes in guest memory. */
static int move(void *cookie, uint64_t pa, uint64_t len, uint64_t offset)
{
	memcpy(guest + (pa - GUEST_PA), (const char *)cookie + offset, len);
	return 0;
}

/* What the VMM's trap handler does with a guest's write to the registers. */
static void trap(struct iod_smmuv3_emu *smmu, uint64_t offset, unsigned int len, uint64_t value)
{
	iod_smmuv3_emu_mmio(smmu, offset, len, true, &value);
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

/* The guest's driver: a stage-1 table, its context descriptor, its stream table entry. */
static int guest_setup(struct iod_pgtable *pt)
{
	struct iod_hw_info info = { .size = sizeof(info) };
	struct iod_smmuv3_cd cd = { .r = true, .a = true };
	struct iod_smmuv3_ste ste = { .valid = true, .config = IOD_SMMUV3_S1, .s1contextptr = CD };
	struct iod_smmuv3_raw_ste raw_ste;
	struct iod_smmuv3_raw_cd raw_cd;

	if (iod_pgtable_get_hw_info(pt, &info) || iod_smmuv3_cd_set_stage1(&cd, &info, 1) ||
	    iod_smmuv3_cd_encode(&raw_cd, &cd) || iod_smmuv3_ste_encode(&raw_ste, &ste))
		return -1;
	memcpy(guest + (CD - GUEST_PA), &raw_cd, sizeof(raw_cd));
	memcpy(guest + (STRTAB - GUEST_PA) + NIC * sizeof(raw_ste), &raw_ste, sizeof(raw_ste));
	return 0;
}

static void guest_enable(struct iod_smmuv3_emu *smmu)
{
	trap(smmu, 0x80, 8, STRTAB);
	trap(smmu, 0x88, 4, 6);	       /* 64 streams, linear */
	trap(smmu, 0x90, 8, CMDQ | 4); /* 16 commands */
	trap(smmu, 0xa0, 8, EVTQ | 4);
	trap(smmu, 0x50, 4, IOD_SMMUV3_IRQ_CTRL_EVTQ);
	trap(smmu, 0x20, 4, IOD_SMMUV3_CR0_SMMUEN | IOD_SMMUV3_CR0_CMDQEN | IOD_SMMUV3_CR0_EVTQEN);
}

int main(void)
{
	struct iod_mem_region ram = { .pa = GUEST_PA, .len = GUEST_LEN };
	struct iod_mem_vm_ops alloc = { .size = sizeof(alloc), .alloc_table = guest_table };
	struct iod_mem_vm_cfg vm = {
		.size = sizeof(vm), .regions = &ram, .nr_regions = 1, .ops = &alloc
	};
	struct iod_smmuv3_emu_ops ops = { .size = sizeof(ops), .irq = irq };
	struct iod_smmuv3_emu_cfg cfg = { .size = sizeof(cfg), .ops = &ops };
	struct iod_pgtable_cfg pcfg = { .size = sizeof(pcfg), .format = IOD_ARM_LPAE_S1 };
	struct iod_emu_req req = { .size = sizeof(req), .source = NIC };
	static const char packet[] = "hello";
	struct iod_smmuv3_event event;
	struct iod_smmuv3_emu *smmu;
	struct iod_pgtable *pt;
	struct iod_mem *mem;
	int ret;

	guest = calloc(1, GUEST_LEN);
	ram.host = guest;
	if (!guest || iod_mem_create_vm(&mem, &vm))
		return 1;
	pcfg.mem = mem;
	if (iod_pgtable_create(&pt, &pcfg) || iod_map(pt, 0x10000, GUEST_PA + 0x8000, 4096,
						      IOD_PROT_READ | IOD_PROT_WRITE, NULL, NULL))
		return 1;
	cfg.mem = mem;
	if (iod_smmuv3_emu_create(&smmu, &cfg) || guest_setup(pt))
		return 1;
	guest_enable(smmu);

	req.access = IOD_ACCESS_WRITE;
	req.iova = 0x10100;
	ret = iod_smmuv3_emu_dma(smmu, &req, sizeof(packet), move, (void *)packet, NULL, NULL,
				 NULL);
	printf("write to 0x10100: %d, memory says \"%s\"\n", ret, (char *)guest + 0x8100);
	req.iova = 0x20000;
	ret = iod_smmuv3_emu_dma(smmu, &req, sizeof(packet), move, (void *)packet, NULL, NULL,
				 &event);
	printf("write to 0x20000: %d, %s at 0x%llx\n", ret, iod_smmuv3_event_name(event.type),
	       (unsigned long long)event.addr);

	iod_smmuv3_emu_destroy(smmu);
	iod_pgtable_destroy(pt);
	iod_mem_destroy(mem);
	free(guest);
	return 0;
}
