/* SPDX-License-Identifier: MIT */
/**
 * @file smmuv3_queue.h
 * SMMUv3 queues (Arm IHI 0070, 3.5, 4.1, 7.1, 7.2): rings in memory with PROD and CONS, both sides of each.
 *
 * - struct iod_smmuv3_queue is a ring as its registers describe it: what an emulated SMMU takes commands from
 *   and puts events into, and what a driver takes events from. One thread at a time per side.
 * - struct iod_smmuv3_cmdq is a driver's command queue: any number of threads submit, one sync a batch.
 * - struct iod_smmuv3_sink is where commands go: a command queue, or what the caller likes.
 *
 * PROD and CONS are 32-bit words in host byte order that the caller provides, read and written atomically:
 * index in bits n-1:0, wrap in bit n, OVFLG and OVACKFLG in bit 31 (event and PRI queues), CMDQ_CONS.ERR in
 * bits 30:24.
 */
#ifndef IODIRTY_SMMUV3_QUEUE_H
#define IODIRTY_SMMUV3_QUEUE_H

#include <iodirty/mem.h>
#include <iodirty/smmuv3_cmd.h>
#include <iodirty/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What a ring holds. */
enum iod_smmuv3_queue_kind {
	IOD_SMMUV3_CMDQ = 1, /**< 16 bytes: struct iod_smmuv3_raw_cmd */
	IOD_SMMUV3_EVTQ = 2, /**< 32 bytes: struct iod_smmuv3_raw_event */
	IOD_SMMUV3_PRIQ = 3, /**< 16 bytes: struct iod_smmuv3_raw_pri */
};

/** A ring as its registers describe it; nothing is kept between calls. */
struct iod_smmuv3_queue {
	size_t size; /**< sizeof(struct iod_smmuv3_queue) */
	enum iod_smmuv3_queue_kind kind;
	uint32_t reserved;   /**< 0 */
	struct iod_mem *mem; /**< where the ring lies; never trusted */
	/** *_BASE: LOG2SIZE [4:0], at most 19; ADDR [55:5], whose bits below the ring's size are ignored. What
	 *  the ID registers allow for LOG2SIZE is the caller's to check. */
	uint64_t base;
	uint32_t *prod; /**< *_PROD */
	uint32_t *cons; /**< *_CONS */
};

/** @name Bits of PROD and CONS, GERROR @{ */
#define IOD_SMMUV3_QUEUE_OVERFLOW  (1u << 31)	 /**< PROD.OVFLG, CONS.OVACKFLG */
#define IOD_SMMUV3_CMDQ_ERR	   (0x7fu << 24) /**< CMDQ_CONS.ERR */
#define IOD_SMMUV3_CMDQ_ERR_SHIFT  24
#define IOD_SMMUV3_GERROR_CMDQ	   (1u << 0)
#define IOD_SMMUV3_GERROR_EVTQ_ABT (1u << 2)
#define IOD_SMMUV3_GERROR_PRIQ_ABT (1u << 3)
#define IOD_SMMUV3_GERROR_MSI_CMDQ (1u << 4)
#define IOD_SMMUV3_GERROR_MSI_EVTQ (1u << 5)
#define IOD_SMMUV3_GERROR_MSI_PRIQ (1u << 6)
#define IOD_SMMUV3_GERROR_MSI_GERR (1u << 7)
/** @} */

/** CMDQ_CONS.ERR */
enum iod_smmuv3_cerror {
	IOD_SMMUV3_CERROR_NONE = 0,
	IOD_SMMUV3_CERROR_ILL = 1,	    /**< illegal command */
	IOD_SMMUV3_CERROR_ABT = 2,	    /**< the ring is unreadable */
	IOD_SMMUV3_CERROR_ATC_INV_SYNC = 3, /**< an ATC_INV before this SYNC did not complete */
};

/**
 * Check a ring: base, registers, kind, memory. Not needed: what is missing is found when it is met.
 * @return 0; -EINVAL; -E2BIG; -EFAULT not (all) in memory, or not writable (but for commands)
 */
IOD_API int iod_smmuv3_queue_check(const struct iod_smmuv3_queue *queue);

/** Entries that wait; more than fit (nonsense in the registers) count as a full ring. @return or -EINVAL */
IOD_API int64_t iod_smmuv3_queue_used(const struct iod_smmuv3_queue *queue);

/**
 * Producer: put @p nr entries in, PROD once. All or nothing. A PRI queue takes none between an overflow and its
 * acknowledgement (8.1). Stalled events may not be dropped for want of room (7.4): keep them and try again;
 * iod_smmuv3_queue_overflow() is for what is dropped.
 * @return 0; -ENOSPC; -EFAULT; -EINVAL
 */
IOD_API int iod_smmuv3_queue_push(const struct iod_smmuv3_queue *queue, const void *entries,
				  size_t nr);

/**
 * Consumer: take at most @p max entries out, CONS once.
 * @param nr receives how many
 * @return 0 (also when empty); -EFAULT; -EINVAL
 */
IOD_API int iod_smmuv3_queue_pop(const struct iod_smmuv3_queue *queue, void *entries, size_t max,
				 size_t *nr);

/** Producer of events or page requests: an entry was dropped. OVFLG toggles unless the consumer has yet to
 *  acknowledge an earlier drop (7.4). @return 0, -EINVAL (also a command queue) */
IOD_API int iod_smmuv3_queue_overflow(const struct iod_smmuv3_queue *queue);

/** Whether OVFLG and OVACKFLG differ: entries were dropped and the consumer has not acknowledged. */
IOD_API bool iod_smmuv3_queue_overflowed(const struct iod_smmuv3_queue *queue);

/** Consumer: acknowledge. @return 1 when something had been dropped, 0 when not, -EINVAL */
IOD_API int iod_smmuv3_queue_ack_overflow(const struct iod_smmuv3_queue *queue);

/** @name Consuming commands, as an SMMU does @{ */

/** What becomes of commands. */
struct iod_smmuv3_consumer_ops {
	size_t size; /**< sizeof(struct iod_smmuv3_consumer_ops) */
	/**
	 * Commands in order, no SYNC among them; at most 64 at a time.
	 * @param handled receives how many were obeyed: all of them, or those before the one that was not
	 * @return 0; -EINVAL or -EOPNOTSUPP: that one is illegal (CERROR_ILL); -EAGAIN: ask again later (the
	 *         queue stays where it is, no error); anything else: CERROR_ABT
	 */
	int (*commands)(void *cookie, const struct iod_smmuv3_raw_cmd *cmds, size_t nr,
			size_t *handled);
	/**
	 * A SYNC: everything before it is to be complete when this returns; then it tells the guest (MSI).
	 * @return 0; -ETIMEDOUT: an ATC_INV before it did not complete (CERROR_ATC_INV_SYNC); others as above
	 */
	int (*sync)(void *cookie, const struct iod_smmuv3_cmd *sync);
};

/** One turn of a consumer. */
struct iod_smmuv3_consume {
	size_t size;				   /**< sizeof(struct iod_smmuv3_consume) */
	struct iod_smmuv3_queue queue;		   /**< in: the command queue */
	uint32_t *gerror;			   /**< in: SMMU_GERROR */
	const uint32_t *gerrorn;		   /**< in: SMMU_GERRORN */
	const struct iod_smmuv3_id *id;		   /**< in: to decode SYNC with; NULL: everything */
	const struct iod_smmuv3_consumer_ops *ops; /**< in */
	void *cookie;				   /**< in: handed to ops */
	/** in: commands to consume at most; 0: until it is empty, which whoever fills it can put off for ever */
	uint32_t budget;
	uint32_t consumed;	       /**< out: commands consumed */
	enum iod_smmuv3_cerror cerror; /**< out: the error raised, CONS.RD stays at that command */
	enum iod_cmd_reason reason;    /**< out: why, when a SYNC was illegal */
};

/**
 * Take commands out of a queue as an SMMU does: in batches up to each SYNC, CONS written after what it says
 * was done. At an error CMDQ_CONS.ERR and GERROR are set and CONS.RD stays at the command (7.1); while that
 * is not acknowledged in GERRORN nothing is consumed.
 * @return 0 (cerror says whether it stopped); -EAGAIN from ops; -EINVAL; -E2BIG
 */
IOD_API int iod_smmuv3_cmdq_consume(struct iod_smmuv3_consume *consume);
/** @} */

/** Where commands go. */
struct iod_smmuv3_sink {
	size_t size; /**< sizeof(struct iod_smmuv3_sink) */
	/**
	 * Issue @p nr commands (may be 0) in order and, with @p sync, return when all that were issued before,
	 * and these, are complete.
	 * @param issued receives how many were taken without an error; the one behind them was refused
	 * @return 0; -ETIMEDOUT all were taken, an ATC_INV did not complete; or another negative errno
	 */
	int (*issue)(void *cookie, const struct iod_smmuv3_raw_cmd *cmds, size_t nr, bool sync,
		     size_t *issued);
	void *cookie; /**< handed to issue */
};

struct iod_smmuv3_cmdq;

/** Configuration of a driver's command queue. */
struct iod_smmuv3_cmdq_cfg {
	size_t size;	     /**< sizeof(struct iod_smmuv3_cmdq_cfg) */
	struct iod_mem *mem; /**< where the ring lies */
	uint64_t base;	     /**< CMDQ_BASE */
	uint32_t *prod;	     /**< CMDQ_PROD; begins equal to CONS */
	uint32_t *cons;	     /**< CMDQ_CONS */
	uint32_t *gerror;    /**< GERROR */
	uint32_t *gerrorn;   /**< GERRORN: written to acknowledge command queue errors */
	/** PROD was written, or an error acknowledged in GERRORN. An emulated SMMU consumes here. Called without
	 *  a lock held, by any thread, by several at a time. NULL: somebody watches the registers. */
	void (*doorbell)(void *cookie);
	/** Called while CONS does not move (also while a SYNC times out again and again), by any thread: pause.
	 *  Nonzero gives up and is returned. NULL: the thread yields its CPU, for as long as it takes. */
	int (*wait)(void *cookie);
	void *cookie;			       /**< handed to both */
	const struct iod_allocator *allocator; /**< NULL: malloc */
};

/** Create one. The ring's memory, the registers and @p cfg->mem must outlive it. @return 0, -EINVAL, -E2BIG,
 *  -ENOMEM, -EFAULT */
IOD_API int iod_smmuv3_cmdq_create(struct iod_smmuv3_cmdq **out,
				   const struct iod_smmuv3_cmdq_cfg *cfg);

/** Destroy it; no thread may be inside a call. @return 0, -EINVAL */
IOD_API int iod_smmuv3_cmdq_destroy(struct iod_smmuv3_cmdq *q);

/** What became of a batch. */
struct iod_smmuv3_submitted {
	size_t size;   /**< sizeof(struct iod_smmuv3_submitted) */
	size_t issued; /**< commands that were put in, up to the first that hardware refused */
	enum iod_smmuv3_cerror
		cerror; /**< why it was refused, or another error that this sync tells */
};

/**
 * Submit commands in order; waits for room, other threads' commands may come between where they do not fit at once.
 * With @p sync a SYNC follows and the call returns when it was consumed: everything that any thread submitted before
 * is complete then. Any number of threads.
 *
 * A command that hardware refuses is skipped (it becomes a SYNC) and the error is acknowledged; the others are
 * carried out. The call that submitted it says so. Without @p sync a call does not wait for that: such an error is
 * told to the next call that syncs (to all that do so at once behind it), and to the next of the thread that
 * submitted. An ATC_INV that did not complete is told to every call that it may be of.
 *
 * A ring that stays unreadable (CERROR_ABT) is given up: this and all later calls return -EIO.
 * @param result may be NULL
 * @return 0; -EIO a command was refused (result: which, if it is one of this call) or an ATC_INV did not complete;
 *         what cfg.wait returned (what was put in is carried out nevertheless, or not: nobody has waited); -EINVAL;
 *         -E2BIG; -EFAULT the ring is not writable any more
 */
IOD_API int iod_smmuv3_cmdq_submit(struct iod_smmuv3_cmdq *q, const struct iod_smmuv3_raw_cmd *cmds,
				   size_t nr, bool sync, struct iod_smmuv3_submitted *result);

/** Fill a sink that submits to the queue. It returns -ETIMEDOUT for an ATC_INV that did not complete, -ETIME
 *  when cfg.wait gave up with -ETIMEDOUT, else what iod_smmuv3_cmdq_submit() returns. @return 0, -EINVAL */
IOD_API int iod_smmuv3_cmdq_sink(struct iod_smmuv3_cmdq *q, struct iod_smmuv3_sink *sink);

/** Figures of a command queue. */
struct iod_smmuv3_cmdq_stats {
	size_t size;	   /**< sizeof(struct iod_smmuv3_cmdq_stats) */
	uint64_t commands; /**< submitted, SYNCs included */
	uint64_t syncs;	   /**< SYNCs among them */
	uint64_t errors;   /**< errors raised by hardware, that were acknowledged or given up on */
	uint64_t full;	   /**< times that a thread waited for room */
};

/** Read the figures. @return 0, -EINVAL, -E2BIG */
IOD_API int iod_smmuv3_cmdq_get_stats(struct iod_smmuv3_cmdq *q,
				      struct iod_smmuv3_cmdq_stats *stats);

#ifdef __cplusplus
}
#endif

#endif
