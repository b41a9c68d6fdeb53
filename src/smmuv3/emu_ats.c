/* SPDX-License-Identifier: MIT */
/*
 * The emulated SMMU: translation requests of devices (Arm IHI 0070, 3.9.1, 3.13.7; bits.md A1.11 rules 16,
 * 17). They are answered from iotlbs of their own, which never promise a write that would have to be marked.
 */
#include <errno.h>

#include "smmuv3/emu.h"

#define EATS_SPLIT 2

/*
 * Split stages: the answer is an intermediate address. Both stages are walked nevertheless, so that stage 2 is
 * marked now; it may be (rule 17). Where it is stage 2 that refused, stage 1 alone answers: by what it says
 * without being marked any more, and stage 2 has its say when the translated request comes.
 */
static int emu_split(struct emu_op *op, int ret)
{
	struct iod_mapping map;

	if (ret && !(op->way.fault.stage == 2 && op->way.fault.cls == IOD_FAULT_INPUT))
		return ret;
	if (iod_translate(op->way.pt, op->way.addr, &map))
		return ret ? ret : -EFAULT;
	if (ret) {
		if (!map.accessed)
			return ret;
		op->result.prot = map.prot & (IOD_PROT_READ | IOD_PROT_NOEXEC);
		if ((map.prot & IOD_PROT_WRITE) && map.dirty != IOD_CLEAN)
			op->result.prot |= IOD_PROT_WRITE;
		if ((map.prot & IOD_PROT_PRIV) && !(op->way.ask & IOD_ACCESS_PRIV))
			return ret;
		op->result.len = map.iova + (map.len - 1) - op->way.addr + 1;
	}
	op->result.pa = map.pa + (op->way.addr - map.iova);
	return 0;
}

int iod_smmu_emu_ats(struct emu_op *op)
{
	bool s1 = op->mode_s1;
	int ret;

	op->way.tlb = op->emu->tlbs.ats[s1 ? 0 : 1];
	op->access &= ~(uint32_t)IOD_ACCESS_EXEC;
	if (iod_smmu_emu_careful(op) && iod_smmu_emu_check_page(op, 0))
		return -EFAULT;
	ret = iod_emu_translate_ats(&op->way, op->access, &op->result);
	if (s1 && op->ctx->ste.eats == EATS_SPLIT && (!ret || ret == -EFAULT))
		ret = emu_split(op, ret);
	if (ret == -EFAULT)
		iod_smmu_emu_fault(op);
	if (!ret && s1 && op->ctx->cd.wxn && (op->result.prot & IOD_PROT_WRITE))
		op->result.prot |= IOD_PROT_NOEXEC;
	return ret;
}
