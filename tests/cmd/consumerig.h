/* SPDX-License-Identifier: MIT */
/* A consumer of VT-d's or AMD-Vi's with a page of ring and a page of words; it notes what is handed to it. */
#ifndef CONSUMERIG_H
#define CONSUMERIG_H

#include "iodtest.h"

#define BASE	  IODT_BIT(32)
#define WORD	  IODT_BIT(20) /* a page for what syncs write */
#define MAX_CALLS 400

struct row {
	const char *name;
	unsigned entry, nr; /* bytes and number in the ring */
	bool vtd;
	uint64_t sync; /* a sync that writes nothing */
};

static const struct row rows[] = {
	{ "vtd, 128 bits", 16, 256, true, 5 },
	{ "vtd, 256 bits", 32, 128, true, 5 },
	{ "amdvi", 16, 256, false, IODT_BIT(60) },
};

#define FOR_ROWS(row) for (const struct row *row = rows; row < rows + IODT_ARRAY_SIZE(rows); row++)

struct call {
	char what; /* c, s, w: commands, a sync, it was written */
	uint64_t first;
	size_t nr;
	uint64_t head; /* as it was then */
};

struct rig {
	const struct row *row;
	struct iod_mem *mem;
	uint64_t *ring, *page;
	_Alignas(8) uint64_t head, tail, iqercd;
	uint32_t fsts, status;
	uint16_t sid;
	struct iod_vtd_consume v;
	struct iod_amdvi_consume a;
	struct call calls[MAX_CALLS];
	unsigned nr_calls;
	uint64_t fail_at; /* number of the command that is refused */
	int fail, fail_sync;
	uint64_t word_then; /* what lay at WORD + 8 in sync */
};

static inline uint64_t le64(uint64_t v)
{
	uint64_t word;

	iodt_put_le64(&word, v);
	return word;
}

static inline void note(struct rig *r, char what, uint64_t first, size_t nr)
{
	assert_true(r->nr_calls < MAX_CALLS);
	r->calls[r->nr_calls++] = (struct call){ what, first, nr, r->head };
}

/* The number of a command: domain of a CONTEXT_INV, device of an INVALIDATE_DEVTAB_ENTRY. */
static inline uint64_t number(const struct rig *r, const uint64_t *raw)
{
	return r->row->vtd ? le64(raw[0]) >> 16 & 0xffff : le64(raw[0]) & 0xffff;
}

static inline int on_commands(struct rig *r, const uint64_t *raw, size_t nr, size_t *handled)
{
	size_t words = r->row->vtd ? 4 : 2;

	assert_in_range(nr, 1, 64);
	note(r, 'c', number(r, raw), nr);
	for (size_t i = 0; i < nr; i++) {
		assert_int_equal(number(r, &raw[i * words]), number(r, raw) + i);
		for (size_t k = r->row->entry / 8; k < words; k++)
			assert_int_equal(raw[i * words + k], 0);
		*handled = i;
		if (r->fail && number(r, &raw[i * words]) == r->fail_at)
			return r->fail;
	}
	*handled = nr;
	return 0;
}

static inline int on_sync(struct rig *r)
{
	note(r, 's', 0, 0);
	r->word_then = r->page[1];
	return r->fail_sync;
}

static inline int v_commands(void *cookie, const struct iod_vtd_raw_desc *descs, size_t nr,
			     size_t *handled)
{
	return on_commands(cookie, descs[0].word, nr, handled);
}

static inline int v_sync(void *cookie, const struct iod_vtd_desc *wait)
{
	assert_int_equal(wait->type, IOD_VTD_WAIT);
	return on_sync(cookie);
}

static inline void v_written(void *cookie, const struct iod_vtd_desc *wait)
{
	note(cookie, 'w', wait->intr, 0);
}

static inline int a_commands(void *cookie, const struct iod_amdvi_raw_cmd *cmds, size_t nr,
			     size_t *handled)
{
	return on_commands(cookie, cmds[0].word, nr, handled);
}

static inline int a_sync(void *cookie, const struct iod_amdvi_cmd *wait)
{
	assert_int_equal(wait->op, IOD_AMDVI_COMPLETION_WAIT);
	return on_sync(cookie);
}

static inline void a_written(void *cookie, const struct iod_amdvi_cmd *wait)
{
	note(cookie, 'w', wait->irq, 0);
}

static const struct iod_vtd_consumer_ops v_ops = { sizeof(v_ops), v_commands, v_sync, v_written };
static const struct iod_amdvi_consumer_ops a_ops = { sizeof(a_ops), a_commands, a_sync, a_written };

static inline void rig_open(struct rig *r, const struct row *row)
{
	struct iod_mem_region regions[2] = {
		{ .pa = WORD, .len = 4096 },
		{ .pa = BASE, .len = 4096 },
	};
	struct iod_mem_vm_cfg cfg = { .size = sizeof(cfg), .regions = regions, .nr_regions = 2 };

	memset(r, 0, sizeof(*r));
	r->row = row;
	r->ring = aligned_alloc(64, 4096);
	r->page = aligned_alloc(64, 4096);
	assert_true(r->ring && r->page);
	memset(r->ring, 0, 4096);
	memset(r->page, 0xa5, 4096);
	regions[0].host = r->page;
	regions[1].host = r->ring;
	iodt_assert_ok(iod_mem_create_vm(&r->mem, &cfg));
	r->status = 0x10;
	r->v = (struct iod_vtd_consume){
		.size = sizeof(r->v),
		.queue = { .size = sizeof(r->v.queue),
			   .kind = IOD_VTD_IQ,
			   .mem = r->mem,
			   .base = BASE | (row->entry == 32 ? 1u << 11 : 0),
			   .head = &r->head,
			   .tail = &r->tail },
		.fsts = &r->fsts,
		.iqercd = &r->iqercd,
		.sid = &r->sid,
		.ops = &v_ops,
		.cookie = r,
	};
	r->a = (struct iod_amdvi_consume){
		.size = sizeof(r->a),
		.queue = { .size = sizeof(r->a.queue),
			   .kind = IOD_AMDVI_CMDBUF,
			   .mem = r->mem,
			   .base = BASE | IODT_BIT(56) * 8,
			   .head = &r->head,
			   .tail = &r->tail,
			   .status = &r->status },
		.ops = &a_ops,
		.cookie = r,
	};
}

static inline void rig_close(struct rig *r)
{
	iodt_assert_ok(iod_mem_destroy(r->mem));
	free(r->ring);
	free(r->page);
}

static inline int consume(struct rig *r)
{
	return r->row->vtd ? iod_vtd_iq_consume(&r->v) : iod_amdvi_cmdq_consume(&r->a);
}

static inline uint32_t consumed(const struct rig *r)
{
	return r->row->vtd ? r->v.consumed : r->a.consumed;
}

static inline void set_budget(struct rig *r, uint32_t budget)
{
	r->v.budget = r->a.budget = budget;
}

static inline void put(struct rig *r, uint64_t w0, uint64_t w1)
{
	uint64_t *at = &r->ring[r->tail / 8];

	memset(at, 0, r->row->entry);
	iodt_put_le64(&at[0], w0);
	iodt_put_le64(&at[1], w1);
	r->tail = (r->tail + r->row->entry) % 4096;
}

static inline void put_some(struct rig *r, uint64_t first, unsigned nr)
{
	for (uint64_t i = first; i < first + nr; i++)
		put(r, r->row->vtd ? i << 16 | 0x21 : IODT_BIT(61) | i, 0);
}

static inline void put_sync(struct rig *r)
{
	put(r, r->row->sync, 0);
}

static inline void expect_call(const struct rig *r, unsigned i, char what, uint64_t first,
			       size_t nr, uint64_t pos)
{
	assert_true(i < r->nr_calls);
	assert_int_equal(r->calls[i].what, what);
	assert_int_equal(r->calls[i].first, first);
	assert_int_equal(r->calls[i].nr, nr);
	assert_int_equal(r->calls[i].head, pos % r->row->nr * r->row->entry);
}

#endif
