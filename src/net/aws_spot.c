/* The notice of a spot interruption: see aws_spot.h. May call aws_imds and the shared parts of
 * aws_credentials. */
#include "net/aws_spot.h"

#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/aws_credentials_parts.h"
#include "net/aws_imds.h"

#include <string.h>
#include <unistd.h>

#define AREA "aws spot"
#define NOTICE_PATH "/latest/meta-data/spot/instance-action"
#define NOTICE_MAX 1024 /* bytes of the document; it has about 60 */
#define STATUS_TOKEN_ENDED 401

struct aws_spot {
	struct imds imds;
	int64_t ask_ms, rarely_ms;
	aws_spot_notice *notice;
	void *arg;
	struct loop_timer *timer;
	struct http_call *call; /* under way */
	char *token;            /* NULL: none */
	bool token_is_new;      /* no question has borne it yet that was answered */
	int misses;             /* in a row */
	bool hibernation_told;
};

static void answered(struct aws_spot *spot)
{
	if (spot->misses >= AWS_SPOT_MISSES)
		log_info(AREA, "the metadata service answers");
	spot->misses = 0;
	spot->token_is_new = false;
	loop_timer_start(spot->timer, spot->ask_ms);
}

static void unanswered(struct aws_spot *spot, const struct usher_error *err)
{
	if (++spot->misses == AWS_SPOT_MISSES)
		log_warn(AREA,
		        "the metadata service of EC2 tells no notice of an interruption; it is asked every "
		        "%lld s "
		        "from now on (on another machine, set [aws] spot_notice = no): %s",
		        (long long)spot->rarely_ms / 1000, err->message);
	loop_timer_start(spot->timer, spot->misses < AWS_SPOT_MISSES ? spot->ask_ms : spot->rarely_ms);
}

static void hibernates(struct aws_spot *spot, const char *at)
{
	if (!spot->hibernation_told)
		log_warn(AREA, "EC2 hibernates this instance at %s: work goes on when that is over", at);
	spot->hibernation_told = true;
	answered(spot);
}

static void read_notice(struct aws_spot *spot, const struct http_answer *answer)
{
	struct usher_error err;
	cJSON *json = NULL;
	char action[16] = "", at[32] = "";

	if (answer->body_len <= NOTICE_MAX && json_parse(answer->body, answer->body_len, &json, NULL) == 0) {
		const char *said = json_string(json, "action"), *time = json_string(json, "time");
		char words[AWS_WORDS_MAX];

		snprintf(action, sizeof action, "%s", said ? said : "");
		snprintf(at, sizeof at, "%s", time ? aws_words(time, strlen(time), words) : "");
	}
	cJSON_Delete(json);
	if (strcmp(action, "hibernate") == 0) {
		hibernates(spot, at);
	} else if (strcmp(action, "terminate") == 0 || strcmp(action, "stop") == 0) {
		spot->notice(spot->arg, action, at);
	} else {
		error_set(&err, USHER_EPROTOCOL, "its answer about the interruption makes no sense");
		unanswered(spot, &err);
	}
}

static void ask(void *arg);

static void on_notice(void *arg, const struct http_answer *answer)
{
	struct aws_spot *spot = arg;
	struct usher_error err;

	spot->call = NULL;
	if (answer->fault == HTTP_OK && answer->status == 404) {
		answered(spot);
	} else if (imds_check(answer, "answer about an interruption", &err) == 0) {
		read_notice(spot, answer);
	} else {
		bool ended = answer->status == STATUS_TOKEN_ENDED && !spot->token_is_new;

		aws_string_free(spot->token);
		spot->token = NULL;
		if (ended)
			ask(spot);
		else
			unanswered(spot, &err);
	}
}

static void on_token(void *arg, const struct http_answer *answer)
{
	struct aws_spot *spot = arg;
	struct usher_error err;

	spot->call = NULL;
	spot->token_is_new = true;
	if (imds_token(answer, &spot->token, &err))
		unanswered(spot, &err);
	else
		ask(spot);
}

static void ask(void *arg)
{
	struct aws_spot *spot = arg;

	if (spot->token)
		spot->call = imds_ask(&spot->imds, spot->token, NOTICE_PATH, on_notice, spot);
	else
		spot->call = imds_ask_token(&spot->imds, AWS_SPOT_TOKEN_S, on_token, spot);
}

struct aws_spot *aws_spot_new(struct loop *loop, struct http *http, const struct aws_spot_settings *settings,
        aws_spot_notice *notice, void *arg)
{
	struct aws_spot *spot = mem_alloc(sizeof *spot);

	spot->imds = (struct imds){ http,
		settings->environment ? settings->environment : (const char *const *)environ,
		settings->ca_bundle };
	spot->ask_ms = settings->ask_ms ? settings->ask_ms : AWS_SPOT_ASK_MS;
	spot->rarely_ms = settings->rarely_ms ? settings->rarely_ms : AWS_SPOT_RARELY_MS;
	spot->notice = notice;
	spot->arg = arg;
	spot->timer = loop_timer_new(loop, ask, spot);
	if (imds_disabled(&spot->imds))
		log_warn(AREA,
		        "no notice of an interruption will be heard: AWS_EC2_METADATA_DISABLED is true");
	else
		loop_timer_start(spot->timer, 0);
	return spot;
}

void aws_spot_free(struct aws_spot *spot)
{
	if (!spot)
		return;
	if (spot->call)
		http_cancel(spot->call);
	loop_timer_free(spot->timer);
	aws_string_free(spot->token);
	free(spot);
}
