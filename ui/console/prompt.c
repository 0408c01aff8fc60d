/* The line at the foot of the screen; see prompt.h. */
#include "prompt.h"

#include "screen.h"

#include "base/language.h"
#include "base/mem.h"
#include "base/text.h"

#include <curses.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define TROUBLE_LINES (PROMPT_HEIGHT - 2)
#define OFFER_LINES (PROMPT_HEIGHT - 3)

/* -- History ---------------------------------------------------------------------------------------- */

static void history_drop(struct history *h, int at)
{
	free(h->texts[at]);
	memmove(h->texts + at, h->texts + at + 1, (size_t)(--h->count - at) * sizeof *h->texts);
}

void history_add(struct history *h, const char *text)
{
	if (!*text)
		return;
	for (int i = 0; i < h->count; i++)
		if (!strcmp(h->texts[i], text))
			history_drop(h, i);
	if (h->count == HISTORY_MAX)
		history_drop(h, 0);
	h->texts[h->count++] = mem_string(text);
}

void history_free(struct history *h)
{
	while (h->count)
		history_drop(h, h->count - 1);
}

/* -- Offers ----------------------------------------------------------------------------------------- */

void offer_add(struct offers *o, const char *text, const char *help)
{
	if (o->count < OFFERS_MAX)
		o->items[o->count++] = (struct offer){ mem_string(text), mem_string(help) };
}

void offer_if(struct offers *o, const char *word, const char *text, const char *help)
{
	if (strncasecmp(text, word, strlen(word)) == 0)
		offer_add(o, text, help);
}

void offers_clear(struct offers *o)
{
	for (int i = 0; i < o->count; i++) {
		free(o->items[i].text);
		free(o->items[i].help);
	}
	*o = (struct offers){ 0 };
}

static void offer_again(struct console *c)
{
	struct prompt *p = &c->prompt;
	struct buf b = BUF(TEXTLINE_BYTES + 1);
	offers_clear(&p->offers);
	textline_add_first(&p->line, p->line.cursor, &b);
	p->ops->offer(p->arg, c, buf_str(&b), &p->offers);
	p->picked = -1;
	buf_free(&b);
}

/* How many bytes all offers begin with alike. */
static size_t common_length(const struct offers *o)
{
	size_t n = strlen(o->items[0].text);
	for (int i = 1; i < o->count; i++) {
		size_t same = 0;
		while (same < n && o->items[i].text[same] == o->items[0].text[same])
			same++;
		n = same;
	}
	return n;
}

static void put(struct prompt *p, const char *text)
{
	textline_replace(&p->line, p->offers.from, text);
}

/* As a shell does: first what all offers have in common, then one after the other. */
static void complete(struct console *c, int step)
{
	struct prompt *p = &c->prompt;
	if (p->offers.count == 0)
		return;
	if (p->picked < 0) {
		char *common = mem_stringn(p->offers.items[0].text, common_length(&p->offers));
		bool more = (int)utf8_length(common) > p->line.cursor - p->offers.from;
		if (more)
			put(p, common);
		free(common);
		if (more) {
			offer_again(c);
			return;
		}
	}
	p->picked = p->picked < 0 && step < 0 ? p->offers.count - 1
	                                      : (p->picked + step + p->offers.count) % p->offers.count;
	put(p, p->offers.items[p->picked].text);
}

/* -- Opening and closing ------------------------------------------------------------------------------- */

void prompt_open(
        struct console *c, const struct prompt_ops *ops, void *arg, struct history *history, const char *text)
{
	struct prompt *p = &c->prompt;
	prompt_close(p);
	p->ops = ops;
	p->arg = arg;
	p->history = history;
	textline_set(&p->line, text);
	offer_again(c);
}

void prompt_close(struct prompt *p)
{
	p->ops = NULL;
	p->past = 0;
	mem_freep(&p->present);
	offers_clear(&p->offers);
}

void prompt_renew(struct console *c)
{
	if (c->prompt.ops && c->prompt.picked < 0)
		offer_again(c);
}

bool prompt_is(const struct prompt *p, const void *arg)
{
	return p->ops && p->arg == arg;
}

static char *whole_text(const struct prompt *p)
{
	struct buf b = BUF(TEXTLINE_BYTES + 1);
	textline_add_to(&p->line, &b);
	char *text = buf_take(&b);
	return text ? text : mem_string("");
}

/* -- Keys -------------------------------------------------------------------------------------------- */

static void changed(struct console *c)
{
	struct prompt *p = &c->prompt;
	char *text = whole_text(p);
	if (p->ops->typed)
		p->ops->typed(p->arg, c, text);
	free(text);
}

static void take(struct console *c)
{
	struct prompt *p = &c->prompt;
	const struct prompt_ops *ops = p->ops;
	char *text = whole_text(p);
	void *arg = p->arg;
	history_add(p->history, text);
	prompt_close(p);
	ops->taken(arg, c, text);
	free(text);
}

static void leave(struct console *c)
{
	struct prompt *p = &c->prompt;
	const struct prompt_ops *ops = p->ops;
	void *arg = p->arg;
	prompt_close(p);
	if (ops->left)
		ops->left(arg, c);
}

static void look_back(struct console *c, int by)
{
	struct prompt *p = &c->prompt;
	int past = p->past + by;
	if (past < 0 || past > p->history->count)
		return;
	if (p->past == 0) {
		free(p->present);
		p->present = whole_text(p);
	}
	p->past = past;
	textline_set(&p->line, past ? p->history->texts[p->history->count - past] : p->present);
}

void prompt_key(struct console *c, int key)
{
	struct prompt *p = &c->prompt;
	switch (key) {
	case '\n':
	case '\r':
	case CODE(KEY_ENTER):
		take(c);
		return;
	case 27:
	case KEY_INTERRUPT:
		leave(c);
		return;
	case '\t':
	case CODE(KEY_BTAB):
		complete(c, key == '\t' ? 1 : -1);
		changed(c);
		return;
	case CODE(KEY_UP):
	case CODE(KEY_DOWN):
		look_back(c, key == CODE(KEY_UP) ? 1 : -1);
		break;
	case 127:
	case CONTROL('h'):
	case CODE(KEY_BACKSPACE):
		if (p->line.length == 0) { /* as in vi: there is nothing left to take back */
			leave(c);
			return;
		}
		textline_key(&p->line, key);
		break;
	default:
		if (!textline_key(&p->line, key))
			return;
	}
	offer_again(c);
	changed(c);
}

/* -- Drawing ------------------------------------------------------------------------------------------ */

static int number_behind(const char *trouble, const char *form)
{
	const char *number = strchr(form, '%');
	size_t len = number ? (size_t)(number - form) : 0;
	return len && !strncmp(trouble, form, len) ? (int)strtol(trouble + len, NULL, 10) : 0;
}

/* The character that the daemon's words name, from 1; 0: none. They are of this form in model/filter.c, and
 * in the user's language unless the daemon lacks it. */
static int place_of(const char *trouble)
{
	static const char form[] = N_("filter, character %zu");
	int place = number_behind(trouble, _(form));
	return place ? place : number_behind(trouble, form);
}

/* Its mark under the character; the words beside it where there is room, else under it. */
static void draw_trouble(const struct prompt *p, const char *trouble, int y, int x, int width)
{
	int place = place_of(trouble), column = place ? textline_column(&p->line, place - 1, width) : 0;
	paint(y, x + column, 1, ROLE_BAD, TEXT_CLIP, place ? "^" : "!");
	if (text_width(trouble, strlen(trouble), width) <= width - column - 2) {
		paint(y, x + column + 2, width - column - 2, ROLE_BAD, TEXT_CLIP, trouble);
		return;
	}
	struct lines words = { .width = COLS - 2 };
	lines_add(&words, ROLE_BAD, NULL, trouble);
	paint_lines(&words, 0, (struct rect){ y + 1, 1, TROUBLE_LINES - 1, COLS - 2 });
	lines_clear(&words);
}

/* Offers from `first` on, as many as have room on their lines; returns the first that has none. */
static int place_offers(const struct prompt *p, int first, int y, bool draw)
{
	const struct offers *o = &p->offers;
	int line = 0, x = 1, i = first;
	for (; i < o->count; i++) {
		int width = text_width(o->items[i].text, strlen(o->items[i].text), COLS);
		if (x > 1 && x + width > COLS - 1) {
			if (++line == OFFER_LINES)
				break;
			x = 1;
		}
		if (draw)
			paint(y + line, x, COLS - 1 - x, i == p->picked ? ROLE_SELECTED : ROLE_ACCENT,
			        TEXT_CLIP, o->items[i].text);
		x += width + 2;
	}
	return i;
}

/* The picked one in sight; under them its help, or that of the only one. */
static void draw_offers(const struct prompt *p, int y)
{
	const struct offers *o = &p->offers;
	int first = p->picked >= place_offers(p, 0, y, false) ? p->picked : 0,
	    told = p->picked >= 0 ? p->picked : 0;
	place_offers(p, first, y, true);
	if (p->line.length == 0 && p->picked < 0)
		paint(y + OFFER_LINES, 1, COLS - 2, ROLE_FAINT, TEXT_CLIP, _(p->ops->empty));
	else if (o->count && o->items[told].help && (p->picked >= 0 || o->count == 1))
		paint(y + OFFER_LINES, 1, COLS - 2, ROLE_FAINT, TEXT_CLIP, o->items[told].help);
}

void prompt_draw(const struct prompt *p, int y)
{
	const char *trouble = p->ops->trouble ? p->ops->trouble(p->arg) : NULL;
	int left = 1 + text_width(p->ops->mark, strlen(p->ops->mark), COLS), width = COLS - left - 1;
	paint_rule(y, 0, COLS);
	paint_blank((struct rect){ y + 1, 0, PROMPT_HEIGHT - 1, COLS }, ROLE_NORMAL);
	paint(y + 1, 1, left - 1, ROLE_TITLE, TEXT_CLIP, p->ops->mark);
	if (trouble)
		draw_trouble(p, trouble, y + 2, left, width);
	else
		draw_offers(p, y + 2);
	textline_draw(&p->line, y + 1, left, width, true);
}
