/* The mail templates of a directory: welcome.LOCALE.txt, whose first line is "Subject: ...", and
 * welcome.LOCALE.html for each locale. Immutable once loaded; any thread. */
#ifndef CHANNEL_EMAIL_TEMPLATES_H
#define CHANNEL_EMAIL_TEMPLATES_H

#include "channel/template.h"

/* What templates may use, in the order in which template_render takes the values. */
enum email_value {
	EMAIL_NAME,
	EMAIL_EMAIL,
	EMAIL_USER_ID,
	EMAIL_SIGNED_UP_AT,
	EMAIL_EVENT_ID,
	EMAIL_VALUE_COUNT
};

#define EMAIL_LOCALES_MAX 100
#define EMAIL_LOCALE_DEFAULT "en" /* must be there */

struct email_template {
	char *locale; /* as in the file's name: "ko", "pt-BR" */
	struct template *subject, *text, *html;
};

struct email_templates;

/* Reads and checks all of them. `subject`: stands for the subject of every locale (a template too);
 * NULL or "": each file's own. USHER_ECONFIG: the message says the file and the line. */
int email_templates_load(const char *dir, const char *subject, struct email_templates **ret_templates,
        struct usher_error *err);
/* For "ko-KR": ko-KR, else ko, else en. Never NULL. */
const struct email_template *email_templates_choose(
        const struct email_templates *templates, const char *locale);
void email_templates_free(struct email_templates *templates); /* NULL is allowed */

#endif
