/* The board of what is in force, as status.c's of what is known, and the post to threads. Any thread; a
 * snapshot is never changed once it is on the board, and goes with its last reader. */
#include "engine/settings_board.h"

#include "base/mem.h"

#include <pthread.h>

const char *reload_result_name(enum reload_result result)
{
	static const char *const names[] = { "unchanged", "applied", "refused" };
	return names[result];
}

void reload_outcome_release(struct reload_outcome *outcome)
{
	if (!outcome || atomic_fetch_sub(&outcome->holders, 1) > 1)
		return;
	setting_changes_free(&outcome->changes);
	for (size_t i = 0; i < outcome->error_count; i++)
		free(outcome->errors[i]);
	free(outcome->errors);
	free(outcome);
}

void settings_release(struct settings *settings)
{
	if (!settings || atomic_fetch_sub(&settings->holders, 1) > 1)
		return;
	config_free(settings->config);
	setting_changes_free(&settings->pending);
	reload_outcome_release(settings->latest);
	reload_outcome_release(settings->asked);
	free(settings);
}

/* -- The board ------------------------------------------------------------------------------------------ */

struct settings_board {
	pthread_mutex_t lock;
	struct settings *newest;
};

struct settings_board *settings_board_new(const struct config *config)
{
	struct settings_board *board = mem_alloc(sizeof *board);

	pthread_mutex_init(&board->lock, NULL);
	board->newest = mem_alloc(sizeof *board->newest);
	board->newest->config = config_hold(config);
	board->newest->since = wall_now();
	atomic_store(&board->newest->holders, 1);
	return board;
}

void settings_board_put(struct settings_board *board, struct settings *settings)
{
	atomic_store(&settings->holders, 1);
	pthread_mutex_lock(&board->lock);
	struct settings *old = board->newest;
	board->newest = settings;
	pthread_mutex_unlock(&board->lock);
	settings_release(old);
}

struct settings *settings_board_get(struct settings_board *board)
{
	pthread_mutex_lock(&board->lock);
	struct settings *settings = board->newest;
	atomic_fetch_add(&settings->holders, 1);
	pthread_mutex_unlock(&board->lock);
	return settings;
}

void settings_board_free(struct settings_board *board)
{
	if (!board)
		return;
	settings_release(board->newest);
	pthread_mutex_destroy(&board->lock);
	free(board);
}

/* -- The post ------------------------------------------------------------------------------------------- */

void config_post_put(struct config_post *post, const struct config *config)
{
	config_free(atomic_exchange(&post->waiting, config_hold(config)));
}

const struct config *config_post_take(struct config_post *post)
{
	return atomic_exchange(&post->waiting, NULL);
}
