/* SPDX-License-Identifier: MIT */
/*
 * VT-d fault records, page requests and structures: the library's codecs against the independent model, and against
 * lists of fields. Uniform words, words of few bits, every single bit.
 */
#include "vtd/diff_vtd.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include <iodirty/vtd_entry.h>
#include <iodirty/vtd_event.h>

/* Libraries that are wrong on purpose. */
enum { TWIN_NONE, TWIN_UNKNOWN, TWIN_PASID, TWIN_STOP, TWIN_LAST };

#define NE(l, m)                                    \
	do {                                        \
		if ((uint64_t)(l) != (uint64_t)(m)) \
			return #l;                  \
	} while (0)

/* Words with many bits, few, or one. */
static void random_words(struct diff *d, uint64_t *w, unsigned n)
{
	unsigned i, kind = diff_below(d, 3);

	for (i = 0; i < n; i++) {
		w[i] = kind == 2 ? 0 : diff_random(d);
		if (kind == 1)
			w[i] &= diff_random(d) & diff_random(d);
	}
	if (kind == 2)
		w[diff_below(d, n)] = UINT64_C(1) << diff_below(d, 64);
}

static void say(struct diff *d, const char *what, const char *field, const uint64_t *w)
{
	diff_mismatch(d, "%s %016llx %016llx: %s differs", what, (unsigned long long)w[0],
		      (unsigned long long)w[1], field);
}

/* ---- fault records ---- */

static const char *fault_differs(const struct iod_vtd_fault *l, const struct mdl_vtd_fault *m)
{
	NE(l->reason, m->reason);
	NE(l->sid, m->sid);
	NE(l->pasid_valid, m->pp);
	NE(l->pasid, m->pasid);
	NE(l->exec, m->exe);
	NE(l->priv, m->priv);
	/* T1: 0 write, 1 read; T2 above it */
	NE(l->type, m->type);
	NE(l->at, m->at);
	NE(l->fault, m->f);
	NE(l->addr, m->addr);
	return NULL;
}

static void one_fault(struct diff *d, const uint64_t w[2])
{
	struct iod_vtd_raw_fault raw, rest;
	struct iod_vtd_fault f;
	struct mdl_vtd_fault m;
	uint64_t unknown[2], back[2], lost[2] = { 0 };
	const char *field;

	memset(&f, 0xa5, sizeof(f));
	diff_to_le(raw.word, w, 2);
	assert_int_equal(iod_vtd_fault_decode(&f, &raw, &rest), 0);
	diff_from_le(unknown, rest.word, 2);
	if (d->twin == TWIN_UNKNOWN)
		unknown[0] = 0;
	if (d->twin == TWIN_PASID)
		f.pasid &= 0xffff;
	mdl_vtd_fault(w, &m);
	field = fault_differs(&f, &m);
	if (field)
		say(d, "fault", field, w);
	if (!m.pp) /* PASID, EXE, PRIV mean nothing */
		lost[1] = UINT64_C(0x0fffff0060000000);
	if (unknown[0] != m.res[0] || (unknown[1] ^ m.res[1]) & ~lost[1])
		say(d, "fault", "unknown", w);
	if (d->twin || iod_vtd_fault_encode(&raw, &f)) {
		if (!d->twin)
			say(d, "fault", "encode", w);
		return;
	}
	diff_from_le(back, raw.word, 2);
	if (((back[0] | m.res[0]) ^ w[0]) || (((back[1] | m.res[1]) ^ w[1]) & ~lost[1]))
		say(d, "fault", "again", w);
}

static void reasons(void **state)
{
	unsigned r;

	(void)state;
	for (r = 0; r < 256; r++) {
		if (r >= 0x20 && r <= 0x26)
			continue; /* interrupt remapping: not of requests for memory */
		if (iod_vtd_fault_is_qualified((enum iod_vtd_fault_reason)r) !=
		    mdl_vtd_qualified(r))
			fail_msg("%x: qualified", r);
		if (mdl_vtd_known(r))
			assert_non_null(iod_vtd_fault_reason_name((enum iod_vtd_fault_reason)r));
	}
	assert_null(iod_vtd_fault_reason_name((enum iod_vtd_fault_reason)0x88));
}

/* ---- page requests ---- */

static const char *preq_differs(const struct iod_vtd_page_req *l, const struct mdl_vtd_preq *m)
{
	NE(l->sid, m->sid);
	NE(l->pasid_valid, m->pp);
	NE(l->pasid, m->pasid);
	NE(l->exec, m->exe);
	NE(l->priv, m->priv);
	NE(l->read, m->read);
	NE(l->write, m->write);
	NE(l->last, m->last);
	NE(l->prgi, m->prgi);
	NE(l->addr, m->addr);
	NE(iod_vtd_page_req_is_stop(l), m->stop);
	return NULL;
}

/* The answer that somebody gives, through the model's eyes. */
static void answered(struct diff *d, const struct iod_vtd_page_req *req,
		     const struct mdl_vtd_preq *m, const uint64_t *w)
{
	struct iod_page_request request = { 0 };
	struct iod_page_response response = { 0 };
	struct iod_vtd_raw_desc raw;
	struct iod_vtd_desc desc;
	struct mdl_vtd_inv inv;
	uint64_t v[4];

	if (iod_vtd_page_req_to_request(&request, req)) {
		if (!m->stop)
			say(d, "page request", "to_request", w);
		return;
	}
	if (m->stop) /* needs no answer */
		say(d, "page request", "stop", w);
	response.source = request.source;
	response.flags = request.flags & IOD_REQ_PASID_VALID;
	response.pasid = request.pasid;
	response.grpid = request.grpid;
	response.model = request.model;
	assert_int_equal(iod_vtd_response_to_desc(&desc, &response), 0);
	assert_int_equal(iod_vtd_desc_encode(&raw, &desc, NULL, 0, NULL), 0);
	diff_from_le(v, raw.word, 4);
	mdl_vtd_inv(v, &d->mid, false, &inv);
	if (inv.legal != MDL_INV_OK || inv.type != MDL_VTD_RESP || inv.rc || inv.sid != m->sid ||
	    inv.prgi != m->prgi || inv.pp != m->pp || inv.pasid != m->pasid)
		say(d, "page request", "answer", w);
	if (!!(request.perm & IOD_PERM_WRITE) != m->write ||
	    !!(request.flags & IOD_REQ_LAST) != m->last || request.iova != m->addr)
		say(d, "page request", "neutral", w);
}

static void one_preq(struct diff *d, const uint64_t w[4])
{
	struct iod_vtd_raw_page_req raw, rest;
	struct iod_vtd_page_req p;
	struct mdl_vtd_preq m;
	uint64_t unknown[4];
	const char *field;
	int ret;

	memset(&p, 0xa5, sizeof(p));
	diff_to_le(raw.word, w, 4);
	mdl_vtd_preq(w, &m);
	ret = iod_vtd_page_req_decode(&p, &raw, &rest);
	assert_int_equal(ret, m.type == 1 ? 0 : -EOPNOTSUPP);
	if (ret)
		return;
	diff_from_le(unknown, rest.word, 4);
	if (d->twin == TWIN_UNKNOWN)
		unknown[0] = 0;
	if (d->twin == TWIN_PASID)
		p.pasid &= 0xffff;
	if (d->twin == TWIN_STOP && m.stop)
		p.last = false;
	field = preq_differs(&p, &m);
	if (field)
		say(d, "page request", field, w);
	if (!m.pp)
		unknown[0] &= ~UINT64_C(0x003fffff00000000);
	if (memcmp(unknown, m.res, sizeof(unknown)))
		say(d, "page request", "unknown", w);
	answered(d, &p, &m, w);
}

static void run_records(struct diff *d, unsigned n)
{
	uint64_t w[4];

	while (n--) {
		random_words(d, w, 2);
		one_fault(d, w);
		random_words(d, w, 4);
		if (!diff_chance(d, 20))
			w[0] = (w[0] & ~UINT64_C(0xff)) | 1;
		if (diff_chance(d, 6)) /* stop markers */
			w[1] = (w[1] & ~UINT64_C(7)) | 4;
		one_preq(d, w);
	}
}

static void records(void **state)
{
	struct diff d;

	(void)state;
	diff_start(&d);
	run_records(&d, (unsigned)iodt_scale(200000));
}

/* ---- structures: where each field lies (9.1 to 9.6) ---- */

struct field {
	const char *name;
	size_t at, len;
	uint8_t hi, lo; /* in the word of that number */
	uint8_t word;
	bool address; /* bits hi:lo, unshifted */
};

#define F(type, member, w, h, l)                                                                  \
	{                                                                                         \
#member, offsetof(struct type, member), sizeof(((struct type *)0)->member), h, l, \
			w, 0                                                                      \
	}
#define A(type, member, w, h, l)                                                                  \
	{                                                                                         \
#member, offsetof(struct type, member), sizeof(((struct type *)0)->member), h, l, \
			w, 1                                                                      \
	}

static const struct field root_fields[] = {
	F(iod_vtd_root, lp, 0, 0, 0),
	A(iod_vtd_root, lctp, 0, 63, 12),
	F(iod_vtd_root, up, 1, 0, 0),
	A(iod_vtd_root, uctp, 1, 63, 12),
};

static const struct field context_fields[] = {
	F(iod_vtd_context, present, 0, 0, 0), F(iod_vtd_context, fpd, 0, 1, 1),
	F(iod_vtd_context, tt, 0, 3, 2),      A(iod_vtd_context, ssptptr, 0, 63, 12),
	F(iod_vtd_context, aw, 1, 2, 0),      F(iod_vtd_context, avail, 1, 6, 3),
	F(iod_vtd_context, did, 1, 23, 8),
};

static const struct field sm_context_fields[] = {
	F(iod_vtd_sm_context, present, 0, 0, 0),       F(iod_vtd_sm_context, fpd, 0, 1, 1),
	F(iod_vtd_sm_context, dte, 0, 2, 2),	       F(iod_vtd_sm_context, paside, 0, 3, 3),
	F(iod_vtd_sm_context, pre, 0, 4, 4),	       F(iod_vtd_sm_context, hpte, 0, 5, 5),
	F(iod_vtd_sm_context, eptr, 0, 6, 6),	       F(iod_vtd_sm_context, pdts, 0, 11, 9),
	A(iod_vtd_sm_context, pasiddirptr, 0, 63, 12), F(iod_vtd_sm_context, rid_pasid, 1, 19, 0),
	F(iod_vtd_sm_context, rid_priv, 1, 20, 20),
};

static const struct field dir_fields[] = {
	F(iod_vtd_pasid_dir, present, 0, 0, 0),
	F(iod_vtd_pasid_dir, fpd, 0, 1, 1),
	A(iod_vtd_pasid_dir, smptblptr, 0, 63, 12),
};

static const struct field pasid_fields[] = {
	F(iod_vtd_pasid, present, 0, 0, 0),   F(iod_vtd_pasid, fpd, 0, 1, 1),
	F(iod_vtd_pasid, aw, 0, 4, 2),	      F(iod_vtd_pasid, pgtt, 0, 8, 6),
	F(iod_vtd_pasid, ssade, 0, 9, 9),     A(iod_vtd_pasid, ssptptr, 0, 63, 12),
	F(iod_vtd_pasid, did, 1, 15, 0),      F(iod_vtd_pasid, pwsnp, 1, 23, 23),
	F(iod_vtd_pasid, pgsnp, 1, 24, 24),   F(iod_vtd_pasid, cd, 1, 25, 25),
	F(iod_vtd_pasid, emte, 1, 26, 26),    F(iod_vtd_pasid, emt, 1, 29, 27),
	F(iod_vtd_pasid, pwt, 1, 30, 30),     F(iod_vtd_pasid, pcd, 1, 31, 31),
	F(iod_vtd_pasid, pat, 1, 63, 32),     F(iod_vtd_pasid, sre, 2, 0, 0),
	F(iod_vtd_pasid, ere, 2, 1, 1),	      F(iod_vtd_pasid, fspm, 2, 3, 2),
	F(iod_vtd_pasid, wpe, 2, 4, 4),	      F(iod_vtd_pasid, nxe, 2, 5, 5),
	F(iod_vtd_pasid, smep, 2, 6, 6),      F(iod_vtd_pasid, eafe, 2, 7, 7),
	A(iod_vtd_pasid, fsptptr, 2, 63, 12), F(iod_vtd_pasid, hptsz, 4, 1, 0),
	F(iod_vtd_pasid, hptpfd, 4, 2, 2),    A(iod_vtd_pasid, hptptr, 4, 63, 12),
	F(iod_vtd_pasid, hptdid, 5, 15, 0),
};

static int codec_root(void *to, uint64_t *raw, bool encode)
{
	return encode ? iod_vtd_root_encode((struct iod_vtd_raw_root *)raw, to)
		      : iod_vtd_root_decode(to, (struct iod_vtd_raw_root *)raw);
}

static int codec_context(void *to, uint64_t *raw, bool encode)
{
	return encode ? iod_vtd_context_encode((struct iod_vtd_raw_context *)raw, to)
		      : iod_vtd_context_decode(to, (struct iod_vtd_raw_context *)raw);
}

static int codec_sm_context(void *to, uint64_t *raw, bool encode)
{
	return encode ? iod_vtd_sm_context_encode((struct iod_vtd_raw_sm_context *)raw, to)
		      : iod_vtd_sm_context_decode(to, (struct iod_vtd_raw_sm_context *)raw);
}

static int codec_dir(void *to, uint64_t *raw, bool encode)
{
	return encode ? iod_vtd_pasid_dir_encode((struct iod_vtd_raw_pasid_dir *)raw, to)
		      : iod_vtd_pasid_dir_decode(to, (struct iod_vtd_raw_pasid_dir *)raw);
}

static int codec_pasid(void *to, uint64_t *raw, bool encode)
{
	return encode ? iod_vtd_pasid_encode((struct iod_vtd_raw_pasid *)raw, to)
		      : iod_vtd_pasid_decode(to, (struct iod_vtd_raw_pasid *)raw);
}

static const struct structure {
	const char *name;
	const struct field *field;
	size_t fields, unknown;
	unsigned words;
	int (*codec)(void *to, uint64_t *raw, bool encode);
} structures[] = {
	{ "root", root_fields, DIFF_COUNT(root_fields), offsetof(struct iod_vtd_root, unknown), 2,
	  codec_root },
	{ "context", context_fields, DIFF_COUNT(context_fields),
	  offsetof(struct iod_vtd_context, unknown), 2, codec_context },
	{ "scalable-mode context", sm_context_fields, DIFF_COUNT(sm_context_fields),
	  offsetof(struct iod_vtd_sm_context, unknown), 4, codec_sm_context },
	{ "PASID directory", dir_fields, DIFF_COUNT(dir_fields),
	  offsetof(struct iod_vtd_pasid_dir, unknown), 1, codec_dir },
	{ "PASID", pasid_fields, DIFF_COUNT(pasid_fields), offsetof(struct iod_vtd_pasid, unknown),
	  8, codec_pasid },
};

/* A member of a structure, whatever its width. */
static uint64_t member(const void *at, size_t len)
{
	uint64_t v8;
	uint32_t v4;
	uint16_t v2;
	uint8_t v1;

	switch (len) {
	case 8:
		memcpy(&v8, at, 8);
		return v8;
	case 4:
		memcpy(&v4, at, 4);
		return v4;
	case 2:
		memcpy(&v2, at, 2);
		return v2;
	default:
		memcpy(&v1, at, 1);
		return v1;
	}
}

static void one_structure(struct diff *d, const struct structure *s, const uint64_t *w)
{
	uint64_t raw[8], back[8], rest[8], unknown[8];
	union {
		struct iod_vtd_pasid pasid;
		struct iod_vtd_sm_context context;
		unsigned char byte[256];
	} to = { 0 };
	unsigned i;

	memcpy(rest, w, sizeof(rest));
	diff_to_le(raw, w, s->words);
	assert_int_equal(s->codec(&to, raw, false), 0);
	for (i = 0; i < s->fields; i++) {
		const struct field *f = &s->field[i];
		uint64_t mask = (UINT64_C(2) << (f->hi - f->lo)) - 1, want;

		mask <<= f->lo;
		want = (w[f->word] & mask) >> (f->address ? 0 : f->lo);
		rest[f->word] &= ~mask;
		if (d->twin == TWIN_PASID && f->len == 4)
			want ^= 1;
		if (member(to.byte + f->at, f->len) != want)
			say(d, s->name, f->name, w);
	}
	diff_from_le(unknown, (const uint64_t *)(const void *)(to.byte + s->unknown), s->words);
	if (memcmp(unknown, rest, 8 * s->words))
		say(d, s->name, "unknown", w);
	assert_int_equal(s->codec(&to, raw, true), 0);
	diff_from_le(back, raw, s->words);
	if (memcmp(back, w, 8 * s->words))
		say(d, s->name, "again", w);
}

static void all_structures(void **state)
{
	unsigned i, k, bit, n = (unsigned)iodt_scale(20000);
	uint64_t w[8];
	struct diff d;

	(void)state;
	diff_start(&d);
	for (k = 0; k < DIFF_COUNT(structures); k++) {
		for (bit = 0; bit < 64 * structures[k].words; bit++) {
			memset(w, 0, sizeof(w));
			w[bit / 64] = UINT64_C(1) << bit % 64;
			one_structure(&d, &structures[k], w);
		}
		for (i = 0; i < n; i++) {
			memset(w, 0, sizeof(w));
			random_words(&d, w, structures[k].words);
			one_structure(&d, &structures[k], w);
		}
	}
}

static void twins(void **state)
{
	uint64_t w[8] = { 1, 2, 3 };
	struct diff d;
	int twin;

	(void)state;
	for (twin = TWIN_NONE + 1; twin < TWIN_LAST; twin++) {
		diff_start(&d);
		d.twin = twin;
		run_records(&d, 5000);
		if (d.mismatches <= 10)
			fail_msg("twin %d: %u", twin, d.mismatches);
	}
	diff_start(&d);
	d.twin = TWIN_PASID;
	one_structure(&d, &structures[2], w);
	one_structure(&d, &structures[4], w);
	assert_int_equal(d.mismatches, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records),
		cmocka_unit_test(reasons),
		cmocka_unit_test(all_structures),
		cmocka_unit_test(twins),
	};

	return cmocka_run_group_tests_name("VT-d records and structures against the model", tests,
					   NULL, NULL);
}
