/* SPDX-License-Identifier: MIT */
/*
 * The cheapest set of aligned blocks for a batch.
 *
 * Ranges of one kind that touch are joined and cut into the aligned blocks that they are made of. These are the
 * leaves of a binary trie; each of its nodes is either left to its two halves or becomes one block that covers
 * more than was asked for, whichever costs less. That takes time in proportion to the blocks.
 *
 * With both kinds in a batch, those for tables come first. Those for leaves may then reach over what loses its table
 * entries, too, as that is invalidated anyway, and leave out what is covered already. Or all goes as if tables had
 * changed everywhere, if that is cheaper in spite of the walk caches that are lost for nothing.
 */
#include "inv_blocks.h"

#include "inv_sort.h"

/* Blocks kept until it is known what they cost. */
#define BLOCKS_MAX 384u
/* Spans of a kind: what blocks for tables leave of a batch's leaves may be in more pieces. */
#define SPANS_MAX (2 * INV_BATCH + 1)
/* Nodes on one path. */
#define DEPTH_MAX 66u
/* Pages whose translations share an entry of the lowest table of tables. */
#define TABLE_LG2 9u
/* Pages of the largest leaf where hardware minds: 1 GiB. */
#define LEAF_LG2_MAX 18u

#define HALF	     BIT64(63)

struct block {
	uint64_t first;
	uint32_t nr; /* one behind the other */
	uint8_t lg2;
	bool leaf;
};

struct blocks {
	struct block block[BLOCKS_MAX];
	size_t n;
	bool full; /* there were more */
};

struct node {
	uint64_t first, wanted, cost;
	size_t at; /* its blocks are those from here on */
};

/* Spans of one kind becoming blocks. */
struct cover {
	struct blocks *to;
	uint64_t block_cost, page_cost;
	unsigned max_lg2;
	bool all_tables;
	bool leaf;
	/* What must be covered; no blocks are made of the rest. NULL: everything must. */
	const struct span *need;
	size_t nr_need;
	struct node node[DEPTH_MAX];
	unsigned depth;
};

static uint64_t cost_add(uint64_t a, uint64_t b)
{
	return a + b < a ? UINT64_MAX : a + b;
}

static uint64_t cost_mul(uint64_t a, uint64_t b)
{
	return b && a > UINT64_MAX / b ? UINT64_MAX : a * b;
}

/* ---- the trie ---- */

static void put_block(struct cover *c, uint64_t first, uint64_t nr, unsigned lg2)
{
	if (c->to->n == BLOCKS_MAX || nr > INV_MAX_SINGLES) {
		c->to->full = true;
		return;
	}
	c->to->block[c->to->n++] = (struct block){
		.first = first, .nr = (uint32_t)nr, .lg2 = (uint8_t)lg2, .leaf = c->leaf
	};
}

/* lg2 of the block that holds both; they are not in one another. */
static inline unsigned node_lg2(const struct node *a, const struct node *b)
{
	return fls64(a->first ^ b->first) + 1;
}

/* The last two become the node above them. */
static void node_join(struct cover *c)
{
	struct node *a = &c->node[c->depth - 2], *b = &c->node[c->depth - 1];
	unsigned lg2 = node_lg2(a, b);
	uint64_t whole;

	c->depth--;
	a->first = align_down(a->first, lg2);
	a->wanted += b->wanted;
	a->cost = cost_add(a->cost, b->cost);
	if (lg2 > c->max_lg2)
		return;
	whole = cost_add(c->block_cost, cost_mul(BIT64(lg2) - a->wanted, c->page_cost));
	if (whole > a->cost)
		return;
	c->to->n = a->at;
	a->cost = whole;
	put_block(c, a->first, 1, lg2);
}

/* Whether something of [first, last] must be covered; ranges come in order. */
static bool is_needed(struct cover *c, uint64_t first, uint64_t last)
{
	if (!c->need)
		return true;
	while (c->nr_need && c->need->last < first) {
		c->need++;
		c->nr_need--;
	}
	return c->nr_need && c->need->first <= last;
}

/* nr blocks behind all that came before; more than one only if they are as large as can be. */
static void node_add(struct cover *c, uint64_t first, uint64_t nr, unsigned lg2)
{
	struct node node = { .first = first, .wanted = nr << lg2 };

	while (c->depth > 1 && node_lg2(&c->node[c->depth - 2], &c->node[c->depth - 1]) <
				       node_lg2(&c->node[c->depth - 1], &node))
		node_join(c);
	node.at = c->to->n;
	if (is_needed(c, first, first + (node.wanted - 1))) {
		node.cost = cost_mul(nr, c->block_cost);
		put_block(c, first, nr, lg2);
	}
	c->node[c->depth++] = node;
}

/* How many of nr largest blocks are needed, or are not, like the first. */
static uint64_t run_length(struct cover *c, uint64_t first, uint64_t nr)
{
	uint64_t alike;

	if (!c->need || !is_needed(c, first, first + ((nr << c->max_lg2) - 1)))
		return nr;
	if (c->need->first > first && (c->need->first - first) >> c->max_lg2)
		return (c->need->first - first) >> c->max_lg2;
	alike = ((c->need->last - first) >> c->max_lg2) + 1;
	return alike < nr ? alike : nr;
}

/* The aligned blocks that a span is made of. */
static void cover_span(struct cover *c, uint64_t first, uint64_t last)
{
	uint64_t nr;
	unsigned lg2;

	for (; first <= last; first += nr << lg2) {
		nr = 1;
		lg2 = fls64(last - first + 1);
		if (first && ctz64(first) < lg2)
			lg2 = ctz64(first);
		if (lg2 >= c->max_lg2) {
			lg2 = c->max_lg2;
			nr = run_length(c, first, (last - first + 1) >> lg2);
		}
		node_add(c, first, nr, lg2);
	}
}

/* Adds blocks for spans, which are in order and joined. @return what they cost; UINT64_MAX: there is no room */
static uint64_t cover(struct cover *c, const struct span *span, size_t nr)
{
	size_t i;

	c->depth = 0;
	c->to->full = false;
	for (i = 0; i < nr && !c->to->full; i++)
		cover_span(c, span[i].first, span[i].last);
	if (!nr)
		return 0;
	while (c->depth > 1)
		node_join(c);
	return c->to->full ? UINT64_MAX : c->node[0].cost;
}

/* ---- both kinds ---- */

struct spans {
	struct span span[SPANS_MAX];
	size_t nr;
};

/* Ranges come in order of their first page. */
static inline void spans_add(struct spans *s, uint64_t first, uint64_t last)
{
	struct span *prev = s->nr ? &s->span[s->nr - 1] : NULL;

	if (!prev || first > prev->last + 1)
		s->span[s->nr++] = (struct span){ first, last };
	else if (last > prev->last)
		prev->last = last;
}

static uint64_t spans_pages(const struct spans *s)
{
	uint64_t n = 0;
	size_t i;

	for (i = 0; i < s->nr; i++)
		n += s->span[i].last - s->span[i].first + 1;
	return n;
}

static void spans_union(struct spans *out, const struct spans *a, const struct spans *b)
{
	size_t i = 0, k = 0;

	out->nr = 0;
	while (i < a->nr || k < b->nr) {
		bool from_a = k == b->nr || (i < a->nr && a->span[i].first < b->span[k].first);
		const struct span *s = from_a ? &a->span[i++] : &b->span[k++];

		spans_add(out, s->first, s->last);
	}
}

/* What of a is not in b. */
static void spans_without(struct spans *out, const struct spans *a, const struct spans *b)
{
	size_t i, k = 0;

	out->nr = 0;
	for (i = 0; i < a->nr; i++) {
		uint64_t first = a->span[i].first, last = a->span[i].last;

		while (k < b->nr && b->span[k].last < first)
			k++;
		for (; k < b->nr && b->span[k].first <= last && first <= last; k++) {
			if (b->span[k].first > first)
				spans_add(out, first, b->span[k].first - 1);
			first = b->span[k].last + 1;
			if (b->span[k].last >= last)
				break;
		}
		if (first <= last)
			spans_add(out, first, last);
	}
}

static void spans_of_blocks(struct spans *out, const struct blocks *b)
{
	size_t i;

	out->nr = 0;
	for (i = 0; i < b->n; i++)
		spans_add(out, b->block[i].first,
			  b->block[i].first + ((uint64_t)b->block[i].nr << b->block[i].lg2) - 1);
}

/* Blocks for tables, and those for leaves that they leave. */
static uint64_t cover_apart(struct cover *c, const struct spans *leaves, const struct spans *tables)
{
	struct spans done, reach, need;
	uint64_t cost;

	c->to->n = 0;
	c->leaf = false;
	c->need = NULL;
	cost = cover(c, tables->span, tables->nr);
	if (c->to->full) /* a cost alone may be as high, and the leaves must follow then */
		return cost;
	spans_of_blocks(&done, c->to);
	spans_union(&reach, leaves, &done);
	spans_without(&need, leaves, &done);
	c->leaf = true;
	c->need = need.span;
	c->nr_need = need.nr;
	return cost_add(cost, cover(c, reach.span, reach.nr));
}

/* As if tables had changed everywhere: walks are lost where they had not. */
static uint64_t cover_as_tables(struct cover *c, const struct spans *leaves,
				const struct spans *tables)
{
	struct spans all;
	uint64_t lost, cost;

	spans_union(&all, leaves, tables);
	lost = (spans_pages(&all) - spans_pages(tables) + low_mask(TABLE_LG2)) >> TABLE_LG2;
	c->to->n = 0;
	c->leaf = false;
	c->need = NULL;
	cost = cover(c, all.span, all.nr);
	return cost_add(cost, cost_mul(lost, c->page_cost));
}

/* ---- a batch ---- */

static void sort_out(const struct iod_inv *items, size_t nr, bool all_tables, struct spans *leaves,
		     struct spans *tables)
{
	uint64_t key[INV_SORT_MAX];
	size_t i;

	for (i = 0; i < nr; i++)
		key[i] = items[i].iova >> INV_PAGE_LG2 << INV_SORT_LG2 | i;
	inv_sort(key, nr);
	leaves->nr = tables->nr = 0;
	for (i = 0; i < nr; i++) {
		const struct iod_inv *item = &items[key[i] & (INV_SORT_MAX - 1)];

		spans_add((item->flags & IOD_INV_LEAF_ONLY) && !all_tables ? leaves : tables,
			  key[i] >> INV_SORT_LG2, item->last >> INV_PAGE_LG2);
	}
}

static uint64_t cheapest(struct cover *c, const struct iod_inv *items, size_t nr)
{
	struct spans leaves, tables;
	uint64_t as_tables, apart;

	sort_out(items, nr, c->all_tables, &leaves, &tables);
	c->to->n = 0;
	c->need = NULL;
	if (!leaves.nr || !tables.nr) {
		c->leaf = leaves.nr;
		return leaves.nr ? cover(c, leaves.span, leaves.nr)
				 : cover(c, tables.span, tables.nr);
	}
	as_tables = cover_as_tables(c, &leaves, &tables);
	apart = cover_apart(c, &leaves, &tables);
	return as_tables < apart ? cover_as_tables(c, &leaves, &tables) : apart;
}

static uint64_t count_commands(const struct blocks *b)
{
	uint64_t n = 0;
	size_t i;

	for (i = 0; i < b->n; i++)
		n += b->block[i].nr;
	return n;
}

static void put_all(struct inv_out *o, const struct inv_block_form *form, const struct blocks *b)
{
	uint32_t pos = 0, k;
	uint16_t domain;
	size_t i;

	while (inv_next_domain(o->inv, &pos, &domain))
		for (i = 0; i < b->n; i++)
			for (k = 0; k < b->block[i].nr && inv_out_room(o, 1); k++)
				form->put(o, domain,
					  b->block[i].first + ((uint64_t)k << b->block[i].lg2),
					  b->block[i].lg2, b->block[i].leaf);
}

/*
 * Whether a block can be as large as any page that changed: a smaller one need not take that along (VT-d 6.5.2.3).
 * Pages of unknown levels may be as large as there is room for.
 */
static bool takes_leaves(const struct inv_block_form *form, const struct iod_inv *item)
{
	uint64_t first = item->iova >> INV_PAGE_LG2, last = item->last >> INV_PAGE_LG2;
	unsigned lg2 = TABLE_LG2;

	if (form->max_lg2 >= LEAF_LG2_MAX || (item->flags & IOD_INV_NO_LEAVES))
		return true;
	if (item->leaf_levels)
		return fls64(item->leaf_levels) * TABLE_LG2 <= form->max_lg2;
	while (lg2 <= form->max_lg2)
		lg2 += TABLE_LG2;
	return align_down(first + low_mask(lg2), lg2) + low_mask(lg2) > last;
}

/* Whether blocks can name it. Nothing reaches from one half of the addresses into the other. */
static bool is_nameable(const struct inv_block_form *form, const struct iod_inv *item)
{
	return !((item->iova ^ item->last) & HALF) && takes_leaves(form, item);
}

bool iod_inv_blocks(struct inv_out *o, const struct inv_block_form *form,
		    const struct iod_inv *items, size_t nr, uint64_t *budget)
{
	const struct inv_core *inv = o->inv;
	struct blocks blocks;
	struct cover c;
	uint64_t cost;
	size_t i;

	for (i = 0; i < nr; i++)
		if (!is_nameable(form, &items[i]))
			return false;
	c.to = &blocks;
	c.block_cost = inv->cost.command << inv->repeat;
	c.page_cost = inv->cost.page;
	c.max_lg2 = form->max_lg2;
	c.all_tables = form->all_tables;
	cost = cheapest(&c, items, nr);
	if (blocks.full && nr > 1)
		return iod_inv_blocks(o, form, items, nr / 2, budget) &&
		       iod_inv_blocks(o, form, items + nr / 2, nr - nr / 2, budget);
	if (blocks.full || cost > *budget || count_commands(&blocks) > INV_MAX_SINGLES)
		return false;
	*budget -= cost;
	put_all(o, form, &blocks);
	return true;
}

uint64_t iod_inv_blocks_most(const struct inv_block_form *form, const struct iod_inv *item)
{
	uint64_t n = (item->last >> INV_PAGE_LG2) - (item->iova >> INV_PAGE_LG2) + 1;
	uint64_t most = 2 * fls64(n) + 2 + (n >> form->max_lg2);

	if (!is_nameable(form, item))
		return UINT64_MAX;
	return n < most ? n : most;
}
