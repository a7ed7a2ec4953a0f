/* What comes from files is never markup, whatever bytes it has; pictures become data: URIs. */
#include "src/eval/html.h"

#include "src/data/image.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <libxml/parser.h>

static char *escaped(const char *text) {
    char *out;
    size_t size;
    FILE *to = open_memstream(&out, &size);
    assert_non_null(to);
    tn_html_text(to, text);
    fclose(to);
    return out;
}

static void becomes(const char *text, const char *expected) {
    char *out = escaped(text);
    assert_string_equal(out, expected);
    free(out);
}

static void markup_is_text(void **state) {
    (void)state;
    becomes("plain 5x5 \xc3\xa9 \xe2\x88\x92 \xf0\x9f\x98\x80",
            "plain 5x5 \xc3\xa9 \xe2\x88\x92 \xf0\x9f\x98\x80");
    becomes("<script>", "&#60;script&#62;");
    becomes("a & b", "a &#38; b");
    becomes("\" onload='x'", "&#34; onload=&#39;x&#39;");
    becomes("", "");
    becomes(NULL, "");
    becomes("a\tb\nc", "a\tb\nc");
}

static void what_xml_forbids_is_replaced(void **state) {
    (void)state;
    becomes("\x01", "&#65533;");
    becomes("\x7f", "&#65533;");
    becomes("\xff\xfe", "&#65533;&#65533;");
    becomes("\xc0\xaf", "&#65533;&#65533;");                         /* '/' in two bytes */
    becomes("\xe0\x80\xbc", "&#65533;&#65533;&#65533;");             /* '<' in three */
    becomes("\xed\xa0\x80", "&#65533;&#65533;&#65533;");             /* a surrogate */
    becomes("\xef\xbf\xbe", "&#65533;&#65533;&#65533;");             /* U+FFFE */
    becomes("\xf4\x90\x80\x80", "&#65533;&#65533;&#65533;&#65533;"); /* above U+10FFFF */
    becomes("a\xe2\x88", "a&#65533;&#65533;");                       /* cut off */
}

/* Any bytes give an element that an XML parser takes and whose text has no markup left. */
static void any_bytes_are_well_formed(void **state) {
    (void)state;
    uint64_t x = 1;
    for (int round = 0; round < 2000; round++) {
        char text[64];
        for (size_t i = 0; i + 1 < sizeof text; i++) {
            x = x * 6364136223846793005u + 1442695040888963407u;
            const unsigned byte = (unsigned)(x >> 33);
            text[i] = (char)(round % 2 ? byte % 255 + 1
                                       : (unsigned char)"<>&\"'a]\xc3\xa9\xe2"[byte % 10]);
        }
        text[sizeof text - 1] = 0;
        char *out = escaped(text);
        char page[2048];
        const int n = snprintf(page, sizeof page, "<a b=\"%s\">%s</a>", out, out);
        xmlDocPtr document =
            xmlReadMemory(page, n, "text", "UTF-8", XML_PARSE_NONET | XML_PARSE_NOERROR);
        if (!document) fail_msg("round %d: %s", round, page);
        assert_null(xmlDocGetRootElement(document)->children->next);
        xmlFreeDoc(document);
        free(out);
    }
    xmlCleanupParser();
}

static void picture(const char *path, int side, tn_status expected, const char *text) {
    char *out;
    size_t size;
    FILE *to = open_memstream(&out, &size);
    assert_int_equal(tn_html_picture(to, path, "a \"b\" <c>", side), expected);
    fclose(to);
    if (expected == TN_OK)
        assert_non_null(strstr(out, text));
    else
        assert_non_null(strstr(tn_error(), text));
    if (expected == TN_OK) assert_non_null(strstr(out, "alt=\"a &#34;b&#34; &#60;c&#62;\"/>"));
    free(out);
}

static void pictures_are_inside(void **state) {
    (void)state;
    char path[64], text[64];
    tn_image image;
    snprintf(path, sizeof path, "/tmp/tn_html_%d.png", (int)getpid());
    snprintf(text, sizeof text, "/tmp/tn_html_%d.txt", (int)getpid());
    assert_int_equal(tn_image_create(40, 60, 3, &image), TN_OK);
    assert_int_equal(tn_image_save(&image, path), TN_OK);
    tn_image_free(&image);
    /* "\x89PNG\r\n\x1a\n" and so on in base64 */
    picture(path, 60, TN_OK, "<img src=\"data:image/png;base64,iVBORw0KGgo");
    picture(path, 30, TN_OK, "<img src=\"data:image/jpeg;base64,/9j/");
    assert_int_equal(truncate(path, 50), 0);
    picture(path, 60, TN_FAIL, path);
    unlink(path);
    picture(path, 60, TN_FAIL, path);
    FILE *to = fopen(text, "w");
    fputs("no picture at all, only words", to);
    fclose(to);
    picture(text, 60, TN_FAIL, text);
    unlink(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(markup_is_text),
        cmocka_unit_test(what_xml_forbids_is_replaced),
        cmocka_unit_test(any_bytes_are_well_formed),
        cmocka_unit_test(pictures_are_inside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
