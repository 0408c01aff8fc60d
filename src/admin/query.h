/* The request target: path segments and query parameters, decoded and checked. Pure; any thread. */
#ifndef ADMIN_QUERY_H
#define ADMIN_QUERY_H

#include "base/clock.h"
#include "model/delivery.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <usher/error.h>

#define TARGET_MAX 4096 /* bytes of path and query as sent */
#define TARGET_SEGMENTS_MAX 6
#define TARGET_PARAMETERS_MAX 16

struct target {
	char *text; /* owns what the pointers below point into */
	const char *segment[TARGET_SEGMENTS_MAX];
	size_t segments;
	struct {
		const char *name, *value;
	} parameter[TARGET_PARAMETERS_MAX];
	size_t parameters;
};

/* Splits first and decodes after, so that %2F is part of a segment and never a separator. '+' means
 * itself. USHER_EINVAL: bad percent-encoding, control characters, invalid UTF-8; USHER_ETOOBIG: over
 * TARGET_MAX. More segments or parameters than fit are USHER_ENOTFOUND and USHER_EINVAL. */
int target_parse(const char *uri, struct target *ret_target, struct usher_error *err);
void target_free(struct target *target);

/* Which parameters a route takes. */
enum {
	QUERY_LIMIT = 1 << 0,
	QUERY_CURSOR = 1 << 1,
	QUERY_STATUS = 1 << 2,
	QUERY_CHANNEL = 1 << 3,
	QUERY_CLASS = 1 << 4,
	QUERY_TEXT = 1 << 5,
	QUERY_SINCE = 1 << 6,
	QUERY_SORT = 1 << 7,
	QUERY_WAITING = 1 << 8,
	QUERY_TARGET = 1 << 9,
	QUERY_MINUTES = 1 << 10,
	QUERY_FILTER = 1 << 11,
	QUERY_KEY = 1 << 12,
	QUERY_FROM = 1 << 13,
	QUERY_TO = 1 << 14
};
#define QUERY_VERSIONS (QUERY_FROM | QUERY_TO)
#define QUERY_PAGE (QUERY_LIMIT | QUERY_CURSOR)
#define QUERY_FAILED (QUERY_STATUS | QUERY_CHANNEL | QUERY_CLASS | QUERY_TEXT | QUERY_SINCE | QUERY_FILTER)

#define QUERY_LIMIT_DEFAULT 50
#define QUERY_TEXT_MAX 320 /* bytes: the longest e-mail address */
#define QUERY_AUDIT_TARGET_MAX 160
#define QUERY_KEY_MAX 160 /* bytes */

struct query { /* strings borrowed from the target */
	int limit;
	const char *cursor;              /* "" for the first page */
	int status, channel, class;      /* enum values, -1: any */
	const char *text;                /* NULL: any */
	const char *filter;              /* as written, see model/filter.h; NULL: any */
	int sort;                        /* enum failed_sort */
	wall_time since;                 /* 0: any */
	bool oldest_first, waiting_only; /* oldest_first: of the sort's column, the smallest first */
	const char *target;              /* NULL: any */
	int minutes;                     /* of history; 0: none */
	const char *key;                 /* of the configuration; NULL: any */
	int64_t from, to;                /* versions of the configuration; 0: not given */
};

/* USHER_EINVAL: an unknown, repeated or wrong parameter, by its name, with what is allowed. An empty
 * value counts as not given. */
int query_parse(
        const struct target *target, unsigned allowed, struct query *ret_query, struct usher_error *err);

/* Names; USHER_EINVAL lists those that are known. */
int channel_parse(const char *text, int *ret_channel, struct usher_error *err);
int class_parse(const char *text, int *ret_class, struct usher_error *err);

/* "1".."9223372036854775807", no sign, no leading zero. */
int id_parse(const char *text, int64_t *ret_id, struct usher_error *err);

#endif
