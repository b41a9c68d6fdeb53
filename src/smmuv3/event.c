/* SPDX-License-Identifier: MIT */
/*
 * SMMUv3 event records and page requests, typed and raw (Arm IHI 0070, 7.3 and 8.1). One table says which fields
 * a type has, one list where they lie.
 *
 * The specification has types and bits that this library does not know: a decoder of what hardware wrote may not
 * stumble over them, so they are handed out beside. What nobody could act on (a tag without a stall, an IPA
 * without S2) is 0.
 */
#include <iodirty/smmuv3_event.h>

#include <errno.h>
#include <string.h>

#include "smmuv3/event.h"

/* Fields of types. */
#define HAS_SID	   (1u << 0)
#define HAS_SSV	   (1u << 1)
#define HAS_SSID   (1u << 2)
#define HAS_STALL  (1u << 3)
#define HAS_ACCESS (1u << 4) /* PnU, InD */
#define HAS_RNW	   (1u << 5)
#define HAS_S2	   (1u << 6)
#define HAS_CLASS  (1u << 7)
#define HAS_TTRNW  (1u << 8)
#define HAS_REASON (1u << 9)
#define HAS_GPCF   (1u << 10)
#define HAS_ADDR   (1u << 11)
#define HAS_IPA	   (1u << 12)
#define HAS_FETCH  (1u << 13)
#define HAS_HINTS  (1u << 14)

/* X(member, word, highest bit, lowest bit, shift of the member's value, HAS_*). NSIPA's place is UNCONFIRMED. */
#define EVENT_FIELDS(X)                    \
	X(sid, 0, 63, 32, 32, HAS_SID)     \
	X(ssid, 0, 31, 12, 12, HAS_SSID)   \
	X(ssv, 0, 11, 11, 11, HAS_SSV)     \
	X(stag, 1, 15, 0, 0, HAS_STALL)    \
	X(reason, 1, 15, 0, 0, HAS_REASON) \
	X(gpcf, 1, 16, 16, 16, HAS_GPCF)   \
	X(stall, 1, 31, 31, 31, HAS_STALL) \
	X(pnu, 1, 33, 33, 33, HAS_ACCESS)  \
	X(ind, 1, 34, 34, 34, HAS_ACCESS)  \
	X(rnw, 1, 35, 35, 35, HAS_RNW)     \
	X(nsipa, 1, 36, 36, 36, HAS_IPA)   \
	X(s2, 1, 39, 39, 39, HAS_S2)       \
	X(cls, 1, 41, 40, 40, HAS_CLASS)   \
	X(ttrnw, 1, 44, 44, 44, HAS_TTRNW) \
	X(span, 1, 51, 44, 44, HAS_HINTS)  \
	X(addr, 2, 63, 0, 0, HAS_ADDR)     \
	X(ipa, 3, 55, 12, 0, HAS_IPA)      \
	X(fetch, 3, 55, 3, 0, HAS_FETCH)

#define EVENT0_TYPE MASK64(7, 0)
/* Hints lie in two pieces. */
#define EVENT1_HINT_U MASK64(35, 33)
#define EVENT1_HINT_P MASK64(39, 37)

#define SUBSTREAM     (HAS_SID | HAS_SSV | HAS_SSID)
#define ACCESS	      (HAS_ADDR | HAS_ACCESS | HAS_RNW | HAS_S2 | HAS_CLASS)
#define FETCH	      (HAS_REASON | HAS_GPCF | HAS_FETCH)

static const struct event_desc {
	const char *name;
	uint32_t has;
} descs[] = {
	[IOD_SMMUV3_F_UUT] = { "F_UUT", SUBSTREAM | HAS_REASON | HAS_ADDR | HAS_ACCESS | HAS_RNW },
	[IOD_SMMUV3_C_BAD_STREAMID] = { "C_BAD_STREAMID", SUBSTREAM },
	[IOD_SMMUV3_F_STE_FETCH] = { "F_STE_FETCH", SUBSTREAM | FETCH },
	[IOD_SMMUV3_C_BAD_STE] = { "C_BAD_STE", SUBSTREAM },
	[IOD_SMMUV3_F_BAD_ATS_TREQ] = { "F_BAD_ATS_TREQ", SUBSTREAM | HAS_ADDR | HAS_RNW },
	[IOD_SMMUV3_F_STREAM_DISABLED] = { "F_STREAM_DISABLED", SUBSTREAM },
	[IOD_SMMUV3_F_TRANSL_FORBIDDEN] = { "F_TRANSL_FORBIDDEN", SUBSTREAM | HAS_ADDR | HAS_RNW },
	/* Its SubstreamID is always valid, so it has no SSV. */
	[IOD_SMMUV3_C_BAD_SUBSTREAMID] = { "C_BAD_SUBSTREAMID", HAS_SID | HAS_SSID },
	[IOD_SMMUV3_F_CD_FETCH] = { "F_CD_FETCH", SUBSTREAM | FETCH },
	[IOD_SMMUV3_C_BAD_CD] = { "C_BAD_CD", SUBSTREAM },
	[IOD_SMMUV3_F_WALK_EABT] = { "F_WALK_EABT", SUBSTREAM | ACCESS | FETCH },
	[IOD_SMMUV3_F_TRANSLATION] = { "F_TRANSLATION", SUBSTREAM | HAS_STALL | ACCESS | HAS_IPA },
	[IOD_SMMUV3_F_ADDR_SIZE] = { "F_ADDR_SIZE", SUBSTREAM | HAS_STALL | ACCESS | HAS_IPA },
	[IOD_SMMUV3_F_ACCESS] = { "F_ACCESS", SUBSTREAM | HAS_STALL | ACCESS | HAS_IPA },
	[IOD_SMMUV3_F_PERMISSION] = { "F_PERMISSION",
				      SUBSTREAM | HAS_STALL | ACCESS | HAS_IPA | HAS_TTRNW },
	[IOD_SMMUV3_F_TLB_CONFLICT] = { "F_TLB_CONFLICT",
					SUBSTREAM | HAS_REASON | ACCESS | HAS_IPA },
	[IOD_SMMUV3_F_CFG_CONFLICT] = { "F_CFG_CONFLICT", SUBSTREAM | HAS_REASON },
	[IOD_SMMUV3_E_PAGE_REQUEST] = { "E_PAGE_REQUEST", SUBSTREAM | HAS_HINTS | HAS_ADDR },
	[IOD_SMMUV3_F_VMS_FETCH] = { "F_VMS_FETCH", SUBSTREAM | FETCH },
};

static const struct event_desc *find_desc(uint32_t type)
{
	return type < sizeof(descs) / sizeof(descs[0]) && descs[type].name ? &descs[type] : NULL;
}

const char *iod_smmuv3_event_name(enum iod_smmuv3_event_type type)
{
	const struct event_desc *desc = find_desc((uint32_t)type);

	return desc ? desc->name : NULL;
}

static uint64_t hint_bits(unsigned hints)
{
	return (uint64_t)(hints & 7) << 33 | (uint64_t)(hints >> 3 & 7) << 37;
}

/* Fields that go with others. */
static bool consistent(const struct iod_smmuv3_event *event, const struct event_desc *desc)
{
	if (event->ssid && !event->ssv && (desc->has & HAS_SSV))
		return false;
	if (event->stag && !event->stall)
		return false;
	if ((event->ipa || event->nsipa) && !event->s2)
		return false;
	if (event->cls > IOD_SMMUV3_CLASS_IN)
		return false;
	/* E_PAGE_REQUEST has no bits for those of a page. */
	return !(desc->has & HAS_HINTS) || is_aligned(event->addr, 12);
}

int iod_smmuv3_event_encode(struct iod_smmuv3_raw_event *raw, const struct iod_smmuv3_event *event)
{
	const struct event_desc *desc = event ? find_desc((uint32_t)event->type) : NULL;
	uint64_t w[4] = { 0 }, bad = 0;
	int i;

	if (!raw || !desc || !consistent(event, desc))
		return -EINVAL;
#define PUT(member, word, hi, lo, shift, flag)                                \
	if (desc->has & (flag)) {                                             \
		w[word] |= (uint64_t)event->member << (shift)&MASK64(hi, lo); \
		bad |= (uint64_t)event->member << (shift) & ~MASK64(hi, lo);  \
	} else {                                                              \
		bad |= (uint64_t)event->member;                               \
	}
	EVENT_FIELDS(PUT)
#undef PUT
	if (desc->has & HAS_HINTS) {
		w[1] |= hint_bits(event->hints);
		bad |= event->hints & ~0x3fu;
	} else {
		bad |= event->hints;
	}
	if (bad)
		return -EINVAL;
	w[0] |= (uint64_t)event->type;
	for (i = 0; i < 4; i++)
		raw->word[i] = iod_le64(w[i]);
	return 0;
}

/* Bits of word @word that belong to fields of the type. */
static uint64_t known_bits(const struct event_desc *desc, int word)
{
	uint64_t known[4] = { EVENT0_TYPE };

#define KNOW(member, at, hi, lo, shift, flag) \
	if (desc->has & (flag))               \
		known[at] |= MASK64(hi, lo);
	EVENT_FIELDS(KNOW)
#undef KNOW
	if (desc->has & HAS_HINTS) {
		known[1] |= EVENT1_HINT_U | EVENT1_HINT_P;
		known[2] &= ~low_mask(12);
	}
	return known[word];
}

/* Clear what means nothing without something else. */
static void drop_meaningless(struct iod_smmuv3_event *event, const struct event_desc *desc)
{
	if (!event->ssv && (desc->has & HAS_SSV))
		event->ssid = 0;
	if (!event->stall)
		event->stag = 0;
	if (!event->s2) {
		event->ipa = 0;
		event->nsipa = false;
	}
}

int iod_smmuv3_event_decode(struct iod_smmuv3_event *event, const struct iod_smmuv3_raw_event *raw,
			    struct iod_smmuv3_raw_event *unknown)
{
	const struct event_desc *desc;
	uint64_t w[4];
	int i;

	if (!event || !raw)
		return -EINVAL;
	for (i = 0; i < 4; i++)
		w[i] = iod_le64(raw->word[i]);
	memset(event, 0, sizeof(*event));
	event->type = (enum iod_smmuv3_event_type)(w[0] & EVENT0_TYPE);
	desc = find_desc((uint32_t)(w[0] & EVENT0_TYPE));
	if (!desc)
		return -EOPNOTSUPP;
	for (i = 0; i < 4; i++) {
		if (unknown)
			unknown->word[i] = iod_le64(w[i] & ~known_bits(desc, i));
		w[i] &= known_bits(desc, i);
	}
#define GET(member, word, hi, lo, shift, flag) \
	if (desc->has & (flag))                \
		event->member = (__typeof__(event->member))((w[word] & MASK64(hi, lo)) >> (shift));
	EVENT_FIELDS(GET)
#undef GET
	if (desc->has & HAS_HINTS)
		event->hints =
			(uint8_t)((w[1] & EVENT1_HINT_U) >> 33 | (w[1] & EVENT1_HINT_P) >> 37 << 3);
	drop_meaningless(event, desc);
	return 0;
}

uint32_t iod_smmuv3_event_valid(enum iod_smmuv3_event_type type)
{
	const struct event_desc *desc = find_desc((uint32_t)type);
	uint32_t valid = 0;

	if (!desc)
		return 0;
	valid |= desc->has & HAS_ADDR ? EVENT_HAS_ADDR : 0;
	valid |= desc->has & HAS_IPA ? EVENT_HAS_IPA : 0;
	valid |= desc->has & HAS_FETCH ? EVENT_HAS_FETCH : 0;
	valid |= desc->has & HAS_RNW ? EVENT_HAS_RNW : 0;
	valid |= desc->has & HAS_S2 ? EVENT_HAS_STAGE : 0;
	valid |= desc->has & HAS_STALL ? EVENT_HAS_STALL : 0;
	valid |= desc->has & HAS_ACCESS ? EVENT_HAS_ACCESS : 0;
	return valid;
}

/* ---- page requests ---- */

#define PRI0_SID   MASK64(31, 0)
#define PRI0_SSID  MASK64(51, 32)
#define PRI0_PRIV  BIT64(58)
#define PRI0_EXEC  BIT64(59)
#define PRI0_READ  BIT64(60)
#define PRI0_WRITE BIT64(61)
#define PRI0_LAST  BIT64(62)
#define PRI0_SSV   BIT64(63)
#define PRI1_PRGI  MASK64(8, 0)
#define PRI1_ADDR  MASK64(63, 12)

int iod_smmuv3_pri_encode(struct iod_smmuv3_raw_pri *raw, const struct iod_smmuv3_pri *pri)
{
	uint64_t w0;

	if (!raw || !pri || pri->ssid >> 20 || pri->prgi & ~PRI1_PRGI || pri->addr & ~PRI1_ADDR)
		return -EINVAL;
	if (!pri->ssv && (pri->ssid || pri->priv || pri->exec)) /* those come with a PASID */
		return -EINVAL;
	w0 = pri->sid | (uint64_t)pri->ssid << 32;
	w0 |= (pri->priv ? PRI0_PRIV : 0) | (pri->exec ? PRI0_EXEC : 0) |
	      (pri->read ? PRI0_READ : 0) | (pri->write ? PRI0_WRITE : 0) |
	      (pri->last ? PRI0_LAST : 0) | (pri->ssv ? PRI0_SSV : 0);
	raw->word[0] = iod_le64(w0);
	raw->word[1] = iod_le64(pri->addr | pri->prgi);
	return 0;
}

int iod_smmuv3_pri_decode(struct iod_smmuv3_pri *pri, const struct iod_smmuv3_raw_pri *raw,
			  struct iod_smmuv3_raw_pri *unknown)
{
	uint64_t w0, w1;

	if (!pri || !raw)
		return -EINVAL;
	w0 = iod_le64(raw->word[0]);
	w1 = iod_le64(raw->word[1]);
	if (unknown) {
		unknown->word[0] = iod_le64(w0 & MASK64(57, 52));
		unknown->word[1] = iod_le64(w1 & MASK64(11, 9));
	}
	memset(pri, 0, sizeof(*pri));
	pri->sid = (uint32_t)(w0 & PRI0_SID);
	pri->read = w0 & PRI0_READ;
	pri->write = w0 & PRI0_WRITE;
	pri->last = w0 & PRI0_LAST;
	pri->prgi = (uint16_t)(w1 & PRI1_PRGI);
	pri->addr = w1 & PRI1_ADDR;
	if (w0 & PRI0_SSV) {
		pri->ssv = true;
		pri->ssid = (uint32_t)((w0 & PRI0_SSID) >> 32);
		pri->priv = w0 & PRI0_PRIV;
		pri->exec = w0 & PRI0_EXEC;
	}
	return 0;
}
