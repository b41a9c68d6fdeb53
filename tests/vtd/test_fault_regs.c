/* SPDX-License-Identifier: MIT */
/* Fault recording registers (Intel D51397, 7.2.1): F, FRI, PPF and PFO; the words are by hand. */
#include "iodtest.h"

#define NR 3u
#define F  IODT_BIT(63)

struct fix {
	_Alignas(8) uint64_t record[2 * NR];
	uint32_t fsts;
	struct iod_vtd_fault_regs regs;
};

static void fix_open(struct fix *f, uint32_t nr)
{
	memset(f, 0, sizeof(*f));
	f->regs = (struct iod_vtd_fault_regs){ sizeof(f->regs), f->record, nr, 0, &f->fsts };
}

/* Reason 5 (a write in legacy mode), of source-id @sid. */
static int record(struct fix *f, uint16_t sid, uint64_t page)
{
	return iod_vtd_fault_record(&f->regs, page << 12, UINT64_C(5) << 32 | sid);
}

static void test_record(void **state)
{
	struct fix f;

	fix_open(&f, NR);
	assert_int_equal(record(&f, 0x100, 0x1234), 1);
	assert_int_equal(f.record[0], 0x1234000);
	assert_int_equal(f.record[1], F | UINT64_C(5) << 32 | 0x100);
	assert_int_equal(f.fsts, 2); /* PPF, FRI 0 */
	assert_int_equal(record(&f, 0x101, 0x1234), 1);
	assert_int_equal(record(&f, 0x102, 0x1234), 1);
	assert_int_equal(f.fsts, 2);
	/* All taken: PFO, until it is cleared, although there is room then. */
	assert_int_equal(record(&f, 0x103, 0x1234), -ENOSPC);
	assert_int_equal(f.fsts, 3);
	iodt_assert_ok(iod_vtd_fault_clear(&f.regs, 0));
	assert_int_equal(f.record[1], UINT64_C(5) << 32 | 0x100);
	assert_int_equal(f.fsts, 3 | 1 << 8);
	assert_int_equal(record(&f, 0x103, 0x1234), -ENOSPC);
	iodt_assert_ok(iod_vtd_fsts_clear(&f.fsts, 1));
	assert_int_equal(f.fsts, 2 | 1 << 8);
	assert_int_equal(record(&f, 0x104, 0x1234), 1); /* in the first again */
	assert_int_equal(f.record[1], F | UINT64_C(5) << 32 | 0x104);
	assert_int_equal(f.fsts, 2 | 1 << 8);
	/* Out of order: FRI stays at the oldest that is left. */
	iodt_assert_ok(iod_vtd_fault_clear(&f.regs, 2));
	assert_int_equal(f.fsts, 2 | 1 << 8);
	iodt_assert_ok(iod_vtd_fault_clear(&f.regs, 1));
	assert_int_equal(f.fsts, 2);
	iodt_assert_ok(iod_vtd_fault_clear(&f.regs, 0));
	assert_int_equal(f.fsts & 3, 0);
	/* The next goes behind the last. */
	assert_int_equal(record(&f, 0x105, 1), 1);
	assert_int_equal(f.fsts, 2 | 1 << 8);
	assert_int_equal(f.record[3], F | UINT64_C(5) << 32 | 0x105);
}

/* The same once more is not recorded while it is pending; anything else that differs is. */
static void test_collapse(void **state)
{
	static const uint64_t differ[] = { 1, IODT_BIT(32), IODT_BIT(40), IODT_BIT(31) };
	uint64_t hi = UINT64_C(5) << 32 | 0x100;
	struct fix f;

	fix_open(&f, NR);
	assert_int_equal(record(&f, 0x100, 7), 1);
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(record(&f, 0x100, 7), 0);
	assert_int_equal(f.fsts, 2);
	assert_int_equal(f.regs.next, 1);
	assert_int_equal(record(&f, 0x100, 8), 1);
	iodt_assert_ok(iod_vtd_fault_clear(&f.regs, 0));
	assert_int_equal(record(&f, 0x100, 7), 1);
	for (unsigned i = 0; i < IODT_ARRAY_SIZE(differ); i++) {
		fix_open(&f, NR);
		assert_int_equal(iod_vtd_fault_record(&f.regs, 0x7000, hi), 1);
		assert_int_equal(iod_vtd_fault_record(&f.regs, 0x7000, hi ^ differ[i]), 1);
	}
}

static void test_one_register(void **state)
{
	struct fix f;

	fix_open(&f, 1);
	assert_int_equal(record(&f, 1, 1), 1);
	assert_int_equal(record(&f, 2, 1), -ENOSPC);
	iodt_assert_ok(iod_vtd_fault_clear(&f.regs, 0));
	assert_int_equal(f.fsts, 1);
	iodt_assert_ok(iod_vtd_fsts_clear(&f.fsts, 1));
	assert_int_equal(record(&f, 2, 1), 1);
}

static void test_fsts(void **state)
{
	uint32_t fsts = UINT32_MAX;

	/* PPF, PRO and FRI are not software's to clear. */
	iodt_assert_ok(iod_vtd_fsts_clear(&fsts, UINT32_MAX));
	assert_int_equal(fsts, ~0x71u);
	fsts = 0x71;
	iodt_assert_ok(iod_vtd_fsts_clear(&fsts, 0x10));
	assert_int_equal(fsts, 0x61);
	assert_int_equal(iod_vtd_fsts_clear(NULL, 1), -EINVAL);
}

static void test_misuse(void **state)
{
	struct fix f;

	for (unsigned i = 0; i < 6; i++) {
		fix_open(&f, NR);
		if (i == 0)
			f.regs.size = 8;
		else if (i == 1)
			f.regs.record = NULL;
		else if (i == 2)
			f.regs.nr = 0;
		else if (i == 3)
			f.regs.nr = 257;
		else if (i == 4)
			f.regs.fsts = NULL;
		else
			assert_int_equal(iod_vtd_fault_clear(&f.regs, NR), -EINVAL);
		assert_int_equal(record(&f, 1, 1), i == 5 ? 1 : -EINVAL);
		assert_int_equal(iod_vtd_fault_clear(&f.regs, 0), i == 5 ? 0 : -EINVAL);
	}
	assert_int_equal(iod_vtd_fault_record(NULL, 0, 0), -EINVAL);
	fix_open(&f, NR);
	f.regs.next = UINT32_MAX; /* as if it were inside */
	assert_int_equal(record(&f, 1, 1), 1);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_record),	     cmocka_unit_test(test_collapse),
		cmocka_unit_test(test_one_register), cmocka_unit_test(test_fsts),
		cmocka_unit_test(test_misuse),
	};

	return iodt_main(argc, argv, NULL, 0, tests, IODT_ARRAY_SIZE(tests));
}
