/* SPDX-License-Identifier: MIT */
/* What invalidations cost: the one place with numbers. */
#include "inv_cost.h"

#include <errno.h>

#include "pgtable/mem.h"

/* In nanoseconds, by order of magnitude: a domain is worth some hundred walks. */
static const struct iod_inv_cost defaults = {
	.size = sizeof(defaults),
	.command = 100,
	.sync = 1000,
	.domain = 50000,
	.global = 200000,
	.device = 1000,
	.device_page = 50,
	.device_all = 50000,
	.page = 10,
};

/* What the first version had. */
#define COST_MIN offsetof(struct iod_inv_cost, page)

static void fill(uint64_t *cost, uint64_t value)
{
	if (!*cost)
		*cost = value;
}

int iod_inv_cost_default(struct iod_inv_cost *cost)
{
	return iod_struct_out(cost, &defaults, sizeof(defaults), COST_MIN);
}

int iod_inv_cost_in(struct iod_inv_cost *cost, const struct iod_inv_cost *user)
{
	int ret = 0;

	*cost = defaults;
	if (user)
		ret = iod_struct_in(cost, sizeof(*cost), user, COST_MIN);
	fill(&cost->command, defaults.command);
	fill(&cost->sync, defaults.sync);
	fill(&cost->domain, defaults.domain);
	fill(&cost->global, defaults.global);
	fill(&cost->device, defaults.device);
	fill(&cost->device_page, defaults.device_page);
	fill(&cost->device_all, defaults.device_all);
	fill(&cost->page, defaults.page);
	return ret;
}
