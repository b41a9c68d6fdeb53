/* SPDX-License-Identifier: MIT */
/*
 * A guest's VT-d in caching mode over shadows: its queue, from end to end. Words are written by hand.
 */
#include "iodtest.h"

#define RW    (IOD_PROT_READ | IOD_PROT_WRITE)
#define K4    UINT64_C(0x1000)
#define MOVED UINT64_C(0x10000000)

struct half {
	struct iod_pgtable *guest, *pt;
	struct iod_gather *gather;
	struct iod_shadow *shadow;
	uint64_t dirty;
};

struct rig {
	struct iod_mem *mem;
	struct half half[2]; /* domains 1 and 2 */
	struct iod_vtd_shadow *vs;
	uint64_t *ring, ring_pa, status_pa, head, tail;
	const unsigned char *status;
	uint32_t fsts;
	unsigned int configs, waits, syncs;
	int fail;
	int64_t before_config; /* where 0x10000 led when it was called */
	bool switch_off;       /* config: domain 1 has no table any more */
};

static int translate(void *cookie, uint64_t gpa, uint64_t *len, uint32_t *prot, uint64_t *pa)
{
	*pa = gpa + MOVED;
	return 0;
}

static void dirty(void *cookie, uint64_t iova, uint64_t pa, uint64_t len)
{
	*(uint64_t *)cookie += len;
}

static int invalidate(void *cookie, const struct iod_inv *inv, size_t nr)
{
	return 0;
}

static int sync_host(void *cookie)
{
	struct rig *r = cookie;
	int ret = r->fail;

	r->fail = 0;
	r->syncs++;
	return ret;
}

static int64_t leads_to(struct rig *r, unsigned int half, uint64_t iova)
{
	uint64_t pa;

	return iod_iova_to_phys(r->half[half].pt, iova, &pa) ? -1 : (int64_t)pa;
}

static int config(void *cookie, const struct iod_vtd_desc *desc)
{
	struct rig *r = cookie;

	r->configs++;
	r->before_config = leads_to(r, 0, 0x10000);
	if (r->switch_off)
		return iod_shadow_set_guest(r->half[0].shadow, NULL, IOD_VTD_TAG_S2(1));
	return 0;
}

static void waited(void *cookie, const struct iod_vtd_desc *wait)
{
	((struct rig *)cookie)->waits++;
}

static void half_open(struct rig *r, struct half *h, unsigned int did)
{
	const struct iod_inv_ops inv = { .size = sizeof(inv),
					 .invalidate = invalidate,
					 .sync = sync_host };
	struct iod_gather_cfg gcfg = { .size = sizeof(gcfg), .ops = &inv, .cookie = r };
	struct iod_pgtable_cfg cfg = { .size = sizeof(cfg),
				       .format = IOD_VTD_SS,
				       .features = IOD_PT_HW_DIRTY,
				       .mem = r->mem };
	const struct iod_shadow_ops ops = { .size = sizeof(ops),
					    .translate = translate,
					    .dirty = dirty };
	struct iod_shadow_cfg scfg = {
		.size = sizeof(scfg), .ops = &ops, .cookie = &h->dirty, .flags = IOD_SHADOW_TRACK
	};

	iodt_assert_ok(iod_pgtable_create(&h->guest, &cfg));
	iodt_assert_ok(iod_pgtable_create(&h->pt, &cfg));
	iodt_assert_ok(iod_gather_create(&h->gather, h->pt, &gcfg));
	scfg.pt = h->pt;
	scfg.gather = h->gather;
	iodt_assert_ok(iod_shadow_create(&h->shadow, &scfg));
	iodt_assert_ok(iod_shadow_set_guest(h->shadow, h->guest, IOD_VTD_TAG_S2(did)));
	iodt_assert_ok(iod_vtd_shadow_add(r->vs, h->shadow));
}

static void rig_open(struct rig *r, uint64_t budget)
{
	struct iod_vtd_shadow_cfg cfg = { .size = sizeof(cfg),
					  .budget = budget,
					  .config = config,
					  .waited = waited,
					  .cookie = r };
	void *at;

	memset(r, 0, sizeof(*r));
	r->mem = iodt_mem_create(NULL);
	assert_non_null(r->mem);
	iodt_assert_ok(iod_vtd_id_full(&cfg.guest));
	assert_int_equal(iod_vtd_shadow_create(&r->vs, &cfg), -EINVAL); /* no caching mode */
	cfg.guest.cap |= IOD_VTD_CAP_CM;
	iodt_assert_ok(iod_vtd_shadow_create(&r->vs, &cfg));
	half_open(r, &r->half[0], 1);
	half_open(r, &r->half[1], 2);
	assert_int_equal(iod_vtd_shadow_add(r->vs, r->half[1].shadow), -EEXIST);
	iodt_assert_ok(iod_mem_alloc(r->mem, 4096, &r->ring_pa));
	iodt_assert_ok(iod_mem_alloc(r->mem, 4096, &r->status_pa));
	iodt_assert_ok(iod_mem_host_ptr(r->mem, r->ring_pa, 4096, true, &at));
	r->ring = at;
	iodt_assert_ok(iod_mem_host_ptr(r->mem, r->status_pa, 4096, false, &at));
	r->status = at;
}

static void rig_close(struct rig *r)
{
	unsigned int i;

	iodt_assert_ok(iod_vtd_shadow_remove(r->vs, r->half[0].shadow));
	iodt_assert_ok(iod_vtd_shadow_destroy(r->vs));
	for (i = 0; i < 2; i++) {
		struct half *h = &r->half[i];

		iodt_assert_ok(iod_shadow_destroy(h->shadow));
		iodt_assert_ok(iod_gather_destroy(h->gather));
		iodt_assert_ok(iod_pgtable_destroy(h->pt));
		iodt_assert_ok(iod_pgtable_destroy(h->guest));
	}
	iodt_assert_ok(iod_mem_free(r->mem, r->ring_pa, 4096));
	iodt_assert_ok(iod_mem_free(r->mem, r->status_pa, 4096));
	iodt_assert_ok(iod_mem_destroy(r->mem));
}

static void put(struct rig *r, uint64_t w0, uint64_t w1)
{
	iodt_put_le64(&r->ring[r->tail / 8], w0);
	iodt_put_le64(&r->ring[r->tail / 8 + 1], w1);
	r->tail = (r->tail + 16) % 4096;
}

static void put_wait(struct rig *r, uint64_t data)
{
	put(r, 0x25 | data << 32, r->status_pa);
}

static int turn(struct rig *r, struct iod_vtd_consume *c)
{
	*c = (struct iod_vtd_consume){ .size = sizeof(*c),
				       .queue = { .size = sizeof(c->queue),
						  .kind = IOD_VTD_IQ,
						  .mem = r->mem,
						  .base = r->ring_pa,
						  .head = &r->head,
						  .tail = &r->tail },
				       .fsts = &r->fsts };
	return iod_vtd_shadow_consume(r->vs, c);
}

static void guest_map(struct rig *r, unsigned int half, uint64_t iova, uint64_t gpa, uint64_t len)
{
	iodt_assert_ok(iod_map(r->half[half].guest, iova, gpa, len, RW, NULL, NULL));
}

static void pages_and_domains(void **state)
{
	struct iod_vtd_consume c;
	struct rig rig, *r = &rig;

	rig_open(r, 0);
	put(r, 0x12, 0); /* everything, as a guest does at first */
	put_wait(r, 1);
	iodt_assert_ok(turn(r, &c));
	assert_int_equal(c.consumed, 2);
	guest_map(r, 0, 0x10000, 0x5000, 4 * K4);
	guest_map(r, 1, 0x10000, 0x9000, 4 * K4);
	put(r, 0x32 | 1 << 16, 0x10000 | 1); /* domain 1, two pages */
	iodt_assert_ok(turn(r, &c));
	assert_int_equal(leads_to(r, 0, 0x10000), -1); /* not before it waits */
	put_wait(r, 2);
	iodt_assert_ok(turn(r, &c));
	assert_int_equal(r->status[0], 2);
	assert_int_equal(r->waits, 2);
	assert_int_equal(leads_to(r, 0, 0x11000), (int64_t)(MOVED + 0x6000));
	assert_int_equal(leads_to(r, 0, 0x12000), -1);
	assert_int_equal(leads_to(r, 1, 0x10000), -1);
	put(r, 0x22 | 2 << 16, 0);
	put_wait(r, 3);
	iodt_assert_ok(turn(r, &c));
	assert_int_equal(leads_to(r, 1, 0x13000), (int64_t)(MOVED + 0xc000));
	assert_int_equal(leads_to(r, 0, 0x12000), -1);
	rig_close(r);
}

/* A context entry changes: the VMM gives the shadow another table, and it is compared from end to end. */
static void context(void **state)
{
	struct iod_shadow_work sums = { .size = sizeof(sums) };
	struct iod_vtd_consume c;
	struct rig rig, *r = &rig;

	rig_open(r, 0);
	guest_map(r, 0, 0, 0x5000, 64 * K4);
	put(r, 0x12, 0);
	put_wait(r, 1);
	iodt_assert_ok(turn(r, &c));
	assert_int_equal(leads_to(r, 0, 63 * K4), (int64_t)(MOVED + 0x5000 + 63 * K4));
	r->switch_off = true;
	put(r, 0x21 | 1 << 16, 0);
	put_wait(r, 2);
	r->syncs = 0;
	iodt_assert_ok(turn(r, &c));
	assert_int_equal(r->configs, 1);
	assert_int_equal(r->syncs, 1);
	assert_int_equal(leads_to(r, 0, 63 * K4), -1);
	iodt_assert_ok(iod_vtd_shadow_get_work(r->vs, &sums));
	assert_int_equal(sums.mapped, 64 * K4);
	assert_int_equal(sums.unmapped, 64 * K4);
	rig_close(r);
}

/* The host's trouble is not told to the guest: its wait waits. */
static void host_fails(void **state)
{
	struct iod_vtd_consume c;
	struct rig rig, *r = &rig;

	rig_open(r, 0);
	guest_map(r, 0, 0, 0x5000, K4);
	put(r, 0x12, 0);
	put_wait(r, 1);
	iodt_assert_ok(turn(r, &c));
	put(r, 0x32 | 1 << 16, 0);
	put_wait(r, 2);
	iodt_assert_ok(iod_shadow_set_guest(r->half[0].shadow, NULL, IOD_VTD_TAG_S2(1)));
	r->fail = -ETIMEDOUT;
	assert_int_equal(turn(r, &c), -ETIMEDOUT);
	assert_int_equal(c.error, IOD_VTD_IQ_NONE);
	assert_int_equal(r->fsts, 0);
	assert_int_equal(r->status[0], 1);
	iodt_assert_ok(turn(r, &c));
	assert_int_equal(r->status[0], 2);
	assert_int_equal(r->head, r->tail);
	rig_close(r);
}

/* A budget: the guest's wait takes several turns. And what it may not say. */
static void budget(void **state)
{
	struct iod_vtd_consume c;
	struct rig rig, *r = &rig;
	unsigned int turns = 0;
	uint64_t i;
	int ret;

	rig_open(r, 100);
	for (i = 0; i < 4000; i++)
		guest_map(r, 0, i * 2 * K4, i * 4 * K4, K4);
	put(r, 0x12, 0);
	put_wait(r, 1);
	while ((ret = turn(r, &c)) == -EAGAIN)
		turns++;
	iodt_assert_ok(ret);
	assert_true(turns > 3);
	assert_int_equal(r->status[0], 1);
	assert_int_equal(leads_to(r, 0, 3999 * 2 * K4), (int64_t)(MOVED + 3999 * 4 * K4));
	put(r, 0x36 | 1 << 16, 0); /* first-stage */
	iodt_assert_ok(turn(r, &c));
	assert_int_equal(c.error, IOD_VTD_IQ_IQE);
	assert_true(r->fsts & IOD_VTD_FSTS_IQE);
	rig_close(r);
}

/* More than are noted become everything. */
static void many_notes(void **state)
{
	struct iod_vtd_consume c;
	struct rig rig, *r = &rig;
	uint64_t i, batch;

	rig_open(r, 0);
	put(r, 0x12, 0);
	put_wait(r, 1);
	iodt_assert_ok(turn(r, &c));
	for (batch = 0; batch < 4; batch++) {
		for (i = 0; i < 200; i++) {
			guest_map(r, 0, (batch * 200 + i) * 4 * K4, i * 4 * K4, K4);
			put(r, 0x32 | 1 << 16, (batch * 200 + i) * 4 * K4);
		}
		iodt_assert_ok(turn(r, &c));
	}
	put_wait(r, 2);
	iodt_assert_ok(turn(r, &c));
	for (i = 0; i < 800; i++)
		assert_int_equal(leads_to(r, 0, i * 4 * K4), (int64_t)(MOVED + i % 200 * 4 * K4));
	rig_close(r);
}

/* What came before is done when the VMM is asked to look at contexts; where it cannot be the queue waits. */
static void before_context(void **state)
{
	struct iod_vtd_consume c;
	struct rig rig, *r = &rig;

	rig_open(r, 0);
	guest_map(r, 0, 0x10000, 0x5000, K4);
	put(r, 0x22 | 1 << 16, 0);
	put(r, 0x11, 0);
	iodt_assert_ok(turn(r, &c));
	assert_int_equal(r->configs, 1);
	assert_int_equal(r->before_config, (int64_t)(MOVED + 0x5000));
	iodt_assert_ok(iod_shadow_set_guest(r->half[0].shadow, NULL, IOD_VTD_TAG_S2(1)));
	put(r, 0x22 | 1 << 16, 0);
	put(r, 0x11, 0);
	r->fail = -ENOMEM;
	assert_int_equal(turn(r, &c), -ENOMEM);
	assert_int_equal(c.error, IOD_VTD_IQ_NONE);
	assert_int_equal(r->configs, 1);
	iodt_assert_ok(turn(r, &c));
	assert_int_equal(r->before_config, -1);
	assert_int_equal(r->head, r->tail);
	rig_close(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pages_and_domains), cmocka_unit_test(context),
		cmocka_unit_test(host_fails),	     cmocka_unit_test(budget),
		cmocka_unit_test(many_notes),	     cmocka_unit_test(before_context),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
