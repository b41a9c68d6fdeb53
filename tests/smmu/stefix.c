/* SPDX-License-Identifier: MIT */
#include "stefix.h"

static void check_rule(const struct stefix_rule *r)
{
	struct stefix_words words = stefix_with(*r->base, r->set);
	struct iod_smmuv3_raw_ste raw = stefix_ste(&words);
	struct iod_smmuv3_id id = stefix_id(r->id);
	struct mdl_smmu_id mdl_id = stefix_mdl_id(&id);
	struct iod_smmuv3_ste ste;
	const char *why = "?";
	struct mdl_ste mdl;
	int ret;

	iodt_assert_ok(iod_smmuv3_ste_decode(&ste, &raw));
	ret = iod_smmuv3_ste_check(&ste, &id, r->flags, &why);
	if (ret != (r->why ? IOD_SMMUV3_C_BAD_STE : 0) ||
	    (r->why ? !why || strncmp(why, r->why, strlen(r->why)) : why != NULL))
		fail_msg("%s: %d, %s", r->name, ret, why ? why : "legal");
	assert_int_equal(iod_smmuv3_ste_check(&ste, &id, r->flags, NULL), ret);
	/* The independent model knows no such flag; it leaves overlays and MPAM alone. */
	mdl_ste_decode(words.w, &mdl);
	if (!r->flags && !mdl_ste_beyond(&mdl, &mdl_id) &&
	    !(r->why && !strncmp(r->why, "VMSPtr", 6)))
		if (!mdl_ste_illegal(&mdl, &mdl_id) != !r->why)
			fail_msg("%s: the model says otherwise", r->name);
}

void stefix_check_stes(const struct stefix_rule *rules, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		check_rule(&rules[i]);
}
