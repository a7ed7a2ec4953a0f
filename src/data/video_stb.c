/* Video in a build without OpenCV: a clear answer. */
#include "src/data/video.h"

tn_status tn_video_open_file(const char *path, tn_video **out) {
    *out = NULL;
    return tn_fail("%s: video needs OpenCV: build with OPENCV=1", path);
}

tn_status tn_video_open_camera(int index, tn_video **out) {
    *out = NULL;
    return tn_fail("camera %d: video needs OpenCV: build with OPENCV=1", index);
}

tn_status tn_video_read(tn_video *video, tn_image *frame, bool *end) {
    (void)video;
    *frame = (tn_image){0};
    *end = true;
    return tn_fail("video needs OpenCV: build with OPENCV=1");
}

double tn_video_rate(const tn_video *video) {
    (void)video;
    return 0;
}

void tn_video_close(tn_video *video) {
    (void)video;
}
