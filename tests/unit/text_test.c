/* UTF-8, encodings, ids and masks. */
#include "base/mem.h"
#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define BYTES(text) text, sizeof(text) - 1

/* -- UTF-8 -------------------------------------------------------------------------------------- */

static void test_utf8_every_code_point_goes_round(void **state)
{
	(void)state;
	for (uint32_t c = 0; c <= 0x110010; c++) {
		char bytes[4];
		uint32_t back = 0xFFFFFFFF;
		size_t n = utf8_encode(c, bytes);
		bool good = c <= 0x10FFFF && !(c >= 0xD800 && c <= 0xDFFF);
		assert_int_equal(utf8_next(bytes, n, &back), good ? n : 0);
		if (good)
			assert_int_equal(back, c);
		/* One byte fewer is never a character. */
		assert_int_equal(utf8_next(bytes, n - 1, &back), 0);
	}
}

static void test_utf8_invalid_forms(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		size_t len;
	} cases[] = {
		{ BYTES("\x80") },
		{ BYTES("\xBF") },
		{ BYTES("\xC0\x80") },
		{ BYTES("\xC1\xBF") }, /* overlong */
		{ BYTES("\xE0\x80\x80") },
		{ BYTES("\xE0\x9F\xBF") },
		{ BYTES("\xF0\x80\x80\x80") },
		{ BYTES("\xF0\x8F\xBF\xBF") },
		{ BYTES("\xED\xA0\x80") },
		{ BYTES("\xED\xBF\xBF") }, /* surrogates */
		{ BYTES("\xF4\x90\x80\x80") },
		{ BYTES("\xF5\x80\x80\x80") },
		{ BYTES("\xFE") },
		{ BYTES("\xFF") },
		{ BYTES("\xC3") },
		{ BYTES("\xC3\x28") },
		{ BYTES("\xE2\x28\xA1") },
		{ BYTES("\xE2\x82\x28") },
		{ BYTES("\xF0\x9F\x98") },
		{ BYTES("abc\xEA\xB9") },
		{ BYTES("\xF0\x9F\x98\x28") },
		{ BYTES("\xF8\x88\x80\x80\x80") },
		{ BYTES("\xC3\xA9\xA9") },
	};
	for (size_t i = 0; i < COUNT(cases); i++)
		if (utf8_valid(cases[i].text, cases[i].len))
			fail_msg("case %zu was taken", i);
	assert_true(utf8_valid("", 0));
	assert_true(utf8_valid(NULL, 0));
	assert_true(utf8_valid(BYTES("a\0b")));
	assert_true(utf8_valid(BYTES("\xED\x9F\xBF\xEE\x80\x80\xF4\x8F\xBF\xBF")));
	/* An invalid byte behind the length is not looked at. */
	assert_true(utf8_valid("ab\xFF", 2));
}

static void test_utf8_length(void **state)
{
	(void)state;
	assert_int_equal(utf8_length(""), 0);
	assert_int_equal(utf8_length("abc"), 3);
	assert_int_equal(utf8_length("김철수"), 3);
	assert_int_equal(utf8_length("é\xF0\x9F\x98\x80"), 2);
}

static void test_utf8_copy(void **state)
{
	(void)state;
	static const struct {
		const char *in;
		size_t len, size;
		const char *out;
	} cases[] = {
		{ BYTES("abc"), 10, "abc" },
		{ BYTES("abc"), 4, "abc" },
		{ BYTES("abc"), 3, "ab" },
		{ BYTES("abc"), 1, "" },
		{ BYTES("김수"), 7, "김수" },
		{ BYTES("김수"), 6, "김" },
		{ BYTES("김수"), 4, "김" },
		{ BYTES("김수"), 3, "" },
		{ BYTES("a\xFF\xEA\xB9z"), 10, "a???z" },
		{ BYTES("a\0b"), 10, "a?b" },
		{ BYTES("a\xEA\xB9\x80"), 4, "a" },
		{ "abcdef", 2, 10, "ab" },
		{ NULL, 0, 10, "" },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		char out[16];
		memset(out, '#', sizeof out);
		utf8_copy(out, cases[i].size, cases[i].in, cases[i].len);
		assert_string_equal(out, cases[i].out);
		assert_int_equal(out[cases[i].size], '#');
	}
	char untouched = '#';
	utf8_copy(&untouched, 0, "abc", 3);
	assert_int_equal(untouched, '#');
}

/* -- base64 ------------------------------------------------------------------------------------- */

static void test_base64_vectors(void **state)
{
	(void)state;
	static const struct {
		const char *plain, *coded;
	} cases[] = {
		/* RFC 4648, section 10 */
		{ "", "" },
		{ "f", "Zg==" },
		{ "fo", "Zm8=" },
		{ "foo", "Zm9v" },
		{ "foob", "Zm9vYg==" },
		{ "fooba", "Zm9vYmE=" },
		{ "foobar", "Zm9vYmFy" },
		{ "\xfb\xef\xff", "++//" },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct buf coded = BUF(100), plain = BUF(100);
		base64_encode(&coded, cases[i].plain, strlen(cases[i].plain));
		assert_string_equal(buf_str(&coded), cases[i].coded);
		assert_int_equal(base64_decode(&plain, cases[i].coded, strlen(cases[i].coded)), 0);
		assert_string_equal(buf_str(&plain), cases[i].plain);
		buf_free(&coded);
		buf_free(&plain);
	}
}

static void test_base64_all_bytes_at_all_lengths(void **state)
{
	(void)state;
	unsigned char bytes[256];
	for (int i = 0; i < 256; i++)
		bytes[i] = (unsigned char)(i * 37);
	for (size_t len = 0; len <= sizeof bytes; len++) {
		struct buf coded = BUF(1000), plain = BUF(256);
		base64_encode(&coded, bytes, len);
		assert_int_equal(coded.len, (len + 2) / 3 * 4);
		assert_int_equal(base64_decode(&plain, coded.data, coded.len), 0);
		assert_int_equal(plain.len, len);
		assert_memory_equal(buf_str(&plain), bytes, len);
		buf_free(&coded);
		buf_free(&plain);
	}
}

static void test_base64_that_is_refused(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		size_t len;
	} cases[] = {
		{ BYTES("Z") },
		{ BYTES("Zg") },
		{ BYTES("Zg=") },
		{ BYTES("Zm8") },
		{ BYTES("Zg===") },
		{ BYTES("=") },
		{ BYTES("====") },
		{ BYTES("Z===") },
		{ BYTES("Zm9v=") },
		{ BYTES("Zg==Zg==") },
		{ BYTES("Zg=g") },
		{ BYTES("Zm 9v") },
		{ BYTES("Zm9v ") },
		{ BYTES("Zm-v") },
		{ BYTES("Zm_v") },
		{ BYTES("Zm9v\0") },
		{ BYTES("Zm\0v") },
		{ BYTES("Zh==") },
		{ BYTES("Zm9=") },
		{ BYTES("\xEA\xB9\x80=") },
		{ BYTES("Zm9v====") },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct buf plain = BUF(100);
		buf_puts(&plain, "kept");
		if (base64_decode(&plain, cases[i].text, cases[i].len) != USHER_EINVAL)
			fail_msg("\"%s\" was taken", cases[i].text);
		assert_string_equal(buf_str(&plain), "kept");
		buf_free(&plain);
	}
}

static void test_base64_line_breaks_and_limit(void **state)
{
	(void)state;
	struct buf plain = BUF(6);
	assert_int_equal(base64_decode(&plain, BYTES("\r\nZm9v\r\nYm\nFy\n")), 0);
	assert_string_equal(plain.data, "foobar");
	buf_clear(&plain);
	assert_int_equal(base64_decode(&plain, BYTES("Zg=\r\n=\r\n")), 0);
	assert_string_equal(plain.data, "f");
	buf_free(&plain);
	struct buf small = BUF(5);
	assert_int_equal(base64_decode(&small, BYTES("Zm9vYmFy")), USHER_ETOOBIG);
	assert_int_equal(small.len, 0);
	buf_free(&small);
}

/* -- gzip --------------------------------------------------------------------------------------- */

static struct buf packed(const char *text, size_t len)
{
	struct buf out = BUF(1 << 20);
	assert_int_equal(gzip_encode(&out, text, len), 0);
	return out;
}

static void test_gzip_goes_round(void **state)
{
	(void)state;
	char text[50000];
	uint32_t seed = 7;
	for (size_t i = 0; i < sizeof text; i++) {
		seed = seed * 1664525 + 1013904223;
		text[i] = (char)(seed >> 24);
	}
	static const size_t sizes[] = { 0, 1, 100, 16383, 16384, 16385, sizeof text };
	for (size_t i = 0; i < COUNT(sizes); i++) {
		struct buf zipped = packed(text, sizes[i]), out = BUF(sizes[i]);
		assert_int_equal(gzip_decode(&out, zipped.data, zipped.len), 0);
		assert_int_equal(out.len, sizes[i]);
		assert_memory_equal(buf_str(&out), text, sizes[i]);
		buf_free(&zipped);
		buf_free(&out);
	}
}

static void test_gzip_cut_anywhere_is_refused(void **state)
{
	(void)state;
	struct buf zipped = packed(BYTES("{\"eventId\":\"e-1\",\"type\":\"user-signup\"}"));
	for (size_t len = 0; len < zipped.len; len++) {
		struct buf out = BUF(1000);
		char *exact = mem_stringn(zipped.data, len);
		assert_int_equal(gzip_decode(&out, exact, len), USHER_EINVAL);
		assert_int_equal(out.len, 0);
		free(exact);
		buf_free(&out);
	}
	buf_free(&zipped);
}

static void test_gzip_damage_is_refused(void **state)
{
	(void)state;
	struct buf zipped = packed(BYTES("hello hello hello hello")), out = BUF(1000);
	zipped.data[zipped.len - 5] ^= 1; /* the checksum */
	assert_int_equal(gzip_decode(&out, zipped.data, zipped.len), USHER_EINVAL);
	assert_int_equal(gzip_decode(&out, BYTES("this is no gzip")), USHER_EINVAL);
	zipped.data[zipped.len - 5] ^= 1;
	buf_puts(&zipped, "rubbish");
	assert_int_equal(gzip_decode(&out, zipped.data, zipped.len), USHER_EINVAL);
	assert_int_equal(out.len, 0);
	/* zlib's own framing is not gzip. */
	assert_int_equal(gzip_decode(&out, BYTES("\x78\x9c\x4b\x04\x00\x00\x62\x00\x62")), USHER_EINVAL);
	buf_free(&zipped);
	buf_free(&out);
}

static void test_gzip_members_follow_each_other(void **state)
{
	(void)state;
	struct buf one = packed(BYTES("one ")), two = packed(BYTES("two")), out = BUF(100);
	buf_add(&one, two.data, two.len);
	buf_puts(&out, "> ");
	assert_int_equal(gzip_decode(&out, one.data, one.len), 0);
	assert_string_equal(out.data, "> one two");
	buf_free(&one);
	buf_free(&two);
	buf_free(&out);
}

static void test_gzip_bomb_ends_at_the_limit(void **state)
{
	(void)state;
	size_t size = 8 << 20;
	OWNED char *zeros = mem_alloc(size);
	struct buf zipped = packed(zeros, size), out = BUF(256 * 1024);
	assert_true(zipped.len < 10000);
	assert_int_equal(gzip_decode(&out, zipped.data, zipped.len), USHER_ETOOBIG);
	assert_int_equal(out.len, 0);
	assert_true(out.cap <= 256 * 1024 + 1);
	buf_free(&out);
	struct buf exact = BUF(size), short_by_one = BUF(size - 1);
	assert_int_equal(gzip_decode(&exact, zipped.data, zipped.len), 0);
	assert_int_equal(gzip_decode(&short_by_one, zipped.data, zipped.len), USHER_ETOOBIG);
	buf_free(&exact);
	buf_free(&short_by_one);
	buf_free(&zipped);
	struct buf tiny = BUF(10);
	assert_int_equal(gzip_encode(&tiny, zeros, 100), USHER_ETOOBIG);
	assert_int_equal(tiny.len, 0);
	buf_free(&tiny);
}

/* -- Ids ---------------------------------------------------------------------------------------- */

static void test_uuids_are_version_7_sorted_and_distinct(void **state)
{
	(void)state;
	char before[UUID_TEXT_SIZE] = "", text[UUID_TEXT_SIZE];
	int unsorted = 0;
	for (int i = 0; i < 10000; i++) {
		uuid_new(text);
		assert_int_equal(strlen(text), 36);
		assert_int_equal(strspn(text, "0123456789abcdef-"), 36);
		for (int at = 8; at <= 23; at += 5)
			assert_int_equal(text[at], '-');
		assert_int_equal(text[14], '7');
		assert_non_null(strchr("89ab", text[19]));
		assert_string_not_equal(text, before);
		unsorted += strncmp(text, before, 18) < 0; /* the time, to a quarter of a microsecond */
		memcpy(before, text, sizeof text);
	}
	/* The wall clock may be set back once while this runs. */
	assert_true(unsorted <= 1);
}

static void test_sha256(void **state)
{
	(void)state;
	char text[65];
	sha256_hex("", 0, text);
	assert_string_equal(text, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	sha256_hex("abc", 3, text);
	assert_string_equal(text, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

/* -- Masks -------------------------------------------------------------------------------------- */

typedef void mask_fn(const char *text, char *out, size_t size);

struct mask_case {
	const char *in, *out;
};

static void check_masks(mask_fn *mask, const struct mask_case *cases, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		char out[200], small[8];
		mask(cases[i].in, out, sizeof out);
		assert_string_equal(out, cases[i].out);
		/* Cut short it stays text within its bounds. */
		for (size_t size = 1; size <= sizeof small; size++) {
			memset(small, '#', sizeof small);
			mask(cases[i].in, small, size);
			assert_non_null(memchr(small, '\0', size));
			assert_true(utf8_valid(small, strlen(small)));
			assert_true(size == sizeof small || small[size] == '#');
		}
		char untouched = '#';
		mask(cases[i].in, &untouched, 0);
		assert_int_equal(untouched, '#');
	}
}

static void test_mask_email(void **state)
{
	(void)state;
	static const struct mask_case cases[] = {
		{ "minsu.kim@example.com", "mi***@example.com" },
		{ "min@example.com", "mi***@example.com" },
		{ "mi@example.com", "m***@example.com" },
		{ "m@example.com", "***@example.com" },
		{ "@example.com", "***@example.com" },
		{ "minsu", "mi***" },
		{ "\"a@b\"@example.com", "\"a***@example.com" },
		{ "김철수@한국.kr", "김철***@한국.kr" },
		{ "\xFFxyz@\xFE.kr", "?x***@?.kr" },
		{ "", "" },
		{ NULL, "" },
	};
	check_masks(mask_email, cases, COUNT(cases));
}

static void test_mask_name(void **state)
{
	(void)state;
	static const struct mask_case cases[] = {
		{ "김철수", "김*수" },
		{ "김수", "김*" },
		{ "김", "*" },
		{ "남궁민수", "남**수" },
		{ "황보 영희", "황* 영*" },
		{ "山田太郎", "山**郎" },
		{ "Minsu Kim", "M**** K**" },
		{ "Kim", "K**" },
		{ "Jo", "J*" },
		{ "J", "*" },
		{ "Ólafur Þór", "Ó***** Þ**" },
		{ "Анна", "А***" },
		{ "  Minsu  Kim ", "  M****  K** " },
		{ "김\xFF수", "김*수" },
		{ "\xFF\xFE", "?*" },
		{ "", "" },
		{ NULL, "" },
	};
	check_masks(mask_name, cases, COUNT(cases));
}

static void test_mask_id(void **state)
{
	(void)state;
	static const struct mask_case cases[] = {
		{ "u-1234", "u-1***" },
		{ "u-1", "u-***" },
		{ "u1", "u***" },
		{ "u", "***" },
		{ "", "" },
		{ NULL, "" },
		{ "회원-0001", "회원-***" },
	};
	check_masks(mask_id, cases, COUNT(cases));
}

static void test_mask_phone(void **state)
{
	(void)state;
	static const struct mask_case cases[] = {
		{ "010-1234-5678", "***78" },
		{ "+82 10 1234 5678", "***78" },
		{ "1234567", "***67" },
		{ "123456", "***" },
		{ "112", "***" },
		{ "전화 없음", "*****" },
		{ "", "" },
		{ NULL, "" },
	};
	check_masks(mask_phone, cases, COUNT(cases));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_utf8_every_code_point_goes_round),
		cmocka_unit_test(test_utf8_invalid_forms),
		cmocka_unit_test(test_utf8_length),
		cmocka_unit_test(test_utf8_copy),
		cmocka_unit_test(test_base64_vectors),
		cmocka_unit_test(test_base64_all_bytes_at_all_lengths),
		cmocka_unit_test(test_base64_that_is_refused),
		cmocka_unit_test(test_base64_line_breaks_and_limit),
		cmocka_unit_test(test_gzip_goes_round),
		cmocka_unit_test(test_gzip_cut_anywhere_is_refused),
		cmocka_unit_test(test_gzip_damage_is_refused),
		cmocka_unit_test(test_gzip_members_follow_each_other),
		cmocka_unit_test(test_gzip_bomb_ends_at_the_limit),
		cmocka_unit_test(test_uuids_are_version_7_sorted_and_distinct),
		cmocka_unit_test(test_sha256),
		cmocka_unit_test(test_mask_email),
		cmocka_unit_test(test_mask_name),
		cmocka_unit_test(test_mask_id),
		cmocka_unit_test(test_mask_phone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
