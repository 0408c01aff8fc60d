/* Reads what stands behind the method in a request line: the path and the query parameters, each by
 * one table row. Nothing wrong passes silently: an operator who mistypes a filter must not be shown
 * everything. Pure: may call base/, model/ and the names of store/failed.h; any thread. */
#include "admin/query.h"

#include "base/buf.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "engine/history.h"
#include "model/failure.h"
#include "store/failed.h"

#include <ctype.h>
#include <string.h>

/* -- The target --------------------------------------------------------------------------------- */

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Decodes in place. */
static int percent_decode(char *text, struct usher_error *err)
{
	char *out = text;
	for (const char *in = text; *in; in++) {
		unsigned char c = (unsigned char)*in;
		if (c == '%') {
			int high = hex_digit(in[1]), low = high < 0 ? -1 : hex_digit(in[2]);
			if (low < 0)
				return error_set(err, USHER_EINVAL,
				        "the request target has a %% that two hexadecimal digits do not "
				        "follow: write %%25 for "
				        "a plain %%");
			c = (unsigned char)(high << 4 | low);
			in += 2;
		}
		if (c < 0x20 || c == 0x7f)
			return error_set(err, USHER_EINVAL,
			        "the request target has a control character (%%%02X): leave it out", c);
		*out++ = (char)c;
	}
	*out = '\0';
	if (!utf8_valid(text, (size_t)(out - text)))
		return error_set(err, USHER_EINVAL, "the request target is not valid UTF-8");
	return 0;
}

static int path_split(char *path, struct target *t, struct usher_error *err)
{
	char *rest = path + 1, *segment;
	while ((segment = strsep(&rest, "/"))) {
		if (t->segments == TARGET_SEGMENTS_MAX)
			return error_set(err, USHER_ENOTFOUND,
			        "there is no such route: no path has more than %d parts",
			        TARGET_SEGMENTS_MAX);
		if (percent_decode(segment, err) < 0)
			return USHER_EINVAL;
		t->segment[t->segments++] = segment;
	}
	return 0;
}

static int parameters_split(char *text, struct target *t, struct usher_error *err)
{
	char *pair;
	while ((pair = strsep(&text, "&"))) {
		if (!*pair)
			continue;
		if (t->parameters == TARGET_PARAMETERS_MAX)
			return error_set(
			        err, USHER_EINVAL, "more than %d query parameters", TARGET_PARAMETERS_MAX);
		char *value = pair;
		strsep(&value, "=");
		if (percent_decode(pair, err) < 0 || (value && percent_decode(value, err) < 0))
			return USHER_EINVAL;
		t->parameter[t->parameters].name = pair;
		t->parameter[t->parameters++].value = value ? value : "";
	}
	return 0;
}

int target_parse(const char *uri, struct target *ret_target, struct usher_error *err)
{
	if (strlen(uri) > TARGET_MAX)
		return error_set(
		        err, USHER_ETOOBIG, "the request target is longer than %d bytes", TARGET_MAX);
	/* RFC 9112 3.2.2: a server takes the absolute form too. */
	if (strncasecmp(uri, "http://", 7) == 0) {
		uri = strchr(uri + 7, '/');
		uri = uri ? uri : "/";
	}
	if (*uri != '/')
		return error_set(err, USHER_EINVAL, "the request target does not begin with a slash");
	struct target t = { .text = mem_string(uri) };
	char *parameters = t.text;
	char *path = strsep(&parameters, "?");
	int rc = path_split(path, &t, err);
	if (rc == 0 && parameters)
		rc = parameters_split(parameters, &t, err);
	if (rc < 0) {
		target_free(&t);
		return rc;
	}
	*ret_target = t;
	return 0;
}

void target_free(struct target *target)
{
	mem_freep(&target->text);
	target->segments = target->parameters = 0;
}

/* -- Parameters --------------------------------------------------------------------------------- */

static int whole_number(const char *text, int64_t max, int64_t *ret)
{
	int64_t n = 0;
	if (!isdigit((unsigned char)*text) || (*text == '0' && text[1]))
		return USHER_EINVAL;
	for (; *text; text++) {
		if (!isdigit((unsigned char)*text))
			return USHER_EINVAL;
		int digit = *text - '0';
		if (n > (max - digit) / 10)
			return USHER_EINVAL;
		n = n * 10 + digit;
	}
	*ret = n;
	return 0;
}

int id_parse(const char *text, int64_t *ret_id, struct usher_error *err)
{
	int64_t id;
	if (whole_number(text, INT64_MAX, &id) < 0 || id == 0)
		return error_set(err, USHER_EINVAL,
		        "an id is a whole number from 1 to 9223372036854775807, as lists show it");
	*ret_id = id;
	return 0;
}

typedef int parameter_fn(const char *value, struct query *q, struct usher_error *err);

static int read_limit(const char *value, struct query *q, struct usher_error *err)
{
	int64_t n;
	if (whole_number(value, FAILED_LIMIT_MAX, &n) < 0 || n == 0)
		return error_set(
		        err, USHER_EINVAL, "limit: a whole number from 1 to %d is allowed", FAILED_LIMIT_MAX);
	q->limit = (int)n;
	return 0;
}

static int read_cursor(const char *value, struct query *q, struct usher_error *err)
{
	if (strlen(value) >= CURSOR_SIZE)
		return error_set(err, USHER_EINVAL,
		        "cursor: this is none of ours: take it from \"next\" of the page before, or leave it "
		        "out");
	q->cursor = value;
	return 0;
}

/* "x: one of a, b, c is allowed"; `name` gives the i-th word, NULL at the end. */
static int one_of(const char *parameter, const char *(*name)(int), struct usher_error *err)
{
	struct buf words = BUF(USHER_ERROR_MESSAGE_MAX);
	for (int i = 0; name(i); i++)
		buf_printf(&words, "%s%s", i ? ", " : "", name(i));
	int rc = error_set(err, USHER_EINVAL, "%s: one of %s is allowed", parameter, buf_str(&words));
	buf_free(&words);
	return rc;
}

static const char *status_word(int i)
{
	return i < FAILED_STATUS_COUNT    ? failed_status_name((enum failed_status)i)
	       : i == FAILED_STATUS_COUNT ? "any"
	                                  : NULL;
}

static const char *channel_word(int i)
{
	return i < CHANNEL_COUNT ? channel_name((enum channel_id)i) : NULL;
}

static const char *class_word(int i)
{
	return i + 1 < FAILURE_COUNT ? failure_info((enum failure_class)(i + 1))->name : NULL;
}

static int read_status(const char *value, struct query *q, struct usher_error *err)
{
	enum failed_status status;
	if (strcmp(value, "any") == 0)
		return 0;
	if (!failed_status_by_name(value, &status))
		return one_of("status", status_word, err);
	q->status = status;
	return 0;
}

int channel_parse(const char *text, int *ret_channel, struct usher_error *err)
{
	enum channel_id channel;
	if (!channel_by_name(text, &channel))
		return one_of("channel", channel_word, err);
	*ret_channel = channel;
	return 0;
}

int class_parse(const char *text, int *ret_class, struct usher_error *err)
{
	enum failure_class class = failure_by_name(text);
	if (class == FAILURE_NONE)
		return one_of("class", class_word, err);
	*ret_class = class;
	return 0;
}

static int read_channel(const char *value, struct query *q, struct usher_error *err)
{
	return channel_parse(value, &q->channel, err);
}

static int read_class(const char *value, struct query *q, struct usher_error *err)
{
	return class_parse(value, &q->class, err);
}

static int read_text(const char *value, struct query *q, struct usher_error *err)
{
	if (strlen(value) > QUERY_TEXT_MAX)
		return error_set(err, USHER_EINVAL, "q: longer than %d bytes", QUERY_TEXT_MAX);
	q->text = value;
	return 0;
}

static int read_since(const char *value, struct query *q, struct usher_error *err)
{
	if (wall_parse(value, &q->since) < 0)
		return error_set(
		        err, USHER_EINVAL, "since: a time like 2026-11-22T21:23:11Z is allowed (RFC 3339)");
	return 0;
}

/* Columns are named as in the answer. first_at is the order of the ids. */
static const struct {
	const char *name;
	enum failed_sort sort;
	bool ascending; /* unless said otherwise */
} sorts[] = {
	{ "newest", FAILED_BY_DEAD_AT, false },
	{ "oldest", FAILED_BY_DEAD_AT, true },
	{ "dead_at", FAILED_BY_DEAD_AT, false },
	{ "first_at", FAILED_BY_ID, false },
	{ "id", FAILED_BY_ID, false },
	{ "status", FAILED_BY_STATUS, true },
	{ "channel", FAILED_BY_CHANNEL, true },
	{ "class", FAILED_BY_CLASS, true },
	{ "attempts", FAILED_BY_ATTEMPTS, false },
	{ "redrives", FAILED_BY_REDRIVES, false },
	{ "recipient", FAILED_BY_RECIPIENT, true },
	{ "user_id", FAILED_BY_USER, true },
};

static const char *sort_word(int i)
{
	return i < (int)ARRAY_LEN(sorts) ? sorts[i].name : NULL;
}

static int read_sort(const char *value, struct query *q, struct usher_error *err)
{
	size_t len = strcspn(value, ":");
	const char *direction = value + len;
	for (size_t i = 0; i < ARRAY_LEN(sorts); i++) {
		if (strlen(sorts[i].name) != len || memcmp(sorts[i].name, value, len) != 0)
			continue;
		q->sort = sorts[i].sort;
		q->oldest_first = sorts[i].ascending;
		if (*direction && strcmp(direction, ":asc") != 0 && strcmp(direction, ":desc") != 0)
			return error_set(err, USHER_EINVAL, "sort: behind %s, :asc or :desc is allowed",
			        sorts[i].name);
		if (*direction)
			q->oldest_first = strcmp(direction, ":asc") == 0;
		return 0;
	}
	return one_of("sort", sort_word, err);
}

static int read_filter(const char *value, struct query *q, struct usher_error *err)
{
	if (strlen(value) > FILTER_TEXT_MAX)
		return error_set(err, USHER_EINVAL, "filter: longer than %d bytes", FILTER_TEXT_MAX);
	q->filter = value;
	return 0;
}

static int read_waiting(const char *value, struct query *q, struct usher_error *err)
{
	q->waiting_only = strcmp(value, "true") == 0;
	if (!q->waiting_only && strcmp(value, "false") != 0)
		return error_set(err, USHER_EINVAL, "waiting: one of true, false is allowed");
	return 0;
}

static int read_target(const char *value, struct query *q, struct usher_error *err)
{
	if (strlen(value) > QUERY_AUDIT_TARGET_MAX)
		return error_set(err, USHER_EINVAL, "target: longer than %d bytes; write it like failed/42",
		        QUERY_AUDIT_TARGET_MAX);
	q->target = value;
	return 0;
}

static int read_minutes(const char *value, struct query *q, struct usher_error *err)
{
	int64_t n;
	if (whole_number(value, HISTORY_MINUTES, &n) < 0)
		return error_set(err, USHER_EINVAL, "minutes: a whole number from 0 to %d is allowed",
		        HISTORY_MINUTES);
	q->minutes = (int)n;
	return 0;
}

static int read_key(const char *value, struct query *q, struct usher_error *err)
{
	if (strlen(value) > QUERY_KEY_MAX)
		return error_set(err, USHER_EINVAL,
		        "key: longer than %d bytes; write it like channel.email.rate", QUERY_KEY_MAX);
	q->key = value;
	return 0;
}

static int read_from(const char *value, struct query *q, struct usher_error *err)
{
	return id_parse(value, &q->from, err);
}

static int read_to(const char *value, struct query *q, struct usher_error *err)
{
	return id_parse(value, &q->to, err);
}

static const struct {
	const char *name;
	unsigned flag;
	parameter_fn *read;
} parameters[] = {
	{ "limit", QUERY_LIMIT, read_limit },
	{ "cursor", QUERY_CURSOR, read_cursor },
	{ "status", QUERY_STATUS, read_status },
	{ "channel", QUERY_CHANNEL, read_channel },
	{ "class", QUERY_CLASS, read_class },
	{ "q", QUERY_TEXT, read_text },
	{ "since", QUERY_SINCE, read_since },
	{ "filter", QUERY_FILTER, read_filter },
	{ "sort", QUERY_SORT, read_sort },
	{ "waiting", QUERY_WAITING, read_waiting },
	{ "target", QUERY_TARGET, read_target },
	{ "minutes", QUERY_MINUTES, read_minutes },
	{ "key", QUERY_KEY, read_key },
	{ "from", QUERY_FROM, read_from },
	{ "to", QUERY_TO, read_to },
};

static int unknown_parameter(const char *name, unsigned allowed, struct usher_error *err)
{
	struct buf words = BUF(USHER_ERROR_MESSAGE_MAX);
	for (size_t i = 0; i < ARRAY_LEN(parameters); i++)
		if (parameters[i].flag & allowed)
			buf_printf(&words, "%s%s", words.len ? ", " : "", parameters[i].name);
	int rc = error_set(err, USHER_EINVAL, "there is no query parameter \"%.40s\" here; known: %s", name,
	        words.len ? buf_str(&words) : "none");
	buf_free(&words);
	return rc;
}

int query_parse(
        const struct target *target, unsigned allowed, struct query *ret_query, struct usher_error *err)
{
	struct query q = {
		.limit = QUERY_LIMIT_DEFAULT, .cursor = "", .status = -1, .channel = -1, .class = -1
	};
	unsigned seen = 0;
	for (size_t p = 0; p < target->parameters; p++) {
		const char *name = target->parameter[p].name, *value = target->parameter[p].value;
		size_t i = 0;
		while (i < ARRAY_LEN(parameters) &&
		        !((parameters[i].flag & allowed) && strcmp(parameters[i].name, name) == 0))
			i++;
		if (i == ARRAY_LEN(parameters))
			return unknown_parameter(name, allowed, err);
		if (seen & parameters[i].flag)
			return error_set(err, USHER_EINVAL, "%s: given twice", name);
		seen |= parameters[i].flag;
		if (*value && parameters[i].read(value, &q, err) < 0)
			return USHER_EINVAL;
	}
	*ret_query = q;
	return 0;
}
