/* Text that came from files, put into a page of XHTML or SVG so that nothing of it is markup. */
#ifndef TN_EVAL_HTML_H
#define TN_EVAL_HTML_H

#include "layers/device/status.h"

#include <stddef.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* `text` as the content of an element or of a quoted attribute: & < > " ' become numeric
 * references, and what XML forbids (control characters, bytes that are no UTF-8) U+FFFD. NULL is
 * nothing. */
void tn_html_text(FILE *to, const char *text);

/* printf whose result goes through tn_html_text; cut after 1023 bytes. */
void tn_html_print(FILE *to, const char *format, ...) TN_PRINTF(2, 3);

/* <img> with a PNG or JPEG file inside it as a data: URI (RFC 2397, base64 of RFC 4648): the file
 * itself, or, where its longer side is above `side` pixels, a JPEG of that size. Fails, naming the
 * file, when it is missing, damaged, of another kind, or larger than 16 MiB. */
tn_status tn_html_picture(FILE *to, const char *path, const char *alternative, int side);

#ifdef __cplusplus
}
#endif
#endif
