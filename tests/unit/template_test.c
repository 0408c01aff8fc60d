/* Templates: what they render, and what is refused at load, with its line. */
#include "channel/template.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define OUT_MAX 4096

static const char *const names[] = { "name", "email", "since", NULL };
static const char *const values[] = { "Ada <b> & \"Co\" 'x'", "ada@example.com", NULL };

static int parse(
        const char *text, size_t len, bool html, struct template **ret_template, struct usher_error *err)
{
	const struct template_source source = {
		.text = text, .len = len, .html = html, .where = "file", .first_line = 1
	};
	return template_parse(&source, names, ret_template, err);
}

static void renders(const char *source, bool html, const char *expected)
{
	struct template *t = NULL;
	struct usher_error err;
	struct buf out = BUF(OUT_MAX);

	if (parse(source, strlen(source), html, &t, &err) < 0)
		fail_msg("%s: %s", source, err.message);
	template_render(t, values, &out);
	assert_false(out.failed);
	assert_string_equal(buf_str(&out), expected);
	template_free(t);
	buf_free(&out);
}

static void refused(const char *source, bool html, const char *words)
{
	struct template *t = NULL;
	struct usher_error err;

	assert_int_equal(parse(source, strlen(source), html, &t, &err), USHER_ECONFIG);
	assert_null(t);
	if (!strstr(err.message, words))
		fail_msg("%s: \"%s\" does not say \"%s\"", source, err.message, words);
}

static void values_are_filled_in(void **state)
{
	(void)state;
	renders("", false, "");
	renders("no tags { } }} at all", false, "no tags { } }} at all");
	renders("{{email}}", false, "ada@example.com");
	renders("<{{email}}> {{ email }}.", false, "<ada@example.com> ada@example.com.");
	renders("[{{since}}]", false, "[]");
	renders("안녕하세요 {{email}}님", false, "안녕하세요 ada@example.com님");
}

static void html_is_escaped_and_text_is_not(void **state)
{
	(void)state;
	renders("{{name}}", true, "Ada &lt;b&gt; &amp; &quot;Co&quot; &#39;x&#39;");
	renders("{{name}}", false, "Ada <b> & \"Co\" 'x'");
	renders("{{{name}}}", false, "Ada <b> & \"Co\" 'x'");
	renders("<b>&amp;{{email}}</b>", true, "<b>&amp;ada@example.com</b>");
}

static void sections_show_what_is_not_empty(void **state)
{
	(void)state;
	renders("a{{#email}}-{{email}}-{{/email}}b", false, "a-ada@example.com-b");
	renders("a{{#since}}-{{since}}-{{/since}}b", false, "ab");
	renders("a{{^since}}new{{/since}}{{^email}}none{{/email}}b", false, "anewb");
	renders("{{#email}}1{{#since}}2{{#name}}3{{/name}}{{/since}}4{{^since}}5{{/since}}{{/email}}6", false,
	        "1456");
	renders("{{#since}}{{#email}}x{{/email}}{{/since}}{{#email}}y{{/email}}", false, "y");
}

static void a_tag_alone_on_its_line_takes_the_line(void **state)
{
	(void)state;
	renders("a\n{{#email}}\nb\n{{/email}}\nc\n", false, "a\nb\nc\n");
	renders("a\r\n  {{#email}}  \r\nb\r\n{{/email}}\r\nc", false, "a\r\nb\r\nc");
	renders("a\n{{#since}}\nb\n{{/since}}\nc\n", false, "a\nc\n");
	renders("{{! a comment }}\na{{! another}}b\n", false, "ab\n");
	renders("a {{#email}}\nb {{/email}}\nc", false, "a \nb \nc");
	renders("{{#email}}{{/email}}\nc", false, "\nc");
	renders("a\n{{#email}}\n{{/email}}", false, "a\n");
	renders("{{email}}\n{{email}}\n", false, "ada@example.com\nada@example.com\n");
}

static void mistakes_are_refused_with_their_line(void **state)
{
	(void)state;
	refused("a\nb {{nmae}}", false,
	        "file:2: there is no value called \"nmae\"; there are: name, email, since");
	refused("{{}}", false, "file:1: there is no value called \"\"");
	refused("{{email", false, "file:1: a tag is opened with {{ and not closed");
	refused("\n\n{{{email}}", false, "file:3: a tag is opened with {{ and not closed with }}}");
	refused("{{na me}}", false, "file:1: a tag holds something that is no name");
	refused("{{email\n}}", false, "file:1: a tag holds something that is no name");
	refused("\n{{#email}}\nx", false, "file:2: the section {{#email}} is not closed");
	refused("x\n{{/email}}", false, "file:2: {{/email}} closes a section that was not opened");
	refused("{{#email}}\n{{#name}}\n{{/email}}{{/name}}", false,
	        "file:3: {{/email}} stands where {{/name}}");
	refused("{{#email}}{{/name}}", false, "the section of line 1");
	refused("{{{name}}}", true, "file:1: {{{name}}} would put raw text into HTML");
	refused("\xff\xfe", false, "UTF-8");
	refused("{{EMAIL}}", false, "there is no value called \"EMAIL\"");
}

static void the_first_lines_number_may_be_another(void **state)
{
	const struct template_source source = {
		.text = "a\n{{b}}", .len = 7, .where = "x.txt", .first_line = 3
	};
	struct template *t = NULL;
	struct usher_error err;

	(void)state;
	assert_int_equal(template_parse(&source, names, &t, &err), USHER_ECONFIG);
	assert_non_null(strstr(err.message, "x.txt:4:"));
}

static void sections_nest_only_so_deep(void **state)
{
	struct buf source = BUF(OUT_MAX);

	(void)state;
	for (int i = 0; i < TEMPLATE_DEPTH_MAX; i++)
		buf_puts(&source, "{{#email}}");
	buf_puts(&source, "x");
	for (int i = 0; i < TEMPLATE_DEPTH_MAX; i++)
		buf_puts(&source, "{{/email}}");
	renders(buf_str(&source), false, "x");
	buf_clear(&source);
	for (int i = 0; i <= TEMPLATE_DEPTH_MAX; i++)
		buf_puts(&source, "{{#email}}");
	refused(buf_str(&source), false, "sections within each other");
	buf_free(&source);
}

static void a_source_too_long_or_with_a_nul_is_refused(void **state)
{
	struct template *t = NULL;
	struct usher_error err;
	char *source = malloc(TEMPLATE_SIZE_MAX + 1);

	(void)state;
	memset(source, 'x', TEMPLATE_SIZE_MAX + 1);
	assert_int_equal(parse(source, TEMPLATE_SIZE_MAX + 1, false, &t, &err), USHER_ECONFIG);
	assert_int_equal(parse(source, TEMPLATE_SIZE_MAX, false, &t, &err), 0);
	template_free(t);
	source[5] = '\0';
	assert_int_equal(parse(source, 10, false, &t, &err), USHER_ECONFIG);
	free(source);
}

static void a_value_cannot_bring_tags_of_its_own(void **state)
{
	static const char *const sly[] = { "{{email}}", "{{#name}}", "x" };
	struct template *t = NULL;
	struct usher_error err;
	struct buf out = BUF(OUT_MAX);

	(void)state;
	assert_int_equal(parse("{{name}}{{email}}", 17, false, &t, &err), 0);
	template_render(t, sly, &out);
	assert_string_equal(buf_str(&out), "{{email}}{{#name}}");
	template_free(t);
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_are_filled_in),
		cmocka_unit_test(html_is_escaped_and_text_is_not),
		cmocka_unit_test(sections_show_what_is_not_empty),
		cmocka_unit_test(a_tag_alone_on_its_line_takes_the_line),
		cmocka_unit_test(mistakes_are_refused_with_their_line),
		cmocka_unit_test(the_first_lines_number_may_be_another),
		cmocka_unit_test(sections_nest_only_so_deep),
		cmocka_unit_test(a_source_too_long_or_with_a_nul_is_refused),
		cmocka_unit_test(a_value_cannot_bring_tags_of_its_own),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
