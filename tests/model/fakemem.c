/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fakemem.h"

#define TEXT 8192

static uint64_t *word_at(struct fakemem *m, uint64_t pa)
{
	int i;

	for (i = 0; i < m->n; i++)
		if (pa - m->region[i].pa < m->region[i].len && !(pa & 7))
			return &m->region[i].words[(pa - m->region[i].pa) / 8];
	return NULL;
}

static int fm_read64(void *cookie, uint64_t pa, uint64_t *val)
{
	uint64_t *w = word_at(cookie, pa);

	if (w)
		*val = *w;
	return w ? 0 : -1;
}

static int fm_cmpxchg64(void *cookie, uint64_t pa, uint64_t old, uint64_t new_, uint64_t *seen)
{
	struct fakemem *m = cookie;
	uint64_t *w = word_at(m, pa);

	if (!w)
		return -1;
	if (m->race_pa) {
		fm_set(m, m->race_pa, m->race_val);
		m->race_pa = 0;
	}
	*seen = *w;
	if (*w == old) {
		*w = new_;
		m->writes++;
	}
	return 0;
}

struct fakemem *fm_new(void)
{
	struct fakemem *m = calloc(1, sizeof(*m));

	assert_non_null(m);
	m->mem = (struct mdl_mem){ m, fm_read64, fm_cmpxchg64 };
	return m;
}

void fm_free(struct fakemem *m)
{
	while (m->n)
		free(m->region[--m->n].words);
	free(m);
}

void fm_add(struct fakemem *m, uint64_t pa, uint64_t len)
{
	assert_in_range(m->n, 0, FM_REGIONS - 1);
	m->region[m->n].pa = pa;
	m->region[m->n].len = len;
	m->region[m->n].words = calloc(1, len);
	assert_non_null(m->region[m->n].words);
	m->n++;
}

void fm_set(struct fakemem *m, uint64_t pa, uint64_t val)
{
	uint64_t *w = word_at(m, pa);

	assert_non_null(w);
	*w = val;
}

uint64_t fm_get(struct fakemem *m, uint64_t pa)
{
	uint64_t *w = word_at(m, pa);

	assert_non_null(w);
	return *w;
}

static int put_leaf(char *to, size_t room, const struct mdl_leaf *l)
{
	return snprintf(to, room, "%" PRIx64 " %" PRIx64 " %" PRIx64 " %c%c%c a%d d%c x%u L%d\n",
			l->iova, l->size, l->pa, l->r ? 'r' : '-', l->w ? 'w' : '-',
			l->x ? 'x' : '-', l->a, l->d < 0 ? '-' : '0' + l->d, l->items, l->level);
}

void fm_walk(const struct mdl_table *t, struct fakemem *m, uint64_t iova, const char *want)
{
	struct mdl_leaf leaf;
	char text[256];
	enum mdl_fault fault = mdl_walk(t, &m->mem, iova, &leaf);

	assert_string_equal(mdl_fault_name(fault), mdl_fault_name(MDL_OK));
	text[put_leaf(text, sizeof(text), &leaf) - 1] = 0;
	assert_string_equal(text, want);
	assert_int_equal(leaf.pte, fm_get(m, leaf.pte_pa));
}

void fm_fault(const struct mdl_table *t, struct fakemem *m, uint64_t iova, enum mdl_fault want)
{
	enum mdl_fault fault = mdl_walk(t, &m->mem, iova, NULL);

	assert_string_equal(mdl_fault_name(fault), mdl_fault_name(want));
	fault = mdl_access(t, &m->mem, iova, false, NULL);
	assert_string_equal(mdl_fault_name(fault), mdl_fault_name(want));
}

struct text {
	char s[TEXT];
	size_t n;
	uint64_t end;
};

static int add_line(void *cookie, const struct mdl_leaf *leaf)
{
	struct text *t = cookie;

	/* in order and disjoint */
	assert_true(!t->n || leaf->iova >= t->end);
	t->end = leaf->iova + leaf->size;
	t->n += (size_t)put_leaf(t->s + t->n, TEXT - t->n, leaf);
	assert_true(t->n < TEXT);
	return 0;
}

void fm_enum(const struct mdl_table *t, struct fakemem *m, uint64_t tables, const char *want)
{
	struct text text = { .n = 0 };
	uint64_t met = 0;

	assert_int_equal(mdl_enumerate(t, &m->mem, add_line, &text, &met), 0);
	assert_string_equal(text.s, want);
	assert_int_equal(met, tables);
}

void fm_access(const struct mdl_table *t, struct fakemem *m, uint64_t iova, bool write,
	       enum mdl_fault want, uint64_t pa, uint64_t val)
{
	struct mdl_leaf leaf;
	enum mdl_fault fault = mdl_access(t, &m->mem, iova, write, &leaf);

	assert_string_equal(mdl_fault_name(fault), mdl_fault_name(want));
	assert_int_equal(fm_get(m, pa), val);
	if (fault == MDL_OK)
		assert_int_equal(leaf.pte, fm_get(m, leaf.pte_pa));
}
