#include "tests/support/emulate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The order in which a launch runs the threads of a block. */
enum { FIRST_TO_LAST, LAST_TO_FIRST, MIXED, ORDERS };
enum { MOST_THREADS = 1024, LANES = 32, SLOT = 64, STACK = 64 << 10, MOST_SHARED = 64 };
enum { RUNS, AT_BLOCK_BARRIER, AT_WARP_BARRIER, DONE };

tn_emulated_index tn_emulated_thread, tn_emulated_block, tn_emulated_block_extent,
    tn_emulated_grid_extent;

static tn_emulated_kernel *kernels;

typedef struct fiber {
    void *place; /* its stack pointer while it waits */
    char *stack;
    int state;
} fiber;

static struct {
    fiber thread[MOST_THREADS];
    unsigned n, now;
    void *home; /* stack pointer of whoever launched */
    const tn_emulated_kernel *kernel;
    void **args;
    char slot[MOST_THREADS][SLOT];
    struct {
        const void *key;
        void *memory;
        size_t bytes;
        bool fresh;
    } shared[MOST_SHARED];
    unsigned n_shared, launches;
    void *dynamic;
    size_t dynamic_bytes;
} at;

void tn_emulate_add(tn_emulated_kernel *kernel) {
    kernel->next = kernels;
    kernels = kernel;
}

/* ---- switching from thread to thread ---- */

#ifdef __x86_64__
#define EMULATES 1
/* Saves what a function must keep, exchanges the stack, and returns where the other one left. */
__asm__(".text\n"
        ".local tn_emulate_switch\n"
        ".type tn_emulate_switch, @function\n"
        "tn_emulate_switch:\n"
        "  pushq %rbp\n  pushq %rbx\n  pushq %r12\n  pushq %r13\n  pushq %r14\n  pushq %r15\n"
        "  movq %rsp, (%rdi)\n"
        "  movq %rsi, %rsp\n"
        "  popq %r15\n  popq %r14\n  popq %r13\n  popq %r12\n  popq %rbx\n  popq %rbp\n"
        "  ret\n");
void tn_emulate_switch(void **leave, void *enter);
#else
#define EMULATES 0
static void tn_emulate_switch(void **leave, void *enter) {
    (void)leave;
    (void)enter;
    abort();
}
#endif

static void wait_as(int state) {
    fiber *f = &at.thread[at.now];
    f->state = state;
    tn_emulate_switch(&f->place, at.home);
}

/* Never returns: its frame would be left on the stack, so it has nothing for a sanitizer to mark.
 */
__attribute__((no_sanitize_address, noinline)) static void run_thread(void) {
    for (;;) {
        at.kernel->call(at.args);
        wait_as(DONE);
    }
}

static void start(fiber *f) {
    f->state = RUNS;
    if (f->place) return; /* it waits behind the call above */
    f->stack = aligned_alloc(64, STACK);
    if (!f->stack) abort();
    void **top = (void **)(void *)(f->stack + STACK) - 2;
    *top = (void *)(uintptr_t)run_thread;
    f->place = top - 6;
    memset(f->place, 0, 6 * sizeof *top);
}

static void resume(unsigned i) {
    const tn_emulated_index e = tn_emulated_block_extent;
    at.now = i;
    tn_emulated_thread = (tn_emulated_index){i % e.x, i / e.x % e.y, i / (e.x * e.y)};
    tn_emulate_switch(&at.home, at.thread[i].place);
}

/* ---- a block ---- */

/* Lets go a group of threads all of which wait for each other, or are done. */
static bool let_go(unsigned first, unsigned end, int state) {
    unsigned waiting = 0;
    for (unsigned i = first; i < end; i++) {
        const int s = at.thread[i].state;
        if (s != state && s != DONE) return false;
        waiting += s == state;
    }
    for (unsigned i = first; i < end; i++)
        if (at.thread[i].state == state) at.thread[i].state = RUNS;
    return waiting > 0;
}

static unsigned in_order(unsigned i) {
    switch (at.launches % ORDERS) {
    case FIRST_TO_LAST:
        return i;
    case LAST_TO_FIRST:
        return at.n - 1 - i;
    default: { /* warps from both ends, lanes by an odd step */
        const unsigned lane = (i * 13 + 5) % LANES, warp = i / LANES;
        const unsigned whole = at.n / LANES * LANES;
        if (i >= whole) return i;
        return (warp % 2 ? warp / 2 : (whole / LANES - 1) - warp / 2) * LANES + lane;
    }
    }
}

static bool run_block(void) {
    for (unsigned i = 0; i < at.n_shared; i++) at.shared[i].fresh = true;
    if (at.dynamic_bytes) memset(at.dynamic, 0xff, at.dynamic_bytes);
    for (unsigned i = 0; i < at.n; i++) start(&at.thread[i]);
    for (;;) {
        unsigned ran = 0, done = 0;
        for (unsigned i = 0; i < at.n; i++) {
            const unsigned t = in_order(i);
            if (at.thread[t].state != RUNS) continue;
            resume(t);
            ran++;
        }
        for (unsigned w = 0; w < at.n; w += LANES) {
            const unsigned end = w + LANES < at.n ? w + LANES : at.n;
            ran += let_go(w, end, AT_WARP_BARRIER);
        }
        for (unsigned i = 0; i < at.n; i++) done += at.thread[i].state == DONE;
        if (done == at.n) return true;
        ran += let_go(0, at.n, AT_BLOCK_BARRIER);
        if (!ran) break;
    }
    fprintf(stderr, "emulated %s: threads of a block wait for each other at different places\n",
            at.kernel->name);
    return false;
}

/* ---- what kernels call ---- */

void tn_emulate_block_barrier(void) {
    wait_as(AT_BLOCK_BARRIER);
}

void tn_emulate_warp_barrier(void) {
    wait_as(AT_WARP_BARRIER);
}

unsigned tn_emulate_lane(void) {
    return at.now % LANES;
}

void *tn_emulate_slot(unsigned lane) {
    return at.slot[at.now / LANES * LANES + lane];
}

void *tn_emulate_shared(const void *key, size_t bytes) {
    unsigned i = 0;
    while (i < at.n_shared && at.shared[i].key != key) i++;
    if (i == MOST_SHARED || bytes > 48 << 10) abort();
    if (i == at.n_shared) {
        const size_t room = (bytes + 63) / 64 * 64;
        at.n_shared++;
        at.shared[i].key = key;
        at.shared[i].bytes = room;
        at.shared[i].memory = aligned_alloc(64, room);
        at.shared[i].fresh = true;
        if (!at.shared[i].memory) abort();
    }
    if (at.shared[i].fresh) memset(at.shared[i].memory, 0xff, at.shared[i].bytes);
    at.shared[i].fresh = false;
    return at.shared[i].memory;
}

void *tn_emulate_dynamic_shared(void) {
    return at.dynamic;
}

/* ---- for the emulated driver ---- */

static void *find(const char *name) {
    for (tn_emulated_kernel *k = kernels; k; k = k->next)
        if (strcmp(k->name, name) == 0) return k;
    return NULL;
}

/* layers/ops/pool.cu holds the kernels of "pool". */
static bool emulates(const char *source) {
    const size_t length = strlen(source);
    for (const tn_emulated_kernel *k = kernels; k; k = k->next) {
        const char *base = strrchr(k->file, '/');
        base = base ? base + 1 : k->file;
        if (strncmp(base, source, length) == 0 && strcmp(base + length, ".cu") == 0)
            return EMULATES;
    }
    return false;
}

static int launch(void *kernel, tn_gpu_extent grid, tn_gpu_extent block, size_t shared_bytes,
                  void **args) {
    at.kernel = kernel;
    at.args = args;
    at.n = block.x * block.y * block.z;
    if (at.n == 0 || at.n > at.kernel->most_threads) return TN_CUDA_LAUNCH_FAILED;
    at.dynamic_bytes = shared_bytes;
    at.dynamic = shared_bytes ? aligned_alloc(128, (shared_bytes + 127) / 128 * 128) : NULL;
    tn_emulated_block_extent = (tn_emulated_index){block.x, block.y, block.z};
    tn_emulated_grid_extent = (tn_emulated_index){grid.x, grid.y, grid.z};
    bool good = true;
    for (unsigned z = 0; z < grid.z && good; z++)
        for (unsigned y = 0; y < grid.y && good; y++)
            for (unsigned x = 0; x < grid.x && good; x++) {
                tn_emulated_block = (tn_emulated_index){x, y, z};
                good = run_block();
            }
    at.launches++;
    free(at.dynamic);
    return good ? 0 : TN_CUDA_LAUNCH_FAILED;
}

void tn_emulate_install(tn_fake_gpu *fake) {
    fake->find = find;
    fake->launch = launch;
    fake->emulates = emulates;
}
