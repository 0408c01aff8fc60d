/* The template engine on arbitrary sources. The first byte says whether it is HTML. What is taken must
 * render within its limit, alike each time, and in HTML no value may bring a tag of its own. */
#include "channel/template.h"

#include "base/buf.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define OUT_MAX (1024 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const names[] = { "name", "email", "user_id", "signed_up_at", "event_id", NULL };
static const char *const values[] = { "\x01<&>\"'\x02", "{{name}}", "u-1", NULL, "" };

static void require(int condition)
{
	if (!condition)
		abort();
}

/* The control characters mark where the first value stands; no source that parses as a text editor's has
 * them. */
static void require_escaped(const struct buf *out)
{
	const char *at = buf_str(out), *end;

	while ((at = strchr(at, '\x01'))) {
		end = strchr(at, '\x02');
		require(end != NULL);
		require(strncmp(at + 1, "&lt;&amp;&gt;&quot;&#39;", (size_t)(end - at - 1)) == 0);
		at = end;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct usher_error err = { 0 };
	struct template *t = NULL;

	if (size == 0)
		return 0;
	const struct template_source source = { .text = (const char *)data + 1,
		.len = size - 1,
		.html = data[0] & 1,
		.where = "fuzz",
		.first_line = 1 };
	int rc = template_parse(&source, names, &t, &err);
	if (rc < 0) {
		require(rc == USHER_ECONFIG && strncmp(err.message, "fuzz:", 5) == 0 && t == NULL);
		return 0;
	}
	struct buf one = BUF(OUT_MAX), two = BUF(OUT_MAX);
	template_render(t, values, &one);
	template_render(t, values, &two);
	require(strcmp(buf_str(&one), buf_str(&two)) == 0);
	bool marked = memchr(source.text, '\x01', source.len) || memchr(source.text, '\x02', source.len);
	if (source.html && !marked && !one.failed)
		require_escaped(&one);
	buf_free(&one);
	buf_free(&two);
	template_free(t);
	return 0;
}
