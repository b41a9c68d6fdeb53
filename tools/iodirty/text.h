/* SPDX-License-Identifier: MIT */
/* Messages and names: what people and the JSON output call things. */
#ifndef IODIRTY_TEXT_H
#define IODIRTY_TEXT_H

#include <iodirty/pgtable.h>

/* "iodirty: ..." and a newline on stderr. */
void complain(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Name of a format in the output: "vtd-second-stage", "amd-v1". */
const char *format_text(enum iod_format format);

/* Takes that name or the library's. @return 0, -1 */
int format_parse(const char *name, enum iod_format *format);

/* Level as the architecture counts: Arm 3 = lowest, the others 1 = lowest. */
int arch_level(enum iod_format format, uint32_t level);

/* "r-", "-w", "rw" */
const char *perm_text(uint32_t prot);

/* 0, 1, or -1 where hardware does not track it (Arm without DBM). */
int dirty_value(enum iod_format format, const struct iod_mapping *map);

/* Enough for what the two below write. */
#define TEXT_LEN 24
/* "4K", "2M", "1028K" */
const char *size_text(uint64_t len, char buf[TEXT_LEN]);
/* "00:1f.2", or the plain number of an id that is no PCI requester id */
const char *source_text(uint32_t source_id, char buf[TEXT_LEN]);

#endif
