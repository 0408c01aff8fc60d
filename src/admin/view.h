/* Pieces that several answers share. They fill JSON objects; personal data leaves here masked.
 * May call base/, model/ and the names of store/; any thread. */
#ifndef ADMIN_VIEW_H
#define ADMIN_VIEW_H

#include "base/clock.h"
#include "base/json.h"
#include "base/mask.h"
#include "config/config.h"
#include "engine/settings_board.h"
#include "engine/status.h"
#include "model/message.h"
#include "store/audit.h"
#include "store/control.h"
#include "store/failed.h"
#include "store/redrive_job.h"
#include "store/failed_edit.h"
#include "store/ledger_one.h"

void view_add_id(cJSON *object, const char *key, int64_t id);       /* a decimal string */
void view_add_time(cJSON *object, const char *key, wall_time time); /* null for none */
void view_add_rate(cJSON *object, const char *key, double per_s);   /* two decimals */
void view_add_seconds(cJSON *object, const char *key, int64_t ms);  /* whole, rounded up; null below 0 */
/* {"value", "exactness"}; null when unknown (below 0); `stale` wins over the figure's own word. */
void view_add_figure(cJSON *object, const char *key, struct figure figure, bool stale);
void view_add_next(cJSON *object, const char *cursor); /* "" -> null */

/* Texts of others, masked as mask_words does; NULL -> null. `person`: whom they are about. */
void view_add_words(cJSON *object, const char *key, const char *text);
void view_add_words_of(cJSON *object, const char *key, const char *text, const struct mask_person *person);
/* A value under a name that others chose. */
void view_add_member(cJSON *object, const char *name, const char *value, const struct mask_person *person);
void view_add_email(cJSON *object, const char *key, const char *email);
void view_add_name(cJSON *object, const char *key, const char *name);
void view_add_user_id(cJSON *object, const char *key, const char *user_id);

void view_add_cause(cJSON *object, int64_t cause);                    /* as the filter language takes it */
void view_add_alarms(cJSON *status, const struct alarm_board *board); /* NULL: not known yet */

/* What of the configuration an operator should see at once: view_config.c. */
void view_add_settings(cJSON *status, const struct settings *settings);

struct mask_person view_person(const struct failed_row *row); /* borrows from it */
cJSON *view_failed(const struct failed_row *row);
/* "paused" and "forced": null, or by whom, why and since when. */
void view_add_control(cJSON *object, const struct control *control);
cJSON *view_delivery(const struct delivery_row *row, const struct config *config);
cJSON *view_audit(const struct audit_row *row);
cJSON *view_redrive_job(const struct redrive_job *job);

/* Parts of a detail: the message, and what has been done with it so far. view_delivery.c */
void view_add_payload(cJSON *json, const void *payload, size_t len, const char *attributes,
        const struct mask_person *person);
int view_add_attempts(cJSON *json, struct db *db, int64_t delivery_id, const struct mask_person *person,
        struct usher_error *err);
/* The copy that it waits for, of a redrive or of an attempt to be made at once; null when none is to be sent.
 */
int view_add_fresh_copy(
        cJSON *json, struct db *db, int64_t failed_id, int64_t delivery_id, struct usher_error *err);
int view_add_edits(cJSON *json, struct db *db, int64_t failed_id, const struct mask_person *person,
        struct usher_error *err);
int view_add_audit(
        cJSON *json, struct db *db, int64_t failed_id, int64_t delivery_id, struct usher_error *err);

/* Figures taken at `at` are too old to be believed: nobody has taken new ones for several intervals, and for
 * longer than a hiccup of the machine lasts. */
#define STALE_INTERVALS 5
#define STALE_MIN_MS 2000
bool view_is_stale(const struct config *config, wall_time at, wall_time now);
/* The same of a channel's depths, which are taken less often while nothing moves. status NULL: none yet. */
bool view_depths_are_stale(
        const struct config *config, const struct status *status, enum channel_id channel, wall_time now);

#endif
