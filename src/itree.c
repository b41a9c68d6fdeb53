/* SPDX-License-Identifier: MIT */
/* The balanced tree of intervals. */
#include "itree.h"

/* ---- balance ---- */

static int height(const struct itree_node *n)
{
	return n ? n->height : 0;
}

/* What a node knows of those below it. */
static void update(struct itree_node *n)
{
	const struct itree_node *c;
	unsigned i;

	n->height = 1;
	n->max = n->last;
	n->any_called = n->called;
	for (i = 0; i < 2; i++) {
		c = n->child[i];
		if (!c)
			continue;
		if (n->height < c->height + 1)
			n->height = (uint8_t)(c->height + 1);
		if (n->max < c->max)
			n->max = c->max;
		n->any_called = n->any_called || c->any_called;
	}
}

/* Puts `now` in the place of n, below whatever n is below. */
static void replace(struct itree *tree, const struct itree_node *n, struct itree_node *now)
{
	if (!n->up)
		tree->root = now;
	else
		n->up->child[n->up->child[1] == n] = now;
	if (now)
		now->up = n->up;
}

/* The child on the other side comes up. */
static struct itree_node *rotate(struct itree *tree, struct itree_node *n, unsigned side)
{
	struct itree_node *c = n->child[!side], *mid = c->child[side];

	replace(tree, n, c);
	c->child[side] = n;
	n->up = c;
	n->child[!side] = mid;
	if (mid)
		mid->up = n;
	update(n);
	update(c);
	return c;
}

/* From n up to the root: what is below n was changed. */
static void mend(struct itree *tree, struct itree_node *n)
{
	int lean;
	unsigned deep;

	for (; n; n = n->up) {
		update(n);
		lean = height(n->child[1]) - height(n->child[0]);
		if (lean >= -1 && lean <= 1)
			continue;
		deep = lean > 0;
		if (height(n->child[deep]->child[!deep]) > height(n->child[deep]->child[deep]))
			rotate(tree, n->child[deep], deep);
		n = rotate(tree, n, !deep);
	}
}

/* ---- changes ---- */

void iod_itree_insert(struct itree *tree, struct itree_node *node)
{
	struct itree_node *up = NULL, **at = &tree->root;

	while (*at) {
		up = *at;
		at = &up->child[node->first >= up->first];
	}
	node->up = up;
	node->child[0] = node->child[1] = NULL;
	*at = node;
	mend(tree, node);
}

void iod_itree_remove(struct itree *tree, struct itree_node *node)
{
	struct itree_node *next = node->child[1], *from;

	if (!node->child[0] || !next) {
		replace(tree, node, node->child[0] ? node->child[0] : next);
		mend(tree, node->up);
		return;
	}
	/* The next one, which has no left child, takes its place. */
	while (next->child[0])
		next = next->child[0];
	from = next->up == node ? next : next->up;
	replace(tree, next, next->child[1]);
	replace(tree, node, next);
	next->child[0] = node->child[0];
	next->child[1] = node->child[1];
	next->child[0]->up = next;
	if (next->child[1])
		next->child[1]->up = next;
	mend(tree, from);
}

/* Heights are as they were. */
static void update_up(struct itree_node *n)
{
	for (; n; n = n->up)
		update(n);
}

void iod_itree_set_last(struct itree_node *node, uint64_t last)
{
	node->last = last;
	update_up(node);
}

void iod_itree_call(struct itree_node *node, bool called)
{
	node->called = called;
	update_up(node);
}

/* ---- looking ---- */

/* The lowest node at or below n that touches [first, last]; n->max >= first. */
static struct itree_node *lowest(struct itree_node *n, uint64_t first, uint64_t last)
{
	for (;;) {
		/* If anything on the left reaches as far as first, either one there touches, or all on
		 * the right begin behind last as well. */
		if (n->child[0] && n->child[0]->max >= first)
			n = n->child[0];
		else if (n->first > last)
			return NULL;
		else if (n->last >= first)
			return n;
		else if (n->child[1] && n->child[1]->max >= first)
			n = n->child[1];
		else
			return NULL;
	}
}

struct itree_node *iod_itree_first(const struct itree *tree, uint64_t first, uint64_t last)
{
	return tree->root && tree->root->max >= first ? lowest(tree->root, first, last) : NULL;
}

struct itree_node *iod_itree_next(struct itree_node *node, uint64_t first, uint64_t last)
{
	struct itree_node *n = node->child[1];

	for (;;) {
		if (n && n->max >= first)
			return lowest(n, first, last);
		/* Up, to the first one that lies to the right. */
		for (; node->up && node->up->child[1] == node; node = node->up)
			;
		node = node->up;
		if (!node || node->first > last)
			return NULL;
		if (node->last >= first)
			return node;
		n = node->child[1];
	}
}

struct itree_node *iod_itree_called(const struct itree *tree)
{
	struct itree_node *n = tree->root;

	if (!n || !n->any_called)
		return NULL;
	for (;;) {
		if (n->child[0] && n->child[0]->any_called)
			n = n->child[0];
		else if (n->called)
			return n;
		else
			n = n->child[1];
	}
}
