/* XML answers of AWS's Query protocol, walked through with expat. No document type, no entities of a
 * document's own (a bomb ends there), bounded depth and text. Any thread; pure. */
#ifndef NET_XML_H
#define NET_XML_H

#include <stddef.h>
#include <usher/error.h>

#define XML_DEPTH_MAX 32
#define XML_PATH_MAX 512           /* bytes of an element's path */
#define XML_TEXT_MAX (1024 * 1024) /* bytes of one element's own text */

/* At the end of every element: its path from the root, as "ErrorResponse/Error/Code", and the text
 * directly in it. Both borrowed for the call. */
typedef void xml_element(void *arg, const char *path, const char *text);

/* USHER_EPROTOCOL: it is no XML, or over a limit; elements that had ended were told. */
int xml_walk(const char *text, size_t len, xml_element *element, void *arg, struct usher_error *err);

#endif
