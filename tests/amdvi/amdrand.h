/* SPDX-License-Identifier: MIT */
/* Random numbers of the AMD-Vi tests: seeded by IOD_SEED or a constant. */
#ifndef AMDRAND_H
#define AMDRAND_H

#include <stdint.h>
#include <stdlib.h>

#define AMDRAND_SEED UINT64_C(0x414d442d5669)

struct amdrand {
	uint64_t state;
};

static inline struct amdrand amdrand_start(void)
{
	const char *seed = getenv("IOD_SEED");

	return (struct amdrand){ seed && *seed ? strtoull(seed, NULL, 0) : AMDRAND_SEED };
}

/* splitmix64: any seed will do */
static inline uint64_t amdrand(struct amdrand *r)
{
	uint64_t z = r->state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

#endif
