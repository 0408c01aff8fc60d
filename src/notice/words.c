/* How a notice reads. Pure; any thread. */
#include "notice/notice.h"

#include "base/clock.h"
#include "base/language.h"
#include "model/alarm.h"

#include <string.h>

static void add_name(const struct notice *n, struct buf *out)
{
	buf_puts(out, n->name);
	if (*n->channel)
		buf_printf(out, " (%s)", n->channel);
}

static const char *severity_word(const struct notice *n)
{
	return strcmp(n->severity, "critical") == 0 ? _("critical") : _("warning");
}

static bool is_raised(const struct notice *n)
{
	return strcmp(n->state, "raised") == 0;
}

void notice_title(const struct notice *n, struct buf *out)
{
	struct buf name = BUF(NOTICE_TEXT_MAX), text = BUF(NOTICE_TEXT_MAX);

	add_name(n, &name);
	alarm_text_say(&text, n->text);
	if (is_raised(n)) /* TRANSLATORS: "critical: dead (email) raised on mail-1: 3 newly dead, above 0" */
		buf_printf(out, _("%s: %s raised on %s: %s"), severity_word(n), buf_str(&name), n->host,
		        buf_str(&text));
	else
		buf_printf(out, _("over: %s cleared on %s: %s"), buf_str(&name), n->host, buf_str(&text));
	buf_free(&name);
	buf_free(&text);
}

void notice_subject(const struct notice *n, struct buf *out)
{
	buf_printf(out, "%s: ", is_raised(n) ? n->severity : "over");
	add_name(n, out);
	buf_printf(out, " %s on %s: %s", n->state, n->host, n->text);
}

void notice_body(const struct notice *n, struct buf *out)
{
	char since[WALL_TEXT_SIZE], at[WALL_TEXT_SIZE];
	struct buf name = BUF(NOTICE_TEXT_MAX);

	add_name(n, &name);
	notice_title(n, out);
	buf_printf(out, _("\n\nAlarm:    %s\nSeverity: %s\nState:    %s\nRaised:   %s\n"), buf_str(&name),
	        severity_word(n), is_raised(n) ? _("raised") : _("cleared"),
	        wall_format(n->raised_at, since));
	if (!is_raised(n))
		buf_printf(out, _("Cleared:  %s\n"), wall_format(n->at, at));
	buf_printf(out, _("Told by:  usherd on %s\n"), n->host);
	buf_free(&name);
}
