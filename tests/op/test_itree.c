/* SPDX-License-Identifier: MIT */
/* The tree of intervals against a plain array: order, what touches what, balance. */
#include "iodtest.h"

#include "itree.h"

#define NODES 300

struct world {
	struct itree tree;
	struct itree_node node[NODES];
	bool in[NODES];
	uint64_t rng;
};

static uint64_t below(struct world *w, uint64_t n)
{
	w->rng = w->rng * 6364136223846793005u + 1442695040888963407u;
	return (w->rng >> 33) % n;
}

/* The tree below n is a search tree, balanced, and each node knows what is below it; its height. */
static int check(const struct itree_node *n, const struct itree_node *up, uint64_t lo, uint64_t hi,
		 size_t *count)
{
	int h[2];
	uint64_t max;
	bool called;

	if (!n)
		return 0;
	++*count;
	assert_ptr_equal(n->up, up);
	assert_true(n->first >= lo && n->first <= hi);
	h[0] = check(n->child[0], n, lo, n->first, count);
	h[1] = check(n->child[1], n, n->first, hi, count);
	assert_true(abs(h[0] - h[1]) <= 1);
	max = n->last;
	called = n->called;
	if (n->child[0] && n->child[0]->max > max)
		max = n->child[0]->max;
	if (n->child[1] && n->child[1]->max > max)
		max = n->child[1]->max;
	called = called || (n->child[0] && n->child[0]->any_called) ||
		 (n->child[1] && n->child[1]->any_called);
	assert_int_equal(n->max, max);
	assert_int_equal(n->any_called, called);
	assert_int_equal(n->height, (h[0] > h[1] ? h[0] : h[1]) + 1);
	return n->height;
}

static void change(struct world *w)
{
	size_t i = (size_t)below(w, NODES);
	struct itree_node *n = &w->node[i];

	if (w->in[i] && below(w, 3)) {
		iod_itree_remove(&w->tree, n);
		w->in[i] = false;
	} else if (w->in[i]) {
		if (below(w, 2))
			iod_itree_set_last(n, n->first + below(w, 400));
		else
			iod_itree_call(n, below(w, 2));
	} else {
		/* Few first addresses, so that some are equal; and the top of the space. */
		n->first = below(w, 20) ? below(w, 500) * 3 : UINT64_MAX - below(w, 10);
		n->last = n->first + below(w, below(w, 9) ? 20 : 500);
		if (n->last < n->first)
			n->last = UINT64_MAX;
		n->called = !below(w, 10);
		iod_itree_insert(&w->tree, n);
		w->in[i] = true;
	}
}

/* Everything that touches [first, last], each once and in order. */
static void check_touching(struct world *w, uint64_t first, uint64_t last)
{
	bool seen[NODES] = { false };
	struct itree_node *n;
	uint64_t before = 0;
	size_t i;

	for (n = iod_itree_first(&w->tree, first, last); n; n = iod_itree_next(n, first, last)) {
		i = (size_t)(n - w->node);
		assert_true(w->in[i] && !seen[i] && n->first >= before);
		seen[i] = true;
		before = n->first;
	}
	for (i = 0; i < NODES; i++)
		assert_int_equal(seen[i],
				 w->in[i] && w->node[i].first <= last && w->node[i].last >= first);
}

static void check_called(struct world *w)
{
	struct itree_node *n = iod_itree_called(&w->tree);
	size_t i;

	for (i = 0; i < NODES; i++)
		if (w->in[i] && w->node[i].called)
			assert_true(n && n->first <= w->node[i].first);
	assert_true(!n || n->called);
}

static void against_array(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	unsigned int i, steps = iodt_scale(20000);
	size_t count, have;
	uint64_t at;

	assert_non_null(w);
	for (i = 0; i < steps; i++) {
		change(w);
		at = below(w, 1800);
		check_touching(w, at, at + below(w, 100));
		check_called(w);
		if (i % 16)
			continue;
		check_touching(w, 0, UINT64_MAX);
		check_touching(w, UINT64_MAX - below(w, 12), UINT64_MAX);
		count = have = 0;
		check(w->tree.root, NULL, 0, UINT64_MAX, &count);
		for (at = 0; at < NODES; at++)
			have += w->in[at];
		assert_int_equal(count, have);
	}
	free(w);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(against_array),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
