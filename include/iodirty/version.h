/* SPDX-License-Identifier: MIT */
/**
 * @file version.h
 * Version of the library, at compile time and at run time.
 */
#ifndef IODIRTY_VERSION_H
#define IODIRTY_VERSION_H

#include <iodirty/types.h>

#define IOD_VERSION_MAJOR 0
#define IOD_VERSION_MINOR 1
#define IOD_VERSION_PATCH 0

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Version of the library that is linked, as "MAJOR.MINOR.PATCH".
 * @return a constant string; never NULL.
 */
IOD_API const char *iod_version_string(void);

#ifdef __cplusplus
}
#endif

#endif
