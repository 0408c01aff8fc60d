/* Reads what a config server answers: Spring Cloud Config's Environment, {"name", "profiles", "label",
 * "version", "state", "propertySources": [{"name", "source": {"a.b": value}}]}, the first source winning.
 * Only properties of usher are looked at. Calls base only; pure, any thread. */
#include "config/server.h"

#include "base/error.h"
#include "base/language.h"
#include "base/json.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define PREFIX "usher."
#define INVALID "invalid." /* what the server puts in front of a name whose value it could not decrypt */
#define NOT_DECRYPTED                                                                                        \
	N_("the server could not decrypt it; see its log, and encrypt the value anew with the key it has")
#define NOT_AVAILABLE "<n/a>" /* and the value it puts there */
#define CIPHER "{cipher}"
#define INDEX_MAX 1000 /* of a list's item */
#define WHERE_MAX 480  /* bytes of where a property stands */

/* -- Names and texts from outside --------------------------------------------------------------- */

static bool starts(const char *text, const char *with)
{
	return strncasecmp(text, with, strlen(with)) == 0;
}

/* For people: without control characters, and without the login of a URL (a source is often named by the
 * address of a repository). */
static char *shown(const char *text)
{
	char *copy = mem_string(text);
	char *host = copy ? strstr(copy, "://") : NULL;

	for (char *c = copy; c && *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = '?';
	while (host) {
		char *from = host + 3, *at = NULL;
		for (char *c = from; *c && !strchr("/?# ", *c); c++)
			if (*c == '@')
				at = c;
		if (at)
			memmove(from, at + 1, strlen(at + 1) + 1);
		host = strstr(from, "://");
	}
	return copy;
}

/* "a.b[2]": the index, and where the bracket is; -1: it is no item of a list. */
static int list_index(const char *name, size_t *ret_len)
{
	const char *open = strrchr(name, '[');
	char *end;

	if (!open || open[1] < '0' || open[1] > '9')
		return -1;
	long index = strtol(open + 1, &end, 10);
	if (strcmp(end, "]") != 0 || index > INDEX_MAX)
		return -1;
	*ret_len = (size_t)(open - name);
	return (int)index;
}

/* -- Values ------------------------------------------------------------------------------------- */

static const char *text_fault(const char *text)
{
	const char *open = strstr(text, "${");

	if (strcmp(text, NOT_AVAILABLE) == 0)
		return NOT_DECRYPTED;
	if (strncmp(text, CIPHER, strlen(CIPHER)) == 0)
		return N_("it is encrypted, and usher has no key: let the server decrypt it "
		          "(spring.cloud.config.server.encrypt.enabled)");
	if (open && strchr(open, '}'))
		return N_("it holds a placeholder ${...}, which usher does not resolve; write the value "
		          "itself");
	return NULL;
}

/* A value of the second form stands in an object; the server leaves out an origin that it does not know. */
static const cJSON *value_of(const cJSON *item, const char **ret_origin)
{
	const cJSON *value = json_get(item, "value");

	*ret_origin = value ? json_string(item, "origin") : NULL;
	return value ? value : item;
}

static void value_read(const cJSON *value, struct server_property *property)
{
	if (starts(property->name, INVALID))
		property->fault = NOT_DECRYPTED;
	else if (cJSON_IsString(value))
		property->fault = text_fault(cJSON_GetStringValue(value));
	else if (!cJSON_IsNumber(value) && !cJSON_IsBool(value))
		property->fault = N_("its value is neither text, nor a number, nor true or false");
	if (property->fault)
		return;
	property->text = cJSON_IsString(value) ? mem_string(cJSON_GetStringValue(value)) : json_print(value);
}

static void text_free(char *text)
{
	if (text)
		mem_wipe(text, strlen(text));
	free(text);
}

static struct server_property *property_add(struct server_environment *environment, const char *name,
        size_t name_len, const char *source, const char *origin, size_t rank)
{
	size_t count = environment->count;

	environment->properties =
	        mem_resize(environment->properties, count + 1, sizeof *environment->properties);
	environment->properties[count] = (struct server_property){ .name = mem_stringn(name, name_len),
		.source = shown(source),
		.origin = shown(origin),
		.rank = rank };
	environment->count++;
	return &environment->properties[count];
}

/* -- Lists ---------------------------------------------------------------------------------------- */

/* All items of one list in one source: they stand there as name[0], name[1]. */
static void list_read(struct server_property *property, const cJSON *source)
{
	struct buf text = BUF(SERVER_ANSWER_MAX);
	char name[160];
	const char *origin;

	property->list = true;
	if (json_get(source, property->name) && !cJSON_IsNull(json_get(source, property->name)))
		property->fault =
		        N_("it stands there twice, as a value and as a list: leave one of them out");
	for (int i = 0; i <= INDEX_MAX && !property->fault; i++) {
		snprintf(name, sizeof name, "%s[%d]", property->name, i);
		const cJSON *item = json_get(source, name);
		if (!item)
			break;
		value_read(value_of(item, &origin), property);
		buf_printf(&text, "%s%s", i ? "," : "", property->text ? property->text : "");
		text_free(property->text);
		property->text = NULL;
	}
	if (!property->fault && text.len)
		property->text = mem_string(buf_str(&text));
	else if (!property->fault)
		property->fault = N_("it is a list without a first item, or without text");
	mem_wipe(text.data, text.cap);
	buf_free(&text);
}

static bool list_seen(const struct server_environment *environment, const char *name, size_t len, size_t rank)
{
	for (size_t i = environment->count; i > 0 && environment->properties[i - 1].rank == rank; i--) {
		const struct server_property *p = &environment->properties[i - 1];
		if (p->list && strlen(p->name) == len && strncmp(p->name, name, len) == 0)
			return true;
	}
	return false;
}

/* -- Sources -------------------------------------------------------------------------------------- */

static void property_read(struct server_environment *environment, const cJSON *item, const cJSON *source,
        const char *source_name, size_t rank)
{
	const char *name = item->string, *origin;
	const cJSON *value = value_of(item, &origin);
	size_t len = 0;

	if (!starts(name, PREFIX) && !starts(name, INVALID PREFIX))
		return;
	if (cJSON_IsNull(value)) /* not there, as Spring has it: the next source may have it */
		return;
	if (starts(name, PREFIX) && list_index(name, &len) >= 0) {
		if (!list_seen(environment, name, len, rank))
			list_read(property_add(environment, name, len, source_name, origin, rank), source);
		return;
	}
	value_read(value, property_add(environment, name, strlen(name), source_name, origin, rank));
}

static int sources_read(struct server_environment *environment, const cJSON *sources, struct usher_error *err)
{
	const cJSON *source, *item;
	size_t rank = 0;

	cJSON_ArrayForEach(source, sources)
	{
		const char *name = json_string(source, "name");
		const cJSON *properties = json_get(source, "source");
		if (rank == SERVER_SOURCES_MAX)
			return error_set(err, USHER_EPROTOCOL, "it has more than %d property sources",
			        SERVER_SOURCES_MAX);
		if (!name || !cJSON_IsObject(properties))
			return error_set(err, USHER_EPROTOCOL,
			        "property source %zu of it has no \"name\" or no \"source\"", rank + 1);
		cJSON_ArrayForEach(item, properties) property_read(environment, item, properties, name, rank);
		rank++;
	}
	return 0;
}

static void kept_read(struct server_environment *environment, const cJSON *json)
{
	const char *at = json_string(json, "kept");
	const cJSON *item;

	if (at && wall_parse(at, &environment->kept_at) < 0)
		environment->kept_at = (wall_time){ 0 };
	environment->asked = mem_string(json_string(json, "asked"));
	cJSON_ArrayForEach(item, json_get(json, "withheld"))
	{
		if (!cJSON_IsString(item))
			continue;
		environment->withheld = mem_resize(environment->withheld, environment->withheld_count + 1,
		        sizeof *environment->withheld);
		environment->withheld[environment->withheld_count++] = mem_string(cJSON_GetStringValue(item));
	}
}

int server_parse(
        const char *text, size_t len, struct server_environment **ret_environment, struct usher_error *err)
{
	struct server_environment *environment;
	cJSON *json = NULL;
	int rc = json_parse(text, len, &json, NULL);

	if (rc < 0) /* the parser's words might quote a secret */
		return error_set(err, USHER_EPROTOCOL, "it is not JSON");
	const cJSON *sources = json_get(json, "propertySources");
	if (!json_string(json, "name") || !cJSON_IsArray(sources)) {
		json_wipe(json);
		return error_set(err, USHER_EPROTOCOL,
		        "it has no \"name\" or no \"propertySources\": is this a Spring Cloud Config "
		        "server?");
	}
	environment = mem_alloc(sizeof *environment);
	environment->label = shown(json_string(json, "label"));
	environment->version = shown(json_string(json, "version"));
	environment->state = shown(json_string(json, "state"));
	kept_read(environment, json);
	rc = sources_read(environment, sources, err);
	json_wipe(json);
	if (rc < 0)
		server_environment_free(environment);
	else
		*ret_environment = environment;
	return rc;
}

void server_environment_free(struct server_environment *environment)
{
	if (!environment)
		return;
	for (size_t i = 0; i < environment->count; i++) {
		struct server_property *p = &environment->properties[i];
		free(p->name);
		text_free(p->text);
		free(p->source);
		free(p->origin);
	}
	for (size_t i = 0; i < environment->withheld_count; i++)
		free(environment->withheld[i]);
	free(environment->properties);
	free(environment->withheld);
	free(environment->label);
	free(environment->version);
	free(environment->state);
	free(environment->asked);
	free(environment);
}

char *server_where(const struct server_environment *environment, const struct server_property *property)
{
	struct buf where = BUF(WHERE_MAX * 2);
	char kept[WALL_TEXT_SIZE];

	buf_printf(&where, _("config server %.*s"), WHERE_MAX / 2, property->source);
	if (property->origin)
		buf_printf(&where, " (%.*s)", WHERE_MAX / 2, property->origin);
	if (environment->kept_at.ms)
		buf_printf(&where, _(", as kept %s"), wall_format(environment->kept_at, kept));
	return buf_take(&where);
}
