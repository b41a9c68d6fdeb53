/* SPDX-License-Identifier: MIT */
/*
 * The log's own bits: set by anybody without a lock, taken under the lock.
 *
 * Setting is word first, hint second; taking is hint first, word second; all sequentially consistent.
 * So either the taker sees the word's bit, or the setter sees that the hint is (or will be) gone and
 * sets it: a bit is never left behind a hint that is clear. And what was written to memory before a bit
 * was set is seen by whoever took the bit.
 */
#include "dirty/log.h"

static uint64_t word_or_sc(uint64_t *word, uint64_t bits)
{
	return iod_le64(__atomic_fetch_or((iod_word *)word, iod_le64(bits), __ATOMIC_SEQ_CST));
}

static uint64_t word_andnot_sc(uint64_t *word, uint64_t bits)
{
	return iod_le64(__atomic_fetch_and((iod_word *)word, iod_le64(~bits), __ATOMIC_SEQ_CST));
}

static uint64_t word_load_sc(const uint64_t *word)
{
	return iod_le64(__atomic_load_n((const iod_word *)word, __ATOMIC_SEQ_CST));
}

static void hint_set(struct iod_dirty_log *log, uint64_t block)
{
	uint64_t *hint = &log->hint[block / 64], bit = BIT64(block % 64);

	if (!(word_load_sc(hint) & bit))
		word_or_sc(hint, bit);
}

static bool hint_test(const struct iod_dirty_log *log, uint64_t block)
{
	return word_load_sc(&log->hint[block / 64]) >> (block % 64) & 1;
}

void iod_log_pending_or(struct iod_dirty_log *log, uint64_t index, uint64_t bits)
{
	word_or_sc(&log->pending[index], bits);
	hint_set(log, index / LOG_BLOCK_WORDS);
}

void iod_log_pending_set(struct iod_dirty_log *log, uint64_t first, uint64_t last)
{
	uint64_t i;

	for (i = first / 64; i <= last / 64; i++)
		iod_log_pending_or(log, i, iod_bitmap_word_mask(i, first, last));
}

void iod_log_pending_hint(struct iod_dirty_log *log, uint64_t first, uint64_t last)
{
	uint64_t block;

	for (block = first / LOG_BLOCK_BITS; block <= last / LOG_BLOCK_BITS; block++)
		hint_set(log, block);
}

/* The words of a block that the chunk touches. */
static void block_words(const struct log_chunk *c, uint64_t block, uint64_t *from, uint64_t *to)
{
	uint64_t first = block * LOG_BLOCK_WORDS, last = first + LOG_BLOCK_WORDS - 1;

	*from = first > c->first / 64 ? first : c->first / 64;
	*to = last < c->last / 64 ? last : c->last / 64;
}

/* Whether the chunk covers all of a block: then its hint may be cleared. */
static bool block_inside(const struct iod_dirty_log *log, const struct log_chunk *c, uint64_t block)
{
	uint64_t first = block * LOG_BLOCK_BITS, last = first + LOG_BLOCK_BITS - 1;

	if (last >= log->nbits)
		last = log->nbits - 1;
	return first >= c->first && last <= c->last;
}

/* Looks for a block with a hint at or after *block. */
static bool next_block(const struct iod_dirty_log *log, const struct log_chunk *c, uint64_t *block)
{
	for (; *block <= c->last / LOG_BLOCK_BITS; ++*block)
		if (hint_test(log, *block))
			return true;
	return false;
}

void iod_log_pending_read(struct iod_dirty_log *log, const struct log_chunk *c, bool take)
{
	uint64_t block, i, to, mask, bits;

	for (block = c->first / LOG_BLOCK_BITS; next_block(log, c, &block); block++) {
		if (take && block_inside(log, c, block))
			word_andnot_sc(&log->hint[block / 64], BIT64(block % 64));
		for (block_words(c, block, &i, &to); i <= to; i++) {
			mask = iod_bitmap_word_mask(i, c->first, c->last);
			bits = word_load_sc(&log->pending[i]) & mask;
			if (bits && take)
				bits = word_andnot_sc(&log->pending[i], mask) & mask;
			log->stage[i - c->word] |= iod_le64(bits);
		}
	}
}

void iod_log_pending_drop(struct iod_dirty_log *log, const struct log_chunk *c)
{
	uint64_t block, i, to, bits, left;

	for (block = c->first / LOG_BLOCK_BITS; next_block(log, c, &block); block++) {
		left = 0;
		if (block_inside(log, c, block))
			word_andnot_sc(&log->hint[block / 64], BIT64(block % 64));
		for (block_words(c, block, &i, &to); i <= to; i++) {
			bits = iod_le64(log->stage[i - c->word]);
			if (bits && word_load_sc(&log->pending[i]))
				word_andnot_sc(&log->pending[i], bits);
			left |= word_load_sc(&log->pending[i]);
		}
		if (left)
			hint_set(log, block);
	}
}

void iod_log_pending_reset(struct iod_dirty_log *log, bool dirty)
{
	struct log_chunk all = { 0, log->nbits - 1, 0 };
	uint64_t block, i, to;

	for (block = 0; block <= all.last / LOG_BLOCK_BITS; block++) {
		if (!dirty && !hint_test(log, block))
			continue;
		if (!dirty)
			word_andnot_sc(&log->hint[block / 64], BIT64(block % 64));
		for (block_words(&all, block, &i, &to); i <= to; i++)
			__atomic_store_n((iod_word *)&log->pending[i],
					 dirty ? iod_le64(iod_bitmap_word_mask(i, 0, all.last)) : 0,
					 __ATOMIC_RELAXED);
		if (dirty)
			hint_set(log, block);
	}
}

uint64_t iod_log_pending_count(const struct iod_dirty_log *log)
{
	struct log_chunk all = { 0, log->nbits - 1, 0 };
	uint64_t block, i, to, n = 0;

	for (block = 0; next_block(log, &all, &block); block++)
		for (block_words(&all, block, &i, &to); i <= to; i++)
			n += popcount64(word_load_sc(&log->pending[i]));
	return n;
}

void iod_log_stage_keep(struct iod_dirty_log *log, const struct log_chunk *c, uint64_t j)
{
	uint64_t n = c->last / 64 - c->word + 1;

	while (j < n) {
		if (!log->stage[j])
			j += log->kernels->find_other(&log->stage[j], (size_t)(n - j), 0);
		if (j == n)
			break;
		iod_log_pending_or(log, c->word + j, iod_le64(log->stage[j]));
		log->stage[j++] = 0;
	}
}

void iod_log_stage_zero(struct iod_dirty_log *log, const struct log_chunk *c)
{
	memset(log->stage, 0, (size_t)(c->last / 64 - c->word + 1) * sizeof(log->stage[0]));
}
