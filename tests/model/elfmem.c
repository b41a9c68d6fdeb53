/* SPDX-License-Identifier: MIT */
#include <elf.h>
#include <endian.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "elfmem.h"

static int map_file(struct mdl_elfmem *e, const char *file)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	struct stat st;
	void *map;

	if (fd < 0)
		return -1;
	if (fstat(fd, &st) || (uint64_t)st.st_size < sizeof(Elf64_Ehdr)) {
		close(fd);
		return -1;
	}
	map = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	close(fd);
	if (map == MAP_FAILED)
		return -1;
	e->map = map;
	e->len = (size_t)st.st_size;
	return 0;
}

static int cmp_seg(const void *a, const void *b)
{
	const struct mdl_elf_seg *p = a, *q = b;

	return (p->pa > q->pa) - (p->pa < q->pa);
}

static int add_seg(struct mdl_elfmem *e, const unsigned char *at)
{
	uint64_t off, size;
	Elf64_Phdr ph;

	memcpy(&ph, at, sizeof(ph));
	if (le32toh(ph.p_type) != PT_LOAD)
		return 0;
	off = le64toh(ph.p_offset);
	size = le64toh(ph.p_filesz);
	if (off > e->len || size > e->len - off)
		return -1;
	e->seg[e->nseg++] = (struct mdl_elf_seg){ le64toh(ph.p_paddr), size, e->map + off };
	return 0;
}

static int read_headers(struct mdl_elfmem *e)
{
	uint64_t i, phoff, phnum, phentsize;
	Elf64_Ehdr eh;

	memcpy(&eh, e->map, sizeof(eh));
	if (memcmp(eh.e_ident, ELFMAG, SELFMAG) || eh.e_ident[EI_CLASS] != ELFCLASS64 ||
	    eh.e_ident[EI_DATA] != ELFDATA2LSB || le16toh(eh.e_type) != ET_CORE)
		return -1;
	phoff = le64toh(eh.e_phoff);
	phnum = le16toh(eh.e_phnum);
	phentsize = le16toh(eh.e_phentsize);
	if (phentsize < sizeof(Elf64_Phdr) || phoff > e->len || phnum * phentsize > e->len - phoff)
		return -1;
	e->seg = calloc(phnum ? phnum : 1, sizeof(*e->seg));
	if (!e->seg)
		return -1;
	for (i = 0; i < phnum; i++)
		if (add_seg(e, e->map + phoff + i * phentsize))
			return -1;
	qsort(e->seg, e->nseg, sizeof(*e->seg), cmp_seg);
	return 0;
}

int mdl_elfmem_open(struct mdl_elfmem *e, const char *file)
{
	*e = (struct mdl_elfmem){ 0 };
	if (map_file(e, file))
		return -1;
	if (!read_headers(e))
		return 0;
	mdl_elfmem_close(e);
	return -1;
}

void mdl_elfmem_close(struct mdl_elfmem *e)
{
	free(e->seg);
	if (e->map)
		munmap(e->map, e->len);
	*e = (struct mdl_elfmem){ 0 };
}

unsigned char *mdl_elfmem_at(const struct mdl_elfmem *e, uint64_t pa, uint64_t size)
{
	size_t lo = 0, hi = e->nseg, mid;
	const struct mdl_elf_seg *s;

	/* the last segment at or below pa */
	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (e->seg[mid].pa <= pa)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (!lo)
		return NULL;
	s = &e->seg[lo - 1];
	if (pa - s->pa > s->size || size > s->size - (pa - s->pa))
		return NULL;
	return s->data + (pa - s->pa);
}

static int elf_read64(void *cookie, uint64_t pa, uint64_t *val)
{
	const unsigned char *p = mdl_elfmem_at(cookie, pa, 8);

	if (!p)
		return -1;
	memcpy(val, p, 8);
	*val = le64toh(*val);
	return 0;
}

/* Good for one thread: the copy is the test's own. */
static int elf_cmpxchg64(void *cookie, uint64_t pa, uint64_t old, uint64_t new_, uint64_t *seen)
{
	unsigned char *p = mdl_elfmem_at(cookie, pa, 8);
	uint64_t raw;

	if (!p || elf_read64(cookie, pa, seen))
		return -1;
	raw = htole64(new_);
	if (*seen == old)
		memcpy(p, &raw, 8);
	return 0;
}

struct mdl_mem mdl_elfmem_mem(struct mdl_elfmem *e)
{
	return (struct mdl_mem){ .cookie = e, .read64 = elf_read64, .cmpxchg64 = elf_cmpxchg64 };
}
