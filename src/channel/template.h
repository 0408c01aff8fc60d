/* Logic-less templates, in the syntax of Mustache: {{name}} (escaped in an HTML part), {{{name}}} (raw, in a text part
 * only), {{#name}}...{{/name}} (shown when name is not empty), {{^name}}...{{/name}} (shown when it is), {{! comment}}. A
 * section's or comment's tag that stands alone on its line takes the line with it. Unknown names, unclosed tags and
 * sections are errors at load, with line numbers. Pure; any thread; a loaded template is immutable. */
#ifndef CHANNEL_TEMPLATE_H
#define CHANNEL_TEMPLATE_H

#include "base/buf.h"

#include <stdbool.h>
#include <usher/error.h>

#define TEMPLATE_NEST_MAX 16 /* sections in sections */

struct template;

/* `names`: the values that may be used, NULL-terminated, alive as long as the template. USHER_ECONFIG: "line N: ...". */
int template_parse(const char *source, size_t len, const char *const *names, bool html, struct template **ret_template,
                   struct usher_error *err);
/* `values`: in the order of names; NULL is empty. Appends to out. */
void template_render(const struct template *t, const char *const *values, struct buf *out);
void template_free(struct template *t); /* NULL is allowed */

#endif
