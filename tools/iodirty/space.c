/* SPDX-License-Identifier: MIT */
/* Attaching to a space and walking it. */
#include "survey.h"

#include "text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Problems told per space; the rest is counted. */
#define TOLD_MAX 20u

/* iod_mem over what guest addresses name: each page is found through stage 2. */
static void *guest_translate(void *cookie, uint64_t pa, uint64_t len, bool write)
{
	struct open_space *open = cookie;
	unsigned char *first = NULL;
	uint64_t done = 0;

	if (write)
		return NULL;
	while (done < len) {
		struct iod_mapping map;
		uint64_t off, part;
		void *host;

		if (iod_translate(open->stage2, pa + done, &map))
			return NULL;
		off = pa + done - map.iova;
		part = map.len - off < len - done ? map.len - off : len - done;
		if (iod_mem_host_ptr(open->host_mem, map.pa + off, part, false, &host))
			return NULL;
		if (!first)
			first = host;
		else if ((unsigned char *)host != first + done)
			return NULL; /* a table larger than stage 2's pages, scattered */
		done += part;
	}
	return first;
}

static int open_guest(struct survey *survey, size_t index, struct open_space *open)
{
	static const struct iod_mem_vm_ops ops = {
		.size = sizeof(ops),
		.translate = guest_translate,
	};
	struct iod_mem_vm_cfg mem_cfg = { .size = sizeof(mem_cfg), .ops = &ops, .cookie = open };
	const struct space *second = &survey->spaces[index];
	struct iod_pgtable_cfg cfg = second->cfg;
	int ret;

	cfg.mem = survey->core->mem;
	ret = iod_pgtable_attach(&open->stage2, &cfg, second->root);
	return ret ? ret : iod_mem_create_vm(&open->guest_mem, &mem_cfg);
}

static void complain_attach(struct survey *survey, size_t index, int ret, bool absent)
{
	const struct space *space = &survey->spaces[index];
	bool wild = !core_plausible(survey->core, space->root);

	if (absent && !wild)
		survey->missing++;
	else
		survey->damaged++;
	if (absent)
		complain("space %zu: %s root table 0x%" PRIx64 " is not in the core%s", index,
			 format_text(space->cfg.format), space->root,
			 wild ? ", it is beyond all memory" : "");
	else
		complain("space %zu: %s table at 0x%" PRIx64 " with that geometry is refused: %s",
			 index, format_text(space->cfg.format), space->root, strerror(-ret));
}

int space_open(struct survey *survey, size_t index, struct open_space *open, bool quiet)
{
	const struct space *space = &survey->spaces[index];
	struct iod_pgtable_cfg cfg = space->cfg;
	int ret = 0;

	memset(open, 0, sizeof(*open));
	open->host_mem = survey->core->mem;
	cfg.mem = survey->core->mem;
	if (space->stage2 != NO_SPACE) {
		ret = open_guest(survey, space->stage2, open);
		cfg.mem = open->guest_mem;
	}
	if (!ret)
		ret = iod_pgtable_attach(&open->pt, &cfg, space->root);
	open->info.size = sizeof(open->info);
	if (!ret)
		ret = iod_pgtable_get_info(open->pt, &open->info);
	if (!ret)
		return 0;
	if (!quiet)
		complain_attach(survey, index, ret, ret == -EFAULT);
	space_close(open);
	return -1;
}

void space_close(struct open_space *open)
{
	if (open->pt)
		iod_pgtable_destroy(open->pt);
	if (open->guest_mem)
		iod_mem_destroy(open->guest_mem);
	if (open->stage2)
		iod_pgtable_destroy(open->stage2);
	memset(open, 0, sizeof(*open));
}

/* One walk in progress. */
struct progress {
	struct survey *survey;
	size_t index;
	const struct space_walk *walk;
	uint64_t budget;
	unsigned told;
};

/* @return whether it is to be told */
static bool count_problem(struct progress *progress, bool damage)
{
	if (progress->walk->quiet)
		return false;
	if (damage)
		progress->survey->damaged++;
	else
		progress->survey->missing++;
	if (progress->told++ == TOLD_MAX)
		complain("space %zu: more problems, not told one by one", progress->index);
	return progress->told <= TOLD_MAX;
}

static void on_bad(struct progress *progress, const struct iod_visit_event *event)
{
	const struct survey *survey = progress->survey;
	const struct space *space = &survey->spaces[progress->index];
	bool wild = !core_plausible(survey->core, event->table_pa);
	char what[96];

	if (!count_problem(progress, event->bad != IOD_BAD_UNREADABLE || wild))
		return;
	if (event->bad == IOD_BAD_UNREADABLE)
		snprintf(what, sizeof(what), "points to table 0x%" PRIx64 ", which %s",
			 event->table_pa, wild ? "is beyond all memory" : "the core does not hold");
	else if (event->bad == IOD_BAD_CYCLE)
		snprintf(what, sizeof(what), "points back to table 0x%" PRIx64 ": a cycle",
			 event->table_pa);
	else
		snprintf(what, sizeof(what), "is malformed (reserved bits or encoding)");
	complain("space %zu (%s, root 0x%" PRIx64 "): level %d entry 0x%" PRIx64 " at 0x%" PRIx64
		 " for iova 0x%" PRIx64 "-0x%" PRIx64 " %s; skipped",
		 progress->index, format_text(space->cfg.format), space->root,
		 arch_level(space->cfg.format, event->level), event->pte, event->pte_pa,
		 event->iova, event->last, what);
}

static int on_event(void *cookie, const struct iod_visit_event *event)
{
	struct progress *progress = cookie;
	struct iod_visit_event copy;

	if (event->kind == IOD_VISIT_BAD)
		on_bad(progress, event);
	if (event->kind == IOD_VISIT_TABLE && progress->walk->tables)
		return progress->walk->fn(progress->walk->cookie, event);
	if (event->kind != IOD_VISIT_MAPPING)
		return 0;
	copy = *event;
	copy.mapping.prot &=
		progress->survey->spaces[progress->index].prot | ~(IOD_PROT_READ | IOD_PROT_WRITE);
	return progress->walk->fn(progress->walk->cookie, &copy);
}

static int visit_range(struct progress *progress, struct iod_pgtable *pt, uint64_t iova,
		       uint64_t last)
{
	struct survey *survey = progress->survey;
	uint64_t budget = survey->budget < progress->budget ? survey->budget : progress->budget;
	struct iod_visit visit = {
		.size = sizeof(visit),
		.iova = iova,
		.len = last - iova + 1,
		.flags = progress->walk->tables ? 0 : IOD_VISIT_MAPPINGS_ONLY,
		.budget = budget,
		.fn = on_event,
		.cookie = progress,
		.next_iova = iova,
	};
	int ret = budget ? iod_visit(pt, &visit) : 0; /* a budget of 0 would mean no limit */

	survey->budget -= visit.items < survey->budget ? visit.items : survey->budget;
	progress->budget -= visit.items < progress->budget ? visit.items : progress->budget;
	if (ret < 0) {
		if (count_problem(progress, ret != -EFAULT))
			complain("space %zu: %s", progress->index, strerror(-ret));
		return 0;
	}
	if (!ret && visit.done != visit.len && count_problem(progress, true))
		complain("space %zu: stopped at iova 0x%" PRIx64
			 ": its tables name each other more often than the core has entries",
			 progress->index, visit.next_iova);
	return ret;
}

int space_visit(struct survey *survey, size_t index, const struct space_walk *walk)
{
	struct progress progress = {
		.survey = survey,
		.index = index,
		.walk = walk,
		.budget = survey->space_budget,
	};
	const struct iod_pgtable_info *info;
	struct open_space open;
	uint64_t first, last;
	int ret = 0;

	if (space_open(survey, index, &open, walk->quiet))
		return 0;
	info = &open.info;
	first = info->first;
	last = info->hole_first ? info->hole_first - 1 : info->last;
	/* A length of 2^64 cannot be said. */
	if (last == UINT64_MAX && !first) {
		ret = visit_range(&progress, open.pt, 0, UINT64_MAX >> 1);
		first = (UINT64_MAX >> 1) + 1;
	}
	if (!ret)
		ret = visit_range(&progress, open.pt, first, last);
	if (!ret && info->hole_first)
		ret = visit_range(&progress, open.pt, info->hole_last + 1, info->last);
	space_close(&open);
	return ret;
}
