#include "src/data/lists.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static tn_labels labels_of(const char *text, int classes) {
    tn_labels labels;
    if (tn_labels_parse(text, strlen(text), "labels.list", classes, true, &labels) != TN_OK)
        fail_msg("%s", tn_error());
    return labels;
}

static void labels_refused(const char *text, int classes, const char *expected) {
    tn_labels labels;
    if (tn_labels_parse(text, strlen(text), "labels.list", classes, true, &labels) == TN_OK)
        fail_msg("accepted: %s", text);
    if (!strstr(tn_error(), expected)) fail_msg("'%s' does not say '%s'", tn_error(), expected);
}

static void labels_are_read_strictly(void **state) {
    (void)state;
    tn_labels l = labels_of("benign\r\nmalignant\r\nand more\r\n", 2);
    assert_int_equal(l.n, 2);
    assert_string_equal(l.name[0], "benign");
    assert_int_equal(tn_labels_find(&l, "malignant"), 1);
    assert_int_equal(tn_labels_find(&l, "Malignant"), -1);
    tn_labels_free(&l);
    labels_refused("benign\n", 2, "labels.list: 1 lines for classes=2");
    labels_refused("", 1, "0 lines");
    labels_refused("benign\n\nmalignant\n", 3, "labels.list:2: blank line");
    labels_refused("benign\n  \t\n", 2, "labels.list:2: blank line");
    labels_refused("benign \nmalignant\n", 2, "labels.list:1: label 'benign ' has white space");
    labels_refused(" benign\nmalignant\n", 2, "white space");
    labels_refused("benign\r\r\nmalignant\n", 2, "white space");
    labels_refused("a\nb\na\n", 3, "labels.list:3: label 'a' is that of line 1 too");
    labels_refused("a\n", 0, "at least 1");
    assert_int_equal(tn_labels_parse("crane\ncrane\n", 12, "names", 2, false, &l), TN_OK);
    tn_labels_free(&l);
    assert_int_equal(tn_labels_load("/nowhere/labels", 2, &l), TN_FAIL);
}

static void list_refused(const char *text, const tn_labels *labels, const char *expected) {
    tn_list list;
    if (tn_list_parse(text, strlen(text), "train.list", labels, false, &list) == TN_OK)
        fail_msg("accepted: %s", text);
    if (!strstr(tn_error(), expected)) fail_msg("'%s' does not say '%s'", tn_error(), expected);
    assert_null(list.path);
}

static void a_path_has_one_label(void **state) {
    (void)state;
    tn_labels l = labels_of("benign\nmalignant\n", 2);
    const char *text = "data/benign/1_1.jpg\r\n\n/x y/2_malignant.png\nscan.jpg\tbenign\n"
                       "benign/malignant.jpg\tmalignant";
    tn_list list;
    if (tn_list_parse(text, strlen(text), "train.list", &l, false, &list) != TN_OK)
        fail_msg("%s", tn_error());
    assert_int_equal(list.n, 4);
    static const int expected[] = {0, 1, 0, 1}, lines[] = {1, 3, 4, 5};
    for (int i = 0; i < 4; i++) {
        assert_int_equal(list.label[i], expected[i]);
        assert_int_equal(list.line[i], lines[i]);
    }
    assert_string_equal(list.path[1], "/x y/2_malignant.png");
    assert_string_equal(list.path[2], "scan.jpg");
    int counts[2];
    tn_list_count(&list, 2, counts);
    assert_int_equal(counts[0], 2);
    assert_int_equal(counts[1], 2);
    tn_list_free(&list);

    list_refused("benign/1.jpg\nscan/2.jpg\n", &l, "train.list:2: 'scan/2.jpg' matches none of");
    list_refused("benign/malignant.jpg\n", &l,
                 "matches 2 labels of labels.list, 'benign' and 'mal");
    list_refused("Benign/1.jpg\n", &l, "matches none");
    list_refused("a.jpg\tcancer\n", &l, "'cancer' is not a label of labels.list");
    list_refused("a\nb\nbenign/c\nd\n", &l, "(and 2 more lines of this list)");
    list_refused("a\nb\n", &l, "(and 1 more line of this list)");
    list_refused("", &l, "no image in this list");
    list_refused("\n\r\n  \n", &l, "no image in this list");
    tn_list bad;
    assert_int_equal(tn_list_parse("benign\0x", 8, "train.list", &l, false, &bad), TN_FAIL);
    tn_labels_free(&l);
}

/* Darknet's classic traps: a label inside another one, or inside a folder's name. */
static void labels_inside_labels(void **state) {
    (void)state;
    tn_labels l = labels_of("person\nnoperson\n", 2);
    list_refused("data/noperson/1.jpg\n", &l, "one is a part of the other");
    tn_labels_free(&l);
    l = labels_of("1\n10\n2\n", 3);
    list_refused("mnist/x_10.png\n", &l, "one is a part of the other");
    tn_labels_free(&l);
    l = labels_of("rain\nsnow\n", 2);
    list_refused("data/train/snow_1.jpg\n", &l, "'rain' and 'snow'");
    tn_labels_free(&l);
    /* The same label twice in a path is one label; overlapping starts are found too. */
    l = labels_of("aab\nccd\n", 2);
    tn_list list;
    assert_int_equal(tn_list_parse("aab/aaab.jpg", 12, "train.list", &l, false, &list), TN_OK);
    assert_int_equal(list.label[0], 0);
    tn_list_free(&list);
    tn_labels_free(&l);
}

static void many_classes_match_the_slow_rule(void **state) {
    (void)state;
    char text[20000];
    size_t n = 0;
    for (int i = 0; i < 1000; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "n%07d\n", i * 37);
    tn_labels l = labels_of(text, 1000);
    for (int i = 0; i < 1000; i += 7) {
        char line[64];
        snprintf(line, sizeof line, "imagenet/train/n%07d/n%07d_12.JPEG", i * 37, i * 37);
        tn_list list;
        assert_int_equal(tn_list_parse(line, strlen(line), "t", &l, false, &list), TN_OK);
        assert_int_equal(list.label[0], i);
        tn_list_free(&list);
    }
    tn_labels_free(&l);
}

static void write_text(const char *path, const char *text) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static void images_must_be_there(void **state) {
    (void)state;
    char folder[] = "/tmp/tn_lists_XXXXXX", list_name[64], image[64], text[512];
    assert_non_null(mkdtemp(folder));
    snprintf(image, sizeof image, "%s/a benign.jpg", folder);
    snprintf(list_name, sizeof list_name, "%s/list", folder);
    write_text(image, "x");
    tn_labels l = labels_of("benign\nmalignant\n", 2);
    tn_list list;
    write_text(list_name, "a benign.jpg\n"); /* beside the list */
    if (tn_list_load(list_name, &l, &list) != TN_OK) fail_msg("%s", tn_error());
    assert_string_equal(list.path[0], image);
    tn_list_free(&list);
    snprintf(text, sizeof text, "%s\n%s/b benign.jpg\n", image, folder);
    write_text(list_name, text);
    assert_int_equal(tn_list_load(list_name, &l, &list), TN_FAIL);
    assert_non_null(strstr(tn_error(), "list:2: "));
    assert_non_null(strstr(tn_error(), "b benign.jpg: cannot be opened"));
    snprintf(text, sizeof text, "%s \n", image);
    write_text(list_name, text);
    assert_int_equal(tn_list_load(list_name, &l, &list), TN_FAIL);
    assert_non_null(strstr(tn_error(), "white space at an end"));
    snprintf(text, sizeof text, "%s\n", folder);
    write_text(list_name, text);
    assert_int_equal(tn_list_load(list_name, NULL, &list), TN_FAIL);
    assert_non_null(strstr(tn_error(), "not a file"));
    snprintf(text, sizeof text, "%s\n", image);
    write_text(list_name, text);
    assert_int_equal(tn_list_load(list_name, NULL, &list), TN_OK);
    assert_int_equal(list.label[0], -1);
    tn_list_free(&list);
    assert_int_equal(tn_list_load("/nowhere/list", &l, &list), TN_FAIL);
    tn_labels_free(&l);
    unlink(image);
    unlink(list_name);
    rmdir(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(labels_are_read_strictly),
        cmocka_unit_test(a_path_has_one_label),
        cmocka_unit_test(labels_inside_labels),
        cmocka_unit_test(many_classes_match_the_slow_rule),
        cmocka_unit_test(images_must_be_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
