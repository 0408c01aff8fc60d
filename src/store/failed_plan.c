/* Puts the conditions of a filter together and chooses how they are answered. A list by moment of death walks
 * one index in its order, or several of its ranges side by side: one for each combination of words. What no
 * index knows is checked row by row. See failed_plan.h; on the db's thread. */
#include "store/failed_plan.h"

#include "base/mem.h"

#include <string.h>

#define BRANCHES_MAX 128 /* ranges of a walk; with more of them the newest rows are looked at one by one */

/* -- Indexes ------------------------------------------------------------------------------------ */

struct find_index {
	const char *name;
	enum find_set columns[4]; /* before dead_at, or the sort's column */
	int column_count;
};

/* For lists by moment of death: the first whose first column is fixed by the filter is taken. See sql/. */
static const struct find_index indexes[] = {
	{ "by_cause", { SET_CAUSE, SET_STATUS }, 2 },
	{ "finding", { SET_CHANNEL, SET_CLASS, SET_STATUS }, 3 },
	{ "list_dlq", { SET_DLQ, SET_CHANNEL, SET_STATUS }, 3 },
	{ "list_channel_status", { SET_CHANNEL, SET_STATUS }, 2 },
	{ "list_status", { SET_STATUS }, 1 },
	{ "list_channel", { SET_CHANNEL }, 1 },
	{ "list_newest", { 0 }, 0 },
};
enum { BY_CAUSE, FINDING, LIST_DLQ, LIST_CHANNEL_STATUS, LIST_STATUS, LIST_CHANNEL, LIST_NEWEST };

/* One row a sort. */
static const struct {
	const char *column;
	int set;                 /* sorted by its words, in the order they are declared; -1: not words */
	bool text, null;         /* null: the column may be */
	struct find_index index; /* unless sorted by moment of death */
} sorts[FAILED_SORT_COUNT] = {
	[FAILED_BY_DEAD_AT] = { .column = "f.dead_at", .set = -1 },
	[FAILED_BY_ID] = { .column = NULL, .set = -1, .index = { .name = "PRIMARY" } },
	[FAILED_BY_STATUS] = { .column = "f.dead_at", .set = SET_STATUS },
	[FAILED_BY_CHANNEL] = { .column = "f.dead_at", .set = SET_CHANNEL },
	[FAILED_BY_CLASS] = { .column = "f.dead_at", .set = SET_CLASS },
	[FAILED_BY_ATTEMPTS] = { .column = "f.attempts", .set = -1, .index = { .name = "by_attempts" } },
	[FAILED_BY_REDRIVES] = { .column = "f.redrives", .set = -1, .index = { .name = "by_redrives" } },
	[FAILED_BY_RECIPIENT] = { .column = "f.recipient",
	        .set = -1,
	        .text = true,
	        .null = true,
	        .index = { .name = "by_recipient" } },
	[FAILED_BY_USER] = { .column = "f.user_id",
	        .set = -1,
	        .text = true,
	        .null = true,
	        .index = { .name = "by_user" } },
};

const char *find_column(const struct find_plan *plan)
{
	return plan->null ? NULL : sorts[plan->sort].column;
}

bool find_column_is_text(const struct find_plan *plan)
{
	return sorts[plan->sort].text;
}

bool find_column_is_time(const struct find_plan *plan)
{
	return sorts[plan->sort].index.name == NULL;
}

/* -- Sets ---------------------------------------------------------------------------------------- */

static const struct {
	const char *column;
	enum filter_key key;
} sets[SET_COUNT] = {
	[SET_STATUS] = { "f.status", FILTER_STATUS },
	[SET_CHANNEL] = { "f.channel", FILTER_CHANNEL },
	[SET_CLASS] = { "f.class", FILTER_CLASS },
	[SET_DLQ] = { "f.in_dlq", FILTER_DLQ },
	[SET_CAUSE] = { "f.cause", FILTER_CAUSE },
};

static unsigned set_all(const struct find_plan *plan, enum find_set set)
{
	if (set != SET_CAUSE)
		return filter_words_all(sets[set].key);
	return plan->cause ? ~0U >> (32 - plan->cause->count) : 0;
}

/* A cause is a condition whenever it is there. */
static bool set_is_fixed(const struct find_plan *plan, enum find_set set)
{
	return set == SET_CAUSE ? plan->cause != NULL : plan->words[set] != set_all(plan, set);
}

static int word_count(unsigned words)
{
	return __builtin_popcount(words);
}

static void add_word(struct sql *sql, const struct find_plan *plan, enum find_set set, int bit)
{
	if (set == SET_CAUSE) {
		term_add_cause(sql, plan->filter->filter->values[plan->cause->first + (size_t)bit].number);
	} else if (set == SET_DLQ) {
		sql_add(sql, "?i", (int64_t)bit);
	} else {
		sql_add(sql, "?s", filter_info(sets[set].key)->kind->word(bit));
	}
}

static void add_set(struct sql *sql, const struct find_plan *plan, enum find_set set)
{
	const char *comma = "";
	sql_add(sql, " AND ");
	sql_add(sql, sets[set].column);
	sql_add(sql, " IN (");
	for (int bit = 0; bit < 32; bit++)
		if (plan->words[set] & 1U << bit) {
			sql_add(sql, comma);
			add_word(sql, plan, set, bit);
			comma = ",";
		}
	sql_add(sql, ")");
}

/* -- Putting a filter together --------------------------------------------------------------------- */

static bool has_text(const char *text)
{
	return text != NULL && text[0] != '\0';
}

/* What the plan knows as such: the rest of the terms is checked row by row. */
static bool is_folded(const struct find_plan *plan, const struct filter_term *term)
{
	switch (term->key) {
	case FILTER_STATUS:
	case FILTER_CHANNEL:
	case FILTER_CLASS:
	case FILTER_DLQ:
	case FILTER_AGE:
		return true;
	default:
		return term == plan->cause;
	}
}

void find_make(struct find_plan *plan, const struct failed_filter *filter)
{
	*plan = (struct find_plan){ .filter = filter,
		.since = filter->since,
		.until = filter->until,
		.text = filter->text,
		.sort = filter->sort,
		.ascending = filter->oldest_first };
	for (int set = 0; set < SET_CAUSE; set++)
		plan->words[set] = filter->filter ? filter_words(filter->filter, sets[set].key)
		                                  : filter_words_all(sets[set].key);
	if (filter->filter)
		find_fold(plan, filter->filter);
	plan->words[SET_CAUSE] = set_all(plan, SET_CAUSE);
	if (filter->status >= 0)
		plan->words[SET_STATUS] &= 1U << filter->status;
	if (filter->channel >= 0)
		plan->words[SET_CHANNEL] &= 1U << filter->channel;
	if (filter->class > FAILURE_NONE)
		plan->words[SET_CLASS] &= 1U << (filter->class - 1);
	if (filter->in_dlq)
		plan->words[SET_DLQ] &= 1U << 1; /* no, yes */
}

bool find_is_empty(const struct find_plan *plan)
{
	for (int set = 0; set < SET_CAUSE; set++)
		if (plan->words[set] == 0)
			return true;
	return plan->since.ms && plan->until.ms && plan->since.ms >= plan->until.ms;
}

static const struct find_index *index_of_sets(const struct find_plan *plan);

/* -- Segments -------------------------------------------------------------------------------------- */

static bool splits_exact(const struct find_plan *plan)
{
	return has_text(plan->text) && plan->sort == FAILED_BY_DEAD_AT;
}

int find_segments(const struct find_plan *plan)
{
	if (sorts[plan->sort].set >= 0)
		return word_count(set_all(plan, (enum find_set)sorts[plan->sort].set));
	return splits_exact(plan) || sorts[plan->sort].null ? 2 : 1;
}

struct find_plan find_segment(const struct find_plan *whole, int segment)
{
	struct find_plan plan = *whole;
	int set = sorts[plan.sort].set;

	if (set >= 0) {
		int last = find_segments(whole) - 1;
		plan.words[set] &= 1U << (plan.ascending ? segment : last - segment);
		plan.ascending = false; /* alike in the word: as they died, newest first */
		plan.index = index_of_sets(&plan);
	} else if (splits_exact(whole)) {
		plan.exact = segment == 0;
		plan.inexact = segment == 1;
		if (plan.exact)
			plan.found = FOUND_EXACT;
	} else if (sorts[plan.sort].null) {
		plan.null = segment == 1;
		plan.not_null = segment == 0;
	}
	return plan;
}

/* -- What is looked up -------------------------------------------------------------------------------- */

static void add_range(struct sql *sql, const struct find_plan *plan)
{
	if (plan->since.ms)
		sql_add(sql, " AND f.dead_at >= ?t", plan->since);
	if (plan->until.ms)
		sql_add(sql, " AND f.dead_at < ?t", plan->until);
}

static void add_in(struct sql *sql, const struct find_plan *plan, const struct find_index *index)
{
	for (int i = 0; i < index->column_count; i++)
		add_set(sql, plan, index->columns[i]);
}

/* The ids of what is looked up, at most one more than FIND_FOUND_MAX unless exact. */
static void add_found(struct sql *sql, const struct find_plan *plan)
{
	const struct filter *f = plan->filter->filter;
	const struct find_index *index;

	switch (plan->found) {
	case FOUND_EXACT:
		term_add_found_text(sql, plan->text, true);
		return;
	case FOUND_TEXT:
		term_add_found_text(sql, plan->text, false);
		return;
	case FOUND_TERM:
		sql_add(sql, "SELECT f.id FROM failed_notification f FORCE INDEX (?n) WHERE (",
		        term_index(f, plan->term));
		term_add(sql, f, plan->term);
		sql_add(sql, ")");
		break;
	case FOUND_SETS:
	case FOUND_NOTHING:
		index = index_of_sets(plan);
		sql_add(sql, "SELECT f.id FROM failed_notification f FORCE INDEX (?n) WHERE TRUE",
		        index->name);
		add_in(sql, plan, index);
		add_range(sql, plan);
		break;
	}
	sql_add(sql, " LIMIT ?i", (int64_t)FIND_FOUND_MAX + 1);
}

/* -- Choosing ------------------------------------------------------------------------------------------ */

static int branches_of(const struct find_plan *plan, const struct find_index *index)
{
	int n = 1;

	for (int i = 0; i < index->column_count; i++)
		n *= word_count(plan->words[index->columns[i]]);
	return n;
}

static const struct find_index *index_of_sets(const struct find_plan *plan)
{
	const struct find_index *index = &indexes[LIST_NEWEST];

	if (plan->cause)
		index = &indexes[BY_CAUSE];
	else if (set_is_fixed(plan, SET_CLASS))
		index = &indexes[FINDING];
	else if (set_is_fixed(plan, SET_DLQ))
		index = &indexes[LIST_DLQ];
	else if (set_is_fixed(plan, SET_CHANNEL))
		index = &indexes[set_is_fixed(plan, SET_STATUS) ? LIST_CHANNEL_STATUS : LIST_CHANNEL];
	else if (set_is_fixed(plan, SET_STATUS))
		index = &indexes[LIST_STATUS];
	return branches_of(plan, index) <= BRANCHES_MAX ? index : &indexes[LIST_NEWEST];
}

/* Are the rows that would be looked up few? */
static int probe(struct db *db, const struct find_plan *plan, bool *ret_few, struct usher_error *err)
{
	struct sql sql = sql_new(db);
	struct rows *rows;
	int rc;

	find_begin(&sql);
	sql_add(&sql, "SELECT COUNT(*) FROM (");
	add_found(&sql, plan);
	sql_add(&sql, ") AS found");
	rc = db_query(db, &sql, &rows, err);
	if (rc < 0)
		return rc;
	*ret_few = rows_next(rows) && row_int(rows, 0) <= FIND_FOUND_MAX;
	rows_free(rows);
	return 0;
}

static int try_found(struct db *db, struct find_plan *plan, enum find_found found,
        const struct filter_term *term, struct usher_error *err)
{
	bool few = false;
	int rc;

	plan->found = found;
	plan->term = term;
	rc = probe(db, plan, &few, err);
	if (!few)
		plan->found = FOUND_NOTHING;
	return rc;
}

static int try_terms(struct db *db, struct find_plan *plan, const struct filter *f, struct usher_error *err)
{
	int rc = 0;

	for (size_t i = 0; f && i < f->term_count && rc == 0 && plan->found == FOUND_NOTHING; i++)
		if (term_index(f, &f->terms[i]))
			rc = try_found(db, plan, FOUND_TERM, &f->terms[i], err);
	return rc;
}

int find_choose(struct db *db, struct find_plan *plan, struct usher_error *err)
{
	bool by_death = find_column_is_time(plan);
	int rc;

	plan->index = by_death ? index_of_sets(plan) : &sorts[plan->sort].index;
	if (!find_has_rest(plan))
		return 0;
	rc = try_terms(db, plan, plan->filter->filter, err);
	if (rc == 0 && plan->found == FOUND_NOTHING && has_text(plan->text))
		rc = try_found(db, plan, FOUND_TEXT, NULL, err);
	if (rc == 0 && plan->found == FOUND_NOTHING && !by_death)
		rc = try_found(db, plan, FOUND_SETS, NULL, err);
	return rc;
}

void find_narrow(struct find_plan *plan)
{
	if (plan->found == FOUND_NOTHING && branches_of(plan, plan->index) > 1)
		plan->index = &indexes[LIST_NEWEST];
}

bool find_is_plain(const struct find_plan *plan)
{
	const struct filter *f = plan->filter->filter;

	for (size_t i = 0; f && i < f->term_count; i++)
		if (!is_folded(plan, &f->terms[i]))
			return false;
	return !set_is_fixed(plan, SET_DLQ) && !has_text(plan->text);
}

/* -- SQL ------------------------------------------------------------------------------------------------- */

void find_begin(struct sql *sql)
{
	sql_add(sql, "SET STATEMENT max_statement_time = ?i FOR ", (int64_t)FAILED_STATEMENT_S);
}

static bool index_has(const struct find_index *index, enum find_set set)
{
	for (int i = 0; i < index->column_count; i++)
		if (index->columns[i] == set)
			return true;
	return false;
}

static bool leaves_set(const struct find_plan *plan, enum find_set set)
{
	return set_is_fixed(plan, set) && (plan->found != FOUND_NOTHING || !index_has(plan->index, set));
}

static bool leaves_range(const struct find_plan *plan)
{
	return (plan->found != FOUND_NOTHING || !find_column_is_time(plan)) &&
	       (plan->since.ms || plan->until.ms);
}

static bool leaves_term(const struct find_plan *plan, const struct filter_term *term)
{
	return !is_folded(plan, term);
}

bool find_has_rest(const struct find_plan *plan)
{
	const struct filter *f = plan->filter->filter;

	for (int set = 0; set < SET_COUNT; set++)
		if (leaves_set(plan, (enum find_set)set))
			return true;
	for (size_t i = 0; f && i < f->term_count; i++)
		if (leaves_term(plan, &f->terms[i]))
			return true;
	return leaves_range(plan) || has_text(plan->text);
}

void find_add_rest(struct sql *sql, const struct find_plan *plan)
{
	const struct filter *f = plan->filter->filter;

	for (int set = 0; set < SET_COUNT; set++)
		if (leaves_set(plan, (enum find_set)set))
			add_set(sql, plan, (enum find_set)set);
	if (leaves_range(plan))
		add_range(sql, plan);
	for (size_t i = 0; f && i < f->term_count; i++) {
		if (!leaves_term(plan, &f->terms[i]))
			continue;
		sql_add(sql, f->terms[i].negated ? " AND NOT COALESCE((" : " AND COALESCE((");
		term_add(sql, f, &f->terms[i]);
		sql_add(sql, "), FALSE)");
	}
	if (has_text(plan->text) && !plan->exact) {
		sql_add(sql, " AND (");
		term_add_text(sql, plan->text, false);
		sql_add(sql, ")");
	}
	if (plan->inexact) {
		sql_add(sql, " AND NOT ");
		term_add_text_exact(sql, plan->text);
	}
}

int find_branches(const struct find_plan *plan)
{
	return plan->found != FOUND_NOTHING ? 1 : branches_of(plan, plan->index);
}

void find_add_from(struct sql *sql, const struct find_plan *plan)
{
	if (plan->found == FOUND_NOTHING) {
		sql_add(sql, " FROM failed_notification f FORCE INDEX (?n) WHERE TRUE", plan->index->name);
	} else {
		sql_add(sql, " FROM (");
		add_found(sql, plan);
		sql_add(sql, ") AS found STRAIGHT_JOIN failed_notification f ON f.id = found.id WHERE TRUE");
	}
}

/* The range on the sort's column that is the index's. */
static void add_index_range(struct sql *sql, const struct find_plan *plan)
{
	if (plan->found == FOUND_NOTHING && find_column_is_time(plan))
		add_range(sql, plan);
	if (plan->null || plan->not_null) {
		sql_add(sql, " AND ");
		sql_add(sql, sorts[plan->sort].column);
		sql_add(sql, plan->null ? " IS NULL" : " IS NOT NULL");
	}
}

static int nth_bit(unsigned words, int n)
{
	while (n-- > 0)
		words &= words - 1;
	return __builtin_ctz(words);
}

void find_add_branch(struct sql *sql, const struct find_plan *plan, int branch)
{
	int columns = plan->found == FOUND_NOTHING ? plan->index->column_count : 0;

	for (int i = 0; i < columns; i++) {
		enum find_set set = plan->index->columns[i];
		int n = word_count(plan->words[set]);

		sql_add(sql, " AND ");
		sql_add(sql, sets[set].column);
		sql_add(sql, " = ");
		add_word(sql, plan, set, nth_bit(plan->words[set], branch % n));
		branch /= n;
	}
	add_index_range(sql, plan);
}

void find_add_all_branches(struct sql *sql, const struct find_plan *plan)
{
	if (plan->found == FOUND_NOTHING)
		add_in(sql, plan, plan->index);
	add_index_range(sql, plan);
}
