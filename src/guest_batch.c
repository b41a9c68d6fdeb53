/* SPDX-License-Identifier: MIT */
/* A guest's batch: collecting the host's commands, issuing them, and the account of what is through. */
#include "guest_batch.h"

#include <errno.h>
#include <string.h>

#include "atomic.h"
#include "pgtable/mem.h"

/* ---- the object's part ---- */

int iod_guest_core_init(struct guest_core *core, const struct guest_ops *ops,
			const struct iod_allocator *allocator, const uint32_t *max, unsigned int nr)
{
	int ret = 0;

	core->ops = ops;
	core->nr_tables = 0;
	while (core->nr_tables < nr && !ret) {
		ret = iod_vdevs_init(&core->table[core->nr_tables], allocator,
				     max[core->nr_tables]);
		if (!ret)
			core->nr_tables++;
	}
	if (ret)
		iod_guest_core_fini(core);
	return ret;
}

void iod_guest_core_fini(struct guest_core *core)
{
	while (core->nr_tables)
		iod_vdevs_fini(&core->table[--core->nr_tables]);
}

int iod_guest_core_stats(struct guest_core *core, struct iod_viommu_stats *stats)
{
	struct iod_viommu_stats s;

	memset(&s, 0, sizeof(s));
	s.batches = word_load(&core->stat[STAT_BATCHES]);
	s.commands = word_load(&core->stat[STAT_COMMANDS]);
	s.refused = word_load(&core->stat[STAT_REFUSED]);
	s.host_commands = word_load(&core->stat[STAT_HOST]);
	s.syncs = word_load(&core->stat[STAT_SYNCS]);
	return iod_struct_out(stats, &s, sizeof(s), sizeof(s));
}

int iod_guest_result_out(struct iod_guest_result *user, const struct iod_guest_result *res)
{
	return iod_struct_out(user, res, sizeof(*res), sizeof(*res));
}

/* ---- plain commands ---- */

static void probe_bit(struct guest_plain *plain, const struct guest_probe *probe, unsigned int word,
		      uint64_t bit)
{
	uint64_t w[2] = { probe->base[0], probe->base[1] };

	w[word] ^= bit;
	if ((probe->among[word] & bit) && probe->ok(probe->id, w))
		plain->fixed[word] &= ~bit;
}

void iod_guest_probe(struct guest_plain *plain, const struct guest_probe *probe)
{
	unsigned int word, bit;

	if (!probe->ok(probe->id, probe->base)) {
		*plain = (struct guest_plain){ .base = { 1 } }; /* nothing is that */
		return;
	}
	*plain = (struct guest_plain){ .fixed = { ~UINT64_C(0), ~UINT64_C(0) } };
	for (word = 0; word < 2; word++) {
		for (bit = 0; bit < 64; bit++)
			probe_bit(plain, probe, word, BIT64(bit));
		plain->base[word] = probe->base[word] & plain->fixed[word];
	}
}

/* ---- inside and outside ---- */

static void enter(struct guest_batch *b)
{
	for (unsigned int i = 0; i < b->core->nr_tables; i++)
		b->ticket[i] = iod_vdevs_enter(&b->core->table[i]);
}

static void leave(struct guest_batch *b)
{
	if (b->unsynced)
		__atomic_fetch_add(&b->core->left_open, 1, __ATOMIC_RELEASE);
	for (unsigned int i = 0; i < b->core->nr_tables; i++)
		iod_vdevs_leave(&b->core->table[i], b->ticket[i]);
}

void iod_guest_begin(struct guest_batch *b, struct guest_core *core, void *buf, uint32_t flags)
{
	/* Not the notes: they are written before they are read. */
	memset(b, 0, offsetof(struct guest_batch, note));
	b->core = core;
	b->buf = buf;
	b->flags = flags;
	b->turn = 1;
	enter(b);
}

/* ---- issuing ---- */

static int issue_failed(struct guest_batch *b, size_t issued, int ret)
{
	b->issue_failed = true;
	b->reason = IOD_CMD_BAD_ISSUE;
	b->sid = 0;
	b->op = b->core->ops->sync_op;
	if (issued < b->nr) {
		b->sid = b->note[issued].sid;
		b->op = b->note[issued].op;
	} else {
		b->failed_sync = true;
	}
	b->nr = 0;
	return ret;
}

int iod_guest_issue(struct guest_batch *b, bool sync)
{
	size_t issued = 0;
	int ret;

	sync = sync && (b->nr || b->unsynced);
	if (!b->nr && !sync)
		return 0;
	ret = b->core->ops->issue(b->core, b->buf, b->nr, sync, &issued);
	if (!ret || issued > b->nr)
		issued = b->nr;
	b->syncs += sync;
	b->host += (uint32_t)issued;
	if (issued) {
		b->taken = b->note[issued - 1].done;
		b->unsynced = true;
	}
	if (ret)
		return issue_failed(b, issued, ret);
	if (sync)
		b->unsynced = false;
	b->nr = 0;
	return 0;
}

/* Who changes devices waits for what is in the buffer, not for the whole batch. */
int iod_guest_make_room(struct guest_batch *b)
{
	int ret = iod_guest_issue(b, !(b->flags & GUEST_NO_SYNC));

	leave(b);
	enter(b);
	return ret;
}

int iod_guest_flush(struct guest_batch *b, bool sync)
{
	int ret = b->core->ops->run_end(b);

	return ret ? ret : iod_guest_issue(b, sync);
}

int iod_guest_step_out(struct guest_batch *b)
{
	int ret = iod_guest_flush(b, !(b->flags & GUEST_NO_SYNC));

	if (!ret)
		leave(b);
	return ret;
}

void iod_guest_step_in(struct guest_batch *b)
{
	enter(b);
}

int iod_guest_sync(struct guest_batch *b)
{
	b->unsynced = true;
	return iod_guest_flush(b, true);
}

/* ---- the end ---- */

/* The sink took some and then refused one: those are to be complete. It may not be asked any more, though. */
static void sync_the_rest(struct guest_batch *b)
{
	size_t issued = 0;

	if (!b->unsynced || b->failed_sync || (b->flags & GUEST_NO_SYNC))
		return;
	b->syncs++;
	if (!b->core->ops->issue(b->core, NULL, 0, true, &issued))
		b->unsynced = false;
}

/* What was collected before an error goes out, and then counts; if that fails it comes first. */
static int finish(struct guest_batch *b, int ret)
{
	enum iod_cmd_reason reason;
	struct guest_note failed;
	int last = b->core->ops->run_end(b);

	if (last)
		ret = last;
	if (b->issue_failed)
		return ret;
	reason = b->reason;
	failed.sid = b->sid;
	failed.op = b->op;
	last = iod_guest_issue(b, !(b->flags & GUEST_NO_SYNC));
	if (last)
		return last;
	b->sid = failed.sid;
	b->op = failed.op;
	b->reason = reason;
	return ret;
}

int iod_guest_end(struct guest_batch *b, int ret, struct iod_guest_result *res)
{
	uint64_t *stat = b->core->stat;

	if (!b->issue_failed)
		ret = finish(b, ret);
	if (b->issue_failed)
		sync_the_rest(b);
	leave(b);
	res->handled = b->taken;
	res->index = b->taken;
	res->sid = ret ? b->sid : 0;
	res->op = ret ? b->op : 0;
	res->reason = ret ? b->reason : IOD_CMD_OK;
	res->host_commands = b->host;
	res->syncs = b->syncs;
	res->synced = !b->unsynced;
	word_count(&stat[STAT_BATCHES], 1);
	word_count(&stat[STAT_COMMANDS], b->taken);
	word_count(&stat[STAT_REFUSED], ret != 0);
	word_count(&stat[STAT_HOST], b->host);
	word_count(&stat[STAT_SYNCS], b->syncs);
	return ret;
}

/* ---- a guest's own queue ---- */

int iod_guest_host_sync(struct guest_core *core)
{
	uint32_t open = __atomic_load_n(&core->left_open, __ATOMIC_ACQUIRE);
	size_t issued = 0;
	int ret;

	word_count(&core->stat[STAT_SYNCS], 1);
	ret = core->ops->issue(core, NULL, 0, true, &issued);
	if (!ret)
		__atomic_store_n(&core->closed, open, __ATOMIC_RELEASE);
	return ret;
}

int iod_guest_queue_sync(struct guest_core *core)
{
	int ret = iod_guest_host_sync(core);
	int owed = -(int)__atomic_exchange_n((iod_word *)&core->owed, 0, __ATOMIC_RELAXED);

	return ret ? ret : owed;
}

void iod_guest_queue_pause(struct guest_core *core)
{
	int ret = iod_guest_host_sync(core);

	if (ret)
		__atomic_store_n((iod_word *)&core->owed, (uint64_t)-ret, __ATOMIC_RELAXED);
}

/* ---- devices ---- */

static void close_all(struct guest_core *core)
{
	if (__atomic_load_n(&core->left_open, __ATOMIC_ACQUIRE) !=
	    __atomic_load_n(&core->closed, __ATOMIC_ACQUIRE))
		iod_guest_queue_pause(core);
}

int iod_guest_device_remove(struct guest_core *core, uint32_t vid)
{
	int ret = iod_vdevs_remove(&core->table[GUEST_DEVICES], vid);

	if (!ret)
		close_all(core);
	return ret;
}

int iod_guest_device_change(struct guest_core *core, uint32_t vid, uint32_t clear, uint32_t set)
{
	int ret = iod_vdevs_change(&core->table[GUEST_DEVICES], vid, clear, set, true);

	if (!ret)
		close_all(core);
	return ret;
}

int iod_guest_consumer_error(int ret, bool ours)
{
	if (!ret || ret == -EAGAIN)
		return ret;
	return ours ? -EIO : -EINVAL;
}
