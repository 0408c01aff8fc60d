/* usher, the operator's program: alone it opens the console, with a verb it does one act for a script.
 * It speaks to the daemon's socket and to nothing else. */
#include "client.h"
#include "console/console.h"
#include "socket.h"
#include "text.h"
#include "verbs/verbs.h"

#include <curl/curl.h>
#include <openssl/crypto.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <usher/usher.h>

/* A unix socket needs no TLS: this keeps libcurl from setting up OpenSSL's tables, which cost a megabyte and
 * half of the start. */
#define NO_TLS                                                                                               \
	(OPENSSL_INIT_NO_ADD_ALL_CIPHERS | OPENSSL_INIT_NO_ADD_ALL_DIGESTS |                                 \
	        OPENSSL_INIT_NO_LOAD_CRYPTO_STRINGS | OPENSSL_INIT_NO_LOAD_CONFIG)

/* libcurl brings GnuTLS along for protocols that nobody speaks here (LDAP, RTMP). Setting it up when the
 * program is loaded costs 0.7 MiB and a millisecond: GnuTLS asks whether to do so, see
 * GNUTLS_SKIP_GLOBAL_INIT in gnutls.h. */
__attribute__((visibility("default"))) int _gnutls_global_init_skip(void); /* NOLINT: GnuTLS named it */
int _gnutls_global_init_skip(void)
{
	return 1;
}

static int run_console(const struct verb_call *call, const struct socket_choice *choice, const char *given)
{
	const char *theme = call->option[OPT_THEME] ? call->option[OPT_THEME] : getenv("USHER_THEME");
	struct console_options options = { .socket = given,
		.read_only = call->option[OPT_READ_ONLY] != NULL,
		.theme = theme && *theme ? theme : NULL,
		.mouse = call->option[OPT_MOUSE] != NULL };
	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
		fputs(_("usher: the console needs a terminal; \"usher status\" and the other verbs do not "
		        "(usher --help)\n"),
		        stderr);
		return EXIT_USAGE;
	}
	return console_run(choice, &options);
}

/* A pipe whose reader has gone, as against a disk that is full. */
static bool reader_is_gone(void)
{
	struct pollfd out = { .fd = STDOUT_FILENO };
	return poll(&out, 1, 0) == 1 && (out.revents & POLLERR);
}

/* The status, or failure where what was said did not arrive. A reader that has seen enough is no news: usher
 * ends as other tools do, by the signal it held back so that acts are not cut in two. */
static int output_ended(int status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	if (!reader_is_gone()) {
		perror(_("usher: standard output"));
		return EXIT_FAILED;
	}
	signal(SIGPIPE, SIG_DFL);
	raise(SIGPIPE);
	return EXIT_FAILED;
}

static int usage_one_too_many(const struct verb_call *call)
{
	const struct verb *verb = call->verb;
	const char *word = call->args[verb->args_max];
	if (verb->args_max == 0)
		return usage_error(
		        call, _("%s takes no argument, and \"%s\" is one too many"), verb->name, word);
	return usage_error(
	        call, _("%s takes %s, and \"%s\" is one too many"), verb->name, verb_args(verb), word);
}

static int run_verb(struct verb_call *call, const struct socket_choice *choice)
{
	if (call->arg_count < call->verb->args_min)
		return usage_error(call, _("%s needs %s"), call->verb->name, verb_args(call->verb));
	if (call->arg_count > call->verb->args_max)
		return usage_one_too_many(call);
	call->client = client_new(choice->path);
	/* Programs read what comes out, the daemon's words in it as well: the same in every language. */
	if (call->option[OPT_JSON] || call->option[OPT_CSV])
		client_speak(call->client, LANGUAGE_ENGLISH);
	call->now = wall_now();
	int status = call->verb->run(call);
	progress_clear(call);
	client_free(call->client);
	return output_ended(status);
}

int main(int argc, char **argv)
{
	struct verb_call call = { 0 };
	text_setup(getenv("TERM"), isatty(STDOUT_FILENO));
	int rest, status = verb_options(&call, argc, argv, true, &rest);
	if (status != 0)
		return status;
	if (call.option[OPT_VERSION]) {
		printf("usher %s\n", USHER_VERSION);
		return EXIT_DONE;
	}
	char **words = argv + rest;
	int count = argc - rest;
	if (count > 0) {
		call.verb = verb_find(words[0]);
		if (!call.verb)
			return usage_no_verb(&call, words[0]);
		status = verb_options(&call, count, words, false, &rest);
		if (status != 0)
			return status;
		call.args = words + rest;
		call.arg_count = count - rest;
	}
	if (call.option[OPT_HELP]) {
		verb_help(call.verb);
		return output_ended(EXIT_DONE);
	}
	const char *given = call.option[OPT_SOCKET] ? call.option[OPT_SOCKET] : getenv("USHER_SOCKET");
	bool read_only = call.option[OPT_READ_ONLY] != NULL;
	struct socket_choice choice;
	if (!socket_choose(given, read_only, &choice))
		return usage_error(
		        &call, _("the socket's path is longer than %d bytes"), SOCKET_PATH_MAX - 1);
	signal(SIGPIPE, SIG_IGN);
	OPENSSL_init_crypto(NO_TLS, NULL);
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		fputs(_("usher: libcurl does not start\n"), stderr);
		return EXIT_FAILED;
	}
	status = call.verb ? run_verb(&call, &choice) : run_console(&call, &choice, given);
	curl_global_cleanup();
	return status;
}
