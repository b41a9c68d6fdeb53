/* SPDX-License-Identifier: MIT */
/* The device table: where entries lie, and reading one that somebody writes (bits.md A3.6). */
#include <iodirty/amdvi_dte.h>

#include <errno.h>
#include <string.h>

#include "amdvi/dte_bits.h"
#include "atomic.h"

/* Looks at a DTE before what was seen is taken as it is. */
#define READ_TRIES 16u

int iod_amdvi_devtab_init(struct iod_amdvi_devtab *devtab, uint64_t pa, unsigned int pages)
{
	if (!devtab || pa & ~TABLE_ADDR || !pages || pages > DEVTAB_PAGES_MAX)
		return -EINVAL;
	devtab->base = pa | (pages - 1);
	return 0;
}

uint64_t iod_amdvi_devtab_bytes(const struct iod_amdvi_devtab *devtab)
{
	return devtab ? DEVTAB_PAGES(devtab->base) << 12 : 0;
}

static int found(int ret, enum iod_amdvi_event_type *event, unsigned type)
{
	if (event)
		*event = (enum iod_amdvi_event_type)type;
	return ret;
}

int iod_amdvi_devtab_lookup(const struct iod_amdvi_devtab *devtab, const struct iod_mem *mem,
			    uint16_t devid, uint64_t *pa, enum iod_amdvi_event_type *event)
{
	uint64_t offset = (uint64_t)devid << DTE_LG2;
	void *host;

	if (!devtab || !mem || !pa)
		return -EINVAL;
	*pa = DEVTAB_ADDR(devtab->base) + offset;
	if (offset >= iod_amdvi_devtab_bytes(devtab))
		return found(-ENOENT, event, IOD_AMDVI_ILLEGAL_DEV_TABLE_ENTRY);
	if (iod_mem_host_ptr(mem, *pa, BIT64(DTE_LG2), false, &host))
		return found(-EFAULT, event, IOD_AMDVI_DEV_TAB_HARDWARE_ERROR);
	return found(0, event, 0);
}

static void read_words(uint64_t *word, const uint64_t *live)
{
	unsigned i;

	for (i = 0; i < DTE_WORDS; i++)
		word[i] = item_load(&live[i]);
}

/*
 * Hardware reads all words at once. What reads the same twice was there, all of it, when the first look had ended
 * (whoever writes one value over and over may be seen otherwise: it can only mix its own).
 */
int iod_amdvi_dte_read(struct iod_amdvi_raw_dte *raw, const struct iod_mem *mem, uint64_t pa)
{
	uint64_t word[2][DTE_WORDS];
	unsigned i, tries = READ_TRIES;
	void *live;

	if (!raw || !mem || !is_aligned(pa, DTE_LG2))
		return -EINVAL;
	if (iod_mem_host_ptr(mem, pa, BIT64(DTE_LG2), false, &live))
		return -EFAULT;
	read_words(word[0], live);
	do {
		memcpy(word[1], word[0], sizeof(word[1]));
		read_words(word[0], live);
	} while (memcmp(word[0], word[1], sizeof(word[0])) && --tries);
	for (i = 0; i < DTE_WORDS; i++)
		raw->word[i] = iod_le64(word[0][i]);
	return 0;
}
