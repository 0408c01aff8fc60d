/* Lists as comma-separated values, for spreadsheets and programs; see listing.h. */
#include "listing.h"

#include "../text.h"

#include "base/json.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

#define CELL_MAX (1 << 20)

#define COLUMNS_MAX 1000

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

/* Text that a spreadsheet would run when the file is opened: somebody may have signed up with it. */
static bool is_formula(const char *text)
{
	text += strspn(text, " ");
	return *text && strchr("=+-@\t\r", *text);
}

static void print_value(const cJSON *value)
{
	if (cJSON_IsString(value) && is_formula(value->valuestring)) {
		struct buf b = BUF(CELL_MAX);
		buf_putc(&b, '\'');
		buf_puts(&b, value->valuestring);
		print_cell(buf_str(&b));
		buf_free(&b);
	} else if (cJSON_IsString(value)) {
		print_cell(value->valuestring);
	} else if (value && !cJSON_IsNull(value)) {
		OWNED char *text = json_print(value);
		print_cell(text);
	}
}

/* -- Columns: those of all items, in the order they are met -------------------------------------------- */

struct columns {
	char *name[COLUMNS_MAX];
	int count;
};

static void add_column(struct columns *c, const char *name)
{
	for (int i = 0; i < c->count; i++)
		if (!strcmp(c->name[i], name))
			return;
	if (c->count < COLUMNS_MAX)
		c->name[c->count++] = mem_string(name);
}

static void add_members(struct columns *c, const cJSON *object, const char *prefix)
{
	const cJSON *member;
	cJSON_ArrayForEach(member, object)
	{
		struct buf name = BUF(512);
		buf_printf(&name, "%s%s", prefix, member->string);
		if (cJSON_IsObject(member) && member->child) {
			buf_putc(&name, '.');
			add_members(c, member, buf_str(&name));
		} else {
			add_column(c, buf_str(&name));
		}
		buf_free(&name);
	}
}

/* "dlq", null in one item, where another has "dlq.seen_at". */
static bool is_parent(const struct columns *c, const char *name)
{
	size_t len = strlen(name);
	for (int i = 0; i < c->count; i++)
		if (!strncmp(c->name[i], name, len) && c->name[i][len] == '.')
			return true;
	return false;
}

static const cJSON *find(const cJSON *item, const char *path)
{
	while (item && *path) {
		size_t len = strcspn(path, ".");
		OWNED char *key = mem_stringn(path, len);
		item = json_get(item, key);
		path += len + (path[len] == '.');
	}
	return item;
}

static void print_record(const struct columns *c, const cJSON *item)
{
	bool first = true;
	for (int i = 0; i < c->count; i++) {
		if (is_parent(c, c->name[i]))
			continue;
		if (!first)
			putchar(',');
		first = false;
		if (item)
			print_value(find(item, c->name[i]));
		else
			print_cell(c->name[i]);
	}
	printf("\r\n");
}

void print_csv(const cJSON *items, bool header)
{
	struct columns c = { .count = 0 };
	const cJSON *item;
	cJSON_ArrayForEach(item, items)
	{
		add_members(&c, item, "");
	}
	if (c.count && header)
		print_record(&c, NULL);
	cJSON_ArrayForEach(item, items)
	{
		print_record(&c, item);
	}
	for (int i = 0; i < c.count; i++)
		free(c.name[i]);
}
