/* SPDX-License-Identifier: MIT */
/* Small tolerant JSON reader: a tree of nodes, for tests. */
#ifndef MDL_JSON_H
#define MDL_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum mdl_json_type {
	MDL_JSON_NULL,
	MDL_JSON_BOOL,
	MDL_JSON_NUM,
	MDL_JSON_STR,
	MDL_JSON_ARRAY,
	MDL_JSON_OBJECT,
};

struct mdl_json {
	enum mdl_json_type type;
	bool b;
	char *key;		       /* in an object */
	char *str;		       /* MDL_JSON_STR unescaped; MDL_JSON_NUM as written */
	struct mdl_json *child, *next; /* array and object: members in order */
	size_t n;		       /* members */
};

/*
 * Trailing commas and text after the value are tolerated. NULL if @text is not
 * JSON or memory runs out; *error (may be NULL) is then the offset.
 */
struct mdl_json *mdl_json_parse(const char *text, size_t len, size_t *error);
struct mdl_json *mdl_json_load(const char *file);
void mdl_json_free(struct mdl_json *j);

/* All of these take NULL and answer NULL, 0 or @def. */
const struct mdl_json *mdl_json_get(const struct mdl_json *j, const char *key);
const struct mdl_json *mdl_json_at(const struct mdl_json *j, size_t i);
const char *mdl_json_str(const struct mdl_json *j);
/* A number, a string like "0x1f" or "31", or a bool. Integers keep all 64 bits. */
uint64_t mdl_json_u64(const struct mdl_json *j, uint64_t def);
double mdl_json_double(const struct mdl_json *j, double def);
bool mdl_json_is_null(const struct mdl_json *j);

#endif
