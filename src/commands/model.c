#include "src/commands/model.h"

#include "layers/device/cpu.h"
#include "layers/ops/convolution.h"
#include "src/commands/device.h"
#include "src/commands/notice.h"
#include "src/data/files.h"
#include "src/data/text.h"
#include "src/eval/calibration.h"
#include "src/net/weights.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const tn_model_engine *engine; /* NULL: our own replicas */

void tn_model_use_engine(const tn_model_engine *e) {
    engine = e;
}

bool tn_model_is_foreign(void) {
    return engine != NULL;
}

void tn_model_options_free(tn_model_options *options) {
    tn_texts_free(&options->net);
    tn_arguments_free(&options->arguments);
}

static void warn_line(void *user, const char *text) {
    (void)user;
    fprintf(stderr, "warning: %s\n", text);
}

static const tn_warner warner = {warn_line, NULL};

/* The message at hand as an error, or as a warning where the user wants to go on. */
static tn_status disagree(const tn_model_options *options) {
    if (!options->allow_mismatch)
        return tn_fail("%s (leave DATA out to go by the weights' own record; -allow-mismatch goes "
                       "on with it and warns)",
                       tn_error());
    warn_line(NULL, tn_error());
    return TN_OK;
}

/* ---- what DATA says ---- */

/* DATA is used when it is named on the command line, must be there when the command needs it, and
 * otherwise helps where [net] data= finds it and nothing better is known. */
static tn_status read_data(tn_model *m, tn_model_needs needs) {
    const tn_net_keys *keys = &m->net->keys;
    const bool wanted = m->args.data || needs == TN_MODEL_NEEDS_DATA;
    if (!wanted && (m->has_sidecar || !keys->data || access(keys->data, F_OK) != 0)) return TN_OK;
    TN_TRY(tn_model_args_data(m->args.data, m->args.cfg, keys, &m->data_path));
    TN_TRY(tn_data_config_load(m->data_path, &m->data));
    m->has_data = true;
    for (int i = 0; i < m->data.n_warnings; i++) warn_line(NULL, m->data.warning[i]);
    if (m->data.classes != m->classes)
        return tn_fail("%s has %d outputs, but %s has classes=%d", m->args.cfg, m->classes,
                       m->data_path, m->data.classes);
    if (m->data.labels) TN_TRY(tn_labels_load(m->data.labels, m->classes, &m->labels));
    const char *names = m->data.names ? m->data.names : m->data.labels;
    return names ? tn_names_load(names, m->classes, &m->names_file) : TN_OK;
}

/* ---- what WEIGHTS.json says ---- */

static tn_status read_sidecar(tn_model *m) {
    TN_TRY(tn_sidecar_read(m->args.weights, &m->sidecar, &m->has_sidecar));
    if (!m->has_sidecar || m->sidecar.classes == m->classes) return TN_OK;
    return tn_fail("%s.json names %d classes, but %s has %d outputs", m->args.weights,
                   m->sidecar.classes, m->args.cfg, m->classes);
}

static tn_status compare_names(const tn_model *m, const tn_model_options *options) {
    if (!m->has_sidecar || !m->names_file.n) return TN_OK;
    for (int c = 0; c < m->classes; c++) {
        if (strcmp(m->sidecar.name[c], m->names_file.name[c]) == 0) continue;
        (void)tn_fail("class %d is \"%s\" to the weights (%s.json) and \"%s\" to %s", c,
                      m->sidecar.name[c], m->args.weights, m->names_file.name[c],
                      m->names_file.path);
        return disagree(options);
    }
    return TN_OK;
}

static tn_status compare_preprocess(const tn_model *m, const tn_model_options *options) {
    if (!m->has_sidecar || !m->has_data) return TN_OK;
    if (tn_preprocess_compare(&m->sidecar.preprocess, &m->data.preprocess) == TN_OK) return TN_OK;
    (void)tn_fail_in("the net was trained on other images (%s.json) than those of %s",
                     m->args.weights, m->data_path);
    return disagree(options);
}

static tn_status compare_size(const tn_model *m, const tn_model_options *options) {
    const tn_net_keys *k = &m->net->keys;
    const tn_sidecar *s = &m->sidecar;
    if (!m->has_sidecar || (s->width == k->width && s->height == k->height)) return TN_OK;
    if (s->channels == k->channels) {
        if (options->net.count) return TN_OK; /* -net width=... is a wish */
        fprintf(stderr, "warning: trained at %d x %d (%s.json), used at %d x %d\n", s->width,
                s->height, m->args.weights, k->width, k->height);
        return TN_OK;
    }
    return tn_fail("%s.json: trained with %d channels, but %s has channels=%d", m->args.weights,
                   s->channels, m->args.cfg, k->channels);
}

/* ---- putting it together ---- */

static tn_status find_positive(tn_model *m) {
    m->positive = -1;
    const char *name = m->has_sidecar && m->sidecar.positive ? m->sidecar.positive
                       : m->has_data                         ? m->data.positive
                                                             : NULL;
    if (!name) return TN_OK;
    for (int c = 0; c < m->classes; c++)
        if (strcmp(m->names[c], name) == 0) m->positive = c;
    if (m->positive < 0 && m->labels.n) m->positive = tn_labels_find(&m->labels, name);
    if (m->positive >= 0) return TN_OK;
    return tn_fail("positive=%s is the name of no class", name);
}

static tn_status choose_names(tn_model *m) {
    m->names = calloc((size_t)m->classes, sizeof *m->names);
    if (!m->names) return tn_fail("out of memory for %d classes", m->classes);
    if (!m->has_sidecar && !m->names_file.n)
        return tn_fail("the %d classes of %s have no names: put a .data file with names= before "
                       "it (there is no %s.json)",
                       m->classes, m->args.cfg, m->args.weights);
    for (int c = 0; c < m->classes; c++)
        m->names[c] = m->has_sidecar ? m->sidecar.name[c] : m->names_file.name[c];
    return find_positive(m);
}

/* Whether a calibration is of answers in the precision at hand. */
static bool fits_precision(const tn_calibration *c) {
    const char *now = tn_device_int8() ? "int8" : tn_precision_name(tn_device_precision());
    const char *fitted = c->precision ? c->precision : tn_device_int8() ? "int8" : "fp32";
    return strcmp(fitted, now) == 0;
}

/* A temperature fitted to other weights, or to answers in another precision, says nothing of these.
 */
static tn_status choose_temperature(tn_model *m) {
    uint64_t digest;
    const tn_sidecar *s = &m->sidecar;
    m->temperature = 1;
    if (!m->has_sidecar || !(tn_device_int8() ? s->int8.calibrated : s->calibrated)) return TN_OK;
    const tn_calibration *c = tn_device_int8() ? &s->int8.calibration : &s->calibration;
    if (!fits_precision(c)) return TN_OK;
    TN_TRY(tn_file_digest(m->args.weights, &digest));
    m->calibrated = digest == c->weights_digest;
    m->calibration = m->calibrated ? c : NULL;
    if (m->calibrated)
        m->temperature = c->temperature;
    else
        fprintf(stderr,
                "warning: the calibration in %s.json was fitted to other weights than %s holds: it "
                "is left out\n",
                m->args.weights, m->args.weights);
    return TN_OK;
}

static tn_status place_scale(tn_model *m, int i) {
    const tn_sidecar_int8 *q = &m->sidecar.int8;
    const tn_plan *plan = &m->net->plan;
    for (int k = 0; k < plan->n_ops; k++) {
        if (plan->op[k].kind != &tn_op_convolution || strcmp(plan->op[k].name, q->op[i]) != 0)
            continue;
        m->quantisation[k] = q->scale[i];
        return TN_OK;
    }
    return tn_fail("%s.json has a scale for the convolution %s, but %s has no such one",
                   m->args.weights, q->op[i], m->args.cfg);
}

/* The scales for -precision int8: of these very weights, or none. */
static tn_status choose_scales(tn_model *m) {
    const tn_sidecar_int8 *q = &m->sidecar.int8;
    uint64_t digest;
    if (!tn_device_int8()) return TN_OK;
    if (engine) return tn_fail("-precision int8: the host computes in its own way; ./darknet can");
    if (!m->has_sidecar || q->n == 0)
        return tn_fail("-precision int8: %s.json holds no scales for it: `darknet classifier "
                       "quantize [DATA] %s %s` chooses them",
                       m->args.weights, m->args.cfg, m->args.weights);
    TN_TRY(tn_file_digest(m->args.weights, &digest));
    if (digest != q->weights_digest)
        return tn_fail("-precision int8: the scales in %s.json are of other weights than %s holds: "
                       "`darknet classifier quantize` chooses them anew",
                       m->args.weights, m->args.weights);
    m->quantisation = calloc((size_t)m->net->plan.n_ops, sizeof *m->quantisation);
    if (!m->quantisation) return tn_fail("out of memory");
    for (int i = 0; i < q->n; i++) TN_TRY(place_scale(m, i));
    return TN_OK;
}

static tn_status choose_format(tn_model *m) {
    const tn_net_keys *k = &m->net->keys;
    m->preprocess = m->has_sidecar ? m->sidecar.preprocess
                    : m->has_data  ? m->data.preprocess
                                   : tn_preprocess_default();
    if (tn_input_format_create(&m->preprocess, k->height, k->width, k->channels, &m->format) ==
        TN_OK)
        return TN_OK;
    return tn_fail_in("%s", m->args.cfg);
}

static tn_status open_all(tn_model *m, const tn_model_options *o, tn_model_needs needs) {
    TN_TRY(tn_model_args_split(&o->arguments.positionals, &m->args));
    if (!m->args.weights)
        return tn_fail("name the weights after %s: a net without them knows nothing", m->args.cfg);
    TN_TRY(tn_net_load(m->args.cfg, o->net.items, o->net.count, &warner, &m->net));
    m->classes = tn_net_outputs(m->net);
    TN_TRY(tn_weights_load(m->net, m->args.weights, false, NULL));
    TN_TRY(read_sidecar(m));
    TN_TRY(read_data(m, needs));
    TN_TRY(compare_names(m, o));
    TN_TRY(compare_preprocess(m, o));
    TN_TRY(compare_size(m, o));
    TN_TRY(choose_names(m));
    TN_TRY(choose_scales(m));
    TN_TRY(choose_temperature(m));
    return choose_format(m);
}

tn_status tn_model_open(tn_model *m, const tn_model_options *options, tn_model_needs needs) {
    *m = (tn_model){.positive = -1, .kernels = options->kernels};
    m->threads = tn_cpu_use_threads(options->threads);
    TN_TRY(open_all(m, options, needs));
    if (!engine) TN_TRY(tn_device_first(&m->gpu));
    return engine ? engine->open(m, options) : TN_OK;
}

void tn_model_close(tn_model *m) {
    tn_net_free(m->net);
    free(m->names);
    free(m->quantisation);
    tn_labels_free(&m->labels);
    tn_labels_free(&m->names_file);
    if (m->has_sidecar) tn_sidecar_free(&m->sidecar);
    if (m->has_data) tn_data_config_free(&m->data);
    *m = (tn_model){0};
}

static const char *file_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

tn_sidecar tn_model_note(const tn_model *m) {
    const tn_net_keys *k = &m->net->keys;
    if (m->has_sidecar) return m->sidecar;
    return (tn_sidecar){.classes = m->classes,
                        .name = m->names,
                        .positive = m->positive >= 0 ? m->names[m->positive] : NULL,
                        .cfg = file_name(m->args.cfg),
                        .width = k->width,
                        .height = k->height,
                        .channels = k->channels,
                        .preprocess = m->preprocess,
                        .notice = TN_NOTICE};
}

/* ---- calibration ---- */

tn_status tn_file_digest(const char *path, uint64_t *digest) {
    uint8_t *bytes;
    size_t size;
    TN_TRY(tn_read_file(path, SIZE_MAX / 2, &bytes, &size));
    *digest = tn_digest(bytes, size);
    free(bytes);
    return TN_OK;
}

double tn_model_threshold(const tn_model *m) {
    return m->calibrated && m->positive >= 0 ? m->calibration->threshold : NAN;
}

char *tn_model_calibration_text(const tn_model *m) {
    const tn_calibration *c = m->calibration;
    const tn_calibration *other = &m->sidecar.calibration;
    if (!m->calibrated && m->sidecar.calibrated && (m->quantisation || !fits_precision(other)))
        return tn_text("uncalibrated: what `calibrate` chose was for answers in %s, and is not "
                       "used; calibrate -precision %s fits these",
                       other->precision ? other->precision : "fp32", tn_model_precision(m));
    if (!m->calibrated) return tn_text("uncalibrated");
    return tn_text("calibrated (temperature %.4g, fitted on %.0f images of %s)", c->temperature,
                   c->images, c->list);
}

/* ---- running ---- */

const char *tn_model_precision(const tn_model *m) {
    return m->quantisation ? "int8" : tn_precision_name(tn_device_precision());
}

tn_status tn_model_run_create(const tn_model *m, int batch, tn_run **out) {
    const tn_run_options options = {.mode = TN_INFER,
                                    .batch = batch,
                                    .threads = m->threads,
                                    .kernels = m->kernels,
                                    .output = -1,
                                    .gpu = m->quantisation ? NULL : m->gpu,
                                    .precision =
                                        m->quantisation ? TN_PRECISION_FP32 : tn_device_precision(),
                                    .quantisation = m->quantisation};
    TN_TRY(tn_run_create(&m->net->plan, m->net->param, &options, out));
    if (!m->quantisation || tn_run_int8_ops(*out) > 0) return TN_OK;
    tn_run_free(*out);
    *out = NULL;
    return tn_fail("-precision int8: no convolution of %s computes in 8 bits%s", m->args.cfg,
                   m->kernels ? " with -kernels" : " here");
}

static tn_status check_distribution(const tn_model *m, const float *p, int sample) {
    double sum = 0;
    for (int c = 0; c < m->classes; c++) {
        if (!isfinite(p[c]))
            return tn_fail("sample %d: the net's output for \"%s\" is %g: nothing can be said of "
                           "this image",
                           sample, m->names[c], (double)p[c]);
        if (p[c] < 0) break;
        sum += (double)p[c];
    }
    if (fabs(sum - 1) < 1e-3) return TN_OK;
    return tn_fail("the outputs of %s are no probabilities (they do not add up to 1): does it end "
                   "in [softmax]?",
                   m->args.cfg);
}

static tn_status forward_foreign(const tn_model *m, const float *x, int n_valid,
                                 float *probability) {
    TN_TRY(engine->forward(m, x, n_valid, probability));
    for (int i = 0; i < n_valid; i++) {
        float *p = probability + (size_t)i * (size_t)m->classes;
        TN_TRY(check_distribution(m, p, i));
        tn_temperature_apply(m->temperature, m->classes, p);
    }
    return TN_OK;
}

/* Once the replica has its input. */
static tn_status answer(const tn_model *m, tn_run *run, int n_valid, float *probability) {
    const size_t k = (size_t)m->classes;
    const tn_step step = {.n_valid = n_valid};
    TN_TRY(tn_run_forward(run, &step));
    const tn_tensor out = tn_run_output(run);
    const size_t pixels = (size_t)out.h * (size_t)out.w;
    for (size_t i = 0; i < (size_t)n_valid; i++) {
        float *p = probability + i * k;
        /* Darknet counts outputs in CHW order */
        for (size_t c = 0; c < k; c++)
            p[c] = tn_data(&out)[(i * pixels + c % pixels) * (size_t)out.pitch + c / pixels];
        TN_TRY(check_distribution(m, p, (int)i));
        tn_temperature_apply(m->temperature, m->classes, p);
    }
    return TN_OK;
}

tn_status tn_model_forward(const tn_model *m, tn_run *run, const float *x, int n_valid,
                           float *probability) {
    if (engine) return forward_foreign(m, x, n_valid, probability);
    tn_tensor in = tn_run_input(run);
    const size_t sample = tn_elements(&in) / (size_t)in.n;
    memcpy(tn_data(&in), x, sample * (size_t)n_valid * sizeof *x);
    memset(tn_data(&in) + sample * (size_t)n_valid, 0,
           sample * (size_t)(in.n - n_valid) * sizeof *x);
    return answer(m, run, n_valid, probability);
}

tn_status tn_model_forward_batch(const tn_model *m, tn_run *run, const tn_batch *batch,
                                 float *probability) {
    if (!batch->bytes) return tn_model_forward(m, run, batch->x, batch->n_valid, probability);
    TN_TRY(tn_run_input_bytes(run, batch->bytes, batch->table));
    return answer(m, run, batch->n_valid, probability);
}

void tn_model_rank(const float *probability, int classes, int *order) {
    for (int c = 0; c < classes; c++) {
        int at = c;
        for (; at > 0 && probability[order[at - 1]] < probability[c]; at--)
            order[at] = order[at - 1];
        order[at] = c;
    }
}

int tn_model_top(const tn_model *m, int asked) {
    enum { SHOWN = 5 };
    int top = asked ? asked : m->has_data && m->data.top ? m->data.top : SHOWN;
    if (!asked && m->classes <= SHOWN) top = m->classes;
    return top < m->classes ? top : m->classes;
}
