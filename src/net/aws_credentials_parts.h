/* Between the parts of aws_credentials: one search for credentials, and what a source is. Nobody else
 * includes this but the tests of the parts. Runs on the loop's thread. */
#ifndef NET_AWS_CREDENTIALS_PARTS_H
#define NET_AWS_CREDENTIALS_PARTS_H

#include "base/buf.h"
#include "net/aws_credentials.h"

#include <stdbool.h>
#include <sys/stat.h>

#define AWS_FILE_MAX (1024 * 1024) /* bytes of a credentials, config or token file */
#define AWS_WORDS_MAX 240          /* bytes of a peer's own words in an error */
#define AWS_URL_MAX 2048
#define AWS_LOCAL_TIMEOUT_MS 2000 /* for an endpoint on this machine */
#define AWS_STS_TIMEOUT_MS 5000

/* -- A search ------------------------------------------------------------------------------------
 * Sources are started one after the other. Each ends with exactly one of found, absent and failed, at
 * once or from an HTTP answer. */
struct aws_lookup;
typedef void aws_lookup_done(void *arg, struct aws_credentials *credentials, const struct usher_error *err);

struct aws_source {
	const char *name; /* in errors */
	void (*start)(struct aws_lookup *lookup);
};
extern const struct aws_source aws_source_environment, aws_source_web_identity, aws_source_files,
        aws_source_container, aws_source_instance;

struct aws_lookup {
	struct loop *loop;
	struct http *http;
	const struct aws_provider_settings *settings;
	aws_lookup_done *done;
	void *arg;
	size_t at;              /* the source that is asked */
	struct http_call *call; /* under way; NULL: none */
	struct buf said;        /* what the sources before had to say */
	int code;               /* of the worst of it */
	char *token, *role;     /* of the source that is asked; wiped with the lookup */
};

/* May call done before it returns. done takes the credentials over; the lookup ends with it. */
void aws_lookup_start(struct aws_lookup *lookup);
void aws_lookup_end(struct aws_lookup *lookup); /* cancels, wipes and empties it */

void aws_lookup_found(struct aws_lookup *lookup, struct aws_credentials *credentials);
/* Not set up here: the next one is asked. */
void aws_lookup_absent(struct aws_lookup *lookup, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The same, with a code: it may have been set up, and could not be asked. */
void aws_lookup_unreached(struct aws_lookup *lookup, int code, const char *fmt, ...)
        __attribute__((format(printf, 3, 4)));
/* Set up and does not work: the search ends. */
void aws_lookup_failed(struct aws_lookup *lookup, int code, const char *fmt, ...)
        __attribute__((format(printf, 3, 4)));

/* -- What sources share -------------------------------------------------------------------------- */

const char *aws_env(const struct aws_lookup *lookup, const char *name); /* NULL when unset or empty */
const char *aws_env_of(const struct aws_provider_settings *settings, const char *name);

struct aws_credentials *aws_credentials_new(const char *access_key, const char *secret_key,
        const char *session_token, wall_time expires_at, const char *source_fmt, ...)
        __attribute__((format(printf, 5, 6), malloc, returns_nonnull));
void aws_credentials_free(struct aws_credentials *credentials); /* wiped; NULL is allowed */
void aws_string_free(char *secret);                             /* wiped; NULL is allowed */

/* The document both endpoints answer: AccessKeyId, SecretAccessKey, Token, Expiration. Names what is
 * missing, and repeats code and message of an answer that holds an error instead. */
int aws_document_parse(const char *text, size_t len, const char *source, struct aws_credentials **ret,
        struct usher_error *err);

/* A whole small file, NUL-terminated. USHER_ENOTFOUND when there is none, else USHER_EIO. Wipe what it gives.
 */
int aws_file_read(const char *path, char **ret_text, size_t *ret_len, struct usher_error *err);
/* A file that holds one token: without the white space at its end; none within. */
int aws_token_read(const char *path, char **ret_token, struct usher_error *err);

/* A peer's words, fit to stand in an error: valid UTF-8, one line, cut. */
const char *aws_words(const char *text, size_t len, char out[AWS_WORDS_MAX]);
/* Why there is no answer: code, and words in `out`. */
int aws_silence(const struct http_answer *answer, char out[AWS_WORDS_MAX]);
/* The code for an HTTP status that is not 200. */
int aws_status_code(int status);

enum aws_reach {
	AWS_REACH_SAFE,  /* https, or http to this machine */
	AWS_REACH_LOCAL, /* http to the link-local addresses AWS keeps for containers */
	AWS_REACH_OPEN,  /* http to anywhere else: secrets do not go there */
	AWS_REACH_BAD,   /* not an http or https address */
};
enum aws_reach aws_url_reach(const char *url);

/* -- Single sources ------------------------------------------------------------------------------ */

/* Asks STS for the credentials of a role against the token in a file; ends the lookup's source. */
void aws_web_identity_exchange(
        struct aws_lookup *lookup, const char *token_file, const char *role, const char *session);
/* The XML of STS: credentials from a good answer; from a refusal its code and message, in *err. */
int aws_web_identity_parse(
        const char *xml, size_t len, const char *role, struct aws_credentials **ret, struct usher_error *err);

/* Where the container endpoint is; USHER_ENOTFOUND when not set up, USHER_ECONFIG when not allowed. */
int aws_container_url(
        const struct aws_provider_settings *settings, char url[AWS_URL_MAX], struct usher_error *err);

struct aws_profile { /* what one file says of one profile; a NULL is not set */
	char *access_key, *secret_key, *session_token;
	char *role, *token_file, *session, *source_profile;
	const char *unsupported; /* the name of a key of it that asks for what usher does not do */
	bool exists;
};
/* in_config: the file is "config", whose sections are [default] and [profile NAME]. */
int aws_profile_parse(const char *text, size_t len, const char *name, bool in_config, struct aws_profile *ret,
        struct usher_error *err);
void aws_profile_free(struct aws_profile *profile); /* wiped, emptied */

/* Changes when a shared file does. */
struct aws_files_stamp {
	struct {
		int64_t mtime_ns, size;
		uint64_t inode;
	} files[2];
};
struct aws_files_stamp aws_files_stamp(const struct aws_provider_settings *settings);
bool aws_files_same(const struct aws_files_stamp *a, const struct aws_files_stamp *b);

#endif
