#include "layers/device/nccl.h"

#include "layers/device/library.h"

#include <pthread.h>
#include <stdio.h>

static tn_nccl table;
static char trouble[512];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static tn_status fill(void) {
    static const char *const names[] = {"libnccl.so.2", NULL};
    void *library;
    TN_TRY(tn_library_open("NCCL, which several GPUs need,", names, "nccl", &library));
    TN_TRY(tn_library_symbol(library, "ncclGetErrorString", &table.GetErrorString));
#define ROW(name, arguments) TN_TRY(tn_library_symbol(library, "nccl" #name, &table.name));
    TN_NCCL_FUNCTIONS(ROW)
#undef ROW
    return TN_OK;
}

static void open_it(void) {
    if (fill() != TN_OK) snprintf(trouble, sizeof trouble, "%s", tn_error());
}

const tn_nccl *tn_nccl_open(void) {
    pthread_once(&once, open_it);
    if (!*trouble) return &table;
    (void)tn_fail_with(trouble);
    return NULL;
}

tn_status tn_nccl_check(const tn_nccl *nccl, int status, const char *call) {
    if (status == TN_NCCL_SUCCESS) return TN_OK;
    return tn_fail("%s failed: %s (status %d)", call, nccl->GetErrorString(status), status);
}
