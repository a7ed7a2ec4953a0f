#include "src/eval/report_parts.h"

#include <stdlib.h>
#include <string.h>

/* ---- runs into rows ---- */

static bool same(const tn_report_run *run, const char *group, const char *net) {
    return strcmp(run->group, group) == 0 && strcmp(run->net, net) == 0;
}

/* Where the row of that net in that group is; r->rows when there is none. */
static int find_row(const tn_report *r, const char *group, const char *net) {
    int i = 0;
    while (i < r->rows && !(r->row[i].runs && same(&r->run[*r->row[i].run], group, net))) i++;
    return i;
}

/* Adds the row of that net in that group unless it is there or has no run. */
static tn_status add_row(tn_report *r, const char *group, const char *net) {
    if (find_row(r, group, net) < r->rows) return TN_OK;
    tn_report_row row = {.group = group, .net = net};
    row.run = tn_arena_alloc(&r->memory, (size_t)r->runs * sizeof *row.run);
    if (!row.run) return TN_FAIL;
    for (int i = 0; i < r->runs; i++)
        if (same(&r->run[i], group, net)) row.run[row.runs++] = i;
    if (row.runs) r->row[r->rows++] = row;
    return TN_OK;
}

/* Whether no run before it is of its group. */
static bool begins_group(const tn_report *r, int run) {
    for (int i = 0; i < run; i++)
        if (strcmp(r->run[i].group, r->run[run].group) == 0) return false;
    return true;
}

static tn_status make_rows(tn_report *r, const char *const *order, int orders) {
    r->row = calloc((size_t)r->runs + 1, sizeof *r->row);
    r->group = calloc((size_t)r->runs + 1, sizeof *r->group);
    if (!r->row || !r->group) return tn_fail("report: out of memory for %d runs", r->runs);
    for (int i = 0; i < r->runs; i++)
        if (begins_group(r, i)) r->group[r->groups++] = r->run[i].group;
    for (int g = 0; g < r->groups; g++) {
        for (int i = 0; i < orders; i++) TN_TRY(add_row(r, r->group[g], order[i]));
        for (int i = 0; i < r->runs; i++)
            if (strcmp(r->run[i].group, r->group[g]) == 0)
                TN_TRY(add_row(r, r->group[g], r->run[i].net));
    }
    return TN_OK;
}

static tn_status check_order(const tn_report *r, const char *const *order, int orders) {
    for (int i = 0; i < orders; i++) {
        bool found = false;
        for (int k = 0; k < r->runs; k++) found |= strcmp(r->run[k].net, order[i]) == 0;
        if (!found) return tn_fail("-order: no run is of a net called \"%s\"", order[i]);
    }
    return TN_OK;
}

tn_status tn_report_load(tn_report *r, const char *const *folder, int folders,
                         const char *const *order, int orders) {
    if (folders < 1) return tn_fail("report: no run folder");
    r->run = calloc((size_t)folders, sizeof *r->run);
    if (!r->run) return tn_fail("report: out of memory for %d runs", folders);
    for (int i = 0; i < folders; i++) {
        r->runs++;
        TN_TRY(tn_report_read_run(r, folder[i], &r->run[i]));
    }
    TN_TRY(check_order(r, order, orders));
    return make_rows(r, order, orders);
}

void tn_report_free(tn_report *r) {
    for (int i = 0; i < r->runs; i++) {
        for (int h = 0; h < r->run[i].histories; h++) tn_history_free(&r->run[i].history[h]);
        free(r->run[i].history);
        tn_predictions_free(&r->run[i].predictions);
    }
    free(r->run);
    free(r->row);
    free(r->group);
    free(r->claim);
    tn_arena_free(&r->memory);
    *r = (tn_report){0};
}
