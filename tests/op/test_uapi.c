/* SPDX-License-Identifier: MIT */
/*
 * The adapters: layouts against the kernel's headers where they are installed, good and bad arguments
 * with the error that the kernel gives, and what comes out. Arguments are laid out here byte by byte.
 */
#include "iodtest.h"

#ifdef __has_include
#if __has_include(<linux/vfio.h>)
#include <linux/vfio.h>
#define HAVE_VFIO 1
#endif
#if __has_include(<linux/iommufd.h>)
#include <linux/iommufd.h>
#ifdef IOMMU_HWPT_GET_DIRTY_BITMAP
#define HAVE_IOMMUFD 1
#endif
#endif
#if __has_include(<linux/kvm.h>)
#include <linux/kvm.h>
#define HAVE_KVM 1
#endif
#endif

#define SAME(ours, of, theirs, tf)                                                   \
	_Static_assert(offsetof(ours, of) == offsetof(theirs, tf) &&                 \
			       sizeof(((ours *)0)->of) == sizeof(((theirs *)0)->tf), \
		       #ours "." #of)
#define SAME_SIZE(ours, theirs) _Static_assert(sizeof(ours) == sizeof(theirs), #ours)

#if defined(HAVE_VFIO) && UINTPTR_MAX == UINT64_MAX
SAME_SIZE(struct iod_vfio_bitmap, struct vfio_bitmap);
SAME(struct iod_vfio_bitmap, pgsize, struct vfio_bitmap, pgsize);
SAME(struct iod_vfio_bitmap, size, struct vfio_bitmap, size);
SAME(struct iod_vfio_bitmap, data, struct vfio_bitmap, data);
SAME_SIZE(struct iod_vfio_dirty_bitmap, struct vfio_iommu_type1_dirty_bitmap);
SAME(struct iod_vfio_dirty_bitmap, argsz, struct vfio_iommu_type1_dirty_bitmap, argsz);
SAME(struct iod_vfio_dirty_bitmap, flags, struct vfio_iommu_type1_dirty_bitmap, flags);
SAME_SIZE(struct iod_vfio_dirty_bitmap_get, struct vfio_iommu_type1_dirty_bitmap_get);
SAME(struct iod_vfio_dirty_bitmap_get, iova, struct vfio_iommu_type1_dirty_bitmap_get, iova);
SAME(struct iod_vfio_dirty_bitmap_get, size, struct vfio_iommu_type1_dirty_bitmap_get, size);
SAME(struct iod_vfio_dirty_bitmap_get, bitmap, struct vfio_iommu_type1_dirty_bitmap_get, bitmap);
SAME_SIZE(struct iod_vfio_dma_unmap, struct vfio_iommu_type1_dma_unmap);
SAME(struct iod_vfio_dma_unmap, argsz, struct vfio_iommu_type1_dma_unmap, argsz);
SAME(struct iod_vfio_dma_unmap, flags, struct vfio_iommu_type1_dma_unmap, flags);
SAME(struct iod_vfio_dma_unmap, iova, struct vfio_iommu_type1_dma_unmap, iova);
SAME(struct iod_vfio_dma_unmap, size, struct vfio_iommu_type1_dma_unmap, size);
_Static_assert(IOD_VFIO_DIRTY_START == VFIO_IOMMU_DIRTY_PAGES_FLAG_START, "flag");
_Static_assert(IOD_VFIO_DIRTY_STOP == VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP, "flag");
_Static_assert(IOD_VFIO_DIRTY_GET_BITMAP == VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP, "flag");
_Static_assert(IOD_VFIO_UNMAP_GET_DIRTY_BITMAP == VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP, "flag");
_Static_assert(IOD_VFIO_UNMAP_ALL == VFIO_DMA_UNMAP_FLAG_ALL, "flag");
_Static_assert(IOD_VFIO_UNMAP_VADDR == VFIO_DMA_UNMAP_FLAG_VADDR, "flag");
#endif

#ifdef HAVE_IOMMUFD
SAME_SIZE(struct iod_iommufd_set_dirty_tracking, struct iommu_hwpt_set_dirty_tracking);
SAME(struct iod_iommufd_set_dirty_tracking, size, struct iommu_hwpt_set_dirty_tracking, size);
SAME(struct iod_iommufd_set_dirty_tracking, flags, struct iommu_hwpt_set_dirty_tracking, flags);
SAME(struct iod_iommufd_set_dirty_tracking, hwpt_id, struct iommu_hwpt_set_dirty_tracking, hwpt_id);
SAME_SIZE(struct iod_iommufd_get_dirty_bitmap, struct iommu_hwpt_get_dirty_bitmap);
SAME(struct iod_iommufd_get_dirty_bitmap, size, struct iommu_hwpt_get_dirty_bitmap, size);
SAME(struct iod_iommufd_get_dirty_bitmap, hwpt_id, struct iommu_hwpt_get_dirty_bitmap, hwpt_id);
SAME(struct iod_iommufd_get_dirty_bitmap, flags, struct iommu_hwpt_get_dirty_bitmap, flags);
SAME(struct iod_iommufd_get_dirty_bitmap, reserved, struct iommu_hwpt_get_dirty_bitmap, __reserved);
SAME(struct iod_iommufd_get_dirty_bitmap, iova, struct iommu_hwpt_get_dirty_bitmap, iova);
SAME(struct iod_iommufd_get_dirty_bitmap, length, struct iommu_hwpt_get_dirty_bitmap, length);
SAME(struct iod_iommufd_get_dirty_bitmap, page_size, struct iommu_hwpt_get_dirty_bitmap, page_size);
SAME(struct iod_iommufd_get_dirty_bitmap, data, struct iommu_hwpt_get_dirty_bitmap, data);
_Static_assert((int)IOD_IOMMUFD_DIRTY_TRACKING_ENABLE == (int)IOMMU_HWPT_DIRTY_TRACKING_ENABLE,
	       "flag");
_Static_assert((int)IOD_IOMMUFD_DIRTY_BITMAP_NO_CLEAR == (int)IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR,
	       "flag");
#endif

#ifdef HAVE_KVM
SAME_SIZE(struct iod_kvm_dirty_log, struct kvm_dirty_log);
SAME(struct iod_kvm_dirty_log, slot, struct kvm_dirty_log, slot);
SAME(struct iod_kvm_dirty_log, dirty_bitmap, struct kvm_dirty_log, padding2);
SAME_SIZE(struct iod_kvm_clear_dirty_log, struct kvm_clear_dirty_log);
SAME(struct iod_kvm_clear_dirty_log, slot, struct kvm_clear_dirty_log, slot);
SAME(struct iod_kvm_clear_dirty_log, num_pages, struct kvm_clear_dirty_log, num_pages);
SAME(struct iod_kvm_clear_dirty_log, first_page, struct kvm_clear_dirty_log, first_page);
SAME(struct iod_kvm_clear_dirty_log, dirty_bitmap, struct kvm_clear_dirty_log, padding2);
_Static_assert(IOD_KVM_MANUAL_PROTECT_ENABLE == KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE, "flag");
_Static_assert(IOD_KVM_INITIALLY_SET == KVM_DIRTY_LOG_INITIALLY_SET, "flag");
#endif

/* ---- the log behind ---- */

#define PAGE  IODT_4K
#define PAGES 200

struct box {
	struct iodt *t;
	struct iod_dirty_log *log;
	int fail;
	unsigned int pass; /* calls that go well before it fails */
	_Alignas(8) uint64_t words[8];
};

static int on_invalidate(void *cookie, const struct iod_inv *inv, size_t nr)
{
	struct box *x = cookie;

	if (x->pass) {
		x->pass--;
		return 0;
	}
	return x->fail;
}

static void open_box(struct box *x, struct iodt *t)
{
	struct iod_dirty_log_cfg cfg = { .size = sizeof(cfg), .len = PAGES * PAGE, .staging = 8 };
	struct iod_inv_ops ops = { .size = sizeof(ops), .invalidate = on_invalidate };
	struct iod_dirty_log_table win = { .size = sizeof(win),
					   .pt = t->pt,
					   .table_iova = t->v->first,
					   .ops = &ops,
					   .cookie = x };

	memset(x, 0, sizeof(*x));
	x->t = t;
	iodt_map(t, t->v->first, PAGE, PAGES * PAGE, IODT_RW);
	iodt_assert_ok(iod_dirty_log_create(&x->log, &cfg));
	iodt_assert_ok(iod_dirty_log_add_table(x->log, &win));
}

static void close_box(struct box *x)
{
	x->fail = 0;
	iodt_assert_ok(iod_dirty_log_destroy(x->log));
}

static void write_page(struct box *x, uint64_t page)
{
	iodt_dma_write(x->t, x->t->v->first + page * PAGE);
}

static bool bit(const struct box *x, uint64_t n)
{
	return ((const unsigned char *)x->words)[n / 8] >> (n % 8) & 1;
}

static unsigned int bits(const struct box *x)
{
	unsigned int i, n = 0;

	for (i = 0; i < 8 * sizeof(x->words); i++)
		n += bit(x, i);
	return n;
}

static void zero(struct box *x)
{
	memset(x->words, 0, sizeof(x->words));
}

/* ---- VFIO ---- */

struct vfio_arg {
	uint32_t argsz, flags;
	uint64_t iova, size, pgsize, bytes, data;
};

static struct vfio_arg vfio_arg(const uint64_t v[6])
{
	return (struct vfio_arg){
		(uint32_t)v[0], (uint32_t)v[1], v[2], v[3], v[4], v[5], 0,
	};
}

#define MIB256 (UINT64_C(1) << 28)

/* sizes: 4K and 2M */
static void vfio_dirty_arguments(void **state)
{
	static const struct {
		uint64_t v[6]; /* argsz, flags, iova, size; pgsize and size of the bitmap */
		size_t there;
		int ret;
	} rows[] = {
		{ { 8, 1 }, 48, 0 },
		{ { 8, 2 }, 8, 0 },
		{ { 7, 1 }, 48, -EINVAL },
		{ { 8, 1 }, 7, -EFAULT },
		{ { 8, 0 }, 48, -EINVAL },
		{ { 8, 3 }, 48, -EINVAL },
		{ { 8, 6 }, 48, -EINVAL },
		{ { 8, 8 }, 48, -EINVAL },
		{ { 8, 9 }, 48, -EINVAL },
		{ { 8, 4 }, 48, -EINVAL }, /* no range */
		{ { 47, 4, 0, 4096, 4096, 8 }, 48, -EINVAL },
		{ { 48, 4, 0, 4096, 4096, 8 }, 47, -EFAULT },
		{ { 48, 4, 0, 4096, 4096, 8 }, 48, 0 },
		{ { 4096, 4, 0, 4096, 4096, 8 }, 48, 0 }, /* larger than known is fine */
		{ { 48, 4, 0, 0, 4096, 8 }, 48, -EINVAL },
		{ { 48, 4, 0, 4096, 0, 8 }, 48, -EINVAL },
		{ { 48, 4, 0, 4096, 2048, 8 }, 48, -EINVAL },
		{ { 48, 4, 0, 4096, 0x3000, 8 }, 48, -EINVAL },
		{ { 48, 4, 0, 1 << 21, 1 << 21, 8 }, 48, -EINVAL }, /* not the smallest */
		{ { 48, 4, 0, 2048, 4096, 8 }, 48, -EINVAL },
		{ { 48, 4, 0, 4096 + 2048, 4096, 8 }, 48, -EINVAL },
		{ { 48, 4, 2048, 4096, 4096, 8 }, 48, -EINVAL },
		{ { 48, 4, 0, 4096, 4096, 0 }, 48, -EINVAL },
		{ { 48, 4, 0, 4096, 4096, 7 }, 48, -EINVAL },
		{ { 48, 4, 0, 64 << 12, 4096, 8 }, 48, 0 },
		{ { 48, 4, 0, 65 << 12, 4096, 8 }, 48, -EINVAL },
		{ { 48, 4, 0, 65 << 12, 4096, 16 }, 48, 0 },
		{ { 48, 4, 0, 4096, 4096, MIB256 }, 48, 0 },
		{ { 48, 4, 0, 4096, 4096, MIB256 + 1 }, 48, -EINVAL },
		{ { 48, 4, 0, UINT64_C(1) << 43, 4096, MIB256 }, 48, 0 },
		{ { 48, 4, 0, (UINT64_C(1) << 43) + 4096, 4096, MIB256 }, 48, -EINVAL },
		{ { 48, 4, ~UINT64_C(4095), 4096, 4096, 8 }, 48, 0 }, /* ends at 2^64 */
		{ { 48, 4, ~UINT64_C(4095), 8192, 4096, 8 }, 48, -EOVERFLOW },
		{ { 48, 4, 4096, ~UINT64_C(4095), 4096, MIB256 }, 48, -EINVAL },
		{ { 48, 4, 8192, ~UINT64_C(4095), 4096, MIB256 }, 48, -EOVERFLOW },
	};
	struct iod_vfio_request req;
	size_t i;

	_Static_assert(sizeof(struct vfio_arg) == 48, "layout");
	for (i = 0; i < IODT_ARRAY_SIZE(rows); i++) {
		struct vfio_arg arg = vfio_arg(rows[i].v);
		int ret = iod_vfio_dirty_pages_check(&req, &arg, rows[i].there, PAGE | IODT_2M);

		if (ret != rows[i].ret)
			fail_msg("row %zu: %d", i, ret);
		if (!ret && arg.flags == 4) {
			assert_int_equal(req.iova, arg.iova);
			assert_int_equal(req.size, arg.size);
			assert_int_equal(req.bitmap.size, arg.bytes);
		}
	}
	assert_int_equal(iod_vfio_dirty_pages_check(&req, NULL, 48, PAGE), -EFAULT);
	assert_int_equal(iod_vfio_dirty_pages_check(&req, rows[0].v, 48, 0), -EINVAL);
	assert_int_equal(iod_vfio_dirty_pages_check(NULL, rows[0].v, 48, PAGE), -EINVAL);
}

static void vfio_unmap_arguments(void **state)
{
	static const struct {
		uint64_t v[6]; /* argsz, flags, iova, size; pgsize and size of the bitmap */
		size_t there;
		bool tracking;
		int ret;
	} rows[] = {
		{ { 24, 0, 0, 4096 }, 24, false, 0 },
		{ { 23, 0, 0, 4096 }, 48, false, -EINVAL },
		{ { 24, 0, 0, 4096 }, 23, false, -EFAULT },
		{ { 24, 8, 0, 4096 }, 48, false, -EINVAL },
		{ { 24, 0, 0, 0 }, 48, false, -EINVAL },
		{ { 24, 0, 2048, 4096 }, 48, false, -EINVAL },
		{ { 24, 0, 0, 2048 }, 48, false, -EINVAL },
		{ { 24, 0, ~UINT64_C(4095), 4096 }, 48, false, 0 },
		{ { 24, 0, ~UINT64_C(4095), 8192 }, 48, false, -EOVERFLOW },
		{ { 24, 2, 0, 0 }, 48, false, 0 },
		{ { 24, 2, 4096, 0 }, 48, false, -EINVAL },
		{ { 24, 2, 0, 4096 }, 48, false, -EINVAL },
		{ { 24, 6, 0, 0 }, 48, false, 0 },
		{ { 24, 4, 0, 4096 }, 48, false, 0 },
		{ { 48, 1, 0, 4096, 4096, 8 }, 48, true, 0 },
		{ { 48, 1, 0, 4096, 4096, 8 }, 48, false, -EINVAL }, /* tracking is off */
		{ { 48, 3, 0, 0, 4096, 8 }, 48, true, -EINVAL },
		{ { 48, 5, 0, 4096, 4096, 8 }, 48, true, -EINVAL },
		{ { 47, 1, 0, 4096, 4096, 8 }, 48, true, -EINVAL },
		{ { 48, 1, 0, 4096, 4096, 8 }, 47, true, -EFAULT },
		{ { 48, 1, 0, 4096, 0, 8 }, 48, true, -EINVAL },
		{ { 48, 1, 0, 1 << 21, 1 << 21, 8 }, 48, true, -EINVAL },
		{ { 48, 1, 0, 4096, 4096, 0 }, 48, true, -EINVAL },
		{ { 48, 1, 0, 65 << 12, 4096, 8 }, 48, true, -EINVAL },
		{ { 48, 1, 0, 65 << 12, 4096, 16 }, 48, true, 0 },
		{ { 48, 1, 0, 4096, 4096, MIB256 + 8 }, 48, true, -EINVAL },
		{ { 48, 1, 0, 0, 4096, 8 }, 48, true, -EINVAL },
		{ { 48, 1, ~UINT64_C(4095), 8192, 4096, 8 }, 48, true, -EOVERFLOW },
	};
	struct iod_vfio_request req;
	size_t i;

	for (i = 0; i < IODT_ARRAY_SIZE(rows); i++) {
		struct vfio_arg arg = vfio_arg(rows[i].v);
		int ret = iod_vfio_unmap_check(&req, &arg, rows[i].there, PAGE | IODT_2M,
					       rows[i].tracking);

		if (ret != rows[i].ret)
			fail_msg("row %zu: %d", i, ret);
		if (!ret) {
			assert_int_equal(req.size, arg.size);
			assert_int_equal(req.bitmap.size, arg.bytes);
		}
	}
	assert_int_equal(iod_vfio_unmap_check(&req, NULL, 48, PAGE, true), -EFAULT);
	assert_int_equal(iod_vfio_unmap_check(&req, rows[0].v, 48, 0, true), -EINVAL);
}

static int vfio(struct box *x, uint32_t flags, uint64_t iova, uint64_t size, uint64_t len)
{
	struct vfio_arg arg = { 48, flags, iova, size, PAGE, 32, 0 };
	struct iod_vfio_request req;

	iodt_assert_ok(iod_vfio_dirty_pages_check(&req, &arg, sizeof(arg), PAGE));
	return iod_vfio_dirty_pages(x->log, &req, x->words, len);
}

static void vfio_session(struct iodt *t)
{
	struct iod_vfio_request odd = { .flags = 3 };
	struct box x;

	open_box(&x, t);
	assert_int_equal(vfio(&x, 4, 0, 64 * PAGE, 32), -EINVAL); /* off */
	iodt_assert_ok(vfio(&x, 2, 0, 0, 0));			  /* stopping twice is fine */
	write_page(&x, 0);
	iodt_assert_ok(vfio(&x, 1, 0, 0, 0));
	write_page(&x, 70);
	iodt_assert_ok(vfio(&x, 1, 0, 0, 0)); /* starting twice too, and drops nothing */
	assert_int_equal(vfio(&x, 4, 0, PAGES * PAGE, 31), -EFAULT);
	/* bit 0 is the first page asked for */
	iodt_assert_ok(vfio(&x, 4, 64 * PAGE, 136 * PAGE, 32));
	assert_int_equal(bits(&x), 1);
	assert_true(bit(&x, 6));
	zero(&x);
	/* it fails midway: nothing is lost */
	write_page(&x, 0);
	write_page(&x, 199);
	iodt_assert_ok(iod_dirty_log_mark_dirty(x.log, PAGE, 1));
	x.fail = -EIO;
	x.pass = 1; /* the first chunk has been handed out when the last one fails */
	assert_int_equal(vfio(&x, 4, 0, PAGES * PAGE, 32), -EIO);
	x.fail = 0;
	zero(&x);
	iodt_assert_ok(vfio(&x, 4, 0, PAGES * PAGE, 32));
	assert_int_equal(bits(&x), 3);
	assert_true(bit(&x, 0) && bit(&x, 1) && bit(&x, 199));
	assert_int_equal(iod_vfio_dirty_pages(x.log, &odd, NULL, 0), -EINVAL);
	assert_int_equal(iod_vfio_dirty_pages(NULL, &odd, NULL, 0), -EINVAL);
	iodt_assert_ok(vfio(&x, 2, 0, 0, 0));
	assert_int_equal(vfio(&x, 4, 0, PAGES * PAGE, 32), -EINVAL);
	close_box(&x);
}

/* ---- iommufd ---- */

struct get_arg {
	uint32_t size, hwpt_id, flags, reserved;
	uint64_t iova, length, page_size, data, beyond;
};

static struct get_arg get_arg(const uint64_t v[9])
{
	return (struct get_arg){
		(uint32_t)v[0], (uint32_t)v[1], (uint32_t)v[2], (uint32_t)v[3], v[4],
		v[5],		v[6],		v[7],		v[8],
	};
}

static void iommufd_arguments(struct iodt *t)
{
	static const struct {
		uint64_t v[9]; /* the members of struct get_arg */
		size_t there;
		int ret;
	} rows[] = {
		{ { 48, 1, 0, 0, 0, 64 * PAGE, PAGE }, 48, 0 },
		{ { 56, 1, 0, 0, 0, 64 * PAGE, PAGE }, 56, 0 },
		{ { 56, 1, 0, 0, 0, 64 * PAGE, PAGE, 0, 1 }, 56, -E2BIG },
		{ { 56, 1, 0, 0, 0, 64 * PAGE, PAGE }, 48, -EFAULT },
		{ { 47, 1, 0, 0, 0, 64 * PAGE, PAGE }, 48, -EINVAL },
		{ { 48, 1, 0, 0, 0, 64 * PAGE, PAGE }, 3, -EFAULT },
		{ { 48, 1, 1, 0, 0, 64 * PAGE, PAGE }, 48, 0 },
		{ { 48, 1, 2, 0, 0, 64 * PAGE, PAGE }, 48, -EOPNOTSUPP },
		{ { 48, 1, 0, 1, 0, 64 * PAGE, PAGE }, 48, -EOPNOTSUPP },
		{ { 48, 1, 0, 0, 2048, 64 * PAGE, PAGE }, 48, -EINVAL },
		{ { 48, 1, 0, 0, 0, 64 * PAGE + 2048, PAGE }, 48, -EINVAL },
		{ { 48, 1, 0, 0, 0, 64 * PAGE, 0 }, 48, -EINVAL },
		{ { 48, 1, 0, 0, PAGE, 64 * PAGE, 2 * PAGE }, 48, -EINVAL },
		{ { 48, 1, 0, 0, PAGE, 63 * PAGE, 2 * PAGE }, 48, -EINVAL },
		{ { 48, 1, 0, 0, 0, 64 * PAGE, 2048 }, 48, -EINVAL },
		{ { 48, 1, 0, 0, 0, 66 * PAGE, 3 * PAGE }, 48, -EINVAL },
		{ { 48, 1, 0, 0, 0, 0, PAGE }, 48, -EINVAL },
		{ { 48, 1, 0, 0, PAGE, 0, PAGE }, 48, -EOVERFLOW },
		{ { 48, 1, 0, 0, ~UINT64_C(4095), 2 * PAGE, PAGE }, 48, -EOVERFLOW },
		{ { 48, 1, 0, 0, 0, 201 * PAGE, PAGE }, 48, -ERANGE }, /* not in the log */
		{ { 48, 1, 0, 0, 0, 128 * PAGE, 2 * PAGE }, 48, 0 },
	};
	struct get_arg good = get_arg(rows[0].v);
	struct box x;
	size_t i;

	open_box(&x, t);
	iodt_assert_ok(iod_dirty_log_start(x.log, NULL));
	for (i = 0; i < IODT_ARRAY_SIZE(rows); i++) {
		struct get_arg arg = get_arg(rows[i].v);
		int ret = iod_iommufd_get_dirty_bitmap(x.log, &arg, rows[i].there, PAGE, x.words,
						       sizeof(x.words));

		if (ret != rows[i].ret)
			fail_msg("row %zu: %d", i, ret);
	}
	assert_int_equal(iod_iommufd_get_dirty_bitmap(x.log, &good, 48, PAGE, NULL, 64), -EFAULT);
	assert_int_equal(iod_iommufd_get_dirty_bitmap(x.log, &good, 48, PAGE, x.words, 7), -EFAULT);
	assert_int_equal(iod_iommufd_get_dirty_bitmap(x.log, &good, 48, 3, x.words, 64), -EINVAL);
	assert_int_equal(iod_iommufd_get_dirty_bitmap(x.log, NULL, 48, PAGE, x.words, 64), -EFAULT);
	assert_int_equal(iod_iommufd_get_dirty_bitmap(NULL, &good, 48, PAGE, x.words, 64), -EINVAL);
	close_box(&x);
}

static int iommufd_set(struct box *x, uint32_t size, uint32_t flags)
{
	uint32_t arg[5] = { size, flags, 1, 7, 1 };

	return iod_iommufd_set_dirty_tracking(x->log, arg, sizeof(arg));
}

static int iommufd_get(struct box *x, uint32_t flags, uint64_t iova, uint64_t length, uint64_t size)
{
	struct get_arg arg = { 48, 1, flags, 0, iova, length, size, 0, 0 };

	zero(x);
	return iod_iommufd_get_dirty_bitmap(x->log, &arg, 48, PAGE, x->words, sizeof(x->words));
}

static void iommufd_session(struct iodt *t)
{
	struct box x;

	open_box(&x, t);
	assert_int_equal(iommufd_set(&x, 15, 1), -EINVAL);
	assert_int_equal(iommufd_set(&x, 20, 1), -E2BIG);
	assert_int_equal(iommufd_set(&x, 24, 1), -EFAULT);
	assert_int_equal(iommufd_set(&x, 16, 2), -EOPNOTSUPP);
	assert_int_equal(iod_iommufd_set_dirty_tracking(x.log, NULL, 16), -EFAULT);
	assert_int_equal(iod_iommufd_set_dirty_tracking(NULL, NULL, 16), -EINVAL);
	assert_int_equal(iommufd_get(&x, 0, 0, 64 * PAGE, PAGE), -EINVAL); /* off */
	write_page(&x, 1);
	iodt_assert_ok(iommufd_set(&x, 16, 1)); /* cleans first */
	iodt_assert_ok(iommufd_get(&x, 0, 0, PAGES * PAGE, PAGE));
	assert_int_equal(bits(&x), 0);
	write_page(&x, 65);
	iodt_assert_ok(iommufd_set(&x, 16, 1)); /* and drops nothing the second time */
	/* relative to iova; kept, then taken */
	iodt_assert_ok(iommufd_get(&x, 1, 60 * PAGE, 10 * PAGE, PAGE));
	assert_true(bits(&x) == 1 && bit(&x, 5));
	iodt_assert_ok(iommufd_get(&x, 1, 60 * PAGE, 20 * PAGE, 4 * PAGE));
	assert_true(bits(&x) == 1 && bit(&x, 1));
	iodt_assert_ok(iommufd_get(&x, 0, 0, PAGES * PAGE, PAGE));
	assert_true(bits(&x) == 1 && bit(&x, 65));
	iodt_assert_ok(iommufd_get(&x, 0, 0, PAGES * PAGE, PAGE));
	assert_int_equal(bits(&x), 0);
	iodt_assert_ok(iommufd_set(&x, 16, 0));
	iodt_assert_ok(iommufd_set(&x, 16, 0));
	close_box(&x);
}

/* ---- KVM ---- */

#define SLOT_A 3u
#define SLOT_B (1u << 16 | 3u)

static const struct iod_kvm_slot slots[] = { { SLOT_A, 0, 0, 70 }, { SLOT_B, 0, 70 * PAGE, 130 } };

static struct iod_kvm kvm_of(struct box *x, uint32_t manual)
{
	return (struct iod_kvm){ .size = sizeof(struct iod_kvm),
				 .log = x->log,
				 .slots = slots,
				 .nr_slots = IODT_ARRAY_SIZE(slots),
				 .manual = manual };
}

static int kvm_get(struct box *x, uint32_t manual, uint32_t slot, uint64_t len)
{
	struct iod_kvm kvm = kvm_of(x, manual);
	uint32_t arg[4] = { slot, 0, 0, 0 };

	memset(x->words, 0xff, sizeof(x->words)); /* is overwritten */
	return iod_kvm_get_dirty_log(&kvm, arg, sizeof(arg), x->words, len);
}

static int kvm_clear(struct box *x, uint32_t slot, uint32_t n, uint64_t first, uint64_t len)
{
	struct iod_kvm kvm = kvm_of(x, 1);
	uint64_t arg[3] = { 0, first, 0 };

	memcpy(arg, &slot, 4);
	memcpy((unsigned char *)arg + 4, &n, 4);
	return iod_kvm_clear_dirty_log(&kvm, arg, sizeof(arg), x->words, len);
}

static void kvm_manual(struct iodt *t)
{
	struct iod_kvm kvm;
	struct box x;

	open_box(&x, t);
	kvm = kvm_of(&x, 3);
	assert_int_equal(kvm_get(&x, 1, SLOT_A, 64), -ENOENT); /* no logging */
	iodt_assert_ok(iod_kvm_start(&kvm));
	assert_int_equal(iod_kvm_start(&kvm), -EBUSY);
	/* everything, whole words, nothing else */
	iodt_assert_ok(kvm_get(&x, 1, SLOT_A, 16));
	assert_int_equal(x.words[0], UINT64_MAX);
	assert_true(bit(&x, 69) && !bit(&x, 70) && !bit(&x, 127));
	assert_true(bit(&x, 128));
	iodt_assert_ok(kvm_get(&x, 1, SLOT_B, 24));
	assert_true(bit(&x, 129) && !bit(&x, 130));
	/* clear, in parts */
	assert_int_equal(kvm_clear(&x, SLOT_B, 64, 1, 24), -EINVAL);
	assert_int_equal(kvm_clear(&x, SLOT_B, 63, 0, 24), -EINVAL);
	assert_int_equal(kvm_clear(&x, SLOT_B, 131, 0, 24), -EINVAL);
	assert_int_equal(kvm_clear(&x, SLOT_B, 64, 192, 24), -EINVAL);
	assert_int_equal(kvm_clear(&x, 4, 64, 0, 24), -ENOENT);
	assert_int_equal(kvm_clear(&x, SLOT_B, 65, 64, 24), -EINVAL);
	assert_int_equal(kvm_clear(&x, SLOT_B, 66, 64, 15), -EFAULT);
	iodt_assert_ok(kvm_clear(&x, SLOT_B, 0, 128, 0));
	iodt_assert_ok(kvm_clear(&x, SLOT_B, 66, 64, 16)); /* ends the slot */
	iodt_assert_ok(kvm_get(&x, 1, SLOT_B, 24));
	assert_int_equal(x.words[0], UINT64_MAX);
	assert_int_equal(x.words[1], 0);
	assert_int_equal(x.words[2], 0);
	iodt_assert_ok(kvm_clear(&x, SLOT_B, 64, 0, 8));
	/* a page written again between the two is the next round's, or this one's copy's */
	write_page(&x, 70 + 64);
	iodt_assert_ok(kvm_get(&x, 1, SLOT_B, 24));
	assert_true(!x.words[0] && bit(&x, 64));
	write_page(&x, 70);
	iodt_assert_ok(kvm_clear(&x, SLOT_B, 128, 0, 16));
	iodt_assert_ok(kvm_get(&x, 1, SLOT_B, 24));
	assert_true(bit(&x, 0) && !bit(&x, 64));
	/* the other slot has been left alone */
	iodt_assert_ok(kvm_get(&x, 1, SLOT_A, 16));
	assert_int_equal(x.words[0], UINT64_MAX);
	close_box(&x);
}

static void kvm_automatic(struct iodt *t)
{
	struct iod_kvm kvm;
	struct box x;

	open_box(&x, t);
	kvm = kvm_of(&x, 0);
	write_page(&x, 0);
	iodt_assert_ok(iod_kvm_start(&kvm));
	write_page(&x, 69);
	write_page(&x, 70);
	assert_int_equal(kvm_get(&x, 0, 4, 64), -ENOENT);
	assert_int_equal(kvm_get(&x, 0, SLOT_A, 15), -EFAULT);
	x.fail = -EIO;
	assert_int_equal(kvm_get(&x, 0, SLOT_A, 16), -EIO);
	x.fail = 0;
	iodt_assert_ok(kvm_get(&x, 0, SLOT_A, 16));
	assert_true(!x.words[0] && bit(&x, 69) && !bit(&x, 70));
	iodt_assert_ok(kvm_get(&x, 0, SLOT_A, 16));
	assert_int_equal(x.words[0] | x.words[1], 0);
	iodt_assert_ok(kvm_get(&x, 0, SLOT_B, 24));
	assert_true(bit(&x, 0));
	close_box(&x);
}

static void kvm_arguments(void **state)
{
	struct iod_kvm kvm = { .size = sizeof(kvm) };
	uint64_t arg[3] = { 0 };

	iodt_assert_ok(iod_kvm_check_manual(0));
	iodt_assert_ok(iod_kvm_check_manual(1));
	assert_int_equal(iod_kvm_check_manual(2), -EINVAL); /* only together with 1 */
	iodt_assert_ok(iod_kvm_check_manual(3));
	assert_int_equal(iod_kvm_check_manual(4), -EINVAL);
	assert_int_equal(iod_kvm_check_manual(UINT64_C(1) << 32), -EINVAL);
	assert_int_equal(iod_kvm_start(&kvm), -EINVAL); /* no log */
	assert_int_equal(iod_kvm_start(NULL), -EINVAL);
	assert_int_equal(iod_kvm_get_dirty_log(&kvm, arg, 16, arg, 24), -EINVAL);
	assert_int_equal(iod_kvm_clear_dirty_log(NULL, arg, 24, arg, 24), -EINVAL);
}

int main(int argc, char **argv)
{
	static const struct iodt_test tests[] = {
		{ "vfio_session", IODT_DIRTY | IODT_PLAIN | IODT_GRAN4K, 0, vfio_session },
		{ "iommufd_arguments", IODT_DIRTY | IODT_PLAIN | IODT_GRAN4K, 0,
		  iommufd_arguments },
		{ "iommufd_session", IODT_DIRTY | IODT_PLAIN | IODT_GRAN4K, 0, iommufd_session },
		{ "kvm_manual", IODT_DIRTY | IODT_PLAIN | IODT_GRAN4K, 0, kvm_manual },
		{ "kvm_automatic", IODT_DIRTY | IODT_PLAIN | IODT_GRAN4K, 0, kvm_automatic },
	};
	const struct CMUnitTest plain[] = {
		cmocka_unit_test(vfio_dirty_arguments),
		cmocka_unit_test(vfio_unmap_arguments),
		cmocka_unit_test(kvm_arguments),
	};

	return iodt_main(argc, argv, tests, IODT_ARRAY_SIZE(tests), plain, IODT_ARRAY_SIZE(plain));
}
