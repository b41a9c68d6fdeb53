/* SPDX-License-Identifier: MIT */
/* Shared by the tests of misuse. */
#ifndef BADINPUT_H
#define BADINPUT_H

/* Where the header leaves open which of two codes it is. */
#define ANY_OF_EINVAL_EOPNOTSUPP 1
#define ANY_OF_EINVAL_ERANGE	 2

static inline bool same_error(int ret, int want)
{
	if (want == ANY_OF_EINVAL_EOPNOTSUPP)
		return ret == -EINVAL || ret == -EOPNOTSUPP;
	if (want == ANY_OF_EINVAL_ERANGE)
		return ret == -EINVAL || ret == -ERANGE;
	return ret == want;
}

/* `good` with one field changed, and the answer. */
#define EXPECT_VISIT(change, err)                            \
	do {                                                 \
		v = good;                                    \
		v.change;                                    \
		assert_int_equal(iod_visit(t->pt, &v), err); \
	} while (0)

#define EXPECT_SWEEP(change, err)                            \
	do {                                                 \
		s = good;                                    \
		s.change;                                    \
		assert_int_equal(iod_sweep(t->pt, &s), err); \
	} while (0)

/*
 * A struct that is filled: NULL, size 0, too small, bigger with a zero tail, with a non-zero
 * tail.
 */
#define CHECK_INFO(type, fn, obj)                            \
	do {                                                 \
		struct {                                     \
			type info;                           \
			uint64_t tail;                       \
		} y;                                         \
		memset(&y, 0, sizeof(y));                    \
		assert_int_equal(fn(obj, NULL), -EINVAL);    \
		assert_int_equal(fn(obj, &y.info), -EINVAL); \
		y.info.size = sizeof(size_t);                \
		assert_int_equal(fn(obj, &y.info), -EINVAL); \
		y.info.size = sizeof(y);                     \
		assert_int_equal(fn(obj, &y.info), 0);       \
		assert_int_equal(y.info.size, sizeof(y));    \
		y.tail = 1;                                  \
		assert_int_equal(fn(obj, &y.info), -E2BIG);  \
	} while (0)

#endif
