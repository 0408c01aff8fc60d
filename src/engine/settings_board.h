/* What is in force and what became of the attempts to change it: immutable snapshots that the thread of
 * reload.c makes and everybody else reads; and the way by which a thread is handed a new configuration. */
#ifndef ENGINE_SETTINGS_BOARD_H
#define ENGINE_SETTINGS_BOARD_H

#include "base/clock.h"
#include "config/config.h"
#include "model/setting.h"

#include <stdatomic.h>
#include <stdint.h>

enum reload_result { RELOAD_UNCHANGED, RELOAD_APPLIED, RELOAD_REFUSED };
const char *reload_result_name(enum reload_result result); /* as in the API */

#define RELOAD_WHO_SIZE 65
#define RELOAD_SOURCE_SIZE 301

/* One attempt. */
struct reload_outcome {
	atomic_int holders;
	uint64_t ticket; /* of the newest who asked for it; 0: nobody did */
	wall_time at;
	char who[RELOAD_WHO_SIZE], source[RELOAD_SOURCE_SIZE];
	enum reload_result result;
	struct setting_changes changes;
	char **errors; /* why it was refused, all of it */
	size_t error_count;
};
void reload_outcome_release(struct reload_outcome *outcome); /* NULL is allowed */

struct settings {
	atomic_int holders;
	const struct config *config;
	wall_time since;                /* it is in force */
	int64_t version;                /* in the history; 0: not recorded yet */
	struct setting_changes pending; /* wait for a restart */
	struct reload_outcome *latest;  /* attempt; NULL: none yet */
	struct reload_outcome *asked;   /* the latest that somebody asked for; NULL: none yet */
};
void settings_release(struct settings *settings);

/* The board holds the newest; its lock covers one pointer. Any thread. */
struct settings_board;
struct settings_board *settings_board_new(const struct config *config);
void settings_board_put(struct settings_board *board, struct settings *settings); /* takes it over */
struct settings *settings_board_get(struct settings_board *board);                /* release it; never NULL */
void settings_board_free(struct settings_board *board);

/* A configuration on its way to a thread. Who posts wakes the thread behind it; a newer one takes the place
 * of one that was not taken. */
struct config_post {
	_Atomic(const struct config *) waiting;
};
void config_post_put(struct config_post *post, const struct config *config);
const struct config *config_post_take(struct config_post *post); /* the caller's to free; NULL: none */

#endif
