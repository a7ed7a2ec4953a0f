/* Case files: what is read, and what bad and hostile ones are answered. */
#include "src/data/ddti/case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char good[] =
    "<case><number>7</number><age>40 </age><sex>F</sex><composition>solid</composition>"
    "<echogenicity></echogenicity><margins/><tirads>4a</tirads><reportbacaf></reportbacaf>"
    "<mark><image>2</image><svg>[{\"points\": [{\"x\": 10, \"y\": 20}, {\"x\": 50, \"y\": 20}, "
    "{\"x\": 50, \"y\": 90}], \"annotation\": {}, \"regionType\": \"freehand\"}, {\"points\": "
    "[{\"x\": 1, \"y\": 2}, {\"x\": 3, \"y\": 4}], \"regionType\": \"arrow\"}]</svg></mark>"
    "<mark><image>1</image><svg></svg></mark></case>";

static tn_status parse(const char *text, tn_ddti_case *out) {
    return tn_ddti_case_parse(text, strlen(text), "dir/7.xml", out);
}

static void a_good_case_is_read(void **state) {
    (void)state;
    tn_ddti_case c;
    assert_int_equal(parse(good, &c), TN_OK);
    assert_int_equal(c.number, 7);
    assert_int_equal(c.written, 7);
    assert_string_equal(c.fields[TN_DDTI_AGE], "40");
    assert_string_equal(c.fields[TN_DDTI_MARGINS], "");
    assert_string_equal(c.fields[TN_DDTI_CALCIFICATIONS], "");
    assert_string_equal(c.fields[TN_DDTI_TIRADS], "4a");
    assert_int_equal(c.mark_count, 2);
    const tn_ddti_mark *mark = tn_ddti_case_mark(&c, 2);
    assert_non_null(mark);
    assert_int_equal(mark->region_count, 2);
    assert_int_equal(mark->regions[1].kind, TN_DDTI_ARROW);
    tn_ddti_box box;
    int clamped;
    assert_int_equal(tn_ddti_region_box(&mark->regions[0], 560, 360, &box, &clamped), 1);
    assert_int_equal(clamped, 0);
    assert_int_equal(box.x, 10);
    assert_int_equal(box.y, 20);
    assert_int_equal(box.w, 41);
    assert_int_equal(box.h, 71);
    assert_int_equal(tn_ddti_region_box(&mark->regions[1], 560, 360, &box, NULL), 0);
    assert_int_equal(tn_ddti_case_mark(&c, 1)->svg, TN_DDTI_SVG_EMPTY);
    assert_null(tn_ddti_case_mark(&c, 3));
    tn_ddti_case_free(&c);
}

/* Wherever a file breaks off, it is refused or read; never half a case without a word. */
static void every_truncation_is_refused(void **state) {
    (void)state;
    tn_ddti_case c;
    for (size_t n = 0; n < sizeof good - 1; n++) {
        char *cut = malloc(n ? n : 1); /* exact size, so that a read past it is seen */
        assert_non_null(cut);
        memcpy(cut, good, n);
        assert_int_equal(tn_ddti_case_parse(cut, n, "7.xml", &c), TN_FAIL);
        assert_null(c.marks);
        free(cut);
    }
}

static void json_that_breaks_off_fails_its_mark_alone(void **state) {
    (void)state;
    static const char json[] = "[{\"points\": [{\"x\": 1, \"y\": 2}, {\"x\": 3, \"y\": 4}], "
                               "\"annotation\": {}, \"regionType\": \"freehand\"}]";
    for (size_t n = 1; n < sizeof json - 1; n++) {
        char text[sizeof json];
        memcpy(text, json, n);
        text[n] = 0;
        tn_ddti_mark mark = {0};
        assert_int_equal(tn_ddti_mark_read_svg(&mark, text), TN_OK);
        assert_int_equal(mark.svg, TN_DDTI_SVG_INVALID);
        assert_non_null(mark.why);
        assert_int_equal(mark.region_count, 0);
        free(mark.why);
    }
}

static void json_of_another_shape_is_invalid(void **state) {
    (void)state;
    static const char *const bad[] = {"{}",
                                      "1",
                                      "[1]",
                                      "[{}]",
                                      "[{\"points\": 3}]",
                                      "[{\"points\": [{\"x\": 1}]}]",
                                      "[{\"points\": [{\"x\": \"1\", \"y\": 2}]}]",
                                      "[{\"points\": [{\"x\": 1e300, \"y\": 2}]}]",
                                      "[] trailing",
                                      "[{\"points\": [[1, 2]]}]"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        tn_ddti_mark mark = {0};
        assert_int_equal(tn_ddti_mark_read_svg(&mark, bad[i]), TN_OK);
        if (mark.svg != TN_DDTI_SVG_INVALID) fail_msg("accepted: %s", bad[i]);
        free(mark.why);
    }
}

static void deep_json_is_invalid(void **state) {
    (void)state;
    enum { DEPTH = 200000 };
    char *text = malloc(DEPTH + 1);
    assert_non_null(text);
    memset(text, '[', DEPTH);
    text[DEPTH] = 0;
    tn_ddti_mark mark = {0};
    assert_int_equal(tn_ddti_mark_read_svg(&mark, text), TN_OK);
    assert_int_equal(mark.svg, TN_DDTI_SVG_INVALID);
    free(mark.why);
    free(text);
}

static void hostile_files_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *text, *says;
    } bad[] = {
        {"<!DOCTYPE case [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;\">]>"
         "<case><number>7</number><age>&b;</age></case>",
         "document type"},
        {"<!DOCTYPE case SYSTEM \"file:///etc/passwd\"><case><number>7</number></case>",
         "document type"},
        {"<!DOCTYPE case [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><case><number>7</number>"
         "<age>&x;</age></case>",
         "document type"},
        {"<html><number>7</number></html>", "expected <case> as the root, found <html>"},
        {"<case><number>7</number><age>&undefined;</age></case>", "not well-formed"},
        {"<case><number>7</number></case><case/>", "not well-formed"},
        {"", "is empty"},
        {"not xml", "not well-formed"},
        {"<case><mark><image>../../etc/passwd</image><svg></svg></mark></case>",
         "<mark> without an image number"},
        {"<case><mark><image>-1</image></mark></case>", "<mark> without an image number"},
        {"<case><mark><image>99999999999</image></mark></case>", "<mark> without an image number"},
        {"<case><mark><svg></svg></mark></case>", "<mark> without an image number"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        tn_ddti_case c;
        if (parse(bad[i].text, &c) != TN_FAIL) fail_msg("accepted: %s", bad[i].text);
        if (!strstr(tn_error(), bad[i].says)) fail_msg("%s: said %s", bad[i].text, tn_error());
        if (!strstr(tn_error(), "7.xml")) fail_msg("does not name the file: %s", tn_error());
    }
}

/* In UTF-16 the word <!DOCTYPE does not occur as bytes: the parsed document is looked at too. */
static void a_document_type_in_another_encoding_is_refused(void **state) {
    (void)state;
    static const char text[] = "<!DOCTYPE case [<!ENTITY a \"x\">]><case><number>7</number></case>";
    char wide[2 * sizeof text + 2] = {(char)0xff, (char)0xfe};
    for (size_t i = 0; i + 1 < sizeof text; i++) wide[2 + 2 * i] = text[i];
    tn_ddti_case c;
    assert_int_equal(tn_ddti_case_parse(wide, 2 * sizeof text, "7.xml", &c), TN_FAIL);
    assert_non_null(strstr(tn_error(), "document type"));
}

static void huge_and_deep_files_are_refused(void **state) {
    (void)state;
    size_t size = 5u << 20;
    char *text = malloc(size + 1);
    assert_non_null(text);
    memset(text, ' ', size);
    memcpy(text, "<case>", 6);
    memcpy(text + size - 7, "</case>", 7);
    tn_ddti_case c;
    assert_int_equal(tn_ddti_case_parse(text, size, "7.xml", &c), TN_FAIL);
    assert_non_null(strstr(tn_error(), "refused"));
    for (size_t i = 6; i + 3 <= 300000; i += 3) memcpy(text + i, "<a>", 3);
    assert_int_equal(tn_ddti_case_parse(text, 300000, "7.xml", &c), TN_FAIL);
    free(text);
}

static void the_file_name_names_the_case(void **state) {
    (void)state;
    tn_ddti_case c;
    const char *text = "<case><number>8</number></case>";
    assert_int_equal(parse(text, &c), TN_OK);
    assert_int_equal(c.number, 7);
    assert_int_equal(c.written, 8);
    tn_ddti_case_free(&c);
    assert_int_equal(tn_ddti_case_parse(text, strlen(text), "copy.xml", &c), TN_OK);
    assert_int_equal(c.number, 8);
    tn_ddti_case_free(&c);
    const char *none = "<case><number>x</number></case>";
    assert_int_equal(tn_ddti_case_parse(none, strlen(none), "copy.xml", &c), TN_FAIL);
}

static void two_marks_on_an_image_are_joined(void **state) {
    (void)state;
    static const char region[] = "[{\"points\": [{\"x\": 1, \"y\": 2}, {\"x\": 30, \"y\": 4}, "
                                 "{\"x\": 30, \"y\": 40}], \"regionType\": \"freehand\"}]";
    char text[1024];
    snprintf(text, sizeof text,
             "<case><mark><image>1</image><svg>%s</svg></mark><mark><image>1</image><svg>%s</svg>"
             "</mark></case>",
             region, region);
    tn_ddti_case c;
    assert_int_equal(parse(text, &c), TN_OK);
    assert_int_equal(c.mark_count, 1);
    assert_int_equal(c.marks[0].region_count, 2);
    tn_ddti_case_free(&c);
}

static void boxes_are_clamped_and_sorted(void **state) {
    (void)state;
    tn_ddti_mark mark = {0};
    const char *json = "[{\"points\": [{\"x\": 10, \"y\": 10}, {\"x\": 20, \"y\": 10}, {\"x\": 20, "
                       "\"y\": 20}], \"regionType\": \"freehand\"},"
                       "{\"points\": [{\"x\": 100, \"y\": 300}, {\"x\": 200, \"y\": 300}, {\"x\": "
                       "200, \"y\": 394}], \"regionType\": \"freehand\"},"
                       "{\"points\": [{\"x\": 600, \"y\": 300}, {\"x\": 700, \"y\": 300}, {\"x\": "
                       "700, \"y\": 394}], \"regionType\": \"freehand\"}]";
    assert_int_equal(tn_ddti_mark_read_svg(&mark, json), TN_OK);
    tn_ddti_box boxes[3];
    int outline[3];
    assert_int_equal(tn_ddti_mark_boxes(&mark, 560, 360, boxes, outline, 3), 2);
    assert_int_equal(outline[0], 1);
    assert_int_equal(outline[1], 0);
    assert_int_equal(boxes[0].h, 60); /* 300..359 */
    assert_int_equal(tn_ddti_mark_boxes(&mark, 560, 360, boxes, outline, 1), 2);
    assert_int_equal(outline[0], 1);
    assert_int_equal(tn_ddti_mark_boxes(&mark, 560, 360, NULL, NULL, 0), 2);
    assert_int_equal(tn_ddti_mark_read_svg(&mark, ""), TN_OK); /* frees what it held */
    assert_int_equal(mark.region_count, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_case_is_read),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(json_that_breaks_off_fails_its_mark_alone),
        cmocka_unit_test(json_of_another_shape_is_invalid),
        cmocka_unit_test(deep_json_is_invalid),
        cmocka_unit_test(hostile_files_are_refused),
        cmocka_unit_test(a_document_type_in_another_encoding_is_refused),
        cmocka_unit_test(huge_and_deep_files_are_refused),
        cmocka_unit_test(the_file_name_names_the_case),
        cmocka_unit_test(two_marks_on_an_image_are_joined),
        cmocka_unit_test(boxes_are_clamped_and_sorted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
