/* Dialogs; see dialog.h. */
#include "dialog.h"

#include "screen.h"
#include "terminal.h"

#include "base/language.h"
#include "base/mem.h"
#include "base/text.h"

#include <curses.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define DIALOG_WIDTH_MAX 76
#define FIELD_GAP 2

void dialog_close(struct dialog *d)
{
	if (d->drop)
		d->drop(d->arg);
	free(d->title);
	lines_clear(&d->body);
	memset(d, 0, sizeof *d);
}

static void open_as(
        struct dialog *d, int kind, const char *title, struct lines *body, void *arg, void (*drop)(void *))
{
	dialog_close(d);
	d->kind = kind;
	d->title = mem_string(title);
	d->body = *body;
	*body = (struct lines){ .width = body->width };
	d->arg = arg;
	d->drop = drop;
}

void dialog_confirm(struct dialog *d, const char *title, struct lines *body, dialog_done *done, void *arg,
        void (*drop)(void *))
{
	open_as(d, DIALOG_CONFIRM, title, body, arg, drop);
	d->done = done;
}

void dialog_form(struct dialog *d, const char *title, struct lines *body, const struct dialog_field *fields,
        int count, dialog_form_done *done, void *arg, void (*drop)(void *))
{
	open_as(d, DIALOG_FORM, title, body, arg, drop);
	d->form_done = done;
	d->field_count = count;
	for (int i = 0; i < count; i++) {
		d->fields[i] = fields[i];
		d->lines[i].most = DIALOG_TEXT_MAX;
		textline_set(&d->lines[i], fields[i].text);
		d->fields[i].text = NULL;
	}
}

void dialog_input(struct dialog *d, const char *title, struct lines *body, const char *text, bool required,
        dialog_done *done, void *arg, void (*drop)(void *))
{
	struct dialog_field field = { .label = "", .text = text, .required = required };
	dialog_form(d, title, body, &field, 1, NULL, arg, drop);
	d->done = done;
}

void dialog_menu(struct dialog *d, const char *title, struct lines *body, const struct dialog_item *items,
        int count, int at, dialog_done *done, void *arg, void (*drop)(void *))
{
	open_as(d, DIALOG_MENU, title, body, arg, drop);
	d->done = done;
	d->items = items;
	d->item_count = count;
	d->item = at;
}

/* Runs the answer and closes. What was typed ahead of one that acts is dropped: the rest of a paste must not
 * become keys that act. */
static void answer(struct console *c, const char *const *texts)
{
	struct dialog *d = mem_alloc(sizeof *d); /* an answer may ask again */
	*d = c->dialog;
	memset(&c->dialog, 0, sizeof c->dialog);
	if (d->kind != DIALOG_MENU)
		terminal_drop_keys();
	if (d->form_done)
		d->form_done(c, d->arg, texts);
	else
		d->done(c, d->arg, texts ? texts[0] : NULL);
	dialog_close(d);
	free(d);
}

/* -- Forms ------------------------------------------------------------------------------------------ */

static bool is_number(const char *text)
{
	char *end;
	double n = strtod(text, &end);
	return end != text && *end == '\0' && n >= 0;
}

/* A count as it reads on the screen is as good: 1,204. */
static bool is_count(const char *text, int64_t count)
{
	char digits[24] = "", wanted[24];
	size_t n = 0;
	for (; *text && n < sizeof digits - 1; text++)
		if (*text != ',' && *text != '.' && *text != ' ')
			digits[n++] = *text;
	digits[n] = '\0';
	snprintf(wanted, sizeof wanted, "%" PRId64, count);
	return *text == '\0' && !strcmp(digits, wanted);
}

static const char *trouble(const struct dialog_field *f, const char *text)
{
	if (f->count && !is_count(text, f->count))
		return *text ? _("That is not the number.")
		             : _("Type the number: it is how many are acted on.");
	if (f->required && !*text)
		return _("It cannot be empty.");
	if (f->kind == FIELD_NUMBER && *text && !is_number(text))
		return _("That is no number.");
	return NULL;
}

/* The text without blanks around it; the caller frees. */
static char *text_of(const struct textline *l)
{
	struct buf b = BUF(TEXTLINE_BYTES + 1);
	textline_add_to(l, &b);
	char *text = buf_take(&b), *from = text;
	if (!text)
		return mem_string("");
	while (*from == ' ')
		from++;
	size_t len = strlen(from);
	while (len > 0 && from[len - 1] == ' ')
		len--;
	memmove(text, from, len);
	text[len] = '\0';
	return text;
}

static void form_take(struct console *c)
{
	struct dialog *d = &c->dialog;
	char *texts[DIALOG_FIELDS_MAX] = { NULL };
	int count = d->field_count;
	for (int i = 0; i < count; i++)
		texts[i] = text_of(&d->lines[i]);
	const char *wrong = NULL;
	for (int i = 0; i < count && !wrong; i++)
		if ((wrong = trouble(&d->fields[i], texts[i])))
			d->field = i;
	d->refused = wrong;
	if (wrong)
		terminal_drop_keys();
	else
		answer(c, (const char *const *)texts);
	for (int i = 0; i < count; i++)
		free(texts[i]);
}

static void form_key(struct console *c, int key)
{
	struct dialog *d = &c->dialog;
	switch (key) {
	case '\n':
	case '\r':
	case CODE(KEY_ENTER):
		form_take(c);
		break;
	case '\t':
	case CODE(KEY_DOWN):
		d->field = (d->field + 1) % d->field_count;
		break;
	case CODE(KEY_BTAB):
	case CODE(KEY_UP):
		d->field = (d->field + d->field_count - 1) % d->field_count;
		break;
	case 27:
	case KEY_INTERRUPT:
		dialog_close(d);
		break;
	default:
		if (textline_key(&d->lines[d->field], key))
			d->refused = NULL;
	}
}

/* -- Menus ------------------------------------------------------------------------------------------ */

static void menu_key(struct console *c, int key)
{
	struct dialog *d = &c->dialog;
	if (key == 'j' || key == '\t' || key == CODE(KEY_DOWN)) {
		d->item = (d->item + 1) % d->item_count;
	} else if (key == 'k' || key == CODE(KEY_BTAB) || key == CODE(KEY_UP)) {
		d->item = (d->item + d->item_count - 1) % d->item_count;
	} else if (key == '\n' || key == '\r' || key == CODE(KEY_ENTER)) {
		const char *word = d->items[d->item].word;
		answer(c, &word);
	} else if (key == 'q' || key == 27 || key == KEY_INTERRUPT) {
		dialog_close(d);
	}
}

void dialog_key(struct console *c, int key)
{
	if (c->dialog.kind == DIALOG_FORM)
		form_key(c, key);
	else if (c->dialog.kind == DIALOG_MENU)
		menu_key(c, key);
	else if (key == 'y' || key == 'Y')
		answer(c, NULL);
	else if (key == 'n' || key == 'N' || key == 'q' || key == 27 || key == KEY_INTERRUPT)
		dialog_close(&c->dialog);
}

/* -- Drawing ---------------------------------------------------------------------------------------- */

static int label_width(const struct dialog *d)
{
	int most = 0;
	for (int i = 0; i < d->field_count; i++) {
		int width = text_width(d->fields[i].label, strlen(d->fields[i].label), DIALOG_WIDTH_MAX);
		most = width > most ? width : most;
	}
	return most ? most + FIELD_GAP : 0;
}

/* The field that has the keys last: the cursor stays in it. */
static void draw_form(const struct dialog *d, int y, int x, int width)
{
	int left = label_width(d);
	const char *hint = d->field_count > 1
	                           ? _("Enter takes it   Tab next field   Esc leaves everything as it is")
	                           : _("Enter takes it   Esc leaves everything as it is");
	if (d->refused)
		paintf(y + d->field_count, x, width, ROLE_BAD, _("! %s   Esc leaves everything as it is"),
		        d->refused);
	else
		paint(y + d->field_count, x, width, ROLE_FAINT, TEXT_CLIP, hint);
	for (int n = 1; n <= d->field_count; n++) {
		int i = (d->field + n) % d->field_count;
		paint(y + i, x, left, i == d->field ? ROLE_TITLE : ROLE_NORMAL, TEXT_LEFT,
		        d->fields[i].label);
		textline_draw(&d->lines[i], y + i, x + left, width - left, i == d->field);
	}
}

static void draw_menu(const struct dialog *d, int y, int x, int width)
{
	for (int i = 0; i < d->item_count; i++) {
		enum role role = i == d->item ? ROLE_SELECTED : ROLE_NORMAL;
		struct buf b = BUF(1024);
		buf_printf(&b, "%s %s", i == d->item ? ">" : " ", d->items[i].shown);
		paint(y + i, x, width, role, TEXT_LEFT, buf_str(&b));
		buf_free(&b);
	}
	paint(y + d->item_count, x, width, ROLE_FAINT, TEXT_CLIP,
	        _("Enter takes it   j k Up Down choose   Esc leaves it"));
}

static void draw_confirm(int y, int x, int width)
{
	int used = paint(y, x, width, ROLE_TITLE, TEXT_CLIP, _("y yes"));
	paint(y, x + used + 3, width - used - 3, ROLE_NORMAL, TEXT_CLIP, _("n no"));
}

bool dialog_has_cursor(const struct dialog *d)
{
	return d->kind == DIALOG_FORM;
}

void dialog_draw(const struct dialog *d)
{
	int width = COLS - 4 < DIALOG_WIDTH_MAX ? COLS - 4 : DIALOG_WIDTH_MAX;
	int own = d->kind == DIALOG_FORM   ? d->field_count + 1
	          : d->kind == DIALOG_MENU ? d->item_count + 1
	                                   : 1;
	int room = LINES - own - 3 > 0 ? LINES - own - 3 : 0;
	int lines = d->body.count < room ? d->body.count : room;
	int gap = lines ? 1 : 0, height = lines + gap + own + 2;
	struct rect box = { (LINES - height) / 2, (COLS - width) / 2, height, width };
	paint_box(box, d->title);
	paint_lines(&d->body, 0, (struct rect){ box.y + 1, box.x + 2, lines, width - 4 });
	int y = box.y + 1 + lines + gap;
	if (d->kind == DIALOG_CONFIRM)
		draw_confirm(y, box.x + 2, width - 4);
	else if (d->kind == DIALOG_MENU)
		draw_menu(d, y, box.x + 2, width - 4);
	else
		draw_form(d, y, box.x + 2, width - 4);
}
