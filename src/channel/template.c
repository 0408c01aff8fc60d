/* Logic-less templates: a source is cut into a flat list of pieces, and sections know where they end. Calls
 * base only. */
#include "channel/template.h"

#include "base/error.h"
#include "base/mem.h"

#include <string.h>

enum piece_kind {
	PIECE_TEXT,
	PIECE_VALUE, /* escaped in an HTML part */
	PIECE_RAW,
	PIECE_IF,    /* goes on at `end` when the value is empty */
	PIECE_UNLESS /* goes on at `end` when it is not */
};

struct piece {
	enum piece_kind kind;
	int name; /* index of the value */
	const char *text;
	size_t len;
	size_t end; /* sections: the piece behind them */
};

struct template
{
	char *source;
	struct piece *pieces;
	size_t n, cap;
	bool html;
};

/* -- Parsing --------------------------------------------------------------------------------- */

struct parser {
	struct template *t;
	const char *const *names;
	const char *at, *end;
	size_t open[TEMPLATE_NEST_MAX]; /* pieces of the sections not closed yet */
	int depth;
	struct usher_error *err;
};

static int line_of(const struct parser *p, const char *where)
{
	int line = 1;

	for (const char *c = p->t->source; c < where; c++)
		line += *c == '\n';
	return line;
}

static int refuse(const struct parser *p, const char *where, const char *what, const char *name, size_t len)
{
	return error_set(p->err, USHER_ECONFIG, "line %d: %s%s%.*s", line_of(p, where), what, len ? " " : "",
	        (int)len, name);
}

static struct piece *add_piece(struct template *t, enum piece_kind kind)
{
	if (t->n == t->cap) {
		t->cap = t->cap ? t->cap * 2 : 16;
		t->pieces = mem_resize(t->pieces, t->cap, sizeof *t->pieces);
	}
	t->pieces[t->n] = (struct piece){ .kind = kind };
	return &t->pieces[t->n++];
}

static void add_text(struct template *t, const char *text, size_t len)
{
	if (len == 0)
		return;
	struct piece *piece = add_piece(t, PIECE_TEXT);
	piece->text = text;
	piece->len = len;
}

static int name_find(const struct parser *p, const char *name, size_t len)
{
	for (int i = 0; p->names[i]; i++)
		if (strlen(p->names[i]) == len && memcmp(p->names[i], name, len) == 0)
			return i;
	return -1;
}

static bool blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Narrows [*from, *from + *len) to what is not blank at its ends. */
static void trim(const char **from, size_t *len)
{
	while (*len && blank(**from)) {
		++*from;
		--*len;
	}
	while (*len && blank((*from)[*len - 1]))
		--*len;
}

static int section_open(struct parser *p, enum piece_kind kind, const char *tag, int name)
{
	if (p->depth == TEMPLATE_NEST_MAX)
		return refuse(p, tag, "sections are nested too deep", "", 0);
	p->open[p->depth++] = p->t->n;
	add_piece(p->t, kind)->name = name;
	return 0;
}

static int section_close(struct parser *p, const char *tag, int name, const char *word, size_t len)
{
	if (p->depth == 0 || p->t->pieces[p->open[p->depth - 1]].name != name)
		return refuse(p, tag, "this closes a section that is not the one open here:", word, len);
	p->t->pieces[p->open[--p->depth]].end = p->t->n;
	return 0;
}

/* One tag's inside. `raw`: it had three braces. */
static int tag_parse(struct parser *p, const char *tag, const char *inside, size_t len, bool raw)
{
	char sign = !raw && len && strchr("#^/!", *inside) ? *inside : '\0';
	int name;

	if (sign == '!')
		return 0;
	if (sign) {
		inside++;
		len--;
	}
	trim(&inside, &len);
	name = name_find(p, inside, len);
	if (name < 0)
		return refuse(p, tag, "there is no value named", len ? inside : "(nothing)", len ? len : 9);
	if (raw && p->t->html)
		return refuse(p, tag,
		        "raw values are for text parts; in HTML write {{name}}, not {{{name}}}, for", inside,
		        len);
	if (sign == '#' || sign == '^')
		return section_open(p, sign == '#' ? PIECE_IF : PIECE_UNLESS, tag, name);
	if (sign == '/')
		return section_close(p, tag, name, inside, len);
	add_piece(p->t, raw ? PIECE_RAW : PIECE_VALUE)->name = name;
	return 0;
}

static const char *find(const char *from, const char *end, const char *what)
{
	return memmem(from, (size_t)(end - from), what, strlen(what));
}

/* A tag that shows nothing and stands alone on its line: where the line begins and where the next one does.
 */
static bool alone(const struct parser *p, const char *text, const char *tag, const char *behind,
        const char **ret_begin, const char **ret_next)
{
	const char *begin = tag, *next = behind;

	while (begin > text && blank(begin[-1]))
		begin--;
	while (next < p->end && (blank(*next) || *next == '\r'))
		next++;
	if ((begin > p->t->source && begin[-1] != '\n') || (next < p->end && *next != '\n'))
		return false;
	*ret_begin = begin;
	*ret_next = next < p->end ? next + 1 : next;
	return true;
}

/* The text up to the next tag, and the tag. */
static int step(struct parser *p)
{
	const char *text = p->at, *tag = find(text, p->end, "{{"), *inside, *close, *behind, *begin;
	bool raw;

	if (!tag) {
		add_text(p->t, text, (size_t)(p->end - text));
		p->at = p->end;
		return 0;
	}
	raw = tag + 2 < p->end && tag[2] == '{';
	inside = tag + (raw ? 3 : 2);
	close = find(inside, p->end, raw ? "}}}" : "}}");
	if (!close)
		return refuse(p, tag, "this tag is not closed", "", 0);
	behind = close + (raw ? 3 : 2);
	begin = tag;
	p->at = behind;
	if (!raw && inside < close && strchr("#^/!", *inside))
		alone(p, text, tag, behind, &begin, &p->at);
	add_text(p->t, text, (size_t)(begin - text));
	return tag_parse(p, tag, inside, (size_t)(close - inside), raw);
}

int template_parse(const char *source, size_t len, const char *const *names, bool html,
        struct template **ret_template, struct usher_error *err)
{
	struct template *t = mem_alloc(sizeof *t);
	struct parser p = { .t = t, .names = names, .err = err };
	int rc = 0;

	t->html = html;
	t->source = mem_stringn(source, len);
	p.at = t->source;
	p.end = t->source + len;
	while (rc == 0 && p.at < p.end)
		rc = step(&p);
	if (rc == 0 && p.depth > 0) {
		const char *name = names[t->pieces[p.open[p.depth - 1]].name];

		rc = refuse(&p, p.end, "at the end, this section is not closed:", name, strlen(name));
	}
	if (rc < 0) {
		template_free(t);
		return rc;
	}
	*ret_template = t;
	return 0;
}

/* -- Rendering ------------------------------------------------------------------------------- */

static void add_escaped(struct buf *out, const char *value)
{
	for (;;) {
		size_t plain = strcspn(value, "&<>\"'");

		buf_add(out, value, plain);
		value += plain;
		if (!*value)
			return;
		switch (*value++) {
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
		default:
			buf_puts(out, "&#39;");
			break;
		}
	}
}

void template_render(const struct template *t, const char *const *values, struct buf *out)
{
	for (size_t i = 0; i < t->n;) {
		const struct piece *piece = &t->pieces[i++];
		const char *value =
		        piece->kind == PIECE_TEXT || !values[piece->name] ? "" : values[piece->name];

		switch (piece->kind) {
		case PIECE_TEXT:
			buf_add(out, piece->text, piece->len);
			break;
		case PIECE_VALUE:
			if (t->html) {
				add_escaped(out, value);
				break;
			}
			/* fall through */
		case PIECE_RAW:
			buf_puts(out, value);
			break;
		case PIECE_IF:
			i = *value ? i : piece->end;
			break;
		case PIECE_UNLESS:
			i = *value ? piece->end : i;
			break;
		}
	}
}

void template_free(struct template *t)
{
	if (!t)
		return;
	free(t->source);
	free(t->pieces);
	free(t);
}
