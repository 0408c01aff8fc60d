/* Dialogs; see dialog.h. */
#include "dialog.h"

#include "screen.h"
#include "terminal.h"

#include "base/mem.h"
#include "base/text.h"

#include <curses.h>
#include <string.h>
#include <wctype.h>

#define DIALOG_WIDTH_MAX 76

void dialog_close(struct dialog *d)
{
	if (d->drop)
		d->drop(d->arg);
	free(d->title);
	lines_clear(&d->body);
	*d = (struct dialog){ .kind = DIALOG_NONE };
}

void dialog_confirm(struct dialog *d, const char *title, struct lines *body, dialog_done *done, void *arg,
        void (*drop)(void *))
{
	dialog_close(d);
	d->kind = DIALOG_CONFIRM;
	d->title = mem_string(title);
	d->body = *body;
	*body = (struct lines){ .width = body->width };
	d->done = done;
	d->arg = arg;
	d->drop = drop;
}

void dialog_input(struct dialog *d, const char *title, struct lines *body, const char *text, bool required,
        dialog_done *done, void *arg, void (*drop)(void *))
{
	dialog_confirm(d, title, body, done, arg, drop);
	d->kind = DIALOG_INPUT;
	d->required = required;
	size_t len = text ? strlen(text) : 0, n;
	uint32_t c;
	for (size_t at = 0; at < len && d->length < DIALOG_TEXT_MAX; at += n) {
		n = utf8_next(text + at, len - at, &c);
		if (n == 0)
			break;
		d->text[d->length++] = (wchar_t)c;
	}
	d->cursor = d->length;
}

static void encode(struct buf *out, const wchar_t *text, int count)
{
	char bytes[4];
	for (int i = 0; i < count; i++)
		buf_add(out, bytes, utf8_encode((uint32_t)text[i], bytes));
}

/* Runs the answer and closes. What was typed ahead is dropped: the rest of a paste must not become keys
 * that act. */
static void answer(struct console *c, const char *text)
{
	struct dialog d = c->dialog;
	c->dialog = (struct dialog){ .kind = DIALOG_NONE };
	terminal_drop_keys();
	d.done(c, d.arg, text);
	dialog_close(&d);
}

static void input_take(struct console *c)
{
	struct dialog *d = &c->dialog;
	struct buf b = BUF(DIALOG_TEXT_MAX * 4 + 1);
	int from = 0, to = d->length;
	while (from < to && iswspace((wint_t)d->text[from]))
		from++;
	while (to > from && iswspace((wint_t)d->text[to - 1]))
		to--;
	encode(&b, d->text + from, to - from);
	if (d->required && b.len == 0) {
		d->refused = true;
		terminal_drop_keys();
	} else {
		answer(c, buf_str(&b));
	}
	buf_free(&b);
}

static void cut(struct dialog *d, int from, int to)
{
	wmemmove(d->text + from, d->text + to, (size_t)(d->length - to));
	d->length -= to - from;
	d->cursor = from;
}

static void type(struct dialog *d, wchar_t c)
{
	if (d->length == DIALOG_TEXT_MAX || iswcntrl((wint_t)c) || c < 0x20)
		return;
	wmemmove(d->text + d->cursor + 1, d->text + d->cursor, (size_t)(d->length - d->cursor));
	d->text[d->cursor++] = c;
	d->length++;
	d->refused = false;
}

static int word_start(const struct dialog *d)
{
	int at = d->cursor;
	while (at > 0 && iswspace((wint_t)d->text[at - 1]))
		at--;
	while (at > 0 && !iswspace((wint_t)d->text[at - 1]))
		at--;
	return at;
}

static void input_key(struct console *c, int key)
{
	struct dialog *d = &c->dialog;
	switch (key) {
	case '\n':
	case '\r':
	case CODE(KEY_ENTER):
		input_take(c);
		break;
	case 27:
	case KEY_INTERRUPT:
		dialog_close(d);
		break;
	case CODE(KEY_BACKSPACE):
	case CONTROL('h'):
	case 127:
		if (d->cursor > 0)
			cut(d, d->cursor - 1, d->cursor);
		break;
	case CODE(KEY_DC):
		if (d->cursor < d->length)
			cut(d, d->cursor, d->cursor + 1);
		break;
	case CONTROL('u'):
		cut(d, 0, d->cursor);
		break;
	case CONTROL('k'):
		d->length = d->cursor;
		break;
	case CONTROL('w'):
		cut(d, word_start(d), d->cursor);
		break;
	case CODE(KEY_LEFT):
		d->cursor -= d->cursor > 0;
		break;
	case CODE(KEY_RIGHT):
		d->cursor += d->cursor < d->length;
		break;
	case CODE(KEY_HOME):
	case CONTROL('a'):
		d->cursor = 0;
		break;
	case CODE(KEY_END):
	case CONTROL('e'):
		d->cursor = d->length;
		break;
	default:
		if (key < CODE(0))
			type(d, (wchar_t)key);
	}
}

void dialog_key(struct console *c, int key)
{
	if (c->dialog.kind == DIALOG_INPUT)
		input_key(c, key);
	else if (key == 'y' || key == 'Y')
		answer(c, NULL);
	else if (key == 'n' || key == 'N' || key == 'q' || key == 27 || key == KEY_INTERRUPT)
		dialog_close(&c->dialog);
}

/* The line being typed, scrolled so that the cursor is in it. */
static void draw_field(const struct dialog *d, int y, int x, int width)
{
	struct buf b = BUF(DIALOG_TEXT_MAX * 8);
	int first = d->cursor;
	while (first > 0) {
		buf_clear(&b);
		encode(&b, d->text + first - 1, d->cursor - first + 1);
		if (text_width(buf_str(&b), b.len, width) > width - 2)
			break;
		first--;
	}
	buf_clear(&b);
	encode(&b, d->text + first, d->cursor - first);
	int cursor_x = x + text_width(buf_str(&b), b.len, width);
	buf_clear(&b);
	encode(&b, d->text + first, d->length - first);
	paint(y, x, width, ROLE_BAR, TEXT_LEFT, buf_str(&b));
	buf_free(&b);
	move(y, cursor_x);
}

void dialog_draw(const struct dialog *d)
{
	int width = COLS - 4 < DIALOG_WIDTH_MAX ? COLS - 4 : DIALOG_WIDTH_MAX;
	int lines = d->body.count < LINES - 8 ? d->body.count : LINES - 8;
	int height = lines + (d->kind == DIALOG_INPUT ? 6 : 4);
	struct rect box = { (LINES - height) / 2, (COLS - width) / 2, height, width };
	paint_box(box, d->title);
	paint_lines(&d->body, 0, (struct rect){ box.y + 1, box.x + 2, lines, width - 4 });
	int y = box.y + 1 + lines + 1;
	if (d->kind == DIALOG_CONFIRM) {
		int used = paint(y, box.x + 2, width - 4, ROLE_TITLE, TEXT_CLIP, "y yes");
		paint(y, box.x + 2 + used + 3, width - 4 - used - 3, ROLE_NORMAL, TEXT_CLIP, "n no");
		return;
	}
	const char *hint = "Enter takes it   Esc leaves everything as it is";
	if (d->refused)
		paint(y + 1, box.x + 2, width - 4, ROLE_BAD, TEXT_CLIP,
		        "! It cannot be empty.   Esc leaves everything as it is");
	else
		paint(y + 1, box.x + 2, width - 4, ROLE_FAINT, TEXT_CLIP, hint);
	draw_field(d, y, box.x + 2, width - 4);
}
