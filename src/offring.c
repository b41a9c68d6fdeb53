/* SPDX-License-Identifier: MIT */
/* Rings whose head and tail are byte offsets: see the header. */
#include "offring.h"

#include <string.h>

size_t iod_offring_read(const struct offring *r, uint32_t index, void *entries, size_t nr)
{
	unsigned char *at = entries;
	size_t i;

	for (i = 0; i < nr; i++, at += r->raw_size) {
		memset(at, 0, r->raw_size);
		if (ring_read(&r->ring, index + (uint32_t)i, at, 1) != 1)
			break;
	}
	return i;
}

static bool fits(const struct offring *r, const unsigned char *at)
{
	size_t i;

	for (i = (size_t)1 << r->ring.entry_lg2; i < r->raw_size; i++)
		if (at[i])
			return false;
	return true;
}

int iod_offring_push(const struct offring *r, const void *entries, size_t nr)
{
	const unsigned char *at = entries;
	uint32_t index = offring_index(&r->ring, ring_observe64(r->tail));
	size_t i;

	if (nr && !entries)
		return -EINVAL;
	for (i = 0; i < nr; i++)
		if (!fits(r, at + i * r->raw_size))
			return -EINVAL;
	if (nr > ring_nr(&r->ring) - 1 - offring_used(r))
		return -ENOSPC;
	for (i = 0; i < nr; i++, at += r->raw_size)
		if (ring_write(&r->ring, index + (uint32_t)i, at, 1) != 1)
			return -EFAULT;
	if (nr)
		ring_publish64(r->tail, offring_reg(&r->ring, index + nr));
	return 0;
}

int iod_offring_pop(const struct offring *r, void *entries, size_t max, size_t *nr)
{
	uint32_t index = offring_index(&r->ring, ring_observe64(r->head)), n = offring_used(r);

	if (n > max)
		n = (uint32_t)max;
	if (iod_offring_read(r, index, entries, n) != n)
		return -EFAULT;
	if (n)
		ring_publish64(r->head, offring_reg(&r->ring, index + n));
	*nr = n;
	return 0;
}
