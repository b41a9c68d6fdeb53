/* SPDX-License-Identifier: MIT */
/*
 * The ground: a balanced tree of intervals, which may overlap; nodes are part of the caller's objects.
 *
 * An AVL tree by first address, each node with the largest last address below it. The height is bounded for
 * every order of calls (1.44 log2 n), so that a guest who chooses addresses gains nothing by it.
 *
 * A node can be called for: itree_call() marks it, itree_called() finds those that are, in order, in
 * O(log n) each.
 *
 * Locking: the caller's.
 */
#ifndef IOD_ITREE_H
#define IOD_ITREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct itree_node {
	struct itree_node *up, *child[2];
	uint64_t first, last; /* inclusive */
	uint64_t max;	      /* the largest last address here and below */
	uint8_t height;	      /* of a leaf: 1 */
	bool called;
	bool any_called; /* here or below */
};

struct itree {
	struct itree_node *root;
};

/* Adds a node, whose first, last and called are set; what has the same first address comes before it. */
void iod_itree_insert(struct itree *tree, struct itree_node *node);
void iod_itree_remove(struct itree *tree, struct itree_node *node);
/* Changes where a node ends. */
void iod_itree_set_last(struct itree_node *node, uint64_t last);

/* The node with the lowest first address that touches [first, last], or NULL. */
struct itree_node *iod_itree_first(const struct itree *tree, uint64_t first, uint64_t last);
/* The next such node after this one. */
struct itree_node *iod_itree_next(struct itree_node *node, uint64_t first, uint64_t last);

void iod_itree_call(struct itree_node *node, bool called);
/* The called node with the lowest first address, or NULL. */
struct itree_node *iod_itree_called(const struct itree *tree);

#endif
