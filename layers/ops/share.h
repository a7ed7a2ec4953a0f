/* How work is cut into one share a thread. */
#ifndef TN_OPS_SHARE_H
#define TN_OPS_SHARE_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Share [begin, end) of `count` things that part `part` of `parts` works on. */
typedef struct tn_span {
    size_t begin, end;
} tn_span;

static inline tn_span tn_share(size_t count, int part, int parts) {
    const size_t p = (size_t)part, all = (size_t)parts;
    return (tn_span){count / all * p + count % all * p / all,
                     count / all * (p + 1) + count % all * (p + 1) / all};
}

#ifdef __cplusplus
}
#endif
#endif
