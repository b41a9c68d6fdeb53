/* SPDX-License-Identifier: MIT */
/*
 * merge: a table of two pages becomes a block, while a device writes, through the table that it remembers
 * too, and a sweep clears. After the invalidation the detached table is looked at again, and freed after
 * a grace period.
 *
 * -DBREAK         break-before-make: absent, invalidated, block
 * -DNT_STEPS      Arm's BBM level 1: block with nT, invalidated, block
 * -DTWIN_PLAIN    nT is taken away by load and store (with -DNT_STEPS)
 * -DTWIN_LEAF_ONLY   the invalidation spares walk caches
 * -DTWIN_NO_HARVEST  the detached table is not looked at again
 * -DTWIN_EARLY_HARVEST  it is looked at before the invalidation is complete
 * -DTWIN_EARLY_FREE  it is freed without a grace period
 */
#ifndef WRITES
#define WRITES 3
#endif
#include "world.pml"
#include "software.pml"

/* Dirty of both pages: one load each, others in between. */
inline either_dirty()
{
	dirty = child[0] & DIRTY;
	dirty = dirty | (child[1] & DIRTY)
}

/* Dirty into the live block, if it still is one. */
inline put_dirty()
{
	seen = top;
	do
	:: seen & LEAF ->
		cas(top, seen | DIRTY);
		if
		:: ok -> break
		:: else
		fi
	:: else -> break
	od
}

proctype merge()
{
	byte seen, dirty;
	bool ok;

#ifdef BREAK
	seen = TABLE;
	cas(top, 0);
	assert(ok);
	invalidate(BOTH | WALK);
	sync();
	either_dirty();
	seen = 0;
	cas(top, LEAF | dirty);
	assert(ok);
#else
	either_dirty();
	seen = TABLE;
#ifdef NT_STEPS
	cas(top, LEAF | NT | dirty);
#else
	cas(top, LEAF | dirty);
#endif
	assert(ok);
#ifdef TWIN_EARLY_HARVEST
	either_dirty();
#endif
#ifdef TWIN_LEAF_ONLY
	invalidate(BOTH);
#else
	invalidate(BOTH | WALK);
#endif
	sync();
#ifndef TWIN_EARLY_HARVEST
	either_dirty();
#endif
#ifndef TWIN_NO_HARVEST
	if
	:: dirty -> put_dirty()
	:: else
	fi;
#endif
#ifdef NT_STEPS
	seen = top;
#ifdef TWIN_PLAIN
	top = seen & ~NT;
#else
	do
	:: cas(top, seen & ~NT) ->
		if
		:: ok -> break
		:: else
		fi
	od;
#endif
	invalidate(BOTH);
	sync();
#endif
#endif
#ifndef TWIN_EARLY_FREE
	grace_period();
#endif
#ifndef TWIN_LEAF_ONLY /* that would be found as well; the loss is what is looked for */
	freed = true;
#endif
	running--
}

init
{
	atomic {
		top = TABLE;
		if
		:: child[0] = LEAF
		:: child[0] = LEAF | DIRTY;
			written_before(0);
			if
			:: tlb_page[0] = true; tlb_walk = true
			:: skip
			fi
		fi;
		child[1] = LEAF;
		if
		:: tlb_walk = true
		:: skip
		fi;
		running = 2;
		run device();
		run merge();
		run sweep()
	};
	final_pass()
}
