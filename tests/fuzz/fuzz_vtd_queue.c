/* SPDX-License-Identifier: MIT */
/*
 * VT-d's invalidation queue: a guest that writes registers and ring as it likes, against a consumer written here from
 * the specification; and a driver's queue with hardware that says what it likes.
 */
#include "fuzz/fuzz_queue.h"

struct outcome {
	int ret;
	uint32_t consumed;
	unsigned error; /* FSTS bit */
	unsigned iqei;	/* 16: not told here */
};

size_t fuzz_seed(unsigned n, uint8_t *buf, size_t max)
{
	static const uint64_t descs[][2] = {
		{ 0x21, 0 },
		{ 0x31 | 7 << 16, 0 },
		{ 0x5a0021, 0 },
		{ 0x5b0021, 0 },
		{ UINT64_C(0x1234) << 32 | 0x25, FQ_WORDS + 4 },
		{ UINT64_C(0x1234) << 32 | 0x75, FQ_RING + 32 },
		{ 5, 0 },
		{ 0x105, 0 },
		{ UINT64_C(0x5b) << 32 | 5, 0 },
		{ 0xf, 0 },
	};
	uint8_t *at = buf;
	unsigned k;

	(void)max;
	if (n >= 24)
		return 0;
	*at++ = (uint8_t)(n % 4 | n % 3 << 2);
	at = fuzz_put(at, n % 5 ? 0 : 4080, 4);
	at = fuzz_put(at, n % 4 ? 9 * 32 : 256, 4);
	*at++ = n == 7 ? 0x10 : 0;
	*at++ = (uint8_t)(n % 6);
	for (k = 0; k < 10; k++) {
		at = fuzz_put(at, descs[(n + k) % 10][0], 8);
		at = fuzz_put(at, descs[(n + k) % 10][1], 8);
		if (n & 1) {
			at = fuzz_put(at, 0, 8);
			at = fuzz_put(at, n == 9, 8);
		}
	}
	return (size_t)(at - buf);
}

static int on_commands(void *cookie, const struct iod_vtd_raw_desc *descs, size_t nr,
		       size_t *handled)
{
	int ret;

	(void)cookie;
	FUZZ_CHECK(nr >= 1 && nr <= 64);
	for (*handled = 0; *handled < nr; ++*handled) {
		ret = fq_verdict(((const uint8_t *)&descs[*handled])[2]);
		if (ret)
			return ret;
	}
	return 0;
}

static int on_sync(void *cookie, const struct iod_vtd_desc *wait)
{
	(void)cookie;
	FUZZ_CHECK(wait->type == IOD_VTD_WAIT);
	return wait->write ? fq_verdict((uint8_t)wait->data) : 0;
}

/* ---- the model ---- */

static unsigned fsts_of(int err)
{
	return err == -ETIMEDOUT ? 0x40 : err == -EIO ? 0x20 : 0x10;
}

/* A wait descriptor. @return what it comes to; -EBADMSG: reserved bits */
static int model_wait(struct fq_world *w, const uint64_t word[4])
{
	bool write = word[0] & 0x20;
	uint8_t *at;
	int ret;

	if ((word[0] & 0xfffff100 & ~UINT64_C(0xe00)) || (word[1] & 3) || word[2] || word[3])
		return -EBADMSG;
	ret = write ? fq_verdict((uint8_t)(word[0] >> 32)) : 0;
	at = fq_at(w, word[1], 4);
	if (!ret && write && at)
		fuzz_put(at, word[0] >> 32, 4);
	return ret;
}

static void model(struct fq_world *w, uint64_t base, uint32_t budget, struct outcome *out)
{
	unsigned entry = base & 0x800 ? 32 : 16;
	uint64_t bytes = UINT64_C(4096) << (base & 7), tail = w->tail & 0x7fff0;
	uint64_t head = w->head & 0x7fff0, word[4], start = base & ~(bytes - 1);
	unsigned k;
	int ret;

	*out = (struct outcome){ 0, 0, 0, 0 };
	if (w->reg & 0x70)
		return;
	head = head % bytes / entry * entry;
	if (tail >= bytes || tail % entry) {
		out->error = 0x10;
		out->iqei = tail >= bytes ? 1 : 6;
		return;
	}
	while (head != tail && (!budget || out->consumed < budget)) {
		const uint8_t *at = fq_at(w, start + head, entry);

		if (!at) {
			out->error = 0x10;
			out->iqei = 2;
			return;
		}
		for (k = 0; k < 4; k++)
			word[k] = k < entry / 8 ? fq_word(at + 8 * k) : 0;
		ret = (word[0] & 0xe0f) == 5 ? model_wait(w, word)
					     : fq_verdict((uint8_t)(word[0] >> 16));
		if (ret == -EAGAIN) {
			out->ret = ret;
			return;
		}
		if (ret) {
			out->error = fsts_of(ret);
			out->iqei = ret == -EBADMSG ? 4 : 16;
			return;
		}
		head = (head + entry) % bytes;
		w->head = head;
		out->consumed++;
	}
}

static void consumer(struct fuzz_in *in, uint64_t base)
{
	static const struct iod_vtd_consumer_ops ops = { sizeof(ops), on_commands, on_sync, NULL };
	struct fq_world *world = aligned_alloc(64, sizeof(*world)),
			*copy = aligned_alloc(64, sizeof(*copy));
	struct iod_vtd_consume turn = { .size = sizeof(turn), .ops = &ops };
	_Alignas(8) uint64_t iqercd = 0;
	struct outcome want;
	uint64_t at;
	int ret;

	FUZZ_CHECK(world && copy);
	memset(world, 0, sizeof(*world));
	world->head = fuzz_take(in, 4);
	world->tail = fuzz_take(in, 4);
	world->reg = (uint32_t)fuzz_take(in, 1);
	turn.budget = (uint32_t)fuzz_take(in, 1);
	for (at = world->head & 0xff0; in->size; at += 8)
		fuzz_put(world->ring + at % FQ_PAGE, fuzz_take(in, 8), 8);
	*copy = *world;
	turn.queue = (struct iod_vtd_queue){ .size = sizeof(turn.queue),
					     .kind = IOD_VTD_IQ,
					     .mem = fq_mem(world),
					     .base = base,
					     .head = &world->head,
					     .tail = &world->tail };
	turn.fsts = &world->reg;
	turn.iqercd = &iqercd;
	ret = iod_vtd_iq_consume(&turn);
	model(copy, base, turn.budget, &want);
	FUZZ_CHECK(ret == want.ret);
	FUZZ_CHECK(turn.consumed == want.consumed);
	FUZZ_CHECK(world->reg == (copy->reg | want.error));
	FUZZ_CHECK(world->head == copy->head && world->tail == copy->tail);
	FUZZ_CHECK(!want.error == !turn.error);
	FUZZ_CHECK(want.error != 0x10 || want.iqei == 16 || turn.iqei == want.iqei);
	FUZZ_CHECK(want.error != 0x10 || (iqercd & 0xf) == turn.iqei);
	FUZZ_CHECK(!memcmp(world->ring, copy->ring, FQ_PAGE));
	FUZZ_CHECK(!memcmp(world->words, copy->words, FQ_PAGE));
	FUZZ_CHECK(!iod_mem_destroy(turn.queue.mem));
	free(world);
	free(copy);
}

/* ---- the driver ---- */

struct vtd_driver {
	struct fq_driver d;
	struct iod_mem *mem;
	uint64_t base;
};

static void turn(struct fq_driver *d)
{
	static const struct iod_vtd_consumer_ops ops = { sizeof(ops), on_commands, on_sync, NULL };
	struct vtd_driver *v = (struct vtd_driver *)d;
	struct iod_vtd_consume consume = {
		.size = sizeof(consume),
		.queue = { .size = sizeof(consume.queue),
			   .kind = IOD_VTD_IQ,
			   .mem = v->mem,
			   .base = v->base,
			   .head = &d->world->head,
			   .tail = &d->world->tail },
		.fsts = &d->world->reg,
		.ops = &ops,
	};
	int ret = iod_vtd_iq_consume(&consume);

	FUZZ_CHECK(ret == 0 || ret == -EAGAIN);
}

static void driver(struct fuzz_in *in, uint64_t base)
{
	struct fq_world *world = aligned_alloc(64, sizeof(*world));
	struct vtd_driver v = { .d = { in, world, 0, base & 0x800 ? 32 : 16, 8, turn },
				.base = base };
	struct iod_vtd_iq_cfg cfg = { .size = sizeof(cfg), .wait = fq_wait, .cookie = &v };
	struct iod_vtd_submitted result = { .size = sizeof(result) };
	struct iod_vtd_raw_desc descs[64];
	struct iod_vtd_iq *q;
	size_t nr, i;
	int ret, sent;

	FUZZ_CHECK(world);
	memset(world, 0, sizeof(*world));
	cfg.mem = v.mem = fq_mem(world);
	cfg.base = base;
	cfg.head = &world->head;
	cfg.tail = &world->tail;
	cfg.fsts = &world->reg;
	cfg.status = FQ_WORDS + 8;
	ret = iod_vtd_iq_create(&q, &cfg);
	FUZZ_CHECK(ret == 0 || (ret == -EFAULT && (base & 7)));
	while (!ret && in->size) {
		nr = fuzz_take(in, 1) % 64;
		memset(descs, 0, sizeof(descs));
		for (i = 0; i < nr; i++) {
			uint8_t byte = i == 3 ? (uint8_t)fuzz_take(in, 1) : 0;

			fuzz_put((uint8_t *)descs[i].word, (uint64_t)byte << 16 | 0x21, 8);
		}
		i = fuzz_take(in, 1);
		result.issued = 0;
		result.error = 0;
		sent = iod_vtd_iq_submit(q, descs, nr, i & 1, &result);
		fq_check_submitted(sent, result.issued, nr, result.error);
		if (i & 2)
			turn(&v.d);
	}
	FUZZ_CHECK(ret || !iod_vtd_iq_destroy(q));
	FUZZ_CHECK(!iod_mem_destroy(v.mem));
	free(world);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = { data, size };
	uint64_t flags = fuzz_take(&in, 1), base;

	base = FQ_RING | (flags & 1 ? 0x800 : 0) | (flags & 0xc ? (flags >> 2 & 3) - 1 : 0);
	if (flags & 2)
		driver(&in, base);
	else
		consumer(&in, base);
	return 0;
}
