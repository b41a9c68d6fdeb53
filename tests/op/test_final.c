/* SPDX-License-Identifier: MIT */
/*
 * The final pass as one flag, and refusals that say why. Hardware whose dirty update becomes visible
 * only with the completion of an invalidation (bits.md A1.11 rule 13) is played by a sync callback that
 * marks the page.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <iodirty/iodirty.h>

#define PAGE UINT64_C(4096)

struct world {
	struct iod_mem *mem;
	struct iod_pgtable *pt;
	struct iod_gather *gather;
	struct iod_iotlb *device;
	struct iod_bitmap dirty;
	_Alignas(8) uint64_t words[1];
	struct iod_inv seen;
	unsigned invalidated;
	int invalidate_says;
	bool marks;
	int log_error;
	const char *log_why;
};

static int on_invalidate(void *cookie, const struct iod_inv *inv, size_t nr)
{
	struct world *w = cookie;

	w->seen = inv[nr - 1];
	w->invalidated++;
	return w->invalidate_says;
}

/* The update of a write that was complete before the devices went quiet. */
static int on_sync(void *cookie)
{
	struct world *w = cookie;

	if (w->marks)
		assert_int_equal(
			iod_iotlb_access(w->device, w->pt, PAGE, IOD_ACCESS_WRITE, NULL, NULL), 0);
	return 0;
}

static void on_log(void *cookie, int error, const char *why)
{
	struct world *w = cookie;

	w->log_error = error;
	w->log_why = why;
}

static bool begin(struct world *w, enum iod_format format)
{
	struct iod_inv_ops ops = { .size = sizeof(ops),
				   .invalidate = on_invalidate,
				   .sync = on_sync };
	struct iod_gather_cfg gcfg = { .size = sizeof(gcfg), .ops = &ops, .cookie = w };
	struct iod_pgtable_cfg cfg = { .size = sizeof(cfg),
				       .format = format,
				       .domain = 42,
				       .pgsize_bitmap = PAGE,
				       .features = IOD_PT_HW_DIRTY };

	memset(w, 0, sizeof(*w));
	if (!iod_format_ops(format))
		return false;
	assert_int_equal(iod_mem_create_arena(&w->mem, NULL), 0);
	assert_int_equal(iod_mem_set_log(w->mem, on_log, w), 0);
	cfg.mem = w->mem;
	assert_int_equal(iod_pgtable_create(&w->pt, &cfg), 0);
	assert_int_equal(iod_gather_create(&w->gather, w->pt, &gcfg), 0);
	assert_int_equal(iod_iotlb_create(&w->device, NULL), 0);
	assert_int_equal(
		iod_bitmap_init(&w->dirty, 0, 64 * PAGE, PAGE, w->words, sizeof(w->words), 0), 0);
	assert_int_equal(iod_map(w->pt, 0, 0, 4 * PAGE, IOD_PROT_READ | IOD_PROT_WRITE, NULL, NULL),
			 0);
	w->marks = true;
	return true;
}

static void end(struct world *w)
{
	w->marks = false;
	w->invalidate_says = 0;
	assert_int_equal(iod_gather_sync(w->gather), 0);
	assert_int_equal(iod_gather_destroy(w->gather), 0);
	assert_int_equal(iod_pgtable_destroy(w->pt), 0);
	assert_int_equal(iod_iotlb_destroy(w->device), 0);
	assert_int_equal(iod_mem_destroy(w->mem), 0);
}

static int sweep(struct world *w, enum iod_sweep_mode mode, uint32_t flags)
{
	struct iod_sweep s = { .size = sizeof(s),
			       .mode = mode,
			       .flags = flags,
			       .len = 4 * PAGE,
			       .bitmap = &w->dirty };

	if (mode != IOD_SWEEP_READ || (flags & IOD_SWEEP_FINAL))
		s.gather = w->gather;
	return iod_sweep(w->pt, &s);
}

/* R10: the update that the sync makes visible is in the bitmap; without the flag it is not. */
static void late_update_is_seen(void **state)
{
	enum iod_format f;
	struct world w;

	(void)state;
	for (f = IOD_ARM_LPAE_S1; f <= IOD_AMD_V2; f++) {
		if (!begin(&w, f))
			continue;
		assert_int_equal(sweep(&w, IOD_SWEEP_READ, 0), 0);
		assert_int_equal(iod_bitmap_count(&w.dirty), 0);
		assert_int_equal(w.invalidated, 0);
		assert_int_equal(sweep(&w, IOD_SWEEP_READ, IOD_SWEEP_FINAL), 0);
		assert_int_equal(iod_bitmap_count(&w.dirty), 1);
		assert_true(iod_bitmap_test(&w.dirty, PAGE));
		assert_int_equal(w.invalidated, 1);
		assert_int_equal(w.seen.kind, IOD_INV_DOMAIN);
		assert_int_equal(w.seen.domain, 42);
		assert_false(w.seen.flags & IOD_INV_LEAF_ONLY);
		end(&w);
	}
}

/* The final pass may clean as well; what it cleaned waits in the gather as ever. */
static void final_clear(void **state)
{
	struct iod_gather_info info = { .size = sizeof(info) };
	enum iod_format f;
	struct world w;

	(void)state;
	for (f = IOD_ARM_LPAE_S1; f <= IOD_AMD_V2; f++) {
		if (!begin(&w, f))
			continue;
		assert_int_equal(sweep(&w, IOD_SWEEP_CLEAR, IOD_SWEEP_FINAL), 0);
		assert_true(iod_bitmap_test(&w.dirty, PAGE));
		assert_int_equal(iod_gather_get_info(w.gather, &info), 0);
		assert_int_equal(info.ranges, 1);
		assert_int_equal(info.first, PAGE);
		end(&w);
	}
}

/* An invalidation that fails ends the pass before anything is read or cleaned. */
static void failing_invalidation_ends_it(void **state)
{
	enum iod_format f;
	struct world w;

	(void)state;
	for (f = IOD_ARM_LPAE_S1; f <= IOD_AMD_V2; f++) {
		if (!begin(&w, f))
			continue;
		assert_int_equal(on_sync(&w), 0);
		w.invalidate_says = -EIO;
		assert_int_equal(sweep(&w, IOD_SWEEP_CLEAR, IOD_SWEEP_FINAL), -EIO);
		assert_int_equal(iod_bitmap_count(&w.dirty), 0);
		assert_int_equal(sweep(&w, IOD_SWEEP_READ, 0), 0);
		assert_int_equal(iod_bitmap_count(&w.dirty), 1);
		end(&w);
	}
}

static int inside_a_visit(void *cookie, const struct iod_visit_event *event)
{
	(void)event;
	assert_int_equal(sweep(cookie, IOD_SWEEP_READ, IOD_SWEEP_FINAL), -EINVAL);
	return 1;
}

static void refused_inside_a_visit(void **state)
{
	struct iod_visit v = { .size = sizeof(v), .len = PAGE, .fn = inside_a_visit };
	enum iod_format f;
	struct world w;

	(void)state;
	for (f = IOD_ARM_LPAE_S1; f <= IOD_AMD_V2; f++) {
		if (!begin(&w, f))
			continue;
		v.cookie = &w;
		assert_int_equal(iod_visit(w.pt, &v), 1);
		assert_int_equal(w.invalidated, 0);
		end(&w);
	}
}

static void assert_refused(struct world *w, int ret, int error, const char *field)
{
	assert_int_equal(ret, error);
	assert_int_equal(w->log_error, error);
	assert_non_null(w->log_why);
	assert_int_equal(strncmp(w->log_why, field, strlen(field)), 0);
	w->log_error = 0;
	w->log_why = NULL;
}

/* R15, R5: a refusal names the argument, to a callback that was asked for, and nowhere else. */
static void refusals_name_the_argument(void **state)
{
	struct iod_pgtable_cfg cfg = { .size = sizeof(cfg) };
	struct iod_pgtable *none;
	enum iod_format f;
	struct world w;

	(void)state;
	for (f = IOD_ARM_LPAE_S1; f <= IOD_AMD_V2; f++) {
		if (!begin(&w, f))
			continue;
		assert_null(w.log_why);
		assert_refused(&w, iod_map(w.pt, 1, 0, PAGE, 3, NULL, NULL), -EINVAL, "iova:");
		assert_refused(&w, iod_map(w.pt, 0, 1, PAGE, 3, NULL, NULL), -EINVAL, "pa:");
		assert_refused(&w, iod_map(w.pt, 0, 0, 1, 3, NULL, NULL), -EINVAL, "len:");
		assert_refused(&w, iod_map(w.pt, 0, 0, 0, 3, NULL, NULL), -EINVAL, "len:");
		assert_refused(&w, iod_map(w.pt, 0, 0, PAGE, 0, NULL, NULL), -EINVAL, "prot:");
		assert_refused(&w, iod_map(w.pt, 0, ~(PAGE - 1), PAGE, 3, NULL, NULL), -ERANGE,
			       "pa:");
		assert_refused(&w, iod_unmap(w.pt, 0, PAGE, 0, NULL, NULL), -EINVAL, "gather:");
		assert_refused(&w, iod_unmap(w.pt, 0, PAGE, 8, w.gather, NULL), -EINVAL, "flags:");
		assert_refused(&w, sweep(&w, (enum iod_sweep_mode)9, 0), -EINVAL, "mode:");
		assert_refused(&w, sweep(&w, IOD_SWEEP_READ, 1u << 9), -EINVAL, "flags:");
		cfg.mem = w.mem;
		cfg.format = (enum iod_format)99;
		assert_refused(&w, iod_pgtable_create(&none, &cfg), -EINVAL, "format:");
		assert_int_equal(iod_mem_set_log(w.mem, NULL, NULL), 0);
		assert_int_equal(iod_map(w.pt, 1, 0, PAGE, 3, NULL, NULL), -EINVAL);
		assert_null(w.log_why);
		end(&w);
	}
	assert_int_equal(iod_mem_set_log(NULL, NULL, NULL), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(late_update_is_seen),
		cmocka_unit_test(final_clear),
		cmocka_unit_test(failing_invalidation_ends_it),
		cmocka_unit_test(refused_inside_a_visit),
		cmocka_unit_test(refusals_name_the_argument),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
