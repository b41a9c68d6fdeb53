/* SPDX-License-Identifier: MIT */
/*
 * The emulated AMD IOMMU on what a Linux guest built: the device table and page tables of a core. Each device's
 * accesses must go where the list beside the core, made by a walker of its own, says, and where the IOMMU that the
 * guest ran on was seen to send them.
 */
#include "bits.h"
#include "elfmem.h"
#include "emurig.h"
#include "json.h"

#define R      IOD_ACCESS_READ
#define W      IOD_ACCESS_WRITE
#define HAD_3  (UINT64_C(3) << 7)
#define PAGE_D (UINT64_C(3) << 5) /* A and D */

struct core {
	struct mdl_elfmem elf;
	struct mdl_json *doc;
	struct iod_mem *mem;
	struct iod_amdvi_emu *emu;
	uint64_t accesses;
};

static const char *path_of(const char *end)
{
	static char path[1024];
	const char *dir = getenv("TEST_DATA_DIR");

	snprintf(path, sizeof(path), "%s/amd-v1-6.12.%s", dir ? dir : "tests/data", end);
	return path;
}

static uint64_t number(const struct mdl_json *j, const char *key)
{
	return mdl_json_u64(mdl_json_get(j, key), 0);
}

static void reg(struct core *c, uint64_t offset, uint64_t v)
{
	assert_int_equal(iod_amdvi_emu_mmio(c->emu, offset, 8, true, &v), 0);
}

static void open_emu(struct core *c)
{
	struct iod_amdvi_emu_cfg cfg = { .size = sizeof(cfg), .mem = c->mem };

	assert_int_equal(iod_amdvi_emu_create(&c->emu, &cfg), 0);
	reg(c, R_DEVTAB, number(mdl_json_get(c->doc, "registers"), "DEVTAB_BASE"));
	/* the rings are not in the core */
	reg(c, R_CONTROL, CTRL_IOMMU);
}

static int setup(void **state)
{
	struct core *c = calloc(1, sizeof(*c));
	struct iod_mem_vm_cfg vm = { .size = sizeof(vm) };
	struct iod_mem_region *region;
	size_t i;

	assert_non_null(c);
	assert_int_equal(mdl_elfmem_open(&c->elf, path_of("elf")), 0);
	c->doc = mdl_json_load(path_of("json"));
	assert_non_null(c->doc);
	region = calloc(c->elf.nseg, sizeof(*region));
	assert_non_null(region);
	for (i = 0; i < c->elf.nseg; i++) {
		region[i].pa = c->elf.seg[i].pa;
		region[i].len = c->elf.seg[i].size;
		region[i].host = c->elf.seg[i].data;
	}
	vm.regions = region;
	vm.nr_regions = c->elf.nseg;
	assert_int_equal(iod_mem_create_vm(&c->mem, &vm), 0);
	free(region);
	open_emu(c);
	*state = c;
	return 0;
}

static int teardown(void **state)
{
	struct core *c = *state;

	assert_int_equal(iod_amdvi_emu_destroy(c->emu), 0);
	assert_int_equal(iod_mem_destroy(c->mem), 0);
	mdl_json_free(c->doc);
	mdl_elfmem_close(&c->elf);
	free(c);
	return 0;
}

/* @return 0, or the type of the event */
static int ask(struct core *c, uint64_t devid, uint64_t iova, uint32_t access, uint64_t *pa)
{
	struct iod_emu_req req = { .size = sizeof(req), .source = (uint32_t)devid };
	struct iod_emu_result res = { .size = sizeof(res) };
	struct iod_amdvi_event ev;
	int ret;

	req.access = access;
	req.iova = iova;
	ret = iod_amdvi_emu_access(c->emu, &req, &res, &ev);
	*pa = res.pa;
	c->accesses++;
	return !ret ? 0 : ev.type ? (int)ev.type : -1;
}

static void goes_to(struct core *c, uint64_t devid, uint64_t iova, uint32_t access, uint64_t pa)
{
	uint64_t got;

	assert_int_equal(ask(c, devid, iova, access, &got), 0);
	assert_true(got == pa);
}

static void check_mapping(struct core *c, uint64_t devid, const struct mdl_json *row)
{
	uint64_t iova = mdl_json_u64(mdl_json_at(row, 0), 0);
	uint64_t size = mdl_json_u64(mdl_json_at(row, 1), 0);
	uint64_t pa = mdl_json_u64(mdl_json_at(row, 2), 0), got;
	const char *perm = mdl_json_str(mdl_json_at(row, 3));

	if (strchr(perm, 'r')) {
		goes_to(c, devid, iova, R, pa);
		goes_to(c, devid, iova + size - 1, R, pa + size - 1);
		goes_to(c, devid, iova + size / 2, R, pa + size / 2);
	} else {
		assert_int_equal(ask(c, devid, iova, R, &got), IOD_AMDVI_IO_PAGE_FAULT);
	}
	if (strchr(perm, 'w'))
		goes_to(c, devid, iova + size / 2 + 8, W, pa + size / 2 + 8);
	else
		assert_int_equal(ask(c, devid, iova, W, &got), IOD_AMDVI_IO_PAGE_FAULT);
}

static void check_space(struct core *c, uint64_t devid, const struct mdl_json *space)
{
	const struct mdl_json *row = mdl_json_at(mdl_json_get(space, "mappings"), 0);
	uint64_t end = 0, iova, got;

	for (; row; row = row->next) {
		iova = mdl_json_u64(mdl_json_at(row, 0), 0);
		/* the first page of each hole */
		if (iova > end)
			assert_int_equal(ask(c, devid, end, R, &got), IOD_AMDVI_IO_PAGE_FAULT);
		check_mapping(c, devid, row);
		end = iova + mdl_json_u64(mdl_json_at(row, 1), 0);
	}
}

static const struct mdl_json *space_of(struct core *c, const struct mdl_json *dev)
{
	const struct mdl_json *space = mdl_json_get(dev, "space");

	return space ? mdl_json_at(mdl_json_get(c->doc, "spaces"), (size_t)mdl_json_u64(space, 0))
		     : NULL;
}

static void devices(void **state)
{
	struct core *c = *state;
	const struct mdl_json *dev = mdl_json_at(mdl_json_get(c->doc, "devices"), 0), *space;
	unsigned int translated = 0, bypass = 0;
	uint64_t got;

	for (; dev; dev = dev->next) {
		uint64_t devid = number(dev, "source_id");

		space = space_of(c, dev);
		if (space) {
			translated++;
			check_space(c, devid, space);
		} else if (!strcmp(mdl_json_str(mdl_json_get(dev, "translation")), "passthrough")) {
			bypass++;
			goes_to(c, devid, 0x12345678, W, 0x12345678);
		} else { /* blocked */
			assert_int_equal(ask(c, devid, 0x1000, R, &got), IOD_AMDVI_IO_PAGE_FAULT);
		}
	}
	assert_int_equal(translated, 9);
	assert_int_equal(bypass, 1);
	print_message("%u devices translated, %u pass, %llu accesses\n", translated, bypass,
		      (unsigned long long)c->accesses);
}

static void traced(void **state)
{
	struct core *c = *state;
	const struct mdl_json *row =
		mdl_json_at(mdl_json_get(mdl_json_get(c->doc, "traced"), "list"), 0);
	unsigned int n = 0;
	uint64_t got;

	for (; row; row = row->next, n++) {
		uint64_t devid = mdl_json_u64(mdl_json_at(row, 0), 0);
		uint64_t iova = mdl_json_u64(mdl_json_at(row, 1), 0);

		/* which of the two it was is not known */
		if (ask(c, devid, iova, R, &got))
			assert_int_equal(ask(c, devid, iova, W, &got), 0);
		assert_true(got == mdl_json_u64(mdl_json_at(row, 2), 0));
	}
	assert_true(n > 100);
	row = mdl_json_at(mdl_json_get(mdl_json_get(c->doc, "refused"), "list"), 0);
	for (n = 0; row; row = row->next, n++)
		assert_int_not_equal(ask(c, mdl_json_u64(mdl_json_at(row, 0), 0),
					 mdl_json_u64(mdl_json_at(row, 1), 0), R, &got),
				     0);
	assert_true(n > 0);
}

/* Devices of nobody: this guest's kernel blocks them (V=1 TV=1 Mode 0, neither IR nor IW). */
static void strangers(void **state)
{
	struct core *c = *state;
	uint64_t got;

	assert_int_equal(ask(c, 0x11, 0x1000, R, &got), IOD_AMDVI_IO_PAGE_FAULT);
	assert_int_not_equal(ask(c, 0xff00, 0x1000, R, &got), 0); /* outside the table */
}

/*
 * HAD switched on in what the guest built, as its migration would: every writable page that is written gets D in
 * (at least) one of its entries, no other page does.
 */
static void tracked(void **state)
{
	struct core *c = *state;
	const struct mdl_json *dev = mdl_json_at(mdl_json_get(c->doc, "devices"), 0), *row;
	unsigned int pages = 0;
	uint64_t got, dte, *word;
	void *host;

	for (; dev; dev = dev->next) {
		if (!space_of(c, dev))
			continue;
		dte = number(dev, "dte_pa");
		assert_int_equal(iod_mem_host_ptr(c->mem, dte, 8, true, &host), 0);
		word = host;
		*word |= iod_le64(HAD_3);
		row = mdl_json_at(mdl_json_get(space_of(c, dev), "mappings"), 0);
		for (; row; row = row->next) {
			uint64_t iova = mdl_json_u64(mdl_json_at(row, 0), 0);
			uint64_t size = mdl_json_u64(mdl_json_at(row, 1), 0);
			uint64_t pte = mdl_json_u64(mdl_json_at(row, 7), 0);

			if (size != 4096 || !strchr(mdl_json_str(mdl_json_at(row, 3)), 'w'))
				continue;
			assert_int_equal(iod_mem_host_ptr(c->mem, pte, 8, true, &host), 0);
			word = host;
			*word &= iod_le64(~PAGE_D);
			assert_int_equal(ask(c, number(dev, "source_id"), iova, W, &got), 0);
			assert_true((iod_le64(*word) & PAGE_D) == PAGE_D);
			pages++;
		}
		reg(c, R_CONTROL, CTRL_IOMMU);
		assert_int_equal(iod_amdvi_emu_reset(c->emu), 0);
		reg(c, R_DEVTAB, number(mdl_json_get(c->doc, "registers"), "DEVTAB_BASE"));
		reg(c, R_CONTROL, CTRL_IOMMU);
	}
	assert_true(pages > 50);
	print_message("%u pages\n", pages);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = { TEST(devices), TEST(traced), TEST(strangers),
					    TEST(tracked) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
