#include "layers/device/gpu.h"
#include "layers/device/gpu_inside.h"

static tn_cu_address address(const void *p) {
    return (tn_cu_address)(uintptr_t)p;
}

tn_status tn_gpu_memory(tn_gpu *gpu, size_t *free_bytes, size_t *all_bytes) {
    TN_TRY(tn_gpu_make_current(gpu));
    TN_GPU_CALL(gpu, MemGetInfo(free_bytes, all_bytes), "cuMemGetInfo of GPU %d", gpu->index);
    return TN_OK;
}

tn_status tn_gpu_alloc(tn_gpu *gpu, size_t bytes, const char *what, void **out) {
    *out = NULL;
    tn_cu_address memory = 0;
    TN_TRY(tn_gpu_make_current(gpu));
    const int error = gpu->driver->MemAlloc(&memory, bytes ? bytes : 1);
    if (error == TN_CUDA_OUT_OF_MEMORY) {
        size_t room = 0, all = 0;
        (void)gpu->driver->MemGetInfo(&room, &all);
        return tn_fail("GPU %d has too little memory: %s needs %.1f MiB, %.1f of %.1f MiB are free",
                       gpu->index, tn_gpu_named(what), tn_gpu_mebibytes(bytes),
                       tn_gpu_mebibytes(room), tn_gpu_mebibytes(all));
    }
    if (error)
        return tn_gpu_fail(gpu->driver, error, "cuMemAlloc of %zu bytes for %s", bytes,
                           tn_gpu_named(what));
    *out = (void *)(uintptr_t)memory;
    return TN_OK;
}

void tn_gpu_free(tn_gpu *gpu, void *memory) {
    if (!memory) return;
    (void)gpu->driver->CtxSetCurrent(gpu->context);
    (void)gpu->driver->MemFree(address(memory));
}

tn_status tn_gpu_copy_in(tn_gpu *gpu, void *to, const void *from, size_t bytes, const char *what) {
    TN_TRY(tn_gpu_make_current(gpu));
    if (bytes)
        TN_GPU_CALL(gpu, MemcpyHtoD(address(to), from, bytes, gpu->stream),
                    "copying %zu bytes of %s to GPU %d", bytes, tn_gpu_named(what), gpu->index);
    return gpu->waits ? tn_gpu_synchronize(gpu, what) : TN_OK;
}

tn_status tn_gpu_copy_out(tn_gpu *gpu, void *to, const void *from, size_t bytes, const char *what) {
    TN_TRY(tn_gpu_make_current(gpu));
    if (bytes)
        TN_GPU_CALL(gpu, MemcpyDtoH(to, address(from), bytes, gpu->stream),
                    "copying %zu bytes of %s from GPU %d", bytes, tn_gpu_named(what), gpu->index);
    return tn_gpu_synchronize(gpu, what);
}

tn_status tn_gpu_copy(tn_gpu *gpu, void *to, const void *from, size_t bytes, const char *what) {
    TN_TRY(tn_gpu_make_current(gpu));
    if (bytes)
        TN_GPU_CALL(gpu, MemcpyDtoD(address(to), address(from), bytes, gpu->stream),
                    "copying %zu bytes of %s within GPU %d", bytes, tn_gpu_named(what), gpu->index);
    return gpu->waits ? tn_gpu_synchronize(gpu, what) : TN_OK;
}

tn_status tn_gpu_zero(tn_gpu *gpu, void *at, size_t bytes, const char *what) {
    TN_TRY(tn_gpu_make_current(gpu));
    if (bytes)
        TN_GPU_CALL(gpu, MemsetD8(address(at), 0, bytes, gpu->stream),
                    "zeroing %zu bytes of %s on GPU %d", bytes, tn_gpu_named(what), gpu->index);
    return gpu->waits ? tn_gpu_synchronize(gpu, what) : TN_OK;
}

tn_status tn_gpu_synchronize(tn_gpu *gpu, const char *what) {
    TN_TRY(tn_gpu_make_current(gpu));
    TN_GPU_CALL(gpu, StreamSynchronize(gpu->stream), "waiting for GPU %d (%s)%s", gpu->index,
                tn_gpu_named(what),
                gpu->waits ? "" : ", for this or an earlier call (TN_GPU_SYNC=1 tells which)");
    return TN_OK;
}

tn_status tn_gpu_mark(tn_gpu *gpu, int mark) {
    TN_TRY(tn_gpu_make_current(gpu));
    TN_GPU_CALL(gpu, EventRecord(gpu->mark[mark], gpu->stream), "cuEventRecord on GPU %d",
                gpu->index);
    return TN_OK;
}

tn_status tn_gpu_elapsed(tn_gpu *gpu, float *milliseconds) {
    TN_TRY(tn_gpu_make_current(gpu));
    TN_GPU_CALL(gpu, EventSynchronize(gpu->mark[1]), "cuEventSynchronize on GPU %d", gpu->index);
    TN_GPU_CALL(gpu, EventElapsedTime(milliseconds, gpu->mark[0], gpu->mark[1]),
                "cuEventElapsedTime on GPU %d", gpu->index);
    return TN_OK;
}
