/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"

#define MAX_DEPTH 64

struct parser {
	const char *p, *end;
	unsigned depth;
};

static struct mdl_json *parse_value(struct parser *s);

static void skip_space(struct parser *s)
{
	while (s->p < s->end && strchr(" \t\r\n", *s->p) && *s->p)
		s->p++;
}

static bool take(struct parser *s, char c)
{
	skip_space(s);
	if (s->p >= s->end || *s->p != c)
		return false;
	s->p++;
	return true;
}

static int hex4(struct parser *s, unsigned *out)
{
	unsigned i, v = 0;
	const char *at;

	if (s->end - s->p < 4)
		return -1;
	for (i = 0; i < 4; i++) {
		static const char digits[] = "0123456789abcdefABCDEF";

		at = *s->p ? strchr(digits, *s->p) : NULL;
		if (!at)
			return -1;
		v = v << 4 | (unsigned)(at - digits < 16 ? at - digits : at - digits - 6);
		s->p++;
	}
	*out = v;
	return 0;
}

static char *put_utf8(char *o, unsigned c)
{
	if (c < 0x80) {
		*o++ = (char)c;
		return o;
	}
	if (c < 0x800) {
		*o++ = (char)(0xc0 | c >> 6);
	} else {
		if (c < 0x10000) {
			*o++ = (char)(0xe0 | c >> 12);
		} else {
			*o++ = (char)(0xf0 | c >> 18);
			*o++ = (char)(0x80 | (c >> 12 & 0x3f));
		}
		*o++ = (char)(0x80 | (c >> 6 & 0x3f));
	}
	*o++ = (char)(0x80 | (c & 0x3f));
	return o;
}

static char *put_escape(struct parser *s, char *o)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	unsigned c, low;
	const char *at;

	if (s->p >= s->end)
		return NULL;
	if (*s->p != 'u') {
		at = *s->p ? strchr(from, *s->p) : NULL;
		if (!at)
			return NULL;
		s->p++;
		*o++ = to[at - from];
		return o;
	}
	s->p++;
	if (hex4(s, &c))
		return NULL;
	if (c >= 0xd800 && c < 0xdc00 && s->end - s->p >= 6 && s->p[0] == '\\' && s->p[1] == 'u') {
		s->p += 2;
		if (hex4(s, &low))
			return NULL;
		c = 0x10000 + ((c & 0x3ff) << 10 | (low & 0x3ff));
	}
	return put_utf8(o, c);
}

/* After the opening quote; an escape never grows. */
static char *parse_string(struct parser *s)
{
	const char *q = s->p;
	char *str, *o;

	while (q < s->end && *q != '"')
		q += *q == '\\' && s->end - q > 1 ? 2 : 1;
	if (q >= s->end)
		return NULL;
	o = str = malloc((size_t)(q - s->p) + 1);
	if (!str)
		return NULL;
	while (s->p < q) {
		if (*s->p != '\\') {
			*o++ = *s->p++;
			continue;
		}
		s->p++;
		o = put_escape(s, o);
		if (!o) {
			free(str);
			return NULL;
		}
	}
	s->p = q + 1;
	*o = 0;
	return str;
}

static bool word(struct parser *s, const char *w)
{
	size_t n = strlen(w);

	if ((size_t)(s->end - s->p) < n || memcmp(s->p, w, n))
		return false;
	s->p += n;
	return true;
}

static int parse_scalar(struct parser *s, struct mdl_json *j)
{
	const char *from = s->p;
	bool yes = word(s, "true");

	if (yes || word(s, "false")) {
		j->type = MDL_JSON_BOOL;
		j->b = yes;
		return 0;
	}
	if (word(s, "null"))
		return 0;
	while (s->p < s->end && *s->p && strchr("+-.0123456789eE", *s->p))
		s->p++;
	if (s->p == from)
		return -1;
	j->type = MDL_JSON_NUM;
	j->str = strndup(from, (size_t)(s->p - from));
	return j->str ? 0 : -1;
}

static int parse_members(struct parser *s, struct mdl_json *j, char close)
{
	struct mdl_json **tail = &j->child;
	char *key;

	while (!take(s, close)) {
		key = NULL;
		if (j->type == MDL_JSON_OBJECT) {
			key = take(s, '"') ? parse_string(s) : NULL;
			if (!key || !take(s, ':')) {
				free(key);
				return -1;
			}
		}
		*tail = parse_value(s);
		if (!*tail) {
			free(key);
			return -1;
		}
		(*tail)->key = key;
		tail = &(*tail)->next;
		j->n++;
		if (!take(s, ','))
			return take(s, close) ? 0 : -1;
	}
	return 0;
}

static struct mdl_json *parse_value(struct parser *s)
{
	struct mdl_json *j = calloc(1, sizeof(*j));
	int rc = -1;

	if (!j)
		return NULL;
	if (s->depth++ >= MAX_DEPTH) {
		rc = -1;
	} else if (take(s, '{')) {
		j->type = MDL_JSON_OBJECT;
		rc = parse_members(s, j, '}');
	} else if (take(s, '[')) {
		j->type = MDL_JSON_ARRAY;
		rc = parse_members(s, j, ']');
	} else if (take(s, '"')) {
		j->type = MDL_JSON_STR;
		j->str = parse_string(s);
		rc = j->str ? 0 : -1;
	} else {
		rc = parse_scalar(s, j);
	}
	s->depth--;
	if (!rc)
		return j;
	mdl_json_free(j);
	return NULL;
}

struct mdl_json *mdl_json_parse(const char *text, size_t len, size_t *error)
{
	struct parser s = { .p = text, .end = text + len };
	struct mdl_json *j = parse_value(&s);

	if (!j && error)
		*error = (size_t)(s.p - text);
	return j;
}

struct mdl_json *mdl_json_load(const char *file)
{
	FILE *fp = fopen(file, "rb");
	struct mdl_json *j = NULL;
	char *text = NULL;
	long len = -1;

	if (!fp)
		return NULL;
	if (!fseek(fp, 0, SEEK_END))
		len = ftell(fp);
	rewind(fp);
	if (len >= 0)
		text = malloc((size_t)len + 1);
	if (text && fread(text, 1, (size_t)len, fp) == (size_t)len)
		j = mdl_json_parse(text, (size_t)len, NULL);
	free(text);
	fclose(fp);
	return j;
}

void mdl_json_free(struct mdl_json *j)
{
	struct mdl_json *next;

	for (; j; j = next) {
		next = j->next;
		mdl_json_free(j->child);
		free(j->key);
		free(j->str);
		free(j);
	}
}

const struct mdl_json *mdl_json_get(const struct mdl_json *j, const char *key)
{
	const struct mdl_json *m;

	if (!j || j->type != MDL_JSON_OBJECT)
		return NULL;
	for (m = j->child; m; m = m->next)
		if (!strcmp(m->key, key))
			return m;
	return NULL;
}

const struct mdl_json *mdl_json_at(const struct mdl_json *j, size_t i)
{
	const struct mdl_json *m = j ? j->child : NULL;

	while (m && i--)
		m = m->next;
	return m;
}

const char *mdl_json_str(const struct mdl_json *j)
{
	return j && j->type == MDL_JSON_STR ? j->str : NULL;
}

uint64_t mdl_json_u64(const struct mdl_json *j, uint64_t def)
{
	char *end;
	uint64_t v;

	if (j && j->type == MDL_JSON_BOOL)
		return j->b;
	if (!j || !j->str || !*j->str)
		return def;
	errno = 0;
	v = strtoull(j->str, &end, j->str[0] == '0' && (j->str[1] | 32) == 'x' ? 16 : 10);
	if (!*end && !errno)
		return v;
	return j->type == MDL_JSON_NUM ? (uint64_t)mdl_json_double(j, 0) : def;
}

double mdl_json_double(const struct mdl_json *j, double def)
{
	return j && j->type == MDL_JSON_NUM ? strtod(j->str, NULL) : def;
}

bool mdl_json_is_null(const struct mdl_json *j)
{
	return !j || j->type == MDL_JSON_NULL;
}
