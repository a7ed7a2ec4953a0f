/* The architecture drawn: a column of boxes, arcs for what skips. */
#include "src/net/graph.h"
#include "src/net/summary.h"

#include <stdlib.h>
#include <string.h>

enum { BOX_X = 24, BOX_W = 520, BOX_H = 30, STEP = 42, TOP = 92, LANE = 14, MOST_LANES = 12 };

/* A box: layers [first, last] that are alike. */
typedef struct box {
    int first, last;
    tn_summary_layer layer; /* the first one's, parameters summed */
} box;

/* A connection between boxes that are no neighbours. */
typedef struct arc {
    int from, to, lane;
} arc;

typedef struct drawing {
    const tn_net *net;
    bool *live, *named; /* layers that others name */
    box *box;
    int *box_of; /* of each layer */
    int n_boxes;
    arc *arc;
    int n_arcs, lanes;
    tn_arena arena;
} drawing;

static const char *colour(const char *type) {
    static const char *const colours[][2] = {
        {"expansion_residual", "#2f6f9f"},
        {"grouped_convolutional", "#3d8f88"},
        {"convolutional", "#5b8fc7"},
        {"connected", "#8b6bb1"},
        {"maxpool", "#c98a3d"},
        {"avgpool", "#c98a3d"},
        {"local_avgpool", "#c98a3d"},
        {"softmax", "#b5525c"},
        {"cost", "#b5525c"},
    };
    for (size_t i = 0; i < sizeof colours / sizeof *colours; i++)
        if (strcmp(colours[i][0], type) == 0) return colours[i][1];
    return "#7d8590";
}

/* Texts come from tables and cfgs: nothing of them may be taken for markup. */
static void put_text(FILE *to, const char *text) {
    for (; *text; text++) {
        switch (*text) {
        case '<':
            fputs("&lt;", to);
            break;
        case '>':
            fputs("&gt;", to);
            break;
        case '&':
            fputs("&amp;", to);
            break;
        default:
            if ((unsigned char)*text >= 0x20) fputc(*text, to);
        }
    }
}

/* ---- what is drawn ---- */

static bool joins(const drawing *d, const box *b, int layer, const tn_summary_layer *s) {
    const tn_shape o = b->layer.out;
    return d->live[layer] == d->live[b->first] && !d->named[layer - 1] &&
           !tn_graph_reference_key(d->net->plan.layer[layer].section) &&
           strcmp(s->type, b->layer.type) == 0 && strcmp(s->detail, b->layer.detail) == 0 &&
           s->out.h == o.h && s->out.w == o.w && s->out.c == o.c;
}

static void make_boxes(drawing *d) {
    for (int l = 0; l < d->net->plan.n_layers; l++) {
        const tn_summary_layer s = tn_summary_layer_of(d->net, l, d->live);
        box *last = d->n_boxes ? &d->box[d->n_boxes - 1] : NULL;
        if (last && joins(d, last, l, &s)) {
            last->last = l;
            last->layer.parameters += s.parameters;
            last->layer.multiply_adds += s.multiply_adds;
        } else {
            d->box[d->n_boxes++] = (box){l, l, s};
        }
        d->box_of[l] = d->n_boxes - 1;
    }
}

/* The innermost lane that no arc overlapping this one uses. */
static int free_lane(const drawing *d, int from, int to) {
    for (int lane = 0; lane < MOST_LANES; lane++) {
        bool taken = false;
        for (int i = 0; i < d->n_arcs; i++) {
            const arc *a = &d->arc[i];
            taken |= a->lane == lane && a->from < to && from < a->to;
        }
        if (!taken) return lane;
    }
    return MOST_LANES - 1;
}

static void make_arcs(drawing *d, int most) {
    for (int l = 0; l < d->net->plan.n_layers; l++) {
        int named[TN_GRAPH_MOST];
        const int n = tn_graph_references(&d->net->plan, l, named);
        for (int i = 0; i < n && d->n_arcs < most; i++) {
            const int from = d->box_of[named[i]], to = d->box_of[l];
            if (to - from == 1) continue;
            const int lane = free_lane(d, from, to);
            d->arc[d->n_arcs++] = (arc){from, to, lane};
            if (lane >= d->lanes) d->lanes = lane + 1;
        }
    }
}

static tn_status plan_drawing(drawing *d) {
    const tn_plan *plan = &d->net->plan;
    const size_t n = (size_t)plan->n_layers;
    size_t references = 0;
    d->live = tn_arena_alloc(&d->arena, n * sizeof *d->live);
    d->named = tn_arena_alloc(&d->arena, n * sizeof *d->named);
    d->box_of = tn_arena_alloc(&d->arena, n * sizeof *d->box_of);
    if (!d->live || !d->named || !d->box_of) return TN_FAIL;
    tn_graph_live(plan, d->live);
    for (int l = 0; l < plan->n_layers; l++) {
        int named[TN_GRAPH_MOST];
        const int count = tn_graph_references(plan, l, named);
        for (int i = 0; i < count; i++) d->named[named[i]] = true;
        references += (size_t)count;
    }
    d->arc = tn_arena_alloc(&d->arena, references * sizeof *d->arc);
    d->box = tn_arena_alloc(&d->arena, n * sizeof *d->box);
    if (!d->arc || !d->box) return TN_FAIL;
    make_boxes(d);
    make_arcs(d, (int)references);
    return TN_OK;
}

/* ---- drawing ---- */

static int box_y(int i) {
    return TOP + i * STEP;
}

static void draw_box(const drawing *d, int i, FILE *to) {
    const box *b = &d->box[i];
    const tn_summary_layer *s = &b->layer;
    const int y = box_y(i), count = b->last - b->first + 1;
    fprintf(to,
            "<g><rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"5\" fill=\"%s\"%s/>"
            "<text x=\"%d\" y=\"%d\" class=\"t\">",
            BOX_X, y, BOX_W, BOX_H, colour(s->type), s->trains_only ? " fill-opacity=\".45\"" : "",
            BOX_X + 12, y + 20);
    put_text(to, s->type);
    fputs(" <tspan class=\"d\">", to);
    put_text(to, s->detail);
    fputs("</tspan>", to);
    if (count > 1) fprintf(to, " <tspan class=\"n\">&#215; %d</tspan>", count);
    fprintf(to, "</text><text x=\"%d\" y=\"%d\" class=\"s\">%d &#215; %d &#215; %d</text></g>\n",
            BOX_X + BOX_W - 12, y + 20, s->out.w, s->out.h, s->out.c);
}

/* The straight arrow into box i from the one above, unless it only reads others by name. */
static void draw_arrow(const drawing *d, int i, FILE *to) {
    const int layer = d->box[i].first;
    int named[TN_GRAPH_MOST];
    bool reads = i == 0 || tn_graph_reads_previous(&d->net->plan, layer);
    const int n = tn_graph_references(&d->net->plan, layer, named);
    for (int j = 0; j < n; j++) reads |= d->box_of[named[j]] == i - 1;
    if (!reads) return;
    fprintf(to, "<path d=\"M%d %dV%d\" class=\"a\"/><path d=\"M%d %dl-4 -6h8z\" class=\"p\"/>\n",
            BOX_X + BOX_W / 2, box_y(i) - (STEP - BOX_H), box_y(i) - 2, BOX_X + BOX_W / 2,
            box_y(i));
}

static void draw_arc(const arc *a, FILE *to) {
    const int x = BOX_X + BOX_W, out = x + (a->lane + 1) * LANE;
    const int y1 = box_y(a->from) + BOX_H - 8, y2 = box_y(a->to) + 8;
    fprintf(to,
            "<path d=\"M%d %dH%dQ%d %d %d %dV%dQ%d %d %d %dH%d\" class=\"a\"/>"
            "<path d=\"M%d %dl6 -4v8z\" class=\"p\"/>\n",
            x, y1, out - 6, out, y1, out, y1 + 6, y2 - 6, out, y2, out - 6, y2, x + 3, x, y2);
}

static void draw_title(const drawing *d, FILE *to) {
    const tn_shape in = tn_plan_shape(&d->net->plan, d->net->plan.input);
    fprintf(to, "<text x=\"%d\" y=\"30\" class=\"h\">", BOX_X);
    put_text(to, d->net->cfg.section[0].file);
    fprintf(to,
            "</text>\n<text x=\"%d\" y=\"50\" class=\"u\">%.2f M parameters, %.2f G multiply-adds "
            "an image</text>\n<text x=\"%d\" y=\"%d\" class=\"u\" text-anchor=\"middle\">input %d "
            "&#215; %d &#215; %d</text>\n",
            BOX_X, (double)tn_net_parameters(d->net) / 1e6, tn_net_multiply_adds(d->net) / 1e9,
            BOX_X + BOX_W / 2, TOP - STEP + BOX_H - 4, in.w, in.h, in.c);
}

tn_status tn_summary_svg(const tn_net *net, FILE *to) {
    drawing d = {.net = net};
    const tn_status status = plan_drawing(&d);
    if (status == TN_OK) {
        const int width = BOX_X * 2 + BOX_W + (d.lanes + 1) * LANE;
        const int height = box_y(d.n_boxes) + 8;
        fprintf(to,
                "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
                "viewBox=\"0 0 %d %d\" font-family=\"Helvetica,Arial,sans-serif\">\n"
                "<style>.t{font-size:13px;fill:#fff;font-weight:bold}.d{font-weight:normal}"
                ".n{fill:#ffe9a8}.s{font-size:12px;fill:#fff;text-anchor:end}"
                ".h{font-size:18px;fill:#1f2933}.u{font-size:12px;fill:#52606d}"
                ".a{fill:none;stroke:#52606d;stroke-width:1.4}.p{fill:#52606d}</style>\n"
                "<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n",
                width, height, width, height);
        draw_title(&d, to);
        for (int i = 0; i < d.n_boxes; i++) draw_arrow(&d, i, to);
        for (int i = 0; i < d.n_arcs; i++) draw_arc(&d.arc[i], to);
        for (int i = 0; i < d.n_boxes; i++) draw_box(&d, i, to);
        fputs("</svg>\n", to);
    }
    tn_arena_free(&d.arena);
    if (status == TN_OK && ferror(to)) return tn_fail("the drawing cannot be written");
    return status;
}
