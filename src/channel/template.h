/* Logic-less templates: {{name}} (escaped in an HTML template), {{{name}}} (raw; in a text template
 * only), {{#name}}...{{/name}} (shown when name is not empty), {{^name}}...{{/name}} (shown when it
 * is), {{! comment}}. A section tag or a comment alone on its line takes the line with it. Unknown names,
 * unclosed tags and sections are errors at load, with line numbers. Pure; any thread; a loaded template is
 * immutable. */
#ifndef CHANNEL_TEMPLATE_H
#define CHANNEL_TEMPLATE_H

#include "base/buf.h"

#include <stdbool.h>
#include <usher/error.h>

#define TEMPLATE_SIZE_MAX (64 * 1024) /* bytes of a source */
#define TEMPLATE_DEPTH_MAX 16         /* sections within sections */

struct template;

struct template_source { /* all borrowed for template_parse */
	const char *text;
	size_t len;
	bool html;
	const char *where; /* what errors call it: a file's name */
	int first_line;    /* the number of its first line there */
};

/* `names`: the values that may be used, NULL-terminated, borrowed for the call. USHER_ECONFIG: "WHERE:LINE:
 * what is wrong there". */
int template_parse(const struct template_source *source, const char *const *names,
        struct template **ret_template, struct usher_error *err);
/* `values`: one for each of the names, in their order; NULL counts as empty. Appends to out. */
void template_render(const struct template *t, const char *const *values, struct buf *out);
void template_free(struct template *t); /* NULL is allowed */

#endif
