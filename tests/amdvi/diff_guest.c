/* SPDX-License-Identifier: MIT */
/*
 * A guest's AMD-Vi commands as the host gets them, against the model of the commands: what is handled is legal for the
 * guest, what the guest wanted gone goes under the host's names, in the IOMMU and in devices, and nothing else is named.
 */
#include "amdvi/diff_amdvi.h"

#include <string.h>

#include <iodirty/amdvi_viommu.h>

#define NAMES	  4u
#define FIRST	  0x40u
#define LAST	  0x4fu
#define DEVID(n)  (0x8000u + (n))
#define VDEVID(n) (8u * (n))
#define MAX_PASID 16u
#define MAX_GUEST 24u
#define MAX_HOST  16384u

/* Libraries that are wrong on purpose. */
enum {
	TWIN_NONE,
	TWIN_DROP,
	TWIN_DOMAIN,
	TWIN_PDE,
	TWIN_DEVICE,
	TWIN_PERM,
	TWIN_HAD,
	TWIN_ATS,
	TWIN_LAST
};

struct world {
	struct diff d;
	struct iod_amdvi_viommu *v;
	struct iod_amdvi_viommu_cfg cfg;
	struct mdl_amdvi_id guest;
	uint16_t domain[NAMES];
	uint64_t word[MAX_GUEST][2];
	struct mdl_amdvi_cover host[MAX_HOST];
	size_t nr_host;
	unsigned handled, refused, asked, devices;
};

static int issue(void *cookie, const struct iod_amdvi_raw_cmd *cmds, size_t nr, bool sync,
		 size_t *issued)
{
	struct world *w = cookie;
	struct mdl_amdvi_cmd c;
	uint64_t word[2];
	size_t i;

	(void)sync;
	*issued = nr;
	for (i = 0; i < nr; i++) {
		diff_from_le(word, cmds[i].word, 2);
		mdl_amdvi_cmd(word, &w->d.mid, &c);
		assert_true(c.verdict == MDL_AMD_OK && !c.beyond_id && w->nr_host < MAX_HOST);
		assert_true(c.op == 3 || c.op == 4 || c.op == 7);
		if (c.op == 3)
			assert_in_range(c.domain, FIRST, LAST);
		else
			assert_in_range(c.devid, DEVID(0), DEVID(1));
		if (w->d.twin == TWIN_DROP && diff_chance(&w->d, 16))
			continue;
		if (w->d.twin == TWIN_DOMAIN && c.domain == w->domain[1])
			c.domain = w->domain[0];
		if (w->d.twin == TWIN_PDE)
			c.pde = false;
		if (w->d.twin == TWIN_DEVICE && c.op == 4)
			c.devid = DEVID(0);
		mdl_amdvi_cover(&c, &w->host[w->nr_host++]);
	}
	return 0;
}

static int devtab(void *cookie, uint16_t first, uint16_t last)
{
	(void)cookie;
	assert_true(first <= last);
	return 0;
}

static int interrupts(void *cookie, uint16_t vdevid)
{
	(void)cookie;
	(void)vdevid;
	return 0;
}

static void world_open(struct world *w)
{
	struct iod_amdvi_sink sink = { .size = sizeof(sink), .issue = issue, .cookie = w };
	struct iod_amdvi_vdev dev = { .size = sizeof(dev) };
	uint32_t flags = 0;
	unsigned i;

	flags |= diff_chance(&w->d, 2) ? IOD_AMDVI_VIOMMU_ALLOW_PPR : 0;
	flags |= diff_chance(&w->d, 3) ? IOD_AMDVI_VIOMMU_LITERAL : 0;
	w->cfg = (struct iod_amdvi_viommu_cfg){ .size = sizeof(w->cfg),
						.host = w->d.id,
						.sink = &sink,
						.flags = flags | IOD_AMDVI_VIOMMU_ACCEPT_WAIT,
						.first_domain = FIRST,
						.last_domain = LAST,
						.max_pasid = MAX_PASID,
						.devtab = devtab,
						.interrupts = interrupts,
						.cookie = w };
	iodt_assert_ok(iod_amdvi_viommu_expose(&w->cfg.guest, &w->d.id,
					       flags & IOD_AMDVI_VIOMMU_ALLOW_PPR));
	if (diff_chance(&w->d, 3))
		w->cfg.guest.efr &= ~IOD_AMDVI_EFR_IASUP;
	w->guest = (struct mdl_amdvi_id){ w->cfg.guest.efr, w->cfg.guest.efr2 };
	iodt_assert_ok(iod_amdvi_viommu_create(&w->v, &w->cfg));
	for (i = 0; i < NAMES; i++) {
		iodt_assert_ok(iod_amdvi_viommu_map_domain(w->v, (uint16_t)i, &w->domain[i]));
		dev.vdevid = (uint16_t)VDEVID(i);
		dev.devid = (uint16_t)DEVID(i);
		dev.state = i < 2 ? IOD_VDEV_ON : i == 2 ? IOD_VDEV_ATS_OFF : IOD_VDEV_BLOCKED;
		iodt_assert_ok(iod_amdvi_viommu_add(w->v, &dev));
	}
}

/* One that the guest might mean, now and then with a bit wrong. */
static void some_command(struct diff *d, uint64_t w[2])
{
	static const unsigned ops[] = { 1, 2, 3, 3, 3, 3, 3, 3, 4, 4, 4, 5, 7, 8 };
	unsigned op = ops[diff_below(d, diff_chance(d, 4) ? 14 : 11)];
	unsigned pasid = diff_below(d, MAX_PASID), dev = VDEVID(diff_below(d, NAMES));
	uint64_t addr = (diff_random(d) >> diff_below(d, 52)) & ~UINT64_C(0xfff);
	bool gn = diff_chance(d, 2);

	w[0] = (uint64_t)op << 60;
	w[1] = addr | (gn ? 4 : 0) | diff_chance(d, 2);
	if (diff_chance(d, 2))
		w[1] |= ((UINT64_C(1) << diff_below(d, 52)) - 1) & ~UINT64_C(0xfff);
	if (diff_chance(d, 8))
		w[1] |= UINT64_C(0x7ffffffffffff001);
	if (diff_chance(d, 2))
		w[1] &= ~UINT64_C(0xfff) | 5; /* and few different ones, to be joined */
	if (op == 3) {
		w[0] |= (uint64_t)diff_below(d, NAMES + diff_chance(d, 8)) << 32 | (gn ? pasid : 0);
		w[1] |= diff_chance(d, 2) ? 2 : 0;
	} else if (op == 4) {
		w[0] |= dev | (uint64_t)dev << 32;
		w[0] |= gn ? (uint64_t)(pasid & 0xff) << 48 : 0;
	} else if (op == 7) {
		w[0] |= dev | (uint64_t)pasid << 32;
		w[1] = (uint64_t)diff_below(d, 512) << 32 | 4;
	} else {
		w[0] |= op == 2 || op == 5 ? dev : 0;
		w[1] = 0;
	}
	if (diff_chance(d, 40))
		w[diff_below(d, 2)] ^= UINT64_C(1) << diff_below(d, 64);
}

/* ---- what must go ---- */

static void must_go(struct world *w, const struct mdl_amdvi_cached *e, const uint64_t cmd[2])
{
	size_t i;

	w->asked++;
	for (i = 0; i < w->nr_host; i++)
		if (mdl_amdvi_must_go(e, &w->host[i]))
			return;
	diff_mismatch(&w->d, "%016llx %016llx: stays: %s %s of 2^%u at %#llx, domain %#x pasid %u",
		      (unsigned long long)cmd[0], (unsigned long long)cmd[1],
		      e->guest ? "guest" : "host", e->table ? "directory" : "leaf", e->lg2,
		      (unsigned long long)e->first, e->domain, e->pasid);
}

/* Something that the guest's command is about, under the host's name; guests have no host tables. */
static void check_pages(struct world *w, const struct mdl_amdvi_cover *v, const uint64_t cmd[2])
{
	struct diff *d = &w->d;
	unsigned vdomain = v->any_tag ? diff_below(d, NAMES) : v->domain, k;
	uint64_t at[3] = { v->first, v->last, v->first + (v->last - v->first) / 3 };
	struct mdl_amdvi_cached e = { .guest = true, .pasid = v->pasid };

	if (!v->guest || v->undefined || vdomain >= NAMES)
		return;
	if (v->any_tag)
		e.pasid = diff_below(d, MAX_PASID);
	e.domain = w->domain[vdomain];
	for (k = 0; k < 6; k++) {
		e.table = v->tables && k >= 3;
		e.lg2 = 12 + 9 * (e.table + diff_below(d, 3));
		e.first = at[k % 3] >> e.lg2 << e.lg2;
		must_go(w, &e, cmd);
	}
}

static void check_device(struct world *w, const struct mdl_amdvi_cover *v, const uint64_t cmd[2])
{
	uint64_t at[3] = { v->first, v->last, v->first + (v->last - v->first) / 3 };
	unsigned k;
	size_t i;

	if (!v->atc || v->undefined || v->devid > VDEVID(1))
		return;
	for (k = 0; k < 3; k++) {
		w->devices++;
		for (i = 0; i < w->nr_host; i++) {
			const struct mdl_amdvi_cover *h = &w->host[i];

			if (h->atc && h->devid == DEVID(v->devid / 8) &&
			    h->atc_pasid == v->atc_pasid &&
			    (!v->atc_pasid || h->pasid == v->pasid) && h->first <= at[k] &&
			    h->last >= at[k])
				break;
		}
		if (i == w->nr_host)
			diff_mismatch(&w->d, "%016llx %016llx: the device keeps %#llx",
				      (unsigned long long)cmd[0], (unsigned long long)cmd[1],
				      (unsigned long long)at[k]);
	}
}

/* ---- batches ---- */

static void one_batch(struct world *w)
{
	struct iod_guest_result res = { .size = sizeof(res) };
	struct iod_amdvi_raw_cmd raw[MAX_GUEST];
	size_t i, nr = 1 + diff_below(&w->d, MAX_GUEST);
	struct mdl_amdvi_cover v;
	struct mdl_amdvi_cmd c;
	int ret;

	for (i = 0; i < nr; i++) {
		some_command(&w->d, w->word[i]);
		diff_to_le(raw[i].word, w->word[i], 2);
	}
	w->nr_host = 0;
	ret = iod_amdvi_viommu_invalidate(w->v, raw, nr, &res);
	assert_true(res.handled <= nr && (ret ? res.handled < nr : res.handled == nr));
	for (i = 0; i < res.handled; i++) {
		mdl_amdvi_cmd(w->word[i], &w->guest, &c);
		if (c.verdict == MDL_AMD_ILLEGAL || c.beyond_id)
			diff_mismatch(&w->d, "%016llx %016llx is handled",
				      (unsigned long long)w->word[i][0],
				      (unsigned long long)w->word[i][1]);
		mdl_amdvi_cover(&c, &v);
		check_pages(w, &v, w->word[i]);
		check_device(w, &v, w->word[i]);
	}
	w->handled += (unsigned)res.handled;
	w->refused += ret != 0;
}

static void run(struct world *w, unsigned worlds)
{
	unsigned i;

	while (worlds--) {
		world_open(w);
		for (i = 0; i < 20; i++)
			one_batch(w);
		iodt_assert_ok(iod_amdvi_viommu_destroy(w->v));
	}
}

static void random_batches(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	unsigned n = iodt_scale(400);

	(void)state;
	assert_non_null(w);
	diff_start(&w->d);
	run(w, n);
	print_message(
		"%u handled, %u batches refused; %u cached entries asked for, %u in devices\n",
		w->handled, w->refused, w->asked, w->devices);
	assert_true(w->handled > 50 * n && w->asked > 100 * n && w->devices > 20 * n);
	free(w);
}

/* ---- device table entries ---- */

static void some_guest_dte(struct diff *d, uint64_t w[4])
{
	memset(w, 0, 32);
	w[0] = (diff_chance(d, 10) ? 0 : 1) | (diff_chance(d, 10) ? 0 : 2) |
	       (diff_random(d) & 3) << 61;
	w[1] = diff_below(d, NAMES) | (diff_random(d) & 7) << 32;
	if (!diff_chance(d, 4)) { /* GV, GIOV, GLX, GCR3, GuestPagingMode */
		w[0] |= UINT64_C(1) << 55 | (diff_random(d) & 1) << 54 |
			(uint64_t)diff_below(d, 3) << 56 | (diff_random(d) & 7) << 58;
		w[1] |= (diff_random(d) & 0xffff) << 16 | diff_random(d) << 43;
		w[2] = (diff_random(d) & 1) << 54;
	}
	if (diff_chance(d, 4))
		w[diff_below(d, 4)] ^= UINT64_C(1) << diff_below(d, 64);
}

static void some_host_dte(struct diff *d, uint64_t w[4])
{
	memset(w, 0, 32);
	w[0] = 0x983 | 0x888000 | (diff_random(d) & 3) << 61; /* HAD 3, Mode 4 */
	w[1] = 0x30 | (diff_random(d) & 1) << 32;
	w[2] = 1 | diff_below(d, 16) << 1 | 0x777000;
}

static bool blocks(const struct mdl_dte *o)
{
	return o->v && (!o->tv || (!o->ir && !o->iw));
}

/* @return NULL, or what is wrong with the host's entry that came of a guest's */
static const char *wrong_entry(const struct world *w, const struct mdl_dte *g,
			       const struct mdl_dte *h, const struct mdl_dte *o, unsigned n)
{
	bool guest = g->v && g->tv && g->gv;
	const char *why;

	if (mdl_dte_verdict(o, &w->d.mid, &why) != MDL_AMD_OK)
		return why;
	if (!o->v || o->iv != h->iv || o->introot != h->introot || o->inttablen != h->inttablen)
		return "interrupts";
	if (o->i && (!g->i || !h->i || n > 1))
		return "ATS";
	if (g->v && !g->tv)
		return blocks(o) ? NULL : "TV = 0 does not block";
	if ((o->ir && !(h->ir && (g->ir || !g->v))) || (o->iw && !(h->iw && (g->iw || !g->v))))
		return "more is permitted";
	if (blocks(o))
		return (h->ir && (g->ir || !g->v)) || (h->iw && (g->iw || !g->v)) ? "blocks" : NULL;
	if (o->mode != h->mode || o->root != h->root || o->had != h->had || o->gv != guest)
		return "tables";
	if (guest && (o->gcr3 != g->gcr3 || o->glx != g->glx || o->giov != g->giov ||
		      o->guestpagingmode != g->guestpagingmode))
		return "guest tables";
	return o->domain == (guest ? w->domain[g->domain] : h->domain) ? NULL : "DomainID";
}

/* The library's answer, or a worse one. */
static void take_entry(const struct world *w, const struct iod_amdvi_raw_dte *raw,
		       struct mdl_dte *o)
{
	uint64_t words[4];

	diff_from_le(words, raw->word, 4);
	mdl_dte_decode(words, o);
	if (w->d.twin == TWIN_PERM)
		o->iw = true;
	if (w->d.twin == TWIN_HAD)
		o->had = 0;
	if (w->d.twin == TWIN_ATS)
		o->i = true;
}

/* @return how many were taken */
static unsigned run_entries(struct world *w, unsigned count)
{
	struct iod_amdvi_raw_dte rg, rh, ro;
	unsigned n, taken = 0;
	uint64_t words[4];
	struct mdl_dte g, h, o;
	const char *why;

	world_open(w);
	while (count--) {
		some_guest_dte(&w->d, words);
		diff_to_le(rg.word, words, 4);
		mdl_dte_decode(words, &g);
		some_host_dte(&w->d, words);
		diff_to_le(rh.word, words, 4);
		mdl_dte_decode(words, &h);
		n = diff_below(&w->d, NAMES);
		if (g.domain >= NAMES ||
		    iod_amdvi_viommu_vdte(w->v, (uint16_t)VDEVID(n), &rg, &rh, &ro, NULL, NULL))
			continue;
		taken++;
		if (mdl_dte_verdict(&g, &w->guest, &why) == MDL_AMD_ILLEGAL)
			diff_mismatch(&w->d, "taken: %s", why);
		take_entry(w, &ro, &o);
		why = wrong_entry(w, &g, &h, &o, n);
		if (why)
			diff_mismatch(&w->d, "%s", why);
	}
	iodt_assert_ok(iod_amdvi_viommu_destroy(w->v));
	return taken;
}

static void entries(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	unsigned n = iodt_scale(60000), taken;

	(void)state;
	assert_non_null(w);
	diff_start(&w->d);
	taken = run_entries(w, n);
	print_message("%u of %u taken\n", taken, n);
	assert_true(taken > n / 2);
	free(w);
}

static void twins(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	int twin;

	(void)state;
	assert_non_null(w);
	for (twin = TWIN_DROP; twin < TWIN_LAST; twin++) {
		diff_start(&w->d);
		w->d.twin = twin;
		if (twin < TWIN_PERM)
			run(w, 20);
		else
			run_entries(w, 2000);
		print_message("twin %d: %u mismatches\n", twin, w->d.mismatches);
		assert_true(w->d.mismatches > 10);
	}
	free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_batches),
		cmocka_unit_test(entries),
		cmocka_unit_test(twins),
	};

	return cmocka_run_group_tests_name("guests' AMD-Vi commands against the model", tests, NULL,
					   NULL);
}
