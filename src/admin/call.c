/* The small parts of a call: roles, problems (RFC 9457), and its end. May call base/ only; admin thread. */
#include "admin/call.h"

#include "base/error.h"
#include "base/mem.h"

#include <string.h>

const char *role_name(enum role role)
{
	static const char *const names[] = { "operator", "viewer", "probe" };
	return names[role];
}

void call_clear(struct call *call)
{
	cJSON_Delete(call->json);
	call->json = NULL;
	buf_free(&call->text);
}

cJSON *call_answer(struct call *call)
{
	return call->json = cJSON_CreateObject();
}

int problem_status(int code)
{
	switch (code) {
	case USHER_EINVAL:
		return 400;
	case USHER_EFORBIDDEN:
		return 403;
	case USHER_ENOTFOUND:
		return 404;
	case USHER_ECONFLICT:
		return 409;
	case USHER_ETOOBIG:
		return 413;
	case USHER_EUNAVAILABLE:
		return 503;
	default:
		return 500;
	}
}

static const struct {
	int status;
	const char *title;
} titles[] = {
	{ 400, "Bad Request" },
	{ 403, "Forbidden" },
	{ 404, "Not Found" },
	{ 405, "Method Not Allowed" },
	{ 409, "Conflict" },
	{ 413, "Content Too Large" },
	{ 414, "URI Too Long" },
	{ 415, "Unsupported Media Type" },
	{ 500, "Internal Server Error" },
	{ 503, "Service Unavailable" },
};

const char *problem_title(int status)
{
	for (size_t i = 0; i < ARRAY_LEN(titles); i++)
		if (titles[i].status == status)
			return titles[i].title;
	return "Error";
}

cJSON *problem_json(int status, const struct usher_error *err)
{
	struct buf detail = BUF(4 * USHER_ERROR_MESSAGE_MAX);
	cJSON *json = cJSON_CreateObject();
	json_add_string(json, "type", "about:blank");
	json_add_string(json, "title", problem_title(status));
	json_add_int(json, "status", status);
	error_print(err, &detail);
	json_add_bytes(json, "detail", buf_str(&detail), detail.len);
	buf_free(&detail);
	return json;
}
