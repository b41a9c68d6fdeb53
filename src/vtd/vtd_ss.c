/* SPDX-License-Identifier: MIT */
/* The format vtd_ss: VT-d second stage. */
#define PT_FORMAT IOD_VTD_SS
#define PT_NAME	  "vtd_ss"
#define PT_ENGINE iod_vtd_ss_engine

#include "vtd/vtd_ss_fmt.h"

#include "format_tmpl.h"
