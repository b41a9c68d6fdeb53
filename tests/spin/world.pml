/* SPDX-License-Identifier: MIT */
/*
 * The world that the models share: one item of an upper table, which is absent, a block of two pages,
 * or points to a table of two items; the memory behind; an IOMMU that walks, marks and caches; a device
 * that writes. docs/small-worlds.md says what stands for what.
 *
 * Every statement is a step of its own, and any process may be between any two of them. One read, one store
 * and one compare-exchange of an item are steps; so is one invalidation, when it is issued.
 */
#ifndef WRITES
#define WRITES 2
#endif
#ifndef ROUNDS
#define ROUNDS 1
#endif

/* Items: bits. 0 is absent. */
#define LEAF  1 /* a block in the upper table, a page in the lower one */
#define DIRTY 2 /* only with LEAF */
#define TABLE 4 /* points to the lower table */
#define NT    8 /* a block with Arm's nT bit */

#define PAGE(p) (1 << (p))
#define BOTH	3 /* the pages of the block */
#define WALK	4 /* in what is invalidated: walk caches as well */

byte top;      /* the item of the upper table */
byte child[2]; /* the items of the lower table */
bool freed;    /* the lower table was given back */

/* ---- data: version numbers ---- */

byte newest[2]; /* last version given to a write */
byte data[2];	/* version in memory */
byte must[2];	/* last version whose write was granted */
byte copied[2]; /* version in the copy */

/* ---- what the IOMMU remembers; any of it may be used, and any of it may be gone instead ---- */

bool tlb_block, tlb_page[2]; /* translations marked dirty: writes through them mark nothing */
bool tlb_walk;		     /* where the lower table is */

/* The access under way: what it holds of the tables, and whether an invalidation overtook it. */
byte held; /* PAGE, BOTH, WALK */
bool overtaken;
bool quiet; /* the device has seen its last write complete, or refused */

/* ---- software's side of the IOMMU ---- */

/*
 * `what` is PAGE()s and WALK. What is cached goes at once. An access that holds some of it may go on with
 * that, caches nothing of it, and is what a sync waits for.
 */
inline invalidate(what)
{
	d_step {
		if
		:: (what) & BOTH -> tlb_block = false
		:: else
		fi;
		if
		:: (what) & PAGE(0) -> tlb_page[0] = false
		:: else
		fi;
		if
		:: (what) & PAGE(1) -> tlb_page[1] = false
		:: else
		fi;
		if
		:: (what) & WALK -> tlb_walk = false
		:: else
		fi;
		if
		:: held & (what) -> overtaken = true
		:: else
		fi
	}
}

inline sync()
{
	!overtaken
}

/* One page's data, as it is in memory by now. */
inline copy(p)
{
	copied[p] = data[p]
}

inline copy_set(set)
{
	if
	:: (set) & PAGE(0) -> copy(0)
	:: else
	fi;
	if
	:: (set) & PAGE(1) -> copy(1)
	:: else
	fi
}

/* ---- reader sections, one reader ---- */

bool reading, awaited;

inline enter()
{
	reading = true
}

inline leave()
{
	d_step {
		reading = false;
		awaited = false
	}
}

/* Waits for a section that is under way, not for later ones. */
inline grace_period()
{
	awaited = reading;
	!awaited
}

/* ---- the device: WRITES writes, of any page each ---- */

/* An item is marked by compare-exchange on what was read; ok says whether it still was that. */
inline mark(item, seen)
{
	d_step {
		ok = item == seen;
		if
		:: ok -> item = seen | DIRTY
		:: else
		fi
	}
}

inline write_data()
{
	d_step {
		if
		:: !moved ->
			newest[p]++;
			data[p] = newest[p];
			moved = true;
			quiet = n == WRITES
		:: else
		fi
	}
}

/* The last write may be complete for the device before its mark can be seen (bits.md A1.11 rule 13). */
proctype device()
{
	byte n, p, seen;
	bool ok, moved;

	do
	:: n == WRITES -> break
	:: n < WRITES ->
		n++;
		if
		:: p = 0
		:: p = 1
		fi;
		moved = false;
		/* What is cached and needs no mark is used as it is. */
		if
		:: atomic { tlb_block -> held = BOTH };
			write_data();
			goto granted
		:: atomic { tlb_page[p] -> held = PAGE(p) };
			write_data();
			goto granted
		:: skip
		fi;
walk:
		/* From the top, or from the table remembered. */
		if
		:: atomic { tlb_walk -> held = held | WALK };
			goto lower
		:: atomic {
			seen = top;
			if
			:: seen & TABLE -> held = held | WALK
			:: seen & LEAF -> held = held | BOTH
			:: else
			fi
		   }
		fi;
		if
		:: !seen -> goto refused
		:: seen & TABLE ->
			if
			:: atomic { !overtaken -> tlb_walk = true }
			:: skip
			fi;
			goto lower
		:: seen & LEAF
		fi;
		/* The data may move before the mark is made. */
		if
		:: write_data()
		:: skip
		fi;
		mark(top, seen);
		if
		:: !ok -> goto again
		:: else
		fi;
		write_data();
		if /* hardware does not cache blocks with nT */
		:: atomic { !overtaken && !(seen & NT) -> tlb_block = true }
		:: skip
		fi;
		goto granted;
lower:
		assert(!freed);
		atomic {
			seen = child[p];
			held = held | PAGE(p)
		};
		if
		:: !seen -> goto refused
		:: else
		fi;
		if
		:: write_data()
		:: skip
		fi;
		assert(!freed);
		mark(child[p], seen);
		if
		:: !ok -> goto again
		:: else
		fi;
		write_data();
		if
		:: atomic { !overtaken -> tlb_page[p] = true }
		:: skip
		fi;
		goto granted;
again:
		/* The item changed: anew, at the top or not; nothing is held unless data moved. */
		if
		:: atomic { !moved -> held = 0; overtaken = false }
		:: moved
		fi;
		goto walk;
granted:
		atomic {
			must[p] = newest[p];
			held = 0;
			overtaken = false
		};
		goto next;
refused:
		/* Of a write that the device sees aborted nothing is promised. */
		atomic {
			held = 0;
			overtaken = false
		};
next:
		skip
	od;
	quiet = true
}
