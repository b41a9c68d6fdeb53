/* SPDX-License-Identifier: MIT */
/**
 * @file viommu.h
 * What guests' commands have in common, whatever the IOMMU: what a caller knows after a batch, states of devices,
 * figures. smmuv3_viommu.h, vtd_viommu.h and amdvi_viommu.h are the objects; docs/guest-invalidation.md is about all
 * three.
 */
#ifndef IODIRTY_VIOMMU_H
#define IODIRTY_VIOMMU_H

#include <iodirty/command.h>
#include <iodirty/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What may be sent to a device. */
enum iod_vdev_state {
	IOD_VDEV_ON = 0,      /**< everything */
	IOD_VDEV_ATS_OFF = 1, /**< nothing for its cache: it has none, or must not be asked */
	IOD_VDEV_BLOCKED = 2, /**< nothing: no answers to its page requests either */
};

/** What became of a batch. */
struct iod_guest_result {
	size_t size;	  /**< sizeof(struct iod_guest_result) */
	uint32_t handled; /**< commands from the start whose host commands were all taken */
	uint32_t index;	  /**< of the command that failed; the batch's size when none did */
	uint32_t
		sid; /**< StreamID, source-id or DeviceID that the guest wrote in it; 0 where it has none */
	uint32_t op;		    /**< its opcode or type, as the guest wrote it */
	enum iod_cmd_reason reason; /**< why */
	uint32_t host_commands;	    /**< taken by the sink, without those that sync */
	uint32_t syncs;		    /**< asked of the sink */
	bool synced; /**< everything that is handled is complete (with NO_SYNC: nothing was issued) */
	uint8_t reserved[3];
};

/** Figures of a virtual IOMMU. */
struct iod_viommu_stats {
	size_t size;		/**< sizeof(struct iod_viommu_stats) */
	uint64_t batches;	/**< invalidate() and parts of consume() */
	uint64_t commands;	/**< guest commands handled */
	uint64_t refused;	/**< batches that stopped at a command */
	uint64_t host_commands; /**< taken by the sink */
	uint64_t syncs;		/**< asked of the sink */
};

#ifdef __cplusplus
}
#endif

#endif
