/* The same net, weights and image in other programs: Debian's Darknet and OpenCV's dnn module. */
#ifndef TN_TEST_PEERS_H
#define TN_TEST_PEERS_H

#include "src/net/net.h"

#include <stdbool.h>

enum { TN_PEER_OUTPUTS = 1024 }; /* most outputs of a net compared here */

/* A folder of its own for a test program's files; removed with all that peers made in it. */
int tn_peer_folder_make(void **state);
int tn_peer_folder_remove(void **state);
/* FOLDER/name; valid for the next few calls. */
const char *tn_peer_path(const char *name);

/* Fails the running test, with the error's text, unless the status is TN_OK. */
void tn_must(tn_status status);

/* Weights whose logits stay moderate; variances near 1, where no program's epsilon matters, unless
 * `narrow`: then they are small and only folding helps. */
void tn_peer_fill(tn_net *net, double gain, bool narrow);

/* Random 8-bit pixels as image_one.ppm, which no program resizes when the net is w by h. */
void tn_peer_image(int w, int h);

/* Outputs for that image: here (returns their number), in Debian's darknet and in OpenCV with the
 * files out.cfg and out.weights of the folder. */
int tn_peer_here(tn_net *net, double *out);
bool tn_peer_has_darknet(void);
void tn_peer_darknet(double *out, int n);
bool tn_peer_has_opencv(void);
void tn_peer_opencv(int w, int h, double *out, int n);

/* Fails the test when any of n outputs differ by more than `most`. */
void tn_peer_compare(const char *what, const double *want, const double *got, int n, double most);

#endif
