/* When a loss or gradient is no number any more: where it began. */
#include "src/commands/train.h"

#include "layers/staging.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Whether the valid samples of a tensor are all finite; *what becomes the first that is not. */
static bool is_finite(const tn_tensor *t, int samples, double *what) {
    for (int n = 0; n < samples; n++) {
        for (int p = 0; p < t->h * t->w; p++) {
            const tn_real *x = tn_data(t) + ((size_t)n * t->h * t->w + (size_t)p) * t->pitch;
            for (int c = 0; c < t->c; c++) {
                if (isfinite(x[c])) continue;
                *what = (double)x[c];
                return false;
            }
        }
    }
    return true;
}

static const char *kind_of(double value) {
    return isnan(value) ? "NaN" : "infinity";
}

/* Whether an op's output is finite, wherever it lies and of whatever type. */
static tn_status look_at(const tn_op_run *op, int samples, bool *finite, double *what) {
    tn_tensor out = op->out;
    const bool elsewhere = op->gpu || out.dtype != TN_REAL;
    if (elsewhere) {
        out.data = malloc(tn_staging_view_bytes(&out) + 1);
        if (!out.data) return tn_fail("out of memory");
        if (tn_staging_view_out(op->gpu, &op->out, out.data, op->op->name) != TN_OK) {
            free(out.data);
            return TN_FAIL;
        }
    }
    *finite = is_finite(&out, samples, what);
    if (elsewhere) free(out.data);
    return TN_OK;
}

/* Runs the mini-batch forward again, op by op: each output is looked at before its memory is taken
 * for something else. */
static tn_status first_bad_output(tn_trainer *t, const tn_step *step, const char **name, int *layer,
                                  double *what) {
    *name = NULL;
    for (int i = 0; i < tn_run_ops(t->run); i++) {
        tn_op_run *op = tn_run_op(t->run, i);
        if (!op->gpu) op->step = step; /* there it is the GPU's own copy */
        TN_TRY(tn_op_forward(op));
        bool finite = true;
        TN_TRY(look_at(op, step->n_valid, &finite, what));
        if (finite) continue;
        *name = op->op->name;
        *layer = op->op->layer;
        break;
    }
    return TN_OK;
}

/* Statistics are left out: the forward pass that went wrong has already moved them. */
static const tn_param_spec *bad_parameter(const tn_net *net) {
    for (int i = 0; i < net->plan.n_params; i++) {
        const tn_param *p = &net->param[i];
        if (tn_param_learns(p->spec) && tn_params_non_finite_value(p, 1, 1) == 0) return p->spec;
    }
    return NULL;
}

static const char advice[] = "Nothing of this update was kept. A lower learning_rate or a longer "
                             "burn_in usually helps";

static tn_status blame(const tn_trainer *t, const char *what, const char *where) {
    const tn_train_position *p = &t->position;
    return tn_fail("iteration %llu (epoch %.3f): %s: %s. %s", (unsigned long long)p->updates + 1,
                   tn_schedule_epochs(&t->schedule, p->updates + 1), what, where, advice);
}

tn_status tn_trainer_diagnose(tn_trainer *t, const tn_step *step, double loss) {
    char what[96], where[256];
    if (isfinite(loss)) {
        const tn_param_spec *spec = t->net->param[t->bad_param].spec;
        snprintf(where, sizeof where, "layer %d, gradient of %s", spec->layer, spec->name);
        return blame(t, "a gradient is not finite", where);
    }
    snprintf(what, sizeof what, "the loss of images %d to %d of this update is %s",
             step->first_sample + 1, step->first_sample + step->n_valid, kind_of(loss));
    TN_TRY(tn_replicas_settle(t->replicas, false));
    const tn_param_spec *spec = bad_parameter(t->net);
    if (spec) {
        snprintf(where, sizeof where, "layer %d, parameter %s is not finite", spec->layer,
                 spec->name);
        return blame(t, what, where);
    }
    double value = 0;
    int layer = 0;
    const char *name;
    tn_tensor input = tn_run_input(t->run);
    if (!is_finite(&input, step->n_valid, &value)) {
        snprintf(where, sizeof where, "an input image holds %s", kind_of(value));
        return blame(t, what, where);
    }
    TN_TRY(first_bad_output(t, step, &name, &layer, &value));
    if (name)
        snprintf(where, sizeof where, "layer %d (%s) is the first whose output holds %s", layer,
                 name, kind_of(value));
    else
        snprintf(where, sizeof where, "every layer's output is finite: it is the loss itself");
    return blame(t, what, where);
}
