/* SPDX-License-Identifier: MIT */
/* The count of a trace: see replay_model.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "replay_model.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGES	512u /* of a region of 2 MiB */
#define REGIONS 64u

struct region {
	uint64_t index;
	bool mapped[PAGES], dirty[PAGES]; /* dirty: as the leaf that maps the page */
	bool touched[PAGES], written[PAGES], delivered[PAGES]; /* in this interval */
	bool large;
	bool together;	/* at addresses side by side, so that one leaf can map it */
	unsigned clean; /* intervals in a row */
};

struct model {
	const struct rm_options *options;
	struct region regions[REGIONS];
	size_t nr;
	struct rm_count now;
};

static void born(struct model *m, struct region *r)
{
	memset(r->mapped, true, sizeof(r->mapped));
	r->large = m->options->large && m->options->policy != RM_EAGER;
	m->now.splits += m->options->large && m->options->policy == RM_EAGER;
	r->together = true;
	r->clean = 0;
}

static struct region *find(struct model *m, uint64_t index, bool add)
{
	size_t i;

	for (i = 0; i < m->nr; i++)
		if (m->regions[i].index == index)
			return &m->regions[i];
	if (!add)
		return NULL;
	assert_true(m->nr < REGIONS);
	m->regions[m->nr].index = index;
	born(m, &m->regions[m->nr]);
	return &m->regions[m->nr++];
}

/* What is not mapped around the page is mapped, elsewhere. */
static void map_hole(struct model *m, struct region *r, unsigned page)
{
	unsigned first = page, end = page;

	if (r->mapped[page])
		return;
	while (first && !r->mapped[first - 1])
		first--;
	while (end < PAGES && !r->mapped[end])
		end++;
	if (end - first == PAGES) {
		born(m, r);
		return;
	}
	memset(r->mapped + first, true, end - first);
	r->together = false;
}

static void access_page(struct model *m, uint64_t page, bool write)
{
	struct region *r = find(m, page / PAGES, true);
	unsigned i = (unsigned)(page % PAGES);

	map_hole(m, r, i);
	r->touched[i] = true;
	if (!write)
		return;
	r->written[i] = true;
	if (r->large)
		memset(r->dirty, true, sizeof(r->dirty));
	else
		r->dirty[i] = true;
}

static void unmap_region(struct model *m, struct region *r, unsigned first, unsigned end)
{
	unsigned i;

	for (i = first; i < end; i++) {
		m->now.unmapped += r->mapped[i];
		r->delivered[i] |= r->dirty[i];
		r->dirty[i] = false;
		r->mapped[i] = false;
	}
	if (end - first < PAGES)
		r->large = false;
}

static void unmap(struct model *m, uint64_t page, uint64_t last)
{
	struct region *r;
	uint64_t base;

	m->now.unmaps++;
	for (; page <= last; page = base + PAGES) {
		base = page - page % PAGES;
		r = find(m, page / PAGES, false);
		if (r)
			unmap_region(m, r, (unsigned)(page - base),
				     last - base < PAGES ? (unsigned)(last - base) + 1 : PAGES);
	}
}

/* A region at the end of an interval. */
static void end_region(struct model *m, struct region *r)
{
	const struct rm_options *o = m->options;
	unsigned unit = 1u << o->granule_lg2, i, k, mapped = 0;
	bool any = false, swept = false;

	for (i = 0; i < PAGES; i += unit) {
		bool reported = false;

		for (k = i; k < i + unit; k++) {
			reported |= r->dirty[k] || r->delivered[k];
			swept |= r->dirty[k];
			mapped += r->mapped[k];
			m->now.touched += r->touched[k];
			m->now.written += r->written[k];
			m->now.delivered += r->delivered[k];
		}
		any |= reported;
		m->now.dirty += reported ? unit : 0;
	}
	if (swept && r->large && o->policy == RM_ON_DIRTY) {
		m->now.splits++;
		r->large = false;
	}
	r->clean = any ? 0 : r->clean + 1;
	if (o->merge_after && o->large && !r->large && r->together && mapped == PAGES &&
	    r->clean >= o->merge_after) {
		m->now.merges++;
		r->large = true;
	}
	memset(r->touched, false, sizeof(r->touched));
	memset(r->delivered, false, sizeof(r->delivered));
	/* What is read only stays dirty, and was written before. */
	for (i = 0; i < PAGES; i++) {
		r->dirty[i] &= o->read;
		r->written[i] &= o->read && r->mapped[i];
	}
}

static void end_interval(struct model *m, struct rm_counts *counts)
{
	size_t i;

	for (i = 0; i < m->nr; i++)
		end_region(m, &m->regions[i]);
	counts->intervals =
		realloc(counts->intervals, (counts->nr + 1) * sizeof(*counts->intervals));
	assert_non_null(counts->intervals);
	counts->intervals[counts->nr++] = m->now;
	memset(&m->now, 0, sizeof(m->now));
}

static void count_line(struct model *m, struct rm_counts *counts, const char *line)
{
	unsigned long seconds, micros;
	uint64_t iova, len, page, last;
	char source[64], rw;

	if (*line == '#')
		return;
	assert_int_equal(sscanf(line, "%lu.%6lu %63s %" SCNx64 " %" SCNu64 " %c", &seconds, &micros,
				source, &iova, &len, &rw),
			 6);
	while (counts->nr < (seconds * UINT64_C(1000000) + micros) / m->options->interval_us)
		end_interval(m, counts);
	page = iova >> 12;
	last = (iova + len - 1) >> 12;
	if (rw == 'u') {
		unmap(m, page, last);
		return;
	}
	for (; page <= last; page++)
		access_page(m, page, rw == 'w');
	*(rw == 'w' ? &m->now.writes : &m->now.reads) += 1;
	*(rw == 'w' ? &m->now.bytes_written : &m->now.bytes_read) += len;
}

void rm_count_trace(struct rm_counts *counts, const char *file, const struct rm_options *options)
{
	struct model *m = calloc(1, sizeof(*m));
	FILE *f = fopen(file, "r");
	char line[256];

	memset(counts, 0, sizeof(*counts));
	assert_non_null(m);
	assert_non_null(f);
	m->options = options;
	while (fgets(line, sizeof(line), f))
		count_line(m, counts, line);
	fclose(f);
	end_interval(m, counts);
	free(m);
}
