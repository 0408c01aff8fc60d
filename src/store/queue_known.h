/* What store/queue*.c remember of queues between calls; for these files only. */
#ifndef STORE_QUEUE_KNOWN_H
#define STORE_QUEUE_KNOWN_H

#include "store/queue.h"

struct known_queue {
	struct known_queue *next;
	char *name;
	mono_time at;       /* when it was looked up */
	int64_t id, dlq_id; /* dlq_id 0: no redrive policy */
	int64_t max_receive_count;
	bool busy; /* the last take filled its batch: don't look before the next */
	/* While busy a take begins here, not at the queue's oldest: rows taken before leave marks in the
	 * index until InnoDB purges them, and every one of them would be gone over again. What comes to stand
	 * before this point (a commit that came late) is found by the look from the oldest that is due at
	 * `floor_until`. */
	wall_time floor;
	mono_time floor_until;
	/* where queue_list goes on; id 0: at the oldest */
	wall_time listed_sent_at;
	int64_t listed_id;
};

struct queues {
	struct db *db;
	struct known_queue *known;
	struct {
		char *topic;
		char **names;
		size_t n;
		mono_time at;
	} subscribed;
};

/* The queue of that name, from memory or the database. USHER_ENOTFOUND. */
int queue_find(struct queues *queues, const char *name, struct known_queue **ret, struct usher_error *err);

/* "(a,b,c" grows by one number at each call; the caller closes it. */
void sql_list(struct sql *sql, size_t position, int64_t number);

/* A message out of a row of QUEUE_COLUMNS; receive_count as it stands there, plus received. */
#define QUEUE_COLUMNS "id, receive_count, message_id, sent_at, attributes, body, visible_at"
#define QUEUE_VISIBLE_AT 6
struct message *queue_message(const struct rows *rows, int received);
void queue_messages_free(struct message **messages, size_t n);

#endif
