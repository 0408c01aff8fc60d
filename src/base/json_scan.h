/* The grammar of JSON (RFC 8259), checked without building anything: cJSON accepts more than JSON is. For
 * json.c. May call text.h only; any thread. */
#ifndef BASE_JSON_SCAN_H
#define BASE_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>

struct json_fault {
	const char *what; /* static text: "a closing quote is missing" */
	size_t at;        /* offset of the byte, from 0 */
};

/* True if text[0..len) is exactly one JSON value with white space around it: valid UTF-8, no \u0000, no half
 * surrogate pairs, no control characters in strings, no number that a double cannot hold, at most `depth_max`
 * arrays and objects inside each other. */
bool json_scan(const char *text, size_t len, int depth_max, struct json_fault *ret_fault);

#endif
