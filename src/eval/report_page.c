/* The page around the sections, and what the runs were made with. */
#include "src/eval/html.h"
#include "src/eval/report_parts.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

static const char style[] =
    "body{font-family:sans-serif;font-size:14px;line-height:1.4;color:#1f2933;max-width:1200px;"
    "margin:24px auto;padding:0 16px}\n"
    "h1{font-size:24px}h2{font-size:19px;margin-top:32px;border-bottom:1px solid #cbd2d9}"
    "h3{font-size:16px}h4{margin:8px 0 2px}\n"
    ".notice{border:2px solid #b5525c;padding:8px 12px;font-weight:bold}\n"
    ".missing{color:#7b341e;font-style:italic}\n"
    "table{border-collapse:collapse;margin:10px 0 18px;font-size:12px}"
    "caption{text-align:left;font-weight:bold;padding:4px 0}"
    "th,td{border:1px solid #cbd2d9;padding:3px 6px;text-align:right;vertical-align:top}"
    "th:first-child,td.left{text-align:left}td small{display:block;color:#52606d}"
    "tr.trivial{background:#fff6df}\n"
    "figure{margin:8px 0 18px}figure.picture{display:inline-block;margin:4px 8px;width:330px;"
    "vertical-align:top}figure.sample{width:170px}figure.picture img{width:100%}"
    "figcaption{font-size:12px;color:#52606d;overflow-wrap:anywhere}\n"
    "pre{font-size:11px;background:#f4f7fa;padding:8px;white-space:pre-wrap;"
    "overflow-wrap:anywhere}\n"
    "@media print{body{margin:0;max-width:none;font-size:11px}table{font-size:8px}"
    "th,td{padding:1px 2px}h2,h3,h4{break-after:avoid}"
    "figure,table,.notice{break-inside:avoid}figure.net svg{max-width:100%;height:auto;"
    "max-height:250mm}}\n";

static void put_head(const tn_report *r, FILE *to) {
    fputs("<!DOCTYPE html>\n<html xmlns=\"http://www.w3.org/1999/xhtml\" lang=\"en\">\n<head>\n"
          "<meta charset=\"utf-8\"/>\n"
          "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n<title>",
          to);
    tn_html_text(to, r->title);
    fprintf(to, "</title>\n<style>\n%s</style>\n</head>\n<body>\n<h1>", style);
    tn_html_text(to, r->title);
    fputs("</h1>\n<p class=\"notice\">", to);
    tn_html_text(to, r->notice);
    fputs("</p>\n<p>", to);
    tn_html_print(to, "%s, written by %s from %d run folder%s.", r->date, r->program, r->runs,
                  r->runs == 1 ? "" : "s");
    fputs("</p>\n", to);
}

/* ---- runs ---- */

static void put_text_row(FILE *to, const char *name, const char *text) {
    if (!text) return;
    fprintf(to, "<tr><th>%s</th><td class=\"left\">", name);
    tn_html_text(to, text);
    fputs("</td></tr>\n", to);
}

static void put_facts(const tn_report_run *run, FILE *to) {
    char text[160];
    fputs("<table>", to);
    put_text_row(to, "folder", run->path);
    put_text_row(to, "net", run->net);
    if (run->has_seed) {
        snprintf(text, sizeof text, "%" PRIu64, run->seed);
        put_text_row(to, "seed", text);
        snprintf(text, sizeof text, "%d x %d x %d", run->width, run->height, run->channels);
        put_text_row(to, "input", text);
        snprintf(text, sizeof text, "%.6g", run->epochs);
        put_text_row(to, "epochs", text);
        put_text_row(to, "scores", run->calibrated ? "calibrated" : "uncalibrated");
    } else {
        put_text_row(to, "seed", "not known: no WEIGHTS.json in the folder");
    }
    if (run->crossval) {
        snprintf(text, sizeof text, "%.0f folds, repeated %.0f time%s", run->folds, run->repeats,
                 run->repeats == 1 ? "" : "s");
        put_text_row(to, "cross-validation", text);
    }
    put_text_row(to, "weights chosen by", run->choice);
    put_text_row(to, "images", run->preprocess);
    put_text_row(to, "list", run->list);
    put_text_row(to, "weights scored", run->weights);
    put_text_row(to, "views", run->views);
    put_text_row(to, "external list", run->external_list);
    put_text_row(to, "manifest", run->manifest);
    fputs("</table>\n", to);
}

static void put_pre(FILE *to, const char *title, const char *text, const char *missing) {
    if (!text) {
        fprintf(to, "<p class=\"missing\">%s</p>\n", missing);
        return;
    }
    fprintf(to, "<p>%s</p>\n<pre>", title);
    tn_html_text(to, text);
    fputs("</pre>\n", to);
}

tn_status tn_report_put_runs(const tn_report *r, FILE *to) {
    const char *machine = NULL;
    fputs("<h2>Runs: seeds, versions, machine, commands</h2>\n", to);
    for (int i = 0; i < r->runs; i++) {
        const tn_report_run *run = &r->run[i];
        fputs("<h3>", to);
        tn_html_text(to, run->path);
        fputs("</h3>\n", to);
        put_facts(run, to);
        put_pre(to, "Command lines", run->commands,
                "No command.txt in the folder: the command lines are not known.");
        if (machine && run->machine && strcmp(machine, run->machine) == 0) {
            fputs("<p>Program and machine as above.</p>\n", to);
            continue;
        }
        put_pre(to, "Program and machine", run->machine,
                "No machine.txt in the folder: program and machine are not known.");
        if (run->machine) machine = run->machine;
    }
    return TN_OK;
}

tn_status tn_report_write(const tn_report *r, FILE *to) {
    put_head(r, to);
    TN_TRY(tn_report_put_tables(r, to));
    TN_TRY(tn_report_put_claims(r, to));
    TN_TRY(tn_report_put_curves(r, to));
    TN_TRY(tn_report_put_rankings(r, to));
    TN_TRY(tn_report_put_counts(r, to));
    TN_TRY(tn_report_put_pictures(r, to));
    TN_TRY(tn_report_put_nets(r, to));
    TN_TRY(tn_report_put_runs(r, to));
    fputs("<p class=\"notice\">", to);
    tn_html_text(to, r->notice);
    fputs("</p>\n</body>\n</html>\n", to);
    return ferror(to) ? tn_fail("the report cannot be written") : TN_OK;
}
