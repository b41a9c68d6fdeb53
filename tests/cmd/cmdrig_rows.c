/* SPDX-License-Identifier: MIT */
/*
 * The rows: each vendor's queue with the library's consumer behind it, VT-d and AMD-Vi with hardware written here as
 * well. That reads ring and registers by itself, fetches all there is, and completes what it has fetched the next time.
 */
#include "cmdrig.h"

#include "bits.h"

static uint64_t le64(uint64_t v)
{
	uint64_t word;

	iodt_put_le64(&word, v);
	return word;
}

static void put_words(void *raw, size_t bytes, uint64_t w0)
{
	uint64_t word = le64(w0);

	memset(raw, 0, bytes);
	memcpy(raw, &word, sizeof(word));
}

/* ---- SMMUv3: CFGI_STE of StreamID n ---- */

static void smmu_put(void *raw, uint32_t n)
{
	put_words(raw, 16, n == RIG_BAD ? 0xff : (uint64_t)n << 32 | 3);
}

static bool smmu_get(const uint64_t *raw, uint32_t *n)
{
	*n = (uint32_t)(le64(raw[0]) >> 32) % RIG_IDS;
	return (le64(raw[0]) & 0xff) == 3;
}

/* What all consumers of the library do with commands. */
static int obey(struct rig *rig, const void *raw, size_t nr, size_t *handled)
{
	const unsigned char *at = raw;
	uint32_t n;

	for (*handled = 0; *handled < nr; ++*handled, at += rig->row->raw_size) {
		if (rig->broken)
			return -EFAULT;
		if (!rig->row->get((const uint64_t *)(const void *)at, &n)) {
			rig->refused++;
			return -EINVAL;
		}
		rig_obey(rig, n);
	}
	return 0;
}

static void complete_sync(struct rig *rig)
{
	rig->syncs++;
	if (!rig->sync_too_early || rig->nr_pending > RIG_STREAM / 2)
		rig_complete_all(rig);
}

static int obey_sync(struct rig *rig)
{
	if (rig->broken)
		return -EFAULT;
	if (rig->timeouts) {
		rig->timeouts--;
		rig_unanswer(rig);
		if (!rig->silent)
			return -ETIMEDOUT;
	}
	complete_sync(rig);
	return 0;
}

static int smmu_commands(void *cookie, const struct iod_smmuv3_raw_cmd *cmds, size_t nr,
			 size_t *handled)
{
	return obey(cookie, cmds, nr, handled);
}

static int smmu_sync(void *cookie, const struct iod_smmuv3_cmd *sync)
{
	return obey_sync(cookie);
}

static void smmu_turn(struct rig *rig)
{
	static const struct iod_smmuv3_consumer_ops ops = { sizeof(ops), smmu_commands, smmu_sync };
	struct iod_smmuv3_consume turn = {
		.size = sizeof(turn),
		.queue = { .size = sizeof(turn.queue),
			   .kind = IOD_SMMUV3_CMDQ,
			   .mem = rig->mem,
			   .base = RIG_BASE | rig->lg2,
			   .prod = &rig->prod,
			   .cons = &rig->cons },
		.gerror = &rig->gerror,
		.gerrorn = &rig->gerrorn,
		.ops = &ops,
		.cookie = rig,
	};

	if (iod_smmuv3_cmdq_consume(&turn))
		abort();
}

static void smmu_reset(struct rig *rig, uint32_t start)
{
	rig->prod = rig->cons = start & ((2u << rig->lg2) - 1);
}

static bool smmu_stands(struct rig *rig)
{
	return rig->gerror != rig->gerrorn;
}

static int smmu_create(struct rig *rig, unsigned lg2, void **q)
{
	struct iod_smmuv3_cmdq_cfg cfg = {
		.size = sizeof(cfg),
		.mem = rig->mem,
		.base = RIG_BASE | lg2,
		.prod = &rig->prod,
		.cons = &rig->cons,
		.gerror = &rig->gerror,
		.gerrorn = &rig->gerrorn,
		.doorbell = rig->own_thread ? NULL : rig_doorbell,
		.wait = rig_wait,
		.cookie = rig,
		.allocator = &rig->alloc.ops,
	};

	return iod_smmuv3_cmdq_create((struct iod_smmuv3_cmdq **)q, &cfg);
}

static void smmu_destroy(void *q)
{
	iodt_assert_ok(iod_smmuv3_cmdq_destroy(q));
}

static int smmu_submit(void *q, const void *cmds, size_t nr, bool sync, struct rig_result *result)
{
	static const enum rig_error map[] = { RIG_OK, RIG_REFUSED, RIG_LOST, RIG_TIMEOUT };
	struct iod_smmuv3_submitted out = { .size = sizeof(out) };
	int ret = iod_smmuv3_cmdq_submit(q, cmds, nr, sync, &out);

	*result = (struct rig_result){ out.issued, map[out.cerror] };
	return ret;
}

static int smmu_issue(void *q, const void *cmds, size_t nr, bool sync, size_t *issued)
{
	struct iod_smmuv3_sink sink = { .size = sizeof(sink) };

	iodt_assert_ok(iod_smmuv3_cmdq_sink(q, &sink));
	return sink.issue(sink.cookie, cmds, nr, sync, issued);
}

static void smmu_stats(void *q, struct rig_stats *stats)
{
	struct iod_smmuv3_cmdq_stats out = { .size = sizeof(out) };

	iodt_assert_ok(iod_smmuv3_cmdq_get_stats(q, &out));
	*stats = (struct rig_stats){ out.commands, out.syncs, out.errors, out.full };
}

/* ---- heads and tails that are offsets ---- */

static void off_reset(struct rig *rig, uint32_t start)
{
	rig->head = rig->tail = (uint64_t)(start & ((1u << rig->lg2) - 1)) * rig->row->entry;
	rig->status = IOD_AMDVI_STATUS_CMDBUFRUN;
}

/* ---- VT-d: CONTEXT_INV of domain n ---- */

static void vtd_put(void *raw, uint32_t n)
{
	put_words(raw, 32, n == RIG_BAD ? 0xf : (uint64_t)n << 16 | 2 << 4 | 1);
}

static bool vtd_get(const uint64_t *raw, uint32_t *n)
{
	*n = (uint32_t)(le64(raw[0]) >> 16) % RIG_IDS;
	return (le64(raw[0]) & 0xe3f) == 0x21;
}

static uint64_t vtd_base(const struct rig *rig)
{
	return RIG_BASE | (rig->row->entry == 32 ? 1u << 11 | (rig->lg2 - 7) : rig->lg2 - 8);
}

static int vtd_commands(void *cookie, const struct iod_vtd_raw_desc *descs, size_t nr,
			size_t *handled)
{
	return obey(cookie, descs, nr, handled);
}

static int vtd_sync(void *cookie, const struct iod_vtd_desc *wait)
{
	return obey_sync(cookie);
}

static void vtd_turn(struct rig *rig)
{
	static const struct iod_vtd_consumer_ops ops = { sizeof(ops), vtd_commands, vtd_sync,
							 NULL };
	struct iod_vtd_consume turn = {
		.size = sizeof(turn),
		.queue = { .size = sizeof(turn.queue),
			   .kind = IOD_VTD_IQ,
			   .mem = rig->mem,
			   .base = vtd_base(rig),
			   .head = &rig->head,
			   .tail = &rig->tail },
		.fsts = &rig->fsts,
		.iqercd = &rig->iqercd,
		.ops = &ops,
		.cookie = rig,
	};

	if (iod_vtd_iq_consume(&turn))
		abort();
}

static void remember_wait(struct rig *rig, uint64_t addr, uint64_t data, bool store)
{
	if (rig->nr_waits == RIG_WAITS)
		abort();
	rig->waits[rig->nr_waits].addr = addr;
	rig->waits[rig->nr_waits].data = data;
	rig->waits[rig->nr_waits++].store = store;
}

/* The waits that were fetched are complete: each writes its word, of @bytes, in the page. */
static void complete_waits(struct rig *rig, unsigned bytes)
{
	for (uint32_t i = 0; i < rig->nr_waits; i++) {
		unsigned char *at = (unsigned char *)rig->page + (rig->waits[i].addr - RIG_WORD);
		uint64_t data = rig->waits[i].data;

		rig->syncs++;
		if (!rig->waits[i].store)
			continue;
		if (rig->waits[i].addr < RIG_WORD || rig->waits[i].addr >= RIG_WORD + 4096)
			abort();
		if (bytes == 8) {
			data = le64(data);
			__atomic_store_n((iod_word *)(void *)at, data, __ATOMIC_RELEASE);
		} else {
			uint64_t word = le64(data);
			uint32_t half;

			memcpy(&half, &word, 4); /* the low half comes first */
			__atomic_store_n((uint32_t *)(void *)at, half, __ATOMIC_RELEASE);
		}
	}
	rig->nr_waits = 0;
}

/* The next entry in the ring; NULL: none, or nothing can be read. */
static const uint64_t *next_entry(struct rig *rig)
{
	uint64_t tail = __atomic_load_n(&rig->tail, __ATOMIC_ACQUIRE);

	return tail == rig->head ? NULL : &rig->ring[rig->head / 8];
}

static uint64_t read_word(const uint64_t *word)
{
	return le64(__atomic_load_n((const iod_word *)word, __ATOMIC_RELAXED));
}

static void move_head(struct rig *rig)
{
	uint64_t next = rig->head + rig->row->entry;

	__atomic_store_n(&rig->head, next == (uint64_t)rig->row->entry << rig->lg2 ? 0 : next,
			 __ATOMIC_RELEASE);
}

/* Intel D51397, 6.5.2: ITE drops waits that are pending; nothing is fetched while an error stands. */
static void vtd_own_turn(struct rig *rig)
{
	const uint64_t *entry;
	uint64_t raw[2];
	uint32_t n;

	if (__atomic_load_n(&rig->fsts, __ATOMIC_ACQUIRE) & 0x70)
		return;
	if (rig->nr_waits && rig->timeouts) {
		rig->timeouts--;
		rig_unanswer(rig);
		if (!rig->silent) {
			rig->nr_waits = 0;
			__atomic_fetch_or(&rig->fsts, 0x40, __ATOMIC_ACQ_REL);
			return;
		}
	}
	if (rig->nr_waits && !rig->sync_too_early)
		rig_complete_all(rig);
	if (rig->nr_pending > RIG_STREAM / 2)
		rig_complete_all(rig);
	complete_waits(rig, 4);
	for (; (entry = next_entry(rig)); move_head(rig)) {
		raw[0] = read_word(&entry[0]);
		raw[1] = read_word(&entry[1]);
		if (!rig->broken && (raw[0] & 0xe0f) == 5) {
			remember_wait(rig, raw[1], raw[0] >> 32, raw[0] & 0x20);
			continue;
		}
		raw[0] = le64(raw[0]);
		if (rig->broken || !vtd_get(raw, &n)) {
			rig->refused++;
			__atomic_fetch_or(&rig->fsts, 0x10, __ATOMIC_ACQ_REL);
			return;
		}
		rig_obey(rig, n);
	}
}

static bool vtd_stands(struct rig *rig)
{
	return rig->fsts & 0x70;
}

static int vtd_create(struct rig *rig, unsigned lg2, void **q)
{
	struct iod_vtd_iq_cfg cfg = {
		.size = sizeof(cfg),
		.mem = rig->mem,
		.base = vtd_base(rig),
		.head = &rig->head,
		.tail = &rig->tail,
		.fsts = &rig->fsts,
		.status = RIG_WORD + rig->row->word_at,
		.doorbell = rig->own_thread ? NULL : rig_doorbell,
		.wait = rig_wait,
		.cookie = rig,
		.allocator = &rig->alloc.ops,
	};

	return iod_vtd_iq_create((struct iod_vtd_iq **)q, &cfg);
}

static void vtd_destroy(void *q)
{
	iodt_assert_ok(iod_vtd_iq_destroy(q));
}

static int vtd_submit(void *q, const void *cmds, size_t nr, bool sync, struct rig_result *result)
{
	static const enum rig_error map[] = { RIG_OK, RIG_REFUSED, RIG_TIMEOUT, RIG_TIMEOUT,
					      RIG_LOST };
	struct iod_vtd_submitted out = { .size = sizeof(out) };
	int ret = iod_vtd_iq_submit(q, cmds, nr, sync, &out);

	*result = (struct rig_result){ out.issued, map[out.error] };
	return ret;
}

static int vtd_issue(void *q, const void *cmds, size_t nr, bool sync, size_t *issued)
{
	struct iod_vtd_sink sink = { .size = sizeof(sink) };

	iodt_assert_ok(iod_vtd_iq_sink(q, &sink));
	return sink.issue(sink.cookie, cmds, nr, sync, issued);
}

static void vtd_stats(void *q, struct rig_stats *stats)
{
	struct iod_vtd_iq_stats out = { .size = sizeof(out) };

	iodt_assert_ok(iod_vtd_iq_get_stats(q, &out));
	*stats = (struct rig_stats){ out.commands, out.syncs, out.errors, out.full };
}

/* ---- AMD-Vi: INVALIDATE_DEVTAB_ENTRY of device n ---- */

static void amd_put(void *raw, uint32_t n)
{
	put_words(raw, 16, n == RIG_BAD ? UINT64_C(0xf) << 60 : UINT64_C(2) << 60 | (uint64_t)n);
}

static bool amd_get(const uint64_t *raw, uint32_t *n)
{
	*n = (uint32_t)le64(raw[0]) % RIG_IDS;
	return le64(raw[0]) >> 60 == 2;
}

static int amd_commands(void *cookie, const struct iod_amdvi_raw_cmd *cmds, size_t nr,
			size_t *handled)
{
	return obey(cookie, cmds, nr, handled);
}

/* The event is in the log before the COMPLETION_WAIT stores. */
static void amd_unanswer(struct rig *rig)
{
	rig->timeouts--;
	rig_unanswer(rig);
	if (!rig->silent)
		__atomic_fetch_add(&rig->events, 1, __ATOMIC_ACQ_REL);
}

static int amd_sync(void *cookie, const struct iod_amdvi_cmd *wait)
{
	struct rig *rig = cookie;

	if (rig->broken)
		return -EFAULT;
	if (rig->timeouts)
		amd_unanswer(rig);
	complete_sync(rig);
	return 0;
}

static uint64_t amd_base(const struct rig *rig)
{
	return RIG_BASE | (uint64_t)rig->lg2 << 56;
}

static void amd_turn(struct rig *rig)
{
	static const struct iod_amdvi_consumer_ops ops = { sizeof(ops), amd_commands, amd_sync,
							   NULL };
	struct iod_amdvi_consume turn = {
		.size = sizeof(turn),
		.queue = { .size = sizeof(turn.queue),
			   .kind = IOD_AMDVI_CMDBUF,
			   .mem = rig->mem,
			   .base = amd_base(rig),
			   .head = &rig->head,
			   .tail = &rig->tail,
			   .status = &rig->status },
		.ops = &ops,
		.cookie = rig,
	};

	if (iod_amdvi_cmdq_consume(&turn))
		abort();
}

/* AMD 48882, 2.4: stops at an illegal command, the head at it or behind it. */
static void amd_own_turn(struct rig *rig)
{
	const uint64_t *entry;
	uint64_t raw[2];
	uint32_t n;

	if (rig->nr_waits && rig->timeouts)
		amd_unanswer(rig);
	if (rig->nr_waits && !rig->sync_too_early)
		rig_complete_all(rig);
	if (rig->nr_pending > RIG_STREAM / 2)
		rig_complete_all(rig);
	complete_waits(rig, 8);
	if (!(__atomic_load_n(&rig->status, __ATOMIC_ACQUIRE) & 0x10))
		return;
	for (; (entry = next_entry(rig)); move_head(rig)) {
		raw[0] = read_word(&entry[0]);
		raw[1] = read_word(&entry[1]);
		if (!rig->broken && raw[0] >> 60 == 1) {
			remember_wait(rig, raw[0] & UINT64_C(0x000ffffffffffff8), raw[1],
				      raw[0] & 1);
			continue;
		}
		raw[0] = le64(raw[0]);
		if (rig->broken || !amd_get(raw, &n)) {
			rig->refused++;
			if (rig->row->passes && !rig->broken)
				move_head(rig);
			__atomic_fetch_and(&rig->status, ~0x10u, __ATOMIC_ACQ_REL);
			return;
		}
		rig_obey(rig, n);
	}
}

static bool amd_stands(struct rig *rig)
{
	return !(rig->status & 0x10);
}

/* Whoever takes an event out tells of it before another can look. */
static void amd_events(void *cookie)
{
	struct rig *rig = cookie;

	pthread_mutex_lock(&rig->event_lock);
	for (; __atomic_load_n(&rig->events, __ATOMIC_ACQUIRE);
	     __atomic_fetch_sub(&rig->events, 1, __ATOMIC_ACQ_REL))
		iodt_assert_ok(iod_amdvi_cmdq_timeout(rig->q));
	pthread_mutex_unlock(&rig->event_lock);
}

static int amd_create(struct rig *rig, unsigned lg2, void **q)
{
	struct iod_amdvi_cmdq_cfg cfg = {
		.size = sizeof(cfg),
		.mem = rig->mem,
		.base = amd_base(rig),
		.head = &rig->head,
		.tail = &rig->tail,
		.status = &rig->status,
		.store = RIG_WORD + rig->row->word_at,
		.doorbell = rig->own_thread ? NULL : rig_doorbell,
		.wait = rig_wait,
		.events = rig->no_events ? NULL : amd_events,
		.cookie = rig,
		.allocator = &rig->alloc.ops,
	};

	return iod_amdvi_cmdq_create((struct iod_amdvi_cmdq **)q, &cfg);
}

static void amd_destroy(void *q)
{
	iodt_assert_ok(iod_amdvi_cmdq_destroy(q));
}

static int amd_submit(void *q, const void *cmds, size_t nr, bool sync, struct rig_result *result)
{
	static const enum rig_error map[] = { RIG_OK, RIG_REFUSED, RIG_LOST, RIG_TIMEOUT };
	struct iod_amdvi_submitted out = { .size = sizeof(out) };
	int ret = iod_amdvi_cmdq_submit(q, cmds, nr, sync, &out);

	*result = (struct rig_result){ out.issued, map[out.error] };
	return ret;
}

static int amd_issue(void *q, const void *cmds, size_t nr, bool sync, size_t *issued)
{
	struct iod_amdvi_sink sink = { .size = sizeof(sink) };

	iodt_assert_ok(iod_amdvi_cmdq_sink(q, &sink));
	return sink.issue(sink.cookie, cmds, nr, sync, issued);
}

static void amd_stats(void *q, struct rig_stats *stats)
{
	struct iod_amdvi_cmdq_stats out = { .size = sizeof(out) };

	iodt_assert_ok(iod_amdvi_cmdq_get_stats(q, &out));
	*stats = (struct rig_stats){ out.commands, out.syncs, out.errors, out.full };
}

/* ---- the table ---- */

#define SMMU                                                                                    \
	.min_lg2 = 0, .raw_size = 16, .entry = 16, .spare = 0, .stops = 1, .put = smmu_put,     \
	.get = smmu_get, .create = smmu_create, .destroy = smmu_destroy, .submit = smmu_submit, \
	.issue = smmu_issue, .stats = smmu_stats, .reset = smmu_reset, .stands = smmu_stands

#define VTD                                                                                     \
	.raw_size = 32, .spare = 1, .stops = 1, .word_at = 12, .put = vtd_put, .get = vtd_get,  \
	.create = vtd_create, .destroy = vtd_destroy, .submit = vtd_submit, .issue = vtd_issue, \
	.stats = vtd_stats, .reset = off_reset, .stands = vtd_stands

#define AMD                                                                                     \
	.min_lg2 = 8, .raw_size = 16, .entry = 16, .spare = 1, .word_at = 16, .by_event = true, \
	.put = amd_put, .get = amd_get, .create = amd_create, .destroy = amd_destroy,           \
	.submit = amd_submit, .issue = amd_issue, .stats = amd_stats, .reset = off_reset,       \
	.stands = amd_stands

const struct rig_row rig_rows[] = {
	{ .name = "smmuv3", SMMU, .turn = smmu_turn },
	{ .name = "vtd, 128 bits", VTD, .min_lg2 = 8, .entry = 16, .turn = vtd_turn },
	{ .name = "vtd, 256 bits", VTD, .min_lg2 = 7, .entry = 32, .turn = vtd_turn },
	{ .name = "vtd, 256 bits, other hardware",
	  VTD,
	  .min_lg2 = 7,
	  .entry = 32,
	  .own = true,
	  .turn = vtd_own_turn },
	{ .name = "amdvi", AMD, .stops = 1, .turn = amd_turn },
	{ .name = "amdvi, other hardware", AMD, .stops = 1, .own = true, .turn = amd_own_turn },
	{ .name = "amdvi, the head behind",
	  AMD,
	  .stops = 1,
	  .own = true,
	  .passes = true,
	  .turn = amd_own_turn },
};

const unsigned rig_nr_rows = IODT_ARRAY_SIZE(rig_rows);
