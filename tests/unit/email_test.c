/* The mail channel: templates by locale, mistakes in them, the message as it arrives, and what is told
 * of each try. */
#include "channel/channel.h"
#include "net/smtp.h"

#include "../support/server.h"
#include "base/buf.h"
#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include <cmocka.h>

#define MAIL_MAX 65536

struct state {
	struct loop *loop;
	struct curl_loop *cl;
	struct channel *channel;
	struct server server;
	struct email_settings settings;
	struct event event;
	struct loop_timer *timer;
	char dir[64], url[64];
	char mail[MAIL_MAX]; /* the last that arrived, lines ending in \n */
	_Atomic(const char *) rcpt_answer;
	atomic_int mails;
	int answers;
	struct reply reply;
};

/* -- The mail server -------------------------------------------------------------------------- */

static bool take_mail(struct state *s, struct peer *peer)
{
	char line[2048];
	size_t at = 0;

	peer_say(peer, "354 Go ahead\r\n");
	while (peer_line(peer, line, sizeof line)) {
		if (strcmp(line, ".") == 0) {
			s->mails++;
			return peer_say(peer, "250 2.0.0 Ok: queued as 7\r\n");
		}
		at += (size_t)snprintf(s->mail + at, sizeof s->mail - at, "%s\n", line + (line[0] == '.'));
	}
	return false;
}

static void serve(struct server *server, struct peer *peer)
{
	struct state *s = server->script;
	char line[2048];

	peer_say(peer, "220 test.example ESMTP\r\n");
	while (peer_line(peer, line, sizeof line)) {
		const char *refusal = s->rcpt_answer;
		if (strncmp(line, "RCPT", 4) == 0 && refusal)
			peer_say(peer, refusal);
		else if (strncmp(line, "DATA", 4) == 0 && !take_mail(s, peer))
			return;
		else if (strncmp(line, "DATA", 4) != 0)
			peer_say(peer, "250 Ok\r\n");
	}
}

/* -- The test's side ---------------------------------------------------------------------------- */

static void put(struct state *s, const char *name, const char *text)
{
	char path[256];
	snprintf(path, sizeof path, "%s/%s", s->dir, name);
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static int setup(void **state)
{
	struct state *s = calloc(1, sizeof *s);
	s->loop = loop_new();
	s->cl = curl_loop_new(s->loop, 4);
	server_start(&s->server, serve, s);
	snprintf(s->url, sizeof s->url, "smtp://127.0.0.1:%d", s->server.port);
	strcpy(s->dir, "/tmp/usher-test-mail-XXXXXX");
	assert_non_null(mkdtemp(s->dir));
	put(s, "welcome.en.txt", "Subject: Welcome, {{name}}\n\nHello {{name}}, {{{email}}}.\n");
	put(s, "welcome.en.html", "<p>Hello {{name}}</p>\n");
	put(s, "welcome.ko.txt", "Subject: {{name}}님, 환영합니다\n\n{{name}}님, 안녕하세요.\n");
	put(s, "welcome.ko.html", "<p>{{name}}님, 안녕하세요.</p>\n");
	s->settings = (struct email_settings){ .smtp_url = s->url,
		.from = "The Shop <welcome@shop.example>",
		.template_dir = s->dir,
		.tls = SMTP_TLS_NONE,
		.connections = 2,
		.timeout_ms = 10000 };
	s->event = (struct event){ .event_id = "e-1",
		.type = "user-signup",
		.user_id = "u-1",
		.email = "ada@example.com",
		.name = "Ada <b>Byron</b>",
		.locale = "en-GB",
		.signed_up_at = "2026-11-22T21:23:11Z" };
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct state *s = *state;
	char command[128];
	if (s->channel)
		s->channel->ops->close(s->channel);
	loop_timer_free(s->timer);
	curl_loop_free(s->cl);
	loop_free(s->loop);
	server_stop(&s->server);
	snprintf(command, sizeof command, "rm -r '%s'", s->dir);
	assert_int_equal(system(command), 0);
	free(s);
	return 0;
}

static void open_channel(struct state *s)
{
	struct usher_error err = { 0 };
	if (!s->channel && email_open(&s->settings, s->loop, s->cl, &s->channel, &err) < 0)
		fail_msg("%s", err.message);
	if (!s->channel)
		abort(); /* the analyser does not know that fail_msg never returns */
}

static void done(void *arg, const struct reply *reply)
{
	struct state *s = arg;
	s->reply = *reply;
	s->answers++;
	loop_stop(s->loop);
}

static const struct reply *send_one(struct state *s)
{
	int before = s->answers;
	open_channel(s);
	s->channel->ops->send(s->channel, &s->event, done, s);
	assert_int_equal(s->answers, before); /* never from inside send */
	loop_run(s->loop);
	assert_int_equal(s->answers, before + 1);
	return &s->reply;
}

static void refused(struct state *s, const char *words)
{
	struct usher_error err = { 0 };
	struct channel *channel = NULL;
	assert_int_equal(email_open(&s->settings, s->loop, s->cl, &channel, &err), USHER_ECONFIG);
	assert_null(channel);
	if (!strstr(err.message, words))
		fail_msg("\"%s\" does not say \"%s\"", err.message, words);
}

static void assert_mail_has(struct state *s, const char *text)
{
	if (!strstr(s->mail, text))
		fail_msg("no \"%s\" in:\n%s", text, s->mail);
}

/* The Korean parts are base64: whether one of them decodes to this. */
static void assert_part_has(struct state *s, const char *text)
{
	struct buf part = BUF(MAIL_MAX);
	bool found = false;
	for (const char *p = s->mail; (p = strstr(p, "base64\n\n"));) {
		p += 8;
		buf_clear(&part);
		assert_int_equal(base64_decode(&part, p, (size_t)(strstr(p, "--=_") - p)), 0);
		found |= strstr(buf_str(&part), text) != NULL;
	}
	buf_free(&part);
	assert_true(found);
}

/* -- The message ----------------------------------------------------------------------------------- */

static void a_mail_arrives_as_text_and_html(void **state)
{
	struct state *s = *state;
	s->settings.unsubscribe = "https://shop.example/stop";
	const struct reply *reply = send_one(s);
	assert_int_equal(reply->protocol, REPLY_SMTP);
	assert_int_equal(reply->fault, FAULT_NONE);
	assert_int_equal(reply->code, 250);
	assert_mail_has(s, "From: The Shop <welcome@shop.example>\n");
	assert_mail_has(s, "To: \"Ada <b>Byron</b>\" <ada@example.com>\n");
	assert_mail_has(s, "Subject: Welcome, Ada <b>Byron</b>\n");
	assert_mail_has(s, "List-Unsubscribe: <https://shop.example/stop>\n");
	assert_mail_has(s, "Auto-Submitted: auto-generated\n");
	assert_mail_has(s, "\n\nHello Ada <b>Byron</b>, ada@example.com.\n");
	assert_mail_has(s, "<p>Hello Ada &lt;b&gt;Byron&lt;/b&gt;</p>\n");
}

static void the_message_id_is_the_events_own(void **state)
{
	struct state *s = *state;
	char expected[128], digest[65], first[REPLY_EFFECT_MAX];
	sha256_hex("e-1", 3, digest);
	snprintf(expected, sizeof expected, "<%.32s.email@shop.example>", digest);
	assert_string_equal(send_one(s)->effect, expected);
	snprintf(first, sizeof first, "Message-ID: %s\n", expected);
	assert_mail_has(s, first);
	assert_string_equal(send_one(s)->effect, expected);
	s->event.event_id = "e-2";
	assert_string_not_equal(send_one(s)->effect, expected);
	assert_null(strstr(s->mail, expected));
}

static void the_locale_chooses_the_template(void **state)
{
	struct state *s = *state;
	put(s, "welcome.pt-BR.txt", "Subject: Oi\n\nOi do Brasil\n");
	put(s, "welcome.pt-BR.html", "<p>Oi</p>\n");
	put(s, "welcome.pt.txt", "Subject: Ola\n\nOla de Portugal\n");
	put(s, "welcome.pt.html", "<p>Ola</p>\n");
	put(s, "README", "not a template\n");
	s->event.name = "민수";
	s->event.locale = "ko-KR";
	send_one(s);
	assert_part_has(s, "민수님, 안녕하세요.");
	s->event.locale = "KO";
	send_one(s);
	assert_part_has(s, "민수님, 안녕하세요.");
	s->event.locale = "pt-br";
	send_one(s);
	assert_mail_has(s, "Oi do Brasil");
	s->event.locale = "pt-PT";
	send_one(s);
	assert_mail_has(s, "Ola de Portugal");
	s->event.locale = "fr-FR";
	send_one(s);
	assert_mail_has(s, "\n\nHello ");
	s->event.locale = "kor";
	send_one(s);
	assert_mail_has(s, "\n\nHello ");
}

static void a_configured_subject_stands_for_every_templates(void **state)
{
	struct state *s = *state;
	s->settings.subject = "Hi {{name}}!";
	s->event.name = "Ada";
	send_one(s);
	assert_mail_has(s, "Subject: Hi Ada!\n");
	s->event.locale = "ko";
	send_one(s);
	assert_mail_has(s, "Subject: Hi Ada!\n");
}

static void a_missing_value_is_empty(void **state)
{
	struct state *s = *state;
	put(s, "welcome.en.txt",
	        "Subject: x\n\nsince [{{signed_up_at}}]{{#signed_up_at}} yes{{/signed_up_at}}.\n");
	s->event.signed_up_at = NULL;
	send_one(s);
	assert_mail_has(s, "since [].\n");
}

static void the_shipped_templates_are_right(void **state)
{
	struct state *s = *state;
	if (access("conf/templates/welcome.en.txt", R_OK) != 0)
		fail_msg("run me from the top of the source tree");
	s->settings.template_dir = "conf/templates";
	send_one(s);
	assert_int_equal(s->reply.fault, FAULT_NONE);
	s->event.locale = "ko-KR";
	s->event.name = "김민수";
	send_one(s);
	assert_part_has(s, "김민수님, 안녕하세요.");
	assert_null(strstr(s->mail, "{{"));
}

/* -- What is told --------------------------------------------------------------------------------------- */

static void a_refusal_is_told_as_it_came(void **state)
{
	struct state *s = *state;
	s->rcpt_answer = "550 5.1.1 No such user\r\n";
	const struct reply *reply = send_one(s);
	assert_int_equal(reply->code, 550);
	assert_int_equal(reply->stage, SMTP_RCPT);
	assert_string_equal(reply->enhanced, "5.1.1");
	assert_int_equal(s->mails, 0);
}

static void a_bad_address_never_goes_out(void **state)
{
	struct state *s = *state;
	s->event.email = "not an address";
	assert_int_equal(send_one(s)->fault, FAULT_BAD_ADDRESS);
	assert_int_equal(s->server.connections, 0);
}

static void a_mail_that_grows_too_long_is_a_bad_template(void **state)
{
	struct state *s = *state;
	struct buf text = BUF(65536);
	char *name = malloc(801);
	buf_puts(&text, "Subject: x\n\n");
	while (text.len < 60000)
		buf_puts(&text, "{{name}}");
	put(s, "welcome.en.txt", buf_str(&text));
	buf_free(&text);
	memset(name, 'x', 800);
	name[800] = '\0';
	s->event.name = name;
	const struct reply *reply = send_one(s);
	assert_int_equal(reply->fault, FAULT_BAD_TEMPLATE);
	assert_int_equal(reply->protocol, REPLY_LOCAL);
	assert_true(reply->text[0]);
	free(name);
}

static void no_more(void *arg, const struct reply *reply)
{
	(void)arg, (void)reply;
	fail_msg("called back after the channel was closed");
}

static void stop_loop(void *arg)
{
	loop_stop(((struct state *)arg)->loop);
}

static void closing_drops_what_is_under_way(void **state)
{
	struct state *s = *state;
	open_channel(s);
	for (int i = 0; i < 10; i++)
		s->channel->ops->send(s->channel, &s->event, no_more, s);
	s->channel->ops->close(s->channel);
	s->channel = NULL;
	s->timer = loop_timer_new(s->loop, stop_loop, s);
	loop_timer_start(s->timer, 30);
	loop_run(s->loop);
}

static void connections_are_counted(void **state)
{
	struct state *s = *state;
	open_channel(s);
	assert_int_equal(s->channel->ops->connections(s->channel), 0);
	send_one(s);
	assert_int_equal(s->channel->ops->connections(s->channel), 1);
	assert_string_equal(s->channel->ops->name, "email");
	assert_false(s->channel->ops->idempotent);
}

/* -- Mistakes
 * ------------------------------------------------------------------------------------------------ */

static void mistakes_in_templates_are_refused_with_file_and_line(void **state)
{
	struct state *s = *state;
	put(s, "welcome.ko.txt", "Subject: x\n\nfirst\nsecond {{nmae}}\n");
	refused(s, "welcome.ko.txt:4: there is no value called \"nmae\"");
	put(s, "welcome.ko.txt", "Subject: {{name\n\nx\n");
	refused(s, "welcome.ko.txt:1: a tag is opened");
	put(s, "welcome.ko.txt", "안녕하세요\n");
	refused(s, "welcome.ko.txt:1: the first line must be");
	put(s, "welcome.ko.txt", "Subject:   \n\nx\n");
	refused(s, "welcome.ko.txt:1: a subject has");
	put(s, "welcome.ko.txt", "");
	refused(s, "welcome.ko.txt:1: the first line must be");
	put(s, "welcome.ko.txt", "Subject: x\n\nx\n");
	put(s, "welcome.ko.html", "<p>\n{{#name}}\n</p>\n");
	refused(s, "welcome.ko.html:2: the section {{#name}} is not closed");
	put(s, "welcome.ko.html", "<p>{{{name}}}</p>\n");
	refused(s, "welcome.ko.html:1: {{{name}}} would put raw text into HTML");
}

static void remove_file(struct state *s, const char *name)
{
	char path[256];
	snprintf(path, sizeof path, "%s/%s", s->dir, name);
	assert_int_equal(unlink(path), 0);
}

static void missing_files_are_refused(void **state)
{
	struct state *s = *state;
	remove_file(s, "welcome.ko.html");
	refused(s, "welcome.ko.html: cannot be read: No such file");
	remove_file(s, "welcome.ko.txt");
	remove_file(s, "welcome.en.txt");
	refused(s, "holds no welcome.en.txt");
	s->settings.template_dir = "/nowhere/at/all";
	refused(s, "/nowhere/at/all cannot be read");
}

static void wrong_settings_are_refused(void **state)
{
	struct state *s = *state;
	s->settings.from = "nobody";
	refused(s, "[email] from: the address has no @");
	s->settings.from = "The Shop <a b@shop.example>";
	refused(s, "[email] from: the address holds a space");
	s->settings.from = NULL;
	refused(s, "[email] from is not set");
	s->settings.from = "welcome@shop.example";
	s->settings.subject = "Hi {{nmae}}";
	refused(s, "[email] subject:1: there is no value called");
	s->settings.subject = NULL;
	s->settings.unsubscribe = "mailto:a@b.example>\r\nBcc: x";
	refused(s, "[email] unsubscribe");
	s->settings.unsubscribe = NULL;
	s->settings.smtp_url = "";
	refused(s, "[email] smtp_url");
}

static void from_is_read_in_each_of_its_forms(void **state)
{
	static const struct {
		const char *from, *header;
	} forms[] = {
		{ "welcome@shop.example", "From: <welcome@shop.example>\n" },
		{ "<welcome@shop.example>", "From: <welcome@shop.example>\n" },
		{ "\"Shop, The\" <welcome@shop.example>", "From: \"Shop, The\" <welcome@shop.example>\n" },
		{ "환영 <welcome@shop.example>", "From: =?UTF-8?B?7ZmY7JiB?= <welcome@shop.example>\n" },
	};
	struct state *s = *state;
	for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
		s->settings.from = forms[i].from;
		send_one(s);
		assert_mail_has(s, forms[i].header);
		s->channel->ops->close(s->channel);
		s->channel = NULL;
	}
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_mail_arrives_as_text_and_html),
		CASE(the_message_id_is_the_events_own),
		CASE(the_locale_chooses_the_template),
		CASE(a_configured_subject_stands_for_every_templates),
		CASE(a_missing_value_is_empty),
		CASE(the_shipped_templates_are_right),
		CASE(a_refusal_is_told_as_it_came),
		CASE(a_bad_address_never_goes_out),
		CASE(a_mail_that_grows_too_long_is_a_bad_template),
		CASE(closing_drops_what_is_under_way),
		CASE(connections_are_counted),
		CASE(mistakes_in_templates_are_refused_with_file_and_line),
		CASE(missing_files_are_refused),
		CASE(wrong_settings_are_refused),
		CASE(from_is_read_in_each_of_its_forms),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
