/* usher.ini's reader on any bytes: it must neither crash nor take what it would not print again. */
#include "base/mem.h"
#include "config/load.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A secret's file is read wherever it is; the fuzzer must not open devices and wait for them. */
static int names_a_file(const uint8_t *data, size_t size)
{
	return memmem(data, size, "_file", 5) && memchr(data, '/', size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const environment[] = { "USHER_EMAIL_FROM=a@b.example",
		"USHER_COUPON_URL=http://c.example/", NULL };
	struct config *config = NULL;
	struct usher_error err = { 0 };
	struct load load;
	char *text = NULL;
	size_t len;
	FILE *out;

	if (names_a_file(data, size))
		return 0;
	out = open_memstream(&text, &len);
	load_begin(&load, false, out);
	load_ini(&load, "usher.ini", (const char *)data, size);
	load_environment(&load, environment);
	int code = load_finish(&load, &config, &err);
	if (code == 0)
		config_print(config, out);
	else if (!*err.message)
		abort(); /* refused without a reason */
	config_free(config);
	fclose(out);
	free(text);
	return 0;
}
