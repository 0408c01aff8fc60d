/* Messages that stay until they are read; see screen.h. */
#include "screen.h"

#include "base/language.h"
#include "base/mem.h"

#include <stdarg.h>
#include <string.h>

#define NOTE_TEXT_MAX 4096

static void drop_first(struct console *c)
{
	struct notes *n = &c->notes;
	if (n->items[0].offers_undo)
		undo_clear(&c->undo);
	free(n->items[0].text);
	memmove(n->items, n->items + 1, (size_t)(--n->count) * sizeof *n->items);
}

void note_add(struct console *c, enum role role, const char *fmt, ...)
{
	struct notes *n = &c->notes;
	struct buf b = BUF(NOTE_TEXT_MAX);
	va_list ap;
	va_start(ap, fmt);
	buf_vprintf(&b, fmt, ap);
	va_end(ap);
	journal_add(c, role, "%s", buf_str(&b));
	while (n->count && n->items[0].role == ROLE_GOOD)
		drop_first(c);
	if (n->count == NOTES_MAX) {
		buf_free(&b); /* the first ones say what went wrong */
		n->dropped++;
		return;
	}
	n->items[n->count++] = (struct note){ .role = role, .text = buf_take(&b), .at = c->now };
	if (!n->items[n->count - 1].text)
		n->items[n->count - 1].text = mem_string("");
}

bool note_read(struct console *c)
{
	if (c->notes.count == 0)
		return false;
	drop_first(c);
	if (c->notes.count == 0)
		c->notes.dropped = 0;
	return true;
}

void note_offer_undo(struct console *c, const char *text)
{
	struct notes *n = &c->notes;
	for (int i = 0; i < n->count; i++)
		n->items[i].offers_undo = false; /* of an act before */
	note_add(c, ROLE_GOOD, "%s   %s", text, _("u: undo"));
	n->items[n->count - 1].offers_undo = n->items[n->count - 1].role == ROLE_GOOD;
}
