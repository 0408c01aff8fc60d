/* The key table and its look-up; see keys.def. */
#include "keys.h"

#include <curses.h>

#define COMMAND(...)
#define KEY(where, action, k1, k2, k3, acts, shown, label, help)                                             \
	{ SCOPES_##where, ACTION_##action, { k1, k2, k3 }, acts, #action, shown, label, help },
const struct key_row key_rows[] = {
#include "keys.def"
};
#undef COMMAND
#undef KEY
const int key_row_count = sizeof key_rows / sizeof *key_rows;

enum action key_action(int key, unsigned scope)
{
	for (int i = 0; i < key_row_count; i++) {
		const struct key_row *row = &key_rows[i];
		if ((row->scopes & scope) && key != 0 &&
		        (row->keys[0] == key || row->keys[1] == key || row->keys[2] == key))
			return row->action;
	}
	return ACTION_NONE;
}

bool action_acts(enum action action)
{
	for (int i = 0; i < key_row_count; i++)
		if (key_rows[i].action == action)
			return key_rows[i].acts;
	return false;
}
