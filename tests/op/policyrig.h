/* SPDX-License-Identifier: MIT */
/* What the tests of the dirty log's policies share: variants that bear other page sizes, and starting. */
#ifndef POLICYRIG_H
#define POLICYRIG_H

#include "logrig.h"

/* How hardware bears other page sizes. */
enum bear { BEAR_ALL, BEAR_NT, BEAR_BREAK, BEARS };

/* The same variant, so declared; NULL where the format knows no difference. @v lives as long. */
struct iodt *policyrig_open(const struct iodt *t, enum bear how, struct iodt_variant *v);
/* Calls @fn for each way, with the IOD_RESIZE_* that it takes. */
void policyrig_each(struct iodt *t, void (*fn)(struct iodt *t, uint32_t resize_flags));
struct iod_dirty_log_start policyrig_arg(enum iod_split_policy how, uint32_t resize_flags);
void policyrig_start(struct logrig *r, struct iod_dirty_log_start arg);

#endif
