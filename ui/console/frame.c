/* What stands around every screen: the bar, the banner, messages, the footer; and the help overlay. */
#include "bulk.h"
#include "screen.h"

#include "../format.h"

#include "base/json.h"
#include "base/language.h"

#include <curses.h>
#include <string.h>

#define COLUMNS_LEAST 80
#define LINES_LEAST 24
#define NAMES_X 8 /* where the names of the screens begin */

struct figure figure_now(const struct console *c, const cJSON *object, const char *key)
{
	struct figure f = figure_get(object, key);
	if (f.kind != FIGURE_NONE && seconds_between(c->status_at, c->now) > OLD_AFTER_S)
		f.kind = FIGURE_STALE;
	return f;
}

bool age_text(struct buf *out, wall_time at, wall_time now)
{
	int64_t age = seconds_between(at, now);
	if (at.ms == 0 || age <= OLD_AFTER_S)
		return false;
	struct buf when = BUF(64), span = BUF(64);
	format_when(&when, at, WHEN_DAY, now);
	format_span(&span, age);
	/* TRANSLATORS: a snapshot's time and age; stands alone and in "this is %s:" */
	buf_printf(out, _("as of %s (%s old)"), buf_str(&when), buf_str(&span));
	buf_free(&when);
	buf_free(&span);
	return true;
}

/* How the bar is laid out, the first of these that fits: who and where with all names, the clock with all
 * names, then with short ones, then with digits alone. The chosen screen keeps its name. */
enum bar { BAR_WHOLE, BAR_CLOCK, BAR_BRIEF, BAR_DIGITS };

static int width_of(const char *text)
{
	return text_width(text, strlen(text), COLS);
}

static const char *badge(void)
{
	return _("[READ-ONLY]");
}

static void bar_right(const struct console *c, enum bar bar, struct buf *out)
{
	const char *profile = json_string(c->status, "profile"), *host = json_string(c->status, "host"),
	           *operator= json_string(c->status, "operator");
	if (bar == BAR_WHOLE) {
		if (operator)
			buf_printf(out, "%s@", operator);
		buf_printf(out, "%s %s%s", host ? host : "", profile ? profile : "",
		        profile && *profile ? "  " : " ");
	}
	format_when(out, c->now, WHEN_CLOCK, c->now);
}

/* Where names have room they keep their places, whichever is chosen. */
static void screen_name(const struct console *c, int i, enum bar bar, struct buf *out)
{
	const struct screen *s = &c->screens[i];
	if (i == c->current)
		buf_printf(out, "[%d %s]", s->number, _(s->name));
	else if (bar == BAR_DIGITS)
		buf_printf(out, " %d ", s->number);
	else
		buf_printf(out, " %d %s ", s->number, bar == BAR_BRIEF ? _(s->brief) : _(s->name));
}

static int bar_width(const struct console *c, enum bar bar)
{
	struct buf b = BUF(8192);
	for (int i = 0; i < SCREEN_COUNT; i++)
		screen_name(c, i, bar, &b);
	if (c->in_detail)
		buf_printf(&b, " > %s", _(c->detail.name));
	buf_putc(&b, ' ');
	bar_right(c, bar, &b);
	int width = NAMES_X + width_of(buf_str(&b));
	buf_free(&b);
	return width + (c->read_only ? width_of(badge()) + 1 : 0);
}

static enum bar bar_choose(const struct console *c)
{
	enum bar bar = BAR_WHOLE;
	while (bar < BAR_DIGITS && bar_width(c, bar) >= COLS)
		bar++;
	return bar;
}

int frame_screen_at(const struct console *c, int x)
{
	enum bar bar = bar_choose(c);
	int end = NAMES_X, at = -1;
	for (int i = 0; i < SCREEN_COUNT && at < 0; i++) {
		struct buf b = BUF(256);
		screen_name(c, i, bar, &b);
		end += width_of(buf_str(&b));
		if (x >= NAMES_X && x < end)
			at = i;
		buf_free(&b);
	}
	return at;
}

static void draw_bar(const struct console *c)
{
	enum bar bar = bar_choose(c);
	int x = NAMES_X, end = COLS;
	struct buf b = BUF(8192);
	paint(0, 0, COLS, ROLE_BAR, TEXT_LEFT, "");
	paint(0, 1, NAMES_X - 1, ROLE_BAR, TEXT_CLIP, "usher");
	if (c->read_only) {
		int width = width_of(badge());
		end -= width + 1;
		paint(0, end, width, ROLE_BADGE, TEXT_CLIP, badge());
	}
	for (int i = 0; i < SCREEN_COUNT; i++) {
		buf_clear(&b);
		screen_name(c, i, bar, &b);
		x += paint(0, x, end - x, i == c->current ? ROLE_KEY : ROLE_BAR, TEXT_CLIP, buf_str(&b));
	}
	if (c->in_detail)
		x += paintf(0, x, end - x, ROLE_KEY, " > %s", _(c->detail.name));
	buf_clear(&b);
	bar_right(c, bar, &b);
	paint(0, x + 1, end - x - 2, ROLE_BAR, TEXT_RIGHT, buf_str(&b));
	buf_free(&b);
}

static void draw_banner(const struct console *c)
{
	struct buf b = BUF(4096), since = BUF(64), span = BUF(64);
	format_when(&since, c->down_since, WHEN_DAY, c->now);
	format_span(&span, seconds_between(c->down_since, c->now));
	buf_printf(&b, _(" ! daemon unreachable since %s (%s) - retrying.  %s"), buf_str(&since),
	        buf_str(&span), c->down_why);
	paint(1, 0, COLS, ROLE_BANNER, TEXT_LEFT, buf_str(&b));
	buf_free(&b);
	buf_free(&since);
	buf_free(&span);
}

/* The line under the bar: what is wrong with the connection, what is being sent, or a rule. */
static void draw_second_line(const struct console *c)
{
	struct buf b = BUF(4096);
	int done, all;
	if (c->down) {
		draw_banner(c);
	} else if (c->status_error[0] && !c->status) {
		paintf(1, 1, COLS - 1, ROLE_BAD, _("! no new status, none so far: %s"), c->status_error);
	} else if (c->status_error[0] && age_text(&b, c->status_at, c->now)) {
		paintf(1, 1, COLS - 1, ROLE_BAD, _("! no new status, %s: %s"), buf_str(&b), c->status_error);
	} else if (acts_running(c, &done, &all)) {
		buf_printf(&b, _("sending: %d of %d answered"), done, all);
		if (all > 1)
			buf_printf(&b, "   %s", _("X: stop after these"));
		paint(1, 1, COLS - 1, ROLE_ACCENT, TEXT_CLIP, buf_str(&b));
	} else if (bulk_running(c)) {
		paint(1, 1, COLS - 1, ROLE_ACCENT, TEXT_CLIP, bulk_running(c));
	} else {
		paint_rule(1, 0, COLS);
	}
	buf_free(&b);
}

static int paint_key(int x, const struct key_row *k, const char *label)
{
	x += paint(LINES - 1, x, COLS - x, ROLE_KEY, TEXT_CLIP, k->shown) + 1;
	return x + paint(LINES - 1, x, COLS - x, ROLE_BAR, TEXT_CLIP, label) + 2;
}

static int key_width(const struct key_row *k, const char *label)
{
	return width_of(k->shown) + width_of(label) + 3;
}

/* As many keys as fit; help and the way out always do. */
static void draw_footer(const struct console *c, unsigned scope)
{
	int x = 1, end = COLS;
	paint(LINES - 1, 0, COLS, ROLE_BAR, TEXT_LEFT, "");
	for (int i = key_row_count - 1; i >= 0; i--) {
		const struct key_row *k = &key_rows[i];
		if (k->action != ACTION_QUIT && k->action != ACTION_HELP)
			continue;
		const char *label =
		        (scope & SCOPES_DETAILS) && k->action == ACTION_QUIT ? _("back") : _(k->label);
		end -= key_width(k, label);
		paint_key(end + 1, k, label);
	}
	for (int i = 0; i < key_row_count; i++) {
		const struct key_row *k = &key_rows[i];
		if (!*k->label || !(k->scopes & scope) || (k->acts && c->read_only) ||
		        k->action == ACTION_QUIT || k->action == ACTION_HELP)
			continue;
		if (x + key_width(k, _(k->label)) <= end)
			x = paint_key(x, k, _(k->label));
	}
}

static void draw_prompt_footer(void)
{
	static const struct key_row keys[] = { { .shown = "Enter", .label = N_("takes it") },
		{ .shown = "Tab", .label = N_("completes") }, { .shown = "Up", .label = N_("earlier ones") },
		{ .shown = "Esc", .label = N_("leaves it") } };
	int x = 1;
	paint(LINES - 1, 0, COLS, ROLE_BAR, TEXT_LEFT, "");
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
		x = paint_key(x, &keys[i], _(keys[i].label));
}

/* Returns the lines used, above the footer. */
static int draw_notes(const struct console *c)
{
	if (c->notes.count == 0)
		return 0;
	const struct note *n = &c->notes.items[0];
	struct lines l = { .width = COLS - 4 };
	struct buf b = BUF(8192);
	buf_puts(&b, n->role == ROLE_BAD ? "!! " : n->role == ROLE_WARN ? "! " : "ok ");
	format_when(&b, n->at, WHEN_CLOCK, c->now);
	buf_printf(&b, "  %s", n->text);
	lines_add(&l, n->role, NULL, buf_str(&b));
	int count = l.count > NOTE_LINES_MAX - 1 ? NOTE_LINES_MAX - 1 : l.count, top = LINES - 2 - count;
	paint_rule(top - 1, 0, COLS);
	paint_blank((struct rect){ top, 0, count + 1, COLS }, ROLE_NORMAL);
	paint_lines(&l, 0, (struct rect){ top, 1, count, COLS - 2 });
	buf_clear(&b);
	int more = c->notes.count + c->notes.dropped - 1;
	if (more > 0)
		buf_printf(&b, _("Esc: read, %d more"), more);
	else
		buf_puts(&b, _("Esc: read"));
	paint(LINES - 2, 1, COLS - 2, ROLE_FAINT, TEXT_CLIP, buf_str(&b));
	lines_clear(&l);
	buf_free(&b);
	return count + 2;
}

static void draw_too_small(void)
{
	struct lines l = { .width = COLS };
	if (l.width < 16)
		l.width = 16;
	lines_addf(&l, ROLE_NORMAL, NULL,
	        _("usher needs %dx%d, this is %dx%d. Make the window larger, or q to leave."), COLUMNS_LEAST,
	        LINES_LEAST, COLS, LINES);
	paint_lines(&l, 0, (struct rect){ 0, 0, LINES, COLS });
	lines_clear(&l);
}

bool frame_too_small(void)
{
	return COLS < COLUMNS_LEAST || LINES < LINES_LEAST;
}

void frame_draw(struct console *c)
{
	struct screen *s = console_screen(c);
	erase();
	curs_set((c->prompt.ops || dialog_has_cursor(&c->dialog)) && !frame_too_small());
	if (frame_too_small()) {
		theme_fade(false);
		draw_too_small();
		refresh();
		return;
	}
	theme_fade(c->down);
	draw_bar(c);
	draw_second_line(c);
	int foot = c->prompt.ops ? PROMPT_HEIGHT : c->notes.count ? draw_notes(c) : 0;
	foot += jobs_draw(c, LINES - 2 - foot);
	c->list = NULL;
	s->draw(s->state, c, (struct rect){ 2, 0, LINES - 3 - foot, COLS });
	if (c->prompt.ops)
		draw_prompt_footer();
	else
		draw_footer(c, s->scope(s->state));
	if (c->help)
		help_draw(c);
	if (c->journal.open)
		journal_draw(c);
	if (c->prompt.ops) /* last: the terminal's cursor stays in it */
		prompt_draw(&c->prompt, LINES - 1 - PROMPT_HEIGHT);
	if (c->dialog.kind != DIALOG_NONE)
		dialog_draw(&c->dialog);
	refresh();
}
