#include "src/eval/heat_net.h"

#include "layers/ops/convolution.h"
#include "layers/ops/loss.h"
#include "src/net/run.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OCCLUSION_BATCH = 16, OCCLUSION_PARTS = 7, CELLS_A_WINDOW = 2 };

struct tn_heat_net {
    const tn_net *net;
    tn_heat_options options;
    int score, layer; /* tensors; layer is -1 for occlusion */
    int window;
    char name[96];
    tn_run *run; /* one image with gradients, or OCCLUSION_BATCH of them without */
};

/* ---- which tensors ---- */

/* What the last softmax is given. */
static int score_tensor(const tn_plan *plan) {
    int tensor = plan->output;
    while (plan->tensor[tensor].writer >= 0) {
        const tn_op *op = &plan->op[plan->tensor[tensor].writer];
        if (!tn_op_has_loss(op)) break;
        tensor = op->in[0];
    }
    return tensor;
}

/* live[tensor]: the score depends on it. */
static bool *live_tensors(const tn_plan *plan, int score) {
    bool *live = calloc((size_t)plan->n_tensors, sizeof *live);
    if (!live) return NULL;
    live[score] = true;
    for (int i = plan->n_ops - 1; i >= 0; i--) {
        const tn_op *op = &plan->op[i];
        for (int j = 0; j < op->n_in && live[op->out]; j++) live[op->in[j]] = true;
    }
    return live;
}

static bool has_places(const tn_plan *plan, int tensor) {
    return plan->tensor[tensor].shape.h * plan->tensor[tensor].shape.w > 1;
}

static bool convolves(const tn_plan *plan, const tn_plan_layer *layer) {
    for (int i = 0; i < layer->n_ops; i++)
        if (plan->op[layer->first_op + i].kind == &tn_op_convolution) return true;
    return false;
}

/* Layers that carry a map on as it is, or join it with others. */
static bool takes_up(const tn_plan *plan, const tn_plan_layer *layer, int tensor) {
    static const char *const joins[] = {"route", "shortcut", "batchnorm", "activation",
                                        "scale_channels"};
    const tn_shape from = plan->tensor[tensor].shape, to = plan->tensor[layer->out].shape;
    bool known = false, reads = false;
    for (size_t i = 0; i < sizeof joins / sizeof *joins; i++)
        known |= strcmp(layer->type->name, joins[i]) == 0;
    for (int i = 0; i < layer->n_ops; i++) {
        const tn_op *op = &plan->op[layer->first_op + i];
        for (int j = 0; j < op->n_in; j++) reads |= op->in[j] == tensor;
    }
    return known && reads && from.h == to.h && from.w == to.w;
}

static tn_status last_convolution(const tn_plan *plan, const bool *live, int *tensor) {
    int at = -1;
    for (int i = 0; i < plan->n_layers; i++) {
        const tn_plan_layer *layer = &plan->layer[i];
        if (live[layer->out] && has_places(plan, layer->out) && convolves(plan, layer)) at = i;
    }
    if (at < 0) return tn_fail("the net has no convolution with a map of more than one pixel");
    *tensor = plan->layer[at].out;
    for (int i = at + 1; i < plan->n_layers; i++)
        if (live[plan->layer[i].out] && takes_up(plan, &plan->layer[i], *tensor))
            *tensor = plan->layer[i].out;
    return TN_OK;
}

/* The parts of a layer by name, for a message. */
static void list_parts(const tn_plan *plan, const tn_plan_layer *layer, char *text, size_t room) {
    size_t at = 0;
    *text = 0;
    for (int i = 0; i < layer->n_ops && at < room; i++) {
        const tn_op *op = &plan->op[layer->first_op + i];
        const bool again = i > 0 && strcmp(op->name, op[-1].name) == 0;
        if (!again) at += (size_t)snprintf(text + at, room - at, "%s%s", at ? ", " : "", op->name);
    }
}

static tn_status named_layer(const tn_plan *plan, const char *text, int *tensor) {
    char *end, parts[256];
    const long number = strtol(text, &end, 10);
    if (end == text || (*end && *end != '.') || number < 0 || number >= plan->n_layers)
        return tn_fail("-layer %s: expected a layer from 0 to %d (summary counts them), or a part "
                       "of one as 16.conv2",
                       text, plan->n_layers - 1);
    const tn_plan_layer *layer = &plan->layer[number];
    *tensor = *end ? -1 : layer->out;
    for (int i = 0; i < layer->n_ops; i++) {
        const tn_op *op = &plan->op[layer->first_op + i];
        const char *part = strchr(op->name, '.');
        if (*end && part && strcmp(part, end) == 0) *tensor = op->out;
    }
    if (*tensor >= 0) return TN_OK;
    list_parts(plan, layer, parts, sizeof parts);
    return tn_fail("-layer %s: layer %ld [%s] has no such part; it has %s", text, number,
                   layer->type->name, parts);
}

tn_status tn_heat_find_layer(const tn_net *net, const char *text, int *tensor) {
    const tn_plan *plan = &net->plan;
    bool *live = live_tensors(plan, score_tensor(plan));
    if (!live) return tn_fail("out of memory");
    tn_status status =
        text ? named_layer(plan, text, tensor) : last_convolution(plan, live, tensor);
    if (status == TN_OK && !has_places(plan, *tensor))
        status = tn_fail("-layer %s: a map of one pixel has no places to tell apart", text);
    if (status == TN_OK && (!live[*tensor] || *tensor == plan->input))
        status = tn_fail("-layer %s: the prediction does not depend on it", text);
    free(live);
    return status;
}

static void name_layer(tn_heat_net *h) {
    const tn_plan *plan = &h->net->plan;
    if (h->layer < 0) {
        snprintf(h->name, sizeof h->name, "the input");
        return;
    }
    const tn_plan_tensor *t = &plan->tensor[h->layer];
    const tn_plan_layer *layer = &plan->layer[t->layer];
    if (layer->out == h->layer)
        snprintf(h->name, sizeof h->name, "%d [%s]", t->layer, layer->type->name);
    else
        snprintf(h->name, sizeof h->name, "%s", plan->op[t->writer].name);
}

/* ---- opening ---- */

static tn_status open_replica(tn_heat_net *h) {
    const tn_net *net = h->net;
    tn_run_options options = {.mode = TN_INFER,
                              .batch = OCCLUSION_BATCH,
                              .threads = h->options.threads,
                              .kernels = h->options.kernels,
                              .output = h->score};
    if (h->layer >= 0) {
        options.mode = TN_GRAD_FIXED_STATS;
        options.batch = 1;
        options.keep = &h->layer;
        options.n_keep = 1;
    }
    return tn_run_create(&net->plan, net->param, &options, &h->run);
}

tn_status tn_heat_net_open(const tn_net *net, const tn_heat_options *options, tn_heat_net **out) {
    *out = NULL;
    tn_heat_net *h = calloc(1, sizeof *h);
    if (!h) return tn_fail("out of memory");
    h->net = net;
    h->options = *options;
    h->layer = -1;
    h->score = score_tensor(&net->plan);
    const tn_shape in = net->plan.tensor[net->plan.input].shape;
    const int shorter = in.h < in.w ? in.h : in.w;
    h->window =
        options->window ? options->window : (shorter + OCCLUSION_PARTS - 1) / OCCLUSION_PARTS;
    tn_status status = TN_OK;
    if (options->method != TN_HEAT_OCCLUSION)
        status = tn_heat_find_layer(net, options->layer, &h->layer);
    else if (options->layer)
        status = tn_fail("occlusion covers the input: it looks at no -layer");
    else if (h->window < CELLS_A_WINDOW || h->window > shorter)
        status = tn_fail("a window of %d pixels for an input of %d x %d: expected %d to %d",
                         h->window, in.w, in.h, CELLS_A_WINDOW, shorter);
    name_layer(h);
    if (status == TN_OK) status = open_replica(h);
    if (status == TN_OK)
        *out = h;
    else
        tn_heat_net_close(h);
    return status;
}

void tn_heat_net_close(tn_heat_net *h) {
    if (!h) return;
    tn_run_free(h->run);
    free(h);
}

const char *tn_heat_net_layer(const tn_heat_net *h) {
    return h->name;
}

/* ---- maps ---- */

/* Place of output `index`, counted in CHW order, in sample 0. */
static size_t output_place(const tn_tensor *t, int index) {
    const size_t pixels = (size_t)t->h * (size_t)t->w;
    return (size_t)index % pixels * (size_t)t->pitch + (size_t)index / pixels;
}

static tn_status map_gradient(tn_heat_net *h, const float *x, int class_index, tn_heat *out) {
    tn_tensor in = tn_run_input(h->run), seed = tn_run_gradient(h->run, h->score);
    const tn_step step = {.n_valid = 1, .grad_scale = 1};
    for (size_t i = 0; i < tn_elements(&in); i++) tn_data(&in)[i] = (tn_real)x[i];
    TN_TRY(tn_run_forward(h->run, &step));
    memset(seed.data, 0, tn_pixels(&seed) * (size_t)seed.pitch * sizeof(tn_real));
    tn_data(&seed)[output_place(&seed, class_index)] = 1;
    TN_TRY(tn_run_backward(h->run));
    const tn_tensor a = tn_run_value(h->run, h->layer), g = tn_run_gradient(h->run, h->layer);
    return tn_heat_from_gradient(h->options.method, &a, &g, 0, out);
}

/* Log odds of a class against all others: unlike its probability it is nowhere flat, and unlike a
 * logit it does not move when all logits do. */
static double log_odds(const tn_tensor *t, int sample, int class_index) {
    const int n = t->h * t->w * t->c;
    const tn_real *z = tn_data(t) + (size_t)sample * (size_t)t->h * (size_t)t->w * (size_t)t->pitch;
    const double own = (double)z[output_place(t, class_index)];
    double most = -INFINITY, sum = 0;
    for (int i = 0; i < n; i++)
        if (i != class_index) most = fmax(most, (double)z[output_place(t, i)]);
    for (int i = 0; i < n; i++)
        if (i != class_index) sum += exp((double)z[output_place(t, i)] - most);
    return n > 1 ? own - most - log(sum) : own;
}

typedef struct cover {
    const float *x;
    float fill[4];             /* mean of each channel: no edge darker or brighter than the image */
    int stride, rows, columns; /* of windows: one more cell than the map has, each way */
} cover;

/* x with window `index` covered; index -1: nothing. Windows begin one cell outside, so that every
 * cell lies in as many. */
static void put_covered(const tn_heat_net *h, const cover *c, int index, tn_real *to) {
    const tn_shape s = h->net->plan.tensor[h->net->plan.input].shape;
    for (size_t i = 0; i < tn_shape_count(s); i++) to[i] = (tn_real)c->x[i];
    if (index < 0) return;
    const int top = (index / c->columns - CELLS_A_WINDOW + 1) * c->stride;
    const int left = (index % c->columns - CELLS_A_WINDOW + 1) * c->stride;
    const int side = CELLS_A_WINDOW * c->stride;
    for (int y = top < 0 ? 0 : top; y < top + side && y < s.h; y++)
        for (int x = left < 0 ? 0 : left; x < left + side && x < s.w; x++)
            for (int k = 0; k < s.c; k++)
                to[((size_t)y * (size_t)s.w + (size_t)x) * (size_t)s.c + (size_t)k] =
                    (tn_real)c->fill[k];
}

/* score[0] of the whole image, score[1 + i] of it with window i covered. */
static tn_status score_windows(tn_heat_net *h, const cover *c, int class_index, double *score) {
    const tn_tensor in = tn_run_input(h->run);
    const size_t sample = tn_elements(&in) / (size_t)in.n;
    const int count = c->rows * c->columns + 1;
    for (int first = 0; first < count; first += in.n) {
        const int n = count - first < in.n ? count - first : in.n;
        const tn_step step = {.n_valid = n, .grad_scale = 1};
        for (int i = 0; i < in.n; i++)
            put_covered(h, c, i < n ? first + i - 1 : -1, tn_data(&in) + (size_t)i * sample);
        TN_TRY(tn_run_forward(h->run, &step));
        const tn_tensor out = tn_run_value(h->run, h->score);
        for (int i = 0; i < n; i++) {
            score[first + i] = log_odds(&out, i, class_index);
            if (!isfinite(score[first + i])) return tn_fail("occlusion: the score is not finite");
        }
    }
    return TN_OK;
}

static void mean_channels(const float *x, tn_shape s, float *mean) {
    const size_t pixels = (size_t)s.h * (size_t)s.w;
    for (int k = 0; k < s.c; k++) {
        double sum = 0;
        for (size_t p = 0; p < pixels; p++) sum += (double)x[p * (size_t)s.c + (size_t)k];
        mean[k] = (float)(sum / (double)pixels);
    }
}

/* A cell's heat is the mean fall of the score over the windows that cover it. */
static tn_status map_occlusion(tn_heat_net *h, const float *x, int class_index, tn_heat *out) {
    const tn_shape s = h->net->plan.tensor[h->net->plan.input].shape;
    cover c = {.x = x, .stride = h->window / CELLS_A_WINDOW};
    if (s.c > 4) return tn_fail("occlusion: an input of %d channels, expected at most 4", s.c);
    mean_channels(x, s, c.fill);
    const int cells_y = (s.h + c.stride - 1) / c.stride, cells_x = (s.w + c.stride - 1) / c.stride;
    c.rows = cells_y + CELLS_A_WINDOW - 1;
    c.columns = cells_x + CELLS_A_WINDOW - 1;
    double *score = calloc((size_t)c.rows * (size_t)c.columns + 1, sizeof *score);
    if (!score) return tn_fail("out of memory");
    tn_status status = score_windows(h, &c, class_index, score);
    if (status == TN_OK) status = tn_heat_create(cells_y, cells_x, out);
    for (int y = 0; y < cells_y && status == TN_OK; y++)
        for (int cell = 0; cell < cells_x; cell++) {
            double fall = 0;
            for (int i = 0; i < CELLS_A_WINDOW; i++)
                for (int j = 0; j < CELLS_A_WINDOW; j++)
                    fall += score[0] - score[1 + (y + i) * c.columns + cell + j];
            fall /= CELLS_A_WINDOW * CELLS_A_WINDOW;
            out->value[y * cells_x + cell] = (float)fmax(fall, 0);
        }
    free(score);
    return status;
}

tn_status tn_heat_net_map(tn_heat_net *h, const float *x, int class_index, tn_heat *out) {
    const tn_shape s = h->net->plan.tensor[h->score].shape;
    *out = (tn_heat){0};
    if (class_index < 0 || (size_t)class_index >= tn_shape_count(s))
        return tn_fail("class %d of %zu", class_index, tn_shape_count(s));
    return h->layer < 0 ? map_occlusion(h, x, class_index, out)
                        : map_gradient(h, x, class_index, out);
}
