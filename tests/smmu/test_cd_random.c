/* SPDX-License-Identifier: MIT */
/* The rules of context descriptors (5.4), at random, against the model. */
#include "stefix.h"

/* Near-legal structures on random SMMUs, below random streams: the model judges them alike. */
static void random_against_model(void **state)
{
	const struct stefix_words *stes[] = { &stefix_s1, &stefix_nested, &stefix_el2,
					      &stefix_stalld, &stefix_nested32 };
	const struct stefix_words *bases[] = { &stefix_lower, &stefix_both };
	struct iodt t = { .rng = 31 };
	unsigned nr_legal = 0;

	for (unsigned i = 0; i < 300000; i++) {
		const struct stefix_words *ste_words = stes[iodt_random(&t) % 5];
		struct stefix_words words = *bases[iodt_random(&t) % 2];
		uint32_t flags = iodt_random(&t) & 1 ? IOD_SMMUV3_CHECK_E2H : 0;
		struct iod_smmuv3_ste ste = stefix_ste_of(ste_words);
		struct iod_smmuv3_id id = stefix_id_all;
		struct mdl_smmu_id mdl_id;
		struct iod_smmuv3_raw_cd raw;
		struct iod_smmuv3_cd cd;
		struct mdl_ste mdl_ste;
		struct mdl_cd mdl;
		const char *why;
		bool bad;

		for (unsigned n = iodt_random(&t) % 4; n; n--) {
			unsigned bit = (unsigned)(iodt_random(&t) % 192);

			words.w[bit / 64] ^= IODT_BIT(bit % 64);
		}
		for (unsigned n = iodt_random(&t) % 3; n; n--)
			id.idr[(const uint8_t[]){ 0, 0, 1, 3, 5 }[iodt_random(&t) % 5]] ^=
				1u << iodt_random(&t) % 29;
		mdl_id = stefix_mdl_id(&id);
		raw = stefix_cd(&words);
		iodt_assert_ok(iod_smmuv3_cd_decode(&cd, &raw));
		mdl_ste_decode(ste_words->w, &mdl_ste);
		mdl_cd_decode(words.w, &mdl);
		if (mdl_cd_beyond(&mdl_ste, &mdl, &mdl_id) || id.idr[5] >> 8 & 1 ||
		    (id.idr[5] & 7) == 7)
			continue;
		bad = iod_smmuv3_cd_check(&cd, &ste, &id, flags, &why);
		nr_legal += !bad;
		if (bad != !!mdl_cd_illegal(&mdl_ste, &mdl, &mdl_id, flags))
			fail_msg("%016jx %016jx %016jx on %08x %08x %08x: %s, model %s",
				 (uintmax_t)words.w[0], (uintmax_t)words.w[1],
				 (uintmax_t)words.w[2], id.idr[0], id.idr[3], id.idr[5],
				 why ? why : "legal",
				 mdl_cd_illegal(&mdl_ste, &mdl, &mdl_id, flags)
					 ? mdl_cd_illegal(&mdl_ste, &mdl, &mdl_id, flags)
					 : "legal");
	}
	assert_true(nr_legal > 80000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_against_model),
	};

	return cmocka_run_group_tests_name("smmu_cd_random", tests, NULL, NULL);
}
