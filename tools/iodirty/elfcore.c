/* SPDX-License-Identifier: MIT */
/*
 * ELF64 little-endian cores, as QEMU's dump-guest-memory and kernel crash dumps write them: each
 * PT_LOAD is a piece of guest memory at p_paddr. What p_filesz leaves out of p_memsz is absent.
 *
 * Both writers describe kernel text twice (once by its own virtual address), so pieces may overlap
 * as long as they say the same.
 */
#include "elfcore.h"

#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define EHDR_LEN   64u
#define PHDR_LEN   56u
#define SHDR_LEN   64u
#define ET_CORE	   4u
#define EM_X86_64  62u
#define EM_AARCH64 183u
#define PT_LOAD	   1u
#define PN_XNUM	   0xffffu

struct core_file {
	const char *name;
	const unsigned char *map;
	uint64_t len;
};

/* One PT_LOAD, later cut to what no other segment holds. */
struct core_seg {
	const struct core_file *file;
	uint64_t index; /* of its program header */
	uint64_t pa, len;
	const unsigned char *data;
	unsigned char *copy; /* data, when the file's bytes are not aligned */
};

static uint64_t get_le(const unsigned char *p, unsigned bytes)
{
	uint64_t v = 0;

	while (bytes--)
		v = v << 8 | p[bytes];
	return v;
}

static bool inside(uint64_t off, uint64_t len, uint64_t total)
{
	return off <= total && len <= total - off;
}

static int map_file(struct core_file *file)
{
	struct stat st;
	void *map;
	int fd = open(file->name, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st)) {
		complain("%s: %s", file->name, strerror(errno));
		if (fd >= 0)
			close(fd);
		return -1;
	}
	if (!S_ISREG(st.st_mode) || st.st_size < (off_t)EHDR_LEN ||
	    (uintmax_t)st.st_size > SIZE_MAX) {
		complain("%s: %s", file->name,
			 S_ISREG(st.st_mode) ? "too short (or too long) for an ELF core"
					     : "not a regular file");
		close(fd);
		return -1;
	}
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED) {
		complain("%s: %s", file->name, strerror(errno));
		close(fd);
		return -1;
	}
	close(fd);
	file->map = map;
	file->len = (uint64_t)st.st_size;
	return 0;
}

/* @return what is wrong with the ELF header, or NULL */
static const char *check_header(const struct core_file *file, unsigned machine)
{
	const unsigned char *h = file->map;

	if (memcmp(h, "\177ELF", 4) != 0)
		return "not an ELF file";
	if (h[4] != 2)
		return "not a 64-bit ELF file";
	if (h[5] != 1)
		return "not a little-endian ELF file";
	if (get_le(h + 16, 2) != ET_CORE)
		return "not an ELF core (e_type)";
	if (machine != EM_X86_64 && machine != EM_AARCH64)
		return "not a core of x86-64 or AArch64 (e_machine)";
	if (get_le(h + 54, 2) != PHDR_LEN)
		return "program headers have an impossible size (e_phentsize)";
	return NULL;
}

/* Number of program headers: in section header 0 when there are many. */
static int phdr_table(const struct core_file *file, uint64_t *off, uint64_t *nr)
{
	const unsigned char *h = file->map;
	uint64_t shoff = get_le(h + 40, 8);

	*off = get_le(h + 32, 8);
	*nr = get_le(h + 56, 2);
	if (*nr == PN_XNUM) {
		if (!shoff || !inside(shoff, SHDR_LEN, file->len)) {
			complain("%s: section header 0 at offset 0x%" PRIx64
				 ", which holds the number of segments, is not in the file",
				 file->name, shoff);
			return -1;
		}
		*nr = get_le(h + shoff + 44, 4);
	}
	if (!inside(*off, *nr * PHDR_LEN, file->len)) {
		complain("%s: truncated: %" PRIu64 " program headers at offset 0x%" PRIx64
			 " end beyond the file's 0x%" PRIx64 " bytes",
			 file->name, *nr, *off, file->len);
		return -1;
	}
	return 0;
}

static int add_seg(struct core *core, const struct core_seg *seg)
{
	if (core->nr_segs == core->max_segs) {
		size_t max = core->max_segs ? core->max_segs * 2 : 64;
		struct core_seg *segs = realloc(core->segs, max * sizeof(*segs));

		if (!segs) {
			complain("out of memory");
			return -1;
		}
		core->segs = segs;
		core->max_segs = max;
	}
	core->segs[core->nr_segs++] = *seg;
	return 0;
}

static int load_segment(struct core *core, const struct core_file *file, uint64_t index,
			const unsigned char *ph)
{
	uint64_t off = get_le(ph + 8, 8), pa = get_le(ph + 24, 8);
	uint64_t filesz = get_le(ph + 32, 8), memsz = get_le(ph + 40, 8);
	struct core_seg seg = { .file = file, .index = index, .pa = pa, .len = filesz };

	/* Kernel crash dumps give no physical address for some mappings of the kernel. */
	if (get_le(ph, 4) != PT_LOAD || pa == UINT64_MAX || !memsz)
		return 0;
	if (filesz > memsz) {
		complain("%s: segment %" PRIu64 ": p_filesz 0x%" PRIx64
			 " exceeds p_memsz 0x%" PRIx64,
			 file->name, index, filesz, memsz);
		return -1;
	}
	if (memsz - 1 > UINT64_MAX - pa) {
		complain("%s: segment %" PRIu64 ": p_paddr 0x%" PRIx64 " + 0x%" PRIx64
			 " wraps around",
			 file->name, index, pa, memsz);
		return -1;
	}
	if (!inside(off, filesz, file->len)) {
		complain("%s: truncated: segment %" PRIu64 " (p_paddr 0x%" PRIx64
			 ") at offset 0x%" PRIx64 " with 0x%" PRIx64
			 " bytes ends beyond the file's 0x%" PRIx64 " bytes",
			 file->name, index, pa, off, filesz, file->len);
		return -1;
	}
	if (pa + (memsz - 1) > core->last_pa)
		core->last_pa = pa + (memsz - 1);
	if (!filesz)
		return 0;
	seg.data = file->map + off;
	return add_seg(core, &seg);
}

static int load_file(struct core *core, struct core_file *file)
{
	const char *error;
	uint64_t off, nr, i;
	unsigned machine;

	if (map_file(file))
		return -1;
	machine = (unsigned)get_le(file->map + 18, 2);
	error = check_header(file, machine);
	if (!error && core->machine && core->machine != machine)
		error = "a core of another kind of machine than the file before";
	if (error) {
		complain("%s: %s", file->name, error);
		return -1;
	}
	core->machine = machine;
	if (phdr_table(file, &off, &nr))
		return -1;
	for (i = 0; i < nr; i++)
		if (load_segment(core, file, i, file->map + off + i * PHDR_LEN))
			return -1;
	return 0;
}

static int by_pa(const void *a, const void *b)
{
	const struct core_seg *x = a, *y = b;

	if (x->pa != y->pa)
		return x->pa < y->pa ? -1 : 1;
	if (x->len != y->len) /* the longest first: the others are then wholly inside */
		return x->len > y->len ? -1 : 1;
	return x->index < y->index ? -1 : x->index > y->index;
}

/* Index among @nr disjoint sorted segments of the last that begins at or below @pa. */
static size_t find_seg(const struct core_seg *segs, size_t nr, uint64_t pa)
{
	size_t lo = 0, hi = nr;

	while (hi - lo > 1) {
		size_t mid = lo + (hi - lo) / 2;

		if (segs[mid].pa <= pa)
			lo = mid;
		else
			hi = mid;
	}
	return lo;
}

/* Whether the first @len bytes of @seg equal what the @nr segments kept so far hold there. */
static bool same_bytes(const struct core_seg *kept, size_t nr, const struct core_seg *seg,
		       uint64_t len)
{
	uint64_t done = 0;
	size_t i = find_seg(kept, nr, seg->pa);

	while (done < len) {
		uint64_t off = seg->pa + done - kept[i].pa;
		uint64_t part = kept[i].len - off < len - done ? kept[i].len - off : len - done;

		if (kept[i].data + off != seg->data + done &&
		    memcmp(kept[i].data + off, seg->data + done, (size_t)part) != 0)
			return false;
		done += part;
		i++;
	}
	return true;
}

static void complain_overlap(const struct core_seg *seg, const struct core_seg *other)
{
	complain("%s: segment %" PRIu64 " (p_paddr 0x%" PRIx64 ") overlaps %s: segment %" PRIu64
		 " (p_paddr 0x%" PRIx64 ") and differs",
		 seg->file->name, seg->index, seg->pa, other->file->name, other->index, other->pa);
}

/* Sorts the segments and cuts off what those before hold as well. */
static int drop_overlaps(struct core *core)
{
	struct core_seg *segs = core->segs;
	uint64_t compared = 0, limit = 0, last = 0; /* last: the highest address kept */
	size_t i, kept = 0;
	int f;

	for (f = 0; f < core->nr_files; f++)
		limit += core->files[f].len * 4;
	if (core->nr_segs)
		qsort(segs, core->nr_segs, sizeof(*segs), by_pa);
	for (i = 0; i < core->nr_segs; i++) {
		struct core_seg seg = segs[i];
		uint64_t over = kept && seg.pa <= last ? last - seg.pa + 1 : 0;

		if (over > seg.len)
			over = seg.len;
		compared += over;
		if (over && (compared > limit || !same_bytes(segs, kept, &seg, over))) {
			complain_overlap(&seg, &segs[find_seg(segs, kept, seg.pa)]);
			return -1;
		}
		if (over == seg.len)
			continue;
		seg.pa += over;
		seg.data += over;
		seg.len -= over;
		last = seg.pa + (seg.len - 1);
		segs[kept++] = seg;
	}
	core->nr_segs = kept;
	return 0;
}

/* Cuts a segment to whole words, and copies it when its bytes in the file are not aligned. */
static int align_seg(struct core *core, struct core_seg *seg, uint64_t limit)
{
	uint64_t head = -seg->pa & 7;

	if (head >= seg->len) {
		seg->len = 0;
		return 0;
	}
	seg->pa += head;
	seg->data += head;
	seg->len = (seg->len - head) & ~UINT64_C(7);
	if (!seg->len || ((uintptr_t)seg->data & 7) == 0)
		return 0;
	core->copied += seg->len;
	if (core->copied > limit) {
		complain("%s: segment %" PRIu64 ": segments share the same bytes of the file",
			 seg->file->name, seg->index);
		return -1;
	}
	seg->copy = malloc((size_t)seg->len);
	if (!seg->copy) {
		complain("out of memory");
		return -1;
	}
	memcpy(seg->copy, seg->data, (size_t)seg->len);
	seg->data = seg->copy;
	return 0;
}

static int create_mem(struct core *core)
{
	struct iod_mem_vm_cfg cfg = { .size = sizeof(cfg) };
	struct iod_mem_region *regions = calloc(core->nr_segs + 1, sizeof(*regions));
	size_t i, n = 0;
	int ret;

	if (!regions) {
		complain("out of memory");
		return -1;
	}
	for (i = 0; i < core->nr_segs; i++) {
		const struct core_seg *seg = &core->segs[i];

		if (!seg->len)
			continue;
		regions[n].pa = seg->pa;
		regions[n].len = seg->len;
		regions[n].host = (void *)(uintptr_t)seg->data;
		regions[n++].flags = IOD_REGION_READONLY;
		core->bytes += seg->len;
	}
	cfg.regions = regions;
	cfg.nr_regions = n;
	ret = n ? iod_mem_create_vm(&core->mem, &cfg) : -ENOENT;
	free(regions);
	if (ret)
		complain("%s: %s", core->files[0].name,
			 n ? strerror(-ret) : "the core holds no memory (no PT_LOAD with data)");
	return ret ? -1 : 0;
}

int core_open(struct core *core, char *const *names, int nr)
{
	uint64_t total = 0;
	size_t s;
	int i;

	memset(core, 0, sizeof(*core));
	core->files = calloc((size_t)nr, sizeof(*core->files));
	if (!core->files) {
		complain("out of memory");
		return -1;
	}
	core->nr_files = nr;
	for (i = 0; i < nr; i++) {
		core->files[i].name = names[i];
		if (load_file(core, &core->files[i]))
			goto fail;
		total += core->files[i].len;
	}
	if (drop_overlaps(core))
		goto fail;
	for (s = 0; s < core->nr_segs; s++)
		if (align_seg(core, &core->segs[s], total * 2))
			goto fail;
	if (create_mem(core))
		goto fail;
	return 0;
fail:
	core_close(core);
	return -1;
}

void core_close(struct core *core)
{
	size_t s;
	int i;

	if (core->mem)
		iod_mem_destroy(core->mem);
	for (s = 0; s < core->nr_segs; s++)
		free(core->segs[s].copy);
	free(core->segs);
	for (i = 0; i < core->nr_files; i++)
		if (core->files[i].map)
			munmap((void *)(uintptr_t)core->files[i].map, (size_t)core->files[i].len);
	free(core->files);
	memset(core, 0, sizeof(*core));
}

bool core_has(const struct core *core, uint64_t pa)
{
	void *host;

	return iod_mem_host_ptr(core->mem, pa & ~UINT64_C(7), 8, false, &host) == 0;
}

bool core_plausible(const struct core *core, uint64_t pa)
{
	uint64_t mask = core->last_pa;
	unsigned shift;

	for (shift = 1; shift < 64; shift *= 2) /* the next power of two, less one */
		mask |= mask >> shift;
	return pa <= mask;
}
