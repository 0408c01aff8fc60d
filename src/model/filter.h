/* The filter language for failed rows:
 *
 *   status:dead class:timeout,ambiguous age>1h -by:kim reason:"no such" minji@
 *
 * Terms are joined by "and". KEY:VALUE, values parted by commas are "any of"; numbers and ages also take > <
 * >=
 * <=. A minus in front turns a term round. Quotes keep blanks, commas and * as they are; inside them \" and
 * \\ stand for " and \. A word without a key finds event ids, user ids and recipients that begin with it.
 * filter.def has the keys. Pure; any thread. */
#ifndef MODEL_FILTER_H
#define MODEL_FILTER_H

#include "base/clock.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <usher/error.h>

#define FILTER_TEXT_MAX 1024 /* bytes */
#define FILTER_TERMS_MAX 24
#define FILTER_VALUES_MAX 64 /* of all terms together */

enum filter_key {
#define KEY(id, ...) FILTER_##id,
#include "model/filter.def"
#undef KEY
	FILTER_KEY_COUNT,
	FILTER_FREE = FILTER_KEY_COUNT /* a word without a key */
};

enum filter_op { FILTER_IS, FILTER_ABOVE, FILTER_BELOW, FILTER_AT_LEAST, FILTER_AT_MOST };

struct filter_value {
	int64_t number; /* numbers; a cause (its 64 bits); AGE: the moment that long ago, in ms */
	uint16_t at;    /* of the text, in the filter's storage */
	bool wild;      /* the text's * stand for anything */
};

struct filter_term {
	enum filter_key key;
	enum filter_op op;
	bool negated;
	unsigned words;      /* keys with a fixed set of words: a bit for each */
	size_t first, count; /* of the filter's values; none with `words` */
};

struct filter { /* plain data: may be copied; all zero matches everything */
	struct filter_term terms[FILTER_TERMS_MAX];
	size_t term_count;
	struct filter_value values[FILTER_VALUES_MAX];
	size_t value_count;
	char storage[FILTER_TEXT_MAX + 2];
	size_t stored;
};

/* USHER_EINVAL: what is wrong, at which character, and what is allowed. `now`: ages count back from here. */
int filter_parse(const char *text, wall_time now, struct filter *ret_filter, struct usher_error *err);

static inline const char *filter_value_text(const struct filter *f, const struct filter_value *value)
{
	return f->storage + value->at;
}

/* The words that all terms of this key leave, as bits; every bit of the key when no term has it. */
unsigned filter_words(const struct filter *filter, enum filter_key key);
unsigned filter_words_all(enum filter_key key);

#define FILTER_CAUSE_SIZE 17
void filter_cause_print(int64_t cause, char text[FILTER_CAUSE_SIZE]);

/* What a completion or a manual says of a key. */
enum filter_kind_id {
	FILTER_KIND_STATUS,
	FILTER_KIND_CHANNEL,
	FILTER_KIND_CLASS,
	FILTER_KIND_YES_NO,
	FILTER_KIND_CAUSE,
	FILTER_KIND_AGE,
	FILTER_KIND_NUMBER,
	FILTER_KIND_ROW, /* a row's id */
	FILTER_KIND_PATTERN,
	FILTER_KIND_TEXT
};
struct filter_kind {
	const char *name, *operators; /* operators: parted by blanks */
	const char *(*word)(int i);   /* the i-th, NULL at the end; NULL: no fixed words */
};
struct filter_info {
	const char *name;
	const struct filter_kind *kind;
	const char *example, *help;
};
const struct filter_info *filter_info(enum filter_key key);

#endif
