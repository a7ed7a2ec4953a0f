#include "src/eval/pointing.h"

tn_status tn_pointing_measure(const tn_heat *heat, const tn_image *regions, tn_pointing *out) {
    *out = (tn_pointing){0};
    if (regions->c != TN_REGION_CHANNELS)
        return tn_fail("an image of regions has %d channels, found %d", TN_REGION_CHANNELS,
                       regions->c);
    tn_heat large;
    TN_TRY(tn_heat_resize(heat, regions->h, regions->w, &large));
    const size_t n = (size_t)regions->h * (size_t)regions->w;
    double all = 0, nodule = 0, outside = 0;
    size_t hottest = 0;
    for (size_t i = 0; i < n; i++) {
        const uint8_t *region = regions->data + TN_REGION_CHANNELS * i;
        const double v = (double)large.value[i];
        all += v;
        nodule += v * region[TN_REGION_NODULE] / 255;
        outside += v * (255 - region[TN_REGION_PICTURE]) / 255;
        out->area += region[TN_REGION_NODULE] / 255.0 / (double)n;
        out->outside_area += (255 - region[TN_REGION_PICTURE]) / 255.0 / (double)n;
        if (large.value[i] > large.value[hottest]) hottest = i;
    }
    tn_heat_free(&large);
    out->has_heat = all > 0;
    if (!out->has_heat) return TN_OK;
    out->nodule = nodule / all;
    out->outside = outside / all;
    out->hit = regions->data[TN_REGION_CHANNELS * hottest + TN_REGION_NODULE] >= 128;
    return TN_OK;
}

void tn_pointing_keep_picture(tn_image *image, const tn_image *regions) {
    for (size_t i = 0; i < (size_t)image->h * (size_t)image->w; i++)
        if (regions->data[TN_REGION_CHANNELS * i + TN_REGION_PICTURE] < 128)
            for (int c = 0; c < image->c; c++) image->data[i * (size_t)image->c + (size_t)c] = 0;
}
