/* How a notice reads. Pure; any thread. */
#include "notice/notice.h"

#include "base/clock.h"

#include <string.h>

static void add_name(const struct notice *n, struct buf *out)
{
	buf_puts(out, n->name);
	if (*n->channel)
		buf_printf(out, " (%s)", n->channel);
}

void notice_title(const struct notice *n, struct buf *out)
{
	bool raised = strcmp(n->state, "raised") == 0;

	buf_puts(out, raised ? n->severity : "over");
	buf_puts(out, ": ");
	add_name(n, out);
	buf_printf(out, " %s on %s: %s", n->state, n->host, n->text);
}

void notice_body(const struct notice *n, struct buf *out)
{
	char since[WALL_TEXT_SIZE], at[WALL_TEXT_SIZE];

	notice_title(n, out);
	buf_puts(out, "\n\nAlarm:    ");
	add_name(n, out);
	buf_printf(out, "\nSeverity: %s\nState:    %s\nRaised:   %s\n", n->severity, n->state,
	        wall_format(n->raised_at, since));
	if (strcmp(n->state, "raised") != 0)
		buf_printf(out, "Cleared:  %s\n", wall_format(n->at, at));
	buf_printf(out, "Told by:  usherd on %s\n", n->host);
}
