/* Case files: XML in, by libxml2, with everything switched off that reaches beyond the file. */
#include "src/data/ddti/case.h"
#include "src/data/text.h"

#include <libxml/parser.h>
#include <libxml/tree.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { LARGEST_FILE = 4 << 20, MOST_MARKS = 1000 };

static const char *const field_names[TN_DDTI_FIELDS] = {
    "age",    "sex",         "composition", "echogenicity", "margins", "calcifications",
    "tirads", "reportbacaf", "reporteco",
};

const char *tn_ddti_field_name(tn_ddti_field field) {
    return field_names[field];
}

static int is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Copy of the element's text without the white space around it; to be freed. NULL without memory.
 */
static char *text_of(const xmlNode *element) {
    xmlChar *all = xmlNodeGetContent(element);
    const char *from = all ? (const char *)all : "";
    size_t length = strlen(from);
    while (length && is_blank(from[length - 1])) length--;
    while (length && is_blank(*from)) from++, length--;
    char *text = strndup(from, length);
    xmlFree(all);
    return text;
}

/* The number that `text` is, from 0, written plainly (no sign, no leading zero); else -1. */
static int plain_number(const char *text, size_t length) {
    int value = 0;
    if (length == 0 || length > 7 || (length > 1 && text[0] == '0')) return -1;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9') return -1;
        value = value * 10 + (text[i] - '0');
    }
    return value;
}

static int number_of(const xmlNode *element) {
    char *text = text_of(element);
    int number = text ? plain_number(text, strlen(text)) : -1;
    free(text);
    return number;
}

static int number_of_file(const char *name) {
    const char *base = strrchr(name, '/');
    base = base ? base + 1 : name;
    const char *dot = strrchr(base, '.');
    return plain_number(base, dot ? (size_t)(dot - base) : strlen(base));
}

static const xmlNode *child(const xmlNode *parent, const char *name) {
    for (const xmlNode *node = parent->children; node; node = node->next)
        if (node->type == XML_ELEMENT_NODE && strcmp((const char *)node->name, name) == 0)
            return node;
    return NULL;
}

static void free_mark(tn_ddti_mark *mark) {
    for (int i = 0; i < mark->region_count; i++) free(mark->regions[i].points);
    free(mark->regions);
    free(mark->why);
    *mark = (tn_ddti_mark){0};
}

/* Appends the regions of a second mark on the same image to the first, and takes its faults over.
 */
static tn_status join_marks(tn_ddti_mark *first, tn_ddti_mark *second) {
    size_t count = (size_t)first->region_count + (size_t)second->region_count;
    if (second->svg == TN_DDTI_SVG_INVALID) {
        free_mark(first);
        int image = second->image;
        *first = *second;
        *second = (tn_ddti_mark){0};
        first->image = image;
        return TN_OK;
    }
    if (first->svg != TN_DDTI_SVG_INVALID && second->region_count > 0) {
        tn_ddti_region *regions = realloc(first->regions, count * sizeof *regions);
        if (!regions) return tn_fail("out of memory for %zu regions", count);
        first->regions = regions;
        memcpy(regions + first->region_count, second->regions,
               (size_t)second->region_count * sizeof *regions);
        first->region_count = (int)count;
        first->svg = TN_DDTI_SVG_GOOD;
        second->region_count = 0;
    }
    free_mark(second);
    return TN_OK;
}

static tn_status read_mark(const xmlNode *node, const char *name, tn_ddti_case *out) {
    tn_ddti_mark mark = {0};
    const xmlNode *image = child(node, "image"), *svg = child(node, "svg");
    mark.image = image ? number_of(image) : -1;
    if (mark.image < 0)
        return tn_fail("%s: line %ld: <mark> without an image number", name, xmlGetLineNo(node));
    char *json = svg ? text_of(svg) : strdup("");
    if (!json) return tn_fail("%s: out of memory", name);
    tn_status status = tn_ddti_mark_read_svg(&mark, json);
    free(json);
    for (int i = 0; status == TN_OK && i < out->mark_count; i++)
        if (out->marks[i].image == mark.image) return join_marks(&out->marks[i], &mark);
    if (status == TN_OK && out->mark_count >= MOST_MARKS)
        status = tn_fail("%s: over %d marks", name, MOST_MARKS);
    if (status != TN_OK) {
        free_mark(&mark);
        return status;
    }
    out->marks[out->mark_count++] = mark;
    return TN_OK;
}

static tn_status read_elements(const xmlNode *root, const char *name, tn_ddti_case *out) {
    size_t marks = 0;
    for (const xmlNode *node = root->children; node; node = node->next)
        marks += node->type == XML_ELEMENT_NODE && strcmp((const char *)node->name, "mark") == 0;
    if (marks > MOST_MARKS) return tn_fail("%s: over %d marks", name, MOST_MARKS);
    out->marks = calloc(marks ? marks : 1, sizeof *out->marks);
    if (!out->marks) return tn_fail("%s: out of memory", name);

    const xmlNode *number = child(root, "number");
    out->written = number ? number_of(number) : -1;
    out->number = number_of_file(name);
    if (out->number < 0) out->number = out->written;
    if (out->number < 0)
        return tn_fail("%s: neither the file's name nor <number> gives a case number", name);
    for (int i = 0; i < TN_DDTI_FIELDS; i++) {
        const xmlNode *field = child(root, field_names[i]);
        out->fields[i] = field ? text_of(field) : strdup("");
        if (!out->fields[i]) return tn_fail("%s: out of memory", name);
    }
    for (const xmlNode *node = root->children; node; node = node->next)
        if (node->type == XML_ELEMENT_NODE && strcmp((const char *)node->name, "mark") == 0)
            TN_TRY(read_mark(node, name, out));
    return TN_OK;
}

static tn_status read_document(const xmlDoc *document, const char *name, tn_ddti_case *out) {
    if (document->intSubset || document->extSubset)
        return tn_fail("%s: has a document type (<!DOCTYPE>); a case file needs none, and entities "
                       "are not read",
                       name);
    const xmlNode *root = xmlDocGetRootElement(document);
    if (!root) return tn_fail("%s: has no element, expected <case>", name);
    if (strcmp((const char *)root->name, "case") != 0)
        return tn_fail("%s: expected <case> as the root, found <%.40s>", name,
                       (const char *)root->name);
    return read_elements(root, name, out);
}

/* libxml2 ends its messages with a newline. */
static tn_status not_well_formed(xmlParserCtxt *context, const char *name) {
    const xmlError *error = xmlCtxtGetLastError(context);
    const char *message = error && error->message ? error->message : "no XML";
    return tn_fail("%s: line %d: not well-formed XML: %.*s", name, error ? error->line : 0,
                   (int)strcspn(message, "\n"), message);
}

tn_status tn_ddti_case_parse(const void *bytes, size_t size, const char *name, tn_ddti_case *out) {
    *out = (tn_ddti_case){0};
    if (size == 0) return tn_fail("%s: is empty, expected a <case>", name);
    if (size > LARGEST_FILE)
        return tn_fail("%s: has %zu bytes; a case file of over %d is refused", name, size,
                       (int)LARGEST_FILE);
    /* Before the parser sees them: definitions cost time even when nothing uses them. */
    if (memmem(bytes, size, "<!DOCTYPE", 9) || memmem(bytes, size, "<!ENTITY", 8))
        return tn_fail("%s: has a document type (<!DOCTYPE>) or entities; a case file needs none, "
                       "and they are not read",
                       name);
    xmlParserCtxt *context = xmlNewParserCtxt();
    if (!context) return tn_fail("%s: out of memory", name);
    int options = XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_NOCDATA;
    xmlDoc *document = xmlCtxtReadMemory(context, bytes, (int)size, name, NULL, options);
    tn_status status =
        document ? read_document(document, name, out) : not_well_formed(context, name);
    xmlFreeDoc(document);
    xmlFreeParserCtxt(context);
    if (status != TN_OK) tn_ddti_case_free(out);
    return status;
}

tn_status tn_ddti_case_load(const char *path, tn_ddti_case *out) {
    uint8_t *bytes;
    size_t size;
    *out = (tn_ddti_case){0};
    TN_TRY(tn_read_file(path, LARGEST_FILE, &bytes, &size));
    tn_status status = tn_ddti_case_parse(bytes, size, path, out);
    free(bytes);
    return status;
}

void tn_ddti_case_free(tn_ddti_case *record) {
    for (int i = 0; i < record->mark_count; i++) free_mark(&record->marks[i]);
    free(record->marks);
    for (int i = 0; i < TN_DDTI_FIELDS; i++) free(record->fields[i]);
    *record = (tn_ddti_case){0};
}

const tn_ddti_mark *tn_ddti_case_mark(const tn_ddti_case *record, int image) {
    for (int i = 0; i < record->mark_count; i++)
        if (record->marks[i].image == image) return &record->marks[i];
    return NULL;
}
