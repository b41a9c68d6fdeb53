/* SPDX-License-Identifier: MIT */
/*
 * AMD-Vi commands, typed and raw. Encoder, decoder and what is reserved come from the list of fields in cmd.h.
 */
#include <iodirty/amdvi_cmd.h>

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "amdvi/cmd.h"
#include "amdvi/id.h"

#define INLINE inline __attribute__((always_inline))

/* What a command is. */
struct cmd_desc {
	const char *name;
	uint32_t form; /* FORM_* */
	uint64_t need; /* bits of EFR */
};

#define CMD(op, form, need) [IOD_AMDVI_##op] = { #op, form, need }

static const struct cmd_desc descs[] = {
	CMD(COMPLETION_WAIT, FORM_WAIT, 0),
	CMD(INVALIDATE_DEVTAB_ENTRY, FORM_DEV, 0),
	CMD(INVALIDATE_IOMMU_PAGES, FORM_PAGES, 0),
	CMD(INVALIDATE_IOTLB_PAGES, FORM_IOTLB, 0),
	CMD(INVALIDATE_INTERRUPT_TABLE, FORM_DEV, 0),
	CMD(PREFETCH_IOMMU_PAGES, FORM_PREFETCH, IOD_AMDVI_EFR_PREFSUP),
	CMD(COMPLETE_PPR_REQUEST, FORM_PPR, IOD_AMDVI_EFR_PPRSUP),
	CMD(INVALIDATE_IOMMU_ALL, FORM_NONE, IOD_AMDVI_EFR_IASUP),
};

/* NULL: no such command. */
static const struct cmd_desc *find_desc(uint32_t op)
{
	return op < sizeof(descs) / sizeof(descs[0]) && descs[op].name ? &descs[op] : NULL;
}

const char *iod_amdvi_op_name(enum iod_amdvi_op op)
{
	const struct cmd_desc *desc = find_desc((uint32_t)op);

	return desc ? desc->name : NULL;
}

bool iod_amdvi_op_permitted(const struct iod_amdvi_id *id, enum iod_amdvi_op op)
{
	const struct cmd_desc *desc = find_desc((uint32_t)op);

	return desc && amdvi_has(id, desc->need);
}

/*
 * What is INLINE from here on is compiled once per form, where @form is a constant: what a form has not falls away,
 * and which it is has been asked once.
 */

/* Forms that have the member at @offset of the command. */
static INLINE uint32_t forms_with(size_t offset)
{
	uint32_t with = 0;

#define WITH(member, word, hi, lo, vlo, forms)                \
	if (offset == offsetof(struct iod_amdvi_cmd, member)) \
		with |= (forms);
	CMD_FIELDS(WITH)
#undef WITH
	return with;
}

#define HAS(form, member) (forms_with(offsetof(struct iod_amdvi_cmd, member)) & (form))

static INLINE void get_fields(struct iod_amdvi_cmd *cmd, const uint64_t w[2], uint32_t form)
{
#define GET(member, word, hi, lo, vlo, forms)                   \
	if ((forms)&form)                                       \
		cmd->member =                                   \
			(__typeof__(cmd->member))(cmd->member | \
						  (w[word] & MASK64(hi, lo)) >> (lo) << (vlo));
	CMD_FIELDS(GET)
#undef GET
}

static INLINE void put_fields(uint64_t w[2], const struct iod_amdvi_cmd *cmd, uint32_t form)
{
#define PUT(member, word, hi, lo, vlo, forms) \
	if ((forms)&form)                     \
		w[word] |= (uint64_t)cmd->member >> (vlo) << (lo)&MASK64(hi, lo);
	CMD_FIELDS(PUT)
#undef PUT
}

/* Whether every member came back: what did not fit, or is not the form's, did not. */
static INLINE bool same_fields(const struct iod_amdvi_cmd *a, const struct iod_amdvi_cmd *b)
{
	uint64_t differs = 0;

#define DIFFER(member, word, hi, lo, vlo, forms) \
	differs |= (uint64_t)a->member ^ (uint64_t)b->member;
	CMD_FIELDS(DIFFER)
#undef DIFFER
	return !differs;
}

/* Clear what hardware does not look at, given the rest, or where sources disagree whether there is anything. */
static INLINE void ignore(struct iod_amdvi_cmd *cmd, uint32_t form)
{
	if (HAS(form, gn)) /* both happen, in no order: no branch */
		cmd->pasid &= 0 - (uint32_t)cmd->gn;
	if (HAS(form, store) && !cmd->store) {
		cmd->store_addr = 0;
		cmd->data = 0;
	}
}

/* Fields of features that are not there. */
static INLINE enum iod_cmd_reason check_features(const struct iod_amdvi_cmd *cmd,
						 const struct iod_amdvi_id *id, uint32_t form)
{
	if (HAS(form, gn) && !amdvi_has(id, IOD_AMDVI_EFR_GTSUP) && cmd->gn)
		return IOD_CMD_BAD_RESERVED;
	if (HAS(form, type) && cmd->type && !amdvi_has(id, IOD_AMDVI_EFR_INVIOTLBTYPESUP))
		return IOD_CMD_BAD_RESERVED;
	/* Without gn it is 0. */
	if (HAS(form, pasid) && cmd->pasid >> amdvi_pasid_bits(id))
		return IOD_CMD_BAD_PASID;
	return IOD_CMD_OK;
}

/* What *cmd is when refused, is not said. */
static INLINE enum iod_cmd_reason parse(struct iod_amdvi_cmd *cmd, const uint64_t w[2],
					const struct iod_amdvi_id *id, uint32_t form)
{
	if ((w[0] & ~cmd_known(form, 0)) | (w[1] & ~cmd_known(form, 1)))
		return IOD_CMD_BAD_RESERVED;
	memset(cmd, 0, sizeof(*cmd));
	get_fields(cmd, w, form);
	ignore(cmd, form);
	return check_features(cmd, id, form);
}

/* The words, and what the decoder says to them. */
static INLINE enum iod_cmd_reason unparse(uint64_t w[2], const struct iod_amdvi_cmd *cmd,
					  const struct iod_amdvi_id *id, uint32_t form)
{
	struct iod_amdvi_cmd back;

	w[0] = (uint64_t)cmd->op << CMD0_OP_SHIFT;
	w[1] = 0;
	put_fields(w, cmd, form);
	memset(&back, 0, sizeof(back));
	get_fields(&back, w, form);
	ignore(&back, form);
	if (!same_fields(&back, cmd)) /* it would not mean what the caller thinks */
		return IOD_CMD_BAD_FIELD;
	return check_features(&back, id, form);
}

/* X(form, ends of its functions' names) */
#define FORMS(X)                   \
	X(FORM_WAIT, wait)         \
	X(FORM_DEV, dev)           \
	X(FORM_PAGES, pages)       \
	X(FORM_IOTLB, iotlb)       \
	X(FORM_PREFETCH, prefetch) \
	X(FORM_PPR, ppr)           \
	X(FORM_NONE, none)

/* One function for each form and direction: in one for all, compilers run out of registers. */
#define FORM_CODEC(form, name)                                                                 \
	static __attribute__((noinline)) enum iod_cmd_reason get_##name(                       \
		struct iod_amdvi_cmd *cmd, const uint64_t w[2], const struct iod_amdvi_id *id) \
	{                                                                                      \
		return parse(cmd, w, id, form);                                                \
	}                                                                                      \
	static __attribute__((noinline)) enum iod_cmd_reason put_##name(                       \
		uint64_t w[2], const struct iod_amdvi_cmd *cmd, const struct iod_amdvi_id *id) \
	{                                                                                      \
		return unparse(w, cmd, id, form);                                              \
	}
FORMS(FORM_CODEC)
#undef FORM_CODEC

static enum iod_cmd_reason get_form(struct iod_amdvi_cmd *cmd, const uint64_t w[2],
				    const struct iod_amdvi_id *id, uint32_t form)
{
	switch (form) {
#define GET_FORM(form, name) \
	case form:           \
		return get_##name(cmd, w, id);
		FORMS(GET_FORM)
#undef GET_FORM
	}
	return IOD_CMD_BAD_OPCODE;
}

static enum iod_cmd_reason put_form(uint64_t w[2], const struct iod_amdvi_cmd *cmd,
				    const struct iod_amdvi_id *id, uint32_t form)
{
	switch (form) {
#define PUT_FORM(form, name) \
	case form:           \
		return put_##name(w, cmd, id);
		FORMS(PUT_FORM)
#undef PUT_FORM
	}
	return IOD_CMD_BAD_OPCODE;
}

static int refuse(enum iod_cmd_reason reason, enum iod_cmd_reason *why)
{
	if (why)
		*why = reason;
	return reason == IOD_CMD_BAD_OPCODE || reason == IOD_CMD_BAD_PERMISSION ? -EOPNOTSUPP
										: -EINVAL;
}

static enum iod_cmd_reason encode(uint64_t w[2], const struct iod_amdvi_cmd *cmd,
				  const struct iod_amdvi_id *id)
{
	const struct cmd_desc *desc = find_desc((uint32_t)cmd->op);

	if (!desc)
		return IOD_CMD_BAD_OPCODE;
	if (!amdvi_has(id, desc->need))
		return IOD_CMD_BAD_PERMISSION;
	return put_form(w, cmd, id, desc->form);
}

int iod_amdvi_cmd_encode(struct iod_amdvi_raw_cmd *raw, const struct iod_amdvi_cmd *cmd,
			 const struct iod_amdvi_id *id, enum iod_cmd_reason *why)
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

static enum iod_cmd_reason decode_form(struct iod_amdvi_cmd *cmd, uint64_t w[2],
				       const struct cmd_desc *desc, const struct iod_amdvi_id *id)
{
	if (!amdvi_has(id, desc->need))
		return IOD_CMD_BAD_PERMISSION;
	if (desc->form == FORM_PPR)
		w[1] &= ~CMD1_PPR_TAG_TOP;
	return get_form(cmd, w, id, desc->form);
}

static enum iod_cmd_reason decode(struct iod_amdvi_cmd *cmd, uint64_t w[2],
				  const struct iod_amdvi_id *id)
{
	const struct cmd_desc *desc = find_desc((uint32_t)(w[0] >> CMD0_OP_SHIFT));
	enum iod_cmd_reason reason = IOD_CMD_BAD_OPCODE;

	if (desc)
		reason = decode_form(cmd, w, desc, id);
	if (reason)
		memset(cmd, 0, sizeof(*cmd));
	if (reason && desc && (desc->form & FORM_HAS_DEV))
		cmd->devid = (uint16_t)w[0]; /* for whoever tells of the error */
	cmd->op = (enum iod_amdvi_op)(w[0] >> CMD0_OP_SHIFT);
	return reason;
}

int iod_amdvi_cmd_decode(struct iod_amdvi_cmd *cmd, const struct iod_amdvi_raw_cmd *raw,
			 const struct iod_amdvi_id *id, enum iod_cmd_reason *why)
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
