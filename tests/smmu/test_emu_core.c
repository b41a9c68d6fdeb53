/* SPDX-License-Identifier: MIT */
/*
 * The emulated SMMU on what a Linux guest built: the stream table, CDs and page tables of a core, the ID registers
 * that this guest saw. Each device's accesses must go where the list beside the core, made by a walker of its own,
 * says, and where the SMMU that the guest ran on was seen to send them.
 */
#include "elfmem.h"
#include "emurig.h"
#include "json.h"

#define R IOD_ACCESS_READ
#define W IOD_ACCESS_WRITE

struct core {
	struct mdl_elfmem elf;
	struct mdl_json *doc;
	struct iod_mem *mem;
	struct iod_smmuv3_emu *emu;
	uint64_t accesses;
};

static const char *path_of(const char *end)
{
	static char path[1024];
	const char *dir = getenv("TEST_DATA_DIR");

	snprintf(path, sizeof(path), "%s/smmu-s1-4k-6.1.%s", dir ? dir : "tests/data", end);
	return path;
}

static uint64_t number(const struct mdl_json *j, const char *key)
{
	return mdl_json_u64(mdl_json_get(j, key), 0);
}

static void reg(struct core *c, uint64_t offset, unsigned int len, uint64_t v)
{
	assert_int_equal(iod_smmuv3_emu_mmio(c->emu, offset, len, true, &v), 0);
}

static void open_emu(struct core *c)
{
	const struct mdl_json *regs = mdl_json_get(c->doc, "registers");
	struct iod_smmuv3_emu_cfg cfg = { .size = sizeof(cfg) };
	struct iod_smmuv3_id id = { .idr = { 0 } };

	id.idr[0] = (uint32_t)number(regs, "IDR0");
	id.idr[1] = (uint32_t)number(regs, "IDR1");
	id.idr[3] = (uint32_t)number(regs, "IDR3");
	id.idr[5] = (uint32_t)number(regs, "IDR5");
	cfg.mem = c->mem;
	cfg.id = &id;
	assert_int_equal(iod_smmuv3_emu_create(&c->emu, &cfg), 0);
	reg(c, 0x80, 8, number(regs, "STRTAB_BASE"));
	reg(c, 0x88, 4, number(regs, "STRTAB_BASE_CFG"));
	reg(c, 0x2c, 4, number(regs, "CR2"));
	/* CR0 was 0xd; the queues are not in the core. */
	reg(c, 0x20, 4, 1);
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

	assert_int_equal(iod_smmuv3_emu_destroy(c->emu), 0);
	assert_int_equal(iod_mem_destroy(c->mem), 0);
	mdl_json_free(c->doc);
	mdl_elfmem_close(&c->elf);
	free(c);
	return 0;
}

static int ask(struct core *c, uint64_t sid, uint64_t iova, uint32_t access, uint64_t *pa)
{
	struct iod_emu_req req = { .size = sizeof(req), .source = (uint32_t)sid };
	struct iod_emu_result res = { .size = sizeof(res) };
	struct iod_smmuv3_event ev;
	int ret;

	req.access = access;
	req.iova = iova;
	ret = iod_smmuv3_emu_access(c->emu, &req, &res, &ev);
	*pa = res.pa;
	c->accesses++;
	return !ret ? 0 : ev.type ? (int)ev.type : -1; /* -1: in silence */
}

static void goes_to(struct core *c, uint64_t sid, uint64_t iova, uint32_t access, uint64_t pa)
{
	uint64_t got;

	assert_int_equal(ask(c, sid, iova, access, &got), 0);
	assert_true(got == pa);
}

static void check_mapping(struct core *c, uint64_t sid, const struct mdl_json *row)
{
	uint64_t iova = mdl_json_u64(mdl_json_at(row, 0), 0);
	uint64_t size = mdl_json_u64(mdl_json_at(row, 1), 0);
	uint64_t pa = mdl_json_u64(mdl_json_at(row, 2), 0), got;
	bool writable = strchr(mdl_json_str(mdl_json_at(row, 3)), 'w');

	goes_to(c, sid, iova, R, pa);
	goes_to(c, sid, iova + size - 1, R, pa + size - 1);
	goes_to(c, sid, iova + size / 2, R, pa + size / 2);
	if (writable)
		goes_to(c, sid, iova + size / 2 + 8, W, pa + size / 2 + 8);
	else
		assert_int_equal(ask(c, sid, iova, W, &got), IOD_SMMUV3_F_PERMISSION);
}

static void check_space(struct core *c, uint64_t sid, const struct mdl_json *space)
{
	const struct mdl_json *row = mdl_json_at(mdl_json_get(space, "mappings"), 0);
	uint64_t iova, end = 0, got;

	for (; row; row = row->next) {
		iova = mdl_json_u64(mdl_json_at(row, 0), 0);
		if (iova != end)
			assert_int_equal(ask(c, sid, iova - 1, R, &got), IOD_SMMUV3_F_TRANSLATION);
		check_mapping(c, sid, row);
		end = iova + mdl_json_u64(mdl_json_at(row, 1), 0);
	}
	assert_int_equal(ask(c, sid, end, R, &got), IOD_SMMUV3_F_TRANSLATION);
	assert_int_equal(ask(c, sid, IODT_BIT(48), R, &got), IOD_SMMUV3_F_TRANSLATION);
}

static void devices(void **state)
{
	struct core *c = *state;
	const struct mdl_json *dev = mdl_json_at(mdl_json_get(c->doc, "devices"), 0), *space;
	unsigned int translated = 0, bypass = 0;

	for (; dev; dev = dev->next) {
		uint64_t sid = number(dev, "source_id");

		space = mdl_json_get(dev, "space");
		if (space) {
			translated++;
			check_space(c, sid,
				    mdl_json_at(mdl_json_get(c->doc, "spaces"),
						(size_t)mdl_json_u64(space, 0)));
		} else if (!strcmp(mdl_json_str(mdl_json_get(dev, "translation")), "bypass")) {
			bypass++;
			goes_to(c, sid, 0x12345678, W, 0x12345678);
		}
	}
	assert_int_equal(translated, 6);
	assert_int_equal(bypass, 1);
	print_message("%llu accesses\n", (unsigned long long)c->accesses);
}

static void traced(void **state)
{
	struct core *c = *state;
	const struct mdl_json *row =
		mdl_json_at(mdl_json_get(mdl_json_get(c->doc, "traced"), "list"), 0);
	const struct mdl_json *out;
	unsigned int n = 0;

	for (; row; row = row->next, n++) {
		out = mdl_json_at(row, 2);
		goes_to(c, mdl_json_u64(mdl_json_at(row, 0), 0),
			mdl_json_u64(mdl_json_at(row, 1), 0), R, mdl_json_u64(out, 0));
	}
	assert_true(n > 200);
	row = mdl_json_at(mdl_json_get(mdl_json_get(c->doc, "refused"), "list"), 0);
	for (n = 0; row; row = row->next, n++) {
		uint64_t got;

		assert_int_not_equal(ask(c, mdl_json_u64(mdl_json_at(row, 0), 0),
					 mdl_json_u64(mdl_json_at(row, 1), 0),
					 mdl_json_u64(mdl_json_at(row, 2), 1) ? W : R, &got),
				     0);
	}
	assert_true(n > 0);
}

/* Streams of nobody: the guest's kernel made them abort, in silence, or left their leaf out. */
static void strangers(void **state)
{
	struct core *c = *state;
	uint64_t got;

	assert_int_equal(ask(c, 0x11, 0x1000, R, &got), -1);
	assert_int_equal(ask(c, 0xff00, 0x1000, R, &got), IOD_SMMUV3_C_BAD_STREAMID);
	assert_int_equal(ask(c, 0x10000, 0x1000, R, &got), IOD_SMMUV3_C_BAD_STREAMID);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = { TEST(devices), TEST(traced), TEST(strangers) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
