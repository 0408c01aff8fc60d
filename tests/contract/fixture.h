/* A private MariaDB for contract tests: a server of its own in a temporary folder, on a unix socket only,
 * with usher's schema. It dies with the test, however the test ends, and its folder goes too. One a program.
 */
#ifndef TESTS_CONTRACT_FIXTURE_H
#define TESTS_CONTRACT_FIXTURE_H

#include "base/clock.h"
#include "store/db.h"

#include <time.h>

/* cmocka group fixtures: fixture_start starts the server and migrates; fixture_start_bare leaves it without
 * usher's database. */
int fixture_start(void **state);
int fixture_start_bare(void **state);
int fixture_stop(void **state);

const struct db_settings *fixture_settings(void);          /* root on the fixture's database */
struct db_settings fixture_settings_for(const char *user); /* a user without password */
struct db *fixture_db(void);                               /* a new connection; the caller frees it */
void fixture_clear(void);                                  /* empties all tables but schema_version */

void fixture_kill(void);    /* kill -9; what was committed stays */
void fixture_restart(void); /* after fixture_kill; waits until it answers */

/* Statements of the test itself; a failing one fails the test. */
void fixture_exec(struct db *db, const char *sql);
int64_t fixture_int(struct db *db, const char *sql); /* first column of the first row; -1 without rows */
char *fixture_text(struct db *db, const char *sql);  /* the same as text, "" for NULL; free() it */

/* Fails the test, with the message, unless code is `want`. */
#define assert_code(code, want, err) fixture_assert_code(code, want, err, __FILE__, __LINE__)
#define assert_done(code, err) assert_code(code, 0, err)
void fixture_assert_code(int code, int want, const struct usher_error *err, const char *file, int line);

/* Waits for a condition; a test that waits in vain fails on this line. */
#define WAIT_DEADLINE_MS 15000
#define WAIT_FOR(condition)                                                                                  \
	do {                                                                                                 \
		mono_time begun_ = mono_now();                                                               \
		while (!(condition)) {                                                                       \
			if (mono_since_ms(begun_, mono_now()) > WAIT_DEADLINE_MS)                            \
				fail_msg("in vain: %s", #condition);                                         \
			nanosleep(&(struct timespec){ .tv_nsec = 2000000 }, NULL);                           \
		}                                                                                            \
	} while (0)

#endif
