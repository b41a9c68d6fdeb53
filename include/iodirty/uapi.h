/* SPDX-License-Identifier: MIT */
/**
 * @file uapi.h
 * Adapters: an iod_dirty_log behind the argument layouts that VMMs speak already (VFIO type1, iommufd,
 * KVM), for emulating these interfaces or for tests of code that uses them. No kernel header is
 * needed; the layouts are those of 64-bit Linux.
 *
 * Arguments are taken as raw bytes, with as many as are really there: what the kernel would fail to copy
 * in or out is -EFAULT. The bitmap is given by the caller, who knows where the pointer in the argument
 * leads; it must be aligned to 8 (-EINVAL). Checks and errors are the kernel's, in its order; these
 * functions therefore also return what the rest of the library never does (-EOVERFLOW). Where the
 * kernel's outcome is undefined, or quiet about lost state, it is an error here, as the functions say.
 * After an error nothing is lost: what was put into the bitmap is dirty again in the log. (An unmap without a
 * log says for itself what becomes of it.)
 *
 * Locking: as the functions of iod_dirty_log that they call.
 */
#ifndef IODIRTY_UAPI_H
#define IODIRTY_UAPI_H

#include <iodirty/dirty_log.h>
#include <iodirty/types.h>
#include <iodirty/unmap.h>

#ifdef __cplusplus
extern "C" {
#endif

/** @name VFIO type1: VFIO_IOMMU_DIRTY_PAGES, VFIO_IOMMU_UNMAP_DMA @{ */
#define IOD_VFIO_DIRTY_START		(1u << 0)
#define IOD_VFIO_DIRTY_STOP		(1u << 1)
#define IOD_VFIO_DIRTY_GET_BITMAP	(1u << 2)

#define IOD_VFIO_UNMAP_GET_DIRTY_BITMAP (1u << 0)
#define IOD_VFIO_UNMAP_ALL		(1u << 1)
#define IOD_VFIO_UNMAP_VADDR		(1u << 2)

/** struct vfio_bitmap. */
struct iod_vfio_bitmap {
	uint64_t pgsize; /**< bytes per bit */
	uint64_t size;	 /**< bytes of the bitmap */
	uint64_t data;	 /**< pointer */
};

/** struct vfio_iommu_type1_dirty_bitmap; the next struct follows. */
struct iod_vfio_dirty_bitmap {
	uint32_t argsz;
	uint32_t flags; /**< IOD_VFIO_DIRTY_* */
};

/** struct vfio_iommu_type1_dirty_bitmap_get. */
struct iod_vfio_dirty_bitmap_get {
	uint64_t iova;
	uint64_t size;
	struct iod_vfio_bitmap bitmap;
};

/** struct vfio_iommu_type1_dma_unmap; a struct vfio_bitmap may follow. */
struct iod_vfio_dma_unmap {
	uint32_t argsz;
	uint32_t flags; /**< IOD_VFIO_UNMAP_* */
	uint64_t iova;
	uint64_t size;
};
/** @} */

/** A VFIO argument that was checked. */
struct iod_vfio_request {
	uint32_t flags;	   /**< of the argument */
	uint32_t reserved; /**< 0 */
	uint64_t iova;
	uint64_t size;
	struct iod_vfio_bitmap bitmap; /**< zero when the flags ask for none */
};

/**
 * Check the argument of VFIO_IOMMU_DIRTY_PAGES. That the range cuts no DMA mapping (-EINVAL) is for the
 * caller to check, who has the list of them.
 * @param arg_len       bytes at @p arg
 * @param pgsize_bitmap page sizes of the container; the lowest is the only pgsize allowed
 * @return 0; -EFAULT; -EINVAL (also flags 0 and pgsize 0, undefined in the kernel); -EOVERFLOW
 */
IOD_API int iod_vfio_dirty_pages_check(struct iod_vfio_request *req, const void *arg,
				       size_t arg_len, uint64_t pgsize_bitmap);

/**
 * Do what was checked. START when started and STOP when stopped do nothing, successfully. GET sets bits;
 * the caller zeroes the bitmap.
 * @param bitmap     what req->bitmap.data leads to; GET only
 * @param bitmap_len its bytes; fewer than req->bitmap.size: -EFAULT
 * @return 0; -EINVAL (also GET when stopped); -EFAULT; what iod_dirty_log_start() or _sync() returned
 */
IOD_API int iod_vfio_dirty_pages(struct iod_dirty_log *log, const struct iod_vfio_request *req,
				 void *bitmap, uint64_t bitmap_len);

/**
 * Check the argument of VFIO_IOMMU_UNMAP_DMA. That the range cuts no DMA mapping, and what
 * IOD_VFIO_UNMAP_VADDR demands of the container, is for the caller to check.
 * @param tracking whether dirty tracking is on
 * @return as iod_vfio_dirty_pages_check()
 */
IOD_API int iod_vfio_unmap_check(struct iod_vfio_request *req, const void *arg, size_t arg_len,
				 uint64_t pgsize_bitmap, bool tracking);

/**
 * Asked to let go of [iova, iova + size) before it is unmapped (pages that an emulated device pinned).
 * @param attempt 0, 1, ...
 * @return 0 nothing is pinned; -EAGAIN something is, ask again; anything else: not unmapped
 */
typedef int (*iod_vfio_unpin_fn)(void *cookie, uint64_t iova, uint64_t size, unsigned int attempt);

/** So often is asked before VFIO_IOMMU_UNMAP_DMA gives up. */
#define IOD_VFIO_UNPIN_TRIES 10u

/** What VFIO_IOMMU_UNMAP_DMA works on, and what comes of it: a page table with a gather, or with its log. */
struct iod_vfio_unmap {
	size_t size;		   /**< sizeof(struct iod_vfio_unmap) */
	struct iod_pgtable *pt;	   /**< in: addresses of the request are the table's */
	struct iod_gather *gather; /**< in: is synced by the call; NULL with a log */
	struct iod_dirty_log *log; /**< in: the log that tracks pt; NULL: none does */
	uint64_t to_log;     /**< in: with a log: the log's address of a page, less the table's */
	void *bitmap;	     /**< in: what req->bitmap.data leads to; with GET_DIRTY_BITMAP only */
	uint64_t bitmap_len; /**< in: its bytes; fewer than req->bitmap.size: -EFAULT */
	iod_vfio_unpin_fn unpin; /**< in: NULL: nothing is ever pinned */
	void *cookie;		 /**< in: handed to unpin */
	uint64_t
		unmapped; /**< out: bytes unmapped, which the kernel writes to `size` of the argument */
	struct iod_bitmap bits; /**< the call's own: see below */
};

/**
 * Do what iod_vfio_unmap_check() checked: unmap the range, of IOD_VFIO_UNMAP_ALL everything, and set the bits
 * of its dirty pages, bit 0 being req->iova; the caller zeroes the bitmap. Holes are no error, nothing mapped
 * neither: `unmapped` tells. When it returns 0 invalidations are complete and the bitmap too: pages may be
 * copied. Without IOD_VFIO_UNMAP_GET_DIRTY_BITMAP dirty state is dropped; with a
 * log that is started it comes with the next sync.
 *
 * With a log the bitmap also receives what else the log knows to be dirty in the range, which is taken from it;
 * the log must be started for that. Without a log, in a table that one tracks, dirty state would go past it.
 *
 * After what the gather's ops returned the range is unmapped, but the bitmap not complete: it is after a
 * successful iod_gather_sync(), until which @p unmap and the bitmap must stay where they are. (With a log: it
 * comes with the log's next sync, nothing need stay.) After any other error nothing is unmapped.
 * @return 0; -EINVAL also when a page is cut, and IOD_VFIO_UNMAP_VADDR, which unmaps nothing: the caller's
 *         business; -EFAULT; -EBUSY unpin kept saying -EAGAIN; what unpin, iod_unmap_dirty(), iod_unmap(),
 *         iod_dirty_log_unmap() or the gather's ops returned
 */
IOD_API int iod_vfio_unmap(struct iod_vfio_unmap *unmap, const struct iod_vfio_request *req);

/** @name iommufd: IOMMU_HWPT_SET_DIRTY_TRACKING, IOMMU_HWPT_GET_DIRTY_BITMAP @{ */
#define IOD_IOMMUFD_DIRTY_TRACKING_ENABLE (1u << 0)
#define IOD_IOMMUFD_DIRTY_BITMAP_NO_CLEAR (1u << 0)

/** struct iommu_hwpt_set_dirty_tracking. */
struct iod_iommufd_set_dirty_tracking {
	uint32_t size;
	uint32_t flags; /**< 0 or IOD_IOMMUFD_DIRTY_TRACKING_ENABLE */
	uint32_t hwpt_id;
	uint32_t reserved; /**< not checked, as in the kernel */
};

/** struct iommu_hwpt_get_dirty_bitmap. */
struct iod_iommufd_get_dirty_bitmap {
	uint32_t size;
	uint32_t hwpt_id;
	uint32_t flags; /**< 0 or IOD_IOMMUFD_DIRTY_BITMAP_NO_CLEAR */
	uint32_t reserved;
	uint64_t iova;
	uint64_t length;
	uint64_t page_size;
	uint64_t data; /**< pointer */
};
/** @} */

/**
 * IOMMU_HWPT_SET_DIRTY_TRACKING on the log of a HWPT, which the caller found by hwpt_id. Enabling what
 * is enabled does nothing (the kernel drops the dirty state once more), disabling what is disabled
 * neither.
 * @return 0; -EFAULT; -EINVAL size; -E2BIG; -EOPNOTSUPP flags; what iod_dirty_log_start() returned
 */
IOD_API int iod_iommufd_set_dirty_tracking(struct iod_dirty_log *log, const void *arg,
					   size_t arg_len);

/**
 * IOMMU_HWPT_GET_DIRTY_BITMAP. Bits are set, the caller zeroes the bitmap; bit 0 is iova. Unlike the
 * kernel it says so when tracking is off or a sweep fails, goes on behind holes, sets no bit behind the
 * range, and wants a page_size that is a power of two of 4 KiB or more and a length that is not 0
 * (-EINVAL).
 * @param alignment  of the IOAS, a power of two
 * @param bitmap     what data leads to
 * @param bitmap_len its bytes; fewer than needed: -EFAULT (the kernel loses the rest quietly)
 * @return 0; -EFAULT; -EINVAL; -E2BIG; -EOPNOTSUPP flags or reserved; -EOVERFLOW; what
 *         iod_dirty_log_sync() returned
 */
IOD_API int iod_iommufd_get_dirty_bitmap(struct iod_dirty_log *log, const void *arg, size_t arg_len,
					 uint64_t alignment, void *bitmap, uint64_t bitmap_len);

/** @name KVM: KVM_GET_DIRTY_LOG, KVM_CLEAR_DIRTY_LOG, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2 @{ */
#define IOD_KVM_MANUAL_PROTECT_ENABLE (1u << 0)
#define IOD_KVM_INITIALLY_SET	      (1u << 1)

/** struct kvm_dirty_log. */
struct iod_kvm_dirty_log {
	uint32_t slot; /**< address space in 31:16 */
	uint32_t padding1;
	uint64_t dirty_bitmap; /**< pointer */
};

/** struct kvm_clear_dirty_log. */
struct iod_kvm_clear_dirty_log {
	uint32_t slot;
	uint32_t num_pages;
	uint64_t first_page;
	uint64_t dirty_bitmap; /**< pointer */
};
/** @} */

/** A memory slot with dirty logging. */
struct iod_kvm_slot {
	uint32_t slot;	   /**< address space in 31:16 */
	uint32_t reserved; /**< 0 */
	uint64_t iova;	   /**< the log's address of its first page */
	uint64_t npages;
};

/** A VM's slots as parts of one log. */
struct iod_kvm {
	size_t size; /**< sizeof(struct iod_kvm) */
	struct iod_dirty_log *log;
	const struct iod_kvm_slot *slots;
	size_t nr_slots;
	uint64_t page_size; /**< of the host, 4 KiB or more; 0: 4 KiB */
	uint32_t manual;    /**< what was enabled: 0, or IOD_KVM_MANUAL_PROTECT_ENABLE and perhaps
				 IOD_KVM_INITIALLY_SET */
	uint32_t reserved;  /**< 0 */
};

/** Check args[0] of KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2. @return 0, -EINVAL */
IOD_API int iod_kvm_check_manual(uint64_t flags);

/** Begin to track; all dirty with IOD_KVM_INITIALLY_SET. @return as iod_dirty_log_start() */
IOD_API int iod_kvm_start(const struct iod_kvm *kvm);

/**
 * KVM_GET_DIRTY_LOG: overwrites ALIGN(npages, 64) / 8 bytes. Cleans and takes what it reports, unless
 * IOD_KVM_MANUAL_PROTECT_ENABLE: then iod_kvm_clear_dirty_log() does.
 * @return 0; -EFAULT; -ENOENT no such slot, or not tracking; -EINVAL; what iod_dirty_log_sync() returned
 */
IOD_API int iod_kvm_get_dirty_log(const struct iod_kvm *kvm, const void *arg, size_t arg_len,
				  void *bitmap, uint64_t bitmap_len);

/**
 * KVM_CLEAR_DIRTY_LOG: bit 0 is first_page, a multiple of 64; num_pages is one too, or ends the slot.
 * Copy pages after it returned.
 * @return as iod_kvm_get_dirty_log()
 */
IOD_API int iod_kvm_clear_dirty_log(const struct iod_kvm *kvm, const void *arg, size_t arg_len,
				    const void *bitmap, uint64_t bitmap_len);

#ifdef __cplusplus
}
#endif

#endif
