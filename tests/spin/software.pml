/* SPDX-License-Identifier: MIT */
/* What the models of software share: the sweep, and the end. */

byte running; /* software's processes */

/* Compare and exchange: ok, or seen is what it is. */
inline cas(item, want)
{
	d_step {
		ok = item == seen;
		if
		:: ok -> item = want
		:: else -> seen = item
		fi
	}
}

/* Clean, invalidate, sync, copy; of either page or of both. */
proctype sweep()
{
	byte r, seen, range, found, gather, p;
	bool ok;

	for (r : 1 .. ROUNDS) {
		found = 0;
		gather = 0;
		if
		:: range = BOTH
		:: range = PAGE(0)
		:: range = PAGE(1)
		fi;
		enter();
		seen = top;
		if
		:: seen & TABLE ->
			for (p : 0 .. 1) {
				if
				:: range & PAGE(p) ->
					assert(!freed);
					seen = child[p];
					do
					:: seen & DIRTY ->
						assert(!freed);
						found = found | PAGE(p);
						cas(child[p], seen & ~DIRTY);
						if
						:: ok -> gather = gather | PAGE(p); break
						:: else
						fi
					:: else -> break
					od
				:: else
				fi
			}
		:: seen & DIRTY ->
			found = range;
#ifndef TWIN_PARTLY
			if
			:: range != BOTH -> goto recorded
			:: else
			fi;
#endif
			/* What became a table meanwhile is left as it is, dirty. */
			do
			:: (seen & LEAF) && (seen & DIRTY) ->
				cas(top, seen & ~DIRTY);
				if
				:: ok -> gather = BOTH; break
				:: else
				fi
			:: else -> break
			od
		:: else
		fi;
#ifndef TWIN_PARTLY
recorded:
#endif
		leave();
		if
		:: gather -> invalidate(gather)
		:: else
		fi;
#ifndef TWIN_EARLY_COPY
		sync();
#endif
		copy_set(found)
	}
	running--
}

/* Devices are quiet, and software is done: invalidate, sync, sweep, copy. Then no write may be missing. */
inline final_pass()
{
	quiet && !running;
	invalidate(BOTH | WALK);
	sync();
	d_step {
		if
		:: top & TABLE ->
			assert(!freed);
			if
			:: child[0] & DIRTY -> copy(0)
			:: else
			fi;
			if
			:: child[1] & DIRTY -> copy(1)
			:: else
			fi
		:: top & DIRTY -> copy(0); copy(1)
		:: else
		fi
	};
	assert(copied[0] >= must[0] && copied[1] >= must[1])
}

/* A page that was written before, and not copied. */
inline written_before(p)
{
	newest[p] = 1;
	data[p] = 1;
	must[p] = 1
}
