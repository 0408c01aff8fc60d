/* SNS and SQS for measurements, and for those only: ReceiveMessage with long polls, DeleteMessageBatch,
 * ChangeMessageVisibilityBatch, SendMessageBatch, GetQueueUrl, GetQueueAttributes (SQS, JSON protocol) and
 * PublishBatch (SNS, Query protocol, raw delivery) to the queues named on the command line. MD5s are right,
 * visibility is real. What it is not: it checks no signature and no limit, speaks no TLS, keeps nothing on
 * disk, gives up to ten messages whenever it has them (SQS often gives fewer from a short queue), and is one
 * thread on loopback. So it flatters the client's latency, unless --latency says what each answer is late by,
 * and never its CPU or its number of requests per full batch.
 *
 *   sqs_sink COUNTERS-FILE [--latency MS] [--preload N] [--times FILE] QUEUE...
 *
 * --times writes when each event was published. --preload puts N sign-ups into each queue before the first
 * connection. counters->effects: messages deleted; counters->requests: in the order of `actions`. */
#include "sqs_letter.h"

#include <cjson/cJSON.h>

#define MESSAGES_MAX 10 /* in a batch or an answer */
#define JSON_TYPE "application/x-amz-json-1.0"

struct session { /* one connection's request that is not answered yet */
	struct connection *connection;
	struct session *next;
	uint64_t due_ms; /* of the answer, or of the end of the long poll */
	struct queue *queue;
	size_t max;
	uint64_t visibility_ms;
	bool polls;
};

static struct counters *the_counters;
static struct session *polling, *late; /* late: in the order of their due_ms */
static struct session **late_end = &late;
static uint64_t latency_ms;
static unsigned long long message_number;
static FILE *times; /* NULL: nobody wants them */

static void preload(struct queue *queue, unsigned long count)
{
	for (unsigned long i = 0; i < count; i++) {
		char body[512];
		struct letter letter = { .body = body };
		snprintf(body, sizeof(body),
		        "{\"eventId\":\"00000000-0000-4000-8000-%012lx\",\"type\":\"user-signup\",\"userId\":"
		        "\"u-%lu\","
		        "\"email\":\"member%lu@bench.example\",\"name\":\"김회원%lu\",\"locale\":\"%s\","
		        "\"signedUpAt\":\"2026-01-02T03:04:05Z\"}",
		        i, i, i, i, i % 2 ? "en-US" : "ko-KR");
		letter_seal(&letter);
		letter_post(queue, &letter, 0);
	}
}

/* -- Answers ------------------------------------------------------------------------------------ */

static void send_answer(struct connection *c, int status, const char *type, const struct text *body)
{
	char head[256];
	int n = snprintf(head, sizeof(head),
	        "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nx-amzn-RequestId: sink\r\nContent-Length: %zu\r\n\r\n",
	        status, status == 200 ? "OK" : "Bad Request", type, body->len);
	answer(c, head, (size_t)n);
	answer(c, body->data, body->len);
	struct session *s = c->mine;
	if (!latency_ms)
		return;
	c->held = true;
	s->due_ms = now_ms() + latency_ms;
	s->next = NULL;
	*late_end = s;
	late_end = &s->next;
}

static void refuse(struct connection *c, const char *type, const char *words)
{
	struct text body = { .len = 0 };

	say(&body, "{\"__type\":\"com.amazonaws.sqs#%s\",\"message\":\"%s\"}", type, words);
	send_answer(c, 400, JSON_TYPE, &body);
}

/* Answers a receive with what there is. */
static void hand_out(struct session *s, uint64_t now)
{
	struct text body;
	struct stored *m;
	size_t n = 0;

	body.len = 0;
	say(&body, "{");
	while (n < s->max && (m = queue_take(s->queue, now + s->visibility_ms))) {
		say(&body,
		        "%s{\"MessageId\":\"00000000-0000-4000-9000-%012llx\",\"ReceiptHandle\":\"r-%llu-%"
		        "u\",",
		        n++ ? "," : "\"Messages\":[", (unsigned long long)m->id, (unsigned long long)m->id,
		        m->receives);
		say(&body, "%s", m->json);
		say(&body, ",\"Attributes\":{\"ApproximateReceiveCount\":\"%u\",\"SentTimestamp\":\"%llu\"}}",
		        m->receives, (unsigned long long)m->sent_ms);
	}
	say(&body, n ? "]}" : "}");
	send_answer(s->connection, 200, JSON_TYPE, &body);
}

/* -- SQS ---------------------------------------------------------------------------------------- */

static const char *string_of(const cJSON *json, const char *name)
{
	return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, name));
}

static uint64_t number_of(const cJSON *json, const char *name, uint64_t fallback)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, name);

	return cJSON_IsNumber(item) ? (uint64_t)item->valuedouble : fallback;
}

static void receive(struct connection *c, struct queue *queue, const cJSON *json)
{
	struct session *s = c->mine;
	uint64_t now = now_ms(), wait_ms = number_of(json, "WaitTimeSeconds", 0) * 1000;

	s->queue = queue;
	s->max = number_of(json, "MaxNumberOfMessages", 1);
	if (s->max > MESSAGES_MAX)
		s->max = MESSAGES_MAX;
	s->visibility_ms = number_of(json, "VisibilityTimeout", 30) * 1000;
	queue_turn(queue, now);
	if (queue->first || !wait_ms) {
		hand_out(s, now);
		return;
	}
	s->polls = c->held = true;
	s->due_ms = now + wait_ms;
	s->next = NULL;
	struct session **end = &polling;
	while (*end)
		end = &(*end)->next;
	*end = s;
}

static void settle(struct connection *c, struct queue *queue, const cJSON *json, bool deletes)
{
	struct text good = { .len = 0 }, bad = { .len = 0 }, body = { .len = 0 };
	const cJSON *entry;
	uint64_t now = now_ms();

	cJSON_ArrayForEach(entry, cJSON_GetObjectItemCaseSensitive(json, "Entries"))
	{
		bool stale;
		struct stored *m = receipt_find(queue, string_of(entry, "ReceiptHandle"), &stale);
		const char *id = string_of(entry, "Id");
		if (m && deletes) {
			the_counters->effects += m->state != GONE;
			message_delete(queue, m);
		} else if (m && m->state == HIDDEN) {
			hide(queue, m, HIDDEN, now + number_of(entry, "VisibilityTimeout", 0) * 1000);
		} else if (!(stale && deletes)) { /* SQS calls a late delete a success, and may not act */
			say(&bad, "%s{\"Id\":\"%s\",\"SenderFault\":true,\"Code\":\"%s\",\"Message\":\"no\"}",
			        bad.len ? "," : "", id, m ? "MessageNotInflight" : "ReceiptHandleIsInvalid");
			continue;
		}
		say(&good, "%s{\"Id\":\"%s\"}", good.len ? "," : "", id);
	}
	say(&body, "{\"Successful\":[%.*s],\"Failed\":[%.*s]}", (int)good.len, good.data, (int)bad.len,
	        bad.data);
	send_answer(c, 200, JSON_TYPE, &body);
}

static void letter_read(struct letter *letter, const cJSON *entry)
{
	const cJSON *attribute;
	const char *body = string_of(entry, "MessageBody");

	*letter = (struct letter){ .body = body ? body : "" };
	cJSON_ArrayForEach(attribute, cJSON_GetObjectItemCaseSensitive(entry, "MessageAttributes"))
	{
		const char *type = string_of(attribute, "DataType"),
		           *value = string_of(attribute, "StringValue");
		if (type && value && letter->n < ATTRIBUTES_MAX)
			letter->attributes[letter->n++] =
			        (struct attribute){ attribute->string, type, value };
	}
	letter_seal(letter);
}

static void send_batch(struct connection *c, struct queue *queue, const cJSON *json)
{
	struct text body = { .len = 0 };
	struct letter letter;
	const cJSON *entry;
	const char *before = "";

	say(&body, "{\"Successful\":[");
	cJSON_ArrayForEach(entry, cJSON_GetObjectItemCaseSensitive(json, "Entries"))
	{
		letter_read(&letter, entry);
		letter_post(queue, &letter, number_of(entry, "DelaySeconds", 0) * 1000);
		say(&body, "%s{\"Id\":\"%s\",\"MessageId\":\"sent-%llu\",\"MD5OfMessageBody\":\"%s\"", before,
		        string_of(entry, "Id"), ++message_number, letter.body_md5);
		if (letter.n)
			say(&body, ",\"MD5OfMessageAttributes\":\"%s\"", letter.attributes_md5);
		say(&body, "}");
		before = ",";
	}
	say(&body, "],\"Failed\":[]}");
	send_answer(c, 200, JSON_TYPE, &body);
}

static void attributes(struct connection *c, struct queue *queue)
{
	struct text body = { .len = 0 };

	queue_turn(queue, now_ms());
	say(&body,
	        "{\"Attributes\":{\"QueueArn\":\"arn:aws:sqs:us-east-1:000000000000:%s\","
	        "\"ApproximateNumberOfMessages\":"
	        "\"%zu\",\"ApproximateNumberOfMessagesNotVisible\":\"%zu\","
	        "\"ApproximateNumberOfMessagesDelayed\":\"%zu\"}}",
	        queue->name, queue->counts[VISIBLE], queue->counts[HIDDEN], queue->counts[DELAYED]);
	send_answer(c, 200, JSON_TYPE, &body);
}

/* -- SNS ---------------------------------------------------------------------------------------- */

static char *decoded(char *text)
{
	char *out = text;

	for (const char *at = text; *at; at++) {
		unsigned byte;
		if (*at == '%' && sscanf(at + 1, "%2x", &byte) == 1) {
			*out++ = (char)byte;
			at += 2;
		} else {
			*out++ = *at == '+' ? ' ' : *at;
		}
	}
	*out = '\0';
	return text;
}

static void published_field(struct letter *letter, const char **id, const char *field, char *value)
{
	unsigned n;
	char rest[32];

	if (!strcmp(field, "Id")) {
		*id = value;
	} else if (!strcmp(field, "Message")) {
		letter->body = value;
	} else if (sscanf(field, "MessageAttributes.entry.%u.%31s", &n, rest) == 2 && n >= 1 &&
	           n <= ATTRIBUTES_MAX) {
		struct attribute *attribute = &letter->attributes[n - 1];
		if (letter->n < n)
			letter->n = n;
		*(!strcmp(rest, "Name")                   ? &attribute->name
		        : !strcmp(rest, "Value.DataType") ? &attribute->type
		                                          : &attribute->value) = value;
	}
}

/* "EVENT-ID MILLISECONDS" a line: when it was in the queues. */
static void note_time(const char *body)
{
	const char *id = strstr(body, "\"eventId\": \"");

	if (id)
		fprintf(times, "%.36s %llu\n", id + 12, (unsigned long long)now_ms());
	fflush(times);
}

/* `form` is of this request alone and is changed. */
static void publish(struct connection *c, char *form)
{
	struct letter letters[MESSAGES_MAX] = { 0 };
	const char *ids[MESSAGES_MAX] = { 0 };
	struct text body = { .len = 0 };
	char *rest = form, *part;

	while ((part = strsep(&rest, "&"))) {
		unsigned k;
		int field = 0;
		char *value = strchr(part, '=');
		if (!value)
			continue;
		*value++ = '\0';
		if (sscanf(part, "PublishBatchRequestEntries.member.%u.%n", &k, &field) == 1 && field &&
		        k >= 1 && k <= MESSAGES_MAX)
			published_field(&letters[k - 1], &ids[k - 1], part + field, decoded(value));
	}
	say(&body, "<PublishBatchResponse "
	           "xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><PublishBatchResult><Successful>");
	for (size_t k = 0; k < MESSAGES_MAX && ids[k] && letters[k].body; k++) {
		letter_seal(&letters[k]);
		if (times)
			note_time(letters[k].body);
		for (size_t i = 0; i < queue_count; i++)
			if (queues[i].subscribed)
				letter_post(&queues[i], &letters[k], 0);
		say(&body, "<member><Id>%s</Id><MessageId>published-%llu</MessageId></member>", ids[k],
		        ++message_number);
	}
	say(&body, "</Successful><Failed/></PublishBatchResult><ResponseMetadata><RequestId>sink</"
	           "RequestId></ResponseMetadata>"
	           "</PublishBatchResponse>");
	send_answer(c, 200, "text/xml", &body);
}

/* -- HTTP --------------------------------------------------------------------------------------- */

static const char *const actions[] = { "ReceiveMessage", "DeleteMessageBatch", "ChangeMessageVisibilityBatch",
	"SendMessageBatch", "GetQueueAttributes", "GetQueueUrl", "PublishBatch" };
enum { RECEIVE, DELETE, HIDE, SEND, ATTRIBUTES, QUEUE_URL, PUBLISH, ACTION_COUNT };

/* The value of a header; head ends with "\r\n\r\n" and a NUL. "" without it. */
static const char *header(const char *head, const char *name, char *value, size_t room)
{
	const char *at = strcasestr(head, name);
	size_t len = at ? strcspn(at + strlen(name), "\r") : 0;

	snprintf(value, room, "%.*s", (int)len, at ? at + strlen(name) : "");
	return value + strspn(value, " ");
}

static void sqs(struct connection *c, int action, const char *host, const cJSON *json)
{
	const char *url = string_of(json, "QueueUrl"), *slash = url ? strrchr(url, '/') : NULL;
	const char *name = action == QUEUE_URL ? string_of(json, "QueueName") : slash ? slash + 1 : NULL;
	struct queue *queue = name ? queue_find(name) : NULL;
	struct text body = { .len = 0 };

	if (!queue) {
		refuse(c, "QueueDoesNotExist", "no queue is named, or too many were");
	} else if (action == QUEUE_URL) {
		say(&body, "{\"QueueUrl\":\"http://%s/000000000000/%s\"}", host, name);
		send_answer(c, 200, JSON_TYPE, &body);
	} else if (action == RECEIVE) {
		receive(c, queue, json);
	} else if (action == SEND) {
		send_batch(c, queue, json);
	} else if (action == ATTRIBUTES) {
		attributes(c, queue);
	} else {
		settle(c, queue, json, action == DELETE);
	}
}

static void serve(struct connection *c, const char *head, char *body, size_t len)
{
	char room[256], host_room[256];
	const char *target = header(head, "\r\nX-Amz-Target:", room, sizeof(room));
	const char *host = header(head, "\r\nHost:", host_room, sizeof(host_room));
	int action = 0;

	if (!*target) {
		the_counters->requests[PUBLISH]++;
		publish(c, body);
		return;
	}
	while (action < PUBLISH && !strstr(target, actions[action]))
		action++;
	if (action == PUBLISH) {
		refuse(c, "InvalidAction", "this is a stand-in that knows a few actions only");
		return;
	}
	the_counters->requests[action]++;
	cJSON *json = cJSON_ParseWithLength(body, len);
	sqs(c, action, host, json);
	cJSON_Delete(json);
}

static ssize_t consume(struct connection *c, struct counters *counters)
{
	char *end = c->len ? memmem(c->in, c->len, "\r\n\r\n", 4) : NULL;
	char length[32];

	the_counters = counters;
	if (!end || c->held)
		return 0;
	char after = end[4];
	end[4] = '\0'; /* IN_MAX has room: a full buffer is cut off by the frame */
	size_t len = strtoul(header(c->in, "\r\nContent-Length:", length, sizeof(length)), NULL, 10);
	end[4] = after;
	size_t head = (size_t)(end - c->in) + 4;
	if (c->len < head + len)
		return 0;
	if (!c->mine && !(c->mine = calloc(1, sizeof(struct session))))
		die("sqs_sink: memory");
	((struct session *)c->mine)->connection = c;
	char *head_text = strndup(c->in, head), *body = strndup(c->in + head, len);
	serve(c, head_text, body, len);
	free(head_text);
	free(body);
	return (ssize_t)(head + len);
}

static void gone(struct connection *c)
{
	struct session *s = c->mine;

	for (struct session **at = &polling; *at; at = &(*at)->next)
		if (*at == s) {
			*at = s->next;
			break;
		}
	for (struct session **at = &late; *at; at = &(*at)->next)
		if (*at == s) {
			if (!(*at = s->next))
				late_end = at;
			break;
		}
	free(s);
}

static const struct sink the_sink;

/* The answer goes out; then what the client has sent meanwhile is looked at. */
static void release(struct connection *c)
{
	c->held = false;
	if (flush(c) || proceed(c, &the_sink, the_counters))
		shutdown(c->fd, SHUT_RDWR); /* ends at its next event */
}

static uint64_t serve_polls(uint64_t now)
{
	uint64_t next = UINT64_MAX;

	for (struct session **at = &polling; *at;) {
		struct session *s = *at;
		if (!s->queue->first && s->due_ms > now) {
			next = s->due_ms < next ? s->due_ms : next;
			at = &s->next;
			continue;
		}
		*at = s->next;
		s->polls = s->connection->held = false;
		hand_out(s, now);
		if (!s->connection->held)
			release(s->connection);
	}
	return next;
}

static int tick(void)
{
	uint64_t now = now_ms(), next = UINT64_MAX, at;

	for (size_t i = 0; i < queue_count; i++)
		next = (at = queue_turn(&queues[i], now)) < next ? at : next;
	next = (at = serve_polls(now)) < next ? at : next;
	while (late && late->due_ms <= now) {
		struct session *s = late;
		if (!(late = s->next))
			late_end = &late;
		release(s->connection);
	}
	if (late && late->due_ms < next)
		next = late->due_ms;
	return next == UINT64_MAX ? -1 : next > now ? (int)(next - now) : 0;
}

static const struct sink the_sink = { .consume = consume, .tick = tick, .gone = gone };

int main(int argc, char **argv)
{
	unsigned long preloaded = 0;

	for (int i = 2; i < argc; i++) {
		if (!strcmp(argv[i], "--latency") && i + 1 < argc) {
			latency_ms = strtoul(argv[++i], NULL, 10);
		} else if (!strcmp(argv[i], "--preload") && i + 1 < argc) {
			preloaded = strtoul(argv[++i], NULL, 10);
		} else if (!strcmp(argv[i], "--times") && i + 1 < argc) {
			if (!(times = fopen(argv[++i], "w")))
				die(argv[i]);
		} else {
			struct queue *queue = queue_find(argv[i]);
			if (queue)
				queue->subscribed = true;
		}
	}
	for (size_t i = 0; i < queue_count; i++)
		preload(&queues[i], preloaded);
	return sink_run(argc < 2 ? argc : 2, argv, &the_sink);
}
