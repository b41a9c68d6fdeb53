/* SPDX-License-Identifier: MIT */
/*
 * clear: clean, invalidate, sync, copy; then the final pass. One leaf of two pages; an IOTLB, and the ATC
 * of a device that writes through either. The ATC asks the IOMMU, whose IOTLB may answer: so the IOTLB is
 * invalidated first, and that complete, before the ATC is.
 *
 * -DTWIN_EARLY_COPY  pages are copied before the invalidation is complete
 * -DTWIN_NO_INVALIDATION
 * -DTWIN_NO_ATC      the ATC is not invalidated
 * -DTWIN_ATC_FIRST   the ATC is invalidated before the IOTLB
 * -DTWIN_PLAIN       the leaf is loaded and stored back clean
 * -DTWIN_PARTLY      a sweep of one page cleans the leaf of both
 * -DTWIN_NO_FINAL_SYNC  the final pass does not wait for what is on its way
 */
#ifndef WRITES
#define WRITES 3
#endif
#define LEAF   1
#define DIRTY  2
#ifndef ROUNDS
#define ROUNDS 2
#endif

byte item = LEAF;
byte must[2], data[2], copied[2]; /* version numbers: of the last write, in memory, in the copy */

bool tlb; /* the translation is cached, marked dirty */
bool atc; /* writable, which says as much */
bool quiet, swept;

/* The access under way: what it holds, and what overtook it. */
bool holds_tlb, holds_atc, overtaken_tlb, overtaken_atc;

/* What is cached goes at once; the access that holds it goes on, caches nothing, and is waited for. */
inline invalidate_tlb()
{
	d_step {
		tlb = false;
		overtaken_tlb = overtaken_tlb || holds_tlb
	}
	!overtaken_tlb
}

inline invalidate_atc()
{
	d_step {
		atc = false;
		overtaken_atc = overtaken_atc || holds_atc
	}
#ifndef TWIN_EARLY_COPY
	!overtaken_atc
#endif
}

inline copy_set(set)
{
	if
	:: (set) & 1 -> copied[0] = data[0]
	:: else
	fi;
	if
	:: (set) & 2 -> copied[1] = data[1]
	:: else
	fi
}

/* Walk and mark. The data of an untranslated write may move before the mark is made. */
inline walk_and_mark(early)
{
	do
	:: atomic { seen = item; holds_tlb = true };
		if
		:: early -> write_data()
		:: skip
		fi;
		d_step {
			ok = item == seen;
			if
			:: ok -> item = seen | DIRTY
			:: else
			fi
		};
		if
		:: ok -> break
		:: else
		fi
	od;
	if
	:: atomic { !overtaken_tlb -> tlb = true }
	:: skip
	fi
}

inline write_data()
{
	d_step {
		if
		:: !moved ->
			must[p]++;
			data[p] = must[p];
			moved = true;
			quiet = n == WRITES
		:: else
		fi
	}
}

inline access_over()
{
	d_step {
		holds_tlb = false;
		holds_atc = false;
		overtaken_tlb = false;
		overtaken_atc = false
	}
}

proctype device()
{
	byte n, p, seen;
	bool ok, moved;

	do
	:: n == WRITES -> break
	:: n < WRITES ->
		n++;
		moved = false;
		if
		:: p = 0
		:: p = 1
		fi;
		if
		/* Untranslated. */
		:: atomic { tlb -> holds_tlb = true };
			write_data()
		:: skip;
			walk_and_mark(true);
			write_data()
		/* Translated. */
		:: atomic { atc -> holds_atc = true };
			write_data()
		/* A translation request, whose answer is on its way, then as above. */
		:: skip;
			if
			:: atomic { tlb -> holds_tlb = true }
			:: skip;
				walk_and_mark(false)
			fi;
			atomic {
				/* Answered: the request is no more the IOMMU's. */
				holds_atc = true;
				holds_tlb = false;
				overtaken_tlb = false
			};
			if
			:: atomic { !overtaken_atc -> atc = true }
			:: skip
			fi;
			write_data()
		fi;
		access_over()
	od
}

/* Round after round, of either page or of both. */
proctype migrate()
{
	byte r, range, seen, found;
	bool ok, clean;

	for (r : 1 .. ROUNDS) {
		if
		:: range = 3
		:: range = 1
		:: range = 2
		fi;
		found = 0;
		clean = false;
		seen = item;
#ifdef TWIN_PLAIN
		if
		:: seen & DIRTY -> found = range
		:: else
		fi;
		if
		:: range == 3 -> item = LEAF
		:: else
		fi;
#else
		do
		:: seen & DIRTY ->
			found = range;
#ifndef TWIN_PARTLY
			if
			:: range != 3 -> break
			:: else
			fi;
#endif
			d_step {
				ok = item == seen;
				if
				:: ok -> item = LEAF
				:: else -> seen = item
				fi
			};
			if
			:: ok -> break
			:: else
			fi
		:: else -> break
		od;
#endif
#ifndef TWIN_NO_INVALIDATION
		if
		:: found ->
#ifdef TWIN_ATC_FIRST
			invalidate_atc();
#endif
			invalidate_tlb();
#if !defined(TWIN_ATC_FIRST) && !defined(TWIN_NO_ATC)
			invalidate_atc()
#endif
		:: else
		fi;
#endif
		copy_set(found)
	};
	swept = true
}

init
{
	atomic {
		run device();
		run migrate()
	};
	/* Quiesce, invalidate and sync, sweep, copy. */
	quiet && swept;
#ifndef TWIN_NO_FINAL_SYNC
	invalidate_tlb();
	invalidate_atc();
#endif
	d_step {
		if
		:: item & DIRTY -> copied[0] = data[0]; copied[1] = data[1]
		:: else
		fi
	};
	assert(copied[0] == must[0] && copied[1] == must[1])
}
