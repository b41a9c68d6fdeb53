/* SPDX-License-Identifier: MIT */
/* Capability registers of a unit that has everything, as modelled. */
#include "vtd/id.h"

#include <errno.h>

#include "bits.h"

#define FIELD(mask, value) ((uint64_t)(value) * ((mask) & (~(mask) + 1)))

#define SAGAW_ALL	   0xe /* 3, 4 and 5 levels */
#define SSLPS_ALL	   3
#define VERSION_5_0	   0x50u
/* Where the registers are, over 16: behind all others. */
#define FRO 0x40
#define IRO 0x50

int iod_vtd_id_full(struct iod_vtd_id *id)
{
	if (!id)
		return -EINVAL;
	*id = (struct iod_vtd_id){
		.ver = VERSION_5_0,
		.cap = FIELD(IOD_VTD_CAP_ND, 6) | FIELD(IOD_VTD_CAP_SAGAW, SAGAW_ALL) |
		       FIELD(IOD_VTD_CAP_MGAW, 56) | IOD_VTD_CAP_ZLR | FIELD(IOD_VTD_CAP_FRO, FRO) |
		       FIELD(IOD_VTD_CAP_SSLPS, SSLPS_ALL) | IOD_VTD_CAP_PSI |
		       FIELD(IOD_VTD_CAP_NFR, 7) | FIELD(IOD_VTD_CAP_MAMV, AM_MAX) |
		       IOD_VTD_CAP_DWD | IOD_VTD_CAP_DRD | IOD_VTD_CAP_FS1GP | IOD_VTD_CAP_FS5LP,
		.ecap = IOD_VTD_ECAP_C | IOD_VTD_ECAP_QI | IOD_VTD_ECAP_DT | IOD_VTD_ECAP_PT |
			IOD_VTD_ECAP_SC | FIELD(IOD_VTD_ECAP_IRO, IRO) | IOD_VTD_ECAP_NEST |
			IOD_VTD_ECAP_PRS | IOD_VTD_ECAP_SRS |
			FIELD(IOD_VTD_ECAP_PSS, PASID_BITS_MAX - 1) | IOD_VTD_ECAP_PASID |
			IOD_VTD_ECAP_PDS | IOD_VTD_ECAP_SMTS | IOD_VTD_ECAP_SSADS |
			IOD_VTD_ECAP_SSTS | IOD_VTD_ECAP_FSTS | IOD_VTD_ECAP_SMPWCS |
			IOD_VTD_ECAP_RPS | IOD_VTD_ECAP_ADMS | IOD_VTD_ECAP_SMS,
	};
	return 0;
}
