/* Opening the CUDA driver, cuDNN and cuBLAS: shared libraries that need not be there. */
#include "layers/device/gpu_driver.h"

#include "layers/device/cudnn.h"
#include "layers/device/library.h"
#include "layers/device/nccl.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

/* ---- cuDNN ---- */

static tn_cudnn cudnn_table;
static char cudnn_trouble[512];
static pthread_once_t cudnn_once = PTHREAD_ONCE_INIT;

static tn_status fill_cudnn(void) {
    enum { OLDEST = 90000, NEWEST = 100000 };
    static const char *const names[] = {"libcudnn.so.9", NULL};
    void *library;
    TN_TRY(tn_library_open("cuDNN 9", names, "cudnn", &library));
    TN_TRY(tn_library_symbol(library, "cudnnGetVersion", &cudnn_table.GetVersion));
    TN_TRY(tn_library_symbol(library, "cudnnGetErrorString", &cudnn_table.GetErrorString));
#define ROW(name, arguments) TN_TRY(tn_library_symbol(library, "cudnn" #name, &cudnn_table.name));
    TN_CUDNN_FUNCTIONS(ROW)
#undef ROW
    const size_t version = cudnn_table.GetVersion();
    if (version >= OLDEST && version < NEWEST) return TN_OK;
    return tn_fail("libcudnn.so.9 is version %zu, expected 9", version);
}

static void open_cudnn(void) {
    if (fill_cudnn() != TN_OK) snprintf(cudnn_trouble, sizeof cudnn_trouble, "%s", tn_error());
}

const tn_cudnn *tn_cudnn_open(void) {
    pthread_once(&cudnn_once, open_cudnn);
    if (!*cudnn_trouble) return &cudnn_table;
    (void)tn_fail_with(cudnn_trouble);
    return NULL;
}

tn_status tn_cudnn_check(const tn_cudnn *c, int status, const char *call, const char *what) {
    if (status == TN_CUDNN_SUCCESS) return TN_OK;
    return tn_fail("%s: %s failed: %s (status %d)", what, call, c->GetErrorString(status), status);
}

/* ---- cuBLAS ---- */

static tn_cublas cublas_table;
static char cublas_trouble[512];
static pthread_once_t cublas_once = PTHREAD_ONCE_INIT;

static tn_status fill_cublas(void) {
    static const char *const names[] = {"libcublas.so.13", "libcublas.so.12", NULL};
    void *library;
    TN_TRY(tn_library_open("cuBLAS", names, "cublas", &library));
    TN_TRY(tn_library_symbol(library, "cublasGetStatusString", &cublas_table.GetStatusString));
#define ROW(name, symbol, arguments) TN_TRY(tn_library_symbol(library, symbol, &cublas_table.name));
    TN_CUBLAS_FUNCTIONS(ROW)
#undef ROW
    return TN_OK;
}

static void open_cublas(void) {
    if (fill_cublas() != TN_OK) snprintf(cublas_trouble, sizeof cublas_trouble, "%s", tn_error());
}

const tn_cublas *tn_cublas_open(void) {
    pthread_once(&cublas_once, open_cublas);
    if (!*cublas_trouble) return &cublas_table;
    (void)tn_fail_with(cublas_trouble);
    return NULL;
}

tn_status tn_cublas_check(const tn_cublas *c, int status, const char *call, const char *what) {
    if (status == TN_CUBLAS_SUCCESS) return TN_OK;
    return tn_fail("%s: %s failed: %s (status %d)", what, call, c->GetStatusString(status), status);
}

/* ---- the driver ---- */

static tn_gpu_driver driver_table;
static const tn_gpu_driver *replacement;
static char driver_trouble[512];
static pthread_once_t driver_once = PTHREAD_ONCE_INIT;

static tn_status start_driver(void) {
    enum { OLDEST = 12000 };
    const int error = driver_table.Init(0);
    if (error == TN_CUDA_NO_DEVICE) return tn_fail("the CUDA driver finds no GPU");
    if (error) return tn_gpu_fail(&driver_table, error, "cuInit");
    int version = 0;
    (void)driver_table.DriverGetVersion(&version);
    if (version >= OLDEST) return TN_OK;
    return tn_fail("the CUDA driver is of CUDA %d.%d, expected 12.0 or newer: install a newer one",
                   version / 1000, version % 1000 / 10);
}

static tn_status fill_driver(void) {
    static const char *const names[] = {"libcuda.so.1", NULL};
    void *library;
    TN_TRY(tn_library_open("NVIDIA's driver", names, NULL, &library));
#define ROW(name, symbol, arguments) TN_TRY(tn_library_symbol(library, symbol, &driver_table.name));
    TN_CUDA_FUNCTIONS(ROW)
#undef ROW
    driver_table.cudnn = tn_cudnn_open;
    driver_table.cublas = tn_cublas_open;
    driver_table.nccl = tn_nccl_open;
    return start_driver();
}

static void open_driver(void) {
    if (fill_driver() != TN_OK) snprintf(driver_trouble, sizeof driver_trouble, "%s", tn_error());
}

const tn_gpu_driver *tn_gpu_driver_in_use(void) {
    if (replacement) return replacement;
    pthread_once(&driver_once, open_driver);
    if (!*driver_trouble) return &driver_table;
    (void)tn_fail_with(driver_trouble);
    return NULL;
}

void tn_gpu_use_driver(const tn_gpu_driver *driver) {
    replacement = driver;
}
