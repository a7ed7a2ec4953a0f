#include "tests/support/fake_gpu.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Larger blocks stay within reach, and are NaN at their beginning alone: it takes too long. */
enum { MOST_BLOCKS = 2048, PAGE = 4096, MOST_GUARDED = 8 << 20 };

static tn_fake_gpu fake;
static struct {
    char *at;
    size_t bytes;
} block[MOST_BLOCKS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int place; /* what contexts, streams, ... point to */

/* Whether this call is the one that was told to fail. */
static int failure(const char *call) {
    if (!fake.fail_call || strcmp(fake.fail_call, call) != 0) return 0;
    return fake.fail_after-- == 0 ? fake.fail_code : 0;
}

static void protect(int how) {
    for (int i = 0; i < MOST_BLOCKS; i++)
        if (block[i].at && block[i].bytes <= MOST_GUARDED &&
            mprotect(block[i].at, block[i].bytes, how) != 0)
            abort();
}

void tn_fake_gpu_reach(void) {
    pthread_mutex_lock(&lock);
    protect(PROT_READ | PROT_WRITE);
}

void tn_fake_gpu_leave(void) {
    protect(PROT_NONE);
    pthread_mutex_unlock(&lock);
}

#define FAIL_IF_TOLD(call)                                                                         \
    do {                                                                                           \
        const int told_ = failure(call);                                                           \
        if (told_) return told_;                                                                   \
    } while (0)

static int init(unsigned flags) {
    (void)flags;
    FAIL_IF_TOLD("Init");
    return 0;
}

static int driver_version(int *version) {
    *version = 13000;
    return 0;
}

static int error_name(int error, const char **text) {
    *text = error == TN_CUDA_OUT_OF_MEMORY   ? "CUDA_ERROR_OUT_OF_MEMORY"
            : error == TN_CUDA_LAUNCH_FAILED ? "CUDA_ERROR_LAUNCH_FAILED"
            : error == TN_CUDA_NOT_FOUND     ? "CUDA_ERROR_NOT_FOUND"
                                             : "CUDA_ERROR_OTHER";
    return 0;
}

static int error_words(int error, const char **text) {
    *text = error == TN_CUDA_LAUNCH_FAILED ? "unspecified launch failure" : "emulated failure";
    return 0;
}

static int device_count(int *count) {
    *count = fake.devices;
    return failure("DeviceGetCount");
}

static int device_get(int *device, int index) {
    *device = index;
    return failure("DeviceGet");
}

static int device_name(char *name, int room, int device) {
    snprintf(name, (size_t)room, "Emulated GPU %d", device);
    return 0;
}

static int device_attribute(int *value, int attribute, int device) {
    (void)device;
    switch (attribute) {
    case TN_CUDA_ATTRIBUTE_PROCESSORS:
        *value = 4;
        return 0;
    case TN_CUDA_ATTRIBUTE_MAJOR:
        *value = fake.arch / 10;
        return 0;
    case TN_CUDA_ATTRIBUTE_MINOR:
        *value = fake.arch % 10;
        return 0;
    case TN_CUDA_ATTRIBUTE_SHARED_OPTIN:
        *value = 99 << 10;
        return 0;
    default:
        return 1;
    }
}

static int total_memory(size_t *bytes, int device) {
    (void)device;
    *bytes = fake.memory_bytes;
    return 0;
}

static int context_retain(void **context, int device) {
    (void)device;
    FAIL_IF_TOLD("DevicePrimaryCtxRetain");
    fake.open_contexts++;
    *context = &place;
    return 0;
}

static int context_release(int device) {
    (void)device;
    fake.open_contexts--;
    return 0;
}

static int context_set(void *context) {
    return context == &place ? 0 : 201;
}

static int memory_info(size_t *free_bytes, size_t *all) {
    *free_bytes = fake.memory_bytes - fake.used_bytes;
    *all = fake.memory_bytes;
    return 0;
}

static int take(tn_cu_address *memory, size_t bytes) {
    if (bytes > fake.memory_bytes - fake.used_bytes) return TN_CUDA_OUT_OF_MEMORY;
    for (int i = 0; i < MOST_BLOCKS; i++) {
        if (block[i].at) continue;
        const size_t room = (bytes + PAGE - 1) / PAGE * PAGE;
        char *at = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (at == MAP_FAILED) return TN_CUDA_OUT_OF_MEMORY;
        memset(at, 0xff, room < MOST_GUARDED ? room : MOST_GUARDED); /* NaNs */
        block[i].at = at;
        block[i].bytes = room;
        fake.used_bytes += room;
        fake.allocations++;
        *memory = (tn_cu_address)(uintptr_t)at;
        return 0;
    }
    return TN_CUDA_OUT_OF_MEMORY;
}

static int memory_alloc(tn_cu_address *memory, size_t bytes) {
    FAIL_IF_TOLD("MemAlloc");
    tn_fake_gpu_reach();
    const int error = take(memory, bytes);
    tn_fake_gpu_leave();
    return error;
}

static int memory_free(tn_cu_address memory) {
    int error = 1;
    tn_fake_gpu_reach();
    for (int i = 0; i < MOST_BLOCKS; i++) {
        if ((uintptr_t)block[i].at != memory) continue;
        munmap(block[i].at, block[i].bytes);
        fake.used_bytes -= block[i].bytes;
        fake.allocations--;
        block[i].at = NULL;
        error = 0;
    }
    tn_fake_gpu_leave();
    return error;
}

static bool inside(tn_cu_address at, size_t bytes) {
    for (int i = 0; i < MOST_BLOCKS; i++) {
        const tn_cu_address begin = (uintptr_t)block[i].at;
        if (begin && at >= begin && at + bytes <= begin + block[i].bytes) return true;
    }
    return false;
}

bool tn_fake_gpu_holds(const void *at, size_t bytes) {
    return inside((tn_cu_address)(uintptr_t)at, bytes);
}

static int copy_in(tn_cu_address to, const void *from, size_t bytes, void *stream) {
    (void)stream;
    FAIL_IF_TOLD("MemcpyHtoD");
    tn_fake_gpu_reach();
    const bool fits = inside(to, bytes);
    if (fits) memcpy((void *)(uintptr_t)to, from, bytes);
    fake.copies_in++;
    tn_fake_gpu_leave();
    return fits ? 0 : 1;
}

static int copy_out(void *to, tn_cu_address from, size_t bytes, void *stream) {
    (void)stream;
    FAIL_IF_TOLD("MemcpyDtoH");
    tn_fake_gpu_reach();
    const bool fits = inside(from, bytes);
    if (fits) memcpy(to, (const void *)(uintptr_t)from, bytes);
    fake.copies_out++;
    tn_fake_gpu_leave();
    return fits ? 0 : 1;
}

static int copy_within(tn_cu_address to, tn_cu_address from, size_t bytes, void *stream) {
    (void)stream;
    FAIL_IF_TOLD("MemcpyDtoD");
    tn_fake_gpu_reach();
    const bool fits = inside(to, bytes) && inside(from, bytes);
    if (fits) memcpy((void *)(uintptr_t)to, (const void *)(uintptr_t)from, bytes);
    tn_fake_gpu_leave();
    return fits ? 0 : 1;
}

static int set_bytes(tn_cu_address at, unsigned char value, size_t bytes, void *stream) {
    (void)stream;
    FAIL_IF_TOLD("MemsetD8");
    tn_fake_gpu_reach();
    const bool fits = inside(at, bytes);
    if (fits) memset((void *)(uintptr_t)at, value, bytes);
    tn_fake_gpu_leave();
    return fits ? 0 : 1;
}

static int stream_create(void **stream, unsigned flags) {
    (void)flags;
    FAIL_IF_TOLD("StreamCreate");
    fake.streams++;
    *stream = &place;
    return 0;
}

static int stream_destroy(void *stream) {
    (void)stream;
    fake.streams--;
    return 0;
}

static int stream_wait(void *stream) {
    (void)stream;
    return failure("StreamSynchronize");
}

static int event_create(void **event, unsigned flags) {
    (void)flags;
    *event = &place;
    return 0;
}

static int event_any(void *event) {
    (void)event;
    return 0;
}

static int event_record(void *event, void *stream) {
    (void)event;
    (void)stream;
    return 0;
}

static int event_elapsed(float *milliseconds, void *from, void *to) {
    (void)from;
    (void)to;
    *milliseconds = 1;
    return 0;
}

static int module_load(void **module, const void *image) {
    (void)image;
    FAIL_IF_TOLD("ModuleLoadData");
    *module = &place;
    return 0;
}

static int module_unload(void *module) {
    (void)module;
    return 0;
}

static int module_function(void **function, void *module, const char *name) {
    (void)module;
    *function = fake.find ? fake.find(name) : NULL;
    return *function ? 0 : TN_CUDA_NOT_FOUND;
}

static int function_attribute(void *function, int attribute, int value) {
    (void)function;
    (void)attribute;
    (void)value;
    return failure("FuncSetAttribute");
}

static int launch_kernel(void *function, unsigned gx, unsigned gy, unsigned gz, unsigned bx,
                         unsigned by, unsigned bz, unsigned shared_bytes, void *stream, void **args,
                         void **extra) {
    (void)stream;
    (void)extra;
    FAIL_IF_TOLD("LaunchKernel");
    if (!fake.launch || bx * by * bz > 1024) return TN_CUDA_LAUNCH_FAILED;
    tn_fake_gpu_reach();
    fake.launches++;
    const int error = fake.launch(function, (tn_gpu_extent){gx, gy, gz},
                                  (tn_gpu_extent){bx, by, bz}, shared_bytes, args);
    tn_fake_gpu_leave();
    return error;
}

static bool emulates(const char *source) {
    return fake.emulates ? fake.emulates(source) : fake.find != NULL;
}

static const struct tn_cudnn *open_cudnn(void) {
    return fake.cudnn ? fake.cudnn() : NULL;
}

static const struct tn_cublas *open_cublas(void) {
    return fake.cublas ? fake.cublas() : NULL;
}

static const tn_gpu_driver table = {
    .Init = init,
    .DriverGetVersion = driver_version,
    .GetErrorName = error_name,
    .GetErrorString = error_words,
    .DeviceGetCount = device_count,
    .DeviceGet = device_get,
    .DeviceGetName = device_name,
    .DeviceGetAttribute = device_attribute,
    .DeviceTotalMem = total_memory,
    .DevicePrimaryCtxRetain = context_retain,
    .DevicePrimaryCtxRelease = context_release,
    .CtxSetCurrent = context_set,
    .MemGetInfo = memory_info,
    .MemAlloc = memory_alloc,
    .MemFree = memory_free,
    .MemcpyHtoD = copy_in,
    .MemcpyDtoH = copy_out,
    .MemcpyDtoD = copy_within,
    .MemsetD8 = set_bytes,
    .StreamCreate = stream_create,
    .StreamDestroy = stream_destroy,
    .StreamSynchronize = stream_wait,
    .EventCreate = event_create,
    .EventDestroy = event_any,
    .EventRecord = event_record,
    .EventSynchronize = event_any,
    .EventElapsedTime = event_elapsed,
    .ModuleLoadData = module_load,
    .ModuleUnload = module_unload,
    .ModuleGetFunction = module_function,
    .FuncSetAttribute = function_attribute,
    .LaunchKernel = launch_kernel,
    .emulates = emulates,
    .cudnn = open_cudnn,
    .cublas = open_cublas,
};

tn_fake_gpu *tn_fake_gpu_install(void) {
    fake = (tn_fake_gpu){.devices = 1, .arch = 90, .memory_bytes = (size_t)1 << 30};
    tn_gpu_use_driver(&table);
    return &fake;
}

void tn_fake_gpu_remove(void) {
    tn_gpu_use_driver(NULL);
    if (fake.allocations || fake.open_contexts || fake.streams) {
        fprintf(stderr, "left open: %d blocks of memory, %d contexts, %d streams\n",
                fake.allocations, fake.open_contexts, fake.streams);
        abort();
    }
}
