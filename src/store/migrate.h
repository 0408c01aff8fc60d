/* Applies the numbered files of sql/ (compiled in) that a database lacks, under an advisory lock,
 * and records their checksums in schema_version. Refuses a database newer than this program and a file that
 * changed after it was applied. Creates the database if it is missing and the user may. */
#ifndef STORE_MIGRATE_H
#define STORE_MIGRATE_H

#include "store/db.h"

typedef void migrate_report(void *arg, const char *line); /* "applied 0001_initial", "up to date at 0001" */
int migrate_run(
        const struct db_settings *settings, migrate_report *report, void *arg, struct usher_error *err);
/* 0 when the database has exactly the schema this program knows; else USHER_ECONFIG and what to do. */
int migrate_check(struct db *db, struct usher_error *err);

#endif
