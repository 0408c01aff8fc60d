/* What an operator's filter selects for a redrive job. Channel, class and moments of death a job walks by
 * itself, however many rows they are; what else is found is noted row by row, as a list. On the db's thread.
 */
#include "store/failed_plan.h"

#include "base/error.h"
#include "base/mem.h"
#include "store/redrive_job.h"

#include <stdio.h>

#define FIND_MS 2000 /* for all pages; each is bounded by FAILED_SCAN_MS */

static struct failed_filter filter_of(const struct filter *terms)
{
	return (struct failed_filter){
		.status = FAILED_DEAD, .channel = -1, .class = -1, .oldest_first = true, .filter = terms
	};
}

/* The one word that is left: its bit, -1 when all are; -2 when it is some of them. */
static int only_word(unsigned words, enum filter_key key)
{
	if (words == filter_words_all(key))
		return -1;
	return __builtin_popcount(words) == 1 ? __builtin_ctz(words) : -2;
}

static bool is_walked(const struct find_plan *plan, int *ret_channel, int *ret_class)
{
	int channel = only_word(plan->words[SET_CHANNEL], FILTER_CHANNEL);
	int class = only_word(plan->words[SET_CLASS], FILTER_CLASS);

	if (!find_is_plain(plan) || plan->cause || channel == -2 || class == -2)
		return false;
	*ret_channel = channel;
	*ret_class = class < 0 ? -1 : class + 1;
	return true;
}

static int take_page(struct db *db, const struct failed_filter *filter, struct redrive_selection *s,
        int64_t *ids, char cursor[CURSOR_SIZE], struct usher_error *err)
{
	struct failed_page page;
	int rc = failed_list(db, filter, cursor, FAILED_LIMIT_MAX, &page, err);

	if (rc < 0)
		return rc;
	if (s->id_count + page.n > REDRIVE_IDS_MAX)
		rc = error_set(err, USHER_EINVAL,
		        "more than %d rows match: narrow the filter. By one channel, one class and age alone "
		        "there may be any number",
		        REDRIVE_IDS_MAX);
	for (size_t i = 0; rc == 0 && i < page.n; i++)
		ids[s->id_count++] = page.rows[i].id;
	snprintf(cursor, CURSOR_SIZE, "%s", page.next);
	failed_rows_free(page.rows, page.n);
	return rc;
}

static int list_rows(struct db *db, const struct failed_filter *filter, struct redrive_selection *s,
        int64_t **ret_ids, struct usher_error *err)
{
	OWNED int64_t *ids = mem_array(REDRIVE_IDS_MAX, sizeof *ids);
	char cursor[CURSOR_SIZE] = "";
	mono_time began = mono_now();

	do {
		int rc = take_page(db, filter, s, ids, cursor, err);
		if (rc < 0)
			return rc;
		if (cursor[0] && mono_since_ms(began, mono_now()) > FIND_MS)
			return error_set(err, USHER_EINVAL,
			        "this filter is looked for row by row and was not through after %d s: narrow "
			        "it "
			        "by channel, class, cause or age",
			        FIND_MS / 1000);
	} while (cursor[0]);
	if (s->id_count == 0)
		return error_set(err, USHER_ENOTFOUND,
		        "no dead row matches: widen the filter, or there is nothing to do");
	s->ids = *ret_ids = ids;
	ids = NULL;
	return 0;
}

int redrive_selection_find(struct db *db, const struct filter *terms, struct redrive_selection *s,
        int64_t **ret_ids, struct usher_error *err)
{
	struct failed_filter filter = filter_of(terms);
	struct find_plan plan;

	find_make(&plan, &filter);
	if (find_is_empty(&plan))
		return error_set(err, USHER_ENOTFOUND,
		        "no dead row matches: only dead rows are redriven or cancelled");
	if (!is_walked(&plan, &s->channel, &s->class)) {
		filter.until.ms = s->seen_until.ms ? s->seen_until.ms + 1 : 0;
		return list_rows(db, &filter, s, ret_ids, err);
	}
	s->since = plan.since;
	s->until = plan.until;
	return 0;
}
