/* UTF-8, encodings and ids: small pure functions on text. Any thread. */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <usher/error.h>

bool utf8_valid(const char *text, size_t len); /* RFC 3629: no overlongs, no surrogates */
/* Decodes one code point at text[0..len); returns its bytes, 0 if invalid or len is 0. */
size_t utf8_next(const char *text, size_t len, uint32_t *ret_codepoint);
size_t utf8_encode(uint32_t codepoint, char out[4]);
size_t utf8_length(const char *text); /* code points of valid UTF-8 */
/* Copies at most size-1 bytes, never cutting a code point; invalid bytes become '?'. */
void utf8_copy(char *out, size_t size, const char *text, size_t len);

void base64_encode(struct buf *out, const void *bytes, size_t len);
/* Standard alphabet, padding required, line breaks allowed. USHER_EINVAL on anything else. */
int base64_decode(struct buf *out, const char *text, size_t len);

int gzip_encode(struct buf *out, const void *bytes, size_t len);
/* At most out->max bytes come out: USHER_ETOOBIG beyond (a bomb), USHER_EINVAL if damaged or cut. */
int gzip_decode(struct buf *out, const void *bytes, size_t len);

#define UUID_TEXT_SIZE 37
void uuid_new(char text[UUID_TEXT_SIZE]); /* version 7: sorts by time */
void sha256_hex(const void *bytes, size_t len, char text[65]);

/* What is left of personal data: "mi***@example.com", "김*수", "u-1***", "***78". out is always
 * NUL-terminated. What is hidden where is decided in mask.h. */
void mask_email(const char *email, char *out, size_t size);
void mask_name(const char *name, char *out, size_t size);
void mask_id(const char *id, char *out, size_t size);
void mask_phone(const char *phone, char *out, size_t size);

#endif
