/* A .cfg file as sections and options, nothing interpreted. */
#ifndef TN_NET_CFG_H
#define TN_NET_CFG_H

#include "layers/keys.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tn_cfg {
    tn_arena arena;
    int n_sections; /* section[0] is [net] or [network] */
    tn_section *section;
} tn_cfg;

/* Reads a file. White space around names and values is dropped, CR LF and a byte-order mark are
 * accepted, '#' and ';' start comments at a line's start and, after white space, behind a value.
 * Errors name FILE:LINE: an option before any section, a line without '=', no value, no sections, a
 * first section that is not [net]. */
tn_status tn_cfg_load(const char *path, tn_cfg *out);

/* As tn_cfg_load, from memory; `name` stands for the file in messages. */
tn_status tn_cfg_parse(const char *text, size_t size, const char *name, tn_cfg *out);
void tn_cfg_free(tn_cfg *cfg);

/* `-net KEY=VALUE`: replaces or adds an option of [net]. */
tn_status tn_cfg_override(tn_cfg *cfg, const char *assignment);

#ifdef __cplusplus
}
#endif
#endif
