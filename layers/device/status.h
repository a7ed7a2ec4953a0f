/* Errors: every function that can fail returns a tn_status and leaves a sentence behind.
 *
 * The sentence says what was being done, what was found and what was expected, naming file, line or
 * index. It belongs to the calling thread and stays until that thread's next failure. Nothing in
 * layers/ prints or exits: commands do, and a host library may not like either. */
#ifndef TN_DEVICE_STATUS_H
#define TN_DEVICE_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

typedef enum tn_status {
    TN_OK = 0,
    TN_FAIL = 1,    /* tn_error() says what happened */
    TN_REFUSED = 2, /* a kernel that cannot serve this case: the next one in its table is asked */
} tn_status;

#if defined(__GNUC__)
#define TN_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define TN_MUST_CHECK        __attribute__((warn_unused_result))
#else
#define TN_PRINTF(fmt, args)
#define TN_MUST_CHECK
#endif

/* Sets the thread's message and returns TN_FAIL, so that `return tn_fail(...)` reads well. */
tn_status tn_fail(const char *format, ...) TN_PRINTF(1, 2);

/* Puts "<prefix>: " before the message that is there already and returns TN_FAIL: for callers that
 * know more about where (a file, a layer) than the function that failed. */
tn_status tn_fail_in(const char *format, ...) TN_PRINTF(1, 2);

#ifdef __clang_analyzer__ /* clang-tidy does not look into another file to see what is returned */
#define tn_fail(...)    ((void)tn_fail(__VA_ARGS__), TN_FAIL)
#define tn_fail_in(...) ((void)tn_fail_in(__VA_ARGS__), TN_FAIL)
#endif

/* The calling thread's last message; "" before the first failure. Valid until its next failure. */
const char *tn_error(void);

/* Takes over a message from another thread (the one that joins a failed worker). */
tn_status tn_fail_with(const char *message);

#define TN_TRY(expression)                                                                         \
    do {                                                                                           \
        tn_status tn_try_status_ = (expression);                                                   \
        if (tn_try_status_ != TN_OK) return tn_try_status_;                                        \
    } while (0)

#ifdef __cplusplus
}
#endif
#endif
