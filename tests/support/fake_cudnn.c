#include "tests/support/fake_libraries.h"

#include <stdlib.h>
#include <string.h>

enum { BAD_PARAM = 2000, NOT_SUPPORTED = 3000, ALLOC_FAILED = 1003 };
enum { USED = 1, WORKSPACE = 1000 }; /* the algorithm that works, and bytes that it wants */

static int made;

typedef struct tensor {
    int type, n, c, h, w, step[4]; /* of n, c, h, w */
} tensor;
typedef struct filter {
    int type, format, k, c, h, w;
} filter;
typedef struct convolution {
    int pad_y, pad_x, stride_y, stride_x, dilation_y, dilation_x, groups, math;
} convolution;

static const char *error_string(int status) {
    return status == BAD_PARAM ? "CUDNN_STATUS_BAD_PARAM" : "CUDNN_STATUS_OTHER";
}

static size_t version(void) {
    return 91900;
}

static int create(void **handle) {
    *handle = &made;
    return 0;
}

static int destroy(void *handle) {
    return handle == &made ? 0 : BAD_PARAM;
}

static int set_stream(void *handle, void *stream) {
    return handle == &made && stream ? 0 : BAD_PARAM;
}

/* ---- descriptors ---- */

static int create_tensor(void **out) {
    return (*out = calloc(1, sizeof(tensor))) ? 0 : ALLOC_FAILED;
}
static int create_filter(void **out) {
    return (*out = calloc(1, sizeof(filter))) ? 0 : ALLOC_FAILED;
}
static int create_convolution(void **out) {
    convolution *c = calloc(1, sizeof *c);
    if (c) c->groups = 1;
    *out = c;
    return c ? 0 : ALLOC_FAILED;
}
static int destroy_descriptor(void *descriptor) {
    free(descriptor);
    return 0;
}

static int set_tensor(void *out, int type, int n, int c, int h, int w, int n_step, int c_step,
                      int h_step, int w_step) {
    if (n < 1 || c < 1 || h < 1 || w < 1) return BAD_PARAM;
    *(tensor *)out = (tensor){type, n, c, h, w, {n_step, c_step, h_step, w_step}};
    return 0;
}

static int set_filter(void *out, int type, int format, int k, int c, int h, int w) {
    if (k < 1 || c < 1 || h < 1 || w < 1) return BAD_PARAM;
    *(filter *)out = (filter){type, format, k, c, h, w};
    return 0;
}

static int set_convolution(void *out, int pad_y, int pad_x, int stride_y, int stride_x,
                           int dilation_y, int dilation_x, int mode, int compute) {
    if (mode != TN_CUDNN_CROSS_CORRELATION || compute != TN_CUDNN_FLOAT || pad_y < 0 || pad_x < 0 ||
        stride_y < 1 || stride_x < 1)
        return BAD_PARAM;
    convolution *c = out;
    *c =
        (convolution){pad_y, pad_x, stride_y, stride_x, dilation_y, dilation_x, c->groups, c->math};
    return 0;
}

static int set_groups(void *out, int groups) {
    ((convolution *)out)->groups = groups;
    return groups == 1 ? 0 : NOT_SUPPORTED;
}

static int set_math(void *out, int math) {
    ((convolution *)out)->math = math;
    return 0;
}

/* ---- what fits ---- */

static int extent(int in, int pad, int k, int dilation, int stride) {
    return (in + 2 * pad - dilation * (k - 1) - 1) / stride + 1;
}

static bool fit(const tensor *x, const filter *w, const convolution *c, const tensor *y) {
    return x->c == w->c && y->c == w->k && x->n == y->n && x->type == y->type &&
           x->type == w->type && w->format == TN_CUDNN_NHWC && x->step[1] == 1 && y->step[1] == 1 &&
           (x->type == TN_CUDNN_FLOAT || c->math != TN_CUDNN_FMA_MATH) &&
           y->h == extent(x->h, c->pad_y, w->h, c->dilation_y, c->stride_y) &&
           y->w == extent(x->w, c->pad_x, w->w, c->dilation_x, c->stride_x);
}

static size_t last(const tensor *t) {
    const int at[] = {t->n - 1, t->c - 1, t->h - 1, t->w - 1};
    size_t sum = 0;
    for (int i = 0; i < 4; i++) sum += (size_t)at[i] * (size_t)t->step[i];
    return sum;
}

static size_t width(int type) {
    return type == TN_CUDNN_BFLOAT16 ? 2 : 4;
}

static bool hold(const tensor *x, const void *px, const filter *w, const void *pw, const tensor *y,
                 const void *py) {
    const size_t weights = (size_t)w->k * (size_t)w->c * (size_t)w->h * (size_t)w->w;
    return tn_fake_gpu_holds(px, (last(x) + 1) * width(x->type)) &&
           tn_fake_gpu_holds(pw, weights * width(w->type)) &&
           tn_fake_gpu_holds(py, (last(y) + 1) * width(y->type));
}

static int measured(const tensor *x, int asked, int *found, tn_cudnn_timing *timing) {
    const bool none = x->w == 11 || x->w == 13;
    const tn_cudnn_timing rows[] = {{.algorithm = 0, .milliseconds = 1},
                                    {.algorithm = 2, .status = NOT_SUPPORTED, .deterministic = 1},
                                    {.algorithm = USED,
                                     .status = none ? NOT_SUPPORTED : 0,
                                     .milliseconds = 2,
                                     .deterministic = TN_CUDNN_DETERMINISTIC,
                                     .math = TN_CUDNN_FMA_MATH},
                                    {.algorithm = 3,
                                     .status = none ? NOT_SUPPORTED : 0,
                                     .milliseconds = 3,
                                     .deterministic = TN_CUDNN_DETERMINISTIC}};
    *found = asked < 4 ? asked : 4;
    memcpy(timing, rows, (size_t)*found * sizeof *rows);
    return 0;
}

static int find_forward(void *handle, void *dx, const void *x, void *dw, const void *w, void *c,
                        void *dy, void *y, int asked, int *found, tn_cudnn_timing *timing,
                        void *workspace, size_t bytes) {
    if (handle != &made || !fit(dx, dw, c, dy) || !hold(dx, x, dw, w, dy, y)) return BAD_PARAM;
    if (!tn_fake_gpu_holds(workspace, bytes)) return BAD_PARAM;
    return measured(dx, asked, found, timing);
}

static int find_data(void *handle, void *dw, const void *w, void *dy, const void *y, void *c,
                     void *dx, void *x, int asked, int *found, tn_cudnn_timing *timing,
                     void *workspace, size_t bytes) {
    return find_forward(handle, dx, x, dw, w, c, dy, (void *)(uintptr_t)y, asked, found, timing,
                        workspace, bytes);
}

static int find_filter(void *handle, void *dx, const void *x, void *dy, const void *y, void *c,
                       void *dw, void *w, int asked, int *found, tn_cudnn_timing *timing,
                       void *workspace, size_t bytes) {
    return find_forward(handle, dx, x, dw, w, c, dy, (void *)(uintptr_t)y, asked, found, timing,
                        workspace, bytes);
}

static int room(void *handle, void *a, void *b, void *c, void *d, int algorithm, size_t *bytes) {
    *bytes = WORKSPACE;
    return handle == &made && a && b && c && d && algorithm == USED ? 0 : BAD_PARAM;
}

/* ---- what is computed ---- */

/* Everything that a call has, with x, w and y as forward knows them. */
typedef struct work {
    const tensor *x, *y;
    const filter *w;
    const convolution *c;
    void *px, *pw, *py;
} work;

static bool accept(void *handle, const work *k, int algorithm, void *workspace, size_t bytes) {
    if (handle != &made || algorithm != USED || bytes < WORKSPACE || !fit(k->x, k->w, k->c, k->y) ||
        !hold(k->x, k->px, k->w, k->pw, k->y, k->py) || !tn_fake_gpu_holds(workspace, bytes))
        return false;
    tn_fake_gpu_reach();
    memset(workspace, 0xff, bytes);
    tn_fake_gpu_leave();
    return true;
}

static size_t place(const tensor *t, int n, int c, int y, int x) {
    return (size_t)n * (size_t)t->step[0] + (size_t)c * (size_t)t->step[1] +
           (size_t)y * (size_t)t->step[2] + (size_t)x * (size_t)t->step[3];
}

/* Where output pixel `out` (of the whole batch) and tap meet the input: its image's row and column;
 * false outside. */
static bool meet(const work *k, size_t out, size_t tap, int *n, int *y, int *x) {
    const convolution *c = k->c;
    const int p = (int)(out % ((size_t)k->y->h * (size_t)k->y->w));
    *n = (int)(out / ((size_t)k->y->h * (size_t)k->y->w));
    *y = p / k->y->w * c->stride_y - c->pad_y + (int)tap / k->w->w * c->dilation_y;
    *x = p % k->y->w * c->stride_x - c->pad_x + (int)tap % k->w->w * c->dilation_x;
    return *y >= 0 && *y < k->x->h && *x >= 0 && *x < k->x->w;
}

/* The same from input pixel `in`: the output pixel that this tap brings it to. */
static bool meet_back(const work *k, size_t in, size_t tap, int *n, int *y, int *x) {
    const convolution *c = k->c;
    const int p = (int)(in % ((size_t)k->x->h * (size_t)k->x->w));
    const int down = p / k->x->w + c->pad_y - (int)tap / k->w->w * c->dilation_y;
    const int across = p % k->x->w + c->pad_x - (int)tap % k->w->w * c->dilation_x;
    *n = (int)(in / ((size_t)k->x->h * (size_t)k->x->w));
    *y = down / c->stride_y;
    *x = across / c->stride_x;
    return down >= 0 && across >= 0 && down % c->stride_y == 0 && across % c->stride_x == 0 &&
           *y < k->y->h && *x < k->y->w;
}

static size_t place_of_pixel(const tensor *t, size_t pixel, size_t channel) {
    const size_t p = pixel % ((size_t)t->h * (size_t)t->w);
    return place(t, (int)(pixel / ((size_t)t->h * (size_t)t->w)), (int)channel,
                 (int)(p / (size_t)t->w), (int)(p % (size_t)t->w));
}

static size_t pixels_of(const tensor *t) {
    return (size_t)t->n * (size_t)t->h * (size_t)t->w;
}

static size_t taps_of(const filter *w) {
    return (size_t)w->h * (size_t)w->w;
}

static tn_fake_type type_of(const work *k) {
    if (k->x->type == TN_CUDNN_BFLOAT16) return TN_FAKE_BF16;
    return k->c->math == TN_CUDNN_FMA_MATH ? TN_FAKE_FP32 : TN_FAKE_TF32;
}

/* A row of elements that lie side by side under each tap: a term is (tap, channel). */
typedef bool meeting(const work *k, size_t pixel, size_t tap, int *n, int *y, int *x);
static void under_taps(const work *k, meeting *meets, const tensor *t, const void *data,
                       size_t pixel, size_t first, size_t count, double *to) {
    const size_t channels = (size_t)t->c;
    const tn_fake_type type = type_of(k);
    for (size_t i = 0; i < count;) {
        const size_t tap = (first + i) / channels, from = (first + i) % channels;
        const size_t run = channels - from < count - i ? channels - from : count - i;
        int n, y, x;
        const bool inside = meets(k, pixel, tap, &n, &y, &x);
        const size_t at = inside ? place(t, n, (int)from, y, x) : 0;
        for (size_t j = 0; j < run; j++)
            to[TN_FAKE_STEP * (i + j)] = inside ? tn_fake_get(data, type, at + j) : 0;
        i += run;
    }
}

/* Rows of each factor. Forward: (pixel of y) x (filter), terms (tap, channel). */
static void window(const void *context, size_t pixel, size_t first, size_t count, double *to) {
    const work *k = context;
    under_taps(k, meet, k->x, k->px, pixel, first, count, to);
}
static void filter_row(const void *context, size_t f, size_t first, size_t count, double *to) {
    const work *k = context;
    const size_t at = f * taps_of(k->w) * (size_t)k->w->c + first;
    for (size_t i = 0; i < count; i++)
        to[TN_FAKE_STEP * i] = tn_fake_get(k->pw, type_of(k), at + i);
}

/* Backward data: (pixel of x) x (channel), terms (tap, filter). */
static void window_back(const void *context, size_t pixel, size_t first, size_t count, double *to) {
    const work *k = context;
    under_taps(k, meet_back, k->y, k->py, pixel, first, count, to);
}
static void channel_row(const void *context, size_t c, size_t first, size_t count, double *to) {
    const work *k = context;
    const size_t filters = (size_t)k->w->k, channels = (size_t)k->w->c, taps = taps_of(k->w);
    for (size_t i = 0; i < count; i++) {
        const size_t tap = (first + i) / filters, f = (first + i) % filters;
        to[TN_FAKE_STEP * i] = tn_fake_get(k->pw, type_of(k), (f * taps + tap) * channels + c);
    }
}

/* Backward filter: (filter) x (tap, channel), terms pixels of y. */
static void gradient_row(const void *context, size_t f, size_t first, size_t count, double *to) {
    const work *k = context;
    for (size_t i = 0; i < count; i++)
        to[TN_FAKE_STEP * i] = tn_fake_get(k->py, type_of(k), place_of_pixel(k->y, first + i, f));
}
static void tap_row(const void *context, size_t row, size_t first, size_t count, double *to) {
    const work *k = context;
    const size_t tap = row / (size_t)k->w->c, c = row % (size_t)k->w->c;
    for (size_t i = 0; i < count; i++) {
        int n, y, x;
        const bool inside = meet(k, first + i, tap, &n, &y, &x);
        to[TN_FAKE_STEP * i] =
            inside ? tn_fake_get(k->px, type_of(k), place(k->x, n, (int)c, y, x)) : 0;
    }
}

/* What is written: a tensor's (pixel, channel), or weights as they lie. */
typedef struct target {
    const tensor *tensor; /* NULL: weights */
    size_t columns;
    void *data;
    tn_fake_type type;
    double keep;
} target;

static void take(void *context, size_t i, size_t j, double sum) {
    const target *t = context;
    const size_t at = t->tensor ? place_of_pixel(t->tensor, i, j) : i * t->columns + j;
    const double kept = t->keep != 0 ? t->keep * tn_fake_get(t->data, t->type, at) : 0;
    tn_fake_set(t->data, t->type, at, sum + kept);
}

static int compute(tn_fake_factor a, tn_fake_factor b, size_t terms, target to, const void *beta) {
    to.columns = b.rows;
    to.keep = (double)*(const float *)beta;
    tn_fake_gpu_reach();
    const bool good = tn_fake_product(&a, &b, terms, take, &to);
    tn_fake_gpu_leave();
    return good ? 0 : ALLOC_FAILED;
}

static tn_fake_type stored(const work *k) {
    return k->x->type == TN_CUDNN_BFLOAT16 ? TN_FAKE_BF16 : TN_FAKE_FP32;
}

static int forward(void *handle, const void *alpha, void *dx, const void *x, void *dw,
                   const void *w, void *c, int algorithm, void *workspace, size_t bytes,
                   const void *beta, void *dy, void *y) {
    const work k = {dx, dy, dw, c, (void *)(uintptr_t)x, (void *)(uintptr_t)w, y};
    if (*(const float *)alpha != 1 || !accept(handle, &k, algorithm, workspace, bytes))
        return BAD_PARAM;
    return compute((tn_fake_factor){pixels_of(dy), window, &k},
                   (tn_fake_factor){(size_t)k.w->k, filter_row, &k}, taps_of(dw) * (size_t)k.w->c,
                   (target){.tensor = dy, .data = y, .type = stored(&k)}, beta);
}

static int backward_data(void *handle, const void *alpha, void *dw, const void *w, void *dy,
                         const void *y, void *c, int algorithm, void *workspace, size_t bytes,
                         const void *beta, void *dx, void *x) {
    const work k = {dx, dy, dw, c, x, (void *)(uintptr_t)w, (void *)(uintptr_t)y};
    if (*(const float *)alpha != 1 || !accept(handle, &k, algorithm, workspace, bytes))
        return BAD_PARAM;
    return compute((tn_fake_factor){pixels_of(dx), window_back, &k},
                   (tn_fake_factor){(size_t)k.w->c, channel_row, &k}, taps_of(dw) * (size_t)k.w->k,
                   (target){.tensor = dx, .data = x, .type = stored(&k)}, beta);
}

static int backward_filter(void *handle, const void *alpha, void *dx, const void *x, void *dy,
                           const void *y, void *c, int algorithm, void *workspace, size_t bytes,
                           const void *beta, void *dw, void *w) {
    const work k = {dx, dy, dw, c, (void *)(uintptr_t)x, w, (void *)(uintptr_t)y};
    if (*(const float *)alpha != 1 || !accept(handle, &k, algorithm, workspace, bytes))
        return BAD_PARAM;
    return compute((tn_fake_factor){(size_t)k.w->k, gradient_row, &k},
                   (tn_fake_factor){taps_of(dw) * (size_t)k.w->c, tap_row, &k}, pixels_of(dy),
                   (target){.data = w, .type = stored(&k)}, beta);
}

const tn_cudnn *tn_fake_cudnn(void) {
    static const tn_cudnn table = {
        .GetVersion = version,
        .GetErrorString = error_string,
        .Create = create,
        .Destroy = destroy,
        .SetStream = set_stream,
        .CreateTensorDescriptor = create_tensor,
        .DestroyTensorDescriptor = destroy_descriptor,
        .SetTensor4dDescriptorEx = set_tensor,
        .CreateFilterDescriptor = create_filter,
        .DestroyFilterDescriptor = destroy_descriptor,
        .SetFilter4dDescriptor = set_filter,
        .CreateConvolutionDescriptor = create_convolution,
        .DestroyConvolutionDescriptor = destroy_descriptor,
        .SetConvolution2dDescriptor = set_convolution,
        .SetConvolutionGroupCount = set_groups,
        .SetConvolutionMathType = set_math,
        .FindConvolutionForwardAlgorithmEx = find_forward,
        .FindConvolutionBackwardDataAlgorithmEx = find_data,
        .FindConvolutionBackwardFilterAlgorithmEx = find_filter,
        .GetConvolutionForwardWorkspaceSize = room,
        .GetConvolutionBackwardDataWorkspaceSize = room,
        .GetConvolutionBackwardFilterWorkspaceSize = room,
        .ConvolutionForward = forward,
        .ConvolutionBackwardData = backward_data,
        .ConvolutionBackwardFilter = backward_filter,
    };
    return &table;
}

void tn_fake_libraries_install(tn_fake_gpu *fake) {
    fake->cudnn = tn_fake_cudnn;
    fake->cublas = tn_fake_cublas;
}
