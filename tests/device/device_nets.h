/* Whole nets on a GPU against the processor (test_device_nets.c): what its parts share. */
#ifndef TN_TESTS_DEVICE_NETS_H
#define TN_TESTS_DEVICE_NETS_H

#include "layers/device/choices.h"
#include "src/net/replicas.h"

enum { DEVICE_MOST_BATCH = 64, DEVICE_CLASSES = 2 };

/* "thyronet-smooth" is cfg/thyronet.cfg without kinks (tests/support/smooth.h): its gradients are
 * held to much less. */
#define DEVICE_SMOOTH "-smooth"
bool device_is_smooth(const char *name);

/* What is tried, and where. */
typedef struct device_trial {
    tn_gpu *gpu;
    tn_precision precision;
    int size, batch; /* pixels, images */
    int steps;       /* each restarted from the processor's state */
    int resumed;     /* training steps of a run that is interrupted half way; 0: not tried */
} device_trial;

/* ---- results (device_report.c) ---- */

/* What is measured. Differences are relative to the processor in fp32; the last two are counts. */
typedef enum device_measure {
    DEVICE_FORWARD,    /* scores before the softmax: the largest apart over the largest */
    DEVICE_LOSS,       /* apart, over 1 or the loss */
    DEVICE_GRADIENTS,  /* of each tensor, in the Euclidean norm */
    DEVICE_WEIGHTS,    /* what an update changed, all tensors together, in that norm */
    DEVICE_MOMENTS,    /* Adam's first and second, all tensors together, in that norm */
    DEVICE_STATISTICS, /* of each tensor; a mean over the standard deviation */
    DEVICE_UPDATE,     /* an element after an update, to the processor's from the same gradients */
    DEVICE_FILES,      /* .weights files, tensors or answers that are not the same bits */
    DEVICE_RESUMED,    /* tensors, moments or losses that are not the same bits */
    DEVICE_MEASURES
} device_measure;

double device_bound(device_measure measure, tn_precision precision, bool smooth);

/* A row of the table, begun and ended; in between, the worst of each measure counts. `where` is
 * copied. */
void device_begin(const char *net, tn_precision precision);
void device_record(device_measure measure, double found, const char *where);
void device_end(void);

/* Prints the table of all rows; returns the number of measures above their bounds. */
int device_table(void);

/* ---- what every part needs (device_nets.c) ---- */

/* Ends the program with a line "not ok" when something failed that nothing here expects to fail. */
void device_must(tn_status status);

typedef struct device_training {
    tn_net *net;
    tn_choices *choices; /* on the GPU */
    tn_replicas *replicas;
    double loss; /* of the last step, a sample's mean */
} device_training;

/* The net of that name with weights from `seed`, to be trained by Adam. `choices` (taken over) on a
 * GPU; NULL: on the processor. */
void device_open(device_training *t, const device_trial *trial, const char *name, uint64_t seed,
                 tn_choices *choices);
void device_close(device_training *t);
/* None yet. */
tn_choices *device_choices(const device_trial *trial);

/* Fills a replica's input with mini-batch `index`, the same everywhere. */
void device_draw(const tn_run *run, uint32_t index);
/* Forward and backward of mini-batch `step`, the same everywhere. */
void device_pass(device_training *t, const device_trial *trial, int step);
/* Moves the weights; afterwards the net's and the optimizer's memory holds what the GPU's does. */
void device_update(device_training *t);
extern const double device_rate;

/* Whoever wrote the net's values or the optimizer's moments calls this. */
void device_written(device_training *t);

/* Euclidean norms of a - b and of a. */
typedef struct device_norms {
    double apart, size;
} device_norms;
/* Adds n elements to both (as squares until device_ratio). */
void device_add(device_norms *norms, const tn_real *a, const tn_real *b, size_t n);
/* apart over size, or over `least` where that is more. */
double device_ratio(const device_norms *norms, double least);

/* ---- the parts; they record what they find ---- */

/* device_steps.c: trial->steps steps, `there` given the state of `here` before each. Both are left
 * as the last step left them. */
void device_try_steps(const device_trial *trial, device_training *here, device_training *there);
/* device_files.c: answers of both, and .weights files from there to here and back. */
void device_try_files(const device_trial *trial, const char *name, device_training *here,
                      device_training *there);
/* device_resume.c */
void device_try_resumed(const device_trial *trial, const char *name);

#endif
