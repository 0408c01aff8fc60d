/* Commands: every key's action by its name, and those that take arguments, out of the one table, keys.def.
 * What is not offered is not done: a command has the scope and the rights of its row. Main thread. */
#include "finder.h"
#include "screen.h"
#include "views.h"

#include "base/error.h"
#include "base/json.h"
#include "base/language.h"
#include "base/mem.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define NAME_MAX_BYTES 32

struct command {
	unsigned scopes;
	bool acts;
	const char *name, *args, *help;
	void (*run)(struct console *c, char *args);
};

/* -- What they do --------------------------------------------------------------------------------------- */

static void run_OPEN(struct console *c, char *args)
{
	console_open_detail(c, args);
}

static void run_FILTER(struct console *c, char *args)
{
	history_add(&c->filter_history, args);
	failed_show_filter(c, args, NULL);
}

static void run_SORT(struct console *c, char *args)
{
	struct view view;
	failed_view(c, &view);
	snprintf(view.sort, sizeof view.sort, "%s", args);
	view.grouped = false;
	failed_show(c, &view);
}

static void say_error(struct console *c, const struct usher_error *err)
{
	struct buf b = BUF(USHER_ERROR_MESSAGE_MAX);
	error_print(err, &b);
	note_add(c, ROLE_BAD, "%s", buf_str(&b));
	buf_free(&b);
}

static void run_VIEW(struct console *c, char *args)
{
	struct usher_error err = { 0 };
	OWNED struct views *views = mem_alloc(sizeof *views);
	int code = views_read(views, &err);
	const struct view *view = code == 0 ? views_find(views, args) : NULL;
	if (view)
		failed_show(c, view);
	else if (code != 0)
		say_error(c, &err);
	else
		note_add(c, ROLE_WARN,
		        _("There is no view \"%s\": \":view save NAME\" keeps what Failed shows now"), args);
}

static void run_VIEW_SAVE(struct console *c, char *args)
{
	struct usher_error err = { 0 };
	struct view view;
	if (strlen(args) > VIEW_NAME_MAX || strpbrk(args, " \t")) {
		note_add(c, ROLE_WARN, _("A view's name is one word of at most %d bytes"), VIEW_NAME_MAX);
		return;
	}
	failed_view(c, &view);
	snprintf(view.name, sizeof view.name, "%s", args);
	if (views_save(&view, &err) == 0)
		note_add(c, ROLE_GOOD, _("view %s: kept"), args);
	else
		say_error(c, &err);
}

static void run_VIEW_DELETE(struct console *c, char *args)
{
	struct usher_error err = { 0 };
	if (views_delete(args, &err) == 0)
		note_add(c, ROLE_GOOD, _("view %s: forgotten"), args);
	else
		say_error(c, &err);
}

static void run_DLQ(struct console *c, char *args)
{
	const cJSON *ch;
	cJSON_ArrayForEach(ch, json_get(c->status, "channels"))
	{
		const char *name = json_string(ch, "name");
		if (name && !strcmp(name, args)) {
			dlq_show(c, args);
			return;
		}
	}
	note_add(c, ROLE_WARN, _("There is no channel \"%s\""), args);
}

/* An act on a row that was not looked at: it is fetched, so that the question shows it as it is now. */
struct by_id {
	struct console *console;
	enum act act;
};

static void on_row(void *arg, struct reply *reply)
{
	struct by_id *asked = arg;
	struct console *c = asked->console;
	enum act act = asked->act;
	struct row_ref row;
	free(asked);
	console_heard(c, reply);
	if (reply->code != 0) {
		note_add(c, ROLE_BAD, "%s", reply->message);
	} else if (c->dialog.kind != DIALOG_NONE || c->prompt.ops) {
		note_add(c, ROLE_WARN, _("The row is known by now, but you went on: give the command again"));
	} else {
		row_ref_of(reply->json, &row);
		acts_ask(c, act, &row, 1);
	}
}

static void act_by_id(struct console *c, enum act act, const char *id)
{
	struct buf path = BUF(4096);
	if (!acts_may(c))
		return;
	struct by_id *asked = mem_alloc(sizeof *asked);
	*asked = (struct by_id){ c, act };
	buf_puts(&path, "/v1/failed");
	path_segment(&path, id);
	client_start(c->client, buf_str(&path), NULL, CLIENT_READ_MS, on_row, asked);
	buf_free(&path);
}

static void run_REDRIVE(struct console *c, char *args)
{
	act_by_id(c, ACT_REDRIVE, args);
}

static void run_CANCEL(struct console *c, char *args)
{
	act_by_id(c, ACT_CANCEL, args);
}

static void run_RESTORE(struct console *c, char *args)
{
	act_by_id(c, ACT_RESTORE, args);
}

static void run_PAUSE(struct console *c, char *args)
{
	const char *channel = strsep(&args, " ");
	while (args && *args == ' ')
		args++;
	if (!args || !*args)
		note_add(c, ROLE_WARN, _("A pause wants a reason, for everybody to see: pause %s REASON"),
		        channel);
	else
		pause_send(c, channel, false, args);
}

static void run_RESUME(struct console *c, char *args)
{
	pause_send(c, args, true, NULL);
}

static const struct command commands[] = {
#define KEY(...)
#define COMMAND(where, id, acts, name, args, help) { SCOPES_##where, acts, name, args, help, run_##id },
#include "keys.def"
#undef KEY
#undef COMMAND
};

/* -- Finding them -----------------------------------------------------------------------------------------
 */

static void key_name(const struct key_row *k, char out[NAME_MAX_BYTES])
{
	size_t n = 0;
	for (; n < NAME_MAX_BYTES - 1 && k->name[n]; n++)
		out[n] = (char)(k->name[n] == '_' ? '-' : tolower((unsigned char)k->name[n]));
	out[n] = '\0';
}

static bool offered(const struct console *c, unsigned scopes, bool acts)
{
	struct screen *s =
	        c->in_detail ? (struct screen *)&c->detail : (struct screen *)&c->screens[c->current];
	return (scopes & s->scope(s->state)) && !(acts && c->read_only);
}

/* The command that the text begins with, and in *ret_args what follows; the longest name wins. */
static const struct command *find_command(const char *text, const char **ret_args)
{
	const struct command *found = NULL;
	size_t most = 0;
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		size_t len = strlen(commands[i].name);
		if (strncmp(text, commands[i].name, len) != 0 || (text[len] != ' ' && text[len]) ||
		        len <= most)
			continue;
		most = len;
		found = &commands[i];
		*ret_args = text + len + strspn(text + len, " ");
	}
	return found;
}

static const struct key_row *find_key(const struct console *c, const char *name)
{
	char known[NAME_MAX_BYTES];
	for (int i = 0; i < key_row_count; i++) {
		key_name(&key_rows[i], known);
		if (!strcmp(known, name) && offered(c, key_rows[i].scopes, false))
			return &key_rows[i];
	}
	return NULL;
}

/* -- Completion -------------------------------------------------------------------------------------------
 */

static void offer_names(struct console *c, const char *word, struct offers *ret)
{
	char text[NAME_MAX_BYTES + 2];
	struct buf help = BUF(1024);
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		if (!offered(c, commands[i].scopes, commands[i].acts))
			continue;
		snprintf(text, sizeof text, "%s ", commands[i].name);
		buf_clear(&help);
		buf_printf(&help, "%s: %s", commands[i].args, _(commands[i].help));
		offer_if(ret, word, text, buf_str(&help));
	}
	for (int i = 0; i < key_row_count; i++) {
		const struct key_row *k = &key_rows[i];
		if (!offered(c, k->scopes, k->acts))
			continue;
		key_name(k, text);
		buf_clear(&help);
		buf_printf(&help, "%s   (%s)", _(k->help), k->shown);
		offer_if(ret, word, text, buf_str(&help));
	}
	buf_free(&help);
}

static void offer_channels(const struct console *c, const char *word, const char *help, struct offers *ret)
{
	const cJSON *ch;
	cJSON_ArrayForEach(ch, json_get(c->status, "channels"))
	{
		const char *name = json_string(ch, "name");
		if (name)
			offer_if(ret, word, name, help);
	}
}

static void offer_views(const char *word, struct offers *ret)
{
	struct usher_error err = { 0 };
	OWNED struct views *views = mem_alloc(sizeof *views);
	if (views_read(views, &err) != 0)
		return;
	for (int i = 0; i < views->count; i++)
		offer_if(ret, word, views->items[i].name, views->items[i].filter);
}

static void offer_filter(struct console *c, const char *args, struct offers *ret)
{
	finder_want_keys(c);
	filter_offers(c->filter_keys, args, ret);
}

static void offer_arguments(
        struct console *c, const struct command *command, const char *args, struct offers *ret)
{
	if (!strncmp(command->args, "CHANNEL", 7) && !strchr(args, ' '))
		offer_channels(c, args, _(command->help), ret);
	else if (!strcmp(command->args, "COLUMN"))
		finder_offer_sorts(args, ret);
	else if (!strcmp(command->args, "FILTER"))
		offer_filter(c, args, ret);
	else if (!strcmp(command->args, "NAME"))
		offer_views(args, ret);
	if (ret->count > 0)
		return;
	ret->from = 0; /* nothing to choose from: what is wanted is told */
	offer_add(ret, args, _(command->help));
}

static void palette_offer(void *arg, struct console *c, const char *before, struct offers *ret)
{
	const char *args = NULL;
	const struct command *command = find_command(before, &args);
	(void)arg;
	offer_names(c, before, ret);
	if (!command || args == before + strlen(command->name))
		return;
	char *front = mem_stringn(before, (size_t)(args - before));
	int from = (int)mbstowcs(NULL, front, 0);
	free(front);
	offer_arguments(c, command, args, ret);
	ret->from += from;
}

/* -- Running
 * -------------------------------------------------------------------------------------------------- */

static void refuse(struct console *c, const struct command *command, const char *text)
{
	if (command && command->acts && c->read_only)
		note_add(c, ROLE_WARN, _("This console is read-only: it looks and does not act"));
	else if (command)
		note_add(c, ROLE_WARN, _("%s wants %s: %s"), command->name, command->args, _(command->help));
	else
		note_add(c, ROLE_WARN, _("There is no command \"%s\" here: Tab shows those there are"), text);
}

static void palette_taken(void *arg, struct console *c, const char *text)
{
	const char *args = NULL;
	(void)arg;
	text += strspn(text, " ");
	char *copy = mem_string(text);
	for (size_t len = strlen(copy); len > 0 && copy[len - 1] == ' '; len--)
		copy[len - 1] = '\0';
	const struct command *command = find_command(copy, &args);
	const struct key_row *key = find_key(c, copy);
	if (!*copy) {
		/* nothing is wanted */
	} else if (command && *args && offered(c, command->scopes, command->acts)) {
		journal_add(c, ROLE_GOOD, ":%s", copy);
		command->run(c, copy + (args - copy));
	} else if (key) {
		console_act(c, key->action);
	} else {
		refuse(c, command, copy);
	}
	free(copy);
}

static const struct prompt_ops palette = {
	.mark = ":",
	.empty = N_("a command; Tab completes its name and what it takes"),
	.offer = palette_offer,
	.taken = palette_taken,
};

void palette_open(struct console *c)
{
	prompt_open(c, &palette, (void *)&palette, &c->command_history, "");
}
