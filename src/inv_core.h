/* SPDX-License-Identifier: MIT */
/*
 * A gather's way to an IOMMU: what the vendors' objects have in common. Batches become commands that are issued
 * at once; what must come after a sync of theirs (combined translations, devices' own caches) is recorded, and done
 * by the next sync. A vendor adds what its commands look like, as a struct inv_vendor.
 */
#ifndef IOD_INV_CORE_H
#define IOD_INV_CORE_H

#include <pthread.h>
#include <stddef.h>

#include <iodirty/gather.h>
#include <iodirty/inv_cost.h>

#include "atomic.h"
#include "spans.h"

/* Items looked at together. */
#define INV_BATCH 32u
/* Commands handed over at a time, and room for what a quirk adds. */
#define INV_CHUNK 64u
#define INV_ROOM  (4 * INV_CHUNK)
/* Words of the longest command. */
#define INV_WORDS 4u
/* However cheap the caller says they are: never more single commands than this for a batch. */
#define INV_MAX_SINGLES (UINT64_C(1) << 20)
/* What devices are to forget: ranges kept apart before neighbours are joined. */
#define INV_MAX_SPANS 256u
/* Commands for one device before it forgets everything instead, whatever that costs. */
#define INV_MAX_PIECES 128u
/* Devices know pages of 4 KiB, whatever the table's. */
#define INV_PAGE_LG2 12u

struct inv_core;
struct inv_out;

/* A device that caches translations, or one PASID (substream) of it. */
struct inv_device {
	uint32_t id, pasid;
	uint16_t limits; /* whose limits of pending invalidations count */
	uint8_t max_pending;
	uint8_t stu;
	bool has_pasid;
	bool fresh; /* it is to forget everything */
};

/* What commands look like. Words are in host byte order. */
struct inv_vendor {
	unsigned words_lg2; /* of a command */
	uint32_t granules;  /* bit n: a table may have pages of 2^n bytes */
	unsigned atc_max_lg2;
	/* First words: which bits tell commands apart; those for devices, and the one that waits, all of it. */
	uint64_t op_mask, op_atc[2], op_sync;
	/* Commands that an item of IOD_INV_RANGE takes at most; UINT64_MAX: only the wide one takes it. */
	uint64_t (*most)(const struct inv_core *inv, const struct iod_inv *item);
	/*
	 * At most INV_BATCH ranges by address; what that costs is taken from *budget. False: there is no such form,
	 * or it is dearer; then what was put is of no use.
	 */
	bool (*narrow)(struct inv_out *o, const struct iod_inv *items, size_t nr, uint64_t *budget);
	/* Everything of the table. @return whether combined translations are left */
	bool (*wide)(struct inv_out *o);
	/* Everything there is. */
	void (*all)(struct inv_out *o);
	/* Combined translations of a nested stage 2. */
	void (*combined)(struct inv_out *o);
	/* A device forgets 2^lg2 pages; everything. */
	void (*atc)(struct inv_out *o, const struct inv_device *dev, uint64_t page, unsigned lg2);
	void (*atc_all)(struct inv_out *o, const struct inv_device *dev);
	/* The caller's functions. */
	int (*issue)(const struct inv_core *inv, const uint64_t *cmds, size_t nr, bool sync);
	int (*quirk)(const struct inv_core *inv, uint64_t *cmds, size_t *nr, size_t max);
};

/* Further domains by 16-bit id: a bitmap, and which of its words ever had one. Never freed while in use. */
struct inv_domains {
	uint64_t used[16];
	uint64_t word[1024];
};

struct inv_core {
	const struct inv_vendor *vendor;
	struct iod_allocator allocator;
	struct iod_inv_cost cost;
	uint64_t budget; /* most that commands by address may cost */
	bool nested;	 /* devices ask with addresses of the other stage */
	bool combined;	 /* so may translations be that narrow commands leave */
	bool repeat;	 /* all but those for devices twice */
	bool has_all;	 /* IOD_INV_ALL has a command */
	bool has_issue, has_quirk;
	uint16_t domain;

	_Alignas(8) uint64_t nr_devices; /* written under the lock */
	struct inv_domains *domains;	 /* atomic, NULL: none but `domain` */
	_Alignas(8) uint64_t nr_domains;

	pthread_mutex_t lock; /* what follows */
	pthread_cond_t done;
	bool flushing;		    /* somebody does, for all: `taken` and the devices are his */
	uint64_t recorded, flushed; /* batches */
	bool due;		    /* combined translations */
	bool all;		    /* devices forget everything */
	struct span_set pending, taken; /* else these pages of 4 KiB */
	struct inv_device *device;
	size_t max_devices;

	_Alignas(8) uint64_t items, tlbi, wides, atc, syncs; /* figures */
};

/* ---- commands on their way ---- */

struct inv_out {
	const struct inv_core *inv;
	size_t n;
	unsigned words_lg2;
	/* Takes the n commands. 0 or an error, which ends it. */
	int (*flush)(struct inv_out *o, bool sync);
	bool dry;     /* nothing is taken */
	bool flushed; /* something was */
	int err;
	uint64_t wides;
	/* encode */
	uint64_t *to;
	size_t to_max, to_n;
	uint64_t word[INV_ROOM * INV_WORDS];
};

static inline uint64_t *inv_out_cmd(struct inv_out *o, size_t i)
{
	return &o->word[i << o->words_lg2];
}

/* Hands over what is there. */
void iod_inv_out_flush(struct inv_out *o);

/* Room for n <= INV_CHUNK more. */
static inline bool inv_out_room(struct inv_out *o, size_t n)
{
	if (o->n + n > INV_CHUNK)
		iod_inv_out_flush(o);
	return !o->err;
}

/* There is room. */
static inline void inv_out_put(struct inv_out *o, uint64_t w0, uint64_t w1)
{
	uint64_t *word = inv_out_cmd(o, o->n++);

	word[0] = iod_le64(w0);
	word[1] = iod_le64(w1);
	if (o->words_lg2 > 1)
		word[2] = word[3] = 0;
}

/* The same where there may be none. */
static inline void inv_out_add(struct inv_out *o, uint64_t w0, uint64_t w1)
{
	if (inv_out_room(o, 1))
		inv_out_put(o, w0, w1);
}

/* The low bits of an address that say how many pages there are: those below the size's last but one are set, that
 * is not. (Device TLBs of PCIe ATS and what took their form after them; one page has a form of its own.) */
static inline uint64_t inv_sized_addr(uint64_t page, unsigned lg2)
{
	return (page | (lg2 ? low_mask(lg2 - 1) : 0)) << INV_PAGE_LG2;
}

/* ---- the object; vendors embed it ---- */

/* cost, sink and allocator are the caller's; whatever else the core needs was set. @return 0, -EINVAL, -E2BIG */
int iod_inv_core_config(struct inv_core *inv, const struct iod_inv_cost *cost,
			const struct iod_allocator *allocator);

/* After it was copied to where it stays. @return 0, -ENOMEM */
int iod_inv_core_init(struct inv_core *inv);
/* Frees what it holds, and not itself. */
void iod_inv_core_fini(struct inv_core *inv);
/* Frees what was allocated, when init failed or after fini(). */
void iod_inv_core_free(struct inv_core *inv);

/* @return 0, -EEXIST, -ENOMEM */
int iod_inv_core_add_device(struct inv_core *inv, const struct inv_device *dev);
/* @return 0, -ENOENT */
int iod_inv_core_remove_device(struct inv_core *inv, uint32_t id, uint32_t pasid, bool has_pasid);

/* @return 0, -EEXIST, -ENOMEM */
int iod_inv_core_add_domain(struct inv_core *inv, uint16_t domain);
/* @return 0, -ENOENT */
int iod_inv_core_remove_domain(struct inv_core *inv, uint16_t domain);

/* A further domain whose id is not below *pos - 1. False: there is none. */
bool iod_inv_core_next_domain(const struct inv_core *inv, uint32_t *pos, uint16_t *domain);

/* One domain after the other; *pos begins as 0. */
static inline bool inv_next_domain(const struct inv_core *inv, uint32_t *pos, uint16_t *domain)
{
	if (*pos)
		return word_load(&inv->nr_domains) && iod_inv_core_next_domain(inv, pos, domain);
	*pos = 1;
	*domain = inv->domain;
	return true;
}

/* ---- what the ops and the encoders are made of ---- */

/* The ops of a gather whose cookie is a vendor's object: that begins with its core. */
const struct iod_inv_ops *iod_inv_core_ops(void);
int iod_inv_core_encode(const struct inv_core *inv, const struct iod_inv *items, size_t nr,
			uint64_t *out, size_t max, size_t *n);
int iod_inv_core_encode_atc(const struct inv_core *inv, const struct iod_inv *items, size_t nr,
			    uint64_t *out, size_t max, size_t *n);

/* ---- inside ---- */

/* Begin, and end with what is left; the error, if there was one. */
void iod_inv_out_init(struct inv_out *o, const struct inv_core *inv,
		      int (*flush)(struct inv_out *o, bool sync));
int iod_inv_out_end(struct inv_out *o, bool sync);

/* Each but those for devices and syncs twice. There is room. */
void iod_inv_out_repeat(struct inv_out *o);

/* How many are for devices. */
size_t iod_inv_out_count_atc(struct inv_out *o);

/* @return 0; -EINVAL not understood; -EOPNOTSUPP */
int iod_inv_check(const struct inv_core *inv, const struct iod_inv *items, size_t nr);

/* The commands of a batch that was checked, but for devices. @return whether combined translations are due */
bool iod_inv_batch(struct inv_out *o, const struct iod_inv *items, size_t nr);

/* What devices must forget of these items, into a set or *all. */
void iod_inv_spans(const struct inv_core *inv, const struct iod_inv *items, size_t nr,
		   struct span_set *set, bool *all);

/* The commands of a set, which is sorted and joined for it, for all devices. fresh: new ones forget everything. */
void iod_inv_atc(struct inv_out *o, struct span_set *set, bool all, bool fresh);

/* Fill a struct iod_*_inv_stats, which all have the shape of struct inv_stats. @return 0, -EINVAL, -E2BIG */
struct inv_stats {
	size_t size;
	uint64_t items, tlbi, wide, atc, syncs;
};
int iod_inv_core_get_stats(const struct inv_core *inv, void *stats);

#endif
