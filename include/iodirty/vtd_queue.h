/* SPDX-License-Identifier: MIT */
/**
 * @file vtd_queue.h
 * VT-d queues (Intel D51397, 6.5.2, 7.4.1, 11.4.9, 11.4.12): rings in memory with head and tail, both sides of each;
 * and the fault recording registers (7.2.1).
 *
 * - struct iod_vtd_queue is a ring as its registers describe it: what an emulated VT-d takes descriptors from and
 *   puts page requests into, and what a driver takes page requests from. One thread at a time per side.
 * - struct iod_vtd_iq is a driver's invalidation queue: any number of threads submit, one sync a batch.
 * - struct iod_vtd_sink is where descriptors go: an invalidation queue, or what the caller likes.
 *
 * Registers are words in host byte order that the caller provides (64-bit ones aligned to 8), read and written
 * atomically. Heads and tails are byte offsets into the ring; a ring of N entries holds N - 1.
 */
#ifndef IODIRTY_VTD_QUEUE_H
#define IODIRTY_VTD_QUEUE_H

#include <iodirty/command.h>
#include <iodirty/mem.h>
#include <iodirty/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct iod_vtd_raw_desc;
struct iod_vtd_desc;
struct iod_vtd_id;

/** What a ring holds. */
enum iod_vtd_queue_kind {
	IOD_VTD_IQ = 1,	 /**< struct iod_vtd_raw_desc; in memory 16 bytes, with IQA.DW 32 */
	IOD_VTD_PRQ = 2, /**< 32 bytes: page requests */
};

/** A ring as its registers describe it; nothing is kept between calls. */
struct iod_vtd_queue {
	size_t size; /**< sizeof(struct iod_vtd_queue) */
	enum iod_vtd_queue_kind kind;
	uint32_t reserved;   /**< 0 */
	struct iod_mem *mem; /**< where the ring lies; never trusted */
	/** IQA, PQA: size in pages, a power of two [2:0]; DW 11 (IQ); address [63:12], whose bits below the
	 *  ring's size are ignored. */
	uint64_t base;
	uint64_t *head; /**< IQH, PQH: the consumer's */
	uint64_t *tail; /**< IQT, PQT: the producer's */
	uint32_t *prs;	/**< PRS (a page request queue's; else NULL) */
};

/** @name Bits of IQA, PRS, FSTS, IQERCD @{ */
#define IOD_VTD_IQA_DW	       (1u << 11)   /**< entries of 256 bits */
#define IOD_VTD_PRS_PPR	       (1u << 0)    /**< a page request was put in (RW1C) */
#define IOD_VTD_PRS_PRO	       (1u << 1)    /**< one did not fit (RW1C) */
#define IOD_VTD_FSTS_PFO       (1u << 0)    /**< a fault did not fit (RW1C) */
#define IOD_VTD_FSTS_PPF       (1u << 1)    /**< some record's F is set (read only) */
#define IOD_VTD_FSTS_IQE       (1u << 4)    /**< invalidation queue error (RW1C) */
#define IOD_VTD_FSTS_ICE       (1u << 5)    /**< invalidation completion error (RW1C) */
#define IOD_VTD_FSTS_ITE       (1u << 6)    /**< invalidation time-out error (RW1C) */
#define IOD_VTD_FSTS_PRO       (1u << 7)    /**< PRS.PRO (read only) */
#define IOD_VTD_FSTS_FRI       (0xffu << 8) /**< the first pending record */
#define IOD_VTD_FSTS_FRI_SHIFT 8
/** @} */

/** Why an invalidation queue stopped. */
enum iod_vtd_iq_error {
	IOD_VTD_IQ_NONE = 0,
	IOD_VTD_IQ_IQE =
		1, /**< a descriptor (or the ring) is not what it should be; the head stays at it */
	IOD_VTD_IQ_ITE = 2, /**< a device-TLB invalidation was not answered in time */
	IOD_VTD_IQ_ICE = 3, /**< a device-TLB invalidation was answered wrongly */
	IOD_VTD_IQ_LOST =
		4, /**< the ring stays unreadable, or hardware stays at a descriptor: given up */
};

/** IQERCD.IQEI [3:0]: what an IQE is about. */
enum iod_vtd_iqei {
	IOD_VTD_IQEI_NONE = 0,	     /**< no information */
	IOD_VTD_IQEI_TAIL = 1,	     /**< the tail is outside the ring */
	IOD_VTD_IQEI_FETCH = 2,	     /**< unreadable memory */
	IOD_VTD_IQEI_TYPE = 3,	     /**< no such descriptor */
	IOD_VTD_IQEI_RESERVED = 4,   /**< reserved bits are set */
	IOD_VTD_IQEI_WIDTH = 5,	     /**< IQA.DW does not suit */
	IOD_VTD_IQEI_MISALIGNED = 6, /**< the tail is between entries of 256 bits */
	IOD_VTD_IQEI_TTM = 7,	     /**< the translation table mode does not suit */
};

/**
 * Check a ring: base, registers, kind, memory. Not needed: what is missing is found when it is met.
 * @return 0; -EINVAL; -E2BIG; -EFAULT not (all) in memory, or not writable (but for descriptors)
 */
IOD_API int iod_vtd_queue_check(const struct iod_vtd_queue *queue);

/** Entries that wait; head or tail outside the ring: as if it were inside. @return or -EINVAL */
IOD_API int64_t iod_vtd_queue_used(const struct iod_vtd_queue *queue);

/**
 * Producer: put @p nr entries in, the tail once. All or nothing. A page request queue takes none while PRS.PRO is
 * set (7.4.1), and sets PRS.PPR.
 * @param entries of an IQ: struct iod_vtd_raw_desc, whose upper words must be 0 without IQA.DW
 * @return 0; -ENOSPC; -EFAULT; -EINVAL
 */
IOD_API int iod_vtd_queue_push(const struct iod_vtd_queue *queue, const void *entries, size_t nr);

/**
 * Consumer: take at most @p max entries out, the head once.
 * @param nr receives how many
 * @return 0 (also when empty); -EFAULT; -EINVAL
 */
IOD_API int iod_vtd_queue_pop(const struct iod_vtd_queue *queue, void *entries, size_t max,
			      size_t *nr);

/** Producer of page requests: one was dropped, PRS.PRO is set. Who asked for the last of a group is answered
 *  Success at once (7.4.1): by the caller. @return 0, -EINVAL (also an IQ) */
IOD_API int iod_vtd_queue_overflow(const struct iod_vtd_queue *queue);

/** Whether PRS.PRO is set: requests were dropped, and will be until the consumer acknowledges. */
IOD_API bool iod_vtd_queue_overflowed(const struct iod_vtd_queue *queue);

/** Consumer, after it has emptied the queue: acknowledge. PRS.PRO is cleared. @return 1 when something had been
 *  dropped, 0 when not, -EINVAL */
IOD_API int iod_vtd_queue_ack_overflow(const struct iod_vtd_queue *queue);

/** @name Consuming descriptors, as a VT-d does @{ */

/** What becomes of descriptors. */
struct iod_vtd_consumer_ops {
	size_t size; /**< sizeof(struct iod_vtd_consumer_ops) */
	/**
	 * Descriptors in order, no wait among them; at most 64 at a time. Without IQA.DW the upper words are 0.
	 * @param handled receives how many were obeyed: all of them, or those before the one that was not
	 * @return 0; -EINVAL or -EOPNOTSUPP: that one is illegal (IQE; what IQERCD is to say is found by decoding
	 *         it); -EAGAIN: ask again later (the queue stays where it is, no error); -ETIMEDOUT: ITE (the
	 *         head stays at it, and it is taken again); -EIO: ICE, the same; anything else: IQE
	 */
	int (*commands)(void *cookie, const struct iod_vtd_raw_desc *descs, size_t nr,
			size_t *handled);
	/**
	 * A wait descriptor: everything before it is to be complete when this returns (fence or not), with PD page
	 * requests too. Then the consumer writes the status, if SW asks for it; the interrupt of IF is the
	 * caller's: raise it from @p written.
	 * @return 0; -ETIMEDOUT: a device-TLB invalidation before it was not answered (ITE: the wait is aborted, its
	 *         status never written, and the head is behind it); -EIO: it was answered wrongly (ICE: the head
	 *         stays at it, and it is taken again); others as above
	 */
	int (*sync)(void *cookie, const struct iod_vtd_desc *wait);
	/** The status of a wait descriptor was written (or none was asked for): ICS.IWC, with IF. May be NULL. */
	void (*written)(void *cookie, const struct iod_vtd_desc *wait);
};

/** One turn of a consumer. */
struct iod_vtd_consume {
	size_t size;		    /**< sizeof(struct iod_vtd_consume) */
	struct iod_vtd_queue queue; /**< in: the invalidation queue */
	uint32_t *fsts;	  /**< in: FSTS: IQE, ITE and ICE are set here; software clears them */
	uint64_t *iqercd; /**< in: IQERCD; NULL: there is none */
	const struct iod_vtd_id
		*id; /**< in: to decode waits and refused ones with; NULL: everything */
	const struct iod_vtd_consumer_ops *ops; /**< in */
	void *cookie;				/**< in: handed to ops */
	/** in: descriptors to consume at most; 0: until it is empty, which whoever fills it can put off for ever */
	uint32_t budget;
	/** in: source-id for IQERCD.ITESID and ICESID, read when ops return -ETIMEDOUT or -EIO; NULL: 0 */
	const uint16_t *sid;
	uint32_t consumed; /**< out: descriptors consumed */
	enum iod_vtd_iq_error
		error; /**< out: the error raised, the head stays at that descriptor (ITE of a wait: behind it) */
	enum iod_vtd_iqei iqei;	    /**< out: of an IQE */
	enum iod_cmd_reason reason; /**< out: why a descriptor was illegal, when decoding tells */
};

/**
 * Take descriptors out of a queue as a VT-d does: in batches up to each wait, the head written after what it says was
 * done. At an error FSTS is set and the head stays at the descriptor (6.5.2.10; a wait that ITE aborts is behind it,
 * 6.5.2.11); while one of IQE, ITE and ICE is set nothing is consumed. (Hardware may leave ICE set and go on; to stop is what a driver must be able to take.)
 * @return 0 (error says whether it stopped); -EAGAIN from ops; -EINVAL; -E2BIG
 */
IOD_API int iod_vtd_iq_consume(struct iod_vtd_consume *consume);
/** @} */

/** Where descriptors go. */
struct iod_vtd_sink {
	size_t size; /**< sizeof(struct iod_vtd_sink) */
	/**
	 * Issue @p nr descriptors (may be 0; no wait among them) in order and, with @p sync, return when all that
	 * were issued before, and these, are complete. Entries are struct iod_vtd_raw_desc whatever the width of
	 * the ring: their upper words are 0 where the ring's are 128 bits.
	 * @param issued receives how many were taken without an error; the one behind them was refused
	 * @return 0; -ETIMEDOUT all were taken, a device-TLB invalidation did not complete; or another negative
	 *         errno
	 */
	int (*issue)(void *cookie, const struct iod_vtd_raw_desc *descs, size_t nr, bool sync,
		     size_t *issued);
	void *cookie; /**< handed to issue */
};

struct iod_vtd_iq;

/** Configuration of a driver's invalidation queue. */
struct iod_vtd_iq_cfg {
	size_t size;	     /**< sizeof(struct iod_vtd_iq_cfg) */
	struct iod_mem *mem; /**< where the ring and the status word lie */
	uint64_t base;	     /**< IQA */
	uint64_t *head;	     /**< IQH */
	uint64_t *tail;	     /**< IQT; begins equal to IQH */
	uint32_t *fsts;	     /**< FSTS */
	uint64_t status; /**< address in mem of 4 bytes, aligned to 4: wait descriptors write it */
	/** IQT was written, or an error cleared in FSTS. An emulated VT-d consumes here. Called without a lock held,
	 *  by any thread, by several at a time. NULL: somebody watches the registers. */
	void (*doorbell)(void *cookie);
	/** Called while nothing moves (also while waits are aborted again and again), by any thread: pause.
	 *  Nonzero gives up and is returned. NULL: the thread yields its CPU, for as long as it takes. */
	int (*wait)(void *cookie);
	/** Write @p bits to FSTS, which clears them there (RW1C). Called with a lock held: it may not call the queue.
	 *  NULL: they are cleared in the word. */
	void (*clear)(void *cookie, uint32_t bits);
	void *cookie;			       /**< handed to all */
	const struct iod_allocator *allocator; /**< NULL: malloc */
};

/** Create one. The ring's memory, the registers and @p cfg->mem must outlive it. @return 0, -EINVAL, -E2BIG,
 *  -ENOMEM, -EFAULT */
IOD_API int iod_vtd_iq_create(struct iod_vtd_iq **out, const struct iod_vtd_iq_cfg *cfg);

/** Destroy it; no thread may be inside a call. @return 0, -EINVAL */
IOD_API int iod_vtd_iq_destroy(struct iod_vtd_iq *q);

/** What became of a batch. */
struct iod_vtd_submitted {
	size_t size;   /**< sizeof(struct iod_vtd_submitted) */
	size_t issued; /**< descriptors that were put in, up to the first that hardware refused */
	enum iod_vtd_iq_error
		error; /**< why it was refused, or another error that this sync tells */
};

/**
 * Submit descriptors (no waits) in order; waits for room, other threads' may come between where they do not fit at
 * once. With @p sync a wait descriptor follows (FN, SW) and the call returns when its status was written: everything
 * that any thread submitted before is complete then. Any number of threads.
 *
 * A descriptor that hardware refuses is skipped (it becomes a wait without effect) and the error is cleared; the
 * others are carried out. The call that submitted it says so. Without @p sync a call does not wait for that: such an
 * error is told to the next call that syncs (to all that do so at once behind it), and to the next of the thread that
 * submitted. A device-TLB invalidation that did not complete (ITE, ICE) is told to every call that it may be of; waits
 * that hardware has aborted are submitted again.
 *
 * A queue that hardware does not get over (its ring stays unreadable) is given up: this and all later calls return
 * -EIO.
 * @param result may be NULL
 * @return 0; -EIO a descriptor was refused (result: which, if it is one of this call) or a device-TLB invalidation did
 *         not complete; what cfg.wait returned (what was put in is carried out nevertheless, or not: nobody has
 *         waited); -EINVAL also: upper words are not 0 without IQA.DW; -E2BIG; -EFAULT the ring or the status is not
 *         writable any more
 */
IOD_API int iod_vtd_iq_submit(struct iod_vtd_iq *q, const struct iod_vtd_raw_desc *descs, size_t nr,
			      bool sync, struct iod_vtd_submitted *result);

/** Fill a sink that submits to the queue. It returns -ETIMEDOUT for a device-TLB invalidation that did not complete,
 *  -ETIME when cfg.wait gave up with -ETIMEDOUT, else what iod_vtd_iq_submit() returns. @return 0, -EINVAL */
IOD_API int iod_vtd_iq_sink(struct iod_vtd_iq *q, struct iod_vtd_sink *sink);

/** Figures of an invalidation queue. */
struct iod_vtd_iq_stats {
	size_t size;	   /**< sizeof(struct iod_vtd_iq_stats) */
	uint64_t commands; /**< descriptors submitted, waits included */
	uint64_t syncs;	   /**< waits among them */
	uint64_t errors;   /**< errors raised by hardware, that were cleared or given up on */
	uint64_t full;	   /**< times that a thread waited for room */
};

/** Read the figures. @return 0, -EINVAL, -E2BIG */
IOD_API int iod_vtd_iq_get_stats(struct iod_vtd_iq *q, struct iod_vtd_iq_stats *stats);

/** @name Fault recording registers (7.2.1, 11.4.14) @{ */

/** The fault recording registers of an emulated VT-d. One thread at a time. */
struct iod_vtd_fault_regs {
	size_t size; /**< sizeof(struct iod_vtd_fault_regs) */
	uint64_t *
		record; /**< nr pairs of words, as at CAP.FRO: bits 63:0, 127:64 (F is bit 63 of the second) */
	uint32_t nr;	/**< CAP.NFR + 1: 1 to 256 */
	uint32_t next;	/**< the register that the next fault goes to; 0 at reset */
	uint32_t *fsts; /**< FSTS: PFO, PPF and FRI are kept here */
};

/**
 * Record a fault: F is set in it. Sets PPF, and FRI if none was pending. When the next register is taken PFO is set,
 * and nothing is recorded until it is cleared. A fault of the same source-id, reason and page as one that is pending
 * is not recorded again (which 7.2.1 allows), so that one device cannot fill all of them.
 * @param lo bits 63:0
 * @param hi bits 127:64
 * @return 1 recorded; 0 collapsed with a pending one; -ENOSPC dropped; -EINVAL
 */
IOD_API int iod_vtd_fault_record(struct iod_vtd_fault_regs *regs, uint64_t lo, uint64_t hi);

/** Software wrote 1 to F of register @p index. PPF and FRI follow. @return 0, -EINVAL */
IOD_API int iod_vtd_fault_clear(struct iod_vtd_fault_regs *regs, uint32_t index);

/** Software wrote @p bits to FSTS: what is RW1C of them is cleared. @return 0, -EINVAL */
IOD_API int iod_vtd_fsts_clear(uint32_t *fsts, uint32_t bits);
/** @} */

#ifdef __cplusplus
}
#endif

#endif
