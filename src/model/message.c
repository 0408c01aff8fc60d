/* Messages and their attributes: ownership and the stored form. No I/O; any thread. */
#include "model/message.h"

#include "base/json.h"
#include "base/mem.h"
#include "model/failure.h"

#include <string.h>

bool message_attribute_set(struct message_attributes *attributes, const char *name, const char *value)
{
	for (size_t i = 0; i < attributes->count; i++) {
		struct message_attribute *a = &attributes->list[i];
		if (strcmp(a->name, name) != 0)
			continue;
		char *copy = mem_string(value); /* first: value may be the one that is replaced */
		free(a->value);
		a->value = copy;
		return true;
	}
	if (attributes->count == MESSAGE_ATTRIBUTES_MAX)
		return false;
	attributes->list[attributes->count++] =
	        (struct message_attribute){ .name = mem_string(name), .value = mem_string(value) };
	return true;
}

const char *message_attribute_get(const struct message_attributes *attributes, const char *name)
{
	for (size_t i = 0; i < attributes->count; i++)
		if (strcmp(attributes->list[i].name, name) == 0)
			return attributes->list[i].value;
	return NULL;
}

void message_attributes_copy(struct message_attributes *to, const struct message_attributes *from)
{
	*to = (struct message_attributes){ .count = from->count };
	for (size_t i = 0; i < from->count; i++) {
		to->list[i].name = mem_string(from->list[i].name);
		to->list[i].value = mem_string(from->list[i].value);
	}
}

void message_attributes_free(struct message_attributes *attributes)
{
	for (size_t i = 0; i < attributes->count; i++) {
		mem_freep(&attributes->list[i].name);
		mem_freep(&attributes->list[i].value);
	}
	attributes->count = 0;
}

char *message_attributes_print(const struct message_attributes *attributes)
{
	if (attributes->count == 0)
		return mem_string("{}"); /* nearly every message */
	cJSON *json = cJSON_CreateObject();
	for (size_t i = 0; i < attributes->count; i++) {
		const char *value = attributes->list[i].value;
		json_add_bytes(json, attributes->list[i].name, value, strlen(value));
	}
	char *text = json_print(json);
	cJSON_Delete(json);
	return text;
}

int message_attributes_parse(const char *text, struct message_attributes *ret_attributes)
{
	struct message_attributes parsed = { .count = 0 };
	cJSON *json = NULL;
	const cJSON *item;
	int rc = text ? json_parse(text, strlen(text), &json, NULL) : USHER_EINVAL;
	if (rc == 0 && !cJSON_IsObject(json))
		rc = USHER_EINVAL;
	if (rc < 0)
		goto out;
	cJSON_ArrayForEach(item, json)
	{
		rc = !cJSON_IsString(item)                                              ? USHER_EINVAL
		     : !message_attribute_set(&parsed, item->string, item->valuestring) ? USHER_ETOOBIG
		                                                                        : 0;
		if (rc < 0)
			goto out;
	}
	*ret_attributes = parsed;
	parsed.count = 0; /* they have a new owner */
out:
	message_attributes_free(&parsed);
	cJSON_Delete(json);
	return rc;
}

struct figure queue_standing(const struct queue_depths *depths)
{
	const struct figure *parts[] = { &depths->visible, &depths->in_flight, &depths->delayed };
	struct figure sum = { 0, EXACT };

	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
		if (parts[i]->value < 0)
			return (struct figure){ -1, STALE };
		sum.value += parts[i]->value;
		if (parts[i]->exactness > sum.exactness)
			sum.exactness = parts[i]->exactness;
	}
	return sum;
}

void message_free(struct message *message)
{
	if (!message)
		return;
	free(message->id);
	free(message->receipt);
	free(message->body);
	message_attributes_free(&message->attributes);
	free(message);
}

int queue_receives(int max_attempts)
{
	return max_attempts + THROTTLED_MAX + QUEUE_SPARE_RECEIVES;
}
