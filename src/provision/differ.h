/* The difference between what should be and what is: a list of steps in an order in which they can be done.
 * Nothing is ever taken away: what is there and is not in the table is not looked at. Pure. */
#ifndef PROVISION_DIFFER_H
#define PROVISION_DIFFER_H

#include "provision/desired.h"

#include <stdio.h>

#define STEPS_MAX (THINGS_MAX * ATTRIBUTES_MAX)

enum step_kind { STEP_CREATE, STEP_CHANGE };

struct step {
	enum step_kind kind;
	size_t thing;                   /* its index in both states */
	const struct attribute *should; /* of a change; borrowed */
	const char *is;                 /* of a change; NULL: not set. Borrowed */
};

struct plan {
	struct step steps[STEPS_MAX];
	size_t n;
};

/* actual->things[i] is what was found of desired->things[i]. The steps of one thing stand together. */
void plan_make(const struct state *desired, const struct state *actual, struct plan *ret);

/* Whether two values of an attribute mean the same. JSON as IAM reads it: members and elements in any order,
 * one element as its list, 10 as "10". */
bool attribute_same(enum attribute_form form, const char *a, const char *b);

/* For people, in the language in force. One step: a line for a change, a few for what is made. */
void step_print(const struct step *step, const struct state *desired, bool done, FILE *out);
void nothing_print(const struct state *desired, FILE *out); /* an empty plan */
void plan_print(const struct plan *plan, const struct state *desired, FILE *out);

#endif
