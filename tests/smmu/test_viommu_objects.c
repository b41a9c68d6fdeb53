/* SPDX-License-Identifier: MIT */
/* A guest's SMMU as an object: what is shown, what is refused, devices, stream table entries, memory. */
#include "viommurig.h"

static struct iod_smmuv3_id host_id(void)
{
	struct iod_smmuv3_id id;

	iodt_assert_ok(iod_smmuv3_id_full(&id));
	return id;
}

/* Row 116: page requests are not shown by default, nor anything else that the guest cannot have. */
static void exposed(void **state)
{
	struct iod_smmuv3_id host = host_id(), guest;
	unsigned int bit, reg;

	host.aidr = 2;
	host.iidr = 0x1234;
	iodt_assert_ok(iod_smmuv3_viommu_expose(&guest, &host, 0));
	assert_int_equal(guest.idr[0] & IOD_SMMUV3_IDR0_PRI, 0);
	assert_int_equal(guest.idr[1] & IOD_SMMUV3_IDR1_PRIQS, 0);
	assert_int_equal(guest.idr[0] & (IOD_SMMUV3_IDR0_S2P | IOD_SMMUV3_IDR0_HYP |
					 IOD_SMMUV3_IDR0_VMID16 | IOD_SMMUV3_IDR0_BTM |
					 IOD_SMMUV3_IDR0_SEV),
			 0);
	assert_int_equal(iod_smmuv3_id_field(guest.idr[0], IOD_SMMUV3_IDR0_STALL_MODEL), 1);
	assert_true(guest.idr[0] & IOD_SMMUV3_IDR0_S1P);
	assert_true(guest.idr[0] & IOD_SMMUV3_IDR0_ATS);
	assert_int_equal(guest.aidr, 2);
	assert_int_equal(guest.iidr, 0x1234);
	/* nothing that the host does not have, nothing that is not known, bit by bit */
	for (reg = 0; reg < 6; reg++)
		for (bit = 0; bit < 32; bit++) {
			struct iod_smmuv3_id less = host;

			if (reg == 0 && (bit < 2 || bit == 24 || bit == 25))
				continue;
			less.idr[reg] &= ~(1u << bit);
			iodt_assert_ok(iod_smmuv3_viommu_expose(&guest, &less, 0));
			assert_int_equal(guest.idr[reg] >> bit & 1, 0);
		}
	memset(host.idr, 0xff, sizeof(host.idr));
	host.idr[0] &= ~IOD_SMMUV3_IDR0_STALL_MODEL;
	iodt_assert_ok(iod_smmuv3_viommu_expose(&guest, &host, 0));
	assert_int_equal(guest.idr[2], 0);
	assert_int_equal(guest.idr[4], 0);
	assert_int_equal(guest.idr[3], 0x3e04);	   /* HAD STT RIL BBML E0PD */
	assert_int_equal(guest.idr[5], 0xcf7);	   /* OAS granules DS VAX */
	assert_int_equal(guest.idr[1], 0x3ff07ff); /* no PRIQS, nothing above CMDQS */
}

static void exposed_on_request(void **state)
{
	struct iod_smmuv3_id host = host_id(), guest;

	iodt_assert_ok(iod_smmuv3_viommu_expose(&guest, &host, IOD_SMMUV3_VIOMMU_ALLOW_PRI));
	assert_true(guest.idr[0] & IOD_SMMUV3_IDR0_PRI);
	iodt_assert_ok(iod_smmuv3_viommu_expose(&guest, &host, IOD_SMMUV3_VIOMMU_ALLOW_RESUME));
	assert_int_equal(iod_smmuv3_id_field(guest.idr[0], IOD_SMMUV3_IDR0_STALL_MODEL), 0);
	assert_int_equal(guest.idr[5] >> 16, host.idr[5] >> 16);
	host.idr[3] &= ~IOD_SMMUV3_IDR3_RIL;
	iodt_assert_ok(iod_smmuv3_viommu_expose(&guest, &host, 0));
	assert_false(guest.idr[3] & IOD_SMMUV3_IDR3_RIL);
	iodt_assert_ok(iod_smmuv3_viommu_expose(&guest, &host, IOD_SMMUV3_VIOMMU_SHOW_RIL));
	assert_true(guest.idr[3] & IOD_SMMUV3_IDR3_RIL);
	/* Accesses that fault always stall: who shall resume them? */
	host.idr[0] |= 2u << 24;
	assert_int_equal(iod_smmuv3_viommu_expose(&guest, &host, 0), -EOPNOTSUPP);
	iodt_assert_ok(iod_smmuv3_viommu_expose(&guest, &host, IOD_SMMUV3_VIOMMU_ALLOW_RESUME));
	assert_int_equal(iod_smmuv3_id_field(guest.idr[0], IOD_SMMUV3_IDR0_STALL_MODEL), 2);
	host.idr[0] &= ~IOD_SMMUV3_IDR0_S2P;
	assert_int_equal(iod_smmuv3_viommu_expose(&guest, &host, 1), -EOPNOTSUPP);
	assert_int_equal(iod_smmuv3_viommu_expose(&guest, NULL, 0), -EINVAL);
	assert_int_equal(iod_smmuv3_viommu_expose(&guest, &host, IOD_SMMUV3_VIOMMU_LITERAL),
			 -EINVAL);
}

static int no_issue(void *cookie, const struct iod_smmuv3_raw_cmd *cmds, size_t nr, bool sync,
		    size_t *issued)
{
	*issued = nr;
	return 0;
}

static const struct iod_smmuv3_sink no_sink = { .size = sizeof(no_sink), .issue = no_issue };

static int try_create(const struct iod_smmuv3_viommu_cfg *cfg)
{
	struct iod_smmuv3_viommu *v = NULL;
	int ret = iod_smmuv3_viommu_create(&v, cfg);

	if (!ret)
		iodt_assert_ok(iod_smmuv3_viommu_destroy(v));
	return ret;
}

static struct iod_smmuv3_viommu_cfg good_cfg(void)
{
	struct iod_smmuv3_viommu_cfg cfg = { .size = sizeof(cfg), .sink = &no_sink, .vmid = 3 };

	cfg.host = host_id();
	iodt_assert_ok(iod_smmuv3_viommu_expose(&cfg.guest, &cfg.host, 0));
	return cfg;
}

/* Row 123. */
static void create_refuses(void **state)
{
	struct iod_smmuv3_sink sink = no_sink;
	struct iod_smmuv3_viommu_cfg cfg = good_cfg();

	iodt_assert_ok(try_create(&cfg));
	assert_int_equal(iod_smmuv3_viommu_create(NULL, &cfg), -EINVAL);
	assert_int_equal(try_create(NULL), -EINVAL);
	assert_int_equal(iod_smmuv3_viommu_destroy(NULL), -EINVAL);
	cfg.size--;
	assert_int_equal(try_create(&cfg), -EINVAL);
	cfg = good_cfg();
	cfg.host.idr[0] &= ~IOD_SMMUV3_IDR0_S1P;
	assert_int_equal(try_create(&cfg), -EOPNOTSUPP);
	cfg = good_cfg();
	cfg.host.idr[0] &= ~IOD_SMMUV3_IDR0_S2P;
	assert_int_equal(try_create(&cfg), -EOPNOTSUPP);
	cfg = good_cfg();
	cfg.sink = NULL;
	assert_int_equal(try_create(&cfg), -EINVAL);
	sink.issue = NULL;
	cfg.sink = &sink;
	assert_int_equal(try_create(&cfg), -EINVAL);
	cfg = good_cfg();
	cfg.flags = 1u << 10;
	assert_int_equal(try_create(&cfg), -EINVAL);
	cfg.flags = IOD_SMMUV3_VIOMMU_NO_SYNC | IOD_SMMUV3_VIOMMU_SYNC_EACH;
	assert_int_equal(try_create(&cfg), -EINVAL);
	cfg = good_cfg();
	cfg.reserved[1] = 1;
	assert_int_equal(try_create(&cfg), -EINVAL);
	cfg = good_cfg();
	cfg.host.idr[0] &= ~IOD_SMMUV3_IDR0_VMID16;
	cfg.vmid = 0x100;
	assert_int_equal(try_create(&cfg), -EINVAL);
	cfg.vmid = 0xff;
	iodt_assert_ok(try_create(&cfg));
	cfg = good_cfg();
	cfg.guest.idr[0] &= ~IOD_SMMUV3_IDR0_S1P;
	assert_int_equal(try_create(&cfg), -EINVAL);
}

/* The guest's structures reach the host's hardware: it may be shown less, never more. */
static void guest_shown_more(void **state)
{
	static const struct {
		unsigned int reg;
		uint32_t host_clear, host_set, guest_set;
	} rows[] = {
		{ 0, 0, 0, IOD_SMMUV3_IDR0_S2P },
		{ 0, 0, 0, IOD_SMMUV3_IDR0_HYP },
		{ 0, 0, 0, IOD_SMMUV3_IDR0_VMID16 },
		{ 0, 0, 0, IOD_SMMUV3_IDR0_BTM },
		{ 0, IOD_SMMUV3_IDR0_ATS, 0, IOD_SMMUV3_IDR0_ATS },
		{ 0, IOD_SMMUV3_IDR0_ASID16, 0, IOD_SMMUV3_IDR0_ASID16 },
		{ 0, IOD_SMMUV3_IDR0_PRI, 0, IOD_SMMUV3_IDR0_PRI },
		{ 0, IOD_SMMUV3_IDR0_CD2L, 0, IOD_SMMUV3_IDR0_CD2L },
		{ 0, IOD_SMMUV3_IDR0_COHACC, 0, IOD_SMMUV3_IDR0_COHACC },
		{ 0, IOD_SMMUV3_IDR0_HTTU, 1u << 6, 2u << 6 },
		{ 0, IOD_SMMUV3_IDR0_TTENDIAN, 2u << 21, 0 },
		{ 0, 0, IOD_SMMUV3_IDR0_TERM_MODEL, 0 },
		{ 0, 0, 2u << 24, 0 },
		{ 1, 0x1f << 6, 3u << 6, 4u << 6 },
		{ 3, IOD_SMMUV3_IDR3_STT, 0, IOD_SMMUV3_IDR3_STT },
		{ 3, IOD_SMMUV3_IDR3_HAD, 0, IOD_SMMUV3_IDR3_HAD },
		{ 3, IOD_SMMUV3_IDR3_BBML, 1u << 11, 2u << 11 },
		{ 5, IOD_SMMUV3_IDR5_GRAN16K, 0, IOD_SMMUV3_IDR5_GRAN16K },
		{ 5, IOD_SMMUV3_IDR5_OAS, 4, 5 },
		{ 5, IOD_SMMUV3_IDR5_VAX, 0, 1u << 10 },
	};
	size_t i;

	for (i = 0; i < IODT_ARRAY_SIZE(rows); i++) {
		struct iod_smmuv3_viommu_cfg cfg = good_cfg();
		uint32_t *host = &cfg.host.idr[rows[i].reg], *guest = &cfg.guest.idr[rows[i].reg];

		*host = (*host & ~rows[i].host_clear) | rows[i].host_set;
		if (rows[i].host_clear)
			*guest &= ~rows[i].host_clear;
		if (rows[i].guest_set || !rows[i].host_set)
			*guest |= rows[i].guest_set;
		else if (rows[i].reg == 0 && rows[i].host_set == IOD_SMMUV3_IDR0_TERM_MODEL)
			*guest &= ~IOD_SMMUV3_IDR0_TERM_MODEL;
		assert_int_equal(try_create(&cfg), -EINVAL);
	}
}

static void devices_both_ways(void **state)
{
	struct iod_smmuv3_viommu_cfg cfg = good_cfg();
	struct iod_smmuv3_vdev dev = { .size = sizeof(dev) };
	struct iod_smmuv3_viommu *v;
	const uint32_t nr = 65536;
	uint32_t i;

	cfg.guest.idr[1] = (cfg.guest.idr[1] & ~0x3fu) | 20;
	iodt_assert_ok(iod_smmuv3_viommu_create(&v, &cfg));
	for (i = 0; i < nr; i++)
		iodt_assert_ok(iod_smmuv3_viommu_add(v, i * 16, ~i, (enum iod_vdev_state)(i % 3)));
	assert_int_equal(iod_smmuv3_viommu_devices(v), nr);
	assert_int_equal(iod_smmuv3_viommu_add(v, 1, 1, IOD_VDEV_ON), -ENOSPC);
	for (i = 0; i < nr; i++) {
		iodt_assert_ok(iod_smmuv3_viommu_lookup(v, i * 16, &dev));
		assert_int_equal(dev.sid, ~i);
		assert_int_equal(dev.vsid, i * 16);
		assert_int_equal(dev.state, i % 3);
		assert_false(dev.linear);
		iodt_assert_ok(iod_smmuv3_viommu_lookup_sid(v, ~i, &dev));
		assert_int_equal(dev.vsid, i * 16);
	}
	assert_int_equal(iod_smmuv3_viommu_lookup(v, 1, &dev), -ENOENT);
	assert_int_equal(iod_smmuv3_viommu_lookup_sid(v, 16, &dev), -ENOENT);
	assert_int_equal(iod_smmuv3_viommu_lookup(v, 16, NULL), -EINVAL);
	for (i = 0; i < nr; i += 2)
		iodt_assert_ok(iod_smmuv3_viommu_remove(v, i * 16));
	for (i = 0; i < nr; i++) {
		int want = i % 2 ? 0 : -ENOENT;

		assert_int_equal(iod_smmuv3_viommu_lookup(v, i * 16, &dev), want);
		assert_int_equal(iod_smmuv3_viommu_lookup_sid(v, ~i, &dev), want);
	}
	assert_int_equal(iod_smmuv3_viommu_devices(v), nr / 2);
	iodt_assert_ok(iod_smmuv3_viommu_destroy(v));
}

static void devices_refused(void **state)
{
	struct iod_smmuv3_viommu_cfg cfg = good_cfg();
	struct iod_smmuv3_viommu *v;

	cfg.guest.idr[1] = (cfg.guest.idr[1] & ~0x3fu) | 8;
	cfg.host.idr[1] = (cfg.host.idr[1] & ~0x3fu) | 16;
	cfg.max_devices = 2;
	iodt_assert_ok(iod_smmuv3_viommu_create(&v, &cfg));
	assert_int_equal(iod_smmuv3_viommu_add(v, 256, 1, IOD_VDEV_ON), -ERANGE);
	assert_int_equal(iod_smmuv3_viommu_add(v, 255, 65536, IOD_VDEV_ON), -ERANGE);
	assert_int_equal(iod_smmuv3_viommu_add(v, 1, 1, (enum iod_vdev_state)3), -EINVAL);
	iodt_assert_ok(iod_smmuv3_viommu_add(v, 255, 65535, IOD_VDEV_ON));
	assert_int_equal(iod_smmuv3_viommu_add(v, 255, 1, IOD_VDEV_ON), -EEXIST);
	assert_int_equal(iod_smmuv3_viommu_add(v, 1, 65535, IOD_VDEV_ON), -EEXIST);
	iodt_assert_ok(iod_smmuv3_viommu_add(v, 0, 0, IOD_VDEV_ON));
	assert_int_equal(iod_smmuv3_viommu_add(v, 2, 2, IOD_VDEV_ON), -ENOSPC);
	assert_int_equal(iod_smmuv3_viommu_set_state(v, 3, IOD_VDEV_ON), -ENOENT);
	assert_int_equal(iod_smmuv3_viommu_set_state(v, 0, (enum iod_vdev_state)9), -EINVAL);
	assert_int_equal(iod_smmuv3_viommu_remove(v, 3), -ENOENT);
	assert_int_equal(iod_smmuv3_viommu_remove(NULL, 3), -EINVAL);
	iodt_assert_ok(iod_smmuv3_viommu_destroy(v));
}

static void memory_fails(void **state)
{
	struct iod_smmuv3_viommu_cfg cfg = good_cfg();
	struct iod_smmuv3_viommu *v = NULL;
	struct iodt_alloc alloc;
	uint64_t n;
	uint32_t i, added;
	int ret = -ENOMEM;

	for (n = 1; ret; n++) {
		iodt_alloc_init(&alloc);
		alloc.fail_at = n;
		cfg.allocator = &alloc.ops;
		ret = iod_smmuv3_viommu_create(&v, &cfg);
		assert_true(!ret || ret == -ENOMEM);
		if (ret)
			assert_int_equal(alloc.live, 0);
	}
	alloc.fail_at = 0;
	for (i = added = 0; i < 300; i++) {
		alloc.fail_at =
			alloc.calls + 1 + i % 3; /* the device's, or that of a larger table */
		ret = iod_smmuv3_viommu_add(v, i, i, IOD_VDEV_ON);
		assert_true(!ret || ret == -ENOMEM);
		added += !ret;
		assert_int_equal(iod_smmuv3_viommu_devices(v), added);
	}
	assert_true(added > 100 && added < 300);
	iodt_assert_ok(iod_smmuv3_viommu_destroy(v));
	assert_int_equal(alloc.live, 0);
	assert_int_equal(alloc.bad, 0);
}

/* No memory is asked for by a batch. */
static void batches_allocate_nothing(void **state)
{
	struct iod_guest_result res;
	struct rig_opts o = rig_defaults();
	struct iodt_alloc alloc;
	struct rig_cmd cmds[64];
	struct rig *rig;
	uint64_t calls;
	unsigned int i;

	iodt_alloc_init(&alloc);
	o.allocator = &alloc.ops;
	o.host_ril = false;
	rig = rig_open(&o);
	calls = alloc.calls;
	for (i = 0; i < 64; i++)
		cmds[i] = rig_generate(rig, false);
	(void)rig_run(rig, cmds, 64, &res);
	assert_int_equal(alloc.calls, calls);
	rig_close(rig);
	assert_int_equal(alloc.live, 0);
}

/* Row 100: S1Fmt, S1CDMax, S1DSS and the rest of what is the guest's; bit by bit. */
static void vste_bits(void **state)
{
	/* STE 0: V, Config, S1Fmt, S1ContextPtr, S1CDMax. STE 1: S1DSS, S1CIR, S1COR, S1CSH, S1STALLD, EATS */
	const uint64_t mine[2] = { UINT64_C(0xf8ffffffffffffff), UINT64_C(0x380000ff) };
	const uint64_t base[2] = { 1 | 5u << 1 | 1u << 4 | 0x12345680 | UINT64_C(3) << 59, 2 };
	struct iod_iommufd_hwpt_smmuv3 vste;
	struct rig_opts o = rig_defaults();
	struct rig *rig = rig_open(&o);
	unsigned int word, bit;
	const char *why;

	for (word = 0; word < 2; word++)
		for (bit = 0; bit < 64; bit++) {
			uint64_t ste[2] = { base[0], base[1] }, raw[2], out;
			int ret;

			if (word == 0 && bit < 4)
				continue; /* V and Config: below */
			ste[word] ^= IODT_BIT(bit);
			iodt_put_le64(&raw[0], ste[0]);
			iodt_put_le64(&raw[1], ste[1]);
			ret = iod_smmuv3_viommu_vste(rig->v, 8, raw, &vste, &why);
			if (!(mine[word] >> bit & 1) || (word == 1 && (bit == 27 || bit == 29)) ||
			    (word == 0 && bit == 63)) {
				/* the host's; stalls (IDR0.STALL_MODEL); split ATS; 2^19 CDs */
				assert_int_equal(ret, -EINVAL);
				assert_non_null(why);
				continue;
			}
			if (word == 0 && (bit == 62 || (bit >= 48 && bit < 56))) {
				/* 2^11 CDs, with SubstreamIDs of 8 bits; an address beyond the IAS */
				assert_int_equal(ret, -EINVAL);
				continue;
			}
			iodt_assert_ok(ret);
			iodt_put_le64(&out, vste.ste[word]);
			/* and S1STALLD, for this guest has no RESUME */
			assert_true(out == (ste[word] | (word ? IODT_BIT(27) : 0)));
		}
	rig_close(rig);
}

static int vste_config(struct rig *rig, uint64_t w0, struct iod_iommufd_hwpt_smmuv3 *vste)
{
	uint64_t raw[2] = { 0, 0 };
	int ret;

	iodt_put_le64(&raw[0], w0);
	ret = iod_smmuv3_viommu_vste(rig->v, 8, raw, vste, NULL);
	iodt_put_le64(&vste->ste[0], vste->ste[0]);
	return ret;
}

static void vste_configs(void **state)
{
	struct iod_iommufd_hwpt_smmuv3 vste;
	struct rig_opts o = rig_defaults();
	struct rig *rig = rig_open(&o);
	uint64_t raw[2] = { 0, 0 };
	unsigned int config;

	for (config = 0; config < 8; config++) {
		int ret = vste_config(rig, 1 | config << 1 | 0x40, &vste);

		if (config > 5) {
			assert_int_equal(ret, -EINVAL); /* stage 2 is the host's */
			continue;
		}
		iodt_assert_ok(ret);
		/* 0 to 3 abort, and only 0 is what the kernel takes */
		assert_true(vste.ste[0] == (1 | (config < 4 ? 0 : config << 1) | 0x40));
	}
	iodt_assert_ok(vste_config(rig, 0xfffffffffffffffe, &vste)); /* V=0: nothing counts */
	assert_true(!vste.ste[0] && !vste.ste[1]);
	assert_int_equal(iod_smmuv3_viommu_vste(rig->v, 9, raw, &vste, NULL), -ENOENT);
	assert_int_equal(iod_smmuv3_viommu_vste(rig->v, 8, NULL, &vste, NULL), -EINVAL);
	assert_int_equal(iod_smmuv3_viommu_vste_installed(rig->v, 9, &vste), -ENOENT);
	rig_close(rig);
	o.ats = false;
	rig = rig_open(&o);
	iodt_put_le64(&raw[0], 1 | 5u << 1);
	iodt_put_le64(&raw[1], IODT_BIT(28)); /* EATS 1 */
	assert_int_equal(iod_smmuv3_viommu_vste(rig->v, 8, raw, &vste, NULL), -EINVAL);
	rig_close(rig);
}

/* CD.S is obeyed by the host: only a guest that may RESUME can have what stalls. */
static void vste_stalls(void **state)
{
	struct iod_iommufd_hwpt_smmuv3 vste;
	struct rig_opts o = rig_defaults();
	uint64_t raw[2], word;
	unsigned int config;
	struct rig *rig;

	for (config = 4; config < 6; config++) {
		for (o.stall = false;; o.stall = true) {
			o.flags = o.stall ? IOD_SMMUV3_VIOMMU_ALLOW_RESUME : 0;
			rig = rig_open(&o);
			iodt_put_le64(&raw[0], 1 | config << 1);
			raw[1] = 0;
			iodt_assert_ok(iod_smmuv3_viommu_vste(rig->v, 8, raw, &vste, NULL));
			iodt_put_le64(&word, vste.ste[1]);
			assert_true(word == (config == 5 && !o.stall ? IODT_BIT(27) : 0));
			rig_close(rig);
			if (o.stall)
				break;
		}
	}
}

/* Who is given no ATC_INV is to have no cache. */
static void vste_ats_off(void **state)
{
	struct iod_iommufd_hwpt_smmuv3 vste;
	struct rig_opts o = rig_defaults();
	struct rig *rig = rig_open(&o);
	unsigned int dev_state;
	uint64_t raw[2], word;

	iodt_put_le64(&raw[0], 1 | 5u << 1);
	iodt_put_le64(&raw[1], IODT_BIT(28));
	for (dev_state = 0; dev_state < 3; dev_state++) {
		iodt_assert_ok(
			iod_smmuv3_viommu_set_state(rig->v, 8, (enum iod_vdev_state)dev_state));
		iodt_assert_ok(iod_smmuv3_viommu_vste(rig->v, 8, raw, &vste, NULL));
		iodt_put_le64(&word, vste.ste[1]);
		assert_int_equal(word >> 28 & 3, dev_state == IOD_VDEV_ON);
	}
	assert_int_equal(iod_smmuv3_viommu_vste(rig->v, 9, raw, &vste, NULL), -ENOENT);
	rig_close(rig);
}

static void host_ste(void **state)
{
	/* V, Config 6; SHCFG 1; VMID 0x2a, S2T0SZ 16 SL0 2 PS 5 AA64; S2TTB */
	const uint64_t s2[8] = { 1 | 6u << 1, UINT64_C(1) << 44,
				 0x2a | UINT64_C(16) << 32 | UINT64_C(2) << 38 | UINT64_C(5) << 48 |
					 UINT64_C(1) << 51,
				 0x7654321000 };
	static const struct {
		uint64_t guest[2], want[2];
	} rows[] = {
		{ { 1 | 5u << 1 | 1u << 4 | 0x1000 | UINT64_C(3) << 59, 2 | 1u << 28 },
		  { 1 | 7u << 1 | 1u << 4 | 0x1000 | UINT64_C(3) << 59,
		    2 | 1u << 28 | 1u << 19 | UINT64_C(1) << 44 } },
		{ { 1 | 4u << 1 | 0x1000, 0 }, { 1 | 6u << 1, 1u << 19 | UINT64_C(1) << 44 } },
		{ { 1 | 0x1000, 1u << 28 }, { 1, 1u << 19 | UINT64_C(1) << 44 } },
		{ { 0, 0 }, { 1, 1u << 19 | UINT64_C(1) << 44 } },
	};
	struct iod_iommufd_hwpt_smmuv3 vste;
	uint64_t raw[8], out[8], word;
	size_t i, k;

	for (i = 0; i < 8; i++)
		iodt_put_le64(&raw[i], s2[i]);
	for (i = 0; i < IODT_ARRAY_SIZE(rows); i++) {
		iodt_put_le64(&vste.ste[0], rows[i].guest[0]);
		iodt_put_le64(&vste.ste[1], rows[i].guest[1]);
		iodt_assert_ok(iod_smmuv3_viommu_host_ste(&vste, raw, out));
		for (k = 0; k < 8; k++) {
			iodt_put_le64(&word, out[k]);
			assert_true(word == (k < 2 ? rows[i].want[k] : s2[k]));
		}
	}
	iodt_put_le64(&raw[0], 1 | 4u << 1); /* no stage 2 to put it over */
	assert_int_equal(iod_smmuv3_viommu_host_ste(&vste, raw, out), -EINVAL);
	iodt_put_le64(&raw[0], 1 | 6u << 1);
	iodt_put_le64(&vste.ste[0], 1 | 7u << 1); /* not from iod_smmuv3_viommu_vste() */
	assert_int_equal(iod_smmuv3_viommu_host_ste(&vste, raw, out), -EINVAL);
	assert_int_equal(iod_smmuv3_viommu_host_ste(NULL, raw, out), -EINVAL);
}

static void figures(void **state)
{
	const struct rig_cmd cmds[] = { { { 0x12, 0x1000 } },
					{ { 0x12, 0x2000 } },
					{ { 0xff, 0 } } };
	struct iod_viommu_stats stats = { .size = sizeof(stats) };
	struct iod_guest_result res;
	struct rig_opts o = rig_defaults();
	struct rig *rig = rig_open(&o);

	(void)rig_run(rig, cmds, 3, &res);
	(void)rig_run(rig, cmds, 2, &res);
	iodt_assert_ok(iod_smmuv3_viommu_get_stats(rig->v, &stats));
	assert_int_equal(stats.batches, 2);
	assert_int_equal(stats.commands, 4);
	assert_int_equal(stats.refused, 1);
	assert_int_equal(stats.host_commands, 2);
	assert_int_equal(stats.syncs, 2);
	assert_int_equal(iod_smmuv3_viommu_get_stats(NULL, &stats), -EINVAL);
	assert_int_equal(iod_smmuv3_viommu_get_stats(rig->v, NULL), -EINVAL);
	rig_close(rig);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(exposed),	     cmocka_unit_test(exposed_on_request),
		cmocka_unit_test(create_refuses),    cmocka_unit_test(guest_shown_more),
		cmocka_unit_test(devices_both_ways), cmocka_unit_test(devices_refused),
		cmocka_unit_test(memory_fails),	     cmocka_unit_test(batches_allocate_nothing),
		cmocka_unit_test(vste_bits),	     cmocka_unit_test(vste_configs),
		cmocka_unit_test(vste_stalls),	     cmocka_unit_test(vste_ats_off),
		cmocka_unit_test(host_ste),	     cmocka_unit_test(figures),
	};

	return iodt_main(argc, argv, NULL, 0, tests, IODT_ARRAY_SIZE(tests));
}
