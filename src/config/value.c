/* From a value's text to its field in struct config, and back: one reader a kind of key. Pure, calls
 * base only; any thread. Numbers are read and written without the locale's help, because libusher
 * may live in a program whose decimal point is a comma. */
#include "config/value.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/language.h"
#include "base/mask.h"
#include "base/mem.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>

#define WORDS_MAX 400 /* bytes of what value_allowed writes */
#define SHOWN_MAX 60  /* bytes of a bad value that its message repeats */
#define DIGITS_MAX 15 /* of a number: what a double holds exactly */

static void *field(const struct config *config, const struct config_key *key)
{
	return (char *)config + key->offset;
}

char **value_text(const struct config *config, const struct config_key *key)
{
	return field(config, key);
}

void value_free(struct config *config, const struct config_key *key)
{
	char **text = value_text(config, key);

	if (*text && (key->flags & SECRET))
		mem_wipe(*text, strlen(*text));
	free(*text);
	*text = NULL;
}

/* -- Reading ------------------------------------------------------------------------------------ */

/* "12", "0.25": digits with at most one point between them. */
static bool number_read(const char *text, bool fraction, double *ret)
{
	double value = 0, scale = 1;
	int digits = 0;
	bool point = false;

	for (const char *c = text; *c; c++) {
		if (*c == '.' && fraction && !point && c > text && c[1]) {
			point = true;
			continue;
		}
		if (*c < '0' || *c > '9' || ++digits > DIGITS_MAX)
			return false;
		value = value * 10 + (*c - '0');
		if (point)
			scale *= 10;
	}
	if (!digits)
		return false;
	*ret = value / scale;
	return true;
}

/* "4096", "64K", "10M", "1G": bytes, by powers of 1024. */
static bool size_read(const char *text, double *ret)
{
	static const char units[] = "KMG";
	size_t len = strlen(text);
	const char *unit = len ? strchr(units, text[len - 1]) : NULL;
	char digits[DIGITS_MAX + 1];

	if (len - (unit != NULL) > DIGITS_MAX)
		return false;
	utf8_copy(digits, sizeof digits, text, len - (unit != NULL));
	if (!number_read(digits, false, ret))
		return false;
	for (const char *u = units; unit && u <= unit; u++)
		*ret *= 1024;
	return true;
}

/* Any of the kinds that have a range. A duration counts in ms, a size in bytes, exact in a double. */
static bool quantity_read(enum config_kind kind, const char *text, double *ret)
{
	int64_t ms;

	if (kind == KIND_SIZE)
		return size_read(text, ret);
	if (kind != KIND_DURATION)
		return number_read(text, kind == KIND_REAL, ret);
	if (duration_parse(text, &ms))
		return false;
	*ret = (double)ms;
	return true;
}

static bool in_range(const struct config_key *key, double value)
{
	char low[32];
	const char *dots = strstr(key->allowed, "..");
	double min = 0, max = 0;

	utf8_copy(low, sizeof low, key->allowed, (size_t)(dots - key->allowed));
	return quantity_read(key->kind, low, &min) && quantity_read(key->kind, dots + 2, &max) &&
	       value >= min && value <= max;
}

/* The position of the word in "a|b|c"; -1 when it is none. With `begins`, of the word it begins with. */
static int word_find(const char *words, const char *text, bool begins)
{
	int position = 0;

	for (const char *word = words; word; position++) {
		const char *bar = strchr(word, '|');
		size_t len = bar ? (size_t)(bar - word) : strlen(word);
		if (strncmp(text, word, len) == 0 && (begins ? text[len] != '\0' : text[len] == '\0'))
			return position;
		word = bar ? bar + 1 : NULL;
	}
	return -1;
}

static bool name_valid(const char *text)
{
	for (const char *c = text; *c; c++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_", *c))
			return false;
	return strlen(text) <= CONFIG_NAME_MAX;
}

/* A queue's or topic's; .fifo counts, as SQS has it. */
static bool queue_name_valid(const char *text)
{
	size_t len = strlen(text), suffix = strlen(".fifo");
	char name[CONFIG_NAME_MAX + 1];

	if (len > CONFIG_NAME_MAX)
		return false;
	if (len <= suffix || strcmp(text + len - suffix, ".fifo") != 0)
		return name_valid(text);
	snprintf(name, sizeof name, "%.*s", (int)(len - suffix), text);
	return name_valid(name);
}

/* NAME, or arn:PARTITION:sns:REGION:ACCOUNT:NAME */
static bool topic_valid(const char *text)
{
	const char *name = text;
	int colons = 0;

	if (strncmp(text, "arn:", 4) != 0)
		return queue_name_valid(text);
	for (const char *c = text; *c; c++)
		if (*c == ':') {
			colons++;
			name = c + 1;
		}
	return colons == 5 && strstr(text, ":sns:") && *name && !strpbrk(text, " \t") &&
	       queue_name_valid(name);
}

/* 127.0.0.1:9464, localhost:9464, [::1]:9464: what answers there is not protected by anything else. */
static bool listen_valid(const char *text)
{
	static const char *const hosts[] = { "127.0.0.1:", "localhost:", "[::1]:" };
	double port;

	for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
		size_t len = strlen(hosts[i]);
		if (strncmp(text, hosts[i], len) == 0)
			return number_read(text + len, false, &port) && port >= 1 && port <= 65535;
	}
	return false;
}

/* A password inside a URL would be shown wherever the URL is. */
static bool url_valid(const char *text, const char *schemes)
{
	const char *host = strstr(text, "://");

	if (word_find(schemes, text, true) < 0 || strpbrk(text, " \t\"<>"))
		return false;
	return !host || !memchr(host + 3, '@', strcspn(host + 3, "/?#"));
}

/* "http://a, http://b" */
static bool urls_valid(const char *text, const char *schemes)
{
	int count = 0;
	bool good = true;

	for (const char *item = text; good && item; count++) {
		size_t len = strcspn(item, ",");
		const char *next = item[len] ? item + len + 1 : NULL;
		for (; len && *item == ' '; len--)
			item++;
		while (len && item[len - 1] == ' ')
			len--;
		char *url = mem_stringn(item, len);
		good = url_valid(url, schemes);
		free(url);
		item = next;
	}
	return good && count <= CONFIG_LIST_MAX;
}

static bool address_valid(const char *text)
{
	const char *open = strchr(text, '<');
	const char *start = open ? open + 1 : text;
	size_t len = open ? strcspn(start, ">") : strlen(start);
	const char *at = memchr(start, '@', len);

	if (open && strcmp(start + len, ">") != 0)
		return false;
	return at && at > start && at < start + len - 1 &&
	       !memchr(at + 1, '@', len - (size_t)(at + 1 - start)) && !memchr(start, ' ', len) &&
	       !memchr(start, ',', len);
}

/* "ops, log": names of sections, whichever there are. */
static bool names_valid(const char *text)
{
	return strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_, ") == strlen(text);
}

/* "birthday, 주소": what mask.h can keep. */
static bool words_valid(const char *text)
{
	for (int n = 1; n <= MASK_FIELDS_MAX; n++) {
		size_t len = strcspn(text, ",");

		if (len == strspn(text, " \t") || len > MASK_FIELD_NAME_MAX)
			return false;
		if (text[len] == '\0')
			return true;
		text += len + 1;
	}
	return false;
}

static bool text_fits(const struct config_key *key, const char *text)
{
	switch (key->kind) {
	case KIND_NAME:
		return name_valid(text);
	case KIND_QUEUE:
		return queue_name_valid(text);
	case KIND_TOPIC:
		return topic_valid(text);
	case KIND_URL:
		return url_valid(text, key->allowed);
	case KIND_URLS:
		return urls_valid(text, key->allowed);
	case KIND_SOCKET:
		return strlen(text) <= CONFIG_SOCKET_MAX;
	case KIND_LISTEN:
		return listen_valid(text);
	case KIND_ADDRESS:
		return address_valid(text);
	case KIND_METRIC:
		return alarm_metric_by_name(text, &(enum alarm_metric){ 0 });
	case KIND_NAMES:
		return names_valid(text);
	case KIND_WORDS:
		return words_valid(text);
	case KIND_CHOICE:
		return word_find(key->allowed, text, false) >= 0;
	default:
		return true;
	}
}

/* What no value may be, whatever its kind: it would end up in headers, log lines or SQL. */
static int text_check(const char *text, struct usher_error *err)
{
	size_t len = strlen(text);

	if (len > CONFIG_VALUE_MAX)
		return error_set(err, USHER_EINVAL, "the value has %zu bytes; at most %d are allowed", len,
		        CONFIG_VALUE_MAX);
	if (!utf8_valid(text, len))
		return error_set(err, USHER_EINVAL, "the value is not valid UTF-8; save the file as UTF-8");
	for (const char *c = text; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			return error_set(err, USHER_EINVAL,
			        "the value holds a control character (0x%02x); remove it", *c);
	return 0;
}

/* The bad value as its error may repeat it: no secret, and no login that somebody put into a URL. */
static void show_refused(const struct config_key *key, const char *text, char shown[SHOWN_MAX])
{
	bool url = key->kind == KIND_URL || key->kind == KIND_URLS;
	const char *rest = key->flags & SECRET ? "" : url ? strrchr(text, '@') : NULL;
	struct buf whole = BUF(CONFIG_VALUE_MAX * 2);

	buf_puts(&whole, rest ? "..." : "");
	buf_puts(&whole, rest ? rest : text);
	utf8_copy(shown, SHOWN_MAX, buf_str(&whole), whole.len);
	buf_free(&whole);
}

static int refuse(const struct config_key *key, const char *text, struct usher_error *err)
{
	char shown[SHOWN_MAX];
	struct buf allowed = BUF(WORDS_MAX);
	bool comment = strstr(text, " ;") || strstr(text, " #");

	show_refused(key, text, shown);
	value_allowed(&allowed, key);
	error_set(err, USHER_EINVAL, "\"%s\" is not allowed; use %s%s", shown, buf_str(&allowed),
	        comment ? _(" (a comment needs a line of its own)") : "");
	buf_free(&allowed);
	return USHER_EINVAL;
}

static int store_text(
        struct config *config, const struct config_key *key, const char *text, struct usher_error *err)
{
	char **value = value_text(config, key);

	if (!*text && (key->flags & NEEDED))
		return error_set(err, USHER_EINVAL,
		        "it may not be empty; leave the key out for the default \"%s\"", key->value);
	if (*text && !text_fits(key, text))
		return refuse(key, text, err);
	value_free(config, key);
	*value = *text ? mem_string(text) : NULL;
	return 0;
}

static int store_number(
        struct config *config, const struct config_key *key, const char *text, struct usher_error *err)
{
	double value;

	if (!quantity_read(key->kind, text, &value) || !in_range(key, value))
		return refuse(key, text, err);
	if (key->kind == KIND_INT)
		*(int *)field(config, key) = (int)value;
	else if (key->kind == KIND_REAL)
		*(double *)field(config, key) = value;
	else
		*(int64_t *)field(config, key) = (int64_t)value;
	return 0;
}

int value_store(
        struct config *config, const struct config_key *key, const char *text, struct usher_error *err)
{
	int word, code = text_check(text, err);

	if (code)
		return code;
	switch (key->kind) {
	case KIND_WORD:
		word = word_find(key->allowed, text, false);
		if (word < 0)
			return refuse(key, text, err);
		*(int *)field(config, key) = word;
		return 0;
	case KIND_BOOL:
		word = word_find("yes|no|true|false|on|off|1|0", text, false);
		if (word < 0)
			return refuse(key, text, err);
		*(bool *)field(config, key) = word % 2 == 0;
		return 0;
	case KIND_INT:
	case KIND_REAL:
	case KIND_DURATION:
	case KIND_SIZE:
		return store_number(config, key, text, err);
	default:
		return store_text(config, key, text, err);
	}
}

int value_check(const struct config_key *key, const char *text, struct usher_error *err)
{
	int code = text_check(text, err);

	return code || text_fits(key, text) ? code : refuse(key, text, err);
}

/* -- Writing ------------------------------------------------------------------------------------ */

static void word_format(struct buf *out, const char *words, int position)
{
	while (position-- > 0)
		words = strchr(words, '|') + 1;
	buf_add(out, words, strcspn(words, "|"));
}

static void real_format(struct buf *out, double value)
{
	char text[32];

	snprintf(text, sizeof text, "%.10g", value);
	for (char *c = text; *c; c++)
		if (*c == ',')
			*c = '.';
	buf_puts(out, text);
}

/* The largest unit that divides exactly. */
static void size_format(struct buf *out, int64_t bytes)
{
	static const char units[] = "KMG";
	size_t unit = 0;

	while (bytes && bytes % 1024 == 0 && unit < sizeof units - 1) {
		bytes /= 1024;
		unit++;
	}
	buf_printf(out, "%lld%.*s", (long long)bytes, unit > 0, unit ? &units[unit - 1] : "");
}

void value_format(struct buf *out, const struct config *config, const struct config_key *key)
{
	char text[DURATION_TEXT_SIZE];

	switch (key->kind) {
	case KIND_WORD:
		word_format(out, key->allowed, *(int *)field(config, key));
		break;
	case KIND_BOOL:
		buf_puts(out, *(bool *)field(config, key) ? "yes" : "no");
		break;
	case KIND_INT:
		buf_printf(out, "%d", *(int *)field(config, key));
		break;
	case KIND_REAL:
		real_format(out, *(double *)field(config, key));
		break;
	case KIND_DURATION:
		buf_puts(out, duration_format(*(int64_t *)field(config, key), text));
		break;
	case KIND_SIZE:
		size_format(out, *(int64_t *)field(config, key));
		break;
	default:
		if (!*value_text(config, key))
			buf_puts(out, "(not set)");
		else
			buf_puts(out, (key->flags & SECRET) ? "(set)" : *value_text(config, key));
	}
}
