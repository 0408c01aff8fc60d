/* A filter's terms: folded into a plan, or as SQL, one condition each, and what is looked up by them. See
 * failed_plan.h; no I/O. */
#include "store/failed_plan.h"

#include "base/mem.h"

#include <inttypes.h>
#include <stdio.h>

void term_add_cause(struct sql *sql, int64_t cause)
{
	char digits[24];

	snprintf(digits, sizeof digits, "%" PRIu64, (uint64_t)cause);
	sql_add(sql, digits);
}

/* A pattern for LIKE in which only the operator's * is a wildcard. */
static void add_like(struct sql *sql, const char *text, bool wild, const char *front, const char *back)
{
	struct buf like = BUF(4 * FILTER_TEXT_MAX + 8);

	buf_puts(&like, front);
	for (; *text && like.len < 2 * FILTER_TEXT_MAX; text++) {
		if (*text == '%' || *text == '_' || *text == '\\')
			buf_putc(&like, '\\');
		buf_putc(&like, wild && *text == '*' ? '%' : *text);
	}
	buf_puts(&like, back);
	sql_add(sql, " LIKE ?s", buf_str(&like));
	buf_free(&like);
}

static const char *const text_columns[] = { "event_id", "user_id", "recipient" };

void term_add_text(struct sql *sql, const char *text, bool wild)
{
	for (size_t i = 0; i < ARRAY_LEN(text_columns); i++) {
		sql_add(sql, i ? " OR f.?n" : "f.?n", text_columns[i]);
		add_like(sql, text, wild, "", "%");
	}
}

void term_add_text_exact(struct sql *sql, const char *text)
{
	sql_add(sql,
	        "(f.event_id = ?s OR COALESCE(f.user_id = ?s, FALSE) OR COALESCE(f.recipient = ?s, FALSE))",
	        text, text, text);
}

/* Columns of the keys that are neither folded nor free. */
static const char *const term_columns[FILTER_KEY_COUNT] = {
	[FILTER_CAUSE] = "f.cause",
	[FILTER_ATTEMPTS] = "f.attempts",
	[FILTER_REDRIVES] = "f.redrives",
	[FILTER_USER] = "f.user_id",
	[FILTER_EVENT] = "f.event_id",
	[FILTER_TO] = "f.recipient",
	[FILTER_REASON] = "f.reason",
	[FILTER_BY] = "f.settled_by",
	[FILTER_ID] = "f.id",
};

static void add_value(struct sql *sql, const struct filter *f, const struct filter_term *term,
        const struct filter_value *value)
{
	static const char *const ops[] = { [FILTER_IS] = " = ",
		[FILTER_ABOVE] = " > ",
		[FILTER_BELOW] = " < ",
		[FILTER_AT_LEAST] = " >= ",
		[FILTER_AT_MOST] = " <= " };
	const char *text = filter_value_text(f, value);

	if (term->key == FILTER_FREE) {
		term_add_text(sql, text, value->wild);
		return;
	}
	if (term->key == FILTER_MEMBER) {
		sql_add(sql, "f.user_id = (SELECT m.user_id FROM failed_notification m WHERE m.id = ?i)",
		        value->number);
		return;
	}
	sql_add(sql, term_columns[term->key]);
	switch (term->key) {
	case FILTER_REASON:
		add_like(sql, text, value->wild, "%", "%");
		break;
	case FILTER_CAUSE:
		sql_add(sql, " = ");
		term_add_cause(sql, value->number);
		break;
	case FILTER_ATTEMPTS:
	case FILTER_REDRIVES:
	case FILTER_ID:
		sql_add(sql, ops[term->op]);
		sql_add(sql, "?i", value->number);
		break;
	default:
		if (value->wild)
			add_like(sql, text, true, "", "");
		else
			sql_add(sql, " = ?s", text);
	}
}

void term_add(struct sql *sql, const struct filter *f, const struct filter_term *term)
{
	for (size_t i = 0; i < term->count; i++) {
		sql_add(sql, i ? " OR " : "");
		add_value(sql, f, term, &f->values[term->first + i]);
	}
}

static const char *const text_indexes[] = { "by_event", "by_user", "by_recipient" };

void term_add_found_text(struct sql *sql, const char *text, bool exact)
{
	for (size_t i = 0; i < ARRAY_LEN(text_columns); i++) {
		sql_add(sql, i ? " UNION (" : "(");
		sql_add(sql, "SELECT id FROM failed_notification FORCE INDEX (?n) WHERE ?n", text_indexes[i],
		        text_columns[i]);
		if (exact)
			sql_add(sql, " = ?s)", text);
		else {
			add_like(sql, text, false, "", "%");
			sql_add(sql, " LIMIT ?i)", (int64_t)FIND_FOUND_MAX + 1);
		}
	}
}

/* The index that finds a term's rows; NULL: none does. A pattern must not begin with a wildcard. */
const char *term_index(const struct filter *f, const struct filter_term *term)
{
	if (term->negated || term->op != FILTER_IS)
		return NULL;
	for (size_t i = 0; i < term->count; i++) {
		const struct filter_value *value = &f->values[term->first + i];
		if (value->wild && filter_value_text(f, value)[0] == '*')
			return NULL;
	}
	switch (term->key) {
	case FILTER_ID:
		return "PRIMARY";
	case FILTER_USER:
	case FILTER_MEMBER:
		return "by_user";
	case FILTER_EVENT:
		return "by_event";
	case FILTER_TO:
		return "by_recipient";
	default:
		return NULL;
	}
}

/* -- Folding ------------------------------------------------------------------------------------------ */

static void later(wall_time *bound, int64_t ms)
{
	if (ms > bound->ms)
		bound->ms = ms;
}

static void earlier(wall_time *bound, int64_t ms)
{
	if (bound->ms == 0 || ms < bound->ms)
		bound->ms = ms;
}

/* age>1h: dead before that moment. */
static void fold_age(struct find_plan *plan, const struct filter_term *term, int64_t ms)
{
	static const enum filter_op turned[] = { [FILTER_ABOVE] = FILTER_AT_MOST,
		[FILTER_AT_MOST] = FILTER_ABOVE,
		[FILTER_BELOW] = FILTER_AT_LEAST,
		[FILTER_AT_LEAST] = FILTER_BELOW };

	switch (term->negated ? turned[term->op] : term->op) {
	case FILTER_ABOVE:
		earlier(&plan->until, ms);
		break;
	case FILTER_AT_LEAST:
		earlier(&plan->until, ms + 1);
		break;
	case FILTER_BELOW:
		later(&plan->since, ms + 1);
		break;
	case FILTER_AT_MOST:
	case FILTER_IS:
		later(&plan->since, ms);
		break;
	}
}

void find_fold(struct find_plan *plan, const struct filter *f)
{
	for (size_t i = 0; i < f->term_count; i++) {
		const struct filter_term *term = &f->terms[i];
		const struct filter_value *value = &f->values[term->first];

		if (term->key == FILTER_AGE)
			fold_age(plan, term, value->number);
		else if (term->key == FILTER_CAUSE && !term->negated && !plan->cause && term->count <= 32)
			plan->cause = term;
		else if (term->key == FILTER_FREE && !term->negated && !value->wild &&
		         (!plan->text || !*plan->text))
			plan->text = filter_value_text(f, value);
	}
}
