/* SPDX-License-Identifier: MIT */
/* What the commands of all IOMMUs have in common. */
#include <iodirty/command.h>

const char *iod_cmd_reason_name(enum iod_cmd_reason reason)
{
	static const char *const names[] = {
		[IOD_CMD_OK] = "no error",
		[IOD_CMD_BAD_OPCODE] = "no such command",
		[IOD_CMD_BAD_PERMISSION] = "a command that this IOMMU does not have",
		[IOD_CMD_BAD_RESERVED] = "reserved bits are set",
		[IOD_CMD_BAD_FIELD] = "a field has an illegal value",
		[IOD_CMD_BAD_RANGE] = "what says which addresses is not possible",
		[IOD_CMD_BAD_SOURCE] = "no such device",
		[IOD_CMD_BAD_PASID] = "PASID out of range",
		[IOD_CMD_BAD_STATE] = "the device's state does not allow it",
		[IOD_CMD_BAD_POLICY] = "not enabled for this guest",
		[IOD_CMD_BAD_DOMAIN] = "a VMID or domain id that is not the guest's to name",
		[IOD_CMD_BAD_ISSUE] = "the host's queue did not take it",
		[IOD_CMD_BAD_FETCH] = "unreadable memory",
	};

	if ((uint32_t)reason >= sizeof(names) / sizeof(names[0]))
		return "unknown";
	return names[reason];
}
