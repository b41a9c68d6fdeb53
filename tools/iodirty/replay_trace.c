/* SPDX-License-Identifier: MIT */
/* Reads traces of DMA accesses. What a line says is never trusted: see docs/replay.md, "Traces". */
#include "replay_trace.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#define FIELDS	   5
#define NS_DIGITS  9
#define NS_PER_S   1000000000u
#define SHOWN_MAX  40	      /* characters of a bad field that a message shows */
#define SOURCE_NOT "\"'\\<>&" /* would have to be escaped somewhere */

enum field {
	FIELD_TIME,
	FIELD_SOURCE,
	FIELD_IOVA,
	FIELD_LEN,
	FIELD_ACCESS,
};

int trace_open(struct trace *trace, const char *name)
{
	bool standard_input = strcmp(name, "-") == 0;
	struct stat st;

	memset(trace, 0, sizeof(*trace));
	trace->name = standard_input ? "(standard input)" : name;
	trace->file = standard_input ? stdin : fopen(name, "r");
	if (!trace->file)
		return -1;
	if (!fstat(fileno(trace->file), &st) && S_ISDIR(st.st_mode)) {
		trace_close(trace);
		errno = EISDIR;
		return -1;
	}
	return 0;
}

void trace_close(struct trace *trace)
{
	if (trace->file && trace->file != stdin)
		fclose(trace->file);
	trace->file = NULL;
}

__attribute__((format(printf, 2, 3))) static bool wrong(struct trace *trace, const char *format,
							...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(trace->why, sizeof(trace->why), format, args);
	va_end(args);
	return false;
}

/* A field as a message may show it: short, and without what could confuse a terminal. */
static const char *shown(const char *field, char text[SHOWN_MAX + 4])
{
	size_t i;

	for (i = 0; field[i] && i < SHOWN_MAX; i++)
		text[i] = field[i] >= ' ' && field[i] <= '~' ? field[i] : '?';
	strcpy(text + i, field[i] ? "..." : "");
	return text;
}

/* --- Lines -------------------------------------------------------------------------------------*/

/* The next line without its end, LF or CRLF; the last one may have none. */
static enum trace_got read_line(struct trace *trace)
{
	bool nul = false;
	size_t len = 0;
	int c;

	while ((c = getc_unlocked(trace->file)) != EOF && c != '\n') {
		nul |= c == 0;
		if (len < TRACE_LINE_MAX)
			trace->text[len] = (char)c;
		len += len <= TRACE_LINE_MAX;
	}
	if (c == EOF && ferror(trace->file))
		return TRACE_UNREADABLE;
	if (c == EOF && !len)
		return TRACE_END;
	trace->line++;
	if (len > TRACE_LINE_MAX) {
		wrong(trace, "the line is longer than %d bytes", TRACE_LINE_MAX);
		return TRACE_MALFORMED;
	}
	if (nul) {
		wrong(trace, "the line has a NUL byte in it");
		return TRACE_MALFORMED;
	}
	len -= len && trace->text[len - 1] == '\r';
	trace->text[len] = '\0';
	return TRACE_ACCESS;
}

/* Cuts the line in place. @return how many fields there are; one that is too many is counted, too */
static unsigned split(char *text, char *fields[FIELDS + 1])
{
	unsigned nr = 0;

	for (;;) {
		text += strspn(text, " \t");
		if (!*text || nr > FIELDS)
			return nr;
		fields[nr++] = text;
		text += strcspn(text, " \t");
		if (*text)
			*text++ = '\0';
	}
}

/* --- Fields ------------------------------------------------------------------------------------*/

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return 16;
}

/* Digits as far as they go. @return where they end; *fits becomes false beyond 64 bits */
static const char *take_digits(const char *text, unsigned base, uint64_t *value, bool *fits)
{
	for (*value = 0; (unsigned)digit(*text) < base; text++) {
		unsigned d = (unsigned)digit(*text);

		if (*value > (UINT64_MAX - d) / base)
			*fits = false;
		*value = *value * base + d;
	}
	return text;
}

/* Decimal or 0x; a length may end with K, M or G. */
static bool parse_number(struct trace *trace, const char *name, const char *text, bool units,
			 uint64_t *out)
{
	bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X'), fits = true;
	const char *digits = hex ? text + 2 : text, *end;
	static const char letters[] = "KMG";
	char show[SHOWN_MAX + 4];
	const char *letter;
	unsigned shift;

	end = take_digits(digits, hex ? 16 : 10, out, &fits);
	letter = units && end != digits && !hex && *end ? strchr(letters, *end & ~0x20) : NULL;
	if (letter)
		end++;
	if (end == digits || *end)
		return wrong(trace, "%s: '%s' is not a number", name, shown(text, show));
	shift = letter ? (unsigned)(letter - letters + 1) * 10 : 0;
	if (!fits || *out > UINT64_MAX >> shift)
		return wrong(trace, "%s: '%s' does not fit into 64 bits", name, shown(text, show));
	*out <<= shift;
	return true;
}

/* Seconds, with up to nine digits after the point. */
static bool parse_time(struct trace *trace, const char *text, uint64_t *ns)
{
	uint64_t fraction = 0, seconds;
	char show[SHOWN_MAX + 4];
	bool fits = true;
	const char *end = take_digits(text, 10, &seconds, &fits), *point = end;

	if (end != text && *point == '.')
		end = take_digits(point + 1, 10, &fraction, &fits);
	if (end == text || *end || (*point == '.' && end == point + 1))
		return wrong(trace, "time: '%s' is not a number of seconds", shown(text, show));
	if (*point == '.' && end - point - 1 > NS_DIGITS)
		return wrong(trace, "time: '%s' has more than %d digits after the point",
			     shown(text, show), NS_DIGITS);
	if (!fits || seconds >= UINT64_MAX / NS_PER_S)
		return wrong(trace, "time: '%s' is too large", shown(text, show));
	for (; *point == '.' && end - point - 1 < NS_DIGITS; end++)
		fraction *= 10;
	*ns = seconds * NS_PER_S + fraction;
	if (trace->last_line && *ns < trace->last_ns)
		return wrong(trace, "time: '%s' is before that of line %" PRIu64, shown(text, show),
			     trace->last_line);
	return true;
}

static bool check_source(struct trace *trace, const char *text)
{
	char show[SHOWN_MAX + 4];
	const char *c;

	if (strlen(text) > TRACE_SOURCE_MAX)
		return wrong(trace, "source: '%s' is longer than %d characters", shown(text, show),
			     TRACE_SOURCE_MAX);
	for (c = text; *c; c++)
		if (*c <= ' ' || *c > '~' || strchr(SOURCE_NOT, *c))
			return wrong(trace, "source: '%s' has a character that no name may have",
				     shown(text, show));
	return true;
}

static bool parse_access(struct trace *trace, char *const *fields, struct trace_access *access)
{
	const char *rw = fields[FIELD_ACCESS];
	char show[SHOWN_MAX + 4];

	if (!parse_time(trace, fields[FIELD_TIME], &access->time_ns) ||
	    !check_source(trace, fields[FIELD_SOURCE]) ||
	    !parse_number(trace, "iova", fields[FIELD_IOVA], false, &access->iova) ||
	    !parse_number(trace, "length", fields[FIELD_LEN], true, &access->len))
		return false;
	if (!access->len)
		return wrong(trace, "length: nothing is accessed");
	if (access->iova + (access->len - 1) < access->iova)
		return wrong(trace, "length: '%s' from '%s' on is past the end of 64 bits",
			     shown(fields[FIELD_LEN], show), fields[FIELD_IOVA]);
	if (!strchr("rRwWuU", rw[0]) || rw[1])
		return wrong(trace, "access: '%s' is none of r, w, u", shown(rw, show));
	access->unmap = rw[0] == 'u' || rw[0] == 'U';
	access->write = rw[0] == 'w' || rw[0] == 'W';
	access->source = fields[FIELD_SOURCE];
	return true;
}

enum trace_got trace_next(struct trace *trace, struct trace_access *access)
{
	char *fields[FIELDS + 1] = { NULL }, show[SHOWN_MAX + 4];
	enum trace_got got;
	unsigned nr;

	do {
		got = read_line(trace);
		if (got != TRACE_ACCESS)
			return got;
		nr = split(trace->text, fields);
	} while (!nr || fields[0][0] == '#');
	if (nr < FIELDS) {
		wrong(trace, "%u fields, not the 5 of: time source iova length r|w|u", nr);
		return TRACE_MALFORMED;
	}
	if (nr > FIELDS) {
		wrong(trace, "'%s' follows the access", shown(fields[FIELDS], show));
		return TRACE_MALFORMED;
	}
	if (!parse_access(trace, fields, access))
		return TRACE_MALFORMED;
	trace->last_ns = access->time_ns;
	trace->last_line = trace->line;
	return TRACE_ACCESS;
}
