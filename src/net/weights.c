#include "src/net/weights.h"

#include "src/net/atomic_file.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { SHORT_HEADER = 16, LONG_HEADER = 20, CHUNK = 1 << 14 };

/* A file being read: what its header says and what its size makes of it. */
typedef struct source {
    const tn_net *net;
    const char *path;
    FILE *file;
    size_t bytes, header_bytes;
    int32_t version[3];
    uint32_t word_16; /* what stands at byte 16 */
    uint64_t seen;
    bool transposed;      /* connected weights are [inputs][outputs] */
    bool no_batch_biases; /* [batchnorm] sections have no biases in the file */
} source;

/* ---- which bytes belong to what ---- */

static bool is_layer(const source *s, const tn_param_spec *spec, const char *type) {
    return strcmp(s->net->plan.layer[spec->layer].type->name, type) == 0;
}

static bool in_file(const source *s, const tn_param_spec *spec, bool no_batch_biases) {
    return !(no_batch_biases && spec->kind == TN_PARAM_BIAS && is_layer(s, spec, "batchnorm"));
}

static size_t body_bytes(const source *s, bool no_batch_biases) {
    size_t sum = 0;
    for (int i = 0; i < s->net->plan.n_params; i++) {
        const tn_param_spec *spec = &s->net->plan.param[i];
        if (in_file(s, spec, no_batch_biases)) sum += spec->count * sizeof(float);
    }
    return sum;
}

/* Reads the header by pjreddie's rule: it is the only one that gets vgg-16.weights right, whose
 * first words are no version at all. */
static tn_status read_header(source *s) {
    unsigned char head[LONG_HEADER] = {0};
    const size_t n = fread(head, 1, sizeof head, s->file);
    if (n < SHORT_HEADER) {
        return tn_fail("%s: %zu bytes: too short for a .weights header of %d", s->path, n,
                       SHORT_HEADER);
    }
    memcpy(s->version, head, sizeof s->version);
    memcpy(&s->word_16, head + SHORT_HEADER, sizeof s->word_16);
    const int64_t major = s->version[0], minor = s->version[1];
    const bool wide = major * 10 + minor >= 2 && major < 1000 && minor < 1000;
    s->header_bytes = wide ? LONG_HEADER : SHORT_HEADER;
    s->transposed = major > 1000 || minor > 1000;
    return TN_OK;
}

static tn_status read_seen(source *s) {
    unsigned char word[8] = {0};
    const size_t n = s->header_bytes - 12;
    if (fseeko(s->file, 12, SEEK_SET) != 0 || fread(word, 1, n, s->file) != n)
        return tn_fail("%s: header cannot be read", s->path);
    memcpy(&s->seen, word, sizeof s->seen);
    return TN_OK;
}

/* Settles by the file's size what the header leaves open: [batchnorm] has biases or not, and files
 * of version 0.2 from 32-bit machines have the short header. Those are told from files that lack
 * their last value by what follows: a bias there, the high word of a small number here. Returns
 * whether anything matches exactly. */
static bool match_size(source *s) {
    const bool may_be_short = s->header_bytes == LONG_HEADER && s->word_16 != 0;
    const size_t headers[2] = {s->header_bytes, SHORT_HEADER};
    for (int h = 0; h < (may_be_short ? 2 : 1); h++) {
        for (int without = 0; without < 2; without++) {
            if (s->bytes != headers[h] + body_bytes(s, without)) continue;
            s->header_bytes = headers[h];
            s->no_batch_biases = without;
            return true;
        }
    }
    return false;
}

static tn_status wrong_size(const source *s) {
    const size_t expected = s->header_bytes + body_bytes(s, false);
    if (s->bytes > expected) {
        return tn_fail("%s: %zu bytes, expected %zu for %s: %zu too many, so it belongs to another "
                       "net (-partial loads what fits)",
                       s->path, s->bytes, expected, s->net->cfg.section->file, s->bytes - expected);
    }
    size_t at = s->header_bytes;
    const tn_plan *plan = &s->net->plan;
    for (int i = 0; i < plan->n_params; i++) {
        const tn_param_spec *spec = &plan->param[i];
        at += spec->count * sizeof(float);
        if (at <= s->bytes) continue;
        const tn_section *section = plan->layer[spec->layer].section;
        return tn_fail("%s: %zu bytes, expected %zu for %s: it ends before %s of layer %d [%s] "
                       "(line %d) is complete (-partial loads what is there)",
                       s->path, s->bytes, expected, s->net->cfg.section->file, spec->name,
                       spec->layer, section->name, section->line);
    }
    return tn_fail("%s: %zu bytes, expected %zu", s->path, s->bytes, expected);
}

/* ---- values ---- */

static tn_status bad_value(const source *s, const tn_param_spec *spec, size_t at, float v) {
    return tn_fail("%s: value %zu of %s (layer %d [%s]) is %g: the file is damaged or belongs to "
                   "another net",
                   s->path, at, spec->name, spec->layer,
                   s->net->plan.layer[spec->layer].section->name, (double)v);
}

/* Where element `at` of the file goes. */
static size_t place(const source *s, const tn_param_spec *spec, size_t at) {
    if (!s->transposed || spec->kind != TN_PARAM_WEIGHTS || !is_layer(s, spec, "connected"))
        return at;
    const size_t outputs = (size_t)spec->dim[0], inputs = (size_t)spec->dim[1];
    return at % outputs * inputs + at / outputs;
}

/* Reads one tensor; checks it (store false) or takes it over. */
static tn_status read_param(const source *s, tn_param *p, bool store, float *chunk) {
    const tn_param_spec *spec = p->spec;
    for (size_t at = 0; at < spec->count; at += CHUNK) {
        const size_t n = spec->count - at < CHUNK ? spec->count - at : CHUNK;
        if (fread(chunk, sizeof *chunk, n, s->file) != n)
            return tn_fail("%s: cannot be read: %s", s->path,
                           ferror(s->file) ? strerror(errno) : "it became shorter");
        for (size_t i = 0; i < n; i++) {
            const float v = chunk[i];
            if (store)
                p->value[place(s, spec, at + i)] = (tn_real)v;
            else if (!isfinite(v) || (spec->kind == TN_PARAM_VARIANCE && v < 0))
                return bad_value(s, spec, at + i, v);
        }
    }
    return TN_OK;
}

/* Parameters [0, n): all checked, then all stored, so that a bad file changes nothing. */
static tn_status read_params(const source *s, int n, bool store, float *chunk) {
    if (fseeko(s->file, (off_t)s->header_bytes, SEEK_SET) != 0)
        return tn_fail("%s: cannot be read: %s", s->path, strerror(errno));
    for (int i = 0; i < n; i++) {
        tn_param *p = &s->net->param[i];
        if (in_file(s, p->spec, s->no_batch_biases)) {
            TN_TRY(read_param(s, p, store, chunk));
        } else if (store) {
            for (size_t j = 0; j < p->spec->count; j++) p->value[j] = 0;
        }
        if (store) p->version++;
    }
    return TN_OK;
}

/* How many layers from the front the file holds whole, and their parameters and bytes. */
static int whole_layers(const source *s, int *n_params, size_t *used) {
    const tn_plan *plan = &s->net->plan;
    *used = s->header_bytes;
    *n_params = 0;
    for (int l = 0; l < plan->n_layers; l++) {
        const tn_plan_layer *layer = &plan->layer[l];
        size_t more = 0;
        for (int i = 0; i < layer->n_params; i++)
            more += plan->param[layer->first_param + i].count * sizeof(float);
        if (*used + more > s->bytes) return l;
        *used += more;
        *n_params += layer->n_params;
    }
    return plan->n_layers;
}

static tn_status read_all(source *s, bool partial, tn_weights_report *report) {
    TN_TRY(read_header(s));
    const tn_plan *plan = &s->net->plan;
    int layers = plan->n_layers, n = plan->n_params;
    size_t used = s->bytes;
    if (!match_size(s)) {
        if (!partial) return wrong_size(s);
        layers = whole_layers(s, &n, &used);
        if (n == 0) return wrong_size(s);
    }
    TN_TRY(read_seen(s));
    float *chunk = malloc(CHUNK * sizeof *chunk);
    if (!chunk) return tn_fail("out of memory");
    tn_status status = read_params(s, n, false, chunk);
    if (status == TN_OK) status = read_params(s, n, true, chunk);
    free(chunk);
    if (status != TN_OK || !report) return status;
    *report = (tn_weights_report){.layers = layers,
                                  .all_layers = plan->n_layers,
                                  .version = {s->version[0], s->version[1], s->version[2]},
                                  .seen = s->seen,
                                  .unread = s->bytes - used};
    return TN_OK;
}

tn_status tn_weights_load(tn_net *net, const char *path, bool partial, tn_weights_report *report) {
    source s = {.net = net, .path = path};
    struct stat about;
    if (stat(path, &about) != 0) return tn_fail("%s: cannot be read: %s", path, strerror(errno));
    if (!S_ISREG(about.st_mode)) return tn_fail("%s: is no file", path);
    s.bytes = (size_t)about.st_size;
    s.file = fopen(path, "rb");
    if (!s.file) return tn_fail("%s: cannot be read: %s", path, strerror(errno));
    const tn_status status = read_all(&s, partial, report);
    fclose(s.file);
    if (status == TN_OK) net->seen = s.seen;
    return status;
}

/* ---- writing ---- */

size_t tn_weights_bytes(const tn_param *param, int n) {
    size_t sum = LONG_HEADER;
    for (int i = 0; i < n; i++) sum += param[i].spec->count * sizeof(float);
    return sum;
}

static tn_status write_param(tn_atomic_file *file, const tn_param *p, float *chunk) {
    for (size_t at = 0; at < p->spec->count; at += CHUNK) {
        const size_t n = p->spec->count - at < CHUNK ? p->spec->count - at : CHUNK;
        for (size_t i = 0; i < n; i++) chunk[i] = (float)p->value[at + i];
        TN_TRY(tn_atomic_write(file, chunk, n * sizeof *chunk));
    }
    return TN_OK;
}

static tn_status write_all(tn_atomic_file *file, const tn_param *param, int n, uint64_t seen) {
    const int32_t version[3] = {0, 2, 5};
    TN_TRY(tn_atomic_write(file, version, sizeof version));
    TN_TRY(tn_atomic_write(file, &seen, sizeof seen));
    float *chunk = malloc(CHUNK * sizeof *chunk);
    if (!chunk) return tn_fail("out of memory");
    tn_status status = TN_OK;
    for (int i = 0; i < n && status == TN_OK; i++) status = write_param(file, &param[i], chunk);
    free(chunk);
    return status;
}

tn_status tn_weights_save(const tn_param *param, int n, uint64_t seen, const char *path) {
    tn_atomic_file file;
    TN_TRY(tn_atomic_open(&file, path));
    const tn_status status = write_all(&file, param, n, seen);
    if (status == TN_OK) return tn_atomic_commit(&file);
    tn_atomic_abandon(&file);
    return status;
}
