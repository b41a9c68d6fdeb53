/* SPDX-License-Identifier: MIT */
/*
 * The VMM tracks with a dirty log in guest addresses: a join knows what the guest's addresses stand for, and nobody
 * looks at frame[] but to check.
 */
#include "dsi.h"

void dsi_join_open(struct dsi *d, const struct iod_inv_ops *ops)
{
	struct iod_dirty_log_cfg cfg = { .size = sizeof(cfg),
					 .len = (uint64_t)d->cfg->preset->frames * DSI_PAGE };
	struct iod_dirty_log_table win = {
		.size = sizeof(win), .pt = d->vmm.pt, .ops = ops, .cookie = d
	};
	struct dsi_vmm *m = &d->vmm;
	int w;

	iodt_assert_ok(iod_gpa_join_create(&m->join, NULL));
	iodt_assert_ok(iod_dirty_log_create(&m->log, &cfg));
	win.join = m->join;
	win.len = (uint64_t)DSI_PAGES * DSI_PAGE;
	for (w = 0; w < DSI_WINDOWS; w++) {
		win.table_iova = dsi_iova(d, w, 0);
		iodt_assert_ok(iod_dirty_log_add_table(m->log, &win));
	}
	iodt_assert_ok(iod_dirty_log_start(m->log, NULL));
}

void dsi_join_close(struct dsi *d)
{
	struct iod_gpa_join_info info = { .size = sizeof(info) };

	iodt_assert_ok(iod_gpa_join_get_info(d->vmm.join, &info));
	assert_int_equal(info.unknown, 0);
	assert_int_equal(info.journal, 0);
	iodt_assert_ok(iod_dirty_log_destroy(d->vmm.log));
	iodt_assert_ok(iod_gpa_join_destroy(d->vmm.join));
}

static int found(void *cookie, uint64_t gpa, uint64_t len)
{
	struct dsi *d = cookie;
	uint64_t at;

	for (at = gpa; at < gpa + len; at += DSI_PAGE) {
		d->vmm.pending[at / DSI_PAGE] = 1;
		d->res->swept++;
	}
	return 0;
}

void dsi_join_sync(struct dsi *d, uint32_t flags)
{
	struct iod_dirty_log_sync s = { .size = sizeof(s),
					.len = (uint64_t)d->cfg->preset->frames * DSI_PAGE,
					.flags = flags,
					.fn = found,
					.cookie = d };

	iodt_assert_ok(iod_dirty_log_sync(d->vmm.log, &s));
}

void dsi_join_unmap(struct dsi *d, uint64_t iova, uint64_t len)
{
	uint64_t gpa, at, frames = (uint64_t)d->cfg->preset->frames * DSI_PAGE, run;
	struct iod_dirty_log_unmap u = {
		.size = sizeof(u), .pt = d->vmm.pt, .iova = iova, .len = len
	};
	struct iodt_bits bits;

	iodt_bits_init(&bits, 0, frames, DSI_PAGE);
	u.bitmap = &bits.bm;
	d->vmm.late = true; /* devices write while it is invalidated */
	iodt_assert_ok(iod_dirty_log_unmap(d->vmm.log, &u));
	d->vmm.late = false;
	iodt_assert_ok(iod_gpa_join_unmap(d->vmm.join, iova, len, 0));
	d->res->unmapped += u.unmapped / DSI_PAGE;
	d->res->reported += u.dirty;
	d->res->syncs++;
	for (gpa = 0; !iod_bitmap_next(&bits.bm, &gpa, &run); gpa += run)
		for (at = gpa; at < gpa + run; at += DSI_PAGE)
			d->vmm.dirty[at / DSI_PAGE] = 1;
	iodt_bits_free(&bits);
}
