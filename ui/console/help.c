/* The help overlay: the key table, as it stands. */
#include "screen.h"

#include "base/language.h"

#include <curses.h>

#define HELP_WIDTH 76
#define SHOWN_WIDTH 12

static int visible_rows(const struct console *c, unsigned scope, const struct key_row **ret)
{
	int n = 0;
	for (int i = 0; i < key_row_count; i++) {
		const struct key_row *k = &key_rows[i];
		if ((k->scopes & scope) && !(k->acts && c->read_only))
			ret[n++] = k;
	}
	return n;
}

void help_draw(struct console *c)
{
	const struct key_row *rows[ACTION_COUNT];
	struct screen *s = console_screen(c);
	int count = visible_rows(c, s->scope(s->state), rows);
	int height = count + 4 < LINES - 2 ? count + 4 : LINES - 2, room = height - 4;
	struct rect box = { (LINES - height) / 2, (COLS - HELP_WIDTH) / 2, height, HELP_WIDTH };
	if (c->help_top > count - room)
		c->help_top = count - room;
	if (c->help_top < 0)
		c->help_top = 0;
	struct buf title = BUF(256);
	buf_printf(&title, _("Keys: %s"), _(s->title));
	paint_box(box, buf_str(&title));
	buf_free(&title);
	for (int i = 0; i < room && c->help_top + i < count; i++) {
		const struct key_row *k = rows[c->help_top + i];
		paint(box.y + 1 + i, box.x + 2, SHOWN_WIDTH, ROLE_ACCENT, TEXT_CLIP, k->shown);
		paint(box.y + 1 + i, box.x + 2 + SHOWN_WIDTH, box.width - 4 - SHOWN_WIDTH, ROLE_NORMAL,
		        TEXT_CLIP, _(k->help));
	}
	int below = count - c->help_top - room;
	struct buf foot = BUF(256);
	if (below > 0)
		buf_printf(&foot, _("j: %d more below   q: back"), below);
	else
		buf_puts(&foot, _("q: back"));
	paint(box.y + height - 2, box.x + 2, box.width - 4, ROLE_FAINT, TEXT_CLIP, buf_str(&foot));
	buf_free(&foot);
}

bool help_key(struct console *c, enum action action)
{
	switch (action) {
	case ACTION_DOWN:
		c->help_top++;
		return true;
	case ACTION_UP:
		c->help_top--;
		return true;
	case ACTION_PAGE_DOWN:
		c->help_top += LINES / 2;
		return true;
	case ACTION_PAGE_UP:
		c->help_top -= LINES / 2;
		return true;
	case ACTION_HELP:
	case ACTION_QUIT:
	case ACTION_READ:
		c->help = false;
		return true;
	default:
		return true; /* nothing behind the overlay is to happen unseen */
	}
}
