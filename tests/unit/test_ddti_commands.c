/* The commands end to end in a folder of their own: sample made, converted, listed. */
#include "src/commands/commands.h"
#include "src/data/datafile.h"
#include "src/data/ddti/convert.h"
#include "src/data/ddti/synth.h"
#include "src/data/files.h"
#include "src/data/sector.h"
#include "src/data/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/tn_ddti_XXXXXX";
static int home;

static int run(int (*command)(int, char **), const char *line) {
    static char text[1024];
    char *argv[40];
    int argc = 0;
    snprintf(text, sizeof text, "%s", line);
    for (char *word = strtok(text, " "); word; word = strtok(NULL, " ")) argv[argc++] = word;
    return command(argc, argv);
}

static int lines_of(const char *path, char ***lines) {
    uint8_t *bytes;
    size_t size;
    int count = 0;
    if (tn_read_file(path, 1 << 24, &bytes, &size) != TN_OK) fail_msg("%s", tn_error());
    *lines = calloc(size + 1, sizeof **lines);
    char *cursor = (char *)bytes;
    for (char *line; (line = tn_next_line(&cursor)) != NULL;) (*lines)[count++] = strdup(line);
    free(bytes);
    return count;
}

static void free_lines(char **lines, int count) {
    for (int i = 0; i < count; i++) free(lines[i]);
    free(lines);
}

static int count_lines(const char *path) {
    char **lines;
    int count = lines_of(path, &lines);
    free_lines(lines, count);
    return count;
}

static int enter(void **state) {
    (void)state;
    home = chdir(mkdtemp(folder) ? folder : "/nonexistent");
    return home || run(tn_cmd_ddti, "ddti synth sample -cases 60 -seed 3");
}

static int leave(void **state) {
    (void)state;
    char *command = tn_text("rm -rf '%s'", folder);
    int status = chdir("/") || !command || system(command);
    free(command);
    return status;
}

static void the_sample_has_every_oddity(void **state) {
    (void)state;
    tn_ddti_collection c;
    tn_ddti_counts n;
    tn_ddti_label_map map;
    assert_int_equal(tn_ddti_label_map_parse("2,3", "4a,4b,4c,5", &map), TN_OK);
    assert_int_equal(tn_ddti_collection_open("sample", &c), TN_OK);
    tn_ddti_count(&c, &map, &n);
    assert_int_equal(n.cases, 60);
    assert_true(n.missing_cases > 0 && n.cases_with_images[2] > 0);
    assert_true(n.grade_cases[0] > 0 && n.svg_invalid > 0 && n.svg_empty > 0);
    assert_true(n.arrows > 0 && n.clamped > 0 && n.two_disjoint > 0 && n.coloured > 0);
    assert_int_equal(n.twin_sets_across, 1);
    assert_int_equal(n.twin_sets_within, 1);
    assert_int_equal(n.empty_fields[TN_DDTI_REPORTBACAF], 60);
    assert_true(n.empty_fields[TN_DDTI_AGE] > 0);
    assert_int_equal(n.unread + n.damaged_images + n.missing_images + n.other_size, 0);
    assert_true(n.label_usable[0] >= 15 && n.label_usable[1] >= 15);
    tn_ddti_collection_close(&c);
}

static void a_seed_names_a_sample(void **state) {
    (void)state;
    assert_int_equal(run(tn_cmd_ddti, "ddti synth again -cases 60 -seed 3"), 0);
    assert_int_equal(system("diff -r sample again"), 0);
    assert_int_equal(run(tn_cmd_ddti, "ddti synth other -cases 60 -seed 4"), 0);
    assert_int_not_equal(system("cmp -s sample/1.xml other/1.xml"), 0);
    assert_int_equal(run(tn_cmd_ddti, "ddti synth sample -cases 60"), 1); /* nothing overwritten */
}

static void lists_name_images_with_one_label(void **state) {
    (void)state;
    assert_int_equal(run(tn_cmd_ddti, "ddti convert sample -out data/d"), 0);
    const char *const lists[] = {"data/d/train.list", "data/d/valid.list"};
    for (int l = 0; l < 2; l++) {
        char **lines;
        int count = lines_of(lists[l], &lines);
        assert_true(count > 5);
        for (int i = 0; i < count; i++) {
            tn_image image;
            assert_int_equal(access(lines[i], R_OK), 0);
            assert_int_equal(!!strstr(lines[i], "benign") + !!strstr(lines[i], "malignant"), 1);
            assert_int_equal(tn_image_load(lines[i], 3, &image), TN_OK);
            assert_int_equal(image.w, image.h);
            tn_image_free(&image);
        }
        free_lines(lines, count);
    }
    assert_int_equal(count_lines("data/d/labels.list"), 2);
    assert_int_equal(count_lines("data/d/ddti.names"), 2);
    tn_data_config config;
    if (tn_data_config_load("data/d/ddti.data", &config) != TN_OK) fail_msg("%s", tn_error());
    assert_string_equal(config.positive, "malignant");
    assert_int_equal(config.preprocess.crop, TN_CROP_NODULE);
    assert_true(config.preprocess.crop_margin == 0.25);
    tn_data_config_free(&config);
    assert_int_equal(system("test -z \"$(find data -name '*.part*')\""), 0);
}

static void folds_cover_every_sample_once(void **state) {
    (void)state;
    assert_int_equal(run(tn_cmd_ddti, "ddti convert sample -out data/f -folds 5 -fold 2"), 0);
    assert_int_equal(system("cat data/f/fold?/valid.list | sort > all && sort -u all | cmp -s all -"
                            " && cmp -s data/f/valid.list data/f/fold2/valid.list"
                            " && cat data/f/train.list data/f/valid.list | sort | cmp -s all -"),
                     0);
}

static void paper_counts_are_written(void **state) {
    (void)state;
    assert_int_equal(
        run(tn_cmd_ddti, "ddti convert sample -out data/p -paper split-first -size 32"), 0);
    assert_int_equal(count_lines("data/p/train.list"), 624 + 622);
    assert_int_equal(count_lines("data/p/valid.list"), 286 + 292);
    assert_int_equal(system("grep -q /benign/ data/p/valid.list && test $(grep -c /benign/ "
                            "data/p/valid.list) = 286"),
                     0);
}

static void crops_and_filters_differ(void **state) {
    (void)state;
    static const char *const ways[] = {"-crop frame", "-crop none -denoise median",
                                       "-per image -margin 0.5", "-size 64"};
    for (int i = 0; i < 4; i++) {
        char line[128];
        snprintf(line, sizeof line, "ddti convert sample -out data/w%d %s", i, ways[i]);
        assert_int_equal(run(tn_cmd_ddti, line), 0);
    }
    assert_int_equal(system("grep -q '^crop=none' data/w1/ddti.data && "
                            "grep -q '^denoise=median' data/w1/ddti.data"),
                     0);
}

static void what_would_leak_or_lose_is_refused(void **state) {
    (void)state;
    static const char *const bad[] = {"ddti convert sample -out sample",
                                      "ddti convert sample -out ./sample",
                                      "ddti convert sample -out benign_data",
                                      "ddti convert sample -out data/x -crop squash",
                                      "ddti convert nowhere -out data/x",
                                      "ddti convert sample -out data/x -benign 2,9",
                                      "ddti convert sample -out data/x -folds 5 -paper split-first",
                                      "ddti convert",
                                      "ddti convrt",
                                      "ddti"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (run(tn_cmd_ddti, bad[i]) != 1) fail_msg("accepted: %s", bad[i]);
    assert_int_equal(access("data/x", F_OK), -1);
}

static void damaged_files_are_named_and_left_out(void **state) {
    (void)state;
    assert_int_equal(system("cp -r sample broken && truncate -s 3000 broken/1_1.jpg && "
                            "printf '<case>' > broken/2.xml && mkfifo broken/900.xml && "
                            "printf x > broken/notes.txt"),
                     0);
    assert_int_equal(run(tn_cmd_ddti, "ddti convert broken -out data/b"), 0);
    assert_int_equal(system("grep -q '1_1.jpg,1,.*cannot be read' data/b/manifest.csv && "
                            "! grep -q '/2_1' data/b/train.list data/b/valid.list"),
                     0);
}

static void the_sector_leaves_the_text_out(void **state) {
    (void)state;
    tn_ddti_nodule nodule = {.x = 280, .y = 170, .rx = 40, .ry = 40, .echo = 0.5};
    tn_image frame;
    assert_int_equal(tn_ddti_draw_frame(&nodule, 1, 1, "TIRADS 5", 0, 0, 0, &frame), TN_OK);
    tn_sector box = tn_find_sector(&frame);
    assert_in_range(box.x, 40, 60);
    assert_in_range(box.x + box.w, 500, 520);
    assert_in_range(box.y + box.h, 300, 320);
    /* A crop whose context would reach the text shows none of it: paint it and look for it. */
    tn_image crop;
    for (int y = 325; y < 345; y++) memset(frame.data + (size_t)y * 560 * 3 + 40 * 3, 255, 200 * 3);
    assert_int_equal(tn_crop_nodule(&frame, 150, 100, 200, 200, 0.25, &crop), TN_OK);
    assert_int_equal(crop.w, 300);
    for (int y = 0; y < crop.h; y++) {
        int white = 0;
        for (int x = 0; x < crop.w; x++)
            white += crop.data[((size_t)y * (size_t)crop.w + (size_t)x) * 3] == 255;
        assert_in_range(white, 0, crop.w / 2);
    }
    tn_image_free(&crop);
    memset(frame.data, 0, (size_t)frame.h * (size_t)frame.w * 3);
    box = tn_find_sector(&frame);
    assert_int_equal(box.w, 560);
    assert_int_equal(box.h, 360);
    tn_image_free(&frame);
}

static void class_folders_are_listed_by_group(void **state) {
    (void)state;
    assert_int_equal(
        system("mkdir -p set/normal set/abnormal && i=0; for f in sample/*.jpg; do i=$((i+1)); "
               "c=normal; [ $((i % 3)) = 0 ] && c=abnormal; "
               "cp $f set/$c/p$((i / 4))_$i.jpg; done; printf x > set/readme.txt"),
        0);
    assert_int_equal(run(tn_cmd_list, "list set/ -group ^p([0-9]+)_ -out lists/set -folds 3 "
                                      "-positive abnormal"),
                     0);
    /* "normal" occurs in "abnormal": the labels are anchored, and patients are not divided. */
    assert_int_equal(system("grep -qx /normal/ lists/set/labels.list && "
                            "grep -qx normal lists/set/set.names && "
                            "for k in 0 1 2; do for s in train valid; do sed 's/.*\\/p//; s/_.*//' "
                            "lists/set/fold$k/$s.list | sort -u > $s; done; "
                            "[ -z \"$(comm -12 train valid)\" ] || exit 1; done"),
                     0);
    assert_int_equal(run(tn_cmd_list, "list set -group ^x([0-9]+)_ -out lists/y"), 1);
    assert_int_equal(run(tn_cmd_list, "list set -group ^p([0-9]+_ -out lists/y"), 1);
    assert_int_equal(run(tn_cmd_list, "list sample -out lists/y"), 1);
    assert_int_equal(run(tn_cmd_list, "list set -out lists/y -positive ill"), 1);
    assert_int_equal(system("mkdir -p set/normal/abnormal && cp sample/1_1.jpg "
                            "set/normal/abnormal/p0_x.jpg"),
                     0);
    assert_int_equal(run(tn_cmd_list, "list set -group p([0-9]+)_ -out lists/y"), 1);
    assert_int_equal(access("lists/y", F_OK), -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_sample_has_every_oddity),
        cmocka_unit_test(a_seed_names_a_sample),
        cmocka_unit_test(lists_name_images_with_one_label),
        cmocka_unit_test(folds_cover_every_sample_once),
        cmocka_unit_test(paper_counts_are_written),
        cmocka_unit_test(crops_and_filters_differ),
        cmocka_unit_test(what_would_leak_or_lose_is_refused),
        cmocka_unit_test(damaged_files_are_named_and_left_out),
        cmocka_unit_test(the_sector_leaves_the_text_out),
        cmocka_unit_test(class_folders_are_listed_by_group),
    };
    return cmocka_run_group_tests(tests, enter, leave);
}
