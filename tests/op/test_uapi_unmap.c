/* SPDX-License-Identifier: MIT */
/*
 * VFIO's unmap with dirty bitmap, done on a page table: what the kernel's argument asks for, bit by bit, and
 * what becomes of it when something goes wrong. And iommufd's way: read without clearing, then unmap.
 * Arguments are laid out here byte by byte.
 */
#include "iodtest.h"

#define PAGE  IODT_4K
#define PAGES 200u
#define BYTES 32u /* 200 bits, rounded up to words of 64 */

/* struct vfio_iommu_type1_dma_unmap, struct vfio_bitmap */
struct arg {
	uint32_t argsz, flags;
	uint64_t iova, size, pgsize, bytes, data;
};

struct box {
	struct iodt *t;
	struct iod_iotlb *tlb;
	struct iod_vfio_unmap u;
	unsigned int asked, pinned; /* unpin: calls; so many say -EAGAIN */
	int unpin_error;
	_Alignas(8) uint64_t words[8];
};

static void obey(struct iodt *t, const struct iod_inv *inv, size_t nr)
{
	struct box *x = t->priv;

	iodt_assert_ok(iod_iotlb_invalidate(x->tlb, inv, nr));
}

/* The smallest pages: one of the addresses is odd, the other even. */
static void open_box(struct box *x, struct iodt *t)
{
	memset(x, 0, sizeof(*x));
	x->t = t;
	x->u = (struct iod_vfio_unmap){ .size = sizeof(x->u),
					.pt = t->pt,
					.gather = t->gather,
					.bitmap = x->words,
					.bitmap_len = BYTES };
	iodt_map(t, t->v->first, PAGE, PAGES * PAGE, IODT_RW);
	iodt_assert_ok(iod_iotlb_create(&x->tlb, NULL));
	t->priv = x;
	t->log.hook = obey;
}

static void close_box(struct box *x)
{
	iodt_assert_ok(iod_iotlb_destroy(x->tlb));
	x->t->log.hook = NULL;
}

static void write_page(struct box *x, uint64_t page)
{
	iodt_assert_ok(iod_iotlb_access(x->tlb, x->t->pt, x->t->v->first + page * PAGE,
					IOD_ACCESS_WRITE, NULL, NULL));
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

/* What checks it, then what does it. */
static int unmap(struct box *x, uint32_t flags, uint64_t page, uint64_t n)
{
	struct arg arg = { .argsz = 48,
			   .flags = flags,
			   .iova = x->t->v->first + page * PAGE,
			   .size = n * PAGE,
			   .pgsize = PAGE,
			   .bytes = (n + 63) / 64 * 8 };
	struct iod_vfio_request req;

	_Static_assert(sizeof(arg) == 48, "layout");
	if (flags & 2)
		arg.iova = 0;
	iodt_assert_ok(iod_vfio_unmap_check(&req, &arg, sizeof(arg), PAGE | IODT_2M, true));
	return iod_vfio_unmap(&x->u, &req);
}

static void gone(struct box *x, uint64_t page, uint64_t n)
{
	iodt_expect_unmap(x->t, x->t->v->first + page * PAGE, n * PAGE);
	iodt_verify(x->t);
	assert_int_equal(iodt_stats(x->t->mem).pending, 0);
	assert_int_equal(iodt_gather_info(x->t->gather).ranges, 0);
}

/* R71, R78: bit 0 is the first page of the request; beside it no bit and no page is touched. */
static void bits_from_the_request(struct iodt *t)
{
	struct box x;

	open_box(&x, t);
	write_page(&x, 0);
	write_page(&x, 66);
	write_page(&x, 193);
	write_page(&x, 194);
	((unsigned char *)x.words)[24] =
		0xff; /* beyond what is asked for; R73: what is set stays */
	((unsigned char *)x.words)[1] = 0x80;
	iodt_assert_ok(unmap(&x, 1, 64, 130));
	assert_int_equal(x.u.unmapped, 130 * PAGE);
	assert_int_equal(bits(&x), 2 + 1 + 8);
	assert_true(bit(&x, 2) && bit(&x, 129) && bit(&x, 15));
	gone(&x, 64, 130);
	/* what is left was not cleaned */
	memset(x.words, 0, sizeof(x.words));
	iodt_assert_ok(unmap(&x, 1, 0, PAGES));
	assert_int_equal(x.u.unmapped, 70 * PAGE);
	assert_true(bits(&x) == 2 && bit(&x, 0) && bit(&x, 194));
	gone(&x, 0, PAGES);
	close_box(&x);
}

/* R79, R80, R82: holes, nothing at all, and how much it was. */
static void holes(struct iodt *t)
{
	struct box x;

	open_box(&x, t);
	iodt_assert_ok(unmap(&x, 0, 0, 1));
	iodt_assert_ok(unmap(&x, 0, 50, 10));
	assert_int_equal(x.u.unmapped, 10 * PAGE);
	iodt_assert_ok(unmap(&x, 0, 199, 1));
	iodt_expect_unmap(t, t->v->first, PAGE);
	iodt_expect_unmap(t, t->v->first + 50 * PAGE, 10 * PAGE);
	gone(&x, 199, 1);
	write_page(&x, 49);
	write_page(&x, 60);
	iodt_assert_ok(unmap(&x, 1, 0, PAGES));
	assert_int_equal(x.u.unmapped, 188 * PAGE);
	assert_true(bits(&x) == 2 && bit(&x, 49) && bit(&x, 60));
	gone(&x, 0, PAGES);
	iodt_assert_ok(unmap(&x, 1, 0, PAGES));
	assert_int_equal(x.u.unmapped, 0);
	iodt_assert_ok(unmap(&x, 0, 0, PAGES));
	assert_int_equal(x.u.unmapped, 0);
	assert_int_equal(bits(&x), 2);
	close_box(&x);
}

/* R84: a table at a time; a device that writes until it is told. */
static struct box *late;

static void write_late(struct iodt *t, const struct iod_inv *inv, size_t nr)
{
	write_page(late, 7);
	obey(t, inv, nr);
}

static void by_table(struct iodt *t)
{
	uint64_t n = IODT_2M / PAGE;
	struct arg arg = { 48, 1, t->v->first, n * PAGE, PAGE, 64, 0 };
	struct iod_vfio_request req;
	struct box x;

	open_box(&x, t);
	write_page(&x, 3);
	x.u.bitmap_len = 64;
	x.u.bitmap = x.words;
	late = &x;
	t->log.hook = write_late;
	iodt_assert_ok(iod_vfio_unmap_check(&req, &arg, sizeof(arg), PAGE, true));
	iodt_assert_ok(iod_vfio_unmap(&x.u, &req));
	assert_true(bits(&x) == 2 && bit(&x, 3) && bit(&x, 7));
	gone(&x, 0, PAGES);
	close_box(&x);
}

/* VFIO_DMA_UNMAP_FLAG_ALL: both halves, the top of the space. */
static void everything(struct iodt *t)
{
	struct box x;

	open_box(&x, t);
	iodt_map(t, t->v->last - (PAGE - 1), 0, PAGE, IODT_RW);
	iodt_assert_ok(unmap(&x, 2, 0, 0));
	assert_int_equal(x.u.unmapped, (PAGES + 1) * PAGE);
	iodt_expect_unmap(t, t->v->last - (PAGE - 1), PAGE);
	gone(&x, 0, PAGES);
	iodt_assert_ok(unmap(&x, 2, 0, 0));
	assert_int_equal(x.u.unmapped, 0);
	close_box(&x);
}

/* R93: without the flag no bitmap is looked at; tables without dirty bits are unmapped as well. */
static void without_bitmap(struct iodt *t)
{
	struct box x;

	open_box(&x, t);
	x.u.bitmap = NULL;
	iodt_assert_ok(unmap(&x, 0, 10, 20));
	assert_int_equal(x.u.unmapped, 20 * PAGE);
	gone(&x, 10, 20);
	close_box(&x);
}

/* ---- what is refused ---- */

static void refused(struct box *x, int err)
{
	struct iodt_snapshot s;

	iodt_snapshot(x->t, &s);
	assert_int_equal(unmap(x, 1, 0, PAGES), err);
	assert_int_equal(x->u.unmapped, 0);
	assert_int_equal(bits(x), 0);
	iodt_unchanged(x->t, &s);
}

/* R74, R76, R77, R81, R89 */
static void bad_arguments(struct iodt *t)
{
	struct iod_vfio_request req = { .flags = 4, .iova = t->v->first, .size = PAGE };
	struct iodt_snapshot s;
	struct box x;

	open_box(&x, t);
	write_page(&x, 3);
	x.u.bitmap = NULL;
	refused(&x, -EFAULT);
	x.u.bitmap = (char *)x.words + 1;
	refused(&x, -EINVAL);
	x.u.bitmap = x.words;
	x.u.bitmap_len = BYTES - 1;
	refused(&x, -EFAULT);
	x.u.bitmap_len = BYTES;
	iodt_snapshot(t, &s);
	assert_int_equal(iod_vfio_unmap(&x.u, &req), -EINVAL); /* VADDR */
	req.flags = 0;
	x.u.size--;
	assert_int_equal(iod_vfio_unmap(&x.u, &req), -EINVAL);
	x.u.size++;
	x.u.gather = NULL;
	assert_int_equal(iod_vfio_unmap(&x.u, &req), -EINVAL);
	x.u.gather = t->gather;
	x.u.pt = NULL;
	assert_int_equal(iod_vfio_unmap(&x.u, &req), -EINVAL);
	x.u.pt = t->pt;
	assert_int_equal(iod_vfio_unmap(&x.u, NULL), -EINVAL);
	assert_int_equal(iod_vfio_unmap(NULL, &req), -EINVAL);
	iodt_unchanged(t, &s);
	iodt_assert_ok(unmap(&x, 1, 0, PAGES));
	assert_int_equal(bits(&x), 1);
	gone(&x, 0, PAGES);
	close_box(&x);
}

/* R81: the request cuts a large page. */
static void cuts_a_page(struct iodt *t)
{
	struct box x;

	open_box(&x, t);
	iodt_unmap(t, t->v->first, PAGES * PAGE);
	iodt_map(t, t->v->first, 0, IODT_2M, IODT_RW | IOD_PROT_DIRTY);
	refused(&x, -EINVAL);
	assert_int_equal(unmap(&x, 0, 0, PAGES), -EINVAL);
	iodt_verify(t);
	close_box(&x);
}

/* R88: no dirty bits, no bitmap. */
static void no_dirty_bits(struct iodt *t)
{
	struct iod_vfio_unmap u;
	struct box x;

	open_box(&x, t);
	u = x.u;
	refused(&x, -EOPNOTSUPP);
	x.u = u;
	iodt_assert_ok(unmap(&x, 0, 0, PAGES));
	gone(&x, 0, PAGES);
	close_box(&x);
}

/* ---- pinned pages ---- */

static int unpin(void *cookie, uint64_t iova, uint64_t size, unsigned int attempt)
{
	struct box *x = cookie;

	assert_int_equal(iova, x->t->v->first);
	assert_int_equal(size, PAGES * PAGE);
	assert_int_equal(attempt, x->asked);
	x->asked++;
	if (x->unpin_error)
		return x->unpin_error;
	return x->asked <= x->pinned ? -EAGAIN : 0;
}

/* R91: asked, asked again, and given up. */
static void pinned_pages(struct iodt *t)
{
	struct box x;

	open_box(&x, t);
	x.u.unpin = unpin;
	x.u.cookie = &x;
	write_page(&x, 3);
	x.pinned = 100;
	refused(&x, -EBUSY);
	assert_int_equal(x.asked, IOD_VFIO_UNPIN_TRIES);
	x.asked = 0;
	x.unpin_error = -EIO;
	refused(&x, -EIO);
	assert_int_equal(x.asked, 1);
	/* nobody is asked for what is refused anyway */
	x.asked = 0;
	x.u.bitmap = NULL;
	refused(&x, -EFAULT);
	assert_int_equal(x.asked, 0);
	x.u.bitmap = x.words;
	x.unpin_error = 0;
	x.pinned = IOD_VFIO_UNPIN_TRIES - 1;
	iodt_assert_ok(unmap(&x, 1, 0, PAGES));
	assert_int_equal(x.asked, IOD_VFIO_UNPIN_TRIES);
	assert_true(bits(&x) == 1 && bit(&x, 3));
	gone(&x, 0, PAGES);
	close_box(&x);
}

/* ---- invalidations that fail ---- */

/* R89, R90: it is unmapped, `unmapped` says so, and the bitmap is complete after the sync that works. */
static void failing_invalidation(struct iodt *t)
{
	struct box x;

	open_box(&x, t);
	write_page(&x, 3);
	t->log.fail_invalidate = -EIO;
	assert_int_equal(unmap(&x, 1, 0, PAGES), -EIO);
	assert_int_equal(x.u.unmapped, PAGES * PAGE);
	iodt_assert_ok(iod_gather_sync(t->gather));
	assert_true(bits(&x) == 1 && bit(&x, 3));
	gone(&x, 0, PAGES);
	close_box(&x);
}

/* ---- iommufd ---- */

static void iommufd_get(struct box *x, struct iod_dirty_log *log, uint32_t flags)
{
	struct {
		uint32_t size, hwpt_id, flags, reserved;
		uint64_t iova, length, page_size, data;
	} arg = { 48, 1, flags, 0, x->u.log ? IODT_1M : 0, PAGES * PAGE, PAGE, 0 };

	memset(x->words, 0, sizeof(x->words));
	iodt_assert_ok(iod_iommufd_get_dirty_bitmap(log, &arg, sizeof(arg), PAGE, x->words, BYTES));
}

/* R61, R62: a read with NO_CLEAR directly before a plain unmap, devices being quiet: what was dirty is told. */
static void iommufd_read_then_unmap(struct iodt *t)
{
	struct iod_dirty_log_cfg cfg = { .size = sizeof(cfg), .len = PAGES * PAGE };
	struct iod_dirty_log_table win = { .size = sizeof(win),
					   .pt = t->pt,
					   .table_iova = t->v->first };
	struct iod_dirty_log *log;
	struct box x;

	open_box(&x, t);
	iodt_assert_ok(iod_dirty_log_create(&log, &cfg));
	iodt_assert_ok(iod_dirty_log_add_table(log, &win));
	iodt_assert_ok(iod_dirty_log_start(log, NULL));
	write_page(&x, 5);
	write_page(&x, 150);
	iommufd_get(&x, log, IOD_IOMMUFD_DIRTY_BITMAP_NO_CLEAR);
	assert_true(bits(&x) == 2 && bit(&x, 5) && bit(&x, 150));
	iodt_unmap(t, t->v->first, 100 * PAGE);
	iodt_sync(t);
	/* what stays mapped is still dirty, what went was told */
	iommufd_get(&x, log, 0);
	assert_true(bits(&x) == 1 && bit(&x, 150));
	iodt_assert_ok(iod_dirty_log_destroy(log));
	iodt_verify(t);
	close_box(&x);
}

/* ---- with a log ---- */

static int log_invalidate(void *cookie, const struct iod_inv *inv, size_t nr)
{
	struct box *x = cookie;
	int ret = x->unpin_error;

	x->unpin_error = 0;
	return ret ? ret : iod_iotlb_invalidate(x->tlb, inv, nr);
}

/* The log's addresses begin at 1 MiB. */
static struct iod_dirty_log *open_log(struct box *x)
{
	struct iod_dirty_log_cfg cfg = { .size = sizeof(cfg),
					 .iova = IODT_1M,
					 .len = PAGES * PAGE };
	struct iod_inv_ops ops = { .size = sizeof(ops), .invalidate = log_invalidate };
	struct iod_dirty_log_table win = { .size = sizeof(win),
					   .pt = x->t->pt,
					   .iova = IODT_1M,
					   .table_iova = x->t->v->first,
					   .ops = &ops,
					   .cookie = x };
	struct iod_dirty_log *log;

	iodt_assert_ok(iod_dirty_log_create(&log, &cfg));
	iodt_assert_ok(iod_dirty_log_add_table(log, &win));
	x->u.log = log;
	x->u.gather = NULL;
	x->u.to_log = IODT_1M - x->t->v->first;
	return log;
}

/* R72, R85: what hardware marked, and what anybody else marked in the log, of the range and of no more. */
static void in_a_log(struct iodt *t)
{
	struct iod_dirty_log *log;
	struct box x;

	open_box(&x, t);
	log = open_log(&x);
	assert_int_equal(unmap(&x, 1, 0, PAGES), -EINVAL); /* it is stopped */
	iodt_verify(t);
	iodt_assert_ok(iod_dirty_log_start(log, NULL));
	write_page(&x, 5);
	write_page(&x, 66);
	write_page(&x, 130);
	iodt_assert_ok(iod_dirty_log_mark_dirty(log, IODT_1M + 70 * PAGE, 1));
	iodt_assert_ok(iod_dirty_log_mark_dirty(log, IODT_1M + 150 * PAGE, 1));
	iodt_assert_ok(unmap(&x, 1, 64, 64));
	assert_int_equal(x.u.unmapped, 64 * PAGE);
	assert_true(bits(&x) == 2 && bit(&x, 2) && bit(&x, 6));
	gone(&x, 64, 64);
	/* the rest is the log's; a device, told, marks again */
	iommufd_get(&x, log, 0);
	assert_true(bits(&x) == 3 && bit(&x, 5) && bit(&x, 130) && bit(&x, 150));
	write_page(&x, 130);
	/* both or none */
	x.u.gather = t->gather;
	assert_int_equal(unmap(&x, 1, 0, PAGES), -EINVAL);
	x.u.gather = NULL;
	/* without the flag nothing is handed out, nor lost */
	iodt_assert_ok(unmap(&x, 0, 128, 8));
	gone(&x, 128, 8);
	iommufd_get(&x, log, 0);
	assert_true(bits(&x) == 1 && bit(&x, 130));
	iodt_assert_ok(iod_dirty_log_stop(log, 0));
	iodt_assert_ok(unmap(&x, 0, 0, PAGES));
	gone(&x, 0, PAGES);
	iodt_assert_ok(iod_dirty_log_destroy(log));
	close_box(&x);
}

/* R89, R91 */
static void in_a_log_that_fails(struct iodt *t)
{
	struct iod_dirty_log *log;
	struct box x;

	open_box(&x, t);
	log = open_log(&x);
	iodt_assert_ok(iod_dirty_log_start(log, NULL));
	write_page(&x, 5);
	x.u.unpin = unpin;
	x.u.cookie = &x;
	x.pinned = 100;
	refused(&x, -EBUSY);
	assert_int_equal(x.asked, IOD_VFIO_UNPIN_TRIES);
	x.u.unpin = NULL;
	x.unpin_error = -EIO;
	assert_int_equal(unmap(&x, 1, 0, PAGES), -EIO);
	assert_int_equal(x.u.unmapped, PAGES * PAGE);
	assert_int_equal(bits(&x), 0);
	iommufd_get(&x, log, 0);
	assert_true(bits(&x) == 1 && bit(&x, 5));
	gone(&x, 0, PAGES);
	iodt_assert_ok(iod_dirty_log_destroy(log));
	close_box(&x);
}

int main(int argc, char **argv)
{
#define ON (IODT_DIRTY | IODT_PLAIN | IODT_GRAN4K)
	static const struct iodt_test tests[] = {
		{ "bits_from_the_request", ON, 0, bits_from_the_request },
		{ "holes", ON, 0, holes },
		{ "by_table", ON, IODT_GROWS, by_table },
		{ "everything", IODT_GRAN4K | IODT_MIDDLING, 0, everything },
		{ "without_bitmap", IODT_GRAN4K | IODT_MIDDLING, 0, without_bitmap },
		{ "bad_arguments", ON, 0, bad_arguments },
		{ "cuts_a_page", ON, 0, cuts_a_page },
		{ "no_dirty_bits", IODT_GRAN4K | IODT_MIDDLING, IODT_DIRTY, no_dirty_bits },
		{ "pinned_pages", ON, 0, pinned_pages },
		{ "failing_invalidation", ON, 0, failing_invalidation },
		{ "in_a_log", ON, 0, in_a_log },
		{ "in_a_log_that_fails", ON, 0, in_a_log_that_fails },
		{ "iommufd_read_then_unmap", ON, 0, iommufd_read_then_unmap },
	};

	return iodt_main(argc, argv, tests, IODT_ARRAY_SIZE(tests), NULL, 0);
}
