/* A cfg with sections that only the host knows ([yolo], [upsample], ...): ours are written in stock
 * sections, all else is handed on, its references renumbered. */
#ifndef TN_PLUGIN_FOREIGN_H
#define TN_PLUGIN_FOREIGN_H

#include "layers/layer.h"
#include "src/net/cfg.h"
#include "src/net/expand.h"
#include "src/net/net_keys.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Whether sections of this type (NULL: none of ours) are unknown to hosts. */
bool tn_foreign_is_ours(const tn_layer_type *type);

/* What of [net] we know as well, strictly; texts and lists go to the arena. Fails on schedules that
 * hosts do not know. */
tn_status tn_foreign_net_keys(const tn_cfg *cfg, tn_arena *arena, tn_net_keys *out);

/* span[cfg->n_sections - 1] is filled. Our sections are read strictly; what the host's say is the
 * host's to check, but for references to layers that are not there and random=1, which changes the
 * net's size while it trains. */
tn_status tn_foreign_write(const tn_cfg *cfg, const tn_warner *warner, FILE *to,
                           tn_expand_span *span);

#ifdef __cplusplus
}
#endif
#endif
