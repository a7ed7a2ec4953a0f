/* .weights files: what is written comes back; every odd header; what is refused and how it is said.
 */
#include "src/net/weights.h"

#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char path[64];

static const char cfg_text[] =
    "[net]\nwidth=4\nheight=4\nchannels=2\n"
    "[convolutional]\nfilters=3\nsize=3\npad=1\nbatch_normalize=1\nactivation=relu\n"
    "[batchnorm]\n"
    "[maxpool]\nsize=2\nstride=2\n"
    "[connected]\noutput=5\nactivation=linear\nbatch_normalize=1\n"
    "[softmax]\n";
/* In the file: conv 3 + 3*3 + 3*18, batchnorm 4*3, connected 5 + 60 + 3*5. */
enum { CONV = 12 + 54, BATCH = 12, CONNECTED = 80, FLOATS = CONV + BATCH + CONNECTED };

static tn_net *make_net(void) {
    tn_cfg cfg;
    tn_net *net;
    assert_int_equal(tn_cfg_parse(cfg_text, strlen(cfg_text), "a.cfg", &cfg), TN_OK);
    if (tn_net_create(&cfg, NULL, &net) != TN_OK) fail_msg("%s", tn_error());
    tn_net_init(net, 1);
    return net;
}

/* Float k of a file made here is k + 1. */
static float numbers[FLOATS];
static void write_file(const int32_t version[3], uint64_t seen, int seen_bytes, const float *v,
                       size_t n) {
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    fwrite(version, 4, 3, f);
    fwrite(&seen, 1, (size_t)seen_bytes, f);
    fwrite(v, sizeof *v, n, f);
    assert_int_equal(fclose(f), 0);
}

static const int32_t v025[3] = {0, 2, 5}, v010[3] = {0, 1, 0}, v020[3] = {0, 2, 0};

static const tn_param *named(const tn_net *net, const char *name) {
    for (int i = 0; i < net->plan.n_params; i++)
        if (strcmp(net->plan.param[i].name, name) == 0) return &net->param[i];
    fail_msg("no parameter %s", name);
    return NULL;
}

static void what_is_saved_comes_back(void **state) {
    (void)state;
    tn_net *a = make_net(), *b = make_net();
    tn_net_init(a, 7);
    assert_int_equal(tn_weights_save(a->param, a->plan.n_params, 123456789012345ull, path), TN_OK);
    struct stat about;
    assert_int_equal(stat(path, &about), 0);
    assert_int_equal(about.st_size, 20 + 4 * FLOATS);
    assert_int_equal(tn_weights_bytes(a->param, a->plan.n_params), about.st_size);
    const uint64_t version = b->param[4].version;
    tn_weights_report report;
    assert_int_equal(tn_weights_load(b, path, false, &report), TN_OK);
    assert_true(b->seen == 123456789012345ull && report.seen == b->seen);
    assert_int_equal(report.layers, 5);
    assert_int_equal(report.version[1] * 10 + report.version[2], 25);
    assert_int_equal(report.unread, 0);
    assert_true(b->param[4].version > version);
    for (int i = 0; i < a->plan.n_params; i++)
        assert_memory_equal(a->param[i].value, b->param[i].value,
                            a->param[i].spec->count * sizeof(tn_real));
    tn_net_free(a);
    tn_net_free(b);
}

static void bytes_lie_where_darknet_puts_them(void **state) {
    (void)state;
    tn_net *net = make_net();
    write_file(v025, 64, 8, numbers, FLOATS);
    assert_int_equal(tn_weights_load(net, path, false, NULL), TN_OK);
    assert_true(named(net, "0.biases")->value[0] == 1);
    assert_true(named(net, "0.scales")->value[0] == 4);
    assert_true(named(net, "0.rolling_mean")->value[0] == 7);
    assert_true(named(net, "0.rolling_variance")->value[0] == 10);
    assert_true(named(net, "0.weights")->value[0] == 13);
    assert_true(named(net, "1.biases")->value[0] == CONV + 1);
    assert_true(named(net, "1.scales")->value[0] == CONV + 4);
    assert_true(named(net, "3.biases")->value[0] == CONV + BATCH + 1);
    assert_true(named(net, "3.weights")->value[1] == CONV + BATCH + 7);
    assert_true(named(net, "3.scales")->value[0] == CONV + BATCH + 66);
    tn_net_free(net);
}

static void old_and_odd_headers_are_read(void **state) {
    (void)state;
    tn_net *net = make_net();
    write_file(v010, 77, 4, numbers, FLOATS); /* before version 0.2: 32 bits */
    assert_int_equal(tn_weights_load(net, path, false, NULL), TN_OK);
    assert_int_equal(net->seen, 77);
    assert_true(named(net, "0.biases")->value[0] == 1);
    write_file(v020, 78, 4, numbers, FLOATS); /* version 0.2 from a 32-bit machine */
    assert_int_equal(tn_weights_load(net, path, false, NULL), TN_OK);
    assert_int_equal(net->seen, 78);
    assert_true(named(net, "0.biases")->value[0] == 1);
    /* vgg-16.weights starts like this: no version at all, connected weights transposed. */
    const int32_t none[3] = {925353388, 1063675494, 973279855};
    write_file(none, 79, 4, numbers, FLOATS);
    assert_int_equal(tn_weights_load(net, path, false, NULL), TN_OK);
    const tn_param *w = named(net, "3.weights");
    assert_true(w->value[0] == CONV + BATCH + 6);
    assert_true(w->value[1] == CONV + BATCH + 6 + 5); /* output 0, input 1 */
    assert_true(w->value[12] == CONV + BATCH + 7);    /* output 1, input 0 */
    assert_true(named(net, "0.weights")->value[1] == 14);
    tn_net_free(net);
}

static void pjreddies_batchnorm_has_no_biases(void **state) {
    (void)state;
    tn_net *net = make_net();
    write_file(v020, 1, 8, numbers, FLOATS - 3);
    assert_int_equal(tn_weights_load(net, path, false, NULL), TN_OK);
    assert_true(named(net, "1.biases")->value[1] == 0);
    assert_true(named(net, "1.scales")->value[0] == CONV + 1);
    assert_true(named(net, "3.biases")->value[0] == CONV + BATCH - 3 + 1);
    tn_net_free(net);
}

static void refuse(tn_net *net, bool partial, const char *said) {
    tn_real before[FLOATS];
    size_t n = 0;
    for (int i = 0; i < net->plan.n_params; i++)
        for (size_t j = 0; j < net->param[i].spec->count; j++) before[n++] = net->param[i].value[j];
    const uint64_t seen = net->seen;
    if (tn_weights_load(net, path, partial, NULL) != TN_FAIL)
        fail_msg("accepted; wanted: %s", said);
    if (!strstr(tn_error(), said)) fail_msg("said: %s; wanted: %s", tn_error(), said);
    assert_non_null(strstr(tn_error(), path));
    assert_true(net->seen == seen);
    n = 0;
    for (int i = 0; i < net->plan.n_params; i++)
        for (size_t j = 0; j < net->param[i].spec->count; j++)
            assert_true(net->param[i].value[j] == before[n++]);
}

static void wrong_files_are_refused(void **state) {
    (void)state;
    tn_net *net = make_net();
    unlink(path);
    refuse(net, false, "No such file");
    write_file(v025, 1, 8, numbers, FLOATS - 1);
    refuse(net, false, "3.rolling_variance of layer 3 [connected] (line 15)");
    write_file(v025, 1, 8, numbers, 40);
    refuse(net, false, "180 bytes, expected 652 for a.cfg: it ends before 0.weights of layer 0");
    write_file(v025, 1, 8, numbers, 0);
    refuse(net, false, "0.biases");
    refuse(net, true, "0.biases");
    float more[FLOATS + 2] = {1};
    memcpy(more, numbers, sizeof numbers);
    write_file(v025, 1, 8, more, FLOATS + 2);
    refuse(net, false, "8 too many");
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    fputs("<html>", f);
    fclose(f);
    refuse(net, false, "6 bytes: too short");
    f = fopen(path, "wb");
    assert_non_null(f);
    fclose(f);
    refuse(net, false, "0 bytes: too short");
    float bad[FLOATS];
    memcpy(bad, numbers, sizeof numbers);
    bad[20] = NAN;
    write_file(v025, 1, 8, bad, FLOATS);
    refuse(net, false, "value 8 of 0.weights (layer 0 [convolutional]) is nan");
    refuse(net, true, "0.weights");
    bad[20] = INFINITY;
    write_file(v025, 1, 8, bad, FLOATS);
    refuse(net, false, "inf");
    bad[20] = 1;
    bad[10] = -0.5f;
    write_file(v025, 1, 8, bad, FLOATS);
    refuse(net, false, "value 1 of 0.rolling_variance (layer 0 [convolutional]) is -0.5");
    tn_net_free(net);
}

static void partial_takes_whole_layers(void **state) {
    (void)state;
    tn_net *net = make_net(), *start = make_net();
    tn_weights_report report;
    write_file(v025, 9, 8, numbers, CONV + BATCH + 30);
    assert_int_equal(tn_weights_load(net, path, true, &report), TN_OK);
    assert_int_equal(report.layers, 3);
    assert_int_equal(report.all_layers, 5);
    assert_int_equal(report.unread, 120);
    assert_true(named(net, "1.rolling_variance")->value[2] == CONV + BATCH);
    const tn_param *w = named(net, "3.weights"), *kept = named(start, "3.weights");
    assert_memory_equal(w->value, kept->value, w->spec->count * sizeof(tn_real));
    float more[FLOATS + 2] = {1};
    memcpy(more, numbers, sizeof numbers);
    write_file(v025, 9, 8, more, FLOATS + 2);
    assert_int_equal(tn_weights_load(net, path, true, &report), TN_OK);
    assert_int_equal(report.layers, 5);
    assert_int_equal(report.unread, 8);
    tn_net_free(net);
    tn_net_free(start);
}

/* A file-size limit stands for a disk that is full. */
static void a_full_disk_leaves_the_old_file(void **state) {
    (void)state;
    tn_net *net = make_net();
    assert_int_equal(tn_weights_save(net->param, net->plan.n_params, 5, path), TN_OK);
    struct rlimit old, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = old;
    small.rlim_cur = 300;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    const tn_status status = tn_weights_save(net->param, net->plan.n_params, 6, path);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    signal(SIGXFSZ, handler);
    assert_int_equal(status, TN_FAIL);
    assert_non_null(strstr(tn_error(), path));
    assert_int_equal(tn_weights_load(net, path, false, NULL), TN_OK);
    assert_int_equal(net->seen, 5);
    char part[80];
    snprintf(part, sizeof part, "%s.part", path);
    assert_int_not_equal(access(part, F_OK), 0);
    assert_int_equal(tn_weights_save(net->param, net->plan.n_params, 6, "/no/such/folder/a"),
                     TN_FAIL);
    tn_net_free(net);
}

static int set_up(void **state) {
    (void)state;
    for (int i = 0; i < FLOATS; i++) numbers[i] = (float)(i + 1);
    snprintf(path, sizeof path, "/tmp/tn_weights_%d.weights", (int)getpid());
    return 0;
}
static int tear_down(void **state) {
    (void)state;
    unlink(path);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_saved_comes_back),
        cmocka_unit_test(bytes_lie_where_darknet_puts_them),
        cmocka_unit_test(old_and_odd_headers_are_read),
        cmocka_unit_test(pjreddies_batchnorm_has_no_biases),
        cmocka_unit_test(wrong_files_are_refused),
        cmocka_unit_test(partial_takes_whole_layers),
        cmocka_unit_test(a_full_disk_leaves_the_old_file),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
