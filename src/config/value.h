/* From a value's text to its field in struct config, and back. Inside src/config only. Pure; any
 * thread. */
#ifndef CONFIG_VALUE_H
#define CONFIG_VALUE_H

#include "base/buf.h"
#include "config/config.h"
#include "config/keys.h"

#include <usher/error.h>

/* Checks the text by the key's kind and limits and stores it; an empty text unsets a text key.
 * USHER_EINVAL: nothing is stored; the message says what is allowed, and never shows a secret. */
int value_store(
        struct config *config, const struct config_key *key, const char *text, struct usher_error *err);
/* The same for a text that is not the key's own, but must be such a one: a text key's. Stores nothing. */
int value_check(const struct config_key *key, const char *text, struct usher_error *err);
/* A text key's own field. */
char **value_text(const struct config *config, const struct config_key *key);
/* Gives `to` the value of `from`, a key of the same kind that holds no text. */
void value_copy(struct config *config, const struct config_key *to, const struct config_key *from);
/* The value as it would be written in usher.ini; secrets as "(set)", what has no value as "(not set)". */
void value_format(struct buf *out, const struct config *config, const struct config_key *key);
/* What is allowed, in words: "1..65535", "yes or no", "none, starttls or implicit". Nothing for any text. */
void value_allowed(struct buf *out, const struct config_key *key);
/* Is the value the same in two configurations? A secret is compared too. */
bool value_same(const struct config *a, const struct config_key *a_key, const struct config *b,
        const struct config_key *b_key);
/* Gives `to` the value that the key has in `from`. */
void value_take(struct config *to, const struct config *from, const struct config_key *key);
/* Frees a text key's value, wiping a secret. */
void value_free(struct config *config, const struct config_key *key);

#endif
