/* expat behind one callback: see xml.h. Texts of the elements that are open stand in one buffer, each behind
 * that of its parent, so that text around a child is kept apart from the child's. Pure; any thread. */
#include "net/xml.h"

#include "base/buf.h"
#include "base/error.h"
#include "base/mem.h"

#include <expat.h>
#include <string.h>

struct walk {
	XML_Parser parser;
	xml_element *element;
	void *arg;
	const char *fault;
	char path[XML_PATH_MAX];
	int depth;
	size_t path_ends[XML_DEPTH_MAX]; /* where the path of each open element's parent ends */
	struct buf texts[XML_DEPTH_MAX];
};

static void give_up(struct walk *walk, const char *why)
{
	if (!walk->fault)
		walk->fault = why;
	XML_StopParser(walk->parser, XML_FALSE);
}

static void on_start(void *arg, const XML_Char *name, const XML_Char **attributes)
{
	struct walk *walk = arg;
	size_t end = strlen(walk->path), len = strlen(name);

	(void)attributes;
	if (walk->depth == XML_DEPTH_MAX || end + len + 2 > sizeof walk->path) {
		give_up(walk, "elements are nested too deep");
		return;
	}
	walk->path_ends[walk->depth] = end;
	if (end > 0)
		walk->path[end++] = '/';
	memcpy(walk->path + end, name, len + 1);
	walk->texts[walk->depth].max = XML_TEXT_MAX;
	buf_clear(&walk->texts[walk->depth++]);
}

static void on_text(void *arg, const XML_Char *text, int len)
{
	struct walk *walk = arg;

	if (walk->depth == 0)
		return;
	struct buf *own = &walk->texts[walk->depth - 1];
	buf_add(own, text, (size_t)len);
	if (own->failed)
		give_up(walk, "an element is too long");
}

static void on_end(void *arg, const XML_Char *name)
{
	struct walk *walk = arg;

	(void)name;
	if (walk->depth == 0)
		return;
	walk->element(walk->arg, walk->path, buf_str(&walk->texts[--walk->depth]));
	walk->path[walk->path_ends[walk->depth]] = '\0';
}

static void on_doctype(
        void *arg, const XML_Char *name, const XML_Char *system, const XML_Char *public, int subset)
{
	(void)name, (void)system, (void)public, (void)subset;
	give_up(arg, "it declares a document type");
}

int xml_walk(const char *text, size_t len, xml_element *element, void *arg, struct usher_error *err)
{
	struct walk walk = { .element = element, .arg = arg };
	int rc = 0;

	walk.parser = XML_ParserCreate(NULL);
	if (!walk.parser)
		abort(); /* out of memory: see base/mem.h */
	XML_SetUserData(walk.parser, &walk);
	XML_SetElementHandler(walk.parser, on_start, on_end);
	XML_SetCharacterDataHandler(walk.parser, on_text);
	XML_SetStartDoctypeDeclHandler(walk.parser, on_doctype);
	if (len > XML_TEXT_MAX || XML_Parse(walk.parser, text, (int)len, 1) != XML_STATUS_OK)
		rc = error_set(err, USHER_EPROTOCOL, "not the XML that was expected: %s",
		        walk.fault           ? walk.fault
		        : len > XML_TEXT_MAX ? "it is too long"
		                             : XML_ErrorString(XML_GetErrorCode(walk.parser)));
	XML_ParserFree(walk.parser);
	for (int i = 0; i < XML_DEPTH_MAX; i++)
		buf_free(&walk.texts[i]);
	return rc;
}
