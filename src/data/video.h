/* Frames of a video file or a camera. OpenCV's; with OPENCV=0 opening fails, naming the option. */
#ifndef TN_DATA_VIDEO_H
#define TN_DATA_VIDEO_H

#include "src/data/image.h"

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tn_video tn_video;

tn_status tn_video_open_file(const char *path, tn_video **out);
tn_status tn_video_open_camera(int index, tn_video **out);

/* The next frame as RGB, the caller's to free; *end (and no frame) when there is none. */
tn_status tn_video_read(tn_video *video, tn_image *frame, bool *end);

/* Frames a second as the source states them; 0 when it does not. */
double tn_video_rate(const tn_video *video);

void tn_video_close(tn_video *video);

#ifdef __cplusplus
}
#endif
#endif
