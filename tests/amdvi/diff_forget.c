/* SPDX-License-Identifier: MIT */
/*
 * What the emulated AMD IOMMU forgets, against the model of the commands: entries, directories, GCR3 table entries, host
 * tables below guests' and device table entries change under warm caches, random commands are consumed, and whatever the
 * model says that they remove must not be seen any more.
 */
#include <inttypes.h>

#include "emurig.h"
#include "mdl_amdvi.h"

#define SPACES		     6u
#define REGIONS		     2u /* of 2 MiB */
#define PAGES		     4u /* of each region */
#define OLDS		     64u
#define DATAS		     1064u
#define IOVA		     UINT64_C(0x40000000)
#define LEAF_AT(table, page) ((table) + (page)*8u)

/* What must have been removed, in one go, before a unit is what memory says. */
enum { NEED_LEAF = 1, NEED_TABLE = 2, NEED_DTE = 4, NEED_HOST = 8 };

/* Libraries that are wrong on purpose: a command that is not consumed, one without PDE, one of another PASID. */
enum { TWIN_NONE, TWIN_SKIP, TWIN_PDE, TWIN_PASID, TWIN_LAST };

enum kind { HOST, GUEST, NESTED };

/* A table as a device (and PASID) uses it: two roots, each region with two leaf tables, of which one is in use. */
static const struct space {
	enum kind kind;
	uint32_t devid, pasid;
	unsigned domain;
} spaces[SPACES] = {
	{ HOST, 0, 0, 5 },  { HOST, 1, 0, 6 },	 { GUEST, 2, 1, 7 },
	{ GUEST, 2, 2, 7 }, { NESTED, 3, 1, 8 }, { NESTED, 3, 2, 8 },
};

struct unit {
	unsigned needs, nr_old;
	uint64_t old[OLDS];
};

struct world {
	struct amdrig r;
	uint64_t gcr3[SPACES], host_root;
	uint64_t root[SPACES][2], dir[SPACES][2][REGIONS], leaf[SPACES][2][REGIONS][2];
	struct unit unit[SPACES][REGIONS][PAGES];
	struct unit host[DATAS]; /* by guest page: what the host had it mapped to */
	struct mdl_amdvi_id id;
	int twin;
	unsigned fresh, stale, checked, mismatches;
};

static uint64_t rng = 1;

static uint64_t below(uint64_t n)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return (rng * UINT64_C(0x2545f4914f6cdd1d) >> 16) % n;
}

static bool chance(unsigned int percent)
{
	return below(100) < percent;
}

static uint64_t iova_of(unsigned region, unsigned page)
{
	return IOVA + region * UINT64_C(0x200000) + page * UINT64_C(4096);
}

static uint64_t some_data(void)
{
	return RIG_DATA + below(DATAS) * 4096;
}

static uint64_t off_of(unsigned s)
{
	return spaces[s].kind == NESTED ? RIG_GPA : 0;
}

static uint64_t leaf_entry(unsigned s, uint64_t pa)
{
	return spaces[s].kind == HOST ? pa | V1_RW : (pa + off_of(s)) | V2_RW;
}

/* ---- tables ---- */

static void build_root(struct world *w, unsigned s, unsigned k)
{
	struct amdrig *r = &w->r;
	unsigned region, alt, page;
	uint64_t table;

	w->root[s][k] = rig_page(r);
	for (region = 0; region < REGIONS; region++) {
		uint64_t iova = iova_of(region, 0);

		if (spaces[s].kind == HOST) {
			rig_map_host(r, w->root[s][k], iova, 0);
			table = rig_host_leaf(r, w->root[s][k], iova);
		} else {
			rig_map_guest(r, w->root[s][k], iova, 0, off_of(s));
			table = rig_guest_leaf(r, w->root[s][k], iova, off_of(s));
		}
		w->leaf[s][k][region][0] = table;
		w->leaf[s][k][region][1] = rig_page(r);
		for (alt = 0; alt < 2; alt++)
			for (page = 0; page < PAGES; page++)
				rig_w64(r, LEAF_AT(w->leaf[s][k][region][alt], page),
					leaf_entry(s, some_data()));
	}
}

/* Where the directory entry of a region lies: found by walking down one level less. */
static void find_dirs(struct world *w, unsigned s, unsigned k)
{
	unsigned region, shift;
	uint64_t table;

	for (region = 0; region < REGIONS; region++) {
		uint64_t iova = iova_of(region, 0);

		table = w->root[s][k];
		for (shift = spaces[s].kind == HOST ? 30 : 39; shift > 21; shift -= 9)
			table = (rig_r64(&w->r, table + (iova >> shift & 511) * 8) &
				 UINT64_C(0xffffffffff000)) -
				off_of(s);
		w->dir[s][k][region] = table + (iova >> 21 & 511) * 8;
	}
}

static void put_root(struct world *w, unsigned s, unsigned k)
{
	if (spaces[s].kind == HOST)
		rig_dte(&w->r, spaces[s].devid, DTE_OK | DTE_MODE(3) | w->root[s][k],
			DTE1_DOM(spaces[s].domain), 0, 0);
	else
		rig_w64(&w->r, w->gcr3[s] + spaces[s].pasid * 8, (w->root[s][k] + off_of(s)) | 1);
}

static unsigned root_of(struct world *w, unsigned s)
{
	uint64_t at = spaces[s].kind == HOST ? RIG_DEVTAB + spaces[s].devid * 32u
					     : w->gcr3[s] + spaces[s].pasid * 8;
	uint64_t root = rig_r64(&w->r, at) & UINT64_C(0xffffffffff000);

	return root == w->root[s][1] + off_of(s);
}

static void world_open(struct world *w)
{
	unsigned s, k;

	rig_init(&w->r, NULL);
	w->id.efr = iod_amdvi_emu_regs(w->r.emu)->id.efr;
	rig_enable(&w->r, CTRL_ALL);
	w->host_root = rig_host(&w->r, V1_RW);
	for (s = 0; s < SPACES; s++) {
		for (k = 0; k < 2; k++) {
			build_root(w, s, k);
			find_dirs(w, s, k);
		}
		if (spaces[s].kind == GUEST)
			w->gcr3[s] = spaces[s].pasid == 1 ? rig_v2(&w->r, 2, 0, 7, 1, w->root[s][0])
							  : w->gcr3[s - 1];
		if (spaces[s].kind == NESTED)
			w->gcr3[s] = spaces[s].pasid == 1
					     ? rig_nested(&w->r, 3, 0, 8, 1, w->root[s][0])
					     : w->gcr3[s - 1];
		put_root(w, s, 0);
	}
}

/* ---- what memory says ---- */

static uint64_t entry_at(struct world *w, unsigned s, unsigned region, unsigned page)
{
	uint64_t dir = rig_r64(&w->r, w->dir[s][root_of(w, s)][region]);

	return LEAF_AT((dir & UINT64_C(0xffffffffff000)) - off_of(s), page);
}

static uint64_t gpa_of(struct world *w, unsigned s, unsigned region, unsigned page)
{
	return rig_r64(&w->r, entry_at(w, s, region, page)) & UINT64_C(0xffffffffff000);
}

static uint64_t pa_of(struct world *w, unsigned s, unsigned region, unsigned page)
{
	uint64_t addr = gpa_of(w, s, region, page);

	if (spaces[s].kind != NESTED)
		return addr;
	return rig_r64(&w->r, rig_host_leaf(&w->r, w->host_root, addr)) & UINT64_C(0xffffffffff000);
}

static void may_see(struct unit *u, uint64_t pa)
{
	unsigned i;

	for (i = 0; i < u->nr_old; i++)
		if (u->old[i] == pa)
			return;
	assert_true(u->nr_old < OLDS);
	u->old[u->nr_old++] = pa;
}

static struct unit *host_of(struct world *w, uint64_t gpa)
{
	return &w->host[(gpa - RIG_GPA - RIG_DATA) / 4096];
}

/* Before a change: what is seen now may be seen until it is removed. */
static void keep(struct world *w, unsigned s, unsigned region, unsigned page, unsigned needs)
{
	struct unit *u = &w->unit[s][region][page];

	u->needs |= NEED_LEAF | needs;
	may_see(u, pa_of(w, s, region, page));
}

/* After a change: a guest page that it leads to now may still be what it was to the host. */
static void host_lags(struct world *w, unsigned s)
{
	unsigned region, page, i;
	const struct unit *h;
	struct unit *u;

	if (spaces[s].kind != NESTED)
		return;
	for (region = 0; region < REGIONS; region++) {
		for (page = 0; page < PAGES; page++) {
			h = host_of(w, gpa_of(w, s, region, page));
			u = &w->unit[s][region][page];
			if (!h->nr_old)
				continue;
			u->needs |= NEED_LEAF | NEED_HOST;
			for (i = 0; i < h->nr_old; i++)
				may_see(u, h->old[i]);
		}
	}
}

/* ---- changes ---- */

static void change_leaf(struct world *w, unsigned s)
{
	unsigned region = (unsigned)below(REGIONS), page = (unsigned)below(PAGES);

	keep(w, s, region, page, 0);
	rig_w64(&w->r, entry_at(w, s, region, page), leaf_entry(s, some_data()));
}

static void change_table(struct world *w, unsigned s)
{
	unsigned region = (unsigned)below(REGIONS), page, k = root_of(w, s);
	uint64_t dir = rig_r64(&w->r, w->dir[s][k][region]), table;

	for (page = 0; page < PAGES; page++)
		keep(w, s, region, page, NEED_TABLE);
	table = w->leaf[s][k][region][0] + off_of(s);
	if ((dir & UINT64_C(0xffffffffff000)) == table)
		table = w->leaf[s][k][region][1] + off_of(s);
	rig_w64(&w->r, w->dir[s][k][region], (dir & ~UINT64_C(0xffffffffff000)) | table);
}

static void change_root(struct world *w, unsigned s)
{
	unsigned region, page;

	for (region = 0; region < REGIONS; region++)
		for (page = 0; page < PAGES; page++)
			keep(w, s, region, page, NEED_TABLE | NEED_DTE);
	put_root(w, s, !root_of(w, s));
}

/*
 * The host maps a page of some nested space, which others may have too, elsewhere. Where something old may be seen that
 * may lead to that page, too.
 */
static void change_host(struct world *w)
{
	uint64_t gpa =
		gpa_of(w, 4 + (unsigned)below(2), (unsigned)below(REGIONS), (unsigned)below(PAGES));
	uint64_t leaf = rig_host_leaf(&w->r, w->host_root, gpa), to = some_data();
	unsigned s, region, page;

	for (s = 4; s < SPACES; s++) {
		for (region = 0; region < REGIONS; region++) {
			for (page = 0; page < PAGES; page++) {
				if (gpa_of(w, s, region, page) == gpa)
					keep(w, s, region, page, NEED_HOST);
				else if (w->unit[s][region][page].needs)
					may_see(&w->unit[s][region][page], to);
			}
		}
	}
	may_see(host_of(w, gpa), rig_r64(&w->r, leaf) & UINT64_C(0xffffffffff000));
	rig_w64(&w->r, leaf, to | V1_RW);
}

static void change(struct world *w)
{
	unsigned s = (unsigned)below(SPACES);

	switch (below(8)) {
	case 0:
		change_root(w, s);
		break;
	case 1:
	case 2:
		change_table(w, s);
		break;
	case 3:
	case 4:
		change_host(w);
		break;
	default:
		change_leaf(w, s);
		break;
	}
	host_lags(w, s);
}

/* ---- commands ---- */

static void some_command(uint64_t word[2])
{
	const struct space *sp = &spaces[below(SPACES)];
	uint64_t addr = iova_of((unsigned)below(REGIONS), (unsigned)below(PAGES));
	unsigned lg2 = chance(50) ? 0 : 13 + (unsigned)below(12);

	if (chance(3)) {
		word[0] = CMD(8);
		word[1] = 0;
		return;
	}
	if (chance(25)) {
		word[0] = CMD(2) | sp->devid;
		word[1] = 0;
		return;
	}
	if (sp->kind == NESTED && chance(40))
		addr = RIG_GPA + some_data();
	word[0] = CMD(3) | CMD_DOM(sp->domain);
	word[1] = chance(50) ? CMD1_PDE : 0;
	if (sp->kind != HOST && chance(70)) {
		word[0] |= sp->pasid;
		word[1] |= CMD1_GN;
	}
	if (chance(30))
		word[1] |= CMD1_ALL;
	else if (lg2) /* ones up to bit lg2 - 2, and a zero */
		word[1] |= ((addr >> lg2 << lg2 | ((UINT64_C(1) << (lg2 - 1)) - 1)) &
			    ~UINT64_C(0xfff)) |
			   CMD1_S;
	else
		word[1] |= addr;
}

struct batch {
	struct mdl_amdvi_cover cover[12];
	unsigned nr;
};

static void consume(struct world *w, struct batch *b)
{
	struct mdl_amdvi_cmd c;
	uint64_t word[2], seen[2];

	for (b->nr = 0; b->nr < 12 && chance(88); b->nr++) {
		some_command(word);
		mdl_amdvi_cmd(word, &w->id, &c);
		assert_int_equal(c.verdict, MDL_AMD_OK);
		mdl_amdvi_cover(&c, &b->cover[b->nr]);
		memcpy(seen, word, sizeof(seen));
		if (w->twin == TWIN_SKIP && chance(20))
			continue;
		if (w->twin == TWIN_PDE && c.op == 3)
			seen[1] &= ~CMD1_PDE;
		if (w->twin == TWIN_PASID && c.gn)
			seen[0] ^= 3;
		rig_cmd(&w->r, seen[0], seen[1]);
	}
	rig_wait(&w->r);
}

static bool removed(const struct batch *b, const struct mdl_amdvi_cached *e)
{
	unsigned i;

	for (i = 0; i < b->nr; i++)
		if (mdl_amdvi_must_go(e, &b->cover[i]))
			return true;
	return false;
}

/* What of the needs of a unit a batch fulfils; a directory is any that leads to it. */
static unsigned fulfils(struct world *w, const struct batch *b, unsigned s, unsigned region,
			unsigned page)
{
	struct mdl_amdvi_cached e = { .guest = spaces[s].kind != HOST,
				      .domain = spaces[s].domain,
				      .pasid = spaces[s].pasid,
				      .lg2 = 12,
				      .first = iova_of(region, page) };
	unsigned got = removed(b, &e) ? NEED_LEAF : 0, i, lg2, tables = 0;

	e.table = true;
	for (lg2 = 21; lg2 <= 39; lg2 += 9) {
		e.lg2 = lg2;
		e.first = iova_of(region, page) >> lg2 << lg2;
		tables += removed(b, &e);
	}
	got |= tables == 3 ? NEED_TABLE : 0;
	for (i = 0; i < b->nr; i++)
		if (b->cover[i].dte &&
		    (b->cover[i].any_devid || b->cover[i].devid == spaces[s].devid))
			got |= NEED_DTE;
	e = (struct mdl_amdvi_cached){ .domain = spaces[s].domain, .lg2 = 12 };
	e.first = spaces[s].kind == NESTED ? gpa_of(w, s, region, page) : 0;
	got |= removed(b, &e) ? NEED_HOST : 0;
	return got;
}

/* ---- */

static void look(struct world *w, unsigned s, unsigned region, unsigned page)
{
	struct unit *u = &w->unit[s][region][page];
	uint64_t iova = iova_of(region, page) + 0x18, now = pa_of(w, s, region, page), seen;
	int64_t pasid = spaces[s].kind == HOST ? -1 : (int64_t)spaces[s].pasid;
	unsigned i;

	iodt_assert_ok(rig_access(&w->r, spaces[s].devid, pasid, iova, IOD_ACCESS_READ));
	seen = w->r.res.pa - 0x18;
	w->checked++;
	if (seen == now) {
		w->fresh++;
		return;
	}
	for (i = 0; i < u->nr_old; i++) {
		if (u->old[i] == seen) {
			w->stale++;
			return;
		}
	}
	w->mismatches++;
	if (!w->twin)
		fail_msg("space %u region %u page %u: %#" PRIx64 ", memory says %#" PRIx64
			 ", %u old ones, needs %#x",
			 s, region, page, seen, now, u->nr_old, u->needs);
}

/* Host pages that a batch removed from what is cached of the host's table. */
static void host_removed(struct world *w, const struct batch *b)
{
	struct mdl_amdvi_cached e = { .domain = spaces[4].domain, .lg2 = 12 };
	unsigned i;

	for (i = 0; i < DATAS; i++) {
		e.first = RIG_GPA + RIG_DATA + i * UINT64_C(4096);
		if (w->host[i].nr_old && removed(b, &e))
			w->host[i].nr_old = 0;
	}
}

static void each(struct world *w, const struct batch *b)
{
	unsigned s, region, page;
	struct unit *u;

	if (b)
		host_removed(w, b);
	for (s = 0; s < SPACES; s++) {
		for (region = 0; region < REGIONS; region++) {
			for (page = 0; page < PAGES; page++) {
				u = &w->unit[s][region][page];
				if (b && !(u->needs & ~fulfils(w, b, s, region, page)))
					*u = (struct unit){ 0 };
				if (!b || chance(50))
					look(w, s, region, page);
			}
		}
	}
}

/* Everything is forgotten before more is kept than there is room for. */
static void bound(struct world *w)
{
	unsigned s, region, page, most = 0;

	for (s = 0; s < SPACES; s++)
		for (region = 0; region < REGIONS; region++)
			for (page = 0; page < PAGES; page++)
				if (w->unit[s][region][page].nr_old > most)
					most = w->unit[s][region][page].nr_old;
	if (most < OLDS / 2)
		return;
	rig_cmd(&w->r, CMD(8), 0);
	rig_wait(&w->r);
	memset(w->unit, 0, sizeof(w->unit));
	memset(w->host, 0, sizeof(w->host));
}

static void run(struct world *w, unsigned rounds)
{
	struct batch b;
	unsigned i;

	world_open(w);
	each(w, NULL);
	while (rounds--) {
		bound(w);
		for (i = 1 + (unsigned)below(4); i; i--)
			change(w);
		consume(w, &b);
		each(w, &b);
	}
	rig_fini(&w->r);
}

static void random_commands(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	unsigned n = iodt_scale(6000);

	(void)state;
	assert_non_null(w);
	if (getenv("IOD_SEED"))
		rng = strtoull(getenv("IOD_SEED"), NULL, 0) | 1;
	run(w, n);
	print_message("%u accesses: %u as memory says, %u stale and rightly so\n", w->checked,
		      w->fresh, w->stale);
	assert_true(w->fresh > 10 * n && w->stale > n / 8);
	free(w);
}

static void twins(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	int twin;

	(void)state;
	assert_non_null(w);
	for (twin = TWIN_SKIP; twin < TWIN_LAST; twin++) {
		memset(w, 0, sizeof(*w));
		w->twin = twin;
		run(w, 2000);
		print_message("twin %d: %u mismatches\n", twin, w->mismatches);
		assert_true(w->mismatches > 10);
	}
	free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_commands),
		cmocka_unit_test(twins),
	};

	return cmocka_run_group_tests_name("what an AMD IOMMU forgets", tests, NULL, NULL);
}
