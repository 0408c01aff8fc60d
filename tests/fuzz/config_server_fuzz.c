/* The config server's reader on any bytes: it must not crash, and what it takes it must be able to keep and
 * to read again. */
#include "base/mem.h"
#include "config/server.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool secret(const void *arg, const char *name)
{
	(void)arg;
	return strstr(name, "password") != NULL;
}

static bool usable(const struct server_environment *environment)
{
	for (size_t i = 0; i < environment->count; i++)
		if (!environment->properties[i].text)
			return false;
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct server_environment *environment = NULL, *again = NULL;

	if (server_parse((const char *)data, size, &environment, NULL) < 0)
		return 0;
	for (size_t i = 0; i < environment->count; i++)
		free(server_where(environment, &environment->properties[i]));
	OWNED char *text = server_kept_text(environment, "usher/default", (wall_time){ 1 }, secret, NULL);
	if (usable(environment) && server_parse(text, strlen(text), &again, NULL) < 0)
		abort();
	server_environment_free(environment);
	server_environment_free(again);
	return 0;
}
