/* Laying what should be on what is: see differ.h. May call base only; pure, printing aside. */
#include "provision/differ.h"

#include "base/json.h"
#include "base/language.h"
#include "base/mem.h"

#include <string.h>

#define LIST_MAX 64 /* elements of a list that is compared without order; longer ones differ */
#define NUMBER_TEXT_MAX 32

/* -- Values ------------------------------------------------------------------------------------- */

static bool json_same(const cJSON *a, const cJSON *b);

/* A list of one is that one. */
static const cJSON *unwrap(const cJSON *json)
{
	while (cJSON_IsArray(json) && json->child && !json->child->next)
		json = json->child;
	return json;
}

/* {"AWS": "*"} is "*"; services write either. */
static const cJSON *principal(const cJSON *json)
{
	const cJSON *only = cJSON_IsObject(json) && json->child && !json->child->next ? json->child : NULL;

	return only && strcmp(only->string, "AWS") == 0 ? only : json;
}

static const char *scalar_text(const cJSON *json, char number[NUMBER_TEXT_MAX])
{
	if (cJSON_IsString(json))
		return json->valuestring;
	if (cJSON_IsBool(json))
		return cJSON_IsTrue(json) ? "true" : "false";
	if (cJSON_IsNull(json))
		return "null";
	snprintf(number, NUMBER_TEXT_MAX, "%.15g", json->valuedouble);
	return number;
}

static bool lists_same(const cJSON *a, const cJSON *b)
{
	bool used[LIST_MAX] = { false };
	const cJSON *x;
	int n = cJSON_GetArraySize(a);

	if (n != cJSON_GetArraySize(b) || n > LIST_MAX)
		return false;
	cJSON_ArrayForEach(x, a)
	{
		const cJSON *y = b->child;
		int i = 0;
		while (y && (used[i] || !json_same(x, y))) {
			y = y->next;
			i++;
		}
		if (!y)
			return false;
		used[i] = true;
	}
	return true;
}

static bool objects_same(const cJSON *a, const cJSON *b)
{
	const cJSON *x;

	if (cJSON_GetArraySize(a) != cJSON_GetArraySize(b))
		return false;
	cJSON_ArrayForEach(x, a)
	{
		const cJSON *y = json_get(b, x->string);
		bool who = strcmp(x->string, "Principal") == 0;
		if (!y || !json_same(who ? principal(x) : x, who ? principal(y) : y))
			return false;
	}
	return true;
}

static bool json_same(const cJSON *a, const cJSON *b)
{
	char one[NUMBER_TEXT_MAX], other[NUMBER_TEXT_MAX];

	a = unwrap(a);
	b = unwrap(b);
	if (cJSON_IsArray(a) || cJSON_IsArray(b))
		return cJSON_IsArray(a) && cJSON_IsArray(b) && lists_same(a, b);
	if (cJSON_IsObject(a) || cJSON_IsObject(b))
		return cJSON_IsObject(a) && cJSON_IsObject(b) && objects_same(a, b);
	return strcmp(scalar_text(a, one), scalar_text(b, other)) == 0;
}

static bool json_texts_same(const char *a, const char *b)
{
	cJSON *x = NULL, *y = NULL;
	bool same = json_parse(a, strlen(a), &x, NULL) == 0 && json_parse(b, strlen(b), &y, NULL) == 0 &&
	            json_same(x, y);

	cJSON_Delete(x);
	cJSON_Delete(y);
	return same;
}

static bool numbers_same(const char *a, const char *b)
{
	char *end_a, *end_b;
	double x = strtod(a, &end_a), y = strtod(b, &end_b);

	return end_a > a && !*end_a && end_b > b && !*end_b && x == y;
}

bool attribute_same(enum attribute_form form, const char *a, const char *b)
{
	if (strcmp(a, b) == 0)
		return true;
	return (form == FORM_NUMBER && numbers_same(a, b)) || (form == FORM_JSON && json_texts_same(a, b));
}

/* -- The plan ----------------------------------------------------------------------------------- */

static bool moot(const struct attribute *should, const struct thing *is)
{
	const struct attribute *other = should->moot_with ? thing_get(is, should->moot_with) : NULL;

	return other && *other->value;
}

static void add_changes(struct plan *plan, size_t i, const struct thing *should, const struct thing *is)
{
	for (size_t j = 0; j < should->attribute_count; j++) {
		const struct attribute *wanted = &should->attributes[j], *found = thing_get(is, wanted->name);
		if (wanted->at_birth || moot(wanted, is) ||
		        (found && attribute_same(wanted->form, found->value, wanted->value)))
			continue;
		plan->steps[plan->n++] =
		        (struct step){ STEP_CHANGE, i, wanted, found && *found->value ? found->value : NULL };
	}
}

void plan_make(const struct state *desired, const struct state *actual, struct plan *ret)
{
	ret->n = 0;
	for (size_t i = 0; i < desired->n; i++) {
		if (actual->things[i].exists)
			add_changes(ret, i, &desired->things[i], &actual->things[i]);
		else
			ret->steps[ret->n++] = (struct step){ .kind = STEP_CREATE, .thing = i };
	}
}

/* -- For people --------------------------------------------------------------------------------- */

void step_print(const struct step *step, const struct state *desired, bool done, FILE *out)
{
	const struct thing *thing = &desired->things[step->thing];
	const char *word = _(thing_kind_word(thing->kind));

	if (step->kind == STEP_CHANGE) {
		fprintf(out, "%s %s %s: %s: %s -> %s\n", done ? _("changed") : "~", word, thing->name,
		        step->should->name, step->is ? step->is : _("(not set)"), step->should->value);
		return;
	}
	fprintf(out, "%s %s %s\n", done ? _("created") : "+", word, thing->name);
	for (size_t i = 0; i < thing->attribute_count && !done; i++)
		fprintf(out, "    %s = %s\n", thing->attributes[i].name, thing->attributes[i].value);
}

void nothing_print(const struct state *desired, FILE *out)
{
	fprintf(out, _("Nothing to do: all %zu things are as they should be.\n"), desired->n);
}

void plan_print(const struct plan *plan, const struct state *desired, FILE *out)
{
	size_t created = 0;

	for (size_t i = 0; i < plan->n; i++) {
		step_print(&plan->steps[i], desired, false, out);
		created += plan->steps[i].kind == STEP_CREATE;
	}
	if (plan->n == 0)
		nothing_print(desired, out);
	else
		fprintf(out,
		        _("%zu to create, %zu to change, nothing to delete. usherd provision --apply does "
		          "it.\n"),
		        created, plan->n - created);
}
