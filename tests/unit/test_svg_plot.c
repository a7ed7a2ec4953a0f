/* Plots are well-formed and put points where their axes say; impossible axes are refused. */
#include "src/eval/svg_plot.h"

#include "src/eval/axis.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <libxml/parser.h>

static char *drawn;
static FILE *start(void) {
    static size_t size;
    free(drawn);
    drawn = NULL;
    FILE *to = open_memstream(&drawn, &size);
    assert_non_null(to);
    return to;
}

static void is_well_formed(void) {
    xmlDocPtr document = xmlReadMemory(drawn, (int)strlen(drawn), "svg", "UTF-8",
                                       XML_PARSE_NONET | XML_PARSE_NOERROR);
    if (!document) fail_msg("no XML: %s", drawn);
    assert_string_equal((const char *)xmlDocGetRootElement(document)->name, "svg");
    xmlFreeDoc(document);
}

static int times(const char *what) {
    int n = 0;
    for (const char *at = drawn; (at = strstr(at, what)); at++) n++;
    return n;
}

static void points_are_where_the_axes_say(void **state) {
    (void)state;
    /* The plot area is 100 x 50 from (46, 26): x 0..10, y 0..1. */
    const double x[] = {0, 5, NAN, 10, 20}, y[] = {0, 0.5, 0.5, INFINITY, 1};
    const tn_svg_series s = {.name = "a & b", .kind = TN_SVG_DOTS, .n = 5, .x = x, .y = y};
    const tn_svg_plot p = {"T", "x <", NULL, 0, 10, 0, 1, 100, 50, true, &s, 1};
    FILE *to = start();
    assert_int_equal(tn_svg_plot_write(&p, to), TN_OK);
    fclose(to);
    is_well_formed();
    assert_int_equal(times("<circle"), 3); /* NaN and infinity are gaps */
    assert_int_equal(times("cx=\"46.0\" cy=\"76.0\""), 1);
    assert_int_equal(times("cx=\"96.0\" cy=\"51.0\""), 1);
    assert_int_equal(times("cx=\"146.0\" cy=\"26.0\""), 1); /* beyond: at the edge */
    assert_int_equal(times("a &#38; b"), 1);
    assert_int_equal(times("nan"), 0);
}

static void gaps_break_lines(void **state) {
    (void)state;
    const double x[] = {0, 1, 2, 3, 4}, y[] = {1, 1, NAN, 1, 1}, none[] = {NAN, NAN, NAN, NAN, NAN};
    const tn_svg_series s[] = {{.name = "l", .n = 5, .x = x, .y = y},
                               {.kind = TN_SVG_DASHED, .n = 5, .x = x, .y = none},
                               {.kind = TN_SVG_BARS, .n = 5, .x = x, .y = y, .bar = 1},
                               {.name = "nothing", .n = 0}};
    const tn_svg_plot p = {
        .x_high = 4, .y_high = 2, .width = 40, .height = 40, .series = s, .n_series = 4};
    FILE *to = start();
    assert_int_equal(tn_svg_plot_write(&p, to), TN_OK);
    fclose(to);
    is_well_formed();
    assert_int_equal(times("M46.0 46.0L56.0 46.0M76.0 46.0L86.0 46.0"), 1);
    assert_int_equal(times("fill-opacity"), 4);
    assert_int_equal(times("stroke-width=\"1.5\""), 1); /* all gaps: no path at all */
    assert_int_equal(times("stroke-width=\"3\""), 2);   /* the legend names two */
}

static void impossible_plots_are_refused(void **state) {
    (void)state;
    const tn_svg_plot good = {.title = "P", .x_high = 1, .y_high = 1, .width = 40, .height = 40};
    FILE *to = start();
    assert_int_equal(tn_svg_plot_write(&good, to), TN_OK);
    tn_svg_plot p = good;
    p.x_high = 0;
    assert_int_equal(tn_svg_plot_write(&p, to), TN_FAIL);
    assert_non_null(strstr(tn_error(), "P: the x axis goes from 0 to 0"));
    p = good;
    p.y_high = NAN;
    assert_int_equal(tn_svg_plot_write(&p, to), TN_FAIL);
    assert_non_null(strstr(tn_error(), "the y axis"));
    p = good;
    p.x_low = -INFINITY;
    assert_int_equal(tn_svg_plot_write(&p, to), TN_FAIL);
    p = good;
    p.height = 39;
    assert_int_equal(tn_svg_plot_write(&p, to), TN_FAIL);
    assert_non_null(strstr(tn_error(), "40 x 39 pixels"));
    const size_t count[4] = {0};
    const char *const name[] = {"a", "b"};
    assert_int_equal(tn_svg_confusion_write("M", name, 0, count, to), TN_FAIL);
    assert_int_equal(tn_svg_confusion_write("M", name, TN_SVG_MOST_CLASSES + 1, count, to),
                     TN_FAIL);
    assert_int_equal(tn_svg_flow_write(NULL, 0, to), TN_FAIL);
    fclose(to);
}

static void tables_show_their_counts(void **state) {
    (void)state;
    const size_t count[4] = {3, 1, 0, 0};
    const char *const name[] = {"benign", "<malignant>"};
    FILE *to = start();
    assert_int_equal(tn_svg_confusion_write("M & N", name, 2, count, to), TN_OK);
    fclose(to);
    is_well_formed();
    assert_int_equal(times(">3<"), 1);
    assert_int_equal(times("75.0 %"), 1);
    assert_int_equal(times("25.0 %"), 1);
    assert_int_equal(times(">-<"), 2); /* shares of an empty row are undefined */
    assert_int_equal(times("&#60;malignant&#62;"), 2);
    const char *const lines[] = {"12 cases", "of <them> 3"};
    const tn_svg_box box[] = {{lines, 2}, {lines, 1}, {lines, 0}};
    to = start();
    assert_int_equal(tn_svg_flow_write(box, 3, to), TN_OK);
    fclose(to);
    is_well_formed();
    assert_int_equal(times("<rect"), 3);
    assert_int_equal(times("&#60;them&#62;"), 1);
}

static void axes_are_round(void **state) {
    (void)state;
    assert_true(fabs(tn_axis_round_up(0.13) - 0.2) < 1e-12);
    assert_true(fabs(tn_axis_round_up(2) - 2) < 1e-12);
    assert_true(fabs(tn_axis_round_up(51) - 100) < 1e-9);
    double wild[] = {NAN, 1, 1, 1950, INFINITY, 1};
    assert_true(fabs(tn_axis_top(wild, 6) - 4) < 1e-9); /* four times the median */
    double zero[] = {0, 0};
    assert_true(tn_axis_top(zero, 2) > 0);
    assert_true(tn_axis_top(NULL, 0) >= 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(points_are_where_the_axes_say),
        cmocka_unit_test(gaps_break_lines),
        cmocka_unit_test(impossible_plots_are_refused),
        cmocka_unit_test(tables_show_their_counts),
        cmocka_unit_test(axes_are_round),
    };
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    free(drawn);
    return failed;
}
