#include "src/plugin/probe.h"

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
#include <sys/wait.h>
#include <unistd.h>

/* Two layers, so that the second lies where the struct's size says. */
static const char probe_cfg[] = "[net]\nwidth=9\nheight=7\nchannels=3\nbatch=2\n"
                                "[convolutional]\nfilters=4\nsize=3\npad=1\nstride=2\n"
                                "activation=relu\n"
                                "[convolutional]\nfilters=5\nsize=1\nactivation=linear\n"
                                "[softmax]\n";
enum { PROBE_INPUTS = 9 * 7 * 3, PROBE_OUTPUTS = 4 * 5 * 5 };

static tn_status wrong(const char *what) {
    return tn_fail("the library's %s is not where its header says", what);
}

/* The host's own arithmetic, reached through its function pointers, against ours. */
static tn_status compare(tn_host_net *host) {
    float x[PROBE_INPUTS];
    for (int i = 0; i < PROBE_INPUTS; i++) x[i] = (float)((i * 37) % 101) / 101;
    const float *theirs = tn_host_predict(host, x);
    tn_net *net = tn_graft_net(tn_host_graft(host));
    tn_run *run;
    const tn_run_options options = {.mode = TN_INFER, .batch = 1, .threads = 1, .output = -1};
    TN_TRY(tn_run_create(&net->plan, net->param, &options, &run));
    const tn_tensor in = tn_run_input(run), out = tn_run_output(run);
    for (int i = 0; i < PROBE_INPUTS; i++) tn_data(&in)[i % 63 * in.pitch + i / 63] = x[i];
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
    return compare(net);
}

/* In the child: what the host prints is nobody's. The reason goes through the pipe. */
static int child(int answer) {
    tn_memory_file cfg;
    const int null = open("/dev/null", O_WRONLY);
    tn_status status = tn_memory_file_open(&cfg, "probe.cfg");
    if (status == TN_OK) {
        fputs(probe_cfg, cfg.to);
        status = tn_memory_file_finish(&cfg);
    }
    dup2(null, STDOUT_FILENO);
    dup2(null, STDERR_FILENO);
    for (int m = 0; m < TN_MENDS; m++) tn_mend_set((tn_mend)m, m == TN_MEND_START);
    tn_host_graft_options = (tn_graft_options){.seed = 1};
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
    if (dlsym(RTLD_DEFAULT, "forward_network_gpu"))
        return tn_fail("%s is built with GPU=1, and the plugin has no GPU kernels: build the host "
                       "with GPU=0",
                       library);
    if (run_probe() == TN_OK) return TN_OK;
    return tn_fail_in("%s does not fit the darknet.h that this plugin was built with", library);
}
