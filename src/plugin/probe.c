#include "src/plugin/probe.h"

#include "src/net/optimizer.h"
#include "src/net/run.h"
#include "src/plugin/host.h"
#include "src/plugin/memory_file.h"
#include "src/plugin/mends.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* Two layers, so that the second lies where the struct's size says. */
static const char probe_cfg[] = "[net]\nwidth=9\nheight=7\nchannels=3\nbatch=2\n"
                                "learning_rate=0.1\nmomentum=0.9\ndecay=0.01\n"
                                "[convolutional]\nfilters=4\nsize=3\npad=1\nstride=2\n"
                                "activation=relu\n"
                                "[convolutional]\nfilters=5\nsize=1\nactivation=linear\n"
                                "[softmax]\n";
/* The same shapes, by our layers: for a host's GPU. */
static const char probe_blocks[] = "[net]\nwidth=9\nheight=7\nchannels=3\nbatch=2\n"
                                   "learning_rate=0.1\nmomentum=0.9\ndecay=0.01\n"
                                   "[convolutional]\nfilters=4\nsize=3\npad=1\nstride=2\n"
                                   "activation=relu\n"
                                   "[expansion_residual]\nfilters=4\ngroups=2\nexpansion=1\n"
                                   "[grouped_convolutional]\nfilters=4\ngroups=2\nsize=3\npad=1\n"
                                   "batch_normalize=1\nactivation=leaky\n"
                                   "[convolutional]\nfilters=5\nsize=1\nactivation=linear\n"
                                   "[softmax]\n";
enum { PROBE_INPUTS = 9 * 7 * 3, PROBE_OUTPUTS = 4 * 5 * 5, PROBE_BATCH = 2, PROBE_SEED = 1 };

static tn_status wrong(const char *what) {
    return tn_fail("the library's %s is not where its header says", what);
}

/* n images in the host's order and in ours. */
static void fill(int n, float *x, const tn_tensor *in) {
    for (int b = 0; b < n; b++)
        for (int i = 0; i < PROBE_INPUTS; i++) {
            const float v = (float)(((b * PROBE_INPUTS + i) * 37) % 101) / 101;
            x[b * PROBE_INPUTS + i] = v;
            tn_data(in)[(b * 63 + i % 63) * in->pitch + i / 63] = v;
        }
}

/* The host's own arithmetic, reached through its function pointers, against ours. */
static tn_status compare(tn_host_net *host) {
    float x[PROBE_INPUTS];
    tn_net *net = tn_graft_net(tn_host_graft(host));
    tn_run *run;
    const tn_run_options options = {.mode = TN_INFER, .batch = 1, .threads = 1, .output = -1};
    TN_TRY(tn_run_create(&net->plan, net->param, &options, &run));
    const tn_tensor in = tn_run_input(run), out = tn_run_output(run);
    fill(1, x, &in);
    const float *theirs = tn_host_predict(host, x);
    const tn_step step = {.n_valid = 1};
    tn_status status = tn_run_forward(run, &step);
    for (int i = 0; i < PROBE_OUTPUTS && status == TN_OK; i++) {
        const float ours = tn_data(&out)[i % 20 * out.pitch + i / 20];
        if (!(fabsf(ours - theirs[i]) < 1e-4f))
            status = tn_fail("the library computes %g where %g is right", (double)theirs[i],
                             (double)ours);
    }
    tn_run_free(run);
    return status;
}

/* The largest difference of the two nets' parameters, or of their gradients: ours are means of what
 * falls, the host's sums of what rises. */
static double apart(const tn_net *ours, const tn_net *host, bool gradients) {
    double most = 0;
    for (int p = 0; p < ours->plan.n_params; p++) {
        const tn_param *a = &ours->param[p], *b = &host->param[p];
        const float *x = gradients ? a->grad : a->value, *y = gradients ? b->grad : b->value;
        if (!x || !y) continue; /* statistics have no gradient */
        const double scale = gradients ? -1.0 / PROBE_BATCH : 1;
        for (size_t j = 0; j < a->spec->count; j++)
            most = fmax(most, fabs((double)x[j] - scale * (double)y[j]));
    }
    return most;
}

static tn_status step_both(tn_host_net *host, tn_net *net, tn_run *run, tn_optimizer *optimizer) {
    float x[PROBE_BATCH * PROBE_INPUTS], truth[PROBE_BATCH * PROBE_OUTPUTS] = {0};
    const tn_tensor in = tn_run_input(run);
    fill(PROBE_BATCH, x, &in);
    for (int b = 0; b < PROBE_BATCH; b++) truth[b * PROBE_OUTPUTS + 7 * b] = 1;
    const tn_step step = {.n_valid = PROBE_BATCH, .grad_scale = 1.0 / PROBE_BATCH, .truth = truth};
    TN_TRY(tn_run_forward(run, &step));
    TN_TRY(tn_run_backward(run));
    const tn_net *theirs = tn_graft_net(tn_host_graft(host));
    (void)tn_host_gradients(host, x, truth);
    tn_host_fetch(host);
    /* momentum stays in the host's gradients: the first step's are bare */
    const double slope = optimizer->updates ? 0 : apart(net, theirs, true);
    tn_optimizer_update(optimizer, net->param, net->keys.learning_rate);
    tn_host_update(host);
    tn_host_fetch(host);
    const double most = fmax(slope, apart(net, theirs, false));
    if (most < 1e-4) return TN_OK;
    return tn_fail("a step of training in the library ends %g off", most);
}

/* Gradients and updates are read and written through more of its structs. */
static tn_status compare_training(const char *cfg) {
    tn_host_net *host;
    tn_net *net;
    tn_run *run = NULL;
    tn_optimizer *optimizer = NULL;
    TN_TRY(tn_host_open(cfg, NULL, true, &host));
    TN_TRY(tn_net_load(cfg, NULL, 0, NULL, &net));
    tn_net_init(net, PROBE_SEED);
    const tn_run_options options = {
        .mode = TN_TRAIN, .batch = PROBE_BATCH, .threads = 1, .output = -1};
    const tn_optimizer_options sgd = {
        .kind = TN_SGD, .momentum = net->keys.momentum, .decay = net->keys.decay};
    tn_status status = tn_run_create(&net->plan, net->param, &options, &run);
    if (status == TN_OK)
        status = tn_optimizer_create(&sgd, net->param, net->plan.n_params, &optimizer);
    for (int i = 0; i < 2 && status == TN_OK; i++) status = step_both(host, net, run, optimizer);
    tn_optimizer_free(optimizer);
    tn_run_free(run);
    tn_net_free(net);
    tn_host_close(host);
    return status;
}

static tn_status look(const char *cfg) {
    tn_host_net *net;
    int size[3];
    TN_TRY(tn_host_open(cfg, NULL, false, &net));
    tn_host_size(net, size);
    if (tn_host_layers(net) != 3) return wrong("number of layers");
    if (size[0] != 9 || size[1] != 7 || size[2] != 3) return wrong("network");
    if (tn_host_inputs(net) != PROBE_INPUTS || tn_host_outputs(net) != PROBE_OUTPUTS ||
        tn_host_batch(net) != 1)
        return wrong("network");
    if (!tn_host_layer_is_convolution(net, 0, 4, 5, 4, 108)) return wrong("first layer");
    if (!tn_host_layer_is_convolution(net, 1, 4, 5, 5, 20)) return wrong("second layer");
    TN_TRY(compare(net));
    return compare_training(cfg);
}

static tn_status write_cfg(tn_memory_file *file, const char *text) {
    TN_TRY(tn_memory_file_open(file, "probe.cfg"));
    fputs(text, file->to);
    return tn_memory_file_finish(file);
}

/* In the child: what the host prints is nobody's. The reason goes through the pipe. */
static int child(int answer) {
    tn_memory_file cfg;
    const int null = open("/dev/null", O_WRONLY);
    tn_status status = write_cfg(&cfg, probe_cfg);
    dup2(null, STDOUT_FILENO);
    dup2(null, STDERR_FILENO);
    for (int m = 0; m < TN_MENDS; m++) tn_mend_set((tn_mend)m, m == TN_MEND_START);
    tn_host_graft_options = (tn_graft_options){.seed = PROBE_SEED};
    if (status == TN_OK) status = look(cfg.path);
    if (status == TN_OK) return 0;
    const char *why = tn_error();
    return write(answer, why, strlen(why)) < 0 ? 2 : 1;
}

static tn_status run_probe(void) {
    int ends[2], how = 0;
    char why[512] = "";
    fflush(NULL);
    if (pipe(ends) != 0) return tn_fail("pipe: %s", strerror(errno));
    const pid_t pid = fork();
    if (pid < 0) return tn_fail("fork: %s", strerror(errno));
    if (pid == 0) _exit(child(ends[1]));
    close(ends[1]);
    const ssize_t n = read(ends[0], why, sizeof why - 1);
    close(ends[0]);
    waitpid(pid, &how, 0);
    if (WIFEXITED(how) && WEXITSTATUS(how) == 0) return TN_OK;
    if (WIFSIGNALED(how)) return tn_fail("a small net crashes it (signal %d)", WTERMSIG(how));
    return tn_fail("%s", n > 0 ? why : "it ends the process on a small net");
}

const char *tn_probe_library(void) {
    Dl_info info;
    void *symbol = dlsym(RTLD_NEXT, "parse_network_cfg");
    return symbol && dladdr(symbol, &info) && info.dli_fname ? info.dli_fname : "libdarknet.so";
}

tn_status tn_probe_host(void) {
    const char *library = tn_probe_library();
    for (const char *const *name = tn_host_symbols; *name; name++)
        if (!dlsym(RTLD_NEXT, *name))
            return tn_fail("%s has no function %s: this plugin was built for %s", library, *name,
                           tn_host_name());
    if (dlsym(RTLD_DEFAULT, tn_host_stranger))
        return tn_fail("%s has a function %s: it is not %s, which this plugin was built for",
                       library, tn_host_stranger, tn_host_name());
    if (!tn_host_takes_gpu_builds && dlsym(RTLD_DEFAULT, "forward_network_gpu"))
        return tn_fail("%s is built with GPU=1, and the plugin has no GPU kernels for it: build it "
                       "with GPU=0",
                       library);
    if (run_probe() == TN_OK) return TN_OK;
    return tn_fail_in("%s does not fit the darknet.h that this plugin was built with", library);
}

/* ---- on the host's GPU ---- */

static tn_status compare_there(const char *cfg) {
    tn_host_net *net;
    TN_TRY(tn_host_open(cfg, NULL, false, &net));
    const tn_status status = compare(net);
    tn_host_close(net);
    return status == TN_OK ? compare_training(cfg) : status;
}

/* What the host prints meanwhile is nobody's, unless it ends the process. */
static struct { int out, err, said; } quiet;

static void speak(void) {
    fflush(NULL);
    dup2(quiet.out, STDOUT_FILENO);
    dup2(quiet.err, STDERR_FILENO);
    close(quiet.out);
    close(quiet.err);
}

static void say_the_last(void) {
    char text[4096];
    if (!quiet.said) return;
    speak();
    const off_t size = lseek(quiet.said, 0, SEEK_END), most = sizeof text;
    const ssize_t n = pread(quiet.said, text, sizeof text, size > most ? size - most : 0);
    fprintf(stderr,
            "%.*s\ndarknet-plugin: %s ends the process on a small net on its GPU (-nogpu: "
            "the processor computes)\n",
            n > 0 ? (int)n : 0, text, tn_probe_library());
}

static tn_status run_quietly(const char *cfg) {
    quiet.said = memfd_create("host's words", MFD_CLOEXEC);
    quiet.out = dup(STDOUT_FILENO);
    quiet.err = dup(STDERR_FILENO);
    if (quiet.said <= 0 || quiet.out < 0 || quiet.err < 0) return tn_fail("no room for a file");
    atexit(say_the_last);
    fflush(NULL);
    dup2(quiet.said, STDOUT_FILENO);
    dup2(quiet.said, STDERR_FILENO);
    const tn_status status = compare_there(cfg);
    speak();
    close(quiet.said);
    quiet.said = 0;
    return status;
}

tn_status tn_probe_gpu(void) {
    const tn_graft_options kept = tn_host_graft_options;
    bool on[TN_MENDS];
    tn_memory_file cfg;
    TN_TRY(write_cfg(&cfg, probe_blocks));
    for (int m = 0; m < TN_MENDS; m++) {
        on[m] = tn_mend_on((tn_mend)m);
        tn_mend_set((tn_mend)m, true);
    }
    tn_host_graft_options.seed = PROBE_SEED;
    tn_host_graft_options.images = 0;
    tn_host_graft_options.n_overrides = 0;
    const tn_status status = run_quietly(cfg.path);
    tn_memory_file_close(&cfg);
    tn_host_graft_options = kept;
    for (int m = 0; m < TN_MENDS; m++) tn_mend_set((tn_mend)m, on[m]);
    if (status == TN_OK) return TN_OK;
    return tn_fail_in("%s on its GPU (-nogpu: the processor computes)", tn_probe_library());
}
