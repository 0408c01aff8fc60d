/* base64, gzip, UUIDs and digests (declared in text.h). May call libc, zlib and libcrypto; any thread. */
#include "base/text.h"

#include "base/mem.h"

#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <zlib.h>

#define GZIP_WINDOW (15 + 16) /* zlib: the largest window, gzip framing */
#define GZIP_CHUNK 16384

/* Puts the buffer back as it was before a failed act, failed mark aside. */
static int give_up(struct buf *out, size_t before, int code)
{
	buf_cut(out, before, out->len - before);
	return code;
}

/* -- base64 (RFC 4648) -------------------------------------------------------------------------- */

static const char base64_alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(struct buf *out, const void *bytes, size_t len)
{
	const unsigned char *s = bytes;
	for (size_t i = 0; i < len; i += 3) {
		size_t n = len - i < 3 ? len - i : 3;
		unsigned v =
		        (unsigned)s[i] << 16 | (n > 1 ? (unsigned)s[i + 1] << 8 : 0) | (n > 2 ? s[i + 2] : 0);
		char four[4] = { base64_alphabet[v >> 18], base64_alphabet[v >> 12 & 63],
			n > 1 ? base64_alphabet[v >> 6 & 63] : '=', n > 2 ? base64_alphabet[v & 63] : '=' };
		buf_add(out, four, sizeof four);
	}
}

static int base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* The bytes of a last group of `count` digits (2 or 3); false if its unused bits are not zero, which no
 * encoder makes. */
static bool base64_tail(struct buf *out, unsigned bits, int count)
{
	unsigned spare = count == 2 ? bits & 0xF : bits & 0x3;
	if (spare != 0)
		return false;
	if (count == 2) {
		buf_putc(out, (char)(bits >> 4));
	} else {
		buf_putc(out, (char)(bits >> 10));
		buf_putc(out, (char)(bits >> 2 & 0xFF));
	}
	return true;
}

int base64_decode(struct buf *out, const char *text, size_t len)
{
	size_t before = out->len;
	unsigned bits = 0;
	int count = 0, padding = 0;
	for (size_t i = 0; i < len; i++) {
		int value = base64_value(text[i]);
		if (text[i] == '\r' || text[i] == '\n')
			continue;
		if (text[i] == '=' && count + padding < 4 && count >= 2) {
			padding++;
			continue;
		}
		if (value < 0 || padding > 0)
			return give_up(out, before, USHER_EINVAL);
		bits = bits << 6 | (unsigned)value;
		if (++count == 4) {
			char three[3] = { (char)(bits >> 16), (char)(bits >> 8 & 0xFF), (char)(bits & 0xFF) };
			buf_add(out, three, sizeof three);
			count = 0;
			bits = 0;
		}
	}
	if (count + padding != 0 && (count + padding != 4 || !base64_tail(out, bits, count)))
		return give_up(out, before, USHER_EINVAL);
	return out->failed ? give_up(out, before, USHER_ETOOBIG) : 0;
}

/* -- gzip (RFC 1952) ---------------------------------------------------------------------------- */

int gzip_encode(struct buf *out, const void *bytes, size_t len)
{
	size_t before = out->len;
	z_stream z = { 0 };
	unsigned char chunk[GZIP_CHUNK];
	int rc;
	if (len > UINT32_MAX)
		return USHER_ETOOBIG;
	if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP_WINDOW, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		mem_exhausted(0);
	z.next_in = (unsigned char *)(uintptr_t)bytes; /* zlib reads only */
	z.avail_in = (uInt)len;
	do {
		z.next_out = chunk;
		z.avail_out = sizeof chunk;
		rc = deflate(&z, Z_FINISH);
		buf_add(out, chunk, sizeof chunk - z.avail_out);
	} while (rc == Z_OK && !out->failed);
	deflateEnd(&z);
	return out->failed ? give_up(out, before, USHER_ETOOBIG) : 0;
}

/* One member after the other, as gzip(1) does; anything else behind a member is damage. */
static int gzip_unpack(struct buf *out, z_stream *z)
{
	unsigned char chunk[GZIP_CHUNK];
	for (;;) {
		z->next_out = chunk;
		z->avail_out = sizeof chunk;
		int rc = inflate(z, Z_NO_FLUSH);
		if (rc == Z_MEM_ERROR)
			mem_exhausted(0);
		if (rc != Z_OK && rc != Z_STREAM_END)
			return USHER_EINVAL; /* Z_BUF_ERROR is one too: all input is here, so it was cut */
		buf_add(out, chunk, sizeof chunk - z->avail_out);
		if (out->failed)
			return USHER_ETOOBIG;
		if (rc == Z_STREAM_END && z->avail_in == 0)
			return 0;
		if (rc == Z_STREAM_END && inflateReset(z) != Z_OK)
			return USHER_EINVAL;
	}
}

int gzip_decode(struct buf *out, const void *bytes, size_t len)
{
	size_t before = out->len;
	z_stream z = { 0 };
	if (len > UINT32_MAX)
		return USHER_ETOOBIG;
	if (inflateInit2(&z, GZIP_WINDOW) != Z_OK)
		mem_exhausted(0);
	z.next_in = (unsigned char *)(uintptr_t)bytes;
	z.avail_in = (uInt)len;
	int rc = gzip_unpack(out, &z);
	inflateEnd(&z);
	return rc < 0 ? give_up(out, before, rc) : 0;
}

/* -- Ids and digests ---------------------------------------------------------------------------- */

/* RFC 9562 version 7, with the sub-millisecond clock in rand_a (its method 3), so that ids made in one
 * millisecond sort too. */
void uuid_new(char text[UUID_TEXT_SIZE])
{
	unsigned char random[8];
	struct timespec now;
	if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
		abort(); /* cannot happen on Linux for so few bytes, and a guessable id must not */
	clock_gettime(CLOCK_REALTIME, &now);
	uint64_t ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
	unsigned part = (unsigned)((uint64_t)now.tv_nsec % 1000000 * 4096 / 1000000);
	random[0] = (unsigned char)(0x80 | (random[0] & 0x3F)); /* the variant */
	snprintf(text, UUID_TEXT_SIZE, "%08lx-%04lx-7%03x-%02x%02x-%02x%02x%02x%02x%02x%02x",
	        (unsigned long)(ms >> 16 & 0xFFFFFFFF), (unsigned long)(ms & 0xFFFF), part & 0xFFF, random[0],
	        random[1], random[2], random[3], random[4], random[5], random[6], random[7]);
}

void sha256_hex(const void *bytes, size_t len, char text[65])
{
	static const char hex[] = "0123456789abcdef";
	unsigned char digest[SHA256_DIGEST_LENGTH];
	SHA256(bytes, len, digest);
	for (size_t i = 0; i < sizeof digest; i++) {
		text[2 * i] = hex[digest[i] >> 4];
		text[2 * i + 1] = hex[digest[i] & 15];
	}
	text[64] = '\0';
}
