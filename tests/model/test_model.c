/* SPDX-License-Identifier: MIT */
/* Self-test of the oracle. TEST_DATA_DIR (environment or macro) has the dumps. */
#include "fakemem.h"

int main(void)
{
	int bad = 0;

	bad += mdl_test_arm();
	bad += mdl_test_arm_ad();
	bad += mdl_test_vtd();
	bad += mdl_test_amd();
	bad += mdl_test_amdvi();
	bad += mdl_test_edge();
	bad += mdl_test_smmu();
	bad += mdl_test_smmu_legal();
	bad += mdl_test_smmu_walk();
	bad += mdl_test_tools();
	bad += mdl_test_data();
	return bad != 0;
}
