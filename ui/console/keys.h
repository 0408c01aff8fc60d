/* Keys: read from the terminal as one number each, and looked up in the one table, keys.def. */
#ifndef UI_CONSOLE_KEYS_H
#define UI_CONSOLE_KEYS_H

#include <stdbool.h>

/* Function keys are told from characters by a bit no character has. */
#define CODE(key) ((key) | 1 << 24)
#define CONTROL(letter) ((letter)&0x1f)
#define KEY_INTERRUPT CONTROL('c')

enum scope {
	SCOPE_OVERVIEW = 1,
	SCOPE_DLQ = 2,
	SCOPE_FAILED = 4,
	SCOPE_GROUPS = 8, /* Failed, counted by cause */
	SCOPE_DETAIL = 16,
	SCOPE_ALARMS = 32,
	SCOPE_REDRIVES = 64,
	SCOPE_RETRYING = 128,
	SCOPE_DELIVERY = 256, /* the detail of a delivery that has no failed row */
	SCOPE_CONFIG = 512,
	SCOPE_VERSIONS = 1024 /* Config, its history */
};
/* The words keys.def uses. */
#define SCOPES_ANY (SCOPES_SCREENS | SCOPES_DETAILS)
#define SCOPES_SCREENS (SCOPE_OVERVIEW | SCOPES_LISTS | SCOPE_REDRIVES | SCOPE_ALARMS | SCOPES_CONFIG)
#define SCOPES_LISTS (SCOPES_MARKABLE | SCOPE_GROUPS)
#define SCOPES_MARKABLE (SCOPES_TABLES | SCOPE_RETRYING)
#define SCOPES_TABLES (SCOPE_DLQ | SCOPE_FAILED)
#define SCOPES_ROWS (SCOPES_TABLES | SCOPE_DETAIL)
#define SCOPES_FINDING (SCOPES_TABLES | SCOPE_GROUPS)
#define SCOPES_FAILED (SCOPE_FAILED | SCOPE_GROUPS)
#define SCOPES_DLQ SCOPE_DLQ
#define SCOPES_OVERVIEW SCOPE_OVERVIEW
#define SCOPES_REDRIVES SCOPE_REDRIVES
#define SCOPES_FAILED_ROWS SCOPE_FAILED
#define SCOPES_ALARMS SCOPE_ALARMS
#define SCOPES_DETAIL SCOPE_DETAIL
#define SCOPES_DELIVERY SCOPE_DELIVERY
#define SCOPES_DETAILS (SCOPE_DETAIL | SCOPE_DELIVERY)
#define SCOPES_RETRYING SCOPE_RETRYING
#define SCOPES_WAITING (SCOPE_RETRYING | SCOPE_DELIVERY)
#define SCOPES_UNDOABLE (SCOPE_OVERVIEW | SCOPE_RETRYING | SCOPE_ALARMS | SCOPES_CONFIG)
#define SCOPES_CONFIG (SCOPE_CONFIG | SCOPE_VERSIONS)
#define SCOPES_CONFIG_VALUES SCOPE_CONFIG
#define SCOPES_OPENED (SCOPES_LISTS | SCOPES_CONFIG)

#define COMMAND(...)
#define KEY(where, action, k1, k2, k3, acts, shown, label, help) ACTION_##action,
enum action {
	ACTION_NONE,
#include "keys.def"
	ACTION_COUNT
};
#undef COMMAND
#undef KEY

struct key_row {
	unsigned scopes;
	enum action action;
	int keys[3];
	bool acts;
	const char *name, *shown, *label, *help;
};
extern const struct key_row key_rows[];
extern const int key_row_count;

enum action key_action(int key, unsigned scope);
bool action_acts(enum action action);

#endif
