/* The board: hands the newest snapshot to whoever asks. Any thread; a snapshot is never changed once it is on
 * the board, and goes with its last reader. */
#include "engine/status.h"

#include "base/mem.h"

#include <pthread.h>

struct status_board {
	pthread_mutex_t lock;
	struct status *newest;
};

struct status_board *status_board_new(void)
{
	struct status_board *board = mem_alloc(sizeof *board);
	pthread_mutex_init(&board->lock, NULL);
	return board;
}

void status_board_put(struct status_board *board, struct status *status)
{
	atomic_store(&status->refs, 1);
	pthread_mutex_lock(&board->lock);
	struct status *old = board->newest;
	board->newest = status;
	pthread_mutex_unlock(&board->lock);
	status_release(old);
}

struct status *status_board_get(struct status_board *board)
{
	pthread_mutex_lock(&board->lock);
	struct status *status = board->newest;
	if (status)
		atomic_fetch_add(&status->refs, 1);
	pthread_mutex_unlock(&board->lock);
	return status;
}

void status_release(struct status *status)
{
	if (status && atomic_fetch_sub(&status->refs, 1) == 1)
		free(status);
}

void status_board_free(struct status_board *board)
{
	if (!board)
		return;
	status_release(board->newest);
	pthread_mutex_destroy(&board->lock);
	free(board);
}
