/* Outlines: JSON text in, polygons and boxes out. */
#include "src/data/ddti/case.h"

#include <cjson/cJSON.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MOST_REGIONS = 1000,
    MOST_POINTS = 100000,
    FARTHEST = 1 << 20,  /* a coordinate beyond this is no pixel of any image */
    SMALLEST_OUTLINE = 4 /* pixels a side */
};

static void free_regions(tn_ddti_mark *mark) {
    for (int i = 0; i < mark->region_count; i++) free(mark->regions[i].points);
    free(mark->regions);
    mark->regions = NULL;
    mark->region_count = 0;
}

static tn_status invalid(tn_ddti_mark *mark, const char *format, ...) TN_PRINTF(2, 3);
static tn_status invalid(tn_ddti_mark *mark, const char *format, ...) {
    char why[160];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why, sizeof why, format, arguments);
    va_end(arguments);
    free_regions(mark);
    free(mark->why);
    mark->svg = TN_DDTI_SVG_INVALID;
    mark->why = strdup(why);
    return mark->why ? TN_OK : tn_fail("out of memory");
}

static int read_coordinate(const cJSON *point, const char *name, int *out) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(point, name);
    if (!cJSON_IsNumber(item) || !(fabs(item->valuedouble) <= FARTHEST)) return 0;
    *out = (int)lround(item->valuedouble);
    return 1;
}

static tn_ddti_region_kind region_kind(const cJSON *region) {
    const cJSON *type = cJSON_GetObjectItemCaseSensitive(region, "regionType");
    if (!cJSON_IsString(type)) return TN_DDTI_OTHER;
    if (strcmp(type->valuestring, "freehand") == 0) return TN_DDTI_FREEHAND;
    if (strcmp(type->valuestring, "arrow") == 0) return TN_DDTI_ARROW;
    return TN_DDTI_OTHER;
}

static tn_ddti_box bounds(const tn_ddti_point *points, int count) {
    if (count == 0) return (tn_ddti_box){0};
    int x0 = points[0].x, x1 = x0, y0 = points[0].y, y1 = y0;
    for (int i = 1; i < count; i++) {
        if (points[i].x < x0) x0 = points[i].x;
        if (points[i].x > x1) x1 = points[i].x;
        if (points[i].y < y0) y0 = points[i].y;
        if (points[i].y > y1) y1 = points[i].y;
    }
    return (tn_ddti_box){x0, y0, x1 - x0 + 1, y1 - y0 + 1};
}

/* Adds one region to the mark; TN_OK with mark->svg set to invalid when the JSON is of another
 * shape. */
static tn_status read_region(tn_ddti_mark *mark, const cJSON *json) {
    int index = mark->region_count;
    const cJSON *points = cJSON_GetObjectItemCaseSensitive(json, "points");
    if (!cJSON_IsArray(points)) return invalid(mark, "region %d has no list of points", index + 1);
    int count = cJSON_GetArraySize(points);
    if (count > MOST_POINTS)
        return invalid(mark, "region %d has %d points, over %d", index + 1, count, MOST_POINTS);

    tn_ddti_region *region = &mark->regions[index];
    region->points = calloc(count > 0 ? (size_t)count : 1, sizeof *region->points);
    if (!region->points) return tn_fail("out of memory for %d points", count);
    mark->region_count++;
    region->kind = region_kind(json);
    const cJSON *point;
    cJSON_ArrayForEach(point, points) {
        tn_ddti_point *p = &region->points[region->point_count];
        if (!read_coordinate(point, "x", &p->x) || !read_coordinate(point, "y", &p->y))
            return invalid(mark, "region %d, point %d has no pixel coordinates", index + 1,
                           region->point_count + 1);
        region->point_count++;
    }
    region->drawn = bounds(region->points, region->point_count);
    return TN_OK;
}

static tn_status read_regions(tn_ddti_mark *mark, const cJSON *root) {
    if (!cJSON_IsArray(root)) return invalid(mark, "JSON, but no list of regions");
    int count = cJSON_GetArraySize(root);
    if (count > MOST_REGIONS) return invalid(mark, "%d regions, over %d", count, MOST_REGIONS);
    mark->regions = calloc(count > 0 ? (size_t)count : 1, sizeof *mark->regions);
    if (!mark->regions) return tn_fail("out of memory for %d regions", count);
    const cJSON *region;
    cJSON_ArrayForEach(region, root) {
        TN_TRY(read_region(mark, region));
        if (mark->svg == TN_DDTI_SVG_INVALID) return TN_OK;
    }
    return TN_OK;
}

tn_status tn_ddti_mark_read_svg(tn_ddti_mark *mark, const char *json) {
    free_regions(mark);
    free(mark->why);
    mark->why = NULL;
    if (json[strspn(json, " \t\r\n")] == '\0') {
        mark->svg = TN_DDTI_SVG_EMPTY;
        return TN_OK;
    }
    mark->svg = TN_DDTI_SVG_GOOD;
    const char *end = NULL;
    cJSON *root = cJSON_ParseWithOpts(json, &end, 1);
    if (!root) {
        size_t at = end ? (size_t)(end - json) : 0, length = strlen(json);
        return invalid(mark, "JSON breaks off at character %zu of %zu", at, length);
    }
    tn_status status = read_regions(mark, root);
    cJSON_Delete(root);
    return status;
}

static int clamp(int value, int low, int high) {
    return value < low ? low : value > high ? high : value;
}

int tn_ddti_region_box(const tn_ddti_region *region, int width, int height, tn_ddti_box *out,
                       int *clamped) {
    *out = (tn_ddti_box){0};
    if (clamped) *clamped = 0;
    if (region->kind != TN_DDTI_FREEHAND || region->point_count < 3) return 0;
    const tn_ddti_box *drawn = &region->drawn;
    int x0 = clamp(drawn->x, 0, width), x1 = clamp(drawn->x + drawn->w, 0, width);
    int y0 = clamp(drawn->y, 0, height), y1 = clamp(drawn->y + drawn->h, 0, height);
    if (clamped) *clamped = x1 - x0 != drawn->w || y1 - y0 != drawn->h;
    *out = (tn_ddti_box){x0, y0, x1 - x0, y1 - y0};
    return out->w >= SMALLEST_OUTLINE && out->h >= SMALLEST_OUTLINE;
}

int tn_ddti_mark_boxes(const tn_ddti_mark *mark, int width, int height, tn_ddti_box *boxes,
                       int *outline, int room) {
    int count = 0;
    for (int i = 0; i < mark->region_count; i++) {
        tn_ddti_box box;
        if (!tn_ddti_region_box(&mark->regions[i], width, height, &box, NULL)) continue;
        int kept = count < room ? count : room, at = kept;
        while (at > 0 && (long)boxes[at - 1].w * boxes[at - 1].h < (long)box.w * box.h) at--;
        for (int j = kept < room ? kept : room - 1; j > at; j--) {
            boxes[j] = boxes[j - 1];
            if (outline) outline[j] = outline[j - 1];
        }
        if (at < room) {
            boxes[at] = box;
            if (outline) outline[at] = i;
        }
        count++;
    }
    return count;
}
