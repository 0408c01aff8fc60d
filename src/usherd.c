/* usherd: the daemon's program. Reads options, starts the worker, waits for signals on the main
 * thread, and makes exit codes; everything else is in libusher.
 *
 * Signals are blocked before the first thread starts, so that every thread inherits the mask and
 * only the main thread, in sigwaitinfo, meets them.
 *
 * Its verbs answer in the user's language; `run` is a daemon, whose log is English. */
#include "base/clock.h"
#include "base/error.h"
#include "base/language.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/notify.h"
#include "config/config.h"
#include "provision/provision.h"
#include "store/migrate.h"

#include <curl/curl.h>
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>
#include <usher/usher.h>

#ifndef USHER_SYSCONFDIR
#define USHER_SYSCONFDIR "/etc"
#endif
#define WATCHDOG_TICKS 4 /* messages in the time that the service manager allows for one */
#define DEFAULT_CONFIG USHER_SYSCONFDIR "/usher/usher.ini"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_DIFFERS = 3 };

struct options {
	const char *config;  /* NULL: built-in values and the environment only */
	bool manual, sample; /* check-config: instead of checking */
	bool json, offline;  /* check-config */
	bool plan, apply;    /* provision */
};

/* libcurl brings GnuTLS along for protocols that nobody speaks here (LDAP, RTMP). Setting it up when the
 * program is loaded costs 0.7 MiB and a millisecond: GnuTLS asks whether to do so, see
 * GNUTLS_SKIP_GLOBAL_INIT in gnutls.h. */
__attribute__((visibility("default"))) int _gnutls_global_init_skip(void); /* NOLINT: GnuTLS named it */
int _gnutls_global_init_skip(void)
{
	return 1;
}

static const char *const *environment(void)
{
	return (const char *const *)environ;
}

static int fail(const struct usher_error *err)
{
	struct buf words = BUF(4 * USHER_ERROR_MESSAGE_MAX);

	error_print(err, &words);
	fprintf(stderr, "usherd: %s\n", buf_str(&words));
	buf_free(&words);
	return EXIT_FAILED;
}

/* Standard output may be a full disk or a closed pipe. */
static int finish_output(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return EXIT_DONE;
	fprintf(stderr, _("usherd: cannot write the output: %s\n"), strerror(errno));
	return EXIT_FAILED;
}

/* -- run ---------------------------------------------------------------------------------------- */

/* Sent by this process to itself: the machine is about to be taken away. */
#define SIGNAL_NOTICE SIGUSR1

static void signals_block(sigset_t *ret_signals)
{
	signal(SIGPIPE, SIG_IGN); /* a peer that hangs up is an error of that call, not our end */
	sigemptyset(ret_signals);
	sigaddset(ret_signals, SIGTERM);
	sigaddset(ret_signals, SIGINT);
	sigaddset(ret_signals, SIGHUP);
	sigaddset(ret_signals, SIGNAL_NOTICE);
	sigprocmask(SIG_BLOCK, ret_signals, NULL);
}

static void tell_manager(const char *state)
{
	struct usher_error err;

	if (notify_send(state, &err))
		log_warn("usherd", "%s", err.message);
}

/* The manager hears of a daemon that works, not of one whose main thread does: a thread that is stuck ends
 * the messages, and the manager then ends usherd. */
static void watchdog_feed(struct usher_worker *worker, int64_t watchdog_ms)
{
	const char *stuck = usher_worker_stuck(worker, (int)(watchdog_ms / 2));

	if (stuck)
		log_error("usherd", "the thread \"%s\" is stuck: the service manager will start usherd anew",
		        stuck);
	else
		tell_manager("WATCHDOG=1");
}

/* Until it is over the manager lets nobody else reload. */
static void reload_begin(struct usher_worker *worker)
{
	char state[80];

	snprintf(state, sizeof state, "RELOADING=1\nMONOTONIC_USEC=%lld", (long long)(mono_now().ns / 1000));
	tell_manager(state);
	usher_worker_reload(worker, "SIGHUP");
}

/* On a thread of the worker. */
static void reload_ended(void *arg, const char *summary, int refused)
{
	char state[USHER_ERROR_MESSAGE_MAX];

	(void)arg;
	snprintf(state, sizeof state, "READY=1\nSTATUS=Delivers; %s%s",
	        refused ? "the configuration was refused, nothing has changed: " : "", summary);
	tell_manager(state);
}

/* The next signal; -1 when it is time for the watchdog. */
static int signal_next(const sigset_t *signals, int64_t watchdog_ms)
{
	int64_t tick_ms = watchdog_ms / WATCHDOG_TICKS + 1;
	struct timespec tick = { .tv_sec = tick_ms / 1000, .tv_nsec = tick_ms % 1000 * 1000000 };

	return sigtimedwait(signals, NULL, watchdog_ms ? &tick : NULL);
}

static void let_pass(int number)
{
	(void)number;
}

/* From now on another SIGTERM or SIGINT ends the process at once: the ledger makes that safe, and an operator
 * who insists has a reason. But whoever runs us hears the notice too, and sends a SIGTERM for it: that one is
 * no second. */
static void signals_insist(const sigset_t *signals, bool noticed)
{
	struct sigaction once = { .sa_handler = let_pass, .sa_flags = (int)SA_RESETHAND };

	if (noticed)
		sigaction(SIGTERM, &once, NULL);
	signal(SIGHUP, SIG_IGN);
	signal(SIGNAL_NOTICE, SIG_IGN);
	sigprocmask(SIG_UNBLOCK, signals, NULL);
}

/* Returns when asked to stop. */
static void signals_wait(const sigset_t *signals, struct usher_worker *worker)
{
	int64_t watchdog_ms = notify_watchdog_ms();
	int number;

	while ((number = signal_next(signals, watchdog_ms)) != SIGTERM && number != SIGINT &&
	        number != SIGNAL_NOTICE) {
		if (watchdog_ms)
			watchdog_feed(worker, watchdog_ms);
		if (number == SIGHUP)
			reload_begin(worker);
	}
	if (number == SIGNAL_NOTICE)
		log_info("usherd",
		        "stops for the notice; one SIGTERM that is sent for it too changes nothing");
	else
		log_info("usherd", "received %s", number == SIGTERM ? "SIGTERM" : "SIGINT");
	signals_insist(signals, number == SIGNAL_NOTICE);
}

/* On a thread of the worker. The main thread, in signals_wait, meets the signal. */
static void stop_on_notice(void *arg, const char *action, const char *time)
{
	(void)arg;
	(void)action;
	(void)time; /* the worker has logged them */
	kill(getpid(), SIGNAL_NOTICE);
}

/* The worker's message is cut at the size of an error; here all of it is told, a line each. */
static int tell_config_errors(const struct options *options, const struct usher_error *first)
{
	struct config *config = NULL;

	if (config_load(options->config, environment(), stderr, &config, NULL) == 0) {
		config_free(config); /* mended in between; the answer stays what it was */
		return fail(first);
	}
	return EXIT_FAILED;
}

static int run(const struct options *options)
{
	struct usher_worker *worker = NULL;
	struct usher_error err;
	sigset_t signals;
	int code;

	language_of_user(false);
	language_of_daemon();
	signals_block(&signals);
	code = usher_worker_new(options->config, &worker, &err);
	if (code)
		return code == USHER_ECONFIG ? tell_config_errors(options, &err) : fail(&err);
	usher_worker_on_notice(worker, stop_on_notice, NULL);
	usher_worker_on_reload(worker, reload_ended, NULL);
	if (usher_worker_start(worker, &err)) {
		log_error("usherd", "cannot start: %s", err.message);
		usher_worker_free(worker);
		return EXIT_FAILED;
	}
	tell_manager("READY=1\nSTATUS=Delivers");
	signals_wait(&signals, worker);
	tell_manager("STOPPING=1\nSTATUS=Finishes what is being sent");
	usher_worker_stop(worker);
	usher_worker_free(worker);
	return EXIT_DONE;
}

/* What a command should tell of the configuration: in the log, which is English, or to its user. */
static void tell_of_config(const struct config *config)
{
	if (language_now() == LANGUAGE_ENGLISH)
		config_log(config);
	else
		config_print_notes(config, stderr);
}

/* -- migrate ------------------------------------------------------------------------------------ */

static void print_line(void *arg, const char *line)
{
	fprintf(arg, "%s\n", line);
}

static int migrate(const struct options *options)
{
	struct config *config = NULL;
	struct usher_error err;

	if (config_load_database(options->config, environment(), stderr, &config, &err))
		return EXIT_FAILED;
	tell_of_config(config);
	bool own = config->database.migrate_user != NULL;
	struct db_settings settings = {
		.host = config->database.host,
		.port = config->database.port,
		.socket = config->database.socket,
		.user = own ? config->database.migrate_user : config->database.user,
		.password = own ? config->database.migrate_password : config->database.password,
		.name = config->database.name,
		.tls_ca = config->database.tls_ca,
		.connect_timeout_ms = config->database.connect_timeout_ms,
		.read_timeout_ms = config->database.read_timeout_ms,
	};
	int code = migrate_run(&settings, print_line, stdout, &err);
	config_free(config);
	return code ? fail(&err) : finish_output();
}

/* -- provision ---------------------------------------------------------------------------------- */

/* It speaks to AWS only: neither the database nor the outside services need be set up for it. */
static int provision(const struct options *options)
{
	struct config *config = NULL;
	struct usher_error err;
	bool differs = false;

	if (config_load_database(options->config, environment(), stderr, &config, &err))
		return EXIT_FAILED;
	signal(SIGPIPE, SIG_IGN);
	/* A command's answer is on standard output; of its doings only what went wrong is told. */
	log_setup(
	        config->log.level == LOG_DEBUG_LEVEL ? LOG_DEBUG_LEVEL : LOG_WARN_LEVEL, config->log.format);
	tell_of_config(config);
	curl_global_init(CURL_GLOBAL_DEFAULT);
	int code = provision_run(config, options->apply, stdout, &differs, &err);
	config_free(config);
	int written = finish_output();
	if (code)
		return fail(&err);
	return written ? written : differs && options->plan ? EXIT_DIFFERS : EXIT_DONE;
}

/* -- check-config ------------------------------------------------------------------------------- */

static int config_check(const struct options *options)
{
	struct config *config = NULL;
	struct config_errors errors = { 0 };
	struct config_request request = { .path = options->config,
		.environment = environment(),
		.offline = options->offline,
		.report = options->json ? NULL : stderr,
		.errors = &errors };
	if (options->json) /* for programs */
		language_of_user(false);
	int code = config_load_as(&request, &config, NULL) ? EXIT_FAILED : EXIT_DONE;

	if (options->json) {
		config_print_json(options->config, config, &errors, stdout);
	} else if (config) {
		printf("%s\n\n", options->config
		                         ? options->config
		                         : _("no configuration file; built-in values and environment"));
		config_print(config, stdout);
	}
	config_free(config);
	config_errors_free(&errors);
	int written = finish_output();
	return code ? code : written;
}

static int check_config(const struct options *options)
{
	if (options->manual) {
		config_print_manual(stdout);
		return finish_output();
	}
	if (options->sample) {
		config_print_sample(stdout);
		return finish_output();
	}
	return config_check(options);
}

/* -- Options ------------------------------------------------------------------------------------ */

static const struct verb {
	const char *name, *help;
	int (*act)(const struct options *options);
} verbs[] = {
	{ "run", N_("deliver until SIGTERM or SIGINT (what is done without a verb)"), run },
	{ "migrate", N_("create the database's tables, or bring them up to date"), migrate },
	{ "provision", N_("make in AWS what the configuration needs, or tell what is missing"), provision },
	{ "check-config", N_("tell every error of the configuration, or what is in force"), check_config },
};

static void help(void)
{
	puts(_("usherd: welcomes new members with a mail and a coupon.\n\n"
	       "Usage: usherd [-c FILE] [VERB]\n\nVerbs:"));
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		printf("  %-14s %s\n", verbs[i].name, _(verbs[i].help));
	printf(_("\nOptions:\n"
	         "  -c, --config FILE  configuration; else USHER_CONFIG, else %s\n"
	         "  --plan             with provision: tell what it would do; exit status 3 if there is "
	         "something\n"
	         "  --apply            with provision: do it\n"
	         "  --json             with check-config: the answer as JSON, errors too\n"
	         "  --offline          with check-config: do not ask the config server\n"
	         "  --manual           with check-config: the keys as usher.ini(5) has them\n"
	         "  --sample           with check-config: a configuration file of all keys\n"
	         "  -h, --help         this text\n"
	         "  -V, --version      the version\n\n"
	         "Exit status: 0 done, 1 failed, 2 wrong usage, 3 the plan is not empty. "
	         "See usherd(8), usher.ini(5).\n"),
	        DEFAULT_CONFIG);
}

/* `fmt`: NULL, or what is wrong, with the word if it has a %s. */
static int usage(const char *fmt, const char *word)
{
	if (fmt) {
		fputs("usherd: ", stderr);
		fprintf(stderr, fmt, word);
		fputc('\n', stderr);
	}
	fputs(_("Try usherd --help.\n"), stderr);
	return EXIT_USAGE;
}

/* Without a word from anybody, a missing default file is no error: a container has the environment. */
static const char *config_choose(const char *given)
{
	const char *named = getenv("USHER_CONFIG");

	if (given)
		return given;
	if (named && *named)
		return named;
	return access(DEFAULT_CONFIG, F_OK) && errno == ENOENT ? NULL : DEFAULT_CONFIG;
}

static const struct verb *verb_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	return NULL;
}

/* What is wrong with these options for that verb; NULL: nothing. */
static const char *options_misfit(const struct options *options, const struct verb *verb)
{
	if ((options->manual || options->sample) &&
	        (verb->act != check_config || options->manual == options->sample))
		return _("--manual or --sample goes with check-config, one of them");
	if ((options->json || options->offline) &&
	        (verb->act != check_config || options->manual || options->sample))
		return _("--json and --offline go with check-config alone");
	if (verb->act == provision ? options->plan == options->apply : options->plan || options->apply)
		return _("provision needs --plan or --apply, one of them, and no other verb takes them");
	return NULL;
}

enum { MANUAL = 256, SAMPLE, JSON, OFFLINE, PLAN, APPLY };

/* Options that are a word and nothing else. */
static bool flag_take(struct options *options, int letter)
{
	switch (letter) {
	case MANUAL:
		return options->manual = true;
	case SAMPLE:
		return options->sample = true;
	case JSON:
		return options->json = true;
	case OFFLINE:
		return options->offline = true;
	case PLAN:
		return options->plan = true;
	case APPLY:
		return options->apply = true;
	default:
		return false; /* getopt_long has said what is wrong */
	}
}

int main(int argc, char **argv)
{
	static const struct option long_options[] = { { "config", required_argument, NULL, 'c' },
		{ "help", no_argument, NULL, 'h' }, { "version", no_argument, NULL, 'V' },
		{ "manual", no_argument, NULL, MANUAL }, { "sample", no_argument, NULL, SAMPLE },
		{ "json", no_argument, NULL, JSON }, { "offline", no_argument, NULL, OFFLINE },
		{ "plan", no_argument, NULL, PLAN }, { "apply", no_argument, NULL, APPLY }, { 0 } };
	struct options options = { 0 };
	const struct verb *verb = &verbs[0];
	int letter;

	/* Before the first secret is read: none is in a core dump, nor shown to a debugger of another
	 * process. The worker takes it back where [daemon] core_dumps = yes. */
	prctl(PR_SET_DUMPABLE, 0);
	language_of_user(true);
	while ((letter = getopt_long(argc, argv, "c:hV", long_options, NULL)) != -1) {
		switch (letter) {
		case 'c':
			options.config = optarg;
			break;
		case 'h':
			help();
			return finish_output();
		case 'V':
			printf("usherd %s\n", usher_version());
			return finish_output();
		default:
			if (!flag_take(&options, letter))
				return usage(NULL, "");
		}
	}
	if (optind < argc && !(verb = verb_find(argv[optind])))
		return usage(_("there is no verb %s"), argv[optind]);
	if (optind + 1 < argc)
		return usage(_("there is one verb at a time, not also %s"), argv[optind + 1]);
	const char *wrong = options_misfit(&options, verb);
	if (wrong)
		return usage(wrong, "");
	options.config = config_choose(options.config);
	return verb->act(&options);
}
