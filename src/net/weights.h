/* Darknet's .weights files: a header, then every parameter as float32 in the order of the cfg.
 *
 *   int32 major, minor, revision; images seen: uint64 from version 0.2 on, else int32
 * Files carry no shapes, names or checksum: only their size and their values tell whether they
 * belong to a net. Reading is strict about both. */
#ifndef TN_NET_WEIGHTS_H
#define TN_NET_WEIGHTS_H

#include "src/net/net.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tn_weights_report {
    int layers;     /* sections, counted from the first after [net], that are now as in the file */
    int all_layers; /* of the net */
    int version[3];
    uint64_t seen;
    size_t unread; /* bytes behind what was loaded: 0 unless partial */
} tn_weights_report;

/* Loads a file into the net's parameters and its `seen`. Nothing changes on failure.
 *
 * The file's size must be the net's to the byte; a NaN, an infinity or a negative variance is
 * refused with layer and tensor. With `partial`, whole layers are taken from the front as long as
 * the file lasts (Darknet's way of starting from darknet53.conv.74), the rest of the net and of the
 * file are left alone; the report says how far it went. Read as well: headers of old and of 32-bit
 * Darknets, files whose connected weights are transposed (major or minor above 1000), and
 * pjreddie's [batchnorm], which has no biases. `report` may be NULL. */
tn_status tn_weights_load(tn_net *net, const char *path, bool partial, tn_weights_report *report);

/* Writes n parameters (a net's, or an average's) with version 0.2.5: beside the target, synced,
 * renamed. A failure leaves the previous file whole. */
tn_status tn_weights_save(const tn_param *param, int n, uint64_t seen, const char *path);

/* Size in bytes of such a file. */
size_t tn_weights_bytes(const tn_param *param, int n);

#ifdef __cplusplus
}
#endif
#endif
