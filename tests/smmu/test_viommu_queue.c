/* SPDX-License-Identifier: MIT */
/* A guest's own queues: its commands consumed up to each SYNC, the host's events and page requests for it. */
#include "viommurig.h"

#define BASE	 IODT_BIT(32)
#define LOG2SIZE 6u
#define VMID	 ((uint64_t)RIG_VMID << 32)

struct queue {
	struct rig *rig;
	struct iod_mem *mem;
	_Alignas(8) uint64_t ring[2u << LOG2SIZE];
	uint32_t prod, cons, gerror, gerrorn;
	struct iod_smmuv3_consume turn;
};

static unsigned int told;
static uint32_t told_data;
static size_t told_complete;

static int on_synced(void *cookie, const struct iod_smmuv3_cmd *sync)
{
	struct rig *rig = cookie;

	told++;
	told_data = sync->msi_data;
	told_complete = rig->host.at_sync;
	return 0;
}

static void queue_open(struct queue *q, uint32_t flags)
{
	struct iod_mem_region region = { .pa = BASE, .len = sizeof(q->ring) };
	struct iod_mem_vm_cfg cfg = { .size = sizeof(cfg), .regions = &region, .nr_regions = 1 };
	struct rig_opts o = rig_defaults();

	memset(q, 0, sizeof(*q));
	o.flags = flags;
	o.synced = on_synced;
	q->rig = rig_open(&o);
	region.host = q->ring;
	iodt_assert_ok(iod_mem_create_vm(&q->mem, &cfg));
	q->turn = (struct iod_smmuv3_consume){
		.size = sizeof(q->turn),
		.queue = { .size = sizeof(q->turn.queue),
			   .kind = IOD_SMMUV3_CMDQ,
			   .mem = q->mem,
			   .base = BASE | LOG2SIZE,
			   .prod = &q->prod,
			   .cons = &q->cons },
		.gerror = &q->gerror,
		.gerrorn = &q->gerrorn,
	};
	told = 0;
}

static void queue_close(struct queue *q)
{
	iodt_assert_ok(iod_mem_destroy(q->mem));
	rig_close(q->rig);
}

static void put(struct queue *q, uint64_t w0, uint64_t w1)
{
	struct iod_smmuv3_raw_cmd raw = rig_raw(w0, w1);

	iodt_assert_ok(iod_smmuv3_queue_push(&q->turn.queue, &raw, 1));
}

static void put_sync(struct queue *q, uint32_t data)
{
	put(q, 0x46 | 1u << 12 | (uint64_t)data << 32, 0x9000);
}

static void consumed(void **state)
{
	struct queue q;

	queue_open(&q, 0);
	put(&q, 0x12, 0x1000);
	put(&q, 0x12, 0x2000);
	put_sync(&q, 7);
	put(&q, 0x40 | UINT64_C(8) << 32, 1);
	put_sync(&q, 8);
	put(&q, 0x30, 0);
	iodt_assert_ok(iod_smmuv3_viommu_consume(q.rig->v, &q.turn));
	assert_int_equal(q.turn.consumed, 6);
	assert_int_equal(q.turn.cerror, 0);
	assert_int_equal(q.cons, 6);
	assert_int_equal(told, 2);
	assert_int_equal(told_data, 8);
	assert_int_equal(told_complete,
			 2); /* the joined TLBI, the ATC_INV: complete before it was told */
	assert_int_equal(q.rig->host.syncs, 3); /* two, and one for what has none yet */
	assert_int_equal(q.rig->host.nr, 3);
	assert_int_equal(q.gerror, 0);
	queue_close(&q);
}

/* A turn ends before the SYNC, which another thread may consume: what the host refused is not lost. */
static void left_open(void **state)
{
	struct queue q;

	queue_open(&q, 0);
	put(&q, 0x12, 0x1000);
	q.rig->host.fail_sync = true;
	q.rig->host.fail_error = -EIO;
	iodt_assert_ok(iod_smmuv3_viommu_consume(q.rig->v, &q.turn));
	assert_int_equal(q.turn.consumed, 1);
	assert_int_equal(q.turn.cerror, 0);
	put_sync(&q, 7);
	iodt_assert_ok(iod_smmuv3_viommu_consume(q.rig->v, &q.turn));
	assert_int_equal(q.turn.cerror, IOD_SMMUV3_CERROR_ABT);
	assert_int_equal(q.turn.consumed, 0);
	assert_int_equal(told, 0);
	q.gerrorn = q.gerror;
	iodt_assert_ok(iod_smmuv3_viommu_consume(q.rig->v, &q.turn));
	assert_int_equal(q.turn.consumed, 1);
	assert_int_equal(told, 1);
	queue_close(&q);
}

/* Nobody looks behind an illegal command until it was acknowledged. */
static void illegal(void **state)
{
	struct queue q;

	queue_open(&q, 0);
	put(&q, 0x11, 0);
	put(&q, 0x12 | VMID, 0x1000);
	put(&q, 0x12, 0x2000);
	put_sync(&q, 7);
	iodt_assert_ok(iod_smmuv3_viommu_consume(q.rig->v, &q.turn));
	assert_int_equal(q.turn.cerror, IOD_SMMUV3_CERROR_ILL);
	assert_int_equal(q.turn.reason, IOD_CMD_BAD_DOMAIN);
	assert_int_equal(q.turn.consumed, 1);
	assert_int_equal(q.cons, 1 | IOD_SMMUV3_CERROR_ILL << 24);
	assert_int_equal(q.gerror, 1);
	assert_int_equal(q.rig->host.nr, 1);
	assert_int_equal(told, 0);
	iodt_put_le64(&q.ring[2], 0x13); /* the driver repairs it, and acknowledges */
	q.gerrorn = q.gerror;
	iodt_assert_ok(iod_smmuv3_viommu_consume(q.rig->v, &q.turn));
	assert_int_equal(q.turn.cerror, 0);
	assert_int_equal(q.turn.consumed, 3);
	assert_int_equal(told, 1);
	assert_int_equal(told_complete, q.rig->host.nr);
	queue_close(&q);
}

static void unknown_device(void **state)
{
	struct queue q;

	queue_open(&q, 0);
	put(&q, 0x06 | UINT64_C(0x77) << 32, 0);
	iodt_assert_ok(iod_smmuv3_viommu_consume(q.rig->v, &q.turn));
	assert_int_equal(q.turn.cerror, IOD_SMMUV3_CERROR_ILL);
	assert_int_equal(q.turn.reason, IOD_CMD_BAD_SOURCE);
	queue_close(&q);
}

static void host_busy(void **state)
{
	struct queue q;

	queue_open(&q, IOD_SMMUV3_VIOMMU_LITERAL);
	put(&q, 0x11, 0);
	put(&q, 0x12, 0x2000);
	put_sync(&q, 7);
	q.rig->host.reject = true;
	q.rig->host.fail_at = 1;
	q.rig->host.fail_error = -EAGAIN;
	assert_int_equal(iod_smmuv3_viommu_consume(q.rig->v, &q.turn), -EAGAIN);
	assert_int_equal(q.cons, 1);
	assert_int_equal(q.gerror, 0);
	assert_int_equal(told, 0);
	iodt_assert_ok(iod_smmuv3_viommu_consume(q.rig->v, &q.turn));
	assert_int_equal(q.cons, 3);
	assert_int_equal(q.rig->host.nr, 2); /* each once */
	assert_int_equal(told, 1);
	queue_close(&q);
}

static void host_breaks(void **state)
{
	static const struct {
		int error;
		enum iod_smmuv3_cerror want;
	} rows[] = {
		{ -EINVAL,
		  IOD_SMMUV3_CERROR_ABT }, /* not the guest's fault, whatever it is called */
		{ -ETIMEDOUT, IOD_SMMUV3_CERROR_ATC_INV_SYNC },
		{ -EIO, IOD_SMMUV3_CERROR_ABT },
	};
	struct queue q;
	size_t i;

	for (i = 0; i < IODT_ARRAY_SIZE(rows); i++) {
		queue_open(&q, 0);
		put(&q, 0x40 | UINT64_C(8) << 32, 0);
		put_sync(&q, 7);
		q.rig->host.fail_sync = true;
		q.rig->host.fail_error = rows[i].error;
		iodt_assert_ok(iod_smmuv3_viommu_consume(q.rig->v, &q.turn));
		assert_int_equal(q.turn.cerror, rows[i].want);
		assert_int_equal(q.turn.reason, IOD_CMD_BAD_ISSUE);
		assert_int_equal(q.cons, 1 | (uint32_t)rows[i].want << 24); /* at the SYNC */
		assert_int_equal(told, 0);
		q.gerrorn = q.gerror;
		iodt_assert_ok(iod_smmuv3_viommu_consume(q.rig->v, &q.turn));
		assert_int_equal(q.cons, 2);
		assert_int_equal(told, 1);
		queue_close(&q);
	}
	queue_open(&q, 0);
	put(&q, 0x11, 0);
	q.rig->host.reject = true;
	q.rig->host.fail_error = -EINVAL;
	iodt_assert_ok(iod_smmuv3_viommu_consume(q.rig->v, &q.turn));
	assert_int_equal(q.turn.cerror, IOD_SMMUV3_CERROR_ABT);
	assert_int_equal(q.cons, 0 | IOD_SMMUV3_CERROR_ABT << 24);
	queue_close(&q);
}

static void consume_refused(void **state)
{
	struct queue q;

	queue_open(&q, 0);
	assert_int_equal(iod_smmuv3_viommu_consume(NULL, &q.turn), -EINVAL);
	assert_int_equal(iod_smmuv3_viommu_consume(q.rig->v, NULL), -EINVAL);
	q.turn.size = 8;
	assert_int_equal(iod_smmuv3_viommu_consume(q.rig->v, &q.turn), -EINVAL);
	queue_close(&q);
}

static int take_all(void *cookie, const struct iod_smmuv3_raw_cmd *cmds, size_t nr, size_t *handled)
{
	*(size_t *)cookie += nr;
	*handled = nr;
	return 0;
}

static int take_sync(void *cookie, const struct iod_smmuv3_cmd *sync)
{
	return 0;
}

static void budget(void **state)
{
	static const struct iod_smmuv3_consumer_ops unused = { sizeof(unused), take_all,
							       take_sync };
	struct queue q;
	unsigned int i;

	queue_open(&q, 0);
	q.turn.ops = &unused; /* not looked at */
	for (i = 0; i < 40; i++)
		put(&q, 0x12, (uint64_t)i << 20);
	q.turn.budget = 15;
	for (i = 15; i <= 30; i += 15) {
		iodt_assert_ok(iod_smmuv3_viommu_consume(q.rig->v, &q.turn));
		assert_int_equal(q.turn.consumed, 15);
		assert_int_equal(q.cons, i);
		assert_int_equal(q.rig->host.nr, i);
	}
	assert_ptr_equal(q.turn.ops, &unused);
	queue_close(&q);
}

static struct iod_smmuv3_raw_event raw_event(uint64_t w0, uint64_t w1, uint64_t w2, uint64_t w3)
{
	const uint64_t w[4] = { w0, w1, w2, w3 };
	struct iod_smmuv3_raw_event raw;
	int i;

	for (i = 0; i < 4; i++)
		iodt_put_le64(&raw.word[i], w[i]);
	return raw;
}

/* Only the types that concern a guest, only of stage 1; the StreamID is its own. Records by hand: 7.3. */
static void events(void **state)
{
	static const uint8_t all[] = { 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a,
				       0x0b, 0x10, 0x11, 0x12, 0x13, 0x20, 0x21, 0x24, 0x25 };
	struct rig_opts o = rig_defaults();
	struct rig *rig = rig_open(&o);
	struct iod_smmuv3_raw_event host, guest, want;
	unsigned int i;

	for (i = 0; i < sizeof(all); i++) {
		bool fault = all[i] >= 0x10 && all[i] <= 0x13;
		bool mine = fault || all[i] == 4 || all[i] == 6 || all[i] == 8 || all[i] == 0xa;

		host = raw_event(all[i] | UINT64_C(0x1003) << 32, 0, 0, 0);
		want = raw_event(all[i] | UINT64_C(0x18) << 32, 0, 0, 0);
		assert_int_equal(iod_smmuv3_viommu_event(rig->v, &host, &guest),
				 mine ? 0 : -EOPNOTSUPP);
		if (mine)
			assert_memory_equal(&guest, &want, sizeof(want));
	}
	/* F_TRANSLATION: SSV, SSID 5; RnW, CLASS IN; the address; and a bit of no field, which stays here */
	host = raw_event(0x10 | 1u << 11 | 5u << 12 | UINT64_C(0x1003) << 32,
			 IODT_BIT(35) | UINT64_C(2) << 40, 0x123456789abc, 1);
	want = raw_event(0x10 | 1u << 11 | 5u << 12 | UINT64_C(0x18) << 32,
			 IODT_BIT(35) | UINT64_C(2) << 40, 0x123456789abc, 0);
	iodt_assert_ok(iod_smmuv3_viommu_event(rig->v, &host, &guest));
	assert_memory_equal(&guest, &want, sizeof(want));
	host = raw_event(0x10 | UINT64_C(0x1003) << 32, IODT_BIT(39) | UINT64_C(2) << 40, 0,
			 0x5000);
	assert_int_equal(iod_smmuv3_viommu_event(rig->v, &host, &guest), -EOPNOTSUPP); /* S2 */
	host = raw_event(0x10 | UINT64_C(0x1003) << 32, IODT_BIT(31) | 7 | UINT64_C(2) << 40, 0, 0);
	assert_int_equal(iod_smmuv3_viommu_event(rig->v, &host, &guest), -EOPNOTSUPP); /* stalled */
	host = raw_event(0x04 | UINT64_C(0x1fff) << 32, 0, 0, 0);
	assert_int_equal(iod_smmuv3_viommu_event(rig->v, &host, &guest), -ENOENT);
	host = raw_event(0xe0 | UINT64_C(0x1003) << 32, 0, 0, 0);
	assert_int_equal(iod_smmuv3_viommu_event(rig->v, &host, &guest), -EOPNOTSUPP);
	assert_int_equal(iod_smmuv3_viommu_event(NULL, &host, &guest), -EINVAL);
	rig_close(rig);
	o.flags = IOD_SMMUV3_VIOMMU_ALLOW_RESUME;
	o.stall = true;
	rig = rig_open(&o);
	host = raw_event(0x10 | UINT64_C(0x1003) << 32, IODT_BIT(31) | 7 | UINT64_C(2) << 40, 0, 0);
	want = raw_event(0x10 | UINT64_C(0x18) << 32, IODT_BIT(31) | 7 | UINT64_C(2) << 40, 0, 0);
	iodt_assert_ok(iod_smmuv3_viommu_event(rig->v, &host, &guest));
	assert_memory_equal(&guest, &want, sizeof(want));
	rig_close(rig);
}

/* Rows 116, 117: a page request reaches a guest only when that was asked for; its answer finds the device. */
static void page_requests(void **state)
{
	const struct rig_cmd answer = { { 0x41 | UINT64_C(0x10) << 32, 0x2005 } };
	const struct rig_cmd sent = { { 0x41 | UINT64_C(0x1002) << 32, 0x2005 } };
	struct iod_guest_result res;
	struct rig_opts o = rig_defaults();
	struct rig *rig = rig_open(&o);
	struct iod_smmuv3_raw_pri host, guest;
	uint64_t word;

	iodt_put_le64(&host.word[0], 0x1002 | IODT_BIT(60) | IODT_BIT(62));
	iodt_put_le64(&host.word[1], 0x7000 | 5);
	assert_int_equal(iod_smmuv3_viommu_pri(rig->v, &host, &guest), -EOPNOTSUPP);
	assert_int_equal(rig_run(rig, &answer, 1, &res), -EOPNOTSUPP);
	rig_close(rig);
	o.flags = IOD_SMMUV3_VIOMMU_ALLOW_PRI;
	o.pri = true;
	rig = rig_open(&o);
	iodt_assert_ok(iod_smmuv3_viommu_pri(rig->v, &host, &guest));
	iodt_put_le64(&word, guest.word[0]);
	assert_true(word == (0x10 | IODT_BIT(60) | IODT_BIT(62)));
	assert_true(guest.word[1] == host.word[1]);
	iodt_assert_ok(rig_run(rig, &answer, 1, &res));
	rig_expect(rig, &sent, 1);
	iodt_put_le64(&host.word[0], 0x1fff | IODT_BIT(60) | IODT_BIT(62));
	assert_int_equal(iod_smmuv3_viommu_pri(rig->v, &host, &guest), -ENOENT);
	assert_int_equal(iod_smmuv3_viommu_pri(rig->v, NULL, &guest), -EINVAL);
	rig_close(rig);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(consumed),	   cmocka_unit_test(left_open),
		cmocka_unit_test(illegal),	   cmocka_unit_test(unknown_device),
		cmocka_unit_test(host_busy),	   cmocka_unit_test(host_breaks),
		cmocka_unit_test(consume_refused), cmocka_unit_test(budget),
		cmocka_unit_test(events),	   cmocka_unit_test(page_requests),
	};

	return iodt_main(argc, argv, NULL, 0, tests, IODT_ARRAY_SIZE(tests));
}
