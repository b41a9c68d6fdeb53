#!/usr/bin/awk -f
# SPDX-License-Identifier: MIT
# Writes nic-disk.trace: two seconds of DMA by a model of three devices, as a guest's IOVA allocator
# would lay them out, and of what their drivers unmap meanwhile. Any awk, always the same output.
#
#   00:03.0  network card: receives at a steady rate into 64 buffers used in turn, and in a burst from
#            0.9 s to 1.2 s into 256; per packet a descriptor read, the packet, a write-back. The 192
#            buffers of the burst are unmapped at 1.25 s, while it receives into the others.
#   00:05.0  disk: idle, then 0.30 s - 0.60 s reads from disk (writes to memory) of 128 KiB each, and
#            1.40 s - 1.70 s writes to disk (reads of memory); commands and completions in rings. Each
#            of 48 buffers is unmapped two commands later; what is left at 0.65 s and at 1.75 s at once.
#   00:07.0  sound card: reads a period of 1 KiB out of a ring of 64 KiB every 10 ms; never writes

# A Lehmer generator: its products stay below 2^53, so that every awk gets the same numbers.
function random(n) {
	seed = seed * 48271 % 2147483647
	return seed % n
}

function access(time, source, iova, len, rw) {
	printf "%.6f %s %s %d %s\n", time / 1000000, source, iova, len, rw | "sort -n -s"
}

function hex(high, low) {
	return sprintf("0x%x%08x", high, low)
}

function packet(time, nr, buffers,   buffer) {
	buffer = nr % buffers
	access(time, "00:03.0", sprintf("0x%x", 4294963200 + nr % 256 * 16), 16, "r")
	access(time + 2, "00:03.0", sprintf("0x%x", 4292870144 + buffer * 4096), 60 + random(1455), "w")
	access(time + 3, "00:03.0", sprintf("0x%x", 4294963200 + nr % 256 * 16), 16, "w")
}

function command(time, nr, rw) {
	access(time, "00:05.0", sprintf("0x%x", 4290772992 + nr % 64 * 64), 64, "r")
	access(time + 40, "00:05.0", hex(1, 268435456 + nr % 48 * 131072), 131072, rw)
	access(time + 90, "00:05.0", sprintf("0x%x", 4290777088 + nr % 256 * 16), 16, "w")
	if (nr >= first + 2)
		access(time + 120, "00:05.0", hex(1, 268435456 + (nr - 2) % 48 * 131072), 131072, "u")
}

BEGIN {
	seed = 1
	print "# Two seconds of a network card, a disk and a sound card; made by nic-disk.awk."
	print "# time (s)  source  iova  length (bytes)  r|w|u"
	fflush()
	for (time = 0; time < 2000000; time += 5500 + random(1000))
		packet(time, packets++, 64)
	for (time = 900000; time < 1200000; time += 1800 + random(400))
		packet(time + 500, packets++, 256)
	for (time = 300000; time < 600000; time += 3500 + random(1000))
		command(time, commands++, "w")
	first = commands
	for (time = 1400000; time < 1700000; time += 3500 + random(1000))
		command(time, commands++, "r")
	for (time = 1000; time < 2000000; time += 10000)
		access(time, "00:07.0", sprintf("0x%x", 2130706432 + periods++ % 64 * 1024), 1024, "r")
	access(650000, "00:05.0", hex(1, 268435456), 48 * 131072, "u")
	access(1250000, "00:03.0", sprintf("0x%x", 4292870144 + 64 * 4096), 192 * 4096, "u")
	access(1750000, "00:05.0", hex(1, 268435456), 48 * 131072, "u")
	close("sort -n -s")
}
