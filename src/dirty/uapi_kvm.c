/* SPDX-License-Identifier: MIT */
/* KVM's dirty log of memory slots in front of a dirty log. */
#include <iodirty/uapi.h>

#include <assert.h>
#include <errno.h>

#include "dirty/log.h"

static_assert(sizeof(struct iod_kvm_dirty_log) == 16, "layout");
static_assert(sizeof(struct iod_kvm_clear_dirty_log) == 24, "layout");

int iod_kvm_check_manual(uint64_t flags)
{
	if (flags & ~(uint64_t)(IOD_KVM_MANUAL_PROTECT_ENABLE | IOD_KVM_INITIALLY_SET) ||
	    flags == IOD_KVM_INITIALLY_SET)
		return -EINVAL;
	return 0;
}

static int kvm_in(struct iod_kvm *kvm, const struct iod_kvm *user)
{
	int ret = iod_struct_in(kvm, sizeof(*kvm), user, sizeof(*kvm));

	if (ret)
		return ret;
	if (!kvm->page_size)
		kvm->page_size = 4096;
	if (!kvm->log || (kvm->nr_slots && !kvm->slots) || kvm->reserved ||
	    !is_pow2(kvm->page_size) || kvm->page_size < 4096)
		return -EINVAL;
	return iod_kvm_check_manual(kvm->manual);
}

static const struct iod_kvm_slot *find_slot(const struct iod_kvm *kvm, uint32_t slot)
{
	size_t i;

	for (i = 0; i < kvm->nr_slots; i++)
		if (kvm->slots[i].slot == slot)
			return &kvm->slots[i];
	return NULL;
}

/* Pages of a slot as a bitmap in the caller's memory. */
static int slot_bitmap(const struct iod_kvm *kvm, const struct iod_kvm_slot *slot, uint64_t first,
		       uint64_t npages, void *bitmap, uint64_t bitmap_len, struct iod_bitmap *bm)
{
	uint64_t most = UINT64_MAX / kvm->page_size;

	if (npages > most || first > most || slot->iova > UINT64_MAX - first * kvm->page_size)
		return -EINVAL;
	if (!bitmap || bitmap_len < (npages / 64 + (npages % 64 != 0)) * 8)
		return -EFAULT;
	return iod_bitmap_init(bm, slot->iova + first * kvm->page_size, npages * kvm->page_size,
			       kvm->page_size, bitmap, bitmap_len, 0);
}

int iod_kvm_start(const struct iod_kvm *user)
{
	struct iod_dirty_log_start start = { .size = sizeof(start) };
	struct iod_kvm kvm;
	int ret = kvm_in(&kvm, user);

	if (ret)
		return ret;
	if (kvm.manual & IOD_KVM_INITIALLY_SET)
		start.flags = IOD_DIRTY_LOG_INITIALLY_DIRTY;
	return iod_dirty_log_start(kvm.log, &start);
}

int iod_kvm_get_dirty_log(const struct iod_kvm *user, const void *arg, size_t arg_len, void *bitmap,
			  uint64_t bitmap_len)
{
	const struct iod_kvm_slot *slot;
	struct iod_kvm_dirty_log cmd;
	struct iod_bitmap bm;
	struct iod_kvm kvm;
	int ret = kvm_in(&kvm, user);

	if (ret)
		return ret;
	if (!arg || arg_len < sizeof(cmd))
		return -EFAULT;
	memcpy(&cmd, arg, sizeof(cmd));
	slot = find_slot(&kvm, cmd.slot);
	if (!slot || !iod_log_started(kvm.log))
		return -ENOENT;
	ret = slot_bitmap(&kvm, slot, 0, slot->npages, bitmap, bitmap_len, &bm);
	if (ret)
		return ret;
	memset(bitmap, 0, (size_t)iod_bitmap_bytes(slot->npages * kvm.page_size, kvm.page_size));
	return iod_log_sync_whole(kvm.log, &bm, bm.base_iova, slot->npages * kvm.page_size,
				  kvm.manual ? IOD_DIRTY_SYNC_NO_REARM : 0);
}

int iod_kvm_clear_dirty_log(const struct iod_kvm *user, const void *arg, size_t arg_len,
			    const void *bitmap, uint64_t bitmap_len)
{
	struct iod_kvm_clear_dirty_log cmd;
	const struct iod_kvm_slot *slot;
	struct iod_bitmap bm;
	struct iod_kvm kvm;
	int ret = kvm_in(&kvm, user);

	if (ret)
		return ret;
	if (!arg || arg_len < sizeof(cmd))
		return -EFAULT;
	memcpy(&cmd, arg, sizeof(cmd));
	if (cmd.first_page % 64)
		return -EINVAL;
	slot = find_slot(&kvm, cmd.slot);
	if (!slot || !iod_log_started(kvm.log))
		return -ENOENT;
	if (cmd.first_page > slot->npages || cmd.num_pages > slot->npages - cmd.first_page ||
	    (cmd.num_pages < slot->npages - cmd.first_page && cmd.num_pages % 64))
		return -EINVAL;
	if (!cmd.num_pages)
		return 0;
	/* Only read. */
	ret = slot_bitmap(&kvm, slot, cmd.first_page, cmd.num_pages, (void *)(uintptr_t)bitmap,
			  bitmap_len, &bm);
	return ret ? ret
		   : iod_dirty_log_clear(kvm.log, bm.base_iova,
					 (uint64_t)cmd.num_pages * kvm.page_size, &bm, NULL);
}
