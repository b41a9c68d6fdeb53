/* SPDX-License-Identifier: MIT */
/*
 * SMMUv3 commands, typed and raw. One table says what each command has; encoder and decoder are made from
 * the list of fields in cmd.h, and what the decoder checks the encoder checks by the same functions.
 */
#include <iodirty/smmuv3_cmd.h>

#include <errno.h>
#include <string.h>

#include "smmuv3/cmd.h"
#include "smmuv3/id.h"

/* What a command is. */
struct cmd_desc {
	const char *name;
	uint32_t form;	  /* FORM_* */
	uint32_t need;	  /* NEED_* */
	uint64_t mask[2]; /* bits that mean something, or that hardware ignores */
};

/* Bits of IDR0 that must be set; and that there are stalls. */
#define NEED_S1	   IOD_SMMUV3_IDR0_S1P
#define NEED_S2	   IOD_SMMUV3_IDR0_S2P
#define NEED_EL2   (IOD_SMMUV3_IDR0_S1P | IOD_SMMUV3_IDR0_HYP)
#define NEED_ATS   IOD_SMMUV3_IDR0_ATS
#define NEED_PRI   IOD_SMMUV3_IDR0_PRI
#define NEED_STALL (1u << 31)

#define RANGE0	   (CMD0_NUM | CMD0_SCALE)
#define RANGE1	   (CMD1_LEAF | CMD1_TTL | CMD1_TG)

#define CMD(op, form, need, mask0, mask1) \
	[IOD_SMMUV3_##op] = { #op, form, need, { CMD0_OP | (mask0), mask1 } }
#define ALL(op, need, mask0)   CMD(TLBI_##op, FORM_TLBI, need, mask0, 0)
#define RANGE(op, need, mask0) CMD(TLBI_##op, FORM_TLBI, need, (mask0) | RANGE0, CMD1_ADDR | RANGE1)

/*
 * Bits of addresses that hardware ignores are not reserved. Where Stride of PREFETCH_ADDR lies is
 * UNCONFIRMED; the command is a hint, so everything beside Size is ignored.
 */
static const struct cmd_desc descs[] = {
	CMD(PREFETCH_CONFIG, FORM_SPAN, 0, CMD0_SID | CMD0_SSID | CMD0_SSV, 0),
	CMD(PREFETCH_ADDR, FORM_SPAN, 0, CMD0_SID | CMD0_SSID | CMD0_SSV, ~UINT64_C(0)),
	CMD(CFGI_STE, FORM_CFGI, 0, CMD0_SID, CMD1_LEAF),
	CMD(CFGI_STE_RANGE, FORM_STES, 0, CMD0_SID, MASK64(4, 0)),
	CMD(CFGI_CD, FORM_CFGI, NEED_S1, CMD0_SID | CMD0_SSID, CMD1_LEAF),
	CMD(CFGI_CD_ALL, FORM_CFGI, NEED_S1, CMD0_SID, 0),
	ALL(NH_ALL, NEED_S1, CMD0_VMID),
	ALL(NH_ASID, NEED_S1, CMD0_VMID | CMD0_ASID),
	RANGE(NH_VA, NEED_S1, CMD0_VMID | CMD0_ASID),
	RANGE(NH_VAA, NEED_S1, CMD0_VMID),
	ALL(EL2_ALL, NEED_EL2, 0),
	ALL(EL2_ASID, NEED_EL2, CMD0_ASID),
	RANGE(EL2_VA, NEED_EL2, CMD0_ASID),
	RANGE(EL2_VAA, NEED_EL2, 0),
	ALL(S12_VMALL, NEED_S2, CMD0_VMID),
	CMD(TLBI_S2_IPA, FORM_TLBI, NEED_S2, CMD0_VMID | RANGE0, CMD1_IPA | RANGE1),
	ALL(NSNH_ALL, 0, 0),
	CMD(ATC_INV, FORM_SPAN, NEED_ATS, CMD0_SID | CMD0_SSID | CMD0_SSV | CMD0_GLOBAL,
	    CMD1_ADDR | CMD1_SPAN),
	CMD(PRI_RESP, FORM_PRI, NEED_PRI, CMD0_SID | CMD0_SSID | CMD0_SSV, CMD1_PRGI | CMD1_RESP),
	CMD(RESUME, FORM_RESUME, NEED_STALL, CMD0_SID | CMD0_AC | CMD0_AB, CMD1_STAG),
	CMD(STALL_TERM, FORM_CFGI, NEED_STALL, CMD0_SID, 0),
	CMD(SYNC, FORM_SYNC, 0, CMD0_CS | CMD0_MSH | CMD0_MSI_ATTR | CMD0_MSI_DATA, CMD1_MSI_ADDR),
};

/* NULL: no such command. */
static const struct cmd_desc *find_desc(uint32_t op)
{
	return op < sizeof(descs) / sizeof(descs[0]) && descs[op].name ? &descs[op] : NULL;
}

const char *iod_smmuv3_op_name(enum iod_smmuv3_op op)
{
	const struct cmd_desc *desc = find_desc((uint32_t)op);

	return desc ? desc->name : NULL;
}

/* What is needed beside stalls is bits of IDR0. */
static bool desc_permitted(const struct cmd_desc *desc, const struct iod_smmuv3_id *id)
{
	if (!id)
		return true;
	if (desc->need == NEED_STALL)
		return smmu_stall_model(id) != STALL_MODEL_NEVER;
	return !(desc->need & ~id->idr[0]);
}

bool iod_smmuv3_op_permitted(const struct iod_smmuv3_id *id, enum iod_smmuv3_op op)
{
	const struct cmd_desc *desc = find_desc((uint32_t)op);

	return desc && desc_permitted(desc, id);
}

/* Bits of word 0 and 1 of a TLBI that these ID registers make reserved (4.4, 4.4.1). */
static enum iod_cmd_reason check_tlbi_reserved(const uint64_t w[2], const struct iod_smmuv3_id *id)
{
	uint64_t reserved0 = 0, reserved1 = 0;

	if (!(id->idr[0] & IOD_SMMUV3_IDR0_ASID16))
		reserved0 |= MASK64(63, 56);
	if (!(id->idr[0] & IOD_SMMUV3_IDR0_VMID16))
		reserved0 |= MASK64(47, 40);
	if (!(id->idr[5] & IOD_SMMUV3_IDR5_DS))
		reserved0 |= BIT64(25);
	if (!(id->idr[3] & IOD_SMMUV3_IDR3_RIL)) {
		reserved0 |= RANGE0;
		reserved1 |= CMD1_TTL | CMD1_TG;
	}
	if ((w[0] & reserved0) | (w[1] & reserved1))
		return IOD_CMD_BAD_RESERVED;
	/* Without stage 2 there is no VMID. */
	if (!(id->idr[0] & IOD_SMMUV3_IDR0_S2P) && (w[0] & CMD0_VMID))
		return IOD_CMD_BAD_DOMAIN;
	return IOD_CMD_OK;
}

static enum iod_cmd_reason check_reserved(const struct cmd_desc *desc, const uint64_t w[2],
					  const struct iod_smmuv3_id *id)
{
	if ((w[0] & ~desc->mask[0]) | (w[1] & ~desc->mask[1]))
		return IOD_CMD_BAD_RESERVED;
	if (id && desc->form == FORM_TLBI)
		return check_tlbi_reserved(w, id);
	return IOD_CMD_OK;
}

static void ignore_sync(uint64_t w[2], const struct iod_smmuv3_id *id)
{
	if (!(id->idr[0] & IOD_SMMUV3_IDR0_SEV) && (w[0] & CMD0_CS) == (uint64_t)IOD_SMMUV3_SYNC_SEV
									       << CMD0_CS_SHIFT)
		w[0] &= ~CMD0_CS;
	if (!(id->idr[0] & IOD_SMMUV3_IDR0_MSI)) {
		w[0] &= ~(CMD0_MSH | CMD0_MSI_ATTR | CMD0_MSI_DATA);
		w[1] = 0;
	}
}

/* Clear what hardware does not look at, given the rest. */
static inline __attribute__((always_inline)) void ignore(const struct cmd_desc *desc, uint64_t w[2],
							 const struct iod_smmuv3_id *id)
{
	switch (desc->form) {
	case FORM_TLBI: /* no level 1 blocks of 16 KiB granules without DS: any level (4.4.1) */
		if ((w[1] & (CMD1_TG | CMD1_TTL)) == (CMD1_TG_16K | CMD1_TTL_1) && id &&
		    !(id->idr[5] & IOD_SMMUV3_IDR5_DS))
			w[1] &= ~CMD1_TTL;
		break;
	case FORM_SPAN:
		if ((w[0] & CMD0_OP) == IOD_SMMUV3_PREFETCH_ADDR)
			w[1] &= CMD1_ADDR | MASK64(4, 0);
		/* fall through */
	case FORM_PRI:
		if (!(w[0] & CMD0_SSV))
			w[0] &= ~(CMD0_SSID | CMD0_GLOBAL);
		break;
	case FORM_STES:
		if (w[1] == IOD_SMMUV3_CFGI_ALL_RANGE)
			w[0] &= ~CMD0_SID;
		break;
	case FORM_RESUME:
		if (w[0] & CMD0_AC)
			w[0] &= ~CMD0_AB;
		break;
	case FORM_SYNC:
		if (id)
			ignore_sync(w, id);
		break;
	}
}

/* Of a range, something must be given; without one nothing may be. */
static enum iod_cmd_reason check_range(const uint64_t w[2])
{
	bool given = (w[0] & RANGE0) | (w[1] & CMD1_TTL);

	return given == !!(w[1] & CMD1_TG) ? IOD_CMD_OK : IOD_CMD_BAD_RANGE;
}

static enum iod_cmd_reason check_ids(const struct cmd_desc *desc, const uint64_t w[2],
				     const struct iod_smmuv3_id *id)
{
	uint32_t sid_bits = iod_smmuv3_id_field(id->idr[1], IOD_SMMUV3_IDR1_SIDSIZE);
	uint32_t ssid_bits = iod_smmuv3_id_field(id->idr[1], IOD_SMMUV3_IDR1_SSIDSIZE);

	if (w[0] >> 32 >> sid_bits)
		return IOD_CMD_BAD_SOURCE;
	if ((desc->mask[0] & CMD0_SSID) == CMD0_SSID && (w[0] & CMD0_SSID) >> 12 >> ssid_bits)
		return IOD_CMD_BAD_PASID;
	return IOD_CMD_OK;
}

/* After ignore(). */
static inline __attribute__((always_inline)) enum iod_cmd_reason
check_values(const struct cmd_desc *desc, const uint64_t w[2], const struct iod_smmuv3_id *id)
{
	bool bad = false;

	switch (desc->form) {
	case FORM_TLBI:
		return check_range(w);
	case FORM_SPAN: /* a span beyond everything may be taken as anything (4.5.1) */
		bad = (w[1] & CMD1_SPAN) > IOD_SMMUV3_ATC_ALL_SPAN;
		break;
	case FORM_PRI:
		bad = (w[1] & CMD1_RESP) == CMD1_RESP;
		break;
	case FORM_SYNC:
		return (w[0] & CMD0_CS) == CMD0_CS ? IOD_CMD_BAD_FIELD : IOD_CMD_OK;
	}
	if (bad)
		return IOD_CMD_BAD_FIELD;
	return id ? check_ids(desc, w, id) : IOD_CMD_OK;
}

/* @form is a constant wherever this is called: what it has not falls away. */
static inline __attribute__((always_inline)) void get_fields(struct iod_smmuv3_cmd *cmd,
							     const uint64_t w[2], uint32_t form)
{
#define GET(member, word, hi, lo, shift, forms) \
	if ((forms)&form)                       \
		cmd->member = (__typeof__(cmd->member))((w[word] & MASK64(hi, lo)) >> (shift));
	CMD_FIELDS(GET)
#undef GET
}

/* Returns what does not fit, and the fields that the form does not have: 0 when all is well. */
static inline __attribute__((always_inline)) uint64_t
put_fields(uint64_t w[2], const struct iod_smmuv3_cmd *cmd, uint32_t form)
{
	uint64_t bad = 0;

#define PUT(member, word, hi, lo, shift, forms)                             \
	if ((forms)&form) {                                                 \
		w[word] |= (uint64_t)cmd->member << (shift)&MASK64(hi, lo); \
		bad |= (uint64_t)cmd->member << (shift) & ~MASK64(hi, lo);  \
	} else {                                                            \
		bad |= (uint64_t)cmd->member;                               \
	}
	CMD_FIELDS(PUT)
#undef PUT
	return bad;
}

static void get_form(struct iod_smmuv3_cmd *cmd, const uint64_t w[2], uint32_t form)
{
	switch (form) {
	case FORM_TLBI:
		get_fields(cmd, w, FORM_TLBI);
		break;
	case FORM_CFGI:
		get_fields(cmd, w, FORM_CFGI);
		break;
	case FORM_STES:
		get_fields(cmd, w, FORM_STES);
		break;
	case FORM_SPAN:
		get_fields(cmd, w, FORM_SPAN);
		break;
	case FORM_PRI:
		get_fields(cmd, w, FORM_PRI);
		break;
	case FORM_RESUME:
		get_fields(cmd, w, FORM_RESUME);
		break;
	case FORM_SYNC:
		get_fields(cmd, w, FORM_SYNC);
		break;
	}
}

/*
 * One function for each form: in one for all, compilers load every field before they ask which are needed, and
 * run out of registers.
 */
#define PUT_FORM(name, form)                                                             \
	static __attribute__((noinline)) uint64_t name(uint64_t w[2],                    \
						       const struct iod_smmuv3_cmd *cmd) \
	{                                                                                \
		return put_fields(w, cmd, form);                                         \
	}
PUT_FORM(put_tlbi, FORM_TLBI)
PUT_FORM(put_cfgi, FORM_CFGI)
PUT_FORM(put_stes, FORM_STES)
PUT_FORM(put_span, FORM_SPAN)
PUT_FORM(put_pri, FORM_PRI)
PUT_FORM(put_resume, FORM_RESUME)
PUT_FORM(put_sync, FORM_SYNC)

static uint64_t put_form(uint64_t w[2], const struct iod_smmuv3_cmd *cmd, uint32_t form)
{
	switch (form) {
	case FORM_TLBI:
		return put_tlbi(w, cmd);
	case FORM_CFGI:
		return put_cfgi(w, cmd);
	case FORM_STES:
		return put_stes(w, cmd);
	case FORM_SPAN:
		return put_span(w, cmd);
	case FORM_PRI:
		return put_pri(w, cmd);
	case FORM_RESUME:
		return put_resume(w, cmd);
	default:
		return put_sync(w, cmd);
	}
}

static int refuse(enum iod_cmd_reason reason, enum iod_cmd_reason *why)
{
	if (why)
		*why = reason;
	return reason == IOD_CMD_BAD_OPCODE || reason == IOD_CMD_BAD_PERMISSION ? -EOPNOTSUPP
										: -EINVAL;
}

static enum iod_cmd_reason encode(uint64_t w[2], const struct iod_smmuv3_cmd *cmd,
				  const struct iod_smmuv3_id *id)
{
	const struct cmd_desc *desc = find_desc((uint32_t)cmd->op);
	enum iod_cmd_reason reason;
	uint64_t seen[2];

	if (!desc)
		return IOD_CMD_BAD_OPCODE;
	if (!desc_permitted(desc, id))
		return IOD_CMD_BAD_PERMISSION;
	w[0] = (uint64_t)cmd->op;
	w[1] = 0;
	if (put_form(w, cmd, desc->form))
		return IOD_CMD_BAD_FIELD;
	reason = check_reserved(desc, w, id);
	if (reason)
		return reason;
	seen[0] = w[0];
	seen[1] = w[1];
	ignore(desc, seen, id);
	if ((seen[0] ^ w[0]) | (seen[1] ^ w[1])) /* it would not mean what the caller thinks */
		return desc->form == FORM_TLBI ? IOD_CMD_BAD_RANGE : IOD_CMD_BAD_FIELD;
	return check_values(desc, w, id);
}

int iod_smmuv3_cmd_encode(struct iod_smmuv3_raw_cmd *raw, const struct iod_smmuv3_cmd *cmd,
			  const struct iod_smmuv3_id *id, enum iod_cmd_reason *why)
{
	enum iod_cmd_reason reason;
	uint64_t w[2];

	if (!raw || !cmd)
		return refuse(IOD_CMD_BAD_FIELD, why);
	reason = encode(w, cmd, id);
	if (reason)
		return refuse(reason, why);
	raw->word[0] = iod_le64(w[0]);
	raw->word[1] = iod_le64(w[1]);
	if (why)
		*why = IOD_CMD_OK;
	return 0;
}

static enum iod_cmd_reason decode(struct iod_smmuv3_cmd *cmd, uint64_t w[2],
				  const struct iod_smmuv3_id *id)
{
	const struct cmd_desc *desc = find_desc((uint32_t)(w[0] & CMD0_OP));
	enum iod_cmd_reason reason;

	memset(cmd, 0, sizeof(*cmd));
	cmd->op = (enum iod_smmuv3_op)(w[0] & CMD0_OP);
	if (!desc)
		return IOD_CMD_BAD_OPCODE;
	if (!desc_permitted(desc, id)) {
		reason = IOD_CMD_BAD_PERMISSION;
	} else {
		reason = check_reserved(desc, w, id);
		if (!reason) {
			ignore(desc, w, id);
			reason = check_values(desc, w, id);
		}
	}
	if (!reason)
		get_form(cmd, w, desc->form);
	else if (!(desc->form & (FORM_TLBI | FORM_SYNC)))
		cmd->sid = (uint32_t)(w[0] >> 32); /* for whoever tells of the error */
	return reason;
}

int iod_smmuv3_cmd_decode(struct iod_smmuv3_cmd *cmd, const struct iod_smmuv3_raw_cmd *raw,
			  const struct iod_smmuv3_id *id, enum iod_cmd_reason *why)
{
	enum iod_cmd_reason reason;
	uint64_t w[2];

	if (!cmd || !raw)
		return refuse(IOD_CMD_BAD_FIELD, why);
	w[0] = iod_le64(raw->word[0]);
	w[1] = iod_le64(raw->word[1]);
	reason = decode(cmd, w, id);
	if (reason)
		return refuse(reason, why);
	if (why)
		*why = IOD_CMD_OK;
	return 0;
}
