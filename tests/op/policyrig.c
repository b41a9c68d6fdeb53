/* SPDX-License-Identifier: MIT */
/* Ways to bear other page sizes, for the tests of policies. */
#include "policyrig.h"

struct iodt *policyrig_open(const struct iodt *t, enum bear how, struct iodt_variant *v)
{
	static const uint32_t features[BEARS] = { IOD_PT_BBM_2, IOD_PT_BBM_1, 0 };
	struct iodt *own;

	*v = *t->v;
	if (t->caps & IODT_ARM) {
		v->features &= ~(IOD_PT_BBM_1 | IOD_PT_BBM_2);
		v->features |= features[how];
	} else if (how != BEAR_ALL) {
		return NULL;
	}
	own = iodt_open(v);
	assert_non_null(own);
	return own;
}

void policyrig_each(struct iodt *t, void (*fn)(struct iodt *t, uint32_t resize_flags))
{
	struct iodt_variant v;
	struct iodt *own;
	enum bear how;

	for (how = BEAR_ALL; how < BEARS; how++) {
		own = policyrig_open(t, how, &v);
		if (!own)
			continue;
		fn(own, how == BEAR_BREAK ? IOD_RESIZE_ALLOW_FAULTS : 0);
		assert_int_equal(iodt_close(own), 0);
	}
}

struct iod_dirty_log_start policyrig_arg(enum iod_split_policy how, uint32_t resize_flags)
{
	return (struct iod_dirty_log_start){ .size = sizeof(struct iod_dirty_log_start),
					     .policy = how,
					     .resize_flags = resize_flags };
}

void policyrig_start(struct logrig *r, struct iod_dirty_log_start arg)
{
	iodt_assert_ok(iod_dirty_log_start(r->log, &arg));
}
