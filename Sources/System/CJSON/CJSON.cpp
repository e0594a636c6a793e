#include "CJSON.h"

#include <new>
#include <simdjson.h>

using simdjson::dom::element;
using simdjson::dom::element_type;

struct weir_json_parser {
	simdjson::dom::parser parser;
	explicit weir_json_parser(size_t max_size) : parser(max_size) {}
};

namespace {

struct output {
	weir_json_item *items;
	size_t max, count;
	int max_depth;
};

/* Recursion is bounded by max_depth. */
bool walk(element value, std::string_view key, int depth, output &out)
{
	if (out.count == out.max || depth > out.max_depth)
		return false;
	weir_json_item &item = out.items[out.count++];
	item = weir_json_item{};
	item.next = (uint32_t)out.count;
	item.depth = (uint8_t)depth;
	item.key = key.data();
	item.key_size = (uint32_t)key.size();
	switch (value.type()) {
	case element_type::NULL_VALUE: item.type = WEIR_JSON_NULL; return true;
	case element_type::BOOL: item.type = WEIR_JSON_BOOL; item.integer = value.get_bool().value_unsafe(); return true;
	case element_type::INT64: item.type = WEIR_JSON_INTEGER; item.integer = value.get_int64().value_unsafe(); return true;
	case element_type::UINT64:
	case element_type::DOUBLE: item.type = WEIR_JSON_REAL; return true;
	case element_type::STRING: {
		std::string_view text = value.get_string().value_unsafe();
		item.type = WEIR_JSON_STRING;
		item.text = text.data();
		item.text_size = (uint32_t)text.size();
		return true;
	}
	case element_type::OBJECT:
		item.type = WEIR_JSON_OBJECT;
		for (auto member : value.get_object().value_unsafe())
			if (!walk(member.value, member.key, depth + 1, out))
				return false;
		item.next = (uint32_t)out.count;
		return true;
	case element_type::ARRAY:
		item.type = WEIR_JSON_ARRAY;
		for (auto member : value.get_array().value_unsafe())
			if (!walk(member, {}, depth + 1, out))
				return false;
		item.next = (uint32_t)out.count;
		return true;
	}
	return false;
}

} // namespace

weir_json_parser *weir_json_parser_create(size_t max_size)
{
	try {
		return new (std::nothrow) weir_json_parser(max_size);
	} catch (...) {
		return nullptr;
	}
}

void weir_json_parser_destroy(weir_json_parser *parser) { delete parser; }

int weir_json_parse(weir_json_parser *parser, const uint8_t *bytes, size_t size, int max_depth, weir_json_item *items, size_t max)
{
	try {
		element root;
		/* The library copies, because it wants 64 readable bytes after the text. */
		auto error = parser->parser.parse(bytes, size, true).get(root);
		if (error == simdjson::CAPACITY || error == simdjson::DEPTH_ERROR)
			return -2;
		if (error)
			return -1;
		output out = { items, max, 0, max_depth };
		return walk(root, {}, 0, out) ? (int)out.count : -2;
	} catch (...) {
		return -1;
	}
}
