/* The template engine: a source is cut once into a flat list of steps, which rendering walks. May
 * call base only. Pure; any thread. */
#include "channel/template.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"

#include <string.h>

#define NAME_SHOWN_MAX 40 /* bytes of an unknown name in an error */

enum step_kind { STEP_TEXT, STEP_VALUE, STEP_RAW, STEP_SECTION, STEP_INVERSE };

struct step {
	enum step_kind kind;
	size_t at, len; /* STEP_TEXT: in the source */
	int name;       /* the others: which value */
	size_t skip_to; /* the sections: the step behind */
};

struct template
{
	char *source;
	bool html;
	struct step *steps;
	size_t count, cap;
};

/* -- Parsing -------------------------------------------------------------------------------- */

struct parser {
	struct template *t;
	const char *const *names;
	const char *source;
	size_t len, at; /* `at`: what is before it has become steps */
	const char *where;
	int first_line;
	struct {
		size_t step, tag_at;
	} open[TEMPLATE_DEPTH_MAX];
	int depth;
	struct usher_error *err;
};

struct tag {
	size_t start, end; /* in the source, braces included */
	char kind;         /* '#', '^', '/', '!', '{' for a raw value, ' ' for a plain one */
	const char *name;
	size_t name_len;
};

static int line_of(const struct parser *p, size_t at)
{
	int line = p->first_line;

	for (size_t i = 0; i < at; i++)
		line += p->source[i] == '\n';
	return line;
}

__attribute__((format(printf, 3, 4))) static int refuse(struct parser *p, size_t at, const char *fmt, ...)
{
	struct buf words = BUF(USHER_ERROR_MESSAGE_MAX / 2);
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&words, fmt, ap);
	va_end(ap);
	int code = error_set(p->err, USHER_ECONFIG, "%s:%d: %s", p->where, line_of(p, at), buf_str(&words));
	buf_free(&words);
	return code;
}

static struct step *step_add(struct template *t, enum step_kind kind)
{
	if (t->count == t->cap) {
		t->cap = t->cap ? t->cap * 2 : 16;
		t->steps = mem_resize(t->steps, t->cap, sizeof *t->steps);
	}
	t->steps[t->count] = (struct step){ .kind = kind };
	return &t->steps[t->count++];
}

static void text_add(struct parser *p, size_t end)
{
	if (end > p->at) {
		struct step *step = step_add(p->t, STEP_TEXT);
		step->at = p->at;
		step->len = end - p->at;
	}
	p->at = end;
}

static bool is_name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* Reads the tag whose "{{" is at p->source[start]. */
static int tag_read(struct parser *p, size_t start, struct tag *tag)
{
	const char *inside = p->source + start + 2, *source_end = p->source + p->len;
	bool raw = inside < source_end && *inside == '{';
	const char *closing = raw ? "}}}" : "}}";

	inside += raw;
	const char *end = memmem(inside, (size_t)(source_end - inside), closing, strlen(closing));
	if (!end)
		return refuse(p, start, "a tag is opened with {{ and not closed with %s", closing);
	tag->start = start;
	tag->end = (size_t)(end - p->source) + strlen(closing);
	tag->kind = raw ? '{' : ' ';
	tag->name = "";
	tag->name_len = 0;
	if (!raw && inside < end && *inside && strchr("#^/!", *inside))
		tag->kind = *inside++;
	if (tag->kind == '!')
		return 0;
	while (inside < end && *inside == ' ')
		inside++;
	while (end > inside && end[-1] == ' ')
		end--;
	tag->name = inside;
	tag->name_len = (size_t)(end - inside);
	for (size_t i = 0; i < tag->name_len; i++)
		if (!is_name_char(inside[i]))
			return refuse(
			        p, start, "a tag holds something that is no name (letters, digits and _)");
	return 0;
}

static int name_find(struct parser *p, const struct tag *tag, int *ret_name)
{
	struct buf known = BUF(USHER_ERROR_MESSAGE_MAX / 4);

	for (int i = 0; p->names[i]; i++) {
		if (strlen(p->names[i]) == tag->name_len &&
		        memcmp(p->names[i], tag->name, tag->name_len) == 0) {
			*ret_name = i;
			buf_free(&known);
			return 0;
		}
		buf_printf(&known, "%s%s", i ? ", " : "", p->names[i]);
	}
	int shown = tag->name_len < NAME_SHOWN_MAX ? (int)tag->name_len : NAME_SHOWN_MAX;
	int code = refuse(p, tag->start, "there is no value called \"%.*s\"; there are: %s", shown, tag->name,
	        buf_str(&known));
	buf_free(&known);
	return code;
}

/* A section tag or a comment alone on its line: *start and *end become the line's, its end included. */
static void widen_to_line(const struct parser *p, size_t *start, size_t *end)
{
	size_t first = *start, last = *end;

	while (first > 0 && (p->source[first - 1] == ' ' || p->source[first - 1] == '\t'))
		first--;
	while (last < p->len && (p->source[last] == ' ' || p->source[last] == '\t'))
		last++;
	if (last < p->len && p->source[last] == '\r')
		last++;
	bool begins = first == 0 || p->source[first - 1] == '\n',
	     ends = last == p->len || p->source[last] == '\n';
	/* At p->at another tag has ended: a line with two tags is not one tag's. */
	if (!begins || !ends || first < p->at)
		return;
	*start = first;
	*end = last < p->len ? last + 1 : last;
}

static int section_open(struct parser *p, const struct tag *tag, int name)
{
	if (p->depth == TEMPLATE_DEPTH_MAX)
		return refuse(p, tag->start, "more than %d sections within each other", TEMPLATE_DEPTH_MAX);
	p->open[p->depth].step = p->t->count;
	p->open[p->depth++].tag_at = tag->start;
	step_add(p->t, tag->kind == '#' ? STEP_SECTION : STEP_INVERSE)->name = name;
	return 0;
}

static int section_close(struct parser *p, const struct tag *tag, int name)
{
	if (p->depth == 0)
		return refuse(p, tag->start, "{{/%s}} closes a section that was not opened", p->names[name]);
	struct step *section = &p->t->steps[p->open[p->depth - 1].step];
	if (section->name != name)
		return refuse(p, tag->start, "{{/%s}} stands where {{/%s}} must close the section of line %d",
		        p->names[name], p->names[section->name], line_of(p, p->open[p->depth - 1].tag_at));
	section->skip_to = p->t->count;
	p->depth--;
	return 0;
}

static int tag_take(struct parser *p, const struct tag *tag)
{
	size_t start = tag->start, end = tag->end;
	int name = 0, rc = 0;

	if (tag->kind != '!')
		rc = name_find(p, tag, &name);
	if (rc == 0 && tag->kind == '{' && p->t->html)
		rc = refuse(p, tag->start, "{{{%s}}} would put raw text into HTML: write {{%s}}",
		        p->names[name], p->names[name]);
	if (rc < 0)
		return rc;
	if (strchr("#^/!", tag->kind))
		widen_to_line(p, &start, &end);
	text_add(p, start);
	if (tag->kind == '#' || tag->kind == '^')
		rc = section_open(p, tag, name);
	else if (tag->kind == '/')
		rc = section_close(p, tag, name);
	else if (tag->kind != '!')
		step_add(p->t, tag->kind == '{' || !p->t->html ? STEP_RAW : STEP_VALUE)->name = name;
	p->at = end;
	return rc;
}

static int parse(struct parser *p)
{
	const char *brace;
	struct tag tag = { .name = "" };

	while ((brace = memmem(p->source + p->at, p->len - p->at, "{{", 2))) {
		int rc = tag_read(p, (size_t)(brace - p->source), &tag);
		if (rc == 0)
			rc = tag_take(p, &tag);
		if (rc < 0)
			return rc;
	}
	text_add(p, p->len);
	if (p->depth > 0) {
		size_t at = p->open[p->depth - 1].tag_at;
		int name = p->t->steps[p->open[p->depth - 1].step].name;
		return refuse(p, at, "the section {{#%s}} is not closed", p->names[name]);
	}
	return 0;
}

int template_parse(const struct template_source *source, const char *const *names,
        struct template **ret_template, struct usher_error *err)
{
	size_t len = source->len;

	if (len > TEMPLATE_SIZE_MAX)
		return error_set(err, USHER_ECONFIG, "%s: a template may have %d bytes, this one has %zu",
		        source->where, TEMPLATE_SIZE_MAX, len);
	if (!utf8_valid(source->text, len) || memchr(source->text, '\0', len))
		return error_set(
		        err, USHER_ECONFIG, "%s: a template is UTF-8 text, this one is not", source->where);
	struct template *t = mem_alloc(sizeof *t);
	t->html = source->html;
	t->source = mem_stringn(source->text, len);
	struct parser p = {
		.t = t,
		.names = names,
		.source = t->source,
		.len = len,
		.where = source->where,
		.first_line = source->first_line,
		.err = err,
	};
	int rc = parse(&p);
	if (rc < 0)
		template_free(t);
	else
		*ret_template = t;
	return rc;
}

void template_free(struct template *t)
{
	if (!t)
		return;
	free(t->source);
	free(t->steps);
	free(t);
}

/* -- Rendering -------------------------------------------------------------------------------- */

static void add_escaped(struct buf *out, const char *text)
{
	for (;;) {
		size_t plain = strcspn(text, "&<>\"'");
		buf_add(out, text, plain);
		text += plain;
		switch (*text++) {
		case '&':
			buf_puts(out, "&amp;");
			break;
		case '<':
			buf_puts(out, "&lt;");
			break;
		case '>':
			buf_puts(out, "&gt;");
			break;
		case '"':
			buf_puts(out, "&quot;");
			break;
		case '\'':
			buf_puts(out, "&#39;");
			break;
		default:
			return;
		}
	}
}

void template_render(const struct template *t, const char *const *values, struct buf *out)
{
	for (size_t i = 0; i < t->count;) {
		const struct step *step = &t->steps[i++];
		const char *value = step->kind == STEP_TEXT || !values[step->name] ? "" : values[step->name];
		switch (step->kind) {
		case STEP_TEXT:
			buf_add(out, t->source + step->at, step->len);
			break;
		case STEP_RAW:
			buf_puts(out, value);
			break;
		case STEP_VALUE:
			add_escaped(out, value);
			break;
		case STEP_SECTION:
			if (!*value)
				i = step->skip_to;
			break;
		case STEP_INVERSE:
			if (*value)
				i = step->skip_to;
			break;
		}
	}
}
