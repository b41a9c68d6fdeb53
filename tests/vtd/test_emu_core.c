/* SPDX-License-Identifier: MIT */
/*
 * The emulated VT-d on what Linux guests built: the structures and page tables of three cores, the capabilities that
 * these guests saw. Each device's accesses must go where the list beside the core, made by a walker of its own, says,
 * and where the VT-d that the guest ran on was seen to send them; and be refused for the same reasons.
 */
#include <iodirty/vtd_emu.h>

#include "elfmem.h"
#include "iodtest.h"
#include "json.h"

#define R IOD_ACCESS_READ
#define W IOD_ACCESS_WRITE

struct core {
	struct mdl_elfmem elf;
	struct mdl_json *doc;
	struct iod_mem *mem;
	struct iod_vtd_emu *emu;
	bool legacy;
	uint64_t accesses;
};

static uint64_t number(const struct mdl_json *j, const char *key)
{
	return mdl_json_u64(mdl_json_get(j, key), 0);
}

static void reg(struct core *c, uint64_t offset, unsigned int len, uint64_t v)
{
	assert_int_equal(iod_vtd_emu_mmio(c->emu, offset, len, true, &v), 0);
}

static void open_emu(struct core *c)
{
	const struct mdl_json *regs = mdl_json_get(c->doc, "registers");
	struct iod_vtd_emu_cfg cfg = { .size = sizeof(cfg) };
	struct iod_vtd_id id = { .ver = 0 };

	id.ver = (uint32_t)number(regs, "VER");
	id.cap = number(regs, "CAP");
	id.ecap = number(regs, "ECAP");
	cfg.mem = c->mem;
	cfg.id = &id;
	assert_int_equal(iod_vtd_emu_create(&c->emu, &cfg), 0);
	c->legacy = !(number(regs, "RTADDR") >> 10 & 3);
	reg(c, 0x20, 8, number(regs, "RTADDR"));
	reg(c, 0x18, 4, 1u << 30);
	reg(c, 0x18, 4, 1u << 31);
}

static void open_core(struct core *c, const char *name)
{
	struct iod_mem_vm_cfg vm = { .size = sizeof(vm) };
	const char *dir = getenv("TEST_DATA_DIR");
	struct iod_mem_region *region;
	char path[1024];
	size_t i;

	memset(c, 0, sizeof(*c));
	dir = dir ? dir : "tests/data";
	snprintf(path, sizeof(path), "%s/%s.elf", dir, name);
	assert_int_equal(mdl_elfmem_open(&c->elf, path), 0);
	snprintf(path, sizeof(path), "%s/%s.json", dir, name);
	c->doc = mdl_json_load(path);
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
}

static void close_core(struct core *c)
{
	assert_int_equal(iod_vtd_emu_destroy(c->emu), 0);
	assert_int_equal(iod_mem_destroy(c->mem), 0);
	mdl_json_free(c->doc);
	mdl_elfmem_close(&c->elf);
}

/* @return 0, or the reason */
static unsigned int ask(struct core *c, uint64_t sid, uint64_t iova, uint32_t access, uint64_t *pa)
{
	struct iod_emu_req req = { .size = sizeof(req), .source = (uint32_t)sid };
	struct iod_emu_result res = { .size = sizeof(res) };
	struct iod_vtd_fault fault;
	int ret;

	req.access = access;
	req.iova = iova;
	ret = iod_vtd_emu_access(c->emu, &req, &res, &fault);
	*pa = res.pa;
	c->accesses++;
	if (!ret)
		return 0;
	assert_int_not_equal(fault.reason, 0);
	return fault.reason;
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
	if (writable)
		goes_to(c, sid, iova + size / 2 + 8, W, pa + size / 2 + 8);
	else
		assert_int_equal(ask(c, sid, iova, W, &got), c->legacy ? 0x05 : 0x85);
}

static void check_space(struct core *c, uint64_t sid, const struct mdl_json *space)
{
	const struct mdl_json *row = mdl_json_at(mdl_json_get(space, "mappings"), 0);
	unsigned int nothing = c->legacy ? 0x06 : 0x71, bits;
	uint64_t iova, end = 0, got;

	for (; row; row = row->next) {
		iova = mdl_json_u64(mdl_json_at(row, 0), 0);
		if (iova != end)
			assert_int_equal(ask(c, sid, iova - 1, R, &got), nothing);
		check_mapping(c, sid, row);
		end = iova + mdl_json_u64(mdl_json_at(row, 1), 0);
	}
	/* the last page of all may be mapped */
	bits = c->legacy ? 12 + 9 * (unsigned int)number(space, "levels") : 47;
	if (end >> bits)
		nothing = c->legacy ? 0x04 : 0x80;
	assert_int_equal(ask(c, sid, end, R, &got), nothing);
	assert_int_equal(ask(c, sid, IODT_BIT(50), R, &got), c->legacy ? 0x04 : 0x80);
}

static void devices(struct core *c)
{
	const struct mdl_json *dev = mdl_json_at(mdl_json_get(c->doc, "devices"), 0), *space;
	unsigned int translated = 0, passed = 0;
	uint64_t got;

	for (; dev; dev = dev->next) {
		uint64_t sid = number(dev, "source_id");

		space = mdl_json_get(dev, "space");
		if (space) {
			translated++;
			check_space(c, sid,
				    mdl_json_at(mdl_json_get(c->doc, "spaces"),
						(size_t)mdl_json_u64(space, 0)));
		} else {
			passed++;
			goes_to(c, sid, 0x12345678, W, 0x12345678);
		}
	}
	assert_int_equal(translated, 9);
	assert_int_equal(passed, 1);
	/* nobody's */
	assert_int_equal(ask(c, 0x11, 0x1000, R, &got), c->legacy ? 0x02 : 0x41);
	assert_int_equal(ask(c, 0xff00, 0x1000, R, &got), c->legacy ? 0x01 : 0x39);
}

static void traced(struct core *c)
{
	const struct mdl_json *row =
		mdl_json_at(mdl_json_get(mdl_json_get(c->doc, "traced"), "list"), 0);
	unsigned int n = 0;
	uint64_t got;

	for (; row; row = row->next, n++)
		goes_to(c, mdl_json_u64(mdl_json_at(row, 0), 0),
			mdl_json_u64(mdl_json_at(row, 1), 0), R,
			mdl_json_u64(mdl_json_at(row, 2), 0));
	assert_true(n > 200);
	row = mdl_json_at(mdl_json_get(mdl_json_get(c->doc, "refused"), "list"), 0);
	for (n = 0; row; row = row->next, n++)
		assert_int_equal(ask(c, mdl_json_u64(mdl_json_at(row, 0), 0),
				     mdl_json_u64(mdl_json_at(row, 1), 0),
				     mdl_json_u64(mdl_json_at(row, 2), 1) ? W : R, &got),
				 mdl_json_u64(mdl_json_at(row, 3), 0));
	assert_true(n > 0);
}

static void cores(void **state)
{
	static const char *const names[] = { "vtd-fs-6.12", "vtd-legacy-strict-6.1",
					     "vtd-legacy-lazy-6.1" };
	struct core c;
	unsigned int i;

	(void)state;
	for (i = 0; i < IODT_ARRAY_SIZE(names); i++) {
		open_core(&c, names[i]);
		devices(&c);
		traced(&c);
		print_message("%s: %llu accesses\n", names[i], (unsigned long long)c.accesses);
		close_core(&c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(cores) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
