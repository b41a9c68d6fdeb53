/* SPDX-License-Identifier: MIT */
/* Version, and the grace period that the whole library shares. */
#include <iodirty/version.h>

#include "rcu.h"

#define STR(x)	#x
#define XSTR(x) STR(x)

const char *iod_version_string(void)
{
	return XSTR(IOD_VERSION_MAJOR) "." XSTR(IOD_VERSION_MINOR) "." XSTR(IOD_VERSION_PATCH);
}

#ifdef IOD_TSAN
char iod_rcu_tag;
#endif

void iod_rcu_wait(void)
{
	urcu_bp_synchronize_rcu();
	rcu_tsan_acquire();
}
