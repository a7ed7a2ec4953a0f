#include "src/commands/heat_view.h"

#include "src/data/files.h"
#include "src/data/sector.h"
#include "src/eval/pointing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_OUTLINES = 256 };

static bool is_folder(const char *path) {
    struct stat s;
    return stat(path, &s) == 0 && S_ISDIR(s.st_mode);
}

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* ---- opening ---- */

/* The manifest beside DATA is a help that may be missing; one that is named must be there. */
static tn_status open_manifest(tn_heat_viewer *v) {
    const char *named = v->options.manifest, *data = v->model->data_path;
    if (!named && !data) return TN_OK;
    char *path =
        named ? strdup(named) : tn_text("%.*smanifest.csv", (int)(base_name(data) - data), data);
    if (!path) return tn_fail("out of memory");
    tn_status status = TN_OK;
    if (named || access(path, F_OK) == 0) {
        status = tn_csv_load(path, &v->manifest);
        v->has_manifest = status == TN_OK;
        static const char *const wanted[] = {"image", "source", "case",  "nodule", "box_x",
                                             "box_y", "box_w",  "box_h", "copy"};
        for (size_t i = 0; i < sizeof wanted / sizeof *wanted && status == TN_OK; i++)
            if (tn_csv_find(&v->manifest, wanted[i]) < 0)
                status = tn_fail("%s: no column \"%s\": expected what ddti convert writes", path,
                                 wanted[i]);
    }
    free(path);
    return status;
}

tn_status tn_heat_viewer_open(tn_heat_viewer *v, const tn_model *model,
                              const tn_heat_view_options *o) {
    *v = (tn_heat_viewer){.model = model, .options = *o};
    if (o->roi && o->xml) return tn_fail("-roi and -xml each say where the nodule is: give one");
    if ((o->roi || o->xml) && o->cropped)
        return tn_fail("-cropped says that images are cut already: leave -roi or -xml out");
    if (o->roi && model->preprocess.crop != TN_CROP_NODULE)
        return tn_fail("-roi cuts a nodule out, but the net was trained on images with crop=%s",
                       tn_crop_name(model->preprocess.crop));
    if (o->roi) TN_TRY(tn_picture_read_roi(o->roi, v->roi));
    v->xml_is_folder = o->xml && is_folder(o->xml);
    return open_manifest(v);
}

void tn_heat_viewer_close(tn_heat_viewer *v) {
    if (v->has_manifest) tn_csv_free(&v->manifest);
    *v = (tn_heat_viewer){0};
}

/* ---- what is known of an image ---- */

typedef struct known {
    long row;                          /* of the manifest; -1: not in it */
    bool has_record, has_box, is_crop; /* is_crop: the image was cut by ddti convert */
    tn_ddti_case record;
    const tn_ddti_mark *mark;
    double box[4]; /* what is cut out, in the frame */
    char *frame;   /* where the frame lies; NULL: unknown */
    int region;    /* the only outline to show; -1: all usable ones */
} known;

static void known_free(known *k) {
    if (k->has_record) tn_ddti_case_free(&k->record);
    free(k->frame);
}

static const char *cell(const tn_heat_viewer *v, long row, const char *column) {
    return tn_csv_cell(&v->manifest, (size_t)row, tn_csv_find(&v->manifest, column));
}

/* Equal paths, or one the end of the other from a folder on. */
static bool same_path(const char *a, const char *b) {
    const size_t n = strlen(a), m = strlen(b);
    if (n == 0 || m == 0) return false;
    if (n == m) return strcmp(a, b) == 0;
    const char *longer = n > m ? a : b, *shorter = n > m ? b : a;
    const size_t more = n > m ? n - m : m - n;
    return longer[more - 1] == '/' && strcmp(longer + more, shorter) == 0;
}

static void find_row(const tn_heat_viewer *v, const char *path, known *k) {
    k->row = -1;
    if (!v->has_manifest || v->options.roi) return;
    for (size_t i = 0; i < v->manifest.rows && k->row < 0; i++)
        if (same_path(cell(v, (long)i, "image"), path)) k->row = (long)i;
    k->is_crop = k->row >= 0;
}

static tn_status load_record(const tn_heat_viewer *v, const char *name, known *k) {
    int number = 0, image = 0, used = 0;
    char *path = NULL;
    if (!v->xml_is_folder)
        path = strdup(v->options.xml);
    else if (sscanf(name, "%7d_%7d.%n", &number, &image, &used) == 2 && used > 0)
        path = tn_text("%s/%d.xml", v->options.xml, number);
    else
        return tn_fail("%s is not named NUMBER_K.jpg: no case of %s is its own", name,
                       v->options.xml);
    if (!path) return tn_fail("out of memory");
    tn_status status = tn_ddti_case_load(path, &k->record);
    k->has_record = status == TN_OK;
    if (status == TN_OK) status = tn_picture_find_mark(&k->record, path, name, &k->mark);
    if (status == TN_OK && k->mark->svg == TN_DDTI_SVG_INVALID)
        status = tn_fail("%s: the outline of image %d cannot be read: %s", path, k->mark->image,
                         k->mark->why ? k->mark->why : "no such text");
    free(path);
    return status;
}

/* The outline that the net is shown, of a frame of w x h pixels. */
static tn_status choose_outline(const tn_heat_viewer *v, known *k, int w, int h) {
    tn_ddti_box boxes[MOST_OUTLINES];
    int n = tn_ddti_mark_boxes(k->mark, w, h, boxes, NULL, MOST_OUTLINES);
    if (n > MOST_OUTLINES) n = MOST_OUTLINES;
    if (v->options.outline >= n)
        return tn_fail("%d usable outlines on image %d, so there is none of number %d (0 is the "
                       "largest)",
                       n, k->mark->image, v->options.outline);
    const tn_ddti_box *b = &boxes[v->options.outline];
    const double box[4] = {b->x, b->y, b->w, b->h};
    memcpy(k->box, box, sizeof box);
    k->has_box = true;
    return TN_OK;
}

static tn_status read_row(const tn_heat_viewer *v, known *k) {
    static const char *const columns[] = {"box_x", "box_y", "box_w", "box_h"};
    const char *copy = cell(v, k->row, "copy"), *nodule = cell(v, k->row, "nodule");
    if (*copy && strcmp(copy, "0") != 0) {
        k->row = -1; /* a turned and scaled copy: nothing lies where the manifest says */
        return TN_OK;
    }
    k->has_box = *cell(v, k->row, "box_w") != 0;
    for (int i = 0; i < 4 && k->has_box; i++)
        TN_TRY(tn_option_real(columns[i], cell(v, k->row, columns[i]), 0, 0, &k->box[i]));
    if (*nodule) TN_TRY(tn_option_int("nodule", nodule, 0, 1 << 20, &k->region));
    if (!v->xml_is_folder) return TN_OK;
    const char *source = cell(v, k->row, "source");
    TN_TRY(load_record(v, source, k));
    if (k->region >= k->mark->region_count)
        return tn_fail("the manifest names outline %d of %s, which has %d", k->region, source,
                       k->mark->region_count);
    k->frame = tn_text("%s/%s", v->options.xml, source);
    return k->frame ? TN_OK : tn_fail("out of memory");
}

static tn_status find_out(const tn_heat_viewer *v, const char *path, known *k) {
    *k = (known){.row = -1, .region = -1};
    find_row(v, path, k);
    if (k->row >= 0) return read_row(v, k);
    if (!v->options.xml && !v->options.roi) return TN_OK;
    if (v->options.xml) TN_TRY(load_record(v, base_name(path), k));
    if (v->options.roi) memcpy(k->box, v->roi, sizeof k->box);
    k->has_box = v->options.roi != NULL;
    k->frame = strdup(path);
    return k->frame ? TN_OK : tn_fail("out of memory");
}

/* ---- regions ---- */

static void fill_box(tn_image *image, int x, int y, int w, int h, int channel) {
    for (int r = y < 0 ? 0 : y; r < y + h && r < image->h; r++)
        for (int c = x < 0 ? 0 : x; c < x + w && c < image->w; c++)
            image->data[((size_t)r * (size_t)image->w + (size_t)c) * TN_REGION_CHANNELS +
                        (size_t)channel] = 255;
}

/* What is known, in a frame of w x h pixels whose picture is `sector`. */
static tn_status frame_regions(const tn_heat_viewer *v, const known *k, int w, int h,
                               tn_sector sector, tn_image *out) {
    const bool crops = v->model->preprocess.crop == TN_CROP_NODULE;
    TN_TRY(tn_image_create(h, w, TN_REGION_CHANNELS, out));
    fill_box(out, sector.x, sector.y, sector.w, sector.h, TN_REGION_PICTURE);
    for (int i = 0; k->mark && i < k->mark->region_count; i++) {
        tn_ddti_box box;
        const bool wanted = k->region < 0 || k->region == i;
        if (wanted && tn_ddti_region_box(&k->mark->regions[i], w, h, &box, NULL))
            tn_ddti_region_fill(&k->mark->regions[i], out, TN_REGION_NODULE);
    }
    if (!k->mark && k->has_box)
        fill_box(out, (int)k->box[0], (int)k->box[1], (int)k->box[2], (int)k->box[3],
                 TN_REGION_NODULE);
    int left, top, side;
    if (!crops || !k->has_box) return TN_OK;
    if (tn_crop_square_place(w, h, k->box[0], k->box[1], k->box[2], k->box[3],
                             v->model->preprocess.crop_margin, &left, &top, &side) == TN_OK) {
        fill_box(out, left, top, side, side, TN_REGION_CROP);
        return TN_OK;
    }
    tn_image_free(out);
    return TN_FAIL;
}

/* Cuts the regions of a frame as the frame is cut. */
static tn_status cut_regions(const tn_heat_viewer *v, const known *k, const tn_image *whole,
                             tn_sector sector, tn_image *out) {
    const tn_preprocess *p = &v->model->preprocess;
    if (p->crop == TN_CROP_FRAME) return tn_crop_box(whole, sector, out);
    if (p->crop != TN_CROP_NODULE) return tn_image_copy(whole, out);
    TN_TRY(tn_crop_square(whole, k->box[0], k->box[1], k->box[2], k->box[3], p->crop_margin, out));
    for (size_t i = 0; i < (size_t)out->h * (size_t)out->w; i++)
        out->data[i * TN_REGION_CHANNELS + TN_REGION_CROP] = 0; /* all of it: nothing to draw */
    return TN_OK;
}

static tn_status resize_to(tn_image *image, int h, int w) {
    tn_image resized;
    TN_TRY(tn_image_resize(image, h, w, &resized));
    tn_image_free(image);
    *image = resized;
    return TN_OK;
}

/* ---- views ---- */

/* The frame as training saw it before it was cut. */
static tn_status load_frame(const tn_heat_viewer *v, const char *path, tn_image *out) {
    TN_TRY(tn_image_load(path, 3, out));
    if (tn_image_denoise(out, v->model->preprocess.denoise) == TN_OK) return TN_OK;
    tn_image_free(out);
    return TN_FAIL;
}

/* The image is a frame, to be cut here. */
static tn_status view_frame(const tn_heat_viewer *v, known *k, const char *path,
                            tn_heat_view *out) {
    const tn_preprocess *p = &v->model->preprocess;
    tn_image *frame = &out->frame;
    TN_TRY(load_frame(v, path, frame));
    if (p->crop == TN_CROP_NODULE && k->mark) TN_TRY(choose_outline(v, k, frame->w, frame->h));
    const tn_sector sector = tn_find_sector(frame);
    TN_TRY(frame_regions(v, k, frame->w, frame->h, sector, &out->frame_regions));
    TN_TRY(cut_regions(v, k, &out->frame_regions, sector, &out->regions));
    if (p->crop == TN_CROP_NODULE)
        return tn_crop_nodule(frame, k->box[0], k->box[1], k->box[2], k->box[3], p->crop_margin,
                              &out->image);
    TN_TRY(p->crop == TN_CROP_FRAME ? tn_crop_box(frame, sector, &out->image)
                                    : tn_image_copy(frame, &out->image));
    tn_image_free(frame); /* it is what the net is shown */
    tn_image_free(&out->frame_regions);
    return TN_OK;
}

/* The image was cut (and denoised) before; its frame may be known all the same. */
static tn_status view_prepared(const tn_heat_viewer *v, const known *k, const char *path,
                               tn_heat_view *out) {
    const bool crops = v->model->preprocess.crop == TN_CROP_NODULE;
    TN_TRY(tn_image_load(path, 3, &out->image));
    int w = TN_DDTI_WIDTH, h = TN_DDTI_HEIGHT;
    tn_sector sector = {0, 0, w, h};
    if (k->frame) {
        TN_TRY(load_frame(v, k->frame, &out->frame));
        w = out->frame.w;
        h = out->frame.h;
        sector = tn_find_sector(&out->frame);
    }
    const bool placed = k->row >= 0 && (crops ? k->has_box : k->frame != NULL);
    if (placed) {
        TN_TRY(frame_regions(v, k, w, h, sector, &out->frame_regions));
        TN_TRY(cut_regions(v, k, &out->frame_regions, sector, &out->regions));
        TN_TRY(resize_to(&out->regions, out->image.h, out->image.w));
    }
    if (crops && out->frame.data) return TN_OK;
    tn_image_free(&out->frame);
    tn_image_free(&out->frame_regions);
    return TN_OK;
}

static tn_status load_view(const tn_heat_viewer *v, known *k, const char *path, tn_heat_view *out) {
    const bool crops = v->model->preprocess.crop == TN_CROP_NODULE;
    const bool known_frame = k->frame && !k->is_crop;
    out->fit = v->options.letterbox ? TN_FIT_LETTERBOX : TN_FIT_CENTRE;
    out->kind = !crops                             ? TN_PICTURE_FRAME
                : k->is_crop || v->options.cropped ? TN_PICTURE_NODULE_CROP
                : v->options.roi                   ? TN_PICTURE_ROI
                : v->options.xml                   ? TN_PICTURE_XML
                                                   : TN_PICTURE_ASSUMED_CROP;
    if (known_frame || (!crops && !k->is_crop && !v->options.cropped))
        TN_TRY(view_frame(v, k, path, out));
    else
        TN_TRY(view_prepared(v, k, path, out));
    if (out->regions.data) out->nodule = k->mark ? "outline" : k->has_box ? "box" : NULL;
    TN_TRY(tn_image_set_channels(&out->image, v->model->format.c));
    return out->frame.data ? tn_image_set_channels(&out->frame, v->model->format.c) : TN_OK;
}

tn_status tn_heat_view_load(const tn_heat_viewer *v, const char *path, tn_heat_view *out) {
    known k;
    *out = (tn_heat_view){0};
    tn_status status = find_out(v, path, &k);
    if (status == TN_OK) status = load_view(v, &k, path, out);
    known_free(&k);
    if (status == TN_OK) return TN_OK;
    tn_heat_view_free(out);
    return strstr(tn_error(), path) ? TN_FAIL : tn_fail_in("%s", path);
}

void tn_heat_view_free(tn_heat_view *view) {
    tn_image_free(&view->image);
    tn_image_free(&view->regions);
    tn_image_free(&view->frame);
    tn_image_free(&view->frame_regions);
    *view = (tn_heat_view){0};
}
