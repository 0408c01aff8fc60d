/* What a key takes, in words, for errors, the manual and the sample. Pure; any thread. */
#include "config/value.h"

#include "base/language.h"
#include "base/mask.h"

#include <string.h>

#define LIST_MAX 400 /* bytes of a list of words */

/* "a|b|c" -> "a, b or c" */
static void list_words(struct buf *out, const char *words)
{
	const char *last = strrchr(words, '|');
	struct buf before = BUF(LIST_MAX);

	for (const char *c = words; last && c < last; c++) {
		if (*c == '|')
			buf_puts(&before, ", ");
		else
			buf_putc(&before, *c);
	}
	if (last)
		buf_printf(out, _("%s or %s"), buf_str(&before), last + 1);
	else
		buf_puts(out, words);
	buf_free(&before);
}

/* The metrics' names in the form of keys.def. */
static void list_metrics(struct buf *out)
{
	struct buf names = BUF(LIST_MAX);

	for (int i = 0; i < ALARM_METRIC_COUNT; i++)
		buf_printf(&names, "%s%s", i ? "|" : "", alarm_metric_info((enum alarm_metric)i)->name);
	list_words(out, buf_str(&names));
	buf_free(&names);
}

static void list_urls(struct buf *out, const struct config_key *key)
{
	struct buf schemes = BUF(LIST_MAX);

	list_words(&schemes, key->allowed);
	if (key->kind == KIND_URL)
		buf_printf(out, _("%s..., without spaces or a login"), buf_str(&schemes));
	else
		buf_printf(out, _("%s..., without spaces or a login, at most %d with commas between them"),
		        buf_str(&schemes), CONFIG_LIST_MAX);
	buf_free(&schemes);
}

void value_allowed(struct buf *out, const struct config_key *key)
{
	switch (key->kind) {
	case KIND_TEXT:
		break;
	case KIND_NAME:
		buf_printf(out, _("letters, digits, - and _, at most %d"), CONFIG_NAME_MAX);
		break;
	case KIND_QUEUE:
		buf_printf(out, _("letters, digits, - and _, at most %d; on aws also with .fifo behind"),
		        CONFIG_NAME_MAX);
		break;
	case KIND_TOPIC:
		buf_printf(out,
		        _("letters, digits, - and _, at most %d, also with .fifo behind; or the topic's ARN"),
		        CONFIG_NAME_MAX);
		break;
	case KIND_URL:
	case KIND_URLS:
		list_urls(out, key);
		break;
	case KIND_SOCKET:
		buf_printf(out, _("a path of at most %d bytes"), CONFIG_SOCKET_MAX);
		break;
	case KIND_LISTEN:
		buf_puts(out, _("127.0.0.1:PORT, localhost:PORT or [::1]:PORT"));
		break;
	case KIND_ADDRESS:
		buf_puts(out, _("a mail address, as NAME@HOST or TEXT <NAME@HOST>"));
		break;
	case KIND_METRIC:
		list_metrics(out);
		break;
	case KIND_NAMES:
		buf_puts(out, _("names with commas between them"));
		break;
	case KIND_WORDS:
		buf_printf(out, _("at most %d words of at most %d bytes, with commas between them"),
		        MASK_FIELDS_MAX, MASK_FIELD_NAME_MAX);
		break;
	case KIND_CHOICE:
	case KIND_WORD:
		list_words(out, key->allowed);
		break;
	case KIND_BOOL:
		buf_puts(out, _("yes or no"));
		break;
	case KIND_INT:
		buf_printf(out, _("a whole number %s"), key->allowed);
		break;
	case KIND_REAL:
		buf_printf(out, _("a number %s"), key->allowed);
		break;
	case KIND_DURATION:
		buf_printf(out, _("a duration with its unit, %s"), key->allowed);
		break;
	case KIND_SIZE:
		buf_printf(out, _("bytes, or K, M or G of them, %s"), key->allowed);
		break;
	}
}
