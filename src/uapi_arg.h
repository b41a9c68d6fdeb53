/* SPDX-License-Identifier: MIT */
/* Arguments of kernel interfaces that begin with their size. */
#ifndef IOD_UAPI_ARG_H
#define IOD_UAPI_ARG_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/*
 * Copy a struct in, as the kernel does: @min is what the first version had, what is missing of the @known bytes
 * becomes 0, and more than them is fine if it is 0. @arg_len: what may be read at all.
 */
static inline int uapi_arg_in(void *dst, size_t known, size_t min, const void *arg, size_t arg_len)
{
	const unsigned char *from = arg;
	uint32_t size, i;

	if (!arg || arg_len < sizeof(size))
		return -EFAULT;
	memcpy(&size, from, sizeof(size));
	if (size < min)
		return -EINVAL;
	if (size > arg_len)
		return -EFAULT;
	for (i = (uint32_t)known; i < size; i++)
		if (from[i])
			return -E2BIG;
	memset(dst, 0, known);
	memcpy(dst, from, size < known ? size : known);
	return 0;
}

#endif
