/* One case of the DDTI: what `<number>.xml` says, with the outlines drawn on its images.
 *
 * A file holds one <case>: <number>, a few findings in words, one <tirads>, and a <mark> an image.
 * A mark names the image (k of `<number>_<k>.jpg`) and holds, as JSON text in <svg>, the regions
 * that a radiologist drew: [{"points": [{"x": 1, "y": 2}, ...], "regionType": "freehand"}, ...]. */
#ifndef TN_DATA_DDTI_CASE_H
#define TN_DATA_DDTI_CASE_H

#include "src/data/image.h"

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Every frame of the database has this size; outlines are in its pixels. */
enum { TN_DDTI_WIDTH = 560, TN_DDTI_HEIGHT = 360 };

typedef struct tn_ddti_point {
    int x, y;
} tn_ddti_point;

/* Pixels x..x+w-1, y..y+h-1; w = h = 0 when there is no such box. */
typedef struct tn_ddti_box {
    int x, y, w, h;
} tn_ddti_box;

typedef enum tn_ddti_region_kind {
    TN_DDTI_FREEHAND, /* the outline of a nodule */
    TN_DDTI_ARROW,    /* two points that show something: no outline */
    TN_DDTI_OTHER,    /* anything else that the file calls a region */
} tn_ddti_region_kind;

typedef struct tn_ddti_region {
    tn_ddti_region_kind kind;
    tn_ddti_point *points; /* as drawn: may lie outside the frame */
    int point_count;
    tn_ddti_box drawn; /* bounding box of the points */
} tn_ddti_region;

typedef enum tn_ddti_svg {
    TN_DDTI_SVG_GOOD,
    TN_DDTI_SVG_EMPTY,   /* no text */
    TN_DDTI_SVG_INVALID, /* no JSON, or JSON of another shape; cut texts are such */
} tn_ddti_svg;

typedef struct tn_ddti_mark {
    int image; /* k of `<number>_<k>.jpg` */
    tn_ddti_svg svg;
    char *why; /* what is wrong with an invalid svg; else NULL */
    tn_ddti_region *regions;
    int region_count;
} tn_ddti_mark;

typedef enum tn_ddti_field {
    TN_DDTI_AGE,
    TN_DDTI_SEX,
    TN_DDTI_COMPOSITION,
    TN_DDTI_ECHOGENICITY,
    TN_DDTI_MARGINS,
    TN_DDTI_CALCIFICATIONS,
    TN_DDTI_TIRADS,
    TN_DDTI_REPORTBACAF, /* biopsy; empty in the whole database */
    TN_DDTI_REPORTECO,
    TN_DDTI_FIELDS
} tn_ddti_field;

typedef struct tn_ddti_case {
    int number;                   /* the file name's; the XML's where the name is no number */
    int written;                  /* what <number> says; -1 when it says no number */
    char *fields[TN_DDTI_FIELDS]; /* trimmed, "" when empty or absent, never NULL */
    tn_ddti_mark *marks;          /* in file order; two marks on one image are joined */
    int mark_count;
} tn_ddti_case;

/* Reads a case file. Nothing that the file says makes this read another file or the network: a
 * document type, and with it every entity definition, is refused, and so are files over 4 MiB and
 * deep nesting. Fails, naming the file, when it cannot be read, is no well-formed XML, or has a
 * root other than <case>; an outline that cannot be read fails only its mark (`svg`, `why`). */
tn_status tn_ddti_case_load(const char *path, tn_ddti_case *out);

/* As tn_ddti_case_load, from memory; `name` is the file name, for its number and for messages. */
tn_status tn_ddti_case_parse(const void *bytes, size_t size, const char *name, tn_ddti_case *out);
void tn_ddti_case_free(tn_ddti_case *record);

/* The mark on image k, or NULL. */
const tn_ddti_mark *tn_ddti_case_mark(const tn_ddti_case *record, int image);

/* The element's name: "age", "tirads", ... */
const char *tn_ddti_field_name(tn_ddti_field field);

/* Reads <svg>'s text into mark->svg, why and regions. Fails only when memory runs out. */
tn_status tn_ddti_mark_read_svg(tn_ddti_mark *mark, const char *json);

/* The part of a freehand region's box that lies in a frame of width x height pixels. Returns 1 when
 * the region is a usable outline: freehand, at least 3 points, and at least 4 pixels a side left
 * after clamping. *clamped (may be NULL) is set to whether a point lay outside. */
int tn_ddti_region_box(const tn_ddti_region *region, int width, int height, tn_ddti_box *out,
                       int *clamped);

/* Sets channel `channel` to 255 in every pixel whose centre lies inside a region's outline (closed
 * from its last point to its first; nonzero winding). */
void tn_ddti_region_fill(const tn_ddti_region *region, tn_image *image, int channel);

/* The usable outlines of a mark, by the size of their boxes, largest first: writes at most `room`
 * boxes and returns how many there are. outline[i] (may be NULL) is the region's index. This is the
 * order of `ddti convert -per image`, so index 0 is the crop that it takes. */
int tn_ddti_mark_boxes(const tn_ddti_mark *mark, int width, int height, tn_ddti_box *boxes,
                       int *outline, int room);

#ifdef __cplusplus
}
#endif
#endif
