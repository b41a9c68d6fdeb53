/* SPDX-License-Identifier: MIT */
/*
 * AMD-Vi's command buffer: a guest that writes registers and ring as it likes, against a consumer written here from the
 * specification; and a driver's queue with hardware that says what it likes.
 */
#include "fuzz/fuzz_queue.h"

#define RUN 0x10u

struct outcome {
	int ret;
	uint32_t consumed;
	unsigned error; /* enum iod_amdvi_cmdq_error */
	uint64_t address;
};

size_t fuzz_seed(unsigned n, uint8_t *buf, size_t max)
{
	static const uint64_t cmds[][2] = {
		{ UINT64_C(2) << 60, 0 },
		{ UINT64_C(2) << 60 | 0x77, 0 },
		{ UINT64_C(2) << 60 | 0x5a, 0 },
		{ UINT64_C(2) << 60 | 0x5b, 0 },
		{ UINT64_C(1) << 60 | (FQ_WORDS + 8) | 5, 0x1122334455667788 },
		{ UINT64_C(1) << 60 | (FQ_RING + 48) | 1, UINT64_C(2) << 60 },
		{ UINT64_C(1) << 60, 0 },
		{ UINT64_C(1) << 60 | UINT64_C(1) << 52, 0 },
		{ UINT64_C(1) << 60 | (FQ_WORDS + 8) | 1, 0x5c },
		{ UINT64_C(0xf) << 60, 0 },
	};
	uint8_t *at = buf;
	unsigned k;

	(void)max;
	if (n >= 24)
		return 0;
	*at++ = (uint8_t)(n % 2 | n % 3 << 1);
	at = fuzz_put(at, n % 5 ? 0 : 4080, 4);
	at = fuzz_put(at, n % 4 ? 10 * 16 : 256, 4);
	*at++ = n == 7 ? 0 : RUN;
	*at++ = (uint8_t)(n % 6);
	for (k = 0; k < 10; k++) {
		at = fuzz_put(at, cmds[(n + k) % 10][0], 8);
		at = fuzz_put(at, cmds[(n + k) % 10][1], 8);
	}
	return (size_t)(at - buf);
}

static int on_commands(void *cookie, const struct iod_amdvi_raw_cmd *cmds, size_t nr,
		       size_t *handled)
{
	int ret;

	(void)cookie;
	FUZZ_CHECK(nr >= 1 && nr <= 64);
	for (*handled = 0; *handled < nr; ++*handled) {
		ret = fq_verdict(((const uint8_t *)&cmds[*handled])[0]);
		if (ret)
			return ret;
	}
	return 0;
}

static int on_sync(void *cookie, const struct iod_amdvi_cmd *wait)
{
	(void)cookie;
	FUZZ_CHECK(wait->op == IOD_AMDVI_COMPLETION_WAIT);
	return wait->store ? fq_verdict((uint8_t)wait->data) : 0;
}

/* ---- the model ---- */

/* A COMPLETION_WAIT. @return what it comes to */
static int model_wait(struct fq_world *w, const uint64_t word[2])
{
	bool store = word[0] & 1;
	uint8_t *at;
	int ret;

	if (word[0] & UINT64_C(0x0ff0000000000000))
		return -EINVAL;
	ret = store ? fq_verdict((uint8_t)word[1]) : 0;
	at = fq_at(w, word[0] & UINT64_C(0x000ffffffffffff8), 8);
	if (!ret && store && at)
		fuzz_put(at, word[1], 8);
	return ret;
}

static void model(struct fq_world *w, uint64_t base, uint32_t budget, struct outcome *out)
{
	uint64_t bytes = UINT64_C(16) << (base >> 56), tail = w->tail & 0x7fff0;
	uint64_t head = w->head & 0x7fff0, word[2], start = base & UINT64_C(0xfffffffff000);
	const uint8_t *at;
	int ret;

	*out = (struct outcome){ 0, 0, 0, 0 };
	if (!(w->reg & RUN))
		return;
	head %= bytes;
	tail %= bytes;
	while (head != tail && (!budget || out->consumed < budget)) {
		at = fq_at(w, start + head, 16);
		ret = -EIO;
		if (at) {
			word[0] = fq_word(at);
			word[1] = fq_word(at + 8);
			ret = word[0] >> 60 == 1 ? model_wait(w, word)
						 : fq_verdict((uint8_t)word[0]);
		}
		if (ret == -EAGAIN) {
			out->ret = ret;
			return;
		}
		if (ret) {
			out->error = ret == -EINVAL ? 1 : 2;
			out->address = start + head;
			w->reg &= ~RUN;
			return;
		}
		head = (head + 16) % bytes;
		w->head = head;
		out->consumed++;
	}
}

static void consumer(struct fuzz_in *in, uint64_t base)
{
	static const struct iod_amdvi_consumer_ops ops = { sizeof(ops), on_commands, on_sync,
							   NULL };
	struct fq_world *world = aligned_alloc(64, sizeof(*world)),
			*copy = aligned_alloc(64, sizeof(*copy));
	struct iod_amdvi_consume turn = { .size = sizeof(turn), .ops = &ops };
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
	turn.queue = (struct iod_amdvi_queue){ .size = sizeof(turn.queue),
					       .kind = IOD_AMDVI_CMDBUF,
					       .mem = fq_mem(world),
					       .base = base,
					       .head = &world->head,
					       .tail = &world->tail,
					       .status = &world->reg };
	ret = iod_amdvi_cmdq_consume(&turn);
	model(copy, base, turn.budget, &want);
	FUZZ_CHECK(ret == want.ret);
	FUZZ_CHECK(turn.consumed == want.consumed);
	FUZZ_CHECK(turn.error == want.error);
	FUZZ_CHECK(turn.address == want.address);
	FUZZ_CHECK(world->reg == copy->reg);
	FUZZ_CHECK(world->head == copy->head && world->tail == copy->tail);
	FUZZ_CHECK(!memcmp(world->ring, copy->ring, FQ_PAGE));
	FUZZ_CHECK(!memcmp(world->words, copy->words, FQ_PAGE));
	FUZZ_CHECK(!iod_mem_destroy(turn.queue.mem));
	free(world);
	free(copy);
}

/* ---- the driver ---- */

struct amd_driver {
	struct fq_driver d;
	struct iod_mem *mem;
	uint64_t base;
	struct iod_amdvi_cmdq *q;
};

static void turn(struct fq_driver *d)
{
	static const struct iod_amdvi_consumer_ops ops = { sizeof(ops), on_commands, on_sync,
							   NULL };
	struct amd_driver *a = (struct amd_driver *)d;
	struct iod_amdvi_consume consume = {
		.size = sizeof(consume),
		.queue = { .size = sizeof(consume.queue),
			   .kind = IOD_AMDVI_CMDBUF,
			   .mem = a->mem,
			   .base = a->base,
			   .head = &d->world->head,
			   .tail = &d->world->tail,
			   .status = &d->world->reg },
		.ops = &ops,
	};
	int ret = iod_amdvi_cmdq_consume(&consume);

	FUZZ_CHECK(ret == 0 || ret == -EAGAIN);
}

static void events(void *cookie)
{
	struct amd_driver *a = cookie;

	if (fuzz_take(a->d.in, 1) & 1)
		FUZZ_CHECK(!iod_amdvi_cmdq_timeout(a->q));
}

static void driver(struct fuzz_in *in, uint64_t base)
{
	struct fq_world *world = aligned_alloc(64, sizeof(*world));
	struct amd_driver a = { .d = { in, world, 0, 16, 8, turn }, .base = base };
	struct iod_amdvi_cmdq_cfg cfg = { .size = sizeof(cfg), .wait = fq_wait, .cookie = &a };
	struct iod_amdvi_submitted result = { .size = sizeof(result) };
	struct iod_amdvi_raw_cmd cmds[64];
	size_t nr, i;
	int ret, sent;

	FUZZ_CHECK(world);
	memset(world, 0, sizeof(*world));
	world->reg = RUN;
	cfg.mem = a.mem = fq_mem(world);
	cfg.base = base;
	cfg.head = &world->head;
	cfg.tail = &world->tail;
	cfg.status = &world->reg;
	cfg.store = FQ_WORDS + 8;
	cfg.events = fuzz_take(in, 1) & 1 ? events : NULL;
	ret = iod_amdvi_cmdq_create(&a.q, &cfg);
	FUZZ_CHECK(ret == 0 || (ret == -EFAULT && base >> 56 != 8));
	while (!ret && in->size) {
		nr = fuzz_take(in, 1) % 64;
		memset(cmds, 0, sizeof(cmds));
		for (i = 0; i < nr; i++) {
			uint8_t byte = i == 3 ? (uint8_t)fuzz_take(in, 1) : 0;

			fuzz_put((uint8_t *)cmds[i].word, UINT64_C(2) << 60 | byte, 8);
		}
		i = fuzz_take(in, 1);
		result.issued = 0;
		result.error = 0;
		sent = iod_amdvi_cmdq_submit(a.q, cmds, nr, i & 1, &result);
		fq_check_submitted(sent, result.issued, nr, result.error);
		if (i & 2)
			turn(&a.d);
		if (i & 4)
			FUZZ_CHECK(!iod_amdvi_cmdq_timeout(a.q));
	}
	FUZZ_CHECK(ret || !iod_amdvi_cmdq_destroy(a.q));
	FUZZ_CHECK(!iod_mem_destroy(a.mem));
	free(world);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = { data, size };
	uint64_t flags = fuzz_take(&in, 1), base;

	base = FQ_RING | (8 + (flags >> 1 & 3) % 3) << 56;
	if (flags & 1)
		driver(&in, base);
	else
		consumer(&in, base);
	return 0;
}
