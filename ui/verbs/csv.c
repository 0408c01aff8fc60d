/* Lists as comma-separated values, for spreadsheets and programs; see listing.h. */
#include "listing.h"

#include "../text.h"

#include "base/json.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

#define CELL_MAX (1 << 20)

/* A cell, in quotes where it needs them. What could act on a terminal is made harmless. */
static void print_cell(const char *text)
{
	struct buf clean = BUF(8 * CELL_MAX);
	text_clean(&clean, text, strlen(text));
	const char *c = buf_str(&clean);
	bool quoted = c[strcspn(c, "\",\r\n")] != '\0';
	if (quoted)
		putchar('"');
	for (; *c; c++) {
		if (*c == '"')
			putchar('"');
		putchar(*c);
	}
	if (quoted)
		putchar('"');
	buf_free(&clean);
}

static void print_value(const cJSON *value)
{
	if (cJSON_IsString(value)) {
		print_cell(value->valuestring);
	} else if (!cJSON_IsNull(value)) {
		OWNED char *text = json_print(value);
		print_cell(text);
	}
}

/* All members of an item, or with `header` their names. */
static void print_members(const cJSON *object, const char *prefix, bool header, bool *first)
{
	const cJSON *member;
	cJSON_ArrayForEach(member, object)
	{
		struct buf name = BUF(512);
		buf_printf(&name, "%s%s", prefix, member->string);
		if (cJSON_IsObject(member)) {
			buf_putc(&name, '.');
			print_members(member, buf_str(&name), header, first);
		} else {
			if (!*first)
				putchar(',');
			*first = false;
			if (header)
				print_cell(buf_str(&name));
			else
				print_value(member);
		}
		buf_free(&name);
	}
}

void print_csv(const cJSON *items)
{
	const cJSON *item = items ? items->child : NULL;
	bool first = true;
	if (!item)
		return;
	print_members(item, "", true, &first);
	printf("\r\n");
	for (; item; item = item->next) {
		first = true;
		print_members(item, "", false, &first);
		printf("\r\n");
	}
}
