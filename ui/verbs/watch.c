/* --watch: the same look again and again. A terminal is drawn anew each time; a pipe gets what is new or has
 * changed, and nothing else; see listing.h. */
#include "listing.h"

#include "../text.h"

#include "base/json.h"
#include "base/mem.h"

#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define EVERY_DEFAULT_MS 2000
#define EVERY_MIN_MS 200
#define EVERY_MAX_MS 86400000
#define AWAY_MAX_MS 30000 /* between two looks while the daemon does not answer */
#define LINES_BESIDE 4    /* of a screen: its own line, the table's header, "there is more", the cursor's */
#define HASH_START 14695981039346656037ull
#define HASH_PRIME 1099511628211ull

int watch_every(const struct verb_call *call, int *ret_ms)
{
	const char *text = call->option[OPT_WATCH];
	int64_t ms = EVERY_DEFAULT_MS;
	char *end;
	if (text && *text) {
		double seconds = strtod(text, &end);
		if (!*end && isfinite(seconds) && seconds * 1000 <= EVERY_MAX_MS)
			ms = (int64_t)(seconds * 1000);
		else if (duration_parse(text, &ms) != 0)
			ms = 0;
		if (ms < EVERY_MIN_MS || ms > EVERY_MAX_MS) {
			usage_error(call,
			        _("--watch takes seconds from 0.2 to 86400, such as --watch=5, not \"%s\""),
			        text);
			return EXIT_USAGE;
		}
	}
	*ret_ms = (int)ms;
	return 0;
}

/* -- What has changed ---------------------------------------------------------------------------------- */

static uint64_t hash_add(uint64_t hash, const char *text)
{
	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * HASH_PRIME;
	return (hash ^ '\n') * HASH_PRIME;
}

/* Of what an item says itself; what it holds of others (when its copy was last seen, who was told) changes
 * without news. */
static uint64_t hash_of(const cJSON *item)
{
	uint64_t hash = HASH_START;
	const cJSON *member;
	cJSON_ArrayForEach(member, item)
	{
		if (cJSON_IsObject(member) || cJSON_IsArray(member))
			continue;
		OWNED char *value = json_print(member);
		hash = hash_add(hash_add(hash, member->string), value);
	}
	return hash;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

void watch_keep_changed(struct watch *w, cJSON *items)
{
	size_t count = (size_t)cJSON_GetArraySize(items), n = 0;
	uint64_t *now = mem_array(count + 1, sizeof *now);
	for (cJSON *item = items ? items->child : NULL, *next; item; item = next) {
		next = item->next;
		now[n] = hash_of(item);
		if (w->seen && bsearch(&now[n], w->seen, w->seen_count, sizeof *now, compare))
			cJSON_Delete(cJSON_DetachItemViaPointer(items, item));
		n++;
	}
	qsort(now, n, sizeof *now, compare);
	free(w->seen);
	w->seen = now;
	w->seen_count = n;
}

/* The bytes of the unit of time that a text begins with; 0 where it begins with none. */
static size_t unit_length(const char *text)
{
	/* TRANSLATORS: the units of spans such as "1m 40s", with blanks between them. */
	for (const char *unit = _("s m h d"); *unit;) {
		size_t len = strcspn(unit, " ");
		if (!strncmp(text, unit, len))
			return len;
		unit += len;
		unit += strspn(unit, " ");
	}
	return 0;
}

bool watch_says_the_same(struct watch *w, const char *text)
{
	uint64_t hash = HASH_START;
	while (*text) {
		size_t digits = strspn(text, "0123456789"), unit = digits ? unit_length(text + digits) : 0;
		if (!unit) /* "40s" is a minute later "1m 40s", and still the same news */
			hash = (hash ^ (unsigned char)*text) * HASH_PRIME;
		text += unit ? digits + unit : 1;
		while (unit && *text == ' ')
			text++;
	}
	bool same = w->round > 0 && w->said == hash;
	w->said = hash;
	return same;
}

/* -- Again and again ------------------------------------------------------------------------------------- */

static bool is_screen(void)
{
	const char *term = getenv("TERM");
	return isatty(STDOUT_FILENO) && term && *term && strcmp(term, "dumb") != 0;
}

int watch_screen_rows(const struct watch *w)
{
	struct winsize size;
	if (!w || !w->screen || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0)
		return 0;
	return size.ws_row > LINES_BESIDE + 1 ? size.ws_row - LINES_BESIDE : 1;
}

static void draw_head(const struct verb_call *call, int every_ms)
{
	struct buf b = BUF(256);
	format_when(&b, call->now, WHEN_CLOCK, call->now);
	printf("\033[H\033[J");
	print_clean(stdout, _("usher %s, every %gs: %s"), call->verb->name, every_ms / 1000.0, buf_str(&b));
	fflush(stdout); /* what is said beside the table comes below it */
	buf_free(&b);
}

/* A daemon that is away may come back; what was wrong from the beginning stays wrong. */
static bool goes_on(const struct watch *w, int status)
{
	return status == EXIT_DONE || status == EXIT_UNREACHABLE || (status == EXIT_FAILED && w->round > 0);
}

/* Longer and longer while there is no answer. */
static int next_wait(int status, int wait_ms, int every_ms)
{
	if (status == EXIT_DONE || every_ms >= AWAY_MAX_MS)
		return every_ms;
	return wait_ms * 2 < AWAY_MAX_MS ? wait_ms * 2 : AWAY_MAX_MS;
}

static int watch_on(
        struct verb_call *call, struct watch *w, int every_ms, int (*once)(struct verb_call *call))
{
	int wait_ms = every_ms;
	for (;;) {
		if (w->screen)
			draw_head(call, every_ms);
		int status = once(call);
		progress_clear(call);
		if (fflush(stdout) != 0 || ferror(stdout) || !goes_on(w, status))
			return status;
		w->round += status == EXIT_DONE;
		wait_ms = next_wait(status, wait_ms, every_ms);
		poll(NULL, 0, wait_ms);
		call->now = wall_now();
	}
}

int verb_watch(struct verb_call *call, int (*once)(struct verb_call *call))
{
	int every_ms, status;
	if (!call->option[OPT_WATCH])
		return once(call);
	if (watch_every(call, &every_ms) != 0)
		return EXIT_USAGE;
	call->watch = mem_alloc(sizeof *call->watch);
	call->watch->screen = is_screen();
	status = watch_on(call, call->watch, every_ms, once);
	free(call->watch->seen);
	free(call->watch);
	call->watch = NULL;
	return status;
}
