/* Marks of secrets: PBKDF2 with a salt, "SALT:HASH" in hexadecimal digits. Calls libcrypto; any thread. */
#include "base/secret.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define SALT_DIGITS 32
#define HASH_BYTES 32
#define ROUNDS 20000

static void digits(const unsigned char *bytes, size_t n, char *out)
{
	for (size_t i = 0; i < n; i++)
		snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}

static void mark_with(const char *salt, const char *secret, char mark[SECRET_MARK_SIZE])
{
	unsigned char hash[HASH_BYTES];

	if (PKCS5_PBKDF2_HMAC(secret, (int)strlen(secret), (const unsigned char *)salt, SALT_DIGITS, ROUNDS,
	            EVP_sha256(), HASH_BYTES, hash) != 1)
		abort();
	snprintf(mark, SECRET_MARK_SIZE, "%.*s:", SALT_DIGITS, salt);
	digits(hash, HASH_BYTES, mark + SALT_DIGITS + 1);
}

void secret_mark(const char *secret, const char *previous, char mark[SECRET_MARK_SIZE])
{
	unsigned char fresh[SALT_DIGITS / 2];
	char salt[SALT_DIGITS + 1];

	if (previous && strlen(previous) == SALT_DIGITS + 1 + 2 * HASH_BYTES) {
		mark_with(previous, secret, mark);
		if (strcmp(mark, previous) == 0)
			return;
	}
	if (getrandom(fresh, sizeof fresh, 0) != (ssize_t)sizeof fresh)
		abort();
	digits(fresh, sizeof fresh, salt);
	mark_with(salt, secret, mark);
}
