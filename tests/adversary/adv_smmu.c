/* SPDX-License-Identifier: MIT */
/*
 * Invalidations as an SMMU gets them: in some worlds of Arm formats what a gather asks for becomes SMMUv3
 * commands by the library's encoder, and reaches the caches as those commands, decoded, say. These caches take
 * levels literally. Queues have tests of their own.
 */
#include "adv.h"

#define RAW_MAX 4096

static struct iod_smmuv3_inv_cfg random_cfg(const struct adv_world *w, struct iod_smmuv3_id *id,
					    struct iod_inv_cost *cost, uint64_t *rng)
{
	bool stage1 = w->cfg.v->format == IOD_ARM_LPAE_S1, levels = w->cfg.twin == ADV_LEAF_TTL;
	struct iod_smmuv3_inv_cfg cfg = {
		.size = sizeof(cfg),
		.id = id,
		.stage = stage1 ? 1 : 2,
		.asid = stage1 ? 7 : 0,
		.vmid = 3,
		.cost = cost,
	};

	*cost = (struct iod_inv_cost){ .size = sizeof(*cost) };
	cost->command = 1;
	cost->sync = 1;
	/* What is wide now and then hides what the narrow ones forget. */
	cost->domain = cost->global = adv_chance(rng, 20) && !levels ? 8 : 60;
	cost->device = 1 + adv_below(rng, 20);
	cost->device_page = 1 + adv_below(rng, 3);
	cost->device_all = 50;
	iod_smmuv3_id_full(id);
	if (adv_chance(rng, 30) && !levels)
		id->idr[3] &= ~IOD_SMMUV3_IDR3_RIL;
	if (stage1 && adv_chance(rng, 15)) {
		cfg.flags |= IOD_SMMUV3_INV_ALL_ASIDS;
		cfg.asid = 0;
	}
	if (adv_chance(rng, 15))
		cfg.flags |= IOD_SMMUV3_INV_REPEAT;
	return cfg;
}

bool adv_smmu_open(struct adv_world *w, uint64_t *rng)
{
	struct iod_smmuv3_ats_device dev = { .size = sizeof(dev) };
	struct iod_smmuv3_inv_cfg cfg;
	struct iod_inv_cost cost;
	struct iod_smmuv3_id id;
	int ret;

	if (!(iodt_caps(w->cfg.v) & IODT_ARM) ||
	    (w->cfg.twin != ADV_LEAF_TTL && adv_chance(rng, 50)))
		return true;
	cfg = random_cfg(w, &id, &cost, rng);
	ret = iod_smmuv3_inv_create(&w->smmu, &cfg);
	for (; dev.sid < ADV_AGENTS && !ret; dev.sid++)
		if (w->agent[dev.sid].flags & IOD_IOTLB_ATC)
			ret = iod_smmuv3_inv_add_device(w->smmu, &dev);
	return !ret;
}

void adv_smmu_close(struct adv_world *w)
{
	if (w->smmu)
		iod_smmuv3_inv_destroy(w->smmu);
}

/* Requirement row 103: what is cut off is named by the level that its leaves would be at. */
static void break_level(struct adv_world *w, struct iod_smmuv3_cmd *cmd)
{
	if (!w->cfg.broken || w->cfg.twin != ADV_LEAF_TTL || cmd->leaf || !cmd->tg)
		return;
	cmd->ttl = 3;
}

static size_t obey_tlbi(struct adv_world *w, struct iod_smmuv3_cmd *cmd, uint64_t domain,
			adv_obey_fn obey)
{
	struct iod_cmd_effect effect;
	uint32_t i, nr;
	struct iod_inv *inv;

	break_level(w, cmd);
	if (iod_smmuv3_cmd_effect(&effect, cmd)) {
		adv_fail(w, false, "a command without a meaning");
		return 0;
	}
	inv = w->cfg.v->format == IOD_ARM_LPAE_S1 ? effect.s1 : effect.s2;
	nr = w->cfg.v->format == IOD_ARM_LPAE_S1 ? effect.nr_s1 : effect.nr_s2;
	for (i = 0; i < nr; i++) {
		inv[i].domain = domain; /* of the only table there is */
		inv[i].domain_ignore = 0;
	}
	for (i = 0; i < ADV_AGENTS; i++)
		if (!(w->agent[i].flags & IOD_IOTLB_ATC))
			obey(w, &w->agent[i], inv, nr);
	return nr;
}

static void obey_atc(struct adv_world *w, const struct iod_smmuv3_cmd *cmd, uint64_t domain,
		     adv_obey_fn obey)
{
	struct iod_inv inv = { .kind = IOD_INV_RANGE, .domain = domain };

	if (cmd->sid >= ADV_AGENTS || iod_smmuv3_cmd_atc_range(cmd, &inv.iova, &inv.last)) {
		adv_fail(w, false, "an ATC_INV to nowhere");
		return;
	}
	obey(w, &w->agent[cmd->sid], &inv, 1);
}

void adv_smmu_deliver(struct adv_world *w, const struct iod_inv *inv, size_t nr, bool atc,
		      adv_obey_fn obey)
{
	struct iod_smmuv3_raw_cmd *raw = calloc(RAW_MAX, sizeof(*raw));
	struct iod_smmuv3_cmd cmd;
	uint64_t domain = inv[0].domain;
	size_t i, n = 0, done = 0;
	int ret;

	ret = (atc ? iod_smmuv3_inv_encode_atc : iod_smmuv3_inv_encode)(w->smmu, inv, nr, raw,
									RAW_MAX, &n);
	if (!raw || ret)
		adv_fail(w, false, "%zu invalidations are no commands: %d", nr, ret);
	for (i = 0; i < n && !ret; i++) {
		ret = iod_smmuv3_cmd_decode(&cmd, &raw[i], NULL, NULL);
		if (ret)
			adv_fail(w, false, "an illegal command: %d", ret);
		else if (atc)
			obey_atc(w, &cmd, domain, obey);
		else
			done += obey_tlbi(w, &cmd, domain, obey);
	}
	if (!atc && !ret && !done)
		adv_fail(w, false, "%zu invalidations invalidate nothing", nr);
	free(raw);
}
