#include "src/eval/html.h"

#include "src/data/image.h"
#include "src/data/text.h"

#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_PICTURE_BYTES = 16 << 20 };

/* Bytes of the UTF-8 sequence at `s` that XML allows; 0: none begins there. */
static int sequence_at(const unsigned char *s) {
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    const int n = s[0] < 0x80   ? 1
                  : s[0] < 0xc2 ? 0
                  : s[0] < 0xe0 ? 2
                  : s[0] < 0xf0 ? 3
                  : s[0] < 0xf5 ? 4
                                : 0;
    if (n < 2) return n && (s[0] >= 0x20 || s[0] == '\t' || s[0] == '\n') && s[0] != 0x7f;
    uint32_t code = s[0] & (0xffu >> (n + 1));
    for (int i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80) return 0;
        code = code << 6 | (s[i] & 0x3f);
    }
    const int surrogate = code >= 0xd800 && code < 0xe000;
    return code >= least[n] && !surrogate && code <= 0x10ffff && (code & 0xfffe) != 0xfffe ? n : 0;
}

void tn_html_text(FILE *to, const char *text) {
    for (const unsigned char *s = (const unsigned char *)text; s && *s;) {
        const int n = sequence_at(s);
        if (n == 0)
            fputs("&#65533;", to);
        else if (n == 1 && strchr("&<>\"'", *s))
            fprintf(to, "&#%d;", *s);
        else
            fwrite(s, 1, (size_t)n, to);
        s += n ? n : 1;
    }
}

void tn_html_print(FILE *to, const char *format, ...) {
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    tn_html_text(to, text);
}

static void put_base64(FILE *to, const uint8_t *bytes, size_t size) {
    static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < size; i += 3) {
        const size_t rest = size - i;
        const uint32_t b1 = rest > 1 ? bytes[i + 1] : 0, b2 = rest > 2 ? bytes[i + 2] : 0;
        const uint32_t v = (uint32_t)bytes[i] << 16 | b1 << 8 | b2;
        fputc(digit[v >> 18], to);
        fputc(digit[v >> 12 & 63], to);
        fputc(rest > 1 ? digit[v >> 6 & 63] : '=', to);
        fputc(rest > 2 ? digit[v & 63] : '=', to);
    }
}

static tn_status put_file(FILE *to, const char *path, const char *alternative) {
    uint8_t *bytes;
    size_t size;
    TN_TRY(tn_read_file(path, MOST_PICTURE_BYTES, &bytes, &size));
    const int png = size > 8 && memcmp(bytes, "\x89PNG\r\n\x1a\n", 8) == 0;
    const int jpeg = size > 3 && memcmp(bytes, "\xff\xd8\xff", 3) == 0;
    tn_status status = png || jpeg ? tn_image_check(bytes, size, path)
                                   : tn_fail("%s: neither a PNG nor a JPEG picture", path);
    if (status == TN_OK) {
        fprintf(to, "<img src=\"data:image/%s;base64,", png ? "png" : "jpeg");
        put_base64(to, bytes, size);
        fputs("\" alt=\"", to);
        tn_html_text(to, alternative);
        fputs("\"/>", to);
    }
    free(bytes);
    return status;
}

/* Encoders write files: through one that is gone again at once. */
static tn_status put_smaller(FILE *to, const tn_image *image, const char *alternative, int side) {
    const double part = (double)side / (image->w > image->h ? image->w : image->h);
    const int h = (int)fmax(image->h * part, 1), w = (int)fmax(image->w * part, 1);
    const char *folder = getenv("TMPDIR");
    char path[4096];
    snprintf(path, sizeof path, "%.4000s/tn_report_XXXXXX.jpg", folder ? folder : "/tmp");
    const int file = mkstemps(path, 4);
    if (file < 0) return tn_fail_errno("%s: cannot be made", path);
    close(file);
    tn_image small;
    tn_status status = tn_image_resize(image, h, w, &small);
    if (status == TN_OK) {
        status = tn_image_save(&small, path);
        tn_image_free(&small);
    }
    if (status == TN_OK) status = put_file(to, path, alternative);
    unlink(path);
    return status;
}

tn_status tn_html_picture(FILE *to, const char *path, const char *alternative, int side) {
    tn_image image;
    TN_TRY(tn_image_load(path, 3, &image));
    const bool large = image.w > side || image.h > side;
    const tn_status status =
        large ? put_smaller(to, &image, alternative, side) : put_file(to, path, alternative);
    tn_image_free(&image);
    return status;
}
