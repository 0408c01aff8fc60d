/* The inside of the thread that reads the configuration again: what reload.c (when, and what becomes of it)
 * and reload_record.c (the history) share. All of it lives on that thread. */
#ifndef ENGINE_RELOAD_H
#define ENGINE_RELOAD_H

#include "engine/engine.h"
#include "store/config_history.h"

/* -- The history: reload_record.c ----------------------------------------------------------------------- */
#define RECORDS_MAX 100 /* that wait for the database; then the oldest is dropped */

struct records;
/* `config`: what the daemon was started with. */
struct records *records_new(struct db *db, const struct config *config);
void records_free(struct records *records);
/* An attempt: what is in force from then on, or NULL when it was refused. */
void records_add(struct records *records, const struct reload_outcome *outcome, const struct config *config);
/* Writes what waits. True: the version in force is another one now. */
bool records_write(struct records *records);
int64_t records_version(const struct records *records); /* in force; 0: not written yet */

#endif
