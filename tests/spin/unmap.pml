/* SPDX-License-Identifier: MIT */
/*
 * unmap: a block, or one page of a table, is taken by an exchange of its item; a whole table is cut off,
 * looked at after the invalidation, and freed after a grace period. What was dirty is copied. Meanwhile a
 * device writes and a sweep clears.
 *
 * -DTWIN_PLAIN    an item is taken by load and store
 * -DTWIN_LEAF_ONLY   the invalidation spares walk caches
 * -DTWIN_NO_HARVEST  the detached table is looked at before the invalidation only
 * -DTWIN_EARLY_FREE  it is freed without a grace period
 * -DTWIN_EARLY_COPY  pages are copied before the invalidation is complete
 */
#ifndef WRITES
#define WRITES 3
#endif
#include "world.pml"
#include "software.pml"

/* The item becomes absent; seen is what it was. */
inline take(item)
{
#ifdef TWIN_PLAIN
	seen = item;
	item = 0
#else
	d_step {
		seen = item;
		item = 0
	}
#endif
}

inline look(p)
{
	if
	:: child[p] & DIRTY -> found = found | PAGE(p)
	:: else
	fi
}

inline unmap_page(p)
{
	found = 0;
	take(child[p]);
	if
	:: seen & DIRTY -> found = PAGE(p)
	:: else
	fi;
	invalidate(PAGE(p));
	sync();
	copy_set(found)
}

inline unmap_table()
{
	found = 0;
	take(top);
#ifdef TWIN_NO_HARVEST
	look(0);
	look(1);
#endif
#ifdef TWIN_LEAF_ONLY
	invalidate(BOTH);
#else
	invalidate(BOTH | WALK);
#endif
	sync();
#ifndef TWIN_NO_HARVEST
	look(0);
	look(1);
#endif
	copy_set(found);
#ifndef TWIN_EARLY_FREE
	grace_period();
#endif
#ifndef TWIN_LEAF_ONLY /* that would be found as well; the loss is what is looked for */
	freed = true
#endif
}

inline unmap_block()
{
	found = 0;
	take(top);
	if
	:: seen & DIRTY -> found = BOTH
	:: else
	fi;
	invalidate(BOTH);
#ifndef TWIN_EARLY_COPY
	sync();
#endif
	copy_set(found)
}

proctype unmap()
{
	byte seen, found;

	if
	:: top & TABLE ->
		if
		:: unmap_page(0)
		:: skip
		fi;
		unmap_table()
	:: else -> unmap_block()
	fi;
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
		:: top = TABLE;
			child[0] = LEAF;
			child[1] = LEAF;
			if
			:: child[0] = LEAF | DIRTY;
				written_before(0);
				if
				:: tlb_page[0] = true; tlb_walk = true
				:: skip
				fi
			:: skip
			fi;
			if
			:: tlb_walk = true
			:: skip
			fi
		fi;
		running = 2;
		run device();
		run unmap();
		run sweep()
	};
	final_pass()
}
