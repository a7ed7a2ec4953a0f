#include "layers/ops/update.h"

TN_GPU_SOURCE(update);

bool tn_update_serves(const tn_gpu *gpu) {
    return tn_gpu_has(gpu, &update_source);
}

static tn_status launch(tn_gpu *gpu, const char *kernel, tn_update_args args, int n,
                        uint64_t most) {
    const uint64_t chunks = (most + TN_UPDATE_CHUNK - 1) / TN_UPDATE_CHUNK;
    if (n == 0 || chunks == 0) return TN_OK;
    const tn_gpu_extent grid = {(unsigned)chunks, (unsigned)n, 1};
    return tn_gpu_launch(gpu, &update_source, kernel, grid, (tn_gpu_extent){TN_UPDATE_THREADS}, 0,
                         TN_GPU_ARGS(&args), "the optimizer");
}

tn_status tn_update_run(tn_gpu *gpu, const tn_update_row *rows, int n, uint64_t most, bool adam) {
    return launch(gpu, "tn_update_tensors", (tn_update_args){.row = rows, .adam = adam}, n, most);
}

tn_status tn_update_search(tn_gpu *gpu, const tn_update_row *rows, int n, uint64_t most,
                           int *found) {
    return launch(gpu, "tn_update_find_non_finite", (tn_update_args){.row = rows, .found = found},
                  n, most);
}
