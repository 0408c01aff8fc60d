/* Logic-less templates: {{name}} (escaped for the part it stands in), {{{name}}} (raw, text part
 * only), {{#name}}...{{/name}} (shown when name is not empty), {{! comment}}. Unknown names, unclosed tags and
 * sections are errors at load, with line numbers. Pure; any thread; a loaded template is immutable. */
#ifndef CHANNEL_TEMPLATE_H
#define CHANNEL_TEMPLATE_H

#include "base/buf.h"

#include <stdbool.h>
#include <usher/error.h>

struct template;
struct template_value { const char *name, *value; };

/* `names`: the values that may be used, NULL-terminated. */
int template_parse(const char *source, size_t len, const char *const *names, struct template **ret_template,
                   struct usher_error *err);
void template_render(const struct template *t, const struct template_value *values, size_t n, bool html,
                     struct buf *out);
void template_free(struct template *t);

#endif
