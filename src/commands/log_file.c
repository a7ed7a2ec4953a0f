#include "src/commands/log_file.h"

#include "src/data/text.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

tn_status tn_log_begin(const char *path, bool add, int *back) {
    fflush(stderr);
    const int to = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | (add ? O_APPEND : O_TRUNC), 0666);
    if (to < 0) return tn_fail_errno("%s", path);
    *back = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (*back < 0 || dup2(to, STDERR_FILENO) < 0) {
        const tn_status status = tn_fail_errno("%s: stderr cannot be led there", path);
        if (*back >= 0) close(*back);
        close(to);
        return status;
    }
    close(to);
    return TN_OK;
}

void tn_log_end(int back) {
    fflush(stderr);
    if (dup2(back, STDERR_FILENO) >= 0) close(back);
}
