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

static size_t weight_place(const filter *w, int k, int c, int r, int s) {
    return ((size_t)(k * w->h + r) * (size_t)w->w + (size_t)s) * (size_t)w->c + (size_t)c;
}

/* Calls `visit` with the places of every product of the convolution: of x, w and y. */
typedef void visitor(void *context, size_t x, size_t w, size_t y);
static void walk(const work *k, visitor *visit, void *context) {
    const convolution *c = k->c;
    for (int n = 0; n < k->y->n; n++)
        for (int p = 0; p < k->y->h * k->y->w; p++)
            for (int t = 0; t < k->w->h * k->w->w; t++) {
                const int oy = p / k->y->w, ox = p % k->y->w, r = t / k->w->w, s = t % k->w->w;
                const int y = oy * c->stride_y - c->pad_y + r * c->dilation_y;
                const int x = ox * c->stride_x - c->pad_x + s * c->dilation_x;
                if (y < 0 || y >= k->x->h || x < 0 || x >= k->x->w) continue;
                for (int f = 0; f < k->w->k; f++)
                    for (int i = 0; i < k->w->c; i++)
                        visit(context, place(k->x, n, i, y, x), weight_place(k->w, f, i, r, s),
                              place(k->y, n, f, oy, ox));
            }
}

/* Sums of products: to[index of `to`] += a * b, in double. */
typedef struct sums {
    double *to;
    const void *a, *b;
    bool bf16;
} sums;

static void to_y(void *context, size_t x, size_t w, size_t y) {
    const sums *s = context;
    s->to[y] += tn_fake_get(s->a, s->bf16, x) * tn_fake_get(s->b, s->bf16, w);
}
static void to_x(void *context, size_t x, size_t w, size_t y) {
    const sums *s = context;
    s->to[x] += tn_fake_get(s->a, s->bf16, y) * tn_fake_get(s->b, s->bf16, w);
}
static void to_w(void *context, size_t x, size_t w, size_t y) {
    const sums *s = context;
    s->to[w] += tn_fake_get(s->a, s->bf16, x) * tn_fake_get(s->b, s->bf16, y);
}

static void write_one(void *out, bool bf16, size_t at, const double *sum, double beta) {
    tn_fake_set(out, bf16, at, sum[at] + (beta != 0 ? beta * tn_fake_get(out, bf16, at) : 0));
}

static void write_tensor(const tensor *t, void *out, const double *sum, double beta) {
    for (int n = 0; n < t->n; n++)
        for (int y = 0; y < t->h; y++)
            for (int x = 0; x < t->w; x++)
                for (int c = 0; c < t->c; c++)
                    write_one(out, t->type == TN_CUDNN_BFLOAT16, place(t, n, c, y, x), sum, beta);
}

static int compute(const work *k, visitor *visit, const void *a, const void *b, const tensor *to,
                   void *out, const void *beta) {
    const size_t weights = (size_t)k->w->k * (size_t)k->w->c * (size_t)k->w->h * (size_t)k->w->w;
    sums s = {calloc(to ? last(to) + 1 : weights, sizeof(double)), a, b,
              k->x->type == TN_CUDNN_BFLOAT16};
    if (!s.to) return ALLOC_FAILED;
    const double keep = (double)*(const float *)beta;
    tn_fake_gpu_reach();
    walk(k, visit, &s);
    if (to) write_tensor(to, out, s.to, keep);
    for (size_t i = 0; !to && i < weights; i++) write_one(out, s.bf16, i, s.to, keep);
    tn_fake_gpu_leave();
    free(s.to);
    return 0;
}

static int forward(void *handle, const void *alpha, void *dx, const void *x, void *dw,
                   const void *w, void *c, int algorithm, void *workspace, size_t bytes,
                   const void *beta, void *dy, void *y) {
    const work k = {dx, dy, dw, c, (void *)(uintptr_t)x, (void *)(uintptr_t)w, y};
    if (*(const float *)alpha != 1 || !accept(handle, &k, algorithm, workspace, bytes))
        return BAD_PARAM;
    return compute(&k, to_y, x, w, dy, y, beta);
}

static int backward_data(void *handle, const void *alpha, void *dw, const void *w, void *dy,
                         const void *y, void *c, int algorithm, void *workspace, size_t bytes,
                         const void *beta, void *dx, void *x) {
    const work k = {dx, dy, dw, c, x, (void *)(uintptr_t)w, (void *)(uintptr_t)y};
    if (*(const float *)alpha != 1 || !accept(handle, &k, algorithm, workspace, bytes))
        return BAD_PARAM;
    return compute(&k, to_x, y, w, dx, x, beta);
}

static int backward_filter(void *handle, const void *alpha, void *dx, const void *x, void *dy,
                           const void *y, void *c, int algorithm, void *workspace, size_t bytes,
                           const void *beta, void *dw, void *w) {
    const work k = {dx, dy, dw, c, (void *)(uintptr_t)x, w, (void *)(uintptr_t)y};
    if (*(const float *)alpha != 1 || !accept(handle, &k, algorithm, workspace, bytes))
        return BAD_PARAM;
    return compute(&k, to_w, x, y, NULL, w, beta);
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
