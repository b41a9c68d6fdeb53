/* SPDX-License-Identifier: MIT */
/**
 * @file amdvi_queue.h
 * AMD-Vi queues (AMD 48882, 2.4, 2.5, 2.6): the command buffer, the event log and the PPR log, both sides of each.
 *
 * - struct iod_amdvi_queue is a ring as its registers describe it: what an emulated IOMMU takes commands from and
 *   puts events and page requests into, and what a driver takes those from. One thread at a time per side.
 * - struct iod_amdvi_cmdq is a driver's command buffer: any number of threads submit, one sync a batch.
 * - struct iod_amdvi_sink is where commands go: a command buffer, or what the caller likes.
 *
 * Registers are words in host byte order that the caller provides (64-bit ones aligned to 8), read and written
 * atomically. Heads and tails are byte offsets into the ring; a ring of N entries holds N - 1. All entries have 16 bytes.
 */
#ifndef IODIRTY_AMDVI_QUEUE_H
#define IODIRTY_AMDVI_QUEUE_H

#include <iodirty/amdvi.h>
#include <iodirty/command.h>
#include <iodirty/mem.h>
#include <iodirty/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct iod_amdvi_raw_cmd;
struct iod_amdvi_cmd;

/** What a ring holds. */
enum iod_amdvi_queue_kind {
	IOD_AMDVI_CMDBUF = 1, /**< struct iod_amdvi_raw_cmd */
	IOD_AMDVI_EVTLOG = 2, /**< events */
	IOD_AMDVI_PPRLOG = 3, /**< peripheral page requests */
};

/** A ring as its registers describe it; nothing is kept between calls. */
struct iod_amdvi_queue {
	size_t size; /**< sizeof(struct iod_amdvi_queue) */
	enum iod_amdvi_queue_kind kind;
	uint32_t reserved;   /**< 0 */
	struct iod_mem *mem; /**< where the ring lies; never trusted */
	/** Base register: length code [59:56], 8 (256 entries) to 15 (32768); address [51:12]. */
	uint64_t base;
	uint64_t *head;	  /**< the consumer's: offset in bits 18:4 */
	uint64_t *tail;	  /**< the producer's: offset in bits 18:4 */
	uint32_t *status; /**< the lower half of the status register (MMIO 2020h) */
};

/** Why a command buffer stopped. */
enum iod_amdvi_cmdq_error {
	IOD_AMDVI_CMDQ_NONE = 0,
	IOD_AMDVI_CMDQ_ILLEGAL =
		1, /**< ILLEGAL_COMMAND_ERROR, or what looks like it: CmdRun is clear */
	IOD_AMDVI_CMDQ_HARDWARE =
		2, /**< COMMAND_HARDWARE_ERROR: the buffer is unreadable; it is given up */
	IOD_AMDVI_CMDQ_TIMEOUT = 3, /**< IOTLB_INV_TIMEOUT: a device did not answer */
};

/**
 * Check a ring: base, registers, kind, memory. Not needed: what is missing is found when it is met.
 * @return 0; -EINVAL also: reserved length code; -E2BIG; -EFAULT not (all) in memory, or not writable (but for
 *         commands)
 */
IOD_API int iod_amdvi_queue_check(const struct iod_amdvi_queue *queue);

/** Entries that wait; head or tail outside the ring: as if it were inside. @return or -EINVAL */
IOD_API int64_t iod_amdvi_queue_used(const struct iod_amdvi_queue *queue);

/**
 * Producer: put @p nr entries in, the tail once. All or nothing. A log takes none while its Run bit is clear, and sets
 * EvtInt or PprInt.
 * @return 0; -ENOSPC; -EFAULT; -EINVAL
 */
IOD_API int iod_amdvi_queue_push(const struct iod_amdvi_queue *queue, const void *entries,
				 size_t nr);

/**
 * Consumer: take at most @p max entries out, the head once.
 * @param nr receives how many
 * @return 0 (also when empty); -EFAULT; -EINVAL
 */
IOD_API int iod_amdvi_queue_pop(const struct iod_amdvi_queue *queue, void *entries, size_t max,
				size_t *nr);

/** Producer of a log: an entry was dropped. EvtOvf (PprOvf) is set, EvtRun (PprRun) cleared.
 *  @return 0, -EINVAL (also a command buffer) */
IOD_API int iod_amdvi_queue_overflow(const struct iod_amdvi_queue *queue);

/** Whether EvtOvf (PprOvf) is set: entries were dropped, and will be until the log is restarted. */
IOD_API bool iod_amdvi_queue_overflowed(const struct iod_amdvi_queue *queue);

/** What restarting a log does (EvtLogEn, PprLogEn from 0 to 1, after Ovf was cleared): Ovf is clear, Run is set.
 *  @return 1 when something had been dropped, 0 when not, -EINVAL */
IOD_API int iod_amdvi_queue_ack_overflow(const struct iod_amdvi_queue *queue);

/** @name Consuming commands, as an IOMMU does @{ */

/** What becomes of commands. */
struct iod_amdvi_consumer_ops {
	size_t size; /**< sizeof(struct iod_amdvi_consumer_ops) */
	/**
	 * Commands in order, no COMPLETION_WAIT among them; at most 64 at a time.
	 * @param handled receives how many were obeyed: all of them, or those before the one that was not
	 * @return 0; -EINVAL or -EOPNOTSUPP: that one is illegal; -EAGAIN: ask again later (the buffer stays where
	 *         it is, no error); anything else: a hardware error
	 */
	int (*commands)(void *cookie, const struct iod_amdvi_raw_cmd *cmds, size_t nr,
			size_t *handled);
	/**
	 * A COMPLETION_WAIT: everything before it is to be complete when this returns. Then the consumer stores the
	 * data, if s asks for it; the interrupt of i is the caller's: raise it from @p written. An invalidation that
	 * a device does not answer (IOTLB_INV_TIMEOUT) is an event, which the caller logs before it returns.
	 * @return 0; others as above
	 */
	int (*sync)(void *cookie, const struct iod_amdvi_cmd *wait);
	/** The data of a COMPLETION_WAIT was stored (or no store asked for): ComWaitInt, with i. May be NULL. */
	void (*written)(void *cookie, const struct iod_amdvi_cmd *wait);
};

/** One turn of a consumer. */
struct iod_amdvi_consume {
	size_t size; /**< sizeof(struct iod_amdvi_consume) */
	struct iod_amdvi_queue
		queue; /**< in: the command buffer; CmdRun must be set in its status */
	const struct iod_amdvi_id *id; /**< in: to decode COMPLETION_WAIT with; NULL: everything */
	const struct iod_amdvi_consumer_ops *ops; /**< in */
	void *cookie;				  /**< in: handed to ops */
	/** in: commands to consume at most; 0: until it is empty, which whoever fills it can put off for ever */
	uint32_t budget;
	uint32_t consumed;		 /**< out: commands consumed */
	enum iod_amdvi_cmdq_error error; /**< out: the error; the head stays at that command */
	enum iod_cmd_reason reason;	 /**< out: why, when a COMPLETION_WAIT was illegal */
	uint64_t address; /**< out: address of the command, for the event that the caller logs */
};

/**
 * Take commands out of a buffer as an IOMMU does: in batches up to each COMPLETION_WAIT, the head written after what
 * it says was done. At an error CmdRun is cleared and the head stays at the command; while it is clear nothing is
 * consumed. (UNCONFIRMED: hardware may leave the head behind the command. struct iod_amdvi_cmdq takes both.)
 * @return 0 (error says whether it stopped); -EAGAIN from ops; -EINVAL; -E2BIG
 */
IOD_API int iod_amdvi_cmdq_consume(struct iod_amdvi_consume *consume);
/** @} */

/** Where commands go. */
struct iod_amdvi_sink {
	size_t size; /**< sizeof(struct iod_amdvi_sink) */
	/**
	 * Issue @p nr commands (may be 0; no COMPLETION_WAIT among them) in order and, with @p sync, return when all
	 * that were issued before, and these, are complete.
	 * @param issued receives how many were taken without an error; the one behind them was refused
	 * @return 0; -ETIMEDOUT all were taken, a device did not answer an INVALIDATE_IOTLB_PAGES; or another
	 *         negative errno
	 */
	int (*issue)(void *cookie, const struct iod_amdvi_raw_cmd *cmds, size_t nr, bool sync,
		     size_t *issued);
	void *cookie; /**< handed to issue */
};

struct iod_amdvi_cmdq;

/** Configuration of a driver's command buffer. */
struct iod_amdvi_cmdq_cfg {
	size_t size;	     /**< sizeof(struct iod_amdvi_cmdq_cfg) */
	struct iod_mem *mem; /**< where the ring and the stored word lie */
	uint64_t base;	     /**< command buffer base register */
	uint64_t *head;	     /**< head pointer */
	uint64_t *tail;	     /**< tail pointer; begins equal to the head */
	uint32_t *
		status; /**< status register; CmdRun clear means that hardware has stopped at an error */
	uint64_t
		store; /**< address in mem of 8 bytes, aligned to 8: COMPLETION_WAITs store there */
	/** The tail was written, or the buffer restarted. An emulated IOMMU consumes here. Called without a lock held,
	 *  by any thread, by several at a time. NULL: somebody watches the registers. */
	void (*doorbell)(void *cookie);
	/** Called while nothing moves, by any thread: pause. Nonzero gives up and is returned. NULL: the thread
	 *  yields its CPU, for as long as it takes. */
	int (*wait)(void *cookie);
	/** Disable and enable the command buffer (Control.CmdBufEn), head and tail kept: hardware goes on, CmdRun is
	 *  set when this returns. Called with a lock held: it may not call the queue. NULL: the bit is set in the
	 *  word. */
	void (*restart)(void *cookie);
	/** Before a sync returns that was stored, without a lock held, by any thread: take out what is in the event
	 *  log, and call iod_amdvi_cmdq_timeout() for each IOTLB_INV_TIMEOUT, before another thread may look at the
	 *  log (one lock around both): else that may return without having been told of its own. Without this a
	 *  timeout may be told to a later sync only. NULL: nobody looks. */
	void (*events)(void *cookie);
	void *cookie;			       /**< handed to all */
	const struct iod_allocator *allocator; /**< NULL: malloc */
};

/** Create one. The ring's memory, the registers and @p cfg->mem must outlive it. @return 0, -EINVAL, -E2BIG,
 *  -ENOMEM, -EFAULT */
IOD_API int iod_amdvi_cmdq_create(struct iod_amdvi_cmdq **out,
				  const struct iod_amdvi_cmdq_cfg *cfg);

/** Destroy it; no thread may be inside a call. @return 0, -EINVAL */
IOD_API int iod_amdvi_cmdq_destroy(struct iod_amdvi_cmdq *q);

/** What became of a batch. */
struct iod_amdvi_submitted {
	size_t size;   /**< sizeof(struct iod_amdvi_submitted) */
	size_t issued; /**< commands that were put in, up to the first that hardware refused */
	enum iod_amdvi_cmdq_error
		error; /**< why it was refused, or another error that this sync tells */
};

/**
 * Submit commands (no COMPLETION_WAIT) in order; waits for room, other threads' commands may come between where they
 * do not fit at once. With @p sync a COMPLETION_WAIT follows (f, s) and the call returns when it has stored: everything
 * that any thread submitted before is complete then. Any number of threads.
 *
 * A command that hardware refuses is skipped (it becomes a COMPLETION_WAIT without effect) and the buffer restarted;
 * the others are carried out. The call that submitted it says so. Without @p sync a call does not wait for that: such
 * an error is told to the next call that syncs (to all that do so at once behind it), and to the next of the thread
 * that submitted. An IOTLB_INV_TIMEOUT is told to every call that it may be of.
 *
 * A buffer that hardware does not get over is given up: this and all later calls return -EIO.
 * @param result may be NULL
 * @return 0; -EIO a command was refused (result: which, if it is one of this call) or a device did not answer; what
 *         cfg.wait returned (what was put in is carried out nevertheless, or not: nobody has waited); -EINVAL;
 *         -E2BIG; -EFAULT the ring or the stored word is not writable any more
 */
IOD_API int iod_amdvi_cmdq_submit(struct iod_amdvi_cmdq *q, const struct iod_amdvi_raw_cmd *cmds,
				  size_t nr, bool sync, struct iod_amdvi_submitted *result);

/**
 * The event log had an IOTLB_INV_TIMEOUT. Hardware goes on by itself. Every call that has commands which are not
 * known to be complete is told, and every thread that has; without cfg.events the next sync, too: the event may have
 * come after the sync that it is about. Any thread.
 * @return 0, -EINVAL
 */
IOD_API int iod_amdvi_cmdq_timeout(struct iod_amdvi_cmdq *q);

/** Fill a sink that submits to the queue. It returns -ETIMEDOUT for a device that did not answer, -ETIME when
 *  cfg.wait gave up with -ETIMEDOUT, else what iod_amdvi_cmdq_submit() returns. @return 0, -EINVAL */
IOD_API int iod_amdvi_cmdq_sink(struct iod_amdvi_cmdq *q, struct iod_amdvi_sink *sink);

/** Figures of a command buffer. */
struct iod_amdvi_cmdq_stats {
	size_t size;	   /**< sizeof(struct iod_amdvi_cmdq_stats) */
	uint64_t commands; /**< submitted, COMPLETION_WAITs included */
	uint64_t syncs;	   /**< COMPLETION_WAITs among them */
	uint64_t errors;   /**< times that hardware has stopped, or a device did not answer */
	uint64_t full;	   /**< times that a thread waited for room */
};

/** Read the figures. @return 0, -EINVAL, -E2BIG */
IOD_API int iod_amdvi_cmdq_get_stats(struct iod_amdvi_cmdq *q, struct iod_amdvi_cmdq_stats *stats);

#ifdef __cplusplus
}
#endif

#endif
