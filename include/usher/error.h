/* Errors of libusher.
 *
 * Every function of this library that can fail returns 0, or one of the negative codes below, and
 * fills the `struct usher_error` it was given (NULL is allowed) with a sentence for the operator:
 * what failed, what the peer said in its own words, and what to do next. On failure the function's
 * `ret_` output parameters are untouched. */
#ifndef USHER_ERROR_H
#define USHER_ERROR_H

#ifdef __cplusplus
extern "C" {
#endif

enum usher_code {
	USHER_OK = 0,
	USHER_EINVAL = -1,       /* the caller's input is wrong; the message says which and why */
	USHER_ECONFIG = -2,      /* the configuration is wrong; the message lists every error */
	USHER_ENOTFOUND = -3,    /* no such thing */
	USHER_ECONFLICT = -4,    /* somebody else changed it first, or it exists already */
	USHER_ESTALE = -5,       /* the right to act (receipt, lease) has passed to another */
	USHER_ETOOBIG = -6,      /* over a named limit */
	USHER_EFORBIDDEN = -7,   /* not allowed to this caller */
	USHER_EUNAVAILABLE = -8, /* a peer (database, broker, daemon) cannot be reached now: try again */
	USHER_ETIMEOUT = -9,     /* no answer in time */
	USHER_EPROTOCOL = -10,   /* a peer answered something that makes no sense */
	USHER_EDATABASE = -11,   /* the database refused a statement */
	USHER_ECANCELLED = -12,  /* given up because the caller asked to stop */
	USHER_EIO = -13          /* the operating system refused */
};

#define USHER_ERROR_MESSAGE_MAX 1024
#define USHER_ERROR_SENTENCES_MAX 6
#define USHER_ERROR_ARGUMENTS_MAX 512

struct usher_error {
	int code;                              /* enum usher_code */
	char message[USHER_ERROR_MESSAGE_MAX]; /* English in UTF-8, NUL-terminated, cut at the limit */
	/* libusher's own: what the message was made of, to say it in another language. */
	const char *formats[USHER_ERROR_SENTENCES_MAX];
	unsigned prefixes; /* bit i: formats[i] has a colon behind it */
	unsigned arguments_len;
	char arguments[USHER_ERROR_ARGUMENTS_MAX];
};

/* The code's name as a lower-case word ("conflict"); "unknown" for a number that is none. */
const char *usher_code_name(int code);

#ifdef __cplusplus
}
#endif
#endif
