/* SPDX-License-Identifier: MIT */
/* What mapping and unmapping share: the second page table, and the bytes that a call says it did. */
#ifndef IODIRTY_BENCH_MAP_H
#define IODIRTY_BENCH_MAP_H

#include "bench.h"

int bench_check_done(const struct bench_rig *rig, const char *what, uint64_t len);
int bench_aux_create(struct bench_rig *rig);
int bench_aux_map(struct bench_rig *rig, const struct bench_case *c);

#endif
