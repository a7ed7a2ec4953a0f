#include "layers/ops/library_onednn.h"

#include <pthread.h>

#ifdef _OPENMP
#include <omp.h>
#endif

static dnnl_engine_t engine;
static dnnl_status_t engine_status = dnnl_runtime_error;
static pthread_once_t engine_once = PTHREAD_ONCE_INIT;

static void make_engine(void) {
    engine_status = dnnl_engine_create(&engine, dnnl_cpu, 0);
}

dnnl_status_t tn_onednn_start(void) {
    pthread_once(&engine_once, make_engine);
    return engine_status;
}

dnnl_engine_t tn_onednn_engine(void) {
    return engine;
}

int tn_onednn_set_threads(int threads) {
#ifdef _OPENMP
    const int before = omp_get_max_threads();
    if (before != threads) omp_set_num_threads(threads);
    return before;
#else
    return threads;
#endif
}
