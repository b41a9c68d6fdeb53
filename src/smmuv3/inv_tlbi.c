/* SPDX-License-Identifier: MIT */
/*
 * A batch of a gather as TLBIs: the fewest that cover exactly what was asked for (Arm IHI 0070, 4.4).
 *
 * With range commands items that touch or overlap are joined first; a range may begin anywhere, so that one
 * command covers it, or two that overlap. Commands for leaves alone may reach over what loses its table entries
 * too, as that is invalidated anyway; not the other way round.
 *
 * Without them each command has one address, and removes the entries that translate it, whatever their size.
 * So there is one for each leaf or table entry of the smallest size that an item names; none where a smaller
 * item has an address inside of a larger one's.
 */
#include "smmuv3/inv.h"

#include "inv_sort.h"

#define INV_HALF    BIT64(63)
#define INV_IPA_MAX MASK64(51, 0)

/* An item in granules, or in slots of 2^stride granules. */
struct inv_part {
	uint64_t first, last;
	uint64_t address; /* slots: the first granule that was asked for */
	uint32_t leaf_levels;
	uint8_t stride;
	bool leaf;   /* nothing but leaves */
	bool strict; /* table entries are known not to have changed: a level hint is allowed */
};

/*
 * Parts and the order of them: keys, whose low bits say which part it is. Ranges are in order of their first
 * granule; slots by size, what goes for table entries first, and then so.
 */
struct inv_parts {
	struct inv_part part[INV_BATCH];
	uint64_t key[INV_BATCH];
	size_t nr;
	unsigned granule_lg2;
};

#define KEY_WHICH	 (INV_BATCH - 1)
#define KEY_FIRST_SHIFT	 5  /* log2 of INV_BATCH */
#define KEY_LEAF_SHIFT	 57 /* granules have 52 bits at most */
#define KEY_STRIDE_SHIFT 58
#define KEY_CLASS	 (~UINT64_C(0) << KEY_LEAF_SHIFT)

/* ---- the order of parts ---- */

static inline const struct inv_part *part_at(const struct inv_parts *p, size_t i)
{
	return &p->part[p->key[i] & KEY_WHICH];
}

static inline uint64_t part_key(const struct inv_part *part, size_t which, bool slots)
{
	uint64_t key = part->first << KEY_FIRST_SHIFT | which;

	if (slots)
		key |= (uint64_t)part->stride << KEY_STRIDE_SHIFT | (uint64_t)part->leaf
									    << KEY_LEAF_SHIFT;
	return key;
}

static void parts_sort(struct inv_parts *p)
{
	inv_sort(p->key, p->nr);
}

static inline bool part_touches(const struct inv_part *a, const struct inv_part *b)
{
	return b->first <= a->last || b->first - 1 == a->last;
}

/* 0 says that levels are not known, and so it is for both then. */
static inline uint32_t levels_join(uint32_t a, uint32_t b)
{
	return a && b ? a | b : 0;
}

/* Two ranges say no more than this; and one need not reach from the lower half into the upper (4.4.1). */
static inline bool parts_fit(const struct inv_parts *p, const struct inv_part *a,
			     const struct inv_part *b)
{
	return (b->last <= a->last || b->last - a->first < 2 * SPAN_SCALED_MAX) &&
	       !((a->first ^ b->last) & (INV_HALF >> p->granule_lg2));
}

static inline void part_join(struct inv_part *to, const struct inv_part *from)
{
	if (from->last > to->last)
		to->last = from->last;
	to->leaf_levels = levels_join(to->leaf_levels, from->leaf_levels);
	to->strict &= from->strict;
}

/* ---- ranges ---- */

/*
 * The level hint for a command at this granule (TTL): only leaves of one level changed, and the command
 * begins where such a leaf may. With 16 KiB granules level 1 has no hint; level 0 never has.
 */
static inline unsigned part_ttl(const struct inv_parts *p, const struct inv_part *part,
				uint64_t first)
{
	unsigned level;

	if (!part->strict || !is_pow2(part->leaf_levels))
		return 0;
	level = ctz64(part->leaf_levels);
	if (level > 2 || (level == 2 && p->granule_lg2 == 14) ||
	    !is_aligned(first, level * (p->granule_lg2 - 3)))
		return 0;
	return 3 - level;
}

/*
 * One command for n granules, which are n >> scale times 2^scale. One granule without a hint must not look like a
 * range (4.4.1).
 */
static inline void put_range(struct inv_out *o, const struct inv_parts *p,
			     const struct inv_part *part, uint64_t first, uint64_t n,
			     unsigned scale)
{
	unsigned ttl = part_ttl(p, part, first);
	uint64_t w0 = inv_of(o->inv)->narrow, w1 = first << p->granule_lg2 | part->leaf;

	if (n > 1 || ttl) {
		w0 |= CMD_PUT(CMD0_NUM, (n >> scale) - 1) | CMD_PUT(CMD0_SCALE, scale);
		w1 |= CMD_PUT(CMD1_TG, cmd_lg2_tg(p->granule_lg2)) | CMD_PUT(CMD1_TTL, ttl);
	}
	inv_out_put(o, w0, w1);
}

/*
 * The part, and nothing outside of [first, last], which holds it. With less than 2^scale units left behind the
 * longest command from the start, the shortest one that covers those fits in front of the end, too.
 */
static void put_part(struct inv_out *o, const struct inv_parts *p, const struct inv_part *part,
		     uint64_t first, uint64_t last)
{
	uint64_t n = part->last - part->first + 1, from = part->first, head, ceil;
	unsigned scale = span_scale(n);

	head = n > SPAN_SCALED_MAX ? SPAN_SCALED_MAX : align_down(n, scale);
	if (n == head) {
		put_range(o, p, part, from, n, scale);
		return;
	}
	ceil = head + BIT64(scale);
	if (n < SPAN_SCALED_MAX && ceil - 1 <= last - first) {
		if (ceil - 1 > last - from)
			from = last - (ceil - 1);
		put_range(o, p, part, from, ceil, scale);
		return;
	}
	put_range(o, p, part, from, head, scale);
	scale = span_scale(n - head);
	ceil = align_down(n - head + low_mask(scale), scale);
	put_range(o, p, part, part->last - (ceil - 1), ceil, scale);
}

/* What of a part for leaves is in none of the n parts for tables, from its first to its last such granule. */
static bool part_outside(const struct inv_part *table, size_t n, const struct inv_part *part,
			 struct inv_part *out)
{
	size_t i;

	*out = *part;
	for (i = 0; i < n; i++)
		if (table[i].first <= out->first && table[i].last >= out->first) {
			if (table[i].last >= out->last)
				return false;
			out->first = table[i].last + 1;
		}
	for (i = n; i--;)
		if (table[i].first <= out->last && table[i].last >= out->last)
			out->last = table[i].first - 1;
	return true;
}

/* Parts i to before `to` that touch each other, with both kinds among them; [first, last] is what they cover. */
static void put_mixed(struct inv_out *o, const struct inv_parts *p, size_t i, size_t to,
		      uint64_t last)
{
	struct inv_part table[INV_BATCH], rest = { 0 }, piece;
	uint64_t first = part_at(p, i)->first;
	size_t from = i, n = 0, k;
	bool any = false;

	for (; i < to; i++) {
		if (part_at(p, i)->leaf)
			continue;
		if (n && part_touches(&table[n - 1], part_at(p, i)))
			part_join(&table[n - 1], part_at(p, i));
		else
			table[n++] = *part_at(p, i);
	}
	for (k = 0; k < n; k++)
		put_part(o, p, &table[k], table[k].first, table[k].last);
	for (i = from; i < to; i++) {
		if (!part_at(p, i)->leaf || !part_outside(table, n, part_at(p, i), &piece))
			continue;
		if (!any)
			rest = piece;
		else
			part_join(&rest, &piece);
		if (piece.first < rest.first)
			rest.first = piece.first;
		any = true;
	}
	if (any)
		put_part(o, p, &rest, first, last);
}

/* At most two commands for a part. */
static void put_ranges(struct inv_out *o, struct inv_parts *p)
{
	size_t i, to;

	parts_sort(p);
	for (i = 0; i < p->nr; i = to) {
		const struct inv_part *part = part_at(p, i);
		/* field by field: what was stored by bytes is slow to load in one piece */
		struct inv_part all = { .first = part->first,
					.last = part->last,
					.leaf_levels = part->leaf_levels,
					.leaf = part->leaf,
					.strict = part->strict };
		bool mixed = false;

		for (to = i + 1; to < p->nr && part_touches(&all, part_at(p, to)) &&
				 parts_fit(p, &all, part_at(p, to));
		     to++) {
			mixed |= part_at(p, to)->leaf != all.leaf;
			part_join(&all, part_at(p, to));
		}
		if (mixed)
			put_mixed(o, p, i, to, all.last);
		else
			put_part(o, p, &all, all.first, all.last);
	}
}

/* ---- single addresses ---- */

/* lg2 of the granules of the smallest entry that the item names. */
static unsigned inv_stride(const struct iod_inv *inv)
{
	bool leaf = inv->flags & IOD_INV_LEAF_ONLY;
	bool known = (inv->leaf_levels || (inv->flags & IOD_INV_NO_LEAVES)) &&
		     (leaf || inv->table_levels);
	uint32_t levels = inv->leaf_levels | (leaf ? 0 : inv->table_levels);
	unsigned stride;

	if (!known)
		return 0;
	stride = ctz64(levels) * (inv->granule_lg2 - 3);
	return stride < 52 ? stride : 52;
}

/* Whether an address of [first, last] (granules) is among those of the first n parts, as good as one of `part`. */
static bool slot_is_hit(const struct inv_parts *p, size_t n, const struct inv_part *part,
			uint64_t first, uint64_t last)
{
	size_t i;

	for (i = 0; i < n; i++) {
		const struct inv_part *s = &p->part[i];

		if ((part->leaf || !s->leaf) && s->first <= last >> s->stride &&
		    s->last >= first >> s->stride)
			return true;
	}
	return false;
}

/* Part i; the first n are of other sizes or kinds. */
static void put_slots(struct inv_out *o, const struct inv_parts *p, size_t i, size_t n)
{
	const struct inv_part *part = &p->part[i];
	uint64_t slot = part->first, first, last;
	bool near;

	first = slot << part->stride;
	last = part->last << part->stride | low_mask(part->stride);
	near = slot_is_hit(p, n, part, first, last);
	for (; slot <= part->last && inv_out_room(o, 1); slot++) {
		first = slot << part->stride;
		if (near && slot_is_hit(p, n, part, first, first | low_mask(part->stride)))
			continue;
		if (first < part->address)
			first = part->address;
		inv_out_put(o, inv_of(o->inv)->narrow, first << p->granule_lg2 | part->leaf);
	}
}

/* In order, those of one size and kind joined. */
static void parts_join(struct inv_parts *joined, struct inv_parts *p)
{
	struct inv_part *to = joined->part;
	size_t i;

	parts_sort(p);
	joined->granule_lg2 = p->granule_lg2;
	joined->nr = 0;
	for (i = 0; i < p->nr; i++) {
		const struct inv_part *part = part_at(p, i);

		if (i && !((p->key[i] ^ p->key[i - 1]) & KEY_CLASS) && part_touches(to, part)) {
			part_join(to, part);
			continue;
		}
		to = &joined->part[joined->nr];
		*to = *part;
		joined->key[joined->nr++] = p->key[i];
	}
}

/* One command for each slot of each part. */
static void put_addresses(struct inv_out *o, const struct inv_parts *p)
{
	size_t i, n = 0; /* the first of this size and kind */

	for (i = 0; i < p->nr; i++) {
		if ((p->key[i] ^ p->key[n]) & KEY_CLASS)
			n = i;
		put_slots(o, p, i, n);
	}
}

/* How many there would be, or a little more. */
static uint64_t slots_count(const struct inv_parts *p)
{
	uint64_t n = 0;
	size_t i;

	for (i = 0; i < p->nr; i++)
		n += p->part[i].last - p->part[i].first + 1;
	return n;
}

/* ---- a batch ---- */

/* False: no narrow command covers it. */
static bool parts_add(const struct iod_smmuv3_inv *inv, struct inv_parts *p,
		      const struct iod_inv *item)
{
	struct inv_part *part = &p->part[p->nr];
	unsigned lg2 = item->granule_lg2;

	if (inv->stage2 ? item->last > INV_IPA_MAX : (item->iova ^ item->last) & INV_HALF)
		return false;
	part->first = item->iova >> lg2;
	part->last = item->last >> lg2;
	part->leaf_levels = item->leaf_levels;
	part->leaf = item->flags & IOD_INV_LEAF_ONLY;
	part->strict = part->leaf && !item->table_levels;
	if (!inv->ranges) {
		part->address = part->first;
		part->stride = (uint8_t)inv_stride(item);
		part->first >>= part->stride;
		part->last >>= part->stride;
	}
	p->key[p->nr] = part_key(part, p->nr, !inv->ranges);
	p->nr++;
	return !inv->ranges || part->last - part->first < 2 * SPAN_SCALED_MAX;
}

/* Commands that fit into the budget. */
static uint64_t narrow_limit(const struct inv_core *core, uint64_t budget)
{
	uint64_t limit = budget / core->cost.command;

	return core->repeat ? limit / 2 : limit;
}

/* Parts of one granule; *left are what may be put. @return false: they take the wide command */
static bool put_narrow(struct inv_out *o, struct inv_parts *p, uint64_t *left)
{
	struct inv_parts joined;
	uint64_t slots;
	size_t n;

	if (!inv_of(o->inv)->ranges) {
		parts_join(&joined, p);
		slots = slots_count(&joined);
		if (slots > *left || slots > INV_MAX_SINGLES)
			return false;
		*left -= slots;
		put_addresses(o, &joined);
		return true;
	}
	if (!inv_out_room(o, 2 * (size_t)p->nr))
		return true;
	n = o->n;
	put_ranges(o, p);
	if (o->n - n > *left) {
		o->n = n;
		return false;
	}
	*left -= o->n - n;
	return true;
}

bool iod_smmuv3_inv_narrow(struct inv_out *o, const struct iod_inv *items, size_t nr,
			   uint64_t *budget)
{
	const struct inv_core *core = o->inv;
	uint64_t limit = narrow_limit(core, *budget), left = limit;
	struct inv_parts p;
	size_t i, n;

	for (i = 0; i < nr; i += n) {
		p.nr = 0;
		p.granule_lg2 = items[i].granule_lg2;
		while (i + p.nr < nr && items[i + p.nr].granule_lg2 == p.granule_lg2)
			if (!parts_add(inv_of(core), &p, &items[i + p.nr]))
				return false;
		n = p.nr;
		if (!put_narrow(o, &p, &left))
			return false;
	}
	*budget -= (limit - left) * core->cost.command * (core->repeat ? 2 : 1);
	return true;
}

uint64_t iod_smmuv3_inv_most(const struct inv_core *core, const struct iod_inv *item)
{
	if (inv_of(core)->ranges)
		return 2;
	return ((item->last - item->iova) >> item->granule_lg2 >> inv_stride(item)) + 2;
}
