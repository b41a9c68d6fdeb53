/* SPDX-License-Identifier: MIT */
/* The consumer of commands: see the header. */
#include "consume.h"

#include <errno.h>

void iod_consume_done(struct consumer *c, uint32_t n)
{
	if (!n)
		return;
	c->hw->advance(c, n);
	c->consumed += n;
}

/* What the vendor's functions returned for @raw. @return what the turn returns; a stop is seen in c->stopped */
static int refused(struct consumer *c, int ret, const void *raw)
{
	if (ret == -EAGAIN)
		return ret;
	c->hw->raise(c, ret, raw);
	return 0;
}

static int consume_commands(struct consumer *c, const unsigned char *raw, uint32_t nr)
{
	size_t handled = 0;
	int ret = c->hw->commands(c, raw, nr, &handled);

	if (!ret) {
		iod_consume_done(c, nr);
		return 0;
	}
	/* One of them was refused, so not all can have been obeyed. */
	if (handled >= nr)
		handled = nr - 1;
	iod_consume_done(c, (uint32_t)handled);
	return refused(c, ret, raw + handled * c->hw->raw_size);
}

/* The next commands up to a sync, or one sync. @return the turn's; 1: nothing is left */
static int consume_some(struct consumer *c)
{
	uint64_t raw[CONSUME_BATCH * CONSUME_RAW_WORDS];
	size_t words = c->hw->raw_size / sizeof(*raw);
	uint32_t n = c->hw->waiting(c), got, i;
	int ret;

	if (n > CONSUME_BATCH)
		n = CONSUME_BATCH;
	if (c->budget && n > c->budget - c->consumed)
		n = c->budget - c->consumed;
	if (!n)
		return 1;
	got = (uint32_t)c->hw->fetch(c, raw, n);
	if (!got)
		return refused(c, -EFAULT, NULL);
	for (i = 0; i < got && !c->hw->is_sync(&raw[i * words]); i++)
		;
	if (i)
		return consume_commands(c, (const unsigned char *)raw, i);
	ret = c->hw->sync(c, raw);
	return ret ? refused(c, ret, raw) : 0;
}

int iod_consume(struct consumer *c)
{
	int ret = 0;

	while (!ret && !c->stopped && c->hw->runs(c))
		ret = consume_some(c);
	return ret == 1 ? 0 : ret;
}
