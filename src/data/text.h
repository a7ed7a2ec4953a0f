/* Small text files read whole, and their lines. */
#ifndef TN_DATA_TEXT_H
#define TN_DATA_TEXT_H

#include "layers/device/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* tn_fail with ": <what errno says>" at the end. */
tn_status tn_fail_errno(const char *format, ...) TN_PRINTF(1, 2);

/* Reads a whole regular file of at most `max_bytes` bytes. A zero byte follows the last one, not
 * counted in *size. The caller frees *bytes. Fails on a missing file, a folder, an oversized file.
 */
tn_status tn_read_file(const char *path, size_t max_bytes, uint8_t **bytes, size_t *size);

/* A copy of `size` bytes of text that ends in a zero byte, to be freed by the caller; a leading
 * UTF-8 byte-order mark is left out. Fails when a zero byte is inside: no text has one, and what
 * follows it would be lost in silence. */
tn_status tn_text_from(const char *bytes, size_t size, const char *name, char **out);

/* The file that `name`, found in the file `beside`, means: itself when it is absolute or exists
 * seen from the working directory; else the one of that name in beside's folder when that exists;
 * else itself. The caller frees *out. */
tn_status tn_find_beside(const char *name, const char *beside, char **out);

/* The next line of *cursor, cut (in place) at its LF or CRLF; NULL at the end. The text must end in
 * a zero byte, as tn_read_file leaves it. A last line without LF counts; nothing after LF does not.
 */
char *tn_next_line(char **cursor);

/* Cuts spaces, tabs and CRs at both ends, in place; what is inside stays. */
char *tn_trim(char *text);

#ifdef __cplusplus
}
#endif
#endif
