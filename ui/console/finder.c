/* Narrowing and sorting a list of failed rows; see finder.h. */
#include "finder.h"

#include "base/language.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

#define SORT_TITLE_WIDTH 11 /* of a title in the menu */

/* -- Sorting ----------------------------------------------------------------------------------------- */

static const struct sort {
	const char *word, *title, *help, *usual, *turned;
	bool ascending; /* usually */
	bool age;       /* the column shows how long ago: small is late */
} sorts[] = {
	{ "dead_at", N_("AGE"), N_("time of death"), N_("newest first"), N_("oldest first"), false, true },
	{ "id", N_("ID"), N_("the row's number, as they first died"), N_("newest row first"),
	        N_("oldest row first"), false, false },
	{ "status", N_("STATUS"), "", N_("by status"), N_("by status, turned round"), true, false },
	{ "channel", N_("CHANNEL"), "", N_("by channel"), N_("by channel, turned round"), true, false },
	{ "class", N_("CLASS"), "", N_("by class"), N_("by class, turned round"), true, false },
	{ "attempts", N_("TRIES"), N_("attempts"), N_("most attempts first"), N_("fewest attempts first"),
	        false, false },
	{ "redrives", "", N_("redrives"), N_("most redrives first"), N_("fewest redrives first"), false,
	        false },
	{ "recipient", N_("RECIPIENT"), "", N_("by recipient, a to z"), N_("by recipient, z to a"), true,
	        false },
	{ "user_id", N_("USER"), "", N_("by user, a to z"), N_("by user, z to a"), true, false },
};
_Static_assert(ARRAY_LEN(sorts) == SORT_COUNT, "SORT_COUNT");

static bool ascends(const struct finder *f)
{
	return sorts[f->sort].ascending != f->turned;
}

const char *finder_sort(const struct finder *f, char out[32])
{
	out[0] = '\0';
	if (f->sort || f->turned)
		snprintf(out, 32, "%s:%s", sorts[f->sort].word, ascends(f) ? "asc" : "desc");
	return out;
}

static int sort_find(const char *word, size_t len)
{
	for (size_t i = 0; i < ARRAY_LEN(sorts); i++)
		if (strlen(sorts[i].word) == len && strncmp(sorts[i].word, word, len) == 0)
			return (int)i;
	return -1;
}

void finder_set_sort(struct finder *f, const char *sort)
{
	size_t len = strcspn(sort, ":");
	int at = sort_find(sort, len);
	f->sort = at < 0 ? 0 : at;
	f->turned = at >= 0 && sort[len] && sorts[at].ascending != !strcmp(sort + len, ":asc");
}

void finder_offer_sorts(const char *word, struct offers *ret)
{
	for (size_t i = 0; i < ARRAY_LEN(sorts); i++)
		offer_if(ret, word, sorts[i].word, _(sorts[i].usual));
}

/* The same column again turns it round. */
static void sort_chosen(struct console *c, void *arg, const char *word)
{
	struct finder *f = arg;
	int at = sort_find(word, strlen(word));
	(void)c;
	f->turned = at == f->sort && !f->turned;
	f->sort = at < 0 ? 0 : at;
	f->changed(f->arg);
}

static const char *in_words(const struct finder *f)
{
	return f->turned ? _(sorts[f->sort].turned) : _(sorts[f->sort].usual);
}

/* "" is no text to look up: gettext keeps its own notes there. */
static const char *translated(const char *text)
{
	return *text ? _(text) : "";
}

/* The column's title, and beside it what it is about. */
static void fill_menu(struct finder *f)
{
	for (int i = 0; i < SORT_COUNT; i++) {
		const char *title = translated(sorts[i].title);
		struct buf shown = BUF(SORT_SHOWN_MAX);
		text_fit(&shown, title, strlen(title), SORT_TITLE_WIDTH, TEXT_LEFT);
		buf_puts(&shown, translated(sorts[i].help));
		snprintf(f->sort_shown[i], sizeof f->sort_shown[i], "%s", buf_str(&shown));
		f->sort_items[i] = (struct dialog_item){ sorts[i].word, f->sort_shown[i] };
		buf_free(&shown);
	}
}

static void sort_ask(struct finder *f)
{
	struct lines body = { .width = 68 };
	lines_addf(&body, ROLE_FAINT, NULL, _("Now: %s. The same one again turns it round; so does o."),
	        in_words(f));
	fill_menu(f);
	dialog_menu(&f->console->dialog, _("Sort by"), &body, f->sort_items, SORT_COUNT, f->sort, sort_chosen,
	        f, NULL);
}

/* -- The filter ---------------------------------------------------------------------------------------- */

void finder_set(struct finder *f, const char *filter)
{
	snprintf(f->filter, sizeof f->filter, "%s", filter);
	f->waiting = false;
}

static void put_in_force(struct finder *f, const char *filter)
{
	f->waiting = false;
	if (!strcmp(f->filter, filter))
		return;
	finder_set(f, filter);
	f->changed(f->arg);
}

void finder_fetch(struct finder *f)
{
	if (!f->waiting)
		return;
	int64_t since = mono_since_ms(f->typed_at, f->console->mono);
	if (since >= FINDER_PAUSE_MS)
		put_in_force(f, f->typed);
	else
		console_wake(f->console, (int)(FINDER_PAUSE_MS - since));
}

static void on_keys(void *arg, struct reply *reply)
{
	struct console *c = arg;
	c->filter_keys_request = 0;
	if (reply->code != 0)
		return;
	c->filter_keys = reply->json;
	reply->json = NULL;
	prompt_renew(c);
}

/* Once: they do not change while the daemon runs. */
void finder_want_keys(struct console *c)
{
	if (!c->filter_keys && !c->filter_keys_request)
		c->filter_keys_request =
		        client_start(c->client, "/v1/filter/keys", NULL, CLIENT_READ_MS, on_keys, c);
}

static void filter_offer(void *arg, struct console *c, const char *before, struct offers *ret)
{
	(void)arg;
	finder_want_keys(c);
	filter_offers(c->filter_keys, before, ret);
}

static void filter_typed(void *arg, struct console *c, const char *text)
{
	struct finder *f = arg;
	snprintf(f->typed, sizeof f->typed, "%s", text);
	f->typed_at = c->mono;
	f->waiting = strcmp(f->typed, f->filter) != 0;
}

static void filter_taken(void *arg, struct console *c, const char *text)
{
	struct finder *f = arg;
	(void)c;
	filter_plain_word(text, f->needle, sizeof f->needle);
	put_in_force(f, text);
}

static void filter_left(void *arg, struct console *c)
{
	struct finder *f = arg;
	(void)c;
	put_in_force(f, f->before);
}

static const char *filter_trouble(void *arg)
{
	const struct finder *f = arg;
	return f->list->error[0] && !f->waiting ? f->list->error : NULL;
}

static const struct prompt_ops filter_prompt = {
	.mark = "/",
	.empty = N_("KEY:VALUE terms, or how an event id, user id or recipient begins"),
	.offer = filter_offer,
	.typed = filter_typed,
	.taken = filter_taken,
	.left = filter_left,
	.trouble = filter_trouble,
};

void finder_close(struct finder *f)
{
	if (prompt_is(&f->console->prompt, f))
		prompt_close(&f->console->prompt);
}

/* -- On the screen --------------------------------------------------------------------------------------- */

void finder_add_query(const struct finder *f, struct buf *path)
{
	char sort[32];
	path_query(path, "filter", f->filter);
	path_query(path, "sort", finder_sort(f, sort));
}

void finder_describe(const struct finder *f, struct buf *out)
{
	if (f->filter[0]) {
		buf_puts(out, "  ");
		buf_printf(out, _("filter: %s"), f->filter);
	}
	if (f->sort || f->turned)
		buf_printf(out, "  %s", in_words(f));
}

void finder_draw_line(const struct buf *left, const struct buf *right, struct rect area)
{
	int width = area.width - 3;
	int wanted = text_width(buf_str(left), left->len, width),
	    used = text_width(buf_str(right), right->len, width);
	int least = wanted < width / 3 ? wanted : width / 3;
	if (used > width - least)
		used = width - least;
	paint(area.y, area.x + 1, width - used, ROLE_TITLE, TEXT_CLIP, buf_str(left));
	paint(area.y, area.x + area.width - used, used, ROLE_FAINT, TEXT_CLIP, buf_str(right));
}

static void match(struct finder *f, int step)
{
	if (!f->needle[0])
		note_add(f->console, ROLE_WARN,
		        _("There is no word to look for: / and a word without a key sets it"));
	else if (!list_select_match(f->list, f->needle, step))
		note_add(f->console, ROLE_WARN,
		        _("No row of this page shows \"%s\" (addresses, names and user ids are masked)"),
		        f->needle);
}

bool finder_key(struct finder *f, enum action action)
{
	switch (action) {
	case ACTION_SEARCH:
		snprintf(f->before, sizeof f->before, "%s", f->filter);
		prompt_open(f->console, &filter_prompt, f, &f->console->filter_history, f->filter);
		return true;
	case ACTION_SORT:
		sort_ask(f);
		return true;
	case ACTION_SORT_TURN:
		f->turned = !f->turned;
		f->changed(f->arg);
		return true;
	case ACTION_MATCH_NEXT:
	case ACTION_MATCH_BACK:
		match(f, action == ACTION_MATCH_NEXT ? 1 : -1);
		return true;
	default:
		return false;
	}
}

void finder_mark_sort(const struct finder *f, struct list *l)
{
	l->sort_title = sorts[f->sort].title;
	l->sort_up = ascends(f) != sorts[f->sort].age;
}
