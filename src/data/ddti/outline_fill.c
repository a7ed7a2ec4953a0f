/* An outline as pixels. */
#include "src/data/ddti/case.h"

/* Whether the edge a-b crosses the line y upwards (1) or downwards (-1) to the right of x. */
static int crossing(tn_ddti_point a, tn_ddti_point b, int x, int y) {
    const long side = (long)(b.x - a.x) * (y - a.y) - (long)(x - a.x) * (b.y - a.y);
    if (a.y <= y && b.y > y && side > 0) return 1;
    if (a.y > y && b.y <= y && side < 0) return -1;
    return 0;
}

static int clamp(int value, int most) {
    return value < 0 ? 0 : value > most ? most : value;
}

void tn_ddti_region_fill(const tn_ddti_region *region, tn_image *image, int channel) {
    const tn_ddti_box *box = &region->drawn;
    const int n = region->point_count;
    const int x0 = clamp(box->x, image->w), x1 = clamp(box->x + box->w, image->w);
    const int y0 = clamp(box->y, image->h), y1 = clamp(box->y + box->h, image->h);
    for (int y = y0; y < y1; y++)
        for (int x = x0; x < x1; x++) {
            int winding = 0;
            for (int i = 0; i < n; i++)
                winding += crossing(region->points[i], region->points[(i + 1) % n], x, y);
            if (winding)
                image->data[((size_t)y * (size_t)image->w + (size_t)x) * (size_t)image->c +
                            (size_t)channel] = 255;
        }
}
