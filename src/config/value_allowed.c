/* What a key takes, in words, for errors, the manual and the sample. Pure; any thread. */
#include "config/value.h"

#include "base/mask.h"

#include <string.h>

/* "a|b|c" -> "a, b or c" */
static void list_words(struct buf *out, const char *words)
{
	for (const char *word = words; word;) {
		const char *bar = strchr(word, '|');
		size_t len = bar ? (size_t)(bar - word) : strlen(word);
		if (word != words)
			buf_puts(out, bar ? ", " : " or ");
		buf_add(out, word, len);
		word = bar ? bar + 1 : NULL;
	}
}

void value_allowed(struct buf *out, const struct config_key *key)
{
	switch (key->kind) {
	case KIND_TEXT:
		break;
	case KIND_NAME:
		buf_printf(out, "letters, digits, - and _, at most %d", CONFIG_NAME_MAX);
		break;
	case KIND_QUEUE:
		buf_printf(out, "letters, digits, - and _, at most %d; on aws also with .fifo behind",
		        CONFIG_NAME_MAX);
		break;
	case KIND_TOPIC:
		buf_printf(out,
		        "letters, digits, - and _, at most %d, also with .fifo behind; or the topic's ARN",
		        CONFIG_NAME_MAX);
		break;
	case KIND_URL:
		list_words(out, key->allowed);
		buf_puts(out, "..., without spaces or a login");
		break;
	case KIND_URLS:
		list_words(out, key->allowed);
		buf_printf(out, "..., without spaces or a login, at most %d with commas between them",
		        CONFIG_LIST_MAX);
		break;
	case KIND_SOCKET:
		buf_printf(out, "a path of at most %d bytes", CONFIG_SOCKET_MAX);
		break;
	case KIND_LISTEN:
		buf_puts(out, "127.0.0.1:PORT, localhost:PORT or [::1]:PORT");
		break;
	case KIND_ADDRESS:
		buf_puts(out, "a mail address, as NAME@HOST or TEXT <NAME@HOST>");
		break;
	case KIND_METRIC:
		for (int i = 0; i < ALARM_METRIC_COUNT; i++)
			buf_printf(out, "%s%s",
			        i == 0                       ? ""
			        : i + 1 < ALARM_METRIC_COUNT ? ", "
			                                     : " or ",
			        alarm_metric_info((enum alarm_metric)i)->name);
		break;
	case KIND_NAMES:
		buf_puts(out, "names with commas between them");
		break;
	case KIND_WORDS:
		buf_printf(out, "at most %d words of at most %d bytes, with commas between them",
		        MASK_FIELDS_MAX, MASK_FIELD_NAME_MAX);
		break;
	case KIND_CHOICE:
	case KIND_WORD:
		list_words(out, key->allowed);
		break;
	case KIND_BOOL:
		buf_puts(out, "yes or no");
		break;
	case KIND_INT:
		buf_printf(out, "a whole number %s", key->allowed);
		break;
	case KIND_REAL:
		buf_printf(out, "a number %s", key->allowed);
		break;
	case KIND_DURATION:
		buf_printf(out, "a duration with its unit, %s", key->allowed);
		break;
	case KIND_SIZE:
		buf_printf(out, "bytes, or K, M or G of them, %s", key->allowed);
		break;
	}
}
