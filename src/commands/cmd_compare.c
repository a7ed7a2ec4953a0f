/* darknet classifier compare */
#include "src/commands/commands.h"
#include "src/commands/notice.h"
#include "src/commands/options.h"
#include "src/eval/cases.h"
#include "src/eval/compare.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double level = 0.05; /* of significance */

static const char usage[] =
    "usage: darknet classifier compare A.csv B.csv [C.csv...] [options]\n"
    "\n"
    "Says whether nets differ or whether it is noise, from what `valid -probs FILE` wrote of each\n"
    "for the same images. AUC: DeLong's test and a paired bootstrap. Accuracy: McNemar's exact "
    "test\n"
    "and the paired bootstrap. p values are corrected for the number of pairs (Holm); a "
    "difference\n"
    "counts below 0.05. -manifest names the manifest.csv that says which images are one case: "
    "they\n"
    "are not independent, and without it p values are too small where cases have several images.\n"
    "\n" TN_NOTICE "\n";

typedef struct compare {
    tn_arguments arguments;
    const char *positive_name, *manifest;
    int json, resamples;
    unsigned long long seed;
    int count;
    const char *const *name; /* [count] the files */
    tn_predictions *set;     /* [count], in the order of the first */
    tn_cases cases;
    tn_comparison result;
} compare;

static int failed(void) {
    fprintf(stderr, "darknet classifier compare: %s\n", tn_error());
    return 1;
}

/* ---- reading ---- */

static tn_status read_like(compare *c, int i) {
    tn_predictions other;
    tn_predictions *first = &c->set[0];
    TN_TRY(tn_predictions_read(c->name[i], &other));
    size_t *at = calloc(first->n + 1, sizeof *at);
    tn_status status = at ? TN_OK : tn_fail("out of memory for %zu images", first->n);
    if (status == TN_OK) status = tn_predictions_match(first, c->name[0], &other, c->name[i], at);
    if (status == TN_OK) status = tn_predictions_reorder(&other, first, at, &c->set[i]);
    tn_predictions_free(&other);
    free(at);
    return status;
}

static tn_status read_all(compare *c) {
    c->count = c->arguments.positionals.count;
    c->name = c->arguments.positionals.items;
    if (c->count < 2) return tn_fail("name two or more files that valid -probs wrote");
    c->set = calloc((size_t)c->count, sizeof *c->set);
    if (!c->set) return tn_fail("out of memory");
    TN_TRY(tn_predictions_read(c->name[0], &c->set[0]));
    for (int i = 1; i < c->count; i++) TN_TRY(read_like(c, i));
    if (!c->manifest) return TN_OK;
    TN_TRY(tn_cases_load(c->manifest, c->set[0].image, c->set[0].n, &c->cases));
    return c->cases.known ? TN_OK : tn_fail("%s: says of no image which case it is", c->manifest);
}

/* 2000 resamples, fewer where they would take minutes, never below 200. */
static int choose_resamples(const compare *c) {
    if (c->resamples) return c->resamples;
    const double affordable = 2e8 / ((double)c->set[0].n * c->count);
    return affordable > 2000 ? 2000 : affordable < 200 ? 200 : (int)affordable;
}

static tn_status compare_all(compare *c) {
    tn_compare_options o = {.positive = -1,
                            .cluster = c->cases.cluster,
                            .resamples = choose_resamples(c),
                            .seed = c->seed};
    if (c->positive_name) {
        o.positive = tn_predictions_class(&c->set[0], c->positive_name);
        if (o.positive < 0)
            return tn_fail("-positive %s: no class of %s", c->positive_name, c->name[0]);
    }
    const tn_predictions **set = calloc((size_t)c->count, sizeof(const tn_predictions *));
    if (!set) return tn_fail("out of memory");
    for (int i = 0; i < c->count; i++) set[i] = &c->set[i];
    const tn_status status = tn_compare(set, c->count, &o, &c->result);
    free(set);
    return status;
}

/* ---- text ---- */

static const char *figure(double value, char text[32]) {
    if (isnan(value)) return "-";
    snprintf(text, 32, "%.4f", value);
    return text;
}

static const char *range(tn_interval interval, char text[48]) {
    if (!tn_interval_is(interval)) return "-";
    snprintf(text, 48, "%.4f to %.4f", interval.low, interval.high);
    return text;
}

/* Below what 2000 resamples can tell apart, digits say nothing. */
static const char *chance(double p, char text[32]) {
    if (isnan(p)) return "-";
    snprintf(text, 32, p < 0.0001 ? "< 0.0001" : "%.4f", p);
    return text;
}

static void print_contestants(const compare *c) {
    char x[32], y[48], z[32], u[48], v[32];
    printf("%-32s %8s   %-16s %9s   %-16s %9s\n", "", "AUC", "95 % interval", "accuracy",
           "95 % interval", "balanced");
    for (int i = 0; i < c->count; i++) {
        const tn_contestant *k = &c->result.contestant[i];
        printf("%-32s %8s   %-16s %9s   %-16s %9s\n", c->name[i], figure(k->auc, x),
               range(k->auc_interval, y), figure(k->accuracy, z), range(k->accuracy_interval, u),
               figure(k->balanced_accuracy, v));
    }
}

static void print_verdict(const compare *c, const tn_pair *p, const tn_difference *d,
                          const char *better) {
    char text[32];
    if (isnan(d->holm_p))
        printf("    cannot be tested: too few or too uniform images\n");
    else if (d->holm_p < level)
        printf("    a difference: %s %s (p %s after Holm)\n",
               c->name[d->value > 0 ? p->first : p->second], better, chance(d->holm_p, text));
    else
        printf("    noise: these images cannot tell the two apart (p %s after Holm, below %g is "
               "needed)\n",
               chance(d->holm_p, text), level);
}

/* Answering the larger class more often is rewarded by accuracy alone. */
static void print_hollow(const compare *c, const tn_pair *p) {
    const tn_difference *d = &p->accuracy;
    const bool first = d->value > 0;
    const double won = c->result.contestant[first ? p->first : p->second].balanced_accuracy;
    const double lost = c->result.contestant[first ? p->second : p->first].balanced_accuracy;
    if (d->holm_p < level && won <= lost)
        printf("    ... yet not by telling the classes apart: its balanced accuracy is %.4f, the "
               "other's %.4f\n",
               won, lost);
}

static void print_pair(const compare *c, const tn_pair *p) {
    char x[48], y[48], z[32], u[32];
    printf("\n%s against %s\n", c->name[p->first], c->name[p->second]);
    printf("  AUC %+.4f; DeLong: %s, p %s; paired bootstrap: %s, p %s\n", p->auc.value,
           range(p->delong, x), chance(p->auc.test_p, z), range(p->auc.interval, y),
           chance(p->auc.bootstrap_p, u));
    if (p->same_ranking) printf("    both rank the images alike\n");
    print_verdict(c, p, &p->auc, "ranks better");
    printf("  accuracy %+.4f; right alone: %zu and %zu images, McNemar p %s; paired bootstrap: %s, "
           "p %s\n",
           p->accuracy.value, p->only_first, p->only_second, chance(p->accuracy.test_p, z),
           range(p->accuracy.interval, y), chance(p->accuracy.bootstrap_p, u));
    print_verdict(c, p, &p->accuracy, "is right more often");
    print_hollow(c, p);
}

static void print_text(const compare *c) {
    const tn_comparison *r = &c->result;
    printf("%zu images", c->set[0].n);
    if (c->cases.known)
        printf(" of %d cases, %d of them independent (%s)\n", c->cases.cases, c->cases.clusters,
               c->manifest);
    else
        printf(", taken as independent (-manifest FILE says which are one case)\n");
    if (c->set[0].classes > 2 && !c->positive_name)
        printf("AUC: mean over the classes, each against all others; by the bootstrap alone\n");
    print_contestants(c);
    for (int k = 0; k < r->pairs; k++) print_pair(c, &r->pair[k]);
    printf("\n%d resamples, seed %llu; %d pair%s corrected for (Holm).", r->resamples, c->seed,
           r->pairs, r->pairs == 1 ? "" : "s");
    if (c->cases.known) printf(" McNemar counts images, not cases: the bootstrap's p decides.");
    printf("\nOne training run a file: how much a net's figures vary from run to run is not in "
           "these tests.\n%s\n",
           TN_NOTICE);
}

/* ---- JSON ---- */

static bool add_real(cJSON *object, const char *name, double value) {
    char text[32];
    if (!isfinite(value)) return cJSON_AddNullToObject(object, name) != NULL;
    snprintf(text, sizeof text, "%.17g", value);
    return cJSON_AddRawToObject(object, name, text) != NULL;
}

static bool add_interval(cJSON *object, const char *name, tn_interval interval) {
    char text[72];
    if (!tn_interval_is(interval)) return cJSON_AddNullToObject(object, name) != NULL;
    snprintf(text, sizeof text, "[%.17g,%.17g]", interval.low, interval.high);
    return cJSON_AddRawToObject(object, name, text) != NULL;
}

static bool add_difference(cJSON *pair, const char *name, const tn_difference *d,
                           const char *test) {
    cJSON *o = cJSON_AddObjectToObject(pair, name);
    const char *verdict = isnan(d->holm_p)    ? "untestable"
                          : d->holm_p < level ? "different"
                                              : "noise";
    return o && add_real(o, "difference", d->value) &&
           add_interval(o, "bootstrap_interval", d->interval) &&
           add_real(o, "bootstrap_p", d->bootstrap_p) && add_real(o, test, d->test_p) &&
           add_real(o, "p", d->p) && add_real(o, "holm_p", d->holm_p) &&
           cJSON_AddStringToObject(o, "verdict", verdict);
}

static bool add_pair(cJSON *list, const compare *c, const tn_pair *p) {
    cJSON *o = cJSON_CreateObject();
    if (!o || !cJSON_AddItemToArray(list, o)) return false;
    return cJSON_AddStringToObject(o, "first", c->name[p->first]) &&
           cJSON_AddStringToObject(o, "second", c->name[p->second]) &&
           add_difference(o, "auc", &p->auc, "delong_p") &&
           add_interval(o, "delong_interval", p->delong) &&
           add_difference(o, "accuracy", &p->accuracy, "mcnemar_p") &&
           cJSON_AddNumberToObject(o, "only_first_right", (double)p->only_first) &&
           cJSON_AddNumberToObject(o, "only_second_right", (double)p->only_second);
}

static bool add_contestant(cJSON *list, const char *name, const tn_contestant *k) {
    cJSON *o = cJSON_CreateObject();
    if (!o || !cJSON_AddItemToArray(list, o)) return false;
    return cJSON_AddStringToObject(o, "file", name) && add_real(o, "auc", k->auc) &&
           add_interval(o, "auc_interval", k->auc_interval) &&
           add_real(o, "accuracy", k->accuracy) &&
           add_interval(o, "accuracy_interval", k->accuracy_interval) &&
           add_real(o, "balanced_accuracy", k->balanced_accuracy) &&
           add_interval(o, "balanced_accuracy_interval", k->balanced_interval);
}

static bool fill(cJSON *root, const compare *c) {
    const tn_comparison *r = &c->result;
    bool ok = cJSON_AddNumberToObject(root, "n", (double)c->set[0].n) != NULL;
    ok = ok && cJSON_AddNumberToObject(root, "independent", r->clusters);
    cJSON *nets = ok ? cJSON_AddArrayToObject(root, "nets") : NULL;
    for (int i = 0; nets && ok && i < c->count; i++)
        ok = add_contestant(nets, c->name[i], &r->contestant[i]);
    cJSON *pairs = nets && ok ? cJSON_AddArrayToObject(root, "pairs") : NULL;
    for (int k = 0; pairs && ok && k < r->pairs; k++) ok = add_pair(pairs, c, &r->pair[k]);
    return pairs && ok && cJSON_AddNumberToObject(root, "resamples", r->resamples) &&
           cJSON_AddNumberToObject(root, "seed", (double)c->seed) &&
           cJSON_AddStringToObject(root, "notice", TN_NOTICE);
}

static tn_status print_json(const compare *c) {
    cJSON *root = cJSON_CreateObject();
    char *text = root && fill(root, c) ? cJSON_PrintUnformatted(root) : NULL;
    cJSON_Delete(root);
    if (!text) return tn_fail("out of memory");
    printf("%s\n", text);
    cJSON_free(text);
    return TN_OK;
}

/* ---- the command ---- */

static tn_status run_all(compare *c) {
    TN_TRY(read_all(c));
    TN_TRY(compare_all(c));
    if (c->json)
        TN_TRY(print_json(c));
    else
        print_text(c);
    return fflush(stdout) || ferror(stdout) ? tn_fail("stdout cannot be written") : TN_OK;
}

int tn_cmd_compare(int argc, char **argv) {
    compare c = {0};
    const tn_option_spec specs[] = {
        {"manifest", TN_OPTION_TEXT, &c.manifest, "FILE", "says which images are one case"},
        {"positive", TN_OPTION_TEXT, &c.positive_name, "CLASS",
         "whose AUC is compared, of three or more classes (default: the mean over all)"},
        {"json", TN_OPTION_SWITCH, &c.json, NULL, "one JSON object"},
        {"resamples", TN_OPTION_INT, &c.resamples, "N",
         "of the bootstrap (default: 2000, fewer for huge lists)", 1, 1000000},
        {"seed", TN_OPTION_SEED, &c.seed, "N", "of the bootstrap (default: 0)"},
        {NULL},
    };
    if (tn_options_parse(argc, argv, specs, &c.arguments) != TN_OK) return failed();
    int status = 0;
    if (c.arguments.help)
        tn_options_help(stdout, usage, specs);
    else if (run_all(&c) != TN_OK)
        status = failed();
    for (int i = 0; c.set && i < c.count; i++) tn_predictions_free(&c.set[i]);
    free(c.set);
    tn_cases_free(&c.cases);
    tn_comparison_free(&c.result);
    tn_arguments_free(&c.arguments);
    return status;
}
