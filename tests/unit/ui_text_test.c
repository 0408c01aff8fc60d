/* What a stranger typed, made safe for a terminal and counted in columns. */
#include "../../ui/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void assert_clean(const char *in, size_t len, const char *out)
{
	struct buf b = BUF(1 << 20);
	text_clean(&b, in, len);
	assert_string_equal(buf_str(&b), out);
	buf_free(&b);
}
#define ASSERT_CLEAN(in, out) assert_clean(in, sizeof(in) - 1, out)

static void assert_fit(const char *in, int width, enum text_align align, const char *out)
{
	struct buf b = BUF(1 << 20);
	int used = text_fit(&b, in, strlen(in), width, align);
	assert_string_equal(buf_str(&b), out);
	if (align != TEXT_CLIP)
		assert_int_equal(used, width > 0 ? width : 0);
	assert_true(used <= width || width <= 0);
	buf_free(&b);
}

static void names_what_could_act_on_a_terminal(void **state)
{
	(void)state;
	ASSERT_CLEAN("plain", "plain");
	ASSERT_CLEAN("\033[2J", "^[[2J");
	ASSERT_CLEAN("\033]52;c;aGk=\007", "^[]52;c;aGk=^G");
	ASSERT_CLEAN("a\0b", "a^@b");
	ASSERT_CLEAN("a\nb\tc\rd", "a\\nb\\tc\\rd");
	ASSERT_CLEAN("\177", "^?");
	ASSERT_CLEAN("\xc2\x9b"
	             "31m",
	        "<U+009B>31m"); /* CSI as one character */
	ASSERT_CLEAN("\x9b"
	             "31m",
	        "<9B>31m"); /* and as one byte */
}

static void names_what_would_hide_or_reorder(void **state)
{
	(void)state;
	ASSERT_CLEAN("ab\u202etxt", "ab<U+202E>txt");
	ASSERT_CLEAN("\u2066x\u2069", "<U+2066>x<U+2069>");
	ASSERT_CLEAN("a\u200bb", "a<U+200B>b");
	ASSERT_CLEAN("a\u200d", "a<U+200D>");
	ASSERT_CLEAN("\ufeffa", "<U+FEFF>a");
	ASSERT_CLEAN("a\u00adb", "a<U+00AD>b");
	ASSERT_CLEAN("\u2028", "<U+2028>");
	ASSERT_CLEAN("\u3164", "<U+3164>");
	ASSERT_CLEAN("\U000e0041", "<U+E0041>");
}

static void names_broken_utf8_byte_by_byte(void **state)
{
	(void)state;
	ASSERT_CLEAN("a\xff"
	             "b",
	        "a<FF>b");
	ASSERT_CLEAN("\xea\xb0", "<EA><B0>");
	ASSERT_CLEAN("\xc0\xaf", "<C0><AF>");         /* overlong */
	ASSERT_CLEAN("\xed\xa0\x80", "<ED><A0><80>"); /* surrogate */
}

static void keeps_korean_marks_and_emoji(void **state)
{
	(void)state;
	ASSERT_CLEAN("김민수", "김민수");
	ASSERT_CLEAN("e\u0301", "e\u0301");
	ASSERT_CLEAN("\u1112\u1161\u11ab", "\u1112\u1161\u11ab"); /* decomposed Hangul */
	ASSERT_CLEAN("👍🏽", "👍"); /* skin tone: terminals disagree about its width */
	ASSERT_CLEAN("❤\ufe0f", "❤");
	ASSERT_CLEAN("\u0301", "<U+0301>"); /* a mark with nothing to stand on */
}

static void shows_joined_emoji_side_by_side(void **state)
{
	(void)state;
	ASSERT_CLEAN("👩‍👩‍👧", "👩👩👧");
	ASSERT_CLEAN("👩🏽‍⚕️x", "👩⚕x");
	ASSERT_CLEAN("a‍b", "a<U+200D>b");
	ASSERT_CLEAN("👩‍b", "👩<U+200D>b");
}

static void stops_towers_of_marks(void **state)
{
	(void)state;
	struct text_cell cell;
	const char *tower = "e\u0301\u0301\u0301\u0301\u0301";
	assert_int_equal(text_next(tower, strlen(tower), &cell), 1 + 2 * TEXT_MARKS_MAX);
	assert_int_equal(cell.width, 1);
	ASSERT_CLEAN("e\u0301\u0301\u0301\u0301", "e\u0301\u0301\u0301<U+0301>");
}

static void fits_by_columns(void **state)
{
	(void)state;
	assert_fit("abc", 5, TEXT_LEFT, "abc  ");
	assert_fit("abc", 5, TEXT_RIGHT, "  abc");
	assert_fit("abc", 5, TEXT_CLIP, "abc");
	assert_fit("abcdef", 4, TEXT_LEFT, "abc…");
	assert_fit("가나다", 6, TEXT_LEFT, "가나다");
	assert_fit("가나다", 5, TEXT_LEFT, "가나…");
	assert_fit("가나다", 4, TEXT_LEFT, "가… "); /* half a character is not shown */
	assert_fit("가나다", 2, TEXT_RIGHT, "… ");
	assert_fit("abc", 0, TEXT_LEFT, "");
	assert_fit("\u202eabc", 4, TEXT_LEFT, "…   "); /* a name is not cut */
}

static void reads_no_more_than_it_shows(void **state)
{
	(void)state;
	static char huge[1 << 20];
	memset(huge, '\033', sizeof huge - 1);
	struct buf b = BUF(256);
	text_fit(&b, huge, sizeof huge - 1, 20, TEXT_LEFT);
	assert_false(b.failed);
	assert_int_equal(b.len, 18 + strlen("…") + 1);
	assert_true(text_width(huge, sizeof huge - 1, 80) <= 82);
	buf_free(&b);
}

static void wraps_at_spaces_newlines_and_in_words(void **state)
{
	(void)state;
	size_t next;
	assert_int_equal(text_line("one two three", 13, 8, &next), 7);
	assert_int_equal(next, 8);
	assert_int_equal(text_line("one\ntwo", 7, 20, &next), 3);
	assert_int_equal(next, 4);
	assert_int_equal(text_line("abcdefgh", 8, 3, &next), 3);
	assert_int_equal(next, 3);
	assert_int_equal(text_line("가나다", 9, 4, &next), 6);
	assert_int_equal(text_line("가", 3, 1, &next), 3); /* always goes on */
	assert_int_equal(next, 3);
	assert_int_equal(text_line("", 0, 10, &next), 0);
	assert_int_equal(next, 0);
}

static void escapes_json_without_changing_it(void **state)
{
	(void)state;
	struct buf b = BUF(1 << 16);
	const char *in = "{\"a\":\"\u202e\xc2\x9b\U000e0041김\177\"}\n";
	text_json(&b, in, strlen(in));
	assert_string_equal(buf_str(&b), "{\"a\":\"\\u202e\\u009b\\udb40\\udc41김\\u007f\"}\n");
	buf_free(&b);
}

static void does_without_utf8(void **state)
{
	(void)state;
	text_set_mode(TEXT_ASCII);
	ASSERT_CLEAN("김 e\u0301", "?? e?"); /* as wide as it is elsewhere */
	assert_fit("abcdef", 4, TEXT_LEFT, "abc~");
	text_set_mode(TEXT_UNICODE);
}

static int setup(void **state)
{
	(void)state;
	setenv("LC_ALL", "C.UTF-8", 1);
	return text_setup("xterm-256color", true) == TEXT_UNICODE ? 0 : -1;
}

static void knows_plain_terminals(void **state)
{
	(void)state;
	assert_int_equal(text_setup("vt100", true), TEXT_PLAIN);
	assert_int_equal(text_setup("linux", true), TEXT_PLAIN);
	assert_int_equal(text_setup(NULL, true), TEXT_PLAIN);
}

static enum text_mode mode_of(const char *all, const char *lang, bool to_terminal)
{
	(all ? setenv("LC_ALL", all, 1) : unsetenv("LC_ALL"));
	unsetenv("LC_CTYPE");
	(lang ? setenv("LANG", lang, 1) : unsetenv("LANG"));
	return text_setup("xterm", to_terminal);
}

static void takes_the_locale_at_its_word(void **state)
{
	(void)state;
	assert_int_equal(mode_of(NULL, NULL, true), TEXT_PLAIN);     /* nothing said: names stay readable */
	assert_int_equal(mode_of("C", NULL, true), TEXT_ASCII);      /* said */
	assert_int_equal(mode_of("C", "C.UTF-8", true), TEXT_ASCII); /* LC_ALL is above LANG */
	assert_int_equal(mode_of(NULL, "POSIX", true), TEXT_ASCII);
	assert_int_equal(mode_of(NULL, "ko_KR.eucKR", true), TEXT_ASCII);
	assert_int_equal(mode_of("", "xx_XX.UTF-8", true), TEXT_UNICODE); /* not of this machine */
	assert_int_equal(mode_of("C", NULL, false), TEXT_PLAIN);          /* a file loses nothing */
	assert_int_equal(setup(NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_what_could_act_on_a_terminal),
		cmocka_unit_test(names_what_would_hide_or_reorder),
		cmocka_unit_test(names_broken_utf8_byte_by_byte),
		cmocka_unit_test(keeps_korean_marks_and_emoji),
		cmocka_unit_test(shows_joined_emoji_side_by_side),
		cmocka_unit_test(stops_towers_of_marks),
		cmocka_unit_test(fits_by_columns),
		cmocka_unit_test(reads_no_more_than_it_shows),
		cmocka_unit_test(wraps_at_spaces_newlines_and_in_words),
		cmocka_unit_test(escapes_json_without_changing_it),
		cmocka_unit_test(does_without_utf8),
		cmocka_unit_test(knows_plain_terminals),
		cmocka_unit_test(takes_the_locale_at_its_word),
	};
	return cmocka_run_group_tests_name("ui text", tests, setup, NULL);
}
