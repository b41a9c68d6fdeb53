/* SPDX-License-Identifier: MIT */
/*
 * split: a block becomes a table of two pages, while a device writes and a sweep clears.
 *
 * -DBREAK         break-before-make: absent, invalidated, table
 * -DNT_STEPS      Arm's BBM level 1: nT set, invalidated, table
 * -DTWIN_PLAIN    the table is stored over the block, whatever it is by then
 * -DTWIN_BORN_CLEAN  children do not inherit Dirty
 * -DTWIN_PARTLY   a sweep of one page cleans the block of both
 * -DTWIN_EARLY_COPY  the sweep copies before its invalidation is complete
 */
#ifndef WRITES
#define WRITES 3
#endif
#include "world.pml"
#include "software.pml"

inline fill_table(leaf)
{
	d_step {
#ifdef TWIN_BORN_CLEAN
		child[0] = LEAF;
		child[1] = LEAF
#else
		child[0] = LEAF | ((leaf) & DIRTY);
		child[1] = LEAF | ((leaf) & DIRTY)
#endif
	}
}

proctype split()
{
	byte seen;
	bool ok;

	seen = top;
#ifdef NT_STEPS
	do
	:: cas(top, seen | NT) ->
		if
		:: ok -> break
		:: else
		fi
	od;
	invalidate(BOTH);
	sync();
	seen = top;
#endif
#ifdef BREAK
	do
	:: cas(top, 0) ->
		if
		:: ok -> break
		:: else
		fi
	od;
	invalidate(BOTH);
	sync();
	fill_table(seen);
	seen = 0;
	cas(top, TABLE);
	assert(ok);
#else
	do
	:: fill_table(seen);
#ifdef TWIN_PLAIN
		top = TABLE;
		break
#else
		cas(top, TABLE);
		if
		:: ok -> break
		:: else
		fi
#endif
	od;
#endif
	invalidate(BOTH);
	sync();
	running--
}

init
{
	atomic {
		if
		:: top = LEAF
		:: top = LEAF | DIRTY;
			written_before(0);
			written_before(1);
			if
			:: tlb_block = true
			:: skip
			fi
		fi;
		running = 2;
		run device();
		run split();
		run sweep()
	};
	final_pass()
}
