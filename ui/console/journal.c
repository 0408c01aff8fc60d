/* The session's journal; see journal.h. */
#include "journal.h"

#include "screen.h"

#include "../format.h"

#include "base/language.h"
#include "base/mem.h"

#include <curses.h>
#include <stdarg.h>
#include <string.h>

#define JOURNAL_TEXT_MAX 4096
#define JOURNAL_LABEL 13 /* "03:12:05 !!  " */

void journal_add(struct console *c, enum role role, const char *fmt, ...)
{
	struct journal *j = &c->journal;
	struct buf b = BUF(JOURNAL_TEXT_MAX);
	va_list ap;
	va_start(ap, fmt);
	buf_vprintf(&b, fmt, ap);
	va_end(ap);
	if (!j->entries)
		j->entries = mem_array(JOURNAL_MAX, sizeof *j->entries);
	if (j->count == JOURNAL_MAX) {
		free(j->entries[j->first].text);
		j->first = (j->first + 1) % JOURNAL_MAX;
		j->count--;
	}
	char *text = buf_take(&b);
	j->entries[(j->first + j->count++) % JOURNAL_MAX] =
	        (struct journal_entry){ role, text ? text : mem_string(""), c->now };
}

void journal_free(struct journal *j)
{
	for (int i = 0; i < j->count; i++)
		free(j->entries[(j->first + i) % JOURNAL_MAX].text);
	free(j->entries);
	*j = (struct journal){ 0 };
}

static void add_entry(struct lines *l, const struct journal_entry *e, wall_time now)
{
	struct buf label = BUF(64);
	format_when(&label, e->at, WHEN_CLOCK, now);
	buf_printf(&label, " %s", e->role == ROLE_BAD ? "!!" : e->role == ROLE_WARN ? "!" : "ok");
	lines_add(l, e->role, buf_str(&label), e->text);
	buf_free(&label);
}

void journal_draw(struct console *c)
{
	struct journal *j = &c->journal;
	struct rect box = { 1, 1, LINES - 2, COLS - 2 };
	struct lines l = { .width = box.width - 4, .label_width = JOURNAL_LABEL };
	int room = box.height - 3;
	for (int i = 0; i < j->count; i++)
		add_entry(&l, &j->entries[(j->first + i) % JOURNAL_MAX], c->now);
	if (j->count == 0)
		lines_add(&l, ROLE_FAINT, NULL, _("Nothing was said or done yet."));
	int most = l.count > room ? l.count - room : 0;
	j->back = j->back > most ? most : j->back < 0 ? 0 : j->back;
	paint_box(box, _("This session: messages and acts, the newest last"));
	paint_lines(&l, most - j->back, (struct rect){ box.y + 1, box.x + 2, room, box.width - 4 });
	paintf(box.y + box.height - 2, box.x + 2, box.width - 4, ROLE_FAINT,
	        _("%d of %d lines above   k j PgUp PgDn scroll   q: back"), most - j->back, l.count);
	lines_clear(&l);
}

void journal_key(struct console *c, enum action action)
{
	struct journal *j = &c->journal;
	switch (action) {
	case ACTION_DOWN:
		j->back--;
		break;
	case ACTION_UP:
		j->back++;
		break;
	case ACTION_PAGE_DOWN:
		j->back -= LINES / 2;
		break;
	case ACTION_PAGE_UP:
		j->back += LINES / 2;
		break;
	case ACTION_TOP:
		j->back = JOURNAL_MAX * NOTE_LINES_MAX;
		break;
	case ACTION_BOTTOM:
		j->back = 0;
		break;
	case ACTION_LOG:
	case ACTION_QUIT:
	case ACTION_READ:
		j->open = false;
		break;
	default:
		break; /* nothing behind the overlay is to happen unseen */
	}
}
