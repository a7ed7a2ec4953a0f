/* The nets drawn from their cfgs. */
#include "src/eval/html.h"
#include "src/eval/report_parts.h"
#include "src/net/summary.h"

#include <string.h>

static void ignore(void *user, const char *text) {
    (void)user;
    (void)text;
}
static const tn_warner silent = {ignore, NULL};

/* In the size that was trained. */
static tn_status draw(const tn_report_run *run, FILE *to) {
    char text[3][32];
    const char *overrides[3] = {text[0], text[1], text[2]};
    snprintf(text[0], sizeof text[0], "width=%d", run->width);
    snprintf(text[1], sizeof text[1], "height=%d", run->height);
    snprintf(text[2], sizeof text[2], "channels=%d", run->channels);
    tn_net *net;
    TN_TRY(tn_net_load(run->cfg, overrides, run->width ? 3 : 0, &silent, &net));
    const tn_status status = tn_summary_svg(net, to);
    tn_net_free(net);
    return status;
}

/* The run that stands for a net: the first with a cfg; NULL: none has one, or it was drawn. */
static const tn_report_run *first_of(const tn_report *r, int row) {
    const char *net = r->row[row].net;
    for (int i = 0; i < row; i++)
        if (strcmp(r->row[i].net, net) == 0) return NULL;
    for (int i = 0; i < r->runs; i++)
        if (strcmp(r->run[i].net, net) == 0 && r->run[i].cfg) return &r->run[i];
    return NULL;
}

static bool has_cfg(const tn_report *r, const char *net) {
    for (int i = 0; i < r->runs; i++)
        if (strcmp(r->run[i].net, net) == 0 && r->run[i].cfg) return true;
    return false;
}

tn_status tn_report_put_nets(const tn_report *r, FILE *to) {
    fputs("<h2>Architectures</h2>\n<p>Drawn from the cfgs in the run folders; shapes are width "
          "&#215; height &#215; channels.</p>\n",
          to);
    for (int i = 0; i < r->rows; i++) {
        const tn_report_run *run = first_of(r, i);
        if (!run && !has_cfg(r, r->row[i].net)) {
            fputs("<p class=\"missing\">", to);
            tn_html_text(to, r->row[i].net);
            fputs(": no .cfg file in a run folder, so no drawing.</p>\n", to);
        }
        if (!run) continue;
        fputs("<figure class=\"net\">", to);
        TN_TRY(draw(run, to));
        fputs("</figure>\n", to);
    }
    return TN_OK;
}
