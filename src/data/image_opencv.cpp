/* The one file that calls OpenCV. No exception leaves it, and OpenCV starts no thread of its own:
 * the cores belong to the net. */
#include "src/data/image_backend.h"
#include "src/data/video.h"

#include <opencv2/core.hpp>
#include <opencv2/core/utils/logger.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <opencv2/photo.hpp>
#include <opencv2/videoio.hpp>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <vector>

namespace {

/* Set before the first call into OpenCV, once, whichever thread comes first. */
void quiet_and_single() {
    static const bool done = [] {
        cv::setNumThreads(1);
        cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT);
        return true;
    }();
    (void)done;
}

/* Runs body, which returns a tn_status, and turns exceptions into one. */
template <class Body> tn_status guarded(const char *what, Body body) {
    try {
        quiet_and_single();
        return body();
    } catch (const cv::Exception &e) {
        return tn_fail("%s: OpenCV: %s", what, e.err.c_str());
    } catch (const std::exception &e) {
        return tn_fail("%s: %s", what, e.what());
    } catch (...) {
        return tn_fail("%s: OpenCV failed", what);
    }
}

cv::Mat view(const tn_image *image) {
    return cv::Mat(image->h, image->w, image->c == 1 ? CV_8UC1 : CV_8UC3, image->data);
}

/* OpenCV keeps colours as BGR. */
tn_status copy_bgr(const cv::Mat &bgr, tn_image *out) {
    TN_TRY(tn_image_create(bgr.rows, bgr.cols, 3, out));
    cv::Mat rgb = view(out);
    if (bgr.channels() == 1)
        cv::cvtColor(bgr, rgb, cv::COLOR_GRAY2RGB);
    else
        cv::cvtColor(bgr, rgb, cv::COLOR_BGR2RGB);
    return TN_OK;
}

} // namespace

extern "C" tn_status tn_backend_decode(const void *bytes, size_t size, const char *name,
                                       tn_image *out) {
    *out = tn_image{};
    tn_status status = guarded(name, [&] {
        cv::Mat raw(1, static_cast<int>(size), CV_8UC1, const_cast<void *>(bytes));
        cv::Mat bgr = cv::imdecode(raw, cv::IMREAD_COLOR | cv::IMREAD_IGNORE_ORIENTATION);
        if (bgr.empty()) return tn_fail("%s: damaged image: it cannot be decoded", name);
        return copy_bgr(bgr, out);
    });
    if (status != TN_OK) tn_image_free(out);
    return status;
}

extern "C" tn_status tn_backend_encode(const tn_image *image, tn_image_format format,
                                       uint8_t **bytes, size_t *size) {
    *bytes = nullptr;
    *size = 0;
    return guarded("encoding an image", [&] {
        cv::Mat pixels = view(image), bgr;
        if (image->c == 3) cv::cvtColor(pixels, bgr, cv::COLOR_RGB2BGR);
        static const char *const endings[] = {".png", ".jpg", ".bmp"};
        std::vector<int> options;
        if (format == TN_IMAGE_JPEG) options = {cv::IMWRITE_JPEG_QUALITY, 95};
        std::vector<uchar> coded;
        if (!cv::imencode(endings[format], image->c == 3 ? bgr : pixels, coded, options))
            return tn_fail("an image of %d x %d cannot be encoded", image->w, image->h);
        *bytes = static_cast<uint8_t *>(std::malloc(coded.size()));
        if (!*bytes) return tn_fail("no memory for %zu bytes of an image", coded.size());
        std::memcpy(*bytes, coded.data(), coded.size());
        *size = coded.size();
        return TN_OK;
    });
}

extern "C" tn_status tn_backend_median(tn_image *image) {
    return guarded("denoise=median", [&] {
        cv::Mat pixels = view(image), smooth;
        cv::medianBlur(pixels, smooth, 3);
        smooth.copyTo(pixels);
        return TN_OK;
    });
}

extern "C" tn_status tn_backend_nlm(tn_image *image) {
    return guarded("denoise=nlm", [&] {
        const float strength = 10;
        const int patch = 7, window = 21;
        cv::Mat pixels = view(image), smooth;
        cv::fastNlMeansDenoising(pixels, smooth, strength, patch, window);
        smooth.copyTo(pixels);
        return TN_OK;
    });
}

struct tn_video {
    cv::VideoCapture capture;
};

static tn_status open_video(const char *what, const char *path, int camera, tn_video **out) {
    *out = nullptr;
    return guarded(what, [&] {
        tn_video *video = new tn_video;
        bool opened = false;
        try {
            opened = path ? video->capture.open(path) : video->capture.open(camera);
        } catch (...) {
            delete video;
            throw;
        }
        if (!opened) {
            delete video;
            return tn_fail("%s: cannot be opened as video", what);
        }
        *out = video;
        return TN_OK;
    });
}

extern "C" tn_status tn_video_open_file(const char *path, tn_video **out) {
    return open_video(path, path, 0, out);
}

extern "C" tn_status tn_video_open_camera(int index, tn_video **out) {
    char name[32];
    std::snprintf(name, sizeof name, "camera %d", index);
    return open_video(name, nullptr, index, out);
}

extern "C" tn_status tn_video_read(tn_video *video, tn_image *frame, bool *end) {
    *frame = tn_image{};
    *end = false;
    tn_status status = guarded("reading video", [&] {
        cv::Mat bgr;
        if (!video->capture.read(bgr) || bgr.empty()) {
            *end = true;
            return TN_OK;
        }
        return copy_bgr(bgr, frame);
    });
    if (status != TN_OK) tn_image_free(frame);
    return status;
}

extern "C" double tn_video_rate(const tn_video *video) {
    try {
        double rate = video->capture.get(cv::CAP_PROP_FPS);
        return rate > 0 && rate < 1000 ? rate : 0;
    } catch (...) {
        return 0;
    }
}

extern "C" void tn_video_close(tn_video *video) {
    try {
        delete video;
    } catch (...) { /* nothing is left to release */
    }
}

extern "C" const char *tn_backend_name(void) {
    return "OpenCV " CV_VERSION;
}
