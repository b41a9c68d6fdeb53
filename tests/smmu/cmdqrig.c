/* SPDX-License-Identifier: MIT */
/* An emulated SMMU behind a driver's command queue: see the header. */
#include "cmdqrig.h"

#include <sched.h>

static int on_commands(void *cookie, const struct iod_smmuv3_raw_cmd *cmds, size_t nr,
		       size_t *handled)
{
	struct cmdqrig *rig = cookie;
	struct iod_smmuv3_cmd cmd;

	for (*handled = 0; *handled < nr; ++*handled) {
		if (iod_smmuv3_cmd_decode(&cmd, &cmds[*handled], NULL, NULL) ||
		    cmd.sid >= RIG_BAD) {
			rig->ill++;
			return -EINVAL;
		}
		if (rig->aborts) {
			rig->aborts--;
			return -EFAULT;
		}
		if (rig->nr_pending < RIG_STREAM)
			rig->pending[rig->nr_pending++] = cmd.sid;
	}
	return 0;
}

static void complete_all(struct cmdqrig *rig)
{
	for (uint32_t i = 0; i < rig->nr_pending; i++) {
		__atomic_store_n(&rig->complete[rig->pending[i] % RIG_IDS], 1, __ATOMIC_RELAXED);
		if (rig->nr_order < RIG_STREAM)
			rig->order[rig->nr_order++] = rig->pending[i];
	}
	rig->nr_pending = 0;
}

static int on_sync(void *cookie, const struct iod_smmuv3_cmd *sync)
{
	struct cmdqrig *rig = cookie;

	if (rig->timeouts) {
		rig->timeouts--;
		return -ETIMEDOUT;
	}
	rig->syncs++;
	if (!rig->sync_too_early || rig->nr_pending > RIG_STREAM / 2)
		complete_all(rig);
	return 0;
}

void rig_turn(struct cmdqrig *rig)
{
	static const struct iod_smmuv3_consumer_ops ops = { sizeof(ops), on_commands, on_sync };
	struct iod_smmuv3_consume turn = {
		.size = sizeof(turn),
		.queue = { .size = sizeof(turn.queue),
			   .kind = IOD_SMMUV3_CMDQ,
			   .mem = rig->mem,
			   .base = RIG_BASE | rig->log2size,
			   .prod = &rig->prod,
			   .cons = &rig->cons },
		.gerror = &rig->gerror,
		.gerrorn = &rig->gerrorn,
		.ops = &ops,
		.cookie = rig,
	};

	pthread_mutex_lock(&rig->lock);
	if (!rig->stopped && iod_smmuv3_cmdq_consume(&turn))
		abort();
	pthread_mutex_unlock(&rig->lock);
}

bool rig_complete(struct cmdqrig *rig, uint32_t n)
{
	return __atomic_load_n(&rig->complete[n % RIG_IDS], __ATOMIC_RELAXED);
}

static void doorbell(void *cookie)
{
	struct cmdqrig *rig = cookie;

	if (rig->on_doorbell)
		rig->on_doorbell(rig);
	rig_turn(rig);
}

static int wait(void *cookie)
{
	struct cmdqrig *rig = cookie;

	sched_yield();
	if (rig->on_wait)
		rig->on_wait(rig);
	if (rig->patience && __atomic_add_fetch(&rig->waits, 1, __ATOMIC_RELAXED) >= rig->patience)
		return rig->wait_gives;
	return 0;
}

static void *smmu_thread(void *arg)
{
	struct cmdqrig *rig = arg;

	while (!__atomic_load_n(&rig->quit, __ATOMIC_RELAXED)) {
		rig_turn(rig);
		sched_yield();
	}
	return NULL;
}

struct iod_smmuv3_cmdq_cfg rig_cfg(struct cmdqrig *rig, unsigned log2size)
{
	return (struct iod_smmuv3_cmdq_cfg){
		.size = sizeof(struct iod_smmuv3_cmdq_cfg),
		.mem = rig->mem,
		.base = RIG_BASE | log2size,
		.prod = &rig->prod,
		.cons = &rig->cons,
		.gerror = &rig->gerror,
		.gerrorn = &rig->gerrorn,
		.doorbell = rig->own_thread ? NULL : doorbell,
		.wait = wait,
		.cookie = rig,
		.allocator = &rig->alloc.ops,
	};
}

void rig_open(struct cmdqrig *rig, unsigned log2size, uint32_t start, bool own_thread)
{
	struct iod_mem_region region = { .pa = RIG_BASE, .len = UINT64_C(16) << log2size };
	struct iod_mem_vm_cfg vm = { .size = sizeof(vm), .regions = &region, .nr_regions = 1 };
	struct iod_smmuv3_cmdq_cfg cfg;

	memset(rig, 0, sizeof(*rig));
	iodt_alloc_init(&rig->alloc);
	rig->log2size = log2size;
	rig->own_thread = own_thread;
	rig->ring = calloc(1, region.len);
	assert_non_null(rig->ring);
	region.host = rig->ring;
	iodt_assert_ok(iod_mem_create_vm(&rig->mem, &vm));
	iodt_assert_ok(pthread_mutex_init(&rig->lock, NULL));
	rig->prod = rig->cons = start;
	cfg = rig_cfg(rig, log2size);
	iodt_assert_ok(iod_smmuv3_cmdq_create(&rig->q, &cfg));
	if (own_thread)
		iodt_assert_ok(pthread_create(&rig->thread, NULL, smmu_thread, rig));
}

void rig_close(struct cmdqrig *rig)
{
	__atomic_store_n(&rig->quit, true, __ATOMIC_RELAXED);
	if (rig->own_thread)
		iodt_assert_ok(pthread_join(rig->thread, NULL));
	assert_int_equal(iod_mem_destroy(rig->mem), -EBUSY); /* the queue uses it */
	iodt_assert_ok(iod_smmuv3_cmdq_destroy(rig->q));
	iodt_assert_ok(iod_mem_destroy(rig->mem));
	pthread_mutex_destroy(&rig->lock);
	assert_int_equal(rig->alloc.live, 0);
	assert_int_equal(rig->alloc.bad, 0);
	free(rig->ring);
}

void rig_cmd(struct iod_smmuv3_raw_cmd *cmd, uint32_t n)
{
	iodt_put_le64(&cmd->word[0], (uint64_t)n << 32 | 0x03);
	cmd->word[1] = 0;
}

void rig_cmds(struct iod_smmuv3_raw_cmd *cmds, uint32_t first, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		rig_cmd(&cmds[i], first + (uint32_t)i);
}

int rig_submit(struct cmdqrig *rig, uint32_t first, size_t nr, bool sync,
	       struct iod_smmuv3_submitted *result)
{
	struct iod_smmuv3_raw_cmd *cmds = calloc(nr + 1, sizeof(*cmds));
	int ret;

	assert_non_null(cmds);
	rig_cmds(cmds, first, nr);
	ret = iod_smmuv3_cmdq_submit(rig->q, cmds, nr, sync, result);
	free(cmds);
	return ret;
}

struct iod_smmuv3_cmdq_stats rig_stats(struct cmdqrig *rig)
{
	struct iod_smmuv3_cmdq_stats stats = { .size = sizeof(stats) };

	iodt_assert_ok(iod_smmuv3_cmdq_get_stats(rig->q, &stats));
	return stats;
}
