/* SPDX-License-Identifier: MIT */
/* The three forms of a dump. */
#ifndef IODIRTY_OUT_H
#define IODIRTY_OUT_H

#include "survey.h"

void out_text(struct survey *survey, const struct options *opt);
void out_json(struct survey *survey);

/* A heat map. @return 0, -1 (said why) */
int out_svg(struct survey *survey, const char *name);

/* Which name the domain of a format has: "asid", "vmid" or "domain_id". */
const char *domain_name(enum iod_format format);

#endif
