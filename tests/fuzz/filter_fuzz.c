/* The filter language on arbitrary text. What is taken keeps within its limits; what is refused says where.
 */
#include "model/filter.h"

#include "base/mem.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
	if (!condition)
		abort();
}

static void check(const struct filter *f)
{
	require(f->stored <= sizeof f->storage && f->term_count <= FILTER_TERMS_MAX);
	for (size_t i = 0; i < f->term_count; i++) {
		const struct filter_term *t = &f->terms[i];

		require(t->first + t->count <= f->value_count && (t->words != 0) != (t->count != 0));
		require(!t->words || (t->words & ~filter_words_all(t->key)) == 0);
		for (size_t v = t->first; v < t->first + t->count; v++) {
			const char *text = filter_value_text(f, &f->values[v]);

			require(*text && text + strlen(text) < f->storage + f->stored);
			require(!f->values[v].wild || strchr(text, '*'));
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	OWNED char *text = mem_stringn((const char *)data, size);
	struct usher_error err = { 0 };
	struct filter f;

	if (filter_parse(text, (wall_time){ 1767225600000 }, &f, &err) == 0)
		check(&f);
	else
		require(strncmp(err.message, "filter", 6) == 0);
	return 0;
}
