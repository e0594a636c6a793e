/*
 * simdjson for Swift: one document flattened into items, in order. Nothing throws across this border, and a text of any
 * bytes gives items or an error.
 */
#ifndef WEIR_CJSON_H
#define WEIR_CJSON_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

enum weir_json_type { WEIR_JSON_NULL, WEIR_JSON_BOOL, WEIR_JSON_INTEGER, WEIR_JSON_REAL, WEIR_JSON_STRING, WEIR_JSON_OBJECT, WEIR_JSON_ARRAY };

/*
 * depth 0 is the document itself; key is null outside objects. An integer beyond 64 signed bits is real. `next` is the index
 * behind the value and all that it holds: the next member's, if there is one.
 */
typedef struct {
	uint8_t type;
	uint8_t depth;
	uint32_t next;
	uint32_t key_size;
	uint32_t text_size;
	const char *key;
	const char *text;
	int64_t integer; /* also 0 or 1 for a boolean */
} weir_json_item;

typedef struct weir_json_parser weir_json_parser;

/* Null when there is no memory. Longer texts than `max_size` bytes are refused. */
weir_json_parser *weir_json_parser_create(size_t max_size);
void weir_json_parser_destroy(weir_json_parser *parser);

/*
 * The number of items, or -1 for what is no JSON, -2 for what is too deep (`max_depth`), too long or has more than `max`
 * items. Keys and texts point into the parser, and are good until its next document.
 */
int weir_json_parse(weir_json_parser *parser, const uint8_t *bytes, size_t size, int max_depth, weir_json_item *items, size_t max);

static inline int weir_json_is_named(const weir_json_item *item, const uint8_t *name, size_t size)
{
	return item->key_size == size && item->key && memcmp(item->key, name, size) == 0;
}

#ifdef __cplusplus
}
#endif
#endif
