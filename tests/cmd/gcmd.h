/* SPDX-License-Identifier: MIT */
/*
 * VT-d and AMD-Vi behind a gather, for tests that are the same for both: a sink that remembers what reached it, and
 * a decoder of what came out, written from the specifications (VT-d 6.5.2; AMD 48882, 2.4; bits.md C2.4, C3.1) and not
 * from the library.
 */
#ifndef GCMD_H
#define GCMD_H

#include "iodtest.h"

#define GC_MAX	 70000
#define GC_WORDS 4

enum gc_kind {
	GC_PAGES = 1, /* by address, of one domain (and PASID) */
	GC_TABLE = 2, /* everything of the table, or of a PASID */
	GC_ALL = 3,
	GC_DEV = 4,  /* a device's cache */
	GC_SYNC = 5, /* asked of the sink, or a command */
};

/* A command. Fields that it has not are 0. */
struct gc_cmd {
	enum gc_kind kind;
	uint32_t domain, pasid;
	bool by_pasid; /* VT-d: P_IOTLB, type 8; AMD: GN */
	bool leaf;     /* IH = 1, PDE = 0 */
	bool global;   /* VT-d type 8: every PASID */
	uint32_t dev, limits, pending;
	uint64_t first, last; /* bytes; GC_PAGES, GC_DEV */
};

struct gc;

struct gc_cfg {
	uint32_t stage; /* 0: 2 */
	uint32_t flags; /* of GC_NESTED ... */
	uint16_t domain;
	uint32_t pasid, pasids;
	uint32_t mamv; /* VT-d: + 1; 0: as much as there is */
	bool no_psi;   /* VT-d */
	bool no_ia;    /* AMD: no INVALIDATE_IOMMU_ALL */
	bool no_sink;
	const struct iod_inv_cost *cost;
	const struct iod_allocator *allocator;
	/* May drop a command (false) or change its words. */
	bool (*quirk)(struct gc *gc, const struct gc_cmd *cmd, uint64_t *raw);
};

#define GC_NESTED      (1u << 0)
#define GC_NO_COMBINED (1u << 1) /* AMD */
#define GC_NO_RANGES   (1u << 4)
#define GC_REPEAT      (1u << 5)

struct gc_dev {
	uint32_t id, limits, pasid;
	bool has_pasid;
	uint8_t pending, stu;
};

struct gc_vendor {
	const char *name;
	size_t words;
	unsigned max_lg2; /* pages of the largest block */
	uint64_t (*tag)(uint32_t stage, uint32_t domain, uint32_t pasid);
	int (*create)(struct gc *gc, const struct gc_cfg *cfg);
	int (*destroy)(void *inv);
	const struct iod_inv_ops *(*ops)(void);
	int (*encode)(const void *inv, bool atc, const struct iod_inv *items, size_t nr,
		      uint64_t *out, size_t max, size_t *n);
	int (*add_domain)(void *inv, uint16_t domain);
	int (*remove_domain)(void *inv, uint16_t domain);
	int (*add_device)(void *inv, const struct gc_dev *dev);
	int (*remove_device)(void *inv, const struct gc_dev *dev);
	/* items, tlbi, wide, atc, syncs */
	int (*stats)(const void *inv, uint64_t figures[5]);
	struct gc_cmd (*decode)(const uint64_t *words); /* in host byte order */
	/* By the library: what it does to translations, or the range that a device forgets. */
	void (*effect)(const uint64_t *raw, struct iod_cmd_effect *effect, struct iod_inv *dev);
};

extern const struct gc_vendor gc_vendors[];
#define GC_VENDORS 2
#define GC_VTD	   0
#define GC_AMD	   1

struct gc {
	const struct gc_vendor *v;
	void *inv;
	bool (*quirk_fn)(struct gc *gc, const struct gc_cmd *cmd, uint64_t *raw);
	struct gc_cmd cmd[GC_MAX];
	size_t nr, calls;
	size_t fail_at; /* the number of the call that fails, counted from 1; 0: none */
	int error;
	void (*each)(struct gc *gc, const uint64_t *raw); /* no syncs */
	void *priv;
	/* In place of remembering. */
	int (*issue)(struct gc *gc, const uint64_t *raw, size_t nr, bool sync);
};

/* Allocates it; fails the test if there is no such object. */
struct gc *gc_open(const struct gc_vendor *v, const struct gc_cfg *cfg);
/* The same; what create returned. */
int gc_try(const struct gc_vendor *v, const struct gc_cfg *cfg, struct gc **out);
void gc_close(struct gc *gc);
void gc_reset(struct gc *gc);
struct gc_cmd gc_decode(const struct gc *gc, const uint64_t *raw);

int gc_invalidate(struct gc *gc, const struct iod_inv *items, size_t nr);
int gc_sync(struct gc *gc);

/* Requires that what the sink saw is this, and forgets it. */
void gc_expect(struct gc *gc, const struct gc_cmd *want, size_t nr, const char *what);
#define GC_EXPECT(gc, what, ...)                                              \
	do {                                                                  \
		const struct gc_cmd want_[] = { __VA_ARGS__ };                \
		gc_expect((gc), want_, sizeof(want_) / sizeof(*want_), what); \
	} while (0)

/* Of the sinks' and quirks' wrappers. */
int gc_issue(struct gc *gc, const uint64_t *raw, size_t nr, bool sync, size_t *issued);
int gc_quirk(struct gc *gc, uint64_t *raw, size_t *nr, size_t max);

/* Items: n pages from page first on. */
struct iod_inv gc_leaves(uint64_t first, uint64_t n);
struct iod_inv gc_tables(uint64_t first, uint64_t n);

/* What covers more than was asked for is never worth it. */
extern const struct iod_inv_cost gc_never;

#define GC_PAGE(n) ((uint64_t)(n) << 12)

static const struct gc_cmd gc_sync_cmd = { .kind = GC_SYNC };

/* What is expected: n pages of a domain. */
static inline struct gc_cmd gc_pages(uint32_t domain, uint64_t first, uint64_t n, bool leaf)
{
	return (struct gc_cmd){ .kind = GC_PAGES,
				.domain = domain,
				.leaf = leaf,
				.first = GC_PAGE(first),
				.last = GC_PAGE(first + n) - 1 };
}

/* One item, complete. */
static inline void gc_one(struct gc *gc, struct iod_inv item)
{
	iodt_assert_ok(gc_invalidate(gc, &item, 1));
	iodt_assert_ok(gc_sync(gc));
}

#endif
