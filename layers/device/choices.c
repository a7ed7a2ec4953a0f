#include "layers/device/choices.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The text is the store: a few hundred lines at most, searched while a replica is prepared. */
struct tn_choices {
    char *text;
    size_t bytes, room, first; /* first: where the line after the device's begins */
};

static tn_status append(tn_choices *c, const char *line, size_t bytes) {
    if (c->bytes + bytes + 1 > c->room) {
        const size_t room = 2 * (c->bytes + bytes + 1);
        char *grown = realloc(c->text, room);
        if (!grown) return tn_fail("out of memory for choices");
        c->text = grown;
        c->room = room;
    }
    memcpy(c->text + c->bytes, line, bytes);
    c->bytes += bytes;
    c->text[c->bytes] = 0;
    return TN_OK;
}

tn_status tn_choices_create(const char *device, tn_choices **out) {
    *out = NULL;
    tn_choices *c = calloc(1, sizeof *c);
    if (!c) return tn_fail("out of memory for choices");
    if (append(c, device, strcspn(device, "\n")) != TN_OK || append(c, "\n", 1) != TN_OK) {
        tn_choices_free(c);
        return TN_FAIL;
    }
    c->first = c->bytes;
    *out = c;
    return TN_OK;
}

void tn_choices_free(tn_choices *choices) {
    if (!choices) return;
    free(choices->text);
    free(choices);
}

bool tn_choices_find(const tn_choices *choices, const char *name, int *value) {
    if (!choices) return false;
    const size_t length = strlen(name);
    for (const char *at = choices->text + choices->first; *at; at += strcspn(at, "\n") + 1) {
        char *end;
        const long number = strtol(at, &end, 10);
        if (*end != ' ' || strncmp(end + 1, name, length) != 0 || end[1 + length] != '\n') continue;
        *value = (int)number;
        return true;
    }
    return false;
}

tn_status tn_choices_add(tn_choices *choices, const char *name, int value) {
    int known;
    if (!choices || tn_choices_find(choices, name, &known)) return TN_OK;
    if (strchr(name, '\n')) return tn_fail("a choice's name is of one line: %s", name);
    char number[24];
    const int digits = snprintf(number, sizeof number, "%d ", value);
    TN_TRY(append(choices, number, (size_t)digits));
    TN_TRY(append(choices, name, strlen(name)));
    return append(choices, "\n", 1);
}

const char *tn_choices_text(const tn_choices *choices, size_t *bytes) {
    *bytes = choices->bytes;
    return choices->text;
}

static tn_status read_line(tn_choices *c, const char *line, size_t length) {
    char name[256], *end;
    if (length >= sizeof name) return tn_fail("choices are damaged: a line of %zu bytes", length);
    memcpy(name, line, length);
    name[length] = 0;
    const long value = strtol(name, &end, 10);
    if (end == name || *end != ' ') return tn_fail("choices are damaged at \"%s\"", name);
    return tn_choices_add(c, end + 1, (int)value);
}

tn_status tn_choices_read(tn_choices *choices, const char *text, size_t bytes, bool *taken) {
    *taken = bytes >= choices->first && memcmp(text, choices->text, choices->first) == 0;
    if (!*taken) return TN_OK;
    for (size_t at = choices->first; at < bytes;) {
        const char *end = memchr(text + at, '\n', bytes - at);
        if (!end) return tn_fail("choices are damaged: the last line has no end");
        TN_TRY(read_line(choices, text + at, (size_t)(end - text) - at));
        at = (size_t)(end - text) + 1;
    }
    return TN_OK;
}
