/* What the sources of credentials share: the credentials themselves, small files, endpoints' documents,
 * peers' words. May call http, libcurl and base. Any thread. */
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"
#include "net/aws_credentials_parts.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SOURCE_MAX 512

/* -- Credentials -------------------------------------------------------------------------------- */

void aws_string_free(char *secret)
{
	if (secret)
		mem_wipe(secret, strlen(secret));
	free(secret);
}

struct aws_credentials *aws_credentials_new(const char *access_key, const char *secret_key,
        const char *session_token, wall_time expires_at, const char *source_fmt, ...)
{
	struct aws_credentials *credentials = mem_alloc(sizeof *credentials);
	struct buf source = BUF(SOURCE_MAX);
	va_list ap;

	va_start(ap, source_fmt);
	buf_vprintf(&source, source_fmt, ap);
	va_end(ap);
	credentials->access_key = mem_string(access_key);
	credentials->secret_key = mem_string(secret_key);
	credentials->session_token = mem_string(session_token);
	credentials->expires_at = expires_at;
	credentials->source = buf_take(&source);
	return credentials;
}

void aws_credentials_free(struct aws_credentials *credentials)
{
	if (!credentials)
		return;
	aws_string_free(credentials->access_key);
	aws_string_free(credentials->secret_key);
	aws_string_free(credentials->session_token);
	free(credentials->source);
	free(credentials);
}

/* -- Endpoints' documents ----------------------------------------------------------------------- */

/* {"Code":"Success", ...} where all is well; IMDS says 200 and another code when it is not. Containers'
 * endpoints write "code" and "message". */
static int document_error(const cJSON *json, struct usher_error *err)
{
	const char *code = json_string(json, "Code"), *message = json_string(json, "Message");
	char code_words[AWS_WORDS_MAX], words[AWS_WORDS_MAX];

	if (!code)
		code = json_string(json, "code");
	if (!message)
		message = json_string(json, "message");
	if (!code || strcmp(code, "Success") == 0)
		return 0;
	if (!*code)
		code = "an error without a name";
	return error_set(err, USHER_EFORBIDDEN, "%s%s%s", aws_words(code, strlen(code), code_words),
	        message ? ": " : "", message ? aws_words(message, strlen(message), words) : "");
}

static int document_take(
        const cJSON *json, const char *source, struct aws_credentials **ret, struct usher_error *err)
{
	const char *access_key = json_string(json, "AccessKeyId");
	const char *secret_key = json_string(json, "SecretAccessKey");
	const char *expiration = json_string(json, "Expiration");
	wall_time expires_at = { 0 };
	int rc = document_error(json, err);

	if (rc < 0)
		return rc;
	if (!access_key || !*access_key || !secret_key || !*secret_key)
		return error_set(err, USHER_EPROTOCOL, "its answer holds no %s",
		        access_key && *access_key ? "SecretAccessKey" : "AccessKeyId");
	if (expiration && wall_parse(expiration, &expires_at) < 0)
		return error_set(err, USHER_EPROTOCOL, "the Expiration in its answer is not a time");
	*ret = aws_credentials_new(
	        access_key, secret_key, json_string(json, "Token"), expires_at, "%s", source);
	return 0;
}

int aws_document_parse(const char *text, size_t len, const char *source, struct aws_credentials **ret,
        struct usher_error *err)
{
	cJSON *json;
	int rc = json_parse(text, len, &json, NULL);

	if (rc < 0) /* the parser's words are kept out: they may quote what stands there */
		return error_set(err, USHER_EPROTOCOL, "its answer is not JSON");
	rc = document_take(json, source, ret, err);
	json_wipe(json);
	return rc;
}

/* -- Small files -------------------------------------------------------------------------------- */

/* Into memory of the right size at once: a buffer that grows leaves copies of secrets behind. */
static int read_all(int fd, char **ret_text, size_t *ret_len)
{
	struct stat about;
	size_t len = 0;
	ssize_t n = 1;

	if (fstat(fd, &about) < 0)
		return USHER_EIO;
	if (about.st_size > AWS_FILE_MAX || !S_ISREG(about.st_mode)) {
		errno = S_ISREG(about.st_mode) ? EFBIG : EINVAL;
		return USHER_EIO;
	}
	char *text = mem_alloc((size_t)about.st_size + 1);
	while (len < (size_t)about.st_size && n > 0) {
		n = read(fd, text + len, (size_t)about.st_size - len);
		if (n > 0)
			len += (size_t)n;
		else if (n < 0 && errno == EINTR)
			n = 1;
	}
	if (n < 0) {
		aws_string_free(text);
		return USHER_EIO;
	}
	*ret_text = text;
	*ret_len = len;
	return 0;
}

int aws_file_read(const char *path, char **ret_text, size_t *ret_len, struct usher_error *err)
{
	/* Not blocking: a FIFO in the file's place must not stop the loop. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	int rc = fd < 0 ? USHER_EIO : read_all(fd, ret_text, ret_len);

	if (rc < 0)
		rc = error_set(err, errno == ENOENT || errno == ENOTDIR ? USHER_ENOTFOUND : USHER_EIO,
		        "%s cannot be read: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return rc;
}

int aws_token_read(const char *path, char **ret_token, struct usher_error *err)
{
	char *text = NULL;
	size_t len = 0;
	int rc = aws_file_read(path, &text, &len, err);

	if (rc < 0)
		return rc;
	while (len > 0 && strchr(" \t\r\n", text[len - 1]))
		text[--len] = '\0';
	if (len == 0 || strlen(text) != len || strpbrk(text, "\r\n")) {
		mem_wipe(text, len);
		free(text);
		return error_set(err, USHER_ECONFIG, "%s does not hold one token, alone on its line", path);
	}
	*ret_token = text;
	return 0;
}

/* -- Peers' words and codes --------------------------------------------------------------------- */

const char *aws_words(const char *text, size_t len, char out[AWS_WORDS_MAX])
{
	utf8_copy(out, AWS_WORDS_MAX, text, len);
	for (char *at = out; *at; at++)
		if ((unsigned char)*at < ' ' || *at == 0x7F)
			*at = ' ';
	return out;
}

int aws_silence(const struct http_answer *answer, char out[AWS_WORDS_MAX])
{
	aws_words(answer->detail, strlen(answer->detail), out);
	switch (answer->fault) {
	case HTTP_TIMEOUT:
		return USHER_ETIMEOUT;
	case HTTP_PROTOCOL:
		return USHER_EPROTOCOL;
	default:
		return USHER_EUNAVAILABLE;
	}
}

int aws_status_code(int status)
{
	return status >= 500 || status == 429 ? USHER_EUNAVAILABLE
	       : status >= 400                ? USHER_EFORBIDDEN
	                                      : USHER_EPROTOCOL;
}

/* -- Addresses ---------------------------------------------------------------------------------- */

static bool host_is_loopback(const char *host)
{
	struct in_addr v4;
	struct in6_addr v6;

	if (inet_pton(AF_INET, host, &v4) == 1)
		return ntohl(v4.s_addr) >> 24 == 127;
	if (inet_pton(AF_INET6, host, &v6) == 1)
		return IN6_IS_ADDR_LOOPBACK(&v6);
	return strcasecmp(host, "localhost") == 0;
}

static bool host_is_container_agent(const char *host)
{
	return strcmp(host, "169.254.170.2") == 0 || strcmp(host, "169.254.170.23") == 0 ||
	       strcasecmp(host, "fd00:ec2::23") == 0;
}

static enum aws_reach reach_of(const char *scheme, char *host)
{
	size_t len = strlen(host);

	if (strcmp(scheme, "https") == 0)
		return AWS_REACH_SAFE;
	if (strcmp(scheme, "http") != 0)
		return AWS_REACH_BAD;
	if (len > 2 && host[0] == '[' && host[len - 1] == ']') {
		host[len - 1] = '\0';
		host++;
	}
	return host_is_loopback(host)          ? AWS_REACH_SAFE
	       : host_is_container_agent(host) ? AWS_REACH_LOCAL
	                                       : AWS_REACH_OPEN;
}

const char *aws_domain(const char *region)
{
	static const struct {
		const char *prefix, *domain;
	} domains[] = {
		{ "cn-", "amazonaws.com.cn" },
		{ "us-isob-", "sc2s.sgov.gov" },
		{ "us-iso-", "c2s.ic.gov" },
		{ "us-isof-", "csp.hci.ic.gov" },
		{ "eu-isoe-", "cloud.adc-e.uk" },
		{ "eusc-", "amazonaws.eu" },
	};

	for (size_t i = 0; i < ARRAY_LEN(domains); i++)
		if (strncmp(region, domains[i].prefix, strlen(domains[i].prefix)) == 0)
			return domains[i].domain;
	return "amazonaws.com";
}

/* With curl's parser, because it is curl that will go there. */
enum aws_reach aws_url_reach(const char *url)
{
	CURLU *parsed = curl_url();
	char *scheme = NULL, *host = NULL;
	enum aws_reach reach = AWS_REACH_BAD;

	if (!parsed)
		mem_exhausted(0);
	if (curl_url_set(parsed, CURLUPART_URL, url, 0) == CURLUE_OK &&
	        curl_url_get(parsed, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
	        curl_url_get(parsed, CURLUPART_HOST, &host, 0) == CURLUE_OK)
		reach = reach_of(scheme, host);
	curl_free(scheme);
	curl_free(host);
	curl_url_cleanup(parsed);
	return reach;
}
