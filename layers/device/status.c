#include "layers/device/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#undef tn_fail /* clang-tidy's view of them (status.h) */
#undef tn_fail_in

enum { MESSAGE_BYTES = 2048 };

static _Thread_local char message[MESSAGE_BYTES];

tn_status tn_fail(const char *format, ...) {
    char next[MESSAGE_BYTES]; /* the arguments may point into the present message */
    va_list args;
    va_start(args, format);
    vsnprintf(next, sizeof next, format, args);
    va_end(args);
    memcpy(message, next, sizeof message);
    return TN_FAIL;
}

tn_status tn_fail_in(const char *format, ...) {
    char prefix[MESSAGE_BYTES / 2];
    va_list args;
    va_start(args, format);
    vsnprintf(prefix, sizeof prefix, format, args);
    va_end(args);
    return tn_fail("%s: %s", prefix, message);
}

tn_status tn_fail_with(const char *text) {
    return tn_fail("%s", text);
}

const char *tn_error(void) {
    return message;
}
